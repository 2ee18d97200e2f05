//! Replicas of a store, over replications.
//!
//! **Invariant.** What did not happen in a replication counts as 0 of it.

use std::collections::BTreeMap;

use super::nodes::InstancePool;
use crate::{
    model::{
        probe::{InstanceMeasured, NodeMeasured},
        replication::tally::{Elections, Led, ReplicasMeasured},
    },
    results::{
        ElectionResults, Estimate, InstanceResults, LeaderResults, Means, ReplicaResults,
        ReplicasResults, Samples, seconds,
    },
};

/// The replicas of a store.
#[derive(Clone, Debug, Default)]
pub(super) struct ReplicasPool {
    replications: usize,
    each: usize,
    logs: bool,
    led: bool,
    observed: bool,
    zones: Vec<String>,
    messages: BTreeMap<&'static str, Means>,
    counted: BTreeMap<&'static str, Means>,
    lag: Samples,
    elections: [Means; 4],
    leaderless: Samples,
    /// By instance.
    leader_time: Vec<Means>,
    shards: Vec<InstancePool>,
    /// Who led when in the first replication.
    leaders: Vec<LeaderResults>,
}

impl ReplicasPool {
    /// Of a node like this.
    pub(super) fn like(node: &NodeMeasured) -> Option<Self> {
        let one = node.replicas.as_ref()?;
        let each = one.each as usize;
        Some(Self {
            each,
            logs: one.logs,
            led: one.elections.is_some(),
            observed: one.observed,
            zones: one.zones.clone(),
            leader_time: vec![Means::default(); node.instances.len()],
            shards: vec![InstancePool::default(); node.instances.len() / each.max(1)],
            leaders: leaders(one),
            ..Self::default()
        })
    }

    /// Adds what was measured in the next replication.
    pub(super) fn push(&mut self, node: &NodeMeasured, one: &ReplicasMeasured) {
        let before = self.replications;
        add(&mut self.messages, &one.messages, before);
        add(&mut self.counted, &one.counted, before);
        self.lag.push(&one.lag);
        if let Some(elections) = &one.elections {
            let Elections { count, terms, split_votes, changes, .. } = elections;
            let counts = [*count, *terms, *split_votes, *changes];
            for (pool, count) in self.elections.iter_mut().zip(counts) {
                pool.push(Some(count as f64));
            }
            self.leaderless.push(&elections.leaderless);
        }
        for (pool, led) in self.leader_time.iter_mut().zip(&one.led) {
            pool.push((node.span > 0).then(|| *led as f64 / node.span as f64));
        }
        let arrivals = node.instances.iter().map(|i| i.arrivals).sum();
        for (pool, replicas) in self.shards.iter_mut().zip(node.instances.chunks(self.each)) {
            let all = replicas.iter().fold(InstanceMeasured::default(), InstanceMeasured::plus);
            pool.push(node, (&all, replicas.len()), arrivals);
        }
        self.replications += 1;
    }

    /// What is told of them.
    pub(super) fn results(&self, confidence: f64) -> ReplicasResults {
        let mean = |means: &Means| means.estimate(confidence);
        let counted = |name: &str| match self.counted.get(name) {
            Some(means) => mean(means),
            None => Estimate { value: Some(0.0), ..Estimate::default() },
        };
        let messages = self.messages.iter();
        let quorum = !self.logs;
        let [count, terms, split_votes, changes] = self.elections.each_ref().map(mean);
        ReplicasResults {
            messages: messages.map(|(name, means)| ((*name).to_owned(), mean(means))).collect(),
            replication_lag: self.logs.then(|| self.lag.distribution(confidence)),
            failovers: self.observed.then_some(changes),
            elections: self.led.then(|| ElectionResults {
                count,
                terms,
                split_votes,
                leaderless: self.leaderless.distribution(confidence),
            }),
            hints: quorum.then(|| counted("hint")),
            damaged: self.counted.get("damaged").map(mean),
            repairs: (quorum || self.counted.contains_key("repair")).then(|| counted("repair")),
            leaders: self.leaders.clone(),
        }
    }

    /// What is told of its shards; these are its instances.
    pub(super) fn shards(
        &self,
        instances: &[InstanceResults],
        confidence: f64,
    ) -> Vec<InstanceResults> {
        let replica = |(i, one): (usize, &InstanceResults)| ReplicaResults {
            zone: self.zones.get(i).cloned().unwrap_or_default(),
            utilisation: one.utilisation,
            throughput: one.throughput,
            leader_time: if self.led {
                self.leader_time[i].estimate(confidence).fraction()
            } else {
                Estimate::default()
            },
        };
        let all: Vec<ReplicaResults> = instances.iter().enumerate().map(replica).collect();
        let shards = self.shards.iter().zip(all.chunks(self.each.max(1)));
        shards
            .map(|(pool, replicas)| InstanceResults {
                replicas: replicas.to_vec(),
                ..pool.results(confidence)
            })
            .collect()
    }
}

/// Who led when, if that ever changed.
fn leaders(one: &ReplicasMeasured) -> Vec<LeaderResults> {
    if one.leaders.iter().all(|led| led.to.is_none()) {
        return Vec::new();
    }
    let told = |led: &Led| LeaderResults {
        shard: u64::from(led.inst) / one.each.max(1),
        replica: u64::from(led.inst) % one.each.max(1),
        zone: one.zones.get(usize::from(led.inst)).cloned().unwrap_or_default(),
        from: seconds(led.from),
        to: led.to.map(seconds),
    };
    one.leaders.iter().map(told).collect()
}

/// Adds counts by name to those of so many replications before.
pub(super) fn add(
    pools: &mut BTreeMap<&'static str, Means>,
    counts: &BTreeMap<&'static str, u64>,
    before: usize,
) {
    for name in counts.keys() {
        let nothing_yet = || {
            let mut means = Means::default();
            (0..before).for_each(|_| means.push(Some(0.0)));
            means
        };
        pools.entry(name).or_insert_with(nothing_yet);
    }
    for (name, means) in pools {
        means.push(Some(counts.get(name).copied().unwrap_or_default() as f64));
    }
}
