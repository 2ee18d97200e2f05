//! The design as a flowchart that pull requests and wikis draw (Mermaid).
//!
//! **Invariant.** Names stand in quotes, so that none of them is a word of the language.

use std::fmt::Write as _;

use super::text::clean;
use crate::{
    node_kind::NodeKind,
    results::{Results, Vertex},
};

/// The flowchart.
#[must_use]
pub fn mermaid(results: &Results) -> Vec<u8> {
    let design = &results.design;
    let mut out = "flowchart LR\n".to_owned();
    let id = |name: &str| design.vertices.iter().position(|of| of.name == name);
    for (i, vertex) in design.vertices.iter().enumerate() {
        let (open, close) = shape(vertex.kind);
        let _ = writeln!(out, "    n{i}{open}\"{}\"{close}", text_of(vertex));
    }
    for edge in &design.edges {
        let (Some(from), Some(to)) = (id(&edge.from), id(&edge.to)) else { continue };
        // What nobody asks for goes along a dotted line.
        let arrow = if edge.is_unasked() { "-.->" } else { "-->" };
        let label = match edge.label.as_str() {
            "" => String::new(),
            label => format!("|\"{}\"|", quoted(label)),
        };
        let _ = writeln!(out, "    n{from} {arrow}{label} n{to}");
    }
    out.into_bytes()
}

/// What a kind looks like.
fn shape(kind: NodeKind) -> (&'static str, &'static str) {
    match kind {
        NodeKind::Client => ("([", "])"),
        NodeKind::LoadBalancer | NodeKind::Dns => ("{{", "}}"),
        NodeKind::Store => ("[(", ")]"),
        NodeKind::Cache => ("[/", "/]"),
        NodeKind::Queue | NodeKind::Topic => ("[[", "]]"),
        NodeKind::External => (">", "]"),
        NodeKind::Service | NodeKind::Function => ("[", "]"),
    }
}

fn text_of(vertex: &Vertex) -> String {
    let mut lines = vec![quoted(&vertex.name)];
    let count =
        if vertex.instances > 1 { format!(" x {}", vertex.instances) } else { String::new() };
    lines.push(format!("{}{count}", quoted(vertex.kind.words())));
    lines.extend((!vertex.detail.is_empty()).then(|| quoted(&vertex.detail)));
    lines.join("<br>")
}

/// Text within quotes, in which neither quotes nor tags stand as such.
fn quoted(text: &str) -> String {
    clean(text).chars().fold(String::new(), |mut out, c| {
        match c {
            '"' | '<' | '>' | '&' | '#' | ';' | '`' => {
                let _ = write!(out, "#{};", c as u32);
            }
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn text(results: &Results) -> String {
        String::from_utf8(mermaid(results)).unwrap()
    }

    #[test]
    fn each_node_is_there_once_and_each_call_joins_two_of_them() {
        let results = fixture::shop();
        let text = text(&results);
        assert!(text.starts_with("flowchart LR\n"));
        let nodes = text.lines().filter(|line| {
            line.trim_start().starts_with('n') && line.contains('"') && !line.contains("->")
        });
        assert_eq!(nodes.count(), results.design.vertices.len());
        assert_eq!(
            text.lines().filter(|line| line.contains("->")).count(),
            results.design.edges.len()
        );
        assert!(text.contains("api<br>service x 8"), "{text}");
    }

    #[test]
    fn payloads_stay_inside_their_quotes() {
        for payload in fixture::PAYLOADS {
            for line in text(&fixture::hostile(payload)).lines() {
                let quotes = line.matches('"').count();
                assert!(quotes == 0 || quotes == 2, "{line}");
                assert!(
                    !line.replace("<br>", "").contains('<') && !line.contains(char::is_control),
                    "{line}"
                );
            }
        }
    }
}
