//! What a balancer says of itself.

use crate::{
    engine::law::Table,
    model::{
        balancer::{BalanceSpec, HealthCheckSpec, LoadBalancerSpec, OnDown, Policy, TargetsSpec},
        fault::Effect,
        kind::{Facts, FarEnd, Kind, NOTHING_TO_LOSE, Outgoing, Prices, Reach},
    },
    node_kind::NodeKind,
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

    /// The calls that are spread over them; `path` is that of the node's kind.
    pub fn calls(&self, path: &str) -> Vec<Outgoing> {
        let (weighted, nodes) = (matches!(self, Self::Weighted(_)), self.nodes());
        let total: f64 = nodes.iter().map(|n| n.1).sum();
        let at = |i: usize, name: &Name| match self {
            Self::One(_) => format!("{path}.to"),
            Self::Pool(_) => format!("{path}.to[{i}]"),
            Self::Weighted(_) => format!("{path}.to.{}", name.0),
        };
        let call = |(i, (name, weight)): (usize, &(&Name, f64))| Outgoing {
            label: if weighted {
                format!("{:.0} %", weight / total * 100.0)
            } else {
                String::new()
            },
            times: if weighted { weight / total } else { 1.0 / nodes.len() as f64 },
            ..Outgoing::to(at(i, name), &name.0)
        };
        nodes.iter().enumerate().map(call).collect()
    }

    /// Whether the same targets are chosen among, with the same or other weights.
    pub fn chooses_among(&self, other: &Self) -> bool {
        let names = |to: &Self| -> Vec<Name> { to.nodes().iter().map(|t| t.0.clone()).collect() };
        let weighted = |to: &Self| matches!(to, Self::Weighted(_));
        names(self) == names(other) && weighted(self) == weighted(other)
    }
}

impl Kind for LoadBalancerSpec {
    fn facts(&self) -> Facts<'_> {
        Facts {
            kind: NodeKind::LoadBalancer,
            instances: 1,
            need: 1,
            capacity: None,
            shards: false,
            zones: self.zones.as_ref(),
            floats: true,
            reach: Reach::Any,
            replicas: None,
        }
    }

    fn detail(&self) -> String {
        self.policy().to_string()
    }

    fn outgoing(&self, path: &str) -> Vec<Outgoing> {
        let mut calls = self.to.calls(path);
        calls.extend(self.health_check.iter().flat_map(|check| check.calls(path, &self.to)));
        calls
    }

    fn carries(&self) -> bool {
        self.policy == Some(Policy::Sticky)
    }

    fn files(&self) -> Vec<(Table, String)> {
        Vec::new()
    }

    fn spares(&self, effect: Effect<'_>) -> Option<&'static str> {
        match effect {
            Effect::Crash(_) => None,
            Effect::ClearCache(_) => Some(NOTHING_TO_LOSE),
            _ => Some("a balancer does no work of its own: hit what it balances, or its messages"),
        }
    }

    fn far_end(&self) -> FarEnd {
        let passes_on = self.balance == Some(BalanceSpec::Connection);
        FarEnd { takes: true, passes_on, ..FarEnd::default() }
    }

    fn restarts(&self) -> bool {
        false
    }

    fn passes_on(&self) -> Vec<&Name> {
        self.to.nodes().into_iter().map(|target| target.0).collect()
    }

    fn waits_for_ever(&self) -> bool {
        self.timeout.is_none() && self.on_down != Some(OnDown::Reset)
    }

    fn needs_keys(&self) -> Option<&'static str> {
        let by_key = self.policy.as_ref().is_some_and(Policy::is_by_key)
            || self.subset.is_some_and(|subset| subset.by_key);
        by_key.then_some("balancer")
    }

    fn needs_sessions(&self) -> bool {
        self.policy == Some(Policy::Sticky)
    }

    fn is_told(&self) -> bool {
        self.health_check.as_ref().is_some_and(|check| check.detect.is_some())
    }

    fn prices(&self) -> Option<Prices> {
        Some(Prices { hour: self.price.map(|p| p.0), ..Prices::default() })
    }

    fn changeable(&self) -> &'static [&'static str] {
        &["to"]
    }
}

impl HealthCheckSpec {
    /// The calls of its deep checks of some targets; `path` is that of the node's kind.
    pub fn calls(&self, path: &str, targets: &TargetsSpec) -> Vec<Outgoing> {
        let Some(operation) = &self.operation else { return Vec::new() };
        let probe = |(target, _): (&Name, f64)| Outgoing {
            operation: Some((operation.0.clone(), None)),
            times: 0.0,
            ..Outgoing::to(format!("{path}.health_check.operation"), &target.0)
        };
        targets.nodes().into_iter().map(probe).collect()
    }
}

impl LoadBalancerSpec {
    /// The policy that holds.
    pub fn policy(&self) -> Policy {
        self.policy.clone().unwrap_or(Policy::RoundRobin(false))
    }
}
