//! Problems as people, editors and CI read them: source frames, JSON, SARIF.
//!
//! **Invariant.** What is shown is bounded, whatever the scenario's size: at most [`SHOWN`]
//! problems, each with the lines it is about.

use std::{collections::BTreeSet, fmt::Write as _, ops::Range};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::{
    problems::{Found, SHOWN, shown},
    tree::{Span, is_hidden},
};
use crate::problem::CODES;

/// A text that a scenario was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Path of the file, or the option it was typed in.
    pub name: String,
    /// The text.
    pub text: String,
}

/// A place in a text, counted from 1, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl Source {
    /// Where a byte stands.
    pub fn position(&self, byte: u32) -> Position {
        let at = floor(&self.text, byte as usize);
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// The nearest boundary of a character at or before a byte.
fn floor(text: &str, byte: usize) -> usize {
    let mut at = byte.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// All problems with frames around their places, as on a terminal.
pub fn human(sources: &[Source], problems: &[Found], colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    for found in problems.iter().take(SHOWN) {
        text.push_str(&frame(sources, found, &renderer));
        text.push_str("\n\n");
    }
    let errors = problems.iter().filter(|p| p.is_error()).count();
    let warnings = problems.len() - errors;
    if problems.len() > SHOWN {
        writeln!(text, "The first {SHOWN} of {} problems are shown.", problems.len())
            .expect("a text grows");
    }
    let counted = [(errors, "error"), (warnings, "warning")];
    let counted = counted.iter().filter(|(n, _)| *n > 0);
    let words: Vec<String> =
        counted.map(|(n, word)| format!("{n} {word}{}", if *n == 1 { "" } else { "s" })).collect();
    let name = sources.first().map_or("", |s| s.name.as_str());
    writeln!(text, "{}: {}", inert(name), words.join(", ")).expect("a text grows");
    text
}

fn frame(sources: &[Source], found: &Found, renderer: &Renderer) -> String {
    let problem = &found.problem;
    let level = if found.is_error() { Level::ERROR } else { Level::WARNING };
    let title = level.primary_title(inert(&problem.message)).id(problem.code);
    let mut group = Group::with_title(title);
    let also = found.also.as_ref();
    for snippet in snippets(sources, found.span, also) {
        group = group.element(snippet);
    }
    if !problem.path.is_empty() {
        group = group.element(Level::NOTE.with_name(Some("at")).message(inert(&problem.path)));
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(inert(help)));
    }
    renderer.render(&[group])
}

type Mark<'p> = (Span, AnnotationKind, Option<&'p str>);

fn snippets<'s>(
    sources: &'s [Source],
    span: Option<Span>,
    also: Option<&'s (Span, String)>,
) -> Vec<Snippet<'s, annotate_snippets::Annotation<'s>>> {
    let mut marks: Vec<Mark<'s>> = Vec::new();
    marks.extend(span.map(|s| (s, AnnotationKind::Primary, None)));
    marks.extend(also.map(|(s, label)| (*s, AnnotationKind::Context, Some(label.as_str()))));
    let mut snippets = Vec::new();
    while let Some((first, ..)) = marks.first().copied() {
        let (here, there): (Vec<_>, Vec<_>) =
            marks.into_iter().partition(|(s, ..)| s.source == first.source);
        marks = there;
        if let Some(source) = sources.get(usize::from(first.source)) {
            snippets.push(snippet(source, &here));
        }
    }
    snippets
}

/// The lines around some marks of one source.
fn snippet<'s>(
    source: &'s Source,
    marks: &[Mark<'s>],
) -> Snippet<'s, annotate_snippets::Annotation<'s>> {
    let text = source.text.as_str();
    let ranges: Vec<Range<usize>> =
        marks.iter().map(|(span, ..)| first_line(text, *span)).collect();
    let first = ranges.iter().map(|r| r.start).min().unwrap_or(0);
    let last = ranges.iter().map(|r| r.end).max().unwrap_or(0);
    let begin = text[..first].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[last..].find('\n').map_or(text.len(), |newline| last + newline);
    let line = text[..begin].matches('\n').count() + 1;
    let mut snippet =
        Snippet::source(&text[begin..end]).path(inert(&source.name)).line_start(line).fold(true);
    for ((_, kind, label), range) in marks.iter().zip(ranges) {
        let annotation = kind.span(range.start - begin..range.end - begin);
        snippet = snippet.annotation(match label {
            Some(label) => annotation.label(inert(label)),
            None => annotation,
        });
    }
    snippet
}

/// The part of a span on its first line; at least one character where there is one.
fn first_line(text: &str, span: Span) -> Range<usize> {
    let start = floor(text, span.start as usize);
    let line_end = text[start..].find(['\n', '\r']).map_or(text.len(), |at| start + at);
    let end = floor(text, span.end as usize).clamp(start, line_end);
    if end > start {
        return start..end;
    }
    let one = text[start..line_end].chars().next().map_or(0, char::len_utf8);
    start..start + one
}

