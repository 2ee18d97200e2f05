//! Tests of Raft, by whole groups over a [`Net`].

mod elections;
mod reads;
mod restore;
mod sessions;

use std::collections::{BTreeMap, BTreeSet};

use super::net::{Again, MS, Net, Settings};
use crate::engine::random::{Draw, Stream};
use crate::replication::disk::Mode;
use crate::replication::raft::Message as Said;
use crate::replication::raft::{Append, Config, Entry, Raft, Reads};
use crate::replication::{
    APPLIED, Act, Answer, Context, Effect, Law, Laws, Message, Note, Peer, Protocol, Start,
};

fn config(replicas: u16) -> Config {
    Config {
        replicas,
        leader: 0,
        pre_vote: true,
        check_quorum: true,
        reads: Reads::ReadIndex,
        heartbeat: 50 * MS,
        election_min: 150 * MS,
        max_drift: 5e-4,
        disk: Mode::Each,
        apply_lanes: 1,
        keeps: true,
    }
}

fn net(mut settings: Settings, config: Config) -> Net<Raft> {
    settings.replicas = config.replicas;
    let once = settings.again.is_some_and(|again| again.once);
    let replica = |me| {
        let replica = Raft::new(config, me);
        if once { replica.remembering() } else { replica }
    };
    Net::new(settings, (0..config.replicas).map(replica).collect())
}

/// One leader in a term, and whoever leads later begins with all that was committed.
fn is_safe(net: &Net<Raft>) -> Result<(), String> {
    let mut leads: Vec<(u64, Peer)> = Vec::new();
    let mut committed: Vec<(u64, u64)> = Vec::new(); // term of who said it, place
    for (at, peer, note) in &net.notes {
        match *note {
            Note::Leads { term, began_with } => {
                if let Some((_, other)) = leads.iter().find(|(t, p)| *t == term && p != peer) {
                    return Err(format!("{other} and {peer} lead in {term} at {at}"));
                }
                leads.push((term, *peer));
                if let Some((_, place)) =
                    committed.iter().find(|(t, place)| *t < term && *place > began_with)
                {
                    return Err(format!("{peer} leads in {term} without {place:x} at {at}"));
                }
            }
            Note::Committed { order } => {
                committed.retain(|(term, _)| *term != order >> 40);
                committed.push((order >> 40, order));
            }
            _ => {}
        }
    }
    match net.history.check() {
        verdict if verdict.linearizable == Some(false) => Err(format!("{verdict:?}")),
        _ => Ok(()),
    }
}

fn leader(net: &Net<Raft>, replicas: u16) -> Option<Peer> {
    (0..replicas).filter(|at| net.up(*at)).find(|at| net.replica(*at).leads())
}

fn written(net: &Net<Raft>, since: u64) -> usize {
    net.ended.iter().filter(|(_, _, _, at, a)| *at >= since && *a == Some(Answer::Written)).count()
}

#[test]
fn a_quiet_group_serves() {
    let mut net = net(Settings { latency: (MS, MS), ..Settings::default() }, config(3));
    net.run(5_000 * MS);
    assert!(net.ended.len() > 500, "{}", net.ended.len());
    assert!(
        net.ended
            .iter()
            .all(|(.., answer)| { matches!(answer, Some(Answer::Read(_) | Answer::Written)) })
    );
    assert_eq!(net.history.check().linearizable, Some(true));
    let leads = net.notes.iter().filter(|(_, _, note)| matches!(note, Note::Leads { .. })).count();
    assert_eq!(leads, 1);
    // One append per entry and follower and one per heartbeat and round of reads, each answered once.
    let writes =
        net.notes.iter().filter(|(_, _, n)| matches!(n, Note::Accepted { .. })).count() as u64;
    let reads = net.ended.len() as u64 - writes;
    assert!((200 + 2 * writes..202 + 2 * (writes + reads)).contains(&net.sent["append"]));
    assert!(net.sent["append"] - net.sent["appended"] <= 2);
    assert_eq!(net.sent.len(), 2);
    assert!(
        net.replica(0).entries() <= 20,
        "what all have is cut off: {}",
        net.replica(0).entries()
    );
}

