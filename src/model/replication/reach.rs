//! How callers find a replica: by their place, by chance, or by who leads, as far as they have been told.
//!
//! **Invariant.** What a caller knows of who leads came to it by a message, but for the leaders of the start.

use std::collections::BTreeMap;

use super::{
    ReplicationSpec,
    letters::{Cargo, Envelope, News},
    whom::Whom,
};
use crate::{
    engine::{
        law::{Sampler, to_nanos},
        random::{Stream, mix},
    },
    model::{
        consistency::spec::Access,
        event,
        frame::{CALLEE_DONE, CALLER_DONE, IN_TRANSIT},
        ids::{Host, NodeId, Slot, Zone},
        kind::{Kind, Op},
        names::Names,
        plan::Prepared,
        resilience::elsewhere::others,
        route::{Asked, Route, one_of},
        world::{ANSWER_SHIFT, QUESTION_SHIFT, World},
    },
    outcome::Outcome,
};

/// The way to the replicas of a node.
#[derive(Clone, Debug)]
pub struct ToReplicas {
    /// The way to the shard of a key.
    pub shard: Route,
    /// Replicas of each.
    pub each: u16,
    /// Whom readers and writers ask.
    pub whom: [Whom; 2],
    /// Whether an operation, by number, writes.
    pub writes: Vec<bool>,
    /// Mean latency from a zone to another, ns: `from x zones + to`, of so many zones.
    pub distance: (Vec<f64>, usize),
    /// Callers are told of failures only by redirects and by trying (and not by observers).
    pub by_trying: bool,
    /// Which replica each caller believes leads a shard, and since which epoch, where that is not the first.
    pub believed: BTreeMap<(Host, u16), (u16, u64)>,
    /// Callers who coordinate themselves, in order, and the number of the first one's process.
    pub own: (Vec<Host>, u16),
    /// How long a caller goes on with the old leader when it hears of a new one.
    pub discovery: Option<(Sampler, Stream)>,
}

impl ToReplicas {
    /// The way to the replicas of a node, if it has any; `shard` is that to the shards.
    pub fn of(
        (kind, id): (&dyn Kind, NodeId),
        shard: Route,
        names: &Names,
        prepared: &Prepared,
    ) -> Route {
        let facts = kind.facts();
        let Some((spec, replicas)) = kind.replication().zip(facts.replicas) else {
            return shard;
        };
        let zones = names.zones.len() as Zone + 2;
        let distance = (0..zones)
            .flat_map(|from| (0..zones).map(move |to| names.distance(from, to, prepared).0));
        let writes =
            |op: &Op| op.1.and_then(Access::of).is_some_and(|access| access != Access::Read);
        Route::Replicas(Box::new(Self {
            shard,
            each: replicas.each as u16,
            whom: Whom::of(spec),
            writes: names.ops.iter().map(writes).collect(),
            distance: (distance.collect(), zones.into()),
            by_trying: spec.raft.is_some(),
            believed: BTreeMap::new(),
            own: (names.coordinators(id), facts.instances as u16),
            discovery: None,
        }))
    }

    /// What it draws from.
    pub fn prepare(
        &mut self,
        spec: &ReplicationSpec,
        (path, seed): (&str, u64),
        prepared: &Prepared,
    ) {
        let failover = spec.leader_follower.as_ref().and_then(|leader| leader.failover.as_ref());
        let law = failover.and_then(|failover| failover.discovery.as_ref());
        self.discovery = law.map(|law| {
            let sampler = law.compile(prepared).expect("the law was checked");
            (sampler, Stream::new(seed, path, "discovery"))
        });
    }

    /// The shard, or the partition of a log, to which a call with this key and identity goes.
    fn shard_for(&mut self, key: u64, id: u64) -> u16 {
        match &mut self.shard {
            Route::Partitions(way) => way.broker(key, id),
            Route::Shifting(way) => way.shard(key),
            way => way.instance(key, id),
        }
    }

