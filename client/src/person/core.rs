//! The core of a person's agent: what is in memory, and who does what with a command or a report.

use std::collections::BTreeMap;
use std::sync::Arc;

use plico_endpoint::content::{Body, Content};
use plico_endpoint::id::ContentId;
use plico_protocol::frame::{Notice, RelayFrame};
use plico_protocol::limits::CERTIFICATE_RECHECK_HOURS;
use plico_protocol::link::Link;
use plico_protocol::time::{Hour, Minute, Timestamp};
use tokio::sync::oneshot;

use super::allowed::Allowed;
use super::consent::forget_tickets;
use super::event::{ConnectionState, Event, LookUpError, Profile, Received, Trouble};
use super::overview::Overview;
use super::record::{Record, Standing, WISHES_MAX, Wish};
use super::report::ReportOutcome;
use super::talk::{Relay, Talk};
use super::{ConversationId, Said, SendError};
use crate::agent::Core;
use crate::agent::inbound::Inbound;
use crate::agent::jobs::Jobs;
use crate::agent::journal::{self, EventId, Journal, News, Stored};
use crate::agent::lines::Lines;
use crate::agent::outbox::Outbox;
use crate::agent::outgoing::{Delay, MessageState};
use crate::clock::Clock;
use crate::connection::{ConnectError, LineEvent, LineId, Options};
use crate::message::Message;
use crate::probe::Point;
use crate::state::{Name, Rows, State, StateError, Table};

/// A wish of the application.
pub(super) enum Command {
    Converse { link: Box<Link>, answer: oneshot::Sender<ConversationId> },
    Conversations { answer: oneshot::Sender<Vec<ConversationId>> },
    Overview { peer: u64, answer: oneshot::Sender<Option<Overview>> },
    Forget { peer: u64, answer: oneshot::Sender<()> },
    Business { peer: u64, answer: oneshot::Sender<Result<Profile, LookUpError>> },
    Send { peer: u64, message: Box<Message>, answer: SendAnswer<ContentId> },
    MarkRead { peer: u64, id: ContentId, answer: SendAnswer<()> },
    Wish { peer: u64, wishes: Vec<Wish>, answer: SendAnswer<()> },
    Allowed { peer: u64, answer: oneshot::Sender<Option<Allowed>> },
    Agree { peer: u64, answer: oneshot::Sender<()> },
    State { id: ContentId, answer: oneshot::Sender<Option<MessageState>> },
    Delay { id: ContentId, answer: oneshot::Sender<Option<Delay>> },
    History { peer: u64, before: Option<u64>, most: usize, answer: oneshot::Sender<Vec<Said>> },
    Window { peer: u64, answer: oneshot::Sender<Option<Minute>> },
    NextEvent { handled: Option<EventId>, answer: oneshot::Sender<Event> },
    Handled { id: EventId, answer: oneshot::Sender<()> },
}

pub(super) type SendAnswer<T> = oneshot::Sender<Result<T, SendError>>;

/// Work that waits for a relay's answer. The number is a conversation's but where it says message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    Prove(u64),
    Open(u64),
    /// For a message; whether with a window.
    Mint(u64, bool),
    Wish(u64, Wish),
    LookUp(u64),
    Bundle(u64),
    Submit {
        message: u64,
        peer: u64,
    },
    Status {
        message: u64,
        peer: u64,
    },
}

/// The state and lines of a person.
pub(super) struct PersonCore {
    pub(super) state: State,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) talks: BTreeMap<u64, Talk>,
    pub(super) relays: Vec<Relay>,
    pub(super) outbox: Outbox,
    pub(super) inbound: Inbound,
    pub(super) journal: Journal<Event>,
    /// When what is too old was last deleted.
    pub(super) tidied: Hour,
    pub(super) jobs: Jobs<Job>,
}

