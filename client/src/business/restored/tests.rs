//! No key for two plaintexts, read from what leaves: every envelope a business submits before a
//! backup, after it, and after two restores of it, its header opened with the session's keys.

use std::collections::BTreeMap;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use plico_endpoint::prekeys::OneTimePrekey;
use plico_endpoint::session::PersonSession;
use plico_protocol::envelope::Envelope;
use plico_protocol::frame::{PrekeyStock, RelayFrame};
use plico_protocol::prekey::PrekeyId;

use super::*;
use crate::agent::outbox::Outbox;
use crate::business::event::Trouble;
use crate::business::prekeys::{OneTime, current_pair};
use crate::business::tests::{Place, hello, ticket};
use crate::clock::{Clock, SystemClock};

const ONE: Name<'_> = Name::Number(1);

/// What one envelope shows of its key: the ratchet key, `n` and the header's nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    ratchet: [u8; 32],
    n: u32,
    nonce: [u8; 24],
}

/// Seals a message to the only customer, and gives the envelope that leaves.
fn answer(place: &mut Place) -> Envelope {
    place.core.send(crate::CustomerId(1), "answer".into(), Category::Service).unwrap().unwrap();
    let now = place.core.now();
    let number = place.core.outbox.waiting(now)[0].0;
    place.core.seal(number).unwrap();
    let sealed = place.core.state.read(|rows| Outbox::get(rows, number)).unwrap().unwrap();
    Envelope::new(sealed.submission().unwrap().envelope.0).unwrap()
}

/// Opens a header with the sending header key of the session as it is stored (SPEC.md §8.6).
fn used(place: &mut Place, envelope: &Envelope) -> Use {
    let name = place.customer(1).session;
    let name = Name::Hidden(name.as_bytes());
    let record = |rows: &Rows<'_>| rows.get::<SessionRecord>(Table::Session, name);
    let state = place.core.state.read(record).unwrap().unwrap().bytes;
    let (ad, header_key) = (&state[66..98], &state[163..195]);
    assert_eq!(state[130], 1, "it has a sending chain");
    let (nonce, sealed) = envelope.bytes()[32..112].split_first_chunk::<24>().unwrap();
    let payload = Payload { msg: sealed, aad: ad };
    let cipher = XChaCha20Poly1305::new_from_slice(header_key).unwrap();
    let header = cipher.decrypt(&XNonce::from(*nonce), payload).unwrap();
    let n = u32::from_be_bytes(header[36..40].try_into().unwrap());
    Use { ratchet: header[..32].try_into().unwrap(), n, nonce: *nonce }
}

/// A business with one customer in a window, and the customer's end.
fn begun() -> (Place, PersonSession) {
    let mut place = Place::new();
    let minute = SystemClock.now().minute().0;
    let (person, first) = place.begin(&hello(ticket(minute, 1, true)));
    place.core.take(&first).unwrap();
    (place, person)
}

fn check(answers_before: usize) {
    let (mut place, mut person) = begun();
    let mut uses = BTreeMap::new();
    let mut note = |place: &mut Place, envelope: &Envelope| {
        let used = used(place, envelope);
        let known = uses.insert(used, envelope.bytes().clone());
        assert!(known.is_none_or(|known| known == *envelope.bytes()), "{used:?} sealed two");
        used
    };
    for _ in 0..answers_before {
        let envelope = answer(&mut place);
        note(&mut place, &envelope);
        person.open(&envelope).unwrap();
    }
    place.back_up();
    let lost: Vec<Use> = (0..5)
        .map(|_| {
            let envelope = answer(&mut place);
            note(&mut place, &envelope)
        })
        .collect();
    for _ in 0..2 {
        place = place.restored();
        for _ in 0..5 {
            let envelope = answer(&mut place);
            let used = note(&mut place, &envelope);
            assert!(NUMBERS_PASSED <= used.n);
            assert!(lost.iter().all(|lost| lost.ratchet != used.ratchet || lost.n < used.n));
        }
        let told = place.core.restore.unwrap();
        assert_eq!(told.restored.hour, place.core.written.unwrap_or(told.restored.hour));
    }
}

#[test]
fn a_chain_that_was_running_goes_on_beyond_what_was_lost() {
    check(3);
}

#[test]
fn a_chain_yet_to_begin_begins_beyond_what_was_lost() {
    check(0);
}

#[test]
fn the_first_message_of_a_session_says_that_the_business_was_restored() {
    let (mut place, mut person) = begun();
    place.back_up();
    let mut place = place.restored();
    let restored = place.core.restore.unwrap().restored;
    let mut said = || {
        let envelope = answer(&mut place);
        let opened = person.open(&envelope).unwrap();
        plico_endpoint::content::Content::decode(opened.content()).unwrap().restored
    };
    assert_eq!((said(), said()), (Some(restored), None));
}

/// It is read from disk. A step that was not stored would give the second the first one's number.
#[test]
fn an_answer_is_on_disk_with_its_step_before_it_leaves() {
    let (mut place, mut person) = begun();
    for _ in 0..2 {
        let envelope = answer(&mut place);
        assert!(person.open(&envelope).is_ok());
    }
}

#[test]
fn prekeys_do_not_outlive_a_restore() {
    let (mut place, _) = begun();
    let end = place.core.now().hour().plus(24);
    let one_time = OneTimePrekey::generate(PrekeyId(1), end, &mut random::system());
    let keep = |rows: &Rows<'_>| rows.put(Table::OneTimePrekey, ONE, &OneTime(one_time.clone()));
    place.core.state.write::<_, StateError>(keep).unwrap();
    place.back_up();
    let mut place = place.restored();
    let left = |rows: &Rows<'_>| {
        let signed = rows.has(Table::SignedPrekey, ONE)?;
        let one_time = rows.has(Table::OneTimePrekey, ONE)?;
        Ok((signed, one_time, rows.number_to_come(Table::SignedPrekey)?))
    };
    assert_eq!(place.core.state.read(left).unwrap(), (false, false, 2));
}

/// The relay has had prekeys that the backup knows nothing of.
const LATER: PrekeyStock =
    PrekeyStock { signed: PrekeyId(7), kem: PrekeyId(8), one_time: 90, highest: PrekeyId(250) };

#[test]
fn what_is_published_after_a_restore_is_above_what_the_relay_knows_and_voids_it() {
    let (mut place, _) = begun();
    place.back_up();
    let mut place = place.restored();
    place.core.stock_came(&RelayFrame::Stock(LATER)).unwrap();
    assert_eq!(place.core.void, LATER.highest);
    let now = place.core.now().hour();
    let ids = |rows: &Rows<'_>| {
        let pair = current_pair(rows, now)?;
        Ok::<_, StateError>((pair.signed.id(), rows.next_number(Table::OneTimePrekey)?))
    };
    assert_eq!(place.core.state.write(ids).unwrap(), (PrekeyId(9), 251));
    assert!(!place.core.may_be_heard(), "not before the relay confirmed them");
}

#[test]
fn an_older_copy_is_not_heard_until_it_is_restored() {
    let (mut place, _) = begun();
    place.core.stock_came(&RelayFrame::Stock(PrekeyStock { one_time: 0, ..LATER })).unwrap();
    assert_eq!(place.core.trouble, Some(Trouble::OlderCopy));
    assert!(!place.core.may_be_heard());
}
