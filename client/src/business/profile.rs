//! What the business says of itself: signed and stored here, published on every connection whose
//! relay does not have it.

use plico_protocol::frame::{ClientFrame, RelayFrame};
use plico_protocol::id::AccountKey;
use plico_protocol::limits::{PROFILE_EARLY_MINUTES, PROFILE_STATUS_MINUTES_MAX};
use plico_protocol::profile::{Logo, Profile, Restored, SignedProfile, Status, VerifiedProfile};
use plico_protocol::refusal::Code;
use plico_protocol::signature::AccountSecret;
use plico_protocol::time::{Minute, Timestamp};
use plico_protocol::wire::DecodeError;

use super::command::Job;
use super::core::BusinessCore;
use super::event::Trouble;
use crate::about::{self, About};
use crate::agent::Stopped;
use crate::agent::lines::Lines;
use crate::state::{Name, State, StateError, Table};

/// What a business wishes to say of itself. Empty texts say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileDraft {
    /// What it does, in some lines: at most 1,536 bytes.
    pub description: String,
    /// When it answers, in some lines: at most 512 bytes.
    pub hours: String,
    /// An `https` address of at most 256 bytes, in ASCII.
    pub site: String,
    /// A small picture.
    pub logo: Option<Logo>,
}

/// Why a profile was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// A field is longer than allowed, or holds what it may not.
    #[error(
        "nothing was changed, because {0}; texts are in normalisation form C without control or \
         invisible characters, a status has one line, and the site begins with https:// and a \
         lower-case host"
    )]
    Field(#[from] DecodeError),
    /// The agent has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// The profile of this business, and whether the relay has it.
#[derive(Debug, Default)]
pub(super) struct OwnProfile {
    held: Option<VerifiedProfile>,
    /// When to publish it; none once this connection's relay has it.
    due: Option<Timestamp>,
}

impl ProfileDraft {
    pub(super) fn write_to(self, profile: &mut Profile) {
        let Self { description, hours, site, logo } = self;
        (profile.description, profile.hours, profile.site) = (description, hours, site);
        profile.logo = logo;
    }
}

impl From<About> for ProfileDraft {
    fn from(about: About) -> Self {
        let About { description, hours, site, logo, status: _ } = about;
        Self { description, hours, site, logo }
    }
}

impl OwnProfile {
    pub(super) fn load(state: &mut State, account: &AccountKey) -> Result<Self, StateError> {
        let held = state.read(|rows| about::stored(rows, Name::ONLY, account))?;
        Ok(Self { held, due: Some(Timestamp(0)) })
    }

    pub(super) fn about(&self, now: Minute) -> Option<About> {
        self.held.as_ref().map(|held| About::of(held.profile(), now))
    }

    /// The restore it tells of.
    pub(super) fn restored(&self) -> Option<Restored> {
        self.held.as_ref()?.profile().restored
    }

    /// Whether there is nothing that the relay lacks.
    pub(super) fn is_published(&self) -> bool {
        self.held.is_none() || self.due.is_none()
    }

    /// Forgets what held on one connection only.
    pub(super) fn connection_lost(&mut self) {
        self.due = Some(Timestamp(0));
    }

    /// When there is something to do.
    pub(super) fn wake(&self) -> impl Iterator<Item = Timestamp> {
        let due = self.due.filter(|_| self.held.is_some());
        due.into_iter().chain(self.status_end())
    }

    /// When the status is over.
    fn status_end(&self) -> Option<Timestamp> {
        let status = self.held.as_ref()?.profile().status.as_ref()?;
        Some(Timestamp(u64::from(status.until.0) * 60_000))
    }
}

impl BusinessCore {
    /// Issues the profile anew with a change: stored, and published as soon as there is a
    /// connection. A change that a restored state makes waits until what the relay has was compared
    /// ([`BusinessCore::compare_profile`]): issued before, it would replace later words by the
    /// backup's.
    pub(super) fn reissue_profile(
        &mut self,
        change: impl FnOnce(&mut Profile),
    ) -> Result<Result<(), ProfileError>, StateError> {
        let now = self.now().minute();
        match reissued(self.profile.held.as_ref(), &self.identity.account, now, change) {
            Ok(profile) => self.hold_profile(profile, Some(Timestamp(0))).map(Ok),
            Err(error) => Ok(Err(error.into())),
        }
    }

    /// Tells one line for a day, or takes it back.
    pub(super) fn set_status(
        &mut self,
        text: Option<String>,
    ) -> Result<Result<(), ProfileError>, StateError> {
        self.reissue_profile(|profile| {
            let until = profile.issued.plus(PROFILE_STATUS_MINUTES_MAX);
            profile.status = text.map(|text| Status { text, until });
        })
    }

    /// Publishes what the relay lacks. A status that is over is taken out, so that nobody is handed
    /// it any longer; a restore is put in. All only once what the relay has was compared: it may be later.
    pub(super) fn tend_profile(&mut self, lines: &mut Lines) -> Result<(), StateError> {
        let now = self.now();
        let Some(line) = self.ready_line(lines) else { return Ok(()) };
        if !self.certificate_checked {
            return Ok(());
        }
        if self.profile.status_end().is_some_and(|end| end <= now) {
            // What was signed before can be signed without its status.
            let _ = self.reissue_profile(|profile| profile.status = None)?;
        }
        if let Some(restored) = self.untold() {
            // Without words it can always be signed; these were signed before.
            let _ = self.reissue_profile(|profile| profile.restored = Some(restored))?;
        }
        let Some(held) = &self.profile.held else { return Ok(()) };
        let job = Job::PublishProfile { issued: held.profile().issued };
        let is_due = self.profile.due.is_some_and(|due| due <= now);
        if is_due && !self.jobs.has(&job) {
            let frame = ClientFrame::PublishProfile(held.signed().clone());
            self.jobs.ask(lines, line, job, frame);
        }
        Ok(())
    }

    /// Takes the answer to that.
    pub(super) fn profile_answered(
        &mut self,
        issued: Minute,
        frame: &RelayFrame,
    ) -> Result<(), StateError> {
        let current = self.profile.held.as_ref().map(|held| held.profile().issued);
        if current != Some(issued) {
            return Ok(());
        }
        self.profile.due = None;
        let RelayFrame::Refused(refusal) = frame else { return Ok(()) };
        match refusal.code {
            Code::BadProfile | Code::UnknownFrame => (),
            // A state of before, or a clock that is behind: see what the relay has, after a while.
            Code::ProfileReplaced => {
                self.certificate_checked = false;
                return self.trouble(Trouble::Refused(refusal.code));
            }
            _ => self.profile.due = Some(Timestamp(self.now().0.saturating_add(RETRY_MS))),
        }
        if refusal.code.passes() {
            return Ok(());
        }
        self.trouble(Trouble::Refused(refusal.code))?;
        // Messages do not need a profile: nothing stops meanwhile.
        self.retry_at = Timestamp(0);
        Ok(())
    }

    /// Compares with what the relay hands to people. A later one is this business's too, lost with
    /// a state that was put back: it is taken over.
    pub(super) fn compare_profile(
        &mut self,
        published: Option<SignedProfile>,
    ) -> Result<(), StateError> {
        let account = self.identity.account.public();
        let published = published.and_then(|published| published.verify(&account).ok());
        let held = self.profile.held.as_ref();
        match published {
            Some(published) if Some(&published) == held => self.profile.due = None,
            // Of two of one minute, the relay's is what people have seen.
            Some(published) if held.is_none_or(|held| !held.replaces(Some(&published))) => {
                self.hold_profile(published, None)?;
            }
            _ => self.profile.due = Some(Timestamp(0)),
        }
        Ok(())
    }

    fn hold_profile(
        &mut self,
        profile: VerifiedProfile,
        due: Option<Timestamp>,
    ) -> Result<(), StateError> {
        let put =
            |rows: &crate::state::Rows<'_>| rows.put(Table::Profile, Name::ONLY, profile.signed());
        self.state.write::<_, StateError>(put)?;
        self.profile = OwnProfile { held: Some(profile), due };
        Ok(())
    }
}

/// A profile with a change, issued after the one before: in the same minute it counts as the next,
/// unless a clock that was far ahead issued that one, which no relay can have taken.
pub(super) fn reissued(
    held: Option<&VerifiedProfile>,
    account: &AccountSecret,
    now: Minute,
    change: impl FnOnce(&mut Profile),
) -> Result<VerifiedProfile, DecodeError> {
    let mut profile = held.map_or_else(Profile::default, |held| held.profile().clone());
    let believable = held.is_some() && profile.issued <= now.plus(PROFILE_EARLY_MINUTES);
    profile.issued = if believable { now.max(profile.issued.plus(1)) } else { now };
    let day = profile.issued.plus(1)..=profile.issued.plus(PROFILE_STATUS_MINUTES_MAX);
    profile.status = profile.status.filter(|status| day.contains(&status.until));
    change(&mut profile);
    profile.sign(account)
}

const RETRY_MS: u64 = 60_000;
