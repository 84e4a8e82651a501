//! Names, seals and encodings.

mod columns;

use plico_protocol::envelope::SizeClass;
use plico_protocol::id::{AddressTag, Stamp, SubmitId, TicketId};
use plico_protocol::ledger::{Amount, EntryReason, EntrySequence, Generation, Message, Rate};
use plico_protocol::pricing::Currency;
use plico_protocol::profile::Profile;
use plico_protocol::stamp::{Origin, Reason, StampedOrigin};
use plico_protocol::ticket::{Category, Epoch, Zone};
use plico_protocol::time::{Day, Hour, Minute};

use super::*;
use crate::ledger::{FreeRow, OUTCOMES_PER_ROW, Outcome, PendingRow, Reserved};
use crate::request::Digest;
use crate::writer::fixture::{Seeded, UTILITY, bank, bank_account, keys, person};

fn rows() -> Rows {
    Rows::new(&keys().ring())
}

fn queue() -> QueueRow {
    QueueRow { last: Sequence(9), used: 4, ..QueueRow::new(QueueKind::Inbox, Epoch(77)) }
}

fn origin(of_business: bool) -> OriginRow {
    let origin = Origin {
        account: bank().account,
        tag: AddressTag::new([1; 16]),
        ticket: TicketId::new([2; 16]),
        hour: Hour(3),
        category: Category::Utility,
        reason: Reason::InWindow,
    };
    OriginRow {
        submission: RowName::new([3; 16]),
        expires: Hour(5),
        class: SizeClass::Large,
        origin: of_business.then(|| StampedOrigin { origin, stamp: Stamp::new([4; 32]) }),
        charge: of_business.then(reserved),
        offered: of_business,
    }
}

fn reserved() -> Reserved {
    let (submission, accept) = (SubmitId::compose(Hour(3), [5; 12]), EntrySequence(6));
    let rate = Rate { category: Category::Utility, zone: Zone::UNKNOWN };
    let amount = Amount { millionths: UTILITY, currency: Currency::new(*b"EUR").unwrap() };
    Reserved { message: Message { submission, accept, rate }, amount }
}

fn submission(fate: Fate) -> SubmissionRow {
    SubmissionRow {
        digest: Digest::of(b"frame"),
        to_person: true,
        reason: Reason::OutsideWindow,
        free_until: Minute(7),
        accepted: Hour(24 * 100),
        expires: Hour(24 * 130),
        fate,
        ended: if fate == Fate::Queued { Hour(0) } else { Hour(24 * 100 + 5) },
        charge: (fate == Fate::Delivered).then_some(EntrySequence(6)),
    }
}

fn profile(description: &str) -> ProfileRow {
    let profile = Profile { description: description.to_owned(), ..Profile::default() };
    let profile = profile.sign(&bank_account()).unwrap();
    ProfileRow { issued: Minute(4), profile: profile.signed().clone() }
}

fn check_sealed<R: Sealed + PartialEq + core::fmt::Debug>(values: &[R]) {
    let rows = rows();
    for value in values {
        assert_eq!(value.encode().len(), R::BYTES, "one length per table");
        let change = rows.put(*b"some row", value, &mut Seeded(1));
        let sealed = change.value.unwrap();
        assert_eq!(rows.open::<R>(b"some row", &sealed).as_ref(), Ok(value));
        let moved = rows.open::<R>(b"other row", &sealed);
        assert_eq!(moved, Err(BadRow::Seal { table: R::TABLE.name() }));
        for at in 0..sealed.len() {
            let mut flipped = sealed.to_vec();
            flipped[at] ^= 1;
            let opened = rows.open::<R>(b"some row", &flipped);
            assert_eq!(opened, Err(BadRow::Seal { table: R::TABLE.name() }), "byte {at}");
        }
        assert!(rows.open::<R>(b"some row", &sealed[1..]).is_err());
        assert!(rows.open::<R>(b"some row", &[]).is_err());
    }
}

