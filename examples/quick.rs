use windtunnel::*;
struct NoData;
impl engine::law::Tables for NoData {
    fn column(&self, _: &str, _: &str) -> Result<Vec<f64>, String> {
        Err("no".into())
    }
}
impl model::build::Data for NoData {
    fn times(&self, _: &str, _: &str, _: model::client::TraceUnit) -> Result<Vec<u64>, String> {
        Err("no".into())
    }
    fn matrix(&self, _: &model::network::MatrixSpec) -> Result<Vec<(String, String, f64)>, String> {
        Err("no".into())
    }
}
fn main() {
    let f = std::env::args().nth(1).unwrap();
    let n: u64 = std::env::args().nth(2).map_or(1, |x| x.parse().unwrap());
    let v: serde_json::Value = serde_yaml::from_str(&std::fs::read_to_string(&f).unwrap()).unwrap();
    let s: scenario::spec::ScenarioSpec = serde_json::from_value(v).unwrap();
    let d = model::build::Design {
        topology: s.topology.unwrap_or_default(),
        network: s.network.unwrap_or_default(),
        clients: s.clients,
        nodes: s.nodes,
        duration: s.duration.0,
        warm_up: s.warm_up.map_or(0, |w| w.0),
    };
    let mut p = problem::Problems::default();
    let sc = model::Scenario::compile(d, &NoData, &mut p);
    for x in p.into_vec() {
        println!("{:?} {} {} {} {:?}", x.severity, x.code, x.path, x.message, x.help)
    }
    let sc = sc.unwrap();
    for r in 0..n {
        let t = std::time::Instant::now();
        let m = sc.replicate(
            engine::random::replication_seed(1, r),
            &std::sync::atomic::AtomicBool::new(false),
        );
        let el = t.elapsed().as_secs_f64();
        let mut issued = 0;
        for c in &m.clients {
            for o in &c.operations {
                issued += o.issued;
                println!(
                    "{}/{} issued {} {:?} mean {:?} p50 {:?} p99 {:?} failed {}",
                    c.name,
                    o.name,
                    o.issued,
                    o.outcomes,
                    o.latency.mean().map(|x| x / 1e6),
                    o.latency.quantile(0.5).map(|x| x / 1e6),
                    o.latency.quantile(0.99).map(|x| x / 1e6),
                    o.latency_failed.count()
                );
            }
        }
        for n in &m.nodes {
            let cap = n.capacity.unwrap_or(f64::NAN) * n.instances.len() as f64 * n.span as f64;
            println!(
                "{} {} util {:.4} L {:.3} Lq {:.3} wait {:?} serv {:?} resp {:?} {:?}",
                n.name,
                n.kind,
                n.instances.iter().map(|i| i.busy).sum::<u128>() as f64 / cap,
                n.in_system as f64 / n.span as f64,
                n.in_queue as f64 / n.span as f64,
                n.waiting.mean().map(|x| x / 1e6),
                n.service.mean().map(|x| x / 1e6),
                n.response.mean().map(|x| x / 1e6),
                n.causes
            );
        }
        println!(
            "events {} fp {:x} time {el:.3} ns/req {:.1} trunc {:?}",
            m.events,
            m.fingerprint,
            el * 1e9 / issued as f64,
            m.truncated
        );
    }
}
