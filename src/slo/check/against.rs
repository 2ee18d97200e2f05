//! `baseline + 5%`: a limit that another design sets.
//!
//! **Invariant.** As in `check.rs`; what passes is a mean over replications, so that two designs can be compared
//! replication by replication.

use super::{
    super::{
        objective::{Baseline, Distance, Figure, Stat},
        parse::{Expression, Op, Word},
    },
    Checked, Checker, Dimension, fault, limit, parsed, trivial,
};
use crate::units::Number;

impl Checker<'_> {
    /// The baseline of an expression, `by` so much above or below it.
    pub(super) fn against(
        &self,
        expression: &Expression,
        (figure, measured): (&Figure, Dimension),
        (below, by): (bool, Option<&Word>),
    ) -> Checked<Baseline> {
        let refuse = |message: &str, help: &str| {
            Err(fault("E-SLO", message.to_owned(), Some(help.to_owned())))
        };
        if measured == Dimension::Truth {
            let help = "for example `metastable(blip) == false`";
            return refuse("what is true or false has no distance to a baseline", help);
        }
        if matches!(expression.op, Op::Equal | Op::NotEqual) {
            let help = "for example `p99(latency) <= baseline + 5%`";
            return refuse("a baseline is compared by `<=`, `<`, `>=` or `>`", help);
        }
        if expression.runs.is_some() {
            let help =
                "it is the figure of all runs that is held against the baseline's, run by run";
            return refuse("`of runs` does not go with `baseline`", help);
        }
        if is_extreme(figure) {
            let help = "quantiles such as `p99.9(latency)` can be, and extremes of windows";
            return refuse("an extreme is of one run: it is not held against a baseline", help);
        }
        let distance = match by {
            None if measured == Dimension::Fraction => Distance::Absolute(0.0),
            None => Distance::Times(1.0),
            Some(word) => distance(word, measured, below)?,
        };
        let part = |span: &std::ops::Range<usize>| self.text[span.clone()].trim();
        let mut metric = part(&expression.metric.span).to_owned();
        if let Some(of) = &expression.of {
            metric = format!("{metric} of {}", part(&of.span));
        }
        Ok(Baseline { metric, dimension: measured, distance })
    }
}

/// Of a share a percentage is points, of all else a part of the baseline's figure.
fn distance(word: &Word, measured: Dimension, below: bool) -> Checked<Distance> {
    let sign = if below { -1.0 } else { 1.0 };
    let Some(percent) = word.text.strip_suffix('%').filter(|_| measured != Dimension::Fraction)
    else {
        let by = limit(word, measured)?;
        if measured == Dimension::Fraction && by >= 1.0 {
            return Err(trivial(word));
        }
        return Ok(Distance::Absolute(sign * by));
    };
    let percent = Word { text: percent.to_owned(), span: word.span.clone() };
    let part = parsed::<Number>(&percent, "a percentage such as `5%`")?.0 / 100.0;
    let times = 1.0 + sign * part;
    if times > 0.0 { Ok(Distance::Times(times)) } else { Err(trivial(word)) }
}

/// The figure of all runs is the largest or smallest of theirs.
fn is_extreme(figure: &Figure) -> bool {
    match figure {
        Figure::Sample(.., stat) => matches!(stat, Stat::Min | Stat::Max),
        Figure::Node(_, path) | Figure::Requests(_, path) => {
            path.last().is_some_and(|name| name == "max" || name == "min")
        }
        _ => false,
    }
}
