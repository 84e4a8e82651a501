//! The operator's commands, as the README tells them: on a running relay, on a stopped one, and with
//! an authority that is kept elsewhere.

use std::process::Output;

use plico_protocol::certificate::{Certificate, CertificateRequest, Handle};
use plico_protocol::frame::ClientFrame;
use plico_protocol::link::{Link, Pin, RelayLink};
use plico_protocol::refusal::Code;

use plico_relay::store::{Change, Fjall, SCHEMA_VERSION, Store, Table};
use serde_json::Value;

use crate::harness::process::Home;
use crate::harness::raw::Raw;
use crate::harness::world::Bank;

/// Writes a request file; gives its name.
fn request(home: &Home, bank: &Bank, handle: &str, name: &str) -> String {
    let CertificateRequest { handle, domain, keys, .. } = bank.request(handle);
    let file = format!("{handle}.request");
    let request =
        CertificateRequest::sign(handle, name.to_owned(), domain, keys, &bank.account, &bank.inbox);
    std::fs::write(home.path().join(&file), request.to_text()).unwrap();
    file
}

/// What stands behind `word` at the beginning of a line.
fn line(printed: &str, word: &str) -> String {
    let found = printed.lines().find_map(|line| line.strip_prefix(word));
    found.unwrap_or_else(|| panic!("no {word} in {printed:?}")).trim().to_owned()
}

fn check_refused(output: &Output, status: i32, why: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(said.contains(why), "{said:?} does not say {why:?}");
    assert!(said.lines().count() <= 3, "an error is no essay: {said}");
}

#[tokio::test]
async fn businesses_are_verified_listed_and_revoked_whether_the_relay_runs_or_not() {
    let home = Home::new();
    home.begin();
    let one = request(&home, &Bank::new(1), "bank-one", "Bank One");
    let two = request(&home, &Bank::new(2), "bank-two", "Second Bank");

    let verified = home.run(&["business", "verify", &one, "--checked", "dns"]);
    let link: Link = line(&verified, "share").parse().unwrap();
    assert_eq!(link.handle.as_str(), "bank-one");
    let text = std::fs::read_to_string(home.path().join("bank-one.certificate")).unwrap();
    assert!(Certificate::from_text(&text).is_ok());

    let relay = home.start();
    let running: RelayLink = relay.link().parse().unwrap();
    assert_eq!((running.authority, running.relay), (link.relay.authority, link.relay.relay));
    let out = ["business", "verify", &two, "--checked", "website", "--out", "two.cert"];
    line(&home.run(&out), "share").parse::<Link>().unwrap();
    let listed = home.run(&["business", "list"]);
    assert!(listed.contains("bank-one") && listed.contains("bank-two"), "{listed}");
    home.run(&["business", "revoke", "1"]);
    let listed: Value = serde_json::from_str(&home.run(&["business", "list", "--json"])).unwrap();
    let standing = |row: &Value| (row["serial"].clone(), row["standing"].clone());
    let rows: Vec<_> = listed.as_array().unwrap().iter().map(standing).collect();
    assert_eq!(rows, [(2.into(), "valid".into()), (1.into(), "revoked".into())]);
    check_refused(&home.output(&["business", "revoke", "1"]), 3, "revoked already");
    relay.terminate();
    home.run(&["business", "revoke", "2"]);
}

#[test]
fn an_authority_kept_elsewhere_signs_and_the_relay_installs() {
    let home = Home::new();
    let file = request(&home, &Bank::new(1), "bank-one", "Bank One");
    home.run(&["authority", "init"]);
    home.begin();
    home.run(&["business", "verify", &file, "--checked", "document", "--offline"]);
    // The relay's machine has the public half alone.
    std::fs::rename(home.path().join("plico-keys/authority.key"), home.path().join("away"))
        .unwrap();
    let installed = home.run(&["business", "install", "bank-one.certificate"]);
    line(&installed, "share").parse::<Link>().unwrap();
    let again = home.output(&["business", "verify", &file, "--checked", "dns"]);
    check_refused(&again, 1, "authority.key");
}

