//! The handshake under every changed field, alias, weak key and missing private half.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::montgomery::MontgomeryPoint;
use plico_protocol::envelope::Envelope;
use plico_protocol::prekey::{self, KEM_KEY_BYTES, PrekeyType};
use plico_protocol::time::Hour;

use super::*;
use crate::primitives::dh::{HintSecret, PrekeySecret};
use crate::session::PersonSession;
use crate::testing::{Business, NOW, Seeded};

fn first_envelope(business: &Business, rng: &mut Seeded) -> Envelope {
    let identity = IdentitySecret::generate(rng);
    let (recipient, bundle) = (business.recipient(), business.bundle());
    PersonSession::initiate(&identity, &recipient, &bundle, b"Bonjour", rng).unwrap().1
}

fn initiate(business: &Business, bundle: prekey::Bundle) -> Result<(), InitiateError> {
    let mut rng = Seeded::new(77);
    let bundle = bundle.verify(&business.account.public(), NOW, NOW).unwrap();
    let identity = IdentitySecret::generate(&mut rng);
    let recipient = business.recipient();
    PersonSession::initiate(&identity, &recipient, &bundle, b"Bonjour", &mut rng).map(|_| ())
}

fn aliases(key: &[u8; 32]) -> Vec<[u8; 32]> {
    let point = MontgomeryPoint(*key).to_edwards(0).unwrap();
    let tweaked = |torsion: &EdwardsPoint| (point + torsion).to_montgomery().to_bytes();
    let mut aliases: Vec<_> = EIGHT_TORSION[1..].iter().map(tweaked).collect();
    let mut high_bit = *key;
    high_bit[31] |= 0x80;
    aliases.push(high_bit);
    aliases
}

#[test]
fn a_handshake_works_with_and_without_a_one_time_key() {
    for with_one_time in [true, false] {
        let mut rng = Seeded::new(1);
        let business = Business::new(with_one_time, &mut rng);
        let first = business.first(&first_envelope(&business, &mut rng));
        assert_eq!(first.handshake().one_time().is_some(), with_one_time);
        let (_, opened) = business.respond(&first).unwrap();
        assert_eq!(opened.content(), b"Bonjour");
    }
}

#[test]
fn any_flipped_byte_of_a_first_message_is_refused() {
    let mut rng = Seeded::new(2);
    let business = Business::new(true, &mut rng);
    let envelope = first_envelope(&business, &mut rng);
    for at in 0..envelope.bytes().len() {
        let mut bytes = envelope.bytes().to_vec();
        bytes[at] ^= 0x10;
        let forged = Envelope::new(bytes.into()).unwrap();
        let refused = match business.read_hint(&forged) {
            Some(crate::hint::Hint::First(first)) => {
                business.respond(&first).unwrap_err() == RespondError::Unreadable
            }
            Some(crate::hint::Hint::Session(_)) => false,
            None => true,
        };
        assert!(refused, "byte {at}");
    }
    assert!(business.respond(&business.first(&envelope)).is_ok());
}

/// The recipient of a hint could be fooled about each field by whoever knows the hint key: the
/// sender. So each field is changed inside the hint too.
#[test]
fn any_changed_field_of_a_handshake_is_refused() {
    let mut rng = Seeded::new(3);
    let business = Business::new(true, &mut rng);
    let first = business.first(&first_envelope(&business, &mut rng));
    let encoded = first.handshake().encode();
    assert_eq!(encoded.len(), 1_167);
    for at in 0..encoded.len() {
        let mut bytes = encoded.clone();
        bytes[at] ^= 1;
        let Ok(handshake) = Handshake::decode(bytes) else { continue };
        let mut changed = business.first(&first.envelope);
        changed.handshake = handshake;
        let error = business.respond(&changed).unwrap_err();
        let of_an_id = (67..79).contains(&at);
        let expected = if of_an_id { RespondError::OtherPrekeys } else { RespondError::Unreadable };
        assert_eq!(error, expected, "byte {at}");
    }
}

#[test]
fn every_alias_of_identity_and_ephemeral_key_is_refused() {
    let mut rng = Seeded::new(4);
    let business = Business::new(false, &mut rng);
    let first = business.first(&first_envelope(&business, &mut rng));
    let encoded = first.handshake().encode();
    for at in [3, 35] {
        let key: [u8; 32] = encoded[at..at + 32].try_into().unwrap();
        for alias in aliases(&key) {
            let mut bytes = encoded.clone();
            bytes[at..at + 32].copy_from_slice(&alias);
            let error = Handshake::decode(bytes).unwrap_err();
            assert_eq!(error, DecodeError::BadValue { field: "x25519_key" });
        }
    }
}

