//! What was held of bounded things in each window, from the books at its ends.
//!
//! **Invariant.** What is held lies within what there is; an instance that is down holds nothing and has nothing.

use std::ops::Range;

use super::{
    bounded::{Bounded, Full, Held, runs},
    record::{NodeSnapshot, Snapshot},
};

/// Share of what there is from which on something is full.
pub(super) const FULL: f64 = 0.95;
/// Windows in a row for which it must be full to count: one may be chance.
const LASTING: usize = 3;

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
