//! Taking prekeys in and handing them out.

use bytes::Bytes;
use plico_protocol::frame::RelayFrame;
use plico_protocol::id::{AccountKey, DhKey};
use plico_protocol::limits::{ONE_TIME_PREKEYS_LOW, ONE_TIME_PREKEYS_STORED_MAX};
use plico_protocol::prekey::{Bundle, PrekeyId, Publication, SignedPrekey};
use plico_protocol::refusal::Code;

use crate::decide::{Denied, Draft, FactError};
use crate::rows::{OneTimeRow, PrekeysRow, RowName};
use crate::store::Table;
use crate::writer::Event;

impl Draft<'_> {
    /// Ids up to the highest ever taken in are passed over, so that a repeated upload adds nothing
    /// and a key that was handed out never comes back; signed prekeys with a lower id than the
    /// present one do not replace it. What is void is removed first. Once as many are stored as may be, the rest is left for
    /// another upload; expired ones do not count.
    pub(super) fn publish(
        &mut self,
        account: &AccountKey,
        publication: &Publication,
    ) -> Result<RelayFrame, Denied> {
        let name = self.facts.rows.prekeys(account);
        let Publication { signed, kem, void, one_time } = publication;
        let mut row = match self.facts.prekeys(&name)? {
            Some(mut row) => {
                if row.signed.id <= signed.id {
                    row.signed = signed.clone();
                }
                if row.kem.id <= kem.id {
                    row.kem = kem.clone();
                }
                row
            }
            None => PrekeysRow {
                signed: signed.clone(),
                kem: kem.clone(),
                highest: PrekeyId(0),
                one_time: 0,
            },
        };
        self.void_one_time(&name, &mut row, *void)?;
        for prekey in one_time {
            if prekey.id <= row.highest {
                continue;
            }
            if STORED_MAX <= row.one_time {
                break;
            }
            self.put(name.one_time(prekey.id), &OneTimeRow(prekey.clone()));
            row.highest = prekey.id;
            row.one_time += 1;
        }
        self.put(*name.as_bytes(), &row);
        self.use_account(account)?;
        Ok(RelayFrame::Stock(row.stock()))
    }

    /// Removes what has expired and the ids up to `void`, and takes none of these in again: their
    /// owner lost the private halves. Bounded by what an account may store.
    fn void_one_time(
        &mut self,
        name: &RowName,
        row: &mut PrekeysRow,
        void: PrekeyId,
    ) -> Result<(), FactError> {
        let mut from = Vec::new();
        while let Some((key, prekey)) = self.first_one_time(name, row, &from)?
            && prekey.id <= void
        {
            from = [&key, [0].as_slice()].concat();
            self.remove(Table::OneTimePrekeys, key);
            row.one_time = row.one_time.saturating_sub(1);
        }
        row.highest = row.highest.max(void);
        Ok(())
    }

    /// The oldest one-time prekey goes with the bundle and is gone from the store before anyone
    /// sees it.
    pub(super) fn take_bundle(
        &mut self,
        account: &AccountKey,
        one_time: bool,
    ) -> Result<RelayFrame, Denied> {
        let name = self.facts.rows.prekeys(account);
        let mut row = self.facts.prekeys(&name)?.ok_or(Code::NoPrekeys)?;
        let now = self.now.hour();
        if row.signed.not_after <= now || row.kem.not_after <= now {
            return Err(Code::NoPrekeys.into());
        }
        let stored = row.one_time;
        let one_time = match one_time {
            true => self.take_one_time(&name, &mut row)?,
            false => None,
        };
        // Also where the last ones had expired, and none was left to take.
        if row.one_time != stored && row.one_time <= LOW {
            self.wake(Event::PrekeysLow { account: *account, one_time: row.one_time });
        }
        let PrekeysRow { signed, kem, .. } = row;
        let bundle = Bundle { account: *account, signed, kem, one_time };
        Ok(RelayFrame::Prekeys(Box::new(bundle)))
    }

    fn take_one_time(
        &mut self,
        name: &RowName,
        row: &mut PrekeysRow,
    ) -> Result<Option<SignedPrekey<DhKey>>, FactError> {
        let stored = row.one_time;
        let first = self.first_one_time(name, row, &[])?;
        let taken = first.map(|(key, prekey)| {
            self.remove(Table::OneTimePrekeys, key);
            row.one_time = row.one_time.saturating_sub(1);
            prekey
        });
        // Where none are left, asking writes nothing.
        if row.one_time != stored {
            self.put(*name.as_bytes(), row);
        }
        Ok(taken)
    }

    /// The oldest from a key on that has not expired, left where it is. Expired ones before it are removed and
    /// counted off; writing the row is the caller's. Bounded by what an account may store, and no
    /// one is removed twice.
    fn first_one_time(
        &mut self,
        name: &RowName,
        row: &mut PrekeysRow,
        from: &[u8],
    ) -> Result<Option<(Bytes, SignedPrekey<DhKey>)>, FactError> {
        let table = Table::OneTimePrekeys;
        let mut from = from.to_vec();
        loop {
            let page = self.facts.scan_sealed(name.as_bytes(), &from, PAGE_ROWS)?;
            let is_last = page.len() < PAGE_ROWS;
            for (key, OneTimeRow(prekey)) in page {
                if self.now.hour() < prekey.not_after {
                    return Ok(Some((key, prekey)));
                }
                from = [&key, [0].as_slice()].concat();
                self.remove(table, key);
                row.one_time = row.one_time.saturating_sub(1);
            }
            if is_last {
                return Ok(None);
            }
        }
    }
}

const STORED_MAX: u32 = ONE_TIME_PREKEYS_STORED_MAX as u32;
const LOW: u32 = ONE_TIME_PREKEYS_LOW as u32;
/// One-time prekeys read at a time: mostly the first one is taken.
const PAGE_ROWS: usize = 16;
