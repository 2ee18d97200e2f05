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
    model::{
        build::Assembly, client::KeyLaw, demand::Demand, kind::Kind, kinds::NodeSpec, names::Names,
        route::Route, service::StepSpec,
    },
    problem::Problems,
    units::{Name, show::count},
};

/// Most keys that are put in before a run.
const MOST: u64 = 50_000_000;

/// Keys a cache is asked for.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    /// The node they are of: its place among those behind the cache.
    source: usize,
    law: KeyLaw,
    /// Requests per second, where that is known of all; else 1.
    weight: f64,
}

impl Names {
    /// What a cache is asked for, by whom and how often.
    fn asked(&self, cache: &str, sources: &[String]) -> Vec<Asked> {
        // Who reads past it: the service, the node behind it, the key.
        let mut readers: Vec<(&str, usize, Option<&Name>)> = Vec::new();
        for (name, spec) in &self.design.nodes {
            let NodeSpec::Service(service) = spec else { continue };
            for steps in service.lists() {
                reads(steps, cache, &mut |store, key| {
                    let source = sources.iter().position(|source| source == store);
                    readers.extend(source.map(|source| (name.0.as_str(), source, key)));
                });
            }
        }
        let direct = readers.is_empty().then_some((cache, 0, None));
        let calls = self.calls();
        let mut asking: Vec<(Option<f64>, Vec<(usize, &KeyLaw)>)> = Vec::new();
        for client in self.design.clients.values() {
            let reached = self.reached_by(client, &calls, |call| !call.by_itself);
            let mut laws = Vec::new();
            for &(node, source, key) in readers.iter().chain(&direct) {
                let law = client.keys.as_ref().and_then(|keys| keys.law(key));
                let comes = reached.iter().any(|&at| self.name(at) == node);
                let new = law.map(|law| (source, law)).filter(|new| comes && !laws.contains(new));
                laws.extend(new);
            }
            if !laws.is_empty() {
                asking.push((client.mean_rate(), laws));
            }
        }
        let known = asking.iter().all(|(rate, _)| rate.is_some());
        let mut found: Vec<Asked> = Vec::new();
        for (rate, laws) in asking {
            let weight = rate.filter(|_| known).unwrap_or(1.0);
            for (source, law) in laws {
                let same = |asked: &&mut Asked| asked.source == source && asked.law == *law;
                match found.iter_mut().find(same) {
                    Some(asked) => asked.weight += weight,
                    None => found.push(Asked { source, law: law.clone(), weight }),
                }
            }
        }
        found
    }
}

/// Every read of these steps that looks into a cache first: its store and its key.
fn reads<'s>(steps: &'s [StepSpec], cache: &str, found: &mut dyn FnMut(&str, Option<&'s Name>)) {
    for step in steps {
        if let (Some((tiers, None)), Some((store, _, key, _))) = (step.caching(), step.target())
            && tiers.0.iter().any(|tier| tier.0 == cache)
        {
            found(&store, key);
        }
        step.inner().iter().for_each(|(_, steps)| reads(steps, cache, found));
    }
}

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
    let mut route = Route::new(spec, names, assembly.prepared);
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

/// Whether a cache can be filled before the run.
pub fn check(spec: &CacheSpec, path: &str, names: &Names, problems: &mut Problems) {
    let Some(share) = spec.prefill else { return };
    let at = format!("{path}.prefill");
    if share.0 <= 0.0 || share.0 > 1.0 {
        return problems.error("E-RANGE", at, "must be above 0 and at most 100%");
    }
    let cache = path.split('.').nth(1).unwrap_or_default();
    let sources = names.design.sources(true).remove(cache).unwrap_or_default();
    let asked = names.asked(cache, &sources);
    if asked.is_empty() {
        let message = "nobody asks for keys here, so there are none to fill it with";
        return problems.error("E-CONFLICT", at, message);
    }
    for source in &sources {
        let store = names.node(source).map(|id| names.spec(id));
        if let Some(NodeSpec::Store(store)) = store
            && store.value_size.as_ref().is_some_and(|size| size.attributes().next().is_some())
        {
            let message = format!(
                "the size of a value of `{source}` depends on who asks, and nobody has yet"
            );
            problems.error("E-CONFLICT", &at, message);
        }
    }
    let all = asked.iter().filter_map(|asked| asked.law.count());
    let all = all.fold(0u64, u64::saturating_add);
    let instances = spec.routed();
    let held = match spec.capacity {
        Some(Capacity::Entries(n)) => n.saturating_mul(instances).min(all),
        _ => all,
    };
    if held > MOST {
        let message = format!("{} keys are too many to be put in before a run", count(held));
        problems.error_help("E-LIMIT", at, message, format!("at most {}", count(MOST)));
    }
}
