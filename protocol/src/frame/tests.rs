//! What decodes re-encodes to the same bytes, and nothing else decodes.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::envelope::{EnvelopeBytes, SizeClass};
use crate::id::{
    AccountKey, Address, AddressTag, Commitment, Stamp, SubmitId, TicketCommitment, TicketId,
    TicketOpening,
};
use crate::ledger::{
    Amount, Entry, EntryKind, EntryReason, EntrySequence, Generation, HeadBody, LedgerKeyBody,
    Receipt,
};
use crate::limits::{ENTRIES_PER_FRAME_MAX, RATE_CARD_BYTES_MAX, SIZE_CLASSES};
use crate::mac::MacKey;
use crate::pricing::{Currency, Millionths, SignedRateCard};
use crate::profile::{Profile, SignedProfile};
use crate::prove::{ExporterValue, Proof};
use crate::refusal::{Code, Refusal};
use crate::report::{Disclosure, Report, Reported};
use crate::reputation::{AccountStanding, Dues, Unpaid};
use crate::signature::{AccountSecret, AuthoritySecret, LedgerSecret, MailboxSecret};
use crate::stamp::{Origin, Reason, StampedOrigin};
use crate::ticket::{Categories, Category, Terms, Ticket, TicketKeyId, TicketKeys};
use crate::time::{Day, Hour, Minute};

fn parse<F: Frame>(bytes: &[u8]) -> Result<F, FrameError> {
    let (header, body) = bytes.split_at(FRAME_HEADER_BYTES);
    let header = Header::parse::<F>(header.try_into().unwrap())?;
    assert_eq!(header.length, body.len());
    F::decode_body(header, Bytes::copy_from_slice(body))
}

fn profile() -> SignedProfile {
    Profile::default().sign(&AccountSecret::from_seed(&[9; 32])).unwrap().signed().clone()
}

fn origin() -> Origin {
    Origin {
        account: AccountKey::new([3; 32]),
        tag: AddressTag::new([4; 16]),
        ticket: TicketId::new([5; 16]),
        hour: Hour(6),
        category: Category::Utility,
        reason: Reason::InWindow,
    }
}

/// A receipt of the only entry of a ledger, and its head.
fn ledger() -> (Receipt, Headed) {
    let secret = LedgerSecret::from_seed(&[1; 32]);
    let key = LedgerKeyBody { key: secret.public(), valid_from: Hour(1), valid_to: Hour(2) };
    let key = *key.sign(&AuthoritySecret::from_seed(&[2; 32])).unwrap().certificate();
    let entry = Entry {
        sequence: EntrySequence(0),
        hour: Hour(1),
        kind: EntryKind::Payment,
        reason: EntryReason::Itself,
        message: None,
        generation: Generation(0),
        amount: Amount { millionths: Millionths(5), currency: Currency::new(*b"EUR").unwrap() },
    };
    let head = HeadBody {
        account: AccountKey::new([3; 32]),
        generation: Generation(0),
        size: 1,
        root: entry.hash(),
        hour: Hour(1),
    };
    let head = *head.sign(&secret).head();
    let link =
        crate::ledger::Proof::inclusion(1, 2, |_| Ok::<_, ()>(entry.hash())).unwrap().unwrap();
    (Receipt { entry, path: link.clone(), head }, Headed { key, head, link })
}

/// As it travels nobody reads it: the longest there can be.
fn rate_card() -> SignedRateCard {
    let mut out = Writer::default();
    out.sized(&[5; RATE_CARD_BYTES_MAX]);
    SignedRateCard::decode(out.into_vec()).unwrap()
}

