//! Thirty days, exact to the hour, and what is told afterwards.

use std::sync::Arc;

use plico_protocol::frame::{Sequence, SubmissionState};
use plico_protocol::id::SubmitId;
use plico_protocol::refusal::Code;

use crate::request::Request;
use crate::store::{Disk, Memory, Table};
use crate::writer::fixture::{World, acknowledge, bank, code, keys, person, revoke};
use crate::writer::{Event, Limits};

fn sent(world: &mut World, count: u8) -> Vec<SubmitId> {
    world.call(Request::Open { address: person(1) }).unwrap();
    let ticket = world.mint(person(1), 99, true);
    let ids = (1..=count).map(|n| world.id(n)).collect();
    for n in 1..=count {
        let request = world.to_mailbox(n, person(1), &ticket);
        world.call(request).unwrap();
    }
    ids
}

fn waiting(world: &World) -> usize {
    let view = world.view();
    view.envelopes_after(&person(1), Sequence(0), 999, 1 << 24, world.now()).unwrap().len()
}

fn state(world: &World, id: &SubmitId) -> SubmissionState {
    world.view().submission_state(id, world.now()).unwrap()
}

#[test]
fn an_envelope_is_there_for_720_hours_and_not_one_more() {
    let (mut world, disk) = World::new();
    let ids = sent(&mut world, 1);
    world.pass_hours(719);
    world.sweep();
    assert_eq!((waiting(&world), state(&world, &ids[0])), (1, SubmissionState::Queued));
    world.pass_hours(1);
    assert_eq!((waiting(&world), state(&world, &ids[0])), (0, SubmissionState::Expired));
    world.sweep();
    assert_eq!((waiting(&world), state(&world, &ids[0])), (0, SubmissionState::Expired));
    let left = disk.rows();
    for table in [Table::Envelopes, Table::Origins, Table::Expiries] {
        assert!(left.iter().all(|row| row.0 != table), "{table:?} still has rows");
    }
}

#[test]
fn sweeping_catches_up_over_a_long_stop_and_leaves_nothing() {
    let (mut world, disk) = World::new();
    sent(&mut world, 60);
    world.pass_hours(10);
    let ticket = world.mint(person(1), 99, true);
    let late = world.to_mailbox(61, person(1), &ticket);
    world.call(late).unwrap();
    world.pass_hours(5_000);
    world.sweep();
    // The fates were found late, so they are told for another 48 hours.
    world.pass_hours(48);
    world.sweep();
    let left: Vec<Table> = disk.rows().into_iter().map(|row| row.0).collect();
    // How many free messages the account sent is kept.
    assert_eq!(left, [Table::Meta, Table::Meta, Table::Queues, Table::Free]);
    let before = disk.rows();
    world.sweep();
    assert_eq!(disk.rows(), before, "with nothing due nothing is written");
}

#[test]
fn a_clock_that_was_far_ahead_does_not_keep_later_envelopes_for_ever() {
    let (mut world, _disk) = World::new();
    let start = world.now();
    world.pass_hours(50_000);
    world.sweep();
    world.clock.set(start);
    sent(&mut world, 1);
    world.sweep();
    assert_eq!(waiting(&world), 1);
    world.pass_hours(720);
    world.sweep();
    let view = world.view();
    assert_eq!(view.last_sequence(&person(1)).unwrap(), Sequence(1));
    world.clock.set(start);
    assert_eq!(waiting(&world), 0, "swept, not only hidden");
}

#[test]
fn what_expired_makes_room_for_as_much_again() {
    let store = Arc::new(Memory::open(&Disk::default()).unwrap());
    let limits = Limits { mailbox_envelopes_max: 2, ..Limits::default() };
    let mut world = World::over(store, keys(), limits);
    for round in 0..3 {
        sent(&mut world, 2);
        let ticket = world.mint(person(1), 99, true);
        let third = world.to_mailbox(3, person(1), &ticket);
        assert_eq!(code(world.call(third)), Code::MailboxFull, "round {round}");
        world.pass_hours(720);
        world.sweep();
    }
}

#[test]
fn fates_are_told_as_the_specification_says() {
    let (mut world, _disk) = World::new();
    let ids = sent(&mut world, 4);
    world.call(acknowledge(person(1), 2, &[2])).unwrap();
    let states = |world: &World| ids.iter().map(|id| state(world, id)).collect::<Vec<_>>();
    use SubmissionState::{Delivered, Expired, Queued, Unknown, Unreadable};
    // 07:30 UTC: a person's reading is not told before midnight.
    assert_eq!(states(&world), [Queued, Queued, Queued, Queued]);
    world.call(revoke(person(1))).unwrap();
    assert_eq!(states(&world), [Queued, Queued, Expired, Expired]);
    world.pass_hours(17);
    assert_eq!(states(&world), [Delivered, Unreadable, Expired, Expired]);
    world.pass_hours(47);
    assert_eq!(states(&world), [Delivered, Unreadable, Unknown, Unknown]);
    world.sweep();
    assert_eq!(states(&world), [Delivered, Unreadable, Unknown, Unknown]);
    world.pass_hours(1);
    assert_eq!(state(&world, &ids[0]), Unknown);
}

#[test]
fn what_expired_unseen_is_not_acknowledged_with_what_followed() {
    let (mut world, _disk) = World::new();
    let ids = sent(&mut world, 1);
    world.pass_hours(100);
    let ticket = world.mint(person(1), 99, true);
    let second = world.to_mailbox(2, person(1), &ticket);
    world.call(second).unwrap();
    world.pass_hours(620);
    world.call(acknowledge(person(1), 2, &[])).unwrap();
    assert_eq!(state(&world, &ids[0]), SubmissionState::Expired);
    world.sweep();
    assert_eq!(state(&world, &ids[0]), SubmissionState::Expired);
    assert_eq!(waiting(&world), 0);
}

#[test]
fn a_business_is_told_of_a_delivery_to_its_inbox_at_once() {
    let (mut world, _disk) = World::new();
    world.certify_bank();
    let id = world.id(1);
    let request = world.to_inbox(1);
    world.call(request).unwrap();
    let inbox = bank().inbox;
    assert_eq!(world.woken.take(), [Event::Arrived { address: inbox }]);
    assert_eq!(state(&world, &id), SubmissionState::Queued);
    world.call(acknowledge(inbox, 1, &[])).unwrap();
    assert_eq!(state(&world, &id), SubmissionState::Delivered);
}

#[test]
fn reading_is_bounded_by_number_and_bytes() {
    let (mut world, _disk) = World::new();
    sent(&mut world, 5);
    let (view, now) = (world.view(), world.now());
    let read = |after, count, bytes| {
        let found = view.envelopes_after(&person(1), Sequence(after), count, bytes, now).unwrap();
        found.iter().map(|envelope| envelope.sequence.0).collect::<Vec<_>>()
    };
    assert_eq!(read(0, 9, 1 << 20), [1, 2, 3, 4, 5]);
    assert_eq!(read(3, 9, 1 << 20), [4, 5]);
    assert_eq!(read(0, 2, 1 << 20), [1, 2]);
    assert_eq!(read(0, 9, 3 * 2048), [1, 2, 3]);
    assert_eq!(read(0, 9, 2047), [0; 0]);
    assert_eq!(read(u64::MAX, 9, 1 << 20), [0; 0]);
}
