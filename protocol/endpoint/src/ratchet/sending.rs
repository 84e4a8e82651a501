//! Our half of the ratchet: the chain we send on, or the promise of one.

use super::SENDING_CHAIN_MESSAGES_MAX;
use super::header::Header;
use super::keys::{ChainKey, HeaderKey, MessageKey};
use crate::message::SealError;
use crate::primitives::dh::{DhPublic, RatchetSecret};

/// Our half.
#[derive(Clone)]
pub(crate) enum Sending {
    /// A chain under our current ratchet key.
    Chain(SendingChain),
    /// The peer ratcheted; our new key is made when there is something to send (§8.5).
    Deferred(Deferred),
}

/// DHs, HKs, NHKs, CKs, Ns and PN.
#[derive(Clone)]
pub(crate) struct SendingChain {
    pub(crate) secret: RatchetSecret,
    pub(crate) header_key: HeaderKey,
    pub(crate) next_header_key: HeaderKey,
    pub(crate) key: ChainKey,
    pub(crate) n: u32,
    pub(crate) previous: u32,
}

/// What a new chain begins from: DHr, the header key it will have, and PN.
#[derive(Clone)]
pub(crate) struct Deferred {
    pub(crate) their: DhPublic,
    pub(crate) header_key: HeaderKey,
    pub(crate) previous: u32,
}

impl SendingChain {
    pub(crate) fn new(
        secret: RatchetSecret,
        header_key: HeaderKey,
        next_header_key: HeaderKey,
        key: ChainKey,
        previous: u32,
    ) -> Self {
        Self { secret, header_key, next_header_key, key, n: 0, previous }
    }

    /// The header and key of the next message.
    pub(crate) fn step(&mut self) -> Result<(Header, MessageKey), SealError> {
        if SENDING_CHAIN_MESSAGES_MAX <= self.n {
            return Err(SealError::ChainFull);
        }
        let header = Header { dh: self.secret.public(), previous: self.previous, n: self.n };
        let (next, key) = self.key.step();
        self.key = next;
        self.n += 1;
        Ok((header, MessageKey::new(key)))
    }

    /// Passes over `numbers`, as far as the chain goes; gives how many.
    pub(crate) fn skip(&mut self, numbers: u32) -> u32 {
        let skipped = numbers.min(SENDING_CHAIN_MESSAGES_MAX.saturating_sub(self.n));
        for _ in 0..skipped {
            (self.key, _) = self.key.step();
        }
        self.n += skipped;
        skipped
    }

    /// What remains of this chain once the peer answered its ratchet key with `their`.
    pub(crate) fn defer(&self, their: DhPublic) -> Deferred {
        Deferred { their, header_key: self.next_header_key.clone(), previous: self.n }
    }
}
