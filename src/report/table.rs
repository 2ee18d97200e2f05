//! The summary on the terminal: what a tired person reads first.
//!
//! **Invariant.** No line is wider than the terminal unless one word is; text from files is cleaned of
//! control characters.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::text::{
    self, Quantity, about, clean, count, duration, estimate, plural, shorten, value,
};
use crate::results::{
    Distribution, Estimate, FaultResults, NodeResults, RequestCounts, Results, SloResult,
};

/// Narrowest terminal that is served; narrower ones wrap.
pub(crate) const LEAST_WIDTH: usize = 80;
/// Length of a run from which on it tells of years, s.
const A_MONTH: f64 = 30.0 * 86_400.0;
const LONGEST_NAME: usize = 22;

/// The whole summary, ending in a line break.
pub(crate) fn summary(results: &Results, width: u16) -> String {
    let width = usize::from(width).max(LEAST_WIDTH);
    let mut out = Lines { width, text: String::new() };
    out.wrapped("", &status(results));
    if let Some(reason) = &results.status_reason {
        out.wrapped("  ", &clean(reason));
    }
    out.blank();
    requests(&mut out, results);
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
    if !results.faults.is_empty() {
        out.blank();
        out.table(|intervals| faults(results, intervals));
    }
    if !results.slos.is_empty() {
        out.blank();
        out.table(|intervals| slos("SLO", &results.slos, intervals));
    }
    if !results.expect.is_empty() {
        out.blank();
        out.table(|intervals| slos("Expectation", &results.expect, intervals));
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
        clean(&results.status),
        plural(results.replications.len() as u64, "replication"),
        duration(results.duration),
        warm_up,
        value(Quantity::Share, results.confidence),
    )
}

/// The outcomes that happened, with their share of the decided requests.
pub(crate) fn outcomes(requests: &RequestCounts) -> Vec<(&'static str, u64, f64)> {
    let all = [
        ("ok", requests.ok),
        ("degraded", requests.degraded),
        ("timeout", requests.timeout),
        ("error", requests.error),
        ("rejected", requests.rejected),
        ("shed", requests.shed),
        ("rate limited", requests.rate_limited),
        ("breaker open", requests.breaker_open),
        ("unavailable", requests.unavailable),
    ];
    let decided: u64 = all.iter().map(|(_, n)| n).sum();
    all.into_iter()
        .filter(|(_, n)| *n > 0)
        .map(|(name, n)| (name, n, n as f64 / decided as f64))
        .collect()
}

/// What the limit of an SLO is measured in, by how it is written.
pub(crate) fn slo_quantity(expression: &str) -> Quantity {
    let limit = expression.rsplit(['<', '>', '=']).next().unwrap_or_default().trim();
    let unit = limit.trim_start_matches(|c: char| c.is_ascii_digit() || "._ +-".contains(c));
    match unit.trim() {
        "true" | "false" => Quantity::Truth,
        "%" => Quantity::Share,
        "/s" | "/min" | "/h" | "/day" => Quantity::Rate,
        "ns" | "us" | "µs" | "ms" | "s" | "min" | "m" | "h" | "d" => Quantity::Duration,
        _ => Quantity::Number,
    }
}

/// How far an SLO is from its limit, in words.
pub(crate) fn slo_margin(slo: &SloResult) -> String {
    let Some(margin) = slo.margin.filter(|m| m.is_finite()) else { return String::new() };
    // Of two percentages the difference is in points, to two digits.
    let size = match slo_quantity(&slo.expression) {
        Quantity::Truth => return String::new(),
        Quantity::Share => format!("{} points", text::points(margin.abs())),
        quantity => value(quantity, margin.abs()),
    };
    if margin < 0.0 { format!("misses by {size}") } else { format!("{size} to spare") }
}

