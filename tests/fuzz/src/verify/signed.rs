//! Tickets, certificates and requests, profiles, prekeys, proofs, reports and commitments.

use plico_protocol::certificate::{Certificate, CertificateRequest};
use plico_protocol::commitment;
use plico_protocol::envelope::SizeClass;
use plico_protocol::id::{AccountKey, Address, AuthorityKey, Commitment, TicketOpening};
use plico_protocol::mac::MacKey;
use plico_protocol::prekey::{Bundle, Publication};
use plico_protocol::profile::SignedProfile;
use plico_protocol::prove::{ExporterValue, Proof};
use plico_protocol::report::Report;
use plico_protocol::stamp::StampedOrigin;
use plico_protocol::ticket::{Category, Ticket, TicketUse};
use plico_protocol::time::{Hour, Minute};
use plico_protocol::wire::{Reader, Wire, Writer};
use serde_json::Value;

use super::Honest;
use crate::vectors::{Case, array, number, valid};

pub(super) fn honest() -> impl Iterator<Item = Honest> {
    let of = |file, kind, honest: fn(Case) -> Honest| valid(file, kind).into_iter().map(honest);
    of("ticket", "Check", ticket)
        .chain(of("certificate", "Certificate", certificate))
        .chain(of("certificate", "Request", request))
        .chain(of("profile", "Profile", profile))
        .chain(of("prekey", "Bundle", bundle))
        .chain(of("prekey", "Publication", publication))
        .chain(of("prove", "Prove", proof))
        .chain(of("report", "Report", report))
        .chain(of("franking", "Opening", opening))
}

/// A number at the end of the input.
fn u32_of(context: &[u8]) -> u32 {
    u32::from_be_bytes(context.try_into().unwrap())
}

/// What a frame carries behind its length.
pub(super) fn sized<T: Wire>(bytes: &[u8]) -> Option<T> {
    let mut out = Writer::default();
    out.sized(bytes);
    T::decode(out.into_vec()).ok()
}

fn found(keys: &Value, name: &str, id: u32) -> Option<MacKey> {
    let key = keys.as_array().unwrap().iter().find(|key| number(&key[name]) == id)?;
    Some(MacKey::new(array(&key["key"])))
}

/// The ticket, who shows it for which mailbox; then category and time, which it may allow or not.
fn ticket(case: Case) -> Honest {
    let object: Vec<u8> = ["ticket", "opening", "address", "account"]
        .iter()
        .flat_map(|name| case.bytes(name))
        .collect();
    let category = u8::try_from(case.u32("category")).unwrap();
    let context = [&[category], case.u32("now").to_be_bytes().as_slice()].concat();
    let k_tag = MacKey::new(array(&case.group["kTag"]));
    let takes = move |object: &[u8], context: &[u8]| {
        let mut reader = Reader::new(object.to_vec().into());
        let mut read = || -> Option<(Ticket, TicketOpening, Address, AccountKey)> {
            let ticket = Wire::read(&mut reader).ok()?;
            let opening = Wire::read(&mut reader).ok()?;
            Some((ticket, opening, Wire::read(&mut reader).ok()?, Wire::read(&mut reader).ok()?))
        };
        let Some((ticket, opening, address, account)) = read() else { return false };
        let Some(category) = Category::from_byte(context[0]) else { return false };
        let Some(key) = found(&case.group["ticketKeys"], "id", ticket.key_id().0.into()) else {
            return false;
        };
        let now = Minute(u32_of(&context[1..]));
        let (address, account, opening) = (&address, &account, &opening);
        let used = TicketUse { address, account, opening, category, now };
        let Ok(checked) = ticket.check(&key, &k_tag, &used) else { return false };
        let fields = checked.fields();
        assert!(fields.categories.contains(category) && now < fields.valid_until);
        reader.finish().is_ok()
    };
    Honest::new(object, context, takes)
}

fn certificate(case: Case) -> Honest {
    let authority = AuthorityKey::new(case.array("authority"));
    let takes = move |object: &[u8], now: &[u8]| {
        let read = sized::<Certificate>(object).and_then(|read| read.verify(&authority).ok());
        let now = Hour(u32_of(now));
        let Some(verified) = read.filter(|verified| verified.valid_at(now).is_ok()) else {
            return false;
        };
        let body = verified.body();
        assert!(body.valid_from <= now && now < body.valid_to);
        true
    };
    Honest::new(case.bytes("certificate"), case.u32("nowHour").to_be_bytes().to_vec(), takes)
}

fn request(case: Case) -> Honest {
    let text = CertificateRequest::decode(case.bytes("request")).unwrap().to_text();
    let takes = |text: &[u8], _: &[u8]| {
        core::str::from_utf8(text).is_ok_and(|text| CertificateRequest::from_text(text).is_ok())
    };
    let same = |one: &[u8], other: &[u8]| one.trim_ascii() == other.trim_ascii();
    Honest { same, ..Honest::new(text.into_bytes(), Vec::new(), takes) }
}

