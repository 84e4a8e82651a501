//! The header of a message and its encryption (§4: HENCRYPT and HDECRYPT).
//!
//! ```text
//! header     dh 32 | pn u32 | n u32                                  40 bytes
//! encrypted  nonce 24 | XChaCha20-Poly1305(hk, nonce, AD, header)    80 bytes
//! ```
//!
//! One header key serves a whole chain, so its nonces are random and 24 bytes long.

use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::keys::HeaderKey;
use crate::primitives::aead::{TAG_BYTES, TooLong, XNONCE_BYTES};
use crate::primitives::dh::DhPublic;
use crate::primitives::part;
use crate::primitives::secret::secret_reader;

/// Bytes of an encrypted header.
pub(crate) const ENCRYPTED_HEADER_BYTES: usize = XNONCE_BYTES + 40 + TAG_BYTES;
const _: () = assert!(ENCRYPTED_HEADER_BYTES == 80);

secret32!(
    /// AD of the handshake: a hash over its transcript, bound to every header and message.
    pub(crate) AssociatedData
);

/// Where a message stands in its sender's ratchet.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    /// The sender's ratchet key.
    pub(crate) dh: DhPublic,
    /// PN: how many messages the sender's previous chain had.
    pub(crate) previous: u32,
    /// N: the number of this message in its chain, from 0.
    pub(crate) n: u32,
}

/// A header as it travels.
#[derive(Clone, Debug)]
pub(crate) struct EncryptedHeader(pub(crate) [u8; ENCRYPTED_HEADER_BYTES]);

impl EncryptedHeader {
    /// The random nonce in front.
    pub(crate) fn nonce(&self) -> [u8; XNONCE_BYTES] {
        part::<0, XNONCE_BYTES, ENCRYPTED_HEADER_BYTES>(&self.0)
    }
}

impl HeaderKey {
    /// HENCRYPT.
    pub(crate) fn seal(
        &self,
        ad: &AssociatedData,
        header: &Header,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<EncryptedHeader, TooLong> {
        let plaintext = Zeroizing::new(header.encode());
        let sealed = self.0.seal(ad.expose_secret(), &plaintext, rng)?;
        let bytes = sealed.try_into().map_err(|_| TooLong)?;
        Ok(EncryptedHeader(bytes))
    }

    /// HDECRYPT; `None` also where the ratchet key inside is none an honest party would send.
    pub(crate) fn open(&self, ad: &AssociatedData, header: &EncryptedHeader) -> Option<Header> {
        let plaintext = self.0.open(ad.expose_secret(), &header.0).ok()?;
        Header::read(&mut secret_reader(&plaintext)).ok()
    }
}

impl Wire for Header {
    fn write(&self, out: &mut Writer) {
        self.dh.write(out);
        out.u32(self.previous);
        out.u32(self.n);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { dh: Wire::read(reader)?, previous: reader.u32()?, n: reader.u32()? })
    }
}
