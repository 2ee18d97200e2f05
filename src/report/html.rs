//! `report.html`: everything on one page that needs nothing but itself.
//!
//! **Invariant.** No address, no remote thing, no script but our own: the policy in the page's head forbids them,
//! and every text is escaped. Whoever runs no scripts, or prints it, misses no figure.

mod bar;
mod bill;
mod budgets;
mod close;
mod data;
mod faults;
mod live;
mod requests;
pub(super) mod sweep;
mod table;

use live::Detail;
use std::fmt::{Display, Write};
use table::{Cell, Table};

use super::{
    explain,
    plots::Plot,
    precision::precision,
    steady::growing,
    table::{
        availability, hanging, instances, issued, kind, outcomes, p99_of_all, per_run,
        slo_measured, slo_remark, some_failed, up, used,
    },
    text::{Quantity, clean, clock, count, duration, escape, estimate, plural, value},
};
use crate::results::{
    DataFile, Distribution, Estimate, InstanceResults, NodeResults, RequestFigures, Results,
    SloResult, Status, Watched,
};

/// Availability below this is shown as a failure, whether an SLO asks for it or not.
const BAD: f64 = 0.9;
const STYLE: &str = include_str!("../../assets/report.css");

/// The page; `topology` and the plots are put into it as they are, unless it were too large then, and the requests that
/// were watched.
pub(crate) fn page(results: &Results, watched: &Watched, topology: &str, plots: &[Plot]) -> String {
    let mut page = String::new();
    for detail in Detail::levels() {
        page = page_of((results, watched), topology, plots, detail);
        if page.len() <= live::MOST {
            break;
        }
    }
    page
}

fn page_of(
    (results, watched): (&Results, &Watched),
    topology: &str,
    plots: &[Plot],
    detail: Detail,
) -> String {
    let mut out = String::new();
    head(&mut out, results, detail);
    comes_to(&mut out, results);
    verdict(&mut out, results);
    warnings(&mut out, results);
    slos(&mut out, "Service level objectives", &results.slos);
    slos(&mut out, "What was to be seen", &results.expect);
    live::replay(&mut out, (results, watched.closely.as_ref()), topology, detail);
    out.push_str("<h2>Over time</h2>\n");
    live::over_time(&mut out, results, plots, detail);
    requests::requests(&mut out, &watched.waterfalls);
    requests(&mut out, results);
    nodes(&mut out, results);
    caches(&mut out, results);
    faults::alerts(&mut out, results);
    budgets::budgets(&mut out, results);
    data::data(&mut out, results);
    data::messages_and_sagas(&mut out, results);
    faults::faults(&mut out, results);
    bill::bill(&mut out, results);
    why(&mut out, results);
    balance(&mut out, results);
    leaves_out(&mut out, results);
    reproduce(&mut out, results);
    out.push_str("</main>\n");
    live::scripts(&mut out, (results, watched.closely.as_ref()), plots, detail);
    out.push_str("</body>\n</html>\n");
    out
}

/// Pictures, as they are.
fn pictures(out: &mut String, plots: &[Plot]) {
    for plot in plots {
        picture(out, plot, "");
    }
}

/// One of them; `class` is that of what another takes the place of.
fn picture(out: &mut String, plot: &Plot, class: &str) {
    let (title, svg) = (escape(&plot.title), &plot.svg);
    let _ = write!(out, "<figure{class} role=\"img\" aria-label=\"{title}\">\n{svg}</figure>\n");
}

/// What every page begins with; the title is escaped. `policy` and `styles` are what scripts need, if there are any.
fn begin(out: &mut String, title: &str, policy: &str, styles: &[&str]) {
    let styles = styles.concat();
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; {policy}\
         style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} - Windtunnel</title>\n<style>\n{STYLE}{styles}</style>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n"
    );
}

fn head(out: &mut String, results: &Results, detail: Detail) {
    let name = escape(&results.scenario);
    let variant = results.variant.as_deref().map(|v| format!(" ({})", escape(v)));
    let title = format!("{name}{}", variant.unwrap_or_default());
    if live::is_shown(results, detail) {
        begin(out, &title, &live::policy(), &live::STYLES);
    } else {
        begin(out, &title, "", &[]);
    }
    for line in results.description.iter().flat_map(|text| text.lines()) {
        let _ = writeln!(out, "<p class=\"lead\">{}</p>", escape(line));
    }
}

