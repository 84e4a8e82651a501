//! The Unix socket beside a state on which a running `serve` hears the other commands: mode 0600,
//! and only the user who runs it is answered. One JSON request, one JSON answer.

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use plico_client::Business;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::desk::{Answer, Request, carry_out};
use crate::failure::{Failure, Status};

/// The socket; its file goes when it goes.
pub(super) struct Socket {
    path: PathBuf,
    listener: UnixListener,
}

/// An answer as it crosses the socket.
#[derive(Serialize, Deserialize)]
enum Crossing {
    Done(Answer),
    Failed(Failure),
}

impl Socket {
    /// Binds the socket of this state. Call it only while holding the state: what is there already
    /// is then a leftover.
    pub(super) fn bind(state: &Path) -> Result<Self, Failure> {
        let path = path(state);
        let bound = remove(&path).and_then(|()| UnixListener::bind(&path)).and_then(|listener| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
            Ok(listener)
        });
        match bound {
            Ok(listener) => Ok(Self { path, listener }),
            Err(error) => Err(Failure::new(
                Status::Failed,
                format!("Other commands cannot be heard on {}.", path.display()),
                error.to_string(),
                "A socket's path may have 107 bytes at most: keep the state in a shorter one.",
            )),
        }
    }

    /// Answers for as long as it is polled, a few at once: one may wait for the relay.
    pub(super) async fn listen(&self, business: &Arc<Business>) -> Infallible {
        let mut conversations = JoinSet::new();
        loop {
            while CONVERSATIONS_MAX <= conversations.len() {
                conversations.join_next().await;
            }
            tokio::select! {
                Some(_) = conversations.join_next() => (),
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let business = Arc::clone(business);
                        conversations.spawn(async move {
                            // Who asked and went away needs no answer.
                            let _ = converse(stream, &business).await;
                        });
                    }
                    // Out of descriptors, most likely: customers go first.
                    Err(_) => tokio::time::sleep(PAUSE).await,
                },
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // If it stays, nobody answers on it, and the next `serve` replaces it.
        let _ = remove(&self.path);
    }
}

/// Asks the `serve` that has this state open; none if there is none.
pub(super) async fn ask(state: &Path, request: &Request) -> Result<Option<Answer>, Failure> {
    let path = path(state);
    let mut stream = match UnixStream::connect(&path).await {
        Ok(stream) => stream,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(broken(&path, &error)),
    };
    let bytes = serde_json::to_vec(request).map_err(|_| other_release())?;
    let mut answer = Vec::new();
    let exchanged = async {
        stream.write_all(&bytes).await?;
        stream.shutdown().await?;
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await
    };
    exchanged.await.map_err(|error| Failure::unanswered(error.to_string()))?;
    match serde_json::from_slice(&answer) {
        Ok(Crossing::Done(answer)) => Ok(Some(answer)),
        Ok(Crossing::Failed(failure)) => Err(failure),
        Err(_) if answer.is_empty() => Err(Failure::unanswered("It ended, or was busy for long.")),
        Err(_) => Err(other_release()),
    }
}

async fn converse(mut stream: UnixStream, business: &Business) -> io::Result<()> {
    // Between binding and the change of mode the directory's own mode was the only guard.
    if stream.peer_cred()?.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let mut bytes = Vec::new();
    timeout(PATIENCE, (&mut stream).take(REQUEST_BYTES_MAX).read_to_end(&mut bytes)).await??;
    let done = match serde_json::from_slice(&bytes) {
        Ok(request) => carry_out(business, request).await,
        Err(_) => Err(other_release()),
    };
    let crossing = match done {
        Ok(answer) => Crossing::Done(answer),
        Err(failure) => Crossing::Failed(failure),
    };
    let bytes = serde_json::to_vec(&crossing).unwrap_or_default();
    timeout(PATIENCE, stream.write_all(&bytes)).await??;
    stream.shutdown().await
}

fn path(state: &Path) -> PathBuf {
    let mut name = state.as_os_str().to_owned();
    name.push(".sock");
    name.into()
}

/// Two releases do not understand one another.
pub(super) fn other_release() -> Failure {
    Failure::new(
        Status::Failed,
        "This program and the running `serve` do not understand one another.",
        "They are of different releases.",
        "Start `serve` again with this release.",
    )
}

fn broken(path: &Path, error: &io::Error) -> Failure {
    let what = format!("The running `serve` does not answer on {}.", path.display());
    Failure::new(Status::Failed, what, error.to_string(), "Try again, or stop it first.")
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// A text of 32 KiB, each byte written as six, with room for buttons.
const REQUEST_BYTES_MAX: u64 = 512 * 1024;
/// Some hundred thousand customers.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
const CONVERSATIONS_MAX: usize = 16;
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);
