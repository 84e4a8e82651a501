//! What a relay answers and delivers. SPEC.md §5.2.

use crate::certificate::Certificate;
use crate::envelope::EnvelopeBytes;
use crate::frame::{Channel, Frame, Sequence};
use crate::id::{AuthorityKey, SubmitId};
use crate::ledger::{Entry, Head, LedgerKeyCertificate, Proof, Receipt};
use crate::limits::{ENTRIES_PER_FRAME_MAX, FRAME_BODY_BYTES_MAX};
use crate::prekey::{Bundle, PrekeyId};
use crate::pricing::SignedRateCard;
use crate::profile::SignedProfile;
use crate::refusal::Refusal;
use crate::report::Reported;
use crate::reputation::AccountStanding;
use crate::stamp::{Reason, StampedOrigin};
use crate::ticket::{Ticket, TicketKeyId, TicketKeys};
use crate::time::{Day, Minute};
use crate::wire::{DecodeError, Reader, Wire, Writer};

/// A relay's frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayFrame {
    /// The proof holds.
    Proved,
    /// The certificate under a handle, as the authority signed it.
    Certified {
        /// The key that signed it; a client believes it only if it fits the link's `auth`.
        authority: AuthorityKey,
        /// The certificate.
        certificate: Certificate,
        /// What the business says of itself, if it published anything.
        profile: Option<SignedProfile>,
    },
    /// A prekey bundle; its one-time prekey was handed to nobody else.
    Prekeys(Box<Bundle>),
    /// The envelope is on disk.
    Accepted(Acceptance),
    /// What became of a submission.
    State(SubmissionState),
    /// The mailbox is open.
    Opened,
    /// The mailbox is closed.
    Closed,
    /// A ticket.
    Minted(Box<Ticket>),
    /// Every ticket of the mailbox is void.
    Revoked,
    /// What the relay holds of an account's prekeys.
    Stock(PrekeyStock),
    /// The profile is on disk.
    ProfilePublished,
    /// How the account stands.
    Standing(AccountStanding),
    /// What messages cost in the minute asked for.
    RateCard {
        /// Of the key that signed the card.
        key: LedgerKeyCertificate,
        /// The card.
        card: SignedRateCard,
    },
    /// What became of a report.
    Reported(Reported),
    /// The head of the account's ledger.
    Headed(Box<Headed>),
    /// Entries of the account's ledger, rising by one; none at its end.
    Entries(Vec<Entry>),
    /// Delivery stream: the mailbox's number on this stream.
    Subscribed {
        /// The number.
        channel: Channel,
    },
    /// Delivery stream: the acknowledged envelopes are gone from the relay.
    Acknowledged {
        /// Of which mailbox.
        channel: Channel,
        /// Cumulative.
        up_to: Sequence,
    },
    /// Delivery stream: an envelope.
    Deliver(Box<Delivery>),
    /// Delivery stream: everything that waited when the subscription began has been delivered.
    Drained {
        /// Of which mailbox.
        channel: Channel,
    },
    /// Delivery stream: no more envelopes come on this channel.
    Ended {
        /// Which channel.
        channel: Channel,
        /// Why.
        reason: EndReason,
    },
    /// Delivery stream: the relay's word to a business.
    Notice(Notice),
    /// The request was not carried out.
    Refused(Refusal),
}

/// What the relay promises when it accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The submission.
    pub id: SubmitId,
    /// Why it was accepted.
    pub reason: Reason,
    /// The end of the ticket's window, if it has one.
    pub free_until: Option<Minute>,
    /// Of a message that costs something: its entry in the account's ledger.
    pub receipt: Option<Box<Receipt>>,
}

/// The head of an account's ledger, with what it takes to believe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headed {
    /// The key that signed the head.
    pub key: LedgerKeyCertificate,
    /// The head.
    pub head: Head,
    /// Joins the head asked from to it; empty if that one counts more entries.
    pub link: Proof,
}

