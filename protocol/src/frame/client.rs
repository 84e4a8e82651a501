//! What a client sends. SPEC.md §5.1.

use crate::certificate::Handle;
use crate::envelope::EnvelopeBytes;
use crate::frame::{Channel, Frame, Sequence};
use crate::id::{AccountKey, Address, SubmitId, TicketOpening};
use crate::ledger::EntrySequence;
use crate::limits::{
    FRAME_BODY_BYTES_MAX, PROFILE_BYTES_MAX, SIZE_CLASSES, UNACKNOWLEDGED_PER_CHANNEL_MAX,
};
use crate::prekey::Publication;
use crate::pricing::Millionths;
use crate::profile::SignedProfile;
use crate::prove::Proof;
use crate::report::{REPORT_BYTES_MAX, Report};
use crate::ticket::{Category, Terms, Ticket};
use crate::time::Minute;
use crate::wire::{DecodeError, Reader, Wire, Writer};

/// A client's frame. Requests are answered in the order they were sent on their stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// Proves a key on this connection. Answered `Proved`.
    Prove(Proof),
    /// Asks for the certificate under a handle. Answered `Certified`.
    LookUp {
        /// The business's name.
        handle: Handle,
    },
    /// Asks for a prekey bundle. Answered `Prekeys`.
    FetchBundle {
        /// The business.
        account: AccountKey,
    },
    /// Hands an envelope over. Answered `Accepted` once it is on disk.
    Submit(Box<Submission>),
    /// Asks what became of a submission. Answered `State`.
    Status {
        /// Knowing it is the right to ask.
        id: SubmitId,
    },
    /// Opens a proven mailbox, or leaves an open one as it is. Answered `Opened`.
    Open {
        /// The mailbox.
        address: Address,
    },
    /// Closes a proven mailbox: its queue and its tickets end. Answered `Closed`.
    Close {
        /// The mailbox.
        address: Address,
    },
    /// Asks for a ticket. Answered `Minted`.
    Mint {
        /// The mailbox.
        address: Address,
        /// The terms.
        terms: Terms,
        /// Whether a person composed the message the ticket goes with: it opens a window.
        window: bool,
    },
    /// Ends every ticket of a mailbox and deletes its queue. Answered `Revoked`.
    Revoke {
        /// The mailbox.
        address: Address,
    },
    /// Ends every ticket of a mailbox and mints one with other terms; queue and window stay.
    /// Answered `Minted`.
    ChangeTerms {
        /// The mailbox.
        address: Address,
        /// The terms.
        terms: Terms,
    },
    /// Replaces the signed prekeys and adds one-time prekeys. Answered `Stock`.
    PublishPrekeys(Box<Publication>),
    /// Asks how many one-time prekeys are left. Answered `Stock`.
    PrekeyStatus,
    /// Replaces what the business says of itself. Answered `ProfilePublished`.
    PublishProfile(SignedProfile),
    /// Asks how the account stands. Answered `Standing`.
    AskStanding,
    /// Asks what messages cost. Answered `RateCard`.
    FetchRateCard {
        /// By the card that holds in this minute.
        at: Minute,
    },
    /// Reports a message that came to a proven mailbox. Answered `Reported`.
    Report(Box<Report>),
    /// Asks for the head of the account's ledger. Answered `Headed`.
    Head {
        /// Entries of the last head the business saw: the new one is joined to it.
        since: u64,
    },
    /// Asks for entries of the account's ledger. Answered `Entries`.
    ReadLedger {
        /// The first.
        from: EntrySequence,
    },
    /// Delivery stream: asks for a mailbox's or an inbox's envelopes. Answered `Subscribed`.
    Subscribe {
        /// The mailbox or inbox.
        address: Address,
    },
    /// Delivery stream: everything up to here is stored by the recipient. Answered `Acknowledged`.
    Acknowledge {
        /// Of which mailbox.
        channel: Channel,
        /// Cumulative.
        up_to: Sequence,
        /// Those among them that did not open.
        unreadable: Vec<Sequence>,
    },
}

/// An envelope on its way to a mailbox or an inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Chosen by the sender; repeated with the same content it is answered alike.
    pub id: SubmitId,
    /// The mailbox or inbox.
    pub to: Address,
    /// What allows a business to write to a person.
    pub consent: Option<Consent>,
    /// The envelope.
    pub envelope: EnvelopeBytes,
}

/// A ticket with what shows that it is the sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consent {
    /// The person's ticket.
    pub ticket: Ticket,
    /// Opens the ticket's commitment to the sender's account.
    pub opening: TicketOpening,
    /// What the message is declared to be.
    pub category: Category,
    /// The most it may cost, in millionths; zero for "only if free".
    pub price_max: Millionths,
}

