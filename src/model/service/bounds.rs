//! What is bounded in the instances of a server, and how much of it they hold.

use std::collections::BTreeMap;

use super::server::Server;
use crate::model::{
    books::{BatchesMeasured, InstanceBooks, Unserved},
    bounded::Bounded,
    queue::counts::Backlog,
    topic::reader::Reader,
};

/// Where what an instance holds is found.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// Workers.
    Workers,
    /// Permits of edges: bulkheads (0) or pools (1).
    Permits(usize, Vec<usize>),
    /// A lock.
    Lock(u16),
    /// Memory, threads or descriptors.
    Limit(&'static str),
    /// Processor time that is rationed.
    Quota,
}

impl Server {
    /// What is bounded besides what `busy` of the books counts, in any version.
    pub(super) fn bounded_parts(&self) -> Vec<(Bounded, Part)> {
        let mut all = Vec::new();
        let one = |name: String, capacity: u64, each: bool, sampled: bool| Bounded {
            name,
            capacity: capacity as f64,
            each,
            sampled,
        };
        let first = self.instances.iter().next();
        let workers = first.and_then(|inst| inst.workers.as_ref());
        if let Some(workers) = workers.filter(|_| self.counts_cores) {
            all.push((one("workers".into(), workers.capacity, true, false), Part::Workers));
        }
        if let Some(quota) = self.quota {
            let one = one("quota".into(), 0, true, false);
            all.push((Bounded { capacity: quota.cores(), ..one }, Part::Quota));
        }
        // An edge stands once for each version of its policies.
        let mut edges: BTreeMap<(&str, usize, &str), (u64, Vec<usize>)> = BTreeMap::new();
        for (e, (edge, target)) in
            self.program.edges.iter().zip(&self.program.edge_targets).enumerate()
        {
            let Some(guard) = &edge.guard else { continue };
            let permits = [("bulkhead", &guard.bulkhead), ("pool", &guard.pool)];
            for (which, (word, policy)) in permits.into_iter().enumerate() {
                let Some(policy) = policy else { continue };
                let found = edges.entry((word, which, target)).or_default();
                found.0 = found.0.max(policy.size);
                found.1.push(e);
            }
        }
        for ((word, which, target), (size, edges)) in edges {
            let name = format!("{word}:{target}");
            all.push((one(name, size, true, false), Part::Permits(which, edges)));
        }
        // Of locks for each key there are as many as keys.
        for (number, lock) in self.program.locks.iter().enumerate().filter(|(_, l)| l.per.is_none())
        {
            let name = format!("lock:{}", lock.name);
            all.push((one(name, 1, !lock.shared, false), Part::Lock(number as u16)));
        }
        for (name, max) in self.inbound.iter().flat_map(|inbound| inbound.bounds()) {
            all.push((one(name.to_owned(), max, true, true), Part::Limit(name)));
        }
        all
    }

    /// What `busy` of the books counts.
    pub(super) fn first_bound(&self) -> &'static str {
        if self.environments.is_some() {
            return "environments";
        }
        let bounded = self.instances.iter().any(|i| i.workers.is_some());
        if self.counts_cores || !bounded { "cores" } else { "workers" }
    }

    /// How much of it an instance holds.
    pub(super) fn part(&self, part: &Part, inst: usize, now: u64) -> u128 {
        let instance = &self.instances[inst];
        match part {
            Part::Workers => instance.workers.as_ref().map_or(0, |w| w.busy.until(now)),
            Part::Permits(which, edges) => {
                edges.iter().map(|&e| instance.edges[e].held(now)[*which]).sum()
            }
            Part::Lock(number) => self.locks.as_ref().map_or(0, |l| l.taken(*number, inst, now)),
            Part::Quota => instance.cores.books(now).0,
            Part::Limit(name) => self.inbound.as_ref().map_or(0, |i| i.used(name, inst, instance)),
        }
    }

    /// What was worked off in batches, at all its instances.
    pub(super) fn batches_measured(&self) -> Option<BatchesMeasured> {
        self.instances.iter().filter_map(|own| own.cores.batches()).reduce(BatchesMeasured::plus)
    }

    /// Running sums of an instance up to `now`.
    pub(super) fn books_of(&self, inst: usize, now: u64) -> InstanceBooks {
        let own = &self.instances[inst];
        let (cores_busy, cores_queue) = own.cores.books(now);
        let locks_queue = self.locks.as_ref().map_or(0, |locks| locks.waited(inst, now));
        let keys_queue = self.promises.as_ref().map_or(0, |own| own.waited(inst, now));
        let door_queue = self.inbound.as_ref().map_or(0, |inbound| inbound.waited(inst, now));
        let workers = own.workers.as_ref();
        let (workers_busy, workers_queue) =
            workers.map_or((0, 0), |w| (w.busy.until(now), w.room.until(now)));
        let pool = self.environments.as_ref().map(|own| &own.pools[inst]);
        let pool_queue = pool.map_or(0, |pool| pool.waiting(now));
        let places = self.inbound.as_ref().map_or(0, |inbound| inbound.places.at(inst as u16));
        assert!(
            places <= own.arrivals - own.departures,
            "nobody who has left instance {inst} of node {} has a place",
            self.node
        );
        let Unserved { failed, needless } = self.unserved[inst];
        InstanceBooks {
            busy: match pool {
                Some(pool) => pool.visiting(now),
                None if self.counts_cores || workers.is_none() => cores_busy,
                None => workers_busy,
            },
            in_queue: cores_queue
                + workers_queue
                + locks_queue
                + keys_queue
                + door_queue
                + pool_queue,
            arrivals: own.arrivals,
            departures: own.departures,
            failures: failed,
            needless,
            depth: if inst == 0 { self.waits_at_broker(&Backlog::All, now) } else { 0 },
            cache: own.contents.as_ref().map_or_else(Default::default, |c| c.books),
            throttled: own.cores.throttled(now).unwrap_or_default(),
            ..InstanceBooks::default()
        }
    }

    /// What of the messages that wait at a broker is summed up, up to `now`.
    pub(super) fn waits_at_broker(&self, what: &Backlog, now: u64) -> u128 {
        let queue = self.broker.as_ref().map(|own| &own.broker);
        let groups = self.log.iter().flat_map(|own| &own.log.groups);
        let meant = |reader: &&Reader| match what {
            Backlog::All => true,
            Backlog::Of(group) => reader.name == *group,
            Backlog::Age => false,
        };
        let waits = queue.map_or(0, |broker| match what {
            Backlog::Age => broker.age_until(now),
            _ => broker.depth_until(now),
        });
        waits + groups.filter(meant).map(|reader| reader.lag.until(now)).sum::<u128>()
    }
}
