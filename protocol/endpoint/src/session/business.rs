//! The business's end: responds, writes to mailboxes, reads from its inbox.

use core::fmt;

use plico_protocol::envelope::Envelope;
use plico_protocol::id::AccountKey;
use plico_protocol::wire::DecodeError;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{OpenError, Opened, Role, SealError, Session};
use crate::handshake::{RespondError, ResponderKeys};
use crate::hint::FirstMessage;
use crate::id::SessionId;
use crate::layout::{self, BOX0_BYTES, BOX1_BYTES, MAILBOX_OVERHEAD_BYTES};
use crate::message::Binding;
use crate::primitives::hpke::ENC_BYTES;
use crate::ratchet::Ratchet;

/// A business's session with one person.
#[derive(Clone)]
pub struct BusinessSession(Session);

impl BusinessSession {
    /// Computes the handshake and opens the first message, as one operation: there is no session
    /// until the message authenticates. The caller then stores session and content, remembers
    /// [`crate::handshake::Handshake::replay_id`] and deletes the one-time key, all in one
    /// transaction; a replay id it knows it does not bring here.
    ///
    /// # Errors
    ///
    /// [`RespondError`]; then nothing was spent, and the one-time key stays.
    pub fn respond(
        keys: &ResponderKeys<'_>,
        first: &FirstMessage,
    ) -> Result<(Self, Opened), RespondError> {
        let agreed = first.handshake.respond(keys)?;
        let envelope = &first.envelope;
        let body = layout::body(envelope, ENC_BYTES + BOX0_BYTES + BOX1_BYTES)
            .map_err(|_| RespondError::Unreadable)?;
        let step = Ratchet::respond(&agreed.start, keys.signed.secret(), &body.header)?;
        let class = envelope.class();
        let binding = Binding { ad: &agreed.start.ad, header: &body.header, class };
        let opened = step.key.open(&binding, envelope.commitment(), &body.sealed)?;
        let session = Session { id: agreed.id, account: *keys.account, ratchet: step.next };
        Ok((Self(session), opened))
    }

    /// Seals a message to the person's mailbox.
    ///
    /// # Errors
    ///
    /// [`SealError`], and then the session is as it was.
    pub fn seal_to_mailbox(
        &mut self,
        content: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Envelope, SealError> {
        let message = self.0.seal(content, MAILBOX_OVERHEAD_BYTES, rng)?;
        let parts = [message.commitment.as_bytes().as_slice(), &message.header.0, &message.sealed];
        let envelope = layout::join(&parts)?;
        self.0.ratchet = message.next;
        Ok(envelope)
    }

    /// Opens an envelope from the inbox whose hint named this session.
    ///
    /// # Errors
    ///
    /// [`OpenError`], and then the session is as it was.
    pub fn open(&mut self, envelope: &Envelope) -> Result<Opened, OpenError> {
        self.0.open(envelope, ENC_BYTES + BOX0_BYTES)
    }

    /// Passes over up to `numbers` numbers of the sending chain, and gives how many. For a state
    /// restored from a backup, which may have sent under them since. A state restored twice from
    /// one backup passes over the same numbers; keys differ all the same, because the header's
    /// random nonce enters each message's keys.
    ///
    /// # Errors
    ///
    /// [`SealError`], if a chain has to begin and the person's ratchet key allows none; then the
    /// session is as it was.
    pub fn skip_sending(
        &mut self,
        numbers: u32,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<u32, SealError> {
        self.0.ratchet.skip_sending(numbers, rng)
    }

    /// SID, as a hint names it.
    pub fn id(&self) -> SessionId {
        self.0.id
    }

    /// The account the session is of.
    pub fn account(&self) -> AccountKey {
        self.0.account
    }

    /// The state, for a sealed store. The layout is that of [`crate::session`].
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.0.to_bytes(Role::Business)
    }

    /// Takes what [`Self::to_bytes`] gave.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Session::from_bytes(bytes, Role::Business).map(Self)
    }
}

impl fmt::Debug for BusinessSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Session { id: _, account: _, ratchet: _ }) = self;
        f.write_str("BusinessSession(…)")
    }
}
