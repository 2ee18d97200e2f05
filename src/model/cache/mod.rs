//! Caches: keys held near their readers. A cache is a server whose program looks keys up, fetches and
//! admits them; hit ratios emerge from keys, capacity and time.
//!
//! **Invariant.** A lookup counts when it arrives, a fill admits when it arrives (`semantics.md` 54).

pub mod books;
pub mod contents;
pub mod eviction;
pub mod lives;

mod inside;
pub mod prefill;
pub mod spaces;
mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::{DurationFormula, DurationLaw, Table, Tables, to_nanos},
    model::{
        build::Assembly,
        check,
        fault::timeline::Startup,
        ids::NodeId,
        kind::{Facts, Kind, Outgoing, Reach, Verb},
        kinds::NodeSpec,
        names::Names,
        network::ZonesSpec,
        node::Node,
        ring::POINTS,
        service::{
            Discipline,
            build::Shape,
            compile::Compiler,
            program::{AS_IT_IS, CacheStep, Instr, Program},
        },
        store::ShardBy,
    },
    problem::Problems,
    units::{Count, Fraction, Name, SimDuration},
};
use contents::{Contents, Limits};
use eviction::Eviction;
use lives::{Early, Lives};

/// Holds keys near their readers. With `read: {from: store, cache: this}` a service looks here first
/// and fills it after a miss (cache-aside). Called directly it is read-through: a miss is fetched from
/// the node in `from`, or, without one, admitted as it is.
///
/// ```yaml
/// redis: {cache: {capacity: 200k, eviction: lru, ttl: 5m, latency: 0.3ms, instances: 2}}
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheSpec {
    /// What each instance holds: entries (`200k`) or bytes (`4GB`); everything when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
    /// Which entry leaves a full cache: `lru` (default), `fifo`, `random`, `clock`, `sieve`, `lfu`, `slru`,
    /// `arc`, `two_q`, `s3fifo`, `lirs`, `w_tinylfu`; as Redis approximates them `sampled_lru(samples=5
    /// clock=1s)`, `sampled_lfu(samples=5 decay=1m)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eviction: Option<Eviction>,
    /// How much of what it can hold (of all keys, without a `capacity`) it holds as the run begins: the keys that
    /// are asked for most, as the laws of its clients say (those of several by their rates, or alike
    /// where one's is not known), each as old as at any instant. Empty when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill: Option<Fraction>,
    /// How long an entry is served after it was filled: the same for all, or a law that is drawn at each fill
    /// (`uniform(51m 69m)`), so that what was filled together does not expire together; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<DurationLaw>,
    /// A value is fetched anew before its `ttl` is over, by one caller at a time, while the others are served
    /// what is there: the first to ask in the last part of its life (`5%`), or with a chance that grows
    /// towards its end, the sooner the longer it took to fetch (`xfetch(beta=1)`). For who fetches by himself
    /// it is a miss; with `from` the cache fetches in the background, and it is a hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early: Option<Early>,
    /// Each hit begins the `ttl` anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_renew: Option<bool>,
    /// How long after its `ttl` an entry is still served to those who call this cache directly, while
    /// it is fetched anew in the background, once at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_while_revalidate: Option<SimDuration>,
    /// How long it is remembered that a key cannot be read: after a fetch was answered with an error, its
    /// lookups fail at once and the reads they belong to with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negative: Option<SimDuration>,
    /// Work of each request here; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<DurationFormula>,
    /// Number of instances; each key lives on one. 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<Count>,
    /// How a key finds its instance: `consistent_hash(vnodes=100)` when absent, or `hash` (modulo), with
    /// which another number of instances moves almost every key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ShardBy>,
    /// Instances that are there from the start, for those that take up keys only once `set` says so.
    #[serde(skip)]
    pub places: u64,
    /// The service each instance of which has one of these inside: reached without a network, lost with
    /// its instance, used by its steps only.
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    pub in_: Option<Name>,
    /// Node a direct call fetches a missing key from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Name>,
    /// Misses of a key that is being fetched wait for that fetch instead of fetching too, whether this
    /// cache fetches it (`from`) or a service that found it missing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coalesce: Option<bool>,
    /// What becomes of those who wait when the fetch they wait for fails: they fail with it (`together`, when
    /// absent), or the next of them makes another (`next(wait=1s)`), and who has waited for so long fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// Cores of each instance; unbounded when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<Count>,
    /// Waiting room of each instance; beyond it requests are rejected. Unbounded when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Count>,
    /// Time a crashed instance takes to start again once the fault is over; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<DurationLaw>,
    /// Where the instances stand, in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<ZonesSpec>,
}

