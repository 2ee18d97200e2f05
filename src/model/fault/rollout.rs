//! Deployments in a replication: batch by batch, and back.
//!
//! **Invariant.** An instance is of one version at a time.

use std::collections::BTreeMap;

use crate::{
    engine::{
        law::{Tables, to_nanos},
        random::Stream,
    },
    model::{
        fault::{
            FaultSpec,
            occurrence::{Aftermath, Occurrence},
        },
        ids::NodeId,
        names::Names,
    },
    units::SimDuration,
};

/// How long an instance is out of rotation before it stops, when the file does not say, ns.
const DRAIN: u64 = 10_000_000_000;

/// A deployment in one replication.
#[derive(Clone, Debug)]
pub struct Rollout {
    /// Index of the fault, in order of ids.
    pub fault: usize,
    /// Its node.
    pub node: NodeId,
    /// What is inside each instance.
    pub guests: Vec<NodeId>,
    /// Sizes of the batches.
    pub sizes: Vec<usize>,
    /// Time between two of them, ns.
    pub pause: u64,
    /// How long an instance is out of rotation before it stops, ns.
    pub drain: u64,
    /// How much later balancers hear of it than the instance, and how long that goes on as before, ns; none: both stop at once.
    pub notice: Option<(u64, u64)>,
    /// Instances restart.
    pub restart: bool,
    /// Time to boot with the new version and with the old one again, by instance.
    pub boots: Vec<[u64; 2]>,
    /// How long an instance is slower at first, ns, and by which factor.
    pub warm: Option<(u64, f64)>,
    /// Instances come and go: who is there is replaced (`autoscale/rolling.rs`), and only the whole is planned beforehand.
    pub lives: bool,
    /// When it began.
    pub began: Option<u64>,
    /// It was taken back.
    pub back: bool,
    /// When an alert had it taken back.
    pub rolled_back: Option<u64>,
    /// Instances that run the new version, with their good answers and failures when they took it up.
    pub reached: BTreeMap<u16, (u64, u64)>,
    /// The same of those that do no more: good answers and failures meanwhile.
    pub left: (u64, u64),
}

impl Rollout {
    /// Draws a deployment.
    pub fn new(fault: usize, names: &Names, tables: &dyn Tables, seed: u64) -> Option<Self> {
        let spec = names.fault(fault);
        let deploy = spec.deploy.as_ref()?;
        let node = names.node(&deploy.node.0).expect("the node was checked");
        let kind = names.kind(node);
        let (n, startup) = (kind.facts().instances as usize, kind.startup());
        let boot = |inst: usize, again: u64| {
            let Some(law) = startup.boot else { return 0 };
            let entity = format!("node/{}/{inst}", deploy.node.0);
            let stream = Stream::new(seed, &entity, &format!("boot/{}", spec.id.0));
            let sampler = law.compile(tables).expect("the law was checked");
            to_nanos(sampler.sample(&mut stream.draw(again)))
        };
        Some(Self {
            fault,
            node,
            guests: names.guests(node).collect(),
            sizes: deploy.sizes(n),
            pause: deploy.pause.map_or(0, |pause| pause.0),
            drain: deploy.drain.map_or(DRAIN, |drain| drain.0),
            notice: (deploy.notice.is_some() || deploy.before_stop.is_some()).then(|| {
                let nanos = |span: Option<SimDuration>| span.map_or(0, |span| span.0);
                (nanos(deploy.notice), nanos(deploy.before_stop))
            }),
            // Environments of a function end one by one, as visits do.
            restart: deploy.restart != Some(false) && !kind.has_environments(),
            // Down for a moment at least, so that it ends after it began.
            boots: (0..n).map(|i| [boot(i, 0).max(1), boot(i, 1).max(1)]).collect(),
            warm: startup.warm,
            lives: kind.comes_and_goes().is_some(),
            began: None,
            back: false,
            rolled_back: None,
            reached: BTreeMap::new(),
            left: (0, 0),
        })
    }

    /// The whole of it from `start` on, and what comes of it.
    pub fn plan(&self, start: u64, spec: &FaultSpec) -> Vec<Occurrence> {
        let all: Vec<u16> = (0..self.boots.len() as u16).collect();
        let (mut steps, end) =
            if self.lives { (Vec::new(), u64::MAX) } else { self.steps(&all, start, false) };
        if let Some(length) = spec.for_ {
            steps.push(self.step(start.saturating_add(length.0), u64::MAX, Aftermath::Back, &[]));
        }
        steps.insert(0, self.whole(start, end));
        steps
    }

    /// It is at work; for a moment at least, so that what comes after it is after it.
    pub fn whole(&self, start: u64, end: u64) -> Occurrence {
        let end = end.max(start.saturating_add(1));
        Occurrence::new(self.fault, (start, end), Vec::new())
    }

    /// What one instance goes through.
    pub fn step(
        &self,
        start: u64,
        end: u64,
        aftermath: Aftermath,
        nodes: &[(NodeId, u16)],
    ) -> Occurrence {
        let (fault, hosts) = (self.fault, nodes.to_vec());
        let occurrence = Occurrence::new(fault, (start, end), hosts);
        Occurrence { aftermath: Some(aftermath), ..occurrence }
    }

    /// Instances take up the new version, or the old one again: the steps, and when all are done.
    pub fn steps(&self, instances: &[u16], start: u64, back: bool) -> (Vec<Occurrence>, u64) {
        let (mut steps, mut left) = (Vec::new(), instances);
        let (mut at, mut end) = (start, start);
        for batch in 0.. {
            let size = self.sizes[batch.min(self.sizes.len() - 1)].min(left.len());
            let (now, rest) = left.split_at(size);
            for &inst in now {
                end = end.max(self.one(inst, at, back, &mut steps));
            }
            left = rest;
            if left.is_empty() {
                break;
            }
            at = end.saturating_add(if back { 0 } else { self.pause });
        }
        (steps, end)
    }

    /// One instance: when it is up.
    pub fn one(&self, inst: u16, at: u64, back: bool, steps: &mut Vec<Occurrence>) -> u64 {
        let host = [(self.node, inst)];
        let switch = Aftermath::Switch { back };
        if !self.restart {
            steps.push(self.step(at, u64::MAX, switch, &host));
            return at;
        }
        let (notice, before) = self.notice.unwrap_or_default();
        let closes = at.saturating_add(before);
        let stop = closes.saturating_add(self.drain);
        let up = stop.saturating_add(self.boots[usize::from(inst)][usize::from(back)]);
        let guests = self.guests.iter().map(|&guest| (guest, inst));
        let all: Vec<_> = host.into_iter().chain(guests).collect();
        let heard = at.saturating_add(notice);
        if heard < up {
            steps.push(self.step(heard, up, Aftermath::Out, &host));
        }
        if self.notice.is_some() && closes < stop {
            steps.push(self.step(closes, stop, Aftermath::Closed, &all));
        }
        steps.push(self.step(stop, u64::MAX, switch, &host));
        steps.push(self.step(stop, up, Aftermath::Boot, &all));
        if let Some((length, factor)) = self.warm {
            steps.push(self.step(up, up.saturating_add(length), Aftermath::Warm(factor), &all));
        }
        up
    }
}
