//! What a process can run out of: memory, threads, descriptors.
//!
//! **Invariant.** What is used follows from who is inside and how many have been, so it needs no books of
//! its own.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    cause::Cause,
    expr::Expr,
    problem::Problems,
    units::{Count, Fraction, Number, Size, ValueError, text_value},
};

/// What an instance can run out of.
///
/// A request takes its part when it is let in and gives it back with its reply, waiting included.
///
/// ```yaml
/// limits: {memory: {max: 8GB, base: 2GB, per_request: 10MB, leak: 20KB, full: crash}, threads: {max: 500, base: 40, per_request: 1}}
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourcesSpec {
    /// Memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<ResourceSpec>,
    /// Threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<ResourceSpec>,
    /// Open files and connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptors: Option<ResourceSpec>,
    /// Connections at once, idle ones included; beyond it one that is to be opened is `rejected` (cause `too_many_connections`). A call from an
    /// edge without `pool` has one of its own while it is inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<Count>,
}

/// One resource of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceSpec {
    /// All there is.
    pub max: Amount,
    /// What the process uses whether requests come or not; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Amount>,
    /// What a request holds while it is inside; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_request: Option<Amount>,
    /// What a request leaves behind for as long as the process lives; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leak: Option<Amount>,
    /// What becomes of the request for which there is not enough left: `reject` (default) refuses it;
    /// `crash` ends the process with all that is inside, and it starts again (`boot`, `warm`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<Full>,
    /// How many times as long `work` that begins takes by the share in use: `table(70%=1 90%=3)`, linear in
    /// between, constant outside. A collector of garbage has more to do the less memory is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<Strain>,
}

/// What happens when a resource is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Full {
    /// Requests are refused.
    #[default]
    Reject,
    /// The process dies.
    Crash,
}

/// So much of a resource.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// Things.
    Count(u64),
    /// Bytes.
    Bytes(u64),
}

impl Amount {
    fn value(self) -> u64 {
        match self {
            Self::Count(n) | Self::Bytes(n) => n,
        }
    }
}

impl FromStr for Amount {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        // `B` ends every unit of size and no count; `512Mi` is a size that lacks it.
        if text.ends_with(['B', 'i']) {
            return text.parse::<Size>().map(|s| Self::Bytes(s.0));
        }
        text.parse::<Count>().map(|n| Self::Count(n.0))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(n) => Count(*n).fmt(f),
            Self::Bytes(n) => Size(*n).fmt(f),
        }
    }
}

text_value!(Amount, "Amount", "a size (`10MB`) or a count (`500`)", ["10MB", "500"], number);

/// Slowdown by share in use: points (share, factor), shares increasing.
#[derive(Clone, Debug, PartialEq)]
pub struct Strain(pub Vec<(f64, f64)>);

impl Strain {
    /// How many times as long work takes with this share in use.
    fn at(&self, share: f64) -> f64 {
        let next = self.0.partition_point(|p| p.0 <= share);
        match (next.checked_sub(1).map(|i| self.0[i]), self.0.get(next)) {
            (Some(before), Some(after)) => {
                let part = (share - before.0) / (after.0 - before.0);
                before.1 + (after.1 - before.1) * part
            }
            (Some(last), None) => last.1,
            (None, _) => self.0[0].1,
        }
    }
}

impl FromStr for Strain {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        let wrong = |m: &str| ValueError::new("E-EXPR", m).help("write `table(70%=1 90%=3)`");
        if expr.name != "table" || expr.args.is_none() {
            return Err(wrong("a slowdown is a table of share=factor"));
        }
        let mut points = Vec::new();
        for arg in expr.args.iter().flat_map(|a| a.parts.iter()).flatten() {
            let share: Fraction = arg.key.as_deref().unwrap_or_default().parse()?;
            points.push((share.0, arg.value.read::<Number>()?.0));
        }
        let rising = points.windows(2).all(|w| w[0].0 < w[1].0);
        let fit = points.iter().all(|p| (0.001..=1e6).contains(&p.1));
        if points.is_empty() || !rising || !fit {
            return Err(wrong("the shares must rise and every factor be in 0.001..=1000000"));
        }
        Ok(Self(points))
    }
}

impl fmt::Display for Strain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("table(")?;
        for (i, (share, factor)) in self.0.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            write!(f, "{space}{}={}", Fraction(*share), Number(*factor))?;
        }
        f.write_str(")")
    }
}

text_value!(Strain, "Strain", "slowdown by the share in use", ["table(70%=1 90%=3)"]);

impl ResourcesSpec {
    /// Each with its key, and what a request it has no room for is counted under.
    fn all(&self) -> impl Iterator<Item = (&'static str, Cause, &ResourceSpec)> {
        let all = [
            ("memory", Cause::OutOfMemory, &self.memory),
            ("threads", Cause::OutOfThreads, &self.threads),
            ("descriptors", Cause::OutOfDescriptors, &self.descriptors),
        ];
        all.into_iter().filter_map(|(key, cause, spec)| Some((key, cause, spec.as_ref()?)))
    }

    /// Whether a process can die of it.
    pub fn is_mortal(&self) -> bool {
        self.all().any(|(.., spec)| spec.full == Some(Full::Crash))
    }

