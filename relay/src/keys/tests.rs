//! What is on disk, who may read it, and when keys come and go.

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use getrandom::rand_core::{TryCryptoRng, TryRng};
use plico_protocol::ticket::TicketKeyId;
use plico_protocol::time::Day;

use super::*;
use crate::writer::fixture::{START, Seeded};

fn later(days: u32) -> Timestamp {
    Timestamp(START.0 + u64::from(days) * 24 * 3_600_000)
}

fn open(dir: &Path, days: u32) -> Result<Keys, KeysError> {
    Keys::open_or_create(dir, later(days), &mut Seeded(11))
}

fn fresh() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("keys");
    (parent, dir)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn keys_are_made_for_the_owner_alone_and_found_again() {
    let (_parent, dir) = fresh();
    let keys = open(&dir, 0).unwrap();
    assert_eq!(mode(&dir), 0o700);
    for file in ["relay.keys", "authority.key", "authority.pub", "keys.lock"] {
        assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
    }
    let (authority, ring) = (*keys.authority(), keys.ring());
    drop(keys);
    let again = open(&dir, 0).unwrap();
    assert_eq!(*again.authority(), authority);
    assert_eq!(again.ring().row().expose_secret(), ring.row().expose_secret());
    assert_eq!(again.ring().seal().expose_secret(), ring.seal().expose_secret());
    assert_eq!(read_authority_secret(&dir).unwrap().public(), authority);
}

#[test]
fn files_and_directories_open_to_others_are_refused_with_the_remedy() {
    for (name, bad, remedy) in
        [("relay.keys", 0o640, "chmod 0600"), ("authority.key", 0o604, "chmod 0600")]
    {
        let (_parent, dir) = fresh();
        open(&dir, 0).unwrap();
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(bad)).unwrap();
        let error = open(&dir, 0).unwrap_err().to_string();
        assert!(error.contains(remedy) && error.contains(name), "{error}");
    }
    let (_parent, dir) = fresh();
    open(&dir, 0).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o750)).unwrap();
    let error = open(&dir, 0).unwrap_err().to_string();
    assert!(error.contains("chmod 0700"), "{error}");
}

#[test]
fn damaged_key_files_are_refused_by_line_and_never_shown() {
    let (_parent, dir) = fresh();
    open(&dir, 0).unwrap();
    let path = dir.join("relay.keys");
    let good = fs::read_to_string(&path).unwrap();
    let cut = good.trim_end().rsplit_once('\n').unwrap().0;
    let twice = format!("{good}{}\n", good.lines().nth(1).unwrap());
    let cases = [
        ("plico-relay-keys 2\n".to_owned(), "another version"),
        (good.replace("seal ", "sale "), "line 3"),
        (twice, "line 8"),
        (good.replace("tag ", "tag 00"), "line 4"),
        (
            good.lines()
                .filter(|line| !line.starts_with("row"))
                .fold(String::new(), |text, line| text + line + "\n"),
            "no `row` key",
        ),
    ];
    for (text, expected) in cases {
        fs::write(&path, text).unwrap();
        let error = open(&dir, 0).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(!good.split_whitespace().any(|word| word.len() == 64 && error.contains(word)));
    }
    // A missing stamp key is no damage: the day gets another.
    fs::write(&path, format!("{cut}\n")).unwrap();
    open(&dir, 0).unwrap();
}

#[test]
fn a_file_left_by_a_crash_before_the_rename_is_passed_over() {
    let (_parent, dir) = fresh();
    let keys = open(&dir, 0).unwrap();
    fs::write(dir.join("relay.new"), "half a fi").unwrap();
    keys.rotate(later(1), &mut Seeded(1)).unwrap();
    drop(keys);
    let again = open(&dir, 1).unwrap();
    assert!(again.ring().stamp(later(1).day()).is_some());
}

#[test]
fn every_day_has_a_stamp_key_for_62_days() {
    let (_parent, dir) = fresh();
    let keys = open(&dir, 0).unwrap();
    let first = START.day();
    for day in 1..=62 {
        keys.rotate(later(day), &mut Seeded(u64::from(day))).unwrap();
    }
    assert!(keys.ring().stamp(first).is_some());
    keys.rotate(later(63), &mut Seeded(63)).unwrap();
    assert!(keys.ring().stamp(first).is_none());
    assert!(keys.ring().stamp(Day(first.0 + 1)).is_some());
    drop(keys);
    let reread = open(&dir, 63).unwrap();
    assert!(reread.ring().stamp(first).is_none(), "destroyed on disk as well");
    assert!(reread.ring().stamp(later(63).day()).is_some());
}

