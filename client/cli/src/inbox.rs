//! `plico inbox`: what businesses wrote, for scripts.

use std::collections::HashMap;
use std::time::Duration;

use clap::Args;
use plico_client::{ConnectError, Person, PersonEvent, RelayLink};
use tokio::time::{Instant, timeout_at};

use crate::failure::{Failure, Status};
use crate::place::Place;
use crate::text::{clean_line, indented};
use crate::wording::{body, business, outcome_name, restored, session_lost, state_name};
use crate::{Options, json, output, print, remark};

/// Prints what came since it was last asked, each message once.
#[derive(Debug, Args)]
#[command(after_long_help = json::SCHEMA)]
pub(crate) struct Inbox {
    /// Waits for a message, and ends with status 11 if none comes in time.
    #[arg(long)]
    wait: bool,
    /// Seconds: how long to listen; with --wait, how long to wait (for ever if not given).
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Prints a JSON line for each event, of messages sent too.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

impl Inbox {
    pub(crate) async fn run(self, options: &Options) -> Result<(), Failure> {
        output::check_is_open()?;
        let mut person = self.place.open_person(options, false).await?.announce();
        let found = self.listen(&mut person).await;
        let reached = reached(&person).await;
        // Why the state failed is known once it is closed.
        person.close().await?;
        let found = found?;
        if !found {
            reached?;
        }
        if self.wait && !found {
            let what = "No message came in time.";
            let why = "No business wrote.";
            return Err(Failure::new(Status::TimedOut, what, why, "Run the command again."));
        }
        Ok(())
    }

    /// Whether a message came.
    async fn listen(&self, person: &mut Person) -> Result<bool, Failure> {
        let seconds = self.timeout.or((!self.wait).then_some(LISTEN_SECONDS));
        let seconds = seconds.unwrap_or(SECONDS_MAX).min(SECONDS_MAX);
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let mut troubles = HashMap::new();
        while let Ok(event) = timeout_at(deadline, person.next_event()).await {
            let event = event?;
            // While it lasts it is told again and again.
            let told = match &event {
                PersonEvent::Trouble { conversation, trouble, .. } => {
                    troubles.insert(conversation.0, *trouble) == Some(*trouble)
                }
                _ => false,
            };
            // What was not printed is not handled: it comes again.
            if !told {
                self.tell(&event)?;
            }
            if self.wait && matches!(event, PersonEvent::Message(_)) {
                // Printed: it must not come again.
                if let Some(id) = event.id() {
                    person.handled(id).await?;
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn tell(&self, event: &PersonEvent) -> Result<(), Failure> {
        if self.json {
            return json::event(event).map_or(Ok(()), print);
        }
        match event {
            PersonEvent::Message(message) => {
                // A line end of a business's begins no line that could be another's.
                let body = indented(&body(&message.content.body), MARGIN);
                print(format_args!("{}: {body}", business(&message.from)))
            }
            PersonEvent::Sent { id, state, .. } => {
                print(format_args!("* message {} is {}", json::hex(*id), state_name(*state)))
            }
            PersonEvent::Reported { id, outcome, .. } => {
                let outcome = outcome_name(*outcome);
                print(format_args!("* report of {}: {outcome}", json::hex(*id)))
            }
            PersonEvent::Trouble { trouble, .. } => print(format_args!("* {trouble}")),
            PersonEvent::KeyChanged { .. } => {
                print("* the business has a new key; decide with: plico chat")
            }
            PersonEvent::SessionLost { until, .. } => {
                print(format_args!("* {}", session_lost(*until)))
            }
            PersonEvent::BusinessRestored { repeated, .. } => {
                print(format_args!("* {}", restored(*repeated)))
            }
            PersonEvent::Window { .. } | PersonEvent::Connection { .. } => Ok(()),
        }
    }
}

/// Says which relays were not reached.
///
/// # Errors
///
/// None was.
async fn reached(person: &Person) -> Result<(), Failure> {
    let mut relays: Vec<(RelayLink, Option<ConnectError>)> = Vec::new();
    for chat in person.conversations().await? {
        let overview = chat.overview().await?;
        let unreached = overview.unreached().cloned();
        if overview.connection.is_some() && relays.iter().all(|(known, _)| *known != overview.relay)
        {
            relays.push((overview.relay, unreached));
        }
    }
    let is_lost = relays.iter().all(|(_, unreached)| unreached.is_some());
    for (relay, unreached) in relays {
        let Some(error) = unreached else { continue };
        if is_lost {
            return Err(Failure::from(error).with_next(NOT_ASKED));
        }
        remark(format_args!("* {} was not reached: {error}", clean_line(&relay.host)));
    }
    Ok(())
}

const NOT_ASKED: &str = "Run the command again once it can be reached: what businesses wrote \
    waits there.";
const MARGIN: &str = "    ";
const LISTEN_SECONDS: u64 = 5;
/// A year.
const SECONDS_MAX: u64 = 365 * 24 * 3600;
