//! Measurements of replications -> `Results`, replication by replication.
//!
//! What a figure of requests is, is defined once in `results::pool`; this file sorts what a replication left behind
//! into it, client by client and node by node. Of a replication that was taken in there remain a few numbers for
//! each figure: what a run needs does not grow with the length of what they were measured on.
//!
//! **Invariant.** Replications are taken in in index order.

use std::collections::BTreeMap;

use super::{
    bill::Bill,
    budgets::BudgetPool,
    connections::ConnectionsPool,
    consistency::ConsistencyPool,
    faults::{AlertPool, FaultPool, OfClient},
    links::LinkPool,
    nodes::{NodePool, UptimePool},
    replication::{Replication, requests, span, window_spans},
};
use crate::{
    engine::random,
    explain,
    model::{
        prices::Tariff,
        probe::{Between, ClientMeasured, HangingMeasured, Measured, RequestSample},
    },
    node_kind::NodeKind,
    outcome::Outcome,
    results::{
        self, Blame, BudgetResults, ClientResults, DataFile, Design, Estimate, FaultResults,
        Hanging, Means, ReplicationResults, RequestFigures, RequestPool, Requests, Results,
        SampledRequest, SeriesPool, Status, Summary, TimeSeries, Timeline, seconds,
    },
};

/// Points of a latency tail: enough for a picture.
const TAIL_POINTS: usize = 200;

/// Replications whose sampled requests are kept: more are of no use to somebody who looks at some of them.
const SAMPLED: u64 = 50;

/// What the results say about the run besides its measurements.
#[derive(Clone, Debug, Default)]
pub struct RunInfo {
    /// The scenario's name.
    pub scenario: String,
    /// Its description.
    pub description: Option<String>,
    /// The variant that was run.
    pub variant: Option<String>,
    /// Confidence of every interval.
    pub confidence: f64,
    /// Simulated time, ns.
    pub duration: u64,
    /// Initial span deleted from estimates, ns.
    pub warm_up: u64,
    /// Replications asked for.
    pub replications: usize,
    /// The design as a graph.
    pub design: Design,
    /// Its error budgets, without any figure yet.
    pub budgets: BTreeMap<String, BudgetResults>,
    /// What it costs, if anything has a price.
    pub tariff: Option<Tariff>,
    /// What the model leaves out.
    pub leaves_out: Vec<String>,
    /// Warnings of the scenario.
    pub warnings: Vec<String>,
    /// The files of data it read.
    pub data: Vec<DataFile>,
}

/// One client in many replications.
#[derive(Clone, Debug, Default)]
struct ClientPool {
    name: String,
    requests: RequestPool,
    series: SeriesPool,
    /// By name.
    operations: Vec<(String, RequestPool)>,
    /// Share of the measured span in which it sent; none: all of it.
    active: Option<Means>,
    /// Its pools of connections.
    pools: BTreeMap<String, ConnectionsPool>,
}

impl ClientPool {
    fn like(client: &ClientMeasured) -> Self {
        let operations = client.operations.iter();
        Self {
            name: client.name.clone(),
            operations: operations.map(|o| (o.name.clone(), RequestPool::default())).collect(),
            active: client.active.map(|_| Means::default()),
            ..Self::default()
        }
    }

    /// Adds what it did in the next replication: all its requests.
    fn push(&mut self, client: &ClientMeasured, info: &RunInfo, measured: &Measured) -> Requests {
        let span = span(info, measured);
        let mut all = Requests { span, ..Requests::default() };
        for ((_, pool), operation) in self.operations.iter_mut().zip(&client.operations) {
            let requests = requests(info, measured, client, operation);
            pool.push(&requests);
            all.merge(&requests);
        }
        if let Some(active) = &mut self.active {
            let share = |active: u64| (span > 0).then(|| active as f64 / span as f64);
            active.push(client.active.and_then(|of| share(of.active)));
        }
        for books in &client.pools {
            self.pools.entry(books.ends.1.clone()).or_default().push(books, span);
        }
        self.requests.push(&all);
        self.series.push(&all);
        all
    }

    fn results(&self, confidence: f64) -> ClientResults {
        let operations = self.operations.iter();
        ClientResults {
            figures: self.requests.figures(confidence),
            operations: operations
                .map(|(name, pool)| (name.clone(), pool.figures(confidence)))
                .collect(),
            active: self.active.as_ref().map(|share| share.estimate(confidence)),
            pools: self.pools.iter().map(|(to, of)| (to.clone(), of.results(confidence))).collect(),
        }
    }
}

