//! The core of a business's agent: what is in memory, and who does what with a command or a report.

use std::sync::Arc;

use plico_endpoint::content::{Body, Content};
use plico_endpoint::id::ContentId;
use plico_protocol::certificate::{Certificate, CertificateRequest};
use plico_protocol::frame::{Channel, ClientFrame, EndReason, Notice, RelayFrame};
use plico_protocol::link::{Link, Pin, RelayLink};
use plico_protocol::refusal::Code;
use plico_protocol::ticket::Category;
use plico_protocol::time::{Minute, Timestamp};
use tokio::sync::oneshot;

use super::event::{CustomerMessage, Event, Trouble};
use super::record::{CustomerRecord, Identity, SessionRecord};
use super::{BusinessConnectError, Customer, CustomerId, SendError};
use crate::agent::Core;
use crate::agent::inbound::Inbound;
use crate::agent::jobs::Jobs;
use crate::agent::journal::{self, EventId, Journal, News, Stored};
use crate::agent::lines::Lines;
use crate::agent::outbox::Outbox;
use crate::agent::outgoing::MessageState;
use crate::clock::Clock;
use crate::connection::{Ask, ConnectError, LineEvent, LineId, Options, Proving};
use crate::message::Message;
use crate::state::{Name, State, StateError, Table};

/// A wish of the application.
pub(super) enum Command {
    Request {
        answer: oneshot::Sender<CertificateRequest>,
    },
    Install {
        certificate: Certificate,
        answer: oneshot::Sender<()>,
    },
    Connect {
        relay: Box<RelayLink>,
        answer: Connecting,
    },
    Link {
        reference: Option<String>,
        answer: oneshot::Sender<Option<Link>>,
    },
    Send {
        customer: CustomerId,
        message: Box<Message>,
        category: Category,
        answer: oneshot::Sender<Result<ContentId, SendError>>,
    },
    State {
        id: ContentId,
        answer: oneshot::Sender<Option<MessageState>>,
    },
    Customers {
        answer: oneshot::Sender<Vec<Customer>>,
    },
    NextEvent {
        handled: Option<EventId>,
        answer: oneshot::Sender<Event>,
    },
    Handled {
        id: EventId,
        answer: oneshot::Sender<()>,
    },
}

type Connecting = oneshot::Sender<Result<(), BusinessConnectError>>;

/// Work that waits for the relay's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    ProveAccount,
    ProveInbox,
    LookUp,
    Stock,
    Publish,
    Submit { message: u64 },
    Status { message: u64 },
}

/// The state and lines of a business.
pub(super) struct BusinessCore {
    pub(super) state: State,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) identity: Identity,
    pub(super) outbox: Outbox,
    pub(super) inbound: Inbound,
    pub(super) journal: Journal<Event>,
    pub(super) jobs: Jobs<Job>,
    line: Option<LineId>,
    /// For the look-up of its own certificate only.
    anonymous: Option<LineId>,
    proven: Proven,
    subscribed: bool,
    pub(super) inbox_channel: Option<Channel>,
    /// Whether what waited in the inbox when this connection began has been opened.
    pub(super) drained: bool,
    certificate_checked: bool,
    pub(super) prekeys_due: Timestamp,
    /// How many one-time prekeys to publish with the signed ones.
    pub(super) publish_wanted: Option<usize>,
    trouble: Option<Trouble>,
    connecting: Vec<Connecting>,
    told_up: Option<bool>,
    retry_at: Timestamp,
}

/// What this connection proved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Proven {
    account: bool,
    inbox: bool,
}

