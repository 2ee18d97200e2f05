//! A replica that leads: it gives places, ships its log, and acknowledges.
//!
//! **Invariant.** What was acknowledged is committed, and was stored by as many followers as the mode asks for; entries
//! leave in log order.

use std::collections::VecDeque;

use super::config::{Ack, BATCH, Config, KEPT, LEAVE, PROBE, RESEND, SEMI, TICK};
use super::log::{Entry, Log};
use super::message::{Message, Reign, Sent, State};
use super::replica::{Replica, send};
use super::roles::{Armed, Copy, Lead};
use crate::replication::contract::{Context, Effect};
use crate::replication::words::{Answer, Failure, Known, Law, Note, Operation, Peer};

impl Lead {
    /// A leader that begins with what it has.
    fn new(replica: &Replica, now: u64) -> Self {
        let place = replica.stored();
        let copy = |peer| Copy {
            peer,
            acked: None,
            sent: place,
            since: now,
            streams: false,
            late: false,
            probe: None,
            trip: 0,
        };
        let observers = replica.config.failover.as_ref().map_or(0, |f| f.observers.len());
        Self {
            copies: replica.others().map(copy).collect(),
            waiting: VecDeque::new(),
            committed: place,
            left: place,
            leaves: now,
            began: now,
            drained: replica.follow.applied >= replica.log.last(),
            renewed: vec![None; observers],
            fenced: false,
            armed: Armed::default(),
            beat: now,
            forgotten: 0,
        }
    }

    /// The leader a run begins with: it was heard, and its followers are as it is.
    pub fn first(replica: &Replica, now: u64) -> Self {
        let mut lead = Self::new(replica, now);
        lead.renewed.fill(Some(now));
        for copy in &mut lead.copies {
            (copy.acked, copy.streams) = (Some(0), true);
        }
        lead
    }
}

/// When a leader's fence is lost if no observer renews it: so long after the last instant at which most of them were
/// asked; none without fencing.
fn fence_ends(config: &Config, lead: &Lead) -> Option<u64> {
    let failover = config.failover.as_ref().filter(|failover| failover.fencing)?;
    let lease = failover.detect - failover.detect / 1000;
    let mut asked: Vec<Option<u64>> = lead.renewed.clone();
    asked.sort_unstable();
    // More than half of them were asked then or later.
    let most = asked.get(asked.len().saturating_sub(1) / 2).copied().flatten();
    Some(most.map_or(0, |at| at + lease))
}

impl Replica {
    /// It leads from now on, with what it has.
    pub(super) fn begin(&mut self, cx: &mut Context<'_>) {
        self.led = false;
        self.follow.leads();
        let mut lead = Lead::new(self, cx.now);
        // With a fence it leads once enough observers have heard it.
        lead.fenced = fence_ends(&self.config, &lead).is_some();
        if !lead.fenced {
            cx.note(Note::Leads { term: self.reign.term(), began_with: self.log.last() });
        }
        self.lead = Some(lead);
        self.beat_all(true, cx);
        self.watch(cx);
        self.pong_all(cx);
        self.dispatch(cx);
    }

    /// Looks after its followers from now on.
    pub(super) fn watch(&mut self, cx: &mut Context<'_>) {
        let Some(lead) = &mut self.lead else { return };
        if lead.copies.is_empty() {
            return;
        }
        let behind = lead.copies.iter().any(|copy| copy.acked != Some(lead.left));
        let resend = behind.then_some(cx.now + RESEND);
        let beat = self.config.beat().map(|beat| (lead.beat + beat).max(cx.now));
        // One that no observer has heard yet has lost nothing.
        let fence = fence_ends(&self.config, lead).filter(|end| *end > 0 && !lead.fenced);
        let fence = fence.map(|at| at.max(cx.now));
        if let Some(at) = resend.into_iter().chain(beat).chain(fence).min()
            && lead.armed.tick.is_none_or(|tick| at < tick)
        {
            lead.armed.tick = Some(at);
            cx.act(Effect::Arm(TICK, at - cx.now));
        }
    }

    /// What it began with is applied.
    pub(super) fn drain(&mut self, cx: &mut Context<'_>) {
        if let Some(lead) = &mut self.lead
            && !lead.drained
            && self.follow.applied >= self.log.last()
        {
            lead.drained = true;
            self.pong_all(cx);
        }
    }