/// What it comes to, before any figure.
fn comes_to(out: &mut String, results: &Results) {
    out.push_str("<section id=\"verdict\">\n");
    for sentence in super::verdict::verdict(results) {
        let _ = writeln!(out, "<p>{}</p>", escape(&clean(&sentence)));
    }
    out.push_str("</section>\n");
}

fn verdict(out: &mut String, results: &Results) {
    let partial = if results.is_complete() { "" } else { " partial" };
    let warm_up = if results.warm_up > 0.0 {
        format!(" (the first {} are not counted)", duration(results.warm_up))
    } else {
        String::new()
    };
    let replications = results.replications.len() as u64;
    let _ = writeln!(
        out,
        "<p><span class=\"status{partial}\">{}</span> {} of {}{warm_up}. Intervals are at {} \
         confidence over replications{}.</p>",
        results.status,
        plural(replications, "replication"),
        duration(results.duration),
        value(Quantity::Share, results.confidence),
        if replications < 2 { "; one replication has none" } else { "" },
    );
    if let Some(reason) = &results.status_reason {
        let _ = writeln!(out, "<p class=\"warning\">{}</p>", escape(reason));
    }
    if let Some(precision) = precision(results) {
        let missed = results.precision.as_ref().is_some_and(|of| !of.reached);
        let class = if missed { " class=\"warning\"" } else { "" };
        let _ = writeln!(out, "<p{class}>{}.</p>", escape(&precision));
    }
    let summary = &results.summary.figures;
    let cards = [
        ("availability", availability(summary)),
        ("latency p50", estimate(Quantity::Duration, &summary.latency.p50)),
        ("latency p99", estimate(Quantity::Duration, &summary.latency.p99)),
        ("p99 of all", p99_of_all(summary, true)),
        ("goodput", estimate(Quantity::Rate, &summary.goodput)),
        (issued(results), per_run(results, summary.requests.issued)),
    ];
    // Where all were answered both are the same.
    let failed = some_failed(results);
    let cards = cards.into_iter().filter(|(name, _)| failed || *name != "p99 of all");
    out.push_str("<div class=\"cards\">\n");
    for (name, figure) in cards {
        // What most requests did not get is no good news, however fast the others were.
        let least = summary.availability_at_least.unwrap_or(summary.availability).value;
        let bad = name == "availability" && least.is_some_and(|share| share < BAD);
        let class = if bad || figure == "never" { "card missed" } else { "card" };
        let figure = escape(&figure);
        let _ = writeln!(out, "<div class=\"{class}\"><span>{name}</span><b>{figure}</b></div>");
    }
    out.push_str("</div>\n");
    if let Some(up) = up(results) {
        let _ = writeln!(out, "<p>Up {}.</p>", escape(&up));
    }
    let shares: Vec<String> = outcomes(&summary.requests)
        .into_iter()
        .map(|(name, n, share)| {
            format!("{name} {} ({})", per_run(results, n), value(Quantity::Share, share))
        })
        .collect();
    let decided =
        if shares.is_empty() { "No request was decided".into() } else { shares.join(", ") };
    let in_flight = match summary.requests.in_flight {
        0 => String::new(),
        n => format!("; {} still in flight at the end", per_run(results, n)),
    };
    let each = if results.replications.len() > 1 { " of a run" } else { "" };
    let _ = writeln!(out, "<p>Outcomes{each}: {decided}{in_flight}.</p>");
    for line in hanging(results) {
        let _ = writeln!(out, "<p class=\"warning\">{}.</p>", escape(&line));
    }
    for line in growing(results) {
        let _ = writeln!(out, "<p class=\"warning\">{}.</p>", escape(&line));
    }
}

fn warnings(out: &mut String, results: &Results) {
    for warning in &results.warnings {
        let _ = writeln!(out, "<p class=\"warning\">Warning: {}</p>", escape(warning));
    }
}

