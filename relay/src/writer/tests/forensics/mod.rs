//! What a disk tells its thief after a month, and what it tells whoever has the key file too:
//! docs/data.md, compared with the bytes that the engine wrote.

mod dump;
mod month;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use plico_protocol::ledger::EntryKind;

use crate::decide::OF_ACCOUNTS;
use crate::ledger::{EntriesRow, PendingRow};
use crate::rows::{OriginRow, RowName, Rows, Sealed};
use crate::store::{Fjall, Table};
use crate::writer::fixture::keys;
use dump::{Dump, Found, dump};
use month::{Month, Story, accounts, mailboxes};

/// A month, and the disk as the relay left it and as its next start made it.
struct Case {
    story: Story,
    /// Everything is in the journal still: what a running relay's disk tells at most.
    running: Dump,
    /// Everything is in tables: what is left once the journal is gone.
    restarted: Dump,
    /// Files in which a secret stands, which there must be none of.
    shown: Vec<PathBuf>,
}

fn case() -> &'static Case {
    static CASE: OnceLock<Case> = OnceLock::new();
    CASE.get_or_init(|| {
        let disk = tempfile::tempdir().unwrap();
        let store = disk.path().join("store");
        let mut month = Month::begin(&store);
        (1..=DAYS).for_each(|day| month.day(day));
        let story = month.end();
        let running = copied(&store, &disk.path().join("running"));
        let envelope = vec![1; 64];
        assert!(!showing(&store, &[envelope]).is_empty(), "what is there is not found");
        let mut shown = showing(&store, &story.secrets);
        drop(Fjall::open(&store).unwrap());
        shown.extend(showing(&store, &story.secrets));
        Case { story, running, restarted: dump(&store), shown }
    })
}

/// Reading the engine's tables may tidy them up.
fn copied(from: &Path, to: &Path) -> Dump {
    for file in files(from) {
        let place = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(file, place).unwrap();
    }
    dump(to)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn showing(store: &Path, secrets: &[Vec<u8>]) -> Vec<PathBuf> {
    let mut by_beginning: HashMap<[u8; 8], Vec<&[u8]>> = HashMap::new();
    for secret in secrets {
        by_beginning.entry(*secret.first_chunk().unwrap()).or_default().push(secret);
    }
    let shows = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap();
        // A journal has room for 64 MiB, in zeros.
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let bytes = &bytes[..end];
        (0..bytes.len().saturating_sub(8)).any(|at| {
            let rest = &bytes[at..];
            let found = by_beginning.get(rest.first_chunk::<8>().unwrap());
            found.is_some_and(|secrets| secrets.iter().any(|secret| rest.starts_with(secret)))
        })
    };
    files(store).into_iter().filter(shows).collect()
}

#[test]
fn no_file_names_anybody() {
    assert!(200 < case().story.secrets.len());
    assert!(case().shown.is_empty(), "{:?}", case().shown);
}

#[test]
fn each_commit_writes_what_the_documentation_says_and_the_engine_keeps_its_order() {
    let found = case().running.values().skip(1).map(|rows| tables(rows));
    let told = case().story.commits.iter().map(|commit| commit.tables.clone());
    assert_eq!(found.collect::<Vec<_>>(), told.collect::<Vec<_>>(), "the dump is not whole");
    let mut written: BTreeMap<&str, BTreeSet<Table>> = BTreeMap::new();
    for commit in &case().story.commits {
        written.entry(commit.what).or_default().extend(&commit.tables);
    }
    let row = |(what, tables): (&str, BTreeSet<Table>)| {
        let names: Vec<_> = tables.iter().map(|table| format!("`{}`", table.name())).collect();
        format!("| {what} | {} |", names.join(", "))
    };
    let lacking: Vec<_> =
        written.into_iter().map(row).filter(|row| !DOCUMENTATION.contains(row)).collect();
    assert!(
        lacking.is_empty(),
        "docs/data.md lacks these rows. Remedy: correct it there, and ask of every new pair of tables \
         what its thief learns.\n{}",
        lacking.join("\n")
    );
}

/// By what a row is named after: a name that two groups had in common would join them.
#[test]
fn without_the_key_file_no_name_and_no_value_joins_an_account_and_a_mailbox() {
    for dump in [&case().running, &case().restarted] {
        let mut named: HashMap<[u8; 16], &str> = HashMap::new();
        let mut values = HashSet::new();
        for found in dump.values().flatten() {
            for name in names(found) {
                let known = named.entry(name).or_insert(group(found.table));
                assert_eq!(*known, group(found.table), "a name of `{}`", found.table.name());
            }
            let sealed = found.value.as_ref().filter(|value| 40 < value.len());
            let sealed = sealed.filter(|_| found.table != Table::Envelopes);
            assert!(sealed.is_none_or(|value| values.insert(value)), "one value twice");
        }
    }
}

#[test]
fn a_commit_holds_an_account_and_a_mailbox_only_where_a_charge_is_accepted() {
    let joining = case().story.commits.iter().filter(|commit| joins(&commit.tables));
    let joining: BTreeSet<_> = joining.map(|commit| commit.what).collect();
    assert_eq!(joining, BTreeSet::from([CHARGED]));
}

