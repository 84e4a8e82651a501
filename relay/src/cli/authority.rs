//! `plico-relay authority`.

use std::path::Path;

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use plico_protocol::id::LedgerKey;
use plico_protocol::link::Pin;
use plico_protocol::time::Timestamp;

use super::{Failure, say};
use crate::clock::rfc3339_hour;
use crate::config::Config;
use crate::keys::{
    AuthorityFileError, CERTIFICATE_FILE, certify, create_authority, next_step,
    read_authority_secret, unhex,
};

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

/// Certifies a relay's ledger key, named as `plico-relay keys` shows it, into a file for its key
/// directory.
pub(super) fn certify_ledger(
    config: &Config,
    key: &str,
    out: Option<&Path>,
    now: Timestamp,
) -> Result<(), Failure> {
    let key = unhex(key).ok_or_else(|| {
        Failure::Usage("a ledger key is 64 hexadecimal digits; see: plico-relay keys".to_owned())
    })?;
    let secret = read_authority_secret(&config.keys_dir).map_err(Failure::failed)?;
    let certified = certify(&LedgerKey::new(*key), &secret, now)
        .ok_or_else(|| Failure::Failed("this machine's clock is wrong; set it".to_owned()))?;
    let out = out.unwrap_or(Path::new(CERTIFICATE_FILE));
    std::fs::write(out, certified.certificate().to_text()).map_err(|error| {
        Failure::Failed(format!("{}: {error}{}", out.display(), next_step(&error)))
    })?;
    say(format_args!("certified  until {}", rfc3339_hour(certified.body().valid_to)));
    say(format_args!(
        "wrote      {}; put it into the relay's key directory as {CERTIFICATE_FILE}, then run \
         there: plico-relay reload",
        out.display()
    ));
    Ok(())
}
