//! What `compare` found, in words: a table, and a sentence about each design.
//!
//! **Invariant.** A difference never stands without its interval, and nothing is called better that was not shown to
//! be.

use super::{
    gate::cell,
    grid::{Grid, Lines},
    text::{Quantity, clean, count, estimate, grouped, plural, points, unit_for, value},
};
use crate::{
    results::{ComparedDesign, ComparedMetric, Comparison, Difference, Estimate, Shown},
    units::show::{decimals_for, sign},
};

/// A comparison in words, for a terminal or as Markdown.
pub(super) struct Told<'c> {
    pub(super) comparison: &'c Comparison,
    pub(super) headline: String,
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    pub(super) sentences: Vec<String>,
}

impl Told<'_> {
    /// For a terminal `width` columns wide.
    pub(super) fn text(self, width: u16) -> String {
        let mut out = Lines { width: usize::from(width), text: String::new() };
        out.wrapped("  ", &self.headline);
        for warning in &self.comparison.warnings {
            out.wrapped("  ", &format!("! {}", clean(warning)));
        }
        out.blank();
        let mut grid = Grid::new(&self.header.iter().map(String::as_str).collect::<Vec<_>>());
        grid.left = true;
        grid.rows = self.rows;
        for part in grid.split(out.width) {
            out.lines(part.lines());
            out.blank();
        }
        for line in &self.sentences {
            out.wrapped("  ", line);
        }
        out.text
    }

    pub(super) fn markdown(&self) -> String {
        let mut out = format!("### {}\n\n", cell(&self.headline));
        for warning in &self.comparison.warnings {
            out += &format!("- {}\n", cell(warning));
        }
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        out += &line(&self.header);
        out += &format!("|{}\n", "---|".repeat(self.header.len()));
        for row in &self.rows {
            out += &line(row);
        }
        out.push('\n');
        for line in &self.sentences {
            out += &format!("- {}\n", cell(line));
        }
        out.push('\n');
        out
    }
}

fn told(comparison: &Comparison) -> Told<'_> {
    let names = comparison.designs.iter().map(|design| clean(&design.name));
    Told {
        comparison,
        headline: headline(comparison),
        header: std::iter::once(String::new()).chain(names).collect(),
        rows: rows(comparison),
        sentences: sentences(comparison),
    }
}

/// The comparison for a terminal `width` columns wide.
pub fn compared_text(comparison: &Comparison, width: u16) -> String {
    told(comparison).text(width)
}

/// The same as Markdown.
pub fn compared_markdown(comparison: &Comparison) -> String {
    told(comparison).markdown()
}

/// `compare.json`.
pub fn compared_json(comparison: &Comparison) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(comparison).expect("maps have text keys");
    bytes.push(b'\n');
    bytes
}

fn headline(comparison: &Comparison) -> String {
    let others = comparison.designs.len().saturating_sub(1) as u64;
    let base = comparison.designs.first();
    let is_variant = |design: &ComparedDesign| {
        design.variant.is_some() && base.is_some_and(|base| base.file == design.file)
    };
    let designs = if comparison.designs.iter().skip(1).all(is_variant) {
        format!("base and {}", plural(others, "variant"))
    } else {
        plural(others + 1, "design")
    };
    format!(
        "{}: {designs}, {} paired replications; differences to {}, {} intervals",
        clean(&comparison.scenario),
        count(comparison.seeds.len() as u64),
        base.map(|base| clean(&base.name)).unwrap_or_default(),
        value(Quantity::Share, comparison.confidence),
    )
}

/// What a metric is called in a table.
pub fn label(metric: &str) -> String {
    match metric {
        "attempts_per_request" => "attempts".to_owned(),
        "cost.per_month" => "cost a month".to_owned(),
        other => clean(other.strip_suffix("(latency)").unwrap_or(other)),
    }
}

fn rows(comparison: &Comparison) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for metric in &comparison.metrics {
        let known = |design: &ComparedDesign| {
            let figure = design.figures.get(&metric.metric);
            figure.is_some_and(|figure| figure.estimate.value.is_some())
        };
        // A mean that no design has, for some requests were never answered in any, says nothing of them.
        if metric.metric.starts_with("mean(") && !comparison.designs.iter().any(known) {
            continue;
        }
        let mut row = vec![label(&metric.metric)];
        for (i, design) in comparison.designs.iter().enumerate() {
            let difference = comparison.difference(&metric.metric, &design.name);
            row.push(match difference.filter(|_| i > 0) {
                None => figure(metric, design),
                Some(difference) => against(metric, design, difference),
            });
        }
        rows.push(row);
    }
    if comparison.designs.iter().any(|design| design.objectives > 0) {
        let met = comparison.designs.iter().map(met);
        rows.push(std::iter::once("objectives met".to_owned()).chain(met).collect());
    }
    rows
}

