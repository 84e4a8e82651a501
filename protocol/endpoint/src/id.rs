//! Names that only endpoints know. `Debug` shows the type alone.

use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

macro_rules! opaque_bytes {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const BYTES: usize = $len;

            /// Takes the bytes as they are.
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }

        impl Wire for $name {
            fn write(&self, out: &mut Writer) {
                out.bytes(&self.0);
            }

            fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
                reader.array().map(Self)
            }
        }
    };
}

opaque_bytes!(
    /// SID: names a session between its two ends. The relay never sees it.
    SessionId,
    32
);
opaque_bytes!(
    /// Names a handshake for the memory of those seen. The responder keeps it at least as long as
    /// the private halves it was made with, and refuses a repeat: without a one-time key nothing
    /// else would stop a recorded first message from opening again (PQXDH §4.2).
    ReplayId,
    32
);
opaque_bytes!(
    /// Names one piece of content; random, and kept when it is sent again.
    ContentId,
    16
);

impl ContentId {
    /// A fresh id.
    pub fn generate(rng: &mut (impl rand_core::CryptoRng + ?Sized)) -> Self {
        let mut id = [0; Self::BYTES];
        rng.fill_bytes(&mut id);
        Self(id)
    }
}
