//! The codec: fixed-width big-endian numbers, `u32` length before each variable part, no slack.
//!
//! `decode(x) = Ok(v)` implies `encode(v) == x`, so a hash over received bytes and a hash over
//! their re-encoding agree. Every length is compared with its type's bound before anything is
//! allocated or sliced. SPEC.md §4.

use bytes::{Buf as _, Bytes};

/// What a peer's bytes did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("{needed} more bytes expected, {left} left")]
    Truncated {
        /// Bytes the field needs.
        needed: usize,
        /// Bytes that were left.
        left: usize,
    },
    /// Bytes follow the last field.
    #[error("{extra} bytes after the last field")]
    Trailing {
        /// How many.
        extra: usize,
    },
    /// A length passes the bound of its type.
    #[error("{field} has length {length}, at most {max} allowed")]
    TooLong {
        /// Name of the field, as in SPEC.md.
        field: &'static str,
        /// The length that came.
        length: usize,
        /// The bound.
        max: usize,
    },
    /// A value outside what SPEC.md allows for the field.
    #[error("{field} has a value that is not allowed")]
    BadValue {
        /// Name of the field, as in SPEC.md.
        field: &'static str,
    },
}

/// Something with exactly one encoding.
pub trait Wire: Sized {
    /// Appends the encoding.
    fn write(&self, out: &mut Writer);

    /// Reads one value from the front.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], and then how far `reader` advanced means nothing.
    fn read(reader: &mut Reader) -> Result<Self, DecodeError>;

    /// The encoding alone.
    fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        self.write(&mut out);
        out.into_vec()
    }

    /// Decodes a value that fills `bytes` exactly.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]; [`DecodeError::Trailing`] where bytes are left over.
    fn decode(bytes: impl Into<Bytes>) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes.into());
        let value = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }
}

/// Appends fields to a buffer.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// A buffer that does not move until `bytes` are written: for secrets, of which growing would
    /// leave copies.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Appends two bytes.
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends four bytes.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends bytes whose number the reader knows.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Appends so many zeros.
    pub fn zeros(&mut self, bytes: usize) {
        self.0.resize(self.0.len() + bytes, 0);
    }

    /// Appends a `u32` length and the bytes.
    pub fn sized(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.bytes(bytes);
    }

    /// Appends the number of elements that follow. Every list is bounded far below 2^32.
    pub fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Appends one byte: 1 for a value, which follows, or 0.
    pub fn optional<T: Wire>(&mut self, value: Option<&T>) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            value.write(self);
        }
    }

    /// Writes over bytes that were written before, at `at`. Nothing is done where there are none.
    pub fn replace(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.0.get_mut(at..at.saturating_add(bytes.len())) {
            place.copy_from_slice(bytes);
        }
    }

    /// Makes room for so many bytes more, so that writing them moves nothing.
    pub fn reserve(&mut self, bytes: usize) {
        self.0.reserve(bytes);
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

/// Takes fields from the front of a buffer. Variable parts are slices of it, not copies.
#[derive(Debug)]
pub struct Reader(Bytes);

impl Reader {
    /// Reads from `bytes`.
    pub fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Takes `needed` bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`].
    pub fn take(&mut self, needed: usize) -> Result<Bytes, DecodeError> {
        if self.0.len() < needed {
            return Err(DecodeError::Truncated { needed, left: self.0.len() });
        }
        Ok(self.0.split_to(needed))
    }

    /// Takes a fixed number of bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let left = self.0.len();
        let array = *self.0.first_chunk().ok_or(DecodeError::Truncated { needed: N, left })?;
        self.0.advance(N);
        Ok(array)
    }

    /// Takes one byte.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`].
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Takes two bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`].
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Takes four bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`].
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Takes eight bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`].
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Takes a boolean: exactly 0 or 1, or the value would have two encodings.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn flag(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::BadValue { field }),
        }
    }

    /// Takes a number of elements, at most `max`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooLong`] before anything of that length is touched.
    pub fn count(&mut self, field: &'static str, max: usize) -> Result<usize, DecodeError> {
        let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if max < length {
            return Err(DecodeError::TooLong { field, length, max });
        }
        Ok(length)
    }

    /// Takes a `u32` length, at most `max`, and that many bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn sized(&mut self, field: &'static str, max: usize) -> Result<Bytes, DecodeError> {
        let length = self.count(field, max)?;
        self.take(length)
    }

    /// Takes length-prefixed UTF-8 of at most `max` bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn text(&mut self, field: &'static str, max: usize) -> Result<String, DecodeError> {
        let bytes = self.sized(field, max)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| DecodeError::BadValue { field })
    }

    /// Takes one byte, and a value if it is 1.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn optional<T: Wire>(&mut self, field: &'static str) -> Result<Option<T>, DecodeError> {
        self.flag(field)?.then(|| T::read(self)).transpose()
    }

    /// Ends reading.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Trailing`] where bytes are left.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.0.len() {
            0 => Ok(()),
            extra => Err(DecodeError::Trailing { extra }),
        }
    }
}

/// Declares an enum that travels as one byte, keeping wire order; other values are refused.
macro_rules! wire_byte {
    ($(#[$doc:meta])* $name:ident, $field:literal { $($(#[$vdoc:meta])* $variant:ident = $value:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$vdoc])* $variant = $value,)+
        }

        impl $name {
            /// Every value, in wire order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The byte on the wire.
            pub const fn byte(self) -> u8 {
                self as u8
            }

            /// The value of a byte, if it has one.
            pub const fn from_byte(byte: u8) -> Option<Self> {
                match byte {
                    $($value => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl $crate::wire::Wire for $name {
            fn write(&self, out: &mut $crate::wire::Writer) {
                out.u8(self.byte());
            }

            fn read(reader: &mut $crate::wire::Reader) -> Result<Self, $crate::wire::DecodeError> {
                Self::from_byte(reader.u8()?)
                    .ok_or($crate::wire::DecodeError::BadValue { field: $field })
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &'static [u8]) -> Reader {
        Reader::new(Bytes::from_static(bytes))
    }

    #[test]
    fn a_writer_counts_what_was_written() {
        let mut out = Writer::default();
        assert!(out.is_empty());
        out.u16(7);
        assert_eq!((out.len(), out.is_empty()), (2, false));
    }

    #[test]
    fn a_length_past_its_bound_is_refused_before_it_is_taken() {
        let error = reader(&[0xff, 0xff, 0xff, 0xff]).sized("text", 8).unwrap_err();
        assert_eq!(error, DecodeError::TooLong { field: "text", length: 0xffff_ffff, max: 8 });
    }

    #[test]
    fn a_flag_has_one_encoding() {
        assert_eq!(reader(&[2]).flag("window"), Err(DecodeError::BadValue { field: "window" }));
    }

    #[test]
    fn trailing_bytes_are_refused() {
        assert_eq!(reader(&[1]).finish(), Err(DecodeError::Trailing { extra: 1 }));
    }

    #[test]
    fn text_must_be_utf8() {
        let error = reader(&[0, 0, 0, 1, 0xff]).text("text", 8).unwrap_err();
        assert_eq!(error, DecodeError::BadValue { field: "text" });
    }
}
