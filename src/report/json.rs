//! `results.json`: the complete results, pretty and stable.
//!
//! **Invariant.** The names are those of `results.rs`; nothing is added here.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use crate::results::Results;

/// The document as bytes, with a final line break.
pub(crate) fn results(results: &Results) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Serializer::with_formatter(&mut bytes, Lines(PrettyFormatter::new()));
    results.serialize(&mut writer).expect("results hold only maps with text keys");
    bytes.push(b'\n');
    bytes
}

/// What a result folder holds much of, in one line.
pub(crate) fn compact<T: Serialize + ?Sized>(all: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(all).expect("they hold only maps with text keys");
    bytes.push(b'\n');
    bytes
}

/// A key a line, as usual, and all of a list on one line: there are many long ones.
struct Lines(PrettyFormatter<'static>);

impl Formatter for Lines {
    fn begin_object<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.begin_object(to)
    }

    fn end_object<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_object(to)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(to, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.begin_object_value(to)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_object_value(to)
    }
}

/// What says why, and of which run.
pub(crate) fn explanation(results: &Results, variants: &[String]) -> Vec<u8> {
    let document = serde_json::json!({
        "scenario": results.scenario,
        "variant": results.variant,
        "fingerprint": results.fingerprint,
        "timeline": results.timeline,
        "faults": results.faults,
        "bottleneck": results.bottleneck,
        "blame": results.blame,
        "variants": variants,
    });
    format!("{document:#}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn reads_back_as_it_was() {
        let before = fixture::shop();
        let bytes = results(&before);
        let after: Results = serde_json::from_slice(&bytes).unwrap();
        assert!(results(&after) == bytes, "floats must survive the trip bit by bit");
        assert_eq!(after.summary.figures.requests, before.summary.figures.requests);
    }

    #[test]
    fn has_the_names_users_rely_on() {
        let document: serde_json::Value =
            serde_json::from_slice(&results(&fixture::shop())).unwrap();
        for path in [
            "/summary/requests/rate_limited",
            "/summary/latency/p999/upper",
            "/clients/shoppers/operations/browse/latency/p99/value",
            "/nodes/api/waiting_time/mean/n",
            "/nodes/orders/shards/0/keys_share/value",
            "/slos/0/verdict",
            "/replications/0/figures/availability",
        ] {
            assert!(document.pointer(path).is_some(), "{path}");
        }
    }
}