#[test]
fn a_one_time_key_is_never_ignored_nor_added() {
    let mut rng = Seeded::new(5);
    let with = Business::new(true, &mut rng);
    let first = with.first(&first_envelope(&with, &mut rng));
    let without = Business { one_time: None, ..with };
    assert_eq!(without.respond(&first).unwrap_err(), RespondError::OtherPrekeys);
    let second = without.first(&first_envelope(&without, &mut rng));
    let one_time = OneTimePrekey::generate(PrekeyId(8), NOW, &mut rng);
    let with = Business { one_time: Some(one_time), ..without };
    assert_eq!(with.respond(&second).unwrap_err(), RespondError::OtherPrekeys);
}

#[test]
fn another_private_half_with_the_same_id_opens_nothing() {
    let mut rng = Seeded::new(6);
    let mut business = Business::new(true, &mut rng);
    let first = business.first(&first_envelope(&business, &mut rng));
    let kem = KemPrekey::generate(business.kem.id(), NOW, &mut rng);
    let honest = core::mem::replace(&mut business.kem, kem);
    assert_eq!(business.respond(&first).unwrap_err(), RespondError::Unreadable);
    business.kem = honest;
    assert!(business.respond(&first).is_ok());
    business.identity = IdentitySecret::generate(&mut rng);
    assert_eq!(business.respond(&first).unwrap_err(), RespondError::Unreadable);
}

#[test]
fn weak_keys_in_a_signed_bundle_are_refused() {
    let mut rng = Seeded::new(7);
    let business = Business::new(true, &mut rng);
    let end = NOW.plus(24);
    for point in EIGHT_TORSION {
        let weak = DhKey::new(point.to_montgomery().to_bytes());
        let sign =
            |kind| prekey::SignedPrekey::sign(kind, PrekeyId(1), end, weak, &business.account);
        let bundle = prekey::Bundle { signed: sign(PrekeyType::Signed), ..business.raw_bundle() };
        assert!(matches!(initiate(&business, bundle), Err(InitiateError::BadDhKey(_))));
        let one_time = Some(sign(PrekeyType::OneTime));
        let bundle = prekey::Bundle { one_time, ..business.raw_bundle() };
        assert!(matches!(initiate(&business, bundle), Err(InitiateError::BadDhKey(_))));
        let mut keys = business.keys();
        keys.identity = weak;
        assert!(RecipientKeys::new(&keys).is_err());
        keys = business.keys();
        keys.hint = weak;
        assert!(RecipientKeys::new(&keys).is_err());
    }
    let overflow = KemKey::new(Box::new([0xff; KEM_KEY_BYTES]));
    let kem =
        prekey::SignedPrekey::sign(PrekeyType::Kem, PrekeyId(2), end, overflow, &business.account);
    let bundle = prekey::Bundle { kem, ..business.raw_bundle() };
    assert_eq!(initiate(&business, bundle), Err(InitiateError::BadKemKey(BadKemKey)));
}

#[test]
fn a_bundle_of_another_account_is_refused() {
    let mut rng = Seeded::new(8);
    let business = Business::new(true, &mut rng);
    let mut recipient = business.recipient();
    recipient.account = AccountKey::new([1; 32]);
    let identity = IdentitySecret::generate(&mut rng);
    let bundle = business.bundle();
    let result = PersonSession::initiate(&identity, &recipient, &bundle, b"", &mut rng);
    assert_eq!(result.unwrap_err(), InitiateError::OtherAccount);
}

#[test]
fn a_repeat_has_the_same_replay_id_and_a_new_handshake_another() {
    let mut rng = Seeded::new(9);
    let business = Business::new(false, &mut rng);
    let envelope = first_envelope(&business, &mut rng);
    let id = |envelope| business.first(envelope).handshake().replay_id();
    assert_eq!(id(&envelope), id(&envelope));
    assert_ne!(id(&envelope), id(&first_envelope(&business, &mut rng)));
}

#[test]
fn prekeys_come_back_from_their_bytes() {
    let mut rng = Seeded::new(10);
    let business = Business::new(true, &mut rng);
    let check = |bytes: &[u8]| {
        assert!((0..bytes.len()).all(|length| KemPrekey::from_bytes(&bytes[..length]).is_err()));
    };
    let kem = business.kem.to_bytes();
    check(&kem);
    assert_eq!(KemPrekey::from_bytes(&kem).unwrap().to_bytes(), kem);
    let signed = business.signed.to_bytes();
    assert_eq!(signed.len(), 40);
    let again = SignedPrekey::from_bytes(&signed).unwrap();
    assert_eq!((again.id(), again.not_after()), (PrekeyId(1), Hour(NOW.0 + 24)));
    assert!(SignedPrekey::from_bytes(&[0; 40]).is_err(), "id 0 names no prekey");
}

#[test]
fn secrets_of_either_kind_do_not_print() {
    let mut rng = Seeded::new(11);
    let business = Business::new(true, &mut rng);
    let printed = format!("{:?} {:?}", business.signed, business.kem);
    assert!(printed.contains("PrekeySecret(…)") && printed.contains("KemSecret(…)"));
    let printed = format!("{:?} {:?}", PrekeySecret::new([1; 32]), HintSecret::new([1; 32]));
    assert_eq!(printed, "PrekeySecret(…) HintSecret(…)");
}
