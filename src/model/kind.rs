//! What every node kind tells the rest of the model about itself.
//!
//! **Invariant.** A kind is known elsewhere only through this trait and its one arm in `kinds.rs`.

use std::collections::BTreeMap;

use super::{
    autoscale::AutoscaleSpec,
    fault::Effect,
    network::ZonesSpec,
    purchase::{ClassPrices, PurchaseSpec},
    replication::{AnsweredSpec, ReplicationSpec},
    resilience::EdgeSpec,
};
use crate::{
    engine::law::{DurationLaw, Table},
    node_kind::NodeKind,
    units::Name,
};

/// How a caller without a balancer finds an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach<'a> {
    /// Any instance, at random per call.
    Any,
    /// The key's hash modulo the number of instances.
    Hash,
    /// The one inside the calling instance.
    Inside,
    /// The order of the keys: the last key of each but the last instance; empty: equal parts.
    Range(&'a [u64]),
    /// A table of all keys, each put on the next instance in turn when it is first asked for.
    Directory,
    /// The next point of the key on a ring with so many points of each instance.
    Ring(u32),
    /// It is not: it names another node, which the caller keeps in mind and calls instead.
    Answer {
        /// How long an answer is kept, ns.
        ttl: u64,
        /// Caches of answers the requests of a client come through, in each zone.
        resolvers: u64,
    },
}

/// The outside of a node.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// Its kind, as in the file.
    pub kind: NodeKind,
    /// Instances (or shards).
    pub instances: u64,
    /// How many of them must be up for the node to do its work; 0: it can be done without.
    pub need: u64,
    /// Capacity per instance in what `utilisation` counts; `None`: unbounded.
    pub capacity: Option<f64>,
    /// They are shards: each holds other keys.
    pub shards: bool,
    /// Where it was put.
    pub zones: Option<&'a ZonesSpec>,
    /// Without zones it stands where its caller stands.
    pub floats: bool,
    /// How it is reached.
    pub reach: Reach<'a>,
    /// The copies of each of its shards, if there are several.
    pub replicas: Option<Replicas<'a>>,
}

/// The copies of a shard. Replica `r` of shard `s` is instance `s x each + r`; observers come after all of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Replicas<'a> {
    /// How many there are.
    pub each: u64,
    /// How many of them must be up for it to take a write.
    pub need: u64,
    /// One of them leads, and that one must be up.
    pub led: bool,
    /// Another one leads when that is gone.
    pub takes_over: bool,
    /// Zone or region where the first leaders stand.
    pub leader: Option<&'a Name>,
    /// Zones or regions: in each stands one replica of each shard.
    pub stand_in: Option<&'a [Name]>,
    /// Instances that hold nothing and observe leaders.
    pub observers: u64,
    /// The zone of each of those, if the file says it.
    pub observe_in: Option<&'a [Name]>,
}

impl Facts<'_> {
    /// Instances that answer requests.
    pub fn serving(&self) -> u64 {
        self.instances - self.replicas.map_or(0, |replicas| replicas.observers)
    }
}

/// A call a node can make.
#[allow(clippy::struct_excessive_bools, reason = "what may be said of a call, each by itself")]
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Path of the call in the file.
    pub path: String,
    /// Node called.
    pub target: String,
    /// Operation it asks for, by name and verb; `None`: the caller's.
    pub operation: Option<(String, Option<Verb>)>,
    /// Word for the picture.
    pub label: String,
    /// Operation of the endpoint it belongs to; `None`: any.
    pub endpoint: Option<String>,
    /// Mean number of such calls per visit (repetitions, shares); `when:` counts as always.
    pub times: f64,
    /// Attempts each may take.
    pub attempts: u64,
    /// Each goes to every instance of the node.
    pub to_all: bool,
    /// No visit makes it: the node does, `times` a second.
    pub by_itself: bool,
    /// It is a message that a broker hands on: no visit waits for it.
    pub by_message: bool,
    /// Its key is the instance or the session, whether the client draws keys or not.
    pub keyed: bool,
    /// It is about a record: of a lock, or of how far a saga is. It has a key of its own.
    pub of_record: bool,
    /// It is a write of a transaction, sent when that is decided.
    pub of_transaction: bool,
    /// It is made whatever a cache holds and a condition says.
    pub sure: bool,
    /// It is made where a cache does not have what is read.
    pub misses: bool,
    /// At most so many such calls are one within the other; `None`: there is no bound.
    pub bounded: Option<u64>,
    /// How what it reads or writes is answered, where that is not as its store says.
    pub answered: AnsweredSpec,
}

