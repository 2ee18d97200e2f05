//! The numbers before a design: from users of a day to requests, bytes, machines, each with its formula; beside them what a
//! simulation of the design measured.
//!
//! **Invariant.** A formula is the one its figure was worked out by, with the numbers in it.

mod bias;
mod cache;
mod machines;
mod waits;

pub use bias::{Bias, biases};
pub use machines::{Measured, WaitAsked};

use crate::{
    results::Estimate,
    scenario::requirements::{DAY, KeepSpec, RequirementsSpec, YEAR},
    units::{
        Count, Name, Size,
        show::{Quantity, grouped, value as value_of},
    },
};

/// From how far off on what was simulated is flagged, as a share.
const FAR_OFF: f64 = 0.1;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Requests.
    Traffic,
    /// What is kept.
    Storage,
    /// What comes in and goes out.
    Bandwidth,
    /// What is kept at hand.
    Cache,
    /// Who does the work.
    Machines,
    /// What they cost.
    Cost,
}

impl Group {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Traffic => "traffic",
            Self::Storage => "storage",
            Self::Bandwidth => "bandwidth",
            Self::Cache => "cache",
            Self::Machines => "machines",
            Self::Cost => "cost",
        }
    }
}

/// What a value is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Requests per second.
    Requests,
    /// Something else per second.
    PerSecond,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// A whole number.
    Count,
    /// A share of 1.
    Share,
    /// US dollars a month.
    Dollars,
}

impl Unit {
    /// In documents for machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests/s",
            Self::PerSecond => "/s",
            Self::Bytes => "B",
            Self::BytesPerSecond => "B/s",
            Self::Count => "number",
            Self::Share => "fraction",
            Self::Dollars => "$/month",
        }
    }

    /// A value as people read it.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Requests => format!("{} req/s", number(value)),
            Self::PerSecond => format!("{} /s", number(value)),
            Self::Bytes => bytes(value),
            Self::BytesPerSecond => format!("{}/s", bytes(value)),
            Self::Count => number(value),
            Self::Share => value_of(Quantity::Share, value),
            Self::Dollars => {
                format!("{} a month", value_of(Quantity::Money, value))
            }
        }
    }
}

/// A line of the estimate.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it is about.
    pub group: Group,
    /// Of what in that.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// What it is in.
    pub unit: Unit,
    /// How it was worked out.
    pub formula: String,
    /// The same as a simulation measured it.
    pub simulated: Option<Estimate>,
    /// Why that is something else, if it is.
    pub flag: Option<String>,
}

impl Line {
    fn new(
        (group, name): (Group, impl Into<String>),
        (value, unit): (f64, Unit),
        formula: impl Into<String>,
    ) -> Self {
        let (name, formula) = (name.into(), formula.into());
        Self { group, name, value, unit, formula, simulated: None, flag: None }
    }

    /// Whether what was simulated is far from it.
    fn is_off(&self) -> bool {
        let simulated = self.simulated.as_ref().and_then(|estimate| estimate.value);
        simulated.is_some_and(|seen| (seen - self.value).abs() > FAR_OFF * self.value)
    }
}

/// The estimate, beside what was measured of a design.
#[must_use]
pub fn plan(required: &RequirementsSpec, measured: Option<&Measured<'_>>) -> Vec<Line> {
    let mut lines = traffic(required);
    lines.extend(storage(required));
    lines.extend(bandwidth(required));
    lines.extend(cache::lines(required));
    if let Some(measured) = measured {
        machines::traffic(&mut lines, measured);
        lines.extend(machines::lines(required, measured));
    }
    lines
}

/// A figure with four digits and thousands separators.
fn number(value: f64) -> String {
    let whole = value.abs() >= 1000.0 || (value - value.round()).abs() < 1e-9;
    if whole { grouped(value, 0) } else { trimmed(&value_of(Quantity::Number, value)) }
}

/// Without zeros behind the point.
fn trimmed(shown: &str) -> String {
    let short =
        if shown.contains('.') { shown.trim_end_matches('0').trim_end_matches('.') } else { shown };
    short.to_owned()
}

/// Users, by their thousands.
fn users_of(required: &RequirementsSpec) -> String {
    let daily = required.users.daily();
    if (daily - daily.round()).abs() < 1e-6 {
        Count(daily as u64).to_string()
    } else {
        number(daily)
    }
}

/// Bytes by their thousands.
fn bytes(value: f64) -> String {
    const UNITS: [&str; 7] = ["B", "KB", "MB", "GB", "TB", "PB", "EB"];
    let mut size = value;
    let mut unit = 0;
    while size >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    format!("{} {}", trimmed(&value_of(Quantity::Number, size)), UNITS[unit])
}

/// Numbers added up: in brackets, if there are several.
fn sum(parts: &[String]) -> String {
    match parts {
        [one] => one.clone(),
        several => format!("({})", several.join(" + ")),
    }
}

