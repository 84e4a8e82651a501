//! `backup` and `restore`: the state's file, and what to know before an old one is used.

use std::path::PathBuf;

use clap::Args;
use plico_client::{BackupError, Business, OpenError, Owner, RestoreError};

use super::shown;
use crate::failure::{Failure, Status};
use crate::place::{Place, has_room, make_parent};
use crate::progress::waiting;
use crate::{Options, say};

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// Where to write the copy; nothing may be there yet.
    file: PathBuf,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
#[command(after_long_help = RESTORE_HELP)]
pub(crate) struct Restore {
    /// The backup.
    file: PathBuf,
    /// Says that the state the backup was made of is lost and will never be opened again.
    #[arg(long)]
    lost: bool,
    #[command(flatten)]
    place: Place,
}

impl Backup {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let path = self.place.path(Owner::Business)?;
        let copying = Business::backup(&path, &self.file);
        let copied = waiting("copying the state", copying).await.map_err(backup_failure);
        // The copy's disk is the one that fills up, seldom the state's.
        if copied.as_ref().is_err_and(Failure::is_io_error) && !has_room(&self.file) {
            return Err(Failure::disk_full());
        }
        copied?;
        say(format_args!("backup  {}", self.file.display()));
        say("        sealed; it opens with the same key file or passphrase, which is not in it:");
        say("        keep that elsewhere");
        Ok(())
    }
}

impl Restore {
    pub(super) async fn run(self, options: &Options) -> Result<(), Failure> {
        if !self.lost {
            return Err(Failure::new(
                Status::Usage,
                "Nothing was restored.",
                "What was said since the backup was made is not in it. Devices of customers send \
                 again what the business received since; a customer may see one line about it. If \
                 the state it was made of is ever opened again, two copies share its keys.",
                "If that state is lost, run the command again with --lost.",
            ));
        }
        let path = self.place.path(Owner::Business)?;
        let protection = self.place.protection(Owner::Business)?;
        make_parent(&path)?;
        let restoring =
            Business::restore_with(options.client.clone(), &self.file, &path, protection);
        waiting("restoring the state", restoring).await.map_err(restore_failure)?;
        // It tells of events of the lost state.
        shown::forget(&path);
        say(format_args!("state  {}", path.display()));
        say("next   plico business serve");
        Ok(())
    }
}

fn backup_failure(error: BackupError) -> Failure {
    let status = match &error {
        BackupError::Missing | BackupError::Foreign | BackupError::State(_) => Status::BadState,
        BackupError::Exists => Status::Usage,
        BackupError::Io(_) | BackupError::Database(_) => Status::Failed,
    };
    Failure::of_sdk(status, "The backup was not made.", &error)
}

fn restore_failure(error: RestoreError) -> Failure {
    let what = "The backup was not restored.";
    match error {
        RestoreError::Backup(BackupError::Missing) => {
            Failure::new(Status::Usage, what, "There is no backup at this path.", "Check the path.")
        }
        RestoreError::Backup(error) => Failure::of_sdk(Status::BadState, what, &error),
        RestoreError::Open(error @ OpenError::WrongKey) => error.into(),
        RestoreError::Open(error) => Failure::of_sdk(Status::BadState, what, &error),
        RestoreError::Exists(_) => Failure::of_sdk(Status::Usage, what, &error),
        RestoreError::Io(_) | RestoreError::State(_) => {
            Failure::of_sdk(Status::Failed, what, &error)
        }
    }
}

const RESTORE_HELP: &str = "A restored business never uses a key again that the lost state may have \
used. Customers notice at most a line; their devices send again what they sent since the backup. \
What the business itself said since is not in it. Never open the lost state again.";
