//! Leaders compare what they hold, and exchange what differs, as [quorums](crate::replication::quorum) do.
//!
//! **Invariant.** Digests are those of what is held. What is to be sent is bounded by what differed when the leaders
//! compared: nobody compares again before it has sent all.

use super::config::{COMPARE, EXCHANGE};
use super::digests::{Digests, range};
use super::message::{List, Message};
use super::replica::{Exchange, MultiLeader, send, sending};
use super::state::Seen;
use crate::replication::contract::{Context, Effect};
use crate::replication::words::AntiEntropy;
use crate::replication::words::Peer;

impl MultiLeader {
    /// The first comparison comes at random, so that not all compare at once.
    pub(super) fn start_comparing(&mut self, cx: &mut Context<'_>) {
        self.exchange = Exchange::default();
        if let Some(AntiEntropy { every, .. }) = self.config.anti_entropy
            && self.config.leaders > 1
        {
            let first = 1 + cx.laws.below(every);
            cx.act(Effect::Arm(COMPARE, first));
        }
    }

    /// It is time to compare.
    pub(super) fn compare(&mut self, cx: &mut Context<'_>) {
        let Some(AntiEntropy { every, .. }) = self.config.anti_entropy else { return };
        cx.act(Effect::Arm(COMPARE, every));
        let Some(Digests(digests)) = &self.store.table.digests else { return };
        if self.exchange.send.is_empty() && self.asks.is_none() {
            let digests = digests.clone();
            let n = self.config.leaders;
            let turn = self.exchange.turns % (n - 1);
            self.exchange.turns = turn + 1;
            let other = self.peer(((u16::from(self.place) + 1 + turn) % n) as u8);
            send(other, Message::Digests(digests), cx);
        }
    }

    /// Another leader holds this: it is told what is held where that differs.
    pub(super) fn list(&self, from: Peer, theirs: &[u64], cx: &mut Context<'_>) {
        let Some(Digests(mine)) = &self.store.table.digests else { return };
        let busy = !self.exchange.send.is_empty() || self.asks.is_some();
        if busy || mine[..] == *theirs {
            return;
        }
        let pairs = mine.iter().zip(theirs);
        let differ = (0..).zip(pairs).filter(|(_, (mine, theirs))| mine != theirs);
        let ranges: Vec<u16> = differ.map(|(range, _)| range).collect();
        let items = self.held_in(&ranges);
        send(from, Message::List(Box::new(List { ranges, items })), cx);
    }

    fn held_in(&self, ranges: &[u16]) -> Vec<(u64, Seen)> {
        let keys = self.store.table.keys(|key| ranges.binary_search(&range(key)).is_ok());
        keys.into_iter().map(|key| (key, self.seen(key))).collect()
    }

    fn seen(&self, key: u64) -> Seen {
        self.store.get(key).map(|slot| slot.state.seen()).unwrap_or_default()
    }

    /// Another leader holds this where the digests differed: what it lacks goes there, what is lacking here is asked for.
    pub(super) fn differ(&mut self, from: Peer, theirs: &List, cx: &mut Context<'_>) {
        let (mut wanted, mut lacks) = (Vec::new(), Vec::new());
        for (key, there) in &theirs.items {
            let here = self.seen(*key);
            if !here.covers(there) {
                wanted.push(*key);
            }
            if !there.covers(&here) {
                lacks.push(*key);
            }
        }
        let listed = |key: &u64| theirs.items.binary_search_by_key(key, |(key, _)| *key).is_ok();
        let mine = self.held_in(&theirs.ranges).into_iter().map(|(key, _)| key);
        lacks.extend(mine.filter(|key| !listed(key)));
        if !wanted.is_empty() {
            send(from, Message::Want(wanted.into()), cx);
        }
        self.wanted(from, &lacks, cx);
    }

    /// Another leader is to be sent these keys.
    pub(super) fn wanted(&mut self, from: Peer, keys: &[u64], cx: &mut Context<'_>) {
        self.exchange.send.extend(keys.iter().map(|key| (from, *key)));
        self.exchange_later(cx);
    }

    fn exchange_later(&mut self, cx: &mut Context<'_>) {
        let Some(AntiEntropy { rate, .. }) = self.config.anti_entropy else { return };
        if !self.exchange.armed && !self.exchange.send.is_empty() {
            self.exchange.armed = true;
            cx.act(Effect::Arm(EXCHANGE, 1_000_000_000 / rate.max(1)));
        }
    }

    /// The next key is sent.
    pub(super) fn exchange_next(&mut self, cx: &mut Context<'_>) {
        self.exchange.armed = false;
        if let Some((to, key)) = self.exchange.send.pop_front()
            && let Some(last) = self.store.get(key).map(|slot| slot.last)
        {
            let state = Message::State(Box::new((key, self.travels(key, cx.now))));
            self.store.then(last, sending(to, state), cx);
        }
        self.exchange_later(cx);
    }
}
