//! What a replica holds, what it keeps for others, and how much of that would outlive its process.
//!
//! **Invariant.** Undoing the log from its end gives what was held at each earlier moment, back to what is certain
//! (but a key that was forgotten in between may be back).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::kept::{Hints, Kept};
use super::message::{Held, Message};
use super::timer;
use crate::engine::random::mix;
use crate::replication::contract::{Context, Effect};
use crate::replication::damage::Strike;
use crate::replication::data::{Data, Item};
use crate::replication::digests::Digests;
use crate::replication::disk::{Disk, Mode};
use crate::replication::message::Message as Any;
use crate::replication::words::{Note, Peer};

/// Orders what is held of one key.
pub(super) fn place(item: Item) -> (u64, u64) {
    (item.order, item.version)
}

/// When tombstones are forgotten.
#[derive(Clone, Debug, Default)]
struct Tombstones {
    by_key: BTreeMap<u64, u64>,
    by_time: BTreeSet<(u64, u64)>,
}

impl Tombstones {
    fn set(&mut self, key: u64, dies: u64) {
        if dies == 0 && self.by_key.is_empty() {
            return;
        }
        let before =
            if dies == 0 { self.by_key.remove(&key) } else { self.by_key.insert(key, dies) };
        if let Some(before) = before {
            self.by_time.remove(&(before, key));
        }
        if dies > 0 {
            self.by_time.insert((dies, key));
        }
    }

    fn get(&self, key: u64) -> u64 {
        // Most stores delete nothing.
        if self.by_key.is_empty() {
            return 0;
        }
        self.by_key.get(&key).copied().unwrap_or_default()
    }
}

/// What a process holds.
#[derive(Clone, Debug)]
pub(super) struct Store {
    me: Peer,
    data: Data,
    tombstones: Tombstones,
    /// Of its data; if replicas compare what they hold.
    pub(super) digests: Option<Digests>,
    /// What it keeps for others.
    pub(super) hints: Hints,
    disk: Disk,
    /// Nothing is ever certain: there is no log.
    never: bool,
    /// The number of the last write.
    written: u64,
    /// What stood before each write that is not certain yet, the last one of which is number `written`: for whom, the
    /// key, what.
    log: VecDeque<(Peer, u64, Kept)>,
    /// What is said to whom when the disk is so far, by the number of the write.
    waiting: VecDeque<(u64, Peer, Message)>,
}

