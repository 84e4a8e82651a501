//! certificate.json, profile.json and prekey.json: what signed things are taken, and when.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use plico_endpoint::handshake::RecipientKeys;
use plico_endpoint::primitives::dh::IdentitySecret;
use plico_endpoint::session::PersonSession;
use plico_protocol::certificate::{
    Certificate, CertificateBody, CertificateRequest, DomainCheck, Serial,
};
use plico_protocol::id::{AccountKey, AuthorityKey};
use plico_protocol::link::{Link, Pin};
use plico_protocol::prekey::{Bundle, Publication};
use plico_protocol::profile::SignedProfile;
use plico_protocol::signature::AuthoritySecret;
use plico_protocol::ticket::Categories;
use plico_protocol::time::{Hour, Minute};
use plico_protocol::wire::{Wire, Writer};

use super::sessions::recipient;
use super::{Case, Given, Vectors, text};

#[test]
fn certificates_and_requests_are_taken_as_specified() {
    Vectors::read("certificate").check(|kind, case| match kind {
        "Certificate" => certificate(case).is_some(),
        "Request" => request(case).is_some(),
        other => panic!("a new kind of group: {other}"),
    });
}

/// `bytes(max)` around what a frame carries so.
fn sized<T: Wire>(bytes: &[u8]) -> Option<T> {
    let mut out = Writer::default();
    out.sized(bytes);
    T::decode(out.into_vec()).ok()
}

/// What a client with a link does: pins, signature, handle, time, and the keys.
fn certificate(case: Case<'_>) -> Option<()> {
    let [auth, key] = ["auth", "key"].map(|pin| URL_SAFE_NO_PAD.encode(case.bytes(pin)));
    let handle = text(&case.test["handle"]);
    let link = format!("plico://relay.example:4433/{handle}?pin={auth}&auth={auth}&key={key}");
    let link: Link = link.parse().ok()?;
    let authority = AuthorityKey::new(case.array("authority"));
    let verified = sized::<Certificate>(&case.bytes("certificate"))?.verify(&authority).ok()?;
    verified.valid_at(Hour(case.u32("nowHour"))).ok()?;
    RecipientKeys::try_from(&verified).ok()?;
    let body = verified.body();
    let fits = link.relay.authority == Pin::of_authority(&authority)
        && link.account == Pin::of_account(&body.keys.account)
        && link.handle == body.handle;
    fits.then_some(())
}

/// What an operator does with a request: reads its file and certifies what it asks for.
fn request(case: Case<'_>) -> Option<()> {
    let encoded = URL_SAFE_NO_PAD.encode(case.bytes("request"));
    let text = format!("plico-certificate-request-1:{encoded}\n");
    let request = CertificateRequest::from_text(&text).ok()?;
    assert_eq!(request.encode(), case.bytes("request"), "{case}");
    let body = CertificateBody {
        serial: Serial(1),
        handle: request.handle,
        display_name: request.display_name,
        domain: request.domain,
        domain_check: DomainCheck::Dns,
        keys: request.keys,
        categories: Categories::ALL,
        valid_from: Hour(1),
        valid_to: Hour(2),
    };
    body.sign(&AuthoritySecret::from_seed(&[1; 32])).ok()?;
    Some(())
}

#[test]
fn profiles_are_taken_as_specified() {
    Vectors::read("profile").check(|_, case| profile(case).is_some());
}

fn profile(case: Case<'_>) -> Option<()> {
    let signed = sized::<SignedProfile>(&case.bytes("profile"))?;
    let verified = signed.verify(&AccountKey::new(case.array("account"))).ok()?;
    verified.issued_by(Minute(case.u32("nowMinute"))).ok()?;
    let (body, whole) = (verified.profile().encode(), case.bytes("profile"));
    assert_eq!(body, whole[..whole.len() - 64], "{case}");
    Some(())
}

#[test]
fn bundles_and_publications_are_taken_as_specified() {
    Vectors::read("prekey").check(|kind, case| match kind {
        "Bundle" => bundle(case).is_some(),
        "Publication" => publication(case).is_some(),
        other => panic!("a new kind of group: {other}"),
    });
}

/// What a client does with a bundle: verifies it, and begins a session, which checks the keys.
fn bundle(case: Case<'_>) -> Option<()> {
    let (account, now) = (AccountKey::new(case.array("account")), Hour(case.u32("nowHour")));
    let bundle = Bundle::decode(Bytes::from(case.bytes("bundle"))).ok()?;
    assert_eq!(bundle.encode(), case.bytes("bundle"), "{case}");
    let verified = bundle.verify(&account, now, now).ok()?;
    let me = IdentitySecret::new([1; 32]);
    let to = recipient(account, *me.public().as_bytes());
    PersonSession::initiate(&me, &to, &verified, b"", &mut Given(vec![2; 152])).ok()?;
    Some(())
}

fn publication(case: Case<'_>) -> Option<()> {
    let publication = Publication::decode(case.bytes("publication")).ok()?;
    assert_eq!(publication.encode(), case.bytes("publication"), "{case}");
    let account = AccountKey::new(case.array("account"));
    publication.verify(&account, Hour(case.u32("nowHour"))).ok()
}
