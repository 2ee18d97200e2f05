//! Those who ask on one side of a cut, over replications.
//!
//! **Invariant.** A request counts on one side of each cut, in one stretch of time around it at most.

use crate::{
    model::probe::{Around, FaultMeasured, Measured, SideWindow},
    results::{Means, Ratios, SIDES, SideOperations, SideResults, SideSeries},
};

/// Good and decided requests before, during and after a cut.
#[derive(Clone, Debug, Default)]
struct Answered([Ratios; SIDES.len()]);

/// What requests do with the data of stores that are followed.
const DOES: [(&str, bool); 2] = [("read", false), ("write", true)];

/// One side of a cut in many replications.
#[derive(Clone, Debug, Default)]
pub(super) struct SidePool {
    pub(super) name: String,
    names: Vec<String>,
    all: Answered,
    /// As [`DOES`]; none: no such request is ever sent.
    does: [Option<Answered>; DOES.len()],
    /// Stale reads and all, of requests sent during the cut.
    stale: Ratios,
    lost: Means,
    /// Some store is followed.
    followed: bool,
    windows: Vec<SideWindow>,
}

impl Answered {
    fn push(&mut self, stretches: [(u64, u64); SIDES.len()]) {
        for (pool, (good, decided)) in self.0.iter_mut().zip(stretches) {
            pool.push(good, decided);
        }
    }
}

impl SidePool {
    /// The sides of a fault like this, and nothing yet; none if it does not cut those who ask apart.
    pub(super) fn all(fault: &FaultMeasured) -> Vec<Self> {
        let sides = fault.cut.iter().flat_map(|cut| &cut.sides);
        let like = |side: &crate::model::probe::SideMeasured| Self {
            name: side.name.clone(),
            names: side.names.clone(),
            ..Self::default()
        };
        sides.map(like).collect()
    }

    /// Adds what was seen from it, the side of this number, in the next replication.
    pub(super) fn push(&mut self, number: usize, fault: &FaultMeasured, measured: &Measured) {
        let Some(cut) = &fault.cut else { return };
        let (place, side) = (cut.place + number * SIDES.len(), &cut.sides[number]);
        let operations = || measured.clients.iter().flat_map(|client| &client.operations);
        // Of one that never came, requests were counted before it as long as it might have.
        let came = !fault.spans.is_empty();
        let counts = |wanted: &dyn Fn(Option<bool>) -> bool| {
            let mut sums = [(0, 0); SIDES.len()];
            for operation in operations().filter(|operation| came && wanted(operation.writes)) {
                for (sum, around) in sums.iter_mut().zip(&operation.around[place..]) {
                    let Around { good, outcomes, .. } = around;
                    *sum = (sum.0 + good, sum.1 + outcomes.iter().sum::<u64>());
                }
            }
            sums
        };
        self.all.push(counts(&|_| true));
        for (pool, (_, writes)) in self.does.iter_mut().zip(DOES) {
            if operations().any(|operation| operation.writes == Some(writes)) {
                pool.get_or_insert_default().push(counts(&|does| does == Some(writes)));
            }
        }
        self.followed |= measured.nodes.iter().any(|node| node.consistency.is_some());
        let (stale, reads) = if came { side.reads[1] } else { (0, 0) };
        self.stale.push(stale, reads);
        self.lost.push(came.then_some(side.lost as f64));
        self.windows.resize(side.windows.len().max(self.windows.len()), SideWindow::default());
        self.windows.iter_mut().zip(&side.windows).for_each(|(sum, window)| sum.add(window));
    }

    /// The figures.
    pub(super) fn results(&self, confidence: f64) -> SideResults {
        let of = |answered: &Answered| {
            let [before, during, after] = &answered.0;
            SideOperations {
                availability_before: before.share(confidence),
                availability_during: during.share(confidence),
                availability_after: after.share(confidence),
            }
        };
        let SideOperations { availability_before, availability_during, availability_after } =
            of(&self.all);
        let does = DOES.iter().zip(&self.does);
        let operations =
            does.filter_map(|((name, _), pool)| Some(((*name).to_owned(), of(pool.as_ref()?))));
        SideResults {
            side: self.name.clone(),
            names: self.names.clone(),
            availability_before,
            availability_during,
            availability_after,
            operations: operations.collect(),
            stale_read_fraction: self.followed.then(|| self.stale.share(confidence)),
            lost_acked_writes: self.followed.then(|| self.lost.estimate(confidence)),
        }
    }

    /// The same by window of time, of which so many were simulated.
    pub(super) fn series(&self, windows: usize) -> SideSeries {
        let share = |part: u64, all: u64| (all > 0).then(|| part as f64 / all as f64);
        let windows = || self.windows.iter().take(windows);
        let stale = || windows().map(|w| share(w.stale, w.reads)).collect();
        SideSeries {
            availability: windows().map(|w| share(w.good, w.decided)).collect(),
            stale_read_fraction: if self.followed { stale() } else { Vec::new() },
        }
    }
}
