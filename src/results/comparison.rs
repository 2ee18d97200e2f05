//! What a comparison of designs leaves behind: `compare.json`.
//!
//! **Invariant.** Every difference is between the same replications of two designs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{figure::Estimate, status::Status};

/// Designs and how they differ.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Of the program.
    pub windtunnel_version: String,
    /// Of what the figures mean.
    pub semantics_version: u32,
    /// The base's scenario.
    pub scenario: String,
    /// Seeds of the replications, the same of each design.
    pub seeds: Vec<u64>,
    /// Of every interval and verdict.
    pub confidence: f64,
    /// `complete`, `interrupted` or `truncated`: the worst of all designs.
    pub status: Status,
    /// Why they might not be comparable.
    pub warnings: Vec<String>,
    /// What they are compared by, in the order of the table.
    pub metrics: Vec<ComparedMetric>,
    /// The base first.
    pub designs: Vec<ComparedDesign>,
    /// Of each metric, each design against the base.
    pub differences: Vec<Difference>,
    /// Names of the designs of which no other is shown to be better in something and as good in all the rest.
    pub pareto: Vec<String>,
}

impl Comparison {
    /// How a design differs from the base by a metric.
    #[must_use]
    pub fn difference(&self, metric: &str, design: &str) -> Option<&Difference> {
        self.differences.iter().find(|d| d.metric == metric && d.design == design)
    }

    /// What is known of a metric.
    #[must_use]
    pub fn metric(&self, metric: &str) -> Option<&ComparedMetric> {
        self.metrics.iter().find(|m| m.metric == metric)
    }
}

/// A figure designs are compared by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparedMetric {
    /// The expression.
    pub metric: String,
    /// `s`, `/s`, `fraction`, `number`, `$` or `truth`.
    pub unit: String,
    /// Whether `lower` or `higher` is better.
    pub better: String,
}

/// A design.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ComparedDesign {
    /// `base`, the variant, the file.
    pub name: String,
    /// As it was typed.
    pub file: String,
    /// None: the file as it stands.
    pub variant: Option<String>,
    /// Of all its events.
    pub fingerprint: String,
    /// By metric; what it does not have is absent.
    pub figures: BTreeMap<String, ComparedFigure>,
    /// How many objectives it has.
    pub objectives: u64,
    /// Those it does not meet, with the reason if there is no figure.
    pub not_met: Vec<(String, Option<String>)>,
    /// Those whose intervals hold their limits, with what would tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inconclusive: Vec<(String, Option<String>)>,
    /// Nodes that the base uses and this one does not.
    pub idle: Vec<String>,
    /// Requests it was sent in all replications.
    pub issued: u64,
}

/// A figure of a design.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ComparedFigure {
    /// No value: it falls on requests that were never answered, or nothing was observed.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Of a time: the share of requests that were never answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub never: Option<f64>,
}

/// A metric of a design against that of the base.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The expression.
    pub metric: String,
    /// What it is compared with.
    pub base: String,
    /// What is compared.
    pub design: String,
    /// How much more it has; without a value where one of the two has none.
    pub difference: Estimate,
    /// How many times that of the base it is; without a value unless both are positive.
    pub ratio: Estimate,
    /// Over replications.
    pub correlation: Option<f64>,
    /// How many times as many independent replications would tell as much.
    pub gain: Option<f64>,
    /// A difference no larger than this is none.
    pub margin: f64,
    /// Whether `lower` or `higher` is better.
    pub better: String,
    /// What is shown, allowing for the number of differences looked at.
    pub verdict: Shown,
    /// Why, where the figures do not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What is shown of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// Better than the base.
    Better,
    /// Worse than the base.
    Worse,
    /// Within the margin.
    Equivalent,
    /// Neither.
    NoneShown,
    /// The same bits in every replication.
    Identical,
    /// One of the two has no such figure, or neither does.
    NotComparable,
}
