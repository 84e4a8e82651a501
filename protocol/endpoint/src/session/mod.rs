//! Sessions: what an application holds for each conversation.
//!
//! A person's and a business's are different types, because a person initiates and writes to an
//! inbox, a business responds and writes to a mailbox; neither can do the other's part.
//!
//! Every operation computes on a copy. When one fails, the session is byte for byte what it was.
//! When one succeeds, the caller stores [`PersonSession::to_bytes`] (or the business's) in the same
//! transaction as its result: the sealed envelope before it leaves, the opened content before it is
//! acknowledged.
//!
//! # State
//!
//! `to_bytes` gives this layout, big-endian, and `from_bytes` refuses everything else. It holds
//! every secret of the session: it belongs in a store that is itself sealed.
//!
//! | field | bytes | |
//! |---|---|---|
//! | version | 1 | 1 |
//! | role | 1 | 1 person, 2 business |
//! | session id | 32 | SID |
//! | account | 32 | the business's account key |
//! | AD | 32 | |
//! | root key | 32 | RK |
//! | sending | 1 | 1 chain, 2 deferred |
//! | … chain | 136 | `DHs 32, HKs 32, NHKs 32, CKs 32, u32 Ns, u32 PN`; both at most 1,000 |
//! | … deferred | 68 | `DHr 32, HKs of the chain to come 32, u32 PN` |
//! | next header key | 32 | NHKr |
//! | has current | 1 | 0 or 1; 1 for a business and where sending is deferred |
//! | … CKr | 32 | then a stored chain: HKr, Nr, skipped keys |
//! | stored chains | 4 | count, at most 5, from the oldest; 0 without a current chain |
//! | … each | 40 + 36 k | `HK 32, u32 length, u32 k, k × (u32 n, mk 32)`, `n` rising, below length |
//!
//! At most 100 skipped keys in all.

mod business;
mod person;

use plico_protocol::envelope::Envelope;
use plico_protocol::id::AccountKey;
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::id::SessionId;
use crate::layout;
use crate::message::Binding;
pub use crate::message::{OpenError, Opened, SealError};
use crate::primitives::secret::secret_reader;
use crate::ratchet::header::EncryptedHeader;
use crate::ratchet::{Ratchet, STORED_HEADER_KEYS_MAX, STORED_MESSAGE_KEYS_MAX};

pub use business::BusinessSession;
pub use person::PersonSession;

/// The most bytes a session's state takes.
pub const SESSION_BYTES_MAX: usize =
    66 + 64 + 137 + 32 + 73 + 4 + 40 * STORED_HEADER_KEYS_MAX + 36 * STORED_MESSAGE_KEYS_MAX;

/// What both ends of a session share.
#[derive(Clone)]
struct Session {
    id: SessionId,
    account: AccountKey,
    ratchet: Ratchet,
}

/// A message sealed, but for what stands between its commitment and its header.
struct Sealed {
    commitment: plico_protocol::id::Commitment,
    header: EncryptedHeader,
    sealed: Vec<u8>,
    next: Ratchet,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Person = 1,
    Business = 2,
}

impl Session {
    /// Seals content for an envelope with `overhead` bytes beside it.
    fn seal(
        &self,
        content: &[u8],
        overhead: usize,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Sealed, SealError> {
        let (class, padded_bytes) = layout::fit(content, overhead)?;
        let (step, header) = self.ratchet.seal(rng)?;
        let binding = Binding { ad: self.ratchet.ad(), header: &header, class };
        let (commitment, sealed) = step.key.seal(&binding, content, padded_bytes)?;
        Ok(Sealed { commitment, header, sealed, next: step.next })
    }

    /// Opens an envelope whose header follows `hint_bytes` after the commitment.
    fn open(&mut self, envelope: &Envelope, hint_bytes: usize) -> Result<Opened, OpenError> {
        let body = layout::body(envelope, hint_bytes).map_err(|_| OpenError::Unreadable)?;
        let step = self.ratchet.open(&body.header)?;
        let class = envelope.class();
        let binding = Binding { ad: self.ratchet.ad(), header: &body.header, class };
        let opened = step.key.open(&binding, envelope.commitment(), &body.sealed)?;
        self.ratchet = step.next;
        Ok(opened)
    }

    fn to_bytes(&self, role: Role) -> Zeroizing<Vec<u8>> {
        let Self { id, account, ratchet } = self;
        // Grown, the buffer would leave copies of keys behind.
        let mut out = Writer::with_capacity(SESSION_BYTES_MAX);
        out.u8(STATE_VERSION);
        out.u8(role as u8);
        id.write(&mut out);
        account.write(&mut out);
        ratchet.write(&mut out);
        Zeroizing::new(out.into_vec())
    }

    fn from_bytes(bytes: &[u8], role: Role) -> Result<Self, DecodeError> {
        if SESSION_BYTES_MAX < bytes.len() {
            let (length, max) = (bytes.len(), SESSION_BYTES_MAX);
            return Err(DecodeError::TooLong { field: "session", length, max });
        }
        let mut reader = secret_reader(bytes);
        let session = Self::read(&mut reader, role)?;
        reader.finish()?;
        Ok(session)
    }

    fn read(reader: &mut Reader, role: Role) -> Result<Self, DecodeError> {
        if reader.u8()? != STATE_VERSION {
            return Err(DecodeError::BadValue { field: "session_version" });
        }
        if reader.u8()? != role as u8 {
            return Err(DecodeError::BadValue { field: "role" });
        }
        let session = Self {
            id: Wire::read(reader)?,
            account: Wire::read(reader)?,
            ratchet: Wire::read(reader)?,
        };
        // A business's session begins with a message received.
        if role == Role::Business && !session.ratchet.has_received() {
            return Err(DecodeError::BadValue { field: "has_current" });
        }
        Ok(session)
    }
}

const STATE_VERSION: u8 = 1;

#[cfg(test)]
mod tests;
