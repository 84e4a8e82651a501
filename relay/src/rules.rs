//! What the operator's own files say: what messages cost, and which address lies where. A reload reads
//! them again.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use plico_protocol::pricing::{Currency, RateCard};
use plico_protocol::ticket::Zone;
use plico_protocol::time::Minute;

use crate::config::Config;
use crate::policy::rate_card::{BadRateCards, RateCards, SAMPLE};
use crate::policy::zones::{BadZones, Zones};
use crate::rows::{View, ViewError};

/// The files, as they were read last. Cheap to clone; every clone sees what a reload read.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) rate_cards: Current<RateCards>,
    pub(crate) zones: Current<Zones>,
}

/// What is replaced while others read it.
#[derive(Debug, Default)]
pub struct Current<T>(Arc<RwLock<Arc<T>>>);

/// Why a relay does not begin with these files.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// One is not there, or not to be read.
    #[error("cannot read {path}, which `{setting}` names: {error}")]
    Unreadable {
        /// Which setting names it.
        setting: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// The rate card.
    #[error("{path}: {error}")]
    RateCards {
        /// Which file.
        path: PathBuf,
        /// Its first mistake.
        error: BadRateCards,
    },
    /// The address prefixes.
    #[error("{path}: {error}")]
    Zones {
        /// Which file.
        path: PathBuf,
        /// Its first mistake.
        error: BadZones,
    },
    /// Every message that costs something would be refused.
    #[error(
        "the rate card is in {card}, and accounts are kept in {kept}: a relay bills in one \
         currency; bring a card in {kept}"
    )]
    Currency {
        /// The rate card's.
        card: Currency,
        /// The accounts'.
        kept: Currency,
    },
    /// The accounts.
    #[error(transparent)]
    Accounts(#[from] ViewError),
}

impl Rules {
    /// Reads what the settings name; what they do not name is as built in.
    pub(crate) fn open(config: &Config, now: Minute) -> Result<Self, RulesError> {
        let card = read("rate_card", &config.rate_card)?;
        let card = card.unwrap_or_else(|| SAMPLE.to_owned());
        let rate_cards = RateCards::parse(&card, now).map_err(|error| RulesError::RateCards {
            path: config.rate_card.clone().into(),
            error,
        })?;
        let zones = Zones::parse(&read("zones", &config.zones)?.unwrap_or_default())
            .map_err(|error| RulesError::Zones { path: config.zones.clone().into(), error })?;
        Ok(Self { rate_cards: Current::new(rate_cards), zones: Current::new(zones) })
    }

    /// Whether the cards are in the currency that accounts are kept in.
    pub(crate) fn check_currency(&self, accounts: &View) -> Result<(), RulesError> {
        match (self.rate_cards.get().currency(), accounts.currency()?) {
            (Some(card), Some(kept)) if card != kept => Err(RulesError::Currency { card, kept }),
            _ => Ok(()),
        }
    }

    /// Goes on with what `read` says, everywhere.
    pub(crate) fn replace(&self, read: &Self) {
        self.rate_cards.set(read.rate_cards.get());
        self.zones.set(read.zones.get());
    }
}

impl<T> Current<T> {
    /// Begins with this.
    pub fn new(first: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(first))))
    }

    /// As it is now.
    pub fn get(&self) -> Arc<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes on with this, everywhere.
    pub fn replace(&self, next: T) {
        self.set(Arc::new(next));
    }

    fn set(&self, next: Arc<T>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = next;
    }
}

impl Current<RateCards> {
    /// The card that holds in a minute.
    pub(crate) fn at(&self, minute: Minute) -> Option<Arc<RateCard>> {
        self.get().at(minute).cloned()
    }
}

impl Current<Zones> {
    /// Where an address lies.
    pub(crate) fn of(&self, address: IpAddr) -> Zone {
        self.get().of(address)
    }
}

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

fn read(setting: &'static str, path: &str) -> Result<Option<String>, RulesError> {
    if path.is_empty() {
        return Ok(None);
    }
    let path = PathBuf::from(path);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) => Err(RulesError::Unreadable { setting, path, error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(config: &Config) -> String {
        Rules::open(config, Minute(0)).unwrap_err().to_string()
    }

    #[test]
    fn a_file_that_does_not_fit_is_named_with_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_string_lossy().into_owned()
        };
        let zones = file("zones", "10.0.0.0/8 FR\nhere\n");
        let said = refused(&Config { zones, ..Config::default() });
        assert!(said.contains("zones: line 2: a prefix"), "{said}");
        let rate_card = file("card.toml", "currency = \"EUR\"\nprice = 1\n");
        let said = refused(&Config { rate_card, ..Config::default() });
        assert!(said.contains("card.toml: line 1, column 1: error: `card` is missing"), "{said}");
        let said = refused(&Config { zones: "/nowhere/zones".into(), ..Config::default() });
        assert!(said.contains("which `zones` names"), "{said}");
        assert!(Rules::open(&Config::default(), Minute(0)).is_ok());
    }
}
