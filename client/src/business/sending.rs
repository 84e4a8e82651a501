//! A business's answers: ratchet step, seal, the customer's ticket, submission, and what became of
//! them.

use bytes::Bytes;
use plico_endpoint::content::Content;
use plico_endpoint::id::ContentId;
use plico_endpoint::session::{BusinessSession, SealError};
use plico_protocol::envelope::EnvelopeBytes;
use plico_protocol::frame::{ClientFrame, Consent, RelayFrame, Submission};
use plico_protocol::profile::Restored;
use plico_protocol::refusal::Code;
use plico_protocol::ticket::Category;
use plico_protocol::time::Timestamp;

use super::command::Job;
use super::core::BusinessCore;
use super::event::Event;
use super::record::{CustomerRecord, SessionRecord};
use super::{AnswerError, CustomerId, SendError};
use crate::agent::journal::{self, EventId};
use crate::agent::lines::Lines;
use crate::agent::outbox::{Outbox, Settled};
use crate::agent::outgoing::{MessageState, Outgoing, Stage, submit_id};
use crate::message::Message;
use crate::probe::Point;
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
        if let Some(id) = message.id()
            && self.outbox.state_of(id).is_some()
        {
            return Ok(Ok(id));
        }
        let outgoing = match self.outgoing(customer, message, category, now)? {
            Ok(outgoing) => outgoing,
            Err(error) => return Ok(Err(error)),
        };
        self.outbox.push(&mut self.state, &outgoing, now)?;
        Ok(Ok(outgoing.id))
    }

    /// Stores what answers an event and forgets the event, in one transaction.
    pub(super) fn answer_event(
        &mut self,
        event: EventId,
        answers: Vec<(CustomerId, Message, Category)>,
    ) -> Result<Result<Vec<ContentId>, AnswerError>, StateError> {
        let now = self.now();
        let mut outgoing = Vec::with_capacity(answers.len());
        for (customer, message, category) in answers {
            match self.outgoing(customer, message, category, now)? {
                Ok(message) => outgoing.push(message),
                Err(error) => return Ok(Err(error.into())),
            }
        }
        let stored = self.state.write::<_, StateError>(|rows| {
            if !journal::forget(rows, event)? {
                return Ok(None);
            }
            let numbers = outgoing.iter().map(|message| Outbox::add(rows, message));
            numbers.collect::<Result<Vec<_>, _>>().map(Some)
        })?;
        let Some(numbers) = stored else { return Ok(Err(AnswerError::Handled)) };
        self.state.reached(Point::AfterQueue);
        for (number, message) in numbers.into_iter().zip(&outgoing) {
            self.outbox.note(number, message, now);
        }
        Ok(Ok(outgoing.iter().map(|message| message.id).collect()))
    }

    /// A message as it will be stored.
    fn outgoing(
        &mut self,
        customer: CustomerId,
        message: Message,
        category: Category,
        now: Timestamp,
    ) -> Result<Result<Outgoing, SendError>, StateError> {
        if self.state.read(|rows| CustomerRecord::get(rows, customer.0))?.is_none() {
            return Ok(Err(SendError::UnknownCustomer));
        }
        let price_max = message.price_max();
        let content = message.declared(category).into_content(now);
        let bytes = match content.encode() {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error.into())),
        };
        Ok(Ok(Outgoing {
            peer: customer.0,
            id: content.id,
            not_before: now,
            kind: category.byte(),
            content: bytes.into(),
            place: None,
            quiet: false,
            session: None,
            price_max,
            stage: Stage::Waiting,
        }))
    }

    /// Answers those who wait until a message left this machine.
    pub(super) fn tell_waiting(&mut self) {
        let outbox = &self.outbox;
        let left = |id: &ContentId| outbox.state_of(*id) != Some(MessageState::Queued);
        for (id, answer) in
            self.waiting.extract_if(.., |(id, answer)| answer.is_closed() || left(id))
        {
            let _ = answer.send(outbox.state_of(id));
        }
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
    pub(super) fn seal(&mut self, number: u64) -> Result<(), StateError> {
        let now = self.now();
        let Some(mut outgoing) = self.state.read(|rows| Outbox::get(rows, number))? else {
            self.outbox.later(number, now, LATER_MS);
            return Ok(());
        };
        if expired(&outgoing, now) {
            return self.outbox.finish(&mut self.state, number, MessageState::Expired, now);
        }
        let customer = self.state.read(|rows| CustomerRecord::get(rows, outgoing.peer))?;
        let category = Category::from_byte(outgoing.kind);
        let (Some(customer), Some(category)) = (customer, category) else {
            let last = MessageState::Refused(Code::Revoked);
            return self.outbox.finish(&mut self.state, number, last, now);
        };
        let Some((ticket, opening)) = customer.consent(category, now.minute()) else {
            // What says nothing by itself is not worth a wait.
            if outgoing.quiet {
                return self.outbox.finish(&mut self.state, number, MessageState::Expired, now);
            }
            let last = MessageState::Refused(Code::TicketForged);
            return self.wait(number, &outgoing, last, WAIT_MS);
        };
        let price_max = self.ledger.limited(outgoing.price_max.unwrap_or(self.price_max));
        let consent = Consent { ticket, opening, category, price_max };
        if outgoing.session == Some(customer.session) {
            return self.wait(number, &outgoing, MessageState::Unreadable, WAIT_MS);
        }
        let name = customer.session;
        let name = Name::Hidden(name.as_bytes());
        let found = self.state.read(|rows| rows.get::<SessionRecord>(Table::Session, name))?;
        let Some(found) = found else {
            return self.outbox.finish(&mut self.state, number, MessageState::Failed, now);
        };
        // What says nothing by itself costs nobody anything, and is said once.
        let is_said = outgoing.quiet && (found.told || !customer.is_in_window(now.minute()));
        if is_said || (outgoing.session.is_none() && is_late(&outgoing, now)) {
            return self.outbox.finish(&mut self.state, number, MessageState::Expired, now);
        }
        let table = Table::Session.label();
        let mut session = BusinessSession::from_bytes(&found.bytes)
            .map_err(|error| StateError::Unreadable { table, error })?;
        let telling = self.to_tell(now).filter(|_| !found.told);
        let content = telling_of(telling, &outgoing.content);
        let envelope = match session.seal_to_mailbox(&content, &mut random::system()) {
            Ok(envelope) => envelope,
            Err(SealError::ChainFull) => {
                // The person must be heard first; one who left is not heard again.
                return self.wait(number, &outgoing, MessageState::Expired, LATER_MS);
            }
            Err(error) => {
                tracing::warn!(%error, "a message cannot be sealed");
                return self.outbox.finish(&mut self.state, number, MessageState::Failed, now);
            }
        };
        let submission = Submission {
            id: submit_id(now),
            to: customer.address,
            consent: Some(consent),
            envelope: EnvelopeBytes(envelope.bytes().clone()),
        };
        outgoing.sealed(&submission, false);
        self.state.sealed(outgoing.id, &submission, false);
        self.state.reached(Point::BeforeStore);
        outgoing.session = Some(customer.session);
        let bytes = Bytes::from_owner(session.to_bytes());
        self.state.write::<_, StateError>(|rows| {
            let told = found.told || telling.is_some();
            rows.put(Table::Session, name, &SessionRecord { bytes, told, ..found })?;
            Outbox::put(rows, number, &outgoing)
        })?;
        self.state.reached(Point::AfterStore);
        self.outbox.note(number, &outgoing, now);
        Ok(())
    }

    /// Lets a message wait for the customer's device, and looks again after so many milliseconds: one
    /// that did not open on the session there is, for another session, which a device begins at most
    /// once a day; one without a ticket, because the relay ended it, for another ticket; one on a
    /// chain that is full, for a word. A device does each only while it is in use. After 30 days, as
    /// long as the relay would have kept the message, the application hears of it.
    fn wait(
        &mut self,
        number: u64,
        outgoing: &Outgoing,
        last: MessageState,
        ms: u64,
    ) -> Result<(), StateError> {
        let now = self.now();
        if outgoing.is_old(now) {
            return self.outbox.finish(&mut self.state, number, last, now);
        }
        self.outbox.later(number, now, ms);
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
                self.outbox.submitting(message);
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
        let now = self.now();
        let sealed = self.state.read(|rows| Outbox::get(rows, message))?;
        if let Some(outgoing) = sealed
            && let Some(submission) = outgoing.submission()
        {
            if let Some(consent) = &submission.consent {
                self.compare_price(consent, frame);
                self.compare_standing(frame);
            }
            if let RelayFrame::Accepted(acceptance) = frame {
                self.keep_receipt(&outgoing, &submission, acceptance)?;
            }
        }
        let settled = self.outbox.submitted(&mut self.state, message, frame, now)?;
        self.settled(message, settled)
    }

    /// A message that did not open goes out again, under its id, on another session: the customer's
    /// device begins one. It waits until then ([`Self::seal`]).
    fn unreadable(&mut self, number: u64) -> Result<(), StateError> {
        let now = self.now();
        let Some(mut outgoing) = self.state.read(|rows| Outbox::get(rows, number))? else {
            return Ok(());
        };
        outgoing.stage = Stage::Waiting;
        self.state.write(|rows| Outbox::put(rows, number, &outgoing))?;
        self.outbox.note(number, &outgoing, now);
        Ok(())
    }

    pub(super) fn status_came(
        &mut self,
        message: u64,
        frame: &RelayFrame,
    ) -> Result<(), StateError> {
        let now = self.now();
        let settled = self.outbox.status(&mut self.state, message, frame, now)?;
        self.settled(message, settled)
    }

    fn settled(&mut self, message: u64, settled: Settled) -> Result<(), StateError> {
        match settled {
            Settled::Unreadable => self.unreadable(message),
            Settled::Forgotten => {
                let now = self.now();
                self.outbox.finish(&mut self.state, message, MessageState::Forgotten, now)
            }
            Settled::Later => self.put_off(message),
            Settled::TicketEnded => self.ticket_ended(message),
            Settled::Nothing | Settled::Accepted | Settled::Refused(_) => Ok(()),
        }
    }

    /// The relay takes a message no earlier: tells why, when the reason is another, and hourly. After 30
    /// days it goes out no more, for nobody expects it then, and it would be charged.
    fn put_off(&mut self, number: u64) -> Result<(), StateError> {
        let now = self.now();
        let Some(outgoing) = self.state.read(|rows| Outbox::get(rows, number))? else {
            return Ok(());
        };
        if is_late(&outgoing, now) {
            return self.outbox.finish(&mut self.state, number, MessageState::Expired, now);
        }
        let Some(delay) = self.outbox.delay(outgoing.id).cloned() else { return Ok(()) };
        let last = self.delay_told.replace((delay.refusal.clone(), now));
        if let Some((refusal, at)) = last
            && (refusal.code, refusal.rule()) == (delay.refusal.code, delay.refusal.rule())
            && now.0 < at.0.saturating_add(TELL_MS)
        {
            self.delay_told = Some((refusal, at));
            return Ok(());
        }
        let (customer, id) = (CustomerId(outgoing.peer), outgoing.id);
        self.journal.pass(Event::Delayed { customer, id, delay });
        Ok(())
    }

    /// The relay ended the ticket a message went out with, and every other of its key: the device
    /// gives another, and the message waits for it ([`Self::seal`]).
    fn ticket_ended(&mut self, number: u64) -> Result<(), StateError> {
        let now = self.now();
        let Some(mut outgoing) = self.state.read(|rows| Outbox::get(rows, number))? else {
            return Ok(());
        };
        let consent = outgoing.submission().and_then(|submission| submission.consent);
        // It may go out on the same session again.
        (outgoing.stage, outgoing.session) = (Stage::Waiting, None);
        self.state.write::<_, StateError>(|rows| {
            if let (Some(consent), Some(mut customer)) =
                (consent, CustomerRecord::get(rows, outgoing.peer)?)
            {
                customer.drop_ticket(&consent.ticket);
                customer.put(rows, outgoing.peer)?;
            }
            Outbox::put(rows, number, &outgoing)
        })?;
        self.outbox.note(number, &outgoing, now);
        Ok(())
    }
}

/// Content that says, if it should, that this business was restored.
fn telling_of(restored: Option<Restored>, content: &Bytes) -> Bytes {
    let decoded = restored.and_then(|_| Content::decode(content).ok());
    let told = decoded.and_then(|decoded| Content { restored, ..decoded }.encode().ok());
    told.map_or_else(|| content.clone(), Bytes::from)
}

/// Whether content waited here longer than it may be shown at all.
fn expired(outgoing: &Outgoing, now: Timestamp) -> bool {
    let Ok(content) = Content::decode(&outgoing.content) else { return false };
    let lifetime = content.expires_after_seconds;
    lifetime.is_some_and(|s| content.composed.0.saturating_add(u64::from(s) * 1_000) < now.0)
}

/// Whether content that the relay does not have was composed too long ago to go out.
fn is_late(outgoing: &Outgoing, now: Timestamp) -> bool {
    Content::decode(&outgoing.content).is_ok() && outgoing.is_old(now)
}

const LATER_MS: u64 = 60_000;
const TELL_MS: u64 = 3_600_000;
/// Where what a message waits for resumes it.
const WAIT_MS: u64 = 3_600_000;
