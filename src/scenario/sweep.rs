//! `sweep`: many cells of one scenario, each with its own settings.
//!
//! **Invariant.** What is handed out has cells, no more than a hundred thousand, and no two axes set the same thing.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor},
    ser::SerializeMap as _,
};

use super::axis::AxisSpec;
use crate::{
    engine::random::Stream,
    expr::{Expr, Taker, unknown},
    problem::Problems,
    units::{Count, ValueError, clip, text_value},
};

/// The axis that goes through variants of the file.
pub const VARIANT: &str = "variant";
/// The file as it stands, among its variants.
pub const BASE: &str = "base";
/// Cells of one sweep at most.
pub const MOST_CELLS: u64 = 100_000;

/// Cells to be simulated: each value of each axis with each of the others, or points drawn among them.
///
/// Axes are paths, as after `--set`; several joined by `+` move together. `variant` goes through variants, of which `base` is
/// the file as it stands. `windtunnel sweep` simulates them all on the same random numbers; all else passes over it.
///
/// ```yaml
/// sweep:
///   clients.apps.load: 0.5..2 step 0.1
///   variant: [base, no-retries]
/// ```
///
/// `{sample: latin(n=200), over: {PATH: lo..hi}}` draws points instead (a Latin hypercube): each axis is cut into as many
/// parts as there are points, and one point lies in each. Between whole ends they are whole.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepSpec {
    /// Paths and their values, in the order of the file.
    pub axes: Vec<(String, AxisSpec)>,
    /// How points are drawn; each value with each of the others if absent.
    pub sample: Option<SampleSpec>,
}

/// How points are drawn among the values of axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleSpec {
    /// A Latin hypercube of so many points (`McKay`, Beckman and Conover, Technometrics 1979).
    Latin(u64),
}

impl FromStr for SampleSpec {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const USAGE: &str = "latin(n=200)";
        let expr = Expr::parse(text)?;
        if expr.name != "latin" {
            return Err(unknown("way to sample", &expr.name, &[USAGE]));
        }
        let mut taker = Taker::new(&expr, USAGE)?;
        let Count(n) = taker.need_read("n")?;
        taker.finish()?;
        if !(1..=MOST_CELLS).contains(&n) {
            let message = format!("{n} points are not between 1 and {MOST_CELLS}");
            return Err(ValueError::new("E-SWEEP", message));
        }
        Ok(Self::Latin(n))
    }
}

impl fmt::Display for SampleSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Latin(n) = self;
        write!(f, "latin(n={n})")
    }
}

text_value!(SampleSpec, "Sample", "`latin(n=200)`", ["latin(n=200)"]);

impl<'de> Deserialize<'de> for SweepSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        struct Axes(Vec<(String, AxisSpec)>);
        impl<'de> Deserialize<'de> for Axes {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_map(Form).map(|sweep| Self(sweep.axes))
            }
        }
        impl<'de> Visitor<'de> for Form {
            type Value = SweepSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("paths and their values, such as `{clients.apps.load: 1..4}`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SweepSpec, A::Error> {
                let mut sweep = SweepSpec { axes: Vec::new(), sample: None };
                let mut over = false;
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "sample" => sweep.sample = Some(map.next_value()?),
                        "over" => {
                            over = true;
                            sweep.axes.extend(map.next_value::<Axes>()?.0);
                        }
                        _ => sweep.axes.push((key, map.next_value()?)),
                    }
                }
                if over != sweep.sample.is_some() {
                    return Err(A::Error::custom(
                        ValueError::new("E-SWEEP", "`sample` and `over` belong together")
                            .help("`{sample: latin(n=200), over: {PATH: lo..hi}}`"),
                    ));
                }
                Ok(sweep)
            }
        }
        deserializer.deserialize_map(Form)
    }
}

impl Serialize for SweepSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Axes<'s>(&'s [(String, AxisSpec)]);
        impl Serialize for Axes<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().map(|(path, axis)| (path, axis)))
            }
        }
        let Some(sample) = &self.sample else { return Axes(&self.axes).serialize(serializer) };
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("sample", sample)?;
        map.serialize_entry("over", &Axes(&self.axes))?;
        map.end()
    }
}

