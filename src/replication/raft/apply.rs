//! Committed entries take effect.
//!
//! The leader of a term has done the work of its entries before it made them; for all others applying is work, in lanes
//! by key.
//!
//! **Invariant.** Entries of one key take effect in the order of the log.

use super::state::Raft;
use crate::engine::random::mix;
use crate::replication::contract::{Context, Effect};
use crate::replication::data::Item;
use crate::replication::words::{APPLIED, Note, Timer, place};

impl Raft {
    /// Gives committed entries to their lanes.
    pub(super) fn take(&mut self, cx: &mut Context<'_>) {
        if self.taken >= self.commit {
            return;
        }
        while self.taken < self.commit {
            self.taken += 1;
            let index = self.taken;
            let entry = self.log.get(index).expect("what is not applied is in the log");
            let lane = mix(entry.key) % self.lanes.len() as u64;
            let idle = self.lanes[lane as usize].waits.is_empty();
            if idle && self.needs_no_work(index) {
                self.effect(index);
                continue;
            }
            self.lanes[lane as usize].waits.push_back(index);
            if idle {
                self.begin(lane as u8, entry.key, cx);
            }
        }
        self.note_applied(cx);
    }

    fn begin(&mut self, lane: u8, key: u64, cx: &mut Context<'_>) {
        if !self.lanes[usize::from(lane)].void {
            cx.act(Effect::Apply { lane, key });
        }
    }

    /// It is empty, or was worked on before it was made.
    fn needs_no_work(&self, index: u64) -> bool {
        let entry = self.log.get(index).expect("what is not applied is in the log");
        entry.is_empty() || entry.term == self.led
    }

    /// An entry takes effect.
    fn effect(&mut self, index: u64) {
        let entry = self.log.get(index).expect("what is not applied is in the log");
        if self.config.keeps && !entry.is_empty() {
            let item = Item { version: entry.version, order: place(entry.term, index) };
            self.put(index, entry.key, item);
        }
    }

    /// The work of a lane's first entry is done.
    pub(super) fn worked(&mut self, timer: Timer, cx: &mut Context<'_>) {
        let lane = timer - APPLIED;
        let at = usize::from(lane);
        if !std::mem::take(&mut self.lanes[at].void)
            && let Some(index) = self.lanes[at].waits.pop_front()
        {
            self.effect(index);
        }
        while let Some(&index) = self.lanes[at].waits.front() {
            if !self.needs_no_work(index) {
                let entry = self.log.get(index).expect("what is not applied is in the log");
                self.begin(lane, entry.key, cx);
                break;
            }
            self.lanes[at].waits.pop_front();
            self.effect(index);
        }
        self.note_applied(cx);
    }

    /// All up to an index may have been applied by now.
    fn note_applied(&mut self, cx: &mut Context<'_>) {
        let first = self.lanes.iter().filter_map(|lane| lane.waits.front()).min();
        let applied = first.map_or(self.taken, |first| first - 1);
        if applied > self.applied {
            self.applied = applied;
            if self.lead.is_none() {
                let term = self.log.term(applied).expect("what is applied last is known");
                cx.note(Note::Applied { order: place(term, applied) });
            }
        }
    }
}
