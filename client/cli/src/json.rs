//! What scripts read: one JSON object on each line. Names and meanings stay; new names may come.

use plico_client::{
    Body, Category, ContentId, ConversationId, MessageState, PersonEvent, Profile, Received,
};
use plico_protocol::time::Minute;
use serde_json::{Value, json};

use crate::wording::{check_name, outcome_name, state_name};

/// The schema as help and the manual show it.
pub(crate) const SCHEMA: &str = "\
JSON, one object on each line; `event` says which, times are milliseconds since 1970:
  message       conversation, id, business {name, domain, checked}, category, at_ms,
                composed_ms, kind and what that has: text {text}; choices {question,
                choices [{id, label}]}; notification {title, body, fields [{label,
                value}]}; answer {of, choice}; reaction {of, emoji}; other
  state         conversation, id, state: stored, sent, waiting, delivered, unreadable,
                expired, refused or failed; refused also has code and text, waiting
                until_ms: it goes out by itself then or later, perhaps once more
  window        conversation, until_ms
  reported      conversation, id, outcome: counted, already, answer or refused
  key_changed   conversation, business or null
  session_lost  conversation, until_ms: messages that did not open come again, then or later
  restored      conversation, since_ms, repeated
  trouble       conversation, text";

/// An event, or none for what scripts do not need.
pub(crate) fn event(event: &PersonEvent) -> Option<Value> {
    Some(match event {
        PersonEvent::Message(message) => self::message(message),
        PersonEvent::Sent { conversation, id, state: became, .. } => {
            state(*conversation, *id, *became)
        }
        PersonEvent::Window { conversation, until, .. } => {
            json!({"event": "window", "conversation": conversation.0, "until_ms": ms(*until)})
        }
        PersonEvent::Reported { conversation, id, outcome, .. } => {
            let outcome = outcome_name(*outcome);
            json!({
                "event": "reported",
                "conversation": conversation.0,
                "id": hex(*id),
                "outcome": outcome,
            })
        }
        PersonEvent::KeyChanged { conversation, offered, .. } => {
            let business = offered.as_ref().map(business);
            json!({"event": "key_changed", "conversation": conversation.0, "business": business})
        }
        PersonEvent::SessionLost { conversation, until, .. } => {
            let conversation = conversation.0;
            json!({"event": "session_lost", "conversation": conversation, "until_ms": until.0})
        }
        PersonEvent::BusinessRestored { conversation, since, repeated, .. } => {
            let since_ms = u64::from(since.0) * 3_600_000;
            json!({
                "event": "restored",
                "conversation": conversation.0,
                "since_ms": since_ms,
                "repeated": repeated,
            })
        }
        PersonEvent::Trouble { conversation, trouble, .. } => {
            let text = trouble.to_string();
            json!({"event": "trouble", "conversation": conversation.0, "text": text})
        }
        _ => return None,
    })
}

/// What became of a message.
pub(crate) fn state(conversation: ConversationId, id: ContentId, state: MessageState) -> Value {
    let (conversation, name) = (conversation.0, state_name(state));
    match state {
        MessageState::Refused(code) => json!({
            "event": "state", "conversation": conversation, "id": hex(id), "state": name,
            "code": code.name(), "text": code.text(),
        }),
        MessageState::Waiting { until } => json!({
            "event": "state", "conversation": conversation, "id": hex(id), "state": name,
            "until_ms": until.0,
        }),
        _ => {
            json!({"event": "state", "conversation": conversation, "id": hex(id), "state": name})
        }
    }
}

fn message(message: &Received) -> Value {
    let Received { conversation, from, content, category, at, .. } = message;
    let mut object = json!({
        "event": "message",
        "conversation": conversation.0,
        "id": hex(content.id),
        "business": business(from),
        "category": category.map(Category::name),
        "at_ms": at.0,
        "composed_ms": content.composed.0,
    });
    if let (Some(object), Value::Object(body)) = (object.as_object_mut(), body(&content.body)) {
        object.extend(body);
    }
    object
}

fn body(body: &Body) -> Value {
    match body {
        Body::Text(text) => json!({"kind": "text", "text": text}),
        Body::Choices(choices) => {
            let list = choices.choices.iter().map(|c| json!({"id": c.id, "label": c.label}));
            let list: Vec<_> = list.collect();
            json!({"kind": "choices", "question": choices.question, "choices": list})
        }
        Body::Notification(n) => {
            let fields = n.fields.iter().map(|f| json!({"label": f.label, "value": f.value}));
            let fields: Vec<_> = fields.collect();
            json!({"kind": "notification", "title": n.title, "body": n.body, "fields": fields})
        }
        Body::Answer(answer) => {
            json!({"kind": "answer", "of": hex(answer.content), "choice": answer.choice})
        }
        Body::Reaction(reaction) => {
            json!({"kind": "reaction", "of": hex(reaction.content), "emoji": reaction.emoji})
        }
        _ => json!({"kind": "other"}),
    }
}

fn business(profile: &Profile) -> Value {
    json!({
        "name": profile.display_name,
        "domain": profile.domain,
        "checked": check_name(profile.domain_check),
    })
}

fn ms(minute: Minute) -> u64 {
    u64::from(minute.0).saturating_mul(60_000)
}

/// A content id as 32 digits.
pub(crate) fn hex(id: ContentId) -> String {
    id.as_bytes().iter().fold(String::new(), |mut out, byte| {
        out.push_str(&format!("{byte:02x}"));
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_shows_the_schema() {
        let manual = include_str!("../../../docs/plico.md");
        assert!(manual.contains(SCHEMA), "docs/plico.md shows another JSON schema than help");
    }

    #[test]
    fn every_name_is_in_the_schema() {
        let (chat, id) = (ConversationId(3), ContentId::new([1; 16]));
        let objects = [
            state(chat, id, MessageState::Queued),
            state(chat, id, MessageState::Refused(plico_protocol::refusal::Code::Busy)),
            body(&Body::Text("x".into())),
            body(&Body::Unknown),
        ];
        for object in objects {
            for (name, value) in object.as_object().unwrap() {
                assert!(SCHEMA.contains(name.as_str()), "{name}");
                let word = value.as_str().filter(|_| name == "state" || name == "kind");
                assert!(word.is_none_or(|word| SCHEMA.contains(word)), "{value}");
            }
        }
    }
}
