//! How a balancer chooses among the instances of its pool.
//!
//! **Invariant.** A choice reads only what this balancer's own messages told it.

use std::collections::BTreeMap;

use super::{
    Policy,
    tree::{Living, MinTree},
};
use crate::{
    engine::random::{Draw, mix},
    model::ring::Ring,
};

/// Instances from which least-requests keeps a tournament tree instead of scanning.
const TREE_FROM: usize = 16;

/// Decay time of peak-EWMA, ns.
const EWMA_TAU: f64 = 10e9;

/// What a balancer knows of one instance.
#[derive(Clone, Copy, Debug, Default)]
struct Ewma {
    cost: f64,
    stamp: u64,
}

/// State of a policy over a pool of instances.
#[derive(Clone, Debug)]
pub struct Chooser {
    policy: Policy,
    /// First index and number of instances of each group (a weight picks the group).
    groups: Vec<(u32, u32)>,
    outstanding: Vec<u32>,
    /// In each group: whose turn it is, the next after the one chosen last. What takes turns goes on
    /// from there, and ties are broken by it.
    turn: Vec<u32>,
    /// The turns of those who stand in for one that starts slowly: a pass of its own, or the neighbour
    /// of the slow one would get all that it leaves.
    stand_in: Vec<u32>,
    /// What each group is owed (`round_robin(smooth=true)`).
    owed: Vec<f64>,
    ewma: Vec<Ewma>,
    trees: Vec<MinTree>,
    /// Of each group, for policies that need one.
    rings: Vec<Ring>,
    /// Of each group, those who may be chosen; `None`: all.
    live: Vec<Option<Vec<u32>>>,
    restricted: bool,
    /// Where sessions stay (`sticky`).
    sessions: BTreeMap<u64, u32>,
}

impl Chooser {
    /// A chooser over groups of so many instances. In each it begins at a place that `place` stands
    /// for, or all balancers of a tier would send their first requests to the same instances.
    pub fn new(policy: Policy, sizes: &[u32], place: u64) -> Self {
        let mut first = 0;
        let groups: Vec<(u32, u32)> = sizes
            .iter()
            .map(|&n| {
                first += n;
                (first - n, n)
            })
            .collect();
        let n = first as usize;
        let large = groups.iter().any(|g| g.1 as usize > TREE_FROM);
        let trees = if policy == Policy::LeastRequests && large {
            groups.iter().map(|g| MinTree::new(g.1 as usize)).collect()
        } else {
            Vec::new()
        };
        let turn: Vec<u32> = sizes.iter().map(|&n| (place % u64::from(n.max(1))) as u32).collect();
        Self {
            stand_in: turn.clone(),
            turn,
            owed: vec![0.0; groups.len()],
            rings: match policy {
                Policy::ConsistentHash(points) | Policy::BoundedHash(points, _) => {
                    sizes.iter().map(|&n| Ring::new(n as u16, points, 0)).collect()
                }
                _ => Vec::new(),
            },
            live: vec![None; groups.len()],
            restricted: false,
            sessions: BTreeMap::new(),
            policy,
            groups,
            outstanding: vec![0; n],
            ewma: vec![Ewma::default(); n],
            trees,
        }
    }

    /// The instance (index in the pool) for the next request of a group with this key (`sticky`: of
    /// this session); counts it as outstanding.
    #[inline(always)]
    pub fn choose(
        &mut self,
        (group, key): (usize, u64),
        now: u64,
        draw: &mut Draw,
    ) -> Option<usize> {
        if self.restricted {
            return self.choose_alive((group, key), now, draw);
        }
        let (first, n) = self.groups[group];
        let offset = match self.policy {
            Policy::RoundRobin(_) => self.turn[group] as usize,
            Policy::Random => draw.below(u64::from(n)) as usize,
            Policy::First => 0,
            Policy::LeastRequests => self.least(group),
            Policy::PowerOfD { d, replace } => {
                let load = |i| self.outstanding[(first + i) as usize];
                power_of_d((n, d, replace), draw, load, |i| self.after(group, first + i))
            }
            Policy::PeakEwma => {
                let cost = |i| self.cost((first + i) as usize, now);
                two_choices(n, draw, cost, |i| self.after(group, first + i))
            }
            Policy::ConsistentHash(_)
            | Policy::BoundedHash(..)
            | Policy::Rendezvous
            | Policy::Sticky => {
                return self.choose_alive((group, key), now, draw);
            }
        };
        Some(self.taken(group, first as usize + offset))
    }

