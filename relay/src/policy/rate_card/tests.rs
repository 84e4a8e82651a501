//! Mistakes an operator makes, each named where it stands, with what to do.

use plico_protocol::pricing::{Millionths, TIER_UNLIMITED};
use plico_protocol::ticket::{Category, Zone};
use plico_protocol::time::Minute;

use super::*;

const NOW: Minute = Minute(29_900_000);
/// 2027-01-01 00:00 UTC.
const NEW_YEAR: Minute = Minute(29_979_360);

/// A file that is right but for countries in no zone, with lines added to its card.
fn file(lines: &str) -> String {
    format!(
        "currency = \"EUR\"\n[[card]]\n{lines}\n[[card.zone]]\nname = \"a\"\n\
         countries = [\"FR\"]\nutility = 0.05\n"
    )
}

/// The problems of a file, without the countries that are in no zone.
fn problems(text: &str) -> Vec<String> {
    let checked = RateCards::check(text, NOW).problems;
    let problems = checked.iter().filter(|problem| !problem.text.contains("in no zone"));
    problems.map(Problem::to_string).collect()
}

#[track_caller]
fn expect(text: &str, place: &str, words: &str) {
    let problems = problems(text);
    let found =
        problems.iter().any(|problem| problem.starts_with(place) && problem.contains(words));
    assert!(found && problems.len() == 1, "{text}\n{problems:#?}");
}

#[test]
fn the_sample_is_right_and_lists_every_country() {
    let Checked { cards, problems } = RateCards::check(SAMPLE, NOW);
    assert_eq!(problems, []);
    let cards = cards.unwrap();
    let card = cards.at(NOW).unwrap();
    assert_eq!(cards.at(Minute(0)), Some(card));
    assert_eq!(unlisted(card), []);
    let price = |code: &[u8; 2]| card.rate(Zone::new(*code).unwrap(), Category::Utility);
    assert_eq!(price(b"IN"), Some(Millionths(5_000)));
    assert_eq!(price(b"ZZ"), Some(Millionths(90_000)));
    assert_eq!(card.rate(Zone::UNKNOWN, Category::Marketing), None);
    assert_eq!(card.fields().tiers.last(), Some(&TIER_UNLIMITED));
}

#[test]
fn what_is_left_out_is_as_the_sample_has_it() {
    let sample = RateCards::parse(SAMPLE, NOW).unwrap();
    let short = RateCards::parse(&file(""), NOW).unwrap();
    let (sample, short) = (sample.all()[0].fields(), short.all()[0].fields());
    assert_eq!(short.tiers, sample.tiers);
    assert_eq!(short.free_in_window, sample.free_in_window);
    assert_eq!(short.inbox_free_per_day, sample.inbox_free_per_day);
    assert_eq!(short.window_hours, sample.window_hours);
    assert_eq!(short.window_days_per_month, sample.window_days_per_month);
    assert_eq!((short.valid_from, short.valid_until), (Minute(0), Minute(u32::MAX)));
    assert_eq!(short.subscription, None);
    let paid = RateCards::parse(&file("subscription = { amount = 5, days = 7 }"), NOW).unwrap();
    let paid = paid.all()[0].fields().subscription.unwrap();
    assert_eq!((paid.days, paid.grace_days), (7, 14));
}

