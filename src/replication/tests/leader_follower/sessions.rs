//! Sessions that read where they like and say which place of the log they know.

use super::disk::Mode::{Each, Every, Group, Never};
use super::random::{failover, schedule_of};
use super::*;
use crate::history::Place;
use crate::replication::leader_follower::{Failover, Message as Said};
use crate::replication::{Effect, Failure, Known, Laws, Ticket, place};

const BEHIND: Option<Answer> = Some(Answer::Failed(Failure::Behind));
const NO_LEADER: Option<Answer> = Some(Answer::Failed(Failure::NoLeader));
const TOKENS: Option<Sessions> = Some(Sessions { tokens: true, by_key: false });

/// A quiet net of sessions.
fn sessions(config: &Config, laws: fn(Law, &mut Draw) -> u64) -> Net<Node> {
    let mut net = net(Settings { clients: 8, sessions: TOKENS, laws, ..quiet(1) }, config);
    net.busy = false;
    net
}

/// Has a client ask, and waits for the answer.
fn ask(net: &mut Net<Node>, client: usize, at: Peer, act: Act) -> Option<Answer> {
    let before = net.ended.len();
    net.ask(client, at, act, 1);
    while net.ended.len() == before {
        net.run(net.now + MS);
    }
    last(net)
}

fn lag(law: Law, _: &mut Draw) -> u64 {
    match law {
        Law::Lag => 50 * MS,
        Law::Rebuild => 300 * MS,
        _ => 0,
    }
}

#[test]
fn a_follower_that_lacks_what_a_session_knows_sends_it_to_the_leader() {
    let mut net = sessions(&Config { has_lag: true, ..config(3, Ack::Async) }, lag);
    assert_eq!(ask(&mut net, 0, 0, Act::Write(7)), Some(Answer::Written));
    assert_eq!(net.known[0], (Known::default(), Known::upto(place(1, 1))));
    net.clients[0].asks = 1;
    assert_eq!(ask(&mut net, 0, 1, Act::Read), Some(Answer::Read(7)));
    assert_eq!(net.clients[0].asks, 0, "the leader answered");
    assert_eq!(net.known[1], (Known::upto(place(1, 1)), Known::upto(place(1, 1))));
    // One that knows nothing is answered where it asks.
    assert_eq!(ask(&mut net, 1, 1, Act::Read), Some(Answer::Read(0)));
    assert_eq!(net.known[2], (Known::default(), Known::default()));
    net.run(SECOND);
    net.clients[0].asks = 1;
    assert_eq!(ask(&mut net, 0, 1, Act::Read), Some(Answer::Read(7)));
    assert_eq!(net.clients[0].asks, 1, "by now it has it");
    let passed = net.sent.values().sum::<u64>();
    assert_eq!(passed, 4, "tokens cost no message: {:?}", net.sent);
}

/// The leader crashes with a write that it has acknowledged and not shipped.
fn lost_write(net: &mut Net<Node>) {
    assert_eq!(ask(net, 1, 0, Act::Write(6)), Some(Answer::Written));
    net.run(5 * SECOND);
    assert_eq!(ask(net, 0, 0, Act::Write(7)), Some(Answer::Written));
    net.crash(0);
    net.run(10 * SECOND);
    assert!(net.replica(1).replica().serves(net.now));
}

