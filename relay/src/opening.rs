//! Opens what a relay stands on: keys, store and writer. A running relay and an operator's
//! command on a stopped one begin alike.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;

use crate::backup::{self, RestoreError, Restored};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::decide::SWEPT_KEY;
use crate::directory::Directory;
use crate::keys::{self, Keys, KeysError};
use crate::metrics::Metrics;
use crate::policy::rate_card::RateCards;
use crate::random::Pool;
use crate::rows::View;
use crate::rules::Current;
use crate::simulation::Simulation;
use crate::space::SpaceProbe;
use crate::store::{Fjall, OpenError, Store, Table};
use crate::tls::{self, Identity, TlsError};
use crate::writer::{
    self, Core, CoreError, Fatal, NoProbe, Probe, Running, Setup, Wake, Writer, exit_process,
};

/// What is not a setting: what a simulation or a test may bring along.
#[derive(Clone)]
pub struct Options {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who watches the commit path.
    pub probe: Arc<dyn Probe>,
    /// How much disk is free; none asks the data directory's file system.
    pub space: Option<Arc<dyn SpaceProbe>>,
    /// Where rows are kept; none opens the embedded store in the data directory.
    pub store: Option<Arc<dyn Store>>,
    /// What to do when a commit failed and nobody can be answered any more.
    pub on_fatal: Arc<dyn Fn(&Fatal) + Send + Sync>,
    /// A network and a pace in place of the machine's.
    pub simulation: Option<Simulation>,
}

/// Why a relay does not begin.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    /// The data directory.
    #[error(
        "cannot make the data directory {path}: {error}{}; or set `data_dir` to another place",
        keys::next_step(.error)
    )]
    Directory {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// A key of a relay that has data is not there.
    #[error(
        "{path} is missing, but the data directory belongs to a relay that had it; restore it \
         from the backup, or set `keys_dir` to where it is"
    )]
    KeyMissing {
        /// Which file.
        path: PathBuf,
    },
    /// A restore did not come to its end.
    #[error("the restore into {path} did not come to its end; run plico-relay restore again")]
    HalfRestored {
        /// Which data directory.
        path: PathBuf,
    },
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The TLS key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The store.
    #[error("{}", unopened(.path, .error))]
    Store {
        /// Its directory.
        path: PathBuf,
        /// What it said.
        error: OpenError,
    },
    /// The commit path.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// No thread for the writer.
    #[error("the operating system has no thread for the writer: {0}; free some resources")]
    Thread(std::io::Error),
}

/// Why a backup is not restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoringError {
    /// Data is there already.
    #[error(
        "there is a relay's data in {path} already, and a restore overwrites nothing; move it away \
         or restore to another place with --data"
    )]
    Occupied {
        /// Which data directory.
        path: PathBuf,
    },
    /// Keys or directories.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// The backup, or the store made from it.
    #[error("{path} is not restored: {error}")]
    Backup {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: RestoreError,
    },
}

/// Keys, store and writer of one relay.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Keys,
    pub(crate) identity: Identity,
    pub(crate) directory: Directory,
    pub(crate) view: View,
    pub(crate) writer: Writer,
    pub(crate) running: Running,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            probe: Arc::new(NoProbe),
            space: None,
            store: None,
            on_fatal: Arc::new(exit_process),
            simulation: None,
        }
    }
}

impl core::fmt::Debug for Options {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Options").finish_non_exhaustive()
    }
}

/// Opens everything, making what is not there yet.
pub(crate) fn open(
    config: &Config,
    options: &Options,
    rate_cards: Current<RateCards>,
    wake: Arc<dyn Wake>,
    metrics: Arc<Metrics>,
) -> Result<Opened, OpeningError> {
    let mut rng = UnwrapErr(SysRng);
    // Each directory is locked as it is opened. The data directory is first: to whoever starts a
    // second relay on the same two it is the one to name.
    make_directory(&config.data_dir)?;
    if is_half_restored(&config.data_dir) {
        return Err(OpeningError::HalfRestored { path: config.data_dir.clone() });
    }
    let store = match &options.store {
        Some(store) => store.clone(),
        None => {
            let path = config.data_dir.join(STORE_DIRECTORY);
            let opened = Fjall::open(&path);
            Arc::new(opened.map_err(|error| OpeningError::Store { path, error })?)
        }
    };
    if has_keys_elsewhere(&*store)? {
        check_keys_are_there(&config.keys_dir)?;
    }
    let keys = Keys::open_or_create(&config.keys_dir, options.clock.now(), &mut rng)?;
    let identity = Identity::open_or_create(&config.keys_dir)?;
    let identity = identity.with_certificate(&config.tls_certificate)?;
    let core = Core::open(Setup {
        store: store.clone(),
        keys: keys.clone(),
        clock: options.clock.clone(),
        rng: Box::new(Pool::new(rng)),
        limits: config.limits(),
        wake,
        probe: options.probe.clone(),
    })?
    .charging(rate_cards);
    let (directory, view) = (core.directory(), core.view());
    let on_fatal = options.on_fatal.clone();
    let on_fatal = Box::new(move |fatal: &Fatal| on_fatal(fatal));
    let started = match &options.simulation {
        None => writer::start(core, on_fatal, metrics).map_err(OpeningError::Thread)?,
        Some(simulation) => writer::start_task(core, on_fatal, metrics, simulation.sync),
    };
    let (writer, running) = started;
    Ok(Opened { store, keys, identity, directory, view, writer, running })
}

