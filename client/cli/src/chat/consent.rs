//! `/allow`, `/mute`, `/block`, `/report`, `/window`: what is typed, and what is said of it.

use plico_client::{Allowed, Categories, Category, ConsentTerms, Grant, ReportOutcome};
use plico_protocol::limits::UNANSWERED_MAX;
use plico_protocol::time::{Minute, Timestamp};

use crate::failure::sentence;
use crate::wording::{time, window};

/// Reads what `/allow` allows: names of categories, a number of messages, days as `30d`; what is left
/// out is as by default.
pub(super) fn terms(text: &str) -> Result<ConsentTerms, String> {
    let mut terms = ConsentTerms::default();
    let mut named = Vec::new();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        if let Some(category) = Category::ALL.iter().find(|category| category.name() == word) {
            named.push(*category);
        } else if let Some(Ok(days)) = word.strip_suffix('d').map(str::parse) {
            terms.days = days;
        } else if let Ok(messages) = word.parse() {
            terms.messages_max = messages;
        } else {
            return Err(format!(
                "{word} is no category, number of messages or days such as 30d; /help allow shows how"
            ));
        }
    }
    terms.categories = Categories::of(&named).unwrap_or(terms.categories);
    Ok(terms)
}

/// What a business may send from now on.
pub(super) fn allowed_now(terms: &ConsentTerms) -> String {
    let ConsentTerms { categories, messages_max, days } = terms;
    format!(
        "The business may send {}, asked or not: at most {} in {}, as soon as this device connects. \
         What you allowed before ends then.",
        names(*categories),
        counted(*messages_max, "message"),
        counted(*days, "day")
    )
}

/// What `/window` shows.
pub(super) fn shown(allowed: &Allowed, now: Timestamp) -> String {
    let Allowed { terms, answers, notifications } = allowed;
    let mut lines = Vec::new();
    if let Some(grant) = answers {
        lines.push(format!("Answers: {}.", granted(grant, now)));
        let window = match grant.categories.contains(Category::Service) {
            true => window(grant.free_until.map(|end| end.min(grant.until)), now),
            // The window goes on, and none of what is allowed is free in it.
            false => "it may not answer: you do not allow service".to_owned(),
        };
        if !window.is_empty() {
            lines.push(sentence(&window));
        }
        if grant.free_until.is_some_and(|end| ms(end) <= now) && now < ms(grant.until) {
            lines.push(format!(
                "Until you write it may send at most {UNANSWERED_MAX} messages, at its own cost."
            ));
        }
    }
    if let Some(grant) = notifications {
        lines.push(format!("Notifications: {}.", granted(grant, now)));
    }
    if lines.is_empty() {
        lines.push("The business may send nothing until you write.".to_owned());
    }
    let ConsentTerms { categories, messages_max, days } = terms;
    lines.push(format!(
        "Your next message will allow: {}; at most {} in {}.",
        names(*categories),
        counted(*messages_max, "message"),
        counted(*days, "day")
    ));
    lines.join("\n")
}

/// What became of a report.
pub(super) fn reported(outcome: ReportOutcome) -> &'static str {
    match outcome {
        ReportOutcome::Counted => "The relay checked your report, and it counts.",
        ReportOutcome::Already => {
            "You reported this message before, or another of today; a person counts once a day."
        }
        ReportOutcome::Answer => {
            "That message was an answer in your window, so the report does not count."
        }
        ReportOutcome::Refused => "The relay did not take the report.",
    }
}

