//! What can be wrong with how instances are bought, beyond types.
//!
//! **Invariant.** As in `model/check.rs`.

use super::{PurchaseSpec, SpotSpec};
use crate::{
    model::{
        check::{MAX_INSTANCES, law},
        fault::MAX_OCCURRENCES,
        kind::Kind,
        names::Names,
        network::ZonesSpec,
        service::ServiceSpec,
    },
    problem::Problems,
};

/// Checks how the instances of a service are bought; `path` is that of the service's map.
pub fn purchase(spec: &ServiceSpec, path: &str, names: &Names, problems: &mut Problems) {
    let Some(purchase) = &spec.purchase else { return };
    let at = |key: &str| format!("{path}.purchase{key}");
    let most = spec.wanted();
    if spec.price.is_some() {
        let message = "`purchase` says what its instances cost";
        problems.error_help("E-CONFLICT", format!("{path}.price"), message, "remove either");
    }
    if let Some(reserved) = purchase.reserved {
        if reserved.count.0 == 0 {
            problems.error("E-RANGE", at(".reserved.count"), "must be at least 1");
        } else if reserved.count.0 > most {
            let message = format!("{} are reserved of {most} instances", reserved.count);
            let help = "at most as many as there ever are";
            problems.error_help("E-RANGE", at(".reserved.count"), message, help);
        }
    }
    if let Some(spot) = &purchase.spot {
        on_the_spot(spot, most, &at(".spot"), names, problems);
        if matches!(spec.zones, Some(ZonesSpec::Counts(_))) {
            let message = "a map of zones says how many instances there are in each, and spot instances come and go";
            let help = "give `zones` as a list: places stand in them in turn";
            problems.error_help("E-CONFLICT", format!("{path}.zones"), message, help);
        }
    }
    let places = spec.facts().instances;
    if purchase.spot.is_some() && places > MAX_INSTANCES {
        let message = format!(
            "with those who are about to leave there are up to {places}; the limit is {MAX_INSTANCES}"
        );
        problems.error_help("E-BUDGET", at(".spot"), message, "fewer `instances`");
    }
    let share = purchase.share();
    if purchase.reserved() <= most && (purchase.spot.is_none() || share > 0.0 && share <= 1.0) {
        unused(purchase, most, &at, problems);
    }
}

/// Classes of which there are none, and instances of no class.
fn unused(
    purchase: &PurchaseSpec,
    most: u64,
    at: &dyn Fn(&str) -> String,
    problems: &mut Problems,
) {
    let [_, spot, rest] = purchase.of(most);
    if rest > 0 && purchase.on_demand.is_none() {
        let message = format!(
            "{rest} of {most} instances are neither reserved nor bought on the spot market"
        );
        let help = "say what they cost: `on_demand: {price: $0.10/h}`";
        problems.error_help("E-MISSING", at(""), message, help);
    }
    if purchase.spot.is_some() && spot == 0 {
        let message = format!("of {most} instances none is bought so");
        problems.warn("W-UNUSED", at(".spot"), message, "a larger `share`, or leave it out");
    }
    if rest == 0 && purchase.on_demand.is_some() {
        let message = format!("of {most} instances none is bought so");
        problems.warn("W-UNUSED", at(".on_demand"), message, "leave it out");
    }
}

fn on_the_spot(spot: &SpotSpec, most: u64, at: &str, names: &Names, problems: &mut Problems) {
    if spot.share.is_some_and(|share| share.0 <= 0.0 || share.0 > 1.0) {
        let help = "leave `spot` out, or give it a share of what is not reserved";
        problems.error_help(
            "E-RANGE",
            format!("{at}.share"),
            "must be above 0 and at most 100 %",
            help,
        );
    }
    law(&spot.reclaim, &format!("{at}.reclaim"), problems);
    if let Some(refill) = &spot.refill {
        law(refill, &format!("{at}.refill"), problems);
    }
    let mean = spot.reclaim.mean().unwrap_or(f64::INFINITY);
    let taken = names.design.duration as f64 / mean.max(1.0) * most as f64;
    if taken > MAX_OCCURRENCES as f64 {
        let message = format!("about {taken:.1e} instances are taken in a run");
        let help = format!("the limit is {MAX_OCCURRENCES}; a longer `reclaim`");
        problems.error_help("E-BUDGET", format!("{at}.reclaim"), message, help);
    }
}
