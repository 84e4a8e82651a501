//! `serve`: the business at work. Prints what it is told and answers by rules or by a program,
//! until it is told to stop.
//!
//! An event is printed, then answered and ended in one step of the state. So after a crash nothing
//! is answered twice or left out; and what was printed already is known by [`Shown`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use plico_client::{
    Body, Business, BusinessConnectError, BusinessEvent, BusinessTrouble, Category, Code, Customer,
    CustomerId, CustomerMessage, EventId, Message, RelayLink,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::dates;
use super::pipe::{About, Did, Ended, Line, Program};
use super::printer::Printer;
use super::rules::{Asked, Budget, Rules, Said, Spent};
use super::shown::{Before, Shown};
use super::socket::Socket;
use super::told;
use crate::failure::Failure;

/// Who answers.
pub(super) enum Answering {
    /// Nobody but the operator, by `plico business send`.
    Nobody,
    /// A file of rules.
    Rules { path: PathBuf, rules: Box<Rules> },
    /// A program.
    Program { program: Program, states: bool },
}

/// The business at work.
pub(super) struct Serve {
    pub(super) business: Arc<Business>,
    pub(super) answering: Answering,
    pub(super) printer: Printer,
    pub(super) shown: Shown,
    budget: Budget,
    /// What the program has not handled yet.
    given: Option<Given>,
}

/// An event that a program has.
struct Given {
    event: EventId,
    customer: CustomerId,
    told: serde_json::Value,
    /// When to say that it takes long; none once it was said.
    slow_at: Option<Instant>,
    attempt: u32,
    answers: Vec<(CustomerId, Message, Category)>,
}

/// What happened next.
enum Next {
    Told(Box<BusinessEvent>),
    Did(Did),
    /// The program has an event for long.
    Slow,
    Reload,
    Stop,
}

/// The signals that `serve` takes. Made first: one that comes while it starts must count, too.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    reload: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::no_runtime(&error));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            reload: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for the first signal to stop.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => (),
            _ = self.terminate.recv() => (),
        }
    }
}

impl Serve {
    pub(super) fn new(
        business: Arc<Business>,
        answering: Answering,
        json: bool,
        state: &Path,
    ) -> Self {
        Self {
            business,
            answering,
            printer: Printer::new(json),
            shown: Shown::open(state),
            budget: Budget::default(),
            given: None,
        }
    }

    /// Works until told to stop.
    pub(super) async fn run(
        &mut self,
        relay: RelayLink,
        socket: &Socket,
        signals: &mut Signals,
    ) -> Result<(), Failure> {
        let business = Arc::clone(&self.business);
        let connecting = connect(&business, &relay, self.printer);
        let listening = socket.listen(&business);
        let mut connecting = core::pin::pin!(connecting);
        let mut listening = core::pin::pin!(listening);
        let mut connected = false;
        loop {
            tokio::select! {
                ready = &mut connecting, if !connected => {
                    connected = true;
                    ready?;
                }
                never = &mut listening => match never {},
                next = self.next(signals) => match next? {
                    Next::Told(event) => self.told(*event).await?,
                    Next::Did(did) => self.did(did).await?,
                    Next::Slow => self.slow(),
                    Next::Reload => self.reload(),
                    Next::Stop => return Ok(()),
                },
            }
        }
    }

    /// Ends the program and gives the business back to be closed.
    pub(super) async fn end(self) -> Arc<Business> {
        if let Answering::Program { program, .. } = self.answering {
            program.stop().await;
        }
        self.business
    }

    async fn next(&mut self, signals: &mut Signals) -> Result<Next, Failure> {
        let free = self.given.is_none();
        let slow_at = self.given.as_ref().and_then(|given| given.slow_at);
        let did = async {
            match &mut self.answering {
                Answering::Program { program, .. } => program.next().await,
                Answering::Nobody | Answering::Rules { .. } => core::future::pending().await,
            }
        };
        let stop = async {
            tokio::select! {
                _ = signals.interrupt.recv() => (),
                _ = signals.terminate.recv() => (),
            }
        };
        tokio::select! {
            () = stop => Ok(Next::Stop),
            _ = signals.reload.recv() => Ok(Next::Reload),
            did = did => Ok(Next::Did(did)),
            () = sleep_until(slow_at.unwrap_or_else(Instant::now)), if slow_at.is_some() => Ok(Next::Slow),
            event = self.business.next_event(), if free => {
                Ok(Next::Told(Box::new(event?)))
            }
        }
    }

