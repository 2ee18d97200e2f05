//! Where in the picture the state of the design at one instant is shown.
//!
//! **Invariant.** Nothing here says how anything is: that the script of the page does, from the data beside it. A part is
//! found by its name, an instance by its number.

use std::fmt::Write;

use super::SMALL_CHARACTER;
use crate::{
    node_kind::NodeKind,
    report::text::escape,
    results::{NodeSeries, Results, Vertex},
};

/// Instances that have a cell each, at most.
const MOST_CELLS: usize = 64;
const IN_A_ROW: usize = 12;
const CELL: f64 = 13.0;
const STEP: f64 = 16.0;
/// Characters of the line above the cells.
const WORDS: f64 = 25.0;
const LINE: f64 = 15.0;

/// How many cells a part is shown by: one for each instance of which something is known, none where there are too many.
pub(crate) fn cells(results: &Results, vertex: &Vertex) -> usize {
    if vertex.kind == NodeKind::Client || vertex.instances == 0 {
        return 0;
    }
    let series = results.series.nodes.get(&vertex.name);
    let known = series.map_or(0, |series| series.per_instance.len());
    // Where there is nothing to say of any, it is the same of each.
    let nothing = |series: &NodeSeries| {
        let waits = series.in_queue.iter().any(|n| *n > 0.0);
        !waits && series.down.is_empty() && series.utilisation.iter().all(Option::is_none)
    };
    let alike = vertex.instances == 1 || series.is_some_and(nothing);
    let all = usize::try_from(vertex.instances).unwrap_or(usize::MAX);
    match known.max(all) {
        n if n <= MOST_CELLS && (known > 0 || alike) => n,
        _ => 0,
    }
}

/// Room for the state of one part.
#[derive(Debug)]
pub(super) struct State {
    cells: usize,
    /// Instead of cells: how busy all are, as the length of a bar.
    bar: bool,
}

impl State {
    pub(super) fn new(vertex: &Vertex, cells: usize) -> Self {
        Self { cells, bar: cells == 0 && vertex.kind != NodeKind::Client && vertex.instances > 0 }
    }

    fn rows(&self) -> usize {
        if self.bar { 1 } else { self.cells.div_ceil(IN_A_ROW) }
    }

    pub(super) fn height(&self) -> f64 {
        LINE + self.rows() as f64 * STEP + 4.0
    }

    pub(super) fn width(&self) -> f64 {
        let wide = if self.bar { IN_A_ROW } else { IN_A_ROW.min(self.cells) };
        (WORDS * SMALL_CHARACTER).max(wide as f64 * STEP)
    }

    /// A line for words on the height `y`, and below it the cells or the bar.
    pub(super) fn draw(&self, out: &mut String, (x, y): (f64, f64)) {
        let _ = writeln!(
            out,
            "<text class=\"state\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"11\"></text>"
        );
        let top = y + 5.0;
        if self.bar {
            let width = IN_A_ROW as f64 * STEP;
            let _ = writeln!(
                out,
                "<g class=\"bar\"><rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width}\" height=\"{CELL}\"/></g>"
            );
        }
        for cell in 0..self.cells {
            let (x, y) =
                (x + (cell % IN_A_ROW) as f64 * STEP, top + (cell / IN_A_ROW) as f64 * STEP);
            let _ = writeln!(
                out,
                "<g data-instance=\"{cell}\"><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{CELL}\" height=\"{CELL}\"/></g>"
            );
        }
    }
}

/// The group of a part, with what marks all of it.
pub(super) fn begin_node(
    out: &mut String,
    vertex: &Vertex,
    (x, y, width, height): (f64, f64, f64, f64),
) {
    let _ = writeln!(
        out,
        "<g data-node=\"{}\"><rect class=\"ring\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"9\"/>",
        escape(&vertex.name),
        x - 5.0,
        y - 5.0,
        width + 10.0,
        height + 10.0,
    );
}

/// The group of an arrow.
pub(super) fn begin_arrow(out: &mut String, from: &Vertex, to: &Vertex) {
    let (from, to) = (escape(&from.name), escape(&to.name));
    let _ = writeln!(out, "<g data-from=\"{from}\" data-to=\"{to}\">");
}

#[cfg(test)]
mod tests {
    use crate::{report::fixture, results::InstanceSeries};

    #[test]
    fn each_part_is_found_and_each_known_instance() {
        let mut results = fixture::shop();
        let api = results.series.nodes.get_mut("api").unwrap();
        api.per_instance = vec![InstanceSeries::default(); 8];
        let svg = super::super::live(&results);
        for vertex in &results.design.vertices {
            assert_eq!(svg.matches(&format!("data-node=\"{}\"", vertex.name)).count(), 1);
        }
        // Eight of the one that is followed, one of each that is alone.
        assert_eq!(svg.matches("data-instance=\"0\"").count(), 2);
        assert_eq!(svg.matches("data-instance=\"7\"").count(), 1);
        assert_eq!(svg.matches("class=\"bar\"").count(), 3, "of the others all together");
        assert!(svg.contains("data-from=\"api\" data-to=\"orders\""));
        assert!(!super::super::draw(&results).contains("data-"), "the file is as it was");
    }
}
