//! A leader takes what others ship: in log order, those of a key one after another.
//!
//! **Invariant.** Of each log a beginning is in the data, but for lanes at work; of that a beginning is spoken of.

use super::config::{EARLY, PROGRESS, RESEND};
use super::message::{Entry, Life, Message};
use super::replica::{MultiLeader, send};
use super::state::{Conflict, State};
use super::store::{Came, Mark, Store};
use crate::engine::random::mix;
use crate::replication::contract::{Context, Effect};
use crate::replication::words::Note;

impl MultiLeader {
    /// Entries of another leader's log.
    pub(super) fn replicate(
        &mut self,
        from: u8,
        life: Life,
        (prev, entries): (u64, &[Entry]),
        cx: &mut Context<'_>,
    ) {
        let origin = &mut self.origins[usize::from(from)];
        let known = self.store.marks[usize::from(from)].life;
        let Some(came) = origin.came.filter(|_| known == life) else {
            return self.has_no_place(from, cx);
        };
        let mut next = came + 1;
        for (at, entry) in (prev + 1..).zip(entries) {
            if at == next {
                origin.queue.push_back((*entry, false));
                next += 1;
            } else if at > next && origin.early.len() < EARLY {
                origin.early.insert(at, *entry);
            }
        }
        while let Some(first) = origin.early.first_entry()
            && *first.key() <= next
        {
            let (at, entry) = first.remove_entry();
            if at == next {
                origin.queue.push_back((entry, false));
                next += 1;
            }
        }
        origin.came = Some(next - 1);
        for at in came + 1..next {
            self.give(from, at, cx);
        }
        let here = self.store.marks[usize::from(from)].upto;
        if here == self.origins[usize::from(from)].came {
            // Nothing of it is under way: whoever sent that may not know.
            self.tell(from, u64::MAX, cx);
        }
    }

    /// Another leader speaks of a log, or of a life, in which this one has no place: it says so.
    pub(super) fn has_no_place(&self, from: u8, cx: &mut Context<'_>) {
        let life = self.store.marks[usize::from(from)].life;
        send(self.peer(from), Message::Replicated { life, upto: None }, cx);
    }

    /// Gives an entry to its lane.
    fn give(&mut self, from: u8, at: u64, cx: &mut Context<'_>) {
        let key = self.queued(from, at).0.key;
        let lane = (mix(key) % self.lanes.len() as u64) as u8;
        self.lanes[usize::from(lane)].queue.push_back((from, at));
        self.work(lane, cx);
    }

    /// An entry that is not in the data, or before its turn.
    fn queued(&mut self, from: u8, at: u64) -> &mut (Entry, bool) {
        let done = self.store.marks[usize::from(from)].upto.unwrap_or_default();
        let queue = &mut self.origins[usize::from(from)].queue;
        let found = queue.get_mut((at - done) as usize - 1);
        found.expect("what waits to be applied is kept")
    }

    fn work(&mut self, number: u8, cx: &mut Context<'_>) {
        let lane = &mut self.lanes[usize::from(number)];
        if lane.busy.is_none()
            && let Some((from, at)) = lane.queue.pop_front()
        {
            lane.busy = Some((from, at));
            let key = self.queued(from, at).0.key;
            cx.act(Effect::Apply { lane: number, key });
        }
    }

    /// The work of a lane is done.
    pub(super) fn applied(&mut self, lane: u8, cx: &mut Context<'_>) {
        let Some((from, at)) = self.lanes[usize::from(lane)].busy.take() else { return };
        let queued = self.queued(from, at);
        queued.1 = true;
        let entry = queued.0;
        let mark = self.store.marks[usize::from(from)];
        let mut upto = mark.upto.unwrap_or_default();
        let origin = &mut self.origins[usize::from(from)];
        while origin.queue.front().is_some_and(|(_, done)| *done) {
            origin.queue.pop_front();
            upto += 1;
        }
        self.apply(from, &entry, Mark { upto: Some(upto), ..mark }, cx);
        if mark.upto != Some(upto) {
            cx.note(Note::Took { from: self.peer(from), order: upto });
        }
        self.say(from, cx);
        self.work(lane, cx);
    }

    fn apply(&mut self, from: u8, entry: &Entry, mark: Mark, cx: &mut Context<'_>) {
        let dies = self.dies(entry.delete, cx.now);
        let take = |state: &mut State| state.take(from, entry, dies);
        let came = Came { mark: Some((from, mark)), version: entry.version, values: 1 };
        self.change(entry.key, came, take, cx);
    }

    /// What another leader holds, or wrote, comes.
    pub(super) fn change(
        &mut self,
        key: u64,
        came: Came,
        change: impl FnOnce(&mut State) -> bool,
        cx: &mut Context<'_>,
    ) {
        let count = |store: &Store| store.get(key).map_or(0, |slot| slot.state.values());
        let before = count(&self.store);
        let changed = self.store.change(key, came, change, cx);
        if changed && self.config.conflict == Conflict::Vectors {
            let after = count(&self.store);
            if after > before.max(came.values) || (before, after) == (1, 2) {
                cx.note(Note::Counted("conflict"));
            }
        }
    }

    /// Tells another leader how far this one is in its log, if that is worth a message.
    pub(super) fn say(&mut self, from: u8, cx: &mut Context<'_>) {
        let origin = &self.origins[usize::from(from)];
        // Who hears nothing for too long sends again.
        let late = cx.now >= origin.told_at + RESEND / 2;
        let enough = if late || origin.queue.is_empty() { 1 } else { PROGRESS };
        let certain = self.store.certain(from).upto.unwrap_or_default();
        if certain >= origin.told + enough {
            self.tell(from, certain, cx);
        }
    }

    /// Tells it that all up to a place is here, or else as much as is.
    fn tell(&mut self, from: u8, at_most: u64, cx: &mut Context<'_>) {
        let Mark { life, upto } = self.store.certain(from);
        if let Some(upto) = upto
            && life == self.store.marks[usize::from(from)].life
        {
            let upto = upto.min(at_most);
            let origin = &mut self.origins[usize::from(from)];
            (origin.told, origin.told_at) = (upto, cx.now);
            send(self.peer(from), Message::Replicated { life, upto: Some(upto) }, cx);
        }
    }
}
