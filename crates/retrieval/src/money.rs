use serde::{Deserialize, Serialize};
use std::{fmt, iter::Sum, ops::Add, str::FromStr};

const MICROS: u64 = 1_000_000;

/// An amount of money in millionths of the currency's unit. Never negative, never a binary fraction; written as a decimal
/// number of six places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Money(u64);

/// A text is not an amount: digits, at most one point, at most six places after it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not an amount such as \"0.0125\": digits, and at most six after the point")]
pub struct InvalidMoney(String);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many millionths.
    #[must_use]
    pub fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0 == 0
    }

    /// In millionths.
    #[must_use]
    pub fn micros(self) -> u64 {
        self.0
    }

    /// What `quantity` costs where `self` is the price of `unit` (both of the same kind: bytes, requests). Rounded up, so that a
    /// plan never promises less than the bill; stops at the largest amount rather than wrap.
    #[must_use]
    pub fn of(self, quantity: u64, unit: u64) -> Self {
        let exact = u128::from(self.0) * u128::from(quantity);
        Self(u64::try_from(exact.div_ceil(u128::from(unit.max(1)))).unwrap_or(u64::MAX))
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / MICROS, self.0 % MICROS)
    }
}

impl FromStr for Money {
    type Err = InvalidMoney;
    fn from_str(s: &str) -> Result<Self, InvalidMoney> {
        let bad = || InvalidMoney(s.chars().take(40).collect());
        let (whole, fraction) = s.split_once('.').unwrap_or((s, "0"));
        let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
            return Err(bad());
        }
        let whole: u64 = whole.parse().map_err(|_| bad())?;
        let micros: u64 = format!("{fraction:0<6}").parse().map_err(|_| bad())?;
        whole.checked_mul(MICROS).and_then(|w| w.checked_add(micros)).map(Self).ok_or_else(bad)
    }
}

impl TryFrom<String> for Money {
    type Error = InvalidMoney;
    fn try_from(s: String) -> Result<Self, InvalidMoney> {
        s.parse()
    }
}

impl From<Money> for String {
    fn from(m: Money) -> Self {
        m.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written_exactly() {
        for (text, micros) in [("0", 0), ("0.00099", 990), ("10.00", 10_000_000), ("12.345678", 12_345_678)] {
            assert_eq!(text.parse::<Money>().unwrap().micros(), micros);
        }
        assert_eq!(Money::from_micros(990).to_string(), "0.000990");
        for bad in ["", "-1", "1.", ".5", "1e3", "0.0000001", "1,5", "99999999999999999999"] {
            assert!(bad.parse::<Money>().is_err(), "{bad}");
        }
    }

    #[test]
    fn costs_round_up_and_never_wrap() {
        let gb = 1_000_000_000;
        assert_eq!(Money::from_micros(10_000).of(gb / 2, gb).micros(), 5_000);
        assert_eq!(Money::from_micros(10_000).of(1, gb).micros(), 1);
        assert_eq!(Money::ZERO.of(u64::MAX, 1), Money::ZERO);
        assert_eq!(Money::from_micros(u64::MAX).of(u64::MAX, 1).micros(), u64::MAX);
    }
}
