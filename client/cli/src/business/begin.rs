//! From nothing to a certificate: `init`, `request`, `install-certificate`.

use std::path::PathBuf;

use clap::Args;
use jiff::tz::TimeZone;
use plico_client::{Business, CreateError, Owner};

use super::desk::{Answer, Claims, Request};
use super::link::relay_link;
use super::socket::other_release;
use super::{ask, read, write};
use crate::Options;
use crate::failure::{Failure, Status, sentence};
use crate::place::{Place, make_parent};
use crate::progress::waiting;
use crate::say;

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The name in links: 3 to 32 lower-case letters, digits and inner hyphens.
    #[arg(long)]
    handle: String,
    /// The name that people see.
    #[arg(long)]
    name: String,
    /// The domain that the operator checks and people see: bank.example.
    #[arg(long)]
    domain: String,
    /// Where to write the request; HANDLE.request if not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Again {
    /// Where to write it; printed if not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Install {
    /// The certificate file.
    file: PathBuf,
    /// The relay's link, as `plico-relay serve` prints it; needed once, here or at `serve`.
    #[arg(long, value_name = "LINK")]
    relay: Option<String>,
    #[command(flatten)]
    place: Place,
}

impl Init {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { handle, name, domain, out, place } = self;
        let path = place.path(Owner::Business)?;
        let protection = place.protection(Owner::Business)?;
        make_parent(&path)?;
        let making = Business::create(&path, protection, &handle, &name, &domain);
        let made = waiting("making the keys", making).await.map_err(|error| {
            let refused = |option: &str, error: &dyn core::fmt::Display| {
                let why = sentence(&error.to_string());
                let next = "Correct it and run the command again; nothing was made.";
                Failure::new(Status::Usage, format!("{option} cannot be certified."), why, next)
            };
            match error {
                CreateError::Open(error) => error.into(),
                CreateError::Handle(error) => refused(&format!("--handle {handle}"), &error),
                CreateError::Name(error) => refused(&format!("--name {name}"), &error),
                CreateError::Domain(error) => refused(&format!("--domain {domain}"), &error),
            }
        });
        let request = place.explained(Owner::Business, made)?;
        say(place.notice(&path));
        let out = out.unwrap_or_else(|| format!("{handle}.request").into());
        write(&out, request.as_bytes())?;
        say(format_args!("request  {} (no secret)", out.display()));
        say("next     1. send the request to the relay's operator, who runs on it:");
        say(format_args!(
            "              plico-relay business verify {} --checked dns",
            out.display()
        ));
        say("         2. with the certificate and the relay's link that come back:");
        say(format_args!(
            "              plico business install-certificate {handle}.certificate --relay LINK"
        ));
        say("         3. plico business serve");
        Ok(())
    }
}

impl Again {
    pub(super) async fn run(self, options: &Options) -> Result<(), Failure> {
        let Answer::Text(request) = ask(&self.place, Request::Apply, options).await? else {
            return Err(other_release());
        };
        match &self.out {
            Some(out) => {
                write(out, request.as_bytes())?;
                say(format_args!("request  {}", out.display()));
            }
            None => say(request.trim_end()),
        }
        Ok(())
    }
}

impl Install {
    pub(super) async fn run(self, options: &Options) -> Result<(), Failure> {
        let certificate = read(&self.file)?;
        // A mistake in the link is told before anything is done.
        self.relay.as_deref().map(relay_link).transpose()?;
        let Answer::Certificate(Some(claims)) =
            ask(&self.place, Request::Install { certificate }, options).await?
        else {
            return Err(other_release());
        };
        describe(&claims);
        let Some(relay) = self.relay else {
            say(
                "next        plico business serve --relay LINK   (the link that `plico-relay serve` prints)",
            );
            return Ok(());
        };
        let Answer::Text(link) = ask(&self.place, Request::Connect { relay }, options).await?
        else {
            return Err(other_release());
        };
        say(format_args!("share       {link}"));
        say("next        plico business serve");
        Ok(())
    }
}

fn describe(claims: &Claims) {
    let zone = TimeZone::system();
    let Claims { handle, name, domain, categories, serial, valid_from, valid_to } = claims;
    let categories: Vec<_> = categories.iter().map(|kind| kind.name()).collect();
    let now = jiff::Timestamp::now().as_second();
    let (certified, _) = super::dates::certified(*valid_to, now, &zone);
    let rows = [
        ("handle", handle.clone()),
        ("name", name.clone()),
        ("domain", domain.clone()),
        ("may send", categories.join(", ")),
        ("valid from", super::dates::local_second(*valid_from, &zone)),
        ("certified", certified),
        ("serial", serial.to_string()),
    ];
    for (label, value) in rows {
        say(format_args!("{label:<12}{}", crate::text::clean_line(&value)));
    }
}
