//! What clients saw of keys whose writes are told apart by vectors: several leaders write them beside one another, so that
//! no order of versions says which is the newest (`multi_leader` with version vectors or CRDTs).
//!
//! A write is the n-th of its leader, for its key. A read names how many of each leader's it knows of; it is behind if it
//! does not know of one that had been acknowledged when it was asked.
//!
//! **Invariant.** As in [`super::History`]: it is an observer. It keeps 16 bytes for each write that was acknowledged.

use std::collections::BTreeMap;

use super::{NOBODY, clock::Clock, limit::Limit, sessions::Standing, staleness::Judged};

/// Leaders of a key, at most.
pub const LEADERS: usize = 8;

/// How many writes of each leader, the first ones.
pub type Vector = [u32; LEADERS];

impl Standing for Vector {
    const NOTHING: Self = [0; LEADERS];

    fn misses(&self, other: &Self) -> bool {
        self.iter().zip(other).any(|(mine, theirs)| mine < theirs)
    }

    fn with(mut self, other: Self) -> Self {
        self.iter_mut().zip(other).for_each(|(mine, theirs)| *mine = theirs.max(*mine));
        self
    }
}

/// A write that was acknowledged.
#[derive(Clone, Copy, Debug)]
struct Write {
    /// Its number among those of its leader.
    number: u32,
    /// Who asked for it, as it was told.
    by: u8,
    /// When.
    at: u64,
}

const _: () = assert!(size_of::<Write>() == 16);

/// What is known of a key.
#[derive(Clone, Debug, Default)]
struct Key {
    /// Of each leader: its writes that were acknowledged, in order.
    leaders: [Vec<Write>; LEADERS],
    /// When any was, in order.
    acknowledged: Vec<u64>,
}

/// The writes of the keys of a store.
#[derive(Clone, Debug)]
pub struct Vectors {
    clock: Clock,
    limit: Limit,
    keys: BTreeMap<u64, Key>,
    /// Writes that were given a number and that nobody has been told of: where each stands. A retry has several.
    open: BTreeMap<u64, Vec<(u8, u32)>>,
    /// Acknowledged writes that their leader lost.
    gone: Vec<Write>,
    /// Who asks for the write that is acknowledged next.
    by: u8,
}

impl Key {
    /// The writes of a leader beyond so many.
    fn beyond(&self, leader: usize, known: u32) -> &[Write] {
        let all = &self.leaders[leader];
        &all[all.partition_point(|write| write.number <= known)..]
    }
}

impl Vectors {
    /// Nothing has happened; this share of the keys is followed, in a run of so many ns.
    pub fn new(keys: f64, horizon_ns: u64) -> Self {
        Self {
            clock: Clock::new(horizon_ns),
            limit: Limit::new(keys, u32::MAX),
            keys: BTreeMap::new(),
            open: BTreeMap::new(),
            gone: Vec::new(),
            by: NOBODY,
        }
    }

    /// Who asks for the write that is acknowledged next.
    pub fn asked_by(&mut self, by: u8) {
        self.by = by;
    }

    /// An operation begins: the instant.
    pub fn invoke(&mut self, at_ns: u64) -> u64 {
        self.clock.tick(at_ns)
    }

    /// A write was given a number by its leader.
    pub fn dotted(&mut self, key: u64, version: u64, dot: (u8, u32)) {
        if self.limit.follows(key) {
            self.open.entry(version).or_default().push(dot);
        }
    }

    /// A write was acknowledged by who knows of these: the instant.
    pub fn acknowledged(&mut self, key: u64, version: u64, known: &Vector, at_ns: u64) -> u64 {
        let (now, by) = (self.clock.tick(at_ns), std::mem::replace(&mut self.by, NOBODY));
        let Some(dots) = self.open.remove(&version) else { return now };
        let of = self.keys.entry(key).or_default();
        of.acknowledged.push(now);
        for (leader, number) in dots {
            let leader = usize::from(leader);
            if number <= known[leader] {
                let all = &mut of.leaders[leader];
                // Mostly the last.
                let place = all.partition_point(|write| write.number < number);
                all.insert(place, Write { number, by, at: now });
            }
        }
        now
    }

