//! `link`: what a business prints on its door.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use plico_client::{Link, RelayLink};

use super::desk::{Answer, Request};
use super::qr::Qr;
use super::socket::other_release;
use super::{ask, write};
use crate::Options;
use crate::failure::{Failure, Status, sentence};
use crate::place::Place;
use crate::say;

#[derive(Debug, Args)]
pub(crate) struct Share {
    /// Comes back with a person's first message: an order, a branch; at most 256 bytes.
    #[arg(long = "ref", value_name = "TEXT")]
    reference: Option<String>,
    /// Writes the QR code as a PNG, for print.
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Prints the QR code even where output is no terminal.
    #[arg(long)]
    qr: bool,
    #[command(flatten)]
    place: Place,
}

impl Share {
    pub(super) async fn run(self, options: &Options) -> Result<(), Failure> {
        let request = Request::Link { reference: self.reference };
        let Answer::Text(link) = ask(&self.place, request, options).await? else {
            return Err(other_release());
        };
        say(&link);
        let shown = self.qr || std::io::stdout().is_terminal();
        if !shown && self.png.is_none() {
            return Ok(());
        }
        let qr = Qr::new(&link).map_err(|error| {
            let next = "Shorten --ref.";
            Failure::new(Status::Usage, "The link fits no QR code.", error.to_string(), next)
        })?;
        if shown {
            say(qr.terminal().trim_end_matches('\n'));
        }
        if let Some(path) = &self.png {
            let png = qr.png().map_err(|error| {
                let next = "Print the QR code from a terminal instead.";
                Failure::new(Status::Failed, "The PNG was not made.", error.to_string(), next)
            });
            write(path, &png?)?;
            say(format_args!("png  {}", path.display()));
        }
        Ok(())
    }
}

/// Reads a relay's link. A business's link names its relay, too.
pub(super) fn relay_link(text: &str) -> Result<RelayLink, Failure> {
    let business = || text.parse::<Link>().map(|link| link.relay);
    text.parse::<RelayLink>().or_else(|error| business().map_err(|_| error)).map_err(|error| {
        Failure::new(
            Status::BadLink,
            "--relay is no relay's link.",
            sentence(&error.to_string()),
            "Copy the whole link that `plico-relay serve` prints, in quotes.",
        )
    })
}
