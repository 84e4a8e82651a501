//! What reports and deliveries count for.

use plico_protocol::frame::Sequence;
use plico_protocol::mac::MacKey;
use plico_protocol::report::{Report, Reported};
use plico_protocol::reputation::{AccountStanding, Dues, Inputs, Reputation, Tier};

use super::consent::in_days;
use super::*;

impl Desk<'_> {
    /// A person's report of the message with this sequence in the person's mailbox.
    fn report(&mut self, n: u8, sequence: u64) -> Reported {
        let key = self.facts.rows.queue(&person(n)).at(Sequence(sequence));
        let row = self.facts.origin(&key).unwrap().unwrap();
        let report = Report {
            address: person(n),
            commitment: envelope(1).commitment(),
            class: row.class,
            origin: row.origin.unwrap(),
            disclosure: None,
        };
        let ring = self.facts.ring;
        let day = report.origin.origin.hour.day();
        let stamp: Option<&MacKey> = ring.stamp_to_verify(day, self.now.day());
        let report = report.prove(stamp, ring.tag()).unwrap();
        match self.call(Request::Report { report }).unwrap() {
            RelayFrame::Reported(reported) => reported,
            other => panic!("{other:?}"),
        }
    }

    fn check_counted(&self, reports: u32, deliveries: u32) {
        assert_eq!(self.standing().inputs, Inputs { reports, deliveries });
    }

    fn standing(&self) -> AccountStanding {
        let today = self.now.day();
        self.facts.standing(&bank().account, today).unwrap().shown(today, Dues::default())
    }
}

#[test]
fn a_true_report_counts_once() {
    in_days(|desk| {
        open(desk);
        let standing = desk.mint(50, false);
        desk.send(1, &standing).unwrap();
        assert_eq!(desk.report(1, 1), Reported::Counted);
        assert_eq!(desk.report(1, 1), Reported::Already);
        desk.check_counted(1, 0);
        desk.pass_hours(24);
        assert_eq!(desk.report(1, 1), Reported::Already, "a stamp counts once");
        desk.check_counted(1, 0);
    });
}

#[test]
fn a_mailbox_counts_once_per_account_and_day() {
    in_days(|desk| {
        open(desk);
        let standing = desk.mint(50, false);
        for n in 1..=3 {
            desk.send(n, &standing).unwrap();
            desk.pass_hours(1);
        }
        assert_eq!(desk.report(1, 1), Reported::Counted);
        assert_eq!(desk.report(1, 2), Reported::Already);
        desk.pass_hours(24);
        assert_eq!(desk.report(1, 2), Reported::Counted);
        assert_eq!(desk.report(1, 3), Reported::Already);
        desk.check_counted(2, 0);
    });
}

#[test]
fn what_was_sent_in_a_window_counts_on_neither_side() {
    in_days(|desk| {
        open(desk);
        let ticket = desk.mint(50, true);
        for n in 1..=9 {
            desk.send(n, &ticket).unwrap();
        }
        assert_eq!(desk.report(1, 1), Reported::InWindow);
        desk.call(acknowledge(person(1), 9, &[])).unwrap();
        desk.next_day();
        desk.check_counted(0, 0);
    });
}

#[test]
fn only_what_opened_outside_a_window_is_a_delivery() {
    in_days(|desk| {
        open(desk);
        let standing = desk.mint(50, false);
        for n in 1..=5 {
            desk.send(n, &standing).unwrap();
        }
        desk.call(acknowledge(person(1), 3, &[2])).unwrap();
        desk.check_counted(0, 0);
        desk.next_day();
        desk.check_counted(0, 2);
        desk.call(revoke(person(1))).unwrap();
        desk.next_day();
        desk.check_counted(0, 2);
    });
}

#[test]
fn a_delivery_counts_under_the_day_it_was_made_however_late_it_is_settled() {
    in_days(|desk| {
        open(desk);
        let standing = desk.mint(50, false);
        for n in 1..=2 {
            desk.send(n, &standing).unwrap();
        }
        desk.call(acknowledge(person(1), 1, &[])).unwrap();
        desk.pass_hours(24);
        desk.call(acknowledge(person(1), 2, &[])).unwrap();
        // Six days after the first and five after the second.
        desk.pass_hours(4 * 24);
        desk.next_day();
        desk.check_counted(0, 2);
        desk.next_day();
        desk.check_counted(0, 1);
        desk.next_day();
        desk.check_counted(0, 0);
    });
}

#[test]
fn nobody_is_judged_before_all_deliveries_of_the_day_are_counted() {
    in_days(|desk| {
        // A step of the settlement takes 2,000 rows. 120 reports would suspend against those of one
        // step, and do not against all of them.
        for n in 1..=120 {
            desk.call(Request::Open { address: person(n) }).unwrap();
            let ticket = desk.mint_for(n, 50, false);
            for m in 1..=40 {
                let mut random = [0; 12];
                random[..2].copy_from_slice(&[n, m]);
                let id = SubmitId::compose(desk.now.hour(), random);
                desk.submit(person(n), id, b"frame", &ticket).unwrap();
            }
            assert_eq!(desk.report(n, 1), Reported::Counted);
            desk.call(acknowledge(person(n), 40, &[])).unwrap();
        }
        desk.next_day();
        desk.check_counted(120, 4_800);
        assert!(!desk.standing().reputation.suspended);
    });
}

#[test]
fn a_report_touches_no_row_of_a_mailbox() {
    in_days(|desk| {
        open(desk);
        let standing = desk.mint(50, false);
        desk.send(1, &standing).unwrap();
        let before = desk.queue(&person(1));
        desk.report(1, 1);
        assert_eq!(desk.queue(&person(1)), before);
    });
}

#[test]
fn a_suspended_account_sends_nothing_until_its_operator_restores_it() {
    in_days(|desk| {
        // Twenty people who let the bank write, and report what it wrote.
        for n in 1..=20 {
            desk.call(Request::Open { address: person(n) }).unwrap();
            let ticket = desk.mint_for(n, 50, false);
            desk.send_to(n, n, &ticket).unwrap();
            assert_eq!(desk.report(n, 1), Reported::Counted);
        }
        desk.check_counted(20, 0);
        assert!(!desk.standing().reputation.suspended, "not before deliveries are counted");
        desk.pass_hours(24);
        let ticket = desk.mint_for(1, 50, false);
        desk.send_to(1, 100, &ticket).unwrap();
        let sent = desk.now;
        desk.call(acknowledge(person(1), 2, &[])).unwrap();
        assert!(!desk.standing().reputation.suspended, "nor on the day itself");
        desk.next_day();
        assert!(desk.standing().reputation.suspended);
        let ticket = desk.mint_for(1, 50, false);
        assert_eq!(code(desk.send_to(1, 101, &ticket)), Code::Suspended);
        let again = SubmitId::compose(sent.hour(), [100; 12]);
        let again = desk.submit(person(1), again, b"frame", &ticket);
        again.expect("what was accepted is answered alike");

        let account = bank().account;
        let today = desk.now.day();
        let restored = Reputation { suspended: false, tier: Tier(0), since: today };
        let expected = AccountStanding { reputation: restored, ..AccountStanding::default() };
        let reply = desk.call(Request::Restore { account });
        assert_eq!(reply, Ok(RelayFrame::Standing(expected)));
        assert_eq!(desk.call(Request::Standing { account }), reply);
        assert_eq!(desk.call(Request::Restore { account }), reply, "once more changes nothing");
        desk.send_to(1, 101, &ticket).unwrap();
    });
}
