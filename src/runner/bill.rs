//! The bill over replications: prices applied to what was measured.
//!
//! **Invariant.** The sum of a replication is the sum of its parts, added in the order of the file's names; what is
//! the same in each replication has an interval without width.

mod before;
mod words;

pub use before::{Before, before};

use super::environments::gb_seconds;
use crate::{
    model::{
        network::PAID,
        prices::{GIGABYTE, MONTH, NodeTariff, Tariff},
        probe::{Measured, NodeMeasured},
        purchase::ClassPrices,
    },
    results::{CostResults, CostSummary, Estimate, Means, NodeCost, Results, TrafficCost},
};

/// Nanoseconds of an hour.
const HOUR: f64 = 3600e9;

/// What was metered in many replications, in US dollars a month.
#[derive(Clone, Debug)]
pub(super) struct Bill {
    tariff: Tariff,
    nodes: Vec<NodeBill>,
    traffic: [Means; PAID.len()],
    bytes: [u64; PAID.len()],
    total: Means,
    /// Good answers an hour.
    good: Means,
}

/// One node's parts, and all of it.
#[derive(Clone, Debug, Default)]
struct NodeBill {
    hours: Means,
    storage: Means,
    calls: Means,
    memory: Means,
    provisioned: Means,
    all: Means,
}

impl NodeBill {
    /// Adds the next replication; gives all that is paid for it.
    fn push(&mut self, tariff: &NodeTariff, node: &NodeMeasured) -> Option<f64> {
        // In a run that ended in its warm-up nothing was metered.
        let months = (node.span > 0).then(|| node.span as f64 / HOUR / MONTH);
        let prices = tariff.prices.unwrap_or_default();
        // Down or not, an instance is there for the whole of it, or from when it begins to boot until it is gone.
        let free = node.uptime.off - node.uptime.booting;
        let free = if free == 0 { 0.0 } else { free as f64 / node.span.max(1) as f64 };
        let machines = node.instances.len() as f64 - free;
        let classes = prices.classes.zip(node.purchase.as_deref()).map(|(classes, there)| {
            let mean = there.time.map(|time| time as f64 / node.span.max(1) as f64);
            classes.hour(mean)
        });
        let hours = prices.hour.map(|price| price * machines).or(classes);
        let hours = hours.map(|hour| hour * MONTH);
        let calls = prices.calls.zip(months);
        // Those a function turned away came into no environment.
        let arrivals = node.environments.as_ref().map_or(node.arrivals, |own| own.books.visits);
        let calls = calls.map(|(price, months)| price / 1e6 * arrivals as f64 / months);
        let used = node.environments.as_ref().and_then(|own| gb_seconds(own)).zip(months);
        let used = |price: Option<f64>, part: usize| {
            price.zip(used).map(|(price, (used, months))| price * used[part] / months)
        };
        let storage = tariff.storage;
        let parts = [
            (&mut self.hours, hours),
            (&mut self.storage, storage),
            (&mut self.calls, calls),
            (&mut self.memory, used(prices.memory, 0)),
            (&mut self.provisioned, used(prices.provisioned, 1)),
        ];
        let mut sum = tariff.is_priced().then_some(0.0);
        for (means, part) in parts {
            let part = part.filter(|_| months.is_some()).map(rounded);
            means.push(part);
            sum = sum.map(|sum| sum + part.unwrap_or_default());
        }
        let sum = sum.filter(|_| months.is_some()).map(rounded);
        self.all.push(sum);
        sum
    }

    fn results(&self, tariff: &NodeTariff, confidence: f64) -> Option<NodeCost> {
        let prices = tariff.prices.filter(|prices| prices.any())?;
        let part = |means: &Means, price: Option<f64>| price.map(|_| estimate(means, confidence));
        Some(NodeCost {
            hours: part(&self.hours, prices.hour.or(prices.classes.and_then(ClassPrices::any))),
            storage: part(&self.storage, prices.storage),
            calls: part(&self.calls, prices.calls),
            memory: part(&self.memory, prices.memory),
            provisioned: part(&self.provisioned, prices.provisioned),
            per_month: estimate(&self.all, confidence),
        })
    }
}

impl Bill {
    /// By these prices, and nothing yet.
    pub(super) fn new(tariff: Tariff) -> Self {
        Self {
            nodes: vec![NodeBill::default(); tariff.nodes.len()],
            tariff,
            traffic: Default::default(),
            bytes: [0; PAID.len()],
            total: Means::default(),
            good: Means::default(),
        }
    }

