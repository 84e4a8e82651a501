//! A business that lost its state, or closed for a weekend: nobody's message is lost.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use plico_client::{
    BackupError, Business, BusinessEvent, BusinessTrouble, Category, ContentId, Conversation,
    CustomerId, Link, MessageState, OpenError, Person, PersonEvent, Protection, RestoreError,
};
use plico_protocol::refusal::Code;

use crate::harness::relay::TestRelay;
use crate::harness::sdk::{Desk, became, heard, introduce, next_asked, next_received, told, words};

/// A person with a conversation.
struct Customer {
    person: Person,
    chat: Conversation,
}

impl Customer {
    async fn new(desk: &Desk, name: &str, link: &Link) -> Self {
        let person = desk.person(name).await;
        let chat = person.conversation(link).await.unwrap();
        Self { person, chat }
    }

    /// Writes, is answered, and writes again: both ends take new ratchet keys.
    async fn exchange(&mut self, bank: &mut Business, said: &str) {
        self.chat.send(said).await.unwrap();
        let asked = next_asked(bank).await;
        bank.handled(asked.event).await.unwrap();
        bank.send(asked.customer, format!("{said} answered"), Category::Service).await.unwrap();
        self.is_answered(&format!("{said} answered")).await;
        self.chat.send(format!("{said} thanks")).await.unwrap();
        let thanked = next_asked(bank).await;
        bank.handled(thanked.event).await.unwrap();
    }

    async fn is_answered(&mut self, with: &str) {
        assert_eq!(words(&next_received(&mut self.person).await.content.body), with);
    }

    /// How many messages go out again because the business was restored.
    async fn repeats(&mut self) -> u32 {
        heard(&mut self.person, |event| match event {
            PersonEvent::BusinessRestored { repeated, .. } => Some(repeated),
            _ => None,
        })
        .await
    }
}

/// What the business is to be shown, each once, in whatever order its customers come by.
#[derive(Default)]
struct Missing(BTreeSet<String>);

impl Missing {
    fn add(&mut self, expected: &[&str]) {
        self.0.extend(expected.iter().map(|text| (*text).to_owned()));
    }

    /// Takes what the business is shown until it has seen this; gives who said it.
    async fn until(&mut self, bank: &mut Business, said: &str) -> CustomerId {
        loop {
            let asked = next_asked(bank).await;
            let text = words(&asked.content.body).to_owned();
            assert!(self.0.remove(&text), "{text} was not expected, or is shown twice");
            bank.handled(asked.event).await.unwrap();
            if text == said {
                return asked.customer;
            }
        }
    }

    /// The same until it has seen all of these.
    async fn shown(&mut self, bank: &mut Business, expected: &[&str]) {
        for said in expected {
            if self.0.contains(*said) {
                self.until(bank, said).await;
            }
        }
    }
}

/// What the business is shown until it has seen all of this; what it is shown twice fails.
async fn shown(bank: &mut Business, expected: &[&str]) {
    let mut missing = Missing::default();
    missing.add(expected);
    missing.shown(bank, expected).await;
}

#[tokio::test]
async fn everything_goes_on_from_a_backup_however_often_it_is_restored() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut quiet = Customer::new(&desk, "anna", &link).await;
    let mut busy = Customer::new(&desk, "ben", &link).await;
    let silent = Customer::new(&desk, "carla", &link).await;
    quiet.exchange(&mut bank, "anna before").await;
    busy.exchange(&mut bank, "ben before").await;
    let asked = introduce(&silent.chat, &mut bank).await;
    bank.handled(asked.event).await.unwrap();
    relay.clock.advance_minutes(70);
    Business::backup(desk.path("bank"), desk.path("backup")).await.unwrap();

    relay.clock.advance_minutes(30);
    busy.exchange(&mut bank, "ben lost").await;
    silent.chat.send("carla lost").await.unwrap();
    next_asked(&mut bank).await;
    let mut late = Customer::new(&desk, "dora", &link).await;
    late.exchange(&mut bank, "dora lost").await;
    bank.close().await.unwrap();
    quiet.chat.send("anna queued").await.unwrap();

    // What a restored business heard is lost again when it is restored again.
    let lost = ["ben lost", "ben lost thanks", "carla lost", "anna queued"];
    let mut late_said = vec!["dora lost", "dora lost thanks"];
    for (round, late_says) in [("first", "dora again"), ("second", "dora once more")] {
        relay.clock.advance_minutes(90);
        desk.lose("bank");
        desk.restore("backup", "bank").await.unwrap();
        bank = desk.business("bank").await;
        // Customers are told one after the other.
        relay.clock.advance_minutes(1);
        let went_on = ["ben went on first", "anna went on first"];
        let again = if round == "first" { &[] } else { &went_on[..] };
        let early = [&lost, again].concat();
        let mut missing = Missing::default();
        missing.add(&early);
        // The backup knows nothing of her. She finds that out by herself when she next looks the business
        // up, or by what she says next.
        missing.add(&late_said);
        missing.shown(&mut bank, &early).await;
        assert!(2 <= busy.repeats().await);

        for (customer, name) in [(&mut busy, "ben"), (&mut quiet, "anna")] {
            let said = format!("{name} went on {round}");
            customer.chat.send(&*said).await.unwrap();
            missing.add(&[&*said]);
            let from = missing.until(&mut bank, &said).await;
            bank.send(from, format!("yes, {round}"), Category::Service).await.unwrap();
            customer.is_answered(&format!("yes, {round}")).await;
        }
        late_said.push(late_says);
        missing.add(&[late_says]);
        let id = late.chat.send(late_says).await.unwrap();
        heard(&mut late.person, |event| match event {
            PersonEvent::Sent { id: sent, state: MessageState::Accepted, .. } => {
                (sent == id).then_some(())
            }
            _ => None,
        })
        .await;
        relay.clock.advance_minutes(1);
        missing.shown(&mut bank, &late_said).await;
        assert_eq!(bank.customers().await.unwrap().len(), 4);
        bank.close().await.unwrap();
    }
    relay.stop().await;
}

