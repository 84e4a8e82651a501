//! Whole conversations: any order, losses, repeats, forgeries, restarts; and the state's bytes.

use plico_protocol::envelope::SizeClass;
use proptest::prelude::*;

use super::*;
use crate::hint::Hint;
use crate::layout::{INBOX_OVERHEAD_BYTES, MAILBOX_OVERHEAD_BYTES};
use crate::ratchet::SENDING_CHAIN_MESSAGES_MAX;
use crate::testing::{Business, Pair, Seeded};

fn flipped(envelope: &Envelope, at: usize) -> Envelope {
    let mut bytes = envelope.bytes().to_vec();
    bytes[at] ^= 1;
    Envelope::new(bytes.into()).unwrap()
}

/// One message waiting on its way, with the content it was sealed from.
struct Flight {
    to_business: bool,
    envelope: Envelope,
    content: Vec<u8>,
    opened: bool,
}

/// Delivers one envelope and checks the outcome against what was sent.
fn deliver(pair: &mut Pair, flight: &mut Flight) {
    let before = state(pair);
    let result = match flight.to_business {
        true => pair.answering.open(&flight.envelope),
        false => pair.person.open(&flight.envelope),
    };
    match result {
        Ok(opened) => {
            assert!(!flight.opened, "opened twice");
            assert_eq!(opened.content(), flight.content);
            flight.opened = true;
        }
        Err(_) => assert_eq!(before, state(pair), "a refusal changed the state"),
    }
}

fn state(pair: &Pair) -> (Vec<u8>, Vec<u8>) {
    (pair.person.to_bytes().to_vec(), pair.answering.to_bytes().to_vec())
}

/// Stores and loads both ends, as a restart between any two operations does.
fn restart(pair: &mut Pair) {
    let (person, answering) = state(pair);
    pair.person = PersonSession::from_bytes(&person).unwrap();
    pair.answering = BusinessSession::from_bytes(&answering).unwrap();
    assert_eq!((person, answering), state(pair));
}

#[test]
fn a_person_knows_whether_the_business_answered() {
    let mut pair = Pair::new(1);
    assert!(!pair.person.has_received());
    let answer = pair.answer(b"answer");
    pair.person.open(&answer).unwrap();
    assert!(pair.person.has_received());
}

#[test]
fn two_parties_converse_in_every_size_class() {
    let mut pair = Pair::new(1);
    for class in SizeClass::ALL {
        let full = vec![0x80; class.bytes() - INBOX_OVERHEAD_BYTES - 1];
        let envelope = pair.ask(&full);
        assert_eq!(envelope.class(), *class);
        assert_eq!(pair.answering.open(&envelope).unwrap().content(), full);
        let full = vec![0; class.bytes() - MAILBOX_OVERHEAD_BYTES - 1];
        let envelope = pair.answer(&full);
        assert_eq!(envelope.class(), *class);
        let opened = pair.person.open(&envelope).unwrap();
        assert_eq!(opened.content(), full);
        let (key, padded) = (opened.franking_key(), opened.padded());
        assert!(plico_protocol::commitment::verify(opened.commitment(), key, 1, *class, padded));
    }
}

#[test]
fn content_past_the_largest_envelope_is_refused_and_changes_nothing() {
    let mut pair = Pair::new(1);
    let before = state(&pair);
    let max = SizeClass::Huge.bytes() - MAILBOX_OVERHEAD_BYTES - 1;
    let error = pair.answering.seal_to_mailbox(&vec![0; max + 1], &mut pair.rng).unwrap_err();
    assert_eq!(error, SealError::ContentTooLong { bytes: max + 1, max });
    assert_eq!(before, state(&pair));
}

#[test]
fn any_flipped_byte_of_an_envelope_leaves_both_sessions_unchanged() {
    let mut pair = Pair::new(2);
    let envelope = pair.answer(b"Your gate is B 22");
    let before = state(&pair);
    for at in 0..envelope.bytes().len() {
        let error = pair.person.open(&flipped(&envelope, at)).unwrap_err();
        assert_eq!(error, OpenError::Unreadable, "byte {at}");
    }
    assert_eq!(before, state(&pair));
    assert!(pair.person.open(&envelope).is_ok());
    assert_eq!(pair.person.open(&envelope).unwrap_err(), OpenError::Duplicate);
}

