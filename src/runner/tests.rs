//! Merging against small cases worked out by hand.

use std::{collections::BTreeMap, sync::atomic::AtomicU64};

use super::*;
use crate::{
    cause::Cause,
    model::{
        fault::uptime::UptimeBooks,
        probe::{
            Between, ClientMeasured, HappenedWindow, InstanceMeasured, NodeMeasured, NodeWindow,
            OperationMeasured, RequestSample, RequestWindow, Undecided,
        },
    },
    node_kind::NodeKind,
    outcome::{Outcome, Tally},
    results::{Evidence as _, Selection, Status},
    stats::{CoarseHistogram, Histogram},
};

const SECOND: u64 = 1_000_000_000;

/// Latencies in whole seconds; one failure each in `failed`.
fn operation(name: &str, latencies: &[u64], failed: &[u64], in_flight: u64) -> OperationMeasured {
    let mut latency = Histogram::default();
    let mut coarse = CoarseHistogram::default();
    for &value in latencies {
        latency.record(value * SECOND);
        coarse.record(value * SECOND);
    }
    let mut latency_failed = Histogram::default();
    for &value in failed {
        latency_failed.record(value * SECOND);
    }
    let mut outcomes = Tally::default();
    outcomes[0] = latencies.len() as u64;
    outcomes[2] = failed.len() as u64;
    let issued = (latencies.len() + failed.len()) as u64 + in_flight;
    let good = latencies.len() as u64;
    let window =
        RequestWindow { issued, outcomes, good, attempts: issued, lost: 0, latency: coarse };
    OperationMeasured {
        waiting: Undecided::default(),
        name: name.to_owned(),
        issued,
        outcomes,
        good,
        attempts: issued,
        replies: good,
        latency,
        latency_failed,
        marks: BTreeMap::new(),
        windows: vec![RequestWindow::default(), window, RequestWindow::default()],
        happened: vec![
            HappenedWindow::default(),
            HappenedWindow { ended: outcomes, good, ..HappenedWindow::default() },
            HappenedWindow::default(),
        ],
        around: Vec::new(),
        writes: None,
    }
}

fn node(busy: u128, waits: &[u64]) -> NodeMeasured {
    let mut waiting = Histogram::default();
    for &wait in waits {
        waiting.record(wait * SECOND);
    }
    let instance = |busy, arrivals| InstanceMeasured { busy, arrivals, ..Default::default() };
    // One of four was refused; in the window none.
    let served = |visits| {
        let mut outcomes = Tally::default();
        outcomes[Outcome::Ok as usize] = visits;
        outcomes
    };
    let mut outcomes = served(3);
    outcomes[Outcome::Rejected as usize] = 1;
    let window = NodeWindow { busy, departures: 3, outcomes: served(3), ..Default::default() };
    NodeMeasured {
        held: vec![],
        uptime: UptimeBooks::default(),
        name: "server".to_owned(),
        kind: NodeKind::Service,
        capacity: Some(2.0),
        span: 10 * SECOND,
        arrivals: 4,
        in_system: u128::from(20 * SECOND),
        in_queue: u128::from(5 * SECOND),
        waiting,
        service: Histogram::default(),
        response: Histogram::default(),
        outcomes,
        causes: BTreeMap::from([(Cause::QueueFull, 1)]),
        instances: vec![instance(busy, 3), instance(0, 1)],
        consistency: None,
        replicas: None,
        sagas: None,
        batches: None,
        pools: Vec::new(),
        purchase: None,
        moved: None,
        backups: None,
        queue: None,
        in_doubt: None,
        scaling: None,
        groups: Vec::new(),
        outbox: None,
        environments: None,
        windows: vec![NodeWindow::default(), window, NodeWindow::default()],
        each: Vec::new(),
    }
}

