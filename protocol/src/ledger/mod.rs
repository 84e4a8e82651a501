//! What a business owes, so that both sides can check it. SPEC.md §14.
//!
//! An account's ledger is a list of entries that are written once, in a Merkle tree of its own. The
//! relay signs the tree's head with each commit, and answers a message that costs something with a
//! receipt: the entry, joined to that head. A business that keeps its receipts and its last head
//! notices every entry that is altered, left out, or charged twice.

mod entry;
mod growth;
mod head;
mod key;
mod statement;
#[cfg(test)]
mod tests;
mod tree;
mod verify;

pub use entry::{Amount, Entry, EntryKind, EntryReason, EntrySequence, Generation, Message, Rate};
pub use growth::{Grown, Growth};
pub use head::{BadHead, Head, HeadBody, Receipt, VerifiedHead};
pub use key::{BadLedgerKey, LedgerKeyBody, LedgerKeyCertificate, VerifiedLedgerKey};
pub use statement::{Period, Statement, TooMuch, Total, TotalKey, Totals, totals};
pub use tree::{BadProof, Frontier, PROOF_HASHES_MAX, Proof, Subtree, TreeHash};
pub use verify::{Books, Disagreement, Kept, Verified, verify};
