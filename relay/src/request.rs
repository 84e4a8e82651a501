//! What the writer is asked: every request that changes state, already checked against the
//! connection that asked.
//!
//! The service proves, verifies signatures and checks tickets before it builds a [`Request`], so
//! that the one writer thread spends no time on what many threads can do. What depends on state
//! (epochs, counters, whether an id was seen) is decided by `decide` alone.

use std::sync::Arc;

use plico_protocol::certificate::{Serial, VerifiedCertificate};
use plico_protocol::envelope::Envelope;
use plico_protocol::frame::{Channel, RelayFrame, Sequence};
use plico_protocol::id::{AccountKey, Address, SubmitId};
use plico_protocol::ledger::Amount;
use plico_protocol::limits::PROFILE_BYTES_MAX;
use plico_protocol::mac::sha256;
use plico_protocol::prekey::Publication;
use plico_protocol::pricing::{Millionths, RateCard};
use plico_protocol::profile::VerifiedProfile;
use plico_protocol::refusal::Refusal;
use plico_protocol::report::ProvenReport;
use plico_protocol::ticket::{Category, CheckedTicket, Terms, Zone};

use crate::policy::consent::WindowRules;

/// The answer to a request: a frame once it is on disk, or a refusal that changed nothing.
pub type Reply = Result<RelayFrame, Refusal>;

/// One change asked for.
#[derive(Clone, Debug)]
pub enum Request {
    /// Opens a person's proven mailbox, or leaves it as it is. Answered `Opened`.
    Open {
        /// The mailbox.
        address: Address,
    },
    /// Closes a proven mailbox; its queue ends as expired. Answered `Closed`, open or not.
    Close {
        /// The mailbox.
        address: Address,
        /// Up to where its device was handed what costs something.
        handed: Sequence,
    },
    /// Mints a ticket. Answered `Minted`.
    Mint {
        /// The mailbox.
        address: Address,
        /// What the person states.
        terms: Terms,
        /// Whether it opens a window, and by which rules.
        window: Option<WindowRules>,
        /// Where the person seems to be.
        zone: Zone,
    },
    /// Ends every ticket of a mailbox and its queue. Answered `Revoked`.
    Revoke {
        /// The mailbox.
        address: Address,
        /// Up to where its device was handed what costs something: nobody reads for free by revoking
        /// at once.
        handed: Sequence,
    },
    /// Ends every ticket and mints another; queue and window stay. Answered `Minted`.
    ChangeTerms {
        /// The mailbox.
        address: Address,
        /// What the person states now.
        terms: Terms,
        /// Where the person seems to be.
        zone: Zone,
    },
    /// A person's envelope for a business. Answered `Accepted`.
    SubmitToInbox {
        /// Chosen by the sender.
        id: SubmitId,
        /// Of the submission's frame body.
        digest: Digest,
        /// A certified inbox.
        inbox: Address,
        /// The business it belongs to.
        account: AccountKey,
        /// The envelope.
        envelope: Envelope,
    },
    /// A business's envelope for a person. Answered `Accepted`.
    SubmitToMailbox {
        /// Chosen by the sender.
        id: SubmitId,
        /// Of the submission's frame body.
        digest: Digest,
        /// The mailbox.
        to: Address,
        /// The account the connection proved.
        account: AccountKey,
        /// The person's consent, checked but for the mailbox's own state.
        ticket: CheckedTicket,
        /// What the message is declared to be.
        category: Category,
        /// What it may cost.
        pricing: Pricing,
        /// The envelope.
        envelope: Envelope,
    },
    /// Everything up to here was handed to whoever proved the mailbox, and is not acknowledged.
    /// Answered `Opened`; nobody asks for the answer.
    Offer {
        /// The mailbox.
        address: Address,
        /// Cumulative.
        up_to: Sequence,
    },
    /// Everything up to here is with its recipient. Answered `Acknowledged`.
    Acknowledge {
        /// The mailbox or inbox.
        address: Address,
        /// Named in the answer, which goes out on the delivery stream; decides nothing.
        channel: Channel,
        /// Cumulative.
        up_to: Sequence,
        /// Those among them that did not open, rising.
        unreadable: Vec<Sequence>,
    },
    /// Replaces signed prekeys and adds one-time prekeys, all verified. Answered `Stock`.
    PublishPrekeys {
        /// Whose.
        account: AccountKey,
        /// The verified publication.
        publication: Box<Publication>,
    },
    /// Takes a bundle; its one-time prekey is handed to nobody else. Answered `Prekeys`.
    TakeBundle {
        /// Whose.
        account: AccountKey,
        /// Whether a one-time prekey is to be in it, if there are any.
        one_time: bool,
    },
    /// Replaces what a business says of itself. Answered `ProfilePublished`.
    PublishProfile {
        /// Whose.
        account: AccountKey,
        /// Signed by that account, and not in the future.
        profile: Box<VerifiedProfile>,
    },
    /// Counts a report. Answered `Reported`.
    Report {
        /// Of a message to a mailbox that the connection proved.
        report: ProvenReport,
    },
    /// Reads how an account stands (operator). Answered `Standing`.
    Standing {
        /// Whose.
        account: AccountKey,
    },
    /// Ends a suspension (operator). Answered `Standing`.
    Restore {
        /// Whose.
        account: AccountKey,
    },
    /// A business paid (operator). Answered `Entries` with the one that says so; with none where the
    /// reference is known.
    Pay {
        /// Which business.
        account: AccountKey,
        /// How much.
        amount: Amount,
        /// Of the transfer: under one reference an account's payment is entered once.
        reference: Option<String>,
        /// Whether it takes back what was entered as paid, no more than all of it.
        correction: bool,
    },
    /// How far a business may owe (operator). Answered `Entries`, of what is covered now.
    SetCredit {
        /// Which business.
        account: AccountKey,
        /// None for the relay's setting.
        credit: Option<Amount>,
    },
    /// Makes a certificate known (operator). Answered `Certified`.
    Certify {
        /// Signed by this relay's authority.
        certificate: Box<VerifiedCertificate>,
    },
    /// Revokes a certificate (operator). Answered `Certified` with the revoked one.
    RevokeCertificate {
        /// Its number.
        serial: Serial,
    },
}

