//! `price`: what a message to a customer would cost now, and until when it is free; asks nobody.

use clap::Args;
use jiff::tz::TimeZone;
use plico_client::{
    Business, Charge, CustomerId, FreeReason, Millionths, NoPrice, Price, PriceError,
};
use serde::{Deserialize, Serialize};

use super::desk::{Answer, Request, no_relay, not_connected};
use super::kind::Kind;
use super::socket::other_release;
use super::told::{minute_time, time};
use super::{ask, dates};
use crate::Options;
use crate::failure::{Failure, Status, sentence};
use crate::place::Place;
use crate::{remark, say};

#[derive(Debug, Args)]
pub(crate) struct Preview {
    /// The customer's number, as `customers` lists it.
    customer: u64,
    /// What the message would be declared to be.
    #[arg(long, value_enum, default_value_t)]
    category: Kind,
    /// Prints a JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// A price, as words and JSON have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shown {
    pub(super) category: Kind,
    /// In units of the currency; "0.00" if it is free.
    pub(super) amount: String,
    /// None if it is free.
    pub(super) currency: Option<String>,
    /// The country group's country; none if it is free.
    pub(super) zone: Option<String>,
    /// RFC 3339; none if it is not free.
    pub(super) free_until: Option<String>,
    /// `window` or `rate card`, what it is free by.
    pub(super) free_by: Option<String>,
    /// RFC 3339; when the relay last said how the business stands, which the price goes by.
    pub(super) standing_at: Option<String>,
}

impl Preview {
    pub(super) async fn run(self, options: &Options) -> Result<(), Failure> {
        let request = Request::Price { customer: self.customer, category: self.category };
        let Answer::Price(shown) = ask(&self.place, request, options).await? else {
            return Err(other_release());
        };
        match self.json {
            true => say(&serde_json::to_string(&shown).map_err(|_| other_release())?),
            false => {
                say(shown.words(&TimeZone::system()));
                if shown.standing_at.is_none() {
                    remark("how this business stands is not known here: the relay was never asked");
                }
            }
        }
        Ok(())
    }
}

impl Shown {
    pub(super) fn of(price: &Price, category: Kind, standing_at: Option<String>) -> Self {
        match price {
            Price::Free { reason, until } => Self {
                category,
                amount: Millionths::ZERO.to_string(),
                currency: None,
                zone: None,
                free_until: minute_time(until.0),
                free_by: Some(match reason {
                    FreeReason::Window => "window".to_owned(),
                    FreeReason::RateCard => "rate card".to_owned(),
                }),
                standing_at,
            },
            Price::Charge(charge) => Self {
                category,
                amount: charge.amount.to_string(),
                currency: Some(charge.currency.to_string()),
                zone: Some(charge.zone.to_string()),
                free_until: None,
                free_by: None,
                standing_at,
            },
        }
    }

    /// In a few words: `free until 2026-11-22 10:00`, `0.07 EUR`.
    pub(super) fn brief(&self, zone: &TimeZone) -> String {
        match (&self.free_until, &self.currency) {
            (Some(until), _) => format!("free until {}", dates::local(until, zone)),
            (None, Some(currency)) => format!("{} {currency}", self.amount),
            (None, None) => "free".to_owned(),
        }
    }

    fn words(&self, local: &TimeZone) -> String {
        let (name, brief) = (self.category.name(), self.brief(local));
        match (&self.free_by, &self.zone) {
            (Some(by), _) => format!("{name}  {brief}, by the {by}"),
            (None, Some(zone)) => {
                format!("{name}  {brief}, zone {zone}: send it with --max-price {}", self.amount)
            }
            (None, None) => format!("{name}  {brief}"),
        }
    }
}

/// When the relay last said how the business stands.
pub(super) async fn standing_at(business: &Business) -> Result<Option<String>, Failure> {
    let known = business.known_standing().await?;
    Ok(known.and_then(|known| time(known.at.0)))
}

