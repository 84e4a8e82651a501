//! A bank, a customer and the relay between them, in one command: what each of them sees.
//!
//! Everything is real: a relay with its database on loopback, a business it certified, a person who
//! scans the bank's link. The right column is taken from the relay's own commits to disk. The
//! process ends with status 0 only if everything that should be seen was seen.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plico_client::ledger::{Hour, Period};
use plico_client::{
    Body, Business, BusinessEvent, Categories, Category, Content, CustomerId, Message,
    MessageState, Millionths, Person, PersonEvent, Protection,
};
use plico_protocol::certificate::{CertificateRequest, DomainCheck, Serial};
use plico_protocol::time::Timestamp;
use plico_relay::admin::command::{Answer, Command};
use plico_relay::admin::issue::{Findings, issue};
use plico_relay::config::Config;
use plico_relay::store::{Change, CommitError, Fjall, ReadError, Reader, Store, Table};
use plico_relay::{Options, Relay};
use tokio::sync::watch;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    tokio::time::timeout(Duration::from_secs(90), show()).await?
}

async fn show() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let place = folder.path();
    let seen = Seen::default();
    let relay = start_relay(place, 0, &seen).await?;
    let port = relay.local_addr().port();

    // The bank makes its keys; the operator checks and certifies it; the bank connects.
    let bank_key = Protection::key_file(place.join("bank.key"));
    let request =
        Business::create(place.join("bank"), bank_key.clone(), "banque-exemple", BANK, DOMAIN);
    let certificate = certify(place, &relay, &request.await?).await?;
    // What is not free may cost nine cents; the operator lets the bank owe a euro.
    let options = plico_client::Options::default().price_max(Millionths(90_000));
    let mut bank = Business::open_with(options, place.join("bank"), bank_key).await?;
    bank.install_certificate(&certificate).await?;
    bank.connect(relay.link()).await?;
    let link = bank.link(Some("card 4242")).await?;

    // The customer scans the bank's link. Nobody is asked for a name or a number.
    let key = Protection::passphrase("a passphrase of the customer's");
    let mut customer = Person::open(place.join("customer"), key).await?;
    let chat = customer.conversation(&link).await?;
    let verified = chat.business().await?;

    let board = Board::begin(&seen);
    board.row(
        &format!("scans a link: {} ({})", verified.display_name, verified.domain),
        "shares a link with the reference \"card 4242\"",
        "certified banque-exemple and its public keys",
    );

    chat.send(QUESTION).await?;
    let (who, asked) = heard(&mut bank).await?;
    let reference = asked.reference.clone().unwrap_or_default();
    board.said(Side::Customer, QUESTION, &format!("{}  [{reference}]", text(&asked)));

    let choices = [("yes", "Yes, that was me"), ("no", "No, block the card")];
    let id = bank.send(who, Message::choices(WAS_IT_YOU, choices), Category::Service).await?;
    let shown = read(&mut customer).await?;
    board.said(Side::Bank, &text(&shown), WAS_IT_YOU);
    expect(shown.id == id, "the question came under another id")?;

    chat.answer(shown.id, "no").await?;
    let (_, answer) = heard(&mut bank).await?;
    board.said(Side::Customer, "presses \"No, block the card\"", &text(&answer));

    // The relay goes away. Both go on writing; what they write waits on their own machines.
    relay.shutdown().await?;
    board.row("", "", "*** stopped ***");
    let pass = Message::notification("Boarding pass", "", PASS);
    let notice = bank.send(who, pass, Category::Utility).await?;
    let thanks = chat.send(THANKS).await?;
    expect(chat.state(thanks).await? == Some(MessageState::Queued), "sent without a relay?")?;
    board.row(&format!("> {THANKS}  (waits)"), "> a boarding pass  (waits)", "");

    let relay = start_relay(place, port, &seen).await?;
    board.row("", "", "*** started again ***");
    let shown = read(&mut customer).await?;
    let (_, thanked) = heard(&mut bank).await?;
    expect(shown.id == notice && thanked.id == thanks, "other messages came than were sent")?;
    board.row(&format!("< {}", text(&shown)), &format!("< {}", text(&thanked)), &seen.take());
    delivered(&mut customer, thanks).await?;
    seen.nothing_waits().await?;
    board.row("the bank has it: delivered", "", "all fetched, all deleted");
    let (charged, agrees) = charged(&bank).await?;
    expect(agrees, "the relay charges what the bank has no receipt for")?;
    board.row("", "its receipts agree with the ledger", &format!("charges the bank {charged}"));
    board.end();

    customer.close().await?;
    bank.close().await?;
    relay.shutdown().await?;
    let searched = search(&place.join("relay"))?;
    println!(
        "What the relay stores: a queue's opaque name, and ciphertext of which four bytes are shown."
    );
    println!(
        "{} KiB on its disk were searched: none of these sentences is there.",
        searched / 1024
    );
    Ok(())
}

