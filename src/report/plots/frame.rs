//! What all charts share: title, panels with axes, grid, shaded spans, lines and stacked bands, and
//! labels beside the plot.
//!
//! **Invariant.** No label lies over the data, and everything told by colour is told by a dash
//! pattern, a marker or a place as well, so that charts read in black and white.

use std::borrow::Cow;

use super::{
    axis::{Axis, SIMULATED_TIME},
    canvas::{Canvas, FAINT, FAULT, FINE, GRID, LIMIT, Look, SHADE, WHITE},
};
use crate::report::text::shorten;

/// As wide as the text of the page.
const WIDTH: i32 = 1120;
/// Height of title and subtitle, without labels of spans.
const HEAD: i32 = 61;
const PANEL_GAP: i32 = 40;
const BOTTOM: i32 = 52;
/// Height of a picture that says why it is empty.
const EMPTY_HEIGHT: i32 = 200;
/// Shown width of one character of 12 pixels, on the safe side.
const CHARACTER: f64 = 6.8;
/// The same of 11 pixels.
const SMALL: f64 = 6.2;
const LONGEST_NAME: usize = 20;
/// Margins of pictures over simulated time: one instant stands at one place on the whole page.
const TIMED_MARGINS: (i32, i32) = (110, 198);
/// Height of a row of labels of spans.
const LABEL_ROW: i32 = 13;
/// Rows of those at most: what would stand higher has no label.
const LABEL_ROWS: usize = 7;

/// A whole picture.
#[derive(Debug, Default)]
pub(super) struct Figure {
    pub(super) title: String,
    pub(super) subtitle: String,
    /// Name of the horizontal axis.
    pub(super) x_name: Cow<'static, str>,
    pub(super) panels: Vec<Panel>,
    /// Why there is nothing to draw, if so.
    pub(super) nothing: Option<String>,
}

/// One coordinate system; panels stand one below the other.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) name: Cow<'static, str>,
    pub(super) height: i32,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) spans: Vec<Span>,
    pub(super) lines: Vec<Line>,
    /// Drawn on top of each other from 0.
    pub(super) bands: Vec<Band>,
    /// Limits and capacities: a level across the whole panel and what it is.
    pub(super) limits: Vec<(f64, String)>,
}

/// A shaded stretch of time.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) label: String,
    /// Something is wrong in it.
    pub(super) fault: bool,
}

/// A line; gaps where there is no value. Without a name it is what the axis says.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, Option<f64>)>,
    /// Points with a marker; none: a few of the line's own.
    pub(super) marked: Vec<(f64, f64)>,
}

/// One layer of a stack.
#[derive(Debug)]
pub(super) struct Band {
    pub(super) name: &'static str,
    /// Red, green, blue.
    pub(super) colour: (u8, u8, u8),
    pub(super) points: Vec<(f64, f64)>,
}

/// Draws a figure as SVG.
pub(super) fn draw(figure: &Figure) -> String {
    let panels: i32 = figure.panels.iter().map(|panel| panel.height + PANEL_GAP).sum();
    let height = if figure.nothing.is_some() {
        EMPTY_HEIGHT
    } else {
        top(figure) + panels - PANEL_GAP + BOTTOM
    };
    Canvas::draw(WIDTH, height, |canvas| draw_figure(canvas, figure, height))
}

/// Where the first panel begins: below as many rows of labels as it has.
fn top(figure: &Figure) -> i32 {
    let (left, right) = sides(figure);
    let rows = figure.panels.first().map_or(0, |panel| {
        let labels = labels(Place { panel, left, right, top: 0, bottom: panel.height });
        labels.iter().map(|label| label.row + 1).max().unwrap_or(0)
    });
    HEAD + LABEL_ROW * rows.max(1) as i32
}

/// Left and right side of the panels.
fn sides(figure: &Figure) -> (i32, i32) {
    let timed = figure.x_name == SIMULATED_TIME;
    let margins = if timed { TIMED_MARGINS } else { (left_margin(figure), right_margin(figure)) };
    (margins.0, WIDTH - margins.1)
}