fn client_frames() -> Vec<ClientFrame> {
    let address = Address::new([1; 32]);
    let terms = Terms {
        categories: Categories::ALL,
        messages_max: 50,
        valid_until: Minute(9),
        commitment: TicketCommitment::new([2; 32]),
    };
    let consent = Consent {
        ticket: Ticket::from_bytes([3; 128]),
        opening: TicketOpening::new([4; 32]),
        category: Category::Utility,
        price_max: Millionths(50_000),
    };
    let submission = |consent, bytes| {
        ClientFrame::Submit(Box::new(Submission {
            id: SubmitId::new([5; 16]),
            to: address,
            consent,
            envelope: EnvelopeBytes(vec![6; bytes].into()),
        }))
    };
    let report = |padded: Option<Vec<u8>>| {
        let franking_key = MacKey::new([8; 32]);
        let disclosed = |padded: Vec<u8>| Disclosure { padded: padded.into(), franking_key };
        ClientFrame::Report(Box::new(Report {
            address,
            commitment: Commitment::new([7; 32]),
            class: SizeClass::Huge,
            origin: StampedOrigin { origin: origin(), stamp: Stamp::new([7; 32]) },
            disclosure: padded.map(disclosed),
        }))
    };
    let exporter = ExporterValue([0; 32]);
    vec![
        ClientFrame::Prove(Proof::mailbox(&MailboxSecret::from_seed(&[7; 32]), &exporter)),
        ClientFrame::LookUp { handle: crate::certificate::Handle::new("bank").unwrap() },
        ClientFrame::FetchBundle { account: AccountKey::new([8; 32]) },
        submission(None, SIZE_CLASSES[0]),
        submission(Some(consent), SIZE_CLASSES[3]),
        ClientFrame::Status { id: SubmitId::new([9; 16]) },
        ClientFrame::Open { address },
        ClientFrame::Close { address },
        ClientFrame::Mint { address, terms, window: true },
        ClientFrame::Revoke { address },
        ClientFrame::ChangeTerms { address, terms },
        ClientFrame::PrekeyStatus,
        ClientFrame::AskStanding,
        ClientFrame::FetchRateCard { at: Minute(29_900_000) },
        ClientFrame::PublishProfile(profile()),
        report(None),
        report(Some(vec![1; SIZE_CLASSES[3] - 128])),
        ClientFrame::Head { since: 7 },
        ClientFrame::ReadLedger { from: EntrySequence(8) },
        ClientFrame::Subscribe { address },
        ClientFrame::Acknowledge {
            channel: Channel(1),
            up_to: Sequence(9),
            unreadable: vec![Sequence(3), Sequence(9)],
        },
    ]
}

fn relay_frames() -> Vec<RelayFrame> {
    let delivery = |origin| {
        RelayFrame::Deliver(Box::new(Delivery {
            channel: Channel(3),
            sequence: Sequence(4),
            origin,
            envelope: EnvelopeBytes(vec![1; SIZE_CLASSES[3]].into()),
        }))
    };
    let acceptance = |free_until| Acceptance {
        id: SubmitId::new([1; 16]),
        reason: Reason::InWindow,
        free_until,
        receipt: None,
    };
    let (receipt, headed) = ledger();
    let key = headed.key;
    vec![
        RelayFrame::Proved,
        RelayFrame::Accepted(acceptance(None)),
        RelayFrame::Accepted(acceptance(Some(Minute(5)))),
        RelayFrame::Accepted(Acceptance {
            receipt: Some(Box::new(receipt.clone())),
            ..acceptance(None)
        }),
        RelayFrame::Headed(Box::new(headed)),
        RelayFrame::Entries(vec![receipt.entry; ENTRIES_PER_FRAME_MAX]),
        RelayFrame::State(SubmissionState::Delivered),
        RelayFrame::Opened,
        RelayFrame::Closed,
        RelayFrame::Minted(Box::new(Ticket::from_bytes([2; 128]))),
        RelayFrame::Revoked,
        RelayFrame::Stock(PrekeyStock {
            signed: PrekeyId(1),
            kem: PrekeyId(2),
            one_time: 3,
            highest: PrekeyId(4),
        }),
        RelayFrame::ProfilePublished,
        RelayFrame::Standing(AccountStanding::default()),
        RelayFrame::RateCard { key, card: rate_card() },
        RelayFrame::Standing(AccountStanding {
            dues: Dues {
                due: Some(Day(20_686)),
                unpaid: Some(Unpaid { since: Day(20_686), stops: Day(20_700) }),
            },
            ..AccountStanding::default()
        }),
        RelayFrame::Reported(Reported::Already),
        RelayFrame::Subscribed { channel: Channel(1) },
        RelayFrame::Acknowledged { channel: Channel(1), up_to: Sequence(2) },
        delivery(None),
        delivery(Some(StampedOrigin { origin: origin(), stamp: Stamp::new([7; 32]) })),
        RelayFrame::Drained { channel: Channel(1) },
        RelayFrame::Ended { channel: Channel(1), reason: EndReason::TakenOver },
        RelayFrame::Notice(Notice::PrekeysLow { one_time: 4 }),
        RelayFrame::Notice(Notice::CertificateEnds { hours: 5 }),
        RelayFrame::Notice(Notice::TicketKeys(TicketKeys {
            oldest: TicketKeyId(254),
            newest: TicketKeyId(1),
        })),
        RelayFrame::Notice(Notice::Unpaid { stops: Day(20_700) }),
        RelayFrame::Notice(Notice::Other { kind: 3, value: 0x1_0000 }),
        RelayFrame::Notice(Notice::Other { kind: 9, value: 6 }),
        RelayFrame::Refused(Refusal::new(Code::Busy).retry_after(1000)),
    ]
}