    /// Whether work takes longer while little is left.
    pub fn strains(&self) -> bool {
        self.all().any(|(.., spec)| spec.slow.is_some())
    }

    /// Checks it.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        if self.connections.is_some_and(|most| most.0 == 0) {
            problems.error("E-RANGE", format!("{path}.connections"), "must be at least 1");
        }
        for (key, _, spec) in self.all() {
            let at = |word: &str| format!("{path}.{key}.{word}");
            let amounts = [
                ("max", Some(spec.max)),
                ("base", spec.base),
                ("per_request", spec.per_request),
                ("leak", spec.leak),
            ];
            for (word, amount) in amounts {
                let Some(amount) = amount else { continue };
                let (fits, help) = match key {
                    "memory" => (matches!(amount, Amount::Bytes(_)), "a size such as `8GB`"),
                    _ => (matches!(amount, Amount::Count(_)), "a count such as `500`"),
                };
                if !fits {
                    let message = format!("`{amount}` is no amount of {key}");
                    problems.error_help("E-UNIT", at(word), message, help);
                }
                if amount.value() > 1 << 50 {
                    problems.error("E-BUDGET", at(word), "is above the limit of 2^50");
                }
            }
            if spec.max.value() == 0 {
                problems.error("E-RANGE", at("max"), "must be above 0");
            }
            let used = |amount: Option<Amount>| amount.map_or(0, Amount::value);
            let least = used(spec.base).saturating_add(used(spec.per_request));
            if least > spec.max.value() && spec.max.value() > 0 {
                problems.warn(
                    "W-FULL",
                    at("max"),
                    "not one request fits: it and `base` take more",
                    "more, or less `base` or `per_request`",
                );
            }
            if used(spec.per_request).saturating_add(used(spec.leak)) == 0 && used(spec.base) == 0 {
                let message = "nothing uses it";
                let help = "give `base`, `per_request` or `leak`";
                problems.error_help("E-MISSING", format!("{path}.{key}"), message, help);
            }
        }
    }
}

/// What is known of an instance that uses resources.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Requests inside.
    pub inside: u64,
    /// Requests that have been inside since the process began.
    pub served: u64,
}

/// A resource, ready to run.
#[derive(Clone, Debug)]
struct Resource {
    name: &'static str,
    cause: Cause,
    max: u64,
    base: u64,
    per_request: u64,
    leak: u64,
    full: Full,
    slow: Option<Strain>,
}

impl Resource {
    fn used(&self, usage: Usage) -> u128 {
        let parts = [(self.per_request, usage.inside), (self.leak, usage.served), (self.base, 1)];
        parts.iter().map(|&(each, times)| u128::from(each) * u128::from(times)).sum()
    }
}

/// The resources of an instance, ready to run.
#[derive(Clone, Debug, Default)]
pub struct Resources(Vec<Resource>);

impl Resources {
    /// Ready to run.
    pub fn new(spec: &ResourcesSpec) -> Self {
        let value = |amount: Option<Amount>| amount.map_or(0, Amount::value);
        let one = |(name, cause, spec): (_, _, &ResourceSpec)| Resource {
            name,
            cause,
            max: spec.max.value(),
            base: value(spec.base),
            per_request: value(spec.per_request),
            leak: value(spec.leak),
            full: spec.full.unwrap_or_default(),
            slow: spec.slow.clone(),
        };
        Self(spec.all().map(one).collect())
    }

    /// What there is not enough of, and what becomes of the request that would need it.
    pub fn lack(&self, usage: Usage) -> Option<(Cause, Full)> {
        let lacks = |r: &&Resource| r.used(usage) > u128::from(r.max);
        self.0.iter().find(lacks).map(|r| (r.cause, r.full))
    }

    /// Each with how much there is of it.
    pub fn bounds(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|r| (r.name, r.max))
    }

    /// How much of one of them is used, at most what there is.
    pub fn used(&self, name: &str, usage: Usage) -> u128 {
        let found = self.0.iter().find(|r| r.name == name);
        found.map_or(0, |r| r.used(usage).min(u128::from(r.max)))
    }

    /// How many times as long work takes.
    pub fn strain(&self, usage: Usage) -> f64 {
        let of = |r: &Resource| {
            let slow = r.slow.as_ref()?;
            Some(slow.at(r.used(usage) as f64 / r.max as f64))
        };
        self.0.iter().filter_map(of).product()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_print_as_they_parse() {
        for text in ["10MB", "500", "2KiB"] {
            assert_eq!(text.parse::<Amount>().unwrap().to_string(), text);
        }
        let strain: Strain = "table(70%=1 90%=3)".parse().unwrap();
        assert_eq!(strain.to_string(), "table(70%=1 90%=3)");
        for (share, factor) in [(0.0, 1.0), (0.7, 1.0), (0.8, 2.0), (0.9, 3.0), (2.0, 3.0)] {
            assert!((strain.at(share) - factor).abs() < 1e-12, "{share}");
        }
        for text in ["table()", "table(90%=3 70%=1)", "table(50%=0)", "90%", "tab(1%=1)"] {
            assert!(text.parse::<Strain>().is_err(), "{text}");
        }
    }
}