    /// The work of a write is done: it takes its place, unless it has one.
    pub(super) fn write(&mut self, operation: &Operation, version: u64, cx: &mut Context<'_>) {
        let lead = self.lead.as_mut().expect("a leader writes");
        if let Some(place) = operation.once.and_then(|_| self.data.done(version)) {
            let at = lead.waiting.partition_point(|(other, _)| *other <= place);
            lead.waiting.insert(at, (place, operation.ticket));
            return self.acknowledge(cx);
        }
        let looks = operation.expects.is_some();
        if looks && self.repairs.find(&self.data, (operation.key, operation.ticket), cx) {
            return;
        }
        let there = || self.data.get(operation.key).version;
        if let Some(failure) = cx.refuses((operation.expects, version), there) {
            return cx.answer(operation.ticket, Answer::Failed(failure));
        }
        let place = self.reign.after(self.log.last());
        let mut entry = Entry::new(Sent { place, key: operation.key, version, at: cx.wall });
        entry.apply(&mut self.data);
        self.log.push(entry);
        (self.follow.applied, self.follow.dispatched) = (place, place);
        let lead = self.lead.as_mut().expect("a leader writes");
        lead.waiting.push_back((place, operation.ticket));
        cx.note(Note::Accepted { key: operation.key, version, order: place });
        self.disk.write(place, cx);
        self.commit(cx);
    }

    /// More may be certain now.
    pub(super) fn commit(&mut self, cx: &mut Context<'_>) {
        let stored = self.stored();
        self.dispatch(cx);
        let Some(lead) = &mut self.lead else { return };
        if stored <= lead.committed {
            return;
        }
        for at in self.log.after(lead.committed)..self.log.after(stored) {
            let lag = if self.config.has_lag { cx.laws.draw(Law::Lag) } else { 0 };
            lead.leaves = lead.leaves.max(cx.now + lag);
            (self.log.entries[at].sent.at, self.log.entries[at].since) = (cx.wall, cx.now);
            self.log.entries[at].leaves = lead.leaves;
        }
        lead.committed = stored;
        cx.note(Note::Committed { order: stored });
        if !lead.armed.leaving {
            self.leave(cx);
        }
        self.acknowledge(cx);
        self.trim(cx);
    }

    /// Entries whose time has come leave.
    pub(super) fn leave(&mut self, cx: &mut Context<'_>) {
        let Some(lead) = &mut self.lead else { return };
        lead.armed.leaving = false;
        let (from, upto) = (self.log.after(lead.left), self.log.after(lead.committed));
        for entry in self.log.entries.range(from..upto) {
            if entry.leaves > cx.now {
                lead.armed.leaving = true;
                cx.act(Effect::Arm(LEAVE, entry.leaves - cx.now));
                break;
            }
            let (prev, sent) = (lead.left, entry.sent);
            for copy in lead.copies.iter_mut().filter(|copy| copy.streams && copy.sent == prev) {
                if copy.acked == Some(prev) {
                    copy.since = cx.now;
                }
                copy.probe = copy.probe.or(Some((sent.place, cx.now)));
                copy.sent = sent.place;
                send(cx, copy.peer, Message::Append { reign: self.reign, prev, sent });
            }
            lead.left = sent.place;
        }
        self.watch(cx);
    }

    /// Acknowledges what may be.
    fn acknowledge(&mut self, cx: &mut Context<'_>) {
        if !self.is_heard(cx.now) {
            return;
        }
        let Some(lead) = &self.lead else { return };
        let (upto, more) = self.safe(lead, cx.now);
        let Some(lead) = &mut self.lead else { return };
        if let Some(after) = more.filter(|_| !lead.armed.semi) {
            lead.armed.semi = true;
            cx.act(Effect::Arm(SEMI, after));
        }
        while let Some(&(place, ticket)) = lead.waiting.front()
            && place <= upto
        {
            lead.waiting.pop_front();
            cx.answer_of(ticket, Answer::Written, Known::upto(place));
        }
    }

    /// Up to which place all may be acknowledged; and how long until more may be, though nobody has stored more.
    fn safe(&self, lead: &Lead, now: u64) -> (u64, Option<u64>) {
        let committed = lead.committed;
        match self.config.ack {
            Ack::Async => (committed, None),
            Ack::Sync => (lead.all().min(committed), None),
            Ack::SemiSync { timeout, acks } => {
                let acked = lead.acked(usize::from(acks));
                let oldest = self.log.entries.get(self.log.after(acked));
                // While followers lack what is older than the timeout, it goes on without them.
                let Some(oldest) = oldest.filter(|oldest| oldest.sent.place <= committed) else {
                    return (committed, None);
                };
                let age = now.saturating_sub(oldest.since.max(lead.began));
                if age < timeout { (acked, Some(timeout - age)) } else { (committed, None) }
            }
        }
    }

    /// Whether what it has of a key could be acknowledged.
    pub fn is_settled(&self, key: u64, now: u64) -> bool {
        let place = self.data.get(key).order;
        self.lead.as_ref().is_some_and(|lead| place <= self.safe(lead, now).0)
    }

