//! An account's balance and its tree, as entries change them. Pure.

use plico_protocol::id::AccountKey;
use plico_protocol::ledger::{
    Amount, Entry, EntryKind, EntryReason, EntrySequence, Frontier, Generation, Message, Subtree,
    TreeHash,
};
use plico_protocol::pricing::{Currency, Millionths};
use plico_protocol::time::{Day, Hour};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use crate::ledger::{ENTRIES_PER_ROW, EntriesRow, TILE_LEVELS, missing};
use crate::policy::dues::Periods;
use crate::rows::{BadRow, Sealed};
use crate::store::Table;

/// An account of a business. Its row is written when something beside its entries changes, and when they
/// fill their row: between, it is the row on disk and the entries since, [`AccountRow::with`]. A commit that
/// charges then writes one row for an account, and not two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountRow {
    /// Whose: the row's name does not say.
    pub(crate) account: AccountKey,
    pub(crate) generation: Generation,
    /// What its amounts are of; none before the first.
    pub(crate) currency: Option<Currency>,
    /// How far it may owe; none for the relay's setting.
    pub(crate) credit: Option<Millionths>,
    /// Payments together, less corrections.
    pub(crate) paid: Millionths,
    /// Settlements and subscriptions together.
    pub(crate) owed: Millionths,
    /// Accepted, and neither settled nor released.
    pub(crate) reserved: Millionths,
    /// What of its subscription is entered.
    pub(crate) periods: Periods,
    pub(crate) tree: Frontier,
}

/// An entry without its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) hour: Hour,
    pub(crate) kind: EntryKind,
    pub(crate) reason: EntryReason,
    /// `accept` is filled in for an accept.
    pub(crate) message: Option<Message>,
    pub(crate) generation: Generation,
    pub(crate) amount: Amount,
}

/// The account takes no entry of this kind any more: its tree, or one of its sums, is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger of this account is full")]
pub(crate) struct LedgerFull;

impl AccountRow {
    /// An account without entries.
    pub(crate) fn new(account: AccountKey) -> Self {
        Self {
            account,
            generation: Generation::default(),
            currency: None,
            credit: None,
            paid: Millionths::ZERO,
            owed: Millionths::ZERO,
            reserved: Millionths::ZERO,
            periods: Periods::default(),
            tree: Frontier::default(),
        }
    }

    /// Whether it is used for the first time.
    pub(crate) fn use_from(&mut self, today: Day) -> bool {
        let first = self.periods.begun == Day(0);
        if first {
            self.periods.begun = today;
        }
        first
    }

    /// The number of its next entry.
    pub(crate) fn next(&self) -> EntrySequence {
        EntrySequence(self.tree.size())
    }

    /// With the entries that were appended since it was written, all of which are in the row that its next
    /// entry was to go to then.
    ///
    /// # Errors
    ///
    /// [`BadRow`] where that row does not go on from it.
    pub(crate) fn with(mut self, newest: Option<&EntriesRow>) -> Result<Self, BadRow> {
        let is_begun = !self.next().0.is_multiple_of(ENTRIES_PER_ROW);
        let EntriesRow(entries) = match newest {
            Some(newest) => newest,
            None if is_begun => return Err(missing::<EntriesRow>()),
            None => return Ok(self),
        };
        let known = self.next();
        for entry in entries.iter().filter(|entry| known <= entry.sequence) {
            let Entry { sequence, hour, kind, reason, message, generation, amount } = *entry;
            let line = Line { hour, kind, reason, message, generation, amount };
            let appended = self.append(line, |_, _| ());
            if appended.map(|entry| entry.sequence) != Ok(sequence) {
                return Err(missing::<EntriesRow>());
            }
        }
        let is_whole = entries.last().is_some_and(|last| last.sequence.0 + 1 == self.next().0);
        if is_whole { Ok(self) } else { Err(missing::<EntriesRow>()) }
    }

    /// What may still be reserved: credit and payments, less what is owed and reserved.
    pub(crate) fn available(&self, credit: Millionths) -> Millionths {
        let credit = self.credit.unwrap_or(credit).0;
        let bound = self.owed.0.saturating_add(self.reserved.0);
        Millionths(credit.saturating_add(self.paid.0).saturating_sub(bound))
    }

