//! The task behind a [`Person`](crate::Person) or [`Business`](crate::Business): it alone owns the
//! state and the lines.
//!
//! A core computes: a command, a report of a line or the passing of time goes in, rows and asks
//! come out. It never waits. The loop here waits, for whichever comes first. SQLite is called in
//! the loop, so a transaction delays the next event and nothing overtakes it.
//!
//! Shared by both cores: [`lines`] and [`jobs`] (who asked what where), [`outgoing`] and
//! [`outbox`] (messages on their way out), [`inbound`] (envelopes dealt with and not yet acknowledged), [`journal`] (events
//! the application has not handled), [`history`] (what was said).

pub(crate) mod history;
pub(crate) mod inbound;
pub(crate) mod jobs;
pub(crate) mod journal;
pub(crate) mod lines;
pub(crate) mod outbox;
pub(crate) mod outgoing;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use plico_protocol::time::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::connection::{LineEvent, LineId, Options, Report};
use crate::state::StateError;
use lines::Lines;

/// The agent has stopped: it was closed, or its state failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// `close` was called, or the last handle was dropped.
    #[error("this was closed; open the state again to go on")]
    Closed,
    /// The state could not be read or written. What was accepted before is safe; nothing was
    /// acknowledged that was not stored.
    #[error("stopped, because the state failed: {0}")]
    State(String),
}

/// What an agent computes with.
pub(crate) trait Core: Send + 'static {
    /// A wish of the application.
    type Command: Send + 'static;

    /// Takes a wish.
    fn command(&mut self, command: Self::Command, lines: &mut Lines) -> Result<(), StateError>;

    /// Takes a report.
    fn report(
        &mut self,
        line: LineId,
        event: LineEvent,
        lines: &mut Lines,
    ) -> Result<(), StateError>;

    /// Does what can be done now, and says when there will be more to do.
    fn advance(&mut self, lines: &mut Lines) -> Result<Option<Timestamp>, StateError>;

    /// Called last.
    fn close(&mut self) -> Result<(), StateError>;
}

/// The application's end of an agent. Clones talk to the same one; it stops with the last.
pub(crate) struct Handle<C> {
    requests: mpsc::Sender<Request<C>>,
    fate: Arc<OnceLock<Stopped>>,
}

enum Request<C> {
    Command(C),
    NetworkChanged,
    Close(oneshot::Sender<()>),
}

impl<C: Send + 'static> Handle<C> {
    /// Starts an agent.
    pub(crate) fn start<K: Core<Command = C>>(core: K, options: Options) -> Self {
        let (requests, mut requested) = mpsc::channel(REQUESTS_MAX);
        let fate = Arc::new(OnceLock::new());
        let told = Arc::clone(&fate);
        let _task: JoinHandle<()> = tokio::spawn(async move {
            let (closing, stopped) = match run(core, &mut requested, options).await {
                Ok(closing) => (closing, Stopped::Closed),
                Err(error) => (None, Stopped::State(error.to_string())),
            };
            let _ = told.set(stopped);
            // Only now does whoever asks to close it learn that it is gone, and why.
            drop((requested, closing));
        });
        Self { requests, fate }
    }

    /// Sends a command that carries where its answer goes, and waits for the answer.
    pub(crate) async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> C,
    ) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Command(command(answer));
        self.requests.send(request).await.map_err(|_| self.stopped())?;
        match answered.await {
            Ok(answer) => Ok(answer),
            Err(_) => {
                // An agent whose state fails drops the answer first and tells why at its end.
                self.requests.closed().await;
                Err(self.stopped())
            }
        }
    }

    /// Tells the lines that the network changed.
    pub(crate) async fn network_changed(&self) -> Result<(), Stopped> {
        self.requests.send(Request::NetworkChanged).await.map_err(|_| self.stopped())
    }

    /// Stops the agent and waits until its connections and its state are closed.
    pub(crate) async fn close(&self) -> Result<(), Stopped> {
        let (answer, answered) = oneshot::channel();
        // An agent that is gone has closed already; whether it failed is what matters.
        let _ = self.requests.send(Request::Close(answer)).await;
        let _ = answered.await;
        match self.stopped() {
            Stopped::Closed => Ok(()),
            failed @ Stopped::State(_) => Err(failed),
        }
    }

    fn stopped(&self) -> Stopped {
        self.fate.get().cloned().unwrap_or(Stopped::Closed)
    }
}

impl<C> Clone for Handle<C> {
    fn clone(&self) -> Self {
        Self { requests: self.requests.clone(), fate: Arc::clone(&self.fate) }
    }
}

impl<C> core::fmt::Debug for Handle<C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Handle(…)")
    }
}

/// Runs until closed; gives back who asked for it, to be told once everything is gone.
async fn run<K: Core>(
    mut core: K,
    requests: &mut mpsc::Receiver<Request<K::Command>>,
    options: Options,
) -> Result<Option<oneshot::Sender<()>>, StateError> {
    let clock = Arc::clone(&options.clock);
    let (reports, mut reported) = mpsc::channel(REPORTS_MAX);
    let mut lines = Lines::new(options, reports);
    let worked = loop {
        let wake = match core.advance(&mut lines) {
            Ok(wake) => wake,
            Err(error) => break Err(error),
        };
        // Every choice here and in the lines has a fixed order, so that a simulation replays.
        let worked = tokio::select! {
            biased;
            request = requests.recv() => match request {
                None => break Ok(None),
                Some(Request::Close(answer)) => break Ok(Some(answer)),
                Some(Request::NetworkChanged) => {
                    lines.network_changed();
                    Ok(())
                }
                Some(Request::Command(command)) => core.command(command, &mut lines),
            },
            Some(report) = reported.recv() => {
                take_reports(&mut core, &mut lines, report, &mut reported)
            }
            () = tokio::time::sleep(until(wake, clock.now())) => Ok(()),
        };
        if let Err(error) = worked {
            break Err(error);
        }
    };
    // Lines first: reports that still wait are dropped, so the relay delivers them again.
    drop(reported);
    lines.close().await;
    let closed = core.close();
    drop(core);
    worked.and_then(|closing| closed.map(|()| closing))
}

/// Takes a report and what waits behind it, so that one acknowledgement covers them all.
fn take_reports<K: Core>(
    core: &mut K,
    lines: &mut Lines,
    first: Report,
    more: &mut mpsc::Receiver<Report>,
) -> Result<(), StateError> {
    let mut next = Some(first);
    let mut left = REPORTS_MAX;
    while let Some(report) = next {
        if let Some((line, event)) = lines.note(report) {
            core.report(line, event, lines)?;
        }
        left -= 1;
        next = if left == 0 { None } else { more.try_recv().ok() };
    }
    Ok(())
}

/// How long to sleep. At most a minute, because an adjustable clock may jump meanwhile.
fn until(wake: Option<Timestamp>, now: Timestamp) -> Duration {
    let wait = wake.map_or(WAKE_MS_MAX, |wake| wake.0.saturating_sub(now.0));
    Duration::from_millis(wait.clamp(1, WAKE_MS_MAX))
}

const REQUESTS_MAX: usize = 64;
const REPORTS_MAX: usize = 64;
const WAKE_MS_MAX: u64 = 60_000;