#[test]
fn a_mistake_is_named_by_line_and_column() {
    expect(&file("window_hour = 24"), "line 3, column 1: error", "did you mean `window_hours`?");
    expect(&file("window_hours = 73"), "line 3, column 16: error", "from 1 to 72");
    expect(&file("window_hours = 1.5"), "line 3, column 16: error", "whole number");
    expect(&file("free_in_window = [\"marketing\"]"), "line 3, column 19", "never free");
    expect(&file("free_in_window = [\"news\"]"), "line 3, column 19", "\"utility\"");
    expect(&file("tiers = [250, 250]"), "line 3, column 15", "more than the one before");
    expect(&file("tiers = []"), "line 3, column 9", "1 to 8 tiers");
    expect(&file("subscription = 20"), "line 3, column 16", "{ amount = 20.00");
    expect(&file("subscription = { amount = 5 }"), "line 3, column 16", "`days` is missing");
    let grace = "subscription = { amount = 5, days = 30, grace_days = 401 }";
    expect(&file(grace), "line 3, column 54", "from 0 to 400");
    let amount = |amount| file(&format!("subscription = {{ amount = {amount}, days = 30 }}"));
    expect(&amount("20_000_000"), "line 3, column 27: error", "at most 1000000.00");
    expect(&amount("1_000_000.01"), "line 3, column 27: error", "at most 1000000.00");
    expect(&amount("2_000"), "line 3, column 27: warning", "twenty euros are 20.00");
    assert_eq!(problems(&amount("1_000")), [""; 0]);
    expect(&file("valid_from = \"2027-01-01\""), "line 3, column 14", "without quotes");
    expect(&file("valid_from = 2027-01-01T00:00:00"), "line 3, column 14", "its offset");
    expect(&file("valid_from = 2027-01-01T00:00:30Z"), "line 3, column 14", "a full minute");
    expect(&file("é = ="), "line 3, column 5: error", "not TOML");
    expect("currency = \"EUR\"\n", "line 1, column 1", "`card` is missing");
    expect("card = []\ncurrency = \"EUR\"", "line 1, column 8", "add a [[card]]");
    expect(&file("").replace("EUR", "euro"), "line 1, column 12", "three capital letters");
}

#[test]
fn a_zone_says_where_and_how_much_once() {
    let zone = |from: &str, to: &str| file("").replace(from, to);
    expect(&zone("0.05", "5c"), "line 7, column", "not TOML");
    expect(&zone("0.05", "\"0.05\""), "line 7, column 11", "such as 0.05");
    expect(&zone("0.05", "-0.05"), "line 7, column 11", "such as 0.05");
    expect(&zone("0.05", "0.0000005"), "line 7, column 11", "six digits");
    expect(&zone("0.05", "5"), "line 7, column 11: warning", "five cents are 0.05");
    expect(&zone("0.05", "1_001"), "line 7, column 11: error", "at most 1000.00");
    expect(&zone("utility = 0.05", ""), "line 4, column 1: warning", "prices no category");
    expect(&zone("\"FR\"", "\"fr\""), "line 6, column 14", "two capital letters");
    expect(&zone("\"FR\"", "\"FR\", \"ZZ\""), "line 6, column 20", "the dearest; take it out");
    expect(&zone("\"FR\"", "\"FR\", \"FR\""), "line 6, column 20", "in the zone \"a\" already");
    expect(&zone("\"FR\"", "\"UK\""), "line 6, column 14: warning", "did you mean GB?");
    expect(&zone("\"FR\"", ""), "line 6, column 13", "at least one country");
    expect(&zone("\"a\"", "\" a\""), "line 5, column 8: error", "no space at its ends");
    let only = RateCards::check(&file(""), NOW);
    let warning = only.problems[0].to_string();
    assert!(
        warning.starts_with("line 2, column 1: warning: countries in no zone: 248 "),
        "{warning}"
    );
    assert!(only.cards.is_some());
}

#[test]
fn every_mistake_of_a_zone_is_named_in_one_run() {
    let zone = "currency = \"EUR\"\n[[card]]\ntiers = [\"many\", 0, 9, 3]\n[[card.zone]]\n\
                name = 5\ncountries = [\"fr\", \"DE\", \"it\"]\nservice = \"5c\"\nutility = 0.0000005\n\
                marketing = -1\n[[card.zone]]\ncountries = \"FR\"\nutility = 1_001\nprice = 1\n";
    let places: Vec<_> = problems(zone)
        .iter()
        .map(|problem| problem.split(": error").next().unwrap_or_default().to_owned())
        .collect();
    let expected = [
        (3, 10), // "many"
        (3, 18), // 0
        (3, 24), // 3, after 9
        (5, 8),
        (6, 14),
        (6, 26),
        (7, 11),
        (8, 11),
        (9, 13),
        (10, 1), // no name
        (11, 13),
        (12, 11),
        (13, 1),
    ];
    assert_eq!(places, expected.map(|(line, column)| format!("line {line}, column {column}")));
}

