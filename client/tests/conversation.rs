//! A person and a business through a real relay: consent, restarts, and links that are wrong.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plico_client::{
    Body, Business, BusinessEvent, Categories, Category, Clock, ConnectError, ConsentTerms,
    Conversation, CustomerId, CustomerMessage, Link, LookUpError, MessageState, Person,
    PersonEvent, Protection, Received, SendError, SystemClock, Trouble,
};
use plico_protocol::certificate::{CertificateRequest, DomainCheck, Serial};
use plico_protocol::link::Pin;
use plico_protocol::refusal::Code;
use plico_protocol::time::Timestamp;
use plico_relay::admin::command::{Answer, Command};
use plico_relay::admin::issue::{Findings, issue};
use plico_relay::config::Config;
use plico_relay::{Options, Relay};
use tempfile::TempDir;

struct World {
    folder: TempDir,
    relay: Relay,
    bank: Business,
    link: Link,
}

impl World {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let config = Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            keys_dir: folder.path().join("relay-keys"),
            data_dir: folder.path().join("relay"),
            ..Config::default()
        };
        let keys_dir = config.keys_dir.clone();
        let relay = Relay::start(config, Options::default()).await.unwrap();
        let path = folder.path().join("bank");
        let key = Protection::key_file(folder.path().join("bank.key"));
        let request = Business::create(&path, key.clone(), "bank", "The Bank", "bank.example");
        let request = CertificateRequest::from_text(&request.await.unwrap()).unwrap();
        let authority = plico_relay::keys::read_authority_secret(&keys_dir).unwrap();
        let findings = Findings {
            handle: None,
            display_name: None,
            domain: None,
            domain_check: DomainCheck::Dns,
            categories: Categories::ALL,
            days: 90,
        };
        let certificate =
            issue(&request, findings, Serial(1), &authority, SystemClock.now().hour()).unwrap();
        let install = Command::Install(certificate.certificate().clone());
        assert!(matches!(relay.desk().carry_out(install).await, Answer::Done(_)));
        let bank = Business::open(path, key).await.unwrap();
        bank.connect(relay.link()).await.unwrap();
        let link = bank.link(None).await.unwrap();
        Self { folder, relay, bank, link }
    }

    async fn person(&self) -> Person {
        self.person_at(Ahead::default()).await
    }

    async fn person_at(&self, clock: Ahead) -> Person {
        let key = Protection::key_file(self.folder.path().join("person.key"));
        let options = plico_client::Options::default().clock(clock);
        Person::open_with(options, self.folder.path().join("person"), key).await.unwrap()
    }

    /// A conversation in which the bank knows the customer.
    async fn acquainted(&mut self) -> (Person, Conversation, CustomerId) {
        let person = self.person().await;
        let chat = person.conversation(&self.link).await.unwrap();
        chat.send("hello").await.unwrap();
        let customer = heard(&mut self.bank).await.customer;
        (person, chat, customer)
    }

    async fn send(&self, to: CustomerId, text: &str) -> plico_client::ContentId {
        self.bank.send(to, text, Category::Utility).await.unwrap()
    }

    /// The final state of a message of the bank's.
    async fn ends(&mut self, sent: plico_client::ContentId) -> MessageState {
        loop {
            match soon(self.bank.next_event()).await.unwrap() {
                BusinessEvent::Sent { id, state, .. }
                    if id == sent && state != MessageState::Accepted =>
                {
                    return state;
                }
                _ => (),
            }
        }
    }
}

/// The system's clock and so many milliseconds more.
#[derive(Clone, Default)]
struct Ahead(Arc<AtomicU64>);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0 + self.0.load(Ordering::Relaxed))
    }
}

/// A bound on hanging; nothing passes because of it.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("nothing happened")
}

async fn heard(bank: &mut Business) -> CustomerMessage {
    loop {
        if let BusinessEvent::Message(message) = soon(bank.next_event()).await.unwrap() {
            return *message;
        }
    }
}