#[test]
fn a_dead_leader_is_followed_by_another() {
    let laws: fn(Law, &mut Draw) -> u64 = |law, draw| match law {
        Law::Election => 150 * MS + draw.below(150 * MS),
        _ => 2 * MS,
    };
    let mut net = net(Settings { laws, ..Settings::default() }, config(3));
    net.run(1_000 * MS);
    net.crash(0);
    net.run(3_000 * MS);
    let next = leader(&net, 3).expect("there is a leader");
    assert_ne!(next, 0);
    assert!(written(&net, 2_000 * MS) > 20);
    net.restart(0, Start::Again);
    net.run(4_000 * MS);
    net.crash(next);
    net.restart(next, Start::Empty);
    net.run(6_000 * MS);
    net.busy = false;
    net.run(8_000 * MS);
    assert_eq!(is_safe(&net), Ok(()));
    assert_eq!(net.history.check().linearizable, Some(true));
    for at in 1..3 {
        assert_eq!(net.replica(at).data().all(), net.replica(0).data().all());
    }
}

/// Hurts a group at random.
struct Havoc {
    draw: Draw,
    replicas: u16,
}

impl Havoc {
    fn strike(&mut self, net: &mut Net<Raft>) {
        let all = usize::from(self.replicas);
        let places = all + net.clients.len();
        let at = self.draw.below(u64::from(self.replicas)) as Peer;
        let one = usize::from(at);
        let others: Vec<usize> = (0..all).filter(|n| *n != one).collect();
        match self.draw.below(17) {
            0 | 1 => net.crash(at),
            2..5 => (0..self.replicas).for_each(|at| net.restart(at, Start::Again)),
            5 => net.pause(at),
            6 | 7 => (0..self.replicas).for_each(|at| net.resume(at)),
            8 | 9 => net.part(&[one], &others),
            10 => net.cut(&others, &[one]),
            11 => net.cut(&[one], &others),
            12 => {
                let side = 1 + self.draw.below(all as u64 - 1) as usize;
                let (these, those): (Vec<usize>, Vec<usize>) =
                    (0..places).partition(|n| (n * 7 + one) % all < side);
                net.part(&these, &those);
            }
            13 => {
                // What is not on the disk is lost.
                net.crash(at);
                net.restart(at, Start::Again);
            }
            _ => net.heal(),
        }
        // A bridge: two that do not hear one another.
        if self.draw.below(8) == 0 {
            net.part(&[one], &[(one + 1) % all]);
        }
    }

    fn calm(&mut self, net: &mut Net<Raft>) {
        net.heal();
        for at in 0..self.replicas {
            net.resume(at);
            net.restart(at, Start::Again);
        }
    }
}

/// A random life of a random group.
fn schedule(seed: u64, change: impl Fn(&mut Config, &mut Settings)) -> Net<Raft> {
    let mut draw = Stream::new(seed, "schedule", "raft").draw(0);
    let mut config = config(if draw.below(2) == 0 { 3 } else { 5 });
    config.pre_vote = draw.below(2) == 0;
    config.check_quorum = draw.below(2) == 0;
    config.apply_lanes = 1 + draw.below(3) as u8;
    let laws: fn(Law, &mut Draw) -> u64 = |law, draw| match law {
        Law::Election => 150 * MS + draw.below(150 * MS),
        _ => draw.below(6) * MS,
    };
    let slow: fn(Law, &mut Draw) -> u64 = |law, draw| match law {
        Law::Election => 150 * MS + draw.below(150 * MS),
        _ => draw.below(80) * MS,
    };
    let rest = [30, 300][draw.below(2) as usize];
    let mut settings = Settings {
        seed,
        loss: [0.0, 0.02, 0.1][draw.below(3) as usize],
        copies: [0.0, 0.1][draw.below(2) as usize],
        latency: (MS / 2, [MS, 10 * MS][draw.below(2) as usize]),
        laws: [laws, slow][draw.below(2) as usize],
        timeout: 500 * MS,
        think: 5 * MS,
        ..Settings::default()
    };
    change(&mut config, &mut settings);
    let mut net = net(settings, config);
    let mut havoc = Havoc { draw, replicas: config.replicas };
    while net.now < 4_000 * MS {
        let next = net.now + havoc.draw.below(rest) * MS;
        net.run(next);
        havoc.strike(&mut net);
    }
    havoc.calm(&mut net);
    let next = net.now + 3_000 * MS;
    net.run(next);
    net
}

