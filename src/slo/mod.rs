//! Service level objectives: expressions such as `p99(latency client=gold) <= 400ms`, checked
//! against the scenario's names and judged on results.
//!
//! `parse` knows the grammar, `check` what the names mean, `gather` what a replication says of it, `evaluate` what
//! all of them say. In an
//! SLO `latency` counts every decided request, and one that did not succeed is slower than any
//! limit; `latency outcome=ok` asks about survivors.
//!
//! **Invariant.** What has no observation is `undecided`, never met, and so is what depends on requests in
//! flight at the end.

mod baseline;
mod check;
mod evaluate;
mod gate;
mod gated;
mod gather;
mod metric;
mod names;
mod objective;
mod parse;
mod shape;
mod shown;
mod words;

use std::collections::BTreeSet;

pub use baseline::{BaselineFigures, BaselineLook};
pub use check::check;
pub use evaluate::Judge;
pub use gate::{Base, Gate};
pub use gated::{Against, Gated, Measure, Verdict};
pub use gather::Sampled;
pub use metric::{Gathering, Metric};
pub use shape::heads;

pub use names::{Doubts, Names};
pub use objective::Slo;
use objective::{Figure, Series};

/// Whose requests expressions ask about: client and operation, where they say which.
pub fn requests_asked(slos: &[Slo]) -> Vec<(Option<String>, Option<String>)> {
    let figures = slos.iter().flat_map(|slo| [Some(&slo.figure), slo.of.as_ref()]);
    let selections = figures.flatten().filter_map(|figure| match figure {
        Figure::Requests(selection, _)
        | Figure::Sample(selection, ..)
        | Figure::Fraction(selection, ..)
        | Figure::Windows(Series::Requests(selection, _), ..) => Some(selection),
        _ => None,
    });
    selections.map(|selection| (selection.client.clone(), selection.operation.clone())).collect()
}

/// What expressions say of how long visits of nodes are to wait: the node, the share that waits no longer (none: the mean),
/// and the limit, s.
pub fn waits_asked(slos: &[Slo]) -> Vec<(String, Option<f64>, f64, String)> {
    let one = |slo: &Slo| {
        let Figure::Node(node, path) = &slo.figure else { return None };
        let [of, stat] = path.as_slice() else { return None };
        let plain = slo.of.is_none() && slo.baseline.is_none() && slo.runs.is_none();
        let upper = matches!(slo.op, parse::Op::AtMost | parse::Op::Below);
        if of != "waiting_time" || !plain || !upper {
            return None;
        }
        let share = if stat == "mean" { None } else { Some(crate::expr::percentile(stat)?) };
        Some((node.clone(), share, slo.limit, slo.text.clone()))
    };
    slos.iter().filter_map(one).collect()
}

/// Ids of the faults around which expressions and metrics ask about requests.
pub fn faults_asked(slos: &[Slo], metrics: &[Metric]) -> BTreeSet<String> {
    let figures = slos.iter().flat_map(|slo| [Some(&slo.figure), slo.of.as_ref()]);
    let compared = metrics.iter().flat_map(Metric::figures);
    let asked = figures.chain(compared).flatten().filter_map(|figure| match figure {
        Figure::Requests(selection, _)
        | Figure::Sample(selection, ..)
        | Figure::Fraction(selection, ..) => selection.around.clone(),
        _ => None,
    });
    asked.map(|(fault, _)| fault).collect()
}
