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

use super::{
    axis::AxisSpec,
    de,
    load::{Files, Loader, MAX_VARIANT_NODES, Overrides, Rejected, locate},
    overrides::{set, steps},
    places,
    problems::{Found, shown, suggest},
    tree::{self, Kind, Node},
};
use crate::{
    engine::random::Stream,
    expr::{Expr, Taker, unknown},
    problem::{Problem, Problems},
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
    /// A Latin hypercube of so many points (McKay, Beckman and Conover, Technometrics 1979).
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
            if at.is_empty() {
                axis.to_owned()
            } else {
                format!("{at}{over}.{}", places::quoted(axis))
            }
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
                Err(ValueError { code, message, help: Some(help) }) => {
                    problems.error_help(code, place(axis), message, help);
                }
                Err(ValueError { code, message, help: None }) => {
                    problems.error(code, place(axis), message)
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
    fn values(&self, seed: u64) -> Vec<Vec<String>> {
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
    let (Some(a), Some(b)) = (steps(a), steps(b)) else { return a == b };
    a.iter().zip(&b).all(|(a, b)| a == b)
}

/// An axis of a sweep: its path or paths as written, and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// As it was written.
    pub path: String,
    /// In order; of a sample those of its points.
    pub values: Vec<String>,
}

/// All cells of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells {
    /// Those that vary, the first slowest.
    pub axes: Vec<Axis>,
    /// Each cell is a point of its own; else each value meets each of the other axes.
    pub drawn: bool,
}

impl Cells {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let lengths = self.axes.iter().map(|axis| axis.values.len());
        if self.drawn { lengths.max().unwrap_or(0) } else { lengths.product() }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Which value of each axis a cell has.
    #[must_use]
    pub fn places(&self, cell: usize) -> Vec<usize> {
        if self.drawn {
            return vec![cell; self.axes.len()];
        }
        let mut rest = cell;
        let mut places: Vec<usize> = self
            .axes
            .iter()
            .rev()
            .map(|axis| {
                let place = rest % axis.values.len();
                rest /= axis.values.len();
                place
            })
            .collect();
        places.reverse();
        places
    }

    /// What a cell sets, axis by axis.
    #[must_use]
    pub fn settings(&self, cell: usize) -> Vec<(String, String)> {
        let places = self.places(cell);
        let each = self.axes.iter().zip(places);
        each.map(|(axis, place)| (axis.path.clone(), axis.values[place].clone())).collect()
    }

    /// The scenario of a cell.
    #[must_use]
    pub fn overrides(&self, cell: usize, base: &Overrides) -> Overrides {
        let mut overrides = Overrides { cell: true, ..base.clone() };
        for (axis, value) in self.settings(cell) {
            if axis == VARIANT {
                overrides.variant = (value != BASE).then_some(value);
                continue;
            }
            overrides.sets.extend(paths(&axis).map(|path| format!("{path}={value}")));
        }
        overrides
    }
}

/// The cells of the scenario at `path`: those of its `sweep`, or of what is to vary, each `PATH=VALUES`.
///
/// # Errors
///
/// All problems of the scenario, and of the axes.
pub fn cells(
    path: &str,
    files: &dyn Files,
    overrides: &Overrides,
    vary: &[String],
) -> Result<Cells, Rejected> {
    let mut loader = Loader::new(files, path);
    let cells = loader.cells(path, overrides, vary);
    let Loader { sources, mut found, .. } = loader;
    found.sort_by_key(|f| (!f.is_error(), f.span));
    match cells {
        Some(cells) if found.iter().all(|f| !f.is_error()) => Ok(cells),
        _ => Err(Rejected { sources, found, rest: None }),
    }
}

