//! OpenSLO v1 documents -> the objectives of their SLOs, each with its place.
//!
//! Of an SLO is read what says what must hold. What it says of the world around it (owners, labels, alerts, where a monitor finds the
//! figure) means nothing to a simulation; everything else would change what must hold, and is refused.
//!
//! **Invariant.** A key is read, passed over by name, or an error at its place.

use super::{
    places::head,
    problems::{Found, shown, suggest},
    tree::{self, Kind, Node, Span},
};
use crate::units::SimDuration;

/// The version of the documents that is read.
const VERSION: &str = "openslo/v1";
/// Keys of an SLO's `spec`; those after the first three do not change what must hold.
const SPEC: [&str; 8] = [
    "budgetingMethod",
    "objectives",
    "timeWindow",
    "description",
    "service",
    "indicator",
    "indicatorRef",
    "alertPolicies",
];
const OBJECTIVE: [&str; 7] =
    ["displayName", "op", "target", "targetPercent", "timeSliceTarget", "timeSliceWindow", "value"];
const TIME_WINDOW: [&str; 3] = ["calendar", "duration", "isRolling"];
/// What is part of OpenSLO, and no objective of ours can mean.
const NO_MEANING: [&str; 3] = ["compositeWeight", "indicator", "indicatorRef"];
/// Units of durations, and how many seconds the shortest of them has.
const UNITS: [(char, u64); 8] = [
    ('s', 1),
    ('m', 60),
    ('h', 3600),
    ('d', 86_400),
    ('w', 604_800),
    ('M', 28 * 86_400),
    ('Q', 90 * 86_400),
    ('Y', 365 * 86_400),
];

/// Problems on the way.
type Problems = Vec<Found>;

/// One SLO: its name, and what else there is of it.
pub(super) struct Slo<'d> {
    pub(super) name: &'d str,
    pub(super) at: Span,
    spec: Option<&'d Node>,
}

/// What must hold.
pub(super) struct Objective<'d> {
    /// Good requests in per cent, or good slices of time.
    pub(super) target: String,
    /// How requests are compared, and with what, where they are.
    pub(super) op: Option<(&'static str, Span)>,
    pub(super) value: Option<&'d Node>,
    /// Good requests of a slice in per cent, and its length.
    pub(super) slices: Option<(String, SimDuration)>,
}

/// The documents of a file; what is between them and empty is none.
pub(super) fn documents(text: &str, source: u16, problems: &mut Problems) -> Vec<Node> {
    let mut starts = vec![0];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" || line.starts_with("--- ") {
            starts.push(at);
        }
        at += line.len();
    }
    starts.push(text.len());
    let mut all = Vec::new();
    for part in starts.windows(2) {
        let document = &text[part[0]..part[1]];
        let line = |line: &str| line.is_empty() || line == "---" || line.starts_with('#');
        if document.lines().all(|l| line(l.trim())) {
            continue;
        }
        let (node, found) = tree::parse(document, source, part[0]);
        problems.extend(found);
        all.extend(node);
    }
    all
}

/// The SLO a document is; documents of other kinds are none.
pub(super) fn slo<'d>(document: &'d Node, problems: &mut Problems) -> Option<Slo<'d>> {
    let version = document.get("apiVersion");
    if version.and_then(Node::text) != Some(VERSION) {
        let found = version.map_or_else(|| "no `apiVersion`".to_owned(), Node::describe);
        let message = format!("expected a document with `apiVersion: {VERSION}`, found {found}");
        problems.push(Found::error(
            "E-VERSION",
            version.map_or_else(|| head(document), |v| v.span),
            message,
        ));
        return None;
    }
    let Some(kind) = document.get("kind").and_then(Node::text) else {
        problems.push(missing(document, "kind"));
        return None;
    };
    if kind != "SLO" {
        return None;
    }
    known(document, &["apiVersion", "kind", "metadata", "spec"], problems);
    let name = document.get("metadata").and_then(|m| m.get("name"));
    let Some((name, text)) = name.and_then(|name| Some((name, name.text()?))) else {
        problems.push(missing(document.get("metadata").unwrap_or(document), "name"));
        return None;
    };
    Some(Slo { name: text, at: name.span, spec: document.get("spec") })
}

