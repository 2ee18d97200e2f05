//! What a dns node says of itself.

use crate::model::{
    dns::{DnsPolicy, DnsSpec},
    kind::{Facts, Kind, Outgoing, Reach},
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
            kind: "dns",
            instances: 1,
            need: 1,
            capacity: None,
            zones: self.zones.as_ref(),
            floats: true,
            reach: Reach::Answer {
                ttl: self.ttl().0,
                resolvers: self.resolvers.map_or(RESOLVERS, |n| n.0),
            },
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
}
