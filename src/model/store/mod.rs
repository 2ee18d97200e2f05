//! A store: data in shards, one copy each; reads and writes are work.

pub mod backup;
pub mod backups;
mod build;
mod check;
mod check_backup;
mod check_view;
pub mod committed;
pub mod copies;
pub mod feed;
pub mod handing;
pub mod intake;
pub mod kept;
pub mod leader;
pub mod moving;
pub mod promises;
pub mod records;
pub mod relays;
pub mod sender;
pub mod shown;
pub mod view;

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::{DurationFormula, DurationLaw, SizeFormula, Table},
    expr::{Expr, Taker, unknown, vnodes},
    model::{
        fault::Effect,
        kind::{
            Facts, FarEnd, Kind, Op, Outgoing, Prices, Reach, Startup, Verb, Visit, spares_a_server,
        },
        network::ZonesSpec,
        replication::{DurabilitySpec, RebuildSpec, ReplicationSpec},
        service::{Discipline, quota::QuotaSpec},
        store::{backup::BackupSpec, view::ViewSpec},
    },
    node_kind::NodeKind,
    units::{
        Count, HourPrice, Rate, SimDuration, StoragePrice, ValueError, show::plural, text_value,
    },
};

/// Keeps data in shards. The key of a request picks its shard; a read or write is work on a core
/// of that shard.
///
/// ```yaml
/// db: {store: {shards: {count: 8, by: hash}, read: exp(mean=10ms), write: exp(mean=15ms), cores: 4}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreSpec {
    /// How the keys are split; one shard when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardsSpec>,
    /// Work of a read.
    pub read: DurationFormula,
    /// Work of a write, delete, compare-and-set or increment; that of a read when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<DurationFormula>,
    /// Cores of each shard; unbounded when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<Count>,
    /// Processor time of each shard (with `replication` of each replica) over all its cores, as of a service:
    /// `20ms per 100ms`, `20ms per 100ms burst=40ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<QuotaSpec>,
    /// Waiting room of each shard; beyond it requests are rejected. Unbounded when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Count>,
    /// What a shard can run out of: `{connections: 100}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<StoreLimitsSpec>,
    /// A connection on which nothing has come for this time since the last reply is closed by its shard. Never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<SimDuration>,
    /// Order of service at each shard; `fifo` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discipline: Option<Discipline>,
    /// Size of a value, drawn once per key; the size of a read's reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_size: Option<SizeFormula>,
    /// Time a crashed shard takes to start again once the fault is over; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<DurationLaw>,
    /// What a replica of a shard costs (one machine each): `$0.38/h`, from the start of its boot until it is taken away, down or
    /// not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<HourPrice>,
    /// What its data costs: `$0.023/GB/month` (a GB is 10^9 bytes, a month 730 h), for as many keys as it holds of
    /// the mean `value_size` each (as the run begins), as many copies of each as a shard has replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<StoragePrice>,
    /// How many keys (1 to this) it holds. For `storage`; when absent all that the clients who reach it can ask for, as
    /// their laws of keys say. And as the run begins, for what moves when `shards.count` changes, and what a `backup` copies; when
    /// absent none but those written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Count>,
    /// Where the shards stand, in turn. With `replication` replica `r` of shard `s` stands in place `s + r` of them, going
    /// round; a map says how many replicas of each shard stand in each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<ZonesSpec>,
    /// How copies of each shard follow one another; one copy when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<Box<ReplicationSpec>>,
    /// It shows the data of another store: `view_of: orders`, or `{store: orders, lag: 200ms}`, which its log feeds. What is
    /// read of it is judged against that store: `staleness_age`, and `read_your_writes_violations` of what a session wrote there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view_of: Option<ViewSpec>,
    /// With `replication` by a log, or of a view that a log feeds: work of applying an entry at a follower or view, in the order of the log; that of a write
    /// when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<DurationFormula>,
    /// How many entries a follower or view applies at once (those of a key in order); 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply_cores: Option<Count>,
    /// With `replication`: when what is written outlives the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<DurabilitySpec>,
    /// Snapshots of each shard, and its log, kept elsewhere: `{every: 24h, to: b, log: 5m, restore: 500/s}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Box<BackupSpec>>,
    /// Shards that are there from the start, for those that take up keys only once `set` says so; 0: none change.
    #[serde(skip)]
    pub places: u64,
}

/// What a shard can run out of.
///
/// ```yaml
/// limits: {connections: 100}
/// ```
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreLimitsSpec {
    /// Connections at once, idle ones included (`max_connections` of `PostgreSQL`); beyond it one that is to be opened is `rejected` (cause
    /// `too_many_connections`). A call from an edge without `pool` has one of its own while it is inside.
    pub connections: Count,
}

