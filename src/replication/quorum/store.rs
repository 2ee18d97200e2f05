//! What a replica holds, and how much of it would outlive its process.
//!
//! **Invariant.** Undoing the log from its end gives what was held at each earlier moment, back to what is certain.

use std::collections::VecDeque;

use super::{Context, Data, Effect, Item, Message, Number, Peer, disk, timer};
use crate::replication::disk::{Disk, Mode};

/// What a replica holds.
#[derive(Clone, Debug)]
pub(super) struct Store {
    data: Data,
    disk: Disk,
    /// Nothing is ever certain: there is no log.
    never: bool,
    /// The number of the last write.
    written: u64,
    /// What stood before each write that is not certain yet, the last one of which is number `written`.
    log: VecDeque<(u64, Item)>,
    /// Who is told that it is stored when the disk is so far: by the number of the write.
    waiting: VecDeque<(u64, Asker)>,
}

/// Who asked to store something, for which replica, by which number.
type Asker = (Peer, Peer, Number);

impl Store {
    pub(super) fn new(mode: disk::Mode) -> Self {
        Self {
            data: Data::default(),
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

    /// The process died: what was not certain is undone.
    pub(super) fn restart(&mut self, empty: bool) {
        let left = self.disk.restart(empty);
        self.waiting.clear();
        if empty || self.never {
            self.data.clear();
            self.log.clear();
        }
        while self.written > left
            && let Some((key, before)) = self.log.pop_back()
        {
            match before {
                Item { version: 0, .. } => self.data.forget(key),
                before => self.data.put(key, before),
            }
            self.written -= 1;
        }
        self.written = left;
    }

    /// What is held of a key, and whether it is as safe as promised.
    #[inline]
    pub(super) fn get(&self, key: u64) -> (Item, bool) {
        (self.data.get(key), self.disk.suffices(self.last_write(key)))
    }

    /// The last write of a key of which the disk is not certain; 0 if there is none.
    fn last_write(&self, key: u64) -> u64 {
        if self.log.is_empty() || self.disk.suffices(u64::MAX) {
            return 0; // nothing waits for the disk in this mode
        }
        let first = self.written + 1 - self.log.len() as u64;
        self.log.iter().rposition(|(k, _)| *k == key).map_or(0, |at| first + at as u64)
    }

    /// Takes something newer. The write after which this, or what is newer, is certain.
    pub(super) fn put(&mut self, key: u64, item: Item, cx: &mut Context<'_>) -> u64 {
        let before = self.data.get(key);
        if !self.data.put_newer(key, item) {
            return self.last_write(key);
        }
        self.written += 1;
        if !self.never {
            self.log.push_back((key, before));
        }
        self.disk.write(self.written, cx);
        self.forget_certain();
        self.written
    }

    /// Says `stored` when the disk is so far.
    pub(super) fn say_stored(&mut self, after: u64, asker: Asker, cx: &mut Context<'_>) {
        if self.disk.suffices(after) {
            say(asker, cx);
        } else {
            // What is held already may wait for an earlier write than the last one that came.
            let at = self.waiting.partition_point(|(write, _)| *write <= after);
            self.waiting.insert(at, (after, asker));
        }
    }

    /// The disk's timer fired.
    pub(super) fn timed(&mut self, cx: &mut Context<'_>) {
        self.disk.timed(cx);
        self.forget_certain();
        while let Some((write, asker)) = self.waiting.front().copied()
            && self.disk.suffices(write)
        {
            self.waiting.pop_front();
            say(asker, cx);
        }
    }

    #[cfg(test)]
    pub(super) fn open_writes(&self) -> usize {
        self.log.len() + self.waiting.len()
    }

    /// What is certain is never undone.
    fn forget_certain(&mut self) {
        let open = (self.written - self.disk.certain()) as usize;
        while self.log.len() > open {
            self.log.pop_front();
        }
    }
}

fn say((to, owner, number): Asker, cx: &mut Context<'_>) {
    let stored = Message::Stored { owner, number };
    cx.act(Effect::Send(to, crate::replication::Message::Quorum(stored)));
}
