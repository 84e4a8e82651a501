//! handshake.json, hint.json, message.json, header.json, padding.json, franking.json, state.json:
//! what two ends compute, one step at a time, from a state to a state.

use bytes::Bytes;
use plico_endpoint::handshake::{Handshake, RecipientKeys, ResponderKeys};
use plico_endpoint::hint::{FirstMessage, Hint};
use plico_endpoint::prekeys::{KemPrekey, OneTimePrekey, SignedPrekey};
use plico_endpoint::primitives::dh::{HintSecret, IdentitySecret};
use plico_endpoint::session::{BusinessSession, Opened, PersonSession};
use plico_protocol::certificate::BusinessKeys;
use plico_protocol::commitment;
use plico_protocol::envelope::Envelope;
use plico_protocol::id::{AccountKey, Address, Commitment};
use plico_protocol::mac::{MacKey, sha256};
use plico_protocol::prekey::Bundle;
use plico_protocol::time::Hour;
use plico_protocol::wire::Wire;
use serde_json::Value;

use super::derive::class;
use super::{Case, Given, Vectors, array, hex, number, text, unhex};

/// A business with the private halves that a group gives.
struct Business {
    account: AccountKey,
    identity: IdentitySecret,
    hint: HintSecret,
    signed: SignedPrekey,
    kem: KemPrekey,
    one_time: OneTimePrekey,
    bundles: [Bundle; 2],
    now: Hour,
}

impl Business {
    fn of(case: Case<'_>) -> Self {
        let given = &case.group["business"];
        let end = u32::try_from(number(&given["notAfter"])).unwrap();
        let stored = |id: &str, secret: &str| {
            let id = u32::try_from(number(&given[id])).unwrap();
            [&id.to_be_bytes(), end.to_be_bytes().as_slice(), &unhex(&given[secret])].concat()
        };
        let bundle = |name: &str| Bundle::decode(unhex(&given[name])).unwrap();
        Self {
            account: AccountKey::new(array(&given["account"])),
            identity: IdentitySecret::new(array(&given["identityPrivate"])),
            hint: HintSecret::new(array(&given["hintPrivate"])),
            signed: SignedPrekey::from_bytes(&stored("spkId", "spkPrivate")).unwrap(),
            kem: KemPrekey::from_bytes(&stored("pqId", "pqSeed")).unwrap(),
            one_time: OneTimePrekey::from_bytes(&stored("opkId", "opkPrivate")).unwrap(),
            bundles: [bundle("bundleWithoutOneTime"), bundle("bundle")],
            now: Hour(end - 1),
        }
    }

    fn recipient(&self) -> RecipientKeys {
        let (identity, hint) = (self.identity.public().key(), self.hint.public().key());
        let inbox = Address::new([0; 32]);
        let keys = BusinessKeys { account: self.account, identity, hint, inbox };
        RecipientKeys::new(&keys).unwrap()
    }

    fn initiate(
        &self,
        identity: [u8; 32],
        one_time: bool,
        content: &[u8],
        random: Vec<u8>,
    ) -> Option<(PersonSession, Envelope)> {
        let bundle = self.bundles[usize::from(one_time)].clone();
        let bundle = bundle.verify(&self.account, self.now, self.now).unwrap();
        let (me, mut rng) = (IdentitySecret::new(identity), Given(random));
        let made =
            PersonSession::initiate(&me, &self.recipient(), &bundle, content, &mut rng).ok()?;
        rng.finish();
        Some(made)
    }

    /// Looks the private halves up by the ids of the handshake, as a business does.
    fn respond(&self, first: &FirstMessage) -> Option<(BusinessSession, Opened)> {
        let named = first.handshake();
        if named.signed() != self.signed.id() || named.kem() != self.kem.id() {
            return None;
        }
        if named.one_time().is_some_and(|id| id != self.one_time.id()) {
            return None;
        }
        let keys = ResponderKeys {
            account: &self.account,
            identity: &self.identity,
            signed: &self.signed,
            kem: &self.kem,
            one_time: named.one_time().map(|_| &self.one_time),
        };
        BusinessSession::respond(&keys, first).ok()
    }

    fn open_first(&self, envelope: &Envelope) -> Option<(BusinessSession, Opened)> {
        match Hint::read(envelope, &self.hint, &self.account).ok()? {
            Hint::First(first) => self.respond(&first),
            Hint::Session(_) => None,
        }
    }
}

