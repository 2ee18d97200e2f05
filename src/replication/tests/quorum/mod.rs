//! Tests of [quorums](crate::replication::quorum).

mod anti_entropy;
mod basics;
mod handoff;
mod random;
mod sessions;
mod wars;
mod wire;

use super::net::{MS, Net, Settings};
use crate::replication::quorum::{Config, Quorum};
use crate::replication::{Act, Answer, Peer};

/// A quiet net of all replicas with one client that asks only what it is told to.
fn quiet(config: Config, near: &dyn Fn(Peer) -> Vec<Peer>) -> Net<Quorum> {
    let settings = Settings {
        replicas: config.replicas,
        shards: config.shards,
        clients: 1,
        latency: (MS, MS),
        timeout: 10_000 * MS,
        ..Settings::default()
    };
    let processes = config.replicas * config.shards;
    let replicas = (0..processes).map(|me| Quorum::new(config, me, true).near(near(me)));
    let mut net = Net::new(settings, replicas.collect());
    net.busy = false;
    net
}

/// Asks, and waits for the answer.
fn ask(net: &mut Net<Quorum>, at: Peer, act: Act, key: u64) -> Answer {
    let before = net.ended.len();
    net.ask(0, at, act, key);
    while net.ended.len() == before {
        net.run(net.now + MS);
    }
    net.ended[before].4.expect("it is answered")
}