/// Two replications of 12 s, of which 2 s are warm-up, with windows at 0, 2 and 7 s.
fn measured(seed: u64, operations: Vec<OperationMeasured>, node: NodeMeasured) -> Measured {
    Measured {
        hanging: Vec::new(),
        alerts: Vec::new(),
        budgets: Vec::new(),
        faults: Vec::new(),
        seed,
        clients: vec![ClientMeasured {
            active: None,
            name: "users".to_owned(),
            operations,
            pools: Vec::new(),
        }],
        nodes: vec![node],
        uptime: (UptimeBooks::default(), 10 * SECOND),
        between: Between::default(),
        traffic: Default::default(),
        links: Vec::new(),
        window_starts: vec![0, 2 * SECOND, 7 * SECOND],
        ended_at: 12 * SECOND,
        truncated: None,
        events: 10,
        fingerprint: seed,
        samples: vec![RequestSample {
            client: 0,
            operation: 0,
            number: 7,
            intended: 3 * SECOND,
            latency: SECOND,
            key: None,
            attempts: 1,
            outcome: crate::outcome::Outcome::Ok,
        }],
    }
}

fn info() -> RunInfo {
    RunInfo {
        scenario: "shop".to_owned(),
        confidence: 0.95,
        duration: 12 * SECOND,
        warm_up: 2 * SECOND,
        replications: 2,
        ..RunInfo::default()
    }
}

fn two() -> Vec<Measured> {
    vec![
        measured(
            11,
            vec![operation("browse", &[1, 2, 3], &[9], 1), operation("buy", &[4], &[], 0)],
            node(u128::from(20 * SECOND), &[0, 0, 0, 4]),
        ),
        measured(
            12,
            vec![operation("browse", &[5, 5], &[], 0), operation("buy", &[], &[9], 0)],
            node(u128::from(12 * SECOND), &[0, 2, 4, 4]),
        ),
    ]
}

/// t(0.95, 1) * sd / sqrt(2) for two values: 12.7062 * |a - b| / 2.
fn half_width(a: f64, b: f64) -> f64 {
    12.706_204_736 * (a - b).abs() / 2.0
}

/// A run that has taken these in.
fn merged(info: RunInfo, replications: Vec<Measured>) -> Accumulator {
    let mut accumulator = Accumulator::new(info);
    for measured in replications {
        accumulator.push(measured, &mut |_| ());
    }
    accumulator
}

#[track_caller]
fn close(estimate: crate::results::Estimate, value: f64, half: f64) {
    let got = estimate.value.expect("a value");
    assert!((got - value).abs() < 1e-9, "value {got}, expected {value}");
    let (lower, upper) = (estimate.lower.expect("lower"), estimate.upper.expect("upper"));
    assert!((lower - (value - half)).abs() < 1e-6, "lower {lower}, expected {}", value - half);
    assert!((upper - (value + half)).abs() < 1e-6, "upper {upper}, expected {}", value + half);
}

#[test]
fn figures_of_requests_follow_their_definitions() {
    let results = merged(info(), two()).results();
    let all = &results.summary.figures;
    assert_eq!(all.requests.issued, 9);
    assert_eq!(all.requests.ok, 6);
    assert_eq!(all.requests.timeout, 2);
    assert_eq!(all.requests.in_flight, 1);
    // Ratio of totals: 6 of 8 decided; replications 4/5 and 2/3; an interval within 0..=1.
    assert!((all.availability.value.unwrap() - 0.75).abs() < 1e-12);
    assert_eq!(all.availability.upper, Some(1.0));
    // Mean of rates over 10 s: 0.4 and 0.2 per second.
    close(all.goodput, 0.3, half_width(0.4, 0.2));
    close(all.throughput, 0.3, half_width(0.4, 0.2));
    close(all.attempts_per_request, 1.0, 0.0);
    // Mean of means 2.5 and 5; the maximum is that of all.
    close(all.latency.mean, 3.75, half_width(2.5, 5.0));
    close(all.latency.max, 5.0, half_width(4.0, 5.0));
    assert_eq!(all.latency.count, 6);
    assert_eq!(all.latency_all.count, 8);
    assert_eq!(all.latency_all.max.value, Some(9.0));
    let buy = &results.clients["users"].operations["buy"];
    assert_eq!((buy.requests.issued, buy.requests.ok, buy.requests.timeout), (2, 1, 1));
    assert_eq!(buy.latency.mean.n, 1, "one replication saw no success");
    assert_eq!(buy.latency.mean.lower, None);
    assert_eq!(results.clients["users"].figures, results.summary.figures);
    assert_eq!(results.replications[1].figures["latency.p50"], Some(5.0));
    assert_eq!(results.replications[1].figures["requests.issued"], Some(3.0));
}