impl PersonCore {
    /// Reads everything that is not done.
    pub(super) fn load(state: State, options: Options) -> Result<Self, StateError> {
        let Options { clock, probe, .. } = options;
        let mut state = state.watched_by(probe);
        let now = clock.now();
        let outbox = Outbox::load(&mut state, now)?;
        let records = state.read(|rows| rows.ordered::<Record>(Table::Conversation))?;
        let mut talks = BTreeMap::new();
        for (number, record) in records {
            let published = super::trust::published(&mut state, number, &record)?;
            talks.insert(number, Talk { published, ..Talk::new(record) });
        }
        let mut core = Self {
            state,
            clock,
            talks,
            relays: Vec::new(),
            outbox,
            inbound: Inbound::default(),
            journal: Journal::default(),
            tidied: Hour(0),
            jobs: Jobs::default(),
        };
        core.tidy(now)?;
        Ok(core)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The relay of a conversation.
    pub(super) fn relay_of(&mut self, peer: u64) -> Option<&mut Relay> {
        let link = &self.talks.get(&peer)?.record.link.relay;
        let known = self.relays.iter().position(|relay| relay.link == *link);
        let at = known.unwrap_or_else(|| {
            self.relays.push(Relay::new(link.clone()));
            self.relays.len() - 1
        });
        self.relays.get_mut(at)
    }

    /// The anonymous line of a conversation's relay if it is up and has room; opened if needed.
    pub(super) fn anonymous(&mut self, peer: u64, lines: &mut Lines) -> Option<LineId> {
        let now = self.now();
        let relay = self.relay_of(peer)?;
        relay.anonymous_used = now;
        let line = *relay.anonymous.get_or_insert_with(|| lines.open(&relay.link));
        (lines.is_up(line) && self.jobs.room(line)).then_some(line)
    }

    /// Stores a conversation as it is in memory.
    pub(super) fn store(&mut self, peer: u64) -> Result<(), StateError> {
        let Some(talk) = self.talks.get(&peer) else { return Ok(()) };
        self.state.write(|rows| put_record(rows, peer, &talk.record))
    }

    /// Stores an event.
    pub(super) fn tell(&mut self, peer: u64, news: News) -> Result<(), StateError> {
        let event = Stored { peer, at: self.now(), news };
        self.state.write(|rows| journal::push(rows, &event))
    }

    fn converse(&mut self, link: Link) -> Result<ConversationId, StateError> {
        let same = |talk: &Talk| {
            let known = &talk.record.link;
            known.relay == link.relay
                && known.handle == link.handle
                && talk.record.account() == link.account
                && talk.record.standing != Standing::Left
        };
        let known = self.talks.iter_mut().find(|(_, talk)| same(talk));
        if let Some((number, talk)) = known {
            talk.record.link.reference = link.reference;
            let number = *number;
            self.store(number)?;
            return Ok(ConversationId(number));
        }
        let talk = Talk::new(Record::new(link));
        let number = self.state.write::<_, StateError>(|rows| {
            let number = rows.next_number(Table::Conversation)?;
            put_record(rows, number, &talk.record)?;
            Ok(number)
        })?;
        self.talks.insert(number, talk);
        Ok(ConversationId(number))
    }

    /// Takes all of them or none.
    pub(super) fn wish(
        &mut self,
        peer: u64,
        wishes: Vec<Wish>,
    ) -> Result<Result<(), SendError>, StateError> {
        let now = self.now();
        for wish in &wishes {
            if let Wish::Report { id, .. } = wish
                && !self.is_reportable(peer, *id)?
            {
                return Ok(Err(SendError::NotReportable));
            }
        }
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(Err(SendError::Ended)) };
        if talk.record.standing == Standing::Left {
            return Ok(Err(SendError::Ended));
        }
        if WISHES_MAX < talk.record.wishes.len() + wishes.len() {
            return Ok(Err(SendError::TooMany));
        }
        for wish in &wishes {
            if let Wish::Change(terms) | Wish::Standing(terms) = wish
                && let Err(error) = terms.check(now)
            {
                return Ok(Err(error.into()));
            }
        }
        for wish in &wishes {
            match wish {
                Wish::Change(terms) => (talk.record.terms, talk.record.blocked) = (*terms, false),
                Wish::Standing(_) => talk.record.blocked = false,
                Wish::Close => talk.record.standing = Standing::Left,
                Wish::Revoke => {
                    (talk.record.reply, talk.record.notifications) = (None, None);
                    (talk.ticket, talk.record.blocked) = (None, true);
                }
                _ => (),
            }
        }
        talk.record.wishes.extend(&wishes);
        let record = &talk.record;
        self.state.write::<_, StateError>(|rows| {
            // What the business sends from now on is dropped, whenever the relay hears of it.
            if wishes.contains(&Wish::Revoke) {
                forget_tickets(rows, peer)?;
            }
            put_record(rows, peer, record)
        })?;
        Ok(Ok(()))
    }