#[test]
fn no_mistake_hides_another_of_its_zone_list_or_card() {
    let prices = |name: &str, prices: &str| {
        file("").replace("name = \"a\"\n", name).replace("utility = 0.05", prices)
    };
    let lines = |text: &str| -> Vec<usize> {
        let found = RateCards::check(text, NOW).problems;
        found.iter().filter(|p| p.severity == Severity::Error).map(|p| p.line).collect()
    };
    let three = "service = 0.0000005\nutility = 99999999\nauthentication = \"0.01\"";
    assert_eq!(lines(&prices("name = \"a\"\n", three)), [7, 8, 9]);
    let nameless = "service = -1\nutility = 1e9\nauthentication = nan";
    assert_eq!(lines(&prices("", nameless)), [4, 6, 7, 8]);
    let subscription = file("subscription = { amount = 99999999999999, weeks = 2 }");
    let found = problems(&subscription);
    let named = ["`days` is missing", "`amount` cannot be used", "unknown key `weeks`"];
    assert_eq!(found.len(), named.len(), "{found:#?}");
    assert!(named.iter().zip(&found).all(|(part, whole)| whole.contains(part)), "{found:#?}");
    assert_eq!(problems(&file("tiers = [\"a\", 5, \"b\"]")).len(), 2);
    // A zone that cannot be used lists its country all the same.
    let warned = RateCards::check(&prices("", nameless), NOW).problems;
    assert!(warned.iter().any(|problem| problem.text.contains("in no zone: 248 ")), "{warned:#?}");
    // Nor does a mistake in a card hide that it overlaps the next, or make a gap of it.
    let card = |lines: &str| file(lines).replace("currency = \"EUR\"\n", "");
    let overlap =
        file("valid_until = 2027-01-02\nwindow_hours = 0") + &card("valid_from = 2027-01-01");
    assert_eq!(lines(&overlap), [2, 4]);
    let between = file("valid_until = 2027-01-01")
        + &card("valid_from = 2027-01-01\nvalid_until = 2027-02-01\nwindow_hours = 0")
        + &card("valid_from = 2027-02-01");
    let found = problems(&between);
    assert!(found.len() == 1 && found[0].contains("`window_hours`"), "{found:#?}");
}

#[test]
fn periods_neither_overlap_nor_leave_a_gap_unsaid() {
    let cards = |first: &str, second: &str| {
        let zone = "[[card.zone]]\nname = \"a\"\ncountries = [\"FR\"]\nutility = 0.05\n";
        format!("currency = \"EUR\"\n[[card]]\n{first}\n{zone}[[card]]\n{second}\n{zone}")
    };
    let two = cards("", "valid_from = 2027-01-01");
    let read = RateCards::parse(&two, NOW).unwrap();
    assert_eq!(problems(&two), [""; 0]);
    let [first, second] = read.all() else { panic!("two cards expected") };
    assert_eq!((first.fields().valid_until, second.fields().valid_from), (NEW_YEAR, NEW_YEAR));
    assert_eq!(read.at(NEW_YEAR), Some(second));
    assert_eq!(read.at(Minute(NEW_YEAR.0 - 1)), Some(first));
    let offset = cards("", "valid_from = 2027-01-01T01:00:00+01:00");
    assert_eq!(RateCards::parse(&offset, NOW), Ok(read));
    let late = cards("valid_until = 2027-01-02", "valid_from = 2027-01-01");
    expect(&late, "line 2, column 1: error", "begins before this one ends");
    expect(&cards("", ""), "line 2, column 1: error", "begins before this one ends");
    let gap = cards("valid_until = 2026-12-31", "valid_from = 2027-01-01");
    expect(&gap, "line 2, column 1: warning", "no card holds between");
    let end = file("valid_until = 2027-01-01");
    expect(&end, "line 2, column 1: warning", "no card follows");
    let never = file("valid_from = 2027-01-01\nvalid_until = 2027-01-01");
    let first = RateCards::parse(&never, NOW).unwrap_err().to_string();
    assert!(first.contains("must be later than `valid_from`"), "{first}");
}

#[test]
fn every_mistake_is_told_at_once() {
    let text = "currency = 5\n[[card]]\nwindow_hours = 0\ntiers = [\"few\"]\n";
    let problems = problems(text);
    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert!(RateCards::check(text, NOW).cards.is_none());
}
