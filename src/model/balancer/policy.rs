//! How a balancer chooses among the instances of its pool.
//!
//! **Invariant.** A choice reads only what this balancer's own messages told it.

use std::collections::BTreeMap;

use super::Policy;
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
    turn: Vec<u32>,
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
    /// A chooser over groups of so many instances.
    pub fn new(policy: Policy, sizes: &[u32]) -> Self {
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
        Self {
            turn: vec![0; groups.len()],
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
            return self.choose_among((group, key), now, draw, |_| true);
        }
        let (first, n) = self.groups[group];
        let offset = match self.policy {
            Policy::RoundRobin => {
                let at = self.turn[group];
                self.turn[group] = if at + 1 == n { 0 } else { at + 1 };
                at as usize
            }
            Policy::Random => draw.below(u64::from(n)) as usize,
            Policy::LeastRequests => self.least(group),
            Policy::PowerOfD(d) => {
                power_of_d(n, d, draw, |i| self.outstanding[(first + i) as usize])
            }
            Policy::PeakEwma => two_choices(n, draw, |i| self.cost((first + i) as usize, now)),
            Policy::ConsistentHash(_)
            | Policy::BoundedHash(..)
            | Policy::Rendezvous
            | Policy::Sticky => {
                return self.choose_among((group, key), now, draw, |_| true);
            }
        };
        Some(self.taken(group, first as usize + offset))
    }

    #[inline(always)]
    fn taken(&mut self, group: usize, index: usize) -> usize {
        self.outstanding[index] += 1;
        if let Some(tree) = self.trees.get_mut(group) {
            tree.set(index - self.groups[group].0 as usize, self.outstanding[index]);
        }
        index
    }

    /// Among those alive that are wanted, in the group whose weight was drawn or in the next group
    /// that has any.
    #[cold]
    pub fn choose_among(
        &mut self,
        (group, key): (usize, u64),
        now: u64,
        draw: &mut Draw,
        wanted: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let groups = self.groups.len();
        let of = |g: usize| -> Vec<u32> {
            let (first, n) = self.groups[g];
            let all = self.live[g].clone().unwrap_or_else(|| (first..first + n).collect());
            all.into_iter().filter(|&i| wanted(i as usize)).collect()
        };
        if let Some(&index) = self.sessions.get(&key) {
            let at = index as usize;
            let group = self.group_of(at);
            let live = self.live[group].as_ref().is_none_or(|l| l.binary_search(&index).is_ok());
            if live && wanted(at) {
                return Some(self.taken(group, at));
            }
        }
        let mut from_here = (0..groups).map(|i| (group + i) % groups).map(|g| (g, of(g)));
        let (group, live) = from_here.find(|(_, live)| !live.is_empty())?;
        let n = live.len() as u32;
        let at = |i: u32| live[i as usize] as usize;
        let position = match self.policy {
            Policy::RoundRobin | Policy::Sticky => {
                let turn = self.turn[group] % n;
                self.turn[group] = turn + 1;
                turn as usize
            }
            Policy::Random => draw.below(u64::from(n)) as usize,
            Policy::LeastRequests => {
                let least = (0..n).min_by_key(|&i| (self.outstanding[at(i)], i));
                least.map_or(0, |i| i as usize)
            }
            Policy::PowerOfD(d) => power_of_d(n, d, draw, |i| self.outstanding[at(i)]),
            Policy::PeakEwma => two_choices(n, draw, |i| self.cost(at(i), now)),
            Policy::Rendezvous => {
                let hash = |i: u32| mix(mix(u64::from(live[i as usize]) + 1) ^ key);
                (0..n).max_by_key(|&i| hash(i)).map_or(0, |i| i as usize)
            }
            Policy::ConsistentHash(_) | Policy::BoundedHash(..) => {
                self.on_ring((group, key), &live)
            }
        };
        let index = live[position] as usize;
        if self.policy == Policy::Sticky {
            self.sessions.insert(key, index as u32);
        }
        Some(self.taken(group, index))
    }

    /// The place in `live` (in ascending order) of the first on the ring that is not overloaded.
    fn on_ring(&self, (group, key): (usize, u64), live: &[u32]) -> usize {
        let first = self.groups[group].0;
        let most = if let Policy::BoundedHash(_, c) = self.policy {
            let all: u64 = live.iter().map(|&i| u64::from(self.outstanding[i as usize])).sum();
            (c * (all + 1) as f64 / live.len() as f64).ceil() as u32
        } else {
            u32::MAX
        };
        let place = |i: u16| live.binary_search(&(first + u32::from(i))).ok();
        let fits = |i: u16| place(i).is_some_and(|at| self.outstanding[live[at] as usize] < most);
        self.rings[group].find(key, fits).and_then(place).unwrap_or(0)
    }

    /// Has only some chosen from now on: `live` says who of a group, `None` all.
    pub fn restrict(&mut self, live: impl Fn(std::ops::Range<u32>) -> Option<Vec<u32>>) {
        self.live = self.groups.iter().map(|&(first, n)| live(first..first + n)).collect();
        self.restricted = self.live.iter().any(Option::is_some);
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

    /// Nothing is outstanding any more.
    pub fn reset(&mut self) {
        let sizes: Vec<u32> = self.groups.iter().map(|g| g.1).collect();
        *self = Self::new(self.policy.clone(), &sizes);
    }

    /// A choice is not made after all.
    #[inline(always)]
    pub fn called_back(&mut self, index: usize) {
        self.outstanding[index] -= 1;
        if !self.trees.is_empty() {
            let group = self.group_of(index);
            let offset = index - self.groups[group].0 as usize;
            self.trees[group].set(offset, self.outstanding[index]);
        }
    }

    fn group_of(&self, index: usize) -> usize {
        self.groups.partition_point(|g| g.0 as usize <= index) - 1
    }

    #[inline(always)]
    fn least(&self, group: usize) -> usize {
        let (first, n) = self.groups[group];
        if !self.trees.is_empty() {
            return self.trees[group].least();
        }
        let counts = &self.outstanding[first as usize..(first + n) as usize];
        // Count and index in one word: the least is the lowest index among the least counts.
        let best = counts.iter().enumerate().map(|(i, &c)| u64::from(c) << 32 | i as u64).min();
        best.map_or(0, |word| word as u32 as usize)
    }
}