#[test]
fn a_request_is_shown_before_it_is_signed_and_the_same_facts_after() {
    let home = Home::new();
    home.begin();
    let bank = Bank::new(1);
    let file = request(&home, &bank, "bank-one", "Bank One");
    let shown = home.run(&["business", "show", &file]);
    let verified = home.run(&["business", "verify", &file, "--checked", "website"]);
    let installed = home.run(&["business", "install", "bank-one.certificate"]);
    for printed in [&shown, &verified, &installed] {
        assert_eq!(line(printed, "handle"), "bank-one");
        assert!(line(printed, "name").contains("Bank One"));
        assert!(line(printed, "domain").contains("bank-one.example"));
        let key = Pin::of_account(&bank.account.public()).to_string();
        assert!(line(printed, "account key").contains(&key));
    }
    for printed in [&verified, &installed] {
        assert_eq!(line(printed, "serial"), "1");
        assert_eq!(line(printed, "may send"), "service, utility, authentication");
        assert!(line(printed, "valid").contains("Z to 2"), "{printed}");
    }
    let odd = request(&home, &Bank::new(2), "odd", "Odd \u{1b}[2J name");
    let shown = home.run(&["business", "show", &odd]);
    assert!(!shown.contains('\u{1b}') && shown.contains("problem"), "{shown:?}");
}

#[test]
fn a_domain_no_browser_would_show_is_refused_before_anything_is_written() {
    let home = Home::new();
    home.begin();
    let file = request(&home, &Bank::new(1), "bank-one", "Bank One");
    let verify = ["business", "verify", &file, "--checked", "dns", "--domain"];
    for (domain, why) in [("https://bank.example", "contains ':'"), ("localhost", "public DNS")] {
        check_refused(&home.output(&[&verify[..], &[domain]].concat()), 3, why);
    }
    assert!(!home.path().join("bank-one.certificate").exists());
    assert_eq!(home.run(&["business", "list"]).lines().count(), 1, "the heading alone");
}

#[test]
fn a_certificate_that_cannot_be_written_is_not_registered() {
    let home = Home::new();
    home.begin();
    let file = request(&home, &Bank::new(1), "bank-one", "Bank One");
    let verify = ["business", "verify", &file, "--checked", "dns", "--out", "nowhere/bank"];
    check_refused(&home.output(&verify), 1, "another --out");
    assert_eq!(home.run(&["business", "list"]).lines().count(), 1, "the heading alone");
}

#[test]
fn a_handle_or_name_that_is_anothers_is_not_certified() {
    let home = Home::new();
    home.begin();
    let verify = |file: &str| home.output(&["business", "verify", file, "--checked", "dns"]);
    assert!(verify(&request(&home, &Bank::new(1), "paypal", "Paypal")).status.success());
    let same_handle = request(&home, &Bank::new(2), "paypal", "Other");
    check_refused(&verify(&same_handle), 3, "belongs to another account");
    let lookalike = request(&home, &Bank::new(2), "other", "PayPaI");
    check_refused(&verify(&lookalike), 3, "looks like `Paypal`");
    let mixed = request(&home, &Bank::new(2), "other", "B\u{430}nque");
    check_refused(&verify(&mixed), 3, "mixes scripts");
}

#[test]
fn mistakes_are_explained_with_their_exit_status() {
    let home = Home::new();
    home.begin();
    check_refused(&home.output(&["business", "revoke", "9"]), 3, "9");
    std::fs::write(home.path().join("bad.toml"), "conections_max = 5\n").unwrap();
    let misspelt = home.output(&["serve", "--config", "bad.toml"]);
    check_refused(&misspelt, 2, "`conections_max` (did you mean `connections_max`?)");
    let missing = home.output(&["business", "verify", "nowhere", "--checked", "dns"]);
    check_refused(&missing, 2, "nowhere");
    std::fs::write(home.path().join("junk"), "junk").unwrap();
    check_refused(&home.output(&["business", "verify", "junk", "--checked", "dns"]), 3, "junk");
    check_refused(&home.output(&["business", "install", "junk"]), 3, "no certificate file");
    let file = request(&home, &Bank::new(1), "bank-one", "Bank One");
    check_refused(&home.output(&["business", "install", &file]), 3, "is a request");
    assert!(home.run(&["completions", "bash"]).contains("plico-relay"));
}

#[test]
fn what_stands_in_the_way_is_named_with_the_next_step() {
    let home = Home::new();
    home.begin();
    let serve = |data: &str, keys: &str| {
        home.output(&["serve", "--listen", "127.0.0.1:0", "--data", data, "--keys", keys])
    };
    std::fs::write(home.path().join("a-file"), "").unwrap();
    check_refused(&serve("a-file", "plico-keys"), 1, "a-file");
    check_refused(&serve("fresh-data", "a-file"), 1, "move it away or set another directory");
    std::fs::write(home.path().join("plico-keys/tls.key"), "no key\n").unwrap();
    check_refused(&serve("plico-data", "plico-keys"), 1, "tls.key is not the private key");
}