#[test]
fn a_quantile_is_that_of_the_merged_samples() {
    let results = merged(info(), two()).results();
    // Of 1 2 3 4 5 5 the median is the third, 3 (within a bucket of 0.8 %); averaging the
    // replications' medians 2 and 5 would give 3.5.
    let p50 = results.summary.figures.latency.p50.value.unwrap();
    assert!((p50 - 3.0).abs() < 0.03, "{p50}");
}

#[test]
fn one_replication_has_no_intervals() {
    let results = merged(RunInfo { replications: 1, ..info() }, two()[..1].to_vec()).results();
    let mean = results.summary.figures.latency.mean;
    assert_eq!((mean.value, mean.lower, mean.upper, mean.n), (Some(2.5), None, None, 1));
    assert_eq!(results.status, Status::Complete);
}

#[test]
fn figures_of_nodes_are_integrals_over_the_span() {
    let results = merged(info(), two()).results();
    let node = &results.nodes["server"];
    // Busy 20 s and 12 s of 2 cores x 2 instances x 10 s.
    assert!((node.utilisation.value.unwrap() - 0.4).abs() < 1e-12);
    close(node.in_system, 2.0, 0.0);
    close(node.in_queue, 0.5, 0.0);
    close(node.throughput, 0.3, 0.0);
    // 4 of 8 visits waited.
    assert_eq!(node.wait_probability.value, Some(0.5));
    assert_eq!(node.per_instance.len(), 2);
    assert!((node.per_instance[0].utilisation.value.unwrap() - 0.8).abs() < 1e-12);
    assert_eq!(node.per_instance[0].keys_share.value, Some(0.75));
    assert_eq!(node.causes[&Cause::QueueFull], 2);
    assert_eq!(node.outcomes["rejected"], 2);
}

#[test]
fn unbounded_capacity_has_no_utilisation() {
    let mut replications = two();
    for measured in &mut replications {
        measured.nodes[0].capacity = None;
    }
    let results = merged(info(), replications).results();
    assert_eq!(results.nodes["server"].utilisation.value, None);
    assert_eq!(results.series.nodes["server"].utilisation, [None, None, None]);
}

#[test]
fn series_average_over_replications_and_lengths() {
    let results = merged(info(), two()).results();
    let series = &results.series;
    assert_eq!(series.start, [0.0, 2.0, 7.0]);
    assert_eq!(series.length, [2.0, 5.0, 5.0]);
    // 9 requests in 2 x 5 s.
    assert_eq!(series.clients["all"].offered, [0.0, 0.9, 0.0]);
    assert_eq!(series.clients["users"].availability, [None, Some(0.75), None]);
    assert_eq!(series.clients["all"].outcomes["timeout"], [0.0, 0.2, 0.0]);
    // 32 s of 4 units x 2 x 5 s.
    assert_eq!(series.nodes["server"].utilisation[1], Some(0.8));
    assert!((series.nodes["server"].throughput[1] - 0.6).abs() < 1e-12);
    let tail = &results.latency_tail["all"];
    assert_eq!(tail.first(), Some(&(1.0, 1.0)));
    assert_eq!(tail.last(), Some(&(5.0, 0.0)));
}

