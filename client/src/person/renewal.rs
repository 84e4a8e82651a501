//! Tickets that a relay ended all together, after a theft of its keys or a restore: what the person
//! had allowed is allowed again, in the same words and to the same day, and the business is told.
//!
//! The relay names the ticket keys that still verify on each connection (SPEC.md §5.5). A business
//! cannot be written to by a device that says nothing, so the device does not wait for a message.

use plico_protocol::frame::ClientFrame;
use plico_protocol::id::TicketCommitment;
use plico_protocol::ticket::{Terms, Ticket, TicketKeys};
use plico_protocol::time::Timestamp;

use super::core::{Job, PersonCore};
use super::record::{Record, Standing, WISHES_MAX, Wish};
use crate::agent::lines::Lines;
use crate::connection::LineId;
use crate::random;
use crate::state::StateError;

impl PersonCore {
    /// Takes the relay's word which ticket keys verify.
    pub(super) fn told_ticket_keys(&mut self, line: LineId, keys: TicketKeys) {
        let now = self.now();
        let relay = self.relays.iter_mut().find(|relay| relay.person == Some(line));
        let Some(relay) = relay else { return };
        relay.ticket_keys = Some(keys);
        // Devices connect one after the other. Those that are connected are told at one moment, and
        // each of them mints and sends.
        let delay_ms = match relay.drained {
            true => u64::from(u16::from_be_bytes(random::bytes())) % SPREAD_MS,
            false => 0,
        };
        let link = relay.link.clone();
        for talk in self.talks.values_mut().filter(|talk| talk.record.link.relay == link) {
            talk.ticket = talk.ticket.filter(|(ticket, _)| keys.contains(ticket.key_id()));
            if !talk.record.renewals(keys, now).is_empty() {
                let at = Timestamp(now.0.saturating_add(delay_ms));
                talk.renew_at.get_or_insert(at);
            }
        }
    }

    /// Wishes for tickets in place of those that ended, unless a message has brought one meanwhile.
    pub(super) fn renew_tickets(&mut self) -> Result<(), StateError> {
        let now = self.now();
        let due = |at: &mut Timestamp| *at <= now;
        let due = self
            .talks
            .iter_mut()
            .filter_map(|(peer, talk)| talk.renew_at.take_if(due).map(|_| *peer));
        let due: Vec<u64> = due.collect();
        for peer in due {
            // A connection that is gone is told again on the next.
            let Some(keys) = self.relay_of(peer).and_then(|relay| relay.ticket_keys) else {
                continue;
            };
            let Some(talk) = self.talks.get_mut(&peer) else { continue };
            let renewals = talk.record.renewals(keys, now);
            if !renewals.is_empty() {
                talk.record.wishes.extend(renewals);
                self.store(peer)?;
            }
        }
        Ok(())
    }

    /// Opens a mailbox that a restored relay does not know, for a ticket of it.
    pub(super) fn open_again(&mut self, peer: u64, lines: &mut Lines) {
        if self.jobs.has(&Job::Open(peer)) {
            return;
        }
        let Some(line) = self.proven_line(peer, lines) else { return };
        let Some(talk) = self.talks.get(&peer) else { return };
        let address = talk.record.address();
        self.jobs.ask(lines, line, Job::Open(peer), ClientFrame::Open { address });
    }
}

impl Record {
    /// What to ask for, in this order, where only these ticket keys verify. A change of terms keeps
    /// the window that runs, and takes every earlier ticket with it.
    fn renewals(&self, keys: TicketKeys, now: Timestamp) -> Vec<Wish> {
        let is_held = |ticket: &&Ticket| {
            ticket.fields().is_ok_and(|fields| now.minute() < fields.valid_until)
        };
        let ended = |ticket: &Ticket| !keys.contains(ticket.key_id());
        let notifications = self.notifications.as_ref().filter(is_held);
        let reply = self.reply.as_ref().map(|(ticket, _)| ticket).filter(is_held);
        let reply = reply.filter(|ticket| ended(ticket) && Some(*ticket) != notifications);
        let notifications = notifications.filter(|ticket| reply.is_some() || ended(ticket));
        let wishes = reply.map(|_| Wish::Renew);
        let wishes = wishes.into_iter().chain(notifications.map(|_| Wish::RenewNotifications));
        let wishes: Vec<Wish> = wishes.filter(|wish| !self.wishes.contains(wish)).collect();
        let room = self.wishes.len() + wishes.len() <= WISHES_MAX;
        if self.standing == Standing::Active && room { wishes } else { Vec::new() }
    }
}

/// What a ticket states, to be asked for once more.
pub(super) fn stated(ticket: &Ticket, commitment: TicketCommitment) -> Option<Terms> {
    let fields = ticket.fields().ok()?;
    let (categories, messages_max) = (fields.categories, fields.messages_max);
    Some(Terms { categories, messages_max, valid_until: fields.valid_until, commitment })
}

/// Within a minute.
const SPREAD_MS: u64 = 60_000;
