//! Alerts: monitors that look at what was measured now and then, and say when it is bad.
//!
//! A monitor knows what a real one could: counters (`monitor.rs`), never the state of the model.
//! It looks between two events, at instants known beforehand, so nothing of it is in the agenda. Faults may
//! come `after` an alert (`fault/trigger.rs`).
//!
//! **Invariant.** An alert that no fault comes after changes no event.

pub mod check;
mod look;
pub mod monitor;

mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Count, Name, SimDuration, text_value};

/// Longest time between two looks that nobody asked for, ns.
const USUAL: u64 = 10_000_000_000;
/// Looks in a window, at most: what was known at each is kept.
const MOST_LOOKS: u64 = 1000;

/// A monitor: it fires when what was measured in a sliding window was bad for long enough, and is over when
/// it is not bad any more. Faults can come `after` it.
///
/// ```yaml
/// alerts:
///   bad-green: {when: error_fraction(node=api window=30s) > 1%, for: 20s}
///   slow: {when: p99(latency client=shoppers window=1m) > 400ms, for: 1m, every: 5s, min_calls: 100}
///   full: {when: in_queue(node=api) > 500}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertSpec {
    /// What is bad: a figure of a `node` or a `client` (or of all clients) over the `window` before each
    /// look (since the look before, when absent), compared with a limit. Figures: `error_fraction`,
    /// `availability`, `p50(latency ..)` to `p999(latency ..)` (what failed is slower than any limit) of what ended in
    /// the window: visits of a node, requests of a client; of a node alone `utilisation`, `in_queue` (mean), `instances` that are up (mean), of a queue `depth` (messages that wait, mean), `age` (how long the oldest of them has waited, mean), of a log `lag` (messages not worked off by its groups, or by one, `group=search`, mean), of a function `cold_share`,
    /// and `throughput`. Latencies of a node are those of all its visits, as long as they took. `deploy=roll`
    /// in place of `node=`, for fractions: the visits of the instances that run what this deployment brought.
    pub when: Condition,
    /// How long it must be bad, look by look, before the alert fires; at once when absent.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub for_: Option<SimDuration>,
    /// Time from one look to the next; a tenth of the window when absent, 10 s at most (unless the window is
    /// of hours). The first look is when a whole window has been seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<SimDuration>,
    /// Nothing is bad while fewer than so many have ended in the window; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_calls: Option<Count>,
}

/// `error_fraction(node=api window=30s) > 1%`
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What is measured.
    pub signal: Signal,
    /// Of whom.
    pub of: Source,
    /// Of a log: of which group; all together when absent.
    pub group: Option<Name>,
    /// Over how long before each look.
    pub window: Option<SimDuration>,
    /// How it is compared.
    pub op: Op,
    /// With what: seconds, per second, a fraction, a number.
    pub limit: f64,
    /// The same as it was written.
    written: String,
}

/// What a monitor can know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Signal {
    /// Failed / ended.
    ErrorFraction,
    /// Good / ended.
    Availability,
    /// A quantile of the latency.
    Latency(f64),
    /// Busy / capacity.
    Utilisation,
    /// Mean number waiting.
    InQueue,
    /// Ended per second.
    Throughput,
    /// Mean number of instances that are up.
    Instances,
    /// Mean number of messages that wait in a queue.
    Depth,
    /// How long the oldest message that waits in a queue has waited (mean).
    Age,
    /// Messages of a log that are not worked off (mean).
    Lag,
    /// Requests that waited for a start / those that came into an environment of a function.
    ColdShare,
}

/// Whom it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Requests of all clients.
    Clients,
    /// Requests of one client.
    Client(Name),
    /// Visits of a node.
    Node(Name),
    /// Visits of the instances a deployment has reached.
    Deploy(Name),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

text_value!(
    Condition,
    "Condition",
    "a condition such as `error_fraction(node=api window=30s) > 1%`",
    ["error_fraction(node=api window=30s) > 1%", "p99(latency client=web window=1m) > 400ms"]
);

impl AlertSpec {
    /// Time from one look to the next, ns.
    pub fn period(&self) -> u64 {
        let window = self.when.window.map_or(10 * USUAL, |window| window.0);
        let usual = (window / 10).min(USUAL).max(window / MOST_LOOKS);
        self.every.map_or(usual, |every| every.0)
    }

    /// Looks in a window.
    pub fn looks(&self) -> u64 {
        self.when.window.map_or(1, |window| window.0 / self.period().max(1))
    }
}

impl Condition {
    /// Whether a value is bad.
    pub fn holds(&self, value: f64) -> bool {
        match self.op {
            Op::Above => value > self.limit,
            Op::AtLeast => value >= self.limit,
            Op::Below => value < self.limit,
            Op::AtMost => value <= self.limit,
        }
    }
}
