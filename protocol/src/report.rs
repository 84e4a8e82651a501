//! A person's report of a message: what the relay stamped on it and, if the person wishes, what it
//! said. SPEC.md §11.
//!
//! The relay keeps no table of what it delivered. It recognises its own stamp, and recomputes the
//! sender's commitment over the content disclosed, so that neither side can show another message
//! than the one that was sent.

use bytes::Bytes;

use crate::commitment;
use crate::envelope::SizeClass;
use crate::id::{Address, Commitment};
use crate::limits::SIZE_CLASSES;
use crate::mac::MacKey;
use crate::stamp::{Origin, StampedOrigin};
use crate::ticket::address_tag;
use crate::wire::{DecodeError, Reader, Wire, Writer};

/// A report as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The mailbox that was written to.
    pub address: Address,
    /// C2 of the message.
    pub commitment: Commitment,
    /// The size class of its envelope.
    pub class: SizeClass,
    /// What the relay said when it delivered it.
    pub origin: StampedOrigin,
    /// What it said. Without it a report shows that the business wrote, and as which category.
    pub disclosure: Option<Disclosure>,
}

/// What a message said, and what opens its commitment. Never printed.
#[derive(Clone)]
pub struct Disclosure {
    /// The content with its padding, as it was sealed.
    pub padded: Bytes,
    /// `k_f`.
    pub franking_key: MacKey,
}

/// A report whose every part holds. Made only by [`Report::prove`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvenReport(StampedOrigin);

/// Why a report proves nothing, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReport {
    /// No stamp of this relay, of a day whose key is destroyed, or on another message.
    #[error("this relay stamped no such message in the last 62 days")]
    Stamp,
    /// The message went to another mailbox.
    #[error("the message was not for this mailbox")]
    OtherMailbox,
    /// The content is not the one that was sent.
    #[error("the content is not what the message said")]
    Content,
}

wire_byte!(
    /// What a proven report did.
    Reported, "reported" {
        /// It counts.
        Counted = 1,
        /// It counted before, or another of this mailbox about this business did today.
        Already = 2,
        /// It counts for nothing: the business answered in the person's window.
        InWindow = 3,
    }
);

impl Report {
    /// Checks stamp, mailbox and content. `k_stamp` is the key of the day of [`Origin::hour`], none
    /// where it is destroyed. The content is hashed last, so that only who was sent a message can
    /// make the relay hash 64 KiB.
    ///
    /// # Errors
    ///
    /// [`BadReport`].
    pub fn prove(
        &self,
        k_stamp: Option<&MacKey>,
        k_tag: &MacKey,
    ) -> Result<ProvenReport, BadReport> {
        let Self { address, commitment, class, origin, disclosure } = self;
        let k_stamp = k_stamp.ok_or(BadReport::Stamp)?;
        if !origin.verify(k_stamp, commitment, *class) {
            return Err(BadReport::Stamp);
        }
        if address_tag(k_tag, address) != origin.origin.tag {
            return Err(BadReport::OtherMailbox);
        }
        let Some(Disclosure { padded, franking_key }) = disclosure else {
            return Ok(ProvenReport(*origin));
        };
        let whole = padded.len() == class.bytes().saturating_sub(UNPADDED_BYTES);
        let holds = commitment::verify(commitment, franking_key, SUITE, *class, padded);
        if whole && holds { Ok(ProvenReport(*origin)) } else { Err(BadReport::Content) }
    }
}

impl ProvenReport {
    /// What the relay saw of the message.
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// The message's stamp and what it covers.
    pub fn stamped(&self) -> &StampedOrigin {
        &self.0
    }
}

impl PartialEq for Disclosure {
    fn eq(&self, other: &Self) -> bool {
        let Self { padded, franking_key } = self;
        *padded == other.padded
            && franking_key.expose_secret() == other.franking_key.expose_secret()
    }
}

impl Eq for Disclosure {}

impl core::fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { padded: _, franking_key: _ } = self;
        f.write_str("Disclosure(…)")
    }
}

impl Wire for Report {
    fn write(&self, out: &mut Writer) {
        let Self { address, commitment, class, origin, disclosure } = self;
        address.write(out);
        commitment.write(out);
        class.write(out);
        origin.write(out);
        out.optional(disclosure.as_ref());
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            address: Wire::read(reader)?,
            commitment: Wire::read(reader)?,
            class: Wire::read(reader)?,
            origin: Wire::read(reader)?,
            disclosure: reader.optional("has_disclosure")?,
        })
    }
}

impl Wire for Disclosure {
    fn write(&self, out: &mut Writer) {
        out.sized(&self.padded);
        out.bytes(self.franking_key.expose_secret());
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            padded: reader.sized("padded", PADDED_BYTES_MAX)?,
            franking_key: MacKey::new(reader.array()?),
        })
    }
}

