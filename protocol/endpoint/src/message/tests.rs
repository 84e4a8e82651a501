//! Padding, binding, and the ciphertext that opens under two keys.

use proptest::prelude::*;

use super::*;
use crate::ratchet::keys::StoredKey;

fn hex(text: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

/// A ciphertext made to open under two keys (Grubbs, Lu, Ristenpart, CRYPTO 2017; "invisible
/// salamander": Dodis, Grubbs, Ristenpart, Woodage, CRYPTO 2018).
const SALAMANDER: [&str; 5] = [
    "fad5a0b3c98d0676fe94bc50e504d92d9e5c792050e82402a8b1bd585cc309bb",
    "46f1d33df15d6942caa26472f68f96134920249bdd6218f5f38959e9fbadaa84",
    "9e2c8560017b4115e27b0425525bf45fb582cfd02a604294b50a3a8e37bc8af9f08ee7c05ca63cea86e6a16ec89b581a\
     6be6ad10fc334beada78f8ff881bbf6ef630e0b9f344b39c1b9a561542ddbf3d08c9cdfe7f93354eb098f709059277bc\
     1c452d4bb86904b8d64d8236a56b1eb6",
    "Your appointment is on Tuesday. ",
    "CLICK http://evil.example/ now! ",
];

fn binding<'a>(ad: &'a AssociatedData, header: &'a EncryptedHeader) -> Binding<'a> {
    Binding { ad, header, class: SizeClass::Small }
}

fn key() -> MessageKey {
    MessageKey::new(StoredKey::new([5; 32]))
}

fn check(content: &[u8], padded_bytes: usize) -> Result<Opened, OpenError> {
    let (ad, header) = (AssociatedData::new([1; 32]), EncryptedHeader([2; 80]));
    let binding = binding(&ad, &header);
    let (commitment, sealed) = key().seal(&binding, content, padded_bytes).unwrap();
    key().open(&binding, commitment, &sealed)
}

#[test]
fn content_that_leaves_no_room_for_the_mark_is_refused() {
    assert_eq!(pad(&[7; 9], 10).unwrap().len(), 10);
    for (content, padded_bytes, max) in [(&[7; 10][..], 10, 9), (&[], 0, 0)] {
        let refused = SealError::ContentTooLong { bytes: content.len(), max };
        assert_eq!(pad(content, padded_bytes).err(), Some(refused));
    }
}

#[test]
fn the_salamander_opens_under_both_keys_without_a_commitment() {
    let [k1, k2, sealed, text1, text2] = SALAMANDER;
    let open = |key: &str| {
        let key = CipherKey::new(hex(key).try_into().unwrap());
        OneTimeCipher::new(key, [0; 12]).open(b"ctx", &hex(sealed)).unwrap()
    };
    assert_eq!(&open(k1)[..32], text1.as_bytes());
    assert_eq!(&open(k2)[32..64], text2.as_bytes());
}

/// A sender who wants two recipients, or a recipient and a relay, to read two texts in one
/// ciphertext needs one commitment that opens to both. Here the sender commits to the first text
/// and seals a ciphertext that authenticates, under the key the recipient derives, as the second.
#[test]
fn a_ciphertext_that_authenticates_as_another_text_is_refused_by_its_commitment() {
    let (ad, header) = (AssociatedData::new([1; 32]), EncryptedHeader([2; 80]));
    let binding = binding(&ad, &header);
    let [k1, k2, sealed, ..] = SALAMANDER.map(|text| text);
    for (cipher_key, committed_key) in [(k1, k2), (k2, k1)] {
        let open = |key: &str| {
            let key = CipherKey::new(hex(key).try_into().unwrap());
            OneTimeCipher::new(key, [0; 12]).open(b"ctx", &hex(sealed)).unwrap()
        };
        let (_, franking_key) = key().derive(&header);
        // Padded as they should be: nothing is wrong with either but that they are two.
        let [shown, committed] =
            [cipher_key, committed_key].map(|key| pad(&open(key), 192).unwrap());
        let commitment = commitment::commit(&franking_key, SUITE, SizeClass::Small, &committed);
        let (cipher, _) = key().derive(&header);
        let forged = cipher.seal(&binding.associated_data(&commitment), &shown).unwrap();
        let (cipher, _) = key().derive(&header);
        assert_eq!(*cipher.open(&binding.associated_data(&commitment), &forged).unwrap(), *shown);
        assert_eq!(key().open(&binding, commitment, &forged).unwrap_err(), OpenError::Unreadable);
    }
}

#[test]
fn padding_without_a_mark_is_refused_like_a_wrong_tag() {
    let (ad, header) = (AssociatedData::new([1; 32]), EncryptedHeader([2; 80]));
    let binding = binding(&ad, &header);
    for padded in [vec![0; 64], vec![1; 64], [vec![0x80, 0x81], vec![0; 62]].concat()] {
        let (cipher, franking_key) = key().derive(&header);
        let commitment = commitment::commit(&franking_key, SUITE, SizeClass::Small, &padded);
        let sealed = cipher.seal(&binding.associated_data(&commitment), &padded).unwrap();
        assert_eq!(key().open(&binding, commitment, &sealed).unwrap_err(), OpenError::Unreadable);
    }
}

#[test]
fn header_class_and_associated_data_are_bound() {
    let (ad, header) = (AssociatedData::new([1; 32]), EncryptedHeader([2; 80]));
    let (commitment, sealed) = key().seal(&binding(&ad, &header), b"text", 64).unwrap();
    let refused = |ad: [u8; 32], header: [u8; 80], class| {
        let (ad, header) = (AssociatedData::new(ad), EncryptedHeader(header));
        key().open(&Binding { ad: &ad, header: &header, class }, commitment, &sealed).is_err()
    };
    assert!(!refused([1; 32], [2; 80], SizeClass::Small));
    assert!(refused([0; 32], [2; 80], SizeClass::Small));
    assert!(refused([1; 32], [3; 80], SizeClass::Small));
    assert!(refused([1; 32], [2; 80], SizeClass::Medium));
}

#[test]
fn a_header_nonce_makes_another_cipher_of_the_same_message_key() {
    let nonce = |byte| {
        let mut header = [2; 80];
        header[0] = byte;
        let (cipher, _) = key().derive(&EncryptedHeader(header));
        cipher.seal(b"", b"text").unwrap()
    };
    assert_ne!(nonce(0), nonce(1));
}

proptest! {
    #[test]
    fn content_of_any_length_and_ending_comes_back(content in prop::collection::vec(prop_oneof![Just(0), Just(0x80), any::<u8>()], 0..64)) {
        let opened = check(&content, 64).unwrap();
        prop_assert_eq!(opened.content(), content);
        prop_assert_eq!(opened.padded().len(), 64);
    }
}
