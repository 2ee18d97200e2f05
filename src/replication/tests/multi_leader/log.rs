//! The shipping of logs: what is sent again, how much, and what is kept; tombstones; comparisons.

use super::super::net::{MS, Net, Settings};
use super::spy::Spy;
use super::{SECOND, agree, ask, counted, net_of, quiet, read, siblings, three, write};
use crate::replication::AntiEntropy;
use crate::replication::disk::Mode;
use crate::replication::multi_leader::{Config, Conflict};
use crate::replication::{Act, Answer, Note, Start};

/// So many writes at one leader, apart by so much, each of a key of its own from `first` on.
fn load(net: &mut Net<Spy>, at: u16, (first, count): (u64, u64), apart: u64) {
    for n in first..first + count {
        let client = (n % net.clients.len() as u64) as usize;
        net.ask(client, at, Act::Write(1 + n), n % 5_000);
        net.run(net.now + apart);
    }
}

fn big(config: Config) -> Net<Spy> {
    let settings = Settings {
        latency: (MS, MS),
        clients: 100,
        timeout: 60 * SECOND,
        work: (0, 1_000, 1_000),
        ..Settings::default()
    };
    let mut net = net_of(config, &settings);
    net.busy = false;
    net
}

/// Places of a leader's log that another one took.
fn took(net: &Net<Spy>, at: u16, of: u16) -> Vec<u64> {
    let notes = net.notes.iter().filter(|(_, peer, _)| *peer == at);
    let took = notes.filter_map(|(_, _, note)| match note {
        Note::Took { from, order } if *from == of => Some(*order),
        _ => None,
    });
    took.collect()
}

#[test]
fn one_that_was_cut_off_is_sent_all_it_lacks_and_then_nothing_is_kept() {
    let config = three(Conflict::Counter);
    let mut net = big(config);
    load(&mut net, 0, (0, 100), 5 * MS);
    net.part(&[2], &[0, 1]);
    load(&mut net, 0, (100, 2_000), 5 * MS);
    let (kept, ..) = net.replica(0).pending();
    assert!((2_000..2_005).contains(&kept), "200/s for 10 s: {kept}");
    assert!(counted(&net, "resend") < 100, "one that is silent is sent little");
    let sent = net.sent["replicate"];
    net.heal();
    net.run(net.now + 4 * SECOND);
    assert_eq!(took(&net, 2, 0), (1..=2_100).collect::<Vec<_>>(), "in order, each once");
    assert_eq!(net.replica(0).pending(), (0, 0, (0, 0)));
    assert!(net.sent["replicate"] - sent <= 5, "in batches");
    agree(&net, &config).unwrap();
}

#[test]
fn one_that_is_down_costs_little_and_gets_all_when_it_is_back() {
    let config = three(Conflict::Vectors);
    let mut net = big(config);
    load(&mut net, 1, (0, 10), 5 * MS);
    net.crash(0);
    load(&mut net, 1, (10, 500), 5 * MS);
    let sent = net.sent["replicate"];
    net.run(net.now + 60 * SECOND);
    assert!(net.sent["replicate"] - sent <= 31, "one probe in 2 s");
    net.restart(0, Start::Again);
    net.run(net.now + 4 * SECOND);
    assert_eq!(took(&net, 0, 1), (1..=510).collect::<Vec<_>>());
    agree(&net, &config).unwrap();
}

#[test]
fn more_than_is_kept_is_copied() {
    let config = Config { leaders: 2, ..three(Conflict::Lww) };
    let mut net = big(config);
    net.part(&[1], &[0]);
    load(&mut net, 0, (0, 66_000), MS / 50);
    net.run(net.now + SECOND);
    let (kept, ..) = net.replica(0).pending();
    assert!(kept <= 1 << 16, "{kept}");
    net.heal();
    net.run(net.now + 10 * SECOND);
    agree(&net, &config).unwrap();
    assert_eq!(net.replica(1).held().len(), 5_000);
    assert_eq!(net.replica(0).pending(), (0, 0, (0, 0)));
    assert!(*took(&net, 1, 0).last().unwrap() == 66_000);
}

#[test]
fn a_slow_one_is_not_flooded() {
    let config = Config { leaders: 2, ..three(Conflict::Counter) };
    let mut net = big(config);
    net.settings.work.2 = 10 * MS; // it applies 100 in a second
    load(&mut net, 0, (0, 6_000), MS / 10);
    net.run(net.now + SECOND);
    let (_, waits, _) = net.replica(1).pending();
    assert!((3_000..=6_000).contains(&waits), "beyond a window nothing is sent: {waits}");
    assert!(counted(&net, "resend") == 0, "it says how far it is");
    net.run(net.now + 70 * SECOND);
    assert_eq!(net.replica(0).pending(), (0, 0, (0, 0)));
    agree(&net, &config).unwrap();
}

