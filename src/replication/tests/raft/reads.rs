//! Reads that are safe, and those that only seem to be.

use super::{Always, MS, Net, Settings, config, is_safe, net};
use crate::replication::raft::Message as Said;
use crate::replication::raft::{Config, Raft, Reads};
use crate::replication::{
    Act, Answer, Context, Effect, Message, Operation, Phase, Protocol, Start, Ticket,
};

/// The leader is cut off with a client that reads at it, or stands still; another client writes.
fn old_leader(seed: u64, config: Config, hurt: impl Fn(&mut Net<Raft>)) -> (Net<Raft>, u64) {
    let settings =
        Settings { seed, clients: 2, keys: 1, think: MS, timeout: 40 * MS, ..Settings::default() };
    let mut net = net(settings, config);
    net.clients[0].writes = 0.0;
    net.clients[1].writes = 1.0;
    net.run(500 * MS);
    hurt(&mut net);
    net.run(3_000 * MS);
    let violations = net.history.check().violations;
    (net, violations)
}

fn cut_off(net: &mut Net<Raft>) {
    net.part(&[0, 3], &[1, 2, 4]);
}

#[test]
fn reads_at_the_leaders_word_are_stale_after_a_cut() {
    let mut seen = 0;
    for seed in 0..20 {
        let config = Config { check_quorum: false, ..config(3) };
        seen += old_leader(seed, Config { reads: Reads::Leader, ..config }, cut_off).1;
        let (net, violations) =
            old_leader(seed, Config { reads: Reads::ReadIndex, ..config }, cut_off);
        assert_eq!(violations, 0);
        assert!(net.notes.iter().any(|(at, ..)| *at > 2_900 * MS));
    }
    assert!(seen >= 20, "{seen}");
}

/// Reads that came back to the client that is cut off, after the cut.
fn reads(net: &Net<Raft>) -> usize {
    let read = |(at, client, _, _, answer): &&(u64, usize, _, u64, Option<Answer>)| {
        *client == 0 && *at > 505 * MS && matches!(answer, Some(Answer::Read(_)))
    };
    net.ended.iter().filter(read).count()
}

#[test]
fn leases_hold_while_clocks_do() {
    let lease = Config { reads: Reads::Lease, max_drift: 0.05, check_quorum: false, ..config(3) };
    let drift = |slow: f64, fast: f64| {
        move |net: &mut Net<Raft>| {
            net.clock(0, 0, slow);
            net.clock(1, 0, fast);
            net.clock(2, 0, fast);
            net.run(700 * MS);
            cut_off(net);
        }
    };
    let (mut beyond, mut served) = (0, 0);
    for seed in 0..40 {
        let (net, violations) = old_leader(seed, lease, drift(0.95, 1.05));
        assert_eq!((violations, is_safe(&net)), (0, Ok(())), "seed {seed}");
        served += reads(&net);
        beyond += old_leader(seed, lease, drift(0.4, 1.6)).1;
    }
    assert!(beyond > 20 && served > 1_000, "{beyond} {served}");
}

/// A read that the leader worked on when it stood still is not answered from what it held then.
#[test]
fn a_lease_is_looked_at_when_the_work_is_done() {
    let lease = Config { reads: Reads::Lease, ..config(3) };
    let mut woken = 0;
    for seed in 0..40 {
        let paused = 600 * MS + seed * MS;
        let (net, violations) = old_leader(seed, lease, |net| {
            net.settings.timeout = 2_000 * MS;
            net.settings.work.0 = 30 * MS; // so most pauses begin while a read is worked on
            net.run(paused);
            net.settings.timeout = 40 * MS;
            net.pause(0);
            net.run(1_500 * MS);
            net.resume(0);
        });
        assert_eq!(violations, 0, "seed {seed}");
        for (at, client, _, began, answer) in &net.ended {
            if *client == 0 && *began < paused && *at >= 1_500 * MS {
                let read = matches!(answer, Some(Answer::Read(_)));
                assert!(!read || *at > 1_503 * MS, "it answers as it wakes, seed {seed}");
                woken += 1;
            }
        }
    }
    assert!(woken > 20, "{woken}");
}