/// What becomes of those who wait for a fetch that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// They fail with it.
    Together,
    /// The next of them makes another; who has waited for so long fails.
    Next(SimDuration),
}

/// Entries or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// So many entries.
    Entries(u64),
    /// So many bytes.
    Bytes(u64),
}

impl CacheSpec {
    fn holds(&self, tables: &dyn Tables) -> Limits {
        let (capacity, in_bytes) = match self.capacity {
            None => (None, false),
            Some(Capacity::Entries(n)) => (Some(n), false),
            Some(Capacity::Bytes(n)) => (Some(n), true),
        };
        Limits {
            capacity,
            in_bytes,
            ttl: self.ttl.as_ref().map(|law| law.constant().map_or(u64::MAX, to_nanos)),
            law: self
                .ttl
                .as_ref()
                .filter(|law| law.constant().is_none())
                .map(|law| Box::new(law.compile(tables).expect("the law was checked"))),
            early: self.early,
            refreshes: self.from.is_some(),
            stale: self.stale_while_revalidate.map_or(0, |t| t.0),
            negative: self.negative.map_or(0, |t| t.0),
            renewed: self.ttl_renew == Some(true),
            coalesce: self.coalesce == Some(true),
            patience: match self.on_failure {
                Some(OnFailure::Next(wait)) => Some(wait.0),
                Some(OnFailure::Together) | None => None,
            },
        }
    }
}

impl CacheSpec {
    fn times_lives(&self) -> bool {
        self.early.is_some() || self.ttl.as_ref().is_some_and(|law| law.constant().is_none())
    }
}

