//! A ticket: a person's consent, minted by the relay for a mailbox, usable by one business.
//!
//! SPEC.md §9. The relay that checks a ticket keeps no table of who wrote to whom: the ticket
//! itself carries the mailbox (as a MAC), the business (as a commitment) and the terms.
//!
//! ```text
//!  0 u8 version   1 u8 key id   2 u16 categories   4 [2] zone   6 u16 messages_max
//!  8 u32 opened_at   12 u32 free_until (0: none)   16 u32 valid_until   20 u32 epoch
//! 24 [16] address tag   40 [32] commitment   72 [16] ticket id   88 [8] zero   96 [32] MAC
//! ```

mod keys;
mod terms;

pub use keys::{TicketKeyId, TicketKeys};
pub use terms::{BadTerms, Categories, Category, Terms, Zone};

use subtle::ConstantTimeEq;

use crate::id::{AccountKey, Address, AddressTag, TicketCommitment, TicketId, TicketOpening};
use crate::limits::{TICKET_BYTES, WINDOW_ROUNDING_MINUTES};
use crate::mac::{MacKey, first16, sha256};
use crate::time::Minute;
use crate::wire::{DecodeError, Reader, Wire, Writer};

/// Changes with every revocation and every change of terms; tickets of older epochs are dead.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(pub u32);

/// Everything a ticket states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketFields {
    /// What may be sent.
    pub categories: Categories,
    /// Where the person was when it was minted, as the relay guesses.
    pub zone: Zone,
    /// How many messages.
    pub messages_max: u16,
    /// When it was minted, rounded down to five minutes.
    pub opened_at: Minute,
    /// The end of the window, which may be past already; none for a standing consent.
    pub free_until: Option<Minute>,
    /// The first minute in which the ticket is void.
    pub valid_until: Minute,
    /// The mailbox's epoch when it was minted.
    pub epoch: Epoch,
    /// The mailbox.
    pub tag: AddressTag,
    /// Who may use it, hidden.
    pub commitment: TicketCommitment,
    /// Random name.
    pub id: TicketId,
}

impl TicketFields {
    /// Until when an answer may be free, past or to come: the end of the window, if the ticket allows
    /// service and is valid so long. What is free in a window the rate card says.
    pub fn answers_until(&self) -> Option<Minute> {
        let service = self.categories.contains(Category::Service);
        self.free_until.filter(|_| service).map(|end| end.min(self.valid_until))
    }
}

/// 128 bytes that claim to be a ticket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ticket([u8; TICKET_BYTES]);

/// One attempt to use a ticket.
#[derive(Clone, Copy, Debug)]
pub struct TicketUse<'a> {
    /// The mailbox the message is for.
    pub address: &'a Address,
    /// The account this connection proved.
    pub account: &'a AccountKey,
    /// What the business says opens the commitment.
    pub opening: &'a TicketOpening,
    /// What the message is declared to be.
    pub category: Category,
    /// Now.
    pub now: Minute,
}

/// A ticket that is authentic and fits its use; only the mailbox's own state remains to be
/// compared. Made only by [`Ticket::check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedTicket(TicketFields);

/// Why a ticket is not honoured, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTicket {
    /// No such key, a wrong MAC, or fields no relay writes.
    #[error("this relay did not mint the ticket")]
    Forged,
    /// Minted for another mailbox.
    #[error("the ticket is for another mailbox")]
    OtherMailbox,
    /// Minted for another business, or the opening is wrong.
    #[error("the ticket is for another business")]
    OtherBusiness,
    /// Past its end.
    #[error("the ticket has expired")]
    Expired,
    /// The person did not allow this category.
    #[error("the person did not allow messages of this category")]
    Category,
}

/// The end of a window of so many hours opened now. The minute that began counts, and the message may
/// arrive up to five minutes after its ticket was minted: rounded to its business's favour, so that
/// nobody pays for an answer within the window's hours.
pub fn window_end(now: Minute, hours: u8) -> Minute {
    let counted_from = now.round_down(WINDOW_ROUNDING_MINUTES).plus(2 * WINDOW_ROUNDING_MINUTES);
    counted_from.plus(60 * u32::from(hours))
}

/// `HMAC(k_tag, "plico/1 address" || 0 || address)[..16]`.
pub fn address_tag(k_tag: &MacKey, address: &Address) -> AddressTag {
    AddressTag::new(first16(k_tag.mac(&[b"plico/1 address\0", address.as_bytes()])))
}

/// `SHA-256("plico/1 commitment" || 0 || account key || r32)`.
pub fn ticket_commitment(account: &AccountKey, opening: &TicketOpening) -> TicketCommitment {
    let parts: [&[u8]; 3] = [b"plico/1 commitment\0", account.as_bytes(), opening.as_bytes()];
    TicketCommitment::new(sha256(&parts))
}

