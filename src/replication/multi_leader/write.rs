//! What a client's operation does at the leader it came to.
//!
//! **Invariant.** A leader gives a stamp or a number once (one that is alone and has lost all begins anew).

use super::config::{LIVES, NUMBERS};
use super::log::Logged;
use super::message::Entry;
use super::replica::MultiLeader;
use super::state::Conflict;
use super::state::{State, missing, place};
use super::store::{Came, Mark};
use crate::replication::contract::{Context, Effect};
use crate::replication::data::Item;
use crate::replication::words::{Act, Answer, Dots, Failure, Known, Note, Operation, Phase};

impl MultiLeader {
    /// An operation is that far.
    pub(super) fn operate(&mut self, operation: &Operation, phase: Phase, cx: &mut Context<'_>) {
        let refusal = self.refusal(operation);
        match (operation.act, phase) {
            // Nothing that a leader holds gets older while it runs: a write need not ask again.
            (Act::Read, _) | (_, Phase::Arrived) if refusal.is_some() => {
                if let Some(answer) = refusal {
                    cx.answer(operation.ticket, answer);
                }
            }
            (_, Phase::Arrived) => cx.act(Effect::GoOn(operation.ticket)),
            (Act::Read, Phase::Worked) => self.read(operation, cx),
            (_, Phase::Worked) => self.write(operation, cx),
        }
    }

    /// Why it does not serve it.
    fn refusal(&self, operation: &Operation) -> Option<Answer> {
        if let Some(asks) = &self.asks
            && (operation.act != Act::Read || !asks.one)
        {
            return Some(Answer::Failed(Failure::NoLeader));
        }
        let since = operation.since;
        if since == Known::default() {
            return None;
        }
        let known = self.store.get(operation.key).map(|slot| slot.state.known());
        let known = known.unwrap_or_default();
        let behind = !since.is_within(&known);
        behind.then(|| self.elsewhere(&known.dots, &since.dots))
    }

    /// Who may know more: a leader whose own writes are missing here, or else the next one.
    fn elsewhere(&self, known: &Dots, since: &Dots) -> Answer {
        let n = self.config.leaders as u8;
        let next = (self.place + 1) % n;
        let whose = missing(known, since, self.place).filter(|place| *place < n).unwrap_or(next);
        if whose == self.place {
            Answer::Failed(Failure::Behind)
        } else {
            Answer::Elsewhere(self.peer(whose))
        }
    }

    fn read(&mut self, &Operation { ticket, key, .. }: &Operation, cx: &mut Context<'_>) {
        let (version, known, last) = self.store.get(key).map_or_else(Default::default, |slot| {
            (slot.state.version(key), slot.state.known(), slot.last)
        });
        // What is read must not be gone after a crash, or its number might be that of another write then.
        self.store.then(last, Effect::Answer(ticket, Answer::Read(version), known), cx);
    }

    fn write(&mut self, operation: &Operation, cx: &mut Context<'_>) {
        let key = operation.key;
        let version = operation.act.version().unwrap_or_default();
        if operation.once.is_some() && self.store.table.has_done(key, version) {
            let (known, last) = self
                .store
                .get(key)
                .map_or_else(Default::default, |slot| (slot.state.known(), slot.last));
            return self.store.then(
                last,
                Effect::Answer(operation.ticket, Answer::Written, known),
                cx,
            );
        }
        let held = || self.store.get(key).map_or(0, |slot| slot.state.version(key));
        if let Some(failure) = cx.refuses((operation.expects, version), held) {
            return cx.answer(operation.ticket, Answer::Failed(failure));
        }
        let entry = self.entry(operation, cx);
        let before = self.store.get(key).map_or(0, |slot| slot.state.values());
        let dies = self.dies(entry.delete, cx.now);
        let place = self.log.last() + 1;
        self.log.all.push_back(Logged { entry, leaves: 0 });
        let mark = Mark { life: self.life, upto: Some(place) };
        let (me, mut known, mut after) = (self.place, Known::default(), 0);
        let take = |state: &mut State| {
            let changed = state.take(me, &entry, dies);
            (known, after) = (state.known(), state.values());
            changed
        };
        let came = Came { mark: Some((me, mark)), version, values: 1 };
        self.store.change(key, came, take, cx);
        if self.config.conflict == Conflict::Vectors {
            if before + 1 - after >= 2 {
                cx.note(Note::Counted("merge"));
            }
            if after > before.max(1) {
                cx.note(Note::Counted("conflict"));
            }
        }
        let written = self.store.written;
        self.commit(cx);
        let answer = Effect::Answer(operation.ticket, Answer::Written, known);
        self.store.then(written, answer, cx);
    }

    /// A write gets its place in the order of its key's versions.
    fn entry(&mut self, operation: &Operation, cx: &mut Context<'_>) -> Entry {
        let key = operation.key;
        let version = operation.act.version().unwrap_or_default();
        let delete = matches!(operation.act, Act::Delete(_));
        let known = self.store.get(key).map(|slot| slot.state.dots()).unwrap_or_default();
        let context = match self.config.conflict {
            Conflict::Vectors => operation.context,
            Conflict::Set if delete => known,
            _ => Dots::default(),
        };
        let number = if self.config.conflict == Conflict::Lww {
            let above = operation.since.order + 1;
            let order = match operation.once {
                // The same for all attempts, whoever takes them.
                Some(once) => once.stamp.max(above),
                None => cx.wall.max(self.stamped + 1).max(above),
            };
            self.stamped = self.stamped.max(order);
            cx.note(Note::Accepted { key, version, order });
            self.note_order(key, Item { version, order }, cx);
            order
        } else {
            let leader = self.place;
            let last = known.join(&context).0[usize::from(leader)].max(self.store.table.floor);
            let skips = last.max(self.over.min(LIVES) * NUMBERS);
            if skips > last {
                cx.note(Note::Skipped { key, leader, after: last, upto: skips });
            }
            cx.note(Note::Dotted { key, version, leader, number: skips + 1 });
            u64::from(skips + 1)
        };
        Entry { key, version, number, context, delete }
    }

    /// When a tombstone that comes now is forgotten; 0 if never.
    pub(super) fn dies(&self, delete: bool, now: u64) -> u64 {
        let keep = self.config.tombstones.filter(|_| delete);
        keep.map_or(0, |keep| now.saturating_add(keep))
    }

    /// A write takes the place of what is held here, which its leader knows of. What comes from another leader was written
    /// there by somebody who did not.
    fn note_order(&self, key: u64, item: Item, cx: &mut Context<'_>) {
        let held = self.store.get(key).map(|slot| slot.state.item()).unwrap_or_default();
        if held.version != 0 && held.version != item.version && place(item) > place(held) {
            let (version, older) = (item.version, held.version);
            cx.note(Note::Follows { key, fresh: true, version, older });
        }
    }
}
