//! A backup: every row of one point in time of a store, as the store has it, in one file.
//!
//! Rows stay named and sealed, so that who finds a backup finds what a stolen data directory shows
//! and no more; the keys are in a directory of their own and never in here. The file can be read in
//! bounded memory, and shows that it is whole:
//!
//! ```text
//! file = "plico-relay-backup 1\n" | page* | end
//! page = u32 bytes, not 0 | row* | digest 32
//! row  = u8 table | u32 bytes | key | u32 bytes | value
//! end  = u32 0 | u64 rows in all | digest 32
//! ```
//!
//! Integers are big-endian. A digest is SHA-256 of the digest before it, the first of which is that
//! of the heading, and of what stands before it in its page or end. It finds damage and truncation.
//! It does not find malice: that rows open under the relay's own keys does.

mod read;
mod restore;
mod write;

pub(crate) use read::{BadBackup, check};
pub(crate) use restore::{RestoreError, Restored, restore};
pub(crate) use write::write;

use plico_protocol::mac::sha256;

/// How a backup begins. No answer on the operator's socket begins with its first byte.
pub(crate) const HEADING: &[u8] = b"plico-relay-backup 1\n";

/// The digests of one file, each over the one before.
struct Chain([u8; 32]);

impl Chain {
    fn new() -> Self {
        Self(sha256(&[HEADING]))
    }

    fn next(&mut self, bytes: &[u8]) -> [u8; 32] {
        self.0 = sha256(&[&self.0, bytes]);
        self.0
    }
}

/// Rows read from the store for one page: two megabytes where each is the largest envelope.
const PAGE_ROWS: usize = 32;
/// The most a page may claim to hold, so that a damaged file does not claim the memory.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::write::BackupError;
    use super::*;
    use crate::store::{Change, Disk, Memory, Store, Table};

    fn backup(store: &dyn Store) -> Vec<u8> {
        let mut file = Vec::new();
        let rows = write(store, |bytes| {
            file.extend_from_slice(&bytes);
            true
        });
        rows.unwrap();
        file
    }

    fn filled() -> Memory {
        let store = Memory::open(&Disk::default()).unwrap();
        let rows =
            (0_u8..100).map(|n| Change::put(Table::Envelopes, [0, n], vec![n; usize::from(n)]));
        let other = [Change::put(Table::Revocations, [7; 8], Vec::new())];
        store.commit(&rows.chain(other).collect::<Vec<_>>()).unwrap();
        store
    }

    #[test]
    fn every_row_is_in_the_file_and_reads_back() {
        let file = backup(&filled());
        let mut rows = Vec::new();
        let counted = check(&mut file.as_slice(), |row| {
            rows.push((row.table, row.key.to_vec(), row.value.to_vec()));
            Ok::<(), BadBackup>(())
        });
        // And the store's own mark of its version.
        assert_eq!((counted.unwrap(), rows.len()), (102, 102));
        assert!(rows.contains(&(Table::Envelopes, vec![0, 99], vec![99; 99])));
        assert!(rows.contains(&(Table::Revocations, vec![7; 8], Vec::new())));
    }

    #[test]
    fn a_file_cut_anywhere_or_changed_anywhere_is_no_backup() {
        let file = backup(&filled());
        let read = |mut bytes: &[u8]| check(&mut bytes, |_| Ok::<(), BadBackup>(()));
        assert!(read(&file).is_ok());
        for end in 0..file.len() {
            assert!(read(&file[..end]).is_err(), "cut at {end}");
        }
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(read(&changed).is_err(), "changed at {at}");
        }
        assert!(read(&[file.as_slice(), b"x"].concat()).is_err(), "followed by more");
    }

    #[test]
    fn a_backup_that_nobody_takes_any_more_ends() {
        let mut pages = 0;
        let ended = write(&filled(), |_| {
            pages += 1;
            pages < 2
        });
        assert!(matches!(ended, Err(BackupError::Unheard)));
        assert_eq!(pages, 2);
    }
}