fn profile(case: Case) -> Honest {
    let account = AccountKey::new(case.array("account"));
    let takes = move |object: &[u8], now: &[u8]| {
        let read = sized::<SignedProfile>(object).and_then(|read| read.verify(&account).ok());
        read.is_some_and(|verified| verified.issued_by(Minute(u32_of(now))).is_ok())
    };
    Honest::new(case.bytes("profile"), case.u32("nowMinute").to_be_bytes().to_vec(), takes)
}

fn bundle(case: Case) -> Honest {
    let account = AccountKey::new(case.array("account"));
    let takes = move |object: &[u8], now: &[u8]| {
        let now = Hour(u32_of(now));
        let read = Bundle::decode(object.to_vec());
        read.is_ok_and(|bundle| bundle.verify(&account, now, now).is_ok())
    };
    // A relay hands out a bundle with a one-time prekey or without one, as there are any.
    let same = |one: &[u8], other: &[u8]| {
        let [one, mut other] = [one, other].map(|bytes| Bundle::decode(bytes.to_vec()).unwrap());
        if other.one_time.is_none() {
            other.one_time.clone_from(&one.one_time);
        }
        one == other
    };
    let now = case.u32("nowHour").to_be_bytes().to_vec();
    Honest { same, ..Honest::new(case.bytes("bundle"), now, takes) }
}

fn publication(case: Case) -> Honest {
    let account = AccountKey::new(case.array("account"));
    let takes = move |object: &[u8], now: &[u8]| {
        let read = Publication::decode(object.to_vec());
        read.is_ok_and(|publication| publication.verify(&account, Hour(u32_of(now))).is_ok())
    };
    // Each prekey is signed alone: who publishes proved the account on the connection.
    let same = |one: &[u8], other: &[u8]| {
        let [one, other] = [one, other].map(|bytes| Publication::decode(bytes.to_vec()).unwrap());
        let known = other.one_time.iter().all(|prekey| one.one_time.contains(prekey));
        known && one.signed == other.signed && one.kem == other.kem
    };
    let now = case.u32("nowHour").to_be_bytes().to_vec();
    Honest { same, ..Honest::new(case.bytes("publication"), now, takes) }
}

/// On its own connection alone, so the exporter's value belongs to what is bound.
fn proof(case: Case) -> Honest {
    let role = u8::try_from(case.u32("role")).unwrap();
    let fields = ["key", "signature", "exporter"].map(|field| case.bytes(field)).concat();
    let takes = |object: &[u8], _: &[u8]| {
        let Some((proof, exporter)) = object.split_last_chunk() else { return false };
        let read = Proof::decode(proof.to_vec());
        read.is_ok_and(|proof| proof.verify(&ExporterValue(*exporter)).is_ok())
    };
    Honest::new([vec![role], fields].concat(), Vec::new(), takes)
}

fn report(case: Case) -> Honest {
    let class = SizeClass::from_byte(u8::try_from(case.u32("sizeClass")).unwrap()).unwrap();
    let disclosed = case.test["disclosed"] == true;
    let mut out = Writer::default();
    out.bytes(&case.bytes("address"));
    out.bytes(&case.bytes("c2"));
    class.write(&mut out);
    out.bytes(&case.bytes("stampedOrigin"));
    out.u8(u8::from(disclosed));
    if disclosed {
        out.sized(&case.bytes("padded"));
        out.bytes(&case.bytes("kF"));
    }
    let k_tag = MacKey::new(array(&case.group["kTag"]));
    let takes = move |object: &[u8], _: &[u8]| {
        let Ok(report) = Report::decode(object.to_vec()) else { return false };
        let StampedOrigin { origin, .. } = report.origin;
        let key = found(&case.group["stampKeys"], "day", origin.hour.day().0);
        report.prove(key.as_ref(), &k_tag).is_ok()
    };
    // Without what it says a report proves less, and still that.
    let same = |one: &[u8], other: &[u8]| {
        let [mut one, other] = [one, other].map(|bytes| Report::decode(bytes.to_vec()).unwrap());
        if other.disclosure.is_none() {
            one.disclosure = None;
        }
        one == other
    };
    Honest { same, ..Honest::new(out.into_vec(), Vec::new(), takes) }
}

fn opening(case: Case) -> Honest {
    let object = ["sizeClass", "kF", "c2", "padded"].map(|field| match field {
        "sizeClass" => vec![u8::try_from(case.u32(field)).unwrap()],
        _ => case.bytes(field),
    });
    let takes = |object: &[u8], _: &[u8]| {
        let Some((class, rest)) = object.split_first() else { return false };
        let Some(class) = SizeClass::from_byte(*class) else { return false };
        let Some((key, rest)) = rest.split_first_chunk() else { return false };
        let Some((c2, padded)) = rest.split_first_chunk() else { return false };
        commitment::verify(&Commitment::new(*c2), &MacKey::new(*key), 1, class, padded)
    };
    Honest::new(object.concat(), Vec::new(), takes)
}
