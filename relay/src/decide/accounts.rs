//! Accounts that entries are appended to, open: as the last commits left them, so that the next one that
//! charges an account does not read, open and decode its rows again; and as a batch changes them, sealed
//! once for all that it appends.

use std::collections::BTreeMap;

use plico_protocol::id::AccountKey;
use plico_protocol::ledger::Entry;

use crate::ledger::{AccountRow, EntriesRow};
use crate::rows::RowName;

/// An account, the row that its next entry goes to, and the names of both.
#[derive(Clone, Debug)]
pub(crate) struct OpenAccount {
    pub(super) name: RowName,
    pub(super) entries: RowName,
    pub(super) row: AccountRow,
    pub(super) newest: EntriesRow,
}

/// An account as a batch leaves it.
#[derive(Debug)]
pub(super) struct ChangedAccount {
    pub(super) open: OpenAccount,
    /// Whether its own row is written: it does not follow from the row on disk and the entries since.
    pub(super) is_written: bool,
    /// Whether the newest row of entries is.
    pub(super) is_grown: bool,
}

/// What is kept from commit to commit. Only what is known to be on disk.
#[derive(Debug, Default)]
pub(crate) struct Kept(BTreeMap<AccountKey, OpenAccount>);

impl ChangedAccount {
    pub(super) fn new(open: OpenAccount) -> Self {
        Self { open, is_written: false, is_grown: false }
    }

    /// Appends an entry, and gives the row that it fills.
    pub(super) fn append(&mut self, entry: Entry) -> Option<EntriesRow> {
        let newest = &mut self.open.newest;
        newest.0.push(entry);
        self.is_grown = newest.has_room();
        (!self.is_grown).then(|| core::mem::take(newest))
    }
}

impl Kept {
    /// An account, if it is kept.
    pub(super) fn get(&self, account: &AccountKey) -> Option<&OpenAccount> {
        self.0.get(account)
    }

    /// Takes in what a commit changed, once it is on disk. Where more accounts are charged in turn than
    /// there is room for, all are read again.
    pub(crate) fn extend(&mut self, changed: Vec<OpenAccount>) {
        for open in changed {
            let account = open.row.account;
            if ACCOUNTS_MAX <= self.0.len() && !self.0.contains_key(&account) {
                self.0.clear();
            }
            self.0.insert(account, open);
        }
    }
}

/// Each takes 4 KB at most.
const ACCOUNTS_MAX: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_accounts_are_kept_as_there_is_room_for() {
        let account = |number: usize| {
            let mut key = [0; AccountKey::BYTES];
            key[..8].copy_from_slice(&number.to_be_bytes());
            AccountKey::new(key)
        };
        let open = |number, paid| {
            let mut row = AccountRow::new(account(number));
            row.paid.0 = paid;
            let (name, newest) = (RowName::new([0; 16]), EntriesRow::default());
            OpenAccount { name, entries: name, row, newest }
        };
        let mut kept = Kept::default();
        kept.extend((0..ACCOUNTS_MAX).map(|number| open(number, 1)).collect());
        kept.extend(vec![open(0, 7)]);
        let paid = |kept: &Kept, number| kept.get(&account(number)).map(|open| open.row.paid.0);
        assert_eq!([0, 1].map(|number| paid(&kept, number)), [Some(7), Some(1)]);
        kept.extend(vec![open(ACCOUNTS_MAX, 8)]);
        assert_eq!([0, ACCOUNTS_MAX].map(|number| paid(&kept, number)), [None, Some(8)]);
    }
}
