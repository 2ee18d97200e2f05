//! The summary on the terminal: what a tired person reads first.
//!
//! **Invariant.** No line is wider than the terminal unless one word is; text from files is cleaned of
//! control characters.

use std::fmt::Write as _;

use super::{
    budgets, consistency, cost, costs, environments,
    grid::{Grid, Lines},
    precision::precision,
    queues, replicas, sagas, sides,
    steady::growing,
    text::{self, Quantity, about, clean, count, duration, estimate, plural, shorten, value},
    tiers, transactions,
};
use crate::{
    outcome::Outcome,
    results::{
        Aftermath, Distribution, Estimate, FaultResults, Hanging, Judgement, NodeResults,
        RequestCounts, RequestFigures, ResourceResults, Results, SloResult,
    },
};

/// Narrowest terminal that is served; narrower ones wrap.
pub(crate) const LEAST_WIDTH: usize = 60;
/// Length of a run from which on it tells of years, s.
const A_MONTH: f64 = 30.0 * 86_400.0;
pub(super) const LONGEST_NAME: usize = 22;

/// The whole summary, ending in a line break.
pub(crate) fn summary(results: &Results, width: u16) -> String {
    let width = usize::from(width).max(LEAST_WIDTH);
    let mut out = Lines { width, text: String::new() };
    out.wrapped("", &status(results));
    if let Some(reason) = &results.status_reason {
        out.wrapped("  ", &clean(reason));
    }
    if let Some(precision) = precision(results) {
        out.wrapped("  ", &precision);
    }
    out.blank();
    requests(&mut out, results);
    cost::lines(&mut out, results);
    out.blank();
    out.table(|intervals| latencies(results, intervals));
    if !results.nodes.is_empty() {
        out.blank();
        out.table(|intervals| nodes(results, intervals));
        if results.nodes.values().any(|node| node.cache.is_some()) {
            out.blank();
            out.table(|intervals| caches(results, intervals));
        }
    }
    if !results.alerts.is_empty() {
        out.blank();
        out.table(|intervals| alerts(results, intervals));
    }
    budgets::lines(&mut out, results);
    consistency::lines(&mut out, results);
    replicas::lines(&mut out, results);
    figures(&mut out, &tiers::SCALED, |shown| tiers::scaled(results, shown));
    figures(&mut out, &tiers::BOUGHT, |shown| tiers::bought(results, shown));
    for line in tiers::notes(results) {
        out.wrapped("  ", &line);
    }
    figures(&mut out, &environments::COLUMNS, |shown| environments::rows(results, shown));
    figures(&mut out, &queues::COLUMNS, |shown| queues::rows(results, shown));
    figures(&mut out, &tiers::GROUPS, |shown| tiers::groups(results, shown));
    for line in queues::notes(results) {
        out.wrapped("  ", &line);
    }
    figures(&mut out, &sagas::COLUMNS, |shown| sagas::rows(results, shown));
    for line in sagas::notes(results) {
        out.wrapped("  ", &line);
    }
    figures(&mut out, &transactions::COLUMNS, |shown| transactions::rows(results, shown));
    replicas::moved_lines(&mut out, results);
    replicas::backup_lines(&mut out, results);
    if !results.faults.is_empty() {
        out.blank();
        out.table(|intervals| faults(results, intervals));
        sides::lines(&mut out, results);
        costs::lines(&mut out, results);
    }
    if !results.slos.is_empty() {
        out.blank();
        slos(&mut out, "SLO", &results.slos);
    }
    if !results.expect.is_empty() {
        out.blank();
        slos(&mut out, "Expectation", &results.expect);
    }
    notes(&mut out, results);
    out.text
}

/// What was run and how it ended, in one line.
pub(crate) fn status(results: &Results) -> String {
    let variant = results.variant.as_deref().map(|v| format!(" ({v})")).unwrap_or_default();
    let warm_up = if results.warm_up > 0.0 {
        format!(", first {} discarded", duration(results.warm_up))
    } else {
        String::new()
    };
    format!(
        "{}{}: {} - {} of {}{}; intervals at {} confidence",
        clean(&results.scenario),
        clean(&variant),
        results.status,
        plural(results.replications.len() as u64, "replication"),
        duration(results.duration),
        warm_up,
        value(Quantity::Share, results.confidence),
    )
}

