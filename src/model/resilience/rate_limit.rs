//! Rate limits: so many calls in so much time, the others are refused or wait.
//!
//! A token bucket is kept as the instant at which it would be full again (the generic cell rate
//! algorithm, ITU-T I.371, annex A): exact for a bucket that fills without steps, starts full, and lets a
//! call pass if there is a whole token. A leaky bucket is one of burst 1 whose calls wait in line.
//!
//! **Invariant.** Time is integer: how often a bucket was asked changes nothing.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    str::FromStr,
};

use crate::{
    cause::Cause,
    expr::{Expr, Taker, unknown},
    model::ids::AttrRef,
    units::{Count, Rate, SimDuration, ValueError, text_value},
};

/// Rate limits as they are written: one, or a list of those that a call has to pass.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimitsSpec(pub Vec<RateLimitSpec>);

impl RateLimitsSpec {
    /// Attributes whose values have limits of their own.
    pub fn parts(&self) -> impl Iterator<Item = &String> {
        self.0.iter().filter_map(|limit| limit.per.as_ref())
    }
}

/// A rate limit as it is written: what passes, for whom, and who counts.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimitSpec {
    /// What passes.
    pub meter: MeterSpec,
    /// Each value of it has a limit of its own: `key`, `client`, or an attribute; all together when
    /// absent.
    pub per: Option<String>,
    /// One limit for all instances instead of one each.
    pub shared: bool,
}

/// What passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MeterSpec {
    /// `burst` at once, `rate` in the long run; others wait so long for a token, or are refused.
    TokenBucket {
        /// Tokens per second.
        rate: Rate,
        /// Tokens it holds.
        burst: u64,
        /// Longest wait for a token; none when absent.
        wait: Option<SimDuration>,
    },
    /// One every 1/`rate`; so many wait in line, others are refused.
    LeakyBucket {
        /// Calls per second.
        rate: Rate,
        /// Calls that wait.
        queue: u64,
    },
    /// `limit` in each window; windows follow each other from the start of the run. Others wait so long for a window with
    /// room, or are refused.
    FixedWindow {
        /// Calls per window.
        limit: u64,
        /// Its length.
        window: SimDuration,
        /// Longest wait; none when absent.
        wait: Option<SimDuration>,
    },
    /// `limit` in the last `window`, whenever it is asked.
    SlidingWindow {
        /// Calls per window.
        limit: u64,
        /// Its length.
        window: SimDuration,
    },
}

impl MeterSpec {
    /// Whether it makes some wait instead of refusing them.
    pub fn delays(self) -> bool {
        match self {
            Self::TokenBucket { wait, .. } | Self::FixedWindow { wait, .. } => {
                wait.is_some_and(|wait| wait.0 > 0)
            }
            Self::LeakyBucket { queue, .. } => queue > 0,
            Self::SlidingWindow { .. } => false,
        }
    }
}

/// Calls that a window counts or a bucket holds, at most.
const MOST: u64 = 1_000_000;
/// Calls per second, at most.
const FASTEST: f64 = 1e9;

