//! Rules from text to answer, and the file that ships.

use super::*;

const RULES: &str = r#"
greeting = "Welcome, {name}."
fallback = "A colleague will read this."

[hours]
zone = "UTC"
open = ["Mon-Fri 08:00-18:00"]
away = "We are back at eight."

[[rule]]
contains = ["lost", "perdu"]
answer = "Which card?"
choices = [
  { label = "Debit", answer = "Blocked.", category = "utility" },
  { label = "Credit", id = "credit", answer = "Which kind?", choices = [{ label = "Gold" }] },
]

[[rule]]
equals = ["balance"]
reference = ["counter 3"]
answer = "You came from {ref}."
"#;

/// A Monday morning, and the evening of it.
const OPEN: &str = "2026-11-23T09:00:00Z";
const CLOSED: &str = "2026-11-23T19:00:00Z";

fn asked(said: Said<'_>) -> Asked<'_> {
    Asked { first: false, said, name: Some("Anna"), reference: None }
}

fn reply(asked: &Asked<'_>, at: &str) -> Option<Reply> {
    Rules::parse(RULES).unwrap().reply(asked, at.parse().unwrap())
}

fn text(asked: &Asked<'_>, at: &str) -> String {
    reply(asked, at).map(|reply| reply.text).unwrap_or_default()
}

#[test]
fn the_first_rule_that_matches_answers_at_any_hour() {
    let lost = asked(Said::Text("I LOST my balance"));
    for at in [OPEN, CLOSED] {
        let reply = reply(&lost, at).unwrap();
        assert_eq!(reply.text, "Which card?");
        let buttons = [("Debit", "Debit"), ("credit", "Credit")];
        assert_eq!(reply.buttons, buttons.map(|(id, label)| (id.to_owned(), label.to_owned())));
        assert_eq!((reply.line, reply.category), (12, Category::Service));
    }
    assert_eq!(text(&asked(Said::Text("my balance")), OPEN), "A colleague will read this.");
    assert_eq!(text(&asked(Said::Text(" Balance ")), OPEN), "You came from.");
    let scanned = Asked { reference: Some("Counter 3"), ..asked(Said::Text("hello")) };
    assert_eq!(text(&scanned, OPEN), "You came from Counter 3.");
}

#[test]
fn a_pressed_button_gets_what_follows_it() {
    let pressed = |id| reply(&asked(Said::Button(id)), OPEN);
    assert_eq!(pressed("Debit").unwrap().category, Category::Utility);
    assert_eq!(pressed("credit").unwrap().buttons.len(), 1);
    // Left to people: nothing by day, the away message by night.
    assert_eq!(pressed("Gold"), None);
    assert_eq!(text(&asked(Said::Button("Gold")), CLOSED), "We are back at eight.");
    // Of a file that was replaced since.
    assert_eq!(pressed("Silver").unwrap().text, "A colleague will read this.");
}

#[test]
fn the_first_message_is_greeted_once_and_in_the_same_answer() {
    let first = |said| Asked { first: true, ..asked(said) };
    assert_eq!(text(&first(Said::Text("hello")), OPEN), "Welcome, Anna.");
    let lost = first(Said::Text("lost"));
    assert_eq!(text(&lost, CLOSED), "Welcome, Anna.\n\nWhich card?");
    assert_eq!(reply(&lost, CLOSED).unwrap().buttons.len(), 2);
    let night = first(Said::Text("hello"));
    assert_eq!(text(&night, CLOSED), "Welcome, Anna.\n\nWe are back at eight.");
}

#[test]
fn every_mistake_is_told_with_its_line() {
    let check = |from: &str, to: &str, expected: &str| {
        assert!(RULES.contains(from), "{from}");
        let error = Rules::parse(&RULES.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    };
    check("contains =", "contians =", "line 11: unknown field `contians`");
    check("answer = \"Which card?\"", "", "line 10: missing field `answer`");
    check("\"utility\"", "\"advertising\"", "line 14: there is no category `advertising`");
    check("greeting = \"Welcome, {name}.\"", "greeting = \"Welcome, {nmae}.\"", "line 2: `{nmae}`");
    check("\"perdu\"", "\" \"", "line 11: an empty word");
    check("zone = \"UTC\"", "zone = \"Mars/Base\"", "line 6: there is no time zone `Mars/Base`");
    check("Mon-Fri", "Mon-Foo", "line 7: `Mon-Foo 08:00-18:00`");
    check("id = \"credit\", ", "id = \"Debit\", ", "line 15: two buttons with the id `Debit`");
    check("Which card?", &"x".repeat(2_000), "line 12: an answer with buttons has at most 2048");
    check("equals = [\"balance\"]\nreference = [\"counter 3\"]", "", "line 18: the rule never");
    check("fallback", "answers_per_day = 0\nfallback", "line 3: answers_per_day is 1 to");
    check("fallback = ", "fallback ", "line 3: ");
    check("answer = \"Which kind?\", ", "", "line 15: a button with `choices` needs an `answer`");
    let error = Rules::parse("").unwrap_err().to_string();
    assert!(error.contains("answers nothing"), "{error}");
    assert!(Rules::parse(&"#".repeat(300_000)).is_err());
}

#[test]
fn all_mistakes_are_told_at_once_and_each_once() {
    let file = r#"answers_per_day = 0
greeting = "LONG"
colour = "red"
[hours]
zone = "Mars"
open = "Mon"
away = 3
[[rule]]
contains = ["", 1]
answer = "Hello {nmae}."
[[rule]]
equals = "x"
choices = [{ id = "x" }]
category = "spam"
"#;
    let error = Rules::parse(&file.replace("LONG", &"x".repeat(40_000))).unwrap_err();
    let listed = error.listed();
    let expected = [
        "line 1: answers_per_day",
        "line 2: a greeting has at most 32768 bytes",
        "line 3: unknown field `colour`",
        "line 5: there is no time zone `Mars`",
        "line 6: `open` is a list",
        "line 7: `away` is a text",
        "line 9: `contains` is a text",
        "line 9: an empty word",
        "line 10: `{nmae}`",
        "line 11: missing field `answer`",
        "line 11: the rule never matches",
        "line 12: `equals` is a list",
        "line 13: missing field `label`",
        "line 14: there is no category `spam`",
    ];
    assert_eq!(listed.len(), expected.len(), "{listed:#?}");
    for (line, expected) in listed.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line} instead of {expected}");
    }
    // What is no TOML makes no other mistake, and need not hide one.
    let broken = Rules::parse(&RULES.replace("= \"A colleague", "= A\"").replace("UTC", "Mars"));
    let listed = broken.unwrap_err().listed();
    let [syntax, zone] = listed.as_slice() else { panic!("{listed:?}") };
    assert!(syntax.starts_with("line 3: ") && zone.starts_with("line 6: "), "{listed:?}");
}

#[test]
fn one_button_may_stand_below_two_questions() {
    let twice = format!(
        "{RULES}choices = [{{ label = \"Debit\", answer = \"Blocked.\", category = \"utility\" }}]\n"
    );
    assert!(Rules::parse(&twice).is_ok());
}

#[test]
fn the_example_that_ships_is_right() {
    let rules = Rules::parse(include_str!("../../../examples/bank.toml")).unwrap();
    let (count, buttons) = rules.counts();
    assert!(2 < count && 2 < buttons);
}
