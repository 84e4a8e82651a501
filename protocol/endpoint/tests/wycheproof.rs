//! Wycheproof's vectors through the wrappers, and the wrappers' own policy where it is stricter.

use core::convert::Infallible;

use plico_endpoint::primitives::aead::{CipherKey, OneTimeCipher, XCipherKey};
use plico_endpoint::primitives::dh::{BadDhKey, DhPublic, IdentitySecret};
use plico_endpoint::primitives::hkdf;
use plico_endpoint::primitives::kem::{KemCiphertext, KemPublic, KemSecret};
use plico_protocol::id::{AccountKey, DhKey, SignatureBytes};
use plico_protocol::mac::MacKey;
use plico_protocol::prekey::KemKey;
use plico_protocol::signature::Verify;
use rand_core::{TryCryptoRng, TryRng};
use wycheproof::{TestResult, aead, eddsa, hkdf as hkdf_vectors, mac, mlkem, xdh};

/// Hands out the given bytes, once.
struct Fixed(Vec<u8>);

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(bytes.len());
        bytes.copy_from_slice(&self.0);
        self.0 = rest;
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

#[test]
fn x25519_agrees_and_refuses_what_no_honest_party_sends() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let (mut agreed, mut refused) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let public = DhPublic::try_from(DhKey::new(array(&test.public_key).unwrap()));
        let zero = test.shared_secret.iter().all(|byte| *byte == 0);
        let flagged = |flag| test.flags.contains(&flag);
        match public {
            Ok(public) => {
                let secret = IdentitySecret::new(array(&test.private_key).unwrap());
                let shared = secret.agree(&public).unwrap();
                assert_eq!(
                    shared.expose_secret().as_slice(),
                    &*test.shared_secret,
                    "{}",
                    test.tc_id
                );
                assert!(!zero && !flagged(xdh::TestFlag::NonCanonicalPublic), "{}", test.tc_id);
                agreed += 1;
            }
            Err(error) => {
                // An honest key is never refused: only these flags mark keys no one generates.
                let made_up = zero
                    || flagged(xdh::TestFlag::NonCanonicalPublic)
                    || flagged(xdh::TestFlag::Twist)
                    || error == BadDhKey::NotPrimeOrder;
                assert!(made_up, "{}", test.tc_id);
                refused += 1;
            }
        }
    }
    // Most vectors are points of the twist, of small order, or with a component of small order:
    // half of all numbers are on the twist, and of the rest seven in eight have such a component.
    assert_eq!((agreed, refused), (50, 468));
}

#[test]
fn ed25519_verifies_as_expected() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut tests = 0;
    for group in &set.test_groups {
        let key = AccountKey::new(array(&group.key.pk).unwrap());
        for test in &group.tests {
            let accepted = array(&test.sig)
                .is_some_and(|sig| key.verify(&test.msg, &SignatureBytes::new(sig)).is_ok());
            assert_eq!(accepted, test.result == TestResult::Valid, "{}", test.tc_id);
            tests += 1;
        }
    }
    assert_eq!(tests, 151);
}

#[test]
fn chacha20_poly1305_seals_and_opens_as_expected() {
    let set = aead::TestSet::load(aead::TestName::ChaCha20Poly1305).unwrap();
    let mut tests = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        // Other lengths of key or nonce have no type.
        let (Some(key), Some(nonce)) = (array(&test.key), array(&test.nonce)) else { continue };
        let cipher = || OneTimeCipher::new(CipherKey::new(key), nonce);
        let sealed = [test.ct.as_slice(), &test.tag].concat();
        let opened = cipher().open(&test.aad, &sealed);
        assert_eq!(opened.is_ok(), test.result == TestResult::Valid, "{}", test.tc_id);
        if let Ok(opened) = opened {
            assert_eq!(*opened, *test.pt);
            assert_eq!(cipher().seal(&test.aad, &test.pt).unwrap(), sealed);
        }
        tests += 1;
    }
    assert_eq!(tests, 316);
}

#[test]
fn xchacha20_poly1305_seals_and_opens_as_expected() {
    let set = aead::TestSet::load(aead::TestName::XChaCha20Poly1305).unwrap();
    let mut tests = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let (Some(key), 24) = (array(&test.key), test.nonce.len()) else { continue };
        let key = XCipherKey::new(key);
        let sealed = [test.nonce.as_slice(), &test.ct, &test.tag].concat();
        let opened = key.open(&test.aad, &sealed);
        assert_eq!(opened.is_ok(), test.result == TestResult::Valid, "{}", test.tc_id);
        if let Ok(opened) = opened {
            assert_eq!(*opened, *test.pt);
            let mut nonce = Fixed(test.nonce.to_vec());
            assert_eq!(key.seal(&test.aad, &test.pt, &mut nonce).unwrap(), sealed);
        }
        tests += 1;
    }
    assert_eq!(tests, 306);
}