fn requests(out: &mut Lines, results: &Results) {
    let summary = &results.summary.figures;
    let requests = &summary.requests;
    let in_flight = match requests.in_flight {
        0 => String::new(),
        n => format!(", {} still in flight at the end", count(n)),
    };
    out.pair("Requests", &format!("{} issued{in_flight}", count(requests.issued)));
    let shares: Vec<String> = outcomes(requests)
        .into_iter()
        .map(|(name, _, share)| format!("{name} {}", value(Quantity::Share, share)))
        .collect();
    if shares.is_empty() {
        out.pair("Outcomes", "no request was decided");
        return;
    }
    out.pair("Outcomes", &shares.join(", "));
    out.pair("Availability", &estimate(Quantity::Share, &summary.availability));
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

fn latencies(results: &Results, intervals: bool) -> Table {
    let mut table = table(["Latency", "mean", "p50", "p95", "p99", "max"]);
    let mut row = |name: String, latency: &Distribution| {
        let mut cells = vec![name];
        for figure in [&latency.mean, &latency.p50, &latency.p95, &latency.p99, &latency.max] {
            cells.push(cell(Quantity::Duration, figure, intervals));
        }
        table.add_row(cells);
    };
    row("all".into(), &results.summary.figures.latency);
    let several = results.clients.len() > 1;
    for (name, client) in &results.clients {
        if several {
            row(shorten(name, LONGEST_NAME), &client.figures.latency);
        }
        if client.operations.len() > 1 {
            for (operation, figures) in &client.operations {
                row(format!("  {}", shorten(operation, LONGEST_NAME - 2)), &figures.latency);
            }
        }
    }
    for (name, distribution) in &results.summary.figures.marks {
        row(format!("mark {}", shorten(name, LONGEST_NAME - 5)), distribution);
    }
    table
}

fn nodes(results: &Results, roomy: bool) -> Table {
    let mut table = table([
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
        table.add_row([
            name,
            instances(node),
            cell(Quantity::Share, &node.utilisation, intervals),
            cell(Quantity::Rate, &node.throughput, false),
            cell(Quantity::Duration, &node.waiting_time.mean, false),
            cell(Quantity::Number, &node.in_queue, false),
            cell(Quantity::Duration, &node.response_time.p99, intervals),
        ]);
    }
    table
}

fn caches(results: &Results, intervals: bool) -> Table {
    let mut table = table(["Cache", "hit ratio", "lookups", "coalesced", "evictions"]);
    for (name, node) in &results.nodes {
        let Some(cache) = &node.cache else { continue };
        table.add_row([
            shorten(name, LONGEST_NAME),
            cell(Quantity::Share, &cache.hit_ratio, intervals),
            count(cache.lookups),
            count(cache.coalesced),
            count(cache.evictions),
        ]);
    }
    table
}

fn alerts(results: &Results, intervals: bool) -> Table {
    let mut table = table(ALERT_COLUMNS);
    for alert in &results.alerts {
        let time = |estimate| cell(Quantity::Duration, estimate, intervals);
        table.add_row([
            shorten(&alert.id, LONGEST_NAME),
            cell(Quantity::Number, &alert.count, intervals),
            time(&alert.fired),
            time(&alert.resolved),
        ]);
    }
    table
}

/// What is said of alerts.
pub(crate) const ALERT_COLUMNS: [&str; 4] = ["Alert", "fired, times", "first at", "over at"];

fn faults(results: &Results, intervals: bool) -> Table {
    let mut table = table(FAULT_COLUMNS);
    for fault in &results.faults {
        let share = |estimate| cell(Quantity::Share, estimate, intervals);
        table.add_row([
            format!("{} ({})", shorten(&fault.id, LONGEST_NAME), words(&fault.effect)),
            when(fault),
            share(&fault.availability_before),
            share(&fault.availability_during),
            share(&fault.availability_after),
            recovered(fault, |time| cell(Quantity::Duration, time, intervals)),
        ]);
    }
    table
}

/// What is said of faults.
pub(crate) const FAULT_COLUMNS: [&str; 6] =
    ["Fault", "when", "availability before", "during", "after", "recovered after"];

/// How long it took to recover, as `shown`; or that it did not, or that it was back before the end.
pub(crate) fn recovered(fault: &FaultResults, shown: impl Fn(&Estimate) -> String) -> String {
    let lasted = fault.spans.first().map_or(0.0, |span| span.1 - span.0);
    let early = fault.back_after.value.is_some_and(|back| back > 0.0 && back < lasted);
    match fault.aftermath.as_deref() {
        _ if early => format!("{} after its start", shown(&fault.back_after)),
        Some("metastable") => "stays down".to_owned(),
        Some("draining") => {
            format!("empty in {}", fault.empty_in.value.map(about).unwrap_or_default())
        }
        Some("cause_remains") => "cause remains".to_owned(),
        _ => shown(&fault.time_to_recover),
    }
}

/// When a fault was at work.
pub(crate) fn when(fault: &FaultResults) -> String {
    match (fault.spans.as_slice(), fault.occurrences.value) {
        ([], Some(0.0) | None) => "never".to_owned(),
        ([(from, to)], _) if to - from > 1e-6 => {
            format!("{} to {}", duration(*from), duration(*to))
        }
        ([(from, _)], _) => duration(*from),
        // It began or ended at other times in other replications: the means.
        (_, Some(1.0)) if let (Some(from), Some(to)) = (fault.started.value, fault.ended.value) => {
            format!("about {} to {}", duration(from), duration(to))
        }
        (_, Some(n)) => format!("{} times", value(Quantity::Number, n)),
        (spans, None) => format!("{} times", spans.len()),
    }
}

/// A word of the language as people say it.
pub(crate) fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// A kind as people say it.
pub(crate) fn kind(node: &NodeResults) -> String {
    words(&node.kind)
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

fn slos(title: &str, slos: &[SloResult], intervals: bool) -> Table {
    let mut table = table([title, "", "measured", ""]);
    for column in 0..4 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Left);
        }
    }
    for slo in slos {
        table.add_row([
            shorten(&slo.verdict, 15),
            shorten(&slo.expression, if intervals { 44 } else { 30 }),
            cell(slo_quantity(&slo.expression), &slo.estimate, intervals),
            slo_margin(slo),
        ]);
    }
    table
}

