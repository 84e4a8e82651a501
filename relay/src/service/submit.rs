//! What a submission must pass before the writer sees it, in this order: space, size, then for a
//! message to an inbox the directory and the limits of network and inbox, and for a message to a
//! person the account's limit, certificate, ticket, category and the mailbox's limit. None of it
//! looks a mailbox up, and only what passed is hashed: a refusal must not cost more the larger the
//! envelope is.

use bytes::Bytes;
use plico_protocol::envelope::Envelope;
use plico_protocol::frame::{Consent, Submission};
use plico_protocol::id::{AccountKey, Address, SubmitId};
use plico_protocol::pricing::Millionths;
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::ticket::{BadTicket, CheckedTicket, TicketUse};

use super::{Asker, Service};
use crate::policy::throttle::{Prefix, while_offline};
use crate::request::{Digest, Pricing, Request};

impl Service {
    /// The request for the writer.
    pub(super) fn check_submission(
        &self,
        submission: Submission,
        body: &Bytes,
        Asker { account, prefix, .. }: Asker,
    ) -> Result<Request, Refusal> {
        if self.watermark.is_low() {
            return Err(Refusal::new(Code::StorageFull).retry_after(SPACE_RETRY_MS));
        }
        let Submission { id, to, consent, envelope } = submission;
        let envelope =
            Envelope::new(envelope.0).map_err(|error| Refusal::because(Code::WrongSize, error))?;
        match consent {
            None => self.to_inbox(id, to, envelope, body, prefix),
            Some(consent) => {
                let account = account.ok_or_else(|| Refusal::new(Code::NotProven))?;
                let now_us = self.elapsed_us();
                self.throttle.account(&account, now_us)?;
                let ticket = self.check_consent(&to, &account, &consent)?;
                self.throttle.mailbox(&to, now_us)?;
                self.check_reach(&to, &account, &ticket)?;
                let Consent { category, price_max, .. } = consent;
                let (digest, pricing) = (Digest::of(body), self.pricing(price_max));
                Ok(Request::SubmitToMailbox {
                    id,
                    digest,
                    to,
                    account,
                    ticket,
                    category,
                    pricing,
                    envelope,
                })
            }
        }
    }

    fn pricing(&self, price_max: Millionths) -> Pricing {
        let now = self.clock.now();
        let certified = self.keys.ledger_key(now).is_some();
        Pricing { card: self.rules.rate_cards.at(now.minute()), certified, price_max }
    }

    fn to_inbox(
        &self,
        id: SubmitId,
        inbox: Address,
        envelope: Envelope,
        body: &Bytes,
        prefix: Prefix,
    ) -> Result<Request, Refusal> {
        let certified = self.directory.inbox(&inbox);
        let certified = certified.ok_or_else(|| Refusal::new(Code::NotAnInbox))?;
        certified.standing(self.clock.now().hour())?;
        while_offline(envelope.class(), || self.hub.is_subscribed(&inbox))?;
        // Without a card that holds a business cannot send, but people can.
        let card = self.rules.rate_cards.at(self.clock.now().minute());
        let quota = card.map_or(u32::MAX, |card| card.fields().inbox_free_per_day);
        self.throttle.to_inbox(prefix, &inbox, quota, self.elapsed_us())?;
        let account = certified.certificate.body().keys.account;
        let digest = Digest::of(body);
        Ok(Request::SubmitToInbox { id, digest, inbox, account, envelope })
    }

    /// How many people an account writes to unasked in a day is a matter of its tier.
    fn check_reach(
        &self,
        to: &Address,
        account: &AccountKey,
        ticket: &CheckedTicket,
    ) -> Result<(), Refusal> {
        let now = self.clock.now();
        let card = self.rules.rate_cards.at(now.minute());
        let Some(card) = card.filter(|_| !ticket.in_window(now.minute())) else { return Ok(()) };
        let tier = self.view.standing(account)?.reputation.tier;
        Ok(self.throttle.reach(account, to, card.reach(tier), now)?)
    }

    fn check_consent(
        &self,
        to: &Address,
        account: &AccountKey,
        consent: &Consent,
    ) -> Result<CheckedTicket, Refusal> {
        let certified = self.standing(account)?;
        let Consent { ticket, opening, category, price_max: _ } = consent;
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