impl FromStr for RateLimitSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        if let Some((limit, window)) = expr.word().and_then(short) {
            let meter = MeterSpec::SlidingWindow { limit, window };
            return Ok(Self { meter, per: None, shared: false });
        }
        let usage = match expr.name.as_str() {
            "token_bucket" => "token_bucket(rate=100/s burst=200)",
            "leaky_bucket" => "leaky_bucket(rate=100/s queue=50)",
            "fixed_window" => "fixed_window(limit=100 window=1s)",
            "sliding_window" => "sliding_window(limit=100 window=1s)",
            other => {
                let known = ["token_bucket", "leaky_bucket", "fixed_window", "sliding_window"];
                let mut error = unknown("rate limit", other, &known);
                if !other.starts_with(|c: char| c.is_ascii_alphabetic()) {
                    error.help =
                        Some("write `100/s`, or `token_bucket(rate=100/s burst=200)`".to_owned());
                }
                return Err(error);
            }
        };
        let mut t = Taker::new(&expr, usage)?;
        let meter = match expr.name.as_str() {
            "token_bucket" => MeterSpec::TokenBucket {
                rate: rate(&mut t)?,
                burst: count(&mut t, "burst", 1)?,
                wait: t.read("wait")?,
            },
            "leaky_bucket" => {
                MeterSpec::LeakyBucket { rate: rate(&mut t)?, queue: count(&mut t, "queue", 0)? }
            }
            name => {
                let (limit, window) = (count(&mut t, "limit", 1)?, t.need_read("window")?);
                if window == SimDuration(0) {
                    return Err(ValueError::new("E-RANGE", "`window` must be above 0"));
                }
                match name {
                    "fixed_window" => {
                        MeterSpec::FixedWindow { limit, window, wait: t.read("wait")? }
                    }
                    _ => MeterSpec::SlidingWindow { limit, window },
                }
            }
        };
        let per = t.key("per").map(Expr::need_word).transpose()?.map(str::to_owned);
        let shared = match t.key("scope").map(Expr::need_word).transpose()? {
            None | Some("instance") => false,
            Some("shared") => true,
            Some(other) => return Err(unknown("scope", other, &["instance", "shared"])),
        };
        t.finish()?;
        Ok(Self { meter, per, shared })
    }
}

/// `10/s`: ten in any second.
fn short(text: &str) -> Option<(u64, SimDuration)> {
    let (limit, unit) = text.split_once('/')?;
    let window = match unit {
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let limit = limit.parse::<Count>().ok().filter(|n| (1..=MOST).contains(&n.0))?;
    Some((limit.0, SimDuration(window * 1_000_000_000)))
}

fn rate(t: &mut Taker<'_>) -> Result<Rate, ValueError> {
    let rate: Rate = t.need_read("rate")?;
    if rate.0 > 0.0 && rate.0 <= FASTEST {
        return Ok(rate);
    }
    Err(ValueError::new("E-RANGE", "`rate` must be above 0 and at most 1000000000/s"))
}

fn count(t: &mut Taker<'_>, key: &str, least: u64) -> Result<u64, ValueError> {
    let n: Count = t.need_read(key)?;
    if (least..=MOST).contains(&n.0) {
        return Ok(n.0);
    }
    Err(ValueError::new("E-RANGE", format!("`{key}` must be in {least}..={MOST}")))
}

impl fmt::Display for RateLimitSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.meter {
            MeterSpec::TokenBucket { rate, burst, wait } => {
                write!(f, "token_bucket(rate={rate} burst={}", Count(burst))?;
                wait.map_or(Ok(()), |wait| write!(f, " wait={wait}"))?;
            }
            MeterSpec::LeakyBucket { rate, queue } => {
                write!(f, "leaky_bucket(rate={rate} queue={}", Count(queue))?;
            }
            MeterSpec::FixedWindow { limit, window, wait } => {
                write!(f, "fixed_window(limit={} window={window}", Count(limit))?;
                wait.map_or(Ok(()), |wait| write!(f, " wait={wait}"))?;
            }
            MeterSpec::SlidingWindow { limit, window } => {
                write!(f, "sliding_window(limit={} window={window}", Count(limit))?;
            }
        }
        if let Some(per) = &self.per {
            write!(f, " per={per}")?;
        }
        f.write_str(if self.shared { " scope=shared)" } else { ")" })
    }
}

text_value!(
    RateLimitSpec,
    "RateLimit",
    "a rate limit such as `token_bucket(rate=100/s burst=200)`",
    ["token_bucket(rate=100/s burst=200 per=client)", "leaky_bucket(rate=100/s queue=50)"]
);

/// Limits in a list, at most: each has a cause of its own.
pub const MOST_LIMITS: usize = 8;

/// What refusals by limits of a list are counted as, in its order.
pub const CAUSES: [Cause; MOST_LIMITS] = [
    Cause::RateLimitedBy1,
    Cause::RateLimitedBy2,
    Cause::RateLimitedBy3,
    Cause::RateLimitedBy4,
    Cause::RateLimitedBy5,
    Cause::RateLimitedBy6,
    Cause::RateLimitedBy7,
    Cause::RateLimitedBy8,
];

