//! A dependency as a server of its own.

use crate::model::{
    build::{Assembly, Built},
    external::ExternalSpec,
    ids::NodeId,
    node::Node,
    service::{
        build::Shape,
        compile::Compiler,
        instr::Instr,
        program::{Chance, Program},
    },
};

impl Built for ExternalSpec {
    fn compile(&self, path: &str, program: Program, assembly: &mut Assembly<'_>) -> Program {
        let ops = assembly.names.ops.len();
        let none = std::collections::BTreeMap::new();
        let mut compiler = Compiler::new(assembly, path.to_owned(), &none);
        compiler.program = program;
        let start = compiler.here();
        compiler.emit(Instr::Begin);
        let latency = compiler.demand(&self.latency, "/latency");
        compiler.emit(Instr::Wait(latency));
        if let Some(errors) = self.errors {
            let stream = compiler.assembly.stream(path, "errors");
            let chance = Chance { probability: errors.0, optional: false, stream };
            compiler.program.chances.push(chance);
            compiler.emit(Instr::Fail(compiler.program.chances.len() as u16 - 1));
        }
        if let Some(size) = &self.reply {
            let size = compiler.assembly.demand(size, &format!("{path}/reply"));
            compiler.program.replies.push(size);
            compiler.emit(Instr::Reply(compiler.program.replies.len() as u16 - 1));
        }
        compiler.emit(Instr::End);
        let mut program = compiler.program;
        program.entries = vec![Some(start); ops];
        program
    }

    fn build(&self, id: NodeId, path: &str, assembly: &mut Assembly<'_>) -> Box<dyn Node> {
        let shape = Shape::single(None);
        Box::new(shape.server(id, path, assembly))
    }
}
