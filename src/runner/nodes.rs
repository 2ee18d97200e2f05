//! Figures of nodes over replications (`semantics.md` 24).
//!
//! **Invariant.** Every figure is an integral or a count over the measured span; an unbounded
//! capacity has no utilisation, never a wrong one.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::merge::window_spans;
use crate::{
    model::{
        bounded::{Full, Held, runs},
        cache::books::CacheBooks,
        fault::uptime::UptimeBooks,
        outcome::successes,
        probe::{InstanceMeasured, Measured, NodeMeasured, NodeWindow},
    },
    results::{
        CacheResults, Estimate, InstanceCounts, InstanceResults, NodeResults, NodeSeries, OUTCOMES,
        ResourceResults, UptimeResults, distribution, growth, seconds, warming,
    },
    stats::{self, Histogram},
};

/// A year of 365 days, ns.
const YEAR: f64 = 365.0 * 86_400e9;

/// Instances listed one by one; more would drown the reader.
const LISTED_INSTANCES: usize = 64;

/// The results of each node by name.
pub(super) fn results(
    replications: &[Measured],
    warm_up: u64,
    confidence: f64,
) -> BTreeMap<String, NodeResults> {
    let first = replications.first().map(|m| m.nodes.as_slice()).unwrap_or_default();
    let of = |index: usize| -> Vec<&NodeMeasured> {
        replications.iter().map(|m| &m.nodes[index]).collect()
    };
    first
        .iter()
        .enumerate()
        .map(|(index, node)| {
            let queue_growth = queue_growth(replications, index, warm_up);
            let mut results = node_results(&of(index), confidence);
            if let Some(cache) = &mut results.cache {
                cache.warming = cold(replications, index, warm_up);
            }
            let resources = resources(replications, index, warm_up, confidence);
            (node.name.clone(), NodeResults { queue_growth, resources, ..results })
        })
        .collect()
}

/// What was held of each thing of a node that is bounded.
fn resources(
    replications: &[Measured],
    index: usize,
    warm_up: u64,
    confidence: f64,
) -> BTreeMap<String, ResourceResults> {
    let first = &replications[0].nodes[index];
    let one = |which: usize| {
        let each: Vec<&Held> = replications.iter().map(|m| &m.nodes[index].held[which]).collect();
        let share = |(held, room): (f64, f64)| (room > 0.0).then(|| held / room);
        let total = |held: &Held| {
            let parts = held.instances.iter();
            parts.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
        };
        let used: Vec<Option<f64>> = each.iter().map(|held| share(total(held))).collect();
        let of_instance = |i: usize| {
            let used: Vec<f64> = each.iter().filter_map(|held| share(held.instances[i])).collect();
            stats::mean(&used)
        };
        let parts = each[0].instances.len();
        let (mut full, mut all) = (0, 0);
        let spans: Vec<_> = replications.iter().map(window_spans).collect();
        // By window: who was full in most replications.
        let mut found: Vec<Option<Full>> = Vec::new();
        for w in 0..spans.iter().map(Vec::len).max().unwrap_or_default() {
            let seen = spans.iter().zip(&each);
            let seen = seen.filter(|(s, _)| s.get(w).is_some_and(|s| s.0 >= warm_up && s.1 > s.0));
            let seen: Vec<Option<Full>> = seen.map(|(_, held)| held.full[w]).collect();
            let who: Vec<Full> = seen.iter().copied().flatten().collect();
            (full, all) = (full + who.len(), all + seen.len());
            let one = if who.contains(&Full::All) { Some(Full::All) } else { who.first().copied() };
            found.push(one.filter(|_| 2 * who.len() >= seen.len()));
        }
        let first = lasting(&found);
        let instance = match first.and_then(|w| found[w]) {
            Some(Full::One(i)) if parts > 1 => Some(u64::from(i)),
            _ => None,
        };
        let results = ResourceResults {
            capacity: each[0].capacity,
            utilisation: Estimate::mean_of(&used, confidence).fraction(),
            saturated: if all > 0 { full as f64 / all as f64 } else { 0.0 },
            saturated_at: first.and_then(|w| spans[0].get(w)).map(|span| seconds(span.0)),
            instance,
            instances: if parts > 1 {
                (0..parts.min(LISTED_INSTANCES)).map(of_instance).collect()
            } else {
                Vec::new()
            },
        };
        (each[0].name.clone(), results)
    };
    (0..first.held.len()).map(one).collect()
}

