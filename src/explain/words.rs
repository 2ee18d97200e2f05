//! Events as sentences.
//!
//! **Invariant.** A sentence says what was reached and what it was before, in the figures of its event.

use super::watch::Found;
use crate::{
    results::{AlertResults, FaultResults},
    units::show::{Quantity, duration, value},
};

/// A fault begins; the last one that is told has `more` after it.
pub(super) fn started(fault: &FaultResults, more: usize) -> String {
    let effect = fault.effect.replace('_', " ");
    let what = match fault.effect.as_str() {
        "partition" | "latency" | "loss" | "duplicate" | "bandwidth" => {
            format!("{effect} {}", fault.target)
        }
        _ => format!("{effect} of {}", fault.target),
    };
    let more = match more {
        0 => String::new(),
        n => format!("; and {n} times more"),
    };
    format!("fault {} begins: {what}{more}", fault.id)
}

/// An alert fires for the first time.
pub(super) fn fired(alert: &AlertResults) -> String {
    format!("alert {} fires", alert.id)
}

pub(super) fn ended(fault: &FaultResults) -> String {
    format!("fault {} is over", fault.id)
}

pub(super) fn left(found: &Found) -> String {
    let Found { kind, subject, what, value: reached, baseline, spell } = found;
    let number = |v: f64| value(Quantity::Number, v);
    let share = |v: f64| value(Quantity::Share, v);
    let rate = |v: f64| value(Quantity::Rate, v);
    let lasting = if spell.to.is_none() { ", to the end" } else { "" };
    match *kind {
        "load_rose" if what == "calls" => format!(
            "{subject}: is called {} times as often as before, {} (before: {}){lasting}",
            number(reached / baseline),
            rate(*reached),
            rate(*baseline)
        ),
        "load_rose" => {
            format!("{subject}: send {} (before: {}){lasting}", rate(*reached), rate(*baseline))
        }
        "load_fell" => format!(
            "{subject}: send only {} (before: {}){lasting}",
            rate(*reached),
            rate(*baseline)
        ),
        "hit_ratio_fell" => format!(
            "{subject}: hit ratio falls to {} (before: {}){lasting}",
            share(*reached),
            share(*baseline)
        ),
        "queue_grew" => format!(
            "{subject}: queue grows to {} waiting (before: {}){lasting}",
            number(*reached),
            number(*baseline)
        ),
        "skew_grew" => format!(
            "{subject}: one instance gets {} of what arrives (before: {} at most){lasting}",
            share(*reached),
            share(*baseline)
        ),
        "in_flight_grew" => format!(
            "{subject}: unanswered requests pile up to {} (before: {}){lasting}",
            number(*reached),
            number(*baseline)
        ),
        "inside_grew" => format!(
            "{subject}: requests pile up inside, up to {} (before: {}){lasting}",
            number(*reached),
            number(*baseline)
        ),
        "saturated" => format!(
            "{subject}: is full, busy {} of the time (before: {}){lasting}",
            share(*reached),
            share(*baseline)
        ),
        "waits_began" => format!(
            "{subject}: up to {} of its calls wait for {what} (before: {}){lasting}",
            share(reached.min(1.0)),
            share(baseline.min(1.0))
        ),
        "latency_rose" => format!(
            "{subject}: latency p95 rises to {} (before: {}){lasting}",
            duration(*reached),
            duration(*baseline)
        ),
        _ => hurt(found, lasting),
    }
}

/// What those who ask notice.
fn hurt(found: &Found, lasting: &str) -> String {
    let Found { kind, subject, what, value: reached, baseline, .. } = found;
    let number = |v: f64| value(Quantity::Number, v);
    let share = |v: f64| value(Quantity::Share, v);
    match *kind {
        "timeouts_began" if what == "attempts" => format!(
            "{subject}: up to {} of the attempts time out (before: {}){lasting}",
            share(*reached),
            share(*baseline)
        ),
        "timeouts_began" => format!(
            "{subject}: {what} time out, up to {} (before: {}){lasting}",
            value(Quantity::Rate, *reached),
            value(Quantity::Rate, *baseline)
        ),
        "amplification" if what == "calls" => format!(
            "{subject}: retries of its callers multiply its load by {}, to {} (before: {}){lasting}",
            number(reached / baseline),
            value(Quantity::Rate, *reached),
            value(Quantity::Rate, *baseline)
        ),
        "amplification" => format!(
            "{subject}: retries multiply the load by {} (before: {}){lasting}",
            number(*reached),
            number(*baseline)
        ),
        "errors_began" => {
            format!(
                "{subject}: up to {} of requests end in error (before: {}){lasting}",
                share(reached.min(1.0)),
                share(*baseline)
            )
        }
        "refusals_began" => format!(
            "{subject}: up to {} of requests are refused ({what}; before: {}){lasting}",
            share(reached.min(1.0)),
            share(*baseline)
        ),
        "fallbacks_began" => format!(
            "{subject}: up to {} are answered by a fallback (before: {}){lasting}",
            share(reached.min(1.0)),
            share(*baseline)
        ),
        "breaker_opened" => {
            format!("{subject}: circuit breaker opens ({} times from now on)", number(*reached))
        }
        "target_taken_out" => {
            format!("{subject}: takes targets out ({} times from now on)", number(*reached))
        }
        "goodput_fell" if what == "asked" => format!(
            "{subject}: goodput falls to {} of what is asked (before: {}){lasting}",
            share(*reached),
            share(*baseline)
        ),
        _ => format!(
            "{subject}: goodput falls to {} (before: {}){lasting}",
            value(Quantity::Rate, *reached),
            value(Quantity::Rate, *baseline)
        ),
    }
}

/// What left its level is back.
pub(super) fn back(found: &Found) -> String {
    let what = if found.kind == "queue_grew" { "queue" } else { "goodput" };
    format!("{}: {what} is back to what it was", found.subject)
}

/// Whether what a fault did is over; it was watched for so long after its end.
pub(super) fn verdict(fault: &FaultResults, kind: &str, watched: f64) -> String {
    let id = &fault.id;
    let watched = duration(watched);
    match (kind, fault.time_to_recover.value) {
        ("recovered", Some(time)) if time > 0.0 => {
            format!("recovered {} after the end of {id}", duration(time))
        }
        ("recovered", _) => format!("recovered as {id} ended"),
        ("partly_recovered", _) => {
            format!("recovered for the most part {watched} after the end of {id}: {}", share(fault))
        }
        _ => format!("not recovered {watched} after the end of {id}: {}", share(fault)),
    }
}

/// How much of the goodput has returned.
fn share(fault: &FaultResults) -> String {
    let figures = fault.goodput_returned.value.zip(fault.goodput_before.value);
    let Some((returned, before)) = figures else {
        return "how much of the goodput has returned is not known".to_owned();
    };
    let (returned, before) = (value(Quantity::Share, returned), value(Quantity::Rate, before));
    let each = fault.returned_by_client.iter();
    let each: Vec<String> = each
        .filter_map(|(name, e)| Some(format!("{name} {}", value(Quantity::Share, e.value?))))
        .collect();
    let each = if each.is_empty() { String::new() } else { format!(" ({})", each.join(", ")) };
    format!("goodput is {returned} of the {before} before{each}")
}
