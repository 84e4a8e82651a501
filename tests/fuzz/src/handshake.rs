//! First messages: changed ones, ones that are begun here, and those of an attacker who knows every
//! public key and has prekeys of his own.

use std::collections::HashMap;
use std::sync::LazyLock;

use plico_endpoint::handshake::{
    Handshake, InitiateError, RecipientKeys, RespondError, ResponderKeys,
};
use plico_endpoint::hint::{FirstMessage, Hint};
use plico_endpoint::prekeys::{KemPrekey, OneTimePrekey, SignedPrekey};
use plico_endpoint::primitives::dh::{HintSecret, IdentitySecret};
use plico_endpoint::primitives::hpke::Sender;
use plico_endpoint::session::{BusinessSession, Opened, PersonSession};
use plico_protocol::certificate::BusinessKeys;
use plico_protocol::envelope::Envelope;
use plico_protocol::id::{Address, DhKey};
use plico_protocol::prekey::{
    Bundle, KEM_KEY_BYTES, KemKey, PrekeyId, PrekeyType, SignedPrekey as PublicPrekey,
};
use plico_protocol::signature::AccountSecret;
use plico_protocol::time::Hour;
use plico_protocol::wire::Wire;
use serde_json::Value;

use crate::input::Input;
use crate::seeded::Seeded;
use crate::vectors::{self, array, number};

/// The business of the vectors, and their first messages.
static WORLD: LazyLock<World> = LazyLock::new(World::read);

/// The target. The first byte says what is tried.
///
/// # Panics
///
/// Where anything but an honest first message begins a session.
pub fn handshake(input: &[u8]) {
    let mut input = Input::new(input);
    let Some(what) = input.u8() else { return };
    let tried = match what % 5 {
        0 => changed(&mut input),
        1 => begun(&mut input),
        2 => forged_handshake(&mut input),
        3 => hostile_bundle(&mut input),
        _ => raw(&mut input),
    };
    // None: the input ended before there was anything to try.
    let _ = tried;
}

/// Each first message of the vectors as it is, and one of each other kind.
pub fn seeds() -> Vec<Vec<u8>> {
    let as_it_is = |at: usize| vec![0, u8::try_from(at).unwrap()];
    let changed = |at: usize| vec![0, u8::try_from(at).unwrap(), 0, 0, 40, 1];
    let given = 0..WORLD.given.len();
    let mut seeds: Vec<Vec<u8>> = given.clone().map(as_it_is).chain(given.map(changed)).collect();
    seeds.extend((0..4).map(|options| vec![1, options, 7, 1, 0, 0, 200, 4]));
    seeds.extend((0..4).map(|at| vec![2, at, 0, 0, at, 0]));
    for bits in 0..8 {
        let mut bundle = vec![3, bits];
        bundle.extend(WORLD.business.bundle(true).encode());
        seeds.push(bundle);
    }
    seeds.extend(WORLD.given.iter().map(|(bytes, _)| [&[4], bytes.as_slice()].concat()));
    seeds
}

/// A business with one prekey of each kind.
struct Business {
    account: AccountSecret,
    identity: IdentitySecret,
    hint: HintSecret,
    signed: SignedPrekey,
    kem: KemPrekey,
    one_time: OneTimePrekey,
    end: Hour,
}

struct World {
    business: Business,
    /// Another with the same ids.
    other: Business,
    /// First messages, and what those say that open.
    given: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    honest: HashMap<Vec<u8>, Vec<u8>>,
}

impl World {
    fn read() -> Self {
        let cases = vectors::cases("handshake", "FirstMessage");
        let business = Business::of(&cases[0].group["business"]);
        let given: Vec<(Vec<u8>, Option<Vec<u8>>)> = cases
            .iter()
            .map(|case| (case.bytes("envelope"), case.is_valid().then(|| case.bytes("content"))))
            .collect();
        let honest = given.iter().filter_map(|(bytes, says)| Some((bytes.clone(), says.clone()?)));
        let other = business.with_other_secrets();
        Self { honest: honest.collect(), given, business, other }
    }
}

