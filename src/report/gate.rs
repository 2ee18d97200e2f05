//! What `check` found, in words: on a terminal, in Markdown, and one sentence per objective for everything else.
//!
//! **Invariant.** A verdict is never shown without what it stands on.

use std::fmt::Write as _;

use super::{
    table::slo_quantity,
    text::{Quantity, clean, estimate, plural, value},
};
use crate::slo::{Gated, Measure, Verdict};

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
    let quantity = slo_quantity(&one.expression);
    let share = |v: f64| value(Quantity::Share, v);
    let shown = |v: f64| match one.measure {
        Measure::Figure => value(quantity, v),
        Measure::Slower | Measure::Faster | Measure::Runs => share(v),
    };
    let what = match one.measure {
        Measure::Figure => "",
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
    let mut text = parts.join(", ");
    let mut more = Vec::new();
    if matches!(one.measure, Measure::Slower | Measure::Faster) && one.estimate.value.is_some() {
        let stat = one.expression.split('(').next().unwrap_or_default();
        more.push(format!("{} {}", clean(stat.trim()), estimate(quantity, &one.estimate)));
    }
    more.extend(one.reason.as_deref().map(clean));
    more.extend(one.needed.map(|n| format!("about {} would tell", plural(n, "replication"))));
    for part in more {
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(&part);
    }
    text
}

/// A file and its objectives, a line each.
pub fn judged_text(file: &JudgedFile<'_>) -> String {
    let mut out = format!("{}\n", headline(file));
    let longest = file.objectives.iter().map(|one| clean(&one.expression).chars().count());
    let width = longest.max().unwrap_or(0);
    for one in file.objectives {
        let (word, sign) = verdict(one.verdict);
        let expression = clean(&one.expression);
        writeln!(out, "  {sign} {word:<13} {expression:<width$}  {}", gated(one))
            .expect("a text grows");
    }
    out
}

/// `shop.yaml   FAIL after 40 replications`.
fn headline(file: &JudgedFile<'_>) -> String {
    let replications = plural(file.replications as u64, "replication");
    format!("{}   {} after {replications}", clean(file.name), verdict(file.verdict).0)
}

/// The same as Markdown: a heading and a table.
pub fn judged_markdown(file: &JudgedFile<'_>) -> String {
    let mut out = format!("### {}\n\n", cell(&headline(file)));
    out.push_str("| | objective | measured |\n|---|---|---|\n");
    for one in file.objectives {
        let (word, sign) = verdict(one.verdict);
        let (expression, told) = (cell(&one.expression), cell(&gated(one)));
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
