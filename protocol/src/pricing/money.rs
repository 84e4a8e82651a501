//! Amounts: whole millionths of the one currency in which a relay bills. Nothing here rounds.

use crate::wire::{DecodeError, Reader, Wire, Writer};

/// An amount of money in millionths of a currency's unit: 50,000 is five cents of a euro.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millionths(pub u64);

/// A currency: three capital letters (ISO 4217).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// Why text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAmount {
    /// Anything but digits with perhaps one point between them.
    #[error("an amount is digits with perhaps a point, such as 0.05, and cannot be negative")]
    NotDecimal,
    /// Finer than a millionth.
    #[error("an amount has at most six digits after the point")]
    TooFine,
    /// More than fits.
    #[error("the amount is too large")]
    TooLarge,
}

impl Millionths {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One unit of a currency.
    pub const UNIT: Self = Self(1_000_000);

    /// The sum, if it fits.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, if it is not negative.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// This amount `count` times, if it fits.
    #[must_use]
    pub fn checked_mul(self, count: u64) -> Option<Self> {
        self.0.checked_mul(count).map(Self)
    }

    /// Reads units as people write them, exactly: `0.05` is 50,000 millionths.
    ///
    /// # Errors
    ///
    /// [`BadAmount`]; nothing is rounded.
    pub fn from_decimal(text: &str) -> Result<Self, BadAmount> {
        let (units, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(units) || !digits(fraction) {
            return Err(BadAmount::NotDecimal);
        }
        if DECIMALS < fraction.len() {
            return Err(BadAmount::TooFine);
        }
        let number = |part: &str| part.parse::<u64>().map_err(|_| BadAmount::TooLarge);
        let fraction = number(&format!("{fraction:0<DECIMALS$}"))?;
        let units = Self::UNIT.checked_mul(number(units)?);
        units.and_then(|units| units.checked_add(Self(fraction))).ok_or(BadAmount::TooLarge)
    }
}

impl Currency {
    /// Takes three capital letters.
    pub fn new(code: [u8; 3]) -> Option<Self> {
        code.iter().all(u8::is_ascii_uppercase).then_some(Self(code))
    }

    /// The three letters.
    pub const fn as_bytes(&self) -> &[u8; 3] {
        &self.0
    }
}

/// Units with two digits after the point, or as many more as there are: `0.05`, `0.0345`.
impl core::fmt::Display for Millionths {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (units, mut fraction) = (self.0 / Self::UNIT.0, self.0 % Self::UNIT.0);
        let mut digits = DECIMALS;
        while 2 < digits && fraction.is_multiple_of(10) {
            fraction /= 10;
            digits -= 1;
        }
        f.pad(&format!("{units}.{fraction:0digits$}"))
    }
}

impl core::fmt::Display for Currency {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

impl Wire for Millionths {
    fn write(&self, out: &mut Writer) {
        out.u64(self.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.u64().map(Self)
    }
}

impl Wire for Currency {
    fn write(&self, out: &mut Writer) {
        out.bytes(&self.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Self::new(reader.array()?).ok_or(DecodeError::BadValue { field: "currency" })
    }
}

/// Digits after the point of a millionth.
const DECIMALS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_exactly_or_not_at_all() {
        let read = Millionths::from_decimal;
        assert_eq!(read("0.05"), Ok(Millionths(50_000)));
        assert_eq!(read("12"), Ok(Millionths(12_000_000)));
        assert_eq!(read("0.000001"), Ok(Millionths(1)));
        assert_eq!(read("0.0000001"), Err(BadAmount::TooFine));
        assert_eq!(read("18446744073709.551615"), Ok(Millionths(u64::MAX)));
        assert_eq!(read("18446744073709.551616"), Err(BadAmount::TooLarge));
        assert_eq!(read("99999999999999999999"), Err(BadAmount::TooLarge));
        for odd in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1_000", "1.2.3", "nan"] {
            assert_eq!(read(odd), Err(BadAmount::NotDecimal), "{odd}");
        }
    }

    #[test]
    fn an_amount_is_written_as_people_write_it_and_reads_back() {
        let cases = [(50_000, "0.05"), (34_500, "0.0345"), (0, "0.00"), (1, "0.000001")];
        for (amount, text) in cases {
            assert_eq!(Millionths(amount).to_string(), text);
            assert_eq!(Millionths::from_decimal(text), Ok(Millionths(amount)));
        }
        assert_eq!(format!("{:>7}|", Millionths(2_500_000)), "   2.50|");
    }

    #[test]
    fn sums_that_do_not_fit_are_none() {
        assert_eq!(Millionths(3).checked_sub(Millionths(2)), Some(Millionths(1)));
        assert_eq!(Millionths(u64::MAX).checked_add(Millionths(1)), None);
        assert_eq!(Millionths(1).checked_sub(Millionths(2)), None);
        assert_eq!(Millionths::UNIT.checked_mul(u64::MAX), None);
    }

    #[test]
    fn a_currency_is_three_capital_letters() {
        assert_eq!(Currency::new(*b"EUR").unwrap().to_string(), "EUR");
        assert_eq!(Currency::new(*b"eur"), None);
        assert!(Currency::decode(b"E1R".to_vec()).is_err());
    }
}
