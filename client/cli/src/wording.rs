//! How states, checks and times are said, to people and to scripts.

use std::borrow::Cow;

use jiff::Timestamp as Instant;
use jiff::tz::TimeZone;
use plico_client::{
    Body, Clock, ConnectError, Delay, MessageState, Profile, ReportOutcome, SystemClock,
};
use plico_protocol::certificate::DomainCheck;
use plico_protocol::time::{Minute, Timestamp};

use crate::text::{clean_line, clean_text};

/// A message's state in one word, the same for people and scripts.
pub(crate) fn state_name(state: MessageState) -> &'static str {
    match state {
        MessageState::Queued => "stored",
        MessageState::Accepted => "sent",
        MessageState::Waiting { .. } => "waiting",
        MessageState::Delivered => "delivered",
        MessageState::Unreadable => "unreadable",
        MessageState::Expired => "expired",
        MessageState::Forgotten => "forgotten",
        MessageState::Refused(_) => "refused",
        MessageState::Failed => "failed",
    }
}

/// What to do about a state that is no success.
pub(crate) fn state_advice(state: MessageState) -> Option<Cow<'static, str>> {
    Some(match state {
        MessageState::Queued | MessageState::Accepted | MessageState::Delivered => return None,
        MessageState::Waiting { until } => {
            let until = time(until, SystemClock.now());
            format!("not delivered yet; it goes out by itself at {until} or later").into()
        }
        MessageState::Unreadable => {
            "the business could not open it, though it was sent again; write anew if it still \
             matters"
                .into()
        }
        MessageState::Expired => "nobody fetched it in time".into(),
        MessageState::Forgotten => "the relay no longer knows what became of it".into(),
        MessageState::Refused(code) => code.text().into(),
        MessageState::Failed => "it could not be sealed; write it anew".into(),
    })
}

/// Why a message goes out no earlier, and when it does.
pub(crate) fn delay(delay: &Delay) -> String {
    let until = time(delay.until, SystemClock.now());
    let why = clean_line(&delay.refusal.text);
    format!("the relay does not take it for now and is asked again at {until}: {why}")
}

/// What a person should know of a business that lost its state.
pub(crate) fn restored(repeated: u32) -> String {
    let repeated = match repeated {
        0 => "nothing of yours was missing".to_owned(),
        1 => "one message of yours is sent again".to_owned(),
        count => format!("{count} messages of yours are sent again"),
    };
    format!("The business restored its records from a backup; {repeated}.")
}

/// What a person should know of messages that did not open.
pub(crate) fn session_lost(until: Timestamp) -> String {
    let until = time(until, SystemClock.now());
    format!(
        "Some messages of the business did not open here. They come again by themselves, not \
         before {until}, while this device is connected."
    )
}

/// How the operator checked the domain.
pub(crate) fn check_name(check: DomainCheck) -> &'static str {
    match check {
        DomainCheck::Dns => "dns",
        DomainCheck::Website => "website",
        DomainCheck::Document => "document",
    }
}

/// The same for people.
pub(crate) fn check_words(check: DomainCheck) -> &'static str {
    match check {
        DomainCheck::Dns => "domain checked by DNS",
        DomainCheck::Website => "domain checked by its website",
        DomainCheck::Document => "checked by documents",
    }
}

/// What a report did, as scripts read it.
pub(crate) fn outcome_name(outcome: ReportOutcome) -> &'static str {
    match outcome {
        ReportOutcome::Counted => "counted",
        ReportOutcome::Already => "already",
        ReportOutcome::Answer => "answer",
        ReportOutcome::Refused => "refused",
    }
}

/// A business on one line.
pub(crate) fn business(profile: &Profile) -> String {
    format!("{} ({})", clean_line(&profile.display_name), clean_line(&profile.domain))
}

