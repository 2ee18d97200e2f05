//! Circuit breakers: a caller that sees its calls fail stops calling for a while.
//!
//! Closed, it counts how calls end, over the last so many or the last so long; when too many failed or
//! were slow it opens and refuses every call; after `open` it lets a few probes through (half-open), and
//! what becomes of those closes it or opens it again (Nygard, "Release It!", 2nd edition, 2018, p. 95).
//!
//! **Invariant.** What was sent before the state changed is not counted after it.

use std::{collections::VecDeque, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::to_nanos,
    expr::{Expr, Taker, unknown},
    outcome::Outcome,
    units::{Count, Fraction, Number, SimDuration, ValueError, text_value},
};

/// Refuses calls (outcome `breaker_open`) while too many of them fail. One for each calling instance and
/// edge; attempts are counted, not calls, and what was refused before it was sent is not.
///
/// ```yaml
/// breaker: {window: 10s, failure_ratio: 50%, min_calls: 20, open: 5s, probes: 3}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerSpec {
    /// What is judged: the last so many calls (`100`), or those that ended in the last so long (`10s`, in
    /// tenths).
    pub window: WindowSpec,
    /// Share of failed calls at which it opens; 50% when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_ratio: Option<Fraction>,
    /// Outcomes that count as failures, such as `[timeout, error]`; the others count as answered. When
    /// absent whatever is not answered as asked has failed.
    #[serde(default, rename = "if", skip_serializing_if = "Option::is_none")]
    pub if_: Option<Vec<Outcome>>,
    /// Calls that are slow, and which share of them opens it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<SlowSpec>,
    /// Calls below which nothing is judged; 10 when absent, or all of a window of fewer calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_calls: Option<Count>,
    /// How long it stays open: `5s`, or `exponential(base=5s factor=2 max=5m)`, longer each time its probes
    /// fail, until it closes.
    pub open: OpenSpec,
    /// Calls let through when that is over, which decide together; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<Count>,
}

/// Calls that are slow.
///
/// ```yaml
/// slow: {over: 200ms, ratio: 80%}
/// ```
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowSpec {
    /// A call that takes longer is slow, however it ends.
    pub over: SimDuration,
    /// Share of slow calls at which the breaker opens.
    pub ratio: Fraction,
}

/// What a breaker judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowSpec {
    /// The last so many calls.
    Calls(u64),
    /// The calls that ended in the last so long, ns.
    Span(u64),
}

impl FromStr for WindowSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        // The units of time are small letters, those of counts (`10k`) but one are not.
        if text.ends_with(['s', 'm', 'h', 'd']) {
            return text.parse::<SimDuration>().map(|d| Self::Span(d.0));
        }
        text.parse::<Count>().map(|n| Self::Calls(n.0))
    }
}

impl fmt::Display for WindowSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls(n) => Count(*n).fmt(f),
            Self::Span(span) => SimDuration(*span).fmt(f),
        }
    }
}

text_value!(WindowSpec, "Window", "calls (`100`) or a duration (`10s`)", ["100", "10s"]);

/// How long a breaker stays open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpenSpec {
    /// The first time.
    pub base: SimDuration,
    /// So many times as long each further time, up to so long; always the same when absent.
    pub growth: Option<(f64, SimDuration)>,
}

impl OpenSpec {
    /// How long after it has opened again so many times without closing, ns.
    fn nanos(self, again: u32) -> u64 {
        let Some((factor, max)) = self.growth else { return self.base.0 };
        to_nanos((self.base.0 as f64 * libm::pow(factor, f64::from(again))).min(max.0 as f64))
    }
}

impl FromStr for OpenSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if !text.contains('(') {
            return text.parse().map(|base| Self { base, growth: None });
        }
        let expr = Expr::parse(text)?;
        if expr.name != "exponential" {
            return Err(unknown("open time", &expr.name, &["5s", "exponential(base=5s max=5m)"]));
        }
        let mut t = Taker::new(&expr, "exponential(base=5s factor=2 max=5m)")?;
        let base: SimDuration = t.need_read("base")?;
        let factor = t.read::<Number>("factor")?.map_or(2.0, |n| n.0);
        let max: SimDuration = t.need_read("max")?;
        t.finish()?;
        if factor < 1.0 {
            return Err(ValueError::new("E-RANGE", "`factor` must be at least 1"));
        }
        if max < base {
            return Err(ValueError::new("E-RANGE", "`max` must be at least `base`"));
        }
        Ok(Self { base, growth: Some((factor, max)) })
    }
}

