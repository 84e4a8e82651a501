//! The command line, and the order of rounds.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use plico_protocol::envelope::SizeClass;
use plico_protocol::link::RelayLink;
use tokio::runtime::Runtime;

use crate::abuse::{self, Flow};
use crate::failure::Failure;
use crate::flood::{Abuse, Flooded};
use crate::frames::{self, Load};
use crate::idle;
use crate::machine::Machine;
use crate::metering::{self, Amount};
use crate::pair::Bank;
use crate::relay::{Relay, allowing, default_program};
use crate::report::{AbuseRound, IdleRound, Measured, MeteringRound, Report, Round};
use crate::sdk::{self, Couple};
use crate::served::{self, Served};
use crate::tally::Watch;

/// Puts load on a Plico relay and reports what it took.
///
/// Load and relay share the machine: compare programs within one run, not numbers of two runs.
#[derive(Debug, Parser)]
#[command(name = "plico-load", version)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// Envelopes of noise straight on the wire: what the relay itself can do.
    Frames {
        #[command(flatten)]
        load: LoadArguments,
        /// Messages per second over all pairs, due at fixed moments; 0 sends when a place of the
        /// window is free.
        #[arg(long, default_value_t = 0)]
        rate: u32,
        #[command(flatten)]
        run: RunArguments,
    },
    /// People and businesses on the SDK, with sessions and state on disk.
    Sdk {
        #[command(flatten)]
        load: LoadArguments,
        #[command(flatten)]
        run: RunArguments,
    },
    /// Somebody asks for a hundred times what is allowed, beside a pair that does not.
    Abuse {
        /// What is asked; given again, one after the other.
        #[arg(long, value_enum, required = true)]
        kind: Vec<Abuse>,
        /// What a network or an account is allowed in a minute; the pair sends half of it.
        #[arg(long, default_value_t = 6_000)]
        allowed: u32,
        /// Seconds measured in each half of a round.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        /// Instead of rounds, have exactly so many refused and end: for tools that count what the
        /// relay does.
        #[arg(long, value_name = "REFUSED")]
        count: Option<u64>,
        #[command(flatten)]
        run: RunArguments,
    },
    /// What businesses send, a third of it free, a third charged and read, a third charged and never
    /// fetched, to its end. The relay is inside this program: --program names builds of it, the
    /// default is this one.
    Metering {
        /// Businesses, each with two customers.
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
        pairs: u16,
        /// Messages of each kind from each business.
        #[arg(long, default_value_t = 900, value_parser = clap::value_parser!(u32).range(1..=1000))]
        each: u32,
        /// Messages of a business that are not answered yet.
        #[arg(long, default_value_t = 16)]
        window: usize,
        #[command(flatten)]
        run: RunArguments,
    },
    /// The relay of `metering`: what it reads from standard input are hours to put its clock forward.
    #[command(hide = true)]
    Relay {
        /// Its settings.
        config: PathBuf,
    },
    /// Connections that wait for mail: memory of the relay for each. A new relay for each round.
    Idle {
        /// Connections, each of a person with one subscribed mailbox.
        #[arg(long, default_value_t = 1_000)]
        connections: usize,
        /// Seconds before each look at the memory.
        #[arg(long, default_value_t = 3)]
        settle: u64,
        #[command(flatten)]
        run: RunArguments,
    },
}

#[derive(Clone, Copy, Debug, Args)]
struct LoadArguments {
    /// Pairs of a person who sends and a business that receives.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pairs: u16,
    /// Size of each envelope.
    #[arg(long, value_enum, default_value_t = Size::Kib2)]
    size: Size,
    /// Messages of a pair on their way at one time.
    #[arg(long, default_value_t = 1)]
    window: usize,
    /// Seconds measured in each round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Seconds before them.
    #[arg(long, default_value_t = 1)]
    warm_up: u64,
}

#[derive(Clone, Debug, Args)]
struct RunArguments {
    /// Rounds for each relay, taken in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The relay's program; given again, the programs are compared. [default: plico-relay beside
    /// this program]
    #[arg(long, value_name = "PATH")]
    program: Vec<PathBuf>,
    /// Where spawned relays and applications keep their data for the run. [default: the system's
    /// temporary directory]
    #[arg(long, value_name = "DIRECTORY")]
    place: Option<PathBuf>,
    /// A relay that runs already on this machine, instead of a program.
    #[arg(long, value_name = "LINK", requires_all = ["pid", "data", "keys"])]
    relay: Option<RelayLink>,
    /// Its process.
    #[arg(long)]
    pid: Option<u32>,
    /// Its data directory, in which it hears its operator.
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// Its key directory, to certify the businesses of the run.
    #[arg(long, value_name = "DIRECTORY")]
    keys: Option<PathBuf>,
    /// Where to write the report as JSON, besides the table.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Size {
    #[value(name = "2k")]
    Kib2,
    #[value(name = "8k")]
    Kib8,
    #[value(name = "32k")]
    Kib32,
    #[value(name = "64k")]
    Kib64,
}

