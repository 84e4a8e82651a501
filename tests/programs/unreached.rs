//! What is said where the relay is not reached, and what becomes of conversations that ended.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use plico_client::{Body, Link};

use crate::harness::relay::{TestRelay, own_address};
use crate::harness::sdk::{Desk, next_asked, words};

/// Runs the program to its end with this standard input.
async fn run(home: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plico-under-test"));
    command.args(arguments).env("XDG_DATA_HOME", home).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let input = input.to_owned();
    let run = move || {
        let mut program = command.spawn().unwrap();
        // One that reads nothing has closed it.
        let _ = program.stdin.take().unwrap().write_all(input.as_bytes());
        program.wait_with_output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn check(output: &Output, status: i32, out: &str, errors: &str) {
    let flat = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    assert!(flat(&output.stdout).contains(out), "{out}: {output:?}");
    assert!(flat(&output.stderr).contains(errors), "{errors}: {output:?}");
}

/// The same business at an address where nobody listens.
fn dead(link: &Link) -> String {
    let mut dead = link.clone();
    dead.relay.host = own_address().ip().to_string();
    dead.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreached_relay_is_no_empty_inbox() {
    let relay = TestRelay::start_days_ago(0).await;
    let desk = Desk::of(&relay);
    let (_bank, link) = desk.certified(&relay, "bank").await;
    let (home, dead) = (tempfile::tempdir().unwrap(), dead(&link));
    let home = home.path();
    let sent = run(home, &["send", &dead, "-", "--timeout", "1"], "hello\n").await;
    check(&sent, 6, "stored", "The message is safe");
    let inbox = run(home, &["inbox", "--timeout", "1"], "").await;
    check(&inbox, 6, "", "The relay cannot be reached.");
    let chat = ["chat", "--plain", "--timeout", "1"];
    let said = run(home, &chat, "/block\n").await;
    check(&said, 6, "may write no more as soon as this device connects", "is safe in the state");

    // Another relay is reached: what came is printed, and which was not reached is said.
    let link = link.to_string();
    let sent = run(home, &["send", &link, "-", "--wait", "accepted"], "good day\n").await;
    check(&sent, 0, "sent", "");
    let inbox = run(home, &["inbox", "--timeout", "1"], "").await;
    check(&inbox, 0, "", "was not reached");
    assert!(!String::from_utf8_lossy(&inbox.stdout).contains("reached"), "{inbox:?}");

    // The one that never answered is not offered, and can be forgotten.
    let said = run(home, &["chat", "--plain"], "").await;
    check(&said, 0, "good day", "");
    let forgotten = run(home, &["forget", "2"], "").await;
    check(&forgotten, 2, "", "has not ended");
    check(&run(home, &["forget", "1"], "").await, 0, "forgotten 1", "");
    check(&run(home, &["forget", "1"], "").await, 2, "", "no such conversation");
    check(&run(home, &["inbox", "--timeout", "1"], "").await, 0, "", "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_before_the_end_of_input_is_sent() {
    let relay = TestRelay::start_days_ago(0).await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let (home, link) = (tempfile::tempdir().unwrap(), link.to_string());
    let home = home.path();
    let said = run(home, &["chat", "--plain", "--timeout", "60", &link], "hi\n").await;
    check(&said, 0, "you (sent): hi", "");
    assert_eq!(words(&next_asked(&mut bank).await.content.body), "hi");

    let said = "/goodbye\n/goodbye now\n/goodbye yes\n";
    let ended = run(home, &["chat", "--plain", "--timeout", "60"], said).await;
    check(&ended, 0, "write /goodbye yes to do so.", "");
    assert!(matches!(next_asked(&mut bank).await.content.body, Body::Goodbye));
    let listed = run(home, &["conversations"], "").await;
    check(&listed, 0, "1 The bank (bank.example) (ended)", "");
    let shown = run(home, &["chat", "--plain"], "/window\nmore\n").await;
    check(&shown, 0, "This conversation has ended", "");
    assert!(!String::from_utf8_lossy(&shown.stdout).contains("answer until"), "{shown:?}");
    check(&run(home, &["forget", "1"], "").await, 0, "forgotten 1", "");
    assert_eq!(run(home, &["conversations"], "").await.stdout, b"");
}
