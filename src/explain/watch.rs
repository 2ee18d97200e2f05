//! What is watched over time, of clients and of nodes, and when it counts as an event.
//!
//! A figure counts as risen at `times` its level, at `slack` times the highest window of the quiet time,
//! and at `floor`, whichever is most.
//!
//! **Invariant.** Every event has the value it reached and the level it came from.

use std::collections::BTreeMap;

use super::{
    causes::{Of, Told, told},
    quiet::{
        CHANGE, Quiet, answered_share, counted, fallen, is_closed, less, more, noise, some, window,
    },
    signal::{LEAST_WINDOWS, Level, Spell, falls, rises},
};
use crate::{
    cause::Cause,
    node_kind::NodeKind,
    results::{ClientSeries, EventKind, NodeSeries, Results},
};

/// Utilisation from which on a node is full.
pub(super) const FULL: f64 = 0.95;
/// Utilisation no window of the quiet time may reach if a full one is to say something by itself.
const CALM: f64 = 0.8;
/// Share of requests, attempts or calls below which failures are no event.
const SOME: f64 = 0.01;

/// Share of the farthest figure that the first one must have if it is enough to tell the farthest.
const NOTABLY: f64 = 0.9;

/// Something that left its level.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) kind: EventKind,
    pub(super) subject: String,
    /// What it was about, where the kind does not say: an outcome, a cause.
    pub(super) what: String,
    pub(super) spell: Spell,
    pub(super) value: f64,
    pub(super) baseline: f64,
}

impl Found {
    /// Takes in a later spell of the same.
    fn merge(&mut self, later: &Self) {
        self.spell.to = later.spell.to;
        self.spell.strong |= later.spell.strong;
        if (later.value - self.baseline).abs() > (self.value - self.baseline).abs() {
            self.value = later.value;
            self.spell.farthest = later.spell.farthest;
        }
    }

    /// What it was at first, where it is told how far it went and that was later and notably farther.
    pub(super) fn onset(&self) -> Option<f64> {
        let first = self.spell.first;
        // Told as a mean or a number of times.
        if self.value.to_bits() == self.spell.mean.to_bits() {
            return None;
        }
        let (at_first, farthest) =
            ((first - self.baseline).abs(), (self.value - self.baseline).abs());
        (self.spell.farthest > self.spell.from && at_first < NOTABLY * farthest).then_some(first)
    }
}

/// When a figure counts as risen.
struct Rule {
    times: f64,
    slack: f64,
    floor: f64,
}

impl Rule {
    fn limit(&self, level: Level) -> f64 {
        (self.times * level.mean).max(self.slack * level.most).max(self.floor)
    }
}

/// Windows after a fault or a change of load within which a spell needs not be strong to be believed.
const RECENT: usize = 20;
/// Windows between two spells of the same that count as one.
const GAP: usize = 5;

/// Everything that left its level after the quiet time.
pub(super) struct Watch<'a> {
    results: &'a Results,
    quiet: &'a Quiet,
    found: Vec<Found>,
}

/// All events of clients and nodes.
pub(super) fn watch(results: &Results, quiet: &Quiet) -> Vec<Found> {
    let mut watch = Watch { results, quiet, found: Vec::new() };
    if quiet.windows.len() < LEAST_WINDOWS {
        return watch.found;
    }
    for (name, client) in results.series.clients.iter().filter(|(name, _)| *name != "all") {
        watch.load(name, client);
        watch.attempts(name, client);
        watch.answers(name, client);
    }
    let factors = factors(results, quiet);
    for (name, node) in &results.series.nodes {
        watch.calls(name, node, &factors);
        watch.node(name, node);
        watch.causes(name, node);
    }
    watch.inside();
    watch.in_flight();
    watch.retried();
    believed(watch.found, &causes(results))
}

/// Windows in which something began that may be the cause of something: faults.
fn causes(results: &Results) -> Vec<usize> {
    let struck = results.faults.iter().flat_map(|f| &f.struck).map(|&at| (at, at));
    let spans = results.faults.iter().flat_map(|f| f.spans.iter().copied()).chain(struck);
    spans.flat_map(|span| [window(results, span.0), window(results, span.1)]).collect()
}