const BANK: &str = "Banque Exemple";
const DOMAIN: &str = "banque.example";
const QUESTION: &str = "Did I pay 420 euros in Lisbon?";
const WAS_IT_YOU: &str = "A card payment of 420 EUR at Livraria Sol, Lisbon. Was it you?";
const THANKS: &str = "Thank you. I paid my flight home with it: is it still booked?";
const PASS: [(&str, &str); 3] = [("Flight", "PX 204 Lisbon"), ("Gate", "B12"), ("Seat", "14C")];

/// The customer's next message.
async fn read(customer: &mut Person) -> Outcome<Content> {
    loop {
        match customer.next_event().await? {
            PersonEvent::Message(message) => return Ok(message.content),
            PersonEvent::Trouble { trouble, .. } => return Err(trouble.into()),
            _ => (),
        }
    }
}

/// Waits until the bank has a message of the customer's.
async fn delivered(customer: &mut Person, sent: plico_client::ContentId) -> Outcome<()> {
    loop {
        match customer.next_event().await? {
            PersonEvent::Sent { id, state: MessageState::Delivered, .. } if id == sent => {
                return Ok(());
            }
            PersonEvent::Trouble { trouble, .. } => return Err(trouble.into()),
            _ => (),
        }
    }
}

/// The bank's next message.
async fn heard(bank: &mut Business) -> Outcome<(CustomerId, Content)> {
    loop {
        match bank.next_event().await? {
            BusinessEvent::Message(message) => return Ok((message.customer, message.content)),
            BusinessEvent::Trouble { trouble, .. } => return Err(trouble.into()),
            _ => (),
        }
    }
}

/// What the relay charges so far, and whether it agrees with the bank's receipts.
async fn charged(bank: &Business) -> Outcome<(String, bool)> {
    let always = Period { from: Hour(0), to: Hour(u32::MAX) };
    let checked = bank.statement(always).await?;
    let lines = checked.statement.totals.iter();
    let sums = lines.map(|(key, total)| format!("{} {}", total.sum, key.currency));
    Ok((sums.collect::<Vec<_>>().join(", "), checked.verified.is_ok()))
}

fn text(content: &Content) -> String {
    match &content.body {
        Body::Text(text) => text.clone(),
        Body::Choices(question) => {
            let labels: Vec<_> = question.choices.iter().map(|c| c.label.as_str()).collect();
            format!("{} [{}]", question.question, labels.join(" | "))
        }
        Body::Answer(answer) => format!("answer: {}", answer.choice),
        Body::Notification(notification) => {
            let fields = notification.fields.iter().fold(String::new(), |mut out, field| {
                let _ = write!(out, " / {}: {}", field.label, field.value);
                out
            });
            format!("{}{fields}", notification.title)
        }
        _ => "something else".to_owned(),
    }
}

fn expect(holds: bool, otherwise: &'static str) -> Outcome<()> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

async fn start_relay(place: &Path, port: u16, seen: &Seen) -> Outcome<Relay> {
    let data_dir = place.join("relay");
    let config = Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        keys_dir: place.join("relay-keys"),
        data_dir: data_dir.clone(),
        credit: Millionths::UNIT,
        ..Config::default()
    };
    std::fs::create_dir_all(&data_dir)?;
    let store = Watched { store: Fjall::open(&data_dir.join("store"))?, seen: seen.clone() };
    let options = Options { store: Some(Arc::new(store)), ..Options::default() };
    Ok(Relay::start(config, options).await?)
}

/// What the operator does with a request file: checks it, signs it, tells the relay.
async fn certify(place: &Path, relay: &Relay, request: &str) -> Outcome<String> {
    let authority = plico_relay::keys::read_authority_secret(&place.join("relay-keys"))?;
    let findings = Findings {
        handle: None,
        display_name: None,
        domain: None,
        domain_check: DomainCheck::Dns,
        categories: Categories::ALL,
        days: 90,
    };
    let request = CertificateRequest::from_text(request)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let now = Timestamp(u64::try_from(since.as_millis())?).hour();
    let certificate = issue(&request, findings, Serial(1), &authority, now)?;
    let certificate = certificate.certificate().clone();
    match relay.desk().carry_out(Command::Install(certificate.clone())).await {
        Answer::Done(_) => Ok(certificate.to_text()),
        other => Err(format!("the relay did not take the certificate: {other:?}").into()),
    }
}

