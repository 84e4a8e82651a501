//! A business's logo: a PNG (ISO/IEC 15948) that says its size up front and nothing beside the
//! picture.
//!
//! Nothing is decompressed here. What a decoder will allocate is known from the dimensions; chunks
//! beside the picture's own are refused, because they hold texts and colour profiles that expand
//! (zTXt, iCCP), animations, and where a photograph was taken (eXIf).

use bytes::Bytes;

use crate::limits::{PROFILE_LOGO_BYTES_MAX, PROFILE_LOGO_PIXELS_MAX};
use crate::wire::{DecodeError, Reader, Wire, Writer};

/// A PNG of bounded bytes and dimensions, with the chunks IHDR, PLTE, tRNS, IDAT and IEND alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Logo {
    png: Bytes,
}

/// Why a picture is no logo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLogo {
    /// Another format, or cut off.
    #[error("the logo is no whole PNG file; save the picture as PNG")]
    NotPng,
    /// More pixels than allowed.
    #[error(
        "the logo has {width} × {height} pixels; it has at least 1 and at most \
         {PROFILE_LOGO_PIXELS_MAX} each way"
    )]
    Dimensions {
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
    },
    /// More bytes than allowed.
    #[error(
        "the logo has {0} bytes, at most {PROFILE_LOGO_BYTES_MAX} allowed; make it smaller or of \
         fewer colours"
    )]
    TooLong(usize),
}

impl Logo {
    /// Takes a PNG file, leaving out what is not the picture.
    ///
    /// # Errors
    ///
    /// [`BadLogo`].
    pub fn from_png(file: &[u8]) -> Result<Self, BadLogo> {
        let chunks = chunks(file).ok_or(BadLogo::NotPng)?;
        let picture = chunks.iter().filter(|chunk| chunk.is_of_the_picture());
        let parts: Vec<&[u8]> = picture.map(|chunk| chunk.bytes).collect();
        let png = [SIGNATURE, &parts.concat()].concat();
        check_picture(&chunks)?;
        match png.len() <= PROFILE_LOGO_BYTES_MAX {
            true => Ok(Self { png: png.into() }),
            false => Err(BadLogo::TooLong(png.len())),
        }
    }

    /// The file. Its checksums and compressed data were not looked at: hand it to a decoder that
    /// takes untrusted input.
    pub fn png(&self) -> &Bytes {
        &self.png
    }
}

impl core::fmt::Debug for Logo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Logo({} bytes)", self.png.len())
    }
}

impl Wire for Logo {
    fn write(&self, out: &mut Writer) {
        out.sized(&self.png);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let bad = DecodeError::BadValue { field: "logo" };
        let png = reader.sized("logo", PROFILE_LOGO_BYTES_MAX)?;
        let chunks = chunks(&png).ok_or(bad)?;
        check_picture(&chunks).map_err(|_| bad)?;
        match chunks.iter().all(Chunk::is_of_the_picture) {
            true => Ok(Self { png }),
            false => Err(bad),
        }
    }
}

/// One chunk of a PNG.
struct Chunk<'a> {
    name: [u8; 4],
    body: &'a [u8],
    /// Length, name, body and checksum.
    bytes: &'a [u8],
}

impl Chunk<'_> {
    fn is_of_the_picture(&self) -> bool {
        matches!(&self.name, b"IHDR" | b"PLTE" | b"tRNS" | b"IDAT" | b"IEND")
    }
}

/// The chunks of a PNG that begins with its header and ends with its end.
fn chunks(png: &[u8]) -> Option<Vec<Chunk<'_>>> {
    let mut rest = png.strip_prefix(SIGNATURE)?;
    let mut chunks = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (name, after) = after.split_first_chunk::<4>()?;
        let (body, after) = after.split_at_checked(length)?;
        let (_checksum, after) = after.split_first_chunk::<4>()?;
        let bytes = rest.get(..rest.len() - after.len())?;
        chunks.push(Chunk { name: *name, body, bytes });
        rest = after;
    }
    let first = chunks.first().is_some_and(|chunk| chunk.name == *b"IHDR");
    let last = chunks.last().is_some_and(|chunk| chunk.name == *b"IEND");
    let count = |name: &[u8; 4]| chunks.iter().filter(|chunk| chunk.name == *name).count();
    let single = count(b"IHDR") == 1 && count(b"IEND") == 1 && 0 < count(b"IDAT");
    (rest.is_empty() && first && last && single).then_some(chunks)
}

fn check_picture(chunks: &[Chunk<'_>]) -> Result<(), BadLogo> {
    let header = chunks.first().ok_or(BadLogo::NotPng)?.body;
    let [w0, w1, w2, w3, h0, h1, h2, h3, ..] = *header else { return Err(BadLogo::NotPng) };
    let width = u32::from_be_bytes([w0, w1, w2, w3]);
    let height = u32::from_be_bytes([h0, h1, h2, h3]);
    let allowed = 1..=PROFILE_LOGO_PIXELS_MAX;
    match (header.len() == HEADER_BYTES, allowed.contains(&width) && allowed.contains(&height)) {
        (false, _) => Err(BadLogo::NotPng),
        (true, false) => Err(BadLogo::Dimensions { width, height }),
        (true, true) => Ok(()),
    }
}

/// ISO/IEC 15948 §5.2.
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// ISO/IEC 15948 §11.2.2.
const HEADER_BYTES: usize = 13;
