//! An input as a sequence of small numbers, which ends when its bytes do.

/// What is left of an input.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// From the beginning.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// So many bytes; none where fewer are left.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    /// One byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// Up to so many bytes, as far as there are any.
    pub fn take(&mut self, bytes: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(bytes.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// The place a byte names among so many; none where there are none.
    pub fn index(&mut self, of: usize) -> Option<usize> {
        usize::from(self.u8()?).checked_rem(of)
    }

    /// Changes bytes as the rest says: each change names itself, a place and a value in four bytes.
    pub fn change(&mut self, bytes: &mut Vec<u8>) {
        while let Some([change, high, low, value]) = self.array() {
            let place = usize::from(u16::from_be_bytes([high, low]));
            let Some(at) = place.checked_rem(bytes.len()) else { return };
            match change % 6 {
                0 | 1 => bytes[at] ^= value,
                2 => bytes[at] = value,
                3 => bytes.insert(at, value),
                4 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
    }
}