impl Outgoing {
    /// A call of a node for what the visit is for.
    pub fn to(path: String, target: &str) -> Self {
        Self {
            path,
            target: target.to_owned(),
            operation: None,
            label: String::new(),
            endpoint: None,
            times: 1.0,
            attempts: 1,
            to_all: false,
            by_itself: false,
            by_message: false,
            keyed: false,
            of_record: false,
            of_transaction: false,
            sure: true,
            bounded: None,
            misses: false,
            answered: AnsweredSpec::default(),
        }
    }

    /// A message to a node, which no visit waits for.
    pub fn message(path: String, target: &str) -> Self {
        // Of two words, as no operation is.
        Self { label: "by message".to_owned(), by_message: true, ..Self::to(path, target) }
    }

    /// Whether it changes data.
    pub fn writes(&self) -> bool {
        let verb = self.operation.as_ref().and_then(|operation| operation.1);
        verb.is_some_and(|verb| verb != Verb::Read && Verb::ALL.contains(&verb))
    }
}

/// What is done to data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Read a key.
    Read,
    /// Write a key.
    Write,
    /// Delete a key.
    Delete,
    /// Compare and set a key.
    Cas,
    /// Increment a key.
    Increment,
    /// Look a key up in a cache, which fetches nothing (cache-aside).
    Lookup,
    /// Put what was read elsewhere in a cache.
    Fill,
    /// Take a key out of a cache.
    Invalidate,
    /// Tell a cache that what was missing there will not come.
    Release,
    /// Tell a cache that the fetch of what was missing there failed.
    Fail,
    /// Tell a cache that what was missing there cannot be read.
    Deny,
    /// Write to a cache that writes to its store later.
    WriteBehind,
    /// Look a key up in a cache and take what is expired too.
    LookupStale,
}

impl Verb {
    /// The verbs of a client.
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Delete, Self::Cas, Self::Increment];

    /// As in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Cas => "cas",
            Self::Increment => "increment",
            Self::Lookup => "lookup",
            Self::Fill => "fill",
            Self::Invalidate => "invalidate",
            Self::Release => "release",
            Self::Fail => "fail",
            Self::Deny => "deny",
            Self::WriteBehind => "write_behind",
            Self::LookupStale => "lookup_stale",
        }
    }
}

/// An operation as it travels: its name, and the verb when it goes straight to data.
pub type Op = (String, Option<Verb>);

/// What is known beforehand of a visit, the calls it makes left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Visit {
    /// No visit that succeeds is shorter, ns.
    pub least: f64,
    /// Mean work it brings, ns, that of steps under a condition left out.
    pub work: f64,
}

/// What a node does with connections that are opened to it.
#[derive(Clone, Copy, Debug, Default)]
pub struct FarEnd {
    /// They can end at its instances, or lead through it.
    pub takes: bool,
    /// An idle one is closed after so many ns.
    pub keep_alive: Option<u64>,
    /// So many at each instance.
    pub most: Option<u64>,
    /// It chooses a target once for each, and passes them on.
    pub passes_on: bool,
}

impl FarEnd {
    /// Whether that must be told of connections.
    pub fn is_told_of(&self) -> bool {
        self.keep_alive.is_some() || self.most.is_some() || self.passes_on
    }
}

/// How an instance of a node starts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Startup<'a> {
    /// Time until it takes requests.
    pub boot: Option<&'a DurationLaw>,
    /// How long it is slower from then on, ns, and by which factor.
    pub warm: Option<(u64, f64)>,
}

