use std::collections::BTreeMap;

use super::*;
use crate::{
    problem::Problems,
    results::{Estimate, FaultResults, Requests, Selection, Status},
    slo::{BaselineFigures, BaselineLook, Metric, Names, check},
    stats::Histogram,
};

/// A replication in which so many requests were answered in these ms, and so many failed.
#[derive(Clone)]
struct One {
    requests: Requests,
    results: Results,
}

impl Evidence for One {
    fn requests(&self, _: &Selection) -> Requests {
        self.requests.clone()
    }
    fn results(&self) -> &Results {
        &self.results
    }
    fn warm_up(&self) -> u64 {
        0
    }
}

fn one(latencies: &[(u64, u64)], failed: u64) -> One {
    let mut latency = Histogram::default();
    for &(ms, times) in latencies {
        latency.record_n(ms * 1_000_000, times);
    }
    let mut latency_failed = Histogram::default();
    latency_failed.record_n(1_000_000_000, failed);
    let good = latency.count();
    let mut outcomes = [0; crate::outcome::Outcome::NAMES.len()];
    (outcomes[0], outcomes[2]) = (good, failed);
    let requests = Requests {
        issued: good + failed,
        outcomes,
        good,
        attempts: good + failed,
        replies: good,
        span: 1_000_000_000,
        latency,
        latency_failed,
        ..Requests::default()
    };
    One { requests, results: Results::default() }
}

fn judged(expression: &str, runs: &[One], random: &[(&str, f64)]) -> Gated {
    let mut problems = Problems::default();
    let names = Names {
        faults: random.iter().map(|(id, _)| (*id).to_owned()).collect(),
        clients: BTreeMap::from([("users".to_owned(), vec!["default".to_owned()])]),
        span: 1_000_000_000,
        window: 100_000_000,
        ..Names::default()
    };
    let slos = check("slos", &[expression.to_owned()], &names, &mut problems);
    assert!(!problems.any_error(), "{:?}", problems.into_vec());
    let mut gate = Gate::new(&slos, random.iter().map(|(id, _)| (*id).to_owned()).collect());
    for one in runs {
        gate.push(one);
    }
    let fault = |(id, occurrences): &(&str, f64)| FaultResults {
        id: (*id).to_owned(),
        occurrences: Estimate { value: Some(*occurrences), ..Estimate::default() },
        ..FaultResults::default()
    };
    let results = Results {
        status: Status::Complete,
        confidence: 0.95,
        seeds: vec![0; runs.len()],
        faults: random.iter().map(fault).collect(),
        ..Results::default()
    };
    gate.look(&results, 0.05, None).remove(0)
}

/// Failures of a thousand: 3 to 7, in turn.
fn around_half_a_percent(n: u64) -> Vec<One> {
    (0..n).map(|i| one(&[(10, 997 - i % 5)], 3 + i % 5)).collect()
}

#[test]
fn a_limit_beyond_the_bound_passes_and_one_within_it_is_open() {
    let runs = around_half_a_percent(40);
    for (expression, verdict) in [
        ("availability >= 99%", Verdict::Pass),
        ("availability >= 99.495%", Verdict::Inconclusive),
        ("availability >= 99.505%", Verdict::Inconclusive),
        ("availability >= 99.9%", Verdict::Fail),
        ("availability <= 99.9%", Verdict::Pass),
        ("availability <= 99%", Verdict::Fail),
    ] {
        assert_eq!(judged(expression, &runs, &[]).verdict, verdict, "{expression}");
    }
    let passes = judged("availability >= 99%", &runs, &[]);
    let (value, bound) = (passes.value.unwrap(), passes.bound.unwrap());
    assert!((value - 0.995).abs() < 1e-12 && !passes.at_most, "{passes:?}");
    // One-sided, 1.68 standard errors of 0.0014 / sqrt(40).
    assert!((value - bound - 0.000_38).abs() < 0.000_05, "{bound}");
    let fails = judged("availability >= 99.9%", &runs, &[]);
    assert!(fails.at_most && fails.bound.unwrap() > value, "{fails:?}");
    let open = judged("availability >= 99.495%", &runs, &[]);
    assert!(open.needed.is_some_and(|n| n > 40), "{open:?}");
}

