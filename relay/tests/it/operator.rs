//! The operator's commands: on a running relay through its socket, on a stopped one through its
//! directory, and by the program itself.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command as Process, Output, Stdio};

use plico_protocol::certificate::{Certificate, Serial};
use plico_protocol::link::{Link, RelayLink};
use plico_protocol::signature::AuthoritySecret;
use plico_relay::admin::command::{Answer, Command};
use plico_relay::admin::socket::{self, CallError};
use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Bank, authority, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_running_relay_installs_lists_and_revokes() {
    let directory = tempfile::tempdir().unwrap();
    let relay = start(directory.path()).await;
    let data = directory.path().join("data");
    let call = |command| tokio::task::block_in_place(|| socket::call(&data, &command).unwrap());
    let link = relay.link().to_string();
    assert_eq!(call(Command::Describe), Answer::Described { link, next_serial: Serial(1) });

    let signed = authority(directory.path());
    let certificate = Bank::new(1).certificate("bank", "Paypal", 1, &signed);
    let done = Answer::Done(certificate.clone());
    assert_eq!(call(Command::Install(certificate.clone())), done);
    let refused = |certificate: Certificate| match call(Command::Install(certificate)) {
        Answer::Refused(why) => why,
        other => panic!("{other:?}"),
    };
    let why = refused(Bank::new(2).certificate("bank", "Other", 2, &signed));
    assert!(why.contains("handle `bank` belongs to another account"), "{why}");
    let why = refused(Bank::new(2).certificate("other", "PayPaI", 2, &signed));
    assert!(why.contains("looks like `Paypal`"), "{why}");
    let stranger = AuthoritySecret::from_seed(&[7; 32]);
    let why = refused(Bank::new(2).certificate("other", "Other", 2, &stranger));
    assert!(why.contains("its own authority"), "{why}");

    assert_eq!(call(Command::Revoke(Serial(1))), done);
    assert_eq!(call(Command::List), Answer::Listed(vec![(certificate, true)]));
    relay.shutdown().await.unwrap();
    assert!(matches!(socket::call(&data, &Command::List), Err(CallError::NotRunning)));
}

#[test]
fn the_program_verifies_businesses_running_or_not_and_stops_when_told() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    write_request(here, "one.request", &Bank::new(1), "bank-one", "Bank One");
    write_request(here, "two.request", &Bank::new(2), "bank-two", "Second Bank");

    let verified = run(here, &["business", "verify", "one.request", "--checked", "dns"]);
    let share = line(&verified, "share");
    let link: Link = share.parse().unwrap();
    assert_eq!(link.handle.as_str(), "bank-one");
    let text = std::fs::read_to_string(here.join("bank-one.certificate")).unwrap();
    assert!(Certificate::from_text(&text).is_ok());

    let mut relay = Serving::start(here);
    assert_eq!(relay.link.authority, link.relay.authority);
    assert_eq!(relay.link.relay, link.relay.relay);
    let args = ["business", "verify", "two.request", "--checked", "website", "--out", "two.cert"];
    line(&run(here, &args), "share").parse::<Link>().unwrap();
    let listed = String::from_utf8(run(here, &["business", "list"]).stdout).unwrap();
    assert!(listed.contains("bank-one") && listed.contains("bank-two"), "{listed}");

    assert_eq!(run(here, &["business", "revoke", "9"]).status.code(), Some(3));
    assert_eq!(run(here, &["serve"]).status.code(), Some(1));
    assert_eq!(relay.stop(), Some(0));
    assert_eq!(run(here, &["business", "revoke", "1"]).status.code(), Some(0));
}

#[test]
fn an_offline_authority_signs_and_the_relay_installs() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    write_request(here, "one.request", &Bank::new(1), "bank-one", "Bank One");
    assert!(run(here, &["authority", "init"]).status.success());
    let verify = ["business", "verify", "one.request", "--checked", "document", "--offline"];
    assert!(run(here, &verify).status.success());
    // The relay's machine has the public half alone.
    std::fs::rename(here.join("plico-keys/authority.key"), here.join("away")).unwrap();
    let installed = run(here, &["business", "install", "bank-one.certificate"]);
    line(&installed, "share").parse::<Link>().unwrap();
    let again = run(here, &["business", "verify", "one.request", "--checked", "dns"]);
    assert_eq!(again.status.code(), Some(1));
}

fn write_request(here: &Path, file: &str, bank: &Bank, handle: &str, name: &str) {
    std::fs::write(here.join(file), bank.request(handle, name).to_text()).unwrap();
}

fn program(here: &Path) -> Process {
    let mut program = Process::new(env!("CARGO_BIN_EXE_plico-relay"));
    program.current_dir(here);
    program
}

fn run(here: &Path, args: &[&str]) -> Output {
    program(here).args(args).output().unwrap()
}

/// What stands behind `word` at the beginning of a line.
fn line(output: &Output, word: &str) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let found = text.lines().find_map(|line| line.strip_prefix(word));
    found.unwrap_or_else(|| panic!("no {word} in {output:?}")).trim().to_owned()
}

/// A relay in a process of its own.
struct Serving {
    child: Running,
    lines: Lines<BufReader<ChildStdout>>,
    link: RelayLink,
}

impl Serving {
    /// Waits until it is ready.
    fn start(here: &Path) -> Self {
        let args = ["serve", "--listen", "127.0.0.1:0"];
        let mut program = program(here);
        let mut child = Running(program.args(args).stdout(Stdio::piped()).spawn().unwrap());
        let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        let said: Vec<_> =
            lines.by_ref().map(Result::unwrap).take_while(|line| line != "ready").collect();
        let link = said.iter().find_map(|line| line.strip_prefix("link")).unwrap();
        Self { child, lines, link: link.trim().parse().unwrap() }
    }

    /// Ends it with SIGTERM; its exit status.
    fn stop(&mut self) -> Option<i32> {
        let pid = Pid::from_raw(self.child.0.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert!(self.lines.by_ref().any(|line| line.unwrap() == "stopped"));
        self.child.0.wait().unwrap().code()
    }
}

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone, where the test went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
