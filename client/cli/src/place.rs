//! Where a state is and what opens it.

use std::fs::DirBuilder;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use plico_client::{OpenError, Owner, Person, Protection};
use zeroize::Zeroizing;

use crate::failure::{Failure, Status};
use crate::progress::waiting;
use crate::{Options, remark};

/// Where the state is and what opens it.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    /// The state's file. Otherwise $PLICO_STATE; otherwise plico/person in $XDG_DATA_HOME or
    /// ~/.local/share for people, plico-business in this directory for a business.
    #[arg(long, value_name = "PATH")]
    state: Option<PathBuf>,
    /// The key file that opens it; the state's name with .key if nothing else is said.
    #[arg(long, value_name = "FILE", group = "key")]
    key_file: Option<PathBuf>,
    /// Opens it with a passphrase, which is asked for on the terminal.
    #[arg(long, group = "key")]
    passphrase: bool,
    /// Opens it with the passphrase on the first line of a file.
    #[arg(long, value_name = "FILE", group = "key")]
    passphrase_file: Option<PathBuf>,
}

/// A person's state that is open.
pub(crate) struct OpenPerson {
    pub(crate) person: Person,
    /// What a person should know about a state that was just made.
    pub(crate) notice: Option<String>,
}

impl OpenPerson {
    /// Says beside the output what a person should know.
    pub(crate) fn announce(self) -> Person {
        if let Some(notice) = self.notice {
            remark(notice);
        }
        self.person
    }
}

impl Place {
    /// The state's file.
    pub(crate) fn path(&self, owner: Owner) -> Result<PathBuf, Failure> {
        let named = self.state.clone().or_else(|| variable("PLICO_STATE"));
        named.or_else(|| default_path(owner)).ok_or_else(|| {
            Failure::new(
                Status::Usage,
                "It is not known where the state is.",
                "Neither HOME nor XDG_DATA_HOME names a directory.",
                "Name the state with --state.",
            )
        })
    }

    /// What opens the state. A passphrase for a state that is to be made is asked for twice.
    pub(crate) fn protection(&self, owner: Owner) -> Result<Protection, Failure> {
        let path = self.path(owner)?;
        if self.passphrase {
            return ask_passphrase(!path.exists());
        }
        match (&self.passphrase_file, &self.key_file) {
            (Some(file), _) => read_passphrase(file),
            (None, Some(file)) => Ok(Protection::key_file(file)),
            (None, None) => Ok(Protection::key_file(beside(&path))),
        }
    }

    /// Tells a full disk from a broken one: where a file may not grow, SQLite knows only an I/O
    /// error, so the disk is asked.
    pub(crate) fn explained<T>(
        &self,
        owner: Owner,
        done: Result<T, Failure>,
    ) -> Result<T, Failure> {
        done.map_err(|failure| match self.path(owner) {
            Ok(path) if failure.is_io_error() && !has_room(&path) => Failure::disk_full(),
            _ => failure,
        })
    }

    /// Why a state was not opened, in the terms of what was given to open it.
    pub(crate) fn not_opened(&self, error: OpenError) -> Failure {
        match error {
            OpenError::WrongKey if self.passphrase || self.passphrase_file.is_some() => {
                Failure::new(
                    Status::WrongKey,
                    "The state was not opened.",
                    "The passphrase is wrong: it did not make this state.",
                    "Run the command again with the right one. If the state was made without a \
                     passphrase, leave the option away: then its key file opens it.",
                )
            }
            error => error.into(),
        }
    }

    /// Opens a person's state, or makes one if `make`.
    pub(crate) async fn open_person(
        &self,
        options: &Options,
        make: bool,
    ) -> Result<OpenPerson, Failure> {
        let path = self.path(Owner::Person)?;
        let is_new = !path.exists();
        if is_new && !make {
            return Err(missing(&path));
        }
        if is_new {
            self.check_not_lost(&path)?;
        }
        let protection = self.protection(Owner::Person)?;
        if is_new {
            make_parent(&path)?;
        }
        let opening = Person::open_with(options.client.clone(), &path, protection);
        let person = waiting("opening the state", opening).await;
        let person = person.map_err(|error| self.not_opened(error))?;
        Ok(OpenPerson { person, notice: is_new.then(|| self.notice(&path)) })
    }

