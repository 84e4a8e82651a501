//! Seen by a person and a business that run on.
//!
//! Goal: whatever the point, both applications are shown every message once and in order. Method:
//! the two write to one another while the relay is stopped at the point, killed and started again;
//! neither is told, and neither does anything about it.

use std::net::{IpAddr, Ipv4Addr};

use plico_client::{Business, Category, Conversation, Person};
use plico_relay::writer::Point;

use crate::harness::process::{Home, RelayProcess};
use crate::harness::relay::own_address;
use crate::harness::sdk::{Desk, next_asked, next_received, words};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applications_are_shown_everything_once_and_in_order_at_every_point() {
    for point in Point::ALL {
        for nth in [6, 13] {
            check(*point, nth).await;
        }
    }
}

async fn check(point: Point, nth: u32) {
    let home = Home::new();
    let desk = Desk::at(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let request = desk.create_business("bank").await;
    let certificate = std::fs::read_to_string(home.certify_request(&request, "bank")).unwrap();
    let listen = own_address();
    // The first start makes nothing but the link.
    let relay = home.start_on(listen);
    let link = relay.link().parse().unwrap();
    relay.terminate();

    let relay = home.start_on_stopping_at(listen, point, nth);
    let bank = desk.business("bank").await;
    bank.install_certificate(&certificate).await.unwrap();
    let operator = tokio::spawn(kill_and_restart(home, relay));
    let (bank, link) = desk.connected(bank, &link).await;
    let person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    tokio::select! {
        () = ask_all(person, chat) => (),
        // Stays open until the person has everything: the last answers may be on their way.
        () = answer_all(bank) => panic!("the business was shown more than was asked"),
    }
    let (home, relay) = operator.await.unwrap();
    relay.terminate();
    drop(home);
}

async fn kill_and_restart(home: Home, mut relay: RelayProcess) -> (Home, RelayProcess) {
    relay.stopped().await;
    relay.kill();
    let relay = home.start_on(relay.address());
    (home, relay)
}

/// Asks all questions at once and expects the answers one by one.
async fn ask_all(mut person: Person, chat: Conversation) {
    for n in 0..QUESTIONS {
        chat.send(format!("question {n}")).await.unwrap();
    }
    for n in 0..QUESTIONS {
        let received = next_received(&mut person).await;
        assert_eq!(words(&received.content.body), format!("answer {n}"));
    }
    person.close().await.unwrap();
}

async fn answer_all(mut bank: Business) {
    for n in 0..QUESTIONS {
        let asked = next_asked(&mut bank).await;
        assert_eq!(words(&asked.content.body), format!("question {n}"));
        bank.send(asked.customer, format!("answer {n}"), Category::Service).await.unwrap();
    }
    next_asked(&mut bank).await;
}

const QUESTIONS: u32 = 4;
