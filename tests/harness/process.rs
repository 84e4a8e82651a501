//! The relay as a process of its own, which can be made to stop at a point and be killed there.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plico_relay::writer::Point;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::harness::relay::own_address;
use crate::harness::world::Bank;

/// Key and data directories that outlive the process.
pub(crate) struct Home {
    directory: TempDir,
    /// Whose mounts the programs see, if not this one's.
    inside: Option<u32>,
}

/// A running process. Killed on drop.
pub(crate) struct RelayProcess {
    child: Child,
    address: SocketAddr,
    lines: watch::Receiver<Vec<String>>,
    errors: Arc<Mutex<String>>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), inside: None }
    }

    /// A directory in which programs see the mounts of another process.
    pub(crate) fn inside(directory: TempDir, process: u32) -> Self {
        Self { directory, inside: Some(process) }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Runs the relay's command line to its end, good or bad.
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

    /// Has the operator verify a business, as the README tells.
    pub(crate) fn certify(&self, bank: &Bank, handle: &str) -> PathBuf {
        self.certify_request(&bank.request(handle).to_text(), handle)
    }

    /// The same for a request file's text; gives the certificate's path.
    pub(crate) fn certify_request(&self, request: &str, name: &str) -> PathBuf {
        if !self.path().join("plico-data").exists() {
            self.begin();
        }
        let file = self.path().join(format!("{name}.request"));
        let certificate = self.path().join(format!("{name}.certificate"));
        std::fs::write(&file, request).unwrap();
        let (file, out) = (file.to_str().unwrap(), certificate.to_str().unwrap());
        self.run(&["business", "verify", file, "--checked", "dns", "--out", out]);
        certificate
    }

    /// Begins a relay here: keys, data, nothing else.
    pub(crate) fn begin(&self) {
        self.start().terminate();
    }

    pub(crate) fn start(&self) -> RelayProcess {
        self.start_on(own_address())
    }

    pub(crate) fn start_on(&self, listen: SocketAddr) -> RelayProcess {
        RelayProcess::spawn(self.serve(listen))
    }

    /// The same with settings of the test's choice.
    pub(crate) fn start_set(&self, settings: &str) -> RelayProcess {
        let command = self.serve(own_address());
        std::fs::write(self.path().join("relay.toml"), settings).unwrap();
        RelayProcess::spawn(command)
    }

    /// The same so many days later, at an address.
    pub(crate) fn start_later(
        &self,
        listen: SocketAddr,
        days: u32,
        settings: &str,
    ) -> RelayProcess {
        let mut command = self.serve(listen);
        command.env("PLICO_CLOCK_DAYS", days.to_string());
        std::fs::write(self.path().join("relay.toml"), settings).unwrap();
        RelayProcess::spawn(command)
    }

    /// A relay that stops the `nth` time its commit path is at `point`.
    pub(crate) fn start_stopping_at(&self, point: Point, nth: u32) -> RelayProcess {
        self.start_on_stopping_at(own_address(), point, nth)
    }

    pub(crate) fn start_on_stopping_at(
        &self,
        listen: SocketAddr,
        point: Point,
        nth: u32,
    ) -> RelayProcess {
        let mut command = self.serve(listen);
        command.env("PLICO_STOP_AT", format!("{}:{nth}", point.name()));
        RelayProcess::spawn(command)
    }

    fn serve(&self, listen: SocketAddr) -> Command {
        let config = self.path().join("relay.toml");
        std::fs::write(&config, "log_level = \"trace\"\ncredit = \"1000.00\"\n").unwrap();
        let listen = listen.to_string();
        self.command(&["serve", "--config", config.to_str().unwrap(), "--listen", &listen])
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_plico-relay-under-test");
        let mut command = match self.inside {
            None => Command::new(program),
            Some(process) => {
                let mut command = Command::new("nsenter");
                command.args(["--mount", "--target", &process.to_string()]);
                // The directory is another one there, so it is entered there.
                command.args(["sh", "-c", r#"cd "$0" && exec "$@""#]).arg(self.path()).arg(program);
                command
            }
        };
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        command
    }
}

impl RelayProcess {
    /// A home with a certified bank.
    pub(crate) fn prepare(bank: &Bank) -> Home {
        let home = Home::new();
        home.certify(bank, "bank");
        home
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The link the relay printed.
    pub(crate) fn link(&self) -> String {
        let lines = self.lines.borrow();
        let link = lines
            .iter()
            .find_map(|line| line.split_whitespace().find(|w| w.starts_with("plico://")));
        link.expect("no link among what the relay printed").to_owned()
    }

    /// What the relay wrote to its log so far.
    pub(crate) fn log(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    /// What the relay printed so far.
    pub(crate) fn printed(&self) -> String {
        self.lines.borrow().join("\n")
    }

    /// Waits until the process has stopped at its point.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + use<> {
        let mut lines = self.lines.clone();
        async move {
            let stopped = |lines: &Vec<String>| lines.iter().any(|l| l.starts_with("stopped at "));
            let stopped = tokio::time::timeout(SILENCE_MAX, lines.wait_for(stopped)).await;
            let lines = stopped.expect("the relay did not come to its point");
            assert!(lines.is_ok(), "the relay ended before it stopped");
        }
    }

    /// Has the process read its certificate again, as a service manager does, and waits for it.
    pub(crate) async fn hang_up(&self) {
        self.signal("-HUP");
        let mut lines = self.lines.clone();
        let reloaded = |lines: &Vec<String>| lines.iter().any(|line| line == "reloaded");
        let reloaded = tokio::time::timeout(SILENCE_MAX, lines.wait_for(reloaded)).await;
        assert!(reloaded.is_ok_and(|lines| lines.is_ok()), "the relay did not reload");
    }

    /// Kills the process, which must have stopped at its point: `kill -9`.
    pub(crate) fn kill_stopped(&mut self) {
        self.kill();
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends the process as an operator does and checks that it ends well.
    pub(crate) fn terminate(mut self) {
        self.signal("-TERM");
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log());
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = watch::channel(Vec::new());
        let (ready, is_ready) = std::sync::mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let says_ready = line == "ready";
                sender.send_modify(|lines| lines.push(line));
                if says_ready {
                    // Nobody waits for it twice.
                    let _ = ready.send(());
                }
            }
        });
        let errors = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::clone(&errors);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                log.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        // Ends with an error once the process has closed its output.
        if is_ready.recv().is_err() {
            let status = child.wait().unwrap();
            panic!("the relay ended with {status}: {}", errors.lock().unwrap());
        }
        let address = address_in(&lines.borrow());
        Self { child, address, lines, errors }
    }
}

impl Drop for RelayProcess {
    fn drop(&mut self) {
        // Already dead where the test ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address_in(lines: &[String]) -> SocketAddr {
    let words = lines.iter().flat_map(|line| line.split_whitespace());
    words.filter_map(|word| word.parse().ok()).next().expect("no address among what was printed")
}

/// A bound on hanging, not a measure of speed: nothing passes because of it.
const SILENCE_MAX: Duration = Duration::from_secs(120);