    /// A write may have waited long enough.
    pub(super) fn overdue(&mut self, cx: &mut Context<'_>) {
        if let Some(lead) = &mut self.lead {
            lead.armed.semi = false;
            self.acknowledge(cx);
        }
    }

    /// Forgets what all have, and what is kept for too long for some.
    fn trim(&mut self, cx: &mut Context<'_>) {
        let Some(lead) = &self.lead else { return };
        let mut upto = lead.all().min(lead.left);
        if let Some(excess) = self.log.entries.len().checked_sub(KEPT + 1) {
            upto = upto.max(self.log.entries[excess].sent.place.min(lead.left));
        }
        let forgotten = self.forget(upto);
        let Some(lead) = &mut self.lead else { return };
        lead.forgotten += forgotten;
        if lead.forgotten >= BATCH {
            self.beat_all(false, cx);
        }
    }

    fn beat_all(&mut self, ask: bool, cx: &mut Context<'_>) {
        let Some(lead) = &mut self.lead else { return };
        (lead.forgotten, lead.beat) = (0, cx.now);
        let (last, all) = (lead.committed, lead.all().min(lead.left));
        for copy in &mut lead.copies {
            let ask = ask || copy.acked.is_none();
            send(cx, copy.peer, Message::Beat { reign: self.reign, last, at: cx.wall, all, ask });
        }
    }