wire_byte!(
    /// What became of a submission.
    SubmissionState, "state" {
        /// Waiting for its recipient.
        Queued = 1,
        /// Acknowledged. For messages to people it shows only after the end of the UTC day,
        /// because when a person reads is theirs.
        Delivered = 2,
        /// Acknowledged as unreadable: seal it again.
        Unreadable = 3,
        /// Nobody fetched it, or the mailbox was closed or revoked.
        Expired = 4,
        /// Never accepted, or forgotten.
        Unknown = 5,
    }
);

wire_byte!(
    /// Why a channel ended.
    EndReason, "end_reason" {
        /// A newer subscription took the mailbox over.
        TakenOver = 1,
        /// The mailbox was closed, or the certificate of the inbox no longer holds.
        Closed = 2,
    }
);

/// An envelope on its way to its recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Of which mailbox.
    pub channel: Channel,
    /// Its number there; a repeated delivery has the same.
    pub sequence: Sequence,
    /// What the relay saw of its sender; absent for what people send.
    pub origin: Option<StampedOrigin>,
    /// The envelope.
    pub envelope: EnvelopeBytes,
}

/// What the relay holds of an account's prekeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrekeyStock {
    /// Id of the signed X25519 prekey; 0 if none.
    pub signed: PrekeyId,
    /// Id of the signed ML-KEM-768 prekey; 0 if none.
    pub kem: PrekeyId,
    /// One-time prekeys left.
    pub one_time: u32,
    /// Highest one-time id ever published, 0 if none: further ids must be above it.
    pub highest: PrekeyId,
}

/// The relay's word to a business, or to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Few one-time prekeys are left: publish more.
    PrekeysLow {
        /// How many.
        one_time: u32,
    },
    /// The certificate ends soon or has ended: renew it.
    CertificateEnds {
        /// Hours until its end; 0 if it has ended.
        hours: u32,
    },
    /// To a person: tickets of other keys ended.
    TicketKeys(TicketKeys),
    /// The account's subscription is unpaid: pay the operator.
    Unpaid {
        /// The first day on which nothing is taken from it any more.
        stops: Day,
    },
    /// One of a later relay: to be skipped.
    Other {
        /// Its kind, none of those above.
        kind: u8,
        /// Whatever it means.
        value: u32,
    },
}

impl Frame for RelayFrame {
    fn kind(&self) -> u8 {
        match self {
            Self::Proved => PROVED,
            Self::Certified { .. } => CERTIFIED,
            Self::Prekeys(_) => PREKEYS,
            Self::Accepted(_) => ACCEPTED,
            Self::State(_) => STATE,
            Self::Opened => OPENED,
            Self::Closed => CLOSED,
            Self::Minted(_) => MINTED,
            Self::Revoked => REVOKED,
            Self::Stock(_) => STOCK,
            Self::ProfilePublished => PROFILE_PUBLISHED,
            Self::Standing(_) => STANDING,
            Self::RateCard { .. } => RATE_CARD,
            Self::Reported(_) => REPORTED,
            Self::Headed(_) => HEADED,
            Self::Entries(_) => ENTRIES,
            Self::Subscribed { .. } => SUBSCRIBED,
            Self::Acknowledged { .. } => ACKNOWLEDGED,
            Self::Deliver(_) => DELIVER,
            Self::Drained { .. } => DRAINED,
            Self::Ended { .. } => ENDED,
            Self::Notice(_) => NOTICE,
            Self::Refused(_) => REFUSED,
        }
    }

