//! What a business and its operator are told of money, line by line as the programs print it.

use plico_client::ConsentTerms;
use plico_protocol::ledger::Statement;
use plico_protocol::wire::Wire;
use serde_json::Value;

use crate::harness::process::Home;
use crate::programs::business::{World, answer, message};
use crate::programs::shop::Shop;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_is_charged_shown_and_stated() {
    let world = World::new();
    let (shop, home) = (&world.shop, &world.home);
    let serving = shop.serve(&[]).await;
    let (mut person, chat) = world.person().await;
    chat.send("hello").await.unwrap();
    message(&serving, "hello").await;
    // What it costs is told before it is sent, and when it costs more than was allowed.
    let costs = shop.run(&["price", "1", "--category", "utility"]);
    assert_eq!(costs.trim(), "utility  0.09 EUR, zone ZZ: send it with --max-price 0.09");
    assert!(shop.run(&["price", "1"]).contains("service  free until 2"), "in the window");
    assert!(shop.run(&["customers"]).contains("free until 2"));
    assert!(shop.fail(&["price", "1", "--category", "marketing"], 8).contains("marketing"));
    let utility = ["send", "1", "Gate B12.", "--category", "utility", "--wait"];
    let refused = shop.fail(&utility, 8);
    let refused = refused.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        refused.contains("costs 0.09 EUR now") && refused.contains("--max-price 0.09"),
        "{refused}"
    );
    shop.run(&["send", "1", "In the window.", "--wait"]);
    assert_eq!(answer(&mut person).await, "In the window.");
    shop.run(&[utility.as_slice(), &["--max-price", "0.09"]].concat());
    assert_eq!(answer(&mut person).await, "Gate B12.");
    enter_and_correct(home);
    let ledger = home.run(&["ledger", "--csv"]);
    let lines: Vec<Vec<&str>> = ledger.lines().map(|line| line.split(',').collect()).collect();
    let [heading, accept, payment, correction] = lines.as_slice() else { panic!("{ledger}") };
    assert_eq!(heading[2..], ["kind", "category", "zone", "count", "amount", "currency"]);
    assert_eq!(accept[2..], ["accept", "utility", "ZZ", "1", "0.09", "EUR"]);
    assert_eq!(payment[2..], ["payment", "", "", "1", "100.00", "EUR"]);
    assert_eq!(correction[2..], ["correction", "", "", "1", "90.00", "EUR"]);
    let (day, month) = (accept[1], &accept[1][..7]);
    by_day_and_month(home, &ledger, (day, month));
    let stated = shop.run(&["statement", "--month", month, "--out", "stated"]);
    assert!(stated.contains("0.09") && stated.contains("agrees with every receipt"), "{stated}");
    assert!(stated.starts_with(&format!("statement of bank, {month}-01 to {month}-")), "{stated}");
    provisional(shop, &stated);
    let mut omitted = Statement::decode(std::fs::read(shop.path("stated")).unwrap()).unwrap();
    omitted.entries.pop();
    std::fs::write(shop.path("omitted"), omitted.encode()).unwrap();
    for form in [&["verify", "omitted"][..], &["verify", "omitted", "--json"]] {
        let output = shop.output(form);
        let named = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{named}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "a script would book it");
        assert!(named.contains("does not agree") && named.contains(month), "{named}");
    }
    let mut cut = std::fs::read(shop.path("stated")).unwrap();
    cut.pop();
    std::fs::write(shop.path("cut"), cut).unwrap();
    assert!(shop.fail(&["verify", "cut"], 2).contains("is no statement"));
    // What is entered later in the month is not missed without being told.
    assert_eq!(home.run(&["business", "pay", "bank", "1.00"]), "payment  1.00 EUR, line 3\n");
    assert_eq!(shop.run(&["verify", "stated"]), stated, "nobody told this business yet");
    assert!(shop.run(&["statement", "--month", month]).contains("101.00"));
    let outdated = flat(&shop.fail(&["verify", "stated"], 7));
    assert!(outdated.contains("is not the last word on these days"), "{outdated}");
    assert!(outdated.contains("Line 3 is of the same days"), "{outdated}");
}

/// Of a month that goes on, up to which hour the statement goes is said beside it.
fn provisional(shop: &Shop, stated: &str) {
    let output = shop.output(&["verify", "stated"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), stated);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("up to 2") && said.contains(":00 UTC"), "{said}");
}

/// A transfer is entered once, and taken back where it was mistyped.
fn enter_and_correct(home: &Home) {
    let pay = ["business", "pay", "bank", "100.00", "--reference", "RF18 0001"];
    assert_eq!(home.run(&pay), "payment  100.00 EUR, line 1\n");
    let again = home.run(&pay);
    assert!(again.starts_with("entered already  payment 100.00 EUR, line 1, on 2"), "{again}");
    let other = home.output(&["business", "pay", "bank", "10.00", "--reference", " RF18 0001 "]);
    let said = String::from_utf8_lossy(&other.stderr);
    assert_eq!(other.status.code(), Some(3), "{said}");
    assert!(said.contains("under this reference payment 100.00 EUR, line 1"), "{said}");
    // It was 10.00: a line of its own says so, and what is in the books stays.
    let correct = ["business", "correct", "bank", "90.00", "--reference", "typed 100 for 10"];
    assert_eq!(home.run(&correct), "correction  90.00 EUR, line 2\n");
    assert!(home.run(&correct).starts_with("entered already  correction 90.00 EUR, line 2"));
    let over = home.output(&["business", "correct", "bank", "10.01"]);
    assert_eq!(over.status.code(), Some(3), "more than is entered as paid");
    let standing = home.run(&["business", "standing", "bank"]);
    assert!(standing.contains("10.00 paid, "), "{standing}");
}

