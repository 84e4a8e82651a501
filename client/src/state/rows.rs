//! Rows: sealed when written, opened when read, named so that the file shows no more than it must.

use plico_protocol::mac::{MacKey, first16};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};
use rusqlite::{OptionalExtension, Transaction, params};
use zeroize::Zeroizing;

use super::StateError;
use super::seal::Cipher;
use super::table::{Name, Table};

/// Reads and writes of one transaction. Dropped without [`State::write`](super::State::write)'s success, it did nothing.
pub(crate) struct Rows<'a> {
    pub(super) transaction: Transaction<'a>,
    pub(super) keys: &'a RowKeys,
}

/// Keys of values and of names.
pub(super) struct RowKeys {
    cipher: Cipher,
    names: MacKey,
}

impl Rows<'_> {
    /// Writes a row, under a higher generation than the one it replaces.
    pub(crate) fn put(
        &self,
        table: Table,
        name: Name<'_>,
        value: &impl Wire,
    ) -> Result<(), StateError> {
        self.put_bytes(table, name, &Zeroizing::new(value.encode()))
    }

    /// The same for bytes.
    pub(crate) fn put_bytes(
        &self,
        table: Table,
        name: Name<'_>,
        value: &[u8],
    ) -> Result<(), StateError> {
        self.put_row(table, &self.keys.name(table, name), value)
    }

    fn put_row(&self, table: Table, row: &[u8], value: &[u8]) -> Result<(), StateError> {
        let generation = self
            .transaction
            .prepare_cached("SELECT generation FROM sealed WHERE kind = ?1 AND name = ?2")?
            .query_row(params![table as u8, row], |found| found.get::<_, i64>(0))
            .optional()?
            .map_or(1, |generation| generation.saturating_add(1));
        let sealed = self.keys.cipher.seal(&associated_data(table, row, generation), value);
        self.transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO sealed (kind, name, generation, value)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![table as u8, row, generation, sealed])?;
        Ok(())
    }

    /// Reads a row.
    pub(crate) fn get<T: Wire>(
        &self,
        table: Table,
        name: Name<'_>,
    ) -> Result<Option<T>, StateError> {
        self.get_bytes(table, name)?.map(|bytes| decode(table, bytes)).transpose()
    }

    /// The same for bytes.
    pub(crate) fn get_bytes(
        &self,
        table: Table,
        name: Name<'_>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StateError> {
        let row = self.keys.name(table, name);
        let found = self
            .transaction
            .prepare_cached("SELECT generation, value FROM sealed WHERE kind = ?1 AND name = ?2")?
            .query_row(params![table as u8, row], |found| {
                Ok((found.get::<_, i64>(0)?, found.get::<_, Vec<u8>>(1)?))
            })
            .optional()?;
        found.map(|(generation, value)| self.keys.open(table, &row, generation, &value)).transpose()
    }

    /// Whether there is such a row; its value is not opened.
    pub(crate) fn has(&self, table: Table, name: Name<'_>) -> Result<bool, StateError> {
        let row = self.keys.name(table, name);
        Ok(self
            .transaction
            .prepare_cached("SELECT 1 FROM sealed WHERE kind = ?1 AND name = ?2")?
            .exists(params![table as u8, row])?)
    }

    /// Deletes a row, if there is one.
    pub(crate) fn delete(&self, table: Table, name: Name<'_>) -> Result<(), StateError> {
        let row = self.keys.name(table, name);
        self.transaction
            .prepare_cached("DELETE FROM sealed WHERE kind = ?1 AND name = ?2")?
            .execute(params![table as u8, row])?;
        Ok(())
    }

    /// Deletes the rows of a table for which `gone` holds.
    pub(crate) fn delete_where<T: Wire>(
        &self,
        table: Table,
        gone: impl Fn(&T) -> bool,
    ) -> Result<(), StateError> {
        for (row, value) in self.rows::<T>(table, None)? {
            if gone(&value) {
                self.transaction
                    .prepare_cached("DELETE FROM sealed WHERE kind = ?1 AND name = ?2")?
                    .execute(params![table as u8, row])?;
            }
        }
        Ok(())
    }

    /// Deletes every row of a table. Numbers go on from where they were.
    pub(crate) fn clear(&self, table: Table) -> Result<(), StateError> {
        self.transaction
            .prepare_cached("DELETE FROM sealed WHERE kind = ?1")?
            .execute(params![table as u8])?;
        Ok(())
    }

    /// Changes every row of a table, some at a time.
    pub(crate) fn change_each<T: Wire>(
        &self,
        table: Table,
        mut change: impl FnMut(&mut T),
    ) -> Result<(), StateError> {
        let mut after = Vec::new();
        loop {
            let page = self.rows_after::<T>(table, &after)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after.clone_from(last);
            for (row, mut value) in page {
                change(&mut value);
                self.put_row(table, &row, &Zeroizing::new(value.encode()))?;
            }
        }
    }

    /// Every row of a table whose names count, in their order.
    pub(crate) fn ordered<T: Wire>(&self, table: Table) -> Result<Vec<(u64, T)>, StateError> {
        self.numbered(table, None)
    }

    /// The first row of a table whose names count.
    pub(crate) fn first<T: Wire>(&self, table: Table) -> Result<Option<(u64, T)>, StateError> {
        Ok(self.numbered(table, Some(1))?.pop())
    }

    /// A number no row of this table ever had.
    pub(crate) fn next_number(&self, table: Table) -> Result<u64, StateError> {
        self.next_of(table.label().as_bytes())
    }

    /// A number no row of this table ever had within a group.
    pub(crate) fn next_number_within(&self, table: Table, group: u64) -> Result<u64, StateError> {
        self.next_of(&[table.label().as_bytes(), &[0], &group.to_be_bytes()].concat())
    }

    /// The number [`Self::next_number`] would give.
    pub(crate) fn number_to_come(&self, table: Table) -> Result<u64, StateError> {
        let counter = Name::Hidden(table.label().as_bytes());
        Ok(self.get::<Counter>(Table::Counter, counter)?.map_or(1, |counter| counter.0))
    }

    fn next_of(&self, counter: &[u8]) -> Result<u64, StateError> {
        let counter = Name::Hidden(counter);
        let next = self.get::<Counter>(Table::Counter, counter)?.map_or(1, |counter| counter.0);
        self.put(Table::Counter, counter, &Counter(next.saturating_add(1)))?;
        Ok(next)
    }

    /// Lets numbers of this table be above one that is known to be taken.
    pub(crate) fn count_above(&self, table: Table, number: u64) -> Result<(), StateError> {
        let counter = Name::Hidden(table.label().as_bytes());
        let next = self.get::<Counter>(Table::Counter, counter)?.map_or(1, |counter| counter.0);
        if number < next {
            return Ok(());
        }
        self.put(Table::Counter, counter, &Counter(number.saturating_add(1)))
    }

    /// The last `most` rows of a group before a number, in their order.
    pub(crate) fn last_within<T: Wire>(
        &self,
        table: Table,
        group: u64,
        before: u64,
        most: u32,
    ) -> Result<Vec<(u64, T)>, StateError> {
        let corrupt = || StateError::Corrupt { table: table.label() };
        let mut statement = self.transaction.prepare_cached(
            "SELECT name, generation, value FROM sealed
             WHERE kind = ?1 AND ?2 <= name AND name < ?3 ORDER BY name DESC LIMIT ?4",
        )?;
        let (first, end) = (within(group, 0), within(group, before));
        let found = statement.query_map(params![table as u8, first, end, most], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?))
        })?;
        let mut rows = Vec::new();
        for row in found {
            let (name, generation, value) = row?;
            let (_, number) = name.split_last_chunk().ok_or_else(corrupt)?;
            let plain = self.keys.open(table, &name, generation, &value)?;
            rows.push((u64::from_be_bytes(*number), decode(table, plain)?));
        }
        rows.reverse();
        Ok(rows)
    }

    fn numbered<T: Wire>(
        &self,
        table: Table,
        limit: Option<u32>,
    ) -> Result<Vec<(u64, T)>, StateError> {
        let corrupt = StateError::Corrupt { table: table.label() };
        let rows = self.rows::<T>(table, limit)?.into_iter();
        let numbered = rows.map(|(row, value)| {
            let number = row.as_slice().try_into().ok().map(u64::from_be_bytes);
            number.map(|number| (number, value))
        });
        numbered.collect::<Option<_>>().ok_or(corrupt)
    }

    fn rows_after<T: Wire>(
        &self,
        table: Table,
        after: &[u8],
    ) -> Result<Vec<(Vec<u8>, T)>, StateError> {
        let mut statement = self.transaction.prepare_cached(
            "SELECT name, generation, value FROM sealed
             WHERE kind = ?1 AND ?2 < name ORDER BY name LIMIT ?3",
        )?;
        let found = statement.query_map(params![table as u8, after, PAGE_ROWS], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?))
        })?;
        found
            .map(|row| {
                let (name, generation, value) = row?;
                let plain = self.keys.open(table, &name, generation, &value)?;
                Ok((name, decode(table, plain)?))
            })
            .collect()
    }

    fn rows<T: Wire>(
        &self,
        table: Table,
        limit: Option<u32>,
    ) -> Result<Vec<(Vec<u8>, T)>, StateError> {
        let mut statement = self.transaction.prepare_cached(
            "SELECT name, generation, value FROM sealed WHERE kind = ?1 ORDER BY name LIMIT ?2",
        )?;
        let limit = limit.map_or(-1, i64::from);
        let found = statement.query_map(params![table as u8, limit], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?))
        })?;
        found
            .map(|row| {
                let (name, generation, value) = row?;
                let plain = self.keys.open(table, &name, generation, &value)?;
                Ok((name, decode(table, plain)?))
            })
            .collect()
    }
}

