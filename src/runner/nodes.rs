//! Figures of nodes over replications (`semantics.md` 24).
//!
//! **Invariant.** Every figure is an integral or a count over the measured span; an unbounded
//! capacity has no utilisation, never a wrong one.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    backups::BackupsPool,
    connections::ConnectionsPool,
    consistency::ConsistencyPool,
    each::EachPool,
    environments::EnvironmentPool,
    moved::MovedPool,
    purchase::PurchasePool,
    queues::{GroupPool, QueuePool},
    replicas::ReplicasPool,
    resources::ResourcePool,
    scaling::ScalingPool,
};
use crate::{
    cause::Cause,
    model::{
        cache::books::CacheBooks,
        fault::uptime::UptimeBooks,
        probe::{InstanceMeasured, Measured, NodeMeasured, NodeWindow, view::ViewMeasured},
    },
    node_kind::NodeKind,
    outcome::{Outcome, Tally, successes},
    results::{
        CacheResults, InstanceCounts, InstanceResults, Levels, Lookups, Means, NodeResults,
        NodeSeries, OutboxResults, Ratios, SagaResults, Samples, ThrottledResults, UptimeResults,
        ViewResults, seconds,
    },
};

/// A year of 365 days, ns.
const YEAR: f64 = 365.0 * 86_400e9;

/// Instances listed one by one; more would drown the reader.
pub(super) const LISTED_INSTANCES: usize = 64;

/// One node in many replications.
#[derive(Clone, Debug)]
pub(super) struct NodePool {
    pub(super) name: String,
    kind: NodeKind,
    capacity: Option<f64>,
    instances: usize,
    utilisation: Means,
    throughput: Means,
    in_system: Means,
    in_queue: Means,
    waits: Ratios,
    waiting: Samples,
    service: Samples,
    response: Samples,
    outcomes: Tally,
    causes: BTreeMap<Cause, u64>,
    uptime: UptimePool,
    /// Mean number of instances down.
    down: Means,
    /// Most and fewest of them at once.
    most_down: u64,
    least_down: u64,
    cache: CachePool,
    listed: Vec<InstancePool>,
    /// Of a store that is followed.
    consistency: Option<ConsistencyPool>,
    /// Of a store with replicas.
    replicas: Option<ReplicasPool>,
    /// Of a service with sagas: done, compensated, unfinished, and resumed if some have a log.
    sagas: Option<([Means; 3], Option<Means>)>,
    /// Of a service that works in batches: how much is in one.
    batch_size: Option<Means>,
    /// Where processor time is rationed: the share of time without any, and how long a visit stands still.
    throttled: Option<[Means; 2]>,
    /// Of a service whose instances are bought in several ways.
    purchase: Option<PurchasePool>,
    /// Of a store whose keys move.
    moved: Option<MovedPool>,
    /// Of a store with backups.
    backups: Option<BackupsPool>,
    /// Of a queue.
    messages: Option<QueuePool>,
    /// Of a store with outboxes: written, relayed, left, and lost if it has replicas.
    outbox: Option<([Means; 3], Option<Means>)>,
    /// Of a log, for each group that reads it.
    groups: BTreeMap<String, GroupPool>,
    /// Of a store that transactions write.
    in_doubt: Option<Box<Samples>>,
    /// Of a view: what it took, how much of it backwards, and how late.
    view: Option<Box<([Means; 2], Samples)>>,
    /// Of a service with an autoscaler.
    scaling: Option<ScalingPool>,
    /// Of a function.
    environments: Option<Box<EnvironmentPool>>,
    resources: Vec<ResourcePool>,
    /// Its pools of connections.
    pools: BTreeMap<String, ConnectionsPool>,
    queue: Levels,
    arrivals: u64,
    /// Measured, s.
    span: f64,
    /// What it did in each window, and the time that was simulated of it, ns.
    windows: Vec<(NodeWindow, u64)>,
    each: EachPool,
}

/// What came to a view, if a node is one.
fn view_of(node: &NodeMeasured) -> Option<&ViewMeasured> {
    node.consistency.as_ref()?.view.as_deref()
}

