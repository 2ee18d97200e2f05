//! Cells over two axes of numbers as maps: a field for each, the darker the worse, with its figure in it.
//!
//! **Invariant.** A field says its figure in digits or by its place on the scale beside it, never by hue alone; a cell that misses an
//! objective has a cross.

use std::borrow::Cow;

use super::{
    Plot,
    canvas::{Canvas, Colour, FAINT, FINE, GRID, Look, WHITE},
    sweep::{Grid, MULTIPLES, longest, shown, source},
};
use crate::{
    report::{
        compare::label,
        sweep::short,
        text::{Quantity, clean, shorten, value},
    },
    results::{ComparedMetric, Judgement, Sweep, SweptCell, SweptFigure},
};

const WIDTH: i32 = 1120;
const HEAD: i32 = 66;
/// Height of all fields of one map.
const HEIGHT: i32 = 300;
const LEFT: i32 = 96;
const GAP: i32 = 26;
const BELOW: i32 = 66;
/// Room for the scale.
const SCALE: i32 = 120;
/// Steps of the scale.
const STEPS: i32 = 40;
/// What is shown of figures that may stand for how well it goes.
const METRICS: [&str; 2] = ["availability", "p99(latency)"];
/// The least that a scale of shares spans.
const LEAST_POINTS: f64 = 0.05;
/// And how many times its least the most of any other is at least.
const LEAST_FACTOR: f64 = 1.2;
/// From good to bad: apart in lightness, for any eyes.
const COLOURS: [Colour; 5] =
    [(253, 231, 160), (245, 176, 98), (214, 98, 76), (142, 42, 92), (52, 14, 74)];
/// Fields whose figure falls on a request that was never answered.
const NEVER: Colour = (16, 16, 16);
/// Fields of cells that are not done.
const UNKNOWN: Colour = (225, 225, 225);

/// The maps of a sweep; none where fewer than two axes are of numbers.
pub(super) fn maps(sweep: &Sweep) -> Vec<Plot> {
    if sweep.plan.drawn || sweep.done.is_empty() {
        return Vec::new();
    }
    let Some(x) = longest(sweep, &[]) else { return Vec::new() };
    let Some(y) = longest(sweep, &[x]) else { return Vec::new() };
    let metrics = shown(sweep).into_iter().filter(|m| METRICS.contains(&m.metric.as_str()));
    metrics.map(|metric| map(sweep, (x, y), metric)).collect()
}

/// How good a figure is, on the scale of the map.
struct Scale {
    quantity: Quantity,
    least: f64,
    most: f64,
    logarithmic: bool,
    more_is_better: bool,
}

impl Scale {
    fn of(sweep: &Sweep, metric: &ComparedMetric) -> Self {
        let values = || sweep.done.iter().filter_map(|cell| finite(cell, metric));
        let least = values().fold(f64::INFINITY, f64::min);
        let most = values().fold(f64::NEG_INFINITY, f64::max);
        let quantity = Quantity::of_unit(&metric.unit);
        let (least, most) = widened(quantity, least, most);
        let logarithmic = quantity == Quantity::Duration && least > 0.0 && most > 4.0 * least;
        Self { quantity, least, most, logarithmic, more_is_better: metric.better == "higher" }
    }

    /// 0 is the best that was seen, 1 the worst.
    fn badness(&self, value: f64) -> f64 {
        if !value.is_finite() {
            return 1.0;
        }
        let place = if self.most <= self.least {
            0.0
        } else if self.logarithmic {
            libm::log(value / self.least) / libm::log(self.most / self.least)
        } else {
            (value - self.least) / (self.most - self.least)
        };
        if self.more_is_better && self.most > self.least { 1.0 - place } else { place }
    }

    /// The figure at a place of the scale.
    fn at(&self, badness: f64) -> f64 {
        let place = if self.more_is_better { 1.0 - badness } else { badness };
        if self.logarithmic {
            self.least * libm::pow(self.most / self.least, place)
        } else {
            self.least + place * (self.most - self.least)
        }
    }
}

/// A scale no narrower than a difference that matters: what differs by less looks alike.
fn widened(quantity: Quantity, least: f64, most: f64) -> (f64, f64) {
    match quantity {
        Quantity::Share => (least.min(most - LEAST_POINTS).max(0.0), most),
        _ => (least, most.max(least * LEAST_FACTOR)),
    }
}

fn finite(cell: &SweptCell, metric: &ComparedMetric) -> Option<f64> {
    cell.figures.get(&metric.metric)?.figure.estimate.value
}