#[test]
fn who_knows_of_a_lost_write_reads_nothing_until_they_write() {
    let failover = Failover { detect: SECOND, ..failover(3, 1, false) };
    let config = Config { has_lag: true, failover: Some(failover), ..config(3, Ack::Async) };
    let mut net = sessions(&config, lag);
    lost_write(&mut net);
    // The new leader has written nothing: the log is too short. Then it has: its reign began before.
    assert_eq!(ask(&mut net, 0, 1, Act::Read), BEHIND);
    assert_eq!(ask(&mut net, 1, 1, Act::Read), Some(Answer::Read(6)));
    assert_eq!(ask(&mut net, 2, 1, Act::Write(8)), Some(Answer::Written));
    net.run(12 * SECOND);
    assert_eq!(ask(&mut net, 0, 1, Act::Read), BEHIND);
    net.clients[0].asks = 2;
    assert_eq!(ask(&mut net, 0, 2, Act::Read), BEHIND);
    assert_eq!(net.clients[0].asks, 1, "the follower sent it to the leader");
    // The old one comes back as a follower, and one more gets a copy of all.
    net.restart(0, Start::Again);
    net.crash(2);
    net.restart(2, Start::Empty);
    net.run(20 * SECOND);
    for at in 0..3 {
        net.clients[0].asks = at;
        assert_eq!(ask(&mut net, 0, at, Act::Read), BEHIND, "{at}");
        assert_eq!(net.clients[0].asks, 1);
        assert_eq!(ask(&mut net, 1, at, Act::Read), Some(Answer::Read(8)), "{at}");
    }
    assert_eq!(ask(&mut net, 0, 1, Act::Write(9)), Some(Answer::Written));
    net.run(21 * SECOND);
    for at in 0..3 {
        assert_eq!(ask(&mut net, 0, at, Act::Read), Some(Answer::Read(9)), "{at}");
    }
    // Who knows of writes of both reigns finds them at all, which forgot the entries long ago.
    assert!((0..3).all(|at| net.replica(at).replica().log().1.len() < 4));
    net.crash(2);
    net.restart(2, Start::Again);
    net.run(25 * SECOND);
    net.clients[1].asks = 2;
    assert_eq!(ask(&mut net, 1, 2, Act::Read), Some(Answer::Read(9)));
    assert_eq!(net.clients[1].asks, 2);
}

#[test]
fn an_old_leader_does_nothing_for_who_knows_a_newer_one() {
    let failover = Failover { detect: SECOND, ..failover(3, 1, false) };
    let mut net = sessions(&Config { failover: Some(failover), ..config(3, Ack::Async) }, lag);
    assert_eq!(ask(&mut net, 0, 0, Act::Write(6)), Some(Answer::Written));
    net.part(&[0], &[1, 2, 3, 4, 5]);
    net.run(5 * SECOND);
    assert_eq!(ask(&mut net, 0, 1, Act::Read), Some(Answer::Read(6)));
    assert_eq!(ask(&mut net, 0, 0, Act::Read), Some(Answer::Read(6)), "it knows of nothing newer");
    assert_eq!(ask(&mut net, 0, 1, Act::Write(7)), Some(Answer::Written));
    assert_eq!(ask(&mut net, 0, 0, Act::Read), NO_LEADER);
    assert_eq!(ask(&mut net, 0, 0, Act::Write(8)), NO_LEADER);
    assert_eq!(ask(&mut net, 0, 0, Act::Delete(9)), NO_LEADER);
    // Others are served, and then know what is lost.
    assert_eq!(ask(&mut net, 1, 0, Act::Write(10)), Some(Answer::Written));
    assert_eq!(ask(&mut net, 2, 0, Act::Read), Some(Answer::Read(10)));
    assert_eq!(ask(&mut net, 2, 1, Act::Read), BEHIND);
    assert_eq!(ask(&mut net, 2, 1, Act::Write(11)), Some(Answer::Written));
    net.heal();
    net.run(10 * SECOND);
    for at in 0..3 {
        assert_eq!(ask(&mut net, 2, at, Act::Read), Some(Answer::Read(11)));
    }
}

#[test]
fn what_a_leader_lost_with_its_disk_is_lost_though_it_leads_on() {
    let disk = Every(SECOND);
    let mut net = sessions(&Config { disk, has_lag: true, ..config(2, Ack::Async) }, lag);
    assert_eq!(ask(&mut net, 0, 0, Act::Write(6)), Some(Answer::Written));
    net.run(3 * SECOND);
    assert_eq!(ask(&mut net, 1, 0, Act::Write(7)), Some(Answer::Written));
    net.crash(0);
    net.restart(0, Start::Again);
    net.run(4 * SECOND);
    assert_eq!(ask(&mut net, 1, 0, Act::Read), BEHIND);
    assert_eq!(ask(&mut net, 0, 0, Act::Read), Some(Answer::Read(6)));
    assert_eq!(ask(&mut net, 0, 0, Act::Write(8)), Some(Answer::Written));
    assert_eq!(ask(&mut net, 1, 0, Act::Read), BEHIND, "its place is taken by no other");
    net.run(8 * SECOND);
    assert_eq!(ask(&mut net, 1, 1, Act::Read), BEHIND);
    assert_eq!(ask(&mut net, 0, 1, Act::Read), Some(Answer::Read(8)));
}

