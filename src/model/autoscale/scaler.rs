//! How many instances are wanted: a figure of what was measured, the formula, and what holds it back.
//!
//! The order is that of Kubernetes' autoscaler: formula within a tolerance, the highest wish of a while on the way
//! down, limits on what may change at once, bounds.
//!
//! **Invariant.** It reads sums of a while ago and the number of instances it asked for; never what they do now.

use std::collections::VecDeque;

use super::{AutoscaleSpec, LimitSpec, MetricSpec};
use crate::{
    model::queue::counts::Backlog,
    units::{Count, Name},
};

/// Products of measured numbers that miss a whole number by less are that.
const ROUNDING: f64 = 1e-9;

/// Sums of one place from the start of the run, those of who drained left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    /// Integral of busy capacity, unit-ns.
    pub busy: u128,
    /// Integral of requests waiting, request-ns.
    pub in_queue: u128,
    /// Arrivals.
    pub arrivals: u64,
    /// Time nobody was ready there, ns.
    pub out: u128,
}

impl Sums {
    /// What came after `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            busy: self.busy - earlier.busy,
            in_queue: self.in_queue - earlier.in_queue,
            arrivals: self.arrivals - earlier.arrivals,
            out: self.out - earlier.out,
        }
    }

    /// The same and more.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            busy: self.busy + more.busy,
            in_queue: self.in_queue + more.in_queue,
            arrivals: self.arrivals + more.arrivals,
            out: self.out + more.out,
        }
    }
}

/// What is known at an instant.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// When, ns.
    pub at: u64,
    /// The places that have ever been taken.
    pub places: Vec<Sums>,
    /// Integral of visits inside, visit-ns.
    pub in_system: u128,
    /// Integral of what of the messages is looked at, if anything is.
    pub depth: u128,
    /// Visits that have ended, and the time they took, ns.
    pub ended: (u64, u128),
}

impl Reading {
    /// Sums of a place; nobody has been ready where nobody ever was.
    pub fn place(&self, place: usize) -> Sums {
        let never = Sums { out: u128::from(self.at), ..Sums::default() };
        self.places.get(place).copied().unwrap_or(never)
    }
}

/// How many instances there are and whom the figure is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct There {
    /// Booting and ready ones.
    pub all: u64,
    /// Those of them that were ready for the whole window.
    pub old: u64,
}

/// The autoscaler of one node.
#[derive(Clone, Debug)]
pub struct Scaler {
    spec: AutoscaleSpec,
    /// It decides nothing any more.
    frozen: bool,
    /// Of one instance.
    capacity: f64,
    readings: VecDeque<Reading>,
    /// What was wanted, and when, as far back as `stabilise`.
    wishes: VecDeque<(u64, u64)>,
    /// What was wanted by the figure alone, as far back as a period of `predict`.
    reactive: VecDeque<(u64, u64)>,
    /// How many there were, and from when on.
    numbers: VecDeque<(u64, u64)>,
    /// When that last changed.
    changed: Option<u64>,
    /// Since when the figure has been above the target: the start of the first such window.
    above: Option<u64>,
    /// The next time it looks, and the next ones at which what it needs for that is read.
    look: u64,
    reads: [u64; 2],
}

impl Scaler {
    /// It begins with so many instances, of this capacity each.
    pub fn new(spec: &AutoscaleSpec, capacity: f64, start: u64) -> Self {
        let mut scaler = Self {
            capacity,
            frozen: false,
            readings: VecDeque::new(),
            wishes: VecDeque::from([(0, start)]),
            reactive: VecDeque::new(),
            numbers: VecDeque::from([(0, start)]),
            changed: None,
            above: None,
            look: 0,
            reads: [0; 2],
            spec: spec.clone(),
        };
        scaler.plan(0);
        scaler
    }

    /// One that never looks: there are to be so many.
    pub fn idle(start: u64) -> Self {
        let all = Count(start);
        let spec = AutoscaleSpec {
            min: all,
            max: all,
            hold: None,
            metric: None,
            target: None,
            window: None,
            every: None,
            delay: None,
            tolerance: None,
            stabilise: None,
            cooldown: None,
            up: None,
            down: None,
            drain: None,
            steps: Vec::new(),
            schedule: Vec::new(),
            predict: None,
            by: None,
        };
        let never = Self::new(&spec, f64::INFINITY, start);
        Self { frozen: true, look: u64::MAX, reads: [u64::MAX; 2], ..never }
    }

    /// Plans its looks after an instant, at whole times of `every`, and what it reads for them.
    fn plan(&mut self, now: u64) {
        let (every, old) = (self.spec.every(), self.spec.delay());
        let window = old.saturating_add(self.spec.window());
        // Before the run has begun there is nothing to read.
        let next = |old: u64| every * (now.saturating_add(old) / every + 1) - old;
        (self.look, self.reads) = (next(0), [next(old), next(window)]);
    }

    /// It goes by other rules from now on, or does nothing any more.
    pub fn change(&mut self, spec: Option<&AutoscaleSpec>, now: u64) {
        self.frozen = spec.is_none();
        if let Some(spec) = spec.filter(|spec| **spec != self.spec) {
            self.spec = spec.clone();
            self.plan(now);
        }
    }

