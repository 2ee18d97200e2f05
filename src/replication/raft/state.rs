//! One replica: what is on its disk, what dies with its process, and what each of its parts needs of it.
//!
//! **Invariant.** It says nothing of a term that its disk may forget.

use std::collections::{BTreeMap, VecDeque};

use super::config::{Config, DISK};
use super::log::Log;
use super::message::{Append, Entry, Message, Snapshot};
use super::roles::{Lead, Owed, Read, Votes};
use crate::replication::contract::Context;
use crate::replication::data::{Data, Item};
use crate::replication::disk::Disk;
use crate::replication::message::Message as Any;
use crate::replication::repairs::Repairs;
use crate::replication::words::{Answer, Begin, Failure, Peer, Ticket, group, place};

/// Entries that wait to be applied, one after another.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    /// Their indices; the work of the first is under way.
    pub(super) waits: VecDeque<u64>,
    /// Work is under way of an entry that needs it no more.
    pub(super) void: bool,
}

impl Lane {
    /// Nothing waits any more.
    pub(super) fn void(&mut self) {
        self.void |= !self.waits.is_empty();
        self.waits.clear();
    }
}

/// How a change is undone.
#[derive(Clone, Debug)]
pub(super) enum Undo {
    /// Entries were added, from `first` on; those up to `upto` still stand.
    Added { first: u64, upto: u64 },
    /// These were cut off.
    Cut(Vec<Entry>),
    /// Term and vote were these.
    Ballot(u64, Option<Peer>),
    /// A snapshot is written, which is not in use before.
    Nothing,
}

/// A replica.
#[derive(Clone, Debug)]
pub struct Raft {
    pub(super) config: Config,
    pub(super) me: Peer,
    /// The first replica of the shard.
    pub(super) first: Peer,

    // What is on the disk, and what is under way to it.
    pub(super) disk: Disk,
    pub(super) term: u64,
    pub(super) vote: Option<Peer>,
    pub(super) log: Log,
    pub(super) data: Data,
    /// All up to this index took effect in `data`.
    pub(super) applied: u64,
    /// All up to this index are certain.
    pub(super) durable: u64,
    /// Number of the last write.
    pub(super) written: u64,
    /// Of the last one that the disk was told of.
    pub(super) flushed: u64,
    /// Of that of the last term or vote.
    pub(super) balloted: u64,
    /// Of that of the last snapshot in use.
    pub(super) installed: u64,
    /// How to undo the writes that are not certain.
    pub(super) journal: VecDeque<(u64, Undo)>,
    /// What keys held before entries that are not certain took effect: index of the entry, key, what it held.
    pub(super) undo: VecDeque<(u64, u64, Item)>,

    // What dies with the process.
    pub(super) commit: u64,
    /// All up to this index were given to lanes.
    pub(super) taken: u64,
    pub(super) lanes: Vec<Lane>,
    /// Who leads, as far as it knows.
    pub(super) leader: Option<Peer>,
    /// When it last heard of a leader.
    pub(super) heard: Option<u64>,
    /// Until when it waits for one.
    pub(super) patience: u64,
    /// When the timer of elections fires.
    pub(super) armed: Option<u64>,
    pub(super) votes: Option<Votes>,
    pub(super) lead: Option<Box<Lead>>,
    /// The last term it led: it has done the work of that term's entries.
    pub(super) led: u64,
    /// What is to be said when its term is on the disk.
    pub(super) later: VecDeque<(Peer, Message)>,
    pub(super) owed: Option<Owed>,
    /// Entries that came before those they follow, by the index of these.
    pub(super) early: BTreeMap<u64, Box<Append>>,
    /// A snapshot that is under way to the disk, and the number of that write.
    pub(super) incoming: Option<(u64, Box<Snapshot>)>,
    /// Reads that have to find what is not applied yet, and since when each waits.
    pub(super) behind: Vec<(Read, u64)>,
    /// Copies that were found damaged.
    pub(super) repairs: Repairs,
    /// It has lost its data, and has not been told yet all that was committed.
    pub(super) rebuilds: bool,
    /// It has applied what the leader's log has not: only a snapshot helps.
    pub(super) torn: bool,
    /// Its shard is restored when nobody has any data.
    pub(super) backed_up: bool,
    /// Of a group that was restored, each time: what had been committed beyond what was kept is lost.
    pub(super) begins: Vec<Begin>,
}