#[tokio::test]
async fn a_second_relay_on_the_same_data_is_refused() {
    let home = Home::new();
    let relay = home.start();
    let second = home.output(&["serve", "--listen", "127.0.0.1:0"]);
    check_refused(&second, 1, "another");
    relay.terminate();
}

#[test]
fn no_command_begins_a_relay_that_nobody_meant() {
    let home = Home::new();
    let file = request(&home, &Bank::new(1), "bank-one", "Bank One");
    for command in [&["business", "list"][..], &["business", "verify", &file, "--checked", "dns"]] {
        check_refused(&home.output(command), 2, "there is no relay's data in plico-data");
    }
    assert!(!home.path().join("plico-keys").exists() && !home.path().join("plico-data").exists());
}

#[test]
fn a_lost_key_is_not_replaced_by_another() {
    for file in ["relay.keys", "tls.key", "authority.pub"] {
        let home = Home::new();
        home.begin();
        std::fs::remove_file(home.path().join("plico-keys").join(file)).unwrap();
        let refused = home.output(&["serve", "--listen", "127.0.0.1:0"]);
        check_refused(&refused, 1, "restore it from the backup");
        assert!(!home.path().join("plico-keys").join(file).exists(), "{file}");
    }
}

#[test]
fn keys_that_others_may_read_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.begin();
    let keys = home.path().join("plico-keys");
    for file in std::fs::read_dir(&keys).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode() & 0o777;
        assert!(mode == 0o600 || mode == 0o644, "{mode:o}");
    }
    let file = keys.join("relay.keys");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    check_refused(&home.output(&["business", "list"]), 1, "relay.keys");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    // The authority's public half is public; who may write it is another matter.
    let public = keys.join("authority.pub");
    std::fs::set_permissions(&public, std::fs::Permissions::from_mode(0o644)).unwrap();
    home.run(&["business", "list"]);
    std::fs::set_permissions(&public, std::fs::Permissions::from_mode(0o666)).unwrap();
    check_refused(&home.output(&["business", "list"]), 1, "authority.pub");
}

#[test]
fn keys_are_shown_with_their_age_and_without_their_secrets() {
    let home = Home::new();
    check_refused(&home.output(&["keys"]), 2, "no relay's keys in plico-keys");
    let relay = home.start();
    let shown = home.run(&["keys"]);
    assert!(line(&shown, "ticket 0").contains("signs; the next one from 20"), "{shown}");
    assert!(line(&shown, "stamp").starts_with("1 keys"), "{shown}");
    let link: RelayLink = relay.link().parse().unwrap();
    assert!(line(&shown, "tls").contains(&link.relay.to_string()));
    assert!(line(&shown, "authority").contains(&link.authority.to_string()));
    let secrets = std::fs::read_to_string(home.path().join("plico-keys/relay.keys")).unwrap();
    let secrets: Vec<&str> = secrets.split_whitespace().filter(|word| word.len() == 64).collect();
    assert_eq!(secrets.len(), 6, "row, seal, tag, ledger, ticket, stamp");
    assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{shown}");
    relay.terminate();
}

#[test]
fn ticket_keys_are_rotated_whether_the_relay_runs_or_not() {
    let home = Home::new();
    check_refused(&home.output(&["keys", "rotate-tickets"]), 2, "no relay's data in");
    let relay = home.start();
    let rotated = home.run(&["keys", "rotate-tickets"]);
    assert!(rotated.contains("ticket key 1 signs") && rotated.contains("stay good"), "{rotated}");
    let shown = home.run(&["keys"]);
    assert!(line(&shown, "ticket 1").contains("signs"), "{shown}");
    assert!(line(&shown, "ticket 0").contains("checks"), "{shown}");
    relay.terminate();
    let rotated = home.run(&["keys", "rotate-tickets", "--end-all"]);
    assert!(rotated.contains("ticket key 2 signs") && rotated.contains("ended"), "{rotated}");
    let shown = home.run(&["keys"]);
    assert_eq!(shown.lines().filter(|line| line.starts_with("ticket")).count(), 1, "{shown}");
}

