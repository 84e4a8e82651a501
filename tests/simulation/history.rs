//! What happened in one run, oldest first: what each application asked and was told, what the relay
//! promised, and what was done to them.
//!
//! Words are a number of their own in each message, so that a message is known also where the id
//! that `send` returned was lost with the process. An envelope is known by its `submit_id`, which
//! the SDK's probe ties to the content.

use plico_client::{Body, BusinessEvent, ContentId, EventId, MessageState, PersonEvent};
use plico_protocol::frame::{RelayFrame, Sequence, Submission};
use plico_protocol::id::{AccountKey, Address, SubmitId};
use plico_protocol::ledger::{Disagreement, Entry as Line, EntryKind, Head, Receipt};
use plico_protocol::pricing::Millionths;
use plico_protocol::refusal::Code;
use plico_protocol::ticket::{Category, TicketFields};
use plico_protocol::time::Timestamp;
use plico_relay::request::{Digest, Pricing, Reply, Request};

/// Everything that happened.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) entries: Vec<Entry>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// By the simulated clock, which everyone reads.
    pub(crate) at: Timestamp,
    pub(crate) fact: Fact,
}

/// Whose application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum End {
    Person(u8),
    Business,
}

/// Whom an application names: a person a conversation, a business a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Peer(pub(crate) u64);

/// The number by which a text is told from every other of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Words(pub(crate) u32);

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    /// An application called `send`, or `answer` for the event given.
    Asked { end: End, to: Peer, words: Words, answering: Option<EventId> },
    /// The call returned: the message is stored under this id, the event answered with it is handled.
    Stored { end: End, words: Words, id: ContentId },
    /// The call returned an error, and nothing was stored.
    Declined { end: End, words: Words },
    /// A person's application called what changes a consent.
    Wishing { person: u8, to: Peer, wish: Wish },
    /// The call returned: the change is stored.
    Wished { person: u8, to: Peer, wish: Wish },
    /// An application asks for its next event, and so says that it handled the one before.
    Next(End),
    /// It was handed an event.
    Shown { end: End, event: EventId, news: News },
    /// An application said that it handled an event, and the call returned.
    Handled { end: End, event: EventId },
    /// The SDK stored content sealed into a submission.
    Sealed { end: End, id: ContentId, sealed: Sealed },
    /// The relay decided this and the batch is on its medium, whoever was answered.
    Ruled(Ruling),
    /// How far every account may owe.
    Credit(Millionths),
    /// The relay wrote a line of an account's ledger; before the rulings of the same batch.
    Entered { account: AccountKey, line: Box<Line> },
    /// A device was handed an envelope. Said only of one that does not acknowledge all it reads.
    Handed { queue: Address, sequence: Sequence },
    /// A business read its whole ledger.
    Read { account: AccountKey, lines: Vec<Line>, head: Box<Head> },
    /// It does not agree with the receipts that the business kept.
    Disputed(Disagreement),
    /// A business's state was copied.
    BackedUp,
    /// The business's state was lost, and it goes on from the last copy.
    Restored,
    /// An application, and the SDK in it, ended without warning.
    Killed(End),
    /// An application let go in order.
    Closed(End),
    /// It opened its state again.
    Opened(End),
    /// The relay ended without warning; with a power cut, what was not synced is gone.
    RelayKilled { power: bool },
    /// The relay stopped in order.
    RelayClosed,
    /// It runs again.
    RelayOpened,
    /// The relay's disk is full, or no longer.
    DiskFull(bool),
    /// An end reaches the relay no more, or again.
    Cut { end: End, cut: bool },
    /// From here on nothing is done to anybody, and everyone has time to come to an end.
    Healed,
    /// After that: nothing happens any more, until hours pass.
    Quiet,
}

/// A change of consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Revoke,
    /// Of so many messages, as the next.
    Change(u16),
    Standing(u16),
    Goodbye,
}

/// What an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Someone wrote. Without words: what ends tell one another.
    Message { from: Peer, id: ContentId, words: Option<Words> },
    /// What became of a message.
    Became { to: Peer, id: ContentId, state: MessageState },
    /// A window was opened, or a consent given.
    Consent { with: Peer },
    /// A session was lost.
    SessionLost { with: Peer },
    /// The business said that it was restored.
    BusinessRestored { with: Peer },
    /// Anything that needs a human.
    Trouble,
}

/// A submission, as the SDK made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) submit: SubmitId,
    pub(crate) to: Address,
    pub(crate) ticket: Option<TicketFields>,
    pub(crate) category: Option<Category>,
    /// It begins a session.
    pub(crate) first: bool,
}

