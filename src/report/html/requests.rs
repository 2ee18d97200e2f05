//! What single requests went through, as pictures that need no script.
//!
//! **Invariant.** What an instant was spent on is told by the form of a line as well as by its colour.

use std::{collections::BTreeSet, fmt::Write as _};

use crate::{
    report::{
        text::{clean, duration, escape, shorten},
        waterfall::{Look, Row, rows, sentence, where_it_went},
    },
    results::Waterfall,
};

/// Rows of one request, at most.
const MOST_ROWS: usize = 32;
/// Bytes of all of them, about: the page is to stay one that can be attached to a message.
const MOST_BYTES: usize = 160_000;
/// Width of the picture, of its labels and of what stands to the right of its lines.
const WIDTH: f64 = 1100.0;
const LEFT: f64 = 270.0;
const RIGHT: f64 = 190.0;
/// Height of a row.
const ROW: f64 = 15.0;

/// Waterfalls of the requests that were watched, one of each reason first.
pub(super) fn requests(out: &mut String, all: &[Waterfall]) {
    let Some(first) = all.first() else { return };
    let _ = write!(
        out,
        "<section id=\"requests\">\n<h2>Single requests</h2>\n<p class=\"muted\">Of replication {}, simulated again: those \
         that took longest, those next to p50, p95 and p99, the first of each outcome but ok, the first that failed after \
         each fault. What went on after the decision (the upright line) came too late.</p>\n",
        first.request.replication
    );
    legend(out);
    let (before, mut shown) = (out.len(), BTreeSet::new());
    for i in in_turn(all) {
        let picture = picture(&all[i]);
        if out.len() - before + picture.len() > MOST_BYTES {
            break;
        }
        out.push_str(&picture);
        shown.insert(i);
    }
    if shown.len() < all.len() {
        let _ = writeln!(
            out,
            "<p class=\"muted\">{} more are in <code>watched.json</code>: this page would grow too long.</p>",
            all.len() - shown.len()
        );
    }
    out.push_str("</section>\n");
}

/// Their places: the first of each reason, then the second ones and so on.
fn in_turn(all: &[Waterfall]) -> Vec<usize> {
    let mut reasons: Vec<&str> = Vec::new();
    for why in all.iter().flat_map(|of| &of.why) {
        if !reasons.contains(&why.as_str()) {
            reasons.push(why);
        }
    }
    let order = ["asked", "slowest", "p50", "p95", "p99"];
    reasons.sort_by_key(|why| order.iter().position(|known| known == why).unwrap_or(order.len()));
    let of = |why: &&str| {
        let mut places: Vec<usize> =
            (0..all.len()).filter(|&i| all[i].why.iter().any(|one| one == why)).collect();
        if *why == "slowest" {
            let took = |i: &usize| all[*i].request.latency.unwrap_or(f64::INFINITY);
            places.sort_by(|a, b| took(b).total_cmp(&took(a)));
        }
        places
    };
    let columns: Vec<Vec<usize>> = reasons.iter().map(of).collect();
    let longest = columns.iter().map(Vec::len).max().unwrap_or_default();
    let mut seen = BTreeSet::new();
    let ranks = (0..longest).flat_map(|rank| columns.iter().filter_map(move |all| all.get(rank)));
    ranks.copied().filter(|i| seen.insert(*i)).collect()
}

fn legend(out: &mut String) {
    out.push_str("<p class=\"wf\">");
    for (look, name, _) in Look::ALL {
        let _ = write!(
            out,
            "<svg width=\"34\" height=\"12\" aria-hidden=\"true\"><path class=\"wf-{}\" d=\"M2 6H32\"/></svg> {name} &nbsp; ",
            look.class()
        );
    }
    out.push_str("</p>\n");
}

fn picture(of: &Waterfall) -> String {
    let rows = rows(of);
    let shown = &rows[..rows.len().min(MOST_ROWS)];
    let mut out = String::new();
    let told = escape(&clean(&sentence(of)));
    let why = escape(&clean(&of.why.join(", ")));
    let height = ROW * shown.len() as f64 + 4.0;
    let _ = write!(
        out,
        "<figure class=\"waterfall\" role=\"img\" aria-label=\"{told}\">\n<figcaption><b>{why}</b> {told}{}</figcaption>\n\
         <svg class=\"wf\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\">\n",
        where_it_went(of).map_or(String::new(), |parts| format!(" ({})", escape(&parts)))
    );
    let from = of.request.intended;
    let scale = (WIDTH - LEFT - RIGHT) / (of.over() - from).max(1e-9);
    let x = |at: f64| LEFT + (at - from) * scale;
    if let Some(decided) = of.decided().filter(|_| of.is_late(of.over())) {
        let _ = writeln!(out, "<path class=\"wf-end\" d=\"M{:.1} 0V{height}\"/>", x(decided));
    }
    for (i, row) in shown.iter().enumerate() {
        let middle = ROW * (i as f64 + 0.5) + 2.0;
        line(&mut out, row, middle, &x);
    }
    out.push_str("</svg>\n");
    if rows.len() > shown.len() {
        let _ = writeln!(out, "<p class=\"muted\">and {} more</p>", rows.len() - shown.len());
    }
    out.push_str("</figure>\n");
    out
}