/// Where the first run of windows begins that lasts half as long as the longest one, or longer: shorter ones may be
/// chance.
fn lasting(full: &[Option<Full>]) -> Option<usize> {
    let runs = runs(full.iter().map(Option::is_some));
    let longest = runs.iter().map(Range::len).max()?;
    runs.into_iter().find(|run| 2 * run.len() >= longest).map(|run| run.start)
}

/// The hit ratio of a cache in the first and the last fifth of the time before the first fault, if it still rises.
fn cold(replications: &[Measured], index: usize, warm_up: u64) -> Option<(f64, f64)> {
    let lookups = |m: &Measured| -> Vec<(u64, u64)> {
        let fault = m.faults.iter().flat_map(|f| &f.spans).map(|span| span.0).min();
        let spans = window_spans(m).into_iter().zip(&m.nodes[index].windows);
        let quiet = |&((start, end), _): &((u64, u64), &NodeWindow)| {
            start >= warm_up && end > start && fault.is_none_or(|fault| end <= fault)
        };
        spans.filter(quiet).map(|(_, w)| w.lookups).collect()
    };
    warming(&replications.iter().map(lookups).collect::<Vec<_>>())
}

/// How fast the queue of a node still grows as the runs end, per second.
fn queue_growth(replications: &[Measured], index: usize, warm_up: u64) -> Option<f64> {
    let levels = |m: &Measured| -> Vec<(f64, f64, f64)> {
        let spans = window_spans(m).into_iter().zip(&m.nodes[index].windows);
        let measured = spans.filter(|((start, end), _)| *start >= warm_up && end > start);
        let level = measured.map(|((start, end), w)| {
            let length = end - start;
            (seconds(start), seconds(length), w.in_queue as f64 / length as f64)
        });
        level.collect()
    };
    let (mut arrivals, mut span) = (0, 0.0);
    for node in replications.iter().map(|m| &m.nodes[index]) {
        (arrivals, span) = (arrivals + node.arrivals, span + seconds(node.span.max(1)));
    }
    let runs: Vec<_> = replications.iter().map(levels).collect();
    growth(&runs, arrivals as f64 / span)
}

fn node_results(parts: &[&NodeMeasured], confidence: f64) -> NodeResults {
    let node = parts[0];
    let mean = |figure: &dyn Fn(&NodeMeasured) -> Option<f64>| {
        let each: Vec<_> = parts.iter().map(|n| figure(n)).collect();
        Estimate::mean_of(&each, confidence)
    };
    let sample = |pick: fn(&NodeMeasured) -> &Histogram| {
        let samples: Vec<_> = parts.iter().map(|n| pick(n)).collect();
        distribution(&samples, confidence)
    };
    let waits: Vec<_> =
        parts.iter().map(|n| (n.waiting.count() - n.waiting.zeros(), n.waiting.count())).collect();
    let count = node.instances.len();
    let store = node.kind == "store";
    let listed = |wanted: usize| -> Vec<InstanceResults> {
        (0..count.min(wanted)).map(|i| instance_results(parts, i, confidence)).collect()
    };
    NodeResults {
        kind: node.kind.to_owned(),
        utilisation: mean(&utilisation).fraction(),
        throughput: mean(&|n| over(successes(&n.outcomes) as f64, n.span).map(|v| v * 1e9)),
        in_system: mean(&|n| over(n.in_system as f64, n.span)),
        in_queue: mean(&|n| over(n.in_queue as f64, n.span)),
        queue_growth: None,
        resources: BTreeMap::new(),
        wait_probability: Estimate::ratio_of(&waits, confidence).fraction(),
        waiting_time: sample(|n| &n.waiting),
        service_time: sample(|n| &n.service),
        response_time: sample(|n| &n.response),
        outcomes: outcomes(parts),
        causes: causes(parts),
        uptime: uptime(parts.iter().map(|n| (n.uptime, n.span)), confidence),
        cache: (node.kind == "cache").then(|| cache_results(parts, confidence)),
        instances: instances_up(parts, count as u64),
        shards: if store { listed(count) } else { Vec::new() },
        per_instance: if store { Vec::new() } else { listed(LISTED_INSTANCES) },
        instances_not_listed: if store { 0 } else { count.saturating_sub(LISTED_INSTANCES) as u64 },
    }
}

