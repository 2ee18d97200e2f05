//! What nodes did in each window of the time series: differences of their running books, taken as a window ends.
//!
//! **Invariant.** The windows add up to the books at the end of the run; what is held lies within what there is, and
//! an instance that is down holds nothing and has nothing. Of earlier windows no books are kept.

use std::collections::BTreeMap;

use super::{
    bounded::{Bounded, Full, Held},
    probe::NodeWindow,
    record::NodeSnapshot,
};
use crate::{
    cause::Cause,
    model::{
        books::{InstanceBooks, InstanceWindow},
        network::line::LineOf,
    },
    outcome::Tally,
};

/// Share of what there is from which on something is full.
const FULL: f64 = 0.95;
/// Windows in a row for which it must be full to count: one may be chance.
const LASTING: usize = 3;

/// Instances of a node that are followed one by one, at most.
const MOST_INSTANCES: usize = 64;
/// And of a design: nodes with few instances first.
const MOST_FOLLOWED: usize = 256;

/// What nodes did and how full links were, window by window.
#[derive(Debug, Default)]
pub(super) struct Windows {
    pub(super) nodes: Vec<NodeWindows>,
    pub(super) links: LinkWindows,
}

/// What a node did, window by window.
#[derive(Debug, Default)]
pub(super) struct NodeWindows {
    pub(super) windows: Vec<NodeWindow>,
    /// What each instance did, window by window; empty where they are not followed.
    pub(super) each: Vec<InstanceWindow>,
    instances: usize,
    followed: bool,
    /// By thing that is bounded.
    things: Vec<Thing>,
    /// The first of them is what `busy` of the books counts.
    counted: bool,
}

impl NodeWindows {
    /// Of a node with these things, and nothing yet.
    pub(super) fn new(
        things: Vec<Bounded>,
        counted: bool,
        (instances, windows): (usize, usize),
    ) -> Self {
        let thing = |about: Bounded| {
            let parts = if about.each { instances } else { instances.min(1) };
            Thing {
                parts: vec![Part::default(); parts],
                all: Run::default(),
                full: Vec::with_capacity(windows),
                about,
            }
        };
        let things = things.into_iter().map(thing).collect();
        let windows = Vec::with_capacity(windows);
        Self { windows, each: Vec::new(), instances, followed: false, things, counted }
    }

    /// Chooses the nodes of a design whose instances are followed.
    pub(super) fn choose(nodes: &mut [Self]) {
        let mut order: Vec<&mut Self> = nodes.iter_mut().collect();
        order.sort_by_key(|node| node.instances);
        let mut left = MOST_FOLLOWED;
        for node in order.into_iter().filter(|node| (1..=MOST_INSTANCES).contains(&node.instances))
        {
            let Some(rest) = left.checked_sub(node.instances) else { return };
            left = rest;
            node.followed = true;
            node.each.reserve(node.instances * node.windows.capacity());
        }
    }

    /// A window ended: what each instance did, and whether it was `struck`.
    pub(super) fn follow(
        &mut self,
        before: &NodeSnapshot,
        after: &NodeSnapshot,
        mut struck: impl FnMut(u16) -> bool,
    ) {
        for inst in 0..if self.followed { self.instances } else { 0 } {
            let books = |node: &NodeSnapshot| node.instances.get(inst).copied().unwrap_or_default();
            let (then, now) = (books(before), books(after));
            self.each.push(InstanceWindow {
                busy: (now.busy - then.busy) as f64,
                in_queue: (now.in_queue - then.in_queue) as f64,
                down: (now.down - then.down) as f64,
                struck: f64::from(u8::from(struck(inst as u16))),
            });
        }
    }

