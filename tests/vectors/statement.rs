//! statement.json: what a business makes of statements, with what it kept.

use plico_protocol::id::AccountKey;
use plico_protocol::ledger::{
    Books, Entry, EntrySequence, Head, Kept, Receipt, Statement, VerifiedHead, verify,
};
use plico_protocol::time::Hour;
use plico_protocol::wire::Wire;
use serde_json::Value;

use super::ledger::ledger_key;
use super::sessions::group_array;
use super::{Case, Vectors, list, number, unhex};

#[test]
fn statements_are_checked_as_specified() {
    Vectors::read("statement").check(|_, case| stated(case).is_some());
}

fn stated(case: Case<'_>) -> Option<()> {
    let statement = Statement::decode(case.bytes("statement")).ok()?;
    assert_eq!(statement.encode(), case.bytes("statement"), "{case}");
    let verified = verify(&statement, &books(case)).ok()?;
    let ended = verified.ended.iter().map(|(accept, by)| vec![accept.0, by.0]);
    assert_eq!(serde_json::json!(ended.collect::<Vec<_>>()), case.test["ended"], "{case}");
    assert_eq!(verified.provisional, case.test["provisional"], "{case}");
    Some(())
}

/// What the business of a test kept.
fn books(case: Case<'_>) -> Books {
    let hour = |field: &str| Hour(u32::try_from(number(&case.group[field])).unwrap());
    let key = ledger_key(group_array(case.group, "key"), hour("validFrom"), hour("validTo"));
    let account = AccountKey::new(group_array(case.group, "account"));
    let kept = |row: &Value| {
        let receipt = Receipt::decode(unhex(&row["receipt"])).unwrap();
        receipt.verify(&account, &key).unwrap();
        Kept { receipt, ended: row["ended"].as_u64().map(EntrySequence) }
    };
    let receipts = list(&case.test["receipts"]).iter().map(kept);
    let receipts = receipts.map(|kept| (kept.receipt.entry.sequence, kept)).collect();
    let head = |bytes: Vec<u8>| -> VerifiedHead {
        Head::decode(bytes).unwrap().verify(&account, &key).unwrap()
    };
    let head = Some(case.bytes("lastHead")).filter(|bytes| !bytes.is_empty()).map(head);
    let read = list(&case.test["read"]).iter();
    let read = read.map(|entry| Entry::decode(unhex(entry)).unwrap()).collect();
    Books { account, keys: vec![key], receipts, head, read }
}
