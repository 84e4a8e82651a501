//! Categories by their names: on the command line, in rules and in what programs print.

use clap::ValueEnum;
use plico_client::Category;
use serde::{Deserialize, Serialize};

/// What a message is declared to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// An answer or help the person asked for; free inside a window.
    #[default]
    Service,
    /// A boarding pass, a delivery, an appointment.
    Utility,
    /// A one-time code.
    Authentication,
    /// Anything that advertises.
    Marketing,
}

impl Kind {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Utility => "utility",
            Self::Authentication => "authentication",
            Self::Marketing => "marketing",
        }
    }
}

impl From<Kind> for Category {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Service => Self::Service,
            Kind::Utility => Self::Utility,
            Kind::Authentication => Self::Authentication,
            Kind::Marketing => Self::Marketing,
        }
    }
}

impl From<Category> for Kind {
    fn from(category: Category) -> Self {
        match category {
            Category::Service => Self::Service,
            Category::Utility => Self::Utility,
            Category::Authentication => Self::Authentication,
            Category::Marketing => Self::Marketing,
        }
    }
}
