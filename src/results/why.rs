//! What a run knows about why: events in time, the narrowest place, where a request's time went.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// What happened, in order of time, causes before effects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// The events.
    pub events: Vec<TimelineEvent>,
    /// The replication they were read from; null: the average of all. Faults that come at other times in
    /// each replication have no average.
    pub replication: Option<u64>,
    /// Length of the windows they were read from, s: no time but that of faults is known better.
    pub resolution: f64,
}

/// What happened, in causal order: what may be the cause of what stands below it within one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A fault is over.
    FaultEnded,
    /// A fault begins.
    FaultStarted,
    /// More is asked: of a client requests, of a node more calls than those who call it were asked for.
    LoadRose,
    /// Less is asked.
    LoadFell,
    /// Instances are down that no crash explains.
    WentDown,
    /// Of a shard nobody leads any more. Leaders are told of one replication.
    LeaderLost,
    /// Of a shard two lead at once.
    TwoLeaders,
    /// Of a shard somebody leads again.
    LeaderElected,
    /// Of two leaders one is left.
    OneLeader,
    /// A shard serves again that had lost its data, with those of a backup. They are told of one replication.
    Restored,
    /// Answered writes are in no copy any more.
    WritesLost,
    /// A cache answers less of what it is asked.
    HitRatioFell,
    /// One instance (shard) gets much more than its part.
    SkewGrew,
    /// More wait.
    QueueGrew,
    /// More messages wait.
    BacklogGrew,
    /// More are inside a node that do not wait for it.
    InsideGrew,
    /// More requests of a client are without an answer.
    InFlightGrew,
    /// A node is busy all the time.
    Saturated,
    /// Something is waited for that was there before.
    WaitsBegan,
    /// Answers come later.
    LatencyRose,
    /// Attempts, calls or requests passed on run out of time.
    TimeoutsBegan,
    /// More is sent than is asked for: retries, hedges.
    Amplification,
    /// Requests fail.
    ErrorsBegan,
    /// Requests or calls are refused.
    RefusalsBegan,
    /// A circuit breaker opens for the first time.
    BreakerOpened,
    /// A balancer takes a target out for the first time.
    TargetTakenOut,
    /// Instances are to be added.
    ScaledOut,
    /// Instances are to be taken away.
    ScaledIn,
    /// The first of the added instances are ready.
    InstancesCame,
    /// Fallbacks answer.
    FallbacksBegan,
    /// Fewer good answers of what is asked.
    GoodputFell,
    /// An alert fires for the first time.
    AlertFired,
    /// A deployment is taken back.
    RolledBack,
    /// An alert is resolved for the last time.
    AlertResolved,
    /// The queue is back to what it was.
    QueueDrained,
    /// The backlog is back to what it was.
    BacklogDrained,
    /// Goodput is back to what it was, where no fault that came once has a verdict.
    GoodputReturned,
    /// All copies hold the same.
    CopiesAlike,
    /// Copies differ at the end.
    CopiesDiffer,
    /// Those who ask are well again while a fault that came once lasts.
    Back,
    /// They are, after it.
    Recovered,
    /// For the most part.
    PartlyRecovered,
    /// What has piled up gets less.
    Draining,
    /// They are not.
    NotRecovered,
}

/// As in `results.json`.
impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One event: something left the level it had while nothing was wrong, or came back to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// When, s: of a fault exactly, else the start of the window it was first seen in.
    pub at: f64,
    /// What happened.
    pub kind: EventKind,
    /// The fault, alert, client or node.
    pub subject: String,
    /// What was reached (of what fell, the lowest), in the unit of the kind.
    pub value: Option<f64>,
    /// The level before.
    pub baseline: Option<f64>,
    /// What it was at first, where `value` was reached later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onset: Option<f64>,
    /// When `value` was reached, if that was later: the start of its window, s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extreme_at: Option<f64>,
    /// What it is of, where the kind does not say: an outcome, a cause.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// The event as a sentence without its time.
    pub text: String,
}

/// The node that is nearest to its limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bottleneck {
    /// Its name; of `bandwidth` that of a link.
    pub node: String,
    /// The instance (shard) that was full, or is far busier than the average; null: all are alike.
    #[serde(default)]
    pub instance: Option<u64>,
    /// What was held / what there was, over the run.
    pub utilisation: Option<f64>,
    /// What of it: a name among its `resources`; `bandwidth`, and `bandwidth:back` of the way back, of a link.
    pub resource: String,
    /// Share of the windows in which it was full: held for 95 % or more.
    pub saturated: f64,
    /// When it was full first, s; null: it never was.
    pub saturated_at: Option<f64>,
}

impl Bottleneck {
    /// It is a link, whose name may be that of a node, too.
    #[must_use]
    pub fn is_of_link(&self) -> bool {
        self.resource.split(':').next() == Some("bandwidth")
    }
}

/// Where the time of a mean request went, s per decided request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Blame {
    /// Mean time from the intended send to the decision.
    pub latency: f64,
    /// What each node had of it, all its visits together.
    pub nodes: BTreeMap<String, NodeBlame>,
    /// On the way between nodes and clients; probes are left out.
    #[serde(default)]
    pub network: f64,
    /// Of `network`: how much longer messages took on links with `bandwidth` because of others there, by link; those that
    /// made no difference are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<String, f64>,
    /// From failures until they are tried again.
    #[serde(default)]
    pub backoff: f64,
    /// Waiting for tokens, permits and connections of calls.
    #[serde(default)]
    pub permits: f64,
    /// `wait` steps of those who call others.
    #[serde(default)]
    pub waits: f64,
    /// What is left: waiting for what did not come (lost messages, dead or silent hosts), and pauses of those who
    /// call others. Negative when parts passed at the same time or for requests that were given up: then it is no
    /// split.
    pub remainder: f64,
}

/// A node's part of the time of a mean request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeBlame {
    /// Visits per request.
    pub visits: f64,
    /// Waiting for a worker or core, s per request.
    pub waiting: f64,
    /// Work, s per request.
    pub work: f64,
    /// What else passes inside a node that calls nobody, s per request: the latency of externals, `wait` steps, locks,
    /// pauses.
    #[serde(default)]
    pub inside: f64,
    /// Of the waiting: standing still because a `quota` was used up, s per request.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub throttled: f64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}
