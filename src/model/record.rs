//! The probe at work: what is recorded while events happen.
//!
//! **Invariant.** Memory is bounded by names, instances and windows, never by the run's length.

mod snapshot;

use std::collections::BTreeMap;

use super::{
    budget::{
        ErrorBudgetSpec,
        counts::{Answered, Counts},
    },
    client::active::Windows,
    connection::books::PoolBooks,
    fault::{sides::Cuts, timeline::Timeline},
    probe::{Around, Between, HappenedWindow, RequestSample, RequestWindow, Side, Undecided},
};
use crate::{
    cause::Cause,
    engine::table::Table,
    model::{books::Area, design::window_length, names::Names},
    outcome::{Outcome, Tally},
    stats::Histogram,
};

pub use snapshot::{NodeSnapshot, Snapshot};

/// Requests kept as samples per replication.
const SAMPLES: usize = 1000;
/// So many phases around the last one are looked at first.
const NEAR: usize = 16;

/// Figures of one node in the making.
#[derive(Clone, Debug, Default)]
pub struct NodeRecord {
    /// Visits inside, from time 0.
    pub inside: Area,
    /// Arrivals from time 0.
    pub arrivals: u64,
    /// Departures from time 0.
    pub departures: u64,
    /// Departures nobody needed any more, from time 0.
    pub needless: u64,
    /// What the sojourns in `response` spent before the measured span, ns.
    before: u128,
    /// Waits per visit.
    pub waiting: Histogram,
    /// Work per visit.
    pub service: Histogram,
    /// Sojourn per visit.
    pub response: Histogram,
    /// Visits by outcome, from time 0.
    pub outcomes: Tally,
    /// Finer causes, from time 0.
    pub causes: BTreeMap<Cause, u64>,
}

impl NodeRecord {
    /// Sojourns of departed visits, clipped to the measured span, ns.
    pub fn sojourn(&self) -> u128 {
        self.response.sum() - self.before
    }

    /// A visit arrived.
    #[inline(always)]
    pub fn arrive(&mut self, now: u64) {
        self.arrivals += 1;
        self.inside.enter(now);
    }

    /// A visit that came at `arrived` leaves, with an outcome or for the cause given.
    #[inline(always)]
    pub fn depart(
        &mut self,
        now: u64,
        arrived: u64,
        measured_from: u64,
        outcome: Result<Outcome, Cause>,
    ) {
        self.departures += 1;
        self.inside.leave(now);
        if arrived < measured_from {
            self.before += u128::from(measured_from - arrived);
        }
        // Who is turned away at the door has not been here for 0 s, but not at all.
        if now > arrived || !outcome.is_ok_and(Outcome::is_refusal) {
            self.response.record(now - arrived);
        }
        match outcome {
            Ok(outcome) => self.outcomes[outcome as usize] += 1,
            Err(cause) => self.cause(cause),
        }
    }

    /// Notes a finer cause.
    pub fn cause(&mut self, cause: Cause) {
        *self.causes.entry(cause).or_insert(0) += 1;
    }

    /// The measured span begins: samples of visits start anew, sums go on.
    fn begin_span(&mut self) {
        self.before = 0;
        self.waiting = Histogram::default();
        self.service = Histogram::default();
        self.response = Histogram::default();
    }
}

/// Figures of one operation of one client in the making.
#[derive(Clone, Debug, Default)]
pub struct OperationRecord {
    /// Successful replies that reached the client in the span.
    pub replies: u64,
    /// Those of the span that are open at the end.
    pub waiting: Undecided,
    /// Latency of successes, those in `recent` excepted.
    pub latency: Histogram,
    /// Latency of successes sent in the current window: most of them, so that most requests are
    /// counted once and not once for the run and once for their window.
    pub(super) recent: Histogram,
    /// Time to the decision of the others.
    pub latency_failed: Histogram,
    /// Marks by index.
    pub marks: Vec<Histogram>,
    /// By window of intended send; all counts of the span are sums over these.
    pub windows: Vec<RequestWindow>,
    /// By window in which it happened.
    pub happened: Vec<HappenedWindow>,
    /// What happens in the current window; of its own requests, what `current` does not say.
    pub(super) happening: HappenedWindow,
    /// By watched fault and side of it; then by those of `active` clients, and by cut and side of that.
    pub around: Vec<Around>,
    /// Counts of the current window that its entry in `windows` gets when it is over.
    pub(super) current: RequestWindow,
}

