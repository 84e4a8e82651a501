//! Random histories against a model, and memory against fjall.

use std::collections::BTreeMap;
use std::sync::Arc;

use plico_protocol::frame::{RelayFrame, Sequence, SubmissionState};
use plico_protocol::id::{Address, SubmitId};
use plico_protocol::limits::UNANSWERED_MAX;
use plico_protocol::refusal::Code;
use plico_protocol::ticket::{Ticket, Zone};
use plico_protocol::time::Hour;
use proptest::prelude::*;

use crate::policy::consent::WindowRules;
use crate::request::{Reply, Request};
use crate::store::{Fjall, Store};
use crate::writer::Limits;
use crate::writer::fixture::{World, acknowledge, close, keys, person, revoke, terms};

/// One thing that happens. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Step {
    Open(u8),
    Close(u8),
    Mint(u8, u16, bool),
    ChangeTerms(u8, u16),
    Revoke(u8),
    /// To whom, and under the how-manieth last ticket.
    Send(u8, u8),
    /// The how-manieth last submission once more.
    Repeat(u8),
    /// Whose, how many, and whether the last is unreadable.
    Acknowledge(u8, u8, bool),
    Pass(u32),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..2u8;
    prop_oneof![
        2 => who.clone().prop_map(Step::Open),
        1 => who.clone().prop_map(Step::Close),
        3 => (who.clone(), 1..6u16, any::<bool>()).prop_map(|(a, b, c)| Step::Mint(a, b, c)),
        1 => (who.clone(), 1..6u16).prop_map(|(a, b)| Step::ChangeTerms(a, b)),
        1 => who.clone().prop_map(Step::Revoke),
        8 => (who.clone(), 0..3u8).prop_map(|(a, b)| Step::Send(a, b)),
        2 => (0..4u8).prop_map(Step::Repeat),
        3 => (who, 0..4u8, any::<bool>()).prop_map(|(a, b, c)| Step::Acknowledge(a, b, c)),
        2 => prop_oneof![0..3u32, 20..30u32, 700..730u32].prop_map(Step::Pass),
        1 => Just(Step::Sweep),
    ]
}

/// A mailbox as a person would describe it.
#[derive(Clone, Debug, Default)]
struct Mailbox {
    /// How often its tickets were ended.
    era: u32,
    used: u32,
    /// Outside windows under tickets with one, since a ticket with a window was minted.
    unanswered: u32,
    last: u64,
    acknowledged: u64,
    /// Sequence, submission, first hour in which it is gone.
    queue: Vec<(u64, SubmitId, Hour)>,
}

/// What should be true.
#[derive(Default)]
struct Model {
    mailboxes: BTreeMap<u8, Mailbox>,
    /// Tickets with whose they are, the era they were minted in and how many messages they carry.
    tickets: Vec<(Ticket, u8, u32, u16)>,
    eras: u32,
    submissions: BTreeMap<[u8; 16], (SubmissionState, Hour)>,
    sent: Vec<(Request, SubmitId)>,
    next: u8,
}

impl Model {
    fn end_all(&mut self, who: u8, now: Hour) {
        let Some(mailbox) = self.mailboxes.get_mut(&who) else { return };
        for (_, id, expires) in mailbox.queue.drain(..) {
            // What was due before is told as it was.
            let at = if expires <= now { expires } else { now };
            self.submissions.insert(*id.as_bytes(), (SubmissionState::Expired, at));
        }
        mailbox.acknowledged = mailbox.last;
    }

    fn expire(&mut self, now: Hour) {
        for mailbox in self.mailboxes.values_mut() {
            let submissions = &mut self.submissions;
            mailbox.queue.retain(|(_, id, expires)| {
                if *expires <= now {
                    submissions.insert(*id.as_bytes(), (SubmissionState::Expired, *expires));
                }
                now < *expires
            });
        }
    }
}

fn address(who: u8) -> Address {
    person(who + 1)
}

