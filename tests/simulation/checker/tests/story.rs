//! Histories by hand: anna is person 0, her conversation 5 is the business's customer 7.

use plico_client::{ContentId, EventId, MessageState};
use plico_protocol::frame::Sequence;
use plico_protocol::id::{Address, AddressTag, SubmitId, TicketCommitment, TicketId};
use plico_protocol::refusal::Code;
use plico_protocol::ticket::{Categories, Category, Epoch, TicketFields, Zone};
use plico_protocol::time::Timestamp;
use plico_relay::request::Digest;

use crate::harness::world::BEGINNING;
use crate::simulation::checker::{self, Violation};
use crate::simulation::history::{End, Fact, History, News, Peer, Ruling, Sealed, Wish, Words};

pub(super) const ANNA: End = End::Person(0);
pub(super) const BANK: End = End::Business;
/// How the business names anna.
pub(super) const CUSTOMER: Peer = Peer(7);
/// How anna names the business.
pub(super) const TALK: Peer = Peer(5);
pub(super) const INBOX: Address = Address::new([1; 32]);
pub(super) const MAILBOX: Address = Address::new([2; 32]);

/// A history in the making. Words `n` have content id and submission `n`.
#[derive(Clone)]
pub(super) struct Story {
    history: History,
    now: Timestamp,
    events: u64,
}

/// The violations of a history, in order.
pub(super) fn check(story: &Story) -> Vec<Violation> {
    checker::check(&story.history).into_iter().map(|found| found.violation).collect()
}

pub(super) fn id(words: u8) -> ContentId {
    ContentId::new([words; 16])
}

/// Submitted in the first hour.
pub(super) fn submit(words: u8) -> SubmitId {
    SubmitId::compose(BEGINNING.hour(), [words; 12])
}

/// Number `n`, of that epoch, for so many messages, with a window, for a day.
pub(super) fn ticket(n: u8, epoch: u32, messages_max: u16) -> TicketFields {
    TicketFields {
        categories: Categories::of(&[Category::Service]).unwrap(),
        zone: Zone::UNKNOWN,
        messages_max,
        opened_at: BEGINNING.minute(),
        free_until: Some(BEGINNING.minute().plus(DAY)),
        valid_until: BEGINNING.minute().plus(DAY),
        epoch: Epoch(epoch),
        tag: AddressTag::new([0; 16]),
        commitment: TicketCommitment::new([0; 32]),
        id: TicketId::new([n; 16]),
    }
}

impl Story {
    pub(super) fn new() -> Self {
        Self { history: History::default(), now: BEGINNING, events: 0 }
    }

    /// Anna said words 1, the business was shown them and may send one message.
    pub(super) fn of_anna() -> Self {
        let mut story = Self::new();
        story.rule(Ruling::Opened { mailbox: MAILBOX });
        story.rule(Ruling::Minted { mailbox: MAILBOX, ticket: ticket(1, 10, 1) });
        story.anna_says(1).read_by_bank(1, 1);
        story
    }

    /// When the next thing happens.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// A millisecond before whatever comes next.
    pub(super) fn note(&mut self, fact: Fact) -> &mut Self {
        self.history.push(self.now, fact);
        self.now = Timestamp(self.now.0 + 1);
        self
    }

    pub(super) fn rule(&mut self, ruling: Ruling) -> &mut Self {
        self.note(Fact::Ruled(ruling))
    }

    pub(super) fn pass_hours(&mut self, hours: u64) -> &mut Self {
        self.now = Timestamp(self.now.0 + hours * 3_600_000);
        self
    }

    /// Asked and stored.
    pub(super) fn say(&mut self, end: End, words: u8) -> &mut Self {
        let to = if end == BANK { CUSTOMER } else { TALK };
        let (number, id) = (Words(u32::from(words)), id(words));
        self.note(Fact::Asked { end, to, words: number, answering: None });
        self.note(Fact::Stored { end, words: number, id })
    }

    /// Sealed; under a ticket what the business sends.
    pub(super) fn seal(
        &mut self,
        end: End,
        words: u8,
        submit: SubmitId,
        ticket: Option<TicketFields>,
    ) -> &mut Self {
        let to = if end == BANK { MAILBOX } else { INBOX };
        let category = ticket.map(|_| Category::Service);
        let first = end != BANK && words == 1;
        let sealed = Sealed { submit, to, ticket, category, first };
        self.note(Fact::Sealed { end, id: id(words), sealed })
    }