/// Where one panel lies, in shown pixels.
#[derive(Clone, Copy)]
struct Place<'p> {
    panel: &'p Panel,
    left: i32,
    right: i32,
    top: i32,
    bottom: i32,
}

impl Place<'_> {
    /// Fine pixel of a point of the panel.
    fn at(&self, x: f64, y: f64) -> (i32, i32) {
        let across = self.panel.x.place(x) * f64::from((self.right - self.left) * FINE);
        let up = self.panel.y.place(y) * f64::from((self.bottom - self.top) * FINE);
        (self.left * FINE + across.round() as i32, self.bottom * FINE - up.round() as i32)
    }
}

fn draw_figure(canvas: &Canvas, figure: &Figure, height: i32) {
    canvas.text(&figure.title, (16, 24), Look::plain().size(17).bold());
    canvas.text(&figure.subtitle, (16, 45), Look::faint());
    if let Some(why) = &figure.nothing {
        canvas.rectangle((16, HEAD), (WIDTH - 16, height - 24), SHADE);
        let middle = (WIDTH / 2, i32::midpoint(HEAD, height - 24));
        canvas.text(why, middle, Look::plain().size(15).centred());
        return;
    }
    let (left, right) = sides(figure);
    let mut top = top(figure);
    for (i, panel) in figure.panels.iter().enumerate() {
        let place = Place { panel, left, right, top, bottom: top + panel.height };
        // Panels over the same axis share its labels.
        let below = figure.panels.get(i + 1);
        draw_axes(canvas, place, below.is_none_or(|below| below.x.ticks != panel.x.ticks));
        draw_bands(canvas, place);
        draw_lines(canvas, place);
        draw_limits(canvas, place);
        draw_labels(canvas, place);
        top = place.bottom + PANEL_GAP;
    }
    let middle = (i32::midpoint(left, right), height - 14);
    canvas.text(&figure.x_name, middle, Look::faint().centred());
}

fn left_margin(figure: &Figure) -> i32 {
    let labels = figure.panels.iter().flat_map(|panel| &panel.y.ticks);
    let longest = labels.map(|(_, label)| label.chars().count()).max().unwrap_or(0);
    (longest as f64 * CHARACTER) as i32 + 40
}

fn right_margin(figure: &Figure) -> i32 {
    let lines = figure.panels.iter().flat_map(|p| &p.lines).map(|line| line.name.chars().count());
    let bands = figure.panels.iter().flat_map(|p| &p.bands).map(|band| band.name.len());
    let longest = lines.chain(bands).max().unwrap_or(0).min(LONGEST_NAME);
    (longest as f64 * CHARACTER) as i32 + 62
}

fn draw_axes(canvas: &Canvas, place: Place<'_>, last: bool) {
    let Place { panel, left, right, top, bottom } = place;
    for span in &panel.spans {
        let (from, to) = (place.at(span.from, 0.0).0 / FINE, place.at(span.to, 0.0).0 / FINE);
        canvas.rectangle(
            (from, top),
            (to.max(from + 1), bottom),
            if span.fault { FAULT } else { SHADE },
        );
    }
    for (value, label) in &panel.y.ticks {
        let y = place.at(0.0, *value).1;
        canvas.path(&[(left * FINE, y), (right * FINE, y)], GRID, 1);
        canvas.text_fine(label, ((left - 7) * FINE, y), Look::faint().to_the_left());
    }
    for (value, label) in &panel.x.ticks {
        let x = place.at(*value, 0.0).0;
        canvas.path(&[(x, bottom * FINE), (x, (bottom + 4) * FINE)], FAINT, 1);
        if last {
            canvas.text_fine(label, (x, (bottom + 15) * FINE), Look::faint().centred());
        }
    }
    let corners = [(left, top), (left, bottom), (right, bottom)];
    canvas.path(&corners.map(|(x, y)| (x * FINE, y * FINE)), FAINT, 1);
    let middle = (13, i32::midpoint(top, bottom));
    canvas.text(&panel.name, middle, Look::faint().centred().upright());
}

