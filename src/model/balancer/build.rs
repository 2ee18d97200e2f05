//! A balancer's spec: its outside, its checks, its state.

use super::{
    BalanceSpec, HealthCheckSpec, LoadBalancerSpec, OnDown, Policy, TargetsSpec,
    health::{Checks, Eject, Health, Rate, Watch},
    policy::Chooser,
    proxy::{Line, Proxy},
};
use crate::{
    model::{
        balancer::run::Balancer,
        build::{Assembly, Built},
        frame::PROBE,
        ids::{Host, NodeId},
        kinds::NodeSpec,
        node::Node,
    },
    units::Name,
};

/// Failures in a row that take a target out, when the file does not say.
const FALL: u64 = 3;
/// Successes in a row that bring it back.
const RISE: u64 = 2;

impl Built for LoadBalancerSpec {
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
        let versions = assembly.versions.clone().into_iter().filter_map(|spec| match spec {
            NodeSpec::LoadBalancer(balancer) => Some(balancer.to.cumulative()),
            _ => None,
        });
        let (stream, site) = (assembly.stream(path, "choice"), Assembly::site(path));
        let health = self.health(Watch { node: id, site, stream, pool: pool.clone() }, assembly);
        let place = assembly.stream(path, "place").draw(0).word();
        let policy = self.policy();
        let inner = Balancer {
            node: id,
            timeout: self.timeout.map(|t| assembly.span(t.0)),
            resets: self.on_down == Some(OnDown::Reset),
            sticky: policy == Policy::Sticky,
            smooth: policy == Policy::RoundRobin(true),
            by_connection: self.balance == Some(BalanceSpec::Connection),
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
        };
        let names = assembly.names;
        let elsewhere = names.goes_elsewhere;
        if !elsewhere && self.max_in_flight.is_none() && self.subset.is_none() {
            return Box::new(inner);
        }
        let comes_and_goes = |host: &Host| names.kind(host.0).comes_and_goes().is_some();
        let settled = !inner.pool.iter().any(comes_and_goes);
        let line = self.max_in_flight.map(|most| {
            let all = settled.then_some(most.0 as f64 * inner.pool.len() as f64);
            let room = self.queue.map_or(u64::MAX, |room| room.0);
            Line::new(most.0 as u32, room, self.wait.map(|wait| wait.0), all)
        });
        Box::new(Proxy { inner, line, subset: self.subset })
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
}

impl HealthCheckSpec {
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
    /// What it knows of its targets at the start, if it asks at all.
    fn health(&self, watch: Watch, assembly: &mut Assembly<'_>) -> Option<Health> {
        let (id, targets) = (watch.node, watch.pool.len());
        let mut nodes = watch.pool.iter().map(|host| host.0);
        let changing = nodes.any(|node| {
            assembly.names.is_deployed(node) || assembly.names.kind(node).comes_and_goes().is_some()
        });
        // The ticks of ejections come first.
        let eject = self.eject.as_ref().map(|eject| {
            let ticks = (0..targets).map(|i| assembly.tick(id, i as u32));
            let first_tick = ticks.min().unwrap_or(0);
            let rate = eject.success_rate.map(|rate| Rate {
                every: rate.every.map_or(10_000_000_000, |every| every.0),
                requests: rate.requests.map_or(100, |n| n.0),
                targets: rate.targets.map_or(5, |n| n.0 as usize),
                deviations: rate.deviations.map_or(1.9, |n| n.0),
                tick: assembly.tick(id, targets as u32 + 1),
            });
            Eject {
                errors: eject.errors.map_or(u32::MAX, |n| n.0 as u32),
                span: eject.for_.0,
                longest: eject.longest.map(|longest| longest.0),
                rate,
                most: eject.max.map_or(0.5, |f| f.0),
                first_tick,
            }
        });
        let mut health = match &self.health_check {
            Some(check) => check.build(watch, assembly),
            None if eject.is_some() || changing => Health::new(watch),
            None => return None,
        };
        health.eject = eject;
        health.slow_start = self.slow_start.map_or(0, |d| d.0);
        health.panic = self.panic.map_or(0.0, |f| f.0);
        Some(health)
    }
}
