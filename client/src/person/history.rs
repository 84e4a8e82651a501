//! What a conversation said, as the application reads it.

use plico_endpoint::content::Content;
use plico_protocol::limits::RETENTION_HOURS;
use plico_protocol::time::Timestamp;

use super::core::PersonCore;
use super::record::Minted;
use super::report::forget_franking;
use crate::agent::history::{self, Direction, Kept, PAGE_MAX};
use crate::agent::inbound::Inbound;
use crate::state::{StateError, Table};

/// One message of a conversation, as this device keeps it.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its place in the conversation; rises.
    pub place: u64,
    /// Which way it went, and what became of it.
    pub direction: Direction,
    /// What it says; `id` is that of events.
    pub content: Content,
    /// When it was queued or received, by this device's clock.
    pub at: Timestamp,
}

impl PersonCore {
    /// The newest messages before a place, oldest first.
    pub(super) fn history(
        &mut self,
        peer: u64,
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<Said>, StateError> {
        let (now, most) = (self.now(), most.min(PAGE_MAX));
        let (mut before, mut found) = (before, Vec::new());
        while found.len() < most {
            let page = self.state.read(|rows| history::page(rows, peer, before, PAGE_MAX))?;
            let Some((first, _)) = page.first() else { break };
            before = Some(*first);
            let said = page.into_iter().rev().filter_map(|(place, kept)| said(place, &kept, now));
            found.extend(said.take(most - found.len()));
        }
        found.reverse();
        Ok(found)
    }

    /// Once an hour, deletes what is too old to be of use.
    pub(super) fn tidy(&mut self, now: Timestamp) -> Result<(), StateError> {
        if self.tidied == now.hour() {
            return Ok(());
        }
        self.tidied = now.hour();
        let peers: Vec<u64> = self.talks.keys().copied().collect();
        self.state.write(|rows| {
            let old = now.hour().minus(RETENTION_HOURS);
            Inbound::forget(rows, now.hour())?;
            rows.delete_where::<Minted>(Table::Ticket, |minted| minted.valid_until < old)?;
            forget_franking(rows, now.hour())?;
            peers.iter().try_for_each(|peer| history::forget(rows, *peer, now))
        })
    }
}

fn said(place: u64, kept: &Kept, now: Timestamp) -> Option<Said> {
    let Kept { at, direction, .. } = *kept;
    let mut content = kept.content().filter(|content| history::is_said(&content.body))?;
    // A ticket this device gave away is the business's matter.
    content.reply = None;
    kept.holds(now).then_some(Said { place, direction, content, at })
}