/// Of `d` distinct ones of `n`, drawn by a partial Fisher-Yates shuffle kept in a small list of swaps,
/// one with the least load; ties at random.
fn power_of_d(n: u32, d: u32, draw: &mut Draw, load: impl Fn(u32) -> u32) -> usize {
    let mut swaps: [(u32, u32); 16] = [(0, 0); 16];
    let d = d.min(n).min(16);
    let mut best = (u32::MAX, 0);
    let mut ties = 0;
    for i in 0..d {
        let j = i + draw.below(u64::from(n - i)) as u32;
        let at = |k: u32| swaps[..i as usize].iter().rev().find(|s| s.0 == k).map_or(k, |s| s.1);
        let (picked, displaced) = (at(j), at(i));
        swaps[i as usize] = (j, displaced);
        let load = load(picked);
        if load < best.0 {
            best = (load, picked);
            ties = 1;
        } else if load == best.0 {
            ties += 1;
            if draw.below(ties) == 0 {
                best.1 = picked;
            }
        }
    }
    best.1 as usize
}

/// The cheaper of two distinct ones of `n`.
fn two_choices(n: u32, draw: &mut Draw, cost: impl Fn(u32) -> f64) -> usize {
    if n == 1 {
        return 0;
    }
    let a = draw.below(u64::from(n)) as u32;
    let b = (a + 1 + draw.below(u64::from(n - 1)) as u32) % n;
    (if cost(b) < cost(a) { b } else { a }) as usize
}

fn decay(elapsed: u64) -> f64 {
    libm::exp(-(elapsed as f64) / EWMA_TAU)
}

/// A tournament tree: index of the least count, lowest index on ties, in O(log n). Eight words that are
/// compared with one another lie in one cache line: what is written on the way up is what is read.
#[derive(Clone, Debug)]
struct MinTree {
    /// Level by level, the leaves first; count (high half) and index of the least leaf below.
    matches: Vec<Match>,
    /// Where each level begins.
    levels: Vec<usize>,
    least: u64,
}

/// Words that are compared with one another.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Match([u64; 8]);

impl Match {
    #[inline(always)]
    fn least(&self) -> u64 {
        let w = &self.0;
        let pairs = [w[0].min(w[1]), w[2].min(w[3]), w[4].min(w[5]), w[6].min(w[7])];
        pairs[0].min(pairs[1]).min(pairs[2].min(pairs[3]))
    }
}

impl MinTree {
    fn new(n: usize) -> Self {
        let (mut matches, mut levels) = (Vec::new(), Vec::new());
        let mut words: Vec<u64> = (0..n as u64).collect();
        while words.len() > 1 || levels.is_empty() {
            levels.push(matches.len());
            let filled = words.chunks(8).map(|chunk| {
                let mut full = [u64::MAX; 8];
                full[..chunk.len()].copy_from_slice(chunk);
                Match(full)
            });
            matches.extend(filled);
            let level = levels[levels.len() - 1];
            words = matches[level..].iter().map(Match::least).collect();
        }
        Self { matches, levels, least: 0 }
    }

