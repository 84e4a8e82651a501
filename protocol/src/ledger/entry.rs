//! One line of an account's ledger. Written once, never changed.
//!
//! SPEC.md §14.2: 52 bytes, whatever it says. A field that a kind of entry has no use for is zero, so
//! that no entry has two encodings.

use crate::id::SubmitId;
use crate::pricing::{Currency, Millionths};
use crate::ticket::{Category, Zone};
use crate::time::Hour;
use crate::wire::{DecodeError, Reader, Wire, Writer};

use super::TreeHash;

/// The place of an entry in its account's tree; the first is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntrySequence(pub u64);

/// Which of the trees of an account: 0, and after each restore of the relay the minute of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

wire_byte!(
    /// What an entry does to the account.
    EntryKind, "entry_kind" {
        /// A message that costs something was accepted; its price is reserved.
        Accept = 1,
        /// What was reserved is owed.
        Settle = 2,
        /// What was reserved is not owed.
        Release = 3,
        /// A period's subscription is owed.
        Subscription = 4,
        /// The business paid.
        Payment = 5,
        /// The relay went on from a backup here; what followed in earlier generations is lost.
        Restored = 6,
        /// What was entered as paid by mistake is taken back.
        Correction = 7,
    }
);

wire_byte!(
    /// Why an entry is there.
    EntryReason, "entry_reason" {
        /// Accept: in the ticket's window, of a category that is not free there.
        InWindow = 1,
        /// Accept: after the ticket's window.
        OutsideWindow = 2,
        /// Accept: under a standing consent.
        Standing = 3,
        /// Settle: the recipient opened it.
        Opened = 4,
        /// Settle: the recipient was handed it, and did not acknowledge.
        Offered = 5,
        /// Release: the recipient could not open it.
        Unreadable = 6,
        /// Release: it ended without having been handed to the recipient.
        NotOffered = 7,
        /// Subscription, payment, restored, correction: the kind says it all.
        Itself = 8,
    }
);

/// What an entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate {
    /// What the business declared the message to be.
    pub category: Category,
    /// The ticket's zone.
    pub zone: Zone,
}

/// An amount in a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount {
    /// How much.
    pub millionths: Millionths,
    /// Of what.
    pub currency: Currency,
}

/// The part of an entry that belongs to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The submission.
    pub submission: SubmitId,
    /// The accept that is settled or released; an accept names itself.
    pub accept: EntrySequence,
    /// What it was priced as.
    pub rate: Rate,
}

/// One line of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub sequence: EntrySequence,
    /// When. Settlements are dated by the first hour of the UTC day in which the envelope ended.
    pub hour: Hour,
    /// What it does.
    pub kind: EntryKind,
    /// Why.
    pub reason: EntryReason,
    /// Of which message, for accept, settle and release.
    pub message: Option<Message>,
    /// Which generation begins, for restored; else 0.
    pub generation: Generation,
    /// How much; nothing for restored.
    pub amount: Amount,
}

impl EntryKind {
    /// The name in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Settle => "settle",
            Self::Release => "release",
            Self::Subscription => "subscription",
            Self::Payment => "payment",
            Self::Restored => "restored",
            Self::Correction => "correction",
        }
    }

    /// Whether an entry of this kind may have this reason.
    fn allows(self, reason: EntryReason) -> bool {
        use EntryReason as Why;
        match self {
            Self::Accept => matches!(reason, Why::InWindow | Why::OutsideWindow | Why::Standing),
            Self::Settle => matches!(reason, Why::Opened | Why::Offered),
            Self::Release => matches!(reason, Why::Unreadable | Why::NotOffered),
            Self::Subscription | Self::Payment | Self::Restored | Self::Correction => {
                reason == Why::Itself
            }
        }
    }
}

impl EntryReason {
    /// The name in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InWindow => "in window",
            Self::OutsideWindow => "outside window",
            Self::Standing => "standing consent",
            Self::Opened => "opened",
            Self::Offered => "offered",
            Self::Unreadable => "unreadable",
            Self::NotOffered => "not offered",
            Self::Itself => "",
        }
    }
}

impl Entry {
    /// Bytes of every entry.
    pub const BYTES: usize = 1 + 8 + 4 + SubmitId::BYTES + 8 + 1 + 2 + 3 + 8 + 1;

    /// The hash of its leaf.
    pub fn hash(&self) -> TreeHash {
        TreeHash::leaf(&self.encode())
    }

    fn check_fields(&self) -> Result<(), DecodeError> {
        let Self { sequence, hour, kind, reason, message, amount, .. } = self;
        let bad = |field| Err(DecodeError::BadValue { field });
        if !kind.allows(*reason) {
            return bad("entry_reason");
        }
        let fits = match (kind, message) {
            (EntryKind::Accept, Some(message)) => message.accept == *sequence,
            (_, Some(message)) => message.accept < *sequence,
            (_, None) => true,
        };
        if !fits {
            return bad("ref");
        }
        let by_day = matches!(kind, EntryKind::Settle | EntryKind::Release);
        if by_day && !hour.0.is_multiple_of(24) {
            return bad("hour");
        }
        if *kind == EntryKind::Restored && amount.millionths != Millionths::ZERO {
            return bad("amount");
        }
        Ok(())
    }
}

