//! Many worlds, several at a time, and what to say of one that failed.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::simulation::checker::{check, report};
use crate::simulation::run::{Outcome, Plan, run};

/// The seeds that are asked for: `PLICO_SEEDS=17` or `PLICO_SEEDS=1000..2000`.
pub(crate) fn asked_for() -> Option<Range<u64>> {
    let asked = std::env::var(VARIABLE).ok()?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match asked.split_once("..") {
        Some((from, to)) => number(from).zip(number(to)).map(|(from, to)| from..to),
        None => number(&asked).map(|seed| seed..seed + 1),
    };
    Some(range.unwrap_or_else(|| panic!("{VARIABLE} is `17` or `1000..2000`, not `{asked}`")))
}

/// Runs the world of each seed, one thread for each processor, and fails with all that failed.
pub(crate) fn check_all(seeds: Range<u64>) {
    let (next, failures) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seeds.end <= seed || FAILURES_MAX <= failures.lock().unwrap().len() {
                return;
            }
            let outcome = run(Plan::of(seed));
            let (done, all) = (seed + 1 - seeds.start, seeds.end - seeds.start);
            if done.is_multiple_of(PROGRESS) {
                let Outcome { datagrams, passed, .. } = outcome;
                eprintln!("{done} of {all} worlds; the last: {datagrams} datagrams, {passed:?}");
            }
            failures.lock().unwrap().extend(failure(seed, &outcome));
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What must not be in a world's history, with the command that shows it again.
fn failure(seed: u64, outcome: &Outcome) -> Option<String> {
    let Outcome { history, panicked, .. } = outcome;
    let found = check(history);
    if found.is_empty() && panicked.is_none() {
        return None;
    }
    let said = format!("{}\n{}", panicked.as_deref().unwrap_or_default(), report(history, &found));
    let whole = format!("{}/simulation-{seed}.txt", env!("CARGO_TARGET_TMPDIR"));
    let most = history.entries.len();
    std::fs::write(&whole, history.tail(most, most)).unwrap();
    Some(format!(
        "seed {seed}: {said}the whole history is in {whole}; again by:\n  \
         {VARIABLE}={seed} cargo test --locked -p plico-tests -- simulation::every_seed\n"
    ))
}

const VARIABLE: &str = "PLICO_SEEDS";
/// After so many the rest tells nothing new.
const FAILURES_MAX: usize = 5;
const PROGRESS: u64 = 50;
