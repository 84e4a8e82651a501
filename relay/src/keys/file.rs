//! `relay.keys`: text, one key per line, replaced as a whole.
//!
//! ```text
//! plico-relay-keys 1
//! row 64 hexadecimal digits
//! seal 64 hexadecimal digits
//! tag 64 hexadecimal digits
//! ledger 64 hexadecimal digits
//! ticket <id 0-255> <first day> 64 hexadecimal digits
//! stamp <day> 64 hexadecimal digits
//! ```
//!
//! `ledger` is the seed of an Ed25519 key (RFC 8032 §5.1.5); where its line is missing, a fresh one is
//! made. Days count from 1970-01-01 UTC. `ticket` and `stamp` repeat. A new version of the file is
//! written beside the old one, synced, renamed over it, and the directory synced: after a crash
//! there is the old file or the new one.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::SplitWhitespace;

use plico_protocol::mac::MacKey;
use plico_protocol::signature::LedgerSecret;
use plico_protocol::ticket::TicketKeyId;
use plico_protocol::time::Day;
use zeroize::Zeroizing;

use super::ring::TicketKey;
use crate::keys::{Ring, SealKey};

/// Why a key file cannot be used. Carries paths and line numbers, never key bytes.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The operating system's word.
    #[error("{path}: {error}{}", next_step(.error))]
    Io {
        /// Which file.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
    /// Another process, or this one, has the directory.
    #[error(
        "the key directory {path} is in use by another plico-relay, and two would destroy each other's keys; stop that one first, or set `keys_dir` to a directory of this one's own"
    )]
    InUse {
        /// Which directory.
        path: PathBuf,
    },
    /// Others may read or write it.
    #[error(
        "{path} has mode {mode:04o}, others may read or write it; run: chmod {expected:04o} {path}"
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What they should be.
        expected: u32,
    },
    /// Another version, or no key file.
    #[error("{path} does not begin with `{HEADER}`; it is of another version or no key file")]
    Version {
        /// Which file.
        path: PathBuf,
    },
    /// A line is not as documented.
    #[error("{path}, line {line}: not a key, or one given before; restore the file from a backup")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A key is not there.
    #[error("{path} has no `{name}` key; restore the file from a backup")]
    Missing {
        /// Which file.
        path: PathBuf,
        /// Which key.
        name: &'static str,
    },
}

/// Makes the directory with mode 0700, or checks that nobody else may enter it.
pub(super) fn ensure_directory(dir: &Path) -> Result<(), KeyFileError> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(dir).map_err(at(dir))?;
    check_mode(dir, DIRECTORY_MODE)
}

/// The keys in a directory; none if it has no key file yet.
pub(super) fn read(dir: &Path) -> Result<Option<Ring>, KeyFileError> {
    let path = dir.join(KEYS_FILE);
    let Some(text) = read_private(&path)? else { return Ok(None) };
    parse(&path, &text).map(Some)
}

/// Replaces the key file durably.
pub(super) fn write(dir: &Path, ring: &Ring) -> Result<(), KeyFileError> {
    replace(&dir.join(KEYS_FILE), format(ring).as_bytes())
}

/// Reads a file that nobody else may read; none if there is no such file.
pub(crate) fn read_private(path: &Path) -> Result<Option<Zeroizing<String>>, KeyFileError> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            check_mode(path, FILE_MODE)?;
            Ok(Some(text))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}

