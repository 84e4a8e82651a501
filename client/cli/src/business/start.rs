//! From the command `serve` to the business at work.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use jiff::tz::TimeZone;
use plico_client::{Business, Millionths, Owner, RelayLink};

use super::desk::{Answer, Request, carry_out, no_relay};
use super::link::relay_link;
use super::pipe::Program;
use super::printer::Printer;
use super::serve::{Answering, Serve, Signals};
use super::socket::Socket;
use super::{dates, open, read_rules};
use crate::Options;
use crate::failure::Failure;
use crate::place::Place;

#[derive(Debug, Args)]
#[command(after_long_help = PIPE_HELP)]
pub(crate) struct Start {
    /// The relay's link, as `plico-relay serve` prints it; needed once, then remembered.
    #[arg(long, value_name = "LINK")]
    relay: Option<String>,
    /// Answers by the rules in this file; SIGHUP reads it again.
    #[arg(long, value_name = "FILE", conflicts_with = "pipe")]
    rules: Option<PathBuf>,
    /// Hands each message to this program and sends what it prints; stands last, with its
    /// arguments. `--help` tells the lines.
    #[arg(long, value_name = "PROGRAM", num_args = 1.., allow_hyphen_values = true)]
    pipe: Option<Vec<OsString>>,
    /// The program is told what became of messages and of consents, too, and handles that as well.
    #[arg(long, requires = "pipe")]
    states: bool,
    /// The most that one message may cost, in the relay's currency, such as 0.09. Without it only what
    /// is free goes out.
    #[arg(long, value_name = "AMOUNT", value_parser = Millionths::from_decimal, allow_negative_numbers = true)]
    price_max: Option<Millionths>,
    /// Prints one JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Start {
    pub(super) async fn run(self, options: &Options) -> Result<(), Failure> {
        let mut signals = Signals::new()?;
        let relay = self.relay.as_deref().map(relay_link).transpose()?;
        let answering = self.answering()?;
        let printer = Printer::new(self.json);
        let client = options.client.clone().price_max(self.price_max.unwrap_or_default());
        let business = Arc::new(open(&self.place, &Options { client }).await?);
        let worked = match known_relay(&business, relay).await {
            Ok(relay) => {
                announce(&business, &answering, printer).await?;
                self.work(&business, answering, relay, &mut signals).await
            }
            Err(failure) => Err(failure),
        };
        // Whoever does not read that it stops learns it from the exit status.
        let stopping = printer.heading("stopping");
        // Nobody else has it: the socket's conversations ended with it.
        if let Some(business) = Arc::into_inner(business) {
            tokio::select! {
                closed = business.close() => closed?,
                () = signals.stop() => {
                    return Err(Failure::interrupted());
                }
            }
        }
        worked.and(stopping).and_then(|()| printer.heading("stopped"))
    }

    fn answering(&self) -> Result<Answering, Failure> {
        if let Some(path) = &self.rules {
            return Ok(Answering::Rules { path: path.clone(), rules: Box::new(read_rules(path)?) });
        }
        let Some((name, arguments)) = self.pipe.as_deref().and_then(<[_]>::split_first) else {
            return Ok(Answering::Nobody);
        };
        let program = Program::new(name.clone(), arguments.to_vec());
        Ok(Answering::Program { program, states: self.states })
    }

    async fn work(
        &self,
        business: &Arc<Business>,
        answering: Answering,
        relay: RelayLink,
        signals: &mut Signals,
    ) -> Result<(), Failure> {
        let state = self.place.path(Owner::Business)?;
        let socket = Socket::bind(&state)?;
        let mut serve = Serve::new(Arc::clone(business), answering, self.json, &state);
        let worked = serve.run(relay, &socket, signals).await;
        serve.end().await;
        worked
    }
}

/// The relay that was named, or the one it was connected to last.
async fn known_relay(business: &Business, named: Option<RelayLink>) -> Result<RelayLink, Failure> {
    match named {
        Some(relay) => Ok(relay),
        None => match business.link(None).await {
            Ok(link) => Ok(link.relay),
            Err(_) => Err(no_relay()),
        },
    }
}

async fn announce(
    business: &Business,
    answering: &Answering,
    printer: Printer,
) -> Result<(), Failure> {
    let who = carry_out(business, Request::Certificate).await?;
    match who {
        Answer::Certificate(Some(claims)) => {
            let now = jiff::Timestamp::now().as_second();
            let (until, renew) = dates::certified(claims.valid_to, now, &TimeZone::system());
            printer.heading(&format!("business   {} ({})", claims.name, claims.domain))?;
            printer.heading(&format!("certified  {until}"))?;
            if let Some(renew) = renew {
                printer.heading(&format!("renew      {renew}"))?;
            }
        }
        _ => printer
            .heading("certified  not known here; see `plico business install-certificate`")?,
    }
    printer.heading(&match answering {
        Answering::Nobody => "answers    by you: plico business send CUSTOMER TEXT".to_owned(),
        Answering::Rules { path, rules } => {
            let (count, buttons) = rules.counts();
            format!("answers    by {count} rules and {buttons} buttons of {}", path.display())
        }
        Answering::Program { .. } => "answers    by a program".to_owned(),
    })
}

const PIPE_HELP: &str = r#"Lines of --pipe, one JSON object each:
  to the program     {"type":"message","event":7,"customer":3,"id":"…","at":"…","first":true,
                      "name":"Anna","ref":"counter 3","text":"Hello","attempt":1}
                     instead of text: "chosen":{"question","choice"}, "reaction":{"to","emoji"},
                     "called", "goodbye", "other"; with --states also "sent", "consent",
                     "settled" and "released"
  from the program   {"handled":7,"text":"Hi"}       answers event 7 and is done with it
                     {"handled":7}                   is done with it and says nothing
                     {"answers":7,"text":"Wait…"}    goes out once event 7 is handled
                     {"customer":3,"text":"News","category":"utility"}     goes out at once
                     beside text: "choices":[{"id","label"}]; instead of it:
                     "notification":{"title","body","fields":[{"label","value"}]}
One event at a time: the next comes when this one is handled. A program that ends before is
started again and told the event again (same event and id, attempt one higher); what it had
answered to it is forgotten, so that nothing goes out twice. Print each line whole, and flush it.
A line with a mistake is reported on standard error and skipped."#;
