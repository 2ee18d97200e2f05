//! What is recorded while a replication runs, and what it leaves behind.
//!
//! **Invariant.** The model writes here and never reads: removing the probe changes no event.

mod consistency;
mod cut;
pub mod view;

use std::collections::BTreeMap;

use super::{
    books::{
        BackupsMeasured, BatchesMeasured, EnvironmentBooks, EnvironmentsMeasured, InstanceWindow,
        MovedMeasured, PurchaseMeasured, SagasMeasured, ScalingMeasured,
    },
    bounded::Held,
    fault::uptime::UptimeBooks,
};
use crate::{
    cause::Cause,
    model::{
        cache::books::CacheBooks,
        connection::books::PoolBooks,
        network::{PAID, books::LinkMeasured},
        queue::counts::{GroupMeasured, OutboxMeasured, QueueMeasured},
        replication::tally::ReplicasMeasured,
    },
    node_kind::NodeKind,
    outcome::{Outcome, Tally},
    stats::{CoarseHistogram, Histogram},
    units::SimTime,
};

pub use consistency::{ConsistencyMeasured, Cost, DATA_OPERATIONS, Loss, all_are};
pub use cut::{CutMeasured, SideMeasured, SideWindow};

/// One finished replication: everything later layers may know about it.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Its seed.
    pub seed: u64,
    /// Clients in name order.
    pub clients: Vec<ClientMeasured>,
    /// Nodes in name order.
    pub nodes: Vec<NodeMeasured>,
    /// How long no node was short of instances, and the length of the measured span, ns.
    pub uptime: (UptimeBooks, u64),
    /// What passed between nodes in the measured span.
    pub between: Between,
    /// Bytes sent in it over each class of traffic that can have a price ([`PAID`]).
    pub traffic: [u64; PAID.len()],
    /// Links that cannot carry everything at once, in the order of the file.
    pub links: Vec<LinkMeasured>,
    /// Alerts in the order of their names.
    pub alerts: Vec<AlertMeasured>,
    /// Budgets in the order of their names.
    pub budgets: Vec<BudgetMeasured>,
    /// Faults in the order of their ids.
    pub faults: Vec<FaultMeasured>,
    /// Requests of the measured span that nobody will ever decide, by what they wait for.
    pub hanging: Vec<HangingMeasured>,
    /// Start of each window of the time series, in ns; the last window ends at the run's end.
    pub window_starts: Vec<SimTime>,
    /// Simulated instant at which the replication stopped, in ns.
    pub ended_at: SimTime,
    /// Why it stopped early, if it did.
    pub truncated: Option<String>,
    /// Events executed.
    pub events: u64,
    /// Hash of every event (time, entity name, kind, payload).
    pub fingerprint: u64,
    /// A sample of requests (the first ones of the measured span, evenly thinned).
    pub samples: Vec<RequestSample>,
}

/// Requests that wait, without any timer, for the answer to a call that was lost.
#[derive(Clone, Debug, Default)]
pub struct HangingMeasured {
    /// Who called.
    pub from: String,
    /// The node called.
    pub to: String,
    /// The fault that lost the calls, if one was at work there.
    pub fault: Option<String>,
    /// How many they are.
    pub requests: u64,
    /// When the first of them was sent, ns.
    pub since: SimTime,
}

/// Requests that were not decided when a run ended.
#[derive(Clone, Debug, Default)]
pub struct Undecided {
    /// Those that wait for the answer to a call that was lost.
    pub lost: u64,
    /// Age of the others at the end, ns.
    pub ages: Histogram,
}

impl Undecided {
    /// One more.
    pub fn add(&mut self, age: u64, lost: bool) {
        if lost {
            self.lost += 1;
        } else {
            self.ages.record(age);
        }
    }
}

