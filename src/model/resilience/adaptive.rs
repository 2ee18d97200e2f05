//! Adaptive concurrency limits: how many requests at once, found out while they are served.
//!
//! **Invariant.** A limit stays within its bounds; it moves by what its own server saw only.

use std::{fmt, str::FromStr};

use crate::{
    expr::{Expr, Taker, unknown},
    units::{Count, Fraction, Number, SimDuration, ValueError},
};

/// How a limit on requests at once finds its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptiveSpec {
    /// What moves it.
    pub rule: Rule,
    /// Its least value.
    pub min: u64,
    /// Its greatest value.
    pub max: u64,
    /// Where it begins.
    pub start: u64,
}

/// What moves a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// One more for each full round of good requests, times `decrease` after a bad one: one that failed
    /// or took longer than `latency` (Chiu and Jain, "Analysis of the Increase and Decrease Algorithms
    /// for Congestion Avoidance in Computer Networks", 1989).
    Aimd {
        /// A request that takes longer is a bad one.
        latency: SimDuration,
        /// The limit becomes so much of what it was.
        decrease: Fraction,
    },
    /// Times what requests take when all is well over what they take now, plus room for a short queue
    /// (after "Performance Under Load", Netflix Technology Blog, 2018).
    Gradient {
        /// So many times as slow as usual is still well.
        tolerance: f64,
    },
}

const AIMD: &str = "aimd(latency=100ms decrease=90% min=1 max=1k start=20)";
/// What does not find its value.
const FIXED: &str = "10 per=client";
const GRADIENT: &str = "gradient(tolerance=1.5 min=1 max=1k start=20)";

impl FromStr for AdaptiveSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        let (mut t, rule) = match expr.name.as_str() {
            "aimd" => {
                let mut t = Taker::new(&expr, AIMD)?;
                let decrease = t.read("decrease")?.unwrap_or(Fraction(0.9));
                let rule = Rule::Aimd { latency: t.need_read("latency")?, decrease };
                (t, rule)
            }
            "gradient" => {
                let mut t = Taker::new(&expr, GRADIENT)?;
                let tolerance = t.read::<Number>("tolerance")?.map_or(1.5, |n| n.0);
                (t, Rule::Gradient { tolerance })
            }
            other => return Err(unknown("limit", other, &[AIMD, GRADIENT, FIXED])),
        };
        let mut count = |key, absent| Ok(t.read::<Count>(key)?.map_or(absent, |n| n.0));
        let (min, max) = (count("min", 1)?, count("max", 1000)?);
        let start = count("start", 20.clamp(min.min(max), max))?;
        if t.key("per").is_some() || t.key("scope").is_some() {
            let message = "a limit that finds its value is one for all requests of an instance";
            return Err(ValueError::new("E-UNSUPPORTED", message).help(format!("write `{FIXED}`")));
        }
        t.finish()?;
        let wrong = |message: &str| Err(ValueError::new("E-RANGE", message));
        match rule {
            _ if min == 0 || min > start || start > max || max > 1 << 24 => {
                wrong("needs 1 <= min <= start <= max")
            }
            Rule::Aimd { decrease, .. } if decrease.0 <= 0.0 || decrease.0 >= 1.0 => {
                wrong("`decrease` is between 0 and 100 %")
            }
            Rule::Gradient { tolerance } if !(1.0..=100.0).contains(&tolerance) => {
                wrong("`tolerance` must be in 1..=100")
            }
            _ => Ok(Self { rule, min, max, start }),
        }
    }
}

impl fmt::Display for AdaptiveSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rule {
            Rule::Aimd { latency, decrease } => {
                write!(f, "aimd(latency={latency} decrease={decrease}")?;
            }
            Rule::Gradient { tolerance } => write!(f, "gradient(tolerance={}", Number(tolerance))?,
        }
        write!(f, " min={} max={} start={})", Count(self.min), Count(self.max), Count(self.start))
    }
}

