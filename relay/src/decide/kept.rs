//! Rows of accounts as the last commits left them, open, so that the next commit that charges one does not
//! read, open and decode them again: its balance with its tree, and the row that its next entry goes to.

use std::collections::BTreeMap;

use crate::decide::facts::Value;
use crate::ledger::{AccountRow, EntriesRow};
use crate::store::Table;

/// What is kept, by the rows' keys. Only what is known to be on disk.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    accounts: BTreeMap<Vec<u8>, Box<AccountRow>>,
    /// Rows with room.
    entries: BTreeMap<Vec<u8>, EntriesRow>,
}

/// Rows that a batch writes, open.
#[derive(Debug, Default)]
pub(crate) struct Written(Vec<(Vec<u8>, Value)>);

impl Kept {
    /// A row, if it is kept.
    pub(super) fn get(&self, table: Table, key: &[u8]) -> Option<Value> {
        match table {
            Table::Accounts => {
                self.accounts.get(key).cloned().map(|row| Value::Account { row, is_written: false })
            }
            Table::Entries => self.entries.get(key).cloned().map(Value::Entries),
            _ => None,
        }
    }

    /// Takes in what a commit wrote, once it is on disk.
    pub(crate) fn extend(&mut self, Written(rows): Written) {
        for (key, row) in rows {
            match row {
                Value::Account { row, .. } => insert(&mut self.accounts, key, row),
                Value::Entries(row) if row.has_room() => insert(&mut self.entries, key, row),
                Value::Entries(_) => _ = self.entries.remove(&key),
                Value::Stored(_) | Value::Open(_) => (),
            }
        }
    }
}

impl Written {
    /// Notes a row, if it is of a kind that is kept.
    pub(super) fn note(&mut self, key: &[u8], row: Option<Value>) {
        if let Some(row @ (Value::Account { .. } | Value::Entries(_))) = row {
            self.0.push((key.to_vec(), row));
        }
    }
}

/// Where more accounts are charged in turn than there is room for, all are read again.
fn insert<T>(rows: &mut BTreeMap<Vec<u8>, T>, key: Vec<u8>, row: T) {
    if ROWS_MAX <= rows.len() && !rows.contains_key(&key) {
        rows.clear();
    }
    rows.insert(key, row);
}

/// Of each kind; a row takes 2 KB at most.
const ROWS_MAX: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_rows_are_kept_as_there_is_room_for() {
        let mut rows = BTreeMap::new();
        for number in 0..ROWS_MAX {
            insert(&mut rows, number.to_be_bytes().to_vec(), number);
        }
        insert(&mut rows, vec![0; 8], 7);
        assert_eq!((rows.len(), rows.get(&[0; 8][..])), (ROWS_MAX, Some(&7)));
        insert(&mut rows, vec![1; 8], 8);
        assert_eq!(rows.into_values().collect::<Vec<_>>(), [8]);
    }
}