/// How many of its objectives a design meets.
pub(super) fn met(design: &ComparedDesign) -> String {
    let [missed, open] = [&design.not_met, &design.inconclusive].map(|all| all.len() as u64);
    let open_too = if open > 0 { format!(", {open} open") } else { String::new() };
    match design.objectives {
        0 => "none".to_owned(),
        all => format!("{} of {all}{open_too}", all - missed - open),
    }
}

/// A figure of a design itself.
pub(super) fn figure(metric: &ComparedMetric, design: &ComparedDesign) -> String {
    let Some(figure) = design.figures.get(&metric.metric) else { return "-".to_owned() };
    match (figure.estimate.value, figure.never) {
        (None, Some(never)) if never > 0.0 => {
            format!("{} never answered", value(Quantity::Share, never))
        }
        _ => estimate(Quantity::of_unit(&metric.unit), &figure.estimate),
    }
}

/// How a design's figure differs from the base's.
pub(super) fn against(metric: &ComparedMetric, design: &ComparedDesign, of: &Difference) -> String {
    let word = match of.verdict {
        Shown::Identical => return "identical".to_owned(),
        Shown::Better => " better",
        Shown::Worse => " worse",
        Shown::Equivalent | Shown::NoneShown | Shown::NotComparable => "",
    };
    let base = design.figures.get(&metric.metric).and_then(|figure| figure.estimate.value);
    match of.difference.value.zip(base) {
        None => format!("{}{word}", figure(metric, design)),
        Some((_, size)) => {
            format!("{}{word}", signed(Quantity::of_unit(&metric.unit), size, &of.difference))
        }
    }
}

/// `+6.4 ms (+6.2 .. +6.7)`, in the unit of a figure of this size; shares in points.
fn signed(quantity: Quantity, size: f64, difference: &Estimate) -> String {
    let centre = difference.value.unwrap_or_default();
    let mut unit = unit_for(quantity, size);
    if quantity == Quantity::Share {
        unit.suffix = " points";
    }
    let ends = difference.lower.zip(difference.upper);
    let half = ends.map_or(0.0, |(lower, upper)| (upper - lower) / 2.0) * unit.per_base;
    let shown = (centre * unit.per_base).abs();
    let decimals = match quantity {
        Quantity::Money if shown >= 10.0 => 0,
        _ if half > shown * 1e-6 => decimals_for(half, 1),
        _ => decimals_for(shown, 3),
    };
    let show = |v: f64| {
        let v = v * unit.per_base;
        let text = grouped(v.abs(), decimals);
        let nothing = text.chars().all(|c| "0.".contains(c));
        let before = if nothing {
            ""
        } else if v < 0.0 {
            "-"
        } else {
            "+"
        };
        format!("{before}{}{text}", sign(quantity))
    };
    let spread = match ends {
        None => " (? .. ?)".to_owned(),
        Some((lower, upper)) if show(lower) != show(upper) => {
            format!(" ({} .. {})", show(lower), show(upper))
        }
        _ => String::new(),
    };
    format!("{}{}{spread}", show(centre), unit.suffix)
}

/// Whether an interval leaves out 0.
fn is_clear(difference: &Estimate) -> bool {
    difference.lower.is_some_and(|lower| lower > 0.0)
        || difference.upper.is_some_and(|upper| upper < 0.0)
}

fn sentences(comparison: &Comparison) -> Vec<String> {
    let mut lines: Vec<String> =
        comparison.designs.iter().skip(1).map(|design| sentence(comparison, design)).collect();
    let pareto: Vec<String> = comparison.pareto.iter().map(|name| clean(name)).collect();
    lines.push(match pareto.len() {
        n if n == comparison.designs.len() => {
            "No design is shown to beat another in everything.".to_owned()
        }
        _ => format!("Not beaten in everything: {}.", pareto.join(", ")),
    });
    lines.extend(pairing(comparison));
    lines
}

