//! The ratchet at its bounds and one past them, and against the specification's derivations.

use proptest::prelude::*;

use super::*;
use crate::primitives::dh::SharedSecret;
use crate::testing::Seeded;
use rand_core::Rng;

/// Both ends of a ratchet after the first message, with every message key compared.
struct Ends {
    person: Ratchet,
    business: Ratchet,
    rng: Seeded,
}

fn start() -> Start {
    Start {
        root: RootKey::new([1; 32]),
        header_key: HeaderKey::new([2; 32]),
        next_header_key: HeaderKey::new([3; 32]),
        ad: AssociatedData::new([4; 32]),
    }
}

fn secret(key: MessageKey) -> [u8; 32] {
    *key.into_prk().expose_secret()
}

/// Seals on `ratchet`; gives what travels and the key it was sealed with.
fn send(ratchet: &mut Ratchet, rng: &mut Seeded) -> (EncryptedHeader, [u8; 32]) {
    let (step, header) = ratchet.seal(rng).unwrap();
    *ratchet = step.next;
    (header, secret(step.key))
}

/// Opens on `ratchet`, keeping the step as if the message authenticated.
fn receive(ratchet: &mut Ratchet, header: &EncryptedHeader) -> Result<[u8; 32], OpenError> {
    let step = ratchet.open(header)?;
    *ratchet = step.next;
    Ok(secret(step.key))
}

fn ends() -> Ends {
    let mut rng = Seeded::new(42);
    let prekey = PrekeySecret::generate(&mut rng);
    let mut person = Ratchet::initiate(start(), &prekey.public(), &mut rng).unwrap();
    let (header, key) = send(&mut person, &mut rng);
    let step = Ratchet::respond(&start(), &prekey, &header).unwrap();
    assert_eq!(secret(step.key), key);
    Ends { person, business: step.next, rng }
}

impl Ends {
    /// The business sends, the person receives.
    fn answer(&mut self) {
        let (header, key) = send(&mut self.business, &mut self.rng);
        assert_eq!(receive(&mut self.person, &header), Ok(key));
    }

    /// The person sends, the business receives.
    fn ask(&mut self) {
        let (header, key) = send(&mut self.person, &mut self.rng);
        assert_eq!(receive(&mut self.business, &header), Ok(key));
    }

    /// A header the person's chain would give to message `n`, past the bound of honest senders too.
    fn header(&mut self, n: u32, previous: u32) -> EncryptedHeader {
        let Sending::Chain(chain) = &self.person.sending else { panic!("no chain") };
        let header = Header { dh: chain.secret.public(), previous, n };
        chain.header_key.seal(&self.person.ad, &header, &mut self.rng).unwrap()
    }
}

#[test]
fn message_numbers_are_skipped_up_to_the_bound_and_not_past_it() {
    let mut ends = ends();
    let at_bound = ends.header(1 + SKIP_MAX, 0);
    let past_bound = ends.header(2 + SKIP_MAX, 0);
    assert!(matches!(ends.business.open(&past_bound), Err(OpenError::Unreadable)));
    assert!(ends.business.open(&at_bound).is_ok());
    let last = ends.header(u32::MAX, 0);
    assert!(matches!(ends.business.open(&last), Err(OpenError::Unreadable)));
}

#[test]
fn a_previous_chain_is_skipped_up_to_the_bound_and_not_past_it() {
    let mut ends = ends();
    ends.answer();
    // The person's next chain: its previous one had 1 message, of which the business has 1.
    let _unsent = send(&mut ends.person, &mut ends.rng);
    for (n, previous, accepted) in [
        (0, 1 + SKIP_MAX, true),
        (0, 2 + SKIP_MAX, false),
        (SKIP_MAX, 1 + SKIP_MAX, true),
        (SKIP_MAX + 1, 1, false),
        (0, u32::MAX, false),
        (0, 0, true),
    ] {
        let header = ends.header(n, previous);
        assert_eq!(ends.business.open(&header).is_ok(), accepted, "n {n}, pn {previous}");
    }
}

#[test]
fn of_more_skipped_keys_than_fit_the_oldest_go() {
    let mut ends = ends();
    let sent: Vec<_> = (0..=150).map(|_| send(&mut ends.person, &mut ends.rng)).collect();
    let (last, key) = &sent[150];
    assert_eq!(receive(&mut ends.business, last), Ok(*key));
    assert_eq!(ends.business.receiving.stored_message_keys(), STORED_MESSAGE_KEYS_MAX);
    for (at, (header, key)) in sent.iter().enumerate() {
        let expected = if (50..150).contains(&at) { Ok(*key) } else { Err(OpenError::Duplicate) };
        assert_eq!(receive(&mut ends.business, header), expected, "message {at}");
    }
    assert_eq!(ends.business.receiving.stored_message_keys(), 0);
}

#[test]
fn eviction_takes_from_the_oldest_chain_first() {
    let mut ends = ends();
    ends.answer();
    let early: Vec<_> = (0..60).map(|_| send(&mut ends.person, &mut ends.rng)).collect();
    ends.ask();
    ends.answer();
    let late: Vec<_> = (0..60).map(|_| send(&mut ends.person, &mut ends.rng)).collect();
    ends.ask();
    assert_eq!(ends.business.receiving.stored_message_keys(), STORED_MESSAGE_KEYS_MAX);
    for (at, (header, key)) in early.iter().enumerate() {
        let expected = if at < 20 { Err(OpenError::Duplicate) } else { Ok(*key) };
        assert_eq!(receive(&mut ends.business, header), expected, "message {at}");
    }
    for (header, key) in &late {
        assert_eq!(receive(&mut ends.business, header), Ok(*key));
    }
}