/// The outcomes that happened, with their share of the decided requests.
pub(crate) fn outcomes(requests: &RequestCounts) -> Vec<(&'static str, u64, f64)> {
    let counts = requests.by_name();
    let of = |outcome: Outcome| {
        let (_, n) = counts.iter().find(|(name, _)| *name == outcome.name())?;
        Some((outcome.words(), *n))
    };
    let all: Vec<(&str, u64)> = Outcome::ALL.into_iter().filter_map(of).collect();
    let decided: u64 = all.iter().map(|(_, n)| n).sum();
    all.into_iter()
        .filter(|(_, n)| *n > 0)
        .map(|(name, n)| (name, n, n as f64 / decided as f64))
        .collect()
}

/// What the limit of an SLO is measured in, by how it is written.
pub(crate) fn slo_quantity(expression: &str) -> Quantity {
    // How many runs keep a limit is a share, whatever the limit is of.
    if expression.trim_end().ends_with("of runs") {
        return Quantity::Share;
    }
    let limit = expression.rsplit(['<', '>', '=']).next().unwrap_or_default();
    // What it is a part of has no unit: `1% of requests.issued`.
    let limit = limit.split(" of ").next().unwrap_or_default().trim();
    if limit.starts_with('$') && !limit.contains(' ') {
        return Quantity::Money;
    }
    let unit = limit.trim_start_matches(|c: char| c.is_ascii_digit() || "._ +-".contains(c));
    match unit.trim() {
        "true" | "false" => Quantity::Truth,
        "%" => Quantity::Share,
        "/s" | "/min" | "/h" | "/day" => Quantity::Rate,
        "ns" | "us" | "µs" | "ms" | "s" | "min" | "m" | "h" | "d" => Quantity::Duration,
        // No time at all needs no unit.
        "" if limit == "0" && TIMES.iter().any(|name| names(expression, name)) => {
            Quantity::Duration
        }
        _ => Quantity::Number,
    }
}

/// Figures of one time.
const TIMES: [&str; 6] =
    ["rpo", "rto", "convergence_time", "time_to_recover", "back_after", "split_brain_time"];

/// Whether an expression is of a figure of this name.
fn names(expression: &str, name: &str) -> bool {
    let figure = expression.split(['(', '<', '>', '=']).next().unwrap_or_default();
    figure.trim().split('.').any(|part| part == name)
}

/// What an SLO is measured in.
pub(crate) fn measured_in(slo: &SloResult) -> Quantity {
    slo.unit.as_deref().map_or_else(|| slo_quantity(&slo.expression), Quantity::of_unit)
}

/// How far an SLO is from its limit, in words.
pub(crate) fn slo_margin(slo: &SloResult) -> String {
    let Some(margin) = slo.margin.filter(|m| m.is_finite()) else { return String::new() };
    // Of two percentages the difference is in points, to two digits.
    let size = match measured_in(slo) {
        Quantity::Truth => return String::new(),
        Quantity::Share => format!("{} points", text::points(margin.abs())),
        quantity => value(quantity, margin.abs()),
    };
    if margin < 0.0 { format!("misses by {size}") } else { format!("{size} to spare") }
}

/// A total over all replications, for one of them.
pub(crate) fn per_run(results: &Results, total: u64) -> String {
    let runs = results.replications.len().max(1) as f64;
    count(libm::round(total as f64 / runs) as u64)
}

/// `issued`, or what it is where there are several runs.
pub(crate) fn issued(results: &Results) -> &'static str {
    if results.replications.len() > 1 { "issued per run" } else { "issued" }
}

fn requests(out: &mut Lines, results: &Results) {
    let summary = &results.summary.figures;
    let requests = &summary.requests;
    let in_flight = match requests.in_flight {
        0 => String::new(),
        n => format!(", {} still in flight at the end", per_run(results, n)),
    };
    let sent = per_run(results, requests.issued);
    out.pair("Requests", &format!("{sent} {}{in_flight}", issued(results)));
    let shares: Vec<String> = outcomes(requests)
        .into_iter()
        .map(|(name, _, share)| format!("{name} {}", value(Quantity::Share, share)))
        .collect();
    if shares.is_empty() {
        out.pair("Outcomes", "no request was decided");
    } else {
        out.pair("Outcomes", &shares.join(", "));
        out.pair("Availability", &availability(summary));
    }
    for line in hanging(results) {
        out.pair("Hanging", &line);
    }
    if shares.is_empty() {
        return;
    }
    if let Some(line) = up(results) {
        out.pair("Up", &line);
    }
    out.pair(
        "Goodput",
        &format!(
            "{}, throughput {}",
            estimate(Quantity::Rate, &summary.goodput),
            estimate(Quantity::Rate, &summary.throughput),
        ),
    );
    let attempts = estimate(Quantity::Number, &summary.attempts_per_request);
    out.pair("Attempts", &format!("{attempts} per request"));
}

