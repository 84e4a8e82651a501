//! What is shown of a conversation: the kept history and what came since, each message once.

use std::collections::{HashMap, VecDeque};

use plico_client::{Body, ContentId, Direction, MessageState, Profile, Said};
use plico_protocol::time::{Minute, Timestamp};

use crate::wording;

/// The conversation as a reader sees it.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    items: VecDeque<Item>,
    /// Serial number of the first item: what was forgotten before it.
    first: usize,
    places: HashMap<ContentId, usize>,
    /// Serial numbers of what changed, for a face that prints changes.
    changed: Vec<usize>,
    pub(super) business: Option<Profile>,
    pub(super) window: Option<Minute>,
    pub(super) connection: Connection,
}

/// One entry.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) at: Option<Timestamp>,
    pub(super) by: By,
    /// Safe for a terminal.
    pub(super) text: String,
    id: Option<ContentId>,
    choices: Vec<String>,
    answered: bool,
}

/// Whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Business,
    Person(MessageState),
    /// This program's.
    Program,
}

/// How the relay can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Connection {
    #[default]
    Begun,
    Up,
    Down(&'static str),
}

impl Transcript {
    /// Entries, oldest first.
    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.iter()
    }

    /// Shows what this device kept.
    pub(super) fn kept(&mut self, said: &Said) {
        let by = match said.direction {
            Direction::Received { .. } => By::Business,
            Direction::Sent { state } => By::Person(state),
        };
        self.say(said.content.id, by, said.at, &said.content.body);
    }

    /// Shows a message, unless it is shown already: an event may come again after a restart.
    pub(super) fn say(&mut self, id: ContentId, by: By, at: Timestamp, body: &Body) {
        if self.places.contains_key(&id) {
            return;
        }
        let mut text = wording::body(body);
        let mut choices = Vec::new();
        match body {
            Body::Choices(question) => {
                choices = question.choices.iter().map(|choice| choice.id.clone()).collect();
            }
            Body::Answer(answer) => {
                if let Some(label) = self.label(answer.content, &answer.choice) {
                    text = format!("→ {label}");
                }
            }
            _ => (),
        }
        if text.is_empty() {
            return;
        }
        if let Body::Answer(answer) = body
            && let Some(question) = self.item_mut(answer.content)
        {
            question.answered = true;
        }
        self.push(Item { at: Some(at), by, text, id: Some(id), choices, answered: false });
    }

    /// Notes what became of a message.
    pub(super) fn became(&mut self, id: ContentId, state: MessageState) {
        let Some(place) = self.places.get(&id).copied() else { return };
        let Some(item) = self.item_mut(id) else { return };
        if matches!(item.by, By::Person(shown) if shown != state) {
            item.by = By::Person(state);
            self.changed.push(place);
        }
    }

    /// A line of this program's own.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        let (by, choices) = (By::Program, Vec::new());
        self.push(Item { at: None, by, text, id: None, choices, answered: false });
    }

    /// The question that waits for an answer, with the ids of its choices.
    pub(super) fn open_question(&self) -> Option<(ContentId, &[String])> {
        let question = self.items.iter().rev().find(|item| !item.choices.is_empty())?;
        let id = question.id.filter(|_| !question.answered)?;
        Some((id, &question.choices))
    }

    /// The last message of the business.
    pub(super) fn last_received(&self) -> Option<ContentId> {
        self.items.iter().rev().find(|item| item.by == By::Business)?.id
    }

    /// What is new or changed since this was last asked, each as it is now.
    pub(super) fn take_changed(&mut self) -> Vec<Item> {
        let mut changed = core::mem::take(&mut self.changed);
        changed.dedup();
        let item = |serial: usize| self.items.get(serial.checked_sub(self.first)?).cloned();
        changed.into_iter().filter_map(item).collect()
    }

    fn push(&mut self, item: Item) {
        if ITEMS_MAX <= self.items.len() {
            if let Some(id) = self.items.pop_front().and_then(|item| item.id) {
                self.places.remove(&id);
            }
            self.first += 1;
        }
        let serial = self.first + self.items.len();
        if let Some(id) = item.id {
            self.places.insert(id, serial);
        }
        self.items.push_back(item);
        self.changed.push(serial);
    }

    fn item_mut(&mut self, id: ContentId) -> Option<&mut Item> {
        let place = self.places.get(&id)?.checked_sub(self.first)?;
        self.items.get_mut(place)
    }

    /// The label of a choice as it was shown.
    fn label(&self, question: ContentId, choice: &str) -> Option<String> {
        let place = self.places.get(&question)?.checked_sub(self.first)?;
        let item = self.items.get(place)?;
        let number = item.choices.iter().position(|id| id == choice)?;
        // The labels are the last lines, one each: none of them has a line end.
        let line = item.text.lines().rev().nth(item.choices.len() - 1 - number)?;
        line.split_once(". ").map(|(_, label)| label.to_owned())
    }
}

/// More than the SDK keeps of one conversation.
const ITEMS_MAX: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ContentId {
        ContentId::new([n; 16])
    }

    fn transcript() -> Transcript {
        let mut transcript = Transcript::default();
        transcript.say(id(1), By::Business, Timestamp(1), &Body::Text("hello".into()));
        transcript
    }

    #[test]
    fn a_message_is_shown_once() {
        let mut transcript = transcript();
        transcript.say(id(1), By::Business, Timestamp(1), &Body::Text("hello".into()));
        assert_eq!(transcript.items().count(), 1);
        assert_eq!(transcript.take_changed().len(), 1);
        assert!(transcript.take_changed().is_empty());
    }

    #[test]
    fn a_state_changes_in_place_and_is_told_once() {
        let mut transcript = transcript();
        let by = By::Person(MessageState::Queued);
        transcript.say(id(2), by, Timestamp(2), &Body::Text("hi".into()));
        transcript.take_changed();
        transcript.became(id(2), MessageState::Delivered);
        transcript.became(id(2), MessageState::Delivered);
        let changed = transcript.take_changed();
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0].by, By::Person(MessageState::Delivered));
        assert_eq!(transcript.items().count(), 2);
    }

    #[test]
    fn the_oldest_gives_way() {
        let mut transcript = transcript();
        for n in 0..ITEMS_MAX {
            transcript.note(n.to_string());
        }
        assert_eq!(transcript.items().count(), ITEMS_MAX);
        assert_eq!(transcript.last_received(), None);
        transcript.became(id(1), MessageState::Delivered);
    }
}