impl<'d> Slo<'d> {
    /// What must hold, of a run of this length; nothing where anything is not understood.
    pub(super) fn objectives(
        &self,
        run: Option<SimDuration>,
        problems: &mut Problems,
    ) -> Vec<Objective<'d>> {
        let before = problems.len();
        let Some(spec) = self.spec.filter(|spec| matches!(spec.kind, Kind::Map(_))) else {
            problems.push(Found::error("E-MISSING", self.at, "the SLO has no `spec`"));
            return Vec::new();
        };
        known(spec, &SPEC, problems);
        if let Some(windows) = spec.get("timeWindow") {
            time_window(windows, run, problems);
        }
        let Some(slices) = method(spec, problems) else { return Vec::new() };
        let Some(Kind::List(items)) = spec.get("objectives").map(|o| &o.kind) else {
            problems.push(missing(spec, "objectives"));
            return Vec::new();
        };
        if items.is_empty() {
            problems.push(missing(spec, "objectives"));
        }
        let all = items.iter().filter_map(|item| objective(item, slices, problems)).collect();
        if problems.len() > before { Vec::new() } else { all }
    }
}

/// Whether slices of time are counted, not requests.
fn method(spec: &Node, problems: &mut Problems) -> Option<bool> {
    let Some(node) = spec.get("budgetingMethod") else {
        problems.push(missing(spec, "budgetingMethod"));
        return None;
    };
    match node.text() {
        Some("Occurrences") => Some(false),
        Some("Timeslices") => Some(true),
        _ => {
            let message = format!("`budgetingMethod` {} is not supported", node.describe());
            let help = "it can be `Occurrences` or `Timeslices`";
            problems.push(Found::error("E-UNSUPPORTED", head(node), message).help(help));
            None
        }
    }
}

/// The window is as good as the run: no longer than that is simulated, and no shorter one is judged.
fn time_window(windows: &Node, run: Option<SimDuration>, problems: &mut Problems) {
    let Kind::List(items) = &windows.kind else {
        problems.push(Found::error(
            "E-TYPE",
            head(windows),
            "`timeWindow` is a list of one window",
        ));
        return;
    };
    let [window] = items.as_slice() else {
        let message = format!("`timeWindow` has {} windows; one is read", items.len());
        problems.push(Found::error("E-UNSUPPORTED", head(windows), message));
        return;
    };
    known(window, &TIME_WINDOW, problems);
    let Some(node) = window.get("duration") else {
        problems.push(missing(window, "duration"));
        return;
    };
    let Some(length) = duration(node, problems) else { return };
    if let Some(run) = run.filter(|run| *run > length) {
        let text = node.describe();
        let message =
            format!("must hold of each {text}, and the run of {run} is judged as a whole");
        let help = "a `duration` of the scenario that is no longer than the window";
        problems.push(Found::error("E-SLO", node.span, message).help(help));
    }
}

