//! Single requests as traces of the OpenTelemetry protocol, in JSON (OTLP 1.x), as Jaeger and its kin take them.
//!
//! A request is a trace: its own span at the client, below it its attempts (clients), the visits they led to (servers), their
//! calls and so on. The run begins at [`EPOCH`].
//!
//! **Invariant.** Ids follow from fingerprint, client and number: the same run has the same traces.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::waterfall::label;
use crate::results::{RequestSpan, Results, Waterfall};

/// Instant at which a run begins, s after 1970: 2000-01-01T00:00:00Z. Readers take 0 for no time at all.
pub(super) const EPOCH: u64 = 946_684_800;

/// Kinds of spans of the protocol.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
const PRODUCER: u8 = 4;
const CONSUMER: u8 = 5;

/// One document with all requests that were watched.
#[must_use]
pub fn otlp(results: &Results, all: &[Waterfall]) -> Vec<u8> {
    // By who it happened at: node or client, and instance.
    let mut places: BTreeMap<(String, u16), Vec<Value>> = BTreeMap::new();
    for of in all {
        let trace =
            Trace { results, of, id: digest(&format!("{}/{}", results.fingerprint, of.name())) };
        let place = of.spans.first().map_or(0, |span| span.instance);
        places.entry((of.request.client.clone(), place)).or_default().push(trace.root());
        for span in &of.spans {
            let place = (span.node.clone(), span.instance);
            places.entry(place).or_default().push(trace.span(span));
        }
    }
    let scope = json!({"name": "windtunnel", "version": results.windtunnel_version});
    let of_place = |((node, instance), spans): ((String, u16), Vec<Value>)| {
        json!({
            "resource": {"attributes": [
                text("service.name", &node),
                text("service.instance.id", &instance.to_string()),
                text("service.namespace", &results.scenario),
            ]},
            "scopeSpans": [{"scope": scope, "spans": spans}],
        })
    };
    let resources: Vec<Value> = places.into_iter().map(of_place).collect();
    format!("{:#}\n", json!({"resourceSpans": resources})).into_bytes()
}

/// A request on its way to be written.
struct Trace<'t> {
    results: &'t Results,
    of: &'t Waterfall,
    id: String,
}

impl Trace<'_> {
    fn trace_id(&self) -> &str {
        &self.id[..32]
    }

    /// The id of a span; none: of the request itself.
    fn span_id(&self, span: Option<usize>) -> String {
        let name = span.map_or("request".to_owned(), |id| id.to_string());
        digest(&format!("{}/{name}", self.id))[..16].to_owned()
    }

    /// The request itself.
    fn root(&self) -> Value {
        let request = &self.of.request;
        let mut attributes = vec![
            text("windtunnel.outcome", &request.outcome),
            whole("windtunnel.replication", request.replication),
            whole("windtunnel.number", request.number),
            whole("windtunnel.attempts", request.attempts.into()),
        ];
        attributes.extend(request.key.map(|key| text("windtunnel.key", &key.to_string())));
        let why = self.of.why.iter().map(|why| json!({"stringValue": why}));
        let why: Vec<Value> = why.collect();
        attributes.push(json!({"key": "windtunnel.why", "value": {"arrayValue": {"values": why}}}));
        json!({
            "traceId": self.trace_id(),
            "spanId": self.span_id(None),
            "name": format!("{} {}", request.client, request.operation),
            "kind": INTERNAL,
            "startTimeUnixNano": instant(request.intended),
            "endTimeUnixNano": instant(self.of.decided().unwrap_or(self.results.duration)),
            "attributes": attributes,
            "status": status(Some(&request.outcome)),
        })
    }

    fn span(&self, span: &RequestSpan) -> Value {
        let kind = match span.kind.as_str() {
            "attempt" | "call" => CLIENT,
            "send" => PRODUCER,
            "message" => CONSUMER,
            "visit" | "copy" => SERVER,
            _ => INTERNAL,
        };
        let mut attributes = vec![
            text("windtunnel.kind", &span.kind),
            seconds("windtunnel.waiting", span.waiting),
            seconds("windtunnel.work", span.work),
        ];
        if let Some((node, _)) = &span.to {
            attributes.push(text("server.address", node));
        }
        attributes.extend(span.outcome.as_ref().map(|outcome| text("windtunnel.outcome", outcome)));
        json!({
            "traceId": self.trace_id(),
            "spanId": self.span_id(Some(span.id)),
            "parentSpanId": self.span_id(span.parent),
            "name": label(span, 0),
            "kind": kind,
            "startTimeUnixNano": instant(span.start),
            "endTimeUnixNano": instant(span.end.unwrap_or(self.results.duration)),
            "attributes": attributes,
            "status": status(span.outcome.as_deref()),
        })
    }
}

/// 1: it went well, 2: it did not, 0: nobody knows.
fn status(outcome: Option<&str>) -> Value {
    match outcome {
        Some("ok" | "degraded") => json!({"code": 1}),
        None | Some("in_flight") => json!({"code": 0}),
        Some(outcome) => json!({"code": 2, "message": outcome}),
    }
}

/// An instant of the run, ns after 1970, as the protocol writes numbers of 64 bits.
fn instant(at: f64) -> String {
    (EPOCH * 1_000_000_000 + (at * 1e9).round() as u64).to_string()
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn whole(key: &str, value: u64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

fn seconds(key: &str, value: f64) -> Value {
    json!({"key": key, "value": {"doubleValue": value}})
}

/// SHA-256, hexadecimal.
fn digest(text: &str) -> String {
    let bytes = Sha256::digest(text.as_bytes());
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
