//! Three programs hold a conversation while each is killed: at every point it names, and at random.
//!
//! That no message key seals two plaintexts shows here as well: a key used again would be a number
//! used again, which its recipient takes for a repetition and does not show.

use plico_client::probe::Point;
use plico_relay::writer::Point as RelayPoint;

use crate::crash::trio::{Trio, Victim};
use crate::harness::world::now;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conversation_survives_the_relay_killed_at_every_point() {
    tokio::join!(kill_relay_at_every_point(1), kill_relay_at_every_point(4));
}

async fn kill_relay_at_every_point(nth: u32) {
    let mut trio = Trio::start().await;
    for point in RelayPoint::ALL {
        trio.kill_relay_at(*point, nth).await;
    }
    trio.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conversation_survives_the_business_killed_at_every_point() {
    let mut trio = Trio::start_killing_at(&PUBLISHING).await;
    // The relay tells what became of messages to people only after the UTC day.
    let elsewhere = [PUBLISHING.as_slice(), &[Point::AfterDone]].concat();
    for point in Point::ALL.iter().filter(|point| !elsewhere.contains(point)) {
        trio.kill_business_at(&format!("{}:1", point.name())).await;
    }
    trio.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conversation_survives_the_chat_killed_at_every_point() {
    let mut trio = Trio::start().await;
    for point in Point::ALL.iter().filter(|point| !PUBLISHING.contains(point)) {
        trio.kill_chat_at(&format!("{}:1", point.name())).await;
    }
    trio.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conversation_survives_two_hundred_random_kills() {
    let seed = now().0;
    println!("seed {seed}");
    let worlds = (0..WORLDS).map(|world| tokio::spawn(kill_at_random(seed + world)));
    for world in worlds.collect::<Vec<_>>() {
        world.await.unwrap();
    }
}

async fn kill_at_random(seed: u64) {
    let mut trio = Trio::start().await;
    let mut random = Random(seed);
    for _ in 0..KILLS / WORLDS {
        trio.ask();
        // Not a wait for anything: the moment of the kill is what is random.
        tokio::time::sleep(std::time::Duration::from_micros(random.below(60_000))).await;
        let victim = [Victim::Relay, Victim::Business, Victim::Chat]
            .get(usize::try_from(random.below(3)).unwrap())
            .copied()
            .unwrap();
        trio.kill(victim).await;
        let asked = trio.ask();
        trio.answered(&asked).await;
    }
    trio.judge().await;
}

/// SplitMix64 (Steele, Lea, Flood, 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// What a business does when it begins and once a day, and a person never.
const PUBLISHING: [Point; 2] = [Point::BeforePublish, Point::AfterPublish];
/// Side by side, because an end that has nothing to say notices only at its next keep-alive that the
/// relay is another.
const WORLDS: u64 = 10;
const KILLS: u64 = 200;
