//! Ledger keys, receipts, proofs, rate cards and statements.

use plico_protocol::id::{AccountKey, AuthorityKey, LedgerKey};
use plico_protocol::ledger::{
    Books, Entry, EntrySequence, Head, Kept, LedgerKeyBody, LedgerKeyCertificate, Proof, Receipt,
    Statement, TreeHash, VerifiedLedgerKey, verify,
};
use plico_protocol::pricing::SignedRateCard;
use plico_protocol::signature::AuthoritySecret;
use plico_protocol::time::Hour;
use plico_protocol::wire::{Wire, Writer};
use serde_json::Value;

use super::Honest;
use super::signed::sized;
use crate::vectors::{Case, array, number, unhex, valid};

pub(super) fn honest() -> impl Iterator<Item = Honest> {
    let of = |file, kind, honest: fn(Case) -> Honest| valid(file, kind).into_iter().map(honest);
    of("ledger", "LedgerKey", ledger_key)
        .chain(of("ledger", "Inclusion", inclusion))
        .chain(of("ledger", "Consistency", consistency))
        .chain(of("ledger", "Receipt", receipt))
        .chain(of("pricing", "RateCard", rate_card))
        .chain(of("statement", "Statement", statement))
}

/// The key that `holder` names, certified by some authority.
fn certified(holder: &Value) -> VerifiedLedgerKey {
    let body = LedgerKeyBody {
        key: LedgerKey::new(array(&holder["key"])),
        valid_from: Hour(number(&holder["validFrom"])),
        valid_to: Hour(number(&holder["validTo"])),
    };
    body.sign(&AuthoritySecret::from_seed(&[1; 32])).unwrap()
}

fn ledger_key(case: Case) -> Honest {
    let authority = AuthorityKey::new(case.array("authority"));
    let takes = move |object: &[u8], _: &[u8]| {
        let read = LedgerKeyCertificate::decode(object.to_vec());
        read.is_ok_and(|certificate| certificate.verify(&authority).is_ok())
    };
    Honest::new(case.bytes("ledgerKey"), Vec::new(), takes)
}

fn hashes(case: &Case) -> Vec<u8> {
    let nodes = case.test["proof"].as_array().unwrap();
    let mut out = Writer::default();
    out.count(nodes.len());
    nodes.iter().for_each(|node| out.bytes(&array::<32>(node)));
    out.into_vec()
}

/// The entry and its proof. Its place and the size are no part of what is signed: RFC 9162 does not
/// promise that another size refuses the same proof.
fn inclusion(case: Case) -> Honest {
    let root = TreeHash::new(case.array("root"));
    let entry = case.bytes("entry");
    let length = entry.len();
    let place = ["index", "size"].map(|field| case.test[field].as_u64().unwrap());
    let takes = move |object: &[u8], _: &[u8]| {
        let Some((entry, proof)) = object.split_at_checked(length) else { return false };
        let Ok(proof) = Proof::decode(proof.to_vec()) else { return false };
        proof.verify_inclusion(TreeHash::leaf(entry), place[0], place[1], &root).is_ok()
    };
    Honest::new([entry, hashes(&case)].concat(), Vec::new(), takes)
}

fn consistency(case: Case) -> Honest {
    let sizes = ["earlierSize", "size"].map(|field| case.test[field].as_u64().unwrap());
    let object = ["earlierRoot", "root"].map(|field| case.bytes(field)).concat();
    let takes = move |object: &[u8], _: &[u8]| {
        let Some((earlier, rest)) = object.split_first_chunk() else { return false };
        let Some((root, proof)) = rest.split_first_chunk() else { return false };
        let (earlier, root) = (TreeHash::new(*earlier), TreeHash::new(*root));
        let Ok(proof) = Proof::decode(proof.to_vec()) else { return false };
        proof.verify_consistency((sizes[0], &earlier), (sizes[1], &root)).is_ok()
    };
    let honest = Honest::new([object, hashes(&case)].concat(), Vec::new(), takes);
    match sizes {
        // The tree of nothing is a part of every tree, so nothing binds the later root.
        [0, _] => Honest { same: |one, other| one[..32] == other[..32], ..honest },
        // Any tree is itself.
        [one, other] if one == other => {
            Honest { same: |_, other| other[..32] == other[32..64], ..honest }
        }
        _ => honest,
    }
}

fn receipt(case: Case) -> Honest {
    let (key, account) = (certified(&case.test), AccountKey::new(case.array("account")));
    let takes = move |object: &[u8], _: &[u8]| {
        let read = Receipt::decode(object.to_vec());
        read.is_ok_and(|receipt| receipt.verify(&account, &key).is_ok())
    };
    Honest::new(case.bytes("receipt"), Vec::new(), takes)
}

fn rate_card(case: Case) -> Honest {
    let key = certified(&case.group);
    let takes = move |object: &[u8], _: &[u8]| {
        sized::<SignedRateCard>(object).is_some_and(|card| card.verify(&key).is_ok())
    };
    Honest::new(case.bytes("card"), Vec::new(), takes)
}

/// What it lists is bound; how it is joined to a head that its reader has is not, where it need not be.
fn statement(case: Case) -> Honest {
    let books = books(&case);
    let takes = move |object: &[u8], _: &[u8]| {
        let read = Statement::decode(object.to_vec());
        read.is_ok_and(|statement| verify(&statement, &books).is_ok())
    };
    let same = |one: &[u8], other: &[u8]| {
        let [one, other] = [one, other].map(|bytes| Statement::decode(bytes.to_vec()).unwrap());
        one.entries == other.entries
            && one.opening == other.opening
            && one.head == other.head
            && (one.period != other.period || one.totals == other.totals)
    };
    Honest { same, ..Honest::new(case.bytes("statement"), Vec::new(), takes) }
}

fn books(case: &Case) -> Books {
    let key = certified(&case.group);
    let account = AccountKey::new(array(&case.group["account"]));
    let kept = |row: &Value| {
        let receipt = Receipt::decode(hex(&row["receipt"])).unwrap();
        let ended = row["ended"].as_u64().map(EntrySequence);
        (receipt.entry.sequence, Kept { receipt, ended })
    };
    let last = Some(case.bytes("lastHead")).filter(|bytes| !bytes.is_empty());
    let entries = |name: &str| case.test[name].as_array().unwrap();
    Books {
        account,
        receipts: entries("receipts").iter().map(kept).collect(),
        head: last.map(|bytes| Head::decode(bytes).unwrap().verify(&account, &key).unwrap()),
        read: entries("read").iter().map(|entry| Entry::decode(hex(entry)).unwrap()).collect(),
        keys: vec![key],
    }
}

fn hex(value: &Value) -> Vec<u8> {
    unhex(value.as_str().unwrap()).unwrap()
}
