//! Whether the zones of one key allow an order of its operations.
//!
//! Gibbons and Korach, *Testing shared memories*, SIAM J. Comput. 26 (1997), section 4: a write and
//! the reads that returned it are a cluster; its zone lies between its earliest return and its latest
//! invocation, forward if the return is the earlier one, else backward. A history in which each read
//! returned what was written, and not before the write was invoked, is linearizable if and only if no
//! two forward zones overlap and no backward zone lies within a forward one.
//!
//! **Invariant.** O(n log n) for n zones; the answer does not depend on their order.

/// A zone: earliest return, latest invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Zone {
    /// The earliest return.
    pub finish: u64,
    /// The latest invocation.
    pub start: u64,
}

/// Zones in each other's way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conflicts {
    /// How many forward zones begin within another one, and backward ones lie within one.
    pub count: u64,
    /// The pair that was proven first.
    pub first: Option<Pair>,
}

/// Two zones of which the first is a forward one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The forward zone's latest invocation, by which it is known.
    pub forward_start: u64,
    /// The zone that overlaps it or lies within it.
    pub other: Zone,
    /// When both were seen.
    pub proven: u64,
}

impl Zone {
    fn is_forward(self) -> bool {
        self.finish < self.start
    }
}

/// What is wrong with the zones of a key. The iterator is asked twice; `forward` is room to work in.
pub fn conflicts(zones: impl Iterator<Item = Zone> + Clone, forward: &mut Vec<Zone>) -> Conflicts {
    forward.clear();
    forward.extend(zones.clone().filter(|zone| zone.is_forward()));
    // Rows come newest first, nearly in order: the stable sort makes use of that.
    forward.reverse();
    forward.sort_by_key(|zone| zone.finish);
    let mut found = Conflicts::default();
    // From here on `start` is the latest one of this zone and those before it.
    let mut reach = 0;
    for zone in forward.iter_mut() {
        if zone.finish < reach {
            found.add(Pair { forward_start: reach, other: *zone, proven: reach.max(zone.start) });
        }
        reach = reach.max(zone.start);
        zone.start = reach;
    }
    if forward.is_empty() {
        return found;
    }
    let mut near = forward.len();
    for zone in zones.filter(|zone| !zone.is_forward()) {
        near = before(forward, zone.start, near);
        if let Some(within) = near.checked_sub(1).map(|i| forward[i].start)
            && zone.finish < within
        {
            found.add(Pair { forward_start: within, other: zone, proven: within });
        }
    }
    found
}

impl Conflicts {
    fn add(&mut self, pair: Pair) {
        self.count += 1;
        if self.first.is_none_or(|first| (pair.proven, pair.other) < (first.proven, first.other)) {
            self.first = Some(pair);
        }
    }
}

/// How many forward zones begin before an instant, sought in growing steps from where the last answer
/// was, because neighbours have neighbouring answers.
fn before(forward: &[Zone], instant: u64, near: usize) -> usize {
    let begins = |zone: &Zone| zone.finish < instant;
    let (mut low, mut high) = (near, near);
    let mut step = 1;
    while low > 0 && !begins(&forward[low - 1]) {
        high = low - 1;
        low = low.saturating_sub(step);
        step *= 2;
    }
    step = 1;
    while low == near && high < forward.len() && begins(&forward[high]) {
        high = (high + step).min(forward.len());
        step *= 2;
    }
    low + forward[low..high].partition_point(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeks_from_anywhere() {
        let forward: Vec<Zone> = (0..100).map(|i| Zone { finish: i * 2, start: 0 }).collect();
        for instant in 0..210 {
            for near in 0..=100 {
                let expected = forward.iter().filter(|zone| zone.finish < instant).count();
                assert_eq!(before(&forward, instant, near), expected, "{instant} {near}");
            }
        }
    }
}
