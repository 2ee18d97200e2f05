//! The cells of a sweep: along an axis of numbers, as rows, or as points.
//!
//! **Invariant.** A line joins cells that differ along its axis only; what was not simulated is a gap.

use std::borrow::Cow;

use super::{
    axis::Axis,
    frame::{Figure, Line, Panel, Span},
    parts::{most, nothing},
};
use crate::{
    report::{
        compare::label,
        sweep::short,
        text::{Quantity, clean, shorten, value},
    },
    results::{Break, ComparedMetric, Sweep, SweptCell, SweptFigure},
    units::along,
};

/// What is drawn, where it is known.
const SHOWN: [&str; 4] = ["p99(latency)", "availability", "goodput", "cost.per_month"];
/// Lines of one picture at most.
const LINES: usize = 8;
/// Pictures that differ in an axis that is in none of them, at most.
pub(super) const MULTIPLES: usize = 6;
/// Rows of a picture without an axis of numbers at most.
const ROWS: usize = 40;
/// Marks of where objectives stop being met at most.
const MARKS: usize = 6;

/// Every picture but the maps, with its file's name.
pub(super) fn figures(sweep: &Sweep) -> Vec<(Cow<'static, str>, Figure)> {
    if sweep.done.is_empty() {
        return vec![("cells".into(), nothing("Cells", "No cell is done"))];
    }
    if sweep.plan.drawn {
        return scatter(sweep);
    }
    match longest(sweep, &[]) {
        Some(axis) => curves(sweep, axis),
        None => vec![("cells".into(), rows(sweep))],
    }
}

/// The axis of numbers with the most values that is none of these.
pub(super) fn longest(sweep: &Sweep, but: &[usize]) -> Option<usize> {
    let axes = &sweep.plan.axes;
    let numbers = |i: &usize| axes[*i].values.len() > 1 && along(&axes[*i].values).is_some();
    let all = (0..axes.len()).filter(|i| !but.contains(i)).filter(numbers);
    all.rev().max_by_key(|i| axes[*i].values.len())
}

/// The cells of a grid by the places of their values.
pub(super) struct Grid<'s> {
    pub(super) sweep: &'s Sweep,
    cells: Vec<Option<&'s SweptCell>>,
}

impl<'s> Grid<'s> {
    pub(super) fn new(sweep: &'s Sweep) -> Self {
        let mut cells = vec![None; sweep.plan.cells as usize];
        for cell in &sweep.done {
            cells[cell.cell as usize] = Some(cell);
        }
        Self { sweep, cells }
    }

    /// The cell whose values are at these places of their axes.
    pub(super) fn at(&self, places: &[usize]) -> Option<&'s SweptCell> {
        let axes = self.sweep.plan.axes.iter().zip(places);
        let cell = axes.fold(0, |cell, (axis, place)| cell * axis.values.len() + place);
        self.cells[cell]
    }

    /// Every choice of a value of these axes; the places of the others are 0.
    pub(super) fn choices(&self, axes: &[usize]) -> Vec<Vec<usize>> {
        let mut all = vec![vec![0; self.sweep.plan.axes.len()]];
        for &axis in axes {
            let values = self.sweep.plan.axes[axis].values.len();
            let with = |places: &Vec<usize>, place: usize| {
                let mut places = places.clone();
                places[axis] = place;
                places
            };
            all = all.iter().flat_map(|of| (0..values).map(move |place| with(of, place))).collect();
        }
        all
    }

    /// What these axes have there: `base, 200ms`.
    pub(super) fn name(&self, axes: &[usize], places: &[usize]) -> String {
        let value = |axis: &usize| clean(&self.sweep.plan.axes[*axis].values[places[*axis]]);
        axes.iter().map(value).collect::<Vec<_>>().join(", ")
    }
}