/// One alert.
#[derive(Clone, Debug, Default)]
pub struct AlertMeasured {
    /// Its name.
    pub id: String,
    /// When it fired and when that was over, ns; `u64::MAX`: not by the end.
    pub spans: Vec<(SimTime, SimTime)>,
}

/// One error budget.
#[derive(Clone, Debug, Default)]
pub struct BudgetMeasured {
    /// Share of a whole window's budget that was spent; none: nothing was decided.
    pub spent: Option<f64>,
    /// Its alerts, in their order.
    pub alerts: Vec<BurnMeasured>,
}

/// What one alert of a budget would have done; nothing is known where its long window is longer than the run.
#[derive(Clone, Debug, Default)]
pub struct BurnMeasured {
    /// Times it fired.
    pub fired: Option<u64>,
    /// From the start of a fault to its first page, s; of those faults that had one.
    pub detect: Option<f64>,
    /// From the end of such a fault until the alert was over, s.
    pub reset: Option<f64>,
    /// What was spent by that page, as a share of a whole window's budget.
    pub spent_at_page: Option<f64>,
    /// Faults that spent more than it is made for, and that no page told of; none: there was no fault.
    pub missed: Option<u64>,
    /// Pages while no fault was at work in what it looked at.
    pub false_pages: u64,
    /// In how long, ns.
    pub quiet: u64,
}

/// One fault and the requests around it, by intended send; those of the warm-up are not counted.
#[derive(Clone, Debug, Default)]
pub struct FaultMeasured {
    /// Its id.
    pub id: String,
    /// What the file calls it.
    pub title: Option<String>,
    /// Its effect, as in the file.
    pub effect: &'static str,
    /// What it hits, in words.
    pub target: String,
    /// The nodes whose instances it hits; none of effects on messages and clients.
    pub nodes: Vec<String>,
    /// The spans in which it was at work, ns; cut at the run's end.
    pub spans: Vec<(SimTime, SimTime)>,
    /// When it came, ns, if it is over at once.
    pub struck: Vec<SimTime>,
    /// Good and decided requests before it first began, while no other fault was at work.
    pub before: (u64, u64),
    /// When that was, ns; without the warm-up.
    pub quiet: Vec<(SimTime, SimTime)>,
    /// While it was at work.
    pub during: (u64, u64),
    /// After it ended, until the next fault began.
    pub after: (u64, u64),
    /// When that next fault began, or the run ended, after its last span, ns.
    pub until: SimTime,
    /// The same, or when the load changed if that was earlier.
    pub steady: SimTime,
    /// What it brought is there after its end: it was a deployment that was not taken back.
    pub remains: bool,
    /// When an alert had it taken back, ns.
    pub rolled_back: Option<SimTime>,
    /// Its place among the watched faults, if it is one.
    pub watched: Option<usize>,
    /// Length of each side inside the measured span, ns.
    pub length: [u64; 3],
    /// What was seen from the sides of a cut that those who ask stand on.
    pub cut: Option<CutMeasured>,
    /// Acknowledged writes that were lost while it was at work or after it, until the next fault began, if any store is
    /// followed.
    pub lost: Option<u64>,
    /// What it cost the data.
    pub cost: Cost,
}

/// Where a request lies in time with regard to a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Sent before it first began, while no other fault was at work.
    Before,
    /// Sent while it was at work.
    During,
    /// Sent after it ended, until the next fault began.
    After,
}

impl Side {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Before, Self::During, Self::After];
}

/// Requests of one operation on one side of a fault, by intended send; those of the warm-up are not
/// counted.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// Requests issued.
    pub issued: u64,
    /// Decided ones by outcome.
    pub outcomes: Tally,
    /// Ok and degraded requests decided within their deadline.
    pub good: u64,
    /// Attempts sent.
    pub attempts: u64,
    /// Those not decided at the end.
    pub waiting: Undecided,
    /// Response time of ok and degraded ones, ns.
    pub latency: Histogram,
    /// Time to the decision of the others, ns.
    pub latency_failed: Histogram,
}

