//! The ledger as a whole: its tree, and what a statement's reader notices.

mod statement;
mod tree;

use super::*;
use crate::id::AccountKey;
use crate::signature::{AccountSecret, AuthoritySecret, LedgerSecret};
use crate::time::Hour;

fn account() -> AccountKey {
    AccountSecret::from_seed(&[3; 32]).public()
}

fn ledger_key() -> (LedgerSecret, VerifiedLedgerKey) {
    let secret = LedgerSecret::from_seed(&[1; 32]);
    let body = LedgerKeyBody { key: secret.public(), valid_from: Hour(0), valid_to: Hour(9_000) };
    (secret, body.sign(&AuthoritySecret::from_seed(&[2; 32])).unwrap())
}

fn head(frontier: &Frontier, generation: u32) -> VerifiedHead {
    let body = HeadBody {
        account: account(),
        generation: Generation(generation),
        size: frontier.size(),
        root: frontier.root(),
        hour: Hour(100),
    };
    body.sign(&ledger_key().0)
}
