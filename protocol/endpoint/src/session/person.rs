//! The person's end: initiates, writes to the inbox, reads from the mailbox.

use core::fmt;

use plico_protocol::envelope::Envelope;
use plico_protocol::id::AccountKey;
use plico_protocol::prekey::VerifiedBundle;
use plico_protocol::wire::DecodeError;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{OpenError, Opened, Role, SealError, Session};
use crate::handshake::{Handshake, InitiateError, RecipientKeys};
use crate::hint::SealedHint;
use crate::id::SessionId;
use crate::layout::{self, FIRST_OVERHEAD_BYTES, INBOX_OVERHEAD_BYTES};
use crate::primitives::dh::IdentitySecret;
use crate::ratchet::Ratchet;

/// A person's session with one business.
#[derive(Clone)]
pub struct PersonSession(Session);

impl PersonSession {
    /// Begins a session and seals its first message, as one operation: the handshake travels with
    /// the message and with nothing else. Later messages wait until the relay accepted this one.
    ///
    /// # Errors
    ///
    /// [`InitiateError`].
    pub fn initiate(
        identity: &IdentitySecret,
        recipient: &RecipientKeys,
        bundle: &VerifiedBundle,
        content: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Envelope), InitiateError> {
        let (handshake, agreed, signed) = Handshake::initiate(identity, recipient, bundle, rng)?;
        let ratchet = Ratchet::initiate(agreed.start, &signed, rng)?;
        let mut session = Session { id: agreed.id, account: recipient.account, ratchet };
        let message = session.seal(content, FIRST_OVERHEAD_BYTES, rng)?;
        let hint = SealedHint::first(&handshake, recipient, &message.commitment, rng)?;
        let parts =
            [message.commitment.as_bytes(), hint.bytes(), &message.header.0, &message.sealed];
        let envelope = layout::join(&parts)?;
        session.ratchet = message.next;
        Ok((Self(session), envelope))
    }

    /// Seals a message to the business's inbox. `recipient` is of the certificate held now: hint
    /// keys change with certificates.
    ///
    /// # Errors
    ///
    /// [`SealError`], and then the session is as it was.
    pub fn seal_to_inbox(
        &mut self,
        recipient: &RecipientKeys,
        content: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Envelope, SealError> {
        if recipient.account != self.0.account {
            return Err(SealError::OtherAccount);
        }
        let message = self.0.seal(content, INBOX_OVERHEAD_BYTES, rng)?;
        let hint = SealedHint::session(&self.0.id, recipient, &message.commitment, rng)?;
        let parts =
            [message.commitment.as_bytes(), hint.bytes(), &message.header.0, &message.sealed];
        let envelope = layout::join(&parts)?;
        self.0.ratchet = message.next;
        Ok(envelope)
    }

    /// Opens an envelope from the mailbox.
    ///
    /// # Errors
    ///
    /// [`OpenError`], and then the session is as it was.
    pub fn open(&mut self, envelope: &Envelope) -> Result<Opened, OpenError> {
        self.0.open(envelope, 0)
    }

    /// SID.
    pub fn id(&self) -> SessionId {
        self.0.id
    }

    /// The business.
    pub fn account(&self) -> AccountKey {
        self.0.account
    }

    /// Whether the business answered on this session.
    pub fn has_received(&self) -> bool {
        self.0.ratchet.has_received()
    }

    /// The state, for a sealed store. The layout is that of [`crate::session`].
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.0.to_bytes(Role::Person)
    }

    /// Takes what [`Self::to_bytes`] gave.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Session::from_bytes(bytes, Role::Person).map(Self)
    }
}

impl fmt::Debug for PersonSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Session { id: _, account: _, ratchet: _ }) = self;
        f.write_str("PersonSession(…)")
    }
}
