//! The values of rows. Each has one encoding of one length.

use plico_protocol::envelope::SizeClass;
use plico_protocol::frame::{PrekeyStock, Sequence, SubmissionState};
use plico_protocol::id::{AccountKey, AddressTag, DhKey, Stamp, TicketId};
use plico_protocol::ledger::EntrySequence;
use plico_protocol::limits::{PROFILE_BYTES_MAX, SUBMISSION_MEMORY_HOURS};
use plico_protocol::prekey::{KEM_KEY_BYTES, KemKey, PrekeyId, SignedPrekey};
use plico_protocol::profile::SignedProfile;
use plico_protocol::stamp::{Reason, StampedOrigin};
use plico_protocol::ticket::{Category, Epoch};
use plico_protocol::time::{Hour, Minute};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use crate::ledger::Reserved;
use crate::policy::consent::WindowDays;
use crate::request::Digest;
use crate::rows::{RowName, Sealed, read_optional, write_optional};
use crate::store::Table;

/// Whose queue it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueKind {
    /// A person's mailbox.
    Mailbox,
    /// A business's inbox.
    Inbox,
}

/// A mailbox or inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueueRow {
    pub(crate) kind: QueueKind,
    /// Tickets of another epoch are void. Means nothing for an inbox.
    pub(crate) epoch: Epoch,
    /// End of the last window opened; 0 for none.
    pub(crate) free_until: Minute,
    /// On which days windows were opened.
    pub(crate) window_days: WindowDays,
    /// Acceptances since the last mint, under whichever ticket.
    pub(crate) used: u32,
    /// Acceptances outside windows under tickets with one, since the last mint with a window.
    pub(crate) unanswered: u32,
    /// Sequence of the newest envelope ever stored.
    pub(crate) last: Sequence,
    /// Everything up to here is acknowledged or deleted.
    pub(crate) acknowledged: Sequence,
    /// Envelopes in the queue now.
    pub(crate) envelopes: u32,
    /// Their bytes.
    pub(crate) bytes: u64,
}

/// What is known of a stored envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OriginRow {
    /// Row of its submission.
    pub(crate) submission: RowName,
    /// First hour in which it is no longer there.
    pub(crate) expires: Hour,
    pub(crate) class: SizeClass,
    /// Of what businesses send.
    pub(crate) origin: Option<StampedOrigin>,
    /// What is reserved for it, if it costs something.
    pub(crate) charge: Option<Reserved>,
    /// Whether its recipient was handed it and did not acknowledge.
    pub(crate) offered: bool,
}

/// How a submission stands, as the relay knows it; what may be told is less (see
/// [`SubmissionRow::state`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Queued,
    Delivered,
    Unreadable,
    Expired,
}

/// An accepted submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubmissionRow {
    pub(crate) digest: Digest,
    /// Of a message to a mailbox rather than an inbox.
    pub(crate) to_person: bool,
    pub(crate) reason: Reason,
    /// As the acceptance stated it; 0 for none.
    pub(crate) free_until: Minute,
    pub(crate) accepted: Hour,
    pub(crate) expires: Hour,
    pub(crate) fate: Fate,
    /// Hour of the fate; 0 while queued.
    pub(crate) ended: Hour,
    /// The entry in which its price is reserved, if it has one.
    pub(crate) charge: Option<EntrySequence>,
}

/// The signed prekeys of an account. Anyone is handed them, and still they are sealed: their
/// signatures would name the business beside the row of a mailbox opened a moment before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrekeysRow {
    pub(crate) signed: SignedPrekey<DhKey>,
    pub(crate) kem: SignedPrekey<KemKey>,
    /// Highest one-time id ever taken in; ids up to it never come back.
    pub(crate) highest: PrekeyId,
    /// One-time prekeys there now.
    pub(crate) one_time: u32,
}

/// A one-time prekey of an account, sealed for the same reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OneTimeRow(pub(crate) SignedPrekey<DhKey>);

/// What a business says of itself, sealed for the same reason, and as long whatever it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProfileRow {
    /// As the profile states it.
    pub(crate) issued: Minute,
    pub(crate) profile: SignedProfile,
}

