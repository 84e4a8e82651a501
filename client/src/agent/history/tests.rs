//! History: in order, each message once, bounded by count, age and its sender's wish.

use plico_endpoint::id::ContentId;

use super::*;
use crate::message::Message;
use crate::state::{Owner, Protection, State};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const DAY_MS: u64 = 24 * 3_600_000;

struct Place {
    state: State,
    _folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let protection = Protection::key_file(folder.path().join("key"));
        let path = folder.path().join("state");
        let state = State::create(&path, &protection, Owner::Person).unwrap();
        Self { state, _folder: folder }
    }

    fn keep(&mut self, peer: u64, at: Timestamp, message: Message) -> (u64, ContentId) {
        let content = message.into_content(at);
        let bytes = content.encode().unwrap().into();
        let direction = Direction::Received { category: None };
        let kept = Kept { at, content: bytes, direction, delivered: None };
        let place = self.state.write::<_, StateError>(|rows| keep(rows, peer, &kept)).unwrap();
        (place, content.id)
    }

    fn places(&mut self, peer: u64, before: Option<u64>, most: usize) -> Vec<u64> {
        let found = self.state.read(|rows| page(rows, peer, before, most)).unwrap();
        found.into_iter().map(|(place, _)| place).collect()
    }

    fn forget(&mut self, now: Timestamp) {
        self.state.write(|rows| forget(rows, 1, now)).unwrap();
    }
}

#[test]
fn pages_are_the_newest_before_a_place_and_of_one_conversation() {
    let mut place = Place::new();
    for n in 0..5 {
        place.keep(1, NOW, format!("{n}").into());
        place.keep(2, NOW, "of another".into());
    }
    assert_eq!(place.places(1, None, 3), [3, 4, 5]);
    assert_eq!(place.places(1, Some(3), 3), [1, 2]);
    assert_eq!(place.places(1, Some(1), 3), [0; 0]);
    assert_eq!(place.places(3, None, 3), [0; 0]);
    assert_eq!(place.places(1, None, 0), [0; 0]);
}

#[test]
fn the_oldest_gives_way_to_the_thousand_and_first() {
    let mut place = Place::new();
    for _ in 0..=MESSAGES_MAX {
        place.keep(1, NOW, "hello".into());
    }
    let oldest = place.places(1, Some(4), 10);
    assert_eq!(oldest, [2, 3]);
    assert_eq!(place.places(1, None, usize::MAX).len(), PAGE_MAX);
}

#[test]
fn what_is_old_or_wanted_forgotten_goes_and_the_rest_stays() {
    let mut place = Place::new();
    place.keep(1, NOW, "old".into());
    place.keep(1, Timestamp(NOW.0 + DAY_MS), Message::text("brief").expires_after(60));
    place.keep(1, Timestamp(NOW.0 + DAY_MS), "lasting".into());
    place.forget(Timestamp(NOW.0 + DAY_MS));
    assert_eq!(place.places(1, None, 10), [1, 2, 3]);
    place.forget(Timestamp(NOW.0 + DAY_MS + 60_000));
    assert_eq!(place.places(1, None, 10), [1, 3]);
    place.forget(Timestamp(NOW.0 + 30 * DAY_MS + 3_600_000));
    assert_eq!(place.places(1, None, 10), [3]);
}

#[test]
fn a_state_reaches_its_message_and_none_that_is_gone() {
    let mut place = Place::new();
    let (first, _) = place.keep(1, NOW, "hello".into());
    let told = |rows: &Rows<'_>| {
        became(rows, 1, first, MessageState::Delivered)?;
        became(rows, 1, first + 1, MessageState::Delivered)?;
        page(rows, 1, None, 10)
    };
    let found = place.state.write::<_, StateError>(told).unwrap();
    let directions: Vec<_> = found.iter().map(|(_, kept)| kept.direction).collect();
    assert_eq!(directions, [Direction::Sent { state: MessageState::Delivered }]);
}