/// Figures along an axis, a line for each choice of the others; a picture each where those are too many.
fn curves(sweep: &Sweep, x: usize) -> Vec<(Cow<'static, str>, Figure)> {
    let grid = Grid::new(sweep);
    let mut of_lines: Vec<usize> = (0..sweep.plan.axes.len()).filter(|axis| *axis != x).collect();
    let mut of_pictures = Vec::new();
    let product = |axes: &[usize]| -> usize {
        axes.iter().map(|axis| sweep.plan.axes[*axis].values.len()).product()
    };
    while product(&of_lines) > LINES && of_lines.len() > 1 {
        of_pictures.push(of_lines.remove(0));
    }
    let pictures = grid.choices(&of_pictures);
    let numbers = along(&sweep.plan.axes[x].values).unwrap_or_default();
    let shown = pictures.iter().take(MULTIPLES).enumerate();
    shown
        .map(|(i, picture)| {
            let name: Cow<'static, str> = match pictures.len() {
                1 => "curves".into(),
                _ => format!("curves_{}", i + 1).into(),
            };
            let mut lines = grid.choices(&of_lines);
            for line in &mut lines {
                for axis in &of_pictures {
                    line[*axis] = picture[*axis];
                }
            }
            let all = (lines.len(), pictures.len());
            lines.truncate(LINES);
            let curves = Curves {
                grid: &grid,
                x,
                numbers: &numbers,
                of_pictures: &of_pictures,
                picture,
                of_lines: &of_lines,
                lines,
                all,
            };
            (name, curves.figure())
        })
        .collect()
}

/// One picture of curves.
struct Curves<'g> {
    grid: &'g Grid<'g>,
    /// The axis they go along, and its values.
    x: usize,
    numbers: &'g [f64],
    /// The axes in which pictures differ, and the places of this one.
    of_pictures: &'g [usize],
    picture: &'g [usize],
    /// The axes in which lines differ, and the places of those that are shown.
    of_lines: &'g [usize],
    lines: Vec<Vec<usize>>,
    /// Lines of a picture and pictures, those that are not shown too.
    all: (usize, usize),
}

impl<'g> Curves<'g> {
    fn cell(&self, line: &[usize], place: usize) -> Option<&'g SweptCell> {
        let mut places = line.to_vec();
        places[self.x] = place;
        self.grid.at(&places)
    }

    fn figure(&self) -> Figure {
        let axis = &self.grid.sweep.plan.axes[self.x];
        let names: Vec<String> =
            axis.values.iter().map(|value| shorten(&clean(value), 16)).collect();
        let panel = |metric: &ComparedMetric| {
            let of = |line: &Vec<usize>| {
                let figures = self.numbers.iter().enumerate().map(|(place, x)| {
                    let cell = self.cell(line, place);
                    (*x, cell.and_then(|of| of.figures.get(&metric.metric)))
                });
                curve_of(self.grid.name(self.of_lines, line), figures)
            };
            panel(
                metric,
                Axis::of_values(self.numbers, &names),
                self.lines.iter().map(of).collect(),
            )
        };
        let mut panels: Vec<Panel> = shown(self.grid.sweep).into_iter().map(panel).collect();
        if let Some(first) = panels.first_mut() {
            first.spans = self.marks();
        }
        let with = if self.of_pictures.is_empty() {
            String::new()
        } else {
            let path = |axis: &usize| short(&self.grid.sweep.plan.axes[*axis].path);
            let names: Vec<String> = self.of_pictures.iter().map(path).collect();
            format!("; {} is {}", names.join(", "), self.grid.name(self.of_pictures, self.picture))
        };
        Figure {
            title: format!("Along {}{with}", short(&axis.path)),
            subtitle: format!("{}{}", source(self.grid.sweep), self.left_out()),
            x_name: short(&axis.path).into(),
            panels,
            nothing: None,
        }
    }

    /// Where objectives stop being met; of a single line where it takes off, too.
    fn marks(&self) -> Vec<Span> {
        let Sweep { plan, findings, .. } = self.grid.sweep;
        let axis = &plan.axes[self.x];
        let here = |of: &&Break| {
            let same = |axis: &usize| {
                let of_axis = &plan.axes[*axis];
                of.with.get(&of_axis.path) == Some(&of_axis.values[self.picture[*axis]])
            };
            of.axis == axis.path && self.of_pictures.iter().all(same)
        };
        let place = |value: &str| axis.values.iter().position(|other| other == value);
        let mut broken: Vec<(usize, Vec<String>)> = Vec::new();
        for of in findings.breaks.iter().filter(here) {
            let Some(place) = of.breaks.as_deref().and_then(place) else { continue };
            let own = self.of_lines.iter().filter_map(|axis| of.with.get(&plan.axes[*axis].path));
            let own = own.map(|value| clean(value)).collect::<Vec<_>>().join(", ");
            match broken.iter_mut().find(|(other, _)| *other == place) {
                Some((_, names)) => names.push(own),
                None => broken.push((place, vec![own])),
            }
        }
        let broken = broken.into_iter().map(|(place, names)| {
            let label = match &names[..] {
                [name] if name.is_empty() => "misses an objective".to_owned(),
                [name] => format!("{name} misses an objective"),
                names => format!("{} miss an objective", names.join("; ")),
            };
            (self.numbers[place], shorten(&label, 60), true)
        });
        let knees = findings.knees.iter().filter(|of| of.axis == axis.path && self.all == (1, 1));
        let knees = knees
            .filter_map(|of| Some((self.numbers[place(&of.at)?], "knee of p99".to_owned(), false)));
        let span = |(from, label, fault)| Span { from, to: from, label, fault };
        let mut spans: Vec<Span> = broken.take(MARKS).chain(knees).map(span).collect();
        spans.sort_by(|a, b| a.from.total_cmp(&b.from));
        spans
    }

    /// What the picture does not show.
    fn left_out(&self) -> String {
        let places = 0..self.numbers.len();
        let cells = self
            .lines
            .iter()
            .flat_map(|line| places.clone().filter_map(|place| self.cell(line, place)));
        let mut text = String::new();
        if cells.flat_map(|of| of.figures.values()).any(|figure| figure.beyond) {
            text += "; times end where they fall on requests that were never answered";
        }
        let (lines, pictures) = self.all;
        if lines > LINES {
            text += &format!("; the first {LINES} of {lines} lines");
        }
        if pictures > MULTIPLES {
            text += &format!("; the first {MULTIPLES} of {pictures} pictures");
        }
        text
    }
}

