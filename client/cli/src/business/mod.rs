//! `plico business …`: what a business runs, from its keys to its first answer.
//!
//! Every command but `init`, `serve` and `restore` asks a running `serve` over its socket, and
//! opens the state itself where none runs.

mod backup;
mod begin;
mod customers;
mod dates;
mod desk;
mod kind;
mod link;
mod pipe;
mod price;
mod printer;
mod profile;
mod qr;
mod rules;
mod send;
mod serve;
mod shown;
mod socket;
mod standing;
mod start;
mod statement;
mod told;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use plico_client::{Business, OpenError, Owner};

use crate::Options;
use crate::failure::{Failure, Status};
use crate::place::Place;
use crate::progress::waiting;
use crate::{remark, say};
use desk::{Answer, Request, carry_out};
use rules::{Rules, RulesError};

/// The commands of a business.
#[derive(Debug, Subcommand)]
pub(crate) enum BusinessCommand {
    /// Makes the business's keys and writes the request to hand to the relay's operator.
    Init(begin::Init),
    /// Writes the request again; it holds no private key.
    Request(begin::Again),
    /// Installs the certificate that the operator made from the request.
    InstallCertificate(begin::Install),
    /// Receives messages and answers them, until stopped by Ctrl-C or SIGTERM.
    Serve(start::Start),
    /// Sends a message to a customer, by its number.
    Send(send::Send),
    /// Shows what a message to a customer would cost now, or until when it is free.
    Price(price::Preview),
    /// Lists the customers, what answers cost now, and their consents.
    Customers(customers::List),
    /// Prints the link to share, with its QR code.
    Link(link::Share),
    /// Shows and changes what the business says of itself, and its status of the day.
    Profile(profile::Profile),
    /// Shows whether you may send, and what people's reports you are judged by.
    Standing(standing::Show),
    /// What the relay charges for a month, checked line by line against this business's receipts.
    Statement(statement::Month),
    /// Checks a statement that was kept, without the relay.
    Verify(statement::Check),
    /// Copies the state, also while `serve` runs.
    Backup(backup::Backup),
    /// Makes a state from a backup, where the one it was made of is lost.
    Restore(backup::Restore),
    /// The files of automatic answers that `serve --rules` takes.
    #[command(subcommand)]
    Rules(RulesCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Checks a file and says what is wrong, line by line; sends nothing.
    Check {
        /// The file.
        file: PathBuf,
    },
}

/// Runs a command.
pub(crate) async fn run(command: BusinessCommand, options: &Options) -> Result<(), Failure> {
    match command {
        BusinessCommand::Init(init) => init.run().await,
        BusinessCommand::Request(again) => again.run(options).await,
        BusinessCommand::InstallCertificate(install) => install.run(options).await,
        BusinessCommand::Serve(start) => start.run(options).await,
        BusinessCommand::Send(send) => send.run(options).await,
        BusinessCommand::Price(preview) => preview.run(options).await,
        BusinessCommand::Customers(list) => list.run(options).await,
        BusinessCommand::Link(share) => share.run(options).await,
        BusinessCommand::Profile(profile) => profile.run(options).await,
        BusinessCommand::Standing(show) => show.run(options).await,
        BusinessCommand::Statement(month) => month.run(options).await,
        BusinessCommand::Verify(check) => check.run(options).await,
        BusinessCommand::Backup(backup) => backup.run().await,
        BusinessCommand::Restore(restore) => restore.run(options).await,
        BusinessCommand::Rules(RulesCommand::Check { file }) => {
            let (rules, buttons) =
                parse_rules(&file)?.map_err(|error| told(&file, &error))?.counts();
            say(format_args!(
                "{}: {rules} rules and {buttons} buttons, no mistake",
                file.display()
            ));
            Ok(())
        }
    }
}

/// Has a request carried out: by the `serve` that runs, or here.
async fn ask(place: &Place, request: Request, options: &Options) -> Result<Answer, Failure> {
    if let Some(answer) = socket::ask(&place.path(Owner::Business)?, &request).await? {
        return Ok(answer);
    }
    let business = open(place, options).await?;
    let done = carry_out(&business, request).await;
    let closed = business.close().await;
    place.explained(Owner::Business, closed.map_err(Failure::from).and(done))
}

/// Opens the state here.
async fn open(place: &Place, options: &Options) -> Result<Business, Failure> {
    let path = place.path(Owner::Business)?;
    let protection = place.protection(Owner::Business)?;
    let opening = Business::open_with(options.client.clone(), path, protection);
    let opened = waiting("opening the state", opening).await.map_err(|error| match error {
        OpenError::Missing => Failure::from(error)
            .with_next("Name the state with --state, or make one: plico business init --help"),
        error => place.not_opened(error),
    });
    place.explained(Owner::Business, opened)
}

/// Reads a file of rules.
fn read_rules(path: &Path) -> Result<Rules, Failure> {
    parse_rules(path)?.map_err(|error| {
        // As many as a failure has room for.
        let why = error.listed().into_iter().take(4).collect::<Vec<_>>().join("\n");
        not_in_order(path, why)
    })
}

fn parse_rules(path: &Path) -> Result<Result<Rules, RulesError>, Failure> {
    Ok(Rules::parse(&read(path)?))
}

/// Prints every mistake, and says that there are some.
fn told(path: &Path, error: &RulesError) -> Failure {
    let listed = error.listed();
    listed.iter().for_each(remark);
    not_in_order(path, format!("It has {} mistake(s), listed above.", listed.len()))
}

fn not_in_order(path: &Path, why: String) -> Failure {
    let next = format!(
        "Correct it; nothing was sent. plico business rules check {} names every mistake.",
        path.display()
    );
    Failure::new(Status::Usage, format!("{} is not in order.", path.display()), why, next)
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::file(format!("{} cannot be read.", path.display()), &error))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes)
        .map_err(|error| Failure::file(format!("{} cannot be written.", path.display()), &error))
}
