//! What a service does with a request: a flat list of instructions (`instr.rs`), compiled from its steps.
//!
//! **Invariant.** A frame's `pc` names the instruction it is blocked at; only control flow is
//! executed without an event.

use crate::{
    cause::Cause,
    engine::{popularity::Popularity, random::Stream, table::Table},
    model::{
        consistency::operation::Site,
        demand::Demand,
        ids::{AttrRef, NodeId, Slot},
        resilience::policy::EdgePolicy,
        route::{Asked, Route},
        service::{Comparator, instr::Instr, sagas::Saga},
        world::World,
    },
    outcome::Outcome,
};

/// Which key a call carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRef {
    /// The caller's.
    Own,
    /// Of a named space: a column of the attributes' rows.
    Space(u16),
    /// The caller's instance number.
    Instance,
    /// The session number.
    Session,
    /// That of the record of a lock or saga.
    Record,
}

/// The operations that tell a cache of a fill that will not come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Instead {
    /// Whoever fetched has left.
    pub release: Option<u8>,
    /// The fetch failed.
    pub fail: Option<u8>,
    /// It is known that the key cannot be read.
    pub deny: Option<u8>,
}

/// What a call brings besides what all do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brings {
    /// A message that is ready after so long, ns.
    Delay(u64),
    /// What is to be published with a write: by which of the outlets of its store.
    Row(u16),
    /// One more call with `max_depth` is within the others.
    Deeper,
}

/// A call site.
#[allow(clippy::struct_excessive_bools, reason = "what may be said of a call, each by itself")]
#[derive(Clone, Debug)]
pub struct Call {
    /// Node called.
    pub target: NodeId,
    /// Operation asked for; `None`: the caller's.
    pub op: Option<u8>,
    /// Key sent along.
    pub key: KeyRef,
    /// Size of the message; `None`: the caller's.
    pub size: Option<Demand>,
    /// A failure does not fail the request.
    pub optional: bool,
    /// It goes to the instance its branch is about, whatever the key.
    pub to_shard: bool,
    /// A fill for which others may wait: the operations that tell them if it does not come.
    pub instead: Instead,
    /// When it fails, the visit goes on after the jump that follows, for this cause.
    pub fallback: Option<Cause>,
    /// What the step is about stands or falls with it.
    pub decides: bool,
    /// How the visit ends when it fails, and for which cause.
    pub failure: (Outcome, Cause),
    /// Policy (index of the edge).
    pub edge: u16,
    /// The edge under which its instance keeps in mind what that asks for.
    pub state: u16,
    /// Hash of the path to this site, added to the visit's identity.
    pub site: u64,
    /// Likewise, of what it has in common with those that do the same elsewhere.
    pub common: u64,
    /// It publishes a message.
    pub publishes: bool,
    /// What it brings besides.
    pub brings: Option<Brings>,
}

impl Call {
    /// Node and instance a call from a frame goes to.
    #[inline(always)]
    pub fn destination(&self, slot: Slot, asked: Asked, world: &mut World) -> (NodeId, u16) {
        if self.to_shard {
            return self.to_shard(slot, asked, world);
        }
        world.destination(slot, self.target, asked)
    }

    /// The instance of the shard that a frame's branch is about.
    #[inline(never)]
    fn to_shard(&self, slot: Slot, asked: Asked, world: &mut World) -> (NodeId, u16) {
        let shard = world.frames.extra(slot).shard;
        match world.routes[usize::from(self.target)] {
            Route::Replicas(_) => world.replica(slot, self.target, Some(shard), asked),
            _ => (self.target, shard),
        }
    }
}

/// A read or write of a store that is followed.
#[derive(Clone, Copy, Debug)]
pub struct DataOp {
    /// What it is.
    pub site: Site,
    /// The key.
    pub key: KeyRef,
}

/// Parallel branches.
#[derive(Clone, Debug)]
pub struct Fork {
    /// First instruction of each.
    pub branches: Vec<u16>,
    /// Successes needed.
    pub need: u16,
    /// A failure does not fail the request.
    pub optional: bool,
    /// Hash of the path to this site.
    pub site: u64,
    /// Likewise, of what it has in common with those that do the same elsewhere.
    pub common: u64,
    /// What tells the branches apart, where all do the same.
    pub each: Option<Each>,
    /// It is one branch, and the visit fails as that does.
    pub whole: Option<Whole>,
}

/// A block of steps that is done as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// What was done is undone.
    Saga,
    /// All is done at once, or nothing.
    Transaction,
}

/// What a branch is about, where all do the same.
#[derive(Clone, Debug)]
pub enum Each {
    /// A key: the step's own, then further ones, drawn by the law of the request's client (`None`:
    /// that client's requests have no keys).
    Key {
        /// The step's own key.
        own: KeyRef,
        /// Law of each client.
        laws: Vec<Option<Popularity>>,
        /// The draws.
        stream: Stream,
    },
    /// A shard.
    Shard,
}

