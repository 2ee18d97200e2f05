//! Figures of alerts and faults over replications: availability before, during and after, time to recover.
//!
//! **Invariant.** A request counts by its intended send, in one phase of each fault at most.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    aftermath::{After, aftermath, back_after, is_quiet, late, recovery, watched},
    costs::FaultCosts,
    sides::SidePool,
};
use crate::{
    model::probe::{AlertMeasured, FaultMeasured, Measured},
    results::{
        Aftermath, AlertResults, Design, Estimate, FaultResults, Means, Ratios, Requests,
        SideSeries, seconds,
    },
};

/// The requests of one client in one replication.
#[derive(Debug)]
pub(super) struct OfClient<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// It sends the next request when the last is answered, so that what it sends tells of the answers.
    pub(super) closed: bool,
    /// Its requests.
    pub(super) requests: &'a Requests,
}

/// Times that mean nothing unless each replication in which the fault came has one.
#[derive(Clone, Debug, Default)]
struct AllOrNone(Means);

impl AllOrNone {
    fn push(&mut self, fault: &FaultMeasured, time: Option<f64>) {
        if !fault.spans.is_empty() {
            self.0.push(time);
        }
    }

    fn estimate(&self, confidence: f64) -> Estimate {
        let all = self.0.each().iter().all(Option::is_some);
        if all { self.0.estimate(confidence) } else { Estimate::mean_of(&[], confidence) }
    }
}

/// One client and one fault.
#[derive(Clone, Debug, Default)]
struct ClientPool {
    name: String,
    /// Its calls can reach what the fault hits: how others fare it cannot have changed.
    reaches: bool,
    back: AllOrNone,
    returned: Means,
}

/// One fault in many replications.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultPool {
    id: String,
    title: Option<String>,
    effect: &'static str,
    target: String,
    clients: Vec<ClientPool>,
    occurrences: Means,
    started: Means,
    ended: Means,
    rolled_back: Means,
    before: Ratios,
    during: Ratios,
    after: Ratios,
    /// Its spans where it came first, ns; none where they vary.
    spans: Option<Vec<(u64, u64)>>,
    vary: bool,
    /// When it came first, of what is over at once, ns.
    struck: Vec<u64>,
    recovered: AllOrNone,
    watched: Means,
    back: AllOrNone,
    aftermath: Vec<After>,
    goodput: Means,
    returned: Means,
    within: Means,
    /// Of the data.
    costs: FaultCosts,
    /// Of a cut.
    sides: Vec<SidePool>,
}

impl FaultPool {
    /// Of a fault like this, and nothing yet.
    pub(super) fn like(fault: &FaultMeasured, clients: &[OfClient<'_>], design: &Design) -> Self {
        let nodes: BTreeSet<&str> = fault.nodes.iter().map(String::as_str).collect();
        let of = |client: &OfClient<'_>| {
            let reaches = design.below(client.name).iter().any(|node| nodes.contains(node));
            ClientPool { name: client.name.to_owned(), reaches, ..ClientPool::default() }
        };
        let mut clients: Vec<ClientPool> = clients.iter().map(of).collect();
        // Nobody knows whom it concerns.
        if !clients.iter().any(|client| client.reaches) {
            for client in &mut clients {
                client.reaches = true;
            }
        }
        Self {
            id: fault.id.clone(),
            title: fault.title.clone(),
            effect: fault.effect,
            target: fault.target.clone(),
            clients,
            sides: SidePool::all(fault),
            ..Self::default()
        }
    }

