//! A business's folder and its `plico` processes.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::harness::process::{Home, RelayProcess};

/// Where a business keeps its state.
pub(crate) struct Shop {
    directory: TempDir,
}

/// A `serve` that runs. Killed on drop.
pub(crate) struct Serving {
    child: Child,
    lines: watch::Receiver<Vec<String>>,
    errors: watch::Receiver<Vec<String>>,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// A business that was certified and told its relay, as its own help text tells.
    pub(crate) fn open(home: &Home, relay: &RelayProcess) -> Self {
        let shop = Self::new();
        shop.run(&["init", "--handle", "bank", "--name", "The bank", "--domain", "bank.example"]);
        let request = shop.path("bank.request");
        let certificate = shop.path("bank.certificate");
        let (request, out) = (request.to_str().unwrap(), certificate.to_str().unwrap());
        home.run(&["business", "verify", request, "--checked", "dns", "--out", out]);
        shop.run(&["install-certificate", "bank.certificate", "--relay", &relay.link()]);
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
        command(self.directory.path(), arguments).output().unwrap()
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

    /// Starts `serve --json` with these arguments, and waits until it is ready.
    pub(crate) async fn serve(&self, arguments: &[&str]) -> Serving {
        let arguments = [&["serve", "--json"], arguments].concat();
        let mut child = command(self.directory.path(), &arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let errors = lines_of(child.stderr.take().unwrap());
        let serving = Serving { child, lines, errors };
        serving.told(|told| told["type"] == "ready").await;
        serving
    }
}

impl Serving {
    /// Waits for the first JSON line that `wanted` takes.
    pub(crate) async fn told(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = |lines: &Vec<String>| lines.iter().map(|l| json(l)).find(&wanted);
        let mut lines = self.lines.clone();
        let waited = lines.wait_for(|lines| found(lines).is_some());
        match tokio::time::timeout(SILENCE_MAX, waited).await {
            Ok(Ok(lines)) => found(&lines).unwrap(),
            _ => panic!(
                "serve did not say it: {:?} {:?}",
                *self.lines.borrow(),
                *self.errors.borrow()
            ),
        }
    }

    /// Waits for a line on standard error with these words.
    pub(crate) async fn complained(&self, words: &str) {
        let found = |lines: &Vec<String>| lines.iter().any(|line| line.contains(words));
        let mut errors = self.errors.clone();
        let waited = tokio::time::timeout(SILENCE_MAX, errors.wait_for(found)).await;
        assert!(matches!(waited, Ok(Ok(_))), "{words}: {:?}", *self.errors.borrow());
    }

    /// The numbers of the messages it printed so far and does not know to have printed before.
    pub(crate) fn events(&self) -> Vec<u64> {
        let lines = self.lines.borrow();
        let told = lines
            .iter()
            .map(|line| json(line))
            .filter(|told| told["type"] == "message" && told["again"] != true);
        told.filter_map(|told| told["event"].as_u64()).collect()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as an operator does and checks that it ends well.
    pub(crate) fn terminate(mut self) {
        self.signal("-TERM");
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {:?}", *self.errors.borrow());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Already dead where the test ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plico-under-test"));
    command.arg("business").args(arguments).current_dir(directory).stdin(Stdio::null());
    command
}

fn lines_of(stream: impl Read + Send + 'static) -> watch::Receiver<Vec<String>> {
    let (sender, lines) = watch::channel(Vec::new());
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            sender.send_modify(|lines| lines.push(line));
        }
    });
    lines
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// A bound on hanging, not a measure of speed: nothing passes because of it.
const SILENCE_MAX: Duration = Duration::from_secs(120);
