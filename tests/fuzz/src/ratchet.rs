//! Conversations from the states of the vectors: sends, deliveries in any order and again, forgeries,
//! restarts, and a business that goes on from a backup.

use std::sync::LazyLock;

use plico_endpoint::handshake::RecipientKeys;
use plico_endpoint::hint::Hint;
use plico_endpoint::primitives::dh::HintSecret;
use plico_endpoint::session::{BusinessSession, OpenError, Opened, PersonSession, SealError};
use plico_protocol::certificate::BusinessKeys;
use plico_protocol::envelope::Envelope;
use plico_protocol::id::Address;
use serde_json::Value;

use crate::input::Input;
use crate::seeded::Seeded;
use crate::vectors::{self, Case};

static STARTS: LazyLock<Vec<Start>> = LazyLock::new(Start::all);

/// The target: where to begin, a seed, and then steps of three bytes.
///
/// # Panics
///
/// Where a message opens twice, or as something else, or not at all where it must; and where what is
/// refused changes a state.
pub fn ratchet(input: &[u8]) {
    let mut input = Input::new(input);
    let Some(start) = input.index(STARTS.len()) else { return };
    let mut table = Table::new(&STARTS[start], input.u8().unwrap_or_default());
    for _ in 0..STEPS_MAX {
        let Some(step) = input.array() else { break };
        table.take(step);
    }
}

/// The scripts of the vectors as steps, from their own states.
pub fn seeds() -> Vec<Vec<u8>> {
    let cases = vectors::cases("ratchet", "RatchetScript");
    let scripts = (0..).zip(&cases).map(|(start, case)| script(start, case));
    let fresh = (0..).zip(&cases).map(|(start, case)| script(cases.len() as u8 + start % 3, case));
    scripts.chain(fresh).collect()
}

fn script(start: u8, case: &Case) -> Vec<u8> {
    let mut names: Vec<Value> = Vec::new();
    let mut steps = vec![start, 0];
    let place = |names: &[Value], name: &Value| names.iter().position(|n| n == name).unwrap_or(0);
    for step in case.test["steps"].as_array().unwrap() {
        let by_business = u8::from(step["by"] == "business");
        match step["op"].as_str().unwrap() {
            "send" => {
                names.push(step["message"].clone());
                steps.extend([by_business, 1, 0]);
            }
            "receive" => steps.extend([2, place(&names, &step["message"]) as u8, 0]),
            "forge" => {
                let at = step["offset"].as_u64().unwrap();
                steps.extend([4, place(&names, &step["of"]) as u8, at as u8]);
            }
            "load" => steps.extend([6, 200, 0]),
            _ => steps.extend([5, 0, 0]),
        }
    }
    steps
}

/// Two states that belong together.
struct Start {
    person: Vec<u8>,
    business: Vec<u8>,
    hint: HintSecret,
    /// Whether nothing was said but the first message.
    fresh: bool,
}

impl Start {
    fn all() -> Vec<Self> {
        let of = |person: Vec<u8>, business: Vec<u8>, hint: [u8; 32], fresh| Self {
            person,
            business,
            hint: HintSecret::new(hint),
            fresh,
        };
        let scripts = vectors::cases("ratchet", "RatchetScript").into_iter().map(|case| {
            let hint = vectors::array(&case.group["hintPrivate"]);
            of(case.bytes("personState"), case.bytes("businessState"), hint, false)
        });
        let fresh = vectors::cases("handshake", "Handshake").into_iter().map(|case| {
            let hint = vectors::array(&case.group["business"]["hintPrivate"]);
            of(case.bytes("personState"), case.bytes("businessState"), hint, true)
        });
        scripts.chain(fresh).collect()
    }
}

struct Message {
    by_person: bool,
    envelope: Envelope,
    content: Vec<u8>,
    opened: bool,
}

/// Both ends, and what lies between them.
struct Table<'a> {
    start: &'a Start,
    person: PersonSession,
    business: BusinessSession,
    recipient: RecipientKeys,
    rng: Seeded,
    messages: Vec<Message>,
    /// The business's state, and which messages were opened, when a backup was made.
    backup: (Vec<u8>, Vec<bool>),
    turns: u32,
    /// Whether each message must open: nothing was passed over or taken back, and no bound is near.
    simple: bool,
}

impl<'a> Table<'a> {
    fn new(start: &'a Start, seed: u8) -> Self {
        let business = BusinessSession::from_bytes(&start.business).unwrap();
        let (account, hint) = (business.account(), start.hint.public().key());
        let inbox = Address::new([0; 32]);
        let keys = BusinessKeys { account, identity: hint, hint, inbox };
        Self {
            start,
            person: PersonSession::from_bytes(&start.person).unwrap(),
            business,
            recipient: RecipientKeys::new(&keys).unwrap(),
            rng: Seeded(u64::from(seed)),
            messages: Vec::new(),
            backup: (start.business.clone(), Vec::new()),
            turns: 0,
            simple: start.fresh,
        }
    }

