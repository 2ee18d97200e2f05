//! How old what reads returned was, in counts.
//!
//! **Invariant.** All state is integer, so merging is exact and free of order.

/// What one read saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Versions newer than what it returned that were acknowledged before it was invoked; 0 is fresh.
    pub versions: u64,
    /// How long before its invocation the first of these was acknowledged; 0 if it is fresh.
    pub age_ns: u64,
    /// How long before its invocation the newest version of the key was acknowledged; `None` where no
    /// write had been.
    pub after_ns: Option<u64>,
}

impl Judged {
    /// Whether it returned what was acknowledged or something newer.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.versions == 0
    }
}

/// The reads at least so many versions behind that are counted.
pub const BEHIND: [u64; 5] = [1, 2, 3, 5, 10];

/// Edges of the t-visibility: 0, then 1-2-5 from 1 us to 1,000 s.
const EDGES: usize = 29;

/// Counts over reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Staleness {
    reads: u64,
    behind: [u64; BEHIND.len()],
    visible: [(u64, u64); EDGES],
}

/// A point of the t-visibility: reads invoked at least `after_ns` after the newest acknowledgement of
/// their key, and less than the next point's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visibility {
    /// The lower edge.
    pub after_ns: u64,
    /// Reads that returned that version or a newer one.
    pub fresh: u64,
    /// All of them.
    pub reads: u64,
}

impl Staleness {
    /// Counts a read.
    #[inline]
    pub fn record(&mut self, read: Judged) {
        self.reads += 1;
        if !read.is_fresh() {
            for (count, least) in self.behind.iter_mut().zip(BEHIND) {
                *count += u64::from(read.versions >= least);
            }
        }
        if let Some(after) = read.after_ns {
            let (fresh, reads) = &mut self.visible[bucket(after)];
            *fresh += u64::from(read.is_fresh());
            *reads += 1;
        }
    }

    /// Adds the counts of another one.
    pub fn merge(&mut self, other: &Self) {
        self.reads += other.reads;
        self.behind.iter_mut().zip(other.behind).for_each(|(mine, more)| *mine += more);
        for (mine, more) in self.visible.iter_mut().zip(other.visible) {
            *mine = (mine.0 + more.0, mine.1 + more.1);
        }
    }

    /// Reads that were judged.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// Reads that were not fresh.
    #[must_use]
    pub fn stale_reads(&self) -> u64 {
        self.behind[0]
    }

    /// For each of [`BEHIND`], how many reads were at least so many versions behind.
    #[must_use]
    pub fn behind(&self) -> [(u64, u64); BEHIND.len()] {
        std::array::from_fn(|i| (BEHIND[i], self.behind[i]))
    }

    /// How many reads were fresh by the time since the newest acknowledgement; points without reads
    /// are left out.
    pub fn visibility(&self) -> impl Iterator<Item = Visibility> {
        let points = self.visible.iter().enumerate().filter(|(_, (_, reads))| *reads > 0);
        points.map(|(i, &(fresh, reads))| Visibility { after_ns: edge(i), fresh, reads })
    }
}

/// The lower edge of a bucket.
fn edge(bucket: usize) -> u64 {
    match bucket.checked_sub(1) {
        None => 0,
        Some(step) => [1_000, 2_000, 5_000][step % 3] * 10u64.pow(step as u32 / 3),
    }
}

#[inline]
fn bucket(ns: u64) -> usize {
    if ns < 1_000 {
        return 0;
    }
    let decade = ns.ilog10() - 3;
    let first = ns / 10u64.pow(decade + 3);
    let step = decade as usize * 3 + usize::from(first >= 2) + usize::from(first >= 5);
    (step + 1).min(EDGES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_bound_their_buckets() {
        for i in 0..EDGES {
            assert_eq!(bucket(edge(i)), i);
            assert_eq!(bucket(edge(i).saturating_sub(1)), i.saturating_sub(1));
        }
        assert_eq!((edge(1), edge(5), edge(28)), (1_000, 20_000, 1_000_000_000_000));
        assert_eq!(bucket(u64::MAX), 28);
    }

    #[test]
    fn counts_by_hand() {
        let read = |versions, after_ns| Judged { versions, age_ns: 0, after_ns };
        let mut all = Staleness::default();
        for (versions, after) in [
            (0, None),
            (0, Some(0)),
            (1, Some(1_500)),
            (4, Some(1_999)),
            (0, Some(1_000)),
            (12, Some(u64::MAX)),
        ] {
            all.record(read(versions, after));
        }
        let mut twice = all.clone();
        twice.merge(&all);
        assert_eq!((all.reads(), all.stale_reads()), (6, 3));
        assert_eq!(all.behind(), [(1, 3), (2, 2), (3, 2), (5, 1), (10, 1)]);
        let point = |after_ns, fresh, reads| Visibility { after_ns, fresh, reads };
        let points = [point(0, 1, 1), point(1_000, 1, 3), point(1_000_000_000_000, 0, 1)];
        assert_eq!(all.visibility().collect::<Vec<_>>(), points);
        assert_eq!((twice.reads(), twice.behind()[1]), (12, (2, 4)));
    }
}