impl Business {
    fn of(given: &Value) -> Self {
        let end = Hour(number(&given["notAfter"]));
        let stored = |id: &str, secret: Vec<u8>| {
            let id = number(&given[id]).to_be_bytes();
            [id.as_slice(), &end.0.to_be_bytes(), &secret].concat()
        };
        let secret = |name: &str| array::<32>(&given[name]);
        let kem = stored("pqId", array::<64>(&given["pqSeed"]).to_vec());
        Self {
            account: AccountSecret::from_seed(&secret("accountSeed")),
            identity: IdentitySecret::new(secret("identityPrivate")),
            hint: HintSecret::new(secret("hintPrivate")),
            signed: SignedPrekey::from_bytes(&stored("spkId", secret("spkPrivate").to_vec()))
                .unwrap(),
            kem: KemPrekey::from_bytes(&kem).unwrap(),
            one_time: OneTimePrekey::from_bytes(&stored("opkId", secret("opkPrivate").to_vec()))
                .unwrap(),
            end,
        }
    }

    fn with_other_secrets(&self) -> Self {
        let (end, mut rng) = (self.end, Seeded(99));
        Self {
            account: AccountSecret::from_seed(&[9; 32]),
            identity: IdentitySecret::generate(&mut rng),
            hint: HintSecret::generate(&mut rng),
            signed: SignedPrekey::generate(self.signed.id(), end, &mut rng),
            kem: KemPrekey::generate(self.kem.id(), end, &mut rng),
            one_time: OneTimePrekey::generate(self.one_time.id(), end, &mut rng),
            end,
        }
    }

    fn recipient(&self) -> RecipientKeys {
        let keys = BusinessKeys {
            account: self.account.public(),
            identity: self.identity.public().key(),
            hint: self.hint.public().key(),
            inbox: Address::new([0; 32]),
        };
        RecipientKeys::new(&keys).unwrap()
    }

    fn bundle(&self, with_one_time: bool) -> Bundle {
        Bundle {
            account: self.account.public(),
            signed: self.signed.sign(&self.account),
            kem: self.kem.sign(&self.account),
            one_time: with_one_time.then(|| self.one_time.sign(&self.account)),
        }
    }

    fn now(&self) -> Hour {
        self.end.minus(1)
    }

    /// What a business does with an envelope from its inbox.
    fn open_first(&self, envelope: &Envelope) -> Option<(BusinessSession, Opened)> {
        match Hint::read(envelope, &self.hint, &self.account.public()).ok()? {
            Hint::First(first) => self.respond(&first).ok(),
            Hint::Session(_) => None,
        }
    }

    fn respond(&self, first: &FirstMessage) -> Result<(BusinessSession, Opened), RespondError> {
        let account = self.account.public();
        let keys = ResponderKeys {
            account: &account,
            identity: &self.identity,
            signed: &self.signed,
            kem: &self.kem,
            one_time: first.handshake().one_time().map(|_| &self.one_time),
        };
        BusinessSession::respond(&keys, first)
    }
}

/// Only what an honest sender made opens, and says what was sealed.
fn judge(bytes: Vec<u8>) {
    let World { business, honest, .. } = &*WORLD;
    let envelope = Envelope::new(bytes.clone().into()).ok();
    let opened = envelope.and_then(|envelope| business.open_first(&envelope));
    let said = opened.as_ref().map(|(_, opened)| opened.content());
    assert_eq!(said, honest.get(&bytes).map(Vec::as_slice), "opened is what was sealed, alone");
}

fn changed(input: &mut Input<'_>) -> Option<()> {
    let mut bytes = WORLD.given[input.index(WORLD.given.len())?].0.clone();
    input.change(&mut bytes);
    judge(bytes);
    Some(())
}

fn raw(input: &mut Input<'_>) -> Option<()> {
    let mut bytes = input.take(2048).to_vec();
    bytes.resize(2048, 0);
    judge(bytes);
    Some(())
}

/// A session from the first message to the first answer; its envelope changed begins none.
fn begun(input: &mut Input<'_>) -> Option<()> {
    let business = &WORLD.business;
    let (options, seed, length) = (input.u8()?, input.u8()?, input.u16()?);
    let mut rng = Seeded(u64::from(seed));
    let (now, account) = (business.now(), business.account.public());
    let bundle = business.bundle(options & 1 == 1).verify(&account, now, now).unwrap();
    let me = IdentitySecret::generate(&mut rng);
    let content = vec![seed; usize::from(length)];
    let made = PersonSession::initiate(&me, &business.recipient(), &bundle, &content, &mut rng);
    let (mut person, envelope) = match made {
        Ok(made) => made,
        Err(error) => {
            assert!(matches!(error, InitiateError::Seal(_)), "{error}");
            return Some(());
        }
    };
    let (mut answering, opened) = business.open_first(&envelope).expect("an honest first message");
    assert_eq!(opened.content(), content);
    assert_eq!(answering.id(), person.id());
    let answer = answering.seal_to_mailbox(b"yes", &mut rng).unwrap();
    assert_eq!(person.open(&answer).unwrap().content(), b"yes");
    let Ok(Hint::First(first)) = Hint::read(&envelope, &business.hint, &account) else { panic!() };
    assert!(WORLD.other.respond(&first).is_err(), "other keys under the same ids");
    let mut bytes = envelope.bytes().to_vec();
    input.change(&mut bytes);
    if bytes != envelope.bytes().as_ref() {
        judge(bytes);
    }
    Some(())
}

