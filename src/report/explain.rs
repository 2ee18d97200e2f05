//! Why a run went as it did, as text: what happened, the verdict on each fault, the bottleneck, where the
//! time went.
//!
//! **Invariant.** Only what the results say; text from files is cleaned of control characters.

use super::{
    grid::Lines,
    table::{LEAST_WIDTH, slo_measured, status},
    text::{Quantity, about, clean, clock, duration, times, value},
};
use crate::{
    cause::Cause,
    explain::returned,
    results::{Aftermath, FaultResults, NodeBlame, Results, SloResult},
};

/// Share of the goodput below which it has to be said why it counts as recovered.
const LESS: f64 = 0.9;
/// Share of the time left that makes it full for good.
const FOR_GOOD: f64 = 0.9;
/// Utilisation below which the busiest node is no bottleneck.
const BUSY: f64 = 0.5;
/// Share of the time of a mean request from which on a wait is told beside the busiest resource.
const MUCH: f64 = 0.25;

/// The whole explanation, ending in a line break.
pub(crate) fn text(results: &Results, width: u16) -> String {
    let mut out = Lines { width: usize::from(width).max(LEAST_WIDTH), text: String::new() };
    out.wrapped("", &status(results));
    out.blank();
    out.wrapped("", &heading(results));
    let events = &results.timeline.events;
    let times: Vec<String> = events.iter().map(|event| clock(event.at)).collect();
    let column = times.iter().map(String::len).max().unwrap_or_default();
    let indent = " ".repeat(column + 6);
    for (event, time) in events.iter().zip(&times) {
        out.wrapped(&indent, &format!("  {time:>column$}  {}", clean(&event.text)));
    }
    for (title, lines) in [
        ("Not as wanted", unmet(results)),
        ("Verdict", verdicts(results)),
        ("Bottleneck", bottleneck(results).into_iter().collect()),
        ("Where the time of a mean request goes", blame(results)),
    ] {
        if lines.is_empty() {
            continue;
        }
        out.blank();
        out.wrapped("", title);
        for line in lines {
            out.wrapped("    ", &format!("  {}", clean(&line)));
        }
    }
    out.text
}

/// What the events were read from.
pub(crate) fn heading(results: &Results) -> String {
    let timeline = &results.timeline;
    if timeline.events.is_empty() {
        return "Nothing left its level: no fault, no load that rose or fell by a quarter, no fall of goodput"
            .to_owned();
    }
    let of = match timeline.replication {
        Some(replication) => {
            format!(" in replication {replication}, as faults come at other times in each")
        }
        None => String::new(),
    };
    format!("What happened{of} (read from windows of {})", duration(timeline.resolution))
}

/// The objectives that are not met, and what was measured.
fn unmet(results: &Results) -> Vec<String> {
    let all = results.slos.iter().chain(&results.expect);
    let unmet = all.filter(|slo| !slo.verdict.is_good());
    let told = |slo: &SloResult| {
        let reason = slo.reason.as_deref().filter(|_| slo.is_of_baseline());
        let reason = reason.map_or(String::new(), |reason| format!("; {reason}"));
        format!("{}: {} ({}{reason})", slo.verdict, slo.expression, slo_measured(slo))
    };
    unmet.map(told).collect()
}

/// Of each fault, whether what was before it came back.
pub(crate) fn verdicts(results: &Results) -> Vec<String> {
    results.faults.iter().filter_map(|fault| verdict(results, fault)).collect()
}