/// The price now. Where no card is kept, the relay's is fetched first.
pub(super) async fn carry_out(
    business: &Business,
    customer: u64,
    category: Kind,
) -> Result<Shown, Failure> {
    let customer = CustomerId(customer);
    let mut price = business.price(customer, category.into()).await;
    if price == Err(PriceError::NoCard) {
        business.link(None).await.map_err(|_| no_relay())?;
        business.rate_card().await.map_err(not_connected)?;
        price = business.price(customer, category.into()).await;
    }
    let standing_at = standing_at(business).await?;
    price.map(|price| Shown::of(&price, category, standing_at)).map_err(|error| match error {
        PriceError::Stopped(error) => error.into(),
        PriceError::UnknownCustomer => Failure::new(
            Status::Usage,
            "There is no such price.",
            "There is no customer of this number.",
            "Take a number from `plico business customers`.",
        ),
        error => Failure::new(
            Status::Refused,
            format!("The relay would take no {} message to this customer now.", category.name()),
            sentence(&error.to_string()),
            match error {
                PriceError::NotTaken(NoPrice::NotPriced | NoPrice::CardNotValid)
                | PriceError::NoCard => "Ask the relay's operator for a price.",
                PriceError::NotTaken(NoPrice::Suspended) => {
                    "Ask the relay's operator; `plico business standing` shows what it is judged by."
                }
                PriceError::Unpaid => {
                    "Pay the relay's operator; `plico business standing` shows since when it is unpaid."
                }
                _ => "The customer must write again; `plico business customers` shows who allows what.",
            },
        ),
    })
}

/// Why an answer would be refused, in as few words as a table has room for.
pub(super) fn refused_in_brief(error: &PriceError) -> Option<&'static str> {
    Some(match error {
        PriceError::NotTaken(NoPrice::Suspended) => "suspended",
        PriceError::Unpaid => "unpaid",
        PriceError::UsedUp => "all used up",
        PriceError::Unanswered => "not before they write",
        PriceError::NoTicket => "no ticket",
        PriceError::NotTaken(NoPrice::TicketExpired) => "expired",
        PriceError::NotTaken(NoPrice::CategoryNotAllowed) => "not allowed",
        PriceError::NotTaken(_) => "no price",
        PriceError::NoCard | PriceError::UnknownCustomer | PriceError::Stopped(_) => return None,
    })
}

/// What a message cost too much by, and how to send it all the same; none where that is not known.
/// `allowed` is what it was allowed to cost, if that was said with it.
pub(super) async fn refusal(
    business: &Business,
    customer: CustomerId,
    category: Kind,
    allowed: Option<Millionths>,
) -> Option<String> {
    let price = business.price(customer, category.into()).await;
    let Ok(Price::Charge(charge)) = price else { return None };
    Some(over(&charge, customer, allowed))
}

/// The price told may be the one that was allowed: then the card kept here is not the relay's any more.
fn over(charge: &Charge, customer: CustomerId, allowed: Option<Millionths>) -> String {
    let (amount, currency) = (charge.amount, charge.currency);
    match allowed {
        Some(allowed) if amount <= allowed => format!(
            "the relay did not take it for the {allowed} allowed, though the rate card kept here says \
             {amount} {currency}: the price may have changed; look again: plico business price {}",
            customer.0
        ),
        _ => format!(
            "it costs {amount} {currency} now, more than was allowed; pass --max-price {amount} to send \
             it, or wait until the customer writes"
        ),
    }
}

#[cfg(test)]
mod tests {
    use plico_client::{Category, Currency};
    use plico_protocol::ticket::Zone;
    use plico_protocol::time::Minute;

    use super::*;

    fn charge() -> Charge {
        Charge {
            amount: Millionths(70_000),
            currency: Currency::new(*b"EUR").unwrap(),
            zone: Zone::new(*b"FR").unwrap(),
            category: Category::Utility,
        }
    }

    #[test]
    fn a_limit_that_the_card_kept_here_fits_is_not_proposed_again() {
        let said = |allowed| over(&charge(), CustomerId(3), allowed);
        for allowed in [None, Some(Millionths(69_999))] {
            assert!(said(allowed).contains("pass --max-price 0.07 to"), "{}", said(allowed));
        }
        for allowed in [70_000, 80_000] {
            let said = said(Some(Millionths(allowed)));
            assert!(!said.contains("--max-price"), "{said}");
            assert!(said.ends_with("look again: plico business price 3"), "{said}");
        }
    }

    #[test]
    fn a_price_says_what_to_pass_or_until_when_it_is_free() {
        let free = Price::Free { reason: FreeReason::Window, until: Minute(29_900_000) };
        let shown = Shown::of(&free, Kind::Service, None).words(&TimeZone::UTC);
        assert_eq!(shown, "service  free until 2026-11-06 21:20, by the window");
        let shown = Shown::of(&Price::Charge(charge()), Kind::Utility, None).words(&TimeZone::UTC);
        assert_eq!(shown, "utility  0.07 EUR, zone FR: send it with --max-price 0.07");
    }
}
