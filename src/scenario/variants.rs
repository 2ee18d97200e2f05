//! The variants of a scenario: each a scenario of its own, checked as one.
//!
//! **Invariant.** What is wrong with a variant is told where its value stands, with the variant's name; what is wrong
//! without it too is not told again.

use super::{
    load::{Files, Loaded, Loader, MAX_VARIANT_NODES, OF_FILE},
    overrides::{NAMED, set},
    places,
    places::locate,
    problems::{Found, shown, suggest},
    spec::ScenarioSpec,
    tree::{Entry, Kind, Node, Span},
};
use crate::problem::{Problem, Severity};

/// What `--set` puts where: the path, where that is written, and the value.
pub(super) type Setting = (String, Span, Node);

/// Nothing is read twice.
struct Nothing;

impl Files for Nothing {
    fn read(&self, _path: &str) -> Result<Vec<u8>, String> {
        Err("is not read".to_owned())
    }
}

impl Loader<'_> {
    /// Checks the types of every variant.
    pub(super) fn variants(&mut self, tree: &Node) {
        let Some(Kind::Map(variants)) = tree.get("variants").map(|v| &v.kind) else { return };
        let bare = without(tree, &["variants"]);
        if bare.size().saturating_mul(variants.len()) > MAX_VARIANT_NODES {
            let span = variants[0].key_span;
            let message = "the variants are too many for a scenario of this size";
            self.found.push(Found::error("E-LIMIT", span, message).path("variants"));
            return;
        }
        for variant in variants.iter().filter(|v| !v.value.is_none()) {
            let mut tree = bare.clone();
            if self.vary(&mut tree, &variant.key, &variant.value) {
                self.typed(&tree, Some(&within(&variant.key)));
            }
            if self.found.len() > 100 {
                return;
            }
        }
    }

    /// Puts the values of a variant into a tree.
    fn vary(&mut self, tree: &mut Node, name: &str, variant: &Node) -> bool {
        let Kind::Map(entries) = &variant.kind else { return false };
        let before = self.found.len();
        for entry in entries {
            if let Err(mut found) = set(tree, &entry.key, entry.key_span, entry.value.clone()) {
                found.problem.path = format!("variants.{name}.{}", places::quoted(&entry.key));
                self.found.push(found);
            }
        }
        self.found.len() == before
    }

    /// The tree with the variant asked for.
    pub(super) fn chosen(&mut self, tree: &Node, name: &str) -> Option<Node> {
        if let Some(variant) = tree.get("variants").and_then(|v| v.get(name)) {
            // What the file is to show is not what another design is to show.
            let mut varied = without(tree, &OF_FILE);
            return self.vary(&mut varied, name, variant).then_some(varied);
        }
        let text = format!("--variant {name}");
        let span = self.typed_in("--variant", &text);
        let message = format!("there is no variant `{}`", shown(name));
        let mut found = Found::error("E-REF", Span { start: 10, ..span }, message);
        if let Some(Kind::Map(entries)) = tree.get("variants").map(|v| &v.kind) {
            found.problem.help = suggest(name, entries.iter().map(|e| e.key.as_str()));
        }
        self.found.push(found);
        None
    }
}

impl Loaded {
    /// Why variants cannot be run though the file can. Their warnings are told when they are run.
    pub fn varied(&self, check: &dyn Fn(&ScenarioSpec) -> Vec<Problem>) -> Vec<Found> {
        let Some((tree, sets)) = &self.base else { return Vec::new() };
        let Some(Kind::Map(variants)) = tree.get("variants").map(|v| &v.kind) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for variant in variants.iter().filter(|v| !v.value.is_none()) {
            let replaced = replaced(tree, variant);
            let errors = Self::variant(tree, sets, variant, check);
            match replaced {
                // All that is missing follows from that.
                Some(mut replaced) if !errors.is_empty() => {
                    replaced.problem.severity = Severity::Error;
                    replaced.problem.code = "E-REPLACED";
                    found.push(replaced);
                }
                replaced => found.extend(errors.into_iter().chain(replaced)),
            }
            if found.len() > 100 {
                break;
            }
        }
        found
    }

    fn variant(
        tree: &Node,
        sets: &[Setting],
        variant: &Entry,
        check: &dyn Fn(&ScenarioSpec) -> Vec<Problem>,
    ) -> Vec<Found> {
        let mut loader = Loader::new(&Nothing, "");
        let Some(mut varied) = loader.chosen(tree, &variant.key) else { return Vec::new() };
        for (path, at, value) in sets {
            // What a variant has no place for is told when both are asked for.
            set(&mut varied, path, *at, value.clone()).ok();
        }
        let Some(mut spec) = loader.typed(&varied, None) else { return Vec::new() };
        loader.changes(&mut spec, &varied);
        let mut found = loader.found;
        found.extend(check(&spec).into_iter().map(|problem| {
            let span = Some(locate(&varied, &problem.path, problem.at_key));
            Found { problem, span, also: None }
        }));
        found.retain(Found::is_error);
        for f in &mut found {
            f.problem.message = format!("{} ({})", f.problem.message, within(&variant.key));
        }
        found
    }
}

fn within(variant: &str) -> String {
    format!("in variant `{variant}`")
}

/// A warning of a variant that gives one of several named things by its place and so leaves out the others.
fn replaced(tree: &Node, variant: &Entry) -> Option<Found> {
    let Kind::Map(entries) = &variant.value.kind else { return None };
    entries.iter().find_map(|entry| {
        let named = |key: &&str| NAMED.contains(key) || *key == "dependencies";
        let last = entry.key.rsplit('.').next().filter(named)?;
        let before = entry.key.split('.').try_fold(tree, |node, key| node.get(key))?;
        let (Kind::Map(before), Kind::Map(now)) = (&before.kind, &entry.value.kind) else {
            return None;
        };
        let kept = now.iter().find(|e| before.iter().any(|b| b.key == e.key))?;
        let gone: Vec<String> = before
            .iter()
            .filter(|b| now.iter().all(|e| e.key != b.key))
            .map(|b| format!("`{}`", shown(&b.key)))
            .collect();
        let first = gone.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
        let more =
            if gone.len() > 3 { format!(" and {} more", gone.len() - 3) } else { String::new() };
        let message =
            format!("this is all of `{last}`: {first}{more} are gone ({})", within(&variant.key));
        let mut path = format!("{}.{}", entry.key, kept.key);
        let mut value = &kept.value;
        while let Kind::Map(parts) = &value.kind
            && let [part] = parts.as_slice()
        {
            path = format!("{path}.{}", part.key);
            value = &part.value;
        }
        let value = value.text().unwrap_or("..");
        let found = Found::warning("W-REPLACED", entry.key_span, message);
        let found = found.path(format!("variants.{}.{}", variant.key, places::quoted(&entry.key)));
        let found = found.help(format!(
            "to change a part write its path: `{}: {}`",
            shown(&path),
            shown(value)
        ));
        (!gone.is_empty()).then_some(found)
    })
}

/// A tree without these keys.
pub(super) fn without(tree: &Node, keys: &[&str]) -> Node {
    let Kind::Map(entries) = &tree.kind else { return tree.clone() };
    let kept = entries.iter().filter(|e| !keys.contains(&e.key.as_str())).cloned().collect();
    Node::new(Kind::Map(kept), tree.span)
}
