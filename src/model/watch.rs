//! One replication simulated again, and some of its requests watched.
//!
//! Who is kept is known from a first pass, in which every decided request is a sample (`keep.rs`). In the second one a
//! twin of the event loop (`run.rs`) takes one event at a time while one of them is under way, and looks at their frames
//! before and after it (`follow.rs`). The ordinary loop is not asked whether anybody watches.
//!
//! **Invariant.** Watching changes no event.

mod at;
mod follow;
pub mod keep;
pub mod spans;

use std::{collections::BTreeMap, sync::atomic::AtomicBool};

use self::{
    follow::Follower,
    keep::{Keeper, Wanted, Why},
    spans::WatchedRequest,
};
use super::{
    probe::{Measured, RequestSample},
    sim::{LOOK, Simulation},
};
use crate::model::design::Limits;

/// A request to be watched.
#[derive(Clone, Copy, Debug)]
pub struct Follow {
    /// Client (index in name order).
    pub client: u16,
    /// Its number there.
    pub number: u64,
    /// When it is sent, ns; none: nobody knows.
    pub at: Option<u64>,
}

impl Simulation {
    /// Runs to the end as ever, and keeps some of the requests that are decided.
    pub fn run_keeping(
        mut self,
        wanted: Wanted,
        limits: Limits,
        stop: &AtomicBool,
    ) -> (Measured, Vec<(RequestSample, Vec<Why>)>) {
        let mut keeper = Keeper::new(wanted);
        let record = &mut self.world.record;
        (record.sample_every, record.most_samples) = (1, usize::MAX);
        self.begin();
        let end = self.world.record.end;
        while self.world.now() < end
            && let Some(&at) = self.progress.stops.first()
            && self.advance_to(at, limits, stop)
        {
            self.hand_samples(&mut keeper);
        }
        self.hand_samples(&mut keeper);
        (self.end(), keeper.kept())
    }

    fn hand_samples(&mut self, keeper: &mut Keeper) {
        let mut faults: BTreeMap<usize, u64> = BTreeMap::new();
        for fault in self.timeline.faults() {
            let began = faults.entry(fault.fault).or_insert(fault.start);
            *began = fault.start.min(*began);
        }
        for (_, sample) in std::mem::take(&mut self.world.record.samples) {
            keeper.push(&sample, &faults);
        }
    }

    /// Runs to the end and watches these requests; those that were not sent are not among what was seen.
    pub fn run_watching(
        mut self,
        wishes: &[Follow],
        limits: Limits,
        stop: &AtomicBool,
    ) -> (Measured, Vec<WatchedRequest>) {
        let mut follower = Follower::new(wishes);
        follower.before(&mut self, None);
        self.begin();
        follower.after(&mut self);
        let end = self.world.record.end;
        while self.progress.truncated.is_none() && self.world.now() < end {
            match follower.idle_until() {
                Some(until) if until > self.world.now() => {
                    self.advance_to(until, limits, stop);
                    follower.resume(&self);
                }
                _ => self.step_to_stop(&mut follower, limits, stop),
            }
        }
        let requests = follower.seen(&self);
        (self.end(), requests)
    }

    /// Runs event by event to the next stop, or until nobody is watched.
    fn step_to_stop(&mut self, follower: &mut Follower, limits: Limits, stop: &AtomicBool) {
        let Some(&at) = self.progress.stops.first() else { return };
        while let Some(event) = self.world.agenda.peek(at - 1) {
            follower.before(self, Some(event));
            self.step(at - 1);
            follower.after(self);
            if std::mem::take(&mut self.progress.cut_short) {
                // There may be a stop before this one.
                return;
            }
            if self.events.is_multiple_of(LOOK) || self.events >= limits.events {
                self.progress.truncated = self.limit(limits, stop);
                if self.progress.truncated.is_some() {
                    return;
                }
            }
            if follower.idle_until().is_some_and(|until| until > self.world.now()) {
                return;
            }
        }
        self.world.agenda.advance_to(at);
        self.progress.stops.pop_first();
        follower.before(self, None);
        self.stop_at(at);
        follower.after(self);
    }

    /// Runs the next event, if it is due.
    fn step(&mut self, last: u64) {
        self.left = 1;
        self.run_some(last);
        self.events += 1 - self.left;
        self.put_off = 0;
    }
}
