//! `plico-relay keys`: which keys there are, since when, and what comes next; never a secret.

use std::path::Path;

use plico_protocol::link::Pin;
use plico_protocol::signature::LedgerSecret;
use plico_protocol::time::Day;

use super::{Failure, say};
use crate::clock::rfc3339_hour;
use crate::config::Config;
use crate::keys::{self, Ring, STAMP_KEY_DAYS_KEPT, TICKET_KEY_DAYS, read_authority};
use crate::opening::Options;
use crate::tls::Identity;

pub(super) fn run(config: &Config, options: &Options) -> Result<(), Failure> {
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
    for (place, (id, since)) in tickets.iter().rev().enumerate() {
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