impl NodePool {
    /// Of a node like this, and nothing yet.
    pub(super) fn like(node: &NodeMeasured) -> Self {
        let instances = node.instances.len();
        let shards = node.kind == NodeKind::Store || node.replicas.is_some();
        let listed = if shards { instances } else { LISTED_INSTANCES };
        Self {
            name: node.name.clone(),
            kind: node.kind,
            capacity: node.capacity,
            instances,
            utilisation: Means::default(),
            throughput: Means::default(),
            in_system: Means::default(),
            in_queue: Means::default(),
            waits: Ratios::default(),
            waiting: Samples::default(),
            service: Samples::default(),
            response: Samples::default(),
            outcomes: Tally::default(),
            causes: BTreeMap::new(),
            uptime: UptimePool::default(),
            down: Means::default(),
            most_down: 0,
            least_down: u64::MAX,
            cache: CachePool::default(),
            listed: vec![InstancePool::default(); instances.min(listed)],
            consistency: node.consistency.as_ref().map(|_| ConsistencyPool::default()),
            replicas: ReplicasPool::like(node),
            sagas: node
                .sagas
                .map(|one| (Default::default(), one.resumed.map(|_| Means::default()))),
            batch_size: node.batches.map(|_| Means::default()),
            throttled: node.held.iter().any(|held| held.name == "quota").then(Default::default),
            purchase: node.purchase.as_ref().map(|_| PurchasePool::default()),
            moved: node.moved.map(|_| MovedPool::default()),
            backups: node.backups.as_ref().map(|_| BackupsPool::default()),
            messages: node.queue.as_ref().map(|_| QueuePool::default()),
            outbox: node.outbox.map(|one| (Default::default(), one.lost.map(|_| Means::default()))),
            groups: BTreeMap::new(),
            in_doubt: node.in_doubt.as_ref().map(|_| Box::default()),
            view: view_of(node).map(|_| Box::default()),
            scaling: node.scaling.as_ref().map(|_| ScalingPool::default()),
            environments: node.environments.as_ref().map(|_| Box::default()),
            resources: node.held.iter().map(ResourcePool::like).collect(),
            pools: BTreeMap::new(),
            queue: Levels::default(),
            arrivals: 0,
            span: 0.0,
            windows: Vec::new(),
            each: EachPool::default(),
        }
    }

    /// Adds what it did in the next replication, whose windows these are.
    pub(super) fn push(
        &mut self,
        node: &NodeMeasured,
        measured: &Measured,
        (spans, warm_up): (&[(u64, u64)], u64),
    ) {
        self.utilisation.push(utilisation(node));
        let served = over(successes(&node.outcomes) as f64, node.span);
        self.throughput.push(served.map(|v| v * 1e9));
        self.in_system.push(over(node.in_system as f64, node.span));
        self.in_queue.push(over(node.in_queue as f64, node.span));
        let visits = node.waiting.count();
        self.waits.push(visits - node.waiting.zeros(), visits);
        self.waiting.push(&node.waiting);
        self.service.push(&node.service);
        self.response.push(&node.response);
        for (mine, theirs) in self.outcomes.iter_mut().zip(&node.outcomes) {
            *mine += theirs;
        }
        for (&cause, count) in &node.causes {
            *self.causes.entry(cause).or_default() += count;
        }
        self.uptime.push(node.uptime, node.span);
        self.down.push(over(node.uptime.down as f64, node.span));
        self.most_down = self.most_down.max(node.uptime.most_down);
        self.least_down = self.least_down.min(node.uptime.least_down);
        let arrivals = node.instances.iter().map(|i| i.arrivals).sum();
        for (pool, instance) in self.listed.iter_mut().zip(&node.instances) {
            pool.push(node, (instance, 1), arrivals);
        }
        for (pool, held) in self.resources.iter_mut().zip(&node.held) {
            pool.push(held, spans, warm_up);
        }
        self.push_own(node, measured.seed);
        self.arrivals += node.arrivals;
        self.span += seconds(node.span.max(1));
        let windows = || spans.iter().copied().zip(&node.windows);
        let in_span = || windows().filter(|((start, end), _)| *start >= warm_up && end > start);
        let queue = in_span().map(|((start, end), w)| {
            let length = end - start;
            (seconds(start), seconds(length), w.in_queue as f64 / length as f64)
        });
        self.queue.push(&queue.collect::<Vec<_>>());
        if self.kind == NodeKind::Cache {
            // A fault is not what it starts from.
            let fault = measured.faults.iter().flat_map(|f| &f.spans).map(|span| span.0).min();
            let quiet = in_span().filter(|((_, end), _)| fault.is_none_or(|fault| *end <= fault));
            let lookups: Vec<_> = quiet.map(|(_, w)| w.lookups).collect();
            self.cache.push(node, &lookups);
        }
        if self.windows.len() < spans.len() {
            self.windows.resize(spans.len(), (NodeWindow::default(), 0));
        }
        for ((sum, time), ((start, end), window)) in self.windows.iter_mut().zip(windows()) {
            sum.add(window);
            *time += end - start;
        }
        self.each.push(node);
    }