    /// How much more must be paid before `more` may be reserved: also what was taken back of payments that
    /// were spent by then.
    pub(crate) fn lacks(&self, more: Millionths, credit: Millionths) -> Millionths {
        let credit = self.credit.unwrap_or(credit).0;
        let bound = self.owed.0.saturating_add(self.reserved.0).saturating_add(more.0);
        Millionths(bound.saturating_sub(credit.saturating_add(self.paid.0)))
    }

    /// Appends an entry, and takes it into the balance; `tile` is given every subtree that is to be
    /// stored.
    ///
    /// # Errors
    ///
    /// [`LedgerFull`], and then nothing changed.
    pub(crate) fn append(
        &mut self,
        line: Line,
        mut tile: impl FnMut(Subtree, &TreeHash),
    ) -> Result<Entry, LedgerFull> {
        let Line { hour, kind, reason, message, generation, amount } = line;
        if ENTRIES_MAX <= self.tree.size() {
            return Err(LedgerFull);
        }
        let more = |sum: Millionths| sum.checked_add(amount.millionths).ok_or(LedgerFull);
        // Never below zero: what is settled or released was reserved, what is taken back was paid.
        let less = |sum: Millionths| Millionths(sum.0.saturating_sub(amount.millionths.0));
        match kind {
            EntryKind::Accept => self.reserved = more(self.reserved)?,
            EntryKind::Release => self.reserved = less(self.reserved),
            EntryKind::Settle => {
                self.owed = more(self.owed)?;
                self.reserved = less(self.reserved);
            }
            EntryKind::Subscription => self.owed = more(self.owed)?,
            EntryKind::Payment => self.paid = more(self.paid)?,
            EntryKind::Restored => self.generation = generation,
            EntryKind::Correction => self.paid = less(self.paid),
        }
        self.currency = Some(amount.currency);
        let sequence = self.next();
        let own = kind == EntryKind::Accept;
        let place = |of: Message| Message { accept: if own { sequence } else { of.accept }, ..of };
        let message = message.map(place);
        let entry = Entry { sequence, hour, kind, reason, message, generation, amount };
        self.tree.push(entry.hash(), |subtree, hash| {
            if 0 < subtree.level && subtree.level.is_multiple_of(TILE_LEVELS) {
                tile(subtree, hash);
            }
        });
        Ok(entry)
    }
}

impl Sealed for AccountRow {
    const TABLE: Table = Table::Accounts;
    const BYTES: usize = AccountKey::BYTES + 4 + 3 + (1 + 8) + 3 * 8 + 2 * 4 + 8 + 32 * TREE_LEVELS;
}

impl Wire for AccountRow {
    fn write(&self, out: &mut Writer) {
        let Self { account, generation, currency, credit, paid, owed, reserved, periods, tree } =
            self;
        account.write(out);
        generation.write(out);
        out.bytes(&currency.map_or([0; 3], |currency| *currency.as_bytes()));
        out.u8(u8::from(credit.is_some()));
        credit.unwrap_or_default().write(out);
        paid.write(out);
        owed.write(out);
        reserved.write(out);
        out.u32(periods.begun.0);
        out.u32(periods.unpaid.0);
        tree.write(out);
        // One length, whatever the size: the row must not say how busy its account is.
        let peaks = usize::try_from(tree.size().count_ones()).unwrap_or(TREE_LEVELS);
        out.zeros(32 * TREE_LEVELS.saturating_sub(peaks));
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let account = Wire::read(reader)?;
        let generation = Wire::read(reader)?;
        let currency = match reader.array()? {
            [0, 0, 0] => None,
            code => Some(Currency::new(code).ok_or(DecodeError::BadValue { field: "currency" })?),
        };
        let has_credit = reader.flag("has_credit")?;
        let credit = Some(Millionths::read(reader)?).filter(|_| has_credit);
        let (paid, owed, reserved) =
            (Wire::read(reader)?, Wire::read(reader)?, Wire::read(reader)?);
        let periods = Periods { begun: Day(reader.u32()?), unpaid: Day(reader.u32()?) };
        let tree = Frontier::read(reader)?;
        let peaks = usize::try_from(tree.size().count_ones()).unwrap_or(TREE_LEVELS);
        reader.take(32 * TREE_LEVELS.saturating_sub(peaks))?;
        Ok(Self { account, generation, currency, credit, paid, owed, reserved, periods, tree })
    }
}

/// Levels of an account's tree.
const TREE_LEVELS: usize = 40;
/// Entries of an account: a thousand a second for thirty years.
const ENTRIES_MAX: u64 = (1 << TREE_LEVELS) - 1;
