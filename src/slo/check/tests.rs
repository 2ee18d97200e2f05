//! Expressions -> problems, as a table.

use super::*;
use crate::problem::Problem;

const SECOND: u64 = 1_000_000_000;

fn names() -> Names {
    let operations = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    Names {
        clients: [
            ("gold".to_owned(), operations(&["browse", "buy"])),
            ("chat".to_owned(), operations(&["default"])),
        ]
        .into(),
        nodes: ["api".to_owned(), "hits".to_owned()].into(),
        marks: ["first_token".to_owned()].into(),
        attributes: ["tier".to_owned()].into(),
        span: 540 * SECOND,
        window: 5 * SECOND,
        followed: std::collections::BTreeSet::new(),
        faults: ["az-loss".to_owned(), "blip".to_owned()].into(),
        alerts: ["bad".to_owned()].into(),
        sides: [("az-loss".to_owned(), vec!["a".to_owned(), "rest".to_owned()])].into(),
        priced: true,
        priced_nodes: ["api".to_owned()].into(),
        doubts: std::collections::BTreeMap::new(),
        key_locks: [("api".to_owned(), "seat".to_owned())].into(),
        groups: std::collections::BTreeSet::default(),
        links: [("uplink".to_owned(), false), ("wire".to_owned(), true)].into(),
    }
}

