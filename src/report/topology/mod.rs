//! `topology.svg`: the design as a picture. Clients to the left, who is called to the right.
//!
//! **Invariant.** No two boxes overlap and every text is escaped; kinds differ in shape, zones in
//! their letter, so that the picture reads in black and white.

mod layout;
mod live;
mod shapes;

use std::{collections::BTreeMap, fmt::Write};

use layout::{Graph, Layout, layout};

use super::text::{Quantity, clean, escape, plural, shorten, value};
use crate::{
    node_kind::NodeKind,
    results::{Design, NodeSeries, Results, Vertex},
};

const MARGIN: f64 = 24.0;
/// Free height between boxes of a layer.
const ROW_GAP: f64 = 30.0;
/// Shown widths of one character, on the safe side.
const NAME_CHARACTER: f64 = 8.2;
const SMALL_CHARACTER: f64 = 6.7;
const LONGEST_NAME: usize = 28;
const LONGEST_DETAIL: usize = 32;
const LONGEST_LABEL: usize = 34;
const CHIP_WIDTH: f64 = 38.0;
const MOST_CHIPS: usize = 6;
const LID: f64 = 9.0;
/// From so many callers on their arrows come together before the node.
const BUNDLED: usize = 4;
/// Where they do, before its side.
const TRUNK: f64 = 34.0;
/// Busy share of what it has, over the run or in its busiest window: from which on a node is marked, and how.
const HEAT: [(f64, &str); 2] = [(0.95, "#c62828"), (0.7, "#d98200")];
/// Light fills of zones.
const ZONE_COLOURS: [&str; 6] = ["#cfe2f7", "#fde3c4", "#d3efdc", "#ead7f0", "#f9d3d6", "#e4e4d0"];

/// Looks of texts, as attributes.
const NAME: &str = "font-size=\"13\" font-weight=\"bold\"";
const COUNT: &str = "font-size=\"12\" text-anchor=\"end\"";
const DETAIL: &str = "font-size=\"11\" fill=\"#444\"";
const SMALL: &str = "font-size=\"11\"";
const CENTRED: &str = "font-size=\"11\" text-anchor=\"middle\"";

/// The design as SVG.
pub(crate) fn draw(results: &Results) -> String {
    let busy = |name: &String, node: &NodeSeries| {
        let most = node.utilisation.iter().flatten().copied().fold(0.0, f64::max);
        let mean = results.nodes.get(name).and_then(|node| node.utilisation.value);
        let mean = mean.unwrap_or_default().min(1.0);
        (name.clone(), Busy { mean, most: most.clamp(mean, 1.0) })
    };
    let busy = results.series.nodes.iter().map(|(name, node)| busy(name, node)).collect();
    draw_design(&results.design, &busy)
}

/// The design as SVG whose parts can be found: the script of the page shows in it how each is at one instant.
pub(crate) fn live(results: &Results) -> String {
    let cells = |vertex: &Vertex| live::cells(results, vertex);
    Picture::new(&results.design, &BTreeMap::new(), Some(&cells)).svg()
}

pub(crate) use live::cells;

/// How busy a node was: over the run, and in its busiest window.
#[derive(Clone, Copy, Debug)]
struct Busy {
    mean: f64,
    most: f64,
}

impl Busy {
    /// The colour of a node that was full, or nearly.
    fn colour(self) -> Option<&'static str> {
        HEAT.into_iter().find(|(from, _)| self.most >= *from).map(|(_, colour)| colour)
    }

    fn words(self) -> String {
        let [mean, most] = [self.mean, self.most].map(|share| value(Quantity::Share, share));
        format!("busy {mean}, at most {most}")
    }
}

/// What the frames and figures of busy nodes are.
const HEAT_LEGEND: &str = "Framed: busy for 70 % of some window or more; red: for 95 %. Busy: over the run \
                           (cores, else workers); at most: in its busiest window.";

/// The design, and how busy each node was.
fn draw_design(design: &Design, busy: &BTreeMap<String, Busy>) -> String {
    if design.vertices.is_empty() {
        return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"320\" height=\"60\" \
                viewBox=\"0 0 320 60\" font-family=\"sans-serif\"><text x=\"20\" y=\"35\" \
                font-size=\"13\">The design has no parts.</text></svg>\n"
            .into();
    }
    Picture::new(design, busy, None).svg()
}