/// A line with its intervals, in pieces where cells are missing.
fn curve_of<'f>(
    name: String,
    figures: impl Iterator<Item = (f64, Option<&'f SweptFigure>)>,
) -> Line {
    let mut line = Line { name, ..Line::default() };
    let mut intervals = Vec::new();
    for (x, figure) in figures {
        let estimate = figure.map(|figure| figure.figure.estimate);
        let value = estimate.and_then(|of| of.value);
        line.points.push((x, value));
        line.marked.extend(value.map(|y| (x, y)));
        let ends = estimate.and_then(|of| of.lower.zip(of.upper));
        if let Some((lower, upper)) = ends.filter(|_| value.is_some()) {
            intervals.extend([(x, None), (x, Some(lower)), (x, Some(upper)), (x, None)]);
        }
    }
    // The name stands beside the end of the curve: that comes last.
    intervals.append(&mut line.points);
    Line { points: intervals, ..line }
}

/// The figures that some cell has.
pub(super) fn shown(sweep: &Sweep) -> Vec<&ComparedMetric> {
    let known = |metric: &str| {
        let mut figures = sweep.done.iter().filter_map(|cell| cell.figures.get(metric));
        figures.any(|figure| figure.figure.estimate.value.is_some())
    };
    let metrics = SHOWN.iter().filter(|metric| known(metric));
    metrics.filter_map(|name| sweep.plan.metrics.iter().find(|m| m.metric == **name)).collect()
}

fn panel(metric: &ComparedMetric, x: Axis, lines: Vec<Line>) -> Panel {
    let values = || lines.iter().flat_map(|line| &line.points).filter_map(|(_, y)| *y);
    let quantity = Quantity::of_unit(&metric.unit);
    let (y, how) =
        scale(quantity, values().fold(f64::INFINITY, f64::min), most(values().map(Some)));
    Panel {
        name: format!("{}{how}", label(&metric.metric)).into(),
        height: 200,
        x,
        y,
        spans: vec![],
        lines,
        bands: vec![],
        limits: vec![],
    }
}

/// An axis of figures, and what is to be said of it.
fn scale(quantity: Quantity, least: f64, most: f64) -> (Axis, &'static str) {
    match quantity {
        Quantity::Duration if least > 0.0 && most > 4.0 * least => {
            (Axis::log_durations(least, most), " (logarithmic)")
        }
        Quantity::Share => (Axis::up_to_one(least), ""),
        _ => (Axis::from_zero(quantity, most).stretched(1.02), ""),
    }
}

