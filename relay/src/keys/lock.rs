//! One process at a time per key directory.
//!
//! Two relays on data directories of their own would otherwise share one: each replaces
//! `relay.keys` as a whole, so that the keys the other has just made, and signed with, are gone.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::file::{FILE_MODE, KeyFileError, at};

/// Holds a key directory until it is dropped, or the process ends.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

/// Takes a key directory, which must be there.
pub(super) fn lock(dir: &Path) -> Result<DirectoryLock, KeyFileError> {
    let path = dir.join(FILE);
    // Never removed: whoever opened it before would hold a lock that others do not see.
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(false).mode(FILE_MODE);
    let file = options.open(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(DirectoryLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(KeyFileError::InUse { path: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(at(&path)(error)),
    }
}

const FILE: &str = "keys.lock";
