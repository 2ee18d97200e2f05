//! Single requests as rows, one below the other: what each was at, when; for the terminal and for the page.
//!
//! **Invariant.** Only what was simulated: nothing is drawn for what was not seen.

use std::fmt::Write as _;

use super::{
    grid::Lines,
    table::LEAST_WIDTH,
    text::{Quantity, clean, duration, plural, shorten, value},
};
use crate::results::{RequestSpan, Waterfall};

/// What is drawn of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Look {
    Waiting,
    Work,
    Pause,
    Network,
    Called,
    Backoff,
    Permit,
}

impl Look {
    /// All of them: name, and sign in a terminal.
    pub(super) const ALL: [(Self, &'static str, char); 7] = [
        (Self::Waiting, "waiting", '░'),
        (Self::Work, "work", '█'),
        (Self::Pause, "pause", '='),
        (Self::Network, "network", '-'),
        (Self::Called, "called", '·'),
        (Self::Backoff, "backoff", '~'),
        (Self::Permit, "permit or connection", ':'),
    ];

    fn sign(self) -> char {
        Self::ALL[self as usize].2
    }

    /// Its name as a class of the page.
    pub(super) fn class(self) -> &'static str {
        if self == Self::Permit { "permit" } else { Self::ALL[self as usize].1 }
    }

    fn of(part: &str) -> Self {
        match part {
            "waiting" => Self::Waiting,
            "work" => Self::Work,
            "calling" => Self::Called,
            "backoff" => Self::Backoff,
            "permit" => Self::Permit,
            _ => Self::Pause,
        }
    }
}

/// What something looks like, by its name.
pub(super) fn looks(look: Look) -> &'static str {
    Look::ALL[look as usize].1
}

/// One row of a waterfall.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// How many spans it is below an attempt.
    pub(super) depth: usize,
    /// What it is.
    pub(super) label: String,
    /// From when until when, s; none: it was not over as the run ended.
    pub(super) start: f64,
    pub(super) end: Option<f64>,
    /// What it was at, s.
    pub(super) bars: Vec<(Look, f64, f64)>,
    /// How it ended, where that is not `ok`.
    pub(super) outcome: Option<String>,
    /// It goes on after the decision.
    pub(super) late: bool,
}

/// The rows of a request, in the order in which a reader follows them.
pub(super) fn rows(of: &Waterfall) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut attempts = of.spans.iter().filter(|span| span.parent.is_none()).peekable();
    let waits = of.parts.iter().filter(|part| part.0 == "backoff" || part.0 == "permit");
    let mut number = 0;
    for (name, from, to) in waits {
        while let Some(attempt) = attempts.next_if(|attempt| attempt.start < *from) {
            number += 1;
            push(of, attempt, (0, number), &mut rows);
        }
        // A wait to be sent is part of the attempt that was.
        if !attempts.peek().is_some_and(|attempt| attempt.start == *from) {
            rows.push(Row {
                depth: 0,
                label: if name == "permit" { "not sent" } else { "backoff" }.to_owned(),
                start: *from,
                end: Some(*to),
                bars: vec![(Look::of(name), *from, *to)],
                outcome: None,
                late: false,
            });
        }
    }
    for attempt in attempts {
        number += 1;
        push(of, attempt, (0, number), &mut rows);
    }
    rows
}

/// A span and those below it.
fn push(of: &Waterfall, span: &RequestSpan, (depth, number): (usize, usize), rows: &mut Vec<Row>) {
    let over = span.end.or_else(|| span.parts.last().map(|part| part.2));
    let late = of.decided().is_some() && over.is_none_or(|over| of.is_late(over));
    rows.push(Row {
        depth,
        label: label(span, number),
        start: span.start,
        end: span.end,
        bars: bars(of, span),
        outcome: span.outcome.clone().filter(|outcome| outcome != "ok"),
        late,
    });
    let below = of.spans.iter().filter(|other| other.parent == Some(span.id));
    for (i, other) in below.enumerate() {
        push(of, other, (depth + 1, i + 1), rows);
    }
}