impl fmt::Display for OpenSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = self.base;
        match self.growth {
            None => base.fmt(f),
            Some((factor, max)) => {
                write!(f, "exponential(base={base} factor={} max={max})", Number(factor))
            }
        }
    }
}

text_value!(
    OpenSpec,
    "OpenTime",
    "a duration (`5s`), or one that grows (`exponential(base=5s max=5m)`)",
    ["5s", "exponential(base=5s factor=2 max=5m)"]
);

impl BreakerSpec {
    /// Calls below which nothing is judged, when nothing else is said.
    pub const MIN_CALLS: u64 = 10;

    /// Ready to run.
    pub fn policy(&self) -> BreakerPolicy {
        let least = match self.window {
            WindowSpec::Calls(n) => n.min(Self::MIN_CALLS),
            WindowSpec::Span(_) => Self::MIN_CALLS,
        };
        let fails = |outcome: Outcome| match &self.if_ {
            Some(failures) => failures.contains(&outcome),
            None => !outcome.is_success(),
        };
        BreakerPolicy {
            window: self.window,
            fails: Outcome::ALL.map(fails),
            failure_ratio: self.failure_ratio.map_or(0.5, |f| f.0),
            slow: self.slow.map(|s| (s.over.0, s.ratio.0)),
            min_calls: self.min_calls.map_or(least, |n| n.0),
            open: self.open,
            probes: self.probes.map_or(1, |n| n.0),
        }
    }
}

/// A breaker's rules.
#[derive(Clone, Copy, Debug)]
pub struct BreakerPolicy {
    window: WindowSpec,
    /// By `Outcome as usize`.
    fails: [bool; 9],
    failure_ratio: f64,
    /// Slower than so many ns; share.
    slow: Option<(u64, f64)>,
    min_calls: u64,
    open: OpenSpec,
    probes: u64,
}

impl BreakerPolicy {
    /// Whether a call that ended like this has failed.
    #[inline(always)]
    pub fn fails(&self, outcome: Outcome) -> bool {
        self.fails[outcome as usize]
    }
}

/// How calls ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ended {
    calls: u64,
    failed: u64,
    slow: u64,
}

impl Ended {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failed += other.failed;
        self.slow += other.slow;
    }

    fn take(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failed -= other.failed;
        self.slow -= other.slow;
    }
}

/// Parts of a window of time.
const PARTS: u64 = 10;

/// The calls in the window: one by one, or by tenth of it with its number.
#[derive(Clone, Debug, Default)]
struct Window {
    /// Those before the last one.
    parts: VecDeque<(u64, Ended)>,
    last: (u64, Ended),
    sum: Ended,
    /// End of the last tenth, ns; 0: it does not end by time.
    until: u64,
}

impl Window {
    #[inline(always)]
    fn add(&mut self, window: WindowSpec, now: u64, one: Ended) {
        self.sum.add(one);
        if now < self.until {
            self.last.1.add(one);
        } else {
            self.begin_part(window, now, one);
        }
    }

    fn begin_part(&mut self, window: WindowSpec, now: u64, one: Ended) {
        self.parts.push_back(self.last);
        match window {
            WindowSpec::Calls(n) => {
                self.last = (0, one);
                if self.parts.len() as u64 >= n {
                    self.drop_oldest();
                }
            }
            WindowSpec::Span(span) => {
                let length = span.div_ceil(PARTS);
                let tenth = now / length;
                self.last = (tenth, one);
                self.until = (tenth + 1).saturating_mul(length);
                while self.parts.front().is_some_and(|first| first.0 + PARTS <= tenth) {
                    self.drop_oldest();
                }
            }
        }
    }