    /// Adds what only some nodes have.
    fn push_own(&mut self, node: &NodeMeasured, seed: u64) {
        if let (Some(pool), Some(one)) = (&mut self.replicas, &node.replicas) {
            pool.push(node, one);
        }
        if let (Some((pools, resumed)), Some(one)) = (&mut self.sagas, node.sagas) {
            let ends = [Some(one.done), Some(one.compensated), Some(one.unfinished), one.resumed];
            for (pool, count) in pools.iter_mut().chain(resumed).zip(ends) {
                pool.push(count.map(|count| count as f64));
            }
        }
        if let (Some(pool), Some(one)) = (&mut self.batch_size, node.batches) {
            pool.push((one.batches > 0).then(|| one.works as f64 / one.batches as f64));
        }
        if let Some([time, wait]) = &mut self.throttled {
            let (stopped, stood) = node
                .instances
                .iter()
                .fold((0, 0), |sum, one| (sum.0 + one.throttled.0, sum.1 + one.throttled.1));
            let up = node.instances.iter().map(|i| u128::from(node.span) - i.down).sum();
            time.push(share(stopped, 1.0, up));
            let visits = node.instances.iter().map(|i| i.arrivals).sum();
            wait.push(over(stood as f64, visits).map(|nanos| nanos / 1e9));
        }
        if let (Some(pool), Some(one)) = (&mut self.purchase, &node.purchase) {
            pool.push(one);
        }
        if let (Some(pool), Some(one)) = (&mut self.moved, &node.moved) {
            pool.push(one);
        }
        if let (Some(pool), Some(one)) = (&mut self.backups, &node.backups) {
            pool.push(one);
        }
        if let (Some(pool), Some(one)) = (&mut self.messages, &node.queue) {
            pool.push(one, node.instances.iter().map(|instance| instance.depth).sum(), node.span);
        }
        if let (Some((pools, lost)), Some(one)) = (&mut self.outbox, node.outbox) {
            let counts = [Some(one.written), Some(one.relayed), Some(one.left), one.lost];
            for (pool, count) in pools.iter_mut().chain(lost).zip(counts) {
                pool.push(count.map(|count| count as f64));
            }
        }
        for group in &node.groups {
            self.groups.entry(group.name.clone()).or_default().push(group, node.span);
        }
        for books in &node.pools {
            let pool = self.pools.entry(books.ends.1.clone()).or_default();
            pool.push(books, node.span);
        }
        if let Some(pool) = &mut self.environments {
            pool.push(node);
        }
        if let (Some(pool), Some(one)) = (&mut self.in_doubt, &node.in_doubt) {
            pool.push(one);
        }
        if let (Some(pool), Some(one)) = (&mut self.view, view_of(node)) {
            let ([applied, inversions], lag) = pool.as_mut();
            applied.push(Some(one.applied as f64));
            inversions.push(Some(one.inversions as f64));
            lag.push(&one.lag);
        }
        if let (Some(pool), Some(one)) = (&mut self.scaling, &node.scaling) {
            pool.push(one);
        }
        if let (Some(pool), Some(one)) = (&mut self.consistency, &node.consistency) {
            pool.push(one, seed);
        }
    }