/// An engine's error is for its authors; this is for whoever runs it.
fn unopened(path: &Path, error: &OpenError) -> String {
    let path = path.display();
    let OpenError::Failed(cause) = error else { return error.to_string() };
    match system_error(&**cause) {
        Some(system) => {
            let step = keys::next_step(system);
            format!("the database in {path} cannot be opened: {system}{step}")
        }
        None => format!(
            "the database in {path} cannot be opened: {cause}; its files are damaged or were \
             changed by hand: move it away and restore the last backup (plico-relay restore)"
        ),
    }
}

/// The operating system's word, if one is behind an error.
fn system_error<'a>(error: &'a (dyn core::error::Error + 'static)) -> Option<&'a std::io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(system) = error.downcast_ref::<std::io::Error>() {
            // An engine wraps words of its own as io::Error::other.
            return system.raw_os_error().map(|_| system);
        }
        next = error.source();
    }
    None
}

/// Whether a relay has its data here: the directory of the store is there.
pub(crate) fn holds_a_relay(data_dir: &Path) -> bool {
    data_dir.join(STORE_DIRECTORY).is_dir()
}

/// Whether the store was written under keys: then they are somewhere, and not to be made anew.
fn has_keys_elsewhere(store: &dyn Store) -> Result<bool, CoreError> {
    Ok(store.reader()?.get(Table::Meta, SWEPT_KEY)?.is_some())
}

/// Whether a restore began here and did not end.
pub(crate) fn is_half_restored(data_dir: &Path) -> bool {
    data_dir.join(RESTORING_FILE).exists()
}

/// Fills an empty data directory from a backup, under keys that are there, and ends every ticket.
/// A mark stands in the directory until all of it is done, and no relay starts beside it.
pub(crate) fn restore(
    config: &Config,
    options: &Options,
    file: &Path,
) -> Result<Restored, RestoringError> {
    let mut rng = UnwrapErr(SysRng);
    let store = config.data_dir.join(STORE_DIRECTORY);
    if holds_a_relay(&config.data_dir) && !is_half_restored(&config.data_dir) {
        return Err(RestoringError::Occupied { path: config.data_dir.clone() });
    }
    check_keys_are_there(&config.keys_dir)?;
    let now = options.clock.now();
    let keys = Keys::open_or_create(&config.keys_dir, now, &mut rng).map_err(OpeningError::Keys)?;
    make_directory(&config.data_dir)?;
    let mark = config.data_dir.join(RESTORING_FILE);
    keys::replace(&mark, b"").map_err(KeysError::File).map_err(OpeningError::Keys)?;
    let restored = backup::restore(file, &store, &keys, now, &mut rng);
    if restored.is_err() && !store.exists() {
        // Nothing was begun: the directory is as it was.
        let _ = std::fs::remove_file(&mark);
    }
    let restored =
        restored.map_err(|error| RestoringError::Backup { path: file.to_owned(), error })?;
    keys.rotate_tickets(true, now, &mut rng).map_err(OpeningError::Keys)?;
    let ended = std::fs::remove_file(&mark).and_then(|()| {
        std::fs::File::open(&config.data_dir).and_then(|directory| directory.sync_all())
    });
    ended.map_err(|error| OpeningError::Directory { path: mark, error })?;
    Ok(restored)
}

fn check_keys_are_there(keys_dir: &Path) -> Result<(), OpeningError> {
    let files = [keys::KEYS_FILE, keys::AUTHORITY_FILE, tls::KEY_FILE];
    match files.iter().map(|file| keys_dir.join(file)).find(|path| !path.exists()) {
        Some(path) => Err(OpeningError::KeyMissing { path }),
        None => Ok(()),
    }
}

fn make_directory(path: &Path) -> Result<(), OpeningError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| OpeningError::Directory { path: path.to_owned(), error })
}

const STORE_DIRECTORY: &str = "store";
/// Is there while a restore is under way.
const RESTORING_FILE: &str = "restoring";
