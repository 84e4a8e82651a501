//! Reading a backup file, believing nothing before its digest.

use std::io::{ErrorKind, Read};

use bytes::{Buf, Bytes};

use super::{Chain, HEADING, PAGE_BYTES_MAX};
use crate::store::Table;

/// Why a file is no backup.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadBackup {
    /// Something else, or of another version.
    #[error("it does not begin as a backup of this version does")]
    Heading,
    /// It ends before its end.
    #[error("it is cut short")]
    Short,
    /// It goes on after its end.
    #[error("more follows after its end")]
    Long,
    /// A digest does not fit.
    #[error("it is damaged: a digest does not fit what was read")]
    Digest,
    /// What the digest covers is no row.
    #[error(
        "it holds a row that this version does not know; restore it with the release that wrote it"
    )]
    Row,
    /// The operating system's word.
    #[error("it cannot be read: {0}")]
    Io(std::io::Error),
}

/// A row of a backup.
pub(crate) struct Row {
    pub(crate) table: Table,
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
}

/// Reads a backup to its end and calls `each` with every row of every page whose digest fits; gives
/// the number of rows. What `each` was given is of a whole file only once this returns.
pub(crate) fn check<E: From<BadBackup>>(
    file: &mut impl Read,
    mut each: impl FnMut(Row) -> Result<(), E>,
) -> Result<u64, E> {
    if *take(file, HEADING.len())? != *HEADING {
        return Err(BadBackup::Heading.into());
    }
    let mut chain = Chain::new();
    let mut rows: u64 = 0;
    loop {
        let bytes = page(file, &mut chain)?;
        let Some(bytes) = bytes else { break };
        let mut bytes = Bytes::from(bytes);
        while !bytes.is_empty() {
            each(row(&mut bytes).ok_or(BadBackup::Row)?)?;
            rows = rows.saturating_add(1);
        }
    }
    let count = take(file, 8)?;
    if *take(file, 32)? != chain.next(&count) || *count != rows.to_be_bytes() {
        return Err(BadBackup::Digest.into());
    }
    match file.read(&mut [0]) {
        Ok(0) => Ok(rows),
        Ok(_) => Err(BadBackup::Long.into()),
        Err(error) => Err(BadBackup::Io(error).into()),
    }
}

/// The rows of the next page, or none at the end.
fn page(file: &mut impl Read, chain: &mut Chain) -> Result<Option<Vec<u8>>, BadBackup> {
    let length = take(file, 4)?;
    let length = length.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    match length {
        0 => return Ok(None),
        1..=PAGE_BYTES_MAX => (),
        _ => return Err(BadBackup::Digest),
    }
    let rows = take(file, length)?;
    match *take(file, 32)? == chain.next(&rows) {
        true => Ok(Some(rows)),
        false => Err(BadBackup::Digest),
    }
}

fn row(bytes: &mut Bytes) -> Option<Row> {
    let byte = *bytes.first()?;
    bytes.advance(1);
    let table = Table::ALL.iter().copied().find(|table| table.byte() == byte)?;
    Some(Row { table, key: sized(bytes)?, value: sized(bytes)? })
}

fn sized(bytes: &mut Bytes) -> Option<Bytes> {
    let length = bytes.try_get_u32().ok()?;
    let length = usize::try_from(length).ok().filter(|length| *length <= bytes.len())?;
    Some(bytes.split_to(length))
}

fn take(file: &mut impl Read, bytes: usize) -> Result<Vec<u8>, BadBackup> {
    let mut taken = vec![0; bytes];
    match file.read_exact(&mut taken) {
        Ok(()) => Ok(taken),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(BadBackup::Short),
        Err(error) => Err(BadBackup::Io(error)),
    }
}
