//! What applications are shown.

use plico_client::EventId;

use super::story::{ANNA, BANK, CUSTOMER, INBOX, Story, TALK, check, id, submit, ticket};
use crate::simulation::checker::Violation;
use crate::simulation::history::{End, Fact, News, Peer, Words};

fn words(n: u8) -> Words {
    Words(u32::from(n))
}

#[test]
fn only_what_was_said_is_shown() {
    let mut story = Story::of_anna();
    story.bank_says(2, ticket(1, 10, 1)).read_by_anna(2, 1);
    assert_eq!(check(&story), []);
    story.show(BANK, 9);
    assert_eq!(check(&story), [Violation::NobodySaid { end: BANK, words: words(9) }]);
}

#[test]
fn what_could_not_be_sent_is_not_shown() {
    let mut story = Story::new();
    story.note(Fact::Asked { end: ANNA, to: TALK, words: words(1), answering: None });
    story.note(Fact::Declined { end: ANNA, words: words(1) }).show(BANK, 1);
    assert_eq!(check(&story), [Violation::NobodySaid { end: BANK, words: words(1) }]);
}

#[test]
fn what_was_asked_by_a_process_that_died_may_be_shown() {
    let mut story = Story::new();
    story.note(Fact::Asked { end: ANNA, to: TALK, words: words(1), answering: None });
    story.note(Fact::Killed(ANNA)).show(BANK, 1);
    assert_eq!(check(&story), []);
}

#[test]
fn words_keep_the_id_they_were_stored_under() {
    let mut story = Story::new();
    story.anna_says(1);
    story.hand(BANK, News::Message { from: CUSTOMER, id: id(9), words: Some(words(1)) });
    assert_eq!(check(&story), [Violation::OtherId { end: BANK, words: words(1) }]);
}

#[test]
fn words_are_shown_once() {
    let mut story = Story::of_anna();
    story.show(BANK, 1);
    assert_eq!(check(&story), [Violation::ShownTwice { end: BANK, words: words(1) }]);
}

#[test]
fn words_are_shown_again_under_their_event_to_an_application_that_died() {
    let mut story = Story::new();
    story.anna_says(1).acknowledge(INBOX, 1);
    let news = News::Message { from: CUSTOMER, id: id(1), words: Some(words(1)) };
    let shown = Fact::Shown { end: BANK, event: EventId(1), news };
    story.note(shown.clone()).note(Fact::Killed(BANK)).note(shown);
    assert_eq!(check(&story), []);
}

#[test]
fn words_are_shown_in_the_order_in_which_they_were_said() {
    let mut story = Story::new();
    story.anna_says(1).anna_says(2).acknowledge(INBOX, 2);
    let in_order = check(story.clone().show(BANK, 1).show(BANK, 2));
    assert_eq!(in_order, []);
    story.show(BANK, 2).show(BANK, 1);
    let late = Violation::OutOfOrder { end: BANK, words: words(1), after: words(2) };
    assert_eq!(check(&story), [late]);
}

#[test]
fn words_that_did_not_open_come_after_later_ones() {
    let mut story = Story::new();
    story.anna_says(1).acknowledge_unreadable(INBOX, 1).anna_says(2).read_by_bank(2, 2);
    story.seal(ANNA, 1, submit(3), None).accept(submit(3), None).read_by_bank(1, 3);
    assert_eq!(check(&story), []);
}

#[test]
fn nobody_is_shown_what_another_was_told() {
    let mut story = Story::of_anna();
    let of_another = News::Message { from: Peer(8), id: id(2), words: Some(words(2)) };
    story.anna_says(2).acknowledge(INBOX, 2);
    assert_eq!(check(story.clone().show(BANK, 2)), []);
    story.hand(BANK, of_another);
    let mixed = Violation::Mixed { end: BANK, words: words(2), from: Peer(8) };
    assert_eq!(check(&story), [mixed]);
    let mut story = Story::of_anna();
    let to_another = News::Message { from: Peer(5), id: id(2), words: Some(words(2)) };
    story.bank_says(2, ticket(1, 10, 1)).hand(End::Person(1), to_another);
    let mixed = Violation::Mixed { end: End::Person(1), words: words(2), from: Peer(5) };
    assert_eq!(check(&story), [mixed]);
}
