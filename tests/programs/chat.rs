//! `plico chat` in a terminal, against a relay and a business of the SDK.

use plico_client::{Body, Business, Category, Link, Message, MessageState};
use plico_protocol::refusal::Code;
use tempfile::TempDir;

use super::terminal::Terminal;
use crate::harness::relay::TestRelay;
use crate::harness::sdk::{Desk, allowed_notifications, became, next_asked, words};

struct Scene {
    home: TempDir,
    bank: Business,
    link: String,
    _relay: TestRelay,
    _desk: Desk,
}

impl Scene {
    async fn new() -> Self {
        let relay = TestRelay::start_days_ago(0).await;
        let desk = Desk::of(&relay);
        let (bank, link): (Business, Link) = desk.certified(&relay, "bank").await;
        let home = tempfile::tempdir().unwrap();
        Self { home, bank, link: link.to_string(), _relay: relay, _desk: desk }
    }

    /// `plico chat LINK`, once it knows the business.
    fn chat(&self) -> Terminal {
        let mut terminal = Terminal::start(self.home.path(), &["chat", &self.link]);
        terminal.shows("The bank · bank.example");
        terminal
    }
}

fn times(screen: &str, text: &str) -> usize {
    screen.matches(text).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_is_typed_answered_killed_and_resumed() {
    let mut scene = Scene::new().await;
    let mut terminal = scene.chat();
    let first = terminal.shows("connected");
    assert!(first.contains("domain checked by DNS"), "{first}");
    assert!(first.contains("back them up apart"), "{first}");

    terminal.enter("did I pay 420 € in Lisbon?");
    let asked = next_asked(&mut scene.bank).await;
    assert_eq!(words(&asked.content.body), "did I pay 420 € in Lisbon?");
    let question = Message::choices("Was this you?", [("yes", "Yes, it was"), ("no", "No")]);
    scene.bank.send(asked.customer, question, Category::Service).await.unwrap();
    terminal.shows("✓✓ delivered");
    terminal.shows("2. No");
    terminal.shows("the business may answer until ");

    terminal.enter("2");
    let answer = next_asked(&mut scene.bank).await;
    assert!(matches!(&answer.content.body, Body::Answer(answer) if answer.choice == "no"));
    terminal.shows("→ No");

    terminal.resize(24, 60);
    terminal.until("a header of 60 columns", |screen| {
        screen.lines().next().is_some_and(|line| line.contains("bank.example"))
            && screen.lines().all(|line| line.chars().count() <= 60)
            && screen.contains("→ No")
    });
    terminal.kill();

    // Sent while nobody listens.
    scene.bank.send(asked.customer, "your card is blocked", Category::Service).await.unwrap();
    let mut terminal = Terminal::start(scene.home.path(), &["chat"]);
    terminal.resize(50, 80);
    let screen = terminal.shows("your card is blocked");
    for text in ["420 €", "Was this you?", "→ No", "your card is blocked"] {
        assert_eq!(times(&screen, text), 1, "{text}:\n{screen}");
    }
    terminal.enter("thanks");
    assert_eq!(words(&next_asked(&mut scene.bank).await.content.body), "thanks");
    terminal.enter("/quit");
    assert_eq!(terminal.ended(), (true, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_does_what_help_says_and_says_so() {
    let mut scene = Scene::new().await;
    let mut terminal = scene.chat();
    terminal.enter("/react 👍");
    terminal.shows("There is no message to react to.");
    terminal.enter("/nonsense");
    terminal.shows("/nonsense is no command");
    terminal.enter("/help");
    terminal.shows("says text that begins with a slash");
    terminal.enter("//etc/hosts");
    let asked = next_asked(&mut scene.bank).await;
    assert_eq!(words(&asked.content.body), "/etc/hosts");
    scene.bank.send(asked.customer, "what of it?", Category::Service).await.unwrap();
    terminal.shows("what of it?");
    terminal.enter("/answer 3");
    terminal.shows("There is no open question with that choice.");
    terminal.enter("/react 👍");
    let reaction = next_asked(&mut scene.bank).await.content.body;
    assert!(
        matches!(&reaction, Body::Reaction(reaction) if reaction.emoji == "👍"),
        "{reaction:?}"
    );
    terminal.enter("/name Anna B");
    terminal.shows("The business will call you Anna B.");
    let name = next_asked(&mut scene.bank).await.content.body;
    assert!(matches!(&name, Body::ProfileName(name) if name == "Anna B"), "{name:?}");
    terminal.enter("/allow");
    terminal.shows("The business may send service, utility, asked or not");
    assert_eq!(allowed_notifications(&mut scene.bank).await, asked.customer);
    terminal.enter("/block");
    terminal.shows("The business may write no more as soon as");
    terminal.enter("/goodbye");
    terminal.shows("write /goodbye yes to do so");
    terminal.enter("/goodbye yes");
    terminal.shows("You said goodbye. The business hears of it");
    assert_eq!(next_asked(&mut scene.bank).await.content.body, Body::Goodbye);
    terminal.enter("and yet");
    terminal.shows("You said goodbye in this conversation");
    terminal.enter("/quit");
    assert_eq!(terminal.ended(), (true, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_words_stay_in_their_place() {
    let mut scene = Scene::new().await;
    let mut terminal = scene.chat();
    terminal.enter("hello");
    let asked = next_asked(&mut scene.bank).await;
    let hostile = "\u{1b}[1;1H\u{1b}[7m The real bank · real.example \u{1b}[0m\u{1b}[?1049l\r\
                   \u{202e}desrever\u{9b}2J last words";
    scene.bank.send(asked.customer, hostile, Category::Service).await.unwrap();
    let screen = terminal.shows("last words");
    let header = screen.lines().next().unwrap();
    assert!(header.contains("The bank · bank.example"), "{screen}");
    assert!(!header.contains("real.example"), "{screen}");
    let line = screen.lines().find(|line| line.contains("last words")).unwrap();
    assert!(line.contains("[1;1H") && line.contains("desrever"), "{screen}");

    let long = format!("{}the very end", "x".repeat(20_000));
    scene.bank.send(asked.customer, long, Category::Service).await.unwrap();
    let screen = terminal.shows("the very end");
    assert!(screen.lines().next().unwrap().contains("The bank · bank.example"), "{screen}");
    terminal.press("\u{3}");
    assert_eq!(terminal.ended(), (true, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_is_shown_given_narrowed_and_taken_back() {
    let mut scene = Scene::new().await;
    let mut terminal = scene.chat();
    terminal.resize(60, 100);
    terminal.enter("/window");
    terminal.shows("The business may send nothing until you write.");
    terminal.enter("/report");
    terminal.shows("There is no message to report.");
    terminal.enter("/agree");
    terminal.shows("The business's key has not changed.");
    terminal.enter("/help allow");
    terminal.shows("at most 20 notifications in 60 days");
    terminal.enter("/block");
    terminal.shows("No mailbox is open yet: it holds once your first message opens one.");

    terminal.enter("hello");
    let asked = next_asked(&mut scene.bank).await;
    scene.bank.send(asked.customer, "welcome", Category::Service).await.unwrap();
    terminal.shows("welcome");
    terminal.enter("/window");
    let screen = terminal.shows("Answers: service, utility, at most 50 messages, until 2");
    assert!(screen.contains("The business may answer until "), "{screen}");

    terminal.enter("/allow utility 20 60d");
    terminal.shows("The business may send utility, asked or not: at most 20 messages in 60 days,");
    allowed_notifications(&mut scene.bank).await;
    terminal.shows("The relay has confirmed it.");
    terminal.enter("/window");
    terminal.shows("Notifications: utility, at most 20 messages, until 2");

    terminal.enter("/report silent");
    terminal.shows("the report does not count.");
    terminal.enter("/mute");
    terminal.shows(
        "The business may answer what you write, five times also after its window, and send",
    );
    terminal.enter("/window now");
    terminal.shows("/window does not take that");

    terminal.enter("/block spam");
    terminal.shows("You report its last message. The business may write no more as soon as");
    terminal.until("a second answer of the relay", |screen| {
        times(screen, "the report does not count.") == 2
    });
    terminal.enter("/window");
    terminal.until("nothing allowed", |screen| {
        times(screen, "The business may send nothing until you write.") == 2
    });
    let refused = loop {
        let id = scene.bank.send(asked.customer, "more", Category::Service).await.unwrap();
        match became(&mut scene.bank, id).await {
            MessageState::Accepted => (),
            other => break other,
        }
    };
    assert_eq!(refused, MessageState::Refused(Code::Revoked));
    terminal.enter("/quit");
    assert_eq!(terminal.ended(), (true, true));
}
