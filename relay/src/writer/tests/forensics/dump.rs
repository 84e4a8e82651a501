//! Reads a data directory as its thief would: the engine's files, with its sequence numbers, by none
//! of the relay's code.
//!
//! fjall's journal is a sequence of batches, `1 | u32 items | u64 sequence`, then for each row
//! `2 | u8 type | u8 compression | u64 keyspace | u16 key | u32 value | u32 stored | key | value`, then
//! `3 | u64 checksum | "FJL" 3`, little-endian. Its tables keep the sequence of each row they hold,
//! and of rows overwritten or removed for as long as no compaction has dropped them.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use bytes::Buf;
use lsm_tree::{AbstractTree, AnyTree, SequenceNumberCounter, ValueType};

use crate::store::Table;

/// A row as it lies on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) table: Table,
    pub(super) key: Vec<u8>,
    /// None where it was removed.
    pub(super) value: Option<Vec<u8>>,
}

/// What lies on a disk: the rows of each commit, by the engine's sequence number.
pub(super) type Dump = BTreeMap<u64, Vec<Found>>;

/// Everything in the directory, which nobody has open.
pub(super) fn dump(store: &Path) -> Dump {
    let tables = keyspaces(store);
    let mut dump = Dump::new();
    for (id, table) in &tables {
        let keyspace = store.join("keyspaces").join(id.to_string());
        for (sequence, key, value) in versions(&keyspace) {
            dump.entry(sequence).or_default().push(Found { table: *table, key, value });
        }
    }
    for (sequence, found) in journals(store, &tables) {
        let commit = dump.entry(sequence).or_default();
        // Where a table has it too, it is one row.
        if !commit.contains(&found) {
            commit.push(found);
        }
    }
    dump
}

/// The engine's own list: `n | u64 id` is a keyspace's name.
fn keyspaces(store: &Path) -> HashMap<u64, Table> {
    let named = versions(&store.join("keyspaces/0"));
    let named = named.into_iter().filter_map(|(_, key, value)| {
        let id = u64::from_be_bytes(key.strip_prefix(b"n")?.try_into().ok()?);
        let table =
            Table::ALL.iter().find(|table| Some(table.name().as_bytes()) == value.as_deref())?;
        Some((id, *table))
    });
    let named: HashMap<_, _> = named.collect();
    assert_eq!(named.len(), Table::ALL.len(), "the engine keeps its keyspaces' names otherwise");
    named
}

/// Every version of every row in the tables of a keyspace: sequence, key, value.
fn versions(keyspace: &Path) -> Vec<(u64, Vec<u8>, Option<Vec<u8>>)> {
    let counter = SequenceNumberCounter::default;
    let tree = lsm_tree::Config::new(keyspace, counter(), counter()).open().unwrap();
    let AnyTree::Standard(tree) = tree else { panic!("the engine keeps values apart") };
    let tables = tree.current_version();
    let items = tables.iter_tables().flat_map(|table| table.iter().map(Result::unwrap));
    let version = |item: lsm_tree::InternalValue| {
        let is_there = item.key.value_type == ValueType::Value;
        (item.key.seqno, item.key.user_key.to_vec(), is_there.then(|| item.value.to_vec()))
    };
    items.map(version).collect()
}

fn journals(store: &Path, tables: &HashMap<u64, Table>) -> Vec<(u64, Found)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(store).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "jnl") {
            let bytes = fs::read(path).unwrap();
            let mut rest = bytes.as_slice();
            while rest.first() == Some(&START) {
                rest.advance(1);
                let (items, sequence) = (rest.get_u32_le(), rest.get_u64_le());
                for _ in 0..items {
                    found.push((sequence, item(&mut rest, tables)));
                }
                assert_eq!(rest.get_u8(), END, "the engine's journal is another");
                rest.advance(8);
                assert_eq!(rest.copy_to_bytes(4), b"FJL\x03".as_slice());
            }
            assert!(rest.iter().all(|byte| *byte == 0), "the engine's journal is another");
        }
    }
    found
}

fn item(rest: &mut &[u8], tables: &HashMap<u64, Table>) -> Found {
    assert_eq!(rest.get_u8(), ITEM, "the engine's journal is another");
    let (kind, compression) = (rest.get_u8(), rest.get_u8());
    assert_eq!(compression, 0, "journals are not compressed");
    let table = tables[&rest.get_u64_le()];
    let (key, _, value) = (rest.get_u16_le(), rest.get_u32_le(), rest.get_u32_le());
    let key = rest.copy_to_bytes(key.into()).to_vec();
    let value = rest.copy_to_bytes(value.try_into().unwrap()).to_vec();
    Found { table, key, value: (kind == u8::from(ValueType::Value)).then_some(value) }
}

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
