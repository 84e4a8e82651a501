//! People and businesses as applications run them: through the SDK, with state on disk.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use plico_client::{
    Body, Business, BusinessEvent, Clock, ContentId, Conversation, CustomerId, CustomerMessage,
    Link, MessageState, Options, Person, PersonEvent, Protection, Received, RelayLink,
    RestoreError,
};
use plico_protocol::pricing::Millionths;
use plico_protocol::time::Timestamp;
use plico_relay::clock::Clock as _;
use tempfile::TempDir;

use crate::harness::relay::{TestClock, TestRelay};

/// A folder with the states of a test's people and businesses.
pub(crate) struct Desk {
    folder: TempDir,
    options: Options,
}

/// The tests' clock, as the SDK reads it.
struct SharedClock(Arc<TestClock>);

impl Desk {
    /// Clients of a relay inside the program, on its clock.
    pub(crate) fn of(relay: &TestRelay) -> Self {
        let options = Options::default().clock(SharedClock(relay.clock.clone()));
        let options = options.price_max(Millionths::UNIT);
        Self { folder: tempfile::tempdir().unwrap(), options }
    }

    /// Clients on the real clock that send from an address of the test's choice.
    pub(crate) fn at(address: IpAddr) -> Self {
        let options = Options::default().bind(address).price_max(Millionths::UNIT);
        Self { folder: tempfile::tempdir().unwrap(), options }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn person(&self, name: &str) -> Person {
        let (path, key) = (self.path(name), self.key(name));
        Person::open_with(self.options.clone(), path, key).await.unwrap()
    }

    /// Makes a business; gives the text of its certificate request.
    pub(crate) async fn create_business(&self, handle: &str) -> String {
        let (path, key) = (self.path(handle), self.key(handle));
        let (name, domain) = (format!("The {handle}"), format!("{handle}.example"));
        Business::create(path, key, handle, &name, &domain).await.unwrap()
    }

    pub(crate) async fn business(&self, handle: &str) -> Business {
        let (path, key) = (self.path(handle), self.key(handle));
        Business::open_with(self.options.clone(), path, key).await.unwrap()
    }

    /// Makes a business, has it certified, connects it; gives the link it shares.
    pub(crate) async fn certified(&self, relay: &TestRelay, handle: &str) -> (Business, Link) {
        let request = self.create_business(handle).await;
        let certificate = relay.certify_request(&request).await;
        let business = self.business(handle).await;
        business.install_certificate(&certificate).await.unwrap();
        self.connected(business, &relay.link()).await
    }

    /// Connects a business that has its certificate.
    pub(crate) async fn connected(
        &self,
        business: Business,
        relay: &RelayLink,
    ) -> (Business, Link) {
        business.connect(relay).await.unwrap();
        let link = business.link(Some("order 7")).await.unwrap();
        (business, link)
    }

    /// Makes a business's state, where there is none, from a backup.
    pub(crate) async fn restore(&self, backup: &str, handle: &str) -> Result<(), RestoreError> {
        let (backup, path, key) = (self.path(backup), self.path(handle), self.key(handle));
        Business::restore_with(self.options.clone(), backup, path, key).await
    }

    /// Deletes a state with its log, as a lost disk does.
    pub(crate) fn lose(&self, name: &str) {
        std::fs::remove_file(self.path(name)).unwrap();
        for log in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(self.path(&format!("{name}{log}")));
        }
    }

    pub(crate) fn key(&self, name: &str) -> Protection {
        Protection::key_file(self.path(&format!("{name}.key")))
    }
}

impl Clock for SharedClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// Waits for the first event that `wanted` takes; a minute of silence fails the test.
pub(crate) async fn heard<T>(
    person: &mut Person,
    mut wanted: impl FnMut(PersonEvent) -> Option<T>,
) -> T {
    let search = async {
        loop {
            if let Some(found) = wanted(person.next_event().await.unwrap()) {
                return found;
            }
        }
    };
    tokio::time::timeout(SILENCE_MAX, search).await.expect("the person heard nothing")
}

/// The same for a business.
pub(crate) async fn told<T>(
    business: &mut Business,
    mut wanted: impl FnMut(BusinessEvent) -> Option<T>,
) -> T {
    let search = async {
        loop {
            if let Some(found) = wanted(business.next_event().await.unwrap()) {
                return found;
            }
        }
    };
    tokio::time::timeout(SILENCE_MAX, search).await.expect("the business was told nothing")
}

/// The next message a person is shown.
pub(crate) async fn next_received(person: &mut Person) -> Received {
    let message = |event| match event {
        PersonEvent::Message(message) => Some(*message),
        _ => None,
    };
    heard(person, message).await
}

/// The next message a business is shown.
pub(crate) async fn next_asked(business: &mut Business) -> CustomerMessage {
    let message = |event| match event {
        BusinessEvent::Message(message) => Some(*message),
        _ => None,
    };
    told(business, message).await
}

/// The next state of a message that a business sent.
pub(crate) async fn became(business: &mut Business, sent: ContentId) -> MessageState {
    let state = |event| match event {
        BusinessEvent::Sent { id, state, .. } if id == sent => Some(state),
        _ => None,
    };
    told(business, state).await
}

/// Waits until a customer allows notifications; gives which.
pub(crate) async fn allowed_notifications(business: &mut Business) -> CustomerId {
    let standing = |event| match event {
        BusinessEvent::Consent { free_until: None, customer, .. } => Some(customer),
        _ => None,
    };
    told(business, standing).await
}

/// The words of a text.
pub(crate) fn words(body: &Body) -> &str {
    match body {
        Body::Text(text) => text,
        other => panic!("expected words, got {other:?}"),
    }
}

/// A person writes once, so that the business has a ticket; gives what it was shown.
pub(crate) async fn introduce(chat: &Conversation, business: &mut Business) -> CustomerMessage {
    chat.send("hello").await.unwrap();
    next_asked(business).await
}

/// A bound on hanging, not a measure of speed: nothing passes because of it. Longer than the
/// longest a client waits before it connects again.
const SILENCE_MAX: Duration = Duration::from_secs(120);