/// One client's figures. Requests whose intended send lies in [warm-up, end).
#[derive(Clone, Debug)]
pub struct ClientMeasured {
    /// Its name.
    pub name: String,
    /// Its operations in name order.
    pub operations: Vec<OperationMeasured>,
    /// It sent now and then (`active`).
    pub active: Option<ActiveMeasured>,
    /// Its pools of connections.
    pub pools: Vec<PoolBooks>,
}

/// What is known of a client that sent around faults and in windows between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActiveMeasured {
    /// Where, in the `around` of its operations, the requests sent around faults are counted; those sent
    /// between them come next.
    pub place: usize,
    /// A counted request of those between faults stands for so many.
    pub weight: f64,
    /// How long it sent in the measured span, ns.
    pub active: u64,
}

/// One operation's figures.
#[derive(Clone, Debug)]
pub struct OperationMeasured {
    /// Its name.
    pub name: String,
    /// Requests issued.
    pub issued: u64,
    /// Decided requests by outcome.
    pub outcomes: Tally,
    /// Ok and degraded requests decided within their deadline (all, if they have none).
    pub good: u64,
    /// Attempts sent.
    pub attempts: u64,
    /// Successful replies that reached the client inside the measured span, late ones and those
    /// of requests issued before it included.
    pub replies: u64,
    /// Those not decided at the end.
    pub waiting: Undecided,
    /// Response time of ok and degraded requests from the intended send, ns.
    pub latency: Histogram,
    /// Time to the decision of all other decided requests, ns.
    pub latency_failed: Histogram,
    /// Time from the intended send to each `mark`, by its name, ns.
    pub marks: BTreeMap<String, Histogram>,
    /// By window of the intended send, over the whole run, warm-up included.
    pub windows: Vec<RequestWindow>,
    /// By window in which it happened, over the whole run.
    pub happened: Vec<HappenedWindow>,
    /// By watched fault and [`Side`] of it; then of `active` clients, and of cuts.
    pub around: Vec<Around>,
    /// Its requests write data of some store that is followed (true), or only read (false); none: neither.
    pub writes: Option<bool>,
}

/// What happened to requests of one operation in one window, whenever they were sent.
#[derive(Clone, Debug, Default)]
pub struct HappenedWindow {
    /// Requests decided, by outcome.
    pub ended: Tally,
    /// Ok and degraded ones within their deadline.
    pub good: u64,
    /// Attempts after the first that were sent, and second copies.
    pub resent: u64,
    /// Attempts that timed out.
    pub timed_out: u64,
    /// Breakers that opened.
    pub breakers_opened: u64,
}

impl HappenedWindow {
    /// Adds what happened in another window.
    pub fn add(&mut self, other: &Self) {
        self.good += other.good;
        self.resent += other.resent;
        self.timed_out += other.timed_out;
        self.breakers_opened += other.breakers_opened;
        for (mine, theirs) in self.ended.iter_mut().zip(&other.ended) {
            *mine += theirs;
        }
    }
}

/// Requests of one operation whose intended send lies in one window.
#[derive(Clone, Debug, Default)]
pub struct RequestWindow {
    /// Requests issued.
    pub issued: u64,
    /// Decided ones by outcome.
    pub outcomes: Tally,
    /// Ok and degraded requests decided within their deadline.
    pub good: u64,
    /// Attempts sent.
    pub attempts: u64,
    /// Those that wait at the end for the answer to a call that was lost.
    pub lost: u64,
    /// Response time of ok and degraded ones, ns (coarse).
    pub latency: CoarseHistogram,
}

impl RequestWindow {
    /// Adds the counts of another window (not its latencies).
    pub fn add_counts(&mut self, other: &Self) {
        self.issued += other.issued;
        self.good += other.good;
        self.attempts += other.attempts;
        self.lost += other.lost;
        for (mine, theirs) in self.outcomes.iter_mut().zip(&other.outcomes) {
            *mine += theirs;
        }
    }
}

