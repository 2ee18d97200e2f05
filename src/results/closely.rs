//! Spans of one replication looked at closely, and which way its calls went.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What was seen of one replication beside single requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Closely {
    /// The replication.
    pub replication: u64,
    /// Time from one look at the instances to the next, s.
    pub step: f64,
    /// Messages of one request in so many are listed: there were too many of all.
    pub one_in: u64,
    /// Around faults, or those that were asked for, in order of time.
    pub spans: Vec<CloseSpan>,
    /// How many calls went which way, counted in a part of each window of the time series.
    pub calls: Vec<EdgeCalls>,
}

/// A span of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CloseSpan {
    /// From when, s.
    pub from: f64,
    /// Until when, s.
    pub to: f64,
    /// By node its instances, look by look; of one with more than 64 all together.
    pub nodes: BTreeMap<String, Vec<InstanceLooks>>,
    /// Messages by the way they went.
    pub messages: Vec<RouteMessages>,
}

/// How an instance was between two looks, to three significant digits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InstanceLooks {
    /// Busy / capacity; empty: it has no bound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub busy: Vec<f64>,
    /// Mean number waiting; empty: nobody did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<f64>,
    /// Share of the time in which it was down or not there; empty: it never was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub down: Vec<f64>,
    /// 1 where a fault was at work at it as it was looked at; empty: nowhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub struck: Vec<u8>,
}

/// Messages between two parts of the design that arrived in a span.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RouteMessages {
    /// Client or node they left.
    pub from: String,
    /// Client or node they came to.
    pub to: String,
    /// They are answers.
    pub answer: bool,
    /// When each was sent and when it arrived, s; in order of arrival.
    pub times: Vec<(f64, f64)>,
}

/// Calls from one client or node to another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EdgeCalls {
    /// Who called.
    pub from: String,
    /// Who was called.
    pub to: String,
    /// Calls that were counted, by window of the time series.
    pub counted: Vec<u64>,
}
