//! Faults that come after an alert: they join the time line of their replication when it fires.
//!
//! **Invariant.** What joins begins now or later, so nothing that was counted before moves.

use super::timeline::Timeline;
use crate::{
    model::{names::Names, sim::Simulation},
    units::Name,
};

impl Timeline {
    /// What waits for an alert begins after its delay.
    fn trigger(&mut self, alert: &Name, now: u64, names: &Names) {
        let waits = |fault: usize| names.fault(fault).after.as_ref() == Some(alert);
        let waiting = std::mem::take(&mut self.waiting);
        let (due, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|o| waits(o.fault));
        self.waiting = rest;
        for mut occurrence in due {
            let delay = names.fault(occurrence.fault).delay.map_or(0, |delay| delay.0);
            let from = now.saturating_add(delay);
            occurrence.start = occurrence.start.saturating_add(from);
            occurrence.end = occurrence.end.saturating_add(from);
            if occurrence.start < names.design.duration {
                self.expect(occurrence, names.design.duration);
            }
        }
    }
}

impl Simulation {
    /// An alert fires.
    #[cold]
    pub(in crate::model) fn fired(&mut self, alert: &Name, now: u64, names: &Names) {
        self.roll_back(alert, now, names);
        self.timeline.trigger(alert, now, names);
        if self.timeline.grown {
            self.timeline.count_by_phase(names, &mut self.world.record);
        }
    }
}