/// An operator who tries again: the same backup, so often, so many minutes apart.
async fn retried(times: u32, minutes: u64) {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut ben = Customer::new(&desk, "ben", &link).await;
    ben.exchange(&mut bank, "before").await;
    relay.clock.advance_hours(2);
    Business::backup(desk.path("bank"), desk.path("backup")).await.unwrap();
    ben.exchange(&mut bank, "lost").await;
    let mut said = vec!["lost".to_owned(), "lost thanks".to_owned()];
    for round in 0..times {
        relay.clock.advance_minutes(minutes);
        bank.close().await.unwrap();
        desk.lose("bank");
        desk.restore("backup", "bank").await.unwrap();
        bank = desk.business("bank").await;
        for what in ["said", "added"] {
            let text = format!("{what} {round}");
            let id = ben.chat.send(&*text).await.unwrap();
            while ben.chat.state(id).await.unwrap() == Some(MessageState::Queued) {
                relay.clock.advance_seconds(1);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            said.push(text);
        }
    }
    let mut missing: BTreeSet<String> = said.iter().cloned().collect();
    let mut last = Vec::new();
    for _ in 0..A_DAY_AND_MORE {
        // Any command has an agent look at the clock.
        relay.clock.advance_minutes(1);
        ben.chat.window().await.unwrap();
        let next = tokio::time::timeout(Duration::from_millis(50), next_asked(&mut bank));
        if let Ok(asked) = next.await {
            let text = words(&asked.content.body).to_owned();
            assert!(missing.remove(&text), "{text} is shown twice after {times} restores");
            bank.handled(asked.event).await.unwrap();
            last.push(text);
        }
        if missing.is_empty() {
            break;
        }
    }
    assert!(missing.is_empty(), "{missing:?} are lost after {times} restores");
    let of_last = last.iter().filter(|text| text.ends_with(&(times - 1).to_string()));
    let of_last: Vec<_> = of_last.map(|text| text.split(' ').next().unwrap()).collect();
    assert_eq!(of_last, ["said", "added"], "in the order in which they were written");
    ben.person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn a_backup_restored_again_within_the_hour_loses_nothing() {
    for times in [2, 3, 4] {
        retried(times, 5).await;
    }
}

#[tokio::test]
async fn a_backup_restored_again_within_the_day_loses_nothing() {
    for times in [2, 3, 4] {
        retried(times, 300).await;
    }
}

#[tokio::test]
async fn a_conversation_of_the_lost_hour_goes_on_once_the_device_connects() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    Business::backup(desk.path("bank"), desk.path("backup")).await.unwrap();
    relay.clock.advance_minutes(30);
    let mut dora = Customer::new(&desk, "dora", &link).await;
    let mut said = Vec::new();
    for text in ["lost", "lost too"] {
        said.push(dora.chat.send(text).await.unwrap());
        let asked = next_asked(&mut bank).await;
        bank.handled(asked.event).await.unwrap();
        bank.send(asked.customer, "answered", Category::Service).await.unwrap();
        dora.is_answered("answered").await;
        relay.clock.advance_minutes(1);
        delivered(&mut dora.person, said[said.len() - 1]).await;
    }
    dora.person.close().await.unwrap();
    bank.close().await.unwrap();

    relay.clock.advance_minutes(90);
    desk.lose("bank");
    desk.restore("backup", "bank").await.unwrap();
    let (mut bank, _) = desk.connected(desk.business("bank").await, &relay.link()).await;
    assert!(bank.customers().await.unwrap().is_empty());
    // Nobody writes: the device connects, and reads in the profile that the business was restored.
    let mut dora = Customer::new(&desk, "dora", &link).await;
    assert_eq!(dora.repeats().await, 2);
    let mut again = Vec::new();
    let mut customers = BTreeSet::new();
    for _ in &said {
        let asked = next_asked(&mut bank).await;
        again.push(asked.content.id);
        customers.insert(asked.customer.0);
        bank.handled(asked.event).await.unwrap();
    }
    assert_eq!((again, customers.len()), (said, 1));

    let dora_there = bank.customers().await.unwrap()[0].id;
    bank.send(dora_there, "found you", Category::Service).await.unwrap();
    dora.is_answered("found you").await;
    dora.chat.send("at last").await.unwrap();
    shown(&mut bank, &["at last"]).await;
    let history = dora.chat.history(None, 256).await.unwrap();
    let history: Vec<_> = history.iter().map(|said| words(&said.content.body)).collect();
    assert_eq!(history, ["lost", "answered", "lost too", "answered", "found you", "at last"]);
    bank.close().await.unwrap();
    relay.stop().await;
}

/// What begins a session cannot go without a ticket.
#[tokio::test]
async fn a_session_begun_again_under_a_block_gives_no_ticket_that_holds() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    Business::backup(desk.path("bank"), desk.path("backup")).await.unwrap();
    let mut anna = Customer::new(&desk, "anna", &link).await;
    anna.exchange(&mut bank, "hello").await;
    bank.close().await.unwrap();
    desk.lose("bank");

    anna.chat.block().await.unwrap();
    let reaction = anna.chat.react(ContentId::new([7; 16]), "👎").await.unwrap();
    let accepted = |event| match event {
        PersonEvent::Sent { id, state: MessageState::Accepted, .. } => {
            (id == reaction).then_some(())
        }
        _ => None,
    };
    heard(&mut anna.person, accepted).await;
    desk.restore("backup", "bank").await.unwrap();
    let mut bank = desk.business("bank").await;
    // The device asks from time to time what became of it, finds that it did not open, and begins
    // another session.
    let asked = loop {
        relay.clock.advance_seconds(1);
        // Any command has an agent look at the clock.
        anna.chat.state(reaction).await.unwrap();
        let next = tokio::time::timeout(Duration::from_millis(50), next_asked(&mut bank)).await;
        if let Some(asked) = next.ok().filter(|asked| asked.content.id == reaction) {
            break asked;
        }
    };
    let id = bank.send(asked.customer, "why?", Category::Service).await.unwrap();
    assert_eq!(became(&mut bank, id).await, MessageState::Refused(Code::Revoked));
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn a_state_put_back_by_hand_stops_until_it_is_restored() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let mut ben = Customer::new(&desk, "ben", &link).await;
    ben.exchange(&mut bank, "before").await;
    bank.close().await.unwrap();
    std::fs::copy(desk.path("bank"), desk.path("old copy")).unwrap();
    relay.clock.advance_hours(25);
    let (mut bank, _) = desk.connected(desk.business("bank").await, &relay.link()).await;
    ben.chat.send("lost").await.unwrap();
    assert_eq!(words(&next_asked(&mut bank).await.content.body), "lost");
    bank.close().await.unwrap();

    desk.lose("bank");
    std::fs::copy(desk.path("old copy"), desk.path("bank")).unwrap();
    ben.chat.send("queued").await.unwrap();
    let mut bank = desk.business("bank").await;
    let trouble = told(&mut bank, |event| match event {
        BusinessEvent::Trouble { trouble, .. } => Some(trouble),
        _ => None,
    });
    assert_eq!(trouble.await, BusinessTrouble::OlderCopy);
    bank.close().await.unwrap();

    desk.lose("bank");
    desk.restore("old copy", "bank").await.unwrap();
    let mut bank = desk.business("bank").await;
    shown(&mut bank, &["lost", "queued"]).await;
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn what_was_accepted_over_a_weekend_is_read_on_monday() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (bank, link) = desk.certified(&relay, "bank").await;
    bank.close().await.unwrap();
    // From Friday evening, 18 o'clock, to Monday morning, 9 o'clock.
    let mut customers = Vec::new();
    for hour in [0_u64, 1, 23, 24, 25, 47, 48, 49, 62] {
        let passed: u64 = customers.last().map_or(0, |(hour, _, _): &(u64, _, _)| *hour);
        relay.clock.advance_hours(hour - passed);
        let mut customer = Customer::new(&desk, &format!("{hour}"), &link).await;
        let id = customer.chat.send(format!("first at {hour}")).await.unwrap();
        accepted(&mut customer.person).await;
        customers.push((hour, customer, id));
    }
    relay.clock.advance_hours(1);
    let mut bank = desk.business("bank").await;
    let first: Vec<_> = customers.iter().map(|(hour, ..)| format!("first at {hour}")).collect();
    shown(&mut bank, &first.iter().map(String::as_str).collect::<Vec<_>>()).await;
    bank.close().await.unwrap();
    relay.stop().await;
}

