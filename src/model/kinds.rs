//! The registry of node kinds: one variant and one build arm per kind.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    balancer::LoadBalancerSpec, cache::CacheSpec, dns::DnsSpec, external::ExternalSpec,
    function::FunctionSpec, kind::Kind, queue::QueueSpec, service::ServiceSpec, store::StoreSpec,
    topic::TopicSpec,
};

/// Does the same with the spec of a node, whatever its kind: the list of kinds.
macro_rules! of_kind {
    ($node:expr, $spec:ident => $do:expr) => {
        match $node {
            $crate::model::kinds::NodeSpec::LoadBalancer($spec) => $do,
            $crate::model::kinds::NodeSpec::Dns($spec) => $do,
            $crate::model::kinds::NodeSpec::Service($spec) => $do,
            $crate::model::kinds::NodeSpec::Function($spec) => $do,
            $crate::model::kinds::NodeSpec::Store($spec) => $do,
            $crate::model::kinds::NodeSpec::Cache($spec) => $do,
            $crate::model::kinds::NodeSpec::Queue($spec) => $do,
            $crate::model::kinds::NodeSpec::Topic($spec) => $do,
            $crate::model::kinds::NodeSpec::External($spec) => $do,
        }
    };
}
pub(crate) use of_kind;

/// A node of the design; its kind is its key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NodeSpec {
    /// Spreads requests over the instances of its targets.
    LoadBalancer(LoadBalancerSpec),
    /// Answers callers with one of its targets, which they then call themselves.
    Dns(DnsSpec),
    /// Runs steps for each request on bounded workers and cores.
    Service(ServiceSpec),
    /// Runs steps for each request in an environment that starts when it is needed.
    Function(FunctionSpec),
    /// Keeps data in shards; reads and writes are work.
    Store(StoreSpec),
    /// Holds keys near their readers.
    Cache(CacheSpec),
    /// Keeps messages until a consumer has worked them off.
    Queue(QueueSpec),
    /// Tells several nodes of each message.
    Topic(TopicSpec),
    /// A dependency whose inside is unknown: a latency and a fraction of errors.
    External(ExternalSpec),
}

impl NodeSpec {
    /// The kind behind the variant.
    #[must_use]
    pub fn kind(&self) -> &dyn Kind {
        of_kind!(self, spec => spec)
    }

    /// A service, or what a function does as one.
    #[must_use]
    pub fn steps(&self) -> Option<&ServiceSpec> {
        match self {
            Self::Service(service) => Some(service),
            Self::Function(function) => Some(function.body()),
            _ => None,
        }
    }
}
