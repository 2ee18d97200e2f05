fn main() {
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path).unwrap();
        let mut results: windtunnel::results::Results = match serde_json::from_slice(&bytes) {
            Ok(r) => r,
            Err(e) => {
                println!("{path}: {e}");
                continue;
            }
        };
        println!("== {path}");
        let t = windtunnel::explain::timeline(&results);
        for e in &t.events {
            println!("{:>9.2} {:<17} {}", e.at, e.kind, e.text);
        }
        if std::env::var("B").is_ok() {
            results.timeline = t.clone();
            println!("   {:?}", windtunnel::explain::bottleneck(&results));
            println!("   {:?}", windtunnel::explain::blame(&results));
        }
    }
}
