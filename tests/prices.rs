//! Prices as a business sees them before it sends: the relay's signed card, fetched and kept, and
//! what the relay then charges.

use plico_client::{
    Business, BusinessEvent, BusinessTrouble, Categories, Category, Code, ConsentTerms, CustomerId,
    FreeReason, Message, MessageState, Millionths, NoPrice, Person, Price, PriceError,
};
use plico_protocol::frame::{ClientFrame, RelayFrame};
use plico_protocol::id::AuthorityKey;
use plico_protocol::time::Minute;
use plico_relay::policy::rate_card::SAMPLE;

use crate::harness::raw::Raw;
use crate::harness::relay::TestRelay;
use crate::harness::sdk::{
    Desk, allowed_notifications, became, introduce, next_asked, next_received, told,
};
use crate::harness::world::{BEGINNING, Bank, Customer};

/// A relay with a rate card of the test's own, and people who are in a country.
struct Scene {
    relay: TestRelay,
    desk: Desk,
    files: tempfile::TempDir,
}

impl Scene {
    /// With the sample card, changed; everybody is in this country, or nowhere that is known.
    async fn new(country: Option<&str>, change: impl Fn(&str) -> String) -> Self {
        let files = tempfile::tempdir().unwrap();
        let place = |name: &str| files.path().join(name).to_string_lossy().into_owned();
        std::fs::write(place("card.toml"), change(SAMPLE)).unwrap();
        let zones = country.map(|country| format!("127.0.0.0/8 {country}\n")).unwrap_or_default();
        std::fs::write(place("zones"), zones).unwrap();
        let relay = TestRelay::start_with(|config| {
            config.rate_card = place("card.toml");
            config.zones = place("zones");
        });
        let relay = relay.await;
        let desk = Desk::of(&relay);
        Self { relay, desk, files }
    }

    /// A bank to which a person wrote.
    async fn introduced(&self) -> (Business, Person, CustomerId) {
        let (mut bank, link) = self.desk.certified(&self.relay, "bank").await;
        let person = self.desk.person("anna").await;
        let chat = person.conversation(&link).await.unwrap();
        let asked = introduce(&chat, &mut bank).await;
        bank.rate_card().await.unwrap();
        (bank, person, asked.customer)
    }
}

/// What a message is charged, told by the ledger: none if it was free.
async fn last_charge(bank: &Business, before: usize) -> Option<u64> {
    let always = plico_client::ledger::Period {
        from: plico_client::ledger::Hour(0),
        to: plico_client::ledger::Hour(u32::MAX),
    };
    let checked = bank.statement(always).await.unwrap();
    assert_eq!(checked.verified.as_ref().map(|_| ()), Ok(()));
    checked.statement.entries.get(before).map(|entry| entry.amount.millionths.0)
}

/// The price told before, and that the relay charges just that: it refuses a limit one below.
async fn charged_as_told(bank: &mut Business, to: CustomerId, category: Category) -> Price {
    let price = bank.price(to, category).await.unwrap();
    let entries = entries(bank).await;
    let limit = match price {
        Price::Free { .. } => 0,
        Price::Charge(charge) => {
            let less = Millionths(charge.amount.0 - 1);
            let refused = bank.send(to, Message::text("less").at_most(less), category).await;
            let state = became(bank, refused.unwrap()).await;
            assert_eq!(state, MessageState::Refused(Code::OverPriceLimit));
            charge.amount.0
        }
    };
    let sent = bank.send(to, Message::text("as told").at_most(Millionths(limit)), category).await;
    assert_eq!(became(bank, sent.unwrap()).await, MessageState::Accepted);
    assert_eq!(last_charge(bank, entries).await.unwrap_or(0), limit);
    price
}

async fn entries(bank: &Business) -> usize {
    let mut entries = 0;
    while last_charge(bank, entries).await.is_some() {
        entries += 1;
    }
    entries
}

fn amount(price: Price) -> u64 {
    match price {
        Price::Free { .. } => 0,
        Price::Charge(charge) => charge.amount.0,
    }
}

#[tokio::test]
async fn everybody_but_a_person_is_told_the_same_card() {
    let relay = TestRelay::start().await;
    let bank = Bank::new(1);
    let fetch = |minute| ClientFrame::FetchRateCard { at: minute };
    let now = BEGINNING.minute();
    let anonymous = Raw::connect(relay.address()).await;
    let told = anonymous.ask(&fetch(now)).await;
    let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    assert_eq!(business.ask(&fetch(now)).await, told, "certified or not");
    let person = Raw::person(relay.address(), &[&Customer::new(2).mailbox]).await;
    assert_eq!(person.refused(&fetch(now)).await, Code::WrongConnection);

    let authority = authority(&anonymous, &relay).await;
    let issued = |frame: RelayFrame| {
        let RelayFrame::RateCard { key, card } = frame else { panic!("{frame:?}") };
        let card = card.verify(&key.verify(&authority).unwrap()).unwrap();
        card.card().fields().issued
    };
    assert_eq!(issued(told), now);
    // In the second year of one process its ledger key has another certificate.
    relay.clock.advance_hours(24 * 380);
    let business = Raw::business(relay.address(), &bank.account, &bank.inbox).await;
    relay.sweep().await;
    let told = business.ask(&fetch(now)).await;
    assert_eq!(issued(told), now.plus(380 * 24 * 60).round_down(24 * 60));
    relay.stop().await;
}

