//! Events.

use plico_client::EventId;

use super::story::{ANNA, BANK, CUSTOMER, Story, TALK, check, id};
use crate::simulation::checker::Violation;
use crate::simulation::history::{Fact, News, Words};

const ONE: EventId = EventId(1);

fn shown(event: u64) -> Fact {
    Fact::Shown { end: ANNA, event: EventId(event), news: News::Consent { with: TALK } }
}

#[test]
fn an_event_that_was_not_handled_is_shown_again_and_nothing_else() {
    let mut story = Story::new();
    story.note(shown(1)).note(Fact::Killed(ANNA));
    assert_eq!(check(story.clone().note(shown(1))), []);
    story.note(shown(2));
    assert_eq!(check(&story), [Violation::EventLost { end: ANNA, event: ONE }]);
}

#[test]
fn an_event_whose_end_was_under_way_may_be_shown_again_or_not() {
    let mut story = Story::new();
    story.note(shown(1)).note(Fact::Next(ANNA)).note(Fact::Killed(ANNA));
    for next in [1, 2] {
        assert_eq!(check(story.clone().note(shown(next))), []);
    }
}

#[test]
fn an_event_that_was_handled_is_not_shown_again() {
    let mut told = Story::new();
    told.note(shown(1)).note(Fact::Handled { end: ANNA, event: ONE });
    let mut implied = Story::new();
    implied.note(shown(1)).note(Fact::Next(ANNA)).note(shown(2)).note(Fact::Next(ANNA));
    for mut story in [told, implied] {
        story.note(Fact::Closed(ANNA)).note(shown(1));
        assert_eq!(check(&story), [Violation::HandledAndShown { end: ANNA, event: ONE }]);
    }
}

#[test]
fn events_come_oldest_first() {
    let mut story = Story::new();
    story.note(shown(2)).note(Fact::Next(ANNA)).note(shown(3)).note(Fact::Next(ANNA));
    assert_eq!(check(&story), []);
    story.note(shown(1));
    assert_eq!(check(&story), [Violation::EventLate { end: ANNA, event: ONE }]);
}

#[test]
fn an_event_keeps_its_news() {
    let mut story = Story::new();
    let other = Fact::Shown { end: ANNA, event: ONE, news: News::Trouble };
    story.note(shown(1)).note(Fact::Killed(ANNA)).note(other);
    assert_eq!(check(&story), [Violation::EventChanged { end: ANNA, event: ONE }]);
}

#[test]
fn an_event_is_answered_or_shown_again() {
    let mut story = Story::of_anna();
    let (event, words) = (story.last_event(), Words(2));
    let answering = Some(event);
    story.note(Fact::Asked { end: BANK, to: CUSTOMER, words, answering }).note(Fact::Killed(BANK));
    let again = News::Message { from: CUSTOMER, id: id(1), words: Some(Words(1)) };
    let again = Fact::Shown { end: BANK, event, news: again };
    // Stored, though the call did not return; then the event is not there any more.
    assert_eq!(check(story.clone().show(ANNA, 2)), []);
    story.note(again).show(ANNA, 2);
    assert_eq!(check(&story), [Violation::AnsweredAndShown { end: BANK, event, words }]);
}

#[test]
fn an_event_that_was_answered_is_handled() {
    let mut story = Story::of_anna();
    let (event, words) = (story.last_event(), Words(2));
    let again = News::Message { from: CUSTOMER, id: id(1), words: Some(Words(1)) };
    let answering = Some(event);
    story.note(Fact::Asked { end: BANK, to: CUSTOMER, words, answering });
    story.note(Fact::Stored { end: BANK, words, id: id(2) }).note(Fact::Killed(BANK));
    story.note(Fact::Shown { end: BANK, event, news: again });
    assert_eq!(check(&story), [Violation::HandledAndShown { end: BANK, event }]);
}
