//! A business's answers: ratchet step, seal, the customer's ticket, submission, and what became of
//! them.

use plico_endpoint::content::Content;
use plico_endpoint::id::ContentId;
use plico_endpoint::session::BusinessSession;
use plico_protocol::envelope::EnvelopeBytes;
use plico_protocol::frame::{ClientFrame, Consent, RelayFrame, Submission};
use plico_protocol::refusal::Code;
use plico_protocol::ticket::Category;
use plico_protocol::time::Timestamp;

use super::core::{BusinessCore, Job};
use super::event::Event;
use super::record::{CustomerRecord, SessionRecord};
use super::{CustomerId, SendError};
use crate::agent::journal::{Journal, News, Stored};
use crate::agent::lines::Lines;
use crate::agent::outbox::{
    MessageState, Outbox, Outgoing, Stage, Verdict, final_state, submit_id, verdict,
};
use crate::message::Message;
use crate::random;
use crate::state::{Name, StateError, Table};

impl BusinessCore {
    /// Stores a message to send.
    pub(super) fn send(
        &mut self,
        customer: CustomerId,
        message: Message,
        category: Category,
    ) -> Result<Result<ContentId, SendError>, StateError> {
        let now = self.now();
        if self.state.read(|rows| CustomerRecord::get(rows, customer.0))?.is_none() {
            return Ok(Err(SendError::UnknownCustomer));
        }
        let content = message.declared(category).into_content(now);
        let bytes = match content.encode() {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error.into())),
        };
        let outgoing = Outgoing {
            peer: customer.0,
            id: content.id,
            not_before: now,
            kind: category.byte(),
            content: bytes.into(),
            stage: Stage::Waiting,
        };
        self.outbox.push(&mut self.state, &outgoing, now)?;
        Ok(Ok(content.id))
    }

    /// Seals what waits, while there is a connection: a ticket that comes meanwhile is used.
    pub(super) fn seal_waiting(&mut self, lines: &Lines) -> Result<(), StateError> {
        let now = self.now();
        while self.ready_line(lines).is_some() {
            let waiting = self.outbox.waiting(now);
            if waiting.is_empty() {
                break;
            }
            for (number, _) in waiting {
                self.seal(number)?;
            }
        }
        Ok(())
    }

    /// Seals one message. The session's step and the very bytes to submit are stored in one
    /// transaction, before any of them leaves.
    fn seal(&mut self, number: u64) -> Result<(), StateError> {
        let now = self.now();
        let Some(mut outgoing) = self.state.read(|rows| Outbox::get(rows, number))? else {
            self.outbox.later(number, now, LATER_MS);
            return Ok(());
        };
        if expired(&outgoing, now) {
            let state = MessageState::Expired;
            return self.progress(number, state, |outgoing, now| outgoing.done(state, now));
        }
        let customer = self.state.read(|rows| CustomerRecord::get(rows, outgoing.peer))?;
        let consent = customer.as_ref().and_then(|customer| {
            let category = Category::from_byte(outgoing.kind)?;
            let (ticket, opening) = customer.consent(category, now.minute())?;
            Some(Consent { ticket, opening, category })
        });
        let (Some(customer), Some(consent)) = (customer, consent) else {
            let state = MessageState::Refused(Code::Revoked);
            return self.progress(number, state, |outgoing, now| outgoing.done(state, now));
        };
        let name = customer.session;
        let name = Name::Hidden(name.as_bytes());
        let found = self.state.read(|rows| rows.get::<SessionRecord>(Table::Session, name))?;
        let sealed = found.and_then(|found| {
            let mut session = BusinessSession::from_bytes(&found.bytes).ok()?;
            let rng = &mut random::system();
            let envelope = session.seal_to_mailbox(&outgoing.content, rng).ok()?;
            Some((found, session, envelope))
        });
        let Some((found, session, envelope)) = sealed else {
            // The chain is full: the person must be heard first.
            self.outbox.later(number, now, LATER_MS);
            return Ok(());
        };
        let submission = Submission {
            id: submit_id(now),
            to: customer.address,
            consent: Some(consent),
            envelope: EnvelopeBytes(envelope.bytes().clone()),
        };
        outgoing.sealed(&submission, false);
        let bytes = bytes::Bytes::from_owner(session.to_bytes());
        self.state.write::<_, StateError>(|rows| {
            rows.put(Table::Session, name, &SessionRecord { bytes, ..found })?;
            Outbox::put(rows, number, &outgoing)
        })?;
        self.outbox.note(number, &outgoing, now);
        Ok(())
    }

    /// Submits what is sealed, in order, and asks about what was accepted.
    pub(super) fn submit_sealed(&mut self, lines: &Lines) -> Result<(), StateError> {
        let now = self.now();
        for (message, _) in self.outbox.to_submit(now) {
            let job = Job::Submit { message };
            let Some(line) = self.ready_line(lines) else { return Ok(()) };
            if self.jobs.has(&job) {
                continue;
            }
            let outgoing = self.state.read(|rows| Outbox::get(rows, message))?;
            if let Some(submission) = outgoing.and_then(|outgoing| outgoing.submission()) {
                self.jobs.ask(lines, line, job, ClientFrame::Submit(Box::new(submission)));
            }
        }
        for (message, _, id) in self.outbox.to_check(now) {
            let job = Job::Status { message };
            let Some(line) = self.ready_line(lines) else { return Ok(()) };
            if !self.jobs.has(&job) {
                self.jobs.ask(lines, line, job, ClientFrame::Status { id });
            }
        }
        Ok(())
    }

    pub(super) fn submitted(&mut self, message: u64, frame: &RelayFrame) -> Result<(), StateError> {
        let refusal = match frame {
            RelayFrame::Accepted(acceptance) => {
                let submit = acceptance.id;
                let state = MessageState::Accepted;
                return self.progress(message, state, |outgoing, _| outgoing.accepted(submit));
            }
            RelayFrame::Refused(refusal) => refusal,
            _ => return Ok(()),
        };
        match verdict(refusal) {
            Verdict::Again { ms } => {
                self.outbox.later(message, self.now(), ms);
                Ok(())
            }
            Verdict::NewId => self.progress(message, MessageState::Queued, |outgoing, now| {
                if let Some(submission) = outgoing.submission() {
                    outgoing.sealed(&Submission { id: submit_id(now), ..submission }, false);
                }
            }),
            Verdict::Final(code) => {
                let state = MessageState::Refused(code);
                self.progress(message, state, |outgoing, now| outgoing.done(state, now))
            }
        }
    }

    pub(super) fn status_came(
        &mut self,
        message: u64,
        frame: &RelayFrame,
    ) -> Result<(), StateError> {
        let state = match frame {
            RelayFrame::State(state) => final_state(*state),
            _ => None,
        };
        match state {
            Some(state) => self.progress(message, state, |outgoing, now| outgoing.done(state, now)),
            None => {
                self.outbox.check_later(message, self.now());
                Ok(())
            }
        }
    }

    /// Stores what became of a message together with the event that says so.
    fn progress(
        &mut self,
        message: u64,
        state: MessageState,
        change: impl FnOnce(&mut Outgoing, Timestamp),
    ) -> Result<(), StateError> {
        let now = self.now();
        let changed = self.state.write::<_, StateError>(|rows| {
            let Some(mut outgoing) = Outbox::get(rows, message)? else { return Ok(None) };
            change(&mut outgoing, now);
            Outbox::put(rows, message, &outgoing)?;
            if state != MessageState::Queued {
                let news = News::State { id: outgoing.id, state };
                let event = Stored { peer: outgoing.peer, at: now, news };
                Journal::<Event>::push(rows, &event)?;
            }
            Ok(Some(outgoing))
        })?;
        if let Some(outgoing) = changed {
            self.outbox.note(message, &outgoing, now);
        }
        Ok(())
    }
}

/// Whether content waited here longer than it may be shown at all.
fn expired(outgoing: &Outgoing, now: Timestamp) -> bool {
    let Ok(content) = Content::decode(&outgoing.content) else { return false };
    let lifetime = content.expires_after_seconds;
    lifetime.is_some_and(|s| content.composed.0.saturating_add(u64::from(s) * 1_000) < now.0)
}

const LATER_MS: u64 = 60_000;
