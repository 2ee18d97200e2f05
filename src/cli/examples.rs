//! `windtunnel examples`: the shipped scenarios, listed or copied.

use std::{fs, path::Path};

use clap::Args;

use crate::{
    cli::{
        say::{Exit, Voice, print, refuse},
        schema::{with_modeline, write_beside},
    },
    problem::near,
};

/// List the scenarios that come with windtunnel, or copy one
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  windtunnel examples --copy single-server\n  \
                        windtunnel run single-server.yaml")]
pub(super) struct ExamplesArguments {
    /// Copy this one, with the data files it reads, into the current directory
    #[arg(long, value_name = "NAME")]
    copy: Option<String>,
}

/// A shipped scenario.
struct Example {
    /// Its path in the folder of scenarios.
    path: &'static str,
    text: &'static str,
    /// Data files it reads, by their path beside it.
    data: &'static [(&'static str, &'static [u8])],
}

macro_rules! library {
    ($($name:literal $([$($file:literal),+])?),* $(,)?) => {
        /// In the order a newcomer would read them; a test compares it with the folder.
        const LIBRARY: &[Example] = &[$(Example {
            path: $name,
            text: include_str!(concat!("../../scenarios/", $name, ".yaml")),
            data: &[$($(($file, include_bytes!(concat!("../../scenarios/", $file)))),+)?],
        }),*];
    };
}

library! {
    "single-server",
    "balanced-tier",
    "router-queue",
    "fan-out-tail",
    "closed-loop-users",
    "retries-and-timeouts",
    "daily-load",
    "yesterdays-log" ["data/access.log.gz"],
    "dns-failover",
    "active-passive",
    "two-regions" ["data/rtt_ms.csv"],
    "shared-uplink",
    "inference-batching",
    "llm-serving" ["data/azure_llm_2023_conv.csv.gz"],
    "cache-aside-shop",
    "cache-penetration",
    "cache-stampede",
    "stale-on-error",
    "resharding",
    "last-backup",
    "cache-policies" ["data/lirs_multi3.keys.gz"],
    "cache-tiers",
    "cross-zone-cache",
    "where-it-breaks",
    "write-behind",
    "hot-key",
    "saga",
    "scatter-gather",
    "circuit-breaker",
    "slow-reports",
    "hedged-requests",
    "retry-elsewhere",
    "noisy-neighbour",
    "cpu-quota",
    "overload-control",
    "repair-crews",
    "years-of-outages",
    "gray-failure",
    "burn-rates",
    "canary",
    "blue-green",
    "stop-the-world",
    "sleep-before-stop",
    "quiet-resets",
    "too-many-connections",
    "pool-deadlock",
    "tree-walk",
    "autoscaler-too-late",
    "fire-and-forget",
    "flapping",
    "cold-starts",
    "throttled-burst",
    "scale-to-zero",
    "spot-crunch",
    "static-stability",
    "lock-contention",
    "transfer",
    "transfer-failover",
    "trip-booking",
    "dead-letters",
    "catch-up",
    "resize",
    "right-size",
    "nightly-batch",
    "pub-sub",
    "rebalance",
    "log-acks",
    "outbox",
    "search-index",
    "memory-leak",
    "url-shortener",
    "w1-mm1",
    "w2-lb-tier",
    "w4-quorum",
    "zone-loss",
    "cap/bit-rot",
    "cap/eventually",
    "cap/fast-clock",
    "cap/fill-race",
    "cap/leased-lock",
    "cap/oversold",
    "cap/partition",
    "cap/read-your-writes",
    "cap/region-loss",
    "cap/resharding-at-noon",
    "cap/sloppy-carts",
    "cap/two-continents",
    "incidents/metastable-retry-storm",
    "incidents/stale-queue",
    "incidents/cache-flush",
    "incidents/pool-exhaustion",
    "incidents/timeout-cascade",
    "incidents/sinkhole",
    "incidents/dynamodb-2015",
    "incidents/aws-2021",
    "incidents/stampede",
    "incidents/gc-death-spiral",
    "incidents/facebook-2010",
    "incidents/facebook-2021",
    "incidents/google-cloud-2025",
    "incidents/dynamodb-2025",
    "incidents/kinesis-2020",
    "incidents/discord",
    "incidents/s3-2017",
    "incidents/reddit-2023",
    "incidents/cloudflare-2019",
    "incidents/knight-2012",
    "incidents/github-2018",
    "incidents/cloudflare-2020",
}

pub(super) fn examples(arguments: &ExamplesArguments, voice: Voice) -> Exit {
    match &arguments.copy {
        None => {
            list();
            Exit::Done
        }
        Some(name) => copy(name.strip_suffix(".yaml").unwrap_or(name), voice),
    }
}

impl Example {
    fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

fn list() {
    let width = LIBRARY.iter().map(|e| e.name().len()).max().unwrap_or_default();
    for example in LIBRARY {
        let line = format!("{:width$}  {}\n", example.name(), question(example.text));
        print(line.as_bytes());
    }
}

/// The first comment line: the design question.
fn question(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_start_matches('#').trim()
}

fn copy(name: &str, voice: Voice) -> Exit {
    let Some(example) = LIBRARY.iter().find(|e| e.name() == name) else {
        let nearest = near(name, LIBRARY.iter().map(Example::name))
            .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        return refuse(&format!(
            "there is no example `{}`{nearest} (windtunnel examples lists them)",
            name.escape_default()
        ));
    };
    let file = format!("{name}.yaml");
    let text = with_modeline(example.text);
    let mut files = vec![(file.as_str(), text.as_bytes())];
    files.extend(example.data);
    if let Some((taken, _)) = files.iter().find(|(path, bytes)| differs(path, bytes)) {
        return refuse(&format!("{taken} exists already; it is not overwritten"));
    }
    match write_beside() {
        Ok(false) => {}
        Ok(true) if voice.quiet => {}
        Ok(true) => print("windtunnel.schema.json\n".as_bytes()),
        Err(why) => return refuse(&why),
    }
    for (path, bytes) in files {
        let parent = Path::new(path).parent().unwrap_or(Path::new(""));
        let made = if parent == Path::new("") { Ok(()) } else { fs::create_dir_all(parent) };
        if let Err(e) = made.and_then(|()| fs::write(path, bytes)) {
            return refuse(&format!("cannot write {path}: {e}"));
        }
        if !voice.quiet {
            print(format!("{path}\n").as_bytes());
        }
    }
    Exit::Done
}

/// Whether something else stands at a path.
fn differs(path: &str, bytes: &[u8]) -> bool {
    Path::new(path).exists() && fs::read(path).map_or(true, |there| there != bytes)
}
