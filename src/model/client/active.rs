//! Clients that send only now and then: around faults, and in windows at random instants between them, so
//! that years of faults can be simulated without years of requests.
//!
//! What happens around faults is seen whole, the time between them is sampled. Figures of requests weigh
//! the two by their shares of time: one pooled count would take the hours around faults for the whole year
//! (`semantics.md` 50). Windows are drawn before the run, with the faults.
//!
//! **Invariant.** Windows are disjoint and in order; a counted instant lies in one stratum.

use crate::{
    engine::random::Stream,
    model::{
        client::ActiveSpec,
        fault::timeline::{Timeline, merged},
        names::Names,
        probe::ActiveMeasured,
    },
};

type Spans = Vec<(u64, u64)>;

/// When a client sends in one replication.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Windows {
    /// Around faults.
    around: Spans,
    /// Between them.
    control: Spans,
    settle: u64,
}

impl ActiveSpec {
    /// The windows of a client in one replication.
    pub fn windows(&self, client: &str, timeline: &Timeline, names: &Names, seed: u64) -> Windows {
        let end = names.design.duration;
        let faults = timeline.occurrences.iter().map(|o| {
            (o.start.saturating_sub(self.before.0), o.end.saturating_add(self.after.0).min(end))
        });
        let around = merged(faults.collect());
        let from = names.design.warm_up;
        let (mut rest, mut at) = (Vec::new(), from);
        for &(start, stop) in around.iter().filter(|s| s.1 > from).chain(&[(end, end)]) {
            if at < start {
                rest.push((at, start));
            }
            at = at.max(stop);
        }
        let stream = Stream::new(seed, &format!("client/{client}"), "active");
        Windows { around, control: self.sampled(&rest, stream), settle: self.settle() }
    }

    /// What of each window is not counted, ns.
    pub fn settle(&self) -> u64 {
        self.settle.map_or(0, |settle| settle.0)
    }

    /// One window at random in each of as many equal parts of the time left, cut where a stretch of it ends.
    fn sampled(&self, rest: &[(u64, u64)], stream: Stream) -> Spans {
        let all = length(rest);
        let part = all / self.control.0;
        if part <= self.window.0 {
            return rest.to_vec();
        }
        let (mut windows, mut passed, mut stretches) = (Vec::new(), 0, rest.iter());
        let Some(mut stretch) = stretches.next() else { return windows };
        for i in 0..self.control.0 {
            let start = i * part + stream.draw(i).below(part - self.window.0);
            while start - passed >= stretch.1 - stretch.0 {
                passed += stretch.1 - stretch.0;
                stretch = stretches.next().expect("the parts lie inside the time left");
            }
            let from = stretch.0 + (start - passed);
            windows.push((from, (from + self.window.0).min(stretch.1)));
        }
        windows
    }
}

impl Windows {
    /// All of them in order.
    pub fn all(&self) -> Spans {
        merged(self.around.iter().chain(&self.control).copied().collect())
    }

    /// What is counted of each stratum from `from` on: around faults, and between them. A stretch around
    /// faults that follows on a window of the other kind has settled already.
    pub fn counted(&self, from: u64) -> [Spans; 2] {
        let began: Vec<u64> = self.all().iter().map(|s| s.0).collect();
        let cut = |spans: &Spans| {
            let settled = |s: &(u64, u64)| {
                let begin = began[began.partition_point(|&b| b <= s.0) - 1];
                let start = if begin == 0 { s.0 } else { s.0.max(begin + self.settle) };
                (start.max(from), s.1)
            };
            spans.iter().map(settled).filter(|s| s.0 < s.1).collect()
        };
        [cut(&self.around), cut(&self.control)]
    }

    /// What is known of them once the run is over: a counted instant between faults stands for so many.
    pub fn measured(&self, place: usize, from: u64, end: u64) -> ActiveMeasured {
        let [around, control] = self.counted(from);
        let (seen, sampled) = (length(&around), length(&control));
        let left = (end - from).saturating_sub(seen) as f64;
        let active = self.all().iter().map(|s| s.1.min(end).saturating_sub(s.0.max(from))).sum();
        let weight = if sampled == 0 { 0.0 } else { left / sampled as f64 };
        ActiveMeasured { place, weight, active }
    }

    /// Instants at which a stratum begins or ends.
    pub fn bounds(&self, from: u64) -> impl Iterator<Item = u64> {
        self.counted(from).into_iter().flatten().flat_map(|s| [s.0, s.1])
    }
}

fn length(spans: &[(u64, u64)]) -> u64 {
    spans.iter().map(|s| s.1 - s.0).sum()
}
