//! A cache as a server: what it does for each verb, and what it holds at first.

impl Built for CacheSpec {
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
            batch: None,
            quota: None,
        };
        let mut server = shape.server(id, path, assembly);
        let keeps = assembly.names.keeps_expired(id);
        // Lives that are drawn, or end early, in any version.
        let mut versions = assembly.versions.iter();
        let timed = versions.any(|spec| matches!(spec, NodeSpec::Cache(c) if c.times_lives()));
        for (i, instance) in server.instances.iter_mut().enumerate() {
            let stream = assembly.stream(&format!("{path}/{i}"), "eviction");
            let limits = self.holds(assembly.prepared);
            let order = self.eviction.unwrap_or_default().order(limits.capacity, stream);
            let contents = instance.contents.insert(Box::new(Contents::new(limits, order)));
            contents.keeps = keeps;
            let lives = Lives::new(assembly.stream(&format!("{path}/{i}"), "ttl"));
            contents.leases = (self.lease == Some(true)).then(Box::default);
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
    /// It answers for what it was given, whatever becomes of the rest.
    Take,
}

use CacheStep::{
    Admit, Deny, Drop, Fail, Fill, Invalidate, Keep, LookAside, Lookup, Refresh, Refuse, Release,
    Remember,
};
use Part::{Ask, Do, Latency, Reply, Take};

use crate::{
    engine::law::{Tables, to_nanos},
    model::{
        build::{Assembly, Built},
        cache::{
            CacheSpec, Capacity, OnFailure,
            contents::{Contents, Limits},
            lives::Lives,
            prefill,
        },
        ids::NodeId,
        kind::{Kind, Verb},
        kinds::NodeSpec,
        node::Node,
        service::{
            Discipline,
            build::Shape,
            compile::Compiler,
            instr::{AS_IT_IS, CacheStep, Instr},
            program::Program,
        },
    },
};

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
const FILL: Parts = &[&[Do(Fill), Latency]];
const STILL_THERE: Parts = &[&[Do(Remember), Latency], HIT];
const GIVE_UP: Parts = &[&[Do(Release)]];
const FAILED: Parts = &[&[Do(Fail)]];
const DENIED: Parts = &[&[Do(Deny)]];
const INVALIDATE: Parts = &[&[Do(Invalidate), Latency]];
const DROP: Parts = &[&[Do(Drop), Latency]];
const WRITE: Parts = &[&[Latency, Ask(Verb::Write), Do(Admit)]];
const BEHIND: Parts = &[&[Take, Do(Admit), Latency, Reply, Ask(Verb::Write)]];

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
                Take => {
                    let names = compiler.assembly.names;
                    let store = self.from.as_ref().and_then(|from| names.store_behind(&from.0));
                    if let Some(store) =
                        store.filter(|store| names.tracked.followed.contains(store))
                    {
                        compiler.emit(Instr::Cache(CacheStep::Accept, store));
                    }
                }
            }
        }
        compiler.emit(Instr::End);
        lookup
    }
}
