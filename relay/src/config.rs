//! Every setting of a relay, each declared once in the table below with its default, bounds, unit
//! and meaning. From that one table come the struct, the parser that refuses unknown keys by name,
//! and the commented file that `plico-relay config` prints.
//!
//! Nothing here is secret: keys are files in `keys_dir`, never settings.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use plico_protocol::pricing::Millionths;

use crate::policy::throttle::ThrottleLimits;
use crate::writer::Limits;

/// How much the relay says on its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Only what stops the relay or loses work.
    Error,
    /// And what an operator should look at.
    Warn,
    /// And the milestones of a run.
    Info,
    /// And each connection's life, without naming anybody.
    Debug,
    /// And the type of each frame, without naming anybody.
    Trace,
}

/// Why a configuration file is not used. Each message says what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not TOML.
    #[error("the file is not valid TOML: {0}; correct it, or start from `plico-relay config`")]
    Syntax(String),
    /// A key no setting has.
    #[error("unknown setting `{key}`{}; `plico-relay config` prints every setting", suggestion(.nearest))]
    UnknownKey {
        /// The key that came.
        key: String,
        /// The setting that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A value of another type.
    #[error("`{key}` must be {expected}, but the file has {found}; correct the value")]
    WrongType {
        /// The setting.
        key: &'static str,
        /// What its value looks like.
        expected: &'static str,
        /// What came.
        found: String,
    },
    /// A number outside its bounds.
    #[error("`{key}` is {value}, but must be between {min} and {max} ({unit}); correct the value")]
    OutOfRange {
        /// The setting.
        key: &'static str,
        /// What came.
        value: u64,
        /// The least allowed.
        min: u64,
        /// The most allowed.
        max: u64,
        /// What the number counts.
        unit: &'static str,
    },
    /// Metrics would be served to the network.
    #[error(
        "`metrics_listen` is {0}, but must be a loopback address such as 127.0.0.1:9464, because \
         metrics are served to whoever asks; have a proxy that checks who asks pass them on"
    )]
    NotLoopback(SocketAddr),
}

