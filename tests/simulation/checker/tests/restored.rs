//! A business that goes on from a copy.

use plico_client::{EventId, MessageState};

use super::story::{ANNA, BANK, CUSTOMER, INBOX, MAILBOX, Story, check, id, submit, ticket};
use crate::simulation::checker::Violation;
use crate::simulation::history::{Fact, News, Ruling, Wish, Words};

/// Anna's words 1 were shown before the copy, words 2 after it.
fn restored() -> Story {
    let mut story = Story::of_anna();
    story.note(Fact::Closed(BANK)).note(Fact::BackedUp);
    story.anna_says(2).read_by_bank(2, 2);
    story.note(Fact::Killed(BANK)).note(Fact::Restored);
    story
}

fn show_as(story: &mut Story, event: u64, words: u8) -> &mut Story {
    let words_shown = Some(Words(u32::from(words)));
    let news = News::Message { from: CUSTOMER, id: id(words), words: words_shown };
    story.note(Fact::Shown { end: BANK, event: EventId(event), news }).note(Fact::Next(BANK))
}

#[test]
fn what_came_after_the_copy_is_shown_once_more_and_may_be_late() {
    let mut story = restored();
    story.seal(ANNA, 2, submit(9), None).accept(submit(9), None);
    story.anna_says(3).acknowledge(INBOX, 4);
    show_as(&mut story, 90, 3);
    show_as(&mut story, 91, 2);
    assert_eq!(check(&story), []);
    show_as(&mut story, 92, 2);
    assert_eq!(check(&story), [Violation::ShownTwice { end: BANK, words: Words(2) }]);
}

#[test]
fn what_came_before_the_copy_is_not_shown_again() {
    let mut story = restored();
    show_as(&mut story, 90, 1);
    assert_eq!(check(&story), [Violation::ShownTwice { end: BANK, words: Words(1) }]);
}

#[test]
fn what_the_lost_state_acknowledged_and_never_showed_may_be_gone() {
    let mut story = Story::of_anna();
    story.note(Fact::Closed(BANK)).note(Fact::BackedUp).anna_says(2).acknowledge(INBOX, 2);
    story.delivered(&[(ANNA, 1), (ANNA, 2)]);
    let lost = [Violation::AcknowledgedNotShown { id: id(2), words: Words(2) }];
    // The device repeats it, unless its person took every ticket back, or for 30 days.
    let mut repeated = story.clone();
    assert_eq!(check(repeated.note(Fact::Restored).note(Fact::Healed)), lost);
    let mut unwanted = story.clone();
    unwanted.note(Fact::Restored).wish(Wish::Revoke).rule(Ruling::Revoked { mailbox: MAILBOX });
    assert_eq!(check(unwanted.note(Fact::Healed)), []);
    let mut old = story.clone();
    assert_eq!(check(old.note(Fact::Restored).pass_hours(720).note(Fact::Healed)), []);
    // Nobody loses what was said if no state was lost.
    assert_eq!(check(story.wish(Wish::Goodbye).note(Fact::Healed)), lost);
}

#[test]
fn what_the_business_said_after_the_copy_may_be_gone() {
    let mut story = Story::of_anna();
    story.delivered(&[(ANNA, 1)]).note(Fact::BackedUp).say(BANK, 2);
    let (id, words) = (id(2), Words(2));
    let lost = [Violation::NotSent { id, words }, Violation::NeverTold { id, words }];
    assert_eq!(check(story.clone().note(Fact::Healed)), lost);
    assert_eq!(check(story.note(Fact::Restored).note(Fact::Healed)), []);
}

#[test]
fn what_a_restored_business_could_not_seal_is_given_up_after_30_days() {
    let mut story = Story::of_anna();
    story.delivered(&[(ANNA, 1)]).note(Fact::BackedUp).note(Fact::Restored).say(BANK, 2);
    let expired = MessageState::Expired;
    let early = Violation::FalselyTold { end: BANK, id: id(2), state: expired };
    assert_eq!(check(story.clone().pass_hours(719).tell(BANK, 2, expired)), [early]);
    assert_eq!(check(story.pass_hours(720).tell(BANK, 2, expired).note(Fact::Healed)), []);
}

#[test]
fn what_the_business_was_told_after_the_copy_is_told_again() {
    let mut story = Story::of_anna();
    story.bank_says(2, ticket(1, 10, 1)).note(Fact::BackedUp).read_by_anna(2, 1).pass_hours(18);
    story.tell(BANK, 2, MessageState::Delivered);
    let mut again = story.clone();
    again.note(Fact::Restored).tell(BANK, 2, MessageState::Delivered);
    assert_eq!(check(&again), []);
    story.tell(BANK, 2, MessageState::Delivered);
    let (first, then) = (MessageState::Delivered, MessageState::Delivered);
    let twice = Violation::ToldAfterTheEnd { end: BANK, id: id(2), first, then };
    assert_eq!(check(&story), [twice]);
}

#[test]
fn what_was_sealed_for_the_lost_state_opens_in_the_end() {
    let mut story = Story::of_anna();
    story.delivered(&[(ANNA, 1)]).note(Fact::BackedUp).anna_says(2);
    let mut kept = story.clone();
    let unduly = Violation::UndulyUnreadable { id: id(2), words: Words(2) };
    let ended = kept.acknowledge_unreadable(INBOX, 2).note(Fact::Healed);
    assert_eq!(check(ended), std::slice::from_ref(&unduly));
    // It goes out again until it opens.
    story.note(Fact::Restored).acknowledge_unreadable(INBOX, 2).note(Fact::Restored);
    assert_eq!(check(story.note(Fact::Healed)), [unduly]);
}
