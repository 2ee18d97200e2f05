//! How a leader that has lost something comes to have all again: it begins a new life, asks each other leader for all that
//! it holds, and then sends all of them what it has, before it ships its new log.
//!
//! It takes writes when all others have told it everything: so it knows all of its own writes that anybody else knows. The
//! numbers of those that are lost may be in the contexts of clients, and are not given again: its numbers go on above all
//! that its earlier lives gave, whose count the others keep. It serves reads when one other has told it everything.
//!
//! **Invariant.** Who has no place in a log takes no entry of it.

use super::config::{CHUNK, HELLO, PATIENCE, RESEND};
use super::message::{Chunk, Life, Message};
use super::peer::Copying;
use super::replica::{Asks, MultiLeader, send, sending};
use super::state::State;
use super::store::{Came, Mark};
use crate::replication::contract::{Context, Effect};
use crate::replication::words::Note;

impl MultiLeader {
    /// It goes on with what is left to it, and asks the others for the rest.
    pub(super) fn begin_life(&mut self, cx: &mut Context<'_>) {
        self.log.base = self.store.marks[usize::from(self.place)].upto.unwrap_or_default();
        self.life = 2 + cx.laws.below(1 << 62);
        self.log.all.clear();
        (self.committed, self.left) = (self.log.base, self.log.base);
        for place in self.others() {
            let Mark { life, .. } = self.store.marks[usize::from(place)];
            self.store.mark(place, Mark { life, upto: None }, cx);
            self.origins[usize::from(place)].came = None;
        }
        let (missing, base) = (self.others().collect(), self.log.base);
        self.asks = Some(Asks { missing, one: false, base, over: 0, wait: RESEND });
        self.ask(cx);
    }

    /// Asks those who have not told everything.
    pub(super) fn ask(&mut self, cx: &mut Context<'_>) {
        let Some(asks) = &mut self.asks else { return };
        cx.act(Effect::Arm(HELLO, asks.wait));
        asks.wait = (asks.wait * 2).min(PATIENCE);
        let missing = asks.missing.clone();
        for place in missing {
            self.say_hello(place, 0, cx);
        }
        self.settle(cx);
    }

    /// Says who it is, to one that takes it for another.
    pub(super) fn say_hello(&self, to: u8, over: Life, cx: &mut Context<'_>) {
        send(self.peer(to), Message::Hello { life: self.life, over }, cx);
    }

    /// All others may have told everything.
    fn settle(&mut self, cx: &mut Context<'_>) {
        let Some(asks) = self.asks.take_if(|asks| asks.missing.is_empty()) else { return };
        cx.act(Effect::Disarm(HELLO));
        (self.log.base, self.over) = (asks.base, asks.over);
        (self.committed, self.left) = (asks.base, asks.base);
        self.store.mark(self.place, Mark { life: self.life, upto: Some(asks.base) }, cx);
        self.store.whole = Some(self.store.written);
        for place in self.others() {
            self.begin_copy(place, cx);
        }
    }

    /// Another leader begins a new life: what was known of it is void.
    fn adopt(&mut self, from: u8, life: Life, cx: &mut Context<'_>) {
        let at = usize::from(from);
        self.origins[at].is_over(self.store.marks[at]);
        self.store.mark(from, Mark { life, upto: None }, cx);
        let copy = self.copy(from);
        (copy.acked, copy.streams, copy.copying) = (None, false, None);
    }

    /// Another leader wants all that is held here.
    pub(super) fn hello(&mut self, from: u8, (life, over): (Life, Life), cx: &mut Context<'_>) {
        let at = usize::from(from);
        let taken = self.store.marks[at].life;
        if over != 0 && over == taken {
            // It was told of a life that was over, and came late: this one is not.
            self.origins[at].past.retain(|past| *past != life);
        }
        if self.origins[at].past.contains(&life) {
            return;
        }
        let known = taken == life;
        // What it wrote before is applied first: it asks again.
        if self.origins[at].queue.is_empty() {
            if !known {
                self.adopt(from, life, cx);
            }
            let copy = self.copy(from);
            if copy.copying.is_none() && copy.acked.is_none() {
                self.begin_copy(from, cx);
            }
        }
        self.watch(cx);
    }

    /// Another leader gets all that is held here, from now on.
    pub(super) fn begin_copy(&mut self, to: u8, cx: &mut Context<'_>) {
        self.chunks += 1;
        let (number, upto) = (self.chunks, self.log.last());
        let keys = self.store.table.keys(|_| true);
        let Mark { life, .. } = self.store.marks[usize::from(to)];
        let copy = self.copy(to);
        copy.streams = false;
        copy.heard(cx.now);
        copy.copying = Some(Copying { to: life, keys, done: 0, number, upto, paced: true });
        self.send_chunk(to, cx);
        self.watch(cx);
    }

