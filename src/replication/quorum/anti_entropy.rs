//! Replicas compare what they hold, and exchange what differs.
//!
//! **Invariant.** Digests are those of what is held.

use super::message::{Message, NOBODY, Why};
use super::state::Quorum;
use super::store::{place, send};
use crate::replication::contract::Context;
use crate::replication::data::Item;
use crate::replication::digests::{Digests, List};
use crate::replication::words::{Peer, group};

impl Quorum {
    /// It is time to compare.
    pub(super) fn compare(&mut self, cx: &mut Context<'_>) {
        let n = self.config.replicas;
        let Some(turn) = self.exchange.turn(n - 1, true, cx) else { return };
        let Some(Digests(digests)) = &self.store.digests else { return };
        let first = group(self.me / n, n).start;
        let other = first + (self.me % n + 1 + turn) % n;
        send(other, Message::Digests(digests.clone()), cx);
    }

    /// Another replica holds this: it is told what is held where that differs.
    pub(super) fn list(&self, from: Peer, theirs: &[u64], cx: &mut Context<'_>) {
        let Some(mine) = self.store.digests.as_ref().filter(|_| !self.exchange.is_busy()) else {
            return;
        };
        let ranges = mine.differ(theirs);
        if !ranges.is_empty() {
            send(from, Message::List(Box::new(self.held_in(ranges))), cx);
        }
    }

    fn held_in(&self, ranges: Vec<u16>) -> List<Item> {
        List::of(ranges, |inside| self.store.data().those(inside))
    }

    /// Another replica holds this where the digests differed: what is newer here goes there, what is newer there is
    /// asked for.
    pub(super) fn differ(&mut self, from: Peer, theirs: &List<Item>, cx: &mut Context<'_>) {
        let mine = self.held_in(theirs.ranges.clone());
        let (wanted, newer) = theirs.lacking(&mine, |one, other| place(*one) >= place(*other));
        if !wanted.is_empty() {
            send(from, Message::Want(wanted.into()), cx);
        }
        self.exchange.add(from, &newer, cx);
    }

    /// The next key is sent.
    pub(super) fn exchange_next(&mut self, cx: &mut Context<'_>) {
        if let Some((owner, key)) = self.exchange.next() {
            let (held, _) = self.store.read(self.me, key, cx);
            if held.item.version != 0 {
                let why = Why::Repair;
                send(owner, Message::Put { owner, why, number: NOBODY, key, held }, cx);
            }
        }
        self.exchange.later(cx);
    }
}
