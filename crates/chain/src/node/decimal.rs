use primitives::{FeeRate, Sats};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::value::RawValue;

/// A number of the node with at most eight decimals (BTC, or BTC per 1,000 virtual bytes), kept
/// as a whole number of hundred-millionths. Read from the digits of the JSON text: no binary
/// floating point in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimal8(u64);

/// Why a text is not such a number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a number from 0 with at most 8 decimals, found `{found}`")]
pub struct DecimalError {
    /// The text, cut at 40 characters.
    pub found: String,
}

/// The node writes eight decimals; an exponent comes only from other software.
const EXPONENT_MAX: i32 = 30;

impl Decimal8 {
    /// Reads the text of a JSON number, with or without an exponent.
    ///
    /// # Errors
    ///
    /// [`DecimalError`] for anything else, a negative number, more than eight decimals that are
    /// not zero, and a number that 64 bits cannot hold.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        digits(text)
            .map(Self)
            .ok_or_else(|| DecimalError { found: text.chars().take(40).collect() })
    }

    /// Hundred-millionths.
    #[must_use]
    pub const fn to_units(self) -> u64 {
        self.0
    }

    /// BTC as satoshis, or `None` above the supply.
    #[must_use]
    pub const fn to_sats(self) -> Option<Sats> {
        match Sats::parse(self.0) {
            Ok(sats) => Some(sats),
            Err(_) => None,
        }
    }

    /// BTC per 1,000 virtual bytes as a fee rate, rounded up: 1,000 virtual bytes are 4,000
    /// weight units (BIP-141).
    #[must_use]
    pub const fn to_fee_rate(self) -> FeeRate {
        FeeRate::from_sat_per_kwu(self.0.div_ceil(4))
    }
}

fn digits(text: &str) -> Option<u64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    if whole.is_empty() || exponent.unsigned_abs() > EXPONENT_MAX.unsigned_abs() {
        return None;
    }
    let mut units: u64 = 0;
    for digit in whole.chars().chain(fraction.chars()) {
        units = units.checked_mul(10)?.checked_add(u64::from(digit.to_digit(10)?))?;
    }
    let shift = exponent.checked_add(8)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let factor = 10_u64.checked_pow(shift.unsigned_abs());
    match (shift, factor) {
        _ if units == 0 => Some(0),
        (0.., Some(factor)) => units.checked_mul(factor),
        (..0, Some(factor)) if units.checked_rem(factor) == Some(0) => units.checked_div(factor),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Decimal8 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_digit_by_digit() {
        for (text, units) in [
            ("0.00001000", 1000),
            ("0.10000001", 10_000_001),
            ("20999999.97690000", 2_099_999_997_690_000),
            ("1e-8", 1),
            ("1E+2", 10_000_000_000),
            ("1.5e-05", 1500),
            ("0.000000010", 1),
            ("0", 0),
            ("0.0e-30", 0),
            ("50", 5_000_000_000),
        ] {
            assert_eq!(Decimal8::parse(text).map(Decimal8::to_units), Ok(units), "{text}");
        }
    }

    #[test]
    fn what_is_no_exact_amount_is_refused() {
        for text in [
            "-1",
            "",
            ".",
            ".5",
            "5.",
            "1e-9",
            "0.000000001",
            "1e999",
            "1e31",
            "\"1\"",
            "null",
            "1,5",
            " 1",
            "NaN",
            "184467440737.09551616",
            "1e+",
            "1-1",
        ] {
            assert!(Decimal8::parse(text).is_err(), "{text}");
        }
        assert_eq!(Decimal8::parse("21000000.00000001").unwrap().to_sats(), None);
    }

    #[test]
    fn a_fee_rate_is_rounded_up_to_a_weight_unit() {
        let rate = |text| Decimal8::parse(text).unwrap().to_fee_rate().to_sat_per_kwu();
        assert_eq!(rate("0.00001000"), 250);
        assert_eq!(rate("0.00001001"), 251);
        assert_eq!(rate("0.00000001"), 1);
    }

    #[test]
    fn it_reads_from_json_inside_a_structure() {
        #[derive(Deserialize)]
        struct Holder {
            value: Decimal8,
        }
        let holder: Holder = serde_json::from_str(r#"{"value": 0.30000000, "other": 1}"#).unwrap();
        assert_eq!(holder.value.to_sats(), Sats::parse(30_000_000).ok());
    }
}
