//! Mailboxes and tickets: proving, opening, subscribing, minting, and changes of consent.

use plico_endpoint::content::{Body, Reply};
use plico_protocol::frame::{Channel, ClientFrame, RelayFrame};
use plico_protocol::id::{Address, TicketOpening};
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::ticket::{Terms, Ticket, ticket_commitment};
use plico_protocol::time::{Hour, Timestamp};

use super::core::{Job, PersonCore, put_record};
use super::event::Trouble;
use super::record::{Minted, Record, Standing, Started, Wish};
use super::renewal::stated;
use super::talk::{Asked, Subscribing, Talk};
use crate::agent::lines::Lines;
use crate::connection::{Ask, LineId, Proving};
use crate::message::Message;
use crate::random;
use crate::state::{Name, Rows, StateError, Table};

impl PersonCore {
    /// Keeps every mailbox that is open proven and subscribed.
    pub(super) fn keep_subscribed(&mut self, lines: &mut Lines) {
        let now = self.now();
        let due = |talk: &Talk| talk.record.opened && talk.subscribing.not_before <= Some(now);
        let open = self.talks.iter().filter(|(_, talk)| due(talk));
        let open: Vec<u64> = open.map(|(peer, _)| *peer).collect();
        for peer in open {
            let Some(line) = self.proven_line(peer, lines) else { continue };
            let Some(address) = self.talks.get(&peer).map(|talk| talk.record.address()) else {
                continue;
            };
            if let Some(relay) = self.relay_of(peer)
                && !relay.subscribed.contains(&peer)
                && lines.ask(line, Ask::Subscribe(address))
            {
                relay.subscribed.insert(peer);
            }
        }
    }

    /// The person's line if it is up and proved this mailbox; otherwise what is missing is begun.
    pub(super) fn proven_line(&mut self, peer: u64, lines: &mut Lines) -> Option<LineId> {
        let mailbox = self.talks.get(&peer)?.record.mailbox.clone();
        let now = self.now();
        let relay = self.relay_of(peer)?;
        relay.person_used = now;
        let line = *relay.person.get_or_insert_with(|| lines.open(&relay.link));
        let proven = relay.proven.contains(&peer);
        if !lines.is_up(line) || !self.jobs.room(line) {
            return None;
        }
        if !proven && !self.jobs.has(&Job::Prove(peer)) {
            self.jobs.prove(lines, line, Job::Prove(peer), Proving::Mailbox(mailbox));
        }
        proven.then_some(line)
    }

    pub(super) fn proved(&mut self, peer: u64, frame: &RelayFrame) -> Result<(), StateError> {
        match frame {
            RelayFrame::Proved => {
                if let Some(relay) = self.relay_of(peer) {
                    relay.proven.insert(peer);
                }
                Ok(())
            }
            RelayFrame::Refused(refusal) => self.refused(peer, refusal),
            _ => Ok(()),
        }
    }

    /// Asks for a ticket for the next message, opening the mailbox first if need be.
    pub(super) fn mint(&mut self, peer: u64, window: bool, lines: &mut Lines) {
        let Some(line) = self.proven_line(peer, lines) else { return };
        let busy = [Job::Open(peer), Job::Mint(peer, true), Job::Mint(peer, false)];
        if busy.iter().any(|job| self.jobs.has(job)) {
            return;
        }
        let now = self.now();
        let Some(talk) = self.talks.get_mut(&peer) else { return };
        let address = talk.record.address();
        if !talk.record.opened {
            self.jobs.ask(lines, line, Job::Open(peer), ClientFrame::Open { address });
            return;
        }
        let Some((commitment, opening)) = commit(talk) else { return };
        let terms = talk.record.terms.terms(commitment, now);
        talk.asked = Some(Asked { terms, window: Some(window), opening });
        let frame = ClientFrame::Mint { address, terms, window };
        self.jobs.ask(lines, line, Job::Mint(peer, window), frame);
    }

    pub(super) fn opened(&mut self, peer: u64, frame: &RelayFrame) -> Result<(), StateError> {
        match frame {
            RelayFrame::Opened => {
                if let Some(talk) = self.talks.get_mut(&peer) {
                    talk.record.opened = true;
                }
                self.store(peer)
            }
            RelayFrame::Refused(refusal) => self.refused(peer, refusal),
            _ => Ok(()),
        }
    }