/// A row: what it is, what it was at, how long it took and how it ended.
fn line(out: &mut String, row: &Row, middle: f64, x: &dyn Fn(f64) -> f64) {
    let baseline = middle + 4.0;
    let indent = (row.depth.min(12) * 9) as f64;
    let label = escape(&shorten(&row.label, 34));
    let _ = write!(out, "<text x=\"{indent}\" y=\"{baseline:.1}\">{label}</text>");
    for (look, ..) in Look::ALL {
        let mut path = String::new();
        for (_, from, to) in row.bars.iter().filter(|bar| bar.0 == look) {
            // What is shorter than a point is still there.
            let end = x(*to).max(x(*from) + 0.8);
            let _ = write!(path, "M{:.1} {middle:.1}H{end:.1}", x(*from));
        }
        if !path.is_empty() {
            let _ = write!(out, "<path class=\"wf-{}\" d=\"{path}\"/>", look.class());
        }
    }
    let took = row.end.map_or_else(|| "never ended".to_owned(), |end| duration(end - row.start));
    let mut note = took;
    if let Some(outcome) = &row.outcome {
        let _ = write!(note, " {outcome}");
    }
    if row.late {
        note.push_str(" late");
    }
    let class = if row.late { " class=\"late\"" } else { "" };
    let at = WIDTH - RIGHT + 8.0;
    let _ = writeln!(out, "<text{class} x=\"{at}\" y=\"{baseline:.1}\">{}</text>", escape(&note));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{RequestSpan, WatchedRequest};

    fn waterfall(number: u64, latency: f64, why: &[&str]) -> Waterfall {
        let span = |id, parent, kind: &str, (start, end): (f64, f64), part: &str| RequestSpan {
            id,
            parent,
            node: "api<script>".to_owned(),
            instance: 0,
            kind: kind.to_owned(),
            start,
            end: Some(end),
            waiting: 0.0,
            work: 0.0,
            outcome: Some("ok".to_owned()),
            to: (kind == "attempt").then(|| ("api<script>".to_owned(), 0)),
            parts: vec![(part.to_owned(), start, end)],
        };
        Waterfall {
            request: WatchedRequest {
                replication: 0,
                client: "users".to_owned(),
                operation: "default".to_owned(),
                number,
                intended: 0.0,
                latency: Some(latency),
                attempts: 1,
                outcome: "ok".to_owned(),
                key: None,
            },
            spans: vec![
                span(0, None, "attempt", (0.0, latency), "calling"),
                span(1, Some(0), "visit", (0.25 * latency, 2.0 * latency), "work"),
            ],
            why: why.iter().map(|one| (*one).to_owned()).collect(),
            parts: vec![("calling".to_owned(), 0.0, latency)],
        }
    }

    #[test]
    fn one_of_each_reason_comes_first() {
        let all = [
            waterfall(0, 1.0, &["p50"]),
            waterfall(1, 9.0, &["slowest"]),
            waterfall(2, 1.1, &["p50"]),
            waterfall(3, 9.5, &["slowest", "timeout"]),
        ];
        assert_eq!(in_turn(&all), [3, 0, 1, 2]);
    }

    #[test]
    fn each_is_a_figure_that_says_what_was_late_and_escapes_names() {
        let mut out = String::new();
        requests(&mut out, &[waterfall(7, 1.0, &["slowest"])]);
        assert_eq!(out.matches("class=\"waterfall\"").count(), 1);
        assert!(out.contains("users/7: sent at 0.000 s; ok after 1 s and 1 attempt"), "{out}");
        // The visit goes on for a second after the decision.
        assert!(out.contains("class=\"late\"") && out.contains("1.75 s late"), "{out}");
        assert!(out.contains("api&lt;script&gt;[0]") && !out.contains("<script"), "{out}");
        // Network up to its arrival, then the callee.
        assert!(out.contains("<path class=\"wf-network\" d=\"M270.0 9.5H350.0\"/>"), "{out}");
        let mut none = String::new();
        requests(&mut none, &[]);
        assert_eq!(none, "");
    }

    #[test]
    fn the_page_does_not_grow_without_bounds() {
        let mut many = waterfall(0, 1.0, &["slowest"]);
        let visit = many.spans[1].clone();
        many.spans.extend((2..200).map(|id| RequestSpan { id, ..visit.clone() }));
        let all: Vec<Waterfall> = (0..60)
            .map(|number| {
                let mut one = many.clone();
                one.request.number = number;
                one
            })
            .collect();
        let mut out = String::new();
        requests(&mut out, &all);
        let shown = out.matches("class=\"waterfall\"").count();
        assert!(out.len() < MOST_BYTES + 2_000 && shown > 10, "{} bytes, {shown}", out.len());
        assert!(out.contains(&format!("{} more are in", 60 - shown)));
        assert!(out.contains("and 168 more"), "of 200 spans 32 are shown");
    }
}
