//! How much a cache must hold for the share of reads that it is to answer.
//!
//! **Invariant.** What is left out of the sum over keys changes the share by less than one in a thousand.

use super::{Group, Line, Unit, number};
use crate::{model::client::KeyLaw, scenario::requirements::RequirementsSpec};

/// The line that says what share of reads a cache is to answer.
pub(super) const HIT_RATIO: &str = "hit ratio";

/// Keys that are looked at one by one; others by groups of about the same popularity.
const ONE_BY_ONE: u64 = 10_000;
/// How much less popular the last of a group is than its first, at most.
const WITHIN_GROUP: f64 = 1.01;

/// Keys by popularity: how many, and how often each is asked for, as a share of all reads.
type Popular = Vec<(f64, f64)>;

fn zipf(n: u64, s: f64) -> Popular {
    let weight = |rank: f64| libm::pow(rank, -s);
    let mut groups: Popular = (1..=n.min(ONE_BY_ONE)).map(|k| (1.0, weight(k as f64))).collect();
    let (mut first, last) = (ONE_BY_ONE as f64 + 1.0, n as f64);
    while first <= last {
        let end = libm::floor(first * WITHIN_GROUP).max(first).min(last);
        let middle = libm::sqrt(first * end);
        groups.push((end - first + 1.0, weight(middle)));
        first = end + 1.0;
    }
    let all: f64 = groups.iter().map(|(many, weight)| many * weight).sum();
    groups.into_iter().map(|(many, weight)| (many, weight / all)).collect()
}

fn popular(law: &KeyLaw) -> Option<Popular> {
    Some(match *law {
        KeyLaw::Zipf { n, s } => zipf(n, s),
        KeyLaw::Uniform { n } => vec![(n as f64, 1.0 / n as f64)],
        KeyLaw::Hot { n, hot, share } => {
            let some = (n as f64 * hot.0).max(1.0);
            let others = n as f64 - some;
            vec![
                (some, share.0 / some),
                (others, if others > 0.0 { (1.0 - share.0) / others } else { 0.0 }),
            ]
        }
        KeyLaw::Sequential { .. } | KeyLaw::Trace { .. } => return None,
    })
}

/// Items that a cache of the least recently used must hold to answer this share of the reads: those asked for within the time
/// that one stays (Che, Tung and Wang, "Hierarchical web caching systems", 2002).
pub(super) fn working_set(law: &KeyLaw, hit_ratio: f64) -> Option<f64> {
    let keys = popular(law)?;
    let there = |p: f64, time: f64| -libm::expm1(-p * time);
    let hits = |time: f64| keys.iter().map(|(many, p)| many * p * there(*p, time)).sum::<f64>();
    let (mut low, mut high) = (0.0, 1.0);
    while hits(high) < hit_ratio {
        high *= 2.0;
        if high > 1e18 {
            return None;
        }
    }
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if hits(middle) < hit_ratio { low = middle } else { high = middle }
    }
    Some(keys.iter().map(|(many, p)| many * there(*p, high)).sum())
}

pub(super) fn lines(required: &RequirementsSpec) -> Vec<Line> {
    let Some(cache) = &required.cache else { return Vec::new() };
    let Some(items) = working_set(&cache.keys, cache.hit_ratio.0) else { return Vec::new() };
    let items = libm::ceil(items);
    let formula = format!("for {} of {}, least recently used (Che)", cache.hit_ratio, cache.keys);
    let size = items * cache.size.0 as f64;
    let share = cache.hit_ratio;
    let mut lines = vec![
        Line::new((Group::Cache, HIT_RATIO), (share.0, Unit::Share), "as required"),
        Line::new((Group::Cache, "items"), (items, Unit::Count), formula),
        Line::new(
            (Group::Cache, "working set"),
            (size, Unit::Bytes),
            format!("{} x {}", number(items), cache.size),
        ),
    ];
    let peak = required.peak();
    let reads: f64 = required
        .actions
        .iter()
        .map(|(name, action)| {
            required.average(|of| of == name.0) * peak * action.0.reads.map_or(0.0, |n| n.0)
        })
        .sum();
    if reads > 0.0 {
        let missed = 1.0 - cache.hit_ratio.0;
        let formula = format!("{} x (1 - {})", number(reads), cache.hit_ratio);
        let at = (Group::Cache, "reads past it at the peak");
        lines.push(Line::new(at, (reads * missed, Unit::PerSecond), formula));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::working_set;
    use crate::model::client::KeyLaw;

    #[test]
    fn every_key_alike_needs_about_its_share_of_the_keys() {
        // Of n keys alike, m answer m / n.
        let items = working_set(&KeyLaw::Uniform { n: 1000 }, 0.3).unwrap();
        assert!((items - 300.0).abs() < 1e-6, "{items}");
    }

    #[test]
    fn groups_of_keys_change_little() {
        // The same with each key by itself: 1 million, s = 1 (see the exact sum below).
        let (n, target) = (1_000_000_u64, 0.8);
        let all: f64 = (1..=n).map(|k| 1.0 / k as f64).sum();
        let grouped = working_set(&KeyLaw::Zipf { n, s: 1.0 }, target).unwrap();
        // The time at which so many items are there, and what they hit.
        let p = |k: u64| 1.0 / (k as f64 * all);
        let items = |t: f64| (1..=n).map(|k| -(-p(k) * t).exp_m1()).sum::<f64>();
        let (mut low, mut high) = (1.0, 1e9);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if items(middle) < grouped { low = middle } else { high = middle }
        }
        let hits: f64 = (1..=n).map(|k| p(k) * -(-p(k) * high).exp_m1()).sum();
        assert!((hits - target).abs() < 1e-3, "{hits}");
    }
}
