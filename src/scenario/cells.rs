//! The cells of a `sweep`: the way from a path to them.
//!
//! **Invariant.** Cells are handed out only if their axes are sound; whether each cell is, it says when it is opened.

use super::{
    axis::AxisSpec,
    de,
    load::{Files, Loader, MAX_VARIANT_NODES, Overrides, Rejected},
    overrides::set,
    places,
    places::locate,
    problems::{Found, shown, suggest},
    sweep::{BASE, SweepSpec, VARIANT, paths},
    tree::{self, Kind, Node},
};
use crate::problem::{Problem, Problems};

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
            self.varied_by(vary)
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
    fn varied_by(&mut self, vary: &[String]) -> SweepSpec {
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
        SweepSpec { axes, sample: None }
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
