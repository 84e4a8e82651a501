//! report.json: stamps, and reports that prove themselves.

use plico_protocol::id::{Address, Commitment};
use plico_protocol::mac::MacKey;
use plico_protocol::report::{Disclosure, Report};
use plico_protocol::stamp::{Origin, StampedOrigin};
use plico_protocol::wire::Wire;

use super::derive::class;
use super::sessions::group_array;
use super::{Case, Vectors, array, hex, list, number};

#[test]
fn stamps_and_reports_prove_what_was_sent() {
    Vectors::read("report").check(|kind, case| match kind {
        "Stamp" => stamp(case),
        "Report" => report(case).is_some(),
        other => panic!("a new kind of group: {other}"),
    });
}

fn stamp(case: Case<'_>) -> bool {
    let origin = Origin::decode(case.bytes("origin")).unwrap();
    assert_eq!(origin.account.as_bytes(), &case.array("account"), "{case}");
    assert_eq!(origin.tag.as_bytes(), &case.array("tag"), "{case}");
    assert_eq!(origin.ticket.as_bytes(), &case.array("ticketId"), "{case}");
    assert_eq!(u64::from(origin.hour.0), case.number("hour"), "{case}");
    assert_eq!(u64::from(origin.category.byte()), case.number("category"), "{case}");
    assert_eq!(u64::from(origin.reason.byte()), case.number("reason"), "{case}");
    let key = MacKey::new(case.array("kStamp"));
    let stamped = origin.stamp(&key, &Commitment::new(case.array("c2")), class(case));
    assert_eq!(hex(stamped.stamp.as_bytes()), case.test["stamp"], "{case}");
    true
}

fn report(case: Case<'_>) -> Option<()> {
    let disclosed = case.test["disclosed"] == true;
    let disclosure = disclosed.then(|| Disclosure {
        padded: case.bytes("padded").into(),
        franking_key: MacKey::new(case.array("kF")),
    });
    let origin = StampedOrigin::decode(case.bytes("stampedOrigin")).ok()?;
    let keys = list(&case.group["stampKeys"]);
    let day = u64::from(origin.origin.hour.day().0);
    let key = keys.iter().find(|key| number(&key["day"]) == day);
    let key = key.map(|key| MacKey::new(array(&key["key"])));
    let report = Report {
        address: Address::new(case.array("address")),
        commitment: Commitment::new(case.array("c2")),
        class: class(case),
        origin,
        disclosure,
    };
    let k_tag = MacKey::new(group_array(case.group, "kTag"));
    report.prove(key.as_ref(), &k_tag).ok()?;
    Some(())
}