/// Carries a command out.
pub(crate) fn run(command: CommandLine) -> Result<(), Failure> {
    let runtime = Runtime::new().map_err(Failure::system("a tokio runtime"))?;
    match command.mode {
        Mode::Frames { load, rate, run } => {
            let class = Load { per_second: Some(rate).filter(|rate| 0 < *rate), ..load.load() };
            run.report(runtime.block_on(run.frames(load.pairs, class))?)
        }
        Mode::Sdk { load, run } => run.report(runtime.block_on(run.sdk(load.pairs, load.load()))?),
        Mode::Abuse { kind, count: Some(refused), run, .. } => {
            runtime.block_on(run.refused(&kind, refused))
        }
        Mode::Abuse { kind, allowed, seconds, count: None, run } => {
            let measured = Duration::from_secs(seconds.max(1));
            run.report(runtime.block_on(run.abuse(&kind, allowed, measured))?)
        }
        Mode::Metering { pairs, each, window, run } => {
            let rounds = runtime.block_on(run.metering(Amount { pairs, each, window }))?;
            run.report(rounds)
        }
        Mode::Relay { config } => runtime.block_on(served::serve(&config)),
        Mode::Idle { connections, settle, run } => {
            let settle = Duration::from_secs(settle);
            run.report(runtime.block_on(run.idle(connections, settle))?)
        }
    }
}

/// The rounds of each relay, by its name.
type Rounds<R> = Vec<(String, Vec<R>)>;

impl RunArguments {
    async fn frames(&self, pairs: u16, load: Load) -> Result<Rounds<Round>, Failure> {
        let watch = Watch::start();
        let mut relays = Vec::new();
        for (name, relay) in self.relays()? {
            let banks = (0..usize::from(pairs)).map(|number| Bank::certified(&relay, number));
            let banks = banks.collect::<Result<Vec<_>, _>>()?;
            relays.push((name, relay, banks, Vec::new()));
        }
        for _ in 0..self.rounds {
            for (_, relay, banks, rounds) in &mut relays {
                rounds.push(frames::round(relay, banks, load, watch).await?);
            }
        }
        Ok(relays.into_iter().map(|(name, _, _, rounds)| (name, rounds)).collect())
    }

    async fn sdk(&self, pairs: u16, load: Load) -> Result<Rounds<Round>, Failure> {
        let watch = Watch::start();
        let mut relays = Vec::new();
        for (name, relay) in self.relays()? {
            let mut couples = Vec::new();
            for number in 0..usize::from(pairs) {
                couples.push(Couple::meet(&relay, number).await?);
            }
            relays.push((name, relay, couples, Vec::new()));
        }
        for _ in 0..self.rounds {
            for (_, relay, couples, rounds) in &mut relays {
                rounds.push(sdk::round(relay, couples, load, watch).await?);
            }
        }
        let mut done = Vec::new();
        for (name, _relay, couples, rounds) in relays {
            for couple in couples {
                couple.part().await?;
            }
            done.push((name, rounds));
        }
        Ok(done)
    }

    /// A relay that was used keeps memory for later, so each round has one of its own.
    async fn idle(&self, count: usize, settle: Duration) -> Result<Rounds<IdleRound>, Failure> {
        let mut done: Rounds<IdleRound> = Vec::new();
        for _ in 0..self.rounds {
            for (at, which) in self.which().iter().enumerate() {
                let (name, relay) = self.start(which)?;
                let round = idle::round(&relay, count, settle).await?;
                match done.get_mut(at) {
                    Some((_, rounds)) => rounds.push(round),
                    None => done.push((name, vec![round])),
                }
            }
        }
        Ok(done)
    }

    /// Each kind of abuse has a relay of its own, whose allowances nobody has used.
    async fn abuse(
        &self,
        kinds: &[Abuse],
        allowed: u32,
        measured: Duration,
    ) -> Result<Rounds<AbuseRound>, Failure> {
        let (watch, mut done) = (Watch::start(), Vec::new());
        let per_second = allowed.saturating_mul(100) / 60;
        let load = Load {
            class: SizeClass::Small,
            per_second: Some((allowed / 120).max(1)),
            window: 1,
            warm_up: Duration::from_secs(2),
            measured,
        };
        for abuse in kinds {
            let program = self.program.first().cloned().unwrap_or_else(default_program);
            let relay = Relay::spawn_with(&program, &self.place(), allowing(allowed, *abuse))?;
            let pair = Bank::certified(&relay, 0)?;
            let flow = Flow { abuse: *abuse, per_second };
            let mut rounds = Vec::new();
            for number in 1..=self.rounds {
                rounds.push(abuse::round(&relay, &pair, flow, (load, number), watch).await?);
            }
            done.push((abuse::name(*abuse), rounds));
        }
        Ok(done)
    }

