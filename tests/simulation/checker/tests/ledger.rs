//! What is charged: the bank's words to anna, under a standing consent, at nine cents each.

use std::sync::Arc;

use plico_protocol::frame::Sequence;
use plico_protocol::id::AccountKey;
use plico_protocol::ledger::{
    Amount, Disagreement, Entry as Line, EntryKind, EntryReason, EntrySequence, Frontier,
    Generation, Growth, Head, HeadBody, Message, Rate, Receipt,
};
use plico_protocol::pricing::{CardFields, Currency, Millionths, Prices, RateCard, Tariff};
use plico_protocol::refusal::Code;
use plico_protocol::signature::LedgerSecret;
use plico_protocol::ticket::{Categories, Category, TicketFields, Zone};
use plico_protocol::time::{Hour, Minute};
use plico_relay::request::Pricing;

use super::story::{MAILBOX, Story, accepted, check, submit, ticket};
use crate::simulation::checker::Violation;
use crate::simulation::checker::relay::Fate;
use crate::simulation::history::{Fact, Priced, Ruling};

const ACCOUNT: AccountKey = AccountKey::new([7; 32]);
const PRICE: Millionths = Millionths(90_000);
const OPENED: (EntryKind, EntryReason) = (EntryKind::Settle, EntryReason::Opened);
const OFFERED: (EntryKind, EntryReason) = (EntryKind::Settle, EntryReason::Offered);
const UNREADABLE: (EntryKind, EntryReason) = (EntryKind::Release, EntryReason::Unreadable);
const UNSEEN: (EntryKind, EntryReason) = (EntryKind::Release, EntryReason::NotOffered);

/// A history with the books that the relay keeps in it.
#[derive(Clone)]
struct Shop {
    story: Story,
    lines: Vec<Line>,
}

fn standing() -> TicketFields {
    TicketFields { free_until: None, ..ticket(1, 10, 50) }
}

fn card() -> Arc<RateCard> {
    let prices = Prices { service: Some(PRICE), ..Prices::default() };
    let countries = vec![Zone::new(*b"FR").unwrap()];
    let fields = CardFields {
        issued: Minute(0),
        valid_from: Minute(0),
        valid_until: Minute(u32::MAX),
        currency: Currency::new(*b"EUR").unwrap(),
        window_hours: 24,
        window_days_per_month: 31,
        free_in_window: Categories::of(&[Category::Service]),
        subscription: None,
        inbox_free_per_day: 1,
        tiers: vec![250],
        tariffs: vec![Tariff { name: "one".to_owned(), countries, prices }],
    };
    Arc::new(fields.check().unwrap())
}

impl Shop {
    /// With credit for so many messages.
    fn new(messages: u64) -> Self {
        let mut story = Story::new();
        story.note(Fact::Credit(Millionths(messages * PRICE.0)));
        story.rule(Ruling::Opened { mailbox: MAILBOX });
        story.rule(Ruling::Minted { mailbox: MAILBOX, ticket: standing() });
        Self { story, lines: Vec::new() }
    }

    fn check(&self) -> Vec<Violation> {
        check(&self.story)
    }

    fn place(&self) -> EntrySequence {
        EntrySequence(u64::try_from(self.lines.len()).unwrap())
    }

    fn enter(&mut self, line: Line) -> &mut Self {
        self.lines.push(line);
        self.story.note(Fact::Entered { account: ACCOUNT, line: Box::new(line) });
        self
    }

    /// Reserves the price of a message, as a relay that writes nothing else of it.
    fn reserve(&mut self, n: u8) -> &mut Self {
        let accept = self.place();
        let line = self.line(EntryKind::Accept, EntryReason::Standing, Some((n, accept)));
        self.enter(line)
    }

    fn line(&self, kind: EntryKind, reason: EntryReason, of: Option<(u8, EntrySequence)>) -> Line {
        let rate = Rate { category: Category::Service, zone: Zone::UNKNOWN };
        let message = |(n, accept)| Message { submission: submit(n), accept, rate };
        Line {
            sequence: self.place(),
            hour: self.story.now().hour(),
            kind,
            reason,
            message: of.map(message),
            generation: Generation(0),
            amount: Amount { millionths: PRICE, currency: Currency::new(*b"EUR").unwrap() },
        }
    }

