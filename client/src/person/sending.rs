//! A message's way out: ticket, handshake or ratchet step, seal, submission, and what became of it.

use plico_endpoint::content::{Body, Content, Marks, Reply};
use plico_endpoint::handshake::{InitiateError, RecipientKeys};
use plico_endpoint::id::ContentId;
use plico_endpoint::layout::FIRST_OVERHEAD_BYTES;
use plico_endpoint::session::{PersonSession, SealError};
use plico_protocol::envelope::{Envelope, EnvelopeBytes, SizeClass};
use plico_protocol::frame::{ClientFrame, RelayFrame, Submission};
use plico_protocol::time::Timestamp;
use zeroize::Zeroizing;

use super::SendError;
use super::consent::{is_fresh, remember_ticket};
use super::core::{Job, PersonCore, put_record};
use super::event::Trouble;
use super::record::{Standing, Started};
use crate::agent::history::{self, Direction, Kept};
use crate::agent::journal::{self, News, Stored};
use crate::agent::lines::Lines;
use crate::agent::outbox::{Outbox, Settled};
use crate::agent::outgoing::{MessageState, Outgoing, Stage, submit_id};
use crate::message::Message;
use crate::probe::Point;
use crate::random;
use crate::state::{Name, StateError, Table};

/// [`Outgoing::kind`] of what a human composed: it opens a window.
pub(super) const COMPOSED: u8 = 1;
/// [`Outgoing::kind`] of what opens none.
pub(super) const BY_ITSELF: u8 = 0;