#[test]
fn what_comes_later_than_a_tombstone_is_kept_comes_back() {
    let config = Config { tombstones: Some(5 * SECOND), ..three(Conflict::Lww) };
    for (cut, back) in [(SECOND, 0), (20 * SECOND, 7)] {
        let mut net = quiet(config);
        net.run(MS);
        net.part(&[2], &[0, 1]);
        write(&mut net, 0, 2, Act::Write(7));
        net.run(net.now + MS);
        write(&mut net, 1, 0, Act::Delete(8));
        assert_eq!(read(&mut net, 1, 0), 8);
        net.run(net.now + cut);
        net.heal();
        net.run(net.now + 20 * SECOND);
        assert_eq!([read(&mut net, 1, 0), read(&mut net, 1, 1)], [back; 2], "{cut}");
        assert_eq!(read(&mut net, 1, 2), 0, "it was told of the delete");
    }
}

#[test]
fn a_number_is_not_given_again_when_a_key_was_forgotten() {
    let config = Config { tombstones: Some(5 * SECOND), ..three(Conflict::Vectors) };
    let mut net = quiet(config);
    net.clients[0].session.context = true;
    write(&mut net, 0, 0, Act::Write(7));
    write(&mut net, 0, 0, Act::Delete(8));
    net.run(net.now + SECOND);
    net.pause(2); // it holds the tombstone for longer
    net.run(net.now + 10 * SECOND);
    assert_eq!(net.replica(0).held().len(), 0);
    net.clients[0].session.context = false;
    write(&mut net, 0, 0, Act::Write(9));
    net.resume(2);
    net.run(net.now + SECOND);
    for at in 0..3 {
        assert_eq!(siblings(&net, at), [9], "{at}");
    }
    let last = net.notes.iter().rev().find(|(_, _, note)| matches!(note, Note::Dotted { .. }));
    assert_eq!(last.unwrap().2, Note::Dotted { key: 0, version: 9, leader: 0, number: 3 });
}

#[test]
fn leaders_that_compare_exchange_what_differs_at_a_rate() {
    let after = |anti_entropy, conflict| {
        let laws = |_, _: &mut _| 3_600 * SECOND; // nothing leaves
        let settings = Settings { latency: (MS, MS), laws, ..Settings::default() };
        let disk = Mode::Never;
        let config = Config { has_lag: true, disk, anti_entropy, ..three(conflict) };
        let mut net = net_of(config, &settings);
        net.busy = false;
        for key in 0..100 {
            ask(&mut net, 0, 0, (Act::Write(1_000 + key), key));
        }
        let mut held = Vec::new();
        for _ in 0..8 {
            held.push(net.replica(1).held().len() + net.replica(2).held().len());
            net.run(net.now + 5 * SECOND);
        }
        assert_eq!(net.sent.get("replicated"), None, "what is compared is not answered");
        if anti_entropy.is_some() {
            agree(&net, &config).unwrap();
        }
        held
    };
    let compare = Some(AntiEntropy { every: SECOND, rate: 10 });
    for conflict in super::RULES {
        assert_eq!(after(None, conflict), [0; 8]);
        let held = after(compare, conflict);
        assert!((40..=170).contains(&(held[2] - held[1])), "three send 10 a second: {held:?}");
        assert!(held[1] < 110, "{held:?}");
        assert_eq!(held[7], 200, "{held:?}");
    }
}

#[test]
fn comparing_finds_nothing_where_the_logs_have_brought_all() {
    for conflict in super::RULES {
        let anti_entropy = Some(AntiEntropy { every: SECOND, rate: 1_000 });
        let mut net = quiet(Config { anti_entropy, ..three(conflict) });
        for key in 0..20 {
            let answer = ask(&mut net, 0, (key % 3) as u16, (Act::Write(100 + key), key));
            assert_eq!(answer, Answer::Written);
        }
        net.run(net.now + SECOND);
        let lists = net.sent.get("list").copied();
        net.run(net.now + 20 * SECOND);
        assert!(net.sent["digests"] > 50);
        assert_eq!(net.sent.get("list").copied(), lists, "{conflict:?}");
    }
}