/// What the relay's writer answered to a request that concerns a queue.
#[derive(Clone, Debug)]
pub(crate) enum Ruling {
    Opened {
        mailbox: Address,
    },
    Closed {
        mailbox: Address,
    },
    Minted {
        mailbox: Address,
        ticket: TicketFields,
    },
    TermsChanged {
        mailbox: Address,
        ticket: TicketFields,
    },
    Revoked {
        mailbox: Address,
    },
    Accepted {
        submit: SubmitId,
        digest: Digest,
        to: Address,
        ticket: Option<TicketFields>,
    },
    Refused {
        submit: SubmitId,
        digest: Digest,
        ticket: Option<TicketFields>,
        to: Address,
        code: Code,
    },
    Acknowledged {
        queue: Address,
        up_to: Sequence,
        unreadable: Vec<Sequence>,
    },
    /// Everything up to here was handed to whoever proved the mailbox.
    Offered {
        queue: Address,
        up_to: Sequence,
    },
    /// What a message to a person costs, or why it is not taken at that price.
    Priced(Box<Priced>),
    /// The relay died with the commit that accepted this: its answer, price included, never was.
    Unanswered {
        submit: SubmitId,
    },
}

/// What the price of a message depends on, and what it is charged by.
#[derive(Clone, Debug)]
pub(crate) struct Priced {
    pub(crate) submit: SubmitId,
    pub(crate) account: AccountKey,
    pub(crate) ticket: TicketFields,
    pub(crate) category: Category,
    pub(crate) pricing: Pricing,
    /// None for what is free.
    pub(crate) outcome: Result<Option<Box<Receipt>>, Code>,
}

impl History {
    pub(crate) fn push(&mut self, at: Timestamp, fact: Fact) {
        self.entries.push(Entry { at, fact });
    }

    /// The last entries up to a place, for a failure's message.
    pub(crate) fn tail(&self, until: usize, most: usize) -> String {
        let end = self.entries.len().min(until.saturating_add(1));
        let entries = self.entries.iter().enumerate().take(end).skip(end.saturating_sub(most));
        entries.map(|(place, entry)| format!("{place:5} {entry}\n")).collect()
    }
}

impl History {
    /// The history in words, with keys and ids, which are random at every run, by number in the
    /// order they come: what two runs of one seed have in common. The order in which a relay settles
    /// the prices of a day is random as well.
    pub(crate) fn shape(&self) -> String {
        let mut names = std::collections::HashMap::new();
        let is_settled = |fact: &Fact| {
            let ends = [EntryKind::Settle, EntryKind::Release, EntryKind::Subscription];
            matches!(fact, Fact::Entered { line, .. } if ends.contains(&line.kind))
        };
        let kept = self.entries.iter().filter(|entry| !is_settled(&entry.fact));
        let text: String = kept.map(|entry| format!("{entry}\n")).collect();
        let is_name = |word: &str| word.len() == 8 && word.bytes().all(|b| b.is_ascii_hexdigit());
        let named = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).map(|piece| {
            let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            if !is_name(word) {
                return piece.to_owned();
            }
            let next = names.len();
            let number = *names.entry(word.to_owned()).or_insert(next);
            format!("#{number}{}", &piece[word.len()..])
        });
        named.collect()
    }
}

impl Words {
    /// The text to send. Some fill a larger envelope than most.
    pub(crate) fn text(self) -> String {
        let more = match self.0 % 16 {
            5 => 4_000,
            13 => 20_000,
            _ => 0,
        };
        format!("words {} {}", self.0, ".".repeat(more))
    }

    fn of(body: &Body) -> Option<Self> {
        let Body::Text(text) = body else { return None };
        let (number, _) = text.strip_prefix("words ")?.split_once(' ')?;
        Some(Self(number.parse().ok()?))
    }
}

impl Sealed {
    pub(crate) fn of(submission: &Submission, first: bool) -> Self {
        let Submission { id, to, consent, envelope: _ } = submission;
        let ticket = consent.as_ref().and_then(|consent| consent.ticket.fields().ok());
        let category = consent.as_ref().map(|consent| consent.category);
        Self { submit: *id, to: *to, ticket, category, first }
    }
}

impl News {
    /// What a person is told; none of what has no id and means nothing after a restart.
    pub(crate) fn of_person(event: &PersonEvent) -> Option<(EventId, Self)> {
        let news = match event {
            PersonEvent::Message(message) => {
                let content = &message.content;
                let from = Peer(message.conversation.0);
                Self::Message { from, id: content.id, words: Words::of(&content.body) }
            }
            PersonEvent::Sent { conversation, id, state, .. } => {
                Self::Became { to: Peer(conversation.0), id: *id, state: *state }
            }
            PersonEvent::Window { conversation, .. } => {
                Self::Consent { with: Peer(conversation.0) }
            }
            PersonEvent::SessionLost { conversation, .. } => {
                Self::SessionLost { with: Peer(conversation.0) }
            }
            PersonEvent::BusinessRestored { conversation, .. } => {
                Self::BusinessRestored { with: Peer(conversation.0) }
            }
            // Nobody reports here.
            PersonEvent::Reported { .. }
            | PersonEvent::KeyChanged { .. }
            | PersonEvent::Trouble { .. } => Self::Trouble,
            PersonEvent::Connection { .. } => return None,
        };
        Some((event.id()?, news))
    }

