//! Taking envelopes in.

use plico_protocol::envelope::Envelope;
use plico_protocol::frame::{Acceptance, RelayFrame, Sequence};
use plico_protocol::id::{AccountKey, Address, SubmitId};
use plico_protocol::ledger::Entry;
use plico_protocol::limits::{
    RETENTION_HOURS, SUBMIT_ID_EARLY_HOURS, SUBMIT_ID_STALE_HOURS, UNANSWERED_MAX,
};
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::stamp::{Origin, Reason, StampedOrigin};
use plico_protocol::ticket::{Category, CheckedTicket, Epoch};
use plico_protocol::time::Minute;

use crate::decide::{Denied, Draft, Effect, busy};
use crate::ledger::Reserved;
use crate::request::{Digest, Pricing};
use crate::rows::{Fate, OriginRow, QueueKind, QueueRow, RowName, SubmissionRow};
use crate::store::Table;
use crate::writer::Event;

/// What both kinds of submission have.
pub(super) struct Submitted<'a> {
    pub(super) id: &'a SubmitId,
    pub(super) digest: &'a Digest,
    pub(super) to: &'a Address,
    pub(super) account: &'a AccountKey,
    pub(super) envelope: &'a Envelope,
    /// Its row.
    pub(super) row: RowName,
    /// The recipient's.
    pub(super) queue: RowName,
}

/// What is promised for an envelope once a queue has room for it.
struct Grant {
    reason: Reason,
    free_until: Option<Minute>,
    origin: Option<StampedOrigin>,
    charge: Option<Entry>,
}

