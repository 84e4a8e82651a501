//! The peer's half of the ratchet: the chain we receive on, the keys of messages still awaited, and
//! the header keys of earlier chains.
//!
//! Header keys of earlier chains are kept even when no message of theirs is awaited, because
//! delivery is at least once: a repeated envelope of an earlier chain must be recognised as a
//! duplicate, not taken for one that does not open (which costs a new handshake).

use std::collections::VecDeque;

use super::header::{AssociatedData, EncryptedHeader, Header};
use super::keys::{ChainKey, HeaderKey, MessageKey, StoredKey};
use super::{SKIP_MAX, STORED_HEADER_KEYS_MAX, STORED_MESSAGE_KEYS_MAX};
use crate::message::OpenError;

/// NHKr, the current chain if the peer was heard, and earlier chains from the oldest.
#[derive(Clone)]
pub(crate) struct Receiving {
    pub(crate) next_header_key: HeaderKey,
    pub(crate) current: Option<ReceivingChain>,
    pub(crate) stored: VecDeque<StoredChain>,
}

/// HKr, CKr, Nr, and MKSKIPPED of this chain.
#[derive(Clone)]
pub(crate) struct ReceivingChain {
    pub(crate) key: ChainKey,
    pub(crate) seen: StoredChain,
}

/// A chain's header key, the number of its messages that were opened or skipped, and the keys of
/// the skipped ones by rising number.
#[derive(Clone)]
pub(crate) struct StoredChain {
    pub(crate) header_key: HeaderKey,
    pub(crate) length: u32,
    pub(crate) skipped: VecDeque<(u32, StoredKey)>,
}

impl Receiving {
    pub(crate) fn new(next_header_key: HeaderKey) -> Self {
        Self { next_header_key, current: None, stored: VecDeque::new() }
    }

    /// Tries the stored header keys; gives the place of the one that opened.
    pub(crate) fn open_stored(
        &self,
        ad: &AssociatedData,
        header: &EncryptedHeader,
    ) -> Option<(usize, Header)> {
        let mut chains = self.stored.iter().enumerate();
        chains.find_map(|(at, chain)| Some((at, chain.header_key.open(ad, header)?)))
    }

    /// Tries HKr.
    pub(crate) fn open_current(
        &self,
        ad: &AssociatedData,
        header: &EncryptedHeader,
    ) -> Option<Header> {
        self.current.as_ref()?.seen.header_key.open(ad, header)
    }

    /// Takes the stored key of message `n` of an earlier chain.
    pub(crate) fn take_stored(&mut self, at: usize, n: u32) -> Result<MessageKey, OpenError> {
        self.stored.get_mut(at).ok_or(OpenError::Unreadable)?.take(n)
    }

    /// The key of message `n` of the current chain, skipping the messages before it.
    pub(crate) fn advance(&mut self, n: u32) -> Result<MessageKey, OpenError> {
        let chain = self.current.as_mut().ok_or(OpenError::Unreadable)?;
        if n < chain.seen.length {
            return chain.seen.take(n);
        }
        check_skip(chain.seen.length, n)?;
        chain.skip_to(n);
        let (next, key) = chain.clone().step()?;
        *chain = next;
        self.evict();
        Ok(key)
    }

    /// Refuses a header that skips too much, before anything is derived: a forger who holds a
    /// header key must not buy work.
    pub(crate) fn check_skips(&self, header: &Header) -> Result<(), OpenError> {
        let length = self.current.as_ref().map_or(0, |chain| chain.seen.length);
        check_skip(length, header.previous)?;
        check_skip(0, header.n)
    }

    /// Ends the current chain after `previous` messages and begins the next one.
    pub(crate) fn turn(
        &mut self,
        previous: u32,
        key: ChainKey,
        next_header_key: HeaderKey,
    ) -> Result<(), OpenError> {
        let header_key = core::mem::replace(&mut self.next_header_key, next_header_key);
        let next = ReceivingChain::new(header_key, key);
        if let Some(mut ended) = self.current.replace(next) {
            check_skip(ended.seen.length, previous)?;
            ended.skip_to(previous);
            self.stored.push_back(ended.seen);
        }
        self.evict();
        Ok(())
    }

    pub(crate) fn stored_message_keys(&self) -> usize {
        let current = self.current.as_ref().map_or(0, |chain| chain.seen.skipped.len());
        self.stored.iter().map(|chain| chain.skipped.len()).sum::<usize>() + current
    }

    /// Forgets the oldest header keys and then the oldest message keys until the bounds hold.
    fn evict(&mut self) {
        while STORED_HEADER_KEYS_MAX < self.stored.len() {
            self.stored.pop_front();
        }
        let mut surplus = self.stored_message_keys().saturating_sub(STORED_MESSAGE_KEYS_MAX);
        let current = self.current.as_mut().map(|chain| &mut chain.seen);
        for chain in self.stored.iter_mut().chain(current) {
            let evicted = surplus.min(chain.skipped.len());
            chain.skipped.drain(..evicted);
            surplus -= evicted;
        }
    }
}

impl ReceivingChain {
    pub(crate) fn new(header_key: HeaderKey, key: ChainKey) -> Self {
        Self { key, seen: StoredChain { header_key, length: 0, skipped: VecDeque::new() } }
    }

    /// The chain after its next message, and that message's key.
    pub(crate) fn step(mut self) -> Result<(Self, MessageKey), OpenError> {
        self.seen.length = self.seen.length.checked_add(1).ok_or(OpenError::Unreadable)?;
        let (next, key) = self.key.step();
        self.key = next;
        Ok((self, MessageKey::new(key)))
    }

    /// Stores the keys of the messages before `n`; of more than fit, the last.
    fn skip_to(&mut self, n: u32) {
        while self.seen.length < n {
            let (next, key) = self.key.step();
            self.key = next;
            if self.seen.skipped.len() == STORED_MESSAGE_KEYS_MAX {
                self.seen.skipped.pop_front();
            }
            self.seen.skipped.push_back((self.seen.length, key));
            self.seen.length += 1;
        }
    }
}

impl StoredChain {
    /// Takes the key of a skipped message. One that was counted and has no key was opened before.
    fn take(&mut self, n: u32) -> Result<MessageKey, OpenError> {
        if self.length <= n {
            return Err(OpenError::Unreadable);
        }
        let at = self.skipped.binary_search_by_key(&n, |(number, _)| *number);
        let found = at.ok().and_then(|at| self.skipped.remove(at));
        found.map(|(_, key)| MessageKey::new(key)).ok_or(OpenError::Duplicate)
    }
}

fn check_skip(length: u32, until: u32) -> Result<(), OpenError> {
    if SKIP_MAX < until.saturating_sub(length) {
        return Err(OpenError::Unreadable);
    }
    Ok(())
}