#[test]
fn a_hint_names_the_session_and_only_to_the_hint_key() {
    let mut pair = Pair::new(3);
    let envelope = pair.ask(b"hello");
    match pair.business.read_hint(&envelope) {
        Some(Hint::Session(id)) => assert_eq!(id, pair.answering.id()),
        other => panic!("{other:?}"),
    }
    let stranger = Business::new(false, &mut Seeded::new(99));
    assert!(stranger.read_hint(&envelope).is_none());
    for at in 0..32 + 32 + 49 {
        assert!(pair.business.read_hint(&flipped(&envelope, at)).is_none(), "byte {at}");
    }
}

#[test]
fn a_hint_moved_to_another_envelope_does_not_open() {
    let mut pair = Pair::new(3);
    let (one, other) = (pair.ask(b"one"), pair.ask(b"other"));
    let mut bytes = one.bytes().to_vec();
    bytes[32..113].copy_from_slice(&other.bytes()[32..113]);
    assert!(pair.business.read_hint(&Envelope::new(bytes.into()).unwrap()).is_none());
}

#[test]
fn a_session_seals_only_to_its_own_business() {
    let mut pair = Pair::new(4);
    let mut recipient = pair.business.recipient();
    recipient.account = AccountKey::new([1; 32]);
    let error = pair.person.seal_to_inbox(&recipient, b"hello", &mut pair.rng).unwrap_err();
    assert_eq!(error, SealError::OtherAccount);
}

#[test]
fn a_sender_stops_at_a_thousand_until_the_peer_ratchets() {
    let mut pair = Pair::new(5);
    let first = pair.answer(b"0");
    assert_eq!(pair.answering.skip_sending(500, &mut pair.rng).unwrap(), 500);
    for _ in 501..SENDING_CHAIN_MESSAGES_MAX {
        pair.answer(b"x");
    }
    let before = state(&pair);
    let full = pair.answering.seal_to_mailbox(b"x", &mut pair.rng).unwrap_err();
    assert_eq!(full, SealError::ChainFull);
    assert_eq!(before, state(&pair));
    pair.person.open(&first).unwrap();
    let answer = pair.ask(b"still here");
    pair.answering.open(&answer).unwrap();
    pair.answer(b"thank you");
}

#[test]
fn a_message_after_a_restored_backup_opens() {
    let mut pair = Pair::new(6);
    let opened = pair.answer(b"before the backup");
    pair.person.open(&opened).unwrap();
    let backup = pair.answering.to_bytes();
    for _ in 0..20 {
        let sent = pair.answer(b"after the backup");
        pair.person.open(&sent).unwrap();
    }
    pair.answering = BusinessSession::from_bytes(&backup).unwrap();
    assert_eq!(pair.answering.skip_sending(500, &mut pair.rng).unwrap(), 500);
    let envelope = pair.answer(b"restored");
    assert_eq!(pair.person.open(&envelope).unwrap().content(), b"restored");
}

#[test]
fn a_chain_begun_again_after_a_backup_is_not_taken_for_repeats() {
    let mut pair = Pair::new(16);
    // The backup is of before the first answer: its chain is yet to begin.
    let backup = pair.answering.to_bytes();
    let lost = pair.answer(b"after the backup");
    let restored = |pair: &mut Pair| {
        pair.answering = BusinessSession::from_bytes(&backup).unwrap();
        pair.answering.skip_sending(500, &mut pair.rng).unwrap();
        pair.answer(b"restored")
    };
    let mut unaware = pair.person.clone();
    pair.person.open(&lost).unwrap();
    let envelope = restored(&mut pair);
    // The device that heard the lost answer asks for a new session; the other reads on.
    assert_eq!(pair.person.open(&envelope).unwrap_err(), OpenError::Unreadable);
    assert_eq!(unaware.open(&envelope).unwrap().content(), b"restored");
}

#[test]
fn a_repeat_of_an_earlier_chain_is_a_duplicate() {
    let mut pair = Pair::new(7);
    let early = pair.answer(b"early");
    pair.person.open(&early).unwrap();
    for _ in 0..5 {
        let question = pair.ask(b"?");
        pair.answering.open(&question).unwrap();
        let answer = pair.answer(b"!");
        pair.person.open(&answer).unwrap();
        assert_eq!(pair.person.open(&early).unwrap_err(), OpenError::Duplicate);
    }
    let question = pair.ask(b"?");
    pair.answering.open(&question).unwrap();
    let answer = pair.answer(b"!");
    pair.person.open(&answer).unwrap();
    assert_eq!(pair.person.open(&early).unwrap_err(), OpenError::Unreadable);
}