fn verdict(results: &Results, fault: &FaultResults) -> Option<String> {
    let share = |v: f64| value(Quantity::Share, v);
    let id = &fault.id;
    if fault.occurrences.value.unwrap_or_default() == 0.0 {
        return Some(format!("{id} never came."));
    }
    let availability = |when: &str, figure: Option<f64>| Some(format!("{when} {}", share(figure?)));
    let availability = [
        availability("before", fault.availability_before.value),
        availability("during", fault.availability_during.value),
        availability("after", fault.availability_after.value),
    ];
    let availability = availability.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let Some(returned) = returned(fault) else {
        let ended = fault.ended.value.is_some_and(|ended| ended < results.duration);
        let often = fault.occurrences.value.unwrap_or_default();
        return Some(if ended {
            let often = value(Quantity::Number, often);
            format!("{id} came {}; availability {availability}.", times(&often))
        } else if fault.at_once {
            let times = match fault.struck.len() {
                0 | 1 => String::new(),
                n => format!(" each of {n} times"),
            };
            format!(
                "{id} is done at once{times}, and all that follows counts as its time; availability {availability}."
            )
        } else {
            format!("{id} lasts to the end: nobody knows what comes after it.")
        });
    };
    let within = duration(fault.returned_within.value?);
    let whose = if fault.concerns.is_empty() { "" } else { " of all clients" };
    let again = again(fault);
    Some(format!(
        "{id}: {again} From {within} after its end on, {returned}; availability{whose} {availability}."
    ))
}

/// Whether and when those who ask were well again.
fn again(fault: &FaultResults) -> String {
    let lasted = fault.spans.first().map_or(0.0, |span| span.1 - span.0);
    let early = fault.back_after.value.filter(|&back| back > 0.0 && back < lasted);
    if let Some(back) = early {
        let later = match fault.time_to_recover.value {
            Some(time) if time > 0.0 => format!("; its end was felt for {}", duration(time)),
            _ => String::new(),
        };
        return format!("it was back {} after the start, while it lasted{later}.", duration(back));
    }
    match (fault.aftermath, fault.time_to_recover.value) {
        (Some(Aftermath::Metastable), _) => {
            "it stays down although its cause is gone: metastable.".to_owned()
        }
        (Some(Aftermath::Draining), _) => format!(
            "it is not stuck: what has piled up drains; at its present pace it is gone in {}.",
            fault.empty_in.value.map(about).unwrap_or_default()
        ),
        (Some(Aftermath::CauseRemains), _) => {
            let cause = if fault.effect == "deploy" {
                "what was deployed is still there"
            } else {
                "another fault is still at work"
            };
            format!("it is down, but {cause}, so nobody knows what comes after it.")
        }
        (_, Some(time)) => {
            let when =
                if time > 0.0 { format!("after {}", duration(time)) } else { "at once".to_owned() };
            let less = fault.goodput_returned.value.is_some_and(|returned| returned < LESS);
            let more = if less {
                "; what is not served now is what is asked beyond what was asked before"
            } else {
                ""
            };
            format!("it recovered {when}{more}.")
        }
        (Some(_), None) => {
            "it is up again, but availability was not seen to stay at 99 % of what it was."
                .to_owned()
        }
        (None, None) => "it was not watched long enough to say whether it recovers.".to_owned(),
    }
}

/// What was full first, or is nearest to its limit.
pub(crate) fn bottleneck(results: &Results) -> Option<String> {
    let found = results.bottleneck.as_ref()?;
    let share = |v: f64| value(Quantity::Share, v);
    let node = results.nodes.get(&found.node).filter(|_| !found.is_of_link());
    let sharded = node.is_some_and(|node| !node.shards.is_empty());
    let several = node.is_some_and(|node| node.shards.len().max(node.per_instance.len()) > 1);
    let part = match found.instance {
        Some(i) if sharded => {
            let each = node.map_or(0, |node| node.shards[0].replicas.len() as u64);
            match each {
                0 => format!(", shard {i}"),
                _ => format!(", replica {} of shard {}", i % each, i / each),
            }
        }
        Some(i) => format!(", instance {i}"),
        None if several && sharded => ", all shards".to_owned(),
        None if several => ", all instances".to_owned(),
        None => String::new(),
    };
    let used = found.utilisation.unwrap_or_default();
    Some(match found.saturated_at {
        Some(at) => {
            let rest = (results.duration - at) / (results.duration - results.warm_up);
            let when = if found.saturated >= FOR_GOOD * rest {
                format!("full from {} on", clock(at))
            } else {
                format!("first full at {}", clock(at))
            };
            format!(
                "{}: {}{part}, {when}, in {} of all windows; {} in use over the run.",
                found.node,
                thing(&found.resource),
                share(found.saturated),
                share(used)
            )
        }
        None if used < BUSY => {
            let most = format!("the most used is {}: {}{part}", found.node, thing(&found.resource));
            match held_up(results) {
                None => format!("none: nothing is near its limit; {most}, {}.", share(used)),
                Some(by) => {
                    format!("no room that requests hold: {most}, {}. But {by}.", share(used))
                }
            }
        }
        None => format!(
            "{}: {}{part}, {} in use; never full for long.",
            found.node,
            thing(&found.resource),
            share(used)
        ),
    })
}

