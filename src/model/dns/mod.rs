//! Names that stand for several targets: a caller asks which one to use, keeps the answer for a while,
//! and calls that target itself.

pub mod build;
mod check;
mod facts;
mod resolve;
pub mod resolver;
pub mod run;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    model::{
        balancer::{HealthCheckSpec, TargetsSpec},
        network::ZonesSpec,
    },
    units::{Count, SimDuration},
};

/// Answers callers with one of its targets. A caller keeps the answer for `ttl` and calls the target
/// itself, without coming by again, whether the target is still there or not; the first call after that
/// asks anew and waits for the answer. Question and call share the caller's `timeout`. When no answer
/// comes, the call fails like one to a dead node.
///
/// Each instance of a service keeps answers of its own; the requests of a client come through
/// `resolvers` caches in each of its zones. Calls that find no answer while the question is on its way
/// ask too.
///
/// ```yaml
/// shop: {dns: {to: [edge_us, edge_eu], policy: nearest, ttl: 60s, health_check: {interval: 10s}}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsSpec {
    /// A node, a list of nodes, the preferred first, or weights `{blue: 95, green: 5}`. A target of
    /// several instances is healthy while one of them is, and a call reaches any of them: put a load
    /// balancer before them for anything better.
    pub to: TargetsSpec,
    /// Which of the healthy targets is the answer; with none of them healthy, all are taken for healthy.
    /// `weighted` when `to` gives weights, else `failover`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<DnsPolicy>,
    /// How long a caller uses an answer, from its arrival on; `0s`: every call asks. 60 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<SimDuration>,
    /// Probes that travel to every instance of the targets and decide what is answered; without them
    /// all are taken for healthy for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheckSpec>,
    /// Caches through which the requests of a client come, in each of its zones; a request and its
    /// retries use the same one, at random. What a cache is answered first it keeps for a random part of
    /// `ttl`, as if it had asked before the run began. 100 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolvers: Option<Count>,
    /// Where it stands; without it, in its caller's zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<ZonesSpec>,
}

/// Which healthy target is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DnsPolicy {
    /// The one with the least mean network latency from the caller; where that is equal, one in the
    /// caller's zone, then one in its region, then the first in the list.
    Nearest,
    /// The first in the list.
    Failover,
    /// One at random by weight, all alike without weights.
    Weighted,
}

impl DnsSpec {
    /// The policy that holds.
    pub fn policy(&self) -> DnsPolicy {
        self.policy.unwrap_or(match self.to {
            TargetsSpec::Weighted(_) => DnsPolicy::Weighted,
            _ => DnsPolicy::Failover,
        })
    }

    /// The ttl that holds.
    pub fn ttl(&self) -> SimDuration {
        self.ttl.unwrap_or(SimDuration(60_000_000_000))
    }
}