/// What a message may cost.
#[derive(Clone, Debug)]
pub struct Pricing {
    /// The rate card that holds.
    pub card: Option<Arc<RateCard>>,
    /// Whether there is a certified key to sign a receipt with.
    pub certified: bool,
    /// The most that its sender pays.
    pub price_max: Millionths,
}

/// SHA-256 of a submission's whole frame body: tells a repetition from another submission under
/// the same id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hashes a submission's frame body, as received.
    pub fn of(frame_body: &[u8]) -> Self {
        Self(sha256(&[frame_body]))
    }

    /// Takes a hash as it was stored.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl core::fmt::Debug for Digest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Digest(…)")
    }
}

impl Request {
    /// About how many bytes its commit may write, for bounding a batch.
    pub fn cost_bytes(&self) -> usize {
        match self {
            Self::SubmitToInbox { envelope, .. } | Self::SubmitToMailbox { envelope, .. } => {
                envelope.bytes().len()
            }
            Self::Close { .. } | Self::Revoke { .. } => QUEUE_END_COST_BYTES,
            Self::Acknowledge { .. } => ACKNOWLEDGE_COST_BYTES,
            Self::PublishProfile { .. } => PROFILE_BYTES_MAX,
            _ => 0,
        }
    }
}

/// Ending a full queue removes some thousands of rows.
const QUEUE_END_COST_BYTES: usize = 128 * 1024;
/// An acknowledgement removes some hundreds of rows at most.
const ACKNOWLEDGE_COST_BYTES: usize = 32 * 1024;
