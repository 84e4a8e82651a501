//! The reference store: a sorted map, for tests and simulations.
//!
//! What a real store keeps on its medium is a [`Disk`], which outlives the [`Memory`] that has it
//! open, so that a crash is a drop and a restart is another [`Memory::open`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;

use super::schema;
use crate::store::{Change, CommitError, Entry, OpenError, ReadError, Reader, Store, Table};

type Rows = BTreeMap<(Table, Vec<u8>), Bytes>;

/// What survives a crash.
#[derive(Clone, Default)]
pub struct Disk {
    rows: Arc<RwLock<Rows>>,
    locked: Arc<AtomicBool>,
    full: Arc<AtomicBool>,
    broken: Arc<AtomicBool>,
}

/// An open [`Disk`].
#[derive(Debug)]
pub struct Memory {
    disk: Disk,
}

impl Disk {
    /// From now on commits find no space, or find it again.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// From now on commits fail as a failed sync does.
    pub fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    /// Every row, for tests that search the bytes.
    pub fn rows(&self) -> Vec<(Table, Vec<u8>, Bytes)> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.iter().map(|((table, key), value)| (*table, key.clone(), value.clone())).collect()
    }
}

impl Memory {
    /// Opens a disk.
    ///
    /// # Errors
    ///
    /// [`OpenError::Locked`] while another `Memory` has it open; [`OpenError::Schema`].
    pub fn open(disk: &Disk) -> Result<Self, OpenError> {
        if disk.locked.swap(true, Ordering::SeqCst) {
            return Err(OpenError::Locked);
        }
        let memory = Self { disk: disk.clone() };
        schema::check(&memory)?;
        Ok(memory)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.disk.locked.store(false, Ordering::SeqCst);
    }
}

impl Store for Memory {
    fn commit(&self, changes: &[Change]) -> Result<(), CommitError> {
        if self.disk.broken.load(Ordering::SeqCst) {
            return Err(CommitError::Failed("the simulated disk is broken".into()));
        }
        self.recover()?;
        let mut rows = self.disk.rows.write().unwrap_or_else(PoisonError::into_inner);
        for Change { table, key, value } in changes {
            match value {
                Some(value) => rows.insert((*table, key.clone()), value.clone()),
                None => rows.remove(&(*table, key.clone())),
            };
        }
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>, ReadError> {
        let rows = self.disk.rows.read().unwrap_or_else(PoisonError::into_inner);
        Ok(Box::new(MemoryReader { rows }))
    }

    fn recover(&self) -> Result<(), CommitError> {
        if self.disk.full.load(Ordering::SeqCst) {
            return Err(CommitError::Full);
        }
        Ok(())
    }
}

/// Holds the map's lock, so that nothing is committed while it lives.
struct MemoryReader<'a> {
    rows: RwLockReadGuard<'a, Rows>,
}

impl Reader for MemoryReader<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        Ok(self.rows.get(&(table, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        let start = (table, prefix.max(from).to_vec());
        Ok(self
            .rows
            .range(start..)
            .take_while(|((at, key), _)| *at == table && key.starts_with(prefix))
            .take(limit)
            .map(|((_, key), value)| Entry { key: key.clone().into(), value: value.clone() })
            .collect())
    }
}

impl core::fmt::Debug for Disk {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Disk(…)")
    }
}