impl PersonCore {
    /// Stores a message to send.
    pub(super) fn send(
        &mut self,
        peer: u64,
        message: Message,
    ) -> Result<Result<ContentId, SendError>, StateError> {
        let now = self.now();
        let talk = self.talks.get(&peer);
        if talk.is_none_or(|talk| talk.record.standing == Standing::Left) {
            return Ok(Err(SendError::Ended));
        }
        let name = message.profile_name().map(str::to_owned);
        let kind = if message.is_composed() { COMPOSED } else { BY_ITSELF };
        let content = message.into_content(now);
        let bytes = match content.encode() {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error.into())),
        };
        self.queue(peer, content.id, kind, bytes.into())?;
        if let (Some(name), Some(talk)) = (name, self.talks.get_mut(&peer)) {
            talk.record.profile_name = Some(name);
            self.store(peer)?;
        }
        Ok(Ok(content.id))
    }

    /// Queues content, with its place in the history in the same transaction.
    pub(super) fn queue(
        &mut self,
        peer: u64,
        id: ContentId,
        kind: u8,
        content: bytes::Bytes,
    ) -> Result<(), StateError> {
        let now = self.now();
        let held = self.outbox.held_until(peer).filter(|until| now < *until);
        let (stage, state) = match held {
            Some(until) => (Stage::Held { until }, MessageState::Waiting { until }),
            None => (Stage::Waiting, MessageState::Queued),
        };
        let direction = Direction::Sent { state };
        let kept = Kept { at: now, content: content.clone(), direction, delivered: None };
        let unblocked =
            self.talks.get_mut(&peer).filter(|talk| kind == COMPOSED && talk.record.blocked);
        let unblocked = unblocked.map(|talk| {
            talk.record.blocked = false;
            &talk.record
        });
        let mut outgoing = Outgoing {
            peer,
            id,
            not_before: now,
            kind,
            content,
            place: None,
            quiet: false,
            session: None,
            price_max: None,
            stage,
        };
        let number = self.state.write(|rows| {
            outgoing.place = Some(history::keep(rows, peer, &kept)?);
            if held.is_some() {
                let news = News::State { id, state };
                journal::push(rows, &Stored { peer, at: now, news })?;
            }
            unblocked.map(|record| put_record(rows, peer, record)).transpose()?;
            Outbox::add(rows, &outgoing)
        })?;
        self.state.reached(Point::AfterQueue);
        self.outbox.note(number, &outgoing, now);
        Ok(())
    }

    /// Adds a mark to those that wait, or begins to wait.
    pub(super) fn mark_read(
        &mut self,
        peer: u64,
        id: ContentId,
    ) -> Result<Result<(), SendError>, StateError> {
        let now = self.now();
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(Err(SendError::Ended)) };
        if let Some(number) = talk.marks {
            let added = self.state.write(|rows| {
                let Some(mut outgoing) = Outbox::get(rows, number)? else { return Ok(false) };
                let added = add_mark(&mut outgoing, id);
                if added {
                    Outbox::put(rows, number, &outgoing)?;
                }
                Ok::<_, StateError>(added)
            })?;
            if added {
                return Ok(Ok(()));
            }
        }
        let marks = Body::Marks(Marks { delivered: Vec::new(), read: vec![id] });
        let content = Message::from(marks).into_content(now);
        let bytes = match content.encode() {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error.into())),
        };
        // 1 to 30 seconds late, so that a mark does not say when the message was read.
        let delay_ms = 1_000 + u64::from(u16::from_be_bytes(random::bytes())) % 29_000;
        let outgoing = Outgoing {
            peer,
            id: content.id,
            not_before: Timestamp(now.0.saturating_add(delay_ms)),
            kind: BY_ITSELF,
            content: bytes.into(),
            place: None,
            quiet: false,
            session: None,
            price_max: None,
            stage: Stage::Waiting,
        };
        let number = self.outbox.push(&mut self.state, &outgoing, now)?;
        if let Some(talk) = self.talks.get_mut(&peer) {
            talk.marks = Some(number);
        }
        Ok(Ok(()))
    }

    /// Brings the next message of each conversation one step further.
    pub(super) fn prepare_waiting(&mut self, lines: &mut Lines) -> Result<(), StateError> {
        let now = self.now();
        loop {
            let mut sealed = false;
            for (number, peer) in self.outbox.waiting(now) {
                sealed |= self.prepare(number, peer, lines)?;
            }
            if !sealed {
                return Ok(());
            }
        }
    }

    /// Begins what a message lacks, or seals it; whether it was sealed.
    fn prepare(&mut self, number: u64, peer: u64, lines: &mut Lines) -> Result<bool, StateError> {
        let now = self.now();
        let Some(talk) = self.talks.get(&peer) else { return Ok(false) };
        let record = &talk.record;
        if record.standing == Standing::Left && !record.opened {
            self.outbox.finish(&mut self.state, number, MessageState::Expired, now)?;
            return Ok(true);
        }
        let may_write = record.standing != Standing::KeyChanged;
        if !may_write
            || record.is_changing()
            || now < talk.retry_at
            || self.outbox.first_in_progress(peer)
        {
            return Ok(false);
        }
        if !self.is_known(peer) {
            self.look_up(peer, lines);
            return Ok(false);
        }
        let Some(outgoing) = self.state.read(|rows| Outbox::get(rows, number))? else {
            return Ok(false);
        };
        let Some(talk) = self.talks.get(&peer) else { return Ok(false) };
        let first = talk.record.started == Started::No;
        let Ok(content) = Content::decode(&outgoing.content) else { return self.failed(number) };
        if talk.record.has_taken_back(&content) {
            self.outbox.discard(&mut self.state, number)?;
            return Ok(true);
        }
        let window = outgoing.kind == COMPOSED;
        // One that waited too long for its message is minted anew.
        let holds = talk.ticket.is_some_and(|(ticket, _)| is_fresh(&ticket, window, now));
        let lacks_ticket = !holds && talk.record.needs_ticket(&outgoing, &content);
        let lacks_bundle = first && !talk.has_bundle(now.hour());
        if lacks_ticket {
            self.mint(peer, window, lines);
        }
        if lacks_bundle {
            self.fetch_bundle(peer, lines);
        }
        if lacks_ticket || lacks_bundle {
            return Ok(false);
        }
        self.seal(number, outgoing)
    }

    fn fetch_bundle(&mut self, peer: u64, lines: &mut Lines) {
        if self.jobs.has(&Job::Bundle(peer)) {
            return;
        }
        let Some(line) = self.anonymous(peer, lines) else { return };
        let known = self.talks.get(&peer).and_then(|talk| talk.record.known.as_ref());
        let Some(account) = known.map(|known| known.certificate.body().keys.account) else {
            return;
        };
        self.jobs.ask(lines, line, Job::Bundle(peer), ClientFrame::FetchBundle { account });
    }

    /// Seals a message. Session, ticket and the very bytes to submit are stored in one transaction,
    /// before any of them leaves.
    pub(super) fn seal(&mut self, number: u64, mut outgoing: Outgoing) -> Result<bool, StateError> {
        let (now, peer) = (self.now(), outgoing.peer);
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(false) };
        let Some(known) = &talk.record.known else { return Ok(false) };
        let (inbox, first) =
            (known.certificate.body().keys.inbox, talk.record.started == Started::No);
        let Ok(mut content) = Content::decode(&outgoing.content) else {
            return self.failed(number);
        };
        if content.body == Body::Renewal {
            content.reply = content.reply.map(|reply| talk.record.present(reply));
        }
        let ticket = talk.ticket.filter(|_| talk.record.needs_ticket(&outgoing, &content));
        if let Some((ticket, opening)) = ticket {
            content.reply = Some(Reply { address: talk.record.address(), ticket, opening });
        }
        if first {
            content.reference.clone_from(&talk.record.link.reference);
            content.profile_name.clone_from(&talk.record.profile_name);
        }
        let Ok(bytes) = content.encode().map(Zeroizing::new) else { return self.failed(number) };
        let (session, envelope) = match self.encrypt(peer, &bytes)? {
            Ok(sealed) => sealed,
            Err(Unsealed::NotYet) => {
                self.outbox.later(number, now, CHAIN_FULL_MS);
                return Ok(false);
            }
            Err(Unsealed::Never) => return self.failed(number),
            Err(Unsealed::BadKeys) => {
                if let Some(talk) = self.talks.get_mut(&peer) {
                    talk.bundle = None;
                }
                return self.trouble(peer, Trouble::BadPrekeys).map(|()| false);
            }
        };
        let envelope = EnvelopeBytes(envelope.bytes().clone());
        let submission = Submission { id: submit_id(now), to: inbox, consent: None, envelope };
        outgoing.sealed(&submission, first);
        self.state.sealed(outgoing.id, &submission, first);
        self.state.reached(Point::BeforeStore);
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(false) };
        talk.bundle = None;
        talk.ticket = talk.ticket.filter(|_| ticket.is_none());
        let ticket = ticket.filter(|ticket| talk.record.give(*ticket));
        if first {
            talk.record.started = Started::First;
        }
        if talk.marks == Some(number) {
            talk.marks = None;
        }
        let record = &talk.record;
        self.state.write::<_, StateError>(|rows| {
            rows.put_bytes(Table::Session, Name::Number(peer), &session.to_bytes())?;
            put_record(rows, peer, record)?;
            Outbox::put(rows, number, &outgoing)?;
            if let Some(place) = outgoing.place {
                history::sealed(rows, peer, place, bytes::Bytes::copy_from_slice(&bytes))?;
            }
            let Some((ticket, _)) = ticket else { return Ok(()) };
            remember_ticket(rows, peer, &ticket)?;
            let until = ticket.fields().ok().and_then(|fields| fields.answers_until());
            let Some(until) = until.filter(|end| now.minute() < *end) else { return Ok(()) };
            journal::push(rows, &Stored { peer, at: now, news: News::Window { until } })
        })?;
        self.state.reached(Point::AfterStore);
        self.outbox.note(number, &outgoing, now);
        Ok(true)
    }

    /// Computes a session's next step and the envelope it gives; nothing is changed.
    fn encrypt(
        &mut self,
        peer: u64,
        content: &[u8],
    ) -> Result<Result<(PersonSession, Envelope), Unsealed>, StateError> {
        let Some(talk) = self.talks.get(&peer) else { return Ok(Err(Unsealed::NotYet)) };
        let Some(known) = &talk.record.known else { return Ok(Err(Unsealed::NotYet)) };
        let Ok(recipient) = RecipientKeys::new(&known.certificate.body().keys) else {
            return Ok(Err(Unsealed::BadKeys));
        };
        if talk.record.started == Started::No {
            let Some(bundle) = &talk.bundle else { return Ok(Err(Unsealed::NotYet)) };
            let identity = &talk.record.identity;
            let rng = &mut random::system();
            let begun = PersonSession::initiate(identity, &recipient, bundle, content, rng);
            return Ok(begun.map_err(|error| match error {
                InitiateError::Seal(error) => error.into(),
                _ => Unsealed::BadKeys,
            }));
        }
        let Some(mut session) = self.session(peer)? else { return Ok(Err(Unsealed::Never)) };
        let sealed = session.seal_to_inbox(&recipient, content, &mut random::system());
        Ok(sealed.map(|envelope| (session, envelope)).map_err(Unsealed::from))
    }

    /// Ends a message that cannot be sealed: one that stayed would hold up every later one.
    fn failed(&mut self, number: u64) -> Result<bool, StateError> {
        let now = self.now();
        self.outbox.finish(&mut self.state, number, MessageState::Failed, now)?;
        Ok(true)
    }

    /// Reads a conversation's session.
    pub(super) fn session(&mut self, peer: u64) -> Result<Option<PersonSession>, StateError> {
        let bytes = self.state.read(|rows| rows.get_bytes(Table::Session, Name::Number(peer)))?;
        let session = bytes.map(|bytes| PersonSession::from_bytes(&bytes)).transpose();
        let table = Table::Session.label();
        session.map_err(|error| StateError::Unreadable { table, error })
    }

    /// Submits what is sealed, in order, and asks about what was accepted.
    pub(super) fn submit_sealed(&mut self, lines: &mut Lines) -> Result<(), StateError> {
        let now = self.now();
        for (message, peer) in self.outbox.to_submit(now) {
            let job = Job::Submit { message, peer };
            let is_revoking = self.talks.get(&peer).is_some_and(|talk| talk.record.is_revoking());
            if is_revoking || self.jobs.has(&job) {
                continue;
            }
            let Some(line) = self.anonymous(peer, lines) else { continue };
            let outgoing = self.state.read(|rows| Outbox::get(rows, message))?;
            if let Some(submission) = outgoing.and_then(|outgoing| outgoing.submission()) {
                self.outbox.submitting(message);
                self.jobs.ask(lines, line, job, ClientFrame::Submit(Box::new(submission)));
            }
        }
        for (message, peer, id) in self.outbox.to_check(now) {
            let job = Job::Status { message, peer };
            if !self.jobs.has(&job)
                && let Some(line) = self.anonymous(peer, lines)
            {
                self.jobs.ask(lines, line, job, ClientFrame::Status { id });
            }
        }
        Ok(())
    }

    pub(super) fn submitted(
        &mut self,
        message: u64,
        peer: u64,
        frame: &RelayFrame,
    ) -> Result<(), StateError> {
        let now = self.now();
        let settled = self.outbox.submitted(&mut self.state, message, frame, now)?;
        self.settled(message, peer, settled)
    }

    pub(super) fn status_came(
        &mut self,
        message: u64,
        peer: u64,
        frame: &RelayFrame,
    ) -> Result<(), StateError> {
        let now = self.now();
        let settled = self.outbox.status(&mut self.state, message, frame, now)?;
        self.settled(message, peer, settled)
    }

    fn settled(&mut self, message: u64, peer: u64, settled: Settled) -> Result<(), StateError> {
        match settled {
            Settled::Nothing | Settled::Later => Ok(()),
            Settled::Accepted => self.first_is(peer, Started::Yes),
            // A first message that never arrives leaves the business without the session.
            Settled::Refused(_) => self.first_is(peer, Started::No),
            // No relay that keeps to the protocol says so of what needs no ticket.
            Settled::TicketEnded => self.failed(message).map(drop),
            Settled::Unreadable => self.was_not_opened(message, peer),
            Settled::Forgotten => self.was_forgotten(message),
        }
    }

    /// The relay took a message and does not know it: it was restored, or forgot the outcome, which
    /// this device was not there to ask for. The message goes out again, for the business drops what
    /// it knows: at once, or after a while if it was submitted within the hour, so that a relay that
    /// never knows is not asked all the time.
    fn was_forgotten(&mut self, message: u64) -> Result<(), StateError> {
        let now = self.now();
        let outgoing = self.state.read(|rows| Outbox::get(rows, message))?;
        // Marks are not worth it.
        let worth = |outgoing: &Outgoing| outgoing.place.is_some() && !outgoing.is_old(now);
        let Some(outgoing) = outgoing.filter(worth) else {
            return self.outbox.finish(&mut self.state, message, MessageState::Expired, now);
        };
        let rests = match outgoing.stage {
            Stage::Accepted { submit } if submit.hour() < now.hour() => 0,
            _ => FORGOTTEN_MS,
        };
        let until = Timestamp(now.0.saturating_add(rests));
        self.outbox.hold(&mut self.state, message, until, now)
    }

    /// Brings the first message of a session to an end, one way or the other.
    fn first_is(&mut self, peer: u64, started: Started) -> Result<(), StateError> {
        match self.talks.get_mut(&peer) {
            Some(talk) if talk.record.started == Started::First => {
                talk.record.started = started;
                self.store(peer)
            }
            _ => Ok(()),
        }
    }
}

