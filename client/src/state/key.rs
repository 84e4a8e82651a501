//! The data key that seals every row, and how a passphrase or a key file wraps it.
//!
//! The data key is random and never changes; a passphrase or key file only wraps it, so changing
//! either rewrites one row.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use plico_protocol::mac::MacKey;
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};
use zeroize::Zeroizing;

use super::OpenError;
use super::seal::Cipher;
use crate::random;

/// What opens the state.
#[derive(Clone)]
pub enum Protection {
    /// A file with 32 random bytes, readable by its owner alone. Made with the state if missing.
    KeyFile(PathBuf),
    /// A passphrase, stretched by Argon2id.
    Passphrase(Zeroizing<String>),
}

impl Protection {
    /// A passphrase.
    pub fn passphrase(text: impl Into<String>) -> Self {
        Self::Passphrase(Zeroizing::new(text.into()))
    }

    /// A key file.
    pub fn key_file(path: impl Into<PathBuf>) -> Self {
        Self::KeyFile(path.into())
    }
}

impl core::fmt::Debug for Protection {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::KeyFile(_) => f.write_str("KeyFile(…)"),
            Self::Passphrase(_) => f.write_str("Passphrase(…)"),
        }
    }
}

/// The data key as the database holds it.
pub(super) struct WrappedKey {
    salt: [u8; 16],
    stretch: Option<Stretch>,
    sealed: bytes::Bytes,
}

/// Cost of a passphrase, stored beside it so that it can rise later.
#[derive(Clone, Copy)]
struct Stretch {
    memory_kib: u32,
    passes: u32,
}

impl WrappedKey {
    /// Makes a data key and wraps it. A missing key file is created.
    pub(super) fn create(protection: &Protection) -> Result<(Self, MacKey), OpenError> {
        let salt = random::bytes();
        let stretch = match protection {
            Protection::KeyFile(path) => {
                create_key_file(path).map_err(OpenError::KeyFile)?;
                None
            }
            Protection::Passphrase(_) => Some(STRETCH),
        };
        let key = Zeroizing::new(random::bytes::<32>());
        let wrapping = wrapping_key(protection, &salt, stretch)?;
        let sealed = wrapping.seal(&associated_data(&salt, stretch), key.as_slice());
        Ok((Self { salt, stretch, sealed: sealed.into() }, MacKey::new(*key)))
    }

    /// Unwraps the data key.
    pub(super) fn unwrap(&self, protection: &Protection) -> Result<MacKey, OpenError> {
        let wrapping = wrapping_key(protection, &self.salt, self.stretch)?;
        let key = wrapping
            .open(&associated_data(&self.salt, self.stretch), &self.sealed)
            .ok_or(OpenError::WrongKey)?;
        let key: [u8; 32] = key.as_slice().try_into().map_err(|_| OpenError::WrongKey)?;
        Ok(MacKey::new(key))
    }
}

impl Wire for WrappedKey {
    fn write(&self, out: &mut Writer) {
        let Self { salt, stretch, sealed } = self;
        out.bytes(salt);
        out.optional(stretch.as_ref());
        out.sized(sealed);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            salt: reader.array()?,
            stretch: reader.optional("has_stretch")?,
            sealed: reader.sized("sealed_key", 256)?,
        })
    }
}

impl Wire for Stretch {
    fn write(&self, out: &mut Writer) {
        let Self { memory_kib, passes } = self;
        out.u32(*memory_kib);
        out.u32(*passes);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let stretch = Self { memory_kib: reader.u32()?, passes: reader.u32()? };
        // The file is not authenticated yet: it must not make us allocate without bound.
        if MEMORY_KIB_MAX < stretch.memory_kib || PASSES_MAX < stretch.passes {
            return Err(DecodeError::BadValue { field: "stretch" });
        }
        Ok(stretch)
    }
}

fn wrapping_key(
    protection: &Protection,
    salt: &[u8; 16],
    stretch: Option<Stretch>,
) -> Result<Cipher, OpenError> {
    let secret = match (protection, stretch) {
        (Protection::KeyFile(path), None) => read_key_file(path)?,
        (Protection::Passphrase(text), Some(stretch)) => passphrase_key(text, salt, stretch)?,
        (Protection::KeyFile(_) | Protection::Passphrase(_), _) => return Err(OpenError::WrongKey),
    };
    Ok(Cipher::new(&MacKey::new(*secret), b"plico/1 state wrap\0"))
}

fn passphrase_key(
    text: &str,
    salt: &[u8; 16],
    stretch: Stretch,
) -> Result<Zeroizing<[u8; 32]>, OpenError> {
    let mut key = Zeroizing::new([0; 32]);
    let params = Params::new(stretch.memory_kib, stretch.passes, 1, Some(32));
    params
        .and_then(|params| {
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            argon2.hash_password_into(text.as_bytes(), salt, key.as_mut_slice())
        })
        .map_err(|_| OpenError::WrongKey)?;
    Ok(key)
}

/// Makes a key file unless there is one.
fn create_key_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(mut file) => {
            file.write_all(Zeroizing::new(random::bytes::<32>()).as_slice())?;
            file.sync_all()?;
            // The name too must survive a power cut, or the state could never be opened again.
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn read_key_file(path: &Path) -> Result<Zeroizing<[u8; 32]>, OpenError> {
    let file = File::open(path).map_err(OpenError::KeyFile)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode =
            fs::Permissions::mode(&file.metadata().map_err(OpenError::KeyFile)?.permissions());
        if mode & 0o077 != 0 {
            return Err(OpenError::KeyFileExposed { mode: mode & 0o777 });
        }
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(33));
    file.take(33).read_to_end(&mut bytes).map_err(OpenError::KeyFile)?;
    let key = bytes.as_slice().try_into().map_err(|_| OpenError::WrongKey)?;
    Ok(Zeroizing::new(key))
}

fn associated_data(salt: &[u8; 16], stretch: Option<Stretch>) -> Vec<u8> {
    let mut out = Writer::default();
    out.bytes(salt);
    out.optional(stretch.as_ref());
    out.into_vec()
}

/// RFC 9106 §4, second recommended option, with one lane: 64 MiB, three passes.
const STRETCH: Stretch = Stretch { memory_kib: 64 * 1024, passes: 3 };
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 64;
