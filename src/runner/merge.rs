//! Measurements of replications -> `Results`.
//!
//! What a figure of requests is, is defined once in `results::figures`; this file sorts what the
//! replications left behind into it, client by client and node by node.
//!
//! **Invariant.** Every request has exactly one outcome or is in flight ([`check`]), in each
//! operation of each replication; replications are folded in index order.

use std::collections::BTreeMap;

use super::{
    faults::{self, OfClient},
    nodes,
};
use crate::{
    engine::random,
    explain,
    model::probe::{ActiveMeasured, Around, Between, ClientMeasured, Measured, OperationMeasured},
    results::{
        self, Blame, ClientResults, ClientSeries, DataFile, Design, Estimate, Evidence,
        FaultResults, Hanging, Happened, ReplicationResults, RequestFigures, Requests,
        RequestsInWindow, Results, SampledRequest, Selection, Summary, TimeSeries, Timeline,
        seconds,
    },
};

/// Points of a latency tail: enough for a picture.
const TAIL_POINTS: usize = 200;

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
    /// What the model leaves out.
    pub leaves_out: Vec<String>,
    /// Warnings of the scenario.
    pub warnings: Vec<String>,
    /// The files of data it read.
    pub data: Vec<DataFile>,
}

/// All finished replications of a run, in index order, and what they are of.
#[derive(Clone, Debug)]
pub struct Merged {
    info: RunInfo,
    replications: Vec<Measured>,
}

/// What passed between nodes in all replications together, s.
fn between(replications: &[Measured]) -> Blame {
    let of = |part: fn(&Between) -> u128| {
        replications.iter().map(|m| part(&m.between)).sum::<u128>() as f64 / 1e9
    };
    Blame {
        network: of(|b| b.network),
        backoff: of(|b| b.backoff),
        permits: of(|b| b.permits),
        waits: of(|b| b.waits),
        ..Blame::default()
    }
}

impl Merged {
    /// Puts finished replications together.
    pub fn new(info: RunInfo, replications: Vec<Measured>) -> Self {
        Self { info, replications }
    }

    /// The results over all replications; `slos` are judged above.
    pub fn results(&self) -> Results {
        let mut results = results_of(&self.info, &self.replications);
        results.timeline = self.timeline(&results);
        results.bottleneck = explain::bottleneck(&results);
        results.blame = explain::blame(&results, &between(&self.replications));
        results
    }

    /// What happened, over all replications; or in one, where faults come at other times in each.
    fn timeline(&self, results: &Results) -> Timeline {
        let came = |f: &FaultResults| f.occurrences.value == Some(f.spans.len() as f64);
        if self.replications.len() < 2 || results.faults.iter().all(came) {
            return explain::timeline(results);
        }
        let hit = |m: &Measured| m.faults.iter().any(|f| !f.spans.is_empty());
        let one = self.replications.iter().position(hit).unwrap_or_default();
        let of_one = explain::timeline(&self.results_of(one));
        Timeline { replication: Some(one as u64), ..of_one }
    }

    /// The sampled requests of all replications.
    pub fn samples(&self) -> Vec<SampledRequest> {
        let mut rows = Vec::new();
        for (index, measured) in self.replications.iter().enumerate() {
            for sample in &measured.samples {
                let client = &measured.clients[usize::from(sample.client)];
                let operation = &client.operations[usize::from(sample.operation)];
                rows.push(SampledRequest {
                    replication: index as u64,
                    client: client.name.clone(),
                    operation: operation.name.clone(),
                    number: sample.number,
                    intended: seconds(sample.intended),
                    latency: seconds(sample.latency),
                    key: sample.key,
                    attempts: sample.attempts,
                    outcome: results::OUTCOMES[sample.outcome as usize].to_owned(),
                });
            }
        }
        rows
    }
}

impl Evidence for Merged {
    fn replications(&self) -> usize {
        self.replications.len()
    }

    fn requests(&self, selection: &Selection) -> Vec<Requests> {
        let client = |name: &str| selection.client.as_deref().is_none_or(|wanted| wanted == name);
        let operation =
            |name: &str| selection.operation.as_deref().is_none_or(|wanted| wanted == name);
        let select = |m: &Measured| match &selection.around {
            None => select(&self.info, m, &client, &operation),
            Some((fault, side)) => around(m, &client, &operation, (fault, *side)),
        };
        self.replications.iter().map(select).collect()
    }

