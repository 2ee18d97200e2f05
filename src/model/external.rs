//! A dependency whose inside is unknown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::{DurationFormula, Table},
    model::{
        build::Assembly,
        check,
        ids::NodeId,
        kind::{Facts, Kind, Outgoing, Reach, Visit},
        names::{Names, Op},
        network::ZonesSpec,
        node::Node,
        service::{
            Discipline,
            build::Shape,
            compile::Compiler,
            program::{Chance, Instr, Program},
        },
    },
    problem::Problems,
    units::Fraction,
};

/// A dependency whose inside is unknown, described by its latency and its fraction of errors. It
/// never saturates.
///
/// ```yaml
/// payments: {external: {latency: lognormal(median=30ms p99=200ms), errors: 0.5%}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExternalSpec {
    /// Time from the arrival of a request until its reply leaves.
    pub latency: DurationFormula,
    /// Fraction of requests answered with an error, after the latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Fraction>,
    /// Size of a reply, for links with bandwidth; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<crate::engine::law::SizeFormula>,
    /// Where it stands; without it, in its caller's zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<ZonesSpec>,
}

impl Kind for ExternalSpec {
    fn facts(&self) -> Facts<'_> {
        Facts {
            kind: "external",
            instances: 1,
            need: 1,
            capacity: None,
            zones: self.zones.as_ref(),
            floats: true,
            reach: Reach::Any,
            detail: self.latency.to_string(),
        }
    }

    fn files(&self) -> Vec<(Table, String)> {
        let sizes = self.reply.iter().flat_map(crate::engine::law::SizeFormula::tables);
        self.latency.tables().into_iter().chain(sizes).collect()
    }

    fn carries(&self) -> bool {
        self.reply.is_some() || self.latency.attributes().next().is_some()
    }

    fn outgoing(&self, _path: &str) -> Vec<Outgoing> {
        Vec::new()
    }

    fn visit(&self, _op: &Op) -> Visit {
        Visit { least: self.latency.min_value(), work: 0.0 }
    }

    fn check(&self, path: &str, names: &Names, problems: &mut Problems) {
        check::formula(&self.latency, &format!("{path}.latency"), names, problems);
        if let Some(size) = &self.reply {
            check::formula(size, &format!("{path}.reply"), names, problems);
        }
    }

    fn changeable(&self) -> &'static [&'static str] {
        &["latency", "errors", "reply"]
    }

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
        let shape = Shape {
            instances: 1,
            workers: None,
            cores: None,
            discipline: Discipline::Fifo,
            speedup: None,
            queue: None,
        };
        Box::new(shape.server(id, path, assembly))
    }
}