    fn leader(&self, caller: Host, shard: u16) -> u16 {
        self.believed.get(&(caller, shard)).map_or(0, |known| known.0)
    }

    /// Whom an operation, by number, asks if nobody says otherwise.
    fn usual(&self, op: u8) -> Whom {
        let write = self.writes.get(usize::from(op)).copied().unwrap_or(false);
        self.whom[usize::from(write)]
    }

    /// The replica that a caller asks, of a shard whose replicas stand in these zones.
    fn choose(
        &self,
        (caller, zone): (Host, Zone),
        (shard, turn): (u16, u16),
        (whom, id): (Whom, u64),
        zone_of: impl Fn(u16) -> Zone,
    ) -> u16 {
        let below = |n: u16| ((u128::from(mix(id)) * u128::from(n)) >> 64) as u16;
        let n = self.each;
        match whom {
            Whom::Leader => self.leader(caller, shard),
            Whom::Any => below(n),
            Whom::Followers if n > 1 => (self.leader(caller, shard) + 1 + below(n - 1)) % n,
            Whom::Followers => 0,
            Whom::Nearest => {
                let from = &self.distance.0[usize::from(zone) * self.distance.1..];
                let distance = |replica: u16| from[usize::from(zone_of(shard * n + replica))];
                let first = below(n);
                if turn == 0 {
                    let (mut replica, mut best) = (first, (first, distance(first)));
                    for _ in 1..n {
                        replica = if replica + 1 == n { 0 } else { replica + 1 };
                        let far = distance(replica);
                        best = if far < best.1 { (replica, far) } else { best };
                    }
                    return best.0;
                }
                let mut all: Vec<u16> = (0..n).map(|r| (first + r) % n).collect();
                // Equal ones stay as the draw has put them.
                all.sort_by(|a, b| distance(*a).total_cmp(&distance(*b)));
                // An attempt after one that failed goes to the next.
                all[usize::from(turn) % all.len()]
            }
        }
    }
}

impl World {
    fn way_to(&mut self, node: NodeId) -> &mut ToReplicas {
        match &mut self.routes[usize::from(node)] {
            Route::Replicas(way) => way,
            _ => unreachable!("the node has replicas"),
        }
    }

    /// Where a call to a node with replicas goes, to one of this shard, or of the key's; or to one whose keys move, or whose
    /// instances come and go, or to a log.
    #[inline(never)]
    pub(in crate::model) fn replica(
        &mut self,
        caller: Slot,
        node: NodeId,
        shard: Option<u16>,
        asked: Asked,
    ) -> Host {
        if !matches!(self.routes[usize::from(node)], Route::Replicas(_)) {
            return self.no_replica(caller, node, asked);
        }
        let turn = self.letters.as_ref().map_or(0, |letters| letters.turn(caller));
        let whom = self.data.as_ref().and_then(|data| data.answered(caller).whom);
        let f = &self.frames[caller];
        let place = (f.node, f.inst);
        let zone = self.network.zone_of(place.0, place.1);
        let Route::Replicas(way) = &mut self.routes[usize::from(node)] else {
            unreachable!("it was asked above")
        };
        if let (None, Ok(at)) = (shard, way.own.0.binary_search(&place)) {
            return (node, way.own.1 + at as u16);
        }
        let shard = shard.unwrap_or_else(|| way.shard_for(asked.key, asked.id));
        let network = &self.network;
        let whom = (whom.unwrap_or(way.usual(asked.op)), asked.id);
        let replica =
            way.choose((place, zone), (shard, turn), whom, |inst| network.zone_of(node, inst));
        (node, shard * way.each + replica)
    }