/// Each thing once for each cause: what comes again soon is the same spell, and what begins long after
/// every cause is noise unless it is strong.
fn believed(mut found: Vec<Found>, faults: &[usize]) -> Vec<Found> {
    let loads = [EventKind::LoadRose, EventKind::LoadFell];
    let loads = found.iter().filter(|f| loads.contains(&f.kind) && f.what == "requests");
    let loads = loads.flat_map(|f| [Some(f.spell.from), f.spell.to]).flatten();
    let causes: Vec<usize> = loads.chain(faults.iter().copied()).collect();
    found.sort_by(|a, b| {
        let key = |f: &Found| (f.kind, f.subject.clone(), f.what.clone(), f.spell.from);
        key(a).cmp(&key(b))
    });
    let mut kept: Vec<Found> = Vec::new();
    for new in found {
        let from = new.spell.from;
        let cause = causes.iter().copied().filter(|&cause| cause <= from).max();
        let same = kept.last_mut().filter(|old| {
            (old.kind, &old.subject, &old.what) == (new.kind, &new.subject, &new.what)
        });
        let mut told = false;
        if let Some(old) = same {
            if old.spell.to.is_some_and(|to| from <= to + GAP) {
                old.merge(&new);
                continue;
            }
            told = cause.is_none_or(|cause| cause <= old.spell.from);
            // Ripples of what was told; but goodput that falls again is news.
            let size = |found: &Found| (found.value - found.baseline).abs();
            told &= new.kind != EventKind::GoodputFell;
            told |= 2.0 * size(&new) < size(old);
        }
        let recent = cause.is_none_or(|cause| from <= cause + RECENT);
        if !told && (recent || new.spell.strong) {
            kept.push(new);
        }
    }
    kept
}