/// A place, as people say it.
fn place(node: &str, instance: u16) -> String {
    format!("{node}[{instance}]")
}

/// What a span is, in words; the attempts of a request are numbered from 1.
pub(super) fn label(span: &RequestSpan, number: usize) -> String {
    let to = span.to.as_ref().map(|(node, instance)| place(node, *instance));
    let to = to.unwrap_or_else(|| "nobody".to_owned());
    match span.kind.as_str() {
        "attempt" if number == 0 => format!("attempt {to}"),
        "attempt" => format!("attempt {number}: {to}"),
        "call" => format!("call {to}"),
        "send" => format!("send to {to}"),
        "visit" => place(&span.node, span.instance),
        kind => format!("{kind} at {}", place(&span.node, span.instance)),
    }
}

/// What a span was at; of a call, what was network and what was the callee.
pub(super) fn bars(of: &Waterfall, span: &RequestSpan) -> Vec<(Look, f64, f64)> {
    let mut bars = Vec::new();
    for (name, from, to) in &span.parts {
        if span.to.is_none() || name != "calling" {
            bars.push((Look::of(name), *from, *to));
            continue;
        }
        let mut at = *from;
        for visit in of.spans.iter().filter(|visit| visit.parent == Some(span.id)) {
            let end = visit.end.unwrap_or(*to).min(*to);
            if visit.start > at {
                bars.push((Look::Network, at, visit.start.min(*to)));
            }
            if end > visit.start.max(at) {
                bars.push((Look::Called, visit.start.max(at), end));
            }
            at = at.max(end);
        }
        if at < *to {
            bars.push((Look::Network, at, *to));
        }
    }
    bars
}

/// What a request is, in one sentence.
pub(super) fn sentence(of: &Waterfall) -> String {
    let request = &of.request;
    let time = |at: f64| format!("{at:.3} s");
    let after = plural(request.attempts.into(), "attempt");
    let ended = match request.latency {
        Some(latency) => {
            let took = value(Quantity::Duration, latency);
            format!("{} after {took} and {after}", request.outcome)
        }
        None => format!("open as the run ended, after {after}"),
    };
    let operation = if request.operation == "default" {
        String::new()
    } else {
        format!(" `{}`", clean(&request.operation))
    };
    let key = request.key.map_or(String::new(), |key| format!(", key {key}"));
    let sent = time(request.intended);
    format!("{}{operation}: sent at {sent}{key}; {ended}", clean(&of.name()))
}

/// Where the time of a request went, s, the longest first; where several attempts or branches were out at once they count
/// each.
fn went(of: &Waterfall) -> Vec<(Look, f64)> {
    let decided = of.decided().unwrap_or_else(|| of.over());
    let mut all = Look::ALL.map(|(look, ..)| (look, 0.0));
    for row in rows(of) {
        for (look, from, to) in row.bars {
            all[look as usize].1 += (to.min(decided) - from).max(0.0);
        }
    }
    let mut all: Vec<(Look, f64)> =
        all.into_iter().filter(|(look, time)| *look != Look::Called && *time > 0.0).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}