    /// Its figures.
    pub(super) fn results(&self, confidence: f64) -> NodeResults {
        let mean = |means: &Means| means.estimate(confidence);
        let store = self.kind == NodeKind::Store || self.replicas.is_some();
        let listed: Vec<_> = self.listed.iter().map(|i| i.results(confidence)).collect();
        let not_listed = self.instances - listed.len();
        let (shards, per_instance) =
            if store { (listed, Vec::new()) } else { (Vec::new(), listed) };
        let shards =
            self.replicas.as_ref().map_or(shards.clone(), |r| r.shards(&shards, confidence));
        let outcomes = Outcome::NAMES.iter().zip(self.outcomes);
        NodeResults {
            kind: self.kind,
            utilisation: mean(&self.utilisation).fraction(),
            throughput: mean(&self.throughput),
            in_system: mean(&self.in_system),
            in_queue: mean(&self.in_queue),
            queue_growth: self.queue.growth(self.arrivals as f64 / self.span),
            resources: self.resources.iter().map(|pool| pool.results(confidence)).collect(),
            pools: self.pools.iter().map(|(to, of)| (to.clone(), of.results(confidence))).collect(),
            wait_probability: self.waits.fraction(confidence),
            waiting_time: self.waiting.distribution(confidence),
            service_time: self.service.distribution(confidence),
            response_time: self.response.distribution(confidence),
            outcomes: outcomes.map(|(name, count)| ((*name).to_owned(), count)).collect(),
            causes: self.causes.clone(),
            uptime: self.uptime.results(confidence),
            consistency: self.consistency.as_ref().map(|pool| Box::new(pool.results(confidence))),
            replicas: self.replicas.as_ref().map(|pool| Box::new(pool.results(confidence))),
            sagas: self.sagas.as_ref().map(|(ends, resumed)| {
                let [done, compensated, unfinished] = ends.each_ref().map(mean);
                let resumed = resumed.as_ref().map(mean);
                Box::new(SagaResults { done, compensated, unfinished, resumed })
            }),
            batch_size: self.batch_size.as_ref().map(|pool| Box::new(mean(pool))),
            throttled: self.throttled.as_ref().map(|figures| {
                let [time, wait] = figures.each_ref().map(mean);
                Box::new(ThrottledResults { time: time.fraction(), wait })
            }),
            purchase: self.purchase.as_ref().map(|pool| Box::new(pool.results(confidence))),
            moved: self.moved.as_ref().map(|pool| Box::new(pool.results(confidence))),
            backups: self.backups.as_ref().map(|pool| Box::new(pool.results(confidence))),
            queue: self.messages.as_ref().map(|pool| Box::new(pool.results(confidence))),
            outbox: self.outbox.as_ref().map(|(counts, lost)| {
                let [written, relayed, left] = counts.each_ref().map(mean);
                let lost = lost.as_ref().map(mean);
                Box::new(OutboxResults { written, relayed, left, lost })
            }),
            groups: self
                .groups
                .iter()
                .map(|(name, of)| (name.clone(), of.results(confidence)))
                .collect(),
            in_doubt: self.in_doubt.as_ref().map(|pool| Box::new(pool.distribution(confidence))),
            view: self.view.as_ref().map(|pool| {
                let [applied, inversions] = pool.0.each_ref().map(mean);
                Box::new(ViewResults { applied, inversions, lag: pool.1.distribution(confidence) })
            }),
            scaling: self.scaling.as_ref().map(|pool| Box::new(pool.results(confidence))),
            environments: self.environments.as_ref().map(|pool| Box::new(pool.results(confidence))),
            cost: None,
            cache: (self.kind == NodeKind::Cache).then(|| self.cache.results(confidence)),
            instances: InstanceCounts {
                mean: self.instances as f64 - self.down.mean().unwrap_or_default(),
                min: self.instances as u64 - self.most_down,
                max: self.instances as u64 - self.least_down,
            },
            shards,
            per_instance,
            instances_not_listed: not_listed as u64,
        }
    }

    /// Its windows: integrals and counts of all replications over the time they simulated.
    pub(super) fn series(&self) -> NodeSeries {
        let sums = &self.windows;
        let mean = |integral: fn(&NodeWindow) -> u128| -> Vec<f64> {
            let each = sums.iter().map(|(w, time)| over(integral(w) as f64, *time));
            each.map(Option::unwrap_or_default).collect()
        };
        let rates = |count: &dyn Fn(&NodeWindow) -> u64| -> Vec<f64> {
            sums.iter().map(|(w, time)| count(w) as f64 / seconds((*time).max(1))).collect()
        };
        let busy = |(w, time): &(NodeWindow, u64)| {
            let all = self.instances as u128 * u128::from(*time);
            share(w.busy, self.capacity?, all - w.down)
        };
        let (gone, down) = (mean(|w| w.down), mean(|w| w.down - w.off));
        let places = self.instances as f64;
        let ends = Outcome::NAMES.iter().enumerate().skip(1);
        let ends = ends.filter(|(o, _)| sums.iter().any(|(w, _)| w.outcomes[*o] > 0));
        let causes: BTreeSet<Cause> =
            sums.iter().flat_map(|(w, _)| w.causes.keys().copied()).collect();
        let noted = |cause| rates(&|w| w.causes.get(&cause).copied().unwrap_or_default());
        let ratio = |(all, some): (u64, u64)| (all > 0).then(|| some as f64 / all as f64);
        let ratios = |wanted: bool, pick: fn(&NodeWindow) -> (u64, u64)| {
            sums.iter().filter(|_| wanted).map(|(w, _)| ratio(pick(w))).collect()
        };
        NodeSeries {
            utilisation: sums.iter().map(busy).collect(),
            in_system: mean(|w| w.in_system),
            in_queue: mean(|w| w.in_queue),
            depth: if self.messages.is_some() { mean(|w| w.depth) } else { Vec::new() },
            lag: if self.groups.is_empty() { Vec::new() } else { mean(|w| w.depth) },
            throughput: rates(&|w| successes(&w.outcomes)),
            arrivals: rates(&|w| w.arrivals),
            instances: if self.scaling.is_some() || self.purchase.is_some() {
                gone.iter().map(|gone| places - gone).collect()
            } else if self.environments.is_some() {
                mean(|w| w.environments.there)
            } else {
                Vec::new()
            },
            down: if down.iter().any(|&n| n > 0.0) { down } else { Vec::new() },
            ended: ends.map(|(o, name)| ((*name).to_owned(), rates(&|w| w.outcomes[o]))).collect(),
            causes: causes.into_iter().map(|cause| (cause, noted(cause))).collect(),
            largest_share: ratios(self.instances > 1, |w| w.shares),
            hit_ratio: ratios(self.kind == NodeKind::Cache, |w| w.lookups),
            cold_share: ratios(self.environments.is_some(), |w| {
                (w.environments.visits, w.environments.cold)
            }),
            per_instance: {
                let times: Vec<u64> = sums.iter().map(|(_, time)| *time).collect();
                self.each.series(&times, self.capacity)
            },
        }
    }
}