    fn results_of(&self, replication: usize) -> Results {
        results_of(&self.info, &self.replications[replication..=replication])
    }
}

/// Asserts what must hold of every replication, whatever the scenario.
///
/// # Panics
///
/// When a request has no outcome, or more than one: our fault, never the user's.
pub fn check(measured: &Measured, warm_up: u64) {
    for client in &measured.clients {
        for operation in &client.operations {
            let at = format!("{}.{}", client.name, operation.name);
            let decided: u64 = operation.outcomes.iter().sum();
            let successes = operation.outcomes[0] + operation.outcomes[1];
            assert!(decided <= operation.issued, "{at}: more requests decided than issued");
            assert!(operation.good <= successes, "{at}: more requests good than successful");
            assert_eq!(operation.latency.count(), successes, "{at}: a success without latency");
            assert_eq!(
                operation.latency_failed.count(),
                decided - successes,
                "{at}: a failure without latency"
            );
            check_windows(measured, operation, warm_up, &at);
        }
    }
}

/// The windows are counted apart from the totals: the two must agree.
fn check_windows(measured: &Measured, operation: &OperationMeasured, warm_up: u64, at: &str) {
    let ended = |o: usize| operation.happened.iter().map(|h| h.ended[o]).sum::<u64>();
    for outcome in 0..operation.outcomes.len() {
        let count: u64 = operation.windows.iter().map(|w| w.outcomes[outcome]).sum();
        let name = results::OUTCOMES[outcome];
        assert_eq!(count, ended(outcome), "{at}: what was sent and what ended disagree on {name}");
    }
    let Some(first) = measured.window_starts.iter().position(|&start| start == warm_up) else {
        return;
    };
    let windows = operation.windows.get(first..).unwrap_or_default();
    let issued: u64 = windows.iter().map(|w| w.issued).sum();
    assert_eq!(issued, operation.issued, "{at}: windows and totals disagree on requests issued");
    for outcome in 0..operation.outcomes.len() {
        let count: u64 = windows.iter().map(|w| w.outcomes[outcome]).sum();
        let name = results::OUTCOMES[outcome];
        assert_eq!(
            count, operation.outcomes[outcome],
            "{at}: windows and totals disagree on {name}"
        );
    }
}

fn results_of(info: &RunInfo, replications: &[Measured]) -> Results {
    let all: Vec<Requests> =
        replications.iter().map(|m| select(info, m, &|_| true, &|_| true)).collect();
    let mut clients = BTreeMap::new();
    let mut series = TimeSeries { nodes: nodes::series(replications), ..windows(replications) };
    let mut latency_tail = BTreeMap::new();
    insert_series(&mut series.clients, &mut latency_tail, "all", &all);
    let names = replications.first().map(|m| m.clients.as_slice()).unwrap_or_default();
    for (index, client) in names.iter().enumerate() {
        let mut operations = BTreeMap::new();
        for (o, operation) in client.operations.iter().enumerate() {
            let parts: Vec<Requests> = replications
                .iter()
                .map(|m| requests(info, m, &m.clients[index], &m.clients[index].operations[o]))
                .collect();
            operations.insert(operation.name.clone(), results::figures(&parts, info.confidence));
        }
        let of_client = |m: &Measured| select(info, m, &|n| n == client.name, &|_| true);
        let parts: Vec<Requests> = replications.iter().map(of_client).collect();
        insert_series(&mut series.clients, &mut latency_tail, &client.name, &parts);
        let figures = results::figures(&parts, info.confidence);
        let active = client.active.map(|_| {
            let share = |m: &Measured| {
                let active = m.clients[index].active?.active as f64;
                (span(info, m) > 0).then(|| active / span(info, m) as f64)
            };
            let each: Vec<_> = replications.iter().map(share).collect();
            Estimate::mean_of(&each, info.confidence)
        });
        clients.insert(client.name.clone(), ClientResults { figures, operations, active });
    }
    let (status, status_reason) = status(info, replications);
    Results {
        windtunnel_version: env!("CARGO_PKG_VERSION").to_owned(),
        semantics_version: results::SEMANTICS_VERSION,
        scenario: info.scenario.clone(),
        description: info.description.clone(),
        variant: info.variant.clone(),
        fingerprint: hex(replications.iter().fold(0, |h, m| random::mix(h ^ m.fingerprint))),
        seeds: replications.iter().map(|m| m.seed).collect(),
        confidence: info.confidence,
        duration: seconds(info.duration),
        warm_up: seconds(info.warm_up),
        status,
        status_reason,
        summary: Summary {
            figures: results::figures(&all, info.confidence),
            uptime: nodes::uptime(replications.iter().map(|m| m.uptime), info.confidence),
        },
        clients,
        nodes: nodes::results(replications, info.warm_up, info.confidence),
        alerts: faults::alerts(replications, info.confidence),
        hanging: hanging(replications),
        slos: Vec::new(),
        replications: by_replication(replications, &all),
        series,
        latency_tail,
        design: info.design.clone(),
        leaves_out: info.leaves_out.clone(),
        warnings: info.warnings.clone(),
        data: info.data.clone(),
        faults: faults::results(
            replications,
            &all,
            &of_clients(info, replications),
            (&info.design, info.confidence),
        ),
        ..Results::default()
    }
}

