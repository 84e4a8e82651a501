//! Refusals: stable numbers with a meaning each, so that software can act and people can read.
//!
//! SPEC.md §12 is this table; a test compares the two.

use crate::limits::REFUSAL_TEXT_BYTES_MAX;
use crate::wire::{DecodeError, Reader, Wire, Writer};

/// One request was not carried out; nothing else was affected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What happened.
    pub code: Code,
    /// When trying again may help, in milliseconds; 0 where it will not.
    pub retry_after_ms: u32,
    /// What happened, why and what to do next, in English, for a developer's eyes.
    pub text: String,
}

impl Refusal {
    /// A refusal for which waiting is no remedy, with the code's own text.
    pub fn new(code: Code) -> Self {
        Self { code, retry_after_ms: 0, text: code.text().to_owned() }
    }

    /// The same, with what exactly was wrong in front of the code's text, cut to the bound.
    pub fn because(code: Code, detail: impl core::fmt::Display) -> Self {
        let mut text = format!("{detail}: {}", code.text());
        while REFUSAL_TEXT_BYTES_MAX < text.len() {
            text.pop();
        }
        Self { code, retry_after_ms: 0, text }
    }

    /// The same, worth another try after `ms`.
    #[must_use]
    pub fn retry_after(self, ms: u32) -> Self {
        Self { retry_after_ms: ms, ..self }
    }

    /// The rule that a `rate_limited` refusal names (SPEC.md §12.1).
    pub fn rule(&self) -> Option<&str> {
        let named = (self.code == Code::RateLimited).then(|| self.text.split_once(':'));
        named.flatten().map(|(rule, _)| rule)
    }
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} ({}): {}", self.code.name(), self.code.number(), self.text)
    }
}

impl Wire for Refusal {
    fn write(&self, out: &mut Writer) {
        out.u16(self.code.number());
        out.u32(self.retry_after_ms);
        out.sized(self.text.as_bytes());
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let code = Code::from_number(reader.u16()?);
        let retry_after_ms = reader.u32()?;
        let text = reader.text("refusal_text", REFUSAL_TEXT_BYTES_MAX)?;
        Ok(Self { code, retry_after_ms, text })
    }
}

macro_rules! codes {
    ($($variant:ident = $number:literal, $name:literal, $text:literal;)+) => {
        /// What a refusal means. Numbers are never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $text] $variant,)+
            /// A number this version does not know, from a later relay. Never one that has a name
            /// here: [`Code::from_number`] makes no other.
            Other(u16),
        }

        impl Code {
            /// Every code that has a name, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The number on the wire.
            pub const fn number(self) -> u16 {
                match self { $(Self::$variant => $number,)+ Self::Other(number) => number }
            }

            /// The name in SPEC.md.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ Self::Other(_) => "other" }
            }

            /// What it means and what to do next.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(_) => "the relay refused for a reason this version does not know; update",
                }
            }

            /// The code of a number.
            pub const fn from_number(number: u16) -> Self {
                match number { $($number => Self::$variant,)+ other => Self::Other(other) }
            }
        }
    };
}

