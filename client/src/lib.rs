//! SDK for people and businesses that talk through a Plico relay.
//!
//! A person writes first, from a link that a business shares:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use plico_client::{Body, Link, Person, PersonEvent, Protection};
//!
//! let mut person = Person::open("person.plico", Protection::key_file("person.key")).await?;
//! let link: Link = std::fs::read_to_string("bank.link")?.parse()?;
//! let chat = person.conversation(&link).await?;
//! let bank = chat.business().await?;
//! println!("{} ({})", bank.display_name, bank.domain);
//! if let Some(status) = bank.about.and_then(|about| about.status) {
//!     println!("today: {}", status.text);
//! }
//! chat.send("Did I pay 420 euros in Lisbon?").await?;
//! while let Ok(event) = person.next_event().await {
//!     match event {
//!         PersonEvent::Message(m) => match m.content.body {
//!             Body::Text(text) => println!("{}: {text}", m.from.display_name),
//!             other => println!("{}: {other:?}", m.from.display_name),
//!         },
//!         PersonEvent::Sent { state, .. } => println!("your message is {state:?}"),
//!         other => println!("{other:?}"),
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! A business makes its keys once and hands the request to the relay's operator, who sends back a
//! certificate (no private key leaves this machine):
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use plico_client::{Business, Protection};
//!
//! let key = Protection::key_file("bank.key");
//! let request = Business::create("bank.plico", key, "bank", "My Bank", "bank.example").await?;
//! std::fs::write("bank.request", request)?;
//! # Ok(()) }
//! ```
//!
//! Then it answers, free of charge for 24 hours, and sends what the person allowed:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use plico_client::{Business, BusinessEvent, Category, Message, ProfileDraft, Protection};
//!
//! let bank = Business::open("bank.plico", Protection::key_file("bank.key")).await?;
//! bank.install_certificate(&std::fs::read_to_string("bank.certificate")?).await?;
//! bank.connect(&std::fs::read_to_string("relay.link")?.parse()?).await?;
//! println!("share {}", bank.link(Some("counter 3")).await?);
//! let hours = "Mon–Fri 9–18".to_owned();
//! bank.publish_profile(ProfileDraft { hours, ..ProfileDraft::default() }).await?;
//! bank.set_status(Some("Counter 3 is closed today.")).await?;
//! loop {
//!     if let BusinessEvent::Message(asked) = bank.next_event().await? {
//!         let question = Message::choices("Was this you?", [("yes", "Yes"), ("no", "No")]);
//!         bank.send(asked.customer, question, Category::Service).await?;
//!     }
//! }
//! # }
//! ```
//!
//! `Debug` of content prints no words, so that a log does not either; match a [`Body`] to show it.
//!
//! # What holds
//!
//! - `send` returns when the message is stored on this machine. It goes out in order, now or after
//!   the next opening, and its state is told until it is final.
//! - Events come at least once, oldest first, and asking for the next says that one was handled.
//!   What came is stored, with the session's step, before the relay is told to delete it.
//! - Everything at rest is sealed; one process at a time opens a state.
//! - A relay is whoever holds the key in its link. Classical key exchange is refused.
//! - What a business says of itself ([`About`]) is public, signed by it, and never replaced by something
//!   older. Nobody checked it: show it below the verified name and domain.
//! - A business sees one person as one mailbox and one identity key, made for it alone.
//!
//! # Limits of this version
//!
//! - A session that one end lost is begun again by itself, and what was not delivered goes out again
//!   under its id: at once, and where sessions are lost one after the other after a minute, two, four,
//!   up to a day. What waits for that says so ([`MessageState::Waiting`],
//!   [`PersonEvent::SessionLost`]) and is given up after 30 days ([`MessageState::Unreadable`]).
//! - A relay keeps outcomes for 48 hours. What a business did not ask for by then is
//!   [`MessageState::Forgotten`], and not lost: its ledger says whether it was charged.
//! - A business goes on from [`Business::backup`] by [`Business::restore`]; devices repeat what they
//!   sent since and keep. A device whose conversation the backup does not know learns of it from
//!   the business's profile, at its next connection. A state's file put back by hand is noticed
//!   only once newer prekeys were published.
//! - A business's hint and identity keys stay the same when its certificate is renewed.
//! - One device for each person; 256 conversations at one relay.
//! - A person's anonymous and proven connections have sockets of their own, and still one IP
//!   address: an operator can match them by it and by time. Hiding it needs a proxy.
//! - SQLite is called from the agent's task, so a slow disk slows that task.
//!
//! # Code map
//!
//! `state` (sealed rows) and `connection` (pinned, reconnecting lines) know nothing of one another;
//! `agent` is the task that owns both; `person` and `business` are what it computes. A core never
//! waits and never reads a clock but the one it was given.

/// How long what an application sends may be.
pub mod limits {
    pub use plico_endpoint::content::{
        CHOICE_ID_BYTES_MAX, CHOICE_LABEL_BYTES_MAX, CHOICES_MAX, FIELD_LABEL_BYTES_MAX,
        FIELD_VALUE_BYTES_MAX, FIELDS_MAX, NOTIFICATION_BODY_BYTES_MAX, PROFILE_NAME_BYTES_MAX,
        QUESTION_BYTES_MAX, TEXT_BYTES_MAX, TITLE_BYTES_MAX,
    };
    pub use plico_protocol::limits::{
        LINK_REFERENCE_BYTES_MAX, PROFILE_DESCRIPTION_BYTES_MAX, PROFILE_HOURS_BYTES_MAX,
        PROFILE_SITE_BYTES_MAX,
    };
}

/// What a business is charged: entries, receipts, statements. SPEC.md §14.
pub mod ledger {
    pub use plico_protocol::ledger::*;
    pub use plico_protocol::time::{Day, Hour};
    pub use plico_protocol::wire::Wire;
}

mod about;
mod clock;
mod message;
pub mod probe;
mod random;
mod state;

mod connection;

mod agent;

mod business;
mod person;

pub use about::About;
pub use agent::Stopped;
pub use agent::history::Direction;
pub use agent::journal::EventId;
pub use agent::outgoing::{Delay, MessageState};
pub use business::{
    AnswerError, Business, BusinessConnectError, CheckedStatement, CreateError, Customer,
    CustomerId, CustomerMessage, Event as BusinessEvent, InstallError, KnownStanding, LinkError,
    PriceError, ProfileDraft, ProfileError, SendError as BusinessSendError,
    Trouble as BusinessTrouble,
};
pub use clock::{Clock, SystemClock};
pub use connection::{ConnectError, Network, Options};
pub use message::Message;
pub use person::{
    Allowed, ConnectionState, ConsentTerms, Conversation, ConversationId, Event as PersonEvent,
    Evidence, Grant, LookUpError, Overview, Person, Profile, Received, ReportOutcome, Said,
    SendError, Trouble,
};
pub use state::{BackupError, OpenError, Owner, Protection, RestoreError, StateError};

pub use plico_endpoint::content::{BadContent, Body, Content};
pub use plico_endpoint::id::ContentId;
pub use plico_protocol::certificate::{CertificateBody, DomainCheck};
pub use plico_protocol::link::{Link, RelayLink};
pub use plico_protocol::pricing::{
    Charge, Currency, FreeReason, Millionths, NoPrice, Price, RateCard,
};
pub use plico_protocol::profile::{BadLogo, Logo, Status};
pub use plico_protocol::refusal::{Code, Refusal};
pub use plico_protocol::reputation::{AccountStanding, Dues, Inputs, Reputation, Tier, Unpaid};
pub use plico_protocol::ticket::{Categories, Category};
