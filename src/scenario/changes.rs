//! The versions of a design that `set` faults make, typed like a scenario of their own.
//!
//! **Invariant.** A version holds from the instant at which some planned change begins or ends to the
//! next; where several hold, they are applied in the order in which they began.

use std::collections::BTreeSet;

use super::{
    load::Loader,
    overrides::set,
    problems::Found,
    spec::ScenarioSpec,
    tree::{Kind, Node},
};
use crate::model::{fault::FaultSpec, versions::Version};

/// Most versions: servers keep the steps of all.
const MAX_VERSIONS: usize = 100;
/// Most nodes of all versions together: each is checked as a whole design.
const MAX_VERSION_NODES: usize = 1_000_000;

/// When a planned change begins and ends.
fn span(fault: &FaultSpec) -> Option<(u64, u64)> {
    fault.set.as_ref()?;
    let at = fault.at?.0;
    Some((at, fault.for_.map_or(u64::MAX, |length| at.saturating_add(length.0))))
}

impl Loader<'_> {
    /// Reads the versions of a scenario; `tree` is what it was read from.
    pub(super) fn changes(&mut self, spec: &mut ScenarioSpec, tree: &Node) {
        let spans: Vec<Option<(u64, u64)>> = spec.faults.iter().map(span).collect();
        let instants: BTreeSet<u64> = spans.iter().flatten().flat_map(|s| [s.0, s.1]).collect();
        let instants: Vec<u64> = instants.into_iter().filter(|&t| t < spec.duration.0).collect();
        let faults = tree.get("faults");
        let Some(Kind::List(written)) = faults.map(|f| &f.kind) else { return };
        let mut bare = tree.clone();
        if let Kind::Map(entries) = &mut bare.kind {
            entries.retain(|e| !matches!(e.key.as_str(), "variants" | "faults" | "slos"));
        }
        let nodes = bare.size().saturating_mul(instants.len());
        if instants.len() > MAX_VERSIONS || nodes > MAX_VERSION_NODES {
            let message = "the planned changes are too many for a scenario of this size";
            self.found.push(Found::error("E-LIMIT", written[0].span, message).path("faults"));
            return;
        }
        for at in instants {
            let holds = |s: &Option<(u64, u64)>| s.is_some_and(|s| s.0 <= at && at < s.1);
            let mut active: Vec<usize> = (0..spans.len()).filter(|&i| holds(&spans[i])).collect();
            active.sort_by_key(|&i| spans[i]);
            let Some(changed) = self.version(&bare, written, &active) else { return };
            spec.versions.push(Version { at, faults: active, nodes: changed.nodes });
        }
    }

    /// The scenario once these faults have set what they set.
    fn version(&mut self, bare: &Node, written: &[Node], active: &[usize]) -> Option<ScenarioSpec> {
        let mut tree = bare.clone();
        for &fault in active {
            let Some(Kind::Map(values)) = written[fault].get("set").map(|s| &s.kind) else {
                continue;
            };
            for entry in values {
                if let Err(mut found) =
                    set(&mut tree, &entry.key, entry.key_span, entry.value.clone())
                {
                    found.problem.path = format!("faults[{fault}].set.\"{}\"", entry.key);
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