    fn take(&mut self, [step, which, more]: [u8; 3]) {
        let place = usize::from(which).checked_rem(self.messages.len());
        match (step % 8, place) {
            (0, _) => self.send(true, which, more),
            (1, _) => self.send(false, which, more),
            (2 | 3, Some(place)) => self.deliver(place),
            (4, Some(place)) => self.forge(place, more),
            (5, _) => self.restart(),
            (6, _) => self.go_on_from_backup(u32::from(which) * 4),
            (7, _) => {
                let opened = self.messages.iter().map(|message| message.opened).collect();
                self.backup = (self.business.to_bytes().to_vec(), opened);
            }
            _ => (),
        }
    }

    fn states(&self) -> (Vec<u8>, Vec<u8>) {
        (self.person.to_bytes().to_vec(), self.business.to_bytes().to_vec())
    }

    fn send(&mut self, by_person: bool, short: u8, long: u8) {
        // Mostly short, now and then past the larger classes' edges and the largest.
        let length =
            usize::from(short) + if long < 250 { 0 } else { usize::from(long - 249) * 11_000 };
        let content = vec![short ^ long; length];
        let before = self.states();
        let sealed = match by_person {
            true => self.person.seal_to_inbox(&self.recipient, &content, &mut self.rng),
            false => self.business.seal_to_mailbox(&content, &mut self.rng),
        };
        match sealed {
            Ok(envelope) => {
                let turned = self.messages.last().is_none_or(|last| last.by_person != by_person);
                self.turns += u32::from(turned);
                self.messages.push(Message { by_person, envelope, content, opened: false });
            }
            Err(error) => {
                let full = matches!(error, SealError::ContentTooLong { .. } | SealError::ChainFull);
                assert!(full, "{error}");
                assert_eq!(before, self.states(), "a refusal changed a state");
            }
        }
    }

    fn open(&mut self, by_person: bool, envelope: &Envelope) -> Result<Opened, OpenError> {
        if !by_person {
            return self.person.open(envelope);
        }
        let account = self.business.account();
        match Hint::read(envelope, &self.start.hint, &account) {
            Ok(Hint::Session(id)) if id == self.business.id() => self.business.open(envelope),
            _ => Err(OpenError::Unreadable),
        }
    }

    fn deliver(&mut self, place: usize) {
        let Message { by_person, ref envelope, .. } = self.messages[place];
        let (before, envelope) = (self.states(), envelope.clone());
        let opened = self.open(by_person, &envelope);
        let must = self.simple && self.turns <= TURNS_MAX && self.messages.len() <= MESSAGES_MAX;
        let message = &mut self.messages[place];
        match opened {
            Ok(opened) => {
                assert!(!message.opened, "opened twice");
                assert_eq!(opened.content(), message.content, "another content than was sealed");
                message.opened = true;
            }
            Err(error) => {
                assert!(message.opened || !must, "a message that was never opened: {error}");
                assert_eq!(before, self.states(), "a refusal changed a state");
            }
        }
    }

    fn forge(&mut self, place: usize, value: u8) {
        let Message { by_person, ref envelope, .. } = self.messages[place];
        let mut bytes = envelope.bytes().to_vec();
        // Through the hint and the header, and then ever further apart.
        let at = match usize::from(value) {
            near @ ..=200 => near,
            far => 200 + (far - 200) * 33,
        };
        bytes[at] ^= 1 << (value % 8);
        let forged = Envelope::new(bytes.into()).unwrap();
        let before = self.states();
        assert!(self.open(by_person, &forged).is_err(), "a forgery opened");
        assert_eq!(before, self.states(), "a forgery changed a state");
    }

    fn restart(&mut self) {
        let (person, business) = self.states();
        self.person = PersonSession::from_bytes(&person).unwrap();
        self.business = BusinessSession::from_bytes(&business).unwrap();
        assert_eq!((person, business), self.states());
    }

    /// As a restored business does: numbers it may have used since are passed over (SPEC.md §8.8).
    fn go_on_from_backup(&mut self, numbers: u32) {
        self.simple = false;
        self.business = BusinessSession::from_bytes(&self.backup.0).unwrap();
        let passed = self.business.skip_sending(numbers, &mut self.rng);
        assert!(passed.is_ok_and(|passed| passed <= numbers));
        let opened = self.backup.1.iter().copied().chain(core::iter::repeat(false));
        let to_business = self.messages.iter_mut().zip(opened).filter(|(m, _)| m.by_person);
        to_business.for_each(|(message, opened)| message.opened = opened);
    }
}

const STEPS_MAX: usize = 120;
/// Below the bounds for stored header keys and message keys (`plico_endpoint::ratchet`).
const TURNS_MAX: u32 = 5;
const MESSAGES_MAX: usize = 100;
