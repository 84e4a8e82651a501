//! Opens what a relay stands on: keys, store and writer. A running relay and an operator's
//! command on a stopped one begin alike.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::decide::SWEPT_KEY;
use crate::directory::Directory;
use crate::keys::{self, Keys, KeysError};
use crate::rows::View;
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
}

/// Why a relay does not begin.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    /// The data directory.
    #[error("cannot make the data directory {path}: {error}; set `data_dir` to another place")]
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
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The TLS key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The commit path.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// No thread for the writer.
    #[error("the operating system has no thread for the writer: {0}; free some resources")]
    Thread(std::io::Error),
}

/// Keys, store and writer of one relay.
pub(crate) struct Opened {
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
    wake: Arc<dyn Wake>,
) -> Result<Opened, OpeningError> {
    let mut rng = UnwrapErr(SysRng);
    // Each directory is locked as it is opened. The data directory is first: to whoever starts a
    // second relay on the same two it is the one to name.
    make_directory(&config.data_dir)?;
    let store = match &options.store {
        Some(store) => store.clone(),
        None => Arc::new(Fjall::open(&config.data_dir.join(STORE_DIRECTORY))?),
    };
    if has_keys_elsewhere(&*store)? {
        check_keys_are_there(&config.keys_dir)?;
    }
    let keys = Keys::open_or_create(&config.keys_dir, options.clock.now(), &mut rng)?;
    let identity = Identity::open_or_create(&config.keys_dir)?;
    let core = Core::open(Setup {
        store,
        keys: keys.clone(),
        clock: options.clock.clone(),
        rng: Box::new(rng),
        limits: config.limits(),
        wake,
        probe: options.probe.clone(),
    })?;
    let (directory, view) = (core.directory(), core.view());
    let on_fatal = options.on_fatal.clone();
    let on_fatal = Box::new(move |fatal: &Fatal| on_fatal(fatal));
    let (writer, running) = writer::start(core, on_fatal).map_err(OpeningError::Thread)?;
    Ok(Opened { keys, identity, directory, view, writer, running })
}

/// Whether a relay has its data here: the directory of the store is there.
pub(crate) fn holds_a_relay(data_dir: &Path) -> bool {
    data_dir.join(STORE_DIRECTORY).is_dir()
}

/// Whether the store was written under keys: then they are somewhere, and not to be made anew.
fn has_keys_elsewhere(store: &dyn Store) -> Result<bool, CoreError> {
    Ok(store.reader()?.get(Table::Meta, SWEPT_KEY)?.is_some())
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
