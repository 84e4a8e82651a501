//! A relay inside this program, with a clock that jumps: what expires after 30 days is measured in
//! seconds. It is a process of its own, so that its processor time is its own.
//!
//! This program, built with the feature `unmetered`, has a relay that charges nothing; the program
//! `plico-relay` does not compile with that feature.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plico_protocol::time::Timestamp;
use plico_relay::clock::{Clock, SystemClock};
use plico_relay::config::Config;
use plico_relay::{Options, Relay};
use tempfile::TempDir;

use crate::failure::Failure;
use crate::process::Process;
use crate::relay::{self, home};

/// The process and how it is told what to do.
#[derive(Debug)]
pub(crate) struct Served {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    relay: relay::Relay,
    _home: TempDir,
}

/// The machine's clock, and what it was put forward by.
#[derive(Debug, Default)]
struct Ahead(AtomicU64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0 + self.0.load(Ordering::SeqCst))
    }
}

/// Serves until standard input ends: a number on a line puts the clock forward by so many hours and
/// has everything done that is due.
pub(crate) async fn serve(config: &Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(config).map_err(Failure::system("the settings"))?;
    let config = Config::parse(&text).map_err(Failure::application)?;
    let clock = Arc::new(Ahead::default());
    let options = Options { clock: clock.clone(), ..Options::default() };
    let relay = Relay::start(config, options).await.map_err(Failure::application)?;
    say(&relay.link().to_string())?;
    let (orders, mut told) = tokio::sync::mpsc::channel(1);
    let read = move || {
        let lines = std::io::stdin().lines().map_while(Result::ok);
        lines.take_while(|line| orders.blocking_send(line.clone()).is_ok()).for_each(drop);
    };
    std::thread::spawn(read);
    while let Some(hours) = told.recv().await.and_then(|line| line.trim().parse::<u64>().ok()) {
        clock.0.fetch_add(hours * 3_600_000, Ordering::SeqCst);
        relay.tick().await;
        say("done")?;
    }
    relay.shutdown().await.map_err(Failure::application)
}

fn say(line: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout();
    writeln!(output, "{line}").map_err(Failure::system("standard output"))
}

impl Served {
    /// Spawns `program`, which is this one or another build of it.
    pub(crate) fn spawn(program: &Path, place: &Path) -> Result<Self, Failure> {
        let home = home(place)?;
        let (config, file) = relay::configured(home.path(), relay::unlimited())?;
        let failed = |why: String| Failure::Start { program: program.to_owned(), why };
        let mut command = Command::new(program);
        command.arg("relay").arg(file).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let (orders, output) = (child.stdin.take(), child.stdout.take());
        let output = output.ok_or_else(|| failed("it has no output".to_owned()))?;
        let mut answers = BufReader::new(output);
        let link =
            line(&mut answers)?.parse().map_err(|_| failed("it did not begin".to_owned()))?;
        let (data, keys) = (config.data_dir, config.keys_dir);
        let relay = relay::Relay::running(link, child.id(), data, keys, place)?;
        Ok(Self { child, orders, answers, relay, _home: home })
    }

    /// What everybody else sees of it.
    pub(crate) fn relay(&self) -> &relay::Relay {
        &self.relay
    }

    /// Its process.
    pub(crate) fn process(&self) -> Process {
        self.relay.process()
    }

    /// Puts its clock forward and waits until what is due is done.
    pub(crate) fn pass(&mut self, hours: u32) -> Result<(), Failure> {
        let orders = self.orders.as_mut().ok_or_else(|| Failure::Wrong("it ended".to_owned()))?;
        writeln!(orders, "{hours}").map_err(Failure::system("the relay"))?;
        match line(&mut self.answers)?.as_str() {
            "done" => Ok(()),
            other => Err(Failure::Wrong(format!("it said `{other}`"))),
        }
    }

    /// Ends it in order, so that what watches it can report.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        self.orders = None;
        self.child.wait().map(drop).map_err(Failure::system("the relay did not end"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Fails only where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line(answers: &mut BufReader<ChildStdout>) -> Result<String, Failure> {
    let mut line = String::new();
    answers.read_line(&mut line).map_err(Failure::system("the relay"))?;
    Ok(line.trim().to_owned())
}
