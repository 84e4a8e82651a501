//! The Double Ratchet with header encryption (Signal, The Double Ratchet Algorithm, revision 3,
//! 2025-09-26, §4), over the bounds below.
//!
//! Opening computes on a copy: it gives a message key and the ratchet as it will be, and only the
//! caller who authenticated the message puts that ratchet in place. Generation of a new ratchet key
//! is deferred until something is sent (§8.5), so opening needs no randomness, and the private half
//! of the old one goes as soon as the peer answered it.
//!
//! Reading order: `keys` (the three key derivations), `header`, `sending`, `receiving`.
//! This module knows no commitment, no envelope and no clock.

pub(crate) mod header;
pub(crate) mod keys;
pub(crate) mod receiving;
pub(crate) mod sending;
mod wire;

use rand_core::CryptoRng;

use crate::message::{OpenError, SealError};
use crate::primitives::dh::{DhPublic, PrekeySecret, RatchetSecret, ZeroSharedSecret};
use header::{AssociatedData, EncryptedHeader, Header};
use keys::{HeaderKey, MessageKey, RootKey};
use receiving::{Receiving, ReceivingChain};
use sending::{Deferred, Sending, SendingChain};

/// Message keys one received message may skip, for `n` and for `pn` alike (§8.4 asks for a bound).
/// Equal to [`SENDING_CHAIN_MESSAGES_MAX`], so that honest parties never meet it.
pub const SKIP_MAX: u32 = 1_000;
/// Messages of one sending chain; then the sender waits until the peer ratchets.
pub const SENDING_CHAIN_MESSAGES_MAX: u32 = 1_000;
/// Skipped message keys one session stores, evicting the oldest: 36 bytes each.
pub const STORED_MESSAGE_KEYS_MAX: usize = 100;
/// Header keys of earlier receiving chains one session stores, evicting the oldest. Each costs one
/// trial decryption of 56 bytes per message; with the current and the next one, seven at most.
pub const STORED_HEADER_KEYS_MAX: usize = 5;

const _: () = {
    // A chain is refused only where its sender broke the rule for senders.
    assert!(SENDING_CHAIN_MESSAGES_MAX <= SKIP_MAX);
    assert!(STORED_MESSAGE_KEYS_MAX <= SKIP_MAX as usize);
};

/// What the handshake hands to a ratchet: SK, HKA, NHKB and AD.
pub(crate) struct Start {
    pub(crate) root: RootKey,
    pub(crate) header_key: HeaderKey,
    pub(crate) next_header_key: HeaderKey,
    pub(crate) ad: AssociatedData,
}

/// One party's state.
#[derive(Clone)]
pub(crate) struct Ratchet {
    ad: AssociatedData,
    root: RootKey,
    sending: Sending,
    receiving: Receiving,
}

/// A message key, and the ratchet to keep if the message authenticates under it.
pub(crate) struct Step {
    pub(crate) key: MessageKey,
    pub(crate) next: Ratchet,
}

