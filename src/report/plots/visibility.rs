//! Which share of the reads see the newest write, by how long ago it was.

use super::{
    axis::Axis,
    frame::{Figure, Line, Panel},
};
use crate::{
    report::{plots::parts::source, text::Quantity},
    results::{Results, TVisibility},
};

/// Fresh reads, by the age of the newest acknowledged write of their key; none where no store is followed or all reads
/// are fresh.
pub(super) fn figure(results: &Results) -> Option<Figure> {
    let all = results.consistency.as_ref()?;
    let stale = all.t_visibility.iter().any(|point| point.fresh < 1.0);
    let points: Vec<&TVisibility> =
        all.t_visibility.iter().filter(|point| stale && point.after > 0.0).collect();
    let (first, last) = (points.first()?.after, points.last()?.after);
    let lowest = points.iter().map(|point| point.fresh).fold(1.0, f64::min);
    let most = points.iter().map(|point| point.reads).max()?;
    let x = || Axis::log_durations(first, last.max(first * 10.0));
    let line = |points: Vec<(f64, Option<f64>)>| Line { points, ..Line::default() };
    let panel = |name, height, y, points| Panel {
        name,
        height,
        x: x(),
        y,
        spans: Vec::new(),
        lines: vec![line(points)],
        limits: Vec::new(),
        bands: Vec::new(),
    };
    let fresh = points.iter().map(|point| (point.after, Some(point.fresh))).collect();
    let reads = points.iter().map(|point| (point.after, Some(point.reads as f64))).collect();
    Some(Figure {
        title: "Reads that see the newest write, by how long ago it was".into(),
        subtitle: format!(
            "{}: of the reads begun so long after the newest write of their key was acknowledged",
            source(results)
        ),
        x_name: "time since that write (logarithmic)".into(),
        panels: vec![
            panel("share fresh".into(), 260, Axis::up_to_one(lowest), fresh),
            panel("reads".into(), 120, Axis::from_zero(Quantity::Number, most as f64), reads),
        ],
        nothing: None,
    })
}
