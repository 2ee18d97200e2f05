//! What faults cost the data: what stands on the terminal and on the page.
//!
//! **Invariant.** A fault that cost nothing and parted no copies is not spoken of.

use super::{
    grid::Lines,
    table::{LONGEST_NAME, figures},
    text::{Quantity, shorten},
};
use crate::results::{Estimate, FaultResults, Results};

/// What is said of each fault.
pub(super) const COLUMNS: [&str; 6] = [
    "Data after a fault",
    "lost writes",
    "within",
    "reads again after",
    "writes again after",
    "copies alike after",
];

/// A table of the faults that cost something.
pub(super) fn lines(out: &mut Lines, results: &Results) {
    figures(out, &COLUMNS, |shown| rows(results, shown));
}

/// A row for each, its figures as `shown`.
pub(super) fn rows(
    results: &Results,
    shown: impl Fn(Quantity, &Estimate) -> String,
) -> Vec<Vec<String>> {
    let time = |of: Option<&Estimate>| over(of, |time| shown(Quantity::Duration, time));
    let known = |quantity, of: Option<&Estimate>| {
        of.map_or_else(|| "-".to_owned(), |figure| shown(quantity, figure))
    };
    let row = |fault: &FaultResults| {
        vec![
            shorten(&fault.id, LONGEST_NAME),
            known(Quantity::Number, fault.lost_acked_writes.as_ref()),
            known(Quantity::Duration, fault.rpo.as_ref()),
            time(fault.rto.as_ref().map(|rto| &rto.read)),
            time(fault.rto.as_ref().map(|rto| &rto.write)),
            time(fault.convergence_time.as_ref()),
        ]
    };
    results.faults.iter().filter(|fault| costs(fault)).map(row).collect()
}

/// A time as `shown`, or that it was not over.
pub(super) fn over(of: Option<&Estimate>, shown: impl Fn(&Estimate) -> String) -> String {
    match of {
        None => "-".to_owned(),
        Some(time) if time.value.is_none() => "not seen".to_owned(),
        Some(time) => shown(time),
    }
}

fn costs(fault: &FaultResults) -> bool {
    let some = |of: Option<Estimate>| of.is_some_and(|of| of.value != Some(0.0));
    fault.occurrences.value > Some(0.0)
        && (fault.convergence_time.is_some()
            || some(fault.lost_acked_writes)
            || some(fault.rto.map(|rto| rto.read))
            || some(fault.rto.map(|rto| rto.write)))
}
