//! Loads that follow a file: requests per minute, an exported rate, factors over time.
//!
//! **Invariant.** Points follow one another in time; before the first of them there is nothing.

use std::{fmt, str::FromStr};

use super::{TraceUnit, text::instant_of};
use crate::{
    engine::law::Table,
    expr::{Expr, Taker, quoted, unknown},
    units::{Number, SimDuration, ValueError, text_value},
};

/// `curve(file=rps.csv column=rps unit=/s time=t)`: by what a client's rate is multiplied, over time.
#[derive(Clone, Debug, PartialEq)]
pub struct CurveSpec {
    /// The file and how it is read.
    pub table: Table,
    /// Where its values stand.
    pub values: Values,
    /// What they are.
    pub unit: CurveUnit,
    /// When they are.
    pub times: Times,
    /// So many times as much as the file says.
    pub scale: f64,
    /// Straight from one point to the next instead of one value until the next.
    pub linear: bool,
    /// What time of the file is the start of the run, as it was written and in ns; its first row when absent.
    pub start: Option<(String, i128)>,
    /// What comes after its end.
    pub at_end: AtEnd,
}

/// Where the values of a curve stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// In a column, one row after the other.
    Column(String),
    /// In columns called by these numbers, one after the other; rows are added up.
    Columns(u32, u32),
}

/// What the values of a curve are.
#[derive(Clone, Debug, PartialEq)]
pub enum CurveUnit {
    /// Factors.
    Factor,
    /// Rates, as multiples of one per second: the unit as it is written, and how long it is, ns.
    Per(String, u64),
    /// How many came until the next point.
    Count,
}

/// When the values of a curve are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Times {
    /// This column says so, in this unit.
    Column(String, TraceUnit),
    /// One after the other, so many ns apart.
    Every(u64),
}

/// What comes after the end of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEnd {
    /// Nothing.
    Stop,
    /// Its last value.
    Hold,
    /// It begins anew.
    Repeat,
}

/// Columns of a curve, at most.
const MOST_COLUMNS: u32 = 100_000;
const USAGE: &str = "curve(file=rps.csv column=rps unit=/s time=t)";

impl FromStr for CurveSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        if expr.name != "curve" || expr.args.is_none() {
            let message = format!("`{}` is no factor and no curve", crate::expr::clip(text));
            return Err(ValueError::new("E-EXPR", message).help(format!("write `{USAGE}`")));
        }
        let mut t = Taker::new(&expr, USAGE)?;
        let table = Table::take(&mut t)?;
        let values = match (t.key("column"), t.key("columns")) {
            (Some(column), None) => Values::Column(column.need_word()?.to_owned()),
            (None, Some(columns)) => through(columns.need_word()?)?,
            _ => return Err(t.error("`curve` needs `column=`, or `columns=1..1440`")),
        };
        let unit = t.key("unit").map(|unit| curve_unit(unit.need_word()?)).transpose()?;
        let time_unit = t.read("time_unit")?;
        let times = match (t.key("time"), t.read::<SimDuration>("every")?) {
            (Some(time), None) => {
                let unit = time_unit.unwrap_or(TraceUnit::Nanoseconds(1_000_000_000));
                Times::Column(time.need_word()?.to_owned(), unit)
            }
            (None, Some(every)) if every.0 > 0 && time_unit.is_none() => Times::Every(every.0),
            (None, Some(every)) if every.0 == 0 => {
                return Err(ValueError::new("E-RANGE", "`every` must be above 0"));
            }
            _ => {
                return Err(
                    t.error("when its values are is said by `time=`, a column, or by `every=1m`")
                );
            }
        };
        if matches!((&values, &times), (Values::Columns(..), Times::Column(..))) {
            return Err(t.error("values in `columns=` come `every=` so often"));
        }
        let unit_of_start = match &times {
            Times::Column(_, unit) => *unit,
            Times::Every(_) => TraceUnit::Nanoseconds(1),
        };
        let begins = t.key("start").map(Expr::need_word).transpose()?;
        if begins.is_some() && matches!(times, Times::Every(_)) {
            return Err(t.error("without a column of times there is no `start=`"));
        }
        let begins = begins
            .filter(|text| *text != "first")
            .map(|text| instant_of(text, unit_of_start).map(|nanos| (text.to_owned(), nanos)));
        let linear = match t.key("shape").map(Expr::need_word).transpose()? {
            None | Some("step") => false,
            Some("linear") => true,
            Some(other) => return Err(unknown("shape", other, &["step", "linear"])),
        };
        let at_end = match t.key("at_end").map(Expr::need_word).transpose()? {
            None | Some("stop") => AtEnd::Stop,
            Some("hold") => AtEnd::Hold,
            Some("repeat") => AtEnd::Repeat,
            Some(other) => {
                return Err(unknown("value of `at_end`", other, &["stop", "hold", "repeat"]));
            }
        };
        let scale = t.read::<Number>("scale")?.map_or(1.0, |scale| scale.0);
        t.finish()?;
        let unit = unit.unwrap_or(CurveUnit::Factor);
        if linear && unit == CurveUnit::Count {
            return Err(ValueError::new(
                "E-CONFLICT",
                "counts are of whole intervals: `shape=linear` needs rates",
            ));
        }
        Ok(Self { table, values, unit, times, scale, linear, start: begins.transpose()?, at_end })
    }
}

