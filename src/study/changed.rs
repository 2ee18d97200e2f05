//! What two designs differ in, by the paths of their resolved texts.
//!
//! **Invariant.** Two texts without a changed path are the same design: they differ at most in how it is called and in
//! what is asked of it.

use crate::scenario::tree::{Kind, Node, parse};

/// What a file says of a design without being part of it.
const BESIDE: [&str; 6] = ["name", "description", "confidence", "slos", "expect", "variants"];

/// The paths of `new` that are not as in `old`, in their order there, then those it no longer has: the highest where a
/// whole block came or went.
pub(super) fn changed(old: &str, new: &str) -> Vec<String> {
    let [old, new] = [old, new].map(|text| parse(text, 0, 0).0);
    let mut found = Vec::new();
    if let Some((old, new)) = old.zip(new) {
        differ("", &old, &new, &mut found);
    }
    found.retain(|path| BESIDE.iter().all(|key| path.split(['.', '[']).next() != Some(*key)));
    found
}

fn differ(path: &str, old: &Node, new: &Node, found: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (&old.kind, &new.kind) {
        (Kind::Map(before), Kind::Map(after)) => {
            for entry in after {
                match old.get(&entry.key) {
                    Some(old) => differ(&below(&entry.key), old, &entry.value, found),
                    None => found.push(below(&entry.key)),
                }
            }
            let gone = before.iter().filter(|entry| new.get(&entry.key).is_none());
            found.extend(gone.map(|entry| below(&entry.key)));
        }
        (Kind::List(before), Kind::List(after)) => {
            for (i, (old, new)) in before.iter().zip(after).enumerate() {
                differ(&format!("{path}[{i}]"), old, new, found);
            }
            let (least, most) = (before.len().min(after.len()), before.len().max(after.len()));
            found.extend((least..most).map(|i| format!("{path}[{i}]")));
        }
        (Kind::Scalar { text: before, .. }, Kind::Scalar { text: after, .. })
            if before == after => {}
        _ => found.push(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_by_its_highest_path() {
        let old = "name: a\nseed: 1\nnodes:\n  api: {service: {cores: 2, work: 5ms}}\n  db: {store: {read: 1ms}}\n\
                   faults: [{id: a, at: 1s}, {id: b, at: 2s}]\nslos: [availability >= 99%]\n";
        for (from, to, paths) in [
            ("name: a", "name: b", &[][..]),
            ("availability >= 99%", "availability >= 98%", &[]),
            ("cores: 2", "cores: 3", &["nodes.api.service.cores"]),
            ("cores: 2, ", "", &["nodes.api.service.cores"]),
            ("cores: 2", "cores: 2, queue: 5", &["nodes.api.service.queue"]),
            ("  db: {store: {read: 1ms}}\n", "", &["nodes.db"]),
            ("store: {read", "cache: {read", &["nodes.db.cache", "nodes.db.store"]),
            ("at: 2s", "at: 3s", &["faults[1].at"]),
            (", {id: b, at: 2s}", "", &["faults[1]"]),
            ("faults: [{id: a, at: 1s}, {id: b, at: 2s}]\n", "", &["faults"]),
        ] {
            let new = old.replace(from, to);
            assert_eq!(changed(old, &new), paths, "{from} -> {to}");
        }
        assert!(changed(old, old).is_empty());
    }
}