/// One node's figures over [warm-up, end).
#[derive(Clone, Debug)]
pub struct NodeMeasured {
    /// How long its instances were up.
    pub uptime: UptimeBooks,
    /// Its name.
    pub name: String,
    /// Its kind, as in the file.
    pub kind: NodeKind,
    /// Capacity of one instance in what `utilisation` counts: cores, else workers; none: unbounded.
    pub capacity: Option<f64>,
    /// Length of the measured span, ns.
    pub span: u64,
    /// Arrivals in the span.
    pub arrivals: u64,
    /// Integral of requests inside, request-ns.
    pub in_system: u128,
    /// Integral of requests waiting for a worker or core, request-ns.
    pub in_queue: u128,
    /// Per visit: all waits for worker and core, ns (visits that ended in the span).
    pub waiting: Histogram,
    /// Per visit: sum of work, ns.
    pub service: Histogram,
    /// Per visit: arrival until reply, ns.
    pub response: Histogram,
    /// Visits by outcome.
    pub outcomes: Tally,
    /// Finer causes of outcomes, such as `queue_full`, `abandoned`.
    pub causes: BTreeMap<Cause, u64>,
    /// Per instance (per shard of a store).
    pub instances: Vec<InstanceMeasured>,
    /// What was held of each thing that is bounded; first what `utilisation` counts.
    pub held: Vec<Held>,
    /// By window, over the whole run, warm-up included.
    pub windows: Vec<NodeWindow>,
    /// What each instance did in each of them, window by window; empty: there are too many instances.
    pub each: Vec<InstanceWindow>,
    /// Stores that are followed: what clients saw of their data.
    pub consistency: Option<ConsistencyMeasured>,
    /// Of a store with replicas: what was measured of them.
    pub replicas: Option<ReplicasMeasured>,
    /// Of a service with sagas.
    pub sagas: Option<SagasMeasured>,
    /// Of a service that works in batches.
    pub batches: Option<BatchesMeasured>,
    /// Of a service whose instances are bought in several ways.
    pub purchase: Option<Box<PurchaseMeasured>>,
    /// Of a store whose keys move: which did.
    pub moved: Option<MovedMeasured>,
    /// Of a store with backups: what became of them.
    pub backups: Option<Box<BackupsMeasured>>,
    /// Of a queue: what became of its messages.
    pub queue: Option<Box<QueueMeasured>>,
    /// Of a store with outboxes: what became of their rows.
    pub outbox: Option<OutboxMeasured>,
    /// Of a log: what became of its messages for each group that reads it.
    pub groups: Vec<GroupMeasured>,
    /// Of a store that transactions write: how long keys stayed locked from a vote until it was known how that was decided, ns.
    pub in_doubt: Option<Box<Histogram>>,
    /// Its pools of connections.
    pub pools: Vec<PoolBooks>,
    /// Of a service with an autoscaler.
    pub scaling: Option<ScalingMeasured>,
    /// Of a function.
    pub environments: Option<Box<EnvironmentsMeasured>>,
}

/// One instance's figures over [warm-up, end).
#[derive(Clone, Debug, Default)]
pub struct InstanceMeasured {
    /// Integral of busy capacity (cores, else workers), unit-ns.
    pub busy: u128,
    /// Arrivals.
    pub arrivals: u64,
    /// Departures with a good answer.
    pub served: u64,
    /// Time it was down, ns.
    pub down: u128,
    /// Integral of requests waiting, request-ns.
    pub in_queue: u128,
    /// Queues: integral of messages that wait to be handed out, message-ns.
    pub depth: u128,
    /// Caches: lookups and what became of them.
    pub cache: CacheBooks,
    /// With a quota: time in which work stood still for want of processor time, ns, and the integral of frames that did.
    pub throttled: (u128, u128),
}