    pub(super) fn minted(&mut self, peer: u64, frame: &RelayFrame) -> Result<(), StateError> {
        let now = self.now();
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(()) };
        let asked = talk.asked.take();
        match (frame, asked) {
            (RelayFrame::Minted(ticket), Some(asked)) => {
                // One that has passed already, by this device's clock, would be minted for ever.
                let fresh = asked.window.is_none_or(|window| is_fresh(ticket, window, now));
                if !fresh || !asked.is_answered_by(ticket) {
                    return self.trouble(peer, Trouble::BadTicket);
                }
                talk.ticket = Some((**ticket, asked.opening));
                Ok(())
            }
            (RelayFrame::Refused(refusal), _) => self.mailbox_refused(peer, refusal),
            _ => Ok(()),
        }
    }

    /// Takes the next change of consent of each conversation to the relay.
    pub(super) fn carry_wishes(&mut self, lines: &mut Lines) -> Result<(), StateError> {
        let now = self.now();
        let wished = self.talks.iter().filter_map(|(peer, talk)| {
            let wish = talk.record.wishes.first().copied()?;
            (talk.retry_at <= now).then_some((*peer, wish))
        });
        let wished: Vec<(u64, Wish)> = wished.collect();
        for (peer, wish) in wished {
            if let Wish::Report { .. } = wish {
                self.carry_report(peer, wish, lines)?;
                continue;
            }
            let Some(talk) = self.talks.get(&peer) else { continue };
            // Without a mailbox there is nothing to change; later tickets have the new terms.
            if !talk.record.opened {
                match wish {
                    Wish::Renew | Wish::RenewNotifications => self.open_again(peer, lines),
                    _ => self.wish_done(peer, wish, None)?,
                }
                continue;
            }
            // The goodbye goes first.
            if wish == Wish::Close && self.outbox.has_unaccepted(peer) {
                continue;
            }
            self.carry_wish(peer, wish, lines)?;
        }
        Ok(())
    }

    fn carry_wish(&mut self, peer: u64, wish: Wish, lines: &mut Lines) -> Result<(), StateError> {
        let busy = [Job::Wish(peer, wish), Job::Mint(peer, true), Job::Mint(peer, false)];
        if busy.iter().any(|job| self.jobs.has(job)) {
            return Ok(());
        }
        let Some(line) = self.proven_line(peer, lines) else { return Ok(()) };
        let now = self.now();
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(()) };
        let Some((frame, asked)) = asking(talk, wish, now) else {
            // What it was to replace was taken back meanwhile.
            return self.wish_done(peer, wish, None);
        };
        talk.asked = asked;
        self.jobs.ask(lines, line, Job::Wish(peer, wish), frame);
        Ok(())
    }

    pub(super) fn wish_answered(
        &mut self,
        peer: u64,
        wish: Wish,
        frame: &RelayFrame,
    ) -> Result<(), StateError> {
        if let Wish::Report { .. } = wish {
            return self.report_answered(peer, wish, frame);
        }
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(()) };
        let asked = talk.asked.take();
        match (frame, asked) {
            (RelayFrame::Revoked, _) => {
                (talk.record.reply, talk.ticket) = (None, None);
                talk.record.notifications = None;
                self.state.write(|rows| forget_tickets(rows, peer))?;
                self.wish_done(peer, wish, None)
            }
            (RelayFrame::Closed, _) => self.left(peer),
            (RelayFrame::Minted(ticket), Some(asked)) => {
                talk.ticket = None;
                if !asked.is_answered_by(ticket) {
                    return self.trouble(peer, Trouble::BadTicket);
                }
                self.wish_done(peer, wish, Some((**ticket, asked.opening)))
            }
            (RelayFrame::Refused(refusal), _) => match (refusal.code, wish) {
                (Code::NoMailbox, Wish::Close) => self.left(peer),
                // What is not there has nothing to revoke; what cannot be had is given up.
                (Code::NoMailbox, Wish::Revoke) | (Code::BadTerms, _) => {
                    self.refused(peer, refusal)?;
                    self.wish_done(peer, wish, None)
                }
                _ => self.mailbox_refused(peer, refusal),
            },
            _ => Ok(()),
        }
    }

    /// Takes a wish off the list, on which another may have come before it while the relay was asked; a
    /// new ticket goes to the business in a message of its own.
    pub(super) fn wish_done(
        &mut self,
        peer: u64,
        wish: Wish,
        ticket: Option<(Ticket, TicketOpening)>,
    ) -> Result<(), StateError> {
        let now = self.now();
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(()) };
        let record = &mut talk.record;
        if let Some(place) = record.wishes.iter().position(|other| *other == wish) {
            record.wishes.remove(place);
        }
        let Some((ticket, opening)) = ticket else { return self.store(peer) };
        match wish {
            Wish::Standing(_) | Wish::RenewNotifications => {
                let earlier = record.notifications.replace(ticket);
                // Without another it is the one that a greeting carries.
                let held = record.reply.map(|(held, _)| held);
                if held.is_none() || held == earlier {
                    record.reply = Some((ticket, opening));
                }
            }
            _ => (record.reply, record.notifications) = (Some((ticket, opening)), None),
        }
        let mut content = Message::from(Body::Renewal).into_content(now);
        content.reply = Some(Reply { address: talk.record.address(), ticket, opening });
        let record = talk.record.clone();
        self.state.write(|rows| {
            remember_ticket(rows, peer, &ticket)?;
            put_record(rows, peer, &record)
        })?;
        // Before the first message there is nobody to tell: that message carries a ticket itself.
        let Ok(bytes) = content.encode() else { return Ok(()) };
        if record.started == Started::No {
            return Ok(());
        }
        self.queue(peer, content.id, super::sending::BY_ITSELF, bytes.into())
    }

    /// The mailbox is closed: nothing of this conversation comes or goes any more.
    fn left(&mut self, peer: u64) -> Result<(), StateError> {
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(()) };
        talk.record.opened = false;
        talk.record.standing = Standing::Left;
        talk.record.started = Started::No;
        (talk.record.reply, talk.record.notifications) = (None, None);
        talk.record.wishes.clear();
        let record = talk.record.clone();
        if let Some(relay) = self.relay_of(peer) {
            relay.subscribed.remove(&peer);
        }
        self.state.write(|rows| {
            super::lost::forget_sessions(rows, peer)?;
            forget_tickets(rows, peer)?;
            put_record(rows, peer, &record)
        })
    }

    pub(super) fn subscribed(&mut self, line: LineId, address: &Address, channel: Channel) {
        let Some(peer) = self.peer_of(address) else { return };
        if let Some(talk) = self.talks.get_mut(&peer) {
            talk.subscribing = Subscribing::default();
        }
        if let Some(relay) = self.relay_of(peer)
            && relay.person == Some(line)
        {
            relay.channels.insert(channel, peer);
        }
    }

    pub(super) fn drained(&mut self, line: LineId) {
        let relay = self.relays.iter_mut().find(|relay| relay.person == Some(line));
        if let Some(relay) = relay {
            relay.drained = true;
        }
    }

    pub(super) fn not_subscribed(&mut self, address: &Address, refusal: &Refusal) {
        tracing::debug!(code = refusal.code.name(), "a subscription was refused");
        let Some(peer) = self.peer_of(address) else { return };
        let now = self.now();
        if let Some(relay) = self.relay_of(peer) {
            relay.subscribed.remove(&peer);
        }
        let Some(talk) = self.talks.get_mut(&peer) else { return };
        // A relay restored without this mailbox: open it again with the next ticket.
        if refusal.code == Code::NoMailbox {
            talk.record.opened = false;
            return;
        }
        // Whatever the reason, a mailbox that is not subscribed hears nothing: asked again, after
        // a second, doubling to some minutes, and not before the relay says.
        let Subscribing { refused, not_before } = &mut talk.subscribing;
        let ms = (SUBSCRIBE_MS_MIN << (*refused).min(SUBSCRIBE_DOUBLING))
            .max(u64::from(refusal.retry_after_ms));
        *refused = refused.saturating_add(1);
        *not_before = Some(Timestamp(now.0.saturating_add(ms)));
    }

    /// Another device or process with this state took the mailbox over, or it was closed. It is
    /// subscribed again on the next connection, so that two do not take it from each other in turns.
    pub(super) fn channel_ended(&mut self, line: LineId, channel: Channel) {
        self.inbound.ended((line, channel));
        let relay = self.relays.iter_mut().find(|relay| relay.person == Some(line));
        if let Some(relay) = relay {
            relay.channels.remove(&channel);
        }
    }

    /// A mailbox's request was refused. One that is gone is opened again.
    fn mailbox_refused(&mut self, peer: u64, refusal: &Refusal) -> Result<(), StateError> {
        match refusal.code {
            Code::NoMailbox => {
                if let Some(talk) = self.talks.get_mut(&peer) {
                    talk.record.opened = false;
                }
                if let Some(relay) = self.relay_of(peer) {
                    relay.subscribed.remove(&peer);
                }
                self.store(peer)
            }
            _ => self.refused(peer, refusal),
        }
    }

    fn peer_of(&self, address: &Address) -> Option<u64> {
        let mut talks = self.talks.iter();
        talks.find(|(_, talk)| talk.record.address() == *address).map(|(peer, _)| *peer)
    }
}