impl Kind for CacheSpec {
    fn facts(&self) -> Facts<'_> {
        let eviction = self.eviction.unwrap_or_default();
        let holds = self.capacity.map(|c| format!("{c}, {eviction}"));
        let inside = self.in_.as_ref().map(|host| format!("in {}", host.0));
        Facts {
            kind: "cache",
            instances: self.routed().max(self.places),
            need: 1,
            capacity: self.cores.map(|c| c.0 as f64),
            zones: self.zones.as_ref(),
            floats: false,
            reach: match &self.by {
                _ if self.in_.is_some() => Reach::Inside,
                Some(by) => by.reach(),
                None => Reach::Ring(POINTS),
            },
            detail: inside.into_iter().chain(holds).collect::<Vec<_>>().join(", "),
        }
    }

    fn files(&self) -> Vec<(Table, String)> {
        let boot = self.boot.iter().chain(&self.ttl).flat_map(DurationLaw::tables);
        self.latency.iter().flat_map(DurationFormula::tables).chain(boot).collect()
    }

    fn carries(&self) -> bool {
        let bytes = matches!(self.capacity, Some(Capacity::Bytes(_)));
        bytes || self.latency.iter().any(|l| l.attributes().next().is_some())
    }

    fn outgoing(&self, path: &str) -> Vec<Outgoing> {
        let fetch = |verb: Verb| {
            self.from.iter().map(move |from| Outgoing {
                path: format!("{path}.from"),
                target: from.0.clone(),
                operation: Some((verb.name().to_owned(), Some(verb))),
                label: verb.name().to_owned(),
                endpoint: None,
                times: 1.0,
                attempts: 1,
                to_all: false,
                by_itself: false,
                keyed: false,
                sure: false,
            })
        };
        fetch(Verb::Read).chain(fetch(Verb::Write)).collect()
    }

    fn startup(&self) -> Startup<'_> {
        Startup { boot: self.boot.as_ref(), warm: None }
    }

    fn check(&self, path: &str, names: &Names, problems: &mut Problems) {
        check::cache(self, path, names, problems);
        prefill::check(self, path, names, problems);
    }

    fn routed(&self) -> u64 {
        self.instances.map_or(1, |n| n.0)
    }

    fn changeable(&self) -> &'static [&'static str] {
        &["latency", "ttl", "stale_while_revalidate", "instances"]
    }

    fn limits(&self, tables: &dyn Tables) -> Option<Limits> {
        Some(self.holds(tables))
    }

    fn compile(&self, path: &str, program: Program, assembly: &mut Assembly<'_>) -> Program {
        let names = assembly.names;
        let none = std::collections::BTreeMap::new();
        let mut compiler = Compiler::new(assembly, path.to_owned(), &none);
        compiler.program = program;
        let read = if self.from.is_some() { FETCH } else { ALONE };
        let parts = [
            read,
            ASIDE,
            FILL,
            GIVE_UP,
            FAILED,
            DENIED,
            INVALIDATE,
            DROP,
            WRITE,
            BEHIND,
            STILL_THERE,
        ];
        let [
            read,
            aside,
            fill,
            give_up,
            failed,
            denied,
            invalidate,
            drop,
            write,
            behind,
            still_there,
        ] = parts.map(|parts| self.entry(parts, &mut compiler));
        let mut program = compiler.program;
        program.spaces = names.spaces(path.rsplit('/').next().unwrap_or(path));
        program.entries = names
            .ops
            .iter()
            .map(|op| {
                Some(match op.1 {
                    None | Some(Verb::Read) => read,
                    Some(Verb::Lookup) => aside,
                    Some(Verb::Fill) => fill,
                    Some(Verb::Release) => give_up,
                    Some(Verb::Fail) => failed,
                    Some(Verb::Deny) => denied,
                    Some(Verb::Invalidate) => invalidate,
                    Some(Verb::Delete) => drop,
                    Some(Verb::Write | Verb::Cas | Verb::Increment) => write,
                    Some(Verb::WriteBehind) => behind,
                    Some(Verb::LookupStale) => still_there,
                })
            })
            .collect();
        program
    }

    fn build(&self, id: NodeId, path: &str, assembly: &mut Assembly<'_>) -> Box<dyn Node> {
        let shape = Shape {
            instances: self.facts().instances,
            workers: None,
            cores: self.cores.map(|c| c.0),
            discipline: Discipline::Fifo,
            speedup: None,
            queue: self.queue.map(|q| q.0),
        };
        let mut server = shape.server(id, path, assembly);
        let keeps = assembly.names.keeps_expired(id);
        // Lives that are drawn, or end early, in any version.
        let mut versions = assembly.names.versions(id).into_iter();
        let timed = versions.any(|spec| matches!(spec, NodeSpec::Cache(c) if c.times_lives()));
        for (i, instance) in server.instances.iter_mut().enumerate() {
            let stream = assembly.stream(&format!("{path}/{i}"), "eviction");
            let limits = self.holds(assembly.prepared);
            let order = self.eviction.unwrap_or_default().order(limits.capacity, stream);
            let contents = instance.contents.insert(Box::new(Contents::new(limits, order)));
            contents.keeps = keeps;
            let lives = Lives::new(assembly.stream(&format!("{path}/{i}"), "ttl"));
            contents.lives = timed.then(|| Box::new(lives));
        }
        if let Some(share) = self.prefill {
            let instances = server.instances.iter_mut().take(self.routed() as usize);
            let contents = instances.filter_map(|i| i.contents.as_deref_mut()).collect();
            prefill::fill(self, share.0, path, contents, assembly);
        }
        Box::new(server)
    }
}

/// A part of what a cache does for a request.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// Something with its contents.
    Do(CacheStep),
    /// Its latency.
    Latency,
    /// A call of the node in `from`.
    Ask(Verb),
    /// The reply, before the rest.
    Reply,
}