    /// A window ends; `measured`: it lies in the measured span.
    pub(super) fn push(
        &mut self,
        (before, from): (&NodeSnapshot, u64),
        (after, to): (&NodeSnapshot, u64),
        measured: bool,
    ) {
        self.windows.push(window(before, after));
        let rows = self.things.len() - usize::from(self.counted);
        for (t, thing) in self.things.iter_mut().enumerate() {
            let row = t.checked_sub(usize::from(self.counted)).map(|t| (t, rows));
            thing.push((before, after, to.saturating_sub(from)), row, measured);
        }
    }

    /// What was held of each thing; `span` are the books as the measured span began, `last` those at the end.
    pub(super) fn held(
        &mut self,
        (span, from): (&NodeSnapshot, u64),
        (last, to): (&NodeSnapshot, u64),
    ) -> Vec<Held> {
        let rows = self.things.len() - usize::from(self.counted);
        let windows = self.windows.len();
        let counted = usize::from(self.counted);
        let things = std::mem::take(&mut self.things).into_iter().enumerate();
        let held = things.map(|(t, mut thing)| {
            thing.end(windows);
            let row = t.checked_sub(counted).map(|t| (t, rows));
            let length = to.saturating_sub(from);
            let whole = |inst| thing.between((span, last, length), row, inst);
            let parts = thing.parts.iter().enumerate();
            let instances = parts
                .map(|(i, part)| if thing.about.sampled { part.measured } else { whole(i) })
                .collect();
            Held {
                name: thing.about.name.clone(),
                capacity: thing.about.capacity,
                instances,
                full: std::mem::take(&mut thing.full),
            }
        });
        held.collect()
    }
}

/// Windows in a row in which something is full, up to the last one.
#[derive(Clone, Copy, Debug, Default)]
struct Run(usize);

impl Run {
    /// The windows of which it is now known that they count: the last ones, so many.
    fn push(&mut self, (held, room): (f64, f64)) -> usize {
        self.0 = if room > 0.0 && held >= FULL * room { self.0 + 1 } else { 0 };
        match self.0 {
            0..LASTING => 0,
            LASTING => LASTING,
            _ => 1,
        }
    }

    /// Of a run of fewer windows all must be full.
    const fn is_all(self, windows: usize) -> bool {
        windows < LASTING && self.0 == windows
    }
}

/// One instance's part of something.
#[derive(Clone, Debug, Default)]
struct Part {
    run: Run,
    /// What was held and what there was in the measured windows, where it is sampled.
    measured: (f64, f64),
}

/// Something bounded.
#[derive(Debug)]
struct Thing {
    about: Bounded,
    parts: Vec<Part>,
    /// All parts together.
    all: Run,
    full: Vec<Option<Full>>,
}

impl Thing {
    fn push(
        &mut self,
        between: (&NodeSnapshot, &NodeSnapshot, u64),
        row: Option<(usize, usize)>,
        measured: bool,
    ) {
        self.push_each(measured, |thing, inst| thing.between(between, row, inst));
    }

    /// A window ends: what each part held and what there was of it.
    fn push_each(&mut self, measured: bool, one: impl Fn(&Self, usize) -> (f64, f64)) {
        let mut sum = (0.0, 0.0);
        self.full.push(None);
        for inst in 0..self.parts.len() {
            let one = one(self, inst);
            sum = (sum.0 + one.0, sum.1 + one.1);
            let part = &mut self.parts[inst];
            if measured {
                part.measured = (part.measured.0 + one.0, part.measured.1 + one.1);
            }
            let known = part.run.push(one);
            self.mark(known, Full::One(inst as u32));
        }
        let known = self.all.push(sum);
        self.mark(known, Full::All);
    }

    /// Who was full in the last windows: all, or else the first of those that were.
    fn mark(&mut self, windows: usize, who: Full) {
        let from = self.full.len() - windows;
        for full in &mut self.full[from..] {
            *full = match (*full, who) {
                (Some(Full::One(known)), Full::One(one)) => Some(Full::One(known.min(one))),
                (Some(Full::All), _) | (_, Full::All) => Some(Full::All),
                (None, one) => Some(one),
            };
        }
    }

