//! What a design costs: its prices, ready to be applied to what replications leave behind.
//!
//! **Invariant.** What has no price is not paid for, and is named; nothing is guessed.

use super::{
    ids::LOCAL,
    kind::Prices,
    kinds::NodeSpec,
    names::Names,
    network::{PAID, TrafficPricesSpec},
};

/// Hours of a month.
pub const MONTH: f64 = 730.0;
/// Bytes of a gigabyte.
pub const GIGABYTE: f64 = 1e9;

/// The prices of a design.
#[derive(Clone, Debug, Default)]
pub struct Tariff {
    /// Of each node, in name order.
    pub nodes: Vec<NodeTariff>,
    /// Of each class of traffic, US dollars for a gigabyte.
    pub traffic: [Option<f64>; PAID.len()],
    /// Nodes that stand where their callers stand, in a design with zones: what passes through them crosses none.
    pub floating: Vec<String>,
}

/// What is paid for a node.
#[derive(Clone, Debug)]
pub struct NodeTariff {
    /// Its name.
    pub name: String,
    /// Its prices; none: nothing of it can have one.
    pub prices: Option<Prices>,
    /// What its data costs, US dollars a month.
    pub storage: Option<f64>,
    /// The keys it keeps and the mean size of each, bytes.
    pub kept: Option<(u64, f64)>,
    /// Copies of each key that it keeps.
    pub copies: u64,
}

impl NodeTariff {
    /// Whether anything of it is paid for.
    pub fn is_priced(&self) -> bool {
        self.prices.is_some_and(Prices::any)
    }
}

impl Names {
    /// What its design costs; none where nothing has a price.
    pub fn tariff(&self) -> Option<Tariff> {
        let node = |(id, spec): (usize, &NodeSpec)| {
            let prices = spec.kind().prices();
            let kept = match spec {
                NodeSpec::Store(store) if store.storage.is_some() => {
                    store.keeps(id as u16, self).ok()
                }
                _ => None,
            };
            let price = prices.and_then(|prices| prices.storage);
            let copies = spec.kind().facts().replicas.map_or(1, |replicas| replicas.each);
            let month = |(price, (keys, size)): (f64, (u64, f64))| {
                price * (keys as f64 * size * copies as f64 / GIGABYTE)
            };
            NodeTariff {
                name: self.name(id).to_owned(),
                prices,
                storage: price.zip(kept).map(month),
                kept,
                copies,
            }
        };
        let nodes: Vec<NodeTariff> = self.specs().enumerate().map(node).collect();
        let traffic = self.design.network.prices.as_ref().map(TrafficPricesSpec::by_class);
        let floats = |id: &u16| !self.zones.is_empty() && self.places(*id).contains(&LOCAL);
        let floating = (0..nodes.len() as u16).filter(floats);
        let floating = floating.map(|id| self.name(id).to_owned()).collect();
        let tariff = Tariff { nodes, traffic: traffic.unwrap_or_default(), floating };
        tariff.is_priced().then_some(tariff)
    }

    /// Whether anything has a price.
    pub fn is_priced(&self) -> bool {
        let traffic = self.design.network.prices.as_ref();
        let traffic = traffic.is_some_and(|prices| prices.by_class().iter().any(Option::is_some));
        traffic || self.specs().any(|spec| spec.kind().prices().is_some_and(Prices::any))
    }
}

impl Tariff {
    fn is_priced(&self) -> bool {
        self.traffic.iter().any(Option::is_some) || self.nodes.iter().any(NodeTariff::is_priced)
    }
}
