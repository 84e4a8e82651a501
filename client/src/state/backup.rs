//! Copies of a state: taken while another process runs on it, and put in place as a whole.
//!
//! SQLite writes a copy of one moment (`VACUUM INTO`) through a connection that only reads, so the
//! process that has the state open goes on. Rows stay sealed and no key is needed; whoever restores
//! the copy needs the passphrase or key file that the state was made with.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{Lock, OpenError, Owner, Protection, Rows, State, StateError, VERSION};
use super::{create_file, head, is_finished, may_be_state};

/// Why a state was not backed up. Nothing is at the destination that was not there before.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no state to copy.
    #[error("there is no state at this path to back up; check the path")]
    Missing,
    /// Something is at the destination already.
    #[error("there is a file at the backup's path already; choose another path or move it away")]
    Exists,
    /// It is no state of this kind, or one of a later version.
    #[error("this file is no business's state that this program knows; check the path")]
    Foreign,
    /// The source could not be read, or the copy not be written.
    #[error("the backup was not made ({0}); check the paths, their rights and the free disk space")]
    Io(#[from] io::Error),
    /// SQLite could not read the source or write the copy.
    #[error("the backup was not made ({0}); check both disks and their free space")]
    Database(#[from] rusqlite::Error),
    /// The source is damaged.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Why a backup was not restored. Nothing is at the path that was not there before.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A state, or a part of one, is at the path already.
    #[error(
        "`{}` is there already, and a restored state must not mix with another; move it away or choose another path",
        .0.display()
    )]
    Exists(PathBuf),
    /// The backup could not be copied.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The copy did not open: the passphrase or key file is another, or the backup is damaged.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The path cannot be written.
    #[error("the state was not restored ({0}); check the path, its rights and the free disk space")]
    Io(#[from] io::Error),
    /// The copy could not be prepared.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Copies a state as it is at one moment. The copy appears whole, readable by its owner alone, or
/// not at all.
pub(crate) fn back_up(source: &Path, destination: &Path, owner: Owner) -> Result<(), BackupError> {
    if destination.try_exists()? {
        return Err(BackupError::Exists);
    }
    let part = beside(destination, ".part");
    let copied = copy(source, &part, owner).and_then(|()| {
        File::open(&part)?.sync_all()?;
        put_in_place(&part, destination).map_err(BackupError::from)
    });
    if copied.is_err() {
        let _ = fs::remove_file(&part);
    }
    copied
}

/// Makes a state from a backup: copied, opened to prove that the key fits, prepared by `change`,
/// and only then put at `path`.
pub(crate) fn restore(
    backup: &Path,
    path: &Path,
    protection: &Protection,
    owner: Owner,
    change: impl FnOnce(&Rows<'_>) -> Result<(), StateError>,
) -> Result<(), RestoreError> {
    let _lock = Lock::take(path)?.ok_or(OpenError::Locked)?;
    // The log of a state whose file is gone would be played into the restored one.
    for leftover in [path.to_owned(), beside(path, "-wal"), beside(path, "-journal")] {
        if leftover.try_exists()? {
            return Err(RestoreError::Exists(leftover));
        }
    }
    let part = beside(path, ".part");
    let restored = prepare(backup, &part, protection, owner, change)
        .and_then(|()| put_in_place(&part, path).map_err(RestoreError::from));
    if restored.is_err() {
        let _ = fs::remove_file(&part);
    }
    let _ = fs::remove_file(beside(&part, ".lock"));
    restored
}

fn prepare(
    backup: &Path,
    part: &Path,
    protection: &Protection,
    owner: Owner,
    change: impl FnOnce(&Rows<'_>) -> Result<(), StateError>,
) -> Result<(), RestoreError> {
    copy(backup, part, owner)?;
    let mut state = State::open(part, protection, owner)?;
    state.write(change)?;
    state.checkpoint()?;
    // The last connection that closes takes the log with it.
    drop(state);
    Ok(File::open(part)?.sync_all()?)
}

fn copy(source: &Path, part: &Path, owner: Owner) -> Result<(), BackupError> {
    if !source.try_exists()? {
        return Err(BackupError::Missing);
    }
    if !may_be_state(source)? {
        return Err(BackupError::Foreign);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(source, flags)?;
    if !is_finished(&database)? {
        return Err(BackupError::Missing);
    }
    let (version, found, _) = head(&database)?;
    if version != VERSION || found != owner {
        return Err(BackupError::Foreign);
    }
    // What an earlier attempt left was never put in place.
    match fs::remove_file(part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => (),
    }
    create_file(part)?;
    // SQLite writes into a file that is there and empty, so its rights are ours from the beginning.
    let into = part.to_str().ok_or_else(|| io::Error::other("the path is not UTF-8"))?;
    database.execute("VACUUM INTO ?1", [into])?;
    Ok(())
}

/// Gives a finished file its name for good.
pub(super) fn put_in_place(part: &Path, path: &Path) -> io::Result<()> {
    fs::rename(part, path)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
