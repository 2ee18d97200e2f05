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

use crate::units::{Count, Fraction, SimDuration, ValueError, text_value};

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
    /// Share of failed calls at which it opens; 50% when absent. Whatever is not answered as asked
    /// has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_ratio: Option<Fraction>,
    /// Calls that are slow, and which share of them opens it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<SlowSpec>,
    /// Calls below which nothing is judged; 10 when absent, or all of a window of fewer calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_calls: Option<Count>,
    /// How long it stays open.
    pub open: SimDuration,
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

impl BreakerSpec {
    /// Calls below which nothing is judged, when nothing else is said.
    pub const MIN_CALLS: u64 = 10;

    /// Ready to run.
    pub fn policy(&self) -> BreakerPolicy {
        let least = match self.window {
            WindowSpec::Calls(n) => n.min(Self::MIN_CALLS),
            WindowSpec::Span(_) => Self::MIN_CALLS,
        };
        BreakerPolicy {
            window: self.window,
            failure_ratio: self.failure_ratio.map_or(0.5, |f| f.0),
            slow: self.slow.map(|s| (s.over.0, s.ratio.0)),
            min_calls: self.min_calls.map_or(least, |n| n.0),
            open: self.open.0,
            probes: self.probes.map_or(1, |n| n.0),
        }
    }
}

/// A breaker's rules.
#[derive(Clone, Copy, Debug)]
pub struct BreakerPolicy {
    window: WindowSpec,
    failure_ratio: f64,
    /// Slower than so many ns; share.
    slow: Option<(u64, f64)>,
    min_calls: u64,
    open: u64,
    probes: u64,
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
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed, window: Window::default(), epoch: 0 }
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
            self.enter(State::Open(now.saturating_add(policy.open)));
        } else if self.state != State::Closed {
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
            open: 1000,
            probes,
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
