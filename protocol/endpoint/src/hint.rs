//! The routing hint: how a business with a million sessions finds the right one without trying
//! each, while the relay can link nothing by content.
//!
//! ```text
//! (enc, ctx) = HPKE base mode to the hint key, info = "plico/1 hint" || 0 || account key 32
//! box0 = ctx.Seal(aad = C2, u8 kind || SID 32, or zeros for a first message)
//! box1 = ctx.Seal(aad = C2, handshake)                  only in a first message; kind 2
//! ```
//!
//! C2 is the associated data, so a hint cannot be moved to another envelope. The hint is classical:
//! a recorded one opens to a quantum computer, and then shows which envelopes belong together.

use core::fmt;

use plico_protocol::envelope::Envelope;
use plico_protocol::id::{AccountKey, Commitment};
use plico_protocol::wire::{Reader, Wire};
use rand_core::CryptoRng;

use crate::handshake::{Handshake, RecipientKeys};
use crate::id::SessionId;
use crate::layout::{self, BOX0_BYTES, BOX1_BYTES};
use crate::message::SealError;
use crate::primitives::dh::HintSecret;
use crate::primitives::hpke::{ENC_BYTES, Receiver, Sender};

/// What an envelope in an inbox is for.
#[derive(Debug)]
pub enum Hint {
    /// A message of a session.
    Session(SessionId),
    /// A message that begins one.
    First(FirstMessage),
}

/// A first message whose hint was read; [`crate::session::BusinessSession::respond`] opens it.
pub struct FirstMessage {
    pub(crate) handshake: Handshake,
    pub(crate) envelope: Envelope,
}

/// The hint does not open under this key: another hint key may fit, or the envelope is garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the routing hint does not open")]
pub struct UnreadableHint;

impl Hint {
    /// Reads the hint of an envelope that came through the inbox. A business tries the hint key of
    /// each certificate it keeps.
    ///
    /// # Errors
    ///
    /// [`UnreadableHint`], whatever the reason.
    pub fn read(
        envelope: &Envelope,
        secret: &HintSecret,
        account: &AccountKey,
    ) -> Result<Self, UnreadableHint> {
        let mut reader = layout::after_commitment(envelope).map_err(|_| UnreadableHint)?;
        let mut open = Opener::new(&mut reader, secret, account, envelope.commitment())?;
        let box0: [u8; 33] =
            open.next::<BOX0_BYTES>(&mut reader)?.try_into().map_err(|_| UnreadableHint)?;
        let (kind, id) = box0.split_first().ok_or(UnreadableHint)?;
        match *kind {
            KIND_SESSION => {
                let id: [u8; 32] = id.try_into().map_err(|_| UnreadableHint)?;
                Ok(Self::Session(SessionId::new(id)))
            }
            KIND_FIRST if id.iter().all(|byte| *byte == 0) => {
                let box1 = open.next::<BOX1_BYTES>(&mut reader)?;
                let handshake = Handshake::decode(box1).map_err(|_| UnreadableHint)?;
                Ok(Self::First(FirstMessage { handshake, envelope: envelope.clone() }))
            }
            _ => Err(UnreadableHint),
        }
    }
}

impl FirstMessage {
    /// Which keys the message was made with, and who sent it.
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }
}

impl fmt::Debug for FirstMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { handshake, envelope } = self;
        write!(f, "FirstMessage({handshake:?}, {envelope:?})")
    }
}

/// The parts of an envelope a hint makes.
pub(crate) struct SealedHint(Vec<u8>);

impl SealedHint {
    /// `enc | box0` for a message of a session.
    pub(crate) fn session(
        id: &SessionId,
        recipient: &RecipientKeys,
        commitment: &Commitment,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, SealError> {
        let (hint, _) = Self::begin(KIND_SESSION, id.as_bytes(), recipient, commitment, rng)?;
        Ok(hint)
    }

    /// `enc | box0 | box1` for a message that begins one.
    pub(crate) fn first(
        handshake: &Handshake,
        recipient: &RecipientKeys,
        commitment: &Commitment,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, SealError> {
        let (mut hint, mut sender) = Self::begin(KIND_FIRST, &[0; 32], recipient, commitment, rng)?;
        let box1 = sender.seal(commitment.as_bytes(), &handshake.encode())?;
        hint.0.extend_from_slice(&box1);
        Ok(hint)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn begin(
        kind: u8,
        id: &[u8; 32],
        recipient: &RecipientKeys,
        commitment: &Commitment,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Sender), SealError> {
        let info = hpke_info(&recipient.account);
        let (enc, mut sender) = Sender::new(&recipient.hint, &info, rng)?;
        let box0 = sender.seal(commitment.as_bytes(), &[&[kind], id.as_slice()].concat())?;
        Ok((Self([enc.as_slice(), &box0].concat()), sender))
    }
}

/// Opens the boxes of one envelope in their order.
struct Opener {
    receiver: Receiver,
    commitment: Commitment,
}

impl Opener {
    fn new(
        reader: &mut Reader,
        secret: &HintSecret,
        account: &AccountKey,
        commitment: Commitment,
    ) -> Result<Self, UnreadableHint> {
        let enc: [u8; ENC_BYTES] = reader.array().map_err(|_| UnreadableHint)?;
        let receiver =
            Receiver::new(secret, &enc, &hpke_info(account)).map_err(|_| UnreadableHint)?;
        Ok(Self { receiver, commitment })
    }

    fn next<const N: usize>(&mut self, reader: &mut Reader) -> Result<Vec<u8>, UnreadableHint> {
        let sealed: [u8; N] = reader.array().map_err(|_| UnreadableHint)?;
        let opened = self.receiver.open(self.commitment.as_bytes(), &sealed);
        opened.map(|plaintext| plaintext.to_vec()).map_err(|_| UnreadableHint)
    }
}

fn hpke_info(account: &AccountKey) -> Vec<u8> {
    [b"plico/1 hint\0".as_slice(), account.as_bytes()].concat()
}

const KIND_SESSION: u8 = 1;
const KIND_FIRST: u8 = 2;