/// Text with nothing in it that a terminal would obey.
fn inert(text: &str) -> String {
    if !text.contains(is_hidden) {
        return text.to_owned();
    }
    let piece = |c: char| if is_hidden(c) { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(piece).collect()
}

/// The problems as a JSON array; `line` and `column` count from 1, `end_column` is the column after
/// the last character.
pub fn json(sources: &[Source], problems: &[Found]) -> Value {
    problems.iter().map(|found| object(sources, found)).collect()
}

fn object(sources: &[Source], found: &Found) -> Value {
    let problem = &found.problem;
    let mut object = json!({
        "severity": problem.severity,
        "code": problem.code,
        "message": problem.message,
        "help": problem.help,
        "path": problem.path,
    });
    if let Some((source, start, end)) = region(sources, found.span) {
        object["file"] = json!(source.name);
        object["line"] = json!(start.line);
        object["column"] = json!(start.column);
        object["end_line"] = json!(end.line);
        object["end_column"] = json!(end.column);
    }
    object
}

/// Where a problem stands, on its first line: from where to where, and in which text.
pub fn region(sources: &[Source], span: Option<Span>) -> Option<(&Source, Position, Position)> {
    let span = span?;
    let source = sources.get(usize::from(span.source))?;
    let range = first_line(&source.text, span);
    let start = source.position(range.start as u32);
    Some((source, start, source.position(range.end as u32)))
}

/// The problems of several scenarios as one SARIF 2.1.0 document.
pub fn sarif(files: &[(&[Source], &[Found])]) -> Value {
    let results: Vec<Value> = files
        .iter()
        .flat_map(|(sources, problems)| problems.iter().map(|found| sarif_result(sources, found)))
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "windtunnel",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules(files),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// What the codes among these problems mean.
fn rules(files: &[(&[Source], &[Found])]) -> Vec<Value> {
    let found = files.iter().flat_map(|(_, problems)| problems.iter());
    let used: BTreeSet<&str> = found.map(|found| found.problem.code).collect();
    let known = CODES.iter().filter(|(code, _)| used.contains(code));
    known.map(|(code, means)| json!({"id": code, "shortDescription": {"text": means}})).collect()
}

fn sarif_result(sources: &[Source], found: &Found) -> Value {
    let problem = &found.problem;
    let help = problem.help.as_ref().map_or(String::new(), |help| format!(" ({help})"));
    let mut result = json!({
        "ruleId": problem.code,
        "level": problem.severity,
        "message": {"text": format!("{}{help}", problem.message)},
    });
    if let Some((source, start, end)) = region(sources, found.span) {
        result["locations"] = json!([{"physicalLocation": {
            "artifactLocation": {"uri": uri(&source.name)},
            "region": {
                "startLine": start.line,
                "startColumn": start.column,
                "endLine": end.line,
                "endColumn": end.column,
            },
        }}]);
    }
    result
}

/// A path as the reference of a URI.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.replace('\\', "/").bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            write!(uri, "%{byte:02X}").expect("a text grows");
        }
    }
    uri
}

/// One workflow command per problem, which code hosting shows beside the line it is about.
pub fn annotations(sources: &[Source], problems: &[Found]) -> String {
    // What a command itself is made of is written as it asks for.
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let mut text = String::new();
    for found in problems {
        let problem = &found.problem;
        let place = region(sources, found.span).map_or(String::new(), |(source, start, end)| {
            let name = property(&source.name);
            let (line, column) = (start.line, start.column);
            format!("file={name},line={line},col={column},endColumn={},", end.column)
        });
        let word = if found.is_error() { "error" } else { "warning" };
        let (title, message) = (property(problem.code), data(&problem.message));
        writeln!(text, "::{word} {place}title={title}::{message}").expect("a text grows");
    }
    text
}

/// One line per problem, `file:line:col: error[CODE]: message`, for logs.
pub fn lines(sources: &[Source], problems: &[Found]) -> String {
    let mut text = String::new();
    for found in problems {
        let problem = &found.problem;
        let place = region(sources, found.span).map_or(String::new(), |(source, at, _)| {
            format!("{}:{}:{}: ", shown(&source.name), at.line, at.column)
        });
        let word = if found.is_error() { "error" } else { "warning" };
        writeln!(text, "{place}{word}[{}]: {}", problem.code, inert(&problem.message))
            .expect("a text grows");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Vec<Source> {
        vec![Source { name: "a.yaml".to_owned(), text: "name: ä\nü: x\r\nlast".to_owned() }]
    }

    #[test]
    fn positions_count_characters() {
        let source = &source()[0];
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(8), Position { line: 1, column: 8 });
        assert_eq!(source.position(9), Position { line: 2, column: 1 });
        assert_eq!(source.position(13), Position { line: 2, column: 4 });
        assert_eq!(source.position(99), Position { line: 3, column: 5 });
        assert_eq!(source.position(10).column, 1, "inside a character");
    }

    #[test]
    fn a_frame_names_the_place_and_nothing_in_it_is_obeyed() {
        let span = Span { source: 0, start: 9, end: 11 };
        let found =
            Found::error("E-UNKNOWN-KEY", span, "unknown key `\u{1b}[2J`").help("remove it");
        let text = human(&source(), std::slice::from_ref(&found), false);
        assert!(text.starts_with("error[E-UNKNOWN-KEY]: unknown key `\\u{1b}[2J`\n"), "{text}");
        assert!(text.contains("--> a.yaml:2:1\n"), "{text}");
        assert!(text.contains("help: remove it"), "{text}");
        assert!(text.ends_with("a.yaml: 1 error\n"), "{text}");
        let line = lines(&source(), std::slice::from_ref(&found));
        assert!(line.starts_with("a.yaml:2:1: error[E-UNKNOWN-KEY]: "), "{line}");
        assert_eq!(json(&source(), std::slice::from_ref(&found))[0]["end_column"], 2);
        let sources = source();
        let sarif = sarif(&[(&sources, &[found])]);
        assert_eq!(
            sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"],
            2
        );
    }

    #[test]
    fn spans_beyond_the_text_are_harmless() {
        for span in [(0, 0), (5, 90), (99, 99), (16, 17), (10, 10)] {
            let span = Span { source: 0, start: span.0, end: span.1 };
            human(&source(), &[Found::error("E-YAML", span, "x").also(span, "y")], true);
        }
        let span = Span { source: 9, start: 0, end: 0 };
        assert!(human(&source(), &[Found::error("E-YAML", span, "x")], false).contains("E-YAML"));
    }
}
