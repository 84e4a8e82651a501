//! One suite for every store.

use std::path::Path;

use super::*;

/// Something that can be opened, closed by dropping, and opened again.
trait Medium {
    fn open(&self) -> Result<Box<dyn Store>, OpenError>;
}

impl Medium for Disk {
    fn open(&self) -> Result<Box<dyn Store>, OpenError> {
        Ok(Box::new(Memory::open(self)?))
    }
}

impl Medium for tempfile::TempDir {
    fn open(&self) -> Result<Box<dyn Store>, OpenError> {
        Ok(Box::new(Fjall::open(self.path())?))
    }
}

fn check(suite: impl Fn(&dyn Medium)) {
    suite(&Disk::default());
    suite(&tempfile::tempdir().unwrap());
}

fn put(table: Table, key: &[u8], value: &[u8]) -> Change {
    Change::put(table, key, value.to_vec())
}

fn get(store: &dyn Store, key: &[u8]) -> Option<Bytes> {
    store.reader().unwrap().get(Table::Queues, key).unwrap()
}

fn keys(store: &dyn Store, prefix: &[u8], from: &[u8], limit: usize) -> Vec<Vec<u8>> {
    let entries = store.reader().unwrap().scan(Table::Queues, prefix, from, limit).unwrap();
    entries.into_iter().map(|entry| entry.key.to_vec()).collect()
}

#[test]
fn a_commit_is_there_and_stays_there_after_reopening() {
    check(|medium| {
        let store = medium.open().unwrap();
        store.commit(&[put(Table::Queues, b"a", b"1"), put(Table::Origins, b"a", b"2")]).unwrap();
        assert_eq!(get(&*store, b"a").as_deref(), Some(b"1".as_slice()));
        drop(store);
        let store = medium.open().unwrap();
        assert_eq!(get(&*store, b"a").as_deref(), Some(b"1".as_slice()));
        let other = store.reader().unwrap().get(Table::Origins, b"a").unwrap();
        assert_eq!(other.as_deref(), Some(b"2".as_slice()));
    });
}

#[test]
fn the_later_of_two_changes_holds() {
    check(|medium| {
        let store = medium.open().unwrap();
        store.commit(&[put(Table::Queues, b"a", b"1"), put(Table::Queues, b"a", b"2")]).unwrap();
        assert_eq!(get(&*store, b"a").as_deref(), Some(b"2".as_slice()));
        store
            .commit(&[put(Table::Queues, b"a", b"3"), Change::remove(Table::Queues, b"a".to_vec())])
            .unwrap();
        assert_eq!(get(&*store, b"a"), None);
        store.commit(&[Change::remove(Table::Queues, b"never".to_vec())]).unwrap();
    });
}

#[test]
fn an_empty_value_is_a_value() {
    check(|medium| {
        let store = medium.open().unwrap();
        store.commit(&[put(Table::Expiries, b"e", b"")]).unwrap();
        let value = store.reader().unwrap().get(Table::Expiries, b"e").unwrap();
        assert_eq!(value.as_deref(), Some(b"".as_slice()));
    });
}

#[test]
fn a_scan_is_ordered_bounded_and_keeps_to_its_prefix_and_table() {
    check(|medium| {
        let store = medium.open().unwrap();
        let rows: [&[u8]; 6] = [b"b2", b"a1", b"b1", b"c", b"b", b"b3"];
        let mut changes: Vec<Change> =
            rows.iter().map(|key| put(Table::Queues, key, b"v")).collect();
        changes.push(put(Table::Envelopes, b"b0", b"other table"));
        store.commit(&changes).unwrap();
        store.commit(&[Change::remove(Table::Queues, b"b2".to_vec())]).unwrap();
        let all: [&[u8]; 3] = [b"b", b"b1", b"b3"];
        assert_eq!(keys(&*store, b"b", b"", 10), all);
        assert_eq!(keys(&*store, b"b", b"", 2), all[..2]);
        assert_eq!(keys(&*store, b"b", b"b1", 10), all[1..]);
        assert_eq!(keys(&*store, b"b", b"b11", 10), all[2..]);
        assert_eq!(keys(&*store, b"b", b"c", 10), [b""; 0]);
        assert_eq!(keys(&*store, b"x", b"", 10), [b""; 0]);
        assert_eq!(keys(&*store, b"", b"", 10).len(), 5);
    });
}

#[test]
fn a_scan_ends_where_its_prefix_does() {
    check(|medium| {
        let store = medium.open().unwrap();
        let rows: [&[u8]; 6] = [b"a\xfe", b"a\xff", b"a\xff\xff", b"b", b"\xff", b"\xff\xff1"];
        let changes: Vec<Change> = rows.iter().map(|key| put(Table::Queues, key, b"v")).collect();
        store.commit(&changes).unwrap();
        assert_eq!(keys(&*store, b"a\xff", b"", 10), rows[1..3]);
        assert_eq!(keys(&*store, b"a", b"a\xff", 10), rows[1..3]);
        assert_eq!(keys(&*store, b"\xff", b"", 10), rows[4..]);
        assert_eq!(keys(&*store, b"\xff\xff", b"", 10), rows[5..]);
        assert_eq!(keys(&*store, b"a", b"d", 10), [b""; 0]);
        assert_eq!(keys(&*store, b"", b"b", 10), rows[3..]);
    });
}

#[test]
fn a_second_opening_is_refused_and_says_what_to_do() {
    check(|medium| {
        let store = medium.open().unwrap();
        let error = medium.open().map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::Locked), "{error}");
        assert!(error.to_string().contains("stop that one first"));
        drop(store);
        medium.open().unwrap();
    });
}

#[test]
fn another_schema_is_refused_by_both_numbers() {
    check(|medium| {
        let store = medium.open().unwrap();
        store.commit(&[put(Table::Meta, b"schema", &9u32.to_be_bytes())]).unwrap();
        drop(store);
        let error = medium.open().map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::Schema { found: 9, expected: SCHEMA_VERSION }));
    });
}

#[test]
fn a_store_recovers_in_process_with_everything_committed() {
    check(|medium| {
        let store = medium.open().unwrap();
        store.commit(&[put(Table::Queues, b"a", b"1")]).unwrap();
        store.recover().unwrap();
        assert_eq!(get(&*store, b"a").as_deref(), Some(b"1".as_slice()));
        store.commit(&[put(Table::Queues, b"b", b"2")]).unwrap();
    });
}

#[test]
fn a_copy_of_the_files_taken_between_commits_has_every_commit() {
    let medium = tempfile::tempdir().unwrap();
    let store = Fjall::open(medium.path()).unwrap();
    for n in 0..50u8 {
        let keys = [[n, 0], [n, 1]];
        let changes: Vec<Change> = keys.iter().map(|k| put(Table::Queues, k, &[n; 900])).collect();
        store.commit(&changes).unwrap();
    }
    // As a crash would leave them: nothing is closed first.
    let crashed = tempfile::tempdir().unwrap();
    copy(medium.path(), crashed.path());
    let reopened = Fjall::open(crashed.path()).unwrap();
    assert_eq!(keys(&reopened, b"", b"", 1_000).len(), 100);
}

#[test]
fn tables_have_names_and_numbers_of_their_own() {
    for (at, table) in (1..).zip(Table::ALL) {
        assert_eq!(table.byte(), at, "fjall finds a keyspace by its place in Table::ALL");
        assert_eq!(Table::ALL.iter().filter(|other| other.name() == table.name()).count(), 1);
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