    /// The whole of it: reserved, accepted and answered with a receipt.
    fn send(&mut self, n: u8) -> &mut Self {
        self.reserve(n).story.rule(accepted(submit(n), Some(standing())));
        let receipt = self.receipt(self.lines.len() - 1);
        self.priced(n, standing(), PRICE, Ok(Some(receipt)))
    }

    fn priced(
        &mut self,
        n: u8,
        ticket: TicketFields,
        price_max: Millionths,
        outcome: Result<Option<Box<Receipt>>, Code>,
    ) -> &mut Self {
        let (submit, account, category) = (submit(n), ACCOUNT, Category::Service);
        let pricing = Pricing { card: Some(card()), certified: true, price_max };
        let priced = Priced { submit, account, ticket, category, pricing, outcome };
        self.story.rule(Ruling::Priced(Box::new(priced)));
        self
    }

    /// Of a line, in the tree of all there are now.
    fn receipt(&self, line: usize) -> Box<Receipt> {
        let mut growth = Growth::new(Frontier::default());
        self.lines.iter().for_each(|line| growth.push(line.hash()));
        let grown = growth.finish();
        let path = grown.inclusion(u64::try_from(line).unwrap()).unwrap();
        let head = head_of(grown.frontier());
        Box::new(Receipt { entry: self.lines[line], path, head })
    }

    /// Settled or released on the next day.
    fn settle(&mut self, n: u8, (kind, reason): (EntryKind, EntryReason)) -> &mut Self {
        let today = self.story.now().hour().day();
        self.story.pass_hours(24);
        let hour = Hour(today.0 * 24);
        let of = |line: &&Line| line.message.is_some_and(|of| of.submission == submit(n));
        let accept = self.lines.iter().find(of).map_or(EntrySequence(0), |line| line.sequence);
        let line = Line { hour, ..self.line(kind, reason, Some((n, accept))) };
        self.enter(line)
    }

    fn pay(&mut self) -> &mut Self {
        let line = self.line(EntryKind::Payment, EntryReason::Itself, None);
        self.enter(line)
    }

    fn offer(&mut self, up_to: u64) -> &mut Self {
        self.story.rule(Ruling::Offered { queue: MAILBOX, up_to: Sequence(up_to) });
        self
    }

    fn revoke(&mut self) -> &mut Self {
        self.story.rule(Ruling::Revoked { mailbox: MAILBOX });
        self
    }

    fn hand(&mut self, sequence: u64) -> &mut Self {
        self.story.note(Fact::Handed { queue: MAILBOX, sequence: Sequence(sequence) });
        self
    }
}

fn head_of(tree: &Frontier) -> Head {
    let (size, root) = (tree.size(), tree.root());
    let body = HeadBody { account: ACCOUNT, generation: Generation(0), size, root, hour: Hour(0) };
    *body.sign(&LedgerSecret::from_seed(&[1; 32])).head()
}

#[test]
fn a_message_costs_what_it_must() {
    let wrong = [Violation::WronglyCharged { submit: submit(1) }];
    assert_eq!(Shop::new(9).send(1).check(), []);
    let mut free = Shop::new(9);
    assert_eq!(free.priced(1, standing(), PRICE, Ok(None)).check(), wrong);
    let mut window = Shop::new(9);
    assert_eq!(window.priced(1, ticket(1, 10, 50), PRICE, Ok(None)).check(), []);
    let mut window = Shop::new(9);
    let receipt = Ok(Some(window.reserve(1).receipt(0)));
    assert_eq!(window.priced(1, ticket(1, 10, 50), PRICE, receipt).check(), wrong);
    let mut dear = Shop::new(9);
    let receipt = Ok(Some(dear.reserve(1).receipt(0)));
    let less = Millionths(PRICE.0 - 1);
    assert_eq!(dear.priced(1, standing(), less, receipt).check(), wrong);
}

#[test]
fn a_message_is_refused_for_its_price_only_where_it_is_too_dear() {
    let refused = |messages, price_max, code| {
        let mut shop = Shop::new(messages);
        shop.send(1).priced(2, standing(), price_max, Err(code)).check()
    };
    let unduly = |code| vec![Violation::RefusedUnduly { submit: submit(2), code }];
    let less = Millionths(PRICE.0 - 1);
    assert_eq!(refused(9, less, Code::OverPriceLimit), []);
    assert_eq!(refused(9, PRICE, Code::OverPriceLimit), unduly(Code::OverPriceLimit));
    assert_eq!(refused(1, PRICE, Code::NoCredit), []);
    assert_eq!(refused(2, PRICE, Code::NoCredit), unduly(Code::NoCredit));
    assert_eq!(refused(2, PRICE, Code::NotPriced), unduly(Code::NotPriced));
}

