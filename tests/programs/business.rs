//! A business as its operator runs it: keys, certificate, `serve`, and everything beside it.
//!
//! Goal: whenever `serve` or the program behind it is killed, each message is printed once and
//! answered once. Method: a person asks through the SDK, processes are killed at points that the
//! output tells, and the person is to receive each answer once and in order.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use plico_client::{Conversation, Person};
use serde_json::Value;

use crate::harness::process::{Home, RelayProcess};
use crate::harness::sdk::{Desk, next_received, words};
use crate::programs::shop::{Serving, Shop};

const RULES: &str = r#"
greeting = "Welcome."
fallback = "Somebody reads this."
[[rule]]
contains = ["question"]
answer = "An answer."
[[rule]]
contains = ["last"]
answer = "Goodbye."
"#;

/// The relay is killed with it: how that stops is another test's.
pub(super) struct World {
    pub(super) relay: RelayProcess,
    pub(super) home: Home,
    pub(super) shop: Shop,
    desk: Desk,
}

impl World {
    pub(super) fn new() -> Self {
        Self::of(Home::start)
    }

    /// With a relay that is started so.
    pub(super) fn of(start: impl FnOnce(&Home) -> RelayProcess) -> Self {
        let home = Home::new();
        let relay = start(&home);
        let shop = Shop::open(&home, &relay);
        Self { relay, home, shop, desk: Desk::at(IpAddr::V4(Ipv4Addr::LOCALHOST)) }
    }

    /// A person with the link that the business shares.
    pub(super) async fn person(&self) -> (Person, Conversation) {
        let link = self.shop.run(&["link", "--ref", "counter 3"]).trim().parse().unwrap();
        let person = self.desk.person("anna").await;
        let chat = person.conversation(&link).await.unwrap();
        (person, chat)
    }
}

/// What the person is told next.
pub(super) async fn answer(person: &mut Person) -> String {
    words(&next_received(person).await.content.body).to_owned()
}

