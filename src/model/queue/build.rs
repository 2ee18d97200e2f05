//! A queue as a server.

use super::{
    DeliverySpec, QueueSpec, RedeliverSpec,
    broker::{Broker, Rules},
    host::Brokerage,
    ready::Ready,
};
use crate::engine::law::DurationFormula;
use crate::model::{
    build::{Assembly, Built},
    cache::Capacity,
    ids::NodeId,
    node::Node,
    resilience::policy::Retry,
    service::{
        Discipline,
        build::Shape,
        compile::Compiler,
        instr::{AS_IT_IS, Instr, Point},
        program::Program,
    },
};

impl QueueSpec {
    fn rules(&self, path: &str, assembly: &Assembly<'_>) -> Rules {
        let backoff = match &self.redeliver {
            Some(RedeliverSpec::Backoff(backoff)) => Some(Retry::waiting(backoff.clone())),
            _ => None,
        };
        let (messages, bytes) = match self.capacity {
            None => (u64::MAX, u64::MAX),
            Some(Capacity::Entries(n)) => (n, u64::MAX),
            Some(Capacity::Bytes(n)) => (u64::MAX, n),
        };
        let at_once = matches!(self.redeliver, None | Some(RedeliverSpec::AtOnce));
        Rules {
            room: (messages, bytes),
            full: self.full.unwrap_or_default(),
            once: self.delivery == Some(DeliverySpec::AtMostOnce),
            visibility: self.visible_after(),
            max_receives: self.max_receives.map_or(u16::MAX, |n| n.0.min(65_000) as u16),
            buries: self.dead_letter.is_some(),
            at_once,
            backoff: backoff.map(|retry| (retry, assembly.stream(path, "redeliver"))),
            retention: self.retention.map_or(0, |time| time.0),
            delay: self.delay.map_or(0, |time| time.0),
            in_order: self.order.is_some(),
            dedupe: self.dedupe.map_or(0, |time| time.0),
            durable: self.durable != Some(false),
            aged: assembly.names.is_aged(path.rsplit('/').next().unwrap_or(path)),
            from: assembly.names.design.warm_up,
        }
    }
}

/// What a broker does: it accepts messages, hands them out, and has a clock.
pub fn emit_broker(
    mut compiler: Compiler<'_, '_>,
    (publish, receive): (Option<&DurationFormula>, Option<&DurationFormula>),
    answers_first: bool,
    ops: usize,
) -> Program {
    let start = compiler.here();
    compiler.emit(Instr::Begin);
    if answers_first {
        compiler.emit(Instr::Reply(AS_IT_IS));
    }
    let accept = compiler.here();
    if let Some(work) = publish {
        compiler.work(work, "/publish");
    }
    compiler.emit(Instr::Point(Point::Publish));
    compiler.emit(Instr::End);
    compiler.program.own = vec![accept];
    emit_hand_outs(&mut compiler, receive);
    let mut program = compiler.program;
    program.entries = vec![Some(start); ops];
    program
}

/// What a broker does to hand messages out; its clock.
pub fn emit_hand_outs(compiler: &mut Compiler<'_, '_>, receive: Option<&DurationFormula>) {
    let leave = compiler.here();
    if let Some(work) = receive {
        compiler.work(work, "/receive");
    }
    compiler.emit(Instr::Point(Point::Leave));
    let clock = compiler.emit(Instr::Point(Point::Timer)) as u16;
    compiler.program.own.extend([leave, clock]);
}

impl Built for QueueSpec {
    fn compile(&self, path: &str, program: Program, assembly: &mut Assembly<'_>) -> Program {
        let ops = assembly.names.ops.len();
        let none = std::collections::BTreeMap::new();
        let mut compiler = Compiler::new(assembly, path.to_owned(), &none);
        compiler.program = program;
        emit_broker(compiler, (self.publish.as_ref(), self.receive.as_ref()), false, ops)
    }

    fn build(&self, id: NodeId, path: &str, assembly: &mut Assembly<'_>) -> Box<dyn Node> {
        let shape = Shape::single(self.cores.map(|c| c.0));
        let mut server = shape.server(id, path, assembly);
        let discipline = self.discipline.clone().unwrap_or(Discipline::Fifo);
        let ready = Ready::new(&discipline, assembly.stream(path, "ready"));
        let broker = Broker::new(self.rules(path, assembly), ready);
        let buries = self.dead_letter.as_ref().and_then(|name| assembly.names.node(&name.0));
        server.broker = Some(Box::new(Brokerage::new(broker, buries, Assembly::site(path))));
        Box::new(server)
    }
}
