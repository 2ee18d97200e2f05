//! A checked expression: a figure, an operator, a limit.

use super::{parse::Op, shape::dimension, words::Dimension};
use crate::results::Selection;

/// A checked expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Slo {
    pub(super) text: String,
    pub(super) figure: Figure,
    pub(super) op: Op,
    /// In the metric's unit: seconds, per second, a fraction, a number. Of one with a baseline it means nothing.
    pub(super) limit: f64,
    /// What takes the place of a limit.
    pub(super) baseline: Option<Baseline>,
    /// `of`: what the figure is divided by.
    pub(super) of: Option<Figure>,
    /// `in F of runs`.
    pub(super) runs: Option<f64>,
}

impl Slo {
    /// Its figure is one of each run: a count, an extreme, a yes or no.
    pub(super) fn is_of_each_run(&self) -> bool {
        let extreme = match (&self.figure, self.op) {
            (Figure::Sample(.., Stat::Max), Op::AtMost | Op::Below)
            | (Figure::Sample(.., Stat::Min), Op::AtLeast | Op::Above)
            | (Figure::Metastable(_) | Figure::FromSide(.., LOST), _) => true,
            (
                Figure::Requests(_, path)
                | Figure::Node(_, path)
                | Figure::Consistency(path)
                | Figure::CostOf(_, path),
                _,
            ) => dimension(path) == Dimension::Count,
            _ => false,
        };
        let exact = matches!(self.op, Op::Equal | Op::NotEqual);
        self.of.is_none() && (self.runs.is_some() || extreme || exact)
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The figure of another design that it is held against, as that design has to know it.
    #[must_use]
    pub fn baseline(&self) -> Option<&str> {
        Some(self.baseline.as_ref()?.metric.as_str())
    }
}

/// A limit that another design sets: its figure, and a distance to that.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Baseline {
    /// The figure, as it was written.
    pub(super) metric: String,
    pub(super) dimension: Dimension,
    pub(super) distance: Distance,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Distance {
    /// In the metric's unit.
    Absolute(f64),
    /// So many times the baseline's figure.
    Times(f64),
}

/// A figure of the results, or one that must be worked out from what stands behind them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Figure {
    /// A path in the block of figures of these requests.
    Requests(Selection, Vec<String>),
    /// A statistic of times of these requests.
    Sample(Selection, Sample, Stat),
    /// The share of these requests whose time is so compared with so many ns.
    Fraction(Selection, Sample, Op, u64),
    /// A path in a node's results.
    Node(String, Vec<String>),
    /// A path in the results of a link.
    Link(String, Vec<String>),
    /// A figure of the design itself.
    Uptime(Vec<String>),
    /// A path in what the design costs.
    Cost(Vec<String>),
    /// A path in what clients saw of the data of all stores.
    Consistency(Vec<String>),
    /// A figure of one side of a cut: the share of stale reads while it held, the writes that it cost.
    FromSide(String, String, &'static str),
    /// A path in what one fault cost the data.
    CostOf(String, Vec<String>),
    /// When and how often an alert fired.
    Alert(String, AlertField),
    /// Time to recover from a fault.
    Recovery(String),
    /// Time from the start of a fault until all, or one client, were as well as before.
    Back(String, Option<String>),
    /// Whether the design stayed down after a fault: 1 or 0.
    Metastable(String),
    /// A statistic over the windows of a series.
    Windows(Series, Stat, u64),
}

/// What a side of a cut can tell.
pub(super) const OF_SIDES: [&str; 2] = ["stale_read_fraction", LOST];
const LOST: &str = "lost_acked_writes";

impl Figure {
    /// It is the share of reads that were stale.
    pub(super) fn is_share_of_reads(&self) -> bool {
        let (Self::Consistency(path) | Self::Node(_, path)) = self else { return false };
        path.last().is_some_and(|name| name == "stale_read_fraction")
    }

    /// A statistic of how long messages of a node took until they were done: those that were not count, too.
    pub(super) fn of_messages(node: String, group: Option<&str>, stat: Stat) -> Self {
        let messages = Some((node, group.map(str::to_owned)));
        Self::Sample(Selection { messages, ..Selection::default() }, Sample::Latency, stat)
    }

    /// It is of messages, which nobody waits for.
    pub(super) const fn is_of_messages(&self) -> bool {
        matches!(self, Self::Sample(Selection { messages: Some(_), .. }, ..))
    }

    /// What it is a figure of, in a word.
    pub(super) const fn unit(&self) -> &'static str {
        if self.is_of_messages() { "message" } else { "request" }
    }

    /// It is worked out from requests.
    pub(super) const fn is_of_requests(&self) -> bool {
        matches!(
            self,
            Self::Requests(..)
                | Self::Sample(..)
                | Self::Fraction(..)
                | Self::Windows(Series::Requests(..), ..)
        )
    }
}

/// Times of requests.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sample {
    /// Every decided request; failures are slower than any limit.
    Latency,
    /// Only successes.
    Survivors,
    /// Every decided request, as long as it took.
    All,
    /// Time to a mark; requests that did not get there are slower than any limit.
    Mark(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stat {
    Mean,
    Min,
    Max,
    Quantile(f64),
    /// Over windows: the share of those that are so compared with a limit.
    Share(Op, f64),
}

/// A figure per window of time.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Series {
    Requests(Selection, RequestsField),
    Node(String, NodeField),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RequestsField {
    Availability,
    Goodput,
    AttemptsPerRequest,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum AlertField {
    Count,
    Fired,
    Resolved,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum NodeField {
    Utilisation,
    InSystem,
    InQueue,
    Depth,
    Lag,
    Throughput,
    Instances,
    ColdShare,
}
