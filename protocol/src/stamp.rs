//! The relay's stamp: what it saw of a submission, MACed so that a report needs no table.
//!
//! SPEC.md §11. `HMAC(k_stamp[day], "plico/1 stamp" || 0 || C2 || account || ticket[24..40]
//! || ticket id || u32 hour || u8 category || u8 reason || u8 size_class)`. The relay that holds
//! the day's key convinces itself only: whoever holds a stamp key can forge one.

use crate::envelope::SizeClass;
use crate::id::{AccountKey, AddressTag, Commitment, Stamp, TicketId};
use crate::mac::MacKey;
use crate::ticket::Category;
use crate::time::Hour;
use crate::wire::{DecodeError, Reader, Wire, Writer};

wire_byte!(
    /// Why a message was accepted.
    Reason, "reason" {
        /// A person's message to an inbox.
        ToInbox = 1,
        /// A business's answer while the ticket's window was open.
        InWindow = 2,
        /// A business's message after the window, or under a standing consent.
        OutsideWindow = 3,
    }
);

/// What the relay saw of a message from a business. Travels in `Deliver` and in a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Who sent it.
    pub account: AccountKey,
    /// The mailbox, as its ticket carries it.
    pub tag: AddressTag,
    /// The ticket it was sent with.
    pub ticket: TicketId,
    /// When it was accepted.
    pub hour: Hour,
    /// What the business declared it to be.
    pub category: Category,
    /// Why it was accepted.
    pub reason: Reason,
}

/// An origin with its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StampedOrigin {
    /// What the relay saw.
    pub origin: Origin,
    /// The MAC over it.
    pub stamp: Stamp,
}

impl Origin {
    /// Stamps this origin for one envelope.
    pub fn stamp(self, k_stamp: &MacKey, c2: &Commitment, class: SizeClass) -> StampedOrigin {
        let mac = k_stamp.mac(&[LABEL, c2.as_bytes(), &self.encode(), &[class.byte()]]);
        StampedOrigin { origin: self, stamp: Stamp::new(mac) }
    }
}

impl StampedOrigin {
    /// Whether the stamp is the relay's own over this origin and envelope.
    #[must_use]
    pub fn verify(&self, k_stamp: &MacKey, c2: &Commitment, class: SizeClass) -> bool {
        let parts: [&[u8]; 4] = [LABEL, c2.as_bytes(), &self.origin.encode(), &[class.byte()]];
        k_stamp.verify(&parts, self.stamp.as_bytes())
    }
}

impl Wire for Origin {
    fn write(&self, out: &mut Writer) {
        let Self { account, tag, ticket, hour, category, reason } = self;
        account.write(out);
        tag.write(out);
        ticket.write(out);
        hour.write(out);
        category.write(out);
        reason.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            account: Wire::read(reader)?,
            tag: Wire::read(reader)?,
            ticket: Wire::read(reader)?,
            hour: Wire::read(reader)?,
            category: Wire::read(reader)?,
            reason: Wire::read(reader)?,
        })
    }
}

impl Wire for StampedOrigin {
    fn write(&self, out: &mut Writer) {
        let Self { origin, stamp } = self;
        origin.write(out);
        stamp.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { origin: Wire::read(reader)?, stamp: Wire::read(reader)? })
    }
}

const LABEL: &[u8] = b"plico/1 stamp\0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_covers_every_field() {
        let key = MacKey::new([1; 32]);
        let c2 = Commitment::new([2; 32]);
        let origin = Origin {
            account: AccountKey::new([3; 32]),
            tag: AddressTag::new([4; 16]),
            ticket: TicketId::new([5; 16]),
            hour: Hour(6),
            category: Category::Utility,
            reason: Reason::InWindow,
        };
        let stamped = origin.stamp(&key, &c2, SizeClass::Small);
        assert!(stamped.verify(&key, &c2, SizeClass::Small));
        assert!(!stamped.verify(&key, &c2, SizeClass::Medium));
        assert!(!stamped.verify(&key, &Commitment::new([0; 32]), SizeClass::Small));
        let bytes = stamped.encode();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            let holds = StampedOrigin::decode(bytes)
                .is_ok_and(|altered| altered.verify(&key, &c2, SizeClass::Small));
            assert!(!holds, "byte {at}");
        }
    }
}
