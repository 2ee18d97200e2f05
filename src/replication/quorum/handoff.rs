//! Sloppy quorums: processes of other shards stand in for replicas that do not answer, and hand over what they were
//! given for them (Dynamo, SOSP 2007, 4.6: hinted handoff).
//!
//! **Invariant.** A hint is kept apart from what its keeper holds itself, and dropped only when its owner says that it
//! is stored, or when it is too old.

use super::kept::Kept;
use super::message::{Message, Number};
use super::stand_ins::Look;
use super::state::{Handing, Quorum};
use super::store::send;
use super::table::ones;
use super::timer;
use crate::replication::contract::{Context, Effect};
use crate::replication::data::Item;
use crate::replication::words::{Peer, group};

/// How often a keeper of hints tries their owners, ns.
const EACH: u64 = 1_000_000_000;

impl Quorum {
    /// Whom to ask in the place of a replica at once: itself, if it is not known to be silent.
    pub(super) fn whom(&mut self, number: Number, owner: Peer, now: u64) -> Peer {
        if self.stand_ins.silent.is_empty() || !self.stand_ins.is_silent(owner, now) {
            return owner;
        }
        self.next_stand_in(number, now).unwrap_or(owner)
    }

    /// The next process that may stand in, for a coordination: those of other shards in order behind the replicas, those
    /// near before the others, each once.
    fn next_stand_in(&mut self, number: Number, now: u64) -> Option<Peer> {
        let found = self.table.get(number)?;
        let replicas = group(found.shard, self.config.replicas);
        let (near, all) = (&self.stand_ins.near, self.config.shards * self.config.replicas);
        let start = near.partition_point(|peer| *peer < replicas.end);
        while usize::from(found.tried) < near.len() + usize::from(all) {
            let at = usize::from(found.tried);
            found.tried += 1;
            let is_near = at < near.len();
            let peer = if is_near {
                near[(start + at) % near.len()]
            } else {
                ((usize::from(replicas.end) + at - near.len()) % usize::from(all)) as Peer
            };
            let comes_twice = !is_near && near.binary_search(&peer).is_ok();
            if !replicas.contains(&peer) && !comes_twice && !self.stand_ins.is_silent(peer, now) {
                return Some(peer);
            }
        }
        None
    }

    /// Looks later whether who was asked has answered.
    pub(super) fn look_later(
        &mut self,
        number: Number,
        who: Option<(Peer, Peer)>,
        cx: &mut Context<'_>,
    ) {
        let Some(handoff) = self.config.sloppy else { return };
        let Some(found) = self.table.get(number) else { return };
        let stage = found.stage;
        let due = cx.now + handoff.after;
        self.stand_ins.looks.push_back(Look { due, number, stage, who });
        if !self.stand_ins.armed {
            self.stand_ins.armed = true;
            cx.act(Effect::Arm(timer::LOOK, handoff.after));
        }
    }

    /// It is time to look.
    pub(super) fn look(&mut self, cx: &mut Context<'_>) {
        self.stand_ins.armed = false;
        while let Some(&Look { due, number, stage, who }) = self.stand_ins.looks.front() {
            if due > cx.now {
                self.stand_ins.armed = true;
                cx.act(Effect::Arm(timer::LOOK, due - cx.now));
                return;
            }
            self.stand_ins.looks.pop_front();
            let Some(found) = self.table.get(number) else { continue };
            if found.stage != stage || !found.needs_all() {
                continue;
            }
            let first = group(found.shard, self.config.replicas).start;
            let (awaited, replaced) = (found.awaited(), found.replaced);
            match who {
                Some((peer, owner)) if awaited & self.bit(owner) != 0 => {
                    self.stand_ins.silence(peer, cx.now);
                    self.replace(number, owner, cx);
                }
                Some(_) => {}
                None => {
                    for rank in ones(awaited & !replaced) {
                        self.stand_ins.silence(first + rank, cx.now);
                        self.replace(number, first + rank, cx);
                    }
                }
            }
        }
    }