    /// Gives waiting applications their event.
    fn hand_out(&mut self) -> Result<(), StateError> {
        let (talks, now) = (&self.talks, self.clock.now().minute());
        self.journal.hand_out(&mut self.state, |id, stored| show((talks, now), id, stored))
    }

    fn connection_changed(&mut self, line: LineId, state: ConnectionState) {
        let relay = self.relays.iter_mut().find(|relay| relay.has(line));
        let Some(relay) = relay else { return };
        if relay.told.as_ref() != Some(&state) {
            relay.told = Some(state.clone());
            self.journal.pass(Event::Connection { relay: relay.link.host.clone(), state });
        }
    }

    fn line_down(&mut self, line: LineId, error: ConnectError) {
        self.jobs.lost(line);
        self.inbound.lost(line);
        let Some(relay) = self.relays.iter_mut().find(|relay| relay.has(line)) else { return };
        let persons = relay.person == Some(line);
        if persons {
            relay.forget_connection();
        }
        let link = relay.link.clone();
        let now = self.clock.now();
        for talk in self.talks.values_mut().filter(|talk| talk.record.link.relay == link) {
            if persons {
                talk.asked = None;
                continue;
            }
            // A bundle may be used for a day, and nobody knows how long this will take.
            talk.bundle = None;
            // What is known already serves meanwhile.
            let known = talk.record.known.as_ref();
            let holds = known.is_some_and(|k| k.holds(now.hour(), CERTIFICATE_RECHECK_HOURS));
            let profile = talk.profile(now.minute()).filter(|_| holds);
            for asking in talk.asking.drain(..) {
                let unreachable = || LookUpError::Connect(error.clone());
                let _ = asking.send(profile.clone().ok_or_else(unreachable));
            }
        }
        self.connection_changed(line, ConnectionState::Down(error));
    }

    fn answer(&mut self, job: Job, frame: RelayFrame) -> Result<(), StateError> {
        match job {
            Job::Prove(peer) => self.proved(peer, &frame),
            Job::Open(peer) => self.opened(peer, &frame),
            Job::Mint(peer, _) => self.minted(peer, &frame),
            Job::Wish(peer, wish) => self.wish_answered(peer, wish, &frame),
            Job::LookUp(peer) => self.looked_up(peer, frame),
            Job::Bundle(peer) => self.bundle_came(peer, frame),
            Job::Submit { message, peer } => self.submitted(message, peer, &frame),
            Job::Status { message, peer } => self.status_came(message, peer, &frame),
        }
    }
}

impl Core for PersonCore {
    type Command = Command;

    fn command(&mut self, command: Command, _lines: &mut Lines) -> Result<(), StateError> {
        match command {
            Command::Converse { link, answer } => {
                let _ = answer.send(self.converse(*link)?);
            }
            Command::Conversations { answer } => {
                let _ = answer.send(self.talks.keys().copied().map(ConversationId).collect());
            }
            Command::Overview { peer, answer } => {
                let _ = answer.send(self.overview(peer));
            }
            Command::Forget { peer, answer } => {
                self.forget(peer)?;
                let _ = answer.send(());
            }
            Command::Business { peer, answer } => self.ask_business(peer, answer),
            Command::Send { peer, message, answer } => {
                let _ = answer.send(self.send(peer, *message)?);
            }
            Command::MarkRead { peer, id, answer } => {
                let _ = answer.send(self.mark_read(peer, id)?);
            }
            Command::Wish { peer, wishes, answer } => {
                let _ = answer.send(self.wish(peer, wishes)?);
            }
            Command::Allowed { peer, answer } => {
                let talk = self.talks.get(&peer);
                let _ = answer.send(talk.map(|talk| Allowed::of(&talk.record)));
            }
            Command::Agree { peer, answer } => {
                self.agree(peer)?;
                let _ = answer.send(());
            }
            Command::State { id, answer } => {
                let _ = answer.send(self.outbox.state_of(id));
            }
            Command::Delay { id, answer } => {
                let _ = answer.send(self.outbox.delay(id).cloned());
            }
            Command::History { peer, before, most, answer } => {
                let _ = answer.send(self.history(peer, before, most)?);
            }
            Command::Window { peer, answer } => {
                let talk = self.talks.get(&peer);
                let _ = answer.send(talk.and_then(|talk| talk.record.window()));
            }
            Command::NextEvent { handled, answer } => {
                if let Some(id) = handled {
                    journal::handled(&mut self.state, id)?;
                }
                self.journal.wait(answer);
            }
            Command::Handled { id, answer } => {
                journal::handled(&mut self.state, id)?;
                let _ = answer.send(());
            }
        }
        Ok(())
    }