/// Availability over time.
#[derive(Clone, Debug, Default)]
pub(super) struct UptimePool {
    up: Means,
    outages: Means,
}

impl UptimePool {
    pub(super) fn push(&mut self, books: UptimeBooks, span: u64) {
        self.up.push(over(books.short as f64, span).map(|short| 1.0 - short));
        self.outages.push(over(books.outages as f64, span).map(|rate| rate * YEAR));
    }

    pub(super) fn results(&self, confidence: f64) -> UptimeResults {
        UptimeResults {
            availability_time: self.up.estimate(confidence).fraction(),
            outages_per_year: self.outages.estimate(confidence),
        }
    }
}

/// All instances of a cache.
#[derive(Clone, Debug, Default)]
struct CachePool {
    hits: Ratios,
    all: CacheBooks,
    /// By window of the time before the first fault.
    lookups: Lookups,
}

impl CachePool {
    fn push(&mut self, node: &NodeMeasured, lookups: &[(u64, u64)]) {
        let books = node.instances.iter().fold(CacheBooks::default(), |sum, i| sum.plus(i.cache));
        self.hits.push(books.hits, books.lookups);
        self.all = self.all.plus(books);
        self.lookups.push(lookups);
    }

    fn results(&self, confidence: f64) -> CacheResults {
        let all = self.all;
        CacheResults {
            hit_ratio: self.hits.fraction(confidence),
            lookups: all.lookups,
            hits: all.hits,
            misses: all.lookups - all.hits,
            coalesced: all.coalesced,
            stale_hits: all.stale_hits,
            negative_hits: all.negative_hits,
            evictions: all.evictions,
            warming: self.lookups.warming(),
        }
    }
}

/// One instance (shard).
#[derive(Clone, Debug, Default)]
pub(super) struct InstancePool {
    utilisation: Means,
    throughput: Means,
    in_queue: Means,
    /// Of the arrivals at all of them.
    share: Ratios,
}

impl InstancePool {
    /// Adds what an instance did in the next replication, or so many together.
    pub(super) fn push(
        &mut self,
        node: &NodeMeasured,
        (instance, n): (&InstanceMeasured, usize),
        arrivals: u64,
    ) {
        let up = u128::from(node.span) * n as u128 - instance.down;
        self.utilisation.push(node.capacity.and_then(|all| share(instance.busy, all, up)));
        let only = node.instances.len() == 1;
        let served = if only { successes(&node.outcomes) } else { instance.served };
        self.throughput.push(over(served as f64, node.span).map(|v| v * 1e9));
        self.in_queue.push(over(instance.in_queue as f64, node.span));
        self.share.push(instance.arrivals, arrivals);
    }

    /// Its figures.
    pub(super) fn results(&self, confidence: f64) -> InstanceResults {
        InstanceResults {
            replicas: Vec::new(),
            utilisation: self.utilisation.estimate(confidence).fraction(),
            throughput: self.throughput.estimate(confidence),
            in_queue: self.in_queue.estimate(confidence),
            keys_share: self.share.fraction(confidence),
        }
    }
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
