//! What a message from a business costs, computed alike by relay and business. SPEC.md §15.
//!
//! Pure: the business sees before it sends, offline, what the relay will say, from the ticket, the
//! signed rate card and its own standing. Nobody's name enters it.

mod card;
mod money;
mod signed;
#[cfg(test)]
mod tests;

pub use card::{
    CardFields, Prices, RateCard, Subscription, TIER_UNLIMITED, Tariff, is_tariff_name,
};
pub use money::{BadAmount, Currency, Millionths};
pub use signed::{BadRateCard, SignedRateCard, VerifiedRateCard};

use crate::refusal::{Code, Refusal};
use crate::ticket::{Category, TicketFields, Zone};
use crate::time::Minute;

/// What of an account enters a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether the account may send nothing at all.
    pub suspended: bool,
    /// Credit or prepaid balance less what is reserved.
    pub available: Millionths,
}

/// What a message costs. An answer that holds for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Price {
    /// Nothing.
    Free {
        /// Why.
        reason: FreeReason,
        /// The first minute in which it may be otherwise: the end of window, ticket or rate card.
        until: Minute,
    },
    /// This much.
    Charge(Charge),
}

/// Why a message costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeReason {
    /// The ticket's window is open, and the category is free in it.
    Window,
    /// The rate card's price is zero.
    RateCard,
}

/// What an account pays for one message, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// How much; never zero.
    pub amount: Millionths,
    /// In what.
    pub currency: Currency,
    /// The ticket's zone.
    pub zone: Zone,
    /// What the message was declared to be.
    pub category: Category,
}

/// The right to have one message accepted at its price. Made only by [`price`], used once.
#[derive(Debug, PartialEq, Eq)]
pub struct PaidOrFree(Price);

/// Why a message is not taken at any price, or not at the one there is. In the order of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPrice {
    /// The account may send nothing.
    #[error("the account is suspended")]
    Suspended,
    /// The ticket is void.
    #[error("the ticket has expired")]
    TicketExpired,
    /// The person did not allow this category.
    #[error("the ticket does not allow this category")]
    CategoryNotAllowed,
    /// Not this card's time.
    #[error("no rate card holds now")]
    CardNotValid,
    /// The card names no price.
    #[error("the rate card has no price for this category and zone")]
    NotPriced,
    /// Dearer than the business wants.
    #[error("it costs {} {}", .0.amount, .0.currency)]
    OverLimit(Charge),
    /// Dearer than the account can pay.
    #[error("it costs {} {}", .0.amount, .0.currency)]
    NoCredit(Charge),
}

/// The price of one message: `ticket` as the relay minted it, under `card`, for an account in
/// `standing`, if it costs at most `limit` (zero: only if free).
///
/// # Errors
///
/// [`NoPrice`], the first that applies.
pub fn price(
    ticket: &TicketFields,
    category: Category,
    card: &RateCard,
    standing: &Standing,
    limit: Millionths,
    now: Minute,
) -> Result<PaidOrFree, NoPrice> {
    let refuse = |refused, why| if refused { Err(why) } else { Ok(()) };
    refuse(standing.suspended, NoPrice::Suspended)?;
    refuse(ticket.valid_until <= now, NoPrice::TicketExpired)?;
    refuse(!ticket.categories.contains(category), NoPrice::CategoryNotAllowed)?;
    refuse(!card.holds_at(now), NoPrice::CardNotValid)?;
    let end = ticket.valid_until.min(card.fields().valid_until);
    if let Some(window_end) = ticket.free_until
        && now < window_end
        && card.is_free_in_window(category)
    {
        let until = window_end.min(end);
        return Ok(PaidOrFree(Price::Free { reason: FreeReason::Window, until }));
    }
    let amount = card.rate(ticket.zone, category).ok_or(NoPrice::NotPriced)?;
    if amount == Millionths::ZERO {
        return Ok(PaidOrFree(Price::Free { reason: FreeReason::RateCard, until: end }));
    }
    let charge = Charge { amount, currency: card.fields().currency, zone: ticket.zone, category };
    refuse(limit < amount, NoPrice::OverLimit(charge))?;
    refuse(standing.available < amount, NoPrice::NoCredit(charge))?;
    Ok(PaidOrFree(Price::Charge(charge)))
}

impl PaidOrFree {
    /// What it is.
    pub fn price(&self) -> &Price {
        &self.0
    }
}

impl NoPrice {
    /// The refusal's code on the wire.
    pub fn code(&self) -> Code {
        match self {
            Self::Suspended => Code::Suspended,
            Self::TicketExpired => Code::TicketExpired,
            Self::CategoryNotAllowed => Code::CategoryNotAllowed,
            Self::CardNotValid | Self::NotPriced => Code::NotPriced,
            Self::OverLimit(_) => Code::OverPriceLimit,
            Self::NoCredit(_) => Code::NoCredit,
        }
    }
}

impl From<NoPrice> for Refusal {
    fn from(why: NoPrice) -> Self {
        Self::because(why.code(), why)
    }
}
