//! The core of a business's agent: what is in memory, and who does what with a command or a report.

use std::sync::Arc;

use plico_endpoint::content::{Body, Content};
use plico_endpoint::id::ContentId;
use plico_protocol::frame::{Channel, RelayFrame};
use plico_protocol::ledger::EntryReason;
use plico_protocol::link::{Link, Pin};
use plico_protocol::prekey::PrekeyId;
use plico_protocol::pricing::Millionths;
use plico_protocol::refusal::Refusal;
use plico_protocol::time::{Hour, Minute, Timestamp};
use tokio::sync::oneshot;

use super::card::OwnCard;
use super::command::{AccountCommand, Command, Connecting, Job};
use super::event::{CustomerMessage, Event, Trouble};
use super::ledger::OwnLedger;
use super::profile::OwnProfile;
use super::record::{CustomerRecord, Identity};
use super::restored::Restore;
use super::standing::OwnStanding;
use super::{BusinessConnectError, Customer, CustomerId};
use crate::agent::Core;
use crate::agent::inbound::Inbound;
use crate::agent::jobs::Jobs;
use crate::agent::journal::{self, EventId, Journal, News, Stored};
use crate::agent::lines::Lines;
use crate::agent::outbox::Outbox;
use crate::agent::outgoing::MessageState;
use crate::clock::Clock;
use crate::connection::{LineEvent, LineId, Options};
use crate::probe::Point;
use crate::state::{Name, State, StateError, Table};

/// The state and lines of a business.
pub(super) struct BusinessCore {
    pub(super) state: State,
    pub(super) clock: Arc<dyn Clock>,
    /// The most that one message may cost.
    pub(super) price_max: Millionths,
    pub(super) identity: Identity,
    pub(super) outbox: Outbox,
    pub(super) inbound: Inbound,
    pub(super) journal: Journal<Event>,
    pub(super) jobs: Jobs<Job>,
    pub(super) line: Option<LineId>,
    /// For the look-up of its own certificate only.
    pub(super) anonymous: Option<LineId>,
    pub(super) proven: Proven,
    pub(super) subscribed: bool,
    pub(super) inbox_channel: Option<Channel>,
    /// Whether what waited in the inbox when this connection began has been opened.
    pub(super) drained: bool,
    pub(super) certificate_checked: bool,
    pub(super) prekeys_due: Timestamp,
    /// How many one-time prekeys to publish with the signed ones.
    pub(super) publish_wanted: Option<usize>,
    pub(super) profile: OwnProfile,
    /// The relay's stock fits this state: it is no older copy.
    pub(super) trusted: bool,
    /// The hour that is stored as the one in which this business last ran.
    pub(super) written: Option<Hour>,
    pub(super) restore: Option<Restore>,
    /// Up to which one-time prekeys the next publication voids those before.
    pub(super) void: PrekeyId,
    pub(super) trouble: Option<Trouble>,
    pub(super) connecting: Vec<Connecting>,
    pub(super) ledger: OwnLedger,
    pub(super) card: OwnCard,
    pub(super) standing: OwnStanding,
    /// Why the relay takes messages no earlier, and when that was told last.
    pub(super) delay_told: Option<(Refusal, Timestamp)>,
    /// Who waits until a message left this machine.
    pub(super) waiting: Vec<(ContentId, oneshot::Sender<Option<MessageState>>)>,
    pub(super) told_up: Option<bool>,
    pub(super) retry_at: Timestamp,
}

/// What this connection proved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Proven {
    pub(super) account: bool,
    pub(super) inbox: bool,
}

