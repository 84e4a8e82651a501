//! In which country an address lies, by the operator's table of prefixes. In memory only: what
//! comes of an address is two letters, and the address itself goes nowhere.
//!
//! The longest prefix counts. The table is flattened when it is read: sorted boundaries, each with
//! the country from there on, so that a look-up is one binary search.

use std::net::IpAddr;

use plico_protocol::ticket::Zone;

/// Which prefixes lie where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zones {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

/// Why a table of prefixes is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadZones {
    /// A line that is none.
    #[error("line {line}: {why}; write lines such as `192.0.2.0/24 FR` or `2001:db8::/32 DE`")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two countries for one prefix.
    #[error("line {line}: line {earlier} says another country for this prefix; take one out")]
    Twice {
        /// The later line, from 1.
        line: usize,
        /// The earlier one.
        earlier: usize,
    },
    /// More than fits.
    #[error("there are more than {PREFIXES_MAX} prefixes; join neighbours of one country")]
    TooMany,
}

/// A table of IPv6 prefixes that is full takes at most 64 MB: two boundaries of 32 bytes each.
pub const PREFIXES_MAX: usize = 1_000_000;

impl Zones {
    /// Reads a table: on each line a prefix and a country's two letters, separated by a comma or
    /// white space. What follows `#` is for people.
    ///
    /// # Errors
    ///
    /// [`BadZones`].
    pub fn parse(text: &str) -> Result<Self, BadZones> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (at, line) in text.lines().enumerate() {
            let line = Line { number: at + 1, text: line.split('#').next().unwrap_or_default() };
            if line.text.trim().is_empty() {
                continue;
            }
            if v4.len() + v6.len() == PREFIXES_MAX {
                return Err(BadZones::TooMany);
            }
            match line.read()? {
                (IpAddr::V4(address), prefix) => v4.push(prefix.of(u32::from(address))?),
                (IpAddr::V6(address), prefix) => v6.push(prefix.of(u128::from(address))?),
            }
        }
        Ok(Self { v4: Ranges::flatten(v4)?, v6: Ranges::flatten(v6)? })
    }

    /// Where an address lies; [`Zone::UNKNOWN`] where the table does not say.
    pub fn of(&self, address: IpAddr) -> Zone {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.of(u32::from(address)),
            IpAddr::V6(address) => self.v6.of(u128::from(address)),
        }
    }
}

/// A line with its number, from 1.
struct Line<'a> {
    number: usize,
    text: &'a str,
}

/// What a line says beside the address.
struct Prefix {
    length: u8,
    zone: Zone,
    line: usize,
}

/// Addresses from `first` to `last` that lie in `zone`.
struct Range<A> {
    first: A,
    last: A,
    zone: Zone,
    line: usize,
}

/// Sorted boundaries; each holds until the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ranges<A>(Vec<(A, Zone)>);

/// An IP address as a number.
trait Number: Copy + Ord + Default {
    const BITS: u8;

    /// The bits that a prefix of this length leaves open.
    fn open_bits(length: u8) -> Self;

    fn and(self, other: Self) -> Self;

    fn or(self, other: Self) -> Self;

    fn next(self) -> Option<Self>;
}

macro_rules! number {
    ($type:ty, $bits:literal) => {
        impl Number for $type {
            const BITS: u8 = $bits;

            fn open_bits(length: u8) -> Self {
                Self::MAX.checked_shr(u32::from(length)).unwrap_or_default()
            }

            fn and(self, other: Self) -> Self {
                self & other
            }

            fn or(self, other: Self) -> Self {
                self | other
            }

            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }
        }
    };
}
number!(u32, 32);
number!(u128, 128);

impl Line<'_> {
    fn read(&self) -> Result<(IpAddr, Prefix), BadZones> {
        let bad = |why| BadZones::Line { line: self.number, why };
        let words = self.text.split(|c: char| c == ',' || c.is_whitespace());
        let mut words = words.filter(|word| !word.is_empty());
        let (Some(prefix), Some(zone), None) = (words.next(), words.next(), words.next()) else {
            return Err(bad("a prefix and a country are expected"));
        };
        let zone = zone.as_bytes().try_into().ok().and_then(Zone::new);
        let zone = zone.ok_or_else(|| bad("a country is two capital letters"))?;
        let (address, length) =
            prefix.split_once('/').ok_or_else(|| bad("a prefix has a length, such as /24"))?;
        let address = address.parse().map_err(|_| bad("this is no IP address"))?;
        let length = length.parse().map_err(|_| bad("this is no prefix length"))?;
        Ok((address, Prefix { length, zone, line: self.number }))
    }
}

impl Prefix {
    fn of<A: Number>(self, address: A) -> Result<Range<A>, BadZones> {
        let Self { length, zone, line } = self;
        let bad = |why| BadZones::Line { line, why };
        if A::BITS < length {
            return Err(bad("the prefix is longer than the address"));
        }
        let open = A::open_bits(length);
        if address.and(open) != A::default() {
            return Err(bad("the address has bits set after the prefix"));
        }
        Ok(Range { first: address, last: address.or(open), zone, line })
    }
}

impl<A: Number> Ranges<A> {
    /// Prefixes lie inside one another or apart, so those that are open at an address form a
    /// stack, with the longest on top.
    fn flatten(mut ranges: Vec<Range<A>>) -> Result<Self, BadZones> {
        // The wider first where two begin alike.
        ranges.sort_by(|a, b| a.first.cmp(&b.first).then(b.last.cmp(&a.last)));
        let mut flat = Self(Vec::new());
        let mut open: Vec<Range<A>> = Vec::new();
        for range in ranges {
            flat.close(&mut open, Some(range.first));
            if let Some(outer) = open.last()
                && outer.first == range.first
                && outer.last == range.last
            {
                if outer.zone != range.zone {
                    let (earlier, line) = (outer.line.min(range.line), outer.line.max(range.line));
                    return Err(BadZones::Twice { line, earlier });
                }
                continue;
            }
            flat.begin(range.first, range.zone);
            open.push(range);
        }
        flat.close(&mut open, None);
        Ok(flat)
    }

