//! Bulkheads, pools of connections and second attempts, as the file has them.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::DurationLaw,
    units::{Count, SimDuration, ValueError, short_form, text_value},
};

/// A second copy of a call that has no answer yet. A failed copy waits for the other one. Copies spend
/// the retry budget if there is one; a copy that would have to wait (for a token, a permit, a connection,
/// a breaker) is not sent. The slower copy goes on to its end unless the edge says `cancel: true`.
///
/// ```yaml
/// hedge: {after: p95}
/// ```
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HedgeSpec {
    /// How long the first copy has had: a duration, or a quantile of how long calls took on this edge in the
    /// last 10 to 20 s, from their first copy on (no copies before 100 calls have ended).
    pub after: AfterSpec,
    /// The copy goes to another instance than those before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<bool>,
}

/// After which time a copy is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AfterSpec {
    /// Always the same, ns.
    Fixed(u64),
    /// A quantile, 0..1, of the replies seen, by its name.
    Quantile(&'static str, f64),
}

const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)];

impl FromStr for AfterSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Some(&(name, q)) = QUANTILES.iter().find(|known| known.0 == text) {
            return Ok(Self::Quantile(name, q));
        }
        let d: SimDuration = text.parse().map_err(|e: ValueError| match e.code {
            "E-TYPE" => e.help("a duration such as 30ms, or p50, p75, p90, p95, p99, p999"),
            _ => e,
        })?;
        Ok(Self::Fixed(d.0))
    }
}

impl fmt::Display for AfterSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(nanos) => SimDuration(*nanos).fmt(f),
            Self::Quantile(name, _) => f.write_str(name),
        }
    }
}

text_value!(AfterSpec, "After", "a duration, or a quantile such as `p95`", ["30ms", "p95"]);

/// So many calls at once: `bulkhead: 16` is short for `bulkhead: {size: 16}`.
#[derive(Clone, Debug)]
pub struct BulkheadSpec(pub BulkheadFields);

/// The long form of a bulkhead. One for each calling instance and edge; a call for which there is no
/// room is `rejected`.
///
/// ```yaml
/// bulkhead: {size: 16, wait: 50ms}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkheadFields {
    /// Calls at once.
    pub size: Count,
    /// How long a call waits for room; refused at once when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<SimDuration>,
}

/// So many connections: `pool: 32` is short for `pool: {size: 32}`.
#[derive(Clone, Debug)]
pub struct PoolSpec(pub PoolFields);

/// The long form of a connection pool. One for each calling instance and edge; a call holds a connection
/// until its reply. A call that is given up (it timed out, or its hedge was faster) takes its connection
/// with it, as nobody knows what would come next on it.
///
/// With `keep`, `max_age`, `streams`, `linger`, `ports`, or round trips or work in `setup`, connections have a far end: each is
/// opened by messages to one instance, which knows of it and may close it. So it is, too, where the node called says
/// `keep_alive`, `limits: {connections: ..}` or `balance: connection`. The end of one end is news for the other one trip later:
/// what is sent into that is `reset` and ends in an `error`.
///
/// ```yaml
/// pool: {size: 32, wait: 1s, setup: 3ms, idle: 60s}
/// pool: {size: 20, setup: {round_trips: 2, work: 5ms}, keep: 2, idle: 90s, max_age: uniform(25m 30m)}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolFields {
    /// Connections open at once.
    pub size: Count,
    /// How long a call waits for one, then it is `rejected`; for ever (or to its deadline) when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<SimDuration>,
    /// What it takes to open one: a time, or `{round_trips, work}`; 0 when absent (one round trip to a far end). The `timeout`
    /// of the call starts after it; opening one to a far end may take as long once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<SetupSpec>,
    /// Unused connections kept open, at most; beyond that one is closed after its call. All when absent, 0: each call
    /// opens its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Count>,
    /// An unused connection is closed after this time; kept for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<SimDuration>,
    /// How old one may be, drawn for each: then it takes no new call and is closed after those it has. For ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<DurationLaw>,
    /// Calls that one carries at once (HTTP/2, gRPC); 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<Count>,
    /// How long the port of a connection that was closed at this end first is not used again (`TIME_WAIT`, 60 s on Linux); at once
    /// when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linger: Option<SimDuration>,
    /// Ports of a calling instance for these connections, those that linger included (28k on Linux); without a free one a call ends in
    /// an `error` (cause `no_free_port`). Without end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Count>,
}

impl PoolFields {
    /// A plain number of connections.
    pub fn plain(size: Count) -> Self {
        Self {
            size,
            wait: None,
            setup: None,
            keep: None,
            idle: None,
            max_age: None,
            streams: None,
            linger: None,
            ports: None,
        }
    }

    fn is_plain(&self) -> bool {
        self.wait.is_none() && self.setup.is_none() && self.idle.is_none() && !self.has_far_end()
    }

    /// Whether its own keys say that connections have a far end.
    pub fn has_far_end(&self) -> bool {
        let of_setup = self.setup.as_ref().map(|setup| &setup.0);
        self.keep.is_some()
            || self.max_age.is_some()
            || self.streams.is_some()
            || self.linger.is_some()
            || self.ports.is_some()
            || of_setup.is_some_and(|setup| setup.round_trips.is_some() || setup.work.is_some())
    }

    /// Its laws.
    pub fn laws(&self) -> impl Iterator<Item = &DurationLaw> {
        let setup = self.setup.iter().flat_map(|setup| [&setup.0.time, &setup.0.work]);
        setup.chain([&self.max_age]).flatten()
    }
}

/// What it takes to open a connection: `setup: 3ms` is short for `setup: {time: 3ms}`.
#[derive(Clone, Debug)]
pub struct SetupSpec(pub SetupFields);

/// What it takes to open a connection.
///
/// ```yaml
/// pool: {size: 20, setup: {round_trips: 3, work: 5ms}}
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupFields {
    /// Time that passes at the caller before anything is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<DurationLaw>,
    /// Messages there and back: 1 for TCP (when absent), 2 with TLS 1.3, 3 with TLS 1.2; more for a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trips: Option<Count>,
    /// Work on a core of the instance called, with the last of them: keys are exchanged, a process is forked, a password is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<DurationLaw>,
}

short_form!(
    SetupSpec,
    SetupFields,
    DurationLaw,
    "a time, or `{round_trips, work}`",
    |time| SetupFields { time: Some(time), ..SetupFields::default() },
    |setup| setup.time.as_ref().filter(|_| setup.round_trips.is_none() && setup.work.is_none())
);

short_form!(
    BulkheadSpec,
    BulkheadFields,
    Count,
    "a number of calls, or `{size, wait}`",
    |size| BulkheadFields { size, wait: None },
    |b| b.wait.is_none().then_some(&b.size)
);
short_form!(
    PoolSpec,
    PoolFields,
    Count,
    "a number of connections, or `{size, wait, setup, keep, idle, max_age, streams}`",
    |size| PoolFields::plain(size),
    |p| p.is_plain().then_some(&p.size)
);
