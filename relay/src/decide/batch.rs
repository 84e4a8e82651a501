//! The decisions of one commit: each sees the ones before it, and what they appended to ledgers is
//! signed once, when all of it is known.

use getrandom::rand_core::CryptoRng;
use plico_protocol::id::AccountKey;
use plico_protocol::ledger::{Entry, HeadBody, Proof, TreeHash};
use plico_protocol::refusal::Refusal;
use plico_protocol::time::Timestamp;

use crate::decide::{Decision, Effect, FactError, Facts, Written, busy};
use crate::ledger::Books;
use crate::store::Change;

/// A batch in the making.
pub(crate) struct Batch<'a> {
    facts: Facts<'a>,
    books: Books,
    effects: Vec<Effect>,
    now: Timestamp,
}

impl<'a> Batch<'a> {
    /// Nothing is decided yet.
    pub(crate) fn new(facts: Facts<'a>, now: Timestamp) -> Self {
        let books = Books::new(facts.generation);
        Self { facts, books, effects: Vec::new(), now }
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
        let Decision { changes, effects, appended, receipt: _ } = decision;
        for (account, _) in &appended {
            let facts = &mut self.facts;
            let opened = self.books.open(account, || facts.open_account(account));
            opened.map_err(FactError::into_refusal)?;
        }
        for (account, entry) in appended {
            let facts = &mut self.facts;
            let tile = |subtree, hash: &TreeHash| facts.tile(&account, subtree, hash);
            if let Some(name) = self.books.push(&account, &entry, tile) {
                self.facts.append(&name, entry);
            }
        }
        self.facts.apply(changes);
        self.effects.extend(effects);
        Ok(())
    }

    /// The receipt of an entry, but for its head. Only once every decision is taken in: the head is the
    /// commit's.
    ///
    /// # Errors
    ///
    /// The refusal of a request whose receipt cannot be made.
    pub(crate) fn receipt(
        &mut self,
        account: &AccountKey,
        entry: &Entry,
    ) -> Result<Proof, Refusal> {
        let facts = &self.facts;
        // What was reserved has a key to sign with and a tree to be in; only the neighbours of an entry
        // of an earlier commit have to be read.
        facts.ring.ledger().ok_or_else(busy)?;
        let row = || Ok((facts.account(account)?, facts.rows.entries(account)));
        let opened = self.books.open(account, row);
        opened.map_err(FactError::into_refusal)?;
        let path = self.books.path(account, entry, |subtree| facts.subtree(account, subtree));
        path.map_err(FactError::into_refusal)?.ok_or_else(busy)
    }

    /// The heads that the receipts asked for so far are to carry.
    pub(crate) fn heads(&mut self) -> Vec<HeadBody> {
        self.books.heads(self.now.hour())
    }

    /// Everything to be written, what of it is to be kept, and what follows once it is.
    pub(crate) fn finish(self, fresh: &mut dyn CryptoRng) -> (Vec<Change>, Written, Vec<Effect>) {
        let (changes, written) = self.facts.into_changes(fresh);
        (changes, written, self.effects)
    }
}
