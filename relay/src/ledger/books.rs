//! What one batch appends to the ledgers of accounts, and the proofs and heads that follow from all of it.

use std::collections::{BTreeMap, btree_map};

use plico_protocol::id::AccountKey;
use plico_protocol::ledger::{
    Entry, Frontier, Generation, Grown, Growth, HeadBody, Proof, Subtree, TreeHash,
};
use plico_protocol::time::Hour;

use crate::ledger::{ROW_LEVELS, TILE_LEVELS};

/// The accounts to which a batch appends.
#[derive(Default)]
pub(crate) struct Books(BTreeMap<AccountKey, Book>);

struct Book {
    before: Frontier,
    entries: Vec<Entry>,
    /// Whether a receipt names its head.
    is_shown: bool,
}

/// An account's tree as a batch leaves it, of which receipts are to be made. Nothing is hashed yet: that
/// is for whoever needs it.
pub(crate) struct Shown {
    pub(crate) account: AccountKey,
    before: Frontier,
    entries: Vec<Entry>,
}

/// What joins an entry to the root.
#[derive(Clone, Debug)]
pub(crate) enum Path {
    /// The tree as the batch leaves it proves the entry, which is new in it.
    New,
    /// An entry of an earlier batch.
    Known(Proof),
}

impl Books {
    /// Opens the book of an account, if it is not open yet: `before` gives its tree before its first entry
    /// of the batch.
    ///
    /// # Errors
    ///
    /// What `before` fails with.
    pub(crate) fn open<E>(
        &mut self,
        account: &AccountKey,
        before: impl FnOnce() -> Result<Frontier, E>,
    ) -> Result<(), E> {
        if let btree_map::Entry::Vacant(vacant) = self.0.entry(*account) {
            vacant.insert(Book { before: before()?, entries: Vec::new(), is_shown: false });
        }
        Ok(())
    }

    /// Takes an entry into an open book.
    pub(crate) fn push(&mut self, account: &AccountKey, entry: Entry) {
        if let Some(book) = self.0.get_mut(account) {
            book.entries.push(entry);
        }
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
    ) -> Result<Option<Path>, E> {
        let Some(book) = self.0.get_mut(account) else { return Ok(None) };
        book.is_shown = true;
        let (index, before) = (entry.sequence.0, book.before.size());
        if before <= index {
            return Ok(book.entries.contains(entry).then_some(Path::New));
        }
        let size = book.entries.last().map_or(before, |last| last.sequence.0 + 1);
        let path = Proof::inclusion(index, size, |subtree| hash_of(subtree, &mut stored))?;
        Ok(path.map(Path::Known))
    }

    /// The books of which a path was asked for.
    pub(crate) fn shown(self) -> impl Iterator<Item = Shown> {
        let shown = self.0.into_iter().filter(|(_, book)| book.is_shown);
        shown.map(|(account, Book { before, entries, .. })| Shown { account, before, entries })
    }
}

impl Shown {
    /// The tree, and what its head is to state.
    pub(crate) fn prove(&self, generation: Generation, hour: Hour) -> (Grown, HeadBody) {
        let mut growth = Growth::new(self.before.clone());
        self.entries.iter().for_each(|entry| growth.push(entry.hash()));
        let grown = growth.finish();
        let (size, root) = (grown.frontier().size(), grown.root());
        (grown, HeadBody { account: self.account, generation, size, root, hour })
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
