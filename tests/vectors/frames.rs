//! frame.json: frames are read as the fields the vectors name, and written again as they were.

use std::collections::BTreeSet;

use plico_protocol::frame::{ClientFrame, Frame, Header, Notice, RelayFrame};
use plico_protocol::reputation::{AccountStanding, Unpaid};
use plico_protocol::wire::Wire;
use serde_json::{Value, json};

use super::{Vectors, hex};

#[test]
fn frames_are_read_and_written_alike_or_refused() {
    Vectors::read("frame").check(|_, case| {
        let bytes = case.bytes("frame");
        let fields = match bytes.first() {
            Some(0x41..) => read::<RelayFrame>(&bytes).map(|frame| relay_fields(&frame)),
            _ => read::<ClientFrame>(&bytes).map(|frame| client_fields(&frame)),
        };
        let Some(fields) = fields else { return false };
        assert_eq!(fields, case.test["fields"], "{case}");
        true
    });
}

#[test]
fn every_frame_of_the_specification_has_a_valid_vector() {
    let spec = include_str!("../../protocol/SPEC.md");
    let vectors = Vectors::read("frame");
    let valid = valid_types(&vectors.document);
    let rows = spec.lines().filter_map(|line| line.strip_prefix("| 0x")?.split_once(" | "));
    let listed: BTreeSet<&str> = rows.map(|(number, _)| number).collect();
    assert!(40 < listed.len(), "SPEC.md §5 is no longer read as it should");
    let lacking: Vec<_> = listed.iter().filter(|number| !valid.contains(**number)).collect();
    assert!(
        lacking.is_empty(),
        "frame.json has no valid frame of type {lacking:?}. Remedy: add it to FRAMES and `examples` \
         in tests/vectors/python, and write the vectors."
    );
}

/// The first byte, in hex, of each valid test's frame.
fn valid_types(document: &Value) -> BTreeSet<&str> {
    let groups = document["testGroups"].as_array().unwrap();
    let tests = groups.iter().flat_map(|group| group["tests"].as_array().unwrap());
    let valid = tests.filter(|test| test["result"] == "valid");
    valid.map(|test| &test["frame"].as_str().unwrap()[..2]).collect()
}

/// One whole frame and nothing after it, that is written again as it was.
fn read<F: Frame>(bytes: &[u8]) -> Option<F> {
    let (header, body) = bytes.split_at_checked(4)?;
    let header = Header::parse::<F>(header.try_into().unwrap()).ok()?;
    if header.length != body.len() {
        return None;
    }
    let frame = F::decode_body(header, body.to_vec().into()).ok()?;
    assert_eq!(frame.to_bytes(), bytes);
    Some(frame)
}

fn bytes(value: &impl Wire) -> Value {
    hex(&value.encode()).into()
}

/// What stands after a `u32` length.
fn sized(value: &impl Wire) -> Value {
    hex(&value.encode()[4..]).into()
}

/// The names of the vectors for the fields of a frame.
fn client_fields(frame: &ClientFrame) -> Value {
    match frame {
        ClientFrame::Prove(proof) => {
            let encoded = proof.encode();
            let (key, signature) = encoded[1..].split_at(32);
            json!({"role": proof.role().byte(), "key": hex(key), "signature": hex(signature)})
        }
        ClientFrame::LookUp { handle } => json!({"handle": handle.as_str()}),
        ClientFrame::FetchBundle { account } => json!({"account": bytes(account)}),
        ClientFrame::Status { id } => json!({"submitId": bytes(id)}),
        ClientFrame::Open { address }
        | ClientFrame::Close { address }
        | ClientFrame::Revoke { address }
        | ClientFrame::Subscribe { address } => json!({"address": bytes(address)}),
        ClientFrame::Mint { address, terms, window } => {
            let mut fields = terms_fields(address, terms);
            fields["window"] = (*window).into();
            fields
        }
        ClientFrame::ChangeTerms { address, terms } => terms_fields(address, terms),
        ClientFrame::PublishPrekeys(publication) => json!({"publication": bytes(&**publication)}),
        ClientFrame::PrekeyStatus | ClientFrame::AskStanding => json!({}),
        ClientFrame::PublishProfile(profile) => json!({"profile": sized(profile)}),
        ClientFrame::Acknowledge { channel, up_to, unreadable } => {
            let unreadable: Vec<u64> = unreadable.iter().map(|sequence| sequence.0).collect();
            json!({"channel": channel.0, "upTo": up_to.0, "unreadable": unreadable})
        }
        ClientFrame::Report(report) => json!({
            "address": bytes(&report.address),
            "c2": bytes(&report.commitment),
            "sizeClass": report.class.byte(),
            "stampedOrigin": bytes(&report.origin),
            "disclosed": report.disclosure.as_ref().map(|shown| {
                json!({"padded": hex(&shown.padded), "kF": hex(shown.franking_key.expose_secret())})
            }),
        }),
        ClientFrame::Submit(submission) => json!({
            "submitId": bytes(&submission.id),
            "to": bytes(&submission.to),
            "consent": submission.consent.map(|consent| {
                let (ticket, opening) = (bytes(&consent.ticket), bytes(&consent.opening));
                let (category, most) = (consent.category.byte(), consent.price_max.0);
                json!({"ticket": ticket, "opening": opening, "category": category, "priceMax": most})
            }),
            "envelope": sized(&submission.envelope),
        }),
        ClientFrame::Head { since } => json!({"since": since}),
        ClientFrame::ReadLedger { from } => json!({"from": from.0}),
        ClientFrame::FetchRateCard { at } => json!({"at": at.0}),
    }
}

