//! Consistent hashing: instances own the arcs before their points on a ring (D. Karger and others,
//! "Consistent hashing and random trees", STOC 1997).
//!
//! **Invariant.** The points of an instance depend on its number alone, so another instance moves only
//! the keys it takes over (`semantics.md` 11).

use crate::engine::random::mix;

/// Points of one instance.
const POINTS: u64 = 100;

/// Points in order, with their instances.
#[derive(Clone, Debug)]
pub struct Ring(Vec<(u64, u16)>);

impl Ring {
    /// The ring of so many instances.
    pub fn new(instances: u16) -> Self {
        let points = |i: u16| (0..POINTS).map(move |p| (mix(mix(u64::from(i) + 1) ^ p), i));
        let mut all: Vec<_> = (0..instances).flat_map(points).collect();
        all.sort_unstable();
        Self(all)
    }

    /// The instance of a key: that of the next point.
    pub fn of(&self, key: u64) -> u16 {
        let at = self.0.partition_point(|p| p.0 < mix(key));
        self.0.get(at).unwrap_or(&self.0[0]).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_even_and_few_keys_move() {
        let (ten, eleven) = (Ring::new(10), Ring::new(11));
        let keys = 200_000u64;
        let mut shares = [0u64; 10];
        let mut moved = 0;
        for key in 1..=keys {
            let (before, after) = (ten.of(key), eleven.of(key));
            shares[usize::from(before)] += 1;
            moved += u64::from(before != after);
            assert!(before == after || after == 10, "keys move to the new instance only");
        }
        // One point more in eleven; the spread of the shares is that of 100 points each.
        let moved = moved as f64 / keys as f64;
        assert!((moved - 1.0 / 11.0).abs() < 0.03, "{moved}");
        let most = *shares.iter().max().unwrap() as f64 / (keys as f64 / 10.0);
        assert!((1.05..1.40).contains(&most), "{most}");
    }
}