/// A box with what is written in it.
struct Boxed<'d> {
    vertex: &'d Vertex,
    name: String,
    count: String,
    details: Vec<String>,
    /// Of a node that was full, or nearly.
    busy: Option<(Busy, &'static str)>,
    /// Room for its state at one instant.
    state: Option<live::State>,
    height: f64,
    width: f64,
}

/// An edge between known boxes.
struct Arrow {
    from: usize,
    to: usize,
    label: String,
}

/// Everything placed.
struct Picture<'d> {
    boxes: Vec<Boxed<'d>>,
    arrows: Vec<Arrow>,
    /// Zone names to their number, in name order.
    zones: BTreeMap<&'d str, usize>,
    layout: Layout,
    /// Left and right side of each layer.
    columns: Vec<(f64, f64)>,
    /// Its parts can be found.
    live: bool,
}

impl<'d> Picture<'d> {
    /// `cells` says how many cells each part is shown by at one instant, if it is.
    fn new(
        design: &'d Design,
        busy: &BTreeMap<String, Busy>,
        cells: Option<&dyn Fn(&Vertex) -> usize>,
    ) -> Self {
        let boxed = |vertex: &'d Vertex| {
            let state = cells.map(|cells| live::State::new(vertex, cells(vertex)));
            Boxed::new(vertex, busy.get(&vertex.name).copied(), state)
        };
        let boxes: Vec<Boxed<'d>> = design.vertices.iter().map(boxed).collect();
        let arrows = arrows(design);
        let names: BTreeMap<&str, usize> = design
            .vertices
            .iter()
            .flat_map(|vertex| &vertex.zones)
            .map(|(zone, _)| (zone.as_str(), 0))
            .collect();
        let zones = names.into_keys().enumerate().map(|(i, zone)| (zone, i)).collect();
        let layout = layout(&Graph {
            heights: boxes.iter().map(|boxed| boxed.height).collect(),
            first: boxes.iter().map(|boxed| boxed.vertex.kind == NodeKind::Client).collect(),
            edges: arrows.iter().map(|arrow| (arrow.from, arrow.to)).collect(),
            gap: ROW_GAP,
        });
        let columns = columns(&boxes, &arrows, &layout);
        Self { boxes, arrows, zones, layout, columns, live: cells.is_some() }
    }

    fn svg(&self) -> String {
        let widest = (self.zones.len().min(4) as f64) * 190.0;
        let mut labels = Vec::new();
        let mut arrows = String::new();
        for (i, arrow) in self.arrows.iter().enumerate() {
            if self.live {
                live::begin_arrow(
                    &mut arrows,
                    self.boxes[arrow.from].vertex,
                    self.boxes[arrow.to].vertex,
                );
            }
            self.arrow(&mut arrows, i, arrow, &mut labels);
            arrows.push_str(if self.live { "</g>\n" } else { "" });
        }
        let right = self.columns.last().map_or(0.0, |(_, right)| *right);
        let right = labels.iter().map(Label::right).fold(right, f64::max);
        let width = right.max(widest) + MARGIN;
        let rows = self.zones.len().div_ceil(4) as f64;
        let hot = self.boxes.iter().any(|boxed| boxed.busy.is_some());
        let characters = if hot { (width - 2.0 * MARGIN) / SMALL_CHARACTER } else { 0.0 };
        let told = wrap(if hot { HEAT_LEGEND } else { "" }, characters as usize, 8);
        let below = self.layout.height + 2.0 * MARGIN + 8.0 + rows * 24.0;
        let height = below + told.len() as f64 * 15.0;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" \
             height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" \
             font-family=\"sans-serif\">\n<title>The design: {} clients and nodes</title>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
            self.boxes.len(),
        );
        out.push_str(&arrows);
        for (i, boxed) in self.boxes.iter().enumerate() {
            if self.live {
                live::begin_node(&mut out, boxed.vertex, self.frame(i));
            }
            self.boxed(&mut out, i, boxed);
            out.push_str(if self.live { "</g>\n" } else { "" });
        }
        write_labels(&mut out, labels);
        out.push_str(&self.legend());
        for (i, line) in told.iter().enumerate() {
            text(&mut out, (MARGIN, below + i as f64 * 15.0), DETAIL, line);
        }
        out.push_str("</svg>\n");
        out
    }

    /// Top left corner of a box and its size.
    fn frame(&self, i: usize) -> (f64, f64, f64, f64) {
        let (left, right) = self.columns[self.layout.layer[i]];
        let height = self.boxes[i].height;
        (left, self.layout.middle[i] + MARGIN - height / 2.0, right - left, height)
    }

    /// A frame around a box that was full, or nearly.
    fn heat(&self, out: &mut String, i: usize, colour: &str) {
        let (x, y, width, height) = self.frame(i);
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"9\" fill=\"none\" \
             stroke=\"{colour}\" stroke-width=\"2.6\"/>",
            x - 4.0,
            y - 4.0,
            width + 8.0,
            height + 8.0,
        );
    }

    /// How many arrows come to a box.
    fn callers(&self, node: usize) -> usize {
        self.arrows.iter().filter(|arrow| arrow.to == node).count()
    }

    fn boxed(&self, out: &mut String, i: usize, boxed: &Boxed<'_>) {
        let (x, y, width, height) = self.frame(i);
        let many = boxed.vertex.instances > 1 && boxed.vertex.kind != NodeKind::Client;
        shapes::shape(out, boxed.vertex.kind, (x, y, width, height), many);
        // A cylinder's lid takes room.
        let y = if boxed.vertex.kind == NodeKind::Store { y + LID } else { y };
        shapes::glyph(out, boxed.vertex.kind, x + 14.0, y + 13.0);
        text(out, (x + 40.0, y + 26.0), NAME, &boxed.name);
        if !boxed.count.is_empty() {
            let end = x + width - 12.0;
            text(out, (end, y + 26.0), COUNT, &boxed.count);
        }
        let mut line = y + 44.0;
        for detail in &boxed.details {
            text(out, (x + 14.0, line), DETAIL, detail);
            line += 15.0;
        }
        if let Some((busy, colour)) = boxed.busy {
            let look = format!("font-size=\"11\" font-weight=\"bold\" fill=\"{colour}\"");
            text(out, (x + 14.0, line), &look, &busy.words());
            self.heat(out, i, colour);
            line += 15.0;
        }
        if let Some(state) = &boxed.state {
            state.draw(out, (x + 14.0, line));
            line += state.height();
        }
        for (n, (zone, count)) in boxed.vertex.zones.iter().take(MOST_CHIPS).enumerate() {
            let number = self.zones.get(zone.as_str()).copied().unwrap_or(0);
            let at = (x + 14.0 + n as f64 * (CHIP_WIDTH + 4.0), line - 9.0);
            // Requests of a client come from all of its zones in turn.
            let one = *count == 1 && boxed.vertex.kind == NodeKind::Client;
            let count = if one { String::new() } else { format!(" ×{count}") };
            chip(out, at, number, &format!("{}{count}", letter(number)));
        }
        let more = boxed.vertex.zones.len().saturating_sub(MOST_CHIPS);
        if more > 0 {
            let at = x + 14.0 + MOST_CHIPS as f64 * (CHIP_WIDTH + 4.0);
            text(out, (at, line + 2.0), SMALL, &format!("+{more}"));
        }
    }

    fn arrow(&self, out: &mut String, i: usize, arrow: &Arrow, labels: &mut Vec<Label>) {
        let (x, _, width, _) = self.frame(arrow.from);
        let (end_x, _, _, _) = self.frame(arrow.to);
        let mut at = (x + width, self.port(i, true));
        let bundled = self.callers(arrow.to) >= BUNDLED;
        let end_y =
            if bundled { self.layout.middle[arrow.to] + MARGIN } else { self.port(i, false) };
        let end = (end_x - 7.0, end_y);
        let mut path = format!("M{:.1} {:.1}", at.0, at.1);
        let first_layer = self.layout.layer[arrow.from] + 1;
        let mut stops: Vec<((f64, f64), f64)> = Vec::new();
        for (passed, height) in self.layout.passes[i].iter().enumerate() {
            let (left, right) = self.columns[first_layer + passed];
            stops.push(((left, height + MARGIN), right));
        }
        if bundled {
            stops.push(((end.0 - TRUNK, end.1), end.0));
        } else {
            stops.push((end, end.0));
        }
        if let Some((stop, _)) = stops.first().filter(|_| !arrow.label.is_empty()) {
            let gap = self.layout.layer[arrow.from];
            let mut label = Label { gap, at, text: arrow.label.clone() };
            label.at.0 += 14.0 + label.width() / 2.0;
            // Of those that go back only the beginning lies between boxes.
            if stop.0 > at.0 {
                let middle = (f64::midpoint(at.0, stop.0), f64::midpoint(at.1, stop.1));
                label.at = (middle.0.max(label.at.0), middle.1);
            }
            labels.push(label);
        }
        for ((x, y), right) in stops {
            let bend = f64::midpoint(at.0, x);
            let _ = write!(path, "C{bend:.1} {:.1} {bend:.1} {y:.1} {x:.1} {y:.1}", at.1);
            if right > x {
                let _ = write!(path, "H{right:.1}");
            }
            at = (right, y);
        }
        let _ = writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"#555\" stroke-width=\"1.4\"/>\n\
             <path d=\"M{:.1} {:.1}l-8 -4.5v9z\" fill=\"#555\"/>",
            end.0 + 7.0,
            end.1,
        );
    }

    /// Height at which an edge leaves (or reaches) its box: edges of one side stand apart, in the
    /// order of what is at their other ends.
    fn port(&self, edge: usize, leaving: bool) -> f64 {
        let here = |arrow: &Arrow| if leaving { arrow.from } else { arrow.to };
        let node = here(&self.arrows[edge]);
        let mut same: Vec<(f64, usize)> = Vec::new();
        for (i, arrow) in self.arrows.iter().enumerate().filter(|(_, a)| here(a) == node) {
            let passes = &self.layout.passes[i];
            let next = if leaving { passes.first() } else { passes.last() };
            let other = if leaving { arrow.to } else { arrow.from };
            same.push((next.copied().unwrap_or(self.layout.middle[other]), i));
        }
        same.sort_by(|a, b| a.0.total_cmp(&b.0));
        let place = same.iter().position(|(_, i)| *i == edge).unwrap_or(0) as f64;
        let room = self.boxes[node].height - 24.0;
        let step = (room / same.len() as f64).min(14.0);
        let from_middle = (place - (same.len() - 1) as f64 / 2.0) * step;
        self.layout.middle[node] + MARGIN + from_middle
    }

    fn legend(&self) -> String {
        let mut out = String::new();
        for (zone, number) in &self.zones {
            let (row, column) = (number / 4, number % 4);
            let x = MARGIN + column as f64 * 190.0;
            let y = self.layout.height + 2.0 * MARGIN - 8.0 + row as f64 * 24.0;
            chip(&mut out, (x, y), *number, &letter(*number));
            text(&mut out, (x + CHIP_WIDTH + 8.0, y + 12.0), SMALL, &shorten(zone, 20));
        }
        out
    }
}

