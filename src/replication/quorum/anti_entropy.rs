//! Replicas compare what they hold, and exchange what differs (Dynamo, SOSP 2007, 4.7; the digests of ranges are the
//! leaves of its Merkle trees, without the tree: they fit into one message).
//!
//! **Invariant.** Digests are those of what is held. What is to be sent is bounded by what differed when the replicas
//! compared: nobody compares again before it has sent all.

use super::digests::{Digests, range};
use super::message::{List, Message, NOBODY};
use super::state::{Exchange, Quorum};
use super::store::{place, send};
use super::timer;
use crate::replication::contract::{Context, Effect};
use crate::replication::data::Item;
use crate::replication::words::AntiEntropy;
use crate::replication::words::{Peer, group};

impl Quorum {
    /// The first comparison comes at random, so that not all compare at once.
    pub(super) fn start_comparing(&mut self, cx: &mut Context<'_>) {
        self.exchange = Exchange::default();
        if let Some(AntiEntropy { every, .. }) = self.config.anti_entropy
            && self.store.digests.is_some()
            && self.config.replicas > 1
        {
            let first = 1 + cx.laws.below(every);
            cx.act(Effect::Arm(timer::COMPARE, first));
        }
    }

    /// It is time to compare.
    pub(super) fn compare(&mut self, cx: &mut Context<'_>) {
        let Some(AntiEntropy { every, .. }) = self.config.anti_entropy else { return };
        cx.act(Effect::Arm(timer::COMPARE, every));
        let Some(Digests(digests)) = &self.store.digests else { return };
        if !self.exchange.send.is_empty() {
            return;
        }
        let n = self.config.replicas;
        let others = self.exchange.turns % (n - 1);
        self.exchange.turns = others + 1;
        let first = group(self.me / n, n).start;
        let other = first + (self.me % n + 1 + others) % n;
        send(other, Message::Digests(digests.clone()), cx);
    }

    /// Another replica holds this: it is told what is held where that differs.
    pub(super) fn list(&self, from: Peer, theirs: &[u64], cx: &mut Context<'_>) {
        let Some(Digests(mine)) = &self.store.digests else { return };
        if !self.exchange.send.is_empty() || mine[..] == *theirs {
            return;
        }
        let pairs = mine.iter().zip(theirs);
        let differ = (0..).zip(pairs).filter(|(_, (mine, theirs))| mine != theirs);
        let ranges: Vec<u16> = differ.map(|(range, _)| range).collect();
        let items = self.held_in(&ranges);
        send(from, Message::List(Box::new(List { ranges, items })), cx);
    }

    fn held_in(&self, ranges: &[u16]) -> Vec<(u64, Item)> {
        self.store.data().those(|key| ranges.binary_search(&range(key)).is_ok())
    }

    /// Another replica holds this where the digests differed: what is newer here goes there, what is newer there is
    /// asked for.
    pub(super) fn differ(&mut self, from: Peer, theirs: List, cx: &mut Context<'_>) {
        let mine = self.held_in(&theirs.ranges);
        let (mut wanted, mut newer) = (Vec::new(), Vec::new());
        let mut mine = mine.into_iter().peekable();
        for (key, item) in theirs.items {
            while let Some((before, _)) = mine.next_if(|(mine, _)| *mine < key) {
                newer.push(before);
            }
            let here = mine.next_if(|(mine, _)| *mine == key).map_or_else(Item::default, |m| m.1);
            match place(here).cmp(&place(item)) {
                std::cmp::Ordering::Less => wanted.push(key),
                std::cmp::Ordering::Equal => {}
                std::cmp::Ordering::Greater => newer.push(key),
            }
        }
        newer.extend(mine.map(|(key, _)| key));
        if !wanted.is_empty() {
            send(from, Message::Want(wanted.into()), cx);
        }
        self.wanted(from, &newer, cx);
    }

    /// Another replica is to be sent these keys.
    pub(super) fn wanted(&mut self, from: Peer, keys: &[u64], cx: &mut Context<'_>) {
        self.exchange.send.extend(keys.iter().map(|key| (from, *key)));
        self.exchange_later(cx);
    }

    fn exchange_later(&mut self, cx: &mut Context<'_>) {
        let Some(AntiEntropy { rate, .. }) = self.config.anti_entropy else { return };
        if !self.exchange.armed && !self.exchange.send.is_empty() {
            self.exchange.armed = true;
            cx.act(Effect::Arm(timer::EXCHANGE, 1_000_000_000 / rate.max(1)));
        }
    }

    /// The next key is sent.
    pub(super) fn exchange_next(&mut self, cx: &mut Context<'_>) {
        self.exchange.armed = false;
        if let Some((owner, key)) = self.exchange.send.pop_front() {
            let (held, _) = self.store.get(self.me, key, cx.now);
            if held.item.version != 0 {
                send(owner, Message::Put { owner, fresh: false, number: NOBODY, key, held }, cx);
            }
        }
        self.exchange_later(cx);
    }
}
