//! Tests of [`leader_follower`](crate::replication::leader_follower).

mod basic;
mod failover;
mod random;
mod sessions;

use std::collections::BTreeMap;

use super::net::{MS, Net, Settings};
use super::sessions::{Sessions, sum};
use crate::engine::random::{Draw, Stream};
use crate::replication::leader_follower::{Ack, Config, Observer, Replica};
use crate::replication::{
    Act, Answer, Context, Law, Message, Note, Operation, Peer, Phase, Protocol, Start, Timer, disk,
};

const SECOND: u64 = 1_000 * MS;

/// A process: replica or observer.
enum Node {
    Replica(Box<Replica>),
    Observer(Observer),
}

impl Node {
    fn get(&mut self) -> &mut dyn Protocol {
        match self {
            Self::Replica(replica) => &mut **replica,
            Self::Observer(observer) => observer,
        }
    }

    fn replica(&self) -> &Replica {
        match self {
            Self::Replica(replica) => replica,
            Self::Observer(_) => panic!("an observer"),
        }
    }

    fn replica_mut(&mut self) -> &mut Replica {
        match self {
            Self::Replica(replica) => replica,
            Self::Observer(_) => panic!("an observer"),
        }
    }
}

impl Protocol for Node {
    fn start(&mut self, how: Start, cx: &mut Context<'_>) {
        self.get().start(how, cx);
    }
    fn operation(&mut self, operation: &Operation, phase: Phase, cx: &mut Context<'_>) {
        self.get().operation(operation, phase, cx);
    }
    fn message(&mut self, from: Peer, message: Message, cx: &mut Context<'_>) {
        self.get().message(from, message, cx);
    }
    fn timer(&mut self, timer: Timer, cx: &mut Context<'_>) {
        self.get().timer(timer, cx);
    }
}

fn config(replicas: u16, ack: Ack) -> Config {
    Config {
        replicas,
        ack,
        has_lag: false,
        apply_lanes: 2,
        reads_at_leader: false,
        max_lag: None,
        disk: disk::Mode::Each,
        failover: None,
        paced: None,
    }
}

/// Latency of 1 ms, no clients that ask by themselves.
fn quiet(seed: u64) -> Settings {
    Settings {
        seed,
        clients: 2_000,
        latency: (MS, MS),
        timeout: 60 * SECOND,
        ..Settings::default()
    }
}

fn net(mut settings: Settings, config: &Config) -> Net<Node> {
    settings.replicas = config.replicas;
    let replicas = settings.shards * config.replicas;
    let observers = config.failover.as_ref().map_or(0, |failover| failover.observers.len()) as u16;
    let node = |me| {
        if me < replicas {
            Node::Replica(Box::new(Replica::new(config.clone(), me)))
        } else {
            Node::Observer(Observer::new(config.clone(), me, settings.shards))
        }
    };
    let nodes = (0..replicas + observers).map(node).collect();
    Net::new(settings, nodes)
}

/// A draw of an exponential law with this mean.
#[expect(clippy::disallowed_methods, reason = "no bit of a test depends on it")]
fn exponential(draw: &mut Draw, mean: f64) -> u64 {
    (-(1.0 - draw.unit()).ln() * mean) as u64
}

/// Writes to process `at` as a Poisson process of so many per second, up to a time; each of a key of its own.
struct Load {
    draw: Draw,
    rate: f64,
    next: u64,
    count: u64,
}

impl Load {
    fn new(seed: u64, rate: f64) -> Self {
        let draw = Stream::new(seed, "load", "writes").draw(0);
        Self { draw, rate, next: 0, count: 0 }
    }

    fn run(&mut self, net: &mut Net<Node>, at: Peer, until: u64) {
        net.busy = false;
        while self.next <= until {
            net.run(self.next.max(net.now));
            self.count += 1;
            let client = (self.count % net.clients.len() as u64) as usize;
            net.ask(client, at, Act::Write(1_000_000 + self.count), self.count);
            self.next += exponential(&mut self.draw, 1e9 / self.rate);
        }
        net.run(until);
    }
}