/// Availability, or between what it is where it depends on requests in flight at the end.
pub(crate) fn availability(figures: &RequestFigures) -> String {
    let most = estimate(Quantity::Share, &figures.availability);
    match figures.availability_at_least.as_ref().and_then(|least| least.value) {
        None => most,
        Some(least) => format!("at least {}, at most {most}", value(Quantity::Share, least)),
    }
}

/// How many requests hang at the end, since when, and why nobody gives them up.
pub(crate) fn hanging(results: &Results) -> Vec<String> {
    let runs = if results.replications.len() > 1 { " a run" } else { "" };
    let one = |hanging: &Hanging| {
        let fault = hanging.fault.as_ref();
        let fault = fault.and_then(|id| results.faults.iter().find(|f| f.id == *id));
        let since = fault.map_or_else(
            || "lost calls".to_owned(),
            |f| {
                let of = if f.target.is_empty() { &f.id } else { &f.target };
                format!("the {} of {}", words(&f.effect), clean(of))
            },
        );
        let n = per_run(results, hanging.requests);
        let (from, to) = (clean(&hanging.from), clean(&hanging.to));
        format!(
            "{n} requests{runs} wait for ever since {since}: nobody gives them up, no timeout on {from} -> {to}"
        )
    };
    results.hanging.iter().map(one).collect()
}

/// The 99th percentile where a request without an answer is slower than any other.
pub(crate) fn p99_of_all(figures: &RequestFigures, intervals: bool) -> String {
    let requests = &figures.requests;
    match figures.p99_of_all.value {
        Some(_) => cell(Quantity::Duration, &figures.p99_of_all, intervals),
        None if requests.issued == requests.in_flight => "-".to_owned(),
        None => "never".to_owned(),
    }
}

/// Some requests were never answered: what is said of the answered ones is not said of all.
pub(crate) fn some_failed(results: &Results) -> bool {
    let requests = &results.summary.figures.requests;
    requests.ok + requests.degraded < requests.issued - requests.in_flight
}

/// Availability over time, where it can be less than all of it.
pub(crate) fn up(results: &Results) -> Option<String> {
    results.faults.iter().find(|fault| matches!(fault.effect.as_str(), "crash" | "deploy"))?;
    let uptime = &results.summary.uptime;
    let mut line = format!("{} of the time", estimate(Quantity::Share, &uptime.availability_time));
    // What a year holds says nothing where minutes are looked at.
    if results.duration >= A_MONTH
        && let Some(share) = uptime.availability_time.value
    {
        let outages = estimate(Quantity::Number, &uptime.outages_per_year);
        let down = value(Quantity::Duration, (1.0 - share) * 365.0 * 86_400.0);
        let _ = write!(line, "; a year has {outages} outages, {down} in all");
    }
    Some(line)
}

fn latencies(results: &Results, intervals: bool) -> Grid {
    let of_all = some_failed(results);
    // Short, so that intervals have room.
    let name = if of_all { "Answered" } else { "Latency" };
    let mut header = vec![name, "mean", "p50", "p95", "p99", "max"];
    header.extend(of_all.then_some("p99 of all"));
    let mut grid = Grid::new(&header);
    let mut row = |name: String, latency: &Distribution, all: Option<&RequestFigures>| {
        let mut cells = vec![name];
        for figure in [&latency.mean, &latency.p50, &latency.p95, &latency.p99, &latency.max] {
            cells.push(cell(Quantity::Duration, figure, intervals));
        }
        if of_all {
            cells.push(all.map(|figures| p99_of_all(figures, false)).unwrap_or_default());
        }
        grid.rows.push(cells);
    };
    let all = &results.summary.figures;
    row("all".into(), &all.latency, Some(all));
    let several = results.clients.len() > 1;
    for (name, client) in &results.clients {
        let of = &client.figures;
        if several {
            row(shorten(name, LONGEST_NAME), &of.latency, Some(of));
        }
        if client.operations.len() > 1 {
            for (operation, of) in &client.operations {
                let name = format!("  {}", shorten(operation, LONGEST_NAME - 2));
                row(name, &of.latency, Some(of));
            }
        }
    }
    for (name, distribution) in &results.summary.figures.marks {
        row(format!("mark {}", shorten(name, LONGEST_NAME - 5)), distribution, None);
    }
    grid
}

