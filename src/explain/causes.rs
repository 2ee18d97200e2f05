//! Causes that nodes count, as events.
//!
//! **Invariant.** Of each it is said here whether it is told of, and it is called by what somebody may change.

use crate::{cause::Cause, results::EventKind};

/// What a cause is counted of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// What arrives.
    Arrivals,
    /// What would have arrived, had anybody been there.
    Absent,
    /// Calls, of which a visit may make any number.
    Calls,
    /// What arrives at a function.
    Starts,
}

/// As what a cause is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Refusals begin, of what they are and by what.
    Refused(Of, &'static str),
    /// Waits begin, of what they are and for what.
    Waits(Of, &'static str),
    /// Time-outs begin, of these.
    TimeOuts(&'static str),
    /// It happens for the first time.
    First(EventKind),
}

use Of::{Absent, Arrivals, Calls, Starts};
use Told::{First, Refused, TimeOuts, Waits};

/// As what a cause is told of where there is more of it than in the quiet time; of some nothing is told that others do
/// not tell already: callers of their failures, replicas of their leaders, caches of their misses.
#[allow(clippy::too_many_lines, reason = "a line for each cause")]
pub(super) const fn told(cause: Cause) -> &'static [Told] {
    match cause {
        Cause::QueueFull => &[Refused(Arrivals, "queue full")],
        Cause::Abandoned => &[Refused(Arrivals, "patience over")],
        Cause::Codel => &[Refused(Arrivals, "dropped by CoDel")],
        Cause::BulkheadFull => &[Refused(Calls, "bulkhead full")],
        Cause::PoolExhausted => &[Refused(Calls, "pool exhausted")],
        // The door's limit and that of calls have one name.
        Cause::RateLimited => {
            &[Refused(Arrivals, "rate limit"), Refused(Calls, "rate limit of calls")]
        }
        Cause::ShedQueue => &[Refused(Arrivals, "shed: queue too long")],
        Cause::ShedWait => &[Refused(Arrivals, "shed: waits too long")],
        Cause::ShedReserve => &[Refused(Arrivals, "shed: room kept for others")],
        Cause::ShedConcurrency => &[Refused(Arrivals, "shed: concurrency limit")],
        Cause::BreakerOpen => &[Refused(Calls, "breaker open")],
        Cause::SelfThrottled => &[Refused(Calls, "throttled by the caller")],
        Cause::NoLiveTarget => &[Refused(Arrivals, "no live target")],
        Cause::ConnectionRefused => &[Refused(Absent, "connection refused")],
        Cause::TooManyConnections => &[Refused(Arrivals, "too many connections")],
        Cause::ConnectionReset => &[Refused(Calls, "connections reset")],
        Cause::ConnectTimeout => &[Refused(Calls, "connections not opened in time")],
        Cause::NoFreePort => &[Refused(Calls, "no free port")],
        Cause::NobodyThere => &[Refused(Absent, "no instance")],
        Cause::Restoring => &[Refused(Arrivals, "being restored")],
        Cause::NoLease => &[Refused(Arrivals, "lease lost")],
        Cause::Unauthorized => &[Refused(Arrivals, "unauthorized")],
        Cause::OutOfMemory => &[Refused(Arrivals, "out of memory")],
        Cause::OutOfThreads => &[Refused(Arrivals, "out of threads")],
        Cause::OutOfDescriptors => &[Refused(Arrivals, "out of descriptors")],
        Cause::PushedOut => &[Refused(Arrivals, "pushed out by more urgent ones")],
        // What no environment started for has the name of calls that wait for a token.
        Cause::Throttled => &[Refused(Starts, "no environment"), Waits(Calls, "a token")],
        Cause::DoorWait => &[Waits(Arrivals, "its turn at the door")],
        Cause::OverQuota => &[Waits(Arrivals, "the next period of its quota")],
        Cause::Held => &[Waits(Arrivals, "an instance")],
        Cause::PoolWait => &[Waits(Calls, "a connection")],
        Cause::BulkheadWait => &[Waits(Calls, "the bulkhead")],
        Cause::CallTimeout => &[TimeOuts("calls")],
        Cause::TargetTimeout => &[TimeOuts("requests passed on")],
        Cause::BreakerOpened => &[First(EventKind::BreakerOpened)],
        Cause::MarkedDown | Cause::Ejected => &[First(EventKind::TargetTakenOut)],
        Cause::Aborted
        | Cause::BackgroundFailed
        | Cause::Behind
        | Cause::Blocked
        | Cause::Cancelled
        | Cause::Conflict
        | Cause::Corrupt
        | Cause::Crashed
        | Cause::Deadline
        | Cause::Dropped
        | Cause::FailedCall
        | Cause::FailedFetch
        | Cause::FailedStep
        | Cause::Fallback
        | Cause::Fault
        | Cause::Fenced
        | Cause::FillRefused
        | Cause::Hedged
        | Cause::LeadershipLost
        | Cause::LeaseLost
        | Cause::LockRetry
        | Cause::LostAtDeadHost
        | Cause::MarkedUp
        | Cause::Moving
        | Cause::Negative
        | Cause::NoLeader
        | Cause::NoVersion
        | Cause::QuorumTimeout
        | Cause::RateLimitedBy1
        | Cause::RateLimitedBy2
        | Cause::RateLimitedBy3
        | Cause::RateLimitedBy4
        | Cause::RateLimitedBy5
        | Cause::RateLimitedBy6
        | Cause::RateLimitedBy7
        | Cause::RateLimitedBy8
        | Cause::SagaLog
        | Cause::SentOn
        | Cause::TargetDown
        | Cause::TooFewReplicas
        | Cause::Unreachable => &[],
    }
}

/// Whether what is called so is of calls.
pub(super) fn is_of_calls(words: &str) -> bool {
    let mut all = Cause::ALL.iter().flat_map(|&cause| told(cause));
    all.any(
        |told| matches!(told, Refused(Calls, called) | Waits(Calls, called) if *called == words),
    )
}
