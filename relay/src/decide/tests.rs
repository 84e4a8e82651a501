//! Each rule as a table, with no store at all: facts are what earlier decisions wrote.

mod consent;
mod pending;
mod prekeys;
mod profiles;
mod reports;

use bytes::Bytes;
use plico_protocol::certificate::Serial;
use plico_protocol::envelope::Envelope;
use plico_protocol::frame::EndReason;
use plico_protocol::id::{Address, SubmitId};
use plico_protocol::ticket::{Category, Ticket, TicketUse, Zone};
use plico_protocol::time::{Hour, Minute};
use plico_protocol::wire::Wire;

use super::*;
use crate::directory::Directory;
use crate::keys::Keys;
use crate::policy::consent::WindowRules;
use crate::request::Digest;
use crate::rows::{Rows, SweptRow};
use crate::store::{Entry, Reader};
use crate::writer::fixture::{
    OPENING, START, Seeded, acknowledge, authority, bank, bank_account, certificate, close, code,
    envelope, free, keys, minted, other_account, person, revoke, terms,
};

/// Holds nothing.
struct Empty;

impl Reader for Empty {
    fn get(&self, _: Table, _: &[u8]) -> Result<Option<Bytes>, ReadError> {
        Ok(None)
    }

    fn scan(&self, _: Table, _: &[u8], _: &[u8], _: usize) -> Result<Vec<Entry>, ReadError> {
        Ok(Vec::new())
    }
}

/// Facts that grow with each decision, and the effects of the last one.
struct Desk<'a> {
    facts: Facts<'a>,
    now: Timestamp,
    rng: Seeded,
    windows: WindowRules,
    events: Vec<Event>,
}

impl Desk<'_> {
    fn call(&mut self, request: Request) -> Reply {
        let (reply, decision) = decide(&self.facts, &request, self.now, &mut self.rng);
        if reply.is_err() {
            assert!(decision.changes.is_empty(), "a refusal changes nothing");
        }
        assert!(decision.keeps_apart(), "the end of an envelope changes an account's rows");
        self.events.clear();
        for effect in decision.effects {
            match effect {
                Effect::Wake(event) => self.events.push(event),
                Effect::Certified(certificate) => self.facts.directory.insert(*certificate),
                Effect::CertificateRevoked(serial) => self.facts.directory.revoke(serial),
                Effect::SentFree(_) | Effect::FreeStored(..) | Effect::SweptTo(..) => (),
            }
        }
        self.apply(decision.changes, decision.accounts);
        reply
    }

    fn apply(&mut self, changes: Vec<RowChange>, accounts: Vec<AccountChange>) {
        self.facts.apply(changes);
        for account in accounts {
            self.facts.open_account(&account.row.account).unwrap();
            self.facts.put_account(account);
        }
    }

    fn mint(&mut self, messages_max: u16, window: bool) -> Ticket {
        self.mint_for(1, messages_max, window)
    }

    fn mint_for(&mut self, n: u8, messages_max: u16, window: bool) -> Ticket {
        let (address, terms) = (person(n), terms(self.now, messages_max));
        let window = window.then_some(self.windows);
        minted(self.call(Request::Mint { address, terms, window, zone: Zone::UNKNOWN }))
    }

    fn change_terms(&mut self, messages_max: u16) -> Ticket {
        let (address, terms) = (person(1), terms(self.now, messages_max));
        minted(self.call(Request::ChangeTerms { address, terms, zone: Zone::UNKNOWN }))
    }

    fn send(&mut self, n: u8, ticket: &Ticket) -> Reply {
        let id = SubmitId::compose(self.now.hour(), [n; 12]);
        self.send_as(id, b"frame", ticket)
    }

    fn send_as(&mut self, id: SubmitId, frame: &[u8], ticket: &Ticket) -> Reply {
        self.submit(person(1), id, frame, ticket)
    }

    /// The message `n` to a person.
    fn send_to(&mut self, to: u8, n: u8, ticket: &Ticket) -> Reply {
        let id = SubmitId::compose(self.now.hour(), [n; 12]);
        self.submit(person(to), id, b"frame", ticket)
    }

    fn submit(&mut self, to: Address, id: SubmitId, frame: &[u8], ticket: &Ticket) -> Reply {
        let account = bank().account;
        let category = Category::Service;
        let used = TicketUse {
            address: &to,
            account: &account,
            opening: &OPENING,
            category,
            now: self.now.minute(),
        };
        let ring = self.facts.ring;
        let key = ring.ticket(ticket.key_id()).unwrap();
        let ticket = ticket.check(key, ring.tag(), &used).unwrap();
        let digest = Digest::of(frame);
        let envelope = envelope(1);
        let pricing = free();
        self.call(Request::SubmitToMailbox {
            id,
            digest,
            to,
            account,
            ticket,
            category,
            pricing,
            envelope,
        })
    }

    fn write_in(&mut self, n: u8) -> Reply {
        let id = SubmitId::compose(self.now.hour(), [n; 12]);
        let (inbox, account) = (bank().inbox, bank().account);
        let digest = Digest::of(b"frame");
        self.call(Request::SubmitToInbox { id, digest, inbox, account, envelope: envelope(1) })
    }

    fn queue(&self, address: &Address) -> crate::rows::QueueRow {
        self.facts.queue(address).unwrap().unwrap()
    }

    /// Passes to the next day and settles.
    fn next_day(&mut self) {
        self.pass_hours(24);
        loop {
            let (more, decision) = settle(&self.facts, self.now, &mut self.rng);
            self.apply(decision.changes, decision.accounts);
            if !more.unwrap() {
                break;
            }
        }
    }

    fn pass_hours(&mut self, hours: u64) {
        self.pass_minutes(60 * hours);
    }

    fn pass_minutes(&mut self, minutes: u64) {
        self.now = Timestamp(self.now.0 + minutes * 60_000);
    }
}