fn nodes(results: &Results, roomy: bool) -> Grid {
    let mut grid = Grid::new(&[
        "Node",
        "inst.",
        "utilisation",
        "throughput",
        "waiting",
        "in queue",
        "response p99",
    ]);
    let intervals = roomy;
    for (name, node) in &results.nodes {
        let mut name = shorten(name, if roomy { LONGEST_NAME } else { 18 });
        if roomy {
            name = format!("{name} ({})", shorten(&kind(node), 13));
        }
        grid.rows.push(vec![
            name,
            instances(node),
            used(node, |share| cell(Quantity::Share, share, intervals)),
            cell(Quantity::Rate, &node.throughput, false),
            cell(Quantity::Duration, &node.waiting_time.mean, false),
            cell(Quantity::Number, &node.in_queue, false),
            cell(Quantity::Duration, &node.response_time.p99, intervals),
        ]);
    }
    grid
}

fn caches(results: &Results, intervals: bool) -> Grid {
    let mut grid = Grid::new(&["Cache", "hit ratio", "lookups", "coalesced", "evictions"]);
    for (name, node) in &results.nodes {
        let Some(cache) = &node.cache else { continue };
        grid.rows.push(vec![
            shorten(name, LONGEST_NAME),
            cell(Quantity::Share, &cache.hit_ratio, intervals),
            per_run(results, cache.lookups),
            per_run(results, cache.coalesced),
            per_run(results, cache.evictions),
        ]);
    }
    grid
}

fn alerts(results: &Results, intervals: bool) -> Grid {
    let mut grid = Grid::new(&ALERT_COLUMNS);
    for alert in &results.alerts {
        let time = |estimate| cell(Quantity::Duration, estimate, intervals);
        grid.rows.push(vec![
            shorten(&alert.id, LONGEST_NAME),
            cell(Quantity::Number, &alert.count, intervals),
            time(&alert.fired),
            time(&alert.resolved),
        ]);
    }
    grid
}

/// What is said of alerts.
pub(crate) const ALERT_COLUMNS: [&str; 4] = ["Alert", "fired, times", "first at", "last over at"];

fn faults(results: &Results, intervals: bool) -> Grid {
    let mut grid = Grid::new(&FAULT_COLUMNS);
    for fault in &results.faults {
        let share = |estimate| availability_around(fault, estimate, intervals);
        grid.rows.push(vec![
            format!("{} ({})", shorten(&fault.id, LONGEST_NAME), words(&fault.effect)),
            when(fault),
            share(&fault.availability_before),
            share(&fault.availability_during),
            share(&fault.availability_after),
            recovered(fault, |time| cell(Quantity::Duration, time, intervals)),
        ]);
    }
    grid
}

/// What is said of faults.
pub(crate) const FAULT_COLUMNS: [&str; 6] =
    ["Fault", "when", "availability before", "during", "after", "recovered after"];

/// How long it took to recover, as `shown`; or that it did not, or that it was back before the end.
pub(crate) fn recovered(fault: &FaultResults, shown: impl Fn(&Estimate) -> String) -> String {
    let lasted = fault.spans.first().map_or(0.0, |span| span.1 - span.0);
    let early = fault.back_after.value.is_some_and(|back| back > 0.0 && back < lasted);
    match fault.aftermath {
        _ if early => format!("{} after its start", shown(&fault.back_after)),
        Some(Aftermath::Metastable) => "stays down".to_owned(),
        Some(Aftermath::Draining) => {
            format!("empty in {}", fault.empty_in.value.map(about).unwrap_or_default())
        }
        Some(Aftermath::CauseRemains) => "cause remains".to_owned(),
        _ => shown(&fault.time_to_recover),
    }
}

/// When a fault was at work.
pub(crate) fn when(fault: &FaultResults) -> String {
    let shown = fault.shown();
    // It began or ended at other times in other replications: the means.
    let known = if fault.at_once { fault.struck.len() } else { fault.spans.len() };
    let about = if known == 0 { "about " } else { "" };
    match (shown.as_slice(), fault.occurrences.value) {
        ([], Some(0.0) | None) => "never".to_owned(),
        ([(from, to)], _) if to - from > 1e-6 => {
            format!("{about}{} to {}", duration(*from), duration(*to))
        }
        ([(from, _)], _) => format!("{about}{}", duration(*from)),
        (_, Some(n)) if !fault.at_once => format!("{} times", value(Quantity::Number, n)),
        (shown, _) => format!("{} times", shown.len()),
    }
}

/// A word of the language as people say it.
pub(crate) fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// A kind as people say it.
pub(crate) fn kind(node: &NodeResults) -> String {
    node.kind.words().to_owned()
}

/// Instances of a node; a range when their number changed.
pub(crate) fn instances(node: &NodeResults) -> String {
    let counts = node.instances;
    match (counts.min, counts.max) {
        (_, 0) => "-".into(),
        (min, max) if min == max => count(max),
        (min, max) => format!("{min}-{max}"),
    }
}

