//! Letting go of what its recipient has stored.

use plico_protocol::frame::Sequence;
use plico_protocol::id::Address;
use plico_protocol::limits::UNACKNOWLEDGED_PER_CHANNEL_MAX;
use plico_protocol::refusal::{Code, Refusal};

use crate::decide::{Denied, Draft};
use crate::rows::{Fate, OriginRow, QueueRow};

impl Draft<'_> {
    /// Repeating it changes nothing. What has expired is left to the sweeps, which tell its sender
    /// so, and is not missed in `unreadable`, whose sequences must rise.
    pub(super) fn acknowledge(
        &mut self,
        address: &Address,
        up_to: Sequence,
        unreadable: &[Sequence],
    ) -> Result<(), Denied> {
        let name = self.facts.rows.queue(address);
        let Some(mut queue) = self.facts.queue_named(&name)? else {
            return Err(Code::NoMailbox.into());
        };
        let beyond = unreadable.last().is_some_and(|last| up_to < *last);
        if queue.last < up_to || beyond {
            return Err(Code::AckBeyondDelivered.into());
        }
        if up_to <= queue.acknowledged {
            return Ok(());
        }
        // One more than a channel can have in flight shows that more was acknowledged.
        let limit = UNACKNOWLEDGED_PER_CHANNEL_MAX + 1;
        // Behind `up_to` nothing need be opened.
        let asked = usize::try_from(up_to.0 - queue.acknowledged.0).unwrap_or(usize::MAX);
        let mut waiting = self.facts.origins(&name, queue.acknowledged, limit.min(asked))?;
        waiting.retain(|(sequence, _)| *sequence <= up_to);
        let is_full = limit <= waiting.len();
        waiting.retain(|(_, origin)| self.now.hour() < origin.expires);
        if limit <= waiting.len() {
            return Err(Code::AckBeyondDelivered.into());
        }
        if is_full {
            // So many are due for the sweeps that the end of what lives is not in sight.
            return Err(Refusal::new(Code::Busy).retry_after(SWEEP_RETRY_MS).into());
        }
        for (sequence, origin) in &waiting {
            let fate = match unreadable.binary_search(sequence) {
                Ok(_) => Fate::Unreadable,
                Err(_) => Fate::Delivered,
            };
            self.end_envelope(&name, *sequence, origin, fate)?;
            queue.let_go(origin);
        }
        queue.acknowledged = up_to;
        self.put(*name.as_bytes(), &queue);
        Ok(())
    }
}

impl Draft<'_> {
    /// Marks what costs something: its recipient was handed it, so it is paid for even if it expires
    /// or is revoked unacknowledged. Whoever reads and never says so does not read for free.
    pub(super) fn offer(&mut self, address: &Address, up_to: Sequence) -> Result<(), Denied> {
        let name = self.facts.rows.queue(address);
        let Some(queue) = self.facts.queue(address)? else { return Ok(()) };
        let limit = UNACKNOWLEDGED_PER_CHANNEL_MAX;
        for (sequence, origin) in self.facts.origins(&name, queue.acknowledged, limit)? {
            if sequence <= up_to && origin.charge.is_some() && !origin.offered {
                self.put(name.at(sequence), &OriginRow { offered: true, ..origin });
            }
        }
        Ok(())
    }
}

impl QueueRow {
    /// Counts one envelope less.
    pub(super) fn let_go(&mut self, origin: &OriginRow) {
        let bytes = u64::try_from(origin.class.bytes()).unwrap_or(u64::MAX);
        self.envelopes = self.envelopes.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// Milliseconds in which the sweeps get on by some thousands of rows.
const SWEEP_RETRY_MS: u32 = 1_000;