/// Why a message was not sealed.
enum Unsealed {
    /// Its time will come: the peer must be heard first.
    NotYet,
    /// The business's keys are none an honest one would publish.
    BadKeys,
    /// It fits no envelope.
    Never,
}

impl From<SealError> for Unsealed {
    fn from(error: SealError) -> Self {
        match error {
            SealError::ChainFull => Self::NotYet,
            SealError::ContentTooLong { .. } | SealError::Cipher(_) => Self::Never,
            SealError::OtherAccount | SealError::Agreement(_) | SealError::Hint(_) => Self::BadKeys,
        }
    }
}

fn add_mark(outgoing: &mut Outgoing, id: ContentId) -> bool {
    let Ok(mut content) = Content::decode(&outgoing.content) else { return false };
    let Body::Marks(marks) = &mut content.body else { return false };
    marks.read.push(id);
    let Ok(bytes) = content.encode() else { return false };
    outgoing.content = bytes.into();
    matches!(outgoing.stage, Stage::Waiting)
}

const CHAIN_FULL_MS: u64 = 60_000;
const FORGOTTEN_MS: u64 = 60_000;

const _: () = {
    use plico_endpoint::content::TEXT_BYTES_MAX;
    // Content that passes its own bounds fits a first envelope with ticket, reference and name.
    assert!(TEXT_BYTES_MAX + FIRST_OVERHEAD_BYTES + 2048 <= SizeClass::Huge.bytes());
};