/// A decided request.
#[derive(Clone, Copy, Debug)]
pub struct Decided {
    /// Intended send.
    pub intended: u64,
    /// Row of the operation in the record.
    pub operation: usize,
    /// Attempts sent.
    pub attempts: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// Decided within its deadline, or has none.
    pub in_time: bool,
}

impl Decided {
    /// A copy for calls that are not inlined: handing out the original would keep it in memory, not in
    /// registers, where nearly all requests leave it.
    #[must_use]
    #[inline(always)]
    pub fn copy(&self) -> Self {
        let Self { intended, operation, attempts, outcome, in_time } = *self;
        Self { intended, operation, attempts, outcome, in_time }
    }
}

/// Everything recorded in one replication.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Nodes by id.
    pub nodes: Table<NodeRecord>,
    /// Operations: rows of client 0, then of client 1, ...
    pub operations: Table<OperationRecord>,
    /// First row of each client.
    pub first_row: Vec<usize>,
    /// What passed between nodes, but for the network, which keeps its own.
    pub between: Between,
    /// Start of the measured span.
    pub measured_from: u64,
    /// End of the run.
    pub end: u64,
    /// Length of a window of the time series.
    pub window: u64,
    /// Start and number of the current window (a division saved per request).
    pub(super) window_from: u64,
    pub(super) window_now: usize,
    /// Sampled requests.
    pub samples: Vec<(usize, RequestSample)>,
    /// Every so-manieth decided request is sampled.
    pub sample_every: u64,
    /// Decisions until the next one.
    pub until_sample: u64,
    /// So many are kept at most.
    pub most_samples: usize,
    /// Hash of all events so far.
    pub fingerprint: u64,
    /// Instants at which faults begin and end, from 0 on; empty without faults.
    pub phases: Vec<u64>,
    /// The one asked for last.
    phase: usize,
    /// Good and decided requests by the phase of their intended send.
    pub by_phase: Vec<(u64, u64)>,
    /// Clients that send now and then, by index, and when.
    pub active: Vec<(usize, Windows)>,
    /// By phase: the places in [`OperationRecord::around`] its requests count in.
    pub sides: Vec<Vec<u16>>,
    /// Faults that cut those who ask apart.
    pub cuts: Cuts,
    /// What each error budget counts; empty without budgets.
    pub budgets: Vec<Counts>,
    /// Pools of connections, by the numbers of their edges.
    pub pools: Vec<PoolBooks>,
}

impl RequestWindow {
    /// Counts a decided request (not its latency).
    #[inline(always)]
    fn count(&mut self, d: &Decided) {
        self.outcomes[d.outcome as usize] += 1;
        self.good += u64::from(d.outcome.is_success() && d.in_time);
        self.attempts += u64::from(d.attempts);
    }
}