    /// Adds what came of it in the next replication; `all` are all requests.
    pub(super) fn push(
        &mut self,
        fault: &FaultMeasured,
        measured: &Measured,
        (all, clients): (&Requests, &[OfClient<'_>]),
    ) {
        let concerned = self.concerned(clients);
        let all = concerned.as_ref().unwrap_or(all);
        let fault = &watched(fault, all);
        let late = late(fault, all);
        self.occurrences.push(Some(fault.spans.len() as f64));
        self.started.push(fault.spans.first().map(|s| seconds(s.0)));
        self.ended.push(fault.spans.last().map(|s| seconds(s.1)));
        self.rolled_back.push(fault.rolled_back.map(seconds));
        self.before.push(fault.before.0, fault.before.1);
        self.during.push(fault.during.0, fault.during.1);
        self.after.push(fault.after.0, fault.after.1);
        if !fault.spans.is_empty() {
            let first = self.spans.is_none();
            let spans = self.spans.get_or_insert_with(|| fault.spans.clone());
            if first {
                self.struck.clone_from(&fault.struck);
            }
            self.vary |= *spans != fault.spans || self.struck != fault.struck;
        }
        self.recovered.push(fault, recovery(fault, all));
        self.watched.push(match fault.spans.as_slice() {
            &[(_, ended)] => Some(seconds(fault.until.saturating_sub(ended))),
            _ => None,
        });
        self.back.push(fault, back_after(fault, all));
        self.aftermath.extend(aftermath(fault, all, measured));
        let within = within(fault, late);
        let returned = |goodput: Option<Goodput>| within.and(goodput?.returned());
        let mut near = Vec::new();
        for (pool, client) in self.clients.iter_mut().zip(clients) {
            let goodput = Goodput::of(fault, client, late);
            pool.back.push(fault, back_after(fault, client.requests));
            pool.returned.push(returned(goodput));
            near.extend(goodput.filter(|_| pool.reaches));
        }
        let near = Goodput::sum(near.into_iter());
        self.goodput.push(near.map(|goodput| goodput.before));
        self.returned.push(returned(near));
        self.within.push(within);
        self.costs.push(fault);
        for (number, side) in self.sides.iter_mut().enumerate() {
            side.push(number, fault, measured);
        }
    }

    /// The requests of those whom the fault concerns; none: these are all.
    fn concerned(&self, clients: &[OfClient<'_>]) -> Option<Requests> {
        if self.clients.iter().all(|client| client.reaches) {
            return None;
        }
        let mut all = Requests::default();
        let near = self.clients.iter().zip(clients).filter(|(pool, _)| pool.reaches);
        near.for_each(|(_, client)| all.merge(client.requests));
        Some(all)
    }

    /// Of a cut: those on either side of it over time.
    pub(super) fn series(&self, windows: usize) -> Option<(String, BTreeMap<String, SideSeries>)> {
        let sides = || self.sides.iter().map(|side| (side.name.clone(), side.series(windows)));
        (!self.sides.is_empty()).then(|| (self.id.clone(), sides().collect()))
    }

    /// Its figures.
    pub(super) fn results(&self, confidence: f64) -> FaultResults {
        let mean = |means: &Means| means.estimate(confidence);
        let after = most(&self.aftermath);
        let empty: Vec<_> = after.iter().map(|after| after.empty_in).collect();
        let after = after.first().map(|after| after.what);
        // Of the only client there is nothing is to be told apart.
        let clients = || self.clients.iter().filter(|_| self.clients.len() > 1);
        let near = clients().filter(|client| client.reaches).map(|client| client.name.clone());
        let near: Vec<String> = near.collect();
        let spans = self.spans.iter().flatten().filter(|_| !self.vary);
        let results = FaultResults {
            id: self.id.clone(),
            title: self.title.clone(),
            effect: self.effect.to_owned(),
            target: self.target.clone(),
            occurrences: mean(&self.occurrences),
            started: mean(&self.started),
            ended: mean(&self.ended),
            rolled_back: mean(&self.rolled_back),
            availability_before: self.before.share(confidence),
            availability_during: self.during.share(confidence),
            availability_after: self.after.share(confidence),
            spans: spans.map(|s| (seconds(s.0), seconds(s.1))).collect(),
            at_once: !self.struck.is_empty(),
            struck: self.struck.iter().filter(|_| !self.vary).map(|&at| seconds(at)).collect(),
            time_to_recover: self.recovered.estimate(confidence),
            watched: mean(&self.watched),
            back_after: self.back.estimate(confidence),
            back_by_client: clients()
                .map(|client| (client.name.clone(), client.back.estimate(confidence)))
                .collect(),
            aftermath: after,
            empty_in: Estimate::mean_of(&empty, confidence),
            metastable: match after {
                Some(Aftermath::CauseRemains) | None => None,
                Some(after) => Some(after == Aftermath::Metastable),
            },
            concerns: if near.len() < clients().count() { near } else { Vec::new() },
            goodput_before: mean(&self.goodput),
            goodput_returned: mean(&self.returned),
            returned_by_client: clients()
                .map(|client| (client.name.clone(), mean(&client.returned)))
                .collect(),
            returned_within: mean(&self.within),
            sides: self.sides.iter().map(|side| side.results(confidence)).collect(),
            ..FaultResults::default()
        };
        self.costs.tell(results, confidence)
    }
}

/// One alert in many replications.
#[derive(Clone, Debug, Default)]
pub(super) struct AlertPool {
    id: String,
    count: Means,
    fired: Means,
    resolved: Means,
}

impl AlertPool {
    /// Of an alert like this, and nothing yet.
    pub(super) fn like(alert: &AlertMeasured) -> Self {
        Self { id: alert.id.clone(), ..Self::default() }
    }

    /// Adds when it fired in the next replication.
    pub(super) fn push(&mut self, alert: &AlertMeasured) {
        let over = |span: &&(u64, u64)| span.1 < u64::MAX;
        self.count.push(Some(alert.spans.len() as f64));
        self.fired.push(alert.spans.first().map(|s| seconds(s.0)));
        self.resolved.push(alert.spans.last().filter(over).map(|s| seconds(s.1)));
    }

    /// Its figures.
    pub(super) fn results(&self, confidence: f64) -> AlertResults {
        AlertResults {
            id: self.id.clone(),
            count: self.count.estimate(confidence),
            fired: self.fired.estimate(confidence),
            resolved: self.resolved.estimate(confidence),
        }
    }
}

/// Goodput of some clients around a fault in one replication, by the instant answers came: what is
/// undecided when the run ends was not answered.
#[derive(Clone, Copy, Debug, Default)]
struct Goodput {
    /// Good answers per second before it began.
    before: f64,
    /// Good answers in the second half of what was watched after its end.
    then: f64,
    /// As many as there would have been as before.
    expected: f64,
}

impl Goodput {
    /// None without any time before the fault.
    fn of(fault: &FaultMeasured, client: &OfClient<'_>, (from, until): (u64, u64)) -> Option<Self> {
        let windows = &client.requests.windows;
        let quiet = windows.iter().filter(|w| is_quiet(fault, (w.start, w.end())));
        let (good, issued, time) = quiet.fold((0, 0, 0), |(good, issued, time), w| {
            (good + w.happened.good, issued + w.issued, time + w.covered)
        });
        let before = (time > 0).then(|| good as f64 / seconds(time))?;
        let mut goodput = Self { before, ..Self::default() };
        for window in windows.iter().filter(|w| w.start >= from && w.start < until) {
            goodput.then += window.happened.good as f64;
            goodput.expected += if client.closed || issued == 0 {
                before * seconds(window.covered)
            } else {
                window.issued as f64 * good as f64 / issued as f64
            };
        }
        Some(goodput)
    }

    /// Of several clients together.
    fn sum(each: impl Iterator<Item = Self>) -> Option<Self> {
        let add = |a: Self, b: Self| Self {
            before: a.before + b.before,
            then: a.then + b.then,
            expected: a.expected + b.expected,
        };
        each.reduce(add)
    }

    /// Share of what was before that has returned.
    fn returned(self) -> Option<f64> {
        (self.expected > 0.0).then(|| self.then / self.expected)
    }
}

/// From the end of a fault that came once until what tells how it went on, s.
fn within(fault: &FaultMeasured, (from, until): (u64, u64)) -> Option<f64> {
    let &[(_, ended)] = fault.spans.as_slice() else { return None };
    (until > ended).then(|| seconds(from - ended))
}

/// Those that say what most of them say; of two things that are said as often, the worse.
fn most(each: &[After]) -> Vec<After> {
    let of = |what| -> Vec<After> { each.iter().copied().filter(|one| one.what == what).collect() };
    Aftermath::FROM_BEST.map(of).into_iter().max_by_key(Vec::len).unwrap_or_default()
}
