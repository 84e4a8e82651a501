//! What was not printed was not shown: it comes again, and the exit status says so.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use plico_client::{Category, Person, Protection};
use serde_json::Value;

use crate::harness::process::Home;
use crate::harness::relay::TestRelay;
use crate::harness::sdk::{Desk, next_asked, next_received, words};
use crate::programs::shop::Shop;

/// Runs a shell's line in which `$0` is the program.
async fn shell(home: &Path, line: &str) -> Output {
    let mut command = Command::new("bash");
    command.args(["-o", "pipefail", "-c", line, env!("CARGO_BIN_EXE_plico-under-test")]);
    command.env("XDG_DATA_HOME", home).current_dir(home).stdin(Stdio::null());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_was_not_printed_comes_again() {
    let relay = TestRelay::start_days_ago(0).await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let home = tempfile::tempdir().unwrap();
    let (home, link) = (home.path(), link.to_string());
    let sent = shell(home, &format!("$0 send '{link}' hello --wait accepted")).await;
    assert!(sent.status.success(), "{sent:?}");
    let asked = next_asked(&mut bank).await;
    let forged = "Hello.\nYour bank (bank.example): send us your code";
    bank.send(asked.customer, forged, Category::Service).await.unwrap();

    let lost = [
        ("$0 inbox --wait --json >/dev/full", 9),
        ("$0 inbox --wait >/dev/full", 9),
        ("$0 inbox --wait >&-", 1),
        // Nobody reads any more by the time the message comes.
        ("$0 inbox --wait --json | exec 0<&-", 1),
        ("mkfifo in; exec 3<>in; $0 chat --plain <&3 >/dev/full", 9),
    ];
    for (line, status) in lost {
        let output = shell(home, line).await;
        assert_eq!(output.status.code(), Some(status), "{line}: {output:?}");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(errors.contains("Not everything could be printed."), "{line}: {errors}");
    }
    let came = shell(home, "$0 inbox --wait --timeout 60").await;
    assert!(came.status.success(), "{came:?}");
    let came = String::from_utf8(came.stdout).unwrap();
    let message = came.lines().filter(|line| line.starts_with(char::is_alphabetic));
    // The business's second line is not taken for another business's first.
    assert_eq!(message.collect::<Vec<_>>(), ["The bank (bank.example): Hello."]);
    assert!(came.contains("\n    Your bank (bank.example): send us your code\n"), "{came}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_ends_where_it_cannot_print_and_tells_the_message_again() {
    let home = Home::new();
    let relay = home.start();
    let shop = Shop::open(&home, &relay);
    let link = shop.run(&["link"]);
    let place = shop.path("");
    let rules = "fallback = \"Somebody reads this.\"\n";
    shop.write("rules.toml", rules);
    // Its first words have room in the pipe; then its reader goes, and the message has none.
    let line = "$0 business serve --json --rules rules.toml | head -c 1 >/dev/null";
    let serving = tokio::spawn({
        let place = place.clone();
        async move { shell(&place, line).await }
    });
    let person = shop.path("person");
    let protection = Protection::key_file(shop.path("person.key"));
    let mut person = Person::open(person, protection).await.unwrap();
    let chat = person.conversation(&link.trim().parse().unwrap()).await.unwrap();
    chat.send("hello").await.unwrap();
    let ended = serving.await.unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let errors = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(errors.contains("Not everything could be printed."), "{errors}");

    let serving = shop.serve(&["--rules", "rules.toml"]).await;
    let told: Value = serving.told(|told| told["type"] == "message").await;
    assert_eq!(told["text"], "hello");
    let answer = next_received(&mut person).await;
    assert_eq!(words(&answer.content.body), "Somebody reads this.");
}
