//! ticket.json: tickets as a relay mints and checks them.

use plico_protocol::id::{AccountKey, Address, TicketId, TicketOpening};
use plico_protocol::mac::MacKey;
use plico_protocol::ticket::{
    BadTicket, Category, Epoch, Terms, Ticket, TicketFields, TicketKeyId, TicketUse, Zone,
    address_tag, window_end,
};
use plico_protocol::time::Minute;
use plico_protocol::wire::Wire;

use super::sessions::group_array;
use super::{Case, Vectors, array, hex, list, number, text};

#[test]
fn tickets_are_minted_and_checked_as_specified() {
    Vectors::read("ticket").check(|kind, case| match kind {
        "Mint" => mint(case).is_some(),
        "Check" => check(case),
        other => panic!("a new kind of group: {other}"),
    });
}

/// The relay's ticket key with this id.
fn key(case: Case<'_>, id: u8) -> Option<MacKey> {
    let keys = list(&case.group["ticketKeys"]);
    let found = keys.iter().find(|key| number(&key["id"]) == u64::from(id))?;
    Some(MacKey::new(array(&found["key"])))
}

fn k_tag(case: Case<'_>) -> MacKey {
    MacKey::new(group_array(case.group, "kTag"))
}

fn mint(case: Case<'_>) -> Option<()> {
    let short = |field: &str| u16::try_from(case.number(field)).unwrap().to_be_bytes().to_vec();
    let now = Minute(case.u32("now"));
    let until = case.u32("validUntil").to_be_bytes().to_vec();
    let terms = [short("categories"), short("messagesMax"), until, case.bytes("commitment")];
    let terms = Terms::decode(terms.concat()).ok()?;
    terms.check(now).ok()?;
    let fields = TicketFields {
        categories: terms.categories,
        zone: Zone::new(text(&case.test["zone"]).as_bytes().try_into().unwrap())?,
        messages_max: terms.messages_max,
        opened_at: now.round_down(5),
        free_until: (case.test["window"] == true).then(|| window_end(now, 24)),
        valid_until: terms.valid_until,
        epoch: Epoch(case.u32("epoch")),
        tag: address_tag(&k_tag(case), &Address::new(case.array("address"))),
        commitment: terms.commitment,
        id: TicketId::new(case.array("ticketId")),
    };
    let id = u8::try_from(case.number("keyId")).unwrap();
    let ticket = Ticket::mint(&fields, TicketKeyId(id), &key(case, id).unwrap());
    assert_eq!(hex(ticket.as_bytes()), case.test["ticket"], "{case}");
    assert_eq!(ticket.fields().unwrap(), fields, "{case}");
    Some(())
}

fn check(case: Case<'_>) -> bool {
    let ticket = Ticket::from_bytes(case.array("ticket"));
    let used = TicketUse {
        address: &Address::new(case.array("address")),
        account: &AccountKey::new(case.array("account")),
        opening: &TicketOpening::new(case.array("opening")),
        category: Category::decode(vec![u8::try_from(case.number("category")).unwrap()]).unwrap(),
        now: Minute(case.u32("now")),
    };
    let checked = match key(case, ticket.key_id().0) {
        Some(key) => ticket.check(&key, &k_tag(case), &used).map(|_| ()),
        None => Err(BadTicket::Forged),
    };
    let refusal = match checked {
        Ok(()) => "",
        Err(BadTicket::Forged) => "ticket_forged",
        Err(BadTicket::OtherMailbox) => "ticket_other_mailbox",
        Err(BadTicket::OtherBusiness) => "ticket_other_business",
        Err(BadTicket::Expired) => "ticket_expired",
        Err(BadTicket::Category) => "category_not_allowed",
    };
    assert_eq!(refusal, case.test["refusal"], "{case}");
    refusal.is_empty()
}
