//! The relay under load: a process of its own, or one that runs already, and its businesses.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use plico_client::Categories;
use plico_protocol::certificate::{CertificateRequest, DomainCheck};
use plico_protocol::link::RelayLink;
use plico_protocol::pricing::Millionths;
use plico_protocol::time::{Hour, Timestamp};
use plico_relay::admin::command::{Answer, Command as Order};
use plico_relay::admin::issue::{Findings, issue};
use plico_relay::admin::socket;
use plico_relay::config::{Config, LogLevel};
use plico_relay::keys::read_authority_secret;
use plico_relay::policy::rate_card::SAMPLE;
use plico_relay::policy::throttle::Rule;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::failure::Failure;
use crate::flood::Abuse;
use crate::process::Process;

/// A running relay and where its operator's files are.
#[derive(Debug)]
pub(crate) struct Relay {
    link: RelayLink,
    process: Process,
    data: PathBuf,
    keys: PathBuf,
    /// For the states of applications; a spawned relay's directories are in it too.
    home: TempDir,
    /// Killed on drop; none for a relay that ran already.
    child: Option<Child>,
}

impl Relay {
    /// Spawns a relay on a free port of loopback, in a new directory under `place`.
    pub(crate) fn spawn(program: &Path, place: &Path) -> Result<Self, Failure> {
        Self::spawn_with(program, place, unlimited())
    }

    /// The same with what it allows.
    pub(crate) fn spawn_with(
        program: &Path,
        place: &Path,
        allowed: Config,
    ) -> Result<Self, Failure> {
        let home = home(place)?;
        let (config, file) = configured(home.path(), allowed)?;
        let (data, keys) = (config.data_dir, config.keys_dir);
        let failed = |why: String| Failure::Start { program: program.to_owned(), why };
        let mut command = Command::new(program);
        command.arg("serve").arg("--config").arg(&file);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let process = Process::new(child.id());
        let mut child = Spawned(Some(child));
        let link = child.link().ok_or_else(|| failed("it ended before it was ready".to_owned()))?;
        Ok(Self { link, process, data, keys, home, child: child.0.take() })
    }

    /// A relay on this machine that runs already.
    pub(crate) fn running(
        link: RelayLink,
        process: u32,
        data: PathBuf,
        keys: PathBuf,
        place: &Path,
    ) -> Result<Self, Failure> {
        let process = Process::new(process);
        Ok(Self { link, process, data, keys, home: home(place)?, child: None })
    }

    /// How clients find it.
    pub(crate) fn link(&self) -> &RelayLink {
        &self.link
    }

    /// Its process.
    pub(crate) fn process(&self) -> Process {
        self.process
    }

    /// A directory for whatever a run keeps.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Certifies a business as its operator would; gives the certificate's text.
    pub(crate) fn certify(&self, request: &CertificateRequest) -> Result<String, Failure> {
        let authority = read_authority_secret(&self.keys).map_err(failed)?;
        let Answer::Described { next_serial, .. } = self.order(&Order::Describe)? else {
            return Err(Failure::Certify("the relay does not describe itself".to_owned()));
        };
        let findings = Findings {
            handle: None,
            display_name: None,
            domain: None,
            domain_check: DomainCheck::Dns,
            categories: Categories::ALL,
            days: 90,
        };
        let issued = issue(request, findings, next_serial, &authority, hour()).map_err(failed)?;
        match self.order(&Order::Install(issued.certificate().clone()))? {
            Answer::Done(certificate) => Ok(certificate.to_text()),
            other => Err(Failure::Certify(format!("{other:?}"))),
        }
    }

    /// Ends it as its operator would, so that what watches it can report.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let asked = id.map_or(Ok(()), |id| kill_process(id, Signal::TERM));
        asked.map_err(|error| {
            Failure::system("the relay could not be asked to end")(error.into())
        })?;
        child.wait().map_err(Failure::system("the relay did not end"))?;
        Ok(())
    }

    fn order(&self, order: &Order) -> Result<Answer, Failure> {
        socket::call(&self.data, order).map_err(failed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // A spawned relay's data goes with it, so that there is nothing to end in order.
        drop(Spawned(self.child.take()));
    }
}

/// Killed on drop.
struct Spawned(Option<Child>);

impl Spawned {
    /// Reads what the relay prints until it is ready.
    fn link(&mut self) -> Option<RelayLink> {
        let output = self.0.as_mut()?.stdout.take()?;
        let mut link = None;
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if line == "ready" {
                return link;
            }
            link = line.strip_prefix("link").and_then(|rest| rest.trim().parse().ok()).or(link);
        }
        None
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // Fails only where it has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The program that is built beside this one.
pub(crate) fn default_program() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.with_file_name("plico-relay")
}

/// A number in letters that look like no others: handles and names that a person could take for
/// another's are not certified.
pub(crate) fn letters(number: usize) -> String {
    let letter = |digit: u8| char::from(digit.wrapping_sub(b'0').wrapping_add(b'a'));
    format!("{number:04}").bytes().map(letter).collect()
}

/// The hour by the machine's clock, which the relay reads too.
pub(crate) fn hour() -> Hour {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or_default()).hour()
}

/// `per_minute` of everything that a network or an account may do, but of frames only where they are
/// what is measured: they are counted before all else.
pub(crate) fn allowing(per_minute: u32, abuse: Abuse) -> Config {
    let unlimited = unlimited();
    let frames = match abuse.rule() {
        Rule::Frames => per_minute,
        _ => unlimited.frames_per_minute_per_prefix,
    };
    Config {
        frames_per_minute_per_prefix: frames,
        mailboxes_opened_per_minute_per_prefix: per_minute,
        bundles_per_minute_per_prefix: per_minute,
        submissions_per_minute_per_prefix: per_minute,
        submissions_per_minute_per_account: per_minute,
        ..unlimited
    }
}

/// Settings of a relay in `home`, and the file they are in.
pub(crate) fn configured(home: &Path, allowed: Config) -> Result<(Config, PathBuf), Failure> {
    let (card, file) = (home.join("rate-card.toml"), home.join("relay.toml"));
    let day = "inbox_free_per_day = 100_000";
    let text = SAMPLE.replace(day, "inbox_free_per_day = 4_000_000_000");
    std::fs::write(&card, text).map_err(Failure::system("the relay's rate card"))?;
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        data_dir: home.join("data"),
        keys_dir: home.join("keys"),
        log_level: LogLevel::Error,
        rate_card: card.to_string_lossy().into_owned(),
        credit: Millionths(u64::MAX / 2),
        ..allowed
    };
    std::fs::write(&file, config.to_toml()).map_err(Failure::system("the relay's settings"))?;
    Ok((config, file))
}

/// The load comes from one network and few accounts: what limits those is not what is measured.
pub(crate) fn unlimited() -> Config {
    let (number, percent) = (10_000_000, 100);
    Config {
        handshakes_per_minute_per_prefix: 6_000_000,
        connections_per_prefix_max: number,
        frames_per_minute_per_prefix: number,
        mailboxes_opened_per_minute_per_prefix: number,
        bundles_per_minute_per_prefix: number,
        submissions_per_minute_per_prefix: number,
        inbox_share_percent_per_prefix: percent,
        submissions_per_minute_per_account: number,
        messages_per_minute_per_mailbox: number,
        ..Config::default()
    }
}

pub(crate) fn home(place: &Path) -> Result<TempDir, Failure> {
    let made = tempfile::Builder::new().prefix("plico-load-").tempdir_in(place);
    made.map_err(Failure::system("a directory for the run"))
}

fn failed(error: impl ToString) -> Failure {
    Failure::Certify(error.to_string())
}
