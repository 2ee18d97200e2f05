//! How a call without a balancer finds an instance: at random, or by its key.
//!
//! **Invariant.** A key finds the same instance all through a run, unless a planned change moves it. All ways but the directory depend on
//! neither seed nor time, so that replications share one placement (`semantics.md` 11).

use std::collections::BTreeMap;

use super::{
    client::KeyLaw,
    dns::resolver::Resolver,
    kind::{Kind, Reach},
    replication::reach::ToReplicas,
    ring::Ring,
};
use crate::{
    engine::random::mix,
    model::{ids::NodeId, kinds::NodeSpec, names::Names, plan::Prepared},
};

/// Which instance a call goes to.
#[derive(Clone, Debug)]
pub enum Route {
    /// The only one.
    Single,
    /// Any of `n`, at random per call.
    Random(u16),
    /// The shard of the key among `n`: `splitmix64(key) mod n`.
    Hash(u16),
    /// That of the next point on a ring.
    Ring(Ring),
    /// The one inside the caller.
    Inside,
    /// By the order of keys: the last key of each but the last instance, rising.
    Range(Vec<u64>),
    /// Keys in a table, and how many instances there are: a key not seen before goes to the one that
    /// has had none for longest, so that no two differ by more than one key.
    Directory(BTreeMap<u64, u16>, u16),
    /// It is asked which node to call instead; what callers keep of its answers.
    Answer(Box<Resolver>),
    /// A replica of the shard of the key.
    Replicas(Box<ToReplicas>),
    /// Keys move from shard to shard.
    Shifting(Box<Shifting>),
    /// Any of those that are there, at random per call: they come and go.
    Members(Vec<u16>),
    /// The broker of the partition of the key.
    Partitions(Box<Partitions>),
}

/// The way to shards while keys move: callers know of a shard that it has handed over all it had to, and until then ask it.
#[derive(Clone, Debug)]
pub struct Shifting {
    /// Where each key was.
    pub from: Route,
    /// Where it is to be.
    pub to: Route,
    /// Shards that have handed over all.
    pub done: Vec<bool>,
}

impl Shifting {
    /// Whom callers ask.
    pub fn shard(&self, key: u64) -> u16 {
        let from = self.from.shard(key);
        let done = self.done.get(usize::from(from)).copied().unwrap_or_default();
        if done { self.to.shard(key) } else { from }
    }
}

/// How a message finds its partition, and that its broker.
#[derive(Clone, Debug)]
pub struct Partitions {
    /// By its key.
    by: Route,
    count: u32,
    brokers: u16,
    /// Messages have no keys: the partition whose turn it is.
    turn: Option<u32>,
}

impl Partitions {
    /// So many, on so many brokers.
    pub fn new(by: Route, count: u64, brokers: u64) -> Self {
        Self { by, count: count as u32, brokers: brokers as u16, turn: None }
    }

    /// Messages have no keys: they go to all in turn.
    pub fn in_turn(&mut self) {
        self.turn = Some(0);
    }

    /// The broker to which a message goes.
    pub fn broker(&mut self, key: u64, id: u64) -> u16 {
        let partition = match &mut self.turn {
            Some(turn) => {
                let partition = *turn;
                *turn = (*turn + 1) % self.count;
                partition
            }
            None => u32::from(self.by.instance(key, id)),
        };
        (partition % u32::from(self.brokers)) as u16
    }

    /// The partition of a key; none: any of the broker.
    pub fn of(&mut self, key: u64) -> Option<u32> {
        self.turn.is_none().then(|| u32::from(self.by.instance(key, 0)))
    }
}

/// A call that is to find its instance.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The operation.
    pub op: u8,
    /// The key.
    pub key: u64,
    /// Identity of the call, for those that go anywhere.
    pub id: u64,
}

impl Route {
    /// How a node's instances are reached; everything was checked before.
    pub fn new(node: (&dyn Kind, NodeId), names: &Names, prepared: &Prepared) -> Self {
        if let Some((count, by)) = node.0.partitions() {
            let by = Self::by_key(count as u16, by, names, prepared);
            let mut way = Partitions::new(by, count, node.0.routed());
            if !names.has_keys(node.1) {
                way.in_turn();
            }
            let way = Self::Partitions(Box::new(way));
            return ToReplicas::of(node, way, names, prepared);
        }
        let mut way = Self::to_instance(node.0, names, prepared);
        if let Self::Random(n) = way
            && names.far_ends.contains(&node.1)
        {
            // Whoever has a connection finds its end there.
            way = Self::Members((0..n).collect());
        }
        ToReplicas::of(node, way, names, prepared)
    }

    /// The same, with draws of its own.
    pub fn with_draws(
        node: (&dyn Kind, NodeId),
        (names, prepared): (&Names, &Prepared),
        (name, seed): (&str, u64),
    ) -> Self {
        let mut route = Self::new(node, names, prepared);
        if let (Self::Replicas(way), Some(spec)) = (&mut route, node.0.replication()) {
            way.prepare(spec, (&format!("node/{name}"), seed), prepared);
        }
        route
    }

