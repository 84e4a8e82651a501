//! What a message costs its account: reserved in the commit that accepts it. What becomes of it is
//! [`mod@super::settle`]'s.

use plico_protocol::frame::RelayFrame;
use plico_protocol::id::AccountKey;
use plico_protocol::ledger::{
    Amount, Entry, EntryKind, EntryReason, EntrySequence, Generation, Message, Rate,
};
use plico_protocol::pricing::{Charge, Currency, Millionths, NoPrice, Price, Standing, price};
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::ticket::{Category, CheckedTicket};
use plico_protocol::time::Hour;

use crate::decide::dues::Sender;
use crate::decide::submit::Submitted;
use crate::decide::{Denied, Draft};
use crate::ledger::{AccountRow, LedgerFull, Line, ReferenceRow, TileRow};
use crate::request::Pricing;

impl Draft<'_> {
    /// Reserves what a message costs; none for a free one.
    pub(super) fn charge(
        &mut self,
        submitted: &Submitted<'_>,
        sender: Sender,
        ticket: &CheckedTicket,
        category: Category,
        pricing: &Pricing,
    ) -> Result<Option<Entry>, Denied> {
        let Pricing { card, certified, price_max } = pricing;
        let card = card.as_ref().ok_or_else(|| Refusal::from(NoPrice::CardNotValid))?;
        let Sender { row: mut account, reputation } = sender;
        let available = account.available(self.facts.limits.credit);
        let standing = Standing { suspended: reputation.suspended, available };
        let minute = self.now.minute();
        let priced = price(ticket.fields(), category, card, &standing, *price_max, minute);
        let priced = priced.map_err(Refusal::from)?;
        let Price::Charge(charge) = priced.price() else { return Ok(None) };
        if !certified {
            let why = "the relay's ledger key is not certified, so nothing can be charged";
            return Err(Refusal::because(Code::NotPriced, why).into());
        }
        check_currency(&account, charge.currency)?;
        let reason = match ticket.fields().free_until {
            Some(end) if minute < end => EntryReason::InWindow,
            Some(_) => EntryReason::OutsideWindow,
            None => EntryReason::Standing,
        };
        let line = accept(submitted, charge, self.now.hour(), reason);
        let is_first = account.use_from(self.now.day());
        let entry = self.append(&mut account, line).map_err(full)?;
        if is_first {
            self.put_account(account);
        } else {
            self.grow_account(account);
        }
        Ok(Some(entry))
    }

    /// Notes what a business paid, or did not pay after all. Answered by every entry this brings: none where the reference is one
    /// under which a payment of the account was entered before.
    pub(super) fn pay(
        &mut self,
        account: &AccountKey,
        kind: EntryKind,
        amount: Amount,
        reference: Option<&str>,
    ) -> Result<RelayFrame, Denied> {
        let reference = reference.map(|reference| self.facts.rows.reference(account, reference));
        if let Some(name) = &reference
            && self.facts.payment(name)?.is_some()
        {
            return Ok(RelayFrame::Entries(Vec::new()));
        }
        let mut row = self.facts.account(account)?;
        check_currency(&row, amount.currency)?;
        if kind == EntryKind::Correction && row.paid < amount.millionths {
            return Err(Refusal::because(Code::NoCredit, "not so much was paid").into());
        }
        let line = Line {
            hour: self.now.hour(),
            kind,
            reason: EntryReason::Itself,
            message: None,
            generation: Generation::default(),
            amount,
        };
        row.use_from(self.now.day());
        let entry = self.append(&mut row, line).map_err(full)?.sequence;
        if let Some(name) = reference {
            self.put(*name.as_bytes(), &ReferenceRow { entry });
        }
        self.cover(row)
    }

    /// Sets how far an account may owe; none for the relay's setting.
    pub(super) fn set_credit(
        &mut self,
        account: &AccountKey,
        credit: Option<Amount>,
    ) -> Result<RelayFrame, Denied> {
        let mut row = self.facts.account(account)?;
        if let Some(Amount { currency, .. }) = credit {
            check_currency(&row, currency)?;
            row.currency = Some(currency);
        }
        row.credit = credit.map(|credit| credit.millionths);
        self.cover(row)
    }

    /// Enters what was unpaid and is covered now, in the same commit.
    fn cover(&mut self, mut row: AccountRow) -> Result<RelayFrame, Denied> {
        self.enter_dues(&mut row)?;
        self.put_account(row);
        let entered = self.decision.appended.iter().map(|(_, entry)| *entry);
        Ok(RelayFrame::Entries(entered.collect()))
    }

    /// Writes an entry, after word of a restore if it is the first one since; the account's row is the
    /// caller's to write.
    pub(super) fn append(
        &mut self,
        account: &mut AccountRow,
        line: Line,
    ) -> Result<Entry, LedgerFull> {
        let generation = self.facts.generation;
        if account.generation != generation {
            self.write(account, restored(generation, self.now.hour(), line.amount.currency))?;
        }
        self.write(account, line)
    }

    fn write(&mut self, account: &mut AccountRow, line: Line) -> Result<Entry, LedgerFull> {
        let (key, rows) = (account.account, self.facts.rows);
        let mut tiles = Vec::new();
        let entry = account.append(line, |subtree, hash| {
            tiles.push((rows.tile(&key, subtree), TileRow(*hash)));
        })?;
        tiles.into_iter().for_each(|(key, tile)| self.put(key, &tile));
        self.decision.appended.push((account.account, entry));
        Ok(entry)
    }
}

fn check_currency(account: &AccountRow, currency: Currency) -> Result<(), Denied> {
    if account.currency.is_some_and(|kept| kept != currency) {
        let why = "the account is kept in another currency than the rate card";
        return Err(Refusal::because(Code::NotPriced, why).into());
    }
    Ok(())
}

fn accept(submitted: &Submitted<'_>, charge: &Charge, hour: Hour, reason: EntryReason) -> Line {
    let Charge { amount, currency, zone, category } = *charge;
    Line {
        hour,
        kind: EntryKind::Accept,
        reason,
        message: Some(Message {
            submission: *submitted.id,
            accept: EntrySequence::default(),
            rate: Rate { category, zone },
        }),
        generation: Generation::default(),
        amount: Amount { millionths: amount, currency },
    }
}

/// What earlier generations had from here on is lost.
fn restored(generation: Generation, hour: Hour, currency: Currency) -> Line {
    Line {
        hour,
        kind: EntryKind::Restored,
        reason: EntryReason::Itself,
        message: None,
        generation,
        amount: Amount { millionths: Millionths::ZERO, currency },
    }
}

fn full(error: LedgerFull) -> Denied {
    tracing::error!(target: "plico_relay::writer", error = %error, "a charge was refused");
    crate::decide::busy().into()
}
