//! Connections with two ends in a random scenario.
//!
//! **Invariant.** They are drawn apart, so that a design without any is what it would be.

use super::Writer;
use crate::engine::random::{Draw, Stream, hash_str};

impl Writer {
    fn of_connections(&self, purpose: &str, what: &str) -> Draw {
        Stream::new(self.seed, "swarm", purpose).draw(hash_str(0, what))
    }

    /// Policies of an edge to nodes at which connections can end, with a pool of such in place of another one.
    pub(super) fn wired(&self, edge: String, from: &str, to: &str) -> String {
        let mut draw = self.of_connections("pool", &format!("{from}/{to}"));
        if self.mild || draw.below(100) >= 30 {
            return edge;
        }
        let without = match edge.find("pool: {") {
            Some(at) => {
                let end = edge[at..].find("}, ").map_or(edge.len(), |end| at + end + 3);
                format!("{}{}", &edge[..at], &edge[end..])
            }
            None => edge,
        };
        let mut pick = |all: &[&'static str]| all[draw.below(all.len() as u64) as usize];
        let setup = pick(&[
            "",
            ", setup: {work: 3ms}",
            ", setup: {time: 1ms, round_trips: 3}",
            ", setup: {round_trips: 2, work: exp(mean=5ms)}",
        ]);
        let keep = pick(&["", ", keep: 0", ", keep: 1", ", idle: 300ms", ", idle: 1s"]);
        let age = pick(&["", "", ", max_age: uniform(500ms 3s)"]);
        let carries = pick(&[", streams: 1", ", streams: 3", ", streams: 100"]);
        let ports = pick(&["", "", ", ports: 30, linger: 2s"]);
        let wait = pick(&["", ", wait: 100ms"]);
        let size = pick(&["1", "3", "8"]);
        format!("{without}pool: {{size: {size}{setup}{keep}{age}{carries}{ports}{wait}}}, ")
    }

    /// Whether connections can end at what a service calls.
    pub(super) fn takes_connections(&self, target: &str) -> bool {
        let mut stores = self.stores.iter().zip(&self.copies);
        self.services.iter().any(|(name, _)| name == target)
            || self.externals.iter().any(|name| name == target)
            || stores.any(|((name, _), copies)| name == target && copies.is_none())
    }

    /// What a service does with connections, and its limit on them for the others.
    pub(super) fn far_end(&self, name: &str) -> (&'static str, &'static str) {
        let mut draw = self.of_connections("far", name);
        let mut pick = |all: &[&'static str]| all[draw.below(all.len() as u64) as usize];
        let keep_alive =
            pick(&["", "", "", "", "      keep_alive: 400ms\n", "      keep_alive: 2s\n"]);
        (keep_alive, pick(&["", "", "connections: 5, ", "connections: 20, "]))
    }

    /// The same of a store without replicas.
    pub(super) fn store_end(&self, name: &str) -> &'static str {
        let mut draw = self.of_connections("far", name);
        let all = ["", "", "", "keep_alive: 500ms, ", "limits: {connections: 6}, "];
        all[draw.below(all.len() as u64) as usize]
    }

    /// What a balancer spreads.
    pub(super) fn spreads(&self) -> &'static str {
        let mut draw = self.of_connections("balance", "lb0");
        ["", "", "balance: connection, "][draw.below(3) as usize]
    }

    /// How long balancers do not hear of a deployment.
    pub(super) fn noticed(&self, node: &str) -> &'static str {
        let mut draw = self.of_connections("notice", node);
        let all =
            ["", "", ", notice: 700ms", ", notice: 1s, before_stop: 400ms", ", before_stop: 1s"];
        if self.scales(node) { "" } else { all[draw.below(all.len() as u64) as usize] }
    }
}
