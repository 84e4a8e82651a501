//! A business that was restored from a backup: what it lost goes out again.
//!
//! It names the hour of its backup. What this device sent since, it may have received and lost, so
//! every message goes out again under its id, with the ticket it had, on a new session: of the one
//! before, the two ends may hold different states. The business drops what it knows.

use plico_endpoint::content::{Content, Reply};
use plico_protocol::time::{Hour, Timestamp};

use super::core::PersonCore;
use super::record::{Record, Standing};
use super::sending::BY_ITSELF;
use crate::agent::history::{self, Direction, Kept, PAGE_MAX};
use crate::agent::journal::{self, News, Stored};
use crate::agent::outbox::Outbox;
use crate::agent::outgoing::{MessageState, Outgoing, Stage};
use crate::state::{Rows, StateError};

impl PersonCore {
    /// Answers the businesses that said that they were restored.
    pub(super) fn answer_claims(&mut self) -> Result<(), StateError> {
        let now = self.now().hour();
        let due = self.talks.iter().filter(|(_, talk)| is_due(&talk.record, now));
        let due: Vec<u64> = due.map(|(peer, _)| *peer).collect();
        due.into_iter().try_for_each(|peer| self.answer_claim(peer))
    }

    fn answer_claim(&mut self, peer: u64) -> Result<(), StateError> {
        let now = self.now();
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(()) };
        let Some(claim) = talk.record.claim.take() else { return Ok(()) };
        let restored = claim.restored;
        talk.record.answered = Some((restored.at, now.hour()));
        let Some((ticket, opening)) = talk.record.reply else { return self.store(peer) };
        let reply = Reply { address: talk.record.address(), ticket, opening };
        let begin = restored.hour.minus(MARGIN_HOURS);
        let end = restored.at.hour().plus(RESTORE_MARGIN_HOURS);
        let said = self.state.read(|rows| since(rows, peer, begin))?;
        if !said.iter().any(|(_, kept)| kept.at.hour() <= end) {
            return self.store(peer);
        }
        let said = said.iter().filter(|(_, kept)| kept.at.hour() <= end && kept.holds(now));
        let again: Vec<Outgoing> = said
            .filter_map(|(place, kept)| repeat(peer, *place, kept, &reply, now))
            .filter(|again| !self.outbox.is_open(again.id))
            .collect();
        let repeated = again.len() + self.outbox.under_way(peer).len();
        let repeated = u32::try_from(repeated).unwrap_or(u32::MAX);
        self.replace_session(peer, claim.on_replaced, |rows| {
            let news = News::Restored { since: restored.hour, repeated };
            journal::push(rows, &Stored { peer, at: now, news })?;
            let queued = again.into_iter().map(|message| {
                let number = Outbox::add(rows, &message)?;
                Ok((number, message))
            });
            queued.collect()
        })
    }
}

/// Whether a business's claim is answered now. It takes a handshake and many messages, so a
/// business that claims one restore after another is answered once an hour.
fn is_due(record: &Record, now: Hour) -> bool {
    let rested = record.answered.is_none_or(|(_, at)| at.plus(ANSWER_HOURS) <= now);
    record.claim.is_some() && rested && record.standing == Standing::Active
}

/// What was said from an hour on, oldest first; bounded by what the history keeps.
fn since(rows: &Rows<'_>, peer: u64, begin: Hour) -> Result<Vec<(u64, Kept)>, StateError> {
    let (mut before, mut found) = (None, Vec::new());
    loop {
        let page = history::page(rows, peer, before, PAGE_MAX)?;
        before = page.first().map(|(place, _)| *place);
        let length = page.len();
        let young = page.into_iter().rev().take_while(|(_, kept)| begin <= kept.at.hour());
        let before_page = found.len();
        found.extend(young);
        if length == 0 || found.len() - before_page < length {
            found.reverse();
            return Ok(found);
        }
    }
}

/// A message to send again, if it was delivered: whatever else became of it, the application was
/// told and may have sent it anew.
fn repeat(peer: u64, place: u64, kept: &Kept, reply: &Reply, now: Timestamp) -> Option<Outgoing> {
    if kept.direction != (Direction::Sent { state: MessageState::Delivered }) {
        return None;
    }
    let mut content = kept.content()?;
    content.reply.get_or_insert_with(|| reply.clone());
    let Content { id, .. } = content;
    Some(Outgoing {
        peer,
        id,
        not_before: now,
        kind: BY_ITSELF,
        content: content.encode().ok()?.into(),
        place: Some(place),
        quiet: true,
        session: None,
        price_max: None,
        stage: Stage::Waiting,
    })
}

/// Before the backup's hour: the two clocks may differ.
const MARGIN_HOURS: u32 = 1;
/// After the restore; what was sent later reached the business that goes on. A day, because a clock
/// may have been wrong, and a repeat does no harm.
const RESTORE_MARGIN_HOURS: u32 = 24;
const ANSWER_HOURS: u32 = 1;
