//! `extends`, `variants` and `--set`: one tree laid over another, or one value put at a path.
//!
//! **Invariant.** What is put into a tree keeps the place it was written at, so that a problem with
//! it is shown there.

use super::{
    problems::{Found, shown, suggest},
    tree::{Entry, Kind, MAX_DEPTH, Node, Span, is_said_to_be_none},
};

/// Maps whose keys are the author's own names: a path may not invent one on its way to a part.
pub(super) const NAMED: &[&str] = &[
    "nodes",
    "clients",
    "alerts",
    "budgets",
    "operations",
    "endpoints",
    "attributes",
    "regions",
    "keys",
];

/// Lays `over` on `base`: maps merge, anything else is replaced; under `nodes`, another kind
/// replaces the node.
pub(super) fn merge(base: &mut Node, over: Node) {
    merge_at(base, over, 0, false);
}

fn merge_at(base: &mut Node, over: Node, depth: usize, in_nodes: bool) {
    let span = over.span;
    match (&mut base.kind, over.kind) {
        (Kind::Map(entries), Kind::Map(news))
            if !(in_nodes && depth == 2 && differ(entries, &news)) =>
        {
            for new in news {
                match entries.iter_mut().find(|e| e.key == new.key) {
                    Some(entry) => {
                        let in_nodes = if depth == 0 { new.key == "nodes" } else { in_nodes };
                        entry.key_span = new.key_span;
                        merge_at(&mut entry.value, new.value, depth + 1, in_nodes);
                    }
                    None => entries.push(new),
                }
            }
        }
        (_, kind) => *base = Node::new(kind, span),
    }
}

/// Whether two nodes of the design are of different kinds.
fn differ(a: &[Entry], b: &[Entry]) -> bool {
    match (a, b) {
        ([a], [b]) => a.key != b.key,
        _ => false,
    }
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A key of a map, or the `id` or number of a list's item.
    Key(String),
    /// The number of a list's item.
    Index(usize),
}

/// Splits `nodes.api.service.endpoints.browse[0].work`; a key with dots stands in double quotes.
pub(super) fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (number, after) = after.split_once(']')?;
            steps.push(Step::Index(number.parse().ok()?));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('"') {
            let (key, after) = after.split_once('"')?;
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            if end == 0 {
                return None;
            }
            steps.push(Step::Key(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        match rest.strip_prefix('.') {
            Some("") => return None,
            Some(after) => rest = after,
            None if rest.is_empty() || rest.starts_with('[') => {}
            None => return None,
        }
    }
    (!steps.is_empty() && steps.len() <= MAX_DEPTH).then_some(steps)
}

/// Puts `value` at `path`; `at` is where the path is written.
pub(super) fn set(root: &mut Node, path: &str, at: Span, value: Node) -> Result<(), Found> {
    let unknown = |message: String, help: Option<String>| {
        let mut found = Found::error("E-REF", at, message).path(path);
        found.problem.help = help;
        found
    };
    let Some(steps) = steps(path) else {
        return Err(unknown(
            format!("`{}` is not a path", shown(path)),
            Some("such as `nodes.api.service.instances` or `slos[0]`".to_owned()),
        ));
    };
    let mut node = root;
    let mut parent = String::new();
    let last = steps.len() - 1;
    for (number, step) in steps.iter().enumerate() {
        let kind = number == 2 && steps[0] == Step::Key("nodes".to_owned());
        let strict = number == 0 || kind || NAMED.contains(&parent.as_str());
        let place = Place { strict, last: number == last };
        match step_into(node, step, &place, at, &value) {
            Ok(Some(next)) => node = next,
            Ok(None) => return Ok(()),
            Err((message, help)) => return Err(unknown(message, help)),
        }
        if let Step::Key(key) = step {
            parent.clone_from(key);
        }
    }
    *node = value;
    Ok(())
}

/// Where on a path a step is.
struct Place {
    /// What is missing here may not be made up on the way to a part of it.
    strict: bool,
    last: bool,
}

type Miss = (String, Option<String>);

/// The node one step further; `None` when the step deleted an item.
fn step_into<'n>(
    node: &'n mut Node,
    step: &Step,
    place: &Place,
    at: Span,
    value: &Node,
) -> Result<Option<&'n mut Node>, Miss> {
    match (&mut node.kind, step) {
        (Kind::Map(entries), Step::Key(key)) => {
            if let Some(index) = entries.iter().position(|e| e.key == *key) {
                // Problems with what is put there are about the path that was written.
                entries[index].key_span = if place.last { at } else { entries[index].key_span };
                return Ok(Some(&mut entries[index].value));
            }
            let names = entries.iter().map(|e| e.key.as_str());
            if place.last && value.is_none() && !is_said_to_be_none(key) {
                let message = format!("there is no `{}` here to delete", shown(key));
                return Err((message, suggest(key, names)));
            }
            if !place.last && place.strict {
                let help = whole_path(entries, key).or_else(|| suggest(key, names));
                return Err((format!("there is no `{}` in this scenario", shown(key)), help));
            }
            entries.push(Entry { key: key.clone(), key_span: at, value: Node::empty_map(at) });
            Ok(entries.last_mut().map(|e| &mut e.value))
        }
        (Kind::List(items), step) => {
            let index = match step {
                Step::Index(index) => Some(*index),
                Step::Key(key) => key.parse().ok().or_else(|| with_id(items, key)),
            };
            // The number after the last one adds an item.
            if place.last
                && index == Some(items.len())
                && matches!(step, Step::Index(_))
                && !value.is_none()
            {
                items.push(Node::empty_map(at));
            }
            let Some(index) = index.filter(|i| *i < items.len()) else {
                return Err((
                    format!("this list has no such item ({} items)", items.len()),
                    ids(items),
                ));
            };
            if place.last && value.is_none() {
                items.remove(index);
                return Ok(None);
            }
            Ok(Some(&mut items[index]))
        }
        (Kind::Map(_), Step::Index(index)) => {
            Err((format!("`[{index}]` reaches into a list, and this is a map"), None))
        }
        (Kind::Scalar { text, .. }, _) => {
            Err((format!("`{}` has no parts to reach into", shown(text)), None))
        }
    }
}