/// The key that the relay says its certificates are signed with.
async fn authority(anonymous: &Raw, relay: &TestRelay) -> AuthorityKey {
    relay.certify(&Bank::new(3), "other").await;
    let handle = plico_protocol::certificate::Handle::new("other").unwrap();
    match anonymous.ask(&ClientFrame::LookUp { handle }).await {
        RelayFrame::Certified { authority, .. } => authority,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_card_is_told_for_the_minutes_in_which_it_holds() {
    let from = "# valid_from = 2027-01-01  ";
    let scene = Scene::new(None, |card| {
        card.replace(from, "valid_from = 2026-11-21")
            .replace("# valid_until = 2028-01-01 ", "valid_until = 2026-12-01")
    });
    let scene = scene.await;
    let anonymous = Raw::connect(scene.relay.address()).await;
    let fetch = |at| ClientFrame::FetchRateCard { at: Minute(at) };
    let day = BEGINNING.minute().0 / 1_440 * 1_440;
    for (at, told) in [(0, false), (day - 1, false), (day, true), (day + 14_399, true)] {
        let answer = anonymous.ask(&fetch(at)).await;
        assert_eq!(matches!(answer, RelayFrame::RateCard { .. }), told, "{at}: {answer:?}");
    }
    assert_eq!(anonymous.refused(&fetch(day + 14_400)).await, Code::NoRateCard);

    // Where no card holds, no price is told, and nothing is sent.
    let (mut bank, _person, customer) = scene.introduced().await;
    scene.relay.clock.advance_hours(10 * 24);
    let none = bank.price(customer, Category::Service).await;
    assert_eq!(none, Err(PriceError::NoCard));
    let none = BusinessTrouble::Refused(Code::NoRateCard);
    assert_eq!(bank.rate_card().await, Err(none.into()));
    let sent = bank.send(customer, "too late", Category::Service).await.unwrap();
    assert_eq!(became(&mut bank, sent).await, MessageState::Refused(Code::NotPriced));
    bank.close().await.unwrap();
    scene.relay.stop().await;
}

#[tokio::test]
async fn what_is_charged_was_told_before_in_the_window_and_after_it() {
    let scene = Scene::new(Some("FR"), str::to_owned).await;
    let (mut bank, mut person, customer) = scene.introduced().await;
    let ticket = bank.customer(customer).await.unwrap().unwrap().window.unwrap();
    let free = charged_as_told(&mut bank, customer, Category::Service).await;
    let until = ticket.free_until.unwrap();
    assert_eq!(free, Price::Free { reason: FreeReason::Window, until });
    next_received(&mut person).await;
    let utility = charged_as_told(&mut bank, customer, Category::Utility).await;
    assert!(0 < amount(utility), "utility costs in the window, too");
    let taken = bank.price(customer, Category::Marketing).await;
    assert!(matches!(taken, Err(PriceError::NotTaken(_))), "{taken:?}");
    let sent = bank.send(customer, "buy", Category::Marketing).await.unwrap();
    let refused = became(&mut bank, sent).await;
    let allowed = matches!(taken, Err(PriceError::NotTaken(NoPrice::NotPriced)));
    let code = if allowed { Code::NotPriced } else { Code::CategoryNotAllowed };
    assert_eq!(refused, MessageState::Refused(code));

    scene.relay.clock.advance_hours(25);
    let after = charged_as_told(&mut bank, customer, Category::Service).await;
    assert_eq!(amount(after), 70_000, "Western Europe, after the window");
    // Without a limit of its own a message has the process's.
    let sent = bank.send(customer, "by the process's", Category::Service).await.unwrap();
    assert_eq!(became(&mut bank, sent).await, MessageState::Accepted);
    person.close().await.unwrap();
    bank.close().await.unwrap();
    scene.relay.stop().await;
}

#[tokio::test]
async fn what_is_charged_was_told_before_under_a_standing_consent_from_anywhere() {
    // Where no country is known, it is the dearest of all.
    for (country, costs) in [(Some("IN"), 5_000), (Some("US"), 10_000), (None, 90_000)] {
        let scene = Scene::new(country, str::to_owned).await;
        let (mut bank, person, _) = scene.introduced().await;
        let chat = person.conversations().await.unwrap().remove(0);
        let categories = Categories::of(&[Category::Utility]).unwrap();
        let terms = ConsentTerms { categories, ..ConsentTerms::default() };
        chat.allow_notifications(terms).await.unwrap();
        let customer = allowed_notifications(&mut bank).await;
        scene.relay.clock.advance_hours(30);
        let price = charged_as_told(&mut bank, customer, Category::Utility).await;
        assert_eq!(amount(price), costs);
        person.close().await.unwrap();
        bank.close().await.unwrap();
        scene.relay.stop().await;
    }
}

#[tokio::test]
async fn what_is_used_up_or_not_allowed_any_more_has_no_price() {
    let scene = Scene::new(Some("FR"), str::to_owned).await;
    let (mut bank, person, customer) = scene.introduced().await;
    let chat = person.conversations().await.unwrap().remove(0);
    let utility = Categories::of(&[Category::Utility]).unwrap();
    let narrow = ConsentTerms { categories: utility, messages_max: 2, ..ConsentTerms::default() };
    chat.allow(narrow).await.unwrap();
    allowed_notifications(&mut bank).await;
    let service = bank.price(customer, Category::Service).await;
    assert_eq!(service, Err(NoPrice::CategoryNotAllowed.into()), "the window is open all the same");
    let sent = bank.send(customer, "asked", Category::Service).await.unwrap();
    assert_eq!(became(&mut bank, sent).await, MessageState::Refused(Code::CategoryNotAllowed));
    for _ in 0..2 {
        charged_as_told(&mut bank, customer, Category::Utility).await;
    }
    assert_eq!(bank.price(customer, Category::Utility).await, Err(PriceError::UsedUp));
    let sent = bank.send(customer, "one more", Category::Utility).await.unwrap();
    assert_eq!(became(&mut bank, sent).await, MessageState::Refused(Code::TicketExhausted));
    // Kept with the state.
    bank.close().await.unwrap();
    let mut bank = scene.desk.business("bank").await;
    assert_eq!(bank.price(customer, Category::Utility).await, Err(PriceError::UsedUp));
    chat.send("go on").await.unwrap();
    next_asked(&mut bank).await;
    assert!(bank.price(customer, Category::Utility).await.is_ok());
    person.close().await.unwrap();
    bank.close().await.unwrap();
    scene.relay.stop().await;
}

#[tokio::test]
async fn a_price_is_told_offline_and_a_charge_that_differs_has_the_card_fetched() {
    // Within the day for which a card is not asked for again without a cause.
    let short = |card: &str| card.replace("window_hours = 24", "window_hours = 2");
    let scene = Scene::new(Some("FR"), short).await;
    let (mut bank, _person, customer) = scene.introduced().await;
    scene.relay.clock.advance_hours(1);
    let before = Message::text("hello").at_most(Millionths::ZERO);
    let sent = bank.send(customer, before, Category::Service).await.unwrap();
    assert_eq!(became(&mut bank, sent).await, MessageState::Accepted);
    let Scene { relay, desk, files } = scene;
    let relay = relay.suspend().await;
    // The operator brings a dearer card without announcing it; the bank is not told.
    let dearer = short(SAMPLE).replace("service = 0.07", "service = 0.08");
    std::fs::write(files.path().join("card.toml"), dearer).unwrap();
    let relay = relay.resume().await;
    relay.clock.advance_hours(2);
    let told = amount(bank.price(customer, Category::Service).await.unwrap());
    assert_eq!(told, 70_000);
    let limited = Message::text("as told").at_most(Millionths(told));
    let sent = bank.send(customer, limited, Category::Service).await.unwrap();
    assert_eq!(became(&mut bank, sent).await, MessageState::Refused(Code::OverPriceLimit));
    // Answered after the card that the refusal had it fetch.
    let sent = bank.send(customer, "whatever it costs", Category::Service).await.unwrap();
    assert_eq!(became(&mut bank, sent).await, MessageState::Accepted);
    assert_eq!(amount(bank.price(customer, Category::Service).await.unwrap()), 80_000);
    bank.close().await.unwrap();
    // The state alone tells the price.
    relay.stop().await;
    let bank = desk.business("bank").await;
    assert_eq!(amount(bank.price(customer, Category::Service).await.unwrap()), 80_000);
    bank.close().await.unwrap();
}

/// The message gets the newer ticket, and the change of terms follows it with an older one.
#[tokio::test]
async fn a_message_that_waits_for_a_change_of_terms_opens_its_window() {
    let scene = Scene::new(Some("FR"), str::to_owned).await;
    let (mut bank, person, customer) = scene.introduced().await;
    let chat = person.conversations().await.unwrap().remove(0);
    scene.relay.clock.advance_hours(25);
    let Scene { relay, desk, files } = scene;
    let relay = relay.suspend().await;
    chat.send("hello again").await.unwrap();
    chat.mute().await.unwrap();
    let relay = relay.resume().await;
    next_asked(&mut bank).await;
    let renewed = |event| matches!(event, BusinessEvent::Consent { .. }).then_some(());
    told(&mut bank, renewed).await;

    let window = bank.customer(customer).await.unwrap().unwrap().window.unwrap();
    assert_eq!(window.answers_until(), chat.window().await.unwrap());
    let price = bank.price(customer, Category::Service).await.unwrap();
    assert!(matches!(price, Price::Free { .. }), "{price:?}");
    let id = bank.send(customer, "an answer", Category::Service).await.unwrap();
    assert_eq!(became(&mut bank, id).await, MessageState::Accepted);
    assert_eq!(last_charge(&bank, 0).await, None);
    person.close().await.unwrap();
    bank.close().await.unwrap();
    relay.stop().await;
    drop((desk, files));
}