/// Requests that hang, by what they wait for; those that are most first.
fn hanging(replications: &[Measured]) -> Vec<Hanging> {
    let mut found: Vec<Hanging> = Vec::new();
    for one in replications.iter().flat_map(|m| &m.hanging) {
        let same =
            |h: &&mut Hanging| (&h.from, &h.to, &h.fault) == (&one.from, &one.to, &one.fault);
        let since = seconds(one.since);
        if let Some(known) = found.iter_mut().find(same) {
            known.requests += one.requests;
            known.since = known.since.min(since);
        } else {
            let (from, to, fault) = (one.from.clone(), one.to.clone(), one.fault.clone());
            found.push(Hanging { from, to, fault, requests: one.requests, since });
        }
    }
    found.sort_by_key(|h| std::cmp::Reverse(h.requests));
    found
}

/// The requests of each client of each replication; none where no fault asks for them.
fn of_clients(info: &RunInfo, replications: &[Measured]) -> Vec<Vec<OfClient>> {
    let closed = |name: &str| {
        let mut vertices = info.design.vertices.iter();
        vertices.any(|v| v.kind == "client" && v.name == name && v.instances > 0)
    };
    let of = |m: &Measured| {
        let one = |client: &ClientMeasured| OfClient {
            name: client.name.clone(),
            closed: closed(&client.name),
            requests: select(info, m, &|name| name == client.name, &|_| true),
        };
        m.clients.iter().filter(|_| !m.faults.is_empty()).map(one).collect()
    };
    replications.iter().map(of).collect()
}

/// A run that lacks replications was interrupted; else one that met a limit is truncated.
fn status(info: &RunInfo, replications: &[Measured]) -> (String, Option<String>) {
    let finished = replications.len();
    let truncated = replications
        .iter()
        .enumerate()
        .find_map(|(r, m)| m.truncated.as_ref().map(|why| format!("replication {r}: {why}")));
    if finished < info.replications {
        let reason = format!("{finished} of {} replications finished", info.replications);
        ("interrupted".to_owned(), Some(reason))
    } else if truncated.is_some() {
        ("truncated".to_owned(), truncated)
    } else {
        ("complete".to_owned(), None)
    }
}

fn insert_series(
    series: &mut BTreeMap<String, ClientSeries>,
    tails: &mut BTreeMap<String, Vec<(f64, f64)>>,
    name: &str,
    parts: &[Requests],
) {
    series.insert(name.to_owned(), results::client_series(parts));
    let mut latency = crate::stats::Histogram::default();
    for part in parts {
        latency.merge(&part.basis().latency);
    }
    let points = latency.tail_points(TAIL_POINTS).into_iter();
    tails.insert(name.to_owned(), points.map(|(ns, share)| (seconds(ns), share)).collect());
}

/// All requests of one replication that are wanted.
fn select(
    info: &RunInfo,
    measured: &Measured,
    client: &dyn Fn(&str) -> bool,
    operation: &dyn Fn(&str) -> bool,
) -> Requests {
    let mut all = Requests { span: span(info, measured), ..Requests::default() };
    // Nothing yet: it weighs what those do that join it.
    for of in measured.clients.iter().filter(|c| client(&c.name)) {
        for operation in of.operations.iter().filter(|o| operation(&o.name)) {
            all.merge(&requests(info, measured, of, operation));
        }
    }
    all
}

