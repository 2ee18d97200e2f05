//! What of the page moves: the script, what it is given, and the places it fills.
//!
//! **Invariant.** The policy lets these scripts run and no others; without them, and in print, all is as if nothing of this were
//! there. What the script is given is data in an element of its own.

use std::fmt::Write;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::close;
use crate::{
    explain,
    node_kind::NodeKind,
    report::{
        figures::{Together, embedded, merged, number, values},
        plots::{Plot, charts},
        text::{clean, escape, plural},
        topology,
    },
    results::{ClientSeries, Closely, FaultResults, InstanceSeries, NodeSeries, Results, Vertex},
};

/// The scripts of the page, in their order.
const SCRIPTS: [&str; 2] = [
    include_str!("../../../assets/vendor/uplot/uPlot.iife.min.js"),
    include_str!("../../../assets/replay.js"),
];
/// The looks of what they make.
pub(super) const STYLES: [&str; 2] = [
    include_str!("../../../assets/vendor/uplot/uPlot.min.css"),
    include_str!("../../../assets/replay.css"),
];

/// A page is no larger than this, bytes, whatever it shows.
pub(super) const MOST: usize = 2_000_000;
/// Of a design with more parts than this there is no picture that moves.
const MOST_PARTS: usize = 300;
/// Spans of one fault in the replay, at most.
const MOST_SPANS: usize = 100;

/// What the policy says of scripts: these and no others, and no text becomes code.
pub(super) fn policy() -> String {
    let hashes = SCRIPTS.map(|script| format!("'sha256-{}'", base64(&Sha256::digest(script))));
    format!("script-src {}; require-trusted-types-for 'script'; ", hashes.join(" "))
}

pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let all = three.iter().fold(0, |all, byte| all << 8 | u32::from(*byte));
        let all = all << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = (all >> (18 - 6 * place)) & 63;
            out.push(if place <= three.len() { DIGITS[digit as usize].into() } else { '=' });
        }
    }
    out
}

/// What of the picture moves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Replay {
    /// All there is to it, messages around faults too.
    Close,
    /// Windows.
    Plain,
    None,
}

/// How much of a run the page holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Detail {
    /// Windows that are shown as one.
    windows: usize,
    instances: bool,
    replay: Replay,
    /// Those that do not.
    pictures: bool,
}

impl Detail {
    /// From all there is to next to nothing, in this order.
    pub(super) fn levels() -> impl Iterator<Item = Self> {
        let all = Self { windows: 1, instances: true, replay: Replay::Close, pictures: true };
        let less = Self { replay: Replay::Plain, ..all };
        let of = move |instances| [1, 2, 4, 8].map(|windows| Self { windows, instances, ..less });
        let still = Self { instances: false, replay: Replay::None, ..less };
        let moving = std::iter::once(all).chain(of(true)).chain(of(false));
        moving.chain([still, Self { pictures: false, ..still }])
    }

    /// What it leaves out, in words.
    fn left_out(self, (results, closely): (&Results, Option<&Closely>)) -> String {
        let mut out = Vec::new();
        if self.replay != Replay::Close && closely.is_some_and(|of| !of.spans.is_empty()) {
            out.push("messages around faults are not shown (closely.json has them)".to_owned());
        }
        if self.windows > 1 {
            let windows = self.windows as u64;
            out.push(format!(
                "{} are shown as one (of latencies the largest)",
                plural(windows, "window")
            ));
        }
        let any = || results.series.nodes.values().any(|node| !node.per_instance.is_empty());
        if !self.instances && any() {
            out.push("instances are not shown one by one".to_owned());
        }
        if out.is_empty() {
            String::new()
        } else {
            format!("To keep the page small {}.", out.join(", and "))
        }
    }
}

/// Whether there is anything over time to replay.
pub(super) fn is_shown(results: &Results, detail: Detail) -> bool {
    detail.replay != Replay::None
        && results.design.vertices.len() <= MOST_PARTS
        && results.series.start.len() > 1
}

