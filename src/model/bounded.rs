//! What instances hold of what there is only so much of: cores, workers, connections, locks, memory.
//!
//! **Invariant.** What is held lies within what there is; an instance that is down holds nothing and has nothing.

use std::ops::Range;

use super::record::{NodeSnapshot, Snapshot};

/// Share of what there is from which on something is full.
pub const FULL: f64 = 0.95;
/// Windows in a row for which it must be full to count: one may be chance.
const LASTING: usize = 3;

/// Something bounded.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounded {
    /// `cores`, `workers`, `pool:db`, `bulkhead:db`, `lock:seat`, `memory`, `threads`, `descriptors`.
    pub name: String,
    /// How much there is: in each instance, or in all.
    pub capacity: f64,
    /// Each instance has its own.
    pub each: bool,
    /// What is held is read at the end of a window, not integrated over it.
    pub sampled: bool,
}

/// Who was full in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// All instances together.
    All,
    /// An instance, while the others were not.
    One(u32),
}

/// What was held of something bounded.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// What it is.
    pub name: String,
    /// How much there is: in each instance, or in all.
    pub capacity: f64,
    /// By instance, over the measured span: what was held and what there was, unit-ns. One pair where all
    /// share it.
    pub instances: Vec<(f64, f64)>,
    /// Who was full in each window of the run.
    pub full: Vec<Option<Full>>,
}

/// What was held of each thing of a node: `things` of the books, the first of which is what `busy` counts if
/// `counted`.
pub(super) fn held(
    things: &[Bounded],
    counted: bool,
    i: usize,
    (span, bounds): (&Snapshot, &[&Snapshot]),
) -> Vec<Held> {
    let each = things.iter().enumerate().map(|(r, thing)| {
        let further = r.checked_sub(usize::from(counted));
        let count = bounds.last().map_or(0, |last| last.nodes[i].instances.len());
        let parts = if thing.each { count } else { count.min(1) };
        let part = |n: &NodeSnapshot, inst: usize| -> (f64, f64) {
            let books = n.instances.get(inst);
            let held = match further {
                None => books.map_or(0, |b| b.busy),
                Some(f) => {
                    let row = things.len() - usize::from(counted);
                    n.held.get(inst * row + f).copied().unwrap_or_default()
                }
            };
            let down = if thing.each { books.map_or(0, |b| b.down) } else { 0 };
            (held as f64, down as f64)
        };
        let between = |from: &Snapshot, to: &Snapshot, inst: usize| -> (f64, f64) {
            let length = to.at.saturating_sub(from.at) as f64;
            let before = from.nodes.get(i).map_or((0.0, 0.0), |n| part(n, inst));
            let after = part(&to.nodes[i], inst);
            let up = (length - (after.1 - before.1)).max(0.0);
            let held = if thing.sampled { after.0 * up } else { after.0 - before.0 };
            (held, thing.capacity * up)
        };
        let start = Snapshot::default();
        let steps: Vec<(&Snapshot, &Snapshot)> = std::iter::once(&start)
            .chain(bounds.iter().copied())
            .zip(bounds.iter().copied())
            .collect();
        let by_window = |inst| steps.iter().map(move |(from, to)| between(from, to, inst));
        let mut sums = vec![(0.0, 0.0); steps.len()];
        let mut hot: Vec<Option<Full>> = vec![None; steps.len()];
        let mut instances = Vec::new();
        for inst in 0..parts {
            let windows: Vec<(f64, f64)> = by_window(inst).collect();
            for (sum, one) in sums.iter_mut().zip(&windows) {
                *sum = (sum.0 + one.0, sum.1 + one.1);
            }
            for w in lasting(&windows) {
                hot[w].get_or_insert(Full::One(inst as u32));
            }
            let measured = steps.iter().zip(&windows).filter(|((from, _), _)| from.at >= span.at);
            instances.push(if thing.sampled {
                measured.fold((0.0, 0.0), |sum, (_, one)| (sum.0 + one.0, sum.1 + one.1))
            } else {
                bounds.last().map_or((0.0, 0.0), |last| between(span, last, inst))
            });
        }
        for w in lasting(&sums) {
            hot[w] = Some(Full::All);
        }
        Held { name: thing.name.clone(), capacity: thing.capacity, instances, full: hot }
    });
    each.collect()
}

/// The windows in which it was full, at least so many in a row.
fn lasting(windows: &[(f64, f64)]) -> Vec<usize> {
    let full = |&(held, room): &(f64, f64)| room > 0.0 && held >= FULL * room;
    let long = |run: &Range<usize>| run.len() >= LASTING.min(windows.len());
    runs(windows.iter().map(full)).into_iter().filter(long).flatten().collect()
}

/// Stretches of what is true.
pub fn runs(values: impl Iterator<Item = bool>) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, _) in values.enumerate().filter(|(_, one)| *one) {
        match found.last_mut().filter(|run| run.end == at) {
            Some(run) => run.end += 1,
            None => found.push(at..at + 1),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lasts_is_full() {
        let of = |shares: &[f64]| lasting(&shares.iter().map(|&s| (s, 1.0)).collect::<Vec<_>>());
        assert_eq!(of(&[1.0, 1.0, 0.5, 0.95, 1.0, 0.96, 0.94, 1.0]), [3, 4, 5]);
        assert_eq!(of(&[0.1, 1.0, 1.0, 1.0]), [1, 2, 3]);
        // Of a run of two windows two are all there is.
        assert_eq!(of(&[1.0, 1.0]), [0, 1]);
        // Where nothing is up nothing is full.
        assert_eq!(lasting(&[(0.0, 0.0); 4]), [0; 0]);
    }
}