impl Each {
    /// The key of branch `i`, whose identity is `id`.
    pub fn key(&self, slot: Slot, i: usize, id: u64, world: &World) -> u64 {
        match self {
            Self::Shard => world.frames[slot].key,
            Self::Key { own, .. } if i == 0 => Program::key(*own, slot, world),
            Self::Key { laws, stream, .. } => {
                let client = usize::from(world.frames.extra(slot).client);
                let law = laws.get(client).and_then(Option::as_ref);
                law.map_or(id, |law| law.sample(&mut stream.draw_mixed(id)))
            }
        }
    }
}

/// One of several continuations.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Cumulative share and first instruction.
    pub options: Vec<(f64, u16)>,
    /// The draw.
    pub stream: Stream,
}

/// A failure by chance.
#[derive(Clone, Debug)]
pub struct Chance {
    /// Probability.
    pub probability: f64,
    /// It does not fail the request.
    pub optional: bool,
    /// The draw.
    pub stream: Stream,
}

/// Comparisons that must all hold.
#[derive(Clone, Debug)]
pub struct Test(pub Vec<(AttrRef, Comparator, f64)>);

impl Test {
    /// Whether it holds for a frame.
    pub fn holds(&self, slot: Slot, world: &World) -> bool {
        self.0.iter().all(|&(attribute, operator, value)| {
            let x = world.attribute(attribute, slot);
            match operator {
                Comparator::Equal => x.to_bits() == value.to_bits(),
                Comparator::NotEqual => x.to_bits() != value.to_bits(),
                Comparator::Less => x < value,
                Comparator::LessOrEqual => x <= value,
                Comparator::Greater => x > value,
                Comparator::GreaterOrEqual => x >= value,
            }
        })
    }
}

/// A lock as steps know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Lock {
    /// Its name.
    pub name: String,
    /// What has a lock of its own.
    pub per: Option<AttrRef>,
    /// One for all instances.
    pub shared: bool,
}

/// A lock that is kept in a store.
#[derive(Clone, Debug)]
pub struct LeasedLock {
    /// The store.
    pub store: NodeId,
    /// Hash of its name.
    pub name: u64,
    /// What has a lock of its own.
    pub per: Option<AttrRef>,
    /// How long a lease lasts, ns.
    pub ttl: u64,
    /// How long who is refused waits in the mean, ns.
    pub poll: u64,
    /// What is inside is written with the holder's number.
    pub fenced: bool,
    /// Hash of the path to the step.
    pub site: u64,
    /// Where it is, and its renewal, in the program.
    pub at: LeasedAt,
}

/// A transaction.
#[derive(Clone, Copy, Debug)]
pub struct Transaction {
    /// How long all have to vote, ns.
    pub timeout: u64,
    /// Where its coordinator waits for something.
    pub timer: u16,
}

/// What a transaction writes.
#[derive(Clone, Copy, Debug)]
pub struct Gathered {
    /// What it is, where its store is followed.
    pub data: Option<Site>,
    /// To whom it is sent, as a call.
    pub call: u16,
}

/// First instructions of the parts of a lock that is kept in a store.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeasedAt {
    /// Its record is written.
    pub write: u16,
    /// It is taken.
    pub take: u16,
    /// It is renewed.
    pub renew: u16,
    /// It is given back.
    pub give_back: u16,
}

/// Everything a node's steps compile to.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// Instructions.
    pub code: Table<Instr>,
    /// First instruction by operation; `None`: no such endpoint.
    pub entries: Vec<Option<u16>>,
    /// First instruction of each thing it does by itself.
    pub own: Vec<u16>,
    /// Caches: by operation, what tells the keys of one node behind it from those of another; empty: there
    /// is one.
    pub spaces: Vec<u64>,
    /// Work and waits.
    pub demands: Table<Demand>,
    /// Calls.
    pub calls: Table<Call>,
    /// Parallel steps.
    pub forks: Vec<Fork>,
    /// `choose` steps.
    pub choices: Vec<Choice>,
    /// `when` conditions.
    pub tests: Vec<Test>,
    /// `fail` steps.
    pub chances: Vec<Chance>,
    /// Reads and writes of stores that are followed.
    pub data: Vec<DataOp>,
    /// Locks.
    pub locks: Vec<Lock>,
    /// Locks that are kept in stores.
    pub leased: Vec<LeasedLock>,
    /// Sagas.
    pub sagas: Vec<Saga>,
    /// Transactions.
    pub transactions: Vec<Transaction>,
    /// What they write.
    pub gathered: Vec<Gathered>,
    /// Sizes of replies.
    pub replies: Vec<Demand>,
    /// Policies of outgoing edges.
    pub edges: Table<EdgePolicy>,
    /// Whom each of these leads to.
    pub edge_targets: Vec<String>,
    /// Some edge has guards.
    pub guarded: bool,
}

/// Shift of a visit's identity per round of a loop, by depth.
const ROUND: [u64; 4] =
    [0xd6e8_feb8_6659_fd93, 0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db, 0x8ebc_6af0_9c88_c6e3];