fn notes(out: &mut Lines, results: &Results) {
    let single = results.replications.len() == 1;
    if results.warnings.is_empty() && !single {
        return;
    }
    out.blank();
    for warning in &results.warnings {
        out.wrapped("  ", &format!("warning: {}", clean(warning)));
    }
    if single {
        out.wrapped("  ", "note: one replication has no intervals; --replications 10 gives them");
    }
}

fn cell(quantity: Quantity, figure: &Estimate, intervals: bool) -> String {
    if intervals {
        return estimate(quantity, figure);
    }
    figure.value.map_or_else(|| "-".into(), |v| value(quantity, v))
}

/// A table without lines, names to the left and figures to the right.
fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        let alignment = if i == 0 { CellAlignment::Left } else { CellAlignment::Right };
        column.set_cell_alignment(alignment);
    }
    table
}

/// Lines of at most `width` characters.
pub(crate) struct Lines {
    pub(crate) width: usize,
    pub(crate) text: String,
}

impl Lines {
    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    fn pair(&mut self, name: &str, value: &str) {
        self.wrapped("              ", &format!("{name:<14}{value}"));
    }

    /// Breaks at spaces; lines after the first are indented.
    pub(crate) fn wrapped(&mut self, indent: &str, paragraph: &str) {
        let mut used = 0;
        for (i, word) in paragraph.split(' ').enumerate() {
            let length = word.chars().count();
            if i > 0 && used + 1 + length > self.width {
                self.text.push('\n');
                self.text.push_str(indent);
                used = indent.len();
            } else if i > 0 {
                self.text.push(' ');
                used += 1;
            }
            self.text.push_str(word);
            used += length;
        }
        self.text.push('\n');
    }

    /// A table with intervals, or without them if it would be too wide.
    fn table(&mut self, build: impl Fn(bool) -> Table) {
        let lines = |intervals| -> Vec<String> {
            build(intervals).lines().map(|line| line.trim_end().to_owned()).collect()
        };
        let mut chosen = lines(true);
        if chosen.iter().any(|line| line.chars().count() > self.width) {
            chosen = lines(false);
        }
        for line in chosen {
            self.text.push_str(&line);
            self.text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn a_run_at_100_columns() {
        insta::assert_snapshot!(summary(&fixture::shop(), 100));
    }

    #[test]
    fn a_run_at_80_columns_drops_intervals_before_it_overflows() {
        let text = summary(&fixture::shop(), 80);
        insta::assert_snapshot!(text);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn a_run_without_a_decided_request_says_so() {
        let mut results = fixture::nothing_decided();
        results.replications.truncate(1);
        let text = summary(&results, 100);
        assert!(text.contains("no request was decided"), "{text}");
        assert!(text.contains("--replications 10"), "{text}");
    }

    #[test]
    fn limits_tell_the_unit() {
        for (expression, quantity) in [
            ("availability >= 99.5%", Quantity::Share),
            ("p99(latency operation=browse) <= 350ms", Quantity::Duration),
            ("goodput >= 1200/s", Quantity::Rate),
            ("lost_acked_writes == 0", Quantity::Number),
            ("metastable(blip) == false", Quantity::Truth),
            ("garbage", Quantity::Number),
        ] {
            assert_eq!(slo_quantity(expression), quantity, "{expression}");
        }
    }

    #[test]
    fn payloads_reach_no_terminal() {
        for payload in fixture::PAYLOADS {
            let text = summary(&fixture::hostile(payload), 100);
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{payload:?}");
        }
    }
}
