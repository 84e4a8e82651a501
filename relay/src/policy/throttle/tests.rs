//! Each limit at its limit and one past it.

use std::cell::Cell;

use super::*;

const LIMITS: ThrottleLimits = ThrottleLimits {
    connections_per_prefix_max: 2,
    frames_per_minute_per_prefix: 2,
    mailboxes_opened_per_minute_per_prefix: 3,
    bundles_per_minute_per_prefix: 4,
    submissions_per_minute_per_prefix: 50,
    inbox_share_percent_per_prefix: 40,
    submissions_per_minute_per_account: 5,
    messages_per_minute_per_mailbox: 10,
};
const NOW: u64 = 1_000_000_000_000;

/// Takes until it is refused; gives how many passed, and the refusal.
fn until_refused(mut take: impl FnMut() -> Result<(), Limited>) -> (u32, Limited) {
    (0..).find_map(|count| take().err().map(|limited| (count, limited))).unwrap()
}

#[track_caller]
fn check(
    (rule, passed, limit, ms): (Rule, u32, &str, u32),
    take: impl Fn(&Throttle, u64) -> Result<(), Limited>,
) {
    let throttle = Throttle::new(LIMITS);
    let (count, limited) = until_refused(|| take(&throttle, NOW));
    let expected = Limited { rule, limit: limit.to_owned(), retry_after_ms: ms };
    assert_eq!((count, limited), (passed, expected));
    let later_us = NOW + u64::from(ms) * 1_000;
    assert!(take(&throttle, later_us - 1_000).is_err());
    assert_eq!(take(&throttle, later_us), Ok(()));
}

fn home(throttle: &Throttle) -> Prefix {
    throttle.prefix([192, 0, 2, 7].into())
}

#[test]
fn every_rule_passes_up_to_its_limit_and_refuses_one_more() {
    for rule in Rule::ALL {
        try_limit(*rule);
    }
}

/// A rule that is added does not compile until its limit is tried here.
fn try_limit(rule: Rule) {
    let (inbox, account) = (Address::new([1; 32]), AccountKey::new([2; 32]));
    let limits = |passed, limit, ms| (rule, passed, limit, ms);
    match rule {
        Rule::Frames => {
            check(limits(2, "2 a minute", 30_000), |t, now| t.frame(home(t), now));
        }
        Rule::MailboxesOpened => {
            check(limits(3, "3 a minute", 20_000), |t, now| t.open(home(t), now));
        }
        Rule::Bundles => check(limits(4, "4 a minute", 15_000), |t, now| {
            // Nothing is refused, so nothing says which rule it was.
            let limit = "4 a minute".to_owned();
            let limited = Limited { rule, limit, retry_after_ms: 15_000 };
            if t.one_time_prekey(home(t), now) { Ok(()) } else { Err(limited) }
        }),
        Rule::Submissions => check(limits(50, "50 a minute", 1_200), |t, now| {
            t.to_inbox(home(t), &inbox, 1_000, now)
        }),
        Rule::InboxShare => {
            check(limits(4, "4 a day", 21_600_000), |t, now| t.to_inbox(home(t), &inbox, 10, now))
        }
        Rule::InboxQuota => {
            let network = Cell::new(0);
            check(limits(10, "10 a day", 8_640_000), |t, now| {
                network.set(network.get() + 1);
                t.to_inbox(t.prefix([192, 0, network.get(), 1].into()), &inbox, 10, now)
            });
        }
        Rule::LargeWhileOffline => {
            assert_eq!(while_offline(SizeClass::Medium, || false), Ok(()));
            let limited = while_offline(SizeClass::Large, || false).unwrap_err();
            assert_eq!((limited.rule, limited.retry_after_ms), (rule, 60_000));
            assert_eq!(while_offline(SizeClass::Large, || true), Ok(()));
        }
        Rule::AccountSubmissions => {
            check(limits(5, "5 a minute", 12_000), |t, now| t.account(&account, now));
        }
        Rule::Reach => {
            let (throttle, now) = (Throttle::new(LIMITS), Timestamp(20_001 * 86_400_000 - 1));
            let mut reached = 0;
            let (count, limited) = until_refused(|| {
                reached += 1;
                throttle.reach(&account, &Address::new([reached; 32]), 6, now)
            });
            let limit = "6 mailboxes a day".to_owned();
            assert_eq!((count, limited), (6, Limited { rule, limit, retry_after_ms: 1 }));
        }
        Rule::MailboxMessages => {
            let limits = limits(45, "10 a minute, 45 at once", 6_000);
            check(limits, |t, now| t.mailbox(&inbox, now));
        }
    }
}

#[test]
fn the_quota_of_an_inbox_is_its_own() {
    let throttle = Throttle::new(LIMITS);
    let from = |n: u8| throttle.prefix([192, 0, n, 1].into());
    let to = |n: u8| Address::new([n; 32]);
    for n in 0..10 {
        assert_eq!(throttle.to_inbox(from(n), &to(1), 10, NOW), Ok(()));
    }
    assert!(throttle.to_inbox(from(99), &to(1), 10, NOW).is_err());
    assert_eq!(throttle.to_inbox(from(99), &to(2), 10, NOW), Ok(()));
}

#[test]
fn others_are_served_beside_one_who_has_too_much() {
    let throttle = Throttle::new(LIMITS);
    until_refused(|| throttle.frame(home(&throttle), NOW));
    until_refused(|| throttle.account(&AccountKey::new([2; 32]), NOW));
    assert_eq!(throttle.frame(throttle.prefix([192, 0, 3, 7].into()), NOW), Ok(()));
    assert_eq!(throttle.account(&AccountKey::new([3; 32]), NOW), Ok(()));
    // A neighbour in the same /24 shares the allowance.
    assert!(throttle.frame(throttle.prefix([192, 0, 2, 99].into()), NOW).is_err());
}

#[test]
fn a_network_has_so_many_connections_until_one_ends() {
    let throttle = Throttle::new(LIMITS);
    let first = throttle.enter(home(&throttle)).unwrap();
    let second = throttle.enter(home(&throttle)).unwrap();
    assert!(throttle.enter(home(&throttle)).is_none());
    assert!(throttle.enter(throttle.prefix([192, 0, 3, 7].into())).is_some());
    drop(first);
    assert!(throttle.enter(home(&throttle)).is_some());
    drop(second);
    assert!(lock(&throttle.present).is_empty(), "who is gone is not remembered");
}

#[test]
fn a_refusal_names_rule_and_limit_before_the_text_of_its_code() {
    let refusal = Refusal::from(while_offline(SizeClass::Large, || false).unwrap_err());
    assert_eq!((refusal.code, refusal.retry_after_ms), (Code::RateLimited, 60_000));
    let text = "large_while_offline: at most 8 KiB while it is offline: more than";
    assert!(refusal.text.starts_with(text), "{}", refusal.text);
}