/// What is known of a run so far.
#[derive(Clone, Debug, Default)]
pub struct Accumulator {
    info: RunInfo,
    all: RequestPool,
    series: SeriesPool,
    clients: Vec<ClientPool>,
    nodes: Vec<NodePool>,
    uptime: UptimePool,
    links: Vec<LinkPool>,
    alerts: Vec<AlertPool>,
    budgets: Vec<BudgetPool>,
    /// None where no store is followed.
    consistency: Option<ConsistencyPool>,
    faults: Vec<FaultPool>,
    hanging: Vec<HangingMeasured>,
    between: Between,
    /// None where nothing has a price.
    bill: Option<Bill>,
    replications: Vec<ReplicationResults>,
    fingerprint: u64,
    /// Of the replication that got furthest: start and end of its windows, and when it ended.
    windows: (Vec<(u64, u64)>, u64),
    /// Why the first that stopped early did.
    truncated: Option<String>,
    /// A replication in which the faults came, or else the first.
    with_faults: Option<(u64, Box<Measured>)>,
    /// With the replication each belongs to.
    samples: Vec<(u64, RequestSample)>,
}

impl Accumulator {
    /// Of a run without any replication yet.
    #[must_use]
    pub fn new(info: RunInfo) -> Self {
        Self { bill: info.tariff.clone().map(Bill::new), info, ..Self::default() }
    }

    /// It is to have so many replications; how many it has.
    pub(super) fn wants(&mut self, replications: usize) -> usize {
        self.info.replications = replications;
        self.replications.len()
    }

    pub(super) fn info(&self) -> &RunInfo {
        &self.info
    }

