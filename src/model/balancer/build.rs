//! A balancer's spec: its outside, its checks, its state.

use super::{
    Balancer, HealthCheckSpec, LoadBalancerSpec, OnDown, Policy, TargetsSpec,
    health::{Checks, Eject, Health, Watch},
    policy::Chooser,
};
use crate::{
    model::{
        build::Assembly,
        check,
        frame::PROBE,
        ids::NodeId,
        kind::{Facts, Kind, Outgoing, Reach},
        kinds::NodeSpec,
        names::Names,
        node::Node,
    },
    problem::Problems,
    units::Name,
};

/// Failures in a row that take a target out, when the file does not say.
const FALL: u64 = 3;
/// Successes in a row that bring it back.
const RISE: u64 = 2;

impl TargetsSpec {
    /// The nodes with their weights.
    pub fn nodes(&self) -> Vec<(&Name, f64)> {
        match self {
            Self::One(name) => vec![(name, 1.0)],
            Self::Pool(names) => names.iter().map(|n| (n, 1.0)).collect(),
            Self::Weighted(weights) => weights.iter().map(|(n, w)| (n, w.0)).collect(),
        }
    }

    /// The calls that are spread over them; `path` is that of the node's kind.
    pub fn calls(&self, path: &str) -> Vec<Outgoing> {
        let (weighted, nodes) = (matches!(self, Self::Weighted(_)), self.nodes());
        let total: f64 = nodes.iter().map(|n| n.1).sum();
        let call = |(i, (name, weight)): (usize, &(&Name, f64))| Outgoing {
            path: match self {
                Self::One(_) => format!("{path}.to"),
                Self::Pool(_) => format!("{path}.to[{i}]"),
                Self::Weighted(_) => format!("{path}.to.{}", name.0),
            },
            target: name.0.clone(),
            operation: None,
            label: if weighted {
                format!("{:.0} %", weight / total * 100.0)
            } else {
                String::new()
            },
            endpoint: None,
            times: if weighted { weight / total } else { 1.0 / nodes.len() as f64 },
            attempts: 1,
            to_all: false,
            by_itself: false,
            keyed: false,
            sure: true,
        };
        nodes.iter().enumerate().map(call).collect()
    }
}

impl Kind for LoadBalancerSpec {
    fn facts(&self) -> Facts<'_> {
        Facts {
            kind: "load_balancer",
            instances: 1,
            need: 1,
            capacity: None,
            zones: self.zones.as_ref(),
            floats: true,
            reach: Reach::Any,
            detail: self.policy().to_string(),
        }
    }

    fn outgoing(&self, path: &str) -> Vec<Outgoing> {
        let mut calls = self.to.calls(path);
        calls.extend(self.health_check.iter().flat_map(|check| check.calls(path, &self.to)));
        calls
    }

    fn carries(&self) -> bool {
        self.policy == Some(Policy::Sticky)
    }

    fn changeable(&self) -> &'static [&'static str] {
        &["to"]
    }

    fn check(&self, path: &str, names: &Names, problems: &mut Problems) {
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
        if !matches!(self.to, TargetsSpec::Weighted(_)) {
            // One pool: the policy sees all instances alike.
            sizes = vec![sizes.iter().sum()];
        }
        let versions = assembly.names.versions(id).into_iter().filter_map(|spec| match spec {
            NodeSpec::LoadBalancer(balancer) => Some(balancer.to.cumulative()),
            _ => None,
        });
        let (stream, site) = (assembly.stream(path, "choice"), Assembly::site(path));
        let health = self.health(Watch { node: id, site, stream, pool: pool.clone() }, assembly);
        let place = assembly.stream(path, "place").draw(0).word();
        let policy = self.policy();
        Box::new(Balancer {
            node: id,
            timeout: self.timeout.map(|t| assembly.span(t.0)),
            resets: self.on_down == Some(OnDown::Reset),
            sticky: policy == Policy::Sticky,
            smooth: policy == Policy::RoundRobin(true),
            place,
            health: health.map(Box::new),
            chooser: Chooser::new(policy, &sizes, place),
            pool,
            weights: self.to.cumulative(),
            versions: versions.collect(),
            stream,
            site,
            arrivals: 0,
            departures: 0,
        })
    }
}

