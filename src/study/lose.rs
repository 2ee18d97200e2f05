//! What a design may lose: the same design, with a fault that takes one thing away for a third of the run.

use super::Study;
use crate::{node_kind::NodeKind, results::Vertex};

/// A thing that may be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Such as `an instance of api`, `db`, `zone eu-a`.
    pub name: String,
    /// What takes it away: an item of `faults`.
    pub fault: String,
}

impl Loss {
    /// Id of the fault that takes it away.
    pub const FAULT: &'static str = "lose-each";

    /// The value at a path that puts its fault behind `faults` others.
    #[must_use]
    pub fn setting(&self, faults: usize) -> String {
        match faults {
            0 => format!("faults=[{}]", self.fault),
            n => format!("faults[{n}]={}", self.fault),
        }
    }
}

impl Study {
    /// How many faults it has.
    #[must_use]
    pub fn faults(&self) -> usize {
        self.names.faults.len()
    }

    /// An instance of each node that has several, each node, each zone and region in which nodes stand, and the way
    /// between each two regions, or zones if there is one region.
    #[must_use]
    pub fn losses(&self) -> Vec<Loss> {
        let info = self.info();
        let third = info.duration.saturating_sub(info.warm_up) / 3;
        let when = format!("id: {}, at: {}ns, for: {third}ns", Loss::FAULT, info.warm_up + third);
        let loss = |name: String, what: String| Loss { name, fault: format!("{{{when}, {what}}}") };
        let nodes: Vec<&Vertex> =
            info.design.vertices.iter().filter(|v| v.kind != NodeKind::Client).collect();
        let mut all = Vec::new();
        for node in &nodes {
            let name = &node.name;
            // Those of a function are its zones, which are lost apart.
            if node.instances > 1 && !matches!(node.kind, NodeKind::External | NodeKind::Function) {
                let one = format!("crash: {{node: {name}, instances: 1}}");
                all.push(loss(format!("an instance of {name}"), one));
            }
        }
        for node in &nodes {
            let name = &node.name;
            let what = match node.kind {
                // What stands behind it is unknown; it is seen to fail.
                NodeKind::External => format!("errors: {{node: {name}, fraction: 100%}}"),
                NodeKind::Dns => continue,
                _ => format!("crash: {{node: {name}}}"),
            };
            all.push(loss(name.clone(), what));
        }
        let stood_in = |zone: &str| {
            nodes.iter().any(|node| node.zones.iter().any(|(name, n)| name == zone && *n > 0))
        };
        let regions: Vec<(&String, Vec<&String>)> = self
            .regions
            .iter()
            .map(|(region, zones)| (region, zones.iter().filter(|z| stood_in(z)).collect()))
            .filter(|(_, zones): &(_, Vec<_>)| !zones.is_empty())
            .collect();
        let zones: Vec<&String> = regions.iter().flat_map(|(_, zones)| zones.clone()).collect();
        for zone in &zones {
            all.push(loss(format!("zone {zone}"), format!("crash: {{zone: {zone}}}")));
        }
        let several = regions.len() > 1;
        let regions: Vec<&String> = regions.iter().map(|(region, _)| *region).collect();
        if several {
            for region in &regions {
                all.push(loss(format!("region {region}"), format!("crash: {{region: {region}}}")));
            }
        }
        let ends = if several { &regions } else { &zones };
        for (i, a) in ends.iter().enumerate() {
            for b in &ends[i + 1..] {
                let what = format!("partition: {{link: [{a}, {b}]}}");
                all.push(loss(format!("the way {a} - {b}"), what));
            }
        }
        all
    }
}
