//! Raft: one leads by the votes of a majority, and what a majority has in its logs is committed
//! (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm", USENIX ATC 2014;
//! Ongaro, "Consensus: Bridging Theory and Practice", Stanford 2014, for pre-votes, check quorum and
//! reads).
//!
//! A write arrives at the leader, is worked on, gets its place, is sent to all others at once and
//! written to the leader's disk meanwhile, and is answered when it is committed and applied. A read
//! arrives, waits as [`Reads`] say, is worked on, and returns what is held then. Whoever does not lead
//! sends operations to the leader it knows of. Followers hear of commits by the next entry or
//! heartbeat, as in the paper. Who lost its disk votes like any other, though it may have forgotten a
//! vote or entries that it had promised: as with real disks, acknowledged writes can then be lost.
//!
//! **Invariant.** While disks keep what they promised: one leads a term, and what is committed stays.

mod apply;
mod election;
mod follow;
mod lead;
mod log;
mod message;
mod reads;
mod saved;

#[cfg(test)]
pub use self::log::Entry;
use std::collections::{BTreeMap, VecDeque};

use self::apply::Lane;
use self::election::Votes;
use self::lead::Lead;
use self::log::Log;
pub use self::message::{Append, Message, Snapshot};
use self::saved::Undo;
use super::data::{Data, Item};
use super::disk::{Disk, Mode};
use super::{
    APPLIED, Answer, Context, Effect, Failure, Operation, Peer, Phase, Protocol, Start, Ticket,
    Timer, group,
};

const DISK: Timer = 0;
const ELECTION: Timer = 1;
const HEARTBEAT: Timer = 2;

/// Who answers reads, and after what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// Who believes to lead, at once: may be stale.
    Leader,
    /// The leader, while a majority has promised by the clock to follow nobody else; else as `ReadIndex`.
    Lease,
    /// The leader, after a round of heartbeats that a majority answers (Ongaro 2014, 6.4).
    #[default]
    ReadIndex,
    /// Any replica, what it has applied.
    Follower,
}

/// What a group of replicas is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// How many there are.
    pub replicas: u16,
    /// The number, within the shard, of the one that leads term 1 at the start.
    pub leader: u16,
    /// Whether who would stand asks first whether it would be elected (Ongaro 2014, 9.6).
    pub pre_vote: bool,
    /// Whether a leader that hears no majority steps down, and who hears a leader gives no vote (Ongaro 2014, 6.2).
    pub check_quorum: bool,
    /// Who answers reads.
    pub reads: Reads,
    /// Between heartbeats, ns.
    pub heartbeat: u64,
    /// The least time that [`Law::Election`](super::Law::Election) gives, ns.
    pub election_min: u64,
    /// How much faster or slower than time a clock may go, as a share: leases allow for it.
    pub max_drift: f64,
    /// When what is written is certain.
    pub disk: Mode,
    /// How many entries are applied at once, of different keys.
    pub apply_lanes: u8,
}

/// What a follower will tell its leader when it is certain.
#[derive(Clone, Debug)]
struct Owed {
    to: Peer,
    /// It has all up to here.
    upto: u64,
    /// It has said so up to here.
    told: u64,
}

/// A replica.
#[derive(Clone, Debug)]
pub struct Raft {
    config: Config,
    me: Peer,
    /// The first replica of the shard.
    first: Peer,

    // What is on the disk, and what is under way to it.
    disk: Disk,
    term: u64,
    vote: Option<Peer>,
    log: Log,
    data: Data,
    /// All up to this index took effect in `data`.
    applied: u64,
    /// All up to this index are certain.
    durable: u64,
    /// Number of the last write.
    written: u64,
    /// Of the last one that the disk was told of.
    flushed: u64,
    /// Of that of the last term or vote.
    balloted: u64,
    /// Of that of the last snapshot in use.
    installed: u64,
    /// How to undo the writes that are not certain.
    journal: VecDeque<(u64, Undo)>,
    /// What keys held before entries that are not certain took effect: index of the entry, key, what it held.
    undo: VecDeque<(u64, u64, Item)>,

    // What dies with the process.
    commit: u64,
    /// All up to this index were given to lanes.
    taken: u64,
    lanes: Vec<Lane>,
    /// Who leads, as far as it knows.
    leader: Option<Peer>,
    /// When it last heard of a leader.
    heard: Option<u64>,
    /// Until when it waits for one.
    patience: u64,
    /// When the timer of elections fires.
    armed: Option<u64>,
    votes: Option<Votes>,
    lead: Option<Box<Lead>>,
    /// The last term it led: it has done the work of that term's entries.
    led: u64,
    /// What is to be said when its term is on the disk.
    later: VecDeque<(Peer, Message)>,
    owed: Option<Owed>,
    /// Entries that came before those they follow, by the index of these.
    early: BTreeMap<u64, Box<Append>>,
    /// A snapshot that is under way to the disk, and the number of that write.
    incoming: Option<(u64, Box<Snapshot>)>,
    /// It has lost its data, and has not been told yet all that was committed.
    rebuilds: bool,
    /// It has applied what the leader's log has not: only a snapshot helps.
    torn: bool,
}

fn wrap(message: Message) -> super::Message {
    super::Message::Raft(message)
}

