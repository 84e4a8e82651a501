//! Root, chain, header and message keys, and the derivations between them (§7 recommends the
//! functions).
//!
//! ```text
//! KDF_RK_HE(rk, dh) = HKDF-SHA-256(salt = rk, ikm = dh, info = "plico/1 root" || 0, 96)
//!                   = rk' || ck || nhk
//! KDF_CK(ck):  mk = HMAC-SHA-256(ck, 0x01),  ck' = HMAC-SHA-256(ck, 0x02)
//! ```

use core::fmt;

use plico_protocol::mac::MacKey;

use crate::primitives::aead::XCipherKey;
use crate::primitives::dh::SharedSecret;
use crate::primitives::{hkdf, part};

secret32!(
    /// RK.
    pub(crate) RootKey
);
secret32!(
    /// CKs or CKr.
    pub(crate) ChainKey
);
secret32!(
    /// A message key that waits for its message.
    pub(crate) StoredKey
);

/// HKs, HKr, NHKs or NHKr.
#[derive(Clone, Debug)]
pub(crate) struct HeaderKey(pub(super) XCipherKey);

/// The key of one message. Not `Clone`, and spent by sealing or opening.
pub(crate) struct MessageKey(StoredKey);

impl RootKey {
    /// KDF_RK_HE: the next root key, a chain key and the next header key.
    pub(crate) fn step(&self, dh: &SharedSecret) -> (Self, ChainKey, HeaderKey) {
        let prk = hkdf::extract(self.expose_secret(), &[dh.expose_secret()]);
        let okm = hkdf::expand::<96>(&prk, &[b"plico/1 root\0"]);
        (
            Self::new(part::<0, 32, 96>(&okm)),
            ChainKey::new(part::<32, 32, 96>(&okm)),
            HeaderKey::new(part::<64, 32, 96>(&okm)),
        )
    }
}

impl HeaderKey {
    pub(crate) const fn new(bytes: [u8; 32]) -> Self {
        Self(XCipherKey::new(bytes))
    }

    pub(crate) const fn expose_secret(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }
}

impl ChainKey {
    /// KDF_CK: the next chain key and a message key.
    pub(crate) fn step(&self) -> (Self, StoredKey) {
        let key = MacKey::new(*self.expose_secret());
        (Self::new(key.mac(&[&[0x02]])), StoredKey::new(key.mac(&[&[0x01]])))
    }
}

impl MessageKey {
    pub(crate) fn new(key: StoredKey) -> Self {
        Self(key)
    }

    /// The key as the pseudorandom key of the message's derivation.
    pub(crate) fn into_prk(self) -> MacKey {
        MacKey::new(*self.0.expose_secret())
    }
}

impl fmt::Debug for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("MessageKey(…)")
    }
}
