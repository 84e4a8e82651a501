//! What is due when, and lines that rest.

use plico_protocol::time::Timestamp;

use super::core::PersonCore;
use crate::agent::lines::Lines;
use crate::connection::LineId;

impl PersonCore {
    /// Closes lines that were of no use for a while: a relay ends connections without a frame.
    pub(super) fn rest_lines(&mut self, lines: &mut Lines) {
        let now = self.now();
        let jobs = &self.jobs;
        let mut rest = |line: &mut Option<LineId>, used: Timestamp| {
            let idle = IDLE_MS <= now.0.saturating_sub(used.0);
            if let Some(resting) = line.take_if(|line| idle && !jobs.any(*line)) {
                lines.shut(resting);
            }
        };
        for relay in &mut self.relays {
            rest(&mut relay.anonymous, relay.anonymous_used);
            rest(&mut relay.person, relay.person_used);
            if relay.person.is_none() {
                relay.forget_connection();
            }
        }
    }

    /// When there is something to do that is not due yet.
    pub(super) fn wake(&self) -> Option<Timestamp> {
        let now = self.now();
        let resting = self.relays.iter().filter(|relay| relay.anonymous.is_some());
        let resting = resting.map(|relay| Timestamp(relay.anonymous_used.0 + IDLE_MS));
        let retries = self.talks.values().map(|talk| talk.retry_at);
        let deaf = self.talks.values().filter_map(|talk| talk.subscribing.not_before);
        let rechecks = self.talks.values().filter_map(|talk| talk.recheck_at);
        let owed = self.talks.values().filter(|talk| talk.record.wants_session());
        let owed = owed.map(|talk| talk.record.next_session(now));
        let renewals = self.talks.values().filter_map(|talk| talk.renew_at);
        let due = resting
            .chain(retries)
            .chain(deaf)
            .chain(rechecks)
            .chain(renewals)
            .chain(owed)
            .filter(|at| now < *at);
        due.chain(self.outbox.wake(now)).chain(self.inbound.wake(now)).min()
    }
}

/// How long a line stays without use. For an anonymous one long enough for an exchange, short
/// enough that a relay sees little of how one device's requests belong together; a person's is of
/// use as long as a mailbox is open.
const IDLE_MS: u64 = 20_000;
