//! Every body round trips; every bound holds at its edge.

use plico_protocol::limits::LINK_REFERENCE_BYTES_MAX;
use proptest::prelude::*;
use prost::Message;

use super::*;

const ID: ContentId = ContentId::new([7; 16]);

fn content(body: Body) -> Content {
    Content::new(ID, Timestamp(1_700_000_000_000), body)
}

fn reply() -> Reply {
    Reply {
        address: Address::new([1; 32]),
        ticket: Ticket::from_bytes([2; 128]),
        opening: TicketOpening::new([3; 32]),
    }
}

fn check(content: &Content) -> Result<Content, BadContent> {
    Content::decode(&content.encode()?)
}

fn refused(field: &'static str, value: usize, min: usize, max: usize) -> BadContent {
    BadContent::Bound { field, value, min, max }
}

#[test]
fn every_body_comes_back_as_it_was_sent() {
    let field = |label: &str, value: &str| Field { label: label.into(), value: value.into() };
    let choice = |id: &str, label: &str| Choice { id: id.into(), label: label.into() };
    let bodies = [
        Body::Text("Bonjour".into()),
        Body::Notification(Notification {
            title: "Boarding pass".into(),
            body: String::new(),
            fields: vec![field("Gate", "B 22"), field("Seat", "14 A")],
            category: Some(Category::Utility),
        }),
        Body::Choices(Choices {
            question: "Which day?".into(),
            choices: vec![choice("mon", "Monday"), choice("tue", "Tuesday")],
        }),
        Body::Answer(Answer { content: ID, choice: "mon".into() }),
        Body::Reaction(Reaction { content: ID, emoji: "👍".into() }),
        Body::Marks(Marks { delivered: vec![ID; MARKS_MAX], read: vec![ID] }),
        Body::ProfileName("Ada".into()),
        Body::Renewal,
        Body::Goodbye,
    ];
    for body in bodies {
        let mut content = content(body);
        content.expires_after_seconds = Some(EXPIRES_AFTER_SECONDS_MAX);
        content.reply = Some(reply());
        content.reference = Some("r".repeat(LINK_REFERENCE_BYTES_MAX));
        content.profile_name = Some("Ada".into());
        content.restored =
            Some(Restored { hour: plico_protocol::time::Hour(500_000), at: Timestamp(1) });
        assert_eq!(check(&content).as_ref(), Ok(&content));
    }
}

#[test]
fn strings_and_lists_are_refused_one_past_their_bound() {
    let long = |max: usize| "x".repeat(max + 1);
    let text = check(&content(Body::Text(long(TEXT_BYTES_MAX))));
    assert_eq!(text, Err(refused("text", TEXT_BYTES_MAX + 1, 1, TEXT_BYTES_MAX)));
    let empty = check(&content(Body::Text(String::new())));
    assert_eq!(empty, Err(refused("text", 0, 1, TEXT_BYTES_MAX)));
    let name = check(&content(Body::ProfileName(long(PROFILE_NAME_BYTES_MAX))));
    assert_eq!(name, Err(refused("name", 97, 1, 96)));
    let marks = Marks { delivered: vec![], read: vec![ID; MARKS_MAX + 1] };
    assert_eq!(check(&content(Body::Marks(marks))), Err(refused("read", 257, 0, 256)));
    let emoji = Reaction { content: ID, emoji: long(EMOJI_BYTES_MAX) };
    assert_eq!(check(&content(Body::Reaction(emoji))), Err(refused("emoji", 65, 0, 64)));
    let mut content = content(Body::Goodbye);
    content.reference = Some(long(LINK_REFERENCE_BYTES_MAX));
    assert_eq!(check(&content), Err(refused("ref", 257, 1, 256)));
    content.reference = None;
    content.expires_after_seconds = Some(0);
    let max = EXPIRES_AFTER_SECONDS_MAX as usize;
    assert_eq!(check(&content), Err(refused("expires_after_seconds", 0, 1, max)));
}

#[test]
fn parts_of_notifications_and_choices_are_bounded() {
    let notification = |title: &str, fields| {
        let (title, body) = (title.into(), String::new());
        content(Body::Notification(Notification { title, body, fields, category: None }))
    };
    let field = |value: usize| Field { label: "l".into(), value: "v".repeat(value) };
    assert_eq!(check(&notification("", vec![])), Err(refused("title", 0, 1, 128)));
    let many = notification("t", vec![field(1); FIELDS_MAX + 1]);
    assert_eq!(check(&many), Err(refused("fields", 33, 0, 32)));
    let long = notification("t", vec![field(257)]);
    assert_eq!(check(&long), Err(refused("value", 257, 1, 256)));
    let choices = |ids: &[&str]| {
        let choice = |id: &&str| Choice { id: (*id).into(), label: "l".into() };
        let choices = ids.iter().map(choice).collect();
        content(Body::Choices(Choices { question: "q".into(), choices }))
    };
    assert_eq!(check(&choices(&[])), Err(refused("choices", 0, 1, 16)));
    assert_eq!(check(&choices(&["a", "b", "a"])), Err(BadContent::RepeatedChoice));
}

#[test]
fn content_does_not_print_its_words() {
    let mut content = content(Body::Text("meet me at nine".into()));
    content.reply = Some(reply());
    assert_eq!(format!("{content:?}"), "Content(Text(…))");
    assert_eq!(format!("{:?}", content.reply), "Some(Reply(…))");
}

#[test]
fn a_renewal_needs_its_ticket() {
    assert_eq!(check(&content(Body::Renewal)), Err(BadContent::RenewalWithoutReply));
}

#[test]
fn ids_tickets_and_addresses_have_their_length() {
    let mut message = proto::Content { id: vec![0; 15], ..Default::default() };
    let decode = |message: &proto::Content| Content::decode(&message.encode_to_vec());
    let length = |field, bytes, expected| Err(BadContent::Length { field, bytes, expected });
    assert_eq!(decode(&message), length("id", 15, 16));
    message.id = vec![0; 16];
    message.reply =
        Some(proto::Reply { address: vec![0; 32], ticket: vec![0; 127], opening: vec![0; 32] });
    assert_eq!(decode(&message), length("ticket", 127, 128));
}

#[test]
fn a_body_of_a_later_version_is_unknown_and_not_an_error() {
    let mut bytes = proto::Content { id: vec![7; 16], ..Default::default() }.encode_to_vec();
    bytes.extend_from_slice(&[0xca, 0x02, 0x02, 0x08, 0x01]); // field 41, two bytes
    let decoded = Content::decode(&bytes).unwrap();
    assert_eq!(decoded.body, Body::Unknown);
    assert_eq!(decoded.encode(), Err(BadContent::UnknownBody));
}

#[test]
fn the_category_on_the_wire_is_that_of_the_ticket() {
    for category in Category::ALL {
        let named = proto::Category::try_from(i32::from(category.byte())).unwrap();
        let name = format!("CATEGORY_{}", format!("{category:?}").to_uppercase());
        assert_eq!(named.as_str_name(), name);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic_or_pass_a_bound(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(content) = Content::decode(&bytes) {
            prop_assert!(content.check().is_ok());
        }
    }

    #[test]
    fn any_text_round_trips(text in "\\PC{1,200}", ms: u64, seconds in prop::option::of(1..1000_u32)) {
        let mut content = content(Body::Text(text));
        content.composed = Timestamp(ms);
        content.expires_after_seconds = seconds;
        prop_assert_eq!(check(&content), Ok(content));
    }
}
