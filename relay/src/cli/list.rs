//! `plico-relay business list`: the newest certificates, as a table or as JSON.

use std::collections::{BTreeMap, btree_map};

use plico_protocol::certificate::{Handle, VerifiedCertificate};
use plico_protocol::reputation::{AccountStanding, Dues};
use plico_protocol::time::Hour;
use serde_json::{Value, json};

use super::business::{authority, unexpected};
use super::registrar::Registrar;
use super::{Failure, facts, say};
use crate::admin::command::{Answer, Command};
use crate::admin::ledger::Balance;
use crate::clock::{rfc3339_day, rfc3339_hour};
use crate::config::Config;
use crate::opening::Options;

/// A certificate as the list shows it.
struct Row {
    certificate: VerifiedCertificate,
    revoked: bool,
    account: Account,
}

/// The account of a business as the list shows it.
#[derive(Clone)]
struct Account {
    balance: Balance,
    standing: AccountStanding,
}

pub(super) fn run(json: bool, config: &Config, options: &Options) -> Result<(), Failure> {
    let registrar = Registrar::find(config, options)?;
    let Answer::Listed(certificates) = registrar.call(Command::List)? else {
        return Err(unexpected());
    };
    let authority = authority(config)?;
    let now = options.clock.now().hour();
    let mut accounts = BTreeMap::new();
    let rows = certificates.into_iter().map(|(certificate, revoked)| {
        let certificate = certificate.verify(&authority).map_err(Failure::failed)?;
        let account = match accounts.entry(certificate.body().handle.clone()) {
            btree_map::Entry::Occupied(known) => known.into_mut(),
            btree_map::Entry::Vacant(new) => {
                let account = account(&registrar, new.key())?;
                new.insert(account)
            }
        };
        Ok(Row { certificate, revoked, account: account.clone() })
    });
    let rows = rows.collect::<Result<Vec<_>, Failure>>()?;
    if json {
        let rows: Vec<Value> = rows.iter().map(|row| row.json(now)).collect();
        say(Value::from(rows));
        return Ok(());
    }
    // The name comes last: how wide it is on a screen, only the screen knows.
    let heading =
        ["serial", "handle", "domain", "from", "to", "standing", "charges", "credit", "name"];
    let heading = heading.map(str::to_owned);
    let lines: Vec<_> =
        [heading].into_iter().chain(rows.iter().map(|row| row.cells(now))).collect();
    for line in aligned(&lines) {
        say(line);
    }
    Ok(())
}

fn account(registrar: &Registrar<'_>, handle: &Handle) -> Result<Account, Failure> {
    let Answer::Balance(balance) = registrar.call(Command::Balance(handle.clone()))? else {
        return Err(unexpected());
    };
    match registrar.call(Command::Standing(handle.clone()))? {
        Answer::Standing(standing) => Ok(Account { balance, standing }),
        _ => Err(unexpected()),
    }
}

impl Row {
    fn cells(&self, now: Hour) -> [String; 9] {
        let body = self.certificate.body();
        [
            body.serial.0.to_string(),
            body.handle.to_string(),
            body.domain.clone(),
            rfc3339_hour(body.valid_from),
            rfc3339_hour(body.valid_to),
            self.standing(now).to_owned(),
            match self.account.standing.dues.unpaid {
                Some(unpaid) => format!("unpaid since {}", rfc3339_day(unpaid.since)),
                None => format!("{} left", self.account.balance.available()),
            },
            self.account.balance.credit.to_string(),
            body.display_name.clone(),
        ]
    }

    fn json(&self, now: Hour) -> Value {
        let body = self.certificate.body();
        json!({
            "serial": body.serial.0,
            "handle": body.handle.as_str(),
            "name": body.display_name,
            "domain": body.domain,
            "checked": facts::checked(body.domain_check),
            "categories": facts::categories(body),
            "valid_from": rfc3339_hour(body.valid_from),
            "valid_to": rfc3339_hour(body.valid_to),
            "standing": self.standing(now),
            "available": self.account.balance.available().to_string(),
            "credit": self.account.balance.credit.to_string(),
            "unpaid_since": self.account.standing.dues.unpaid.map(|unpaid| rfc3339_day(unpaid.since)),
        })
    }

    fn standing(&self, now: Hour) -> &'static str {
        let body = self.certificate.body();
        match self.revoked {
            true => "revoked",
            false if now < body.valid_from => "not yet",
            false if body.valid_to <= now => "expired",
            false => may_send(&self.account.standing, now),
        }
    }
}

/// Whether the account keeps a certificate that is valid from being used.
fn may_send(standing: &AccountStanding, now: Hour) -> &'static str {
    let AccountStanding { reputation, dues: Dues { unpaid, .. }, .. } = standing;
    match unpaid {
        _ if reputation.suspended => "suspended",
        Some(unpaid) if unpaid.stops <= now.day() => "unpaid",
        _ => "valid",
    }
}

/// Columns as wide as their widest cell, two spaces between.
pub(super) fn aligned(lines: &[impl AsRef<[String]>]) -> Vec<String> {
    let columns = lines.iter().map(|line| line.as_ref().len()).max().unwrap_or_default();
    let mut widths = vec![0; columns];
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line.as_ref()) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  "));
        cells.collect::<String>().trim_end().to_owned()
    };
    lines.iter().map(|cells| line(cells.as_ref())).collect()
}

#[cfg(test)]
mod tests {
    use plico_protocol::reputation::{Reputation, Unpaid};
    use plico_protocol::time::Day;

    use super::*;

    #[test]
    fn a_business_that_may_send_nothing_is_not_shown_as_valid() {
        let suspended = Reputation { suspended: true, ..Reputation::default() };
        let unpaid = Dues { due: None, unpaid: Some(Unpaid { since: Day(1), stops: Day(3) }) };
        let standing = AccountStanding { dues: unpaid, ..AccountStanding::default() };
        let on = |day: u32, standing| may_send(&standing, Day(day).begin());
        assert_eq!(on(3, AccountStanding::default()), "valid");
        assert_eq!(on(2, standing), "valid");
        assert_eq!(on(3, standing), "unpaid");
        assert_eq!(on(3, AccountStanding { reputation: suspended, ..standing }), "suspended");
    }

    #[test]
    fn columns_begin_one_below_the_other() {
        let lines = [["a", "long", "x"], ["longer", "b", "y"]];
        let lines = lines.map(|line| line.map(str::to_owned));
        assert_eq!(aligned(&lines), ["a       long  x", "longer  b     y"]);
    }
}
