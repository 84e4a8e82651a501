//! What senders are told.

use plico_client::MessageState;
use plico_protocol::refusal::Code;

use super::story::{ANNA, BANK, INBOX, MAILBOX, Story, check, id, submit, ticket};
use crate::simulation::checker::Violation;
use crate::simulation::history::{End, Ruling, Wish};

fn falsely(end: End, words: u8, state: MessageState) -> Violation {
    Violation::FalselyTold { end, id: id(words), state }
}

#[test]
fn accepted_is_told_of_what_the_relay_has() {
    let mut story = Story::new();
    story.anna_says(1);
    assert_eq!(check(&story), []);
    story.say(ANNA, 2).seal(ANNA, 2, submit(2), None).tell(ANNA, 2, MessageState::Accepted);
    assert_eq!(check(&story), [Violation::FalselyAccepted { end: ANNA, id: id(2) }]);
}

#[test]
fn delivered_is_told_of_what_was_acknowledged() {
    let mut story = Story::new();
    story.anna_says(1);
    let early = check(story.clone().tell(ANNA, 1, MessageState::Delivered));
    assert_eq!(early, [falsely(ANNA, 1, MessageState::Delivered)]);
    story.acknowledge(INBOX, 1).tell(ANNA, 1, MessageState::Delivered);
    assert_eq!(check(&story), []);
}

#[test]
fn when_a_person_reads_is_told_after_the_day() {
    let mut story = Story::of_anna();
    story.bank_says(2, ticket(1, 10, 1)).read_by_anna(2, 1);
    // The beginning is at six in the morning.
    story.pass_hours(17);
    let early = check(story.clone().tell(BANK, 2, MessageState::Delivered));
    assert_eq!(early, [falsely(BANK, 2, MessageState::Delivered)]);
    story.pass_hours(1).tell(BANK, 2, MessageState::Delivered);
    assert_eq!(check(&story), []);
}

#[test]
fn unreadable_is_told_of_what_did_not_open_and_goes_out_no_more() {
    let mut story = Story::new();
    story.anna_says(1);
    let mut read = story.clone();
    read.acknowledge(INBOX, 1).tell(ANNA, 1, MessageState::Unreadable);
    assert_eq!(check(&read), [falsely(ANNA, 1, MessageState::Unreadable)]);
    let mut early = story.acknowledge_unreadable(INBOX, 1).clone();
    early.pass_hours(1).tell(ANNA, 1, MessageState::Unreadable);
    assert_eq!(check(&early), [falsely(ANNA, 1, MessageState::Unreadable)]);
    story.wish(Wish::Goodbye).tell(ANNA, 1, MessageState::Unreadable);
    assert_eq!(check(&story), []);
}

#[test]
fn expired_is_told_after_thirty_days() {
    let mut story = Story::new();
    story.anna_says(1).pass_hours(719);
    let early = check(story.clone().tell(ANNA, 1, MessageState::Expired));
    assert_eq!(early, [falsely(ANNA, 1, MessageState::Expired)]);
    story.pass_hours(1).tell(ANNA, 1, MessageState::Expired);
    assert_eq!(check(&story), []);
}

#[test]
fn expired_is_told_of_what_waited_when_its_mailbox_was_revoked_or_closed() {
    for end in [Ruling::Revoked { mailbox: MAILBOX }, Ruling::Closed { mailbox: MAILBOX }] {
        let mut story = Story::of_anna();
        story.bank_says(2, ticket(1, 10, 1));
        story.clone().rule(end.clone()).tell(BANK, 2, MessageState::Expired);
        assert_eq!(check(story.clone().rule(end.clone()).tell(BANK, 2, MessageState::Expired)), []);
        // What was read before is not lost by it.
        story.read_by_anna(2, 1).rule(end).tell(BANK, 2, MessageState::Expired);
        assert_eq!(check(&story), [falsely(BANK, 2, MessageState::Expired)]);
    }
}

#[test]
fn expired_is_told_of_what_the_relay_forgot() {
    let mut story = Story::new();
    story.anna_says(1).acknowledge(INBOX, 1).pass_hours(47);
    let early = check(story.clone().tell(ANNA, 1, MessageState::Expired));
    assert_eq!(early, [falsely(ANNA, 1, MessageState::Expired)]);
    story.pass_hours(1).tell(ANNA, 1, MessageState::Expired);
    assert_eq!(check(&story), []);
}

#[test]
fn a_business_is_told_forgotten_and_not_expired_of_what_the_relay_forgot() {
    let mut story = Story::of_anna();
    story.bank_says(2, ticket(1, 10, 1)).read_by_anna(2, 1).pass_hours(47);
    let (forgotten, expired) = (MessageState::Forgotten, MessageState::Expired);
    let early = check(story.clone().tell(BANK, 2, forgotten));
    assert_eq!(early, [falsely(BANK, 2, forgotten)]);
    story.pass_hours(24);
    assert_eq!(check(story.clone().tell(BANK, 2, expired)), [falsely(BANK, 2, expired)]);
    assert_eq!(check(story.tell(BANK, 2, forgotten)), []);
}

#[test]
fn expired_is_told_of_what_never_left_when_its_person_did() {
    let mut story = Story::new();
    story.say(ANNA, 1);
    let stays = check(story.clone().tell(ANNA, 1, MessageState::Expired));
    assert_eq!(stays, [falsely(ANNA, 1, MessageState::Expired)]);
    story.wish(Wish::Goodbye).tell(ANNA, 1, MessageState::Expired);
    assert_eq!(check(&story), []);
}

#[test]
fn refused_is_told_of_what_the_relay_refused() {
    let mut story = Story::of_anna();
    story.bank_says(2, ticket(1, 10, 1)).say(BANK, 3);
    story.seal(BANK, 3, submit(3), Some(ticket(1, 10, 1)));
    let state = MessageState::Refused(Code::TicketExhausted);
    assert_eq!(check(story.clone().tell(BANK, 3, state)), [falsely(BANK, 3, state)]);
    story.refuse(submit(3), ticket(1, 10, 1), Code::TicketExhausted).tell(BANK, 3, state);
    assert_eq!(check(&story), []);
}

#[test]
fn what_is_refused_before_the_writer_is_refused_for_its_ticket() {
    let mut story = Story::of_anna();
    story.say(BANK, 2).seal(BANK, 2, submit(2), Some(ticket(1, 10, 1))).pass_hours(23);
    let state = MessageState::Refused(Code::TicketExpired);
    assert_eq!(check(story.clone().tell(BANK, 2, state)), [falsely(BANK, 2, state)]);
    story.pass_hours(1).tell(BANK, 2, state);
    assert_eq!(check(&story), []);
}

#[test]
fn nothing_is_told_after_the_end() {
    let mut story = Story::new();
    story.anna_says(1).acknowledge(INBOX, 1).tell(ANNA, 1, MessageState::Delivered);
    story.tell(ANNA, 1, MessageState::Accepted);
    let (first, then) = (MessageState::Delivered, MessageState::Accepted);
    let after = Violation::ToldAfterTheEnd { end: ANNA, id: id(1), first, then };
    assert_eq!(check(&story), [after]);
}

#[test]
fn an_honest_message_never_fails() {
    let mut story = Story::new();
    story.say(ANNA, 1).tell(ANNA, 1, MessageState::Failed);
    assert_eq!(check(&story), [falsely(ANNA, 1, MessageState::Failed)]);
}
