//! `plico-relay business`: certificates for businesses. Private keys never come here: a business
//! sends a request file with public keys and gets a certificate file back.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use plico_protocol::certificate::{
    Certificate, CertificateRequest, DomainCheck, Handle, Serial, VerifiedCertificate,
};
use plico_protocol::id::AuthorityKey;
use plico_protocol::link::{Link, Pin, RelayLink};
use plico_protocol::pricing::Millionths;
use plico_protocol::ticket::{Categories, Category};
use plico_protocol::time::Hour;

use super::ledger::Payment;
use super::registrar::Registrar;
use super::{Failure, Place, facts, ledger, list, say, standing};
use crate::admin::command::{Answer, Command};
use crate::admin::issue::{Findings, issue};
use crate::config::Config;
use crate::keys::{read_authority, read_authority_secret};
use crate::opening::Options;

#[derive(Debug, Subcommand)]
pub(super) enum BusinessCommand {
    /// Shows what a request file asks for, before you sign anything.
    Show {
        /// The business's request file.
        request: PathBuf,
    },
    /// Certifies a business from its request file and registers it with the relay.
    Verify(Box<Verify>),
    /// Registers a certificate that was signed elsewhere, with `verify --offline`.
    Install {
        /// The certificate file.
        certificate: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Lists the newest certificates.
    List {
        /// As a JSON array, for scripts.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Shows whether a business may send, its tier, and what people's reports it is judged by.
    Standing(standing::Whose),
    /// Ends a suspension; its counts begin anew.
    Restore(standing::Whose),
    /// Notes what a business paid: it may be charged so much more.
    Pay {
        /// Its handle.
        business: String,
        /// How much, in the rate card's currency, such as 100.00.
        #[arg(value_parser = Millionths::from_decimal, allow_negative_numbers = true)]
        amount: Millionths,
        /// The transfer's reference: the payment is entered once, however often this is run. Spaces and
        /// the case of letters make no other reference: `RF18 5390` is `rf185390`.
        #[arg(long, value_name = "TEXT", value_parser = ledger::reference)]
        reference: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Takes back what was entered as paid by mistake, by a line of its own: no line is ever changed.
    Correct {
        /// Its handle.
        business: String,
        /// How much of what is entered was not paid, in the rate card's currency, such as 90.00.
        #[arg(value_parser = Millionths::from_decimal, allow_negative_numbers = true)]
        amount: Millionths,
        /// A reference of the correction: it is entered once, however often this is run. Spaces and the
        /// case of letters make no other reference.
        #[arg(long, value_name = "TEXT", value_parser = ledger::reference)]
        reference: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Sets how far a business may owe, in place of the setting `credit`.
    Credit {
        /// Its handle.
        business: String,
        /// How far, in the rate card's currency, such as 250.00; or `default`, for the setting.
        #[arg(value_parser = ledger::Credit::parse, allow_negative_numbers = true)]
        amount: ledger::Credit,
        #[command(flatten)]
        place: Place,
    },
    /// Takes a certificate back, at once and for good.
    Revoke {
        /// Its serial number, as `list` shows it.
        serial: u64,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The business's request file.
    request: PathBuf,
    /// Another handle than the request asks for.
    #[arg(long)]
    handle: Option<String>,
    /// Another display name than the request asks for.
    #[arg(long)]
    name: Option<String>,
    /// Another domain than the request asks for.
    #[arg(long)]
    domain: Option<String>,
    /// How you checked that the business controls its domain; people are shown it.
    #[arg(long)]
    checked: Checked,
    /// What the business may send.
    #[arg(long, value_delimiter = ',', default_value = "service,utility,authentication")]
    categories: Vec<Kind>,
    /// Days of validity, at most 90.
    #[arg(long, default_value_t = 90)]
    days: u32,
    /// Where to write the certificate; HANDLE.certificate if not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only sign: register it later with `install`.
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Checked {
    /// A DNS record.
    Dns,
    /// A file on the domain's website.
    Website,
    /// Documents.
    Document,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Answers and help the person asked for.
    Service,
    /// Boarding passes, deliveries, appointments.
    Utility,
    /// One-time codes.
    Authentication,
    /// Anything that advertises.
    Marketing,
}

pub(super) fn run(command: BusinessCommand, options: &Options) -> Result<(), Failure> {
    match command {
        BusinessCommand::Show { request } => {
            facts::say_request(&read_request(&request)?);
            Ok(())
        }
        BusinessCommand::Verify(verify) => verify.run(options),
        BusinessCommand::Install { certificate, place } => {
            install(&certificate, &place.settings()?, options)
        }
        BusinessCommand::Pay { business, amount, reference, place } => {
            let payment = Payment { business, amount, reference, correction: false };
            ledger::pay(payment, &place.settings()?, options)
        }
        BusinessCommand::Correct { business, amount, reference, place } => {
            let payment = Payment { business, amount, reference, correction: true };
            ledger::pay(payment, &place.settings()?, options)
        }
        BusinessCommand::Credit { business, amount, place } => {
            ledger::credit(&business, amount, &place.settings()?, options)
        }
        BusinessCommand::List { json, place } => list::run(json, &place.settings()?, options),
        BusinessCommand::Standing(whose) => standing::show(&whose, options),
        BusinessCommand::Restore(whose) => standing::restore(&whose, options),
        BusinessCommand::Revoke { serial, place } => {
            revoke(Serial(serial), &place.settings()?, options)
        }
    }
}

impl Verify {
    fn run(self: Box<Self>, options: &Options) -> Result<(), Failure> {
        let config = self.place.settings()?;
        let request = read_request(&self.request)?;
        let now = options.clock.now();
        if self.offline {
            // Without the list of certificates a number is taken that rises by itself.
            let serial = Serial(now.0 / 1000);
            let certificate = self.sign(&request, serial, &config, now.hour())?;
            let path = Beside::write(self.path(&certificate), &certificate)?.keep()?;
            facts::say_certificate(certificate.body());
            say(format_args!("certificate  {}", path.display()));
            say(format_args!(
                "next         on the relay's machine: plico-relay business install {}",
                path.display()
            ));
            return Ok(());
        }
        let registrar = Registrar::find(&config, options)?;
        let (link, serial) = describe(&registrar)?;
        let certificate = self.sign(&request, serial, &config, now.hour())?;
        // The file first: a business that is registered and has no certificate would need another.
        let beside = Beside::write(self.path(&certificate), &certificate)?;
        registrar.call(Command::Install(certificate.certificate().clone()))?;
        let path = beside.keep()?;
        facts::say_certificate(certificate.body());
        say(format_args!("certificate  {} (send it to the business)", path.display()));
        say(format_args!("share        {}", business_link(link, &certificate)));
        Ok(())
    }

    fn sign(
        &self,
        request: &CertificateRequest,
        serial: Serial,
        config: &Config,
        now: Hour,
    ) -> Result<VerifiedCertificate, Failure> {
        let handle = self.handle.as_deref().map(Handle::new).transpose();
        let categories: Vec<_> = self.categories.iter().map(|kind| kind.category()).collect();
        let findings = Findings {
            handle: handle.map_err(|error| Failure::Usage(format!("--handle: {error}")))?,
            display_name: self.name.clone(),
            domain: self.domain.clone(),
            domain_check: self.checked.domain_check(),
            categories: Categories::of(&categories)
                .ok_or_else(|| Failure::Usage("--categories needs at least one".to_owned()))?,
            days: self.days,
        };
        let authority = read_authority_secret(&config.keys_dir).map_err(Failure::failed)?;
        issue(request, findings, serial, &authority, now).map_err(Failure::refused)
    }

    fn path(&self, certificate: &VerifiedCertificate) -> PathBuf {
        let default = || format!("{}.certificate", certificate.body().handle).into();
        self.out.clone().unwrap_or_else(default)
    }
}

/// A certificate file that takes its place with [`Beside::keep`] and is gone otherwise.
struct Beside {
    path: PathBuf,
    beside: PathBuf,
}

impl Beside {
    fn write(path: PathBuf, certificate: &VerifiedCertificate) -> Result<Self, Failure> {
        let mut beside = path.clone().into_os_string();
        beside.push(".new");
        let this = Self { path, beside: beside.into() };
        std::fs::write(&this.beside, certificate.certificate().to_text())
            .map_err(|error| this.unwritten(&error))?;
        Ok(this)
    }

    fn keep(self) -> Result<PathBuf, Failure> {
        std::fs::rename(&self.beside, &self.path).map_err(|error| self.unwritten(&error))?;
        Ok(self.path.clone())
    }

    fn unwritten(&self, error: &std::io::Error) -> Failure {
        Failure::Failed(format!(
            "cannot write {}: {error}; run the command again with another --out",
            self.path.display()
        ))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Not there any more where it was kept.
        let _ = std::fs::remove_file(&self.beside);
    }
}

fn install(path: &Path, config: &Config, options: &Options) -> Result<(), Failure> {
    let text = read(path)?;
    let certificate = Certificate::from_text(&text).map_err(|_| {
        let path = path.display();
        Failure::Refused(match CertificateRequest::from_text(&text) {
            Ok(_) => format!("{path} is a request; sign it first: plico-relay business verify"),
            Err(_) => format!(
                "{path} is no certificate file, or it is cut short; `install` takes the file that \
                 `plico-relay business verify --offline` wrote"
            ),
        })
    })?;
    let registrar = Registrar::find(config, options)?;
    let (link, _) = describe(&registrar)?;
    registrar.call(Command::Install(certificate.clone()))?;
    let certificate = certificate.verify(&authority(config)?).map_err(Failure::refused)?;
    facts::say_certificate(certificate.body());
    say(format_args!("share        {}", business_link(link, &certificate)));
    Ok(())
}

fn revoke(serial: Serial, config: &Config, options: &Options) -> Result<(), Failure> {
    let registrar = Registrar::find(config, options)?;
    registrar.call(Command::Revoke(serial))?;
    say(format_args!("revoked  {}", serial.0));
    Ok(())
}

fn describe(registrar: &Registrar<'_>) -> Result<(RelayLink, Serial), Failure> {
    let Answer::Described { link, next_serial } = registrar.call(Command::Describe)? else {
        return Err(unexpected());
    };
    Ok((link.parse().map_err(Failure::failed)?, next_serial))
}

fn business_link(relay: RelayLink, certificate: &VerifiedCertificate) -> Link {
    let body = certificate.body();
    let account = Pin::of_account(&body.keys.account);
    Link { relay, handle: body.handle.clone(), account, reference: None }
}

pub(super) fn authority(config: &Config) -> Result<AuthorityKey, Failure> {
    let authority = read_authority(&config.keys_dir).map_err(Failure::failed)?;
    let absent = || Failure::Failed(format!("no authority key in {}", config.keys_dir.display()));
    authority.ok_or_else(absent)
}

fn read_request(path: &Path) -> Result<CertificateRequest, Failure> {
    let text = read(path)?;
    CertificateRequest::from_text(&text).map_err(|error| {
        Failure::Refused(match Certificate::from_text(&text) {
            Ok(_) => format!("{} is a certificate, not a request", path.display()),
            Err(_) => format!("{}: {error}; ask the business for a new request", path.display()),
        })
    })
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))
}

pub(super) fn unexpected() -> Failure {
    Failure::Failed("the relay gave an unexpected answer; use the same release for both".to_owned())
}

impl Checked {
    fn domain_check(self) -> DomainCheck {
        match self {
            Self::Dns => DomainCheck::Dns,
            Self::Website => DomainCheck::Website,
            Self::Document => DomainCheck::Document,
        }
    }
}

impl Kind {
    fn category(self) -> Category {
        match self {
            Self::Service => Category::Service,
            Self::Utility => Category::Utility,
            Self::Authentication => Category::Authentication,
            Self::Marketing => Category::Marketing,
        }
    }
}