impl JsonSchema for SweepSpec {
    fn schema_name() -> Cow<'static, str> {
        "SweepSpec".into()
    }
    fn json_schema(g: &mut SchemaGenerator) -> Schema {
        let axis = g.subschema_for::<AxisSpec>();
        let sample = g.subschema_for::<SampleSpec>();
        json_schema!({
            "type": "object",
            "description": "paths and their values, or `{sample: latin(n=200), over: {PATH: lo..hi}}`",
            "properties": {
                "sample": sample,
                "over": {"type": "object", "additionalProperties": axis},
            },
            "additionalProperties": axis,
        })
    }
}

/// The paths that one axis sets.
pub fn paths(axis: &str) -> impl Iterator<Item = &str> {
    axis.split('+').map(str::trim)
}

impl SweepSpec {
    /// What is wrong with it by itself.
    pub(super) fn check(&self, at: &str, problems: &mut Problems) {
        let place = |axis: &str| {
            let over = if self.sample.is_some() { ".over" } else { "" };
            if at.is_empty() { axis.to_owned() } else { format!("{at}{over}.\"{axis}\"") }
        };
        if self.axes.is_empty() {
            problems.error_help(
                "E-SWEEP",
                at,
                "there is no axis",
                "such as `clients.apps.load: 1..4`",
            );
        }
        let mut cells = Some(1u64);
        let mut seen: Vec<&str> = Vec::new();
        for (axis, values) in &self.axes {
            let drawn = self.sample.is_some() && matches!(values, AxisSpec::Range(_));
            match values.values() {
                Ok(values) => cells = cells.and_then(|n| n.checked_mul(values.len() as u64)),
                Err(_) if drawn => {}
                Err(ValueError { code, message, help: Some(help), .. }) => {
                    problems.error_help(code, place(axis), message, help);
                }
                Err(ValueError { code, message, help: None, .. }) => {
                    problems.error(code, place(axis), message);
                }
            }
            for path in paths(axis) {
                if let Some(other) = seen.iter().find(|other| overlap(path, other)) {
                    let (path, other) = (clip(path), clip(other));
                    let message = if path == other {
                        format!("`{path}` is set twice")
                    } else {
                        format!("`{path}` and `{other}` set the same")
                    };
                    problems.error("E-SWEEP", place(axis), message);
                }
                seen.push(path);
            }
        }
        if self.sample.is_none() && cells.is_none_or(|n| n > MOST_CELLS) {
            let n = cells.map_or_else(|| "more than 2^64".to_owned(), |n| n.to_string());
            let message = format!("{n} cells are more than {MOST_CELLS}");
            let help = "`{sample: latin(n=200), over: {..}}` draws some of them";
            problems.error_help("E-SWEEP", at, message, help);
        }
    }

    /// How many cells there are.
    pub fn cells(&self) -> u64 {
        match self.sample {
            Some(SampleSpec::Latin(n)) => n,
            None => self
                .axes
                .iter()
                .map(|(_, axis)| axis.values().map_or(0, |v| v.len() as u64))
                .product(),
        }
    }

    /// The values of each axis: those of a grid, or those of each point in order.
    pub(super) fn values(&self, seed: u64) -> Vec<Vec<String>> {
        let axes = self.axes.iter();
        let Some(SampleSpec::Latin(n)) = self.sample else {
            return axes.map(|(_, axis)| axis.values().unwrap_or_default()).collect();
        };
        axes.map(|(path, axis)| {
            let stream = Stream::new(seed, path, "latin");
            // A permutation: parts in the order of their draws.
            let mut parts: Vec<u64> = (0..n).collect();
            parts.sort_by_key(|part| (stream.draw(*part).word(), *part));
            let point = |(i, part): (usize, &u64)| {
                let within = stream.draw(n + i as u64).unit();
                (*part as f64 + within) / n as f64
            };
            let shares = parts.iter().enumerate().map(point);
            match axis {
                AxisSpec::Range(range) => shares.map(|share| range.at(share)).collect(),
                AxisSpec::List(_) => {
                    let all = axis.values().unwrap_or_default();
                    shares.map(|share| all[(share * all.len() as f64) as usize].clone()).collect()
                }
            }
        })
        .collect()
    }
}

/// Whether one of two paths is the other, or leads to it.
fn overlap(a: &str, b: &str) -> bool {
    let parts = |path: &'_ str| -> Vec<String> {
        let parts = path.split(['.', '[', ']', '"']).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    parts(a).iter().zip(&parts(b)).all(|(a, b)| a == b)
}
