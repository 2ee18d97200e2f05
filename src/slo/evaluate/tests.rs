//! Expressions on small results worked out by hand.

use std::collections::BTreeMap;

use super::*;
use crate::{
    problem::Problems,
    results::{NodeResults, NodeSeries, Requests, RequestsInWindow, Selection, Status, TimeSeries},
    slo::{Names, check},
    stats::Histogram,
};

const SECOND: u64 = 1_000_000_000;

/// Replications given as latencies of successes (s), number of failures, latencies to a mark.
struct Fake {
    confidence: f64,
    parts: Vec<Requests>,
}

fn part(latencies: &[u64], failures: u64, marks: &[u64]) -> Requests {
    let histogram = |values: &[u64]| {
        let mut histogram = Histogram::default();
        for value in values {
            histogram.record(value * SECOND);
        }
        histogram
    };
    let mut part = Requests {
        issued: latencies.len() as u64 + failures,
        good: latencies.len() as u64,
        attempts: 2 * latencies.len() as u64 + failures,
        span: 10 * SECOND,
        latency: histogram(latencies),
        latency_failed: histogram(&vec![1; failures as usize]),
        marks: BTreeMap::from([("first".to_owned(), histogram(marks))]),
        ..Requests::default()
    };
    part.outcomes[0] = latencies.len() as u64;
    part.outcomes[2] = failures;
    // Windows of 1 s from 0 to 12 s; all failures in the one at 4 s, successes one in each from 2 s.
    part.windows = (0..12)
        .map(|w| RequestsInWindow { start: w * SECOND, covered: SECOND, ..Default::default() })
        .collect();
    for i in 0..latencies.len() {
        let window = &mut part.windows[2 + i % 10];
        window.issued += 1;
        window.good += 1;
        window.outcomes[0] += 1;
        window.attempts += 2;
    }
    part.windows[4].issued += failures;
    part.windows[4].outcomes[2] += failures;
    part
}

/// One of them.
struct One<'f> {
    requests: &'f Requests,
    results: Results,
}

impl Evidence for One<'_> {
    fn requests(&self, selection: &Selection) -> Requests {
        let nobody = selection.client.as_deref() == Some("idle");
        if nobody { Requests::default() } else { self.requests.clone() }
    }

    fn results(&self) -> &Results {
        &self.results
    }

    fn warm_up(&self) -> u64 {
        2 * SECOND
    }
}

impl Fake {
    fn judge(&self, slos: &[Slo], results: &Results) -> Vec<SloResult> {
        let mut judge = Judge::new(slos);
        for (replication, requests) in self.parts.iter().enumerate() {
            judge.push(&One { requests, results: self.results_of(replication) });
        }
        judge.verdicts(results)
    }

    fn results_of(&self, replication: usize) -> Results {
        let busy = 0.5 + 0.2 * replication as f64;
        let estimate = Estimate { value: Some(busy), lower: None, upper: None, n: 1 };
        let node = NodeResults { utilisation: estimate, ..NodeResults::default() };
        let windows = NodeSeries {
            utilisation: (0..12).map(|w| Some(if w == 5 { 0.9 } else { busy })).collect(),
            ..NodeSeries::default()
        };
        Results {
            confidence: self.confidence,
            warm_up: 2.0,
            status: Status::Complete,
            nodes: BTreeMap::from([("api".to_owned(), node)]),
            series: TimeSeries {
                start: (0..12).map(f64::from).collect(),
                length: vec![1.0; 12],
                nodes: BTreeMap::from([("api".to_owned(), windows)]),
                ..TimeSeries::default()
            },
            ..Results::default()
        }
    }
}

fn judge(text: &str, fake: &Fake) -> SloResult {
    let names = Names {
        clients: [("users", "default"), ("idle", "default")]
            .map(|(client, operation)| (client.to_owned(), vec![operation.to_owned()]))
            .into(),
        nodes: ["api".to_owned()].into(),
        marks: ["first".to_owned()].into(),
        span: 10 * SECOND,
        window: SECOND,
        ..Names::default()
    };
    let mut problems = Problems::default();
    let slos = check("slos", &[text.to_owned()], &names, &mut problems);
    let problems = problems.into_vec();
    assert!(problems.is_empty(), "{text}: {problems:?}");
    fake.judge(&slos, &fake.results_of(0)).remove(0)
}

/// 18 successes (1 .. 9 s twice) and 2 failures in two replications; without intervals.
fn fake() -> Fake {
    let latencies: Vec<u64> = (1..=9).collect();
    Fake { confidence: 0.0, parts: vec![part(&latencies, 0, &[1, 2]), part(&latencies, 2, &[1])] }
}

