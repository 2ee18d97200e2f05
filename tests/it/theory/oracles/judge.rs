//! The rule of the oracles: a figure is refuted only if its 99 % interval over the seeds misses the
//! tolerance band.
//!
//! **Invariant.** The unit of an interval is the seed, never the request.

use serde_json::Value;
use windtunnel::stats;

use super::{Case, Entry, evaluate, run::Measured};

/// Confidence of the intervals.
const CONFIDENCE: f64 = 0.99;

/// A measured metric beside its answer.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) id: String,
    pub(crate) metric: String,
    pub(crate) expression: String,
    pub(crate) expected: f64,
    /// Half-width of the accepted band around the answer.
    pub(crate) tolerance: f64,
    /// The answer is an upper bound.
    pub(crate) bound: bool,
    pub(crate) value: f64,
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The value itself lies in the band.
    Agrees,
    /// Only the interval reaches into the band.
    Reaches,
    /// The interval misses the band.
    Refuted,
}

impl Judged {
    pub(crate) fn verdict(&self) -> Verdict {
        let high = self.expected + self.tolerance;
        let low = if self.bound { f64::NEG_INFINITY } else { self.expected - self.tolerance };
        if (low..=high).contains(&self.value) {
            Verdict::Agrees
        } else if self.upper >= low && self.lower <= high {
            Verdict::Reaches
        } else {
            Verdict::Refuted
        }
    }
}

/// Judges one metric of a case.
pub(crate) fn judge(
    entry: &Entry,
    case: &Case,
    (metric, expression): &(String, String),
    measured: &Measured,
) -> Judged {
    let id = format!("{}{}", entry.id, case.label);
    let expected = entry.expected[metric].as_f64().expect("a measured answer is a number");
    let value = evaluate(expression, &measured.merged);
    let value = value.unwrap_or_else(|| panic!("{id}: nothing observed for {expression}"));
    let each: Vec<f64> =
        measured.each.iter().filter_map(|results| evaluate(expression, results)).collect();
    let (lower, upper) = stats::interval_around(value, &each, CONFIDENCE)
        .unwrap_or_else(|| panic!("{id}: no interval for {expression}"));
    Judged {
        id,
        metric: metric.clone(),
        expression: expression.clone(),
        expected,
        tolerance: tolerance(entry, metric, expected),
        bound: metric.contains("upper_bound"),
        value,
        lower,
        upper,
    }
}

/// A number is relative, `abs x` absolute, `on 1-A` relative to what is missing to 1. Around an
/// answer of 0 a relative band is empty: there the number is taken of one time unit (the mean service
/// time of every such entry).
fn tolerance(entry: &Entry, metric: &str, expected: f64) -> f64 {
    let relative = |fraction: f64| {
        if expected == 0.0 { fraction } else { fraction * expected.abs() }
    };
    let whole = metric.split('.').next().unwrap_or(metric);
    match entry.tol.get(metric).or_else(|| entry.tol.get(whole)) {
        None => relative(entry.rel_tol),
        Some(Value::String(text)) if text == "on 1-A" => entry.rel_tol * (1.0 - expected),
        Some(Value::String(text)) => {
            let number = text.strip_prefix("abs ").and_then(|t| t.parse().ok());
            number.unwrap_or_else(|| panic!("{}: tolerance `{text}`", entry.id))
        }
        Some(number) => relative(number.as_f64().expect("a tolerance is a number")),
    }
}
