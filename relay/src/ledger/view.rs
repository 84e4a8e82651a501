//! What a business reads of its own ledger: the head, joined to the one it has, and the entries.

use plico_protocol::frame::Headed;
use plico_protocol::id::AccountKey;
use plico_protocol::ledger::{
    Entry, EntrySequence, HeadBody, LedgerKeyCertificate, Proof, Subtree, TreeHash,
};
use plico_protocol::pricing::{Currency, Millionths};
use plico_protocol::reputation::Dues;
use plico_protocol::signature::LedgerSecret;
use plico_protocol::time::{Day, Hour, Timestamp};

use crate::decide::SWEPT_KEY;
use crate::ledger::{
    AccountRow, ENTRIES_PER_ROW, EntriesRow, FreeRow, ROW_LEVELS, ReferenceRow, TileRow, hash_of,
};
use crate::policy::dues::Calendar;
use crate::policy::rate_card::RateCards;
use crate::rows::{BadRow, Sealed, SweptRow, View, ViewError};
use crate::store::{Reader, Table};

/// What signs a head, and since when.
pub(crate) struct Signer<'a> {
    pub(crate) secret: &'a LedgerSecret,
    pub(crate) certificate: LedgerKeyCertificate,
    pub(crate) hour: Hour,
}

impl View {
    /// The head of an account's ledger as it is on disk, joined to the one with `since` entries.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub(crate) fn ledger_head(
        &self,
        account: &AccountKey,
        since: u64,
        signer: &Signer<'_>,
    ) -> Result<Headed, ViewError> {
        let reader = self.store.reader()?;
        let row = self.account_in(&*reader, account)?;
        let (size, root) = (row.tree.size(), row.tree.root());
        let mut stored = |subtree| self.subtree_in(&*reader, account, subtree);
        let link = Proof::consistency(since, size, |subtree| hash_of(subtree, &mut stored))?;
        let Signer { secret, certificate, hour } = signer;
        let swept = self.row_in::<SweptRow>(&*reader, SWEPT_KEY)?;
        let generation = swept.map(|swept| swept.generation).unwrap_or_default();
        let body = HeadBody { account: *account, generation, size, root, hour: *hour };
        let head = *body.sign(secret).head();
        Ok(Headed { key: *certificate, head, link: link.unwrap_or_default() })
    }

    /// What an account owes for itself.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub(crate) fn dues(
        &self,
        account: &AccountKey,
        cards: &RateCards,
        now: Timestamp,
    ) -> Result<Dues, ViewError> {
        let reader = self.store.reader()?;
        let Some(calendar) = self.calendar_in(&*reader, cards, now)? else {
            return Ok(Dues::default());
        };
        Ok(calendar.shown(self.account_in(&*reader, account)?.periods))
    }

    /// What of its subscription an account owes by now, covered or not.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub(crate) fn owed(
        &self,
        account: &AccountKey,
        cards: &RateCards,
        now: Timestamp,
    ) -> Result<Millionths, ViewError> {
        let reader = self.store.reader()?;
        let Some(calendar) = self.calendar_in(&*reader, cards, now)? else {
            return Ok(Millionths::ZERO);
        };
        Ok(calendar.owed(self.account_in(&*reader, account)?.periods))
    }

    fn calendar_in<'a>(
        &self,
        reader: &dyn Reader,
        cards: &'a RateCards,
        now: Timestamp,
    ) -> Result<Option<Calendar<'a>>, ViewError> {
        let swept = self.row_in::<SweptRow>(reader, SWEPT_KEY)?;
        let swept = swept.unwrap_or_else(|| SweptRow::begun(now.hour()));
        Ok(Calendar::new(cards, swept.dues_from, now))
    }

    /// Entries of an account's ledger, from one on, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub(crate) fn ledger_entries(
        &self,
        account: &AccountKey,
        from: EntrySequence,
        limit: usize,
    ) -> Result<Vec<Entry>, ViewError> {
        let reader = self.store.reader()?;
        let name = self.rows.entries(account);
        // One row more, because the first may begin before `from`.
        let rows = limit.div_ceil(ENTRIES_PER_ROW as usize).saturating_add(1);
        let page = reader.scan(Table::Entries, name.as_bytes(), &name.with_entry(from), rows)?;
        let mut entries = Vec::new();
        for row in &page {
            let EntriesRow(found) = self.rows.open(&row.key, &row.value)?;
            entries.extend(found.into_iter().filter(|entry| from <= entry.sequence));
        }
        entries.truncate(limit);
        Ok(entries)
    }

    /// The payment of an account that was entered under a reference.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub(crate) fn payment(
        &self,
        account: &AccountKey,
        reference: &str,
    ) -> Result<Option<Entry>, ViewError> {
        let reader = self.store.reader()?;
        let name = self.rows.reference(account, reference);
        let Some(row) = self.row_in::<ReferenceRow>(&*reader, name.as_bytes())? else {
            return Ok(None);
        };
        let key = self.rows.entries(account).with_entry(row.entry);
        let entries = self.row_in::<EntriesRow>(&*reader, &key)?;
        Ok(entries.and_then(|entries| entries.entry(row.entry)))
    }

    /// How many free messages an account sent, of the first days there are from one on.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub(crate) fn free_counts(
        &self,
        account: &AccountKey,
        from: Day,
        limit: usize,
    ) -> Result<Vec<(Day, u64)>, ViewError> {
        let (prefix, from) = self.rows.free(account, from);
        let page = self.store.reader()?.scan(Table::Free, prefix.as_bytes(), &from, limit)?;
        let count = |key: &[u8], value: &[u8]| {
            let day = key.last_chunk().map(|day| Day(u32::from_be_bytes(*day)));
            Ok((day.unwrap_or_default(), self.rows.open::<FreeRow>(key, value)?.count))
        };
        page.iter().map(|row| count(&row.key, &row.value)).collect()
    }

    /// An account as it is kept; as it begins, where nothing is known of it.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub(crate) fn account(&self, account: &AccountKey) -> Result<AccountRow, ViewError> {
        self.account_in(&*self.store.reader()?, account)
    }

    /// What accounts are kept in, as the first that has an amount says; none before any has.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub(crate) fn currency(&self) -> Result<Option<Currency>, ViewError> {
        let reader = self.store.reader()?;
        let mut from = Vec::new();
        loop {
            let page = reader.scan(Table::Accounts, &[], &from, ACCOUNTS_AT_ONCE)?;
            for row in &page {
                let row: AccountRow = self.rows.open(&row.key, &row.value)?;
                let row = self.account_in(&*reader, &row.account)?;
                if row.currency.is_some() {
                    return Ok(row.currency);
                }
            }
            match page.last() {
                Some(last) if page.len() == ACCOUNTS_AT_ONCE => {
                    from = [last.key.as_ref(), &[0]].concat();
                }
                _ => return Ok(None),
            }
        }
    }

    fn account_in(
        &self,
        reader: &dyn Reader,
        account: &AccountKey,
    ) -> Result<AccountRow, ViewError> {
        let key = self.rows.account(account);
        let Some(row) = self.row_in::<AccountRow>(reader, key.as_bytes())? else {
            return Ok(AccountRow::new(*account));
        };
        let key = self.rows.entries(account).with_entry(row.next());
        Ok(row.with(self.row_in(reader, &key)?.as_ref())?)
    }

    fn subtree_in(
        &self,
        reader: &dyn Reader,
        account: &AccountKey,
        subtree: Subtree,
    ) -> Result<TreeHash, ViewError> {
        if subtree.level <= ROW_LEVELS {
            let sequence = EntrySequence(subtree.leaves().start);
            let key = self.rows.entries(account).with_entry(sequence);
            let row = self.row_in::<EntriesRow>(reader, &key)?;
            let hash = row.and_then(|row| row.subtree(subtree));
            return Ok(hash.ok_or(missing::<EntriesRow>())?);
        }
        let row = self.row_in::<TileRow>(reader, &self.rows.tile(account, subtree))?;
        Ok(row.ok_or(missing::<TileRow>())?.0)
    }

    fn row_in<R: Sealed>(&self, reader: &dyn Reader, key: &[u8]) -> Result<Option<R>, ViewError> {
        let sealed = reader.get(R::TABLE, key)?;
        Ok(sealed.map(|sealed| self.rows.open(key, &sealed)).transpose()?)
    }
}

/// A row that must be there and is not was taken out by somebody else.
pub(crate) fn missing<R: Sealed>() -> BadRow {
    BadRow::Seal { table: R::TABLE.name() }
}

/// Read until one has an amount, which the first mostly has.
const ACCOUNTS_AT_ONCE: usize = 16;