/// As its host sends it.
pub(super) fn wrap(message: Message) -> Any {
    Any::Raft(message)
}

impl Raft {
    /// It knows the writes that it has done when they are asked for again.
    #[must_use]
    pub fn remembering(self) -> Self {
        Self { data: Data::remembering(true), ..self }
    }

    /// The place of a write in the log, if it is known to have one.
    pub fn done(&self, version: u64) -> Option<u64> {
        let open = self.open().find(|(_, entry)| entry.version == version);
        open.map_or_else(
            || self.data.done(version),
            |(index, entry)| Some(place(entry.term, index)),
        )
    }

    /// The version of a key that the log gives it.
    pub fn newest(&self, key: u64) -> u64 {
        let open = self.open().find(|(_, entry)| !entry.is_empty() && entry.key == key);
        open.map_or_else(|| self.data.get(key).version, |(_, entry)| entry.version)
    }

    /// Whether that is committed.
    pub fn is_settled(&self, key: u64) -> bool {
        let open = self.open().find(|(_, entry)| !entry.is_empty() && entry.key == key);
        open.is_none_or(|(index, _)| index <= self.commit)
    }

    /// What it holds when all its log has taken effect.
    pub fn foreseen(&self) -> Data {
        let mut data = self.data.clone();
        for (index, entry) in self.open().filter(|(_, entry)| !entry.is_empty()) {
            let item = Item { version: entry.version, order: place(entry.term, index) };
            data.put_newer(entry.key, item);
        }
        data
    }

    /// The places of the entries it keeps.
    #[cfg(test)]
    pub fn log_places(&self) -> Vec<u64> {
        let all = self.log.base() + 1..=self.log.last();
        all.filter_map(|index| Some(place(self.log.term(index)?, index))).collect()
    }

    /// Entries that have not all taken effect, newest first.
    fn open(&self) -> impl Iterator<Item = (u64, Entry)> {
        let entries = (self.applied + 1..=self.log.last()).rev();
        entries.filter_map(|index| Some((index, self.log.get(index)?)))
    }

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
            behind: Vec::new(),
            repairs: Repairs::default(),
            rebuilds: false,
            torn: false,
            backed_up: false,
            begins: Vec::new(),
        }
    }

    /// What it holds.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The same, to be damaged.
    pub fn data_mut(&mut self) -> &mut Data {
        &mut self.data
    }

    /// Who leads, as far as it knows.
    pub fn leader(&self) -> Option<Peer> {
        self.leader
    }

    /// The version of an entry, if it is here.
    pub fn version_at(&self, index: u64) -> Option<u64> {
        self.log.get(index).map(|entry| entry.version)
    }

    /// Whether it believes to lead.
    pub fn leads(&self) -> bool {
        self.lead.is_some()
    }

    /// How many reads wait for what they have to find.
    #[cfg(test)]
    pub fn behind(&self) -> usize {
        self.behind.len()
    }

    /// How many entries of its log it keeps.
    #[cfg(test)]
    pub fn entries(&self) -> u64 {
        self.log.last() - self.log.base()
    }

    pub(super) fn others(&self) -> impl Iterator<Item = Peer> + use<> {
        let me = self.me;
        (self.first..self.first + self.config.replicas).filter(move |peer| *peer != me)
    }

    /// The number of a replica within the shard.
    pub(super) fn number(&self, peer: Peer) -> usize {
        usize::from(peer - self.first)
    }

    pub(super) fn majority(&self) -> usize {
        usize::from(self.config.replicas / 2 + 1)
    }

    /// Says something, when the term it speaks of is on the disk.
    pub(super) fn say(&mut self, to: Peer, message: Message, cx: &mut Context<'_>) {
        if self.may_speak() && self.later.is_empty() {
            cx.send(to, wrap(message));
        } else {
            self.later.push_back((to, message));
        }
    }

    /// Nothing is done for an operation here.
    pub(super) fn elsewhere(&self, ticket: Ticket, cx: &mut Context<'_>) {
        let leader = self.leader.filter(|leader| *leader != self.me);
        let answer = leader.map_or(Answer::Failed(Failure::NoLeader), Answer::Elsewhere);
        cx.answer(ticket, answer);
    }
}