    #[inline(always)]
    fn taken(&mut self, group: usize, index: usize) -> usize {
        self.outstanding[index] += 1;
        let (first, n) = self.groups[group];
        let next = index as u32 - first + 1;
        self.turn[group] = if next == n { 0 } else { next };
        if self.restricted && !self.trees.is_empty() {
            self.note(index);
        } else if let Some(tree) = self.trees.get_mut(group) {
            tree.set(index - first as usize, self.outstanding[index]);
        }
        index
    }

    /// How many have their turn before this one.
    #[inline(always)]
    fn after(&self, group: usize, index: u32) -> u32 {
        let (first, n) = self.groups[group];
        let (at, turn) = (index - first, self.turn[group]);
        if at < turn { at + n - turn } else { at - turn }
    }

    /// Whether not all may be chosen.
    #[inline(always)]
    pub fn is_restricted(&self) -> bool {
        self.restricted
    }

    /// Those of a group that may be chosen.
    fn living(&self, group: usize) -> Living<'_> {
        let (first, n) = self.groups[group];
        match &self.live[group] {
            None => Living::All(first, n),
            Some(these) => Living::These(these),
        }
    }

    /// Whether a group has anybody alive that is wanted.
    pub fn has_any(&self, group: usize, wanted: impl Fn(usize) -> bool) -> bool {
        let living = self.living(group);
        (0..living.len()).any(|i| wanted(living.at(i) as usize))
    }

    /// The group that is owed most, of those that fit, by weights (as sums up to each): Igor Sysoev's
    /// smooth weighted round robin, as in nginx.
    pub fn smooth(
        &mut self,
        weights: &[f64],
        fits: impl Fn(&Self, usize) -> bool,
    ) -> Option<usize> {
        let fit: Vec<usize> = (0..weights.len()).filter(|&g| fits(self, g)).collect();
        let weight = |g: usize| weights[g] - if g == 0 { 0.0 } else { weights[g - 1] };
        for &g in &fit {
            self.owed[g] += weight(g);
        }
        // Shares of one are no exact numbers: what differs by less than a rounding is a tie.
        let more = |best: usize, &g: &usize| {
            if self.owed[g] > self.owed[best] + 1e-9 { g } else { best }
        };
        let (&first, rest) = fit.split_first()?;
        let most = rest.iter().fold(first, more);
        self.owed[most] -= fit.iter().map(|&g| weight(g)).sum::<f64>();
        Some(most)
    }

    /// One that stands in for a target that starts slowly.
    #[cold]
    pub fn choose_instead(
        &mut self,
        by: (usize, u64),
        now: u64,
        draw: &mut Draw,
        wanted: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        std::mem::swap(&mut self.turn, &mut self.stand_in);
        let chosen = self.choose_among(by, now, draw, wanted);
        std::mem::swap(&mut self.turn, &mut self.stand_in);
        chosen
    }

    /// Where a session stays, whichever group that is in, if it may.
    fn stays(&self, key: u64, wanted: impl Fn(usize) -> bool) -> Option<usize> {
        let &index = self.sessions.get(&key)?;
        let at = index as usize;
        let live = self.living(self.group_of(at)).place(index).is_some();
        (live && wanted(at)).then_some(at)
    }

    /// Among those of a group that are alive.
    #[cold]
    fn choose_alive(&mut self, by: (usize, u64), now: u64, draw: &mut Draw) -> Option<usize> {
        let (group, key) = by;
        if let Some(at) = self.stays(key, |_| true) {
            return Some(self.taken(self.group_of(at), at));
        }
        let living = self.living(group);
        if living.len() == 0 {
            return None;
        }
        let index = match self.trees.get(group) {
            // The tree knows who is not.
            Some(tree) => self.groups[group].0 + tree.least_from(self.turn[group] as usize) as u32,
            None => living.at(self.pick(by, living, now, draw)),
        };
        Some(self.settled(by, index))
    }

    /// Among those of a group that are alive and wanted.
    #[cold]
    pub fn choose_among(
        &mut self,
        by: (usize, u64),
        now: u64,
        draw: &mut Draw,
        wanted: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let (group, key) = by;
        if let Some(at) = self.stays(key, &wanted) {
            return Some(self.taken(self.group_of(at), at));
        }
        let living = self.living(group);
        let some = (0..living.len()).map(|i| living.at(i)).filter(|&i| wanted(i as usize));
        let some: Vec<u32> = some.collect();
        if some.is_empty() {
            return None;
        }
        let index = some[self.pick(by, Living::These(&some), now, draw) as usize];
        Some(self.settled(by, index))
    }

    /// It is chosen; a session stays there.
    fn settled(&mut self, (group, key): (usize, u64), index: u32) -> usize {
        if self.policy == Policy::Sticky {
            self.sessions.insert(key, index);
        }
        self.taken(group, index as usize)
    }

    /// Which of these, of whom there is one at least.
    fn pick(
        &self,
        (group, key): (usize, u64),
        these: Living<'_>,
        now: u64,
        draw: &mut Draw,
    ) -> u32 {
        let n = these.len();
        let load = |i: u32| self.outstanding[these.at(i) as usize];
        let after = |i: u32| self.after(group, these.at(i));
        match self.policy {
            Policy::RoundRobin(_) | Policy::Sticky => {
                these.first_from(self.groups[group].0 + self.turn[group])
            }
            Policy::Random => draw.below(u64::from(n)) as u32,
            Policy::First => 0,
            Policy::LeastRequests => {
                (0..n).min_by_key(|&i| (load(i), after(i))).expect("there is one")
            }
            Policy::PowerOfD { d, replace } => {
                power_of_d((n, d, replace), draw, load, after) as u32
            }
            Policy::PeakEwma => {
                two_choices(n, draw, |i| self.cost(these.at(i) as usize, now), after) as u32
            }
            Policy::Rendezvous => {
                let hash = |i: u32| mix(mix(u64::from(these.at(i)) + 1) ^ key);
                (0..n).max_by_key(|&i| hash(i)).expect("there is one")
            }
            Policy::ConsistentHash(_) | Policy::BoundedHash(..) => {
                self.on_ring((group, key), these)
            }
        }
    }

    /// The place among these of the first on the ring that is not overloaded.
    fn on_ring(&self, (group, key): (usize, u64), these: Living<'_>) -> u32 {
        let first = self.groups[group].0;
        let load = |i: u32| self.outstanding[these.at(i) as usize];
        let most = if let Policy::BoundedHash(_, c) = self.policy {
            let all: u64 = (0..these.len()).map(|i| u64::from(load(i))).sum();
            (c * (all + 1) as f64 / f64::from(these.len())).ceil() as u32
        } else {
            u32::MAX
        };
        let place = |i: u16| these.place(first + u32::from(i));
        let fits = |i: u16| place(i).is_some_and(|at| load(at) < most);
        self.rings[group].find(key, fits).and_then(place).unwrap_or(0)
    }

    /// Has only some chosen from now on: `live` says who of a group, `None` all.
    pub fn restrict(&mut self, live: impl Fn(std::ops::Range<u32>) -> Option<Vec<u32>>) {
        self.live = self.groups.iter().map(|&(first, n)| live(first..first + n)).collect();
        self.restricted = self.live.iter().any(Option::is_some);
        if !self.trees.is_empty() {
            (0..self.outstanding.len()).for_each(|index| self.note(index));
        }
    }

    /// The tree learns what is outstanding at an instance; who may not be chosen comes last.
    #[cold]
    fn note(&mut self, index: usize) {
        let group = self.group_of(index);
        let may = !self.restricted || self.living(group).place(index as u32).is_some();
        let count = if may { self.outstanding[index] } else { u32::MAX };
        let offset = index - self.groups[group].0 as usize;
        self.trees[group].set(offset, count);
    }

    /// What peak-EWMA compares.
    fn cost(&self, index: usize, now: u64) -> f64 {
        let e = &self.ewma[index];
        e.cost * decay(now - e.stamp) * f64::from(self.outstanding[index] + 1)
    }

    /// A request chosen at `sent` is not outstanding any more.
    #[inline(always)]
    pub fn done(&mut self, index: usize, sent: u64, now: u64) {
        self.called_back(index);
        if self.policy == Policy::PeakEwma {
            let e = &mut self.ewma[index];
            let rtt = (now - sent) as f64;
            // A peak is believed at once, calm only slowly (tower: load/peak_ewma).
            e.cost = if rtt > e.cost { rtt } else { rtt + (e.cost - rtt) * decay(now - e.stamp) };
            e.stamp = now;
        }
    }

    /// Nothing is outstanding any more; it begins anew, at this place.
    pub fn reset(&mut self, place: u64) {
        let sizes: Vec<u32> = self.groups.iter().map(|g| g.1).collect();
        *self = Self::new(self.policy.clone(), &sizes, place);
    }

    /// What is outstanding at a target is not counted any more.
    #[cold]
    pub fn discount(&mut self, index: usize) {
        while self.outstanding[index] > 0 {
            self.called_back(index);
        }
    }

    /// One is outstanding at a target that was not chosen.
    #[cold]
    pub fn sent(&mut self, index: usize) {
        self.outstanding[index] += 1;
    }

    /// Those of a group, whether they may be chosen or not.
    pub fn all_of(&self, group: usize) -> std::ops::Range<usize> {
        let (first, n) = self.groups[group];
        first as usize..(first + n) as usize
    }

    /// How many are outstanding at a target.
    pub fn outstanding(&self, index: usize) -> u32 {
        self.outstanding[index]
    }

    /// A choice is not made after all.
    #[inline(always)]
    pub fn called_back(&mut self, index: usize) {
        self.outstanding[index] -= 1;
        if self.restricted && !self.trees.is_empty() {
            self.note(index);
        } else if !self.trees.is_empty() {
            let group = self.group_of(index);
            let offset = index - self.groups[group].0 as usize;
            self.trees[group].set(offset, self.outstanding[index]);
        }
    }

    /// The same where what was outstanding may have been forgotten meanwhile.
    #[cold]
    pub fn has_one_less(&mut self, index: usize) {
        if self.outstanding[index] > 0 {
            self.called_back(index);
        }
    }

    fn group_of(&self, index: usize) -> usize {
        self.groups.partition_point(|g| g.0 as usize <= index) - 1
    }

    #[inline(always)]
    fn least(&self, group: usize) -> usize {
        let (first, n) = self.groups[group];
        if !self.trees.is_empty() {
            return self.trees[group].least_from(self.turn[group] as usize);
        }
        let counts = &self.outstanding[first as usize..(first + n) as usize];
        // Count and distance from the one in turn in one word: the least is the first in turn of those with
        // the least count. Those before the one in turn wrap round to the far end.
        let turn = self.turn[group];
        let word =
            |(i, &c): (usize, &u32)| u64::from(c) << 32 | u64::from((i as u32).wrapping_sub(turn));
        let best = counts.iter().enumerate().map(word).min().unwrap_or(0);
        (best as u32).wrapping_add(turn) as usize
    }
}