impl RowKeys {
    pub(super) fn new(key: &MacKey) -> Self {
        let cipher = Cipher::new(key, b"plico/1 state rows\0");
        Self { cipher, names: MacKey::new(key.mac(&[b"plico/1 state names\0"])) }
    }

    fn name(&self, table: Table, name: Name<'_>) -> Vec<u8> {
        match name {
            Name::Number(number) => number.to_be_bytes().to_vec(),
            Name::Within(group, number) => within(group, number).to_vec(),
            Name::Hidden(name) => first16(self.names.mac(&[&[table as u8], name])).to_vec(),
        }
    }

    fn open(
        &self,
        table: Table,
        row: &[u8],
        generation: i64,
        value: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StateError> {
        self.cipher
            .open(&associated_data(table, row, generation), value)
            .ok_or(StateError::Corrupt { table: table.label() })
    }
}

/// Rows changed at a time: some 4 MiB of sessions.
const PAGE_ROWS: u32 = 1_000;

/// What counts rows.
struct Counter(u64);

impl Wire for Counter {
    fn write(&self, out: &mut Writer) {
        out.u64(self.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.u64().map(Self)
    }
}

fn within(group: u64, number: u64) -> [u8; 16] {
    ((u128::from(group) << 64) | u128::from(number)).to_be_bytes()
}

fn associated_data(table: Table, row: &[u8], generation: i64) -> Vec<u8> {
    [&[table as u8], row, &generation.to_be_bytes()].concat()
}

/// Decodes from a copy that is wiped when the last slice of it goes.
fn decode<T: Wire>(table: Table, plain: Zeroizing<Vec<u8>>) -> Result<T, StateError> {
    T::decode(bytes::Bytes::from_owner(plain))
        .map_err(|error| StateError::Unreadable { table: table.label(), error })
}
