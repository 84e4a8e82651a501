//! What a business owes, so that both sides can check it. SPEC.md §14.

mod key;

pub use key::{BadLedgerKey, LedgerKeyBody, LedgerKeyCertificate, VerifiedLedgerKey};
