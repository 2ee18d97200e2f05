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

mod check;
mod evaluate;
mod gate;
mod gather;
mod parse;
mod shape;
mod words;

use std::collections::{BTreeMap, BTreeSet};

pub use check::check;
pub use evaluate::Judge;
pub use gate::Gate;

use crate::results::Selection;
use parse::Op;

/// The names of a scenario that an expression may use.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Each client's operations.
    pub clients: BTreeMap<String, Vec<String>>,
    /// All nodes.
    pub nodes: BTreeSet<String>,
    /// All `mark` steps.
    pub marks: BTreeSet<String>,
    /// All attributes of requests.
    pub attributes: BTreeSet<String>,
    /// Measured span, ns.
    pub span: u64,
    /// Length of the windows of the time series, ns.
    pub window: u64,
    /// Ids of all faults.
    pub faults: BTreeSet<String>,
    /// Names of all alerts.
    pub alerts: BTreeSet<String>,
    /// Something has a price.
    pub priced: bool,
    /// Nodes that have one.
    pub priced_nodes: BTreeSet<String>,
    /// Node and name of the locks of which each key (`per`) has its own.
    pub key_locks: BTreeSet<(String, String)>,
}

/// Ids of the faults around which expressions ask about requests.
pub fn faults_asked(slos: &[Slo]) -> BTreeSet<String> {
    let figures = slos.iter().flat_map(|slo| [Some(&slo.figure), slo.of.as_ref()]).flatten();
    let asked = figures.filter_map(|figure| match figure {
        Figure::Requests(selection, _)
        | Figure::Sample(selection, ..)
        | Figure::Fraction(selection, ..) => selection.around.clone(),
        _ => None,
    });
    asked.map(|(fault, _)| fault).collect()
}

/// A checked expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Slo {
    text: String,
    figure: Figure,
    op: Op,
    /// In the metric's unit: seconds, per second, a fraction, a number.
    limit: f64,
    /// `of`: what the figure is divided by.
    of: Option<Figure>,
    /// `in F of runs`.
    runs: Option<f64>,
}

/// A figure of the results, or one that must be worked out from what stands behind them.
#[derive(Clone, Debug, PartialEq)]
enum Figure {
    /// A path in the block of figures of these requests.
    Requests(Selection, Vec<String>),
    /// A statistic of times of these requests.
    Sample(Selection, Sample, Stat),
    /// The share of these requests whose time is so compared with so many ns.
    Fraction(Selection, Sample, Op, u64),
    /// A path in a node's results.
    Node(String, Vec<String>),
    /// A figure of the design itself.
    Uptime(Vec<String>),
    /// A path in what the design costs.
    Cost(Vec<String>),
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

impl Figure {
    /// It is worked out from requests.
    const fn is_of_requests(&self) -> bool {
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
enum Sample {
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
enum Stat {
    Mean,
    Min,
    Max,
    Quantile(f64),
}

/// A figure per window of time.
#[derive(Clone, Debug, PartialEq)]
enum Series {
    Requests(Selection, RequestsField),
    Node(String, NodeField),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum RequestsField {
    Availability,
    Goodput,
    AttemptsPerRequest,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum AlertField {
    Count,
    Fired,
    Resolved,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum NodeField {
    Utilisation,
    InSystem,
    InQueue,
    Throughput,
}
