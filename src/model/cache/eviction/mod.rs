//! Which entry leaves a full cache: one file per policy, registered in [`Eviction`].
//!
//! **Invariant.** A policy holds exactly the entries that are in the cache, each once.

mod arc;
mod clock;
mod fifo;
mod lfu;
mod lirs;
mod list;
mod lru;
mod order;
mod parts;
mod random;
mod s3fifo;
mod sampled;
mod sieve;
mod sketch;
mod slru;
mod two_q;
mod w_tinylfu;

use std::{fmt, str::FromStr};

use sampled::{Counted, Sampled};

pub use order::{Entry, Order};

use crate::{
    engine::random::Stream,
    expr::{Expr, Taker, unknown},
    units::{Count, SimDuration, ValueError, text_value},
};

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
    /// The entry used least often since it came; of several, the one used longest ago.
    Lfu,
    /// Four equal parts, least recently used each: a hit moves an entry one part up.
    Slru,
    /// Recent and frequent entries, the share of each learned from what left too early.
    Arc,
    /// New entries pass a short queue; what is asked for again after it left there is kept.
    TwoQ,
    /// Three queues: new entries pass a small one, what was used there moves to the main one.
    S3Fifo,
    /// Entries asked for again soon after they were used last are kept; the others pass a short queue.
    Lirs,
    /// New entries pass a short window; one that leaves it stays if it is asked for more often than the
    /// entry it would replace, by a sketch of all requests.
    WTinyLfu,
    /// Of so many entries drawn, and the best of former draws, the one used longest ago by a clock of so many
    /// nanoseconds, as in Redis.
    SampledLru(u64, u64),
    /// Likewise the one used least often, by a counter that is lowered once in so many nanoseconds.
    SampledLfu(u64, u64),
}

/// What the policies with parameters do without.
const SAMPLES: u64 = 5;
const CLOCK: u64 = 1_000_000_000;
const DECAY: u64 = 60_000_000_000;

/// All policies without parameters.
pub(super) const NAMES: [(&str, Eviction); 12] = [
    ("lru", Eviction::Lru),
    ("fifo", Eviction::Fifo),
    ("random", Eviction::Random),
    ("clock", Eviction::Clock),
    ("sieve", Eviction::Sieve),
    ("lfu", Eviction::Lfu),
    ("slru", Eviction::Slru),
    ("arc", Eviction::Arc),
    ("two_q", Eviction::TwoQ),
    ("s3fifo", Eviction::S3Fifo),
    ("lirs", Eviction::Lirs),
    ("w_tinylfu", Eviction::WTinyLfu),
];

impl Eviction {
    /// A policy at work in a cache of this capacity (entries or bytes); `stream` is for `random`.
    pub fn order(self, capacity: Option<u64>, stream: Stream) -> Box<dyn Order> {
        let capacity = capacity.unwrap_or(u64::MAX);
        match self {
            Self::Lru => Box::<lru::Lru>::default(),
            Self::Fifo => Box::<fifo::Fifo>::default(),
            Self::Random => Box::new(random::Random::new(stream)),
            Self::Clock => Box::<clock::Clock>::default(),
            Self::Sieve => Box::<sieve::Sieve>::default(),
            Self::Lfu => Box::<lfu::Lfu>::default(),
            Self::Slru => Box::new(slru::Slru::new(capacity)),
            Self::Arc => Box::new(arc::Arc::new(capacity)),
            Self::TwoQ => Box::new(two_q::TwoQ::new(capacity)),
            Self::S3Fifo => Box::new(s3fifo::S3Fifo::new(capacity)),
            Self::Lirs => Box::new(lirs::Lirs::new(capacity)),
            Self::WTinyLfu => Box::new(w_tinylfu::WTinyLfu::new(capacity)),
            Self::SampledLru(samples, clock) => {
                Box::new(Sampled::new(Counted::Idle, samples, clock, stream))
            }
            Self::SampledLfu(samples, decay) => {
                Box::new(Sampled::new(Counted::Uses, samples, decay, stream))
            }
        }
    }
}

impl FromStr for Eviction {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Some(found) = NAMES.iter().find(|n| n.0 == text) {
            return Ok(found.1);
        }
        let expr = Expr::parse(text)?;
        let mut t = Taker::new(&expr, "sampled_lru(samples=5 clock=1s)")?;
        let (unit, otherwise) = match expr.name.as_str() {
            "sampled_lru" => ("clock", CLOCK),
            "sampled_lfu" => ("decay", DECAY),
            other => {
                let all = NAMES.iter().map(|n| n.0).chain(["sampled_lru", "sampled_lfu"]);
                return Err(unknown("eviction policy", other, &all.collect::<Vec<_>>()));
            }
        };
        let samples = t.read::<Count>("samples")?.map_or(SAMPLES, |n| n.0);
        let every = t.read::<SimDuration>(unit)?.map_or(otherwise, |every| every.0);
        t.finish()?;
        if !(1..=64).contains(&samples) {
            return Err(ValueError::new(
                "E-RANGE",
                format!("`samples` must be in 1..=64, not {samples}"),
            ));
        }
        if every == 0 {
            return Err(ValueError::new("E-RANGE", format!("`{unit}` must be above 0")));
        }
        let lru = expr.name == "sampled_lru";
        Ok(if lru { Self::SampledLru(samples, every) } else { Self::SampledLfu(samples, every) })
    }
}

impl fmt::Display for Eviction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::SampledLru(samples, clock) => {
                write!(f, "sampled_lru(samples={samples} clock={})", SimDuration(clock))
            }
            Self::SampledLfu(samples, decay) => {
                write!(f, "sampled_lfu(samples={samples} decay={})", SimDuration(decay))
            }
            _ => f.write_str(NAMES.iter().find(|n| n.1 == *self).expect("all have names").0),
        }
    }
}

text_value!(
    Eviction,
    "Eviction",
    "which entry leaves a full cache",
    ["lru", "sieve", "sampled_lru(samples=5 clock=1s)"]
);
