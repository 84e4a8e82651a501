//! When a pair's next message is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Semaphore, mpsc};

use crate::failure::Failure;
use crate::tally::Watch;

/// Says when to send.
#[derive(Debug)]
pub(crate) enum Pace {
    /// Whenever one of a number of places is free (closed loop): due is now.
    Window(Places, Watch),
    /// At moments fixed beforehand (open loop), whatever became of the messages before.
    Rate(mpsc::Receiver<u64>),
}

/// Places of a window; one is given back by each delivery.
#[derive(Clone, Debug)]
pub(crate) struct Places(Arc<Semaphore>);

/// Gives the beat to pairs from a thread of its own, because tokio's timers know only
/// milliseconds.
#[derive(Debug)]
pub(crate) struct Pacer {
    stopped: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Result<(), Failure>>,
}

impl Pace {
    /// Waits until a message is due; gives when it was due, or none once it is time to stop.
    pub(crate) async fn next(&mut self) -> Option<u64> {
        match self {
            Self::Window(places, watch) => {
                places.0.acquire().await.ok()?.forget();
                Some(watch.now_us())
            }
            Self::Rate(due) => due.recv().await,
        }
    }

    /// One that is due already.
    pub(crate) fn ready(&mut self) -> Option<u64> {
        match self {
            Self::Window(places, watch) => {
                places.0.try_acquire().ok()?.forget();
                Some(watch.now_us())
            }
            Self::Rate(due) => due.try_recv().ok(),
        }
    }
}

impl Places {
    /// A window of so many messages.
    pub(crate) fn new(window: usize) -> Self {
        Self(Arc::new(Semaphore::new(window)))
    }

    /// Gives one back.
    pub(crate) fn free(&self) {
        self.0.add_permits(1);
    }

    /// No further message is due.
    pub(crate) fn close(&self) {
        self.0.close();
    }
}

impl Pacer {
    /// Starts the beat: `per_second` messages over all pairs in turn.
    pub(crate) fn start(
        per_second: u32,
        pairs: Vec<mpsc::Sender<u64>>,
        watch: Watch,
    ) -> Result<Self, Failure> {
        let stopped = Arc::new(AtomicBool::new(false));
        let told = stopped.clone();
        let beat = move || beat(per_second, &pairs, watch, &told);
        let thread = std::thread::Builder::new().name("pacer".to_owned()).spawn(beat);
        Ok(Self { stopped, thread: thread.map_err(Failure::system("a thread"))? })
    }

    /// Ends the beat.
    pub(crate) fn stop(self) -> Result<(), Failure> {
        self.stopped.store(true, Ordering::Relaxed);
        let ended = self.thread.join();
        ended.unwrap_or_else(|_| Err(Failure::Application("the pacer panicked".to_owned())))
    }
}

fn beat(
    per_second: u32,
    pairs: &[mpsc::Sender<u64>],
    watch: Watch,
    stopped: &AtomicBool,
) -> Result<(), Failure> {
    let began_us = watch.now_us();
    for (number, pair) in (0_u64..).zip(pairs.iter().cycle()) {
        let due_us = began_us + number * 1_000_000 / u64::from(per_second.max(1));
        let wait = watch.until(due_us);
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        if stopped.load(Ordering::Relaxed) {
            break;
        }
        match pair.try_send(due_us) {
            Ok(()) => (),
            Err(mpsc::error::TrySendError::Full(_)) => {
                return Err(Failure::Rate(pair.max_capacity()));
            }
            // The pair failed, and says why.
            Err(mpsc::error::TrySendError::Closed(_)) => break,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_fall_due_evenly_and_in_turn() {
        let (one, mut ones) = mpsc::channel(1_000);
        let (other, mut others) = mpsc::channel(1_000);
        let pacer = Pacer::start(1_000, vec![one, other], Watch::start()).unwrap();
        let first = [ones.blocking_recv(), others.blocking_recv(), ones.blocking_recv()];
        let [first, second, third] = first.map(Option::unwrap);
        assert_eq!((second - first, third - second), (1_000, 1_000));
        pacer.stop().unwrap();
    }

    #[test]
    fn a_pair_that_cannot_keep_up_ends_the_run() {
        let (slow, _held) = mpsc::channel(3);
        let pacer = Pacer::start(1_000_000, vec![slow], Watch::start()).unwrap();
        assert!(matches!(pacer.thread.join().unwrap(), Err(Failure::Rate(3))));
    }

    #[tokio::test]
    async fn a_window_lets_through_what_was_given_back() {
        let places = Places::new(1);
        let mut pace = Pace::Window(places.clone(), Watch::start());
        assert!(pace.next().await.is_some());
        assert_eq!(pace.ready(), None);
        places.free();
        assert!(pace.ready().is_some());
        places.close();
        assert_eq!(pace.next().await, None);
    }
}
