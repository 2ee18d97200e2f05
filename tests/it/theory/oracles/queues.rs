//! Family `queues`: one station.

use std::fmt::Write as _;

use super::{Case, Cases, Entry, exp, left_out, one, serverless, time};

/// Balanced-means hyperexponential law with mean 1 and squared coefficient of variation 4.
const H2: &str = "hyperexp(88.72983346% 563508327ns; 11.27016654% 4436491673ns)";

/// A scenario of one server; `service` are the fields of its map.
fn single(arrivals: &str, service: &str) -> String {
    format!(
        "clients:\n  users: {{arrivals: {arrivals}, to: server}}\n\
         nodes:\n  server:\n    service: {{{service}}}\n"
    )
}

fn poisson(rate: f64) -> String {
    format!("poisson({rate}/s)")
}

pub(super) fn cases(entry: &Entry) -> Cases {
    let family = entry.id.split('-').next().expect("ids are not empty");
    match family {
        "mm1" if entry.id == "mm1-setup" => serverless::setup(entry, 1.0, "f"),
        "mm1" if entry.id == "mm1-lcfs-np" => lifo(entry),
        "mm1" | "mmc" | "md1" => multi_server(entry),
        "mmck" => finite(entry),
        "erlangb" => loss(entry),
        "mg1" if entry.id == "mg1-lcfs-pr" => lifo_preemptive(entry),
        "mg1" | "mh2_1" => general(entry),
        "mg1ps" => sharing(entry),
        "prio" => priorities(entry),
        "dm1" | "em1" | "kingman" | "mmpp" => arrivals(entry),
        "erlangA" => abandonment(entry),
        _ => panic!("{}: not known", entry.id),
    }
}

fn multi_server(entry: &Entry) -> Cases {
    let lambda = entry.number("lam");
    let cores = entry.params["c"].as_u64().unwrap_or(1);
    let work = if entry.params["service"].is_number() { time(1.0) } else { exp(1.0) };
    let design = single(&poisson(lambda), &format!("cores: {cores}, work: {work}"));
    one(Case::new(design, lambda).usual(entry, "server"))
}

fn finite(entry: &Entry) -> Cases {
    let (lambda, c, k) = (entry.number("lam"), entry.number("c"), entry.number("K"));
    let fields = format!("workers: {c}, queue: {}, work: {}", k - c, exp(1.0));
    one(Case::new(single(&poisson(lambda), &fields), lambda).usual(entry, "server"))
}

/// Loss systems do not feel the law of the service time: three of them.
fn loss(entry: &Entry) -> Cases {
    let (lambda, c) = (entry.number("offered_erlangs"), entry.number("c"));
    let laws =
        [("exp", exp(1.0)), ("const", time(1.0)), ("logn", "lognormal(mean=1s cv=1.5)".to_owned())];
    let case = |(label, work): (&str, String)| {
        let fields = format!("workers: {c}, queue: 0, work: {work}");
        Case::new(single(&poisson(lambda), &fields), lambda)
            .label(&format!("_{label}"))
            .warm_up(20.0)
            .usual(entry, "server")
    };
    (laws.into_iter().map(case).collect(), Vec::new())
}

fn general(entry: &Entry) -> Cases {
    let lambda = entry.number("lam");
    let work = if let Some(cv2) = entry.params["service_cv2"].as_f64() {
        format!("lognormal(mean=1s cv={})", cv2.sqrt())
    } else if entry.params["alpha"].is_number() {
        format!("pareto(min={} alpha={})", time(entry.number("xm")), entry.number("alpha"))
    } else {
        assert_eq!(entry.numbers("rates"), [1.774_596_669, 0.225_403_330_8], "{}", entry.id);
        H2.to_owned()
    };
    let design = single(&poisson(lambda), &format!("cores: 1, work: {work}"));
    one(Case::new(design, lambda).usual(entry, "server"))
}

fn sharing(entry: &Entry) -> Cases {
    let lambda = entry.number("lam");
    let (work, constant) = match entry.id.as_str() {
        "mg1ps-exp" => (exp(1.0), false),
        "mg1ps-det" => (time(1.0), true),
        _ => (H2.to_owned(), false),
    };
    let design = single(&poisson(lambda), &format!("cores: 1, discipline: shared, work: {work}"));
    let mut case = Case::new(design, lambda)
        .usual(entry, "server")
        .measure("P_n_in_system_0", "1 - nodes.server.utilisation");
    let mut missing = left_out(
        &["P_n_in_system_5"],
        "results.json has the mean number in the system, not its distribution",
    );
    if constant {
        case = case.measure("slowdown_mean", "summary.latency.mean");
    } else {
        let reason = "results.json has no ratio of response time to demand per request";
        missing.extend(left_out(&["slowdown_mean"], reason));
    }
    (vec![case], missing)
}