/// The design: its picture, and what shows it at each instant.
pub(super) fn replay(
    out: &mut String,
    (results, closely): (&Results, Option<&Closely>),
    drawn: &str,
    detail: Detail,
) {
    out.push_str("<section id=\"replay\">\n<h2>The design</h2>\n");
    if is_shown(results, detail) {
        out.push_str(
            "<div class=\"live\" hidden>\n<div id=\"deck\"></div>\n<p id=\"now\"></p>\n<figure id=\"picture\">\n",
        );
        out.push_str(&topology::live(results));
        out.push_str("</figure>\n<div id=\"legend\"></div>\n");
        let left_out = detail.left_out((results, closely));
        if !left_out.is_empty() {
            let _ = writeln!(out, "<p class=\"muted\">{}</p>", escape(&left_out));
        }
        out.push_str("</div>\n");
    } else if results.series.start.len() > 1 {
        out.push_str(
            "<p class=\"muted\">A replay of so many parts would make the page too large.</p>\n",
        );
    }
    let drawn = if detail.pictures { drawn } else { "" };
    let _ = write!(out, "<figure class=\"still\">\n{drawn}</figure>\n</section>\n");
}

/// Where the charts go, and the drawings.
pub(super) fn over_time(out: &mut String, results: &Results, plots: &[Plot], detail: Detail) {
    if is_shown(results, detail) {
        out.push_str("<div id=\"charts\" class=\"live\" hidden></div>\n");
    }
    if !detail.pictures {
        out.push_str("<p>The pictures are in the folder of this page: it would be too large with them.</p>\n");
        return;
    }
    for plot in plots {
        super::picture(out, plot, if plot.is_timed() { " class=\"still\"" } else { "" });
    }
}

/// The data and the scripts, at the end of the page.
pub(super) fn scripts(
    out: &mut String,
    (results, closely): (&Results, Option<&Closely>),
    plots: &[Plot],
    detail: Detail,
) {
    if !is_shown(results, detail) {
        return;
    }
    let mut data = data(results, plots, detail);
    if let Some(closely) = closely {
        data["calls"] = close::calls(results, closely, detail.windows);
        if detail.replay == Replay::Close && !closely.spans.is_empty() {
            data["close"] = close::spans(results, closely);
        }
    }
    let data = embedded(&data);
    let _ = writeln!(out, "<script type=\"application/json\" id=\"data\">{data}</script>");
    for script in SCRIPTS {
        let _ = writeln!(out, "<script>{script}</script>");
    }
}

fn data(results: &Results, plots: &[Plot], detail: Detail) -> Value {
    let series = &results.series;
    let ends = series.start.last().zip(series.length.last()).map(|(start, length)| start + length);
    let starts = series.start.iter().step_by(detail.windows).copied();
    let vertices = results.design.vertices.iter().map(|vertex| part(results, vertex, detail));
    let events = results.timeline.events.iter();
    let events = events.map(|e| {
        json!([number(e.at), clean(&e.kind.to_string()), clean(&e.subject), clean(&e.text)])
    });
    let alerts = results.alerts.iter().filter_map(|alert| {
        let fired = alert.fired.value?;
        let until = alert.resolved.value.unwrap_or(results.duration);
        Some(json!([number(fired), number(until.max(fired)), clean(&alert.id)]))
    });
    let told = match results.timeline.replication {
        Some(one) => {
            format!("Events are those of replication {one}: faults come at other times in each.")
        }
        None if results.replications.len() > 1 => {
            format!("Means of {}.", plural(results.replications.len() as u64, "replication"))
        }
        None => String::new(),
    };
    json!({
        "duration": number(ends.unwrap_or(results.duration)),
        "warm": number(results.warm_up),
        "starts": values_as_list(starts),
        "told": told,
        "parts": vertices.collect::<Vec<_>>(),
        "faults": results.faults.iter().flat_map(fault).collect::<Vec<_>>(),
        "alerts": alerts.collect::<Vec<_>>(),
        "events": events.collect::<Vec<_>>(),
        "shown": charts(plots, detail.windows),
    })
}

fn values_as_list(all: impl Iterator<Item = f64>) -> Value {
    Value::Array(all.map(exact).collect())
}

/// Times go by their names elsewhere: `#t=` must find them.
fn exact(time: f64) -> Value {
    if time.fract() == 0.0 && time.abs() < 1e15 { (time as i64).into() } else { time.into() }
}

