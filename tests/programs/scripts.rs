//! `plico send`, `plico inbox` and the line mode of `plico chat`, as scripts run them; and how
//! each failure is explained.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use plico_client::{Category, Person, Protection};
use serde_json::Value;

use crate::harness::relay::{TestRelay, own_address};
use crate::harness::sdk::{Desk, next_asked, words};

fn plico(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plico-under-test"));
    command.args(arguments).env("XDG_DATA_HOME", home).env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// Runs to the end beside the test's own tasks.
async fn run(home: &Path, arguments: &[&str]) -> Output {
    let mut command = plico(home, arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// A failure: its status, and one screen that says something.
async fn fails(home: &Path, arguments: &[&str], status: i32, says: &str) {
    let output = run(home, arguments).await;
    explained(&output, status, says);
}

fn explained(output: &Output, status: i32, says: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    // What is said about a new state is no part of the failure.
    let at = text.find("plico: ").unwrap_or_else(|| panic!("no failure: {output:?}"));
    let failure = &text[at..];
    assert_eq!(output.status.code(), Some(status), "{failure}");
    let flat = failure.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(says), "{failure}");
    assert!(failure.lines().count() <= 24, "{failure}");
    assert!(failure.lines().all(|line| line.chars().count() <= 80), "{failure}");
    assert!(failure.contains("\n  why: ") && failure.contains("\n next: "), "{failure}");
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_send_and_read_json() {
    let relay = TestRelay::start_days_ago(0).await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let home = tempfile::tempdir().unwrap();
    let link = link.to_string();
    let bank = tokio::spawn(async move {
        let asked = next_asked(&mut bank).await;
        assert_eq!(words(&asked.content.body), "hello");
        bank.send(asked.customer, "good day", Category::Service).await.unwrap();
        bank
    });
    let sent = run(home.path(), &["send", &link, "hello", "--wait", "delivered", "--json"]).await;
    assert!(sent.status.success(), "{sent:?}");
    let states: Vec<_> = lines(&sent).iter().map(|line| line["state"].clone()).collect();
    assert_eq!(states.first().unwrap(), "stored");
    assert_eq!(states.last().unwrap(), "delivered");
    let _bank = bank.await.unwrap();

    let came = run(home.path(), &["inbox", "--wait", "--json", "--timeout", "60"]).await;
    assert!(came.status.success(), "{came:?}");
    let came = lines(&came);
    let message = came.iter().find(|line| line["event"] == "message").unwrap();
    assert_eq!((&message["kind"], &message["text"]), (&"text".into(), &"good day".into()));
    assert_eq!(message["business"]["name"], "The bank");
    assert_eq!(message["business"]["domain"], "bank.example");
    assert_eq!(message["business"]["checked"], "dns");
    assert_eq!(message["category"], "service");
    assert_eq!(message["id"].as_str().unwrap().len(), 32);

    // Read once: it does not come again.
    fails(home.path(), &["inbox", "--wait", "--timeout", "1"], 11, "No message came").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_in_and_lines_out() {
    let relay = TestRelay::start_days_ago(0).await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let home = tempfile::tempdir().unwrap();
    let mut command = plico(home.path(), &["chat", &link.to_string()]);
    let mut chat =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = chat.stdin.take().unwrap();
    writeln!(input, "hello").unwrap();
    let asked = next_asked(&mut bank).await;
    bank.send(asked.customer, "one\ntwo", Category::Service).await.unwrap();
    let output = BufReader::new(chat.stdout.take().unwrap());
    let read = tokio::task::spawn_blocking(move || {
        let mut told = Vec::new();
        for line in output.lines().map_while(Result::ok) {
            let last = line.contains("one / two");
            told.push(line);
            if last {
                writeln!(input, "/quit").unwrap();
            }
        }
        told
    });
    let told = read.await.unwrap();
    assert!(chat.wait().unwrap().success());
    let has = |text: &str| told.iter().filter(|line| line.contains(text)).count();
    assert_eq!(has("The bank: one / two"), 1, "{told:?}");
    assert_eq!(has("you (stored): hello"), 1, "{told:?}");
    assert!(1 <= has("* The bank (bank.example), domain checked by DNS"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_failure_is_one_screen_with_its_status() {
    let relay = TestRelay::start_days_ago(0).await;
    let desk = Desk::of(&relay);
    let (_bank, link) = desk.certified(&relay, "bank").await;
    let place = tempfile::tempdir().unwrap();
    let home = place.path();
    let send = |link: &plico_client::Link| {
        let link = link.to_string();
        async move { run(home, &["send", &link, "hello", "--timeout", "60"]).await }
    };

    fails(home, &["send", "mailto:x", "hello"], 5, "begins with plico://").await;
    let bare = format!("plico://{}/bank", relay.address());
    fails(home, &["chat", &bare], 5, "nothing to found trust on").await;
    fails(home, &["inbox"], 10, "no state").await;
    let other = plico_protocol::link::Pin::of_spki(b"other");
    let mut wrong = link.clone();
    wrong.relay.relay = other;
    explained(&send(&wrong).await, 7, "Another server answered than the link names");
    let mut wrong = link.clone();
    wrong.relay.authority = other;
    explained(&send(&wrong).await, 7, "another operator than the link names");
    let mut wrong = link.clone();
    wrong.account = other;
    explained(&send(&wrong).await, 7, "key is not the one in the link");

    let person = home.join("plico/person");
    let open = Person::open(&person, Protection::key_file(home.join("plico/person.key"))).await;
    fails(home, &["inbox"], 3, "Another program has this state open").await;
    open.unwrap().close().await.unwrap();
    let passphrase = home.join("passphrase");
    std::fs::write(&passphrase, "wrong\n").unwrap();
    let arguments = ["inbox", "--passphrase-file", passphrase.to_str().unwrap()];
    fails(home, &arguments, 4, "did not make this state").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_to_an_unreachable_relay_is_kept() {
    let relay = TestRelay::start_days_ago(0).await;
    let desk = Desk::of(&relay);
    let (_bank, link) = desk.certified(&relay, "bank").await;
    let home = tempfile::tempdir().unwrap();
    let mut nowhere = link.clone();
    nowhere.relay.host = own_address().ip().to_string();
    let arguments = ["send", &nowhere.to_string(), "hello", "--timeout", "12"];
    fails(home.path(), &arguments, 6, "The message is safe in the state").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_certificate_is_explained() {
    // Certified for 90 days.
    let relay = TestRelay::start_days_ago(100).await;
    let desk = Desk::of(&relay);
    let (_bank, link) = desk.certified(&relay, "bank").await;
    let home = tempfile::tempdir().unwrap();
    let arguments = ["send", &link.to_string(), "hello", "--timeout", "60"];
    fails(home.path(), &arguments, 7, "certificate is not valid now").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_explained() {
    let relay = TestRelay::start_days_ago(0).await;
    let desk = Desk::of(&relay);
    let (_bank, link) = desk.certified(&relay, "bank").await;
    let home = tempfile::tempdir().unwrap();
    // A limit on the size of files stands for a full disk: both are a write that fails. The shell
    // ignores the signal that comes with it, as the kernel sends none for a disk.
    let script = "trap '' XFSZ; ulimit -f 40; exec \"$0\" \"$@\"";
    let mut command = Command::new("bash");
    command.args(["-c", script, env!("CARGO_BIN_EXE_plico-under-test"), "send"]);
    command.args([&link.to_string(), &"x".repeat(30_000)]).env("XDG_DATA_HOME", home.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    explained(&output, 9, "Free some space");
}