#[test]
fn a_ticket_key_signs_30_days_and_verifies_as_long_as_what_it_signed() {
    let mut rng = Seeded(5);
    let keys = Keys::in_memory(&crate::writer::fixture::authority(), START, &mut rng);
    let id_at = |keys: &Keys, day| keys.ring().minting(later(day)).map(|(id, _)| id);
    assert_eq!(id_at(&keys, 29), Some(TicketKeyId(0)));
    assert_eq!(id_at(&keys, 30), None, "due, and no longer signing");
    keys.rotate(later(30), &mut rng).unwrap();
    assert_eq!(id_at(&keys, 30), Some(TicketKeyId(1)));
    for day in (60..=420).step_by(30) {
        keys.rotate(later(day), &mut rng).unwrap();
    }
    keys.rotate(later(431), &mut rng).unwrap();
    assert!(keys.ring().ticket(TicketKeyId(0)).is_some(), "400 days after its last signature");
    keys.rotate(later(432), &mut rng).unwrap();
    assert!(keys.ring().ticket(TicketKeyId(0)).is_none());
}

#[test]
fn a_ledger_key_is_certified_by_the_relay_while_the_authority_is_here() {
    let (_parent, dir) = fresh();
    let keys = open(&dir, 0).unwrap();
    let first = keys.ledger_key(START).unwrap();
    assert!(first.certificate().verify(keys.authority()).is_ok());
    keys.rotate(later(299), &mut Seeded(1)).unwrap();
    assert_eq!(keys.ledger_key(later(299)), Some(first), "100 days and more are left");
    keys.rotate(later(301), &mut Seeded(1)).unwrap();
    let renewed = keys.ledger_key(later(301)).unwrap();
    assert_eq!(renewed.key(), first.key());
    assert!(first.body().valid_to < renewed.body().valid_to);
    drop(keys);
    assert_eq!(open(&dir, 302).unwrap().ledger_key(later(302)), Some(renewed));
    // Its line taken out, another key takes its place.
    let path = dir.join("relay.keys");
    let text = fs::read_to_string(&path).unwrap();
    let kept = text.lines().filter(|line| !line.starts_with("ledger "));
    fs::write(&path, kept.fold(String::new(), |text, line| text + line + "\n")).unwrap();
    let keys = Keys::open_or_create(&dir, later(303), &mut Seeded(12)).unwrap();
    let other = keys.ledger_key(later(303)).unwrap();
    assert_ne!(other.key(), first.key());
}

#[test]
fn an_authority_kept_elsewhere_certifies_the_ledger_key_there() {
    let (_parent, dir) = fresh();
    drop(open(&dir, 0).unwrap());
    let secret = read_authority_secret(&dir).unwrap();
    fs::remove_file(dir.join("authority.key")).unwrap();
    fs::remove_file(dir.join(CERTIFICATE_FILE)).unwrap();
    let keys = open(&dir, 1).unwrap();
    assert_eq!(keys.ledger_key(later(1)), None);
    let key = keys.ring().ledger().unwrap().public();
    let certified = certify(&key, &secret, later(1)).unwrap();
    let other = LedgerSecret::from_seed(&[9; 32]).public();
    for (key, expected) in [(&other, None), (&key, Some(certified))] {
        let text = certify(key, &secret, later(1)).unwrap().certificate().to_text();
        fs::write(dir.join(CERTIFICATE_FILE), text).unwrap();
        keys.recertify(later(1)).unwrap();
        assert_eq!(keys.ledger_key(later(1)), expected, "only of the key that is in use");
    }
    assert_eq!(keys.ledger_key(later(500)), None, "its certificate has ended");
}

#[test]
fn ticket_key_ids_wrap_without_meeting() {
    let mut rng = Seeded(5);
    let keys = Keys::in_memory(&crate::writer::fixture::authority(), START, &mut rng);
    for round in 1..=300 {
        keys.rotate(later(round * 30), &mut rng).unwrap();
    }
    let ring = keys.ring();
    assert_eq!(ring.minting(later(9_000)).unwrap().0, TicketKeyId(44));
    assert!(ring.tickets.len() <= 16, "{}", ring.tickets.len());
}

/// Every id from the oldest to the newest, and what they sign with.
fn alive(keys: &Keys) -> (Vec<u8>, u8) {
    let ring = keys.ring();
    let told = ring.ticket_keys().unwrap();
    let mut ids: Vec<u8> = ring.tickets.keys().map(|id| id.0).collect();
    ids.sort_by_key(|id| id.wrapping_sub(told.oldest.0));
    assert!((0..=255).map(TicketKeyId).all(|id| told.contains(id) == ids.contains(&id.0)));
    (ids, ring.minting(START).unwrap().0.0)
}

#[test]
fn ticket_keys_change_by_hand_beside_the_old_ones_or_in_their_place() {
    let (_parent, dir) = fresh();
    let keys = open(&dir, 0).unwrap();
    for _ in 0..2 {
        keys.rotate_tickets(false, START, &mut Seeded(2)).unwrap();
    }
    assert_eq!(alive(&keys), (vec![0, 1, 2], 2), "three of one day, and the last one signs");
    keys.rotate_tickets(true, START, &mut Seeded(3)).unwrap();
    assert_eq!(alive(&keys), (vec![3], 3));
    drop(keys);
    let again = open(&dir, 0).unwrap();
    assert_eq!(alive(&again), (vec![3], 3));
    let shown: Vec<u8> = again.ring().ticket_days().iter().map(|(id, _)| id.0).collect();
    assert_eq!(shown, [3]);
}

