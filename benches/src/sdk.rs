//! A round of applications: people and businesses on the SDK, with sessions and state on disk. Each
//! message is sealed, stored by its sender before it leaves, opened and stored by its recipient.

use std::collections::HashMap;
use std::sync::Arc;

use plico_client::{
    Body, Business, BusinessEvent, ContentId, Conversation, Link, MessageState, Person,
    PersonEvent, Protection, Stopped,
};
use plico_endpoint::content::TEXT_BYTES_MAX;
use plico_protocol::certificate::CertificateRequest;
use plico_protocol::envelope::SizeClass;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::failure::Failure;
use crate::frames::{self, DRAIN_MAX, Load};
use crate::pace::{Pace, Places};
use crate::pair::{Counts, Reports};
use crate::relay::{Relay, letters};
use crate::report::Round;
use crate::tally::{Shared, Watch};

/// A person and a business with state on disk, who have met.
pub(crate) struct Couple {
    person: Person,
    chat: Conversation,
    business: Business,
}

impl Couple {
    /// Makes both, has the business certified, and exchanges a first message.
    pub(crate) async fn meet(relay: &Relay, number: usize) -> Result<Self, Failure> {
        let path = |kind: &str| relay.home().join(format!("{kind}-{number}"));
        let key =
            |kind: &str| Protection::key_file(relay.home().join(format!("{kind}-{number}.key")));
        let letters = letters(number);
        let (handle, name) = (format!("app-{letters}"), format!("App {letters}"));
        let (at, domain) = (path("business"), format!("{handle}.example"));
        let request = Business::create(&at, key("business"), &handle, &name, &domain).await;
        let request = CertificateRequest::from_text(&request.map_err(Failure::application)?);
        let certificate = relay.certify(&request.map_err(Failure::application)?)?;
        let business = Business::open(at, key("business")).await.map_err(Failure::application)?;
        let installed = business.install_certificate(&certificate).await;
        installed.map_err(Failure::application)?;
        business.connect(relay.link()).await.map_err(Failure::application)?;
        let link: Link = business.link(None).await.map_err(Failure::application)?;
        let person =
            Person::open(path("person"), key("person")).await.map_err(Failure::application)?;
        let chat = person.conversation(&link).await.map_err(Failure::application)?;
        let couple = Self { person, chat, business };
        couple.chat.send("hello").await.map_err(Failure::application)?;
        while asked(couple.business.next_event().await)?.is_none() {}
        Ok(couple)
    }

    /// Stops both.
    pub(crate) async fn part(self) -> Result<(), Failure> {
        self.person.close().await.map_err(Failure::application)?;
        self.business.close().await.map_err(Failure::application)
    }
}

/// Runs one round in a closed loop. The couples are there for another one afterwards.
pub(crate) async fn round(
    relay: &Relay,
    couples: &mut Vec<Couple>,
    load: Load,
    watch: Watch,
) -> Result<Round, Failure> {
    let counts = Arc::new(Counts::default());
    let (mut running, mut tallies, mut windows) = (JoinSet::new(), Vec::new(), Vec::new());
    for couple in couples.drain(..) {
        let (tally, places) = (Shared::default(), Places::new(load.window));
        tallies.push(tally.clone());
        windows.push(places.clone());
        let reports = Reports { tally, watch, counts: counts.clone() };
        running.spawn(talk(couple, load.class, reports, places));
    }
    let round = frames::measure(relay, &tallies, load).await;
    windows.iter().for_each(Places::close);
    let together = async {
        while let Some(ended) = running.join_next().await {
            couples.push(ended.map_err(Failure::application)??);
        }
        Ok(())
    };
    // Who was late shows in the counts.
    tokio::time::timeout(DRAIN_MAX, together).await.unwrap_or(Ok(()))?;
    counts.check(DRAIN_MAX.as_secs())?;
    round
}

async fn talk(
    couple: Couple,
    class: SizeClass,
    reports: Reports,
    places: Places,
) -> Result<Couple, Failure> {
    let Couple { person, chat, business } = couple;
    let (total, sent) = watch::channel(None);
    let pace = Pace::Window(places.clone(), reports.watch);
    let writing = tokio::spawn(write(person, chat.clone(), class, reports.clone(), pace, total));
    let reading = tokio::spawn(read(business, reports, places, sent));
    let (person, business) = tokio::try_join!(joined(writing), joined(reading))?;
    Ok(Couple { person, chat, business })
}