#[test]
fn the_fullest_state_is_as_long_as_the_bound_says() {
    let mut pair = Pair::new(9);
    for _ in 0..=STORED_HEADER_KEYS_MAX {
        let answer = pair.answer(b"!");
        pair.person.open(&answer).unwrap();
        let question = pair.ask(b"?");
        pair.answering.open(&question).unwrap();
    }
    for _ in 0..150 {
        pair.answer(b"lost");
    }
    let answer = pair.answer(b"!");
    pair.person.open(&answer).unwrap();
    pair.ask(b"?");
    assert_eq!(pair.person.to_bytes().len(), SESSION_BYTES_MAX);
    assert!(PersonSession::from_bytes(&pair.person.to_bytes()).is_ok());
    assert!(PersonSession::from_bytes(&[0; SESSION_BYTES_MAX + 1]).is_err());
}

#[test]
fn every_truncation_of_the_state_is_refused() {
    let mut pair = Pair::new(8);
    let skipped = pair.answer(b"skipped");
    let envelope = pair.answer(b"opened");
    pair.person.open(&envelope).unwrap();
    let (person, business) = state(&pair);
    for length in 0..person.len() {
        assert!(PersonSession::from_bytes(&person[..length]).is_err(), "{length}");
    }
    for length in 0..business.len() {
        assert!(BusinessSession::from_bytes(&business[..length]).is_err(), "{length}");
    }
    assert!(PersonSession::from_bytes(&[person.as_slice(), &[0]].concat()).is_err());
    assert!(PersonSession::from_bytes(&business).is_err());
    assert!(BusinessSession::from_bytes(&person).is_err());
    assert!(PersonSession::from_bytes(&person).unwrap().open(&skipped).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_order_with_losses_repeats_and_forgeries_opens_each_message_once(
        seed: u64,
        operations in prop::collection::vec((0..7_u8, any::<prop::sample::Index>()), 1..120),
    ) {
        let mut pair = Pair::new(seed);
        let mut flights: Vec<Flight> = Vec::new();
        for (at, (operation, index)) in operations.into_iter().enumerate() {
            let content = at.to_be_bytes().to_vec();
            match operation {
                0 | 1 => {
                    let to_business = operation == 0;
                    let envelope = match to_business {
                        true => pair.ask(&content),
                        false => pair.answer(&content),
                    };
                    flights.push(Flight { to_business, envelope, content, opened: false });
                }
                // A forgery: one byte flipped. Never opens, changes nothing.
                2 if !flights.is_empty() => {
                    let flight = index.get(&flights);
                    // Not in the hint, which the session does not read.
                    let position = match flight.to_business {
                        true => 113 + at * 13 % 1900,
                        false => at * 13 % 2000,
                    };
                    let forged = flipped(&flight.envelope, position);
                    let before = state(&pair);
                    let refused = match flight.to_business {
                        true => pair.answering.open(&forged).is_err(),
                        false => pair.person.open(&forged).is_err(),
                    };
                    prop_assert!(refused);
                    prop_assert_eq!(before, state(&pair));
                }
                3 => restart(&mut pair),
                // Delivery in any order, again and again; what is never picked is lost.
                _ if !flights.is_empty() => {
                    let at = index.index(flights.len());
                    deliver(&mut pair, &mut flights[at]);
                }
                _ => (),
            }
        }
    }

    #[test]
    fn an_ordered_conversation_opens_every_message(seed: u64, turns in prop::collection::vec((any::<bool>(), 1..6_usize), 1..20)) {
        let mut pair = Pair::new(seed);
        for (to_business, messages) in turns {
            for _ in 0..messages {
                let opened = if to_business {
                    let envelope = pair.ask(b"question");
                    pair.answering.open(&envelope).is_ok()
                } else {
                    let envelope = pair.answer(b"answer");
                    pair.person.open(&envelope).is_ok()
                };
                prop_assert!(opened);
                restart(&mut pair);
            }
        }
    }

    #[test]
    fn a_state_that_decodes_encodes_to_the_same_bytes(
        seed: u64,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut pair = Pair::new(seed);
        pair.answer(b"lost");
        let envelope = pair.answer(b"opened");
        pair.person.open(&envelope).unwrap();
        let mut bytes = pair.person.to_bytes().to_vec();
        for (index, value) in flips {
            let at = index.index(bytes.len());
            bytes[at] ^= value;
        }
        if let Ok(session) = PersonSession::from_bytes(&bytes) {
            prop_assert_eq!(session.to_bytes().to_vec(), bytes);
        }
    }
}
