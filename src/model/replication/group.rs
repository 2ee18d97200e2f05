//! The processes of a store with replicas, their timers and draws (`service/replicas.rs` is their host).
//!
//! **Invariant.** The draws of a process do not depend on what others draw.

use super::{
    healing::Healing,
    letters::{Cargo, Envelope, News},
    tally::{ReplicasMeasured, Tally},
};
use crate::{
    engine::{
        law::{Sampler, to_nanos},
        random::{Stream, mix},
    },
    model::{
        clock::run::Reading,
        demand::Demand,
        ids::{Host, NONE, NodeId, Slot},
        span::Span,
        world::World,
    },
    replication::{
        Context, Effect, Fences, Law, Laws, Message, Peer, Post, Timer, process::Process,
    },
};

/// Laws that replicas draw from, and the streams of their draws.
#[derive(Clone, Debug)]
pub struct Draws {
    /// By [`Law`].
    pub laws: [Option<(Sampler, Stream)>; Law::ALL.len()],
    /// Of choices.
    pub choices: Stream,
}

/// Draws made so far, by law, then choices.
type Drawn = [u64; Law::ALL.len() + 1];

/// One instance.
#[derive(Clone, Debug)]
pub struct Member {
    /// What it is.
    pub process: Process,
    /// Frames of its timers.
    pub timers: [Slot; TIMERS],
    /// When each is due.
    due: [u64; TIMERS],
    /// Draws made so far, by law, then choices.
    drawn: Drawn,
    /// What tells its draws from those of others.
    identity: u64,
    /// Letters posted and works begun so far, which tell their draws apart.
    posted: u64,
    /// Callers it has yet to tell who leads.
    pub to_tell: Vec<(Host, News)>,
    /// What it held is gone: it is to start with nothing.
    pub wiped: bool,
}

/// Timers of a process: the protocol's own and, last, the host's.
const TIMERS: usize = 16;
/// The timer to tell callers again who leads.
pub const TELL: Timer = TIMERS as Timer - 1;

/// The replicas of a server.
#[derive(Debug)]
pub struct Group {
    /// The node.
    pub node: NodeId,
    /// Hash of its name.
    site: u64,
    /// Replicas of each shard.
    pub each: u16,
    /// One of each shard leads, by a log.
    pub led: bool,
    /// Instances that hold data; the others observe.
    pub serving: usize,
    /// Its processes, by instance.
    pub members: Vec<Member>,
    draws: Draws,
    value: Value,
    /// Whether an operation, by number, deletes.
    pub deletes: Vec<bool>,
    /// Who calls the node: whom to tell who leads.
    pub callers: Vec<Host>,
    /// What is to be done for whoever was told something last.
    pub effects: Vec<Effect>,
    /// Under which locks versions were written, if any were.
    pub fences: Option<Box<Fences>>,
    /// What those who look on are told.
    pub tally: Tally,
    /// What they lack after faults.
    pub healing: Healing,
}

/// What a group is made of.
#[derive(Debug)]
pub struct Parts {
    /// The node and a hash of its name.
    pub node: (NodeId, u64),
    /// Shards.
    pub shards: usize,
    /// Replicas of each.
    pub each: u16,
    /// One of each shard leads, at first the first.
    pub led: bool,
    /// The processes, by instance.
    pub processes: Vec<Process>,
    /// Their draws.
    pub draws: Draws,
    /// Bytes of what is kept of a key.
    pub value: Value,
    /// Whether an operation, by number, deletes.
    pub deletes: Vec<bool>,
    /// Who calls the node.
    pub callers: Vec<Host>,
    /// Start of the measured span, ns.
    pub measured_from: u64,
}

/// Bytes of what is kept of a key.
#[derive(Clone, Debug)]
pub enum Value {
    /// None that count.
    Nothing,
    /// So many.
    Of(Demand),
    /// The key says it: entries of a log are of no key.
    IsKey,
}

impl Value {
    /// Bytes of a message.
    #[inline]
    fn size(&self, message: &Message) -> u64 {
        if matches!(self, Self::Nothing) { 0 } else { self.size_of(message) }
    }

