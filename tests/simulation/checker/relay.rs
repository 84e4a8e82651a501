//! The relay as its rulings promise it: which queues there are, what waits in them, which tickets
//! stand. Each ruling is held against all before it.

use std::collections::{BTreeMap, BTreeSet};

use plico_protocol::frame::Sequence;
use plico_protocol::id::{Address, SubmitId, TicketId};
use plico_protocol::limits::{
    RETENTION_HOURS, SUBMISSION_MEMORY_HOURS, SUBMIT_ID_EARLY_HOURS, SUBMIT_ID_STALE_HOURS,
    UNANSWERED_MAX,
};
use plico_protocol::refusal::Code;
use plico_protocol::ticket::{Epoch, TicketFields};
use plico_protocol::time::{Hour, Timestamp};
use plico_relay::request::Digest;
use plico_relay::writer::Limits;

use crate::simulation::checker::violation::Violation;
use crate::simulation::history::{Ruling, is_of_prices};

/// Every queue and submission.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    queues: BTreeMap<Address, Queue>,
    submissions: BTreeMap<SubmitId, Submission>,
    /// Rulings that refused a submission.
    refused: BTreeMap<SubmitId, BTreeSet<u16>>,
    /// It was killed, and does not run again yet.
    down: bool,
}

/// A mailbox or an inbox.
#[derive(Debug, Default)]
struct Queue {
    open: bool,
    epoch: Option<Epoch>,
    ended: BTreeSet<u32>,
    /// What each states, and when it was minted.
    tickets: BTreeMap<TicketId, (TicketFields, Timestamp)>,
    /// Acceptances since the last mint, whichever ticket they used.
    used: u32,
    /// Those outside a window, under tickets with one, since the last mint with a window.
    unanswered: u32,
    last: u64,
    /// By the recipient, not by a revocation.
    acknowledged: u64,
    waiting: BTreeMap<u64, SubmitId>,
}

/// An accepted submission.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Submission {
    digest: Digest,
    pub(crate) to_person: bool,
    /// When the ticket it came under was minted.
    pub(crate) minted: Option<Timestamp>,
    accepted: Hour,
    /// Its place in its queue.
    queue: Address,
    sequence: u64,
    pub(crate) offered: Offered,
    /// Its device was handed it, and the relay lost nothing since, so that it must know.
    pub(crate) handed: bool,
    pub(crate) fate: Fate,
    /// When it met its fate.
    pub(crate) ended: Timestamp,
}

/// Whether the relay noted that a recipient was handed an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    No,
    /// After its last hour, perhaps after it was taken away.
    Late,
    Yes,
}

/// What became of an accepted submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Queued,
    Delivered,
    Unreadable,
    /// Nobody fetched it in time.
    Expired,
    /// Its mailbox was revoked or closed while it waited there.
    Ended,
}

/// What is asked to be accepted.
struct Asked<'a> {
    submit: SubmitId,
    digest: Digest,
    to: Address,
    ticket: Option<&'a TicketFields>,
}

impl Relay {
    /// Takes the next ruling.
    pub(crate) fn rule(&mut self, now: Timestamp, ruling: &Ruling) -> Result<(), Violation> {
        self.expire(now);
        match ruling {
            Ruling::Opened { mailbox } => self.opened(*mailbox),
            Ruling::Closed { mailbox } => self.closed(now, *mailbox),
            Ruling::Minted { mailbox, ticket } => return self.minted(now, *mailbox, ticket),
            Ruling::TermsChanged { mailbox, ticket } => {
                return self.terms_changed(now, *mailbox, ticket);
            }
            Ruling::Revoked { mailbox } => return self.revoked(now, *mailbox),
            Ruling::Accepted { submit, digest, to, ticket } => {
                let (submit, digest, to) = (*submit, *digest, *to);
                let asked = Asked { submit, digest, to, ticket: ticket.as_ref() };
                return self.accepted(now, &asked);
            }
            Ruling::Refused { submit, digest, to, ticket, code } => {
                self.refused.entry(*submit).or_default().insert(code.number());
                let (submit, digest, to) = (*submit, *digest, *to);
                let asked = Asked { submit, digest, to, ticket: ticket.as_ref() };
                return self.refused(now, &asked, *code);
            }
            Ruling::Acknowledged { queue, up_to, unreadable } => {
                return self.acknowledged(now, *queue, up_to.0, unreadable);
            }
            Ruling::Offered { queue, up_to } => self.offered(*queue, up_to.0),
            Ruling::Priced(_) | Ruling::Unanswered { .. } => (),
        }
        Ok(())
    }