    /// A key file without the state that it was made with means that the state is lost: a new one must
    /// not take its place unnoticed.
    fn check_not_lost(&self, path: &Path) -> Result<(), Failure> {
        let key = beside(path);
        let named = self.key_file.is_some() || self.passphrase || self.passphrase_file.is_some();
        // Its making was interrupted where the unfinished one is there.
        let unfinished = with_ending(path, ".new").exists();
        if named || unfinished || !key.exists() {
            return Ok(());
        }
        let (state, key) = (path.display(), key.display());
        Err(Failure::new(
            Status::BadState,
            format!("There is no state at {state}, but its key file is there."),
            "The state was moved or lost.",
            format!("Put the state or its backup back; or delete {key} to begin anew."),
        ))
    }

    /// What whoever made a state should know.
    pub(crate) fn notice(&self, path: &Path) -> String {
        let state = path.display();
        if self.passphrase || self.passphrase_file.is_some() {
            return format!(
                "New state: {state}\nIt holds your keys and messages, sealed under your \
                 passphrase. Nobody can recover the passphrase: keep it, and a backup of the file."
            );
        }
        let key = self.key_file.clone().unwrap_or_else(|| beside(path));
        format!(
            "New state: {state}\nKey file:  {}\nThe state holds your keys and messages, sealed; \
             the key file opens it. Whoever has both reads everything, so back them up apart. \
             Without the key file the state is lost. For a passphrase instead, delete both and \
             begin with --passphrase.",
            key.display()
        )
    }
}

/// Makes the directory of a state, for its owner alone.
pub(crate) fn make_parent(path: &Path) -> Result<(), Failure> {
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let what = format!("The directory {} cannot be made.", parent.display());
    builder.create(parent).map_err(|error| Failure::file(what, &error))
}

/// Whether a file beside the state can take what a message takes.
pub(crate) fn has_room(state: &Path) -> bool {
    let mut name = state.as_os_str().to_owned();
    name.push(".room");
    let room = Path::new(&name);
    let wrote = std::fs::write(room, vec![0; ROOM_BYTES]);
    // Never made where it could not be written.
    let _ = std::fs::remove_file(room);
    wrote.is_ok()
}

fn missing(path: &Path) -> Failure {
    Failure::new(
        Status::BadState,
        format!("There is no state at {}.", path.display()),
        "This command reads a state and makes none.",
        "Name the state with --state, or begin a conversation: plico chat LINK.",
    )
}

fn default_path(owner: Owner) -> Option<PathBuf> {
    match owner {
        Owner::Business => Some("plico-business".into()),
        Owner::Person => {
            // The XDG base directory specification ignores a relative path.
            let named = variable("XDG_DATA_HOME").filter(|path| path.is_absolute());
            let data = named.or_else(|| variable("HOME").map(|home| home.join(".local/share")));
            data.map(|data| data.join("plico/person"))
        }
    }
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn beside(path: &Path) -> PathBuf {
    with_ending(path, ".key")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn ask_passphrase(twice: bool) -> Result<Protection, Failure> {
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| {
            if error.kind() == std::io::ErrorKind::Interrupted {
                return Failure::interrupted();
            }
            Failure::new(
                Status::Usage,
                "The passphrase could not be asked for.",
                error.to_string(),
                "Run this on a terminal, or use --passphrase-file.",
            )
        })
    };
    let passphrase = ask("Passphrase: ")?;
    if twice && *ask("Once more: ")? != *passphrase {
        return Err(Failure::new(
            Status::Usage,
            "No state was made.",
            "The two passphrases differ.",
            "Run the command again.",
        ));
    }
    checked(passphrase)
}

fn read_passphrase(file: &Path) -> Result<Protection, Failure> {
    let mut text = Zeroizing::new(String::with_capacity(PASSPHRASE_BYTES_MAX));
    let what = || format!("The passphrase file {} cannot be read.", file.display());
    let opened = std::fs::File::open(file).map_err(|error| Failure::file(what(), &error))?;
    let most = u64::try_from(PASSPHRASE_BYTES_MAX).unwrap_or(u64::MAX);
    let read = opened.take(most).read_to_string(&mut text);
    read.map_err(|error| Failure::file(what(), &error))?;
    checked(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

fn checked(passphrase: Zeroizing<String>) -> Result<Protection, Failure> {
    if passphrase.is_empty() {
        return Err(Failure::new(
            Status::Usage,
            "The passphrase is empty.",
            "It would protect nothing.",
            "Give one, or use a key file.",
        ));
    }
    Ok(Protection::Passphrase(passphrase))
}

const PASSPHRASE_BYTES_MAX: usize = 4096;
/// The largest envelope, twice.
const ROOM_BYTES: usize = 128 * 1024;
