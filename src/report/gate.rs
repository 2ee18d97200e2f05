//! What `check` found, in words: on a terminal, in Markdown, and one sentence per objective for everything else.
//!
//! **Invariant.** A verdict is never shown without what it stands on.

use std::fmt::Write as _;

use super::{
    table::slo_quantity,
    text::{Quantity, clean, estimate, plural, points, value},
};
use crate::slo::{Against, Gated, Measure, Verdict};

/// Paths that are named of a design; of more their number is told.
const NAMED: usize = 10;

/// One file, judged.
#[derive(Clone, Copy, Debug)]
pub struct JudgedFile<'a> {
    /// As it was typed, with its variant.
    pub name: &'a str,
    /// Of all its objectives.
    pub verdict: Verdict,
    /// Replications of the deciding look.
    pub replications: usize,
    /// Its objectives.
    pub objectives: &'a [Gated],
    /// What it was held against, or is recorded for.
    pub beside: JudgedBeside<'a>,
}

/// What a file was judged beside.
#[derive(Clone, Copy, Debug, Default)]
pub enum JudgedBeside<'a> {
    /// Nothing.
    #[default]
    Nothing,
    /// A baseline: its name, and the paths at which the file is another design.
    Baseline(&'a str, &'a [String]),
    /// It is one from now on: under this name, for these objectives, which are not judged; so many replications, none
    /// if they are not whole.
    Recorded(&'a str, &'a [String], Option<usize>),
}

impl<'f> JudgedBeside<'f> {
    /// What the figures are held against: a line.
    fn against(&self) -> Option<String> {
        let Self::Baseline(name, changed) = self else { return None };
        let named = changed.iter().take(NAMED).map(|path| clean(path)).collect::<Vec<_>>();
        let more = match changed.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(if named.is_empty() {
            format!("against {}: the same design", clean(name))
        } else {
            format!("against {}; changed: {}{more}", clean(name), named.join(", "))
        })
    }

    /// The objectives that are not judged, and what becomes of them.
    fn recorded(self) -> Vec<Row<'f>> {
        let Self::Recorded(name, all, replications) = self else { return Vec::new() };
        let told = match replications {
            Some(n) => {
                let replications = plural(n as u64, "replication");
                format!("not judged: {name} holds it, of {replications}")
            }
            None => format!("not judged, and {name} is left as it was: the run is not whole"),
        };
        all.iter().map(|text| ("·", "RECORDED", text.as_str(), told.clone())).collect()
    }
}

/// The word and the sign of a verdict.
pub fn verdict(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Pass => ("PASS", "✓"),
        Verdict::Fail => ("FAIL", "✗"),
        Verdict::Inconclusive => ("INCONCLUSIVE", "?"),
    }
}

/// What was measured of an objective, how sure that is, and what would help: one sentence.
pub fn gated(one: &Gated) -> String {
    if let Some(against) = &one.baseline {
        return held(one, against);
    }
    let quantity = slo_quantity(&one.expression);
    let share = |v: f64| value(Quantity::Share, v);
    let shown = |v: f64| match one.measure {
        Measure::Figure | Measure::Ratio | Measure::Difference => value(quantity, v),
        Measure::Slower | Measure::Faster | Measure::Runs => share(v),
    };
    let what = match one.measure {
        Measure::Figure | Measure::Ratio | Measure::Difference => "",
        Measure::Slower => " slower or failed",
        Measure::Faster => " faster",
        Measure::Runs => " of runs",
    };
    let mut parts = Vec::new();
    if let Some(v) = one.value {
        parts.push(format!("{}{what}", shown(v)));
    }
    if let Some(bound) = one.bound.filter(|bound| Some(*bound) != one.value) {
        parts.push(format!("at {} {}", if one.at_most { "most" } else { "least" }, shown(bound)));
    }
    let mut more = vec![parts.join(", ")];
    if matches!(one.measure, Measure::Slower | Measure::Faster) && one.estimate.value.is_some() {
        let stat = one.expression.split('(').next().unwrap_or_default();
        more.push(format!("{} {}", clean(stat.trim()), estimate(quantity, &one.estimate)));
    }
    with_reasons(more, one)
}

/// The same of one that is held against a baseline: `452 ms: +3.1 % against the baseline's 438 ms, at most +4.0 %`.
fn held(one: &Gated, against: &Against) -> String {
    let quantity = Quantity::of_unit(&against.unit);
    let own = one.estimate.value.filter(|v| v.is_finite());
    let own = own.map(|_| estimate(quantity, &one.estimate));
    if against.same {
        return format!("{}: identical to the baseline", own.unwrap_or_default());
    }
    let its = against.value.map(|v| value(quantity, v));
    let Some(change) = against.ratio.or(against.difference) else {
        let its = its.map(|its| format!("the baseline has {its}"));
        return with_reasons(own.into_iter().chain(its).collect(), one);
    };
    let shown = |v: f64| match (one.measure, quantity) {
        (Measure::Ratio, _) => signed(v - 1.0, |v| format!("{} %", points(v))),
        (_, Quantity::Share) => signed(v, |v| format!("{} points", points(v))),
        _ => signed(v, |v| value(quantity, v)),
    };
    let own = own.map_or(String::new(), |own| format!("{own}: "));
    let its = its.map_or(String::new(), |its| format!("'s {its}"));
    let mut text = format!("{own}{} against the baseline{its}", shown(change));
    if let Some(bound) = one.bound.filter(|bound| Some(*bound) != one.value) {
        write!(text, ", at {} {}", if one.at_most { "most" } else { "least" }, shown(bound))
            .expect("a text grows");
    }
    with_reasons(vec![text], one)
}