#[test]
fn ticket_keys_of_one_day_are_told_apart_where_their_ids_wrap() {
    let keys = Keys::in_memory(&crate::writer::fixture::authority(), START, &mut Seeded(1));
    for _ in 0..254 {
        keys.rotate_tickets(true, START, &mut Seeded(2)).unwrap();
    }
    for _ in 0..3 {
        keys.rotate_tickets(false, START, &mut Seeded(2)).unwrap();
    }
    assert_eq!(alive(&keys), (vec![254, 255, 0, 1], 1));
    let shown: Vec<u8> = keys.ring().ticket_days().iter().map(|(id, _)| id.0).collect();
    assert_eq!(shown, [1, 0, 255, 254]);
}

#[test]
fn more_ticket_keys_than_can_be_told_apart_are_refused() {
    let keys = Keys::in_memory(&crate::writer::fixture::authority(), START, &mut Seeded(1));
    let added = (0..300).take_while(|_| {
        let added = keys.rotate_tickets(false, START, &mut Seeded(2));
        assert!(matches!(added, Ok(()) | Err(KeysError::TooManyTicketKeys)));
        added.is_ok()
    });
    assert_eq!(added.count(), 127);
    keys.rotate(later(30), &mut Seeded(2)).unwrap();
    keys.rotate_tickets(true, later(30), &mut Seeded(2)).unwrap();
}

#[test]
fn a_key_that_cannot_be_made_durable_does_not_exist() {
    let (_parent, dir) = fresh();
    let keys = open(&dir, 0).unwrap();
    fs::remove_dir_all(&dir).unwrap();
    keys.rotate(later(1), &mut Seeded(1)).unwrap_err();
    assert!(keys.ring().stamp(later(1).day()).is_none());
    assert!(keys.ring().stamp(START.day()).is_some());
}

#[test]
fn a_key_directory_has_one_user_at_a_time() {
    let (_parent, dir) = fresh();
    let keys = open(&dir, 0).unwrap();
    let clone = keys.clone();
    drop(keys);
    let error = open(&dir, 1).unwrap_err();
    assert!(matches!(error, KeysError::File(KeyFileError::InUse { .. })), "{error}");
    assert!(error.to_string().contains("stop that one first"), "{error}");
    let error = create_authority(&dir, &mut Seeded(2)).unwrap_err();
    assert!(matches!(error, AuthorityFileError::File(KeyFileError::InUse { .. })), "{error}");
    drop(clone);
    open(&dir, 1).unwrap();
}

/// Looks at the keys whenever it is asked for randomness, as another thread would.
struct Watching(Keys, Seeded);

impl TryRng for Watching {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.1.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.1.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        assert!(self.0.ring().stamp(START.day()).is_some());
        self.1.try_fill_bytes(bytes)
    }
}

impl TryCryptoRng for Watching {}

#[test]
fn nobody_waits_for_a_rotation() {
    let (_parent, dir) = fresh();
    let keys = open(&dir, 0).unwrap();
    keys.rotate(later(1), &mut Watching(keys.clone(), Seeded(1))).unwrap();
    assert!(keys.ring().stamp(later(1).day()).is_some());
}

#[test]
fn an_authority_may_live_elsewhere_and_is_never_replaced() {
    let (_parent, dir) = fresh();
    let authority = *open(&dir, 0).unwrap().authority();
    let error = create_authority(&dir, &mut Seeded(2)).unwrap_err();
    assert!(matches!(error, AuthorityFileError::Exists { .. }));
    fs::remove_file(dir.join("authority.key")).unwrap();
    assert_eq!(*open(&dir, 0).unwrap().authority(), authority);
    let error = read_authority_secret(&dir).unwrap_err();
    assert!(matches!(error, AuthorityFileError::Absent { .. }));
    let other = tempfile::tempdir().unwrap();
    fs::set_permissions(other.path(), fs::Permissions::from_mode(0o700)).unwrap();
    create_authority(other.path(), &mut Seeded(99)).unwrap();
    fs::copy(other.path().join("authority.key"), dir.join("authority.key")).unwrap();
    assert!(matches!(read_authority(&dir), Err(AuthorityFileError::Mismatch { .. })));
}

#[test]
fn keys_print_nothing() {
    let keys = Keys::in_memory(&crate::writer::fixture::authority(), START, &mut Seeded(1));
    let first = keys.ring().row().expose_secret()[0];
    let shown = format!("{keys:?}");
    assert!(shown.contains("SealKey(…)") && shown.contains("MacKey(…)"));
    assert!(!shown.contains(&format!("{first}, ")), "{shown}");
}
