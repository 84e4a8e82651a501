//! A random source with a seed, and two parties, for the tests of this crate.

use core::convert::Infallible;

use plico_protocol::certificate::BusinessKeys;
use plico_protocol::envelope::Envelope;
use plico_protocol::id::Address;
use plico_protocol::mac::sha256;
use plico_protocol::prekey::{Bundle, PrekeyId, VerifiedBundle};
use plico_protocol::signature::AccountSecret;
use plico_protocol::time::Hour;
use rand_core::{TryCryptoRng, TryRng};

use crate::handshake::{RecipientKeys, RespondError, ResponderKeys};
use crate::hint::{FirstMessage, Hint};
use crate::message::Opened;
use crate::prekeys::{KemPrekey, OneTimePrekey, SignedPrekey};
use crate::primitives::dh::{HintSecret, IdentitySecret};
use crate::session::{BusinessSession, PersonSession};

/// SHA-256 in counter mode. Not for anything but tests.
pub(crate) struct Seeded {
    seed: u64,
    counter: u64,
}

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }
}

impl TryRng for Seeded {
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
        for chunk in bytes.chunks_mut(32) {
            let block = sha256(&[&self.seed.to_be_bytes(), &self.counter.to_be_bytes()]);
            self.counter += 1;
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Seeded {}

pub(crate) const NOW: Hour = Hour(500_000);

/// A business with one prekey of each kind.
pub(crate) struct Business {
    pub(crate) account: AccountSecret,
    pub(crate) identity: IdentitySecret,
    pub(crate) hint: HintSecret,
    pub(crate) signed: SignedPrekey,
    pub(crate) kem: KemPrekey,
    pub(crate) one_time: Option<OneTimePrekey>,
}

impl Business {
    pub(crate) fn new(with_one_time: bool, rng: &mut Seeded) -> Self {
        let end = NOW.plus(24);
        Self {
            account: AccountSecret::from_seed(&[9; 32]),
            identity: IdentitySecret::generate(rng),
            hint: HintSecret::generate(rng),
            signed: SignedPrekey::generate(PrekeyId(1), end, rng),
            kem: KemPrekey::generate(PrekeyId(2), end, rng),
            one_time: with_one_time.then(|| OneTimePrekey::generate(PrekeyId(3), end, rng)),
        }
    }

    pub(crate) fn keys(&self) -> BusinessKeys {
        BusinessKeys {
            account: self.account.public(),
            identity: self.identity.public().key(),
            hint: self.hint.public().key(),
            inbox: Address::new([0; 32]),
        }
    }

    pub(crate) fn recipient(&self) -> RecipientKeys {
        RecipientKeys::new(&self.keys()).unwrap()
    }

    pub(crate) fn raw_bundle(&self) -> Bundle {
        Bundle {
            account: self.account.public(),
            signed: self.signed.sign(&self.account),
            kem: self.kem.sign(&self.account),
            one_time: self.one_time.as_ref().map(|prekey| prekey.sign(&self.account)),
        }
    }

    pub(crate) fn bundle(&self) -> VerifiedBundle {
        self.raw_bundle().verify(&self.account.public(), NOW, NOW).unwrap()
    }

    pub(crate) fn read_hint(&self, envelope: &Envelope) -> Option<Hint> {
        Hint::read(envelope, &self.hint, &self.account.public()).ok()
    }

    pub(crate) fn first(&self, envelope: &Envelope) -> FirstMessage {
        match self.read_hint(envelope) {
            Some(Hint::First(first)) => first,
            other => panic!("not a first message: {other:?}"),
        }
    }

    pub(crate) fn respond(
        &self,
        first: &FirstMessage,
    ) -> Result<(BusinessSession, Opened), RespondError> {
        let account = self.account.public();
        let keys = ResponderKeys {
            account: &account,
            identity: &self.identity,
            signed: &self.signed,
            kem: &self.kem,
            one_time: self.one_time.as_ref(),
        };
        BusinessSession::respond(&keys, first)
    }
}

/// A conversation after its first message.
pub(crate) struct Pair {
    pub(crate) business: Business,
    pub(crate) person: PersonSession,
    pub(crate) answering: BusinessSession,
    pub(crate) rng: Seeded,
}

impl Pair {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Seeded::new(seed);
        let business = Business::new(seed.is_multiple_of(2), &mut rng);
        let identity = IdentitySecret::generate(&mut rng);
        let bundle = business.bundle();
        let (person, envelope) =
            PersonSession::initiate(&identity, &business.recipient(), &bundle, b"first", &mut rng)
                .unwrap();
        let (answering, opened) = business.respond(&business.first(&envelope)).unwrap();
        assert_eq!(opened.content(), b"first");
        Self { business, person, answering, rng }
    }

    /// The person writes to the business's inbox.
    pub(crate) fn ask(&mut self, content: &[u8]) -> Envelope {
        let recipient = self.business.recipient();
        self.person.seal_to_inbox(&recipient, content, &mut self.rng).unwrap()
    }

    /// The business writes to the person's mailbox.
    pub(crate) fn answer(&mut self, content: &[u8]) -> Envelope {
        self.answering.seal_to_mailbox(content, &mut self.rng).unwrap()
    }
}
