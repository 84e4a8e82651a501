//! Sets the journal aside before the store opens, so that what it holds becomes durable anew.
//!
//! What is read back from a journal may be in the page cache alone: after a failed fsync the kernel
//! takes such pages for written, and a later fsync says nothing of them (on ext4, XFS and btrfs
//! alike). Appending to that file would be as bad: whatever follows the part that never reached the
//! medium is cut off with it at the next start. So an empty journal is put after the present ones.
//! The store then takes those for sealed, writes what they hold into new tables, each synced, and
//! removes them.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use fjall::Error;

/// Puts an empty journal after the newest one, unless that is empty itself.
///
/// # Errors
///
/// [`Error::Locked`] while another process has the store open.
pub(super) fn seal(store: &Path) -> Result<(), Error> {
    // The engine that runs would meet a journal it did not make. Whoever opens the store after
    // this lock is given back finds nothing wrong with it.
    let Some(_lock) = lock(store)? else { return Ok(()) };
    let Some(newest) = newest(store)? else { return Ok(()) };
    let path = |number: u64| store.join(format!("{number}.{EXTENSION}"));
    if fs::metadata(path(newest))?.len() == 0 {
        return Ok(());
    }
    File::create_new(path(newest.saturating_add(1)))?.sync_all()?;
    Ok(File::open(store)?.sync_all()?)
}

fn newest(store: &Path) -> io::Result<Option<u64>> {
    let mut newest = None;
    for entry in fs::read_dir(store)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(EXTENSION)?.strip_suffix('.'));
        newest = newest.max(number.and_then(|number| number.parse().ok()));
    }
    Ok(newest)
}

/// The engine's own lock; none where there is no store yet. A store that was just closed may hold
/// it for a moment more.
fn lock(store: &Path) -> Result<Option<File>, Error> {
    let file = match File::options().read(true).write(true).open(store.join(LOCK)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    for _ in 0..LOCK_ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Err(Error::Locked)
}

/// fjall's names for its files; a test notices if they change.
const EXTENSION: &str = "jnl";
const LOCK: &str = "lock";
/// A third of a second in all, as fjall itself waits.
const LOCK_ATTEMPTS: u32 = 30;
const LOCK_PAUSE: Duration = Duration::from_millis(10);
