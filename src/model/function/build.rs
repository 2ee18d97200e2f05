//! A function as a server.

use super::{
    FunctionSpec, GrowthSpec,
    environments::Environments,
    pool::{Pool, Rules},
};
use crate::{
    engine::law::{DurationLaw, Sampler},
    model::{
        build::{Assembly, Built},
        ids::NodeId,
        node::Node,
        queue::consumers::Consumers,
        resilience::rate_limit::RateLimit,
        service::{
            Discipline,
            build::Shape,
            instr::{Instr, Point},
            program::Program,
            room::Room,
        },
    },
};

/// How long an environment is kept when the file says nothing, ns.
const KEEP_ALIVE: f64 = 600e9;
/// How fast they become more then.
const GROWTH: &str = "token_bucket(rate=100/s burst=1000)";

impl FunctionSpec {
    fn rules(&self, entity: &str, assembly: &Assembly<'_>) -> Rules {
        let law = |law: &Option<DurationLaw>, usual: f64, purpose: &str| {
            let sampler = law.as_ref().map(|law| assembly.sampler(law));
            (sampler.unwrap_or(Sampler::Constant(usual)), assembly.stream(entity, purpose))
        };
        let growth = match &self.growth {
            Some(GrowthSpec::Unbounded) => None,
            Some(GrowthSpec::Limited(limit)) => Some(RateLimit::new(limit, None, None)),
            None => {
                let usual = GROWTH.parse().expect("it is well formed");
                Some(RateLimit::new(&usual, None, None))
            }
        };
        Rules {
            most: self.most(),
            provisioned: self.provisioned.map_or(0, |n| n.0 as u32),
            workers: self.workers.map_or(1, |n| n.0 as u32),
            line: self.line(),
            cancel: self.cancel == Some(true),
            growth,
            laws: [
                law(&self.cold_start, 0.0, "cold_start"),
                law(&self.keep_alive, KEEP_ALIVE, "keep_alive"),
            ],
        }
    }
}

impl Built for FunctionSpec {
    fn compile(&self, path: &str, program: Program, assembly: &mut Assembly<'_>) -> Program {
        let door = Instr::Point(Point::Environment);
        let mut program = self.body().compile_behind(Some(door), path, program, assembly);
        program.own.push(program.code.len() as u16);
        program.code.push(Instr::Point(Point::Timer));
        program
    }

    fn build(&self, id: NodeId, path: &str, assembly: &mut Assembly<'_>) -> Box<dyn Node> {
        let shape = Shape { instances: self.pools(), ..Shape::single(None) };
        let mut server = self.body().server(&shape, (id, path), assembly);
        let pool = |inst: u64| {
            let entity = format!("{path}/{inst}");
            let room = Room::new(&Discipline::Fifo, assembly.stream(&entity, "line"));
            Pool::new(self.rules(&entity, assembly), room)
        };
        let pools = (0..self.pools()).map(pool).collect();
        let (memory, from) = (self.memory.map(|memory| memory.0), assembly.names.design.warm_up);
        server.consumers = Consumers::new(self.body(), (id, self.pools()), assembly).map(Box::new);
        server.environments = Some(Box::new(Environments::new(pools, memory, from)));
        Box::new(server)
    }
}
