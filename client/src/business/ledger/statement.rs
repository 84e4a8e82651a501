//! Statements: what the relay charges for a period, checked with the receipts and heads kept here.

use plico_protocol::ledger::{
    Books, Disagreement, Entry, EntrySequence, Frontier, Kept, Period, Proof, Statement, Verified,
    VerifiedHead, totals, verify,
};
use plico_protocol::time::Timestamp;

use super::KeptRow;
use super::lines::Lines;
use crate::agent::Stopped;
use crate::business::command::{AccountCommand, Command};
use crate::business::core::BusinessCore;
use crate::business::event::Trouble;
use crate::business::{Business, BusinessConnectError};
use crate::state::{StateError, Table};

/// A statement and what this business makes of it.
#[derive(Clone, Debug)]
pub struct CheckedStatement {
    /// As the relay's ledger gives it.
    pub statement: Statement,
    /// Whether it agrees with the receipts and heads kept here; else the first line that does not.
    pub verified: Result<Verified, Disagreement>,
}

impl Business {
    /// What the relay charges for a period, checked line by line against the receipts and heads kept
    /// here. Waits until there is a connection, and reads what is new in the ledger.
    ///
    /// # Errors
    ///
    /// [`BusinessConnectError`].
    pub async fn statement(
        &self,
        period: Period,
    ) -> Result<Box<CheckedStatement>, BusinessConnectError> {
        self.agent
            .ask(|answer| Command::Account(AccountCommand::Statement { period, answer }))
            .await?
    }

    /// Checks a statement that was kept, or came from the operator, with what is kept here. The lines
    /// that follow it, as they were read here, join it to the last head: one that lacks some of its
    /// period is [`Disagreement::Outdated`].
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn check_statement(
        &self,
        statement: Statement,
    ) -> Result<Box<CheckedStatement>, Stopped> {
        let statement = Box::new(statement);
        self.agent
            .ask(|answer| Command::Account(AccountCommand::CheckStatement { statement, answer }))
            .await
    }
}

impl BusinessCore {
    /// Answers everyone who asked for a statement.
    pub(super) fn state_accounts(
        &mut self,
        head: VerifiedHead,
        last: Option<VerifiedHead>,
        link: &Proof,
    ) -> Result<(), StateError> {
        if self.ledger.asking.is_empty() {
            return Ok(());
        }
        let mut books = self.books(last)?;
        let entries = self.state.read(Lines::read)?;
        let opening = self.ledger.lines().opening().clone();
        let later = self.ledger.asking.split_off(self.ledger.heard.min(self.ledger.asking.len()));
        if !later.is_empty() {
            self.ledger.read_due = Timestamp(0);
        }
        for (period, answer) in core::mem::replace(&mut self.ledger.asking, later) {
            let statement = statement((&opening, &entries), period, &head, &books, link);
            let checked = statement.map(|statement| {
                // A restore may lie before the lines of the period, and account for what it lost.
                let before = statement.opening.size().saturating_sub(opening.size());
                let before = usize::try_from(before).ok().and_then(|before| entries.get(..before));
                books.read = before.unwrap_or_default().to_vec();
                let verified = verify(&statement, &books);
                Box::new(CheckedStatement { statement, verified })
            });
            let _ = answer.send(checked);
        }
        Ok(())
    }

    /// Everything kept here that a statement is checked with.
    fn books(&mut self, head: Option<VerifiedHead>) -> Result<Books, StateError> {
        let account = self.identity.account.public();
        let (keys, _) = self.ledger.known(&account);
        let rows = self.state.read(|rows| rows.ordered::<KeptRow>(Table::Receipt))?;
        let signed = |kept: &Kept| keys.iter().any(|k| kept.receipt.verify(&account, k).is_ok());
        if !rows.iter().all(|(_, row)| signed(&row.kept)) {
            self.trouble(Trouble::Ledger)?;
        }
        let receipts = rows.into_iter().map(|(at, row)| (EntrySequence(at), row.kept)).collect();
        Ok(Books { account, keys, receipts, head, read: Vec::new() })
    }

    pub(in crate::business) fn check_statement(
        &mut self,
        statement: Statement,
    ) -> Result<CheckedStatement, StateError> {
        let (_, last) = self.ledger.known(&self.identity.account.public());
        let listed = statement.opening.size()..statement.head.claims().size;
        let mut books = self.books(last)?;
        books.read = self.state.read(Lines::read)?;
        books.read.retain(|entry| !listed.contains(&entry.sequence.0));
        let verified = verify(&statement, &books);
        Ok(CheckedStatement { statement, verified })
    }
}

/// A statement from the first line dated in the period on, of the lines kept behind `opening`.
fn statement(
    (opening, entries): (&Frontier, &[Entry]),
    period: Period,
    head: &VerifiedHead,
    books: &Books,
    link: &Proof,
) -> Result<Statement, BusinessConnectError> {
    let first = entries.iter().position(|entry| period.contains(entry.hour));
    if opening.size() != 0 && entries.first().is_none_or(|entry| period.from <= entry.hour) {
        return Err(BusinessConnectError::Forgotten);
    }
    let (before, listed) = entries.split_at(first.unwrap_or(entries.len()));
    let mut opening = opening.clone();
    before.iter().for_each(|entry| opening.push(entry.hash(), |_, _| ()));
    let earlier = books.head.is_some_and(|last| last.body().size < opening.size());
    Ok(Statement {
        period,
        opening,
        entries: listed.to_vec(),
        totals: totals(listed, period).map_err(|_| Trouble::Ledger)?,
        head: *head.head(),
        link: if earlier { link.clone() } else { Proof::default() },
    })
}
