//! What can be wrong with a cache beyond types.
//!
//! **Invariant.** As in `model/check.rs`.

use crate::{
    model::{
        cache::{CacheSpec, Capacity, OnFailure},
        check::{Checked, MAX_INSTANCES, boot, formula, law, positive, ring, zones},
        kind::Kind,
        kinds::NodeSpec,
        names::Names,
        store::ShardBy,
    },
    problem::Problems,
    units::{Count, SimDuration, Size, show::count},
};

/// Most keys that are put in before a run.
const MOST: u64 = 50_000_000;

impl Checked for CacheSpec {
    fn check(&self, path: &str, names: &Names, problems: &mut Problems) {
        cache(self, path, names, problems);
        prefill(self, path, names, problems);
    }
}

/// A cache.
fn cache(spec: &CacheSpec, path: &str, names: &Names, problems: &mut Problems) {
    positive(spec.instances, MAX_INSTANCES, &format!("{path}.instances"), problems);
    positive(spec.cores, 1 << 20, &format!("{path}.cores"), problems);
    boot(spec.boot.as_ref(), path, problems);
    let at = format!("{path}.by");
    match &spec.by {
        Some(_) if spec.in_.is_some() => {
            problems.error("E-CONFLICT", at, "a cache inside a service is found without its keys");
        }
        Some(ShardBy::ConsistentHash(points)) => {
            ring(spec.instances.map_or(1, |n| n.0), *points, &at, problems);
        }
        Some(by @ (ShardBy::Range(_) | ShardBy::Directory)) => {
            let help = "`hash` or `consistent_hash(vnodes=100)`";
            problems.error_help("E-CONFLICT", at, format!("`{by}` is for stores"), help);
        }
        Some(ShardBy::Hash) | None => {}
    }
    if let Some(Capacity::Entries(n) | Capacity::Bytes(n)) = spec.capacity {
        positive(Some(Count(n)), 1 << 50, &format!("{path}.capacity"), problems);
    }
    if let Some(ttl) = &spec.ttl {
        law(ttl, &format!("{path}.ttl"), problems);
        if ttl.constant() == Some(0.0) {
            problems.error("E-RANGE", format!("{path}.ttl"), "must be above 0");
        }
    }
    if spec.early.is_some() && spec.ttl.is_none() {
        let message = "there is no `ttl`, so nothing is fetched before its end";
        problems.error("E-CONFLICT", format!("{path}.early"), message);
    }
    if let Some(Capacity::Bytes(room)) = spec.capacity {
        fits((room, path), names, problems);
    }
    if spec.on_failure.is_some() && spec.coalesce != Some(true) {
        let message = "nobody waits for the fetch of another here";
        let help = "give `coalesce: true`";
        problems.error_help("E-CONFLICT", format!("{path}.on_failure"), message, help);
    }
    if let Some(OnFailure::Next(SimDuration(0))) = spec.on_failure {
        problems.error("E-RANGE", format!("{path}.on_failure"), "`wait` must be above 0");
    }
    if spec.ttl_renew.is_some() && spec.ttl.is_none() {
        let message = "there is no `ttl` to begin anew";
        problems.error("E-CONFLICT", format!("{path}.ttl_renew"), message);
    }
    if spec.stale_while_revalidate.is_some() {
        let at = format!("{path}.stale_while_revalidate");
        if spec.ttl.is_none() {
            problems.error("E-CONFLICT", at, "there is no `ttl`, so nothing becomes stale");
        } else if spec.from.is_none() {
            let message = "there is no `from` to fetch a stale key from";
            let help = "only a cache that is called directly serves stale entries";
            problems.error_help("E-CONFLICT", at, message, help);
        }
    }
    for (key, time) in
        [("stale_while_revalidate", spec.stale_while_revalidate), ("negative", spec.negative)]
    {
        if time.is_some_and(|t| t.0 == 0) {
            problems.error("E-RANGE", format!("{path}.{key}"), "must be above 0");
        }
    }
    if let Some(latency) = &spec.latency {
        formula(latency, &format!("{path}.latency"), names, problems);
    }
    zones(spec.zones.as_ref(), &format!("{path}.zones"), names, problems);
}

/// Whether values of the stores behind a cache in bytes have sizes, and fit.
fn fits((room, path): (u64, &str), names: &Names, problems: &mut Problems) {
    let cache = path.split('.').nth(1).unwrap_or_default();
    for source in names.design.sources(true).remove(cache).unwrap_or_default() {
        let Some(NodeSpec::Store(store)) = names.node(&source).map(|id| names.spec(id)) else {
            continue;
        };
        let at = format!("{path}.capacity");
        let capacity = Size(room);
        match &store.value_size {
            None => {
                let message =
                    format!("values of `{source}` have no size, so {capacity} never fill");
                let help =
                    format!("give `nodes.{source}.store.value_size`, or a number of entries");
                problems.error_help("E-MISSING", at, message, help);
            }
            Some(size) if size.min_value() > room as f64 => {
                let message = format!(
                    "nothing fits: a value of `{source}` has at least {}",
                    Size(size.min_value() as u64)
                );
                problems.error("E-RANGE", at, message);
            }
            Some(_) => {}
        }
    }
}

/// Whether a cache can be filled before the run.
fn prefill(spec: &CacheSpec, path: &str, names: &Names, problems: &mut Problems) {
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