#[test]
fn a_quantile_is_the_share_that_is_slower_or_failed() {
    // 0.5 % fail and 0.2 % take 500 ms: p99 is 10 ms, and 99.3 % are within 400 ms.
    let runs: Vec<One> = (0..20).map(|i| one(&[(10, 993 - i % 5), (500, 2)], 3 + i % 5)).collect();
    let fast = judged("p99(latency) <= 400ms", &runs, &[]);
    assert_eq!((fast.verdict, fast.measure), (Verdict::Pass, Measure::Slower));
    assert!((fast.value.unwrap() - 0.007).abs() < 0.000_2, "{fast:?}");
    assert!(fast.at_most && fast.bound.unwrap() > 0.007 && fast.bound.unwrap() < 0.01, "{fast:?}");
    assert!((fast.estimate.value.unwrap() - 0.01).abs() < 0.000_2, "{fast:?}");
    // Survivors alone would meet it: 0.2 % of them are slower.
    let strict = judged("p99.6(latency) <= 400ms", &runs, &[]);
    assert_eq!(strict.verdict, Verdict::Fail, "{strict:?}");
    assert!(!strict.at_most && strict.bound.unwrap() > 0.004, "{strict:?}");
    assert_eq!(judged("p99.6(latency outcome=ok) <= 400ms", &runs, &[]).verdict, Verdict::Pass);
    // Buckets are as fine as 0.8 %.
    assert_eq!(judged("p99(latency) <= 10.1ms", &runs, &[]).verdict, Verdict::Pass);
    assert_eq!(judged("p99(latency) < 9.9ms", &runs, &[]).verdict, Verdict::Fail);
}

#[test]
fn what_must_never_be_is_refuted_by_one_run() {
    let mut runs: Vec<One> = (0..20).map(|_| one(&[(10, 1000)], 0)).collect();
    let never = judged("requests.timeout == 0", &runs, &[]);
    assert_eq!((never.verdict, never.measure), (Verdict::Pass, Measure::Runs));
    assert_eq!(never.value, Some(1.0));
    // None of 20: at most 14 % of the runs.
    assert!((never.bound.unwrap() - 0.861).abs() < 0.001, "{never:?}");
    assert_eq!(judged("max(latency) <= 10ms", &runs, &[]).verdict, Verdict::Pass);
    runs[7] = one(&[(20, 999)], 1);
    let broken = judged("requests.timeout == 0", &runs, &[]);
    assert_eq!(broken.verdict, Verdict::Fail);
    assert_eq!(broken.reason.as_deref(), Some("1 of 20 runs did not"));
    assert_eq!(broken.value, Some(0.95));
    assert_eq!(judged("max(latency) <= 10ms", &runs, &[]).verdict, Verdict::Fail);
}

#[test]
fn a_share_of_runs_has_exact_bounds() {
    let runs: Vec<One> = (0..60).map(|_| one(&[(10, 1000)], 0)).collect();
    // 0.05^(1/60) = 0.951.
    let most = "requests.timeout == 0 in 95% of runs";
    assert_eq!(judged(most, &runs, &[]).verdict, Verdict::Pass);
    assert_eq!(judged(most, &runs[..40], &[]).verdict, Verdict::Inconclusive);
    assert_eq!(
        judged("requests.timeout == 0 in 99% of runs", &runs, &[]).verdict,
        Verdict::Inconclusive
    );
}

#[test]
fn what_hardly_came_is_not_passed() {
    let runs = around_half_a_percent(40);
    let often = judged("availability >= 99%", &runs, &[("outage", 0.25)]);
    assert_eq!(often.verdict, Verdict::Pass, "ten times in all");
    let seldom = judged("availability >= 99%", &runs, &[("outage", 0.2)]);
    assert_eq!(seldom.verdict, Verdict::Inconclusive);
    let why = seldom.reason.unwrap();
    assert!(why.starts_with("`outage` struck 8 times in 40 runs"), "{why}");
    // What is refuted without it stays refuted.
    let missed = judged("availability >= 99.9%", &runs, &[("outage", 0.0)]);
    assert_eq!(missed.verdict, Verdict::Fail);
}

