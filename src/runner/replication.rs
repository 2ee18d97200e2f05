//! One finished replication, and the requests it is asked for.
//!
//! **Invariant.** Every request has exactly one outcome or is in flight ([`check`]), in each
//! operation of each replication.

use std::cell::OnceCell;

use super::accumulator::{Accumulator, RunInfo};
use crate::{
    model::probe::{
        ActiveMeasured, Around, ClientMeasured, FaultMeasured, Measured, OperationMeasured,
    },
    outcome::Outcome,
    results::{self, Evidence, Happened, Requests, RequestsInWindow, Results, Selection},
};

/// One finished replication: it is looked at and forgotten.
#[derive(Debug)]
pub struct Replication<'a> {
    info: &'a RunInfo,
    /// Its place in the run.
    pub index: u64,
    pub(crate) measured: &'a Measured,
    results: OnceCell<Results>,
}

impl<'a> Replication<'a> {
    pub(super) fn new(info: &'a RunInfo, index: u64, measured: &'a Measured) -> Self {
        Self { info, index, measured, results: OnceCell::new() }
    }
}

impl Replication<'_> {
    /// Arrivals at each instance of a node in the measured span; none of a node that is not there.
    #[must_use]
    pub fn arrivals(&self, node: &str) -> Vec<u64> {
        let node = self.measured.nodes.iter().find(|n| n.name == node);
        node.into_iter().flat_map(|node| &node.instances).map(|i| i.arrivals).collect()
    }
}

impl Evidence for Replication<'_> {
    fn requests(&self, selection: &Selection) -> Requests {
        let client = |name: &str| selection.client.as_deref().is_none_or(|wanted| wanted == name);
        let operation =
            |name: &str| selection.operation.as_deref().is_none_or(|wanted| wanted == name);
        if let Some((node, group)) = &selection.messages {
            return messages(self.measured, node, group.as_deref());
        }
        match &selection.around {
            None => select(self.info, self.measured, &client, &operation),
            Some((fault, stretch)) => {
                let from = selection.side.as_deref();
                around(self.measured, &client, &operation, (fault, *stretch, from))
            }
        }
    }

    fn results(&self) -> &Results {
        self.results.get_or_init(|| {
            let mut alone = Accumulator::new(self.info.clone());
            alone.take_in(self.measured);
            alone.figures()
        })
    }

    fn warm_up(&self) -> u64 {
        self.info.warm_up
    }
}

/// Asserts what must hold of every replication, whatever the scenario.
///
/// # Panics
///
/// When a request has no outcome, or more than one: our fault, never the user's.
pub fn check(measured: &Measured, warm_up: u64) {
    for client in &measured.clients {
        for operation in &client.operations {
            let at = format!("{}.{}", client.name, operation.name);
            let decided: u64 = operation.outcomes.iter().sum();
            let successes = operation.outcomes[0] + operation.outcomes[1];
            assert!(decided <= operation.issued, "{at}: more requests decided than issued");
            assert!(operation.good <= successes, "{at}: more requests good than successful");
            assert_eq!(operation.latency.count(), successes, "{at}: a success without latency");
            assert_eq!(
                operation.latency_failed.count(),
                decided - successes,
                "{at}: a failure without latency"
            );
            check_windows(measured, operation, warm_up, &at);
        }
    }
}

/// The windows are counted apart from the totals: the two must agree.
fn check_windows(measured: &Measured, operation: &OperationMeasured, warm_up: u64, at: &str) {
    let ended = |o: usize| operation.happened.iter().map(|h| h.ended[o]).sum::<u64>();
    for outcome in 0..operation.outcomes.len() {
        let count: u64 = operation.windows.iter().map(|w| w.outcomes[outcome]).sum();
        let name = Outcome::NAMES[outcome];
        assert_eq!(count, ended(outcome), "{at}: what was sent and what ended disagree on {name}");
    }
    let Some(first) = measured.window_starts.iter().position(|&start| start == warm_up) else {
        return;
    };
    let windows = operation.windows.get(first..).unwrap_or_default();
    let issued: u64 = windows.iter().map(|w| w.issued).sum();
    assert_eq!(issued, operation.issued, "{at}: windows and totals disagree on requests issued");
    for outcome in 0..operation.outcomes.len() {
        let count: u64 = windows.iter().map(|w| w.outcomes[outcome]).sum();
        let name = Outcome::NAMES[outcome];
        assert_eq!(
            count, operation.outcomes[outcome],
            "{at}: windows and totals disagree on {name}"
        );
    }
}

/// All requests of one replication that are wanted.
fn select(
    info: &RunInfo,
    measured: &Measured,
    client: &dyn Fn(&str) -> bool,
    operation: &dyn Fn(&str) -> bool,
) -> Requests {
    let mut all = Requests { span: span(info, measured), ..Requests::default() };
    for of in measured.clients.iter().filter(|c| client(&c.name)) {
        for operation in of.operations.iter().filter(|o| operation(&o.name)) {
            all.merge(&requests(info, measured, of, operation));
        }
    }
    all
}