use crate::prekey::PrekeyId;

fn check_all<F: Frame + PartialEq + core::fmt::Debug>(frames: Vec<F>) {
    for frame in frames {
        let bytes = frame.to_bytes();
        assert_eq!(parse::<F>(&bytes).as_ref(), Ok(&frame));
        let kind = frame.kind();
        let (_, body) = bytes.split_at(FRAME_HEADER_BYTES);
        let length = body.len();
        if 0 < length {
            let short = Bytes::copy_from_slice(&body[..length - 1]);
            let error = F::decode_body(Header { kind, length: length - 1 }, short).unwrap_err();
            assert!(matches!(error, FrameError::Body { .. }), "{error:?}");
        }
        let long = Bytes::from([body, &[0]].concat());
        let error = F::decode_body(Header { kind, length: length + 1 }, long).unwrap_err();
        assert!(matches!(error, FrameError::Body { error: DecodeError::Trailing { .. }, .. }));
    }
}

#[test]
fn every_frame_round_trips_and_refuses_one_byte_less_or_more() {
    check_all(client_frames());
    check_all(relay_frames());
}

#[test]
fn an_unknown_type_is_named() {
    assert_eq!(parse::<ClientFrame>(&[0x3f, 0, 0, 0]), Err(FrameError::Unknown(0x3f)));
    assert_eq!(parse::<RelayFrame>(&[0x01, 0, 0, 0]), Err(FrameError::Unknown(0x01)));
}

/// The bounds of SPEC.md §5.1, each at its edge.
#[test]
fn a_length_is_refused_from_the_header_alone() {
    let header = |kind: u8, length: usize| {
        let [_, high, middle, low] = u32::try_from(length).unwrap().to_be_bytes();
        Header::parse::<ClientFrame>([kind, high, middle, low])
    };
    let small = [1, 2, 3, 5, 6, 7, 8, 9, 0xa, 0xc, 0xe, 0xf, 0x10, 0x19, 0x1a];
    let large = [(4, 65_758), (0x18, 65_612), (0xb, 11_768), (0xd, 8_196), (0x11, 2_062)];
    let bounds = small.map(|kind| (kind, 128)).into_iter().chain(large).chain([(0x3f, 69_632)]);
    for (kind, max) in bounds {
        assert_eq!(header(kind, max), Ok(Header { kind, length: max }));
        let length = max + 1;
        assert_eq!(header(kind, length), Err(FrameError::TooLarge { kind, length, max }));
    }
}

#[test]
fn unreadable_sequences_rise_and_stay_below_the_acknowledgement() {
    for unreadable in [vec![Sequence(2), Sequence(2)], vec![Sequence(3)]] {
        let frame =
            ClientFrame::Acknowledge { channel: Channel(0), up_to: Sequence(2), unreadable };
        assert!(matches!(parse::<ClientFrame>(&frame.to_bytes()), Err(FrameError::Body { .. })));
    }
}

proptest! {
    #[test]
    fn what_decodes_encodes_to_the_same_bytes(kind in 0u8..0x60, body in prop::collection::vec(any::<u8>(), 0..400)) {
        let header = Header { kind, length: body.len() };
        let body = Bytes::from(body);
        if let Ok(frame) = ClientFrame::decode_body(header, body.clone()) {
            prop_assert_eq!(&frame.to_bytes()[FRAME_HEADER_BYTES..], &body[..]);
        }
        if let Ok(frame) = RelayFrame::decode_body(header, body.clone()) {
            prop_assert_eq!(&frame.to_bytes()[FRAME_HEADER_BYTES..], &body[..]);
        }
    }

    #[test]
    fn a_mutated_frame_never_panics_and_stays_canonical(
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), flip in 1u8..,
    ) {
        let frames = client_frames();
        let frame = which.get(&frames);
        let mut bytes = frame.to_bytes();
        if FRAME_HEADER_BYTES < bytes.len() {
            let at = FRAME_HEADER_BYTES + at.index(bytes.len() - FRAME_HEADER_BYTES);
            bytes[at] ^= flip;
            if let Ok(frame) = parse::<ClientFrame>(&bytes) {
                prop_assert_eq!(frame.to_bytes(), bytes);
            }
        }
    }
}