    fn write_body(&self, out: &mut Writer) {
        match self {
            Self::Proved | Self::Opened | Self::Closed | Self::Revoked | Self::ProfilePublished => {
            }
            Self::Certified { authority, certificate, profile } => {
                authority.write(out);
                certificate.write(out);
                out.optional(profile.as_ref());
            }
            Self::Prekeys(bundle) => bundle.write(out),
            Self::Accepted(acceptance) => acceptance.write(out),
            Self::State(state) => state.write(out),
            Self::Minted(ticket) => ticket.write(out),
            Self::Stock(stock) => stock.write(out),
            Self::Standing(standing) => standing.write(out),
            Self::RateCard { key, card } => {
                key.write(out);
                card.write(out);
            }
            Self::Reported(reported) => reported.write(out),
            Self::Headed(headed) => headed.write(out),
            Self::Entries(entries) => {
                out.count(entries.len());
                entries.iter().for_each(|entry| entry.write(out));
            }
            Self::Subscribed { channel } | Self::Drained { channel } => channel.write(out),
            Self::Acknowledged { channel, up_to } => {
                channel.write(out);
                up_to.write(out);
            }
            Self::Deliver(delivery) => delivery.write(out),
            Self::Ended { channel, reason } => {
                channel.write(out);
                reason.write(out);
            }
            Self::Notice(notice) => notice.write(out),
            Self::Refused(refusal) => refusal.write(out),
        }
    }

    fn read_body(kind: u8, reader: &mut Reader) -> Option<Result<Self, DecodeError>> {
        Some(match kind {
            PROVED => Ok(Self::Proved),
            CERTIFIED => read_certified(reader),
            PREKEYS => Bundle::read(reader).map(|bundle| Self::Prekeys(Box::new(bundle))),
            ACCEPTED => Acceptance::read(reader).map(Self::Accepted),
            STATE => SubmissionState::read(reader).map(Self::State),
            OPENED => Ok(Self::Opened),
            CLOSED => Ok(Self::Closed),
            MINTED => Ticket::read(reader).map(|ticket| Self::Minted(Box::new(ticket))),
            REVOKED => Ok(Self::Revoked),
            STOCK => PrekeyStock::read(reader).map(Self::Stock),
            PROFILE_PUBLISHED => Ok(Self::ProfilePublished),
            STANDING => AccountStanding::read(reader).map(Self::Standing),
            RATE_CARD => read_rate_card(reader),
            REPORTED => Reported::read(reader).map(Self::Reported),
            HEADED => Headed::read(reader).map(|headed| Self::Headed(Box::new(headed))),
            ENTRIES => read_entries(reader),
            SUBSCRIBED => Channel::read(reader).map(|channel| Self::Subscribed { channel }),
            ACKNOWLEDGED => read_acknowledged(reader),
            DELIVER => Delivery::read(reader).map(|delivery| Self::Deliver(Box::new(delivery))),
            DRAINED => Channel::read(reader).map(|channel| Self::Drained { channel }),
            ENDED => read_ended(reader),
            NOTICE => Notice::read(reader).map(Self::Notice),
            REFUSED => Refusal::read(reader).map(Self::Refused),
            _ => return None,
        })
    }

    fn body_bytes_max(_kind: u8) -> usize {
        FRAME_BODY_BYTES_MAX
    }
}

impl Wire for Acceptance {
    fn write(&self, out: &mut Writer) {
        let Self { id, reason, free_until, receipt } = self;
        id.write(out);
        reason.write(out);
        free_until.unwrap_or_default().write(out);
        out.optional(receipt.as_deref());
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            id: Wire::read(reader)?,
            reason: Wire::read(reader)?,
            free_until: Some(Minute::read(reader)?).filter(|end| end.0 != 0),
            receipt: reader.optional("has_receipt")?.map(Box::new),
        })
    }
}

impl Wire for Headed {
    fn write(&self, out: &mut Writer) {
        let Self { key, head, link } = self;
        key.write(out);
        head.write(out);
        link.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { key: Wire::read(reader)?, head: Wire::read(reader)?, link: Wire::read(reader)? })
    }
}

impl Wire for Delivery {
    fn write(&self, out: &mut Writer) {
        let Self { channel, sequence, origin, envelope } = self;
        channel.write(out);
        sequence.write(out);
        out.optional(origin.as_ref());
        envelope.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            channel: Wire::read(reader)?,
            sequence: Wire::read(reader)?,
            origin: reader.optional("has_origin")?,
            envelope: Wire::read(reader)?,
        })
    }
}