#[test]
fn no_balance_passes_its_limit() {
    let passed = |place| [Violation::LimitPassed { place: EntrySequence(place) }];
    assert_eq!(Shop::new(2).send(1).send(2).check(), []);
    assert_eq!(Shop::new(2).send(1).send(2).send(3).check(), passed(2));
    assert_eq!(Shop::new(2).send(1).send(2).pay().send(3).check(), []);
    // What is settled stays owed, what is released may be reserved again.
    let mut shop = Shop::new(1);
    shop.send(1).story.acknowledge(MAILBOX, 1);
    let mut settled = shop.clone();
    assert_eq!(settled.settle(1, OPENED).reserve(2).check(), passed(2));
    let mut shop = Shop::new(1);
    shop.send(1).story.acknowledge_unreadable(MAILBOX, 1);
    assert_eq!(shop.settle(1, UNREADABLE).reserve(2).check(), []);
}

#[test]
fn a_message_is_charged_once() {
    let mut shop = Shop::new(9);
    shop.send(1);
    // A repetition is answered with the same line, in a tree that grew.
    let mut repeated = shop.clone();
    let receipt = Ok(Some(repeated.send(2).receipt(0)));
    assert_eq!(repeated.priced(1, standing(), PRICE, receipt).check(), []);
    assert_eq!(shop.reserve(1).check(), [Violation::ChargedTwice { submit: submit(1) }]);
}

#[test]
fn a_price_ends_once_and_after_its_envelope() {
    let nothing = |place| [Violation::EndsNothing { place: EntrySequence(place) }];
    let mut shop = Shop::new(9);
    shop.send(1);
    assert_eq!(shop.clone().settle(1, OPENED).check(), nothing(1));
    assert_eq!(shop.clone().settle(2, OPENED).check(), nothing(1));
    shop.story.acknowledge(MAILBOX, 1);
    assert_eq!(shop.settle(1, OPENED).check(), []);
    let twice = [Violation::EndedTwice { submit: submit(1) }];
    assert_eq!(shop.settle(1, OPENED).check(), twice);
}

#[test]
fn a_price_ends_as_its_envelope() {
    let ends = [OPENED, OFFERED, UNREADABLE, UNSEEN];
    let check = |end: fn(&mut Shop), due: (EntryKind, EntryReason), fate: Fate| {
        let mut shop = Shop::new(9);
        end(shop.send(1));
        for told in ends {
            let wrong = Violation::WronglyEnded { submit: submit(1), reason: told.1, fate };
            let expected = if told == due { vec![] } else { vec![wrong] };
            assert_eq!(shop.clone().settle(1, told).check(), expected, "{told:?}");
        }
    };
    check(|shop| _ = shop.story.acknowledge(MAILBOX, 1), OPENED, Fate::Delivered);
    let unreadable = |shop: &mut Shop| _ = shop.offer(1).story.acknowledge_unreadable(MAILBOX, 1);
    check(unreadable, UNREADABLE, Fate::Unreadable);
    check(|shop| _ = shop.offer(1).revoke(), OFFERED, Fate::Ended);
    check(|shop| _ = shop.revoke().offer(1), UNSEEN, Fate::Ended);
    check(|shop| _ = shop.story.pass_hours(720), UNSEEN, Fate::Expired);
    check(|shop| _ = shop.offer(1).story.pass_hours(720), OFFERED, Fate::Expired);
}

#[test]
fn what_is_noted_after_its_last_hour_may_be_offered_or_not() {
    for end in [OFFERED, UNSEEN] {
        let mut shop = Shop::new(9);
        shop.send(1).story.pass_hours(720);
        assert_eq!(shop.offer(1).settle(1, end).check(), []);
    }
}

