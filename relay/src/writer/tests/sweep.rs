//! What an hour's end costs does not grow with what was removed before.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use plico_protocol::time::Timestamp;

use crate::rows::Rows;
use crate::store::{Change, CommitError, Disk, Entry, Memory, ReadError, Reader, Store, Table};
use crate::writer::Limits;
use crate::writer::fixture::{START, World, keys};

/// Notes from where on the buckets of expiries were read.
struct Noting {
    store: Memory,
    looks: Mutex<Vec<Vec<u8>>>,
}

struct NotingReader<'a> {
    reader: Box<dyn Reader + 'a>,
    looks: &'a Mutex<Vec<Vec<u8>>>,
}

impl Store for Noting {
    fn commit(&self, changes: &[Change]) -> Result<(), CommitError> {
        self.store.commit(changes)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>, ReadError> {
        Ok(Box::new(NotingReader { reader: self.store.reader()?, looks: &self.looks }))
    }

    fn recover(&self) -> Result<(), CommitError> {
        self.store.recover()
    }
}

impl Reader for NotingReader<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.reader.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        if table == Table::Expiries {
            self.looks.lock().unwrap().push(prefix.max(from).to_vec());
        }
        self.reader.scan(table, prefix, from, limit)
    }
}

fn relay() -> (World, Arc<Noting>) {
    let store = Memory::open(&Disk::default()).unwrap();
    let noting = Arc::new(Noting { store, looks: Mutex::default() });
    (World::over(noting.clone(), keys(), Limits::default()), noting)
}

/// A row of the bucket of the first hour, of an envelope that is not there.
fn row(number: u16) -> Change {
    let bucket = Rows::new(&keys().ring()).bucket(Table::Expiries, START.hour());
    let entry = [number.to_be_bytes().as_slice(), &[0; 22]].concat();
    Change::put(Table::Expiries, bucket.holding(&entry), Bytes::new())
}

fn left(noting: &Noting) -> usize {
    noting.reader().unwrap().scan(Table::Expiries, &[], &[], 9_999).unwrap().len()
}

#[test]
fn a_step_begins_where_the_one_before_ended() {
    let (mut world, noting) = relay();
    let rows: Vec<_> = (0..1_200).map(row).collect();
    noting.commit(&rows).unwrap();
    while world.core.sweep().unwrap().more {}
    let looks = noting.looks.lock().unwrap().clone();
    let bucket = looks.first().unwrap().clone();
    let within: Vec<_> = looks.iter().filter(|look| look.starts_with(&bucket)).collect();
    assert_eq!(left(&noting), 0);
    assert!(3 <= within.len() && within.is_sorted_by(|before, after| before < after));
}

#[test]
fn what_a_clock_set_back_puts_before_it_is_found() {
    let (mut world, noting) = relay();
    let rows: Vec<_> = (100..1_200).map(row).collect();
    noting.commit(&rows).unwrap();
    world.core.sweep().unwrap();
    world.clock.set(Timestamp(START.0 - 2 * 3_600_000));
    world.core.sweep().unwrap();
    noting.commit(&[row(1)]).unwrap();
    world.clock.set(START);
    while 0 < left(&noting) && world.core.sweep().unwrap().more {}
    assert_eq!(left(&noting), 0);
}