/// An attacker seals any handshake to the hint key, in front of the rest of an honest message.
fn forged_handshake(input: &mut Input<'_>) -> Option<()> {
    let World { business, given, honest, .. } = &*WORLD;
    let (given, _) = &given[input.index(given.len())?];
    let envelope = Envelope::new(given.clone().into()).ok()?;
    let account = business.account.public();
    let Ok(Hint::First(first)) = Hint::read(&envelope, &business.hint, &account) else {
        return None;
    };
    let handshake = first.handshake().encode();
    let mut forged = handshake.clone();
    input.change(&mut forged);
    let room = handshake.len();
    forged.resize(room, 0);
    let info = [b"plico/1 hint\0".as_slice(), account.as_bytes()].concat();
    let hint = business.hint.public();
    let (enc, mut sender) = Sender::new(&hint, &info, &mut Seeded(5)).unwrap();
    let c2 = &given[..32];
    let box0 = sender.seal(c2, &[&[2], [0; 32].as_slice()].concat()).unwrap();
    let box1 = sender.seal(c2, &forged).unwrap();
    let rest = &given[32 + enc.len() + box0.len() + box1.len()..];
    let bytes = [c2, &enc, &box0, &box1, rest].concat();
    let opened = Envelope::new(bytes.into()).ok().and_then(|sent| business.open_first(&sent));
    // The hint hides the handshake and authenticates nobody: the same one may be sealed again.
    let expected = honest.get(given).filter(|_| forged == handshake);
    assert_eq!(opened.as_ref().map(|(_, opened)| opened.content()), expected.map(Vec::as_slice));
    let written = Handshake::decode(forged.clone()).map(|handshake| handshake.encode());
    assert!(written.is_err() || written == Ok(forged));
    Some(())
}

/// A business, or who stole its account key, signs any bytes as prekeys.
fn hostile_bundle(input: &mut Input<'_>) -> Option<()> {
    let business = &WORLD.business;
    let (account, now, bits) = (business.account.public(), business.now(), input.u8()?);
    let honest = business.bundle(true);
    let mut bytes = honest.encode();
    let given = input.take(bytes.len());
    bytes[..given.len()].copy_from_slice(given);
    input.change(&mut bytes);
    let bundle = Bundle::decode(bytes).ok()?;
    let verified = bundle.clone().verify(&account, now, now);
    let one_time_intact = bundle.one_time.is_none() || bundle.one_time == honest.one_time;
    let intact = bundle.signed == honest.signed
        && bundle.kem == honest.kem
        && bundle.account == honest.account
        && one_time_intact;
    assert_eq!(verified.is_ok(), intact, "a changed bundle");
    let signed = |kind, prekey: &PublicPrekey<DhKey>, bit: u8| match bits & bit {
        0 => {
            PublicPrekey::sign(kind, named(prekey.id), business.end, prekey.key, &business.account)
        }
        _ => prekey.clone(),
    };
    let kem_key: [u8; KEM_KEY_BYTES] = *bundle.kem.key.as_bytes();
    let kem = KemKey::new(Box::new(kem_key));
    let hostile = Bundle {
        account,
        signed: signed(PrekeyType::Signed, &bundle.signed, 1),
        kem: PublicPrekey::sign(
            PrekeyType::Kem,
            named(bundle.kem.id),
            business.end,
            kem,
            &business.account,
        ),
        one_time: bundle.one_time.as_ref().map(|one| signed(PrekeyType::OneTime, one, 2)),
    };
    let hostile = hostile.verify(&account, now, now).ok()?;
    let me = IdentitySecret::new([1; 32]);
    // Refused by a word, or sealed to keys of prime order.
    let _ = PersonSession::initiate(&me, &business.recipient(), &hostile, b"hello", &mut Seeded(6));
    Some(())
}

/// Zero names no prekey.
fn named(id: PrekeyId) -> PrekeyId {
    PrekeyId(id.0.max(1))
}
