//! Which texts are values of a type, for editors: asked of the type's own parser, which knows.
//!
//! **Invariant.** Every text that is a value fits the form.

use std::{collections::BTreeSet, str::FromStr};

use schemars::{Schema, json_schema};
use serde_json::{Value, json};

use super::error::ValueError;

/// The key under which a schema holds what a parser knows, as it is written.
pub(crate) const KNOWN: &str = "known";

const NUMBER: &str = r"[0-9]+(?:\.[0-9]+)?";

/// Sorts of values: one of each, and how they are written after the number.
const SORTS: [(&str, &str); 9] = [
    ("5", ""),
    ("5k", "[kMGT]?"),
    ("5%", "%"),
    ("5ppm", "ppm"),
    ("5ms", "(?:ns|us|ms|s|m|h|d)"),
    ("5/s", "[kMGT]?/(?:us|ms|s|min|h|day)"),
    ("5KB", "(?:[KMGTP]i?)?B"),
    ("5Mbps", "(?:[kKMGT]?bps|(?:[KMGT]i?)?B/s)"),
    ("5..7", r".*\.\..*"),
];

/// A name that nothing has.
const NOBODY: &str = "zzzzzz";

/// What a parser says that it knows, as it is written: of words, and of calls.
fn known<T: FromStr<Err = ValueError>>() -> Vec<String> {
    let asked = ["", "(1)", " > 1", "(1) > 1"].map(|rest| format!("{NOBODY}{rest}"));
    asked.iter().filter_map(|text| text.parse::<T>().err()).flat_map(|error| error.known).collect()
}

/// The pattern of a type's texts, from what its parser takes and knows; none if it takes any word.
fn pattern<T: FromStr<Err = ValueError>>(known: &[&str]) -> Option<String> {
    let takes = |text: &str| text.parse::<T>().is_ok();
    let sums = takes(&format!("5ms + 5ms * {NOBODY}")) || takes(&format!("5KB + 5KB * {NOBODY}"));
    if takes(NOBODY) && !sums {
        return None;
    }
    let sorts = SORTS.iter().filter(|(one, _)| takes(one)).map(|(_, after)| *after);
    let sorts: Vec<String> = sorts.map(|after| format!("{NUMBER}{after}")).collect();
    let heads = known.iter().filter_map(|known| known.split(['(', ' ']).next());
    let mut heads: BTreeSet<&str> =
        heads.filter(|head| head.starts_with(|c: char| c.is_ascii_alphabetic())).collect();
    // Of quantiles one stands for all.
    let quantile = |head: &str| {
        let digits = head.strip_prefix('p').unwrap_or_default();
        digits.starts_with(|c: char| c.is_ascii_digit())
    };
    if heads.iter().any(|head| quantile(head)) || takes("p97") {
        heads.retain(|head| !quantile(head));
        heads.insert(r"p[0-9]+(?:\.[0-9]+)?");
    }
    let signed = if takes("-5ms") || takes("-5%") { "[-+]?" } else { "" };
    let heads: Vec<&str> = heads.into_iter().collect();
    let mut forms = Vec::new();
    if !sorts.is_empty() {
        let end = if sums { r"\s*(?:$|[-+*/])" } else { r"\s*$" };
        forms.push(format!("{signed}(?:{}){end}", sorts.join("|")));
    }
    if sums {
        forms.push(format!(r"{NUMBER}\w*(?:/\w+)?\s*\*"));
    }
    if !heads.is_empty() {
        forms.push(format!("(?:{})(?![A-Za-z0-9_-])", heads.join("|")));
    }
    if takes("true") {
        forms.push(r"(?:true|false)\s*$".to_owned());
    }
    (!forms.is_empty()).then(|| format!(r"^\s*(?:{})", forms.join("|")))
}

/// The schema of a value: a text; a number too if plain numbers are values, and whatever else the parser takes.
pub(crate) fn schema<T: FromStr<Err = ValueError>>(
    expected: &str,
    examples: &Value,
    number: bool,
    stated: Option<&str>,
) -> Schema {
    let takes = |text: &str| text.parse::<T>().is_ok();
    let known = known::<T>();
    let mut kinds = vec!["string"];
    let number = number || takes("5") || takes("5.5");
    if number {
        kinds.push("number");
    }
    if takes("true") && stated.is_none() && !takes(NOBODY) {
        kinds.push("boolean");
    }
    let kind = if kinds.len() > 1 { json!(kinds) } else { "string".into() };
    let listed = examples.as_array().into_iter().flatten().filter_map(Value::as_str);
    let words: Vec<&str> = known.iter().map(String::as_str).chain(listed).collect();
    let pattern = stated.map(str::to_owned).or_else(|| pattern::<T>(&words));
    let mut schema = json_schema!({"type": kind, "description": expected, "examples": examples});
    if number && !takes("-5") && !takes("-5.5") {
        schema.insert("minimum".to_owned(), 0.into());
    }
    let whole: Vec<&String> = known.iter().filter(|text| takes(text)).collect();
    if !whole.is_empty() {
        schema.insert(KNOWN.to_owned(), json!(whole));
    }
    if let Some(pattern) = pattern {
        schema.insert("pattern".to_owned(), pattern.into());
    }
    schema
}
