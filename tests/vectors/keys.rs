//! x25519.json and prove.json: which keys and signatures are taken.

use plico_endpoint::primitives::dh::{DhPublic, PrekeySecret};
use plico_protocol::id::DhKey;
use plico_protocol::prove::{ExporterValue, Proof};
use plico_protocol::wire::Wire;

use super::{Case, Vectors};

#[test]
fn x25519_keys_have_one_name_and_prime_order() {
    Vectors::read("x25519").check(|_, case| agree(case).is_some());
}

fn agree(case: Case<'_>) -> Option<()> {
    let public = DhPublic::try_from(DhKey::new(case.array("public"))).ok()?;
    let shared = PrekeySecret::new(case.array("private")).agree(&public).ok()?;
    assert_eq!(shared.expose_secret(), &case.array("unchecked"), "{case}");
    Some(())
}

#[test]
fn proofs_and_with_them_signatures_are_verified_strictly() {
    Vectors::read("prove").check(|_, case| proves(case).is_some());
}

fn proves(case: Case<'_>) -> Option<()> {
    let role = u8::try_from(case.number("role")).unwrap();
    let body = [vec![role], case.bytes("key"), case.bytes("signature")].concat();
    Proof::decode(body).ok()?.verify(&ExporterValue(case.array("exporter"))).ok()?;
    Some(())
}
