//! What a cache holds as the run begins: the most popular keys.
//!
//! **Invariant.** Only keys that requests can ask this cache for, each where its requests look for it, of the size
//! its store gives it, and no more than fits.

use std::{cmp::Ordering, collections::BinaryHeap};

use super::{CacheSpec, Capacity, contents::Contents};
use crate::{
    engine::random::{Stream, mix},
    model::{
        build::{Assembly, Names},
        client::{ClientSpec, KeyLaw},
        kind::Kind,
        kinds::NodeSpec,
        route::Route,
        service::{StepSpec, program::Demand},
    },
    problem::Problems,
    units::{Name, show::count},
};

/// Most keys that are put in before a run.
const MOST: u64 = 50_000_000;
/// Terms of a Zipf sum that are added one by one; the rest is an integral.
const TERMS: u64 = 1000;

/// Keys a cache is asked for.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    /// The node they are of: its place among those behind the cache.
    source: usize,
    law: KeyLaw,
    /// Requests per second, where that is known of all; else 1.
    weight: f64,
}

impl Names<'_> {
    /// Whether requests of a client can come to a node.
    fn comes_to(&self, client: &ClientSpec, node: &str) -> bool {
        let mut seen: Vec<String> = Vec::new();
        let operations = client.operations();
        let mut open: Vec<String> = operations
            .iter()
            .flat_map(|(_, o)| o.targets().into_iter().map(|(target, _)| target.0.clone()))
            .collect();
        while let Some(at) = open.pop() {
            if at == node {
                return true;
            }
            if !seen.contains(&at) {
                if let Some(id) = self.node(&at) {
                    let calls = self.kind(id).outgoing("").into_iter();
                    open.extend(calls.filter(|call| !call.by_itself).map(|call| call.target));
                }
                seen.push(at);
            }
        }
        false
    }

    /// What a cache is asked for, by whom and how often.
    fn asked(&self, cache: &str, sources: &[String]) -> Vec<Asked> {
        let clients = || self.design.clients.values();
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
        let rates = clients().map(ClientSpec::mean_rate);
        let known = rates.clone().all(|rate| rate.is_some());
        let mut found = Vec::new();
        for (node, source, key) in readers.into_iter().chain(direct) {
            for (client, rate) in clients().zip(rates.clone()) {
                let Some(law) = client.keys.as_ref().and_then(|keys| keys.law(key)) else {
                    continue;
                };
                let weight = rate.filter(|_| known).unwrap_or(1.0);
                let one = Asked { source, law: law.clone(), weight };
                if self.comes_to(client, node) && !found.contains(&one) {
                    found.push(one);
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

/// The keys of a law, the most popular first, with the chance of each.
struct Ranked {
    asked: Asked,
    /// Of a trace: its keys by how often they come.
    counted: Option<Vec<(u64, f64)>>,
    /// What the chances of a Zipf law are divided by.
    sum: f64,
    next: u64,
}

impl Ranked {
    fn new(asked: Asked, assembly: &Assembly<'_>) -> Self {
        let counted = matches!(asked.law, KeyLaw::Trace { .. }).then(|| {
            let mut keys = assembly
                .prepared
                .keys
                .get(&asked.law.to_string())
                .map_or(Vec::new(), |k| k.to_vec());
            keys.sort_unstable();
            let total = keys.len() as f64;
            let groups = keys.chunk_by(|a, b| a == b);
            let mut counted: Vec<(u64, f64)> =
                groups.map(|group| (group[0], group.len() as f64 / total)).collect();
            counted.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            counted
        });
        let sum = if let KeyLaw::Zipf { n, s } = asked.law { zipf_sum(n, s) } else { 1.0 };
        Self { asked, counted, sum, next: 0 }
    }

    /// The next key and how often it is asked for.
    fn peek(&self) -> Option<(u64, f64)> {
        let rank = self.next + 1;
        let chance = match &self.asked.law {
            KeyLaw::Trace { .. } => {
                let (key, share) = *self.counted.as_ref()?.get(self.next as usize)?;
                return Some((key, self.asked.weight * share));
            }
            KeyLaw::Zipf { n, s } if rank <= *n => libm::pow(rank as f64, -s) / self.sum,
            KeyLaw::Uniform { n } | KeyLaw::Sequential { n } if rank <= *n => 1.0 / *n as f64,
            KeyLaw::Hot { n, hot, share } if rank <= *n => {
                let many = ((*n as f64 * hot.0).round() as u64).clamp(1, *n);
                if rank <= many {
                    share.0 / many as f64
                } else {
                    (1.0 - share.0) / (*n - many) as f64
                }
            }
            _ => return None,
        };
        Some((rank, self.asked.weight * chance))
    }
}

/// The sum of `k^-s` for k up to n.
fn zipf_sum(n: u64, s: f64) -> f64 {
    let few: f64 = (1..=n.min(TERMS)).map(|k| libm::pow(k as f64, -s)).sum();
    if n <= TERMS {
        return few;
    }
    // From half way between two terms on, a sum is nearly its integral.
    let (from, to) = (TERMS as f64 + 0.5, n as f64 + 0.5);
    let rest = if (s - 1.0).abs() < 1e-9 {
        libm::log(to / from)
    } else {
        (libm::pow(to, 1.0 - s) - libm::pow(from, 1.0 - s)) / (1.0 - s)
    };
    few + rest
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
    let all: u64 = laws.iter().map(|law| law.asked.law.many(assembly)).sum();
    // Without a limit it is a share of all keys, wherever they go.
    let (most, mut left) = match spec.capacity {
        Some(Capacity::Entries(n) | Capacity::Bytes(n)) => (share * n as f64, u64::MAX),
        None => (f64::INFINITY, (share * all as f64) as u64),
    };
    let empty = || Room { most, used: 0.0, keys: Vec::new(), full: false };
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
        let held = if several && source > 0 { key ^ mix(source as u64) } else { key };
        let only = usize::from(route.instance(key, 0));
        let rooms_of = rooms.iter_mut().enumerate().filter(|(i, _)| inside || *i == only);
        for (_, room) in rooms_of.filter(|(_, room)| !room.full) {
            room.full = room.used + weight > room.most;
            if !room.full {
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
        put(room.keys, contents, ages);
    }
}

/// Puts keys in, the most popular last, as if it was the last to be used; each as old as at any instant.
fn put(mut keys: Vec<(u64, u64)>, contents: &mut Contents, ages: Stream) {
    // Two laws may have the same keys.
    let mut seen = std::collections::BTreeSet::new();
    keys.retain(|(key, _)| seen.insert(*key));
    for (number, (key, size)) in keys.into_iter().rev().enumerate() {
        contents.prefill((key, size), ages.draw(number as u64).unit(), mix(number as u64));
    }
}

/// How large the values of a store are.
fn value_size(source: &str, assembly: &mut Assembly<'_>) -> Option<Demand> {
    let id = assembly.names.node(source)?;
    let NodeSpec::Store(store) = assembly.names.specs[usize::from(id)] else { return None };
    let size = store.value_size.as_ref()?;
    Some(assembly.demand(size, &format!("node/{source}/value_size")))
}

impl KeyLaw {
    /// How many keys it has.
    fn many(&self, assembly: &Assembly<'_>) -> u64 {
        match self {
            Self::Zipf { n, .. }
            | Self::Uniform { n }
            | Self::Hot { n, .. }
            | Self::Sequential { n } => *n,
            Self::Trace { .. } => {
                assembly.prepared.keys.get(&self.to_string()).map_or(0, |keys| keys.len() as u64)
            }
        }
    }
}

/// Whether a cache can be filled before the run.
pub fn check(spec: &CacheSpec, path: &str, names: &Names<'_>, problems: &mut Problems) {
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
        let store = names.node(source).map(|id| names.specs[usize::from(id)]);
        if let Some(NodeSpec::Store(store)) = store
            && store.value_size.as_ref().is_some_and(|size| size.attributes().next().is_some())
        {
            let message = format!(
                "the size of a value of `{source}` depends on who asks, and nobody has yet"
            );
            problems.error("E-CONFLICT", &at, message);
        }
    }
    let all = asked.iter().map(|asked| match asked.law {
        KeyLaw::Zipf { n, .. }
        | KeyLaw::Uniform { n }
        | KeyLaw::Hot { n, .. }
        | KeyLaw::Sequential { n } => n,
        KeyLaw::Trace { .. } => 0,
    });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zipf_sums_are_those_added_up() {
        for (n, s) in [(500, 0.9), (200_000, 0.9), (200_000, 1.0), (200_000, 1.3)] {
            let exact: f64 = (1..=n).map(|k| libm::pow(k as f64, -s)).sum();
            assert!((zipf_sum(n, s) / exact - 1.0).abs() < 1e-7, "{n} {s}");
        }
    }
}
