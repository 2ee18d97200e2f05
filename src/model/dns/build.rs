//! A dns node's spec: its outside, its checks, its state.

use super::{Dns, DnsPolicy, DnsSpec, run::Target};
use crate::{
    model::{
        balancer::{TargetsSpec, health::Watch},
        build::Assembly,
        check,
        ids::{NodeId, Zone},
        kind::{Facts, Kind, Outgoing, Reach},
        names::Names,
        node::Node,
    },
    problem::Problems,
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
            detail: format!("{}, ttl {}", self.policy().name(), self.ttl()),
        }
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

    fn check(&self, path: &str, names: &Names, problems: &mut Problems) {
        let at = |key: &str| format!("{path}.{key}");
        check::zones(self.zones.as_ref(), &at("zones"), names, problems);
        check::targets(&self.to, path, names, problems);
        if let Some(check) = &self.health_check {
            check::health_check(check, path, problems);
        }
        check::positive(self.resolvers, 1_000_000, &at("resolvers"), problems);
        if matches!(self.to, TargetsSpec::Weighted(_)) && self.policy() != DnsPolicy::Weighted {
            problems.error_help(
                "E-CONFLICT",
                at("policy"),
                format!(
                    "`{}` does not choose by weights, but `to` gives some",
                    self.policy().name()
                ),
                "a list of nodes, the preferred first",
            );
        }
        if self.policy() == DnsPolicy::Nearest && !names.zones.is_empty() {
            for call in self.to.calls(path) {
                let Some(node) = names.node(&call.target) else { continue };
                let facts = names.kind(node).facts();
                if facts.floats && facts.zones.is_none() {
                    problems.warn(
                        "W-POLICY",
                        call.path,
                        format!(
                            "`{}` stands wherever its caller stands: nothing is nearer",
                            call.target
                        ),
                        "give it `zones`",
                    );
                }
            }
        }
    }

    fn build(&self, id: NodeId, path: &str, assembly: &mut Assembly<'_>) -> Box<dyn Node> {
        let names = assembly.names;
        let (mut targets, mut pool) = (Vec::new(), Vec::new());
        for (name, weight) in self.to.nodes() {
            let node = names.node(&name.0).expect("targets were checked");
            let first = pool.len();
            pool.extend((0..assembly.facts(node).instances).map(|i| (node, i as u16)));
            targets.push(Target { node, weight, instances: first..pool.len() });
        }
        let (site, stream) = (Assembly::site(path), assembly.stream(path, "choice"));
        let watch = Watch { node: id, site, stream, pool };
        let health = self.health_check.as_ref().map(|check| check.build(watch, assembly));
        let orders = match self.policy() {
            DnsPolicy::Weighted => Vec::new(),
            DnsPolicy::Failover => vec![(0..targets.len()).collect()],
            DnsPolicy::Nearest => {
                let zones = names.zones.len() as Zone + 2;
                (0..zones).map(|zone| nearest_first(zone, &targets, assembly)).collect()
            }
        };
        Box::new(Dns { node: id, targets, orders, stream, health, questions: 0 })
    }
}

/// The targets by mean latency from a zone, then by zone and region, then in the order of the file.
fn nearest_first(zone: Zone, targets: &[Target], assembly: &Assembly<'_>) -> Vec<usize> {
    let distance = |target: &Target| {
        let places = assembly.names.places(target.node);
        let sum = places
            .iter()
            .map(|&place| assembly.names.distance(zone, place, assembly.prepared))
            .fold((0.0, 0.0), |sum, d| (sum.0 + d.0, sum.1 + d.1));
        let n = places.len() as f64;
        (sum.0 / n, sum.1 / n)
    };
    let distances: Vec<(f64, f64)> = targets.iter().map(distance).collect();
    let mut order: Vec<usize> = (0..targets.len()).collect();
    order.sort_by(|&a, &b| {
        let ((a, x), (b, y)) = (distances[a], distances[b]);
        a.total_cmp(&b).then(x.total_cmp(&y))
    });
    order
}
