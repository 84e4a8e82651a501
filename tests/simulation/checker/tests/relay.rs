//! The relay's rulings.

use plico_protocol::id::TicketId;
use plico_protocol::refusal::Code;
use plico_protocol::ticket::{Epoch, TicketFields};
use plico_relay::request::Digest;

use super::story::{INBOX, MAILBOX, Story, accepted, check, submit, ticket};
use crate::harness::world::BEGINNING;
use crate::simulation::checker::Violation;
use crate::simulation::history::Ruling;

/// An open mailbox whose ticket number 1, of epoch 10, allows two messages.
fn mailbox() -> Story {
    let mut story = Story::new();
    story.rule(Ruling::Opened { mailbox: MAILBOX });
    story.rule(Ruling::Minted { mailbox: MAILBOX, ticket: ticket(1, 10, 2) });
    story
}

fn id(n: u8) -> TicketId {
    TicketId::new([n; 16])
}

#[test]
fn a_repetition_is_answered_alike_and_another_submission_is_not() {
    let mut story = Story::new();
    story.accept(submit(1), None).accept(submit(1), None).acknowledge(INBOX, 1);
    assert_eq!(check(&story), []);
    let digest = Digest::of(b"another");
    story.rule(Ruling::Accepted { submit: submit(1), digest, to: INBOX, ticket: None });
    assert_eq!(check(&story), [Violation::SubmitIdTwice { submit: submit(1) }]);
}

#[test]
fn what_was_accepted_once_is_stored_once() {
    let mut story = Story::new();
    story.accept(submit(1), None).accept(submit(1), None).acknowledge(INBOX, 2);
    let beyond = Violation::AcknowledgedBeyond { queue: INBOX, up_to: 2, last: 1 };
    assert_eq!(check(&story), [beyond]);
}

#[test]
fn an_old_id_is_accepted_for_46_hours() {
    let mut story = Story::new();
    story.pass_hours(46).accept(submit(1), None);
    assert_eq!(check(&story), []);
    story.pass_hours(1).accept(submit(2), None);
    assert_eq!(check(&story), [Violation::AcceptedStale { submit: submit(2) }]);
}

#[test]
fn only_tickets_of_the_mailbox_are_honoured() {
    let mut story = mailbox();
    story.accept(submit(1), Some(ticket(1, 10, 2)));
    assert_eq!(check(&story), []);
    story.accept(submit(2), Some(ticket(2, 10, 2)));
    assert_eq!(check(&story), [Violation::UnknownTicket { submit: submit(2), ticket: id(2) }]);
}

#[test]
fn tickets_of_an_epoch_that_ended_are_not_honoured() {
    let changed = Ruling::TermsChanged { mailbox: MAILBOX, ticket: ticket(2, 11, 2) };
    for end in [Ruling::Revoked { mailbox: MAILBOX }, changed] {
        let mut story = mailbox();
        story.accept(submit(1), Some(ticket(1, 10, 2))).rule(end);
        assert_eq!(check(&story), []);
        story.accept(submit(2), Some(ticket(1, 10, 2)));
        assert_eq!(check(&story), [Violation::DeadTicket { submit: submit(2), ticket: id(1) }]);
    }
}

#[test]
fn a_ticket_is_honoured_until_its_last_minute() {
    let mut story = mailbox();
    story.pass_hours(23).accept(submit(1), Some(ticket(1, 10, 2)));
    assert_eq!(check(&story), []);
    story.pass_hours(2).accept(submit(2), Some(ticket(1, 10, 2)));
    assert_eq!(check(&story), [Violation::TicketOver { submit: submit(2), ticket: id(1) }]);
}

#[test]
fn messages_are_counted_from_the_last_mint_whichever_ticket_they_use() {
    let mut story = mailbox();
    let (first, second) = (Some(ticket(1, 10, 2)), Some(ticket(2, 10, 2)));
    story.accept(submit(1), first).accept(submit(2), first).accept(submit(2), first);
    story.rule(Ruling::Minted { mailbox: MAILBOX, ticket: ticket(2, 10, 2) });
    story.accept(submit(3), first).accept(submit(4), second);
    assert_eq!(check(&story), []);
    story.accept(submit(5), first);
    let (submit, used, messages_max, unanswered) = (submit(5), 2, 2, 0);
    let overdrawn = Violation::TicketOverdrawn { submit, used, messages_max, unanswered };
    assert_eq!(check(&story), [overdrawn]);
}