/// Why emptying it changes nothing in whatever is no cache.
pub const NOTHING_TO_LOSE: &str = "only a cache has something to lose";

/// Why there is nothing on its disk to damage.
pub const NO_COPIES: &str = "only stores hold copies on a disk";

/// Why nobody takes its instances away.
pub const NOTHING_ON_THE_SPOT: &str =
    "only services with `purchase: {spot: ..}` have instances that can be taken";

/// Why its clock may be as wrong as it likes.
pub const GOES_BY_NO_CLOCK: &str = "stores with `replication`, caches, and services that coordinate for themselves or keep locks in a store go by a clock, nothing else";

/// What a server that is no cache is spared: all but emptying it, or another clock, hits it.
pub fn spares_a_server(effect: Effect<'_>) -> Option<&'static str> {
    match effect {
        Effect::ClearCache(_) => Some(NOTHING_TO_LOSE),
        Effect::Corrupt(_) => Some(NO_COPIES),
        Effect::Clock(_) => Some(GOES_BY_NO_CLOCK),
        _ => None,
    }
}

/// What is paid for a node, in US dollars; what has no price is not paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Prices {
    /// An hour of an instance.
    pub hour: Option<f64>,
    /// A million calls.
    pub calls: Option<f64>,
    /// A gigabyte (10^9 bytes) it keeps, for a month.
    pub storage: Option<f64>,
    /// A gigabyte of memory for a second of use.
    pub memory: Option<f64>,
    /// A gigabyte of memory for a second that it is provisioned.
    pub provisioned: Option<f64>,
    /// Some of its memory is provisioned, whether that has a price or not.
    pub provisions: bool,
    /// An hour of an instance, by how it is bought.
    pub classes: Option<ClassPrices>,
    /// It keeps data whose size is known, whether that has a price or not.
    pub keeps: bool,
}

impl Prices {
    /// Whether anything has one.
    pub fn any(self) -> bool {
        let use_ = self.memory.or(self.provisioned);
        let classes = self.classes.and_then(ClassPrices::any);
        self.hour.or(self.calls).or(self.storage).or(use_).or(classes).is_some()
    }
}

