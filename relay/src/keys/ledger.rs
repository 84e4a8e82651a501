//! The authority's word for the ledger key: `ledger.certificate`, beside the keys.
//!
//! Where the authority's secret is at hand, the relay has its key certified by itself, long before the
//! certificate ends. Where it is kept elsewhere, the operator signs there and brings the file.

use std::path::{Path, PathBuf};

use plico_protocol::id::{AuthorityKey, LedgerKey};
use plico_protocol::ledger::{LedgerKeyBody, LedgerKeyCertificate, VerifiedLedgerKey};
use plico_protocol::limits::LEDGER_KEY_HOURS_MAX;
use plico_protocol::signature::AuthoritySecret;
use plico_protocol::time::{Hour, Timestamp};

use super::authority::{AuthorityFileError, read_authority_secret};
use super::file::{self, KeyFileError};

/// The certificate of a key at `now`: as it is on disk, or signed anew if the authority is here and
/// it is due. None if there is none that holds.
///
/// # Errors
///
/// What reading or writing fails with.
pub(super) fn certificate(
    dir: &Path,
    authority: &AuthorityKey,
    key: &LedgerKey,
    now: Timestamp,
) -> Result<Option<VerifiedLedgerKey>, AuthorityFileError> {
    let found = read_certificate(dir, authority, key)?;
    let found = found.filter(|found| found.valid_at(now.hour()).is_ok());
    if found.is_some_and(|found| !is_due(&found, now.hour())) {
        return Ok(found);
    }
    match read_authority_secret(dir) {
        Ok(secret) => match certify(key, &secret, now) {
            Some(signed) => write(dir, &signed).map(|()| Some(signed)).map_err(Into::into),
            None => Ok(found),
        },
        Err(AuthorityFileError::Absent { .. }) => Ok(found),
        Err(error) => Err(error),
    }
}

/// Certifies a ledger key from a day before `now` on: clocks differ. None at the end of time.
pub(crate) fn certify(
    key: &LedgerKey,
    authority: &AuthoritySecret,
    now: Timestamp,
) -> Option<VerifiedLedgerKey> {
    let valid_from = now.hour().minus(24);
    let valid_to = valid_from.plus(LEDGER_KEY_HOURS_MAX);
    LedgerKeyBody { key: *key, valid_from, valid_to }.sign(authority).ok()
}

/// Whether a certificate is to be renewed.
pub(super) fn is_due(certificate: &VerifiedLedgerKey, now: Hour) -> bool {
    certificate.body().valid_to < now.plus(RENEWED_HOURS)
}

/// Puts a certificate in its place.
fn write(dir: &Path, certificate: &VerifiedLedgerKey) -> Result<(), KeyFileError> {
    file::replace(&path(dir), certificate.certificate().to_text().as_bytes())
}

/// The certificate in a directory, valid now or not. Nothing for what is no certificate, or one of
/// another authority or key: another is needed then.
///
/// # Errors
///
/// What reading fails with.
pub(crate) fn read_certificate(
    dir: &Path,
    authority: &AuthorityKey,
    key: &LedgerKey,
) -> Result<Option<VerifiedLedgerKey>, AuthorityFileError> {
    let text = file::read_public(&path(dir))?;
    let read = text.and_then(|text| LedgerKeyCertificate::from_text(&text).ok());
    let verified = read.and_then(|certificate| certificate.verify(authority).ok());
    Ok(verified.filter(|verified| verified.key() == key))
}

fn path(dir: &Path) -> PathBuf {
    dir.join(CERTIFICATE_FILE)
}

/// The certificate of the ledger key.
pub(crate) const CERTIFICATE_FILE: &str = "ledger.certificate";
/// Hours before its end from which on a certificate is renewed (100 days): time to notice.
const RENEWED_HOURS: u32 = 100 * 24;