/// Why control flow stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stop<'p> {
    /// At a blocking instruction.
    At(&'p Instr),
    /// A step failed by chance.
    Failed,
}

impl Program {
    /// Executes control flow from the frame's `pc` to the next blocking instruction.
    #[inline(always)]
    pub fn advance(&self, slot: Slot, world: &mut World) -> Stop<'_> {
        loop {
            // In place: a copy would be put together byte by byte.
            let instr = &self.code[usize::from(world.frames[slot].pc)];
            match instr {
                Instr::Work(_)
                | Instr::Strained(_)
                | Instr::Wait(_)
                | Instr::Call(_)
                | Instr::Send(_)
                | Instr::Cache(..)
                | Instr::Fork(_)
                | Instr::Reply(_)
                | Instr::Lock(_)
                | Instr::Unlock
                | Instr::Lease(..)
                | Instr::Saga(..)
                | Instr::Held(_)
                | Instr::Point(_)
                | Instr::Do { .. }
                | Instr::End => return Stop::At(instr),
                _ => {
                    if let Some(stop) = self.control(*instr, slot, world) {
                        return stop;
                    }
                }
            }
        }
    }

    #[inline(never)]
    fn control(&self, instr: Instr, slot: Slot, world: &mut World) -> Option<Stop<'_>> {
        let pc = world.frames[slot].pc;
        let next = match instr {
            Instr::Jump(to) => to,
            Instr::Choose(i) => Self::choose(&self.choices[usize::from(i)], slot, world),
            Instr::Unless { condition, otherwise } => {
                if self.tests[usize::from(condition)].holds(slot, world) {
                    pc + 1
                } else {
                    otherwise
                }
            }
            Instr::Repeat { depth, times } => {
                world.frames.extra_mut(slot).loops[usize::from(depth)] = times;
                pc + 1
            }
            Instr::Again { depth, body } => self.again(depth, body, slot, world),
            Instr::Fail(i) => {
                let chance = &self.chances[usize::from(i)];
                let u = chance.stream.draw_mixed(world.frames[slot].id).unit();
                if u < chance.probability && !chance.optional {
                    return Some(Stop::Failed);
                }
                pc + 1
            }
            Instr::Degrade => {
                world.frames.extra_mut(slot).degraded = true;
                pc + 1
            }
            Instr::Mark(mark) => {
                let extra = world.frames.extra(slot);
                let (client, op, intended) = (extra.client, extra.request_op, extra.intended);
                let now = world.now();
                if let Some(first) = world.record.first_row.get(usize::from(client)) {
                    let row = first + usize::from(op);
                    world.record.mark(row, usize::from(mark), intended, now);
                }
                pc + 1
            }
            Instr::Invoke(op) => {
                let DataOp { site, key } = &self.data[usize::from(op)];
                world.data_begins(slot, site, Self::key(*key, slot, world));
                pc + 1
            }
            Instr::Done => {
                world.data_done(slot);
                pc + 1
            }
            _ => pc + 1,
        };
        world.frames[slot].pc = next;
        None
    }

    #[inline]
    fn choose(choice: &Choice, slot: Slot, world: &World) -> u16 {
        let u = choice.stream.draw_mixed(world.frames[slot].id).unit();
        let at = choice.options.iter().position(|&(upto, _)| u < upto);
        choice.options[at.unwrap_or(choice.options.len() - 1)].1
    }

    fn again(&self, depth: u8, body: u16, slot: Slot, world: &mut World) -> u16 {
        let d = usize::from(depth);
        let left = &mut world.frames.extra_mut(slot).loops[d];
        *left -= 1;
        let more = *left > 0;
        let f = &mut world.frames[slot];
        // Each round draws anew; past the loop the identity is what it was before.
        if more {
            f.id = f.id.wrapping_add(ROUND[d]);
            return body;
        }
        let Instr::Repeat { times, .. } = self.code[usize::from(body) - 1] else {
            unreachable!("a loop's body follows its head")
        };
        f.id = f.id.wrapping_sub(ROUND[d].wrapping_mul(u64::from(times - 1)));
        f.pc + 1
    }

    /// The key a call carries.
    #[inline]
    pub fn key(key: KeyRef, slot: Slot, world: &World) -> u64 {
        let f = &world.frames[slot];
        match key {
            KeyRef::Own => f.key,
            KeyRef::Space(column) => {
                world.attributes.get(world.frames.extra(slot).attributes, column) as u64
            }
            KeyRef::Instance => u64::from(f.inst),
            KeyRef::Session => world.frames.extra(slot).session,
            KeyRef::Record => Self::key_of_record(slot, world),
        }
    }

    /// That of the record of the saga a frame is at, or of the lock it asks for. Apart, as what sends calls stands in the event loop.
    #[cold]
    #[inline(never)]
    fn key_of_record(slot: Slot, world: &World) -> u64 {
        let Some(data) = &world.data else { return 0 };
        let of_saga = data.logs.as_ref().and_then(|logs| logs.key(slot));
        of_saga.or(data.leases.as_ref().map(|leases| leases.key(slot))).unwrap_or(0)
    }
}