impl Frame for ClientFrame {
    fn kind(&self) -> u8 {
        match self {
            Self::Prove(_) => PROVE,
            Self::LookUp { .. } => LOOK_UP,
            Self::FetchBundle { .. } => FETCH_BUNDLE,
            Self::Submit(_) => SUBMIT,
            Self::Status { .. } => STATUS,
            Self::Open { .. } => OPEN,
            Self::Close { .. } => CLOSE,
            Self::Mint { .. } => MINT,
            Self::Revoke { .. } => REVOKE,
            Self::ChangeTerms { .. } => CHANGE_TERMS,
            Self::PublishPrekeys(_) => PUBLISH_PREKEYS,
            Self::PrekeyStatus => PREKEY_STATUS,
            Self::PublishProfile(_) => PUBLISH_PROFILE,
            Self::AskStanding => ASK_STANDING,
            Self::FetchRateCard { .. } => FETCH_RATE_CARD,
            Self::Report(_) => REPORT,
            Self::Head { .. } => HEAD,
            Self::ReadLedger { .. } => READ_LEDGER,
            Self::Subscribe { .. } => SUBSCRIBE,
            Self::Acknowledge { .. } => ACKNOWLEDGE,
        }
    }

    fn write_body(&self, out: &mut Writer) {
        match self {
            Self::Prove(proof) => proof.write(out),
            Self::LookUp { handle } => handle.write(out),
            Self::FetchBundle { account } => account.write(out),
            Self::Submit(submission) => submission.write(out),
            Self::Status { id } => id.write(out),
            Self::Open { address }
            | Self::Close { address }
            | Self::Revoke { address }
            | Self::Subscribe { address } => address.write(out),
            Self::Mint { address, terms, window } => {
                address.write(out);
                terms.write(out);
                out.u8(u8::from(*window));
            }
            Self::ChangeTerms { address, terms } => {
                address.write(out);
                terms.write(out);
            }
            Self::PublishPrekeys(publication) => publication.write(out),
            Self::PrekeyStatus | Self::AskStanding => (),
            Self::PublishProfile(profile) => profile.write(out),
            Self::FetchRateCard { at } => at.write(out),
            Self::Report(report) => report.write(out),
            Self::Head { since } => out.u64(*since),
            Self::ReadLedger { from } => from.write(out),
            Self::Acknowledge { channel, up_to, unreadable } => {
                channel.write(out);
                up_to.write(out);
                out.count(unreadable.len());
                for sequence in unreadable {
                    sequence.write(out);
                }
            }
        }
    }

    fn read_body(kind: u8, reader: &mut Reader) -> Option<Result<Self, DecodeError>> {
        Some(match kind {
            PROVE => Proof::read(reader).map(Self::Prove),
            LOOK_UP => Handle::read(reader).map(|handle| Self::LookUp { handle }),
            FETCH_BUNDLE => AccountKey::read(reader).map(|account| Self::FetchBundle { account }),
            SUBMIT => Submission::read(reader).map(|s| Self::Submit(Box::new(s))),
            STATUS => SubmitId::read(reader).map(|id| Self::Status { id }),
            OPEN => Address::read(reader).map(|address| Self::Open { address }),
            CLOSE => Address::read(reader).map(|address| Self::Close { address }),
            MINT => read_mint(reader),
            REVOKE => Address::read(reader).map(|address| Self::Revoke { address }),
            CHANGE_TERMS => read_change_terms(reader),
            PUBLISH_PREKEYS => Publication::read(reader).map(|p| Self::PublishPrekeys(Box::new(p))),
            PREKEY_STATUS => Ok(Self::PrekeyStatus),
            PUBLISH_PROFILE => SignedProfile::read(reader).map(Self::PublishProfile),
            ASK_STANDING => Ok(Self::AskStanding),
            FETCH_RATE_CARD => Minute::read(reader).map(|at| Self::FetchRateCard { at }),
            REPORT => Report::read(reader).map(|report| Self::Report(Box::new(report))),
            HEAD => reader.u64().map(|since| Self::Head { since }),
            READ_LEDGER => EntrySequence::read(reader).map(|from| Self::ReadLedger { from }),
            SUBSCRIBE => Address::read(reader).map(|address| Self::Subscribe { address }),
            ACKNOWLEDGE => read_acknowledge(reader),
            _ => return None,
        })
    }

