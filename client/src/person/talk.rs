//! What a person's agent knows only in memory: of each conversation, and of each relay.

use std::collections::{HashMap, HashSet};

use plico_protocol::frame::Channel;
use plico_protocol::id::TicketOpening;
use plico_protocol::link::RelayLink;
use plico_protocol::prekey::VerifiedBundle;
use plico_protocol::profile::VerifiedProfile;
use plico_protocol::ticket::{Terms, Ticket, TicketKeys};
use plico_protocol::time::{Hour, Minute, Timestamp};
use tokio::sync::oneshot;

use super::event::{ConnectionState, LookUpError, Profile, Trouble};
use super::record::Record;
use crate::about::About;
use crate::connection::LineId;

/// A conversation with what is known only in memory.
pub(super) struct Talk {
    pub(super) record: Record,
    /// What the business says of itself, under the account key that is trusted. Stored.
    pub(super) published: Option<VerifiedProfile>,
    /// A ticket for the next message.
    pub(super) ticket: Option<(Ticket, TicketOpening)>,
    /// A bundle for the first message.
    pub(super) bundle: Option<VerifiedBundle>,
    /// The ticket that is being minted.
    pub(super) asked: Option<Asked>,
    /// Nothing is tried before this.
    pub(super) retry_at: Timestamp,
    pub(super) subscribing: Subscribing,
    pub(super) trouble: Option<Trouble>,
    /// Applications that ask who the business is.
    pub(super) asking: Vec<oneshot::Sender<Result<Profile, LookUpError>>>,
    /// A message with marks that is not sealed yet.
    pub(super) marks: Option<u64>,
    pub(super) told_lost: bool,
    /// When to look the business up again, though nobody asked.
    pub(super) recheck_at: Option<Timestamp>,
    /// When to ask for tickets in place of those that the relay ended.
    pub(super) renew_at: Option<Timestamp>,
}

/// What a relay was asked to mint.
pub(super) struct Asked {
    pub(super) terms: Terms,
    /// None if either will do.
    pub(super) window: Option<bool>,
    pub(super) opening: TicketOpening,
}

/// How a mailbox's subscriptions fared since the last that succeeded.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Subscribing {
    pub(super) refused: u32,
    pub(super) not_before: Option<Timestamp>,
}

/// A relay and the two lines to it.
pub(super) struct Relay {
    pub(super) link: RelayLink,
    pub(super) person: Option<LineId>,
    pub(super) anonymous: Option<LineId>,
    /// When each line was last of use.
    pub(super) person_used: Timestamp,
    pub(super) anonymous_used: Timestamp,
    pub(super) proven: HashSet<u64>,
    pub(super) subscribed: HashSet<u64>,
    pub(super) channels: HashMap<Channel, u64>,
    /// The ticket keys that verify, where the relay said that others do not.
    pub(super) ticket_keys: Option<TicketKeys>,
    /// Whether what waited in a mailbox was fetched, and this connection is no new one.
    pub(super) drained: bool,
    pub(super) told: Option<ConnectionState>,
}

impl Talk {
    pub(super) fn new(record: Record) -> Self {
        Self {
            record,
            published: None,
            ticket: None,
            bundle: None,
            asked: None,
            retry_at: Timestamp(0),
            subscribing: Subscribing::default(),
            trouble: None,
            asking: Vec::new(),
            marks: None,
            told_lost: false,
            recheck_at: None,
            renew_at: None,
        }
    }

    /// Whether it was looked up so lately that who asks need not wait.
    pub(super) fn is_shown_as_now(&self, now: Timestamp) -> bool {
        let known = self.record.known.as_ref();
        known.is_some_and(|known| known.holds(now.hour(), PROFILE_RECHECK_HOURS))
    }

    /// Whether to look it up now, though nobody asked.
    pub(super) fn is_recheck_due(&self, now: Timestamp) -> bool {
        self.retry_at <= now && self.recheck_at.is_some_and(|at| at <= now)
    }

    /// Whether there is a bundle that may still be used: its ticket may have been long in coming.
    pub(super) fn has_bundle(&self, now: Hour) -> bool {
        self.bundle.as_ref().is_some_and(|bundle| bundle.holds_at(now))
    }

    /// The business as it was verified, and what it says of itself at `now`.
    pub(super) fn profile(&self, now: Minute) -> Option<Profile> {
        let known = self.record.known.as_ref()?;
        let about = self.published.as_ref().map(|published| About::of(published.profile(), now));
        Some(Profile { about, ..Profile::of(known.certificate.body()) })
    }
}

impl Relay {
    pub(super) fn new(link: RelayLink) -> Self {
        Self {
            link,
            person: None,
            anonymous: None,
            person_used: Timestamp(0),
            anonymous_used: Timestamp(0),
            proven: HashSet::new(),
            subscribed: HashSet::new(),
            channels: HashMap::new(),
            ticket_keys: None,
            drained: false,
            told: None,
        }
    }

    /// Forgets what held on one connection only.
    pub(super) fn forget_connection(&mut self) {
        self.proven.clear();
        self.subscribed.clear();
        self.channels.clear();
        (self.ticket_keys, self.drained) = (None, false);
    }

    pub(super) fn has(&self, line: LineId) -> bool {
        self.person == Some(line) || self.anonymous == Some(line)
    }
}

/// Hours after which what a relay said of a business is asked for again, when someone asks or a
/// connection begins: a phone connects many times an hour, and its look-ups should not tell when.
const PROFILE_RECHECK_HOURS: u32 = 1;
