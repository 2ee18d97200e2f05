//! Text forms of backoffs and deadlines.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{fmt, str::FromStr};

use super::{Backoff, DeadlineSpec, Jitter};
use crate::{
    expr::{Expr, Taker, unknown},
    units::{Fraction, Number, SimDuration, ValueError, text_value},
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
                let mut t = Taker::new(&expr, "constant(20ms jitter=20%)")?;
                let wait = t.need_plain()?.read()?;
                let jitter = alike(&mut t)?;
                t.finish()?;
                Ok(Self::Constant { wait, jitter })
            }
            "linear" => {
                let mut t = Taker::new(&expr, "linear(step=20ms max=1s jitter=20%)")?;
                let (step, max, jitter) = (t.need_read("step")?, t.read("max")?, alike(&mut t)?);
                t.finish()?;
                Ok(Self::Linear { step, max, jitter })
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
    let jitter = jitter(&mut t)?;
    t.finish()?;
    if factor < 1.0 {
        return Err(ValueError::new("E-RANGE", "`factor` must be at least 1"));
    }
    if max.is_some_and(|max| max < base) {
        return Err(ValueError::new("E-RANGE", "`max` must be at least `base`"));
    }
    Ok(Backoff::Exponential { base, factor, max, jitter })
}

fn jitter(t: &mut Taker<'_>) -> Result<Jitter, ValueError> {
    let Some(text) = t.key("jitter").map(Expr::need_word).transpose()? else {
        return Ok(Jitter::None);
    };
    if text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.') {
        let share: Fraction = text.parse()?;
        let sound = share.0 > 0.0 && share.0 <= 1.0;
        let range = || ValueError::new("E-RANGE", "`jitter` must be above 0 and at most 100%");
        return sound.then_some(Jitter::Within(share.0)).ok_or_else(range);
    }
    let found = JITTERS.iter().find(|j| j.0 == text).map(|j| j.1);
    found.ok_or_else(|| unknown("jitter", text, &["none", "full", "equal", "decorrelated", "20%"]))
}

/// The jitter of a wait that does not go by the one before.
fn alike(t: &mut Taker<'_>) -> Result<Jitter, ValueError> {
    match jitter(t)? {
        Jitter::Decorrelated => {
            let message = "only an exponential backoff can be `decorrelated`";
            Err(ValueError::new("E-CONFLICT", message))
        }
        other => Ok(other),
    }
}

impl fmt::Display for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, JITTERS.iter().find(|j| j.1 == *self)) {
            (Self::Within(share), _) => Fraction(*share).fmt(f),
            (_, found) => f.write_str(found.map_or("none", |j| j.0)),
        }
    }
}

impl fmt::Display for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let top = |max: &Option<SimDuration>| max.map_or_else(String::new, |m| format!(" max={m}"));
        let some = |jitter: &Jitter| match jitter {
            Jitter::None => String::new(),
            jitter => format!(" jitter={jitter}"),
        };
        match self {
            Self::Constant { wait, jitter } => write!(f, "constant({wait}{})", some(jitter)),
            Self::Linear { step, max, jitter } => {
                write!(f, "linear(step={step}{}{})", top(max), some(jitter))
            }
            Self::Exponential { base, factor, max, jitter } => {
                let factor = Number(*factor);
                write!(f, "exponential(base={base} factor={factor}{} jitter={jitter})", top(max))
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
