//! What a subscriber gets, what a business reads of its ledger, and the end, where everybody comes back.

use std::collections::BTreeMap;

use plico_protocol::frame::{ClientFrame, Frame, Headed, RelayFrame, Sequence};
use plico_protocol::id::{AccountKey, Address};
use plico_protocol::ledger::{Entry, EntryKind, EntrySequence, Frontier};
use plico_relay::store::Table;

use super::parties::{PARTIES, PEOPLE, SHOPS};
use super::world::Life;

/// The connection of a person, and that of a business.
pub(super) fn slot_of_person(which: usize) -> usize {
    1 + which % PEOPLE
}

pub(super) fn slot_of_shop(which: usize) -> usize {
    1 + PEOPLE + which % SHOPS
}

/// Subscribes on the slot's delivery stream and takes what waits; whether it was let.
pub(super) async fn subscribe(life: &mut Life<'_>, slot: usize, address: Address) -> bool {
    let expected = life.model.waiting(&address);
    let now = life.now();
    life.client(slot).delivery().send(&ClientFrame::Subscribe { address });
    let (mut mine, mut got) = (None, Vec::new());
    loop {
        let Some(frame) = life.client(slot).delivery().next().await else {
            life.clients[slot].as_mut().expect("a client").delivery = None;
            return false;
        };
        match frame {
            RelayFrame::Subscribed { channel } => mine = Some(channel),
            RelayFrame::Refused(_) => {
                // A stream that is not yet one of deliveries stays as it is.
                return false;
            }
            RelayFrame::Deliver(delivery) if Some(delivery.channel) == mine => {
                life.model.delivers(address, &delivery, now);
                assert!(got.last().is_none_or(|last| *last < delivery.sequence.0), "out of order");
                got.push(delivery.sequence.0);
            }
            RelayFrame::Drained { channel } if Some(channel) == mine => break,
            // Of an earlier subscription, read late.
            RelayFrame::Deliver(_) | RelayFrame::Drained { .. } => (),
            RelayFrame::Ended { .. } | RelayFrame::Notice(_) => (),
            other => panic!("a delivery stream that says {other:?}"),
        }
    }
    assert_eq!(got, expected, "accepted, and not delivered");
    let client = life.client(slot);
    client.channel = mine.map(|channel| (channel, address));
    true
}

/// Acknowledges on the slot's delivery stream; whether it was confirmed.
pub(super) async fn acknowledge(
    life: &mut Life<'_>,
    slot: usize,
    up_to: Sequence,
    unreadable: Vec<Sequence>,
) -> bool {
    let Some((channel, address)) = life.client(slot).channel else { return false };
    let frame = ClientFrame::Acknowledge { channel, up_to, unreadable };
    life.client(slot).delivery().send(&frame);
    loop {
        match life.client(slot).delivery().next().await {
            Some(RelayFrame::Acknowledged { channel: of, up_to: confirmed }) => {
                assert_eq!((of, confirmed), (channel, up_to));
                life.model.acknowledged(&address, up_to);
                return true;
            }
            Some(RelayFrame::Refused(_)) => return false,
            Some(RelayFrame::Deliver(delivery)) => {
                // Came while it listened. What a closed channel still had is no more in the model.
                if delivery.channel == channel
                    && life.model.waiting(&address).contains(&delivery.sequence.0)
                {
                    let now = life.now();
                    life.model.delivers(address, &delivery, now);
                }
            }
            Some(_) => (),
            None => {
                life.clients[slot].as_mut().expect("a client").delivery = None;
                return false;
            }
        }
    }
}

/// What a business reads: its whole ledger, which must be the one it read before and more.
pub(super) async fn ledger(life: &mut Life<'_>, which: usize) -> Option<Vec<Entry>> {
    let account = PARTIES.shop(which).account.public();
    let slot = slot_of_shop(which);
    prove_shop(life, which).await;
    if life.client(slot).account != Some(account) {
        // This connection proved another one before.
        return None;
    }
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let from = EntrySequence(entries.len() as u64);
        let answer = one(life, slot, &ClientFrame::ReadLedger { from }).await;
        let RelayFrame::Entries(page) = answer else { return None };
        if page.is_empty() {
            break;
        }
        entries.extend(page);
    }
    let answer = one(life, slot, &ClientFrame::Head { since: 0 }).await;
    let RelayFrame::Headed(headed) = answer else { return None };
    check_head(&account, &entries, &headed);
    let before = life.model.ledgers.insert(account, entries.clone()).unwrap_or_default();
    assert!(entries.starts_with(&before), "entries that were changed");
    for (_, receipt) in life.model.receipts.iter().filter(|(of, _)| *of == account) {
        let place = usize::try_from(receipt.entry.sequence.0).unwrap();
        assert_eq!(entries.get(place), Some(&receipt.entry), "a receipt without its entry");
    }
    balance(life, &entries);
    Some(entries)
}