/// What a message says, safe for a terminal; choices are numbered.
pub(crate) fn body(body: &Body) -> String {
    match body {
        Body::Text(text) => clean_text(text),
        Body::Choices(question) => {
            let choices = question.choices.iter().enumerate();
            choices.fold(clean_text(&question.question), |mut out, (n, choice)| {
                out.push_str(&format!("\n  {}. {}", n + 1, clean_line(&choice.label)));
                out
            })
        }
        Body::Notification(notification) => {
            let mut out = clean_line(&notification.title);
            if !notification.body.is_empty() {
                out.push('\n');
                out.push_str(&clean_text(&notification.body));
            }
            for field in &notification.fields {
                let (label, value) = (clean_line(&field.label), clean_line(&field.value));
                out.push_str(&format!("\n  {label}: {value}"));
            }
            out
        }
        Body::Answer(answer) => format!("chose {}", clean_line(&answer.choice)),
        Body::Reaction(reaction) if reaction.emoji.is_empty() => "took a reaction back".to_owned(),
        Body::Reaction(reaction) => format!("reacted {}", clean_line(&reaction.emoji)),
        Body::ProfileName(name) => format!("is called {}", clean_line(name)),
        Body::Goodbye => "said goodbye".to_owned(),
        Body::Marks(_) | Body::Renewal => String::new(),
        Body::Unknown => "(this message needs a later version of plico)".to_owned(),
    }
}

/// Why there is no connection, in few words for a header.
pub(crate) fn connection_words(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::WrongPin => "another server answers than the link names",
        ConnectError::ClassicalOnly => "the relay's encryption is too old",
        ConnectError::NotPlico => "no Plico relay answers there",
        ConnectError::Unresolved => "the relay's name has no address",
        ConnectError::Full => "the relay is full",
        ConnectError::ShuttingDown => "the relay restarts",
        ConnectError::NoExporter => "the relay is faulty",
        ConnectError::Socket(_) => "this device allows no connection",
        ConnectError::Unreachable | ConnectError::Lost => "the relay does not answer",
    }
}

/// "14:05", with the date where it is another day than `now`.
pub(crate) fn time(at: Timestamp, now: Timestamp) -> String {
    let (at, now) = (local(at), local(now));
    let format = if at.date() == now.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    at.strftime(format).to_string()
}

/// Until when the business may answer: the window, in which it is not charged for it.
pub(crate) fn window(until: Option<Minute>, now: Timestamp) -> String {
    let Some(until) = until else { return String::new() };
    let end = Timestamp(u64::from(until.0).saturating_mul(60_000));
    if end <= now {
        return "the free window is over; write again".to_owned();
    }
    let today = local(end).date() == local(now).date();
    let tomorrow = local(now).date().tomorrow().is_ok_and(|day| day == local(end).date());
    let day = match (today, tomorrow) {
        (true, _) => " today".to_owned(),
        (_, true) => " tomorrow".to_owned(),
        _ => local(end).strftime(" on %Y-%m-%d").to_string(),
    };
    format!("the business may answer until {}{day}", local(end).strftime("%H:%M"))
}

fn local(at: Timestamp) -> jiff::Zoned {
    let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    // Past the year 9999 nothing is told apart.
    Instant::from_millisecond(ms).unwrap_or(Instant::MAX).to_zoned(TimeZone::system())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_a_later_version_is_shown_as_one() {
        assert_eq!(body(&Body::Unknown), "(this message needs a later version of plico)");
    }

    #[test]
    fn the_window_says_when_it_ends() {
        let now = Timestamp(1_800_000_000_000);
        let minute = |ms: u64| Some(Minute(u32::try_from(ms / 60_000).unwrap()));
        assert_eq!(window(None, now), "");
        assert!(window(minute(now.0 - 60_000), now).contains("is over"));
        assert!(window(minute(now.0 + 60_000), now).starts_with("the business may answer until "));
        assert!(window(minute(now.0 + 24 * 3_600_000), now).ends_with(" tomorrow"));
    }
}