/// Where the label of a span stands.
#[derive(Debug)]
struct Placed<'s> {
    text: &'s str,
    /// Where its span begins, and where the text does: further left if it would leave the picture.
    at: i32,
    from: i32,
    to: i32,
    row: usize,
}

/// Labels stand over the left end of their spans; those that would touch what is said of later ones stand
/// above it, so that no line down to a span goes through a label.
fn labels(place: Place<'_>) -> Vec<Placed<'_>> {
    let mut placed: Vec<Placed<'_>> = Vec::new();
    for span in place.panel.spans.iter().rev().filter(|span| !span.label.is_empty()) {
        let width = small_width(&span.label) + 10;
        let at = place.at(span.from, 0.0).0 / FINE;
        let from = at.min(WIDTH - width);
        let to = from + width;
        let under = placed.iter().filter(|other| from < other.to && other.from < to);
        let row = under.map(|other| other.row + 1).max().unwrap_or(0);
        if row < LABEL_ROWS {
            placed.push(Placed { text: &span.label, at, from, to, row });
        }
    }
    placed
}

fn draw_labels(canvas: &Canvas, place: Place<'_>) {
    for label in labels(place) {
        let y = place.top - 9 - label.row as i32 * LABEL_ROW;
        canvas.text(label.text, (label.from, y), Look::faint().size(11));
        if label.row > 0 {
            // What it is of: down to its span.
            let x = (label.at - 2) * FINE;
            canvas.path(&[(x, y * FINE), (x, place.top * FINE)], GRID, 1);
        }
    }
}

/// Shown width of a text of 11 pixels.
fn small_width(text: &str) -> i32 {
    (text.chars().count() as f64 * SMALL) as i32
}

/// A rectangle: left, top, right, bottom; shown pixels.
type Area = (i32, i32, i32, i32);

fn touch(a: Area, b: Area) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}

/// Limits across the panel, with their names.
fn draw_limits(canvas: &Canvas, place: Place<'_>) {
    let limits = &place.panel.limits;
    for ((level, _), (area, name)) in limits.iter().zip(limit_names(place)) {
        let y = place.at(0.0, *level).1;
        canvas.dashed(&[(place.left * FINE, y), (place.right * FINE, y)], LIMIT);
        let at = (area.0, i32::midpoint(area.1, area.3));
        canvas.text(&name, at, Look::plain().size(11).coloured(LIMIT));
    }
}

/// The names of limits, each above or below its line, where there is neither data nor another; else where
/// there is at least no other.
fn limit_names(place: Place<'_>) -> Vec<(Area, String)> {
    let Place { panel, left, right, top, bottom } = place;
    let height = |level: f64| place.at(0.0, level).1 / FINE;
    let mut taken: Vec<Area> = Vec::new();
    for (level, _) in &panel.limits {
        taken.push((left, height(*level) - 1, right, height(*level) + 1));
    }
    let data = data(place);
    let mut names: Vec<(Area, String)> = Vec::new();
    for (level, name) in &panel.limits {
        let name = shorten(name, (f64::from(right - left - 12) / SMALL) as usize);
        let (y, width) = (height(*level), small_width(&name));
        let across = [left + 6, i32::midpoint(left, right) - width / 2, right - 6 - width];
        let areas = across
            .into_iter()
            .flat_map(|x| [-16, 2].map(|shift| (x, y + shift, x + width, y + shift + 14)));
        let areas: Vec<Area> = areas.filter(|area| area.1 >= top && area.3 <= bottom).collect();
        let alone = |area: &&Area| !taken.iter().any(|other| touch(**area, *other));
        let clear = |area: &&Area| alone(area) && !data.iter().any(|other| touch(**area, *other));
        let found = areas.iter().find(clear).or_else(|| areas.iter().find(alone));
        let area = found.copied().unwrap_or((left + 6, y - 16, left + 6 + width, y - 2));
        taken.push(area);
        names.push((area, name));
    }
    names
}

