//! Where nodes stand in a tree, and what stands beside them.
//!
//! **Invariant.** Nothing here changes a tree.

use std::collections::BTreeSet;

use super::{
    overrides::{self, Step, steps},
    problems::shown,
    tree::{Entry, Kind, Node, Span},
};

/// Collects the poisoned nodes of a tree.
pub(super) fn poisoned(node: &Node, bad: &mut BTreeSet<*const Node>) {
    if node.poisoned.get() {
        bad.insert(std::ptr::from_ref(node));
    }
    match &node.kind {
        Kind::Scalar { .. } => {}
        Kind::List(items) => items.iter().for_each(|item| poisoned(item, bad)),
        Kind::Map(entries) => entries.iter().for_each(|e| poisoned(&e.value, bad)),
    }
}

/// The map a node stands in, and at which of its entries.
pub(super) fn parent<'n>(root: &'n Node, target: &Node) -> Option<(&'n [Entry], usize)> {
    match &root.kind {
        Kind::Scalar { .. } => None,
        Kind::List(items) => items.iter().find_map(|item| parent(item, target)),
        Kind::Map(entries) => entries
            .iter()
            .position(|e| std::ptr::eq(&raw const e.value, target))
            .map(|at| (entries.as_slice(), at))
            .or_else(|| entries.iter().find_map(|e| parent(&e.value, target))),
    }
}

/// The key without a value that an unknown key follows: its content, indented too little.
pub(super) fn empty_above<'n>(entries: &'n [Entry], unknown: &Entry) -> Option<&'n Entry> {
    let at = entries.iter().position(|e| std::ptr::eq(e, unknown))?;
    let above =
        entries[..at].iter().rev().find(|e| !e.value.poisoned.get() || e.value.is_null())?;
    above.value.is_null().then_some(above)
}

/// Whether a value is a map with one of these keys: a node by itself.
pub(super) fn is_one_of(value: &Node, known: &[&str]) -> bool {
    matches!(&value.kind, Kind::Map(entries)
        if entries.first().is_some_and(|e| known.contains(&e.key.as_str())))
}

/// The path of a node of the tree, and where its key stands, if it has one.
pub(super) fn place(root: &Node, target: &Node) -> Option<(String, Option<Span>)> {
    if std::ptr::eq(root, target) {
        return Some((String::new(), None));
    }
    match &root.kind {
        Kind::Scalar { .. } => None,
        Kind::List(items) => items.iter().enumerate().find_map(|(index, item)| {
            let (rest, key) = place(item, target)?;
            Some((format!("[{index}]{}", joined(&rest)), key))
        }),
        Kind::Map(entries) => entries.iter().find_map(|entry| {
            let (rest, key) = place(&entry.value, target)?;
            let key = if rest.is_empty() { Some(entry.key_span) } else { key };
            Some((format!("{}{}", quoted(&entry.key), joined(&rest)), key))
        }),
    }
}

/// The first key of a map, or the beginning of a list.
pub(super) fn head(node: &Node) -> Span {
    match &node.kind {
        Kind::Scalar { .. } => node.span,
        Kind::List(_) => Span { end: node.span.start + 1, ..node.span },
        Kind::Map(entries) => entries.first().map_or(node.span, |e| e.key_span),
    }
}

pub(super) fn joined(rest: &str) -> String {
    if rest.is_empty() || rest.starts_with('[') { rest.to_owned() } else { format!(".{rest}") }
}

/// A key as it stands in a path.
pub(super) fn quoted(key: &str) -> String {
    let plain = !key.is_empty() && !key.contains(['.', '[', ']', '"']);
    if plain { shown(key) } else { format!("\"{}\"", shown(key)) }
}

/// Where a path stands in a tree, or the nearest part of it.
pub(super) fn locate(tree: &Node, path: &str, at_key: bool) -> Span {
    let mut node = tree;
    let mut key = None;
    let mut complete = true;
    for step in steps(path).unwrap_or_default() {
        let next = match (&node.kind, &step) {
            (Kind::Map(entries), Step::Key(name)) => {
                entries.iter().find(|e| e.key == *name).map(|e| (&e.value, Some(e.key_span)))
            }
            (Kind::List(items), Step::Index(index)) => items.get(*index).map(|i| (i, None)),
            (Kind::List(items), Step::Key(id)) => {
                let index = id.parse().ok().or_else(|| overrides::with_id(items, id));
                index.and_then(|index: usize| items.get(index)).map(|i| (i, None))
            }
            // A short form (`call: db`, one step instead of a list) is located as a whole.
            (_, Step::Index(0)) => Some((node, key)),
            _ => None,
        };
        let Some((value, its_key)) = next else {
            complete = false;
            break;
        };
        (node, key) = (value, its_key);
    }
    let scalar = matches!(node.kind, Kind::Scalar { .. });
    match key {
        Some(key) if !scalar || (at_key && complete) => key,
        _ if scalar => node.span,
        _ => head(node),
    }
}
