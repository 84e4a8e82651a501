//! What only this store can get wrong.

use std::fs::{self, File};
use std::process::Command;

use super::*;

fn put(key: &[u8]) -> Change {
    Change::put(Table::Queues, key, vec![7; 900])
}

fn has(store: &dyn Store, key: &[u8]) -> bool {
    store.reader().unwrap().get(Table::Queues, key).unwrap().is_some()
}

fn journals(store: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "jnl")).collect()
}

/// What a power cut leaves of files whose pages were thought written, and were not.
fn lose(journals: &[PathBuf]) {
    for journal in journals {
        match File::options().write(true).open(journal) {
            Ok(file) => file.set_len(0).unwrap(),
            // The store was done with it.
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
        }
    }
}

/// Where the engine flushes to, and where to hide that from it.
fn tables_of(store: &Fjall) -> (PathBuf, PathBuf) {
    let folder = store.engine().unwrap().keyspace(Table::Queues).unwrap().path().to_owned();
    (folder.join("tables"), store.path.join("away"))
}

/// Makes the engine flush a table in the background and waits until that has failed.
fn poison(store: &Fjall) {
    let engine = store.engine().unwrap();
    assert!(engine.keyspace(Table::Queues).unwrap().rotate_memtable().unwrap());
    while engine.database.persist(PersistMode::Buffer).is_ok() {
        std::thread::yield_now();
    }
}

/// Run once more as a process of its own, whose syncs a library tells that is loaded before libc.
#[test]
fn a_commit_is_synced_before_it_returns() {
    if std::env::var_os(WATCHED).is_some() {
        return commit_and_say_so();
    }
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("synced.c"), folder.path().join("synced.so"));
    fs::write(&source, include_str!("synced.c")).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).args([&library, &source]);
    assert!(compiler.status().unwrap().success(), "needs a C compiler, as the build does");

    let (_, name) =
        concat!(module_path!(), "::a_commit_is_synced_before_it_returns").split_once("::").unwrap();
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "--nocapture", "--test-threads=1", name]);
    let output = again.env("LD_PRELOAD", &library).env(WATCHED, "1").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let commits: Vec<&str> = said.split(COMMITTED).collect();
    assert_eq!(commits.len(), 2 + COMMITS, "the store, its commits, and what follows:\n{said}");
    for commit in &commits[1..=COMMITS] {
        let is_journal = |line: &str| line.starts_with("synced ") && line.ends_with(".jnl");
        assert!(commit.lines().any(is_journal), "not synced:\n{commit}");
    }
}

fn commit_and_say_so() {
    let medium = tempfile::tempdir().unwrap();
    let store = Fjall::open(medium.path()).unwrap();
    eprintln!("{COMMITTED}");
    for n in 0..COMMITS {
        store.commit(&[put(&[u8::try_from(n).unwrap()])]).unwrap();
        eprintln!("{COMMITTED}");
    }
}

#[test]
fn what_was_replayed_needs_its_journal_no_more() {
    let medium = tempfile::tempdir().unwrap();
    let store = Fjall::open(medium.path()).unwrap();
    store.commit(&[put(b"answered")]).unwrap();
    drop(store);
    for key in [b"1", b"2", b"3"] {
        let before = journals(medium.path());
        assert!(!before.is_empty(), "fjall names its journals otherwise");
        let store = Fjall::open(medium.path()).unwrap();
        lose(&before);
        store.commit(&[put(key)]).unwrap();
        drop(store);
    }
    let store = Fjall::open(medium.path()).unwrap();
    for key in [b"answered".as_slice(), b"1", b"2", b"3"] {
        assert!(has(&store, key), "{key:?}");
    }
}

#[test]
fn what_a_recovery_replayed_needs_its_journal_no_more() {
    let medium = tempfile::tempdir().unwrap();
    let store = Fjall::open(medium.path()).unwrap();
    store.commit(&[put(b"a")]).unwrap();
    let before = journals(medium.path());
    store.recover().unwrap();
    lose(&before);
    store.commit(&[put(b"b")]).unwrap();
    drop(store);
    let store = Fjall::open(medium.path()).unwrap();
    assert!(has(&store, b"a") && has(&store, b"b"));
}