#[test]
fn with_the_key_file_a_disk_tells_as_much_as_the_documentation_says() {
    let Case { story, running, restarted, .. } = case();
    let (running, restarted) = (Told::by(running), Told::by(restarted));
    let charged = story.commits.iter().filter(|commit| commit.what == CHARGED).count();
    for told in [&running, &restarted] {
        assert_eq!((told.accepts, told.wrong), (charged, 0));
    }
    let heading = format!(
        "Of a run with {charged} charges, {} of them settled or released:",
        running.settlements
    );
    assert!(DOCUMENTATION.contains(&heading), "docs/data.md lacks `{heading}`");
    for (what, running, restarted) in [
        (
            "charges beside which a row of their mailbox lies",
            running.accepts_joined,
            restarted.accepts_joined,
        ),
        (
            "rows of `origins` with an account, ended ones included",
            running.origins,
            restarted.origins,
        ),
        (
            "rows of `pending` beside a row of a mailbox",
            running.pending_joined,
            restarted.pending_joined,
        ),
        (
            "settlements beside which a row of a mailbox lies",
            running.settlements_joined,
            restarted.settlements_joined,
        ),
    ] {
        println!("| {what} | {running} | {restarted} |");
        // What a restart leaves depends on which tables the engine has rewritten by then.
        let row = format!("| {what} | {running} |");
        assert!(DOCUMENTATION.contains(&row), "docs/data.md lacks `{row}`");
        assert!(restarted <= running, "{what}: {restarted}");
    }
}

/// What the key file opens.
#[derive(Debug, Default)]
struct Told {
    /// Entries that reserve, and those beside which the mailbox's row still lies.
    accepts: usize,
    accepts_joined: usize,
    /// Entries that settle or release, and those beside which any mailbox's row lies.
    settlements: usize,
    settlements_joined: usize,
    /// Rows of `origins`, removed ones the engine still holds included: each names an account in a
    /// mailbox's row.
    origins: usize,
    /// Rows of `pending` beside a mailbox's row: each says which charge ended in that commit.
    pending_joined: usize,
    /// Pairs of account and mailbox that never were.
    wrong: usize,
}

impl Told {
    fn by(dump: &Dump) -> Self {
        let rows = Rows::new(&keys().ring());
        let truth: HashMap<RowName, _> =
            mailboxes().map(|(address, account)| (rows.queue(&address), account)).collect();
        let owner = |account| (rows.entries(&account), account);
        let owners: HashMap<RowName, _> = accounts().map(owner).collect();
        let mut told = Self::default();
        let mut ledger = BTreeMap::new();
        for commit in dump.values() {
            let mailboxes: BTreeSet<_> = commit.iter().filter_map(queue).collect();
            let mailboxes: Vec<_> = mailboxes.iter().filter_map(|name| truth.get(name)).collect();
            let is_joined = !mailboxes.is_empty();
            for (found, EntriesRow(entries)) in all::<EntriesRow>(&rows, commit) {
                let account = owners[&RowName::new(*found.key.first_chunk().unwrap())];
                told.wrong += usize::from(mailboxes.iter().any(|of| **of != account));
                // The commit appended the newest; the others were there, or came with it.
                let newest = entries.last().map(|entry| entry.sequence);
                for entry in entries {
                    let joined = is_joined && Some(entry.sequence) == newest;
                    let known =
                        ledger.entry((account, entry.sequence)).or_insert((entry.kind, false));
                    known.1 |= joined;
                }
            }
            if is_joined {
                told.pending_joined += all::<PendingRow>(&rows, commit).count();
            }
            let origins = all::<OriginRow>(&rows, commit);
            told.origins += origins.filter(|(_, row)| row.origin.is_some()).count();
        }
        for (kind, joined) in ledger.into_values() {
            let (count, joins) = match kind {
                EntryKind::Accept => (&mut told.accepts, &mut told.accepts_joined),
                EntryKind::Settle | EntryKind::Release => {
                    (&mut told.settlements, &mut told.settlements_joined)
                }
                _ => continue,
            };
            *count += 1;
            *joins += usize::from(joined);
        }
        told
    }
}

/// The rows of one table in a commit, opened.
fn all<'a, R: Sealed>(rows: &Rows, commit: &'a [Found]) -> impl Iterator<Item = (&'a Found, R)> {
    let there = |found: &&Found| found.table == R::TABLE && found.key != b"schema";
    let open = move |found: &'a Found| {
        Some((found, rows.open(&found.key, found.value.as_ref()?).unwrap()))
    };
    commit.iter().filter(there).filter_map(open)
}

/// The queue that a row is of.
fn queue(found: &Found) -> Option<RowName> {
    let name = match found.table {
        Table::Queues | Table::Envelopes | Table::Origins => found.key.first_chunk(),
        Table::Expiries => found.key[16..].first_chunk(),
        _ => None,
    };
    name.map(|name| RowName::new(*name))
}

/// The names in a row's key.
fn names(found: &Found) -> Vec<[u8; 16]> {
    let count = match found.table {
        Table::Meta => 0,
        Table::Expiries | Table::Forgets | Table::Reports => 2,
        _ => 1,
    };
    found.key.chunks_exact(16).take(count).map(|name| name.try_into().unwrap()).collect()
}

/// Tables whose rows are named alike.
fn group(table: Table) -> &'static str {
    match table {
        Table::Queues | Table::Envelopes | Table::Origins | Table::Expiries => "queues",
        Table::Submissions | Table::Forgets => "submissions",
        Table::Prekeys | Table::OneTimePrekeys => "prekeys",
        other => other.name(),
    }
}

fn tables(rows: &[Found]) -> BTreeSet<Table> {
    rows.iter().map(|found| found.table).collect()
}

fn joins(tables: &BTreeSet<Table>) -> bool {
    let of_business = |table: &Table| {
        OF_ACCOUNTS.contains(table) || matches!(table, Table::Certificates | Table::Revocations)
    };
    let of_mailbox = |table: &Table| ["queues", "submissions"].contains(&group(*table));
    tables.iter().any(of_business) && tables.iter().any(of_mailbox)
}

const CHARGED: &str = "a message to a person is accepted, charged";
const DAYS: u32 = 35;
const DOCUMENTATION: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/data.md"));
