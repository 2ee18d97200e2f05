//! Text forms of backoffs and deadlines.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{fmt, str::FromStr};

use super::{Backoff, DeadlineSpec, Jitter};
use crate::{
    expr::{Expr, Taker, unknown},
    units::{Number, SimDuration, ValueError, text_value},
};

const JITTERS: [(&str, Jitter); 4] = [
    ("none", Jitter::None),
    ("full", Jitter::Full),
    ("equal", Jitter::Equal),
    ("decorrelated", Jitter::Decorrelated),
];

impl FromStr for Backoff {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        match expr.name.as_str() {
            "constant" => {
                let mut t = Taker::new(&expr, "constant(20ms)")?;
                let wait = t.need_plain()?.read()?;
                t.finish()?;
                Ok(Self::Constant(wait))
            }
            "linear" => {
                let mut t = Taker::new(&expr, "linear(step=20ms max=1s)")?;
                let (step, max) = (t.need_read("step")?, t.read("max")?);
                t.finish()?;
                Ok(Self::Linear { step, max })
            }
            "exponential" => exponential(&expr),
            other => {
                let known =
                    ["none", "constant(20ms)", "linear(step=20ms)", "exponential(base=50ms)"];
                Err(unknown("backoff", other, &known))
            }
        }
    }
}

fn exponential(expr: &Expr) -> Result<Backoff, ValueError> {
    let mut t = Taker::new(expr, "exponential(base=50ms factor=2 max=1s jitter=full)")?;
    let base: SimDuration = t.need_read("base")?;
    let factor = t.read::<Number>("factor")?.map_or(2.0, |n| n.0);
    let max: Option<SimDuration> = t.read("max")?;
    let jitter = t.key("jitter").map(|e| jitter(e.need_word()?)).transpose()?;
    t.finish()?;
    if factor < 1.0 {
        return Err(ValueError::new("E-RANGE", "`factor` must be at least 1"));
    }
    if max.is_some_and(|max| max < base) {
        return Err(ValueError::new("E-RANGE", "`max` must be at least `base`"));
    }
    Ok(Backoff::Exponential { base, factor, max, jitter: jitter.unwrap_or(Jitter::None) })
}

fn jitter(text: &str) -> Result<Jitter, ValueError> {
    let found = JITTERS.iter().find(|j| j.0 == text).map(|j| j.1);
    found.ok_or_else(|| unknown("jitter", text, &["none", "full", "equal", "decorrelated"]))
}

impl fmt::Display for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let top = |max: &Option<SimDuration>| max.map_or_else(String::new, |m| format!(" max={m}"));
        match self {
            Self::Constant(wait) => write!(f, "constant({wait})"),
            Self::Linear { step, max } => write!(f, "linear(step={step}{})", top(max)),
            Self::Exponential { base, factor, max, jitter } => {
                let (name, _) = JITTERS.iter().find(|j| j.1 == *jitter).expect("all are listed");
                let factor = Number(*factor);
                write!(f, "exponential(base={base} factor={factor}{} jitter={name})", top(max))
            }
        }
    }
}

impl FromStr for DeadlineSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text == "propagate" {
            return Ok(Self::Propagate);
        }
        let d: SimDuration = text.parse().map_err(|e: ValueError| match e.code {
            "E-TYPE" => e.help("a duration such as 3s, or `propagate`"),
            _ => e,
        })?;
        if d.0 == 0 {
            Err(ValueError::new("E-RANGE", "must be above 0"))
        } else {
            Ok(Self::Within(d))
        }
    }
}

impl fmt::Display for DeadlineSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within(d) => write!(f, "{d}"),
            Self::Propagate => f.write_str("propagate"),
        }
    }
}

text_value!(
    Backoff,
    "Backoff",
    "wait before another attempt",
    ["constant(20ms)", "exponential(base=50ms max=1s jitter=full)"]
);
text_value!(DeadlineSpec, "Deadline", "a duration, or `propagate`", ["3s", "propagate"]);