fn colour(badness: f64) -> Colour {
    let at = badness.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f64;
    let from = (at as usize).min(COLOURS.len() - 2);
    let part = at - from as f64;
    let (a, b) = (COLOURS[from], COLOURS[from + 1]);
    let mix = |a: u8, b: u8| (f64::from(a) + part * (f64::from(b) - f64::from(a))).round() as u8;
    (mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

/// One map for each choice of the other axes, side by side.
fn map(sweep: &Sweep, (x, y): (usize, usize), metric: &ComparedMetric) -> Plot {
    let grid = Grid::new(sweep);
    let others: Vec<usize> =
        (0..sweep.plan.axes.len()).filter(|axis| *axis != x && *axis != y).collect();
    let choices = grid.choices(&others);
    let shown: Vec<&Vec<usize>> = choices.iter().take(MULTIPLES).collect();
    let columns = match shown.len() as i32 {
        0 | 1 => 1,
        2..=4 => 2,
        _ => 3,
    };
    let lines = (shown.len() as i32 + columns - 1) / columns;
    let scale = Scale::of(sweep, metric);
    let [along, up] = [x, y].map(|axis| short(&sweep.plan.axes[axis].path));
    let title = format!("{} over {along} and {up}", label(&metric.metric));
    let left_out = if choices.len() > MULTIPLES {
        format!("; the first {MULTIPLES} of {} maps", choices.len())
    } else {
        String::new()
    };
    let subtitle = format!("{}; x: misses an objective{left_out}", source(sweep));
    let height = HEAD + lines * (HEIGHT + BELOW);
    let svg = Canvas::draw(WIDTH, height, |canvas| {
        canvas.text(&title, (16, 24), Look::plain().size(17).bold());
        canvas.text(&subtitle, (16, 45), Look::faint());
        let across = (WIDTH - SCALE) / columns;
        for (i, choice) in shown.iter().enumerate() {
            let (column, line) = (i as i32 % columns, i as i32 / columns);
            let left = LEFT + column * across;
            let top = HEAD + 8 + line * (HEIGHT + BELOW);
            let area = (left, top, left + across - LEFT - GAP, top + HEIGHT);
            if !others.is_empty() {
                let name = shorten(&grid.name(&others, choice), 40);
                canvas.text(&name, (left, top - 9), Look::plain());
            }
            fields(canvas, &grid, (x, y, choice), (metric, &scale), area);
            canvas.text(
                &along,
                (i32::midpoint(area.0, area.2), area.3 + 34),
                Look::faint().centred(),
            );
            let middle = (left - LEFT + 14, i32::midpoint(area.1, area.3));
            canvas.text(&up, middle, Look::faint().centred().upright());
        }
        let mut never = sweep.done.iter().filter_map(|cell| cell.figures.get(&metric.metric));
        legend(canvas, &scale, never.any(|figure| figure.beyond));
    });
    let name: Cow<'static, str> =
        format!("map_{}", metric.metric.split('(').next().unwrap_or("")).into();
    Plot { name, title, svg, timed: None }
}

type Area = (i32, i32, i32, i32);

/// The fields of one map, with the values of both axes.
fn fields(
    canvas: &Canvas,
    grid: &Grid<'_>,
    (x, y, choice): (usize, usize, &[usize]),
    (metric, scale): (&ComparedMetric, &Scale),
    (left, top, right, bottom): Area,
) {
    let axes = &grid.sweep.plan.axes;
    let (n, m) = (axes[x].values.len() as i32, axes[y].values.len() as i32);
    let across = |i: i32| left + (right - left) * i / n;
    // The first value stands at the bottom.
    let up = |j: i32| bottom - (bottom - top) * j / m;
    for i in 0..n {
        for j in 0..m {
            let mut places = choice.to_vec();
            (places[x], places[y]) = (i as usize, j as usize);
            let area = (across(i), up(j + 1), across(i + 1), up(j));
            field(canvas, grid.at(&places), (metric, scale), area);
        }
    }
    let names = |axis: usize, room: i32, each: i32| {
        let values = axes[axis].values.iter().map(|value| shorten(&clean(value), 12));
        let values: Vec<String> = values.collect();
        let longest =
            values.iter().map(|value| value.chars().count() as i32 * 7 + 8).max().unwrap_or(0);
        let every =
            if room == 0 { (16 + each - 1) / each.max(1) } else { longest / each.max(1) + 1 };
        values.into_iter().enumerate().filter(move |(i, _)| *i as i32 % every.max(1) == 0)
    };
    for (i, name) in names(x, 1, (right - left) / n) {
        let at = (i32::midpoint(across(i as i32), across(i as i32 + 1)), bottom + 13);
        canvas.text(&name, at, Look::faint().centred());
    }
    for (j, name) in names(y, 0, (bottom - top) / m) {
        let at = (left - 7, i32::midpoint(up(j as i32), up(j as i32 + 1)));
        canvas.text(&name, at, Look::faint().to_the_left());
    }
}

fn field(
    canvas: &Canvas,
    cell: Option<&SweptCell>,
    (metric, scale): (&ComparedMetric, &Scale),
    (left, top, right, bottom): Area,
) {
    let figure = cell.and_then(|cell| cell.figures.get(&metric.metric));
    let known = figure.and_then(SweptFigure::value);
    let badness = known.map(|value| scale.badness(value));
    let ground = match known {
        None => UNKNOWN,
        Some(value) if value.is_infinite() => NEVER,
        Some(value) => colour(scale.badness(value)),
    };
    canvas.rectangle((left, top), (right, bottom), ground);
    let edges = [(left, bottom), (right, bottom), (right, top)].map(|(x, y)| (x * FINE, y * FINE));
    canvas.path(&edges, GRID, 1);
    let ink = if badness.is_some_and(|badness| badness > 0.45) { WHITE } else { (34, 34, 34) };
    let text = match known {
        None => String::new(),
        Some(value) if value.is_infinite() => "never".to_owned(),
        Some(x) => value(scale.quantity, x),
    };
    let (width, height) = (right - left, bottom - top);
    let middle = (i32::midpoint(left, right), i32::midpoint(top, bottom));
    if text.chars().count() as i32 * 7 + 6 <= width && height >= 16 {
        canvas.text(&text, middle, Look::plain().size(11).coloured(ink).centred());
    }
    let missed =
        cell.is_some_and(|cell| cell.slos.iter().any(|slo| slo.verdict == Judgement::Missed));
    if missed && width >= 10 && height >= 10 {
        let (x, y) = (right - 6, top + 6);
        for (from, to) in [((x - 3, y - 3), (x + 3, y + 3)), ((x - 3, y + 3), (x + 3, y - 3))] {
            canvas.path(&[(from.0 * FINE, from.1 * FINE), (to.0 * FINE, to.1 * FINE)], ink, 1);
        }
    }
}

/// The scale beside the maps.
fn legend(canvas: &Canvas, scale: &Scale, never: bool) {
    let (left, top) = (WIDTH - SCALE + 14, HEAD + 8);
    for step in 0..STEPS {
        let y = |step: i32| top + HEIGHT * step / STEPS;
        let badness = (f64::from(step) + 0.5) / f64::from(STEPS);
        canvas.rectangle((left, y(step)), (left + 18, y(step + 1)), colour(badness));
    }
    let frame = [
        (left, top),
        (left + 18, top),
        (left + 18, top + HEIGHT),
        (left, top + HEIGHT),
        (left, top),
    ];
    canvas.path(&frame.map(|(x, y)| (x * FINE, y * FINE)), FAINT, 1);
    for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let y = top + (f64::from(HEIGHT) * part) as i32;
        canvas.text(&value(scale.quantity, scale.at(part)), (left + 25, y), Look::faint());
    }
    if never {
        let y = top + HEIGHT + 12;
        canvas.rectangle((left, y), (left + 18, y + 14), NEVER);
        canvas.text("never", (left + 25, y + 7), Look::faint());
        canvas.text("answered", (left + 25, y + 21), Look::faint());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hardly_differs_looks_alike() {
        let scale = |quantity, (least, most): (f64, f64), more_is_better| {
            let (least, most) = widened(quantity, least, most);
            Scale { quantity, least, most, logarithmic: false, more_is_better }
        };
        let shares = scale(Quantity::Share, (0.958, 0.961), true);
        assert!(shares.badness(0.961).abs() < 1e-12 && shares.badness(0.958) < 0.1);
        let times = scale(Quantity::Duration, (0.100, 0.101), false);
        assert!(times.badness(0.100).abs() < 1e-12 && times.badness(0.101) < 0.1);
        // What differs much has the whole scale.
        let wide = scale(Quantity::Share, (0.2, 1.0), true);
        assert_eq!((wide.badness(1.0), wide.badness(0.2)), (0.0, 1.0));
        assert_eq!(scale(Quantity::Share, (0.01, 0.02), true).at(1.0), 0.0);
    }
}