impl<'d> Boxed<'d> {
    fn new(vertex: &'d Vertex, busy: Option<Busy>, state: Option<live::State>) -> Self {
        let busy = busy.and_then(|busy| Some((busy, busy.colour()?)));
        let name = shorten(&vertex.name, LONGEST_NAME);
        let count = match (vertex.kind, vertex.instances) {
            (_, 0) => String::new(),
            (NodeKind::Client, n) => plural(n, "user"),
            (NodeKind::Store, n) => plural(n, "shard"),
            (_, 1) => String::new(),
            (_, n) => format!("× {n}"),
        };
        let mut details = wrap(&vertex.detail, LONGEST_DETAIL, 2);
        if vertex.kind != NodeKind::Client {
            details.insert(0, shorten(vertex.kind.words(), LONGEST_DETAIL));
        }
        let characters = |text: &str| text.chars().count() as f64;
        let title = (characters(&name) + characters(&count)) * NAME_CHARACTER + 64.0;
        let longest = details.iter().map(|line| characters(line)).fold(0.0, f64::max);
        // Bold.
        let longest =
            busy.map_or(longest, |(busy, _)| longest.max(characters(&busy.words()) * 1.1));
        let chips = vertex.zones.len().min(MOST_CHIPS + 1) as f64 * (CHIP_WIDTH + 4.0);
        let width = title.max(longest * SMALL_CHARACTER + 28.0).max(chips + 28.0);
        let width = state.as_ref().map_or(width, |state| width.max(state.width() + 28.0));
        let zones = if vertex.zones.is_empty() { 0.0 } else { 20.0 };
        let lid = if vertex.kind == NodeKind::Store { LID } else { 0.0 };
        let lines = details.len() + usize::from(busy.is_some());
        let below = state.as_ref().map_or(0.0, live::State::height);
        let height = 42.0 + lid + lines as f64 * 15.0 + zones + below;
        Self { vertex, name, count, details, busy, state, height, width }
    }
}