#[test]
fn nobody_reads_for_free_unless_the_relay_was_killed_meanwhile() {
    let read = |meanwhile: &[Fact]| {
        let mut shop = Shop::new(9);
        shop.send(1).hand(1);
        meanwhile.iter().for_each(|fact| _ = shop.story.note(fact.clone()));
        shop.revoke().settle(1, UNSEEN).check()
    };
    let free = [Violation::ReadForFree { submit: submit(1) }];
    assert_eq!(read(&[]), free);
    assert_eq!(read(&[Fact::RelayClosed, Fact::RelayOpened]), free);
    assert_eq!(read(&[Fact::DiskFull(true), Fact::DiskFull(false)]), free);
    let (killed, queue, sequence) = (Fact::RelayKilled { power: false }, MAILBOX, Sequence(1));
    let handed = Fact::Handed { queue, sequence };
    assert_eq!(read(std::slice::from_ref(&killed)), []);
    // Its last datagrams arrive after its death.
    assert_eq!(read(&[killed.clone(), handed.clone()]), []);
    assert_eq!(read(&[killed, Fact::RelayOpened, handed]), free);
}

#[test]
fn a_price_ends_on_the_day_after_and_is_dated_by_the_day() {
    let mut shop = Shop::new(9);
    shop.send(1).story.acknowledge(MAILBOX, 1);
    let quiet = |shop: &Shop, hours| check(shop.story.clone().pass_hours(hours).note(Fact::Quiet));
    let late = [Violation::NotEnded { submit: submit(1) }];
    assert_eq!(quiet(&shop, 17), []);
    assert_eq!(quiet(&shop, 18), late);
    assert_eq!(check(shop.story.clone().note(Fact::Healed)), late);
    let day = shop.story.now().hour().day().0 * 24;
    for (passed, hour, is_due) in [(24, day, true), (24, day + 24, false), (17, day, false)] {
        let mut shop = shop.clone();
        shop.story.pass_hours(passed);
        let line = shop.line(OPENED.0, OPENED.1, Some((1, EntrySequence(0))));
        shop.enter(Line { hour: Hour(hour), ..line });
        let wrong = Violation::WronglyDated { place: EntrySequence(1) };
        assert_eq!(shop.check(), if is_due { vec![] } else { vec![wrong] });
    }
}

#[test]
fn receipts_are_of_the_books() {
    let other = [Violation::NotInTree { submit: submit(2) }];
    let mut shop = Shop::new(9);
    shop.send(1).reserve(2);
    let (first, receipt) = (shop.receipt(0), shop.receipt(1));
    let give = |receipt: Receipt| {
        let mut shop = shop.clone();
        shop.priced(2, standing(), PRICE, Ok(Some(Box::new(receipt)))).check()
    };
    assert_eq!(give((*receipt).clone()), []);
    assert_eq!(give(Receipt { entry: first.entry, ..(*receipt).clone() }), other);
    assert_eq!(give(Receipt { path: first.path.clone(), ..(*receipt).clone() }), other);
    let mut cooked = shop.clone();
    cooked.lines[0].hour = Hour(1);
    assert_eq!(give((*cooked.receipt(1)).clone()), other);
}

#[test]
fn lines_follow_one_another() {
    let mut shop = Shop::new(9);
    shop.send(1);
    let line = shop.line(EntryKind::Payment, EntryReason::Itself, None);
    assert_eq!(shop.clone().enter(line).check(), []);
    let line = Line { sequence: EntrySequence(2), ..line };
    let misplaced = Violation::OutOfPlace { place: line.sequence };
    assert_eq!(shop.clone().enter(line).check(), [misplaced]);
}

#[test]
fn a_ledger_agrees_with_the_receipts_unless_a_restored_business_lacks_some() {
    let disagreement = Disagreement::Added(EntrySequence(0));
    let disputed = Fact::Disputed(disagreement);
    let mut story = Story::new();
    story.note(Fact::BackedUp);
    let disputes = [Violation::Disputed(disagreement)];
    assert_eq!(check(story.clone().note(disputed.clone())), disputes);
    assert_eq!(check(story.note(Fact::Restored).note(disputed)), []);
}

#[test]
fn a_business_reads_the_ledger_that_was_written() {
    let mut shop = Shop::new(9);
    shop.send(1).send(2);
    let read = |lines: &[Line]| {
        let (mut story, mut tree) = (shop.story.clone(), Frontier::default());
        lines.iter().for_each(|line| tree.push(line.hash(), |_, _| ()));
        let (account, lines, head) = (ACCOUNT, lines.to_vec(), Box::new(head_of(&tree)));
        check(story.note(Fact::Read { account, lines, head }))
    };
    assert_eq!(read(&shop.lines), []);
    let otherwise = [Violation::ReadOtherwise { account: ACCOUNT }];
    assert_eq!(read(&shop.lines[..1]), otherwise);
    assert_eq!(read(&[shop.lines[0], shop.lines[0]]), otherwise);
}
