//! Hand-built results for the tests of this room: a shop with a surge that overloads one service.

use std::collections::BTreeMap;

use crate::{
    cause::Cause,
    node_kind::NodeKind,
    results::{
        Blame, Bottleneck, ClientResults, ClientSeries, Design, Distribution, Edge, Estimate,
        EventKind, InstanceCounts, InstanceResults, Judgement, NodeBlame, NodeResults, NodeSeries,
        ReplicationResults, RequestCounts, RequestFigures, Results, SloResult, Status, Summary,
        TimeSeries, Timeline, TimelineEvent, UptimeResults, Vertex,
    },
};

/// An estimate over ten replications.
pub(crate) fn estimate(value: f64, half_width: f64) -> Estimate {
    let (lower, upper) = (Some(value - half_width), Some(value + half_width));
    Estimate { value: Some(value), lower, upper, n: 10 }
}

/// A distribution with the shape of an exponential law around `mean`.
pub(crate) fn distribution(mean: f64, count: u64) -> Distribution {
    let at = |factor: f64| estimate(mean * factor, mean * factor * 0.02);
    Distribution {
        count,
        mean: at(1.0),
        sd: at(1.0),
        p50: at(0.693),
        p90: at(2.303),
        p95: at(2.996),
        p99: at(4.605),
        p999: at(6.908),
        max: at(12.0),
    }
}

fn figures(scale: f64, mean: f64) -> RequestFigures {
    let n = |count: f64| (count * scale) as u64;
    let requests = RequestCounts {
        issued: n(715_000.0),
        ok: n(706_512.0),
        timeout: n(5_210.0),
        rejected: n(3_247.0),
        in_flight: n(715_000.0) - n(706_512.0) - n(5_210.0) - n(3_247.0),
        ..RequestCounts::default()
    };
    RequestFigures {
        requests,
        availability: estimate(0.988_17, 0.0009),
        availability_at_least: None,
        goodput: estimate(1_180.4 * scale, 2.1),
        throughput: estimate(1_183.0 * scale, 2.1),
        attempts_per_request: estimate(1.034, 0.004),
        latency: distribution(mean, requests.ok),
        p99_of_all: estimate(mean * 8.0, mean * 0.2),
        latency_all: distribution(mean * 1.1, requests.issued - requests.in_flight),
        marks: BTreeMap::new(),
    }
}

fn node(kind: NodeKind, load: f64, instances: u64) -> NodeResults {
    let bounded = kind != NodeKind::External;
    let part = InstanceResults {
        utilisation: estimate(load, 0.01),
        throughput: estimate(1_183.0 / instances.max(1) as f64, 1.0),
        in_queue: estimate(load * load, 0.05),
        keys_share: estimate(1.0 / instances.max(1) as f64, 0.001),
        replicas: Vec::new(),
    };
    let parts = vec![part; instances as usize];
    NodeResults {
        resources: std::collections::BTreeMap::new(),
        pools: std::collections::BTreeMap::new(),
        consistency: None,
        replicas: None,
        sagas: None,
        batch_size: None,
        throttled: None,
        purchase: None,
        moved: None,
        backups: None,
        queue: None,
        in_doubt: None,
        view: None,
        scaling: None,
        groups: std::collections::BTreeMap::default(),
        outbox: None,
        environments: None,
        cost: None,
        cache: None,
        kind,
        utilisation: if bounded { estimate(load, 0.01) } else { Estimate::default() },
        throughput: estimate(1_183.0, 2.4),
        in_system: estimate(load * 12.0, 0.2),
        queue_growth: None,
        in_queue: estimate(load * load * 4.0, 0.1),
        wait_probability: estimate(load * 0.7, 0.01),
        waiting_time: distribution(0.004 * load, 700_000),
        service_time: distribution(0.005, 700_000),
        response_time: distribution(0.009 + load * 0.01, 700_000),
        outcomes: [("ok".into(), 706_512), ("rejected".into(), 3_247)].into(),
        causes: [(Cause::QueueFull, 3_247)].into(),
        uptime: UptimeResults {
            availability_time: estimate(1.0, 0.0),
            outages_per_year: estimate(0.0, 0.0),
        },
        instances: InstanceCounts { mean: instances as f64, min: instances, max: instances },
        shards: if kind == NodeKind::Store { parts.clone() } else { Vec::new() },
        per_instance: if kind == NodeKind::Service { parts } else { Vec::new() },
        instances_not_listed: 0,
    }
}