/// The messages of a queue, or those of a log for a group, as if they were requests.
fn messages(measured: &Measured, node: &str, group: Option<&str>) -> Requests {
    let own = measured.nodes.iter().find(|of| of.name == node);
    let found = own.and_then(|of| match group {
        Some(name) => of.groups.iter().find(|group| group.name == name).map(|of| &of.messages),
        None => of.queue.as_deref(),
    });
    let Some(of) = found else { return Requests::default() };
    let (done, never) = (of.done.count(), of.never());
    let mut all = Requests {
        issued: done + never + of.open.count(),
        good: done,
        latency: of.done.clone(),
        ages: of.open.clone(),
        ..Requests::default()
    };
    all.outcomes[Outcome::Ok as usize] = done;
    all.outcomes[Outcome::Error as usize] = never;
    all
}

/// The requests of one replication that were sent before, during or after a fault; from one side of it, if one is named.
fn around(
    measured: &Measured,
    client: &dyn Fn(&str) -> bool,
    operation: &dyn Fn(&str) -> bool,
    (fault, stretch, from): (&str, usize, Option<&str>),
) -> Requests {
    let mut all = Requests::default();
    let fault = measured.faults.iter().find(|f| f.id == fault);
    // One that never came has no sides; while it might have, requests were counted before it.
    let came = fault.filter(|f| !f.spans.is_empty());
    let place = |f: &FaultMeasured| match from {
        None => Some(f.watched? * results::SIDES.len()),
        Some(side) => {
            let cut = f.cut.as_ref()?;
            let number = cut.sides.iter().position(|other| other.name == side)?;
            Some(cut.place + number * results::SIDES.len())
        }
    };
    let Some((fault, place)) = came.and_then(|f| Some((f, place(f)?))) else { return all };
    all.span = fault.length[stretch];
    for of in measured.clients.iter().filter(|c| client(&c.name)) {
        for operation in of.operations.iter().filter(|o| operation(&o.name)) {
            all.merge(&stratum(&operation.around[place + stretch]));
        }
    }
    all
}

fn stratum(around: &Around) -> Requests {
    Requests {
        issued: around.issued,
        outcomes: around.outcomes,
        good: around.good,
        attempts: around.attempts,
        lost: around.waiting.lost,
        ages: around.waiting.ages.clone(),
        latency: around.latency.clone(),
        latency_failed: around.latency_failed.clone(),
        ..Requests::default()
    }
}

/// All requests of an operation that was sent now and then: those around faults, and those between them,
/// each of which stands for more than itself.
fn weighted(operation: &OperationMeasured, active: &ActiveMeasured, span: u64) -> Requests {
    let of = |place: usize| {
        let requests = stratum(&operation.around[place]);
        let answered = requests.outcomes[0] + requests.outcomes[1];
        Requests { replies: answered, span, ..requests }
    };
    let mut all = of(active.place).times(results::UNIT);
    let weight = (active.weight * results::UNIT as f64).round() as u64;
    all.merge(&of(active.place + 1).times(weight));
    all
}

/// The requests of one operation.
pub(super) fn requests(
    info: &RunInfo,
    measured: &Measured,
    client: &ClientMeasured,
    operation: &OperationMeasured,
) -> Requests {
    let span = span(info, measured);
    let windows = operation.windows.iter().zip(&operation.happened).zip(window_spans(measured));
    let windows = windows.map(|((w, happened), (start, end))| RequestsInWindow {
        start,
        covered: end - start,
        issued: w.issued,
        outcomes: w.outcomes,
        good: w.good,
        attempts: w.attempts,
        lost: w.lost,
        latency: w.latency.clone(),
        happened: Happened {
            ended: happened.ended,
            good: happened.good,
            resent: happened.resent,
            timed_out: happened.timed_out,
            breakers_opened: happened.breakers_opened,
        },
    });
    Requests {
        issued: operation.issued,
        outcomes: operation.outcomes,
        good: operation.good,
        attempts: operation.attempts,
        replies: operation.replies,
        lost: operation.waiting.lost,
        ages: operation.waiting.ages.clone(),
        span,
        latency: operation.latency.clone(),
        latency_failed: operation.latency_failed.clone(),
        marks: operation.marks.clone(),
        windows: windows.collect(),
        weighted: client.active.map(|active| Box::new(weighted(operation, &active, span))),
    }
}

/// Length of what was measured, ns.
pub(super) fn span(info: &RunInfo, measured: &Measured) -> u64 {
    measured.ended_at.saturating_sub(info.warm_up)
}

/// Start and end of each window, as far as it was simulated.
pub(super) fn window_spans(measured: &Measured) -> Vec<(u64, u64)> {
    let starts = &measured.window_starts;
    let ends = starts.iter().skip(1).copied().chain([measured.ended_at]);
    starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| (start, end.min(measured.ended_at).max(start)))
        .collect()
}
