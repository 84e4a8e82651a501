//! Newtypes over 32 secret bytes: wiped on drop, never printed, one door to the bytes.

use bytes::Bytes;
use plico_protocol::wire::Reader;
use zeroize::Zeroizing;

/// Declares a secret of 32 bytes. It is `Clone`, because a ratchet computes on a copy of itself;
/// what may be used only once is wrapped in a type that is not.
macro_rules! secret32 {
    ($(#[$doc:meta])* $vis:vis $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
        $vis struct $name([u8; 32]);

        impl $name {
            /// Takes 32 secret bytes.
            $vis const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The one door to the bytes.
            $vis const fn expose_secret(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                let Self(_) = self;
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

/// A reader over a copy of secret bytes that is wiped when the last slice of it goes.
pub(crate) fn secret_reader(bytes: &[u8]) -> Reader {
    Reader::new(Bytes::from_owner(Zeroizing::new(bytes.to_vec())))
}
