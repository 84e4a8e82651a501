//! A bank, a customer and the relay between them, in one command: what each of them sees, and what
//! the bank pays.
//!
//! Everything is real: a relay with its database on loopback, a business it certified, a person who
//! scans the bank's link. Only the clock is the example's own, so that a day and a month pass at once.
//! The right column is taken from the relay's own commits to disk. The process ends with status 0 only
//! if everything that should be seen was seen.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

mod board;
mod operator;

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use plico_client::ledger::{Amount, EntryKind, Hour, Period};
use plico_client::{
    Body, Business, BusinessEvent, Category, Code, Content, ContentId, Conversation, CustomerId,
    Evidence, Message, MessageState, Millionths, Person, PersonEvent, Price, Protection,
    ReportOutcome,
};
use plico_relay::Relay;

use board::{Board, Side};
use operator::{Clock, Seen, certify, start_relay};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    tokio::time::timeout(Duration::from_secs(90), show()).await?
}

/// Everyone, and what they are in.
struct World {
    relay: Relay,
    bank: Business,
    customer: Person,
    chat: Conversation,
    seen: Seen,
    clock: Clock,
    /// What costs something, by its id.
    charged: Vec<(ContentId, &'static str)>,
}

async fn show() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let place = folder.path();
    let (seen, clock) = (Seen::default(), Clock::default());
    let relay = start_relay(place, 0, &seen, &clock).await?;

    // The bank makes its keys; the operator checks and certifies it; the bank connects.
    let bank_key = Protection::key_file(place.join("bank.key"));
    let request =
        Business::create(place.join("bank"), bank_key.clone(), "banque-exemple", BANK, DOMAIN);
    let certificate = certify(place, &relay, &request.await?, clock.timestamp()).await?;
    let options = plico_client::Options::default().clock(clock.clone());
    let bank = Business::open_with(options.clone(), place.join("bank"), bank_key).await?;
    bank.install_certificate(&certificate).await?;
    bank.connect(relay.link()).await?;
    let link = bank.link(Some("card 4242")).await?;

    // The customer scans the bank's link. Nobody is asked for a name or a number.
    let key = Protection::passphrase("a passphrase of the customer's");
    let customer = Person::open_with(options, place.join("customer"), key).await?;
    let chat = customer.conversation(&link).await?;
    let verified = chat.business().await?;

    let watched = seen.clone();
    let board = Board::begin(&watched);
    board.row(
        &format!("scans a link: {} ({})", verified.display_name, verified.domain),
        "shares a link with the reference \"card 4242\"",
        "certified banque-exemple and its public keys",
    );
    let charged = Vec::new();
    let mut world = World { relay, bank, customer, chat, seen, clock, charged };
    let who = world.talk(&board).await?;
    let mut world = world.restart(&board, place, who).await?;
    world.a_day_later(&board, who).await?;
    let relay = world.a_month_later(&board, who).await?;
    board.end();
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

impl World {
    /// The customer asks, the bank answers, free of charge for 24 hours.
    async fn talk(&mut self, board: &Board<'_>) -> Outcome<CustomerId> {
        let Self { bank, customer, chat, .. } = self;
        chat.send(QUESTION).await?;
        let (who, asked) = heard(bank).await?;
        let reference = asked.reference.clone().unwrap_or_default();
        board.said(Side::Customer, QUESTION, &format!("{}  [{reference}]", text(&asked)));

        bank.rate_card().await?;
        let price = bank.price(who, Category::Service).await?;
        expect(matches!(price, Price::Free { .. }), "an answer in the window is not free")?;
        let choices = [("yes", "Yes, that was me"), ("no", "No, block the card")];
        let id = bank.send(who, Message::choices(WAS_IT_YOU, choices), Category::Service).await?;
        let shown = read(customer).await?;
        board.said(Side::Bank, &text(&shown), &format!("{WAS_IT_YOU} (free)"));
        expect(shown.id == id, "the question came under another id")?;

        chat.answer(shown.id, "no").await?;
        let (_, answer) = heard(bank).await?;
        board.said(Side::Customer, "presses \"No, block the card\"", &text(&answer));
        Ok(who)
    }

