//! Events as sentences.
//!
//! **Invariant.** A sentence says what was reached and what it was before, in the figures of its event.

use super::{causes::is_of_calls, watch::Found};
use crate::{
    results::{AlertResults, EventKind, FaultResults, RestoredResults},
    units::show::{Quantity, about, clock, duration, plural, times, value},
};

/// What a fault does to what.
pub fn effect(fault: &FaultResults) -> String {
    let effect = fault.effect.replace('_', " ");
    let between = ["partition", "latency", "loss", "duplicate", "bandwidth"];
    let of = if between.contains(&fault.effect.as_str()) { "" } else { "of " };
    format!("{effect} {of}{}", fault.target)
}

/// A fault begins; the last one that is told has `more` after it.
pub(super) fn started(fault: &FaultResults, more: usize) -> String {
    let what = fault.title.clone().unwrap_or_else(|| effect(fault));
    let more = match more {
        0 => String::new(),
        n => format!("; and {} more", times(&n.to_string())),
    };
    let begins = if fault.at_once { "strikes" } else { "begins" };
    format!("fault {} {begins}: {what}{more}", fault.id)
}

/// An alert fires for the first time.
pub(super) fn fired(alert: &AlertResults) -> String {
    let times = alert.count.value.filter(|times| *times > 1.0);
    let times = times.map_or_else(String::new, |times| {
        format!(", for the first of {} times", value(Quantity::Number, times))
    });
    format!("alert {} fires{times}", alert.id)
}

/// An alert is over for the last time.
pub(super) fn resolved(alert: &AlertResults) -> String {
    format!("alert {} is over", alert.id)
}

/// An alert has a deployment taken back.
pub(super) fn rolled_back(fault: &FaultResults) -> String {
    format!("fault {} is rolled back", fault.id)
}

pub(super) fn ended(fault: &FaultResults) -> String {
    format!("fault {} is over", fault.id)
}

/// Acknowledged writes are lost, which were so within that time.
pub(super) fn lost(fault: &FaultResults, lost: f64, rpo: f64) -> String {
    let (id, lost, rpo) = (&fault.id, value(Quantity::Number, lost), duration(rpo));
    format!("{id} costs {lost} writes that were acknowledged, within {rpo}")
}

/// All copies hold what any of them held when a fault was over, or do not to the end.
pub(super) fn alike(fault: &FaultResults, after: Option<f64>, watched: f64) -> String {
    let id = &fault.id;
    match after {
        Some(time) => format!("copies are alike again {} after the end of {id}", duration(time)),
        None => format!("copies still differ {} after the end of {id}", duration(watched)),
    }
}

/// A replica, by its number and place.
pub(super) fn replica(number: u64, zone: &str) -> String {
    if zone.is_empty() {
        format!("replica {number}")
    } else {
        format!("replica {number} (in {zone})")
    }
}

/// A leader dies, or knows that it leads no more; nobody else does.
pub(super) fn leads_no_more(store: &str, who: &str, led: f64) -> String {
    format!("{store}: {who} leads no more, after {}", duration(led))
}

/// A leader after a time without one.
pub(super) fn leads(store: &str, who: &str, nobody: f64) -> String {
    format!("{store}: {who} leads; for {} nobody did", duration(nobody))
}

/// A leader beside another one.
pub(super) fn leads_too(store: &str, who: &str, other: &str) -> String {
    format!("{store}: {who} leads while {other} goes on: two leaders at once")
}

/// One of two leads no more.
pub(super) fn one_leads(store: &str, who: &str, two: f64) -> String {
    format!("{store}: {who} leads no more; two led for {}", duration(two))
}

/// A shard, or all of a store, was restored.
pub(super) fn restored(store: &str, of: &str, one: &RestoredResults) -> String {
    let keys = plural(one.keys, "key");
    let (took, age) = (duration(one.to - one.from), duration(one.age));
    let subject = if of.is_empty() { store.to_owned() } else { format!("{store}, {of}") };
    let what = format!("{keys} as of {age} before they were lost");
    format!("{subject}: restored within {took}, {what}")
}

/// An autoscaler has instances come or go.
pub(super) fn scaled(node: &str, (from, to): (u64, u64)) -> String {
    if to > from {
        format!("{node}: scales out, from {from} to {}", plural(to, "instance"))
    } else {
        format!("{node}: scales in, from {from} to {}", plural(to, "instance"))
    }
}

/// The first of the instances that came are ready.
pub(super) fn came(node: &str, (from, to): (u64, u64), waited: f64) -> String {
    let waited = duration(waited);
    if from == 0 {
        return format!(
            "{node}: its first instance is ready, {waited} after there was something to do"
        );
    }
    format!(
        "{node}: the first of its new instances is ready, of {to} in all; load was above the target for {waited} by then"
    )
}

