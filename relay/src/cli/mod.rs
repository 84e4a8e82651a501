//! The command line: words in, words out. What it does is elsewhere; here it is only said.
//!
//! Exit status: 0 done; 1 failed, and trying again may help; 2 wrong usage or settings; 3 refused
//! by a rule, and trying again will not help; 74 the relay could not commit to its disk.

mod authority;
mod backup;
mod business;
mod facts;
mod keys;
mod ledger;
mod list;
mod rate_card;
mod registrar;
mod serve;
mod standing;
mod status;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::admin::command::Answer;
use crate::admin::ledger::Days;
use crate::admin::{self, socket};
use crate::config::Config;
use crate::opening::Options;

/// Runs a Plico relay and issues certificates to businesses.
#[derive(Debug, Parser)]
#[command(name = "plico-relay", version, about, after_help = AFTER_HELP)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a relay; without settings it makes its keys, certificate and database here.
    Serve {
        #[command(flatten)]
        place: Place,
        /// Where to listen: IP address and UDP port, such as 127.0.0.1:4433.
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<SocketAddr>,
    },
    /// Prints every setting with its default, unit and meaning, as a settings file.
    Config,
    /// The operator's key that signs certificates.
    #[command(subcommand)]
    Authority(AuthorityCommand),
    /// The businesses of this relay.
    #[command(subcommand)]
    Business(business::BusinessCommand),
    /// What messages cost.
    #[command(subcommand)]
    RateCard(rate_card::RateCardCommand),
    /// Shows which keys there are, since when and what comes next; no secret.
    #[command(args_conflicts_with_subcommands = true)]
    Keys {
        #[command(subcommand)]
        command: Option<keys::KeysCommand>,
        #[command(flatten)]
        place: Place,
    },
    /// Shows what businesses were charged, a line for each business, day, category and zone (UTC).
    Ledger {
        /// One business only, by its handle.
        #[arg(long, value_name = "HANDLE")]
        business: Option<String>,
        /// One month only: 2026-11.
        #[arg(long, value_name = "YYYY-MM", value_parser = ledger::month)]
        month: Option<Days>,
        /// One day only: 2026-11-21.
        #[arg(long, value_name = "YYYY-MM-DD", value_parser = ledger::day, conflicts_with = "month")]
        day: Option<Days>,
        /// As comma-separated values, for spreadsheets.
        #[arg(long, conflicts_with = "json")]
        csv: bool,
        /// As a JSON array, for scripts.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Has the running relay read its certificates, rate card and zones again; so does SIGHUP.
    Reload {
        #[command(flatten)]
        place: Place,
    },
    /// Shows what the running relay counts: messages, refusals, connections, disk.
    Status {
        /// Everything, as one JSON object.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Writes everything the relay holds, but no key, to a file; the relay may be running.
    Backup {
        /// A file that is not there yet, or a directory for one named by the time.
        to: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Fills an empty data directory from a backup; the keys must be in their directory.
    Restore {
        /// The backup.
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Prints a script that completes this program's words in a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
enum AuthorityCommand {
    /// Makes the authority's key pair.
    Init {
        #[command(flatten)]
        place: Place,
    },
    /// Certifies a relay's ledger key where the authority's secret is kept away from it.
    CertifyLedger {
        /// The key, as `plico-relay keys` shows it there.
        key: String,
        /// The file to write, instead of `ledger.certificate`.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
}

/// Where settings, data and keys are.
#[derive(Debug, Args)]
struct Place {
    /// A settings file (TOML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory, instead of the setting `data_dir`.
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// The key directory, instead of the setting `keys_dir`.
    #[arg(long, value_name = "DIRECTORY")]
    keys: Option<PathBuf>,
}

/// Why a command did not do what it was asked. Says what happened, why, and what to do next.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Trying again may help.
    #[error("{0}")]
    Failed(String),
    /// Wrong usage or settings.
    #[error("{0}")]
    Usage(String),
    /// A rule refuses it.
    #[error("{0}")]
    Refused(String),
}

/// Runs the program: `Options::default()` is production, tests bring a probe.
pub fn main_with(options: Options) -> ExitCode {
    let done = match CommandLine::parse().command {
        Command::Serve { place, listen } => {
            place.settings().and_then(|config| serve::run(config, listen, options))
        }
        Command::Config => {
            say(Config::default().to_toml().trim_end());
            Ok(())
        }
        Command::Authority(AuthorityCommand::Init { place }) => {
            place.settings().and_then(|config| authority::init(&config))
        }
        Command::Authority(AuthorityCommand::CertifyLedger { key, out, place }) => {
            let now = options.clock.now();
            let certify = |config| authority::certify_ledger(&config, &key, out.as_deref(), now);
            place.settings().and_then(certify)
        }
        Command::Business(command) => business::run(command, &options),
        Command::RateCard(command) => rate_card::run(command, options.clock.now().minute()),
        Command::Keys { command, place } => keys::run(command, &place, &options),
        Command::Ledger { business, month, day, csv, json, place } => {
            let form = match (csv, json) {
                (true, _) => ledger::Form::Csv,
                (_, true) => ledger::Form::Json,
                _ => ledger::Form::Table,
            };
            let days = month.or(day).unwrap_or(Days::ALL);
            let shown = |config| ledger::run(business.as_deref(), days, form, &config, &options);
            place.settings().and_then(shown)
        }
        Command::Reload { place } => place.settings().and_then(|config| reload(&config)),
        Command::Status { json, place } => {
            place.settings().and_then(|config| status::run(&config, json))
        }
        Command::Backup { to, place } => {
            place.settings().and_then(|config| backup::back_up(&to, &config, &options))
        }
        Command::Restore { file, place } => {
            place.settings().and_then(|config| backup::restore(&file, &config, &options))
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            let mut words = CommandLine::command();
            clap_complete::generate(shell, &mut words, "plico-relay", &mut script);
            say(String::from_utf8_lossy(&script).trim_end());
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            failure.status()
        }
    }
}

impl Place {
    fn settings(&self) -> Result<Config, Failure> {
        let mut config = match &self.config {
            Some(path) => read_settings(path)?,
            None => Config::default(),
        };
        config.data_dir = self.data.clone().unwrap_or(config.data_dir);
        config.keys_dir = self.keys.clone().unwrap_or(config.keys_dir);
        Ok(config)
    }
}

fn reload(config: &Config) -> Result<(), Failure> {
    match socket::call(&config.data_dir, &admin::command::Command::Reload) {
        Ok(Answer::Reloaded) => {
            say("reloaded  certificates, rate card and zones");
            Ok(())
        }
        Ok(Answer::Refused(why)) => Err(Failure::Refused(why)),
        Ok(_) => Err(business::unexpected()),
        Err(error) => Err(Failure::failed(error)),
    }
}

impl Failure {
    fn status(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Refused(_) => 3,
        })
    }

    fn failed(error: impl core::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    fn refused(error: impl core::fmt::Display) -> Self {
        Self::Refused(error.to_string())
    }
}

fn read_settings(path: &Path) -> Result<Config, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::Usage(format!("cannot read the settings file {}: {error}", path.display()))
    })?;
    Config::parse(&text).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

/// One line, or several, to whoever typed the command.
fn say(text: impl core::fmt::Display) {
    // Whoever closed the pipe wants to read no more; what was asked is done all the same.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn complain(failure: &Failure) {
    let _ = writeln!(std::io::stderr(), "plico-relay: {failure}");
}

const AFTER_HELP: &str = "Exit status: 0 done; 1 failed, trying again may help; 2 wrong usage or \
    settings; 3 refused by a rule; 74 the relay could not commit to its disk.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn an_amount_cannot_be_negative_and_what_follows_it_is_still_read() {
        let read = |args: &[&str]| {
            let words = ["plico-relay", "business"].iter().chain(args);
            CommandLine::try_parse_from(words).map(|_| ()).map_err(|error| error.to_string())
        };
        for command in ["pay", "correct", "credit"] {
            for amount in ["-1", "-0.05"] {
                let said = read(&[command, "bank", amount]).unwrap_err();
                assert!(said.contains("cannot be negative"), "{command} {amount}: {said}");
            }
        }
        assert_eq!(read(&["pay", "bank", "1", "--reference", "RF18"]), Ok(()));
        assert_eq!(read(&["pay", "--reference", "RF18", "bank", "1"]), Ok(()));
        assert_eq!(read(&["credit", "bank", "default"]), Ok(()));
    }

    #[test]
    fn directories_on_the_command_line_win_over_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("settings.toml");
        std::fs::write(&path, "data_dir = \"a\"\nkeys_dir = \"b\"\n").unwrap();
        let place = Place { config: Some(path), data: Some("c".into()), keys: None };
        let config = place.settings().unwrap();
        assert_eq!((config.data_dir, config.keys_dir), ("c".into(), "b".into()));
    }

    #[test]
    fn a_settings_file_that_is_wrong_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("settings.toml");
        std::fs::write(&path, "speed = 1\n").unwrap();
        let place = Place { config: Some(path), data: None, keys: None };
        let failure = place.settings().unwrap_err();
        assert!(
            matches!(&failure, Failure::Usage(text) if text.contains("settings.toml: unknown"))
        );
    }
}