async fn read(person: &mut Person) -> Received {
    loop {
        if let PersonEvent::Message(message) = soon(person.next_event()).await.unwrap() {
            return *message;
        }
    }
}

fn text(body: &Body) -> &str {
    match body {
        Body::Text(text) => text,
        other => panic!("expected text, got {other:?}"),
    }
}

#[tokio::test]
async fn messages_arrive_once_and_in_order() {
    let mut world = World::new().await;
    let person = world.person().await;
    let chat = person.conversation(&world.link).await.unwrap();
    for n in 0..20 {
        chat.send(n.to_string()).await.unwrap();
    }
    for n in 0..20 {
        assert_eq!(text(&heard(&mut world.bank).await.content.body), n.to_string());
    }
}

#[tokio::test]
async fn an_event_comes_again_until_it_was_handled() {
    let mut world = World::new().await;
    let (mut person, _, customer) = world.acquainted().await;
    world.send(customer, "one").await;
    world.send(customer, "two").await;
    let shown = read(&mut person).await;
    person.close().await.unwrap();
    let mut person = world.person().await;
    let again = read(&mut person).await;
    assert_eq!((again.event, text(&again.content.body)), (shown.event, "one"));
    assert_eq!(again.from.display_name, "The Bank");
    assert_eq!(text(&read(&mut person).await.content.body), "two");
    person.handled(shown.event).await.unwrap();
}

#[tokio::test]
async fn after_revocation_the_business_is_refused_until_the_person_writes() {
    let mut world = World::new().await;
    let (mut person, chat, customer) = world.acquainted().await;
    world.send(customer, "before").await;
    assert_eq!(text(&read(&mut person).await.content.body), "before");
    chat.revoke().await.unwrap();
    // The next message waits behind the revocation: once it is heard, that was carried out.
    chat.react(plico_client::ContentId::new([7; 16]), "👍").await.unwrap();
    heard(&mut world.bank).await;
    let late = world.send(customer, "late").await;
    assert_eq!(world.ends(late).await, MessageState::Refused(Code::Revoked));
    chat.send("again").await.unwrap();
    assert_eq!(heard(&mut world.bank).await.customer, customer);
    world.send(customer, "welcome").await;
    assert_eq!(text(&read(&mut person).await.content.body), "welcome");
}

#[tokio::test]
async fn a_standing_consent_and_changed_terms_reach_the_business() {
    let mut world = World::new().await;
    let (mut person, chat, customer) = world.acquainted().await;
    let categories = Categories::of(&[Category::Authentication]).unwrap();
    let terms = ConsentTerms { categories, messages_max: 5, days: 100 };
    chat.allow_notifications(terms).await.unwrap();
    let free_until = loop {
        match soon(world.bank.next_event()).await.unwrap() {
            BusinessEvent::Consent { free_until, .. } => break free_until,
            _ => continue,
        }
    };
    assert_eq!(free_until, None);
    let code = world.bank.send(customer, "Your code is 481 516", Category::Authentication).await;
    assert_eq!(read(&mut person).await.content.id, code.unwrap());
    chat.change_terms(terms).await.unwrap();
    loop {
        if let BusinessEvent::Consent { .. } = soon(world.bank.next_event()).await.unwrap() {
            break;
        }
    }
    let advert = world.bank.send(customer, "Buy", Category::Marketing).await.unwrap();
    assert_eq!(world.ends(advert).await, MessageState::Refused(Code::CategoryNotAllowed));
}

#[tokio::test]
async fn after_a_goodbye_nothing_can_be_sent_either_way() {
    let mut world = World::new().await;
    let (_person, chat, customer) = world.acquainted().await;
    chat.goodbye().await.unwrap();
    assert_eq!(heard(&mut world.bank).await.content.body, Body::Goodbye);
    assert_eq!(chat.send("more").await, Err(SendError::Ended));
    let late = world.send(customer, "wait").await;
    let state = world.ends(late).await;
    assert!(matches!(state, MessageState::Refused(Code::Revoked) | MessageState::Expired));
}

