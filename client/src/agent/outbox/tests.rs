//! The outbox: order for each peer, the same bytes again, and nothing lost by a restart.

use std::sync::{Arc, Mutex};

use plico_protocol::envelope::EnvelopeBytes;
use plico_protocol::frame::Acceptance;
use plico_protocol::id::Address;
use plico_protocol::stamp::Reason;

use super::*;
use crate::probe::Probe;
use crate::state::{Owner, Protection};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

struct Place {
    folder: tempfile::TempDir,
    state: State,
    outbox: Outbox,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let protection = Protection::key_file(folder.path().join("key"));
        let path = folder.path().join("state");
        let mut state = State::create(&path, &protection, Owner::Person).unwrap();
        let outbox = Outbox::load(&mut state, NOW).unwrap();
        Self { folder, state, outbox }
    }

    /// Forgets everything but what is on disk.
    fn restart(self) -> Self {
        let Self { folder, state, outbox: _ } = self;
        drop(state);
        let protection = Protection::key_file(folder.path().join("key"));
        let path = folder.path().join("state");
        let mut state = State::open(&path, &protection, Owner::Person).unwrap();
        let outbox = Outbox::load(&mut state, NOW).unwrap();
        Self { folder, state, outbox }
    }

    fn push(&mut self, peer: u64, id: u8, not_before: Timestamp) -> u64 {
        let outgoing = Outgoing {
            peer,
            id: ContentId::new([id; 16]),
            not_before,
            kind: 1,
            content: vec![id].into(),
            place: None,
            quiet: false,
            session: None,
            price_max: None,
            stage: Stage::Waiting,
        };
        self.outbox.push(&mut self.state, &outgoing, NOW).unwrap()
    }

    fn seal(&mut self, number: u64, first: bool) -> Submission {
        let submission = Submission {
            id: submit_id(NOW),
            to: Address::new([1; 32]),
            consent: None,
            envelope: EnvelopeBytes(vec![0; 2048].into()),
        };
        let mut outgoing = self.get(number);
        outgoing.sealed(&submission, first);
        self.state.write(|rows| Outbox::put(rows, number, &outgoing)).unwrap();
        self.outbox.note(number, &outgoing, NOW);
        submission
    }

    fn get(&mut self, number: u64) -> Outgoing {
        self.state.read(|rows| Outbox::get(rows, number)).unwrap().unwrap()
    }

    fn refuse(&mut self, number: u64, refusal: Refusal) -> Settled {
        let frame = RelayFrame::Refused(refusal);
        self.outbox.submitted(&mut self.state, number, &frame, NOW).unwrap()
    }

    fn status(&mut self, number: u64, state: SubmissionState) -> Settled {
        let frame = RelayFrame::State(state);
        self.outbox.status(&mut self.state, number, &frame, NOW).unwrap()
    }
}

#[test]
fn each_peer_has_its_order_and_a_delayed_message_lets_others_pass() {
    let mut place = Place::new();
    let late = place.push(1, 10, Timestamp(NOW.0 + 5_000));
    let (one, _) = (place.push(1, 11, NOW), place.push(1, 12, NOW));
    let other = place.push(2, 13, NOW);
    assert_eq!(place.outbox.waiting(NOW), [(one, 1), (other, 2)]);
    assert_eq!(place.outbox.wake(NOW), Some(Timestamp(NOW.0 + 5_000)));
    assert_eq!(place.outbox.waiting(Timestamp(NOW.0 + 5_000))[0], (late, 1));
}

#[test]
fn what_goes_out_again_keeps_the_order_in_which_it_was_written() {
    let mut place = Place::new();
    let kept = |place: &mut Place, id: u8, at: u64| {
        let number = place.push(1, id, NOW);
        let mut outgoing = place.get(number);
        outgoing.place = (at != 0).then_some(at);
        place.state.write(|rows| Outbox::put(rows, number, &outgoing)).unwrap();
        number
    };
    let numbers = [kept(&mut place, 9, 0), kept(&mut place, 4, 4), kept(&mut place, 5, 5)];
    place.outbox.hold(&mut place.state, numbers[1], Timestamp(NOW.0 + 1_000), NOW).unwrap();
    // The last of them waits too, and the first was not behind.
    assert_eq!(place.outbox.waiting(NOW), [(numbers[0], 1)]);
    let mut place = place.restart();
    let until = MessageState::Waiting { until: Timestamp(NOW.0 + 1_000) };
    assert_eq!(place.outbox.state_of(ContentId::new([5; 16])), Some(until));

    // One that was delivered was lost; it was written before the others.
    let lost = Outgoing { id: ContentId::new([2; 16]), place: Some(2), ..place.get(numbers[1]) };
    let open = place.outbox.open(1);
    let queued = place.state.write(|rows| Outbox::queue_again(rows, &open, vec![lost])).unwrap();
    place.outbox.renumber(&open, &queued, NOW);
    let mut place = place.restart();
    let order: Vec<ContentId> =
        place.outbox.open(1).into_iter().map(|number| place.get(number).id).collect();
    assert_eq!(order, [2, 4, 5, 9].map(|id| ContentId::new([id; 16])));
    // The answer to one that was submitted before settles nothing.
    assert_eq!(place.refuse(numbers[1], Refusal::new(Code::Revoked)), Settled::Nothing);
}

