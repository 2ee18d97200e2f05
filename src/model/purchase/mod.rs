//! How instances are bought: reserved, on the spot market, on demand.

pub mod check;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::DurationLaw,
    units::{Count, Fraction, HourPrice, SimDuration},
};

/// How the instances of a service are bought, in place of its `price`. The first ones are reserved, a share of the others is
/// bought on the spot market, the rest on demand; who comes later, by `autoscale` or in place of one that was taken, is bought
/// as whatever is missing then.
///
/// ```yaml
/// purchase: {reserved: {count: 4, price: $0.06/h}, spot: {share: 50%, price: $0.03/h, reclaim: exp(mean=6h)}, on_demand: {price: $0.10/h}}
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PurchaseSpec {
    /// So many are paid for all the time, whether they are there or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<ReservedSpec>,
    /// A share of the others can be taken away at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot: Option<SpotSpec>,
    /// What the rest costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_demand: Option<OnDemandSpec>,
}

/// Instances that are paid for beforehand.
///
/// ```yaml
/// {count: 4, price: $0.06/h}
/// ```
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReservedSpec {
    /// How many.
    pub count: Count,
    /// What each costs.
    pub price: HourPrice,
}

/// Instances that the provider takes back when somebody else wants them. It gives notice: from then on an instance takes nothing new,
/// and when the notice is over its host is gone with whatever is still inside. Its replacement begins to boot at the notice,
/// or `refill` later, at the lowest place that is free; if an autoscaler wants fewer by then, none does. A fault `reclaim` takes
/// several at once, and as long as it lasts none comes where it hits.
///
/// ```yaml
/// {share: 50%, price: $0.03/h, reclaim: exp(mean=6h), notice: 2m, refill: exp(mean=5m)}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpotSpec {
    /// Which share of the instances that are not reserved, rounded; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Fraction>,
    /// What each costs, from the start of its boot until it is gone.
    pub price: HourPrice,
    /// How long the provider leaves one, from when it is ready; drawn for each.
    pub reclaim: DurationLaw,
    /// How long before that it says so; 2 m when absent. One that is taken sooner after it was ready is told at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<SimDuration>,
    /// How long until there is another one to be had; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refill: Option<DurationLaw>,
}

/// Instances that are paid for as long as they are there.
///
/// ```yaml
/// {price: $0.10/h}
/// ```
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnDemandSpec {
    /// What each costs, from the start of its boot until it is gone.
    pub price: HourPrice,
}

/// How an instance was bought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// Beforehand.
    #[default]
    Reserved,
    /// Until somebody else wants it.
    Spot,
    /// As long as it is there.
    OnDemand,
}

/// How many there are of each class.
pub const CLASSES: usize = 3;

/// What an hour of each class costs, US dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClassPrices {
    /// By class.
    pub hour: [Option<f64>; CLASSES],
    /// Reserved ones, which are paid for in any case.
    pub reserved: u64,
}

/// Notice of a spot instance when the file does not say, ns.
const NOTICE: u64 = 120_000_000_000;

impl SpotSpec {
    /// The share of those that are not reserved.
    pub fn share(&self) -> f64 {
        self.share.map_or(1.0, |share| share.0)
    }

    /// How long before it is taken one is told, ns.
    pub fn notice(&self) -> u64 {
        self.notice.map_or(NOTICE, |notice| notice.0)
    }
}

impl PurchaseSpec {
    /// How many are reserved.
    pub fn reserved(&self) -> u64 {
        self.reserved.map_or(0, |reserved| reserved.count.0)
    }

    /// The share of the others that is bought on the spot market.
    pub fn share(&self) -> f64 {
        self.spot.as_ref().map_or(0.0, SpotSpec::share)
    }

    /// Of so many instances those of each class, in order.
    pub fn of(&self, instances: u64) -> [u64; CLASSES] {
        let reserved = self.reserved().min(instances);
        let spot = spots(self.share(), instances - reserved);
        [reserved, spot, instances - reserved - spot]
    }

    /// What each class costs.
    pub fn prices(&self) -> ClassPrices {
        let hour = [
            self.reserved.map(|one| one.price.0),
            self.spot.as_ref().map(|one| one.price.0),
            self.on_demand.map(|one| one.price.0),
        ];
        ClassPrices { hour, reserved: self.reserved() }
    }

    /// Its laws.
    pub fn laws(&self) -> impl Iterator<Item = &DurationLaw> {
        self.spot.iter().flat_map(|spot| std::iter::once(&spot.reclaim).chain(&spot.refill))
    }
}

/// Of so many that are not reserved those that are to be bought on the spot market.
pub fn spots(share: f64, others: u64) -> u64 {
    ((share * others as f64).round() as u64).min(others)
}

impl ClassPrices {
    /// What is paid for an hour in which so many of each class were there.
    pub fn hour(&self, there: [f64; CLASSES]) -> f64 {
        let paid = [self.reserved as f64, there[1], there[2]];
        let each = self.hour.iter().zip(paid);
        each.map(|(price, there)| price.unwrap_or_default() * there).sum()
    }

    /// Whether any class has one.
    pub fn any(self) -> Option<f64> {
        self.hour.into_iter().flatten().next()
    }
}