/// A write that is attempted again after it was done, and after newer ones, brings back what is old, unless its attempts are
/// one.
#[test]
fn attempts_that_are_one_are_done_once_whatever_happens() {
    let lives = |once, seeds| {
        let (mut broken, mut twice) = (0, 0);
        for seed in 0..seeds {
            let net = schedule(seed, |config, settings| {
                config.disk = [Mode::Each, Mode::Group(2 * MS)][seed as usize / 2 % 2];
                settings.again = Some(Again { after: 40 * MS, most: 5, once });
                settings.clients = 6;
            });
            if once {
                assert_eq!(is_safe(&net), Ok(()), "seed {seed}");
                let since = net.now - 1_000 * MS;
                assert!(written(&net, since) > 0, "nothing is written at the end, seed {seed}");
            }
            broken += u64::from(is_safe(&net).is_err());
            // What is lost may be done again: of what is committed nothing is.
            let committed = net.notes.iter().filter_map(|(.., note)| match note {
                Note::Committed { order } => Some(*order),
                _ => None,
            });
            let committed = committed.max().unwrap_or(0);
            let held: BTreeSet<u64> = (0..net.settings.replicas)
                .flat_map(|at| net.replica(at).log_places())
                .filter(|place| *place <= committed)
                .collect();
            let mut places: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
            for (.., note) in &net.notes {
                if let Note::Accepted { version, order, .. } = note
                    && held.contains(order)
                {
                    places.entry(*version).or_default().insert(*order);
                }
            }
            twice += places.values().filter(|places| places.len() > 1).count();
        }
        (broken, twice)
    };
    assert_eq!(lives(true, 300), (0, 0));
    let (broken, twice) = lives(false, 60);
    assert!(broken > 10 && twice > 100, "the checks fire: {broken} {twice}");
}

#[test]
fn nothing_is_lost_or_stale_whatever_happens() {
    let (mut terms, mut failed) = (0, 0);
    for seed in 0..1_000 {
        let net = schedule(seed, |config, _| {
            config.reads = if seed % 2 == 0 { Reads::ReadIndex } else { Reads::Lease };
        });
        assert_eq!(is_safe(&net), Ok(()), "seed {seed}");
        let since = net.now - 1_000 * MS;
        assert!(
            written(&net, since) > 0,
            "nothing is written after all is well again, seed {seed}"
        );
        let leads = |(_, _, note): &&(u64, Peer, Note)| matches!(note, Note::Leads { .. });
        terms += net.notes.iter().filter(leads).count();
        let well =
            |answer: &Option<Answer>| matches!(answer, Some(Answer::Read(_) | Answer::Written));
        failed += net.ended.iter().filter(|(.., answer)| !well(answer)).count();
    }
    assert!(terms > 3_000 && failed > 3_000, "it was hardly hurt: {terms} {failed}");
}

/// What must go wrong does, so that the checks are worth something.
#[test]
fn the_checks_fire() {
    let seeds = 200;
    let unsafe_ = |change: fn(&mut Config, &mut Settings)| {
        (0..seeds).filter(|seed| is_safe(&schedule(*seed, change)).is_err()).count()
    };
    assert_eq!(unsafe_(|_, _| {}), 0);
    assert!(unsafe_(|config, _| config.reads = Reads::Leader) > 3);
    assert!(unsafe_(|config, _| config.reads = Reads::Follower) > 100);
    assert!(unsafe_(|config, _| config.disk = Mode::Never) > 20);
    assert!(unsafe_(|config, _| config.disk = Mode::Every(1_000 * MS)) > 10);
    assert_eq!(unsafe_(|config, _| config.disk = Mode::Group(5 * MS)), 0);
}

/// Whatever disks forget, groups go on: nothing panics, runs away, or depends on anything but the seed.
#[test]
fn groups_survive_what_is_not_safe() {
    let (mut torn, mut served) = (0, 0);
    for seed in 0..200 {
        let change = |config: &mut Config, settings: &mut Settings| {
            config.disk = [Mode::Never, Mode::Every(300 * MS)][seed as usize % 2];
            config.reads = Reads::Follower;
            settings.loss = 0.05;
        };
        let net = schedule(seed, change);
        served += usize::from(written(&net, net.now - 1_000 * MS) > 0);
        torn += net.sent.get("snapshot").copied().unwrap_or(0);
        if seed < 10 {
            let again = schedule(seed, change);
            assert_eq!((net.ended.len(), &net.sent), (again.ended.len(), &again.sent));
            assert_eq!(net.notes, again.notes);
        }
    }
    assert!(torn > 50 && served > 190, "{torn} {served}");
}