/// A node kind. What has no default would be wrong without a word if it had one.
pub trait Kind {
    /// Its outside.
    fn facts(&self) -> Facts<'_>;
    /// One line for the picture.
    fn detail(&self) -> String;
    /// The calls it can make; `path` is that of the kind's map.
    fn outgoing(&self, path: &str) -> Vec<Outgoing>;
    /// Whether it needs what frames carry besides keys: attributes, sizes, deadlines, sessions.
    fn carries(&self) -> bool;
    /// Files its laws read: (table, column).
    fn files(&self) -> Vec<(Table, String)>;
    /// Why an effect on its instances would change nothing, and what to do instead; `None`: it hits them.
    fn spares(&self, effect: Effect<'_>) -> Option<&'static str>;
    /// Whether its instances go by clocks of their own.
    fn goes_by_clock(&self) -> bool {
        false
    }
    /// Whether it has instances that a deployment can restart one by one.
    fn restarts(&self) -> bool;
    /// Names of the locks of which each key has its own.
    fn key_locks(&self) -> Vec<String> {
        Vec::new()
    }
    /// Names of the `mark` steps within.
    fn marks(&self) -> Vec<String> {
        Vec::new()
    }
    /// Attributes that its conditions compare with names, and these names; and those whose values only tell requests apart.
    fn compared(&self) -> Vec<(String, Option<String>)> {
        Vec::new()
    }
    /// How an instance starts after a crash.
    fn startup(&self) -> Startup<'_> {
        Startup::default()
    }
    /// Whether its processes can die of themselves.
    fn is_mortal(&self) -> bool {
        false
    }
    /// What a visit for an operation takes.
    fn visit(&self, op: &Op) -> Visit {
        let _ = op;
        Visit::default()
    }
    /// What is paid for it; none: nothing of it can have a price.
    fn prices(&self) -> Option<Prices> {
        None
    }
    /// Instances that calls without a balancer are spread over.
    fn routed(&self) -> u64 {
        self.facts().instances
    }
    /// The nodes it passes each request on to, one of them; none: it answers itself.
    fn passes_on(&self) -> Vec<&Name> {
        Vec::new()
    }
    /// What it is, in a word, if requests make no sense to it without keys.
    fn needs_keys(&self) -> Option<&'static str> {
        None
    }
    /// Whether requests that are a session each make no sense to it.
    fn needs_sessions(&self) -> bool {
        false
    }
    /// Whether it hears of crashes without asking anybody.
    fn is_told(&self) -> bool {
        false
    }
    /// By which policies it calls others, by their names; `None`: it calls nobody of itself, or without any.
    fn edges(&self) -> Option<&BTreeMap<Name, EdgeSpec>> {
        None
    }
    /// What it does with connections that are opened to it.
    fn far_end(&self) -> FarEnd {
        FarEnd::default()
    }
    /// The operations it tells apart, what it does for all others being `default`; none: it does the same for all.
    fn endpoints(&self) -> Vec<&str> {
        Vec::new()
    }
    /// How often its instances do something unasked, all together, per second.
    fn unasked(&self) -> f64 {
        0.0
    }
    /// Whether instances can stop serving though no fault hits them.
    fn stops_by_itself(&self) -> bool {
        self.is_mortal()
    }
    /// How the copies of its shards follow one another, if there are several.
    fn replication(&self) -> Option<&ReplicationSpec> {
        None
    }
    /// Whether it waits for those it passes requests on to, however long that takes.
    fn waits_for_ever(&self) -> bool {
        false
    }
    /// What its `capacity` counts; `None`: how much work that is cannot be told beforehand.
    fn saturates(&self) -> Option<&'static str> {
        Some("cores")
    }
    /// How many cores of an instance its processor time is worth in the long run, where that is rationed.
    fn rationed(&self) -> Option<f64> {
        None
    }
    /// What it holds is kept elsewhere, too, in case that it is lost.
    fn is_backed_up(&self) -> bool {
        false
    }
    /// Whether keys move between its shards, with what is held of them.
    fn moves_keys(&self) -> bool {
        false
    }
    /// Whether its requests run in environments that start when they are needed.
    fn has_environments(&self) -> bool {
        false
    }
    /// Whether messages can be published there.
    fn takes_messages(&self) -> bool {
        self.is_broker()
    }
    /// Whether it keeps messages until somebody takes them out.
    fn is_broker(&self) -> bool {
        false
    }
    /// If it is a log: how many partitions it has, and how keys find theirs.
    fn partitions(&self) -> Option<(u64, Reach<'_>)> {
        None
    }
    /// Whether such a broker lets go of what it hands out.
    fn forgets_handouts(&self) -> bool {
        false
    }
    /// The brokers it takes messages out of, and where the file says so; `path` is that of the kind's map.
    fn consumes(&self, path: &str) -> Vec<(&Name, String)> {
        let _ = path;
        Vec::new()
    }
    /// The logs it reads, and as which group; `own` is its name.
    fn read_groups(&self, own: &str) -> Vec<(String, String)> {
        let _ = own;
        Vec::new()
    }
    /// How many instances there are at first, and what makes them more or fewer, if anything does; the outside of such a
    /// node has all its places.
    fn autoscale(&self) -> Option<(&AutoscaleSpec, u64)> {
        None
    }
    /// How many instances there are at first where they come and go; the outside of such a node has all its places.
    fn comes_and_goes(&self) -> Option<u64> {
        self.autoscale().map(|(_, start)| start)
    }
    /// How many instances there are to be at most: no places for those who leave.
    fn wanted(&self) -> u64 {
        self.facts().instances
    }
    /// How its instances are bought, if it says so, and how many there are to be at most.
    fn purchase(&self) -> Option<(&PurchaseSpec, u64)> {
        None
    }
    /// Keys of its map that a `set` fault may change while it runs.
    fn changeable(&self) -> &'static [&'static str] {
        &[]
    }
}
