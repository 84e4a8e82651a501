//! Changes of consent.

use super::story::{ANNA, BANK, MAILBOX, Story, check, ticket};
use crate::simulation::checker::Violation;
use crate::simulation::history::{Fact, Ruling, Wish};

/// Anna and the business wrote to each other, so that it is known which mailbox is hers.
fn talked() -> Story {
    let mut story = Story::of_anna();
    story.bank_says(2, ticket(1, 10, 1)).read_by_anna(2, 1);
    story.delivered(&[(ANNA, 1), (BANK, 2)]);
    story
}

#[test]
fn what_a_person_wishes_is_done() {
    let standing = plico_protocol::ticket::TicketFields { free_until: None, ..ticket(2, 10, 3) };
    let mailbox = MAILBOX;
    for (wish, done) in [
        (Wish::Revoke, Ruling::Revoked { mailbox }),
        (Wish::Change(3), Ruling::TermsChanged { mailbox, ticket: ticket(2, 11, 3) }),
        (Wish::Standing(3), Ruling::Minted { mailbox, ticket: standing }),
        (Wish::Goodbye, Ruling::Closed { mailbox }),
    ] {
        let mut story = talked();
        story.wish(wish);
        assert_eq!(check(story.clone().rule(done).note(Fact::Healed)), [], "{wish:?}");
        let forgotten = Violation::WishForgotten { person: 0, mailbox };
        assert_eq!(check(story.note(Fact::Healed)), [forgotten], "{wish:?}");
    }
}

#[test]
fn a_mailbox_that_is_closed_has_no_consent_to_change() {
    let mut story = talked();
    story.wish(Wish::Revoke).wish(Wish::Goodbye);
    story.rule(Ruling::Closed { mailbox: MAILBOX }).note(Fact::Healed);
    assert_eq!(check(&story), []);
}
