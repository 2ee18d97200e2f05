//! Causes that nodes note, as events.
//!
//! **Invariant.** Each is called by what somebody may change.

use crate::results::EventKind;

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

/// Causes of refusals and waits a node notes, what they are events of, what they are called, and of what they are.
pub(super) const CAUSES: [(&str, EventKind, &str, Of); 33] = [
    ("queue_full", EventKind::RefusalsBegan, "queue full", Of::Arrivals),
    ("abandoned", EventKind::RefusalsBegan, "patience over", Of::Arrivals),
    ("codel", EventKind::RefusalsBegan, "dropped by CoDel", Of::Arrivals),
    ("bulkhead_full", EventKind::RefusalsBegan, "bulkhead full", Of::Calls),
    ("pool_exhausted", EventKind::RefusalsBegan, "pool exhausted", Of::Calls),
    ("rate_limited", EventKind::RefusalsBegan, "rate limit", Of::Arrivals),
    ("rate_limited", EventKind::RefusalsBegan, "rate limit of calls", Of::Calls),
    ("shed_queue", EventKind::RefusalsBegan, "shed: queue too long", Of::Arrivals),
    ("shed_wait", EventKind::RefusalsBegan, "shed: waits too long", Of::Arrivals),
    ("shed_reserve", EventKind::RefusalsBegan, "shed: room kept for others", Of::Arrivals),
    ("shed_concurrency", EventKind::RefusalsBegan, "shed: concurrency limit", Of::Arrivals),
    ("breaker_open", EventKind::RefusalsBegan, "breaker open", Of::Calls),
    ("self_throttled", EventKind::RefusalsBegan, "throttled by the caller", Of::Calls),
    ("no_live_target", EventKind::RefusalsBegan, "no live target", Of::Arrivals),
    ("connection_refused", EventKind::RefusalsBegan, "connection refused", Of::Absent),
    ("too_many_connections", EventKind::RefusalsBegan, "too many connections", Of::Arrivals),
    ("connection_reset", EventKind::RefusalsBegan, "connections reset", Of::Calls),
    ("connect_timeout", EventKind::RefusalsBegan, "connections not opened in time", Of::Calls),
    ("no_free_port", EventKind::RefusalsBegan, "no free port", Of::Calls),
    ("nobody_there", EventKind::RefusalsBegan, "no instance", Of::Absent),
    ("no_lease", EventKind::RefusalsBegan, "lease lost", Of::Arrivals),
    ("unauthorized", EventKind::RefusalsBegan, "unauthorized", Of::Arrivals),
    ("out_of_memory", EventKind::RefusalsBegan, "out of memory", Of::Arrivals),
    ("out_of_threads", EventKind::RefusalsBegan, "out of threads", Of::Arrivals),
    ("out_of_descriptors", EventKind::RefusalsBegan, "out of descriptors", Of::Arrivals),
    ("pushed_out", EventKind::RefusalsBegan, "pushed out by more urgent ones", Of::Arrivals),
    ("throttled", EventKind::RefusalsBegan, "no environment", Of::Starts),
    ("door_wait", EventKind::WaitsBegan, "its turn at the door", Of::Arrivals),
    ("over_quota", EventKind::WaitsBegan, "the next period of its quota", Of::Arrivals),
    ("held", EventKind::WaitsBegan, "an instance", Of::Arrivals),
    ("throttled", EventKind::WaitsBegan, "a token", Of::Calls),
    ("pool_wait", EventKind::WaitsBegan, "a connection", Of::Calls),
    ("bulkhead_wait", EventKind::WaitsBegan, "the bulkhead", Of::Calls),
];

/// Whether what is called so is of calls.
pub(super) fn is_of_calls(words: &str) -> bool {
    CAUSES.iter().any(|(.., called, of)| *called == words && *of == Of::Calls)
}