/// A rate limit, ready to run.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// What passes.
    meter: Meter,
    /// What has a limit of its own.
    pub per: Option<AttrRef>,
    /// Its place among the limiters that all instances share.
    pub shared: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Meter {
    /// Time between two calls, and how far ahead of it a call may come at once or at all, in parts of
    /// a nanosecond.
    Bucket {
        gap: u128,
        ahead: u128,
        at_all: u128,
    },
    Fixed {
        limit: u64,
        window: u64,
        wait: u64,
    },
    Sliding {
        limit: u64,
        window: u64,
    },
}

/// Parts of a nanosecond.
const PARTS: u32 = 32;

impl RateLimit {
    /// Ready to run.
    pub fn new(spec: &RateLimitSpec, per: Option<AttrRef>, shared: Option<usize>) -> Self {
        let gap = |rate: Rate| libm::round(1e9 / rate.0 * (1u64 << PARTS) as f64) as u128;
        let meter = match spec.meter {
            MeterSpec::TokenBucket { rate, burst, wait } => {
                let ahead = gap(rate) * u128::from(burst - 1);
                let wait = u128::from(wait.map_or(0, |w| w.0)) << PARTS;
                Meter::Bucket { gap: gap(rate), ahead, at_all: ahead + wait }
            }
            MeterSpec::LeakyBucket { rate, queue } => {
                let gap = gap(rate);
                Meter::Bucket { gap, ahead: 0, at_all: gap * u128::from(queue) }
            }
            MeterSpec::FixedWindow { limit, window, wait } => {
                Meter::Fixed { limit, window: window.0, wait: wait.map_or(0, |wait| wait.0) }
            }
            MeterSpec::SlidingWindow { limit, window } => {
                Meter::Sliding { limit, window: window.0 }
            }
        };
        Self { meter, per, shared }
    }
}

/// What a limiter knows of one thing it limits.
#[derive(Clone, Debug)]
enum Seen {
    /// When the bucket would be full again, in parts of a nanosecond.
    Full(u128),
    /// Number of the window, and calls in it and in those after.
    Window(u64, u64),
    /// When the last calls passed.
    Calls(VecDeque<u64>),
}

impl Seen {
    /// It says no more than nothing would.
    fn is_over(&self, meter: Meter, now: u64) -> bool {
        match (self, meter) {
            (Self::Full(at), _) => *at <= u128::from(now) << PARTS,
            (Self::Window(number, calls), Meter::Fixed { limit, window, .. }) => {
                *calls <= (now / window - number).saturating_mul(limit) && *number < now / window
            }
            (Self::Calls(calls), Meter::Sliding { window, .. }) => {
                calls.back().is_none_or(|last| now - last >= window)
            }
            _ => unreachable!("a limiter has one meter"),
        }
    }
}

/// A limiter at work.
#[derive(Clone, Debug, Default)]
pub struct Limiter {
    seen: BTreeMap<u64, Seen>,
    /// Size at which what is over is thrown away.
    full: usize,
}

impl Limiter {
    /// How long it is until a bucket lets a call for `id` pass at once, ns.
    pub fn wait(&self, limit: &RateLimit, id: u64, now: u64) -> u64 {
        match (limit.meter, self.seen.get(&id)) {
            (Meter::Bucket { ahead, .. }, Some(Seen::Full(full))) => {
                let early = full.saturating_sub(u128::from(now) << PARTS).saturating_sub(ahead);
                (early >> PARTS) as u64 + u64::from(early & ((1 << PARTS) - 1) > 0)
            }
            _ => 0,
        }
    }

    /// How many calls for `id` a bucket lets pass at once.
    pub fn left(&self, limit: &RateLimit, id: u64, now: u64) -> u64 {
        let Meter::Bucket { gap, ahead, .. } = limit.meter else { return u64::MAX };
        let early = match self.seen.get(&id) {
            Some(Seen::Full(full)) => full.saturating_sub(u128::from(now) << PARTS),
            _ => 0,
        };
        let calls = |left: u128| u64::try_from(left / gap.max(1)).unwrap_or(u64::MAX);
        ahead.checked_sub(early).map_or(0, |left| calls(left).saturating_add(1))
    }

