//! What the relay's disk, logs and metrics must not hold, after a conversation that had it all.
//!
//! Method: a relay process that logs at `trace`, clients that send from distinctive loopback
//! addresses, and words that occur nowhere else. Then every byte under the relay's directories and
//! everything it printed is searched.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::Path;

use plico_client::{BusinessEvent, Category, Message, MessageState};
use plico_protocol::id::Address;

use crate::harness::process::Home;
use crate::harness::sdk::{Desk, next_asked, next_received, told};

const PERSON_IP: Ipv4Addr = Ipv4Addr::new(127, 83, 197, 61);
const BUSINESS_IP: Ipv4Addr = Ipv4Addr::new(127, 91, 173, 89);
/// On a loopback address of its own, so that no other test has the port.
const METRICS: &str = "127.91.173.90:9464";
const CANARIES: [&str; 5] = [
    "canary-question-7f3a",
    "canary-choice-19bd",
    "canary-label-c04e",
    "canary-notification-55e1",
    "canary-name-8d26",
];

#[tokio::test]
async fn disk_logs_and_metrics_hold_no_content_no_mailbox_and_no_ip() {
    let [question, choice, label, notification, name] = CANARIES;
    let home = Home::new();
    let people = Desk::at(IpAddr::V4(PERSON_IP));
    let businesses = Desk::at(IpAddr::V4(BUSINESS_IP));
    let request = businesses.create_business("bank").await;
    let certificate = home.certify_request(&request, "bank");
    let relay = home.start_set(&format!(
        "log_level = \"trace\"\nmetrics_listen = \"{METRICS}\"\ncredit = \"1000.00\"\n"
    ));

    let bank = businesses.business("bank").await;
    bank.install_certificate(&std::fs::read_to_string(certificate).unwrap()).await.unwrap();
    let (mut bank, link) = businesses.connected(bank, &relay.link().parse().unwrap()).await;
    let mut person = people.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    chat.call_me(name).await.unwrap();
    chat.send(question).await.unwrap();
    let asked = loop {
        let asked = next_asked(&mut bank).await;
        if asked.content.reply.is_some() {
            break asked;
        }
    };
    let message = Message::choices(question, [(choice, label)]);
    let id = bank.send(asked.customer, message, Category::Service).await.unwrap();
    next_received(&mut person).await;
    chat.answer(id, choice).await.unwrap();
    next_asked(&mut bank).await;
    let message = Message::notification(notification, notification, [(label, label)]);
    bank.send(asked.customer, message, Category::Utility).await.unwrap();
    next_received(&mut person).await;
    // One message stays in the queue: stored envelopes are searched too.
    person.close().await.unwrap();
    let last = bank.send(asked.customer, question, Category::Service).await.unwrap();
    let accepted = |event| match event {
        BusinessEvent::Sent { id: sent, state: MessageState::Accepted, .. } if sent == last => {
            Some(())
        }
        _ => None,
    };
    told(&mut bank, accepted).await;
    bank.close().await.unwrap();
    home.run(&["backup", "taken.backup"]);
    let (log, printed) = (relay.log(), relay.printed());
    assert!(log.lines().count() > 10, "the relay logs at trace: {log}");
    let metrics = scrape();
    let status = home.run(&["status"]) + &home.run(&["status", "--json"]);
    // Where nothing was counted, nothing was searched.
    for counted in [&metrics, &status] {
        assert!(counted.contains("plico_delivered_total"), "{counted}");
    }
    relay.terminate();

    let address = asked.content.reply.unwrap().address;
    let secrets = secrets(address);
    let mut found_in = [false; 2];
    for (what, bytes) in files(home.path()) {
        for (found, place) in found_in.iter_mut().zip(["plico-data", "taken.backup"]) {
            if what.contains(place) {
                // The one row in clear: where it is not found, nothing was searched.
                *found |= contains(&bytes, b"schema");
                assert!(!contains(&bytes, b"bank.example"), "{what} names a business");
            }
        }
        check(&what, &bytes, &secrets);
    }
    assert_eq!(found_in, [true; 2], "the relay's data and its backup were not found");
    check("the log", log.as_bytes(), &secrets);
    check("the metrics", metrics.as_bytes(), &secrets);
    check("the status", status.as_bytes(), &secrets);
    check("standard output", printed.as_bytes(), &secrets);
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let address = Address::new([0xab; 32]);
    for (what, spelling) in spellings("mailbox", address) {
        let hay = [b"before".as_slice(), &spelling, b"after"].concat();
        assert!(contains(&hay, &spelling), "{what}");
    }
    assert!(!contains(b"nothing", b"something"));
}

/// The metrics as Prometheus fetches them.
fn scrape() -> String {
    let mut stream = TcpStream::connect(METRICS).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn check(place: &str, bytes: &[u8], secrets: &[(String, Vec<u8>)]) {
    for (what, secret) in secrets {
        assert!(!contains(bytes, secret), "{place} contains {what}");
    }
}

/// What must not be found anywhere.
fn secrets(mailbox: Address) -> Vec<(String, Vec<u8>)> {
    let mut secrets: Vec<(String, Vec<u8>)> =
        CANARIES.iter().map(|canary| ((*canary).to_owned(), canary.as_bytes().to_vec())).collect();
    secrets.extend(spellings("the person's mailbox", mailbox));
    for ip in [PERSON_IP, BUSINESS_IP] {
        secrets.push((format!("{ip}"), ip.to_string().into_bytes()));
        secrets.push((format!("{ip} in bytes"), ip.octets().to_vec()));
    }
    secrets
}

/// An address as bytes, hex and base64, since a log would not print raw bytes.
fn spellings(what: &str, address: Address) -> Vec<(String, Vec<u8>)> {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let bytes = address.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    vec![
        (format!("{what} in bytes"), bytes.to_vec()),
        (format!("{what} in hex"), hex.clone().into_bytes()),
        (format!("{what} in capital hex"), hex.to_uppercase().into_bytes()),
        (format!("{what} as a list"), list.into_bytes()),
        (format!("{what} in base64"), STANDARD_NO_PAD.encode(bytes).into_bytes()),
        (format!("{what} in base64url"), URL_SAFE_NO_PAD.encode(bytes).into_bytes()),
    ]
}

pub(crate) fn contains(hay: &[u8], needle: &[u8]) -> bool {
    // A search by the first byte: journals are long and mostly zero.
    let (first, rest) = needle.split_first().unwrap();
    let mut hay = hay;
    while let Some(at) = hay.iter().position(|byte| byte == first) {
        hay = &hay[at + 1..];
        if hay.starts_with(rest) {
            return true;
        }
    }
    false
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found
}
