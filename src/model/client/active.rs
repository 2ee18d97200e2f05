//! Clients that send only now and then: around faults, and in windows at random instants between them, so
//! that years of faults can be simulated without years of requests.
//!
//! What happens around faults is seen whole, the time between them is sampled. Figures of requests weigh
//! the two by their shares of time: one pooled count would take the hours around faults for the whole year
//! (`semantics.md` 50). Windows are drawn before the run, with the faults.
//!
//! **Invariant.** Windows are disjoint and in order; a counted instant lies in one stratum.

use super::{Arrivals, ClientSpec};
use crate::{
    engine::random::Stream,
    model::{
        client::ActiveSpec,
        fault::{
            FaultSpec,
            timeline::{Timeline, merged},
        },
        names::Names,
        probe::ActiveMeasured,
        record::Recorder,
    },
    problem::Problems,
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

    fn settle(&self) -> u64 {
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

    /// Share of the run in which it sends, about: what is known before faults are drawn.
    pub fn expected_share<'f>(
        &self,
        faults: impl Iterator<Item = &'f FaultSpec>,
        duration: u64,
    ) -> f64 {
        let span = duration as f64;
        let each = faults.map(|fault| {
            let mean = |law: &Option<crate::engine::law::DurationLaw>| {
                law.as_ref().and_then(crate::engine::law::Law::mean)
            };
            let lasts = fault.for_.map(|d| d.0 as f64).or(mean(&fault.mttr)).unwrap_or(span);
            let period = fault.every.map(|d| d.0 as f64).or(mean(&fault.mtbf)).unwrap_or(span);
            let times = (span / period.max(1.0)).max(1.0);
            times * (self.before.0 as f64 + lasts.min(span) + self.after.0 as f64)
        });
        let control = self.control.0 as f64 * self.window.0 as f64;
        ((each.sum::<f64>() + control) / span).min(1.0)
    }

    /// Reports what is wrong with it.
    pub fn check(&self, client: &ClientSpec, path: &str, names: &Names, problems: &mut Problems) {
        let at = |key: &str| format!("{path}.active.{key}");
        if names.order.is_empty() {
            let help = "leave `active` out: without faults there is nothing to send around";
            problems.error_help("E-CONFLICT", format!("{path}.active"), "no faults here", help);
        }
        if names.faults().any(|fault| fault.after.is_some()) {
            let message = "when a fault comes `after` an alert is not known beforehand";
            problems.error("E-CONFLICT", format!("{path}.active"), message);
        }
        if matches!(client.arrivals, Arrivals::Closed { .. } | Arrivals::Trace(_)) {
            let message = "closed users and traces cannot be sampled in time";
            let help = "arrivals at a rate: `poisson`, `constant`, `renewal`, `mmpp`";
            problems.error_help("E-CONFLICT", format!("{path}.active"), message, help);
        }
        if !client.session.is_empty() {
            let message = "a session would go on after its window";
            problems.error("E-CONFLICT", format!("{path}.active"), message);
        }
        if !names.marks.is_empty() {
            let message = "`mark` steps are not supported yet beside `active`";
            problems.error("E-UNSUPPORTED", format!("{path}.active"), message);
        }
        if self.control.0 == 0 || self.control.0 > 100_000 {
            problems.error("E-RANGE", at("control"), "must be between 1 and 100k");
        }
        if self.settle() >= self.window.0 {
            let message = "nothing of a window is counted";
            let help = "`window` longer than `settle`";
            problems.error_help("E-CONFLICT", at("window"), message, help);
        }
        if self.window.0 > names.design.duration {
            problems.error("E-RANGE", at("window"), "longer than the run");
        }
    }
}

impl Windows {
    /// All of them in order.
    pub fn all(&self) -> Spans {
        merged(self.around.iter().chain(&self.control).copied().collect())
    }

    /// What is counted of each stratum from `from` on: around faults, and between them. A stretch around
    /// faults that follows on a window of the other kind has settled already.
    fn counted(&self, from: u64) -> [Spans; 2] {
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

    /// Has a recorder count the requests of both strata at `place` and the next.
    pub fn count(&self, place: usize, record: &mut Recorder) {
        for (i, spans) in self.counted(record.measured_from).iter().enumerate() {
            for (at, sides) in record.phases.iter().zip(&mut record.sides) {
                let begun = spans.partition_point(|s| s.0 <= *at);
                if spans[..begun].last().is_some_and(|s| *at < s.1) {
                    sides.push((place + i) as u16);
                }
            }
        }
    }
}

fn length(spans: &[(u64, u64)]) -> u64 {
    spans.iter().map(|s| s.1 - s.0).sum()
}