/// When a fault was at work: from, to, what it is called, what it does to what.
fn fault(fault: &FaultResults) -> Vec<Value> {
    let name = clean(fault.title.as_ref().unwrap_or(&fault.id));
    let does = clean(&explain::effect(fault));
    let spans = fault.shown().into_iter().take(MOST_SPANS);
    spans.map(|(from, to)| json!([exact(from), exact(to), name, does])).collect()
}

/// A client or node: what it is, and how it was window by window.
fn part(results: &Results, vertex: &Vertex, detail: Detail) -> Value {
    let name = &vertex.name;
    let mut out = json!({ "name": clean(name), "kind": vertex.kind });
    if let Some(client) =
        results.series.clients.get(name).filter(|_| vertex.kind == NodeKind::Client)
    {
        of_client(&mut out, client, detail);
    } else if let Some(node) = results.series.nodes.get(name) {
        of_node(&mut out, node, detail);
        out["instances"] = vertex.instances.into();
        let cells = topology::cells(results, vertex);
        if detail.instances && cells > 0 && !node.per_instance.is_empty() {
            let replicas = results.nodes.get(name).map_or(1, |node| {
                node.shards.first().map_or(1, |shard| shard.replicas.len().max(1))
            });
            out["replicas"] = replicas.into();
            let sharded = vertex.kind == NodeKind::Store;
            out["word"] = if sharded { "shard" } else { "instance" }.into();
            let cells = node.per_instance.iter().map(|one| cell(one, detail.windows));
            out["cells"] = cells.collect::<Vec<_>>().into();
        }
    }
    out
}

fn of_client(out: &mut Value, client: &ClientSeries, detail: Detail) {
    let some = |all: &[f64]| all.iter().copied().map(Some).collect::<Vec<_>>();
    let mean = |all: &[Option<f64>]| values(merged(all, detail.windows, Together::Mean));
    out["offered"] = mean(&some(&client.offered));
    out["good"] = mean(&some(&client.goodput));
    out["available"] = mean(&client.availability);
    out["p99"] = values(merged(&client.p99, detail.windows, Together::Most));
    if let Some(from) = client.undecided.iter().position(|open| *open) {
        out["open"] = (from / detail.windows).into();
    }
}

fn of_node(out: &mut Value, node: &NodeSeries, detail: Detail) {
    let some = |all: &[f64]| all.iter().copied().map(Some).collect::<Vec<_>>();
    let mean = |all: &[Option<f64>]| values(merged(all, detail.windows, Together::Mean));
    let full = |share: &Option<f64>| share.map(|v| v.min(1.0));
    out["busy"] = mean(&node.utilisation.iter().map(full).collect::<Vec<_>>());
    out["waiting"] = mean(&some(&node.in_queue));
    out["arrivals"] = mean(&some(&node.arrivals));
    for (key, all) in [("up", &node.instances), ("down", &node.down)] {
        if !all.is_empty() {
            out[key] = mean(&some(all));
        }
    }
    let depth = some(node.backlog());
    let more = [
        ("messages wait", "number", &depth),
        ("hit ratio", "fraction", &node.hit_ratio),
        ("cold starts", "fraction", &node.cold_share),
    ];
    let more = more.into_iter().filter(|(_, _, all)| all.iter().any(Option::is_some));
    out["more"] =
        more.map(|(name, unit, all)| json!([name, unit, mean(all)])).collect::<Vec<_>>().into();
}

/// One instance: busy in per cent, waiting, down and struck as shares; what never was is left out.
fn cell(one: &InstanceSeries, windows: usize) -> Value {
    let per_cent = |share: &Option<f64>| share.map(|v| (v.min(1.0) * 100.0).round());
    let some = |all: &[f64]| all.iter().copied().map(Some).collect::<Vec<_>>();
    let mut out = json!({});
    let busy: Vec<Option<f64>> = one.utilisation.iter().map(per_cent).collect();
    for (key, all) in [
        ("busy", busy),
        ("waiting", some(&one.in_queue)),
        ("down", some(&one.down)),
        ("struck", some(&one.struck)),
    ] {
        if !all.is_empty() {
            out[key] = values(merged(&all, windows, Together::Mean));
        }
    }
    out
}
