//! What a business says of itself, as applications see it and as the state keeps it.

use plico_protocol::id::AccountKey;
use plico_protocol::profile::{Logo, Profile, SignedProfile, Status, VerifiedProfile};
use plico_protocol::time::Minute;

use crate::state::{Name, Rows, StateError, Table};

/// What a business says of itself. Signed by it and public; nobody checked that it is true. Texts are
/// empty where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// What it does, in some lines.
    pub description: String,
    /// When it answers, in some lines.
    pub hours: String,
    /// An `https` address. Its host may be another than the verified domain.
    pub site: String,
    /// A small PNG.
    pub logo: Option<Logo>,
    /// What is new, until the minute given.
    pub status: Option<Status>,
}

impl About {
    /// What a profile says at `now`.
    pub(crate) fn of(profile: &Profile, now: Minute) -> Self {
        Self {
            description: profile.description.clone(),
            hours: profile.hours.clone(),
            site: profile.site.clone(),
            logo: profile.logo.clone(),
            status: profile.status_at(now).cloned(),
        }
    }
}

/// A profile that was stored under `name`, if it is one of `account`.
pub(crate) fn stored(
    rows: &Rows<'_>,
    name: Name<'_>,
    account: &AccountKey,
) -> Result<Option<VerifiedProfile>, StateError> {
    let signed = rows.get::<SignedProfile>(Table::Profile, name)?;
    Ok(signed.and_then(|signed| signed.verify(account).ok()))
}
