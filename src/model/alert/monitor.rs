//! Monitors at work: what was measured up to each look, and what follows from it.
//!
//! **Invariant.** A monitor reads sums from the start of the run, as a real one reads counters; it changes nothing
//! but the faults that wait for it.

use std::collections::VecDeque;

use super::{AlertSpec, Signal, Source};
use crate::{
    model::{
        design::Design, ids::NodeId, names::Names, probe::AlertMeasured, queue::counts::Backlog,
    },
    stats::CoarseHistogram,
};

/// Sums from the start of the run.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Good ones that have ended.
    pub good: u64,
    /// All that have ended.
    pub ended: u64,
    /// Those slower than any limit.
    pub lost: u64,
    /// Latency of the others.
    pub latency: CoarseHistogram,
    /// Integral of busy capacity, unit-ns.
    pub busy: u128,
    /// Time instances were down, summed over them, ns.
    pub down: u128,
    /// Integral of frames waiting, frame-ns.
    pub in_queue: u128,
    /// Integral of what it reads of messages.
    pub depth: u128,
    /// Requests that came into an environment, and those of them that waited for its start.
    pub environments: (u64, u64),
}

/// One alert in one replication.
#[derive(Debug)]
pub struct Monitor {
    /// Time between two looks, ns.
    pub period: u64,
    /// Looks in a window.
    pub looks: usize,
    /// How long it must be bad, ns.
    pub holds: u64,
    /// Fewer calls than that say nothing.
    pub least: u64,
    /// Instances and the capacity of each.
    pub capacity: (u64, f64),
    /// Where it reads.
    pub source: From,
    /// What it reads of messages.
    pub backlog: Backlog,
    /// The last looks, oldest first; at first what is known at time 0.
    pub readings: VecDeque<Reading>,
    /// What the records forgot when the measured span began.
    pub forgotten: Reading,
    /// Since when it has been bad.
    pub bad_since: Option<u64>,
    /// When it fired and when that was over.
    pub spans: Vec<(u64, u64)>,
    /// Whether it fires.
    pub firing: bool,
}

/// Where it reads.
#[derive(Clone, Debug)]
pub enum From {
    /// Rows of operations.
    Requests(std::ops::Range<usize>),
    /// A node.
    Node(NodeId),
    /// What a deployment reached: the fault.
    Deploy(usize),
}

impl Design {
    /// The instants at which some alert looks.
    pub fn looks(&self) -> impl Iterator<Item = u64> {
        self.alerts.values().flat_map(|spec| {
            let period = spec.period();
            (1..=self.duration / period).map(move |n| n * period)
        })
    }
}

impl Monitor {
    /// A monitor for each alert; `first_row` are the rows of the clients.
    pub fn all(names: &Names, first_row: &[usize], rows: usize) -> Vec<Self> {
        let one = |spec: &AlertSpec| {
            let source = match &spec.when.of {
                Source::Clients => From::Requests(0..rows),
                Source::Client(name) => {
                    let at = names.client(&name.0);
                    let at = at.expect("the client was checked");
                    From::Requests(first_row[at]..first_row.get(at + 1).copied().unwrap_or(rows))
                }
                Source::Node(name) => {
                    From::Node(names.node(&name.0).expect("the node was checked"))
                }
                Source::Deploy(name) => {
                    let at = names.faults().position(|fault| fault.id == *name);
                    From::Deploy(at.expect("the deployment was checked"))
                }
            };
            let (period, looks) = (spec.period(), spec.looks());
            let capacity = if let From::Node(node) = source {
                let facts = names.kind(node).facts();
                (facts.serving(), facts.capacity.unwrap_or(0.0))
            } else {
                (0, 0.0)
            };
            Self {
                period,
                looks: looks as usize,
                holds: spec.for_.map_or(0, |for_| for_.0),
                least: spec.min_calls.map_or(1, |n| n.0),
                capacity,
                source,
                backlog: match (spec.when.signal, &spec.when.group) {
                    (Signal::Age, _) => Backlog::Age,
                    (_, Some(group)) => Backlog::Of(group.0.clone()),
                    _ => Backlog::All,
                },
                readings: VecDeque::from([Reading::default()]),
                forgotten: Reading::default(),
                bad_since: None,
                spans: Vec::new(),
                firing: false,
            }
        };
        names.design.alerts.values().map(one).collect()
    }

    /// What it found.
    pub fn measured(&self, id: &str) -> AlertMeasured {
        AlertMeasured { id: id.to_owned(), spans: self.spans.clone() }
    }

    /// Looks; whether it fires.
    pub fn look(&mut self, spec: &AlertSpec, reading: Reading, now: u64) -> bool {
        let value = if self.readings.len() >= self.looks {
            let before = self.readings.pop_front().expect("a window has a beginning");
            self.figure(spec.when.signal, &before, &reading)
        } else {
            None
        };
        self.readings.push_back(reading);
        if !value.is_some_and(|value| spec.when.holds(value)) {
            self.bad_since = None;
            if std::mem::take(&mut self.firing)
                && let Some(last) = self.spans.last_mut()
            {
                last.1 = now;
            }
            return false;
        }
        let since = *self.bad_since.get_or_insert(now);
        let fires = !self.firing && now - since >= self.holds;
        if fires {
            self.firing = true;
            self.spans.push((now, u64::MAX));
        }
        fires
    }

    /// The figure of a window; none when too little ended in it.
    fn figure(&self, signal: Signal, before: &Reading, now: &Reading) -> Option<f64> {
        let ended = now.ended - before.ended;
        let window = self.period as f64 * self.looks as f64;
        let of_all = |n: u64| (ended >= self.least).then(|| n as f64 / ended as f64);
        let up = || window * self.capacity.0 as f64 - (now.down - before.down) as f64;
        match signal {
            Signal::ErrorFraction => of_all(ended - (now.good - before.good)),
            Signal::Availability => of_all(now.good - before.good),
            Signal::Latency(q) => {
                let latency = now.latency.since(&before.latency);
                let all = latency.count() + now.lost - before.lost;
                let rank = (q * all as f64 - 1e-9).ceil().max(1.0);
                match rank / latency.count() as f64 {
                    _ if all < self.least => None,
                    place if place <= 1.0 => latency.quantile(place).map(|ns| ns / 1e9),
                    _ => Some(f64::INFINITY),
                }
            }
            Signal::Utilisation => {
                let (up, each) = (up(), self.capacity.1);
                (up > 0.0).then(|| (now.busy - before.busy) as f64 / (each * up))
            }
            Signal::InQueue => Some((now.in_queue - before.in_queue) as f64 / window),
            Signal::Age => Some((now.depth - before.depth) as f64 / (window * 1e9)),
            Signal::Depth | Signal::Lag => Some((now.depth - before.depth) as f64 / window),
            Signal::Instances => Some(up() / window),
            Signal::ColdShare => {
                let visits = now.environments.0 - before.environments.0;
                let cold = now.environments.1 - before.environments.1;
                (visits >= self.least).then(|| cold as f64 / visits as f64)
            }
            Signal::Throughput => Some((now.good - before.good) as f64 / window * 1e9),
        }
    }
}
