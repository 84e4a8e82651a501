//! Whoever keeps the certificates: the relay that runs on the data directory, or the directory
//! itself where none runs.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::Failure;
use crate::admin::command::{Answer, Command};
use crate::admin::socket::{self, CallError};
use crate::admin::{Desk, Standing};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::opening::{self, Opened, Options};
use crate::relay;
use crate::rules::Rules;
use crate::store::Store;
use crate::writer::{NoWake, Running, Writer};

/// Carries commands out, one after the other.
pub(super) enum Registrar<'a> {
    /// A relay runs.
    Relay(&'a Config),
    /// None does; this process holds the directory until it ends.
    Directory(Box<Directory>),
}

/// An opened data directory.
pub(super) struct Directory {
    runtime: Runtime,
    desk: Desk,
    writer: Writer,
    running: Option<Running>,
}

impl<'a> Registrar<'a> {
    /// Finds out which it is.
    pub(super) fn find(config: &'a Config, options: &Options) -> Result<Self, Failure> {
        match socket::call(&config.data_dir, &Command::Describe) {
            Ok(_) => Ok(Self::Relay(config)),
            Err(CallError::NotRunning) => {
                Directory::open(config, options).map(|open| Self::Directory(Box::new(open)))
            }
            Err(error) => Err(Failure::failed(error)),
        }
    }

    /// Carries a command out; a refusal is a failure.
    pub(super) fn call(&self, command: Command) -> Result<Answer, Failure> {
        let answer = match self {
            Self::Relay(config) => {
                socket::call(&config.data_dir, &command).map_err(Failure::failed)?
            }
            Self::Directory(open) => open.runtime.block_on(open.desk.carry_out(command)),
        };
        match answer {
            Answer::Refused(why) => Err(Failure::Refused(why)),
            done => Ok(done),
        }
    }
}

impl Directory {
    /// What a backup reads.
    pub(super) fn store(&self) -> &dyn Store {
        self.desk.store()
    }

    fn open(config: &Config, options: &Options) -> Result<Self, Failure> {
        config.check().map_err(|error| Failure::Usage(error.to_string()))?;
        // Only `serve` begins a relay: here it would be one that nobody meant.
        if !opening::holds_a_relay(&config.data_dir) {
            return Err(Failure::Usage(format!(
                "there is no relay's data in {}; run this where the relay runs or pass its \
                 --config, --data and --keys; a new relay begins with: plico-relay serve",
                config.data_dir.display()
            )));
        }
        let runtime = Runtime::new().map_err(Failure::failed)?;
        let (metrics, _) = Metrics::new(None).map_err(Failure::failed)?;
        // A rate card with a mistake keeps no certificate from being revoked: nobody is charged then.
        let rules = Rules::open(config, options.clock.now().minute());
        let cards = rules.map(|rules| rules.rate_cards).unwrap_or_default();
        let opened = opening::open(config, options, cards, Arc::new(NoWake), metrics);
        let opened = opened.map_err(Failure::failed)?;
        let link = relay::link(config, config.listen.port(), &opened.identity, &opened.keys);
        let link = link.map_err(|error| Failure::Usage(error.to_string()))?;
        let Opened { store, keys, directory, writer, running, .. } = opened;
        let (user, _) = mpsc::channel(1);
        let writer_of_desk = writer.clone();
        let desk = Desk::new(Standing {
            store,
            user,
            directory,
            writer: writer_of_desk,
            keys,
            clock: options.clock.clone(),
            wake: Arc::new(NoWake),
            link,
            config: config.clone(),
            live: None,
        });
        Ok(Self { runtime, desk, writer, running: Some(running) })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.runtime.block_on(self.writer.stop());
        if let Some(running) = self.running.take() {
            // A panic was said on standard error already; every answered command is on disk.
            let _ = self.runtime.block_on(running.join());
        }
    }
}