    fn report(
        &mut self,
        line: LineId,
        event: LineEvent,
        _lines: &mut Lines,
    ) -> Result<(), StateError> {
        match event {
            LineEvent::Up => {
                self.recheck(line);
                self.connection_changed(line, ConnectionState::Up);
            }
            LineEvent::Down(error) => self.line_down(line, error),
            LineEvent::Answer(token, frame) => {
                if let Some(job) = self.jobs.answered(token) {
                    self.answer(job, frame)?;
                }
            }
            LineEvent::Subscribed { address, channel } => self.subscribed(line, &address, channel),
            LineEvent::NotSubscribed { address, refusal } => {
                self.not_subscribed(&address, &refusal);
            }
            LineEvent::NotAcknowledged { channel, refusal } => {
                let now = self.now();
                self.inbound.refused((line, channel), &refusal, now);
            }
            LineEvent::Acknowledged { channel, up_to } => {
                let inbound = &mut self.inbound;
                self.state.write(|rows| inbound.confirmed(line, channel, up_to, rows))?;
                self.state.reached(Point::AfterConfirm);
            }
            LineEvent::Delivered(delivery) => self.delivered(line, &delivery)?,
            LineEvent::Ended { channel, reason: _ } => self.channel_ended(line, channel),
            LineEvent::Notice(Notice::TicketKeys(keys)) => self.told_ticket_keys(line, keys),
            LineEvent::Drained => self.drained(line),
            LineEvent::Notice(_) => (),
        }
        Ok(())
    }

    fn advance(&mut self, lines: &mut Lines) -> Result<Option<Timestamp>, StateError> {
        let now = self.now();
        self.tidy(now)?;
        self.inbound.send(lines, now);
        self.answer_claims()?;
        self.begin_owed()?;
        self.keep_subscribed(lines);
        self.renew_tickets()?;
        self.carry_wishes(lines)?;
        self.answer_asking(lines);
        self.prepare_waiting(lines)?;
        self.submit_sealed(lines)?;
        self.rest_lines(lines);
        self.hand_out()?;
        Ok(self.wake())
    }

    fn close(&mut self) -> Result<(), StateError> {
        self.state.checkpoint()
    }
}

/// Writes a conversation.
pub(super) fn put_record(rows: &Rows<'_>, peer: u64, record: &Record) -> Result<(), StateError> {
    rows.put(Table::Conversation, Name::Number(peer), record)
}

/// Makes a stored event the application's; none for what it need not see.
fn show(
    (talks, now): (&BTreeMap<u64, Talk>, Minute),
    event: EventId,
    stored: Stored,
) -> Option<Event> {
    let Stored { peer, at, news } = stored;
    let talk = talks.get(&peer)?;
    let conversation = ConversationId(peer);
    Some(match news {
        News::Message { content, category } => {
            let content = Content::decode(&content).ok()?;
            if is_silent(&content.body) {
                return None;
            }
            let from = talk.profile(now)?;
            let received = Received { event, conversation, from, content, category, at };
            Event::Message(Box::new(received))
        }
        News::State { id, state } => Event::Sent { event, conversation, id, state },
        News::Window { until } => Event::Window { event, conversation, until },
        // A business's.
        News::First { .. } | News::Charge { .. } => return None,
        News::KeyChanged => {
            let offered = talk.record.offered.as_ref();
            let offered = offered.map(|known| Profile::of(known.certificate.body()));
            Event::KeyChanged { event, conversation, offered }
        }
        News::Reported { id, reported } => {
            let outcome = ReportOutcome::of(reported);
            Event::Reported { event, conversation, id, outcome }
        }
        News::SessionLost { until } => Event::SessionLost { event, conversation, until },
        News::Restored { since, repeated } => {
            Event::BusinessRestored { event, conversation, since, repeated }
        }
        News::Trouble { code, text: _ } => {
            let trouble = Trouble::from_number(code)?;
            Event::Trouble { event, conversation, trouble }
        }
    })
}

/// Whether a body shows nothing: a ticket, or the marks of no message, with which a restored
/// business says that it was restored.
fn is_silent(body: &Body) -> bool {
    match body {
        Body::Renewal => true,
        Body::Marks(marks) => marks.delivered.is_empty() && marks.read.is_empty(),
        _ => false,
    }
}