    /// The same of a business.
    pub(crate) fn of_business(event: &BusinessEvent) -> Option<(EventId, Self)> {
        let news = match event {
            BusinessEvent::Message(message) => {
                let content = &message.content;
                let from = Peer(message.customer.0);
                Self::Message { from, id: content.id, words: Words::of(&content.body) }
            }
            BusinessEvent::Sent { customer, id, state, .. } => {
                Self::Became { to: Peer(customer.0), id: *id, state: *state }
            }
            BusinessEvent::Consent { customer, .. } => Self::Consent { with: Peer(customer.0) },
            BusinessEvent::Trouble { .. } => Self::Trouble,
            BusinessEvent::Settled { .. }
            | BusinessEvent::Released { .. }
            | BusinessEvent::Delayed { .. }
            | BusinessEvent::Connected
            | BusinessEvent::Disconnected(_) => return None,
        };
        Some((event.id()?, news))
    }
}

impl Ruling {
    /// What a request's answer says of queues, in the order in which it holds.
    pub(crate) fn of(request: &Request, reply: &Reply) -> impl Iterator<Item = Self> {
        Self::offered(request, reply).into_iter().chain(Self::of_queue(request, reply))
    }

    /// What remains of an acceptance at a price that was never answered.
    pub(crate) fn unanswered(request: &Request, reply: &Reply) -> Option<Self> {
        let priced = Priced::of(request, reply).filter(|priced| priced.outcome.is_ok());
        priced.map(|Priced { submit, .. }| Self::Unanswered { submit })
    }

    /// What it says of a price, once it has its receipt.
    pub(crate) fn priced(request: &Request, reply: &Reply) -> Option<Self> {
        Priced::of(request, reply).map(|priced| Self::Priced(Box::new(priced)))
    }

    fn of_queue(request: &Request, reply: &Reply) -> Option<Self> {
        Some(match (request, reply) {
            (Request::Open { address }, Ok(_)) => Self::Opened { mailbox: *address },
            (Request::Close { address, .. }, Ok(_)) => Self::Closed { mailbox: *address },
            (Request::Revoke { address, .. }, Ok(_)) => Self::Revoked { mailbox: *address },
            (Request::Mint { address, .. }, Ok(RelayFrame::Minted(ticket))) => {
                Self::Minted { mailbox: *address, ticket: ticket.fields().ok()? }
            }
            (Request::ChangeTerms { address, .. }, Ok(RelayFrame::Minted(ticket))) => {
                Self::TermsChanged { mailbox: *address, ticket: ticket.fields().ok()? }
            }
            (Request::SubmitToInbox { id, digest, inbox, .. }, reply) => {
                Self::of_submission((*id, *digest), *inbox, None, reply)
            }
            (Request::SubmitToMailbox { id, digest, to, ticket, .. }, reply) => {
                Self::of_submission((*id, *digest), *to, Some(*ticket.fields()), reply)
            }
            (Request::Acknowledge { address, up_to, unreadable, .. }, Ok(_)) => {
                let unreadable = unreadable.clone();
                Self::Acknowledged { queue: *address, up_to: *up_to, unreadable }
            }
            _ => return None,
        })
    }

    fn offered(request: &Request, reply: &Reply) -> Option<Self> {
        let (queue, up_to) = match request {
            Request::Offer { address, up_to } => (*address, *up_to),
            Request::Revoke { address, handed } | Request::Close { address, handed } => {
                (*address, *handed)
            }
            _ => return None,
        };
        reply.is_ok().then_some(Self::Offered { queue, up_to }).filter(|_| Sequence(0) < up_to)
    }

    fn of_submission(
        (submit, digest): (SubmitId, Digest),
        to: Address,
        ticket: Option<TicketFields>,
        reply: &Reply,
    ) -> Self {
        match reply {
            Ok(_) => Self::Accepted { submit, digest, to, ticket },
            Err(refusal) => Self::Refused { submit, digest, ticket, to, code: refusal.code },
        }
    }
}

impl Priced {
    fn of(request: &Request, reply: &Reply) -> Option<Self> {
        let Request::SubmitToMailbox { id, account, ticket, category, pricing, .. } = request
        else {
            return None;
        };
        let outcome = match reply {
            Ok(RelayFrame::Accepted(acceptance)) => Ok(acceptance.receipt.clone()),
            Ok(_) => return None,
            Err(refusal) if is_of_prices(refusal.code) => Err(refusal.code),
            Err(_) => return None,
        };
        let (submit, account, ticket) = (*id, *account, *ticket.fields());
        let (category, pricing) = (*category, pricing.clone());
        Some(Self { submit, account, ticket, category, pricing, outcome })
    }
}

/// Whether a message is refused so for what it costs.
pub(crate) fn is_of_prices(code: Code) -> bool {
    matches!(code, Code::NotPriced | Code::OverPriceLimit | Code::NoCredit)
}
