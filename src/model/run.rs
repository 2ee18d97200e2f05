//! From one stop between two events to the next.
//!
//! **Invariant.** At a stop everything earlier has happened and nothing of its own instant has; what is done
//! there is not in the agenda.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{probe::Measured, sim::Simulation};
use crate::model::design::Limits;

impl Simulation {
    /// Runs to the end, a limit, or until `stop` is set. Simulated milliseconds are added to `progress`.
    pub fn run(mut self, limits: Limits, (stop, progress): (&AtomicBool, &AtomicU64)) -> Measured {
        self.begin();
        let (mut told, end) = (0, self.world.record.end);
        while self.world.now() < end
            && let Some(&at) = self.progress.stops.first()
            && self.advance_to(at, limits, stop)
        {
            progress.fetch_add(at / 1_000_000 - told, Ordering::Relaxed);
            told = at / 1_000_000;
        }
        self.end()
    }

    /// Whatever is there from the start begins.
    pub(super) fn begin(&mut self) {
        if std::mem::replace(&mut self.progress.begun, true) {
            return;
        }
        let plan = Arc::clone(&self.plan);
        let design = &plan.names.design;
        let (end, window) = (self.world.record.end, self.world.record.window);
        let looks: BTreeSet<u64> = design.looks().filter(|&at| at < end).collect();
        let mut stops: BTreeSet<u64> = (1..self.windows).map(|w| w * window).collect();
        stops.extend([design.warm_up, end]);
        stops.extend(&self.world.record.phases);
        stops.extend(&looks);
        stops.remove(&0);
        (self.progress.stops, self.progress.looks) = (stops, looks);
        self.begin_scaling();
        if design.warm_up == 0 {
            self.begin_span();
        }
        self.strike(0);
        for node in &mut self.nodes {
            node.start(&mut self.world);
        }
        self.scale(0);
    }

    /// Has everything happen that is due before `time`, ns, or before the end if that is sooner; `false` when a
    /// limit ended it earlier or `stop` is set. Steps of any length lead to the same results.
    pub fn advance_to(&mut self, time: u64, limits: Limits, stop: &AtomicBool) -> bool {
        self.begin();
        let time = time.min(self.world.record.end);
        while self.progress.truncated.is_none()
            && let Some(&next) = self.progress.stops.first()
            && self.world.now() < time
        {
            let at = next.min(time);
            self.progress.truncated = self.run_events(at - 1, limits, stop);
            if std::mem::take(&mut self.progress.cut_short) {
                continue;
            }
            if self.progress.truncated.is_none() {
                self.world.agenda.advance_to(at);
                if at == next {
                    self.progress.stops.pop_first();
                    self.stop_at(at);
                }
            }
        }
        self.progress.truncated.is_none()
    }

    /// No event is to be run after this one for now.
    #[cold]
    pub(super) fn stop_running(&mut self) {
        self.progress.cut_short = true;
        // This one is counted when it is over.
        self.put_off += self.left - 1;
        self.left = 1;
    }

    /// What is done between two events: spans, windows, alerts and faults begin or end.
    pub(super) fn stop_at(&mut self, at: u64) {
        let (end, window) = (self.world.record.end, self.world.record.window);
        let warm_up = self.plan.names.design.warm_up;
        if at == end {
            return;
        }
        if at == warm_up {
            self.begin_span();
        }
        let ends_window = at.is_multiple_of(window);
        if ends_window {
            self.end_window();
        }
        if ends_window || at == warm_up {
            self.world.record.begin_window(at);
        }
        if self.progress.looks.contains(&at) {
            self.look(at);
        }
        self.scale(at);
        self.strike(at);
        if std::mem::take(&mut self.timeline.grown) {
            let changes = self.timeline.changes.iter().map(|c| c.at);
            self.progress.stops.extend(changes);
        }
    }

    /// What was measured, up to where it has come.
    pub fn end(mut self) -> Measured {
        self.begin();
        if self.world.now() < self.plan.names.design.warm_up {
            // It ended in the warm-up: nothing was measured.
            self.begin_span();
        }
        let ended_at = self.world.now();
        let early = || (ended_at < self.world.record.end).then(|| "ended early".to_owned());
        let truncated = self.progress.truncated.take().or_else(early);
        self.finish(ended_at, truncated)
    }
}