/// Load over time: a daily swing and a surge.
fn load(i: usize) -> f64 {
    let x = i as f64;
    let surge = if (70..85).contains(&i) { 0.6 } else { 0.0 };
    1.0 + 0.2 * libm::sin(x / 9.0) + surge + 0.04 * libm::sin(x * 2.7)
}

fn client_series(scale: f64, windows: usize) -> ClientSeries {
    let mut series = ClientSeries::default();
    for i in 0..windows {
        let offered = 1_000.0 * scale * load(i);
        let timeouts = (offered - 1_350.0 * scale).max(0.0) * 0.7;
        let rejected = (offered - 1_350.0 * scale).max(0.0) * 0.3;
        let good = offered - timeouts - rejected;
        series.offered.push(offered);
        series.goodput.push(good);
        series.availability.push(Some(good / offered));
        for (outcome, rate) in [("ok", good), ("timeout", timeouts), ("rejected", rejected)] {
            series.outcomes.entry(outcome.into()).or_default().push(rate);
        }
        let mean = 0.018 / (1.85 - load(i).min(1.75));
        for (quantile, factor) in [
            (&mut series.p50, 0.693),
            (&mut series.p95, 2.996),
            (&mut series.p99, 4.605),
            (&mut series.p999, 6.908),
        ] {
            quantile.push(Some(mean * factor * (1.0 + 0.05 * libm::sin(i as f64 * factor))));
        }
    }
    series
}

fn node_series(at_most: Option<f64>, windows: usize) -> NodeSeries {
    let mut series = NodeSeries::default();
    for i in 0..windows {
        let busy = at_most.map(|most| (load(i) * most).min(1.0));
        let queue = busy.map_or(0.0, |rho| 2.0 * rho * rho / (1.03 - rho));
        series.utilisation.push(busy);
        series.in_queue.push(queue);
        series.in_system.push(queue + 8.0);
        series.throughput.push(1_000.0 * load(i).min(1.35));
    }
    series
}

fn vertex(name: &str, kind: NodeKind, instances: u64, detail: &str) -> Vertex {
    let single = matches!(kind, NodeKind::Client | NodeKind::External | NodeKind::LoadBalancer);
    let zones = ["us-east-1a", "us-east-1b", "us-east-1c"];
    let zones =
        zones.iter().enumerate().map(|(i, zone)| ((*zone).into(), (instances + 2 - i as u64) / 3));
    let zones: Vec<(String, u64)> = if single { Vec::new() } else { zones.collect() };
    Vertex {
        name: name.into(),
        kind,
        instances,
        zones: zones.into_iter().filter(|(_, n)| *n > 0).collect(),
        detail: detail.into(),
    }
}

fn design() -> Design {
    let edges = [
        ("batch", "api", "export"),
        ("shoppers", "edge-lb", "browse 80 %, buy 20 %"),
        ("edge-lb", "api", ""),
        ("api", "catalogue", "read"),
        ("api", "orders", "read, write"),
        ("api", "payments", "buy"),
        ("api", "recommendations", "browse"),
        ("recommendations", "catalogue", "read"),
    ];
    let edge = |(from, to, label): &(&str, &str, &str)| Edge {
        from: (*from).into(),
        to: (*to).into(),
        label: (*label).into(),
    };
    Design {
        vertices: vec![
            vertex("batch", NodeKind::Client, 20, "closed(users=20 think=exp(mean=1s))"),
            vertex("shoppers", NodeKind::Client, 0, "poisson(1200/s)"),
            vertex("api", NodeKind::Service, 8, "4 cores, 64 workers"),
            vertex("catalogue", NodeKind::Store, 3, "3 shards, read 2ms"),
            vertex("edge-lb", NodeKind::LoadBalancer, 1, "two_choices"),
            vertex("orders", NodeKind::Store, 2, "2 shards, read 2ms, write 5ms"),
            vertex("payments", NodeKind::External, 0, "latency lognormal(median=80ms)"),
            vertex("recommendations", NodeKind::Service, 4, "2 cores, 32 workers"),
        ],
        edges: edges.iter().map(edge).collect(),
    }
}

