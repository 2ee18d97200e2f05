//! The timeline: faults, what left its level after them, and whether it came back, in causal order.
//!
//! **Invariant.** Sorted by time; of what was first seen in the same window, causes stand before effects.

use super::{
    leaders::leaders,
    quiet::{Quiet, quiet, window},
    restores::restores,
    scalings::scalings,
    watch::{Found, watch},
    words,
};
use crate::results::{Aftermath, EventKind, FaultResults, Results, Timeline, TimelineEvent};

/// Kinds that hurt those who ask.
const HARM: [EventKind; 4] = [
    EventKind::TimeoutsBegan,
    EventKind::ErrorsBegan,
    EventKind::RefusalsBegan,
    EventKind::GoodputFell,
];

/// Spans of a fault that are told one by one.
const SPANS: usize = 5;

/// The events of a run, from its results.
pub fn timeline(results: &Results) -> Timeline {
    let quiet = quiet(results);
    let mut events = Vec::new();
    for fault in &results.faults {
        faults(&mut events, results, fault);
    }
    for alert in &results.alerts {
        if let Some(at) = alert.fired.value {
            events.push(event(EventKind::AlertFired, &alert.id, at, words::fired(alert)));
            if let Some(at) = alert.resolved.value.filter(|at| *at < results.duration) {
                events.push(event(EventKind::AlertResolved, &alert.id, at, words::resolved(alert)));
            }
        }
    }
    events.extend(leaders(results));
    events.extend(restores(results));
    events.extend(scalings(results));
    if quiet.disturbed {
        for found in watch(results, &quiet) {
            spell(&mut events, results, &found);
        }
    }
    for fault in &results.faults {
        verdict(&mut events, results, fault, &quiet);
    }
    sort(&mut events, results);
    Timeline {
        events,
        replication: None,
        resolution: results.series.length.first().copied().unwrap_or_default(),
    }
}

/// Where a fault begins and ends.
fn faults(events: &mut Vec<TimelineEvent>, results: &Results, fault: &FaultResults) {
    let spans = if fault.at_once { fault.shown() } else { fault.spans.clone() };
    for (number, &(from, to)) in spans.iter().take(SPANS).enumerate() {
        let more = spans.len().saturating_sub(SPANS);
        let more = if number + 1 == SPANS { more } else { 0 };
        events.push(event(EventKind::FaultStarted, &fault.id, from, words::started(fault, more)));
        if to < results.duration && to > from {
            events.push(event(EventKind::FaultEnded, &fault.id, to, words::ended(fault)));
        }
    }
    of_data(events, results, fault);
    if let Some(at) = fault.rolled_back.value {
        events.push(event(EventKind::RolledBack, &fault.id, at, words::rolled_back(fault)));
    }
}

/// What a fault that came once cost the data.
fn of_data(events: &mut Vec<TimelineEvent>, results: &Results, fault: &FaultResults) {
    let &[(from, to)] = fault.spans.as_slice() else { return };
    let lost = fault.lost_acked_writes.and_then(|lost| lost.value).filter(|lost| *lost > 0.0);
    if let (Some(lost), Some(rpo)) = (lost, fault.rpo.and_then(|rpo| rpo.value)) {
        let text = words::lost(fault, lost, rpo);
        let told = event(EventKind::WritesLost, &fault.id, from, text);
        events.push(TimelineEvent { value: Some(lost), ..told });
    }
    let Some(alike) = fault.convergence_time.filter(|_| to < results.duration) else { return };
    let (kind, at) = match alike.value {
        Some(time) => (EventKind::CopiesAlike, to + time),
        None => (EventKind::CopiesDiffer, results.duration),
    };
    let text = words::alike(fault, alike.value, results.duration - to);
    events.push(TimelineEvent { value: alike.value, ..event(kind, &fault.id, at, text) });
}

pub(super) fn event(kind: EventKind, subject: &str, at: f64, text: String) -> TimelineEvent {
    TimelineEvent {
        at,
        kind,
        subject: subject.to_owned(),
        of: String::new(),
        text,
        value: None,
        baseline: None,
        onset: None,
        extreme_at: None,
    }
}