impl BusinessCore {
    pub(super) fn load(mut state: State, options: Options) -> Result<Self, StateError> {
        let clock = options.clock;
        let now = clock.now();
        let missing = StateError::Corrupt { table: Table::Identity.label() };
        let identity = state.read(|rows| rows.get(Table::Identity, Name::ONLY))?.ok_or(missing)?;
        let outbox = Outbox::load(&mut state, now)?;
        Ok(Self {
            state,
            clock,
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
            trouble: None,
            connecting: Vec::new(),
            told_up: None,
            retry_at: Timestamp(0),
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The business's line, if it is up, proved both keys and has room.
    pub(super) fn ready_line(&self, lines: &Lines) -> Option<LineId> {
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
        if self.trouble == Some(trouble) {
            return Ok(());
        }
        self.trouble = Some(trouble);
        let news = News::Trouble { code: trouble.number(), text: String::new() };
        let event = Stored { peer: NOBODY, at: self.now(), news };
        self.state.write(|rows| journal::push(rows, &event))
    }

    fn connect(
        &mut self,
        relay: RelayLink,
        answer: Connecting,
        lines: &mut Lines,
    ) -> Result<(), StateError> {
        self.connecting.push(answer);
        if self.identity.relay.as_ref() == Some(&relay) {
            return Ok(());
        }
        for line in self.line.take().into_iter().chain(self.anonymous.take()) {
            self.jobs.lost(line);
            self.inbound.lost(line);
            lines.shut(line);
        }
        self.connection_lost();
        self.certificate_checked = false;
        self.identity.relay = Some(relay);
        self.identity.store(&mut self.state)
    }

    fn connection_lost(&mut self) {
        self.proven = Proven::default();
        self.subscribed = false;
        self.inbox_channel = None;
        self.drained = false;
        self.publish_wanted = None;
        self.prekeys_due = Timestamp(0);
    }

    /// Opens lines, proves, subscribes: whatever the next step to a usable connection is.
    fn keep_connected(&mut self, lines: &mut Lines) {
        let Some(relay) = self.identity.relay.clone() else { return };
        if self.now() < self.retry_at {
            return;
        }
        self.check_certificate(&relay, lines);
        let line = *self.line.get_or_insert_with(|| lines.open(&relay));
        if !lines.is_up(line) {
            return;
        }
        if !self.proven.account {
            if !self.jobs.has(&Job::ProveAccount) {
                let account = Proving::Account(self.identity.account.clone());
                self.jobs.prove(lines, line, Job::ProveAccount, account);
                let inbox = Proving::Inbox(self.identity.inbox.clone());
                self.jobs.prove(lines, line, Job::ProveInbox, inbox);
            }
        } else if self.proven.inbox && !self.subscribed {
            self.subscribed = true;
            lines.ask(line, Ask::Subscribe(self.identity.inbox.public()));
        }
    }

    /// Looks its own certificate up, as a person would, once for each opening.
    fn check_certificate(&mut self, relay: &RelayLink, lines: &mut Lines) {
        if self.certificate_checked {
            if let Some(line) = self.anonymous.take() {
                lines.shut(line);
            }
            return;
        }
        let line = *self.anonymous.get_or_insert_with(|| lines.open(relay));
        if lines.is_up(line) && !self.jobs.has(&Job::LookUp) {
            let handle = self.identity.handle.clone();
            self.jobs.ask(lines, line, Job::LookUp, ClientFrame::LookUp { handle });
        }
    }

    fn looked_up(&mut self, frame: RelayFrame) -> Result<(), StateError> {
        let found = match frame {
            RelayFrame::Certified { authority, certificate } => {
                let genuine = self.identity.relay.as_ref().map(|relay| relay.authority);
                if Some(Pin::of_authority(&authority)) == genuine {
                    self.believe(&authority, certificate)
                } else {
                    Err(Trouble::WrongAuthority)
                }
            }
            RelayFrame::Refused(refusal) => Err(Trouble::Refused(refusal.code)),
            _ => Err(Trouble::BadCertificate),
        };
        match found {
            Ok(()) => {
                self.certificate_checked = true;
                Ok(())
            }
            Err(trouble) => self.trouble(trouble),
        }
    }

    /// Checks the relay's certificate, and the installed one under the same authority.
    fn believe(
        &self,
        authority: &plico_protocol::id::AuthorityKey,
        certificate: Certificate,
    ) -> Result<(), Trouble> {
        let installed = self.identity.certificate.clone();
        for certificate in [Some(certificate), installed].into_iter().flatten() {
            let verified = certificate.verify(authority)?;
            if verified.body().keys != self.identity.keys() {
                return Err(Trouble::OtherKeys);
            }
            verified.valid_at(self.now().hour())?;
        }
        Ok(())
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
            Job::Submit { message } => self.submitted(message, &frame)?,
            Job::Status { message } => {
                let now = self.now();
                self.outbox.status(&mut self.state, message, &frame, now)?;
            }
        }
        self.ready();
        Ok(())
    }

    /// Answers who waits for a usable connection: subscribed, prekeys published, certified.
    fn ready(&mut self) {
        let publishing = self.jobs.has(&Job::Publish) || self.publish_wanted.is_some();
        let stocked = Timestamp(0) < self.prekeys_due && !publishing;
        if self.certificate_checked && self.inbox_channel.is_some() && stocked {
            self.trouble = None;
            for connecting in self.connecting.drain(..) {
                let _ = connecting.send(Ok(()));
            }
        }
    }

    fn line_down(&mut self, line: LineId, error: ConnectError) {
        self.jobs.lost(line);
        self.inbound.lost(line);
        for connecting in self.connecting.drain(..) {
            let _ = connecting.send(Err(BusinessConnectError::Connect(error.clone())));
        }
        if self.line == Some(line) {
            self.connection_lost();
            if self.told_up != Some(false) {
                self.told_up = Some(false);
                self.journal.pass(Event::Disconnected(error));
            }
        }
    }

    fn customers(&mut self) -> Result<Vec<Customer>, StateError> {
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

    fn notice(&mut self, notice: Notice) -> Result<(), StateError> {
        match notice {
            Notice::PrekeysLow { .. } => {
                self.prekeys_due = Timestamp(0);
                Ok(())
            }
            Notice::CertificateEnds { hours } => {
                self.trouble(Trouble::CertificateEnds { hours })?;
                // It still holds: nothing stops meanwhile.
                self.retry_at = Timestamp(0);
                Ok(())
            }
        }
    }

    fn ended(&mut self, channel: Channel, reason: EndReason) -> Result<(), StateError> {
        if self.inbox_channel != Some(channel) {
            return Ok(());
        }
        self.inbox_channel = None;
        self.trouble(match reason {
            EndReason::TakenOver => Trouble::TakenOver,
            EndReason::Closed => Trouble::Refused(Code::NotCertified),
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
                self.identity.certificate = Some(certificate);
                self.identity.store(&mut self.state)?;
                (self.certificate_checked, self.retry_at) = (false, Timestamp(0));
                let _ = answer.send(());
            }
            Command::Connect { relay, answer } => {
                self.retry_at = Timestamp(0);
                self.connect(*relay, answer, lines)?;
                self.ready();
            }
            Command::Link { reference, answer } => {
                let _ = answer.send(self.link(reference));
            }
            Command::Send { customer, message, category, answer } => {
                let _ = answer.send(self.send(customer, *message, category)?);
            }
            Command::State { id, answer } => {
                let _ = answer.send(self.outbox.state_of(id));
            }
            Command::Customers { answer } => {
                let _ = answer.send(self.customers()?);
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
            }
            LineEvent::Delivered(delivery) => self.delivered(line, &delivery)?,
            LineEvent::Drained => {
                self.drained = true;
                self.forget_prekeys()?;
                self.forget_sessions()?;
            }
            LineEvent::Ended { channel, reason } => self.ended(channel, reason)?,
            LineEvent::Notice(notice) => self.notice(notice)?,
        }
        Ok(())
    }

    fn advance(&mut self, lines: &mut Lines) -> Result<Option<Timestamp>, StateError> {
        self.inbound.send(lines);
        self.keep_connected(lines);
        self.tend_prekeys(lines);
        self.publish(lines)?;
        self.seal_waiting(lines)?;
        self.submit_sealed(lines)?;
        self.journal.hand_out(&mut self.state, show)?;
        let now = self.now();
        let due = [self.retry_at, self.prekeys_due].into_iter().filter(|at| now < *at);
        Ok(due.chain(self.outbox.wake(now)).min())
    }

    fn close(&mut self) -> Result<(), StateError> {
        self.state.checkpoint()
    }
}

impl BusinessCore {
    /// Forgets sessions that were replaced and received nothing for 30 days.
    fn forget_sessions(&mut self) -> Result<(), StateError> {
        let old = self.now().hour().minus(plico_protocol::limits::RETENTION_HOURS);
        self.state.write(|rows| {
            let customers = rows.ordered::<CustomerRecord>(Table::Customer)?;
            let current: Vec<_> =
                customers.into_iter().map(|(id, customer)| (id, customer.session)).collect();
            rows.delete_where::<SessionRecord>(Table::Session, |session| {
                let kept = plico_endpoint::session::BusinessSession::from_bytes(&session.bytes)
                    .is_ok_and(|s| current.contains(&(session.customer, s.id())));
                !kept && session.received < old
            })
        })
    }
}

/// Makes a stored event the application's; none for what it need not see.
fn show(event: EventId, stored: Stored) -> Option<Event> {
    let Stored { peer, at, news } = stored;
    let customer = CustomerId(peer);
    Some(match news {
        News::Message { content, category: _ } => {
            let content = Content::decode(&content).ok()?;
            if content.body == Body::Renewal {
                return None;
            }
            Event::Message(Box::new(CustomerMessage { event, customer, content, at }))
        }
        News::State { id, state } => Event::Sent { event, customer, id, state },
        News::Window { until } => {
            let free_until = (until != Minute(0)).then_some(until);
            Event::Consent { event, customer, free_until }
        }
        News::Trouble { code, text: _ } => {
            Event::Trouble { event, trouble: Trouble::from_number(code)? }
        }
        News::KeyChanged | News::SessionLost => return None,
    })
}

/// The peer of events that are nobody's.
const NOBODY: u64 = 0;
/// How long to wait after what an operator must put right.
const TROUBLE_MS: u64 = 60_000;
