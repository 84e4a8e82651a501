//! What a business is told, as a JSON line: for `serve --json` and for programs behind `--pipe`.
//!
//! ```text
//! {"type":"message","event":7,"customer":3,"id":"…","at":"2026-11-21T11:30:00Z","first":true,
//!  "name":"Anna","ref":"counter 3","text":"Hello"}
//! ```
//!
//! `event` and `id` stay the same when an event is told again after a crash.

use jiff::Timestamp;
use plico_client::ledger::{Amount, EntryReason};
use plico_client::{
    Body, BusinessEvent, ContentId, Customer, CustomerId, CustomerMessage, EventId, MessageState,
};
use serde_json::{Map, Value, json};

/// An event as JSON; `customer` is who it is about, where it is about somebody.
pub(super) fn json(event: &BusinessEvent, customer: Option<&Customer>) -> Value {
    match event {
        BusinessEvent::Message(message) => message_json(message, customer),
        BusinessEvent::Consent { event, customer, free_until } => json!({
            "type": "consent", "event": event.0, "customer": customer.0,
            "free_until": free_until.map(|minute| minute_time(minute.0)),
        }),
        BusinessEvent::Sent { event, customer, id, state } => {
            let mut value = json!({
                "type": "sent", "event": event.0, "customer": customer.0,
                "id": hex(id.as_bytes()), "state": state_name(*state),
            });
            if let MessageState::Refused(code) = state {
                put(&mut value, "reason", code.name());
                put(&mut value, "explanation", code.text());
            }
            if *state == MessageState::Forgotten {
                put(&mut value, "explanation", FORGOTTEN);
            }
            value
        }
        BusinessEvent::Settled { event, customer, id, reason, amount } => {
            charge_json("settled", *event, *customer, *id, (*reason, *amount))
        }
        BusinessEvent::Released { event, customer, id, reason, amount } => {
            charge_json("released", *event, *customer, *id, (*reason, *amount))
        }
        BusinessEvent::Trouble { event, trouble } => json!({
            "type": "trouble", "event": event.0, "explanation": trouble.to_string(),
        }),
        BusinessEvent::Delayed { customer, id, delay } => json!({
            "type": "delayed", "customer": customer.0, "id": hex(id.as_bytes()),
            "reason": delay.refusal.code.name(), "rule": delay.refusal.rule(),
            "explanation": delay.refusal.text, "until": time(delay.until.0),
        }),
        BusinessEvent::Connected => json!({"type": "connected"}),
        BusinessEvent::Disconnected(error) => json!({
            "type": "disconnected", "explanation": error.to_string(),
        }),
    }
}

fn charge_json(
    kind: &str,
    event: EventId,
    customer: CustomerId,
    id: ContentId,
    (reason, amount): (EntryReason, Amount),
) -> Value {
    json!({
        "type": kind, "event": event.0, "customer": customer.0, "id": hex(id.as_bytes()),
        "reason": reason_name(reason),
        "amount": amount.millionths.to_string(), "currency": amount.currency.to_string(),
    })
}

/// Why a charge was settled or released, as JSON has it.
fn reason_name(reason: EntryReason) -> &'static str {
    match reason {
        EntryReason::Opened => "opened",
        EntryReason::Offered => "offered",
        EntryReason::Unreadable => "unreadable",
        EntryReason::NotOffered => "not_offered",
        EntryReason::InWindow
        | EntryReason::OutsideWindow
        | EntryReason::Standing
        | EntryReason::Itself => "other",
    }
}

fn message_json(message: &CustomerMessage, customer: Option<&Customer>) -> Value {
    let CustomerMessage { event, customer: from, first, content, at, .. } = message;
    let mut value = json!({
        "type": "message", "event": event.0, "customer": from.0,
        "id": hex(content.id.as_bytes()), "at": time(at.0), "first": first,
    });
    let name = customer.and_then(|customer| customer.profile_name.as_deref());
    if let Some(name) = name {
        put(&mut value, "name", name);
    }
    if let Some(reference) = &content.reference {
        put(&mut value, "ref", reference.as_str());
    }
    let (key, said) = body_json(&content.body);
    put(&mut value, key, said);
    value
}

