//! Counting reports. What was delivered, against which they are measured, is counted by the settlement.
//!
//! Only what a business sent outside a window counts, on both sides: a business is not judged for
//! what it was asked, and cannot improve its standing by writing to mailboxes of its own for
//! nothing. A report's commit touches no mailbox's row.

use plico_protocol::frame::RelayFrame;
use plico_protocol::id::AccountKey;
use plico_protocol::report::{ProvenReport, Reported};
use plico_protocol::stamp::Reason;

use crate::decide::{Denied, Draft};
use crate::rows::StandingRow;
use crate::store::Table;

impl Draft<'_> {
    /// A stamp counts once, and a mailbox once per account and day: who reports a hundred messages
    /// is one person all the same.
    pub(super) fn report(&mut self, report: &ProvenReport) -> Result<RelayFrame, Denied> {
        let origin = report.origin();
        if origin.reason != Reason::OutsideWindow {
            return Ok(RelayFrame::Reported(Reported::InWindow));
        }
        let rows = self.facts.rows;
        let stamp = rows.report_of_stamp(report.stamped());
        let mailbox = rows.report_of_mailbox(self.now.day(), &origin.account, &origin.tag);
        for key in [&stamp, &mailbox] {
            if self.facts.holds(Table::Reports, key)? {
                return Ok(RelayFrame::Reported(Reported::Already));
            }
        }
        self.put_clear(Table::Reports, stamp, Vec::new());
        self.put_clear(Table::Reports, mailbox, Vec::new());
        // Judged with the day's deliveries: what this one is measured against is not counted yet.
        let today = self.now.day();
        let mut standing = self.facts.standing(&origin.account, today)?;
        standing.counts.add(today, 1, 0);
        self.put(*rows.standing(&origin.account).as_bytes(), &standing);
        Ok(RelayFrame::Reported(Reported::Counted))
    }

    /// How an account stands, for its operator.
    pub(super) fn standing(&self, account: &AccountKey) -> Result<RelayFrame, Denied> {
        let standing = self.facts.known_standing(account)?;
        self.shown(account, &standing.unwrap_or_else(StandingRow::untouched))
    }

    /// Ends a suspension, if there is one. What it was for is not held against the account twice.
    pub(super) fn restore(&mut self, account: &AccountKey) -> Result<RelayFrame, Denied> {
        let today = self.now.day();
        let standing = self.facts.standing(account, today)?;
        if !standing.reputation.suspended {
            return self.standing(account);
        }
        let reputation = standing.reputation.restored(today);
        let standing = StandingRow { reputation, ..StandingRow::new(today) };
        self.put(*self.facts.rows.standing(account).as_bytes(), &standing);
        self.shown(account, &standing)
    }

    fn shown(&self, account: &AccountKey, standing: &StandingRow) -> Result<RelayFrame, Denied> {
        let dues = self.dues(account)?;
        Ok(RelayFrame::Standing(standing.shown(self.now.day(), dues)))
    }
}