pub(super) fn envelope(bytes: Vec<u8>) -> Option<Envelope> {
    Envelope::new(Bytes::from(bytes)).ok()
}

/// Opens an envelope from the inbox on the one session the business has.
pub(super) fn open_at_inbox(
    session: &mut BusinessSession,
    hint: &HintSecret,
    envelope: &Envelope,
) -> Result<Opened, plico_endpoint::session::OpenError> {
    match Hint::read(envelope, hint, &session.account()) {
        Ok(Hint::Session(id)) if id == session.id() => session.open(envelope),
        _ => Err(plico_endpoint::session::OpenError::Unreadable),
    }
}

/// The keys of a recipient of whom only the hint key matters.
pub(super) fn recipient(account: AccountKey, hint: [u8; 32]) -> RecipientKeys {
    let hint = plico_protocol::id::DhKey::new(hint);
    let keys = BusinessKeys { account, identity: hint, hint, inbox: Address::new([0; 32]) };
    RecipientKeys::new(&keys).unwrap()
}

#[test]
fn handshakes_agree_or_leave_no_session() {
    Vectors::read("handshake").check(|kind, case| match kind {
        "Handshake" => both_ends(case),
        "FirstMessage" => first_message(case).is_some(),
        other => panic!("a new kind of group: {other}"),
    });
}

fn both_ends(case: Case<'_>) -> bool {
    let business = Business::of(case);
    let content = case.bytes("content");
    let one_time = case.number("opkId") != 0;
    let identity = case.array("identityPrivate");
    let (person, sent) =
        business.initiate(identity, one_time, &content, case.bytes("random")).unwrap();
    assert_eq!(hex(sent.bytes()), case.test["envelope"], "{case}");
    assert_eq!(hex(&person.to_bytes()), case.test["personState"], "{case}");
    assert_eq!(person.id().as_bytes(), &case.array("sid"), "{case}");
    let Hint::First(first) = Hint::read(&sent, &business.hint, &business.account).unwrap() else {
        panic!("{case}: not a first message")
    };
    assert_eq!(hex(&first.handshake().encode()), case.test["handshake"], "{case}");
    assert_eq!(first.handshake().replay_id().as_bytes(), &case.array("replayId"), "{case}");
    let (answering, opened) = business.respond(&first).unwrap();
    assert_eq!(opened.content(), content, "{case}");
    assert_eq!(hex(&answering.to_bytes()), case.test["businessState"], "{case}");
    true
}

fn first_message(case: Case<'_>) -> Option<()> {
    let sent = envelope(case.bytes("envelope"))?;
    let (session, opened) = Business::of(case).open_first(&sent)?;
    assert_eq!(hex(opened.content()), case.test["content"], "{case}");
    assert_eq!(hex(&session.to_bytes()), case.test["stateAfter"], "{case}");
    Some(())
}

#[test]
fn hints_name_a_session_or_a_handshake() {
    Vectors::read("hint").check(|_, case| read_hint(case).is_some());
}

fn read_hint(case: Case<'_>) -> Option<()> {
    let sent = envelope(case.bytes("envelope"))?;
    let secret = HintSecret::new(array(&case.group["hintPrivate"]));
    assert_eq!(hex(secret.public().as_bytes()), case.group["hintKey"], "{case}");
    let account = AccountKey::new(array(&case.group["account"]));
    let (kind, plaintext) = match Hint::read(&sent, &secret, &account).ok()? {
        Hint::Session(id) => (1, id.as_bytes().to_vec()),
        Hint::First(first) => (2, Handshake::encode(first.handshake())),
    };
    assert_eq!(case.number("kind"), kind, "{case}");
    assert_eq!(hex(&plaintext), case.test["plaintext"], "{case}");
    Some(())
}

#[test]
fn messages_are_sealed_and_opened_byte_for_byte() {
    Vectors::read("message").check(one_step);
}

#[test]
fn headers_open_in_order_and_skip_no_more_than_they_may() {
    Vectors::read("header").check(one_step);
}

/// The groups `Seal` and `Open`.
fn one_step(kind: &str, case: Case<'_>) -> bool {
    match kind {
        "Seal" => seal(case).is_some(),
        "Open" => open(case),
        other => panic!("a new kind of group: {other}"),
    }
}