/// What requests wait for, or are turned away by, while nothing they hold is near its limit: rates, connections of
/// clients, locks of single keys, none of which is a resource of a node.
fn held_up(results: &Results) -> Option<String> {
    let refused = results.nodes.iter().filter_map(|(name, node)| {
        let count = *node.causes.get(&Cause::RateLimited)? as f64;
        let visits: u64 = node.outcomes.values().sum();
        let share = count / visits.max(1) as f64;
        (share >= 0.01).then_some((name, share))
    });
    if let Some((name, _)) = refused.max_by(|a, b| a.1.total_cmp(&b.1)) {
        return Some(format!("{name} refuses by a rate limit"));
    }
    let blame = results.blame.as_ref()?;
    let much = |time: f64| time >= MUCH * blame.latency;
    if much(blame.permits) {
        let what = "tokens, permits and connections of calls";
        return Some(format!("a mean request waits {} for {what}", duration(blame.permits)));
    }
    let longest = blame.nodes.iter().max_by(|a, b| a.1.waiting.total_cmp(&b.1.waiting))?;
    let link = blame.links.iter().max_by(|a, b| a.1.total_cmp(b.1));
    if let Some((name, &time)) = link.filter(|link| *link.1 > longest.1.waiting && much(*link.1)) {
        let name = clean(name);
        return Some(format!("a mean request is held up {} by others on {name}", duration(time)));
    }
    if longest.1.throttled > 0.5 * longest.1.waiting && much(longest.1.waiting) {
        let stood = duration(longest.1.throttled);
        return Some(format!(
            "work stands still for {stood} at {}: its quota is used up",
            longest.0
        ));
    }
    much(longest.1.waiting)
        .then(|| format!("a mean request waits {} at {}", duration(longest.1.waiting), longest.0))
}

/// A resource in words.
pub(crate) fn thing(resource: &str) -> String {
    match resource.split_once(':') {
        Some(("pool", to)) => format!("connections to {}", clean(to)),
        Some(("bulkhead", to)) => format!("the bulkhead to {}", clean(to)),
        None if resource == "quota" => "processor time by its quota".to_owned(),
        None if resource == "in_flight" => "places at its targets".to_owned(),
        Some(("lock", name)) => format!("the lock {}", clean(name)),
        Some(("bandwidth", _)) => "bandwidth of the way back".to_owned(),
        _ => clean(resource),
    }
}

