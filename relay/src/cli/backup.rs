//! `plico-relay backup` and `plico-relay restore`.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use plico_protocol::wire::Wire;

use super::registrar::Registrar;
use super::{Failure, say};
use crate::admin::command::{Answer, Command};
use crate::admin::socket;
use crate::backup::{self, BadBackup, HEADING, RestoreError, Restored};
use crate::clock::rfc3339;
use crate::config::Config;
use crate::opening::{self, Options, RestoringError};

/// Writes a backup to a file, or to one named by the time in a directory. It takes its place only
/// once it was read back whole and is on disk.
pub(super) fn back_up(to: &Path, config: &Config, options: &Options) -> Result<(), Failure> {
    let path = destination(to, options);
    if path.exists() {
        let path = path.display();
        return Err(Failure::Refused(format!("{path} exists; a backup overwrites nothing")));
    }
    let mut beside = path.clone().into_os_string();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let done = fill(&beside, config, options).and_then(|rows| {
        let settled = std::fs::rename(&beside, &path).and_then(|()| sync_directory(&path));
        settled.map_err(|error| unwritten(&path, &error)).map(|()| rows)
    });
    // Not there any more where it took its place.
    let _ = std::fs::remove_file(&beside);
    let rows = done?;
    say(format_args!("backup  {} ({rows} rows, read back whole)", path.display()));
    say(format_args!("keys    not in it; back {} up apart", config.keys_dir.display()));
    Ok(())
}

/// Fills an empty data directory from a backup and says what the operator has to do.
pub(super) fn restore(file: &Path, config: &Config, options: &Options) -> Result<(), Failure> {
    let restored = opening::restore(config, options, file).map_err(|error| match error {
        RestoringError::Occupied { .. }
        | RestoringError::Backup {
            error: RestoreError::Backup(_) | RestoreError::Keys(_) | RestoreError::Schema,
            ..
        } => Failure::refused(error),
        _ => Failure::failed(error),
    })?;
    let Restored { rows, envelopes, mailboxes, certificates } = restored;
    say(format_args!("restored  {} ({rows} rows)", config.data_dir.display()));
    say(format_args!("holding   {mailboxes} mailboxes, {envelopes} envelopes that wait"));
    say(format_args!(
        "check     {certificates} certificates; install and revoke again what came after the \
         backup (plico-relay business list)"
    ));
    say("tickets   all ended; devices give businesses others when they connect");
    say("next      plico-relay serve");
    Ok(())
}

/// Fills the file and reads it back; gives the number of rows.
fn fill(path: &Path, config: &Config, options: &Options) -> Result<u64, Failure> {
    let registrar = Registrar::find(config, options)?;
    // Left by a backup that was interrupted; a new file must be made, so that it has our mode.
    let _ = std::fs::remove_file(path);
    let made = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path);
    let file = made.map_err(|error| unwritten(path, &error))?;
    let mut writing = Writing { file, bytes: 0, said: Instant::now(), says: false };
    match &registrar {
        Registrar::Relay(config) => writing.copy(config)?,
        Registrar::Directory(open) => {
            let mut failed = None;
            let written = backup::write(open.store(), |piece| {
                failed = writing.write(&piece).err();
                failed.is_none()
            });
            failed.map_or(Ok(()), |error| Err(unwritten(path, &error)))?;
            written.map_err(Failure::failed)?;
        }
    }
    writing.end().map_err(|error| unwritten(path, &error))?;
    let read = File::open(path).map_err(BadBackup::Io);
    let rows =
        read.and_then(|file| backup::check(&mut BufReader::new(file), |_| Ok::<(), BadBackup>(())));
    rows.map_err(|error| {
        Failure::Failed(format!("the backup is not whole ({error}); run the command again"))
    })
}

/// A file on its way to disk, with a word on a terminal every second.
struct Writing {
    file: File,
    bytes: u64,
    said: Instant,
    says: bool,
}

impl Writing {
    /// Takes what the running relay sends.
    fn copy(&mut self, config: &Config) -> Result<(), Failure> {
        let mut stream =
            socket::ask(&config.data_dir, &Command::Backup).map_err(Failure::failed)?;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let taken = stream.read(&mut piece).map_err(|error| {
                Failure::Failed(format!("the relay does not go on with its backup: {error}"))
            })?;
            let Some(taken) = piece.get(..taken).filter(|taken| !taken.is_empty()) else {
                return Ok(());
            };
            if self.bytes == 0 && taken.first() != HEADING.first() {
                return Err(refusal(taken));
            }
            self.write(taken).map_err(Failure::failed)?;
        }
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)?;
        self.bytes = self.bytes.saturating_add(bytes.len().try_into().unwrap_or(u64::MAX));
        if SAID_EVERY <= self.said.elapsed() && std::io::stderr().is_terminal() {
            (self.said, self.says) = (Instant::now(), true);
            let _ = write!(std::io::stderr(), "\rbackup  {} MiB", self.bytes >> 20);
        }
        Ok(())
    }

    fn end(self) -> std::io::Result<()> {
        if self.says {
            let _ = writeln!(std::io::stderr());
        }
        self.file.sync_all()
    }
}

/// An answer in the place of a backup is short, and comes in one piece.
fn refusal(answer: &[u8]) -> Failure {
    match Answer::decode(answer.to_vec()) {
        Ok(Answer::Refused(why)) => Failure::Refused(why),
        _ => super::business::unexpected(),
    }
}

fn destination(to: &Path, options: &Options) -> PathBuf {
    if !to.is_dir() {
        return to.to_owned();
    }
    // Without what some file systems refuse in names: 20261121T060000.000Z.
    let now: String =
        rfc3339(options.clock.now()).chars().filter(|c| !['-', ':'].contains(c)).collect();
    to.join(format!("plico-relay-{now}.backup"))
}

fn sync_directory(file: &Path) -> std::io::Result<()> {
    let directory = file.parent().filter(|directory| *directory != Path::new(""));
    File::open(directory.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all())
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("cannot write {}: {error}; name another file", path.display()))
}

/// Whoever runs the relay, and nobody else.
const FILE_MODE: u32 = 0o600;
const PIECE_BYTES: usize = 256 * 1024;
const SAID_EVERY: Duration = Duration::from_secs(1);