    #[inline(never)]
    fn size_of(&self, message: &Message) -> u64 {
        let mut size = 0u64;
        message.keys(&mut |key| {
            let more = if let Self::Of(value) = self { value.of_key(key) } else { key };
            size = size.saturating_add(more);
        });
        size
    }
}

/// The identity for draws of the next thing that a member of this one sends or does.
#[inline]
fn next_id(identity: u64, posted: &mut u64) -> u64 {
    *posted += 1;
    mix(identity.rotate_left(23) ^ mix(*posted))
}

/// The messages that one member sends.
struct Outbox<'d> {
    identity: u64,
    posted: &'d mut u64,
    from: Host,
    value: &'d Value,
    world: &'d mut World,
}

impl Post for Outbox<'_> {
    fn post(&mut self, to: Peer, message: Message) {
        let (from, id) = (self.from, next_id(self.identity, self.posted));
        let envelope = Envelope { from, to: (from.0, to), id, size: self.value.size(&message) };
        let slot = self.world.begin_message(&envelope, message.work());
        if let Some(letters) = &mut self.world.letters {
            // It is put together where it stays: on the way there it would be read in wider pieces than it was written in,
            // which stalls.
            *letters.first(slot) = Cargo::Message(from.1, message);
        }
        self.world.post_message(slot, envelope);
    }
}

/// The draws of one member.
struct Own<'d> {
    draws: &'d Draws,
    drawn: &'d mut Drawn,
    identity: u64,
}

impl Own<'_> {
    fn next(&mut self, which: usize) -> u64 {
        self.drawn[which] += 1;
        mix(self.identity ^ mix(self.drawn[which]))
    }
}

impl Laws for Own<'_> {
    fn draw(&mut self, law: Law) -> u64 {
        let which = law as usize;
        let Some((sampler, stream)) = &self.draws.laws[which] else { return 0 };
        let stream = *stream;
        let index = self.next(which);
        to_nanos(sampler.sample(&mut stream.draw_mixed(index)))
    }

    fn below(&mut self, n: u64) -> u64 {
        let index = self.next(Law::ALL.len());
        self.draws.choices.draw_mixed(index).below(n)
    }
}

impl Group {
    /// A group of processes that have not started.
    pub fn new(parts: Parts) -> Self {
        let Parts { node: (node, site), each, led, processes, draws, value, .. } = parts;
        let (callers, deletes) = (parts.callers, parts.deletes);
        let shards = parts.shards;
        let own_logs = processes.iter().any(Process::has_own_log);
        let instances = (processes.len(), own_logs);
        let mut tally = Tally::new((shards, each), instances, parts.measured_from);
        if led {
            tally.begin((0..shards as u16).map(|shard| shard * each));
        }
        let member = |(inst, process): (usize, Process)| Member {
            identity: mix(site ^ inst as u64),
            process,
            timers: [NONE; TIMERS],
            due: [0; TIMERS],
            drawn: Drawn::default(),
            posted: 0,
            to_tell: Vec::new(),
            wiped: false,
        };
        let members: Vec<Member> = processes.into_iter().enumerate().map(member).collect();
        Self {
            node,
            site,
            each,
            led,
            serving: shards * usize::from(each),
            tally,
            healing: Healing::default(),
            members,
            draws,
            value,
            deletes,
            callers,
            effects: Vec::new(),
            fences: None,
        }
    }

    /// The shard of a replica.
    pub fn shard(&self, inst: Peer) -> u16 {
        inst / self.each
    }

    /// What a place in the order of versions is of: the shard where that is a log, else the key.
    pub fn unit(&self, inst: Peer, key: u64) -> u64 {
        if self.led { self.shard(inst).into() } else { key }
    }

    /// Says that what a process holds of a key will be asked for soon.
    #[inline(always)]
    pub fn expect(&self, inst: Peer, key: u64) {
        self.members[usize::from(inst)].process.expect(key);
    }