/// `1..1440`.
fn through(text: &str) -> Result<Values, ValueError> {
    let ends = text.split_once("..").and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    match ends {
        Some((first, last)) if first <= last && last - first < MOST_COLUMNS => {
            Ok(Values::Columns(first, last))
        }
        _ => {
            Err(ValueError::new("E-EXPR", format!("`{}` are no columns", crate::expr::clip(text)))
                .help("their numbers, such as `columns=1..1440`"))
        }
    }
}

fn curve_unit(text: &str) -> Result<CurveUnit, ValueError> {
    if text == "count" {
        return Ok(CurveUnit::Count);
    }
    let span = text.strip_prefix('/').and_then(|unit| {
        let unit = if unit == "min" { "m" } else { unit };
        format!("1{unit}").parse::<SimDuration>().ok()
    });
    span.map(|span| CurveUnit::Per(text.to_owned(), span.0))
        .ok_or_else(|| unknown("unit of a curve", text, &["/s", "/min", "/h", "count"]))
}

impl fmt::Display for CurveSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "curve(file={}", quoted(&self.table.file))?;
        match &self.values {
            Values::Column(column) => write!(f, " column={}", quoted(column))?,
            Values::Columns(first, last) => write!(f, " columns={first}..{last}")?,
        }
        match &self.unit {
            CurveUnit::Factor => {}
            CurveUnit::Per(unit, _) => write!(f, " unit={unit}")?,
            CurveUnit::Count => f.write_str(" unit=count")?,
        }
        match &self.times {
            Times::Column(column, unit) => write!(f, " time={} time_unit={unit}", quoted(column))?,
            Times::Every(every) => write!(f, " every={}", SimDuration(*every))?,
        }
        self.table.print_options(f)?;
        if self.scale.to_bits() != 1f64.to_bits() {
            write!(f, " scale={}", Number(self.scale))?;
        }
        if let Some((text, _)) = &self.start {
            write!(f, " start={}", quoted(text))?;
        }
        f.write_str(if self.linear { " shape=linear" } else { "" })?;
        f.write_str(match self.at_end {
            AtEnd::Stop => ")",
            AtEnd::Hold => " at_end=hold)",
            AtEnd::Repeat => " at_end=repeat)",
        })
    }
}

text_value!(
    CurveSpec,
    "Curve",
    "a load that follows a file",
    [
        "curve(file=rps.csv column=rps unit=/s time=t)",
        "curve(file=day.csv columns=1..1440 unit=count every=1m)"
    ]
);

/// A curve that was read: factors over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Instants of the run, ns, rising, and the factor from each on.
    points: Vec<(u64, f64)>,
    /// Where it ends, ns.
    end: u64,
    linear: bool,
    at_end: AtEnd,
    /// Points before its start, which are left out.
    pub before: usize,
}

