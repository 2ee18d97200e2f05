//! Targets that no run could meet together.
//!
//! **Invariant.** Each is told once, at the later of the two.

use super::super::{
    objective::{Figure, Slo, Stat},
    parse::Op,
};
use crate::problem::Problems;

/// Pairs of expressions that cannot both hold (reliability B65): a larger figure bounded from above
/// below the bound of a smaller one from below.
pub(super) fn contradictions(key: &str, slos: &[(usize, Slo)], problems: &mut Problems) {
    let mut reported = std::collections::BTreeSet::new();
    for (index, upper) in slos {
        for (other, lower) in slos {
            if upper.of != lower.of || upper.runs.is_some() || lower.runs.is_some() {
                continue;
            }
            let (Some(most), Some(least)) = (bound(upper, false), bound(lower, true)) else {
                continue;
            };
            let strict = upper.op == Op::Below || lower.op == Op::Above;
            let impossible = least > most || (strict && least >= most);
            let (at, first) = if index > other { (index, lower) } else { (other, upper) };
            let contradict = impossible && never_below(&upper.figure, &lower.figure);
            if contradict && reported.insert((at, first.text.clone())) {
                problems.error_help(
                    "E-SLO-CONTRADICT",
                    format!("{key}[{at}]"),
                    format!("this and `{}` cannot both hold", first.text),
                    "no run could ever meet both; correct one of them",
                );
            }
        }
    }
}

/// The bound an expression puts on its figure, from below or above; none where a baseline sets it.
fn bound(slo: &Slo, from_below: bool) -> Option<f64> {
    let fits = match slo.op {
        Op::AtLeast | Op::Above => from_below,
        Op::AtMost | Op::Below => !from_below,
        Op::Equal => true,
        Op::NotEqual => false,
    };
    (fits && slo.baseline.is_none()).then_some(slo.limit)
}

/// Whether figure `a` is at least figure `b` in every run.
fn never_below(a: &Figure, b: &Figure) -> bool {
    let rank = |stat: &Stat| match *stat {
        Stat::Min => Some(0.0),
        Stat::Quantile(q) => Some(q),
        Stat::Max => Some(1.0),
        Stat::Mean | Stat::Share(..) => None,
    };
    match (a, b) {
        (Figure::Sample(one, kind, high), Figure::Sample(other, same, low))
            if one == other && kind == same =>
        {
            high == low || rank(high).zip(rank(low)).is_some_and(|(high, low)| high >= low)
        }
        // What is within a limit is within a larger one.
        (
            Figure::Fraction(one, kind, Op::AtMost | Op::Below, high),
            Figure::Fraction(other, same, Op::AtMost | Op::Below, low),
        ) if one == other && kind == same => high >= low,
        _ => a == b,
    }
}