    /// What became of a submission until now; none where it was never accepted.
    pub(crate) fn submission(&mut self, now: Timestamp, submit: &SubmitId) -> Option<Submission> {
        self.expire(now);
        self.submissions.get(submit).copied()
    }

    /// Whether the relay's writer refused a submission so.
    pub(crate) fn has_refused(&self, submit: &SubmitId, code: Code) -> bool {
        self.refused.get(submit).is_some_and(|codes| codes.contains(&code.number()))
    }

    /// A device was handed an envelope. What comes from a relay that is dead was under way.
    pub(crate) fn handed(&mut self, now: Timestamp, queue: Address, sequence: Sequence) {
        self.expire(now);
        if self.down {
            return;
        }
        let submit = self.queues.get(&queue).and_then(|queue| queue.waiting.get(&sequence.0));
        if let Some(known) = submit.and_then(|submit| self.submissions.get_mut(submit)) {
            known.handed = true;
        }
    }

    /// The relay ended without warning: what was handed out just now is not noted.
    pub(crate) fn killed(&mut self) {
        self.down = true;
        let waiting = self.submissions.values_mut().filter(|known| known.fate == Fate::Queued);
        waiting.for_each(|known| known.handed = false);
    }

    /// It runs again.
    pub(crate) fn started(&mut self) {
        self.down = false;
    }

    fn offered(&mut self, queue: Address, up_to: u64) {
        let of_queue = |known: &&mut Submission| known.queue == queue && known.sequence <= up_to;
        for known in self.submissions.values_mut().filter(of_queue) {
            match (known.fate, known.offered) {
                (Fate::Queued, _) => known.offered = Offered::Yes,
                (Fate::Expired, Offered::No) => known.offered = Offered::Late,
                _ => (),
            }
        }
    }

    fn opened(&mut self, mailbox: Address) {
        let queue = self.queues.entry(mailbox).or_default();
        if !queue.open {
            *queue = Queue { open: true, ..Queue::default() };
        }
    }

    fn closed(&mut self, now: Timestamp, mailbox: Address) {
        self.end_queue(now, mailbox);
        self.queues.remove(&mailbox);
    }

    fn minted(
        &mut self,
        now: Timestamp,
        mailbox: Address,
        ticket: &TicketFields,
    ) -> Result<(), Violation> {
        let queue = self.mailbox(mailbox)?;
        let is_current = queue.epoch.is_none_or(|epoch| epoch == ticket.epoch);
        if !is_current || queue.ended.contains(&ticket.epoch.0) {
            return Err(Violation::WrongEpoch { mailbox, epoch: ticket.epoch });
        }
        queue.take_ticket(now, ticket);
        if ticket.free_until.is_some() {
            queue.unanswered = 0;
        }
        Ok(())
    }

    fn terms_changed(
        &mut self,
        now: Timestamp,
        mailbox: Address,
        ticket: &TicketFields,
    ) -> Result<(), Violation> {
        let queue = self.mailbox(mailbox)?;
        queue.end_epoch();
        if queue.ended.contains(&ticket.epoch.0) {
            return Err(Violation::WrongEpoch { mailbox, epoch: ticket.epoch });
        }
        queue.take_ticket(now, ticket);
        Ok(())
    }

