//! What was printed last, so that a `serve` that was killed does not print it again.
//!
//! The state ends an event after it was printed, so the one event that may come twice is the first
//! after a start. Beside the state its hash is noted before it is printed and confirmed after,
//! without waiting for the disk: a killed program leaves both, and after a power cut nobody
//! remembers the screen either. Killed between the two, it prints the event and says that it may
//! have done so before.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use plico_protocol::mac::sha256;
use serde_json::Value;

/// The hash of the last event printed. It holds a random id, so it tells nothing about content.
pub(super) struct Shown {
    state: PathBuf,
    file: Option<File>,
    /// What the process before this printed last; none once another event came.
    last: Option<([u8; 32], u8)>,
}

/// Whether an event was printed by the process before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// No.
    New,
    /// It was about to be.
    Perhaps,
    /// Yes.
    Shown,
}

impl Shown {
    /// Reads what was printed last. Without the file there is no such memory, and nothing else.
    pub(super) fn open(state: &Path) -> Self {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path(state));
        let (mut last, mut stage) = ([0; 32], [0]);
        let read = file.as_ref().is_ok_and(|mut file| {
            file.read_exact(&mut last).and_then(|()| file.read_exact(&mut stage)).is_ok()
        });
        let [stage] = stage;
        Self { state: state.to_owned(), file: file.ok(), last: read.then_some((last, stage)) }
    }

    /// Notes that an event is about to be printed, and says whether it was before.
    pub(super) fn begin(&mut self, told: &Value) -> Before {
        if told.get("event").is_none() {
            // It is not stored, so it does not come again.
            return Before::New;
        }
        let hash = hash(told);
        match self.last.take() {
            Some((last, PRINTED)) if last == hash => return Before::Shown,
            Some((last, _)) if last == hash => return Before::Perhaps,
            _ => (),
        }
        self.note(&[hash.as_slice(), &[ABOUT_TO]].concat(), 0);
        Before::New
    }

    /// Notes that the event was printed.
    pub(super) fn printed(&self, told: &Value) {
        if told.get("event").is_some() {
            self.note(&[PRINTED], 32);
        }
    }

    /// Keeps a line of what was set aside, beside the state: whose and which, and nothing of what it
    /// says, which is at rest nowhere in the open.
    pub(super) fn set_aside(&self, told: &Value) {
        let keys = ["event", "customer", "id", "at"];
        let kept = keys.iter().filter_map(|key| Some(((*key).to_owned(), told.get(*key)?.clone())));
        let line = Value::Object(kept.collect());
        let mut options = OpenOptions::new();
        let file =
            options.append(true).create(true).mode(0o600).open(beside(&self.state, ".aside"));
        // It was printed, too.
        let _ = file.and_then(|mut file| writeln!(file, "{line}"));
    }

    fn note(&self, bytes: &[u8], offset: u64) {
        if let Some(file) = &self.file {
            // At worst it is printed again after a crash.
            let _ = file.write_all_at(bytes, offset);
        }
    }
}

/// Forgets what was printed, because another state takes this one's place.
pub(super) fn forget(state: &Path) {
    // Where there is nothing, nothing was printed.
    let _ = std::fs::remove_file(path(state));
}

/// Of what stays the same when it is told again; a name may change meanwhile.
fn hash(told: &Value) -> [u8; 32] {
    let part = |key| told.get(key).map(Value::to_string).unwrap_or_default();
    sha256(&[part("type").as_bytes(), part("event").as_bytes(), part("id").as_bytes()])
}

fn path(state: &Path) -> PathBuf {
    beside(state, ".shown")
}

fn beside(state: &Path, ending: &str) -> PathBuf {
    let mut name = state.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

const ABOUT_TO: u8 = 1;
const PRINTED: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_event_of_the_process_before_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("bank");
        let (one, two) = (serde_json::json!({"event": 1}), serde_json::json!({"event": 2}));
        let mut first = Shown::open(&state);
        for told in [&one, &two] {
            assert_eq!(first.begin(told), Before::New);
            first.printed(told);
        }
        drop(first);
        assert_eq!(Shown::open(&state).begin(&two), Before::Shown);
        let mut second = Shown::open(&state);
        assert_eq!(second.begin(&one), Before::New);
        // What comes after the first is new, whatever it looks like.
        assert_eq!(second.begin(&two), Before::New);
        // Killed before it was printed.
        drop(second);
        assert_eq!(Shown::open(&state).begin(&two), Before::Perhaps);
        assert_eq!(
            Shown::open(&state).begin(&serde_json::json!({"type": "connected"})),
            Before::New
        );
    }
}