fn objective<'d>(item: &'d Node, slices: bool, problems: &mut Problems) -> Option<Objective<'d>> {
    let before = problems.len();
    known(item, &OBJECTIVE, problems);
    let target = match (item.get("target"), item.get("targetPercent")) {
        (Some(target), None) => share(target, 2, false, problems),
        (None, Some(target)) => share(target, 0, false, problems),
        (Some(_), Some(twice)) => {
            let message = "`target` and `targetPercent` are both given";
            problems.push(Found::error("E-CONFLICT", twice.span, message));
            None
        }
        (None, None) => {
            problems.push(missing(item, "target"));
            None
        }
    };
    let op = item.get("op").and_then(|node| {
        let signs = [("lte", "<="), ("lt", "<"), ("gte", ">="), ("gt", ">")];
        let sign = signs.iter().find(|(word, _)| node.text() == Some(word)).map(|(_, sign)| *sign);
        if sign.is_none() {
            let message = format!("`op` {} is none of lte, lt, gte, gt", node.describe());
            problems.push(Found::error("E-ENUM", head(node), message));
        }
        Some((sign?, node.span))
    });
    let of_slices = (item.get("timeSliceTarget"), item.get("timeSliceWindow"));
    let slices = match of_slices {
        (Some(target), Some(window)) if slices => {
            share(target, 2, true, problems).zip(duration(window, problems))
        }
        (target, _) if slices => {
            let key = if target.is_none() { "timeSliceTarget" } else { "timeSliceWindow" };
            problems.push(missing(item, key));
            None
        }
        (Some(node), _) | (None, Some(node)) => {
            let message = "slices of time go with `budgetingMethod: Timeslices`";
            problems.push(Found::error("E-CONFLICT", head(node), message));
            None
        }
        (None, None) => None,
    };
    let objective = Objective { target: target?, op, value: item.get("value"), slices };
    (problems.len() == before).then_some(objective)
}

/// A share in per cent, its digits as they were written but for the point, which moves by so many.
fn share(node: &Node, by: usize, all: bool, problems: &mut Problems) -> Option<String> {
    let digit = |b: u8| b.is_ascii_digit() || b == b'.';
    let plain = |text: &&str| text.len() <= 20 && text.bytes().all(digit);
    let text = node.text().filter(plain).unwrap_or_default();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let moved = format!("{part:0<by$}");
    let (into, rest) = moved.split_at(by);
    let whole = format!("{whole}{into}");
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let rest = rest.trim_end_matches('0');
    let percent = if rest.is_empty() { whole.to_owned() } else { format!("{whole}.{rest}") };
    let value = percent.parse::<f64>().ok();
    if value.is_some_and(|v| v > 0.0 && (v < 100.0 || (all && v <= 100.0))) {
        return Some(percent);
    }
    let (most, end) = (if by == 0 { "100" } else { "1" }, if all { "at most" } else { "below" });
    let message = format!("expected a number above 0 and {end} {most}, found {}", node.describe());
    problems.push(Found::error("E-RANGE", head(node), message));
    None
}

/// A duration such as `28d`; months, quarters and years are as short as they can be.
fn duration(node: &Node, problems: &mut Problems) -> Option<SimDuration> {
    let text = node.text().unwrap_or_default();
    let read = || {
        let unit = text.chars().last()?;
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        let seconds = UNITS.iter().find(|(sign, _)| *sign == unit)?.1;
        let ns = number.checked_mul(seconds)?.checked_mul(1_000_000_000)?;
        (ns > 0).then_some(SimDuration(ns))
    };
    let found = read();
    if found.is_none() {
        let message = format!("expected a duration such as `28d`, found {}", node.describe());
        problems.push(
            Found::error("E-UNIT", head(node), message).help("units: s, m, h, d, w, M, Q, Y"),
        );
    }
    found
}

/// Refuses keys that are not known, or mean what no objective here can.
fn known(node: &Node, keys: &[&str], problems: &mut Problems) {
    let Kind::Map(entries) = &node.kind else {
        let message = format!("expected a map, found {}", node.describe());
        problems.push(Found::error("E-TYPE", head(node), message));
        return;
    };
    for entry in entries.iter().filter(|e| !keys.contains(&e.key.as_str())) {
        let key = shown(&entry.key);
        if NO_MEANING.contains(&entry.key.as_str()) {
            let message = format!("`{key}` of an objective is not supported");
            let help = "composite SLOs have no meaning here: `none` leaves this one out";
            problems.push(Found::error("E-UNSUPPORTED", entry.key_span, message).help(help));
            continue;
        }
        let message = format!("unknown key `{key}`");
        let mut found = Found::error("E-UNKNOWN-KEY", entry.key_span, message);
        found.problem.help = suggest(&entry.key, keys.iter().copied());
        problems.push(found);
    }
}

fn missing(node: &Node, key: &str) -> Found {
    Found::error("E-MISSING", head(node), format!("`{key}` is missing"))
}
