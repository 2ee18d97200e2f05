//! Figures of the instances of a node by window: a mean hides the one that is sick.
//!
//! **Invariant.** Integrals of all replications over the time they simulated, as of the node (`nodes.rs`); what never
//! happened has no vector.

use crate::{
    model::{books::InstanceWindow, probe::NodeMeasured},
    results::InstanceSeries,
};

/// The instances of one node in many replications, window by window.
#[derive(Clone, Debug, Default)]
pub(super) struct EachPool {
    instances: usize,
    sums: Vec<InstanceWindow>,
    /// Replications that came to each window.
    runs: Vec<u32>,
}

impl EachPool {
    /// Adds what they did in the next replication.
    pub(super) fn push(&mut self, node: &NodeMeasured) {
        self.instances = node.instances.len();
        let windows = node.each.len().checked_div(self.instances).unwrap_or_default();
        if self.runs.len() < windows {
            self.runs.resize(windows, 0);
            self.sums.resize(node.each.len(), InstanceWindow::default());
        }
        self.runs[..windows].iter_mut().for_each(|n| *n += 1);
        self.sums.iter_mut().zip(&node.each).for_each(|(sum, one)| *sum = sum.plus(*one));
    }

    /// Their series; `times` is how long was simulated of each window, ns, `capacity` what one has.
    pub(super) fn series(&self, times: &[u64], capacity: Option<f64>) -> Vec<InstanceSeries> {
        let all = (0..self.instances).map(|inst| self.of(inst, times, capacity));
        let all: Vec<InstanceSeries> = all.collect();
        let empty = InstanceSeries::default();
        if all.iter().all(|one| *one == empty) { Vec::new() } else { all }
    }

    fn of(&self, inst: usize, times: &[u64], capacity: Option<f64>) -> InstanceSeries {
        let windows = self.sums.chunks(self.instances).map(|window| window[inst]);
        let windows: Vec<(InstanceWindow, f64)> =
            windows.zip(times.iter().map(|time| (*time).max(1) as f64)).collect();
        let some = |part: &dyn Fn(&InstanceWindow, f64) -> f64| -> Vec<f64> {
            let values: Vec<f64> =
                windows.iter().map(|(w, time)| rounded(part(w, *time))).collect();
            if values.iter().any(|v| *v > 0.0) { values } else { Vec::new() }
        };
        let busy = |(w, time): &(InstanceWindow, f64)| {
            let up = time - w.down;
            (up > 0.0).then(|| rounded(w.busy / (capacity.unwrap_or(1.0) * up)))
        };
        let bounded = capacity.is_some() && self.instances > 1;
        let struck = self.runs.iter().zip(&windows);
        let struck: Vec<f64> =
            struck.map(|(runs, (w, _))| rounded(w.struck / f64::from((*runs).max(1)))).collect();
        InstanceSeries {
            utilisation: windows.iter().filter(|_| bounded).map(busy).collect(),
            // Of one alone the node's own say it.
            in_queue: if self.instances > 1 { some(&|w, time| w.in_queue / time) } else { vec![] },
            down: if self.instances > 1 { some(&|w, time| w.down / time) } else { vec![] },
            struck: if struck.iter().any(|v| *v > 0.0) { struck } else { vec![] },
        }
    }
}

/// To three significant digits: there may be many instances.
pub(super) fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let unit = libm::exp10(libm::floor(libm::log10(value.abs())) - 2.0);
    // Divided by a whole number the nearest short decimal comes out.
    if unit < 1.0 {
        (value / unit).round() / (1.0 / unit).round()
    } else {
        (value / unit).round() * unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_no_more() {
        for (value, text) in [
            (0.0, "0.0"),
            (0.123_456, "0.123"),
            (0.000_012_344, "1.23e-5"),
            (0.999_9, "1.0"),
            (1_234_567.0, "1230000.0"),
            (70.25, "70.3"),
        ] {
            assert_eq!(format!("{:?}", rounded(value)), text);
        }
    }

    #[test]
    fn the_sick_one_is_seen_where_the_mean_hides_it() {
        let window = |busy: f64, in_queue: f64, struck: f64| InstanceWindow {
            busy,
            in_queue,
            down: 0.0,
            struck,
        };
        let mut pool = EachPool { instances: 2, ..EachPool::default() };
        pool.runs = vec![2, 2];
        pool.sums = vec![
            window(4e9, 0.0, 0.0),
            window(4e9, 0.0, 0.0),
            window(20e9, 50e9, 2.0),
            InstanceWindow { down: 10e9, ..window(0.0, 0.0, 1.0) },
        ];
        let [well, sick] = &pool.series(&[10_000_000_000; 2], Some(2.0))[..] else { panic!() };
        assert_eq!(well.utilisation, [Some(0.2), Some(1.0)]);
        assert_eq!((&well.in_queue[..], &well.struck[..]), (&[0.0, 5.0][..], &[0.0, 1.0][..]));
        assert_eq!(sick.utilisation, [Some(0.2), None], "it was never up");
        assert_eq!((&sick.down[..], &sick.struck[..]), (&[0.0, 1.0][..], &[0.0, 0.5][..]));
        assert!(sick.in_queue.is_empty() && well.down.is_empty());
        assert!(EachPool::default().series(&[], None).is_empty());
    }
}
