//! What a design costs, as far as that is known before it runs.

use super::MONTH;
use crate::model::{
    names::Names,
    prices::NodeTariff,
    purchase::{PurchaseSpec, spots},
};

/// What is paid for a month.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Before {
    /// US dollars for what is there, used or not: instances as the run begins, data.
    pub month: f64,
    /// More is paid by use: calls, traffic, instances that come and go.
    pub by_use: bool,
}

/// What a design costs; none where nothing has a price.
pub fn before(names: &Names) -> Option<Before> {
    let tariff = names.tariff()?;
    let mut all = Before { month: 0.0, by_use: tariff.traffic.iter().any(Option::is_some) };
    for (node, spec) in tariff.nodes.iter().zip(names.specs()) {
        let kind = spec.kind();
        let prices = node.prices.unwrap_or_default();
        let start = kind.comes_and_goes();
        let machines = start.unwrap_or_else(|| kind.facts().instances);
        let use_ = prices.calls.or(prices.memory).or(prices.provisioned);
        let classes = prices.classes.zip(kind.purchase());
        let hour = prices.hour.map(|hour| hour * machines as f64);
        all.by_use |= use_.is_some() || classes.is_some() || hour.is_some() && start.is_some();
        let bought = classes.map(|(prices, (spec, _))| prices.hour(bought(spec, machines)));
        all.month += hour.or(bought).unwrap_or_default() * MONTH + kept(node);
    }
    Some(all)
}

fn kept(node: &NodeTariff) -> f64 {
    node.storage.unwrap_or_default()
}

/// How many of each class are bought, the spot market having enough.
fn bought(spec: &PurchaseSpec, machines: u64) -> [f64; 3] {
    let others = machines.saturating_sub(spec.reserved());
    let spot = spots(spec.share(), others);
    [spec.reserved() as f64, spot as f64, (others - spot) as f64]
}