/// A row for each cell, where no axis is of numbers.
fn rows(sweep: &Sweep) -> Figure {
    let cells: Vec<&SweptCell> = sweep.done.iter().take(ROWS).collect();
    let axes = &sweep.plan.axes;
    let name = |cell: &&SweptCell| {
        let values = axes.iter().filter_map(|axis| cell.settings.get(&axis.path));
        shorten(&values.map(|value| clean(value)).collect::<Vec<_>>().join(", "), 36)
    };
    let names: Vec<String> = cells.iter().map(name).collect();
    let panel = |metric: &ComparedMetric| {
        let mut line = Line::default();
        for (i, cell) in cells.iter().enumerate() {
            let y = (cells.len() - i) as f64;
            let Some(figure) = cell.figures.get(&metric.metric) else { continue };
            let estimate = figure.figure.estimate;
            line.marked.extend(estimate.value.map(|x| (x, y)));
            if let Some((lower, upper)) = estimate.lower.zip(estimate.upper) {
                line.points.extend([(lower, Some(y)), (upper, Some(y)), (upper, None)]);
            }
        }
        let values = || {
            let ends = line.points.iter().filter(|point| point.1.is_some()).map(|point| point.0);
            ends.chain(line.marked.iter().map(|mark| mark.0))
        };
        let least = values().fold(f64::INFINITY, f64::min);
        let (x, how) = scale(Quantity::of_unit(&metric.unit), least, most(values().map(Some)));
        Panel {
            name: format!("{}{how}", label(&metric.metric)).into(),
            height: cells.len() as i32 * 24 + 24,
            x,
            y: Axis::names(&names),
            spans: vec![],
            lines: vec![line],
            bands: vec![],
            limits: vec![],
        }
    };
    let paths: Vec<String> = axes.iter().map(|axis| short(&axis.path)).collect();
    let more = if sweep.done.len() > ROWS {
        format!("; the first {ROWS} of {}", sweep.done.len())
    } else {
        String::new()
    };
    Figure {
        title: format!("Cells by {}", paths.join(", ")),
        subtitle: format!("{}{more}", source(sweep)),
        x_name: "".into(),
        panels: shown(sweep).into_iter().map(panel).collect(),
        nothing: None,
    }
}

/// Points against each axis.
fn scatter(sweep: &Sweep) -> Vec<(Cow<'static, str>, Figure)> {
    let axes = sweep.plan.axes.iter().enumerate().take(MULTIPLES);
    axes.map(|(i, axis)| {
        // Words stand one beside the other.
        let mut words: Vec<String> = axis.values.clone();
        words.sort();
        words.dedup();
        let place =
            |value: &String| words.iter().position(|word| word == value).unwrap_or(0) as f64;
        let numbers = along(&axis.values);
        let names = if numbers.is_some() { &axis.values } else { &words };
        let at = numbers.unwrap_or_else(|| axis.values.iter().map(place).collect());
        let mut ticks: Vec<(f64, String)> = match along(names) {
            Some(numbers) => numbers.into_iter().zip(names.iter().map(|n| clean(n))).collect(),
            None => names.iter().map(|n| (place(n), clean(n))).collect(),
        };
        ticks.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (values, names): (Vec<f64>, Vec<String>) = ticks.into_iter().unzip();
        let panel = |metric: &ComparedMetric| {
            let point = |cell: &SweptCell| {
                Some((
                    *at.get(cell.cell as usize)?,
                    cell.figures.get(&metric.metric)?.figure.estimate.value?,
                ))
            };
            let marked: Vec<(f64, f64)> = sweep.done.iter().filter_map(point).collect();
            let points = marked.iter().flat_map(|(x, y)| [(*x, Some(*y)), (*x, None)]).collect();
            let line = Line { name: String::new(), points, marked };
            panel(metric, Axis::of_values(&values, &names), vec![line])
        };
        let figure = Figure {
            title: format!("Points by {}", short(&axis.path)),
            subtitle: source(sweep),
            x_name: short(&axis.path).into(),
            panels: shown(sweep).into_iter().map(panel).collect(),
            nothing: None,
        };
        (format!("points_{}", i + 1).into(), figure)
    })
    .collect()
}

/// Where it comes from, for subtitles.
pub(super) fn source(sweep: &Sweep) -> String {
    let plan = &sweep.plan;
    format!(
        "{}: {} each, {} intervals",
        shorten(&clean(&plan.scenario), 40),
        clean(&plan.rule),
        value(Quantity::Share, plan.confidence)
    )
}