/// The one suite of version 1 (SPEC.md §8).
const SUITE: u16 = 1;
/// Bytes of an envelope to a mailbox beside its padded content (SPEC.md §8.3).
const UNPADDED_BYTES: usize = 128;
const PADDED_BYTES_MAX: usize = SIZE_CLASSES[3] - UNPADDED_BYTES;
/// Bytes of the longest report.
pub(crate) const REPORT_BYTES_MAX: usize = 32 + 32 + 1 + (70 + 32) + 1 + 4 + PADDED_BYTES_MAX + 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AccountKey, TicketId};
    use crate::signature::MailboxSecret;
    use crate::stamp::Reason;
    use crate::ticket::Category;
    use crate::time::Hour;

    fn key(seed: u8) -> MacKey {
        MacKey::new([seed; 32])
    }

    fn address(seed: u8) -> Address {
        MailboxSecret::from_seed(&[seed; 32]).public()
    }

    /// An honest report of a message to mailbox 3, stamped under key 1, tagged under key 2.
    fn report() -> Report {
        let padded = vec![7; SizeClass::Small.bytes() - UNPADDED_BYTES];
        let commitment = commitment::commit(&key(4), SUITE, SizeClass::Small, &padded);
        let origin = Origin {
            account: AccountKey::new([5; 32]),
            tag: address_tag(&key(2), &address(3)),
            ticket: TicketId::new([6; 16]),
            hour: Hour(7),
            category: Category::Utility,
            reason: Reason::OutsideWindow,
        };
        Report {
            address: address(3),
            commitment,
            class: SizeClass::Small,
            origin: origin.stamp(&key(1), &commitment, SizeClass::Small),
            disclosure: Some(Disclosure { padded: padded.into(), franking_key: key(4) }),
        }
    }

    fn check(change: impl FnOnce(&mut Report), expected: Result<(), BadReport>) {
        let mut report = report();
        change(&mut report);
        assert_eq!(report.prove(Some(&key(1)), &key(2)).map(drop), expected);
    }

    fn disclose(report: &mut Report, padded: Vec<u8>, franking_key: MacKey) {
        report.disclosure = Some(Disclosure { padded: padded.into(), franking_key });
    }

    #[test]
    fn what_was_sent_is_proven_with_its_content_and_without() {
        check(|_| (), Ok(()));
        check(|report| report.disclosure = None, Ok(()));
    }

    #[test]
    fn another_message_business_category_or_time_is_not_what_was_stamped() {
        check(|r| r.commitment = Commitment::new([0; 32]), Err(BadReport::Stamp));
        check(|r| r.class = SizeClass::Medium, Err(BadReport::Stamp));
        check(|r| r.origin.origin.account = AccountKey::new([9; 32]), Err(BadReport::Stamp));
        check(|r| r.origin.origin.category = Category::Marketing, Err(BadReport::Stamp));
        check(|r| r.origin.origin.reason = Reason::InWindow, Err(BadReport::Stamp));
        check(|r| r.origin.origin.hour = Hour(8), Err(BadReport::Stamp));
        check(|r| r.origin.origin.ticket = TicketId::new([0; 16]), Err(BadReport::Stamp));
    }

    #[test]
    fn a_key_that_is_destroyed_or_of_another_day_proves_nothing() {
        assert_eq!(report().prove(None, &key(2)), Err(BadReport::Stamp));
        assert_eq!(report().prove(Some(&key(9)), &key(2)), Err(BadReport::Stamp));
    }

    #[test]
    fn a_stamp_is_of_use_to_its_own_mailbox_alone() {
        check(|r| r.address = address(8), Err(BadReport::OtherMailbox));
        check(|r| r.origin.origin.tag = address_tag(&key(2), &address(8)), Err(BadReport::Stamp));
    }

    #[test]
    fn content_that_was_not_sent_is_refused() {
        let padded = report().disclosure.unwrap().padded.to_vec();
        let mut other = padded.clone();
        other[0] ^= 1;
        check(|r| disclose(r, other, key(4)), Err(BadReport::Content));
        check(|r| disclose(r, padded.clone(), key(9)), Err(BadReport::Content));
        check(|r| disclose(r, padded[1..].to_vec(), key(4)), Err(BadReport::Content));
        check(|r| disclose(r, Vec::new(), key(4)), Err(BadReport::Content));
    }

    #[test]
    fn two_disclosures_are_one_where_both_parts_are() {
        let padded = report().disclosure.unwrap().padded.to_vec();
        for (padded, key, same) in [
            (padded.clone(), key(4), true),
            (padded.clone(), key(9), false),
            (padded[1..].to_vec(), key(4), false),
        ] {
            let mut other = report();
            disclose(&mut other, padded, key);
            assert_eq!(other == report(), same);
        }
    }

    #[test]
    fn nothing_of_a_disclosure_is_printed() {
        assert!(format!("{:?}", report()).contains("Disclosure(…)"));
    }
}
