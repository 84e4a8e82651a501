//! What can be asked of a business, whether this process has its state open or a running `serve`
//! has: one list of requests, carried out in one place.

use std::path::PathBuf;
use std::time::Duration;

use plico_client::ledger::{Hour, Period};
use plico_client::{
    Business, BusinessConnectError, BusinessSendError, Category, CertificateBody, Code, ContentId,
    Customer, CustomerId, InstallError, LinkError, Message, MessageState, Millionths,
};
use plico_protocol::mac::sha256;
use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::link::relay_link;
use super::price;
use super::profile;
use super::standing;
use super::statement;
use super::told::{FORGOTTEN, hex, minute_time, state_name};
use crate::failure::{Failure, Status};
use crate::wording;

/// A request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// The certificate request's text.
    Apply,
    /// Installs a certificate file's text.
    Install { certificate: String },
    /// Connects to the relay of this link, now and from now on.
    Connect { relay: String },
    /// The certificate that is installed.
    Certificate,
    /// The link to share.
    Link { reference: Option<String> },
    /// Every customer.
    Customers,
    /// What a message to a customer would cost now.
    Price { customer: u64, category: Kind },
    /// How the business stands with its relay.
    Standing,
    /// What the relay charges from an hour on to before another, kept in this file.
    Statement { from: u32, to: u32, out: Option<PathBuf> },
    /// Checks the statement in this file.
    Verify { file: PathBuf },
    /// What the business says of itself, after this change.
    Profile { change: Option<profile::Change> },
    /// Sends a message, and waits so long for the relay to take it.
    Send {
        customer: u64,
        text: String,
        choices: Vec<(String, String)>,
        category: Kind,
        /// In millionths; none for what `serve` allows.
        price_max: Option<u64>,
        wait_ms: u64,
        /// Names the message: sent again under it to the same customer, it goes out once.
        key: String,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    Text(String),
    Certificate(Option<Claims>),
    Customers(Vec<CustomerRow>),
    Price(price::Shown),
    Profile(profile::Shown),
    Standing(standing::Shown),
    Statement(statement::Shown),
    Sent(Sent),
}

/// What a certificate claims, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) handle: String,
    pub(super) name: String,
    pub(super) domain: String,
    pub(super) categories: Vec<Kind>,
    pub(super) serial: u64,
    /// Seconds since the Unix epoch.
    pub(super) valid_from: i64,
    pub(super) valid_to: i64,
}

/// A customer, as tables and JSON have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CustomerRow {
    pub(super) customer: u64,
    pub(super) name: Option<String>,
    /// RFC 3339; until when answers are free, past or to come. None where they are not, whatever the
    /// window: service is not allowed, or refused, or has a price in it.
    pub(super) free_until: Option<String>,
    /// What an answer costs now; none where it is not taken, or no rate card is kept.
    pub(super) answer: Option<price::Shown>,
    /// Why it is not taken, in a few words.
    pub(super) refused: Option<String>,
    pub(super) standing: Option<Standing>,
}

/// A standing consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    pub(super) categories: Vec<Kind>,
    pub(super) messages_max: u16,
    /// RFC 3339.
    pub(super) until: Option<String>,
}

/// A message that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sent {
    pub(super) id: String,
    pub(super) customer: u64,
    /// `queued`, `accepted`, `refused`…
    pub(super) state: String,
    pub(super) explanation: Option<String>,
    /// The code's name, of what was refused.
    pub(super) reason: Option<String>,
    /// RFC 3339; until then service is free.
    pub(super) free_until: Option<String>,
}