/// Of `d` ones of `n` drawn at random one with the least load, ties in turn. They are distinct, by a
/// partial Fisher-Yates shuffle kept in a small list of swaps, or with `replace` drawn each of all.
fn power_of_d(
    (n, d, replace): (u32, u32, bool),
    draw: &mut Draw,
    load: impl Fn(u32) -> u32,
    after: impl Fn(u32) -> u32,
) -> usize {
    let mut swaps: [(u32, u32); 16] = [(0, 0); 16];
    let d = if replace { d } else { d.min(n) }.min(16);
    let mut best = (u32::MAX, u32::MAX, 0);
    for i in 0..d {
        let picked = if replace {
            draw.below(u64::from(n)) as u32
        } else {
            let j = i + draw.below(u64::from(n - i)) as u32;
            let at =
                |k: u32| swaps[..i as usize].iter().rev().find(|s| s.0 == k).map_or(k, |s| s.1);
            let (picked, displaced) = (at(j), at(i));
            swaps[i as usize] = (j, displaced);
            picked
        };
        best = best.min((load(picked), after(picked), picked));
    }
    best.2 as usize
}

/// The cheaper of two distinct ones of `n`; of equal ones the first in turn.
#[allow(clippy::many_single_char_names, reason = "two instances and their costs, as in the papers")]
fn two_choices(
    n: u32,
    draw: &mut Draw,
    cost: impl Fn(u32) -> f64,
    after: impl Fn(u32) -> u32,
) -> usize {
    if n == 1 {
        return 0;
    }
    let a = draw.below(u64::from(n)) as u32;
    let b = (a + 1 + draw.below(u64::from(n - 1)) as u32) % n;
    let (x, y) = (cost(a), cost(b));
    (if y < x || y == x && after(b) < after(a) { b } else { a }) as usize
}

fn decay(elapsed: u64) -> f64 {
    libm::exp(-(elapsed as f64) / EWMA_TAU)
}

#[cfg(test)]
mod tests;