fn seal(case: Case<'_>) -> Option<()> {
    let (state, content) = (case.bytes("state"), case.bytes("content"));
    let mut rng = Given(case.bytes("random"));
    let (sent, after) = if state[1] == 1 {
        let mut session = PersonSession::from_bytes(&state).unwrap();
        let recipient = recipient(session.account(), case.array("hintKey"));
        let sent = session.seal_to_inbox(&recipient, &content, &mut rng).ok()?;
        (sent, session.to_bytes())
    } else {
        let mut session = BusinessSession::from_bytes(&state).unwrap();
        let sent = session.seal_to_mailbox(&content, &mut rng).ok()?;
        (sent, session.to_bytes())
    };
    rng.finish();
    assert_eq!(hex(sent.bytes()), case.test["envelope"], "{case}");
    assert_eq!(hex(&after), case.test["stateAfter"], "{case}");
    Some(())
}

/// What does not open must leave the state as it was.
fn open(case: Case<'_>) -> bool {
    let before = case.bytes("state");
    let Some(sent) = envelope(case.bytes("envelope")) else { return false };
    let (opened, after) = if before[1] == 1 {
        let mut session = PersonSession::from_bytes(&before).unwrap();
        (session.open(&sent), session.to_bytes())
    } else {
        let mut session = BusinessSession::from_bytes(&before).unwrap();
        let hint = HintSecret::new(case.array("hintPrivate"));
        (open_at_inbox(&mut session, &hint, &sent), session.to_bytes())
    };
    let Ok(opened) = opened else {
        assert_eq!(hex(&after), hex(&before), "{case}");
        return false;
    };
    assert_eq!(hex(opened.content()), case.test["content"], "{case}");
    assert_eq!(hex(opened.franking_key().expose_secret()), case.test["kF"], "{case}");
    assert_eq!(hex(&after), case.test["stateAfter"], "{case}");
    true
}

#[test]
fn content_is_padded_at_every_edge() {
    Vectors::read("padding").check(|_, case| padded(case).is_some());
}

fn padded(case: Case<'_>) -> Option<()> {
    let business = Business::of(case);
    let content = case.bytes("byte").repeat(usize::try_from(case.number("length")).unwrap());
    let random = case.bytes("random");
    let mut person = PersonSession::from_bytes(&unhex(&case.group["personState"])).unwrap();
    let mut shop = BusinessSession::from_bytes(&unhex(&case.group["businessState"])).unwrap();
    let mut rng = Given(random.clone());
    let (sent, opened) = match text(&case.test["layout"]) {
        "first" => {
            let identity = array(&case.group["identityPrivate"]);
            let (_, sent) = business.initiate(identity, true, &content, random)?;
            let (_, opened) = business.open_first(&sent).unwrap();
            (sent, opened)
        }
        "inbox" => {
            let sent = person.seal_to_inbox(&business.recipient(), &content, &mut rng).ok()?;
            let opened = open_at_inbox(&mut shop, &business.hint, &sent).unwrap();
            (sent, opened)
        }
        "mailbox" => {
            let sent = shop.seal_to_mailbox(&content, &mut rng).ok()?;
            let opened = person.open(&sent).unwrap();
            (sent, opened)
        }
        other => panic!("a new layout: {other}"),
    };
    assert_eq!(opened.content(), content, "{case}");
    assert_eq!(sent.bytes().len() as u64, case.number("envelopeLength"), "{case}");
    assert_eq!(hex(&sha256(&[sent.bytes()])), case.test["envelopeSha256"], "{case}");
    Some(())
}

#[test]
fn a_commitment_opens_to_one_text() {
    Vectors::read("franking").check(|kind, case| match kind {
        "Opening" => {
            let (key, c2) = (MacKey::new(case.array("kF")), Commitment::new(case.array("c2")));
            commitment::verify(&c2, &key, 1, class(case), &case.bytes("padded"))
        }
        _ => one_step(kind, case),
    });
}

#[test]
fn states_are_read_and_written_alike_or_refused() {
    Vectors::read("state").check(|_, case| {
        let bytes = case.bytes("state");
        let written = match bytes.get(1) {
            Some(1) => PersonSession::from_bytes(&bytes).map(|session| session.to_bytes()),
            _ => BusinessSession::from_bytes(&bytes).map(|session| session.to_bytes()),
        };
        let Ok(written) = written else { return false };
        assert_eq!(hex(&written), hex(&bytes), "{case}");
        true
    });
}

/// A group's value as the wire has it.
pub(super) fn group_array<const N: usize>(group: &Value, field: &str) -> [u8; N] {
    array(&group[field])
}