/// Takes the step in the world and, where given, in the model, comparing what they say.
fn take(world: &mut World, model: &mut Model, step: &Step) -> Option<Reply> {
    let now = world.now().hour();
    match *step {
        Step::Open(who) => {
            let reply = world.call(Request::Open { address: address(who) });
            assert_eq!(reply, Ok(RelayFrame::Opened));
            if !model.mailboxes.contains_key(&who) {
                model.eras += 1;
                let era = model.eras;
                model.mailboxes.insert(who, Mailbox { era, ..Mailbox::default() });
            }
            Some(reply)
        }
        Step::Close(who) => {
            let reply = world.call(close(address(who)));
            assert_eq!(reply, Ok(RelayFrame::Closed));
            model.end_all(who, now);
            model.mailboxes.remove(&who);
            Some(reply)
        }
        Step::Mint(who, max, window) => {
            let terms = terms(world.now(), max);
            let window = window.then(WindowRules::default);
            let request =
                Request::Mint { address: address(who), terms, window, zone: Zone::UNKNOWN };
            let reply = world.call(request);
            minted(model, who, max, &reply, false);
            if let Some(mailbox) = model.mailboxes.get_mut(&who).filter(|_| window.is_some()) {
                mailbox.unanswered = 0;
            }
            Some(reply)
        }
        Step::ChangeTerms(who, max) => {
            let terms = terms(world.now(), max);
            let request =
                Request::ChangeTerms { address: address(who), terms, zone: Zone::UNKNOWN };
            let reply = world.call(request);
            minted(model, who, max, &reply, true);
            Some(reply)
        }
        Step::Revoke(who) => revoked(world, model, who),
        Step::Send(who, back) => send(world, model, who, back),
        Step::Repeat(back) => repeated(world, model, back),
        Step::Acknowledge(who, count, unreadable) => {
            acknowledged(world, model, who, count, unreadable)
        }
        Step::Pass(hours) => {
            world.pass_hours(hours);
            model.expire(world.now().hour());
            None
        }
        Step::Sweep => {
            world.sweep();
            None
        }
    }
}

fn revoked(world: &mut World, model: &mut Model, who: u8) -> Option<Reply> {
    let reply = world.call(revoke(address(who)));
    model.end_all(who, world.now().hour());
    model.eras += 1;
    match model.mailboxes.get_mut(&who) {
        Some(mailbox) => {
            assert_eq!(reply, Ok(RelayFrame::Revoked));
            mailbox.era = model.eras;
        }
        None => assert_eq!(refused(&reply), Some(Code::NoMailbox)),
    }
    Some(reply)
}

fn repeated(world: &mut World, model: &Model, back: u8) -> Option<Reply> {
    let at = model.sent.len().checked_sub(1 + usize::from(back))?;
    let (request, id) = model.sent[at].clone();
    let known = world.view().submission_state(&id, world.now()).unwrap();
    let reply = world.call(request);
    if known != SubmissionState::Unknown {
        assert!(matches!(reply, Ok(RelayFrame::Accepted(_))), "{reply:?}");
    } else {
        // Forgotten or not yet swept: an answer as before or `stale`, never a second envelope.
        assert!(matches!(refused(&reply), None | Some(Code::Stale)), "{reply:?}");
    }
    Some(reply)
}

fn refused(reply: &Reply) -> Option<Code> {
    reply.as_ref().err().map(|refusal| refusal.code)
}

fn minted(model: &mut Model, who: u8, max: u16, reply: &Reply, ends_others: bool) {
    let Some(mailbox) = model.mailboxes.get_mut(&who) else {
        assert_eq!(refused(reply), Some(Code::NoMailbox));
        return;
    };
    let Ok(RelayFrame::Minted(ticket)) = reply else { panic!("no ticket: {reply:?}") };
    if ends_others {
        model.eras += 1;
        mailbox.era = model.eras;
    }
    mailbox.used = 0;
    model.tickets.push((**ticket, who, mailbox.era, max));
}

fn send(world: &mut World, model: &mut Model, who: u8, back: u8) -> Option<Reply> {
    let mine: Vec<_> = model.tickets.iter().filter(|ticket| ticket.1 == who).collect();
    let (ticket, _, era, max) = **mine.get(mine.len().checked_sub(1 + usize::from(back))?)?;
    let valid_until = ticket.fields().unwrap().valid_until;
    if valid_until <= world.now().minute() {
        return None;
    }
    model.next = model.next.wrapping_add(1);
    let id = world.id(model.next);
    let request = world.to_mailbox(model.next, address(who), &ticket);
    let reply = world.call(request.clone());
    let (now, minute) = (world.now().hour(), world.now().minute());
    let free_until = ticket.fields().unwrap().free_until;
    let unanswered = u32::from(free_until.is_some_and(|end| end <= minute));
    match model.mailboxes.get_mut(&who).filter(|mailbox| mailbox.era == era) {
        None => assert_eq!(refused(&reply), Some(Code::Revoked)),
        Some(mailbox) if u32::from(max) <= mailbox.used => {
            assert_eq!(refused(&reply), Some(Code::TicketExhausted));
        }
        Some(mailbox) if UNANSWERED_MAX < mailbox.unanswered + unanswered => {
            assert_eq!(refused(&reply), Some(Code::TicketExhausted));
        }
        Some(mailbox) => {
            assert!(matches!(reply, Ok(RelayFrame::Accepted(_))), "{reply:?}");
            mailbox.used += 1;
            mailbox.unanswered += unanswered;
            mailbox.last += 1;
            mailbox.queue.push((mailbox.last, id, now.plus(720)));
            model.submissions.insert(*id.as_bytes(), (SubmissionState::Queued, now));
            model.sent.push((request, id));
        }
    }
    Some(reply)
}

