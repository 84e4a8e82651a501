//! What ended envelopes leave for the settlement.

use super::*;

#[test]
fn what_expires_in_an_hour_shares_rows_and_what_a_device_ends_at_once_does_not() {
    let store = Arc::new(Memory::open(&Disk::default()).unwrap());
    let mut shop = Shop::over(store.clone());
    let account = bank().account;
    shop.world.call(Request::SetCredit { account, credit: Some(euros(1_000)) }).unwrap();
    for _ in 0..30 {
        shop.send();
    }
    let rows = || store.reader().unwrap().scan(Table::Pending, &[], &[], 100).unwrap().len();
    shop.world.call(acknowledge(person(1), 10, &[2])).unwrap();
    assert_eq!(rows(), 10);
    shop.world.pass_hours(720);
    shop.world.core.sweep().unwrap();
    assert_eq!(rows(), 10 + 20_usize.div_ceil(8));
    shop.next_day();
    assert_eq!(rows(), 0);
    for accept in 0..30 {
        let outcome = match accept {
            1 => (EntryKind::Release, EntryReason::Unreadable),
            0..10 => (EntryKind::Settle, EntryReason::Opened),
            _ => (EntryKind::Release, EntryReason::NotOffered),
        };
        assert_eq!(shop.outcome(EntrySequence(accept)), Some(outcome));
    }
    assert_eq!(shop.entries().len(), 60);
    let row = shop.world.view().account(&account).unwrap();
    assert_eq!((row.reserved, row.owed), (Millionths::ZERO, Millionths(9 * UTILITY.0)));
}