#[test]
fn data_of_another_schema_is_refused_and_left_as_it_is() {
    let home = Home::new();
    home.begin();
    let stamp = |version: u32| {
        let store = Fjall::open(&home.path().join("plico-data/store")).unwrap();
        let mark = version.to_be_bytes().to_vec();
        store.commit(&[Change::put(Table::Meta, *b"schema", mark)]).unwrap();
    };
    stamp(SCHEMA_VERSION + 1);
    let refused = home.output(&["serve", "--listen", "127.0.0.1:0"]);
    check_refused(&refused, 1, "use the release that wrote it");
    check_refused(&home.output(&["business", "list"]), 1, "has schema version");
}

#[tokio::test]
async fn a_certificate_is_read_again_for_new_connections_and_a_wrong_one_is_not() {
    let home = Home::new();
    home.begin();
    let path = |name: &str| home.path().join(name);
    let key =
        rcgen::KeyPair::from_pem(&std::fs::read_to_string(path("plico-keys/tls.key")).unwrap())
            .unwrap();
    let certify = |name: &str, key: &rcgen::KeyPair| {
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.self_signed(key).unwrap();
        std::fs::write(path("relay.pem"), certificate.pem()).unwrap();
        certificate.der().to_vec()
    };
    let first = certify("first.example", &key);
    let relay = home.start_set("tls_certificate = \"relay.pem\"\n");
    let before = Raw::connect(relay.address()).await;
    assert_eq!(before.certificate(), first);
    let nobody = ClientFrame::LookUp { handle: Handle::new("nobody").unwrap() };
    assert_eq!(before.refused(&nobody).await, Code::UnknownHandle);

    let second = certify("second.example", &key);
    home.run(&["reload"]);
    assert_eq!(Raw::connect(relay.address()).await.certificate(), second);
    let third = certify("third.example", &key);
    relay.hang_up().await;
    assert_eq!(Raw::connect(relay.address()).await.certificate(), third);

    certify("other.example", &rcgen::KeyPair::generate().unwrap());
    check_refused(&home.output(&["reload"]), 3, "no certificate for this relay's tls.key");
    std::fs::write(path("relay.pem"), "junk").unwrap();
    check_refused(&home.output(&["reload"]), 3, "relay.pem");
    let other = rcgen::KeyPair::generate().unwrap();
    std::fs::write(path("plico-keys/tls.key"), other.serialize_pem()).unwrap();
    certify("other.example", &other);
    check_refused(&home.output(&["reload"]), 3, "another key than the one that links pin");
    assert_eq!(Raw::connect(relay.address()).await.certificate(), third);
    assert_eq!(before.refused(&nobody).await, Code::UnknownHandle, "connections go on");
    check_refused(&Home::new().output(&["reload"]), 1, "no relay runs");
}

#[test]
fn every_setting_is_printed_and_reads_back() {
    let home = Home::new();
    home.begin();
    let printed = home.run(&["config"]);
    std::fs::write(home.path().join("all.toml"), &printed).unwrap();
    home.run(&["business", "list", "--config", "all.toml"]);
}

#[test]
fn a_business_stands_as_shown_and_only_a_suspended_one_is_restored() {
    let home = Home::new();
    home.begin();
    let file = request(&home, &Bank::new(1), "bank-one", "Bank One");
    home.run(&["business", "verify", &file, "--checked", "dns"]);
    for running in [false, true] {
        let relay = running.then(|| home.start());
        let shown = home.run(&["business", "standing", "bank-one"]);
        assert!(line(&shown, "standing").ends_with("may send"), "{shown}");
        assert!(line(&shown, "7 days").starts_with("0 reports, 0 deliveries"), "{shown}");
        let shown = home.run(&["business", "credit", "bank-one", "250.00"]);
        assert!(line(&shown, "account").starts_with("250.00 EUR may be charged"), "{shown}");
        let shown = home.run(&["business", "list"]);
        assert!(shown.contains("250.00 left"), "{shown}");
        let shown = home.run(&["business", "credit", "bank-one", "default"]);
        assert!(shown.contains("0.00 credit (the setting)"), "{shown}");
        let json = home.run(&["business", "standing", "bank-one", "--json"]);
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["suspended"], &json["tier"]), (&false.into(), &0.into()));
        let restored = home.output(&["business", "restore", "bank-one"]);
        check_refused(&restored, 3, "is not suspended; nothing changed");
        check_refused(&home.output(&["business", "standing", "bank-two"]), 3, "no business has");
        if let Some(relay) = relay {
            relay.terminate();
        }
    }
}
