//! Paths within blocks of figures, and what is found there.

use super::Names;
use super::words::{Checked, Dimension, choice, fault, meant};
use crate::results::{CacheResults, Distribution, NodeResults, RequestFigures};
use serde_json::Value as Json;

/// A block of figures as it stands in results.json, with every mark.
pub(super) fn requests_shape(names: &Names) -> Json {
    let marks = names.marks.iter().map(|mark| (mark.clone(), Distribution::default()));
    shape(&RequestFigures { marks: marks.collect(), ..RequestFigures::default() })
}

pub(super) fn shape(figures: &impl serde::Serialize) -> Json {
    serde_json::to_value(figures).expect("figures have string keys")
}

/// Whether a path leads to one figure, and to what kind.
pub(super) fn in_shape(shape: &Json, path: &[String]) -> Checked<Dimension> {
    let mut here = shape;
    for (depth, segment) in path.iter().enumerate() {
        here = match (here.get(segment), here.as_object()) {
            (Some(next), _) => next,
            (None, Some(keys)) if !keys.contains_key("value") => {
                let inside = path[..depth].join(".");
                let place =
                    if inside.is_empty() { String::new() } else { format!(" in `{inside}`") };
                let message = format!("there is no metric `{segment}`{place}");
                let meant = meant(segment, depth);
                let help = meant.unwrap_or_else(|| choice(segment, keys.keys()));
                return Err(fault("E-REF", message, Some(help)));
            }
            _ => {
                let message = format!("`{}` is one figure", path[..depth].join("."));
                let help = "a statistic over time needs a window: `max(.. window=1m)`";
                return Err(fault("E-SLO", message, Some(help.to_owned())));
            }
        };
    }
    let name = path.join(".");
    match here.as_object() {
        None if here.is_number() => Ok(dimension(path)),
        Some(keys) if keys.contains_key("value") => Ok(dimension(path)),
        Some(keys) if keys.contains_key("p99") => {
            let help = format!("for example `p99({name})`");
            Err(fault("E-SLO", format!("`{name}` needs a statistic"), Some(help)))
        }
        Some(keys) if !keys.is_empty() => {
            let all: Vec<&str> = keys.keys().map(String::as_str).collect();
            let help = format!("say which: {}", all.join(", "));
            Err(fault("E-SLO", format!("`{name}` is a group of figures"), Some(help)))
        }
        _ => Err(fault("E-SLO", format!("`{name}` is not a figure"), None)),
    }
}

/// A node with everything some kind of node has.
pub(super) fn any_node() -> NodeResults {
    NodeResults { cache: Some(CacheResults::default()), ..NodeResults::default() }
}

pub(super) fn dimension(path: &[String]) -> Dimension {
    let last = path.last().map(String::as_str).unwrap_or_default();
    match (path[0].as_str(), last) {
        ("requests" | "outcomes" | "causes", _)
        | (
            _,
            "count" | "lookups" | "hits" | "misses" | "coalesced" | "stale_hits" | "negative_hits"
            | "evictions",
        ) => Dimension::Count,
        (
            "instances" | "in_system" | "in_queue" | "attempts_per_request" | "outages_per_year",
            _,
        ) => Dimension::Number,
        ("goodput" | "throughput", _) => Dimension::PerSecond,
        (
            "availability" | "utilisation" | "saturated" | "wait_probability" | "availability_time"
            | "hit_ratio",
            _,
        ) => Dimension::Fraction,
        _ => Dimension::Seconds,
    }
}
