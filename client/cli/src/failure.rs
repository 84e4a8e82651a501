//! How a command ends when it did not do what it was asked: an exit status for scripts, and one
//! screen for people that says what happened, why, and what to do next.

use core::fmt;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use plico_client::{ConnectError, LookUpError, OpenError, SendError, Stopped, Trouble};

use plico_protocol::refusal::Code;

use crate::remark;
use crate::text::{clean_text, wrap};

/// The exit status. The numbers are for scripts and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub(crate) enum Status {
    Failed = 1,
    Usage = 2,
    InUse = 3,
    WrongKey = 4,
    BadLink = 5,
    Unreachable = 6,
    NotTrusted = 7,
    Refused = 8,
    DiskFull = 9,
    BadState = 10,
    TimedOut = 11,
    Interrupted = 130,
}

/// Why a command did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    what: String,
    why: String,
    next: String,
}

impl Status {
    /// In the order of their numbers.
    pub(crate) const ALL: [Self; 12] = [
        Self::Failed,
        Self::Usage,
        Self::InUse,
        Self::WrongKey,
        Self::BadLink,
        Self::Unreachable,
        Self::NotTrusted,
        Self::Refused,
        Self::DiskFull,
        Self::BadState,
        Self::TimedOut,
        Self::Interrupted,
    ];

    /// What a script may take it for.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Failed => "failed for another reason, which the text names",
            Self::Usage => "wrong usage",
            Self::InUse => "another program has this state open",
            Self::WrongKey => "the key file or passphrase does not open this state",
            Self::BadLink => "this is no Plico link, or it lacks what trust is founded on",
            Self::Unreachable => "the relay cannot be reached",
            Self::NotTrusted => {
                "relay or business is not the link's, its certificate is not valid, or a statement does not agree"
            }
            Self::Refused => "the relay refused",
            Self::DiskFull => "this device's disk is full",
            Self::BadState => "the state is missing, damaged or another's",
            Self::TimedOut => "not done in time; what was to be sent is stored and goes out later",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The exit statuses as help shows them.
pub(crate) fn exit_help() -> String {
    let rows = Status::ALL.iter().map(|status| {
        let (number, meaning) = (*status as u8, status.meaning());
        format!("  {number:>3}  {meaning}\n")
    });
    format!("Exit status:\n    0  done\n{}", rows.collect::<String>())
}

impl Failure {
    /// `what` happened and `why`, and what to do `next`: sentences of one to three lines.
    pub(crate) fn new(
        status: Status,
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { status, what: what.into(), why: why.into(), next: next.into() }
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(
            Status::Interrupted,
            "Interrupted.",
            "You or the system asked this program to end.",
            "Start it again to go on. What was stored to be sent goes out then.",
        )
    }

    pub(crate) fn no_runtime(error: &std::io::Error) -> Self {
        let next = "Close other programs and try again.";
        Self::new(Status::Failed, "The program could not start.", error.to_string(), next)
    }

    /// A file that could not be read or written, with what it is for.
    pub(crate) fn file(what: impl Into<String>, error: &std::io::Error) -> Self {
        if is_full(error.kind()) {
            return Self::disk_full();
        }
        let next = "Check its path and rights, then run the command again.";
        Self::new(Status::Failed, what, error.to_string(), next)
    }

    /// Standard output that did not take what was printed.
    pub(crate) fn output(error: &std::io::Error) -> Self {
        let (status, why) = match error.kind() {
            kind if is_full(kind) => (Status::DiskFull, "The disk it goes to is full.".to_owned()),
            _ => (Status::Failed, sentence(&error.to_string())),
        };
        let what = "Not everything could be printed.";
        let next = "Run the command again where its output can be written. Messages and events \
                    that were not printed whole are not taken for read: they come again.";
        Self::new(status, what, why, next)
    }

    pub(crate) fn disk_full() -> Self {
        Self::new(
            Status::DiskFull,
            "This device's disk is full, so nothing more can be stored.",
            "Messages are stored before they are sent and before they are acknowledged. What was \
             stored before is safe, and what was not fetched waits at the relay.",
            "Free some space, then run the command again.",
        )
    }

    /// A running `serve` that was asked and ended without an answer: nobody knows what it did.
    pub(crate) fn unanswered(why: impl Into<String>) -> Self {
        let next = "See whether it was done, then run the command again.";
        Self::new(Status::Failed, UNANSWERED, why, next)
    }

    /// Whether it is [`Self::unanswered`].
    pub(crate) fn is_unanswered(&self) -> bool {
        self.what == UNANSWERED
    }

    /// Whether SQLite could not write, and did not say why.
    pub(crate) fn is_io_error(&self) -> bool {
        matches!(self.status, Status::BadState | Status::Failed)
            && self.why.contains("disk I/O error")
    }

    /// Prints it and gives the exit code.
    pub(crate) fn complain(&self) -> ExitCode {
        remark(self);
        ExitCode::from(self.status as u8)
    }

    /// The same failure with another advice.
    pub(crate) fn with_next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }

