//! A process of a node, whatever its protocol.
//!
//! **Invariant.** It is what it is for the whole run.

use super::contract::{Context, Protocol};
use super::damage::Strike;
use super::data::Item;
use super::message::Message;
use super::words::{Dots, Known, Operation, Peer, Phase, Start, Timer};
use super::{leader_follower, multi_leader, quorum, raft};

/// A replica of some protocol, or whoever helps them.
#[derive(Clone, Debug)]
pub enum Process {
    /// A leader or one of its followers.
    Replica(Box<leader_follower::Replica>),
    /// Who observes leaders.
    Observer(Box<leader_follower::Observer>),
    /// One of several leaders.
    MultiLeader(Box<multi_leader::MultiLeader>),
    /// A replica without leaders.
    Quorum(Box<quorum::Quorum>),
    /// A replica of a log.
    Raft(Box<raft::Raft>),
}

/// Does the same with a process, whatever it is.
macro_rules! each {
    ($process:expr, $one:ident => $do:expr) => {
        match $process {
            Process::Replica($one) => $do,
            Process::Observer($one) => $do,
            Process::MultiLeader($one) => $do,
            Process::Quorum($one) => $do,
            Process::Raft($one) => $do,
        }
    };
}

impl Process {
    /// It writes a log that no other replica writes.
    pub fn has_own_log(&self) -> bool {
        matches!(self, Self::MultiLeader(_))
    }

    /// Whatever a leader of it begins with is committed.
    pub fn inherits(&self) -> bool {
        matches!(self, Self::Replica(_))
    }

    /// It knows the writes that it has done when they are asked for again.
    #[must_use]
    pub fn remembering(self) -> Self {
        match self {
            Self::MultiLeader(one) => Self::MultiLeader(Box::new(one.remembering())),
            Self::Quorum(one) => Self::Quorum(Box::new(one.remembering())),
            Self::Replica(one) => Self::Replica(Box::new(one.remembering())),
            Self::Raft(one) => Self::Raft(Box::new(one.remembering())),
            Self::Observer(one) => Self::Observer(one),
        }
    }

    /// What stood before the last write of each key is to be known.
    pub fn look_back(&mut self) {
        match self {
            Self::Quorum(one) => one.look_back(),
            Self::Replica(one) => one.data_mut().look_back(),
            Self::Raft(one) => one.data_mut().look_back(),
            Self::MultiLeader(_) | Self::Observer(_) => {}
        }
    }

    /// Copies on its disk are damaged.
    pub fn strike(&mut self, strike: Strike) {
        match self {
            Self::Quorum(one) => one.strike(strike),
            Self::Replica(one) => one.data_mut().strike(strike),
            Self::Raft(one) => one.data_mut().strike(strike),
            Self::MultiLeader(_) | Self::Observer(_) => {}
        }
    }

    /// Names the versions that it holds, or has on its disk, where no log says which are lost.
    pub fn versions(&self, each: &mut dyn FnMut(u64)) {
        match self {
            Self::MultiLeader(replica) => replica.versions(each),
            Self::Quorum(replica) => replica.versions(each),
            Self::Replica(_) | Self::Observer(_) | Self::Raft(_) => {}
        }
    }

    /// Whether it believes to lead, by a log that most replicas agree on.
    pub fn leads(&self) -> bool {
        matches!(self, Self::Raft(replica) if replica.leads())
    }

    /// Who leads such a log, as far as it knows.
    pub fn leader(&self) -> Option<Peer> {
        if let Self::Raft(replica) = self { replica.leader() } else { None }
    }

    /// The version of an entry of such a log, if it is here; that of one that says nothing is 0.
    pub fn version_at(&self, index: u64) -> Option<u64> {
        if let Self::Raft(replica) = self { replica.version_at(index) } else { None }
    }

    /// Names what it holds of each key, where one of its shard leads.
    pub fn items(&self, each: &mut dyn FnMut(u64, Item)) {
        match self {
            Self::Replica(replica) => replica.data().each_item(each),
            Self::Raft(replica) => replica.data().each_item(each),
            Self::MultiLeader(_) | Self::Quorum(_) | Self::Observer(_) => {}
        }
    }

