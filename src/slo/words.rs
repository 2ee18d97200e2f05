//! Single words of an expression.

use super::parse::{self, Op, Word};
use crate::{
    problem::{Problem, Severity, closest},
    units::{Count, Fraction, Money, Number, Rate, SimDuration, ValueError, show::Quantity},
};

/// Meant so, or wrong.
pub(super) type Checked<T> = Result<T, Fault>;

/// What is wrong with one expression.
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) absence: bool,
}

impl Fault {
    /// It is that nothing of the scenario is of some kind, which may be in what could not be read.
    pub(super) fn absent(self) -> Self {
        Self { absence: true, ..self }
    }

    /// As a problem of the expression at this path.
    pub(super) fn at(self, path: String) -> Problem {
        let Self { code, message, help, absence } = self;
        Problem { help, absence, ..Problem::new(Severity::Error, code, path, message) }
    }
}

/// A mistake.
pub(super) fn fault(code: &'static str, message: String, help: Option<String>) -> Fault {
    Fault { code, message, help, absence: false }
}

/// What the metric's values are, and so how its limit is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Dimension {
    Seconds,
    PerSecond,
    Fraction,
    Count,
    Number,
    Money,
    Truth,
}

impl Dimension {
    /// How it is shown.
    pub(super) const fn quantity(self) -> Quantity {
        match self {
            Self::Seconds => Quantity::Duration,
            Self::PerSecond => Quantity::Rate,
            Self::Fraction => Quantity::Share,
            Self::Count | Self::Number => Quantity::Number,
            Self::Money => Quantity::Money,
            Self::Truth => Quantity::Truth,
        }
    }
}

/// The limit in the unit of the results.
pub(super) fn limit(word: &Word, dimension: Dimension) -> Checked<f64> {
    Ok(match dimension {
        // No time at all is the same in every unit.
        Dimension::Seconds if word.text == "0" => 0.0,
        Dimension::Seconds => {
            parsed::<SimDuration>(word, "a duration such as `400ms`")?.0 as f64 / 1e9
        }
        Dimension::PerSecond => parsed::<Rate>(word, "a rate such as `900/s`")?.0,
        Dimension::Fraction => parsed::<Fraction>(word, "a fraction such as `99.9%`")?.0,
        Dimension::Count => parsed::<Count>(word, "a count such as `10`")?.0 as f64,
        Dimension::Number => parsed::<Number>(word, "a number such as `1.2`")?.0,
        Dimension::Money => parsed::<Money>(word, "money such as `$900`")?.0,
        Dimension::Truth => match word.text.as_str() {
            "true" => 1.0,
            "false" => 0.0,
            _ => {
                let message = format!("`{}` is neither true nor false", word.text);
                return Err(fault("E-SLO", message, None));
            }
        },
    })
}

/// Targets that nothing can miss or that no finite run can show (reliability B62).
pub(super) fn sensible(word: &Word, dimension: Dimension, limit: f64, op: Op) -> Checked<()> {
    let comparison = !matches!(op, Op::Equal | Op::NotEqual);
    match dimension {
        Dimension::Fraction if comparison && !(limit > 0.0 && limit < 1.0) => Err(trivial(word)),
        Dimension::Seconds if comparison && limit <= 0.0 => Err(trivial(word)),
        Dimension::Truth if comparison => {
            let help = "for example `metastable(blip) == false`".to_owned();
            Err(fault("E-SLO", "a verdict is `== true` or `== false`".to_owned(), Some(help)))
        }
        _ => Ok(()),
    }
}

pub(super) fn trivial(word: &Word) -> Fault {
    let message =
        format!("`{}` is no target: it can never be missed, or never be shown", word.text);
    fault("E-SLO", message, Some("name a fraction between 0 and 100 %, a time above 0".to_owned()))
}

pub(super) fn parsed<T: std::str::FromStr<Err = ValueError>>(
    word: &Word,
    expected: &str,
) -> Checked<T> {
    word.text.parse().map_err(|error: ValueError| {
        let message = format!("`{}` is not {expected}: {}", word.text, error.message);
        fault("E-SLO", message, error.help)
    })
}

pub(super) fn not_yet(what: &str) -> Fault {
    fault("E-UNSUPPORTED", format!("`{what}` is not supported yet"), None)
}

/// The figure meant by a word that other tools have for it.
pub(super) fn meant(word: &str, depth: usize) -> Option<String> {
    let figure = match word {
        _ if depth > 0 => return None,
        stat if parse::is_stat(stat) => {
            return Some(format!("`{stat}` of what? For example `{stat}(latency) <= 250ms`"));
        }
        "error_rate" | "errors" | "error_fraction" | "failure_rate" | "uptime" | "success_rate" => {
            "availability >= 99%"
        }
        "price" | "prices" | "costs" | "bill" | "budget" => "cost.per_month <= $900",
        "rps" | "qps" | "rate" => "throughput >= 100/s",
        "response_time" | "latencies" | "duration" => "p99(latency) <= 250ms",
        _ => return None,
    };
    Some(format!("for example `{figure}`"))
}

/// "did you mean" with the nearest name, or the list.
pub(super) fn choice<T: AsRef<str>>(name: &str, all: impl Iterator<Item = T>) -> String {
    let all: Vec<T> = all.collect();
    closest(name, all.iter().map(AsRef::as_ref))
}
