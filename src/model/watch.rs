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
pub mod lens;
pub mod spans;

use std::{collections::BTreeMap, sync::atomic::AtomicBool};

use self::{
    follow::Follower,
    keep::{Keeper, Wanted, Why},
    lens::{Closely, Lens, SeenClosely},
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

/// Who looks at each event: whoever follows requests, if there are any, and the lens.
type Eyes<'e> = (Option<&'e mut Follower>, &'e mut Lens);

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Of single requests.
    pub requests: Vec<WatchedRequest>,
    /// Of spans looked at closely, and which way calls went.
    pub closely: SeenClosely,
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

    /// Runs to the end and watches these requests and spans; those that were not sent are not among what was seen.
    pub fn run_watching(
        mut self,
        (wishes, closely): (&[Follow], &Closely),
        limits: Limits,
        stop: &AtomicBool,
    ) -> (Measured, Seen) {
        let mut follower = Follower::new(wishes);
        let mut lens = Lens::new(closely, self.world.record.window);
        follower.before(&mut self, None);
        self.begin();
        follower.after(&mut self);
        let end = self.world.record.end;
        while self.progress.truncated.is_none() && self.world.now() < end {
            let now = self.world.now();
            lens.turn(&self);
            let until = lens.turns_at(now).min(end);
            match follower.idle_until() {
                Some(idle) if idle > now => {
                    let until = idle.min(until);
                    if lens.is_awake(now) {
                        self.step_to(until, &mut (None, &mut lens), limits, stop);
                    } else {
                        self.advance_to(until, limits, stop);
                    }
                    follower.resume(&self);
                }
                _ => self.step_to(until, &mut (Some(&mut follower), &mut lens), limits, stop),
            }
        }
        lens.turn(&self);
        let seen = Seen { requests: follower.seen(&self), closely: lens.seen(&self) };
        (self.end(), seen)
    }

    /// Runs event by event to this instant or the next stop, or until the follower has nobody to follow.
    fn step_to(&mut self, until: u64, eyes: &mut Eyes<'_>, limits: Limits, stop: &AtomicBool) {
        let Some(&next) = self.progress.stops.first() else { return };
        let at = next.min(until);
        while let Some(event) = self.world.agenda.peek(at - 1) {
            let (follower, lens) = eyes;
            if let Some(follower) = follower {
                follower.before(self, Some(event));
            }
            lens.before(self, event);
            self.step(at - 1);
            lens.after(self);
            if let Some(follower) = follower {
                follower.after(self);
            }
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
            let idle = follower.as_ref().and_then(|follower| follower.idle_until());
            if idle.is_some_and(|until| until > self.world.now()) {
                return;
            }
        }
        self.world.agenda.advance_to(at);
        if at < next {
            return;
        }
        self.progress.stops.pop_first();
        let (follower, lens) = eyes;
        if let Some(follower) = follower {
            follower.before(self, None);
        }
        self.stop_at(at);
        lens.after(self);
        if let Some(follower) = follower {
            follower.after(self);
        }
    }

    /// Runs the next event, if it is due.
    fn step(&mut self, last: u64) {
        self.left = 1;
        self.run_some(last);
        self.events += 1 - self.left;
        self.put_off = 0;
    }
}
