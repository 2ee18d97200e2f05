//! Links with bandwidth: shared, or one message after the other.

use serde_json::Value;

use crate::{
    bad_input::{check_in, told},
    design::{close, latency, number, results_of},
    traces,
};

/// Requests that are sent at these times, ms, with so many bytes over a link of 1 MB/s, on which a byte takes a microsecond.
fn sent(messages: &[(u64, u64)], link: &str, more: &str) -> Value {
    let rows = messages.iter().map(|(at, size)| format!("{at},{size}\n"));
    let csv = format!("t,s\n{}", rows.collect::<String>());
    let text = format!(
        "windtunnel: 1\nname: line\nduration: 1000s\ntopology: {{regions: {{r: [a]}}}}\n\
         network: {{links: [{{from: internet, to: a, one_way: true, bandwidth: 8Mbps{link}}}]}}\n\
         clients: {{load: {{arrivals: trace(file=t.csv column=t unit=ms), attributes: {{s: column(s)}}, size: 1B * s, to: \
         app, timeout: 900s}}}}\nnodes: {{app: {{service: {{zones: a, work: 0s}}}}}}\n{more}"
    );
    traces::results(&text, &[("t.csv", &csv)])
}

fn way(found: &Value, figure: &str) -> f64 {
    number(found, &format!("links.internet-a.forth.{figure}"))
}

#[test]
fn messages_that_are_sent_together_share_a_link() {
    // Alone, a megabyte takes a second.
    close(latency(&sent(&[(0, 1_000_000)], "", "")), [1.0, 1.0]);
    // Two that begin together take twice as long.
    let found = sent(&[(0, 1_000_000), (0, 1_000_000)], "", "");
    close(latency(&found), [2.0, 2.0]);
    close([way(&found, "utilisation"), way(&found, "in_transfer")], [0.002, 0.004]);
    close([way(&found, "waiting_time.mean"), way(&found, "transfer_time.max")], [1.0, 2.0]);
    // A quarter joins half-way: it is through after half a second, and the first has a quarter left then.
    let both = [(0, 1_000_000), (500, 250_000)];
    close(latency(&sent(&both, "", "")), [f64::midpoint(1.25, 0.5), 1.25]);
    // One after the other.
    close(latency(&sent(&both, ", discipline: fifo", "")), [f64::midpoint(1.0, 0.75), 1.0]);
    // What may not overtake goes one after the other.
    close(latency(&sent(&both, ", ordered: true", "")), [f64::midpoint(1.0, 0.75), 1.0]);
    // The link's latency comes on top, and another message may come between leaving and arriving.
    let late = sent(&[(0, 1_000_000), (1500, 500_000)], ", latency: 2s", "");
    close(latency(&late), [f64::midpoint(3.0, 2.5), 3.0]);
    let three = sent(&[(0, 1_000_000), (500, 250_000), (1300, 100_000)], ", latency: 2s", "");
    close(latency(&three), [2.0 + (1.25 + 0.5 + 0.1) / 3.0, 3.25]);
}

#[test]
fn a_message_gets_no_more_than_its_ends_can_send() {
    let half = ", per_flow: 4Mbps";
    close(latency(&sent(&[(0, 1_000_000)], half, "")), [2.0, 2.0]);
    // Two have all of it together, as fast as each can.
    let two = sent(&[(0, 1_000_000), (0, 1_000_000)], half, "");
    close(latency(&two), [2.0, 2.0]);
    close([way(&two, "waiting_time.mean"), way(&two, "utilisation")], [0.0, 0.002]);
    // Of three each gets a third.
    let three = latency(&sent(&[(0, 1_000_000); 3], half, ""));
    // A third is no binary fraction.
    assert!(three.iter().all(|time| (time - 3.0).abs() < 2e-9), "{three:?}");
    // Half of it is used while there is one.
    let found = sent(&[(0, 1_000_000)], half, "");
    close([way(&found, "utilisation"), way(&found, "in_transfer")], [0.001, 0.002]);
}

/// When each of those sent has left a shared link of a byte per microsecond, s: by hand, from change to change.
fn twin(messages: &[(u64, u64)], most: f64) -> Vec<f64> {
    let (mut now, mut left) = (0.0, Vec::<(usize, f64)>::new());
    let mut ends = vec![0.0; messages.len()];
    let mut coming = messages.iter().enumerate().peekable();
    while coming.peek().is_some() || !left.is_empty() {
        let rate = most.min(1.0 / left.len().max(1) as f64);
        let least = left.iter().map(|one| one.1).fold(f64::INFINITY, f64::min);
        let next = coming.peek().map_or(f64::INFINITY, |one| one.1.0 as f64 * 1e3);
        let span = (least / rate).min(next - now);
        for one in &mut left {
            one.1 -= span * rate;
        }
        now += span;
        for (i, _) in left.extract_if(.., |one| one.1 < 1e-6) {
            ends[i] = now / 1e6;
        }
        while let Some((i, one)) = coming.next_if(|one| one.1.0 as f64 * 1e3 <= now + 1e-6) {
            left.push((i, one.1 as f64));
        }
    }
    ends
}