#[test]
fn what_nobody_saw_and_what_is_the_same_in_each_run() {
    let silent: Vec<One> = (0..20).map(|_| one(&[], 0)).collect();
    let nothing = judged("availability >= 99%", &silent, &[]);
    assert_eq!(nothing.verdict, Verdict::Inconclusive);
    assert_eq!(nothing.reason.as_deref(), Some("no request was sent"));
    let same: Vec<One> = (0..20).map(|_| one(&[(10, 990)], 10)).collect();
    assert_eq!(judged("availability >= 99%", &same, &[]).verdict, Verdict::Pass);
    assert_eq!(judged("availability > 99%", &same, &[]).verdict, Verdict::Fail);
    assert_eq!(judged("availability >= 99%", &same[..1], &[]).verdict, Verdict::Inconclusive);
    // One failure in one run, and the mean of all is beyond any limit.
    let mut runs: Vec<One> = (0..20).map(|_| one(&[(10, 1000)], 0)).collect();
    assert_eq!(judged("mean(latency) <= 1s", &runs, &[]).verdict, Verdict::Pass);
    runs[3] = one(&[(10, 999)], 1);
    assert_eq!(judged("mean(latency) <= 1s", &runs, &[]).verdict, Verdict::Fail);
}

#[test]
fn of_many_objectives_one_fails_only_if_it_is_surer() {
    let mut problems = Problems::default();
    // Beyond its bound at 5 %, within it at 0.25 %.
    let text = "availability >= 99.545%".to_owned();
    let many = vec![text.clone(); 20];
    let runs = around_half_a_percent(40);
    assert_eq!(judged(&text, &runs, &[]).verdict, Verdict::Fail);
    let slos: Vec<Slo> = many
        .iter()
        .flat_map(|text| {
            check("slos", std::slice::from_ref(text), &Names::default(), &mut problems)
        })
        .collect();
    let mut gate = Gate::new(&slos, Vec::new());
    for one in &runs {
        gate.push(one);
    }
    let status = Status::Complete;
    let results = Results { status, confidence: 0.95, seeds: vec![0; 40], ..Results::default() };
    assert!(gate.look(&results, 0.05, None).iter().all(|one| one.verdict == Verdict::Inconclusive));
}

/// A design held against another: the verdict, and the same against what was written down of the other.
fn against(expression: &str, own: &[One], base: &[One]) -> Gated {
    against_with(expression, (own, base), &[], false)
}

fn against_with(
    expression: &str,
    (own, base): (&[One], &[One]),
    random: &[(&str, f64)],
    unchanged: bool,
) -> Gated {
    let mut problems = Problems::default();
    let names = Names {
        clients: BTreeMap::from([("users".to_owned(), vec!["default".to_owned()])]),
        faults: random.iter().map(|(id, _)| (*id).to_owned()).collect(),
        ..Names::default()
    };
    let slos = check("slos", &[expression.to_owned()], &names, &mut problems);
    assert!(!problems.any_error(), "{:?}", problems.into_vec());
    let random_ids: Vec<String> = random.iter().map(|(id, _)| (*id).to_owned()).collect();
    let results = |runs: usize| Results {
        status: Status::Complete,
        confidence: 0.95,
        seeds: vec![0; runs],
        faults: random
            .iter()
            .map(|(id, occurrences)| FaultResults {
                id: (*id).to_owned(),
                occurrences: Estimate { value: Some(*occurrences), ..Estimate::default() },
                ..FaultResults::default()
            })
            .collect(),
        ..Results::default()
    };
    let metric = Metric::parse(slos[0].baseline().unwrap(), &names).unwrap();
    let mut figures = BaselineFigures::new([&metric], random_ids);
    for one in base {
        figures.push(one);
    }
    let look = figures.look(&results(base.len()));
    let mut gate = Gate::new(&slos, Vec::new());
    for one in own {
        gate.push(one);
    }
    let judged = |look: BaselineLook| {
        gate.look(&results(own.len()), 0.05, Some(&Base { look, unchanged })).remove(0)
    };
    let written = serde_json::to_string(&look).unwrap();
    let read: BaselineLook = serde_json::from_str(&written).unwrap();
    let found = judged(look);
    assert_eq!(found, judged(read), "as it is written down");
    found
}

