//! A program that answers: each message goes to its standard input as a JSON line, and what it
//! prints is sent.
//!
//! One event at a time, at least once: the program has it until it prints `{"handled":EVENT}`. Its
//! answers and the event's end are then stored in one step. A program that ends before is started
//! again, later each time, and is told the same event again under the same `event` and `id`, with
//! `attempt` one higher; the answers it printed before are forgotten, so none goes out twice.

mod line;
mod reader;

pub(super) use line::{About, BadLine, Line};

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::Instant;

use reader::LineReader;

/// A program that is started, and started again when it ends.
pub(super) struct Program {
    name: OsString,
    arguments: Vec<OsString>,
    stage: Stage,
    /// How often in a row it ended without having handled anything.
    ended: u32,
}

enum Stage {
    Waiting { until: Instant },
    Running(Box<Running>),
}

struct Running {
    child: Child,
    input: mpsc::Sender<String>,
    output: LineReader<ChildStdout>,
}

/// What a program did.
#[derive(Debug)]
pub(super) enum Did {
    /// It runs, and knows of no event.
    Started,
    /// It printed a line.
    Said(Result<Line, BadLine>),
    /// It ended, and starts again after this time.
    Ended { why: Ended, again: Duration },
}

/// How it ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("the program ended ({0})")]
    Exit(ExitStatus),
    #[error("the program closed its output and did not end; it was killed")]
    Killed,
    #[error("the program cannot be started ({0}); check its name, path and rights")]
    NotStarted(std::io::Error),
}

impl Program {
    /// A program that [`Self::next`] starts.
    pub(super) fn new(name: OsString, arguments: Vec<OsString>) -> Self {
        Self { name, arguments, stage: Stage::Waiting { until: Instant::now() }, ended: 0 }
    }

    /// Tells it something. What it does not take, because it is ending, it is told again when it
    /// starts.
    pub(super) fn tell(&self, line: String) {
        if let Stage::Running(running) = &self.stage {
            let _ = running.input.try_send(line);
        }
    }

    /// Notes that it did its work, or is rid of it: a next start need not wait long.
    pub(super) fn worked(&mut self) {
        self.ended = 0;
        if let Stage::Waiting { until } = &mut self.stage {
            *until = (*until).min(Instant::now() + AGAIN_MIN);
        }
    }

    /// Waits for what it does next. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Did {
        match &mut self.stage {
            Stage::Waiting { until } => {
                tokio::time::sleep_until(*until).await;
                match self.start() {
                    Ok(stage) => {
                        self.stage = stage;
                        Did::Started
                    }
                    Err(error) => self.ended(Ended::NotStarted(error)),
                }
            }
            Stage::Running(running) => {
                let Running { child, output, .. } = running.as_mut();
                if let Ok(Some(line)) = output.next().await {
                    return Did::Said(line.and_then(|line| Line::parse(&line)));
                }
                let why = match tokio::time::timeout(END_PATIENCE, child.wait()).await {
                    Ok(Ok(status)) => Ended::Exit(status),
                    Ok(Err(_)) | Err(_) => {
                        // If it is gone already, that is what was wanted.
                        let _ = child.start_kill();
                        Ended::Killed
                    }
                };
                self.ended(why)
            }
        }
    }

    /// Closes its input and waits until it ended; kills one that does not.
    pub(super) async fn stop(self) {
        let Stage::Running(running) = self.stage else { return };
        let Running { mut child, input, output: _ } = *running;
        drop(input);
        if tokio::time::timeout(END_PATIENCE, child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
    }

    fn start(&self) -> std::io::Result<Stage> {
        let mut command = Command::new(&self.name);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        // A group of its own: Ctrl-C is for us, and we close its input.
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        };
        let (input, mut told) = mpsc::channel::<String>(TOLD_MAX);
        tokio::spawn(async move {
            while let Some(line) = told.recv().await {
                if stdin.write_all(line.as_bytes()).await.is_err() {
                    break;
                }
            }
        });
        Ok(Stage::Running(Box::new(Running { child, input, output: LineReader::new(stdout) })))
    }

    fn ended(&mut self, why: Ended) -> Did {
        let again = AGAIN_MIN.saturating_mul(1 << self.ended.min(AGAIN_DOUBLINGS));
        self.ended = self.ended.saturating_add(1);
        self.stage = Stage::Waiting { until: Instant::now() + again };
        Did::Ended { why, again }
    }
}

/// More than one event is never on its way to it.
const TOLD_MAX: usize = 4;
const END_PATIENCE: Duration = Duration::from_secs(5);
const AGAIN_MIN: Duration = Duration::from_millis(250);
/// From a quarter of a second to about a minute.
const AGAIN_DOUBLINGS: u32 = 8;
