//! The three programs as people run them: `plico-relay serve`, `plico business serve` with a program
//! that answers, and `plico chat`.
//!
//! A question is typed once. What a killed chat had not stored is gone, as it is for a person, so
//! every text is another, and the end is judged by what the programs showed: everything the chat
//! showed as stored was told to the business once and in order, and was answered once.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use plico_client::probe::Point;
use plico_relay::writer::Point as RelayPoint;
use tempfile::TempDir;

use crate::harness::process::{Home, RelayProcess};
use crate::harness::program::Program;
use crate::harness::relay::own_address;
use crate::programs::shop::{Serving, Shop};

/// The three, running.
pub(crate) struct Trio {
    home: Home,
    listen: SocketAddr,
    relay: RelayProcess,
    shop: Shop,
    serving: Serving,
    folder: TempDir,
    link: String,
    chat: Program,
    asked: u32,
    /// What every business killed so far printed.
    told: Vec<String>,
    /// What every chat killed so far showed as stored.
    stored: BTreeSet<String>,
}

/// One of the three.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Victim {
    Relay,
    Business,
    Chat,
}

impl Trio {
    /// Sets all up as the README tells.
    pub(crate) async fn start() -> Self {
        Self::start_killing_at(&[]).await
    }

    /// The same, with the business killed at these points while it connects for the first time.
    pub(crate) async fn start_killing_at(points: &[Point]) -> Self {
        let (home, listen) = (Home::new(), own_address());
        let relay = home.start_on(listen);
        let shop = Shop::certified(&home, &[]);
        shop.write("program.py", PROGRAM);
        let relay_link = relay.link();
        let begin = [&["--relay", &relay_link], PIPE].concat();
        for point in points {
            let mut serving = shop.begin(&begin, Some(&format!("{}:1", point.name())));
            serving.stopped().await;
            serving.kill();
        }
        let serving = shop.serve(&begin).await;
        let link = shop.run(&["link"]).trim().to_owned();
        let folder = tempfile::tempdir().unwrap();
        let chat = chat(folder.path(), &link, None);
        let (told, stored) = (Vec::new(), BTreeSet::new());
        Self { home, listen, relay, shop, serving, folder, link, chat, asked: 0, told, stored }
    }

    /// Types a question; gives its text.
    pub(crate) fn ask(&mut self) -> String {
        self.asked += 1;
        let text = format!("question {}", self.asked);
        self.chat.type_line(&text);
        text
    }

    /// Waits until the chat shows the answer.
    pub(crate) async fn answered(&self, question: &str) {
        let answer = answer_to(question);
        self.chat.printed(|line| line.ends_with(&answer).then_some(())).await;
    }

    /// Kills one of the three, whatever it is doing, and starts it again.
    pub(crate) async fn kill(&mut self, victim: Victim) {
        match victim {
            Victim::Relay => self.restart_relay(),
            Victim::Business => self.restart_business(None).await,
            Victim::Chat => self.restart_chat(None),
        }
    }

    /// Has the relay stop the `nth` time it is at a point, killed there and started again.
    pub(crate) async fn kill_relay_at(&mut self, point: RelayPoint, nth: u32) {
        self.relay.kill();
        self.relay = self.home.start_on_stopping_at(self.listen, point, nth);
        let asked = self.ask();
        self.relay.stopped().await;
        self.restart_relay();
        self.answered(&asked).await;
    }

    /// The same for the business.
    pub(crate) async fn kill_business_at(&mut self, at: &str) {
        self.restart_business(Some(at)).await;
        self.ask();
        let asked = self.ask();
        self.serving.stopped().await;
        self.restart_business(None).await;
        self.answered(&asked).await;
    }

    /// The same for the chat, in which a question may be typed again.
    pub(crate) async fn kill_chat_at(&mut self, at: &str) {
        self.restart_chat(Some(at));
        self.ask();
        self.chat.complained("stopped at ").await;
        self.restart_chat(None);
        let again = self.ask();
        self.answered(&again).await;
    }

    /// Ends the three in order and judges what they showed.
    pub(crate) async fn judge(mut self) {
        let last = self.ask();
        self.answered(&last).await;
        // A new chat shows what is kept, once.
        self.restart_chat(None);
        self.answered(&last).await;
        self.note_chat();
        let transcript = self.chat.lines();
        self.serving.kill();
        self.note_business();
        check(&transcript, &self.stored, &self.told);
        self.relay.kill();
    }

    fn restart_relay(&mut self) {
        self.relay.kill();
        self.relay = self.home.start_on(self.listen);
    }

    async fn restart_business(&mut self, stop_at: Option<&str>) {
        self.serving.kill();
        self.note_business();
        self.serving = match stop_at {
            None => self.shop.serve(PIPE).await,
            Some(_) => self.shop.begin(PIPE, stop_at),
        };
    }

    fn restart_chat(&mut self, stop_at: Option<&str>) {
        self.chat.kill();
        self.note_chat();
        self.chat = chat(self.folder.path(), &self.link, stop_at);
    }

    fn note_business(&mut self) {
        let texts = self.serving.messages();
        self.told.extend(texts.iter().filter_map(|told| told["text"].as_str()).map(String::from));
    }

    fn note_chat(&mut self) {
        self.stored.extend(self.chat.lines().iter().filter_map(|line| question_in(line)));
    }
}

/// What must hold whatever was killed.
fn check(transcript: &[String], stored: &BTreeSet<String>, told: &[String]) {
    let kept: BTreeSet<String> = transcript.iter().filter_map(|line| question_in(line)).collect();
    let lost: Vec<_> = stored.difference(&kept).collect();
    assert!(lost.is_empty(), "shown as stored and lost: {lost:?}");
    let told_set: BTreeSet<String> = told.iter().cloned().collect();
    assert_eq!(told_set, kept, "what was stored is what the business was told");
    assert_eq!(told.len(), told_set.len(), "told twice: {told:?}");
    let number = |question: &String| question.rsplit(' ').next().unwrap().parse::<u32>().unwrap();
    assert!(told.is_sorted_by_key(number), "told out of order: {told:?}");
    let answers: Vec<&str> = transcript.iter().filter_map(|line| answer_in(line)).collect();
    let expected: Vec<&str> = told.iter().map(String::as_str).collect();
    assert_eq!(answers, expected, "each question is answered once and in order");
}

/// The question of a line such as `14:02 you (delivered): question 7`.
fn question_in(line: &str) -> Option<String> {
    let (before, text) = line.split_once("): ")?;
    (before.contains("you (") && text.starts_with("question ")).then(|| text.to_owned())
}

/// The question that a line of the business answers.
fn answer_in(line: &str) -> Option<&str> {
    line.split_once(": answer to ").map(|(_, question)| question)
}

fn answer_to(question: &str) -> String {
    format!(": answer to {question}")
}

/// `plico chat` line by line, its state in a folder.
pub(crate) fn chat(folder: &Path, link: &str, stop_at: Option<&str>) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plico-under-test"));
    command.args(["chat", link, "--plain", "--state", "anna"]).current_dir(folder);
    if let Some(at) = stop_at {
        command.env("PLICO_STOP_AT", at);
    }
    Program::start(command)
}

/// How `serve` is told of the program.
pub(crate) const PIPE: &[&str] = &["--pipe", "python3", "program.py"];

/// Answers each message with its own words.
pub(crate) const PROGRAM: &str = r#"
import json, sys
for line in sys.stdin:
    told = json.loads(line)
    said = {"handled": told["event"]}
    if told.get("text"):
        said["text"] = "answer to " + told["text"]
    print(json.dumps(said), flush=True)
"#;