/// The day or month chosen has its lines of the whole ledger, in each form.
fn by_day_and_month(home: &Home, ledger: &str, (day, month): (&str, &str)) {
    for (option, of) in [("--day", day), ("--month", month)] {
        let run = |form: &[&str]| home.run(&[&["ledger", option, of], form].concat());
        let chosen =
            |line: &&str| line.starts_with("business,") || line.contains(&format!(",{of}"));
        let expected: Vec<_> = ledger.lines().filter(chosen).collect();
        assert_eq!(run(&["--csv"]).lines().collect::<Vec<_>>(), expected);
        let table = run(&[]);
        assert!(["bank", day, "utility", "ZZ"].iter().all(|cell| table.contains(cell)), "{table}");
        let json: Value = serde_json::from_str(&run(&["--json"])).unwrap();
        let Some([first, ..]) = json.as_array().map(Vec::as_slice) else { panic!("{json}") };
        let cells = ["business", "day", "category", "zone"].map(|key| first[key].clone());
        assert_eq!(cells, ["bank", day, "utility", "ZZ"].map(Value::from));
    }
    assert_eq!(home.run(&["ledger", "--csv", "--day", "2020-02-29"]).lines().count(), 1);
    assert_eq!(home.run(&["ledger", "--json", "--month", "2020-02"]).trim(), "[]");
}

/// Words as they stand on lines of any width.
fn flat(printed: &str) -> String {
    printed.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_owes_its_subscription_is_told_what_lifts_it() {
    const SETTINGS: &str = "credit = \"0.00\"\n";
    let world = World::of(|home| home.start_set(SETTINGS));
    let serving = world.shop.serve(&[]).await;
    let (person, chat) = world.person().await;
    chat.change_terms(ConsentTerms { days: 100, ..ConsentTerms::default() }).await.unwrap();
    chat.send("hello").await.unwrap();
    message(&serving, "hello").await;
    person.close().await.unwrap();
    let costly = ["send", "1", "Gate B12.", "--category", "utility", "--max-price", "1", "--wait"];
    let refused = flat(&world.shop.fail(&costly, 8));
    assert!(refused.contains("next: Pay the relay's operator, then send it again."), "{refused}");
    serving.terminate();

    // A month later it is warned, and what was paid does not cover it.
    let World { relay, home, mut shop, .. } = world;
    let listen = relay.address();
    relay.terminate();
    let relay = home.start_later(listen, 31, SETTINGS);
    shop.days = 31;
    let serving = shop.serve(&[]).await;
    serving.told(|told| told["type"] == "trouble").await;
    serving.terminate();
    let paid = home.run(&["business", "pay", "bank", "5.00"]);
    assert_eq!(paid, "payment  5.00 EUR, line 0\nunpaid  until 15.00 EUR more is paid\n");
    let standing = home.run(&["business", "standing", "bank"]);
    assert!(standing.contains("unpaid       until 15.00 EUR more is paid"), "{standing}");

    // Two weeks later it is refused, until the rest comes.
    relay.terminate();
    let _relay = home.start_later(listen, 46, SETTINGS);
    shop.days = 46;
    let serving = shop.serve(&[]).await;
    let told = flat(&shop.fail(&["price", "1"], 8));
    assert!(told.contains("subscription is unpaid") && told.contains("Pay the relay's"), "{told}");
    assert!(shop.run(&["customers"]).contains("unpaid"));
    let refused = flat(&shop.fail(&["send", "1", "And now?", "--wait"], 8));
    let next = "next: Pay the relay's operator; `plico business standing` shows since when";
    assert!(refused.contains("is unpaid") && refused.contains(next), "{refused}");
    let paid = home.run(&["business", "pay", "bank", "15.00"]);
    assert_eq!(paid, "payment  15.00 EUR, line 1\nsubscription  20.00 EUR, line 2\n");
    drop(serving);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_limit_is_said_with_the_rule() {
    let world = World::of(|home| home.start_set("submissions_per_minute_per_account = 1\n"));
    let serving = world.shop.serve(&[]).await;
    let (mut person, chat) = world.person().await;
    chat.send("hello").await.unwrap();
    message(&serving, "hello").await;
    world.shop.run(&["send", "1", "At once.", "--wait"]);
    assert_eq!(answer(&mut person).await, "At once.");
    let waits = world.shop.run(&["send", "1", "A minute later."]);
    assert!(waits.contains("stored here; goes out when the relay takes it"), "{waits}");
    let delayed = serving.told(|told| told["type"] == "delayed").await;
    assert_eq!((&delayed["customer"], &delayed["reason"]), (&1.into(), &"rate_limited".into()));
    assert_eq!(delayed["rule"], "account_submissions");
    assert!(delayed["until"].is_string() && delayed["explanation"].is_string(), "{delayed}");
}