impl Watch<'_> {
    fn level(&self, values: &[Option<f64>]) -> Option<Level> {
        Level::of(values, &self.quiet.windows)
    }

    /// Notes each spell in which a figure is above its rule.
    fn risen(&mut self, what: (EventKind, &str, &str), values: &[Option<f64>], rule: &Rule) {
        let Some(level) = self.level(values) else { return };
        let spells = rises(values, self.quiet.windows.end, level, rule.limit(level));
        self.note(what, spells, level.mean, |spell| spell.extreme);
    }

    fn note(
        &mut self,
        (kind, subject, what): (EventKind, &str, &str),
        spells: Vec<Spell>,
        baseline: f64,
        value: impl Fn(&Spell) -> f64,
    ) {
        self.found.extend(spells.into_iter().map(|spell| Found {
            kind,
            subject: subject.to_owned(),
            what: what.to_owned(),
            value: value(&spell),
            spell,
            baseline,
        }));
    }

    // ---- clients ---------------------------------------------------------------------------

    fn load(&mut self, name: &str, client: &ClientSeries) {
        if is_closed(self.results, name) {
            return;
        }
        let offered = some(&client.offered);
        let Some(level) = self.level(&offered) else { return };
        let from = self.quiet.windows.end;
        let up = rises(&offered, from, level, more(self.results, level));
        let told = |spell: &Spell| spell.told(level);
        self.note((EventKind::LoadRose, name, "requests"), up, level.mean, told);
        let down = falls(&offered, from, level, less(self.results, level));
        self.note((EventKind::LoadFell, name, "requests"), down, level.mean, told);
    }

    fn attempts(&mut self, name: &str, client: &ClientSeries) {
        if !client.resent.is_empty() {
            let rule = Rule { times: 1.1, slack: 1.05, floor: 1.1 };
            let factors = self.amplification(name, client);
            if let Some(level) = self.level(&factors) {
                let spells = rises(&factors, self.quiet.windows.end, level, rule.limit(level));
                let what = (EventKind::Amplification, name, "");
                self.note(what, spells, level.mean, |spell| spell.mean);
            }
        }
        if !client.timed_out.is_empty() {
            let sent = sent(client);
            // What was sent in the last window times out in this one.
            let share = cut(ratio(&client.timed_out, &sent));
            let rule = Rule { times: 3.0, slack: 1.5, floor: SOME };
            self.risen((EventKind::TimeoutsBegan, name, "attempts"), &share, &rule);
        }
        self.first_time(EventKind::BreakerOpened, name, &client.breakers_opened);
    }

    fn answers(&mut self, name: &str, client: &ClientSeries) {
        let rule = Rule { times: 2.0, slack: 1.5, floor: 0.0 };
        // Of the last windows only the fast ones are known.
        let known = client.undecided.iter().position(|open| *open).unwrap_or(client.p95.len());
        // Nor is there a latency where nobody is answered any more.
        let known =
            client.p95[..known].iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let (first, len) = (self.found.len(), client.p95.len());
        self.risen((EventKind::LatencyRose, name, ""), &client.p95[..known], &rule);
        for found in &mut self.found[first..] {
            found.spell.to = found.spell.to.or((known < len).then_some(known));
        }
        let ended: f64 = client.ended.values().flatten().sum();
        if ended > 0.0 {
            for (outcome, rates) in &client.ended {
                let kind = match outcome.as_str() {
                    "degraded" => EventKind::FallbacksBegan,
                    "error" => EventKind::ErrorsBegan,
                    // Of attempts it was told when they timed out.
                    "timeout" => continue,
                    _ => EventKind::RefusalsBegan,
                };
                let rule = Rule { times: 3.0, slack: 1.5, floor: SOME };
                let share = cut(ratio(rates, &client.offered));
                self.risen((kind, name, &outcome.replace('_', " ")), &share, &rule);
            }
        }
        self.goodput(name, client);
    }

    /// Good answers fall behind what is asked; of few requests it takes many windows to say so.
    fn goodput(&mut self, name: &str, client: &ClientSeries) {
        let share = answered_share(self.results, name, client);
        let answered = some(&client.answered);
        let Some((level, rate)) = self.level(&share).zip(self.level(&answered)) else { return };
        let spells = falls(&share, self.quiet.windows.end, level, fallen(level));
        let credible = |spell: &Spell| {
            let windows = spell.to.unwrap_or(share.len()) - spell.from;
            1.0 - spell.mean / level.mean >= noise(self.results, rate.mean * windows as f64)
        };
        let spells: Vec<Spell> = spells.into_iter().filter(credible).collect();
        let what = if is_closed(self.results, name) { "" } else { "asked" };
        self.note((EventKind::GoodputFell, name, what), spells, level.mean, |spell| spell.extreme);
    }

    /// What is sent over what is asked for; of a closed client, which asks less as it gets less, over what it
    /// sent before.
    fn amplification(&self, name: &str, client: &ClientSeries) -> Vec<Option<f64>> {
        let sent = sent(client);
        if !is_closed(self.results, name) {
            return ratio(&sent, &client.offered);
        }
        let before = self.level(&some(&sent)).map(|level| level.mean).filter(|mean| *mean > 0.0);
        sent.into_iter().map(|rate| before.map(|before| rate / before)).collect()
    }

    /// What never happened before is an event when it does; its value is how often it does from then on.
    fn first_time(&mut self, kind: EventKind, name: &str, rates: &[f64]) {
        let Some(from) = first_above(rates, self.quiet) else { return };
        let length = self.results.series.length.first().copied().unwrap_or_default();
        let value = rates[from..].iter().sum::<f64>() * length;
        let spell = Spell {
            from,
            to: None,
            first: value,
            extreme: value,
            farthest: from,
            mean: value,
            strong: true,
        };
        self.note((kind, name, ""), vec![spell], 0.0, |spell| spell.extreme);
    }

    // ---- nodes -----------------------------------------------------------------------------

    /// More calls than those who call it were asked for: retries, misses, others' share.
    fn calls(&mut self, name: &str, node: &NodeSeries, factors: &Factors) {
        let arrivals = some(&node.arrivals);
        let (Some(level), Some(own)) = (self.level(&arrivals), factors.nodes.get(name)) else {
            return;
        };
        let callers = self.results.design.callers(name);
        let nodes = &self.results.series.nodes;
        let waits = |from: &&str| nodes.get(*from).is_some_and(|n| !n.backlog().is_empty());
        if !callers.is_empty() && callers.iter().all(waits) {
            // It takes out of a backlog what it can.
            return;
        }
        let most = |w: usize| {
            let each = callers.iter().filter_map(|from| {
                let factor = factors.clients.get(*from).or_else(|| factors.nodes.get(*from))?;
                factor[w]
            });
            each.fold(1.0, f64::max)
        };
        let relative: Vec<Option<f64>> = own
            .iter()
            .enumerate()
            .map(|(w, own)| own.filter(|f| f.is_finite()).map(|f| f / most(w)))
            .collect();
        let Some(of) = self.level(&relative) else { return };
        let change = CHANGE.max(noise(self.results, level.mean));
        let limit = (of.mean * (1.0 + change)).max(of.most * (1.0 + CHANGE / 2.0));
        let spells = rises(&relative, self.quiet.windows.end, of, limit);
        let spells = spells.into_iter().map(|spell| spell.of(&node.arrivals)).collect();
        self.note((EventKind::LoadRose, name, "calls"), spells, level.mean, |spell| {
            spell.told(level)
        });
    }

    fn node(&mut self, name: &str, node: &NodeSeries) {
        let instances = self.results.nodes.get(name).map_or(1, |n| n.instances.max.max(1));
        let rule = Rule { times: 3.0, slack: 1.5, floor: (instances as f64).max(2.0) };
        self.risen((EventKind::QueueGrew, name, ""), &some(&node.in_queue), &rule);
        let rule = Rule { floor: 10.0, ..rule };
        self.risen((EventKind::BacklogGrew, name, ""), &some(node.backlog()), &rule);
        if let Some(level) = self.level(&node.utilisation) {
            // Where a window is nearly full now and then, a long time without any pause is something new.
            let calm = level.most < CALM;
            let limit = if calm { FULL } else { 0.999 };
            let below = Level { most: level.most.min(0.99), ..level };
            let mut spells = rises(&node.utilisation, self.quiet.windows.end, below, limit);
            spells.retain(|s| calm || s.to.is_none_or(|to| to >= s.from + GAP));
            for spell in &mut spells {
                spell.strong |= calm;
                // It is full no longer than it is full.
                let full = |w: usize| node.utilisation.get(w).copied().flatten() >= Some(limit);
                let end = spell.to.unwrap_or(node.utilisation.len());
                let over = (spell.from + 1..end).find(|&w| !full(w) && !full(w + 1));
                spell.to = over.filter(|w| w + 1 < node.utilisation.len()).or(spell.to);
                spell.farthest = spell.farthest.min(spell.to.map_or(spell.farthest, |to| to - 1));
            }
            self.note((EventKind::Saturated, name, ""), spells, level.mean, |spell| spell.extreme);
        }
        // Of few requests one instance gets many by chance.
        let few = 20.0 * instances as f64 / counted(self.results);
        let shares = node.largest_share.iter().zip(&node.arrivals);
        let shares: Vec<Option<f64>> =
            shares.map(|(share, rate)| share.filter(|_| *rate >= few)).collect();
        let rule = Rule { times: 2.0, slack: 1.3, floor: 0.0 };
        self.risen((EventKind::SkewGrew, name, ""), &shares, &rule);
        let rule = Rule { times: 3.0, slack: 1.5, floor: SOME };
        self.risen(
            (EventKind::WaitsBegan, name, "the start of an environment"),
            &node.cold_share,
            &rule,
        );
        if let Some(level) = self.level(&node.hit_ratio) {
            let limit = (0.9 * level.mean).min(level.least - 0.05);
            let spells = falls(&node.hit_ratio, self.quiet.windows.end, level, limit);
            self.note((EventKind::HitRatioFell, name, ""), spells, level.mean, |spell| {
                spell.extreme
            });
        }
    }

    fn causes(&mut self, name: &str, node: &NodeSeries) {
        let down = some(&node.down);
        if let Some(level) = self.level(&down) {
            let limit = Rule { times: 1.5, slack: 1.5, floor: 0.5 }.limit(level);
            let spells = rises(&down, self.quiet.windows.end, level, limit);
            self.note((EventKind::WentDown, name, ""), spells, level.mean, |spell| {
                spell.told(level)
            });
        }
        for (&cause, rates) in &node.causes {
            for told in told(cause) {
                match *told {
                    Told::Refused(of, words) => {
                        self.shares((EventKind::RefusalsBegan, name, words), (cause, of), node);
                    }
                    Told::Waits(of, words) => {
                        self.shares((EventKind::WaitsBegan, name, words), (cause, of), node);
                    }
                    Told::TimeOuts(words) => {
                        // Who stood by in the quiet time has no level of its own.
                        let arrivals =
                            node.arrivals.iter().sum::<f64>() / node.arrivals.len() as f64;
                        let rule = Rule { times: 3.0, slack: 1.5, floor: SOME * arrivals };
                        self.risen((EventKind::TimeoutsBegan, name, words), &some(rates), &rule);
                    }
                    Told::First(kind) => self.first_time(kind, name, rates),
                }
            }
        }
    }

    /// A larger share of what a cause is counted of than in the quiet time.
    fn shares(&mut self, what: (EventKind, &str, &str), of: (Cause, Of), node: &NodeSeries) {
        let (cause, of) = of;
        let rates = &node.causes[&cause];
        // A visit that ended by a rate limit was turned away by that of the door.
        let ended = node.ended.get(cause.name()).filter(|_| cause == Cause::RateLimited);
        let ended = |w: usize| ended.map_or(0.0, |rates| rates[w]);
        let starts = self.results.nodes.get(what.1).is_some_and(|n| n.environments.is_some());
        if cause == Cause::Throttled && starts != (of == Of::Starts) {
            return;
        }
        let rates: Vec<f64> = match of {
            Of::Arrivals if cause == Cause::RateLimited => (0..rates.len()).map(ended).collect(),
            _ => rates.iter().enumerate().map(|(w, rate)| (rate - ended(w)).max(0.0)).collect(),
        };
        let outside = if of == Of::Absent { 1.0 } else { 0.0 };
        let asked: Vec<f64> =
            rates.iter().zip(&node.arrivals).map(|(a, b)| outside * a + b).collect();
        let rule = Rule { times: 3.0, slack: 1.5, floor: SOME };
        self.risen(what, &ratio(&rates, &asked), &rule);
    }

    /// Requests pile up inside a node without waiting for it, and not only because they wait for a node where
    /// they pile up too.
    fn inside(&mut self) {
        let queues: Vec<Found> =
            self.found.iter().filter(|f| f.kind == EventKind::QueueGrew).cloned().collect();
        let mut grown: Vec<Found> = Vec::new();
        for (name, node) in &self.results.series.nodes {
            let inside = some(&node.in_system);
            let Some(level) = self.level(&inside) else { continue };
            let rule = Rule { times: 3.0, slack: 1.5, floor: 10.0 };
            for spell in rises(&inside, self.quiet.windows.end, level, rule.limit(level)) {
                grown.push(Found {
                    kind: EventKind::InsideGrew,
                    subject: name.clone(),
                    what: String::new(),
                    spell,
                    value: spell.extreme,
                    baseline: level.mean,
                });
            }
        }
        let explained = |found: &Found| {
            let below = self.results.design.below(&found.subject);
            queues.iter().chain(&grown).any(|other| {
                let here = other.subject == found.subject && other.kind == EventKind::QueueGrew;
                (here || below.contains(&other.subject.as_str()))
                    && other.spell.overlaps(&found.spell)
            })
        };
        let news: Vec<Found> = grown.iter().filter(|found| !explained(found)).cloned().collect();
        self.found.extend(news);
    }

    /// More calls of a node whose callers wait in vain are their retries, unless they may be misses of a cache.
    fn retried(&mut self) {
        let edges = &self.results.design.edges;
        let cache =
            |name: &str| self.results.nodes.get(name).is_some_and(|n| n.kind == NodeKind::Cache);
        let misses =
            |caller: &str| cache(caller) || edges.iter().any(|e| e.from == caller && cache(&e.to));
        let timeouts: Vec<(String, usize)> = self
            .found
            .iter()
            .filter(|f| f.kind == EventKind::TimeoutsBegan)
            .map(|f| (f.subject.clone(), f.spell.from))
            .collect();
        for found in
            self.found.iter_mut().filter(|f| f.kind == EventKind::LoadRose && f.what == "calls")
        {
            let mut callers = edges.iter().filter(|e| e.to == found.subject).map(|e| &e.from);
            let retries = callers.all(|caller| {
                // What clients send again is known, and not among the calls that are left to explain.
                let node = self.results.nodes.contains_key(caller);
                let waits = timeouts.iter().any(|(n, w)| n == caller && *w <= found.spell.from);
                node && waits && !misses(caller)
            });
            if retries {
                found.kind = EventKind::Amplification;
            }
        }
    }

    /// Requests pile up that no node shows, such as those nobody answers.
    fn in_flight(&mut self) {
        for (name, client) in self.results.series.clients.iter().filter(|(name, _)| *name != "all")
        {
            let open = some(&client.in_flight);
            let Some(level) = self.level(&open) else { continue };
            let rule = Rule { times: 3.0, slack: 1.5, floor: 10.0 };
            let spells = rises(&open, self.quiet.windows.end, level, rule.limit(level));
            let seen = |spell: &Spell| {
                let grown = [EventKind::QueueGrew, EventKind::InsideGrew];
                let mut found = self.found.iter().filter(|f| grown.contains(&f.kind));
                found.any(|f| f.spell.from <= spell.from && f.spell.overlaps(spell))
            };
            let news: Vec<Spell> = spells.into_iter().filter(|spell| !seen(spell)).collect();
            self.note((EventKind::InFlightGrew, name, ""), news, level.mean, |spell| spell.extreme);
        }
    }
}

