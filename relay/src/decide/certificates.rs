//! The operator's word on businesses.

use plico_protocol::certificate::{BusinessKeys, Serial, VerifiedCertificate};
use plico_protocol::frame::{EndReason, RelayFrame};
use plico_protocol::refusal::{Code, Refusal};

use crate::decide::{Denied, Draft, Effect};
use crate::rows::{CertificateRow, QueueKind};
use crate::store::Table;
use crate::writer::Event;

impl Draft<'_> {
    /// The same certificate again changes nothing.
    pub(super) fn certify(
        &mut self,
        certificate: &VerifiedCertificate,
    ) -> Result<RelayFrame, Denied> {
        let body = certificate.body();
        if body.valid_to <= self.now.hour() {
            return Err(Code::CertificateExpired.into());
        }
        if self.facts.directory.by_serial(body.serial).is_some_and(|known| known.revoked) {
            return Err(Code::CertificateRevoked.into());
        }
        let other = |why| Err(Refusal::because(Code::NotCertified, why).into());
        match self.facts.certificate(body.serial)? {
            Some(known) if known != *certificate.certificate() => {
                return other("another certificate has this serial number");
            }
            _ => (),
        }
        let queue = self.facts.queue(&body.keys.inbox)?;
        if queue.is_some_and(|queue| queue.kind == QueueKind::Mailbox) {
            return other("a person's mailbox is open under the inbox's address");
        }
        let key = self.facts.rows.certificate(body.serial);
        let row = CertificateRow { certificate: certificate.certificate().clone() };
        self.put(*key.as_bytes(), &row);
        self.decision.effects.push(Effect::Certified(Box::new(certificate.clone())));
        Ok(RelayFrame::Certified {
            authority: *self.facts.authority,
            certificate: certificate.certificate().clone(),
            profile: None,
        })
    }

    /// What waits in the inbox stays there until it expires: a business that is certified anew
    /// finds it. What it says of itself goes with the last certificate of its account.
    pub(super) fn revoke_certificate(&mut self, serial: Serial) -> Result<RelayFrame, Denied> {
        let Some(certificate) = self.facts.certificate(serial)? else {
            let text = "no certificate has this serial number";
            return Err(Refusal::because(Code::NotCertified, text).into());
        };
        let authority = *self.facts.authority;
        let verified = certificate.clone().verify(&authority);
        let verified = verified.map_err(|error| Refusal::because(Code::NotCertified, error))?;
        let key = self.facts.rows.revocation(serial);
        self.put_clear(Table::Revocations, *key.as_bytes(), Vec::new());
        self.decision.effects.push(Effect::CertificateRevoked(serial));
        let BusinessKeys { inbox, account, .. } = verified.body().keys;
        let newest = self.facts.directory.inbox(&inbox);
        // An older certificate's end does not end what a newer one carries.
        if newest.is_none_or(|newest| newest.certificate.body().serial <= serial) {
            self.wake(Event::Ended { address: inbox, reason: EndReason::Closed });
        }
        let newest = self.facts.directory.by_account(&account);
        if newest.is_none_or(|newest| newest.certificate.body().serial <= serial) {
            let name = self.facts.rows.profile(&account);
            self.remove(Table::Profiles, *name.as_bytes());
        }
        Ok(RelayFrame::Certified { authority, certificate, profile: None })
    }
}