    /// Prints an event and has it answered.
    async fn told(&mut self, event: BusinessEvent) -> Result<(), Failure> {
        let customer = match customer_of(&event) {
            Some(id) => self.business.customer(id).await?,
            None => None,
        };
        let told = told::json(&event, customer.as_ref());
        let before = self.shown.begin(&told);
        if before != Before::Shown {
            let again = before == Before::Perhaps;
            self.printer.event(&event, &told, customer.as_ref(), again)?;
            self.shown.printed(&told);
        }
        match &self.answering {
            Answering::Program { states, .. } => {
                let message = matches!(event, BusinessEvent::Message(_));
                let of_customer = event.id().zip(customer.as_ref().map(|customer| customer.id));
                if let Some((event, customer)) = of_customer
                    && (message || *states)
                {
                    let slow_at = Some(Instant::now() + SLOW);
                    let answers = Vec::new();
                    self.given =
                        Some(Given { event, customer, told, slow_at, attempt: 1, answers });
                    self.give();
                }
                Ok(())
            }
            Answering::Rules { .. } => match event {
                BusinessEvent::Message(message) => self.answer(&message, customer.as_ref()).await,
                _ => Ok(()),
            },
            Answering::Nobody => Ok(()),
        }
    }

    /// Answers a message by the rules.
    async fn answer(
        &mut self,
        message: &CustomerMessage,
        customer: Option<&Customer>,
    ) -> Result<(), Failure> {
        let Answering::Rules { path, rules } = &self.answering else { return Ok(()) };
        let said = match &message.content.body {
            Body::Text(text) => Said::Text(text),
            Body::Answer(answer) => Said::Button(&answer.choice),
            // Nothing was asked; and what answers itself never ends.
            _ => return Ok(()),
        };
        let name = customer.and_then(|customer| customer.profile_name.as_deref());
        let reference = message.content.reference.as_deref();
        let now = Timestamp::now();
        let asked = Asked { first: message.first, said, name, reference };
        let Some(reply) = rules.reply(&asked, now) else { return Ok(()) };
        match self.budget.take(message.customer.0, rules.answers_per_day, now) {
            Spent::Taken => (),
            Spent::Now => {
                self.printer.note(&format!(
                    "customer {} had {} automatic answers today; what comes now is left to people",
                    message.customer.0, rules.answers_per_day
                ));
                return Ok(());
            }
            Spent::Before => return Ok(()),
        }
        let answers = vec![(message.customer, reply.message(), reply.category)];
        match self.business.answer(message.event, answers).await {
            Ok(ids) => {
                self.printer.answered(message.event, message.customer, &ids, Some(&reply))?;
            }
            Err(error) => self.printer.note(&format!(
                "customer {} was not answered by {}, line {}: {error}",
                message.customer.0,
                path.display(),
                reply.line
            )),
        }
        Ok(())
    }

    /// Tells the program the event that is its to handle.
    fn give(&self) {
        if let (Answering::Program { program, .. }, Some(given)) = (&self.answering, &self.given) {
            let mut told = given.told.clone();
            if let Some(told) = told.as_object_mut() {
                told.insert("attempt".to_owned(), given.attempt.into());
            }
            program.tell(format!("{told}\n"));
        }
    }

    /// Takes what the program did.
    async fn did(&mut self, did: Did) -> Result<(), Failure> {
        match did {
            Did::Started => self.give(),
            Did::Said(Ok(line)) => self.said(line).await?,
            Did::Said(Err(error)) => {
                self.printer.note(&format!("a line of the program is skipped: {error}"))
            }
            Did::Ended { why, .. } if self.is_deadly(&why) => self.set_aside(&why).await?,
            Did::Ended { why, again } => {
                let given = self.given.as_mut().map(|given| {
                    // One that cannot be started was told nothing, so the event is not to blame.
                    let died = !matches!(why, Ended::NotStarted(_));
                    given.attempt = given.attempt.saturating_add(u32::from(died));
                    given.slow_at = Some(Instant::now() + SLOW);
                    given.answers.clear();
                    format!(" and is told event {} again", given.event.0)
                });
                let again = again.as_secs_f32();
                self.printer.note(&format!(
                    "{why}; it starts again in {again} s{}",
                    given.unwrap_or_default()
                ));
            }
        }
        Ok(())
    }

    fn slow(&mut self) {
        if let Some(given) = &mut self.given {
            given.slow_at = None;
            self.printer.note(&format!(
                "customer {} waits: the program has event {} for {} s and did not say that it is \
                 handled; the next is told after that",
                given.customer.0,
                given.event.0,
                SLOW.as_secs()
            ));
        }
    }

    /// Whether the program died of the event that it has as often as it may.
    fn is_deadly(&self, why: &Ended) -> bool {
        let attempt = self.given.as_ref().map_or(0, |given| given.attempt);
        ATTEMPTS_MAX <= attempt && !matches!(why, Ended::NotStarted(_))
    }

