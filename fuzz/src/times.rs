//! Times as RFC 3339 spells them, section 5.6.

const NANOS: i128 = 1_000_000_000;
const DAY_S: i64 = 86_400;
/// Finer than this is nobody's clock.
const FRACTION_MAX_DIGITS: usize = 9;

/// What a text says of a time.
#[derive(Debug)]
pub enum Time {
    /// Nanoseconds since 1970.
    At(i128),
    /// It is spelt as a time, and there is none such.
    Not,
    /// It is not spelt as one, or is within a leap second, or finer than a nanosecond: nobody says what it means.
    Unsaid,
}

/// The time that `text` spells.
pub fn rfc3339(text: &str) -> Time {
    match parts(text) {
        None => Time::Unsaid,
        Some(parts) if parts.second == 60 => Time::Unsaid,
        Some(parts) => parts.instant().map_or(Time::Not, Time::At),
    }
}

struct Parts {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: i128,
    /// Hours and minutes east of Greenwich, each with the sign.
    offset: (i64, i64),
}

fn parts(text: &str) -> Option<Parts> {
    let (date, rest) = text.split_at_checked(10)?;
    let (time, rest) = rest.strip_prefix(['T', 't'])?.split_at_checked(8)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let (nanos, zone) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(rest) => {
            let (digits, zone) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
            (format!("{digits:0<9}").parse().ok().filter(|_| is_fraction(digits))?, zone)
        }
    };
    let offset = match zone {
        "Z" | "z" => (0, 0),
        _ => {
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            let [hours, minutes] = numbers(zone.strip_prefix(['+', '-'])?, ':', [2, 2])?;
            (sign * hours, sign * minutes)
        }
    };
    Some(Parts { year, month, day, hour, minute, second, nanos, offset })
}

fn is_fraction(digits: &str) -> bool {
    (1..=FRACTION_MAX_DIGITS).contains(&digits.len())
}

/// Numbers of so many digits with `between` between them.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut found = [0; N];
    let mut pieces = text.split(between);
    for (number, digits) in found.iter_mut().zip(digits) {
        let piece = pieces.next().filter(|piece| piece.len() == digits)?;
        *number = piece.bytes().all(|b| b.is_ascii_digit()).then(|| piece.parse().ok()).flatten()?;
    }
    pieces.next().is_none().then_some(found)
}

impl Parts {
    fn instant(&self) -> Option<i128> {
        let Self { year, month, day, hour, minute, second, nanos, offset: (hours, minutes) } = *self;
        let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days_of = |year: i64, month: i64| match month {
            2 => 28 + i64::from(is_leap(year)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let fits = (1..=12).contains(&month)
            && (1..=days_of(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60
            && hours.abs() < 24
            && minutes.abs() < 60;
        // Leap years before this one, and those before 1970, both from the year 0 on, which is one.
        let leaps =
            |year: i64| if year == 0 { 0 } else { (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 + 1 };
        let days = (year - 1970) * 365 + leaps(year) - leaps(1970)
            + (1..month).map(|month| days_of(year, month)).sum::<i64>()
            + day
            - 1;
        let seconds = days * DAY_S + (hour - hours) * 3_600 + (minute - minutes) * 60 + second;
        fits.then(|| i128::from(seconds) * NANOS + nanos)
    }
}
