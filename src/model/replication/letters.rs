//! Messages between processes of a node, which no caller waits for: frames that carry something, as everything that
//! travels, works or waits for a time does.
//!
//! **Invariant.** What a frame carries is taken out once, or dropped with it.

use std::collections::BTreeMap;

use crate::{
    cause::Cause,
    engine::random::mix,
    model::{
        by_slot::BySlot,
        event,
        frame::{BRANCH, CALLER_DONE, Extra, Frame, IN_TRANSIT, NOBODY, PROBE},
        ids::{Host, NONE, NodeId, Slot},
        kind::Kind,
        names::Names,
        network::{links::Message as Weight, send::Fate},
        queue::post::Post,
        world::{World, pack},
    },
    replication::{Fence, Message, Peer, Saved, Timer, Work, data::Item},
};

/// What a frame carries.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Cargo {
    /// Nothing.
    #[default]
    None,
    /// A message, and who sent it.
    Message(Peer, Message),
    /// The timer of a replica that it stands for.
    Timer(Timer),
    /// Of a caller: so many attempts of the call it is at have failed.
    Turn(u16),
    /// A caller's request that was sent on so many times by replicas that do not lead.
    SentOn(u8),
    /// To a caller: who leads a shard of a node, and who says so.
    News(News),
    /// To an observer: that caller knows.
    Known(Host, News),
    /// A key that moves to another shard.
    Key(Box<MovingKey>),
    /// Something about messages of queues.
    Post(Box<Post>),
    /// Of a transaction, about one of its keys.
    Part(Box<PartOf>),
    /// Of a log that feeds a view.
    Fed(Box<Fed>),
    /// Of a shard's backup.
    Kept(Box<Kept>),
    /// What a frame waits for that is of a transaction: its coordinator, or one of its keys.
    Due(Box<PartOf>),
}

impl Cargo {
    /// Whether a request waits for what comes of it.
    fn is_waited_for(&self) -> bool {
        matches!(self, Self::Part(part) if part.said != Said::Ask)
    }
}

/// Why a transaction fails whose parts had nothing against it.
pub const ABORTED: Cause = Cause::Aborted;

/// What is said of a key that a transaction writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartOf {
    /// The transaction.
    pub transaction: u64,
    /// The key.
    pub key: u64,
    /// What is said.
    pub said: Said,
}

/// What a coordinator and those who take part in a transaction tell one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Lock it, and promise to write it.
    Prepare(Change),
    /// That is promised, or not.
    Vote(Vote),
    /// It is decided: write it.
    Commit,
    /// Nothing is written.
    Abort,
    /// It is written, in this place of the order, if that is known still.
    Done(Option<u64>),
    /// How was it decided?
    Ask,
    /// Nothing was done about it here: another replica leads, if one is known to.
    Elsewhere(Option<Peer>),
}

/// How somebody votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    /// For it.
    Yes,
    /// Against it, for this cause.
    No(Cause),
}

/// What is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The version.
    pub version: u64,
    /// The version that has to be there still.
    pub expects: Option<u64>,
    /// The number of the lock it is written under.
    pub fence: Option<Fence>,
    /// All attempts at it are one.
    pub once: bool,
    /// What it has to come after: a place in the log of its shard, 0 if none.
    pub since: u64,
}

/// The entries of a shard of a store for a shard of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The view.
    pub view: NodeId,
    /// Its instance.
    pub to: u16,
    /// The shard of the source.
    pub from: u16,
    /// The how manyth line between the two it is.
    pub number: u32,
}

/// Something about the log that feeds a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// Which line of entries it is about.
    pub line: Line,
    /// What is said.
    pub said: FedSaid,
}

/// What of a key a view is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Showing {
    /// The key.
    pub key: u64,
    /// The version.
    pub version: u64,
    /// How often the key had moved to another shard of the source.
    pub moves: u32,
}

/// What a source and a view tell one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FedSaid {
    /// To a view: an entry, its number, and what that says.
    Entry(u64, Showing),
    /// At a view: it is being applied.
    Applies {
        /// Its number in its line.
        number: u64,
        /// What it says.
        change: Showing,
        /// Which instance of the source sent it.
        sender: u16,
        /// The how manyth to lead the view's shard began with it.
        reign: u32,
    },
    /// To a source: the entry of this number did not come to whoever leads; who does, if that is known.
    Elsewhere(u64, Option<u16>),
    /// To a source: all entries up to this number are applied.
    Upto(u64),
    /// To a source: all is lost, this line is to begin.
    Lost,
    /// To a view: that begins.
    Begins,
    /// At either: somebody waited for the next thing to do.
    Due,
}

