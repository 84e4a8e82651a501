//! How the business stands with its relay: whether it may send, its tier, and the reports of people
//! that it is judged by (SPEC.md §11.2); and what it owes for itself (§14.7).
//!
//! Asked once an hour and when an answer does not fit it, and kept, so that a price is told offline.

use plico_protocol::frame::{ClientFrame, RelayFrame};
use plico_protocol::pricing::NoPrice;
use plico_protocol::refusal::Code;
use plico_protocol::reputation::AccountStanding;
use plico_protocol::time::{Day, Timestamp};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};
use tokio::sync::oneshot;

use super::command::{AccountCommand, Command, Job};
use super::core::BusinessCore;
use super::event::Trouble;
use super::price::PriceError;
use super::{Business, BusinessConnectError};
use crate::agent::Stopped;
use crate::agent::lines::Lines;
use crate::connection::ConnectError;
use crate::state::{Name, State, StateError, Table};

/// Who waits to hear it.
pub(super) type AskingStanding = oneshot::Sender<Result<AccountStanding, BusinessConnectError>>;

/// What the relay said last, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownStanding {
    /// How the business stood.
    pub standing: AccountStanding,
    /// When, by this machine's clock.
    pub at: Timestamp,
}

/// What is known of it, and who asks.
pub(super) struct OwnStanding {
    pub(super) known: Option<KnownStanding>,
    /// When to ask again.
    pub(super) due: Timestamp,
    asking: Vec<AskingStanding>,
}

impl Business {
    /// How the business stands with the relay it is connected to, as of now. Waits for a connection
    /// that is being made; without a relay, for [`Business::connect`].
    ///
    /// # Errors
    ///
    /// [`BusinessConnectError`].
    pub async fn standing(&self) -> Result<AccountStanding, BusinessConnectError> {
        self.agent.ask(|answer| Command::Account(AccountCommand::Standing { answer })).await?
    }

    /// How it stood when the relay said so last; none before it did. Asks nobody.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn known_standing(&self) -> Result<Option<KnownStanding>, Stopped> {
        self.agent.ask(|answer| Command::Account(AccountCommand::KnownStanding { answer })).await
    }
}

impl OwnStanding {
    pub(super) fn load(state: &mut State) -> Result<Self, StateError> {
        let known = state.read(|rows| rows.get(Table::Standing, Name::ONLY))?;
        Ok(Self { known, due: Timestamp(0), asking: Vec::new() })
    }

    pub(super) fn ask(&mut self, answer: AskingStanding) {
        self.asking.push(answer);
    }

    /// Why the relay takes nothing from this account today; none as far as is known.
    pub(super) fn refusal(&self, today: Day) -> Option<PriceError> {
        let AccountStanding { reputation, dues, inputs: _ } = self.known?.standing;
        if reputation.suspended {
            return Some(NoPrice::Suspended.into());
        }
        let stops = dues.unpaid.is_some_and(|unpaid| unpaid.stops <= today);
        stops.then_some(PriceError::Unpaid)
    }
}

impl BusinessCore {
    pub(super) fn tend_standing(&mut self, lines: &mut Lines) {
        let wanted = !self.standing.asking.is_empty() || self.standing.due <= self.now();
        if !wanted || self.jobs.has(&Job::Standing) {
            return;
        }
        if let Some(line) = self.proven_line(lines) {
            self.jobs.ask(lines, line, Job::Standing, ClientFrame::AskStanding);
        }
    }

    pub(super) fn standing_came(&mut self, frame: &RelayFrame) -> Result<(), StateError> {
        let at = self.now();
        self.standing.due = Timestamp(at.0.saturating_add(AGAIN_MS));
        let standing = match frame {
            RelayFrame::Standing(standing) => Ok(*standing),
            RelayFrame::Refused(refusal) => Err(Trouble::Refused(refusal.code).into()),
            _ => Err(ConnectError::NotPlico.into()),
        };
        if let Ok(standing) = standing {
            let known = KnownStanding { standing, at };
            self.state.write(|rows| rows.put(Table::Standing, Name::ONLY, &known))?;
            self.standing.known = Some(known);
        }
        self.tell_standing(&standing);
        Ok(())
    }

    pub(super) fn tell_standing(
        &mut self,
        standing: &Result<AccountStanding, BusinessConnectError>,
    ) {
        for asking in self.standing.asking.drain(..) {
            let _ = asking.send(standing.clone());
        }
    }

    /// Has the standing asked for where the answer to a message says that it is another.
    pub(super) fn compare_standing(&mut self, frame: &RelayFrame) {
        let known = self.standing.refusal(self.now().day());
        let agrees = match frame {
            RelayFrame::Accepted(_) => known.is_none(),
            RelayFrame::Refused(refusal) => match refusal.code {
                Code::Suspended | Code::Unpaid => known.is_some(),
                _ => true,
            },
            _ => true,
        };
        if !agrees {
            self.standing.due = Timestamp(0);
        }
    }
}

impl Wire for KnownStanding {
    fn write(&self, out: &mut Writer) {
        let Self { standing, at } = self;
        standing.write(out);
        out.u64(at.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { standing: Wire::read(reader)?, at: Timestamp(reader.u64()?) })
    }
}

const AGAIN_MS: u64 = 3_600_000;
