//! Every decoder. The first byte says which; the rest is what it reads.
//!
//! SPEC.md §4: what decodes has one encoding. Content is protobuf and may have several: what it says is
//! compared instead, as with texts that people write.

use core::fmt::Debug;

use plico_endpoint::content::{Body, Content};
use plico_endpoint::handshake::Handshake;
use plico_endpoint::prekeys::{KemPrekey, OneTimePrekey, SignedPrekey};
use plico_endpoint::primitives::dh::DhPublic;
use plico_endpoint::primitives::kem::{KemCiphertext, KemPublic};
use plico_endpoint::session::{BusinessSession, PersonSession};
use plico_protocol::certificate::{
    BusinessKeys, Certificate, CertificateBody, CertificateRequest, Handle,
};
use plico_protocol::envelope::EnvelopeBytes;
use plico_protocol::frame::{
    Acceptance, ClientFrame, Consent, Delivery, Frame, Headed, Header, Notice, PrekeyStock,
    RelayFrame, Submission,
};
use plico_protocol::ledger::{
    Entry, Frontier, Head, HeadBody, LedgerKeyBody, LedgerKeyCertificate, Period, Proof, Receipt,
    Statement,
};
use plico_protocol::limits::FRAME_HEADER_BYTES;
use plico_protocol::link::{Link, RelayLink};
use plico_protocol::prekey::{Bundle, KemKey, Publication};
use plico_protocol::pricing::{RateCard, SignedRateCard};
use plico_protocol::profile::{Profile, SignedProfile};
use plico_protocol::refusal::Refusal;
use plico_protocol::report::{Disclosure, Report};
use plico_protocol::reputation::AccountStanding;
use plico_protocol::stamp::StampedOrigin;
use plico_protocol::ticket::{Terms, TicketFields};
use plico_protocol::time::Minute;
use plico_protocol::wire::Wire;
use plico_relay::admin::command::{Answer, Command};
use plico_relay::config::Config;
use plico_relay::policy::rate_card::{RateCards, SAMPLE};
use plico_relay::policy::zones::Zones;

use crate::vectors;

/// Reads bytes, checks what came of them, and says whether they were taken.
type Decoder = fn(&[u8]) -> bool;

/// By the first byte of an input. New ones go to the end: an input must keep its meaning.
const DECODERS: &[Decoder] = &[
    frame::<ClientFrame>,
    frame::<RelayFrame>,
    wire::<Submission>,
    wire::<Consent>,
    wire::<Acceptance>,
    wire::<Headed>,
    wire::<Delivery>,
    wire::<PrekeyStock>,
    wire::<Notice>,
    wire::<EnvelopeBytes>,
    wire::<Refusal>,
    wire::<Certificate>,
    wire::<CertificateBody>,
    wire::<CertificateRequest>,
    wire::<BusinessKeys>,
    wire::<Handle>,
    wire::<SignedProfile>,
    wire::<Profile>,
    wire::<Bundle>,
    wire::<Publication>,
    wire::<plico_protocol::prove::Proof>,
    wire::<Report>,
    wire::<Disclosure>,
    wire::<StampedOrigin>,
    wire::<Terms>,
    wire::<TicketFields>,
    wire::<Entry>,
    wire::<Receipt>,
    wire::<Head>,
    wire::<HeadBody>,
    wire::<LedgerKeyCertificate>,
    wire::<LedgerKeyBody>,
    wire::<Statement>,
    wire::<Period>,
    wire::<Frontier>,
    wire::<Proof>,
    wire::<RateCard>,
    wire::<SignedRateCard>,
    wire::<AccountStanding>,
    wire::<Command>,
    wire::<Answer>,
    wire::<Handshake>,
    wire::<DhPublic>,
    wire::<KemCiphertext>,
    kem_key,
    person_state,
    business_state,
    |bytes| prekey(bytes, SignedPrekey::from_bytes, |prekey| prekey.to_bytes().to_vec()),
    |bytes| prekey(bytes, KemPrekey::from_bytes, |prekey| prekey.to_bytes().to_vec()),
    |bytes| prekey(bytes, OneTimePrekey::from_bytes, |prekey| prekey.to_bytes().to_vec()),
    content,
    |bytes| text(bytes, |text| text.parse::<Link>().ok(), Link::to_string),
    |bytes| text(bytes, |text| text.parse::<RelayLink>().ok(), RelayLink::to_string),
    |bytes| text(bytes, |text| Certificate::from_text(text).ok(), Certificate::to_text),
    |bytes| {
        text(bytes, |text| CertificateRequest::from_text(text).ok(), CertificateRequest::to_text)
    },
    |bytes| {
        text(
            bytes,
            |text| LedgerKeyCertificate::from_text(text).ok(),
            LedgerKeyCertificate::to_text,
        )
    },
    |bytes| text(bytes, |text| Config::parse(text).ok(), Config::to_toml),
    rate_cards,
    zones,
];

