//! Names of things, each its own type: an address cannot be passed where an account is meant.
//!
//! `Debug` shows only the type: the relay may not write an address, an account or a ticket to its
//! logs, and what cannot be printed cannot leak by accident.

use crate::time::Hour;

/// Declares a newtype over `N` bytes whose `Debug` prints no bytes.
#[macro_export]
macro_rules! opaque_bytes {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const BYTES: usize = $len;

            /// Takes the bytes as they are; nothing is checked.
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }

        impl $crate::wire::Wire for $name {
            fn write(&self, out: &mut $crate::wire::Writer) {
                out.bytes(&self.0);
            }

            fn read(reader: &mut $crate::wire::Reader) -> Result<Self, $crate::wire::DecodeError> {
                reader.array().map(Self)
            }
        }
    };
}

opaque_bytes!(
    /// A person's mailbox, or a business's inbox, named by its Ed25519 public key.
    Address,
    32
);
opaque_bytes!(
    /// A business, named by its Ed25519 account key.
    AccountKey,
    32
);
opaque_bytes!(
    /// The operator's Ed25519 key that signs certificates.
    AuthorityKey,
    32
);
opaque_bytes!(
    /// The relay's Ed25519 key that signs ledger heads, certified by the authority.
    LedgerKey,
    32
);
opaque_bytes!(
    /// An X25519 public key as it travels: 32 bytes, not yet checked for canonical form.
    DhKey,
    32
);
opaque_bytes!(
    /// An Ed25519 signature (RFC 8032).
    SignatureBytes,
    64
);
opaque_bytes!(
    /// Names one submission: `u32 hour | 12 random bytes`.
    SubmitId,
    16
);
opaque_bytes!(
    /// Names one ticket; random.
    TicketId,
    16
);
opaque_bytes!(
    /// What of an address a ticket carries: `HMAC(k_tag, "plico/1 address" || 0 || address)[..16]`.
    AddressTag,
    16
);
opaque_bytes!(
    /// `SHA-256("plico/1 commitment" || 0 || account key || r32)`: who may use a ticket, hidden.
    TicketCommitment,
    32
);
opaque_bytes!(
    /// The random `r32` that opens a [`TicketCommitment`].
    TicketOpening,
    32
);
opaque_bytes!(
    /// C2: the sender's franking commitment, first in every envelope (SPEC.md §8).
    Commitment,
    32
);
opaque_bytes!(
    /// The relay's MAC over a commitment and what it saw of the submission (SPEC.md §11).
    Stamp,
    32
);

impl SubmitId {
    /// Joins the hour of composition and 12 random bytes.
    pub fn compose(hour: Hour, random: [u8; 12]) -> Self {
        let [a, b, c, d] = hour.0.to_be_bytes();
        let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11] = random;
        Self([a, b, c, d, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11])
    }

    /// The hour this id names.
    pub fn hour(&self) -> Hour {
        let [a, b, c, d, ..] = self.0;
        Hour(u32::from_be_bytes([a, b, c, d]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submit_id_gives_its_hour_back() {
        assert_eq!(SubmitId::compose(Hour(0x0102_0304), [9; 12]).hour(), Hour(0x0102_0304));
    }

    #[test]
    fn an_address_does_not_print_its_bytes() {
        assert_eq!(format!("{:?}", Address::new([0x41; 32])), "Address(…)");
    }
}
