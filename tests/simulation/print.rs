//! A history as a failure shows it: one line for each entry, times from the beginning, ids short.

use std::fmt;

use plico_protocol::frame::Sequence;
use plico_protocol::id::SubmitId;
use plico_protocol::ledger::Entry as Line;
use plico_protocol::ticket::TicketFields;

use crate::harness::world::BEGINNING;
use crate::simulation::history::{End, Entry, Fact, News, Priced, Ruling, Sealed};

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.at.0.saturating_sub(BEGINNING.0);
        let (seconds, ms) = (ms / 1_000, ms % 1_000);
        let (minutes, hours, days) = (seconds / 60 % 60, seconds / 3_600 % 24, seconds / 86_400);
        write!(f, "{days}d {hours:02}:{minutes:02}:{:02}.{ms:03}  {}", seconds % 60, self.fact)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(number) => write!(f, "person {number}"),
            Self::Business => f.write_str("business"),
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked { end, to, words, answering } => {
                write!(f, "{end} asks to send {} to peer {}", words.0, to.0)?;
                answering.map_or(Ok(()), |event| write!(f, ", answering event {}", event.0))
            }
            Self::Stored { end, words, id } => {
                write!(f, "{end} stored {} as {}", words.0, short(id.as_bytes()))
            }
            Self::Declined { end, words } => write!(f, "{end} could not send {}", words.0),
            Self::Wishing { person, to, wish } => {
                write!(f, "person {person} asks for {wish:?} in conversation {}", to.0)
            }
            Self::Wished { person, to, wish } => {
                write!(f, "person {person} wishes {wish:?} in conversation {}", to.0)
            }
            Self::Shown { end, event, news } => {
                write!(f, "{end} is told event {}: {news}", event.0)
            }
            Self::Next(end) => write!(f, "{end} asks for its next event"),
            Self::Handled { end, event } => write!(f, "{end} handled event {}", event.0),
            Self::Sealed { end, id, sealed } => {
                write!(f, "{end} sealed {} as {sealed}", short(id.as_bytes()))
            }
            Self::Ruled(ruling) => write!(f, "relay: {ruling}"),
            Self::Entered { account, line } => {
                write!(f, "ledger of {}: {}", short(account.as_bytes()), OneLine(line))
            }
            Self::Handed { queue, sequence } => {
                write!(f, "the device of {} is handed {}", short(queue.as_bytes()), sequence.0)
            }
            Self::Read { account, lines, .. } => {
                write!(f, "{} lines of {} are read", lines.len(), short(account.as_bytes()))
            }
            Self::Killed(end) => write!(f, "{end} is killed"),
            Self::Closed(end) => write!(f, "{end} closes"),
            Self::Opened(end) => write!(f, "{end} opens"),
            Self::Cut { end, cut } => write!(f, "{end} cut off: {cut}"),
            Self::RelayKilled { power: true } => f.write_str("relay: loses power"),
            Self::RelayKilled { power: false } => f.write_str("relay: is killed"),
            Self::DiskFull(true) => f.write_str("relay: its disk is full"),
            Self::DiskFull(false) => f.write_str("relay: its disk has room again"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message { from, id, words } => {
                let words =
                    words.map_or_else(|| "no words".to_owned(), |words| words.0.to_string());
                write!(f, "peer {} says {words} ({})", from.0, short(id.as_bytes()))
            }
            Self::Became { to, id, state } => {
                write!(f, "{} to peer {} is {state:?}", short(id.as_bytes()), to.0)
            }
            other => write!(f, "{other:?}"),
        }
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { submit, to, ticket, category, first } = self;
        let (submit, to) = (of_submit(submit), short(to.as_bytes()));
        write!(f, "submission {submit} to {to}")?;
        if let (Some(ticket), Some(category)) = (ticket, category) {
            write!(f, ", {category:?} under {}", of_ticket(ticket))?;
        }
        if *first { f.write_str(", the first of a session") } else { Ok(()) }
    }
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { mailbox } => write!(f, "{} opened", short(mailbox.as_bytes())),
            Self::Closed { mailbox } => write!(f, "{} closed", short(mailbox.as_bytes())),
            Self::Revoked { mailbox } => write!(f, "{} revoked", short(mailbox.as_bytes())),
            Self::Minted { mailbox, ticket } => {
                write!(f, "{} minted {}", short(mailbox.as_bytes()), of_ticket(ticket))
            }
            Self::TermsChanged { mailbox, ticket } => {
                write!(f, "{} changed terms: {}", short(mailbox.as_bytes()), of_ticket(ticket))
            }
            Self::Accepted { submit, to, .. } => {
                write!(f, "accepted {} to {}", of_submit(submit), short(to.as_bytes()))
            }
            Self::Refused { submit, to, code, .. } => {
                let (submit, to) = (of_submit(submit), short(to.as_bytes()));
                write!(f, "refused {submit} to {to}: {}", code.name())
            }
            Self::Acknowledged { queue, up_to, unreadable } => {
                let unreadable: Vec<u64> = unreadable.iter().map(|Sequence(n)| *n).collect();
                let queue = short(queue.as_bytes());
                write!(f, "{queue} acknowledged up to {}, unreadable {unreadable:?}", up_to.0)
            }
            Self::Offered { queue, up_to } => {
                write!(f, "{} offered up to {}", short(queue.as_bytes()), up_to.0)
            }
            Self::Priced(priced) => priced.fmt(f),
            Self::Unanswered { submit } => write!(f, "{submit:?} is never answered"),
        }
    }
}

impl fmt::Display for Priced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { submit, category, pricing, outcome, .. } = self;
        let (submit, price_max) = (of_submit(submit), pricing.price_max);
        write!(f, "{submit}, {category:?}, for at most {price_max}: ")?;
        match outcome {
            Ok(None) => f.write_str("free"),
            Ok(Some(receipt)) => write!(f, "charged {}", receipt.entry.amount.millionths),
            Err(code) => f.write_str(code.name()),
        }
    }
}

struct OneLine<'a>(&'a Line);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { sequence, kind, reason, message, amount, hour, .. } = self.0;
        let (kind, reason, amount) = (kind.name(), reason.name(), amount.millionths);
        write!(f, "line {}, {kind} {amount} {reason}, hour {}", sequence.0, hour.0)?;
        message.map_or(Ok(()), |of| {
            write!(f, ", {} of line {}", of_submit(&of.submission), of.accept.0)
        })
    }
}

/// The first four bytes, in hex.
pub(crate) fn short(bytes: &[u8]) -> String {
    bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// What follows the hour, by which a run's submissions hardly differ.
fn of_submit(submit: &SubmitId) -> String {
    submit.as_bytes().split_at_checked(4).map_or_else(String::new, |(_, random)| short(random))
}

fn of_ticket(ticket: &TicketFields) -> String {
    let (id, epoch) = (short(ticket.id.as_bytes()), ticket.epoch.0);
    format!("ticket {id} (epoch {epoch:08x}, at most {})", ticket.messages_max)
}
