//! An envelope: opaque to the relay but for its size class and the commitment in front.
//!
//! SPEC.md §5 and §8. The relay checks the size and forwards; only the recipient's software knows
//! the parts behind the commitment.

use bytes::Bytes;

use crate::id::Commitment;
use crate::limits::SIZE_CLASSES;
use crate::wire::{DecodeError, Reader, Wire, Writer};

wire_byte!(
    /// How many bytes an envelope has in all.
    SizeClass, "size_class" {
        /// 2 KiB.
        Small = 1,
        /// 8 KiB.
        Medium = 2,
        /// 32 KiB.
        Large = 3,
        /// 64 KiB.
        Huge = 4,
    }
);

impl SizeClass {
    /// Bytes of an envelope of this class.
    pub const fn bytes(self) -> usize {
        let [small, medium, large, huge] = SIZE_CLASSES;
        match self {
            Self::Small => small,
            Self::Medium => medium,
            Self::Large => large,
            Self::Huge => huge,
        }
    }

    /// The class of an envelope of exactly `bytes`.
    pub fn of(bytes: usize) -> Option<Self> {
        Self::ALL.iter().copied().find(|class| class.bytes() == bytes)
    }

    /// The smallest class whose envelope holds `bytes`.
    pub fn fitting(bytes: usize) -> Option<Self> {
        Self::ALL.iter().copied().find(|class| bytes <= class.bytes())
    }
}

/// Exactly one size class of bytes, of which the first 32 are the sender's commitment.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    class: SizeClass,
    bytes: Bytes,
}

/// The bytes are of no size class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an envelope has exactly 2, 8, 32 or 64 KiB; this one has {bytes} bytes")]
pub struct WrongSize {
    /// The number of bytes that came.
    pub bytes: usize,
}

impl Envelope {
    /// Takes bytes of exactly one size class.
    ///
    /// # Errors
    ///
    /// [`WrongSize`].
    pub fn new(bytes: Bytes) -> Result<Self, WrongSize> {
        match SizeClass::of(bytes.len()) {
            Some(class) => Ok(Self { class, bytes }),
            None => Err(WrongSize { bytes: bytes.len() }),
        }
    }

    /// The size class.
    pub fn class(&self) -> SizeClass {
        self.class
    }

    /// All the bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// C2, the first 32 bytes.
    pub fn commitment(&self) -> Commitment {
        let mut commitment = [0; Commitment::BYTES];
        for (to, from) in commitment.iter_mut().zip(self.bytes.iter()) {
            *to = *from;
        }
        Commitment::new(commitment)
    }
}

impl core::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { class, bytes: _ } = self;
        write!(f, "Envelope({class:?})")
    }
}

/// On the wire an envelope is length-prefixed bytes. That their number is a size class is checked
/// by [`Envelope::new`], so that the relay can answer `wrong_size` rather than `malformed`.
#[derive(Clone, PartialEq, Eq)]
pub struct EnvelopeBytes(pub Bytes);

impl core::fmt::Debug for EnvelopeBytes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "EnvelopeBytes({})", self.0.len())
    }
}

impl Wire for EnvelopeBytes {
    fn write(&self, out: &mut Writer) {
        out.sized(&self.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.sized("envelope", SizeClass::Huge.bytes()).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_four_sizes_are_envelopes() {
        for bytes in [0, 1, 2047, 2049, 8191, 8193, 32769, 65535, 65537] {
            assert_eq!(Envelope::new(vec![0; bytes].into()).unwrap_err(), WrongSize { bytes });
        }
        for class in SizeClass::ALL {
            assert_eq!(Envelope::new(vec![0; class.bytes()].into()).unwrap().class(), *class);
        }
    }

    #[test]
    fn the_fitting_class_is_the_smallest_at_each_edge() {
        assert_eq!(SizeClass::fitting(2048), Some(SizeClass::Small));
        assert_eq!(SizeClass::fitting(2049), Some(SizeClass::Medium));
        assert_eq!(SizeClass::fitting(65537), None);
    }
}