#[test]
fn header_keys_of_five_earlier_chains_are_kept() {
    let mut ends = ends();
    ends.answer();
    let (early, key) = send(&mut ends.person, &mut ends.rng);
    for _ in 0..=STORED_HEADER_KEYS_MAX {
        ends.ask();
        ends.answer();
    }
    assert_eq!(ends.business.receiving.stored.len(), STORED_HEADER_KEYS_MAX);
    assert_eq!(receive(&mut ends.business.clone(), &early), Ok(key));
    ends.ask();
    assert_eq!(receive(&mut ends.business, &early), Err(OpenError::Unreadable));
}

#[test]
fn a_first_message_is_number_zero_of_the_first_chain() {
    let mut rng = Seeded::new(1);
    let prekey = PrekeySecret::generate(&mut rng);
    let dh = RatchetSecret::generate(&mut rng).public();
    let start = start();
    for (n, previous, accepted) in [(0, 0, true), (1, 0, false), (0, 1, false)] {
        let header = Header { dh, previous, n };
        let header = start.header_key.seal(&start.ad, &header, &mut rng).unwrap();
        assert_eq!(Ratchet::respond(&start, &prekey, &header).is_ok(), accepted);
    }
}

#[test]
fn a_weak_ratchet_key_in_a_header_is_refused() {
    let mut rng = Seeded::new(2);
    let prekey = PrekeySecret::generate(&mut rng);
    let start = start();
    for point in curve25519_dalek::constants::EIGHT_TORSION {
        let plaintext = [point.to_montgomery().to_bytes().as_slice(), &[0; 8]].concat();
        let sealed =
            start.header_key.0.seal(start.ad.expose_secret(), &plaintext, &mut rng).unwrap();
        let header = EncryptedHeader(sealed.try_into().unwrap());
        assert!(matches!(Ratchet::respond(&start, &prekey, &header), Err(OpenError::Unreadable)));
    }
}

#[test]
fn a_turn_while_ours_is_deferred_is_refused() {
    let mut ends = ends();
    // Only a peer who computed ahead could seal under NHKr before it saw our next ratchet key.
    let next = ends.business.receiving.next_header_key.clone();
    let header = Header { dh: RatchetSecret::generate(&mut ends.rng).public(), previous: 0, n: 0 };
    let header = next.seal(&ends.business.ad, &header, &mut ends.rng).unwrap();
    assert!(matches!(ends.business.open(&header), Err(OpenError::Unreadable)));
}

#[test]
fn a_stopped_sender_goes_on_once_the_peer_ratchets() {
    let mut ends = ends();
    let skipped = ends.person.skip_sending(u32::MAX, &mut ends.rng).unwrap();
    assert_eq!(skipped, SENDING_CHAIN_MESSAGES_MAX - 1);
    assert!(matches!(ends.person.seal(&mut ends.rng), Err(SealError::ChainFull)));
    ends.answer();
    // PN is 1,000 and N is 0: the most an honest sender makes its peer skip.
    ends.ask();
}

#[test]
fn the_deferred_ratchet_follows_the_derivations_of_the_specification() {
    let mut rng = Seeded::new(3);
    let prekey = PrekeySecret::generate(&mut rng);
    let mut person = Ratchet::initiate(start(), &prekey.public(), &mut rng).unwrap();
    let Sending::Chain(first) = person.sending.clone() else { panic!("no chain") };
    let (header, _) = send(&mut person, &mut rng);
    let mut business = Ratchet::respond(&start(), &prekey, &header).unwrap().next;
    let (header, key) = send(&mut business, &mut rng);
    assert_eq!(receive(&mut person, &header), Ok(key));
    // By hand: SK, then DH(person, SPKB), then DH(person, business).
    let Sending::Chain(second) = &business.sending else { panic!("no chain") };
    let dh = |public: &DhPublic| -> SharedSecret { first.secret.agree(public).unwrap() };
    let (root, ..) = start().root.step(&dh(&prekey.public()));
    let (_, chain, _) = root.step(&dh(&second.secret.public()));
    assert_eq!(*chain.step().1.expose_secret(), key);
    assert_eq!(first.header_key.expose_secret(), &[2; 32]);
    assert_eq!(second.header_key.expose_secret(), &[3; 32]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn messages_of_the_last_chains_open_in_any_order(
        turns in prop::collection::vec(1..12_usize, 1..STORED_HEADER_KEYS_MAX),
        order: u64,
    ) {
        let mut ends = ends();
        let mut sent = Vec::new();
        for messages in turns {
            sent.extend((0..messages).map(|_| send(&mut ends.person, &mut ends.rng)));
            let (header, key) = sent.pop().unwrap();
            prop_assert_eq!(receive(&mut ends.business, &header), Ok(key));
            ends.answer();
        }
        let mut order = Seeded::new(order);
        while !sent.is_empty() {
            let at = order.next_u32() as usize % sent.len();
            let (header, key) = sent.swap_remove(at);
            prop_assert_eq!(receive(&mut ends.business, &header), Ok(key));
            prop_assert_eq!(receive(&mut ends.business, &header), Err(OpenError::Duplicate));
        }
    }
}
