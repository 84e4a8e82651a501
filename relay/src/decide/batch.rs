//! The decisions of one commit: each sees the ones before it, and what they appended to ledgers is
//! signed once, when all of it is known.

use getrandom::rand_core::CryptoRng;
use plico_protocol::id::AccountKey;
use plico_protocol::ledger::Entry;
use plico_protocol::refusal::Refusal;

use crate::decide::{AccountChange, Decision, Effect, FactError, Facts, OpenAccount, busy};
use crate::ledger::{Books, Path, Shown};
use crate::store::Change;

/// A batch in the making.
pub(crate) struct Batch<'a> {
    facts: Facts<'a>,
    books: Books,
    effects: Vec<Effect>,
}

/// What a batch comes to.
pub(crate) struct Finished {
    /// Everything to be written.
    pub(crate) changes: Vec<Change>,
    /// The accounts it changes, to be kept once it is on disk.
    pub(crate) kept: Vec<OpenAccount>,
    /// What follows then.
    pub(crate) effects: Vec<Effect>,
    /// The trees that receipts were asked of.
    pub(crate) shown: Vec<Shown>,
}

impl<'a> Batch<'a> {
    /// Nothing is decided yet.
    pub(crate) fn new(facts: Facts<'a>) -> Self {
        Self { facts, books: Books::default(), effects: Vec::new() }
    }

    /// What the next decision is made on.
    pub(crate) fn facts(&self) -> &Facts<'a> {
        &self.facts
    }

    /// Takes a decision in, whole or not at all.
    ///
    /// # Errors
    ///
    /// The refusal of a request whose account cannot be read.
    pub(crate) fn take(&mut self, decision: Decision) -> Result<(), Refusal> {
        debug_assert!(decision.keeps_apart(), "the end of an envelope changes an account's rows");
        let Decision { changes, accounts, effects, appended, receipt: _ } = decision;
        for AccountChange { row, .. } in &accounts {
            self.facts.open_account(&row.account).map_err(FactError::into_refusal)?;
        }
        for (account, entry) in appended {
            let facts = &self.facts;
            let opened = self.books.open(&account, || Ok(facts.account(&account)?.tree));
            opened.map_err(FactError::into_refusal)?;
            self.books.push(&account, entry);
            self.facts.append(&account, entry);
        }
        accounts.into_iter().for_each(|account| self.facts.put_account(account));
        self.facts.apply(changes);
        self.effects.extend(effects);
        Ok(())
    }

    /// What the receipt of an entry is to hold. Only once every decision is taken in: the head is the
    /// commit's.
    ///
    /// # Errors
    ///
    /// The refusal of a request whose receipt cannot be made.
    pub(crate) fn receipt(&mut self, account: &AccountKey, entry: &Entry) -> Result<Path, Refusal> {
        let facts = &self.facts;
        // What was reserved has a key to sign with and a tree to be in; only the neighbours of an entry
        // of an earlier commit have to be read.
        facts.ring.ledger().ok_or_else(busy)?;
        let opened = self.books.open(account, || Ok(facts.account(account)?.tree));
        opened.map_err(FactError::into_refusal)?;
        let path = self.books.path(account, entry, |subtree| facts.subtree(account, subtree));
        path.map_err(FactError::into_refusal)?.ok_or_else(busy)
    }

    /// Everything that comes of it.
    pub(crate) fn finish(self, fresh: &mut dyn CryptoRng) -> Finished {
        let Self { facts, books, effects } = self;
        let (changes, kept) = facts.into_changes(fresh);
        Finished { changes, kept, effects, shown: books.shown().collect() }
    }
}