impl InstanceMeasured {
    /// It and another one together.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        Self {
            busy: self.busy + other.busy,
            arrivals: self.arrivals + other.arrivals,
            served: self.served + other.served,
            down: self.down + other.down,
            depth: self.depth + other.depth,
            in_queue: self.in_queue + other.in_queue,
            cache: self.cache.plus(other.cache),
            throttled: (self.throttled.0 + other.throttled.0, self.throttled.1 + other.throttled.1),
        }
    }
}

/// One node in one window of time.
#[derive(Clone, Debug, Default)]
pub struct NodeWindow {
    /// Integral of busy capacity over all instances, unit-ns.
    pub busy: u128,
    /// Integral of requests inside, request-ns.
    pub in_system: u128,
    /// Integral of requests waiting, request-ns.
    pub in_queue: u128,
    /// Queues: integral of messages that wait to be handed out, message-ns.
    pub depth: u128,
    /// Arrivals.
    pub arrivals: u64,
    /// Departures.
    pub departures: u64,
    /// Time instances were down or not there, summed over them, instance-ns.
    pub down: u128,
    /// Of that, time in which they were not there, instance-ns.
    pub off: u128,
    /// Visits by outcome.
    pub outcomes: Tally,
    /// Finer causes.
    pub causes: BTreeMap<Cause, u64>,
    /// Caches: lookups, and those that were hits.
    pub lookups: (u64, u64),
    /// Arrivals at the instances, and at the one that got most of them.
    pub shares: (u64, u64),
    /// Functions: what came of environments.
    pub environments: EnvironmentBooks,
}

impl NodeWindow {
    /// Adds what the node did in another window.
    pub fn add(&mut self, other: &Self) {
        self.busy += other.busy;
        self.in_system += other.in_system;
        self.in_queue += other.in_queue;
        self.depth += other.depth;
        self.arrivals += other.arrivals;
        self.departures += other.departures;
        self.down += other.down;
        self.off += other.off;
        for (mine, theirs) in self.outcomes.iter_mut().zip(&other.outcomes) {
            *mine += theirs;
        }
        for (&cause, n) in &other.causes {
            *self.causes.entry(cause).or_default() += n;
        }
        self.lookups.0 += other.lookups.0;
        self.lookups.1 += other.lookups.1;
        self.shares.0 += other.shares.0;
        self.shares.1 += other.shares.1;
        self.environments = self.environments.plus(other.environments);
    }
}

/// Time of calls that passes while no node works on them, ns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Between {
    /// On the way; probes excepted.
    pub network: u128,
    /// From a failure until it is tried again.
    pub backoff: u128,
    /// Until there is a token, a permit or a connection.
    pub permits: u128,
    /// `wait` steps of those who call others.
    pub waits: u128,
}

impl Between {
    /// Adds what passed elsewhere.
    pub fn add(&mut self, other: Self) {
        self.network += other.network;
        self.backoff += other.backoff;
        self.permits += other.permits;
        self.waits += other.waits;
    }

    /// What passed after `from`.
    #[must_use]
    pub fn since(self, from: Self) -> Self {
        Self {
            network: self.network - from.network,
            backoff: self.backoff - from.backoff,
            permits: self.permits - from.permits,
            waits: self.waits - from.waits,
        }
    }
}

/// One sampled request.
#[derive(Clone, Debug)]
pub struct RequestSample {
    /// Client (index in name order).
    pub client: u16,
    /// Operation (index in the client).
    pub operation: u16,
    /// Number of the request in its client, from 0.
    pub number: u64,
    /// Intended send, ns.
    pub intended: SimTime,
    /// Decision minus intended send, ns.
    pub latency: u64,
    /// Its key, if the client has keys.
    pub key: Option<u64>,
    /// Attempts sent.
    pub attempts: u32,
    /// How it ended.
    pub outcome: Outcome,
}
