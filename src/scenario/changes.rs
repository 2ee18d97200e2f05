//! The versions of a design that `set` faults make, typed like a scenario of their own.
//!
//! **Invariant.** There is a version for each combination of changes that can hold together; they are applied
//! in the order in which they began.

use std::collections::BTreeSet;

use super::{
    load::Loader,
    overrides::set,
    problems::Found,
    spec::ScenarioSpec,
    tree::{Kind, Node},
};
use crate::model::{
    fault::FaultSpec,
    versions::{Orders, Version},
};

/// Most versions: servers keep the steps of all.
const MAX_VERSIONS: usize = 100;
/// Most nodes of all versions together: each is checked as a whole design.
const MAX_VERSION_NODES: usize = 1_000_000;

/// When a dated change begins and ends.
fn span(fault: &FaultSpec) -> Option<(u64, u64)> {
    fault.set.as_ref()?;
    let at = fault.at?.0;
    Some((at, fault.for_.map_or(u64::MAX, |length| at.saturating_add(length.0))))
}

/// The changes that hold together at some time, as numbers of faults, each combination once; more than
/// [`MAX_VERSIONS`] are not all listed. Those that come after an alert may come at any time.
fn combinations(spec: &ScenarioSpec) -> Vec<Vec<usize>> {
    let orders = Orders::new(&spec.faults, &spec.nodes);
    let spans: Vec<Option<(u64, u64)>> = spec.faults.iter().map(span).collect();
    let instants: BTreeSet<u64> = spans.iter().flatten().flat_map(|s| [s.0, s.1]).collect();
    let mut all = vec![Vec::new()];
    let mut seen = BTreeSet::from([Vec::new()]);
    for at in instants.into_iter().filter(|&t| t < spec.duration.0) {
        let holds = |s: &Option<(u64, u64)>| s.is_some_and(|s| s.0 <= at && at < s.1);
        let mut active: Vec<usize> = (0..spans.len()).filter(|&i| holds(&spans[i])).collect();
        active.sort_by_key(|&i| spans[i]);
        let active = orders.normal(&active);
        if seen.insert(active.clone()) {
            all.push(active);
        }
    }
    // A deployment reaches an instance at any time, if at all.
    let follows = |fault: &FaultSpec| {
        fault.set.is_some() && fault.after.is_some()
            || fault.deploy.as_ref().is_some_and(|d| !d.set.is_empty())
    };
    let after: Vec<usize> = (0..spans.len()).filter(|&i| follows(&spec.faults[i])).collect();
    let mut next = 0;
    while next < all.len() && all.len() <= MAX_VERSIONS {
        for &one in after.iter().filter(|one| !all[next].contains(one)).collect::<Vec<_>>() {
            let more = orders.with(&all[next], one).into_iter();
            all.extend(more.filter(|order| seen.insert(order.clone())));
        }
        next += 1;
    }
    // Nothing changed: the file itself.
    all.remove(0);
    all
}

/// What a fault sets to `none` is no entry of a map to the reader, and yet a change.
fn switched_off(spec: &mut ScenarioSpec, written: &[Node]) {
    for (fault, node) in spec.faults.iter_mut().zip(written) {
        let Some(Kind::Map(values)) = node.get("set").map(|set| &set.kind) else { continue };
        for entry in values.iter().filter(|entry| entry.value.is_none()) {
            let set = fault.set.get_or_insert_default();
            set.insert(entry.key.clone(), serde_json::Value::Null);
        }
    }
}

impl Loader<'_> {
    /// Reads the versions of a scenario; `tree` is what it was read from.
    pub(super) fn changes(&mut self, spec: &mut ScenarioSpec, tree: &Node) {
        let faults = tree.get("faults");
        let Some(Kind::List(written)) = faults.map(|f| &f.kind) else { return };
        switched_off(spec, written);
        let combinations = combinations(spec);
        let mut bare = tree.clone();
        if let Kind::Map(entries) = &mut bare.kind {
            entries.retain(|e| {
                !matches!(
                    e.key.as_str(),
                    "variants" | "faults" | "slos" | "expect" | "alerts" | "budgets"
                )
            });
        }
        let nodes = bare.size().saturating_mul(combinations.len());
        if combinations.len() > MAX_VERSIONS || nodes > MAX_VERSION_NODES {
            let message = "the planned changes are too many for a scenario of this size";
            let mut found = Found::error("E-LIMIT", written[0].span, message).path("faults");
            if spec.faults.iter().any(|fault| fault.after.is_some() || fault.deploy.is_some()) {
                let help = "deployments and those `after` an alert may hold in any combination with \
                            others: fewer of them, or fewer dated ones";
                found = found.help(help);
            }
            self.found.push(found);
            return;
        }
        for faults in combinations {
            let Some(changed) = self.version(&bare, (spec, written), &faults) else { return };
            spec.versions.push(Version { faults, nodes: changed.nodes });
        }
    }

    /// The scenario once these faults have set what they set.
    fn version(
        &mut self,
        bare: &Node,
        (spec, written): (&ScenarioSpec, &[Node]),
        active: &[usize],
    ) -> Option<ScenarioSpec> {
        let mut tree = bare.clone();
        for &fault in active {
            let deploy = spec.faults[fault].deploy.as_ref();
            let node = deploy.and_then(|deploy| spec.nodes.get(&deploy.node));
            let (under, start) = match (deploy, node) {
                (Some(deploy), Some(node)) if node.kind().restarts() => {
                    let kind = node.kind().facts().kind;
                    ("deploy.set", format!("nodes.{}.{kind}.", deploy.node.0))
                }
                // That there is no such node to deploy is told later.
                (Some(_), _) => continue,
                (None, _) => ("set", String::new()),
            };
            let values = under.split('.').try_fold(&written[fault], |at, key| at.get(key));
            let Some(Kind::Map(values)) = values.map(|values| &values.kind) else { continue };
            for entry in values {
                let path = format!("{start}{}", entry.key);
                if let Err(mut found) = set(&mut tree, &path, entry.key_span, entry.value.clone()) {
                    found.problem.path = format!("faults[{fault}].{under}.\"{}\"", entry.key);
                    self.found.push(found);
                    return None;
                }
            }
        }
        let id =
            |&fault: &usize| written[fault].get("id").and_then(|id| id.text().map(str::to_owned));
        let by = active.last().and_then(id).unwrap_or_default();
        self.typed(&tree, Some(&format!("once `{by}` has set it")))
    }
}