#[test]
fn after_a_restart_the_same_bytes_go_out_in_the_same_order() {
    let mut place = Place::new();
    let numbers = [place.push(1, 1, NOW), place.push(1, 2, NOW), place.push(1, 3, NOW)];
    let sealed = [place.seal(numbers[0], true), place.seal(numbers[1], false)];
    let mut place = place.restart();
    assert!(place.outbox.first_in_progress(1));
    assert_eq!(place.outbox.to_submit(NOW), [(numbers[0], 1)]);
    for (number, submission) in numbers.into_iter().zip(sealed) {
        assert_eq!(place.get(number).submission(), Some(submission));
    }
    assert_eq!(place.outbox.waiting(NOW), [(numbers[2], 1)]);
}

/// Notes what is sealed under which id.
#[derive(Default)]
struct Watch(Mutex<Vec<(ContentId, SubmitId)>>);

impl Probe for Arc<Watch> {
    fn reached(&self, _: Point) {}

    fn sealed(&self, content: ContentId, submission: &Submission, _: bool) {
        self.0.lock().unwrap().push((content, submission.id));
    }
}

#[test]
fn a_stale_id_is_replaced_and_the_envelope_kept() {
    let mut place = Place::new();
    let watch = Arc::new(Watch::default());
    place.state = place.state.watched_by(Arc::new(watch.clone()));
    let number = place.push(1, 1, NOW);
    let before = place.seal(number, false);
    assert_eq!(place.refuse(number, Refusal::new(Code::Stale)), Settled::Nothing);
    let after = place.get(number).submission().unwrap();
    assert_ne!(after.id, before.id);
    assert_eq!(*watch.0.lock().unwrap(), [(ContentId::new([1; 16]), after.id)]);
    assert_eq!(Submission { id: before.id, ..after }, before);
    assert_eq!(place.outbox.to_submit(NOW), [(number, 1)]);
}

#[test]
fn the_relays_time_to_wait_is_honoured_and_a_final_refusal_ends_the_message() {
    let mut place = Place::new();
    let number = place.push(1, 1, NOW);
    place.seal(number, false);
    assert_eq!(place.refuse(number, Refusal::new(Code::Busy).retry_after(7_000)), Settled::Later);
    assert!(place.outbox.to_submit(Timestamp(NOW.0 + 6_999)).is_empty());
    assert_eq!(place.outbox.to_submit(Timestamp(NOW.0 + 7_000)), [(number, 1)]);
    assert_eq!(place.refuse(number, Refusal::new(Code::Revoked)), Settled::Refused(Code::Revoked));
    let id = ContentId::new([1; 16]);
    let refused = Some(MessageState::Refused(Code::Revoked));
    assert_eq!(place.outbox.state_of(id), refused);
    assert_eq!(place.restart().outbox.state_of(id), refused);
}

#[test]
fn messages_over_a_shared_allowance_wait_one_behind_the_other() {
    let limited = |rule: &str| {
        Refusal::because(Code::RateLimited, format!("{rule}: at most 60 a minute"))
            .retry_after(1_000)
    };
    let mut place = Place::new();
    let numbers = [1, 2, 3].map(|peer| {
        let number = place.push(peer, u8::try_from(peer).unwrap(), NOW);
        place.seal(number, false);
        number
    });
    let due = |place: &Place, ms: u64| place.outbox.to_submit(Timestamp(NOW.0 + ms)).len();
    for number in numbers {
        assert_eq!(place.refuse(number, limited("account_submissions")), Settled::Later);
    }
    assert_eq!([999, 1_000, 1_999, 2_000, 3_000].map(|ms| due(&place, ms)), [0, 1, 1, 2, 3]);
    // What one mailbox has too much holds nobody else's up.
    let mut place = Place::new();
    for peer in [1, 2] {
        let number = place.push(peer, u8::try_from(peer).unwrap(), NOW);
        place.seal(number, false);
        assert_eq!(place.refuse(number, limited("mailbox_messages")), Settled::Later);
    }
    assert_eq!([999, 1_000].map(|ms| due(&place, ms)), [0, 2]);
}

#[test]
fn why_a_message_waits_is_known_until_the_relay_has_it() {
    let mut place = Place::new();
    let number = place.push(1, 1, NOW);
    let submission = place.seal(number, false);
    let refusal =
        Refusal::because(Code::RateLimited, "reach: at most 100 a day").retry_after(9_000);
    place.refuse(number, refusal.clone());
    let id = ContentId::new([1; 16]);
    let until = Timestamp(NOW.0 + 9_000);
    assert_eq!(place.outbox.delay(id), Some(&Delay { refusal, until }));
    place.outbox.accepted(&mut place.state, number, submission.id, NOW).unwrap();
    assert_eq!(place.outbox.delay(id), None);
}

