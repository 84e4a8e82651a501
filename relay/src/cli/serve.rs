//! `plico-relay serve`: starts, says what a person needs, stops when told to.

use std::net::SocketAddr;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Failure, say};
use crate::admin::command::{Answer, Command};
use crate::config::Config;
use crate::opening::Options;
use crate::relay::{Relay, StartError};
use crate::telemetry;

/// Runs a relay until Ctrl-C or SIGTERM.
pub(super) fn run(
    config: Config,
    listen: Option<SocketAddr>,
    options: Options,
) -> Result<(), Failure> {
    let config = Config { listen: listen.unwrap_or(config.listen), ..config };
    telemetry::install(config.log_level);
    let runtime = Runtime::new().map_err(Failure::failed)?;
    let done = runtime.block_on(async {
        // Before the relay: a signal that comes while it starts must stop it in order, too.
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::failed)?;
        let mut hang_up = signal(SignalKind::hangup()).map_err(Failure::failed)?;
        let relay = Relay::start(config.clone(), options).await.map_err(failure)?;
        announce(&relay, &config);
        loop {
            tokio::select! {
                () = told_to_stop(&mut interrupt, &mut terminate) => break,
                _ = hang_up.recv() => match relay.desk().carry_out(Command::Reload).await {
                    Answer::Refused(why) => say(format_args!("not reloaded: {why}")),
                    _ => say("reloaded"),
                },
            }
        }
        say("stopping");
        tokio::select! {
            stopped = relay.shutdown() => stopped.map_err(Failure::failed)?,
            () = told_to_stop(&mut interrupt, &mut terminate) => {
                return Err(Failure::Failed(
                    "stopped at once, as told twice; what was accepted is on disk".to_owned(),
                ));
            }
        }
        say("stopped");
        Ok(())
    });
    // A disk that hangs must not keep the process: its time to stop in order is over.
    runtime.shutdown_background();
    done
}

fn announce(relay: &Relay, config: &Config) {
    say(format_args!("listening  {} (UDP)", relay.local_addr()));
    say(format_args!("link       {}", relay.link()));
    say(format_args!(
        "keys       {} (secret; back up apart from the data)",
        config.keys_dir.display()
    ));
    say(format_args!("data       {}", config.data_dir.display()));
    if config.public_host.is_empty() && relay.local_addr().ip().is_unspecified() {
        say("note       the link names this machine only; set `public_host` to what others reach");
    }
    say("ready");
}

async fn told_to_stop(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => (),
        _ = terminate.recv() => (),
    }
}

fn failure(error: StartError) -> Failure {
    match error {
        StartError::Config(_) | StartError::PublicHost(_) | StartError::Rules(_) => {
            Failure::Usage(error.to_string())
        }
        _ => Failure::failed(error),
    }
}
