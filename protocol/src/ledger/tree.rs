//! The Merkle tree over an account's entries, as Certificate Transparency has it.
//!
//! SPEC.md §14.3; RFC 6962 §2.1, in the words of RFC 9162 §2.1. A leaf is `SHA-256(0x00 || entry)`, an
//! inner node `SHA-256(0x01 || left || right)`. Whoever appends keeps only the [`Frontier`]; proofs are
//! made from complete subtrees, wherever they are kept.

use crate::mac::sha256;
use crate::opaque_bytes;
use crate::wire::{DecodeError, Reader, Wire, Writer};

opaque_bytes!(
    /// The hash of a subtree.
    TreeHash,
    32
);

/// A complete subtree: the `2^level` leaves from `index * 2^level` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subtree {
    /// 0 for a leaf.
    pub level: u8,
    /// Its place among those of its level.
    pub index: u64,
}

/// A tree as it is appended to: its size, and the roots of the complete subtrees it falls into, one
/// for each bit of the size, the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<TreeHash>,
}

/// The hashes that join a leaf, or an earlier tree, to a root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof(pub(super) Vec<TreeHash>);

/// A proof does not lead to the root it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not lead to the signed root")]
pub struct BadProof;

impl TreeHash {
    /// Of a leaf.
    pub fn leaf(bytes: &[u8]) -> Self {
        Self::new(sha256(&[&[0], bytes]))
    }

    /// Of an inner node.
    pub fn node(left: &Self, right: &Self) -> Self {
        Self::new(sha256(&[&[1], left.as_bytes(), right.as_bytes()]))
    }
}

impl Subtree {
    /// The leaf at `index`.
    pub const fn leaf(index: u64) -> Self {
        Self { level: 0, index }
    }

    /// The places of its leaves in the tree.
    pub const fn leaves(self) -> core::ops::Range<u64> {
        let start = self.index << self.level;
        start..start + (1 << self.level)
    }

    /// The two subtrees it consists of; none for a leaf.
    pub fn halves(self) -> Option<(Self, Self)> {
        let level = self.level.checked_sub(1)?;
        let left = Self { level, index: self.index << 1 };
        Some((left, Self { level, index: left.index | 1 }))
    }

    /// The complete subtrees that the leaves `from..to` fall into, from left to right. `from` must be
    /// a multiple of the largest power of two below `to - from`, as it is wherever a tree is split.
    fn of_range(from: u64, to: u64) -> impl Iterator<Item = Self> {
        let mut start = from;
        core::iter::from_fn(move || {
            let level = to.checked_sub(start)?.checked_ilog2()?;
            let subtree = Self { level: u8::try_from(level).ok()?, index: start >> level };
            start += 1 << level;
            Some(subtree)
        })
    }
}

impl Frontier {
    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of the complete subtrees, the largest first.
    pub(super) fn peaks(&self) -> &[TreeHash] {
        &self.peaks
    }

    /// The complete subtrees with their hashes, the largest first.
    pub fn subtrees(&self) -> impl Iterator<Item = (Subtree, &TreeHash)> {
        Subtree::of_range(0, self.size).zip(&self.peaks)
    }

