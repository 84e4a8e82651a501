//! What a person allows: categories, how many messages, until when. SPEC.md §9.

use crate::id::TicketCommitment;
use crate::limits::TICKET_MINUTES_MAX;
use crate::time::Minute;
use crate::wire::{DecodeError, Reader, Wire, Writer};

wire_byte!(
    /// What a business declares a message to be.
    Category, "category" {
        /// An answer or help the person asked for.
        Service = 1,
        /// A boarding pass, a delivery, an appointment.
        Utility = 2,
        /// A one-time code.
        Authentication = 3,
        /// Anything that advertises.
        Marketing = 4,
    }
);

/// A non-empty set of categories; bit `n - 1` stands for the category with byte `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Categories(u16);

/// A pricing zone: an ISO 3166-1 alpha-2 code in capitals, or `ZZ` for unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone([u8; 2]);

/// The terms a person states when asking for a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What may be sent.
    pub categories: Categories,
    /// How many messages, from the last mint on.
    pub messages_max: u16,
    /// The first minute in which the ticket is void.
    pub valid_until: Minute,
    /// Who may use it, hidden.
    pub commitment: TicketCommitment,
}

/// Why terms are not minted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTerms {
    /// A ticket for no message.
    #[error("a ticket allows at least one message")]
    NoMessages,
    /// Over before it begins.
    #[error("the ticket would be void already")]
    Past,
    /// Longer than 400 days.
    #[error("a ticket is valid for at most 400 days")]
    TooLong,
}

impl Category {
    /// Its name, as rate cards, statements and scripts have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Utility => "utility",
            Self::Authentication => "authentication",
            Self::Marketing => "marketing",
        }
    }
}

impl Categories {
    /// Every category.
    pub const ALL: Self = Self(0b1111);

    /// The set of the given categories; none for an empty one.
    pub fn of(categories: &[Category]) -> Option<Self> {
        let bits = categories.iter().fold(0, |bits, category| bits | Self::bit(*category));
        Self::from_bits(bits)
    }

    /// Whether the set has this category.
    pub fn contains(self, category: Category) -> bool {
        self.0 & Self::bit(category) != 0
    }

    /// The categories in the set.
    pub fn iter(self) -> impl Iterator<Item = Category> {
        Category::ALL.iter().copied().filter(move |category| self.contains(*category))
    }

    fn bit(category: Category) -> u16 {
        1 << (category.byte() - 1)
    }

    fn from_bits(bits: u16) -> Option<Self> {
        (bits != 0 && bits & !Self::ALL.0 == 0).then_some(Self(bits))
    }
}

impl Zone {
    /// Not known: priced as the dearest.
    pub const UNKNOWN: Self = Self(*b"ZZ");

    /// The two letters.
    pub const fn as_bytes(&self) -> &[u8; 2] {
        &self.0
    }

    /// Takes two capital letters.
    pub fn new(code: [u8; 2]) -> Option<Self> {
        code.iter().all(u8::is_ascii_uppercase).then_some(Self(code))
    }
}

impl core::fmt::Display for Zone {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self([first, second]) = self;
        write!(f, "{}{}", char::from(*first), char::from(*second))
    }
}

impl Terms {
    /// Checks what can be checked without the mailbox.
    ///
    /// # Errors
    ///
    /// [`BadTerms`].
    pub fn check(&self, now: Minute) -> Result<(), BadTerms> {
        if self.messages_max == 0 {
            return Err(BadTerms::NoMessages);
        }
        if self.valid_until <= now {
            return Err(BadTerms::Past);
        }
        if now.plus(TICKET_MINUTES_MAX) < self.valid_until {
            return Err(BadTerms::TooLong);
        }
        Ok(())
    }
}

impl Wire for Categories {
    fn write(&self, out: &mut Writer) {
        out.u16(self.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Self::from_bits(reader.u16()?).ok_or(DecodeError::BadValue { field: "categories" })
    }
}

impl Wire for Zone {
    fn write(&self, out: &mut Writer) {
        out.bytes(&self.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Self::new(reader.array()?).ok_or(DecodeError::BadValue { field: "zone" })
    }
}

impl Wire for Terms {
    fn write(&self, out: &mut Writer) {
        let Self { categories, messages_max, valid_until, commitment } = self;
        categories.write(out);
        out.u16(*messages_max);
        valid_until.write(out);
        commitment.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            categories: Wire::read(reader)?,
            messages_max: reader.u16()?,
            valid_until: Wire::read(reader)?,
            commitment: Wire::read(reader)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Minute = Minute(30_000_001);

    #[test]
    fn terms_are_checked_at_their_edges() {
        let terms = |messages_max, valid_until| Terms {
            categories: Categories::ALL,
            messages_max,
            valid_until,
            commitment: TicketCommitment::new([0; 32]),
        };
        let end = NOW.plus(TICKET_MINUTES_MAX);
        assert_eq!(terms(1, end).check(NOW), Ok(()));
        assert_eq!(terms(1, end.plus(1)).check(NOW), Err(BadTerms::TooLong));
        assert_eq!(terms(1, NOW).check(NOW), Err(BadTerms::Past));
        assert_eq!(terms(0, end).check(NOW), Err(BadTerms::NoMessages));
    }
}