    fn drop_oldest(&mut self) {
        let (_, oldest) = self.parts.pop_front().expect("what is dropped is there");
        self.sum.take(oldest);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    /// Until an instant, ns.
    Open(u64),
    /// Probes sent, and how those that ended did.
    HalfOpen(u64, Ended),
}

/// A breaker at work.
#[derive(Clone, Debug)]
pub struct Breaker {
    state: State,
    window: Window,
    /// Number of changes of state so far: what was sent in another epoch is not counted.
    epoch: u32,
    /// Times it has opened since it was closed last.
    opened: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed, window: Window::default(), epoch: 0, opened: 0 }
    }
}

impl Breaker {
    /// A call may be sent now, in the epoch returned; or not.
    #[inline(always)]
    pub fn admit(&mut self, policy: &BreakerPolicy, now: u64) -> Option<u32> {
        if self.state == State::Closed { Some(self.epoch) } else { self.admit_probe(policy, now) }
    }

    fn admit_probe(&mut self, policy: &BreakerPolicy, now: u64) -> Option<u32> {
        match &mut self.state {
            State::Closed => unreachable!("whoever calls a closed one is no probe"),
            State::Open(until) if now < *until => return None,
            State::Open(_) => self.enter(State::HalfOpen(1, Ended::default())),
            State::HalfOpen(sent, _) if *sent < policy.probes => *sent += 1,
            State::HalfOpen(..) => return None,
        }
        Some(self.epoch)
    }

    /// A call sent in `epoch` ended after `took` ns, well or not; whether that opens the breaker.
    #[inline(always)]
    pub fn ended(
        &mut self,
        policy: &BreakerPolicy,
        (epoch, took): (u32, u64),
        ok: bool,
        now: u64,
    ) -> bool {
        if epoch != self.epoch {
            return false;
        }
        let slow = policy.slow.is_some_and(|slow| took > slow.0);
        let one = Ended { calls: 1, failed: u64::from(!ok), slow: u64::from(slow) };
        if self.state == State::Closed {
            self.window.add(policy.window, now, one);
            let sum = &self.window.sum;
            // As long as nothing is wrong there is nothing to judge: a ratio is above 0.
            if sum.failed == 0 && sum.slow == 0 {
                return false;
            }
        }
        self.judge(policy, one, now)
    }

    /// Whether what has been seen opens it, or closes it again.
    fn judge(&mut self, policy: &BreakerPolicy, one: Ended, now: u64) -> bool {
        let (seen, enough) = match &mut self.state {
            State::Closed => (self.window.sum, policy.min_calls),
            State::HalfOpen(_, ended) => {
                ended.add(one);
                (*ended, policy.probes)
            }
            State::Open(_) => unreachable!("nothing is sent while it is open"),
        };
        if seen.calls < enough {
            return false;
        }
        let at_least = |part: u64, ratio: f64| part as f64 >= ratio * seen.calls as f64;
        let opens = at_least(seen.failed, policy.failure_ratio)
            || policy.slow.is_some_and(|slow| at_least(seen.slow, slow.1));
        if opens {
            let open = policy.open.nanos(self.opened);
            self.opened += 1;
            self.enter(State::Open(now.saturating_add(open)));
        } else if self.state != State::Closed {
            self.opened = 0;
            self.enter(State::Closed);
        }
        opens
    }