    /// A text of the SDK of the form "what; what to do".
    pub(crate) fn of_sdk(status: Status, what: &str, error: &impl fmt::Display) -> Self {
        let text = error.to_string();
        if is_disk_full(&text) {
            return Self::disk_full();
        }
        let (why, next) = text.split_once("; ").unwrap_or((&text, "Run the command again."));
        Self::new(status, what, sentence(why), sentence(next))
    }
}

/// One screen: at most 24 lines of 80 columns.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status: _, what, why, next } = self;
        let parts = [("plico: ", what), ("  why: ", why), (" next: ", next)];
        let mut lines = Vec::new();
        for (label, text) in parts {
            let wrapped = wrap(&clean_text(text), COLUMNS - label.len());
            for (n, line) in wrapped.iter().take(PART_LINES_MAX).enumerate() {
                let margin = if n == 0 { label } else { "       " };
                lines.push(format!("{margin}{line}"));
            }
        }
        f.write_str(&lines.join("\n"))
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let status = match &error {
            OpenError::Locked => Status::InUse,
            OpenError::WrongKey | OpenError::KeyFile(_) | OpenError::KeyFileExposed { .. } => {
                Status::WrongKey
            }
            _ => Status::BadState,
        };
        let failure = Self::of_sdk(status, "The state was not opened.", &error);
        match error {
            OpenError::WrongKey => failure.with_next(
                "Name the key with --key-file or --passphrase-file, or be asked with --passphrase. \
                 Without any of them the key is the file beside the state, with the ending .key.",
            ),
            OpenError::KeyFileExposed { .. } => {
                failure.with_next("chmod 600 the key file, then run the command again.")
            }
            _ => failure,
        }
    }
}

impl From<Stopped> for Failure {
    fn from(error: Stopped) -> Self {
        Self::of_sdk(Status::BadState, "The program had to stop.", &error)
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Stopped(stopped) => stopped.into(),
            SendError::Content(bad) => Self::new(
                Status::Usage,
                "This is no message.",
                sentence(&bad.to_string()),
                "Write a text of 1 to 32,768 bytes.",
            ),
            error => Self::of_sdk(Status::Failed, "The message was not taken.", &error),
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        let status = match trouble {
            Trouble::Refused(_) => Status::Refused,
            _ => Status::NotTrusted,
        };
        let failure = Self::of_sdk(status, "The conversation cannot go on.", &trouble);
        match trouble {
            Trouble::Refused(Code::UnknownHandle) => failure.with_next(
                "Compare the business's name in the link with what you were given, or get the link \
                 again from the business. plico forget removes the conversation.",
            ),
            _ => failure,
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::WrongPin | ConnectError::ClassicalOnly => {
                Self::of_sdk(Status::NotTrusted, "The relay is not trusted.", &error)
            }
            error => Self::of_sdk(Status::Unreachable, "The relay cannot be reached.", &error),
        }
    }
}

impl From<LookUpError> for Failure {
    fn from(error: LookUpError) -> Self {
        match error {
            LookUpError::Connect(error) => error.into(),
            LookUpError::Trouble(trouble) => trouble.into(),
            LookUpError::Stopped(stopped) => stopped.into(),
        }
    }
}

/// Whether the system says that there is no more room, for anybody or for this user.
fn is_full(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(kind, StorageFull | QuotaExceeded | FileTooLarge)
}

/// Whether SQLite ran out of space. Its code is gone by the time an agent says why it stopped; the
/// text is fixed (`sqlite3_errstr(SQLITE_FULL)`).
fn is_disk_full(text: &str) -> bool {
    text.contains("database or disk is full")
        || text.contains("No space left on device")
        || text.contains("File too large")
}

/// With a capital and a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}

const UNANSWERED: &str = "The running `serve` gave no answer.";
const COLUMNS: usize = 80;
/// Three parts of this length are one screen.
const PART_LINES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_screen() {
        let long = "words and more words ".repeat(200);
        let failure = Failure::new(Status::Failed, &long, &long, &long).to_string();
        assert!(failure.lines().count() <= 24);
        assert!(failure.lines().all(|line| crate::text::width(line) <= COLUMNS));
    }

    #[test]
    fn a_failure_says_what_why_and_what_next() {
        let text = Failure::from(OpenError::Locked).to_string();
        assert!(text.starts_with("plico: The state was not opened.\n  why: Another program"));
        assert!(text.contains("\n next: Close the other first."), "{text}");
    }

    #[test]
    fn a_full_disk_is_named_whoever_notices() {
        let full = "stopped: database or disk is full";
        let stopped = Failure::from(Stopped::State(full.to_owned()));
        assert_eq!(stopped, Failure::disk_full());
        let error = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(Failure::file("x", &error), Failure::disk_full());
    }

    #[test]
    fn exit_statuses_are_documented_as_they_are() {
        let manual = include_str!("../../../docs/plico.md");
        for status in Status::ALL {
            let row = format!("| {} | {} |", status as u8, status.meaning());
            assert!(manual.contains(&row), "docs/plico.md lacks the row `{row}`");
        }
        let rows = manual.lines().filter(|line| {
            line.strip_prefix("| ")
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        });
        // One more: 0, done.
        assert_eq!(rows.count(), Status::ALL.len() + 1);
    }
}
