//! What a message would cost now, told before it is sent and without asking anybody. SPEC.md §15.2.

use plico_protocol::certificate::CertificateBody;
use plico_protocol::frame::{Consent, RelayFrame};
use plico_protocol::ledger::{Amount, Entry, Rate};
use plico_protocol::limits::UNANSWERED_MAX;
use plico_protocol::pricing::{Charge, Millionths, NoPrice, PaidOrFree, Price, Standing, price};
use plico_protocol::refusal::Code;
use plico_protocol::ticket::Category;

use super::command::{AccountCommand, Command};
use super::core::BusinessCore;
use super::record::CustomerRecord;
use super::{Business, CustomerId};
use crate::agent::Stopped;
use crate::state::StateError;

/// Why there is no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// There is no such customer.
    #[error("there is no customer of this number; take it from an event or the list")]
    UnknownCustomer,
    /// The relay ended the tickets the customer gave.
    #[error("the customer's tickets were ended; wait for the device to give another")]
    NoTicket,
    /// None is kept here, or none that holds.
    #[error("no rate card of the relay is kept here that holds now; connect, and it is fetched")]
    NoCard,
    /// The relay takes no such message at any price.
    #[error(transparent)]
    NotTaken(#[from] NoPrice),
    /// The account owes its subscription and sends nothing until it is paid.
    #[error("the account's subscription is unpaid, and its days of grace are over")]
    Unpaid,
    /// The relay took as many messages as the customer allowed.
    #[error("as many messages were sent as the customer allowed")]
    UsedUp,
    /// The window is over, and the relay took as many messages since as it does.
    #[error(
        "{UNANSWERED_MAX} messages were sent since the window was over, and no more are taken until the customer writes"
    )]
    Unanswered,
    /// The agent has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Business {
    /// What a message to a customer would cost now, and until when it is free, or why the relay would
    /// refuse it: computed as the relay does it, from the ticket that would be used and how often it was,
    /// the rate card kept here, how the account stood when the relay last said so
    /// ([`Business::known_standing`]), and the clock. It asks nobody and changes nothing. Whether balance
    /// and credit cover it, and whether the person took the ticket back, the relay alone knows.
    ///
    /// # Errors
    ///
    /// [`PriceError`]; after [`PriceError::NoCard`], [`Business::rate_card`] fetches it.
    pub async fn price(
        &self,
        customer: CustomerId,
        category: Category,
    ) -> Result<Price, PriceError> {
        let command =
            |answer| Command::Account(AccountCommand::Price { customer, category, answer });
        self.agent.ask(command).await?
    }
}

impl BusinessCore {
    pub(super) fn price(
        &mut self,
        customer: CustomerId,
        category: Category,
    ) -> Result<Result<Price, PriceError>, StateError> {
        let found = self.state.read(|rows| CustomerRecord::get(rows, customer.0))?;
        let Some(customer) = found else { return Ok(Err(PriceError::UnknownCustomer)) };
        let now = self.now();
        let consent = customer.consent(category, now.minute());
        let Some((ticket, opening)) = consent else { return Ok(Err(PriceError::NoTicket)) };
        let price_max = Millionths(u64::MAX);
        let priced = self.expected(&Consent { ticket, opening, category, price_max });
        let priced = priced.unwrap_or(Err(PriceError::NoCard));
        // In the relay's order (§9): the ticket, the account, the mailbox, the price.
        let of_ticket = matches!(
            priced,
            Err(PriceError::NoTicket
                | PriceError::NoCard
                | PriceError::NotTaken(NoPrice::TicketExpired | NoPrice::CategoryNotAllowed))
        );
        let refused = || {
            let fields = ticket.fields().ok()?;
            let of_account = self.standing.refusal(now.day());
            of_account.or_else(|| customer.uses.refusal(&fields, now.minute()))
        };
        let refused = if of_ticket { None } else { refused() };
        Ok(refused.map_or(priced.map(|yes| *yes.price()), Err))
    }

    /// What the relay should answer to this consent now, as far as the business can know; none
    /// without a card that holds.
    fn expected(&self, consent: &Consent) -> Option<Result<PaidOrFree, PriceError>> {
        let card = self.card_now()?;
        let certified = self.identity.certificate.as_ref().and_then(|c| c.claims().ok());
        let Consent { ticket, opening: _, category, price_max } = consent;
        let allows = |body: &CertificateBody| body.categories.contains(*category);
        if certified.is_some_and(|body| !allows(&body)) {
            return Some(Err(NoPrice::CategoryNotAllowed.into()));
        }
        let Ok(ticket) = ticket.fields() else { return Some(Err(PriceError::NoTicket)) };
        let standing = Standing { suspended: false, available: Millionths(u64::MAX) };
        let now = self.now().minute();
        let answer = price(&ticket, *category, card, &standing, *price_max, now);
        Some(answer.map_err(PriceError::NotTaken))
    }

    /// Compares what a message was charged, or why it was not taken, with the card kept here, and has
    /// the card fetched where the two differ.
    pub(super) fn compare_price(&mut self, consent: &Consent, frame: &RelayFrame) {
        let Some(expected) = self.expected(consent) else { return self.card.doubt() };
        let expected = expected.map(|yes| *yes.price());
        let agrees = match frame {
            RelayFrame::Accepted(acceptance) => {
                let charged = acceptance.receipt.as_ref().map(|receipt| &receipt.entry);
                match expected {
                    Ok(Price::Free { .. }) => charged.is_none(),
                    Ok(Price::Charge(charge)) => charged.is_some_and(|entry| is(entry, &charge)),
                    Err(_) => false,
                }
            }
            RelayFrame::Refused(refusal) => match refusal.code {
                Code::OverPriceLimit => {
                    matches!(expected, Err(PriceError::NotTaken(NoPrice::OverLimit(_))))
                }
                Code::NotPriced => matches!(
                    expected,
                    Err(PriceError::NotTaken(NoPrice::NotPriced | NoPrice::CardNotValid))
                ),
                _ => true,
            },
            _ => true,
        };
        if !agrees {
            self.card.doubt();
        }
    }
}

/// Whether an entry says the whole of a charge: how much, in what currency, for what and where to.
fn is(entry: &Entry, charge: &Charge) -> bool {
    let Charge { amount: millionths, currency, zone, category } = *charge;
    let rate = entry.message.map(|message| message.rate);
    entry.amount == Amount { millionths, currency } && rate == Some(Rate { category, zone })
}