fn traffic(required: &RequirementsSpec) -> Vec<Line> {
    let group = Group::Traffic;
    let (average, peak) = (required.average(|_| true), required.peak());
    let each: Vec<String> =
        required.actions.values().map(|action| number(action.0.rate.0 * DAY)).collect();
    let users = users_of(required);
    let mut lines = Vec::new();
    if !required.users.0.is_of_a_day() {
        let formula = format!("{} x {}", required.users.0.monthly, required.users.0.daily);
        lines.push(Line::new(
            (group, "users a day"),
            (required.users.daily(), Unit::Count),
            formula,
        ));
    }
    let formula = format!("{users} x {} / 86,400 s", sum(&each));
    lines.push(Line::new((group, "average"), (average, Unit::Requests), formula));
    let formula = format!("{} x {}", number(average), number(peak));
    lines.push(Line::new((group, "peak"), (average * peak, Unit::Requests), formula));
    for name in required.actions.keys().filter(|_| required.actions.len() > 1) {
        let own = required.average(|of| of == name.0) * peak;
        let rate = number(required.actions[name].0.rate.0 * DAY);
        let formula = format!("{users} x {rate} / 86,400 s x {}", number(peak));
        lines.push(Line::new(
            (group, format!("{} at the peak", name.0)),
            (own, Unit::Requests),
            formula,
        ));
    }
    for (word, of) in [
        ("reads", (|a| a.0.reads) as fn(&super::scenario::requirements::ActionSpec) -> Option<_>),
        ("writes", |a| a.0.writes),
    ] {
        let some = required.actions.iter().filter_map(|(name, action)| {
            let times = of(action).filter(|times| times.0 > 0.0)?.0;
            let rate = required.average(|other| other == name.0) * peak;
            Some((rate * times, format!("{} x {}", number(rate), number(times))))
        });
        let some: Vec<(f64, String)> = some.collect();
        if !some.is_empty() {
            let total = some.iter().map(|(rate, _)| rate).sum();
            let formula = some.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" + ");
            lines.push(Line::new(
                (group, format!("{word} at the peak")),
                (total, Unit::PerSecond),
                formula,
            ));
        }
    }
    lines
}

/// What is kept of something, in bytes: of a day, of the first year with all copies, and in the end.
fn kept(
    required: &RequirementsSpec,
    (name, keep): (&Name, &KeepSpec),
    lines: &mut Vec<Line>,
) -> f64 {
    let group = Group::Storage;
    let rate = required.actions.get(&keep.per).map_or(0.0, |action| action.0.rate.0) * DAY;
    let users = required.users.daily();
    let daily = users * rate * keep.size.0 as f64;
    let formula = format!("{} x {} x {}", users_of(required), number(rate), Size(keep.size.0));
    lines.push(Line::new((group, format!("{} a day", name.0)), (daily, Unit::Bytes), formula));
    let smaller = keep.compression.map_or(1.0, |by| by.0);
    let copies = keep.copies() as f64;
    let year = daily * YEAR * copies / smaller;
    let backups = keep.backups.map_or(0, |n| n.0);
    let of_copies = match (copies, backups) {
        (1.0, _) => String::new(),
        (_, 0) => format!(" x {copies}"),
        _ => format!(" x ({} + {backups})", copies - backups as f64),
    };
    let of_size = if smaller == 1.0 { String::new() } else { format!(" / {}", number(smaller)) };
    let formula = format!("{} x 365{of_copies}{of_size}", bytes(daily));
    lines.push(Line::new((group, format!("{} in year one", name.0)), (year, Unit::Bytes), formula));
    let growth = 1.0 + required.growth.map_or(0.0, |growth| growth.0.0);
    let years = keep.for_.days / YEAR;
    let (whole, part) = (libm::floor(years), years - libm::floor(years));
    let mut times = 0.0;
    let mut terms = Vec::new();
    for i in 0..=whole as u64 {
        let share = if (i as f64) < whole { 1.0 } else { part };
        if share > 1e-9 {
            let grown = libm::pow(growth, i as f64);
            times += share * grown;
            terms.push(number(share * grown));
        }
    }
    if terms.len() > 4 {
        terms = vec![
            terms[0].clone(),
            terms[1].clone(),
            "..".to_owned(),
            terms[terms.len() - 1].clone(),
        ];
    }
    let formula = format!("{} x {}", bytes(year), sum(&terms));
    let end = format!("{} after {}", name.0, keep.for_);
    lines.push(Line::new((group, end), (year * times, Unit::Bytes), formula));
    year * times
}

fn storage(required: &RequirementsSpec) -> Vec<Line> {
    let mut lines = Vec::new();
    let ends: Vec<f64> = required.keep.iter().map(|of| kept(required, of, &mut lines)).collect();
    if ends.len() > 1 {
        let formula = ends.iter().map(|end| bytes(*end)).collect::<Vec<_>>().join(" + ");
        let total = ends.iter().sum();
        lines.push(Line::new((Group::Storage, "all of it"), (total, Unit::Bytes), formula));
    }
    lines
}

fn bandwidth(required: &RequirementsSpec) -> Vec<Line> {
    let mut lines = Vec::new();
    for (word, comes) in [("in", true), ("out", false)] {
        let some = required.actions.iter().filter_map(|(name, action)| {
            let size = if comes { action.0.in_ } else { action.0.out }?;
            let rate = required.average(|other| other == name.0) * required.peak();
            let text = format!("{} x {size}", number(rate));
            (size.0 > 0).then_some((rate * size.0 as f64, text))
        });
        let some: Vec<(f64, String)> = some.collect();
        if some.is_empty() {
            continue;
        }
        let total: f64 = some.iter().map(|(rate, _)| rate).sum();
        let formula = some.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" + ");
        let name = format!("{word} at the peak");
        lines.push(Line::new((Group::Bandwidth, name), (total, Unit::BytesPerSecond), formula));
        let month = total / required.peak() * DAY * YEAR / 12.0;
        let formula =
            format!("{}/s / {} x 86,400 s x 365 / 12", bytes(total), number(required.peak()));
        lines.push(Line::new(
            (Group::Bandwidth, format!("{word} a month")),
            (month, Unit::Bytes),
            formula,
        ));
    }
    lines
}

#[cfg(test)]
mod tests;