impl Wire for PrekeyStock {
    fn write(&self, out: &mut Writer) {
        let Self { signed, kem, one_time, highest } = self;
        signed.write(out);
        kem.write(out);
        out.u32(*one_time);
        highest.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            signed: Wire::read(reader)?,
            kem: Wire::read(reader)?,
            one_time: reader.u32()?,
            highest: Wire::read(reader)?,
        })
    }
}

impl Wire for Notice {
    fn write(&self, out: &mut Writer) {
        let (kind, value) = match self {
            Self::PrekeysLow { one_time } => (1, *one_time),
            Self::CertificateEnds { hours } => (2, *hours),
            Self::TicketKeys(TicketKeys { oldest, newest }) => {
                (3, u32::from(u16::from_be_bytes([oldest.0, newest.0])))
            }
            Self::Unpaid { stops } => (4, stops.0),
            Self::Other { kind, value } => (*kind, *value),
        };
        out.u8(kind);
        out.u32(value);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(match (reader.u8()?, reader.u32()?) {
            (1, one_time) => Self::PrekeysLow { one_time },
            (2, hours) => Self::CertificateEnds { hours },
            (3, value @ 0..=0xffff) => {
                let [.., oldest, newest] = value.to_be_bytes().map(TicketKeyId);
                Self::TicketKeys(TicketKeys { oldest, newest })
            }
            (4, stops) => Self::Unpaid { stops: Day(stops) },
            (kind, value) => Self::Other { kind, value },
        })
    }
}

fn read_certified(reader: &mut Reader) -> Result<RelayFrame, DecodeError> {
    Ok(RelayFrame::Certified {
        authority: Wire::read(reader)?,
        certificate: Wire::read(reader)?,
        profile: reader.optional("has_profile")?,
    })
}

fn read_rate_card(reader: &mut Reader) -> Result<RelayFrame, DecodeError> {
    Ok(RelayFrame::RateCard { key: Wire::read(reader)?, card: Wire::read(reader)? })
}

fn read_entries(reader: &mut Reader) -> Result<RelayFrame, DecodeError> {
    let count = reader.count("entries", ENTRIES_PER_FRAME_MAX)?;
    let entries = (0..count).map(|_| Entry::read(reader)).collect::<Result<_, _>>()?;
    Ok(RelayFrame::Entries(entries))
}

fn read_acknowledged(reader: &mut Reader) -> Result<RelayFrame, DecodeError> {
    Ok(RelayFrame::Acknowledged { channel: Wire::read(reader)?, up_to: Wire::read(reader)? })
}

fn read_ended(reader: &mut Reader) -> Result<RelayFrame, DecodeError> {
    Ok(RelayFrame::Ended { channel: Wire::read(reader)?, reason: Wire::read(reader)? })
}

const PROVED: u8 = 0x41;
const CERTIFIED: u8 = 0x42;
const PREKEYS: u8 = 0x43;
const ACCEPTED: u8 = 0x44;
const STATE: u8 = 0x45;
const OPENED: u8 = 0x46;
const CLOSED: u8 = 0x47;
const MINTED: u8 = 0x48;
const REVOKED: u8 = 0x49;
const STOCK: u8 = 0x4b;
const PROFILE_PUBLISHED: u8 = 0x4d;
const HEADED: u8 = 0x4e;
const ENTRIES: u8 = 0x4f;
const SUBSCRIBED: u8 = 0x50;
const ACKNOWLEDGED: u8 = 0x51;
const DELIVER: u8 = 0x52;
const DRAINED: u8 = 0x53;
const ENDED: u8 = 0x54;
const NOTICE: u8 = 0x55;
const REPORTED: u8 = 0x58;
const STANDING: u8 = 0x59;
const RATE_CARD: u8 = 0x5a;
const REFUSED: u8 = 0x5f;
