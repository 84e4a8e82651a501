//! The version of the tables, checked before anything else is read.

use crate::store::{Change, OpenError, Store, Table};

/// The version this program writes and reads.
pub const SCHEMA_VERSION: u32 = 8;

/// Refuses another version; stamps a new store with this one.
pub(super) fn check(store: &dyn Store) -> Result<(), OpenError> {
    let found = store.reader()?.get(Table::Meta, KEY)?;
    let Some(found) = found else {
        let version = SCHEMA_VERSION.to_be_bytes().to_vec();
        return Ok(store.commit(&[Change::put(Table::Meta, KEY, version)])?);
    };
    let found: [u8; 4] = found.as_ref().try_into().map_err(|_| OpenError::NotPlico)?;
    match u32::from_be_bytes(found) {
        SCHEMA_VERSION => Ok(()),
        found => Err(OpenError::Schema { found, expected: SCHEMA_VERSION }),
    }
}

const KEY: &[u8] = b"schema";
