//! A replica that is rebuilt key by key: each is a read at whoever copies, a message, and a write here.
//!
//! What there is is told at once, as it stood at a place (a snapshot of the database, which is kept while it is read); it counts
//! once all of it has come. Keys that nobody wrote are copied like others.
//!
//! **Invariant.** A replica that is being rebuilt has no data until it has all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::config::{PATIENCE, Paced, REBUILD};
use super::message::{Message, Snapshot};
use super::replica::{Replica, send};
use crate::replication::contract::{Context, Effect};
use crate::replication::words::Peer;

/// A key that has not come for so long is asked for again, ns.
const AGAIN: u64 = 5_000_000_000;
/// As many keys are under way at once as are asked for in so long, ns.
const UNDER_WAY: u64 = 1_000_000_000;
/// Who has nobody else to follow asks another one after so long without any key, ns.
const GIVES_UP: u64 = 4 * AGAIN;

/// What a replica fetches.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    snapshot: Box<Snapshot>,
    from: Peer,
    every: u64,
    /// Keys that were not asked for yet.
    open: VecDeque<u64>,
    /// Those that were, and when last, ns.
    asked: BTreeMap<u64, u64>,
    /// Likewise in that order; some have come.
    order: VecDeque<(u64, u64)>,
    /// When a key came last, ns.
    since: u64,
}

impl Incoming {
    /// All has come.
    pub(super) fn is_whole(&self) -> bool {
        self.open.is_empty() && self.asked.is_empty()
    }

    /// The key that is to be asked for now.
    fn next(&mut self, now: u64) -> Option<u64> {
        while let Some(&(since, key)) = self.order.front() {
            let waits = self.asked.get(&key) == Some(&since);
            if waits && now < since + AGAIN {
                break;
            }
            self.order.pop_front();
            if waits {
                return Some(key);
            }
        }
        let most = (UNDER_WAY / self.every) as usize + 1;
        if self.asked.len() < most { self.open.pop_front() } else { None }
    }
}

impl Replica {
    /// It is told what there is.
    pub(super) fn begin_fetching(
        &mut self,
        snapshot: Snapshot,
        (from, paced): (Peer, Paced),
        cx: &mut Context<'_>,
    ) {
        let written: BTreeSet<u64> = snapshot.items.iter().map(|(key, _)| *key).collect();
        // And as many of those from the start as nobody wrote: which ones does not matter.
        let of_these = written.iter().filter(|key| (1..=paced.all).contains(*key)).count() as u64;
        let others = paced.keys.saturating_sub(of_these);
        let unwritten = (1..=paced.all).filter(|key| !written.contains(key));
        let open = written.iter().copied().chain(unwritten.take(others as usize)).collect();
        let (asked, order) = (BTreeMap::new(), VecDeque::new());
        let (snapshot, every, since) = (Box::new(snapshot), paced.every, cx.now);
        self.follow.copy = None;
        self.follow.incoming = Some(Incoming { snapshot, from, every, open, asked, order, since });
        self.fetches_on(cx);
        cx.act(Effect::Arm(REBUILD, every));
    }

    /// The time has come for the next key; whether it fetches any.
    pub(super) fn fetches(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(incoming) = &mut self.follow.incoming else { return false };
        if self.leader == Some(self.me) && cx.now >= incoming.since + GIVES_UP {
            self.follow.incoming = None;
            return false;
        }
        if let Some(key) = incoming.next(cx.now) {
            incoming.asked.insert(key, cx.now);
            incoming.order.push_back((cx.now, key));
            let Snapshot { reign, place, .. } = *incoming.snapshot;
            send(cx, incoming.from, Message::Fetch { reign, place, key });
        }
        cx.act(Effect::Arm(REBUILD, incoming.every));
        true
    }

    /// A key has come, and is written.
    pub(super) fn fetched(&mut self, from: Peer, (place, key): (u64, u64), cx: &mut Context<'_>) {
        if let Some(incoming) = &mut self.follow.incoming
            && (incoming.from, incoming.snapshot.place) == (from, place)
            && incoming.asked.remove(&key).is_some()
        {
            incoming.since = cx.now;
            self.fetches_on(cx);
        }
    }

    /// If all has come, it counts.
    fn fetches_on(&mut self, cx: &mut Context<'_>) {
        if let Some(incoming) = self.follow.incoming.take_if(|incoming| incoming.is_whole()) {
            let (snapshot, from) = (incoming.snapshot.clone(), incoming.from);
            self.follow.incoming = Some(incoming);
            cx.act(Effect::Disarm(REBUILD));
            self.install(*snapshot, from, cx);
        }
    }

    /// Whom it copied from leads no more.
    pub(super) fn stops_fetching(&mut self) {
        if self.follow.incoming.take().is_some() {
            self.follow.copy = Some(PATIENCE);
        }
    }
}
