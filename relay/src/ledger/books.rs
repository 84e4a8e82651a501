//! The trees of one batch: what was appended, and the proofs and heads that follow from all of it.

use std::collections::{BTreeMap, btree_map};

use plico_protocol::id::AccountKey;
use plico_protocol::ledger::{Entry, Generation, Growth, HeadBody, Proof, Subtree, TreeHash};
use plico_protocol::time::Hour;

use crate::ledger::{AccountRow, ROW_LEVELS, TILE_LEVELS};
use crate::rows::RowName;

/// The accounts whose trees a batch touched.
pub(crate) struct Books {
    generation: Generation,
    open: BTreeMap<AccountKey, Book>,
}

struct Book {
    /// Of the rows of its entries.
    name: RowName,
    growth: Growth,
    /// Whether a receipt names its head.
    is_shown: bool,
}

impl Books {
    /// Nothing is touched yet. Heads are of this generation.
    pub(crate) fn new(generation: Generation) -> Self {
        Self { generation, open: BTreeMap::new() }
    }

    /// Opens the book of an account, if it is not open yet: `row` gives the account as it was before its
    /// first entry of the batch, and the name of the rows of its entries.
    ///
    /// # Errors
    ///
    /// What `row` fails with.
    pub(crate) fn open<E>(
        &mut self,
        account: &AccountKey,
        row: impl FnOnce() -> Result<(AccountRow, RowName), E>,
    ) -> Result<(), E> {
        if let btree_map::Entry::Vacant(vacant) = self.open.entry(*account) {
            let (row, name) = row()?;
            vacant.insert(Book { name, growth: Growth::new(row.tree), is_shown: false });
        }
        Ok(())
    }

    /// Takes an entry into an open book, and gives the name of the account's entries; `tile` is given
    /// every subtree that is to be stored.
    pub(crate) fn push(
        &mut self,
        account: &AccountKey,
        entry: &Entry,
        mut tile: impl FnMut(Subtree, &TreeHash),
    ) -> Option<RowName> {
        let book = self.open.get_mut(account)?;
        book.growth.push(entry.hash(), |subtree, hash| {
            if 0 < subtree.level && subtree.level.is_multiple_of(TILE_LEVELS) {
                tile(subtree, hash);
            }
        });
        Some(book.name)
    }

    /// What joins an entry to the root, once the batch is whole: an entry of this batch, or of an
    /// earlier one, whose neighbours `stored` looks up. None for one that is not in an open book.
    ///
    /// # Errors
    ///
    /// What `stored` fails with.
    pub(crate) fn path<E>(
        &mut self,
        account: &AccountKey,
        entry: &Entry,
        mut stored: impl FnMut(Subtree) -> Result<TreeHash, E>,
    ) -> Result<Option<Proof>, E> {
        let Some(book) = self.open.get_mut(account) else { return Ok(None) };
        book.is_shown = true;
        let (index, size) = (entry.sequence.0, book.growth.frontier().size());
        match book.growth.inclusion(index) {
            Some(path) => Ok(Some(path)),
            None => Proof::inclusion(index, size, |subtree| hash_of(subtree, &mut stored)),
        }
    }

    /// The heads of the books of which a path was asked for, to be signed once for each.
    pub(crate) fn heads(&mut self, hour: Hour) -> Vec<HeadBody> {
        let generation = self.generation;
        let shown = self.open.iter_mut().filter(|(_, book)| book.is_shown);
        let head = |(account, book): (&AccountKey, &mut Book)| {
            let (size, root) = (book.growth.frontier().size(), book.growth.root());
            HeadBody { account: *account, generation, size, root, hour }
        };
        shown.map(head).collect()
    }
}

/// What a complete subtree hashes to, from those that are stored: each that is in one row of entries, and
/// every eighth level.
///
/// # Errors
///
/// What `stored` fails with.
pub(crate) fn hash_of<E>(
    subtree: Subtree,
    stored: &mut impl FnMut(Subtree) -> Result<TreeHash, E>,
) -> Result<TreeHash, E> {
    let between = ROW_LEVELS < subtree.level && !subtree.level.is_multiple_of(TILE_LEVELS);
    match subtree.halves().filter(|_| between) {
        Some((left, right)) => {
            Ok(TreeHash::node(&hash_of(left, stored)?, &hash_of(right, stored)?))
        }
        None => stored(subtree),
    }
}