    /// How far behind a read is that knows of these, and was asked at this instant.
    pub fn read(&self, key: u64, known: &Vector, invoked: u64) -> Judged {
        let nothing = Judged { versions: 0, age_ns: 0, after_ns: None };
        let Some(of) = self.keys.get(&key) else { return nothing };
        let before = of.acknowledged.partition_point(|at| *at < invoked);
        let Some(newest) = before.checked_sub(1).map(|at| of.acknowledged[at]) else {
            return nothing;
        };
        let at_ns = self.clock.ns(invoked);
        let beyond = known.iter().enumerate().flat_map(|(leader, n)| of.beyond(leader, *n));
        let missed = beyond.map(|write| write.at).filter(|at| *at < invoked);
        let (versions, first) = missed.fold((0, u64::MAX), |(n, first), at| (n + 1, first.min(at)));
        Judged {
            versions,
            age_ns: if versions == 0 { 0 } else { at_ns - self.clock.ns(first) },
            after_ns: Some(at_ns - self.clock.ns(newest)),
        }
    }

    /// A leader has lost its writes of a key beyond so many, and gives other numbers, beyond those, to later ones.
    pub fn skipped(&mut self, key: u64, leader: u8, (after, upto): (u32, u32)) {
        if let Some(of) = self.keys.get_mut(&key) {
            let all = &mut of.leaders[usize::from(leader)];
            let lost = |write: &mut Write| write.number > after && write.number <= upto;
            self.gone.extend(all.extract_if(.., lost));
        }
    }

    /// Whether a key is followed.
    pub fn follows(&self, key: u64) -> bool {
        self.limit.follows(key)
    }

    /// Keys on which a write was acknowledged.
    pub fn keys(&self) -> u64 {
        self.keys.len() as u64
    }

    /// The share of all keys that is followed.
    pub fn followed_share(&self) -> f64 {
        self.limit.share()
    }

    /// Acknowledged writes that nobody knows of, where this says what is known of a key: when each was acknowledged, ns, and
    /// who asked for it.
    pub fn lost(&self, known: impl Fn(u64) -> Vector) -> Vec<(u64, u8)> {
        let of = |(key, of): (&u64, &Key)| -> Vec<Write> {
            let known = known(*key).into_iter().enumerate();
            known.flat_map(|(leader, known)| of.beyond(leader, known).to_vec()).collect()
        };
        let beyond = self.keys.iter().flat_map(of);
        let told = |write: Write| (self.clock.ns(write.at), write.by);
        self.gone.iter().copied().chain(beyond).map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn vector(a: u32, b: u32) -> Vector {
        [a, b, 0, 0, 0, 0, 0, 0]
    }

    #[test]
    fn a_read_is_behind_by_what_was_acknowledged_and_it_does_not_know_of() {
        let mut all = Vectors::new(1.0, 1 << 40);
        for (version, dot, at) in [(11, (0, 1), 100), (12, (1, 1), 200), (13, (0, 2), 300)] {
            all.dotted(7, version, dot);
            let known = if dot.0 == 0 { vector(dot.1, 0) } else { vector(0, dot.1) };
            all.acknowledged(7, version, &known, at);
        }
        all.dotted(7, 14, (0, 3)); // nobody was told
        let invoked = all.invoke(1_000);
        let read = |known: Vector| {
            let Judged { versions, age_ns, after_ns } = all.read(7, &known, invoked);
            (versions, age_ns, after_ns)
        };
        assert_eq!(read(vector(2, 1)), (0, 0, Some(700)));
        assert_eq!(read(vector(3, 1)), (0, 0, Some(700)));
        assert_eq!(read(vector(2, 0)), (1, 800, Some(700)));
        assert_eq!(read(vector(0, 0)), (3, 900, Some(700)));
        assert_eq!(all.read(8, &vector(0, 0), invoked).after_ns, None);
        assert_eq!(all.lost(|_| vector(1, 1)), [(300, NOBODY)]);
        assert_eq!(all.lost(|_| vector(2, 1)), []);
        assert_eq!(all.keys(), 1);
    }

    #[test]
    fn a_read_that_was_asked_before_is_not_behind() {
        let mut all = Vectors::new(1.0, 1 << 40);
        let invoked = all.invoke(100);
        all.dotted(1, 5, (0, 1));
        all.acknowledged(1, 5, &vector(1, 0), 100);
        assert_eq!(all.read(1, &vector(0, 0), invoked).versions, 0);
    }

    #[test]
    fn a_write_that_was_done_twice_counts_where_it_was_acknowledged() {
        let mut all = Vectors::new(1.0, 1 << 40);
        all.dotted(1, 5, (0, 1));
        all.dotted(1, 5, (1, 1));
        all.acknowledged(1, 5, &vector(0, 1), 10);
        assert_eq!(all.lost(|_| vector(0, 1)), [], "the attempt that was given up is nobody's");
        assert_eq!(all.lost(|_| vector(1, 0)), [(10, NOBODY)]);
    }
}
