//! What the operator's own files say: what messages cost, and which address lies where.

use std::path::PathBuf;
use std::sync::Arc;

use plico_protocol::pricing::RateCard;
use plico_protocol::time::Minute;

use crate::config::Config;
use crate::policy::rate_card::{BadRateCards, RateCards, SAMPLE};
use crate::policy::zones::{BadZones, Zones};

/// The files, read.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) rate_cards: RateCards,
    /// The same, to hand out.
    shared: Vec<Arc<RateCard>>,
    pub(crate) zones: Zones,
}

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
}

impl Rules {
    /// The card that holds in a minute.
    pub(crate) fn card_at(&self, minute: Minute) -> Option<Arc<RateCard>> {
        self.shared.iter().find(|card| card.holds_at(minute)).cloned()
    }

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
        let shared = rate_cards.all().iter().cloned().map(Arc::new).collect();
        Ok(Self { rate_cards, shared, zones })
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