/// What content says: one key, named by its kind.
fn body_json(body: &Body) -> (&'static str, Value) {
    match body {
        Body::Text(text) => ("text", json!(text)),
        Body::Answer(answer) => {
            ("chosen", json!({"question": hex(answer.content.as_bytes()), "choice": answer.choice}))
        }
        Body::Reaction(reaction) => {
            ("reaction", json!({"to": hex(reaction.content.as_bytes()), "emoji": reaction.emoji}))
        }
        Body::Choices(choices) => ("question", json!(choices.question)),
        Body::Notification(notification) => ("notification", json!(notification.title)),
        Body::ProfileName(name) => ("called", json!(name)),
        Body::Goodbye => ("goodbye", json!(true)),
        Body::Marks(_) | Body::Renewal | Body::Unknown => ("other", json!(true)),
    }
}

/// A state's name, as JSON and tables have it.
pub(super) fn state_name(state: MessageState) -> &'static str {
    match state {
        MessageState::Queued => "queued",
        MessageState::Accepted => "accepted",
        MessageState::Waiting { .. } => "waiting",
        MessageState::Delivered => "delivered",
        MessageState::Unreadable => "unreadable",
        MessageState::Expired => "expired",
        MessageState::Forgotten => "forgotten",
        MessageState::Refused(_) => "refused",
        MessageState::Failed => "failed",
    }
}

/// Milliseconds since the epoch in RFC 3339, to the second.
pub(super) fn time(milliseconds: u64) -> Option<String> {
    let second = i64::try_from(milliseconds / 1_000).ok()?;
    Some(Timestamp::from_second(second).ok()?.to_string())
}

/// Minutes since the epoch in RFC 3339.
pub(super) fn minute_time(minutes: u32) -> Option<String> {
    time(u64::from(minutes) * 60_000)
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn put(value: &mut Value, key: &str, entry: impl Into<Value>) {
    value.as_object_mut().unwrap_or(&mut Map::new()).insert(key.to_owned(), entry.into());
}

/// Of [`MessageState::Forgotten`]. Said to programs, too: one that sends again what it takes for lost
/// would pay twice.
pub(super) const FORGOTTEN: &str = "the relay keeps outcomes for 48 hours and no longer has this one; \
     a `settled` or `released` event says whether it was charged: do not send it again";

/// What content says, in words for a person at the business.
pub(super) fn body_words(body: &Body) -> String {
    match body {
        Body::Text(text) => text.clone(),
        Body::Answer(answer) => format!("chose: {}", answer.choice),
        Body::Reaction(reaction) if reaction.emoji.is_empty() => "took a reaction back".to_owned(),
        Body::Reaction(reaction) => format!("reacted: {}", reaction.emoji),
        Body::Choices(choices) => choices.question.clone(),
        Body::Notification(notification) => notification.title.clone(),
        Body::ProfileName(name) => format!("is called {name} now"),
        Body::Goodbye => "ended the conversation".to_owned(),
        Body::Marks(_) | Body::Renewal | Body::Unknown => {
            "sent what this version cannot show; update it".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use plico_client::{Code, Delay, Refusal};

    use super::*;

    #[test]
    fn a_limit_is_told_with_its_rule_and_its_end() {
        let refusal = Refusal::because(Code::RateLimited, "reach: at most 100 a day");
        let delay = Delay { refusal, until: plico_protocol::time::Timestamp(1_000) };
        let event =
            BusinessEvent::Delayed { customer: CustomerId(3), id: ContentId::new([1; 16]), delay };
        let told = json(&event, None);
        let says = |key: &str| told.get(key).and_then(Value::as_str).unwrap();
        assert_eq!((says("type"), says("reason")), ("delayed", "rate_limited"));
        assert_eq!((says("rule"), says("until")), ("reach", "1970-01-01T00:00:01Z"));
        assert!(says("explanation").starts_with("reach: at most 100 a day"));
    }

    #[test]
    fn what_the_relay_forgot_is_not_told_as_expired() {
        let event = BusinessEvent::Sent {
            event: EventId(1),
            customer: CustomerId(3),
            id: ContentId::new([1; 16]),
            state: MessageState::Forgotten,
        };
        let told = json(&event, None);
        assert_eq!(told.get("state"), Some(&json!("forgotten")));
        assert_eq!(told.get("explanation"), Some(&json!(FORGOTTEN)));
    }
}
