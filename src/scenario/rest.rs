//! What can be read of a scenario with mistakes in it, so that names and meanings are checked at the
//! same time as shapes: one look at a file tells all that is wrong with it.
//!
//! **Invariant.** Nothing is told that could be a consequence of what is missing: a problem that
//! names something left out, or stands where something was, is kept back until that is mended.

use std::collections::BTreeSet;

use super::{
    de,
    places::locate,
    problems::Found,
    spec::ScenarioSpec,
    tree::{Entry, Kind, Node},
};
use crate::{
    problem::{Problem, Severity},
    units::Name,
};

/// What stands in for keys without which nothing can be read.
const STAND_INS: [(&str, &str); 3] = [("windtunnel", "1"), ("name", "x"), ("duration", "1000d")];

/// Problems that leaving something out cannot cause, once they name nothing of it.
const NAMES: [&str; 3] = ["E-REF", "E-CYCLE", "E-DUP-NAME"];

/// Problems of one value, or of one item of the scenario.
const VALUES: [&str; 5] = ["E-RANGE", "E-DIST", "E-SLO", "E-EXPR", "E-SHARD"];

/// A scenario without its mistakes.
#[derive(Clone, Debug)]
pub struct Rest {
    /// What is left.
    pub spec: ScenarioSpec,
    tree: Node,
    /// The items something was left out of, such as `nodes.api`.
    items: BTreeSet<String>,
    /// All words of what was left out.
    words: BTreeSet<String>,
}

impl Rest {
    /// Reads what is left of a tree whose mistakes are poisoned.
    pub(super) fn read(mut tree: Node, problems: &mut Vec<Found>) -> Option<Self> {
        tree.poisoned.set(false);
        let Kind::Map(entries) = &mut tree.kind else { return None };
        let mut items = BTreeSet::new();
        for (key, text) in STAND_INS {
            if entries.iter().all(|e| e.key != key || e.value.poisoned.get()) {
                items.insert(key.to_owned());
                entries.retain(|e| e.key != key);
                let kind = Kind::Scalar { text: text.to_owned(), quoted: false };
                let value = Node::new(kind, tree.span);
                entries.push(Entry { key: key.to_owned(), key_span: tree.span, value });
            }
        }
        let mut whole = true;
        for key in ["clients", "nodes"] {
            if entries.iter().all(|e| e.key != key || e.value.poisoned.get()) {
                whole = false;
                entries.retain(|e| e.key != key);
                let value = Node::empty_map(tree.span);
                entries.push(Entry { key: key.to_owned(), key_span: tree.span, value });
            }
        }
        let spec = de::read_rest(&tree, problems).filter(|_| whole)?;
        let mut rest =
            Self { spec, tree: Node::empty_map(tree.span), items, words: BTreeSet::new() };
        rest.gather(&tree, &mut Vec::new(), false);
        rest.tree = tree;
        Some(rest)
    }

    /// Walks to what was left out.
    fn gather(&mut self, node: &Node, path: &mut Vec<String>, inside: bool) {
        let out = inside || node.poisoned.get();
        if out {
            self.items.insert(path.iter().take(2).cloned().collect::<Vec<_>>().join("."));
            self.words.extend(path.last().cloned());
            // `Maps` is left out as no name, and `maps` was meant.
            self.words.extend(path.last().map(|name| name.to_lowercase()));
            self.words.extend(node.text().map(str::to_owned));
        }
        let mut step = |rest: &mut Self, name: String, value: &Node| {
            path.push(name);
            rest.gather(value, path, out);
            path.pop();
        };
        match &node.kind {
            Kind::Scalar { .. } => {}
            Kind::List(list) => {
                list.iter().enumerate().for_each(|(i, item)| step(self, format!("[{i}]"), item));
            }
            Kind::Map(entries) => {
                for e in entries {
                    step(self, e.key.clone(), &e.value);
                }
            }
        }
    }

    /// Those of the problems found in what is left that hold for the whole, with their places.
    pub fn keep(&self, problems: Vec<Problem>) -> Vec<Found> {
        // What is asked of a run does not change what holds of the design.
        let asked = |item: &String| {
            ["slos", "faults", "alerts", "budgets"].iter().any(|a| item.starts_with(a))
        };
        let design = self.items.iter().all(asked);
        // Whatever is not found may be what could not be named so.
        let misnamed = |item: &String| {
            let name = item.split_once('.').map(|(_, name)| name);
            name.is_some_and(|name| !name.starts_with('[') && name.parse::<Name>().is_err())
        };
        let misnamed = self.items.iter().any(misnamed);
        let kept = problems.into_iter().filter(|p| {
            let mut item: Vec<&str> = p.path.split('.').take(2).collect();
            let list;
            if let Some((name, index)) = item[0].split_once('[') {
                list = format!("[{index}");
                item = vec![name, &list];
            }
            let path = item.join(".");
            let within = |outer: &str, inner: &str| {
                inner
                    .strip_prefix(outer)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let touched = self.items.iter().any(|i| within(i, &path) || within(&path, i));
            let named = p.message.split('`').skip(1).step_by(2);
            let timed = p.code == "E-SLO"
                && ["duration", "warm_up"].iter().any(|key| self.items.contains(*key));
            let sound = (NAMES.contains(&p.code) && !(misnamed && p.code == "E-REF"))
                || (!touched && !timed && (design || VALUES.contains(&p.code)));
            p.severity == Severity::Error
                && sound
                && (design || !p.absence)
                && named.into_iter().all(|word| !self.words.contains(word))
        });
        let kept = kept.map(|problem| {
            let span = Some(locate(&self.tree, &problem.path, problem.at_key));
            Found { problem, span, also: None }
        });
        kept.collect()
    }
}