codes! {
    Malformed = 1, "malformed", "the frame's body is not what its type requires; correct the encoding";
    UnknownFrame = 2, "unknown_frame", "this relay knows no frame of this type; it was skipped";
    FrameTooLarge = 3, "frame_too_large", "the frame is longer than its type allows; this stream ends here";
    WrongConnection = 4, "wrong_connection", "this kind of connection does not carry this request; open one of the right kind";
    WrongStream = 5, "wrong_stream", "subscriptions and acknowledgements belong on the one delivery stream, requests on others";
    BadProof = 6, "bad_proof", "the signature does not prove this key on this connection";
    NotProven = 7, "not_proven", "prove the key on this connection first";
    TooMany = 8, "too_many", "this connection has as many of these as it may; open another connection";
    UnknownHandle = 9, "unknown_handle", "no business is certified under this handle";
    NotCertified = 10, "not_certified", "this account has no certificate here; ask the operator to verify it";
    CertificateExpired = 11, "certificate_expired", "the business's certificate has expired; the operator renews it";
    CertificateRevoked = 12, "certificate_revoked", "the operator revoked the business's certificate";
    WrongSize = 13, "wrong_size", "an envelope has exactly 2, 8, 32 or 64 KiB; pad it";
    NotAnInbox = 14, "not_an_inbox", "without a ticket only a certified inbox can be written to";
    TicketForged = 15, "ticket_forged", "this relay did not mint the ticket, or ended it; wait for the device to give another";
    TicketOtherMailbox = 16, "ticket_other_mailbox", "the ticket is for another mailbox";
    TicketOtherBusiness = 17, "ticket_other_business", "the ticket and opening are for another business";
    TicketExpired = 18, "ticket_expired", "the ticket has expired; wait for the person to write";
    CategoryNotAllowed = 19, "category_not_allowed", "the person or the certificate does not allow this category";
    Revoked = 20, "revoked", "the person no longer accepts messages under this ticket";
    TicketExhausted = 21, "ticket_exhausted", "the ticket's messages are used up; wait for the person to write";
    Stale = 22, "stale", "the submit_id is 47 hours old or older; submit again under a new one";
    Early = 23, "early", "the submit_id is more than an hour ahead; set the clock";
    SubmitIdReused = 24, "submit_id_reused", "another submission was accepted under this submit_id; use a new one";
    MailboxFull = 25, "mailbox_full", "the recipient's queue is full; try again once it was read";
    StorageFull = 26, "storage_full", "the relay is short of disk space and takes no new messages; try again later";
    NoMailbox = 27, "no_mailbox", "no mailbox is open under this address; open it first";
    BadTerms = 28, "bad_terms", "the ticket's terms are not possible";
    BadPrekey = 29, "bad_prekey", "a prekey's signature, id or time is wrong; nothing was published";
    NoPrekeys = 30, "no_prekeys", "the business has published no valid prekeys; try again once it is online";
    UnknownChannel = 31, "unknown_channel", "this stream has no such channel";
    AckBeyondDelivered = 32, "ack_beyond_delivered", "an envelope that was not delivered here cannot be acknowledged";
    Busy = 33, "busy", "the relay has too much to do; try again after the time given";
    ShuttingDown = 34, "shutting_down", "the relay is stopping; connect again after the time given";
    BadProfile = 35, "bad_profile", "the profile is not one of this account, or of the future; nothing was published";
    ProfileReplaced = 36, "profile_replaced", "a newer profile is published; look it up, then publish one that is newer";
    NotPriced = 37, "not_priced", "the relay's rate card has no price for this message now, so it cannot be sent; fetch the card";
    OverPriceLimit = 38, "over_price_limit", "the message costs more than its submission allows; allow more, or wait until the person writes";
    NoCredit = 39, "no_credit", "the account's balance and credit do not cover the price; pay the operator";
    Suspended = 40, "suspended", "the operator suspended the account; ask why, and how it is restored";
    RateLimited = 41, "rate_limited", "more than the rule allows; try again after the time given";
    BadReport = 42, "bad_report", "the report proves nothing: no such message came to this mailbox in the last 62 days, or it said something else";
    NoRateCard = 43, "no_rate_card", "this relay has no rate card for the minute asked for; ask its operator";
    Unpaid = 44, "unpaid", "the account's subscription is unpaid; pay the operator, who enters the payment";
}

impl Code {
    /// Whether the same request may be carried out later although nothing about it changes: then
    /// waiting is all there is to do.
    pub const fn passes(self) -> bool {
        matches!(self, Self::Busy | Self::ShuttingDown | Self::StorageFull | Self::RateLimited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_number_and_fits_its_bound() {
        for (index, code) in Code::ALL.iter().enumerate() {
            assert_eq!(usize::from(code.number()), index + 1);
            assert_eq!(Code::from_number(code.number()), *code);
            let refusal = Refusal::because(*code, "é".repeat(200));
            assert_eq!(Refusal::decode(refusal.encode()), Ok(refusal));
        }
    }

    #[test]
    fn a_limit_names_its_rule_first() {
        let limited = Refusal::because(Code::RateLimited, "frames: at most 5 a minute");
        assert_eq!(limited.rule(), Some("frames"));
        assert_eq!(Refusal::because(Code::Busy, "frames: at most 5 a minute").rule(), None);
        assert_eq!(Refusal::new(Code::RateLimited).rule(), None);
    }

    #[test]
    fn a_code_of_a_later_relay_is_kept_as_its_number() {
        let refusal = Refusal::new(Code::Other(999));
        assert_eq!(Refusal::decode(refusal.encode()), Ok(refusal));
    }
}
