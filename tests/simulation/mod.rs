//! Two people, a business and a relay in one process, from one seed, and the judge of what happened.
//!
//! A world is the programs as they are shipped, without their machines. **Real**: the relay from its
//! listener to its rows, the SDK with its SQLite states, quinn, TLS, every key and every byte on the
//! wire. **Simulated**: the network (datagrams are lost, doubled, late and overtaken, ends are cut
//! off), the relay's disk (full, or without power in the middle of a sync), the clock (paused: it
//! moves when everyone waits, and jumps by hours, days and once by a month), and the applications,
//! which write, answer, change what they allow, revoke, say goodbye and begin anew. Everyone is
//! closed or killed and comes back: an agent at any named point or any moment, the relay at any point
//! of its commit path or in a sync, the business also from a copy of its state. What businesses send has
//! its price, of which some allow less and some have little credit; now and then one pays. A device
//! without the SDK reads what costs something, seldom says so, and revokes. Then nothing more is done to
//! anybody, some days and a month pass until nothing happens any more, the businesses read their
//! ledgers, and the history is judged.
//!
//! A seed gives the same history at every run, but for keys and ids, which are random and of which no
//! choice depends: each place draws from a [`chance`] of its own, quinn and the delays between
//! attempts are seeded, all tasks share one thread, and no choice between events is left to tokio.
//! Two things still run on threads of their own, while everyone waits for them: the relay's check of
//! published prekeys, and a business's copy of its state.
//!
//! Not covered: fjall (killed as a process in `crash`), power cuts of a client, whose states lie in
//! a memory file system and lose only what was not committed, several businesses with the SDK, several
//! relays, and marks, whose delay an agent draws by itself.
//!
//! Reading order: [`world`], [`run`], then who lives in it ([`life`], [`session`], [`relay`],
//! [`business`], [`person`], [`miser`]), what befalls them ([`weather`], [`network`], [`medium`]), what
//! is noted ([`history`], [`recorder`], [`at_rest`]) and how it is judged ([`checker`]; [`sabotage`] judges the judge).

mod at_rest;
mod business;
mod chance;
mod checker;
mod history;
mod life;
mod medium;
mod miser;
mod network;
mod person;
mod print;
mod recorder;
mod relay;
mod run;
mod sabotage;
mod seeds;
mod session;
mod signal;
mod weather;
mod world;

use run::{Plan, run};

#[test]
fn every_seed_keeps_every_promise() {
    seeds::check_all(seeds::asked_for().unwrap_or(0..SEEDS));
}

#[test]
fn a_seed_gives_the_same_history_again() {
    for seed in [1, 2] {
        let [first, again] = [0, 1].map(|_| run(Plan::of(seed)).history.shape());
        assert_eq!(first, again, "seed {seed}");
    }
}

/// Of the ordinary tests.
const SEEDS: u64 = 200;
