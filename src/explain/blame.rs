//! The narrowest place of a design and where the time of a mean request went.
//!
//! **Invariant.** Only what was measured is divided; what is left over is shown as such.

use std::collections::BTreeMap;

use crate::results::{
    Blame, Bottleneck, Distribution, LinkResults, NodeBlame, NodeResults, ResourceResults, Results,
    WayResults,
};

/// An instance is named when it is busier than the average of all by this much.
pub(crate) const HOTTER: f64 = 1.2;
/// Full for long is what was so at least for this share of the time of what was so longest.
const LONG: f64 = 0.5;
/// Windows within which things that become full count as full at once.
const AT_ONCE: usize = 3;

/// What was full first, of what was full for long; of what was full at once what the others wait for. If nothing
/// ever was, what was busiest.
pub fn bottleneck(results: &Results) -> Option<Bottleneck> {
    let nodes = results.nodes.iter().flat_map(|(name, node)| each(name, node));
    let links = results.links.iter().flat_map(|(name, link)| ways(name, link));
    let all: Vec<Bottleneck> = nodes.chain(links).collect();
    let longest = all.iter().map(|one| one.saturated).fold(0.0, f64::max);
    let long = |one: &Bottleneck| one.saturated >= LONG * longest;
    let full = all.iter().filter(|one| long(one)).filter_map(|one| one.saturated_at);
    let Some(first) = full.reduce(f64::min) else {
        let more = |a: &Bottleneck, b: &Bottleneck| a.utilisation.partial_cmp(&b.utilisation);
        return all.into_iter().reduce(|best, other| {
            if more(&other, &best) == Some(std::cmp::Ordering::Greater) { other } else { best }
        });
    };
    let series = &results.series;
    let window = series.length.first().copied().unwrap_or_default();
    let together = first + AT_ONCE as f64 * window;
    let mut near: Vec<Bottleneck> = all
        .into_iter()
        .filter(|one| long(one) && one.saturated_at.is_some_and(|at| at <= together))
        .collect();
    let calls = |a: &str, b: &str| results.design.below(a).contains(&b);
    let behind = |a: &str, b: &str| calls(a, b) && !calls(b, a);
    // Who waits for another that is full is full because of it; who has a worker or a connection may wait for what is on its way
    // to it over whichever link.
    let deepest = (0..near.len()).find(|&i| {
        let waits = |other: &Bottleneck| {
            behind(&near[i].node, &other.node)
                || (near[i].node == other.node || other.is_of_link())
                    && rank(&other.resource) < rank(&near[i].resource)
        };
        !near.iter().any(waits)
    });
    Some(near.swap_remove(deepest.unwrap_or(0)))
}

/// What is held while one waits for what: who has a worker waits for connections, locks, cores.
fn rank(resource: &str) -> usize {
    let order = [
        "quota",
        "cores",
        "bandwidth",
        "lock",
        "memory",
        "threads",
        "descriptors",
        "pool",
        "bulkhead",
        "workers",
    ];
    let kind = resource.split(':').next().unwrap_or_default();
    order.iter().position(|one| *one == kind).unwrap_or(order.len())
}

/// How near each way of a link is to what it can carry.
fn ways(name: &str, link: &LinkResults) -> Vec<Bottleneck> {
    let ways = [("bandwidth", &link.forth), ("bandwidth:back", &link.back)];
    let one = |(resource, way): (&str, &Option<WayResults>)| {
        let way = way.as_ref()?;
        Some(Bottleneck {
            node: name.to_owned(),
            instance: None,
            resource: resource.to_owned(),
            utilisation: way.utilisation.value,
            saturated: way.saturated,
            saturated_at: way.saturated_at,
        })
    };
    ways.into_iter().filter_map(one).collect()
}

/// How near each thing of a node is to its limit.
fn each(name: &str, node: &NodeResults) -> Vec<Bottleneck> {
    let one = |(resource, found): (&String, &ResourceResults)| {
        let mean = found.utilisation.value;
        let parts = found.instances.iter().enumerate().filter_map(|(i, used)| Some((i, (*used)?)));
        let hottest = parts.reduce(|a, b| if b.1 > a.1 { b } else { a });
        let hottest = hottest.filter(|(_, used)| mean.is_some_and(|mean| *used > HOTTER * mean));
        let instance = match found.saturated_at {
            Some(_) => found.instance,
            None => hottest.map(|(i, _)| i as u64),
        };
        let of = |i: u64| found.instances.get(i as usize).copied().flatten();
        Bottleneck {
            node: name.to_owned(),
            instance,
            resource: resource.clone(),
            utilisation: instance.and_then(of).or(mean),
            saturated: found.saturated,
            saturated_at: found.saturated_at,
        }
    };
    node.resources.iter().map(one).collect()
}

/// Where the time of a mean request went; `totals` has what passed between nodes, s of all requests together.
pub fn blame(results: &Results, totals: &Blame) -> Option<Blame> {
    let figures = &results.summary.figures;
    let latency = figures.latency_all.mean.value?;
    let decided = figures.requests.issued.checked_sub(figures.requests.in_flight)? as f64;
    if decided == 0.0 {
        return None;
    }
    let (network, backoff) = (totals.network / decided, totals.backoff / decided);
    let (permits, waits) = (totals.permits / decided, totals.waits / decided);
    let remainder = latency - network - backoff - permits - waits;
    let nodes = BTreeMap::new();
    let links = totals.links.iter().filter(|link| *link.1 > 0.0);
    let links = links.map(|(name, held_up)| (name.clone(), held_up / decided)).collect();
    let mut blame = Blame { latency, nodes, network, links, backoff, permits, waits, remainder };
    let calls = |name: &str| results.design.edges.iter().any(|edge| edge.from == name);
    // What instances do unasked takes nobody's time.
    let asked = results.design.asked();
    for (name, node) in results.nodes.iter().filter(|(name, _)| asked.contains(name.as_str())) {
        let (waiting, work, response) =
            (&node.waiting_time, &node.service_time, &node.response_time);
        let count = waiting.count.max(response.count);
        if count == 0 {
            continue;
        }
        let visits = count as f64 / decided;
        let of = |time: &Distribution| visits * time.mean.value.unwrap_or_default();
        let stood = node.throttled.as_ref().and_then(|throttled| throttled.wait.value);
        let throttled = visits * stood.unwrap_or_default();
        let (waiting, work) = (of(waiting), of(work));
        // Who calls nobody spends all of its time itself: `wait` steps, locks, pauses, the inside of externals.
        let inside = if calls(name) { 0.0 } else { (of(response) - waiting - work).max(0.0) };
        // Sums of many times: what is left of nothing is not quite nothing.
        let inside = if inside < 1e-6 * of(response) { 0.0 } else { inside };
        blame.remainder -= waiting + work + inside;
        blame.nodes.insert(name.clone(), NodeBlame { visits, waiting, work, inside, throttled });
    }
    Some(blame)
}