/// What left its level: what it was at first, how far it went and when, and whether it came back.
#[allow(clippy::too_many_lines, reason = "a line for each kind of event")]
pub(super) fn left(found: &Found, starts: &[f64], instances: u64) -> String {
    let Found { kind, subject, what, value: reached, baseline, spell } = found;
    let number = |v: f64| value(Quantity::Number, v);
    let share = |v: f64| value(Quantity::Share, v.min(1.0));
    let rate = |v: f64| value(Quantity::Rate, v);
    let of_calls = is_of_calls(what);
    let lasting = if spell.to.is_none() { ", to the end" } else { "" };
    // The figure at first, the level before, and the figure farthest from it.
    let told = |show: &dyn Fn(f64) -> String, text: &dyn Fn(String) -> String| {
        let first = found.onset().unwrap_or(*reached);
        let farthest = found.onset().map(|_| {
            let which = if reached < baseline { "lowest" } else { "most" };
            format!(", {which} {} at {}", show(*reached), clock(starts[spell.farthest]))
        });
        let farthest = farthest.unwrap_or_default();
        format!("{}{farthest}{lasting}", text(show(first)))
    };
    let before = |show: &dyn Fn(f64) -> String| format!("before: {}", show(*baseline));
    match *kind {
        EventKind::LoadRose if what == "calls" => told(&rate, &|v| {
            format!(
                "{subject}: is called more often than those who call it are, {v} ({})",
                before(&rate)
            )
        }),
        EventKind::LoadRose => told(&rate, &|v| format!("{subject}: send {v} ({})", before(&rate))),
        EventKind::LoadFell => {
            told(&rate, &|v| format!("{subject}: send only {v} ({})", before(&rate)))
        }
        EventKind::WentDown if instances == 1 => {
            told(&share, &|v| format!("{subject}: its only instance is down {v} of the time"))
        }
        EventKind::WentDown => told(&number, &|v| {
            let are = if v == "1" { "is" } else { "are" };
            format!("{subject}: {v} of its {instances} instances {are} down")
        }),
        EventKind::HitRatioFell => {
            told(&share, &|v| format!("{subject}: hit ratio falls to {v} ({})", before(&share)))
        }
        EventKind::QueueGrew => told(&number, &|v| {
            format!("{subject}: queue grows to {v} waiting ({})", before(&number))
        }),
        EventKind::BacklogGrew => {
            told(&number, &|v| format!("{subject}: messages pile up to {v} ({})", before(&number)))
        }
        EventKind::SkewGrew => told(&share, &|v| {
            let before = before(&share);
            format!("{subject}: one instance gets {v} of what arrives ({before} at most)")
        }),
        EventKind::InFlightGrew => told(&number, &|v| {
            format!("{subject}: unanswered requests pile up to {v} ({})", before(&number))
        }),
        EventKind::InsideGrew => told(&number, &|v| {
            format!("{subject}: requests pile up inside, up to {v} ({})", before(&number))
        }),
        EventKind::Saturated => told(&share, &|v| {
            format!("{subject}: is full, busy {v} of the time ({})", before(&share))
        }),
        EventKind::WaitsBegan if of_calls => told(&number, &|v| {
            format!("{subject}: {v} calls per request wait for {what} ({})", before(&number))
        }),
        EventKind::WaitsBegan => told(&share, &|v| {
            format!("{subject}: {v} of what comes waits for {what} ({})", before(&share))
        }),
        EventKind::LatencyRose => told(&duration, &|v| {
            format!("{subject}: latency p95 rises to {v} ({})", before(&duration))
        }),
        EventKind::TimeoutsBegan if what == "attempts" => told(&share, &|v| {
            format!("{subject}: {v} of the attempts time out ({})", before(&share))
        }),
        EventKind::TimeoutsBegan => {
            told(&rate, &|v| format!("{subject}: {what} time out, {v} ({})", before(&rate)))
        }
        EventKind::Amplification if what == "calls" => told(&rate, &|v| {
            format!("{subject}: retries of its callers raise its load to {v} ({})", before(&rate))
        }),
        EventKind::Amplification => format!(
            "{subject}: retries multiply the load by {} ({}){lasting}",
            number(*reached),
            before(&number)
        ),
        EventKind::ErrorsBegan => told(&share, &|v| {
            format!("{subject}: {v} of requests end in error ({})", before(&share))
        }),
        EventKind::RefusalsBegan if of_calls => told(&number, &|v| {
            format!("{subject}: {v} calls per request are refused ({what}; {})", before(&number))
        }),
        EventKind::RefusalsBegan => told(&share, &|v| {
            let before = value(Quantity::Share, *baseline);
            format!("{subject}: {v} of requests are refused ({what}; before: {before})")
        }),
        EventKind::FallbacksBegan => told(&share, &|v| {
            format!("{subject}: {v} are answered by a fallback ({})", before(&share))
        }),
        EventKind::BreakerOpened => {
            let often = times(&number(*reached));
            format!("{subject}: circuit breaker opens ({often} from now on)")
        }
        EventKind::TargetTakenOut => {
            let often = times(&number(*reached));
            format!("{subject}: takes targets out ({often} from now on)")
        }
        EventKind::GoodputFell if what == "asked" => told(&share, &|v| {
            format!("{subject}: goodput falls to {v} of what is asked ({})", before(&share))
        }),
        _ => told(&rate, &|v| format!("{subject}: goodput falls to {v} ({})", before(&rate))),
    }
}