fn check_head(account: &AccountKey, entries: &[Entry], headed: &Headed) {
    let key = headed.key.verify(&PARTIES.authority.public()).expect("a certified key");
    let head = headed.head.verify(account, &key).expect("a signed head");
    let mut tree = Frontier::default();
    entries.iter().for_each(|entry| tree.push(entry.hash(), |_, _| ()));
    assert_eq!((head.body().size, head.body().root), (tree.size(), tree.root()));
}

/// Each message is charged once and ends once, and nothing is reserved or owed past all credit.
fn balance(life: &Life<'_>, entries: &[Entry]) {
    let mut open: BTreeMap<EntrySequence, Entry> = BTreeMap::new();
    let (mut paid, mut owed, mut reserved) = (life.model.credit_max.0, 0, 0);
    for (place, entry) in (0..).zip(entries) {
        assert_eq!(entry.sequence, EntrySequence(place));
        let amount = entry.amount.millionths.0;
        match (entry.kind, entry.message) {
            (EntryKind::Accept, Some(_)) => {
                open.insert(entry.sequence, *entry);
                reserved += amount;
            }
            (EntryKind::Settle | EntryKind::Release, Some(message)) => {
                let accept = open.remove(&message.accept).expect("a charge that ends once");
                assert_eq!(accept.amount, entry.amount);
                reserved -= amount;
                owed += if entry.kind == EntryKind::Settle { amount } else { 0 };
            }
            (EntryKind::Subscription, None) => owed += amount,
            (EntryKind::Payment, None) => paid += amount,
            // What was spent of it meanwhile stays owed, and nothing is added to that.
            (EntryKind::Correction, None) => paid -= amount,
            _ => panic!("{entry:?}"),
        }
        let grew = matches!(entry.kind, EntryKind::Accept | EntryKind::Subscription);
        assert!(!grew || owed + reserved <= paid, "a balance past its limit");
    }
}

/// One frame and its answer.
async fn one(life: &mut Life<'_>, slot: usize, frame: &ClientFrame) -> RelayFrame {
    let mut answers = life.client(slot).exchange(frame.to_bytes()).await;
    assert_eq!(answers.len(), 1, "{frame:?} is answered once: {answers:?}");
    let answer = answers.remove(0);
    life.client(slot).answered(frame, &answer);
    answer
}

async fn prove_shop(life: &mut Life<'_>, which: usize) {
    let client = life.client(slot_of_shop(which));
    let inbox = PARTIES.shop(which).inbox.public();
    if client.account.is_some() && client.proved.contains(inbox.as_bytes()) {
        return;
    }
    for proof in PARTIES.proofs_of_shop(which) {
        one(life, slot_of_shop(which), &ClientFrame::Prove(proof.clone())).await;
    }
}

/// Everybody comes back and takes what is left; days and a month later nothing waits and nothing is open.
pub(super) async fn end(life: &mut Life<'_>) {
    life.disk.set_full(false);
    life.clients = Default::default();
    // Whoever was told of an offer tells the store.
    tokio::time::sleep(core::time::Duration::from_secs(3)).await;
    for which in 0..SHOPS {
        prove_shop(life, which).await;
        take_all(life, slot_of_shop(which), PARTIES.shop(which).inbox.public()).await;
    }
    for which in 0..PEOPLE {
        let proof = PARTIES.proof_of_person(which).clone();
        one(life, slot_of_person(which), &ClientFrame::Prove(proof)).await;
        let address = PARTIES.person(which).public();
        if life.model.is_there(&address) {
            take_all(life, slot_of_person(which), address).await;
        }
    }
    life.clients = Default::default();
    life.pass(2 * 24 * 60).await;
    life.sweep().await;
    for which in 0..SHOPS {
        let entries = ledger(life, which).await.expect("a ledger");
        let of = |kinds: &[EntryKind]| entries.iter().filter(|e| kinds.contains(&e.kind)).count();
        let ends = of(&[EntryKind::Settle, EntryKind::Release]);
        assert_eq!(of(&[EntryKind::Accept]), ends, "a charge that never ended");
    }
    life.pass(31 * 24 * 60).await;
    life.sweep().await;
    let left = life.disk.rows();
    let left = left.iter().find(|(table, ..)| matches!(table, Table::Envelopes | Table::Pending));
    assert!(left.is_none(), "an envelope or a charge that stayed: {left:?}");
}

async fn take_all(life: &mut Life<'_>, slot: usize, address: Address) {
    if !subscribe(life, slot, address).await {
        // Nobody but who was never certified.
        panic!("a mailbox whose owner is refused");
    }
    if let Some(last) = life.model.waiting(&address).last() {
        let taken = acknowledge(life, slot, Sequence(*last), Vec::new()).await;
        assert!(taken && life.model.waiting(&address).is_empty());
    }
}
