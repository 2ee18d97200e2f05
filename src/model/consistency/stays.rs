//! Where keys stood that went from log to log.
//!
//! Each log gives places of its own. So that those of a key rise all the same, what a later log gives it is counted on from
//! what an earlier one may have given.
//!
//! **Invariant.** Of two places of a key the one is greater that was given later by the shard that served it, or in the order of its log.

use std::collections::BTreeMap;

/// A key left a shard for another one.
#[derive(Clone, Copy, Debug)]
struct Left {
    from: u16,
    to: u16,
    /// When, ns.
    at: u64,
    /// What went along: what has no greater place than this one.
    upto: u64,
    /// The place it has in the new log, as that counts.
    place: u64,
    /// Added to the places of the new log, and the first of those.
    base: u64,
    first: u64,
}

/// Where a write stands, or stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// The shard.
    pub shard: u16,
    /// The place, as its log counts.
    pub place: u64,
    /// When its key left, ns; it stands there if none.
    pub until: Option<u64>,
}

/// Where keys stood.
#[derive(Clone, Debug, Default)]
pub struct Stays {
    left: BTreeMap<u64, Vec<Left>>,
}

impl Stays {
    /// What a place in the log of a shard is among all places of a key.
    pub fn place(&self, key: u64, shard: u16, place: u64) -> u64 {
        let left = self.left.get(&key).map_or(&[][..], Vec::as_slice);
        let came = left.iter().rfind(|left| left.to == shard);
        let base = came.map_or(0, |left| left.base);
        place.wrapping_add(base)
    }

    /// A key, of which this is the newest place, goes to another shard, where it has that place; the old log has given none above
    /// `last`.
    pub fn moves(
        &mut self,
        key: u64,
        (from, to): (u16, u16),
        (upto, place): (u64, u64),
        (last, at): (u64, u64),
    ) {
        let last = self.place(key, from, last);
        let first = last.max(upto) + 1;
        let base = first.wrapping_sub(place);
        self.left.entry(key).or_default().push(Left { from, to, at, upto, place, base, first });
    }

    /// Where a write of a key stood that has this place among all of its key, and stands; `now` is the shard of the key. Nowhere
    /// if it has none, `u64::MAX`.
    pub fn of(&self, key: u64, place: u64, now: u16) -> Vec<Stay> {
        if place == u64::MAX {
            return Vec::new();
        }
        let Some(all) = self.left.get(&key) else {
            return vec![Stay { shard: now, place, until: None }];
        };
        let begun = all.partition_point(|left| left.first <= place);
        let (mut shard, base) = match begun.checked_sub(1) {
            Some(last) => (all[last].to, all[last].base),
            None => (all[0].from, 0),
        };
        let mut at = place.wrapping_sub(base);
        let mut stays = Vec::new();
        for left in &all[begun..] {
            stays.push(Stay { shard, place: at, until: Some(left.at) });
            if place > left.upto {
                return stays;
            }
            (shard, at) = (left.to, left.place);
        }
        stays.push(Stay { shard, place: at, until: None });
        stays
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_rise_from_log_to_log() {
        let mut stays = Stays::default();
        assert_eq!(stays.place(1, 0, 50), 50);
        // The old log has given 60 to other keys; the new one gives 7 to what comes.
        stays.moves(1, (0, 1), (50, 7), (60, 1_000));
        let next = stays.place(1, 1, 8);
        assert_eq!(next, 62);
        let stay = |shard, place, until| Stay { shard, place, until };
        assert_eq!(stays.of(1, 50, 9), [stay(0, 50, Some(1_000)), stay(1, 7, None)]);
        assert_eq!(stays.of(1, 49, 9)[1], stay(1, 7, None));
        assert_eq!(stays.of(1, next, 9), [stay(1, 8, None)]);
        // What was not handed over did not go along.
        assert_eq!(stays.of(1, 51, 9), [stay(0, 51, Some(1_000))]);
        // Another key.
        assert_eq!(stays.of(2, 50, 9), [stay(9, 50, None)]);
        // And back again, where much has been written by then.
        stays.moves(1, (1, 0), (next, 900), (10, 2_000));
        assert!(stays.place(1, 0, 901) > next);
        assert_eq!(stays.of(1, next, 9), [stay(1, 8, Some(2_000)), stay(0, 900, None)]);
        assert_eq!(stays.of(1, 50, 9).len(), 3);
    }
}