/// Versions whose writes were acknowledged, with when.
fn acknowledged(net: &Net<Node>) -> BTreeMap<u64, u64> {
    let written = net.ended.iter().filter(|ended| ended.4 == Some(Answer::Written));
    written
        .map(|(at, _, operation, ..)| match operation.act {
            Act::Write(version) => (version, *at),
            _ => panic!("only a write is written"),
        })
        .collect()
}

/// Of the acknowledged versions those that a replica does not hold, each of a key of its own.
fn lost(net: &Net<Node>, at: Peer) -> usize {
    let data = net.replica(at).replica().data();
    let held = |version: u64| data.get(version - 1_000_000).version == version;
    acknowledged(net).keys().filter(|version| !held(**version)).count()
}

/// Answer of the last operation that ended.
fn last(net: &Net<Node>) -> Option<Answer> {
    net.ended.last().expect("one ended").4
}

/// Each place has one entry, and one that two replicas know has the same after the same.
fn check_logs(net: &Net<Node>, replicas: u16) {
    let mut accepted = BTreeMap::new();
    for (_, _, note) in &net.notes {
        if let Note::Accepted { key, version, order } = *note {
            assert_eq!(accepted.insert(order, (key, version)), None, "place {order:x} twice");
        }
    }
    let logs: Vec<_> = (0..replicas).map(|at| net.replica(at).replica().log()).collect();
    for (at, (base, log)) in (0..).zip(&logs) {
        let last = log.last().map_or(*base, |sent| sent.place);
        for (key, item) in net.replica(at).replica().data().all() {
            assert!(item.order <= last, "replica {at} shows what is cut of key {key}");
            assert_eq!(accepted.get(&item.order), Some(&(key, item.version)));
        }
        for sent in log {
            assert_eq!(accepted.get(&sent.place), Some(&(sent.key, sent.version)));
        }
        for (base, other) in &logs {
            // Up to the newest place they share they are equal.
            let shared = log.iter().rev().find(|sent| other.iter().any(|o| o.place == sent.place));
            let Some(shared) = shared else { continue };
            let from = log[0].place.max(other[0].place).max(base + 1);
            let part = |log: &[crate::replication::leader_follower::Sent]| {
                let inside = log.iter().filter(|s| (from..=shared.place).contains(&s.place));
                inside.map(|sent| (sent.place, sent.version)).collect::<Vec<_>>()
            };
            assert_eq!(part(log), part(other), "logs differ before an entry they share");
        }
    }
}

/// What a follower stored from its leader is in the leader's log, entry by entry.
fn check_prefixes(net: &Net<Node>, replicas: u16) {
    for at in (0..replicas).filter(|at| net.up(*at)) {
        let Some((Some(leader), reign, matched)) = net.replica(at).replica().follows() else {
            continue;
        };
        let leads = net.replica(leader).replica();
        if !net.up(leader) || leads.reigns() != Some(reign) {
            continue;
        }
        let ((base, mine), (cut, theirs)) = (net.replica(at).replica().log(), leads.log());
        let part = |log: Vec<crate::replication::leader_follower::Sent>| {
            let log = log.into_iter().map(|sent| (sent.place, sent.key, sent.version));
            log.filter(|(place, ..)| *place > base.max(cut) && *place <= matched)
                .collect::<Vec<_>>()
        };
        assert_eq!(part(mine), part(theirs), "replica {at} is no beginning of {leader}");
    }
}

/// All replicas that run hold the same data.
fn check_equal(net: &Net<Node>, replicas: std::ops::Range<u16>) {
    let all = |at| net.replica(at).replica().data().all();
    let first = all(replicas.start);
    for at in replicas {
        assert_eq!(all(at), first, "replica {at} differs");
    }
}

/// Laws of tests.
fn laws(law: Law, draw: &mut Draw) -> u64 {
    match law {
        Law::Lag => 50 * MS,
        Law::Fsync => draw.below(3 * MS),
        Law::Promote => 100 * MS,
        Law::Rebuild => 300 * MS,
        Law::Election => 0,
    }
}
