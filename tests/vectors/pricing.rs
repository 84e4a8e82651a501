//! pricing.json: rate cards, and what a message costs.

use plico_protocol::id::{AddressTag, TicketCommitment, TicketId};
use plico_protocol::pricing::{
    FreeReason, Millionths, Price, SignedRateCard, Standing, VerifiedRateCard, price,
};
use plico_protocol::ticket::{Categories, Category, Epoch, TicketFields, Zone};
use plico_protocol::time::{Hour, Minute};
use plico_protocol::wire::{Wire, Writer};

use super::ledger::ledger_key;
use super::sessions::group_array;
use super::{Case, Vectors, number, text, unhex};

#[test]
fn rate_cards_and_prices_are_as_specified() {
    let vectors = Vectors::read("pricing");
    let key = vectors.document["testGroups"][0].clone();
    vectors.check(|kind, case| match kind {
        "RateCard" => card(&case.bytes("card"), case.group).is_some(),
        "Price" => {
            let card = card(&unhex(&case.group["card"]), &key).unwrap();
            costs(case, &card)
        }
        other => panic!("a new kind of group: {other}"),
    });
}

/// Reads a card signed by the ledger key of `group`.
fn card(bytes: &[u8], group: &serde_json::Value) -> Option<VerifiedRateCard> {
    let hour = |field: &str| Hour(u32::try_from(number(&group[field])).unwrap());
    let key = ledger_key(group_array(group, "key"), hour("validFrom"), hour("validTo"));
    let mut out = Writer::default();
    out.sized(bytes);
    let verified = SignedRateCard::decode(out.into_vec()).ok()?.verify(&key).ok()?;
    assert_eq!(verified.card().encode(), bytes[..bytes.len() - 64]);
    Some(verified)
}

fn costs(case: Case<'_>, card: &VerifiedRateCard) -> bool {
    let bits = u16::try_from(case.number("categories")).unwrap().to_be_bytes().to_vec();
    let ticket = TicketFields {
        categories: Categories::decode(bits).unwrap(),
        zone: Zone::new(text(&case.test["zone"]).as_bytes().try_into().unwrap()).unwrap(),
        messages_max: 1,
        opened_at: Minute(0),
        free_until: Some(Minute(case.u32("freeUntil"))).filter(|end| end.0 != 0),
        valid_until: Minute(case.u32("validUntil")),
        epoch: Epoch(0),
        tag: AddressTag::new([0; 16]),
        commitment: TicketCommitment::new([0; 32]),
        id: TicketId::new([0; 16]),
    };
    let category = vec![u8::try_from(case.number("category")).unwrap()];
    let standing = Standing {
        suspended: case.test["suspended"] == true,
        available: Millionths(case.number("available")),
    };
    let answer = price(
        &ticket,
        Category::decode(category).unwrap(),
        card.card(),
        &standing,
        Millionths(case.number("limit")),
        Minute(case.u32("now")),
    );
    let (found, amount, until, refusal) = match &answer {
        Ok(paid) => match *paid.price() {
            Price::Free { reason: FreeReason::Window, until } => ("window", 0, until.0, ""),
            Price::Free { reason: FreeReason::RateCard, until } => ("card", 0, until.0, ""),
            Price::Charge(charge) => ("charge", charge.amount.0, 0, ""),
        },
        Err(no) => ("", 0, 0, no.code().name()),
    };
    assert_eq!(found, case.test["answer"], "{case}");
    assert_eq!(amount, case.number("amount"), "{case}");
    assert_eq!(u64::from(until), case.number("until"), "{case}");
    assert_eq!(refusal, case.test["refusal"], "{case}");
    answer.is_ok()
}
