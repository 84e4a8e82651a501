//! What `serve` prints: lines for people, or one JSON object a line. Notes go to standard error.

use jiff::tz::TimeZone;
use plico_client::{
    BusinessEvent, BusinessTrouble, ContentId, Customer, CustomerId, CustomerMessage, EventId,
    MessageState,
};
use serde_json::{Value, json};

use super::dates;
use super::rules::Reply;
use super::told::{FORGOTTEN, body_words, hex};
use crate::failure::Failure;
use crate::text::{clean_line, clean_text, indented};
use crate::{print, remark, wording};

/// Prints. An error says that it was not written: what it tells of is not taken for shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Printer {
    json: bool,
}

impl Printer {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// What is said before anything happens; people read it, programs do not.
    pub(super) fn heading(self, text: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { print(text) }
    }

    /// The business can be reached.
    pub(super) fn ready(self, link: &str) -> Result<(), Failure> {
        match self.json {
            true => print(json!({"type": "ready", "link": link})),
            false => print(format_args!("share      {link}\nready")),
        }
    }

    /// An event; `again` if the process before this may have printed it.
    pub(super) fn event(
        self,
        event: &BusinessEvent,
        told: &Value,
        customer: Option<&Customer>,
        again: bool,
    ) -> Result<(), Failure> {
        if self.json {
            let mut told = told.clone();
            if let (true, Some(told)) = (again, told.as_object_mut()) {
                told.insert("again".to_owned(), true.into());
            }
            return print(told);
        }
        let Some(text) = event_words(event, customer) else { return Ok(()) };
        let again = if again { "(perhaps shown before)  " } else { "" };
        print(format_args!("{}  {again}{text}", dates::clock(&TimeZone::system())))
    }

    /// An event was answered, by the rules or by a program.
    pub(super) fn answered(
        self,
        event: EventId,
        to: CustomerId,
        ids: &[ContentId],
        reply: Option<&Reply>,
    ) -> Result<(), Failure> {
        let hexed: Vec<_> = ids.iter().map(|id| hex(id.as_bytes())).collect();
        if self.json {
            let mut told =
                json!({"type": "answered", "event": event.0, "customer": to.0, "ids": hexed});
            if let (Some(reply), Some(told)) = (reply, told.as_object_mut()) {
                told.insert("text".to_owned(), reply.text.as_str().into());
                told.insert("line".to_owned(), reply.line.into());
            }
            return print(told);
        }
        let what = match (reply, ids.len()) {
            (Some(reply), _) => reply_words(reply),
            (None, 0) => return Ok(()),
            (None, 1) => "the program answered".to_owned(),
            (None, count) => format!("the program gave {count} answers"),
        };
        print(format_args!("{}  → #{}  {what}", dates::clock(&TimeZone::system()), to.0))
    }

    /// A program died of an event too often.
    pub(super) fn set_aside(self, told: &Value, attempts: u32) -> Result<(), Failure> {
        if self.json {
            return print(json!({"type": "set_aside", "attempts": attempts, "message": told}));
        }
        let (event, customer) = (told.get("event"), told.get("customer"));
        let number = |value: Option<&Value>| value.and_then(Value::as_u64).unwrap_or_default();
        print(format_args!(
            "{}  !  #{}  set aside: the program died {attempts} times of event {}",
            dates::clock(&TimeZone::system()),
            number(customer),
            number(event)
        ))
    }

    /// A program said something unasked.
    pub(super) fn sent(self, to: CustomerId, id: ContentId) -> Result<(), Failure> {
        match self.json {
            true => print(json!({"type": "queued", "customer": to.0, "id": hex(id.as_bytes())})),
            false => print(format_args!(
                "{}  → #{}  the program wrote",
                dates::clock(&TimeZone::system()),
                to.0
            )),
        }
    }

    /// Something the operator should know.
    pub(super) fn note(self, text: &str) {
        remark(format_args!("plico: {}", clean_text(text)));
    }
}

fn event_words(event: &BusinessEvent, customer: Option<&Customer>) -> Option<String> {
    let name = |id: CustomerId| {
        let name = customer.and_then(|customer| customer.profile_name.as_deref());
        let name = name.map(|name| format!(" {}", clean_line(name))).unwrap_or_default();
        format!("#{}{name}", id.0)
    };
    Some(match event {
        BusinessEvent::Message(message) => message_words(message, &name(message.customer)),
        BusinessEvent::Sent { customer, state, .. } => {
            let became = match state {
                // What goes well is not worth a line; JSON has it.
                MessageState::Queued
                | MessageState::Accepted
                | MessageState::Waiting { .. }
                | MessageState::Delivered => return None,
                MessageState::Unreadable => {
                    "could not open your message in 30 days, though it was sent again; write anew \
                     if it still matters"
                        .to_owned()
                }
                MessageState::Expired => "did not fetch your message in time".to_owned(),
                MessageState::Forgotten => format!("may have read your message: {FORGOTTEN}"),
                MessageState::Refused(code) => {
                    format!("will not get your message: {}", code.text())
                }
                MessageState::Failed => {
                    "will not get your message: it could not be sealed".to_owned()
                }
            };
            format!("{}  {became}", name(*customer))
        }
        BusinessEvent::Consent { customer, free_until: None, .. } => {
            format!("{}  allows notifications; see `plico business customers`", name(*customer))
        }
        BusinessEvent::Released { customer, amount, .. } => {
            let (amount, currency) = (amount.millionths, amount.currency);
            format!(
                "{}  your message was not read and is not paid for: {amount} {currency}",
                name(*customer)
            )
        }
        BusinessEvent::Trouble { trouble, .. } => match trouble {
            BusinessTrouble::CertificateEnds { .. } | BusinessTrouble::CertificateNotValid => {
                format!("!  {trouble}: {}", dates::RENEW)
            }
            trouble => format!("!  {trouble}"),
        },
        BusinessEvent::Delayed { customer, delay, .. } => {
            format!("{}  your message waits: {}", name(*customer), wording::delay(delay))
        }
        BusinessEvent::Connected => "connected".to_owned(),
        BusinessEvent::Disconnected(error) => format!("reconnecting: {error}"),
        _ => return None,
    })
}

fn message_words(message: &CustomerMessage, name: &str) -> String {
    let reference = message.content.reference.as_deref();
    let reference = reference.map(|text| format!("  [{}]", clean_line(text))).unwrap_or_default();
    let new = if message.first { " (new)" } else { "" };
    format!(
        "{name}{new}  {}{reference}",
        indented(&clean_text(&body_words(&message.content.body)), MARGIN)
    )
}

fn reply_words(reply: &Reply) -> String {
    let labels: Vec<_> = reply.buttons.iter().map(|(_, label)| format!("[{label}]")).collect();
    let labels = if labels.is_empty() { String::new() } else { format!(" {}", labels.join(" ")) };
    format!("{}{labels}  (line {})", indented(&clean_text(&reply.text), MARGIN), reply.line)
}

/// As wide as the time before each line: what a customer wrote begins no line that looks like one.
const MARGIN: &str = "          ";