impl Ticket {
    /// Writes and MACs a ticket.
    pub fn mint(fields: &TicketFields, key_id: TicketKeyId, key: &MacKey) -> Self {
        let mut out = Writer::default();
        out.u8(VERSION);
        out.u8(key_id.0);
        fields.write(&mut out);
        out.bytes(&ZERO);
        let body = out.into_vec();
        let mac = key.mac(&[MAC_LABEL, &body]);
        let mut bytes = [0; TICKET_BYTES];
        for (to, from) in bytes.iter_mut().zip(body.into_iter().chain(mac)) {
            *to = from;
        }
        Self(bytes)
    }

    /// Takes 128 bytes as they are; [`Ticket::check`] decides.
    pub fn from_bytes(bytes: [u8; TICKET_BYTES]) -> Self {
        Self(bytes)
    }

    /// The 128 bytes.
    pub fn as_bytes(&self) -> &[u8; TICKET_BYTES] {
        &self.0
    }

    /// Which key the ticket says it was MACed with.
    pub fn key_id(&self) -> TicketKeyId {
        let [_, key_id, ..] = self.0;
        TicketKeyId(key_id)
    }

    /// What the ticket states, unauthenticated: for the person and the business, who hold no key
    /// and learn from a refusal if it is not true.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] for what no relay writes.
    pub fn fields(&self) -> Result<TicketFields, DecodeError> {
        let mut reader = Reader::new(self.0.to_vec().into());
        if reader.u8()? != VERSION {
            return Err(DecodeError::BadValue { field: "ticket_version" });
        }
        let _key_id = reader.u8()?;
        let fields = TicketFields::read(&mut reader)?;
        if reader.array::<8>()? != ZERO {
            return Err(DecodeError::BadValue { field: "ticket_zero" });
        }
        Ok(fields)
    }

    /// Checks MAC, mailbox, business, time and category, in this order.
    ///
    /// # Errors
    ///
    /// [`BadTicket`].
    pub fn check(
        &self,
        key: &MacKey,
        k_tag: &MacKey,
        used: &TicketUse<'_>,
    ) -> Result<CheckedTicket, BadTicket> {
        let (body, mac) = self.0.split_at(TICKET_BYTES - 32);
        let mac: [u8; 32] = mac.try_into().map_err(|_| BadTicket::Forged)?;
        if !key.verify(&[MAC_LABEL, body], &mac) {
            return Err(BadTicket::Forged);
        }
        let fields = self.fields().map_err(|_| BadTicket::Forged)?;
        let tag = address_tag(k_tag, used.address);
        if !bool::from(tag.as_bytes().ct_eq(fields.tag.as_bytes())) {
            return Err(BadTicket::OtherMailbox);
        }
        if ticket_commitment(used.account, used.opening) != fields.commitment {
            return Err(BadTicket::OtherBusiness);
        }
        if fields.valid_until <= used.now {
            return Err(BadTicket::Expired);
        }
        if !fields.categories.contains(used.category) {
            return Err(BadTicket::Category);
        }
        Ok(CheckedTicket(fields))
    }
}

impl CheckedTicket {
    /// What the ticket states.
    pub fn fields(&self) -> &TicketFields {
        &self.0
    }

    /// Whether the window is open at `now`.
    pub fn in_window(&self, now: Minute) -> bool {
        self.0.free_until.is_some_and(|end| now < end)
    }
}

impl core::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self(_) = self;
        f.write_str("Ticket(…)")
    }
}

impl core::fmt::Debug for Epoch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self(_) = self;
        f.write_str("Epoch(…)")
    }
}

impl Wire for Ticket {
    fn write(&self, out: &mut Writer) {
        out.bytes(&self.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.array().map(Self)
    }
}

impl Wire for TicketFields {
    fn write(&self, out: &mut Writer) {
        self.categories.write(out);
        self.zone.write(out);
        out.u16(self.messages_max);
        self.opened_at.write(out);
        self.free_until.unwrap_or_default().write(out);
        self.valid_until.write(out);
        out.u32(self.epoch.0);
        self.tag.write(out);
        self.commitment.write(out);
        self.id.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            categories: Wire::read(reader)?,
            zone: Wire::read(reader)?,
            messages_max: reader.u16()?,
            opened_at: Wire::read(reader)?,
            free_until: Some(Minute::read(reader)?).filter(|end| end.0 != 0),
            valid_until: Wire::read(reader)?,
            epoch: Epoch(reader.u32()?),
            tag: Wire::read(reader)?,
            commitment: Wire::read(reader)?,
            id: Wire::read(reader)?,
        })
    }
}