/// A commit takes the round trip to the quickest of enough followers, with the disks of both ends: theirs behind the
/// trip there, the leader's own beside it.
#[test]
fn a_commit_takes_the_median_round_trip_and_fsync() {
    let commits = |replicas, latency, laws| {
        let settings = Settings {
            latency,
            laws,
            clients: 1,
            writes: 1.0,
            think: 60 * MS,
            ..Settings::default()
        };
        let mut net = net(settings, config(replicas));
        net.run(60_000 * MS);
        let mut took = Vec::new();
        let mut accepted = 0;
        for (at, _, note) in &net.notes {
            match note {
                Note::Accepted { .. } => accepted = *at,
                Note::Committed { .. } => took.push(at - accepted),
                _ => {}
            }
        }
        took
    };
    let disk: fn(Law, &mut Draw) -> u64 = |law, _| match law {
        Law::Election => 200 * MS,
        _ => 10 * MS,
    };
    let took = commits(3, (MS, MS), disk);
    assert!(took.len() > 1_000 && took.iter().all(|took| *took == 12 * MS));
    assert!(commits(1, (MS, MS), disk).iter().all(|took| *took == 10 * MS));
    let took = commits(5, (5 * MS, 15 * MS), Settings::default().laws);
    let mean = took.iter().sum::<u64>() as f64 / took.len() as f64 / MS as f64;
    let mut draw = Stream::new(1, "median", "raft").draw(0);
    let mut way = || 5.0 + 10.0 * draw.unit();
    let expected = (0..20_000).map(|_| {
        let mut trips = [way() + way(), way() + way(), way() + way(), way() + way()];
        trips.sort_by(f64::total_cmp);
        trips[1]
    });
    let expected = expected.sum::<f64>() / 20_000.0;
    assert!((mean / expected - 1.0).abs() < 0.02, "{mean} ms, not {expected} ms");
}

/// Who was cut off for long gets what it lacks in batches, not entry by entry.
#[test]
fn who_is_behind_catches_up_in_batches() {
    let settings = Settings { clients: 20, writes: 1.0, think: MS, ..Settings::default() };
    let mut net = net(settings, config(3));
    net.part(&[2], &[0, 1]);
    net.run(5_000 * MS);
    let writes = written(&net, 0) as u64;
    assert!(writes > 10_000);
    let before = net.sent["append"];
    assert!(before < writes + writes / 5, "{before} {writes}");
    net.busy = false;
    net.heal();
    net.run(8_000 * MS); // applying is work
    assert_eq!(net.replica(2).data().all(), net.replica(0).data().all());
    assert!(net.sent["append"] - before < 200, "{}", net.sent["append"] - before);
}

/// All that the leader holds goes to who lost everything.
#[test]
fn who_lost_everything_gets_a_snapshot() {
    let mut net = net(Settings { keys: 50, ..Settings::default() }, config(3));
    net.run(2_000 * MS);
    net.crash(2);
    net.restart(2, Start::Empty);
    assert!(net.replica(2).data().is_empty());
    net.run(4_000 * MS);
    net.busy = false;
    net.run(4_500 * MS);
    assert_eq!(net.sent["snapshot"], 1);
    assert_eq!(net.replica(2).data().all(), net.replica(0).data().all());
    assert_eq!(is_safe(&net), Ok(()));
}

/// A write that is acknowledged before it is certain is gone after a crash, and out of what was applied too.
#[test]
fn what_was_not_certain_is_lost() {
    let lost = |disk| {
        let settings = Settings { clients: 1, ..Settings::default() };
        let mut net = net(settings, Config { disk, ..config(1) });
        net.busy = false;
        net.run(50 * MS);
        net.ask(0, 0, Act::Write(7), 1);
        net.run(1_500 * MS);
        net.ask(0, 0, Act::Write(8), 1);
        net.run(1_600 * MS);
        assert!(net.ended.iter().all(|end| end.4 == Some(Answer::Written)));
        net.crash(0);
        net.restart(0, Start::Again);
        net.run(3_000 * MS);
        assert!(net.replica(0).leads());
        net.replica(0).data().get(1).version
    };
    assert_eq!(lost(Mode::Each), 8);
    assert_eq!(lost(Mode::Group(20 * MS)), 8);
    assert_eq!(lost(Mode::Every(1_000 * MS)), 7);
    assert_eq!(lost(Mode::Never), 0);
}

