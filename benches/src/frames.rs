//! A round on the wire: the relay's own capacity. A message counts when it was accepted durably,
//! delivered, and, by the end of the round, acknowledged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plico_protocol::envelope::SizeClass;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::pace::{Pace, Pacer, Places};
use crate::pair::{Bank, Counts, Pair, Reports};
use crate::process::Process;
use crate::relay::Relay;
use crate::report::Round;
use crate::tally::{Shared, Tally, Watch};
use crate::wire::Dialer;

/// How much load, for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) class: SizeClass,
    /// Messages per second over all pairs; none for a closed loop.
    pub(crate) per_second: Option<u32>,
    /// Messages of a pair on their way at one time, in a closed loop.
    pub(crate) window: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// Runs one round on a relay whose inboxes are empty.
pub(crate) async fn round(
    relay: &Relay,
    banks: &[Bank],
    load: Load,
    watch: Watch,
) -> Result<Round, Failure> {
    let counts = Arc::new(Counts::default());
    let mut tallies = Vec::new();
    let mut pairs = Vec::new();
    for (number, bank) in (0_u16..).zip(banks) {
        let tally = Shared::default();
        tallies.push(tally.clone());
        let reports = Reports { tally, watch, counts: counts.clone() };
        let places = Places::new(load.window);
        let dialer = Dialer::new(relay.link()).await?;
        let pair =
            Pair::connect(&dialer, (number, bank), load.class, reports, places.clone()).await?;
        pairs.push((pair, places));
    }
    let (running, beat) = start(pairs, load, watch)?;
    let stop = async {
        let round = measure(relay, &tallies, load).await;
        beat.stop()?;
        round
    };
    let (round, ()) = tokio::try_join!(stop, drained(running, load))?;
    counts.check(DRAIN_MAX.as_secs())?;
    Ok(round)
}

/// Ends the messages' coming.
enum Beat {
    Window(Vec<Places>),
    Rate(Pacer),
}

impl Beat {
    fn stop(self) -> Result<(), Failure> {
        match self {
            Self::Window(places) => {
                places.iter().for_each(Places::close);
                Ok(())
            }
            Self::Rate(pacer) => pacer.stop(),
        }
    }
}

type Running = JoinSet<Result<(), Failure>>;

fn start(pairs: Vec<(Pair, Places)>, load: Load, watch: Watch) -> Result<(Running, Beat), Failure> {
    let mut running = JoinSet::new();
    let Some(per_second) = load.per_second else {
        let mut windows = Vec::new();
        for (pair, places) in pairs {
            running.spawn(pair.run(Pace::Window(places.clone(), watch)));
            windows.push(places);
        }
        return Ok((running, Beat::Window(windows)));
    };
    let mut beats = Vec::new();
    for (pair, _) in pairs {
        let (beat, due) = mpsc::channel(DUE_MAX);
        running.spawn(pair.run(Pace::Rate(due)));
        beats.push(beat);
    }
    Ok((running, Beat::Rate(Pacer::start(per_second, beats, watch)?)))
}

/// Warms up, then takes everything at both ends of the measured time.
pub(crate) async fn measure(
    relay: &Relay,
    tallies: &[Shared],
    load: Load,
) -> Result<Round, Failure> {
    tokio::time::sleep(load.warm_up).await;
    let began = Instant::now();
    tallies.iter().for_each(|tally| drop(tally.take()));
    let cpu = || Ok::<_, Failure>((relay.process().cpu()?, Process::own().cpu()?));
    let (relay_before, own_before) = cpu()?;
    tokio::time::sleep(load.measured).await;
    let tally = tallies.iter().fold(Tally::default(), |sum, tally| sum.add(&tally.take()));
    let elapsed = began.elapsed();
    let (relay_after, own_after) = cpu()?;
    let relay_cpu = relay_after.saturating_sub(relay_before);
    let own_cpu = own_after.saturating_sub(own_before);
    Ok(Round::new(&tally, elapsed, relay_cpu, own_cpu))
}

/// Waits for the pairs, whose first failure is the round's; bounded once they were told to stop.
async fn drained(mut running: Running, load: Load) -> Result<(), Failure> {
    let all = async {
        while let Some(ended) = running.join_next().await {
            ended.map_err(Failure::application)??;
        }
        Ok(())
    };
    let limit = load.warm_up + load.measured + DRAIN_MAX;
    // Who was late shows in the counts.
    tokio::time::timeout(limit, all).await.unwrap_or(Ok(()))
}

/// How long what is on its way may take once no more is sent.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(30);
/// Messages of a pair that may be due and not sent: then the rate is out of reach.
const DUE_MAX: usize = 16 * 1024;