    /// Looks after its followers.
    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        let Some(lead) = &mut self.lead else {
            if self.follow.best.is_some() {
                self.ask_best(cx);
            }
            return;
        };
        lead.armed.tick = None;
        if !lead.fenced
            && fence_ends(&self.config, lead).is_some_and(|end| end > 0 && end <= cx.now)
        {
            lead.fenced = true;
            cx.note(Note::StepsDown { term: self.reign.term() });
        }
        if self.config.beat().is_some_and(|beat| cx.now >= lead.beat + beat) {
            self.beat_all(false, cx);
        }
        self.resend(cx);
        self.acknowledge(cx);
        self.watch(cx);
    }

    /// Sends again to those who are silent.
    fn resend(&mut self, cx: &mut Context<'_>) {
        let Some(lead) = &mut self.lead else { return };
        for copy in &mut lead.copies {
            if copy.acked == Some(lead.left) || !copy.is_silent(cx.now) {
                continue;
            }
            // At first only a message may be lost; one that is silent again gets little until it answers.
            let first = std::mem::replace(&mut copy.streams, false) && !copy.late;
            (copy.since, copy.late) = (cx.now, true);
            let (reign, last, at) = (self.reign, lead.committed, cx.wall);
            match copy.acked {
                Some(acked) => {
                    let most = if first { BATCH } else { PROBE };
                    copy.ship((&self.log, reign), (acked, lead.left), most, cx);
                    copy.streams = first && copy.sent == lead.left;
                    copy.probe = Some((copy.sent, cx.now));
                }
                None => {
                    send(cx, copy.peer, Message::Beat { reign, last, at, all: 0, ask: true });
                }
            }
        }
    }

    /// A follower has stored all up to a place.
    pub(super) fn acknowledged(
        &mut self,
        from: Peer,
        reign: Reign,
        place: u64,
        cx: &mut Context<'_>,
    ) {
        if reign != self.reign {
            return;
        }
        let Some(lead) = &mut self.lead else { return };
        let Some(copy) = lead.copies.iter_mut().find(|copy| copy.peer == from) else { return };
        if copy.acked >= Some(place) {
            return;
        }
        (copy.acked, copy.since, copy.late) = (Some(place), cx.now, false);
        if let Some((_, sent)) = copy.probe.take_if(|(probe, _)| *probe <= place) {
            copy.trip = cx.now - sent;
        }
        if !copy.streams && place >= copy.sent {
            copy.sent = place;
            if place >= lead.left {
                copy.streams = true;
            } else {
                copy.ship((&self.log, reign), (place, lead.left), BATCH, cx);
                // It answers, so what leaves now goes right after that.
                copy.streams = copy.sent == lead.left;
            }
        }
        self.acknowledge(cx);
        self.trim(cx);
    }

    /// A follower asks what comes after a place, which it has.
    pub(super) fn asked(&mut self, from: Peer, reign: Reign, place: u64, cx: &mut Context<'_>) {
        if self.lead.is_none() && self.leader == Some(from) && reign >= self.reign {
            // A leader that has lost all asks who has most.
            self.adopt(reign, Some(from), cx);
            return self.ask(cx);
        }
        if reign > self.reign {
            return;
        }
        let Some(lead) = &mut self.lead else {
            if let Some((best, peer)) = self.follow.best
                && (place > best || peer == self.me)
            {
                self.follow.best = Some((place, from));
            }
            return;
        };
        let Some(copy) = lead.copies.iter_mut().find(|copy| copy.peer == from) else { return };
        (copy.acked, copy.since, copy.streams, copy.probe) = (None, cx.now, false, None);
        copy.ship((&self.log, self.reign), (place, lead.left), BATCH, cx);
        self.watch(cx);
    }

    /// A newer epoch has come, or is about to.
    pub(super) fn step_down(&mut self, cx: &mut Context<'_>) {
        let Some(lead) = self.lead.take() else { return };
        self.led = true;
        if !lead.fenced {
            cx.note(Note::StepsDown { term: self.reign.term() });
        }
        for (_, ticket) in lead.waiting {
            cx.answer(ticket, Answer::Failed(Failure::LeadershipLost));
        }
        for timer in [LEAVE, TICK, SEMI] {
            cx.act(Effect::Disarm(timer));
        }
    }

    /// Enough observers have heard it lately. A lease counts from when it was asked for, by its own clock, which may be
    /// slower than theirs by a thousandth.
    fn is_heard(&self, now: u64) -> bool {
        let lead = self.lead.as_ref();
        lead.and_then(|lead| fence_ends(&self.config, lead)).is_none_or(|end| now < end)
    }

    /// How it is, if it leads.
    pub(super) fn state(&self, now: u64) -> Option<State> {
        let lead = self.lead.as_ref()?;
        Some(if !self.is_heard(now) {
            State::Fenced
        } else if lead.drained {
            State::Serves
        } else {
            State::Drains
        })
    }

    /// An observer asks whether it leads.
    pub(super) fn pong(&mut self, observer: Peer, cx: &mut Context<'_>) {
        if let Some(state) = self.state(cx.now) {
            send(cx, observer, Message::Pong { reign: self.reign, at: cx.now, state });
        }
    }

    /// An observer has heard it.
    pub(super) fn renewed(&mut self, from: Peer, epoch: u32, at: u64, cx: &mut Context<'_>) {
        if epoch != self.reign.epoch() {
            return;
        }
        let before = self.state(cx.now);
        let (Some(failover), Some(lead)) = (&self.config.failover, &mut self.lead) else { return };
        if let Some(n) = failover.observers.iter().position(|observer| *observer == from)
            && at >= lead.began
        {
            lead.renewed[n] = lead.renewed[n].max(Some(at));
        }
        if before == Some(State::Fenced) && self.state(cx.now) != before {
            if let Some(lead) = self.lead.as_mut().filter(|lead| lead.fenced) {
                lead.fenced = false;
                let began_with = self.log.last();
                cx.note(Note::Leads { term: self.reign.term(), began_with });
            }
            self.watch(cx);
            // It may serve again: observers need not wait for their next question to hear of that.
            self.pong_all(cx);
            self.acknowledge(cx);
        }
    }

    fn pong_all(&mut self, cx: &mut Context<'_>) {
        for at in 0..self.config.failover.as_ref().map_or(0, |failover| failover.observers.len()) {
            let observer = self.config.failover.as_ref().map(|failover| failover.observers[at]);
            self.pong(observer.expect("there are so many"), cx);
        }
    }

    /// An observer wants to know how far it is, and that it follows nobody older from now on.
    pub(super) fn position(&mut self, from: Peer, epoch: u32, cx: &mut Context<'_>) {
        if Reign::of(epoch) < self.reign {
            return;
        }
        self.adopt(Reign::of(epoch), None, cx);
        if self.leader.is_none() {
            let (place, empty) = (self.log.last(), self.rebuilds);
            send(cx, from, Message::At { epoch, place, empty });
        }
    }

    /// An observer has chosen it.
    pub(super) fn promoted(&mut self, from: Peer, epoch: u32, cx: &mut Context<'_>) {
        if self.reign.epoch() == epoch && self.lead.is_some() {
            self.pong(from, cx);
        } else if self.reign == Reign::of(epoch)
            && self.leader.is_none()
            && !(self.rebuilds && self.backed_up)
        {
            // If it has nothing, so have all others, or the observer would not have chosen it.
            self.rebuilds = false;
            self.leader = Some(self.me);
            self.begin(cx);
        }
    }
}

impl Copy {
    /// Ships a batch of what comes after a place and has left, or says that the log begins later.
    fn ship(
        &mut self,
        (log, reign): (&Log, Reign),
        (place, left): (u64, u64),
        most: usize,
        cx: &mut Context<'_>,
    ) {
        let message = match log.floor(place) {
            Some(prev) => {
                let entries = log.some(prev, left, most);
                self.sent = entries.last().map_or(prev, |last| last.place);
                Message::Batch { reign, prev, entries }
            }
            None => Message::TooOld { reign, base: log.base },
        };
        send(cx, self.peer, message);
    }
}