/// Something about the backup of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The shard.
    pub shard: u16,
    /// How often it had lost all when this was said.
    pub life: u32,
    /// What is said.
    pub said: KeptSaid,
}

/// What a shard sends to where its backups are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// All that it holds.
    Snapshot,
    /// What was written and is not known to be there.
    Log,
}

/// What was held, or written, at an instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The instant, ns.
    pub at: u64,
    /// What is kept already is void: a later leader began without some of it.
    pub anew: bool,
    /// What it was.
    pub saved: Saved,
}

/// What a shard and whoever keeps its backups tell one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptSaid {
    /// A part of a batch; with the last one it is there.
    Sends(Batch, u64, Option<Image>),
    /// That part has come.
    Got(Batch, u64),
    /// All is lost, this part of what is kept is to come.
    Ask(u64),
    /// It comes, and whether it is the last one.
    Part(u64, bool),
    /// At the shard: the time has come for something.
    Due(KeptDue),
}

/// What a shard does about its backup in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptDue {
    /// Send a batch.
    Begins(Batch),
    /// Send this part of it again.
    Again(Batch, u64),
    /// Ask for a part again.
    Ask(u64),
    /// Serve: what was kept is restored.
    Restored,
}

/// A key that moves from a shard to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MovingKey {
    /// The key.
    pub key: u64,
    /// The shard that hands it over.
    pub from: u16,
    /// The one that takes it.
    pub to: u16,
    /// What was read of it.
    pub item: Item,
    /// Of shards with logs: which sending it is.
    pub number: u64,
    /// And its place in the log that has taken it.
    pub place: u64,
    /// What is being done with it.
    pub step: Step,
}

/// How far a key is that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is read.
    Read,
    /// It is sent, and written there.
    Write,
    /// That was done.
    Taken,
    /// It was not, by a replica that does not lead: who does, if one is known to.
    Refused(Option<Peer>),
}

/// Who leads a shard, as callers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    /// The node.
    pub store: NodeId,
    /// Who says so.
    pub from: Peer,
    /// The instance that leads.
    pub leader: Peer,
    /// Its epoch: the newest counts.
    pub epoch: u64,
    /// It has come, and the caller goes on with the old one for a while.
    pub sinks_in: bool,
}

/// What all frames carry.
#[derive(Clone, Debug, Default)]
pub struct Letters {
    pub(super) cargo: BySlot<Cargo>,
    /// The visit for a message that began last; none since somebody took it.
    begun: Option<Slot>,
    /// As [`Cargo::Turn`], of callers that carry something else.
    turns: BTreeMap<Slot, u16>,
}

impl Letters {
    /// Of a design, if a node of it has replicas, shards between which keys move, backups, or messages.
    pub fn of(names: &Names) -> Option<Self> {
        let has_any = |kind: &dyn Kind| {
            kind.facts().replicas.is_some()
                || kind.moves_keys()
                || kind.is_backed_up()
                || kind.is_broker()
        };
        let transacts = !names.tracked.transactions.is_empty();
        let feeds = !names.feeds.is_empty();
        (transacts || feeds || names.specs().any(|spec| has_any(spec.kind()))).then(Self::default)
    }

    /// A frame carries this from now on.
    pub fn put(&mut self, slot: Slot, cargo: Cargo) {
        *self.cargo.at(slot) = cargo;
    }

    /// Where what a frame carries is put that begins and carries nothing yet.
    #[inline(always)]
    pub fn first(&mut self, slot: Slot) -> &mut Cargo {
        let place = self.cargo.at(slot);
        debug_assert!(*place == Cargo::None, "what a frame carried is dropped with it");
        place
    }

    /// What a frame carried.
    pub fn take(&mut self, slot: Slot) -> Cargo {
        self.cargo.take(slot)
    }

    /// A frame carries nothing any more.
    #[inline]
    pub fn drop_from(&mut self, slot: Slot) {
        // Most carry nothing: then nothing is written.
        if let Some(cargo) = self.cargo.get_mut(slot)
            && !matches!(cargo, Cargo::None)
        {
            *cargo = Cargo::None;
            self.turns.remove(&slot);
        }
    }