/// What lines cover, piece by piece.
fn data(place: Place<'_>) -> Vec<Area> {
    let mut covered = Vec::new();
    for line in &place.panel.lines {
        for pair in line.points.windows(2) {
            let [(from, Some(a)), (to, Some(b))] = *pair else { continue };
            let ((x, y), (to_x, to_y)) = (place.at(from, a), place.at(to, b));
            let [x, y, to_x, to_y] = [x, y, to_x, to_y].map(|fine| fine / FINE);
            covered.push((x - 1, y.min(to_y) - 2, to_x + 1, y.max(to_y) + 2));
        }
    }
    covered
}

fn draw_bands(canvas: &Canvas, place: Place<'_>) {
    let bands = &place.panel.bands;
    let Some(first) = bands.first() else { return };
    let mut floor: Vec<f64> = vec![0.0; first.points.len()];
    for band in bands {
        let under = floor.iter().zip(&band.points).map(|(low, (x, _))| place.at(*x, *low));
        let mut outline: Vec<(i32, i32)> = under.rev().collect();
        for (low, (x, height)) in floor.iter_mut().zip(&band.points) {
            *low += height;
            outline.push(place.at(*x, *low));
        }
        canvas.polygon(&outline, band.colour);
        // A white edge keeps neighbours apart where greys are close.
        canvas.path(&outline[band.points.len()..], WHITE, 1);
    }
    let (x, mut y) = (place.right + 14, place.top + 10);
    for band in bands.iter().rev() {
        canvas.rectangle((x, y - 6), (x + 14, y + 6), FAINT);
        canvas.rectangle((x + 1, y - 5), (x + 13, y + 5), band.colour);
        canvas.text(band.name, (x + 20, y), Look::plain());
        y += 19;
    }
}

fn draw_lines(canvas: &Canvas, place: Place<'_>) {
    let lines = &place.panel.lines;
    for (i, line) in lines.iter().enumerate() {
        let points: Vec<Option<(i32, i32)>> = line
            .points
            .iter()
            .map(|(x, y)| y.filter(|y| y.is_finite()).map(|y| place.at(*x, y)))
            .collect();
        for stretch in points.split(Option::is_none).filter(|stretch| !stretch.is_empty()) {
            let stretch: Vec<(i32, i32)> = stretch.iter().copied().flatten().collect();
            canvas.stroke(&stretch, i);
        }
        for (x, y) in &line.marked {
            canvas.marker(place.at(*x, *y), i);
        }
        if !line.marked.is_empty() {
            continue;
        }
        // Few markers, at another place on each line.
        let every = (points.len() / 8).max(1);
        let shift = (i * every / lines.len().max(1)).min(points.len().saturating_sub(1));
        for at in points.iter().skip(shift).step_by(every).flatten() {
            canvas.marker(*at, i);
        }
    }
    draw_names(canvas, place);
}

/// Names beside the right end of their lines, moved apart where they would touch.
fn draw_names(canvas: &Canvas, place: Place<'_>) {
    let mut ends: Vec<(usize, (i32, i32))> = Vec::new();
    for (i, line) in place.panel.lines.iter().enumerate() {
        if line.name.is_empty() {
            continue;
        }
        let last = line.points.iter().rev().find_map(|(x, y)| y.map(|y| place.at(*x, y)));
        ends.extend(last.map(|at| (i, at)));
    }
    ends.sort_by_key(|(i, (_, y))| (*y, *i));
    let wanted: Vec<i32> = ends.iter().map(|(_, (_, y))| y / FINE).collect();
    let places = spread(&wanted, 16, place.top + 6, place.bottom - 4);
    for ((i, end), y) in ends.iter().zip(places) {
        let x = place.right + 14;
        canvas.path(&[*end, (x * FINE, y * FINE)], GRID, 1);
        canvas.stroke(&[(x * FINE, y * FINE), ((x + 24) * FINE, y * FINE)], *i);
        canvas.marker(((x + 12) * FINE, y * FINE), *i);
        let name = shorten(&place.panel.lines[*i].name, LONGEST_NAME);
        canvas.text(&name, (x + 30, y), Look::plain());
    }
}

