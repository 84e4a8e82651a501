//! What a submission must pass before the writer sees it, in this order: space, size, then for a
//! message to an inbox the directory, and for a message to a person certificate, ticket and
//! category. None of it looks a mailbox up.

use bytes::Bytes;
use plico_protocol::envelope::Envelope;
use plico_protocol::frame::{Consent, Submission};
use plico_protocol::id::{AccountKey, Address, SubmitId};
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::ticket::{BadTicket, CheckedTicket, TicketUse};

use super::Service;
use crate::request::{Digest, Request};

impl Service {
    /// The request for the writer.
    pub(super) fn check_submission(
        &self,
        submission: Submission,
        body: &Bytes,
        account: Option<AccountKey>,
    ) -> Result<Request, Refusal> {
        if self.watermark.is_low() {
            return Err(Refusal::new(Code::StorageFull).retry_after(SPACE_RETRY_MS));
        }
        let Submission { id, to, consent, envelope } = submission;
        let envelope =
            Envelope::new(envelope.0).map_err(|error| Refusal::because(Code::WrongSize, error))?;
        let digest = Digest::of(body);
        match consent {
            None => self.to_inbox(id, digest, to, envelope),
            Some(consent) => {
                let account = account.ok_or_else(|| Refusal::new(Code::NotProven))?;
                let ticket = self.check_consent(&to, &account, &consent)?;
                let category = consent.category;
                Ok(Request::SubmitToMailbox { id, digest, to, account, ticket, category, envelope })
            }
        }
    }

    fn to_inbox(
        &self,
        id: SubmitId,
        digest: Digest,
        inbox: Address,
        envelope: Envelope,
    ) -> Result<Request, Refusal> {
        let certified = self.directory.inbox(&inbox);
        let certified = certified.ok_or_else(|| Refusal::new(Code::NotAnInbox))?;
        certified.standing(self.clock.now().hour())?;
        let account = certified.certificate.body().keys.account;
        Ok(Request::SubmitToInbox { id, digest, inbox, account, envelope })
    }

    fn check_consent(
        &self,
        to: &Address,
        account: &AccountKey,
        consent: &Consent,
    ) -> Result<CheckedTicket, Refusal> {
        let certified = self.standing(account)?;
        let Consent { ticket, opening, category } = consent;
        let ring = self.keys.ring();
        let key = ring.ticket(ticket.key_id()).ok_or_else(|| refusal(BadTicket::Forged))?;
        let now = self.clock.now().minute();
        let used = TicketUse { address: to, account, opening, category: *category, now };
        let checked = ticket.check(key, ring.tag(), &used).map_err(refusal)?;
        if !certified.certificate.body().categories.contains(*category) {
            let reason = "the certificate does not allow this category";
            return Err(Refusal::because(Code::CategoryNotAllowed, reason));
        }
        Ok(checked)
    }
}

fn refusal(error: BadTicket) -> Refusal {
    let code = match error {
        BadTicket::Forged => Code::TicketForged,
        BadTicket::OtherMailbox => Code::TicketOtherMailbox,
        BadTicket::OtherBusiness => Code::TicketOtherBusiness,
        BadTicket::Expired => Code::TicketExpired,
        BadTicket::Category => Code::CategoryNotAllowed,
    };
    Refusal::because(code, error)
}

/// Space comes back when people read, or when the operator acts.
const SPACE_RETRY_MS: u32 = 30_000;
