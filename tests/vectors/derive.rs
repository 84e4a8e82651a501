//! derive.json: the labelled derivations. Where the code keeps one to itself, its label is written
//! here again; that the code has the same is shown by the envelopes and states of other files.

use plico_endpoint::handshake::Handshake;
use plico_endpoint::primitives::hkdf::{expand, extract};
use plico_protocol::commitment::commit;
use plico_protocol::envelope::SizeClass;
use plico_protocol::id::{AccountKey, Address, TicketOpening};
use plico_protocol::mac::{MacKey, sha256};
use plico_protocol::prove::EXPORTER_LABEL;
use plico_protocol::ticket::{address_tag, ticket_commitment};
use plico_protocol::wire::Wire;

use rustls::crypto::aws_lc_rs::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384};
use rustls::crypto::tls13::OkmBlock;

use super::{Case, Vectors};

#[test]
fn derivations_give_what_the_vectors_say() {
    Vectors::read("derive").check(|kind, case| {
        match kind {
            "HandshakeSecrets" => handshake_secrets(case),
            "RootStep" => root_step(case),
            "ChainStep" => chain_step(case),
            "MessageKeys" => message_keys(case),
            "Commitment" => commitment(case),
            "ReplayId" => replay_id(case),
            // `hpke` keeps its key pair to itself; hint.json shows that it derives the same.
            "HpkeDeriveKeyPair" => hpke_key(case),
            "Exporter" => exporter(case),
            "AddressTag" => tag(case),
            "TicketCommitment" => opening(case),
            other => panic!("a new kind of group: {other}"),
        }
        true
    });
}

/// Compares consecutive parts of `okm` with the named outputs.
fn expect(case: Case<'_>, okm: &[u8], outputs: &[&str]) {
    let wanted: Vec<u8> = outputs.iter().flat_map(|name| case.bytes(name)).collect();
    assert_eq!(okm, wanted, "{case}");
}

fn handshake_secrets(case: Case<'_>) {
    let (th, dhs, ss) = (case.bytes("th"), case.bytes("dhs"), case.bytes("ss"));
    let prk = extract(&[0; 32], &[&[0xff; 32], &dhs, &ss]);
    let okm = expand::<128>(&prk, &[b"plico/1 X25519_SHA-256_ML-KEM-768\0", &th]);
    expect(case, &*okm, &["sk", "hka", "nhkb", "sid"]);
    expect(case, &sha256(&[b"plico/1 ad\0", &th]), &["ad"]);
}

fn root_step(case: Case<'_>) {
    let prk = extract(&case.array("rk"), &[&case.bytes("dh")]);
    expect(case, &*expand::<96>(&prk, &[b"plico/1 root\0"]), &["rkNext", "ck", "nhk"]);
}

fn chain_step(case: Case<'_>) {
    let key = MacKey::new(case.array("ck"));
    expect(case, &key.mac(&[&[1]]), &["mk"]);
    expect(case, &key.mac(&[&[2]]), &["ckNext"]);
}

fn message_keys(case: Case<'_>) {
    let prk = MacKey::new(case.array("mk"));
    let okm = expand::<76>(&prk, &[b"plico/1 message\0", &case.bytes("headerNonce")]);
    expect(case, &*okm, &["kEnc", "nonce", "kF"]);
}

fn commitment(case: Case<'_>) {
    let class = class(case);
    let key = MacKey::new(case.array("kF"));
    expect(case, commit(&key, 1, class, &case.bytes("padded")).as_bytes(), &["c2"]);
}

/// The size class that a test names.
pub(super) fn class(case: Case<'_>) -> SizeClass {
    SizeClass::decode(vec![u8::try_from(case.number("sizeClass")).unwrap()]).unwrap()
}

fn replay_id(case: Case<'_>) {
    let eka = case.bytes("eka");
    let numbers = [case.u32("spkId"), 0, case.u32("pqId")];
    let ids: Vec<u8> = numbers.iter().flat_map(|id| id.to_be_bytes()).collect();
    // Any IKA and ciphertext: neither enters the id.
    let box1 = [&[0, 1, 0], eka.as_slice(), &eka, &ids, &[0; 1088]].concat();
    let handshake = Handshake::decode(box1).unwrap();
    expect(case, handshake.replay_id().as_bytes(), &["replayId"]);
}

fn hpke_key(case: Case<'_>) {
    let suite = [b"KEM".as_slice(), &[0x00, 0x20]].concat();
    let prk = MacKey::new([0; 32]).mac(&[b"HPKE-v1", &suite, b"dkp_prk", &case.bytes("ikm")]);
    let okm = expand::<32>(&MacKey::new(prk), &[&[0, 32], b"HPKE-v1", &suite, b"sk"]);
    expect(case, &*okm, &["private"]);
}

/// With the key schedule of the TLS stack that relay and client use.
fn exporter(case: Case<'_>) {
    let suite = match case.number("hashBits") {
        256 => TLS13_AES_128_GCM_SHA256,
        384 => TLS13_AES_256_GCM_SHA384,
        other => panic!("{case}: a hash of {other} bits"),
    };
    let suite = suite.tls13().unwrap();
    let nothing = suite.common.hash_provider.hash(b"");
    let expand = |secret: &[u8], label: &[u8], out: &mut [u8]| {
        let [_, length] = u16::try_from(out.len()).unwrap().to_be_bytes();
        let [named, hashed] =
            [label.len() + 6, nothing.as_ref().len()].map(|n| u8::try_from(n).unwrap());
        let info: [&[u8]; 6] =
            [&[0, length], &[named], b"tls13 ", label, &[hashed], nothing.as_ref()];
        let expander = suite.hkdf_provider.expander_for_okm(&OkmBlock::new(secret));
        expander.expand_slice(&info, out).unwrap();
    };
    let mut derived = vec![0; nothing.as_ref().len()];
    expand(&case.bytes("exporterMasterSecret"), EXPORTER_LABEL, &mut derived);
    let mut value = [0; 32];
    expand(&derived, b"exporter", &mut value);
    expect(case, &value, &["exporter"]);
}

fn tag(case: Case<'_>) {
    let found = address_tag(&MacKey::new(case.array("kTag")), &Address::new(case.array("address")));
    expect(case, found.as_bytes(), &["tag"]);
}

fn opening(case: Case<'_>) {
    let account = AccountKey::new(case.array("account"));
    let found = ticket_commitment(&account, &TicketOpening::new(case.array("opening")));
    expect(case, found.as_bytes(), &["commitment"]);
}