    /// A process is told something: what it sends at once is on its way then, the rest of what it wants done is in
    /// [`Group::effects`].
    #[inline(always)]
    pub fn tell(
        &mut self,
        inst: Peer,
        Reading { steady: now, wall }: Reading,
        world: &mut World,
        what: impl FnOnce(&mut Process, &mut Context<'_>),
    ) {
        let member = &mut self.members[usize::from(inst)];
        let mut laws =
            Own { draws: &self.draws, drawn: &mut member.drawn, identity: member.identity };
        let mut post = Outbox {
            identity: member.identity,
            posted: &mut member.posted,
            from: (self.node, inst),
            value: &self.value,
            world,
        };
        let mut context = Context {
            now,
            wall,
            laws: &mut laws,
            effects: &mut self.effects,
            fences: self.fences.as_deref(),
            post: Some(&mut post),
        };
        what(&mut member.process, &mut context);
    }

    /// The identity for draws of the next thing a process sends or does.
    pub fn next_id(&mut self, inst: Peer) -> u64 {
        let member = &mut self.members[usize::from(inst)];
        next_id(member.identity, &mut member.posted)
    }

    /// Sends a message of a process.
    pub fn send(&mut self, inst: Peer, (to, message): (Peer, Message), world: &mut World) {
        let member = &mut self.members[usize::from(inst)];
        let (identity, posted) = (member.identity, &mut member.posted);
        let from = (self.node, inst);
        Outbox { identity, posted, from, value: &self.value, world }.post(to, message);
    }

    /// An instance died: its timers are gone.
    pub fn forget(&mut self, inst: Peer, now: u64) {
        self.tally.ends(inst, now);
        self.healing.died(inst, now);
        let member = &mut self.members[usize::from(inst)];
        member.timers = [NONE; TIMERS];
        member.to_tell.clear();
    }

    /// What was measured.
    pub fn measured(&self, now: u64) -> ReplicasMeasured {
        let observed = self.led && self.members.len() > self.serving;
        let logs = self.led || self.members.iter().any(|member| member.process.has_own_log());
        let measured = self.tally.measured((logs, self.led, observed), now);
        ReplicasMeasured { healed: self.healing.measured(), ..measured }
    }
}

impl Group {
    /// Names the shards with a log of which a copy is gone for good, and how far those go that are left, by key.
    pub fn left_of_logs(&self, each: &mut dyn FnMut(u16, Option<(u64, u64)>)) {
        let holders = self.members[..self.serving].chunks(usize::from(self.each));
        let struck = |of: &&[Member]| of.iter().any(|member| member.wiped);
        for (shard, of) in holders.enumerate().filter(|(_, of)| self.led && struck(of)) {
            let shard = shard as u16;
            each(shard, None);
            for member in of.iter().filter(|member| !member.wiped) {
                member
                    .process
                    .standings(0, &mut |_, key, known| each(shard, Some((key, known.order))));
            }
        }
    }
}

impl Group {
    /// Arms a timer; `entry` is where its frame stands.
    pub fn arm(&mut self, (inst, timer, entry): (Peer, Timer, u16), after: u64, world: &mut World) {
        let host = (self.node, inst);
        let slot = &mut self.members[usize::from(inst)].timers[usize::from(timer)];
        if *slot == NONE {
            let id = mix(self.site ^ (u64::from(inst) << 8 | u64::from(timer)));
            *slot = world.own_frame(host, (id, 0), Cargo::Timer(timer));
            world.begin_own(*slot, entry);
        }
        world.disarm(*slot);
        let now = world.now();
        let after = match &mut world.clocks {
            None => after,
            Some(clocks) => clocks.until(host, after, now),
        };
        world.arm(*slot, Span::of(after));
        self.members[usize::from(inst)].due[usize::from(timer)] = now.saturating_add(after);
    }

    /// The clock of an instance goes so many times as fast from now on: its timers are due sooner.
    pub fn retime(&mut self, inst: Peer, faster: f64, world: &mut World) {
        let (now, member) = (world.now(), &mut self.members[usize::from(inst)]);
        for (&slot, due) in member.timers.iter().zip(&mut member.due) {
            if slot != NONE && world.frames[slot].armed != 0 && *due > now {
                let left = ((*due - now) as f64 / faster).ceil() as u64;
                world.disarm(slot);
                world.arm(slot, Span::of(left));
                *due = now.saturating_add(left);
            }
        }
    }
}