use CacheStep::{
    Admit, Deny, Drop, Fail, Invalidate, Keep, LookAside, Lookup, Refresh, Refuse, Release,
    Remember,
};
use Part::{Ask, Do, Latency, Reply};

/// Where a lookup that finds that the key cannot be read goes on: so far before that of a hit.
pub const NEGATIVE: u16 = 1;
/// Likewise one that finds a stale value.
pub const STALE: u16 = 2;

/// What is done for one operation. A lookup goes on where it stands if it finds nothing; if it finds a
/// value in the second list, if it finds that the key cannot be read in the third, and if it finds a stale
/// value in the fourth.
type Parts = &'static [&'static [Part]];

const HIT: &[Part] = &[Latency];
const REFUSAL: &[Part] = &[Latency, Do(Refuse)];
const ASIDE: Parts = &[&[Do(LookAside), Latency], HIT, REFUSAL];
const FETCH: Parts = &[
    &[Do(Lookup), Latency, Ask(Verb::Read), Do(Keep)],
    HIT,
    REFUSAL,
    &[Latency, Reply, Do(Refresh), Ask(Verb::Read), Do(Keep)],
];
/// Without anywhere to fetch from, what is missing is admitted as it is.
const ALONE: Parts = &[&[Do(Lookup), Latency, Do(Admit)], HIT, REFUSAL];
const FILL: Parts = &[&[Do(Admit), Latency]];
const STILL_THERE: Parts = &[&[Do(Remember), Latency], HIT];
const GIVE_UP: Parts = &[&[Do(Release)]];
const FAILED: Parts = &[&[Do(Fail)]];
const DENIED: Parts = &[&[Do(Deny)]];
const INVALIDATE: Parts = &[&[Do(Invalidate), Latency]];
const DROP: Parts = &[&[Do(Drop), Latency]];
const WRITE: Parts = &[&[Latency, Ask(Verb::Write), Do(Admit)]];
const BEHIND: Parts = &[&[Do(Admit), Latency, Reply, Ask(Verb::Write)]];

impl CacheSpec {
    /// Compiles what is done for one operation and returns where it starts.
    fn entry(&self, parts: Parts, compiler: &mut Compiler<'_, '_>) -> u16 {
        let start = compiler.here();
        compiler.emit(Instr::Begin);
        let lookup = self.parts(parts[0], compiler);
        // Reached from the lookup only, which knows the place of a hit and finds the others before it.
        let jumps: Vec<usize> =
            parts.iter().skip(2).map(|_| compiler.emit(Instr::Jump(0))).collect();
        if let Some((at, step)) = lookup {
            compiler.program.code[at] = Instr::Cache(step, compiler.here());
        }
        for (i, way) in parts.iter().enumerate().skip(1) {
            if i > 1 {
                compiler.program.code[jumps[parts.len() - 1 - i]] = Instr::Jump(compiler.here());
            }
            self.parts(way, compiler);
        }
        start
    }

    /// Compiles parts, one after the other, and an end; where a lookup among them is.
    fn parts(&self, parts: &[Part], compiler: &mut Compiler<'_, '_>) -> Option<(usize, CacheStep)> {
        let mut lookup = None;
        for part in parts {
            match part {
                Do(step) => {
                    let at = compiler.emit(Instr::Cache(*step, 0));
                    let looks = matches!(step, Lookup | LookAside | Remember);
                    lookup = lookup.or(looks.then_some((at, *step)));
                }
                Latency => {
                    if let Some(latency) = &self.latency {
                        let demand = compiler.demand(latency, "/latency");
                        compiler.emit(Instr::Work(demand));
                    }
                }
                Ask(verb) => {
                    if let Some(from) = &self.from {
                        let op = (verb.name().to_owned(), Some(*verb));
                        let path = format!("/{}", verb.name());
                        compiler.call(&from.0, (Some(&op), None, None), false, &path);
                    }
                }
                Reply => {
                    compiler.emit(Instr::Reply(AS_IT_IS));
                }
            }
        }
        compiler.emit(Instr::End);
        lookup
    }
}