    /// Sends a chunk, or sends it again; the other one's silence may last longer each time.
    pub(super) fn send_chunk(&mut self, to: u8, cx: &mut Context<'_>) {
        let (life, peer) = (self.life, self.peer(to));
        let at = usize::from(to);
        let yours = self.store.marks[at].upto.unwrap_or_default().max(self.origins[at].had);
        let over = (self.over, self.origins[at].over);
        let copy = self.copy(to);
        let Some(copying) = &mut copy.copying else { return };
        let again = !std::mem::replace(&mut copying.paced, false);
        let rest = &copying.keys[copying.done..];
        let (keys, last) = match rest.get(..CHUNK) {
            Some(some) if rest.len() > CHUNK => (some.to_vec(), None),
            _ => (rest.to_vec(), Some(copying.upto)),
        };
        let (to, number) = (copying.to, copying.number);
        if again {
            copy.silent(cx.now);
        } else {
            copy.heard(cx.now);
        }
        let items = keys.into_iter().map(|key| (key, self.travels(key, cx.now))).collect();
        let chunk = Chunk { life, to, number, last, yours, over, items };
        let message = Message::Chunk(Box::new(chunk));
        self.store.then(self.store.written, sending(peer, message), cx);
    }

    /// What is held of a key, as it travels.
    pub(super) fn travels(&self, key: u64, now: u64) -> State {
        let mut state = self.store.state(key);
        state.each_death(|dies| dies.saturating_sub(now).max(1));
        state
    }

    /// Some of all that another leader holds.
    pub(super) fn copied(&mut self, from: u8, chunk: Chunk, cx: &mut Context<'_>) {
        let at = usize::from(from);
        if chunk.to != self.life {
            return self.say_hello(from, chunk.to, cx);
        }
        if self.origins[at].past.contains(&chunk.life) {
            return self.has_no_place(from, cx);
        }
        if !self.origins[at].queue.is_empty() {
            return; // it comes again
        }
        if self.store.marks[at].life != chunk.life {
            self.adopt(from, chunk.life, cx);
        }
        self.origins[at].over = self.origins[at].over.max(chunk.over.0);
        for (key, state) in chunk.items {
            self.merge(key, state, cx);
        }
        if let Some(upto) = chunk.last {
            let upto = upto.max(self.origins[at].came.unwrap_or_default());
            self.origins[at].came = Some(upto);
            self.origins[at].early.clear();
            let mark = Mark { life: chunk.life, upto: Some(upto) };
            if self.store.marks[at] != mark {
                self.store.mark(from, mark, cx);
                cx.note(Note::Took { from: self.peer(from), order: upto });
            }
            if let Some(asks) = &mut self.asks {
                asks.missing.retain(|missing| *missing != from);
                asks.one = true;
                asks.base = asks.base.max(chunk.yours);
                asks.over = asks.over.max(chunk.over.1);
            }
        }
        let message = Message::Copied { number: chunk.number };
        self.store.then(self.store.written, sending(self.peer(from), message), cx);
        self.settle(cx);
        self.watch(cx);
    }

    /// What another leader holds of a key comes.
    pub(super) fn merge(&mut self, key: u64, mut state: State, cx: &mut Context<'_>) {
        state.each_death(|left| cx.now.saturating_add(left));
        let came = Came { mark: None, version: 0, values: state.values() };
        self.change(key, came, |mine| mine.merge(&state), cx);
    }

    /// Another leader has a chunk.
    pub(super) fn has_chunk(&mut self, from: u8, number: u64, cx: &mut Context<'_>) {
        self.chunks += 1;
        let next = self.chunks;
        let copy = self.copy(from);
        let Some(copying) = copy.copying.as_mut().filter(|copying| copying.number == number) else {
            return;
        };
        copying.done += CHUNK;
        copying.number = next;
        copying.paced = true;
        let upto = copying.upto;
        if copying.done >= copying.keys.len() {
            copy.copying = None;
            (copy.acked, copy.sent, copy.streams) = (Some(upto), upto, true);
        }
        copy.heard(cx.now);
        if self.copy(from).streams && upto >= self.log.base && upto < self.left {
            self.go_on(from, cx);
        }
        self.trim(cx);
        self.watch(cx);
    }
}
