//! The root of the scenario language.

use std::{collections::BTreeMap, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{requirements::RequirementsSpec, sizing::SizeSpec, sweep::SweepSpec};
use crate::{
    model::{
        alert::AlertSpec,
        budget::ErrorBudgetSpec,
        client::ClientSpec,
        clock::ClocksSpec,
        consistency::spec::HistorySpec,
        fault::FaultSpec,
        kinds::NodeSpec,
        network::{NetworkSpec, TopologySpec},
        versions::Version,
    },
    units::{Fraction, Name, SimDuration, ValueError, text_value},
};

/// One experiment.
///
/// ```yaml
/// windtunnel: 1
/// name: mm1
/// duration: 20000s
/// warm_up: 1000s
/// clients: {load: {arrivals: poisson(9/s), to: server}}
/// nodes: {server: {service: {cores: 1, work: exp(mean=100ms)}}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenarioSpec {
    /// Version of the language: 1.
    pub windtunnel: LanguageVersion,
    /// Name of the experiment and of its result folder.
    pub name: Name,
    /// What it is about, in free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Simulated time, warm-up included.
    pub duration: SimDuration,
    /// Initial span deleted from all estimates; 0 when absent. `auto`: as long as a pilot of five replications shows
    /// the start from empty (MSER-5 over the requests on their way and the hit ratios of caches); the
    /// result folder's `scenario.yaml` says how long that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUp>,
    /// Confidence of every interval; 95 % when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Fraction>,
    /// Seed of all draws; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<Seed>,
    /// Regions and their zones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology: Option<TopologySpec>,
    /// Latencies and links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkSpec>,
    /// What it is to serve: users, what they do, what is kept of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<RequirementsSpec>,
    /// Who sends requests.
    pub clients: BTreeMap<Name, ClientSpec>,
    /// What serves them.
    pub nodes: BTreeMap<Name, NodeSpec>,
    /// What is watched; faults may come after it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alerts: BTreeMap<Name, AlertSpec>,
    /// What objectives allow to go wrong, and the alerts that watch how fast it is spent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub budgets: BTreeMap<Name, ErrorBudgetSpec>,
    /// What hits them, and when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultSpec>,
    /// How wrong the clocks of replicas and caches are; exact when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clocks: Option<ClocksSpec>,
    /// How much of the history of the data is followed; all of it when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistorySpec>,
    /// [Objectives](#objectives), such as `p99(latency) <= 400ms`; and files of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<SloSpec>")]
    pub slos: Vec<String>,
    /// What must be seen for the run to show what it is to show, in the grammar of [objectives](#objectives): the signature of
    /// an incident, such as `metastable(stall) == true`. Told as "as expected" or "not as expected". A variant is another
    /// design: it is held to these only if it names its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<String>,
    /// What `windtunnel size` may change to meet the objectives, and what is to be least then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<SizeSpec>,
    /// Named sets of overrides, `path: value`; run one with `run --variant`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variants: BTreeMap<Name, BTreeMap<String, serde_json::Value>>,
    /// Cells with settings of their own, all simulated by `windtunnel sweep`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepSpec>,
    /// What `set` faults make of the nodes.
    #[serde(skip)]
    pub versions: Vec<Version>,
}

/// An item of `slos`.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub enum SloSpec {
    /// One [objective](#objectives), such as `p99(latency) <= 400ms`
    Expression(String),
    /// All of a file
    Import(ImportSpec),
}

/// The SLOs of an OpenSLO file, each as an [objective](#objectives).
///
/// ```yaml
/// slos:
///   - import: checkout.yaml
///     as:
///       checkout-ok: availability(operation=buy)
///       checkout-fast: latency(operation=buy unit=ms)
///       search-fresh: none
/// ```
///
/// The file holds documents of `openslo/v1`; those of other kinds than `SLO` are passed over. Where a monitor finds the
/// figure (`indicator`) means nothing here, so `as` names ours. Of `spec` are kept:
///
/// - `objectives[].target` (`targetPercent`): with `availability(..)`, at least that share is good. With `latency(..)`, at least that
///   share of the requests is `op` `value`, which is `p99(latency ..) <= 300ms` for `lte`, 300 and 0.99: what fails is slower
///   than any limit.
/// - `budgetingMethod`: `Occurrences` counts requests; `Timeslices` counts slices of `timeSliceWindow`, which are good when at least
///   `timeSliceTarget` of their requests are: `fraction(availability >= 95% window=1m) >= 99%`. Slices without a request
///   are not counted; of latencies there are none.
/// - `timeWindow`: the run stands for it, and may not be longer.
///
/// `description`, `service`, `indicator`, `indicatorRef`, `alertPolicies`, `displayName` and what `metadata` says besides `name`
/// change nothing. All else is an error at its place, and so is an SLO without an entry in `as`.
#[derive(Clone, Debug, JsonSchema)]
pub struct ImportSpec {
    /// The file, inside the folder of the scenario. Imports stand in files, not in `--set`.
    pub import: String,
    /// `metadata.name` of each SLO, and its figure: `availability(..)` or `latency(.. unit=ms)` with selectors of objectives and
    /// the unit in which its `value` is written (`s`, `ms`, `us`, `ns`); `none` leaves it out.
    #[schemars(rename = "as")]
    pub figures: BTreeMap<String, String>,
}

/// Version of the scenario language: 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanguageVersion;

/// A seed: a whole number below 2^64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

/// What is deleted at the start of each replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarmUp {
    /// So much.
    For(SimDuration),
    /// What a pilot shows to be the start from empty.
    Auto,
}

impl WarmUp {
    /// Its length as far as it is known, ns.
    pub const fn nanos(self) -> u64 {
        match self {
            Self::For(span) => span.0,
            Self::Auto => 0,
        }
    }
}

impl FromStr for WarmUp {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let or_auto = |error: ValueError| ValueError {
            help: error.help.or_else(|| Some("`auto` has a pilot find it".to_owned())),
            ..error
        };
        text.parse().map(Self::For).map_err(or_auto)
    }
}

impl fmt::Display for WarmUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(span) => span.fmt(f),
            Self::Auto => f.write_str("auto"),
        }
    }
}

text_value!(WarmUp, "WarmUp", "a duration such as `30s`, or `auto`", ["30s", "auto"]);
