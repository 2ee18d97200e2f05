//! How the bill was metered, and what is not on it, in words.
//!
//! **Invariant.** Only what this bill rests on is told.

use crate::{
    model::{
        kind::Prices,
        network::PAID,
        prices::{NodeTariff, Tariff},
        purchase::ClassPrices,
    },
    units::show::{count, grouped},
};

/// How it was metered, in sentences.
pub(super) fn assumptions(tariff: &Tariff, bytes: &[u64; PAID.len()]) -> Vec<String> {
    let has = |price: fn(Prices) -> Option<f64>| {
        let mut prices = tariff.nodes.iter().filter_map(|node| node.prices);
        prices.any(|prices| price(prices).is_some())
    };
    let mut all = vec![
        "Money is US dollars, a month 730 hours, a GB 10^9 bytes; what was measured after the warm-up stands for the \
         whole month."
            .to_owned(),
    ];
    let mut tell = |wanted: bool, text: &str| all.extend(wanted.then(|| text.to_owned()));
    tell(
        has(|prices| prices.hour.or(prices.classes.and_then(ClassPrices::any))),
        "An instance is paid for from the start of its boot until it is taken away, down or not; a shard is one \
         instance.",
    );
    tell(
        has(|prices| prices.classes.and_then(|classes| classes.hour[0])),
        "Reserved instances are paid for all the time, whether they are there or not.",
    );
    tell(has(|prices| prices.calls), "A call is paid for when it arrives, retries included.");
    tell(
        has(|prices| prices.memory.or(prices.provisioned)),
        "A function is paid for the requests that came into an environment. Its memory is in use while an environment starts and \
         while a request is inside, each to the next millisecond; a provisioned environment is paid for all the time, at its own \
         price, whatever runs there.",
    );
    let priced = tariff.traffic.iter().any(Option::is_some);
    tell(
        priced,
        "Traffic is the bytes of the messages that were sent, lost ones included: `internet` towards clients only, \
         the other classes in both directions, each byte once. Headers and handshakes have no size.",
    );
    tell(
        priced && bytes.iter().all(|bytes| *bytes == 0),
        "No message of a priced class had a size: give `size`, `reply` or `value_size`.",
    );
    if priced && !tariff.floating.is_empty() {
        all.push(format!(
            "{} stand where their callers stand (no `zones`): what passes through them crosses no zone.",
            tariff.floating.join(", ")
        ));
    }
    all.extend(tariff.nodes.iter().filter_map(kept));
    all
}

/// What a store is paid to keep.
fn kept(node: &NodeTariff) -> Option<String> {
    let (keys, size) = node.kept?;
    let (keys, size) = (count(keys), grouped(size, usize::from(size.fract() != 0.0)));
    let copies = match node.copies {
        1 => "one copy".to_owned(),
        n => format!("{n} copies"),
    };
    Some(format!("{} keeps {keys} keys of {size} bytes in the mean, {copies} of each.", node.name))
}

/// What has no price, though others have one.
pub(super) fn unpriced(tariff: &Tariff, bytes: &[u64; PAID.len()]) -> Vec<String> {
    let mut all = Vec::new();
    for node in &tariff.nodes {
        let Some(prices) = node.prices else { continue };
        let Prices { hour, storage, keeps, provisioned, provisions, .. } = prices;
        if !prices.any() {
            all.push(node.name.clone());
        } else if hour.is_none() && storage.is_some() {
            all.push(format!("{}.price", node.name));
        } else if hour.is_some() && storage.is_none() && keeps {
            all.push(format!("{}.storage", node.name));
        } else if provisions && provisioned.is_none() {
            all.push(format!("{}.provisioned_price", node.name));
        }
    }
    let classes = PAID.iter().zip(tariff.traffic).zip(bytes);
    let unpaid = classes.filter(|((_, price), bytes)| price.is_none() && **bytes > 0);
    all.extend(unpaid.map(|((class, _), _)| (*class).to_owned()));
    all
}