    /// Says that what it holds of a key will be asked for soon.
    #[inline]
    pub fn expect(&self, key: u64) {
        match self {
            Self::Quorum(replica) => replica.data().expect(key),
            Self::Replica(replica) => replica.data().expect(key),
            Self::Raft(replica) => replica.data().expect(key),
            Self::MultiLeader(_) | Self::Observer(_) => {}
        }
    }

    /// The version that whoever leads by its log gives a key next to.
    pub fn newest(&self, key: u64) -> u64 {
        match self {
            Self::Replica(replica) => replica.data().get(key).version,
            Self::Raft(replica) => replica.newest(key),
            Self::MultiLeader(_) | Self::Quorum(_) | Self::Observer(_) => 0,
        }
    }

    /// Whether that is as safe as a write is before it is answered, at this time of its clock.
    pub fn is_settled(&self, key: u64, now: u64) -> bool {
        match self {
            Self::Replica(replica) => replica.is_settled(key, now),
            Self::Raft(replica) => replica.is_settled(key),
            Self::MultiLeader(_) | Self::Quorum(_) | Self::Observer(_) => false,
        }
    }

    /// The place of a version in such a log, if it is known to have one.
    pub fn done(&self, version: u64) -> Option<u64> {
        match self {
            Self::Replica(replica) => replica.done(version),
            Self::Raft(replica) => replica.done(version),
            Self::MultiLeader(_) | Self::Quorum(_) | Self::Observer(_) => None,
        }
    }

    /// What it holds when all its log has taken effect, by key.
    pub fn foreseen(&self) -> Vec<(u64, Item)> {
        match self {
            Self::Replica(replica) => replica.foreseen().all(),
            Self::Raft(replica) => replica.foreseen().all(),
            Self::MultiLeader(_) | Self::Quorum(_) | Self::Observer(_) => Vec::new(),
        }
    }

    /// How far what it holds of a key is.
    pub fn standing(&self, key: u64) -> Known {
        match self {
            Self::MultiLeader(replica) => replica.standing(key),
            Self::Quorum(replica) => Known::of(replica.data().get(key)),
            Self::Replica(replica) => Known::of(replica.data().get(key)),
            Self::Raft(replica) => Known::of(replica.data().get(key)),
            Self::Observer(_) => Known::default(),
        }
    }

    /// Names what it holds: the process it is for, which may be another one, the key, and how far it is.
    pub fn standings(&self, me: Peer, each: &mut dyn FnMut(Peer, u64, Known)) {
        let data = match self {
            Self::MultiLeader(replica) => {
                return replica.standings(&mut |key, known| each(me, key, known));
            }
            Self::Quorum(replica) => {
                replica.hinted(&mut |owner, key, item| each(owner, key, Known::of(item)));
                replica.data()
            }
            Self::Replica(replica) => replica.data(),
            Self::Raft(replica) => replica.data(),
            Self::Observer(_) => return,
        };
        data.each_item(&mut |key, item| each(me, key, Known::of(item)));
    }

    /// Names the keys that it holds and which writes of each it knows of, where versions are told apart by vectors.
    pub fn known(&self, each: &mut dyn FnMut(u64, Dots)) {
        if let Self::MultiLeader(replica) = self {
            replica.standings(&mut |key, known| each(key, known.dots));
        }
    }
}

impl Protocol for Process {
    fn start(&mut self, how: Start, cx: &mut Context<'_>) {
        each!(self, one => one.start(how, cx));
    }

    fn operation(&mut self, operation: &Operation, phase: Phase, cx: &mut Context<'_>) {
        each!(self, one => one.operation(operation, phase, cx));
    }

    fn message(&mut self, from: Peer, message: Message, cx: &mut Context<'_>) {
        each!(self, one => one.message(from, message, cx));
    }

    fn timer(&mut self, timer: Timer, cx: &mut Context<'_>) {
        each!(self, one => one.timer(timer, cx));
    }
}