impl QueueRow {
    /// An empty queue.
    pub(crate) fn new(kind: QueueKind, epoch: Epoch) -> Self {
        Self {
            kind,
            epoch,
            free_until: Minute(0),
            window_days: WindowDays::default(),
            used: 0,
            unanswered: 0,
            last: Sequence(0),
            acknowledged: Sequence(0),
            envelopes: 0,
            bytes: 0,
        }
    }
}

impl PrekeysRow {
    /// What its owner is told.
    pub(crate) fn stock(&self) -> PrekeyStock {
        PrekeyStock {
            signed: self.signed.id,
            kem: self.kem.id,
            one_time: self.one_time,
            highest: self.highest,
        }
    }
}

impl SubmissionRow {
    /// The first hour in which its fate may be told. When a person's device is there is theirs, so
    /// that what it fetched shows only once the UTC day is over; what it could not open too, or a
    /// business would send garbage to see when the device comes.
    fn shows(&self) -> Hour {
        match self.fate {
            Fate::Delivered | Fate::Unreadable if self.to_person => self.ended.day().end(),
            _ => self.ended,
        }
    }

    /// The first hour in which the submission is forgotten, once it has ended. Never before its
    /// id is refused as stale, or a repetition would be stored twice.
    pub(crate) fn forgotten(&self) -> Hour {
        let told = self.shows().plus(SUBMISSION_MEMORY_HOURS);
        told.max(self.accepted.plus(SUBMISSION_MEMORY_HOURS + 1))
    }

    /// What whoever knows its id is told at `now`. Does not wait for the sweeps: what is due is
    /// told as done.
    pub(crate) fn state(&self, now: Hour) -> SubmissionState {
        let mut row = self.clone();
        if row.fate == Fate::Queued && row.expires <= now {
            row.fate = Fate::Expired;
            row.ended = row.expires;
        }
        match row.fate {
            Fate::Queued => SubmissionState::Queued,
            _ if row.forgotten() <= now => SubmissionState::Unknown,
            _ if now < row.shows() => SubmissionState::Queued,
            Fate::Delivered => SubmissionState::Delivered,
            Fate::Unreadable => SubmissionState::Unreadable,
            Fate::Expired => SubmissionState::Expired,
        }
    }
}

impl Sealed for QueueRow {
    const TABLE: Table = Table::Queues;
    const BYTES: usize = 1 + 4 * 2 + 4 + 4 * 2 + 8 * 2 + 4 + 8;
}

impl Sealed for OriginRow {
    const TABLE: Table = Table::Origins;
    const BYTES: usize = 16 + 4 + 1 + (1 + ORIGIN_BYTES) + (1 + Reserved::BYTES) + 1;
}

impl Sealed for SubmissionRow {
    const TABLE: Table = Table::Submissions;
    const BYTES: usize = 32 + 1 + 1 + 4 * 3 + 1 + 4 + (1 + 8);
}

impl Sealed for PrekeysRow {
    const TABLE: Table = Table::Prekeys;
    const BYTES: usize = 2 * (4 + 4 + 64) + DhKey::BYTES + KEM_KEY_BYTES + 4 + 4;
}

impl Sealed for OneTimeRow {
    const TABLE: Table = Table::OneTimePrekeys;
    const BYTES: usize = 4 + 4 + 64 + DhKey::BYTES;
}

impl Sealed for ProfileRow {
    const TABLE: Table = Table::Profiles;
    const BYTES: usize = 4 + PADDED_PROFILE_BYTES;
}

impl Wire for QueueRow {
    fn write(&self, out: &mut Writer) {
        out.u8(match self.kind {
            QueueKind::Mailbox => 1,
            QueueKind::Inbox => 2,
        });
        out.u32(self.epoch.0);
        self.free_until.write(out);
        self.window_days.write(out);
        out.u32(self.used);
        out.u32(self.unanswered);
        self.last.write(out);
        self.acknowledged.write(out);
        out.u32(self.envelopes);
        out.u64(self.bytes);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            kind: match reader.u8()? {
                1 => QueueKind::Mailbox,
                2 => QueueKind::Inbox,
                _ => return Err(DecodeError::BadValue { field: "kind" }),
            },
            epoch: Epoch(reader.u32()?),
            free_until: Wire::read(reader)?,
            window_days: Wire::read(reader)?,
            used: reader.u32()?,
            unanswered: reader.u32()?,
            last: Wire::read(reader)?,
            acknowledged: Wire::read(reader)?,
            envelopes: reader.u32()?,
            bytes: reader.u64()?,
        })
    }
}

