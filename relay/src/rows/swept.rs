//! How far the relay came with what it does without being asked.

use plico_protocol::ledger::Generation;
use plico_protocol::time::{Day, Hour};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use crate::rows::Sealed;
use crate::store::Table;

/// How far the sweeps came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SweptRow {
    /// First hour whose expiries may still be there.
    pub(crate) expire: Hour,
    /// First hour whose memories may still be there.
    pub(crate) forget: Hour,
    /// Every day before this one is settled.
    pub(crate) settled: Day,
    /// Where the settlement of the days since stands.
    pub(crate) pass: Pass,
    /// The last day on which no subscription was asked for: no period begins before it.
    pub(crate) dues_from: Day,
    /// Of the ledgers: when the relay was last restored.
    pub(crate) generation: Generation,
}

/// A settlement under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pass {
    /// It settles the days before this one, in however many steps and whatever day it has become.
    pub(crate) day: Day,
    pub(crate) stage: Stage,
    /// The row it goes on from.
    pub(crate) cursor: [u8; 16],
}

/// What a settlement goes through, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    /// What envelopes left that have ended.
    #[default]
    Pending,
    /// Whom to judge by what was counted.
    Standings,
    /// What accounts owe for themselves.
    Accounts,
}

impl Pass {
    /// The pass to go on with: this one, unless the days before its own are settled.
    pub(crate) fn going_on(self, settled: Day, today: Day) -> Self {
        match settled < self.day {
            true => self,
            false => Self { day: today, ..Self::default() },
        }
    }
}

impl Stage {
    pub(crate) fn next(self) -> Option<Self> {
        match self {
            Self::Pending => Some(Self::Standings),
            Self::Standings => Some(Self::Accounts),
            Self::Accounts => None,
        }
    }
}

impl SweptRow {
    /// Of a store in which nothing is older than `now`.
    pub(crate) fn begun(now: Hour) -> Self {
        let generation = Generation::default();
        let (settled, pass) = (now.day(), Pass::default());
        Self { expire: now, forget: now, settled, pass, dues_from: settled, generation }
    }
}

impl Sealed for SweptRow {
    const TABLE: Table = Table::Meta;
    const BYTES: usize = 4 * 3 + (4 + 1 + 16) + 4 + 4;
}

impl Wire for SweptRow {
    fn write(&self, out: &mut Writer) {
        self.expire.write(out);
        self.forget.write(out);
        out.u32(self.settled.0);
        self.pass.write(out);
        out.u32(self.dues_from.0);
        self.generation.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            expire: Wire::read(reader)?,
            forget: Wire::read(reader)?,
            settled: Day(reader.u32()?),
            pass: Wire::read(reader)?,
            dues_from: Day(reader.u32()?),
            generation: Wire::read(reader)?,
        })
    }
}

impl Wire for Pass {
    fn write(&self, out: &mut Writer) {
        let Self { day, stage, cursor } = self;
        out.u32(day.0);
        out.u8(match stage {
            Stage::Pending => 1,
            Stage::Standings => 2,
            Stage::Accounts => 3,
        });
        out.bytes(cursor);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let day = Day(reader.u32()?);
        let stage = match reader.u8()? {
            1 => Stage::Pending,
            2 => Stage::Standings,
            3 => Stage::Accounts,
            _ => return Err(DecodeError::BadValue { field: "stage" }),
        };
        Ok(Self { day, stage, cursor: reader.array()? })
    }
}
