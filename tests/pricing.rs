//! Prices: the full cross product of their inputs against a second implementation, written in
//! Python from the specification alone; what the operator is told; where a ticket's zone comes from.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use plico_protocol::frame::{ClientFrame, RelayFrame};
use plico_protocol::id::{AddressTag, TicketCommitment, TicketId};
use plico_protocol::mac::MacKey;
use plico_protocol::pricing::{
    CardFields, Charge, Currency, FreeReason, Millionths, NoPrice, PaidOrFree, Price, Prices,
    RateCard, Standing, Tariff, price,
};
use plico_protocol::ticket::{
    Categories, Category, Epoch, Ticket, TicketFields, TicketKeyId, Zone,
};
use plico_protocol::time::Minute;
use plico_protocol::wire::Wire;
use plico_relay::policy::rate_card::{RateCards, SAMPLE};

use crate::harness::process::Home;
use crate::harness::raw::Raw;
use crate::harness::relay::TestRelay;
use crate::harness::world::{Bank, Customer};

/// The minute around which everything begins and ends.
const NOW: Minute = Minute(29_900_000);
/// 18 cards × 72 tickets × 4 categories × 3 minutes × 2 standings × 4 balances × 4 limits.
const CASES: usize = 497_664;

fn zone(code: &[u8; 2]) -> Zone {
    Zone::new(*code).unwrap()
}

fn some(categories: &[Category]) -> Option<Categories> {
    Categories::of(categories)
}

/// What is free × whether marketing is priced × when the card holds. Authentication costs nothing
/// in one tariff and is not taken in the other; utility is dearer in the second, service alike.
fn cards() -> Vec<RateCard> {
    use Category::{Authentication, Service, Utility};
    let mut cards = Vec::new();
    for free_in_window in [None, some(&[Service]), some(&[Service, Utility, Authentication])] {
        for marketing in [None, Some(Millionths(90_000))] {
            for (from, until) in [(0, u32::MAX), (NOW.0, u32::MAX), (0, NOW.0)] {
                cards.push(card(free_in_window, marketing, Minute(from), Minute(until)));
            }
        }
    }
    cards
}

fn card(
    free_in_window: Option<Categories>,
    marketing: Option<Millionths>,
    valid_from: Minute,
    valid_until: Minute,
) -> RateCard {
    let service = Some(Millionths(30_000));
    let near = Prices { service, utility: service, authentication: Some(Millionths(0)), marketing };
    let far = Prices { service, utility: Some(Millionths(50_000)), ..Prices::default() };
    let tariff = |name: &str, country, prices| Tariff {
        name: name.to_owned(),
        countries: vec![zone(country)],
        prices,
    };
    let fields = CardFields {
        issued: NOW,
        valid_from,
        valid_until,
        currency: Currency::new(*b"EUR").unwrap(),
        window_hours: 24,
        window_days_per_month: 31,
        free_in_window,
        subscription: None,
        inbox_free_per_day: 1,
        tiers: vec![250],
        tariffs: vec![tariff("near", b"FR", near), tariff("far", b"US", far)],
    };
    fields.check().unwrap()
}

/// What is allowed × where × until when it is free × until when it is valid.
fn tickets() -> Vec<TicketFields> {
    let allowed = [
        Some(Categories::ALL),
        some(&[Category::Service]),
        some(&[Category::Utility, Category::Marketing]),
    ];
    let mut tickets = Vec::new();
    for categories in allowed.map(Option::unwrap) {
        for code in [b"FR", b"US", b"BR", b"ZZ"] {
            for free_until in [None, Some(NOW), Some(NOW.plus(10))] {
                for valid_until in [NOW, NOW.plus(1_000)] {
                    let zone = zone(code);
                    let some = TicketFields { categories, zone, ..blank() };
                    tickets.push(TicketFields { free_until, valid_until, ..some });
                }
            }
        }
    }
    tickets
}

fn blank() -> TicketFields {
    TicketFields {
        categories: Categories::ALL,
        zone: Zone::UNKNOWN,
        messages_max: 1,
        opened_at: NOW,
        free_until: None,
        valid_until: NOW,
        epoch: Epoch(1),
        tag: AddressTag::new([0; 16]),
        commitment: TicketCommitment::new([0; 32]),
        id: TicketId::new([0; 16]),
    }
}

/// Every case as a line of JSON, and every answer as a line of words.
fn cross_product() -> (String, String) {
    let (cards, tickets) = (cards(), tickets());
    let minted = |fields| Ticket::mint(fields, TicketKeyId(1), &MacKey::new([1; 32]));
    let head = serde_json::json!({
        "cards": cards.iter().map(|card| hex(&card.encode())).collect::<Vec<_>>(),
        "tickets": tickets.iter().map(|t| hex(minted(t).as_bytes())).collect::<Vec<_>>(),
    });
    let (mut cases, mut answers) = (format!("{head}\n"), String::new());
    for (c, card) in cards.iter().enumerate() {
        for (t, ticket) in tickets.iter().enumerate() {
            for Asked { category, now, standing, limit } in asked() {
                let (number, now_) = (category.byte(), now.0);
                let Standing { suspended, available } = standing;
                let amounts = format!("{},{}", available.0, limit.0);
                writeln!(cases, "[{c},{t},{number},{now_},{suspended},{amounts}]").unwrap();
                let answer = price(ticket, category, card, &standing, limit, now);
                writeln!(answers, "{}", words(answer)).unwrap();
            }
        }
    }
    (cases, answers)
}