fn lifo(entry: &Entry) -> Cases {
    let lambda = entry.number("lam");
    let second = "nodes.server.waiting_time.sd * nodes.server.waiting_time.sd + \
                  nodes.server.waiting_time.mean * nodes.server.waiting_time.mean";
    let design = |discipline: &str| {
        let fields = format!("cores: 1, discipline: {discipline}, work: {}", exp(1.0));
        single(&poisson(lambda), &fields)
    };
    let lifo = Case::new(design("lifo"), lambda).usual(entry, "server");
    let fifo = Case::new(design("fifo"), lambda).label("_fifo");
    let cases = vec![
        lifo.measure("Wq_second_moment", second),
        fifo.measure("Wq_second_moment_fcfs", second),
    ];
    (cases, Vec::new())
}

fn lifo_preemptive(entry: &Entry) -> Cases {
    let lambda = entry.number("lam");
    let case = |(label, work): (&str, String)| {
        let fields = format!("cores: 1, discipline: lifo_preemptive, work: {work}");
        Case::new(single(&poisson(lambda), &fields), lambda).label(label).usual(entry, "server")
    };
    let laws = [("_exp", exp(1.0)), ("_const", time(1.0)), ("_h2", H2.to_owned())];
    (laws.into_iter().map(case).collect(), Vec::new())
}

fn priorities(entry: &Entry) -> Cases {
    let (rates, means) = (entry.numbers("lam"), entry.numbers("service_mean"));
    let preemptive = entry.id.starts_with("prio-pr");
    let works = if entry.params["second_moment"].is_array() {
        assert_eq!(entry.numbers("second_moment"), [0.5, 1.0, 8.0], "{}", entry.id);
        vec![exp(0.5), time(1.0), exp(2.0)]
    } else {
        means.iter().map(|m| exp(*m)).collect()
    };
    let mut clients = String::from("clients:\n");
    let discipline = if preemptive { "priority_preemptive" } else { "priority" };
    let mut nodes = format!(
        "nodes:\n  server:\n    service:\n      cores: 1\n      discipline: {discipline}\n      \
         endpoints:\n"
    );
    let mut case = Case { rate: rates.iter().sum(), ..Case::default() };
    for (i, work) in works.iter().enumerate() {
        let class = i + 1;
        write!(
            clients,
            "  users{class}:\n    arrivals: poisson({}/s)\n    \
             operations: {{class{class}: {{to: server, priority: {class}}}}}\n",
            rates[i]
        )
        .expect("a text grows");
        writeln!(nodes, "        class{class}: [{{work: {work}}}]").expect("a text grows");
        let response = format!("clients.users{class}.latency.mean");
        case = case.measure(&format!("T_mean_class{class}"), response.as_str());
        if !preemptive {
            // The node's waiting time is over all classes: response minus the known mean work.
            let waiting = format!("{response} - {}", means[i]);
            case = case.measure(&format!("Wq_mean_class{class}"), waiting);
        }
    }
    case.design = clients + &nodes;
    one(case)
}

fn arrivals(entry: &Entry) -> Cases {
    let case = |arrivals: &str, work: &str, rate: f64| {
        let design = single(arrivals, &format!("cores: 1, work: {work}"));
        Case::new(design, rate).usual(entry, "server")
    };
    let gaps = |k: u64, lambda: f64| format!("renewal(erlang(k={k} mean={}))", time(1.0 / lambda));
    if entry.id.starts_with("dm1") {
        let rate = 1.0 / entry.number("interarrival");
        return one(case(&format!("constant({rate}/s)"), &exp(1.0), rate));
    }
    if entry.id.starts_with("em1") {
        let (lambda, k) = (entry.number("lam"), entry.number("erlang_stages"));
        return one(case(&gaps(k as u64, lambda), &exp(1.0), lambda));
    }
    if entry.id.starts_with("kingman") {
        let lambda = entry.number("lam");
        let case = case(&gaps(2, lambda), H2, lambda)
            .requests(8e6)
            .measure("Wq_approx_kingman", "nodes.server.waiting_time.mean")
            .measure("Wq_upper_bound", "nodes.server.waiting_time.mean");
        return one(case);
    }
    let rates = entry.numbers("rates");
    let states = [(rates[0], entry.number("q12")), (rates[1], entry.number("q21"))];
    let states = states.map(|(rate, leave)| format!("{rate}/s for {}", time(1.0 / leave)));
    let mmpp = format!("mmpp({})", states.join("; "));
    one(case(&mmpp, &exp(1.0), 2.0 / 3.0).measure("lam_mean", "nodes.server.throughput"))
}

fn abandonment(entry: &Entry) -> Cases {
    let (lambda, c, theta) = (entry.number("lam"), entry.number("c"), entry.number("theta"));
    let fields = format!("cores: {c}, patience: {}, work: {}", exp(1.0 / theta), exp(1.0));
    one(Case::new(single(&poisson(lambda), &fields), lambda).warm_up(50.0).usual(entry, "server"))
}
