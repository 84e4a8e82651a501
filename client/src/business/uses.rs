//! How much of what a customer allowed is used up, as far as a business can tell. SPEC.md §9.
//!
//! The relay counts what it took since it last minted for the mailbox. A business learns of a mint when
//! the ticket comes, so it counts what was taken since then, which is never more.

use plico_protocol::frame::Submission;
use plico_protocol::limits::UNANSWERED_MAX;
use plico_protocol::ticket::TicketFields;
use plico_protocol::time::{Minute, Timestamp};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use super::price::PriceError;
use super::record::CustomerRecord;
use crate::state::{Rows, StateError};

/// The two counts of a mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Uses {
    /// Since a ticket came.
    used: u32,
    /// After a window, until the person opened another.
    unanswered: u32,
}

impl Uses {
    /// As they are counted from a ticket on that takes another's place.
    pub(super) fn renewed(self, new: &TicketFields, held: Option<&TicketFields>) -> Self {
        // A change of terms keeps the window's end; only what a person composed moves it.
        let kept =
            new.free_until.is_none() || held.is_some_and(|held| held.free_until == new.free_until);
        Self { used: 0, unanswered: if kept { self.unanswered } else { 0 } }
    }

    /// Why the relay would refuse another message under this ticket; none as far as is known.
    pub(super) fn refusal(self, ticket: &TicketFields, now: Minute) -> Option<PriceError> {
        if u32::from(ticket.messages_max) <= self.used {
            return Some(PriceError::UsedUp);
        }
        let unanswered = is_over(ticket, now) && UNANSWERED_MAX <= self.unanswered;
        unanswered.then_some(PriceError::Unanswered)
    }

    fn count(&mut self, ticket: &TicketFields, now: Minute) {
        self.used = self.used.saturating_add(1);
        if is_over(ticket, now) {
            self.unanswered = self.unanswered.saturating_add(1);
        }
    }
}

/// Counts a message that the relay took, in the transaction that says so. One that went out under a
/// ticket that was replaced meanwhile may have been counted before the mint.
pub(super) fn count(
    rows: &Rows<'_>,
    customer: u64,
    submission: &Submission,
    now: Timestamp,
) -> Result<(), StateError> {
    let (Some(consent), Some(mut record)) =
        (&submission.consent, CustomerRecord::get(rows, customer)?)
    else {
        return Ok(());
    };
    let held = [&record.window, &record.standing];
    let held = held.iter().any(|held| held.is_some_and(|(ticket, _)| ticket == consent.ticket));
    let Some(fields) = consent.ticket.fields().ok().filter(|_| held) else { return Ok(()) };
    record.uses.count(&fields, now.minute());
    record.put(rows, customer)
}

/// Whether a ticket's window is past; a standing consent has none.
fn is_over(ticket: &TicketFields, now: Minute) -> bool {
    ticket.free_until.is_some_and(|end| end <= now)
}

impl Wire for Uses {
    fn write(&self, out: &mut Writer) {
        let Self { used, unanswered } = self;
        out.u32(*used);
        out.u32(*unanswered);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { used: reader.u32()?, unanswered: reader.u32()? })
    }
}

#[cfg(test)]
mod tests {
    use plico_protocol::wire::Wire;

    use super::super::tests::ticket;
    use super::*;

    #[test]
    fn a_person_who_writes_begins_both_counts_and_one_who_changes_terms_begins_one() {
        let [over, terms, open, standing] =
            [(1_000, 1, true), (1_000, 2, true), (5_000, 2, true), (5_000, 2, false)]
                .map(|(opened, epoch, window)| ticket(opened, epoch, window).fields().unwrap());
        let now = Minute(4_000);
        let mut uses = Uses::default();
        (0..4).for_each(|_| uses.count(&over, now));
        assert_eq!(uses.refusal(&over, now), None);
        uses.count(&over, now);
        assert_eq!(uses.refusal(&over, now), Some(PriceError::UsedUp));
        let after = |new, held| uses.renewed(new, Some(held));
        assert_eq!(after(&terms, &over).refusal(&terms, now), Some(PriceError::Unanswered));
        assert_eq!(after(&standing, &over).refusal(&standing, now), None);
        assert_eq!(after(&standing, &over).refusal(&over, now), Some(PriceError::Unanswered));
        assert_eq!(after(&open, &over), Uses::default());
        assert_eq!(Uses::decode(uses.encode()), Ok(uses));
    }
}