/// The target.
///
/// # Panics
///
/// Where something that decodes does not encode to the same bytes.
pub fn decode(input: &[u8]) {
    if let Some((which, bytes)) = input.split_first()
        && let Some(decoder) = DECODERS.get(usize::from(*which))
    {
        decoder(bytes);
    }
}

/// What of the vectors a decoder takes, some for each; and all that is hex for the frames' decoders.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let mut given: Vec<Vec<u8>> = Vec::new();
    for text in vectors::texts() {
        given.extend(vectors::unhex(&text));
        given.push(text.into_bytes());
    }
    // As they stand in a frame.
    let sized = |bytes: &Vec<u8>| [&(bytes.len() as u32).to_be_bytes(), bytes.as_slice()].concat();
    given.extend(given.clone().iter().map(sized));
    given.push(SAMPLE.as_bytes().to_vec());
    given.push(Config::default().to_toml().into_bytes());
    given.push(b"192.0.2.0/24 FR\n2001:db8::/32, DE # here\n".to_vec());
    for (which, decoder) in (0..).zip(DECODERS) {
        let taken = given.iter().filter(|bytes| decoder(bytes)).take(SEEDS_PER_DECODER);
        seeds.extend(taken.map(|bytes| [&[which], bytes.as_slice()].concat()));
    }
    seeds
}

fn wire<T: Wire>(bytes: &[u8]) -> bool {
    let Ok(value) = T::decode(bytes.to_vec()) else { return false };
    assert_eq!(value.encode(), bytes, "another encoding of the same");
    true
}

fn frame<F: Frame>(bytes: &[u8]) -> bool {
    let Some((header, body)) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>() else {
        return false;
    };
    let Ok(header) = Header::parse::<F>(*header) else { return false };
    if header.length != body.len() {
        return false;
    }
    let Ok(frame) = F::decode_body(header, body.to_vec().into()) else { return false };
    assert_eq!(frame.to_bytes(), bytes, "another encoding of the same");
    true
}

fn kem_key(bytes: &[u8]) -> bool {
    let Ok(key) = KemKey::decode(bytes.to_vec()) else { return false };
    KemPublic::try_from(&key).inspect(|public| assert_eq!(*public.key(), key)).is_ok()
}

fn person_state(bytes: &[u8]) -> bool {
    let Ok(mut session) = PersonSession::from_bytes(bytes) else { return false };
    assert_eq!(session.to_bytes().as_slice(), bytes, "another encoding of the same");
    let garbage = plico_protocol::envelope::Envelope::new(vec![0; 2048].into()).unwrap();
    assert!(session.open(&garbage).is_err());
    true
}

fn business_state(bytes: &[u8]) -> bool {
    let Ok(mut session) = BusinessSession::from_bytes(bytes) else { return false };
    assert_eq!(session.to_bytes().as_slice(), bytes, "another encoding of the same");
    // Whatever state it is, sending from it fails by a word or works.
    let _ = session.seal_to_mailbox(b"", &mut crate::seeded::Seeded(1));
    true
}

fn prekey<T, E>(
    bytes: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T, E>,
    write: impl FnOnce(&T) -> Vec<u8>,
) -> bool {
    let Ok(value) = read(bytes) else { return false };
    assert_eq!(write(&value), bytes, "another encoding of the same");
    true
}

fn content(bytes: &[u8]) -> bool {
    let Ok(content) = Content::decode(bytes) else { return false };
    match content.encode() {
        Ok(encoded) => assert_eq!(Content::decode(&encoded).as_ref(), Ok(&content)),
        Err(error) => assert_eq!(content.body, Body::Unknown, "read, and not written: {error}"),
    }
    true
}

/// What is read from a text reads back from its own text as the same.
fn text<T: PartialEq + Debug>(
    bytes: &[u8],
    read: impl Fn(&str) -> Option<T>,
    write: impl Fn(&T) -> String,
) -> bool {
    let Ok(text) = core::str::from_utf8(bytes) else { return false };
    let Some(value) = read(text) else { return false };
    assert_eq!(read(&write(&value)), Some(value));
    true
}

fn rate_cards(bytes: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(bytes) else { return false };
    let Ok(cards) = RateCards::parse(text, Minute(0)) else { return false };
    for card in cards.all() {
        assert_eq!(RateCard::decode(card.encode()).as_ref(), Ok(&**card));
    }
    true
}

fn zones(bytes: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(bytes) else { return false };
    let Ok(zones) = Zones::parse(text) else { return false };
    for address in ["0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "2001:db8::1", "ffff::"] {
        zones.of(address.parse().unwrap());
    }
    // A table of nothing is no seed.
    zones != Zones::default()
}

const SEEDS_PER_DECODER: usize = 24;
