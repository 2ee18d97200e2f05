//! Load balancers: which instance gets the next request. A balancer knows only what its own
//! messages told it.

pub mod build;
pub mod policy;
pub mod run;

mod text;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    model::network::ZonesSpec,
    units::{Name, Number},
};

/// Spreads requests over the instances of its targets. It keeps a request's place until the reply
/// comes back, never retries, and without health checks never learns that a target is gone.
///
/// ```yaml
/// lb: {load_balancer: {to: api, policy: least_requests}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadBalancerSpec {
    /// A node, a list of nodes (one pool of instances), or weights `{blue: 95, green: 5}`: the
    /// weight picks the node, `policy` the instance.
    pub to: TargetsSpec,
    /// How the instance is chosen: `round_robin` (default), `random`, `least_requests`,
    /// `power_of_d(d=2)`, `peak_ewma`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// Where it stands; without it the balancer is in its caller's zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<ZonesSpec>,
}

/// A node, a list of nodes, or nodes with weights.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetsSpec {
    /// One node.
    One(Name),
    /// Several nodes whose instances form one pool.
    Pool(Vec<Name>),
    /// Nodes with weights.
    Weighted(BTreeMap<Name, Number>),
}

/// How a balancer chooses an instance.
#[derive(Clone, Debug, PartialEq)]
pub enum Policy {
    /// Each instance in turn.
    RoundRobin,
    /// Uniformly at random.
    Random,
    /// The instance with the fewest requests this balancer has outstanding there; lowest index on
    /// ties.
    LeastRequests,
    /// `d` distinct instances at random, of these the one with the fewest outstanding requests;
    /// ties at random (Mitzenmacher, IEEE TPDS 2001).
    PowerOfD(u32),
    /// The lowest product of outstanding requests and a peak-sensitive moving average of response
    /// time, decaying over 10 s, between two instances drawn at random (Finagle, tower).
    PeakEwma,
}
