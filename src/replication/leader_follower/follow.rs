//! A replica that follows: it stores what its leader ships, in order, and applies it.
//!
//! **Invariant.** All up to `matched` is in the log of its leader; what was applied is a beginning of the log, but for
//! lanes at work.

use super::config::{EARLY, PATIENCE, RESEND, RETRY, TICK};
use super::log::{Entry, Log};
use super::message::{Message, Reign, Sent, Snapshot};
use super::replica::{Replica, send};
use crate::engine::random::mix;
use crate::replication::contract::{Context, Effect};
use crate::replication::disk::Mode;
use crate::replication::words::{Note, Peer};

impl Replica {
    /// The leader speaks.
    pub(super) fn heard(&mut self, message: Message, cx: &mut Context<'_>) {
        if self.lead.is_some() || self.leader == Some(self.me) {
            return;
        }
        match message {
            Message::Append { prev, sent, .. } => {
                if self.knows(prev) {
                    self.take(prev, &[sent], cx);
                } else if self.follow.matched.is_some() && self.follow.early.len() < EARLY {
                    self.follow.early.insert(sent.place, (prev, sent));
                }
            }
            Message::Batch { prev, entries, .. } => {
                if self.knows(prev) {
                    self.take(prev, &entries, cx);
                } else if self.follow.matched.is_none() && !self.rebuilds {
                    self.differs(prev, cx);
                }
            }
            Message::Beat { last, at, all, ask, .. } => self.beat(last, at, (all, ask), cx),
            Message::TooOld { base, .. } if !self.rebuilds => {
                if self.follow.matched.is_none() || self.log.last() < base {
                    self.rebuild(cx);
                } else {
                    self.answer_stored(cx); // That was about an old question.
                }
            }
            _ => {}
        }
    }

    fn beat(&mut self, last: u64, at: u64, (all, ask): (u64, bool), cx: &mut Context<'_>) {
        if self.rebuilds {
            return;
        }
        if self.follow.beat.is_none() {
            self.follow.beat = Some((last, at));
        }
        self.catch_up();
        if self.follow.beat.is_none() && last > self.follow.applied {
            self.follow.beat = Some((last, at));
        } else if last <= self.follow.applied && self.follow.matched.is_some() {
            self.follow.complete = self.follow.complete.max(at);
        }
        match self.follow.matched {
            None => self.ask(cx),
            Some(matched) => {
                self.forget(all.min(matched));
                if ask {
                    self.answer_stored(cx);
                }
            }
        }
    }

    /// Says how far it is, and again until it is told what comes after.
    pub(super) fn ask(&mut self, cx: &mut Context<'_>) {
        let Some(leader) = self.leader.filter(|leader| *leader != self.me) else { return };
        if self.rebuilds {
            if self.follow.copy.is_some() {
                send(cx, leader, Message::Copy { reign: self.reign });
            }
        } else {
            let place = self.log.last();
            send(cx, leader, Message::Ask { reign: self.reign, place });
            cx.act(Effect::Arm(RETRY, RESEND));
        }
    }

    /// Nobody answered yet.
    pub(super) fn retry(&mut self, cx: &mut Context<'_>) {
        if let Some(wait) = self.follow.copy
            && self.rebuilds
        {
            self.follow.copy = Some((wait * 2).min(64 * PATIENCE));
            cx.act(Effect::Arm(RETRY, wait));
            self.ask(cx);
        } else if !self.rebuilds && self.follow.matched.is_none() && self.lead.is_none() {
            self.ask(cx);
        }
    }

    /// Another leads: what it waits for from the one before will not come.
    pub(super) fn hurry(&mut self, cx: &mut Context<'_>) {
        if self.follow.copy.is_some() {
            self.follow.copy = Some(PATIENCE);
            cx.act(Effect::Arm(RETRY, 0));
        }
    }

    /// Entries of the leader's log, the first of which comes after `prev`.
    fn take(&mut self, prev: u64, entries: &[Sent], cx: &mut Context<'_>) {
        let before = self.log.last();
        self.follow.matched = self.follow.matched.max(Some(prev));
        let mut at = prev;
        for &sent in entries {
            if !self.append(at, sent, cx) {
                return;
            }
            at = sent.place;
        }
        if entries.is_empty() && self.follow.matched == Some(prev) && prev < self.log.last() {
            // What an older leader wrote after that the new one has not.
            self.cut(prev, cx);
            if self.rebuilds {
                return;
            }
        }
        while let Some((&place, &(prev, sent))) = self.follow.early.first_key_value()
            && prev <= self.log.last()
        {
            self.follow.early.remove(&place);
            if prev == self.log.last() && !self.append(prev, sent, cx) {
                return;
            }
        }
        self.led = false;
        if self.log.last() != before {
            self.disk.write(self.log.last(), cx);
        }
        if self.stored() >= at.min(self.log.last()) {
            self.settle(cx);
        }
    }

