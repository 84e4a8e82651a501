//! Payments: spent, shown by day, and entered once under their reference.

use super::*;

#[test]
fn what_was_paid_may_be_spent_and_shows_by_day() {
    let mut shop = Shop::new();
    for _ in 0..10 {
        shop.send();
    }
    let account = bank().account;
    let amount = Amount { millionths: UTILITY, ..shop.entries()[0].amount };
    shop.world.call(Request::Pay { account, amount, reference: None, correction: false }).unwrap();
    let eleventh = shop.priced(UTILITY);
    receipt(shop.world.call(eleventh));
    let twelfth = shop.priced(UTILITY);
    assert_eq!(code(shop.world.call(twelfth)), Code::NoCredit);
    let dollars = Amount { currency: Currency::new(*b"USD").unwrap(), ..amount };
    let other = Request::Pay { account, amount: dollars, reference: None, correction: false };
    assert_eq!(code(shop.world.call(other)), Code::NotPriced);
    let lines = lines(&shop.world.view(), &account, Days::ALL).unwrap();
    let today = shop.world.now().day();
    let shown: Vec<_> = lines.iter().map(|l| (l.day, l.key.kind, l.total.count)).collect();
    assert_eq!(shown, [(today, EntryKind::Accept, 11), (today, EntryKind::Payment, 1)]);
    assert_eq!(LedgerLine::decode(lines[0].encode()), Ok(lines[0]));
}

#[test]
fn a_payment_is_entered_once_under_its_reference() {
    let mut shop = Shop::new();
    let account = bank().account;
    let amount = Amount { millionths: UTILITY, currency: Currency::new(*b"EUR").unwrap() };
    let mut pay = |reference: Option<&str>| {
        let reference = reference.map(str::to_owned);
        match shop
            .world
            .call(Request::Pay { account, amount, reference, correction: false })
            .unwrap()
        {
            RelayFrame::Entries(entries) => entries.len(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!([pay(Some("A 1")), pay(Some("A 1")), pay(Some("A 2"))], [1, 0, 1]);
    assert_eq!([pay(None), pay(None)], [1, 1], "without one each is another");
    let view = shop.world.view();
    let entered =
        |reference| view.payment(&account, reference).unwrap().map(|entry| entry.sequence.0);
    assert_eq!(["A 1", "A 2", "A 3"].map(entered), [Some(0), Some(1), None]);
    assert_eq!(
        view.payment(&AccountKey::new([9; 32]), "A 1").unwrap(),
        None,
        "another's is its own"
    );
}