/// How the keys of a store are split.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShardsSpec {
    /// Number of shards.
    pub count: Count,
    /// How a key finds its shard: `hash` (the default), `consistent_hash(vnodes=100)`, `range` (equal
    /// parts of the keys in order; `range(100k 400k)`: the last keys of all shards but the last), or
    /// `directory` (a table: a key is put on the next shard in turn when it is first asked for).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ShardBy>,
    /// How many keys a shard hands over per second when a planned change (`set`) of `count` gives them another one: each is
    /// read, sent and written, and served where it was until it has come. With `replication` (`leader_follower`, `raft`) whoever
    /// leads hands it over, and whoever leads where it goes enters it in the log there. Required for such a change; a shard that
    /// cannot keep up hands over fewer.
    #[serde(rename = "move", default, skip_serializing_if = "Option::is_none")]
    pub move_: Option<Rate>,
}

/// How a key finds its shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ShardBy {
    /// `splitmix64(key) mod count`: another count moves almost every key.
    #[default]
    Hash,
    /// The shard of the next of so many points of each on a ring: another count moves few keys.
    ConsistentHash(u32),
    /// The order of the keys: the last key of each shard but the last; empty: equal parts of 1 to the
    /// largest key of any client. Neighbours stay together, and so do the popular ones.
    Range(Vec<u64>),
    /// A table of all keys. A key is put on the next shard in turn when it is first asked for, so that
    /// shards hold the same number of keys; finding it takes no time.
    Directory,
}

impl ShardBy {
    /// How callers find the shard.
    pub fn reach(&self) -> Reach<'_> {
        match self {
            Self::Hash => Reach::Hash,
            Self::ConsistentHash(points) => Reach::Ring(*points),
            Self::Range(last) => Reach::Range(last),
            Self::Directory => Reach::Directory,
        }
    }
}

impl FromStr for ShardBy {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        let mut t = Taker::new(&expr, "consistent_hash(vnodes=100)")?;
        let by = match expr.name.as_str() {
            "hash" => Self::Hash,
            "consistent_hash" => Self::ConsistentHash(vnodes(&mut t)?),
            "range" => {
                let last = std::iter::from_fn(|| t.plain()).map(Expr::read::<Count>);
                let last: Vec<u64> = last.map(|n| n.map(|n| n.0)).collect::<Result<_, _>>()?;
                if !last.windows(2).all(|w| w[0] < w[1]) {
                    let message = "the last keys of the shards must rise";
                    return Err(ValueError::new("E-SHARD", message).help("range(100k 400k)"));
                }
                Self::Range(last)
            }
            "directory" => Self::Directory,
            other => {
                let known = ["hash", "consistent_hash(vnodes=100)", "range", "directory"];
                return Err(unknown("way", other, &known));
            }
        };
        t.finish()?;
        Ok(by)
    }
}

impl fmt::Display for ShardBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash => f.write_str("hash"),
            Self::ConsistentHash(points) => write!(f, "consistent_hash(vnodes={points})"),
            Self::Range(last) if last.is_empty() => f.write_str("range"),
            Self::Range(last) => {
                let last: Vec<String> = last.iter().map(|&key| Count(key).to_string()).collect();
                write!(f, "range({})", last.join(" "))
            }
            Self::Directory => f.write_str("directory"),
        }
    }
}

text_value!(
    ShardBy,
    "ShardBy",
    "how a key finds its shard",
    ["hash", "consistent_hash(vnodes=100)", "range(100k 400k)", "directory"]
);

impl StoreSpec {
    /// How many shards there are.
    pub fn shard_count(&self) -> u64 {
        self.shards.as_ref().map_or(1, |s| s.count.0)
    }

    /// Shards that there are from the start: as many as any planned change brings.
    pub fn most_shards(&self) -> u64 {
        self.shard_count().max(self.places)
    }

    /// Whether the order of keys decides where they are.
    pub fn is_by_range(&self) -> bool {
        matches!(self.shards.as_ref().and_then(|s| s.by.as_ref()), Some(ShardBy::Range(_)))
    }
}