/// Means that vary from run to run together, the second a part longer.
fn alike(n: u64, per_mille: u64) -> Vec<One> {
    let us = |i: u64| 10_000 + 500 * (i % 7) + i % 3;
    (0..n)
        .map(|i| {
            let mut one = one(&[(1, 0)], 0);
            one.requests.latency.record_n(us(i) * (1000 + per_mille), 100);
            (one.requests.issued, one.requests.good, one.requests.outcomes[0]) = (100, 100, 100);
            one
        })
        .collect()
}

#[test]
fn a_figure_is_held_against_that_of_the_same_replications() {
    // The means vary by a seventh between runs; what differs is 3 % in each.
    let (base, own) = (alike(20, 0), alike(20, 30));
    for (expression, verdict) in [
        ("mean(latency) <= baseline + 5%", Verdict::Pass),
        ("mean(latency) <= baseline + 2%", Verdict::Fail),
        ("mean(latency) <= baseline", Verdict::Fail),
        ("mean(latency) >= baseline", Verdict::Pass),
        ("mean(latency) <= baseline + 1ms", Verdict::Pass),
        ("mean(latency) <= baseline + 0.1ms", Verdict::Fail),
    ] {
        let found = against(expression, &own, &base);
        assert_eq!(found.verdict, verdict, "{expression}: {found:?}");
    }
    let ratio = against("mean(latency) <= baseline + 5%", &own, &base);
    assert_eq!(ratio.measure, Measure::Ratio);
    assert!((ratio.value.unwrap() - 1.03).abs() < 1e-6, "{ratio:?}");
    assert!((ratio.margin.unwrap() - 0.02).abs() < 1e-6, "{ratio:?}");
    let of = ratio.baseline.unwrap();
    assert_eq!((of.unit.as_str(), of.difference, of.same), ("s", None, false));
    assert!((ratio.estimate.value.unwrap() / of.value.unwrap() - 1.03).abs() < 1e-6);
    let difference = against("mean(latency) <= baseline + 1ms", &own, &base);
    assert_eq!(difference.measure, Measure::Difference);
    assert!((difference.value.unwrap() - 0.000_34).abs() < 0.000_02, "{difference:?}");
    // Two that have nothing in common: as likely the one as the other.
    let other: Vec<One> = alike(27, 0).into_iter().skip(7).rev().collect();
    let apart = against("mean(latency) <= baseline + 0.1%", &own, &other);
    assert_ne!(apart.verdict, Verdict::Pass, "{apart:?}");
    let few = against("mean(latency) <= baseline + 3.0001%", &alike(5, 30), &other[..5]);
    assert_eq!(few.verdict, Verdict::Inconclusive, "{few:?}");
    assert!(few.reason.unwrap().contains("from 20 replications on"));
}