    /// The leader's next entry after `prev`, which is in the log; false if all must be rebuilt.
    fn append(&mut self, prev: u64, sent: Sent, cx: &mut Context<'_>) -> bool {
        if self.follow.matched >= Some(sent.place) {
            return true;
        }
        if !self.log.has(sent.place) {
            if self.log.last() > prev {
                self.cut(prev, cx);
                if self.rebuilds {
                    return false;
                }
            }
            self.log.push(Entry::new(sent));
        }
        self.follow.matched = Some(sent.place);
        true
    }

    /// What is after a place is not in the leader's log.
    fn cut(&mut self, place: u64, cx: &mut Context<'_>) {
        debug_assert!(self.follow.matched <= Some(place), "a leader's log only grows");
        cx.note(Note::Counted("cut"));
        if self.led {
            self.led = false;
            return self.rebuild(cx);
        }
        self.log.cut(place, &mut self.data);
        self.follow.cut(place);
        self.disk.cut(place);
    }

    /// Logs differ: the newest place that both may know is the next to be tried.
    fn differs(&mut self, prev: u64, cx: &mut Context<'_>) {
        match (self.log.floor(prev), self.leader) {
            (Some(place), Some(leader)) => {
                send(cx, leader, Message::Ask { reign: self.reign, place });
            }
            (None, _) => self.rebuild(cx),
            (_, None) => {}
        }
    }

    /// The leader's entry in this place is known, and so all before it.
    fn knows(&self, place: u64) -> bool {
        !self.rebuilds && (self.follow.matched >= Some(place) || self.log.has(place))
    }

    /// More may be stored now.
    pub(super) fn settle(&mut self, cx: &mut Context<'_>) {
        self.dispatch(cx);
        self.answer_stored(cx);
    }

    fn answer_stored(&mut self, cx: &mut Context<'_>) {
        if let (Some(matched), Some(leader)) = (self.follow.matched, self.leader)
            && leader != self.me
        {
            let place = matched.min(self.stored());
            send(cx, leader, Message::Stored { reign: self.reign, place });
        }
    }

    /// Gives what is stored to the lanes.
    pub(super) fn dispatch(&mut self, cx: &mut Context<'_>) {
        let stored = self.stored();
        if self.lead.as_ref().is_some_and(|lead| lead.drained) || self.follow.dispatched >= stored {
            return;
        }
        let from = self.log.after(self.follow.dispatched);
        for at in from..self.log.after(stored) {
            let Entry { sent, before: None, .. } = self.log.entries[at] else { continue };
            let lane = (mix(sent.key) % self.follow.lanes.len() as u64) as u8;
            self.follow.lanes[usize::from(lane)].queue.push_back(sent.place);
            self.work(lane, cx);
        }
        self.follow.dispatched = stored;
    }

    fn work(&mut self, number: u8, cx: &mut Context<'_>) {
        let lane = &mut self.follow.lanes[usize::from(number)];
        if lane.busy.is_none()
            && let Some(place) = lane.queue.pop_front()
        {
            lane.busy = Some(place);
            let entry = self.log.get_mut(place).expect("what waits to be applied is kept");
            cx.act(Effect::Apply { lane: number, key: entry.sent.key });
        }
    }

    /// The work of a lane is done.
    pub(super) fn applied(&mut self, lane: u8, cx: &mut Context<'_>) {
        let Some(place) = self.follow.lanes[usize::from(lane)].busy.take() else { return };
        if let Some(entry) = self.log.get_mut(place) {
            entry.apply(&mut self.data);
            let from = self.log.after(self.follow.applied);
            let done = self.log.entries.range(from..).take_while(|entry| entry.before.is_some());
            if let Some(last) = done.last() {
                self.follow.applied = last.sent.place;
                self.follow.complete = self.follow.complete.max(last.sent.at);
                cx.note(Note::Applied { order: self.follow.applied });
            }
            self.catch_up();
        }
        self.work(lane, cx);
        self.drain(cx);
    }