fn series(windows: usize) -> TimeSeries {
    let nodes = [
        ("api", Some(0.62)),
        ("catalogue", Some(0.41)),
        ("edge-lb", None),
        ("orders", Some(0.27)),
        ("payments", None),
        ("recommendations", Some(0.55)),
    ];
    TimeSeries {
        start: (0..windows).map(|i| i as f64 * 5.0).collect(),
        length: vec![5.0; windows],
        clients: [("all", 1.0), ("batch", 0.02), ("shoppers", 0.98)]
            .map(|(name, scale)| (name.into(), client_series(scale, windows)))
            .into(),
        nodes: nodes.map(|(name, most)| (name.into(), node_series(most, windows))).into(),
        ..TimeSeries::default()
    }
}

fn slos() -> Vec<SloResult> {
    vec![
        SloResult {
            unit: None,
            expression: "availability >= 99.5%".into(),
            estimate: estimate(0.988_17, 0.0009),
            reason: None,
            verdict: Judgement::Missed,
            margin: Some(-0.006_83),
        },
        SloResult {
            unit: None,
            expression: "p99(latency operation=browse) <= 350ms".into(),
            estimate: estimate(0.082_9, 0.001_7),
            reason: None,
            verdict: Judgement::Met,
            margin: Some(0.267_1),
        },
        SloResult {
            unit: None,
            expression: "p99(latency operation=export) <= 2s".into(),
            estimate: Estimate::default(),
            reason: None,
            verdict: Judgement::Undecided,
            margin: None,
        },
    ]
}

fn tail(mean: f64) -> Vec<(f64, f64)> {
    let mut points = vec![(mean * 0.02, 1.0)];
    points.extend((0..77).map(|i| {
        let x = 0.02 * libm::exp2(f64::from(i) / 8.0);
        (mean * x, libm::exp(-x))
    }));
    points.push((mean * 20.0, 0.0));
    points
}

fn replication(r: u64) -> ReplicationResults {
    let figures = [("availability", 0.9881 + 0.0001 * r as f64), ("latency.p99", 0.0829)];
    ReplicationResults {
        replication: r,
        seed: 0x9e37_79b9 ^ r,
        fingerprint: format!("{:016x}", 0xfeed_0000 + r),
        events: 1_500_000 + r,
        figures: figures.map(|(name, figure)| (name.into(), Some(figure))).into(),
    }
}

fn timeline() -> Timeline {
    let event = |at: f64, kind: EventKind, subject: &str, text: &str| TimelineEvent {
        at,
        kind,
        subject: subject.into(),
        value: Some(1.6),
        baseline: Some(1.0),
        text: format!("{subject}: {text}"),
        onset: None,
        extreme_at: None,
        of: String::new(),
    };
    Timeline {
        events: vec![
            event(350.0, EventKind::LoadRose, "shoppers", "send 1,600 /s (before: 1,000 /s)"),
            event(352.5, EventKind::QueueGrew, "api", "queue grows to 211 waiting (before: 3.60)"),
            event(425.0, EventKind::QueueDrained, "api", "queue is back to what it was"),
        ],
        replication: None,
        resolution: 5.0,
    }
}

fn blame() -> Blame {
    let api = NodeBlame { visits: 1.0, waiting: 0.002, work: 0.005, inside: 0.0, throttled: 0.0 };
    let nodes = [("api".into(), api)].into();
    Blame { latency: 0.018, nodes, network: 0.004, remainder: 0.007, ..Blame::default() }
}

