//! Rounds, and what they say together: median and spread, as JSON and as a table.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::machine::Machine;
use crate::tally::{Quantiles, Tally};

/// One round of messages.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Round {
    seconds: f64,
    messages: u64,
    per_second: f64,
    accept_us: Quantiles,
    end_to_end_us: Quantiles,
    relay_cpu_us_per_message: f64,
    load_cpu_us_per_message: f64,
}

/// One round of a pair, alone and beside somebody who asks for more than is allowed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AbuseRound {
    pub(crate) calm: Round,
    pub(crate) abused: Round,
    pub(crate) refused_per_second: f64,
}

/// One round of what businesses send, to its end.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MeteringRound {
    /// Messages, from the first that is sent to the last that is settled.
    pub(crate) per_second: f64,
    /// Until the last is accepted and read.
    pub(crate) sent_seconds: f64,
    /// From there until the last is expired and settled.
    pub(crate) settled_seconds: f64,
    pub(crate) relay_cpu_us_per_message: f64,
}

/// One round of connections.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct IdleRound {
    pub(crate) connections: usize,
    /// Of each, by `Rss` of the relay's process.
    pub(crate) resident_bytes: u64,
    /// Of each, by `Private_Clean` and `Private_Dirty`.
    pub(crate) private_bytes: u64,
    /// Resident in all.
    pub(crate) process_bytes: u64,
}

/// What rounds have in common.
pub(crate) trait Measured: Serialize {
    /// Names and values, in the table's order, with the decimals to print.
    fn values(&self) -> Vec<(&'static str, f64, usize)>;
}

/// Everything of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report<R> {
    command: String,
    machine: Machine,
    programs: Vec<Program<R>>,
}

/// The rounds of one relay program.
#[derive(Debug, Serialize)]
struct Program<R> {
    program: String,
    median: Vec<Summary>,
    rounds: Vec<R>,
}

/// One value over all rounds.
#[derive(Debug, Serialize)]
struct Summary {
    name: &'static str,
    median: f64,
    min: f64,
    max: f64,
    #[serde(skip)]
    decimals: usize,
}

impl Round {
    /// Of what happened in `elapsed`.
    pub(crate) fn new(
        tally: &Tally,
        elapsed: Duration,
        relay_cpu: Duration,
        load_cpu: Duration,
    ) -> Self {
        let messages = tally.delivered;
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / real(messages.max(1));
        Self {
            seconds: elapsed.as_secs_f64(),
            messages,
            per_second: real(messages) / elapsed.as_secs_f64(),
            accept_us: Quantiles::of(&tally.accept),
            end_to_end_us: Quantiles::of(&tally.end_to_end),
            relay_cpu_us_per_message: each(relay_cpu),
            load_cpu_us_per_message: each(load_cpu),
        }
    }
}

impl Measured for Round {
    fn values(&self) -> Vec<(&'static str, f64, usize)> {
        let Self { accept_us, end_to_end_us, .. } = self;
        vec![
            ("messages/s", self.per_second, 0),
            ("accept p50 µs", real(accept_us.p50), 0),
            ("accept p99 µs", real(accept_us.p99), 0),
            ("end to end p50 µs", real(end_to_end_us.p50), 0),
            ("end to end p99 µs", real(end_to_end_us.p99), 0),
            ("relay CPU µs/message", self.relay_cpu_us_per_message, 1),
            ("load CPU µs/message", self.load_cpu_us_per_message, 1),
        ]
    }
}

impl Measured for AbuseRound {
    fn values(&self) -> Vec<(&'static str, f64, usize)> {
        let Self { calm, abused, refused_per_second } = self;
        let cpu = |round: &Round| round.relay_cpu_us_per_message * round.per_second;
        vec![
            ("pair alone: messages/s", calm.per_second, 0),
            ("  end to end p50 µs", real(calm.end_to_end_us.p50), 0),
            ("  end to end p99 µs", real(calm.end_to_end_us.p99), 0),
            ("beside: messages/s", abused.per_second, 0),
            ("  end to end p50 µs", real(abused.end_to_end_us.p50), 0),
            ("  end to end p99 µs", real(abused.end_to_end_us.p99), 0),
            ("refused/s", *refused_per_second, 0),
            ("relay CPU µs/refused", (cpu(abused) - cpu(calm)) / refused_per_second.max(1.0), 1),
        ]
    }
}