/// A text beside an edge, in the gap after a layer.
struct Label {
    gap: usize,
    at: (f64, f64),
    text: String,
}

impl Label {
    fn width(&self) -> f64 {
        self.text.chars().count() as f64 * SMALL_CHARACTER + 2.0
    }

    fn right(&self) -> f64 {
        self.at.0 + self.width() / 2.0
    }
}

/// Labels of one gap are moved apart; a white ground keeps them legible on lines.
fn write_labels(out: &mut String, mut labels: Vec<Label>) {
    labels.sort_by(|a, b| a.gap.cmp(&b.gap).then(a.at.1.total_cmp(&b.at.1)));
    let mut free: (usize, f64) = (usize::MAX, 0.0);
    for label in labels {
        let least = if free.0 == label.gap { free.1 } else { f64::NEG_INFINITY };
        let y = (label.at.1 + 4.0).max(least);
        free = (label.gap, y + 15.0);
        let width = label.width();
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"14\" fill=\"#fff\"/>",
            label.at.0 - width / 2.0,
            y - 10.5,
        );
        text(out, (label.at.0, y), CENTRED, &label.text);
    }
}

/// Edges between parts of the design, one per pair, with all their labels.
fn arrows(design: &Design) -> Vec<Arrow> {
    let index = |name: &str| design.vertices.iter().position(|vertex| vertex.name == name);
    let mut arrows: Vec<Arrow> = Vec::new();
    for edge in &design.edges {
        let (Some(from), Some(to)) = (index(&edge.from), index(&edge.to)) else { continue };
        if from == to {
            continue;
        }
        let label = clean(&edge.label);
        match arrows.iter_mut().find(|arrow| (arrow.from, arrow.to) == (from, to)) {
            Some(arrow) if label.is_empty() || arrow.label.contains(&label) => {}
            Some(arrow) if arrow.label.is_empty() => arrow.label = label,
            Some(arrow) => {
                arrow.label.push_str(", ");
                arrow.label.push_str(&label);
            }
            None => arrows.push(Arrow { from, to, label }),
        }
    }
    for arrow in &mut arrows {
        arrow.label = shorten(&arrow.label, LONGEST_LABEL);
    }
    arrows
}

