//! From one stop between two events to the next.
//!
//! **Invariant.** At a stop everything earlier has happened and nothing of its own instant has; what is done
//! there is not in the agenda.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::{
    build::Names,
    probe::Measured,
    sim::{Limits, Simulation},
};

impl Simulation {
    /// Runs to the end, a limit, or until `stop` is set; `names` are those it was built from. Simulated
    /// milliseconds are added to `progress`.
    pub fn run(
        mut self,
        names: &Names<'_>,
        limits: Limits,
        (stop, progress): (&AtomicBool, &AtomicU64),
    ) -> Measured {
        let end = self.world.record.end;
        let warm_up = names.design.warm_up;
        if warm_up == 0 {
            self.begin_span();
        }
        self.strike(0, names);
        for node in &mut self.nodes {
            node.start(&mut self.world);
        }
        let window = self.world.record.window;
        let looks: BTreeSet<u64> = names.design.looks().filter(|&at| at < end).collect();
        let mut stops: BTreeSet<u64> = (1..self.windows).map(|w| w * window).collect();
        stops.extend([warm_up, end]);
        stops.extend(&self.world.record.phases);
        stops.extend(&looks);
        stops.remove(&0);
        let mut truncated = None;
        let mut told = 0;
        while let Some(at) = stops.pop_first() {
            truncated = self.run_events(at - 1, limits, stop);
            if truncated.is_some() {
                break;
            }
            self.world.agenda.advance_to(at);
            progress.fetch_add(at / 1_000_000 - told, Ordering::Relaxed);
            told = at / 1_000_000;
            if at == end {
                break;
            }
            if at == warm_up {
                self.begin_span();
            }
            if at % window == 0 {
                let snapshot = self.snapshot();
                self.snapshots.push(snapshot);
            }
            if at % window == 0 || at == warm_up {
                self.world.record.begin_window(at);
            }
            if looks.contains(&at) {
                self.look(at, names);
            }
            self.strike(at, names);
            if std::mem::take(&mut self.timeline.grown) {
                stops.extend(self.timeline.changes.iter().map(|c| c.at));
            }
        }
        if truncated.is_some() && self.world.now() < warm_up {
            // It ended in the warm-up: nothing was measured.
            self.begin_span();
        }
        let ended_at = if truncated.is_some() { self.world.now() } else { end };
        self.world.agenda.advance_to(ended_at);
        self.finish(names, ended_at, truncated)
    }
}
