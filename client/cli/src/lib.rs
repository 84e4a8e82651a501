//! The command line for people and businesses: words in, words out. What it does is the SDK's.
//!
//! Reading order: `failure` (how a command ends), `output` (what is printed), `place` (where the state is and what opens it),
//! `text` (what may reach a terminal), `progress`; then the commands.

mod failure;
mod output;
mod place;
mod progress;
mod text;

mod json;
mod link;
mod wording;

mod chat;
mod conversations;
mod inbox;
mod send;

mod business;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use plico_client::Owner;

use failure::Failure;
use output::{print, remark, say};

/// What a program built around this library may choose: the default is the program as shipped.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How the SDK connects and which clock it reads.
    pub client: plico_client::Options,
}

/// Talks to verified businesses, and answers for one, through a Plico relay.
#[derive(Debug, Parser)]
#[command(name = "plico", version, about, after_long_help = failure::exit_help())]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Talks with a business.
    Chat(chat::Chat),
    /// Sends a text to the business of a link and waits until it arrived.
    Send(send::Send),
    /// Prints what came since it was last asked, each message once.
    Inbox(inbox::Inbox),
    /// Lists the conversations of this device.
    Conversations(conversations::Conversations),
    /// Forgets a conversation that has ended, or never began.
    Forget(conversations::Forget),
    /// A business: its keys, its certificate, its answers.
    #[command(subcommand)]
    Business(business::BusinessCommand),
    /// Prints completions for a shell, to be sourced by it.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

impl Command {
    /// Whether it takes the signals to stop by itself.
    fn stops_in_order(&self) -> bool {
        matches!(self, Self::Business(business::BusinessCommand::Serve(_)))
    }
}

/// Runs the program: `Options::default()` is production, tests bring a clock of theirs.
pub fn main_with(options: Options) -> ExitCode {
    let command = CommandLine::parse().command;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::no_runtime(&error).complain(),
    };
    let orderly = command.stops_in_order();
    let done = runtime.block_on(async {
        tokio::select! {
            done = run(command, &options) => done,
            signal = interrupted(), if !orderly => Err(signal),
        }
    });
    // A thread that waits for the terminal would be waited for.
    runtime.shutdown_background();
    match done.and_then(|()| output::lost().map_or(Ok(()), Err)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.complain(),
    }
}

async fn run(command: Command, options: &Options) -> Result<(), Failure> {
    match command {
        Command::Chat(command) => {
            let place = command.place.clone();
            place.explained(Owner::Person, command.run(options).await)
        }
        Command::Send(command) => {
            let place = command.place.clone();
            place.explained(Owner::Person, command.run(options).await)
        }
        Command::Inbox(command) => {
            let place = command.place.clone();
            place.explained(Owner::Person, command.run(options).await)
        }
        Command::Conversations(command) => command.run(options).await,
        Command::Forget(command) => command.run(options).await,
        Command::Business(command) => business::run(command, options).await,
        Command::Completions { shell } => {
            complete(shell);
            Ok(())
        }
    }
}

/// Waits for the operator's wish to end. What was stored goes out after the next start.
async fn interrupted() -> Failure {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler the operating system ends the process by itself.
            core::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            interrupt.await;
            return Failure::interrupted();
        };
        tokio::select! {
            () = interrupt => (),
            _ = terminate.recv() => (),
        }
    }
    #[cfg(not(unix))]
    interrupt.await;
    Failure::interrupted()
}

fn complete(shell: Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "plico", &mut script);
    say(String::from_utf8_lossy(&script).trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn what_a_message_may_cost_cannot_be_negative() {
        let read = |args: &[&str]| {
            let words = ["plico", "business"].iter().chain(args);
            CommandLine::try_parse_from(words).map(|_| ()).map_err(|error| error.to_string())
        };
        for args in [
            ["send", "1", "hello", "--max-price", "-1"].as_slice(),
            ["serve", "--price-max", "-0.05"].as_slice(),
        ] {
            let said = read(args).unwrap_err();
            assert!(said.contains("cannot be negative"), "{args:?}: {said}");
        }
        assert_eq!(read(&["send", "1", "hello", "--max-price", "0.05", "--json"]), Ok(()));
    }

    #[test]
    fn every_shell_gets_completions_that_name_the_commands() {
        use clap::ValueEnum;
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut CommandLine::command(), "plico", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in ["chat", "send", "inbox", "conversations", "business", "completions"] {
                assert!(script.contains(command), "{shell} lacks {command}");
            }
        }
    }
}