#[test]
fn what_is_the_same_in_each_replication_is_decided_as_it_is() {
    let runs = around_half_a_percent(20);
    for (expression, verdict) in [
        ("availability >= baseline", Verdict::Pass),
        ("availability >= baseline - 0.1%", Verdict::Pass),
        ("availability > baseline", Verdict::Fail),
        ("p99(latency) <= baseline + 1%", Verdict::Pass),
        ("p99(latency) <= baseline - 1%", Verdict::Fail),
        ("requests.timeout <= baseline + 5%", Verdict::Pass),
        // None of either: a part of nothing is nothing.
        ("requests.error <= baseline + 5%", Verdict::Pass),
        ("requests.error < baseline + 5%", Verdict::Fail),
    ] {
        let found = against(expression, &runs, &around_half_a_percent(20));
        assert_eq!(found.verdict, verdict, "{expression}: {found:?}");
        assert!(found.baseline.unwrap().same, "{expression}");
    }
    let never = vec![one(&[(10, 1000)], 0); 20];
    let found = against("requests.shed <= baseline + 5%", &runs, &never);
    assert_eq!(found.verdict, Verdict::Pass);
    let found = against("availability >= baseline - 0.1%", &runs, &never);
    assert_eq!((found.verdict, found.measure), (Verdict::Fail, Measure::Difference), "{found:?}");
    assert!((found.value.unwrap() + 0.005).abs() < 1e-12, "points: {found:?}");
    let most = against("availability >= baseline - 1%", &runs, &never);
    assert_eq!(most.verdict, Verdict::Pass);
}

#[test]
fn what_is_never_answered_is_no_figure_and_no_excuse() {
    let answered = around_half_a_percent(20);
    let lost: Vec<One> = (0..20).map(|i| one(&[(1, 900 - i % 5)], 100 + i % 5)).collect();
    let told = |found: &Gated| found.reason.clone().unwrap();
    let worse = against("p99(latency) <= baseline + 5%", &lost, &answered);
    assert_eq!(worse.verdict, Verdict::Fail, "its survivors are ten times faster: {worse:?}");
    assert_eq!(told(&worse), "10.2 % never answered, 0.500 % in the baseline");
    let better = against("p99(latency) <= baseline + 5%", &answered, &lost);
    assert_eq!(better.verdict, Verdict::Pass, "{better:?}");
    let worst: Vec<One> = (0..20).map(|i| one(&[(1, 800 - i % 5)], 200 + i % 5)).collect();
    let neither = against("p99(latency) <= baseline + 5%", &worst, &lost);
    assert_eq!(neither.verdict, Verdict::Inconclusive, "{neither:?}");
    let mean = against("mean(latency) <= baseline + 5%", &worst, &lost);
    assert!(told(&mean).ends_with("or `mean(latency outcome=ok)`"), "{mean:?}");
    let survivors = against("mean(latency outcome=ok) <= baseline + 5%", &worst, &lost);
    assert_eq!(survivors.verdict, Verdict::Pass);
    let same = against("p99(latency) <= baseline + 5%", &lost, &lost);
    assert_eq!(same.verdict, Verdict::Pass, "nothing got worse: {same:?}");
    // As many as the quantile leaves out, more or less: not known on which side it is.
    let edge: Vec<One> = (0..20).map(|i| one(&[(10, 990 - i % 3)], 10 + i % 3 - 1)).collect();
    let open = against("p99(latency) <= baseline + 5%", &edge, &answered);
    assert_eq!(open.verdict, Verdict::Inconclusive, "{open:?}");
}

#[test]
fn what_hardly_came_says_nothing_of_a_design_that_changed() {
    let runs = around_half_a_percent(20);
    let judged = |unchanged: bool| {
        let both = (runs.as_slice(), runs.as_slice());
        against_with("availability >= baseline - 1%", both, &[("outage", 0.1)], unchanged)
    };
    assert_eq!(judged(true).verdict, Verdict::Pass);
    let changed = judged(false);
    assert_eq!(changed.verdict, Verdict::Inconclusive);
    assert!(changed.reason.unwrap().contains("`outage` struck 2 times"), "as the baseline has it");
}

#[test]
fn what_only_one_of_the_two_observed_is_not_compared() {
    let base = around_half_a_percent(20);
    let mut own = around_half_a_percent(20);
    own[3] = one(&[], 0);
    let found = against("availability >= baseline - 1%", &own, &base);
    assert_eq!(found.verdict, Verdict::Inconclusive);
    assert!(found.reason.unwrap().contains("in 1 of 20 runs"));
    let alone = judged("availability >= baseline - 1%", &base, &[]);
    assert_eq!(alone.verdict, Verdict::Inconclusive);
    assert_eq!(alone.reason.as_deref(), Some("needs a baseline"));
}
