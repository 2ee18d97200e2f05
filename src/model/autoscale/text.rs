//! Text forms of what an autoscaler compares and of its limits.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{fmt, str::FromStr};

use super::{LevelSpec, LimitSpec, MetricSpec};
use crate::{
    expr::{Expr, Taker, unknown},
    units::{Fraction, Name, ValueError, text_value},
};

const METRICS: [(&str, MetricSpec); 5] = [
    ("utilisation", MetricSpec::Utilisation),
    ("requests", MetricSpec::Requests),
    ("in_system", MetricSpec::InSystem),
    ("in_queue", MetricSpec::InQueue),
    ("response_time", MetricSpec::ResponseTime),
];

const DEPTH: &str = "depth(orders)";
const AGE: &str = "age(orders)";
const LAG: &str = "lag(events group=search)";

impl FromStr for MetricSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let name = text.split('(').next().unwrap_or(text).trim();
        if let "depth" | "age" = name {
            let expr = Expr::parse(text)?;
            let usage = format!("{name}(orders)");
            let mut t = Taker::new(&expr, if name == "age" { AGE } else { DEPTH })?;
            let wrong =
                || ValueError::new("E-EXPR", "of which queue?").help(format!("write `{usage}`"));
            let queue = t.plain().ok_or_else(wrong)?.read::<Name>()?;
            t.finish()?;
            return Ok(if name == "age" { Self::Age(queue) } else { Self::Depth(queue) });
        }
        if name == "lag" {
            let expr = Expr::parse(text)?;
            let mut t = Taker::new(&expr, LAG)?;
            let wrong = |what: &str| {
                ValueError::new("E-EXPR", format!("of which {what}?"))
                    .help(format!("write `{LAG}`"))
            };
            let topic = t.plain().ok_or_else(|| wrong("topic"))?.read::<Name>()?;
            let group = t.read::<Name>("group")?.ok_or_else(|| wrong("group"))?;
            t.finish()?;
            return Ok(Self::Lag(topic, group));
        }
        let found = METRICS.iter().find(|(known, _)| *known == text).map(|known| known.1.clone());
        let known = METRICS.iter().map(|known| known.0).chain([DEPTH, AGE, LAG]);
        found.ok_or_else(|| unknown("metric", text, &known.collect::<Vec<_>>()))
    }
}

impl fmt::Display for MetricSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Depth(queue) = self {
            return write!(f, "depth({})", queue.0);
        }
        if let Self::Age(queue) = self {
            return write!(f, "age({})", queue.0);
        }
        if let Self::Lag(topic, group) = self {
            return write!(f, "lag({} group={})", topic.0, group.0);
        }
        let name = METRICS.iter().find(|(_, metric)| metric == self).map_or("", |known| known.0);
        f.write_str(name)
    }
}

text_value!(
    MetricSpec,
    "Metric",
    "a metric such as `utilisation`",
    [
        "utilisation",
        "requests",
        "in_system",
        "in_queue",
        "response_time",
        "depth(orders)",
        "lag(events group=search)"
    ]
);

impl FromStr for LevelSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.contains('%') {
            return text.parse().map(Self::Share);
        }
        if text.contains('/') {
            return text.parse().map(Self::Rate);
        }
        if text.ends_with(|c: char| c.is_ascii_alphabetic()) && !text.ends_with(['k', 'M']) {
            return text.parse().map(Self::Time);
        }
        text.parse().map(Self::Number)
    }
}

impl fmt::Display for LevelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => share.fmt(f),
            Self::Rate(rate) => rate.fmt(f),
            Self::Time(time) => time.fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

text_value!(
    LevelSpec,
    "Level",
    "a share, a rate, a number or a time",
    ["60%", "100/s", "8", "200ms"],
    number
);

impl FromStr for LimitSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        if expr.name != "limit" {
            return Err(unknown("limit", &expr.name, &["limit(count=4 share=100% per=15s)"]));
        }
        let mut t = Taker::new(&expr, "limit(count=4 share=100% per=15s)")?;
        let (count, per) = (t.read("count")?, t.need_read("per")?);
        // More than all there were is a share, too.
        let share = t.key("share").map(|share| share_of(share.need_word()?)).transpose()?;
        if count.is_none() && share.is_none() {
            return Err(t.error("`count`, `share` or both"));
        }
        t.finish()?;
        Ok(Self { count, share, per })
    }
}

/// A share that may be above 100 %.
fn share_of(text: &str) -> Result<Fraction, ValueError> {
    let Some(number) = text.strip_suffix('%') else { return text.parse() };
    let above: Option<f64> = number.parse().ok().filter(|n: &f64| *n > 100.0 && *n <= 1e6);
    match above.filter(|_| number.bytes().all(|b| b.is_ascii_digit() || b == b'.')) {
        Some(percent) => Ok(Fraction(percent / 100.0)),
        None => text.parse(),
    }
}

impl fmt::Display for LimitSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("limit(")?;
        if let Some(count) = self.count {
            write!(f, "count={count} ")?;
        }
        if let Some(share) = self.share {
            write!(f, "share={share} ")?;
        }
        write!(f, "per={})", self.per)
    }
}

text_value!(
    LimitSpec,
    "Limit",
    "a limit such as `limit(count=4 share=100% per=15s)`",
    ["limit(count=4 share=100% per=15s)", "limit(count=1 per=1m)"]
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for text in [
            "limit(count=4 share=100% per=15s)",
            "limit(count=1 per=1m)",
            "limit(share=250% per=30s)",
        ] {
            let limit: LimitSpec = text.parse().unwrap_or_else(|e| panic!("{text}: {e:?}"));
            assert_eq!(limit.to_string(), text);
        }
        for text in ["60%", "100/s", "8", "200ms", "0.5"] {
            let level: LevelSpec = text.parse().unwrap_or_else(|e| panic!("{text}: {e:?}"));
            assert_eq!(level.to_string(), text);
        }
        for (name, metric) in METRICS {
            assert_eq!((name.parse(), metric.to_string()), (Ok(metric), name.to_owned()));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, code) in [
            ("limit(count=4)", "E-EXPR"),
            ("limit(per=15s)", "E-EXPR"),
            ("limits(count=4 per=1s)", "E-ENUM"),
            ("limit(count=4 share=lots per=15s)", "E-"),
        ] {
            let error = text.parse::<LimitSpec>().unwrap_err();
            assert!(error.code.starts_with(code), "{text}: {error:?}");
        }
        let codes = ["depth()", "age()", "lag(t)", "cpu"]
            .map(|text| text.parse::<MetricSpec>().unwrap_err().code);
        assert_eq!(codes, ["E-EXPR", "E-EXPR", "E-EXPR", "E-ENUM"]);
    }
}
