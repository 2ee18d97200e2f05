//! Messages of queues, on the terminal and on the page.
//!
//! **Invariant.** As in `results.rs`.

use super::text::{Quantity, clean, estimate, shorten};
use crate::results::{Estimate, QueueResults, Results};

/// What is said of the messages of each queue.
pub(super) const COLUMNS: [&str; 7] =
    ["Queue", "published", "acked", "left", "depth", "age p99", "done p99"];

/// Queues, and logs with each group that reads them.
fn queues(results: &Results) -> impl Iterator<Item = (String, &QueueResults)> {
    results.nodes.iter().flat_map(|(name, node)| {
        let queue = node.queue.as_deref().map(|of| (name.clone(), of));
        let groups = node.groups.iter();
        queue.into_iter().chain(groups.map(move |(g, of)| (format!("{name} > {g}"), &of.messages)))
    })
}

/// Messages that are neither worked off nor gone as the run ends.
fn left(of: &QueueResults) -> Estimate {
    let sum = |pick: fn(&Estimate) -> Option<f64>| {
        [&of.ready, &of.delayed, &of.unacked].into_iter().filter_map(pick).sum::<f64>()
    };
    Estimate { value: of.ready.value.map(|_| sum(|e| e.value)), ..Estimate::default() }
}

/// A row for each queue, its figures as `shown`.
pub(super) fn rows(
    results: &Results,
    shown: impl Fn(Quantity, &Estimate) -> String,
) -> Vec<Vec<String>> {
    let one = |(name, of): (String, &QueueResults)| {
        vec![
            shorten(&name, 24),
            shown(Quantity::Number, &of.published),
            shown(Quantity::Number, &of.acked),
            shown(Quantity::Number, &left(of)),
            shown(Quantity::Number, &of.depth.mean),
            shown(Quantity::Duration, &of.age.p99),
            shown(Quantity::Duration, &of.done.p99),
        ]
    };
    queues(results).map(one).collect()
}

/// What became of messages besides being worked off once.
pub(super) fn notes(results: &Results) -> Vec<String> {
    let mut all = Vec::new();
    for (name, of) in queues(results) {
        let parts = [
            (&of.lost, "were lost"),
            (&of.dead_lettered, "died after `max_receives` hand-outs"),
            (&of.expired, "were too old before anybody worked them off"),
            (&of.dropped, "were thrown away as the queue was full"),
            (&of.deduplicated, "were published again and not accepted twice"),
            (&of.duplicates, "were worked off more than once"),
            (&of.out_of_order, "were worked off after a later one of the same key"),
        ];
        let some = parts.into_iter().filter(|(figure, _)| figure.value > Some(0.0));
        let said: Vec<String> = some
            .map(|(figure, what)| format!("{} {what}", estimate(Quantity::Number, figure)))
            .collect();
        if !said.is_empty() {
            all.push(format!("{}: of the messages of a run {}.", clean(&name), said.join(", ")));
        }
    }
    for (name, node) in &results.nodes {
        if let Some(of) = &node.outbox {
            all.push(format!(
                "{}: {} messages were written in its outboxes in a run, {} were not published by the end.",
                clean(name),
                estimate(Quantity::Number, &of.written),
                estimate(Quantity::Number, &of.left),
            ));
            if let Some(lost) = of.lost.as_ref().filter(|lost| lost.value > Some(0.0)) {
                let count = estimate(Quantity::Number, lost);
                all.push(format!("{}: {count} of these were lost with their writes.", clean(name)));
            }
        }
        for (group, of) in node.groups.iter().filter(|(_, of)| of.rebalances.value > Some(0.0)) {
            let times = estimate(Quantity::Number, &of.rebalances);
            let what = if of.rebalances.value == Some(1.0) { "once" } else { "times" };
            let times = if what == "once" { what.to_owned() } else { format!("{times} {what}") };
            all.push(format!(
                "{} > {}: partitions were shared anew {times} in a run.",
                clean(name),
                clean(group)
            ));
        }
    }
    all
}