/// The same in words.
pub(super) fn where_it_went(of: &Waterfall) -> Option<String> {
    let one = |(look, time): &(Look, f64)| {
        format!("{} {}", Look::ALL[*look as usize].1, value(Quantity::Duration, *time))
    };
    let parts: Vec<String> = went(of).iter().map(one).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Rows of one request in a terminal, at most.
const MOST_ROWS: usize = 200;

/// The waterfalls for a terminal `width` columns wide.
#[must_use]
pub fn waterfalls_text(all: &[Waterfall], width: u16) -> String {
    let mut out = Lines { width: usize::from(width).max(LEAST_WIDTH), text: String::new() };
    for (i, of) in all.iter().enumerate() {
        if i > 0 {
            out.blank();
        }
        waterfall(of, &mut out);
    }
    out.blank();
    let signs = Look::ALL.map(|(_, name, sign)| format!("{sign} {name}"));
    out.wrapped("", &format!("{}   | decided", signs.join("   ")));
    out.text
}

fn waterfall(of: &Waterfall, out: &mut Lines) {
    let why: Vec<&str> = of.why.iter().map(String::as_str).filter(|why| *why != "asked").collect();
    let why = if why.is_empty() { String::new() } else { format!(" ({})", clean(&why.join(", "))) };
    out.wrapped("  ", &format!("{}{why}", sentence(of)));
    if let Some(went) = where_it_went(of) {
        out.wrapped("  ", &format!("  {went}"));
    }
    let rows = rows(of);
    let shown = &rows[..rows.len().min(MOST_ROWS)];
    let label = |row: &Row| format!("{}{}", "  ".repeat(row.depth), clean(&row.label));
    let labels = shown.iter().map(|row| label(row).chars().count()).max().unwrap_or_default();
    let labels = labels.min(out.width / 3);
    let ends = |row: &Row| match (&row.outcome, row.late) {
        (Some(outcome), true) => format!("{outcome}, late"),
        (Some(outcome), false) => outcome.clone(),
        (None, _) if row.end.is_none() => "never ended".to_owned(),
        (None, true) => "late".to_owned(),
        (None, false) => String::new(),
    };
    let notes = shown.iter().map(|row| ends(row).chars().count()).max().unwrap_or_default();
    let bar = out.width.saturating_sub(labels + notes + 27).max(16);
    let scale = Scale::new(of, bar);
    for row in shown {
        let took = row.end.map_or_else(|| "-".to_owned(), |end| duration(end - row.start));
        let line = format!(
            "  {:<labels$}  {:>8}  {took:>8}  {}  {}",
            shorten(&label(row), labels),
            format!("+{}", duration(row.start - of.request.intended)),
            scale.line(row),
            ends(row),
        );
        let _ = writeln!(out.text, "{}", line.trim_end());
    }
    if rows.len() > shown.len() {
        out.wrapped("  ", &format!("  and {} more", rows.len() - shown.len()));
    }
}

/// Times to columns.
struct Scale {
    from: f64,
    per_column: f64,
    columns: usize,
    decided: Option<usize>,
}

impl Scale {
    fn new(of: &Waterfall, columns: usize) -> Self {
        let from = of.request.intended;
        let per_column = ((of.over() - from) / columns as f64).max(1e-9);
        let decided = of.decided().filter(|_| of.is_late(of.over()));
        let mut scale = Self { from, per_column, columns, decided: None };
        scale.decided = decided.map(|at| scale.column(at));
        scale
    }

    fn column(&self, at: f64) -> usize {
        (((at - self.from) / self.per_column) as usize).min(self.columns - 1)
    }

    fn line(&self, row: &Row) -> String {
        let mut line = vec![' '; self.columns];
        if let Some(at) = self.decided {
            line[at] = '|';
        }
        // Of what falls into one column the longest is shown.
        let mut longest = vec![0.0; self.columns];
        for (look, from, to) in &row.bars {
            for column in self.column(*from)..=self.column(*to) {
                let left = self.from + column as f64 * self.per_column;
                let within = to.min(left + self.per_column) - from.max(left);
                if within > longest[column] {
                    (line[column], longest[column]) = (look.sign(), within);
                }
            }
        }
        line.into_iter().collect()
    }
}

/// The waterfalls for programs.
///
/// # Panics
///
/// Never: they hold only maps with text keys.
#[must_use]
pub fn waterfalls_json(all: &[Waterfall]) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(all).expect("they hold only maps with text keys");
    bytes.push(b'\n');
    bytes
}