/// Where the time of a mean request went, node by node, the largest part first.
pub(crate) fn blame(results: &Results) -> Vec<String> {
    let Some(blame) = &results.blame else { return Vec::new() };
    let mut lines = vec![format!(
        "{} from its intended send until it is decided, of which",
        duration(blame.latency)
    )];
    let mut nodes: Vec<_> = blame.nodes.iter().collect();
    let own = |part: &NodeBlame| part.waiting + part.work + part.inside;
    nodes.sort_by(|a, b| own(b.1).total_cmp(&own(a.1)));
    for (name, part) in nodes.into_iter().filter(|(_, part)| own(part) > 0.0) {
        let starts = results.nodes.get(name).is_some_and(|node| node.environments.is_some());
        let waiting = if starts {
            " waiting (for environments to start, in line for one, at doors)"
        } else {
            " waiting (for workers, cores, locks, at doors)"
        };
        // Times of all visits: what is left of nothing is not quite nothing.
        let waited = part.waiting - part.throttled;
        let waited = if waited < 1e-6 * part.waiting { 0.0 } else { waited };
        let times = [
            (part.throttled, " standing still (its quota was used up)"),
            (waited, waiting),
            (part.work, " work"),
            (part.inside, " inside"),
        ];
        let times = times.iter().filter(|(time, _)| *time > 0.0);
        let times: Vec<String> =
            times.map(|(time, what)| format!("{}{what}", duration(*time))).collect();
        lines.push(format!(
            "{name}: {}, in {} visits",
            times.join(", "),
            value(Quantity::Number, part.visits)
        ));
    }
    let mut links: Vec<_> = blame.links.iter().collect();
    let between = [
        (blame.network, "on the way between them"),
        (blame.backoff, "backoff, until what failed was tried again"),
        (blame.permits, "waiting for tokens, permits and connections of calls"),
        (blame.waits, "`wait` steps of those who call others"),
    ];
    for (time, what) in between.iter().filter(|(time, _)| *time > 0.0) {
        lines.push(format!("{} {what}", duration(*time)));
        // What it takes on the way is told first.
        for (link, held_up) in std::mem::take(&mut links) {
            let held_up = duration(*held_up);
            lines.push(format!("{held_up} of it because link {link} also carried other messages"));
        }
    }
    let unsaid = 1e-3 * blame.latency;
    if blame.remainder < -0.01 * blame.latency {
        let together = blame.latency - blame.remainder;
        lines.push(format!(
            "together that is {}: {} of it passes at the same time as other parts, for requests that were \
             given up, or for probes",
            duration(together),
            value(Quantity::Share, -blame.remainder / together)
        ));
    } else if blame.remainder > unsaid {
        lines.push(format!(
            "the rest: {}, waiting for what did not come (lost messages, dead or silent hosts), and pauses",
            duration(blame.remainder)
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn an_explanation_at_80_columns() {
        let text = text(&fixture::shop(), 80);
        insta::assert_snapshot!(text);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn a_quiet_run_says_so_and_names_what_adds_up() {
        let mut results = fixture::shop();
        results.timeline.events.clear();
        let quiet = text(&results, 100);
        assert!(quiet.contains("Nothing left its level"), "{quiet}");
        assert!(quiet.contains("the rest: 7 ms"), "{quiet}");
        let idle = crate::results::Bottleneck {
            node: "api".into(),
            resource: "pool:db".into(),
            utilisation: Some(0.03),
            ..Default::default()
        };
        results.bottleneck = Some(idle);
        let idle = text(&results, 100);
        assert!(
            idle.contains(
                "none: nothing is near its limit; the most used is api: connections to db"
            ),
            "{idle}"
        );
        results.blame.get_or_insert_default().remainder = -0.5;
        let overlapping = text(&results, 100);
        assert!(overlapping.contains("of it passes at the same time"), "{overlapping}");
    }

    #[test]
    fn each_verdict_has_its_sentence() {
        let known = |v: f64| crate::results::Estimate { value: Some(v), ..Default::default() };
        let mut fault = FaultResults {
            id: "stall".into(),
            occurrences: known(1.0),
            ended: known(70.0),
            goodput_before: known(280.0),
            goodput_returned: known(0.25),
            returned_within: known(115.0),
            aftermath: Some(Aftermath::Metastable),
            ..FaultResults::default()
        };
        let results = fixture::shop();
        let said = |fault: &FaultResults| verdict(&results, fault).unwrap_or_default();
        assert!(
            said(&fault).contains("goodput is 25 % of what it was before for as much asked"),
            "{}",
            said(&fault)
        );
        assert!(said(&fault).contains("metastable"));
        fault.aftermath = Some(Aftermath::Draining);
        fault.empty_in = known(330.0);
        assert!(
            said(&fault).contains("drains; at its present pace it is gone in about 6 min"),
            "{}",
            said(&fault)
        );
        fault.aftermath = Some(Aftermath::CauseRemains);
        assert!(said(&fault).contains("another fault is still at work"), "{}", said(&fault));
        fault.aftermath = None;
        assert!(said(&fault).contains("not watched long enough"), "{}", said(&fault));
        fault.aftermath = Some(Aftermath::Recovered);
        assert!(said(&fault).contains("is up again"));
        fault.time_to_recover = known(32.0);
        assert!(said(&fault).contains("recovered after 32 s"));
        fault.spans = vec![(10.0, 70.0)];
        fault.back_after = known(15.0);
        assert!(said(&fault).contains("back 15 s after the start, while it lasted; its end was"));
        fault.occurrences = known(0.0);
        assert_eq!(said(&fault), "stall never came.");
    }
}