    /// Ends what ends before `next`.
    fn close(&mut self, open: &mut Vec<Range<A>>, next: Option<A>) {
        while let Some(range) = open.pop_if(|range| next.is_none_or(|next| range.last < next)) {
            let outside = open.last().map_or(Zone::UNKNOWN, |outer| outer.zone);
            // Nothing lies behind the last address.
            if let Some(after) = range.last.next() {
                self.begin(after, outside);
            }
        }
    }

    fn begin(&mut self, from: A, zone: Zone) {
        self.0.pop_if(|(before, _)| *before == from);
        if self.of(from) != zone {
            self.0.push((from, zone));
        }
    }

    fn of(&self, address: A) -> Zone {
        let after = self.0.partition_point(|(first, _)| *first <= address);
        let within = after.checked_sub(1).and_then(|at| self.0.get(at));
        within.map_or(Zone::UNKNOWN, |(_, zone)| *zone)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(table: &str, address: &str, zone: &str) {
        let zones = Zones::parse(table).unwrap();
        assert_eq!(zones.of(address.parse().unwrap()).to_string(), zone, "{address}");
    }

    #[test]
    fn the_longest_prefix_counts_to_its_last_address() {
        let table = "192.0.0.0/16 FR # the rest\n192.0.2.0/24,DE\n\n192.0.2.128/25\tAT\n";
        check(table, "192.0.1.255", "FR");
        check(table, "192.0.2.0", "DE");
        check(table, "192.0.2.127", "DE");
        check(table, "192.0.2.128", "AT");
        check(table, "192.0.2.255", "AT");
        check(table, "192.0.3.0", "FR");
        check(table, "192.0.255.255", "FR");
        check(table, "192.1.0.0", "ZZ");
        check(table, "191.255.255.255", "ZZ");
        check(table, "::ffff:192.0.2.1", "DE");
        check(table, "::", "ZZ");
    }

    #[test]
    fn the_ends_of_the_address_space_are_in_it() {
        let table = "0.0.0.0/0 US\n255.255.255.255/32 FR\n::/0 DE\nffff::/16 AT";
        check(table, "0.0.0.0", "US");
        check(table, "255.255.255.254", "US");
        check(table, "255.255.255.255", "FR");
        check(table, "::1", "DE");
        check(table, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "AT");
        check("", "192.0.2.1", "ZZ");
    }

    #[test]
    fn a_mistake_is_named_by_its_line() {
        let bad = |table: &str| Zones::parse(table).unwrap_err().to_string();
        assert!(bad("\n192.0.2.0/24").starts_with("line 2: a prefix and a country"));
        assert!(bad("192.0.2.0 FR").starts_with("line 1: a prefix has a length"));
        assert!(bad("192.0.2/24 FR").starts_with("line 1: this is no IP address"));
        assert!(bad("192.0.2.0/x FR").starts_with("line 1: this is no prefix length"));
        assert!(bad("192.0.2.0/33 FR").starts_with("line 1: the prefix is longer"));
        assert!(bad("192.0.2.1/24 FR").starts_with("line 1: the address has bits"));
        assert!(bad("192.0.2.0/24 fr").starts_with("line 1: a country is two capital"));
        assert!(bad("192.0.2.0/24 FR x").starts_with("line 1: a prefix and a country"));
        assert!(Zones::parse("10.0.0.0/8 FR\n10.0.0.0/8 FR").is_ok());
        let twice = bad("10.0.0.0/8 FR\n10.0.0.0/9 AT\n10.0.0.0/8 DE");
        assert!(twice.starts_with("line 3: line 1 says another country"), "{twice}");
    }

    #[test]
    fn one_prefix_more_than_there_may_be_is_refused() {
        let line = |n: usize| format!("{:x}:{:x}::/32 FR\n", n >> 16, n & 0xffff);
        let mut table: String = (0..PREFIXES_MAX).map(line).collect();
        assert!(Zones::parse(&table).is_ok());
        table.push_str(&line(PREFIXES_MAX));
        assert_eq!(Zones::parse(&table), Err(BadZones::TooMany));
    }

    proptest! {
        #[test]
        fn every_address_is_where_its_longest_prefix_says(
            prefixes in prop::collection::btree_map((0u32..64, 24u8..=32), 0u8..4, 0..40),
            last in 0u32..70,
        ) {
            let mask = |length: u8| u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            let kept: std::collections::BTreeMap<_, _> = prefixes
                .iter()
                .map(|((host, length), zone)| ((host & mask(*length), *length), *zone))
                .collect();
            let zone = |n: u8| Zone::new([b'A', b'A' + n]).unwrap();
            let table: String = kept
                .iter()
                .map(|((host, length), n)| format!("0.0.0.{host}/{length} {}\n", zone(*n)))
                .collect();
            let inside = kept.iter().filter(|((host, length), _)| last & mask(*length) == *host);
            let longest = inside.max_by_key(|((_, length), _)| *length);
            let expected = longest.map_or(Zone::UNKNOWN, |(_, n)| zone(*n));
            let found = Zones::parse(&table).unwrap().of(IpAddr::V4(last.into()));
            prop_assert_eq!(found, expected);
        }
    }
}
