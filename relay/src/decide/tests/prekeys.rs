//! What becomes of prekeys.

use plico_protocol::id::DhKey;
use plico_protocol::prekey::{
    KEM_KEY_BYTES, KemKey, PrekeyId, PrekeyType, Publication, SignedPrekey,
};

use super::*;

fn publication(ids: impl IntoIterator<Item = u32>, signed: u32, end: Hour) -> Box<Publication> {
    let by = bank_account();
    let one_time =
        |id| SignedPrekey::sign(PrekeyType::OneTime, PrekeyId(id), end, DhKey::new([1; 32]), &by);
    let kem = KemKey::new(Box::new([2; KEM_KEY_BYTES]));
    Box::new(Publication {
        signed: SignedPrekey::sign(
            PrekeyType::Signed,
            PrekeyId(signed),
            end,
            DhKey::new([3; 32]),
            &by,
        ),
        kem: SignedPrekey::sign(PrekeyType::Kem, PrekeyId(signed), end, kem, &by),
        void: PrekeyId(0),
        one_time: ids.into_iter().map(one_time).collect(),
    })
}

fn publish(desk: &mut Desk<'_>, publication: Box<Publication>) -> (u32, u32) {
    let account = bank().account;
    match desk.call(Request::PublishPrekeys { account, publication }) {
        Ok(RelayFrame::Stock(stock)) => (stock.signed.0, stock.one_time),
        other => panic!("no stock: {other:?}"),
    }
}

fn taken(desk: &mut Desk<'_>) -> Option<u32> {
    match desk.call(Request::TakeBundle { account: bank().account, one_time: true }) {
        Ok(RelayFrame::Prekeys(bundle)) => bundle.one_time.map(|prekey| prekey.id.0),
        other => panic!("no bundle: {other:?}"),
    }
}

#[test]
fn a_one_time_prekey_is_handed_out_once_oldest_first_and_never_comes_back() {
    scenario(|desk| {
        let take = Request::TakeBundle { account: bank().account, one_time: true };
        assert_eq!(code(desk.call(take.clone())), Code::NoPrekeys);
        let end = desk.now.hour().plus(48);
        assert_eq!(publish(desk, publication([3, 5, 9], 7, end)), (7, 3));
        assert_eq!(taken(desk), Some(3));
        assert!(matches!(desk.events[..], [Event::PrekeysLow { one_time: 2, .. }]));
        assert_eq!(publish(desk, publication([3, 5, 9], 6, end)), (7, 2), "repeated and older");
        assert_eq!(taken(desk), Some(5));
        assert_eq!(taken(desk), Some(9));
        assert_eq!(taken(desk), None, "a bundle is valid without one");
        assert_eq!(publish(desk, publication([9, 10], 8, end)), (8, 1));
        assert_eq!(taken(desk), Some(10));
        desk.pass_hours(48);
        assert_eq!(code(desk.call(take)), Code::NoPrekeys, "the signed ones ended");
    });
}

#[test]
fn void_one_time_prekeys_are_neither_handed_out_nor_taken_in_again() {
    scenario(|desk| {
        let (soon, end) = (desk.now.hour().plus(1), desk.now.hour().plus(48));
        publish(desk, publication(1..=20, 1, soon));
        publish(desk, publication(21..=60, 1, end));
        desk.pass_hours(1);
        let mut restored = publication([70, 71], 2, end);
        restored.void = PrekeyId(50);
        assert_eq!(publish(desk, restored), (2, 12), "51 to 60 are not void");
        assert_eq!(publish(desk, publication([50, 60, 71], 2, end)), (2, 12));
        let ids: Vec<_> = core::iter::from_fn(|| taken(desk)).collect();
        assert_eq!(ids, [51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 70, 71]);
        let mut ahead = publication([], 2, end);
        ahead.void = PrekeyId(90);
        assert_eq!(publish(desk, ahead), (2, 0));
        assert_eq!(publish(desk, publication([90, 91], 2, end)), (2, 1));
    });
}

#[test]
fn expired_one_time_prekeys_are_passed_over() {
    scenario(|desk| {
        let soon = desk.now.hour().plus(1);
        publish(desk, publication([1, 2], 1, soon));
        desk.pass_hours(1);
        let end = desk.now.hour().plus(48);
        assert_eq!(publish(desk, publication([3], 2, end)), (2, 1));
        assert_eq!(taken(desk), Some(3));
        assert_eq!(taken(desk), None);
    });
}

#[test]
fn a_thousand_one_time_prekeys_are_stored_and_the_rest_can_come_later() {
    scenario(|desk| {
        let end = desk.now.hour().plus(48);
        for block in 0..10 {
            publish(desk, publication(block * 100 + 1..=block * 100 + 100, 1, end));
        }
        assert_eq!(publish(desk, publication([1_001, 1_002], 1, end)), (1, 1_000));
        assert_eq!(taken(desk), Some(1));
        assert_eq!(publish(desk, publication([1_001, 1_002], 1, end)), (1, 1_000));
    });
}

#[test]
fn expired_one_time_prekeys_leave_room_for_others() {
    scenario(|desk| {
        let soon = desk.now.hour().plus(1);
        for block in 0..10 {
            publish(desk, publication(block * 100 + 1..=block * 100 + 100, 1, soon));
        }
        desk.pass_hours(1);
        let end = desk.now.hour().plus(48);
        assert_eq!(publish(desk, publication([1_001, 1_002], 2, end)), (2, 2));
        assert_eq!(taken(desk), Some(1_001));
    });
}

#[test]
fn the_owner_learns_that_all_have_expired_and_learns_it_once() {
    scenario(|desk| {
        let (soon, end) = (desk.now.hour().plus(1), desk.now.hour().plus(48));
        publish(desk, publication([], 2, end));
        assert_eq!(publish(desk, publication(1..=90, 1, soon)), (2, 90));
        desk.pass_hours(1);
        assert_eq!(taken(desk), None);
        assert!(matches!(desk.events[..], [Event::PrekeysLow { one_time: 0, .. }]));
        assert_eq!(taken(desk), None);
        assert!(desk.events.is_empty(), "nothing changed");
    });
}

#[test]
fn an_account_is_used_from_its_first_publication_on() {
    scenario(|desk| {
        let begun = |desk: &Desk<'_>| desk.facts.account(&bank().account).unwrap().periods.begun;
        let (first, end) = (desk.now.day(), desk.now.hour().plus(480));
        publish(desk, publication([1], 1, end));
        assert_eq!(begun(desk), first);
        desk.pass_hours(240);
        publish(desk, publication([2], 2, end));
        assert_eq!(begun(desk), first);
    });
}