/// Reads a file that everybody may read and only its owner may write; none if there is no such file.
/// Whoever could write the authority's public half could put their own in its place.
pub(super) fn read_public(path: &Path) -> Result<Option<Zeroizing<String>>, KeyFileError> {
    match fs::read_to_string(path) {
        Ok(text) => {
            check_mode(path, PUBLIC_FILE_MODE)?;
            Ok(Some(Zeroizing::new(text)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}

/// Writes beside, syncs, renames over, syncs the directory.
pub(crate) fn replace(path: &Path, contents: &[u8]) -> Result<(), KeyFileError> {
    let beside = path.with_extension("new");
    // Left by a crash; a new file must be made, so that it has our mode.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&beside)(error)),
        _ => (),
    }
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(FILE_MODE).open(&beside).map_err(at(&beside))?;
    file.write_all(contents).and_then(|()| file.sync_all()).map_err(at(&beside))?;
    fs::rename(&beside, path).map_err(at(path))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(at(dir))
}

fn check_mode(path: &Path, expected: u32) -> Result<(), KeyFileError> {
    let mode = fs::metadata(path).map_err(at(path))?.permissions().mode() & 0o777;
    if mode & !expected != 0 {
        return Err(KeyFileError::Exposed { path: path.to_owned(), mode, expected });
    }
    Ok(())
}

fn format(ring: &Ring) -> Zeroizing<String> {
    let Ring { row, seal, tag, ledger, tickets, stamps } = ring;
    let lines = 5 + tickets.len() + stamps.len();
    // Room for everything at once: growing would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(lines * LINE_BYTES_MAX));
    let mut line = |name: &str, key: &[u8; 32]| {
        text.push_str(name);
        text.push(' ');
        text.push_str(&hex(key));
        text.push('\n');
    };
    line(&format!("{HEADER}\nrow"), row.expose_secret());
    line("seal", seal.expose_secret());
    line("tag", tag.expose_secret());
    if let Some(ledger) = ledger {
        line("ledger", &ledger.expose_seed());
    }
    for (TicketKeyId(id), TicketKey { since: Day(since), key }) in tickets {
        line(&format!("ticket {id} {since}"), key.expose_secret());
    }
    for (Day(day), key) in stamps {
        line(&format!("stamp {day}"), key.expose_secret());
    }
    text
}

/// What was read so far.
#[derive(Default)]
struct Partial {
    row: Option<MacKey>,
    seal: Option<MacKey>,
    tag: Option<MacKey>,
    ledger: Option<MacKey>,
    tickets: BTreeMap<TicketKeyId, TicketKey>,
    stamps: BTreeMap<Day, MacKey>,
}

fn parse(path: &Path, text: &str) -> Result<Ring, KeyFileError> {
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        return Err(KeyFileError::Version { path: path.to_owned() });
    }
    let mut partial = Partial::default();
    for (line, words) in (2..).zip(lines.map(str::split_whitespace)) {
        partial.take(words).ok_or(KeyFileError::Line { path: path.to_owned(), line })?;
    }
    let missing = |name| KeyFileError::Missing { path: path.to_owned(), name };
    Ok(Ring {
        row: partial.row.ok_or(missing("row"))?,
        seal: SealKey::new(*partial.seal.ok_or(missing("seal"))?.expose_secret()),
        tag: partial.tag.ok_or(missing("tag"))?,
        ledger: partial.ledger.map(|seed| LedgerSecret::from_seed(seed.expose_secret())),
        tickets: partial.tickets,
        stamps: partial.stamps,
    })
}

impl Partial {
    /// `None` for a line that is not as documented and for a key given twice.
    fn take(&mut self, mut words: SplitWhitespace<'_>) -> Option<()> {
        let name = words.next()?;
        let earlier = match name {
            "row" => self.row.replace(key(&mut words)?),
            "seal" => self.seal.replace(key(&mut words)?),
            "tag" => self.tag.replace(key(&mut words)?),
            "ledger" => self.ledger.replace(key(&mut words)?),
            "ticket" => {
                let id = TicketKeyId(words.next()?.parse().ok()?);
                let since = Day(words.next()?.parse().ok()?);
                let ticket = TicketKey { since, key: key(&mut words)? };
                self.tickets.insert(id, ticket).map(|earlier| earlier.key)
            }
            "stamp" => {
                let day = Day(words.next()?.parse().ok()?);
                self.stamps.insert(day, key(&mut words)?)
            }
            _ => return None,
        };
        (earlier.is_none() && words.next().is_none()).then_some(())
    }
}

fn key(words: &mut SplitWhitespace<'_>) -> Option<MacKey> {
    unhex(words.next()?).map(|bytes| MacKey::new(*bytes))
}

/// 64 lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8; 32]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(64));
    for nibble in bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        text.extend(char::from_digit(u32::from(nibble), 16));
    }
    text
}

/// The bytes of exactly 64 hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    if text.len() != 2 * bytes.len() {
        return None;
    }
    let mut digits = text.chars().map(|digit| digit.to_digit(16));
    for byte in bytes.iter_mut() {
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(bytes)
}

/// What helps, where the operating system's word alone does not say it.
pub(crate) fn next_step(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; run this as the user who runs the relay, or give that user the file with chown"
        }
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            "; something that is no directory is in its place: move it away or set another directory"
        }
        io::ErrorKind::StorageFull => "; free some disk space",
        io::ErrorKind::ReadOnlyFilesystem => "; the file system is mounted read-only",
        _ => "",
    }
}

pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> KeyFileError {
    let path = path.to_owned();
    move |error| KeyFileError::Io { path: path.clone(), error }
}

/// The keys that only this relay has.
pub(crate) const KEYS_FILE: &str = "relay.keys";
const HEADER: &str = "plico-relay-keys 1";
pub(super) const FILE_MODE: u32 = 0o600;
const PUBLIC_FILE_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o700;
/// `ticket 255 4294967295 ` and 64 digits, rounded up.
const LINE_BYTES_MAX: usize = 96;
