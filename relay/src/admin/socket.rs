//! The Unix socket on which a running relay hears its operator: mode 0600, and only the user who
//! runs the relay is answered.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use plico_protocol::wire::{DecodeError, Wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::Desk;
use super::command::{Answer, Command};

/// The socket of the relay with this data directory.
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("relay.sock")
}

/// Why the relay cannot hear its operator.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen for commands on {path}: {error}; a socket's path may have 107 bytes at most, choose a shorter data directory if this one is longer"
)]
pub struct SocketError {
    path: PathBuf,
    error: std::io::Error,
}

/// Why a command got no answer from a running relay.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No relay runs on this data directory.
    #[error("no relay runs on this data directory")]
    NotRunning,
    /// It runs, but the conversation failed.
    #[error("the running relay does not answer on {path}: {error}; try again, or stop it first")]
    Io {
        /// The socket.
        path: PathBuf,
        /// What happened.
        error: std::io::Error,
    },
    /// It is another version.
    #[error("the running relay's answer is not understood ({0}); use the same release for both")]
    NotUnderstood(#[from] DecodeError),
}

/// Binds the socket. Call it only while holding the store's lock: what is there already is then
/// a leftover.
///
/// # Errors
///
/// [`SocketError`].
pub fn bind(data_dir: &Path) -> Result<UnixListener, SocketError> {
    let path = path(data_dir);
    let bound = remove(&path).and_then(|()| UnixListener::bind(&path)).and_then(|listener| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    });
    bound.map_err(|error| SocketError { path, error })
}

/// Answers commands, one after the other and a backup beside them, for as long as it is polled.
pub(crate) async fn listen(listener: UnixListener, desk: Desk) {
    // One at a time; it ends with this future.
    let mut backups = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                while backups.try_join_next().is_some() {}
                let conversation = converse(stream, &desk, backups.is_empty());
                match tokio::time::timeout(PATIENCE, conversation).await {
                    Ok(Ok(Some(stream))) => drop(backups.spawn(hand_out(stream, desk.clone()))),
                    Ok(Ok(None)) => (),
                    _ => tracing::warn!("an operator's command was not carried out to its end"),
                }
            }
            // Out of descriptors, most likely: the relay's own work goes first.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Writes a backup. A command that takes nothing for some seconds is let go: the moment it reads
/// is kept from being cleaned up for as long as it stays.
async fn hand_out(mut stream: UnixStream, desk: Desk) {
    let mut pieces = desk.back_up();
    while let Some(piece) = pieces.recv().await {
        if !matches!(tokio::time::timeout(PATIENCE, stream.write_all(&piece)).await, Ok(Ok(()))) {
            return;
        }
    }
    // Whoever reads knows from the file itself whether it is whole.
    let _ = stream.shutdown().await;
}

/// Asks the relay that runs on `data_dir`. Blocks.
///
/// # Errors
///
/// [`CallError`].
pub fn call(data_dir: &Path, command: &Command) -> Result<Answer, CallError> {
    let stream = ask(data_dir, command)?;
    let mut bytes = Vec::new();
    match stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes) {
        Ok(_) => Ok(Answer::decode(bytes)?),
        Err(error) => Err(CallError::Io { path: path(data_dir), error }),
    }
}

/// Asks it, and leaves the answer to be read.
///
/// # Errors
///
/// [`CallError`].
pub(crate) fn ask(data_dir: &Path, command: &Command) -> Result<StdStream, CallError> {
    let path = path(data_dir);
    let mut stream = match StdStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) if is_absent(&error) => return Err(CallError::NotRunning),
        Err(error) => return Err(CallError::Io { path, error }),
    };
    let asked = stream
        .set_read_timeout(Some(2 * PATIENCE))
        .and_then(|()| stream.write_all(&command.encode()))
        .and_then(|()| stream.shutdown(std::net::Shutdown::Write));
    asked.map(|()| stream).map_err(|error| CallError::Io { path, error })
}

/// Answers a command, or gives the stream back that a backup is wanted on.
async fn converse(
    mut stream: UnixStream,
    desk: &Desk,
    may_back_up: bool,
) -> std::io::Result<Option<UnixStream>> {
    // Between binding and the change of mode the directory's own mode was the only guard.
    if stream.peer_cred()?.uid() != rustix::process::geteuid().as_raw() {
        return Err(std::io::ErrorKind::PermissionDenied.into());
    }
    let mut bytes = Vec::new();
    (&mut stream).take(COMMAND_BYTES_MAX).read_to_end(&mut bytes).await?;
    let answer = match Command::decode(bytes) {
        Ok(Command::Backup) if may_back_up => return Ok(Some(stream)),
        Ok(Command::Backup) => {
            Answer::Refused("a backup is under way; wait for its end".to_owned())
        }
        Ok(command) => desk.carry_out(command).await,
        Err(error) => Answer::Refused(format!(
            "the running relay does not understand this command ({error}): use the same release"
        )),
    };
    stream.write_all(&answer.encode()).await?;
    stream.shutdown().await?;
    Ok(None)
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused)
}

const COMMAND_BYTES_MAX: u64 = 4 * 1024;
const ANSWER_BYTES_MAX: u64 = 2 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);