fn acknowledged(
    world: &mut World,
    model: &mut Model,
    who: u8,
    count: u8,
    unreadable: bool,
) -> Option<Reply> {
    let now = world.now().hour();
    let mailbox = model.mailboxes.get_mut(&who)?;
    let up_to = mailbox.queue.get(usize::from(count)).map_or(mailbox.last, |entry| entry.0);
    let bad: Vec<u64> = if unreadable { vec![up_to] } else { Vec::new() };
    let reply = world.call(acknowledge(address(who), up_to, &bad));
    assert!(matches!(reply, Ok(RelayFrame::Acknowledged { .. })), "{reply:?}");
    if mailbox.acknowledged < up_to {
        mailbox.acknowledged = up_to;
        let submissions = &mut model.submissions;
        mailbox.queue.retain(|(sequence, id, _)| {
            if *sequence <= up_to {
                let is_bad = unreadable && *sequence == up_to;
                let state = match is_bad {
                    true => SubmissionState::Unreadable,
                    false => SubmissionState::Delivered,
                };
                submissions.insert(*id.as_bytes(), (state, now));
            }
            up_to < *sequence
        });
    }
    Some(reply)
}

/// Compares everything that can be read with the model.
fn compare(world: &World, model: &Model) {
    let (view, now) = (world.view(), world.now());
    for who in 0..2 {
        let mailbox = model.mailboxes.get(&who);
        assert_eq!(view.mailbox_exists(&address(who)).unwrap(), mailbox.is_some());
        let mailbox = mailbox.cloned().unwrap_or_default();
        assert_eq!(view.last_sequence(&address(who)).unwrap(), Sequence(mailbox.last));
        assert_eq!(view.acknowledged(&address(who)).unwrap(), Sequence(mailbox.acknowledged));
        let found = view.envelopes_after(&address(who), Sequence(0), 999, 1 << 24, now).unwrap();
        let found: Vec<u64> = found.iter().map(|envelope| envelope.sequence.0).collect();
        let expected: Vec<u64> = mailbox.queue.iter().map(|entry| entry.0).collect();
        assert_eq!(found, expected);
    }
    for (id, (state, ended)) in &model.submissions {
        let shows = match state {
            SubmissionState::Delivered | SubmissionState::Unreadable => ended.day().end(),
            _ => *ended,
        };
        let told = view.submission_state(&SubmitId::new(*id), now).unwrap();
        let expected = match state {
            SubmissionState::Queued => SubmissionState::Queued,
            _ if now.hour() < shows => SubmissionState::Queued,
            _ => *state,
        };
        // A fate found late by a sweep is told for longer, never for less than 48 hours.
        if told != SubmissionState::Unknown || now.hour() < shows.plus(48) {
            assert_eq!(told, expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_history_reads_as_the_model_says(steps in prop::collection::vec(step(), 0..80)) {
        let (mut world, _disk) = World::new();
        let mut model = Model::default();
        for step in &steps {
            take(&mut world, &mut model, step);
            compare(&world, &model);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn fjall_answers_as_memory_does_also_across_restarts(
        steps in prop::collection::vec(step(), 20..60), restart in 0..20usize,
    ) {
        let (mut memory, _disk) = World::new();
        let dir = tempfile::tempdir().unwrap();
        let open = || -> Arc<dyn Store> { Arc::new(Fjall::open(dir.path()).unwrap()) };
        let mut fjall = World::over(open(), keys(), Limits::default());
        let (mut expected, mut model) = (Model::default(), Model::default());
        for (at, step) in steps.iter().enumerate() {
            let one = take(&mut memory, &mut expected, step);
            let other = take(&mut fjall, &mut model, step);
            // After the restart randomness differs, so tickets do; what they mean does not.
            if at < restart {
                prop_assert_eq!(one, other);
            } else {
                prop_assert_eq!(one.map(|r| r.is_ok()), other.map(|r| r.is_ok()));
            }
            if at == restart {
                let (now, keys) = (fjall.now(), fjall.keys.clone());
                drop(fjall);
                fjall = World::over(open(), keys, Limits::default());
                fjall.clock.set(now);
            }
            compare(&fjall, &model);
        }
    }
}