fn problems(texts: &[&str]) -> (Vec<Slo>, Vec<Problem>) {
    let texts: Vec<String> = texts.iter().map(|t| (*t).to_owned()).collect();
    let mut problems = Problems::default();
    let slos = super::check("slos", &texts, &names(), &mut problems);
    (slos, problems.into_vec())
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn sound_expressions_pass() {
    for text in [
        "availability >= 99.5%",
        "summary.availability >= 0.995",
        "summary.availability.value >= 0.995",
        "availability(client=gold operation=buy) >= 99%",
        "availability(operation=buy) >= 99%",
        "clients.gold.operations.buy.availability >= 99%",
        "p99(latency) <= 400ms",
        "p99.99(latency during=blip) <= 400ms",
        "fraction(latency <= 300ms client=chat to=first_token) >= 95%",
        "fraction(latency <= 300ms operation=buy after=blip) >= 95%",
        "p9999(latency_all) <= 400ms",
        "max(latency outcome=ok) <= 400ms",
        "p99(latency client=chat to=first_token) <= 1.5s",
        "p99(marks.first_token) <= 1.5s",
        "summary.latency.p99 <= 1s",
        "latency.sd <= 1s",
        "min(availability window=1m) >= 95%",
        "max(nodes.api.utilisation window=5s) <= 80%",
        "max(utilisation node=api window=10s) <= 80%",
        "nodes.api.utilisation <= 80% in 90% of runs",
        "nodes.hits.in_queue <= 5",
        "p99(waiting_time node=api) <= 1s",
        "nodes.api.response_time.p95 <= 1s",
        "nodes.api.causes.queue_full == 0",
        "nodes.api.resources.workers.utilisation <= 80%",
        "nodes.api.resources.pool:db.saturated <= 1%",
        "links.uplink.forth.utilisation <= 80%",
        "links.wire.back.saturated <= 1%",
        "links.wire.forth.throughput >= 5/s",
        "links.wire.forth.in_transfer <= 2.5",
        "links.uplink.forth.transfer_time.p99 <= 1s",
        "p99(links.wire.back.waiting_time) <= 10ms",
        "nodes.api.outcomes.rejected == 0",
        "nodes.api.instances.max <= 5",
        "nodes.api.availability_time >= 99.9%",
        "nodes.api.outages_per_year <= 2",
        "availability_time >= 99.9%",
        "summary.outages_per_year <= 2",
        "requests.timeout <= 1% of requests.issued",
        "requests(outcome=timeout client=gold) == 0",
        "attempts_per_request <= 1.2",
        "goodput >= 900/s",
        "availability(client=gold during=az-loss) >= 99%",
        "p99(latency client=gold after=az-loss side=rest) <= 1s",
        "p99(latency operation=buy after=blip) <= 400ms",
        "attempts_per_request(after=blip) <= 1.2",
        "requests.timeout(during=blip) <= 1% of requests.issued(during=blip)",
        "time_to_recover(az-loss) <= 30s",
        "back_after(az-loss) <= 60s",
        "back_after(az-loss client=gold) <= 60s",
        "alerts.bad.fired <= 4m",
        "alerts.bad.resolved <= 6m in 90% of runs",
        "alerts.bad.count == 1",
        "cost.per_month <= $900",
        "summary.cost.per_million_ok.value <= $0.35",
        "cost.per_hour <= $1.25 in 90% of runs",
        "cost.traffic.cross_zone.per_month <= $50",
        "nodes.api.cost.per_month <= $300",
        "nodes.api.cost.hours < $300",
        "metastable(az-loss) == false",
        "p99(latency) <= baseline + 5%",
        "p99(latency client=gold during=blip) < baseline - 2ms",
        "availability >= baseline - 0.1%",
        "availability >= baseline",
        "nodes.api.response_time.p99 <= baseline + 150%",
        "min(availability window=1m) >= baseline - 1%",
        "requests.timeout <= baseline + 10",
        "requests.timeout <= baseline + 1% of requests.issued",
        "time_to_recover(az-loss) <= baseline + 5s",
        "cost.per_month <= baseline + $50",
    ] {
        let (slos, problems) = problems(&[text]);
        assert!(problems.is_empty(), "{text}: {problems:?}");
        assert_eq!(slos.len(), 1, "{text}");
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn faulty_expressions_are_explained() {
    for (text, code, phrase) in [
        // Grammar.
        ("availability", "E-SLO", "expected one of"),
        ("availability = 99%", "E-SLO", "character 14"),
        ("availability >= five nines", "E-SLO", "`nines` is left over"),
        ("availability >= five-nines", "E-SLO", "`five-nines` is not a fraction"),
        // Names (B63).
        ("availabilty >= 99%", "E-REF", "did you mean `availability`?"),
        ("availability(client=golf) >= 99%", "E-REF", "did you mean `gold`?"),
        ("availability(client=chat operation=buy) >= 99%", "E-REF", "no operation `buy`"),
        ("clients.golden.availability >= 99%", "E-REF", "did you mean `gold`?"),
        ("nodes.apo.utilisation <= 80%", "E-REF", "did you mean `api`?"),
        ("nodes.api.utilization <= 80%", "E-REF", "did you mean `utilisation`?"),
        ("p99(latency to=fist_token) <= 1s", "E-REF", "did you mean `first_token`?"),
        ("p99(latency to=last_token) <= 1s", "E-REF", "known here: `first_token`"),
        ("requests(outcome=late) == 0", "E-REF", "no outcome `late`"),
        ("nodes.api.outcomes.rejcted == 0", "E-REF", "did you mean `rejected`?"),
        ("nodes.api.causes.queue_ful == 0", "E-REF", "did you mean `queue_full`?"),
        ("availability(klient=gold) >= 99%", "E-SLO", "did you mean `client`?"),
        ("availability(gold) >= 99%", "E-SLO", "selects nothing"),
        ("availability(client=gold client=chat) >= 99%", "E-SLO", "twice"),
        ("clients.gold.availability(client=chat) >= 99%", "E-SLO", "both"),
        ("nodes.api.utilisation(client=gold) <= 80%", "E-SLO", "not told apart"),
        // Money.
        ("cost.per_month <= 900", "E-SLO", "write `$900`"),
        ("cost.per_month <= €900", "E-SLO", "not in US dollars"),
        ("cost.per_month <= $900/month", "E-SLO", "write `$900`"),
        ("cost.per_month <= 20%", "E-SLO", "is not money"),
        ("p99(latency) <= $900", "E-SLO", "`$900` is not a duration"),
        ("availability >= $1", "E-SLO", "`$1` is not a fraction"),
        ("cost <= $900", "E-SLO", "per_hour, per_month, per_million_ok"),
        ("cost.per_year <= $900", "E-REF", "no metric `per_year`"),
        ("cost.per_month(client=gold) <= $900", "E-SLO", "neither statistics nor selectors"),
        ("max(cost.per_month window=5s) <= $900", "E-SLO", "neither statistics nor selectors"),
        ("nodes.hits.cost.per_month <= $9", "E-SLO", "nothing of `hits` has a `price`"),
        ("costs <= $900", "E-REF", "for example `cost.per_month <= $900`"),
        // Shape (B62).
        ("latency <= 400ms", "E-SLO", "needs a statistic"),
        ("summary <= 400ms", "E-SLO", "group of figures"),
        ("p99(availability) >= 99%", "E-SLO", "one number"),
        ("max(nodes.api.utilisation) <= 80%", "E-SLO", "needs a window"),
        ("p99(availability window=1m) >= 99%", "E-SLO", "`min`, `max` and `mean`"),
        ("max(latency window=1m) <= 1s", "E-SLO", "not measured per window"),
        ("availability(window=1m) >= 99%", "E-SLO", "goes with"),
        ("p99(latency outcome=ok to=first_token) <= 1s", "E-SLO", "go together"),
        ("availability(to=first_token) >= 99%", "E-SLO", "p99(latency to=first_token)"),
        ("availability of requests.issued >= 99%", "E-SLO", "expected one of"),
        ("availability >= 99% of requests.issued", "E-SLO", "two counts"),
        ("nodes.api.resources.wrkers.utilisation <= 80%", "E-REF", "`pool:db`"),
        ("nodes.api.resources.workers.use <= 80%", "E-REF", "no metric `use`"),
        ("p75(waiting_time node=api) <= 1s", "E-REF", "did you mean `p95`?"),
        // Links.
        ("links.uplnk.forth.utilisation <= 80%", "E-REF", "did you mean `uplink`?"),
        ("links.uplink.back.utilisation <= 80%", "E-REF", "no metric `back`"),
        ("links.uplink.utilisation <= 80%", "E-REF", "no metric `utilisation`"),
        ("links.uplink <= 80%", "E-SLO", "say which: forth"),
        ("links <= 80%", "E-SLO", "which link?"),
        ("links.uplink.forth.transfer_time <= 1s", "E-SLO", "needs a statistic"),
        ("max(links.uplink.forth.utilisation window=5s) <= 80%", "E-SLO", "whole run"),
        ("links.uplink.forth.saturated_at <= 80s", "E-SLO", "not a figure"),
        // Windows.
        ("min(availability window=7s) >= 95%", "E-SLO", "multiples of `5s`"),
        ("min(availability window=1h) >= 95%", "E-SLO", "up to `9m`"),
        ("min(availability window=1) >= 95%", "E-SLO", "not a duration"),
        // Limits.
        ("availability >= 100%", "E-SLO", "no target"),
        ("availability >= 0%", "E-SLO", "no target"),
        ("p99(latency) <= 0ms", "E-SLO", "no target"),
        ("fraction(latency <= 300) >= 95%", "E-SLO", "not a duration"),
        ("fraction(latency <= 300ms) >= 95ms", "E-SLO", "not a fraction"),
        ("fraction(latency <= 300ms) >= 100%", "E-SLO", "no target"),
        ("fraction(latency <= 0ms) >= 95%", "E-SLO", "no target"),
        ("fraction(latency == 300ms) >= 95%", "E-SLO", "below or above a limit"),
        ("fraction(latency <= 300ms node=api) >= 95%", "E-SLO", "over the whole run"),
        ("fraction(availability <= 300ms) >= 95%", "E-SLO", "not a sample"),
        ("p99.99(response_time node=api) <= 1s", "E-SLO", "there are p50, p90"),
        ("p99(latency) <= 400", "E-SLO", "not a duration"),
        ("p99(latency) <= 99%", "E-SLO", "not a duration"),
        ("availability >= 400ms", "E-SLO", "not a fraction"),
        ("goodput >= 900", "E-SLO", "not a rate"),
        ("availability >= 99% in 0% of runs", "E-SLO", "no target"),
        // Faults.
        ("availability(during=az-los) >= 99%", "E-REF", "did you mean `az-loss`?"),
        ("availability(during=blip after=az-loss) >= 99%", "E-SLO", "only one of"),
        ("nodes.api.utilisation(during=blip) <= 80%", "E-SLO", "not told apart"),
        ("throughput(during=blip) >= 1/s", "E-SLO", "not measured around faults"),
        ("p99(latency to=first_token during=blip) <= 1s", "E-SLO", "not measured around faults"),
        ("time_to_recover <= 30s", "E-SLO", "of one fault"),
        ("back_after <= 30s", "E-SLO", "of one fault"),
        ("back_after(az-loss node=api) <= 30s", "E-SLO", "of one fault"),
        ("back_after(az-loss client=wep) <= 30s", "E-REF", "no client"),
        ("time_to_recover(az-loss client=gold) <= 30s", "E-SLO", "of one fault"),
        ("time_to_recover(az-los) <= 30s", "E-REF", "did you mean `az-loss`?"),
        // Parts of the model that come later.
        ("convergence_time == 0", "E-SLO", "no store of this scenario is followed"),
        ("rpo(az-loss) == 0", "E-SLO", "no store of this scenario is followed"),
        ("queue_depth == 0", "E-UNSUPPORTED", "`queue_depth`"),
        ("metastable(az-los) == false", "E-REF", "did you mean `az-loss`?"),
        ("metastable(az-loss) == perhaps", "E-SLO", "neither true nor false"),
        ("metastable(az-loss) <= true", "E-SLO", "`== true` or `== false`"),
        ("metastable == false", "E-SLO", "of one fault"),
        ("availability(tier=gold) >= 99%", "E-UNSUPPORTED", "`tier=`"),
        ("availability(side=a) >= 99%", "E-SLO", "during=cut side=a"),
        ("availability(during=blip side=a) >= 99%", "E-SLO", "a side of a `partition`"),
        ("availability(during=az-loss side=c) >= 99%", "E-REF", "`a`, `rest`"),
        ("stale_read_fraction(after=az-loss side=a) <= 1%", "E-UNSUPPORTED", "a selector"),
        ("p99(latency outcome=timeout) <= 1s", "E-UNSUPPORTED", "`outcome=timeout`"),
    ] {
        explained(text, code, phrase);
    }
}

#[test]
fn faulty_distances_to_a_baseline_are_explained() {
    for (text, phrase) in [
        ("p99(latency) == baseline", "compared by `<=`, `<`, `>=` or `>`"),
        ("p99(latency) <= baseline + 5", "`5` is not a duration"),
        ("p99(latency) <= baseline + $5", "`$5` is not a duration"),
        ("p99(latency) <= baseline + 5% in 90% of runs", "`of runs` does not go with"),
        ("p99(latency) <= baseline - 100%", "is no target"),
        ("availability >= baseline - 100%", "is no target"),
        ("availability >= baseline - 1ms", "`1ms` is not a fraction"),
        ("cost.per_month <= baseline + 50", "write `$50`"),
        ("max(latency) <= baseline + 5%", "an extreme is of one run"),
        ("nodes.api.response_time.max <= baseline + 5%", "an extreme is of one run"),
        ("metastable(blip) <= baseline", "true or false"),
        ("p99(latency) <= baseline * 1.05", "is left over"),
    ] {
        explained(text, "E-SLO", phrase);
    }
    let (slos, found) = problems(&["p99(latency) <= baseline + 5%", "p50(latency) >= 1s"]);
    assert!(found.is_empty(), "nobody knows whether they contradict: {found:?}");
    assert_eq!(slos[0].baseline(), Some("p99(latency)"));
    let (slos, _) = problems(&["requests.timeout <= baseline + 1% of requests.issued"]);
    assert_eq!(slos[0].baseline(), Some("requests.timeout of requests.issued"));
}

#[test]
fn faulty_expressions_about_alerts_are_explained() {
    for (text, code, phrase) in [
        ("alerts.bat.fired <= 30s", "E-REF", "did you mean `bad`?"),
        ("alerts.bad.fried <= 30s", "E-REF", "did you mean `fired`?"),
        ("max(alerts.bad.fired) <= 30s", "E-SLO", "neither statistics nor selectors"),
        ("alerts.bad.fired <= 3", "E-SLO", "duration"),
    ] {
        explained(text, code, phrase);
    }
}

#[track_caller]
fn explained(text: &str, code: &str, phrase: &str) {
    let (slos, problems) = problems(&["availability >= 90%", text]);
    assert_eq!(slos.len(), 1, "{text}");
    assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    let problem = &problems[0];
    assert_eq!(problem.code, code, "{text}: {problem:?}");
    assert_eq!(problem.path, "slos[1]");
    let said = format!("{} {}", problem.message, problem.help.as_deref().unwrap_or_default());
    assert!(said.contains(phrase), "{text}: {said}");
}

#[test]
fn contradictions_are_found() {
    for (one, other, contradict) in [
        ("p99(latency) < 10ms", "p50(latency) > 20ms", true),
        ("p50(latency) > 20ms", "p99(latency) < 10ms", true),
        ("p99(latency) < 10ms", "p50(latency) > 5ms", false),
        ("p50(latency) < 10ms", "p99(latency) > 20ms", false),
        ("p99(latency client=gold) < 10ms", "p50(latency client=chat) > 20ms", false),
        ("availability >= 99.9%", "availability <= 99%", true),
        ("availability >= 99%", "availability <= 99%", false),
        ("availability > 99%", "availability <= 99%", true),
        ("requests.error == 0", "requests.error == 1", true),
        ("mean(latency) < 10ms", "p50(latency) > 20ms", false),
        ("fraction(latency <= 300ms) < 90%", "fraction(latency <= 100ms) > 95%", true),
        ("fraction(latency <= 100ms) < 90%", "fraction(latency <= 300ms) > 95%", false),
        (
            "fraction(latency <= 300ms client=gold) < 90%",
            "fraction(latency <= 100ms client=chat) > 95%",
            false,
        ),
        ("availability >= 99.9% in 50% of runs", "availability <= 99% in 50% of runs", false),
    ] {
        let (_, problems) = problems(&[one, other]);
        let codes: Vec<_> = problems.iter().map(|p| (p.code, p.path.as_str())).collect();
        let expected: &[_] = if contradict { &[("E-SLO-CONTRADICT", "slos[1]")] } else { &[] };
        assert_eq!(codes, expected, "{one} / {other}");
    }
}