#[test]
fn verdicts_on_point_estimates() {
    for (text, verdict) in [
        // 18 of 20.
        ("availability >= 90%", "met"),
        ("availability > 90%", "missed"),
        ("availability >= 91%", "missed"),
        ("availability(client=idle) >= 1%", "undecided"),
        // Two of twenty requests never succeeded: the 19th slowest is beyond any limit.
        ("p90(latency) <= 9.1s", "met"),
        ("p95(latency) <= 1h", "missed"),
        ("mean(latency) <= 1h", "missed"),
        ("max(latency) <= 1h", "missed"),
        ("min(latency) <= 1s", "met"),
        ("latency.p95 <= 1h", "missed"),
        ("max(latency outcome=ok) <= 9s", "met"),
        ("max(latency_all) <= 9s", "met"),
        ("p50(latency client=idle) <= 1s", "undecided"),
        // Three of twenty reached the mark.
        ("p50(latency to=first) <= 1h", "missed"),
        ("min(latency to=first) <= 1s", "met"),
        ("p99.99(latency outcome=ok) <= 9s", "met"),
        ("p99.99(latency) <= 1h", "missed"),
        ("latency.p99.99 <= 1h", "missed"),
        ("p50.00(latency) <= 6s", "met"),
        // 8 of 20, and those that failed are slower than any limit.
        ("fraction(latency <= 4.5s) >= 40%", "met"),
        ("fraction(latency <= 4.5s) > 40%", "missed"),
        ("fraction(latency <= 1h) >= 90%", "met"),
        ("fraction(latency <= 1h) > 90%", "missed"),
        ("fraction(latency <= 9s) >= 90%", "met"),
        ("fraction(latency < 1s) >= 0.1%", "missed"),
        ("fraction(latency > 1h) >= 10%", "met"),
        ("fraction(latency >= 1s) >= 99.9%", "met"),
        ("fraction(latency <= 4.5s outcome=ok) <= 44.45%", "met"),
        ("fraction(latency <= 4.5s outcome=ok) >= 44.44%", "met"),
        ("fraction(latency_all <= 4.5s) >= 50%", "met"),
        ("fraction(latency_all <= 4.5s) > 50%", "missed"),
        ("fraction(latency <= 10s to=first) >= 15%", "met"),
        ("fraction(latency <= 10s to=first) > 15%", "missed"),
        ("fraction(latency <= 1s client=idle) >= 1%", "undecided"),
        ("fraction(latency <= 4.5s) >= 40% in 50% of runs", "met"),
        ("fraction(latency <= 4.5s) >= 40% in 51% of runs", "missed"),
        ("requests.timeout == 2", "met"),
        ("requests.timeout != 2", "missed"),
        ("requests.timeout <= 10% of requests.issued", "met"),
        ("requests.timeout < 10% of requests.issued", "missed"),
        ("requests(outcome=ok) >= 18", "met"),
        ("attempts_per_request < 1.9", "missed"),
        ("attempts_per_request <= 1.9", "met"),
        // 9 of 10 s: 0.9 per second in each replication.
        ("goodput >= 0.9/s", "met"),
        // A window of one replication has 1 good of 3: (1 + 1/3) / 2 = 2/3.
        ("min(availability window=1s) >= 66.6%", "met"),
        ("min(availability window=1s) >= 66.7%", "missed"),
        // In pairs 4-5 s: 2 of 4: (1 + 1/2) / 2 = 3/4.
        ("min(availability window=2s) >= 75%", "met"),
        ("min(availability window=2s) > 75%", "missed"),
        // One second of 0.9 among pairs of 0.5 and of 0.7: (0.7 + 0.8) / 2.
        ("max(nodes.api.utilisation window=2s) <= 75.1%", "met"),
        ("max(nodes.api.utilisation window=2s) <= 74.9%", "missed"),
        ("nodes.api.utilisation <= 50%", "met"),
        ("nodes.api.causes.queue_full == 0", "met"),
        // Replications: 1 and 9/11 available; 0.5 and 0.7 busy.
        ("availability >= 90% in 50% of runs", "met"),
        ("availability >= 90% in 51% of runs", "missed"),
        ("nodes.api.utilisation <= 60% in 100% of runs", "missed"),
        ("p95(latency) <= 9.1s in 50% of runs", "met"),
        ("availability(client=idle) >= 90% in 50% of runs", "undecided"),
    ] {
        assert_eq!(judge(text, &fake()).verdict.name(), verdict, "{text}");
    }
}