macro_rules! settings {
    ($($name:ident: $type:ty = $default:expr, $unit:literal $(in $range:expr)?, $meaning:literal;)+) => {
        /// The settings of one relay.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Config {
            $(#[doc = concat!($meaning, " Unit: ", $unit, ".")] pub $name: $type,)+
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Config {
            /// The names of all settings, in the order of the table.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)+];

            /// Reads a configuration file; what it does not set keeps its default.
            ///
            /// # Errors
            ///
            /// [`ConfigError`], naming the setting.
            pub fn parse(text: &str) -> Result<Self, ConfigError> {
                let table: toml::Table = text
                    .parse()
                    .map_err(|error: toml::de::Error| ConfigError::Syntax(one_line(&error)))?;
                let mut config = Self::default();
                for (key, value) in &table {
                    match key.as_str() {
                        $(stringify!($name) => {
                            config.$name = read(stringify!($name), value)?;
                        })+
                        _ => return Err(unknown(key)),
                    }
                }
                config.check()?;
                Ok(config)
            }

            /// Compares every number with its bounds; for values that came from elsewhere than
            /// [`Config::parse`].
            ///
            /// # Errors
            ///
            /// [`ConfigError::OutOfRange`], [`ConfigError::NotLoopback`].
            pub fn check(&self) -> Result<(), ConfigError> {
                $($(check_range(stringify!($name), u64::from(self.$name), $range, $unit)?;)?)+
                check_loopback(self.metrics_listen)
            }

            /// A TOML file that sets everything as it is here, each setting with its meaning.
            pub fn to_toml(&self) -> String {
                let mut file = String::from(HEADING);
                $(
                    file.push_str(&comment($meaning, $unit, None::<RangeInclusive<u64>>$(.or(Some($range)))?));
                    file.push_str(&format!("{} = {}\n", stringify!($name), self.$name.to_toml()));
                )+
                file
            }
        }
    };
}

settings! {
    listen: SocketAddr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 4433)), "IP address and UDP port",
        "Where the relay listens. Port 0 takes a free one.";
    public_host: String = String::new(), "host name or IP address",
        "What links name as the relay's host. Empty: the listening address, or loopback where that is every address.";
    data_dir: PathBuf = "plico-data".into(), "path",
        "The directory of the database. Worth little to a thief without the keys.";
    keys_dir: PathBuf = "plico-keys".into(), "path",
        "The directory of the secret keys. Back it up apart from the data.";
    tls_certificate: String = String::new(), "path",
        "A certificate for the key in `tls.key`, with its chain, in PEM. Empty: one is made around the key at each start. Clients pin the key and check nothing else; read again by `plico-relay reload`.";
    allow_classical: bool = false, "true or false",
        "Whether clients without X25519MLKEM768 may connect. What they send can be recorded today and read by a quantum computer later.";
    connections_max: u32 = 100_000, "connections" in 1..=10_000_000,
        "Connections open at one time; further ones are refused. One that listens for its mail costs about 50 KiB.";
    handshakes_per_minute_per_prefix: u32 = 600, "handshakes per minute" in 1..=6_000_000,
        "Handshakes that an IPv4 /24 or IPv6 /48 may begin before it must show, by one more round trip, that it receives at its addresses. Ten times as many are refused.";
    connections_per_prefix_max: u32 = 10_000, "connections" in 1..=10_000_000,
        "Connections that an IPv4 /24 or IPv6 /48 may have open at one time; further ones are refused.";
    frames_per_minute_per_prefix: u32 = 60_000, "frames per minute" in 1..=60_000_000,
        "Requests of an IPv4 /24 or IPv6 /48, but acknowledgements and what businesses submit. Of each limit on a minute or a day, as many may come at once.";
    mailboxes_opened_per_minute_per_prefix: u32 = 600, "mailboxes per minute" in 1..=60_000_000,
        "Mailboxes that the people of an IPv4 /24 or IPv6 /48 may open.";
    bundles_per_minute_per_prefix: u32 = 600, "bundles per minute" in 1..=60_000_000,
        "Prekey bundles that an IPv4 /24 or IPv6 /48 may fetch; further ones lack a one-time prekey.";
    submissions_per_minute_per_prefix: u32 = 6_000, "messages per minute" in 1..=60_000_000,
        "Messages of the people of an IPv4 /24 or IPv6 /48 to businesses.";
    inbox_share_percent_per_prefix: u32 = 10, "percent" in 1..=100,
        "How much of what the rate card lets an inbox take in a day may come from one IPv4 /24 or IPv6 /48.";
    submissions_per_minute_per_account: u32 = 30_000, "messages per minute" in 1..=60_000_000,
        "Messages that one business may submit.";
    messages_per_minute_per_mailbox: u32 = 10, "messages per minute" in 1..=60_000_000,
        "Messages that one person's mailbox takes; 45 may come at once.";
    mailbox_envelopes_max: u32 = 1_000, "envelopes" in 1..=100_000,
        "Envelopes that may wait in one person's mailbox; further ones are refused.";
    mailbox_bytes_max: u64 = 16 * MIB, "bytes" in 64 * KIB..=64 * GIB,
        "Bytes that may wait in one person's mailbox; further ones are refused.";
    inbox_envelopes_max: u32 = 100_000, "envelopes" in 1..=100_000_000,
        "Envelopes that may wait in one business's inbox; further ones are refused.";
    inbox_bytes_max: u64 = GIB, "bytes" in 64 * KIB..=1024 * GIB,
        "Bytes that may wait in one business's inbox; further ones are refused.";
    rate_card: String = String::new(), "path",
        "What messages cost, in TOML; `plico-relay rate-card check FILE` explains it. Empty: the example that `plico-relay rate-card check` prints. Read again by `plico-relay reload`.";
    zones: String = String::new(), "path",
        "Which address prefix lies in which country, one such as `192.0.2.0/24 FR` on a line. Empty: every ticket's zone is `ZZ`, unknown, priced as the dearest. Read again by `plico-relay reload`.";
    credit: Millionths = Millionths::ZERO, "units of the rate card's currency",
        "How far a business may owe for which the operator set nothing else; 0: it pays in advance.";
    free_space_min_bytes: u64 = 512 * MIB, "bytes" in 0..=1024 * GIB,
        "Free bytes of the data directory's file system below which new messages are refused while delivery goes on. The engine needs room to delete, so keep it well above zero.";
    metrics_listen: Option<SocketAddr> = None, "IP address and TCP port",
        "Where metrics are served in Prometheus's text format, to whoever asks: a loopback address. Empty: nowhere.";
    shutdown_ms_max: u32 = 5_000, "milliseconds" in 100..=600_000,
        "How long a stopping relay waits for its connections before it closes the database regardless.";
    log_level: LogLevel = LogLevel::Info, "error, warn, info, debug or trace",
        "How much goes to standard error. No level names a person, a business or an address.";
}