#[tokio::test]
async fn a_mark_comes_and_says_nothing_more() {
    let mut world = World::new().await;
    let clock = Ahead::default();
    let mut person = world.person_at(clock.clone()).await;
    let chat = person.conversation(&world.link).await.unwrap();
    chat.send("hello").await.unwrap();
    let customer = heard(&mut world.bank).await.customer;
    let sent = world.send(customer, "read me").await;
    chat.mark_read(read(&mut person).await.content.id).await.unwrap();
    clock.0.store(30_000, Ordering::Relaxed);
    // Whatever is asked makes the agent look at the clock.
    chat.state(sent).await.unwrap();
    let mark = heard(&mut world.bank).await.content;
    assert!(matches!(mark.body, Body::Marks(marks) if marks.read == [sent]));
    assert_eq!(mark.reply, None);
}

#[tokio::test]
async fn a_relay_that_restarts_is_found_again() {
    let mut world = World::new().await;
    let (mut person, chat, customer) = world.acquainted().await;
    let config = Config {
        listen: world.relay.local_addr(),
        keys_dir: world.folder.path().join("relay-keys"),
        data_dir: world.folder.path().join("relay"),
        ..Config::default()
    };
    for round in 0..3 {
        let World { relay, folder, bank, link } = world;
        relay.shutdown().await.unwrap();
        chat.send(format!("question {round}")).await.unwrap();
        bank.send(customer, format!("news {round}"), Category::Service).await.unwrap();
        let relay = Relay::start(config.clone(), Options::default()).await.unwrap();
        world = World { relay, folder, bank, link };
        let question = heard(&mut world.bank).await;
        assert_eq!(text(&question.content.body), format!("question {round}"));
        assert_eq!(text(&read(&mut person).await.content.body), format!("news {round}"));
    }
}

#[tokio::test]
async fn a_changed_network_loses_nothing() {
    let mut world = World::new().await;
    let (mut person, chat, customer) = world.acquainted().await;
    for round in 0..3 {
        person.network_changed().await.unwrap();
        world.bank.network_changed().await.unwrap();
        chat.send(format!("question {round}")).await.unwrap();
        world.send(customer, &format!("news {round}")).await;
        let question = heard(&mut world.bank).await;
        assert_eq!(text(&question.content.body), format!("question {round}"));
        assert_eq!(text(&read(&mut person).await.content.body), format!("news {round}"));
    }
}

#[tokio::test]
async fn each_wrong_part_of_a_link_has_its_error() {
    let world = World::new().await;
    let person = world.person().await;
    let other = Pin::of_spki(b"other");
    let check = async |change: &dyn Fn(&mut Link)| {
        let mut link = world.link.clone();
        change(&mut link);
        let chat = person.conversation(&link).await.unwrap();
        soon(chat.business()).await.map(|profile| profile.domain)
    };
    assert_eq!(check(&|_| ()).await, Ok("bank.example".into()));
    let wrong_pin = Err(LookUpError::Connect(ConnectError::WrongPin));
    assert_eq!(check(&|link| link.relay.relay = other).await, wrong_pin);
    let wrong = |trouble| Err(LookUpError::Trouble(trouble));
    let authority = check(&|link| link.relay.authority = other).await;
    assert_eq!(authority, wrong(Trouble::WrongAuthority));
    assert_eq!(check(&|link| link.account = other).await, wrong(Trouble::WrongAccount));
    let unknown = plico_protocol::certificate::Handle::new("nobody").unwrap();
    let unknown = check(&|link| link.handle = unknown.clone()).await;
    assert_eq!(unknown, wrong(Trouble::Refused(Code::UnknownHandle)));
}

#[tokio::test]
async fn a_state_that_is_open_is_refused_to_another() {
    let world = World::new().await;
    let _person = world.person().await;
    let path: PathBuf = world.folder.path().join("person");
    let key = Protection::key_file(world.folder.path().join("person.key"));
    let second = Person::open(path, key).await;
    assert!(matches!(second, Err(plico_client::OpenError::Locked)));
    world.relay.shutdown().await.unwrap();
}
