//! Attacks on a person's consent, and what they gain: nothing.

use getrandom::rand_core::Rng;
use plico_protocol::stamp::Reason;

use super::*;

/// Keys of the days in which these stories play.
fn week() -> Keys {
    let keys = keys();
    for day in 1..7 {
        keys.rotate(Timestamp(START.0 + day * 86_400_000), &mut Seeded(day)).unwrap();
    }
    keys
}

pub(super) fn in_days(scenario: impl FnOnce(&mut Desk<'_>)) {
    check_with(week(), Limits::default(), scenario);
}

/// How many of twenty messages get through, one under each ticket in turn.
fn accepted(desk: &mut Desk<'_>, tickets: &[Ticket]) -> usize {
    let sent = tickets.iter().cycle().take(20).map(|ticket| {
        let mut random = [0; 12];
        desk.rng.fill_bytes(&mut random);
        desk.send_as(SubmitId::compose(desk.now.hour(), random), b"frame", ticket)
    });
    let sent: Vec<Reply> = sent.collect();
    for refusal in sent.iter().filter_map(|reply| reply.as_ref().err()) {
        assert_eq!(refusal.code, Code::TicketExhausted);
    }
    sent.iter().filter(|reply| reply.is_ok()).count()
}

#[test]
fn twenty_hoarded_tickets_give_no_more_unanswered_messages_than_one() {
    for hoarded in [1, 20] {
        in_days(|desk| {
            open(desk);
            let tickets: Vec<Ticket> = (0..hoarded).map(|_| desk.mint(50, true)).collect();
            desk.send(1, &tickets[0]).unwrap();
            desk.pass_hours(13);
            assert_eq!(desk.queue(&person(1)).unanswered, 0, "inside the window nothing counts");
            desk.pass_minutes(11 * 60 + 10);
            assert_eq!(accepted(desk, &tickets), 5, "of {hoarded}");
        });
    }
}

#[test]
fn a_standing_consent_is_bounded_by_its_own_number_alone() {
    in_days(|desk| {
        open(desk);
        let windowed = desk.mint(50, true);
        let standing = desk.mint(7, false);
        assert_eq!(accepted(desk, &[standing]), 7);
        assert_eq!(desk.queue(&person(1)).unanswered, 0);
        desk.pass_minutes(24 * 60 + 10 - 30);
        desk.send(1, &windowed).unwrap();
    });
}

#[test]
fn only_a_person_who_writes_allows_more_unanswered_messages() {
    in_days(|desk| {
        open(desk);
        let ticket = desk.mint(50, true);
        desk.pass_minutes(24 * 60 + 10);
        assert_eq!(accepted(desk, &[ticket]), 5);
        desk.mint(50, false);
        assert_eq!(accepted(desk, &[ticket]), 0, "a standing consent answers nothing");
        let changed = desk.change_terms(50);
        assert_eq!(accepted(desk, &[changed]), 0, "neither do other terms");
        let written = desk.mint(50, true);
        desk.send(1, &written).unwrap();
        assert_eq!(accepted(desk, &[changed]), 5, "of the one epoch whichever is used");
    });
}

#[test]
fn a_narrowed_ticket_ends_the_wider_and_is_itself_no_standing_consent() {
    in_days(|desk| {
        open(desk);
        let wide = desk.mint(50, true);
        desk.send(1, &wide).unwrap();
        let narrow = desk.change_terms(3);
        assert_eq!(code(desk.send(2, &wide)), Code::Revoked);
        assert_eq!(desk.queue(&person(1)).envelopes, 1, "what was sent stays");
        for n in 2..5 {
            desk.send(n, &narrow).unwrap();
        }
        assert_eq!(code(desk.send(5, &narrow)), Code::TicketExhausted);
        desk.pass_hours(25);
        let late = desk.change_terms(50);
        assert_eq!(accepted(desk, &[late]), 5, "its window is over, and it has one");
    });
}

#[test]
fn other_terms_and_standing_consents_do_not_reopen_a_window() {
    in_days(|desk| {
        open(desk);
        let window = desk.mint(50, true).fields().unwrap().free_until;
        desk.pass_hours(23);
        assert_eq!(desk.change_terms(50).fields().unwrap().free_until, window);
        assert_eq!(desk.mint(50, false).fields().unwrap().free_until, None);
        desk.pass_hours(2);
        let changed = desk.change_terms(50);
        assert_eq!(changed.fields().unwrap().free_until, window);
        assert_eq!(reason(desk.send(1, &changed)), Reason::OutsideWindow);
        let standing = desk.mint(50, false);
        assert_eq!(reason(desk.send(2, &standing)), Reason::OutsideWindow);
    });
}

#[test]
fn a_mailbox_without_a_window_gets_none_by_other_terms() {
    in_days(|desk| {
        open(desk);
        assert_eq!(desk.change_terms(50).fields().unwrap().free_until, None);
    });
}

#[test]
fn a_reopened_mailbox_revives_no_ticket() {
    in_days(|desk| {
        open(desk);
        let tickets = [desk.mint(50, true), desk.mint(50, false), desk.change_terms(50)];
        desk.call(close(person(1))).unwrap();
        open(desk);
        desk.mint(50, true);
        for (n, ticket) in tickets.iter().enumerate() {
            assert_eq!(code(desk.send(n as u8, ticket)), Code::Revoked);
        }
    });
}

#[test]
fn a_month_without_days_left_opens_no_window_and_still_takes_the_message() {
    in_days(|desk| {
        desk.windows.days_per_month = 1;
        open(desk);
        let first = desk.mint(50, true).fields().unwrap().free_until;
        desk.pass_hours(22);
        let running = desk.mint(50, true);
        assert_eq!(running.fields().unwrap().free_until, first, "the one that runs goes on");
        desk.pass_hours(3);
        let ticket = desk.mint(50, true);
        let fields = ticket.fields().unwrap();
        assert_eq!(fields.free_until, Some(fields.opened_at));
        assert_eq!(reason(desk.send(1, &ticket)), Reason::OutsideWindow);
    });
}

fn reason(reply: Reply) -> Reason {
    match reply.unwrap() {
        RelayFrame::Accepted(acceptance) => acceptance.reason,
        other => panic!("{other:?}"),
    }
}
