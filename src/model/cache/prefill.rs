//! What a cache holds as the run begins: the most popular keys.
//!
//! **Invariant.** Only keys that requests can ask this cache for, each where its requests look for it, of the size
//! its store gives it, and no more than fits.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, BinaryHeap},
};

use super::{CacheSpec, Capacity, contents::Contents, spaces::space_of};
use crate::{
    engine::{popularity::Popularity, random::mix},
    model::{build::Assembly, cache::asked::Asked, demand::Demand, kinds::NodeSpec, route::Route},
};

/// The keys of a law, the most popular first.
enum Keys {
    Drawn(Popularity),
    /// Those of a file, with the share of each.
    Counted(Vec<(u64, f64)>),
}

/// The same, and how far they have been taken.
struct Ranked {
    asked: Asked,
    keys: Keys,
    next: u64,
}

impl Ranked {
    fn new(asked: Asked, assembly: &Assembly<'_>) -> Self {
        let text = asked.law.to_string();
        let keys = match (assembly.prepared.popularity.get(&text), asked.law.count()) {
            (Some(drawn), _) => Keys::Drawn(drawn.clone()),
            (None, Some(n)) => Keys::Drawn(Popularity::uniform(n)),
            (None, None) => {
                let mut keys = assembly.prepared.keys[&text].to_vec();
                keys.sort_unstable();
                let total = keys.len() as f64;
                let groups = keys.chunk_by(|a, b| a == b);
                let mut counted: Vec<(u64, f64)> =
                    groups.map(|group| (group[0], group.len() as f64 / total)).collect();
                counted.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
                Keys::Counted(counted)
            }
        };
        Self { asked, keys, next: 0 }
    }

    fn count(&self) -> u64 {
        match &self.keys {
            Keys::Drawn(popularity) => popularity.count(),
            Keys::Counted(keys) => keys.len() as u64,
        }
    }

    /// The next key and how often it is asked for.
    fn peek(&self) -> Option<(u64, f64)> {
        let (key, chance) = match &self.keys {
            Keys::Drawn(popularity) => {
                let key = self.next + 1;
                (key <= popularity.count()).then(|| (key, popularity.chance(key)))?
            }
            Keys::Counted(keys) => *keys.get(self.next as usize)?,
        };
        Some((key, self.asked.weight * chance))
    }
}

/// A law by how often its next key is asked for; of equals the first one.
struct Next {
    often: f64,
    key: u64,
    law: usize,
}

impl Ord for Next {
    fn cmp(&self, other: &Self) -> Ordering {
        self.often.total_cmp(&other.often).then(other.law.cmp(&self.law))
    }
}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Next {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Next {}

/// What is put into each instance of a cache: how much room for it there is, what is taken, and the keys.
struct Room {
    most: f64,
    used: f64,
    keys: Vec<(u64, u64)>,
    /// Two laws may have the same keys.
    seen: BTreeSet<u64>,
    full: bool,
}

/// Fills the instances of a cache up to a share of what they hold.
pub fn fill(
    spec: &CacheSpec,
    share: f64,
    path: &str,
    mut instances: Vec<&mut Contents>,
    assembly: &mut Assembly<'_>,
) {
    let cache = path.rsplit('/').next().unwrap_or(path).to_owned();
    let names = assembly.names;
    let sources = names.design.sources(true).remove(&cache).unwrap_or_default();
    let several = names.sources.contains_key(&cache);
    let sizes: Vec<Option<Demand>> =
        sources.iter().map(|source| value_size(source, assembly)).collect();
    let mut laws: Vec<Ranked> = names
        .asked(&cache, &sources)
        .into_iter()
        .map(|asked| Ranked::new(asked, assembly))
        .collect();
    let in_bytes = matches!(spec.capacity, Some(Capacity::Bytes(_)));
    let all: u64 = laws.iter().map(Ranked::count).sum();
    // Without a limit it is a share of all keys, wherever they go.
    let (most, mut left) = match spec.capacity {
        Some(Capacity::Entries(n) | Capacity::Bytes(n)) => (share * n as f64, u64::MAX),
        None => (f64::INFINITY, (share * all as f64) as u64),
    };
    let empty = || Room { most, used: 0.0, keys: Vec::new(), seen: BTreeSet::new(), full: false };
    let mut rooms: Vec<Room> = instances.iter().map(|_| empty()).collect();
    let mut route = Route::to_instance(spec, names, assembly.prepared);
    let inside = matches!(route, Route::Inside);
    let next =
        |law: usize, laws: &[Ranked]| laws[law].peek().map(|(key, often)| Next { often, key, law });
    let mut heap: BinaryHeap<Next> = (0..laws.len()).filter_map(|i| next(i, &laws)).collect();
    while left > 0
        && let Some(Next { key, law, .. }) = heap.pop()
    {
        left -= 1;
        laws[law].next += 1;
        heap.extend(next(law, &laws));
        let source = laws[law].asked.source;
        let size = sizes.get(source).and_then(Option::as_ref).map_or(0, |size| size.of_key(key));
        let weight = if in_bytes { size as f64 } else { 1.0 };
        let held = if several { key ^ space_of(source) } else { key };
        let only = usize::from(route.instance(key, 0));
        let rooms_of = rooms.iter_mut().enumerate().filter(|(i, _)| inside || *i == only);
        for (_, room) in rooms_of.filter(|(_, room)| !room.full) {
            room.full = room.used + weight > room.most;
            if !room.full && room.seen.insert(held) {
                room.used += weight;
                room.keys.push((held, size));
            }
        }
        if rooms.iter().all(|room| room.full) {
            break;
        }
    }
    for (i, (room, contents)) in rooms.into_iter().zip(&mut instances).enumerate() {
        let ages = assembly.stream(&format!("{path}/{i}"), "prefill");
        // The most popular last, as if it was the last to be used; each as old as at any instant.
        for (number, key) in room.keys.into_iter().rev().enumerate() {
            contents.prefill(key, ages.draw(number as u64).unit(), mix(number as u64));
        }
    }
}

/// How large the values of a store are.
fn value_size(source: &str, assembly: &mut Assembly<'_>) -> Option<Demand> {
    let id = assembly.names.node(source)?;
    let NodeSpec::Store(store) = assembly.names.spec(id) else { return None };
    let size = store.value_size.as_ref()?;
    Some(assembly.demand(size, &format!("node/{source}/value_size")))
}