    /// A call sent in `epoch` was called off: nothing is known about it, and another may probe.
    pub fn withdrawn(&mut self, epoch: u32) {
        if let State::HalfOpen(sent, _) = &mut self.state
            && epoch == self.epoch
        {
            *sent -= 1;
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.window = Window::default();
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(window: &str, min_calls: u64, probes: u64) -> BreakerPolicy {
        BreakerPolicy {
            window: window.parse().unwrap(),
            failure_ratio: 0.5,
            slow: Some((100, 0.8)),
            min_calls,
            open: "1000ns".parse().unwrap(),
            probes,
            fails: [true; 9],
        }
    }

    /// Sends a call and ends it at once.
    fn call(breaker: &mut Breaker, policy: &BreakerPolicy, took: u64, ok: bool, now: u64) -> bool {
        let epoch = breaker.admit(policy, now).expect("it is let through");
        breaker.ended(policy, (epoch, took), ok, now)
    }

    #[test]
    fn half_of_the_last_calls_open_it_and_probes_decide() {
        let policy = policy("4", 4, 2);
        let mut breaker = Breaker::default();
        for ok in [false, true, true] {
            assert!(!call(&mut breaker, &policy, 1, ok, 0));
        }
        // Too few until now; then the oldest leaves.
        assert!(!call(&mut breaker, &policy, 1, true, 0));
        assert!(!call(&mut breaker, &policy, 1, false, 0));
        let late = breaker.admit(&policy, 0).unwrap();
        assert!(call(&mut breaker, &policy, 1, false, 10));
        assert_eq!(breaker.admit(&policy, 1009), None);
        // Two probes and no more; what was sent before does not count.
        let one = breaker.admit(&policy, 1010).unwrap();
        assert!(!breaker.ended(&policy, (late, 1), false, 1010));
        let two = breaker.admit(&policy, 1010).unwrap();
        assert_eq!((one, breaker.admit(&policy, 1010)), (two, None));
        breaker.withdrawn(two);
        let two = breaker.admit(&policy, 1010).unwrap();
        assert!(!breaker.ended(&policy, (one, 1), true, 1011));
        assert!(breaker.ended(&policy, (two, 1), false, 1011), "half of them failed");
        assert_eq!(breaker.admit(&policy, 2010), None);
        for _ in 0..2 {
            assert!(!call(&mut breaker, &policy, 1, true, 2011));
        }
        assert_eq!(breaker.state, State::Closed);
        // It begins to count anew.
        assert!(!call(&mut breaker, &policy, 1, false, 2012));
    }

    #[test]
    fn it_stays_open_longer_until_it_closes() {
        let open: OpenSpec = "exponential(base=100ns factor=3 max=500ns)".parse().unwrap();
        let policy = BreakerPolicy { open, ..policy("1", 1, 1) };
        let (mut breaker, mut now) = (Breaker::default(), 0);
        for (open, closes) in [(100, false), (300, false), (500, false), (500, true), (100, false)]
        {
            assert!(call(&mut breaker, &policy, 1, false, now));
            assert_eq!(breaker.admit(&policy, now + open - 1), None);
            now += open;
            if closes {
                assert!(!call(&mut breaker, &policy, 1, true, now));
            }
        }
        for text in ["5s", "exponential(base=5s factor=2 max=5m)"] {
            assert_eq!(text.parse::<OpenSpec>().unwrap().to_string(), text);
        }
        for text in ["exponential(base=5s)", "exponential(base=5s max=1s)", "linear(step=5s)"] {
            assert!(text.parse::<OpenSpec>().is_err(), "{text}");
        }
    }

    #[test]
    fn slow_calls_open_it_too() {
        let policy = policy("5", 5, 1);
        let mut breaker = Breaker::default();
        let opened =
            [101, 500, 100, 101, 101].map(|took| call(&mut breaker, &policy, took, true, 0));
        assert_eq!(opened, [false, false, false, false, true]);
    }

    proptest! {
        /// The same by plain lists: which calls count is decided anew for each.
        #[test]
        fn a_window_of_time_agrees_with_a_slow_twin(
            calls in prop::collection::vec((0u64..200, any::<bool>()), 0..60),
        ) {
            let policy = BreakerPolicy { slow: None, ..policy("1000ns", 4, 1) };
            let mut breaker = Breaker::default();
            let (mut now, mut seen) = (0, Vec::new());
            for (gap, ok) in calls {
                now += gap;
                seen.push((now, ok));
                let inside = |call: &&(u64, bool)| call.0 / 100 + 10 > now / 100;
                let window: Vec<_> = seen.iter().filter(inside).collect();
                let failed = window.iter().filter(|c| !c.1).count();
                let opens = window.len() >= 4 && 2 * failed >= window.len();
                prop_assert_eq!(call(&mut breaker, &policy, 1, ok, now), opens);
                if opens {
                    prop_assert_eq!(breaker.admit(&policy, now + 999), None);
                    now += 1000;
                    call(&mut breaker, &policy, 1, true, now);
                    prop_assert_eq!(breaker.state, State::Closed);
                    seen.clear();
                }
            }
        }
    }
}
