//! How long entries live, where their lives are drawn or end early.
//!
//! **Invariant.** A refresh before the end of a life is begun by one caller at a time.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    str::FromStr,
};

use super::{contents::Limits, eviction::Entry};
use crate::{
    engine::{
        law::{exponential, to_nanos},
        random::Stream,
    },
    expr::{Expr, Taker},
    units::{Fraction, Number, ValueError, text_value},
};

/// When a value that can still be served is fetched anew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Early {
    /// In the last part of its life.
    Last(f64),
    /// With a chance that grows towards its end, the sooner the longer it took to fetch (A. Vattani,
    /// F. Chierichetti, K. Lowenstein, "Optimal probabilistic cache stampede prevention", VLDB 2015).
    XFetch(f64),
}

impl FromStr for Early {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if !text.starts_with("xfetch") {
            let part = text.parse::<Fraction>()?.0;
            if part <= 0.0 || part >= 1.0 {
                return Err(ValueError::new("E-RANGE", "must be above 0 and below 100%"));
            }
            return Ok(Self::Last(part));
        }
        let expr = Expr::parse(text)?;
        let mut t = Taker::new(&expr, "xfetch(beta=1)")?;
        let beta = t.read::<Number>("beta")?.map_or(1.0, |beta| beta.0);
        t.finish()?;
        if !(0.001..=1000.0).contains(&beta) {
            return Err(ValueError::new("E-RANGE", "`beta` must be in 0.001..=1000"));
        }
        Ok(Self::XFetch(beta))
    }
}

impl fmt::Display for Early {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last(part) => Fraction(*part).fmt(f),
            Self::XFetch(beta) => write!(f, "xfetch(beta={})", Number(*beta)),
        }
    }
}

text_value!(
    Early,
    "Early",
    "the last part of a life (`5%`), or `xfetch(beta=1)`",
    ["5%", "xfetch(beta=1)"]
);

/// What is known of an entry.
#[derive(Clone, Copy, Debug, Default)]
struct Life {
    key: u64,
    /// From its fill to its end, ns.
    long: u64,
    /// How long it took to fetch, ns.
    fetch: u64,
}

/// The lives of the entries of one instance.
#[derive(Debug)]
pub struct Lives {
    draws: Stream,
    known: Vec<Life>,
    /// When the fetches of each key that are under way began, first come first.
    begun: BTreeMap<u64, VecDeque<u64>>,
}

impl Lives {
    /// Nobody lives yet.
    pub fn new(draws: Stream) -> Self {
        Self { draws, known: Vec::new(), begun: BTreeMap::new() }
    }

    /// The life of what the visit `id` fills.
    pub fn draw(&self, limits: &Limits, id: u64) -> Option<u64> {
        match &limits.law {
            Some(law) => Some(to_nanos(law.sample(&mut self.draws.draw_mixed(id)))),
            None => limits.ttl,
        }
    }

    /// A fetch of a key begins.
    pub fn begin(&mut self, key: u64, limits: &Limits, now: u64) {
        if let Some(Early::XFetch(_)) = limits.early {
            self.begun.entry(key).or_default().push_back(now);
        }
    }

    /// A fetch of a key is over: when the oldest began. A message does not say of which fetch it is.
    pub fn end(&mut self, key: u64) -> Option<u64> {
        let begun = self.begun.get_mut(&key)?;
        let first = begun.pop_front();
        if begun.is_empty() {
            self.begun.remove(&key);
        }
        first
    }

    /// A key was filled.
    pub fn fill(&mut self, (entry, key): (Entry, u64), long: Option<u64>, now: u64) {
        let at = entry as usize;
        if at >= self.known.len() {
            self.known.resize(at + 1, Life::default());
        }
        let before = if self.known[at].key == key { self.known[at].fetch } else { 0 };
        let fetch = self.end(key).map_or(before, |since| now - since);
        self.known[at] = Life { key, long: long.unwrap_or(u64::MAX), fetch };
    }

    /// The life of an entry.
    pub fn of(&self, entry: Entry) -> u64 {
        self.known.get(entry as usize).map_or(u64::MAX, |life| life.long)
    }

    /// Whether the visit `id` should fetch an entry that can be served for `left` ns more.
    pub fn is_due(&self, entry: Entry, limits: &Limits, left: u64, id: u64) -> bool {
        let Some(life) = self.known.get(entry as usize) else { return false };
        match limits.early {
            None => false,
            Some(Early::Last(part)) => left as f64 <= life.long as f64 * part,
            Some(Early::XFetch(beta)) => {
                let mut draw = self.draws.draw_mixed(!id);
                left as f64 <= exponential(beta * life.fetch as f64).sample(&mut draw)
            }
        }
    }
}
