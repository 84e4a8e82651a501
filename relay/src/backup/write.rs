//! Reading a store out, while the relay goes on.

use super::{Chain, HEADING, PAGE_ROWS};
use crate::store::{Entry, ReadError, Store, Table};

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// The store's word; closed where a full disk had it opened anew, which a reader must not delay.
    #[error("the store cannot be read out: {0}; try again")]
    Read(#[from] ReadError),
    /// Whoever asked for it is gone, or takes nothing.
    #[error("nobody takes the backup any more")]
    Unheard,
}

/// Hands out the backup of this moment in pieces of about a page, as long as `out` says that it
/// takes more; gives the number of rows. Commits go on beside it.
pub(crate) fn write(
    store: &dyn Store,
    mut out: impl FnMut(Vec<u8>) -> bool,
) -> Result<u64, BackupError> {
    let mut out = |bytes| if out(bytes) { Ok(()) } else { Err(BackupError::Unheard) };
    let reader = store.reader()?;
    let mut chain = Chain::new();
    let mut rows: u64 = 0;
    out(HEADING.to_vec())?;
    for table in Table::ALL {
        let mut from = Vec::new();
        loop {
            // A store that wants to open anew waits for this reader: then it has to go.
            drop(store.reader()?);
            let entries = reader.scan(*table, &[], &from, PAGE_ROWS)?;
            let Some(last) = entries.last() else { break };
            from = [&last.key, [0].as_slice()].concat();
            rows = rows.saturating_add(entries.len().try_into().unwrap_or(u64::MAX));
            out(page(*table, &entries, &mut chain))?;
        }
    }
    let count = rows.to_be_bytes();
    out([[0; 4].as_slice(), &count, &chain.next(&count)].concat())?;
    Ok(rows)
}

fn page(table: Table, entries: &[Entry], chain: &mut Chain) -> Vec<u8> {
    let mut rows = Vec::new();
    for Entry { key, value } in entries {
        rows.push(table.byte());
        for part in [key, value] {
            rows.extend_from_slice(&length(part));
            rows.extend_from_slice(part);
        }
    }
    [length(&rows).as_slice(), &rows, &chain.next(&rows)].concat()
}

/// A key has some dozens of bytes, a value 64 KiB at most, a page 32 of them.
fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()
}
