//! A figure that designs are compared by, gathered from the same replications of each.
//!
//! **Invariant.** As in objectives, a time counts every decided request, and one that was not answered is slower than
//! any limit: no design looks fast by its survivors.

use super::{
    check,
    gather::{Gathered, InFlight, Sampled},
    names::Names,
    objective::Figure,
    parse::{Op, Word},
    words::{self, Dimension, Fault},
};
use crate::{
    problem::Problem,
    results::{Evidence, Results},
    units::show::Quantity,
};

/// Figures of which more is better; of all others less is.
const MORE_IS_BETTER: [&str; 10] = [
    "availability",
    "availability_time",
    "goodput",
    "hit_ratio",
    "hits",
    "throughput",
    "ok",
    "issued",
    "degraded",
    "linearizable",
];

/// A figure of a design.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    text: String,
    figure: Figure,
    of: Option<Figure>,
    dimension: Dimension,
}

impl Metric {
    /// What `p99(latency operation=buy)` means in a scenario with these names.
    ///
    /// # Errors
    ///
    /// It is no figure of that scenario.
    pub fn parse(text: &str, names: &Names) -> Result<Self, Problem> {
        let (figure, of, dimension) =
            check::metric(text, names).map_err(|fault| fault.at(String::new()))?;
        Ok(Self { text: text.trim().to_owned(), figure, of, dimension })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it is of, and what that is divided by.
    pub(super) fn figures(&self) -> [Option<&Figure>; 2] {
        [Some(&self.figure), self.of.as_ref()]
    }

    /// What it measures.
    #[must_use]
    pub const fn quantity(&self) -> Quantity {
        self.dimension.quantity()
    }

    /// A distance between two of its values, in the unit of the results.
    ///
    /// # Errors
    ///
    /// It is in another unit.
    pub fn distance(&self, text: &str) -> Result<f64, String> {
        let word = Word { text: text.to_owned(), span: 0..text.len() };
        let limit = words::limit(&word, self.dimension);
        limit.map_err(|Fault { message, help, .. }| match help {
            Some(help) => format!("{message}; {help}"),
            None => message,
        })
    }

    /// Whether more of it is better.
    #[must_use]
    pub fn more_is_better(&self) -> bool {
        match &self.figure {
            Figure::Fraction(_, _, op, _) => matches!(op, Op::AtMost | Op::Below),
            Figure::Requests(_, path)
            | Figure::Node(_, path)
            | Figure::Link(_, path)
            | Figure::Uptime(path)
            | Figure::Consistency(path) => {
                path.last().is_some_and(|name| MORE_IS_BETTER.contains(&name.as_str()))
            }
            Figure::Windows(..) => MORE_IS_BETTER.iter().any(|name| self.text.contains(name)),
            _ => false,
        }
    }
}

/// A figure in many replications of one design.
#[derive(Clone, Debug)]
pub struct Gathering {
    top: Gathered,
    of: Option<Gathered>,
}

impl Gathering {
    /// Of no replication yet.
    #[must_use]
    pub fn new(metric: &Metric) -> Self {
        Self { top: Gathered::paired(&metric.figure), of: metric.of.as_ref().map(Gathered::paired) }
    }

    /// Of no replication yet, to be held against that of another design by a gate.
    pub(super) fn held(figure: &Figure, of: Option<&Figure>) -> Self {
        Self { top: Gathered::held(figure), of: of.map(Gathered::held) }
    }

    /// Takes in the next replication.
    pub fn push(&mut self, one: &dyn Evidence) {
        self.top.push(one);
        if let Some(of) = &mut self.of {
            of.push(one);
        }
    }

    /// What it is, the results of all replications being these; requests in flight at the end are left out, or counted
    /// bad where they are late or more and more.
    #[must_use]
    pub fn sampled(&self, results: &Results, open_is_bad: bool) -> Sampled {
        let open = if open_is_bad { InFlight::Bad } else { InFlight::LeftOut };
        let Some(of) = &self.of else { return self.top.sampled(results, open) };
        let both = self.top.terms(results, open).into_iter().zip(of.terms(results, open));
        let value = |(top, bottom): (f64, f64)| top / bottom;
        let terms: Vec<_> = both.map(|(a, b)| Some((value(a?), value(b?)))).collect();
        Sampled::of_terms(&terms, results.confidence)
    }
}