    async fn metering(&self, amount: Amount) -> Result<Rounds<MeteringRound>, Failure> {
        let own = std::env::current_exe().map_err(Failure::system("this program"))?;
        let programs = if self.program.is_empty() { vec![own] } else { self.program.clone() };
        let name = |program: &PathBuf| {
            program.file_name().unwrap_or_default().to_string_lossy().into_owned()
        };
        let mut done: Rounds<_> =
            programs.iter().map(|program| (name(program), Vec::new())).collect();
        for _ in 0..self.rounds {
            for (program, (_, rounds)) in programs.iter().zip(&mut done) {
                let served = Served::spawn(program, &self.place())?;
                rounds.push(metering::round(served, amount).await?);
            }
        }
        Ok(done)
    }

    /// What a relay does for requests it refuses: nothing else is asked of it.
    async fn refused(&self, kinds: &[Abuse], refused: u64) -> Result<(), Failure> {
        for abuse in kinds {
            let program = self.program.first().cloned().unwrap_or_else(default_program);
            let relay =
                Relay::spawn_with(&program, &self.place(), allowing(ALLOWED_COUNTING, *abuse))?;
            let flooded = abuse::count(&relay, *abuse, refused).await?;
            relay.stop()?;
            let Flooded { served, refused } = flooded;
            let line = format!("{}: {served} served, {refused} refused\n", abuse::name(*abuse));
            let mut output = std::io::stdout();
            output.write_all(line.as_bytes()).map_err(Failure::system("the result"))?;
        }
        Ok(())
    }

    fn relays(&self) -> Result<Vec<(String, Relay)>, Failure> {
        self.which().iter().map(|which| self.start(which)).collect()
    }

    fn which(&self) -> Vec<Which> {
        match (&self.relay, &self.pid, &self.data, &self.keys) {
            (Some(link), Some(pid), Some(data), Some(keys)) => {
                let (link, data, keys) = (link.clone(), data.clone(), keys.clone());
                vec![Which::Running { link, pid: *pid, data, keys }]
            }
            _ if self.program.is_empty() => vec![Which::Program(default_program())],
            _ => self.program.iter().cloned().map(Which::Program).collect(),
        }
    }

    fn start(&self, which: &Which) -> Result<(String, Relay), Failure> {
        let place = self.place();
        match which {
            Which::Program(program) => {
                let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Ok((name, Relay::spawn(program, &place)?))
            }
            Which::Running { link, pid, data, keys } => {
                let relay = Relay::running(link.clone(), *pid, data.clone(), keys.clone(), &place)?;
                Ok(("running relay".to_owned(), relay))
            }
        }
    }

    fn place(&self) -> PathBuf {
        self.place.clone().unwrap_or_else(std::env::temp_dir)
    }

    fn report<R: Measured>(&self, rounds: Rounds<R>) -> Result<(), Failure> {
        let data = self.data.clone().unwrap_or_else(|| self.place());
        let report = Report::new(words(), Machine::describe(&data), rounds);
        if let Some(file) = &self.json {
            std::fs::write(file, report.to_json()).map_err(Failure::system("the JSON report"))?;
        }
        let mut output = std::io::stdout();
        output.write_all(report.to_table().as_bytes()).map_err(Failure::system("the table"))
    }
}

/// A relay to be had.
enum Which {
    Program(PathBuf),
    Running { link: RelayLink, pid: u32, data: PathBuf, keys: PathBuf },
}

impl LoadArguments {
    fn load(&self) -> Load {
        Load {
            class: self.size.class(),
            per_second: None,
            window: self.window.max(1),
            warm_up: Duration::from_secs(self.warm_up),
            measured: Duration::from_secs(self.seconds.max(1)),
        }
    }
}

impl Size {
    fn class(self) -> SizeClass {
        match self {
            Self::Kib2 => SizeClass::Small,
            Self::Kib8 => SizeClass::Medium,
            Self::Kib32 => SizeClass::Large,
            Self::Kib64 => SizeClass::Huge,
        }
    }
}

/// The command as it was given, without the directory of the program.
fn words() -> String {
    let arguments = std::env::args().skip(1);
    core::iter::once("plico-load".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// Enough to connect with; what comes back while a slow tool counts is a request or two.
const ALLOWED_COUNTING: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_fit_together() {
        use clap::CommandFactory as _;
        CommandLine::command().debug_assert();
        let parse = |words: &str| CommandLine::try_parse_from(words.split(' '));
        assert!(parse("plico-load frames --pairs 64 --size 8k --window 16 --rounds 3").is_ok());
        assert!(parse("plico-load idle --relay plico://x").is_err(), "without its process");
    }
}