impl BusinessCore {
    pub(super) fn load(state: State, options: Options) -> Result<Self, StateError> {
        let Options { clock, probe, price_max, .. } = options;
        let mut state = state.watched_by(probe);
        let now = clock.now();
        let missing = StateError::Corrupt { table: Table::Identity.label() };
        let identity: Option<Identity> =
            state.read(|rows| rows.get(Table::Identity, Name::ONLY))?;
        let identity = identity.ok_or(missing)?;
        let profile = OwnProfile::load(&mut state, &identity.account.public())?;
        let mut outbox = Outbox::load(&mut state, now)?;
        outbox.counts = Some(super::uses::count);
        let ledger = OwnLedger::load(&mut state)?;
        let card = OwnCard::load(&mut state)?;
        let standing = OwnStanding::load(&mut state)?;
        let restore = state.write::<_, StateError>(|rows| {
            Inbound::forget(rows, now.hour())?;
            Restore::of(rows)
        })?;
        Ok(Self {
            state,
            clock,
            price_max,
            identity,
            outbox,
            inbound: Inbound::default(),
            journal: Journal::default(),
            jobs: Jobs::default(),
            line: None,
            anonymous: None,
            proven: Proven::default(),
            subscribed: false,
            inbox_channel: None,
            drained: false,
            certificate_checked: false,
            prekeys_due: Timestamp(0),
            publish_wanted: None,
            profile,
            trusted: false,
            written: None,
            restore,
            void: PrekeyId(0),
            trouble: None,
            connecting: Vec::new(),
            ledger,
            card,
            standing,
            delay_told: None,
            waiting: Vec::new(),
            told_up: None,
            retry_at: Timestamp(0),
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The business's line, if it is up, proved both keys, has room and its relay knows no more of
    /// this business than this state.
    pub(super) fn ready_line(&self, lines: &Lines) -> Option<LineId> {
        self.proven_line(lines).filter(|_| self.may_be_heard())
    }

    /// Whether to receive and to send. Not after a restore before the relay took the new prekeys:
    /// devices that hear of it begin sessions, and prekeys that were lost open none.
    pub(super) fn may_be_heard(&self) -> bool {
        let voiding = self.restore.is_some_and(|restore| restore.void_due);
        self.trusted && !voiding
    }

    /// The business's line, if it is up, proved both keys and has room.
    pub(super) fn proven_line(&self, lines: &Lines) -> Option<LineId> {
        let line = self.line?;
        let ready = self.proven == Proven { account: true, inbox: true };
        (ready && lines.is_up(line) && self.jobs.room(line)).then_some(line)
    }

    /// Tells the application what is wrong, once.
    pub(super) fn trouble(&mut self, trouble: Trouble) -> Result<(), StateError> {
        for connecting in self.connecting.drain(..) {
            let _ = connecting.send(Err(BusinessConnectError::Trouble(trouble)));
        }
        self.retry_at = Timestamp(self.now().0.saturating_add(TROUBLE_MS));
        self.warn(trouble)
    }

    /// The same of what stops nothing yet: who waits for a connection goes on waiting.
    pub(super) fn warn(&mut self, trouble: Trouble) -> Result<(), StateError> {
        if self.trouble == Some(trouble) {
            return Ok(());
        }
        self.trouble = Some(trouble);
        let news = News::Trouble { code: trouble.number(), text: String::new() };
        let event = Stored { peer: NOBODY, at: self.now(), news };
        self.state.write(|rows| journal::push(rows, &event))
    }

    fn answer(&mut self, job: Job, frame: RelayFrame) -> Result<(), StateError> {
        match job {
            Job::ProveAccount | Job::ProveInbox => match frame {
                RelayFrame::Proved if job == Job::ProveAccount => self.proven.account = true,
                RelayFrame::Proved => self.proven.inbox = true,
                RelayFrame::Refused(refusal) => {
                    return self.trouble(Trouble::Refused(refusal.code));
                }
                _ => (),
            },
            Job::LookUp => self.looked_up(frame)?,
            Job::Stock => self.stock_came(&frame)?,
            Job::Publish => self.published(&frame)?,
            Job::Standing => self.standing_came(&frame)?,
            Job::RateCard => self.card_came(frame)?,
            Job::Head => self.head_came(frame)?,
            Job::ReadLedger => self.entries_came(frame)?,
            Job::PublishProfile { issued } => self.profile_answered(issued, &frame)?,
            Job::Submit { message } => self.submitted(message, &frame)?,
            Job::Status { message } => self.status_came(message, &frame)?,
        }
        self.ready();
        Ok(())
    }

    fn account_command(&mut self, command: AccountCommand) -> Result<(), StateError> {
        match command {
            AccountCommand::Statement { period, answer } => {
                self.ledger.ask(period, answer);
            }
            AccountCommand::CheckStatement { statement, answer } => {
                let _ = answer.send(Box::new(self.check_statement(*statement)?));
            }
            AccountCommand::Standing { answer } => self.standing.ask(answer),
            AccountCommand::KnownStanding { answer } => {
                let _ = answer.send(self.standing.known);
            }
            AccountCommand::RateCard { answer } => self.ask_card(answer),
            AccountCommand::Price { customer, category, answer } => {
                let _ = answer.send(self.price(customer, category)?);
            }
        }
        Ok(())
    }

    pub(super) fn customers(&mut self) -> Result<Vec<Customer>, StateError> {
        let found = self.state.read(|rows| rows.ordered::<CustomerRecord>(Table::Customer))?;
        Ok(found.iter().map(|(id, record)| record.to_customer(*id)).collect())
    }

    fn link(&self, reference: Option<String>) -> Option<Link> {
        Some(Link {
            relay: self.identity.relay.clone()?,
            handle: self.identity.handle.clone(),
            account: Pin::of_account(&self.identity.account.public()),
            reference,
        })
    }
}

impl Core for BusinessCore {
    type Command = Command;

    fn command(&mut self, command: Command, lines: &mut Lines) -> Result<(), StateError> {
        match command {
            Command::Request { answer } => {
                let _ = answer.send(self.identity.request());
            }
            Command::Install { certificate, answer } => {
                let _ = answer.send(self.install(certificate)?);
            }
            Command::Connect { relay, answer } => {
                self.retry_at = Timestamp(0);
                self.connect(*relay, answer, lines)?;
                self.ready();
            }
            Command::Link { reference, answer } => {
                let _ = answer.send(self.link(reference));
            }
            Command::PublishProfile { draft, answer } => {
                let _ = answer.send(self.reissue_profile(|profile| draft.write_to(profile))?);
            }
            Command::SetStatus { text, answer } => {
                let _ = answer.send(self.set_status(text)?);
            }
            Command::Profile { answer } => {
                let _ = answer.send(self.profile.about(self.now().minute()));
            }
            Command::Send { customer, message, category, answer } => {
                let _ = answer.send(self.send(customer, *message, category)?);
            }
            Command::Answer { event, answers, answer } => {
                let _ = answer.send(self.answer_event(event, answers)?);
            }
            Command::Left { id, answer } => self.waiting.push((id, answer)),
            Command::Certificate { answer } => {
                let installed = self.identity.certificate.as_ref();
                let _ = answer.send(installed.and_then(|installed| installed.claims().ok()));
            }
            Command::State { id, answer } => {
                let _ = answer.send(self.outbox.state_of(id));
            }
            Command::Delay { id, answer } => {
                let _ = answer.send(self.outbox.delay(id).cloned());
            }
            Command::Customer { id, answer } => {
                let found = self.state.read(|rows| CustomerRecord::get(rows, id.0))?;
                let _ = answer.send(found.map(|record| record.to_customer(id.0)));
            }
            Command::Customers { answer } => {
                let _ = answer.send(self.customers()?);
            }
            Command::Account(command) => self.account_command(command)?,
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
                if self.line == Some(line) && self.told_up != Some(true) {
                    self.told_up = Some(true);
                    self.journal.pass(Event::Connected);
                }
            }
            LineEvent::Down(error) => self.line_down(line, error),
            LineEvent::Answer(token, frame) => {
                if let Some(job) = self.jobs.answered(token) {
                    self.answer(job, frame)?;
                }
            }
            LineEvent::Subscribed { address: _, channel } => {
                self.inbox_channel = Some(channel);
                self.ready();
            }
            LineEvent::NotSubscribed { address: _, refusal } => {
                self.subscribed = false;
                self.trouble(Trouble::Refused(refusal.code))?;
            }
            LineEvent::Acknowledged { channel, up_to } => {
                let inbound = &mut self.inbound;
                self.state.write(|rows| inbound.confirmed(line, channel, up_to, rows))?;
                self.state.reached(Point::AfterConfirm);
            }
            LineEvent::NotAcknowledged { channel, refusal } => {
                let now = self.now();
                self.inbound.refused((line, channel), &refusal, now);
            }
            LineEvent::Delivered(delivery) => self.delivered(line, &delivery)?,
            LineEvent::Drained => {
                self.drained = true;
                self.forget_prekeys()?;
                self.forget_sessions()?;
            }
            LineEvent::Ended { channel, reason } => self.ended((line, channel), reason)?,
            LineEvent::Notice(notice) => self.notice(notice)?,
        }
        Ok(())
    }

    fn advance(&mut self, lines: &mut Lines) -> Result<Option<Timestamp>, StateError> {
        let now = self.now();
        self.note_hour(now.hour())?;
        self.inbound.send(lines, now);
        self.keep_connected(lines);
        self.tend_standing(lines);
        self.tend_prekeys(lines);
        self.publish(lines)?;
        self.tend_profile(lines)?;
        self.tend_ledger(lines);
        self.tend_card(lines);
        self.seal_waiting(lines)?;
        self.submit_sealed(lines)?;
        self.tell_waiting();
        self.journal.hand_out(&mut self.state, show)?;
        let due = [self.retry_at, self.prekeys_due, self.card.due, self.standing.due].into_iter();
        let due = due.chain(self.ledger.wake()).chain(self.profile.wake());
        let due = due.filter(|at| now < *at);
        Ok(due.chain(self.outbox.wake(now)).chain(self.inbound.wake(now)).min())
    }

    fn close(&mut self) -> Result<(), StateError> {
        self.state.checkpoint()
    }
}

/// Makes a stored event the application's; none for what it need not see.
fn show(event: EventId, stored: Stored) -> Option<Event> {
    let Stored { peer, at, news } = stored;
    let customer = CustomerId(peer);
    let first = matches!(news, News::First { .. });
    Some(match news {
        News::Message { content, category: _ } | News::First { content } => {
            let content = Content::decode(&content).ok()?;
            if content.body == Body::Renewal {
                return None;
            }
            Event::Message(Box::new(CustomerMessage { event, customer, first, content, at }))
        }
        News::State { id, state } => Event::Sent { event, customer, id, state },
        News::Window { until } => {
            let free_until = (until != Minute(0)).then_some(until);
            Event::Consent { event, customer, free_until }
        }
        News::Charge { id, reason, amount } => match reason {
            EntryReason::Opened | EntryReason::Offered => {
                Event::Settled { event, customer, id, reason, amount }
            }
            _ => Event::Released { event, customer, id, reason, amount },
        },
        News::Trouble { code, text: _ } => {
            Event::Trouble { event, trouble: Trouble::from_number(code)? }
        }
        News::Reported { .. }
        | News::KeyChanged
        | News::SessionLost { .. }
        | News::Restored { .. } => {
            return None;
        }
    })
}

/// The peer of events that are nobody's.
const NOBODY: u64 = 0;
/// How long to wait after what an operator must put right.
const TROUBLE_MS: u64 = 60_000;