async fn delivered(person: &mut Person, message: ContentId) {
    heard(person, |event| match event {
        PersonEvent::Sent { id, state: MessageState::Delivered, .. } => {
            (id == message).then_some(())
        }
        _ => None,
    })
    .await;
}

async fn accepted(person: &mut Person) {
    heard(person, |event| matches!(event, PersonEvent::Sent { .. }).then_some(())).await;
}

#[tokio::test]
async fn backups_taken_while_it_writes_are_whole_and_hold_no_words() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (mut bank, link) = desk.certified(&relay, "bank").await;
    let ben = Customer::new(&desk, "ben", &link).await;
    let asked = introduce(&ben.chat, &mut bank).await;
    for n in 0..10 {
        let backup = desk.path(&format!("backup {n}"));
        let state = desk.path("bank");
        let writing = async {
            for _ in 0..20 {
                bank.send(asked.customer, CANARY, Category::Service).await.unwrap();
            }
        };
        let (made, ()) = tokio::join!(Business::backup(&state, &backup), writing);
        made.unwrap();
        assert!(!holds(&backup, CANARY.as_bytes()) && !holds(&backup, b"The bank"));
        assert_eq!(std::fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
        // Every row that decides whether it can go on is read.
        let restored = format!("restored {n}");
        std::fs::copy(desk.path("bank.key"), desk.path(&format!("{restored}.key"))).unwrap();
        desk.restore(&format!("backup {n}"), &restored).await.unwrap();
        let again = desk.business(&restored).await;
        assert_eq!(again.customers().await.unwrap().len(), 1);
        again.close().await.unwrap();
    }
    bank.close().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn backups_and_restores_never_replace_or_mix() {
    let relay = TestRelay::start().await;
    let desk = Desk::of(&relay);
    let (bank, _) = desk.certified(&relay, "bank").await;
    bank.close().await.unwrap();
    let (state, backup) = (desk.path("bank"), desk.path("backup"));
    let missing = Business::backup(desk.path("nothing"), &backup).await;
    assert!(matches!(missing, Err(BackupError::Missing)), "{missing:?}");
    desk.person("anna").await.close().await.unwrap();
    let foreign = Business::backup(desk.path("anna"), &backup).await;
    assert!(matches!(foreign, Err(BackupError::Foreign)), "{foreign:?}");
    Business::backup(&state, &backup).await.unwrap();
    let exists = Business::backup(&state, &backup).await;
    assert!(matches!(exists, Err(BackupError::Exists)), "{exists:?}");

    let over = desk.restore("backup", "bank").await;
    assert!(matches!(over, Err(RestoreError::Exists(_))), "{over:?}");
    let wrong = Business::restore(&backup, desk.path("other"), Protection::passphrase("no")).await;
    assert!(matches!(wrong, Err(RestoreError::Open(OpenError::WrongKey))), "{wrong:?}");
    assert!(!desk.path("other").exists());
    // The log of a lost state would be played into the restored one.
    desk.lose("bank");
    std::fs::write(desk.path("bank-wal"), b"log").unwrap();
    let mixed = desk.restore("backup", "bank").await;
    assert!(matches!(mixed, Err(RestoreError::Exists(_))), "{mixed:?}");
    std::fs::remove_file(desk.path("bank-wal")).unwrap();
    desk.restore("backup", "bank").await.unwrap();
    let left = std::fs::read_dir(desk.path(".")).unwrap();
    let parts =
        left.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().contains(".part"));
    assert_eq!(parts.count(), 0);
    desk.business("bank").await.close().await.unwrap();
    relay.stop().await;
}

fn holds(path: &Path, canary: &[u8]) -> bool {
    std::fs::read(path).unwrap().windows(canary.len()).any(|window| window == canary)
}

/// Minutes; a session waits for a day at most.
const A_DAY_AND_MORE: u32 = 25 * 60;
const CANARY: &str = "canary-backup-61ce";
