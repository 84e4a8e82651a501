//! The relay's rate card: fetched, verified, kept, fetched again when it may be another.
//!
//! SPEC.md §15.1. The link names the authority, the authority certified the ledger key, the ledger key
//! signed the card: what is kept here is verified along that chain each time the state is opened.

use plico_protocol::frame::{ClientFrame, RelayFrame};
use plico_protocol::id::AuthorityKey;
use plico_protocol::ledger::LedgerKeyCertificate;
use plico_protocol::link::{Pin, RelayLink};
use plico_protocol::pricing::{RateCard, SignedRateCard, VerifiedRateCard};
use plico_protocol::time::{Minute, Timestamp};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};
use tokio::sync::oneshot;

use super::command::{AccountCommand, Command, Job};
use super::core::BusinessCore;
use super::event::Trouble;
use super::{Business, BusinessConnectError};
use crate::agent::lines::Lines;
use crate::connection::ConnectError;
use crate::state::{Name, StateError, Table};

/// Who waits for a card that holds.
pub(super) type AskingCard = oneshot::Sender<Result<Box<RateCard>, BusinessConnectError>>;

/// The card that is kept, and when to ask for one.
pub(super) struct OwnCard {
    kept: Option<Kept>,
    /// When to fetch it again.
    pub(super) due: Timestamp,
    asked_at: Timestamp,
    asking: Vec<AskingCard>,
}

/// A card and what vouches for it.
#[derive(Clone, Debug)]
struct Kept {
    authority: AuthorityKey,
    key: LedgerKeyCertificate,
    card: VerifiedRateCard,
}

/// The same as it is stored.
struct KeptRow {
    authority: AuthorityKey,
    key: LedgerKeyCertificate,
    card: SignedRateCard,
}

impl Business {
    /// The relay's rate card that holds now: the one kept here, or else the relay's. Waits for a
    /// connection only where none is kept; without a relay, for [`Business::connect`].
    ///
    /// # Errors
    ///
    /// [`BusinessConnectError`].
    pub async fn rate_card(&self) -> Result<Box<RateCard>, BusinessConnectError> {
        let command = |answer| Command::Account(AccountCommand::RateCard { answer });
        self.agent.ask(command).await?
    }
}

impl OwnCard {
    pub(super) fn load(state: &mut crate::state::State) -> Result<Self, StateError> {
        let row: Option<KeptRow> = state.read(|rows| rows.get(Table::RateCard, Name::ONLY))?;
        let kept = row.and_then(|row| Kept::verify(row.authority, row.key, row.card));
        let never = Timestamp(0);
        Ok(Self { kept, due: never, asked_at: never, asking: Vec::new() })
    }

    /// The card, if it is of this relay and holds.
    pub(super) fn at(&self, minute: Minute, relay: Option<&RelayLink>) -> Option<&RateCard> {
        let Kept { authority, card, key: _ } = self.kept.as_ref()?;
        let ours = relay.is_some_and(|relay| relay.authority == Pin::of_authority(authority));
        Some(card.card()).filter(|card| ours && card.holds_at(minute))
    }

    /// Has the card fetched, because a charge does not agree with it; once a minute at most, for it
    /// may be the relay or a clock that is wrong.
    pub(super) fn doubt(&mut self) {
        self.due = self.due.min(Timestamp(self.asked_at.0.saturating_add(DOUBT_MS)));
    }

    /// Tells whoever waits for a card why there is none.
    pub(super) fn give_up(&mut self, why: impl Fn() -> BusinessConnectError) {
        for asking in self.asking.drain(..) {
            let _ = asking.send(Err(why()));
        }
    }
}

impl Kept {
    fn verify(
        authority: AuthorityKey,
        key: LedgerKeyCertificate,
        card: SignedRateCard,
    ) -> Option<Self> {
        let card = card.verify(&key.verify(&authority).ok()?).ok()?;
        Some(Self { authority, key, card })
    }
}

impl BusinessCore {
    /// The card that holds now.
    pub(super) fn card_now(&self) -> Option<&RateCard> {
        self.card.at(self.now().minute(), self.identity.relay.as_ref())
    }

    pub(super) fn ask_card(&mut self, answer: AskingCard) {
        match self.card_now() {
            Some(card) => {
                let _ = answer.send(Ok(Box::new(card.clone())));
            }
            None => self.card.asking.push(answer),
        }
    }

    /// Fetches the card once a day, where none holds, and where a charge did not agree with it.
    pub(super) fn tend_card(&mut self, lines: &mut Lines) {
        let Some(line) = self.ready_line(lines) else { return };
        let now = self.now();
        let wanted = !self.card.asking.is_empty() || self.card.due <= now;
        // Whose word counts is known once the certificate was looked up.
        if wanted && self.ledger.authority.is_some() && !self.jobs.has(&Job::RateCard) {
            self.card.asked_at = now;
            let at = now.minute();
            self.jobs.ask(lines, line, Job::RateCard, ClientFrame::FetchRateCard { at });
        }
    }

    /// Takes the relay's card, if all of it is in order; keeps the one it has otherwise.
    pub(super) fn card_came(&mut self, frame: RelayFrame) -> Result<(), StateError> {
        let now = self.now();
        self.card.due = Timestamp(now.0.saturating_add(DAY_MS));
        match frame {
            RelayFrame::RateCard { key, card } => {
                let authority = self.ledger.authority;
                let kept = authority.and_then(|authority| Kept::verify(authority, key, card));
                match kept.filter(|kept| kept.card.card().holds_at(now.minute())) {
                    Some(kept) => self.keep_card(kept),
                    None => {
                        self.card.give_up(|| Trouble::RateCard.into());
                        self.trouble(Trouble::RateCard)
                    }
                }
            }
            RelayFrame::Refused(refusal) => {
                self.card.due = Timestamp(now.0.saturating_add(AGAIN_MS));
                self.card.give_up(|| Trouble::Refused(refusal.code).into());
                Ok(())
            }
            _ => {
                self.card.give_up(|| ConnectError::NotPlico.into());
                Ok(())
            }
        }
    }

    /// Keeps a card unless the one there is was issued later, and answers who waits for it.
    fn keep_card(&mut self, new: Kept) -> Result<(), StateError> {
        let issued = new.card.card().fields().issued;
        let newer = self.card_now().is_none_or(|held| held.fields().issued <= issued);
        if newer {
            let Kept { authority, key, card } = new.clone();
            let row = KeptRow { authority, key, card: card.signed().clone() };
            self.state.write(|rows| rows.put(Table::RateCard, Name::ONLY, &row))?;
            self.card.kept = Some(new);
        }
        let end = self.card_now().map(|card| u64::from(card.fields().valid_until.0) * 60_000);
        self.card.due = self.card.due.min(Timestamp(end.unwrap_or(u64::MAX)));
        for asking in core::mem::take(&mut self.card.asking) {
            self.ask_card(asking);
        }
        Ok(())
    }
}

impl Wire for KeptRow {
    fn write(&self, out: &mut Writer) {
        let Self { authority, key, card } = self;
        authority.write(out);
        key.write(out);
        card.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            authority: Wire::read(reader)?,
            key: Wire::read(reader)?,
            card: Wire::read(reader)?,
        })
    }
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// After a refusal: the operator may bring another card.
const AGAIN_MS: u64 = 600_000;
const DOUBT_MS: u64 = 60_000;

#[cfg(test)]
mod tests;