impl Recorder {
    /// The record of a replication that has not begun.
    pub fn new(names: &Names, timeline: &Timeline, seed: u64) -> Self {
        let design = &names.design;
        let window = window_length(design.duration);
        let mut record = Recorder {
            measured_from: design.warm_up,
            nodes: vec![NodeRecord::default(); design.nodes.len()].into(),
            end: design.duration,
            window,
            sample_every: sample_every(names),
            until_sample: 1,
            most_samples: SAMPLES,
            ..Recorder::default()
        };
        for (i, (name, client)) in design.clients.iter().enumerate() {
            let windows = client.active.map(|a| a.windows(&name.0, timeline, names, seed));
            record.active.extend(windows.map(|windows| (i, windows)));
        }
        let sides = design.watched.len() * Side::ALL.len() + 2 * record.active.len();
        let windows = record.window_at(design.duration - 1) + 1;
        record.cuts = Cuts::new(names, sides, windows);
        let sides = sides + record.cuts.places();
        timeline.count_by_phase(names, &mut record);
        for client in design.clients.values() {
            record.first_row.push(record.operations.len());
            for _ in client.operations() {
                record.operations.push(OperationRecord {
                    marks: vec![Histogram::default(); names.marks.len()],
                    windows: vec![RequestWindow::default(); windows],
                    happened: vec![HappenedWindow::default(); windows],
                    around: vec![Around::default(); sides],
                    ..OperationRecord::default()
                });
            }
        }
        record.budgets = budgets(names);
        record
    }

    /// What was measured of the pools of a node or client, by the nodes they lead to.
    pub fn pools_of(&self, kind: &str, name: &str) -> Vec<PoolBooks> {
        let caller = format!("{kind}/{name}");
        let mut all: Vec<PoolBooks> = Vec::new();
        for books in self.pools.iter().filter(|books| books.ends.0 == caller) {
            match all.iter_mut().find(|known| known.ends.1 == books.ends.1) {
                Some(known) => known.add(books),
                None => all.push(books.clone()),
            }
        }
        all
    }