const VERSION: u8 = 1;
const ZERO: [u8; 8] = [0; 8];
const MAC_LABEL: &[u8] = b"plico/1 ticket\0";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::{AccountSecret, MailboxSecret};
    use crate::time::Timestamp;

    const NOW: Minute = Minute(30_000_001);

    struct World {
        key: MacKey,
        k_tag: MacKey,
        address: Address,
        account: AccountKey,
        opening: TicketOpening,
    }

    impl World {
        fn new() -> Self {
            Self {
                key: MacKey::new([1; 32]),
                k_tag: MacKey::new([2; 32]),
                address: MailboxSecret::from_seed(&[3; 32]).public(),
                account: AccountSecret::from_seed(&[4; 32]).public(),
                opening: TicketOpening::new([5; 32]),
            }
        }

        fn ticket(&self) -> Ticket {
            let fields = TicketFields {
                categories: Categories::of(&[Category::Service, Category::Utility]).unwrap(),
                zone: Zone::UNKNOWN,
                messages_max: 50,
                opened_at: NOW.round_down(5),
                free_until: Some(window_end(NOW, 24)),
                valid_until: NOW.plus(60),
                epoch: Epoch(77),
                tag: address_tag(&self.k_tag, &self.address),
                commitment: ticket_commitment(&self.account, &self.opening),
                id: TicketId::new([6; 16]),
            };
            Ticket::mint(&fields, TicketKeyId(9), &self.key)
        }

        fn check(
            &self,
            ticket: &Ticket,
            change: impl FnOnce(&mut TicketUse<'_>),
        ) -> Result<CheckedTicket, BadTicket> {
            let mut used = TicketUse {
                address: &self.address,
                account: &self.account,
                opening: &self.opening,
                category: Category::Service,
                now: NOW,
            };
            change(&mut used);
            ticket.check(&self.key, &self.k_tag, &used)
        }
    }

    #[test]
    fn an_answer_within_a_windows_hours_of_a_messages_arrival_is_free() {
        const SECOND: u64 = 1_000;
        let begin = u64::from(NOW.0) * 60 * SECOND;
        for minted in (0..600).map(|second| Timestamp(begin + second * SECOND + 999)) {
            let end = window_end(minted.minute(), 24);
            let arrived = minted.0 + 5 * 60 * SECOND;
            let last_free = Timestamp(arrived + 24 * 3_600 * SECOND - 1);
            assert!(last_free.minute() < end, "{minted:?}");
            assert!(end <= minted.minute().plus(24 * 60 + 10), "{minted:?}");
        }
    }

    #[test]
    fn an_honest_ticket_checks_and_gives_its_window() {
        let world = World::new();
        let checked = world.check(&world.ticket(), |_| ()).unwrap();
        let end = checked.fields().free_until.unwrap();
        assert_eq!(end, Minute(30_000_010 + 24 * 60));
        assert!(checked.in_window(Minute(end.0 - 1)));
        assert!(!checked.in_window(end));
    }

    #[test]
    fn any_flipped_byte_is_a_forgery() {
        let world = World::new();
        for at in 0..TICKET_BYTES {
            let mut bytes = *world.ticket().as_bytes();
            bytes[at] ^= 1;
            let refused = world.check(&Ticket::from_bytes(bytes), |_| ());
            assert_eq!(refused, Err(BadTicket::Forged), "byte {at}");
        }
    }

    #[test]
    fn each_part_of_a_use_is_compared() {
        let world = World::new();
        let ticket = world.ticket();
        let other = MailboxSecret::from_seed(&[8; 32]).public();
        let thief = AccountSecret::from_seed(&[8; 32]).public();
        let guess = TicketOpening::new([0; 32]);
        let check = |change: &dyn Fn(&mut TicketUse<'_>)| world.check(&ticket, |u| change(u)).err();
        let address: &Address = &other;
        assert_eq!(
            ticket.check(
                &world.key,
                &world.k_tag,
                &TicketUse {
                    address,
                    account: &world.account,
                    opening: &world.opening,
                    category: Category::Service,
                    now: NOW,
                }
            ),
            Err(BadTicket::OtherMailbox)
        );
        for (account, opening) in [(&thief, &world.opening), (&world.account, &guess)] {
            let used = TicketUse {
                address: &world.address,
                account,
                opening,
                category: Category::Service,
                now: NOW,
            };
            assert_eq!(
                ticket.check(&world.key, &world.k_tag, &used),
                Err(BadTicket::OtherBusiness)
            );
        }
        assert_eq!(check(&|u| u.category = Category::Marketing), Some(BadTicket::Category));
        assert_eq!(check(&|u| u.now = NOW.plus(59)), None);
        assert_eq!(check(&|u| u.now = NOW.plus(60)), Some(BadTicket::Expired));
    }
}