/// Time over which what requests usually take is remembered, ns.
const USUAL: f64 = 600e9;
/// Weight of one request in the limit's next value.
const SMOOTHING: f64 = 0.2;
/// Room for a queue that comes and goes.
const ROOM: f64 = 4.0;

/// A limit at work.
#[derive(Clone, Debug)]
pub struct Adaptive {
    limit: f64,
    /// What requests usually take, ns.
    usual: f64,
    /// Requests that have ended, and when the last one did.
    seen: (u64, u64),
}

impl Adaptive {
    /// A limit at its start.
    pub fn new(spec: &AdaptiveSpec) -> Self {
        Self { limit: spec.start as f64, usual: 0.0, seen: (0, 0) }
    }

    /// Requests that may be inside at once.
    pub fn limit(&self) -> u64 {
        self.limit as u64
    }

    /// A request ended after `took` ns, with `inside` at work including itself.
    pub fn ended(&mut self, spec: &AdaptiveSpec, (took, now): (u64, u64), ok: bool, inside: u64) {
        // A limit that is not used says nothing about whether more would do.
        let used = 2 * inside >= self.limit();
        let next = match spec.rule {
            Rule::Aimd { latency, decrease } if !ok || took > latency.0 => self.limit * decrease.0,
            Rule::Aimd { .. } => self.limit + if used { 1.0 / self.limit } else { 0.0 },
            Rule::Gradient { .. } if !ok => return,
            Rule::Gradient { tolerance } => {
                let took = took.max(1) as f64;
                let (n, last) = self.seen;
                self.seen = (n + 1, now);
                // A plain mean at first, then one that forgets.
                let weight = ((now - last) as f64 / USUAL).max(1.0 / (n + 1) as f64);
                self.usual += (took - self.usual) * weight.min(1.0);
                if !used {
                    return;
                }
                let gradient = (tolerance * self.usual / took).clamp(0.5, 1.0);
                let aim = self.limit * gradient + ROOM;
                self.limit + (aim - self.limit) * SMOOTHING
            }
        };
        self.limit = next.clamp(spec.min as f64, spec.max as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_printed_reads_back() {
        for text in [AIMD, GRADIENT] {
            assert_eq!(text.parse::<AdaptiveSpec>().unwrap().to_string(), text);
        }
        let short: AdaptiveSpec = "gradient()".parse().unwrap();
        assert_eq!(short.to_string(), GRADIENT);
        for (text, message) in [
            ("aimd()", "needs `latency=`"),
            ("aimd(latency=1ms min=0)", "1 <= min"),
            ("aimd(latency=1ms min=9 start=2)", "1 <= min"),
            ("aimd(latency=1ms decrease=100%)", "between 0 and 100"),
            ("gradient(tolerance=0.5)", "1..=100"),
            ("vegas()", "unknown limit"),
            ("aimd(latency=1ms per=client)", "one for all requests"),
            ("gradient(scope=shared)", "one for all requests"),
        ] {
            let error = text.parse::<AdaptiveSpec>().unwrap_err();
            assert!(error.message.contains(message), "{text}: {}", error.message);
        }
    }

    #[test]
    fn a_limit_grows_by_one_a_round_and_falls_at_once() {
        let spec: AdaptiveSpec = "aimd(latency=10ms start=10)".parse().unwrap();
        let mut limit = Adaptive::new(&spec);
        for _ in 0..11 {
            limit.ended(&spec, (1_000_000, 0), true, 10);
        }
        assert_eq!(limit.limit(), 11);
        limit.ended(&spec, (20_000_000, 0), true, 10);
        assert_eq!(limit.limit(), 9);
        for _ in 0..100 {
            limit.ended(&spec, (1_000_000, 0), true, 1);
        }
        assert_eq!(limit.limit(), 9);
        for _ in 0..100 {
            limit.ended(&spec, (1_000_000, 0), false, 1);
        }
        assert_eq!(limit.limit(), 1);
    }
}
