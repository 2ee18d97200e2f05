//! What is on a replica's disk, and what of it would be lost if the process died now.
//!
//! There is one copy of everything, as it was written last. Beside it stands how to undo each change that is not
//! certain yet, so that what is left after a crash is found by undoing those.
//!
//! **Invariant.** Undoing all changes that are not certain gives what is on the disk.

use super::log::Log;
use super::message::{Append, Entry, Snapshot};
use super::state::{Lane, Raft, Undo};
use crate::replication::data::Item;
use crate::replication::disk::Mode;
use crate::replication::words::Peer;

impl Raft {
    /// Writes a change, made already. It goes to the disk when what has come is dealt with.
    pub(super) fn store(&mut self, undo: Undo) {
        self.written += 1;
        if self.config.disk != Mode::Never {
            self.journal.push_back((self.written, undo));
        }
    }

    /// A new term, or a vote in it.
    pub(super) fn ballot(&mut self, term: u64, vote: Option<Peer>) {
        let undo = Undo::Ballot(self.term, self.vote);
        (self.term, self.vote) = (term, vote);
        self.store(undo);
        self.balloted = self.written;
    }

    /// Adds an entry.
    pub(super) fn add(&mut self, entries: &[Entry]) {
        let first = self.log.last() + 1;
        for entry in entries {
            self.log.push(*entry);
        }
        self.store(Undo::Added { first, upto: self.log.last() });
    }

    /// Cuts off what is behind an index.
    pub(super) fn cut(&mut self, index: u64) {
        let gone = self.log.cut(index);
        self.durable = self.durable.min(index);
        for (_, undo) in &mut self.journal {
            if let Undo::Added { upto, .. } = undo {
                *upto = index.min(*upto);
            }
        }
        self.store(Undo::Cut(gone));
    }

    /// All up to this index may be said to be here.
    pub(super) fn stable(&self) -> u64 {
        if self.disk.suffices(self.written) { self.log.last() } else { self.durable }
    }

    /// Term and vote may be spoken of.
    pub(super) fn may_speak(&self) -> bool {
        self.disk.suffices(self.balloted)
    }

    /// Forgets how to undo what is certain.
    pub(super) fn harden(&mut self) {
        let certain = self.disk.certain();
        while let Some((written, _)) = self.journal.front()
            && *written <= certain
        {
            if let Some((_, Undo::Added { upto, .. })) = self.journal.pop_front() {
                self.durable = self.durable.max(upto);
            }
        }
        while let Some((index, ..)) = self.undo.front()
            && *index <= self.durable
        {
            self.undo.pop_front();
        }
    }

    /// The process died: what is on the disk is left.
    pub(super) fn recover(&mut self, empty: bool) {
        self.written = self.disk.restart(empty);
        (self.balloted, self.torn) = (0, false);
        if empty || self.config.disk == Mode::Never || self.written < self.installed {
            (self.term, self.vote, self.installed) = (0, None, 0);
            self.log = Log::default();
            self.data.clear();
            self.begins.clear();
            (self.applied, self.rebuilds) = (0, true);
            self.undo.clear();
            self.journal.clear();
        }
        while let Some((written, undo)) = self.journal.pop_back()
            && written > self.written
        {
            match undo {
                Undo::Added { first, .. } => drop(self.log.cut(first - 1)),
                Undo::Cut(entries) => entries.into_iter().for_each(|entry| self.log.push(entry)),
                Undo::Ballot(term, vote) => (self.term, self.vote) = (term, vote),
                Undo::Nothing => {}
            }
        }
        self.journal.clear();
        self.durable = self.log.last();
        while let Some((index, key, item)) = self.undo.pop_back() {
            if index > self.durable {
                self.data.unlearn(self.data.get(key).version);
                self.data.put(key, item);
            }
        }
        self.applied = self.applied.min(self.durable);
        self.commit = self.applied;
    }

    /// What is held of a key changes; `index` is that of the entry that does it.
    pub(super) fn put(&mut self, index: u64, key: u64, item: Item) {
        let before = self.data.get(key);
        if self.data.put_newer(key, item) && index > self.durable && self.config.disk != Mode::Never
        {
            self.undo.push_back((index, key, before));
        }
    }

    /// A snapshot came: it is used when it is on the disk.
    pub(super) fn keep(&mut self, snapshot: Box<Snapshot>) {
        self.store(Undo::Nothing);
        self.incoming = Some((self.written, snapshot));
    }

    /// Takes a snapshot's place in the log.
    pub(super) fn install(&mut self, written: u64, snapshot: Snapshot) {
        let Snapshot { index, index_term, items, done, begins, .. } = snapshot;
        self.begins = begins;
        if self.log.term(index) == Some(index_term) && !self.torn {
            self.log.forget(index);
            self.durable = self.durable.max(index);
        } else {
            self.log = Log::behind(index, index_term);
            self.durable = index;
            self.journal.retain(|(_, undo)| matches!(undo, Undo::Ballot(..)));
        }
        self.data.clear();
        for (key, item) in items {
            self.data.put(key, item);
        }
        for item in done {
            self.data.remember(item);
        }
        self.undo.clear();
        self.early.clear();
        self.installed = written;
        (self.applied, self.commit) = (index, index.max(self.commit).min(self.log.last()));
        self.torn = false;
        self.lanes.iter_mut().for_each(Lane::void);
        self.taken = index;
    }

    /// Entries that came before those they follow are kept until these come.
    pub(super) fn keep_early(&mut self, append: Box<Append>) {
        const MOST: usize = 1024;
        if !append.entries.is_empty() && self.early.len() < MOST {
            self.early.insert(append.prev, append);
        }
    }
}