impl Raft {
    /// A replica that has not been started yet.
    pub fn new(config: Config, me: Peer) -> Self {
        let first = group(me / config.replicas, config.replicas).start;
        Self {
            config,
            me,
            first,
            disk: Disk::new(config.disk, DISK),
            term: 1,
            vote: Some(first + config.leader),
            log: Log::default(),
            data: Data::default(),
            applied: 0,
            durable: 0,
            written: 0,
            flushed: 0,
            balloted: 0,
            installed: 0,
            journal: VecDeque::new(),
            undo: VecDeque::new(),
            commit: 0,
            taken: 0,
            lanes: vec![Lane::default(); usize::from(config.apply_lanes.max(1))],
            leader: None,
            heard: None,
            patience: 0,
            armed: None,
            votes: None,
            lead: None,
            led: 0,
            later: VecDeque::new(),
            owed: None,
            early: BTreeMap::new(),
            incoming: None,
            rebuilds: false,
            torn: false,
        }
    }

    /// What it holds.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Whether it believes to lead.
    pub fn leads(&self) -> bool {
        self.lead.is_some()
    }

    /// How many entries of its log it keeps.
    pub fn entries(&self) -> u64 {
        self.log.last() - self.log.base()
    }

    fn others(&self) -> impl Iterator<Item = Peer> + use<> {
        let me = self.me;
        (self.first..self.first + self.config.replicas).filter(move |peer| *peer != me)
    }

    /// The number of a replica within the shard.
    fn number(&self, peer: Peer) -> usize {
        usize::from(peer - self.first)
    }

    fn majority(&self) -> usize {
        usize::from(self.config.replicas / 2 + 1)
    }

    /// Says something, when the term it speaks of is on the disk.
    fn say(&mut self, to: Peer, message: Message, cx: &mut Context<'_>) {
        if self.may_speak() && self.later.is_empty() {
            cx.act(Effect::Send(to, wrap(message)));
        } else {
            self.later.push_back((to, message));
        }
    }

    /// Nothing is done for an operation here.
    fn elsewhere(&self, ticket: Ticket, cx: &mut Context<'_>) {
        let leader = self.leader.filter(|leader| *leader != self.me);
        let answer = leader.map_or(Answer::Failed(Failure::NoLeader), Answer::Elsewhere);
        cx.answer(ticket, answer);
    }

    /// What follows from what was told: each step may let the next one happen.
    fn settle(&mut self, cx: &mut Context<'_>) {
        loop {
            self.count(cx);
            if self.flushed == self.written {
                break;
            }
            self.flushed = self.written;
            self.disk.write(self.written, cx);
        }
        self.harden();
        if self.may_speak() {
            for (to, message) in std::mem::take(&mut self.later) {
                cx.act(Effect::Send(to, wrap(message)));
            }
        }
        self.tell(cx);
        self.advance(cx);
        self.take(cx);
        self.acknowledge(cx);
        self.serve_waiting(cx);
    }

    fn received(&mut self, from: Peer, message: Message, cx: &mut Context<'_>) {
        match message {
            Message::Append(append) => self.append(from, append, cx),
            Message::Snapshot(snapshot) => self.snapshot(from, snapshot, cx),
            Message::Appended { term, agrees, index, round } => {
                if term > self.term {
                    self.follow(term, None, None, cx);
                } else if term == self.term {
                    self.answered(from, (agrees, index, round), cx);
                }
            }
            Message::Vote { term, last, last_term, pre: false } => {
                self.asked(from, (term, last_term, last), cx);
            }
            Message::Vote { term, last, last_term, pre: true } => {
                self.sounded(from, (term, last_term, last), cx);
            }
            Message::Voted { term, granted, pre } => self.voted(from, (term, granted, pre), cx),
        }
    }
}

impl Protocol for Raft {
    fn start(&mut self, how: Start, cx: &mut Context<'_>) {
        if how != Start::First {
            self.recover(how == Start::Empty);
            self.flushed = self.written;
            (self.taken, self.led, self.leader) = (self.applied, 0, None);
            self.lanes.fill(Lane::default());
            (self.votes, self.lead, self.owed, self.incoming) = (None, None, None, None);
            (self.armed, self.patience) = (None, 0);
            self.later.clear();
            self.early.clear();
        }
        // Whom it heard before it died it does not know: it gives no vote that it might have promised to withhold.
        self.heard = Some(cx.now);
        if how == Start::First {
            self.leader = self.vote;
            if self.leader == Some(self.me) {
                self.lead(cx);
                return self.settle(cx);
            }
        }
        self.wait_anew(cx);
        self.settle(cx);
    }

    fn operation(&mut self, operation: Operation, phase: Phase, cx: &mut Context<'_>) {
        match (operation.act.version(), phase) {
            (None, _) => self.read(operation, phase, cx),
            (Some(_), Phase::Arrived) if self.lead.is_some() => {
                cx.act(Effect::GoOn(operation.ticket));
            }
            (Some(_), Phase::Arrived) => self.elsewhere(operation.ticket, cx),
            (Some(version), Phase::Worked) => self.write(operation, version, cx),
        }
        self.settle(cx);
    }

    fn message(&mut self, from: Peer, message: super::Message, cx: &mut Context<'_>) {
        match message {
            super::Message::Raft(message) => self.received(from, message, cx),
            super::Message::Refused(_) => self.refused(from),
            _ => debug_assert!(false, "replicas of one group speak one protocol"),
        }
        self.settle(cx);
    }

    fn timer(&mut self, timer: Timer, cx: &mut Context<'_>) {
        match timer {
            DISK => self.disk.timed(cx),
            ELECTION => self.waited(cx),
            HEARTBEAT => self.tick(cx),
            _ if timer >= APPLIED => self.worked(timer, cx),
            _ => debug_assert!(false, "it armed no such timer"),
        }
        self.settle(cx);
    }
}
