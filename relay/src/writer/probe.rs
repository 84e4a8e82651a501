//! Named points of the commit path, at which tests stop the process to kill it.
//!
//! There is none between writing the journal and syncing it: the store does both before a reader
//! may see anything, and a killed process leaves both alike in the page cache.

use crate::request::{Reply, Request};

/// A place in the commit path, in the order in which a batch passes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// The batch is taken from the queue; nothing is decided.
    BeforeDecide,
    /// Everything is decided; nothing is written.
    BeforeCommit,
    /// The batch is durable; nobody is answered.
    AfterCommit,
    /// Subscribers are woken; nobody is answered.
    AfterWake,
    /// Everyone is answered.
    AfterReply,
}

impl Point {
    /// Every point, in order.
    pub const ALL: &'static [Self] = &[
        Self::BeforeDecide,
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::AfterWake,
        Self::AfterReply,
    ];

    /// The name tests use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BeforeDecide => "before_decide",
            Self::BeforeCommit => "before_commit",
            Self::AfterCommit => "after_commit",
            Self::AfterWake => "after_wake",
            Self::AfterReply => "after_reply",
        }
    }

    /// The point of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|point| point.name() == name)
    }
}

/// Is told of every point reached, on the writer's thread; may keep it there.
pub trait Probe: Send + Sync {
    /// A batch is at `point`.
    fn reached(&self, point: Point);

    /// A request of the batch has this answer, which holds and leaves once the batch is at
    /// [`Point::AfterCommit`]: for a test that compares what a relay does with what it promised. It
    /// lacks the receipt, which is made by whoever waits for the answer.
    fn decided(&self, _request: &Request, _reply: &Reply) {}

    /// The batch is durable, and `reply` gives the whole answer; nobody has it yet.
    fn answered(&self, _request: &Request, _reply: &dyn Fn() -> Reply) {}
}

/// Does nothing: what production uses.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProbe;

impl Probe for NoProbe {
    fn reached(&self, _point: Point) {}
}