    /// Ends an event without an answer, so that other customers are served.
    async fn set_aside(&mut self, why: &Ended) -> Result<(), Failure> {
        let Some(given) = self.given.take() else { return Ok(()) };
        // Kept before it is told: who reads of it finds it.
        self.shown.set_aside(&given.told);
        self.printer.set_aside(&given.told, given.attempt)?;
        self.printer.note(&format!(
            "{why}, {} times with event {} of customer {}, which is set aside: answer it by hand",
            given.attempt, given.event.0, given.customer.0
        ));
        match self.business.answer(given.event, Vec::new()).await {
            Ok(_) => (),
            Err(error) => self.printer.note(&error.to_string()),
        }
        if let Answering::Program { program, .. } = &mut self.answering {
            program.worked();
        }
        Ok(())
    }

    /// Does what a line of the program says.
    async fn said(&mut self, line: Line) -> Result<(), Failure> {
        let Line { about, customer, message } = line;
        let (About::Handled(event) | About::Answers(event)) = about else {
            return self.say(customer, message).await;
        };
        let Some(given) = self.given.as_mut().filter(|given| given.event.0 == event) else {
            self.printer.note(&format!(
                "a line of the program is skipped: it has no event {event} to handle"
            ));
            return Ok(());
        };
        if let Some((message, category)) = message {
            let customer = customer.map_or(given.customer, CustomerId);
            if given.answers.len() == ANSWERS_MAX {
                self.printer.note(&format!(
                    "an answer is skipped: event {event} has {ANSWERS_MAX} already"
                ));
            } else if self.business.customer(customer).await?.is_none() {
                self.printer
                    .note(&format!("an answer is skipped: there is no customer {}", customer.0));
            } else {
                given.answers.push((customer, message, category));
            }
        }
        if about == About::Answers(event) {
            return Ok(());
        }
        let Some(given) = self.given.take() else { return Ok(()) };
        match self.business.answer(given.event, given.answers).await {
            Ok(ids) => self.printer.answered(given.event, given.customer, &ids, None)?,
            Err(error) => self.printer.note(&error.to_string()),
        }
        if let Answering::Program { program, .. } = &mut self.answering {
            program.worked();
        }
        Ok(())
    }

    /// Sends what the program says unasked.
    async fn say(
        &self,
        customer: Option<u64>,
        message: Option<(Message, Category)>,
    ) -> Result<(), Failure> {
        let Some((customer, (message, category))) = customer.map(CustomerId).zip(message) else {
            return Ok(());
        };
        match self.business.send(customer, message, category).await {
            Ok(id) => self.printer.sent(customer, id)?,
            Err(error) => {
                self.printer.note(&format!("a line of the program is skipped: {}", error))
            }
        }
        Ok(())
    }

    /// Reads the rules again; a file with a mistake changes nothing.
    fn reload(&mut self) {
        let Answering::Rules { path, rules } = &mut self.answering else { return };
        match super::read_rules(path) {
            Ok(read) => {
                let (count, buttons) = read.counts();
                **rules = read;
                self.printer.note(&format!("{count} rules and {buttons} buttons are read again"));
            }
            Err(failure) => self.printer.note(&format!("the rules stay as they were:\n{failure}")),
        }
    }
}

/// Says when the business can be reached for the first time, and until then why it cannot.
async fn connect(business: &Business, relay: &RelayLink, printer: Printer) -> Result<(), Failure> {
    let mut told = String::new();
    while let Err(error) = business.connect(relay).await {
        let why = error.to_string();
        if why != told {
            let renew = match error {
                BusinessConnectError::Trouble(
                    BusinessTrouble::CertificateNotValid
                    | BusinessTrouble::Refused(Code::CertificateExpired),
                ) => format!("; to renew it: {}", dates::RENEW),
                _ => String::new(),
            };
            printer.note(&format!("not reachable yet, trying again: {why}{renew}"));
            told = why;
        }
        // The agent tries on its own; asking it again makes it try at once, so not too often.
        tokio::time::sleep(AGAIN).await;
    }
    match business.link(None).await {
        Ok(link) => printer.ready(&link.to_string()),
        Err(error) => {
            printer.note(&error.to_string());
            Ok(())
        }
    }
}

fn customer_of(event: &BusinessEvent) -> Option<CustomerId> {
    match event {
        BusinessEvent::Message(message) => Some(message.customer),
        BusinessEvent::Consent { customer, .. }
        | BusinessEvent::Sent { customer, .. }
        | BusinessEvent::Delayed { customer, .. }
        | BusinessEvent::Settled { customer, .. }
        | BusinessEvent::Released { customer, .. } => Some(*customer),
        _ => None,
    }
}

/// What a person who wrote notices.
const SLOW: Duration = Duration::from_secs(10);
/// Half a minute of starting again.
const ATTEMPTS_MAX: u32 = 8;
const AGAIN: Duration = Duration::from_secs(5);
/// Answers of one event that a program may print.
const ANSWERS_MAX: usize = 16;