#[test]
fn leases_cost_no_messages_and_reads_share_rounds() {
    let sent = |reads| {
        let settings = Settings { clients: 20, writes: 0.0, think: MS, ..Settings::default() };
        let mut net = net(settings, Config { reads, ..config(3) });
        net.run(1_000 * MS);
        (net.ended.len() as f64, net.sent["append"] as f64)
    };
    let (reads, messages) = sent(Reads::Lease);
    assert!(reads > 3_000.0 && messages < 50.0, "{reads} {messages}");
    let (reads, messages) = sent(Reads::ReadIndex);
    assert!(reads > 2_000.0 && messages < reads / 2.0, "{reads} {messages}");
}

#[test]
fn followers_answer_what_they_have() {
    let settings = Settings { clients: 2, keys: 1, ..Settings::default() };
    let mut net = net(settings, Config { reads: Reads::Follower, ..config(3) });
    net.busy = false;
    net.run(10 * MS);
    net.ask(0, 0, Act::Write(77), 5);
    net.run(20 * MS);
    net.ask(0, 2, Act::Read, 5);
    net.run(30 * MS);
    assert_eq!(net.ended[0].4, Some(Answer::Written));
    assert_eq!(
        net.ended[1].4,
        Some(Answer::Read(0)),
        "it hears of the commit by the next heartbeat"
    );
    net.run(100 * MS);
    net.ask(0, 2, Act::Read, 5);
    net.run(120 * MS);
    assert_eq!(net.ended[2].4, Some(Answer::Read(77)));
}

/// Who promised a leader not to vote keeps to it, with the candidate in its ear and after it died: 0 and 2 do not hear
/// one another, 1 hears both and dies again and again.
#[test]
fn leases_hold_on_a_bridge() {
    let config = Config { reads: Reads::Lease, check_quorum: false, pre_vote: false, ..config(3) };
    let mut served = 0;
    for seed in 0..100 {
        let (net, violations) = old_leader(seed, config, |net| {
            net.part(&[0, 3], &[2, 4]);
            net.cut(&[4], &[0]);
            if seed % 2 == 0 {
                for n in 0..40 {
                    net.run(700 * MS + n * 53 * MS);
                    net.crash(1);
                    net.restart(1, Start::Again);
                }
            }
        });
        assert_eq!((violations, is_safe(&net)), (0, Ok(())), "seed {seed}");
        served += reads(&net);
    }
    assert!(served > 10_000, "{served}");
}

/// A read that comes while a round runs is not let go on by it, for it may be older than the read.
#[test]
fn a_read_waits_for_the_next_round() {
    let mut leader = Raft::new(config(3), 0);
    let mut tell = |told: &mut dyn FnMut(&mut Raft, &mut Context<'_>)| {
        let mut effects = Vec::new();
        told(&mut leader, &mut Context::alone(1, &mut Always(0), &mut effects));
        let rounds = effects.iter().filter_map(|effect| match effect {
            Effect::Send(1, Message::Raft(Said::Append(append))) => Some(append.round),
            _ => None,
        });
        let go = effects.iter().filter_map(|effect| match effect {
            Effect::GoOn(ticket) => Some(ticket.id),
            _ => None,
        });
        (rounds.collect::<Vec<_>>(), go.collect::<Vec<_>>())
    };
    let read = |id| {
        let operation = Operation::new(Ticket { slot: 0, id }, Act::Read, 1, 0);
        move |leader: &mut Raft, cx: &mut Context<'_>| {
            leader.operation(&operation, Phase::Arrived, cx);
        }
    };
    let answer = |round| {
        let said = Said::Appended { term: 1, agrees: true, index: 0, round };
        move |leader: &mut Raft, cx: &mut Context<'_>| {
            leader.message(1, Message::Raft(said.clone()), cx);
        }
    };
    assert_eq!(tell(&mut |leader, cx| leader.start(Start::First, cx)), (vec![1], vec![]));
    assert_eq!(tell(&mut read(10)), (vec![2], vec![]));
    assert_eq!(tell(&mut read(11)), (vec![], vec![]));
    assert_eq!(tell(&mut read(12)), (vec![], vec![]));
    assert_eq!(tell(&mut answer(1)), (vec![], vec![]));
    assert_eq!(tell(&mut answer(2)), (vec![3], vec![10]));
    assert_eq!(tell(&mut answer(2)), (vec![], vec![]));
    assert_eq!(tell(&mut answer(3)), (vec![], vec![11, 12]));
}