/// Looks for what was said in every file of the relay.
fn search(folder: &Path) -> Outcome<usize> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            bytes += search(&path)?;
        } else if path.is_file() {
            let file = std::fs::read(&path)?;
            for said in [QUESTION, WAS_IT_YOU, THANKS, "Lisbon", "Boarding pass", "card 4242"] {
                let found = file.windows(said.len()).any(|window| window == said.as_bytes());
                expect(!found, "the relay's disk holds what was said")?;
            }
            bytes += file.len();
        }
    }
    Ok(bytes)
}

/// What the relay stored since this was last taken, and how many envelopes wait in all.
#[derive(Clone, Default)]
struct Seen {
    stored: Arc<Mutex<Vec<String>>>,
    waiting: Arc<watch::Sender<u32>>,
}

impl Seen {
    fn stored(&self, what: String) {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).push(what);
        self.waiting.send_modify(|waiting| *waiting += 1);
    }

    fn deleted(&self) {
        self.waiting.send_modify(|waiting| *waiting = waiting.saturating_sub(1));
    }

    fn take(&self) -> String {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.drain(..).collect::<Vec<_>>().join("\n")
    }

    /// Waits until everything was fetched and deleted.
    async fn nothing_waits(&self) -> Outcome<()> {
        self.waiting.subscribe().wait_for(|waiting| *waiting == 0).await?;
        Ok(())
    }
}

/// The embedded store, and who watches its commits.
struct Watched {
    store: Fjall,
    seen: Seen,
}

impl Store for Watched {
    fn commit(&self, changes: &[Change]) -> Result<(), CommitError> {
        self.store.commit(changes)?;
        for change in changes.iter().filter(|change| change.table == Table::Envelopes) {
            match &change.value {
                Some(envelope) => {
                    let (queue, kib) = (hex(&change.key, 3), envelope.len() / 1024);
                    self.seen.stored(format!("{kib} KiB for {queue}: {}...", hex(envelope, 4)));
                }
                None => self.seen.deleted(),
            }
        }
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>, ReadError> {
        self.store.reader()
    }

    fn recover(&self) -> Result<(), CommitError> {
        self.store.recover()
    }
}

fn hex(bytes: &[u8], first: usize) -> String {
    bytes.iter().take(first).fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Customer,
    Bank,
}

/// Three columns, 100 characters in all.
struct Board<'a> {
    seen: &'a Seen,
}

impl<'a> Board<'a> {
    fn begin(seen: &'a Seen) -> Self {
        let board = Self { seen };
        board.end();
        board.row("THE CUSTOMER SEES", "THE BANK SEES", "THE RELAY STORES");
        board.end();
        board
    }

    /// One message: what its sender and its recipient see, and what the relay stored meanwhile.
    fn said(&self, by: Side, customer: &str, bank: &str) {
        let (customers, banks) = if by == Side::Customer { (">", "<") } else { ("<", ">") };
        let relay = self.seen.take();
        self.row(&format!("{customers} {customer}"), &format!("{banks} {bank}"), &relay);
    }

    fn row(&self, customer: &str, bank: &str, relay: &str) {
        let columns = [wrap(customer), wrap(bank), wrap(relay)];
        let lines = columns.iter().map(Vec::len).max().unwrap_or_default();
        for line in 0..lines {
            let cell = |column: usize| {
                let column = columns.get(column);
                column.and_then(|column| column.get(line)).map_or("", String::as_str)
            };
            let row = format!("{:<WIDTH$} | {:<WIDTH$} | {}", cell(0), cell(1), cell(2));
            println!("{}", row.trim_end());
        }
    }

    fn end(&self) {
        let rule = "-".repeat(WIDTH);
        println!("{rule}-+-{rule}-+-{rule}");
    }
}

/// Words in lines of the column's width.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && WIDTH < line.chars().count() + 1 + word.chars().count() {
                lines.push(core::mem::replace(&mut line, "  ".to_owned()));
            }
            if !line.is_empty() && line != "  " {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

const WIDTH: usize = 31;