impl Ratchet {
    /// RatchetInitAliceHE (§4): the initiator, who knows the responder's signed prekey.
    pub(crate) fn initiate(
        start: Start,
        prekey: &DhPublic,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, ZeroSharedSecret> {
        let secret = RatchetSecret::generate(rng);
        let (root, chain, next_header_key) = start.root.step(&secret.agree(prekey)?);
        let sending = SendingChain::new(secret, start.header_key, next_header_key, chain, 0);
        Ok(Self {
            ad: start.ad,
            root,
            sending: Sending::Chain(sending),
            receiving: Receiving::new(start.next_header_key),
        })
    }

    /// RatchetInitBobHE and the first RatchetDecryptHE (§4) in one: a responder has no state
    /// before the first message. That message is number 0 of the initiator's first chain.
    pub(crate) fn respond(
        start: &Start,
        prekey: &PrekeySecret,
        header: &EncryptedHeader,
    ) -> Result<Step, OpenError> {
        let header = start.header_key.open(&start.ad, header).ok_or(OpenError::Unreadable)?;
        if header.n != 0 || header.previous != 0 {
            return Err(OpenError::Unreadable);
        }
        let shared = prekey.agree(&header.dh).map_err(|_| OpenError::Unreadable)?;
        let (root, chain, next_header_key) = start.root.step(&shared);
        let (chain, key) = ReceivingChain::new(start.header_key.clone(), chain).step()?;
        let mut receiving = Receiving::new(next_header_key);
        receiving.current = Some(chain);
        let deferred =
            Deferred { their: header.dh, header_key: start.next_header_key.clone(), previous: 0 };
        let next =
            Self { ad: start.ad.clone(), root, sending: Sending::Deferred(deferred), receiving };
        Ok(Step { key, next })
    }

    /// RatchetEncryptHE (§4) up to the message key; begins a new chain if one was deferred.
    pub(crate) fn seal(
        &self,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Step, EncryptedHeader), SealError> {
        let (root, mut chain) = self.sending_chain(rng)?;
        let (header, key) = chain.step()?;
        let header = chain.header_key.seal(&self.ad, &header, rng)?;
        let next = Self {
            ad: self.ad.clone(),
            root,
            sending: Sending::Chain(chain),
            receiving: self.receiving.clone(),
        };
        Ok((Step { key, next }, header))
    }

    /// RatchetDecryptHE (§4) up to the message key. Trial order: stored header keys from the
    /// oldest, HKr, NHKr.
    pub(crate) fn open(&self, header: &EncryptedHeader) -> Result<Step, OpenError> {
        if let Some((at, header)) = self.receiving.open_stored(&self.ad, header) {
            let mut next = self.clone();
            let key = next.receiving.take_stored(at, header.n)?;
            return Ok(Step { key, next });
        }
        if let Some(header) = self.receiving.open_current(&self.ad, header) {
            let mut next = self.clone();
            let key = next.receiving.advance(header.n)?;
            return Ok(Step { key, next });
        }
        match self.receiving.next_header_key.open(&self.ad, header) {
            Some(header) => self.turn(&header),
            None => Err(OpenError::Unreadable),
        }
    }

    /// DHRatchetHE (§4), its second half deferred.
    fn turn(&self, header: &Header) -> Result<Step, OpenError> {
        // Only an answer to our current ratchet key can open under NHKr; with our next one
        // deferred there is nothing the peer could have answered.
        let Sending::Chain(ours) = &self.sending else { return Err(OpenError::Unreadable) };
        self.receiving.check_skips(header)?;
        let shared = ours.secret.agree(&header.dh).map_err(|_| OpenError::Unreadable)?;
        let (root, chain, next_header_key) = self.root.step(&shared);
        let mut receiving = self.receiving.clone();
        receiving.turn(header.previous, chain, next_header_key)?;
        let key = receiving.advance(header.n)?;
        let sending = Sending::Deferred(ours.defer(header.dh));
        Ok(Step { key, next: Self { ad: self.ad.clone(), root, sending, receiving } })
    }

    /// Passes over up to `numbers` message numbers of the sending chain, which is begun if it was
    /// not; gives how many. A state restored from a backup may have used them already: those of a
    /// present chain under the same keys, those of a chain to come under another ratchet key but
    /// the same header key, so that the peer would take them for repeats.
    pub(crate) fn skip_sending(
        &mut self,
        numbers: u32,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<u32, SealError> {
        let (root, mut chain) = self.sending_chain(rng)?;
        let skipped = chain.skip(numbers);
        (self.root, self.sending) = (root, Sending::Chain(chain));
        Ok(skipped)
    }

    pub(crate) fn ad(&self) -> &AssociatedData {
        &self.ad
    }

    /// Whether the peer was heard: a responder's ratchet always heard its initiator.
    pub(crate) fn has_received(&self) -> bool {
        self.receiving.current.is_some()
    }

    /// The chain to send on, and the root key it leaves.
    fn sending_chain(
        &self,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(RootKey, SendingChain), SealError> {
        let Deferred { their, header_key, previous } = match &self.sending {
            Sending::Chain(chain) => return Ok((self.root.clone(), chain.clone())),
            Sending::Deferred(deferred) => deferred,
        };
        let secret = RatchetSecret::generate(rng);
        let (root, chain, next_header_key) = self.root.step(&secret.agree(their)?);
        let header_key = header_key.clone();
        Ok((root, SendingChain::new(secret, header_key, next_header_key, chain, *previous)))
    }
}

#[cfg(test)]
mod tests;