/// Who is down gets no entries, as soon as its host says so.
#[test]
fn who_is_down_is_sent_heartbeats_only() {
    let settings = Settings { clients: 20, writes: 1.0, think: MS, ..Settings::default() };
    let mut net = net(settings, config(3));
    net.crash(2);
    net.run(2_000 * MS);
    let writes = written(&net, 0) as u64;
    assert!(writes > 4_000);
    assert!(net.sent["append"] < writes + 120, "{} {writes}", net.sent["append"]);
}

/// All draws are this.
struct Always(u64);

impl Laws for Always {
    fn draw(&mut self, _: Law) -> u64 {
        self.0
    }
    fn below(&mut self, _: u64) -> u64 {
        0
    }
}

fn append(term: u64, prev: u64, entries: &[(u64, u64)]) -> Append {
    let entry = |&(key, version)| Entry { term, key, version };
    let entries = entries.iter().map(entry).collect();
    let prev_term = u64::from(prev > 0);
    Append { term, prev, prev_term, commit: 0, all: 0, round: 0, probe: false, entries }
}

/// A heartbeat commits only what it shows to agree: what stands behind that here may be of an old leader.
#[test]
fn a_heartbeat_commits_no_more_than_it_vouches_for() {
    let mut follower = Raft::new(config(3), 2);
    let (mut effects, mut laws) = (Vec::new(), Always(0));
    let cx = &mut Context::alone(1, &mut laws, &mut effects);
    let first = append(1, 0, &[(1, 1), (2, 2), (3, 3)]);
    let beat = Append { commit: 3, ..append(2, 1, &[]) };
    let next = Append { commit: 3, ..append(2, 1, &[(2, 9)]) };
    follower.start(Start::First, cx);
    for (append, version) in [(first, 0), (beat, 0), (next, 9)] {
        let leader = append.term as Peer - 1;
        let said = Message::Raft(Said::Append(Box::new(append)));
        follower.message(leader, said, cx);
        for _ in 0..3 {
            follower.timer(APPLIED, cx); // the work of an entry is done, if there is any
        }
        assert_eq!(follower.data().get(2).version, version);
    }
    assert_eq!(follower.data().get(1).version, 1);
    assert_eq!((follower.data().get(3).version, follower.entries()), (0, 2));
}

/// An entry is not on the disk because one that stood in its place is.
#[test]
fn what_took_the_place_of_another_entry_is_certain_when_it_is() {
    let mut follower = Raft::new(config(3), 2);
    let mut tell = |told: &mut dyn FnMut(&mut Raft, &mut Context<'_>)| {
        let mut effects = Vec::new();
        told(&mut follower, &mut Context::alone(1, &mut Always(MS), &mut effects));
        let acked = effects.iter().filter_map(|effect| match effect {
            Effect::Send(_, Message::Raft(Said::Appended { agrees: true, index, .. })) => {
                Some(*index)
            }
            _ => None,
        });
        acked.collect::<Vec<_>>()
    };
    let said = |append: Append| Message::Raft(Said::Append(Box::new(append)));
    let (old, more) = (said(append(1, 0, &[(1, 1), (2, 2)])), said(append(1, 2, &[(3, 3)])));
    let (beat, new) = (said(append(2, 0, &[])), said(append(2, 0, &[(1, 9)])));
    assert_eq!(tell(&mut |follower, cx| follower.start(Start::First, cx)), Vec::<u64>::new());
    assert_eq!(tell(&mut |follower, cx| follower.message(0, old.clone(), cx)), Vec::<u64>::new());
    assert_eq!(tell(&mut |follower, cx| follower.message(0, more.clone(), cx)), Vec::<u64>::new());
    assert_eq!(tell(&mut |follower, cx| follower.message(1, beat.clone(), cx)), Vec::<u64>::new());
    assert_eq!(tell(&mut |follower, cx| follower.timer(0, cx)), Vec::<u64>::new());
    assert_eq!(tell(&mut |follower, cx| follower.message(1, new.clone(), cx)), Vec::<u64>::new());
    let beaten = tell(&mut |follower, cx| follower.timer(0, cx));
    assert_eq!(beaten, [0], "the disk has the old ones and the term");
    assert_eq!(tell(&mut |follower, cx| follower.timer(0, cx)), [1]);
}