#[test]
fn five_messages_outside_a_window_are_taken_until_the_person_opens_another() {
    let mut story = Story::new();
    let of = |n, end: Option<u32>| TicketFields {
        free_until: end.map(|minutes| BEGINNING.minute().plus(minutes)),
        ..ticket(n, 10, 50)
    };
    let (past, running, standing) = (of(1, Some(0)), of(2, Some(60)), of(3, None));
    story.rule(Ruling::Opened { mailbox: MAILBOX });
    for ticket in [past, standing] {
        story.rule(Ruling::Minted { mailbox: MAILBOX, ticket });
    }
    for n in 1..=5 {
        story.accept(submit(n), Some(past)).accept(submit(10 + n), Some(standing));
    }
    let exhausted = Code::TicketExhausted;
    assert_eq!(check(story.clone().refuse(submit(6), past, exhausted)), []);
    let mut unasked = story.clone();
    unasked.accept(submit(6), Some(past));
    let (used, messages_max, unanswered) = (10, 50, 5);
    let overdrawn =
        Violation::TicketOverdrawn { submit: submit(6), used, messages_max, unanswered };
    assert_eq!(check(&unasked), [overdrawn]);
    story.rule(Ruling::Minted { mailbox: MAILBOX, ticket: running });
    assert_eq!(check(story.accept(submit(6), Some(past)).accept(submit(7), Some(running))), []);
}

#[test]
fn a_mint_keeps_the_epoch_and_a_change_of_terms_leaves_it() {
    let wrong = |epoch| Violation::WrongEpoch { mailbox: MAILBOX, epoch: Epoch(epoch) };
    let mut story = mailbox();
    story.rule(Ruling::Minted { mailbox: MAILBOX, ticket: ticket(2, 11, 2) });
    assert_eq!(check(&story), [wrong(11)]);
    let mut story = mailbox();
    story.rule(Ruling::TermsChanged { mailbox: MAILBOX, ticket: ticket(2, 10, 2) });
    assert_eq!(check(&story), [wrong(10)]);
    let mut story = mailbox();
    story.rule(Ruling::Revoked { mailbox: MAILBOX });
    story.rule(Ruling::Minted { mailbox: MAILBOX, ticket: ticket(2, 10, 2) });
    assert_eq!(check(&story), [wrong(10)]);
}

#[test]
fn a_mailbox_that_is_closed_grants_nothing() {
    let mut story = mailbox();
    story.rule(Ruling::Closed { mailbox: MAILBOX });
    assert_eq!(check(&story), []);
    story.accept(submit(1), Some(ticket(1, 10, 2)));
    assert_eq!(check(&story), [Violation::NoMailbox { mailbox: MAILBOX }]);
}

#[test]
fn each_refusal_has_its_reason() {
    let mint = ticket(1, 10, 2);
    let unduly = |code| vec![Violation::RefusedUnduly { submit: submit(9), code }];
    let check_refused = |prepare: fn(&mut Story), code| {
        let mut story = mailbox();
        assert_eq!(check(story.clone().refuse(submit(9), mint, code)), unduly(code));
        prepare(&mut story);
        assert_eq!(check(story.refuse(submit(9), mint, code)), []);
    };
    check_refused(|story| _ = story.rule(Ruling::Revoked { mailbox: MAILBOX }), Code::Revoked);
    check_refused(|story| _ = story.rule(Ruling::Closed { mailbox: MAILBOX }), Code::Revoked);
    check_refused(|story| _ = story.pass_hours(47), Code::Stale);
    let use_up = |story: &mut Story| {
        let mint = Some(ticket(1, 10, 2));
        story.accept(submit(1), mint).accept(submit(2), mint);
    };
    check_refused(use_up, Code::TicketExhausted);
    let reuse = |story: &mut Story| {
        let digest = Digest::of(b"another");
        story.rule(Ruling::Accepted { submit: submit(9), digest, to: INBOX, ticket: None });
    };
    check_refused(reuse, Code::SubmitIdReused);
    let fill = |story: &mut Story| {
        story.rule(Ruling::Minted { mailbox: MAILBOX, ticket: ticket(1, 10, u16::MAX) });
        for n in 0..1_000_u32 {
            let random = [n.to_be_bytes(), [1; 4], [2; 4]].concat().try_into().unwrap();
            let submit = plico_protocol::id::SubmitId::compose(submit(1).hour(), random);
            story.rule(accepted(submit, Some(ticket(1, 10, u16::MAX))));
        }
    };
    check_refused(fill, Code::MailboxFull);
}

#[test]
fn what_was_acknowledged_is_not_delivered_again() {
    let mut story = Story::new();
    story.accept(submit(1), None).acknowledge(INBOX, 1);
    story.accept(submit(2), None).acknowledge(INBOX, 2);
    assert_eq!(check(&story), []);
    story.acknowledge(INBOX, 2);
    let again = Violation::Redelivered { queue: INBOX, up_to: 2, acknowledged: 2 };
    assert_eq!(check(&story), [again]);
}

#[test]
fn what_was_under_way_when_its_mailbox_was_revoked_may_be_acknowledged() {
    let mut story = mailbox();
    story.accept(submit(1), Some(ticket(1, 10, 2)));
    story.rule(Ruling::Revoked { mailbox: MAILBOX }).acknowledge(MAILBOX, 1);
    assert_eq!(check(&story), []);
}
