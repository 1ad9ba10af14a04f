//! Times, what is told of them, and how figures are printed.

use crate::median::median;

/// Times of one run, in microseconds, sorted.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<f64>);

impl FromIterator<f64> for Times {
    fn from_iter<I: IntoIterator<Item = f64>>(times_us: I) -> Self {
        let mut times_us = Vec::from_iter(times_us);
        times_us.sort_unstable_by(f64::total_cmp);
        Self(times_us)
    }
}

impl Times {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The time that so many of a thousand do not exceed.
    pub(crate) fn percentile_us(&self, of_a_thousand: usize) -> f64 {
        let at = self.0.len().saturating_sub(1) * of_a_thousand / 1000;
        self.0.get(at).copied().unwrap_or(0.0)
    }
}

/// A percentile: the median of the runs' own.
pub(crate) fn percentile<'a>(runs: impl IntoIterator<Item = &'a Times>, of_a_thousand: usize) -> String {
    ms(median(runs.into_iter().map(|times| times.percentile_us(of_a_thousand))))
}

/// The longest of all runs.
pub(crate) fn longest<'a>(runs: impl IntoIterator<Item = &'a Times>) -> String {
    ms(highest(runs.into_iter().map(|times| times.percentile_us(1000))))
}

/// What is told of every kind of times.
pub(crate) fn spread(runs: &[Times]) -> String {
    format!("p50 {}, p99 {}, longest {}", percentile(runs, 500), percentile(runs, 990), longest(runs))
}

/// The highest of some figures.
pub(crate) fn highest(figures: impl IntoIterator<Item = f64>) -> f64 {
    figures.into_iter().fold(f64::MIN, f64::max)
}

/// A number with its thousands apart.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut spaced = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            spaced.push(',');
        }
        spaced.push(digit);
    }
    spaced
}

/// Microseconds as milliseconds.
pub(crate) fn ms(us: f64) -> String {
    format!("{:.2} ms", us / 1000.0)
}
