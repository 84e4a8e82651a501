//! The relay's disk: what was synced stays, what was not may go with the power.

use std::sync::{Arc, Mutex, MutexGuard};

use plico_relay::store::{Change, CommitError, Disk, Memory, ReadError, Reader, Store};

use crate::simulation::at_rest::AtRest;
use crate::simulation::chance::Chance;
use crate::simulation::life::{Life, Place};
use crate::simulation::recorder::RulingWatch;

/// A disk that outlives the relays that use it.
pub(crate) struct Medium {
    disk: Disk,
    rows: Memory,
    /// How to take back each batch that was written and not synced, oldest first.
    unsynced: Mutex<Vec<Vec<Change>>>,
    /// Reports success without a sync, as no disk should: for the test of the tests.
    lies: bool,
}

/// A disk as one life of the relay has it open.
pub(crate) struct Mounted {
    pub(crate) medium: Arc<Medium>,
    pub(crate) life: Arc<Life>,
    pub(crate) watch: Arc<RulingWatch>,
    pub(crate) rows: Arc<AtRest>,
}

impl Medium {
    pub(crate) fn new(lies: bool) -> Arc<Self> {
        let disk = Disk::default();
        let rows = Memory::open(&disk).unwrap();
        Arc::new(Self { disk, rows, unsynced: Mutex::default(), lies })
    }

    /// From now on there is no space, or there is again.
    pub(crate) fn set_full(&self, full: bool) {
        self.disk.set_full(full);
    }

    /// The power fails: of what was not synced some of the oldest is left, perhaps all, perhaps
    /// nothing.
    pub(crate) fn lose_power(&self, chance: &mut Chance) {
        let mut unsynced = self.unsynced();
        let count = u64::try_from(unsynced.len()).unwrap();
        let kept = usize::try_from(chance.within(0..count + 1)).unwrap();
        if kept < unsynced.len() {
            // What was never written takes no room.
            self.disk.set_full(false);
        }
        for undo in unsynced.drain(..).skip(kept).collect::<Vec<_>>().iter().rev() {
            self.rows.commit(undo).unwrap();
        }
    }

    /// Writes a batch, and syncs it if this disk is honest.
    fn write(&self, changes: &[Change]) -> Result<(), CommitError> {
        if !self.lies {
            return self.rows.commit(changes);
        }
        let undo = changes.iter().map(|change| self.before(change)).rev().collect();
        self.rows.commit(changes)?;
        self.unsynced().push(undo);
        Ok(())
    }

    /// A row as it is before it is changed.
    fn before(&self, change: &Change) -> Change {
        let Change { table, key, value: _ } = change;
        let value = self.rows.reader().unwrap().get(*table, key).unwrap();
        Change { table: *table, key: key.clone(), value }
    }

    fn unsynced(&self) -> MutexGuard<'_, Vec<Vec<Change>>> {
        self.unsynced.lock().unwrap()
    }
}

impl Mounted {
    fn write(&self, changes: &[Change]) -> Result<(), CommitError> {
        let lines = self.rows.lines(changes, |change| self.medium.before(change));
        self.medium.write(changes)?;
        self.watch.entered(lines);
        Ok(())
    }
}

impl Store for Mounted {
    fn commit(&self, changes: &[Change]) -> Result<(), CommitError> {
        for kept in [true, false] {
            if self.life.dies_at(Place::Sync { kept }) {
                if kept && self.write(changes).is_ok() {
                    self.watch.kept();
                }
                return Err(gone());
            }
        }
        match self.life.is_over() {
            true => Err(gone()),
            false => self.write(changes),
        }
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>, ReadError> {
        match self.life.is_over() {
            true => Err(ReadError::Closed),
            false => self.medium.rows.reader(),
        }
    }

    fn recover(&self) -> Result<(), CommitError> {
        match self.life.is_over() {
            true => Err(gone()),
            false => self.medium.rows.recover(),
        }
    }
}

fn gone() -> CommitError {
    CommitError::Failed("the relay was killed".into())
}