/// The requests of one replication that were sent on one side of a fault.
fn around(
    measured: &Measured,
    client: &dyn Fn(&str) -> bool,
    operation: &dyn Fn(&str) -> bool,
    (fault, side): (&str, usize),
) -> Requests {
    let mut all = Requests::default();
    let fault = measured.faults.iter().find(|f| f.id == fault);
    // One that never came has no sides; while it might have, requests were counted before it.
    let came = fault.filter(|f| !f.spans.is_empty());
    let Some((fault, place)) = came.and_then(|f| Some((f, f.watched?))) else { return all };
    all.span = fault.length[side];
    for of in measured.clients.iter().filter(|c| client(&c.name)) {
        for operation in of.operations.iter().filter(|o| operation(&o.name)) {
            all.merge(&stratum(&operation.around[place * results::SIDES.len() + side]));
        }
    }
    all
}

fn stratum(around: &Around) -> Requests {
    Requests {
        issued: around.issued,
        outcomes: around.outcomes,
        good: around.good,
        attempts: around.attempts,
        lost: around.waiting.lost,
        ages: around.waiting.ages.clone(),
        latency: around.latency.clone(),
        latency_failed: around.latency_failed.clone(),
        ..Requests::default()
    }
}

/// All requests of an operation that was sent now and then: those around faults, and those between them,
/// each of which stands for more than itself.
fn weighted(operation: &OperationMeasured, active: &ActiveMeasured, span: u64) -> Requests {
    let of = |place: usize| {
        let requests = stratum(&operation.around[place]);
        let answered = requests.outcomes[0] + requests.outcomes[1];
        Requests { replies: answered, span, ..requests }
    };
    let mut all = of(active.place).times(results::UNIT);
    let weight = (active.weight * results::UNIT as f64).round() as u64;
    all.merge(&of(active.place + 1).times(weight));
    all
}

fn requests(
    info: &RunInfo,
    measured: &Measured,
    client: &ClientMeasured,
    operation: &OperationMeasured,
) -> Requests {
    let span = span(info, measured);
    let windows = operation.windows.iter().zip(&operation.happened).zip(window_spans(measured));
    let windows = windows.map(|((w, happened), (start, end))| RequestsInWindow {
        start,
        covered: end - start,
        issued: w.issued,
        outcomes: w.outcomes,
        good: w.good,
        attempts: w.attempts,
        lost: w.lost,
        latency: w.latency.clone(),
        happened: Happened {
            ended: happened.ended,
            good: happened.good,
            resent: happened.resent,
            timed_out: happened.timed_out,
            breakers_opened: happened.breakers_opened,
        },
    });
    Requests {
        issued: operation.issued,
        outcomes: operation.outcomes,
        good: operation.good,
        attempts: operation.attempts,
        replies: operation.replies,
        lost: operation.waiting.lost,
        ages: operation.waiting.ages.clone(),
        span,
        latency: operation.latency.clone(),
        latency_failed: operation.latency_failed.clone(),
        marks: operation.marks.clone(),
        windows: windows.collect(),
        weighted: client.active.map(|active| Box::new(weighted(operation, &active, span))),
    }
}

fn span(info: &RunInfo, measured: &Measured) -> u64 {
    measured.ended_at.saturating_sub(info.warm_up)
}

/// Start and end of each window, as far as it was simulated.
pub(super) fn window_spans(measured: &Measured) -> Vec<(u64, u64)> {
    let starts = &measured.window_starts;
    let ends = starts.iter().skip(1).copied().chain([measured.ended_at]);
    starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| (start, end.min(measured.ended_at).max(start)))
        .collect()
}

/// The windows of the replication that got furthest.
fn windows(replications: &[Measured]) -> TimeSeries {
    let longest = replications.iter().max_by_key(|m| (m.window_starts.len(), m.ended_at));
    let spans = longest.map(window_spans).unwrap_or_default();
    TimeSeries {
        start: spans.iter().map(|&(start, _)| seconds(start)).collect(),
        length: spans.iter().map(|&(start, end)| seconds(end - start)).collect(),
        ..TimeSeries::default()
    }
}

fn by_replication(replications: &[Measured], all: &[Requests]) -> Vec<ReplicationResults> {
    let rows = replications.iter().zip(all).enumerate();
    rows.map(|(index, (measured, requests))| ReplicationResults {
        replication: index as u64,
        seed: measured.seed,
        fingerprint: hex(measured.fingerprint),
        events: measured.events,
        figures: summary_figures(&results::figures(std::slice::from_ref(requests), 0.95)),
    })
    .collect()
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

fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}
