//! What a business and its operator are told of money, line by line as the programs print it.

use plico_protocol::ledger::Statement;
use plico_protocol::wire::Wire;
use serde_json::Value;

use crate::programs::business::{World, answer, message};

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
    let pay = ["business", "pay", "bank", "100.00", "--reference", "RF18 0001"];
    assert_eq!(home.run(&pay), "payment  100.00 EUR, line 1\n");
    let again = home.run(&pay);
    assert!(again.starts_with("entered already  100.00 EUR, line 1, on 2"), "{again}");
    let other = home.output(&["business", "pay", "bank", "10.00", "--reference", " RF18 0001 "]);
    let said = String::from_utf8_lossy(&other.stderr);
    assert_eq!(other.status.code(), Some(3), "{said}");
    assert!(said.contains("under this reference 100.00 EUR, line 1"), "{said}");
    let ledger = home.run(&["ledger", "--csv"]);
    let lines: Vec<Vec<&str>> = ledger.lines().map(|line| line.split(',').collect()).collect();
    let [heading, accept, payment] = lines.as_slice() else { panic!("{ledger}") };
    assert_eq!(heading[2..], ["kind", "category", "zone", "count", "amount", "currency"]);
    assert_eq!(accept[2..], ["accept", "utility", "ZZ", "1", "0.09", "EUR"]);
    assert_eq!(payment[2..], ["payment", "", "", "1", "100.00", "EUR"]);
    let (day, month) = (accept[1], &accept[1][..7]);
    for filter in [["--day", day], ["--month", month]] {
        assert_eq!(home.run(&[&["ledger", "--csv"], &filter[..]].concat()), ledger);
        let table = home.run(&[&["ledger"], &filter[..]].concat());
        assert!(["bank", day, "utility", "ZZ"].iter().all(|cell| table.contains(cell)), "{table}");
        let json: Value =
            serde_json::from_str(&home.run(&[&["ledger", "--json"], &filter[..]].concat()))
                .unwrap();
        let Some([first, _]) = json.as_array().map(Vec::as_slice) else { panic!("{json}") };
        let cells = ["business", "day", "category", "zone"].map(|key| first[key].clone());
        assert_eq!(cells, ["bank", day, "utility", "ZZ"].map(Value::from));
    }
    assert_eq!(home.run(&["ledger", "--csv", "--day", "2020-02-29"]).lines().count(), 1);
    assert_eq!(home.run(&["ledger", "--json", "--month", "2020-02"]).trim(), "[]");
    let stated = shop.run(&["statement", "--month", month, "--out", "stated"]);
    assert!(stated.contains("0.09") && stated.contains("agrees with every receipt"), "{stated}");
    assert!(stated.starts_with(&format!("statement of bank, {month}-01 to {month}-")), "{stated}");
    assert_eq!(shop.run(&["verify", "stated"]), stated);
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
}