impl Kind for StoreSpec {
    fn facts(&self) -> Facts<'_> {
        let replicas = self.replication.as_deref().map(ReplicationSpec::facts);
        let shards = self.most_shards();
        let instances = replicas.map_or(shards, |replicas| {
            shards.saturating_mul(replicas.each).saturating_add(replicas.observers)
        });
        Facts {
            kind: NodeKind::Store,
            instances,
            need: instances,
            capacity: self.cores.map(|c| c.0 as f64),
            shards: true,
            zones: self.zones.as_ref(),
            floats: false,
            reach: match self.shards.as_ref().and_then(|s| s.by.as_ref()) {
                None => Reach::Hash,
                Some(by) => by.reach(),
            },
            replicas,
        }
    }

    fn replication(&self) -> Option<&ReplicationSpec> {
        self.replication.as_deref()
    }

    fn routed(&self) -> u64 {
        self.shard_count()
    }

    fn detail(&self) -> String {
        let replicas = self.facts().replicas;
        let of = if replicas.is_some() { "replica" } else { "shard" };
        let cores = self.cores.map(|c| format!("{} per {of}", plural(c.0, "core")));
        let replicas = replicas.map(|r| plural(r.each, "replica"));
        let view = self.source().map(|source| format!("view of {source}"));
        view.into_iter().chain(replicas).chain(cores).collect::<Vec<_>>().join(", ")
    }

    fn files(&self) -> Vec<(Table, String)> {
        let laws =
            [Some(&self.read), self.write.as_ref(), self.apply.as_ref()].into_iter().flatten();
        let sizes = self.value_size.iter().flat_map(SizeFormula::tables);
        let fsync = self.durability.iter().flat_map(|durability| &durability.fsync);
        let laws_of_time = self.replication.iter().flat_map(|spec| spec.laws()).map(|law| law.1);
        let restore = self.backup.iter().flat_map(|backup| &backup.restore);
        let restore = restore.filter_map(RebuildSpec::takes);
        let times = self.boot.iter().chain(fsync).chain(laws_of_time).chain(self.lag_of_view());
        let times = times.chain(restore);
        let times = times.flat_map(DurationLaw::tables);
        laws.flat_map(DurationFormula::tables).chain(sizes).chain(times).collect()
    }

    fn carries(&self) -> bool {
        let laws = [Some(&self.read), self.write.as_ref()].into_iter().flatten();
        self.value_size.is_some() || laws.into_iter().any(|l| l.attributes().next().is_some())
    }

    fn outgoing(&self, _path: &str) -> Vec<Outgoing> {
        Vec::new()
    }

    fn spares(&self, effect: Effect<'_>) -> Option<&'static str> {
        match effect {
            Effect::Corrupt(_) if self.backup.is_some() => {
                Some("damage to a store with a backup is not supported yet")
            }
            Effect::Corrupt(_) if self.replication.is_some() && self.moves_keys() => {
                Some("damage to replicas and keys that move to other shards do not go together yet")
            }
            Effect::Corrupt(_) => {
                let several = self.replication.as_ref().and_then(|own| own.multi_leader.as_ref());
                several.map(|_| "damage to one of several leaders is not supported yet")
            }
            Effect::Clock(_) if self.goes_by_clock() => None,
            _ => spares_a_server(effect),
        }
    }

    fn goes_by_clock(&self) -> bool {
        self.replication.is_some()
    }

    fn restarts(&self) -> bool {
        true
    }

    fn far_end(&self) -> FarEnd {
        FarEnd {
            // Replicas are asked by who knows their roles, and keys that move take their callers along.
            takes: self.replication.is_none() && !self.moves_keys(),
            keep_alive: self.keep_alive.map(|span| span.0),
            most: self.limits.map(|limits| limits.connections.0),
            passes_on: false,
        }
    }

    fn needs_keys(&self) -> Option<&'static str> {
        self.is_by_range().then_some("store")
    }

    fn visit(&self, op: &Op) -> Visit {
        let reads = matches!(op.1, None | Some(Verb::Read));
        let work = if reads { &self.read } else { self.write.as_ref().unwrap_or(&self.read) };
        Visit { least: work.min_value(), work: work.mean_of_law().unwrap_or(0.0) }
    }

    fn startup(&self) -> Startup<'_> {
        Startup { boot: self.boot.as_ref(), warm: None }
    }

    fn prices(&self) -> Option<Prices> {
        let hour = self.price.map(|p| p.0);
        let storage = self.storage.map(|p| p.0);
        Some(Prices { hour, storage, keeps: self.value_size.is_some(), ..Prices::default() })
    }

    fn moves_keys(&self) -> bool {
        self.places > 0
    }

    fn is_backed_up(&self) -> bool {
        self.backup.is_some()
    }

    fn rationed(&self) -> Option<f64> {
        self.quota.map(|quota| quota.cores())
    }

    fn changeable(&self) -> &'static [&'static str] {
        &["read", "write", "value_size", "shards"]
    }
}
