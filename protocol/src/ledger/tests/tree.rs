//! The tree against an implementation that is not ours, and what heads and receipts prove.

use std::collections::BTreeMap;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::Sha256;

use super::{account, head, ledger_key};
use crate::ledger::entry::tests::accept;
use crate::ledger::*;
use crate::signature::AccountSecret;
use crate::time::Hour;
use crate::wire::Wire;

/// Every tree of up to so many leaves is compared: three levels past a byte's worth of tiles.
const SIZE_MAX: u64 = 300;

/// A tree that remembers all its subtrees.
#[derive(Default)]
struct Whole {
    frontier: Frontier,
    subtrees: BTreeMap<Subtree, TreeHash>,
    roots: Vec<TreeHash>,
    oracle: MemoryBackedTree<Sha256, Vec<u8>>,
}

impl Whole {
    fn of(size: u64) -> Self {
        let mut whole = Self::default();
        whole.roots.push(whole.frontier.root());
        for index in 0..size {
            whole.push(index);
        }
        whole
    }

    fn push(&mut self, index: u64) {
        let leaf = index.to_be_bytes().to_vec();
        let subtrees = &mut self.subtrees;
        self.frontier.push(TreeHash::leaf(&leaf), |subtree, hash| {
            assert_eq!(subtrees.insert(subtree, *hash), None, "{subtree:?} is completed once");
        });
        self.oracle.push(leaf);
        self.roots.push(self.frontier.root());
    }

    fn leaf(&self, index: u64) -> TreeHash {
        self.subtrees[&Subtree::leaf(index)]
    }

    fn root(&self, size: u64) -> TreeHash {
        self.roots[usize::try_from(size).unwrap()]
    }

    fn inclusion(&self, index: u64, size: u64) -> Proof {
        let hash = |subtree| self.subtrees.get(&subtree).copied().ok_or(subtree);
        Proof::inclusion(index, size, hash).unwrap().unwrap()
    }

    fn consistency(&self, old: u64, size: u64) -> Proof {
        let hash = |subtree| self.subtrees.get(&subtree).copied().ok_or(subtree);
        Proof::consistency(old, size, hash).unwrap().unwrap()
    }
}

fn bytes(proof: &Proof) -> Vec<u8> {
    proof.hashes().iter().flat_map(|hash| *hash.as_bytes()).collect()
}

#[test]
fn every_root_and_proof_is_the_oracles() {
    let mut whole = Whole::of(0);
    assert_eq!(whole.root(0).as_bytes(), &crate::mac::sha256(&[]));
    for size in 1..=SIZE_MAX {
        whole.push(size - 1);
        let root = whole.root(size);
        assert_eq!(root.as_bytes().as_slice(), whole.oracle.root().as_bytes().as_slice());
        // All pairs of sizes up to 80, then some at every distance.
        let step = if size <= 80 { 1 } else { 7 };
        for index in (0..size).step_by(step) {
            let ours = whole.inclusion(index, size);
            let theirs = whole.oracle.prove_inclusion(usize::try_from(index).unwrap());
            assert_eq!(bytes(&ours), theirs.as_bytes(), "leaf {index} of {size}");
            assert_eq!(ours.verify_inclusion(whole.leaf(index), index, size, &root), Ok(()));
        }
        for old in (1..size).step_by(step) {
            let ours = whole.consistency(old, size);
            let theirs = whole.oracle.prove_consistency(usize::try_from(size - old).unwrap());
            assert_eq!(bytes(&ours), theirs.as_bytes(), "{old} of {size}");
            let old_root = whole.root(old);
            assert_eq!(ours.verify_consistency((old, &old_root), (size, &root)), Ok(()));
        }
    }
}

#[test]
fn an_empty_tree_and_the_same_tree_need_no_proof_and_take_none() {
    let whole = Whole::of(9);
    let (empty, root) = (whole.root(0), whole.root(9));
    assert_eq!(whole.consistency(0, 9), Proof::default());
    assert_eq!(whole.consistency(9, 9), Proof::default());
    let none = Proof::default();
    assert_eq!(none.verify_consistency((0, &empty), (9, &root)), Ok(()));
    assert_eq!(none.verify_consistency((9, &root), (9, &root)), Ok(()));
    assert_eq!(none.verify_consistency((9, &empty), (9, &root)), Err(BadProof));
    assert_eq!(none.verify_consistency((8, &whole.root(8)), (9, &root)), Err(BadProof));
    let some = whole.consistency(8, 9);
    assert_eq!(some.verify_consistency((9, &root), (9, &root)), Err(BadProof));
}

