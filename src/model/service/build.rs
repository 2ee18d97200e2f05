//! A service's spec: its outside, its checks, its server.

use std::collections::BTreeMap;

use super::{
    BatchSpec, Discipline, FullRoomSpec, ServiceSpec,
    background::Background,
    bulk::Bulk,
    compile::Compiler,
    cores::Cores,
    inbound::{Accepts, Inbound},
    instr::{Instr, Point},
    locks::Locks,
    program::Program,
    quota::QuotaSpec,
    rationed::Rationed,
    room::Room,
    sagas::Sagas,
    server::{Instance, Server, Version, Workers},
};
use crate::{
    cause::Cause,
    engine::{law::DurationLaw, random::Stream},
    model::{
        books::{Area, Unserved},
        build::{Assembly, Built, built},
        ids::NodeId,
        kind::Kind,
        node::Node,
        queue::consumers::Consumers,
        resilience::policy::EdgeState,
        service::{Speedup, parts::AUTH},
    },
    outcome::Outcome,
};

impl Built for ServiceSpec {
    fn compile(&self, path: &str, program: Program, assembly: &mut Assembly<'_>) -> Program {
        self.compile_behind(None, path, program, assembly)
    }

    fn build(&self, id: NodeId, path: &str, assembly: &mut Assembly<'_>) -> Box<dyn Node> {
        let shape = Shape {
            instances: self.facts().instances,
            workers: self.workers.map(|w| w.0),
            cores: self.cores.map(|c| c.0),
            discipline: self.discipline.clone().unwrap_or(Discipline::Fifo),
            speedup: self.speedup.clone(),
            queue: self.queue.map(|q| q.0),
            batch: self.batch,
            quota: self.quota,
        };
        let mut server = self.server(&shape, (id, path), assembly);
        server.push_out = self.full == Some(FullRoomSpec::PushOut);
        let specs: Vec<&ServiceSpec> = assembly.steps();
        let own = Background::new(&specs, (path, shape.instances), assembly);
        server.background = own.map(Box::new);
        server.consumers = Consumers::new(self, (id, shape.instances), assembly).map(Box::new);
        Box::new(server)
    }
}

impl ServiceSpec {
    /// Adds what a visit does to a program; each does this first.
    pub fn compile_behind(
        &self,
        door: Option<Instr>,
        path: &str,
        program: Program,
        assembly: &mut Assembly<'_>,
    ) -> Program {
        let names = assembly.names;
        let mut compiler = Compiler::new(assembly, path.to_owned(), &self.dependencies);
        compiler.program = program;
        compiler.strained = self.limits.as_ref().is_some_and(|limits| limits.strains());
        let mut starts: BTreeMap<String, u16> = BTreeMap::new();
        for (name, steps) in &self.endpoints {
            starts.insert(name.0.clone(), compiler.here());
            compiler.emit(Instr::Begin);
            door.map(|door| compiler.emit(door));
            self.arrive(&mut compiler, &format!("/{}", name.0));
            compiler.steps(steps, &format!("/{}", name.0));
            compiler.emit(Instr::End);
        }
        if self.endpoints.is_empty() {
            starts.insert("default".to_owned(), compiler.here());
            compiler.emit(Instr::Begin);
            door.map(|door| compiler.emit(door));
            self.arrive(&mut compiler, "");
            if let Some(work) = &self.work {
                compiler.work(work, "/work");
            }
            for (i, target) in self.calls.iter().enumerate() {
                let (call, path) = ((None, None, None), ["/calls/", &i.to_string()].concat());
                let bound = compiler.bound(&target.0);
                compiler.call(&target.0, call, false, &path);
                compiler.fallback(&target.0, call, false, &path);
                if let Some(at) = bound {
                    compiler.passed_over(at);
                }
            }
            compiler.emit(Instr::End);
        }
        compiler.program.own.clear();
        for (i, task) in self.background.iter().enumerate() {
            let begin = compiler.emit(Instr::Begin) as u16;
            compiler.program.own.push(begin);
            if task.is_shared() {
                compiler.emit(Instr::Point(Point::Turn));
            }
            compiler.steps(&task.do_, &format!("/background/{i}"));
            compiler.emit(Instr::End);
        }
        for (i, consumed) in self.consumed().enumerate() {
            let begin = compiler.emit(Instr::Begin) as u16;
            compiler.program.own.push(begin);
            compiler.emit(Instr::Point(Point::Batch));
            compiler.steps(&consumed.per_batch, &format!("/consumes/{i}/per_batch"));
            compiler.emit(Instr::End);
        }
        let mut program = compiler.program;
        program.entries = names
            .ops
            .iter()
            .map(|(name, _)| starts.get(name).or_else(|| starts.get("default")).copied())
            .collect();
        program
    }