    /// The relay goes away. Both go on writing; what they write waits on their own machines.
    async fn restart(self, board: &Board<'_>, place: &Path, who: CustomerId) -> Outcome<Self> {
        let Self { relay, bank, mut customer, chat, seen, clock, mut charged } = self;
        let port = relay.local_addr().port();
        relay.shutdown().await?;
        board.row("", "", "*** stopped ***");
        let pass = Message::notification("Boarding pass", "", PASS).at_most(PRICE);
        let notice = bank.send(who, pass, Category::Utility).await?;
        charged.push((notice, "boarding pass"));
        let thanks = chat.send(THANKS).await?;
        expect(chat.state(thanks).await? == Some(MessageState::Queued), "sent without a relay?")?;
        board.row(&format!("> {THANKS}  (waits)"), "> a boarding pass  (waits)", "");

        let relay = start_relay(place, port, &seen, &clock).await?;
        board.row("", "", "*** started again ***");
        let shown = read(&mut customer).await?;
        let (_, thanked) = heard(&bank).await?;
        let same = shown.id == notice && thanked.id == thanks;
        expect(same, "other messages came than were sent")?;
        board.row(&format!("< {}", text(&shown)), &format!("< {}", text(&thanked)), &seen.take());
        delivered(&mut customer, thanks).await?;
        seen.nothing_waits().await?;
        board.row("the bank has it: delivered", "", "all fetched, all deleted");
        Ok(Self { relay, bank, customer, chat, seen, clock, charged })
    }

    /// The window is over: what is sent costs something, and what nobody wanted is reported.
    async fn a_day_later(&mut self, board: &Board<'_>, who: CustomerId) -> Outcome<()> {
        let Self { bank, customer, chat, clock, charged, .. } = self;
        clock.jump(25);
        board.row("", "", "*** 25 hours later ***");
        let Price::Charge(charge) = bank.price(who, Category::Service).await? else {
            return Err("the window is still open".into());
        };
        let costs = format!("{} {}", charge.amount, charge.currency);
        let late = bank.send(who, "Anything else?", Category::Service).await?;
        let refused = bank.left(late).await? == Some(MessageState::Refused(Code::OverPriceLimit));
        expect(refused, "it was sent, and costs something")?;
        board.row("", &format!("an answer costs {costs} now: not sent, only if free"), "refused");

        let loan = Message::text(LOAN).at_most(charge.amount);
        charged.push((bank.send(who, loan, Category::Service).await?, "loan"));
        let unwanted = read(customer).await?;
        board.said(Side::Bank, LOAN, &format!("{LOAN} ({costs})"));
        let before = bank.standing().await?.inputs.reports;
        chat.report(unwanted.id, Evidence::Content).await?;
        expect(reported(customer).await? == ReportOutcome::Counted, "the report did not count")?;
        let after = bank.standing().await?.inputs.reports;
        expect((before, after) == (0, 1), "the report is not in the bank's standing")?;
        board.row("reports it, with what it said", "its standing: 1 message reported", "counted");
        Ok(())
    }

