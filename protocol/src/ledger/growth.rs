//! A tree together with the leaves of one commit: enough to prove each of them, without any that came
//! before.
//!
//! A new leaf's neighbours are new themselves or roots that the frontier has, so a receipt costs no
//! look-up.

use super::{Frontier, Proof, Subtree, TreeHash};

/// A frontier, and what is appended to it.
#[derive(Clone, Debug)]
pub struct Growth {
    before: Frontier,
    frontier: Frontier,
    /// Of each level the subtrees that are complete now and were not before, from left to right.
    new: Vec<Vec<TreeHash>>,
}

/// A tree that has grown, for proofs.
#[derive(Clone, Debug)]
pub struct Grown {
    growth: Growth,
    /// What each of the frontier's subtrees hashes to with all on its right, the largest first: the
    /// same for every proof.
    right: Vec<TreeHash>,
}

impl Growth {
    /// Begins where `frontier` ends.
    pub fn new(frontier: Frontier) -> Self {
        Self { before: frontier.clone(), frontier, new: Vec::new() }
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: TreeHash) {
        let Self { frontier, new, .. } = self;
        frontier.push(leaf, |subtree, hash| {
            let level = usize::from(subtree.level);
            if new.len() <= level {
                new.resize_with(level + 1, Vec::new);
            }
            if let Some(hashes) = new.get_mut(level) {
                hashes.push(*hash);
            }
        });
    }

    /// The tree as it is now.
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// The tree as it is now, for whoever proves what is in it.
    pub fn finish(self) -> Grown {
        let mut right: Vec<TreeHash> = Vec::with_capacity(self.frontier.peaks().len());
        for hash in self.frontier.peaks().iter().rev() {
            right.push(right.last().map_or(*hash, |all| TreeHash::node(hash, all)));
        }
        right.reverse();
        Grown { growth: self, right }
    }

    /// What is known of a complete subtree: it is new, or one that the tree before ended in.
    fn hash(&self, Subtree { level, index }: Subtree) -> Option<TreeHash> {
        let size = self.before.size();
        let before = size >> level;
        let Some(new) = index.checked_sub(before) else {
            // The last complete one of a level is among the peaks where the size has that bit.
            let is_peak = index + 1 == before && before & 1 == 1;
            let above = usize::try_from((before >> 1).count_ones()).ok()?;
            return self.before.peaks().get(above).copied().filter(|_| is_peak);
        };
        self.new.get(usize::from(level))?.get(usize::try_from(new).ok()?).copied()
    }
}

impl Grown {
    /// The tree.
    pub fn frontier(&self) -> &Frontier {
        &self.growth.frontier
    }

    /// Its root.
    pub fn root(&self) -> TreeHash {
        self.right.first().copied().unwrap_or_else(|| self.frontier().root())
    }

    /// That a leaf appended last is in the tree; none for any other leaf.
    pub fn inclusion(&self, index: u64) -> Option<Proof> {
        let Growth { before, frontier, .. } = &self.growth;
        if index < before.size() {
            return None;
        }
        let in_it = |(peak, _): &(Subtree, &TreeHash)| peak.leaves().contains(&index);
        let place = frontier.subtrees().position(|peak| in_it(&peak))?;
        let (peak, _) = frontier.subtrees().nth(place)?;
        let mut path = Vec::with_capacity(usize::from(peak.level) + place + 1);
        for level in 0..peak.level {
            path.push(self.growth.hash(Subtree { level, index: index >> level ^ 1 })?);
        }
        path.extend(self.right.get(place + 1));
        path.extend(frontier.peaks().iter().take(place).rev());
        Some(Proof(path))
    }
}
