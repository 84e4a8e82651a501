//! Whether a new connection is let in: connection cap, load, and an allowance for each address
//! prefix. Pure but for one table in memory; the time is an argument.
//!
//! Fails towards `Retry`, which costs an honest client one round trip and an attacker with a
//! forged source address everything. An address is never stored: a prefix becomes a slot of the
//! table under a key drawn at start.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use plico_protocol::time::Timestamp;

use super::limit::{Allowance, Rate};

/// What the listener knows about a connection that wants in.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Whence the datagram claims to come.
    pub from: IpAddr,
    /// Whether a `Retry` has shown that the sender receives there (RFC 9000 §8.1.2).
    pub validated: bool,
    /// Connections open, handshakes included.
    pub open: usize,
    /// Handshakes not yet finished.
    pub handshaking: usize,
}

/// What to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Begin the handshake.
    Accept,
    /// Ask the sender to show that it receives at its address.
    Retry,
    /// Refuse it (RFC 9000 §20.1, CONNECTION_REFUSED).
    Refuse,
}

/// The bounds to compare with.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionLimits {
    /// Connections open at one time.
    pub connections_max: usize,
    /// Unfinished handshakes from which on every address must be validated.
    pub handshaking_before_retry: usize,
    /// Handshakes per minute of one prefix before it must be validated; a minute's worth may come
    /// at once. [`REFUSE_FACTOR`] times as many are refused.
    pub per_minute_per_prefix: u32,
}

/// Allowances of address prefixes. A full table cannot happen: prefixes that share a slot share
/// an allowance, and which ones do nobody outside can compute.
pub struct Admission {
    limits: AdmissionLimits,
    key: RandomState,
    unvalidated: Vec<Allowance>,
    validated: Vec<Allowance>,
}

/// Validated handshakes of a prefix are refused beyond this many times its allowance.
pub const REFUSE_FACTOR: u32 = 10;

impl Admission {
    /// With every prefix's allowance untouched.
    pub fn new(limits: AdmissionLimits) -> Self {
        let table = || vec![Allowance::default(); SLOTS];
        let (unvalidated, validated) = (table(), table());
        Self { limits, key: RandomState::new(), unvalidated, validated }
    }

    /// Decides on one arrival and counts it.
    pub fn decide(&mut self, arrival: &Arrival, now: Timestamp) -> Decision {
        if self.limits.connections_max <= arrival.open {
            return Decision::Refuse;
        }
        let rate = self.limits.per_minute_per_prefix;
        let slot = self.slot(arrival.from);
        // Only validated arrivals count towards refusal: otherwise a forger could have somebody
        // else's network refused.
        if arrival.validated {
            let rate = rate.saturating_mul(REFUSE_FACTOR);
            return match take(&mut self.validated, slot, rate, now) {
                true => Decision::Accept,
                false => Decision::Refuse,
            };
        }
        let calm = arrival.handshaking < self.limits.handshaking_before_retry;
        match take(&mut self.unvalidated, slot, rate, now) && calm {
            true => Decision::Accept,
            false => Decision::Retry,
        }
    }

    fn slot(&self, from: IpAddr) -> usize {
        let hash = self.key.hash_one(network(from));
        usize::try_from(hash % SLOTS_U64).unwrap_or_default()
    }
}

impl core::fmt::Debug for Admission {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { limits, key: _, unvalidated: _, validated: _ } = self;
        f.debug_struct("Admission").field("limits", limits).finish_non_exhaustive()
    }
}

fn take(table: &mut [Allowance], slot: usize, per_minute: u32, now: Timestamp) -> bool {
    let now_us = now.0.saturating_mul(1000);
    let rate = Rate::per_minute(per_minute);
    table.get_mut(slot).is_none_or(|slot| slot.take(rate, now_us).is_ok())
}

/// The /24 of an IPv4 address or the /48 of an IPv6 address: what one customer of a network can
/// usually choose addresses from.
pub(super) fn network(address: IpAddr) -> [u8; 7] {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            [4, a, b, c, 0, 0, 0]
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, ..] = address.octets();
            [6, a, b, c, d, e, f]
        }
    }
}

/// Two tables of this many eight-byte slots: 1 MiB.
const SLOTS: usize = 1 << 16;
const SLOTS_U64: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn admission() -> Admission {
        Admission::new(AdmissionLimits {
            connections_max: 100,
            handshaking_before_retry: 50,
            per_minute_per_prefix: 60,
        })
    }

    fn from(address: &str) -> Arrival {
        Arrival { from: address.parse().unwrap(), validated: false, open: 0, handshaking: 0 }
    }

    #[test]
    fn a_prefix_over_its_allowance_is_asked_to_retry_and_recovers() {
        let mut admission = admission();
        for host in 0..60 {
            let arrival = from(&format!("192.0.2.{host}"));
            assert_eq!(admission.decide(&arrival, NOW), Decision::Accept);
        }
        assert_eq!(admission.decide(&from("192.0.2.99"), NOW), Decision::Retry);
        assert_eq!(admission.decide(&from("::ffff:192.0.2.1"), NOW), Decision::Retry);
        let later = Timestamp(NOW.0 + 1000);
        assert_eq!(admission.decide(&from("192.0.2.99"), later), Decision::Accept);
        assert_eq!(admission.decide(&from("192.0.2.99"), later), Decision::Retry);
    }

    #[test]
    fn a_validated_prefix_is_refused_only_far_over_its_allowance() {
        let mut admission = admission();
        let arrival = Arrival { validated: true, ..from("2001:db8::1") };
        for _ in 0..600 {
            assert_eq!(admission.decide(&arrival, NOW), Decision::Accept);
        }
        assert_eq!(admission.decide(&arrival, NOW), Decision::Refuse);
        let neighbour = Arrival { from: "2001:db8:0:ffff::1".parse().unwrap(), ..arrival };
        assert_eq!(admission.decide(&neighbour, NOW), Decision::Refuse);
    }

    #[test]
    fn forged_arrivals_do_not_have_a_network_refused() {
        let mut admission = admission();
        for _ in 0..10_000 {
            admission.decide(&from("198.51.100.1"), NOW);
        }
        let honest = Arrival { validated: true, ..from("198.51.100.1") };
        assert_eq!(admission.decide(&honest, NOW), Decision::Accept);
    }

    #[test]
    fn load_asks_everybody_to_retry_and_a_full_relay_refuses() {
        let mut admission = admission();
        let busy = Arrival { handshaking: 50, ..from("203.0.113.1") };
        assert_eq!(admission.decide(&busy, NOW), Decision::Retry);
        let full = Arrival { open: 100, validated: true, ..from("203.0.113.1") };
        assert_eq!(admission.decide(&full, NOW), Decision::Refuse);
    }
}