/// All draws are nothing.
struct Nothing;

impl Laws for Nothing {
    fn draw(&mut self, _: Law) -> u64 {
        0
    }
    fn below(&mut self, _: u64) -> u64 {
        0
    }
}

#[test]
fn who_knows_no_leader_sends_nobody_on() {
    let mut replica = Replica::new(config(3, Ack::Async), 1);
    let (mut effects, mut laws) = (Vec::new(), Nothing);
    let cx = &mut Context::alone(1, &mut laws, &mut effects);
    replica.start(Start::First, cx);
    let read = Operation::new(Ticket { slot: 0, id: 1 }, Act::Read, 1, 0);
    let knows = Operation { since: Known::upto(place(1, 5)), ..read };
    let answer = |replica: &mut Replica, operation: Operation, phase| {
        let (mut effects, mut laws) = (Vec::new(), Nothing);
        let cx = &mut Context::alone(2, &mut laws, &mut effects);
        replica.operation(&operation, phase, cx);
        effects
    };
    let ends = |answer| vec![Effect::Answer(read.ticket, answer, Known::default())];
    let go_on = vec![Effect::GoOn(read.ticket)];
    assert_eq!(answer(&mut replica, read, Phase::Arrived), go_on);
    assert_eq!(answer(&mut replica, knows, Phase::Arrived), ends(Answer::Elsewhere(0)));
    // It may lack it only when the work is done.
    assert_eq!(answer(&mut replica, knows, Phase::Worked), ends(Answer::Elsewhere(0)));
    let (mut effects, mut laws) = (Vec::new(), Nothing);
    let cx = &mut Context::alone(3, &mut laws, &mut effects);
    replica.message(5, Message::LeaderFollower(Said::Position { epoch: 2 }), cx);
    let failed = ends(Answer::Failed(Failure::NoLeader));
    assert_eq!(answer(&mut replica, knows, Phase::Arrived), failed);
    assert_eq!(answer(&mut replica, read, Phase::Arrived), go_on);
}

/// What is in the log of each place, as its leaders gave it.
struct Logs {
    /// By reign: the place it began with, and its entries: place, key, version.
    reigns: BTreeMap<u64, (u64, Vec<(u64, u64, u64)>)>,
    /// Who came to lead: the term, what it began with, after which entries that were given a place in that term.
    leads: Vec<(u64, u64, u64)>,
}

impl Logs {
    fn new(net: &Net<Node>) -> Self {
        let mut logs = Self { reigns: BTreeMap::new(), leads: Vec::new() };
        let mut began: BTreeMap<Peer, u64> = BTreeMap::new();
        for (_, peer, note) in &net.notes {
            match *note {
                Note::Leads { term, began_with } => {
                    let newest = logs.reigns.values().filter_map(|(_, entries)| entries.last());
                    let newest = newest.map(|(place, ..)| *place).filter(|p| *p >> 40 == term);
                    logs.leads.push((term, began_with, newest.max().unwrap_or(0)));
                    began.insert(*peer, began_with);
                }
                Note::Accepted { key, version, order } => {
                    let with = began.get(peer).copied().unwrap_or(0);
                    let reign = logs.reigns.entry(order >> 28).or_insert((with, Vec::new()));
                    reign.1.push((order, key, version));
                }
                _ => {}
            }
        }
        logs
    }

    /// The log that ends with one place has the other.
    fn contains(&self, mut last: u64, place: u64) -> bool {
        while last >> 28 > place >> 28 {
            last = self.reigns[&(last >> 28)].0;
        }
        last >> 28 == place >> 28 && place <= last
    }

    /// The newest version of a key in the log that ends with this place.
    fn newest(&self, key: u64, mut last: u64) -> u64 {
        while last > 0 {
            let (with, entries) = &self.reigns[&(last >> 28)];
            let upto = entries.iter().rev().skip_while(|(place, ..)| *place > last);
            if let Some((.., version)) = upto.into_iter().find(|(_, k, _)| *k == key) {
                return *version;
            }
            last = *with;
        }
        0
    }

