//! What a business says of itself: description, hours, site, logo and a status of a day.
//!
//! SPEC.md §6.3. `Ed25519(account, "plico/1 profile" || 0 || body)`. The authority vouches for none
//! of it: whoever shows it shows the certificate's name and domain first.

mod logo;
#[cfg(test)]
mod tests;
mod text;

pub use logo::{BadLogo, Logo};

use bytes::Bytes;

use crate::id::{AccountKey, SignatureBytes};
use crate::limits::{
    PROFILE_BYTES_MAX, PROFILE_DESCRIPTION_BYTES_MAX, PROFILE_EARLY_MINUTES,
    PROFILE_HOURS_BYTES_MAX, PROFILE_SITE_BYTES_MAX, PROFILE_STATUS_BYTES_MAX,
    PROFILE_STATUS_MINUTES_MAX,
};
use crate::signature::{AccountSecret, Verify};
use crate::time::{Hour, Minute, Timestamp};
use crate::wire::{DecodeError, Reader, Wire, Writer};

/// Everything a profile states. Empty texts stand for none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// When the business issued it. Of two, the later one holds.
    pub issued: Minute,
    /// What the business does, in some lines.
    pub description: String,
    /// When it answers, in some lines, as a person would write it.
    pub hours: String,
    /// An `https` address.
    pub site: String,
    /// What is new today.
    pub status: Option<Status>,
    /// The last restore from a backup, which tells devices to send again what the backup lacks.
    pub restored: Option<Restored>,
    /// A small picture.
    pub logo: Option<Logo>,
}

/// A business lost its state and goes on from a backup (SPEC.md §8.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The hour of the backup: what was sent since may be lost.
    pub hour: Hour,
    /// When it was restored, by the business's clock; names the restore.
    pub at: Timestamp,
}

/// What a business tells everyone for at most 24 hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// One line.
    pub text: String,
    /// The first minute in which it is not shown any more.
    pub until: Minute,
}

/// A profile as it travels: neither read nor verified. Keeps the received bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedProfile {
    bytes: Bytes,
}

/// A profile whose signature was checked. Made only by [`SignedProfile::verify`] and
/// [`Profile::sign`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedProfile {
    signed: SignedProfile,
    profile: Profile,
}

/// Why a profile is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadProfile {
    /// The bytes are no profile.
    #[error("the profile cannot be read: {0}")]
    Malformed(#[from] DecodeError),
    /// Not signed by this account.
    #[error("the profile is not signed by the business's account key")]
    Signature,
    /// Issued in the future.
    #[error("the profile was issued more than {PROFILE_EARLY_MINUTES} minutes from now")]
    Early,
}

impl Profile {
    /// Signs the profile.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] where a field passes its bound or holds what it may not: what no one could
    /// read is not signed.
    pub fn sign(&self, account: &AccountSecret) -> Result<VerifiedProfile, DecodeError> {
        let body = self.encode();
        let signature = account.sign(&signed_message(&body));
        let bytes = Bytes::from([body.as_slice(), signature.as_bytes()].concat());
        let signed = SignedProfile { bytes };
        let (profile, ..) = signed.split()?;
        Ok(VerifiedProfile { signed, profile })
    }

    /// The status if it is shown at `now`.
    pub fn status_at(&self, now: Minute) -> Option<&Status> {
        self.status.as_ref().filter(|status| now < status.until)
    }

    /// What every reader checks beside the signature, so that no profile deceives the eye or means
    /// two things.
    fn check_fields(&self) -> Result<(), DecodeError> {
        let check = |field, good: bool| good.then_some(()).ok_or(DecodeError::BadValue { field });
        check("description", text::is_shown_as_written(&self.description, true))?;
        check("hours", text::is_shown_as_written(&self.hours, true))?;
        check("site", self.site.is_empty() || text::is_https_address(&self.site))?;
        check("restored", self.restored.is_none_or(|told| told.hour <= told.at.hour()))?;
        if let Some(Status { text, until }) = &self.status {
            check("status", !text.is_empty() && text::is_shown_as_written(text, false))?;
            let end_max = self.issued.plus(PROFILE_STATUS_MINUTES_MAX);
            check("status_until", self.issued < *until && *until <= end_max)?;
        }
        Ok(())
    }
}