    /// Where a call to a node without replicas goes whose way is no simple one.
    #[inline(never)]
    fn no_replica(&mut self, caller: Slot, node: NodeId, asked: Asked) -> Host {
        if let Route::Members(members) = &self.routes[usize::from(node)] {
            if let Some(all) = &self.connections
                && let Some(far) = all.far_of(self.frames.extra(caller).flight.wire)
                && far.0 == node
            {
                return far;
            }
            let id = asked.id ^ self.route_salt;
            let been = self.avoided();
            if been.is_empty() {
                return (node, one_of(members, id));
            }
            return (node, one_of(&others(members, node, been), id));
        }
        match &mut self.routes[usize::from(node)] {
            Route::Partitions(way) => (node, way.broker(asked.key, asked.id)),
            Route::Shifting(way) => (node, way.shard(asked.key)),
            _ => unreachable!("the node has replicas, or its keys move"),
        }
    }

    /// The broker to which somebody sends a message with this key and identity.
    pub(in crate::model) fn broker_of(
        &mut self,
        from: Host,
        node: NodeId,
        (key, id): (u64, u64),
    ) -> u16 {
        match &mut self.routes[usize::from(node)] {
            Route::Partitions(way) => way.broker(key, id),
            Route::Replicas(way) => {
                let shard = way.shard_for(key, id);
                shard * way.each + way.leader(from, shard)
            }
            _ => 0,
        }
    }

    /// The partition of a key of a log; none: any of the broker that was asked.
    pub(in crate::model) fn partition_of(&mut self, topic: NodeId, key: u64) -> Option<u32> {
        match &mut self.routes[usize::from(topic)] {
            Route::Partitions(way) => way.of(key),
            _ => None,
        }
    }

    /// The shard of a key of a store, as far as that is settled.
    pub(in crate::model) fn shard_of(&self, store: NodeId, key: u64) -> u16 {
        match self.routes[usize::from(store)].shards() {
            Route::Shifting(way) => way.shard(key),
            route => route.shard(key),
        }
    }

    /// The shard of the key that a visit is about.
    pub(in crate::model) fn shard_asked(&mut self, slot: Slot) -> u16 {
        let f = &self.frames[slot];
        let (node, key, id) = (f.node, f.key, f.id);
        self.way_to(node).shard_for(key, id)
    }

    /// A store sends a request on to another instance, within the same attempt.
    pub(in crate::model) fn send_on(&mut self, slot: Slot, to: u16) {
        let times = match self.letters.as_ref().map(|letters| letters.get(slot)) {
            Some(Cargo::SentOn(times)) => times.saturating_add(1),
            _ => 1,
        };
        if let Some(letters) = &mut self.letters {
            letters.put(slot, Cargo::SentOn(times));
        }
        self.frames[slot].served = u64::from(to);
        self.reply_as(slot, Outcome::Ok, (event::ANSWER, ANSWER_SHIFT));
    }

    /// How often a request was sent on.
    pub(in crate::model) fn sent_on(&self, slot: Slot) -> u8 {
        match self.letters.as_ref().map(|letters| letters.get(slot)) {
            Some(Cargo::SentOn(times)) => *times,
            _ => 0,
        }
    }

    /// A caller hears that it is to ask another replica: it keeps that in mind, and asks there if it still waits.
    pub(in crate::model) fn asks_elsewhere(&mut self, slot: Slot) {
        let (f, caller) = (self.frames[slot], self.caller_of(slot));
        let to = f.served as u16;
        self.believes(caller, (f.node, to));
        if f.flags & CALLER_DONE != 0 {
            self.frames[slot].flags |= CALLEE_DONE;
            return self.release_if_done(slot);
        }
        let call = &mut self.frames[slot];
        (call.inst, call.pc, call.served, call.waited, call.armed) = (to, 0, 0, 0, IN_TRANSIT);
        let times = u64::from(self.sent_on(slot));
        let id = f.id.wrapping_add(QUESTION_SHIFT.wrapping_mul(times.max(1)));
        self.send(slot, caller, (f.node, to), id);
    }

