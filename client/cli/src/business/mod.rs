//! `plico business`: a business on its own machine.

use clap::Subcommand;

use crate::Options;
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum BusinessCommand {}

#[expect(clippy::unused_async, reason = "every command to come waits for the SDK")]
pub(crate) async fn run(command: BusinessCommand, _options: &Options) -> Result<(), Failure> {
    match command {}
}