/// What `/help` says of one of these commands.
pub(super) fn help(command: &str) -> Option<&'static str> {
    Some(match command {
        "allow" => {
            "/allow [service] [utility] [authentication] [marketing] [MESSAGES] [DAYSd]\n\
             Allows this and nothing else, asked or not, and ends what you allowed before.\n\
             /allow utility 20 60d   at most 20 notifications in 60 days, and answers of that kind\n\
             /allow                  service and utility, 50 messages, 30 days"
        }
        "mute" => {
            "/mute\n\
             The business may answer what you write, free of charge while its window is open and five\n\
             times at its own cost after it. It may send nothing else. /allow undoes it."
        }
        "block" => {
            "/block [spam]\n\
             The business may write no more, and what it sent and you did not fetch is deleted.\n\
             /block spam also reports its last message. Writing again allows answers."
        }
        "report" => {
            "/report [silent]\n\
             Reports the last message to the relay's operator, with what it said; nobody else sees\n\
             it, and the relay keeps nothing of it. /report silent shows only that the business\n\
             wrote, when, and what it called the message. Answers in your window do not count."
        }
        "window" => {
            "/window\nShows until when the business may answer what you wrote, and what it may send."
        }
        _ => return None,
    })
}

fn granted(grant: &Grant, now: Timestamp) -> String {
    let until = match ms(grant.until) <= now {
        true => "expired".to_owned(),
        false => format!("until {}", time(ms(grant.until), now)),
    };
    let names = names(grant.categories);
    format!("{names}, at most {}, {until}", counted(grant.messages_max, "message"))
}

fn counted(number: u16, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn names(categories: Categories) -> String {
    categories.iter().map(Category::name).collect::<Vec<_>>().join(", ")
}

fn ms(minute: Minute) -> Timestamp {
    Timestamp(u64::from(minute.0).saturating_mul(60_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, categories: &[Category], messages_max: u16, days: u16) {
        let categories = Categories::of(categories).unwrap();
        assert_eq!(terms(text), Ok(ConsentTerms { categories, messages_max, days }), "{text}");
    }

    #[test]
    fn terms_are_read_in_any_order_and_default_where_left_out() {
        check("", &[Category::Service, Category::Utility], 50, 30);
        check("utility 20 60d", &[Category::Utility], 20, 60);
        check(
            "400d, service, authentication",
            &[Category::Service, Category::Authentication],
            50,
            400,
        );
        check("7", &[Category::Service, Category::Utility], 7, 30);
        for wrong in ["spam", "-1", "70000", "d", "utility 1 month"] {
            assert!(terms(wrong).unwrap_err().contains("/help allow"), "{wrong}");
        }
    }

    #[test]
    fn what_may_be_sent_is_shown_whole() {
        let now = Timestamp(1_800_000_000_000);
        let minute = |ms: u64| Minute(u32::try_from(ms / 60_000).unwrap());
        let terms = ConsentTerms::default();
        let none = Allowed { terms, answers: None, notifications: None };
        assert!(shown(&none, now).starts_with("The business may send nothing until you write."));
        let grant = Grant {
            categories: terms.categories,
            messages_max: 50,
            until: minute(now.0 + 86_400_000),
            free_until: Some(minute(now.0 + 60_000)),
        };
        let old = Grant { until: minute(now.0 - 60_000), free_until: None, ..grant };
        let both = Allowed { terms, answers: Some(grant), notifications: Some(old) };
        let shown = shown(&both, now);
        for text in [
            "Answers: service, utility, at most 50 messages, until ",
            "The business may answer until ",
        ] {
            assert!(shown.contains(text), "{shown}");
        }
        assert!(shown.contains("Notifications: service, utility, at most 50 messages, expired."));
        let utility = Categories::of(&[Category::Utility]).unwrap();
        let narrowed = Grant { categories: utility, ..grant };
        let narrowed = super::shown(&Allowed { answers: Some(narrowed), ..both }, now);
        assert!(!narrowed.contains("may answer until"), "{narrowed}");
        assert!(narrowed.contains("It may not answer: you do not allow service."), "{narrowed}");
        let short = Grant { until: minute(now.0), ..grant };
        let short = super::shown(&Allowed { answers: Some(short), ..both }, now);
        assert!(!short.contains("may answer until"), "{short}");
    }

    #[test]
    fn every_command_has_help() {
        for command in ["allow", "mute", "block", "report", "window"] {
            assert!(help(command).unwrap().starts_with(&format!("/{command}")));
        }
    }
}