    /// A call was answered by a failure.
    #[cold]
    #[inline(never)]
    pub(in crate::model) fn failed_visit(&mut self, child: Slot, caller: Slot) {
        if let Some(data) = &mut self.data {
            data.failed_visit(child, caller);
        }
        if self.letters.is_some() && self.frames[child].outcome() != Outcome::Rejected {
            self.doubts_leader(child);
        }
    }

    /// An attempt of a call failed, which its caller has not let go of: the next one goes to the next replica, where the
    /// nearest is asked; who believes that its callee leads believes it of the next one now.
    #[cold]
    pub(in crate::model) fn doubts_leader(&mut self, child: Slot) {
        let (f, caller) = (self.frames[child], self.caller_of(child));
        let Some(Route::Replicas(_)) = self.routes.get(usize::from(f.node)) else { return };
        if let Some(letters) = &mut self.letters {
            letters.take_turn(f.parent);
        }
        self.believes_no_more(caller, (f.node, f.inst));
    }

    /// Replicas of each shard of a node, if it has any.
    pub(in crate::model) fn each_of(&self, node: NodeId) -> Option<u16> {
        match self.routes.get(usize::from(node)) {
            Some(Route::Replicas(way)) => Some(way.each),
            _ => None,
        }
    }

    /// The instance that a caller believes to lead a shard.
    pub(in crate::model) fn believed(&self, caller: Host, (node, shard): (NodeId, u16)) -> u16 {
        match &self.routes[usize::from(node)] {
            Route::Replicas(way) => shard * way.each + way.leader(caller, shard),
            _ => 0,
        }
    }

    /// A caller who finds leaders by trying heard that this instance leads its shard.
    pub(in crate::model) fn believes(&mut self, caller: Host, (node, inst): Host) {
        if let Route::Replicas(way) = &mut self.routes[usize::from(node)]
            && way.by_trying
        {
            let (shard, replica) = (inst / way.each, inst % way.each);
            let epoch = way.believed.get(&(caller, shard)).map_or(0, |known| known.1);
            way.believed.insert((caller, shard), (replica, epoch));
        }
    }

    /// Such a caller asked this instance in vain: if he believed that it leads its shard, he now believes it of the next one.
    pub(in crate::model) fn believes_no_more(&mut self, caller: Host, (node, inst): Host) {
        let Some(Route::Replicas(way)) = self.routes.get(usize::from(node)) else { return };
        let (shard, replica) = (inst / way.each, inst % way.each);
        if way.leader(caller, shard) == replica {
            let next = shard * way.each + (replica + 1) % way.each;
            self.believes(caller, (node, next));
        }
    }

    /// A caller is told who leads: it goes on with the old leader for a while, and says that it knows.
    #[cold]
    #[inline(never)]
    pub(in crate::model) fn hears_news(&mut self, slot: Slot) {
        let f = self.frames[slot];
        let caller = (f.node, f.inst);
        let Some(Cargo::News(news)) = self.letters.as_mut().map(|letters| letters.take(slot))
        else {
            return self.release(slot);
        };
        let way = self.way_to(news.store);
        if news.sinks_in {
            let place = (caller, news.leader / way.each);
            let known = way.believed.get(&place).map_or(0, |known| known.1);
            if news.epoch > known {
                let replica = news.leader % way.each;
                way.believed.insert(place, (replica, news.epoch));
            }
            return self.release(slot);
        }
        let discovery = way.discovery.as_ref();
        let delay =
            discovery.map_or(0, |(law, stream)| to_nanos(law.sample(&mut stream.draw_mixed(f.id))));
        let letters = self.letters.as_mut().expect("this is one");
        letters.put(slot, Cargo::News(News { sinks_in: true, ..news }));
        self.agenda.push(delay, slot, event::NEWS);
        let (to, id) = ((news.store, news.from), mix(f.id ^ 1));
        let envelope = Envelope { from: caller, to, id, size: 0 };
        self.post(envelope, Cargo::Known(caller, news));
    }
}