    /// How many attempts of the call that a frame is at have failed.
    pub fn turn(&self, slot: Slot) -> u16 {
        match self.get(slot) {
            Cargo::None => 0,
            Cargo::Turn(turn) => *turn,
            _ => self.turns.get(&slot).copied().unwrap_or(0),
        }
    }

    /// One more attempt of it has failed.
    pub fn take_turn(&mut self, slot: Slot) {
        let turn = self.turn(slot).saturating_add(1);
        match self.get(slot) {
            Cargo::None | Cargo::Turn(_) => self.put(slot, Cargo::Turn(turn)),
            // A visit for a message, say, which has to be answered.
            _ => drop(self.turns.insert(slot, turn)),
        }
    }

    /// The call is over, and was answered well.
    pub fn end_turns(&mut self, slot: Slot) {
        match self.get(slot) {
            Cargo::None => {}
            Cargo::Turn(_) => self.put(slot, Cargo::None),
            _ => drop(self.turns.remove(&slot)),
        }
    }

    /// What a frame carries.
    pub fn get(&self, slot: Slot) -> &Cargo {
        self.cargo.get(slot).unwrap_or(&Cargo::None)
    }
}

/// A message as it is posted.
#[derive(Clone, Copy, Debug)]
pub struct Envelope {
    /// Who posts it.
    pub from: Host,
    /// Whom it is for.
    pub to: Host,
    /// Identity for draws.
    pub id: u64,
    /// Bytes.
    pub size: u64,
}

impl World {
    /// A frame of a node's own: nobody asked for it and nobody gets an answer.
    #[inline(never)]
    pub fn own_frame(&mut self, host: Host, of: (u64, u64), cargo: Cargo) -> Slot {
        let slot = self.frame_from(host, host, of);
        self.puts_first(slot, cargo);
        slot
    }

    /// Likewise, which another host sends.
    #[inline(always)]
    fn frame_from(&mut self, from: Host, (node, inst): Host, (id, key): (u64, u64)) -> Slot {
        let slot = self.frames.alloc(Frame {
            id,
            key,
            armed: IN_TRANSIT,
            parent: pack(from.0, from.1),
            next: NONE,
            node,
            inst,
            op: PROBE,
            flags: BRANCH | CALLER_DONE,
            ..Frame::EMPTY
        });
        if self.carries {
            *self.frames.extra_mut(slot) = Extra { client: NOBODY, ..Extra::EMPTY };
        }
        slot
    }

    #[inline(always)]
    fn puts_first(&mut self, slot: Slot, cargo: Cargo) {
        if let Some(letters) = &mut self.letters {
            *letters.first(slot) = cargo;
        }
    }

    /// A frame of a node's own stands at an instruction of its program from now on.
    pub fn begin_own(&mut self, slot: Slot, entry: u16) {
        let now = self.now();
        let f = &mut self.frames[slot];
        (f.pc, f.armed, f.arrived) = (entry, 0, now);
        self.note_inside(slot);
    }

    /// Posts a letter; what is for its own sender arrives at once.
    pub fn post(&mut self, envelope: Envelope, cargo: Cargo) {
        self.post_for(NONE, envelope, cargo);
    }

    /// The frame of a message between replicas, which it does not carry yet.
    #[inline(always)]
    pub fn begin_message(&mut self, envelope: &Envelope, work: Work) -> Slot {
        let key = match work {
            Work::Read(key) | Work::Write(key) => key,
            Work::None => 0,
        };
        self.frame_from(envelope.from, envelope.to, (envelope.id, key))
    }

    /// The message that a frame carries now is posted.
    #[inline(always)]
    pub fn post_message(&mut self, slot: Slot, envelope: Envelope) {
        self.set_off((slot, NONE), envelope, false);
    }

    /// Posts a letter that is about what a frame is for: with the attributes of its request.
    pub fn post_for(&mut self, of: Slot, envelope: Envelope, cargo: Cargo) {
        let waited_for = cargo.is_waited_for();
        let key = match &cargo {
            Cargo::Key(moving) => moving.key,
            Cargo::Part(part) => part.key,
            Cargo::Fed(fed) => match fed.said {
                FedSaid::Entry(_, change) => change.key,
                _ => 0,
            },
            _ => 0,
        };
        let Envelope { from, to, id, .. } = envelope;
        let slot = self.frame_from(from, to, (id, key));
        self.puts_first(slot, cargo);
        self.set_off((slot, of), envelope, waited_for);
    }

