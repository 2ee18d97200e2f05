//! A balancer's spec: its outside, its checks, its state.

use super::{LoadBalancerSpec, Policy, TargetsSpec, policy::Chooser, run::Balancer};
use crate::{
    model::{
        build::{Assembly, Names},
        check,
        kind::{Facts, Kind, Outgoing, Reach},
        node::{Node, NodeId},
    },
    problem::Problems,
    units::Name,
};

impl TargetsSpec {
    /// The nodes with their weights.
    pub fn nodes(&self) -> Vec<(&Name, f64)> {
        match self {
            Self::One(name) => vec![(name, 1.0)],
            Self::Pool(names) => names.iter().map(|n| (n, 1.0)).collect(),
            Self::Weighted(weights) => weights.iter().map(|(n, w)| (n, w.0)).collect(),
        }
    }
}

impl Kind for LoadBalancerSpec {
    fn facts(&self) -> Facts<'_> {
        Facts {
            kind: "load_balancer",
            instances: 1,
            capacity: None,
            zones: self.zones.as_ref(),
            floats: true,
            reach: Reach::Any,
            detail: self.policy.clone().unwrap_or(Policy::RoundRobin).to_string(),
        }
    }

    fn outgoing(&self, path: &str) -> Vec<Outgoing> {
        let weighted = matches!(self.to, TargetsSpec::Weighted(_));
        let total: f64 = self.to.nodes().iter().map(|n| n.1).sum();
        self.to
            .nodes()
            .into_iter()
            .enumerate()
            .map(|(i, (name, weight))| Outgoing {
                path: match &self.to {
                    TargetsSpec::One(_) => format!("{path}.to"),
                    TargetsSpec::Pool(_) => format!("{path}.to[{i}]"),
                    TargetsSpec::Weighted(_) => format!("{path}.to.{}", name.0),
                },
                target: name.0.clone(),
                operation: None,
                label: if weighted {
                    format!("{:.0} %", weight / total * 100.0)
                } else {
                    String::new()
                },
                endpoint: None,
                times: if weighted { weight / total } else { 1.0 / self.to.nodes().len() as f64 },
                attempts: 1,
            })
            .collect()
    }

    fn check(&self, path: &str, names: &Names<'_>, problems: &mut Problems) {
        check::balancer(self, path, names, problems);
    }

    fn build(&self, id: NodeId, path: &str, assembly: &mut Assembly<'_>) -> Box<dyn Node> {
        let mut pool = Vec::new();
        let mut sizes = Vec::new();
        let targets = self.to.nodes();
        for (name, _) in &targets {
            let node = assembly.names.node(&name.0).expect("targets were checked");
            let n = assembly.facts(node).instances;
            pool.extend((0..n).map(|i| (node, i as u16)));
            sizes.push(n as u32);
        }
        let mut weights = Vec::new();
        if matches!(self.to, TargetsSpec::Weighted(_)) {
            let total: f64 = targets.iter().map(|t| t.1).sum();
            let mut upto = 0.0;
            for (_, weight) in &targets {
                upto += weight / total;
                weights.push(upto);
            }
        } else {
            // One pool: the policy sees all instances alike.
            sizes = vec![sizes.iter().sum()];
        }
        Box::new(Balancer {
            node: id,
            chooser: Chooser::new(self.policy.clone().unwrap_or(Policy::RoundRobin), &sizes),
            pool,
            weights,
            stream: assembly.stream(path, "choice"),
            site: Assembly::site(path),
            arrivals: 0,
            departures: 0,
        })
    }
}
