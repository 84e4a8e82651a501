//! What became of everything in the end.

use plico_client::MessageState;
use plico_protocol::refusal::Code;

use super::story::{ANNA, BANK, INBOX, MAILBOX, Story, TALK, check, id, submit, ticket};
use crate::simulation::checker::Violation;
use crate::simulation::history::{Fact, Ruling, Wish, Words};

/// The violations once everyone had all the time there is.
fn check_ended(story: &Story) -> Vec<Violation> {
    check(story.clone().note(Fact::Healed))
}

#[test]
fn what_was_acknowledged_was_shown() {
    let mut story = Story::new();
    story.anna_says(1).acknowledge(INBOX, 1).delivered(&[(ANNA, 1)]);
    let lost = Violation::AcknowledgedNotShown { id: id(1), words: Words(1) };
    assert_eq!(check_ended(&story), [lost]);
    assert_eq!(check_ended(story.show(BANK, 1)), []);
}

#[test]
fn what_waits_at_the_relay_is_fetched() {
    let mut story = Story::new();
    story.anna_says(1);
    let waits = Violation::NotFetched { id: id(1), words: Words(1) };
    assert_eq!(check_ended(&story), [waits]);
    assert_eq!(check_ended(story.read_by_bank(1, 1).delivered(&[(ANNA, 1)])), []);
}

#[test]
fn what_waited_for_thirty_days_is_lost() {
    let mut story = Story::new();
    story.anna_says(1).pass_hours(720).tell(ANNA, 1, MessageState::Expired);
    assert_eq!(check_ended(&story), []);
}

#[test]
fn what_waited_when_its_mailbox_was_revoked_is_lost_and_nothing_else() {
    let mut story = Story::of_anna();
    story.bank_says(2, ticket(1, 10, 1)).rule(Ruling::Revoked { mailbox: MAILBOX });
    story.delivered(&[(ANNA, 1)]).tell(BANK, 2, MessageState::Expired);
    assert_eq!(check_ended(&story), []);
    // Said before the revocation, and accepted under a ticket that came after it.
    let mut story = Story::of_anna();
    let new = ticket(2, 11, 1);
    story.say(BANK, 2).rule(Ruling::Revoked { mailbox: MAILBOX });
    story.rule(Ruling::Minted { mailbox: MAILBOX, ticket: new });
    story.seal(BANK, 2, submit(2), Some(new)).accept(submit(2), Some(new));
    story.tell(BANK, 2, MessageState::Accepted).acknowledge(MAILBOX, 1);
    story.delivered(&[(ANNA, 1), (BANK, 2)]);
    let lost = Violation::AcknowledgedNotShown { id: id(2), words: Words(2) };
    assert_eq!(check_ended(&story), [lost]);
}

#[test]
fn what_came_under_a_ticket_that_was_taken_back_is_dropped_by_the_device() {
    let mut story = Story::of_anna();
    story.bank_says(2, ticket(1, 10, 1));
    let lost = Violation::AcknowledgedNotShown { id: id(2), words: Words(2) };
    let mut kept = story.clone();
    kept.acknowledge(MAILBOX, 1).wish(Wish::Revoke).rule(Ruling::Revoked { mailbox: MAILBOX });
    assert_eq!(check_ended(kept.delivered(&[(ANNA, 1), (BANK, 2)])), [lost]);
    // The relay hears of it only once the device has dropped what was under way.
    story.wish(Wish::Revoke).acknowledge(MAILBOX, 1).rule(Ruling::Revoked { mailbox: MAILBOX });
    assert_eq!(check_ended(story.delivered(&[(ANNA, 1), (BANK, 2)])), []);
}

#[test]
fn what_was_stored_goes_out_or_is_refused() {
    let mut story = Story::of_anna();
    story.bank_says(2, ticket(1, 10, 1)).read_by_anna(2, 1).say(BANK, 3);
    story.delivered(&[(ANNA, 1), (BANK, 2)]);
    let (id, words) = (id(3), Words(3));
    let never = [Violation::NotSent { id, words }, Violation::NeverTold { id, words }];
    assert_eq!(check_ended(&story), never);
    let (last, ticket) = (Code::TicketExhausted, ticket(1, 10, 1));
    story.seal(BANK, 3, submit(3), Some(ticket)).refuse(submit(3), ticket, last);
    story.tell(BANK, 3, MessageState::Refused(last));
    assert_eq!(check_ended(&story), []);
}

#[test]
fn what_became_of_a_message_is_told_to_its_sender() {
    let mut story = Story::new();
    story.anna_says(1).read_by_bank(1, 1);
    let untold = Violation::NeverTold { id: id(1), words: Words(1) };
    assert_eq!(check_ended(&story), [untold]);
    assert_eq!(check_ended(story.delivered(&[(ANNA, 1)])), []);
}

#[test]
fn what_was_asked_by_a_process_that_died_may_be_gone() {
    let mut story = Story::new();
    story.note(Fact::Asked { end: ANNA, to: TALK, words: Words(1), answering: None });
    assert_eq!(check_ended(story.note(Fact::Killed(ANNA))), []);
}

#[test]
fn what_a_person_sent_opens_in_the_end_unless_it_is_given_up() {
    let unreadable = MessageState::Unreadable;
    let mut story = Story::new();
    story.anna_says(1).acknowledge_unreadable(INBOX, 1);
    let unduly = Violation::UndulyUnreadable { id: id(1), words: Words(1) };
    assert_eq!(check_ended(&story), std::slice::from_ref(&unduly));
    // Nor may it be waited for after all restores are over.
    let mut restored = story.clone();
    restored.note(Fact::BackedUp).note(Fact::Restored).note(Fact::Restored);
    assert_eq!(check_ended(&restored), [unduly]);
    assert_eq!(check_ended(story.wish(Wish::Goodbye).tell(ANNA, 1, unreadable)), []);
}

#[test]
fn what_a_business_sent_opens_unless_its_customer_began_a_session_since() {
    let mut story = Story::of_anna();
    story.delivered(&[(ANNA, 1)]).bank_says(2, ticket(1, 10, 1));
    let mut again = story.clone();
    let unduly = Violation::UndulyUnreadable { id: id(2), words: Words(2) };
    assert_eq!(check_ended(story.acknowledge_unreadable(MAILBOX, 1)), [unduly]);
    again.seal(ANNA, 1, submit(3), None).acknowledge_unreadable(MAILBOX, 1);
    assert_eq!(check_ended(&again), []);
}