/// What left its level is back.
pub(super) fn back(found: &Found) -> String {
    let what = match found.kind {
        EventKind::QueueGrew => "queue",
        EventKind::BacklogGrew => "backlog",
        _ => "goodput",
    };
    format!("{}: {what} is back to what it was", found.subject)
}

/// Those who ask are well again although the fault is still at work.
pub(super) fn came_back(fault: &FaultResults, after: f64) -> String {
    format!("back {} after {} began, while it lasts", duration(after), fault.id)
}

/// Whether what a fault did is over; it was watched for so long after its end.
pub(super) fn verdict(fault: &FaultResults, kind: EventKind, watched: f64) -> String {
    let id = &fault.id;
    let watched = duration(watched);
    let share = || {
        let unknown = "how much of the goodput has returned is not known";
        returned(fault).unwrap_or_else(|| unknown.to_owned())
    };
    match (kind, fault.time_to_recover.value) {
        (EventKind::Recovered, Some(time)) if time > 0.0 => {
            format!("recovered {} after the end of {id}", duration(time))
        }
        (EventKind::Recovered, _) => format!("recovered as {id} ended"),
        (EventKind::PartlyRecovered, _) => {
            format!("recovered for the most part {watched} after the end of {id}: {}", share())
        }
        (EventKind::Draining, _) => {
            let left = fault.empty_in.value.map(about).unwrap_or_default();
            format!(
                "draining {watched} after the end of {id}, at this pace empty in {left}: {}",
                share()
            )
        }
        _ => format!("not recovered {watched} after the end of {id}: {}", share()),
    }
}

/// How much of the goodput has returned, and whose, as a sentence without its stop.
pub(crate) fn returned(fault: &FaultResults) -> Option<String> {
    // Beyond a thousandth it is chance.
    let share = |v: f64| value(Quantity::Share, (v * 1000.0).round() / 1000.0);
    let of_all = share(fault.goodput_returned.value?);
    let concerned = |name: &String| fault.concerns.is_empty() || fault.concerns.contains(name);
    let each = fault.returned_by_client.iter().filter(|(name, _)| concerned(name));
    let each: Vec<String> =
        each.filter_map(|(name, e)| Some(format!("{name} {}", share(e.value?)))).collect();
    let each = match fault.concerns.as_slice() {
        [one] => format!(" ({one} alone calls what it hits)"),
        _ if each.is_empty() => String::new(),
        _ => format!(" ({})", each.join(", ")),
    };
    Some(format!("goodput is {of_all} of what it was before for as much asked{each}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::signal::Spell;

    #[test]
    fn the_onset_has_its_figure_and_the_extreme_its_time() {
        let starts: Vec<f64> = (0..40).map(|w| 7.5 * f64::from(w)).collect();
        let mut spell = Spell {
            from: 32,
            to: None,
            first: 0.8,
            extreme: 0.0,
            farthest: 34,
            mean: 0.1,
            strong: true,
        };
        let of = |spell: Spell, kind: EventKind, value: f64, baseline: f64| {
            let (subject, what) = ("web".to_owned(), "asked".to_owned());
            left(&Found { kind, subject, what, spell, value, baseline }, &starts, 1)
        };
        assert_eq!(
            of(spell, EventKind::GoodputFell, 0.0, 1.0),
            "web: goodput falls to 80 % of what is asked (before: 100 %), lowest 0 % at 4m15s, to the end"
        );
        // From the first window on as far as it ever goes.
        (spell.first, spell.to) = (0.02, Some(38));
        assert_eq!(
            of(spell, EventKind::GoodputFell, 0.0, 1.0),
            "web: goodput falls to 0 % of what is asked (before: 100 %)"
        );
        (spell.first, spell.extreme) = (12.0, 3000.0);
        assert_eq!(
            of(spell, EventKind::QueueGrew, 3000.0, 1.0),
            "web: queue grows to 12 waiting (before: 1), most 3,000 at 4m15s"
        );
    }
}