    #[inline(always)]
    fn least(&self) -> usize {
        self.least as u32 as usize
    }

    #[inline(always)]
    fn set(&mut self, index: usize, count: u32) {
        let mut at = index;
        let mut word = u64::from(count) << 32 | index as u64;
        for &level in &self.levels {
            let met = &mut self.matches[level + at / 8];
            if met.0[at % 8] == word {
                return;
            }
            met.0[at % 8] = word;
            word = met.least();
            at /= 8;
        }
        self.least = word;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::random::Stream;

    #[test]
    fn the_tree_finds_what_a_scan_finds() {
        let stream = Stream::new(5, "tree", "test");
        for n in [1usize, 8, 9, 33, 64, 100, 500, 5000] {
            let mut counts = vec![0u32; n];
            let mut tree = MinTree::new(n);
            for step in 0..2000u64 {
                let mut draw = stream.draw(step + 10_000 * n as u64);
                let i = draw.below(n as u64) as usize;
                counts[i] = draw.below(5) as u32;
                tree.set(i, counts[i]);
                let least = *counts.iter().min().unwrap();
                assert_eq!(tree.least(), counts.iter().position(|&c| c == least).unwrap());
            }
        }
    }

    #[test]
    fn power_of_d_draws_distinct_instances_uniformly() {
        let stream = Stream::new(6, "pod", "test");
        let mut chooser = Chooser::new(Policy::PowerOfD(3), &[5]);
        // Instances 0 and 1 are loaded; with d = 3 of 5 distinct, one of 2, 3, 4 is always seen.
        chooser.outstanding = vec![9, 9, 0, 0, 0];
        let mut seen = [0u32; 5];
        for i in 0..30_000 {
            let index = chooser.choose((0, 0), 0, &mut stream.draw(i)).unwrap();
            chooser.done(index, 0, 0);
            seen[index] += 1;
        }
        assert_eq!((seen[0], seen[1]), (0, 0));
        for &n in &seen[2..] {
            assert!((9_500..10_500).contains(&n), "ties are broken at random: {seen:?}");
        }
    }

    #[test]
    fn round_robin_takes_turns_and_least_requests_the_lowest() {
        let mut draw = Stream::new(1, "x", "y").draw(0);
        let mut rr = Chooser::new(Policy::RoundRobin, &[3]);
        assert_eq!(
            (0..5).map(|_| rr.choose((0, 0), 0, &mut draw).unwrap()).collect::<Vec<_>>(),
            [0, 1, 2, 0, 1]
        );
        let mut lr = Chooser::new(Policy::LeastRequests, &[3]);
        assert_eq!(
            (0..4).map(|_| lr.choose((0, 0), 0, &mut draw).unwrap()).collect::<Vec<_>>(),
            [0, 1, 2, 0]
        );
        lr.done(1, 0, 5);
        assert_eq!(lr.choose((0, 0), 5, &mut draw), Some(1));
    }

    #[test]
    fn keys_stay_where_they_are_and_bounded_loads_are_bounded() {
        let mut draw = Stream::new(1, "x", "y").draw(0);
        for policy in
            [Policy::ConsistentHash(100), Policy::Rendezvous, Policy::BoundedHash(100, 1000.0)]
        {
            let mut chooser = Chooser::new(policy.clone(), &[5, 6]);
            let mut moved = 0;
            for key in 0..5000 {
                let was = chooser.choose((0, key), 0, &mut draw).unwrap();
                assert_eq!(chooser.choose((0, key), 0, &mut draw), Some(was), "{policy}");
                let larger = chooser.choose((1, key), 0, &mut draw).unwrap();
                (0..2).for_each(|_| chooser.called_back(was));
                chooser.called_back(larger);
                moved += u32::from(policy != Policy::Rendezvous && larger - 5 != was);
                // Without it, its keys go elsewhere and nobody else's move.
                chooser.restrict(|all| Some(all.filter(|&i| i != 2).collect()));
                let now = chooser.choose((0, key), 0, &mut draw).unwrap();
                assert!(if was == 2 { now != 2 } else { now == was }, "{policy} {key}");
                chooser.called_back(now);
                chooser.restrict(|_| None);
            }
            assert!(moved < 1200, "{policy}: {moved} of 5000 keys move to a sixth instance");
        }
        let mut chooser = Chooser::new(Policy::BoundedHash(100, 1.25), &[4]);
        for n in 1..=1000u32 {
            chooser.choose((0, 7), 0, &mut draw);
            let most = *chooser.outstanding.iter().max().unwrap();
            assert!(f64::from(most) <= (1.25 * f64::from(n) / 4.0).ceil(), "{n}: {most}");
        }
    }
}
