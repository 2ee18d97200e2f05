//! How each replication builds its world of a plan.
//!
//! **Invariant.** Whatever a replication does is a function of the plan and its seed.

use super::{fault::timeline::Timeline, kind::Facts, names::Names};
use crate::{
    engine::{
        agenda::Agenda,
        law::{Dimension, Formula, Law, Sampler, Tables, to_nanos},
        random::{Stream, hash_str},
    },
    model::{
        cache::contents::Limits,
        demand::Demand,
        ids::NodeId,
        kind::Kind,
        kinds::{NodeSpec, of_kind},
        node::Node,
        plan::Prepared,
        service::{ServiceSpec, program::Program},
        span::{Span, Work},
    },
};

/// The parts of a replication's world while nodes are being built.
pub struct Assembly<'a> {
    /// Names.
    pub names: &'a Names,
    /// Tables.
    pub prepared: &'a Prepared,
    /// The replication's seed.
    pub seed: u64,
    /// Its faults.
    pub timeline: &'a Timeline,
    /// What the node that is being built is at first and after each change of the design.
    pub versions: Vec<&'a NodeSpec>,
    /// Where lanes are made.
    pub agenda: Agenda,
    /// Owner and own index of each tick so far.
    pub ticks: Vec<(NodeId, u32)>,
    /// Number of rate limiters that several instances share.
    pub limiters: usize,
    /// The caller (`node/api`) and the node called of each pool of connections so far.
    pub pools: Vec<(String, String)>,
    /// Some steps keep connections beyond single calls.
    pub keeps: bool,
}

impl std::fmt::Debug for Assembly<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assembly").field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl<'a> Assembly<'a> {
    /// Of a replication, with nothing built yet.
    pub fn new(
        (names, prepared): (&'a Names, &'a Prepared),
        seed: u64,
        timeline: &'a Timeline,
    ) -> Self {
        let (agenda, ticks) = (Agenda::new(), Vec::new());
        Self {
            names,
            prepared,
            seed,
            timeline,
            versions: Vec::new(),
            agenda,
            ticks,
            limiters: 0,
            pools: Vec::new(),
            keeps: false,
        }
    }
}

impl<'a> Assembly<'a> {
    /// Builds a node.
    pub fn node(&mut self, id: NodeId, (name, spec): (&str, &'a NodeSpec)) -> Box<dyn Node> {
        self.versions = self.names.versions_of(id, spec);
        built(spec).build(id, &format!("node/{name}"), self)
    }

    /// The services among these versions.
    pub fn steps(&self) -> Vec<&'a ServiceSpec> {
        self.versions.iter().filter_map(|spec| spec.steps()).collect()
    }

    /// A stream of draws: entity (a path of names) and purpose.
    pub fn stream(&self, entity: &str, purpose: &str) -> Stream {
        Stream::new(self.seed, entity, purpose)
    }

    /// A tick of a node.
    pub fn tick(&mut self, node: NodeId, index: u32) -> u32 {
        self.ticks.push((node, index));
        (self.ticks.len() - 1) as u32
    }

    /// The span of a constant delay, on a lane if there is room.
    pub fn span(&mut self, nanos: u64) -> Span {
        Span::constant(nanos, self.agenda.lane(nanos))
    }

    /// A law's sampler.
    pub fn sampler<D: Dimension>(&self, law: &Law<D>) -> Sampler {
        law.compile(self.prepared).expect("the law was checked")
    }

    /// A formula as a demand drawn from the stream of `entity`.
    pub fn demand<D: Dimension>(&mut self, formula: &Formula<D>, entity: &str) -> Demand {
        let terms = formula
            .attributes()
            .map(|(c, name)| (c, self.names.attribute(name).expect("the attribute was checked")))
            .collect();
        let constant = formula.constant().map(|x| {
            let nanos = to_nanos(x);
            Work { nanos, span: self.span(nanos) }
        });
        Demand {
            sampler: formula.compile(self.prepared).expect("the law was checked"),
            stream: self.stream(entity, "draw"),
            terms,
            constant,
            per_key: false,
        }
    }

    /// A fixed number for a path of names, to tell call sites apart.
    pub fn site(path: &str) -> u64 {
        hash_str(0x5174, path)
    }

    /// A node's outside.
    pub fn facts(&self, node: NodeId) -> Facts<'_> {
        self.names.kind(node).facts()
    }
}

/// A kind of node that can be simulated.
pub trait Built: Kind {
    /// Servers: adds what a visit does to a program, with the entry of each operation.
    fn compile(&self, path: &str, program: Program, assembly: &mut Assembly<'_>) -> Program {
        let _ = (path, assembly);
        program
    }
    /// Caches: what each instance can hold.
    fn limits(&self, tables: &dyn Tables) -> Option<Limits> {
        let _ = tables;
        None
    }
    /// Builds it; everything was checked before.
    fn build(&self, id: NodeId, path: &str, assembly: &mut Assembly<'_>) -> Box<dyn Node>;
}

/// A node's spec, as what can be simulated.
pub fn built(node: &NodeSpec) -> &dyn Built {
    of_kind!(node, spec => spec)
}
