//! A business that was restored from a backup: what it lost goes out again.
//!
//! It names the hour of its backup. What this device sent since, it may have received and lost, so
//! every message goes out again under its id, with the ticket it had. It does so on a new session, for
//! of the one before the two ends may hold different states; or on the present one, if this device
//! had heard nothing on that before. The business drops what it knows.

use plico_endpoint::content::{Content, Reply};
use plico_protocol::profile::Restored;
use plico_protocol::time::Timestamp;

use super::core::{PersonCore, put_record};
use super::record::{Standing, Started};
use super::sending::BY_ITSELF;
use crate::agent::history::{self, Direction, Kept, PAGE_MAX};
use crate::agent::journal::{self, News, Stored};
use crate::agent::outbox::Outbox;
use crate::agent::outgoing::{MessageState, Outgoing, Stage};
use crate::message::is_composed;
use crate::state::{Rows, StateError};

/// What a restored business lost.
pub(super) struct Lost {
    pub(super) news: News,
    pub(super) again: Vec<Outgoing>,
}

impl PersonCore {
    /// Answers what businesses said of their restores on sessions that they know: those serve. For
    /// the others a session is begun ([`Self::begin_owed`]).
    pub(super) fn answer_claims(&mut self) -> Result<(), StateError> {
        let on_known = self.talks.iter().filter(|(_, talk)| {
            talk.record.standing == Standing::Active
                && talk.record.claim.is_some_and(|claim| claim.on_known)
        });
        let on_known: Vec<u64> = on_known.map(|(peer, _)| *peer).collect();
        on_known.into_iter().try_for_each(|peer| self.answer_claim(peer))
    }

    fn answer_claim(&mut self, peer: u64) -> Result<(), StateError> {
        let now = self.now();
        let Some(Lost { news, again }) = self.take_claim(peer)? else { return self.store(peer) };
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(()) };
        // The business was heard on it, whatever became of the answer to its first message.
        (talk.record.started, talk.marks) = (Started::Yes, None);
        let (record, open) = (&talk.record, self.outbox.open(peer));
        let queued = self.state.write::<_, StateError>(|rows| {
            put_record(rows, peer, record)?;
            journal::push(rows, &Stored { peer, at: now, news })?;
            // What was accepted may have been read and lost, though this device was not told so yet.
            Outbox::queue_again(rows, &open, again)
        })?;
        self.outbox.renumber(&open, &queued, now);
        Ok(())
    }

    /// Takes what a business said of its restore, as answered, and finds what it lost of what it was
    /// sent; none if nothing was said in that time.
    pub(super) fn take_claim(&mut self, peer: u64) -> Result<Option<Lost>, StateError> {
        let now = self.now();
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(None) };
        let record = &mut talk.record;
        if record.standing != Standing::Active {
            return Ok(None);
        }
        let Some(claim) = record.claim.take() else { return Ok(None) };
        let restored = claim.restored;
        record.answered = Some(restored.at);
        let Some((ticket, opening)) = record.reply else { return Ok(None) };
        let reply = Reply { address: record.address(), ticket, opening };
        let said = self.state.read(|rows| said_around(rows, peer, restored))?;
        if said.is_empty() {
            return Ok(None);
        }
        let said = said.iter().filter(|(_, kept)| kept.holds(now));
        let again: Vec<Outgoing> = said
            .filter_map(|(place, kept)| repeat(peer, *place, kept, &reply, now))
            .filter(|again| !self.outbox.is_open(again.id))
            .collect();
        let sent = self.outbox.sent(peer);
        let sent = self.state.read(|rows| Outbox::get_all(rows, &sent))?;
        let repeated = again.iter().chain(&sent).filter(|outgoing| is_words(outgoing)).count();
        let repeated = u32::try_from(repeated).unwrap_or(u32::MAX);
        let news = News::Restored { since: restored.hour, repeated };
        Ok(Some(Lost { news, again }))
    }
}

/// Whether a person would call it a message of theirs; not a mark or a ticket.
fn is_words(outgoing: &Outgoing) -> bool {
    Content::decode(&outgoing.content).is_ok_and(|content| is_composed(&content.body))
}

/// What was said, by either end, that a restored business may have lost, oldest first; bounded by
/// what the history keeps. What was delivered may have been written long before.
fn said_around(
    rows: &Rows<'_>,
    peer: u64,
    restored: Restored,
) -> Result<Vec<(u64, Kept)>, StateError> {
    let begin = restored.hour.minus(MARGIN_HOURS);
    let end = restored.at.hour().plus(RESTORE_MARGIN_HOURS);
    let is_lost = |kept: &Kept| {
        let at = kept.at.hour();
        begin <= kept.delivered.unwrap_or(at).max(at) && at <= end
    };
    let (mut before, mut found) = (None, Vec::new());
    loop {
        let page = history::page(rows, peer, before, PAGE_MAX)?;
        let Some((first, _)) = page.first() else { break };
        before = Some(*first);
        found.extend(page.into_iter().rev().filter(|(_, kept)| is_lost(kept)));
    }
    found.reverse();
    Ok(found)
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