/// Sends, and hears what became of it.
async fn write(
    mut person: Person,
    chat: Conversation,
    class: SizeClass,
    reports: Reports,
    mut pace: Pace,
    total: watch::Sender<Option<u64>>,
) -> Result<Person, Failure> {
    let (mut number, mut waiting, mut open) = (0_u64, HashMap::new(), true);
    while open || !waiting.is_empty() {
        tokio::select! {
            due = pace.next(), if open => match due {
                Some(due_us) => {
                    let said = text(number, due_us, class);
                    let id = chat.send(said).await.map_err(Failure::application)?;
                    waiting.insert(id, due_us);
                    Counts::add(&reports.counts.submitted, 1);
                    number += 1;
                }
                None => {
                    open = false;
                    total.send_replace(Some(number));
                }
            },
            event = person.next_event() => {
                if let Some(id) = accepted(event)?
                    && let Some(due_us) = waiting.remove(&id)
                {
                    Counts::add(&reports.counts.accepted, 1);
                    reports.tally.accepted(reports.watch.since(due_us));
                }
            }
        }
    }
    Ok(person)
}

/// Takes messages until as many came as were sent.
async fn read(
    business: Business,
    reports: Reports,
    places: Places,
    mut sent: watch::Receiver<Option<u64>>,
) -> Result<Business, Failure> {
    let (mut taken, mut writing) = (0, true);
    while *sent.borrow() != Some(taken) {
        let event = tokio::select! {
            event = business.next_event() => event,
            changed = sent.changed(), if writing => {
                writing = changed.is_ok();
                continue;
            }
        };
        let Some(said) = asked(event)? else { continue };
        let due_us = due(&said, taken).ok_or_else(|| {
            Failure::Wrong("a message came out of order, twice or altered".to_owned())
        })?;
        taken += 1;
        Counts::add(&reports.counts.delivered, 1);
        // The SDK acknowledges by itself what it has stored and shown.
        Counts::add(&reports.counts.acknowledged, 1);
        reports.tally.delivered(reports.watch.since(due_us));
        places.free();
    }
    Ok(business)
}

/// What a business was told, if it is a message.
fn asked(event: Result<BusinessEvent, Stopped>) -> Result<Option<String>, Failure> {
    match event.map_err(Failure::application)? {
        BusinessEvent::Message(message) => match message.content.body {
            Body::Text(text) => Ok(Some(text)),
            _ => Ok(None),
        },
        BusinessEvent::Trouble { trouble, .. } => Err(Failure::application(trouble)),
        BusinessEvent::Disconnected(error) => Err(Failure::application(error)),
        _ => Ok(None),
    }
}

/// The message a person heard to be with the relay or its recipient.
fn accepted(event: Result<PersonEvent, Stopped>) -> Result<Option<ContentId>, Failure> {
    match event.map_err(Failure::application)? {
        PersonEvent::Sent { id, state, .. } => match state {
            MessageState::Queued => Ok(None),
            MessageState::Accepted | MessageState::Delivered => Ok(Some(id)),
            other => Err(Failure::Wrong(format!("a message became {other:?}"))),
        },
        PersonEvent::Trouble { trouble, .. } => Err(Failure::application(trouble)),
        _ => Ok(None),
    }
}

/// Words that fill most of an envelope of this class and of no smaller one.
fn text(number: u64, due_us: u64, class: SizeClass) -> String {
    let bytes = match class {
        SizeClass::Small => 1_024,
        SizeClass::Medium => 6 * 1_024,
        SizeClass::Large => 24 * 1_024,
        SizeClass::Huge => TEXT_BYTES_MAX,
    };
    format!("{:.<bytes$}", format!("{number} {due_us} "))
}

/// When the message that must be number `taken` was due; none if it is another.
fn due(text: &str, taken: u64) -> Option<u64> {
    let mut words = text.split(' ');
    let number: u64 = words.next()?.parse().ok()?;
    words.next()?.parse().ok().filter(|_| number == taken)
}

async fn joined<T>(task: JoinHandle<Result<T, Failure>>) -> Result<T, Failure> {
    task.await.unwrap_or_else(|error| Err(Failure::application(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_which_they_are_and_fill_their_envelope() {
        let said = text(3, 70, SizeClass::Medium);
        assert_eq!((said.len(), due(&said, 3), due(&said, 4)), (6 * 1_024, Some(70), None));
        assert_eq!(text(0, 0, SizeClass::Huge).len(), TEXT_BYTES_MAX);
    }
}
