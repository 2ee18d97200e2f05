//! A resolved scenario as YAML text.
//!
//! Scalars stand without quotes wherever our reader takes the plain text for the same value: the
//! printed file looks like one a person would write, and reads back to the same text.
//!
//! **Invariant.** Printing, reading and printing again gives the same bytes.

use serde_yaml::Value;

/// Prints a value as a block.
pub(super) fn print(value: &Value) -> String {
    let mut text = String::new();
    block(&untagged(value), 0, &mut text);
    text
}

/// The same without YAML tags, which is how the library marks the variants of an enum: a kind is
/// its key.
fn untagged(value: &Value) -> Value {
    match value {
        Value::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let key = Value::String(tag.trim_start_matches('!').to_owned());
            Value::Mapping([(key, untagged(&tagged.value))].into_iter().collect())
        }
        Value::Sequence(items) => Value::Sequence(items.iter().map(untagged).collect()),
        Value::Mapping(map) => {
            Value::Mapping(map.iter().map(|(key, value)| (key.clone(), untagged(value))).collect())
        }
        other => other.clone(),
    }
}

fn block(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Mapping(map) if !map.is_empty() => {
            for (number, (key, value)) in map.iter().enumerate() {
                if number > 0 || !text.ends_with("- ") {
                    margin(indent, text);
                }
                text.push_str(&scalar(key));
                text.push(':');
                after_colon(value, indent, text);
            }
        }
        Value::Sequence(items) if !items.is_empty() => {
            for (number, item) in items.iter().enumerate() {
                if number > 0 || !text.ends_with("- ") {
                    margin(indent, text);
                }
                text.push_str("- ");
                block(item, indent + 2, text);
            }
        }
        other => {
            text.push_str(&scalar(other));
            text.push('\n');
        }
    }
}

fn after_colon(value: &Value, indent: usize, text: &mut String) {
    let nested = match value {
        Value::Mapping(map) => !map.is_empty(),
        Value::Sequence(items) => !items.is_empty(),
        _ => false,
    };
    text.push(if nested { '\n' } else { ' ' });
    block(value, indent + 2, text);
}

fn margin(indent: usize, text: &mut String) {
    text.extend(std::iter::repeat_n(' ', indent));
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if is_plain(text) => text.clone(),
        Value::String(text) => quoted(text),
        Value::Sequence(_) => "[]".to_owned(),
        Value::Mapping(_) | Value::Tagged(_) => "{}".to_owned(),
    }
}

/// Whether a text, written without quotes, is read as itself.
fn is_plain(text: &str) -> bool {
    let null_like = matches!(text, "" | "~" | "null" | "Null" | "NULL" | "none" | "<<");
    let first = text.starts_with(|c: char| c.is_alphanumeric() || "$(/._<=".contains(c));
    let inside =
        text.chars().all(|c| !c.is_control() && !super::tree::is_hidden(c) && c != '\u{85}');
    !null_like
        && first
        && inside
        && text.trim() == text
        && !text.ends_with(':')
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.starts_with("...")
}

/// In double quotes, with the escapes of YAML (those of JSON are among them).
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || super::tree::is_hidden(c) => {
                let code = u32::from(c);
                if code > 0xffff {
                    out.push_str(&format!("\\U{code:08X}"));
                } else {
                    out.push_str(&format!("\\u{code:04X}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tree::{Kind, Node, parse};

    fn value(node: &Node) -> Value {
        match &node.kind {
            Kind::Scalar { text, .. } => Value::String(text.clone()),
            Kind::List(items) => Value::Sequence(items.iter().map(value).collect()),
            Kind::Map(entries) => Value::Mapping(
                entries.iter().map(|e| (Value::String(e.key.clone()), value(&e.value))).collect(),
            ),
        }
    }

    #[test]
    fn printed_text_reads_back() {
        let text = "a:\n  b: exp(mean=5ms)\n  c:\n    - x: 1\n      y:\n        - z\n    - - p\n      - q\nd: {}\n\
                    e: []\nf: \"a: b\"\ng: \"\"\nh: \"- x\"\ni: \"none\"\nj: \"a\\nb \\u202E\"\nk: p99(latency) <= 4\n\
                    l: Zürich\nm: \" x\"\nn: a:b\no: \"a #b\"\np: $0.5\n";
        let (root, problems) = parse(text, 0, 0);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(print(&value(&root.unwrap())), text);
    }
}
