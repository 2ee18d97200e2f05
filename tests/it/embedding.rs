//! The library as others use it: the example of its documentation, and what a run costs in memory.

#[path = "../../examples/embed.rs"]
mod embed;

#[test]
fn the_example_of_the_documentation_holds() {
    embed::main().unwrap();
}

#[cfg(target_os = "linux")]
mod memory {
    use std::{
        fs,
        process::{Command, Stdio},
        thread,
        time::Duration,
    };

    /// Most memory that the program ever held in a run of so many replications, bytes.
    fn peak(replications: u32) -> u64 {
        let text = "windtunnel: 1\nname: mm1\nduration: 100s\n\
            clients: {users: {arrivals: poisson(80/s), to: api}}\n\
            nodes: {api: {service: {cores: 1, work: exp(mean=10ms)}}}\n\
            slos: [nodes.api.utilisation <= 90%, p99(latency) <= 1s]\n";
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mm1.yaml"), text).unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_windtunnel"))
            .args(["run", "mm1.yaml", "--quiet", "--jobs", "1", "--replications"])
            .arg(replications.to_string())
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut peak = 0;
        while program.try_wait().unwrap().is_none() {
            let status = fs::read_to_string(format!("/proc/{}/status", program.id()));
            let line = status.unwrap_or_default();
            let line = line.lines().find(|line| line.starts_with("VmHWM:")).map(str::to_owned);
            let kilobytes =
                line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            peak = peak.max(kilobytes.unwrap_or_default() << 10);
            thread::sleep(Duration::from_millis(5));
        }
        assert!(program.wait().unwrap().success());
        peak
    }

    #[test]
    fn memory_does_not_grow_with_replications_but_for_a_few_figures_of_each() {
        // Beyond the first 50 nobody's requests are sampled.
        let (some, many) = (peak(60), peak(360));
        let each = many.saturating_sub(some) / 300;
        assert!(each < 20_000, "{each} B a replication");
        assert!(many < 64 << 20, "{many} B");
    }
}
