//! What the relay may say about itself: an allow-list of targets and of fields.
//!
//! quinn logs peer addresses and rustls handshake bytes, at levels anybody can switch on; a list
//! of what to hide would be out of date with their next release. So only this crate's own events
//! are written, of their fields only those named here, and of those only numbers, booleans and a
//! few words. A message is a literal: a test reads this crate's sources for one that is not.

use std::fmt::{Debug, Write as _};
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::{Clock, SystemClock, rfc3339};
use crate::config::LogLevel;

/// Targets whose events are written: modules of this crate.
const TARGETS: &[&str] = &["plico_relay"];

/// Fields that may be written: counts, sizes, durations, booleans.
const NUMBERS: &[&str] = &[
    "bytes",
    "connections",
    "count",
    "duration_ms",
    "envelopes",
    "free_bytes",
    "handshaking",
    "kind",
    "mailboxes",
    "min_bytes",
    "retry_after_ms",
    "streams",
];

/// Fields that may be written as text: names from a fixed set, and this crate's own errors, which
/// name files, tables and settings. Errors of a connection are never logged.
const WORDS: &[&str] = &["code", "decision", "error", "identity", "request", "step"];

/// Writes the allowed part of allowed events, one line each.
#[derive(Debug)]
pub struct AllowList<W> {
    level: LevelFilter,
    out: Mutex<W>,
}

impl<W: Write> AllowList<W> {
    /// Writes events up to `level` to `out`.
    pub fn new(level: LogLevel, out: W) -> Self {
        Self { level: filter(level), out: Mutex::new(out) }
    }

    fn allows(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.level && is_ours(metadata.target())
    }
}

/// Installs the allow-list on standard error for the whole process. A second call changes nothing.
pub fn install(level: LogLevel) {
    let layer = AllowList::new(level, std::io::stderr());
    let subscriber = tracing_subscriber::registry().with(layer);
    // Fails only where the program that embeds the relay has its own subscriber, which stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

impl<S, W> Layer<S> for AllowList<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Write + Send + 'static,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.allows(metadata) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Asked again: beside another layer this one is called for what it has no interest in.
        let metadata = event.metadata();
        if !self.allows(metadata) {
            return;
        }
        let mut line = Line::new(*metadata.level(), metadata.target());
        event.record(&mut line);
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written must not stop the relay.
        let _ = writeln!(out, "{}", line.0);
    }
}

/// One event, as far as it may be written.
struct Line(String);

impl Line {
    fn new(level: Level, target: &str) -> Self {
        Self(format!("{} {level:5} {target}", rfc3339(SystemClock.now())))
    }

    fn number(&mut self, field: &Field, value: impl Debug) {
        if NUMBERS.contains(&field.name()) {
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }
}

impl Visit for Line {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if WORDS.contains(&field.name()) {
            let value: String = value.chars().take(WORD_CHARS_MAX).collect();
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // What is recorded through `Debug` or `Display` may print anything. Taken are the message,
        // a literal, and this crate's errors.
        match field.name() {
            "message" => {
                let _ = write!(self.0, " {value:?}");
            }
            "error" => self.record_str(field, &format!("{value:?}")),
            _ => (),
        }
    }
}

fn is_ours(target: &str) -> bool {
    let within = |allowed: &&str| {
        target.strip_prefix(*allowed).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    TARGETS.iter().any(within)
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

const WORD_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn captured(level: LogLevel, log: impl FnOnce()) -> String {
        let out = Captured::default();
        let layer = AllowList::new(level, out.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        String::from_utf8(out.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn fields_and_targets_outside_the_list_are_dropped_at_trace() {
        let text = captured(LogLevel::Trace, || {
            tracing::trace!(target: "plico_relay::x", connections = 3, peer = "127.9.8.7", "came");
            tracing::error!(target: "quinn::endpoint", connections = 4, "127.9.8.7");
            tracing::error!(target: "plico_relay_other", "127.9.8.7");
            tracing::info!(target: "plico_relay", code = ?"127.9.8.7", count = %"127.9.8.7", "odd");
            let _span = tracing::error_span!(target: "plico_relay", "127.9.8.7").entered();
            tracing::info!(target: "plico_relay", code = "storage_full", "inside");
        });
        assert!(!text.contains("127"), "{text}");
        assert!(text.contains("plico_relay::x came connections=3\n"), "{text}");
        assert!(text.contains("inside code=\"storage_full\"\n"), "{text}");
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn a_level_above_the_chosen_one_is_silent() {
        let text = captured(LogLevel::Warn, || tracing::info!(target: "plico_relay", "hello"));
        assert_eq!(text, "");
    }

    #[test]
    fn every_message_in_this_crate_is_a_literal() {
        let mut found = 0;
        each_source(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path(),
            &mut |path, text| {
                for macro_name in ["error!", "warn!", "info!", "debug!", "trace!"] {
                    let call = format!("tracing::{macro_name}(");
                    for (at, _) in text.match_indices(&call) {
                        let arguments = arguments(&text[at + call.len()..]);
                        found += 1;
                        assert!(
                            !arguments.contains('{'),
                            "{}: {call}{arguments}) interpolates; put the value into an allowed field",
                            path.display(),
                        );
                    }
                }
            },
        );
        assert!(0 < found);
    }

    /// Up to the parenthesis that closes the call.
    fn arguments(text: &str) -> &str {
        let mut open = 1;
        let end = text.find(|c| {
            open += i32::from(c == '(') - i32::from(c == ')');
            open == 0
        });
        &text[..end.unwrap()]
    }

    fn each_source(directory: &Path, see: &mut impl FnMut(&Path, &str)) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                each_source(&path, see);
            } else if path.extension().is_some_and(|e| e == "rs") {
                see(&path, &std::fs::read_to_string(&path).unwrap());
            }
        }
    }
}