    /// Adds the next replication, in which so many answers a second were good.
    pub(super) fn push(&mut self, measured: &Measured, goodput: Option<f64>) {
        let mut total = 0.0;
        let nodes = self.nodes.iter_mut().zip(&self.tariff.nodes).zip(&measured.nodes);
        for ((bill, tariff), node) in nodes {
            total += bill.push(tariff, node).unwrap_or_default();
        }
        let span = measured.uptime.1;
        let months = (span > 0).then(|| span as f64 / HOUR / MONTH);
        let classes = self.traffic.iter_mut().zip(self.tariff.traffic).zip(measured.traffic);
        for ((means, price), bytes) in classes {
            let paid = price.zip(months);
            let paid = paid.map(|(price, months)| price * (bytes as f64 / GIGABYTE) / months);
            means.push(paid.map(rounded));
            total += paid.unwrap_or_default();
        }
        for (sum, bytes) in self.bytes.iter_mut().zip(measured.traffic) {
            *sum += bytes;
        }
        self.total.push(months.map(|_| rounded(total)));
        self.good.push(goodput.map(|rate| rate * 3600.0));
    }

    /// Sums of the last replication, by their paths in the summary.
    pub(super) fn figures(&self) -> [(String, Option<f64>); 3] {
        let last = |means: &Means| means.each().last().copied().flatten();
        let (month, good) = (last(&self.total), last(&self.good));
        let hour = month.map(an_hour);
        let figures =
            [("per_hour", hour), ("per_month", month), ("per_million_ok", per_million(hour, good))];
        figures.map(|(name, value)| (format!("cost.{name}"), value))
    }

    /// Puts what it comes to where it belongs in the results.
    pub(super) fn write(&self, results: &mut Results) {
        let confidence = results.confidence;
        for (bill, tariff) in self.nodes.iter().zip(&self.tariff.nodes) {
            if let Some(node) = results.nodes.get_mut(&tariff.name) {
                node.cost = bill.results(tariff, confidence);
            }
        }
        let mut hours = Means::default();
        self.total.each().iter().for_each(|month| hours.push(month.map(an_hour)));
        let each: Vec<Option<f64>> = hours
            .each()
            .iter()
            .zip(self.good.each())
            .map(|(hour, good)| per_million(*hour, *good))
            .collect();
        let all = per_million(hours.mean(), self.good.mean());
        results.summary.cost = Some(CostSummary {
            per_hour: estimate(&hours, confidence),
            per_month: estimate(&self.total, confidence),
            per_million_ok: Estimate::around(all, &each, confidence),
        });
        results.cost = Some(CostResults {
            traffic: self.traffic(confidence),
            assumptions: words::assumptions(&self.tariff, &self.bytes),
            unpriced: words::unpriced(&self.tariff, &self.bytes),
        });
    }

    fn traffic(&self, confidence: f64) -> std::collections::BTreeMap<String, TrafficCost> {
        let classes = PAID.iter().zip(self.bytes).zip(self.tariff.traffic).zip(&self.traffic);
        let told = classes.filter(|(((_, bytes), price), _)| price.is_some() || *bytes > 0);
        let one = |(((name, bytes), price), means): (((&&str, u64), Option<f64>), &Means)| {
            let per_month = price.map(|_| estimate(means, confidence));
            ((*name).to_owned(), TrafficCost { bytes, per_month })
        };
        told.map(one).collect()
    }
}

/// Of a month's dollars those of an hour.
fn an_hour(month: f64) -> f64 {
    rounded(month / MONTH)
}

/// To a billionth of a dollar: a limit of exactly what it comes to in decimals is kept.
fn rounded(dollars: f64) -> f64 {
    (dollars * 1e9).round() / 1e9
}

/// Dollars for a million good answers.
fn per_million(hour: Option<f64>, good: Option<f64>) -> Option<f64> {
    let (hour, good) = hour.zip(good.filter(|good| *good > 0.0))?;
    Some(1e6 * hour / good)
}

/// An estimate; what is the same in each replication is exactly that, whatever adding it up would round it to.
fn estimate(means: &Means, confidence: f64) -> Estimate {
    let each = means.each();
    match each.first() {
        Some(&Some(first)) if each.iter().all(|one| *one == Some(first)) => {
            let end = (each.len() > 1).then_some(first);
            Estimate { value: Some(first), lower: end, upper: end, n: each.len() as u64 }
        }
        _ => means.estimate(confidence),
    }
}
