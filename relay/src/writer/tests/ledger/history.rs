//! Random histories with crashes: every charge ends once, and as what became of its envelope.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use plico_protocol::frame::Sequence;
use plico_protocol::id::{Address, SubmitId};
use plico_protocol::ledger::{Entry, EntryKind, EntryReason};
use plico_protocol::time::Hour;
use proptest::prelude::*;

use super::{CREDIT, Shop};
use crate::request::Request;
use crate::store::{Disk, Memory};
use crate::writer::Limits;
use crate::writer::fixture::{UTILITY, World, acknowledge, person, revoke};

/// One thing that happens in a random history.
#[derive(Clone, Debug)]
enum Step {
    Send(u8),
    Repeat,
    Acknowledge(u8, bool),
    Offer,
    Revoke,
    Pass(u32),
    Settle,
    /// The process is killed; what is committed is there again.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..4u8).prop_map(Step::Send),
        1 => Just(Step::Repeat),
        4 => (0..4u8, any::<bool>()).prop_map(|(count, unreadable)| Step::Acknowledge(count, unreadable)),
        2 => Just(Step::Offer),
        1 => Just(Step::Revoke),
        3 => prop_oneof![0..30u32, 700..740u32].prop_map(Step::Pass),
        2 => Just(Step::Settle),
        1 => Just(Step::Crash),
    ]
}

/// A message of the model.
struct Sent {
    sequence: Sequence,
    offered: bool,
    /// Not swept yet.
    there: bool,
    expires: Hour,
}

/// What should become of each accepted charge.
#[derive(Default)]
struct Model {
    accepted: BTreeMap<SubmitId, Sent>,
    opened: BTreeSet<SubmitId>,
    unreadable: BTreeSet<SubmitId>,
    last: Option<Request>,
    sequence: u64,
    acknowledged: u64,
    crashes: u64,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_charge_ends_once_and_as_what_became_of_its_envelope(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let disk = Disk::default();
        let mut shop = Shop::over(Arc::new(Memory::open(&disk).unwrap()));
        let mut model = Model::default();
        for step in steps {
            shop = run(&disk, shop, &mut model, step);
            let bound: u64 = open_and_owed(&shop.entries());
            prop_assert!(bound <= CREDIT.0, "a balance passed its limit");
        }
        // Everything ends: what waits expires, and the day after is settled.
        shop.world.pass_hours(721);
        shop.world.sweep();
        shop.next_day();
        let entries = shop.entries();
        let mut ends: BTreeMap<SubmitId, Vec<EntryReason>> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.kind != EntryKind::Accept) {
            ends.entry(entry.message.unwrap().submission).or_default().push(entry.reason);
        }
        prop_assert_eq!(entries.len(), 2 * model.accepted.len());
        for (id, sent) in &model.accepted {
            let expected = match (model.opened.contains(id), model.unreadable.contains(id)) {
                (true, _) => EntryReason::Opened,
                (_, true) => EntryReason::Unreadable,
                _ if sent.offered => EntryReason::Offered,
                _ => EntryReason::NotOffered,
            };
            prop_assert_eq!(&ends[id], &vec![expected]);
        }
    }
}

fn run(disk: &Disk, mut shop: Shop, model: &mut Model, step: Step) -> Shop {
    let address: Address = person(1);
    match step {
        Step::Send(count) => sent(&mut shop, model, count),
        Step::Repeat => {
            if let Some(request) = model.last.clone() {
                let before = shop.entries().len();
                let _ = shop.world.call(request);
                assert_eq!(shop.entries().len(), before);
            }
        }
        Step::Acknowledge(count, unreadable) => acknowledged(&mut shop, model, count, unreadable),
        Step::Offer => {
            let up_to = Sequence(model.sequence);
            shop.world.call(Request::Offer { address, up_to }).unwrap();
            // What is past its hour and not swept was handed out before.
            for sent in model.accepted.values_mut() {
                sent.offered |= sent.there && model.acknowledged < sent.sequence.0;
            }
        }
        Step::Revoke => {
            shop.world.call(revoke(address)).unwrap();
            model.acknowledged = model.sequence;
            shop.ticket = shop.world.mint(address, 999, true);
        }
        Step::Pass(hours) => {
            shop.world.pass_hours(hours);
            shop.ticket = shop.world.mint(address, 999, true);
        }
        Step::Settle => {
            shop.world.sweep();
            let now = shop.world.now().hour();
            model.accepted.values_mut().for_each(|sent| sent.there &= now < sent.expires);
        }
        Step::Crash => {
            let Shop { world, ticket, next } = shop;
            let (keys, now) = (world.keys.clone(), world.now());
            drop(world);
            let limits = Limits { credit: CREDIT, ..Limits::default() };
            let store = Arc::new(Memory::open(disk).unwrap());
            // Randomness of its own each time, or names of pending rows would come again.
            model.crashes += 1;
            let world = World::seeded(store, keys, limits, 1_000 + model.crashes);
            world.clock.set(now);
            return Shop { world, ticket, next };
        }
    }
    shop
}

fn sent(shop: &mut Shop, model: &mut Model, count: u8) {
    for _ in 0..count {
        let request = shop.priced(UTILITY);
        let Request::SubmitToMailbox { id, .. } = &request else { unreachable!() };
        let id = *id;
        if shop.world.call(request.clone()).is_ok() {
            model.sequence += 1;
            let sent = Sent {
                sequence: Sequence(model.sequence),
                offered: false,
                there: true,
                expires: shop.world.now().hour().plus(720),
            };
            model.accepted.insert(id, sent);
            model.last = Some(request);
        }
    }
}

fn acknowledged(shop: &mut Shop, model: &mut Model, count: u8, unreadable: bool) {
    let address = person(1);
    let up_to = (model.acknowledged + u64::from(count)).min(model.sequence);
    let bad: &[u64] = if unreadable { &[up_to] } else { &[] };
    let waiting = shop.world.view().envelopes_after(
        &address,
        Sequence(model.acknowledged),
        999,
        1 << 24,
        shop.world.now(),
    );
    let waiting: BTreeSet<_> = waiting.unwrap().iter().map(|e| e.sequence).collect();
    if model.acknowledged < up_to && shop.world.call(acknowledge(address, up_to, bad)).is_ok() {
        for (id, Sent { sequence, .. }) in &model.accepted {
            if waiting.contains(sequence) && sequence.0 <= up_to {
                match unreadable && sequence.0 == up_to {
                    true => model.unreadable.insert(*id),
                    false => model.opened.insert(*id),
                };
            }
        }
        model.acknowledged = up_to;
    }
}

/// What is reserved and what is owed.
fn open_and_owed(entries: &[Entry]) -> u64 {
    let sum = |kind| {
        let of_kind = entries.iter().filter(move |entry| entry.kind == kind);
        of_kind.map(|entry| entry.amount.millionths.0).sum::<u64>()
    };
    sum(EntryKind::Accept) - sum(EntryKind::Release)
}
