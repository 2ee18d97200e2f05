//! Consistent hashing: instances own the arcs before their points on a ring (D. Karger and others,
//! "Consistent hashing and random trees", STOC 1997).
//!
//! **Invariant.** The points of an instance depend on its number alone, so another instance moves only
//! the keys it takes over (`semantics.md` 11).

use crate::engine::random::mix;

/// Points of one instance where the file does not say.
pub const POINTS: u32 = 100;

/// Points in order, with their instances.
#[derive(Clone, Debug)]
pub struct Ring(Vec<(u64, u16)>);

impl Ring {
    /// The ring of so many instances with so many points each; `salt` makes another ring of it.
    pub fn new(instances: u16, points: u32, salt: u64) -> Self {
        let point = move |i: u16, p: u32| mix(mix(u64::from(i) + 1) ^ u64::from(p) ^ salt);
        let points = |i: u16| (0..points).map(move |p| (point(i, p), i));
        let mut all: Vec<_> = (0..instances).flat_map(points).collect();
        all.sort_unstable();
        Self(all)
    }

    /// The instance of a key: that of the next point.
    pub fn of(&self, key: u64) -> u16 {
        let at = self.0.partition_point(|p| p.0 < mix(key));
        self.0.get(at).unwrap_or(&self.0[0]).1
    }

    /// The first instance from a key on that will do.
    pub fn find(&self, key: u64, will_do: impl Fn(u16) -> bool) -> Option<u16> {
        let at = self.0.partition_point(|p| p.0 < mix(key));
        let (before, after) = self.0.split_at(at);
        after.iter().chain(before).map(|p| p.1).find(|&i| will_do(i))
    }

    /// The share of all keys each of `instances` owns.
    #[cfg(test)]
    fn shares(&self, instances: u16) -> Vec<f64> {
        let mut shares = vec![0.0; usize::from(instances)];
        let mut before = self.0[self.0.len() - 1].0;
        for &(point, i) in &self.0 {
            shares[usize::from(i)] += point.wrapping_sub(before) as f64 / 2f64.powi(64);
            before = point;
        }
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers from `tests/oracles/hashing.json`: the mean over rings of the largest share and of the
    /// coefficient of variation.
    #[test]
    fn the_spread_of_shares_is_that_of_random_points() {
        let oracles: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/oracles/hashing.json")).unwrap();
        let mut checked = 0;
        for entry in oracles.as_array().unwrap() {
            let Some(points) = entry["params"]["vnodes"].as_u64() else { continue };
            let n = entry["params"]["nodes"].as_u64().unwrap();
            let rings = if points == 1 { 40_000 } else { 4000 } / n * 10;
            let (mut most, mut squares) = (0.0, 0.0);
            for salt in 0..rings {
                let shares = Ring::new(n as u16, points as u32, mix(salt)).shares(n as u16);
                let relative = shares.iter().map(|s| s * n as f64);
                most += relative.clone().fold(0.0, f64::max);
                squares += relative.map(|s| (s - 1.0) * (s - 1.0)).sum::<f64>() / n as f64;
            }
            let (most, cv) = (most / rings as f64, (squares / rings as f64).sqrt());
            let tolerance = entry["rel_tol"].as_f64().unwrap();
            let near = |found: f64, metric: &str| {
                let wanted = entry["expected"][metric].as_f64().unwrap();
                assert!((found - wanted).abs() <= tolerance * wanted, "{entry}: {found}");
            };
            near(most, "max_over_mean");
            near(cv, "cv");
            checked += 1;
        }
        assert_eq!(checked, 5);
    }

    #[test]
    fn shares_are_even_and_few_keys_move() {
        let (ten, eleven) = (Ring::new(10, POINTS, 0), Ring::new(11, POINTS, 0));
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
