//! What a dns node says of itself.

use crate::{
    engine::law::Table,
    model::{
        dns::{DnsPolicy, DnsSpec},
        fault::Effect,
        kind::{Facts, Kind, NOTHING_TO_LOSE, Outgoing, Reach},
    },
    node_kind::NodeKind,
    units::Name,
};

/// Caches of a client when the file does not say.
const RESOLVERS: u64 = 100;

impl DnsPolicy {
    /// As in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Failover => "failover",
            Self::Weighted => "weighted",
        }
    }
}

impl Kind for DnsSpec {
    fn facts(&self) -> Facts<'_> {
        Facts {
            kind: NodeKind::Dns,
            instances: 1,
            need: 1,
            capacity: None,
            shards: false,
            zones: self.zones.as_ref(),
            floats: true,
            reach: Reach::Answer {
                ttl: self.ttl().0,
                resolvers: self.resolvers.map_or(RESOLVERS, |n| n.0),
            },
            replicas: None,
        }
    }

    fn detail(&self) -> String {
        format!("{}, ttl {}", self.policy().name(), self.ttl())
    }

    fn outgoing(&self, path: &str) -> Vec<Outgoing> {
        let policy = self.policy();
        let mut calls = self.to.calls(path);
        for (i, call) in calls.iter_mut().enumerate() {
            if policy == DnsPolicy::Failover {
                call.times = f64::from(u8::from(i == 0));
            }
        }
        calls.extend(self.health_check.iter().flat_map(|check| check.calls(path, &self.to)));
        calls
    }

    fn carries(&self) -> bool {
        false
    }

    fn files(&self) -> Vec<(Table, String)> {
        Vec::new()
    }

    fn spares(&self, effect: Effect<'_>) -> Option<&'static str> {
        match effect {
            Effect::Crash(_) | Effect::Errors(_) => None,
            Effect::ClearCache(_) => Some(NOTHING_TO_LOSE),
            _ => Some("it does no work of its own: delay its messages by `latency`"),
        }
    }

    fn restarts(&self) -> bool {
        false
    }

    fn passes_on(&self) -> Vec<&Name> {
        self.to.nodes().into_iter().map(|target| target.0).collect()
    }

    fn is_told(&self) -> bool {
        self.health_check.as_ref().is_some_and(|check| check.detect.is_some())
    }
}