/// The number of the item with this `id`.
pub(super) fn with_id(items: &[Node], id: &str) -> Option<usize> {
    items.iter().position(|item| item.get("id").and_then(Node::text) == Some(id))
}

fn ids(items: &[Node]) -> Option<String> {
    let ids: Vec<String> = items
        .iter()
        .filter_map(|i| Some(format!("`{}`", shown(i.get("id")?.text()?))))
        .take(20)
        .collect();
    (!ids.is_empty()).then(|| format!("items by id: {}", ids.join(", ")))
}

/// Where a node or client stands that was meant by its name alone.
fn whole_path(entries: &[Entry], name: &str) -> Option<String> {
    let inside = |of: &str| {
        let found = entries.iter().find(|entry| entry.key == of)?;
        let Kind::Map(named) = &found.value.kind else { return None };
        named.iter().find(|entry| entry.key == name)
    };
    if inside("clients").is_some() {
        return Some(format!("the whole path is wanted: `clients.{name}`"));
    }
    let Kind::Map(kinds) = &inside("nodes")?.value.kind else { return None };
    let kind = &kinds.first()?.key;
    Some(format!("the whole path is wanted: `nodes.{name}.{kind}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tree::parse;

    fn tree(text: &str) -> Node {
        parse(text, 0, 0).0.unwrap()
    }

    fn at<'n>(node: &'n Node, path: &[&str]) -> Option<&'n str> {
        path.iter().try_fold(node, |n, key| n.get(key)).and_then(Node::text)
    }

    #[test]
    fn maps_merge_lists_are_replaced_and_another_kind_replaces_the_node() {
        let mut base = tree(
            "nodes: {a: {service: {cores: 1, work: 2ms}}, b: {store: {read: 1ms}}}\nslos: [x]",
        );
        merge(
            &mut base,
            tree("nodes: {a: {service: {cores: 4}}, b: {external: {latency: 3ms}}}\nslos: [y, z]"),
        );
        assert_eq!(at(&base, &["nodes", "a", "service", "cores"]), Some("4"));
        assert_eq!(at(&base, &["nodes", "a", "service", "work"]), Some("2ms"));
        assert!(base.get("nodes").unwrap().get("b").unwrap().get("store").is_none());
        assert!(matches!(&base.get("slos").unwrap().kind, Kind::List(items) if items.len() == 2));
    }

    #[test]
    fn paths_reach_keys_and_items() {
        let mut root =
            tree("nodes: {a: {service: {endpoints: {b: [{id: x, work: 1ms}, {work: 2ms}]}}}}");
        for (path, value) in [
            ("nodes.a.service.endpoints.b[1].work", "7ms"),
            ("nodes.a.service.endpoints.b.x.work", "8ms"),
            ("nodes.a.service.cores", "4"),
            ("nodes.a.service.dependencies.db.timeout", "1s"),
        ] {
            set(&mut root, path, Span::default(), tree(value)).unwrap();
        }
        let service = root.get("nodes").unwrap().get("a").unwrap().get("service").unwrap();
        assert_eq!(at(service, &["cores"]), Some("4"));
        assert_eq!(at(service, &["dependencies", "db", "timeout"]), Some("1s"));
        let Kind::List(items) = &service.get("endpoints").unwrap().get("b").unwrap().kind else {
            panic!("a list");
        };
        assert_eq!(
            (at(&items[0], &["work"]), at(&items[1], &["work"])),
            (Some("8ms"), Some("7ms"))
        );
    }

    #[test]
    fn the_number_after_the_last_adds_an_item() {
        let mut root = tree("faults: [{id: a}]");
        set(&mut root, "faults[1]", Span::default(), tree("{id: b}")).unwrap();
        let Some(Kind::List(items)) = root.get("faults").map(|f| &f.kind) else { panic!("a list") };
        let ids: Vec<_> = items.iter().map(|item| at(item, &["id"])).collect();
        assert_eq!(ids, [Some("a"), Some("b")]);
        let none = tree("none");
        assert!(set(&mut root, "faults[2]", Span::default(), none).is_err());
    }

    #[test]
    fn wrong_paths_are_told_with_a_suggestion() {
        for (path, value, phrase) in [
            ("nodes.apy.service.cores", "4", "did you mean `api`"),
            ("nodes.api.servise.cores", "4", "did you mean `service`"),
            ("nodes.api.service.coers", "none", "did you mean `cores`"),
            ("nodes.api.service.cores.x", "4", "no parts"),
            ("nodes..api", "4", "not a path"),
            ("nodes.", "4", "not a path"),
            ("slos[7]", "4", "no such item"),
        ] {
            let mut root = tree("nodes: {api: {service: {cores: 1}}}\nslos: [a]");
            let found = set(&mut root, path, Span::default(), tree(value)).unwrap_err().problem;
            let said = format!("{} {}", found.message, found.help.unwrap_or_default());
            assert!(said.contains(phrase), "{path}: {said}");
        }
    }
}
