//! ledger.json: the ledger key, entries, proofs, heads and receipts.

use plico_protocol::id::{AccountKey, AuthorityKey, LedgerKey};
use plico_protocol::ledger::{
    Entry, LedgerKeyBody, LedgerKeyCertificate, Proof, Receipt, TreeHash, VerifiedLedgerKey,
};
use plico_protocol::signature::AuthoritySecret;
use plico_protocol::time::Hour;
use plico_protocol::wire::Wire;

use super::{Case, Vectors, list, unhex};

#[test]
fn ledgers_are_checked_as_specified() {
    Vectors::read("ledger").check(|kind, case| match kind {
        "LedgerKey" => certified(case).is_some(),
        "Entry" => entry(case).is_some(),
        "Inclusion" => inclusion(case).is_some(),
        "Consistency" => consistency(case).is_some(),
        "Receipt" => receipt(case).is_some(),
        other => panic!("a new kind of group: {other}"),
    });
}

/// A ledger key that some authority certified for these hours.
pub(super) fn ledger_key(key: [u8; 32], valid_from: Hour, valid_to: Hour) -> VerifiedLedgerKey {
    let body = LedgerKeyBody { key: LedgerKey::new(key), valid_from, valid_to };
    body.sign(&AuthoritySecret::from_seed(&[1; 32])).unwrap()
}

fn certified(case: Case<'_>) -> Option<()> {
    let certificate = LedgerKeyCertificate::decode(case.bytes("ledgerKey")).ok()?;
    assert_eq!(certificate.encode(), case.bytes("ledgerKey"), "{case}");
    let key = certificate.verify(&AuthorityKey::new(case.array("authority"))).ok()?;
    assert_eq!(key.key().as_bytes(), &case.array("key"), "{case}");
    Some(())
}

fn entry(case: Case<'_>) -> Option<()> {
    let entry = Entry::decode(case.bytes("entry")).ok()?;
    assert_eq!(entry.encode(), case.bytes("entry"), "{case}");
    Some(())
}

fn proof(case: Case<'_>) -> Proof {
    let nodes = list(&case.test["proof"]);
    let count = u32::try_from(nodes.len()).unwrap().to_be_bytes().to_vec();
    let nodes = nodes.iter().map(unhex);
    Proof::decode([count].into_iter().chain(nodes).flatten().collect::<Vec<u8>>()).unwrap()
}

fn root(case: Case<'_>, field: &str) -> TreeHash {
    TreeHash::new(case.array(field))
}

fn inclusion(case: Case<'_>) -> Option<()> {
    let (leaf, root) = (TreeHash::leaf(&case.bytes("entry")), root(case, "root"));
    proof(case).verify_inclusion(leaf, case.number("index"), case.number("size"), &root).ok()
}

fn consistency(case: Case<'_>) -> Option<()> {
    let (old, new) = (root(case, "earlierRoot"), root(case, "root"));
    let (old_size, size) = (case.number("earlierSize"), case.number("size"));
    proof(case).verify_consistency((old_size, &old), (size, &new)).ok()
}

fn receipt(case: Case<'_>) -> Option<()> {
    let receipt = Receipt::decode(case.bytes("receipt")).ok()?;
    assert_eq!(receipt.encode(), case.bytes("receipt"), "{case}");
    let hours = [case.u32("validFrom"), case.u32("validTo")].map(Hour);
    let key = ledger_key(case.array("key"), hours[0], hours[1]);
    receipt.verify(&AccountKey::new(case.array("account")), &key).ok()?;
    Some(())
}