/// Moves sorted places apart to at least `gap`, inside `top..=bottom` as long as they fit.
fn spread(wanted: &[i32], gap: i32, top: i32, bottom: i32) -> Vec<i32> {
    let mut places = wanted.to_vec();
    let mut least = top;
    for place in &mut places {
        *place = (*place).max(least);
        least = *place + gap;
    }
    let mut most = bottom;
    for place in places.iter_mut().rev() {
        *place = (*place).min(most);
        most = *place - gap;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(spans: Vec<Span>, limits: Vec<(f64, String)>) -> Panel {
        let y = Axis::from_zero(crate::report::text::Quantity::Share, 1.0);
        let (x, lines, bands) = (Axis::clock(600.0), vec![], vec![]);
        Panel { name: "p".into(), height: 200, x, y, spans, lines, bands, limits }
    }

    fn place(panel: &Panel) -> Place<'_> {
        Place { panel, left: 110, right: 910, top: 100, bottom: 300 }
    }

    #[test]
    fn labels_stand_at_their_time_and_no_line_goes_through_one() {
        let span = |from: f64, label: &str| Span {
            from,
            to: from + 60.0,
            label: label.into(),
            fault: true,
        };
        let spans = [
            (0.0, "warm-up (60 s), not counted"),
            (75.0, "a fault with a long name of its own"),
            (90.0, "zone-loss"),
            (90.0, "! alert"),
            (590.0, "at the end"),
        ];
        let panel = panel(spans.map(|(from, label)| span(from, label)).into(), vec![]);
        let placed = labels(place(&panel));
        assert_eq!(placed.iter().map(|l| l.row).collect::<Vec<_>>(), [0, 0, 1, 2, 3]);
        for (label, (from, text)) in placed.iter().rev().zip(spans) {
            assert_eq!((label.text, label.at), (text, 110 + (from / 600.0 * 800.0) as i32));
            let lower = placed.iter().filter(|other| other.row < label.row);
            let mut through = lower.filter(|l| l.from < label.at - 2 && label.at - 2 < l.to);
            assert!(through.next().is_none(), "{placed:?}");
        }
    }

    #[test]
    fn names_of_limits_do_not_touch_each_other_and_avoid_data() {
        let limit = |level, name: &str| (level, name.to_owned());
        let limits = vec![limit(0.5, "p99(latency) <= 1s"), limit(0.52, "p95(latency) <= 1s")];
        let mut panel = panel(vec![], limits);
        let data = vec![(0.0, Some(0.44)), (200.0, Some(0.44)), (300.0, None)];
        panel.lines.push(Line { name: "p50".into(), points: data, ..Line::default() });
        let names = limit_names(place(&panel));
        let areas: Vec<Area> = names.iter().map(|name| name.0).collect();
        assert!(!touch(areas[0], areas[1]), "{areas:?}");
        let covered = super::data(place(&panel));
        assert!(!areas.iter().any(|area| covered.iter().any(|other| touch(*area, *other))));
        panel.limits[0].1 = "long ".repeat(60);
        assert!(limit_names(place(&panel))[0].1.ends_with('…'));
    }

    #[test]
    fn names_move_apart_and_stay_inside() {
        assert_eq!(spread(&[10, 11, 50], 16, 0, 100), [10, 26, 50]);
        assert_eq!(spread(&[98, 99, 100], 16, 0, 100), [68, 84, 100]);
        assert_eq!(spread(&[], 16, 0, 100), Vec::<i32>::new());
    }
}
