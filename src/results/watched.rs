//! Single requests of one replication, as they were seen when it was simulated again.

use serde::{Deserialize, Serialize};

use super::closely::Closely;

/// A request and all it led to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waterfall {
    /// The request.
    pub request: WatchedRequest,
    /// Its attempts, the calls and visits they led to, in the order in which they began.
    pub spans: Vec<RequestSpan>,
    /// Why it is looked at: `asked`, `slowest`, `p50`, `p95`, `p99`, an outcome, `after <fault>`.
    #[serde(default)]
    pub why: Vec<String>,
    /// What the request was at: [`RequestPart`]s without gaps, from its intended send to its decision.
    #[serde(default)]
    pub parts: Vec<RequestPart>,
}

/// A request that was watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatchedRequest {
    /// Replication it belongs to.
    pub replication: u64,
    /// Client.
    pub client: String,
    /// Operation.
    pub operation: String,
    /// Number within the client.
    pub number: u64,
    /// Intended send, s.
    pub intended: f64,
    /// Time to the decision, s; null: it was open as the run ended.
    pub latency: Option<f64>,
    /// Attempts sent.
    pub attempts: u32,
    /// Outcome's name, or `in_flight`.
    pub outcome: String,
    /// Key, if any.
    pub key: Option<u64>,
}

/// One thing that was at a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestSpan {
    /// Its number in the request, from 0.
    pub id: usize,
    /// The span that led to it; null: an attempt.
    pub parent: Option<usize>,
    /// Node or client it is at.
    pub node: String,
    /// The instance; of a client the place, from 0.
    pub instance: u16,
    /// `attempt` of a client, `call` of a node, `send` that nobody waits for; `visit` of a node, `copy` (a visit by a copy
    /// that the network made), `branch` of a visit, `background` (what it does after its answer), `message` (a visit that works
    /// one off).
    pub kind: String,
    /// From when, s: of an attempt or call from when it waits to be sent.
    pub start: f64,
    /// Until when, s: of an attempt or call until its answer is there or it is given up, of a visit until its answer leaves.
    /// Null: it never came.
    pub end: Option<f64>,
    /// How much of it it waited, s: for a worker, a core, a lock; of an attempt or call for a permit or a connection.
    pub waiting: f64,
    /// How much of it it was at work on a core, s.
    pub work: f64,
    /// How it ended: an outcome, `cancelled` or `crashed`; null: it has not.
    pub outcome: Option<String>,
    /// Of a call: the node and instance that were called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<(String, u16)>,
    /// What it was at, without gaps.
    #[serde(default)]
    pub parts: Vec<RequestPart>,
}

/// What something was at, from when until when, s: `waiting`, `work`, `pause`, `calling`, `backoff`, `permit`.
pub type RequestPart = (String, f64, f64);

impl Waterfall {
    /// When its decision came, s; none: it did not.
    pub fn decided(&self) -> Option<f64> {
        self.request.latency.map(|latency| self.request.intended + latency)
    }

    /// Whether an instant is later than its decision; sums of seconds are off by less than half a nanosecond.
    pub fn is_late(&self, at: f64) -> bool {
        self.decided().is_some_and(|decided| at > decided + 0.5e-9)
    }

    /// When the last of what it led to was over, s: never before its decision.
    pub fn over(&self) -> f64 {
        let ends = self.spans.iter().flat_map(|span| {
            let parts = span.parts.iter().map(|part| part.2);
            parts.chain(span.end).chain([span.start])
        });
        let parts = self.parts.iter().map(|part| part.2);
        ends.chain(parts).fold(self.decided().unwrap_or(self.request.intended), f64::max)
    }

    /// As requests are asked for: `users/7870`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.request.client, self.request.number)
    }
}

/// What was seen in one replication.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watched {
    /// Its fingerprint, hexadecimal.
    pub fingerprint: String,
    /// Requests that were asked for, and that it did not send, or sent in the warm-up.
    pub missing: Vec<(String, u64)>,
    /// Requests in order of intended send.
    pub waterfalls: Vec<Waterfall>,
    /// What else was seen, if that was wanted.
    pub closely: Option<Closely>,
}