fn terms_fields(
    address: &plico_protocol::id::Address,
    terms: &plico_protocol::ticket::Terms,
) -> Value {
    let categories: u16 = terms.categories.iter().map(|category| 1 << (category.byte() - 1)).sum();
    json!({
        "address": bytes(address),
        "categories": categories,
        "messagesMax": terms.messages_max,
        "validUntil": terms.valid_until.0,
        "commitment": bytes(&terms.commitment),
    })
}

fn relay_fields(frame: &RelayFrame) -> Value {
    match frame {
        RelayFrame::Proved
        | RelayFrame::Opened
        | RelayFrame::Closed
        | RelayFrame::Revoked
        | RelayFrame::ProfilePublished => json!({}),
        RelayFrame::Certified { authority, certificate, profile } => json!({
            "authority": bytes(authority),
            "certificate": hex(certificate.bytes()),
            "profile": profile.as_ref().map(sized),
        }),
        RelayFrame::Prekeys(bundle) => json!({"bundle": bytes(&**bundle)}),
        RelayFrame::State(state) => json!({"state": state.byte()}),
        RelayFrame::Standing(standing) => stood(standing),
        RelayFrame::Minted(ticket) => json!({"ticket": bytes(&**ticket)}),
        RelayFrame::Stock(stock) => json!({
            "signedId": stock.signed.0,
            "kemId": stock.kem.0,
            "oneTimeLeft": stock.one_time,
            "oneTimeHighest": stock.highest.0,
        }),
        RelayFrame::Subscribed { channel } | RelayFrame::Drained { channel } => {
            json!({"channel": channel.0})
        }
        RelayFrame::Acknowledged { channel, up_to } => {
            json!({"channel": channel.0, "upTo": up_to.0})
        }
        RelayFrame::Ended { channel, reason } => {
            json!({"channel": channel.0, "reason": reason.byte()})
        }
        RelayFrame::Notice(notice) => noticed(notice),
        RelayFrame::Deliver(delivery) => json!({
            "channel": delivery.channel.0,
            "sequence": delivery.sequence.0,
            "stampedOrigin": delivery.origin.as_ref().map(bytes),
            "envelope": sized(&delivery.envelope),
        }),
        RelayFrame::Reported(reported) => json!({"outcome": reported.byte()}),
        RelayFrame::Refused(refusal) => {
            let encoded = refusal.encode();
            let code = u16::from_be_bytes([encoded[0], encoded[1]]);
            let retry = u32::from_be_bytes(encoded[2..6].try_into().unwrap());
            let words = String::from_utf8(encoded[10..].to_vec()).unwrap();
            json!({"code": code, "retryAfterMs": retry, "text": words})
        }
        RelayFrame::Accepted(acceptance) => json!({
            "submitId": bytes(&acceptance.id),
            "reason": acceptance.reason.byte(),
            "freeUntil": acceptance.free_until.unwrap_or_default().0,
            "receipt": acceptance.receipt.as_deref().map(bytes),
        }),
        RelayFrame::Headed(headed) => json!({
            "ledgerKey": bytes(&headed.key),
            "head": bytes(&headed.head),
            "proof": bytes(&headed.link),
        }),
        RelayFrame::RateCard { key, card } => {
            json!({"ledgerKey": bytes(key), "card": sized(card)})
        }
        RelayFrame::Entries(entries) => {
            json!({"entries": entries.iter().map(bytes).collect::<Vec<_>>()})
        }
    }
}

fn stood(standing: &AccountStanding) -> Value {
    let AccountStanding { reputation, inputs, dues } = standing;
    let unpaid = |unpaid: Unpaid| json!({"since": unpaid.since.0, "stops": unpaid.stops.0});
    json!({
        "suspended": reputation.suspended,
        "tier": reputation.tier.0,
        "since": reputation.since.0,
        "reports": inputs.reports,
        "deliveries": inputs.deliveries,
        "due": dues.due.map(|due| due.0),
        "unpaid": dues.unpaid.map(unpaid),
    })
}

fn noticed(notice: &Notice) -> Value {
    let encoded = notice.encode();
    let value = u32::from_be_bytes(encoded[1..].try_into().unwrap());
    let kind = match notice {
        Notice::PrekeysLow { .. } => 1,
        Notice::CertificateEnds { .. } => 2,
        Notice::TicketKeys(_) => 3,
        Notice::Unpaid { .. } => 4,
        Notice::Other { kind, .. } => *kind,
    };
    json!({"kind": kind, "value": value})
}
