//! Who works off messages of queues: what its instances have asked for, and how many batches each is at.
//!
//! **Invariant.** An instance has no more asks out than it has workers for.

use super::{
    RedeliverSpec,
    broker::PATIENCE,
    consumes::{CommitSpec, ConsumeFields},
    host::post,
    post::{Ask, Post},
};
use crate::{
    engine::random::{Stream, mix},
    model::{
        build::Assembly,
        ids::{NodeId, Slot},
        replication::letters::Cargo,
        resilience::policy::Retry,
        service::ServiceSpec,
        span::Span,
        topic::{
            letters::PATIENCE_OF_COPIES,
            member::{Holding, Member},
        },
        world::World,
    },
};

/// How much longer than a broker lets an ask wait its answer may take before it is taken for lost, and how long it takes
/// until who was refused asks again, ns.
pub const AGAIN: u64 = 1_000_000_000;

/// Likewise, where somebody else may answer by then (`retry.backoff.ms` of Apache Kafka), ns.
const AGAIN_ELSEWHERE: u64 = 100_000_000;

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
    /// Of a log: how it is read.
    pub log: Option<Terms>,
}

/// How a log is read.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The group, by the order of their names.
    pub group: u16,
    /// Brokers of the log.
    pub brokers: u16,
    /// Its partitions have copies.
    pub copied: bool,
    /// How often a member says that it is there, ns.
    pub heartbeat: u64,
    /// How often it is put down how far it is, ns; none: after each batch.
    pub commit: Option<u64>,
    /// Tries of a message.
    pub max_receives: u16,
    /// Where dead messages go.
    pub grave: Option<NodeId>,
    /// After how long a message is tried again; none: at once.
    pub backoff: Option<(Retry, Stream)>,
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
    /// It asks again when one more environment may start.
    pub sleeps: bool,
    /// Of a log: what it knows as a member of its group.
    pub member: Member,
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

impl Terms {
    fn of(
        consumed: &ConsumeFields,
        (id, topic): (NodeId, NodeId),
        assembly: &Assembly<'_>,
    ) -> Option<Self> {
        let names = assembly.names;
        names.kind(topic).partitions()?;
        let own = consumed.group.as_ref().map_or(names.name(id), |name| &name.0);
        let group = names.groups(topic).keys().position(|name| *name == own)?;
        let backoff = match &consumed.redeliver {
            Some(RedeliverSpec::Backoff(backoff)) => Some(Retry::waiting(backoff.clone())),
            _ => None,
        };
        let purpose = format!("redeliver/{}", consumed.from.0);
        Some(Self {
            group: group as u16,
            brokers: names.kind(topic).facts().instances as u16,
            copied: names.kind(topic).replication().is_some(),
            heartbeat: consumed.beats_every(),
            commit: match consumed.commit.unwrap_or_default() {
                CommitSpec::Batch => None,
                CommitSpec::Every(time) => Some(time.0),
            },
            max_receives: consumed.max_receives.map_or(u16::MAX, |n| n.0.min(65_000) as u16),
            grave: consumed.dead_letter.as_ref().and_then(|name| names.node(&name.0)),
            backoff: backoff.map(|retry| (retry, assembly.stream(names.name(id), &purpose))),
        })
    }
}

impl Consumers {
    /// Ready to run, if the service consumes anything.
    pub fn new(
        spec: &ServiceSpec,
        (id, instances): (NodeId, u64),
        assembly: &Assembly<'_>,
    ) -> Option<Self> {
        spec.consumed().next()?;
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
                log: Terms::of(consumed, (id, queue), assembly),
            }
        };
        let sources: Vec<Source> = spec.consumed().map(source).collect();
        let mut places = vec![vec![Place::default(); sources.len()]; instances as usize];
        for (at, source) in sources.iter().enumerate().filter(|(_, source)| source.log.is_some()) {
            let held = names.held_at_first(source.queue, (id, at as u16));
            for (inst, partitions) in held {
                places[usize::from(inst)][at].member = Member::holding(partitions.into_iter());
            }
        }
        let all = instances as usize;
        let (leaving, posted) = (vec![false; all], vec![0; all]);
        let first = spec.background.len();
        Some(Self { sources, places, leaving, posted, first, site })
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
    /// An instance asks this; `entry` is where the frame stands that waits for the answer.
    pub fn ask(&mut self, ask: Ask, entry: u16, letter: Post, world: &mut World) {
        let host = ask.from;
        let id = self.next_id(host.1);
        let slot = world.own_frame(host, (mix(id), 0), Cargo::None);
        world.put_post(slot, Post::Asks(ask));
        world.begin_own(slot, entry);
        let log = self.sources[usize::from(ask.source)].log.as_ref();
        let copied = log.is_some_and(|terms| terms.copied);
        let patience = if copied { PATIENCE_OF_COPIES } else { PATIENCE };
        world.arm(slot, Span::of(patience + AGAIN));
        let place = &mut self.places[usize::from(host.1)][usize::from(ask.source)];
        place.number = ask.number;
        place.asks.push((ask.number, slot));
        post((host, (ask.queue, ask.broker)), (id, 0), letter, world);
    }

    /// An instance asks again after so many ns; `entry` is where the frame stands that waits for that.
    pub fn sleep(&mut self, ask: Ask, entry: u16, wait: u64, world: &mut World) {
        let host = ask.from;
        let place = &mut self.places[usize::from(host.1)][usize::from(ask.source)];
        if std::mem::replace(&mut place.sleeps, true) {
            return;
        }
        let slot = world.own_frame(host, (self.next_id(host.1), 0), Cargo::None);
        world.put_post(slot, Post::Asks(Ask { number: 0, ..ask }));
        world.begin_own(slot, entry);
        world.arm(slot, Span::of(wait));
    }

    /// It wakes.
    pub fn wakes(&mut self, inst: u16, ask: Ask, slot: Slot, world: &mut World) {
        self.places[usize::from(inst)][usize::from(ask.source)].sleeps = false;
        world.release(slot);
    }

    /// An ask is answered, or its answer is taken for lost; whether it was still out.
    pub fn end_ask(&mut self, inst: u16, ask: Ask, world: &mut World) -> bool {
        self.end_ask_of(inst, (ask.source, ask.number), world)
    }

    /// Likewise, by what it was for and its number there.
    pub fn end_ask_of(
        &mut self,
        inst: u16,
        (source, number): (u16, u64),
        world: &mut World,
    ) -> bool {
        let place = &mut self.places[usize::from(inst)][usize::from(source)];
        let at = place.asks.iter().position(|(other, _)| *other == number);
        if let Some(at) = at {
            let (_, slot) = place.asks.swap_remove(at);
            world.disarm(slot);
            world.release(slot);
        }
        let asked = |holding: &&mut Holding| holding.asked == number;
        place.member.holds.iter_mut().filter(asked).for_each(|holding| holding.asked = 0);
        at.is_some()
    }

    /// An ask was refused: it is made again in a while.
    pub fn ask_later(&mut self, inst: u16, (source, number): (u16, u64), world: &mut World) {
        let source = usize::from(source);
        let copied = self.sources[source].log.as_ref().is_some_and(|terms| terms.copied);
        let asks = &self.places[usize::from(inst)][source].asks;
        if let Some((_, slot)) = asks.iter().find(|(other, _)| *other == number) {
            world.disarm(*slot);
            world.arm(*slot, Span::of(if copied { AGAIN_ELSEWHERE } else { AGAIN }));
        }
    }
}