#[test]
fn hmac_sha256_gives_the_expected_tags() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let mut tests = 0;
    for group in set.test_groups.iter().filter(|group| group.tag_size == 256) {
        for test in &group.tests {
            let (Some(key), Some(tag)) = (array(&test.key), array(&test.tag)) else { continue };
            let verified = MacKey::new(key).verify(&[&test.msg], &tag);
            assert_eq!(verified, test.result == TestResult::Valid, "{}", test.tc_id);
            tests += 1;
        }
    }
    assert!(50 <= tests, "{tests}");
}

/// Expands to the vector's length, which the wrapper takes as a type.
fn expand(prk: &MacKey, context: &[u8], bytes: usize) -> Vec<u8> {
    let mut okm = hkdf::expand::<8_160>(prk, &[context]).to_vec();
    okm.truncate(bytes);
    okm
}

#[test]
fn hkdf_sha256_gives_the_expected_keys() {
    let set = hkdf_vectors::TestSet::load(hkdf_vectors::TestName::HkdfSha256).unwrap();
    let mut tests = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        // HMAC pads a shorter key with zeros (RFC 2104), so a shorter salt can be padded here. A
        // longer output does not compile, which is how the invalid vectors are refused.
        if 32 < test.salt.len() || test.result != TestResult::Valid {
            continue;
        }
        let mut salt = [0; 32];
        salt[..test.salt.len()].copy_from_slice(&test.salt);
        let prk = hkdf::extract(&salt, &[&test.ikm]);
        assert_eq!(expand(&prk, &test.info, test.size), *test.okm, "{}", test.tc_id);
        tests += 1;
    }
    assert!(70 <= tests, "{tests}");
}

#[test]
fn ml_kem_768_decapsulates_as_expected() {
    let set = mlkem::TestSet::load(mlkem::TestName::MlKem768).unwrap();
    let mut tests = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let (Some(seed), Some(ciphertext)) = (&test.seed, &test.ct) else { continue };
        let bytes = Box::<[u8; 1088]>::try_from(ciphertext.to_vec().into_boxed_slice());
        let (Some(seed), Ok(bytes)) = (array(seed), bytes) else {
            assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
            continue;
        };
        let secret = KemSecret::from_seed(seed);
        let shared = secret.decapsulate(&KemCiphertext::new(bytes));
        let expected = test.shared_secret.as_ref().map(|secret| secret.as_slice());
        let matches = Some(shared.expose_secret().as_slice()) == expected;
        assert_eq!(matches, test.result == TestResult::Valid, "{}", test.tc_id);
        tests += 1;
    }
    assert!(100 <= tests, "{tests}");
}

fn kem_key(bytes: &[u8]) -> Option<KemKey> {
    let bytes = Box::<[u8; 1184]>::try_from(bytes.to_vec().into_boxed_slice()).ok()?;
    Some(KemKey::new(bytes))
}

#[test]
fn ml_kem_768_encapsulates_as_expected_and_refuses_unreduced_keys() {
    let set = mlkem::TestSet::load(mlkem::TestName::MlKem768Encaps).unwrap();
    let (mut encapsulated, mut refused) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let key = test.encaps_key.as_ref().and_then(|key| kem_key(key));
        let public = key.and_then(|key| KemPublic::try_from(&key).ok());
        let valid = test.result == TestResult::Valid;
        assert_eq!(public.is_some(), valid, "{}", test.tc_id);
        let Some(public) = public else {
            refused += 1;
            continue;
        };
        let mut message = Fixed(test.msg.as_ref().unwrap().to_vec());
        let (ciphertext, shared) = public.encapsulate(&mut message);
        assert_eq!(ciphertext.as_bytes().as_slice(), test.ct.as_ref().unwrap().as_slice());
        let expected = test.shared_secret.as_ref().unwrap();
        assert_eq!(shared.expose_secret().as_slice(), expected.as_slice());
        encapsulated += 1;
    }
    assert_eq!(encapsulated + refused, 265);
    assert!(0 < encapsulated && 0 < refused);
}

#[test]
fn ml_kem_768_keys_come_from_their_seed_as_expected() {
    let set = mlkem::TestSet::load(mlkem::TestName::MlKem768KeyGenSeed).unwrap();
    let mut tests = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let secret = KemSecret::from_seed(array(test.seed.as_ref().unwrap()).unwrap());
        let expected = test.encaps_key.as_ref().unwrap();
        assert_eq!(secret.public().key().as_bytes().as_slice(), expected.as_slice());
        tests += 1;
    }
    assert_eq!(tests, 100);
}

proptest::proptest! {
    #[test]
    fn our_hkdf_gives_what_the_hkdf_crate_gives(salt: [u8; 32], ikm: [u8; 40], context: [u8; 24]) {
        let ours = hkdf::expand::<128>(&hkdf::extract(&salt, &[&ikm[..7], &ikm[7..]]), &[&context]);
        let mut theirs = [0; 128];
        ::hkdf::Hkdf::<sha2::Sha256>::new(Some(&salt), &ikm).expand(&context, &mut theirs).unwrap();
        proptest::prop_assert_eq!(*ours, theirs);
    }
}