#[test]
fn selections_and_single_replications() {
    let buy = Selection { operation: Some("buy".to_owned()), ..Selection::default() };
    let nobody = Selection { client: Some("nobody".to_owned()), ..Selection::default() };
    let mut seen = Vec::new();
    let mut look = |one: &Replication<'_>| {
        let issued = one.results().summary.figures.requests.issued;
        seen.push((one.index, one.requests(&buy).issued, one.requests(&nobody).issued, issued));
    };
    let mut run = Accumulator::new(info());
    for measured in two() {
        run.push(measured, &mut look);
    }
    assert_eq!(seen, [(0, 1, 0, 6), (1, 1, 0, 3)]);
    assert_eq!(run.samples()[1].replication, 1);
}

#[test]
fn a_mark_that_only_some_replications_have_is_of_those() {
    let marked = |at: usize, seconds: &[u64]| {
        let mut one = two().remove(0);
        let mut times = Histogram::default();
        for s in seconds {
            times.record(s * SECOND);
        }
        one.clients[0].operations[0].marks.insert(format!("m{at}"), times);
        one
    };
    let run = merged(
        RunInfo { replications: 3, ..info() },
        vec![marked(0, &[1]), marked(1, &[2, 4]), marked(1, &[6])],
    );
    let marks = run.results().summary.figures.marks;
    let of = |name: &str| (marks[name].count, marks[name].mean.value, marks[name].mean.n);
    assert_eq!((of("m0"), of("m1")), ((1, Some(1.0), 1), (3, Some(4.5), 2)));
    assert_eq!(marks["m1"].max.value, Some(6.0));
}

#[test]
fn a_first_replication_that_ends_early_hides_nothing_of_the_others() {
    let mut replications = two();
    let first = &mut replications[0];
    (first.ended_at, first.window_starts) = (6 * SECOND, vec![0, 2 * SECOND]);
    first.nodes[0].windows.pop();
    for operation in &mut first.clients[0].operations {
        operation.windows.pop();
        operation.happened.pop();
    }
    let series = merged(info(), replications).results().series;
    assert_eq!((series.start, series.length), (vec![0.0, 2.0, 7.0], vec![2.0, 5.0, 5.0]));
    // 9 requests, and 32 s of 4 units, in the 4 s of the one and the 5 s of the other.
    assert_eq!(series.clients["all"].offered, [0.0, 1.0, 0.0]);
    assert_eq!(series.nodes["server"].utilisation[1], Some(32.0 / 36.0));
    assert_eq!(series.nodes["server"].utilisation.len(), 3);
}

#[test]
fn unfinished_and_truncated_runs_say_so() {
    let results = merged(info(), two()[..1].to_vec()).results();
    assert_eq!(results.status, Status::Interrupted);
    assert_eq!(results.status_reason.as_deref(), Some("1 of 2 replications finished"));
    assert_eq!(results.seeds, [11]);
    let mut replications = two();
    replications[1].truncated = Some("10 events".to_owned());
    replications[1].ended_at = 7 * SECOND;
    let results = merged(info(), replications).results();
    assert_eq!(results.status, Status::Truncated);
    assert_eq!(results.status_reason.as_deref(), Some("replication 1: 10 events"));
    // Replies 4 in 10 s and 2 in 5 s.
    assert_eq!(results.summary.figures.throughput.value, Some(0.4));
    let nothing = merged(info(), Vec::new()).results();
    assert_eq!(nothing.summary.figures.availability.value, None);
}

#[test]
fn broken_conservation_is_caught() {
    for (what, breakage) in [
        ("issued", (|o| o.issued -= 3) as fn(&mut OperationMeasured)),
        ("good", |o| o.good += 1),
        ("latency", |o| o.latency.record(1)),
        ("failure", |o| o.latency_failed.record(1)),
        ("windows", |o| o.windows[1].issued += 1),
        ("timeout", |o| o.windows[1].outcomes[2] += 1),
    ] {
        let mut measured = two().remove(0);
        check(&measured, 2 * SECOND);
        breakage(&mut measured.clients[0].operations[0]);
        let caught = catch_unwind(|| check(&measured, 2 * SECOND)).expect_err(what);
        let message = panic_message(caught.as_ref());
        assert!(message.contains(what) && message.contains("users.browse"), "{message}");
    }
}