/// The type of a setting's value.
trait Setting: Sized {
    /// What a value looks like, for the message when it does not.
    const EXPECTED: &'static str;

    fn from_toml(value: &toml::Value) -> Option<Self>;

    fn to_toml(&self) -> String;
}

impl Setting for SocketAddr {
    const EXPECTED: &'static str = "a string with an IP address and a port, such as \"[::]:4433\"";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_str()?.parse().ok()
    }

    fn to_toml(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for Option<SocketAddr> {
    const EXPECTED: &'static str = "\"\", or a string with an IP address and a port";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        match value.as_str()? {
            "" => Some(None),
            address => address.parse().ok().map(Some),
        }
    }

    fn to_toml(&self) -> String {
        quoted(&self.map(|address| address.to_string()).unwrap_or_default())
    }
}

impl Setting for String {
    const EXPECTED: &'static str = "a string";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }

    fn to_toml(&self) -> String {
        quoted(self)
    }
}

impl Setting for PathBuf {
    const EXPECTED: &'static str = "a string with a path";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_str().filter(|path| !path.is_empty()).map(Self::from)
    }

    fn to_toml(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_bool()
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

impl Setting for u32 {
    const EXPECTED: &'static str = "a whole number below 4294967296";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        Self::try_from(value.as_integer()?).ok()
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

impl Setting for u64 {
    const EXPECTED: &'static str = "a whole number, not negative";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        Self::try_from(value.as_integer()?).ok()
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

impl Setting for Millionths {
    const EXPECTED: &'static str = "an amount in quotes, such as \"100.00\"";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        Self::from_decimal(value.as_str()?).ok()
    }

    fn to_toml(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for LogLevel {
    const EXPECTED: &'static str = "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        let name = value.as_str()?;
        Self::ALL.iter().copied().find(|level| level.name() == name)
    }

    fn to_toml(&self) -> String {
        quoted(self.name())
    }
}

impl Config {
    /// The bounds of queues, for the writer.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            mailbox_envelopes_max: self.mailbox_envelopes_max,
            mailbox_bytes_max: self.mailbox_bytes_max,
            inbox_envelopes_max: self.inbox_envelopes_max,
            inbox_bytes_max: self.inbox_bytes_max,
            credit: self.credit,
        }
    }
}

impl Config {
    /// The bounds of what accounts, mailboxes and networks may do.
    pub(crate) fn throttle(&self) -> ThrottleLimits {
        ThrottleLimits {
            connections_per_prefix_max: self.connections_per_prefix_max,
            frames_per_minute_per_prefix: self.frames_per_minute_per_prefix,
            mailboxes_opened_per_minute_per_prefix: self.mailboxes_opened_per_minute_per_prefix,
            bundles_per_minute_per_prefix: self.bundles_per_minute_per_prefix,
            submissions_per_minute_per_prefix: self.submissions_per_minute_per_prefix,
            inbox_share_percent_per_prefix: self.inbox_share_percent_per_prefix,
            submissions_per_minute_per_account: self.submissions_per_minute_per_account,
            messages_per_minute_per_mailbox: self.messages_per_minute_per_mailbox,
        }
    }
}

impl LogLevel {
    const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

fn read<T: Setting>(key: &'static str, value: &toml::Value) -> Result<T, ConfigError> {
    T::from_toml(value).ok_or_else(|| ConfigError::WrongType {
        key,
        expected: T::EXPECTED,
        found: value.to_string().chars().take(VALUE_SHOWN_CHARS_MAX).collect(),
    })
}

fn check_range(
    key: &'static str,
    value: u64,
    range: RangeInclusive<u64>,
    unit: &'static str,
) -> Result<(), ConfigError> {
    let (min, max) = (*range.start(), *range.end());
    if range.contains(&value) {
        return Ok(());
    }
    Err(ConfigError::OutOfRange { key, value, min, max, unit })
}

fn check_loopback(address: Option<SocketAddr>) -> Result<(), ConfigError> {
    match address.filter(|address| !address.ip().is_loopback()) {
        Some(address) => Err(ConfigError::NotLoopback(address)),
        None => Ok(()),
    }
}

fn unknown(key: &str) -> ConfigError {
    ConfigError::UnknownKey { key: key.to_owned(), nearest: nearest(key, Config::NAMES) }
}

/// The name that was probably meant, if one is near enough.
pub(crate) fn nearest(key: &str, names: &[&'static str]) -> Option<&'static str> {
    let nearest = names.iter().min_by_key(|name| edit_distance(key, name)).copied();
    nearest.filter(|name| edit_distance(key, name) <= name.len() / 3)
}

fn suggestion(nearest: &Option<&'static str>) -> String {
    nearest.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

/// Insertions, deletions and substitutions between two names (Levenshtein).
fn edit_distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((b, above_left), above) in to.chars().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            next.push((above_left + usize::from(a != b)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

fn comment(meaning: &str, unit: &str, range: Option<RangeInclusive<u64>>) -> String {
    let range = range.map(|r| format!(", {} to {}", r.start(), r.end())).unwrap_or_default();
    format!("\n# {meaning}\n# Unit: {unit}{range}.\n")
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn one_line(error: &toml::de::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;
const VALUE_SHOWN_CHARS_MAX: usize = 80;
const HEADING: &str = "# Settings of plico-relay. A setting left out has its default.\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Config::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_printed_file_parses_to_the_defaults_and_explains_every_setting() {
        let file = Config::default().to_toml();
        assert_eq!(Config::parse(&file), Ok(Config::default()));
        for name in Config::NAMES {
            assert!(file.contains(&format!("\n{name} = ")));
        }
        assert_eq!(file.matches("# Unit: ").count(), Config::NAMES.len());
    }

    #[test]
    fn queues_are_bounded_by_default_as_the_writer_has_it() {
        assert_eq!(Config::default().limits(), Limits::default());
    }

    #[test]
    fn metrics_are_served_to_this_machine_alone() {
        assert!(refused("metrics_listen = \"0.0.0.0:9464\"").contains("loopback"));
        let config = Config::parse("metrics_listen = \"[::1]:9464\"").unwrap();
        assert_eq!(Config::parse(&config.to_toml()), Ok(config));
    }

    #[test]
    fn an_odd_value_survives_printing() {
        let config = Config { data_dir: "a \"b\"\\c\n".into(), ..Config::default() };
        assert_eq!(Config::parse(&config.to_toml()), Ok(config));
    }

    #[test]
    fn an_unknown_setting_is_named_with_the_nearest_known_one() {
        let message = refused("conections_max = 5");
        assert!(
            message.contains("`conections_max` (did you mean `connections_max`?)"),
            "{message}"
        );
        let message = refused("speed = 5");
        assert!(message.contains("`speed`;"), "{message}");
    }

    #[test]
    fn a_number_at_its_bounds_is_taken_and_one_past_them_is_not() {
        assert_eq!(Config::parse("connections_max = 1").unwrap().connections_max, 1);
        let message = refused("connections_max = 0");
        assert!(message.contains("`connections_max` is 0") && message.contains("between 1 and"));
        assert!(refused("mailbox_bytes_max = 65535").contains("between 65536 and"));
        assert!(refused("connections_max = -1").contains("a whole number"));
    }

    #[test]
    fn a_value_of_another_type_says_what_is_expected() {
        assert!(refused("listen = \"here\"").contains("`listen` must be a string with an IP"));
        assert!(refused("log_level = \"loud\"").contains("\"warn\""));
        assert!(refused("listen = ").contains("not valid TOML"));
    }
}