    /// The frame of a letter, which is about what another one is for, goes on its way.
    #[inline(always)]
    fn set_off(&mut self, (slot, of): (Slot, Slot), envelope: Envelope, waited_for: bool) {
        let Envelope { from, to, id, size } = envelope;
        if self.carries {
            self.load_letter(of, slot, size);
        }
        let weight = || Weight { id, size };
        if from == to {
            self.network.inside.send(&mut self.agenda, (slot, event::LETTER), weight);
            return;
        }
        if self.network.special {
            return self.set_off_specially(slot, envelope, waited_for);
        }
        let (link, way) = (self.network.link(from, to), (slot, event::LETTER));
        let (sent, takes) = link.send_apart(&mut self.agenda, way, weight, !waited_for);
        if !waited_for {
            self.network.probes += takes;
        }
        if !sent {
            self.release(slot);
        }
    }

    #[inline(never)]
    fn load_letter(&mut self, of: Slot, slot: Slot, size: u64) {
        if of != NONE {
            self.hand_on(of, slot);
        }
        self.frames.extra_mut(slot).size = size;
    }

    /// Likewise where messages need a closer look.
    #[cold]
    #[inline(never)]
    fn set_off_specially(&mut self, slot: Slot, envelope: Envelope, waited_for: bool) {
        let Envelope { from, to, id, size } = envelope;
        let key = self.frames[slot].key;
        let link = self.network.link_between(from, to);
        link.tell_apart(!waited_for);
        let before = link.travelled();
        self.post_special((from, to), (slot, key), Weight { id, size });
        let link = self.network.link_between(from, to);
        link.tell_apart(false);
        if !waited_for {
            let more = link.travelled() - before;
            self.network.probes += more;
        }
    }

    fn post_special(&mut self, (from, to): (Host, Host), (slot, key): (Slot, u64), of: Weight) {
        let Weight { id, size } = of;
        let weight = || of;
        let fate = self.network.send(&mut self.agenda, (from, to), (slot, event::LETTER), weight);
        match fate {
            Fate::Sent => {}
            Fate::Lost => self.release(slot),
            Fate::Refused => {
                let cargo = self.letters.as_mut().map(|letters| letters.take(slot));
                self.release(slot);
                self.bounce((to, from), cargo.unwrap_or_default(), id, true);
            }
            Fate::Twice(later) => {
                let cargo = self.letters.as_ref().map(|letters| letters.get(slot).clone());
                let copy = self.own_frame(to, (mix(id), key), cargo.unwrap_or_default());
                self.frames[copy].parent = pack(from.0, from.1);
                if self.carries {
                    self.hand_on(slot, copy);
                }
                let weight = Weight { id: mix(id), size };
                let link = self.network.link_between(from, to);
                if !link.send_later(&mut self.agenda, (copy, event::LETTER), weight, later) {
                    self.release(copy);
                }
            }
        }
    }

    /// What a frame has to do with messages.
    pub fn post_of(&self, slot: Slot) -> Option<&Post> {
        match self.letters.as_ref()?.get(slot) {
            Cargo::Post(post) => Some(post),
            _ => None,
        }
    }

    /// Likewise; it has nothing to do with them any more.
    pub fn take_post(&mut self, slot: Slot) -> Option<Post> {
        self.post_of(slot)?;
        let letters = self.letters.as_mut()?;
        letters.turns.remove(&slot);
        match letters.take(slot) {
            Cargo::Post(post) => Some(*post),
            _ => None,
        }
    }

    /// A frame has this to do with messages from now on.
    pub fn put_post(&mut self, slot: Slot, post: Post) {
        // By whom it may be watched.
        if let (Some(letters), Post::Visit(_)) = (&mut self.letters, &post) {
            letters.begun = Some(slot);
        }
        if let Some(letters) = &mut self.letters {
            letters.put(slot, Cargo::Post(Box::new(post)));
        }
    }

    /// The visit for a message that began since this was asked last.
    pub fn begun_visit(&mut self) -> Option<Slot> {
        self.letters.as_mut()?.begun.take()
    }
}