impl Asked {
    /// Whether a ticket states what was asked for. The relay's MAC says nothing to this device.
    fn is_answered_by(&self, ticket: &Ticket) -> bool {
        let Self { terms, window, opening: _ } = self;
        let Terms { categories, messages_max, valid_until, commitment } = *terms;
        ticket.fields().is_ok_and(|fields| {
            fields.categories == categories
                && fields.messages_max == messages_max
                && fields.valid_until == valid_until
                && fields.commitment == commitment
                && window.is_none_or(|window| window == fields.free_until.is_some())
        })
    }
}

/// Whether a ticket is worth sending: still valid and, where its message opens a window, with one
/// that has not passed, or that the relay said from the beginning is none.
pub(super) fn is_fresh(ticket: &Ticket, window: bool, now: Timestamp) -> bool {
    let now = now.minute();
    ticket.fields().is_ok_and(|fields| {
        let open = fields.free_until.is_some_and(|end| now < end || end <= fields.opened_at);
        now < fields.valid_until && open == window
    })
}

/// What a wish asks of the relay; none if there is nothing it could be about.
fn asking(talk: &Talk, wish: Wish, now: Timestamp) -> Option<(ClientFrame, Option<Asked>)> {
    let Record { reply, notifications, .. } = &talk.record;
    let address = talk.record.address();
    match wish {
        Wish::Revoke => return Some((ClientFrame::Revoke { address }, None)),
        Wish::Close => return Some((ClientFrame::Close { address }, None)),
        _ => (),
    }
    let (commitment, opening) = commit(talk)?;
    let terms = match wish {
        Wish::Change(to) | Wish::Standing(to) => to.terms(commitment, now),
        Wish::Renew => stated(&reply.as_ref()?.0, commitment)?,
        _ => stated(notifications.as_ref()?, commitment)?,
    };
    let standing = matches!(wish, Wish::Standing(_) | Wish::RenewNotifications);
    // A change of terms keeps the window that runs, if one does.
    let (frame, window) = match standing {
        true => (ClientFrame::Mint { address, terms, window: false }, Some(false)),
        false => (ClientFrame::ChangeTerms { address, terms }, None),
    };
    Some((frame, Some(Asked { terms, window, opening })))
}

/// A commitment to the business's account under a fresh opening.
fn commit(talk: &Talk) -> Option<(plico_protocol::id::TicketCommitment, TicketOpening)> {
    let account = talk.record.known.as_ref()?.certificate.body().keys.account;
    let opening = TicketOpening::new(random::bytes());
    Some((ticket_commitment(&account, &opening), opening))
}

/// Stores a ticket's id, by which messages under it are known as wanted.
pub(super) fn remember_ticket(
    rows: &Rows<'_>,
    conversation: u64,
    ticket: &Ticket,
) -> Result<(), StateError> {
    let Ok(fields) = ticket.fields() else { return Ok(()) };
    let valid_until = Hour(fields.valid_until.0 / 60);
    let minted = Minted { conversation, valid_until };
    rows.put(Table::Ticket, Name::Hidden(fields.id.as_bytes()), &minted)
}

pub(super) fn forget_tickets(rows: &Rows<'_>, conversation: u64) -> Result<(), StateError> {
    rows.delete_where::<Minted>(Table::Ticket, |minted| minted.conversation == conversation)
}

const SUBSCRIBE_MS_MIN: u64 = 1_000;
/// Up to 4 minutes and 16 seconds.
const SUBSCRIBE_DOUBLING: u32 = 8;