    /// A server of this shape that does what it says, with its door.
    pub fn server(
        &self,
        shape: &Shape,
        (id, path): (NodeId, &str),
        assembly: &mut Assembly<'_>,
    ) -> Server {
        let patience = self.patience.as_ref().map(|law: &DurationLaw| {
            let formula = crate::engine::law::Formula::from(law.clone());
            assembly.demand(&formula, &format!("{path}/patience"))
        });
        let mut server = shape.server(id, path, assembly);
        server.patience = patience;
        // Those of the instances were the last to be made.
        let first_tick = assembly.ticks.len() as u64 - shape.instances;
        let specs: Vec<&ServiceSpec> = assembly.steps();
        let accepts = server.inbound.as_ref().and_then(|inbound| inbound.accepts);
        let first = (first_tick as u32, accepts);
        server.inbound = Inbound::new(&specs, first, assembly).map(Box::new);
        server
    }
}

/// What bounds a server.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Instances or shards.
    pub instances: u64,
    /// Workers per instance.
    pub workers: Option<u64>,
    /// Cores per instance.
    pub cores: Option<u64>,
    /// Order of service.
    pub discipline: Discipline,
    /// Speed of a shared server.
    pub speedup: Option<Speedup>,
    /// Waiting room.
    pub queue: Option<u64>,
    /// Each core takes several at once.
    pub batch: Option<BatchSpec>,
    /// Processor time of an instance.
    pub quota: Option<QuotaSpec>,
}

impl Shape {
    /// One process that works in the order of arrival, on so many cores at once; on any number if none is given.
    pub fn single(cores: Option<u64>) -> Self {
        let discipline = Discipline::Fifo;
        Self {
            instances: 1,
            workers: None,
            cores,
            discipline,
            speedup: None,
            queue: None,
            batch: None,
            quota: None,
        }
    }

    /// One of its instances, which keeps something in mind about so many edges.
    fn instance(
        &self,
        (id, path): (NodeId, &str),
        (number, edges): (u64, usize),
        assembly: &mut Assembly<'_>,
    ) -> Instance {
        let tick = assembly.tick(id, number as u32);
        let entity = [path, "/", &number.to_string()].concat();
        let stream = |purpose| assembly.stream(&entity, purpose);
        let room = |purpose| Room::new(&self.discipline, stream(purpose));
        let workers = |capacity| Workers { capacity, busy: Area::default(), room: room("worker") };
        Instance {
            workers: self.workers.map(|capacity| Box::new(workers(capacity))),
            cores: self.cores((id, number), tick, stream("core")),
            arrivals: 0,
            departures: 0,
            edges: vec![EdgeState::default(); edges].into(),
            contents: None,
        }
    }

    /// The cores of an instance, which `tick` wakes.
    fn cores(&self, (id, number): (NodeId, u64), tick: u32, stream: Stream) -> Cores {
        let (discipline, speedup) = (&self.discipline, self.speedup.as_ref());
        if let Some(quota) = self.quota {
            // Made before, one for each instance.
            let ticks = [tick, tick - self.instances as u32];
            let at = ((id, number as u16), ticks);
            let rationed = Rationed::new(self.cores, discipline, quota, at, stream);
            return Cores::Rationed(Box::new(rationed));
        }
        match (&self.batch, self.cores) {
            (Some(batch), Some(cores)) => {
                Cores::Bulk(Box::new(Bulk::new(cores, batch, (discipline, speedup), tick, stream)))
            }
            (_, cores) => Cores::new(cores, discipline, speedup, tick, stream),
        }
    }

