//! Tables of small results.

use super::*;
use crate::report::fixture;

#[test]
fn a_run_at_100_columns() {
    insta::assert_snapshot!(summary(&fixture::shop(), 100));
}

#[test]
fn a_run_at_80_columns_keeps_its_intervals_in_two_tables() {
    let text = summary(&fixture::shop(), 80);
    insta::assert_snapshot!(text);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_run_at_60_columns_stays_inside_and_loses_no_column() {
    let text = summary(&fixture::shop(), 60);
    insta::assert_snapshot!(text);
    assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    assert!(text.contains("response p99"), "{text}");
}

#[test]
fn a_run_without_a_decided_request_says_so() {
    let mut results = fixture::nothing_decided();
    results.replications.truncate(1);
    let text = summary(&results, 100);
    assert!(text.contains("no request was decided"), "{text}");
    assert!(text.contains("--replications 10"), "{text}");
}

#[test]
fn limits_tell_the_unit() {
    for (expression, quantity) in [
        ("availability >= 99.5%", Quantity::Share),
        ("p99(latency operation=browse) <= 350ms", Quantity::Duration),
        ("goodput >= 1200/s", Quantity::Rate),
        ("lost_acked_writes == 0", Quantity::Number),
        ("nodes.db.consistency.rto.write == 0", Quantity::Duration),
        ("rpo(cut) == 0", Quantity::Duration),
        ("nodes.rpo.in_queue == 1", Quantity::Number),
        ("metastable(blip) == false", Quantity::Truth),
        ("requests.timeout <= 1% of requests.issued", Quantity::Share),
        ("p99(latency) <= 400ms in 90% of runs", Quantity::Share),
        ("garbage", Quantity::Number),
    ] {
        assert_eq!(slo_quantity(expression), quantity, "{expression}");
    }
}

#[test]
fn payloads_reach_no_terminal() {
    for payload in fixture::PAYLOADS {
        let text = summary(&fixture::hostile(payload), 100);
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{payload:?}");
    }
}
