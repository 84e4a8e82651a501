//! Every rule, with a history that keeps it and one that breaks it and nothing else.

mod consent;
mod ending;
mod events;
mod ledger;
mod relay;
mod restored;
mod shown;
mod story;
mod told;