/// What left its level, and of queues and loads that they came back.
fn spell(events: &mut Vec<TimelineEvent>, results: &Results, found: &Found) {
    let figures = |event| TimelineEvent {
        value: Some(found.value),
        baseline: Some(found.baseline),
        onset: found.onset(),
        extreme_at: found.onset().map(|_| results.series.start[found.spell.farthest]),
        of: found.what.clone(),
        ..event
    };
    let at = instant(results, found.spell.from);
    let instances = results.nodes.get(&found.subject).map_or(1, |node| node.instances.max);
    let told = words::left(found, &results.series.start, instances);
    if found.kind != EventKind::WentDown || !is_crash(results, found) {
        events.push(figures(event(found.kind, &found.subject, at, told)));
    }
    let Some(to) = found.spell.to else { return };
    let back = match found.kind {
        EventKind::QueueGrew => EventKind::QueueDrained,
        EventKind::BacklogGrew => EventKind::BacklogDrained,
        // Of a fault that came once there is a verdict.
        EventKind::GoodputFell
            if !results.faults.iter().any(|f| f.goodput_returned.value.is_some()) =>
        {
            EventKind::GoodputReturned
        }
        _ => return,
    };
    events.push(event(back, &found.subject, instant(results, to), words::back(found)));
}

/// Whether instances are down because a fault says so, and no longer than it does.
fn is_crash(results: &Results, found: &Found) -> bool {
    let crashes = results.faults.iter().filter(|fault| fault.effect == "crash");
    crashes.flat_map(|fault| &fault.spans).any(|&(from, to)| {
        let [from, to] = [from, to].map(|at| window(results, at));
        found.spell.from.abs_diff(from) <= 1 && found.spell.to.is_none_or(|end| end <= to + 2)
    })
}

/// When something first seen in a window happened at the earliest: not before a fault began or ended in it.
fn instant(results: &Results, window: usize) -> f64 {
    let start = results.series.start[window];
    let end = start + results.series.length[window];
    let changes = results.faults.iter().flat_map(|f| &f.spans).flat_map(|s| [s.0, s.1]);
    changes.filter(|&at| at > start && at < end).fold(start, f64::max)
}

/// Whether and when what a fault did to those who ask was over.
fn verdict(
    events: &mut Vec<TimelineEvent>,
    results: &Results,
    fault: &FaultResults,
    quiet: &Quiet,
) {
    let &[(started, ended)] = fault.spans.as_slice() else { return };
    let until = next_fault(results, ended);
    let hurt = events.iter().any(|e| HARM.contains(&e.kind) && e.at >= started && e.at < until);
    if !hurt || quiet.windows.is_empty() {
        return;
    }
    let told = |kind: EventKind, at: f64, value: Option<f64>, text: String| TimelineEvent {
        value,
        ..event(kind, &fault.id, at, text)
    };
    let back = fault.back_after.value.filter(|&back| back > 0.0 && started + back < ended);
    if let Some(back) = back {
        events.push(told(
            EventKind::Back,
            started + back,
            Some(back),
            words::came_back(fault, back),
        ));
    }
    if ended >= results.duration || until <= ended {
        return;
    }
    let (kind, at) = match (fault.aftermath, fault.time_to_recover.value) {
        (Some(Aftermath::Draining), _) => (EventKind::Draining, until),
        (Some(Aftermath::Metastable | Aftermath::CauseRemains), _) | (None, None) => {
            (EventKind::NotRecovered, until)
        }
        (Some(_), None) => (EventKind::PartlyRecovered, until),
        // Of those who were back before it is told.
        (_, Some(0.0)) if back.is_some() => return,
        (_, Some(time)) => (EventKind::Recovered, ended + time),
    };
    let text = words::verdict(fault, kind, until - ended);
    let value = match kind {
        EventKind::Recovered => fault.time_to_recover.value,
        EventKind::Draining => fault.empty_in.value,
        _ => fault.goodput_returned.value,
    };
    events.push(told(kind, at, value, text));
}

/// When the next fault begins after an instant, or the run ends.
fn next_fault(results: &Results, after: f64) -> f64 {
    let starts = results.faults.iter().flat_map(|f| &f.spans).map(|span| span.0);
    starts.filter(|&start| start >= after).fold(results.duration, f64::min)
}

/// By time; in one instant by cause, and of nodes those first that others wait for.
fn sort(events: &mut [TimelineEvent], results: &Results) {
    let depth = |event: &TimelineEvent| results.design.below(&event.subject).len();
    events.sort_by(|a, b| {
        let by_time = a.at.total_cmp(&b.at).then_with(|| a.kind.cmp(&b.kind));
        by_time.then_with(|| depth(a).cmp(&depth(b))).then_with(|| a.subject.cmp(&b.subject))
    });
}