impl Measured for MeteringRound {
    fn values(&self) -> Vec<(&'static str, f64, usize)> {
        vec![
            ("messages/s", self.per_second, 0),
            ("s until all are read", self.sent_seconds, 2),
            ("s until all are settled", self.settled_seconds, 2),
            ("relay CPU µs/message", self.relay_cpu_us_per_message, 1),
        ]
    }
}

impl Measured for IdleRound {
    fn values(&self) -> Vec<(&'static str, f64, usize)> {
        vec![
            ("resident KiB/connection", real(self.resident_bytes) / 1024.0, 1),
            ("private KiB/connection", real(self.private_bytes) / 1024.0, 1),
            ("process MiB", real(self.process_bytes) / 1024.0 / 1024.0, 1),
        ]
    }
}

impl<R: Measured> Report<R> {
    /// Of the rounds of each program.
    pub(crate) fn new(command: String, machine: Machine, programs: Vec<(String, Vec<R>)>) -> Self {
        let program = |(program, rounds): (String, Vec<R>)| Program {
            median: summaries(&rounds),
            program,
            rounds,
        };
        Self { command, machine, programs: programs.into_iter().map(program).collect() }
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> String {
        // Fails only for maps whose keys are no strings.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// For people: a line for each value, a column for each program.
    pub(crate) fn to_table(&self) -> String {
        let mut lines = vec![("".to_owned(), Vec::new())];
        for program in &self.programs {
            let [first, ..] = lines.as_mut_slice() else { break };
            first.1.push(format!("{} ({} rounds)", program.program, program.rounds.len()));
            for (at, summary) in (1..).zip(&program.median) {
                if lines.len() <= at {
                    lines.push((summary.name.to_owned(), Vec::new()));
                }
                if let Some((_, cells)) = lines.get_mut(at) {
                    cells.push(summary.cell());
                }
            }
        }
        let mut table = format!("{}\n{}\n\n", self.command, self.machine.line());
        for (name, cells) in lines {
            let _ = write!(table, "{name:<NAME_WIDTH$}");
            cells.iter().for_each(|cell| {
                let _ = write!(table, "  {cell:<CELL_WIDTH$}");
            });
            table.truncate(table.trim_end().len());
            table.push('\n');
        }
        table
    }
}

impl Summary {
    /// Median, and the least and most of any round.
    fn cell(&self) -> String {
        let Self { name: _, median, min, max, decimals } = self;
        format!("{median:.decimals$} ({min:.decimals$}-{max:.decimals$})")
    }
}

fn summaries<R: Measured>(rounds: &[R]) -> Vec<Summary> {
    let values: Vec<_> = rounds.iter().map(Measured::values).collect();
    let Some(first) = values.first() else { return Vec::new() };
    let summary = |(at, (name, _, decimals)): (usize, &(&'static str, f64, usize))| {
        let mut found: Vec<f64> =
            values.iter().filter_map(|round| round.get(at)).map(|(_, value, _)| *value).collect();
        found.sort_by(f64::total_cmp);
        let at = |index: usize| found.get(index).copied().unwrap_or_default();
        let last = found.len().saturating_sub(1);
        let median = f64::midpoint(at(last / 2), at(last.div_ceil(2)));
        Summary { name, median, min: at(0), max: at(last), decimals: *decimals }
    };
    first.iter().enumerate().map(summary).collect()
}

/// Counts of a run stay far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^52")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

const NAME_WIDTH: usize = 24;
const CELL_WIDTH: usize = 28;

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(bytes: u64) -> IdleRound {
        IdleRound {
            connections: 1,
            resident_bytes: bytes,
            private_bytes: bytes,
            process_bytes: bytes,
        }
    }

    #[test]
    fn rounds_become_a_median_with_their_spread() {
        let rounds = vec![idle(4096), idle(1024), idle(2048)];
        let machine = Machine::describe(std::path::Path::new("/"));
        let two = vec![("a".to_owned(), rounds), ("b".to_owned(), vec![idle(0), idle(1024)])];
        let report = Report::new("plico-load idle".to_owned(), machine, two);
        let table = report.to_table();
        let line = table.lines().find(|line| line.starts_with("resident")).unwrap();
        assert!(line.contains("2.0 (1.0-4.0)") && line.ends_with("0.5 (0.0-1.0)"), "{table}");
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!(json["programs"][0]["median"][0]["median"], 2.0);
        assert_eq!(json["programs"][1]["rounds"][1]["resident_bytes"], 1024);
    }
}