    /// There are no more windows than these.
    fn end(&mut self, windows: usize) {
        for inst in 0..self.parts.len() {
            if self.parts[inst].run.is_all(windows) {
                self.mark(windows, Full::One(inst as u32));
            }
        }
        if self.all.is_all(windows) {
            self.mark(windows, Full::All);
        }
    }

    /// What an instance held and what there was between two books; `row` is where, among so many further things.
    fn between(
        &self,
        (before, after, length): (&NodeSnapshot, &NodeSnapshot, u64),
        row: Option<(usize, usize)>,
        inst: usize,
    ) -> (f64, f64) {
        let books = |node: &NodeSnapshot| node.instances.get(inst).copied().unwrap_or_default();
        let (then, now) = (books(before), books(after));
        let held = |node: &NodeSnapshot, books: InstanceBooks| match row {
            None => books.busy,
            Some((row, rows)) => node.held.get(inst * rows + row).copied().unwrap_or_default(),
        };
        let (earlier, later) = (held(before, then), held(after, now));
        // Most of the time nothing changes, and large numbers take time to become floats.
        let less = |b: u128, a: u128| if a == b { 0.0 } else { b as f64 - a as f64 };
        let down = if self.about.each { less(now.down, then.down) } else { 0.0 };
        let up = (length as f64 - down).max(0.0);
        let held = if self.about.sampled { later as f64 * up } else { less(later, earlier) };
        (held, self.about.capacity * up)
    }
}

/// How full links were, window by window: each way of one, and within it each pair of places.
#[derive(Debug, Default)]
pub(super) struct LinkWindows(BTreeMap<LineOf, Way>);

#[derive(Debug)]
struct Way {
    thing: Thing,
    /// What of each was used until the last window ended, ns.
    used: Vec<u128>,
}

impl Way {
    /// Of so many pairs of places, and nothing yet.
    fn new(pairs: usize) -> Self {
        let about = Bounded { name: String::new(), capacity: 1.0, each: true, sampled: false };
        let parts = vec![Part::default(); pairs];
        let thing = Thing { about, parts, all: Run::default(), full: Vec::new() };
        Self { thing, used: vec![0; pairs] }
    }
}

impl LinkWindows {
    /// A window of so many ns ends, until which so much was used, ns; `measured`: it lies in the measured span.
    pub(super) fn push(&mut self, used: BTreeMap<LineOf, Vec<u128>>, length: u64, measured: bool) {
        for (of, used) in used {
            let way = self.0.entry(of).or_insert_with(|| Way::new(used.len()));
            let before = std::mem::replace(&mut way.used, used);
            let used = &way.used;
            way.thing.push_each(measured, |_, i| ((used[i] - before[i]) as f64, length as f64));
        }
    }

    /// What was used of one way of a link.
    pub(super) fn held(&mut self, of: LineOf) -> Held {
        let Some(Way { mut thing, .. }) = self.0.remove(&of) else { return Held::default() };
        thing.end(thing.full.len());
        let instances = thing.parts.iter().map(|part| part.measured).collect();
        Held { name: String::new(), capacity: thing.about.capacity, instances, full: thing.full }
    }
}

/// What a node did between two books.
fn window(before: &NodeSnapshot, after: &NodeSnapshot) -> NodeWindow {
    let sum =
        |n: &NodeSnapshot, f: fn(&InstanceBooks) -> u128| n.instances.iter().map(f).sum::<u128>();
    let lookups = |n: &NodeSnapshot| {
        let each = n.instances.iter().map(|b| (b.cache.lookups, b.cache.hits));
        each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    };
    let (then, now) = (lookups(before), lookups(after));
    NodeWindow {
        busy: sum(after, |b| b.busy) - sum(before, |b| b.busy),
        in_system: after.in_system - before.in_system,
        in_queue: sum(after, |b| b.in_queue) - sum(before, |b| b.in_queue),
        depth: sum(after, |b| b.depth) - sum(before, |b| b.depth),
        arrivals: after.arrivals - before.arrivals,
        departures: after.departures - before.departures,
        down: after.uptime.down - before.uptime.down,
        off: after.uptime.off - before.uptime.off,
        outcomes: since(&after.outcomes, &before.outcomes),
        causes: causes_since(&after.causes, &before.causes),
        lookups: (now.0 - then.0, now.1 - then.1),
        shares: shares(after, before),
        environments: after.environments.since(before.environments),
    }
}

