//! JSON numbers as exact decimal values, whatever their size.

use std::borrow::Cow;

/// A number as `± 0.digits × 10^exponent`, in the one form that equal numbers share.
///
/// Nothing is expanded: `1e999999999` takes as much room as its spelling.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decimal<'t> {
    negative: bool,
    /// Neither begins nor ends with a zero; empty for zero.
    digits: Cow<'t, str>,
    /// A decimal integer without superfluous zeros or sign; empty for zero.
    exponent: String,
}

impl<'t> Decimal<'t> {
    /// The value of `number`, which must be spelt as JSON spells numbers.
    pub(super) fn of(number: &'t str) -> Self {
        let (negative, number) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number),
        };
        let (significand, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
        let (whole, fraction) = significand.split_once('.').unwrap_or((significand, ""));
        let all: Cow<'t, str> =
            if fraction.is_empty() { Cow::Borrowed(whole) } else { Cow::Owned(format!("{whole}{fraction}")) };
        let leading_zeros = all.len() - all.trim_start_matches('0').len();
        if leading_zeros == all.len() {
            return Self { negative: false, digits: Cow::Borrowed(""), exponent: String::new() };
        }
        let digits = match all {
            Cow::Borrowed(all) => Cow::Borrowed(all.trim_matches('0')),
            Cow::Owned(all) => Cow::Owned(all.trim_matches('0').to_owned()),
        };
        let point = signed(whole.len()) - signed(leading_zeros);
        Self { negative, digits, exponent: shifted(exponent, point) }
    }
}

fn signed(length: usize) -> i128 {
    i128::try_from(length).expect("a length fits 128 bits")
}

/// `exponent + by`, where `exponent` is a decimal integer of any length and `by` is bounded by the length
/// of a text.
fn shifted(exponent: &str, by: i128) -> String {
    /// So many digits, and the shift added, stay far inside 128 bits.
    const SMALL_DIGITS: usize = 30;

    let (negative, magnitude) = match exponent.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, exponent.strip_prefix('+').unwrap_or(exponent)),
    };
    let magnitude = magnitude.trim_start_matches('0');
    let sign = if negative { -1 } else { 1 };
    if magnitude.len() <= SMALL_DIGITS {
        // An empty magnitude is zero.
        let small = magnitude.bytes().fold(0_i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
        return (sign * small + by).to_string();
    }
    // The magnitude exceeds the shift by far, so that the sign stays: add within the lowest digits, as on paper.
    let mut digits: Vec<u8> = magnitude.bytes().map(|digit| digit - b'0').collect();
    let mut carry = sign * by;
    for digit in digits.iter_mut().rev() {
        if carry == 0 {
            break;
        }
        let sum = i128::from(*digit) + carry;
        *digit = u8::try_from(sum.rem_euclid(10)).expect("a remainder by ten is a digit");
        carry = sum.div_euclid(10);
    }
    let sum: String = digits.iter().map(|digit| char::from(b'0' + digit)).collect();
    let high = if carry == 0 { String::new() } else { carry.to_string() };
    format!("{}{}", if negative { "-" } else { "" }, format!("{high}{sum}").trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(same: bool, pairs: &[(&str, &str)]) {
        for (a, b) in pairs {
            assert_eq!(Decimal::of(a) == Decimal::of(b), same, "{a} and {b}");
            assert_eq!(Decimal::of(b) == Decimal::of(a), same, "{b} and {a}");
        }
    }

    #[test]
    fn one_value_may_be_spelt_in_many_ways() {
        check(
            true,
            &[
                ("1", "1.0"),
                ("1e3", "1000"),
                ("1E+3", "1000.000"),
                ("1.5e-3", "0.0015"),
                ("-0", "0"),
                ("0e999999999999999999999999999999999999999", "-0.00"),
                ("120", "12e1"),
                ("0.1", "1e-1"),
                ("12345678901234567890123", "12345678901234567890.123e3"),
                ("1e999999999", "10e999999998"),
                ("1e0007", "10000000"),
                ("-1.10", "-1.1"),
                (
                    "1e99999999999999999999999999999999999999999",
                    "10e99999999999999999999999999999999999999998",
                ),
                (
                    "10e99999999999999999999999999999999999999999",
                    "1e100000000000000000000000000000000000000000",
                ),
                ("0.01e-9999999999999999999999999999999", "1e-10000000000000000000000000000001"),
                ("0.01e1000000000000000000000000000000", "1e999999999999999999999999999998"),
                ("0.1e1000000000000000000000000000000", "1e999999999999999999999999999999"),
            ],
        );
    }

    #[test]
    fn values_that_a_float_would_confuse_differ() {
        check(
            false,
            &[
                ("1", "-1"),
                ("1", "10"),
                ("0", "1e-999999999"),
                ("9007199254740993", "9007199254740992"),
                ("18446744073709551616", "18446744073709551617"),
                ("0.1", "0.1000000000000000055511151231257827"),
                ("1e999999999", "1e999999998"),
                (
                    "1e99999999999999999999999999999999999999999",
                    "1e99999999999999999999999999999999999999998",
                ),
                ("1e400", "-1e400"),
                ("101", "11"),
                ("1e-1", "1e1"),
            ],
        );
    }
}