#[test]
fn margins_point_to_the_safe_side() {
    for (text, margin) in [
        ("availability >= 80%", Some(0.1)),
        ("availability <= 95%", Some(0.05)),
        ("availability >= 95%", Some(-0.05)),
        ("requests.timeout == 2", Some(0.0)),
        ("requests.timeout == 5", Some(-3.0)),
        ("p95(latency) <= 1s", None),
        ("availability >= 90% in 75% of runs", Some(-0.25)),
    ] {
        let result = judge(text, &fake());
        match (result.margin, margin) {
            (Some(got), Some(expected)) => assert!((got - expected).abs() < 1e-9, "{text}: {got}"),
            (got, expected) => assert_eq!(got, expected, "{text}"),
        }
        assert_eq!(result.expression, text);
    }
}

#[test]
fn an_estimate_carries_its_interval() {
    let result = judge("availability >= 80%", &Fake { confidence: 0.95, ..fake() });
    assert_eq!(result.estimate.n, 2);
    let (lower, upper) = (result.estimate.lower.unwrap(), result.estimate.upper.unwrap());
    assert!(lower < 0.9 && 0.9 < upper);
}

#[test]
fn an_interval_that_holds_the_limit_decides_nothing() {
    // Availability is 1 and 9/11 in the two: 0.9 -/+ 12.7 x 0.091.
    let wide = Fake { confidence: 0.95, ..fake() };
    let holds = "the interval holds the limit";
    for (text, verdict, reason) in [
        ("availability >= 90%", "inconclusive", Some(holds.to_owned())),
        (
            "availability >= 50%",
            "inconclusive",
            Some(format!("{holds}; about 20 replications would tell")),
        ),
        // Known to 0.9, for no share is below 0, and 0.02 off: 2 x 45 squared.
        (
            "availability < 92%",
            "inconclusive",
            Some(format!("{holds}; about 5,120 replications would tell")),
        ),
        ("availability >= 90.001%", "inconclusive", Some(holds.to_owned())),
        ("attempts_per_request <= 1.9", "inconclusive", Some(holds.to_owned())),
        ("attempts_per_request <= 100", "met", None),
        ("nodes.api.utilisation <= 50%", "inconclusive", Some(holds.to_owned())),
        ("requests.timeout <= 10% of requests.issued", "inconclusive", Some(holds.to_owned())),
        // Of which nothing is beyond an end that the samples do not reach.
        ("p95(latency) <= 1h", "inconclusive", Some(format!("10 % never answered; {holds}"))),
        ("p50(latency outcome=ok) >= 1s", "met", None),
        // What was seen in these runs.
        ("requests.timeout == 2", "met", None),
        ("requests.timeout <= 2", "met", None),
        ("requests.timeout < 2", "missed", None),
        ("max(latency outcome=ok) <= 9s", "met", None),
        ("max(latency outcome=ok) >= 9s", "met", None),
        ("availability >= 90% in 50% of runs", "met", None),
        ("availability(client=idle) >= 1%", "undecided", Some("no request was sent".to_owned())),
    ] {
        let result = judge(text, &wide);
        assert_eq!((result.verdict.name(), &result.reason), (verdict, &reason), "{text}");
    }
    let narrow = Fake { confidence: 0.1, ..fake() };
    for (text, verdict) in [
        ("availability >= 87%", "met"),
        ("availability >= 89%", "inconclusive"),
        ("availability >= 91%", "inconclusive"),
        ("availability >= 93%", "missed"),
    ] {
        assert_eq!(judge(text, &narrow).verdict.name(), verdict, "{text}");
    }
}

#[test]
fn what_is_to_be_seen_can_be_inconclusive_too() {
    let wide = Fake { confidence: 0.95, ..fake() };
    let texts = ["availability >= 90%", "attempts_per_request <= 100"].map(str::to_owned);
    let slos = check("expect", &texts, &Names::default(), &mut Problems::default());
    let mut judge = Judge::new(&slos);
    for (replication, requests) in wide.parts.iter().enumerate() {
        judge.push(&One { requests, results: wide.results_of(replication) });
    }
    let verdicts = judge.expected(&wide.results_of(0)).into_iter().map(|r| r.verdict.name());
    assert_eq!(verdicts.collect::<Vec<_>>(), ["inconclusive", "as expected"]);
}

#[test]
fn an_incomplete_run_meets_nothing() {
    let fake = fake();
    let mut problems = Problems::default();
    let texts = ["availability >= 50%", "availability >= 95%"].map(str::to_owned);
    let slos = check("slos", &texts, &Names::default(), &mut problems);
    let results = Results { status: Status::Interrupted, ..fake.results_of(0) };
    let verdicts: Vec<_> =
        fake.judge(&slos, &results).into_iter().map(|r| r.verdict.name()).collect();
    assert_eq!(verdicts, ["undecided", "missed"]);
}
