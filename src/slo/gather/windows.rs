//! Figures of whole windows, of requests and of nodes.
//!
//! **Invariant.** A window that is not covered to its end is left out.

use super::{
    super::objective::{NodeField, RequestsField},
    read::nanoseconds,
};
use crate::{
    results::{NodeSeries, Requests, RequestsInWindow, Results},
    stats::mean,
};

/// The figure of each whole window after the warm-up in which it is defined.
/// Of those in flight so many are bad as `late` says; if nothing, they are left out.
pub(super) fn request_windows(
    part: &Requests,
    field: RequestsField,
    (warm_up, window): (u64, u64),
    late: &dyn Fn(&RequestsInWindow) -> Option<u64>,
) -> Vec<f64> {
    let spans = part.windows.iter().map(|w| (w.start, w.covered));
    let ratio = |top: u64, bottom: u64| (bottom > 0).then(|| top as f64 / bottom as f64);
    grouped(spans, warm_up, window)
        .into_iter()
        .filter_map(|group| {
            let windows = &part.windows[group];
            let sum =
                |count: fn(&RequestsInWindow) -> u64| -> u64 { windows.iter().map(count).sum() };
            let good = sum(|w| w.good);
            match field {
                RequestsField::Availability => {
                    let judged = windows.iter().filter_map(|w| match late(w) {
                        Some(late) => Some((w.good, w.decided() + late)),
                        None => w.judged(),
                    });
                    let (good, decided) = judged.fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
                    ratio(good, decided)
                }
                RequestsField::Goodput => Some(good as f64 * 1e9 / window as f64),
                RequestsField::AttemptsPerRequest => ratio(sum(|w| w.attempts), sum(|w| w.issued)),
            }
        })
        .collect()
}

/// The time-weighted mean of each whole window after the warm-up.
pub(super) fn node_windows(
    results: &Results,
    node: &str,
    field: NodeField,
    window: u64,
) -> Vec<f64> {
    let Some(of) = results.series.nodes.get(node) else { return Vec::new() };
    let starts = results.series.start.iter().map(|&s| nanoseconds(s));
    let spans = starts.zip(results.series.length.iter().map(|&s| nanoseconds(s)));
    let value = |of: &NodeSeries, i: usize| match field {
        NodeField::Utilisation => of.utilisation.get(i).copied().flatten(),
        NodeField::InSystem => of.in_system.get(i).copied(),
        NodeField::InQueue => of.in_queue.get(i).copied(),
        NodeField::Depth => of.depth.get(i).copied(),
        NodeField::Lag => of.lag.get(i).copied(),
        NodeField::Throughput => of.throughput.get(i).copied(),
        NodeField::Instances => of.instances.get(i).copied(),
        NodeField::ColdShare => of.cold_share.get(i).copied().flatten(),
    };
    grouped(spans, nanoseconds(results.warm_up), window)
        .into_iter()
        .filter_map(|group| {
            let values: Option<Vec<f64>> = group.map(|i| value(of, i)).collect();
            // The windows of a group are equally long.
            values.and_then(|values| mean(&values))
        })
        .collect()
}

/// Runs of windows that make up `window`, from the first that starts after the warm-up on; an
/// incomplete last one is left out.
pub(super) fn grouped(
    spans: impl Iterator<Item = (u64, u64)>,
    warm_up: u64,
    window: u64,
) -> Vec<std::ops::Range<usize>> {
    let mut groups = Vec::new();
    let mut open: Option<(usize, u64)> = None;
    for (index, (start, length)) in spans.enumerate() {
        if start < warm_up {
            continue;
        }
        let (first, before) = open.unwrap_or((index, 0));
        let covered = before + length;
        open = Some((first, covered));
        if covered >= window {
            if covered == window {
                groups.push(first..index + 1);
            }
            open = None;
        }
    }
    groups
}