/// Does what is asked.
pub(super) async fn carry_out(business: &Business, request: Request) -> Result<Answer, Failure> {
    match request {
        Request::Apply => {
            let request = business.request().await?;
            Ok(Answer::Text(request.to_text()))
        }
        Request::Install { certificate } => install(business, &certificate).await,
        Request::Connect { relay } => {
            business.connect(&relay_link(&relay)?).await.map_err(not_connected)?;
            let link = business.link(None).await.map_err(|_| no_relay())?;
            Ok(Answer::Text(link.to_string()))
        }
        Request::Certificate => {
            let claims = business.certificate().await?;
            Ok(Answer::Certificate(claims.as_ref().map(Claims::of)))
        }
        Request::Link { reference } => {
            let link = business.link(reference.as_deref()).await;
            let link = link.map_err(|error| match error {
                LinkError::NoRelay => no_relay(),
                LinkError::Stopped(error) => error.into(),
                error => Failure::of_sdk(Status::Usage, "There is no such link.", &error),
            })?;
            Ok(Answer::Text(link.to_string()))
        }
        Request::Profile { change } => {
            profile::carry_out(business, change).await.map(Answer::Profile)
        }
        Request::Standing => {
            business.link(None).await.map_err(|_| no_relay())?;
            let standing = business.standing().await.map_err(not_connected)?;
            Ok(Answer::Standing(standing::Shown::of(&standing)))
        }
        Request::Statement { from, to, out } => {
            let period = Period { from: Hour(from), to: Hour(to) };
            statement::carry_out(business, period, out.as_deref()).await.map(Answer::Statement)
        }
        Request::Verify { file } => statement::check(business, &file).await.map(Answer::Statement),
        Request::Customers => customers(business).await.map(Answer::Customers),
        Request::Price { customer, category } => {
            price::carry_out(business, customer, category).await.map(Answer::Price)
        }
        Request::Send { customer, text, choices, category, price_max, wait_ms, key } => {
            let choices = choices.iter().map(|(id, label)| (id.as_str(), label.as_str()));
            let message = match choices.len() {
                0 => Message::text(text),
                _ => Message::choices(text, choices),
            };
            let message = message.under(named(customer, &key));
            let message = match price_max {
                Some(price_max) => message.at_most(Millionths(price_max)),
                None => message,
            };
            let wait = Duration::from_millis(wait_ms.min(WAIT_MS_MAX));
            let customer = CustomerId(customer);
            let allowed = price_max.map(Millionths);
            send(business, customer, message, category, allowed, wait).await.map(Answer::Sent)
        }
    }
}

/// The id of the message that a script calls by this key.
fn named(customer: u64, key: &str) -> ContentId {
    let hash = sha256(&[b"plico/1 send\0", &customer.to_be_bytes(), key.as_bytes()]);
    let mut id = [0; 16];
    id.copy_from_slice(hash.split_at(16).0);
    ContentId::new(id)
}

async fn install(business: &Business, certificate: &str) -> Result<Answer, Failure> {
    let installed = business.install_certificate(certificate).await;
    let claims = installed.map_err(|error| match error {
        InstallError::Stopped(error) => error.into(),
        error => {
            let status = match error {
                InstallError::OtherKeys { .. } => Status::NotTrusted,
                _ => Status::Usage,
            };
            Failure::of_sdk(status, "The certificate was not installed.", &error)
        }
    })?;
    Ok(Answer::Certificate(Some(Claims::of(&claims))))
}

async fn customers(business: &Business) -> Result<Vec<CustomerRow>, Failure> {
    let mut rows = Vec::new();
    let standing_at = price::standing_at(business).await?;
    for customer in business.customers().await? {
        rows.push(row(business, &customer, standing_at.clone()).await);
    }
    Ok(rows)
}

/// A customer, with what an answer costs now or why it is refused.
async fn row(business: &Business, customer: &Customer, standing_at: Option<String>) -> CustomerRow {
    let row = CustomerRow::of(customer);
    match business.price(customer.id, Category::Service).await {
        Ok(price) => row.priced(price::Shown::of(&price, Kind::Service, standing_at)),
        Err(why) => row.refused(price::refused_in_brief(&why)),
    }
}

