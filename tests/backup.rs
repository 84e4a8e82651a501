//! A backup of a running relay, its loss, and how conversations go on after the restore.

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::process::{Home, RelayProcess};
use crate::harness::sdk::{Desk, heard, introduce, next_asked, next_received, told, words};
use crate::harness::world::Bank;
use plico_client::{
    Business, BusinessEvent, Category, ContentId, Message, MessageState, PersonEvent,
};

/// The relay's data is lost; the keys, which were elsewhere, and the backup are not.
fn lose_and_restore(home: &Home, relay: RelayProcess) -> RelayProcess {
    let address = relay.address();
    relay.terminate();
    std::fs::remove_dir_all(home.path().join("plico-data")).unwrap();
    let said = home.run(&["restore", "taken.backup"]);
    assert!(said.contains("tickets   all ended"), "{said}");
    home.start_on(address)
}

#[tokio::test]
async fn conversations_go_on_after_a_restore_and_nothing_is_shown_twice() {
    let home = Home::new();
    let desk = Desk::at(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let request = desk.create_business("bank").await;
    let certificate = home.certify_request(&request, "bank");
    let relay = home.start();
    let bank = desk.business("bank").await;
    bank.install_certificate(&std::fs::read_to_string(certificate).unwrap()).await.unwrap();
    let (mut bank, link) = desk.connected(bank, &relay.link().parse().unwrap()).await;
    let mut person = desk.person("anna").await;
    let chat = person.conversation(&link).await.unwrap();
    let customer = introduce(&chat, &mut bank).await.customer;
    bank.send(customer, Message::text("welcome"), Category::Service).await.unwrap();
    assert_eq!(words(&next_received(&mut person).await.content.body), "welcome");

    // One envelope waits in each direction while the backup is taken, and is fetched after it.
    person.close().await.unwrap();
    let waiting =
        bank.send(customer, Message::text("while away"), Category::Service).await.unwrap();
    accepted(&mut bank, waiting).await;
    home.run(&["backup", "taken.backup"]);
    let mut person = desk.person("anna").await;
    // The last event before a close is shown again; the envelope is what comes after it.
    let away = |event| match event {
        PersonEvent::Message(message) => {
            (words(&message.content.body) == "while away").then_some(())
        }
        _ => None,
    };
    heard(&mut person, away).await;
    let chat = person.conversation(&link).await.unwrap();
    chat.send("after the backup").await.unwrap();
    assert_eq!(words(&next_asked(&mut bank).await.content.body), "after the backup");

    let mut late = desk.person("late").await;
    let late_chat = late.conversation(&link).await.unwrap();
    let late_customer = introduce(&late_chat, &mut bank).await.customer;

    let relay = lose_and_restore(&home, relay);
    // The ticket the bank has was revoked for all the relay knows. Devices that come back give
    // another without a word of their owners, also for a mailbox that the backup does not know.
    for (who, customer) in [(&mut person, customer), (&mut late, late_customer)] {
        bank.send(customer, Message::text("we are back"), Category::Service).await.unwrap();
        assert_eq!(words(&next_received(who).await.content.body), "we are back");
    }
    // What each is shown next is new: nothing that came before comes again.
    chat.send("still there?").await.unwrap();
    assert_eq!(words(&next_asked(&mut bank).await.content.body), "still there?");
    bank.send(customer, Message::text("we are"), Category::Service).await.unwrap();
    assert_eq!(words(&next_received(&mut person).await.content.body), "we are");
    // A newcomer finds prekeys, though none that were handed out before.
    let newcomer = desk.person("bert").await;
    let new = newcomer.conversation(&link).await.unwrap();
    new.send("new here").await.unwrap();
    assert_eq!(words(&next_asked(&mut bank).await.content.body), "new here");
    relay.terminate();
}

async fn accepted(bank: &mut Business, message: ContentId) {
    let accepted = |event| match event {
        BusinessEvent::Sent { id, state: MessageState::Accepted, .. } if id == message => Some(()),
        _ => None,
    };
    told(bank, accepted).await;
}

#[test]
fn a_backup_is_private_whole_and_overwrites_nothing() {
    let home = RelayProcess::prepare(&Bank::new(1));
    let backup = |to: &str| home.output(&["backup", to]);
    // With and without a running relay.
    assert!(backup("cold.backup").status.success());
    let relay = home.start();
    let listed = home.run(&["business", "list"]);
    assert!(backup("taken.backup").status.success());
    assert_eq!(backup("taken.backup").status.code(), Some(3), "it is there already");
    std::fs::create_dir(home.path().join("backups")).unwrap();
    assert!(backup("backups").status.success());
    let named = std::fs::read_dir(home.path().join("backups")).unwrap().next().unwrap().unwrap();
    assert!(named.file_name().to_string_lossy().starts_with("plico-relay-20"));
    let mode = named.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "{mode:o}");
    let relay = lose_and_restore(&home, relay);
    assert_eq!(home.run(&["business", "list"]), listed);
    relay.terminate();
}

#[test]
fn what_cannot_be_restored_whole_is_not_restored_at_all() {
    let home = RelayProcess::prepare(&Bank::new(1));
    home.run(&["backup", "taken.backup"]);
    let restore = |file: &str, data: &str, keys: &str| {
        let output = home.output(&["restore", file, "--data", data, "--keys", keys]);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let check = |came: (Option<i32>, String), code: i32, why: &str| {
        assert!(came.0 == Some(code) && came.1.contains(why), "{came:?} is not {why}");
    };
    check(restore("taken.backup", "plico-data", "plico-keys"), 3, "overwrites nothing");
    check(restore("taken.backup", "new-data", "no-keys"), 1, "relay.keys is missing");
    let other = Home::new();
    other.begin();
    let others = other.path().join("plico-keys");
    check(restore("taken.backup", "new-data", others.to_str().unwrap()), 3, "does not fit");
    let path = |name: &str| home.path().join(name);
    let bytes = std::fs::read(path("taken.backup")).unwrap();
    std::fs::write(path("short.backup"), &bytes[..bytes.len() - 1]).unwrap();
    check(restore("short.backup", "new-data", "plico-keys"), 3, "cut short");
    check(restore("plico-keys/tls.key", "new-data", "plico-keys"), 3, "does not begin as");
    assert!(!has_entries(&path("new-data")), "nothing was begun");
    // And one that was interrupted stands in nobody's way but is no relay.
    std::fs::write(path("plico-data").join("restoring"), "").unwrap();
    let serve = home.output(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(String::from_utf8_lossy(&serve.stderr).contains("run plico-relay restore again"));
    home.run(&["restore", "taken.backup"]);
    home.run(&["business", "list"]);
}

fn has_entries(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}
