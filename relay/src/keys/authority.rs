//! The authority: the operator's key that signs certificates.
//!
//! `authority.pub` is what a running relay needs; `authority.key` signs and may be moved to a
//! machine without a network. Both are one line: `plico-authority-key 1 <64 hexadecimal digits>`
//! (the Ed25519 seed) and `plico-authority-pub 1 <64 hexadecimal digits>`.

use std::path::{Path, PathBuf};

use getrandom::rand_core::CryptoRng;
use plico_protocol::id::AuthorityKey;
use plico_protocol::signature::{AuthoritySecret, is_usable_key};
use zeroize::Zeroizing;

use super::file::{self, KeyFileError};
use super::lock::lock;

/// Why an authority file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityFileError {
    /// Reading or writing failed.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The line is not as documented.
    #[error("{path} is not `{expected}` and 64 hexadecimal digits of a usable key")]
    Line {
        /// Which file.
        path: PathBuf,
        /// How it begins.
        expected: &'static str,
    },
    /// The two files do not belong together.
    #[error("{public} is not the public half of {secret}")]
    Mismatch {
        /// `authority.pub`.
        public: PathBuf,
        /// `authority.key`.
        secret: PathBuf,
    },
    /// There is one already.
    #[error("{path} exists; every certificate hangs on it, so it is not replaced")]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// There is no secret here.
    #[error("{path} does not exist; sign where the authority's key is kept")]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
}

/// Makes an authority in a key directory; the directory is made too.
///
/// # Errors
///
/// [`AuthorityFileError::Exists`], [`KeyFileError::InUse`] while a relay has the directory, and
/// what writing fails with.
pub fn create_authority(
    dir: &Path,
    rng: &mut dyn CryptoRng,
) -> Result<AuthorityKey, AuthorityFileError> {
    file::ensure_directory(dir)?;
    let _lock = lock(dir)?;
    make_authority(dir, rng)
}

/// The same in a directory that is there, for whoever holds its lock.
pub(super) fn make_authority(
    dir: &Path,
    rng: &mut dyn CryptoRng,
) -> Result<AuthorityKey, AuthorityFileError> {
    for path in [public_path(dir), secret_path(dir)] {
        if path.exists() {
            return Err(AuthorityFileError::Exists { path });
        }
    }
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *seed);
    let public = AuthoritySecret::from_seed(&seed).public();
    let line = Zeroizing::new(format!("{SECRET} {}\n", *file::hex(&seed)));
    file::replace(&secret_path(dir), line.as_bytes())?;
    write_public(dir, &public)?;
    Ok(public)
}

/// The authority's public key; none where there is neither file. Where only the secret is there,
/// as after a crash between the two, the public one is written.
///
/// # Errors
///
/// [`AuthorityFileError`].
pub fn read_authority(dir: &Path) -> Result<Option<AuthorityKey>, AuthorityFileError> {
    let secret = read_secret(dir)?;
    let public = file::read_public(&public_path(dir))?;
    let Some(public) = read_line(public, &public_path(dir), PUBLIC)? else {
        let public = secret.map(|secret| secret.public());
        return match public {
            Some(public) => write_public(dir, &public).map(|()| Some(public)),
            None => Ok(None),
        };
    };
    if !is_usable_key(&public) {
        return Err(AuthorityFileError::Line { path: public_path(dir), expected: PUBLIC });
    }
    let public = AuthorityKey::new(*public);
    if secret.is_some_and(|secret| secret.public() != public) {
        let (public, secret) = (public_path(dir), secret_path(dir));
        return Err(AuthorityFileError::Mismatch { public, secret });
    }
    Ok(Some(public))
}

/// The authority's secret key, for the commands that sign.
///
/// # Errors
///
/// [`AuthorityFileError::Absent`] where it was moved away, as it may be.
pub fn read_authority_secret(dir: &Path) -> Result<AuthoritySecret, AuthorityFileError> {
    read_secret(dir)?.ok_or(AuthorityFileError::Absent { path: secret_path(dir) })
}

fn read_secret(dir: &Path) -> Result<Option<AuthoritySecret>, AuthorityFileError> {
    let path = secret_path(dir);
    let seed = read_line(file::read_private(&path)?, &path, SECRET)?;
    Ok(seed.map(|seed| AuthoritySecret::from_seed(&seed)))
}

fn write_public(dir: &Path, public: &AuthorityKey) -> Result<(), AuthorityFileError> {
    let line = format!("{PUBLIC} {}\n", *file::hex(public.as_bytes()));
    Ok(file::replace(&public_path(dir), line.as_bytes())?)
}

fn read_line(
    text: Option<Zeroizing<String>>,
    path: &Path,
    expected: &'static str,
) -> Result<Option<Zeroizing<[u8; 32]>>, AuthorityFileError> {
    let Some(text) = text else { return Ok(None) };
    let bytes = text.trim_end().strip_prefix(expected).and_then(|rest| rest.strip_prefix(' '));
    match bytes.and_then(file::unhex) {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(AuthorityFileError::Line { path: path.to_owned(), expected }),
    }
}

fn public_path(dir: &Path) -> PathBuf {
    dir.join(AUTHORITY_FILE)
}

fn secret_path(dir: &Path) -> PathBuf {
    dir.join("authority.key")
}

/// The public half of the authority.
pub(crate) const AUTHORITY_FILE: &str = "authority.pub";
const SECRET: &str = "plico-authority-key 1";
const PUBLIC: &str = "plico-authority-pub 1";