    /// Who does all this.
    pub fn by(&self) -> Option<&Name> {
        self.spec.by.as_ref()
    }

    /// The queue or log whose messages it goes by, and what of them.
    pub fn backlog(&self) -> Option<(&Name, Backlog)> {
        match &self.spec.metric {
            Some(MetricSpec::Depth(queue)) => Some((queue, Backlog::All)),
            Some(MetricSpec::Age(queue)) => Some((queue, Backlog::Age)),
            Some(MetricSpec::Lag(topic, group)) => Some((topic, Backlog::Of(group.0.clone()))),
            _ => None,
        }
    }

    /// How long an instance drains, ns.
    pub fn drain(&self) -> u64 {
        self.spec.drain()
    }

    /// The next time there is anything to do.
    pub fn next(&self) -> u64 {
        self.look.min(self.reads[0]).min(self.reads[1])
    }

    /// Whether it reads sums at this instant.
    pub fn reads(&mut self, now: u64) -> bool {
        let every = self.spec.every();
        let mut due = false;
        for at in &mut self.reads {
            if *at == now {
                (*at, due) = (now.saturating_add(every), true);
            }
        }
        due
    }

    /// Whether it decides at this instant.
    pub fn looks(&mut self, now: u64) -> bool {
        let due = self.look == now;
        if due {
            self.look = now.saturating_add(self.spec.every());
        }
        due
    }

    /// Keeps what was read.
    pub fn keep(&mut self, reading: Reading) {
        self.readings.push_back(reading);
    }

    /// The window that is looked at: what was known at its start and at its end.
    pub fn window(&mut self, now: u64) -> Option<(Reading, Reading)> {
        let to = now.checked_sub(self.spec.delay())?;
        let from = to.checked_sub(self.spec.window())?;
        while self.readings.front().is_some_and(|reading| reading.at < from) {
            self.readings.pop_front();
        }
        let known = |at: u64| self.readings.iter().find(|reading| reading.at == at).cloned();
        let start = if from == 0 { Some(Reading::default()) } else { known(from) };
        start.zip(known(to))
    }

    /// How many calls wait at the door while nobody is there.
    pub fn hold(&self) -> u64 {
        self.spec.hold.map_or(0, |hold| hold.0)
    }

    /// Calls wait at the door, and nobody is there: whether somebody is to come at once.
    pub fn wakes(&mut self, now: u64) -> bool {
        if !self.frozen {
            self.wishes.push_back((now, 1));
        }
        !self.frozen
    }

    /// The figure of a window per ready instance; none where nobody was ready, or nothing ended. While there are none, what waits
    /// for them at a queue is counted as if there were one.
    pub fn figure(&self, from: &Reading, to: &Reading, all: u64) -> Option<f64> {
        let places = 0..to.places.len();
        let sum = places
            .fold(Sums::default(), |sum, place| sum.plus(to.place(place).since(from.place(place))));
        let length = u128::from(to.at - from.at);
        let ready = match self.backlog() {
            Some(_) if all == 0 => length as f64,
            _ => (length * to.places.len() as u128 - sum.out) as f64,
        };
        if ready <= 0.0 {
            return None;
        }
        match self.spec.metric() {
            MetricSpec::Utilisation => Some(sum.busy as f64 / (self.capacity * ready)),
            MetricSpec::Requests => Some(sum.arrivals as f64 / ready * 1e9),
            MetricSpec::InQueue => Some(sum.in_queue as f64 / ready),
            // Each of them has its part of those that wait.
            MetricSpec::Age(_) => Some((to.depth - from.depth) as f64 / (length as f64 * 1e9)),
            MetricSpec::Depth(_) | MetricSpec::Lag(..) => {
                Some((to.depth - from.depth) as f64 / ready)
            }
            MetricSpec::InSystem => Some((to.in_system - from.in_system) as f64 / ready),
            MetricSpec::ResponseTime => {
                let ended = to.ended.0 - from.ended.0;
                let time = (to.ended.1 - from.ended.1) as f64;
                (ended > 0).then(|| time / ended as f64 / 1e9)
            }
        }
    }

    /// How many the figure asks for.
    fn wish(&self, figure: f64, There { all, old }: There) -> u64 {
        let Some(target) = self.spec.target else { return self.step(figure, all) };
        let (ratio, near) = (figure / target.value(), self.spec.tolerance() + ROUNDING);
        if all == 0 && self.backlog().is_some() {
            return self.first(figure, ratio);
        }
        if old == 0 || (ratio - 1.0).abs() <= near {
            return all;
        }
        let up = |x: f64| (x - ROUNDING).ceil().max(0.0) as u64;
        if ratio < 1.0 {
            return up(old as f64 * ratio).min(all);
        }
        // Who is not ready yet counts as one that does nothing, or those before it would be multiplied once more.
        let ratio = ratio * old as f64 / all as f64;
        if ratio > 1.0 + near { up(all as f64 * ratio) } else { all }
    }