impl SignedProfile {
    /// Reads it and checks the signature, and nothing that changes with time.
    ///
    /// # Errors
    ///
    /// [`BadProfile::Malformed`] or [`BadProfile::Signature`].
    pub fn verify(self, account: &AccountKey) -> Result<VerifiedProfile, BadProfile> {
        let (profile, body, signature) = self.split()?;
        account.verify(&signed_message(&body), &signature).map_err(|_| BadProfile::Signature)?;
        Ok(VerifiedProfile { signed: self, profile })
    }

    fn split(&self) -> Result<(Profile, Bytes, SignatureBytes), DecodeError> {
        let mut reader = Reader::new(self.bytes.clone());
        let profile = Profile::read(&mut reader)?;
        let signature = SignatureBytes::read(&mut reader)?;
        reader.finish()?;
        let body = self.bytes.slice(..self.bytes.len() - SignatureBytes::BYTES);
        Ok((profile, body, signature))
    }
}

impl VerifiedProfile {
    /// What it states.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The profile as signed, to store or send.
    pub fn signed(&self) -> &SignedProfile {
        &self.signed
    }

    /// Whether it replaces another of the same account.
    pub fn replaces(&self, held: Option<&Self>) -> bool {
        held.is_none_or(|held| held.profile.issued < self.profile.issued)
    }

    /// Checks that it was not issued in the future, but for an hour of clock difference: what is
    /// signed for a later year could not be replaced until then.
    ///
    /// # Errors
    ///
    /// [`BadProfile::Early`].
    pub fn issued_by(&self, now: Minute) -> Result<(), BadProfile> {
        match self.profile.issued <= now.plus(PROFILE_EARLY_MINUTES) {
            true => Ok(()),
            false => Err(BadProfile::Early),
        }
    }
}

impl core::fmt::Debug for SignedProfile {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SignedProfile({} bytes)", self.bytes.len())
    }
}

impl Wire for SignedProfile {
    fn write(&self, out: &mut Writer) {
        out.sized(&self.bytes);
    }

    /// Takes any bytes: a profile that is none must not spoil the certificate it comes with.
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { bytes: reader.sized("profile", PROFILE_BYTES_MAX)? })
    }
}

impl Wire for Profile {
    fn write(&self, out: &mut Writer) {
        let Self { issued, description, hours, site, status, restored, logo } = self;
        out.u8(VERSION);
        issued.write(out);
        out.sized(description.as_bytes());
        out.sized(hours.as_bytes());
        out.sized(site.as_bytes());
        out.optional(status.as_ref());
        out.optional(restored.as_ref());
        out.optional(logo.as_ref());
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        if reader.u8()? != VERSION {
            return Err(DecodeError::BadValue { field: "profile_version" });
        }
        let profile = Self {
            issued: Wire::read(reader)?,
            description: reader.text("description", PROFILE_DESCRIPTION_BYTES_MAX)?,
            hours: reader.text("hours", PROFILE_HOURS_BYTES_MAX)?,
            site: reader.text("site", PROFILE_SITE_BYTES_MAX)?,
            status: reader.optional("has_status")?,
            restored: reader.optional("has_restored")?,
            logo: reader.optional("has_logo")?,
        };
        profile.check_fields()?;
        Ok(profile)
    }
}

impl Wire for Restored {
    fn write(&self, out: &mut Writer) {
        let Self { hour, at } = self;
        hour.write(out);
        out.u64(at.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { hour: Wire::read(reader)?, at: Timestamp(reader.u64()?) })
    }
}

impl Wire for Status {
    fn write(&self, out: &mut Writer) {
        let Self { text, until } = self;
        out.sized(text.as_bytes());
        until.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let text = reader.text("status", PROFILE_STATUS_BYTES_MAX)?;
        Ok(Self { text, until: Wire::read(reader)? })
    }
}

fn signed_message(body: &[u8]) -> Vec<u8> {
    [b"plico/1 profile\0", body].concat()
}

const VERSION: u8 = 1;
