//! A business's folder and its `plico` processes.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::process::{Home, RelayProcess};
use crate::harness::program::Program;

/// Where a business keeps its state.
pub(crate) struct Shop {
    directory: TempDir,
    /// How many days later than it is its programs run.
    pub(crate) days: u32,
}

/// A `serve` that runs. Killed on drop.
pub(crate) struct Serving {
    program: Program,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), days: 0 }
    }

    /// A business that was certified and told its relay, as its own help text tells.
    pub(crate) fn open(home: &Home, relay: &RelayProcess) -> Self {
        Self::certified(home, &["--relay", &relay.link()])
    }

    /// A business that was certified; with what else to say when its certificate is installed.
    pub(crate) fn certified(home: &Home, installing: &[&str]) -> Self {
        let shop = Self::new();
        shop.run(&["init", "--handle", "bank", "--name", "The bank", "--domain", "bank.example"]);
        let request = shop.path("bank.request");
        let certificate = shop.path("bank.certificate");
        let (request, out) = (request.to_str().unwrap(), certificate.to_str().unwrap());
        home.run(&["business", "verify", request, "--checked", "dns", "--out", out]);
        shop.run(&[&["install-certificate", "bank.certificate"], installing].concat());
        shop
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Runs `plico business …` to its end, good or bad.
    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The same where it must end well; gives what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same where it must fail with this status; gives its complaint.
    pub(crate) fn fail(&self, arguments: &[&str], status: i32) -> String {
        let output = self.output(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {errors}");
        errors
    }

    /// Starts `plico business …` and lets it run.
    pub(crate) fn begin_command(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Starts `serve --json` with these arguments, and waits until it is ready.
    pub(crate) async fn serve(&self, arguments: &[&str]) -> Serving {
        let serving = self.begin(arguments, None);
        serving.told(|told| told["type"] == "ready").await;
        serving
    }

    /// The same without waiting; it stops where `PLICO_STOP_AT` is told to.
    pub(crate) fn begin(&self, arguments: &[&str], stop_at: Option<&str>) -> Serving {
        let arguments = [&["serve", "--json"], arguments].concat();
        let mut command = self.command(&arguments);
        if let Some(at) = stop_at {
            command.env("PLICO_STOP_AT", at);
        }
        Serving { program: Program::start(command) }
    }
}

impl Shop {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plico-under-test"));
        command.arg("business").args(arguments).current_dir(self.directory.path());
        if self.days != 0 {
            command.env("PLICO_CLOCK_DAYS", self.days.to_string());
        }
        command.stdin(Stdio::null());
        command
    }
}

impl Serving {
    /// Waits for the first JSON line that `wanted` takes.
    pub(crate) async fn told(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.program.printed(|line| Some(json(line)).filter(&wanted)).await
    }

    /// Waits for a line on standard error with these words.
    pub(crate) async fn complained(&self, words: &str) {
        self.program.complained(words).await;
    }

    /// The messages it printed so far and does not know to have printed before.
    pub(crate) fn messages(&self) -> Vec<Value> {
        let told = self.program.lines();
        let told = told.iter().map(|line| json(line));
        told.filter(|told| told["type"] == "message" && told["again"] != true).collect()
    }

    /// Their numbers.
    pub(crate) fn events(&self) -> Vec<u64> {
        self.messages().iter().filter_map(|told| told["event"].as_u64()).collect()
    }

    /// What it wrote to standard error so far.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.program.errors()
    }

    pub(crate) fn signal(&self, name: &str) {
        self.program.signal(name);
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.program.kill();
    }

    /// Waits until it has stopped at its point.
    pub(crate) async fn stopped(&self) {
        self.complained("stopped at ").await;
    }

    /// Ends it as an operator does and checks that it ends well.
    pub(crate) fn terminate(self) {
        self.program.terminate();
    }
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}