/// Availability on one side of a fault.
pub(crate) fn availability_around(
    fault: &FaultResults,
    side: &Estimate,
    intervals: bool,
) -> String {
    let came = fault.occurrences.value.is_some_and(|n| n > 0.0);
    if came && side.value.is_none() {
        return "none decided".to_owned();
    }
    cell(Quantity::Share, side, intervals)
}

/// A resource must be fuller than what `utilisation` counts by so much to be shown in its place.
const FULLER: f64 = 0.1;

/// How busy a node was; of what it has much less left of, with its name.
pub(crate) fn used(node: &NodeResults, show: impl Fn(&Estimate) -> String) -> String {
    let counted = node.utilisation.value.unwrap_or_default();
    let of = |one: &ResourceResults| one.utilisation.value.unwrap_or_default();
    let fullest = node.resources.iter().max_by(|a, b| of(a.1).total_cmp(&of(b.1)));
    match fullest.filter(|(_, one)| of(one) > counted + FULLER) {
        Some((name, one)) => format!("{} {}", show(&one.utilisation), shorten(name, 16)),
        None => show(&node.utilisation),
    }
}

/// What was measured for an SLO; or why there is nothing.
pub(crate) fn slo_measured(slo: &SloResult) -> String {
    match (&slo.estimate.value, &slo.reason) {
        (None, Some(reason)) => clean(reason),
        _ => estimate(measured_in(slo), &slo.estimate),
    }
}

/// What is said after that.
pub(crate) fn slo_remark(slo: &SloResult) -> String {
    match (&slo.estimate.value, &slo.reason) {
        (Some(_), Some(reason)) => clean(reason),
        _ => slo_margin(slo),
    }
}

/// A line each, or a paragraph each where one does not fit.
fn slos(out: &mut Lines, title: &str, slos: &[SloResult]) {
    let grid = |most| {
        let mut grid = Grid::new(&[title, "", "measured", ""]);
        grid.left = true;
        for slo in slos {
            grid.rows.push(vec![
                slo.verdict.to_string(),
                shorten(&slo.expression, most),
                slo_measured(slo),
                slo_remark(slo),
            ]);
        }
        grid.lines()
    };
    let fits = |lines: &Vec<String>| lines.iter().all(|line| line.chars().count() <= out.width);
    if let Some(lines) = [44, 30].into_iter().map(grid).find(fits) {
        return out.lines(lines);
    }
    out.wrapped("", title);
    for slo in slos {
        let (measured, remark) = (slo_measured(slo), slo_remark(slo));
        let told = [measured, remark].into_iter().filter(|text| !text.is_empty());
        let told = told.collect::<Vec<_>>().join(", ");
        let text = format!("{}  {}: {told}", slo.verdict, clean(&slo.expression));
        out.wrapped("    ", &text);
    }
}

fn notes(out: &mut Lines, results: &Results) {
    let single = results.replications.len() == 1;
    let growing = growing(results);
    let mut judged = results.slos.iter().chain(&results.expect);
    let open = judged.any(|slo| slo.verdict == Judgement::Inconclusive);
    if results.warnings.is_empty() && growing.is_empty() && !single && !open {
        return;
    }
    out.blank();
    for line in growing {
        out.wrapped("  ", &line);
    }
    for warning in &results.warnings {
        out.wrapped("  ", &format!("warning: {}", clean(warning)));
    }
    if open {
        out.wrapped("  ", "note: `check` runs replications until what is inconclusive is decided");
    }
    if single {
        out.wrapped("  ", "note: one replication has no intervals; --replications 10 gives them");
    }
}

/// A figure as a table shows it.
pub(super) type Shown<'s> = &'s dyn Fn(Quantity, &Estimate) -> String;

/// A table of figures after a blank line, if there are any; whether there are.
pub(super) fn figures(
    out: &mut Lines,
    columns: &[&str],
    rows: impl Fn(Shown<'_>) -> Vec<Vec<String>>,
) -> bool {
    if rows(&|_, _| String::new()).is_empty() {
        return false;
    }
    out.blank();
    out.table(|intervals| {
        let mut grid = Grid::new(columns);
        grid.rows = rows(&|quantity, figure| cell(quantity, figure, intervals));
        grid
    });
    true
}

pub(super) fn cell(quantity: Quantity, figure: &Estimate, intervals: bool) -> String {
    if intervals {
        return estimate(quantity, figure);
    }
    figure.value.map_or_else(|| "-".into(), |v| value(quantity, v))
}

#[cfg(test)]
mod tests;