    /// Somebody does not run; whether another one was asked instead.
    pub(super) fn replace_refused(
        &mut self,
        number: Number,
        (peer, owner): (Peer, Peer),
        cx: &mut Context<'_>,
    ) -> bool {
        if self.config.sloppy.is_none() {
            return false;
        }
        self.stand_ins.silence(peer, cx.now);
        self.replace(number, owner, cx)
    }

    /// Asks another process in the place of a replica; whether there is one.
    fn replace(&mut self, number: Number, owner: Peer, cx: &mut Context<'_>) -> bool {
        let Some(peer) = self.next_stand_in(number, cx.now) else { return false };
        let Some(found) = self.table.get(number) else { return false };
        let message = found.message(number, owner);
        send(peer, message, cx);
        self.stands_in(number, (peer, owner), cx);
        true
    }

    /// A process was asked in the place of a replica.
    pub(super) fn stands_in(
        &mut self,
        number: Number,
        (peer, owner): (Peer, Peer),
        cx: &mut Context<'_>,
    ) {
        let bit = self.bit(owner);
        if let Some(found) = self.table.get(number) {
            found.replaced |= bit;
            self.look_later(number, Some((peer, owner)), cx);
        }
    }

    /// There may be hints: their owners are tried, now and then.
    pub(super) fn try_later(&mut self, cx: &mut Context<'_>) {
        if !self.handing.tries && !self.store.hints.is_empty() {
            self.handing.tries = true;
            cx.act(Effect::Arm(timer::TRY, EACH));
        }
    }

    /// Sends one hint to each owner, to see whether it answers.
    pub(super) fn try_owners(&mut self, cx: &mut Context<'_>) {
        let Some(handoff) = self.config.sloppy else { return };
        self.store.hints.all.retain(|_, kept| cx.now < kept.since.saturating_add(handoff.keep));
        self.handing = Handing { goes_on: self.handing.goes_on, ..Handing::default() };
        let mut from = (0, 0);
        while let Some(((owner, key), kept)) = self.store.hints.next(from) {
            send(owner, Message::Hand { key, held: kept.held(cx.now) }, cx);
            let Some(next) = owner.checked_add(1) else { break };
            from = (next, 0);
        }
        self.try_later(cx);
    }

    /// An owner has stored what it was handed.
    pub(super) fn handed(&mut self, owner: Peer, key: u64, item: Item, cx: &mut Context<'_>) {
        self.store.hints.drop_stored(owner, key, item);
        if !self.handing.answer.contains(&owner) {
            self.handing.answer.push(owner);
        }
        self.go_on(cx);
    }

    /// The next hint is sent in a while, if an owner that answers has one.
    fn go_on(&mut self, cx: &mut Context<'_>) {
        let Some(handoff) = self.config.sloppy else { return };
        if !self.handing.goes_on && self.next_hint().is_some() {
            self.handing.goes_on = true;
            cx.act(Effect::Arm(timer::HAND, EACH / handoff.rate.max(1)));
        }
    }

    /// The next hint of an owner that answers.
    fn next_hint(&self) -> Option<((Peer, u64), Kept)> {
        let mut from = self.handing.next;
        loop {
            let found = self.store.hints.next(from)?;
            let owner = found.0.0;
            if self.handing.answer.contains(&owner) {
                return Some(found);
            }
            from = (owner.checked_add(1)?, 0);
        }
    }

    /// The next hint is due.
    pub(super) fn hand(&mut self, cx: &mut Context<'_>) {
        self.handing.goes_on = false;
        let Some(((owner, key), kept)) = self.next_hint() else { return };
        self.handing.next = key.checked_add(1).map_or((owner + 1, 0), |key| (owner, key));
        send(owner, Message::Hand { key, held: kept.held(cx.now) }, cx);
        self.go_on(cx);
    }
}