/// With its sign, if it is not shown as nothing.
fn signed(change: f64, shown: impl Fn(f64) -> String) -> String {
    let text = shown(change.abs());
    let nothing = !text.contains(|c: char| ('1'..='9').contains(&c));
    let sign = match () {
        () if nothing => "",
        () if change < 0.0 => "-",
        () => "+",
    };
    format!("{sign}{text}")
}

/// Parts of a sentence, why no more can be said, and what would help.
fn with_reasons(mut parts: Vec<String>, one: &Gated) -> String {
    parts.extend(one.reason.as_deref().map(clean));
    parts.extend(one.needed.map(|n| format!("about {} would tell", plural(n, "replication"))));
    parts.retain(|part| !part.is_empty());
    parts.join("; ")
}

/// A file and its objectives, a line each.
pub fn judged_text(file: &JudgedFile<'_>) -> String {
    let mut out = format!("{}\n", headline(file));
    if let Some(against) = file.beside.against() {
        writeln!(out, "  {against}").expect("a text grows");
    }
    let rows = rows(file);
    let width = rows.iter().map(|row| clean(row.2).chars().count()).max().unwrap_or(0);
    for (sign, word, expression, told) in rows {
        let expression = clean(expression);
        writeln!(out, "  {sign} {word:<13} {expression:<width$}  {}", clean(&told))
            .expect("a text grows");
    }
    out
}

/// Sign, word and text of an objective, and what is told of it.
type Row<'f> = (&'static str, &'static str, &'f str, String);

/// Of each objective.
fn rows<'f>(file: &JudgedFile<'f>) -> Vec<Row<'f>> {
    let judged = file.objectives.iter().map(|one| {
        let (word, sign) = verdict(one.verdict);
        (sign, word, one.expression.as_str(), gated(one))
    });
    judged.chain(file.beside.recorded()).collect()
}

/// `shop.yaml   FAIL after 40 replications`.
fn headline(file: &JudgedFile<'_>) -> String {
    let replications = plural(file.replications as u64, "replication");
    let word = match file.beside {
        // Nothing has a limit of its own.
        JudgedBeside::Recorded(.., Some(_)) if file.objectives.is_empty() => "RECORDED",
        _ => verdict(file.verdict).0,
    };
    format!("{}   {word} after {replications}", clean(file.name))
}

/// The same as Markdown: a heading and a table.
pub fn judged_markdown(file: &JudgedFile<'_>) -> String {
    let mut out = format!("### {}\n\n", cell(&headline(file)));
    if let Some(against) = file.beside.against() {
        writeln!(out, "{}\n", cell(&against)).expect("a text grows");
    }
    out.push_str("| | objective | measured |\n|---|---|---|\n");
    for (sign, word, expression, told) in rows(file) {
        let (expression, told) = (cell(expression), cell(&told));
        writeln!(out, "| {sign} {word} | {expression} | {told} |").expect("a text grows");
    }
    out.push('\n');
    out
}

/// Foreign text in a cell of Markdown: nothing in it is markup.
pub(super) fn cell(text: &str) -> String {
    let mut out = String::new();
    for c in clean(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Estimate;

    fn one(expression: &str, verdict: Verdict, measure: Measure, figures: (f64, f64)) -> Gated {
        Gated {
            expression: expression.to_owned(),
            verdict,
            estimate: Estimate { value: Some(0.452), ..Estimate::default() },
            measure,
            value: Some(figures.0),
            bound: Some(figures.1),
            at_most: false,
            margin: None,
            reason: None,
            needed: None,
            baseline: None,
        }
    }

    #[test]
    fn each_sentence_says_what_it_stands_on() {
        let passes = one("availability >= 99.5%", Verdict::Pass, Measure::Figure, (0.9993, 0.9991));
        assert_eq!(gated(&passes), "99.930 %, at least 99.910 %");
        let fails = one("p99(latency) <= 400ms", Verdict::Fail, Measure::Slower, (0.017, 0.015));
        assert_eq!(gated(&fails), "1.70 % slower or failed, at least 1.50 %; p99 452 ms");
        let slow = "time_to_recover(az-loss) <= 30s";
        let open = one(slow, Verdict::Inconclusive, Measure::Figure, (29.1, 31.0));
        let open = Gated { at_most: true, needed: Some(160), ..open };
        let told = "29.1 s, at most 31 s; about 160 replications would tell";
        assert_eq!(gated(&open), told);
        let rule = one("requests.timeout == 0", Verdict::Pass, Measure::Runs, (1.0, 0.861));
        assert_eq!(gated(&rule), "100 % of runs, at least 86.1 %");
        let objectives = [passes, fails, open];
        let file = JudgedFile {
            name: "shop.yaml",
            verdict: Verdict::Fail,
            replications: 40,
            objectives: &objectives,
            beside: JudgedBeside::Nothing,
        };
        let text = judged_text(&file);
        assert!(text.starts_with("shop.yaml   FAIL after 40 replications\n  ✓ PASS  "), "{text}");
        assert!(
            text.contains("  ? INCONCLUSIVE  time_to_recover(az-loss) <= 30s  29.1 s"),
            "{text}"
        );
        let markdown = judged_markdown(&file);
        assert!(
            markdown.contains("| ✗ FAIL | p99(latency) &lt;= 400ms | 1.70 % slower"),
            "{markdown}"
        );
    }

    #[test]
    fn nothing_foreign_is_markup() {
        assert_eq!(cell("a|b <script> `x` [y](z)\n"), "a\\|b &lt;script&gt; \\`x\\` \\[y\\](z) ");
    }
}
