//! `plico-relay keys`: which keys there are, since when, and what comes next; never a secret. And
//! ticket keys before their time.

use std::path::Path;

use clap::Subcommand;
use plico_protocol::link::Pin;
use plico_protocol::signature::LedgerSecret;
use plico_protocol::ticket::TicketKeys;
use plico_protocol::time::Day;

use super::registrar::Registrar;
use super::{Failure, Place, business, say};
use crate::admin::command::{Answer, Command};
use crate::clock::rfc3339_hour;
use crate::config::Config;
use crate::keys::{self, Ring, STAMP_KEY_DAYS_KEPT, TICKET_KEY_DAYS, read_authority};
use crate::opening::Options;
use crate::tls::Identity;

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Has a new key sign tickets from now on, whether the relay runs or not.
    RotateTickets {
        /// Ends every ticket, after a theft of the keys; people's devices give others by themselves.
        #[arg(long)]
        end_all: bool,
        #[command(flatten)]
        place: Place,
    },
}

pub(super) fn run(
    command: Option<KeysCommand>,
    place: &Place,
    options: &Options,
) -> Result<(), Failure> {
    match command {
        None => show(&place.settings()?, options),
        Some(KeysCommand::RotateTickets { end_all, place }) => {
            rotate_tickets(end_all, &place.settings()?, options)
        }
    }
}

fn rotate_tickets(end_all: bool, config: &Config, options: &Options) -> Result<(), Failure> {
    let registrar = Registrar::find(config, options)?;
    let answer = registrar.call(Command::RotateTickets { end_all })?;
    let Answer::Rotated(TicketKeys { oldest, newest }) = answer else {
        return Err(business::unexpected());
    };
    say(format_args!("rotated    ticket key {} signs from now on", newest.0));
    let end = match end_all {
        true => {
            "ended      every ticket; devices that are connected give others within minutes, \
                 the rest when they connect, and businesses wait until then"
        }
        false => "kept       tickets signed before stay good until they end",
    };
    say(end);
    if !end_all {
        let older = newest.0.wrapping_sub(oldest.0);
        say(format_args!("checking   {older} older ticket keys"));
    }
    Ok(())
}

fn show(config: &Config, options: &Options) -> Result<(), Failure> {
    let dir = &config.keys_dir;
    let absent = || {
        let dir = dir.display();
        Failure::Usage(format!("there are no relay's keys in {dir}; pass its --config or --keys"))
    };
    let ring = keys::read_ring(dir).map_err(Failure::failed)?.ok_or_else(absent)?;
    let identity = Identity::open(dir).map_err(Failure::failed)?;
    say("row        never rotated: names every row");
    say("seal       never rotated: seals every row");
    say("tag        never rotated: every ticket hangs on it");
    say_ledger(dir, &ring, options)?;
    let tickets = ring.ticket_days();
    for (place, (id, since)) in tickets.iter().enumerate() {
        let next = match place {
            0 => format!("signs; the next one from {}", date(*since, TICKET_KEY_DAYS)),
            _ => "checks tickets it signed".to_owned(),
        };
        say(format_args!("ticket {:<3} since {}, {next}", id.0, date(*since, 0)));
    }
    let days = ring.stamp_days();
    if let (Some(first), Some(last)) = (days.first(), days.last()) {
        let (from, to) = (date(*first, 0), date(*last, 0));
        say(format_args!(
            "stamp      {} keys, {from} to {to}; daily, each kept {STAMP_KEY_DAYS_KEPT} days",
            days.len()
        ));
        if *last < options.clock.now().day() {
            say(
                "note       today has no stamp key: no relay runs on these keys, or rotation fails",
            );
        }
    }
    say(format_args!("tls        pin {}", identity.pin()));
    match read_authority(dir).map_err(Failure::failed)? {
        Some(authority) => say(format_args!("authority  pin {}", Pin::of_authority(&authority))),
        None => say("authority  not here"),
    }
    Ok(())
}

fn say_ledger(dir: &Path, ring: &Ring, options: &Options) -> Result<(), Failure> {
    let Some(key) = ring.ledger().map(LedgerSecret::public) else {
        say("ledger     taken out; the next start makes another");
        return Ok(());
    };
    let authority = read_authority(dir).map_err(Failure::failed)?;
    let certified = match authority {
        Some(authority) => {
            keys::read_certificate(dir, &authority, &key).map_err(Failure::failed)?
        }
        None => None,
    };
    let now = options.clock.now().hour();
    let certified = certified.filter(|certified| certified.valid_at(now).is_ok());
    let key = keys::hex(key.as_bytes());
    match certified {
        Some(certified) => {
            let end = certified.body().valid_to.day();
            say(format_args!("ledger     certified until {}, {}", date(end, 0), *key));
        }
        None => say(format_args!(
            "ledger     not certified, so nothing can be charged; where the authority's key is, \
             run: plico-relay authority certify-ledger {}",
            *key
        )),
    }
    Ok(())
}

fn date(day: Day, plus: u32) -> String {
    let day = Day(day.0.saturating_add(plus));
    let text = rfc3339_hour(plico_protocol::time::Hour(day.0.saturating_mul(24)));
    text.split('T').next().unwrap_or_default().to_owned()
}