#[test]
fn a_background_failure_that_passed_is_recovered_from() {
    let medium = tempfile::tempdir().unwrap();
    let store = Fjall::open(medium.path()).unwrap();
    store.commit(&[put(b"a")]).unwrap();
    let (tables, away) = tables_of(&store);
    fs::rename(&tables, &away).unwrap();
    poison(&store);
    fs::rename(&away, &tables).unwrap();
    store.commit(&[put(b"b")]).unwrap();
    assert!(has(&store, b"a") && has(&store, b"b"));
}

#[test]
fn a_background_failure_that_lasts_is_fatal() {
    let medium = tempfile::tempdir().unwrap();
    let store = Fjall::open(medium.path()).unwrap();
    store.commit(&[put(b"a")]).unwrap();
    let (tables, away) = tables_of(&store);
    fs::rename(&tables, &away).unwrap();
    // In its place a file: it cannot be made anew.
    File::create(&tables).unwrap();
    poison(&store);
    let error = store.commit(&[put(b"b")]).unwrap_err();
    assert!(matches!(error, CommitError::Failed(_)), "{error}");
    assert!(matches!(store.reader().map(|_| ()), Err(ReadError::Closed)));
}

#[test]
fn nobody_waits_while_the_store_is_opened_again() {
    let medium = tempfile::tempdir().unwrap();
    let store = Fjall::open(medium.path()).unwrap();
    store.commit(&[put(b"a")]).unwrap();
    let reader = store.reader().unwrap();
    std::thread::scope(|scope| {
        // Cannot get further than its last reader.
        let recovery = scope.spawn(|| store.recover());
        while store.reader().is_ok() {
            std::thread::yield_now();
        }
        assert!(matches!(store.reader().map(|_| ()), Err(ReadError::Closed)));
        assert!(reader.get(Table::Queues, b"a").unwrap().is_some(), "its own goes on");
        drop(reader);
        recovery.join().unwrap().unwrap();
    });
    assert!(has(&store, b"a"));
}

#[test]
fn a_store_in_use_is_not_touched() {
    let medium = tempfile::tempdir().unwrap();
    let store = Fjall::open(medium.path()).unwrap();
    let before = journals(medium.path());
    assert!(matches!(Fjall::open(medium.path()), Err(OpenError::Locked)));
    assert_eq!(journals(medium.path()), before);
    drop(store);
}

#[test]
fn the_end_of_a_prefix_is_the_first_key_beyond_it() {
    let cases: [(&[u8], Option<&[u8]>); 7] = [
        (b"", None),
        (b"\xff\xff", None),
        (b"a", Some(b"b")),
        (b"a\x00", Some(b"a\x01")),
        (b"a\xfe", Some(b"a\xff")),
        (b"a\xff\xff", Some(b"b")),
        (b"\xff\x00\xff", Some(b"\xff\x01")),
    ];
    for (prefix, end) in cases {
        assert_eq!(successor(prefix).as_deref(), end, "{prefix:?}");
    }
}

#[test]
fn a_range_never_ends_before_it_begins() {
    assert!(range_of(b"b", b"c").is_none());
    assert!(range_of(b"b", b"d").is_none());
    let (start, end) = range_of(b"b", b"a").unwrap();
    assert_eq!((start, end), (Bound::Included(b"b".to_vec()), Bound::Excluded(b"c".to_vec())));
    let (start, end) = range_of(b"", b"x").unwrap();
    assert_eq!((start, end), (Bound::Included(b"x".to_vec()), Bound::Unbounded));
}

/// Set in the process that is traced.
const WATCHED: &str = "PLICO_WATCHED";
/// Written by it where no call can be in progress.
const COMMITTED: &str = "committed and returned";
const COMMITS: usize = 3;
