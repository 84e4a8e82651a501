//! What the lives of all applications have in common.

use std::pin::Pin;
use std::time::Duration;

use plico_client::Stopped;

use crate::simulation::chance::Chance;
use crate::simulation::history::{End, Fact};
use crate::simulation::life::Life;
use crate::simulation::world::{Times, World};

/// What is next in an application's life.
pub(crate) enum Next<E> {
    Event(E),
    /// It does something by itself.
    Step,
    Ends(Ending),
}

/// How a life is to end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was killed where it was, and knows nothing of it.
    Dead,
    /// Its time has come.
    TimeIsUp,
    /// The world is over.
    Over,
}

/// How a life went out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Out {
    Killed,
    Closed,
    Over,
}

impl<E> Next<E> {
    /// Waits for what is next: an event, the end of this life, or `pause`.
    pub(crate) async fn of(
        world: &World,
        life: &Life,
        event: impl Future<Output = Result<E, Stopped>>,
        time_is_up: Pin<&mut impl Future<Output = ()>>,
        pause: Duration,
    ) -> Self {
        tokio::select! {
            biased;
            () = life.ended() => Self::Ends(Ending::Dead),
            event = event => match event {
                Ok(event) => Self::Event(event),
                Err(stopped) => {
                    life.mourn(&stopped);
                    Self::Ends(Ending::Dead)
                }
            },
            () = world.until(Times::Over) => Self::Ends(Ending::Over),
            () = time_is_up => Self::Ends(Ending::TimeIsUp),
            () = world.in_wild_times(pause) => Self::Step,
        }
    }
}

impl Life {
    /// An agent that stops by itself, in the middle of its life, is a fault of the SDK.
    pub(crate) fn mourn(&self, stopped: &Stopped) {
        assert!(self.is_over(), "an agent stopped by itself: {stopped}");
    }

    /// Ends an application: it is killed, or closed in order if it is not killed before that is done.
    pub(crate) async fn end(
        &self,
        ending: Ending,
        closing: impl Future<Output = Result<(), Stopped>>,
        chance: &mut Chance,
    ) -> Out {
        if ending == Ending::TimeIsUp && chance.per_mille(500) {
            self.kill();
        }
        if self.is_over() {
            return Out::Killed;
        }
        match closing.await {
            _ if self.is_over() => Out::Killed,
            Ok(()) if ending == Ending::Over => Out::Over,
            Ok(()) => Out::Closed,
            Err(stopped) => panic!("a state failed: {stopped}"),
        }
    }
}

impl Out {
    pub(crate) fn fact(self, end: End) -> Fact {
        match self {
            Self::Killed => Fact::Killed(end),
            Self::Closed | Self::Over => Fact::Closed(end),
        }
    }
}