    /// How its instances, or shards, are reached.
    pub fn to_instance(kind: &dyn Kind, names: &Names, prepared: &Prepared) -> Self {
        match (kind.routed() as u16, kind.facts().reach) {
            (_, Reach::Answer { ttl, resolvers }) => {
                Self::Answer(Box::new(Resolver::new(ttl, resolvers)))
            }
            (_, Reach::Inside) => Self::Inside,
            _ if let Some(start) = kind.comes_and_goes() => {
                Self::Members((0..start as u16).collect())
            }
            (1, _) => Self::Single,
            // Some are passed over, by some.
            (n, Reach::Any) if names.goes_elsewhere => Self::Members((0..n).collect()),
            (n, Reach::Any) => Self::Random(n),
            (n, reach) => Self::by_key(n, reach, names, prepared),
        }
    }

    /// How a key finds one of `n`.
    fn by_key(n: u16, reach: Reach<'_>, names: &Names, prepared: &Prepared) -> Self {
        match reach {
            _ if n == 1 => Self::Single,
            Reach::Ring(points) => Self::Ring(Ring::new(n, points, 0)),
            Reach::Range([]) => Self::Range(even_ranges(n, largest_key(names, prepared))),
            Reach::Range(last) => Self::Range(last.to_vec()),
            Reach::Directory => Self::Directory(BTreeMap::new(), n),
            _ => Self::Hash(n),
        }
    }

    /// The way to shards, where that to their replicas goes on from there.
    pub fn shards(&self) -> &Self {
        if let Self::Replicas(way) = self { &way.shard } else { self }
    }

    /// Likewise, to be changed.
    pub fn shards_mut(&mut self) -> &mut Self {
        if let Self::Replicas(way) = self { &mut way.shard } else { self }
    }

    /// Likewise, by itself.
    #[must_use]
    pub fn into_shards(self) -> Self {
        if let Self::Replicas(way) = self { way.shard } else { self }
    }

    /// The shard of a key, where keys have one, as far as that is settled, and do not move ([`Shifting`]): a call for those cost
    /// the event loop, where this stands, 2.7 % of its instructions.
    #[inline(always)]
    pub fn shard(&self, key: u64) -> u16 {
        debug_assert!(!matches!(self, Self::Shifting(_)), "its keys move");
        debug_assert!(!matches!(self, Self::Members(_)), "they come and go");
        match self {
            Self::Hash(n) => (mix(key) % u64::from(*n)) as u16,
            Self::Ring(ring) => ring.of(key),
            Self::Range(last) => last.partition_point(|&l| l < key) as u16,
            Self::Directory(table, _) => table.get(&key).copied().unwrap_or_default(),
            _ => 0,
        }
    }

    /// The instance for a key; `id` is the identity of the call, for those that go anywhere.
    #[inline(always)]
    pub fn instance(&mut self, key: u64, id: u64) -> u16 {
        match self {
            Self::Replicas(_) => 0,
            Self::Random(n) => ((u128::from(mix(id)) * u128::from(*n)) >> 64) as u16,
            Self::Directory(table, n) => {
                let next = (table.len() % usize::from(*n)) as u16;
                *table.entry(key).or_insert(next)
            }
            settled => settled.shard(key),
        }
    }
}

/// One of those that are there, at random by the identity of a call; where nobody is, a place whose host says so.
pub fn one_of(members: &[u16], id: u64) -> u16 {
    let at = (u128::from(mix(id)) * members.len() as u128) >> 64;
    members.get(at as usize).copied().unwrap_or_default()
}

/// The last keys of `n` equal parts of 1..=`largest`, without that of the last part.
fn even_ranges(n: u16, largest: u64) -> Vec<u64> {
    let upto = |i: u16| u128::from(largest) * u128::from(i) / u128::from(n);
    (1..n).map(|i| upto(i) as u64).collect()
}

/// The largest key of any client.
fn largest_key(names: &Names, prepared: &Prepared) -> u64 {
    let keys = names.design.clients.values().filter_map(|c| c.keys.as_ref());
    let laws = keys.flat_map(|keys| keys.laws());
    let listed = |law: &KeyLaw| prepared.keys.get(&law.to_string())?.iter().max().copied();
    let largest = laws.map(|law| law.count().or_else(|| listed(law)).unwrap_or(1));
    largest.max().unwrap_or(1)
}

impl Names {
    /// The ways to nodes whose instances take up other keys later, by version.
    pub fn routes(&self, prepared: &Prepared) -> Vec<(NodeId, Vec<Route>)> {
        let ids = 0..self.nodes().len() as NodeId;
        let versions = ids.map(|id| (id, self.versions(id)));
        let moving = versions.filter(|(_, all)| {
            all.iter().any(|spec| spec.kind().routed() != all[0].kind().routed())
        });
        let ways = |(id, all): (NodeId, Vec<&NodeSpec>)| {
            (id, all.iter().map(|spec| Route::new((spec.kind(), id), self, prepared)).collect())
        };
        moving.map(ways).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_the_order_of_keys() {
        let mut route = Route::Range(even_ranges(4, 10));
        let found: Vec<u16> = (1..=11).map(|key| route.instance(key, 0)).collect();
        assert_eq!(found, [0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 3]);
    }

    #[test]
    fn a_directory_keeps_what_it_gave_and_deals_in_turn() {
        let mut route = Route::Directory(BTreeMap::new(), 3);
        let keys = [70, 5, 70, 900, 1, 5, 900];
        let found = keys.map(|key| route.instance(key, 0));
        assert_eq!(found, [0, 1, 0, 2, 0, 1, 2]);
    }
}
