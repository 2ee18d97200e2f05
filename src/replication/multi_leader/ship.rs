//! A leader ships its log to the others.
//!
//! **Invariant.** Entries leave in log order, and only when they are as safe as the disk's mode promises. All that another
//! leader may lack is kept, or that one is sent all data.

use super::config::{BATCH, KEPT, LEAVE, TICK, WINDOW};
use super::log::Log;
use super::message::{Life, Message};
use super::peer::Copy;
use super::replica::{MultiLeader, send};
use crate::replication::contract::{Context, Effect};
use crate::replication::words::{Law, Note};

impl MultiLeader {
    /// More of its log may be certain now.
    pub(super) fn commit(&mut self, cx: &mut Context<'_>) {
        let certain = self.store.certain(self.place).upto.unwrap_or_default();
        if self.asks.is_some() || certain <= self.committed {
            return;
        }
        for at in self.committed.max(self.log.base) + 1..=certain {
            let lag = if self.config.has_lag { cx.laws.draw(Law::Lag) } else { 0 };
            self.leaves = self.leaves.max(cx.now + lag);
            self.log.at(at).leaves = self.leaves;
        }
        self.committed = certain;
        cx.note(Note::Committed { order: certain });
        if !self.leaving {
            self.leave(cx);
        }
    }

    /// Entries whose time has come leave.
    pub(super) fn leave(&mut self, cx: &mut Context<'_>) {
        self.leaving = false;
        let before = self.left;
        while self.left < self.committed {
            let leaves = self.log.at(self.left + 1).leaves;
            if leaves > cx.now {
                self.leaving = true;
                cx.act(Effect::Arm(LEAVE, leaves - cx.now));
                break;
            }
            self.left += 1;
        }
        if self.left > before {
            for copy in self.copies.iter_mut().filter(|copy| copy.streams && copy.sent < self.left)
            {
                if copy.acked >= Some(copy.sent) {
                    copy.heard(cx.now); // nothing was awaited
                }
                let open = copy.sent.saturating_sub(copy.acked.unwrap_or_default());
                if open < WINDOW {
                    copy.ship(&self.log, (self.life, self.left), BATCH, cx);
                }
                copy.streams = copy.sent >= self.left;
            }
            self.trim(cx);
        }
        self.watch(cx);
    }

    /// Forgets what all have, and what is kept for too long for some.
    pub(super) fn trim(&mut self, cx: &mut Context<'_>) {
        let has = |copy: &Copy| {
            let copied = copy.copying.as_ref().map(|copying| copying.upto);
            copied.or(copy.acked).unwrap_or(self.log.base)
        };
        let all = self.copies.iter().map(has).min().unwrap_or(u64::MAX).min(self.left);
        let kept = self.log.last().saturating_sub(KEPT as u64).min(self.left);
        self.log.forget(all.max(kept));
        let base = self.log.base;
        let lack = |copy: &&Copy| copy.copying.is_none() && copy.acked.is_some_and(|at| at < base);
        let lack: Vec<u8> = self.copies.iter().filter(lack).map(|copy| copy.place).collect();
        for place in lack {
            self.begin_copy(place, cx);
        }
    }

    /// Looks after the others from now on.
    pub(super) fn watch(&mut self, cx: &mut Context<'_>) {
        let left = self.left;
        if let Some(at) = self.copies.iter().filter_map(|copy| copy.due(left)).min()
            && self.tick.is_none_or(|tick| at < tick)
        {
            let at = at.max(cx.now);
            self.tick = Some(at);
            cx.act(Effect::Arm(TICK, at - cx.now));
        }
    }

    /// Sends again to those who are silent, and the next chunks.
    pub(super) fn look(&mut self, cx: &mut Context<'_>) {
        self.tick = None;
        for at in 0..self.copies.len() {
            let copy = &mut self.copies[at];
            if copy.due(self.left).is_none_or(|due| due > cx.now) {
                continue;
            }
            if copy.copying.is_some() {
                let place = copy.place;
                self.send_chunk(place, cx);
                continue;
            }
            // At first only a message may be lost; one that is silent again gets little until it answers.
            let first = std::mem::replace(&mut copy.streams, false);
            copy.silent(cx.now);
            match copy.acked {
                Some(acked) => {
                    copy.sent = acked;
                    copy.ship(&self.log, (self.life, self.left), if first { BATCH } else { 1 }, cx);
                }
                None => {
                    let (life, prev, entries) = (self.life, self.left, Box::default());
                    send(copy.peer, Message::Replicate { life, prev, entries }, cx);
                }
            }
        }
        self.watch(cx);
    }

    /// Another leader has all up to a place.
    pub(super) fn replicated(
        &mut self,
        from: u8,
        life: Life,
        upto: Option<u64>,
        cx: &mut Context<'_>,
    ) {
        if life != self.life {
            return self.say_hello(from, life, cx);
        }
        let Some(upto) = upto else {
            if self.asks.is_none() && self.copy(from).copying.is_none() {
                self.begin_copy(from, cx);
            }
            return;
        };
        if self.asks.is_some() || upto > self.log.last() {
            return;
        }
        let (left, base) = (self.left, self.log.base);
        let copy = self.copy(from);
        if copy.copying.is_some() || copy.acked >= Some(upto) {
            return;
        }
        copy.acked = Some(upto);
        if let Some((_, sent)) = copy.probe.take_if(|(probe, _)| *probe <= upto) {
            copy.trip = cx.now - sent;
        }
        copy.heard(cx.now);
        copy.sent = copy.sent.max(upto);
        if !copy.streams && upto >= copy.sent {
            copy.streams = true;
            if upto >= base && upto < left {
                self.go_on(from, cx);
            }
        }
        self.trim(cx);
        self.watch(cx);
    }

    /// Another leader answers: it gets more of what has left.
    pub(super) fn go_on(&mut self, place: u8, cx: &mut Context<'_>) {
        let (life, left) = (self.life, self.left);
        let at = self.copies.iter().position(|copy| copy.place == place);
        let copy = &mut self.copies[at.expect("all others are known")];
        copy.ship(&self.log, (life, left), BATCH, cx);
        // What leaves now goes right after that.
        copy.streams = copy.sent >= left;
    }

    /// The process of another leader does not run.
    pub(super) fn refused(&mut self, place: u8, cx: &mut Context<'_>) {
        let copy = self.copy(place);
        if copy.copying.is_none() && copy.streams {
            copy.streams = false;
            copy.silent(cx.now);
        }
        self.watch(cx);
    }
}

impl Copy {
    /// Ships a batch of what comes after what was sent, and has left.
    fn ship(&mut self, log: &Log, (life, left): (Life, u64), most: usize, cx: &mut Context<'_>) {
        let prev = self.sent;
        let upto = left.min(prev + most as u64);
        let entries = log.some(prev, upto);
        for _ in prev..self.most.min(upto) {
            cx.note(Note::Counted("resend"));
        }
        self.probe = self.probe.or(Some((upto, cx.now)));
        (self.sent, self.most) = (upto, self.most.max(upto));
        send(self.peer, Message::Replicate { life, prev, entries }, cx);
    }
}
