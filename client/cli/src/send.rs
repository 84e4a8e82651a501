//! `plico send`: one message, for scripts.

use std::time::Duration;

use clap::{Args, ValueEnum};
use plico_client::{ContentId, Conversation, Link, LookUpError, MessageState, Person};
use tokio::time::{Instant, timeout_at};

use crate::failure::{Failure, Status, sentence};
use crate::json;
use crate::link::read_link;
use crate::place::Place;
use crate::wording::{state_advice, state_name};
use crate::{Options, say, wording};

/// Sends a text to the business of a link and waits until it arrived.
#[derive(Debug, Args)]
#[command(after_long_help = json::SCHEMA)]
pub(crate) struct Send {
    /// The business's link, in quotes.
    link: String,
    /// The text, 1 to 32,768 bytes; `-` reads it from standard input, so that it shows neither in `ps`
    /// nor in a shell's history.
    text: String,
    /// How far it must come: to this device's disk, to the relay, to the business.
    #[arg(long, value_enum, default_value = "accepted")]
    wait: Goal,
    /// Seconds to wait for that. The message is stored before and goes out later if need be.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// Prints a JSON line for each state.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// How far a message must come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Goal {
    /// Stored on this device.
    Stored,
    /// Stored by the relay.
    Accepted,
    /// Stored by the business.
    Delivered,
}

impl Send {
    pub(crate) async fn run(mut self, options: &Options) -> Result<(), Failure> {
        let link = read_link(&self.link)?;
        self.text = text_or_input(self.text)?;
        // Before a state is made for it.
        if self.text.is_empty() {
            let what = "This is no message.";
            let next = "Write a text of 1 to 32,768 bytes.";
            return Err(Failure::new(Status::Usage, what, "It is empty.", next));
        }
        let person = self.place.open_person(options, true).await?.announce();
        let done = self.send(&person, &link).await;
        // Why the state failed is known once it is closed.
        person.close().await?;
        done
    }

    async fn send(&self, person: &Person, link: &Link) -> Result<(), Failure> {
        let chat = person.conversation(link).await?;
        let id = chat.send(self.text.clone()).await?;
        self.follow(&chat, id).await
    }

    async fn follow(&self, chat: &Conversation, id: ContentId) -> Result<(), Failure> {
        self.tell(chat, id, MessageState::Queued);
        let mut told = MessageState::Queued;
        let deadline = Instant::now() + Duration::from_secs(self.timeout.min(TIMEOUT_SECONDS_MAX));
        let mut failure = None;
        let mut asked = false;
        while !self.goal_reached(told)? {
            if !asked {
                // Says what is wrong with the relay or the business while the message waits.
                asked = true;
                failure = self.obstacle(chat, deadline).await?;
            }
            // Polled: to take events would take them from `plico inbox`.
            if timeout_at(deadline, tokio::time::sleep(POLL)).await.is_err() {
                if let Some(delay) = chat.delay(id).await? {
                    let (what, why) =
                        ("The relay did not take the message yet.", wording::delay(&delay));
                    return Err(Failure::new(Status::TimedOut, what, sentence(&why), STORED));
                }
                let unreached = chat.overview().await?.unreached().cloned();
                let failure = failure.or_else(|| {
                    let unreached = unreached.filter(|_| told == MessageState::Queued)?;
                    Some(Failure::from(unreached).with_next(STORED))
                });
                return Err(failure.unwrap_or_else(|| self.too_late(told)));
            }
            let Some(state) = chat.state(id).await? else { continue };
            if state != told {
                self.tell(chat, id, state);
                told = state;
            }
        }
        Ok(())
    }

    /// Why the message may not go out; an error where waiting will not help.
    async fn obstacle(
        &self,
        chat: &Conversation,
        deadline: Instant,
    ) -> Result<Option<Failure>, Failure> {
        let Ok(found) = timeout_at(deadline, chat.business()).await else {
            return Ok(None);
        };
        let Err(error) = found else { return Ok(None) };
        let waits = matches!(error, LookUpError::Connect(_));
        let failure = Failure::from(error);
        let waits = waits && failure.status == Status::Unreachable;
        if waits { Ok(Some(failure.with_next(STORED))) } else { Err(failure) }
    }

    fn goal_reached(&self, state: MessageState) -> Result<bool, Failure> {
        let reached = match state {
            MessageState::Queued | MessageState::Waiting { .. } => Goal::Stored,
            MessageState::Accepted => Goal::Accepted,
            MessageState::Delivered => Goal::Delivered,
            MessageState::Refused(code) => {
                let (what, next) = ("The relay refused the message.", "Do what the reason asks.");
                return Err(Failure::new(Status::Refused, what, sentence(code.text()), next));
            }
            MessageState::Unreadable
            | MessageState::Expired
            | MessageState::Forgotten
            | MessageState::Failed => {
                let why = sentence(&state_advice(state).unwrap_or_default());
                let what = format!("The message is {}.", state_name(state));
                return Err(Failure::new(Status::Failed, what, why, "Send it anew."));
            }
        };
        Ok(self.wait as u8 <= reached as u8)
    }

    fn too_late(&self, state: MessageState) -> Failure {
        let mut why = format!("After {} seconds it is {}.", self.timeout, state_name(state));
        if let Some(advice) = state_advice(state) {
            why = format!("{why} {}", sentence(&advice));
        }
        Failure::new(Status::TimedOut, "The message did not arrive in time.", why, STORED)
    }

    fn tell(&self, chat: &Conversation, id: ContentId, state: MessageState) {
        if self.json {
            say(json::state(chat.id(), id, state));
        } else {
            say(state_name(state));
        }
    }
}

/// The text of an argument, or of standard input where it is `-`.
pub(crate) fn text_or_input(text: String) -> Result<String, Failure> {
    if text != "-" {
        return Ok(text);
    }
    let read = std::io::read_to_string(std::io::stdin());
    let read = read.map_err(|error| Failure::file("Standard input cannot be read.", &error))?;
    Ok(read.trim_end_matches('\n').to_owned())
}

pub(crate) const STORED: &str = "The message is safe in the state on this device; do not send it again. It \
     goes out with the next command that connects: plico chat, plico inbox or plico send.";
const POLL: Duration = Duration::from_millis(20);
/// A year.
const TIMEOUT_SECONDS_MAX: u64 = 365 * 24 * 3600;
