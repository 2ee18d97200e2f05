//! A store as a server.

use crate::{
    engine::law::DurationFormula,
    model::{
        build::{Assembly, Built},
        ids::NodeId,
        kind::{Kind, Verb},
        node::Node,
        service::{
            Discipline,
            build::Shape,
            compile::Compiler,
            program::{Instr, Program},
        },
        store::StoreSpec,
    },
};

impl Built for StoreSpec {
    fn compile(&self, path: &str, program: Program, assembly: &mut Assembly<'_>) -> Program {
        let names = assembly.names;
        let none = std::collections::BTreeMap::new();
        let mut compiler = Compiler::new(assembly, path.to_owned(), &none);
        compiler.program = program;
        let mut endpoint = |name: &str, work: &DurationFormula, replies: bool| {
            let start = compiler.here();
            compiler.emit(Instr::Begin);
            let demand = compiler.demand(work, &format!("/{name}"));
            compiler.emit(Instr::Work(demand));
            if let Some(size) = self.value_size.as_ref().filter(|_| replies) {
                let mut size = compiler.assembly.demand(size, &format!("{path}/value_size"));
                // Drawn once per key: the same value whenever it is read.
                size.per_key = true;
                compiler.program.replies.push(size);
                let reply = compiler.program.replies.len() as u16 - 1;
                compiler.emit(Instr::Reply(reply));
            }
            compiler.emit(Instr::End);
            start
        };
        let read = endpoint("read", &self.read, true);
        let write = endpoint("write", self.write.as_ref().unwrap_or(&self.read), false);
        let mut program = compiler.program;
        // A plain call reads the request's key (`semantics.md` 52).
        program.entries = names
            .ops
            .iter()
            .map(|op| Some(if matches!(op.1, None | Some(Verb::Read)) { read } else { write }))
            .collect();
        program
    }

    fn build(&self, id: NodeId, path: &str, assembly: &mut Assembly<'_>) -> Box<dyn Node> {
        let shape = Shape {
            instances: self.facts().instances,
            workers: None,
            cores: self.cores.map(|c| c.0),
            discipline: self.discipline.clone().unwrap_or(Discipline::Fifo),
            speedup: None,
            queue: self.queue.map(|q| q.0),
        };
        Box::new(shape.server(id, path, assembly))
    }
}