/// The inputs beside card and ticket.
struct Asked {
    category: Category,
    now: Minute,
    standing: Standing,
    limit: Millionths,
}

fn asked() -> impl Iterator<Item = Asked> {
    let amounts = || [0, 29_999, 30_000, u64::MAX].map(Millionths).into_iter();
    let standings = move || {
        let of = move |suspended| amounts().map(move |available| Standing { suspended, available });
        [false, true].into_iter().flat_map(of)
    };
    let minutes = || [NOW.0 - 1, NOW.0, NOW.0 + 1].map(Minute).into_iter();
    Category::ALL.iter().flat_map(move |category| {
        minutes().flat_map(move |now| {
            standings().flat_map(move |standing| {
                amounts().map(move |limit| Asked { category: *category, now, standing, limit })
            })
        })
    })
}

fn words(answer: Result<PaidOrFree, NoPrice>) -> String {
    match answer.map(|yes| *yes.price()) {
        Ok(Price::Free { reason: FreeReason::Window, until }) => format!("free window {}", until.0),
        Ok(Price::Free { reason: FreeReason::RateCard, until }) => format!("free card {}", until.0),
        Ok(Price::Charge(Charge { amount, currency, zone, category })) => {
            format!("charge {} {currency} {zone} {}", amount.0, category.byte())
        }
        Err(no) => format!("refused {}", no.code().number()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs the Python implementation; gives what it printed.
fn python(arguments: &[&str], input: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/pricing.py");
    let mut child = Command::new("python3")
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed for this test");
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input.as_bytes()).unwrap());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    })
}

#[test]
fn every_combination_of_inputs_has_the_price_that_the_specification_says() {
    let (cases, answers) = cross_product();
    let theirs = python(&[], &cases);
    let asked = cases.lines().skip(1);
    for ((case, ours), theirs) in asked.zip(answers.lines()).zip(theirs.lines()) {
        assert_eq!(
            ours, theirs,
            "{case} (card, ticket, category, now, suspended, available, limit)"
        );
    }
    assert_eq!((answers.lines().count(), theirs.lines().count()), (CASES, CASES));
    // A product in which a kind of answer never came would compare nothing.
    for kind in ["free window", "free card", "charge 30000", "charge 50000", "charge 90000"] {
        assert!(answers.contains(kind), "{kind}");
    }
    for code in [18, 19, 37, 38, 39, 40] {
        assert!(answers.contains(&format!("refused {code}\n")), "{code}");
    }
}

#[test]
fn the_readme_has_the_prices_of_the_sample_card() {
    let cards = RateCards::parse(SAMPLE, NOW).unwrap();
    let table = python(&["--table", &hex(&cards.all()[0].encode())], "");
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    assert!(
        readme.contains(&table),
        "README.md has other prices than docs/rate-card.toml. Remedy: put this table there:\n{table}"
    );
}

#[test]
fn an_operator_is_told_what_a_rate_card_says_and_what_is_wrong_with_it() {
    let home = Home::new();
    let sample = home.run(&["rate-card", "check"]);
    assert!(sample.contains("Western Europe") && sample.contains("0.07"), "{sample}");
    let file = home.path().join("card.toml");
    std::fs::write(&file, SAMPLE.replace("service = 0.07", "service = 7 cents")).unwrap();
    let output = home.output(&["rate-card", "check", "card.toml"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2));
    let at = SAMPLE.lines().position(|line| line == "service = 0.07").unwrap() + 1;
    assert!(said.starts_with(&format!("card.toml: line {at}, column ")), "{said}");
    std::fs::write(&file, SAMPLE.replace("\"DE\"", "\"D\"")).unwrap();
    let output = home.output(&["rate-card", "check", "card.toml", "--json"]);
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let errors = said["problems"].as_array().unwrap().iter();
    assert_eq!(errors.filter(|problem| problem["severity"] == "error").count(), 1, "{said}");
    let settings = "rate_card = \"card.toml\"\n";
    std::fs::write(home.path().join("settings.toml"), settings).unwrap();
    let output = home.output(&["serve", "--config", "settings.toml"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("card.toml: line") && said.contains("rate-card check"), "{said}");
}

#[tokio::test]
async fn a_ticket_names_the_country_of_the_network_it_was_minted_from() {
    let directory = tempfile::tempdir().unwrap();
    let zones = directory.path().join("zones");
    std::fs::write(&zones, "127.0.0.0/8 FR\n127.0.0.1/32 IT # this machine\n").unwrap();
    let relay = TestRelay::start_with(|config| config.zones = zones.to_string_lossy().into()).await;
    let customer = Customer::new(2);
    let person = Raw::person(relay.address(), &[&customer.mailbox]).await;
    let mut stream = person.stream().await;
    let address = customer.address();
    assert_eq!(stream.ask(&ClientFrame::Open { address }).await, RelayFrame::Opened);
    let terms = customer.terms(&Bank::new(1));
    let mints = [
        ClientFrame::Mint { address, terms, window: true },
        ClientFrame::ChangeTerms { address, terms },
    ];
    for mint in mints {
        let minted = stream.ask(&mint).await;
        let RelayFrame::Minted(ticket) = minted else { panic!("{minted:?}") };
        assert_eq!(ticket.fields().unwrap().zone, zone(b"IT"));
    }
    relay.stop().await;
}
