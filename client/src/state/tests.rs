//! State: sealed, locked, and a typed error for everything that is not as it was written.

use std::path::PathBuf;

use plico_protocol::time::Hour;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn protection(&self) -> Protection {
        Protection::key_file(self.folder.path().join("key"))
    }

    fn create(&self) -> State {
        State::create(&self.path(), &self.protection(), Owner::Person).unwrap()
    }

    fn open(&self) -> Result<State, OpenError> {
        State::open(&self.path(), &self.protection(), Owner::Person)
    }

    /// Alters the database behind the state's back.
    fn sql(&self, statement: &str) {
        let database = Connection::open(self.path()).unwrap();
        assert!(0 < database.execute(statement, []).unwrap());
    }
}

fn put(state: &mut State, number: u64, value: &[u8]) {
    let write = |rows: &Rows<'_>| rows.put_bytes(Table::Event, Name::Number(number), value);
    state.write::<_, StateError>(write).unwrap();
}

fn read(state: &mut State, number: u64) -> Result<Option<Zeroizing<Vec<u8>>>, StateError> {
    state.read(|rows| rows.get_bytes(Table::Event, Name::Number(number)))
}

#[test]
fn rows_survive_reopening_and_nothing_is_in_the_clear() {
    let place = Place::new();
    let mut state = place.create();
    let canary = b"canary-7f3a-in-the-clear";
    put(&mut state, 1, canary);
    let hidden = |rows: &Rows<'_>| rows.put(Table::Ticket, Name::Hidden(canary), &Hour(1));
    state.write::<_, StateError>(hidden).unwrap();
    let found_in = |place: &Place| {
        let files = std::fs::read_dir(place.folder.path()).unwrap();
        let holds = |path: PathBuf| {
            std::fs::read(path).unwrap().windows(canary.len()).any(|window| window == canary)
        };
        files.filter(|file| holds(file.as_ref().unwrap().path())).count()
    };
    assert_eq!(found_in(&place), 0, "in the write-ahead log");
    state.checkpoint().unwrap();
    drop(state);
    assert_eq!(found_in(&place), 0, "in the database");
    let mut state = place.open().unwrap();
    assert_eq!(read(&mut state, 1).unwrap().unwrap().as_slice(), canary);
}

#[test]
fn a_second_process_is_refused_until_the_first_is_gone() {
    let place = Place::new();
    let state = place.create();
    assert!(matches!(place.open(), Err(OpenError::Locked)));
    drop(state);
    assert!(place.open().is_ok());
}

#[test]
fn an_unfinished_creation_is_begun_again_and_a_finished_one_refused() {
    let place = Place::new();
    std::fs::write(place.path(), b"").unwrap();
    assert!(matches!(place.open(), Err(OpenError::Emptied)));
    drop(place.create());
    let again = State::create(&place.path(), &place.protection(), Owner::Person);
    assert!(matches!(again, Err(OpenError::Exists)));
}

#[test]
fn a_wrong_passphrase_or_key_file_is_told_from_damage() {
    let place = Place::new();
    let right = Protection::passphrase("correct horse");
    drop(State::create(&place.path(), &right, Owner::Person).unwrap());
    let check = |protection: &Protection| State::open(&place.path(), protection, Owner::Person);
    assert!(check(&right).is_ok());
    assert!(matches!(check(&Protection::passphrase("wrong")), Err(OpenError::WrongKey)));
    let file = place.protection();
    key_file(&place, 0o600);
    assert!(matches!(check(&file), Err(OpenError::WrongKey)));
}

#[cfg(unix)]
#[test]
fn a_key_file_others_can_read_is_refused() {
    let place = Place::new();
    drop(place.create());
    key_file(&place, 0o640);
    assert!(matches!(place.open(), Err(OpenError::KeyFileExposed { mode: 0o640 })));
}

#[test]
fn a_state_of_the_other_kind_or_a_later_version_is_refused() {
    let place = Place::new();
    drop(place.create());
    let other = State::open(&place.path(), &place.protection(), Owner::Business);
    assert!(matches!(other, Err(OpenError::OtherOwner { found: Owner::Person, .. })));
    place.sql("UPDATE head SET version = 2");
    assert!(matches!(place.open(), Err(OpenError::Version { found: 2, known: 1 })));
}

#[test]
fn an_altered_moved_or_rolled_back_row_is_corrupt() {
    for damage in [
        "UPDATE sealed SET value = zeroblob(64) WHERE kind = 3",
        "UPDATE sealed SET generation = generation + 1 WHERE kind = 3",
        "UPDATE sealed SET kind = 4 WHERE kind = 3",
        "UPDATE sealed SET name = x'0000000000000002' WHERE kind = 3",
    ] {
        let place = Place::new();
        let mut state = place.create();
        put(&mut state, 1, b"value");
        drop(state);
        place.sql(damage);
        let mut state = place.open().unwrap();
        let rows = state.read(|rows| {
            rows.ordered::<Hour>(Table::Event)?;
            rows.ordered::<Hour>(Table::Outgoing)
        });
        assert!(matches!(rows, Err(StateError::Corrupt { .. })), "{damage}");
    }
}

#[test]
fn a_failed_transaction_changes_nothing() {
    let place = Place::new();
    let mut state = place.create();
    put(&mut state, 1, b"before");
    let failed = state.write(|rows| {
        rows.put_bytes(Table::Event, Name::Number(1), b"after")?;
        Err::<(), _>(StateError::Corrupt { table: "event" })
    });
    assert!(failed.is_err());
    assert_eq!(read(&mut state, 1).unwrap().unwrap().as_slice(), b"before");
}

#[test]
fn numbers_are_not_reused_after_their_row_is_gone() {
    let place = Place::new();
    let mut state = place.create();
    let mut next = || state.write(|rows| rows.next_number(Table::Event)).unwrap();
    assert_eq!((next(), next(), next()), (1, 2, 3));
}

/// Gives the key file this mode, making it if there is none.
fn key_file(place: &Place, mode: u32) {
    let path = place.folder.path().join("key");
    if !path.exists() {
        std::fs::write(&path, [7; 32]).unwrap();
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}
