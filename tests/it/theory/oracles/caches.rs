//! Family `caches_irm`: independent requests to one cache, and caches that expire.

use super::{Case, Cases, Entry, left_out, one, time};

/// Requests per second where the rate does not matter.
const RATE: f64 = 1000.0;

/// One client straight to a cache.
fn direct(rate: f64, keys: &str, cache: &str, more: &str) -> String {
    format!(
        "clients: {{load: {{arrivals: poisson({rate}/s), to: cache, keys: {keys}}}}}\n\
         nodes:\n  cache: {{cache: {{{cache}}}}}\n{more}"
    )
}

pub(super) fn cases(entry: &Entry) -> Cases {
    match entry.id.as_str() {
        "ttl-zipf" => ttl_zipf(entry),
        "ttl-fetch-coalesce" => coalesce(entry),
        "invalidate" => invalidate(entry),
        "ttl-stale" => stale(entry),
        id if id.starts_with("ttl-") => ttl(entry),
        _ => independent(entry),
    }
}

fn independent(entry: &Entry) -> Cases {
    let keys = format!("zipf(n={} s={})", entry.number("N"), entry.number("s"));
    let case = |metric: &str| {
        let eviction = metric.to_ascii_lowercase();
        let cache = format!("capacity: {}, eviction: {eviction}", entry.number("C"));
        Case::new(direct(RATE, &keys, &cache, ""), RATE)
            .label(&format!("-{eviction}"))
            .measure(metric, "nodes.cache.hit_ratio")
    };
    let mut missing = left_out(
        &["LFU_perfect"],
        "`lfu` forgets how often a key was used when it leaves; the answer remembers all keys",
    );
    if entry.expected.contains_key("T_LRU") {
        let reason = "results.json has no characteristic time of a cache";
        missing.extend(left_out(&["T_LRU"], reason));
    }
    (["LRU", "FIFO", "RANDOM"].map(case).into(), missing)
}

const STORE: &str = "  db: {store: {read: 0s}}\n";

fn ttl(entry: &Entry) -> Cases {
    let (rate, ttl) = (entry.number("lam"), time(entry.number("ttl")));
    let case = |renewed: bool| {
        let cache = format!("ttl: {ttl}, ttl_renew: {renewed}, from: db");
        Case::new(direct(rate, "uniform(n=1)", &cache, STORE), rate)
    };
    let renewed = case(true).label("-renewed");
    let plain = case(false).label("-plain");
    let cases = vec![
        renewed.measure("hit_renewed_on_hit", "nodes.cache.hit_ratio"),
        plain
            .measure("hit_not_renewed", "nodes.cache.hit_ratio")
            .measure("origin_rate_not_renewed", "nodes.db.throughput"),
    ];
    (cases, Vec::new())
}

fn stale(entry: &Entry) -> Cases {
    let (reads, writes) = (entry.number("lam"), entry.number("w"));
    let design = format!(
        "clients:\n  readers: {{arrivals: poisson({reads}/s), keys: uniform(n=1), operations: {{get: {{read: cache}}}}}}\n  \
         writers: {{arrivals: poisson({writes}/s), keys: uniform(n=1), operations: {{put: {{write: db}}}}}}\n\
         nodes:\n  cache: {{cache: {{ttl: {}, from: db}}}}\n{STORE}",
        time(entry.number("ttl"))
    );
    let of_hits = "consistency.stale_read_fraction / nodes.cache.hit_ratio";
    one(Case::new(design, reads + writes).measure("stale_given_hit", of_hits))
}

fn ttl_zipf(entry: &Entry) -> Cases {
    let keys = format!("zipf(n={} s={})", entry.number("N"), entry.number("s"));
    let cache = format!("ttl: {}", time(entry.number("ttl")));
    let rate = entry.number("rate");
    let case = Case::new(direct(rate, &keys, &cache, ""), rate)
        .warm_up(100.0)
        .measure("hit", "nodes.cache.hit_ratio");
    (vec![case], left_out(&["objects_mean"], "results.json has no number of entries"))
}

fn coalesce(entry: &Entry) -> Cases {
    let cache = format!("ttl: {}, from: origin, coalesce: true", time(entry.number("ttl")));
    let origin = format!("  origin: {{external: {{latency: {}}}}}\n", time(entry.number("fetch")));
    let rate = entry.number("lam");
    let at = |what: &str| format!("nodes.cache.{what} / nodes.cache.lookups");
    one(Case::new(direct(rate, "uniform(n=1)", &cache, &origin), rate)
        .measure("hit", "nodes.cache.hit_ratio")
        .measure("delayed_hit", at("coalesced"))
        .measure("miss", format!("{} - {}", at("misses"), at("coalesced")))
        .measure("origin_rate", "nodes.origin.throughput"))
}

fn invalidate(entry: &Entry) -> Cases {
    let (reads, writes) = (entry.number("lam"), entry.number("w"));
    let rate = reads + writes;
    let design = format!(
        "clients:\n  load:\n    arrivals: poisson({rate}/s)\n    keys: uniform(n=1)\n    \
         operations: {{get: {{share: {}%, to: app}}, put: {{share: {}%, to: app}}}}\n\
         nodes:\n  app:\n    service:\n      endpoints:\n        \
         get: [{{read: {{from: db, cache: cache}}}}]\n        \
         put: [{{write: {{to: db, cache: cache}}}}]\n  cache: {{cache: {{}}}}\n{STORE}",
        reads / rate * 100.0,
        writes / rate * 100.0
    );
    one(Case::new(design, rate).measure("hit", "nodes.cache.hit_ratio"))
}