    /// The same of all that have these names.
    pub fn pools_of_all<'n>(
        &self,
        kind: &str,
        names: impl Iterator<Item = &'n str>,
    ) -> BTreeMap<String, Vec<PoolBooks>> {
        names.map(|name| (name.to_owned(), self.pools_of(kind, name))).collect()
    }

    /// The record of a node.
    #[inline(always)]
    pub fn node(&mut self, node: u16) -> &mut NodeRecord {
        &mut self.nodes[usize::from(node)]
    }

    /// Folds an event into the fingerprint: time, kind, identity (a hash of names).
    #[inline(always)]
    pub fn event(&mut self, now: u64, kind: u8, identity: u64) {
        let word = now ^ identity.rotate_left(17) ^ (u64::from(kind) << 59);
        self.fingerprint =
            (self.fingerprint.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// Number of the window that holds an instant. The measured span begins with a window of its own
    /// even where it cuts one in two.
    pub fn window_at(&self, instant: u64) -> usize {
        let cut = !self.measured_from.is_multiple_of(self.window);
        (instant / self.window) as usize + usize::from(cut && instant >= self.measured_from)
    }

    /// A window of the time series begins.
    pub fn begin_window(&mut self, at: u64) {
        self.end_window();
        self.window_from = at;
        self.window_now = self.window_at(at);
    }

    /// The current window is over.
    pub fn end_window(&mut self) {
        let window = self.window_now;
        let measured = self.window_from >= self.measured_from;
        for op in &mut self.operations {
            let current = std::mem::take(&mut op.current);
            // What was sent and decided in this window happened in it.
            let mut happened = std::mem::take(&mut op.happening);
            happened.add(&HappenedWindow {
                ended: current.outcomes,
                good: current.good,
                ..HappenedWindow::default()
            });
            op.happened[window].add(&happened);
            op.windows[window].add_counts(&current);
            if op.recent.is_empty() {
                continue;
            }
            op.windows[window].latency.merge_finer(&op.recent);
            if measured {
                op.latency.merge(&op.recent);
            }
            op.recent.clear();
        }
    }

    /// A request is issued, its intended send being now, from a place of its client that only a cut asks for.
    #[inline(always)]
    pub fn issue(&mut self, row: usize, intended: u64, place: impl FnOnce() -> u16) {
        self.operations[row].current.issued += 1;
        if !self.sides.is_empty() {
            self.around((row, place()), intended, |around| around.issued += 1);
        }
    }

    /// What is known of the requests of a row around each watched fault this one belongs to.
    #[cold]
    fn around(&mut self, (row, place): (usize, u16), intended: u64, note: impl Fn(&mut Around)) {
        if intended >= self.measured_from {
            let phase = self.phase_of(intended);
            let around = &mut self.operations[row].around;
            for &side in &self.sides[phase] {
                note(&mut around[usize::from(side)]);
            }
            for side in self.cuts.counted(phase, row, place) {
                note(&mut around[side]);
            }
        }
    }

    /// The phase in which a request is sent.
    pub(super) fn phase_of(&mut self, intended: u64) -> usize {
        // Where many instances die, phases are many and short, and that of the next request is not far from the last one's.
        let from = self.phase.saturating_sub(NEAR / 2);
        let near = self.phases.get(from..from + NEAR).unwrap_or_default();
        let begun: usize = near.iter().map(|&start| usize::from(start <= intended)).sum();
        self.phase = if 0 < begun && begun < near.len() {
            from + begun - 1
        } else {
            self.phases.partition_point(|&start| start <= intended) - 1
        };
        self.phase
    }

    /// A request is still open at the end, has sent this many attempts, and may wait for what was lost.
    pub fn left_open(
        &mut self,
        (row, place): (usize, u16),
        (intended, now): (u64, u64),
        attempts: u64,
        lost: bool,
    ) {
        let (window, age) = (self.window_at(intended), now - intended);
        let op = &mut self.operations[row];
        op.windows[window].attempts += attempts;
        op.windows[window].lost += u64::from(lost);
        if intended >= self.measured_from {
            op.waiting.add(age, lost);
        }
        if !self.sides.is_empty() {
            self.around((row, place), intended, |around| {
                around.attempts += attempts;
                around.waiting.add(age, lost);
            });
        }
    }

    /// A successful reply reached its client too late to decide its request.
    pub fn late_reply(&mut self, row: usize) {
        self.operations[row].replies += 1;
    }

    /// A request is decided; by a reply, if it is a success. Says whether it is one for a sample.
    #[inline(always)]
    #[must_use]
    pub fn decide(&mut self, now: u64, d: &Decided, place: impl FnOnce() -> u16) -> bool {
        // What is seldom called gets a copy: an address of the original would keep it in memory.
        let latency = now - d.intended;
        let measured = d.intended >= self.measured_from;
        if d.outcome.is_success() && d.intended >= self.window_from {
            let op = &mut self.operations[d.operation];
            op.current.count(d);
            op.replies += 1;
            op.recent.record(latency);
        } else {
            self.decide_other(latency, measured, &d.copy());
        }
        if !self.budgets.is_empty() {
            self.count_budgets(now, &d.copy());
        }
        if !measured {
            return false;
        }
        if !self.phases.is_empty() {
            self.count_phase(d.intended, d.outcome.is_success() && d.in_time);
            if !self.sides.is_empty() {
                self.count_around(&d.copy(), place(), latency);
            }
        }
        self.until_sample -= 1;
        self.until_sample == 0
    }

    /// A request failed, or was sent before the current window.
    #[inline(never)]
    fn decide_other(&mut self, latency: u64, measured: bool, d: &Decided) {
        let recent = d.intended >= self.window_from;
        let window = self.window_at(d.intended);
        let success = d.outcome.is_success();
        let op = &mut self.operations[d.operation];
        op.replies += u64::from(success);
        let w = if recent { &mut op.current } else { &mut op.windows[window] };
        w.count(d);
        if !recent {
            op.happening.ended[d.outcome as usize] += 1;
            op.happening.good += u64::from(success && d.in_time);
        }
        if success {
            w.latency.record(latency);
        }
        if measured {
            let times = if success { &mut op.latency } else { &mut op.latency_failed };
            times.record(latency);
        }
    }

    #[cold]
    fn count_budgets(&mut self, now: u64, d: &Decided) {
        let request = Answered {
            row: d.operation,
            success: d.outcome.is_success(),
            in_time: d.in_time,
            latency: now - d.intended,
            measured: d.intended >= self.measured_from,
        };
        self.budgets.iter_mut().for_each(|budget| budget.note(now, &request));
    }

    #[cold]
    fn count_phase(&mut self, intended: u64, good: bool) {
        let phase = self.phase_of(intended);
        let (goods, decided) = &mut self.by_phase[phase];
        *goods += u64::from(good);
        *decided += 1;
    }

    #[cold]
    fn count_around(&mut self, d: &Decided, place: u16, latency: u64) {
        let success = d.outcome.is_success();
        let good = u64::from(success && d.in_time);
        if !self.cuts.is_empty() {
            let window = self.window_at(d.intended);
            self.cuts.decided((d.operation, place), window, good);
        }
        self.around((d.operation, place), d.intended, |around| {
            around.outcomes[d.outcome as usize] += 1;
            around.good += good;
            around.attempts += u64::from(d.attempts);
            let times = if success { &mut around.latency } else { &mut around.latency_failed };
            times.record(latency);
        });
    }

    /// Keeps a decided request as a sample.
    #[cold]
    pub fn sample(&mut self, now: u64, d: &Decided, number: u64, key: Option<u64>) {
        self.until_sample = self.sample_every;
        if self.samples.len() >= self.most_samples {
            return;
        }
        let row = d.operation;
        let client = self.first_row.partition_point(|&first| first <= row) - 1;
        self.samples.push((
            row,
            RequestSample {
                client: client as u16,
                operation: (row - self.first_row[client]) as u16,
                number,
                intended: d.intended,
                latency: now - d.intended,
                key,
                attempts: u32::from(d.attempts),
                outcome: d.outcome,
            },
        ));
    }

    /// Something happened to a request of a row that is not its end.
    #[cold]
    pub fn happens(&mut self, row: usize, note: impl Fn(&mut HappenedWindow)) {
        note(&mut self.operations[row].happening);
    }

    /// A mark was reached.
    pub fn mark(&mut self, row: usize, mark: usize, intended: u64, now: u64) {
        if intended >= self.measured_from {
            self.operations[row].marks[mark].record(now - intended);
        }
    }

    /// The measured span begins.
    pub fn begin_span(&mut self) {
        self.nodes.iter_mut().for_each(NodeRecord::begin_span);
        self.operations.iter_mut().for_each(|op| op.replies = 0);
        self.pools.iter_mut().for_each(PoolBooks::begin_span);
    }
}

impl Recorder {
    /// Counts the requests of a client that sends now and then, around faults at `place` and between them
    /// at the next.
    pub fn count_active(&mut self, windows: &Windows, place: usize) {
        for (i, spans) in windows.counted(self.measured_from).iter().enumerate() {
            for (at, sides) in self.phases.iter().zip(&mut self.sides) {
                let begun = spans.partition_point(|s| s.0 <= *at);
                if spans[..begun].last().is_some_and(|s| *at < s.1) {
                    sides.push((place + i) as u16);
                }
            }
        }
    }
}

/// What is counted for each budget: nothing yet.
fn budgets(names: &Names) -> Vec<Counts> {
    let design = &names.design;
    let one = |spec: &ErrorBudgetSpec| {
        let clients = design.clients.iter();
        let rows = clients.flat_map(|(name, client)| {
            let operations = client.operations().into_iter();
            operations.map(|(operation, _)| spec.objective.covers(&name.0, &operation))
        });
        Counts::new(rows.collect(), spec.objective.limit, (spec.period(), design.duration))
    };
    design.budgets.values().map(one).collect()
}

/// Every so-manieth request is sampled, so that the samples spread over the run where its rate is
/// known.
fn sample_every(names: &Names) -> u64 {
    let design = &names.design;
    let seconds = (design.duration - design.warm_up) as f64 / 1e9;
    let rate: f64 = design
        .clients
        .values()
        .filter_map(|client| Some(client.mean_rate()? * client.active_share(names)))
        .sum();
    ((rate * seconds / 1000.0).ceil() as u64).max(1)
}