    /// It may be as far as the leader was when that spoke.
    fn catch_up(&mut self) {
        if let Some((place, at)) = self.follow.beat
            && self.follow.matched >= Some(place)
            && self.follow.applied >= place
        {
            self.follow.complete = self.follow.complete.max(at);
            self.follow.beat = None;
        }
    }

    /// It is, as far as it can know, further behind than it may.
    pub(super) fn is_behind(&self, now: u64) -> bool {
        self.config.max_lag.is_some_and(|most| now.saturating_sub(self.follow.complete) > most)
    }

    /// The time it takes to copy all data is over: they are asked for.
    pub(super) fn rebuilt(&mut self, cx: &mut Context<'_>) {
        if !self.rebuilds || self.fetches(cx) {
            return;
        }
        self.follow.copy = Some(PATIENCE);
        if self.leader == Some(self.me) {
            // It asks for the newest, and a little later for a copy of that.
            self.follow.best = Some((0, self.me));
            for peer in self.others() {
                send(cx, peer, Message::Ask { reign: self.reign, place: 0 });
            }
            cx.act(Effect::Arm(TICK, RESEND));
        } else {
            cx.act(Effect::Arm(RETRY, PATIENCE));
            self.ask(cx);
        }
    }

    /// One that has lost all leads again with the data of the follower that has most.
    pub(super) fn ask_best(&mut self, cx: &mut Context<'_>) {
        if self.follow.incoming.is_some() {
            return;
        }
        match self.follow.best {
            Some((_, peer)) if peer != self.me => {
                send(cx, peer, Message::Copy { reign: self.reign });
                self.follow.best = Some((0, self.me));
                cx.act(Effect::Arm(TICK, PATIENCE));
            }
            _ => self.rebuilt(cx),
        }
    }

    /// One that is rebuilt wants all data.
    pub(super) fn copy(&mut self, from: Peer, reign: Reign, cx: &mut Context<'_>) {
        if self.rebuilds && self.follow.best.is_some() && !self.follow.bare.contains(&from) {
            self.follow.bare.push(from);
            if self.follow.bare.len() == self.others().count() && !self.backed_up {
                self.rebuilds = false;
                self.begin(cx);
            }
            return;
        }
        if self.lead.is_none() && self.leader == Some(from) && reign > self.reign {
            self.adopt(reign, Some(from), cx); // A leader that lost all and goes on.
        }
        if self.rebuilds || self.lead.is_none() && self.leader != Some(from) {
            return;
        }
        let place = self.lead.as_ref().map_or(self.stored(), |lead| lead.left).max(self.log.base);
        let data = self.log.data_at(place, &self.data);
        let (items, done, begins) = (data.all(), data.all_done(), self.log.begins(place));
        let paced = self.config.paced.is_some();
        let snapshot =
            Snapshot { reign: self.reign, place, at: cx.wall, begins, items, done, paced };
        send(cx, from, Message::Snapshot(Box::new(snapshot)));
    }

    /// All data came.
    pub(super) fn install(&mut self, snapshot: Snapshot, from: Peer, cx: &mut Context<'_>) {
        if snapshot.reign < self.reign || !self.rebuilds {
            return;
        }
        let leads = snapshot.reign == self.reign && self.leader == Some(self.me);
        if !leads {
            self.adopt(snapshot.reign, Some(from), cx);
        }
        match (&self.follow.incoming, self.config.paced) {
            (Some(incoming), _) if !incoming.is_whole() => return,
            (None, Some(paced)) => return self.begin_fetching(snapshot, (from, paced), cx),
            _ => self.follow.incoming = None,
        }
        let place = snapshot.place;
        self.rebuilds = false;
        self.log = Log::behind(place, snapshot.begins);
        self.data.clear();
        snapshot.items.into_iter().for_each(|(key, item)| self.data.put(key, item));
        snapshot.done.into_iter().for_each(|item| self.data.remember(item));
        self.copied = if self.config.disk == Mode::Never { 0 } else { place };
        (self.follow.applied, self.follow.dispatched) = (place, place);
        self.follow.copy = None;
        if leads {
            return self.begin(cx);
        }
        self.follow.matched = Some(place);
        self.follow.complete = snapshot.at;
        cx.note(Note::Applied { order: place });
        self.answer_stored(cx);
    }
}
