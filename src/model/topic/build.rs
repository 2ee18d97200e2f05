//! A topic as a server: a log whose brokers answer those who ask, or one that answers and then calls all at the same time.

use super::{
    TopicSpec, coordinator::Coordinator, groups::members, host::Logs, log::Log, reader::Reader,
};
use crate::model::{
    build::{Assembly, Built},
    ids::NodeId,
    node::Node,
    queue::{build::emit_broker, consumes::StartSpec},
    service::{
        build::Shape,
        compile::Compiler,
        program::{AS_IT_IS, Instr, Program},
    },
};

/// What becomes of a message that one of those who are told did not take.
const DROPPED: &str = "dropped";

impl TopicSpec {
    /// What its brokers keep.
    fn logs(&self, id: NodeId, path: &str, assembly: &Assembly<'_>) -> Logs {
        let (names, from) = (assembly.names, assembly.names.design.warm_up);
        let partitions = self.partitions() as u32;
        let brokers = self.instances.map_or(1, |count| count.0) as u16;
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
        Logs::new(log, coordinators, brokers, Assembly::site(path))
    }
}

impl Built for TopicSpec {
    fn compile(&self, path: &str, program: Program, assembly: &mut Assembly<'_>) -> Program {
        let ops = assembly.names.ops.len();
        let mut compiler = Compiler::new(assembly, path.to_owned(), &self.dependencies);
        compiler.program = program;
        if self.is_log() {
            return emit_broker(compiler, (self.publish.as_ref(), self.receive.as_ref()), ops);
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
        let shape = Shape { instances: self.instances.map_or(1, |count| count.0), ..single };
        let mut server = shape.server(id, path, assembly);
        server.log = self.is_log().then(|| Box::new(self.logs(id, path, assembly)));
        Box::new(server)
    }
}
