//! Leaders compare what they hold, and exchange what differs.
//!
//! **Invariant.** Digests are those of what is held.

use super::message::Message;
use super::replica::{MultiLeader, send, sending};
use super::state::Seen;
use crate::replication::contract::Context;
use crate::replication::digests::{Digests, List};
use crate::replication::words::Peer;

impl MultiLeader {
    /// It is time to compare.
    pub(super) fn compare(&mut self, cx: &mut Context<'_>) {
        let n = self.config.leaders;
        let Some(turn) = self.exchange.turn(n - 1, self.asks.is_none(), cx) else { return };
        let Some(Digests(digests)) = &self.store.table.digests else { return };
        let other = self.peer(((u16::from(self.place) + 1 + turn) % n) as u8);
        send(other, Message::Digests(digests.clone()), cx);
    }

    /// Another leader holds this: it is told what is held where that differs.
    pub(super) fn list(&self, from: Peer, theirs: &[u64], cx: &mut Context<'_>) {
        let free = !self.exchange.is_busy() && self.asks.is_none();
        let Some(mine) = self.store.table.digests.as_ref().filter(|_| free) else { return };
        let ranges = mine.differ(theirs);
        if !ranges.is_empty() {
            send(from, Message::List(Box::new(self.held_in(ranges))), cx);
        }
    }

    fn held_in(&self, ranges: Vec<u16>) -> List<Seen> {
        List::of(ranges, |inside| {
            let keys = self.store.table.keys(inside).into_iter();
            keys.map(|key| (key, self.store.table.seen(key))).collect()
        })
    }

    /// Another leader holds this where the digests differed: what it lacks goes there, what is lacking here is asked for.
    pub(super) fn differ(&mut self, from: Peer, theirs: &List<Seen>, cx: &mut Context<'_>) {
        let mine = self.held_in(theirs.ranges.clone());
        let (wanted, lacks) = theirs.lacking(&mine, Seen::covers);
        if !wanted.is_empty() {
            send(from, Message::Want(wanted.into()), cx);
        }
        self.exchange.add(from, &lacks, cx);
    }

    /// The next key is sent.
    pub(super) fn exchange_next(&mut self, cx: &mut Context<'_>) {
        if let Some((to, key)) = self.exchange.next()
            && let Some(last) = self.store.get(key).map(|slot| slot.last)
        {
            let state = Message::State(Box::new((key, self.travels(key, cx.now))));
            self.store.then(last, sending(to, state), cx);
        }
        self.exchange.later(cx);
    }
}