impl Loader<'_> {
    fn cells(&mut self, path: &str, overrides: &Overrides, vary: &[String]) -> Option<Cells> {
        let (spec, tree, _) = self.load(path, overrides)?;
        let names: Vec<String> = spec.variants.keys().map(|name| name.0.clone()).collect();
        let sweep = if vary.is_empty() {
            let Some(sweep) = spec.sweep else {
                let found = Found::error("E-MISSING", places::head(&tree), "`sweep` is missing");
                self.found.push(found.help("`sweep: {clients.apps.load: 1..4}`, or --vary"));
                return None;
            };
            sweep
        } else {
            self.varied_by(vary)?
        };
        if overrides.variant.is_some() && sweep.axes.iter().any(|(path, _)| path == VARIANT) {
            let message = "a variant is taken, and `variant` is an axis";
            self.found.push(Found::nowhere("E-SWEEP", message.to_owned()));
        }
        let seed = spec.seed.map_or(1, |seed| seed.0);
        let values = sweep.values(seed);
        let axes = sweep.axes.into_iter().zip(values);
        let axes: Vec<Axis> = axes.map(|((path, _), values)| Axis { path, values }).collect();
        for axis in axes.iter().filter(|axis| axis.path == VARIANT) {
            for name in axis.values.iter().filter(|v| *v != BASE && !names.contains(v)) {
                let message = format!("there is no variant `{}`", shown(name));
                let span = locate(&tree, &format!("sweep.{VARIANT}"), false);
                let mut found = Found::error("E-REF", span, message);
                found.problem.help = suggest(name, names.iter().map(String::as_str));
                self.found.push(found);
            }
        }
        Some(Cells { axes, drawn: sweep.sample.is_some() })
    }

    /// The axes that were typed.
    fn varied_by(&mut self, vary: &[String]) -> Option<SweepSpec> {
        let mut axes: Vec<(String, AxisSpec)> = Vec::new();
        for text in vary {
            let span = self.typed_in("--vary", text);
            let Some((path, values)) = text.split_once('=') else {
                let found = Found::error("E-SWEEP", span, "expected `path=values`");
                self.found.push(found.help("such as `--vary clients.apps.load=1..4`"));
                continue;
            };
            let (node, found) = tree::parse(values, span.source, path.len() + 1);
            self.found.extend(found);
            let Some(node) = node else { continue };
            let mut found = Vec::new();
            let read = de::read::<AxisSpec>(&node, &mut found);
            self.found.extend(found);
            let Ok(values) = read else { continue };
            axes.push((path.trim().to_owned(), values));
            let so_far = SweepSpec { axes: axes.clone(), sample: None };
            let mut problems = Problems::default();
            so_far.check("", &mut problems);
            let wrong = problems.into_vec();
            let failed = !wrong.is_empty();
            let at = |problem: Problem| Found { problem, span: Some(span), also: None };
            self.found.extend(wrong.into_iter().map(at));
            if failed {
                axes.pop();
            }
        }
        Some(SweepSpec { axes, sample: None })
    }

    /// Checks the types of what the axes of the file set, each by itself; of ranges the ends.
    pub(super) fn swept(&mut self, tree: &Node, sweep: &SweepSpec) {
        let Some(node) = tree.get("sweep") else { return };
        let node = if sweep.sample.is_some() { node.get("over") } else { Some(node) };
        let Some(Kind::Map(entries)) = node.map(|n| &n.kind) else { return };
        for entry in entries.iter().filter(|entry| entry.key != VARIANT) {
            let ends: Vec<Node> = match &entry.value.kind {
                Kind::List(items) => items.clone(),
                _ => self.ends(sweep, entry),
            };
            if tree.size().saturating_mul(ends.len()) > MAX_VARIANT_NODES {
                continue;
            }
            for end in ends {
                let mut changed = tree.clone();
                let before = self.found.len();
                for path in paths(&entry.key) {
                    if let Err(mut found) = set(&mut changed, path, entry.key_span, end.clone()) {
                        found.problem.path = format!("sweep.{}", places::quoted(&entry.key));
                        self.found.push(found);
                    }
                }
                if self.found.len() > before {
                    break;
                }
                let with = end
                    .text()
                    .map_or_else(String::new, |value| format!("with {}={value}", entry.key));
                self.typed(&changed, Some(with.trim()));
                if self.found.len() > before {
                    break;
                }
            }
        }
    }

    /// The first and the last value of a range, where it stands.
    fn ends(&self, sweep: &SweepSpec, entry: &tree::Entry) -> Vec<Node> {
        let axis = sweep.axes.iter().find(|(path, _)| *path == entry.key);
        let values = match axis {
            Some((_, AxisSpec::Range(range))) if sweep.sample.is_some() => {
                vec![range.at(0.0), range.at(1.0 - f64::EPSILON)]
            }
            Some((_, axis)) => axis.values().unwrap_or_default(),
            None => Vec::new(),
        };
        let ends = [values.first(), values.last()].into_iter().flatten();
        let scalar = |text: &String| Kind::Scalar { text: text.clone(), quoted: false };
        ends.map(|value| Node::new(scalar(value), entry.value.span)).collect()
    }
}
