//! Checks of prices: what they are for must be known and be measured.
//!
//! **Invariant.** As in `check.rs`.

use super::{
    kinds::NodeSpec,
    names::Names,
    network::PAID,
    versions::{changes_shards, paths_set},
};
use crate::problem::{Problem, Problems, Severity};

/// Checks all prices of a design.
pub(super) fn prices(names: &Names, problems: &mut Problems) {
    stores(names, problems);
    traffic(names, problems);
    now_and_then(names, problems);
}

/// Storage is paid for as many bytes as the file says there are.
fn stores(names: &Names, problems: &mut Problems) {
    let sets = paths_set(&names.design.faults, &names.design.nodes);
    for (id, (name, spec)) in names.design.nodes.iter().enumerate() {
        let NodeSpec::Store(store) = spec else { continue };
        let at = |key: &str| format!("nodes.{}.store.{key}", name.0);
        if store.storage.is_none() {
            if store.keys.is_some() && store.backup.is_none() && !changes_shards(&name.0, &sets) {
                let help = "leave it out, or say what they cost: `storage: $0.023/GB/month`";
                problems.warn("W-UNUSED", at("keys"), "`keys` is only used by `storage`", help);
            }
            continue;
        }
        if let Err(error) = store.keeps(id as u16, names) {
            let problem = Problem::new(Severity::Error, error.code, at("storage"), error.message);
            problems.add(Problem { help: error.help, ..problem });
        }
    }
}

/// A price of traffic that no message can have.
fn traffic(names: &Names, problems: &mut Problems) {
    let Some(prices) = &names.design.network.prices else { return };
    let clients = &names.design.clients;
    let inside = !clients.is_empty() && clients.values().all(|client| client.zones().is_some());
    let one_each = names.regions.values().all(|zones| zones.len() < 2);
    let unused = [
        inside.then_some("all clients stand in zones"),
        one_each.then_some("no region has two zones"),
        (names.regions.len() < 2).then_some("there are no two regions"),
    ];
    let silent = "no message has a size";
    for ((price, class), unused) in prices.by_class().iter().zip(PAID).zip(unused) {
        let Some(why) = unused.or_else(|| (!names.carries).then_some(silent)) else { continue };
        if price.is_some() {
            let help = match why {
                _ if why == silent => "give sizes: `size`, `reply`, `value_size`",
                _ => "leave it out",
            };
            let message = format!("nothing is paid for `{class}`: {why}");
            problems.warn("W-UNUSED", format!("network.prices.{class}"), message, help);
        }
    }
}

/// Where clients send only some of the time, what is counted of calls and bytes stands for no month.
fn now_and_then(names: &Names, problems: &mut Problems) {
    let mut clients = names.design.clients.iter();
    let Some((client, _)) = clients.find(|(_, client)| client.active.is_some()) else { return };
    let calls = names.design.nodes.iter().filter_map(|(name, spec)| match spec {
        NodeSpec::External(external) => {
            external.price.map(|_| format!("nodes.{}.external.price", name.0))
        }
        _ => None,
    });
    let traffic = names.design.network.prices.map(|_| "network.prices".to_owned());
    for path in calls.chain(traffic) {
        let message = format!(
            "`{}` sends only some of the time (`active`): its calls and bytes stand for no month",
            client.0
        );
        let help = "price instances and storage only, or leave out `active`";
        problems.error_help("E-CONFLICT", path, message, help);
    }
}
