//! content.json: what messages say, by the names of the vectors.

use plico_endpoint::content::{Body, Choices, Content, Notification};
use plico_protocol::wire::Wire;
use serde_json::{Map, Value, json};

use super::{Vectors, hex};

#[test]
fn content_reads_as_the_vectors_say_or_is_refused() {
    Vectors::read("content").check(|_, case| {
        let Ok(content) = Content::decode(&case.bytes("bytes")) else { return false };
        assert_eq!(fields(&content), case.test["content"], "{case}");
        if content.body != Body::Unknown {
            // What it reads it can write, and reads the same again.
            let again = Content::decode(&content.encode().unwrap()).unwrap();
            assert_eq!(fields(&again), case.test["content"], "{case}");
        }
        true
    });
}

fn bytes(value: &impl Wire) -> Value {
    hex(&value.encode()).into()
}

/// The content as the vectors write it: what is absent is absent.
fn fields(content: &Content) -> Value {
    let mut found = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            found.insert(name.to_owned(), value);
        }
    };
    put("id", Some(bytes(&content.id)));
    put("composedMs", Some(content.composed.0.into()));
    put("expiresAfterSeconds", content.expires_after_seconds.map(Value::from));
    let reply = content.reply.as_ref().map(|reply| {
        let (address, ticket) = (bytes(&reply.address), bytes(&reply.ticket));
        json!({"address": address, "ticket": ticket, "opening": bytes(&reply.opening)})
    });
    put("reply", reply);
    put("ref", content.reference.clone().map(Value::from));
    put("profileName", content.profile_name.clone().map(Value::from));
    put("restoredHour", content.restored.map(|told| told.hour.0.into()));
    put("restoredMs", content.restored.map(|told| told.at.0.into()));
    let (name, value) = body(&content.body);
    put(name, value);
    found.into()
}

fn body(body: &Body) -> (&'static str, Option<Value>) {
    let (name, value) = match body {
        Body::Text(text) => ("text", json!({"text": text})),
        Body::Notification(notification) => ("notification", told(notification)),
        Body::Choices(choices) => ("choices", asked(choices)),
        Body::Answer(answer) => {
            let asked = bytes(&answer.content);
            ("answer", json!({"contentId": asked, "choiceId": answer.choice}))
        }
        Body::Reaction(reaction) => {
            let to = bytes(&reaction.content);
            ("reaction", json!({"contentId": to, "emoji": reaction.emoji}))
        }
        Body::Marks(marks) => {
            let [delivered, read] = [&marks.delivered, &marks.read]
                .map(|ids| ids.iter().map(bytes).collect::<Vec<_>>());
            ("marks", json!({"delivered": delivered, "read": read}))
        }
        Body::ProfileName(name) => ("newProfileName", json!({"name": name})),
        Body::Renewal => ("renewal", json!({})),
        Body::Goodbye => ("goodbye", json!({})),
        Body::Unknown => return ("none", None),
    };
    (name, Some(value))
}

fn told(notification: &Notification) -> Value {
    let fields = notification.fields.iter();
    let fields: Vec<Value> =
        fields.map(|field| json!({"label": field.label, "value": field.value})).collect();
    json!({
        "title": notification.title,
        "body": notification.body,
        "fields": fields,
        "category": notification.category.map_or(0, |category| category.byte()),
    })
}

fn asked(choices: &Choices) -> Value {
    let offered: Vec<Value> = choices
        .choices
        .iter()
        .map(|choice| json!({"id": choice.id, "label": choice.label}))
        .collect();
    json!({"question": choices.question, "choices": offered})
}
