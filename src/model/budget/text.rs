//! Objectives of budgets as text.

use std::{fmt, str::FromStr};

use super::Objective;
use crate::{
    expr::{Expr, Taker, percentile, unknown},
    units::{Fraction, SimDuration, ValueError},
};

const USAGE: &str = "availability(client=web operation=buy) >= 99.9%";
const FIGURES: [&str; 2] = ["availability", "p99(latency ..)"];

fn wrong(message: impl Into<String>) -> ValueError {
    ValueError::new("E-SLO", message).help(format!("such as `{USAGE}` or `p99(latency) <= 300ms`"))
}

impl FromStr for Objective {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let Some(at) = text.find(['<', '>']).filter(|_| !text.contains("baseline")) else {
            return Err(wrong("a budget needs an objective with a limit of its own"));
        };
        let (figure, rest) = text.split_at(at);
        let expr = Expr::parse(figure)?;
        let quantile = percentile(&expr.name);
        let op = if quantile.is_some() { "<=" } else { ">=" };
        if expr.name != "availability" && quantile.is_none() {
            return Err(unknown("figure of a budget", &expr.name, &FIGURES));
        }
        let Some(limit) = rest.strip_prefix(op).map(str::trim) else {
            return Err(wrong(format!("`{}` of a budget is compared by `{op}`", expr.name)));
        };
        let mut t = Taker::new(&expr, USAGE)?;
        if quantile.is_some() && t.plain().and_then(Expr::word) != Some("latency") {
            return Err(wrong(format!("`{0}` of what? `{0}(latency)`", expr.name)));
        }
        let (client, operation) = (t.read("client")?, t.read("operation")?);
        t.finish()?;
        let written = format!("{expr} {op} {limit}");
        let (limit, good) = match quantile {
            Some(good) => (Some(limit.parse::<SimDuration>()?.0), good),
            None => (None, limit.parse::<Fraction>()?.0),
        };
        if good <= 0.0 || good >= 1.0 {
            let message =
                format!("`{written}` leaves no budget: the share must lie between 0 and 100%");
            return Err(ValueError::new("E-RANGE", message));
        }
        if limit == Some(0) {
            return Err(ValueError::new("E-RANGE", "a limit of 0 makes every request bad"));
        }
        Ok(Self { client, operation, limit, good, written })
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_print_as_they_were_written() {
        for (text, limit, good) in [
            ("availability >= 99.9%", None, 0.999),
            ("availability(client=web operation=buy) >= 0.995", None, 0.995),
            ("p99(latency) <= 300ms", Some(300_000_000), 0.99),
            ("p99.9(latency operation=buy) <= 1s", Some(1_000_000_000), 0.999),
        ] {
            let objective: Objective = text.parse().unwrap_or_else(|e| panic!("{text}: {e:?}"));
            assert_eq!(objective.to_string(), text);
            assert_eq!(objective.to_string().parse(), Ok(objective.clone()));
            assert_eq!((objective.limit, objective.good), (limit, good), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, code, phrase) in [
            ("availability", "E-SLO", "limit of its own"),
            ("availability(client=web)", "E-SLO", "limit of its own"),
            ("availability >= baseline - 0.1%", "E-SLO", "limit of its own"),
            ("availability <= 99%", "E-SLO", "compared by `>=`"),
            ("availability > 99%", "E-SLO", "compared by `>=`"),
            ("p99(latency) >= 1s", "E-SLO", "compared by `<=`"),
            ("p99 <= 1s", "E-SLO", "of what"),
            ("p99(latncy) <= 1s", "E-SLO", "of what"),
            ("p99(latency) <= 1", "E-UNIT", "unit"),
            ("p99(latency) <= 0s", "E-RANGE", "every request bad"),
            ("availabilty >= 99%", "E-ENUM", "availabilty"),
            ("availability(node=api) >= 99%", "E-EXPR", "node"),
            ("availability(during=crash) >= 99%", "E-EXPR", "during"),
            ("availability >= 100%", "E-RANGE", "no budget"),
            ("availability >= 0%", "E-RANGE", "no budget"),
            ("availability >= 101%", "E-RANGE", "101%"),
        ] {
            let error = text.parse::<Objective>().unwrap_err();
            let told = error.code == code && error.message.contains(phrase);
            assert!(told, "{text}: {error:?}");
        }
    }
}