#[test]
fn sealed_rows_come_back_whole_or_not_at_all() {
    check_sealed(&[queue()]);
    check_sealed(&[origin(true), origin(false)]);
    check_sealed(&[submission(Fate::Queued), submission(Fate::Unreadable)]);
    check_sealed(&[profile(""), profile("open today")]);
    let day = Day(9);
    let mut standing = StandingRow::new(day);
    standing.counts.add(day, 3, 4);
    check_sealed(&[StandingRow::new(day), standing]);
    let swept = SweptRow { forget: Hour(30), settled: Day(9), ..SweptRow::begun(Hour(25)) };
    let pass = Pass { day: Day(10), stage: Stage::Standings, cursor: [7; 16] };
    let restored = SweptRow { generation: Generation(8), pass, ..swept };
    check_sealed(&[restored, swept]);
    check_sealed(&[FreeRow { count: 0 }, FreeRow { count: u64::MAX }]);
    let (account, day) = (bank().account, Day(9));
    let charge = Outcome { of: reserved(), reason: EntryReason::Offered };
    let ended = |count| PendingRow { account, day, charges: vec![charge; count], unasked: 0 };
    check_sealed(&[ended(1), ended(OUTCOMES_PER_ROW), PendingRow { unasked: 500, ..ended(0) }]);
}

#[test]
fn a_seal_is_xchacha20_poly1305_as_another_library_has_it() {
    use chacha20poly1305::aead::{Aead, Payload};
    use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
    let rows = rows();
    let sealed = rows.put(*b"some row", &queue(), &mut Seeded(1)).value.unwrap();
    let (nonce, text) = sealed.split_first_chunk::<24>().unwrap();
    let aad = b"plico/1 value\0\x02some row";
    let cipher = XChaCha20Poly1305::new(keys().ring().seal().expose_secret().into());
    let opened = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: text, aad });
    assert_eq!(opened.unwrap(), queue().encoded());
}

#[test]
fn a_value_sealed_for_one_table_does_not_open_in_another() {
    let rows = rows();
    let sealed = rows.put(*b"row", &queue(), &mut Seeded(1)).value.unwrap();
    assert!(rows.open::<SubmissionRow>(b"row", &sealed).is_err());
}

#[test]
fn names_differ_by_table_and_key() {
    let rows = rows();
    let address = person(1);
    let id = SubmitId::new([0; 16]);
    assert_ne!(rows.queue(&address), rows.queue(&person(2)));
    assert_ne!(
        rows.queue(&address),
        rows.prekeys(&AccountKey::new(*address.as_bytes())),
        "the table is part of the name"
    );
    let hour = Hour(1);
    assert_ne!(rows.bucket(Table::Expiries, hour), rows.bucket(Table::Forgets, hour));
    let other = crate::keys::Keys::in_memory(
        &crate::writer::fixture::authority(),
        crate::writer::fixture::START,
        &mut Seeded(8),
    );
    assert_ne!(rows.submission(&id), Rows::new(&other.ring()).submission(&id));
}

#[test]
fn what_a_persons_device_fetched_shows_when_its_day_is_over_and_other_fates_at_once() {
    use plico_protocol::frame::SubmissionState as State;
    let ended = 24 * 100 + 5;
    let midnight = 24 * 101;
    let cases = [
        (Fate::Delivered, true, midnight - 1, State::Queued),
        (Fate::Delivered, true, midnight, State::Delivered),
        (Fate::Delivered, true, midnight + 47, State::Delivered),
        (Fate::Delivered, true, midnight + 48, State::Unknown),
        (Fate::Delivered, false, ended, State::Delivered),
        (Fate::Unreadable, true, midnight - 1, State::Queued),
        (Fate::Unreadable, true, midnight, State::Unreadable),
        (Fate::Unreadable, false, ended, State::Unreadable),
        (Fate::Expired, true, ended, State::Expired),
        (Fate::Expired, true, ended + 47, State::Expired),
        (Fate::Expired, true, ended + 48, State::Unknown),
        (Fate::Queued, true, 24 * 130 - 1, State::Queued),
        (Fate::Queued, true, 24 * 130, State::Expired),
        (Fate::Queued, true, 24 * 130 + 48, State::Unknown),
    ];
    for (fate, to_person, now, expected) in cases {
        let row = SubmissionRow { to_person, ..submission(fate) };
        assert_eq!(row.state(Hour(now)), expected, "{fate:?} at {now}");
    }
}

#[test]
fn an_acceptance_is_remembered_until_its_id_is_stale() {
    let row =
        SubmissionRow { ended: Hour(24 * 100), to_person: false, ..submission(Fate::Expired) };
    // An id an hour ahead of its acceptance is stale 48 hours after it.
    assert!(row.accepted.plus(48) < row.forgotten());
}