/// Arrivals at the instances of a node, and at the one that got most.
fn shares(after: &NodeSnapshot, before: &NodeSnapshot) -> (u64, u64) {
    let earlier = before.instances.iter().map(|b| b.arrivals).chain(std::iter::repeat(0));
    let each = after.instances.iter().zip(earlier).map(|(b, earlier)| b.arrivals - earlier);
    each.fold((0, 0), |(all, most), n| (all + n, most.max(n)))
}

/// What was counted after `earlier`.
pub(super) fn since(later: &Tally, earlier: &Tally) -> Tally {
    std::array::from_fn(|i| later[i] - earlier[i])
}

/// The causes that were noted after `earlier`.
pub(super) fn causes_since(
    later: &BTreeMap<Cause, u64>,
    earlier: &BTreeMap<Cause, u64>,
) -> BTreeMap<Cause, u64> {
    let new = later.iter().map(|(&cause, n)| (cause, n - earlier.get(&cause).unwrap_or(&0)));
    new.filter(|(_, n)| *n > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The windows in which instances with these shares are full, `a`: all of them.
    fn full(instances: &[&[f64]]) -> String {
        let about = Bounded { name: "cores".into(), capacity: 1.0, each: true, sampled: false };
        let mut node = NodeWindows::new(vec![about], true, (instances.len(), 8));
        let mut before = NodeSnapshot::default();
        for w in 0..instances[0].len() {
            let mut after = NodeSnapshot {
                instances: vec![InstanceBooks::default(); instances.len()],
                ..NodeSnapshot::default()
            };
            for (inst, shares) in instances.iter().enumerate() {
                let held = before.instances.get(inst).map_or(0, |books| books.busy);
                after.instances[inst].busy = held + (1000.0 * shares[w]) as u128;
            }
            node.push((&before, 1000 * w as u64), (&after, 1000 * (w as u64 + 1)), true);
            before = after;
        }
        let held = node.held((&NodeSnapshot::default(), 0), (&before, 1000));
        let sign = |full: &Option<Full>| match full {
            None => '.',
            Some(Full::All) => 'a',
            Some(Full::One(inst)) => char::from_digit(*inst, 10).unwrap(),
        };
        held[0].full.iter().map(sign).collect()
    }

    #[test]
    fn only_what_lasts_is_full() {
        assert_eq!(full(&[&[1.0, 1.0, 0.5, 0.95, 1.0, 0.96, 0.94, 1.0]]), "...aaa..");
        assert_eq!(full(&[&[0.1, 1.0, 1.0, 1.0]]), ".aaa");
        // Of a run of two windows two are all there is.
        assert_eq!(full(&[&[1.0, 1.0]]), "aa");
        assert_eq!(full(&[&[1.0, 0.9]]), "..");
    }

    #[test]
    fn of_several_that_are_full_the_first_is_named() {
        let (idle, busy) = (0.1, 1.0);
        // The second is known to be full before the first is.
        let first: &[f64] = &[idle, idle, busy, busy, busy, idle];
        let second: &[f64] = &[busy, busy, busy, busy, idle, idle];
        assert_eq!(full(&[first, second, &[idle; 6]]), "11000.");
        assert_eq!(full(&[first, second]), "11000.");
        assert_eq!(full(&[&[busy; 4], &[busy, busy, busy, idle]]), "aaa0");
    }
}