/// Availability over time.
pub(super) fn uptime(
    books: impl Iterator<Item = (UptimeBooks, u64)>,
    confidence: f64,
) -> UptimeResults {
    let (mut up, mut outages) = (Vec::new(), Vec::new());
    for (books, span) in books {
        up.push(over(books.short as f64, span).map(|short| 1.0 - short));
        outages.push(over(books.outages as f64, span).map(|rate| rate * YEAR));
    }
    UptimeResults {
        availability_time: Estimate::mean_of(&up, confidence).fraction(),
        outages_per_year: Estimate::mean_of(&outages, confidence),
    }
}

fn instances_up(parts: &[&NodeMeasured], count: u64) -> InstanceCounts {
    let down = parts.iter().filter_map(|n| over(n.uptime.down as f64, n.span));
    let most = parts.iter().map(|n| n.uptime.most_down).max().unwrap_or_default();
    let least = parts.iter().map(|n| n.uptime.least_down).min().unwrap_or_default();
    InstanceCounts {
        mean: count as f64 - stats::mean(&down.collect::<Vec<_>>()).unwrap_or_default(),
        min: count - most,
        max: count - least,
    }
}

fn cache_results(parts: &[&NodeMeasured], confidence: f64) -> CacheResults {
    let each: Vec<CacheBooks> = parts
        .iter()
        .map(|n| n.instances.iter().fold(CacheBooks::default(), |sum, i| sum.plus(i.cache)))
        .collect();
    let ratios: Vec<_> = each.iter().map(|b| (b.hits, b.lookups)).collect();
    let all = each.into_iter().fold(CacheBooks::default(), CacheBooks::plus);
    CacheResults {
        hit_ratio: Estimate::ratio_of(&ratios, confidence).fraction(),
        lookups: all.lookups,
        hits: all.hits,
        misses: all.lookups - all.hits,
        coalesced: all.coalesced,
        stale_hits: all.stale_hits,
        negative_hits: all.negative_hits,
        evictions: all.evictions,
        warming: None,
    }
}

fn instance_results(parts: &[&NodeMeasured], index: usize, confidence: f64) -> InstanceResults {
    let mean = |figure: &dyn Fn(&NodeMeasured, &InstanceMeasured) -> Option<f64>| {
        let each: Vec<_> = parts.iter().map(|n| figure(n, &n.instances[index])).collect();
        Estimate::mean_of(&each, confidence)
    };
    let shares: Vec<_> =
        parts.iter().map(|n| (n.instances[index].arrivals, instance_arrivals(n))).collect();
    InstanceResults {
        utilisation: mean(&|n, i| share(i.busy, n.capacity?, u128::from(n.span) - i.down))
            .fraction(),
        throughput: mean(&|n, i| {
            let served = if n.instances.len() == 1 { successes(&n.outcomes) } else { i.served };
            over(served as f64, n.span).map(|v| v * 1e9)
        }),
        in_queue: mean(&|n, i| over(i.in_queue as f64, n.span)),
        keys_share: Estimate::ratio_of(&shares, confidence).fraction(),
    }
}

fn instance_arrivals(node: &NodeMeasured) -> u64 {
    node.instances.iter().map(|i| i.arrivals).sum()
}

fn utilisation(node: &NodeMeasured) -> Option<f64> {
    let busy = node.instances.iter().map(|i| i.busy).sum();
    let up = node.instances.iter().map(|i| u128::from(node.span) - i.down).sum();
    share(busy, node.capacity?, up)
}

/// Busy time over what there was of a capacity while it was up; none when it never was.
fn share(busy: u128, capacity: f64, up: u128) -> Option<f64> {
    (up > 0).then(|| busy as f64 / (capacity * up as f64))
}

fn over(integral: f64, span: u64) -> Option<f64> {
    (span > 0).then(|| integral / span as f64)
}

