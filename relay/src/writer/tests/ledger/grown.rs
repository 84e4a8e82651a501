//! An account between two writes of its row: what is read of it is what its entries say.

use super::*;
use crate::ledger::{AccountRow, EntriesRow};
use crate::store::Table;

#[test]
fn an_account_is_written_when_its_row_of_entries_is_full_and_known_all_the_time() {
    let (disk, credit) = (Disk::default(), Millionths(100 * UTILITY.0));
    let store = || Memory::open(&disk).unwrap();
    let watched = Arc::new(Watched { store: store(), commits: Mutex::default() });
    let mut shop = Shop::over(watched.clone());
    let (account, currency) = (bank().account, Currency::new(*b"EUR").unwrap());
    let amount = Amount { millionths: credit, currency };
    shop.world.call(Request::SetCredit { account, credit: Some(amount) }).unwrap();
    watched.commits.lock().unwrap().clear();
    let mut written = Vec::new();
    for sent in 1..=40 {
        shop.send();
        if watched.commits.lock().unwrap().pop().unwrap().contains(&Table::Accounts) {
            written.push(sent);
        }
        let row = shop.world.view().account(&account).unwrap();
        assert_eq!((row.next().0, row.reserved.0), (sent, sent * UTILITY.0));
        assert_eq!(row.available(CREDIT).0, (100 - sent) * UTILITY.0);
        assert_eq!(shop.world.view().currency().unwrap(), Some(currency));
        let (head, _) = shop.head(0);
        assert_eq!((head.body().size, head.body().root), (sent, row.tree.root()));
    }
    assert_eq!(written, [1, 16, 32], "the first begins the account's first period");

    // As a relay that begins again knows it.
    drop(watched);
    let Shop { world, ticket, next } = shop;
    drop(world);
    let limits = Limits { credit: CREDIT, ..Limits::default() };
    let world = World::over(Arc::new(store()), keys(), limits);
    let mut shop = Shop { world, ticket, next };
    let next = shop.send();
    assert_eq!(next.entry.sequence, EntrySequence(40));
    next.verify(&account, &shop.world.keys.ledger_key(shop.world.now()).unwrap()).unwrap();
}

#[test]
fn entries_that_do_not_go_on_from_an_account_are_refused() {
    let mut shop = Shop::new();
    for _ in 0..3 {
        shop.send();
    }
    let entries = shop.entries();
    let row = |tree: usize| {
        let begun = AccountRow::new(bank().account);
        begun.with(Some(&EntriesRow(entries[..tree].to_vec()))).unwrap()
    };
    let of = |range: std::ops::Range<usize>| Some(EntriesRow(entries[range].to_vec()));
    assert_eq!(row(1).with(of(0..3).as_ref()), Ok(row(3)));
    assert_eq!(AccountRow::new(bank().account).with(None).map(|row| row.next().0), Ok(0));
    for (row, newest) in [
        (row(1), None),
        (row(1), Some(EntriesRow::default())),
        (row(1), of(2..3)),
        (row(2), of(0..1)),
        (AccountRow::new(bank().account), of(1..3)),
    ] {
        assert!(row.with(newest.as_ref()).is_err());
    }
}

#[test]
fn what_was_taken_back_of_spent_payments_is_lacking_too() {
    let row = |paid, owed, reserved| AccountRow {
        paid: Millionths(paid),
        owed: Millionths(owed),
        reserved: Millionths(reserved),
        credit: Some(Millionths(10)),
        ..AccountRow::new(bank().account)
    };
    let lacks = |row: AccountRow| row.lacks(Millionths(20), Millionths::ZERO).0;
    assert_eq!(lacks(row(100, 40, 50)), 0, "20 are left");
    assert_eq!(lacks(row(99, 40, 50)), 1);
    assert_eq!(lacks(row(50, 40, 50)), 50, "30 below what may be owed, and 20 more");
}
