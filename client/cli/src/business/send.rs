//! `send`: one message to one customer.

use clap::Args;
use jiff::tz::TimeZone;
use plico_client::Millionths;

use super::desk::{Answer, Request, Sent};
use super::kind::Kind;
use super::socket::other_release;
use super::{ask, dates};
use crate::Options;
use crate::failure::{Failure, Status, sentence};
use crate::place::Place;
use crate::say;
use crate::send::text_or_input;

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The customer's number, as `customers` lists it and `serve` prints it.
    customer: u64,
    /// What to say; `-` reads it from standard input.
    text: String,
    /// What the message is declared to be.
    #[arg(long, value_enum, default_value_t)]
    category: Kind,
    /// The most it may cost, in the relay's currency, such as 0.09; 0 for only if it is free. Without it
    /// what `serve --price-max` allows, and nothing where none runs.
    #[arg(long, value_name = "AMOUNT", value_parser = Millionths::from_decimal, allow_negative_numbers = true)]
    max_price: Option<Millionths>,
    /// Buttons below the text, each ID=LABEL or only a label.
    #[arg(long, value_name = "CHOICE", num_args = 1..)]
    choices: Vec<String>,
    /// Names the message, by any words of yours. Run again with the same, to the same customer, it is
    /// sent once and shows what became of it: so a script may run it until it succeeds.
    #[arg(long, value_name = "NAME")]
    id: Option<String>,
    /// Waits for the relay to take it, a minute at most, and fails if it does not.
    #[arg(long)]
    wait: bool,
    /// Prints a JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Send {
    pub(super) async fn run(self, options: &Options) -> Result<(), Failure> {
        let text = text_or_input(self.text)?;
        let choices = self.choices.iter().map(|choice| {
            let (id, label) = choice.split_once('=').unwrap_or((choice, choice));
            (id.to_owned(), label.to_owned())
        });
        let wait_ms = if self.wait { WAIT_MS } else { GLANCE_MS };
        // Unlike any other: nobody has to guess it.
        let key = self.id.unwrap_or_else(|| {
            format!("{}-{}", jiff::Timestamp::now().as_nanosecond(), std::process::id())
        });
        let request = Request::Send {
            customer: self.customer,
            text,
            choices: choices.collect(),
            category: self.category,
            price_max: self.max_price.map(|price_max| price_max.0),
            wait_ms,
            key: key.clone(),
        };
        let asked = ask(&self.place, request, options).await;
        // It may have been stored before whoever was asked ended.
        let asked = asked.map_err(|failure| match failure.is_unanswered() {
            true => failure.with_next(format!(
                "Run the command again with --id {key}: whether it was sent or not, it is sent once."
            )),
            false => failure,
        });
        let Answer::Sent(sent) = asked? else {
            return Err(other_release());
        };
        match self.json {
            true => say(&serde_json::to_string(&sent).map_err(|_| other_release())?),
            false => say(words(&sent, self.category)),
        }
        match sent.state.as_str() {
            "accepted" | "delivered" => Ok(()),
            "queued" if !self.wait => Ok(()),
            "queued" => Err(Failure::new(
                Status::TimedOut,
                "The relay did not take the message within a minute.",
                match &sent.explanation {
                    Some(why) => sentence(why),
                    None => "It cannot be reached, or is busy.".to_owned(),
                },
                "Nothing: the message is stored here and goes out when `serve` reaches the relay.",
            )),
            state => Err(Failure::new(
                Status::Refused,
                format!("The message was {state}."),
                sentence(&sent.explanation.unwrap_or_else(|| "It cannot be delivered.".to_owned())),
                next_step(state, sent.reason.as_deref()),
            )),
        }
    }
}

/// What to do about a message that is lost in this state, for this reason.
fn next_step(state: &str, reason: Option<&str>) -> &'static str {
    match (state, reason) {
        ("forgotten", _) => {
            "Do not send it again; `plico business statement` shows whether it was charged."
        }
        (_, Some("over_price_limit")) => "`plico business price` shows the price before you send.",
        (_, Some("no_credit")) => "Pay the relay's operator, then send it again.",
        (_, Some("unpaid")) => {
            "Pay the relay's operator; `plico business standing` shows since when it is unpaid."
        }
        (_, Some("suspended")) => {
            "Ask the relay's operator; `plico business standing` shows what it is judged by."
        }
        (_, Some("not_priced")) => {
            "Ask the relay's operator for a price; `plico business price` shows it once there is one."
        }
        _ => "The customer must write again; `plico business customers` shows who allows what.",
    }
}

fn words(sent: &Sent, category: Kind) -> String {
    let state = match sent.state.as_str() {
        "queued" if sent.explanation.is_some() => "stored here; goes out when the relay takes it",
        "queued" => "stored here; goes out when the relay can be reached",
        state => state,
    };
    let now = jiff::Timestamp::now().to_string();
    let open = sent.free_until.as_ref().filter(|until| now.as_str() < until.as_str());
    let window = match (open, category) {
        (Some(until), Kind::Service) => {
            format!(
                "\nwindow   open until {}: answers are free",
                dates::local(until, &TimeZone::system())
            )
        }
        (Some(_), _) | (None, _) => String::new(),
    };
    format!("message  {}\nstate    {state}{window}", sent.id)
}

/// Long enough that one command can tell what became of a message where a relay is near.
const GLANCE_MS: u64 = 5_000;
const WAIT_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use plico_client::Code;

    use super::*;

    #[test]
    fn what_the_account_lacks_no_customer_can_mend() {
        let next = |code: Code| next_step("refused", Some(code.name()));
        for (code, step) in [
            (Code::NoCredit, "Pay the relay's operator"),
            (Code::Unpaid, "Pay the relay's operator"),
            (Code::Suspended, "Ask the relay's operator"),
            (Code::NotPriced, "Ask the relay's operator"),
            (Code::OverPriceLimit, "`plico business price`"),
            (Code::Revoked, "The customer must write again"),
        ] {
            assert!(next(code).starts_with(step), "{code:?}: {}", next(code));
        }
        assert!(next_step("forgotten", None).starts_with("Do not send it again"));
    }
}