fn outcomes(parts: &[&NodeMeasured]) -> BTreeMap<String, u64> {
    let total = |o: usize| parts.iter().map(|n| n.outcomes[o]).sum();
    OUTCOMES.iter().enumerate().map(|(o, name)| ((*name).to_owned(), total(o))).collect()
}

fn causes(parts: &[&NodeMeasured]) -> BTreeMap<String, u64> {
    let mut causes = BTreeMap::new();
    for (cause, count) in parts.iter().flat_map(|n| &n.causes) {
        *causes.entry((*cause).to_owned()).or_default() += count;
    }
    causes
}

/// Each node's windows: integrals and counts of all replications over the time they simulated.
pub(super) fn series(replications: &[Measured]) -> BTreeMap<String, NodeSeries> {
    let spans: Vec<_> = replications.iter().map(window_spans).collect();
    let windows = spans.iter().map(Vec::len).max().unwrap_or_default();
    let first = replications.first().map(|m| m.nodes.as_slice()).unwrap_or_default();
    let mut all = BTreeMap::new();
    for (index, node) in first.iter().enumerate() {
        let sums: Vec<(NodeWindow, u64)> =
            (0..windows).map(|w| window_sum(replications, &spans, index, w)).collect();
        all.insert(node.name.clone(), node_series(node, &sums));
    }
    all
}

/// One window of one node over all replications that simulated it, and the time they did.
fn window_sum(
    replications: &[Measured],
    spans: &[Vec<(u64, u64)>],
    node: usize,
    w: usize,
) -> (NodeWindow, u64) {
    let (mut sum, mut time) = (NodeWindow::default(), 0);
    for (measured, spans) in replications.iter().zip(spans) {
        let window = measured.nodes[node].windows.get(w);
        let Some((window, (start, end))) = window.zip(spans.get(w)) else { continue };
        sum.add(window);
        time += end - start;
    }
    (sum, time)
}

/// The series of a node from what it did in each window, with the time that was simulated of it.
fn node_series(node: &NodeMeasured, sums: &[(NodeWindow, u64)]) -> NodeSeries {
    let mean = |integral: fn(&NodeWindow) -> u128| -> Vec<f64> {
        let each = sums.iter().map(|(w, time)| over(integral(w) as f64, *time));
        each.map(Option::unwrap_or_default).collect()
    };
    let rates = |count: &dyn Fn(&NodeWindow) -> u64| -> Vec<f64> {
        sums.iter().map(|(w, time)| count(w) as f64 / seconds((*time).max(1))).collect()
    };
    let busy = |(w, time): &(NodeWindow, u64)| {
        let all = node.instances.len() as u128 * u128::from(*time);
        share(w.busy, node.capacity?, all - w.down)
    };
    let down = mean(|w| w.down);
    let ends = OUTCOMES.iter().enumerate().skip(1);
    let ends = ends.filter(|(o, _)| sums.iter().any(|(w, _)| w.outcomes[*o] > 0));
    let causes: BTreeSet<&'static str> =
        sums.iter().flat_map(|(w, _)| w.causes.keys().copied()).collect();
    let cause = |name| rates(&|w| w.causes.get(name).copied().unwrap_or_default());
    let ratio = |(all, some): (u64, u64)| (all > 0).then(|| some as f64 / all as f64);
    NodeSeries {
        utilisation: sums.iter().map(busy).collect(),
        in_system: mean(|w| w.in_system),
        in_queue: mean(|w| w.in_queue),
        throughput: rates(&|w| successes(&w.outcomes)),
        arrivals: rates(&|w| w.arrivals),
        down: if down.iter().any(|&n| n > 0.0) { down } else { Vec::new() },
        ended: ends.map(|(o, name)| ((*name).to_owned(), rates(&|w| w.outcomes[o]))).collect(),
        causes: causes.into_iter().map(|name| (name.to_owned(), cause(name))).collect(),
        largest_share: if node.instances.len() > 1 {
            sums.iter().map(|(w, _)| ratio(w.shares)).collect()
        } else {
            Vec::new()
        },
        hit_ratio: if node.kind == "cache" {
            sums.iter().map(|(w, _)| ratio(w.lookups)).collect()
        } else {
            Vec::new()
        },
    }
}
