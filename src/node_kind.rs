//! What a node is.
//!
//! **Invariant.** A kind is called in results as in the file.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of a vertex of a design: of a node, or a client.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// Sends requests.
    Client,
    /// Spreads requests over instances.
    LoadBalancer,
    /// Tells callers whom to call.
    Dns,
    /// Runs steps.
    #[default]
    Service,
    /// Runs steps in environments that start when they are needed.
    Function,
    /// Keeps data.
    Store,
    /// Holds keys near their readers.
    Cache,
    /// Keeps messages until they are worked off.
    Queue,
    /// Tells several nodes of each message.
    Topic,
    /// Is not looked into.
    External,
}

impl NodeKind {
    /// Its name in files and results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::LoadBalancer => "load_balancer",
            Self::Dns => "dns",
            Self::Service => "service",
            Self::Function => "function",
            Self::Store => "store",
            Self::Cache => "cache",
            Self::Queue => "queue",
            Self::Topic => "topic",
            Self::External => "external",
        }
    }

    /// Its name as words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::LoadBalancer => "load balancer",
            other => other.name(),
        }
    }
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