impl Draft<'_> {
    pub(super) fn submit_to_inbox(
        &mut self,
        submitted: &Submitted<'_>,
    ) -> Result<RelayFrame, Denied> {
        if let Some(acceptance) = self.remembered(submitted)? {
            return Ok(acceptance);
        }
        self.check_hour(submitted.id)?;
        // The service asked before; an operator may have revoked it since.
        let certified = self.facts.directory.inbox(submitted.to).ok_or(Code::NotAnInbox)?;
        if certified.certificate.body().keys.account != *submitted.account {
            return Err(Code::NotAnInbox.into());
        }
        certified.standing(self.now.hour()).map_err(Refusal::from)?;
        let queue = self.facts.queue_named(&submitted.queue)?;
        // An inbox exists by its certificate; its row begins with its first envelope.
        let mut queue = queue.unwrap_or_else(|| QueueRow::new(QueueKind::Inbox, Epoch(0)));
        let limits = self.facts.limits;
        check_room(&queue, submitted, limits.inbox_envelopes_max, limits.inbox_bytes_max)?;
        let grant = Grant { reason: Reason::ToInbox, free_until: None, origin: None, charge: None };
        Ok(self.accept(submitted, &mut queue, grant))
    }

    pub(super) fn submit_to_mailbox(
        &mut self,
        submitted: &Submitted<'_>,
        ticket: &CheckedTicket,
        category: Category,
        pricing: &Pricing,
    ) -> Result<RelayFrame, Denied> {
        if let Some(acceptance) = self.remembered(submitted)? {
            return Ok(acceptance);
        }
        self.check_hour(submitted.id)?;
        let sender = self.sender(submitted.account)?;
        let fields = ticket.fields();
        let queue = self.facts.queue_named(&submitted.queue)?;
        // One answer for both: a business must not learn whether a mailbox was closed or its
        // ticket revoked.
        let mut queue = queue
            .filter(|queue| queue.kind == QueueKind::Mailbox && queue.epoch == fields.epoch)
            .ok_or(Code::Revoked)?;
        if u32::from(fields.messages_max) <= queue.used {
            return Err(Code::TicketExhausted.into());
        }
        let reason = match ticket.in_window(self.now.minute()) {
            true => Reason::InWindow,
            false => Reason::OutsideWindow,
        };
        let unanswered = reason == Reason::OutsideWindow && fields.free_until.is_some();
        if unanswered && UNANSWERED_MAX <= queue.unanswered {
            let rule = "unanswered_max: 5 messages outside a window until the person writes";
            return Err(Refusal::because(Code::TicketExhausted, rule).into());
        }
        let limits = self.facts.limits;
        check_room(&queue, submitted, limits.mailbox_envelopes_max, limits.mailbox_bytes_max)?;
        let origin = self.stamped(submitted, ticket, category, reason)?;
        let metered = !cfg!(feature = "unmetered");
        let charge = match metered {
            true => self.charge(submitted, sender, ticket, category, pricing)?,
            false => None,
        };
        if metered && charge.is_none() {
            self.decision.effects.push(Effect::SentFree(*submitted.account));
        }
        queue.used = queue.used.saturating_add(1);
        if unanswered {
            queue.unanswered = queue.unanswered.saturating_add(1);
        }
        let grant = Grant { reason, free_until: fields.free_until, origin: Some(origin), charge };
        Ok(self.accept(submitted, &mut queue, grant))
    }

    /// The answer to a submission that was accepted before.
    fn remembered(&mut self, submitted: &Submitted<'_>) -> Result<Option<RelayFrame>, Denied> {
        let Some(row) = self.facts.submission(&submitted.row)? else { return Ok(None) };
        if row.digest != *submitted.digest {
            return Err(Code::SubmitIdReused.into());
        }
        if row.fate == Fate::Queued {
            self.wake(Event::Arrived { address: *submitted.to });
        }
        if let Some(sequence) = row.charge {
            // Of this account: another one's submission has another digest, its ticket's opening.
            let entry = self.facts.entry(submitted.account, sequence)?.ok_or_else(busy)?;
            self.decision.receipt = Some((*submitted.account, entry));
        }
        let (id, reason) = (*submitted.id, row.reason);
        let free_until = Some(row.free_until).filter(|end| end.0 != 0);
        let acceptance = Acceptance { id, reason, free_until, receipt: None };
        Ok(Some(RelayFrame::Accepted(acceptance)))
    }

    fn check_hour(&self, id: &SubmitId) -> Result<(), Denied> {
        let now = self.now.hour();
        if id.hour().plus(SUBMIT_ID_STALE_HOURS) <= now {
            return Err(Code::Stale.into());
        }
        if now.plus(SUBMIT_ID_EARLY_HOURS) < id.hour() {
            return Err(Code::Early.into());
        }
        Ok(())
    }

    fn stamped(
        &self,
        submitted: &Submitted<'_>,
        ticket: &CheckedTicket,
        category: Category,
        reason: Reason,
    ) -> Result<StampedOrigin, Denied> {
        let key = self.facts.ring.stamp(self.now.day()).ok_or_else(busy)?;
        let fields = ticket.fields();
        let origin = Origin {
            account: *submitted.account,
            tag: fields.tag,
            ticket: fields.id,
            hour: self.now.hour(),
            category,
            reason,
        };
        let envelope = submitted.envelope;
        Ok(origin.stamp(key, &envelope.commitment(), envelope.class()))
    }

    fn accept(
        &mut self,
        submitted: &Submitted<'_>,
        queue: &mut QueueRow,
        grant: Grant,
    ) -> RelayFrame {
        let Submitted { id, digest, to, account, envelope, row: submission, queue: name } =
            *submitted;
        let Grant { reason, free_until, origin, charge } = grant;
        self.decision.receipt = charge.map(|entry| (*account, entry));
        let accepted = self.now.hour();
        let expires = accepted.plus(RETENTION_HOURS);
        queue.last = Sequence(queue.last.0.saturating_add(1));
        queue.envelopes = queue.envelopes.saturating_add(1);
        queue.bytes = queue.bytes.saturating_add(bytes_of(envelope));
        let row = SubmissionRow {
            digest: *digest,
            to_person: queue.kind == QueueKind::Mailbox,
            reason,
            free_until: free_until.unwrap_or_default(),
            accepted,
            expires,
            fate: Fate::Queued,
            ended: Default::default(),
            charge: charge.map(|entry| entry.sequence),
        };
        let class = envelope.class();
        let charge = charge.and_then(|entry| Reserved::by(&entry));
        let origin = OriginRow { submission, expires, class, origin, charge, offered: false };
        let key = name.at(queue.last);
        self.put_clear(Table::Expiries, self.expiry_key(&name, queue.last, &origin), Vec::new());
        self.put_clear(Table::Envelopes, key.clone(), envelope.bytes().clone());
        self.put(key, &origin);
        self.put(*submission.as_bytes(), &row);
        self.put(*name.as_bytes(), queue);
        self.wake(Event::Arrived { address: *to });
        RelayFrame::Accepted(Acceptance { id: *id, reason, free_until, receipt: None })
    }
}

fn check_room(
    queue: &QueueRow,
    submitted: &Submitted<'_>,
    envelopes_max: u32,
    bytes_max: u64,
) -> Result<(), Denied> {
    let bytes = queue.bytes.saturating_add(bytes_of(submitted.envelope));
    if envelopes_max <= queue.envelopes || bytes_max < bytes {
        return Err(Refusal::new(Code::MailboxFull).retry_after(FULL_RETRY_MS).into());
    }
    Ok(())
}

fn bytes_of(envelope: &Envelope) -> u64 {
    u64::try_from(envelope.class().bytes()).unwrap_or(u64::MAX)
}

/// Milliseconds after which someone may have read a full queue.
const FULL_RETRY_MS: u32 = 60_000;