/// Shares of which a late part may make more than all.
fn cut(shares: Vec<Option<f64>>) -> Vec<Option<f64>> {
    shares.into_iter().map(|share| share.map(|share| share.min(1.0))).collect()
}

/// How many times as much as in the quiet time clients send and nodes are called, by window.
struct Factors {
    clients: BTreeMap<String, Vec<Option<f64>>>,
    nodes: BTreeMap<String, Vec<Option<f64>>>,
}

fn factors(results: &Results, quiet: &Quiet) -> Factors {
    let relative = |values: &[f64]| {
        let known = some(values);
        let mean = Level::of(&known, &quiet.windows).map(|level| level.mean);
        // Who asked nothing then explains all that is asked of others now.
        let factor = |(v, m): (f64, f64)| (v > 0.0 || m > 0.0).then(|| v / m);
        known.into_iter().map(|value| value.zip(mean).and_then(factor)).collect()
    };
    let clients = results.series.clients.iter();
    let nodes = results.series.nodes.iter();
    Factors {
        clients: clients.map(|(name, c)| (name.clone(), relative(&sent(c)))).collect(),
        nodes: nodes.map(|(name, n)| (name.clone(), relative(&n.arrivals))).collect(),
    }
}

/// Attempts and copies sent per second.
fn sent(client: &ClientSeries) -> Vec<f64> {
    let resent = client.resent.iter().copied().chain(std::iter::repeat(0.0));
    client.offered.iter().zip(resent).map(|(first, more)| first + more).collect()
}

fn ratio(top: &[f64], bottom: &[f64]) -> Vec<Option<f64>> {
    top.iter().zip(bottom).map(|(top, bottom)| (*bottom > 0.0).then(|| top / bottom)).collect()
}

/// The first window after the quiet time in which something happens that did not happen before.
fn first_above(rates: &[f64], quiet: &Quiet) -> Option<usize> {
    let before = rates.get(..quiet.windows.end)?;
    if before.iter().any(|rate| *rate > 0.0) {
        return None;
    }
    (quiet.windows.end..rates.len()).find(|&w| rates[w] > 0.0)
}