/// A finished run of ten replications.
pub(crate) fn shop() -> Results {
    let client = |scale: f64, operations: &[(&str, f64)]| ClientResults {
        figures: figures(scale, 0.018),
        active: None,
        pools: std::collections::BTreeMap::new(),
        operations: operations
            .iter()
            .map(|(name, mean)| ((*name).into(), figures(scale / 2.0, *mean)))
            .collect(),
    };
    Results {
        timeline: timeline(),
        bottleneck: Some(Bottleneck {
            node: "api".into(),
            instance: Some(3),
            utilisation: Some(0.62),
            resource: "cores".into(),
            saturated: 0.11,
            saturated_at: Some(350.0),
        }),
        blame: Some(blame()),
        windtunnel_version: "0.1.0".into(),
        semantics_version: 1,
        scenario: "shop-surge".into(),
        description: Some("Does the shop survive a surge of 60 %?\nEight API servers.".into()),
        variant: None,
        fingerprint: "4b1d0c5e9a7f2386".into(),
        seeds: (0..10).map(|r| 0x9e37_79b9 ^ r).collect(),
        confidence: 0.95,
        duration: 600.0,
        warm_up: 60.0,
        status: Status::Complete,
        status_reason: None,
        summary: Summary { figures: figures(1.0, 0.018), ..Summary::default() },
        clients: [
            ("batch".into(), client(0.02, &[("export", 0.05)])),
            ("shoppers".into(), client(0.98, &[("browse", 0.018), ("buy", 0.026)])),
        ]
        .into(),
        nodes: [
            ("api".into(), node(NodeKind::Service, 0.62, 8)),
            ("catalogue".into(), node(NodeKind::Store, 0.41, 3)),
            ("edge-lb".into(), node(NodeKind::LoadBalancer, 0.0, 1)),
            ("orders".into(), node(NodeKind::Store, 0.27, 2)),
            ("payments".into(), node(NodeKind::External, 0.0, 0)),
            ("recommendations".into(), node(NodeKind::Service, 0.55, 4)),
        ]
        .into(),
        slos: slos(),
        replications: (0..10).map(replication).collect(),
        series: series(120),
        latency_tail: [("all", 0.018), ("batch", 0.05), ("shoppers", 0.017)]
            .map(|(name, mean)| (name.into(), tail(mean)))
            .into(),
        design: design(),
        leaves_out: vec![
            "TCP: connection set-up, congestion and head-of-line blocking".into(),
            "Garbage collection and other pauses of processes".into(),
        ],
        warnings: vec!["nodes.payments.external has no timeout on the edge from api".into()],
        data: vec![crate::results::DataFile {
            name: "data/orders.csv".into(),
            size: 1234,
            sha256: "0123456789abcdef".repeat(4),
        }],
        ..Results::default()
    }
}

/// A run in which no request was decided.
pub(crate) fn nothing_decided() -> Results {
    let mut results = shop();
    let windows = results.series.start.len();
    results.summary = Summary::default();
    results.clients.clear();
    results.latency_tail = BTreeMap::from([("all".into(), Vec::new())]);
    let nothing = ClientSeries {
        offered: vec![0.0; windows],
        goodput: vec![0.0; windows],
        availability: vec![None; windows],
        outcomes: BTreeMap::new(),
        p50: vec![None; windows],
        p95: vec![None; windows],
        p99: vec![None; windows],
        p999: vec![None; windows],
        ..ClientSeries::default()
    };
    results.series.clients = BTreeMap::from([("all".into(), nothing)]);
    results
}

/// Text that would do harm if it reached an output unescaped.
pub(crate) const PAYLOADS: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"]]>&<!--",
    "=HYPERLINK(\"http://x\")",
    "\u{1b}[31mred\u{1b}]0;title\u{7}",
    "' onload='alert(1)",
    "</title></svg><img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "\u{2028}alert(1)\u{2029}\\u003c{{1+1}}",
];

/// The shop with a payload in every place that can hold foreign text.
pub(crate) fn hostile(payload: &str) -> Results {
    let mut results = shop();
    let bad = || payload.to_owned();
    results.windtunnel_version = bad();
    results.scenario = bad();
    results.description = Some(bad());
    results.variant = Some(bad());
    results.fingerprint = bad();
    results.status_reason = Some(bad());
    let client = results.clients["shoppers"].clone();
    results.clients.insert(bad(), client.clone());
    let operations = [(bad(), client.figures.clone())].into();
    results.clients.insert("plain".into(), ClientResults { operations, ..client });
    let mut node = results.nodes["api"].clone();
    node.outcomes.insert(bad(), 3);
    results.nodes.insert(bad(), node);
    results.slos[0].expression = bad();
    let series = results.series.clients["all"].clone();
    results.series.clients.insert(bad(), series);
    let series = results.series.nodes["api"].clone();
    results.series.nodes.insert(bad(), series);
    results.latency_tail.insert(bad(), tail(0.03));
    results
        .design
        .vertices
        .push(Vertex { zones: vec![(bad(), 2)], ..vertex(payload, NodeKind::Topic, 3, payload) });
    results.design.edges.push(Edge { from: "api".into(), to: bad(), label: bad() });
    results.summary.figures.marks.insert(bad(), distribution(0.01, 5));
    results.leaves_out.push(bad());
    results.warnings.push(bad());
    results.timeline.events[0].text = bad();
    results.timeline.events[1].subject = bad();
    let part = results.blame.clone().unwrap_or_default().nodes["api"];
    results.blame.get_or_insert_default().nodes.insert(bad(), part);
    results.bottleneck.get_or_insert_default().node = bad();
    results
}
