//! What a leader holds, how far it is in the logs of all leaders, and how much of that would outlive its process.
//!
//! **Invariant.** Undoing from the end gives what was held at each earlier moment, back to what is certain (but a key that
//! was forgotten in between may be back). Nothing is told that is not as safe as the disk's mode promises.

use std::collections::VecDeque;

use super::config::{Config, DISK, FORGET};
use super::message::{FIRST, Life};
use super::state::State;
use super::table::{Slot, Table};
use crate::replication::contract::{Context, Effect};
use crate::replication::disk::{Disk, Mode};
use crate::replication::words::MOST_LEADERS;

/// How far it is in a leader's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// In which life of that leader; 0 if it knows none.
    pub(super) life: Life,
    /// All up to this place of the log is in the data; none if it has to be told everything first.
    pub(super) upto: Option<u64>,
}

/// What comes to a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    /// Of whose log, and how far that is with it; none if it comes by a copy.
    pub(super) mark: Option<(u8, Mark)>,
    /// The version of a write; 0 of a copy.
    pub(super) version: u64,
    /// Of so many values it is made.
    pub(super) values: usize,
}

/// What a write to the disk changed.
#[derive(Clone, Debug)]
struct Undo {
    /// Of which leader, and the mark after it.
    mark: Option<(u8, Mark)>,
    /// The key, and what was held of it before.
    before: Option<(u64, Option<Slot>)>,
    /// The version that was written; 0 if none was.
    version: u64,
}

/// What a leader holds.
#[derive(Clone, Debug)]
pub(super) struct Store {
    config: Config,
    pub(super) table: Table,
    pub(super) marks: [Mark; MOST_LEADERS],
    /// As far as that is certain.
    pub(super) stored: [Mark; MOST_LEADERS],
    /// By which write all others had told what they hold; none if it waits for them.
    pub(super) whole: Option<u64>,
    pub(super) disk: Disk,
    /// The number of the last write.
    pub(super) written: u64,
    /// What stood before each write that is not certain yet, the last one of which is number `written`.
    undo: VecDeque<Undo>,
    /// What is done when the disk is so far, by the number of the write.
    waiting: VecDeque<(u64, Effect)>,
}

impl Store {
    pub(super) fn new(config: Config) -> Self {
        let first = [Mark { life: FIRST, upto: Some(0) }; MOST_LEADERS];
        Self {
            config,
            table: Table::new(config.anti_entropy.is_some()),
            marks: first,
            stored: first,
            whole: Some(0),
            disk: Disk::new(config.disk, DISK),
            written: 0,
            undo: VecDeque::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Its process died: what was certain is left. Whether that is all that others were told of.
    pub(super) fn restart(&mut self, empty: bool, cx: &mut Context<'_>) -> bool {
        let left = self.disk.restart(empty);
        self.waiting.clear();
        if empty || self.config.disk == Mode::Never {
            self.table.clear();
            self.stored = [Mark { life: 0, upto: None }; MOST_LEADERS];
            self.undo.clear();
            self.whole = None;
        }
        while let Some(Undo { before, version, .. }) = self.undo.pop_back() {
            if let Some(done) = &mut self.table.done {
                done.remove(&version);
            }
            if let Some((key, slot)) = before {
                self.table.put(key, slot);
            }
        }
        (self.written, self.marks) = (left, self.stored);
        self.whole = self.whole.filter(|write| *write <= left);
        self.forget(cx);
        self.whole.is_some() && self.config.keeps()
    }

    /// How far it may say that it is in a leader's log.
    pub(super) fn certain(&self, leader: u8) -> Mark {
        let all = if self.config.keeps() { &self.stored } else { &self.marks };
        all[usize::from(leader)]
    }

    /// What is held of a key.
    #[inline]
    pub(super) fn get(&self, key: u64) -> Option<&Slot> {
        self.table.get(key)
    }

    /// What is held of a key, be it nothing.
    pub(super) fn state(&self, key: u64) -> State {
        let held = self.get(key).map(|slot| slot.state.clone());
        held.unwrap_or_else(|| State::none(self.config.conflict))
    }

    /// Changes what is held of a key, and how far it is in a leader's log; whether the former changed.
    pub(super) fn change(
        &mut self,
        key: u64,
        came: Came,
        change: impl FnOnce(&mut State) -> bool,
        cx: &mut Context<'_>,
    ) -> bool {
        let before = self.get(key).cloned();
        let mut state =
            before.as_ref().map_or_else(|| State::none(self.config.conflict), |s| s.state.clone());
        let changed = change(&mut state);
        if changed {
            let next = self.table.next_death();
            self.table.put(key, Some(Slot { state, last: self.written + 1 }));
            if self.table.next_death() != next {
                self.arm(cx);
            }
        }
        if changed || came.mark.is_some() {
            let Came { mark, version, .. } = came;
            self.write(Undo { mark, before: changed.then_some((key, before)), version }, cx);
        }
        changed
    }

    /// How far it is in a leader's log changes.
    pub(super) fn mark(&mut self, leader: u8, mark: Mark, cx: &mut Context<'_>) {
        self.write(Undo { mark: Some((leader, mark)), before: None, version: 0 }, cx);
    }

    fn write(&mut self, undo: Undo, cx: &mut Context<'_>) {
        if let Some((leader, mark)) = undo.mark {
            self.marks[usize::from(leader)] = mark;
        }
        if let Some(done) = self.table.done.as_mut().filter(|_| undo.version != 0) {
            done.insert(undo.version);
        }
        self.written += 1;
        if self.config.disk != Mode::Never {
            self.undo.push_back(undo);
        }
        self.disk.write(self.written, cx);
        self.drop_certain();
    }

    /// Has something done when the disk is so far.
    pub(super) fn then(&mut self, after: u64, effect: Effect, cx: &mut Context<'_>) {
        if self.disk.suffices(after) {
            cx.act(effect);
        } else {
            // What is held already may wait for an earlier write than the last one that came.
            let at = self.waiting.partition_point(|(write, _)| *write <= after);
            self.waiting.insert(at, (after, effect));
        }
    }

    /// The disk's timer fired.
    pub(super) fn timed(&mut self, cx: &mut Context<'_>) {
        self.disk.timed(cx);
        self.drop_certain();
    }

    /// What waited for the disk is done.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) {
        while self.waiting.front().is_some_and(|(write, _)| self.disk.suffices(*write))
            && let Some((_, effect)) = self.waiting.pop_front()
        {
            cx.act(effect);
        }
    }

    /// What is certain is never undone.
    fn drop_certain(&mut self) {
        let open = (self.written - self.disk.certain()) as usize;
        while self.undo.len() > open
            && let Some(undo) = self.undo.pop_front()
        {
            if let Some((leader, mark)) = undo.mark {
                self.stored[usize::from(leader)] = mark;
            }
        }
    }

    /// Old tombstones are forgotten: whoever holds something older can bring the key back.
    pub(super) fn forget(&mut self, cx: &mut Context<'_>) {
        self.table.expire(cx.now);
        self.arm(cx);
    }

    fn arm(&mut self, cx: &mut Context<'_>) {
        if let Some(next) = self.table.next_death() {
            cx.act(Effect::Arm(FORGET, next.saturating_sub(cx.now)));
        }
    }

    /// Writes that are not certain, and what waits for them.
    #[cfg(test)]
    pub(super) fn open(&self) -> (usize, usize) {
        (self.undo.len(), self.waiting.len())
    }
}
