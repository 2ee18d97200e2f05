//! A dns node's spec: its outside, its checks, its state.

use super::{DnsPolicy, DnsSpec, run::Target};
use crate::model::{
    balancer::health::Watch,
    build::{Assembly, Built},
    dns::run::Dns,
    ids::{NodeId, Zone},
    node::Node,
};

impl Built for DnsSpec {
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