    /// Where processor time is rationed, each instance has a tick of its own for that.
    fn ticks_of_quotas(&self, id: NodeId, assembly: &mut Assembly<'_>) {
        for i in 0..self.quota.map_or(0, |_| self.instances) {
            assembly.tick(id, (self.instances + i) as u32);
        }
    }

    /// A server of this shape that does what the versions of its node's spec say.
    pub fn server(&self, id: NodeId, path: &str, assembly: &mut Assembly<'_>) -> Server {
        let mut program = Program::default();
        let mut versions = Vec::new();
        for spec in assembly.versions.clone() {
            let before = std::mem::take(&mut program.entries);
            program = built(spec).compile(path, program, assembly);
            // What was on its way is served as before.
            for (entry, before) in program.entries.iter_mut().zip(before) {
                *entry = entry.or(before);
            }
            versions.push(Version {
                entries: program.entries.clone(),
                own: program.own.clone(),
                limits: built(spec).limits(assembly.prepared),
            });
        }
        program.entries.clone_from(&versions[0].entries);
        program.own.clone_from(&versions[0].own);
        if versions.len() == 1 {
            versions.clear();
        }
        let inbound = assembly.names.ends_connections(id).then(|| {
            let far = assembly.names.kind(id).far_end();
            let accepts = Accepts {
                login: program.code.len() as u16,
                keep_alive: far.keep_alive.unwrap_or(u64::MAX),
            };
            // A login stands at the first until its work is done.
            program.code.push(Instr::Begin);
            program.code.push(Instr::Point(Point::LoggedIn));
            Inbound::bare(self.instances, far.most, accepts)
        });
        self.ticks_of_quotas(id, assembly);
        let instances = (0..self.instances)
            .map(|i| self.instance((id, path), (i, program.edges.len()), assembly))
            .collect();
        Server {
            node: id,
            mixed: None,
            unserved: vec![Unserved::default(); self.instances as usize],
            instances,
            queue: self.queue,
            push_out: false,
            patience: None,
            inbound: inbound.map(Box::new),
            copies: None,
            group: None,
            moving: None,
            backups: None,
            background: None,
            consumers: None,
            broker: None,
            log: None,
            relays: None,
            feeding: None,
            environments: None,
            locks: (!program.locks.is_empty())
                .then(|| Box::new(Locks::new(self.instances, assembly.stream(path, "lock")))),
            transactions: (!program.transactions.is_empty()).then(Box::default),
            promises: None,
            overheard: false,
            sagas: (!program.sagas.is_empty()).then(|| Box::new(Sagas::new(&program.sagas))),
            jitter: assembly.stream(path, "jitter"),
            counts_cores: self.cores.is_some() || self.speedup.is_some(),
            quota: self.quota,
            bounds: Vec::new(),
            dropped: Vec::new(),
            finished: Vec::new(),
            frozen: BTreeMap::new(),
            program,
            versions,
        }
    }
}

impl ServiceSpec {
    /// What every request does first: it is checked, and someone is asked whether it may go on.
    fn arrive(&self, compiler: &mut Compiler<'_, '_>, path: &str) {
        let Some(inbound) = &self.inbound else { return };
        if let Some(work) = &inbound.validate {
            compiler.work(work, &format!("{path}/validate"));
        }
        if let Some(auth) = &inbound.auth {
            let op = (AUTH.to_owned(), None);
            let (call, path) = ((Some(&op), None, None), format!("{path}/auth"));
            compiler.call(&auth.0, call, false, &path);
            let site = compiler.program.calls.iter_mut().last().expect("it was just added");
            site.failure = (Outcome::Rejected, Cause::Unauthorized);
            compiler.fallback(&auth.0, call, false, &path);
        }
    }
}