/// A world whose replications report their seed; it breaks or stops where told.
struct Fake {
    breaks: Option<u64>,
    stops: Option<u64>,
}

impl Replicate for Fake {
    fn replicate(&self, seed: u64, stop: &AtomicBool) -> Measured {
        assert!(self.breaks != Some(seed), "in-flight must not be negative");
        let mut measured = two().remove(0);
        measured.seed = seed;
        if self.stops == Some(seed) {
            stop.store(true, Ordering::Relaxed);
            measured.ended_at = 3 * SECOND;
        }
        measured
    }
}

fn run(world: &Fake, replications: usize) -> Result<crate::results::Results, Breach> {
    let stop = AtomicBool::new(false);
    let info = RunInfo { replications, ..info() };
    simulate(world, &info, 42, &stop, &mut |_| {}).map(|run| run.results())
}

#[test]
fn replications_are_merged_in_index_order() {
    let results = run(&Fake { breaks: None, stops: None }, 40).unwrap();
    assert_eq!(results.seeds, seeds(42, 40));
    assert_eq!(results.summary.figures.requests.issued, 40 * 6);
    let twin = run(&Fake { breaks: None, stops: None }, 40).unwrap();
    assert_eq!(results, twin);
}

#[test]
fn a_stop_keeps_the_finished_prefix() {
    let stops = Some(seeds(42, 40)[10]);
    let results = run(&Fake { breaks: None, stops }, 40).unwrap();
    assert_eq!(results.status, Status::Interrupted);
    assert!(results.seeds.len() <= 10);
    assert_eq!(results.seeds, seeds(42, 40)[..results.seeds.len()]);
}

#[test]
fn a_breach_names_the_seed() {
    let broken = seeds(42, 4)[2];
    let breach = run(&Fake { breaks: Some(broken), stops: None }, 4).unwrap_err();
    assert_eq!((breach.replication, breach.seed), (2, broken));
    assert!(breach.message.contains("in-flight"));
}

/// A first replication that takes long, and how many of the others were begun meanwhile.
struct SlowStart {
    first: u64,
    begun: AtomicU64,
    meanwhile: AtomicU64,
}

impl Replicate for SlowStart {
    fn replicate(&self, seed: u64, _stop: &AtomicBool) -> Measured {
        self.begun.fetch_add(1, Ordering::Relaxed);
        if seed == self.first {
            std::thread::sleep(std::time::Duration::from_millis(300));
            self.meanwhile.store(self.begun.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        Measured { seed, ..two().remove(0) }
    }
}

#[cfg(feature = "cli")]
#[test]
fn what_is_finished_before_its_turn_is_bounded() {
    let first = seeds(42, 1)[0];
    let world = SlowStart { first, begun: AtomicU64::new(0), meanwhile: AtomicU64::new(0) };
    let info = RunInfo { replications: 500, ..info() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let run = pool.install(|| {
        simulate(&world, &info, 42, &AtomicBool::new(false), &mut |_| {}).unwrap().results()
    });
    assert_eq!(run.seeds, seeds(42, 500));
    let meanwhile = world.meanwhile.load(Ordering::Relaxed);
    assert!((HELD as u64..=HELD as u64 + 3).contains(&meanwhile), "{meanwhile}");
}

/// A first replication that takes until so many others wait for it.
struct AllWait(u64);

impl Replicate for AllWait {
    fn replicate(&self, seed: u64, _stop: &AtomicBool) -> Measured {
        if seed == self.0 {
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        Measured { seed, ..two().remove(0) }
    }
}

#[cfg(feature = "cli")]
#[test]
fn a_look_that_panics_leaves_nobody_waiting() {
    let world = AllWait(seeds(42, 1)[0]);
    let info = RunInfo { replications: 500, ..info() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let run = pool.install(|| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let stop = AtomicBool::new(false);
            simulate(&world, &info, 42, &stop, &mut |_| panic!("a look")).map(drop)
        }))
    });
    assert_eq!(run.unwrap_err().downcast_ref(), Some(&"a look"));
}
