//! Opening, closing, minting, revoking: what a person does with a mailbox.

use plico_protocol::frame::{EndReason, RelayFrame, Sequence};
use plico_protocol::id::{Address, TicketId};
use plico_protocol::limits::WINDOW_ROUNDING_MINUTES;
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::ticket::{Epoch, Terms, Ticket, TicketFields, Zone, address_tag};
use plico_protocol::time::Minute;

use crate::decide::{Denied, Draft, FactError, busy};
use crate::policy::consent::{WindowRules, open_window};
use crate::rows::{Fate, OriginRow, QueueKind, QueueRow, RowName};
use crate::store::Table;
use crate::writer::Event;

impl Draft<'_> {
    pub(super) fn open(&mut self, address: &Address) -> Result<RelayFrame, Denied> {
        let queue = self.facts.queue(address)?;
        match queue.map(|queue| queue.kind) {
            Some(QueueKind::Mailbox) => return Ok(RelayFrame::Opened),
            Some(QueueKind::Inbox) => return Err(Code::WrongConnection.into()),
            None if self.facts.directory.inbox(address).is_some() => {
                return Err(Code::WrongConnection.into());
            }
            None => (),
        }
        let epoch = self.fresh_epoch();
        let queue = QueueRow::new(QueueKind::Mailbox, epoch);
        self.put(*self.facts.rows.queue(address).as_bytes(), &queue);
        Ok(RelayFrame::Opened)
    }

    pub(super) fn close(
        &mut self,
        address: &Address,
        handed: Sequence,
    ) -> Result<RelayFrame, Denied> {
        let name = self.facts.rows.queue(address);
        match self.facts.queue(address)? {
            Some(mut queue) if queue.kind == QueueKind::Mailbox => {
                self.end_queue(&name, &mut queue, handed)?;
                self.remove(Table::Queues, *name.as_bytes());
            }
            Some(_) => return Err(Code::WrongConnection.into()),
            None => (),
        }
        self.wake(Event::Ended { address: *address, reason: EndReason::Closed });
        Ok(RelayFrame::Closed)
    }

    pub(super) fn mint(
        &mut self,
        address: &Address,
        terms: &Terms,
        window: Option<WindowRules>,
        zone: Zone,
    ) -> Result<RelayFrame, Denied> {
        let mut queue = self.mailbox(address)?;
        self.check_terms(terms)?;
        queue.used = 0;
        if let Some(rules) = window {
            let (running, days) = (queue.free_until, queue.window_days);
            (queue.free_until, queue.window_days) =
                open_window(self.now.minute(), running, days, rules);
            queue.unanswered = 0;
        }
        let free_until = window.map(|_| queue.free_until);
        let ticket = self.ticket(address, &queue, terms, zone, free_until)?;
        self.put(*self.facts.rows.queue(address).as_bytes(), &queue);
        Ok(RelayFrame::Minted(Box::new(ticket)))
    }

    pub(super) fn revoke(
        &mut self,
        address: &Address,
        handed: Sequence,
    ) -> Result<RelayFrame, Denied> {
        let name = self.facts.rows.queue(address);
        let mut queue = self.mailbox(address)?;
        self.end_queue(&name, &mut queue, handed)?;
        queue.epoch = self.next_epoch(queue.epoch);
        self.put(*name.as_bytes(), &queue);
        Ok(RelayFrame::Revoked)
    }

    /// The window the row remembers goes into the new ticket. While it runs, stating other terms
    /// must not cost the business an answer it could have given free of charge; once it is over,
    /// the new ticket still is one that waits for the person, never a standing consent.
    pub(super) fn change_terms(
        &mut self,
        address: &Address,
        terms: &Terms,
        zone: Zone,
    ) -> Result<RelayFrame, Denied> {
        let mut queue = self.mailbox(address)?;
        self.check_terms(terms)?;
        queue.epoch = self.next_epoch(queue.epoch);
        queue.used = 0;
        let free_until = Some(queue.free_until).filter(|end| *end != Minute(0));
        let ticket = self.ticket(address, &queue, terms, zone, free_until)?;
        self.put(*self.facts.rows.queue(address).as_bytes(), &queue);
        Ok(RelayFrame::Minted(Box::new(ticket)))
    }

    /// Removes every envelope of a queue; their submissions end as expired. Bounded by what a
    /// mailbox may hold.
    fn end_queue(
        &mut self,
        name: &RowName,
        queue: &mut QueueRow,
        handed: Sequence,
    ) -> Result<(), Denied> {
        let held = queue.envelopes.max(self.facts.limits.mailbox_envelopes_max);
        let held = usize::try_from(held).unwrap_or(usize::MAX);
        // From the very first: what expired below the acknowledged ones may not be swept yet.
        for (sequence, mut origin) in self.facts.origins(name, Sequence(0), held)? {
            origin.offered |= sequence <= handed;
            self.end_envelope(name, sequence, &origin, Fate::Expired)?;
        }
        queue.acknowledged = queue.last;
        queue.envelopes = 0;
        queue.bytes = 0;
        Ok(())
    }

    /// Removes an envelope and records what became of its submission. The queue's counters are
    /// the caller's.
    pub(super) fn end_envelope(
        &mut self,
        queue: &RowName,
        sequence: Sequence,
        origin: &OriginRow,
        fate: Fate,
    ) -> Result<(), FactError> {
        if let Some(pending) = self.ended(origin, fate) {
            self.put_pending(&pending);
        }
        self.take_away(queue, sequence, origin, fate)
    }

    /// Removes an envelope and tells its sender; what is left to settle is the caller's.
    pub(super) fn take_away(
        &mut self,
        queue: &RowName,
        sequence: Sequence,
        origin: &OriginRow,
        fate: Fate,
    ) -> Result<(), FactError> {
        let key = queue.at(sequence);
        self.remove(Table::Expiries, self.expiry_key(queue, sequence, origin));
        self.remove(Table::Envelopes, key.clone());
        self.remove(Table::Origins, key);
        let name = &origin.submission;
        let Some(mut submission) = self.facts.submission(name)? else { return Ok(()) };
        submission.fate = fate;
        submission.ended = self.now.hour();
        self.put(*name.as_bytes(), &submission);
        let bucket = self.facts.rows.bucket(Table::Forgets, submission.forgotten());
        self.put_clear(Table::Forgets, bucket.holding(name.as_bytes()), Vec::new());
        Ok(())
    }

    pub(super) fn expiry_key(
        &self,
        queue: &RowName,
        sequence: Sequence,
        origin: &OriginRow,
    ) -> Vec<u8> {
        let bucket = self.facts.rows.bucket(Table::Expiries, origin.expires);
        bucket.holding(&queue.at(sequence))
    }

    /// An open mailbox of a person.
    fn mailbox(&self, address: &Address) -> Result<QueueRow, Denied> {
        let queue = self.facts.queue(address)?;
        let mailbox = queue.filter(|queue| queue.kind == QueueKind::Mailbox);
        mailbox.ok_or(Denied::from(Code::NoMailbox))
    }

    fn check_terms(&self, terms: &Terms) -> Result<(), Denied> {
        let checked = terms.check(self.now.minute());
        checked.map_err(|error| Refusal::because(Code::BadTerms, error).into())
    }

    fn ticket(
        &mut self,
        address: &Address,
        queue: &QueueRow,
        terms: &Terms,
        zone: Zone,
        free_until: Option<Minute>,
    ) -> Result<Ticket, Denied> {
        let id = TicketId::new(self.random());
        let ring = self.facts.ring;
        let (key_id, key) = ring.minting(self.now).ok_or_else(busy)?;
        let fields = TicketFields {
            categories: terms.categories,
            zone,
            messages_max: terms.messages_max,
            opened_at: self.now.minute().round_down(WINDOW_ROUNDING_MINUTES),
            free_until,
            valid_until: terms.valid_until,
            epoch: queue.epoch,
            tag: address_tag(ring.tag(), address),
            commitment: terms.commitment,
            id,
        };
        Ok(Ticket::mint(&fields, key_id, key))
    }

    fn fresh_epoch(&mut self) -> Epoch {
        Epoch(u32::from_be_bytes(self.random()))
    }

    /// Another epoch than the last, even where randomness repeats it.
    fn next_epoch(&mut self, last: Epoch) -> Epoch {
        let epoch = self.fresh_epoch();
        if epoch == last { Epoch(epoch.0.wrapping_add(1)) } else { epoch }
    }
}