impl Wire for WindowDays {
    fn write(&self, out: &mut Writer) {
        let Self { month, last, count } = self;
        out.u16(*month);
        out.u8(*last);
        out.u8(*count);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { month: reader.u16()?, last: reader.u8()?, count: reader.u8()? })
    }
}

impl Wire for OriginRow {
    fn write(&self, out: &mut Writer) {
        out.bytes(self.submission.as_bytes());
        self.expires.write(out);
        self.class.write(out);
        write_optional(self.origin.as_ref(), ORIGIN_BYTES, out);
        write_optional(self.charge.as_ref(), Reserved::BYTES, out);
        out.u8(u8::from(self.offered));
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let submission = RowName::new(reader.array()?);
        let expires = Wire::read(reader)?;
        let class = Wire::read(reader)?;
        let origin = read_optional("has_origin", ORIGIN_BYTES, reader)?;
        let charge = read_optional("is_charged", Reserved::BYTES, reader)?;
        Ok(Self { submission, expires, class, origin, charge, offered: reader.flag("offered")? })
    }
}

impl Wire for Fate {
    fn write(&self, out: &mut Writer) {
        out.u8(match self {
            Self::Queued => 1,
            Self::Delivered => 2,
            Self::Unreadable => 3,
            Self::Expired => 4,
        });
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        match reader.u8()? {
            1 => Ok(Self::Queued),
            2 => Ok(Self::Delivered),
            3 => Ok(Self::Unreadable),
            4 => Ok(Self::Expired),
            _ => Err(DecodeError::BadValue { field: "fate" }),
        }
    }
}

impl Wire for SubmissionRow {
    fn write(&self, out: &mut Writer) {
        out.bytes(self.digest.as_bytes());
        out.u8(u8::from(self.to_person));
        self.reason.write(out);
        self.free_until.write(out);
        self.accepted.write(out);
        self.expires.write(out);
        self.fate.write(out);
        self.ended.write(out);
        write_optional(self.charge.as_ref(), 8, out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            digest: Digest::from_bytes(reader.array()?),
            to_person: reader.flag("to_person")?,
            reason: Wire::read(reader)?,
            free_until: Wire::read(reader)?,
            accepted: Wire::read(reader)?,
            expires: Wire::read(reader)?,
            fate: Wire::read(reader)?,
            ended: Wire::read(reader)?,
            charge: read_optional("is_charged", 8, reader)?,
        })
    }
}

impl Wire for PrekeysRow {
    fn write(&self, out: &mut Writer) {
        self.signed.write(out);
        self.kem.write(out);
        self.highest.write(out);
        out.u32(self.one_time);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            signed: Wire::read(reader)?,
            kem: Wire::read(reader)?,
            highest: Wire::read(reader)?,
            one_time: reader.u32()?,
        })
    }
}

impl Wire for OneTimeRow {
    fn write(&self, out: &mut Writer) {
        self.0.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Wire::read(reader).map(Self)
    }
}

impl Wire for ProfileRow {
    fn write(&self, out: &mut Writer) {
        self.issued.write(out);
        let start = out.len();
        self.profile.write(out);
        let written = out.len() - start;
        out.zeros(PADDED_PROFILE_BYTES.saturating_sub(written));
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let issued = Wire::read(reader)?;
        let profile = SignedProfile::read(reader)?;
        let padding = reader.take(PADDED_PROFILE_BYTES.saturating_sub(profile.encode().len()))?;
        match padding.iter().all(|byte| *byte == 0) {
            true => Ok(Self { issued, profile }),
            false => Err(DecodeError::BadValue { field: "padding" }),
        }
    }
}

/// The longest profile with its length.
const PADDED_PROFILE_BYTES: usize = 4 + PROFILE_BYTES_MAX;
/// A stamped origin: account, tag, ticket, hour, category, reason, stamp.
const ORIGIN_BYTES: usize = AccountKey::BYTES
    + AddressTag::BYTES
    + TicketId::BYTES
    + size_of::<Hour>()
    + size_of::<Category>()
    + size_of::<Reason>()
    + Stamp::BYTES;