impl Curve {
    /// A curve of values at instants of the file, ns.
    ///
    /// # Errors
    /// A sentence's end about the values or instants.
    pub fn new(spec: &CurveSpec, rows: &[(i128, f64)]) -> Result<Self, String> {
        let Some(&(first, _)) = rows.first() else { return Err("there are no values".to_owned()) };
        if let Some(wrong) = rows.iter().find(|row| row.1 < 0.0) {
            return Err(format!("{} is negative", wrong.1));
        }
        if rows.windows(2).any(|pair| pair[1].0 <= pair[0].0) {
            return Err("two rows are of the same time: `where=` chooses one series".to_owned());
        }
        // The last value lasts as long as the one before.
        let last = match (&spec.times, rows) {
            (Times::Every(every), _) => i128::from(*every),
            (_, [.., a, b]) => b.0 - a.0,
            _ => return Err("one row says nothing of how long it lasts".to_owned()),
        };
        let origin = spec.start.as_ref().map_or(first, |start| start.1);
        let end = rows.last().map_or(first, |row| row.0) + last;
        let ends = rows.iter().skip(1).map(|row| row.0).chain([end]);
        let mut points = Vec::new();
        let mut before = 0;
        for (&(at, value), until) in rows.iter().zip(ends) {
            if until <= origin {
                before += 1;
                continue;
            }
            let factor = spec.scale
                * match &spec.unit {
                    CurveUnit::Factor => value,
                    CurveUnit::Per(_, nanos) => value / (*nanos as f64 / 1e9),
                    CurveUnit::Count => value / ((until - at) as f64 / 1e9),
                };
            points.push((instant(at - origin), factor));
        }
        if points.is_empty() {
            return Err("all of it is before `start`".to_owned());
        }
        let (linear, at_end) = (spec.linear, spec.at_end);
        Ok(Self { points, end: instant(end - origin), linear, at_end, before })
    }

    /// Where it ends, ns, if anything ends there.
    pub fn ends(&self) -> Option<u64> {
        (self.at_end == AtEnd::Stop).then_some(self.end)
    }

    /// Points up to an instant, at least.
    pub fn points_until(&self, until: u64) -> u64 {
        let rounds = if self.at_end == AtEnd::Repeat { until / self.end.max(1) + 1 } else { 1 };
        rounds.saturating_mul(self.points.len() as u64)
    }

    /// The instant within the curve, and how long before it its round began.
    fn within(&self, t: u64, before: bool) -> (u64, u64) {
        if self.at_end != AtEnd::Repeat {
            return (t, 0);
        }
        let within = t % self.end;
        let within = if within == 0 && before && t > 0 { self.end } else { within };
        (within, t - within)
    }

    /// The factor at an instant, or just before it.
    pub fn value(&self, t: u64, before: bool) -> f64 {
        let (t, _) = self.within(t, before);
        if t > self.end || t == self.end && !before {
            let last = self.points[self.points.len() - 1].1;
            return if self.at_end == AtEnd::Hold { last } else { 0.0 };
        }
        let begun = self.points.partition_point(|p| if before { p.0 < t } else { p.0 <= t });
        let Some(&(from, value)) = self.points[..begun].last() else {
            return if before && t == 0 { self.points[0].1 } else { 0.0 };
        };
        match self.points.get(begun) {
            Some(&(until, next)) if self.linear => {
                value + (next - value) * ((t - from) as f64 / (until - from) as f64)
            }
            _ => value,
        }
    }

    /// The next instant after `t` at which the factor or its slope changes.
    pub fn next_break(&self, t: u64) -> u64 {
        let (within, base) = self.within(t, false);
        let next = self.points.get(self.points.partition_point(|p| p.0 <= within));
        let next = next.map(|p| p.0).or((within < self.end).then_some(self.end));
        next.map_or(u64::MAX, |next| base.saturating_add(next))
    }

    /// Whether the factor changes steadily at an instant.
    pub fn is_ramp(&self, t: u64) -> bool {
        let last = self.points[self.points.len() - 1].0;
        self.linear && self.within(t, false).0 < last
    }
}

