//! One world, from its seed to its history.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::simulation::business::BusinessHost;
use crate::simulation::history::{End, Fact, History};
use crate::simulation::life::Life;
use crate::simulation::medium::Medium;
use crate::simulation::miser::MiserHost;
use crate::simulation::network::Host;
use crate::simulation::person::PersonHost;
use crate::simulation::relay::RelayHost;
use crate::simulation::sabotage::Sabotage;
use crate::simulation::weather::Weather;
use crate::simulation::world::{DOWN_MS, Times, World};

/// How a world is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// What somebody does not do: for the test of the tests.
    pub(crate) sabotage: Option<Sabotage>,
}

impl Plan {
    /// An honest world.
    pub(crate) fn of(seed: u64) -> Self {
        Self { seed, sabotage: None }
    }
}

/// What came of a world.
pub(crate) struct Outcome {
    pub(crate) history: History,
    /// Why somebody in it panicked, which ended it.
    pub(crate) panicked: Option<String>,
    pub(crate) datagrams: u64,
    /// By the paused clock, without the hours that were skipped.
    pub(crate) passed: Duration,
}

/// Runs a world on a runtime of its own, on this thread.
pub(crate) fn run(plan: Plan) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(Box::pin(live(plan)))
}

async fn live(plan: Plan) -> Outcome {
    let began = Instant::now();
    let world = World::new(plan.seed);
    let medium = Medium::new(plan.sabotage == Some(Sabotage::Sync));
    let mut relay_host = RelayHost::new(&world, medium.clone(), plan.sabotage);
    let life = Life::new(&world);
    let relay = relay_host.start(&life).await;
    let mut business = BusinessHost::new(&world);
    let link = business.begin(&relay, &relay_host).await;
    let miser = MiserHost::begin(&world, &relay, &relay_host).await;
    let people = [0, 1].map(|number| PersonHost::new(&world, number, &link, plan.sabotage));
    let mut hosts = vec![(End::Business, business.host.clone())];
    hosts.extend(
        people.iter().enumerate().map(|(number, person)| {
            (End::Person(u8::try_from(number).unwrap()), person.host.clone())
        }),
    );

    let mut everyone = JoinSet::new();
    everyone.spawn(Box::pin(relay_host.live(relay, life)));
    everyone.spawn(Box::pin(business.live()));
    everyone.spawn(Box::pin(miser.live()));
    people.into_iter().for_each(|person| drop(everyone.spawn(Box::pin(person.live()))));
    everyone.spawn(Box::pin(tell(world.clone(), hosts, medium)));
    let mut panicked = None;
    while let Some(ended) = everyone.join_next().await {
        if let Err(error) = ended {
            panicked = Some(words_of(error.into_panic()));
            break;
        }
    }
    Outcome {
        history: world.recorder.history(),
        panicked,
        datagrams: world.net.sent(),
        passed: began.elapsed(),
    }
}

fn words_of(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// Wild times, then calm, until nothing happens any more.
async fn tell(world: World, hosts: Vec<(End, Arc<Host>)>, medium: Arc<Medium>) {
    Weather::new(&world, hosts, medium).rage(WEATHER).await;
    world.begin(Times::Calm);
    // Whoever was just ended comes back.
    sleep(Duration::from_millis(2 * DOWN_MS.end)).await;
    world.note(Fact::Healed);
    quiet(&world).await;
    // What is told once a day, and what is tried again once a day. Then a month: what waits for
    // someone who never comes back is given up. The day after, what that costs is settled.
    for hours in [25, 25, 25, 31 * 24, 25] {
        world.clock.jump(Duration::from_secs(hours * 3_600));
        quiet(&world).await;
    }
    world.begin(Times::Over);
}

/// Returns once nothing has happened for longer than anyone waits before trying again.
async fn quiet(world: &World) {
    for _ in 0..QUIETS_MAX {
        let before = world.recorder.count();
        sleep(SILENCE).await;
        if world.recorder.count() == before {
            return world.note(Fact::Quiet);
        }
    }
    panic!("it never became quiet");
}

const WEATHER: u64 = 12;
const SILENCE: Duration = Duration::from_secs(150);
const QUIETS_MAX: u32 = 100;
