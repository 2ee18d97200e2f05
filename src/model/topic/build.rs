//! A topic as a server: a log whose brokers answer those who ask, or one that answers and then calls all at the same time.

use super::{
    AckWhenSpec, TopicSpec, coordinator::Coordinator, groups::members, host::Logs, log::Log,
    reader::Reader, replicated::Replicated,
};
use crate::{
    cause::Cause,
    model::{
        build::{Assembly, Built},
        ids::NodeId,
        kind::Kind,
        node::Node,
        queue::{
            build::{emit_broker, emit_hand_outs},
            consumes::StartSpec,
        },
        replication::group::{Group, Parts, Value},
        service::{
            build::Shape,
            compile::Compiler,
            instr::{AS_IT_IS, Instr, Point},
            program::Program,
        },
    },
    replication::{
        Peer,
        disk::Mode,
        process::Process,
        raft::{Config, Raft},
    },
};

/// What becomes of a message that one of those who are told did not take.
const DROPPED: Cause = Cause::Dropped;

impl TopicSpec {
    /// What its brokers keep.
    fn logs(&self, id: NodeId, path: &str, assembly: &Assembly<'_>) -> Logs {
        let (names, from) = (assembly.names, assembly.names.design.warm_up);
        let partitions = self.partitions() as u32;
        let brokers = self.brokers() as u16;
        let (mut readers, mut coordinators) = (Vec::new(), Vec::new());
        for (name, of) in names.groups(id) {
            let first = of[0].consumes;
            let latest = first.start.unwrap_or_default() == StartSpec::Latest;
            readers.push(Reader::new(name.to_owned(), latest, partitions, from));
            let rules =
                (first.rebalance.unwrap_or_default(), first.silent_for(), first.beats_every());
            coordinators.push(Coordinator::new(rules, &members(&of), partitions, from));
        }
        let retention = self.retention.map_or(0, |time| time.0);
        let log = Log::new((partitions, brokers), readers, retention, from);
        let early = self.ack.unwrap_or_default() != AckWhenSpec::All;
        let each = self.copies() as u16;
        let copies = self.replication().map(|_| Replicated::new((partitions, each), early, from));
        let log = if copies.is_some() { log.with_copies() } else { log };
        Logs::new(log, coordinators, copies, (brokers, Assembly::site(path)))
    }
}

impl TopicSpec {
    /// What copies of partitions do: those of a store, and what brokers do.
    fn emit_copies(&self, mut compiler: Compiler<'_, '_>, ops: usize) -> Program {
        // An event of its own even if it takes no time: entries applied one after the other would recurse.
        let nothing = "0s".parse().expect("it is a law");
        let work = self.publish.as_ref().unwrap_or(&nothing);
        let publish = |compiler: &mut Compiler<'_, '_>| compiler.work(work, "/publish");
        let start = compiler.here();
        compiler.emit(Instr::Begin);
        compiler.emit(Instr::Point(Point::Arrived { write: true }));
        if self.ack == Some(AckWhenSpec::None) {
            compiler.emit(Instr::Reply(AS_IT_IS));
        }
        publish(&mut compiler);
        compiler.emit(Instr::Point(Point::Worked { write: true }));
        compiler.emit(Instr::End);
        compiler.program.own.clear();
        // In the order `service/replicas.rs` knows: the copies of a log read nothing, and apply what was published.
        for _ in 0..3 {
            let at = compiler.here();
            publish(&mut compiler);
            compiler.emit(Instr::Point(Point::Told));
            compiler.program.own.push(at);
        }
        let timer = compiler.emit(Instr::Point(Point::Timer)) as u16;
        compiler.program.own.push(timer);
        let accept = compiler.here();
        publish(&mut compiler);
        compiler.emit(Instr::Point(Point::Worked { write: true }));
        compiler.emit(Instr::Point(Point::Publish));
        compiler.program.own.push(accept);
        emit_hand_outs(&mut compiler, self.receive.as_ref());
        let mut program = compiler.program;
        program.entries = vec![Some(start); ops];
        program
    }

    /// The copies of its partitions, if it has any.
    fn group(&self, id: NodeId, path: &str, assembly: &Assembly<'_>) -> Option<Group> {
        let spec = self.replication()?;
        let raft = spec.raft.as_ref()?;
        let config = Config { keeps: false, ..raft.config(Mode::Each, 1) };
        let process = |me| Process::Raft(Box::new(Raft::new(config, me)));
        Some(Group::new(Parts {
            node: (id, Assembly::site(path)),
            shards: self.partitions() as usize,
            each: self.copies() as u16,
            led: true,
            processes: (0..self.brokers() as Peer).map(process).collect(),
            draws: spec.draws(None, path, assembly),
            value: Value::IsKey,
            deletes: Vec::new(),
            callers: Vec::new(),
            measured_from: assembly.names.design.warm_up,
        }))
    }
}

impl Built for TopicSpec {
    fn compile(&self, path: &str, program: Program, assembly: &mut Assembly<'_>) -> Program {
        let ops = assembly.names.ops.len();
        let mut compiler = Compiler::new(assembly, path.to_owned(), &self.dependencies);
        compiler.program = program;
        if self.replication().is_some() {
            return self.emit_copies(compiler, ops);
        }
        if self.is_log() {
            let works = (self.publish.as_ref(), self.receive.as_ref());
            return emit_broker(compiler, works, self.ack == Some(AckWhenSpec::None), ops);
        }
        let start = compiler.here();
        compiler.emit(Instr::Begin);
        if let Some(work) = &self.publish {
            compiler.work(work, "/publish");
        }
        compiler.emit(Instr::Reply(AS_IT_IS));
        let told = self.told().iter().map(|to| to.0.as_str());
        compiler.fan_out(told, DROPPED, "/to");
        compiler.emit(Instr::End);
        let mut program = compiler.program;
        program.entries = vec![Some(start); ops];
        program
    }

    fn build(&self, id: NodeId, path: &str, assembly: &mut Assembly<'_>) -> Box<dyn Node> {
        let single = Shape::single(self.cores.map(|c| c.0));
        let shape = Shape { instances: self.brokers(), ..single };
        let mut server = shape.server(id, path, assembly);
        server.group = self.group(id, path, assembly).map(Box::new);
        server.log = self.is_log().then(|| Box::new(self.logs(id, path, assembly)));
        Box::new(server)
    }
}