async fn send(
    business: &Business,
    customer: CustomerId,
    message: Message,
    category: Kind,
    allowed: Option<Millionths>,
    wait: Duration,
) -> Result<Sent, Failure> {
    let sent = business.send(customer, message, category.into()).await;
    let id = sent.map_err(send_failure)?;
    let left = tokio::time::timeout(wait, business.left(id)).await;
    let state = match left {
        Ok(state) => state?.unwrap_or(MessageState::Queued),
        Err(_) => MessageState::Queued,
    };
    let explanation = match state {
        MessageState::Refused(Code::OverPriceLimit) => {
            let costs = price::refusal(business, customer, category, allowed).await;
            Some(costs.unwrap_or_else(|| Code::OverPriceLimit.text().to_owned()))
        }
        MessageState::Refused(code) => Some(code.text().to_owned()),
        MessageState::Queued => business.delay(id).await?.as_ref().map(wording::delay),
        MessageState::Forgotten => Some(FORGOTTEN.to_owned()),
        _ => None,
    };
    let reason = match state {
        MessageState::Refused(code) => Some(code.name().to_owned()),
        _ => None,
    };
    let free_until = match business.customer(customer).await? {
        Some(customer) => row(business, &customer, None).await.free_until,
        None => None,
    };
    let (id, state) = (hex(id.as_bytes()), state_name(state).to_owned());
    Ok(Sent { id, customer: customer.0, state, explanation, reason, free_until })
}

/// Why a message was not taken, with its exit status.
fn send_failure(error: BusinessSendError) -> Failure {
    let what = "The message was not taken.";
    match error {
        BusinessSendError::Stopped(error) => error.into(),
        BusinessSendError::UnknownCustomer => Failure::new(
            Status::Usage,
            what,
            "There is no customer of this number.",
            "Take a number from `plico business customers`.",
        ),
        BusinessSendError::Content(error) => Failure::of_sdk(Status::Usage, what, &error),
    }
}

/// Why the business cannot be reached, though the relay is known now.
pub(super) fn not_connected(error: BusinessConnectError) -> Failure {
    let failure = match error {
        BusinessConnectError::Stopped(error) => return error.into(),
        BusinessConnectError::Forgotten => {
            return Failure::of_sdk(Status::Failed, "There is no such statement.", &error);
        }
        BusinessConnectError::Connect(error) => error.into(),
        BusinessConnectError::Trouble(trouble) => {
            Failure::of_sdk(Status::NotTrusted, "The business cannot be reached.", &trouble)
        }
    };
    failure.with_next("The relay's link is kept: `plico business serve` goes on trying.")
}

/// A business that was never told where it is.
pub(super) fn no_relay() -> Failure {
    Failure::new(
        Status::Usage,
        "It is not known at which relay this business is.",
        "Nobody named one yet.",
        "Pass the link that `plico-relay serve` prints, once: plico business serve --relay LINK",
    )
}

impl Claims {
    fn of(body: &CertificateBody) -> Self {
        Self {
            handle: body.handle.to_string(),
            name: body.display_name.clone(),
            domain: body.domain.clone(),
            categories: kinds(body.categories),
            serial: body.serial.0,
            valid_from: i64::from(body.valid_from.0) * 3_600,
            valid_to: i64::from(body.valid_to.0) * 3_600,
        }
    }
}

impl CustomerRow {
    fn of(customer: &Customer) -> Self {
        let window = customer.window.and_then(|ticket| ticket.answers_until());
        Self {
            customer: customer.id.0,
            name: customer.profile_name.clone(),
            free_until: window.and_then(|until| minute_time(until.0)),
            answer: None,
            refused: None,
            standing: customer.standing.map(|ticket| Standing {
                categories: kinds(ticket.categories),
                messages_max: ticket.messages_max,
                until: minute_time(ticket.valid_until.0),
            }),
        }
    }
}

impl CustomerRow {
    /// With what an answer costs: it is free until that says, and not at all where it costs something
    /// while the window is open.
    fn priced(self, answer: price::Shown) -> Self {
        let over = |until: &String| {
            until.parse::<jiff::Timestamp>().is_ok_and(|until| until <= jiff::Timestamp::now())
        };
        let free_until = answer.free_until.clone().or(self.free_until.filter(over));
        Self { free_until, answer: Some(answer), ..self }
    }

    /// With why an answer is refused, where that is known.
    fn refused(self, why: Option<&str>) -> Self {
        let free_until = self.free_until.filter(|_| why.is_none());
        Self { free_until, refused: why.map(str::to_owned), ..self }
    }
}

fn kinds(categories: plico_client::Categories) -> Vec<Kind> {
    let all = [Kind::Service, Kind::Utility, Kind::Authentication, Kind::Marketing];
    all.into_iter().filter(|kind| categories.contains((*kind).into())).collect()
}

const WAIT_MS_MAX: u64 = 10 * 60 * 1_000;
