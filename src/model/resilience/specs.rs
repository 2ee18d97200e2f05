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
/// ```yaml
/// pool: {size: 32, wait: 1s, setup: 3ms, idle: 60s}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolFields {
    /// Connections open at once.
    pub size: Count,
    /// How long a call waits for one, then it is `rejected`; for ever (or to its deadline) when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<SimDuration>,
    /// Time to open one (handshakes); 0 when absent. The `timeout` of the call starts after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<DurationLaw>,
    /// An unused connection is closed after this time; kept for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<SimDuration>,
}

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
    "a number of connections, or `{size, wait, setup, idle}`",
    |size| PoolFields { size, wait: None, setup: None, idle: None },
    |p| (p.wait.is_none() && p.setup.is_none() && p.idle.is_none()).then_some(&p.size)
);
