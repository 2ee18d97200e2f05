//! Tests of [several leaders](crate::replication::multi_leader).

mod basics;
mod lives;
mod log;
mod random;
mod sessions;
mod spy;
mod states;

use super::net::{MS, Net, Settings};
use spy::Spy;

use crate::replication::multi_leader::{Config, Conflict, State};
use crate::replication::{Act, Answer, Law, Note, Peer};

const SECOND: u64 = 1_000 * MS;

/// Four rules.
const RULES: [Conflict; 4] = [Conflict::Lww, Conflict::Vectors, Conflict::Counter, Conflict::Set];

/// Three leaders under a rule.
fn three(conflict: Conflict) -> Config {
    Config { leaders: 3, conflict, ..Config::DEFAULT }
}

/// A net of all leaders.
fn net_of(config: Config, settings: &Settings) -> Net<Spy> {
    let settings = Settings { replicas: config.leaders, shards: config.shards, ..settings.clone() };
    let all = config.leaders * config.shards;
    Net::new(settings, (0..all).map(|me| Spy::new(config, me)).collect())
}

/// A quiet one, with clients that ask only what they are told to; a message takes 1 ms, a lag 10 ms.
fn quiet(config: Config) -> Net<Spy> {
    let laws = |law, _: &mut _| if law == Law::Lag { 10 * MS } else { 0 };
    let settings =
        Settings { latency: (MS, MS), timeout: 60 * SECOND, laws, ..Settings::default() };
    let mut net = net_of(config, &settings);
    net.busy = false;
    net
}

/// Asks, and waits for the answer.
fn ask(net: &mut Net<Spy>, client: usize, at: Peer, (act, key): (Act, u64)) -> Answer {
    let before = net.ended.len();
    net.ask(client, at, act, key);
    while net.ended.len() == before {
        net.run(net.now + MS);
    }
    net.ended[before].4.expect("it is answered")
}

/// Writes a version, or deletes.
fn write(net: &mut Net<Spy>, client: usize, at: Peer, act: Act) {
    assert_eq!(ask(net, client, at, (act, 0)), Answer::Written);
}

/// Reads key 0.
fn read(net: &mut Net<Spy>, client: usize, at: Peer) -> u64 {
    match ask(net, client, at, (Act::Read, 0)) {
        Answer::Read(version) => version,
        other => panic!("no read: {other:?}"),
    }
}

/// The versions that stand of key 0.
fn siblings(net: &Net<Spy>, at: Peer) -> Vec<u64> {
    let mut all = Vec::new();
    net.replica(at).state(0).versions(&mut |version| all.push(version));
    all
}

fn counted(net: &Net<Spy>, name: &'static str) -> usize {
    net.notes.iter().filter(|(_, _, note)| *note == Note::Counted(name)).count()
}

/// All leaders of each shard hold the same.
fn agree(net: &Net<Spy>, config: &Config) -> Result<(), String> {
    for shard in 0..config.shards {
        let all = super::super::words::group(shard, config.leaders);
        let first = net.replica(all.start).held();
        for at in all {
            let held = net.replica(at).held();
            if held != first {
                let differ = held.iter().zip(&first).find(|(one, other)| one != other);
                return Err(format!("{at} differs: {differ:?}, {} {}", held.len(), first.len()));
            }
        }
    }
    Ok(())
}

/// What is known of a key.
fn dots(state: &State) -> [u32; 3] {
    let dots = state.dots().0;
    [dots[0], dots[1], dots[2]]
}
