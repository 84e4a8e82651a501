//! What businesses say of themselves: the latest holds.

use plico_protocol::frame::RelayFrame;
use plico_protocol::id::AccountKey;
use plico_protocol::profile::VerifiedProfile;
use plico_protocol::refusal::Code;

use crate::decide::{Denied, Draft};
use crate::rows::ProfileRow;

impl Draft<'_> {
    /// The same profile again is answered alike and writes nothing. Since another must be issued in
    /// a later minute, and none may be of the future, an account writes once a minute at most.
    pub(super) fn publish_profile(
        &mut self,
        account: &AccountKey,
        profile: &VerifiedProfile,
    ) -> Result<RelayFrame, Denied> {
        let name = self.facts.rows.profile(account);
        let row =
            ProfileRow { issued: profile.profile().issued, profile: profile.signed().clone() };
        match self.facts.profile(&name)? {
            Some(held) if held == row => (),
            Some(held) if row.issued <= held.issued => return Err(Code::ProfileReplaced.into()),
            _ => self.put(*name.as_bytes(), &row),
        }
        Ok(RelayFrame::ProfilePublished)
    }
}