    fn revoked(&mut self, now: Timestamp, mailbox: Address) -> Result<(), Violation> {
        self.mailbox(mailbox)?.end_epoch();
        self.end_queue(now, mailbox);
        Ok(())
    }

    fn accepted(&mut self, now: Timestamp, asked: &Asked<'_>) -> Result<(), Violation> {
        let Asked { submit, digest, to, ticket } = *asked;
        if let Some(known) = self.submissions.get(&submit) {
            // A repetition is answered alike and stored once.
            let same = known.digest == digest;
            return if same { Ok(()) } else { Err(Violation::SubmitIdTwice { submit }) };
        }
        if submit.hour().plus(SUBMIT_ID_STALE_HOURS) <= now.hour() {
            return Err(Violation::AcceptedStale { submit });
        }
        let minted = match ticket {
            Some(ticket) => Some(self.mailbox(to)?.admit(now, submit, ticket)?),
            None => None,
        };
        let queue = self.queues.entry(to).or_default();
        queue.last += 1;
        queue.waiting.insert(queue.last, submit);
        let to_person = ticket.is_some();
        let submission = Submission {
            digest,
            to_person,
            minted,
            accepted: now.hour(),
            queue: to,
            sequence: queue.last,
            offered: Offered::No,
            handed: false,
            fate: Fate::Queued,
            ended: now,
        };
        self.submissions.insert(submit, submission);
        Ok(())
    }

    /// What is refused for its price is judged by its price.
    fn refused(&self, now: Timestamp, asked: &Asked<'_>, code: Code) -> Result<(), Violation> {
        let Asked { submit, digest, to, ticket } = *asked;
        let queue = self.queues.get(&to);
        let waiting = queue.map_or(0, |queue| queue.waiting.len());
        let limits = Limits::default();
        let waiting_max = match ticket {
            Some(_) => limits.mailbox_envelopes_max,
            None => limits.inbox_envelopes_max,
        };
        let due = match code {
            Code::Stale => submit.hour().plus(SUBMIT_ID_STALE_HOURS) <= now.hour(),
            Code::Early => now.hour().plus(SUBMIT_ID_EARLY_HOURS) < submit.hour(),
            Code::SubmitIdReused => {
                self.submissions.get(&submit).is_some_and(|known| known.digest != digest)
            }
            Code::Revoked => ticket.is_some_and(|ticket| {
                let epoch = queue.filter(|queue| queue.open).and_then(|queue| queue.epoch);
                epoch != Some(ticket.epoch)
            }),
            Code::TicketExhausted => ticket
                .is_some_and(|ticket| queue.is_some_and(|queue| queue.is_exhausted(now, ticket))),
            code if is_of_prices(code) => true,
            Code::MailboxFull => usize::try_from(waiting_max).unwrap() <= waiting,
            _ => false,
        };
        if due { Ok(()) } else { Err(Violation::RefusedUnduly { submit, code }) }
    }

    fn acknowledged(
        &mut self,
        now: Timestamp,
        address: Address,
        up_to: u64,
        unreadable: &[Sequence],
    ) -> Result<(), Violation> {
        let queue = self.queues.entry(address).or_default();
        if queue.last < up_to {
            let last = queue.last;
            return Err(Violation::AcknowledgedBeyond { queue: address, up_to, last });
        }
        if up_to <= queue.acknowledged {
            let acknowledged = queue.acknowledged;
            return Err(Violation::Redelivered { queue: address, up_to, acknowledged });
        }
        queue.acknowledged = up_to;
        let rest = queue.waiting.split_off(&(up_to + 1));
        for (sequence, submit) in std::mem::replace(&mut queue.waiting, rest) {
            let is_unreadable = unreadable.contains(&Sequence(sequence));
            let fate = if is_unreadable { Fate::Unreadable } else { Fate::Delivered };
            self.submissions.entry(submit).and_modify(|known| known.end(now, fate));
        }
        Ok(())
    }

