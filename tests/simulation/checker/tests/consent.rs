//! Changes of consent.

use plico_client::MessageState;
use plico_protocol::ticket::TicketFields;

use super::story::{ANNA, BANK, MAILBOX, Story, TALK, check, submit, ticket};
use crate::simulation::checker::Violation;
use crate::simulation::history::{Fact, Ruling, Wish, Words};

/// Anna and the business wrote to each other, so that it is known which mailbox is hers.
fn talked() -> Story {
    let mut story = Story::of_anna();
    story.bank_says(2, ticket(1, 10, 1)).read_by_anna(2, 1);
    story.delivered(&[(ANNA, 1), (BANK, 2)]);
    story
}

#[test]
fn what_a_person_wishes_is_done() {
    let standing = TicketFields { free_until: None, ..ticket(2, 10, 3) };
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

/// Anna blocks while words 3 wait; then they are sealed, with another ticket, and taken.
fn check_block(blocked: impl FnOnce(&mut Story), taken: impl FnOnce(&mut Story)) -> Vec<Violation> {
    let mut story = talked();
    story.say(ANNA, 3);
    blocked(&mut story);
    story.rule(Ruling::Minted { mailbox: MAILBOX, ticket: ticket(2, 11, 3) });
    story.seal(ANNA, 3, submit(3), None);
    taken(&mut story);
    story.tell(ANNA, 3, MessageState::Accepted).read_by_bank(3, 2);
    check(story.delivered(&[(ANNA, 3)]).note(Fact::Healed))
}

fn block(story: &mut Story) {
    story.wish(Wish::Revoke).rule(Ruling::Revoked { mailbox: MAILBOX });
}

fn accept(story: &mut Story) {
    story.accept(submit(3), None);
}

#[test]
fn what_was_written_before_a_block_gives_no_ticket_that_holds() {
    let undone = [Violation::BlockUndone { person: 0, mailbox: MAILBOX }];
    assert_eq!(check_block(block, accept), undone);
    let revoked = |story: &mut Story| {
        story.rule(Ruling::Revoked { mailbox: MAILBOX });
        accept(story);
    };
    assert_eq!(check_block(block, revoked), []);
    let late = |story: &mut Story| {
        accept(story);
        story.rule(Ruling::Revoked { mailbox: MAILBOX });
    };
    assert_eq!(check_block(block, late), undone);
}

#[test]
fn a_block_holds_until_its_person_acts() {
    for act in [Wish::Change(3), Wish::Standing(3)] {
        let allowed = |story: &mut Story| {
            block(story);
            story.wish(act);
            let standing = TicketFields { free_until: None, ..ticket(4, 11, 3) };
            let mailbox = MAILBOX;
            story.rule(match act {
                Wish::Change(_) => Ruling::TermsChanged { mailbox, ticket: ticket(4, 11, 3) },
                _ => Ruling::Minted { mailbox, ticket: standing },
            });
        };
        assert_eq!(check_block(allowed, accept), [], "{act:?}");
    }
    let said = |story: &mut Story| {
        block(story);
        let (end, to, words) = (ANNA, TALK, Words(4));
        story.note(Fact::Asked { end, to, words, answering: None });
        story.note(Fact::Declined { end, words });
    };
    assert_eq!(check_block(said, accept), []);
}

#[test]
fn a_ticket_that_was_under_way_when_its_person_blocked_is_none_given_since() {
    let mut story = talked();
    story.say(ANNA, 3).wish(Wish::Revoke);
    story.rule(Ruling::Minted { mailbox: MAILBOX, ticket: ticket(2, 10, 3) });
    story.seal(ANNA, 3, submit(3), None).accept(submit(3), None);
    story.rule(Ruling::Revoked { mailbox: MAILBOX });
    story.tell(ANNA, 3, MessageState::Accepted).read_by_bank(3, 2);
    assert_eq!(check(story.delivered(&[(ANNA, 3)]).note(Fact::Healed)), []);
}