/// Left and right side of each layer: as wide as its widest box, with room for labels between.
fn columns(boxes: &[Boxed<'_>], arrows: &[Arrow], layout: &Layout) -> Vec<(f64, f64)> {
    let count = layout.layer.iter().max().map_or(0, |most| most + 1);
    let mut left = MARGIN;
    let mut columns = Vec::new();
    for layer in 0..count {
        let here = boxes.iter().zip(&layout.layer).filter(|(_, l)| **l == layer);
        let width = here.map(|(boxed, _)| boxed.width).fold(0.0, f64::max);
        columns.push((left, left + width));
        let labels = arrows.iter().filter(|arrow| layout.layer[arrow.from] == layer);
        let longest = labels.map(|arrow| arrow.label.chars().count()).max().unwrap_or(0);
        left += width + (longest as f64 * SMALL_CHARACTER + 44.0).max(70.0);
    }
    columns
}

/// Lines of at most `most` characters, broken at spaces; what does not fit ends in an ellipsis.
fn wrap(text: &str, most: usize, lines: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in clean(text).split_whitespace() {
        let full = out.len() == lines;
        match out.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            Some(line) if full => {
                *line = shorten(&format!("{line} {word}"), most - 1);
                if !line.ends_with('…') {
                    line.push('…');
                }
                break;
            }
            _ => out.push(shorten(word, most)),
        }
    }
    out
}

/// A zone's code: a letter, then numbers.
fn letter(number: usize) -> String {
    match u8::try_from(number) {
        Ok(n) if n < 26 => char::from(b'A' + n).into(),
        _ => format!("Z{number}"),
    }
}

fn chip(out: &mut String, (x, y): (f64, f64), number: usize, label: &str) {
    let fill = ZONE_COLOURS[number % ZONE_COLOURS.len()];
    let _ = writeln!(
        out,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{CHIP_WIDTH}\" height=\"16\" rx=\"8\" \
         fill=\"{fill}\" stroke=\"#777\" stroke-width=\"0.7\"/>"
    );
    text(out, (x + CHIP_WIDTH / 2.0, y + 12.0), CENTRED, label);
}

/// `look` is one of the attribute lists above.
fn text(out: &mut String, (x, y): (f64, f64), look: &str, text: &str) {
    let text = escape(text);
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" {look}>{text}</text>");
}

#[cfg(test)]
mod tests;
