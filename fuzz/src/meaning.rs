//! When two JSON texts mean the same, written down anew: by comparing values, not their normal forms.

use super::json::{Kind, Refusal, Value, read};

/// What so many digits of an exponent may hold: a limb of a number in this base.
const BASE: i128 = 1_000_000_000_000_000_000;
const BASE_DIGITS: usize = 18;

/// Whether `a` and `b` mean the same; nothing where one of them is too deep to be judged.
pub fn same(a: &str, b: &str) -> Option<bool> {
    match (read(a), read(b)) {
        _ if a == b => Some(true),
        (Err(Refusal::Deep), _) | (_, Err(Refusal::Deep)) => None,
        (Ok(value_a), Ok(value_b)) => Some(values(a, &value_a, b, &value_b)),
        (Err(Refusal::NotJson), _) | (_, Err(Refusal::NotJson)) => Some(false),
    }
}

/// The same for values within texts that were read.
pub fn values(text_a: &str, a: &Value, text_b: &str, b: &Value) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::Word, Kind::Word) => words(a.raw(text_a), b.raw(text_b)),
        (Kind::Text(a), Kind::Text(b)) => a == b,
        (Kind::Array(a), Kind::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| values(text_a, a, text_b, b))
        }
        (Kind::Object(members_a), Kind::Object(members_b)) => {
            if has_twins(members_a) || has_twins(members_b) {
                return bare(text_a, a) == bare(text_b, b);
            }
            let twin = |key: &Value| members_b.iter().find(|(other, _)| units(other) == units(key));
            members_a.len() == members_b.len()
                && members_a
                    .iter()
                    .all(|(key, a)| twin(key).is_some_and(|(_, b)| values(text_a, a, text_b, b)))
        }
        _ => false,
    }
}

fn units(key: &Value) -> &[u16] {
    if let Kind::Text(units) = &key.kind { units } else { &[] }
}

fn has_twins(members: &[(Value, Value)]) -> bool {
    members
        .iter()
        .enumerate()
        .any(|(at, (key, _))| members[..at].iter().any(|(other, _)| units(other) == units(key)))
}

/// The value's text without the blanks between its tokens.
pub fn bare(text: &str, value: &Value) -> String {
    match &value.kind {
        Kind::Word | Kind::Text(_) => value.raw(text).to_owned(),
        Kind::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(|element| bare(text, element)).collect();
            format!("[{}]", elements.join(","))
        }
        Kind::Object(members) => {
            let member = |(key, value): &(Value, Value)| format!("{}:{}", key.raw(text), bare(text, value));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
        }
    }
}

fn words(a: &str, b: &str) -> bool {
    let is_number = |word: &str| !word.starts_with(['t', 'f', 'n']);
    a == b || is_number(a) && is_number(b) && numbers(a, b)
}

/// Whether two numbers are equal: with the points taken out and the zeros at the ends put into the exponents,
/// the digits must be the same and the exponents' difference nothing.
fn numbers(a: &str, b: &str) -> bool {
    let (a, b) = (Parts::of(a), Parts::of(b));
    if a.digits.is_empty() || b.digits.is_empty() {
        return a.digits == b.digits;
    }
    let length = a.exponent.len().max(b.exponent.len());
    let limb = |limbs: &[i128], at: usize| limbs.get(at).copied().unwrap_or(0);
    let mut carry = a.shift - b.shift;
    let all_zero = (0..length).all(|at| {
        let sum = limb(&a.exponent, at) - limb(&b.exponent, at) + carry;
        carry = sum / BASE;
        sum % BASE == 0
    });
    a.negative == b.negative && a.digits == b.digits && all_zero && carry == 0
}

/// `±digits × 10^(exponent + shift)`.
struct Parts {
    negative: bool,
    digits: String,
    /// Limbs, the lowest first, each with the sign of the whole.
    exponent: Vec<i128>,
    shift: i128,
}

impl Parts {
    fn of(number: &str) -> Self {
        let negative = number.starts_with('-');
        let number = number.trim_start_matches('-').to_ascii_lowercase();
        let (significand, exponent) = number.split_once('e').unwrap_or((&number, ""));
        let behind_point = significand.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let all = significand.replace('.', "");
        let digits = all.trim_end_matches('0');
        let shift = (all.len() - digits.len()) as i128 - behind_point as i128;
        Self { negative, digits: digits.trim_start_matches('0').to_owned(), exponent: limbs(exponent), shift }
    }
}

fn limbs(exponent: &str) -> Vec<i128> {
    let sign = if exponent.starts_with('-') { -1 } else { 1 };
    let digits = exponent.trim_start_matches(['-', '+']).as_bytes();
    let limb = |digits: &[u8]| digits.iter().fold(0, |limb, digit| limb * 10 + i128::from(digit - b'0'));
    digits.rchunks(BASE_DIGITS).map(|digits| sign * limb(digits)).collect()
}