    pub(super) fn accept(&mut self, submit: SubmitId, ticket: Option<TicketFields>) -> &mut Self {
        self.rule(accepted(submit, ticket))
    }

    /// The relay refuses what the business sends under a ticket.
    pub(super) fn refuse(
        &mut self,
        submit: SubmitId,
        ticket: TicketFields,
        code: Code,
    ) -> &mut Self {
        let (digest, ticket, to) = (digest_of(submit), Some(ticket), MAILBOX);
        self.rule(Ruling::Refused { submit, digest, ticket, to, code })
    }

    /// Said, sealed, accepted, and told so.
    pub(super) fn anna_says(&mut self, words: u8) -> &mut Self {
        self.say(ANNA, words).seal(ANNA, words, submit(words), None);
        self.accept(submit(words), None).tell(ANNA, words, MessageState::Accepted)
    }

    /// The same of the business, under a ticket.
    pub(super) fn bank_says(&mut self, words: u8, ticket: TicketFields) -> &mut Self {
        self.say(BANK, words).seal(BANK, words, submit(words), Some(ticket));
        self.accept(submit(words), Some(ticket)).tell(BANK, words, MessageState::Accepted)
    }

    /// Acknowledged up to a place in the queue, nothing unreadable.
    pub(super) fn acknowledge(&mut self, queue: Address, up_to: u64) -> &mut Self {
        let (up_to, unreadable) = (Sequence(up_to), Vec::new());
        self.rule(Ruling::Acknowledged { queue, up_to, unreadable })
    }

    /// The last of those acknowledged did not open.
    pub(super) fn acknowledge_unreadable(&mut self, queue: Address, up_to: u64) -> &mut Self {
        let (up_to, unreadable) = (Sequence(up_to), vec![Sequence(up_to)]);
        self.rule(Ruling::Acknowledged { queue, up_to, unreadable })
    }

    pub(super) fn read_by_bank(&mut self, words: u8, up_to: u64) -> &mut Self {
        self.acknowledge(INBOX, up_to).show(BANK, words)
    }

    pub(super) fn read_by_anna(&mut self, words: u8, up_to: u64) -> &mut Self {
        self.acknowledge(MAILBOX, up_to).show(ANNA, words)
    }

    /// Shown as a new event.
    pub(super) fn show(&mut self, end: End, words: u8) -> &mut Self {
        let from = if end == BANK { CUSTOMER } else { TALK };
        let words = Some(Words(u32::from(words)));
        let id = id(u8::try_from(words.map_or(0, |words| words.0)).unwrap());
        self.hand(end, News::Message { from, id, words })
    }

    pub(super) fn tell(&mut self, end: End, words: u8, state: MessageState) -> &mut Self {
        let to = if end == BANK { CUSTOMER } else { TALK };
        self.hand(end, News::Became { to, id: id(words), state })
    }

    /// The day is over, and these messages were delivered.
    pub(super) fn delivered(&mut self, said: &[(End, u8)]) -> &mut Self {
        self.pass_hours(18);
        for (end, words) in said {
            self.tell(*end, *words, MessageState::Delivered);
        }
        self
    }

    /// The next event; the application asks for another at once.
    pub(super) fn hand(&mut self, end: End, news: News) -> &mut Self {
        self.events += 1;
        self.note(Fact::Shown { end, event: EventId(self.events), news }).note(Fact::Next(end))
    }

    /// The event that was shown last.
    pub(super) fn last_event(&self) -> EventId {
        EventId(self.events)
    }

    pub(super) fn wish(&mut self, wish: Wish) -> &mut Self {
        let (person, to) = (0, TALK);
        self.note(Fact::Wishing { person, to, wish }).note(Fact::Wished { person, to, wish })
    }
}

pub(super) fn accepted(submit: SubmitId, ticket: Option<TicketFields>) -> Ruling {
    let to = if ticket.is_some() { MAILBOX } else { INBOX };
    Ruling::Accepted { submit, digest: digest_of(submit), to, ticket }
}

pub(super) fn digest_of(submit: SubmitId) -> Digest {
    Digest::of(submit.as_bytes())
}

/// Minutes.
const DAY: u32 = 24 * 60;
