//! Frames of people, businesses and strangers on a relay in memory ([`plico_relay::simulation::Inside`]),
//! and time, crashes, a full disk, payments and certificates between them. Every answer is compared with
//! a model of what was promised (`model.rs`); at the end everybody comes back and takes what is left.

mod audit;
mod client;
mod model;
mod parties;
mod step;
mod world;

use crate::input::Input;
use world::World;

/// The target: two bytes for the operator's limits, then steps of four bytes.
///
/// # Panics
///
/// Where a promise does not hold.
pub fn relay(input: &[u8]) {
    let mut input = Input::new(input);
    let mut world = World::new(input.array().unwrap_or_default());
    let mut steps = 0;
    while world.live(async |life| {
        while steps < STEPS_MAX
            && let Some(next) = input.array()
        {
            steps += 1;
            if step::take(life, next, &mut input).await {
                return true;
            }
        }
        audit::end(life).await;
        false
    }) {}
}

/// Conversations as they go, and then with every kind of mishap. Valid frames of the vectors too, which
/// a stranger sends.
pub fn seeds() -> Vec<Vec<u8>> {
    step::seeds()
}

const STEPS_MAX: u32 = 64;