    /// A leader began without it after it was written, or leads a later term.
    fn is_lost(&self, place: u64) -> bool {
        self.leads.iter().any(|(term, with, newest)| {
            !self.contains(*with, place)
                && (*term > place >> 40 || *term == place >> 40 && place <= *newest)
        })
    }
}

/// What sessions met with.
#[derive(Debug, Default)]
struct Met {
    /// Reads that found what their session knew.
    found: u64,
    /// Reads that did not.
    missed: u64,
    /// Writes after what their session knew, or at least what is not lost of that.
    after: u64,
    /// Others.
    before: u64,
    /// Reads that were behind, rightly.
    behind: u64,
    /// Operations on versions that are not lost which broke what sessions may expect.
    broken: u64,
}

fn judge(net: &Net<Node>, seed: u64, met: &mut Met) {
    let (logs, places) = (Logs::new(net), net.places());
    for (_, operation, answer, knew, known) in net.answers() {
        match (answer, operation.act) {
            (Answer::Read(version), _) => {
                assert_eq!(logs.newest(operation.key, known), version, "seed {seed}");
                let finds = knew == 0 || logs.contains(known, knew);
                *(if finds { &mut met.found } else { &mut met.missed }) += 1;
            }
            (Answer::Written, Act::Write(version)) => {
                assert_eq!(places[&version], known, "seed {seed}");
                let above = known > knew;
                let after = above && (logs.contains(known, knew) || logs.is_lost(knew));
                *(if knew == 0 || after { &mut met.after } else { &mut met.before }) += 1;
            }
            (Answer::Failed(Failure::Behind), _) => {
                assert!(logs.is_lost(knew), "seed {seed}: {knew:x} is not lost");
                met.behind += 1;
            }
            _ => {}
        }
    }
    let kept = |place: Place| (place.order == 0 || !logs.is_lost(place.order)).then_some(place);
    met.broken += sum(net.violations(kept));
    // At the end all is well: who has written since is never behind again.
    let mut wrote = [false; 4];
    for (_, client, _, began, answer) in &net.ended {
        if *began > net.now - 10 * SECOND {
            wrote[*client] |= *answer == Some(Answer::Written);
            assert!(!wrote[*client] || *answer != BEHIND, "seed {seed}: behind at the end");
        }
    }
    assert!(wrote.contains(&true), "seed {seed}");
}

/// A configuration of each kind.
fn any(seed: u64, fails_over: bool) -> Config {
    let acks = [Ack::Async, Ack::Sync, Ack::SemiSync { timeout: 100 * MS, acks: 1 }];
    let modes = [Each, Group(MS), Every(200 * MS), Never];
    let replicas = 2 + (seed % 3) as u16;
    Config {
        has_lag: seed.is_multiple_of(2),
        apply_lanes: 1 + (seed % 3) as u8,
        max_lag: seed.is_multiple_of(5).then_some(SECOND),
        disk: modes[seed as usize % 4],
        failover: fails_over.then(|| failover(replicas, seed, seed % 5 < 2)),
        ..config(replicas, acks[seed as usize / 2 % 3])
    }
}

fn lives(seeds: u64, fails_over: bool, tokens: bool) -> Met {
    let mut met = Met::default();
    for seed in 0..seeds {
        let sessions = Sessions { tokens, by_key: false };
        let config = any(seed, fails_over);
        let net = schedule_of(seed, &config, seed % 7 == 0, Some(sessions));
        judge(&net, seed, &mut met);
        assert!(!tokens || (met.missed, met.before, met.broken) == (0, 0, 0), "{seed} {met:?}");
    }
    met
}

#[test]
fn with_tokens_no_session_goes_back_whatever_happens() {
    for (fails_over, seeds) in [(true, 500), (false, 200)] {
        let with = lives(seeds, fails_over, true);
        assert!(with.found > 50_000 && with.after > 50_000 && with.behind > 50, "{with:?}");
        let without = lives(60, fails_over, false);
        assert!(without.missed > 1_000 && without.broken > 300, "the checks fire: {without:?}");
        assert!(without.behind == 0 && (without.before > 0 || !fails_over), "{without:?}");
    }
}
