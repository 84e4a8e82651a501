//! One life of a program, from its start until it is killed or let go.
//!
//! A killed program stops where it is: its network goes silent, its storage takes nothing more, and
//! what still runs of it unwinds at the next point it reaches. That point is where the agent or the
//! writer was killed, or the next at which it would have changed anything.

use std::sync::{Arc, Mutex};

use plico_client::ContentId;
use plico_client::probe::Point as AgentPoint;
use plico_protocol::frame::Submission;
use plico_relay::request::{Reply, Request};
use plico_relay::writer::{self, Point as WriterPoint};

use crate::simulation::chance::Chance;
use crate::simulation::recorder::{RulingWatch, SealWatch};
use crate::simulation::signal::Signal;
use crate::simulation::world::{Times, World};

/// Whether a program lives, and where it is to die.
pub(crate) struct Life {
    over: Signal,
    times: Arc<Signal>,
    end: Mutex<Option<End>>,
}

/// A place a program passes, and how often it still does.
struct End {
    place: Place,
    passes: u64,
}

/// Where a program can be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Of a person's or a business's agent.
    Agent(AgentPoint),
    /// Of the relay's writer.
    Writer(WriterPoint),
    /// In the middle of a sync; the batch is kept or not.
    Sync {
        /// What the medium shows afterwards.
        kept: bool,
    },
}

impl Life {
    pub(crate) fn new(world: &World) -> Arc<Self> {
        let times = world.times.clone();
        Arc::new(Self { over: Signal::default(), times, end: Mutex::default() })
    }

    /// Ends it now.
    pub(crate) fn kill(&self) {
        self.over.raise(1);
    }

    pub(crate) fn is_over(&self) -> bool {
        0 < self.over.level()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self) {
        self.over.reached(1).await;
    }

    /// Does something of this life that may kill it; none if it did.
    pub(crate) async fn survive<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        match tokio::spawn(work).await {
            Ok(done) => Some(done),
            Err(_) if self.is_over() => None,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Has it die at a place, after it passed there some times.
    pub(crate) fn die_at(&self, place: Place, passes: u64) {
        *self.end.lock().unwrap() = Some(End { place, passes });
    }

    /// Whether it dies here, having been alive. In calm times nobody does.
    pub(crate) fn dies_at(&self, at: Place) -> bool {
        if self.times.level() != Times::Wild as u8 {
            return false;
        }
        let mut end = self.end.lock().unwrap();
        let Some(End { place: _, passes }) = end.as_mut().filter(|end| end.place == at) else {
            return false;
        };
        if 0 < *passes {
            *passes -= 1;
            return false;
        }
        *end = None;
        drop(end);
        self.kill();
        true
    }

    /// Unwinds what still runs of a program that is dead, or dies here.
    fn pass(&self, at: Place) {
        if self.is_over() || self.dies_at(at) {
            std::panic::resume_unwind(Box::new("killed by the simulation"));
        }
    }
}

impl Place {
    /// A point of an agent's work.
    pub(crate) fn of_agent(chance: &mut Chance) -> Self {
        Self::Agent(*chance.pick(AgentPoint::ALL))
    }

    /// A point of the relay's commit path.
    pub(crate) fn of_relay(chance: &mut Chance) -> Self {
        match chance.within(0..4) {
            0 => Self::Sync { kept: chance.per_mille(500) },
            _ => Self::Writer(*chance.pick(WriterPoint::ALL)),
        }
    }
}

/// Watches an agent for the history, and kills it.
pub(crate) struct AgentProbe {
    pub(crate) life: Arc<Life>,
    pub(crate) watch: SealWatch,
}

/// The same for the relay's writer.
pub(crate) struct WriterProbe {
    pub(crate) life: Arc<Life>,
    pub(crate) watch: Arc<RulingWatch>,
}

impl plico_client::probe::Probe for AgentProbe {
    fn reached(&self, point: AgentPoint) {
        self.life.pass(Place::Agent(point));
    }

    fn sealed(&self, id: ContentId, submission: &Submission, first: bool) {
        self.watch.sealed(id, submission, first);
    }
}

impl writer::Probe for WriterProbe {
    fn reached(&self, point: WriterPoint) {
        // What is on the medium was decided, whoever dies of it.
        if !self.life.is_over() {
            self.watch.reached(point);
        }
        self.life.pass(Place::Writer(point));
    }

    fn decided(&self, request: &Request, reply: &Reply) {
        self.watch.decided(request, reply);
    }

    fn answered(&self, request: &Request, reply: &dyn Fn() -> Reply) {
        self.watch.answered(request, reply);
    }
}