#[test]
fn an_accepted_message_is_asked_about_until_its_state_is_final() {
    let mut place = Place::new();
    let number = place.push(1, 1, NOW);
    let Submission { id, .. } = place.seal(number, false);
    let acceptance = Acceptance { id, reason: Reason::ToInbox, free_until: None, receipt: None };
    let frame = RelayFrame::Accepted(acceptance);
    place.outbox.submitted(&mut place.state, number, &frame, NOW).unwrap();
    assert_eq!(place.outbox.state_of(ContentId::new([1; 16])), Some(MessageState::Accepted));
    let mut now = place.outbox.wake(NOW).unwrap();
    for state in [SubmissionState::Queued, SubmissionState::Queued, SubmissionState::Delivered] {
        assert_eq!(place.outbox.to_check(now), [(number, 1, id)]);
        let frame = RelayFrame::State(state);
        place.outbox.status(&mut place.state, number, &frame, now).unwrap();
        now = place.outbox.wake(now).unwrap_or(now);
    }
    assert_eq!(place.outbox.state_of(ContentId::new([1; 16])), Some(MessageState::Delivered));
    assert_eq!(place.outbox.wake(now), None);
}

#[test]
fn a_refused_repetition_is_asked_about_before_it_is_believed() {
    for (state, settled, last) in [
        (SubmissionState::Queued, Settled::Accepted, MessageState::Accepted),
        (SubmissionState::Delivered, Settled::Accepted, MessageState::Accepted),
        (
            SubmissionState::Unknown,
            Settled::Refused(Code::TicketExpired),
            MessageState::Refused(Code::TicketExpired),
        ),
    ] {
        let mut place = Place::new();
        let number = place.push(1, 1, NOW);
        let Submission { id, .. } = place.seal(number, false);
        // The answer to the first attempt was lost.
        place.outbox.submitting(number);
        place.outbox.submitting(number);
        let refused = place.refuse(number, Refusal::new(Code::TicketExpired));
        assert_eq!(refused, Settled::Nothing);
        assert!(place.outbox.to_submit(NOW).is_empty());
        assert_eq!(place.outbox.to_check(NOW), [(number, 1, id)]);
        assert_eq!(place.status(number, state), settled);
        assert_eq!(place.outbox.state_of(ContentId::new([1; 16])), Some(last));
    }
}

#[test]
fn a_process_that_ended_may_have_submitted() {
    let mut place = Place::new();
    let number = place.push(1, 1, NOW);
    place.seal(number, true);
    let mut place = place.restart();
    place.outbox.submitting(number);
    let full = Refusal::new(Code::StorageFull).retry_after(60_000);
    assert_eq!(place.refuse(number, full), Settled::Nothing);
    assert_eq!(place.outbox.to_check(NOW).len(), 1);
    assert_eq!(place.status(number, SubmissionState::Unknown), Settled::Later);
    // It was not accepted: the same bytes again, when the relay says.
    assert_eq!(place.outbox.wake(NOW), Some(Timestamp(NOW.0 + 60_000)));
    assert_eq!(place.outbox.to_submit(Timestamp(NOW.0 + 60_000)), [(number, 1)]);
}

#[test]
fn what_was_sealed_again_takes_no_answer_to_what_it_was() {
    let mut place = Place::new();
    let number = place.push(1, 1, NOW);
    let before = place.seal(number, true);
    place.seal(number, true);
    let acceptance =
        Acceptance { id: before.id, reason: Reason::ToInbox, free_until: None, receipt: None };
    let frame = RelayFrame::Accepted(acceptance);
    let settled = place.outbox.submitted(&mut place.state, number, &frame, NOW).unwrap();
    assert_eq!(settled, Settled::Nothing);
    assert_eq!(place.outbox.to_submit(NOW), [(number, 1)]);
}

#[test]
fn a_message_is_submitted_when_the_one_before_it_was_answered_for_good() {
    let mut place = Place::new();
    let [one, two, other] = [(5, 1), (5, 2), (6, 3)].map(|(peer, id)| {
        let number = place.push(peer, id, NOW);
        place.seal(number, false);
        number
    });
    assert_eq!(place.outbox.to_submit(NOW), [(one, 5), (other, 6)]);
    place.refuse(one, Refusal::new(Code::MailboxFull).retry_after(60_000));
    assert_eq!(place.outbox.to_submit(NOW), [(other, 6)]);
    assert_eq!(place.outbox.to_submit(after(NOW, 60_000)), [(one, 5), (other, 6)]);
    place.refuse(one, Refusal::new(Code::Stale));
    assert_eq!(place.outbox.to_submit(NOW), [(one, 5), (other, 6)]);
    let id = place.get(one).submission().unwrap().id;
    let accepted = RelayFrame::Accepted(Acceptance {
        id,
        reason: Reason::ToInbox,
        free_until: None,
        receipt: None,
    });
    place.outbox.submitted(&mut place.state, one, &accepted, NOW).unwrap();
    assert_eq!(place.outbox.to_submit(NOW), [(two, 5), (other, 6)]);
    place.refuse(two, Refusal::new(Code::Revoked));
    assert_eq!(place.outbox.to_submit(NOW), [(other, 6)]);
}