impl TargetsSpec {
    /// Sums of the weights up to each target, as shares of all; empty without weights.
    fn cumulative(&self) -> Vec<f64> {
        if !matches!(self, Self::Weighted(_)) {
            return Vec::new();
        }
        let targets = self.nodes();
        let total: f64 = targets.iter().map(|t| t.1).sum();
        let mut upto = 0.0;
        let add = |(_, weight): &(&Name, f64)| {
            upto += weight / total;
            upto
        };
        targets.iter().map(add).collect()
    }

    /// Whether the same targets are chosen among, with the same or other weights.
    pub fn chooses_among(&self, other: &Self) -> bool {
        let names = |to: &Self| -> Vec<Name> { to.nodes().iter().map(|t| t.0.clone()).collect() };
        let weighted = |to: &Self| matches!(to, Self::Weighted(_));
        names(self) == names(other) && weighted(self) == weighted(other)
    }
}

impl HealthCheckSpec {
    /// The calls of its deep checks of some targets; `path` is that of the node's kind.
    pub fn calls(&self, path: &str, targets: &TargetsSpec) -> Vec<Outgoing> {
        let Some(operation) = &self.operation else { return Vec::new() };
        let probe = |(target, _): (&Name, f64)| Outgoing {
            path: format!("{path}.health_check.operation"),
            target: target.0.clone(),
            operation: Some((operation.0.clone(), None)),
            label: String::new(),
            endpoint: None,
            times: 0.0,
            attempts: 1,
            to_all: false,
            by_itself: false,
            keyed: false,
            sure: true,
        };
        targets.nodes().into_iter().map(probe).collect()
    }

    /// Has the health of some targets be learned this way.
    pub fn build(&self, watch: Watch, assembly: &mut Assembly<'_>) -> Health {
        let node = watch.node;
        let mut health = Health::new(watch);
        if let Some(detect) = self.detect {
            let pool = health.pool();
            let tick = assembly.tick(node, pool.len() as u32);
            health.told = (assembly.timeline.news(pool, detect.0, assembly.names), tick);
            return health;
        }
        let interval = self.interval.expect("it was checked").0;
        let timeout = self.timeout.map_or(interval, |t| t.0);
        let op = self.operation.as_ref().map_or(PROBE, |name| {
            assembly.names.op(&(name.0.clone(), None)).expect("every operation has a number")
        });
        health.checks = Some(Checks {
            interval,
            timeout: (timeout, assembly.span(timeout)),
            fall: self.fall.map_or(FALL, |n| n.0) as u32,
            rise: self.rise.map_or(RISE, |n| n.0) as u32,
            op,
        });
        health
    }
}

impl LoadBalancerSpec {
    /// The policy that holds.
    fn policy(&self) -> Policy {
        self.policy.clone().unwrap_or(Policy::RoundRobin(false))
    }

    /// What it knows of its targets at the start, if it asks at all.
    fn health(&self, watch: Watch, assembly: &mut Assembly<'_>) -> Option<Health> {
        let (id, targets) = (watch.node, watch.pool.len());
        let deployed = watch.pool.iter().any(|host| assembly.names.is_deployed(host.0));
        // The ticks of ejections come first.
        let eject = self.eject.as_ref().map(|eject| {
            let ticks = (0..targets).map(|i| assembly.tick(id, i as u32));
            let first_tick = ticks.min().unwrap_or(0);
            let most = eject.max.map_or(0.5, |f| f.0) * targets as f64;
            Eject {
                errors: eject.errors.0 as u32,
                span: eject.for_.0,
                most: (most as usize).max(1),
                first_tick,
            }
        });
        let mut health = match &self.health_check {
            Some(check) => check.build(watch, assembly),
            None if eject.is_some() || deployed => Health::new(watch),
            None => return None,
        };
        health.eject = eject;
        health.slow_start = self.slow_start.map_or(0, |d| d.0);
        health.panic = self.panic.map_or(0.0, |f| f.0);
        Some(health)
    }
}