    fn end_queue(&mut self, now: Timestamp, mailbox: Address) {
        let Some(queue) = self.queues.get_mut(&mailbox) else { return };
        for submit in std::mem::take(&mut queue.waiting).into_values() {
            self.submissions.entry(submit).and_modify(|known| known.end(now, Fate::Ended));
        }
    }

    /// Ends what waited for 30 days, exact to the hour.
    fn expire(&mut self, now: Timestamp) {
        let submissions = &mut self.submissions;
        for queue in self.queues.values_mut() {
            queue.waiting.retain(|_, submit| {
                let Some(known) = submissions.get_mut(submit) else { return false };
                let expires = known.accepted.plus(RETENTION_HOURS);
                if expires <= now.hour() {
                    known.end(beginning(expires), Fate::Expired);
                }
                known.fate == Fate::Queued
            });
        }
    }

    /// A mailbox that is open.
    fn mailbox(&mut self, mailbox: Address) -> Result<&mut Queue, Violation> {
        let queue = self.queues.get_mut(&mailbox).filter(|queue| queue.open);
        queue.ok_or(Violation::NoMailbox { mailbox })
    }
}

impl Queue {
    fn take_ticket(&mut self, now: Timestamp, ticket: &TicketFields) {
        self.epoch = Some(ticket.epoch);
        self.tickets.insert(ticket.id, (*ticket, now));
        self.used = 0;
    }

    fn end_epoch(&mut self) {
        self.ended.extend(self.epoch.take().map(|epoch| epoch.0));
    }

    fn is_exhausted(&self, now: Timestamp, ticket: &TicketFields) -> bool {
        u32::from(ticket.messages_max) <= self.used
            || (is_unanswered(now, ticket) && UNANSWERED_MAX <= self.unanswered)
    }

    /// Counts a message under a ticket that stands; gives when it was minted.
    fn admit(
        &mut self,
        now: Timestamp,
        submit: SubmitId,
        claimed: &TicketFields,
    ) -> Result<Timestamp, Violation> {
        let ticket = claimed.id;
        let known = self.tickets.get(&ticket).filter(|(stated, _)| stated == claimed);
        let Some((_, minted)) = known.copied() else {
            return Err(Violation::UnknownTicket { submit, ticket });
        };
        if self.epoch != Some(claimed.epoch) {
            return Err(Violation::DeadTicket { submit, ticket });
        }
        // Checked when the request came, which may be the minute before its commit.
        if claimed.valid_until < now.minute() {
            return Err(Violation::TicketOver { submit, ticket });
        }
        if self.is_exhausted(now, claimed) {
            let (used, messages_max) = (self.used, claimed.messages_max);
            let unanswered = self.unanswered;
            return Err(Violation::TicketOverdrawn { submit, used, messages_max, unanswered });
        }
        self.used += 1;
        self.unanswered += u32::from(is_unanswered(now, claimed));
        Ok(minted)
    }
}

/// Whether a message is outside the window of a ticket that had one.
fn is_unanswered(now: Timestamp, ticket: &TicketFields) -> bool {
    ticket.free_until.is_some_and(|end| end <= now.minute())
}

impl Submission {
    fn end(&mut self, at: Timestamp, fate: Fate) {
        (self.fate, self.ended) = (fate, at);
    }

    /// The first hour in which the relay may tell a recipient's doing: of a person's not before the
    /// UTC day is over.
    pub(crate) fn shows(&self) -> Hour {
        let ended = self.ended.hour();
        let by_recipient = matches!(self.fate, Fate::Delivered | Fate::Unreadable);
        if by_recipient && self.to_person { ended.day().end() } else { ended }
    }

    /// The first hour in which the relay may have forgotten it.
    pub(crate) fn forgotten(&self) -> Hour {
        self.shows().plus(SUBMISSION_MEMORY_HOURS)
    }
}

fn beginning(hour: Hour) -> Timestamp {
    Timestamp(u64::from(hour.0) * 3_600_000)
}