#[test]
fn a_commits_leaves_are_proven_without_those_before() {
    for (before, new) in [(0, 0), (0, 1), (1, 1), (7, 2), (8, 5), (63, 70), (200, 60)] {
        let whole = Whole::of(before + new);
        let mut growth = Growth::new(Whole::of(before).frontier);
        for index in before..before + new {
            growth.push(whole.leaf(index));
        }
        let grown = growth.finish();
        assert_eq!(grown.root(), whole.root(before + new));
        for index in before..before + new {
            assert_eq!(grown.inclusion(index), Some(whole.inclusion(index, before + new)));
        }
        for index in (0..before).chain([before + new]) {
            assert_eq!(grown.inclusion(index), None);
        }
    }
}

#[test]
fn a_frontier_survives_its_encoding() {
    for size in 0..40 {
        let frontier = Whole::of(size).frontier;
        assert_eq!(Frontier::decode(frontier.encode()), Ok(frontier));
    }
}

proptest! {
    #[test]
    fn a_proof_proves_nothing_else(
        size in 2..SIZE_MAX,
        of in any::<u64>(),
        flip in any::<(usize, u8)>(),
        other in any::<u64>(),
    ) {
        let whole = Whole::of(size);
        let root = whole.root(size);
        let index = of % size;
        let path = whole.inclusion(index, size);
        let check = |path: &Proof, index| {
            path.verify_inclusion(whole.leaf(of % size), index, size, &root)
        };
        prop_assert!(check(&path, other).is_err() || other == index);
        let mut altered = path.encode();
        let at = 4 + flip.0 % (altered.len() - 4);
        altered[at] ^= flip.1 | 1;
        let altered = Proof::decode(altered).unwrap();
        prop_assert!(check(&altered, index).is_err());
        let old = 1 + of % (size - 1);
        let consistency = whole.consistency(old, size);
        let holds = |proof: &Proof, old_root: &TreeHash| {
            proof.verify_consistency((old, old_root), (size, &root)).is_ok()
        };
        prop_assert!(holds(&consistency, &whole.root(old)));
        prop_assert!(!holds(&consistency, &whole.root(old - 1)));
        let mut altered = consistency.encode();
        let at = 4 + flip.0 % (altered.len() - 4);
        altered[at] ^= flip.1 | 1;
        prop_assert!(!holds(&Proof::decode(altered).unwrap(), &whole.root(old)));
    }
}

fn receipt() -> Receipt {
    let mut growth = Growth::new(Frontier::default());
    for sequence in 0..5 {
        growth.push(accept(sequence, 100, 1).hash());
    }
    let head = *head(growth.frontier(), 0).head();
    Receipt { entry: accept(2, 100, 1), path: growth.finish().inclusion(2).unwrap(), head }
}

#[test]
fn a_receipt_holds_for_its_account_and_key_and_byte_for_byte() {
    let (_, key) = ledger_key();
    let bytes = receipt().encode();
    assert_eq!(
        Receipt::decode(bytes.clone()).unwrap().verify(&account(), &key).map(|_| ()),
        Ok(())
    );
    let other = AccountSecret::from_seed(&[4; 32]).public();
    assert_eq!(receipt().verify(&other, &key), Err(BadHead::OtherAccount));
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        let believed =
            Receipt::decode(bytes).is_ok_and(|receipt| receipt.verify(&account(), &key).is_ok());
        assert!(!believed, "byte {at}");
    }
}

#[test]
fn a_head_of_an_hour_its_key_does_not_cover_is_refused() {
    let (secret, key) = ledger_key();
    let body = HeadBody { hour: Hour(9_000), ..*head(&Frontier::default(), 0).body() };
    let refused = body.sign(&secret).head().verify(&account(), &key);
    assert_eq!(refused, Err(BadHead::Key(BadLedgerKey::NotValid)));
}

#[test]
fn heads_of_one_generation_must_be_joined_and_a_restore_begins_another() {
    let whole = Whole::of(9);
    let (old, new) = (head(&Whole::of(4).frontier, 0), head(&whole.frontier, 0));
    assert_eq!(old.precedes(&new, &whole.consistency(4, 9)), Ok(()));
    assert_eq!(old.precedes(&new, &whole.consistency(5, 9)), Err(BadProof));
    assert_eq!(new.precedes(&old, &Proof::default()), Err(BadProof), "entries were taken away");
    let restored = head(&Whole::of(4).frontier, 7);
    assert_eq!(new.precedes(&restored, &Proof::default()), Ok(()));
    assert_eq!(restored.precedes(&new, &Proof::default()), Err(BadProof), "an earlier generation");
}
