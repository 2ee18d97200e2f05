//! Services whose instances come and go, how they are bought, batches of cores, and groups of logs: on the terminal and on
//! the page.
//!
//! **Invariant.** As in `results.rs`.

use super::text::{Quantity, clean, estimate, shorten};
use crate::{
    cause::Cause,
    results::{Estimate, Results},
};

/// What is said of each autoscaler.
pub(super) const SCALED: [&str; 5] =
    ["Autoscaler", "out, times", "in, times", "longest wait", "calls held"];

/// What is said of the instances of each class.
pub(super) const BOUGHT: [&str; 4] = ["Instances of", "bought", "instance hours", "taken back"];

/// What is said of each group of a log.
pub(super) const GROUPS: [&str; 4] = ["Group", "lag", "lag, most", "shared anew, times"];

/// A row for each service with an autoscaler, its figures as `shown`.
pub(super) fn scaled(
    results: &Results,
    shown: impl Fn(Quantity, &Estimate) -> String,
) -> Vec<Vec<String>> {
    let (mut all, runs) = (Vec::new(), results.replications.len().max(1) as f64);
    for (name, node) in &results.nodes {
        let Some(of) = node.scaling.as_deref() else { continue };
        let held = node.causes.get(&Cause::Held).copied().unwrap_or_default() as f64;
        let held = Estimate { value: Some(held / runs), ..Estimate::default() };
        all.push(vec![
            shorten(name, 20),
            shown(Quantity::Number, &of.up),
            shown(Quantity::Number, &of.down),
            shown(Quantity::Duration, &of.longest_wait),
            shown(Quantity::Number, &held),
        ]);
    }
    all
}

/// A row for each class of instances of a service.
pub(super) fn bought(
    results: &Results,
    shown: impl Fn(Quantity, &Estimate) -> String,
) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (name, node) in &results.nodes {
        let Some(of) = node.purchase.as_deref() else { continue };
        let classes =
            [("reserved", &of.reserved), ("spot", &of.spot), ("on demand", &of.on_demand)];
        for (class, of) in classes {
            let taken = of.reclaims.as_ref();
            // What is not bought is not listed.
            if of.instance_hours.value == Some(0.0) && taken.is_none() {
                continue;
            }
            all.push(vec![
                shorten(name, 20),
                class.to_owned(),
                shown(Quantity::Number, &of.instance_hours),
                taken.map_or_else(|| "-".to_owned(), |of| shown(Quantity::Number, of)),
            ]);
        }
    }
    all
}

/// A row for each group that reads a log.
pub(super) fn groups(
    results: &Results,
    shown: impl Fn(Quantity, &Estimate) -> String,
) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (name, node) in &results.nodes {
        for (group, of) in &node.groups {
            all.push(vec![
                shorten(&format!("{name} > {group}"), 24),
                shown(Quantity::Number, &of.lag.mean),
                shown(Quantity::Number, &of.lag.max),
                shown(Quantity::Number, &of.rebalances),
            ]);
        }
    }
    all
}

/// How many steps cores take at once, and how long they stood still.
pub(super) fn notes(results: &Results) -> Vec<String> {
    let batches = results.nodes.iter().filter_map(|(name, node)| {
        let size = node.batch_size.as_deref().filter(|size| size.value.is_some())?;
        let size = estimate(Quantity::Number, size);
        Some(format!("{}: a core took {size} steps at once in the mean.", clean(name)))
    });
    let quotas = results.nodes.iter().filter_map(|(name, node)| {
        let time = node.throttled.as_deref().map(|throttled| &throttled.time)?;
        let time = estimate(Quantity::Share, Some(time).filter(|time| time.value.is_some())?);
        Some(format!("{}: work stood still {time} of the time, its quota used up.", clean(name)))
    });
    batches.chain(quotas).collect()
}
