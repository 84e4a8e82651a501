//! A tree together with the leaves of one commit: enough to prove each of them, without any that came
//! before.
//!
//! A new leaf's neighbours are new themselves or roots that the frontier has, so a receipt costs no
//! look-up.

use std::collections::BTreeMap;

use super::{Frontier, Proof, Subtree, TreeHash};

/// A frontier, and what was appended to it.
#[derive(Clone, Debug)]
pub struct Growth {
    frontier: Frontier,
    known: BTreeMap<Subtree, TreeHash>,
}

impl Growth {
    /// Begins where `frontier` ends.
    pub fn new(frontier: Frontier) -> Self {
        let known = frontier.subtrees().map(|(subtree, hash)| (subtree, *hash)).collect();
        Self { frontier, known }
    }

    /// Appends a leaf; `each` is given every complete subtree that ends with it, the leaf first.
    pub fn push(&mut self, leaf: TreeHash, mut each: impl FnMut(Subtree, &TreeHash)) {
        let known = &mut self.known;
        self.frontier.push(leaf, |subtree, hash| {
            known.insert(subtree, *hash);
            each(subtree, hash);
        });
    }

    /// The tree as it is now.
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// The tree as it is now, for whoever appends later.
    pub fn into_frontier(self) -> Frontier {
        self.frontier
    }

    /// That a leaf appended here is in the tree as it is now; none for any other leaf.
    pub fn inclusion(&self, index: u64) -> Option<Proof> {
        let hash = |subtree| self.known.get(&subtree).copied().ok_or(());
        Proof::inclusion(index, self.frontier.size(), hash).ok().flatten()
    }
}