/// An instant of the run; the first point may have begun before it.
fn instant(time: i128) -> u64 {
    u64::try_from(time.max(0)).map_or(u64::MAX / 4, |time| time.min(u64::MAX / 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::client::{LoadSpec, load::Profile};

    const S: u64 = 1_000_000_000;

    fn curve(text: &str, rows: &[(i128, f64)]) -> Curve {
        let rows: Vec<_> = rows.iter().map(|row| (row.0 * i128::from(S), row.1)).collect();
        Curve::new(&text.parse().unwrap(), &rows).unwrap()
    }

    #[test]
    fn what_was_printed_reads_back() {
        for text in [
            "curve(file=a.csv column=rps unit=/s time=t time_unit=datetime)",
            "curve(file=a.csv columns=1..1440 unit=count every=1m at_end=repeat)",
            "curve(file=a.csv column=f every=5s scale=2 shape=linear at_end=hold)",
            "curve(file=a.csv column=n unit=/min time=t time_unit=s separator=\";\" decimal=comma start=12)",
        ] {
            let load: LoadSpec =
                text.parse::<CurveSpec>().map(|c| LoadSpec::Curve(Box::new(c))).unwrap();
            assert_eq!(serde_yaml::to_value(&load).unwrap().as_str(), Some(text));
        }
        for (text, phrase) in [
            ("curve(file=a column=n)", "when its values are"),
            ("curve(file=a every=1m)", "needs `column=`"),
            ("curve(file=a columns=9..1 every=1m)", "are no columns"),
            ("curve(file=a column=n unit=rps every=1m)", "unknown unit of a curve"),
            ("curve(file=a column=n unit=count every=1m shape=linear)", "whole intervals"),
            ("curve(file=a column=n every=0s)", "above 0"),
            ("bend(file=a)", "no factor and no curve"),
        ] {
            let error = text.parse::<CurveSpec>().unwrap_err();
            assert!(error.message.contains(phrase), "{text}: {}", error.message);
        }
    }

    #[test]
    fn counts_and_rates_have_their_integral() {
        let arrive = |curve: Curve, until: u64| {
            let profile = Profile::new(1.0, None, None).along(curve.into());
            profile.expected(until * S).expect("it changes rarely")
        };
        // 120 in the first minute, 60 in a half, 90 in the last, which is taken for as long.
        let rows = [(1000, 120.0), (1060, 60.0), (1090, 90.0)];
        let counts =
            |end: &str| curve(&format!("curve(file=a column=n unit=count time=t{end})"), &rows);
        assert!((arrive(counts(""), 300) - 270.0).abs() < 1e-6);
        assert!((arrive(counts(" at_end=repeat"), 240) - 540.0).abs() < 1e-6);
        assert!((arrive(counts(" at_end=hold"), 150) - 360.0).abs() < 1e-6);
        // From the middle of the first interval on.
        assert!((arrive(counts(" start=1030"), 300) - 210.0).abs() < 1e-6);
        let minutes =
            curve("curve(file=a column=n unit=/min every=10s)", &[(0, 60.0), (10, 120.0)]);
        assert!((arrive(minutes, 60) - 30.0).abs() < 1e-6);
        // From 0 to 10 within 10 s, 10 for as long.
        let ramp = curve("curve(file=a column=n every=10s shape=linear)", &[(0, 0.0), (10, 10.0)]);
        assert!((arrive(ramp, 60) - 150.0).abs() < 1e-6);
    }

    #[test]
    fn rows_that_are_no_curve_are_refused() {
        let refused = |rows: &[(i128, f64)]| {
            Curve::new(&"curve(file=a column=n time=t)".parse().unwrap(), rows).unwrap_err()
        };
        assert!(refused(&[]).contains("no values"));
        assert!(refused(&[(0, 1.0)]).contains("how long"));
        assert!(refused(&[(0, 1.0), (0, 2.0)]).contains("same time"));
        assert!(refused(&[(0, 1.0), (9, -2.0)]).contains("negative"));
    }
}