impl Wire for EntrySequence {
    fn write(&self, out: &mut Writer) {
        out.u64(self.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.u64().map(Self)
    }
}

impl Wire for Generation {
    fn write(&self, out: &mut Writer) {
        out.u32(self.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.u32().map(Self)
    }
}

impl Wire for Amount {
    fn write(&self, out: &mut Writer) {
        self.currency.write(out);
        self.millionths.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { currency: Wire::read(reader)?, millionths: Wire::read(reader)? })
    }
}

impl Wire for Rate {
    fn write(&self, out: &mut Writer) {
        self.category.write(out);
        out.bytes(self.zone.as_bytes());
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let category = Wire::read(reader)?;
        let zone = Zone::new(reader.array()?).ok_or(DecodeError::BadValue { field: "zone" })?;
        Ok(Self { category, zone })
    }
}

impl Wire for Entry {
    fn write(&self, out: &mut Writer) {
        let Self { sequence, hour, kind, reason, message, generation, amount } = self;
        kind.write(out);
        sequence.write(out);
        hour.write(out);
        match message {
            Some(Message { submission, accept, rate }) => {
                submission.write(out);
                accept.write(out);
                rate.write(out);
            }
            None => {
                SubmitId::new([0; SubmitId::BYTES]).write(out);
                out.u64(u64::from(generation.0));
                out.bytes(&[0; 3]);
            }
        }
        amount.write(out);
        reason.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let kind = Wire::read(reader)?;
        let sequence = Wire::read(reader)?;
        let hour = Wire::read(reader)?;
        let (message, generation) = match kind {
            EntryKind::Accept | EntryKind::Settle | EntryKind::Release => {
                (Some(Message::read(reader)?), Generation::default())
            }
            EntryKind::Subscription
            | EntryKind::Payment
            | EntryKind::Restored
            | EntryKind::Correction => (None, read_generation(reader, kind)?),
        };
        let amount = Wire::read(reader)?;
        let reason = Wire::read(reader)?;
        let entry = Self { sequence, hour, kind, reason, message, generation, amount };
        entry.check_fields()?;
        Ok(entry)
    }
}

impl Message {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            submission: Wire::read(reader)?,
            accept: Wire::read(reader)?,
            rate: Wire::read(reader)?,
        })
    }
}

/// What stands in place of a message.
fn read_generation(reader: &mut Reader, kind: EntryKind) -> Result<Generation, DecodeError> {
    let bad = |field| Err(DecodeError::BadValue { field });
    if reader.array::<16>()? != [0; 16] {
        return bad("submit_id");
    }
    let generation = u32::try_from(reader.u64()?);
    let generation = generation.map_err(|_| DecodeError::BadValue { field: "ref" })?;
    if (kind == EntryKind::Restored) == (generation == 0) {
        return bad("ref");
    }
    if reader.array::<3>()? != [0; 3] {
        return bad("category");
    }
    Ok(Generation(generation))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::ledger) fn euros(millionths: u64) -> Amount {
        Amount { millionths: Millionths(millionths), currency: Currency::new(*b"EUR").unwrap() }
    }

    /// An accept of `id` outside the window, 0.05 EUR.
    pub(in crate::ledger) fn accept(sequence: u64, hour: u32, id: u8) -> Entry {
        Entry {
            sequence: EntrySequence(sequence),
            hour: Hour(hour),
            kind: EntryKind::Accept,
            reason: EntryReason::OutsideWindow,
            message: Some(Message {
                submission: SubmitId::compose(Hour(hour), [id; 12]),
                accept: EntrySequence(sequence),
                rate: Rate { category: Category::Utility, zone: Zone::new(*b"FR").unwrap() },
            }),
            generation: Generation::default(),
            amount: euros(50_000),
        }
    }

    /// The settlement of an accept, as opened.
    pub(in crate::ledger) fn settle(sequence: u64, day: u32, accepted: &Entry) -> Entry {
        Entry {
            sequence: EntrySequence(sequence),
            hour: Hour(day * 24),
            kind: EntryKind::Settle,
            reason: EntryReason::Opened,
            ..*accepted
        }
    }

    fn of_account(kind: EntryKind) -> Entry {
        let reason = EntryReason::Itself;
        Entry { kind, reason, message: None, amount: euros(9), ..accept(5, 100, 1) }
    }

    #[test]
    fn every_kind_has_one_encoding_of_one_length() {
        let restored = Entry {
            generation: Generation(7),
            amount: euros(0),
            ..of_account(EntryKind::Restored)
        };
        let kinds = [
            accept(0, 30, 1),
            settle(3, 2, &accept(1, 30, 1)),
            of_account(EntryKind::Subscription),
            of_account(EntryKind::Payment),
            of_account(EntryKind::Correction),
            restored,
        ];
        for entry in kinds {
            assert_eq!(entry.encode().len(), Entry::BYTES);
            assert_eq!(Entry::decode(entry.encode()), Ok(entry));
        }
    }

    #[test]
    fn what_no_relay_writes_is_refused() {
        let check = |entry: Entry, field| {
            assert_eq!(Entry::decode(entry.encode()), Err(DecodeError::BadValue { field }));
        };
        let settled = settle(3, 2, &accept(1, 30, 1));
        check(Entry { reason: EntryReason::Opened, ..accept(1, 30, 1) }, "entry_reason");
        check(Entry { reason: EntryReason::Unreadable, ..settled }, "entry_reason");
        check(Entry { hour: Hour(49), ..settled }, "hour");
        check(Entry { sequence: EntrySequence(1), ..settled }, "ref");
        check(Entry { sequence: EntrySequence(2), ..accept(1, 30, 1) }, "ref");
        check(Entry { generation: Generation(7), ..of_account(EntryKind::Payment) }, "ref");
        check(of_account(EntryKind::Restored), "ref");
        let paid_back = Entry { generation: Generation(7), ..of_account(EntryKind::Restored) };
        check(paid_back, "amount");
    }
}
