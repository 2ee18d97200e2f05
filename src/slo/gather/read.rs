//! Figures that results hold as they are, by their path.
//!
//! **Invariant.** What was watched for longer than its limit and not seen is infinite, not unknown.

use serde_json::Value as Json;

use super::super::objective::AlertField;
use crate::results::{ConsistencyResults, FaultResults, Results};

pub(super) fn node_value(results: &Results, node: &str, path: &[String]) -> Option<f64> {
    let figures = json(results.nodes.get(node)?);
    match path {
        // A cause that never came up is not listed.
        [block, _] if block == "causes" => Some(at(&figures, path).unwrap_or(0.0)),
        [block, path @ ..] if block == "consistency" => {
            of_data(results.nodes.get(node)?.consistency.as_deref(), path)
        }
        _ => at(&figures, path),
    }
}

/// What clients saw of the data; what never came up is not listed.
pub(super) fn of_data(of: Option<&ConsistencyResults>, path: &[String]) -> Option<f64> {
    let listed = ["operations", "not_checked", "lost_by_cause", "torn_by_cause"];
    let never = || (path.len() == 2 && listed.contains(&path[0].as_str())).then_some(0.0);
    at(&json(of?), path).or_else(never)
}

pub(super) fn alert(results: &Results, id: &str, field: AlertField) -> Option<f64> {
    let alert = results.alerts.iter().find(|alert| alert.id == id)?;
    match field {
        AlertField::Count => alert.count.value,
        AlertField::Fired => alert.fired.value,
        AlertField::Resolved => alert.resolved.value,
    }
}

/// Infinite if it was watched for longer than the limit and not seen.
pub(super) fn recovery(results: &Results, fault: &str, limit: Option<f64>) -> Option<f64> {
    let fault = results.faults.iter().find(|f| f.id == fault)?;
    fault.time_to_recover.value.or_else(|| unseen(fault.watched.value?, limit))
}

/// Of the only client there is it is that of all.
pub(super) fn back_after(
    results: &Results,
    fault: &str,
    client: Option<&str>,
    limit: Option<f64>,
) -> Option<f64> {
    let fault = results.faults.iter().find(|f| f.id == fault)?;
    let of = client.and_then(|client| fault.back_by_client.get(client));
    let lasted = || Some(fault.ended.value? - fault.started.value? + fault.watched.value?);
    of.unwrap_or(&fault.back_after).value.or_else(|| unseen(lasted()?, limit))
}

/// Infinite if what a fault cost was not over when it had been watched for longer than the limit.
pub(super) fn cost_unseen(
    fault: &FaultResults,
    path: &[String],
    limit: Option<f64>,
) -> Option<f64> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let (of, since_its_start) = match path.as_slice() {
        ["convergence_time"] => (fault.convergence_time, false),
        ["rto", "read"] => (fault.rto.map(|rto| rto.read), true),
        ["rto", "write"] => (fault.rto.map(|rto| rto.write), true),
        _ => return None,
    };
    of.filter(|of| of.value.is_none() && fault.occurrences.value > Some(0.0))?;
    let lasted = fault.ended.value? - fault.started.value?;
    let watched = fault.watched.value?;
    unseen(watched + if since_its_start { lasted } else { 0.0 }, limit)
}

pub(super) fn unseen(watched: f64, limit: Option<f64>) -> Option<f64> {
    limit.is_some_and(|limit| watched > limit).then_some(f64::INFINITY)
}

/// 1 for true, 0 for false.
pub(super) fn metastable(results: &Results, fault: &str) -> Option<f64> {
    let verdict = results.faults.iter().find(|f| f.id == fault)?.metastable?;
    Some(f64::from(u8::from(verdict)))
}

pub(super) fn json(figures: &impl serde::Serialize) -> Json {
    serde_json::to_value(figures).expect("figures have string keys")
}

/// The number at a path, or the value of the estimate there.
pub(super) fn at(figures: &Json, path: &[String]) -> Option<f64> {
    let here = path.iter().try_fold(figures, |here, segment| here.get(segment))?;
    let here = here.get("value").unwrap_or(here);
    here.as_f64().or_else(|| here.as_bool().map(f64::from))
}

pub(super) fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}