    /// Appends a leaf, and gives `each` complete subtree that ends with it, the leaf first.
    pub fn push(&mut self, leaf: TreeHash, mut each: impl FnMut(Subtree, &TreeHash)) {
        let mut subtree = Subtree::leaf(self.size);
        let mut hash = leaf;
        each(subtree, &hash);
        // As many subtrees are completed as the size ends in ones (RFC 9162 §2.1.2).
        while subtree.index & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = TreeHash::node(&left, &hash);
            subtree = Subtree { level: subtree.level + 1, index: subtree.index >> 1 };
            each(subtree, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root: of no leaves the hash of nothing.
    pub fn root(&self) -> TreeHash {
        join(self.peaks.iter().copied()).unwrap_or_else(|| TreeHash::new(sha256(&[])))
    }
}

impl Proof {
    /// The hashes, as RFC 9162 orders them.
    pub fn hashes(&self) -> &[TreeHash] {
        &self.0
    }

    /// That leaf `index` is in the tree of the first `size` leaves (RFC 9162 §2.1.3.1). `hash` gives
    /// what complete subtrees hash to; none where there is no such leaf.
    ///
    /// # Errors
    ///
    /// What `hash` fails with.
    pub fn inclusion<E>(
        index: u64,
        size: u64,
        mut hash: impl FnMut(Subtree) -> Result<TreeHash, E>,
    ) -> Result<Option<Self>, E> {
        if size <= index {
            return Ok(None);
        }
        let (mut from, mut to) = (0, size);
        let mut siblings = Vec::new();
        while let Some(middle) = split(from, to) {
            if index < middle {
                siblings.push(range(middle, to, &mut hash)?);
                to = middle;
            } else {
                siblings.push(range(from, middle, &mut hash)?);
                from = middle;
            }
        }
        siblings.reverse();
        Ok(Some(Self(siblings)))
    }

    /// That the first `old` of `size` leaves are those of an earlier tree (RFC 9162 §2.1.4.1); none if
    /// that was larger. Nothing need be proven of an empty tree or of the same.
    ///
    /// # Errors
    ///
    /// What `hash` fails with.
    pub fn consistency<E>(
        old: u64,
        size: u64,
        mut hash: impl FnMut(Subtree) -> Result<TreeHash, E>,
    ) -> Result<Option<Self>, E> {
        if size < old {
            return Ok(None);
        }
        let (mut from, mut to) = (0, size);
        let mut siblings = Vec::new();
        while 0 < old && old < to {
            let Some(middle) = split(from, to) else { break };
            if old <= middle {
                siblings.push(range(middle, to, &mut hash)?);
                to = middle;
            } else {
                siblings.push(range(from, middle, &mut hash)?);
                from = middle;
            }
        }
        // The earlier tree's last subtree: its holder knows it only if it is the whole tree.
        if 0 < from {
            siblings.push(range(from, to, &mut hash)?);
        }
        siblings.reverse();
        Ok(Some(Self(siblings)))
    }

    /// Checks that `leaf` is the leaf `index` of the tree with this root (RFC 9162 §2.1.3.2).
    ///
    /// # Errors
    ///
    /// [`BadProof`].
    pub fn verify_inclusion(
        &self,
        leaf: TreeHash,
        index: u64,
        size: u64,
        root: &TreeHash,
    ) -> Result<(), BadProof> {
        let mut last = size.checked_sub(1).filter(|last| index <= *last).ok_or(BadProof)?;
        let mut index = index;
        let mut hash = leaf;
        for sibling in &self.0 {
            if last == 0 {
                return Err(BadProof);
            }
            if index & 1 == 1 || index == last {
                hash = TreeHash::node(sibling, &hash);
                // Levels at which the rightmost node has no sibling.
                while index & 1 == 0 && index != 0 {
                    (index, last) = (index >> 1, last >> 1);
                }
            } else {
                hash = TreeHash::node(&hash, sibling);
            }
            (index, last) = (index >> 1, last >> 1);
        }
        if last == 0 && hash == *root { Ok(()) } else { Err(BadProof) }
    }

    /// Checks that the tree with root `new` begins with the leaves of the one with root `old`
    /// (RFC 9162 §2.1.4.2).
    ///
    /// # Errors
    ///
    /// [`BadProof`].
    pub fn verify_consistency(
        &self,
        (old_size, old): (u64, &TreeHash),
        (size, new): (u64, &TreeHash),
    ) -> Result<(), BadProof> {
        if old_size == 0 || old_size == size {
            let nothing = Frontier::default().root();
            let same = *old == if old_size == 0 { nothing } else { *new };
            return if same && self.0.is_empty() { Ok(()) } else { Err(BadProof) };
        }
        if size < old_size {
            return Err(BadProof);
        }
        let (mut index, mut last) = (old_size - 1, size - 1);
        let whole = index.trailing_ones();
        (index, last) = (index.unbounded_shr(whole), last.unbounded_shr(whole));
        let mut siblings = self.0.iter();
        // A complete earlier tree is itself the first node.
        let first = if old_size.is_power_of_two() { Some(old) } else { siblings.next() };
        let first = *first.ok_or(BadProof)?;
        let (mut from_old, mut from_new) = (first, first);
        for sibling in siblings {
            if last == 0 {
                return Err(BadProof);
            }
            if index & 1 == 1 || index == last {
                from_old = TreeHash::node(sibling, &from_old);
                from_new = TreeHash::node(sibling, &from_new);
                while index & 1 == 0 && index != 0 {
                    (index, last) = (index >> 1, last >> 1);
                }
            } else {
                from_new = TreeHash::node(&from_new, sibling);
            }
            (index, last) = (index >> 1, last >> 1);
        }
        if last == 0 && from_old == *old && from_new == *new { Ok(()) } else { Err(BadProof) }
    }
}

/// Where the tree over `from..to` is split: at the largest power of two below its size; nowhere if it
/// is a leaf.
fn split(from: u64, to: u64) -> Option<u64> {
    let level = (to - from).checked_sub(1)?.checked_ilog2()?;
    Some(from + (1 << level))
}

/// The hash of the tree over `from..to`.
fn range<E>(
    from: u64,
    to: u64,
    hash: &mut impl FnMut(Subtree) -> Result<TreeHash, E>,
) -> Result<TreeHash, E> {
    let hashes: Vec<_> = Subtree::of_range(from, to).map(hash).collect::<Result<_, E>>()?;
    Ok(join(hashes.into_iter()).unwrap_or(TreeHash::new([0; 32])))
}

/// Joins neighbouring subtrees, the largest first, into one.
fn join(peaks: impl DoubleEndedIterator<Item = TreeHash>) -> Option<TreeHash> {
    peaks.rev().reduce(|right, left| TreeHash::node(&left, &right))
}

impl Wire for Frontier {
    fn write(&self, out: &mut Writer) {
        let Self { size, peaks } = self;
        out.u64(*size);
        peaks.iter().for_each(|peak| peak.write(out));
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let size = reader.u64()?;
        let peaks =
            (0..size.count_ones()).map(|_| TreeHash::read(reader)).collect::<Result<_, _>>()?;
        Ok(Self { size, peaks })
    }
}

impl Wire for Proof {
    fn write(&self, out: &mut Writer) {
        out.count(self.0.len());
        self.0.iter().for_each(|hash| hash.write(out));
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let count = reader.count("proof", PROOF_HASHES_MAX)?;
        Ok(Self((0..count).map(|_| TreeHash::read(reader)).collect::<Result<_, _>>()?))
    }
}

/// A tree of 2^64 leaves has 64 levels; a consistency proof may name one node more.
pub const PROOF_HASHES_MAX: usize = 65;
