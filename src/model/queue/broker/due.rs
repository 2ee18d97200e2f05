//! What is due at a broker: delays, hand-outs and messages whose time is over.

use std::cmp::Reverse;

use super::{Broker, End, Held, PATIENCE, State};

impl Broker {
    /// When something is due; none: nothing is.
    pub fn due(&mut self) -> Option<u64> {
        while self.out.front().is_some_and(|&(_, handle)| !self.is_out(handle)) {
            self.out.pop_front();
        }
        let is_there = |held: &[Held], place: u32, order: u64| {
            held[place as usize].record.order == order && held[place as usize].state != State::Gone
        };
        while self.by_age.front().is_some_and(|&(place, order)| !is_there(&self.held, place, order))
        {
            self.by_age.pop_front();
        }
        let retention = self.rules.retention;
        let old =
            self.by_age.front().map(|at| self.held[at.0 as usize].record.accepted + retention);
        let out = self.out.front().map(|out| out.0);
        let delayed = self.delayed.peek().map(|Reverse(first)| first.0);
        let asks = self.asks.front().map(|w| w.lingers.unwrap_or(u64::MAX).min(w.since + PATIENCE));
        [old, out, delayed, asks].into_iter().flatten().min()
    }

    /// What is due by now happens.
    pub fn tick(&mut self, now: u64) {
        self.changes(now, |broker| {
            broker.end_delays(now);
            broker.end_handouts(now);
            broker.expire(now);
        });
    }

    fn end_delays(&mut self, now: u64) {
        while let Some(&Reverse((due, place, order))) = self.delayed.peek()
            && due <= now
        {
            self.delayed.pop();
            let held = &self.held[place as usize];
            if held.record.order == order && held.state == State::Delayed {
                self.available(place);
            }
        }
    }

    fn end_handouts(&mut self, now: u64) {
        while let Some(&(due, handle)) = self.out.front()
            && due <= now
        {
            self.out.pop_front();
            if !self.is_out(handle) {
                continue;
            }
            if self.held[handle.place as usize].state == State::Dying {
                self.bury(handle.place, now);
            } else {
                self.failed(handle.place, false, now);
            }
        }
    }

    fn expire(&mut self, now: u64) {
        let retention = self.rules.retention;
        while let Some(&(place, order)) = self.by_age.front() {
            let held = &self.held[place as usize];
            let there = held.record.order == order && held.state != State::Gone;
            if there && held.record.accepted + retention > now {
                return;
            }
            self.by_age.pop_front();
            // What is handed out is looked at when it comes back.
            if there && !matches!(held.state, State::Out | State::Dying) {
                self.end(place, End::Expired);
            }
        }
    }

    // ---- faults ------------------------------------------------------------------------------
}
