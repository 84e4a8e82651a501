//! How the business stands with its relay: whether it may send, its tier, and the reports of people
//! that it is judged by (SPEC.md §11.2).

use plico_protocol::frame::{ClientFrame, RelayFrame};
use plico_protocol::reputation::AccountStanding;
use tokio::sync::oneshot;

use super::command::{AccountCommand, Command, Job};
use super::core::BusinessCore;
use super::event::Trouble;
use super::{Business, BusinessConnectError};
use crate::agent::lines::Lines;
use crate::connection::ConnectError;

/// Who waits to hear it.
pub(super) type AskingStanding = oneshot::Sender<Result<AccountStanding, BusinessConnectError>>;

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
}

impl BusinessCore {
    pub(super) fn ask_standing(&mut self, lines: &mut Lines) {
        if self.asking_standing.is_empty() || self.jobs.has(&Job::Standing) {
            return;
        }
        if let Some(line) = self.proven_line(lines) {
            self.jobs.ask(lines, line, Job::Standing, ClientFrame::AskStanding);
        }
    }

    pub(super) fn standing_came(&mut self, frame: &RelayFrame) {
        let standing = match frame {
            RelayFrame::Standing(standing) => Ok(*standing),
            RelayFrame::Refused(refusal) => Err(Trouble::Refused(refusal.code).into()),
            _ => Err(ConnectError::NotPlico.into()),
        };
        self.tell_standing(&standing);
    }

    pub(super) fn tell_standing(
        &mut self,
        standing: &Result<AccountStanding, BusinessConnectError>,
    ) {
        for asking in self.asking_standing.drain(..) {
            let _ = asking.send(standing.clone());
        }
    }
}
