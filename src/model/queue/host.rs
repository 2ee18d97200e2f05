//! A queue's broker as its server hosts it: publishers that wait for room, its clock, and what is sent.
//!
//! **Invariant.** Publishers are let in in the order in which they came.

use std::{collections::VecDeque, sync::Arc};

use super::{
    broker::Broker,
    counts::QueueMeasured,
    post::{Post, Record, Sender, Shows},
};
use crate::{
    engine::{random::mix, table::Table},
    model::{
        frame::NOBODY,
        ids::{Host, NONE, NodeId, Slot},
        replication::letters::{Cargo, Envelope},
        service::instr::{Instr, Point},
        world::World,
    },
};

/// A queue's broker, and what it has to do with the rest of the world.
#[derive(Debug)]
pub struct Brokerage {
    /// What it keeps.
    pub broker: Broker,
    /// Where dead messages go.
    pub buries: Option<NodeId>,
    /// Publishers that wait for room, by the frames of their visits.
    pub blocked: VecDeque<(Slot, u64)>,
    /// The frame of its clock, and for when it is set.
    pub clock: Slot,
    pub set_for: Option<u64>,
    pub site: u64,
    posted: u64,
}

impl Brokerage {
    /// Ready to run.
    pub fn new(broker: Broker, buries: Option<NodeId>, site: u64) -> Self {
        let blocked = VecDeque::new();
        Self { broker, buries, blocked, clock: NONE, set_for: None, site, posted: 0 }
    }

    /// The identity for draws of the next thing it sends or does.
    pub fn next_id(&mut self) -> u64 {
        self.posted += 1;
        mix(self.site.rotate_left(29) ^ mix(self.posted))
    }

    /// What became of its messages.
    pub fn measured(&self) -> QueueMeasured {
        QueueMeasured {
            counts: self.broker.measured(),
            most: self.broker.most,
            age: self.broker.age.clone(),
            ..QueueMeasured::default()
        }
    }
}

/// Sends something about messages.
pub fn post((from, to): (Host, Host), (id, size): (u64, u64), what: Post, world: &mut World) {
    world.post(Envelope { from, to, id, size }, Cargo::Post(Box::new(what)));
}

/// The message that a visit of a broker brings.
pub fn record(slot: Slot, world: &World) -> Record {
    let f = &world.frames[slot];
    let identity = world.data.as_ref().map_or(f.id, |data| data.repeated.identity((slot, f.id)));
    let mut record = Record {
        identity,
        key: f.key,
        accepted: 0,
        order: 0,
        size: 0,
        sender: None,
        op: f.op,
        priority: 100,
        shows: None,
    };
    if let Some(views) = world.data.as_ref().and_then(|data| data.views.as_ref()) {
        let known = views.known(slot);
        record.shows = (!known.is_empty()).then(|| Arc::new(Shows(known.into())));
    }
    if world.carries {
        let extra = world.frames.extra(slot);
        (record.size, record.priority) = (extra.size, extra.priority);
        let attributes = world.attributes.row_of(extra.attributes);
        let sender = Sender {
            intended: extra.intended,
            session: extra.session,
            client: extra.client,
            operation: extra.request_op,
            attributes: attributes.map(Into::into),
        };
        record.sender = (extra.client != NOBODY).then(|| sender.into());
    }
    record
}

impl Brokerage {
    /// Publishers that waited for room, in their order, as far as there is some: their visits go on.
    pub fn admit(&mut self, node: NodeId, code: &Table<Instr>, world: &mut World) -> Vec<Slot> {
        let mut admitted = Vec::new();
        while let Some(&(slot, id)) = self.blocked.front() {
            let f = &world.frames[slot];
            let waits = (f.id, f.node, f.armed) == (id, node, 0)
                && code[usize::from(f.pc)] == Instr::Point(Point::Publish);
            if waits {
                let message = record(slot, world);
                if !self.broker.takes(message.size) {
                    break;
                }
                let delay = match world.take_post(slot) {
                    Some(Post::Delay(delay)) => Some(delay),
                    _ => None,
                };
                let _ = self.broker.offer(message, delay, world.now());
                admitted.push(slot);
            }
            self.blocked.pop_front();
        }
        admitted
    }
}
