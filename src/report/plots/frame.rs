//! What all charts share: title, panels with axes, grid, shaded spans, lines and stacked bands, and
//! labels beside the plot.
//!
//! **Invariant.** No label lies over the data, and everything told by colour is told by a dash
//! pattern, a marker or a place as well, so that charts read in black and white.

use super::{
    axis::Axis,
    canvas::{Canvas, FAINT, FAULT, FINE, GRID, LIMIT, Look, SHADE, WHITE},
};
use crate::report::text::shorten;

const WIDTH: i32 = 880;
const TOP: i32 = 96;
const PANEL_GAP: i32 = 40;
const BOTTOM: i32 = 52;
/// Height of a picture that says why it is empty.
const EMPTY_HEIGHT: i32 = 200;
/// Shown width of one character of 12 pixels, on the safe side.
const CHARACTER: f64 = 6.8;
const LONGEST_NAME: usize = 20;
/// Margins of pictures over simulated time: one instant stands at one place on the whole page.
const TIMED_MARGINS: (i32, i32) = (110, 198);
/// Height of a row of labels of spans.
const LABEL_ROW: i32 = 13;
/// Rows of those at most: further ones share the last.
const LABEL_ROWS: usize = 3;

/// A whole picture.
#[derive(Debug, Default)]
pub(super) struct Figure {
    pub(super) title: String,
    pub(super) subtitle: String,
    /// Name of the horizontal axis.
    pub(super) x_name: &'static str,
    pub(super) panels: Vec<Panel>,
    /// Why there is nothing to draw, if so.
    pub(super) nothing: Option<String>,
}

/// One coordinate system; panels stand one below the other.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) name: &'static str,
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
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, Option<f64>)>,
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
    let height =
        if figure.nothing.is_some() { EMPTY_HEIGHT } else { TOP + panels - PANEL_GAP + BOTTOM };
    Canvas::draw(WIDTH, height, |canvas| draw_figure(canvas, figure, height))
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

fn draw_figure(canvas: &Canvas<'_>, figure: &Figure, height: i32) {
    canvas.text(&figure.title, (16, 24), Look::plain().size(17).bold());
    canvas.text(&figure.subtitle, (16, 45), Look::faint());
    if let Some(why) = &figure.nothing {
        canvas.rectangle((16, TOP), (WIDTH - 16, height - 24), SHADE);
        let middle = (WIDTH / 2, i32::midpoint(TOP, height - 24));
        canvas.text(why, middle, Look::plain().size(15).centred());
        return;
    }
    let timed = figure.x_name == super::SIMULATED_TIME;
    let margins = if timed { TIMED_MARGINS } else { (left_margin(figure), right_margin(figure)) };
    let (left, right) = (margins.0, WIDTH - margins.1);
    let mut top = TOP;
    for (i, panel) in figure.panels.iter().enumerate() {
        let place = Place { panel, left, right, top, bottom: top + panel.height };
        draw_axes(canvas, place, i + 1 == figure.panels.len());
        draw_bands(canvas, place);
        draw_lines(canvas, place);
        draw_limits(canvas, place);
        draw_labels(canvas, place);
        top = place.bottom + PANEL_GAP;
    }
    let middle = (i32::midpoint(left, right), height - 14);
    canvas.text(figure.x_name, middle, Look::faint().centred());
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

fn draw_axes(canvas: &Canvas<'_>, place: Place<'_>, last: bool) {
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
    canvas.text(panel.name, middle, Look::faint().centred().upright());
}

/// Labels stand over the left end of their spans; where they would touch, one row higher.
fn draw_labels(canvas: &Canvas<'_>, place: Place<'_>) {
    let mut free = [place.left; LABEL_ROWS];
    for span in place.panel.spans.iter().filter(|span| !span.label.is_empty()) {
        let width = (span.label.chars().count() as f64 * CHARACTER) as i32 + 8;
        // Not beyond the right end of the picture.
        let x = (place.at(span.from, 0.0).0 / FINE).min(WIDTH - width);
        let row = free.iter().position(|from| *from <= x).unwrap_or(LABEL_ROWS - 1);
        let x = x.max(free[row]);
        free[row] = x + width;
        let y = place.top - 9 - row as i32 * LABEL_ROW;
        canvas.text(&span.label, (x, y), Look::faint().size(11));
        if row > 0 {
            // What it is of: down to its span.
            let from = (x - 2) * FINE;
            canvas.path(&[(from, y * FINE), (from, place.top * FINE)], GRID, 1);
        }
    }
}

/// Limits across the panel, named at their right end where the names of lines stand.
fn draw_limits(canvas: &Canvas<'_>, place: Place<'_>) {
    for (level, name) in &place.panel.limits {
        let y = place.at(0.0, *level).1;
        canvas.dashed(&[(place.left * FINE, y), (place.right * FINE, y)], LIMIT);
        let at = ((place.left + 6) * FINE, y - 9 * FINE);
        canvas.text_fine(&shorten(name, 60), at, Look::plain().size(11).coloured(LIMIT));
    }
}

fn draw_bands(canvas: &Canvas<'_>, place: Place<'_>) {
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

fn draw_lines(canvas: &Canvas<'_>, place: Place<'_>) {
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
fn draw_names(canvas: &Canvas<'_>, place: Place<'_>) {
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

    #[test]
    fn names_move_apart_and_stay_inside() {
        assert_eq!(spread(&[10, 11, 50], 16, 0, 100), [10, 26, 50]);
        assert_eq!(spread(&[98, 99, 100], 16, 0, 100), [68, 84, 100]);
        assert_eq!(spread(&[], 16, 0, 100), Vec::<i32>::new());
    }
}