impl Store {
    pub(super) fn new(me: Peer, mode: Mode, compares: bool) -> Self {
        Self {
            me,
            data: Data::default(),
            tombstones: Tombstones::default(),
            digests: compares.then(Digests::default),
            hints: Hints::default(),
            disk: Disk::new(mode, timer::DISK),
            never: mode == Mode::Never,
            written: 0,
            log: VecDeque::new(),
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn data(&self) -> &Data {
        &self.data
    }

    /// What stood before the last write of each key is to be known.
    pub(super) fn look_back(&mut self) {
        self.data.look_back();
    }

    /// The process died: what was not certain is undone.
    pub(super) fn restart(&mut self, empty: bool, cx: &mut Context<'_>) {
        let left = self.disk.restart(empty);
        self.waiting.clear();
        if empty || self.never {
            self.data.clear();
            self.tombstones = Tombstones::default();
            self.digests = self.digests.as_ref().map(|_| Digests::default());
            self.hints.clear();
            self.log.clear();
        }
        while self.written > left
            && let Some((owner, key, before)) = self.log.pop_back()
        {
            self.data.unlearn(self.kept(owner, key).item.version);
            self.set(owner, key, before);
            self.written -= 1;
        }
        self.written = left;
        self.forget(cx);
    }

    fn kept(&self, owner: Peer, key: u64) -> Kept {
        if owner == self.me {
            Kept { item: self.data.get(key), dies: self.tombstones.get(key), since: 0 }
        } else {
            self.hints.get(owner, key)
        }
    }

    /// What is held of a key for a replica, and whether it is as safe as promised.
    #[inline]
    pub(super) fn get(&self, owner: Peer, key: u64, now: u64) -> (Held, bool) {
        let firm = self.disk.suffices(self.last_write(owner, key));
        (self.kept(owner, key).held(now), firm)
    }

    /// Somebody reads it: what is found damaged is not held any more.
    pub(super) fn read(&mut self, owner: Peer, key: u64, cx: &mut Context<'_>) -> (Held, bool) {
        if owner == self.me && self.data.is_damaged(key) {
            if self.data.get(key).version != 0 {
                cx.note(Note::Counted("damaged"));
            }
            self.set(owner, key, Kept::default());
        }
        self.get(owner, key, cx.now)
    }

    /// Copies are damaged.
    pub(super) fn strike(&mut self, strike: Strike) {
        if !strike.silent {
            return self.data.strike(strike);
        }
        for (key, item) in self.data.before(&strike) {
            self.set(self.me, key, Kept { item, ..Kept::default() });
        }
    }

    fn set(&mut self, owner: Peer, key: u64, kept: Kept) {
        if owner != self.me {
            return self.hints.put(owner, key, kept);
        }
        if let Some(digests) = &mut self.digests {
            digests.change(key, digest(key, self.data.get(key)), digest(key, kept.item));
        }
        self.tombstones.set(key, kept.dies);
        if kept.item.version == 0 {
            self.data.forget(key);
        } else {
            self.data.put(key, kept.item);
        }
    }

    /// The last write of a key of which the disk is not certain; 0 if there is none.
    pub(super) fn last_write(&self, owner: Peer, key: u64) -> u64 {
        if self.log.is_empty() || self.disk.suffices(u64::MAX) {
            return 0; // nothing waits for the disk in this mode
        }
        let first = self.written + 1 - self.log.len() as u64;
        let is_it = |(o, k, _): &(Peer, u64, Kept)| (*o, *k) == (owner, key);
        self.log.iter().rposition(is_it).map_or(0, |at| first + at as u64)
    }

    /// The stamp of a write that was done here already, if it is known.
    pub(super) fn done(&self, owner: Peer, version: u64) -> Option<u64> {
        (owner == self.me).then(|| self.data.done(version)).flatten()
    }

    /// This was written, too, whatever took its place since.
    pub(super) fn remember(&mut self, item: Item) {
        self.data.remember(item);
    }

    /// It knows the writes that it has done when they are asked for again.
    pub(super) fn remembering(&mut self) {
        self.data = Data::remembering(true);
    }

    /// Something is written where something else is held: of the two the newer is known to come after the other.
    pub(super) fn note_order(
        &self,
        (owner, key): (Peer, u64),
        held: Held,
        fresh: bool,
        cx: &mut Context<'_>,
    ) {
        let (one, other) = (held.item, self.kept(owner, key).item);
        if other.version != 0 && one.version != other.version {
            let (newer, older) =
                if place(one) > place(other) { (one, other) } else { (other, one) };
            let (version, older) = (newer.version, older.version);
            cx.note(Note::Follows { key, fresh, version, older });
        }
    }

    /// All versions it holds, for itself and for others.
    pub(super) fn versions(&self, each: &mut dyn FnMut(u64)) {
        self.data.each(each);
        self.hints.versions(each);
    }

    /// Takes something newer. The write after which this, or what is newer, is certain.
    pub(super) fn put(&mut self, owner: Peer, key: u64, held: Held, cx: &mut Context<'_>) -> u64 {
        let before = self.kept(owner, key);
        if place(held.item) <= place(before.item) {
            if owner == self.me {
                self.data.remember(held.item);
            }
            return self.last_write(owner, key);
        }
        let dies = if held.left == 0 { 0 } else { cx.now.saturating_add(held.left) };
        let first = self.tombstones.by_time.first().is_none_or(|(first, _)| dies < *first);
        self.set(owner, key, Kept { item: held.item, dies, since: cx.now });
        if owner != self.me {
            cx.note(Note::Counted("hint"));
        } else if dies > 0 && first {
            cx.act(Effect::Arm(timer::FORGET, held.left));
        }
        self.written += 1;
        if !self.never {
            self.log.push_back((owner, key, before));
        }
        self.disk.write(self.written, cx);
        self.drop_certain();
        self.written
    }

    /// Says something when the disk is so far.
    pub(super) fn say(&mut self, after: u64, to: Peer, message: Message, cx: &mut Context<'_>) {
        if self.disk.suffices(after) {
            send(to, message, cx);
        } else {
            // What is held already may wait for an earlier write than the last one that came.
            let at = self.waiting.partition_point(|(write, ..)| *write <= after);
            self.waiting.insert(at, (after, to, message));
        }
    }

    /// The disk's timer fired.
    pub(super) fn timed(&mut self, cx: &mut Context<'_>) {
        self.disk.timed(cx);
        self.drop_certain();
        while self.waiting.front().is_some_and(|(write, ..)| self.disk.suffices(*write))
            && let Some((_, to, message)) = self.waiting.pop_front()
        {
            send(to, message, cx);
        }
    }

    /// Old tombstones are forgotten, with their keys: whoever held something older before them can bring it back.
    pub(super) fn forget(&mut self, cx: &mut Context<'_>) {
        while let Some((dies, key)) = self.tombstones.by_time.first().copied() {
            if dies > cx.now {
                cx.act(Effect::Arm(timer::FORGET, dies - cx.now));
                return;
            }
            self.set(self.me, key, Kept::default());
        }
    }

    #[cfg(test)]
    pub(super) fn open_writes(&self) -> usize {
        self.log.len() + self.waiting.len()
    }

    /// What is certain is never undone.
    fn drop_certain(&mut self) {
        let open = (self.written - self.disk.certain()) as usize;
        while self.log.len() > open {
            self.log.pop_front();
        }
    }
}

/// Sends a message.
pub(super) fn send(to: Peer, message: Message, cx: &mut Context<'_>) {
    cx.send(to, Any::Quorum(message));
}

/// A word that tells what is held of a key from others; that of nothing is 0.
fn digest(key: u64, item: Item) -> u64 {
    if item.version == 0 { 0 } else { mix(key ^ mix(item.order ^ mix(item.version))) }
}
