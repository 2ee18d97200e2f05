//! Who works off messages of queues: what its instances have asked for, and how many batches each is at.
//!
//! **Invariant.** An instance has no more asks out than it has workers for.

use super::{
    broker::PATIENCE,
    consumes::ConsumeFields,
    host::post,
    post::{Ask, Post},
};
use crate::{
    engine::random::mix,
    model::{
        build::Assembly,
        ids::{Host, NodeId, Slot},
        replication::letters::Cargo,
        service::ServiceSpec,
        span::Span,
        world::World,
    },
};

/// How much longer than a broker lets an ask wait its answer may take before it is taken for lost, and how long it takes
/// until who was refused asks again, ns.
const AGAIN: u64 = 1_000_000_000;

/// A queue whose messages are worked off.
#[derive(Clone, Debug)]
pub struct Source {
    /// It.
    pub queue: NodeId,
    /// It lets go of what it hands out: nobody has to tell it what became of that.
    pub forgets: bool,
    /// How many messages are asked for at once.
    pub batch: u32,
    /// How long the broker waits for so many, ns.
    pub linger: u64,
    /// Those of a batch that went well count though others failed.
    pub partial: bool,
    /// Tells its visits from those of other consumers.
    pub salt: u64,
}

/// How an instance stands with one of them.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Numbers of the asks that are out, and the frames that wait for their answers.
    pub asks: Vec<(u64, Slot)>,
    /// The last number.
    pub number: u64,
    /// Batches that are worked off, or wait for a worker.
    pub batches: u64,
}

/// Which messages the instances of a server work off.
#[derive(Clone, Debug)]
pub struct Consumers {
    /// The queues.
    pub sources: Vec<Source>,
    /// Of each instance, source by source.
    pub places: Vec<Vec<Place>>,
    /// Instances that are about to restart.
    pub leaving: Vec<bool>,
    /// Letters each has posted.
    posted: Vec<u64>,
    /// Where the first of their batches stands among what instances do unasked.
    pub first: usize,
    pub site: u64,
}

impl Consumers {
    /// Ready to run, if the service consumes anything.
    pub fn new(
        spec: &ServiceSpec,
        (id, instances): (NodeId, u64),
        assembly: &Assembly<'_>,
    ) -> Option<Self> {
        let names = assembly.names;
        let site = Assembly::site(names.name(id));
        let source = |consumed: &ConsumeFields| {
            let queue = names.node(&consumed.from.0).expect("references were checked");
            Source {
                queue,
                forgets: names.kind(queue).forgets_handouts(),
                batch: consumed.batch.map_or(1, |n| n.0 as u32),
                linger: consumed.linger.map_or(0, |time| time.0),
                partial: consumed.partial == Some(true),
                salt: mix(site ^ Assembly::site(&consumed.from.0)),
            }
        };
        let sources: Vec<Source> = spec.consumed().map(source).collect();
        let places = vec![vec![Place::default(); sources.len()]; instances as usize];
        let all = instances as usize;
        let (leaving, posted) = (vec![false; all], vec![0; all]);
        let first = spec.background.len();
        (!sources.is_empty()).then_some(Self { sources, places, leaving, posted, first, site })
    }

    /// The identity for draws of the next thing an instance sends or does.
    pub fn next_id(&mut self, inst: u16) -> u64 {
        let posted = &mut self.posted[usize::from(inst)];
        *posted += 1;
        mix(mix(self.site ^ u64::from(inst)).rotate_left(17) ^ mix(*posted))
    }

    /// An instance is about to restart: it asks for nothing.
    pub fn withdraw(&mut self, inst: u16, out: bool) {
        self.leaving[usize::from(inst)] = out;
    }
}

impl Consumers {
    /// An instance asks; `entry` is where the frame stands that waits for the answer.
    pub fn ask(&mut self, (host, source): (Host, usize), entry: u16, world: &mut World) {
        let Source { queue, batch, linger, .. } = self.sources[source];
        let id = self.next_id(host.1);
        let place = &mut self.places[usize::from(host.1)][source];
        place.number += 1;
        let number = place.number;
        let ask = Ask { from: host, queue, source: source as u16, number, batch, linger };
        let slot = world.own_frame(host, (mix(id), 0), Cargo::None);
        world.put_post(slot, Post::Asks(ask));
        world.begin_own(slot, entry);
        world.arm(slot, Span::of(PATIENCE + AGAIN));
        place.asks.push((number, slot));
        post((host, (queue, 0)), (id, 0), Post::Ask(ask), world);
    }

    /// An ask is answered, or its answer is taken for lost.
    pub fn end_ask(&mut self, inst: u16, ask: Ask, world: &mut World) {
        let asks = &mut self.places[usize::from(inst)][usize::from(ask.source)].asks;
        if let Some(at) = asks.iter().position(|(number, _)| *number == ask.number) {
            let (_, slot) = asks.swap_remove(at);
            world.disarm(slot);
            world.release(slot);
        }
    }

    /// An ask was refused: it is made again in a while.
    pub fn ask_later(&mut self, inst: u16, ask: Ask, world: &mut World) {
        let asks = &self.places[usize::from(inst)][usize::from(ask.source)].asks;
        if let Some((_, slot)) = asks.iter().find(|(number, _)| *number == ask.number) {
            world.disarm(*slot);
            world.arm(*slot, Span::of(AGAIN));
        }
    }
}