    /// How many are to come while there are none, by what waits for them: one at least, if anything does.
    fn first(&self, figure: f64, ratio: f64) -> u64 {
        match self.spec.metric {
            // However many there are, each of them finds the oldest.
            Some(MetricSpec::Age(_)) => u64::from(figure > 0.0),
            _ => (ratio - ROUNDING).ceil().max(f64::from(figure > 0.0)) as u64,
        }
    }

    /// The same by steps.
    fn step(&self, figure: f64, all: u64) -> u64 {
        let steps = || self.spec.steps.iter();
        let above = steps().filter_map(|step| Some((step.above?.value(), step.add?.0)));
        let below = steps().filter_map(|step| Some((step.below?.value(), step.remove?.0)));
        let add = above.filter(|step| figure > step.0).max_by(|a, b| a.0.total_cmp(&b.0));
        let remove = below.filter(|step| figure < step.0).min_by(|a, b| a.0.total_cmp(&b.0));
        match (add, remove) {
            (Some((_, n)), _) => all.saturating_add(n),
            (None, Some((_, n))) => all.saturating_sub(n),
            (None, None) => all,
        }
    }

    /// Whether a figure asks for more than there are.
    fn is_above(&self, figure: f64) -> bool {
        match self.spec.target {
            Some(target) => figure / target.value() > 1.0 + self.spec.tolerance() + ROUNDING,
            None => self.step(figure, 1) > 1,
        }
    }

    /// How many are wanted now; `seen` is the figure and the start of its window, if there was a whole one.
    pub fn decide(&mut self, now: u64, there: There, seen: Option<(f64, u64)>) -> u64 {
        let all = there.all;
        if self.frozen {
            return all;
        }
        let reactive = seen.map(|(figure, _)| self.wish(figure, there));
        if let Some((figure, from)) = seen {
            self.above = self.is_above(figure).then(|| self.above.unwrap_or(from));
        }
        let wish = reactive.max(self.predicted(now, reactive));
        let wanted = wish.map_or(all, |wish| {
            let stable = self.stabilised(now, wish, all);
            let limited = self.limited(now, stable, all);
            let waits = self.changed.is_some_and(|at| now - at < self.cooldown());
            if waits { all } else { limited }
        });
        let (min, max) = self.spec.bounds(now);
        wanted.clamp(min, max)
    }

    fn cooldown(&self) -> u64 {
        self.spec.cooldown.map_or(0, |cooldown| cooldown.0)
    }

    /// What was wanted one period before the time that is `ahead` of now.
    fn predicted(&mut self, now: u64, reactive: Option<u64>) -> Option<u64> {
        let predict = self.spec.predict?;
        self.reactive.extend(reactive.map(|wish| (now, wish)));
        let then = now.saturating_add(predict.ahead.0).checked_sub(predict.period.0)?;
        while self.reactive.get(1).is_some_and(|next| next.0 <= then) {
            self.reactive.pop_front();
        }
        self.reactive.front().filter(|wish| wish.0 <= then).map(|wish| wish.1)
    }

    /// On the way down the highest wish of the last while counts.
    fn stabilised(&mut self, now: u64, wish: u64, all: u64) -> u64 {
        self.wishes.push_back((now, wish));
        let since = now.saturating_sub(self.spec.stabilise());
        while self.wishes.front().is_some_and(|wish| wish.0 < since) {
            self.wishes.pop_front();
        }
        if wish >= all {
            return wish;
        }
        self.wishes.iter().map(|wish| wish.1).max().unwrap_or(wish).min(all)
    }

    /// As many more, or fewer, as may be within the time of the limit.
    fn limited(&mut self, now: u64, wanted: u64, all: u64) -> u64 {
        let (up, down) = (self.spec.up(), self.spec.down());
        let longest = now.saturating_sub(up.per.0.max(down.per.0));
        while self.numbers.get(1).is_some_and(|next| next.0 <= longest) {
            self.numbers.pop_front();
        }
        let before = |limit: LimitSpec| {
            let then = now.saturating_sub(limit.per.0);
            let known = self.numbers.iter().take_while(|number| number.0 <= then).last();
            known.or(self.numbers.front()).map_or(all, |number| number.1)
        };
        let counted = |limit: LimitSpec| limit.count.map_or(0, |count| count.0);
        let share = |limit: LimitSpec| limit.share.map_or(0.0, |share| share.0);
        let (then, few) = (before(up), before(down));
        let grown = (then as f64 * (1.0 + share(up)) - ROUNDING).ceil() as u64;
        let most = grown.max(then.saturating_add(counted(up)));
        let shrunk = (few as f64 * (1.0 - share(down)) + ROUNDING).floor().max(0.0) as u64;
        let least = shrunk.min(few.saturating_sub(counted(down)));
        wanted.min(most.max(all)).max(least.min(all))
    }

    /// There are so many from now on.
    pub fn note(&mut self, now: u64, all: u64) {
        self.numbers.push_back((now, all));
        self.changed = Some(now);
    }

    /// Since when the figure has been above the target.
    pub fn above(&self) -> Option<u64> {
        self.above
    }
}
