//! Which entry leaves a full cache: one file per policy, registered in [`Eviction`].
//!
//! **Invariant.** A policy holds exactly the entries that are in the cache, each once.

mod clock;
mod fifo;
mod list;
mod lru;
mod random;
mod sieve;

use std::{fmt, str::FromStr};

use crate::{
    engine::random::Stream,
    expr::unknown,
    units::{ValueError, text_value},
};

/// Number of an entry of a cache.
pub type Entry = u32;

/// What a cache asks of a policy.
pub trait Order: fmt::Debug + Send {
    /// A lookup found the entry, or a fill renewed it.
    fn hit(&mut self, entry: Entry);
    /// The entry was admitted.
    fn admit(&mut self, entry: Entry);
    /// Chooses an entry to leave and forgets it; there is one.
    fn evict(&mut self) -> Entry;
    /// The entry left by itself: invalidated or expired.
    fn remove(&mut self, entry: Entry);
}

/// Eviction policies by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Eviction {
    /// The entry used longest ago.
    #[default]
    Lru,
    /// The entry admitted first.
    Fifo,
    /// Any entry.
    Random,
    /// First in, first out; an entry used since gets another round.
    Clock,
    /// A hand that moves from old to new and spares entries used since it last passed.
    Sieve,
}

const NAMES: [(&str, Eviction); 5] = [
    ("lru", Eviction::Lru),
    ("fifo", Eviction::Fifo),
    ("random", Eviction::Random),
    ("clock", Eviction::Clock),
    ("sieve", Eviction::Sieve),
];
/// Named by the language, not built yet.
const LATER: [&str; 7] = ["lfu", "s3fifo", "arc", "slru", "two_q", "w_tinylfu", "lirs"];

impl Eviction {
    /// A policy at work; `stream` is for `random`.
    pub fn order(self, stream: Stream) -> Box<dyn Order> {
        match self {
            Self::Lru => Box::<lru::Lru>::default(),
            Self::Fifo => Box::<fifo::Fifo>::default(),
            Self::Random => Box::new(random::Random::new(stream)),
            Self::Clock => Box::<clock::Clock>::default(),
            Self::Sieve => Box::<sieve::Sieve>::default(),
        }
    }
}

impl FromStr for Eviction {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Some(found) = NAMES.iter().find(|n| n.0 == text) {
            return Ok(found.1);
        }
        if LATER.contains(&text) {
            let message = format!("`{text}` is not supported yet");
            return Err(
                ValueError::new("E-UNSUPPORTED", message).help(NAMES.map(|n| n.0).join(", "))
            );
        }
        Err(unknown("eviction policy", text, &NAMES.map(|n| n.0)))
    }
}

impl fmt::Display for Eviction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|n| n.1 == *self).expect("every policy has a name").0)
    }
}

text_value!(Eviction, "Eviction", "which entry leaves a full cache", ["lru", "sieve"]);
