//! `plico-relay authority`.

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use plico_protocol::link::Pin;

use super::{Failure, say};
use crate::config::Config;
use crate::keys::{AuthorityFileError, create_authority};

/// Makes the key pair and says what to do with its halves.
pub(super) fn init(config: &Config) -> Result<(), Failure> {
    let keys_dir = &config.keys_dir;
    let made = create_authority(keys_dir, &mut UnwrapErr(SysRng));
    let public = made.map_err(|error| match error {
        AuthorityFileError::Exists { .. } => Failure::refused(error),
        _ => Failure::failed(error),
    })?;
    let file = |name| keys_dir.join(name);
    say(format_args!(
        "secret  {} (signs certificates; may be kept offline)",
        file("authority.key").display()
    ));
    say(format_args!("public  {} (the relay needs it)", file("authority.pub").display()));
    say(format_args!("pin     {}", Pin::of_authority(&public)));
    Ok(())
}
