//! A topic as a server: it answers, and then calls all at the same time.

use super::TopicSpec;
use crate::model::{
    build::{Assembly, Built},
    ids::NodeId,
    node::Node,
    service::{
        build::Shape,
        compile::Compiler,
        program::{AS_IT_IS, Instr, Program},
    },
};

/// What becomes of a message that one of those who are told did not take.
const DROPPED: &str = "dropped";

impl Built for TopicSpec {
    fn compile(&self, path: &str, program: Program, assembly: &mut Assembly<'_>) -> Program {
        let ops = assembly.names.ops.len();
        let mut compiler = Compiler::new(assembly, path.to_owned(), &self.dependencies);
        compiler.program = program;
        let start = compiler.here();
        compiler.emit(Instr::Begin);
        if let Some(work) = &self.publish {
            compiler.work(work, "/publish");
        }
        compiler.emit(Instr::Reply(AS_IT_IS));
        let told = self.to.iter().map(|to| to.0.as_str());
        compiler.fan_out(told, DROPPED, "/to");
        compiler.emit(Instr::End);
        let mut program = compiler.program;
        program.entries = vec![Some(start); ops];
        program
    }

    fn build(&self, id: NodeId, path: &str, assembly: &mut Assembly<'_>) -> Box<dyn Node> {
        let shape = Shape::single(self.cores.map(|c| c.0));
        Box::new(shape.server(id, path, assembly))
    }
}
