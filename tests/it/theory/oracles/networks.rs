//! Family `networks`: several stations, open and closed.

use std::fmt::Write as _;

use super::{Case, Cases, Entry, exp, left_out, one, time};

pub(super) fn cases(entry: &Entry) -> Cases {
    match entry.id.as_str() {
        "tandem-3" => tandem(entry),
        "jackson-feedback" => jackson(entry),
        "repair-10-2" => repair(entry),
        "open-vs-closed" => open_and_closed(entry),
        id if id.starts_with("mva-") => central_server(entry),
        id => panic!("{id}: not known"),
    }
}

fn tandem(entry: &Entry) -> Cases {
    let (lambda, rates) = (entry.number("lam"), entry.numbers("mu"));
    let mut design = format!(
        "clients:\n  users: {{arrivals: poisson({lambda}/s), to: line}}\n\
         nodes:\n  line: {{service: {{calls: [s1, s2, s3]}}}}\n"
    );
    for (i, mu) in rates.iter().enumerate() {
        let work = exp(1.0 / mu);
        writeln!(design, "  s{}: {{service: {{cores: 1, work: {work}}}}}", i + 1).expect("grows");
    }
    one(Case::new(design, lambda).usual(entry, "line"))
}

/// Visits of a request in the unrolled network; longer routes have a probability below 1e-8.
const LEVELS: usize = 24;

/// A request goes from station to station by chance, possibly back. The language has no circles of
/// calls, so the route is unrolled: node `r2_5` is "the fifth visit is to station 2", takes no time
/// itself and calls the station, then chooses the next visit.
fn jackson(entry: &Entry) -> Cases {
    let external = entry.numbers("external");
    let routing: Vec<Vec<f64>> =
        serde_json::from_value(entry.params["routing"].clone()).expect("a matrix");
    let (rates, servers) = (entry.numbers("mu"), entry.numbers("servers"));
    let mut design = String::from("clients:\n");
    for (i, rate) in external.iter().enumerate().filter(|e| *e.1 > 0.0) {
        let i = i + 1;
        writeln!(design, "  from{i}: {{arrivals: poisson({rate}/s), to: r{i}_1}}").expect("grows");
    }
    design += "nodes:\n";
    let reachable = |i: usize| external[i] > 0.0;
    for level in 1..=LEVELS {
        for i in (0..rates.len()).filter(|&i| level > 1 || reachable(i)) {
            let route = if level == LEVELS { String::new() } else { next(&routing[i], level + 1) };
            writeln!(
                design,
                "  r{n}_{level}: {{service: {{endpoints: {{default: [{{call: s{n}}}{route}]}}}}}}",
                n = i + 1
            )
            .expect("grows");
        }
    }
    let total: f64 = external.iter().sum();
    let mut case = Case { rate: total, ..Case::default() };
    for (i, mu) in rates.iter().enumerate() {
        let (n, cores, work) = (i + 1, servers[i], exp(1.0 / mu));
        writeln!(design, "  s{n}: {{service: {{cores: {cores}, work: {work}}}}}").expect("grows");
        case = case
            .measure(&format!("lambda_{n}"), format!("nodes.s{n}.throughput"))
            .measure(&format!("util_{n}"), format!("nodes.s{n}.utilisation"))
            .measure(&format!("T_mean_{n}"), format!("nodes.s{n}.response_time.mean"));
    }
    case.design = design;
    one(case
        .measure("T_network_mean", "summary.latency.mean")
        .measure("L_total", "nodes.s1.in_system + nodes.s2.in_system + nodes.s3.in_system"))
}

/// The step that chooses the next visit.
fn next(row: &[f64], level: usize) -> String {
    let leave = 1.0 - row.iter().sum::<f64>();
    let mut choices = format!("{{share: {leave:.6}, do: []}}");
    for (j, share) in row.iter().enumerate().filter(|s| *s.1 > 0.0) {
        let call = format!("r{}_{level}", j + 1);
        write!(choices, ", {{share: {share:.6}, do: [{{call: {call}}}]}}").expect("grows");
    }
    format!(", {{choose: [{choices}]}}")
}

/// A transaction visits the CPU 10 times, the disk 8 times and the net once.
fn central_server(entry: &Entry) -> Cases {
    let (users, think) = (entry.number("N"), entry.number("think"));
    assert_eq!(entry.numbers("demands"), [0.2, 0.24, 0.05], "{}", entry.id);
    let design = format!(
        "clients:\n  users: {{arrivals: closed(users={users} think={}), to: app}}\n\
         nodes:\n  app:\n    service:\n      endpoints:\n        default:\n          \
         - repeat: {{times: 10, do: [{{call: cpu}}]}}\n          \
         - repeat: {{times: 8, do: [{{call: disk}}]}}\n          - call: net\n  \
         cpu: {{service: {{cores: 1, work: {}}}}}\n  \
         disk: {{service: {{cores: 1, work: {}}}}}\n  \
         net: {{service: {{cores: 1, work: {}}}}}\n",
        exp(think),
        exp(0.02),
        exp(0.03),
        exp(0.05),
    );
    let rate = entry.expected["throughput"].as_f64().expect("a number");
    one(Case::new(design, rate)
        .measure("throughput", "summary.throughput")
        .measure("R_mean", "summary.latency.mean")
        .measure("bottleneck_util", "nodes.disk.utilisation")
        .measure("Q_1", "nodes.cpu.in_system")
        .measure("Q_2", "nodes.disk.in_system")
        .measure("Q_3", "nodes.net.in_system"))
}

fn repair(entry: &Entry) -> Cases {
    let (machines, crews) = (entry.number("machines"), entry.number("crews"));
    let design = format!(
        "clients:\n  machines: {{arrivals: closed(users={machines} think={}), to: crew}}\n\
         nodes:\n  crew: {{service: {{cores: {crews}, work: {}}}}}\n",
        exp(1.0 / entry.number("fail_rate")),
        exp(1.0 / entry.number("repair_rate")),
    );
    let rate = entry.expected["throughput"].as_f64().expect("a number");
    let case = Case::new(design, rate)
        .measure("mean_down", "nodes.crew.in_system")
        .measure("mean_up", format!("{machines} - nodes.crew.in_system"))
        .measure("throughput", "summary.throughput")
        .measure("T_mean_at_repair", "summary.latency.mean")
        .measure("crew_util", "nodes.crew.utilisation");
    let reason = "results.json has the mean number in the system, not its distribution";
    (vec![case], left_out(&["P_all_up"], reason))
}

fn open_and_closed(entry: &Entry) -> Cases {
    let users = entry.number("N");
    let server = format!("nodes:\n  server: {{service: {{cores: 1, work: {}}}}}\n", exp(1.0));
    let closed = format!(
        "clients:\n  users: {{arrivals: closed(users={users} think={}), to: server}}\n{server}",
        time(0.0)
    );
    let open = format!("clients:\n  users: {{arrivals: poisson(0.95/s), to: server}}\n{server}");
    let cases = vec![
        Case::new(closed, 1.0)
            .label("_closed")
            .requests(1e6)
            .measure("closed_throughput", "summary.throughput")
            .measure("closed_R", "summary.latency.mean"),
        Case::new(open, 0.95)
            .label("_open")
            .requests(26.7e6)
            .measure("open_T_rho95", "summary.latency.mean"),
    ];
    (cases, Vec::new())
}
