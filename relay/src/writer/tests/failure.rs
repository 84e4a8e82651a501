//! Full disks, broken disks, other keys, damaged rows.

use std::sync::Arc;

use plico_protocol::frame::{RelayFrame, Sequence};
use plico_protocol::refusal::Code;

use crate::keys::Keys;
use crate::request::Request;
use crate::rows::{BadRow, ViewError};
use crate::store::{Change, Disk, Fjall, Memory, Store, Table};
use crate::writer::fixture::{
    START, Seeded, SetClock, World, acknowledge, authority, bank, code, keys, person, revoke,
};
use crate::writer::{Core, CoreError, Limits, NoProbe, NoWake, Setup};

fn open(person_n: u8) -> Request {
    Request::Open { address: person(person_n) }
}

#[test]
fn a_batch_sees_its_own_earlier_requests_and_commits_once() {
    let (mut world, _disk) = World::new();
    world.call(open(1)).unwrap();
    let ticket = world.mint(person(1), 9, true);
    let first = world.to_mailbox(1, person(1), &ticket);
    let second = world.to_mailbox(2, person(1), &ticket);
    let batch = vec![
        first.clone(),
        second,
        first,
        acknowledge(person(1), 1, &[]),
        revoke(person(1)),
        world.to_mailbox(3, person(1), &ticket),
    ];
    let replies = world.core.commit_batch(batch).unwrap();
    assert_eq!(replies[0], replies[2], "repeated within the batch");
    assert!(matches!(replies[3], Ok(RelayFrame::Acknowledged { up_to: Sequence(1), .. })));
    assert_eq!(code(replies[5].clone()), Code::Revoked);
    assert_eq!(world.view().last_sequence(&person(1)).unwrap(), Sequence(2));
    assert_eq!(world.view().acknowledged(&person(1)).unwrap(), Sequence(2));
}

#[test]
fn a_full_disk_refuses_and_the_same_submission_is_taken_once_there_is_room() {
    let (mut world, disk) = World::new();
    world.call(open(1)).unwrap();
    let ticket = world.mint(person(1), 9, true);
    let request = world.to_mailbox(1, person(1), &ticket);
    disk.set_full(true);
    for _ in 0..2 {
        let refusal = world.call(request.clone()).unwrap_err();
        assert_eq!(refusal.code, Code::StorageFull);
        assert!(0 < refusal.retry_after_ms);
    }
    assert_eq!(world.view().last_sequence(&person(1)).unwrap(), Sequence(0), "reading goes on");
    disk.set_full(false);
    world.call(request.clone()).unwrap();
    world.call(request).unwrap();
    assert_eq!(world.view().last_sequence(&person(1)).unwrap(), Sequence(1));
}

#[test]
fn a_broken_disk_answers_nobody() {
    let (mut world, disk) = World::new();
    disk.set_broken(true);
    world.core.commit_batch(vec![open(1)]).unwrap_err();
    assert!(world.woken.take().is_empty());
}

#[test]
fn data_written_with_other_keys_is_refused() {
    let disk = Disk::default();
    drop(World::over(Arc::new(Memory::open(&disk).unwrap()), keys(), Limits::default()));
    let setup = Setup {
        store: Arc::new(Memory::open(&disk).unwrap()),
        keys: Keys::in_memory(&authority(), START, &mut Seeded(99)),
        clock: Arc::new(crate::clock::SystemClock),
        rng: Box::new(Seeded(1)),
        limits: Limits::default(),
        wake: Arc::new(NoWake),
        probe: Arc::new(NoProbe),
    };
    let error = Core::open(setup).unwrap_err();
    assert!(matches!(error, CoreError::OtherKeys(_)), "{error}");
}

#[test]
fn a_damaged_row_is_a_typed_error_and_the_others_go_on() {
    let (mut world, disk) = World::new();
    world.call(open(1)).unwrap();
    world.call(open(2)).unwrap();
    let (_, key, value) =
        disk.rows().into_iter().find(|(table, ..)| *table == Table::Queues).unwrap();
    let mut damaged = value.to_vec();
    damaged[30] ^= 1;
    world.store.commit(&[Change::put(Table::Queues, key, damaged)]).unwrap();
    let mut codes = Vec::new();
    for n in [1, 2] {
        codes.push(world.call(open(n)).map_err(|refusal| refusal.code));
        if codes.last() == Some(&Err(Code::Busy)) {
            let error = world.view().mailbox_exists(&person(n)).unwrap_err();
            assert!(matches!(error, ViewError::Row(BadRow::Seal { table: "queues" })));
        }
    }
    assert!(codes.contains(&Ok(RelayFrame::Opened)) && codes.contains(&Err(Code::Busy)));
}

#[test]
fn a_crash_loses_nothing_that_was_answered() {
    let dir = tempfile::tempdir().unwrap();
    let mut world =
        World::over(Arc::new(Fjall::open(dir.path()).unwrap()), keys(), Limits::default());
    world.certify_bank();
    world.call(open(1)).unwrap();
    let ticket = world.mint(person(1), 9, true);
    let request = world.to_mailbox(1, person(1), &ticket);
    let first = world.call(request.clone()).unwrap();
    let now = world.now();
    let keys = world.keys.clone();
    drop(world);
    let store: Arc<dyn Store> = Arc::new(Fjall::open(dir.path()).unwrap());
    let mut world = World::over(store, keys, Limits::default());
    assert_eq!(world.call(request).unwrap(), first);
    let found = world.view().envelopes_after(&person(1), Sequence(0), 9, 1 << 20, now).unwrap();
    assert_eq!(found.len(), 1);
    assert!(world.core.directory().inbox(&bank().inbox).is_some());
}

#[test]
fn a_failed_rotation_is_tried_again_the_next_minute() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("keys");
    let keys = Keys::open_or_create(&dir, START, &mut Seeded(1)).unwrap();
    let store = Arc::new(Memory::open(&Disk::default()).unwrap());
    let mut world = World::over(store, keys, Limits::default());
    world.call(open(1)).unwrap();
    let ticket = world.mint(person(1), 9, true);
    let away = parent.path().join("away");
    std::fs::rename(&dir, &away).unwrap();
    world.pass_hours(24);
    let request = world.to_mailbox(1, person(1), &ticket);
    assert_eq!(code(world.call(request.clone())), Code::Busy);
    std::fs::rename(&away, &dir).unwrap();
    assert_eq!(code(world.call(request.clone())), Code::Busy, "not within the minute");
    let later = SetClock::after(world.now(), 60_000);
    world.clock.set(later);
    world.call(request).unwrap();
}