fn slos(out: &mut String, title: &str, slos: &[SloResult]) {
    if slos.is_empty() {
        return;
    }
    let mut table = Table::new(title, &["", "<target", "measured", "", ""]);
    for slo in slos {
        let class = match slo.verdict {
            good if good.is_good() => "met",
            bad if bad.is_bad() => "missed",
            _ => "undecided",
        };
        table.row(&[
            Cell { class, text: slo.verdict.to_string() },
            Cell { class: "left", text: slo.expression.clone() },
            Cell::plain(slo_measured(slo)),
            Cell::plain(slo_remark(slo)),
            Cell::picture(bar::bar(slo).unwrap_or_default()),
        ]);
    }
    out.push_str(&table.finish());
    out.push_str(
        "<p class=\"muted\">Judged on the point estimate; inconclusive where its interval holds the limit. Latency \
         in a target counts every decided request, and one that failed as slower than any limit.</p>\n",
    );
}

fn requests(out: &mut String, results: &Results) {
    let header = [
        "",
        issued(results),
        "availability",
        "goodput",
        "attempts",
        "mean",
        "p50",
        "p95",
        "p99",
        "p99.9",
        "max",
        "p99 of all",
    ];
    let mut table = Table::new("Requests and the latency of those answered", &header);
    let mut request_row = |class, name: &str, figures| {
        table.row(&request_cells(results, class, name, figures));
    };
    request_row("", "all", &results.summary.figures);
    for (name, client) in &results.clients {
        request_row("", name, &client.figures);
        for (operation, figures) in &client.operations {
            request_row("sub", operation, figures);
        }
    }
    out.push_str(&table.finish());
    out.push_str(
        "<p class=\"muted\">Latency of ok and degraded requests, from the intended send. A \
         percentile is that of all replications merged. Of all: a request without an answer is slower than \
         any other, as SLOs have it. Attempts are per request.</p>\n",
    );
    let marks: Vec<(String, &Distribution)> = results
        .clients
        .iter()
        .flat_map(|(client, of)| {
            of.figures.marks.iter().map(move |(mark, d)| (format!("{client}: {mark}"), d))
        })
        .collect();
    if !marks.is_empty() {
        let mut table = Table::new("Time to marks", &["", "mean", "p50", "p95", "p99", "max"]);
        for (name, times) in marks {
            let mut cells = vec![Cell::plain(name)];
            for figure in [&times.mean, &times.p50, &times.p95, &times.p99, &times.max] {
                cells.push(Cell::plain(estimate(Quantity::Duration, figure)));
            }
            table.row(&cells);
        }
        out.push_str(&table.finish());
    }
}

fn request_cells(
    results: &Results,
    class: &'static str,
    name: &str,
    figures: &RequestFigures,
) -> Vec<Cell> {
    let latency = &figures.latency;
    let mut cells = vec![
        Cell { class, text: name.into() },
        Cell::plain(per_run(results, figures.requests.issued)),
        Cell::plain(match figures.availability_at_least.and_then(|least| least.value) {
            Some(least) => format!(
                "{} to {}",
                value(Quantity::Share, least),
                value(Quantity::Share, figures.availability.value.unwrap_or_default())
            ),
            None => estimate(Quantity::Share, &figures.availability),
        }),
        Cell::plain(estimate(Quantity::Rate, &figures.goodput)),
        Cell::plain(estimate(Quantity::Number, &figures.attempts_per_request)),
    ];
    for figure in
        [&latency.mean, &latency.p50, &latency.p95, &latency.p99, &latency.p999, &latency.max]
    {
        cells.push(Cell::plain(estimate(Quantity::Duration, figure)));
    }
    cells.push(Cell::plain(p99_of_all(figures, true)));
    cells
}

