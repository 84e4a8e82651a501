//! Why there is nothing to report.

use std::path::PathBuf;

/// What kept a run from being a measurement.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The relay's program did not become ready.
    #[error(
        "`{program}` did not start: {why}; build it with \
         `cargo build --release -p plico-relay`, or name another with --program"
    )]
    Start {
        /// Its path.
        program: PathBuf,
        /// What is known.
        why: String,
    },
    /// The relay did not take a business.
    #[error("the businesses of this run could not be certified: {0}")]
    Certify(String),
    /// A connection could not be made or did not last.
    #[error("a connection to the relay failed: {0}")]
    Connection(String),
    /// The relay refused something, said something unexpected, or mixed messages up.
    #[error("the relay did not do what it must: {0}; there is nothing to report")]
    Wrong(String),
    /// Some of what was sent did not arrive.
    #[error(
        "of {submitted} messages {accepted} were accepted, {delivered} delivered and \
         {acknowledged} acknowledged within {seconds} s; there is nothing to report"
    )]
    Lost {
        /// Handed to the relay.
        submitted: u64,
        /// Answered `Accepted`.
        accepted: u64,
        /// Delivered.
        delivered: u64,
        /// Confirmed as deleted.
        acknowledged: u64,
        /// How long was waited.
        seconds: u64,
    },
    /// More messages were due than could be handed over.
    #[error("the rate cannot be kept: {0} messages wait for their turn; choose a lower --rate")]
    Rate(usize),
    /// The SDK.
    #[error("an application stopped: {0}")]
    Application(String),
    /// The operating system.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What it said.
        error: std::io::Error,
    },
}

impl Failure {
    /// For `map_err`.
    pub(crate) fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::System { what, error }
    }

    /// For `map_err`.
    pub(crate) fn connection(error: impl ToString) -> Self {
        Self::Connection(error.to_string())
    }

    /// For `map_err`.
    pub(crate) fn application(error: impl ToString) -> Self {
        Self::Application(error.to_string())
    }
}