#[test]
fn a_small_twin_finds_the_same_times() {
    let (mut at, mut all) = (0, Vec::new());
    for i in 0..400u64 {
        at += 1 + (i * i * 7919) % 91;
        all.push((at, 1000 + (i * 104_729) % 80_000));
    }
    for (link, most) in [("", 1.0), (", per_flow: 2Mbps", 0.25)] {
        let found = sent(&all, link, "");
        let ends = twin(&all, most);
        let times: Vec<f64> =
            ends.iter().zip(&all).map(|(end, one)| end - one.0 as f64 / 1e3).collect();
        let (sum, most) = times.iter().fold((0.0, 0.0f64), |(a, b), x| (a + x, b.max(*x)));
        let [mean, max] = latency(&found);
        assert!((mean - sum / 400.0).abs() < 1e-9, "{link}: {mean} {}", sum / 400.0);
        // Each end is rounded up to a nanosecond.
        assert!((max - most).abs() < 2e-9, "{link}: {max} {most}");
        assert!(way(&found, "waiting_time.mean") > 0.0);
    }
}

const DOWNLOADS: &str = "\
windtunnel: 1
name: downloads
duration: 2000s
topology: {regions: {r: [a]}}
network: {internet: 0.5ms, links: [{id: uplink, from: a, to: internet, latency: 0.5ms, bandwidth: 1Gbps}]}
clients:
  pages: {arrivals: poisson(20/s), operations: {page: {to: app}}, timeout: 10s}
  bulk: {arrivals: poisson(0.5/s), operations: {file: {to: app}}, timeout: 100s}
nodes: {app: {service: {zones: a, endpoints: {page: [{reply: 1KB}], file: [{reply: 125MB}]}}}}
";

#[test]
fn a_small_call_hardly_waits_for_large_ones() {
    let of =
        |found: &Value, figure: &str| number(found, &format!("clients.pages.latency.{figure}"));
    let found = results_of(DOWNLOADS, 3);
    // Half a millisecond each way, and 8 us for each that shares the link.
    assert!((of(&found, "mean") - 0.001_016).abs() < 4e-6, "{}", of(&found, "mean"));
    assert!(of(&found, "p95") < 0.001_1, "{}", of(&found, "p95"));
    // Its downloads take a second, and another because the link is half full.
    let bulk = number(&found, "clients.bulk.latency.mean");
    assert!((bulk - 2.0).abs() < 0.1, "{bulk}");
    assert!((number(&found, "links.uplink.forth.utilisation") - 0.5).abs() < 0.02);
    // In a pipe it waits for those before it: rho / (1 - rho) / 2 of a second.
    let found = results_of(&DOWNLOADS.replace("1Gbps", "1Gbps, discipline: fifo"), 3);
    assert!((of(&found, "mean") - 0.5).abs() < 0.05, "{}", of(&found, "mean"));
    assert!(of(&found, "p95") > 1.5, "{}", of(&found, "p95"));
    // What others on the link cost is told, as part of what was on the way.
    let (lost, way) = (number(&found, "blame.links.uplink"), number(&found, "blame.network"));
    assert!(lost > 0.4 && lost < way, "{lost} of {way}");
}

#[test]
fn faults_meet_messages_that_are_leaving() {
    // What has begun when a cut begins goes through, as what is in the air does; what is sent then is lost.
    let cut = "faults: [{id: f, at: 200ms, for: 10s, partition: {from: [load], to: [app]}}]\n";
    let found = sent(&[(0, 1_000_000), (100, 100_000), (300, 100_000)], "", cut);
    assert_eq!(number(&found, "summary.requests.ok"), 2.0);
    close([way(&found, "transfer_time.max")], [1.1]);
    // The first shares it for 0.2 s: 1.1 s; the second takes 0.2 s.
    close(latency(&found), [f64::midpoint(1.1, 0.2), 1.1]);
    // A slow link delays what is sent meanwhile.
    let slow =
        "faults: [{id: f, at: 200ms, for: 10s, latency: {from: [load], to: [app], add: 1s}}]\n";
    let found = sent(&[(0, 1_000_000), (300, 100_000)], "", slow);
    close(latency(&found), [f64::midpoint(1.1, 1.2), 1.2]);
    // A lost message takes its part of the link all the same, and nobody hears of it.
    let losses = sent(&vec![(0, 10_000); 200], ", loss: 50%", "");
    let lost =
        number(&losses, "summary.requests.in_flight") + number(&losses, "summary.requests.timeout");
    assert!((60.0..140.0).contains(&lost), "{lost}");
    assert!((latency(&losses)[1] - 2.0).abs() < 2e-9, "{:?}", latency(&losses));
    close([way(&losses, "throughput")], [0.2]);
}

