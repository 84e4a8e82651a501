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
    /// What each of the frontier's subtrees hashes to with all on its right, the largest first: the
    /// same for every proof, so hashed once. Empty until it is asked for.
    right: Vec<TreeHash>,
}

impl Growth {
    /// Begins where `frontier` ends.
    pub fn new(frontier: Frontier) -> Self {
        let known = frontier.subtrees().map(|(subtree, hash)| (subtree, *hash)).collect();
        Self { frontier, known, right: Vec::new() }
    }

    /// Appends a leaf; `each` is given every complete subtree that ends with it, the leaf first.
    pub fn push(&mut self, leaf: TreeHash, mut each: impl FnMut(Subtree, &TreeHash)) {
        self.right.clear();
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

    /// The root of the tree as it is now.
    pub fn root(&mut self) -> TreeHash {
        self.right().first().copied().unwrap_or_else(|| self.frontier.root())
    }

    /// That a leaf appended here is in the tree as it is now; none for any other leaf.
    pub fn inclusion(&mut self, index: u64) -> Option<Proof> {
        self.right();
        let mut peaks = self.frontier.subtrees();
        let mut left = Vec::new();
        let (place, peak) = peaks.by_ref().enumerate().find_map(|(place, (peak, hash))| {
            let is_in = index >> peak.level == peak.index;
            left.extend((!is_in).then_some(*hash));
            is_in.then_some((place, peak))
        })?;
        let siblings = (0..peak.level).map(|level| Subtree { level, index: index >> level ^ 1 });
        let known = siblings.map(|sibling| self.known.get(&sibling).copied());
        let mut path = known.collect::<Option<Vec<_>>>()?;
        path.extend(self.right.get(place + 1));
        path.extend(left.iter().rev());
        self.known.contains_key(&Subtree::leaf(index)).then_some(Proof(path))
    }

    fn right(&mut self) -> &[TreeHash] {
        if self.right.is_empty() {
            let mut joined: Option<TreeHash> = None;
            for (_, hash) in self.frontier.subtrees().collect::<Vec<_>>().into_iter().rev() {
                let all = joined.map_or(*hash, |right| TreeHash::node(hash, &right));
                joined = Some(all);
                self.right.push(all);
            }
            self.right.reverse();
        }
        &self.right
    }
}