fn check(limits: Limits, scenario: impl FnOnce(&mut Desk<'_>)) {
    check_with(keys(), limits, scenario);
}

fn check_with(keys: Keys, limits: Limits, scenario: impl FnOnce(&mut Desk<'_>)) {
    let ring = keys.ring();
    let rows = Rows::new(&ring);
    let directory = Directory::default();
    let fixed = Fixed {
        rows: &rows,
        ring: &ring,
        authority: keys.authority(),
        directory: &directory,
        limits: &limits,
        generation: Default::default(),
        rate_cards: &Default::default(),
        certified: true,
        free: &Default::default(),
        marks: &Default::default(),
        kept: &Default::default(),
    };
    let mut facts = Facts::new(&Empty, fixed);
    facts.apply(vec![RowChange {
        table: Table::Meta,
        key: SWEPT_KEY.to_vec(),
        value: Some(Value::Open(SweptRow::begun(START.hour()).encode().into())),
    }]);
    let windows = WindowRules::default();
    scenario(&mut Desk { facts, now: START, rng: Seeded(1), windows, events: Vec::new() });
}

fn scenario(scenario: impl FnOnce(&mut Desk<'_>)) {
    check(Limits::default(), scenario);
}

fn open(desk: &mut Desk<'_>) {
    assert_eq!(desk.call(Request::Open { address: person(1) }), Ok(RelayFrame::Opened));
}

fn certify(desk: &mut Desk<'_>, serial: u64) -> Reply {
    let certificate = Box::new(certificate(serial, "bank", bank(), desk.now.hour()));
    desk.call(Request::Certify { certificate })
}

#[test]
fn opening_twice_keeps_the_epoch() {
    scenario(|desk| {
        open(desk);
        let before = desk.queue(&person(1));
        open(desk);
        assert_eq!(desk.queue(&person(1)), before);
    });
}

#[test]
fn only_an_open_mailbox_mints_and_only_possible_terms() {
    scenario(|desk| {
        let (address, zone) = (person(1), Zone::UNKNOWN);
        let possible = terms(desk.now, 5);
        let window = Some(desk.windows);
        let mint = |terms| Request::Mint { address, terms, window, zone };
        assert_eq!(code(desk.call(mint(possible))), Code::NoMailbox);
        open(desk);
        for terms in [
            plico_protocol::ticket::Terms { messages_max: 0, ..possible },
            plico_protocol::ticket::Terms { valid_until: desk.now.minute(), ..possible },
            plico_protocol::ticket::Terms { valid_until: Minute(u32::MAX), ..possible },
        ] {
            assert_eq!(code(desk.call(mint(terms))), Code::BadTerms);
        }
        minted(desk.call(mint(possible)));
    });
}

#[test]
fn a_window_is_stated_by_the_ticket_and_remembered_by_the_row() {
    scenario(|desk| {
        open(desk);
        let end = plico_protocol::ticket::window_end(desk.now.minute(), 24);
        let standing = desk.mint(5, false).fields().unwrap();
        assert_eq!(standing.free_until, None);
        let fields = desk.mint(5, true).fields().unwrap();
        assert_eq!(fields.free_until, Some(end));
        assert_eq!(fields.opened_at.0 % 5, 0);
        assert_eq!(desk.queue(&person(1)).free_until, end);
        desk.mint(5, false);
        assert_eq!(desk.queue(&person(1)).free_until, end, "a consent does not end a window");
        assert_eq!(desk.change_terms(5).fields().unwrap().free_until, Some(end));
    });
}

#[test]
fn a_ticket_carries_as_many_messages_as_it_says_and_a_mint_begins_anew() {
    scenario(|desk| {
        open(desk);
        let ticket = desk.mint(2, true);
        desk.send(1, &ticket).unwrap();
        desk.send(2, &ticket).unwrap();
        assert_eq!(code(desk.send(3, &ticket)), Code::TicketExhausted);
        desk.send(2, &ticket).unwrap();
        let larger = desk.mint(3, true);
        assert_eq!(desk.queue(&person(1)).used, 0);
        desk.send(3, &larger).unwrap();
        desk.send(4, &ticket).unwrap();
        assert_eq!(code(desk.send(5, &ticket)), Code::TicketExhausted, "whichever ticket was used");
        desk.send(5, &larger).unwrap();
    });
}

#[test]
fn revoking_and_changing_terms_end_every_earlier_ticket() {
    scenario(|desk| {
        open(desk);
        let first = desk.mint(9, true);
        desk.send(1, &first).unwrap();
        let second = desk.change_terms(9);
        assert_eq!(code(desk.send(2, &first)), Code::Revoked);
        assert_eq!(desk.queue(&person(1)).envelopes, 1, "the queue is kept");
        desk.send(2, &second).unwrap();
        desk.call(revoke(person(1))).unwrap();
        assert_eq!(code(desk.send(3, &second)), Code::Revoked);
        let queue = desk.queue(&person(1));
        assert_eq!((queue.envelopes, queue.bytes, queue.last), (0, 0, queue.acknowledged));
        let third = desk.mint(9, false);
        desk.send(4, &third).unwrap();
        assert_eq!(desk.queue(&person(1)).last.0, 3, "numbers go on");
    });
}

#[test]
fn a_closed_mailbox_and_a_revoked_ticket_are_one_answer() {
    scenario(|desk| {
        open(desk);
        let ticket = desk.mint(9, true);
        desk.call(revoke(person(1))).unwrap();
        let revoked = desk.send(1, &ticket).unwrap_err();
        assert_eq!(desk.call(close(person(1))), Ok(RelayFrame::Closed));
        let ended = Event::Ended { address: person(1), reason: EndReason::Closed };
        assert_eq!(desk.events, [ended]);
        assert_eq!(desk.send(1, &ticket).unwrap_err(), revoked);
        assert_eq!(desk.call(close(person(1))), Ok(RelayFrame::Closed));
    });
}

#[test]
fn submit_ids_are_judged_at_the_edges() {
    let hour = START.hour();
    let cases = [
        (hour.minus(46), None),
        (hour.minus(47), Some(Code::Stale)),
        (Hour(0), Some(Code::Stale)),
        (hour.plus(1), None),
        (hour.plus(2), Some(Code::Early)),
        (Hour(u32::MAX), Some(Code::Early)),
    ];
    for (hour, expected) in cases {
        scenario(|desk| {
            open(desk);
            let ticket = desk.mint(9, true);
            let reply = desk.send_as(SubmitId::compose(hour, [1; 12]), b"frame", &ticket);
            assert_eq!(reply.err().map(|refusal| refusal.code), expected, "{hour:?}");
        });
    }
}

#[test]
fn a_repeated_submission_is_answered_alike_however_old_and_stored_once() {
    scenario(|desk| {
        open(desk);
        let ticket = desk.mint(9, true);
        let id = SubmitId::compose(desk.now.hour(), [1; 12]);
        let first = desk.send_as(id, b"frame", &ticket);
        desk.pass_hours(60);
        assert_eq!(desk.send_as(id, b"frame", &ticket), first);
        assert_eq!(desk.events, [Event::Arrived { address: person(1) }]);
        assert_eq!(code(desk.send_as(id, b"other frame", &ticket)), Code::SubmitIdReused);
        assert_eq!(desk.queue(&person(1)).last.0, 1);
        assert_eq!(desk.queue(&person(1)).used, 1);
    });
}

#[test]
fn full_queues_refuse_by_number_and_by_bytes() {
    let few = Limits { mailbox_envelopes_max: 2, ..Limits::default() };
    let small = Limits { mailbox_bytes_max: 2 * 2048, ..Limits::default() };
    for limits in [few, small] {
        check(limits, |desk| {
            open(desk);
            let ticket = desk.mint(9, true);
            desk.send(1, &ticket).unwrap();
            desk.send(2, &ticket).unwrap();
            assert_eq!(code(desk.send(3, &ticket)), Code::MailboxFull);
            desk.call(acknowledge(person(1), 1, &[])).unwrap();
            desk.send(3, &ticket).unwrap();
        });
    }
}

#[test]
fn an_inbox_takes_messages_while_its_certificate_holds() {
    scenario(|desk| {
        assert_eq!(code(desk.write_in(1)), Code::NotAnInbox);
        certify(desk, 1).unwrap();
        desk.write_in(1).unwrap();
        assert_eq!(desk.events, [Event::Arrived { address: bank().inbox }]);
        desk.call(Request::RevokeCertificate { serial: Serial(1) }).unwrap();
        assert_eq!(code(desk.write_in(2)), Code::CertificateRevoked);
        assert_eq!(code(certify(desk, 1)), Code::CertificateRevoked, "a revocation is for good");
        certify(desk, 2).unwrap();
        desk.write_in(2).unwrap();
        desk.pass_hours(91 * 24);
        assert_eq!(code(desk.write_in(3)), Code::CertificateExpired);
    });
}

#[test]
fn an_inbox_belongs_to_the_account_that_was_certified_with_it() {
    scenario(|desk| {
        certify(desk, 1).unwrap();
        let id = SubmitId::compose(desk.now.hour(), [1; 12]);
        let (inbox, account) = (bank().inbox, other_account());
        let digest = Digest::of(b"frame");
        let request = Request::SubmitToInbox { id, digest, inbox, account, envelope: envelope(1) };
        assert_eq!(code(desk.call(request)), Code::NotAnInbox);
    });
}

#[test]
fn an_address_is_a_mailbox_or_an_inbox_never_both() {
    scenario(|desk| {
        let address = bank().inbox;
        desk.call(Request::Open { address }).unwrap();
        assert_eq!(code(certify(desk, 1)), Code::NotCertified);
        desk.call(close(address)).unwrap();
        certify(desk, 1).unwrap();
        assert_eq!(code(desk.call(Request::Open { address })), Code::WrongConnection);
        desk.write_in(1).unwrap();
        assert_eq!(code(desk.call(close(address))), Code::WrongConnection);
        assert_eq!(code(desk.call(revoke(address))), Code::NoMailbox);
    });
}

#[test]
fn a_serial_number_names_one_certificate() {
    scenario(|desk| {
        certify(desk, 1).unwrap();
        certify(desk, 1).unwrap();
        let other = certificate(1, "other", bank(), desk.now.hour());
        let reply = desk.call(Request::Certify { certificate: Box::new(other) });
        assert_eq!(code(reply), Code::NotCertified);
        let reply = desk.call(Request::RevokeCertificate { serial: Serial(2) });
        assert_eq!(code(reply), Code::NotCertified);
    });
}

#[test]
fn an_acknowledgement_is_cumulative_bounded_and_repeatable() {
    scenario(|desk| {
        assert_eq!(code(desk.call(acknowledge(person(1), 0, &[]))), Code::NoMailbox);
        open(desk);
        let ticket = desk.mint(9, true);
        for n in 1..=4 {
            desk.send(n, &ticket).unwrap();
        }
        assert_eq!(code(desk.call(acknowledge(person(1), 5, &[]))), Code::AckBeyondDelivered);
        assert_eq!(code(desk.call(acknowledge(person(1), 2, &[3]))), Code::AckBeyondDelivered);
        desk.call(acknowledge(person(1), 3, &[2])).unwrap();
        assert_eq!(desk.queue(&person(1)).envelopes, 1);
        let before = desk.queue(&person(1));
        desk.call(acknowledge(person(1), 2, &[1])).unwrap();
        assert_eq!(desk.queue(&person(1)), before, "going back changes nothing");
    });
}

#[test]
fn more_than_a_channel_holds_cannot_be_acknowledged_at_once() {
    scenario(|desk| {
        certify(desk, 1).unwrap();
        for n in 0..257u32 {
            let mut random = [0; 12];
            random[..4].copy_from_slice(&n.to_be_bytes());
            let id = SubmitId::compose(desk.now.hour(), random);
            let (inbox, account) = (bank().inbox, bank().account);
            let digest = Digest::of(b"frame");
            let envelope = Envelope::new(vec![0; 2048].into()).unwrap();
            desk.call(Request::SubmitToInbox { id, digest, inbox, account, envelope }).unwrap();
        }
        let reply = desk.call(acknowledge(bank().inbox, 257, &[]));
        assert_eq!(code(reply), Code::AckBeyondDelivered);
        desk.call(acknowledge(bank().inbox, 256, &[])).unwrap();
        desk.call(acknowledge(bank().inbox, 257, &[])).unwrap();
    });
}

#[test]
fn what_needs_a_key_that_is_not_there_is_refused_and_the_rest_is_not() {
    scenario(|desk| {
        open(desk);
        let ticket = desk.mint(9, true);
        desk.pass_hours(24);
        let refusal = desk.send(1, &ticket).unwrap_err();
        assert_eq!(refusal.code, Code::Busy);
        assert!(0 < refusal.retry_after_ms);
        desk.call(Request::Open { address: person(2) }).unwrap();
    });
}

#[test]
fn certificates_are_signed_by_the_fixture_authority() {
    let certificate = certificate(1, "bank", bank(), START.hour());
    certificate.certificate().clone().verify(&authority().public()).unwrap();
}