    /// What [`Self::take`] would say, without taking anything.
    pub fn asks(&self, limit: &RateLimit, id: u64, now: u64, at_once: bool) -> Option<u64> {
        let passes = match (limit.meter, self.seen.get(&id)) {
            // Nothing is known of it: all of it is left.
            (_, None) => 0,
            (Meter::Bucket { ahead, at_all, .. }, Some(Seen::Full(full))) => {
                let from = full.saturating_sub(u128::from(now) << PARTS);
                let early = from.saturating_sub(ahead);
                if from > at_all {
                    return None;
                }
                (early >> PARTS) as u64 + u64::from(early & ((1 << PARTS) - 1) > 0)
            }
            (Meter::Fixed { limit, window, wait }, Some(Seen::Window(last, calls))) => {
                let number = now / window;
                let full = calls.saturating_sub((number - last).saturating_mul(limit)) / limit;
                let passes = if full == 0 { 0 } else { (number + full) * window - now };
                if passes > wait {
                    return None;
                }
                passes
            }
            (Meter::Sliding { limit, window }, Some(Seen::Calls(calls))) => {
                let over = calls.partition_point(|call| now - call >= window);
                if (calls.len() - over) as u64 >= limit {
                    return None;
                }
                0
            }
            _ => unreachable!("a limiter has one meter"),
        };
        (passes == 0 || !at_once).then_some(passes)
    }

    /// A call for `id` passes after so many ns (0: now); `None`: it is refused. With `at_once` it does
    /// not wait.
    pub fn take(&mut self, limit: &RateLimit, id: u64, now: u64, at_once: bool) -> Option<u64> {
        if self.seen.len() > self.full {
            self.seen.retain(|_, seen| !seen.is_over(limit.meter, now));
            self.full = (2 * self.seen.len()).max(64);
        }
        match limit.meter {
            Meter::Bucket { gap, ahead, at_all } => {
                let now = u128::from(now) << PARTS;
                let Seen::Full(full) = self.seen.entry(id).or_insert(Seen::Full(now)) else {
                    unreachable!("a bucket keeps an instant")
                };
                let from = now.max(*full);
                let early = (from - now).saturating_sub(ahead);
                if from - now > at_all || at_once && early > 0 {
                    return None;
                }
                *full = from + gap;
                Some((early >> PARTS) as u64 + u64::from(early & ((1 << PARTS) - 1) > 0))
            }
            Meter::Fixed { limit, window, wait } => {
                let number = now / window;
                let seen = self.seen.entry(id).or_insert(Seen::Window(number, 0));
                let Seen::Window(last, calls) = seen else {
                    unreachable!("a fixed window keeps a count")
                };
                // Those who wait have taken room in the windows that have come.
                *calls = calls.saturating_sub((number - *last).saturating_mul(limit));
                *last = number;
                let full = *calls / limit;
                let passes = if full == 0 { 0 } else { (number + full) * window - now };
                if passes > wait || at_once && passes > 0 {
                    return None;
                }
                *calls += 1;
                Some(passes)
            }
            Meter::Sliding { limit, window } => {
                let seen = self.seen.entry(id).or_insert_with(|| Seen::Calls(VecDeque::new()));
                let Seen::Calls(calls) = seen else {
                    unreachable!("a sliding window keeps its calls")
                };
                while calls.front().is_some_and(|first| now - first >= window) {
                    calls.pop_front();
                }
                let passes = (calls.len() as u64) < limit;
                if passes {
                    calls.push_back(now);
                }
                passes.then_some(0)
            }
        }
    }
}

/// A call that has to pass several limits: after so many ns the last one lets it, or none of them is charged and `refused` hears
/// which would not. `each` asks a limit by its number, and takes from it the second time.
pub fn take_all(
    limits: usize,
    mut each: impl FnMut(usize, bool) -> Option<u64>,
    mut refused: impl FnMut(usize),
) -> Option<u64> {
    let mut passes = true;
    for at in 0..limits {
        if each(at, false).is_none() {
            passes = false;
            refused(at);
        }
    }
    if !passes {
        return None;
    }
    (0..limits).map(|at| each(at, true)).try_fold(0, |wait, one| Some(wait.max(one?)))
}

#[cfg(test)]
mod tests;