    fn body_bytes_max(kind: u8) -> usize {
        match kind {
            SUBMIT => SUBMIT_BYTES_MAX,
            PUBLISH_PREKEYS => PUBLISH_BYTES_MAX,
            PUBLISH_PROFILE => PUBLISH_PROFILE_BYTES_MAX,
            REPORT => REPORT_BYTES_MAX,
            ACKNOWLEDGE => ACKNOWLEDGE_BYTES_MAX,
            PROVE | LOOK_UP | FETCH_BUNDLE | STATUS | OPEN | CLOSE | MINT | REVOKE
            | CHANGE_TERMS | PREKEY_STATUS | ASK_STANDING | FETCH_RATE_CARD | HEAD
            | READ_LEDGER | SUBSCRIBE => SMALL_BYTES_MAX,
            _ => FRAME_BODY_BYTES_MAX,
        }
    }
}

impl Wire for Submission {
    fn write(&self, out: &mut Writer) {
        let Self { id, to, consent, envelope } = self;
        id.write(out);
        to.write(out);
        out.optional(consent.as_ref());
        envelope.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            id: Wire::read(reader)?,
            to: Wire::read(reader)?,
            consent: reader.optional("has_consent")?,
            envelope: Wire::read(reader)?,
        })
    }
}

impl Wire for Consent {
    fn write(&self, out: &mut Writer) {
        let Self { ticket, opening, category, price_max } = self;
        ticket.write(out);
        opening.write(out);
        category.write(out);
        price_max.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            ticket: Wire::read(reader)?,
            opening: Wire::read(reader)?,
            category: Wire::read(reader)?,
            price_max: Wire::read(reader)?,
        })
    }
}

fn read_mint(reader: &mut Reader) -> Result<ClientFrame, DecodeError> {
    Ok(ClientFrame::Mint {
        address: Wire::read(reader)?,
        terms: Wire::read(reader)?,
        window: reader.flag("window")?,
    })
}

fn read_change_terms(reader: &mut Reader) -> Result<ClientFrame, DecodeError> {
    Ok(ClientFrame::ChangeTerms { address: Wire::read(reader)?, terms: Wire::read(reader)? })
}

fn read_acknowledge(reader: &mut Reader) -> Result<ClientFrame, DecodeError> {
    let channel = Wire::read(reader)?;
    let up_to = Sequence::read(reader)?;
    let count = reader.count("unreadable", UNACKNOWLEDGED_PER_CHANNEL_MAX)?;
    let mut unreadable = Vec::with_capacity(count);
    for _ in 0..count {
        let sequence = Sequence::read(reader)?;
        // Rising and not beyond `up_to`: one set of sequences has one encoding.
        if up_to < sequence || unreadable.last().is_some_and(|last| sequence <= *last) {
            return Err(DecodeError::BadValue { field: "unreadable" });
        }
        unreadable.push(sequence);
    }
    Ok(ClientFrame::Acknowledge { channel, up_to, unreadable })
}

const PROVE: u8 = 0x01;
const LOOK_UP: u8 = 0x02;
const FETCH_BUNDLE: u8 = 0x03;
const SUBMIT: u8 = 0x04;
const STATUS: u8 = 0x05;
const OPEN: u8 = 0x06;
const CLOSE: u8 = 0x07;
const MINT: u8 = 0x08;
const REVOKE: u8 = 0x09;
const CHANGE_TERMS: u8 = 0x0a;
const PUBLISH_PREKEYS: u8 = 0x0b;
const PREKEY_STATUS: u8 = 0x0c;
const PUBLISH_PROFILE: u8 = 0x0d;
const HEAD: u8 = 0x0e;
const READ_LEDGER: u8 = 0x0f;
const SUBSCRIBE: u8 = 0x10;
const ACKNOWLEDGE: u8 = 0x11;
const REPORT: u8 = 0x18;
const ASK_STANDING: u8 = 0x19;
const FETCH_RATE_CARD: u8 = 0x1a;

const SMALL_BYTES_MAX: usize = 128;
const SUBMIT_BYTES_MAX: usize = 16 + 32 + 1 + 128 + 32 + 1 + 8 + 4 + SIZE_CLASSES[3];
const PUBLISH_BYTES_MAX: usize =
    104 + 1256 + 4 + 4 + 104 * crate::limits::ONE_TIME_PREKEYS_PER_FRAME_MAX;
const PUBLISH_PROFILE_BYTES_MAX: usize = 4 + PROFILE_BYTES_MAX;
const ACKNOWLEDGE_BYTES_MAX: usize = 2 + 8 + 4 + 8 * UNACKNOWLEDGED_PER_CHANNEL_MAX;