    /// Takes in the next replication; `look` sees it.
    pub fn push(&mut self, measured: Measured, look: &mut dyn FnMut(&Replication<'_>)) {
        let index = self.replications.len() as u64;
        self.take_in(&measured);
        look(&Replication::new(&self.info, index, &measured));
        let came = |m: &Measured| m.faults.iter().any(|f| !f.spans.is_empty());
        let better = match &self.with_faults {
            None => !measured.faults.is_empty(),
            Some((_, kept)) => !came(kept) && came(&measured),
        };
        if better {
            self.with_faults = Some((index, Box::new(measured)));
        }
    }

    pub(super) fn take_in(&mut self, measured: &Measured) {
        let index = self.replications.len() as u64;
        if index == 0 {
            self.clients = measured.clients.iter().map(ClientPool::like).collect();
            self.nodes = measured.nodes.iter().map(NodePool::like).collect();
            self.links = measured.links.iter().map(LinkPool::like).collect();
            self.alerts = measured.alerts.iter().map(AlertPool::like).collect();
            self.budgets = self.info.budgets.iter().map(BudgetPool::new).collect();
        }
        let pools = self.clients.iter_mut().zip(&measured.clients);
        let each: Vec<Requests> =
            pools.map(|(pool, client)| pool.push(client, &self.info, measured)).collect();
        let mut all = Requests { span: span(&self.info, measured), ..Requests::default() };
        for of_client in &each {
            all.merge(of_client);
        }
        self.all.push(&all);
        self.series.push(&all);
        let spans = window_spans(measured);
        for (pool, node) in self.nodes.iter_mut().zip(&measured.nodes) {
            pool.push(node, measured, (&spans, self.info.warm_up));
        }
        self.uptime.push(measured.uptime.0, measured.uptime.1);
        for (pool, link) in self.links.iter_mut().zip(&measured.links) {
            pool.push(link, all.span, (&spans, self.info.warm_up));
        }
        for (pool, alert) in self.alerts.iter_mut().zip(&measured.alerts) {
            pool.push(alert);
        }
        self.budgets.iter_mut().zip(&measured.budgets).for_each(|(pool, one)| pool.push(one));
        self.push_consistency(measured);
        self.push_faults(measured, &all, &each);
        measured.hanging.iter().for_each(|one| self.push_hanging(one));
        self.between.add(measured.between);
        let alone = RequestPool::of(&all).figures(self.info.confidence);
        let mut figures = summary_figures(&alone);
        if let Some(bill) = &mut self.bill {
            bill.push(measured, alone.goodput.value);
            figures.extend(bill.figures());
        }
        self.replications.push(ReplicationResults {
            replication: index,
            seed: measured.seed,
            fingerprint: hex(measured.fingerprint),
            events: measured.events,
            figures,
        });
        self.fingerprint = random::mix(self.fingerprint ^ measured.fingerprint);
        if (spans.len(), measured.ended_at) >= (self.windows.0.len(), self.windows.1) {
            self.windows = (spans, measured.ended_at);
        }
        if let (None, Some(why)) = (&self.truncated, &measured.truncated) {
            self.truncated = Some(format!("replication {index}: {why}"));
        }
        if index < SAMPLED {
            self.samples.extend(measured.samples.iter().map(|sample| (index, sample.clone())));
        }
    }

    fn push_consistency(&mut self, measured: &Measured) {
        let mut stores = measured.nodes.iter().filter_map(|node| node.consistency.as_ref());
        let Some(first) = stores.next() else { return };
        let mut all = first.clone();
        stores.for_each(|store| all.merge(store));
        self.consistency.get_or_insert_default().push(&all, measured.seed);
    }

    fn push_faults(&mut self, measured: &Measured, all: &Requests, each: &[Requests]) {
        let closed = |name: &str| {
            let mut vertices = self.info.design.vertices.iter();
            vertices.any(|v| v.kind == NodeKind::Client && v.name == name && v.instances > 0)
        };
        let clients = measured.clients.iter().zip(each);
        let clients: Vec<OfClient<'_>> = clients
            .filter(|_| !measured.faults.is_empty())
            .map(|(client, requests)| {
                let name = client.name.as_str();
                OfClient { name, closed: closed(name), requests }
            })
            .collect();
        if self.faults.is_empty() {
            let like = |fault| FaultPool::like(fault, &clients, &self.info.design);
            self.faults = measured.faults.iter().map(like).collect();
        }
        for (pool, fault) in self.faults.iter_mut().zip(&measured.faults) {
            pool.push(fault, measured, (all, &clients));
        }
    }

    fn push_hanging(&mut self, one: &HangingMeasured) {
        let same = |h: &&mut HangingMeasured| {
            (&h.from, &h.to, &h.fault) == (&one.from, &one.to, &one.fault)
        };
        if let Some(known) = self.hanging.iter_mut().find(same) {
            known.requests += one.requests;
            known.since = known.since.min(one.since);
        } else {
            self.hanging.push(one.clone());
        }
    }

    /// The results over all replications; `slos` are judged above.
    #[must_use]
    pub fn results(&self) -> Results {
        let mut results = self.figures();
        results.timeline = self.timeline(&results);
        results.bottleneck = explain::bottleneck(&results);
        let of = |ns: u128| ns as f64 / 1e9;
        let mut between = Blame {
            network: of(self.between.network),
            backoff: of(self.between.backoff),
            permits: of(self.between.permits),
            waits: of(self.between.waits),
            ..Blame::default()
        };
        for (link, held_up) in self.links.iter().map(LinkPool::held_up) {
            *between.links.entry(link.to_owned()).or_default() += held_up;
        }
        results.blame = explain::blame(&results, &between);
        results
    }

    /// What happened, over all replications; or in one, where faults come at other times in each.
    fn timeline(&self, results: &Results) -> Timeline {
        let came = |f: &FaultResults| f.occurrences.value == Some(f.spans.len() as f64);
        if self.replications.len() < 2 || results.faults.iter().all(came) {
            return explain::timeline(results);
        }
        let Some((index, measured)) = &self.with_faults else { return explain::timeline(results) };
        let alone = Replication::new(&self.info, *index, measured);
        let of_one = explain::timeline(results::Evidence::results(&alone));
        Timeline { replication: Some(*index), ..of_one }
    }

    /// The results without what explains them.
    pub(super) fn figures(&self) -> Results {
        let info = &self.info;
        let confidence = info.confidence;
        let mut series = TimeSeries {
            start: self.windows.0.iter().map(|&(start, _)| seconds(start)).collect(),
            length: self.windows.0.iter().map(|&(start, end)| seconds(end - start)).collect(),
            nodes: self.nodes.iter().map(|pool| (pool.name.clone(), pool.series())).collect(),
            sides: self.faults.iter().filter_map(|f| f.series(self.windows.0.len())).collect(),
            ..TimeSeries::default()
        };
        let mut latency_tail = BTreeMap::new();
        let mut insert = |name: &str, pool: &RequestPool, windows: &SeriesPool| {
            series.clients.insert(name.to_owned(), windows.series());
            let points = pool.latency().tail_points(TAIL_POINTS).into_iter();
            let points = points.map(|(ns, share)| (seconds(ns), share)).collect();
            latency_tail.insert(name.to_owned(), points);
        };
        insert("all", &self.all, &self.series);
        for client in &self.clients {
            insert(&client.name, &client.requests, &client.series);
        }
        let (status, status_reason) = self.status();
        let mut results = Results {
            windtunnel_version: env!("CARGO_PKG_VERSION").to_owned(),
            semantics_version: results::SEMANTICS_VERSION,
            scenario: info.scenario.clone(),
            description: info.description.clone(),
            variant: info.variant.clone(),
            fingerprint: hex(self.fingerprint),
            seeds: self.replications.iter().map(|r| r.seed).collect(),
            confidence,
            duration: seconds(info.duration),
            warm_up: seconds(info.warm_up),
            status,
            status_reason,
            precision: None,
            summary: Summary {
                figures: self.all.figures(confidence),
                uptime: self.uptime.results(confidence),
                cost: None,
            },
            clients: self
                .clients
                .iter()
                .map(|pool| (pool.name.clone(), pool.results(confidence)))
                .collect(),
            nodes: self
                .nodes
                .iter()
                .map(|pool| (pool.name.clone(), pool.results(confidence)))
                .collect(),
            alerts: self.alerts.iter().map(|pool| pool.results(confidence)).collect(),
            budgets: self.budgets.iter().map(|pool| pool.results(confidence)).collect(),
            consistency: self.consistency.as_ref().map(|pool| pool.results(confidence)),
            hanging: self.hanging(),
            slos: Vec::new(),
            replications: self.replications.clone(),
            series,
            latency_tail,
            design: info.design.clone(),
            leaves_out: info.leaves_out.clone(),
            warnings: info.warnings.clone(),
            data: info.data.clone(),
            faults: self.faults.iter().map(|pool| pool.results(confidence)).collect(),
            ..Results::default()
        };
        self.links.iter().for_each(|link| link.write(&mut results.links, confidence));
        if let Some(bill) = &self.bill {
            bill.write(&mut results);
        }
        results
    }

    /// Requests that hang, by what they wait for; those that are most first.
    fn hanging(&self) -> Vec<Hanging> {
        let one = |h: &HangingMeasured| Hanging {
            from: h.from.clone(),
            to: h.to.clone(),
            fault: h.fault.clone(),
            requests: h.requests,
            since: seconds(h.since),
        };
        let mut all: Vec<Hanging> = self.hanging.iter().map(one).collect();
        all.sort_by_key(|h| std::cmp::Reverse(h.requests));
        all
    }

    /// A run that lacks replications was interrupted; else one that met a limit is truncated.
    fn status(&self) -> (Status, Option<String>) {
        let (finished, wanted) = (self.replications.len(), self.info.replications);
        if finished < wanted {
            let reason = format!("{finished} of {wanted} replications finished");
            (Status::Interrupted, Some(reason))
        } else if self.truncated.is_some() {
            (Status::Truncated, self.truncated.clone())
        } else {
            (Status::Complete, None)
        }
    }

    /// The sampled requests, of the first replications where there are many.
    #[must_use]
    pub fn samples(&self) -> Vec<SampledRequest> {
        let row = |(index, sample): &(u64, RequestSample)| {
            let client = &self.clients[usize::from(sample.client)];
            let operation = &client.operations[usize::from(sample.operation)];
            SampledRequest {
                replication: *index,
                client: client.name.clone(),
                operation: operation.0.clone(),
                number: sample.number,
                intended: seconds(sample.intended),
                latency: seconds(sample.latency),
                key: sample.key,
                attempts: sample.attempts,
                outcome: Outcome::NAMES[sample.outcome as usize].to_owned(),
            }
        };
        self.samples.iter().map(row).collect()
    }
}

/// Every figure of a block by its path, such as `latency.p99`.
fn summary_figures(block: &RequestFigures) -> BTreeMap<String, Option<f64>> {
    let mut figures = BTreeMap::new();
    let mut insert = |name: String, estimate: &Estimate| {
        figures.insert(name, estimate.value);
    };
    insert("availability".to_owned(), &block.availability);
    insert("goodput".to_owned(), &block.goodput);
    insert("throughput".to_owned(), &block.throughput);
    insert("attempts_per_request".to_owned(), &block.attempts_per_request);
    let marks = block.marks.iter().map(|(name, d)| (format!("marks.{name}"), d));
    let latencies = [("latency", &block.latency), ("latency_all", &block.latency_all)];
    for (name, d) in latencies.map(|(name, d)| (name.to_owned(), d)).into_iter().chain(marks) {
        for (statistic, estimate) in d.by_name() {
            insert(format!("{name}.{statistic}"), estimate);
        }
    }
    for (name, count) in block.requests.by_name() {
        figures.insert(format!("requests.{name}"), Some(count as f64));
    }
    figures
}

/// A hash as results say it.
pub(super) fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}