#[test]
fn a_design_without_large_messages_has_one_event_for_each_as_before() {
    let events = |link: &str| {
        let text = DOWNLOADS
            .replace("reply: 125MB", "reply: 1KB")
            .replace("latency: 0.5ms, bandwidth: 1Gbps", link);
        let found = results_of(&text, 1);
        (number(&found, "replications.0.events"), number(&found, "summary.requests.issued"))
    };
    let (plain, requests) = events("latency: exp(mean=0.5ms)");
    let (shared, _) = events("latency: exp(mean=0.5ms), bandwidth: 1Gbps");
    // One more, of those that cost next to nothing: it is due at the same instant.
    assert!(shared - plain <= requests * 1.01, "{plain} {shared} {requests}");
}

#[test]
fn what_a_line_cannot_be_is_told() {
    assert_eq!(told(DOWNLOADS.as_bytes()), Vec::<String>::new());
    let link = "bandwidth: 1Gbps";
    check_in(
        DOWNLOADS,
        &[
            ("L1", link, "discipline: fifo", "5:100 E-MISSING", "without `bandwidth`"),
            ("L1", link, "per_flow: 1Mbps", "5:98 E-MISSING", "without `bandwidth`"),
            ("L1", link, "bandwidth: 1Gbps, discipline: lifo", "5:118 E-ENUM", "`lifo`"),
            ("L1", link, "bandwidth: 1Gbps, per_flow: 0Gbps", "5:116 E-RANGE", "above 0"),
            ("L1", link, "bandwidth: 1Gbps, per_flow: fast", "5:116 E-TYPE", "fast"),
            (
                "L1",
                link,
                "bandwidth: 1Gbps, ordered: true, discipline: shared",
                "5:115 E-CONFLICT",
                "overtake",
            ),
            (
                "L1",
                link,
                "bandwidth: 1Gbps, per_flow: 1Mbps, discipline: fifo",
                "5:116 E-CONFLICT",
                "all of the link",
            ),
        ],
    );
}

#[test]
fn a_link_that_is_full_is_the_bottleneck() {
    // Fifty seconds of it, at once; the first row is time 0.
    let many = [(0, 0)].into_iter().chain([(100_000, 1_000_000); 50]).collect();
    for messages in [many, vec![(0, 0), (100_000, 50_000_000)]] {
        for how in ["", ", discipline: fifo"] {
            let objective = "slos: [links.internet-a.forth.utilisation <= 4%, max(links.internet-a.forth.transfer_time) <= 51s]";
            let found = sent(&messages, how, objective);
            close([way(&found, "utilisation"), way(&found, "saturated")], [0.05, 0.05]);
            close([way(&found, "saturated_at")], [100.0]);
            let full = &found["bottleneck"];
            assert_eq!(
                (&full["node"], &full["resource"]),
                (&"internet-a".into(), &"bandwidth".into())
            );
            close([number(full, "saturated_at"), number(full, "utilisation")], [100.0, 0.05]);
            let verdicts = [&found["slos"][0]["verdict"], &found["slos"][1]["verdict"]];
            assert_eq!(verdicts, ["missed", "met"], "{}", found["slos"]);
            close([number(&found, "slos.0.estimate")], [0.05]);
        }
    }
    // Ten replies a second fit on the way back, fifteen are asked for: who waits for them holds all workers.
    let text = |cores: &str| {
        format!(
            "windtunnel: 1\nname: far\nduration: 200s\ntopology: {{regions: {{r: [a, b]}}}}\n\
             network: {{same_zone: 0s, same_region: 0s, links: [{{id: wire, from: a, to: b, bandwidth: 8Mbps}}]}}\n\
             clients: {{load: {{arrivals: poisson(15/s), to: gw, timeout: 1h}}}}\n\
             nodes:\n  gw: {{service: {{zones: a, workers: 4, {cores}calls: [far]}}}}\n  \
             far: {{service: {{zones: b, endpoints: {{default: [{{reply: 100KB}}]}}}}}}\n"
        )
    };
    let found = results_of(&text(""), 1);
    assert!(number(&found, "nodes.gw.resources.workers.saturated") > 0.9);
    let full = &found["bottleneck"];
    assert_eq!((&full["node"], &full["resource"]), (&"wire".into(), &"bandwidth:back".into()));
    // Who has no core left waits for no link.
    let found = results_of(&text("cores: 1, work: 150ms, "), 1);
    assert_eq!(found["bottleneck"]["node"], "gw", "{}", found["bottleneck"]);
    assert_eq!(found["bottleneck"]["resource"], "cores");
}