fn nodes(out: &mut String, results: &Results) {
    if results.nodes.is_empty() {
        return;
    }
    let header = [
        "",
        "<kind",
        "instances",
        "utilisation",
        "throughput",
        "mean wait",
        "waits",
        "in queue",
        "mean service",
        "response p99",
    ];
    let mut table = Table::new("Nodes", &header);
    for (name, node) in &results.nodes {
        table.row(&[
            Cell::plain(name.clone()),
            Cell { class: "left", text: kind(node) },
            Cell::plain(instances(node)),
            Cell::plain(used(node, |share| estimate(Quantity::Share, share))),
            Cell::plain(estimate(Quantity::Rate, &node.throughput)),
            Cell::plain(estimate(Quantity::Duration, &node.waiting_time.mean)),
            Cell::plain(estimate(Quantity::Share, &node.wait_probability)),
            Cell::plain(estimate(Quantity::Number, &node.in_queue)),
            Cell::plain(estimate(Quantity::Duration, &node.service_time.mean)),
            Cell::plain(estimate(Quantity::Duration, &node.response_time.p99)),
        ]);
    }
    out.push_str(&table.finish());
    out.push_str(
        "<p class=\"muted\">Response time of a node runs from arrival to reply and holds the waits \
         for what it calls. Utilisation is that of cores, else of workers; where something else of the \
         node was fuller by more than a tenth of what it holds, it is that, with its name.</p>\n",
    );
    // A table of its own: beside the figures it would stand beyond the edge of the page.
    let runs = if results.replications.len() > 1 { "<visits of a run" } else { "<visits" };
    let noted = "<noted there: visits, calls, waits, checks";
    let mut table = Table::new("What was not ok at nodes", &["", runs, noted]);
    let mut any = false;
    for (name, node) in &results.nodes {
        let not_ok = node.outcomes.iter().filter(|(outcome, _)| *outcome != "ok");
        let (not_ok, noted) = (counts(results, not_ok), counts(results, node.causes.iter()));
        if not_ok.is_empty() && noted.is_empty() {
            continue;
        }
        any = true;
        let left = |text| Cell { class: "left", text };
        table.row(&[Cell::plain(name.clone()), left(not_ok), left(noted)]);
    }
    if any {
        out.push_str(&table.finish());
    }
}

/// What happened in which order, and what it came to.
fn why(out: &mut String, results: &Results) {
    if !results.timeline.events.is_empty() {
        // The replay has a list of its own.
        out.push_str("<div class=\"still\">\n");
        let mut table = Table::new("What happened", &["", "<"]);
        for event in &results.timeline.events {
            table.row(&[
                Cell::plain(clock(event.at)),
                Cell { class: "left", text: event.text.clone() },
            ]);
        }
        out.push_str(&table.finish());
        let heading = escape(&explain::heading(results));
        let _ = writeln!(out, "<p class=\"muted\">{heading}.</p>\n</div>");
        for line in explain::verdicts(results) {
            let _ = writeln!(out, "<p>{}</p>", escape(&line));
        }
    }
    if let Some(line) = explain::bottleneck(results) {
        let _ = writeln!(out, "<h2>Bottleneck</h2>\n<p>{}</p>", escape(&line));
    }
    let blame = explain::blame(results);
    if let Some((first, parts)) = blame.split_first() {
        let first = escape(first);
        let _ =
            writeln!(out, "<h2>Where the time of a mean request goes</h2>\n<p>{first}</p>\n<ul>");
        for part in parts {
            let _ = writeln!(out, "<li>{}</li>", escape(part));
        }
        out.push_str("</ul>\n");
    }
}

/// What caches found.
fn caches(out: &mut String, results: &Results) {
    let header = [
        "Cache",
        "hit ratio",
        "lookups",
        "hits",
        "stale",
        "negative",
        "misses",
        "coalesced",
        "evictions",
    ];
    let mut table = Table::new("Caches", &header);
    let mut any = false;
    for (name, node) in &results.nodes {
        let Some(cache) = &node.cache else { continue };
        any = true;
        table.row(&[
            Cell::plain(name.clone()),
            Cell::plain(estimate(Quantity::Share, &cache.hit_ratio)),
            Cell::plain(per_run(results, cache.lookups)),
            Cell::plain(per_run(results, cache.hits)),
            Cell::plain(per_run(results, cache.stale_hits)),
            Cell::plain(per_run(results, cache.negative_hits)),
            Cell::plain(per_run(results, cache.misses)),
            Cell::plain(per_run(results, cache.coalesced)),
            Cell::plain(per_run(results, cache.evictions)),
        ]);
    }
    if any {
        out.push_str(&table.finish());
    }
}

