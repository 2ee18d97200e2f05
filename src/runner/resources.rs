//! What was held of each thing of a node that is bounded, over replications.
//!
//! **Invariant.** What is said of a window is said of most of the replications that measured it.

use std::ops::Range;

use super::nodes::LISTED_INSTANCES;
use crate::{
    model::bounded::{Full, Held, runs},
    results::{Means, ResourceResults, seconds},
};

/// One thing that is bounded, in many replications.
#[derive(Clone, Debug)]
pub(super) struct ResourcePool {
    name: String,
    capacity: f64,
    /// How many have their own.
    parts: usize,
    used: Means,
    /// The first of them.
    instances: Vec<Means>,
    windows: Vec<Window>,
}

/// One window of time.
#[derive(Clone, Debug, Default)]
struct Window {
    /// Its start in the first replication, ns.
    start: Option<u64>,
    /// Replications that measured it, and those in which somebody was full.
    seen: usize,
    full: usize,
    /// Who was in the first of those; all, if all were in any.
    who: Option<Full>,
}

impl ResourcePool {
    /// Of a thing like this, and nothing yet.
    pub(super) fn like(held: &Held) -> Self {
        let parts = held.instances.len();
        Self {
            name: held.name.clone(),
            capacity: held.capacity,
            parts,
            used: Means::default(),
            instances: vec![
                Means::default();
                if parts > 1 { parts.min(LISTED_INSTANCES) } else { 0 }
            ],
            windows: Vec::new(),
        }
    }

    /// Adds what was held in the next replication, whose windows these are.
    pub(super) fn push(&mut self, held: &Held, spans: &[(u64, u64)], warm_up: u64) {
        let first = self.used.each().is_empty();
        let share = |(held, room): (f64, f64)| (room > 0.0).then(|| held / room);
        let parts = held.instances.iter();
        let total = parts.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        self.used.push(share(total));
        for (used, one) in self.instances.iter_mut().zip(&held.instances) {
            used.push(share(*one));
        }
        if self.windows.len() < spans.len() {
            self.windows.resize(spans.len(), Window::default());
        }
        for (w, (window, &(start, end))) in self.windows.iter_mut().zip(spans).enumerate() {
            if first {
                window.start = Some(start);
            }
            if start < warm_up || end <= start {
                continue;
            }
            window.seen += 1;
            let Some(who) = held.full[w] else { continue };
            window.full += 1;
            if who == Full::All || window.who.is_none() {
                window.who = Some(who);
            }
        }
    }

    /// Its name and figures.
    pub(super) fn results(&self, confidence: f64) -> (String, ResourceResults) {
        let windows = self.windows.iter();
        let (full, all) = windows.fold((0, 0), |sum, w| (sum.0 + w.full, sum.1 + w.seen));
        // By window: who was full in most replications.
        let most = |w: &Window| w.who.filter(|_| 2 * w.full >= w.seen);
        let found: Vec<Option<Full>> = self.windows.iter().map(most).collect();
        let first = lasting(&found);
        let instance = match first.and_then(|w| found[w]) {
            Some(Full::One(i)) if self.parts > 1 => Some(u64::from(i)),
            _ => None,
        };
        let results = ResourceResults {
            capacity: self.capacity,
            utilisation: self.used.estimate(confidence).fraction(),
            saturated: if all > 0 { full as f64 / all as f64 } else { 0.0 },
            saturated_at: first.and_then(|w| self.windows[w].start).map(seconds),
            instance,
            instances: self.instances.iter().map(Means::mean).collect(),
        };
        (self.name.clone(), results)
    }
}

/// Where the first run of windows begins that lasts half as long as the longest one, or longer: shorter ones may be
/// chance.
fn lasting(full: &[Option<Full>]) -> Option<usize> {
    let runs = runs(full.iter().map(Option::is_some));
    let longest = runs.iter().map(Range::len).max()?;
    runs.into_iter().find(|run| 2 * run.len() >= longest).map(|run| run.start)
}