pub(super) async fn message(serving: &Serving, text: &str) -> Value {
    serving.told(|told| told["type"] == "message" && told["text"] == text).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_afternoon() {
    let world = World::new();
    let shop = &world.shop;
    shop.write("rules.toml", RULES);
    let serving = shop.serve(&["--rules", "rules.toml"]).await;
    let (mut person, chat) = world.person().await;
    chat.send("hello").await.unwrap();
    assert_eq!(answer(&mut person).await, "Welcome.");
    let told = message(&serving, "hello").await;
    assert_eq!((&told["first"], &told["ref"]), (&true.into(), &"counter 3".into()));
    chat.send("a QUESTION").await.unwrap();
    assert_eq!(answer(&mut person).await, "An answer.");

    // Beside the running `serve`, over its socket.
    let sent: Value =
        serde_json::from_str(&shop.run(&["send", "1", "By hand.", "--wait", "--json"])).unwrap();
    assert_eq!(sent["state"], "accepted");
    assert_eq!(answer(&mut person).await, "By hand.");
    let customer: Value = serde_json::from_str(&shop.run(&["customers", "--json"])).unwrap();
    assert_eq!(customer["customer"], 1);
    assert!(customer["free_until"].is_string());
    let standing: Value = serde_json::from_str(&shop.run(&["standing", "--json"])).unwrap();
    assert_eq!((&standing["suspended"], &standing["reports"]), (&false.into(), &0.into()));
    shop.run(&["profile", "--description", "We lend.", "--status", "Open until nine"]);
    let shown = shop.run(&["profile", "--show"]);
    assert!(shown.contains("We lend.") && shown.contains("Open until nine (until "), "{shown}");
    let long = shop.fail(&["profile", "--hours", &"x".repeat(600)], 2);
    assert!(long.contains("`hours` is 88 bytes too long"), "{long}");
    shop.run(&["backup", "backup"]);
    shop.run(&["link", "--png", "link.png"]);
    assert!(std::fs::read(shop.path("link.png")).unwrap().starts_with(b"\x89PNG"));
    let in_use = shop.fail(&["serve"], 3);
    assert!(in_use.contains("Close the other first"), "{in_use}");
    let unknown = shop.fail(&["send", "9", "Hello"], 2);
    assert!(unknown.contains("no customer of this number"), "{unknown}");

    // A file with a mistake changes nothing; a good one counts at once.
    shop.write("rules.toml", "greting = \"x\"");
    serving.signal("-HUP");
    serving.complained("line 1: unknown field `greting`").await;
    chat.send("question").await.unwrap();
    assert_eq!(answer(&mut person).await, "An answer.");
    shop.write("rules.toml", &RULES.replace("An answer.", "Another answer."));
    serving.signal("-HUP");
    serving.complained("read again").await;
    chat.send("question").await.unwrap();
    assert_eq!(answer(&mut person).await, "Another answer.");
    serving.terminate();

    // Renewed as the manual tells: the same keys under a new certificate.
    shop.run(&["request", "--out", "bank.request"]);
    let request = shop.path("bank.request");
    let renewed = shop.path("bank.certificate");
    let (request, out) = (request.to_str().unwrap(), renewed.to_str().unwrap());
    std::fs::remove_file(&renewed).unwrap();
    world.home.run(&["business", "verify", request, "--checked", "dns", "--out", out]);
    let installed = shop.run(&["install-certificate", "bank.certificate"]);
    assert!(
        installed.contains("serial      2") && installed.contains("days from now"),
        "{installed}"
    );

    // Without `serve`, the commands open the state themselves.
    assert_eq!(shop.run(&["customers", "--json"]).lines().count(), 1);
    let sent: Value =
        serde_json::from_str(&shop.run(&["send", "1", "Later.", "--wait", "--json"])).unwrap();
    assert_eq!(sent["state"], "accepted");
    assert_eq!(answer(&mut person).await, "Later.");
    person.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_prints_and_answers_everything_once() {
    let world = World::new();
    world.shop.write("rules.toml", RULES);
    let mut serving = world.shop.serve(&["--rules", "rules.toml"]).await;
    let (mut person, chat) = world.person().await;
    chat.send("hello").await.unwrap();
    assert_eq!(answer(&mut person).await, "Welcome.");
    let mut printed = Vec::new();
    for round in 0..ROUNDS {
        let text = format!("question {round}");
        chat.send(text.as_str()).await.unwrap();
        // Killed between printing and answering, or right after.
        let event = message(&serving, &text).await["event"].clone();
        if round % 2 == 1 {
            serving.told(|told| told["type"] == "answered" && told["event"] == event).await;
        }
        serving.kill();
        printed.extend(serving.events());
        serving = world.shop.serve(&["--rules", "rules.toml"]).await;
        assert_eq!(answer(&mut person).await, "An answer.");
    }
    chat.send("the last one").await.unwrap();
    // An answer sent twice would stand before this one.
    assert_eq!(answer(&mut person).await, "Goodbye.");
    printed.extend(serving.events());
    let distinct: BTreeSet<_> = printed.iter().collect();
    assert_eq!((distinct.len(), printed.len()), (8, 8), "{printed:?}");
    serving.terminate();
    person.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_sends_again_sends_once() {
    let world = World::new();
    let shop = &world.shop;
    let serving = shop.serve(&[]).await;
    let (mut person, chat) = world.person().await;
    chat.send("hello").await.unwrap();
    message(&serving, "hello").await;
    serving.terminate();

    // Killed when the message is stored and nobody was told.
    let mut serving = shop.begin(&[], Some("after_queue:1"));
    serving.told(|told| told["type"] == "ready").await;
    let sending = shop.begin_command(&["send", "1", "Once.", "--id", "order 7"]);
    serving.stopped().await;
    serving.kill();
    let failed = tokio::task::spawn_blocking(|| sending.wait_with_output().unwrap()).await.unwrap();
    let errors = String::from_utf8(failed.stderr).unwrap();
    assert_eq!(failed.status.code(), Some(1), "{errors}");
    assert!(errors.contains("with --id order 7"), "{errors}");

    let _serving = shop.serve(&[]).await;
    let again = ["send", "1", "Once.", "--id", "order 7", "--wait", "--json"];
    let [first, second] =
        [0, 1].map(|_| -> Value { serde_json::from_str(&shop.run(&again)).unwrap() });
    assert_eq!(first["id"], second["id"]);
    shop.run(&["send", "1", "The next.", "--id", "order 8"]);
    assert_eq!(answer(&mut person).await, "Once.");
    assert_eq!(answer(&mut person).await, "The next.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_kills_or_holds_the_program_does_not_hold_the_others_unsaid() {
    const DEADLY: &str = r#"
import json, os, sys, time
for line in sys.stdin:
    told = json.loads(line)
    if told["text"] == "die":
        sys.exit(3)
    while told["text"] == "hang" and not os.path.exists("go"):
        time.sleep(0.05)
    print(json.dumps({"handled": told["event"], "text": "re " + told["text"]}), flush=True)
"#;
    let world = World::new();
    let shop = &world.shop;
    shop.write("program.py", DEADLY);
    let serving = shop.serve(&["--pipe", "python3", "program.py"]).await;
    let (mut person, chat) = world.person().await;
    chat.send("die").await.unwrap();
    chat.send("hang").await.unwrap();
    let aside = serving.told(|told| told["type"] == "set_aside").await;
    assert_eq!((&aside["attempts"], &aside["message"]["text"]), (&8.into(), &"die".into()));
    let kept = std::fs::read_to_string(shop.path("plico-business.aside")).unwrap();
    let line: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(line["event"], aside["message"]["event"]);
    assert!(!kept.contains("die"), "{kept}");
    let hanging = message(&serving, "hang").await["event"].clone();
    serving
        .complained(&format!("customer 1 waits: the program has event {hanging} for 10 s"))
        .await;
    shop.write("go", "");
    assert_eq!(answer(&mut person).await, "re hang");
    serving.terminate();
    person.close().await.unwrap();
}

/// Answers; dies in the middle of its answer to "die", and prints nonsense before "nonsense".
const PROGRAM: &str = r#"
import json, sys
for line in sys.stdin:
    told = json.loads(line)
    say = lambda **said: print(json.dumps(said), flush=True)
    text = told.get("text")
    if text == "die" and told["attempt"] < 3:
        say(answers=told["event"], text="half an answer")
        sys.exit(3)
    if text == "nonsense":
        print("this is no JSON", flush=True)
        say(answers=told["event"] + 1000, text="to nobody")
        say(handled=told["event"], customer=77, text="to nobody")
        continue
    if text == "ask":
        say(answers=told["event"], text="Yes or no?", choices=[{"id": "y", "label": "Yes"}])
        say(customer=told["customer"], text="unasked")
    if text is None:
        say(handled=told["event"])
    else:
        say(handled=told["event"], text="%s, attempt %d" % (text, told["attempt"]))
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_dies_in_the_middle_answers_once_all_the_same() {
    let world = World::new();
    world.shop.write("program.py", PROGRAM);
    let serving = world.shop.serve(&["--pipe", "python3", "program.py"]).await;
    let (mut person, chat) = world.person().await;
    chat.send("one").await.unwrap();
    assert_eq!(answer(&mut person).await, "one, attempt 1");
    chat.send("die").await.unwrap();
    assert_eq!(answer(&mut person).await, "die, attempt 3");
    serving.complained("the program ended (exit status: 3)").await;
    chat.send("nonsense").await.unwrap();
    serving.complained("no JSON object").await;
    serving.complained("an answer is skipped: there is no customer 77").await;
    chat.send("ask").await.unwrap();
    // What is unasked goes out at once, before the event is handled.
    assert_eq!(answer(&mut person).await, "unasked");
    let asked = next_received(&mut person).await.content;
    chat.answer(asked.id, "y").await.unwrap();
    assert_eq!(answer(&mut person).await, "ask, attempt 1");
    serving.told(|told| told["chosen"]["choice"] == "y").await;
    serving.terminate();
    person.close().await.unwrap();
}

#[test]
fn mistakes_are_explained_with_their_exit_status() {
    let shop = Shop::new();
    let init = |handle, domain| ["init", "--handle", handle, "--name", "Bank", "--domain", domain];
    let check = |arguments: &[&str], status, words: &str| {
        let complaint = shop.fail(arguments, status);
        assert!(complaint.contains(words), "{arguments:?}: {complaint}");
        assert!(complaint.lines().count() <= 24, "{complaint}");
    };
    check(
        &init("My Bank", "bank.example"),
        2,
        "lower-case ASCII letters, digits and inner hyphens",
    );
    check(&init("bank", "https://bank.example"), 2, "--domain https://bank.example");
    check(&["serve"], 10, "plico business init");
    shop.run(&init("bank", "bank.example"));
    check(&init("bank", "bank.example"), 10, "already");
    check(&["serve"], 2, "--relay LINK");
    check(&["serve", "--relay", "https://relay.example"], 5, "--relay is no relay's link");
    check(&["install-certificate", "bank.request"], 2, "This text is no certificate");
    check(&["link"], 2, "--relay LINK");
    let request = shop.run(&["request"]);
    assert_eq!(request, std::fs::read_to_string(shop.path("bank.request")).unwrap());
    shop.write("bad.toml", "[[rule]]\ncontians = [\"a\"]\nanswer = \"b\"\n");
    check(&["rules", "check", "bad.toml"], 2, "line 2: unknown field `contians`");
    check(&["serve", "--rules", "bad.toml"], 2, "line 2");
    check(&["rules", "check", "none.toml"], 1, "none.toml");
}

/// With the first and the last message, eight in all.
const ROUNDS: u32 = 6;