/// What is better and what is worse in a design.
fn sentence(comparison: &Comparison, design: &ComparedDesign) -> String {
    let of = |wanted: Shown| -> Vec<String> {
        let all = comparison.differences.iter().filter(|d| d.design == design.name);
        let wanted = all.filter(|d| d.verdict == wanted);
        wanted.filter_map(|d| Some(change(comparison.metric(&d.metric)?, design, d))).collect()
    };
    let (better, worse, open) = (of(Shown::Better), of(Shown::Worse), of(Shown::NoneShown));
    let mut parts = Vec::new();
    match (better.is_empty(), worse.is_empty()) {
        (true, true) if open.is_empty() => parts.push("no difference that matters".to_owned()),
        (true, true) => parts.push("nothing is shown to be better or worse".to_owned()),
        (false, _) => parts.push(format!("better in {}", better.join(", "))),
        (true, false) => {}
    }
    if !worse.is_empty() {
        parts.push(format!("worse in {}", worse.join(", ")));
        if better.is_empty() {
            parts.push("nothing is shown to be better".to_owned());
        }
    }
    if !open.is_empty() {
        let names = comparison
            .differences
            .iter()
            .filter(|d| d.design == design.name && d.verdict == Shown::NoneShown);
        let names: Vec<String> = names
            .map(|d| match &d.reason {
                Some(reason) => format!("{} ({})", label(&d.metric), clean(reason)),
                // Whoever looks at the table would say otherwise.
                None if is_clear(&d.difference) => {
                    format!(
                        "{} (among so many differences one like this comes by chance)",
                        label(&d.metric)
                    )
                }
                None => label(&d.metric),
            })
            .collect();
        parts.push(format!("not told apart in {}", names.join(", ")));
    }
    for node in &design.idle {
        parts.push(format!("{} is not used", clean(node)));
    }
    let told = |all: &[(String, Option<String>)]| {
        let each = all.iter().map(|(expression, reason)| match reason {
            Some(reason) => format!("{} ({})", clean(expression), clean(reason)),
            None => clean(expression),
        });
        each.collect::<Vec<_>>().join(", ")
    };
    if !design.not_met.is_empty() {
        parts.push(format!("does not meet {}", told(&design.not_met)));
    }
    if !design.inconclusive.is_empty() {
        parts.push(format!("may or may not meet {}", told(&design.inconclusive)));
    }
    format!("{}: {}.", clean(&design.name), parts.join("; "))
}

/// `p99 (2.4 % higher)`.
fn change(metric: &ComparedMetric, design: &ComparedDesign, of: &Difference) -> String {
    let name = label(&metric.metric);
    let quantity = Quantity::of_unit(&metric.unit);
    let Some(difference) = of.difference.value else {
        return format!("{name} ({})", figure(metric, design));
    };
    let way =
        |more: &str, less: &str| if difference < 0.0 { less.to_owned() } else { more.to_owned() };
    let by = match (quantity, of.ratio.value) {
        (Quantity::Money, _) => {
            format!("{} {}", value(quantity, difference.abs()), way("more", "less"))
        }
        (Quantity::Share, _) => {
            format!("{} points {}", points(difference.abs()), way("higher", "lower"))
        }
        (_, Some(ratio)) if ratio >= 3.0 => {
            format!("{} times as much", grouped(ratio, decimals_for(ratio, 2)))
        }
        (_, Some(ratio)) => {
            format!("{} {}", percent((ratio - 1.0).abs()), way("higher", "lower"))
        }
        _ => format!("{} {}", value(quantity, difference.abs()), way("higher", "lower")),
    };
    format!("{name} ({by})")
}

/// A change in per cent, to two digits.
fn percent(part: f64) -> String {
    format!("{} %", grouped(part * 100.0, decimals_for(part * 100.0, 2)))
}

/// What the pairs are worth.
fn pairing(comparison: &Comparison) -> Option<String> {
    let told = |metric: &&ComparedMetric| {
        comparison.differences.iter().any(|d| d.metric == metric.metric && d.gain.is_some())
    };
    let metric =
        comparison.metrics.iter().filter(told).min_by_key(|m| m.metric != "p99(latency)")?;
    let n = comparison.seeds.len() as f64;
    let of = comparison.differences.iter().filter(|d| d.metric == metric.metric);
    let worth = of.filter_map(|d| {
        let all = grouped(digits(n * d.gain?), 0);
        Some(format!("{all} ({})", clean(&d.design)))
    });
    Some(format!(
        "Pairing: for {} these {n} replications are worth as many independent ones as {}.",
        label(&metric.metric),
        worth.collect::<Vec<_>>().join(", ")
    ))
}

/// Two digits: more are noise.
fn digits(v: f64) -> f64 {
    let unit = libm::exp10((libm::floor(libm::log10(v.max(1.0))) - 1.0).max(0.0));
    libm::round(v / unit) * unit
}