    /// The customer's device stays away; each charge ends, and the books agree.
    async fn a_month_later(self, board: &Board<'_>, who: CustomerId) -> Outcome<Relay> {
        let Self { relay, bank, customer, chat: _, seen, clock, mut charged } = self;
        customer.close().await?;
        board.row("switches the phone off", "", "");
        let gate = Message::notification("New gate", "", [("Gate", "B14")]).at_most(PRICE);
        let gate = bank.send(who, gate, Category::Utility).await?;
        charged.push((gate, "new gate"));
        expect(bank.left(gate).await? == Some(MessageState::Accepted), "not accepted")?;
        board.row("", "> a new gate (0.09 EUR)", &seen.take());
        // What nobody fetches in thirty days expires; a day is settled after its end.
        for hours in [31 * 24, 24] {
            clock.jump(hours);
            relay.tick().await;
        }
        // The bank looks into its ledger once an hour.
        clock.jump(2);
        board.row("", "", "*** a month later ***");
        while !charged.is_empty() {
            let (id, settled, amount) = ended(&bank).await?;
            let at = charged.iter().position(|(of, _)| *of == id);
            let (_, what) = charged.remove(at.ok_or("a charge ended that there was not")?);
            expect(settled == (id != gate), "a charge ended otherwise than its message")?;
            let Amount { millionths, currency } = amount;
            let line = match settled {
                true => format!("{what}: owed {millionths} {currency}"),
                false => format!("{what}, not fetched: not owed"),
            };
            board.row("", &line, "");
        }
        let owes = owes(&bank).await?;
        board.row("", "every line agrees with its receipt", &format!("is owed {owes}"));
        bank.close().await?;
        Ok(relay)
    }
}

const BANK: &str = "Banque Exemple";
const DOMAIN: &str = "banque.example";
const QUESTION: &str = "Did I pay 420 euros in Lisbon?";
const WAS_IT_YOU: &str = "A card payment of 420 EUR at Livraria Sol, Lisbon. Was it you?";
const THANKS: &str = "Thank you. I paid my flight home with it: is it still booked?";
const LOAN: &str = "Borrow 5,000 euros today!";
/// What a message of any kind costs where nobody knows the country.
const PRICE: Millionths = Millionths(90_000);
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
async fn delivered(customer: &mut Person, sent: ContentId) -> Outcome<()> {
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

/// What became of the customer's report.
async fn reported(customer: &mut Person) -> Outcome<ReportOutcome> {
    loop {
        match customer.next_event().await? {
            PersonEvent::Reported { outcome, .. } => return Ok(outcome),
            PersonEvent::Trouble { trouble, .. } => return Err(trouble.into()),
            _ => (),
        }
    }
}

/// The bank's next message.
async fn heard(bank: &Business) -> Outcome<(CustomerId, Content)> {
    loop {
        match bank.next_event().await? {
            BusinessEvent::Message(message) => return Ok((message.customer, message.content)),
            BusinessEvent::Trouble { trouble, .. } => return Err(trouble.into()),
            _ => (),
        }
    }
}

/// The next charge that ended: of which message, whether it is owed, and how much it is.
async fn ended(bank: &Business) -> Outcome<(ContentId, bool, Amount)> {
    loop {
        match bank.next_event().await? {
            BusinessEvent::Settled { id, amount, .. } => return Ok((id, true, amount)),
            BusinessEvent::Released { id, amount, .. } => return Ok((id, false, amount)),
            BusinessEvent::Trouble { trouble, .. } => return Err(trouble.into()),
            _ => (),
        }
    }
}

/// What the relay's ledger says is owed, if it agrees with the bank's receipts line by line.
async fn owes(bank: &Business) -> Outcome<String> {
    let always = Period { from: Hour(0), to: Hour(u32::MAX) };
    let checked = bank.statement(always).await?;
    checked.verified?;
    let totals = checked.statement.totals;
    let sum = |kind| {
        let of_kind = totals.iter().filter(|(key, _)| key.kind == kind);
        Millionths(of_kind.map(|(_, total)| total.sum.0).sum())
    };
    let (messages, months) = (sum(EntryKind::Settle), sum(EntryKind::Subscription));
    Ok(format!("{messages} EUR for messages and {months} EUR for the month"))
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

/// Looks for what was said in every file of the relay.
fn search(folder: &Path) -> Outcome<usize> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            bytes += search(&path)?;
        } else if path.is_file() {
            let file = std::fs::read(&path)?;
            for said in [QUESTION, WAS_IT_YOU, THANKS, LOAN, "Lisbon", "Boarding pass", "card 4242"]
            {
                let found = file.windows(said.len()).any(|window| window == said.as_bytes());
                expect(!found, "the relay's disk holds what was said")?;
            }
            bytes += file.len();
        }
    }
    Ok(bytes)
}
