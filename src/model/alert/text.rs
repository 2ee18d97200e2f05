//! Text form of what an alert is about: `error_fraction(node=api window=30s) > 1%`.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{fmt, str::FromStr};

use super::{Condition, Op, Signal, Source};
use crate::{
    expr::{Expr, Taker, percentile, unknown},
    units::{Fraction, Name, Number, Rate, SimDuration, ValueError},
};

const USAGE: &str = "error_fraction(node=api window=30s) > 1%";
const FIGURES: [&str; 11] = [
    "error_fraction",
    "availability",
    "p99(latency ..)",
    "utilisation",
    "in_queue",
    "throughput",
    "instances",
    "depth",
    "age",
    "lag",
    "cold_share",
];

fn wrong(message: impl Into<String>) -> ValueError {
    ValueError::new("E-EXPR", message).help(format!("such as `{USAGE}`"))
}

impl FromStr for Condition {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let Some(at) = text.find(['<', '>']) else {
            return Err(wrong("there is nothing to compare: one of > >= < <="));
        };
        let (figure, rest) = text.split_at(at);
        let (op, limit) =
            [(">=", Op::AtLeast), ("<=", Op::AtMost), (">", Op::Above), ("<", Op::Below)]
                .into_iter()
                .find_map(|(sign, op)| Some((op, rest.strip_prefix(sign)?.trim())))
                .expect("it begins with one of them");
        let expr = Expr::parse(figure)?;
        let (signal, of, group, window) = measure(&expr)?;
        let value = match signal {
            Signal::ErrorFraction
            | Signal::Availability
            | Signal::Utilisation
            | Signal::ColdShare => limit.parse::<Fraction>().map(|x| x.0),
            Signal::Latency(_) | Signal::Age => {
                limit.parse::<SimDuration>().map(|x| x.0 as f64 / 1e9)
            }
            Signal::InQueue | Signal::Instances | Signal::Depth | Signal::Lag => {
                limit.parse::<Number>().map(|x| x.0)
            }
            Signal::Throughput => limit.parse::<Rate>().map(|x| x.0),
        }?;
        let written = format!("{expr} {} {limit}", op.sign());
        Ok(Self { signal, of, group, window, op, limit: value, written })
    }
}

/// What is measured, of whom, for which group, over how long.
type Measured = (Signal, Source, Option<Name>, Option<SimDuration>);

/// What stands before the comparison.
fn measure(expr: &Expr) -> Result<Measured, ValueError> {
    let mut t = Taker::new(expr, USAGE)?;
    let quantile = percentile(&expr.name);
    let signal = match (expr.name.as_str(), quantile) {
        ("error_fraction", _) => Signal::ErrorFraction,
        ("availability", _) => Signal::Availability,
        ("utilisation", _) => Signal::Utilisation,
        ("in_queue", _) => Signal::InQueue,
        ("throughput", _) => Signal::Throughput,
        ("instances", _) => Signal::Instances,
        ("depth", _) => Signal::Depth,
        ("age", _) => Signal::Age,
        ("lag", _) => Signal::Lag,
        ("cold_share", _) => Signal::ColdShare,
        (_, Some(quantile)) => Signal::Latency(quantile),
        (other, None) => return Err(unknown("figure", other, &FIGURES)),
    };
    if quantile.is_some() && t.plain().and_then(Expr::word) != Some("latency") {
        return Err(wrong(format!("`{}` of what? `{}(latency ..)`", expr.name, expr.name)));
    }
    let names: [(&str, fn(Name) -> Source); 3] =
        [("client", Source::Client), ("node", Source::Node), ("deploy", Source::Deploy)];
    let mut of = None;
    for (key, source) in names {
        if let Some(name) = t.read::<Name>(key)?
            && of.replace(source(name)).is_some()
        {
            return Err(wrong("one of `client=`, `node=`, `deploy=`"));
        }
    }
    let of = of.unwrap_or(Source::Clients);
    let group = if signal == Signal::Lag { t.read("group")? } else { None };
    let window = t.read("window")?;
    t.finish()?;
    let fits = match signal {
        Signal::ErrorFraction | Signal::Availability => true,
        Signal::Latency(_) => !matches!(of, Source::Deploy(_)),
        Signal::Utilisation
        | Signal::InQueue
        | Signal::Throughput
        | Signal::Instances
        | Signal::Depth
        | Signal::Age
        | Signal::Lag
        | Signal::ColdShare => {
            matches!(of, Source::Node(_))
        }
    };
    if !fits {
        return Err(wrong(format!("`{}` is of a node: `node=api`", expr.name)));
    }
    Ok((signal, of, group, window))
}

impl Op {
    const fn sign(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Below => "<",
            Self::AtMost => "<=",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_print_as_they_were_written() {
        for text in [
            "error_fraction(node=api window=30s) > 1%",
            "availability < 99.9%",
            "availability(client=web window=5m) <= 0.99",
            "p99(latency client=web window=1m) > 400ms",
            "p999(latency node=api) >= 1s",
            "utilisation(node=api window=1m) > 90%",
            "in_queue(node=api) > 500",
            "throughput(node=api window=1m) < 5/s",
            "instances(node=api window=1m) < 3",
            "depth(node=orders) > 1k",
            "lag(node=events group=search) > 1000",
            "age(node=orders) > 5m",
            "cold_share(node=resize window=1m) > 5%",
            "error_fraction(deploy=roll window=30s) > 5%",
        ] {
            let condition: Condition = text.parse().unwrap_or_else(|e| panic!("{text}: {e:?}"));
            assert_eq!(condition.to_string(), text);
            assert_eq!(condition.to_string().parse(), Ok(condition));
        }
        let plain: Condition = "p50(latency)>0.2s".parse().unwrap();
        assert_eq!((plain.signal, plain.of), (Signal::Latency(0.5), Source::Clients));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, code, phrase) in [
            ("error_fraction(node=api)", "E-EXPR", "nothing to compare"),
            ("error_fraction(node=api) == 1%", "E-EXPR", "nothing to compare"),
            ("error_faction(node=api) > 1%", "E-ENUM", "error_faction"),
            ("p99(latncy) > 1s", "E-EXPR", "of what"),
            ("p99 > 1s", "E-EXPR", "of what"),
            ("p99(latency) > 1", "E-UNIT", "unit"),
            ("in_queue > 5", "E-EXPR", "is of a node"),
            ("p99(latency deploy=roll) > 1s", "E-EXPR", "is of a node"),
            ("in_queue(client=web) > 5", "E-EXPR", "is of a node"),
            ("availability(client=a node=b) < 99%", "E-EXPR", "one of"),
            ("availability(windw=9s) < 99%", "E-EXPR", "windw"),
            ("availability(window=9) < 99%", "E-UNIT", "unit"),
            ("availability < 101%", "E-RANGE", "101%"),
            ("availability <", "E-", ""),
        ] {
            let error = text.parse::<Condition>().unwrap_err();
            let told = error.code.starts_with(code) && error.message.contains(phrase);
            assert!(told, "{text}: {error:?}");
        }
    }
}
