//! Zones, links, latency, loss, bandwidth.

pub mod books;
pub mod build;
pub mod check;
pub mod disturbed;
pub mod ground;
pub mod line;
pub mod links;
pub mod places;
pub mod send;

mod text;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::DurationLaw,
    units::{Bandwidth, Count, Fraction, Name, TrafficPrice},
};

/// Where things can stand.
///
/// ```yaml
/// topology: {regions: {us-east: [us-east-a, us-east-b], eu-west: [eu-west-a]}}
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopologySpec {
    /// The zones of each region.
    #[serde(default)]
    pub regions: BTreeMap<Name, Vec<Name>>,
}

/// Zones of a node or client: one name, a list (instances in turn), or instances per zone. The
/// name of a region stands for its zones.
#[derive(Clone, Debug, PartialEq)]
pub enum ZonesSpec {
    /// One zone or region.
    One(Name),
    /// Several, instances in turn.
    List(Vec<Name>),
    /// Instances in each.
    Counts(BTreeMap<Name, Count>),
}

/// One-way latencies by class, links that differ, and a matrix between regions. A class that is not
/// given is 0.
///
/// ```yaml
/// network: {same_zone: 0.25ms, same_region: 0.8ms, cross_region: 70ms, internet: 20ms}
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// One-way latency between two instances in one zone (and in a design without zones).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_zone: Option<DurationLaw>,
    /// One-way latency between two zones of one region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_region: Option<DurationLaw>,
    /// One-way latency between regions, where no link or matrix says more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_region: Option<DurationLaw>,
    /// One-way latency between clients outside all zones and their first hop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internet: Option<DurationLaw>,
    /// Links that differ from their class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LinkSpec>,
    /// What traffic costs. A class that is not given has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<TrafficPricesSpec>,
    /// Latencies between regions from a file: `matrix(file=rtt.csv unit=ms round_trip=true)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions: Option<MatrixSpec>,
}

/// What a gigabyte (10^9 bytes) of the messages that are sent costs. Headers and handshakes have no size, and a
/// byte is paid once: where both ends are billed for it, the price is the sum.
///
/// ```yaml
/// prices: {internet: $0.09/GB, cross_zone: $0.01/GB, cross_region: $0.02/GB}
/// ```
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficPricesSpec {
    /// Towards clients outside all zones; what they send is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internet: Option<TrafficPrice>,
    /// Between zones of a region, in both directions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_zone: Option<TrafficPrice>,
    /// Between regions, in both directions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_region: Option<TrafficPrice>,
}

/// Classes of traffic that can have a price, in the order of all tables of them.
pub const PAID: [&str; 3] = ["internet", "cross_zone", "cross_region"];

impl TrafficPricesSpec {
    /// The price of each class, US dollars for a gigabyte.
    pub fn by_class(&self) -> [Option<f64>; PAID.len()] {
        [self.internet, self.cross_zone, self.cross_region].map(|price| price.map(|p| p.0))
    }
}

/// A link between two zones or regions (`internet` stands for all clients outside the zones), or a pair of
/// nodes or clients that has one of its own: what one of them sends the other goes by it, not by the link of
/// their zones.
///
/// ```yaml
/// - {from: us-east-a, to: us-east-b, latency: 0.6ms, bandwidth: 10Gbps, loss: 0.001%}
/// - {from: api, to: legacy-db, latency: lognormal(median=9ms p99=12ms)}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkSpec {
    /// A name to reach this link by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Name>,
    /// Zone, region, node, client or `internet` it leads from.
    pub from: Name,
    /// Zone, region, node, client or `internet` it leads to.
    pub to: Name,
    /// One-way latency; that of the class when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<DurationLaw>,
    /// What it can carry in each direction; unlimited when absent. Messages that are sent at the same time share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
    /// How messages have the `bandwidth`: `shared` (default; with `ordered` one after the other) or `fifo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discipline: Option<LineDiscipline>,
    /// No message gets more of a shared `bandwidth` than this: what its two ends can send and take. Unlimited when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_flow: Option<Bandwidth>,
    /// Fraction of messages lost without a trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Fraction>,
    /// Only this direction; both ways when absent or false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_way: Option<bool>,
    /// Messages never overtake one another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered: Option<bool>,
}

impl LinkSpec {
    /// What it is called in results: its id, or whom it joins.
    pub fn name(&self) -> String {
        let joined = || format!("{}-{}", self.from.0, self.to.0);
        self.id.as_ref().map_or_else(joined, |id| id.0.clone())
    }

    /// How messages have its bandwidth.
    pub fn discipline(&self) -> LineDiscipline {
        let ordered = self.ordered == Some(true);
        let unsaid = if ordered { LineDiscipline::Fifo } else { LineDiscipline::Shared };
        self.discipline.unwrap_or(unsaid)
    }
}

/// How messages have the bandwidth of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineDiscipline {
    /// Those that are sent at the same time get equal parts of it (processor sharing), as flows that a network treats
    /// alike do: a small message hardly waits for a large one.
    #[default]
    Shared,
    /// One after the other, in the order in which they were sent: one connection, a pipe, a serial line.
    Fifo,
}

/// `matrix(file=rtt.csv unit=ms round_trip=true)`: latencies between regions; row = from, first
/// column and header are region names; `round_trip=true` halves them.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSpec {
    /// CSV file, relative to the scenario.
    pub file: String,
    /// Unit of its numbers: `ns us ms s`.
    pub unit: String,
    /// Numbers are round-trip times: half each way.
    pub round_trip: bool,
}