/// Least and most of what the instances (shards) of a node did: shows a hot shard at a glance.
fn balance(out: &mut String, results: &Results) {
    let parts = |node: &NodeResults| -> Vec<InstanceResults> {
        if node.shards.is_empty() { node.per_instance.clone() } else { node.shards.clone() }
    };
    let nodes: Vec<(&String, Vec<InstanceResults>)> =
        results.nodes.iter().map(|(name, node)| (name, parts(node))).collect();
    if nodes.iter().all(|(_, parts)| parts.len() < 2) {
        return;
    }
    let header = ["", "listed", "utilisation", "throughput", "in queue", "share of requests"];
    let mut table = Table::new("Balance between instances or shards", &header);
    for (name, parts) in nodes.iter().filter(|(_, parts)| parts.len() > 1) {
        let range = |quantity, figure: fn(&InstanceResults) -> Estimate| {
            let values = || parts.iter().filter_map(|part| figure(part).value);
            let (least, most) = (
                values().fold(f64::INFINITY, f64::min),
                values().fold(f64::NEG_INFINITY, f64::max),
            );
            // Nothing to measure: no instance has a bound on what it uses.
            if least > most {
                return Cell::plain("-".to_owned());
            }
            Cell::plain(format!("{} to {}", value(quantity, least), value(quantity, most)))
        };
        table.row(&[
            Cell::plain((*name).clone()),
            Cell::plain(match results.nodes[*name].instances_not_listed {
                0 => count(parts.len() as u64),
                more => format!("{} of {}", parts.len(), count(parts.len() as u64 + more)),
            }),
            range(Quantity::Share, |part| part.utilisation),
            range(Quantity::Rate, |part| part.throughput),
            range(Quantity::Number, |part| part.in_queue),
            range(Quantity::Share, |part| part.keys_share),
        ]);
    }
    out.push_str(&table.finish());
}

/// Counts by name, per run.
fn counts<'r, N: Display + 'r>(
    results: &Results,
    all: impl Iterator<Item = (&'r N, &'r u64)>,
) -> String {
    let some = all.filter(|(_, n)| **n > 0);
    let parts: Vec<String> =
        some.map(|(name, n)| format!("{name} {}", per_run(results, *n))).collect();
    parts.join(", ")
}

fn leaves_out(out: &mut String, results: &Results) {
    if results.leaves_out.is_empty() {
        return;
    }
    out.push_str("<h2>What this model leaves out</h2>\n<ul>\n");
    for item in &results.leaves_out {
        let _ = writeln!(out, "<li>{}</li>", escape(item));
    }
    out.push_str("</ul>\n");
}

fn reproduce(out: &mut String, results: &Results) {
    let replications = results.replications.len();
    let seeds = &results.seeds;
    let first: Vec<String> = seeds.iter().take(10).map(u64::to_string).collect();
    let more = if seeds.len() > 10 { ", …" } else { "" };
    let mut typed = format!("windtunnel run scenario.yaml --replications {replications}");
    if let Some(variant) = &results.variant {
        let _ = write!(typed, " --variant {variant}");
    }
    if !results.data.is_empty() {
        typed.push_str(" --data DIR");
    }
    let gives = match results.status {
        Status::Complete => "the same bytes on any machine",
        _ => "what is here, and what this run did not come to",
    };
    let _ = write!(
        out,
        "<h2>The same again</h2>\n<pre>{}</pre>\n<p class=\"muted\">in this folder gives {gives}. \
         Windtunnel {}, semantics {}, fingerprint <code>{}</code>, seeds {}{more}. All figures: \
         <code>results.json</code>, over time: <code>timeseries.csv</code>.</p>\n",
        escape(&typed),
        escape(&results.windtunnel_version),
        results.semantics_version,
        escape(&results.fingerprint),
        first.join(", "),
    );
    if results.data.is_empty() {
        return;
    }
    out.push_str("<p class=\"muted\">DIR is the folder that holds</p>\n<ul class=\"muted\">\n");
    for DataFile { name, size, sha256 } in &results.data {
        let name = escape(name);
        let _ = writeln!(
            out,
            "<li><code>{name}</code>, {size} bytes, SHA-256 <code>{sha256}</code></li>"
        );
    }
    out.push_str("</ul>\n");
}

#[cfg(test)]
mod tests;
