//! Sessions that read where they like and say which place of the log they know.

use super::*;
use crate::replication::tests::sessions::{Sessions, sum};
use crate::replication::{Failure, Known, Operation, Phase, Ticket, place};

const TOKENS: Option<Sessions> = Some(Sessions { tokens: true, by_key: false });
const NO_LEADER: Answer = Answer::Failed(Failure::NoLeader);

/// A quiet net of sessions; applying is so much work.
fn quiet(work: u64, config: Config) -> Net<Raft> {
    let settings = Settings {
        latency: (MS, MS),
        timeout: 5_000 * MS,
        work: (MS / 10, MS / 10, work),
        sessions: TOKENS,
        ..Settings::default()
    };
    let mut net = net(settings, config);
    net.busy = false;
    net.run(10 * MS);
    net
}

/// Has a client ask, and waits for the answer: with who it asks next.
fn ask(net: &mut Net<Raft>, client: usize, at: Peer, act: Act) -> (Answer, Peer) {
    let before = net.ended.len();
    net.clients[client].asks = at;
    net.ask(client, at, act, 1);
    while net.ended.len() == before {
        net.run(net.now + MS);
    }
    (net.ended[before].4.expect("it is answered"), net.clients[client].asks)
}

#[test]
fn a_follower_that_lacks_what_a_session_knows_sends_it_to_the_leader() {
    let config = Config { reads: Reads::Follower, ..config(3) };
    let mut net = quiet(MS / 10, config);
    assert_eq!(ask(&mut net, 0, 0, Act::Write(7)), (Answer::Written, 0));
    assert_eq!(net.known[0], (Known::default(), Known::upto(place(1, 1))));
    assert_eq!(ask(&mut net, 1, 2, Act::Read), (Answer::Read(0), 2));
    assert_eq!(ask(&mut net, 0, 2, Act::Read), (Answer::Read(7), 0), "the leader answers");
    assert_eq!(net.known[2], (Known::upto(place(1, 1)), Known::upto(place(1, 1))));
    net.run(200 * MS);
    assert_eq!(ask(&mut net, 0, 2, Act::Read), (Answer::Read(7), 2), "by now it has it");
    assert_eq!(ask(&mut net, 0, 2, Act::Write(8)), (Answer::Written, 0));
    assert_eq!(net.known[4].1, Known::upto(place(1, 2)));
}

#[test]
fn a_new_leader_answers_when_it_has_applied_what_a_session_knows() {
    for reads in [Reads::Leader, Reads::Follower, Reads::ReadIndex, Reads::Lease] {
        let config = Config { reads, ..config(3) };
        let mut net = quiet(600 * MS, config);
        assert_eq!(ask(&mut net, 0, 0, Act::Write(7)).0, Answer::Written);
        net.crash(0);
        while leader(&net, 3).is_none() {
            net.run(net.now + MS);
        }
        let next = leader(&net, 3).expect("it leads");
        assert_eq!(net.replica(next).data().get(1).version, 0, "it applies for long");
        let early = matches!(reads, Reads::Leader | Reads::Follower);
        if early {
            assert_eq!(ask(&mut net, 1, next, Act::Read), (Answer::Read(0), next));
        }
        let began = net.now;
        assert_eq!(ask(&mut net, 0, next, Act::Read), (Answer::Read(7), next), "{reads:?}");
        assert!(net.now - began > 200 * MS);
        assert_eq!(net.known.last().map(|known| known.1.order >> 40), Some(2));
    }
}

#[test]
fn an_old_leader_does_nothing_for_who_knows_a_newer_one() {
    for reads in [Reads::Leader, Reads::Follower, Reads::ReadIndex, Reads::Lease] {
        let config = Config { reads, check_quorum: false, ..config(3) };
        let mut net = quiet(MS / 10, config);
        assert_eq!(ask(&mut net, 0, 0, Act::Write(7)).0, Answer::Written);
        net.run(100 * MS);
        net.part(&[0], &[1, 2]);
        net.run(2_000 * MS);
        let next = (1..3).find(|at| net.replica(*at).leads()).expect("there is another");
        assert!(net.replica(0).leads());
        assert_eq!(ask(&mut net, 0, next, Act::Write(8)).0, Answer::Written);
        if matches!(reads, Reads::Leader | Reads::Follower) {
            assert_eq!(ask(&mut net, 1, 0, Act::Read).0, Answer::Read(7), "that may be stale");
        }
        let began = net.now;
        assert_eq!(ask(&mut net, 0, 0, Act::Read).0, NO_LEADER, "{reads:?}");
        assert!(net.now - began < 5 * MS, "at once");
        net.heal();
        net.run(4_000 * MS);
        for at in 0..3 {
            assert_eq!(ask(&mut net, 0, at, Act::Read).0, Answer::Read(8));
        }
    }
}

/// A follower that is told things, and how it answers: by the number of the operation.
struct One(Raft, u64);

impl One {
    fn tell(&mut self, told: impl FnOnce(&mut Raft, &mut Context<'_>)) -> Vec<(u64, Answer)> {
        let mut effects = Vec::new();
        let laws = &mut Always(200 * MS);
        told(&mut self.0, &mut Context::alone(self.1, laws, &mut effects));
        let answers = effects.iter().filter_map(|effect| match effect {
            Effect::Answer(ticket, answer, _) => Some((ticket.id, *answer)),
            Effect::GoOn(ticket) => Some((ticket.id, Answer::Written)),
            _ => None,
        });
        answers.collect()
    }

    fn read(&mut self, id: u64, since: u64) -> Vec<(u64, Answer)> {
        let operation = Operation::new(Ticket { slot: 0, id }, Act::Read, 1, 0);
        let operation = Operation { since: Known::upto(since), ..operation };
        self.tell(|raft, cx| raft.operation(&operation, Phase::Arrived, cx))
    }

    fn append(&mut self, from: Peer, append: Append) -> Vec<(u64, Answer)> {
        let said = Message::Raft(Said::Append(Box::new(append)));
        self.tell(|raft, cx| raft.message(from, said, cx))
    }

    fn timer(&mut self, timer: u8, after: u64) -> Vec<(u64, Answer)> {
        self.1 += after;
        self.tell(|raft, cx| raft.timer(timer, cx))
    }
}

#[test]
fn a_follower_that_knows_no_leader_waits_for_what_a_session_knows() {
    const WENT_ON: Answer = Answer::Written;
    let config = Config { reads: Reads::Follower, disk: Mode::Never, ..config(3) };
    let mut one = One(Raft::new(config, 2), 1);
    one.tell(|raft, cx| raft.start(Start::First, cx));
    let first = Append { commit: 2, ..append(1, 0, &[(1, 5), (1, 6)]) };
    assert_eq!(one.append(0, first), []);
    assert_eq!(one.read(1, place(1, 1)), [(1, Answer::Elsewhere(0))]);
    // It loses its leader while it applies.
    assert_eq!(one.timer(1, 201 * MS), []);
    assert_eq!(one.read(2, 0), [(2, WENT_ON)]);
    assert_eq!(one.read(3, place(1, 1)), []);
    assert_eq!(one.read(4, place(1, 2)), []);
    assert_eq!(one.read(5, place(1, 3)), []);
    assert_eq!(one.read(6, place(1, 3)), []);
    assert_eq!(one.timer(APPLIED, MS), [(3, WENT_ON)]);
    assert_eq!(one.timer(APPLIED, MS), [(4, WENT_ON)]);
    // No leader comes in time; then one does.
    assert_eq!(one.timer(1, 250 * MS), [(5, NO_LEADER), (6, NO_LEADER)]);
    assert_eq!(one.read(7, place(1, 3)), []);
    assert_eq!(one.append(1, append(9, 2, &[])), [(7, Answer::Elsewhere(1))]);
    // What waits dies with the process.
    one.timer(1, 250 * MS);
    assert_eq!(one.read(8, place(1, 3)), []);
    one.tell(|raft, cx| raft.start(Start::Again, cx));
    assert_eq!(one.timer(1, 250 * MS), []);
}

#[test]
fn a_leader_that_never_learns_what_a_session_knows_gives_up() {
    let config = Config { reads: Reads::Leader, ..config(1) };
    let mut one = One(Raft::new(config, 0), 1);
    one.tell(|raft, cx| raft.start(Start::First, cx));
    assert_eq!(one.read(1, place(1, 7)), []);
    assert_eq!(one.read(2, place(2, 1)), [(2, NO_LEADER)]);
    assert_eq!(one.timer(2, 1_000 * MS), []);
    assert_eq!(one.timer(2, 1_000 * MS), [(1, NO_LEADER)]);
}

/// Random lives: what was broken, and how many operations by who knew something were well.
fn lives(seeds: u64, reads: Reads, tokens: bool) -> (u64, usize) {
    let (mut broken, mut well) = (0, 0);
    for seed in 0..seeds {
        let net = schedule(seed, |config, settings| {
            config.reads = reads;
            settings.sessions = Some(Sessions { tokens, by_key: false });
        });
        let places = net.places();
        for (_, operation, answer, knew, known) in net.answers() {
            let (version, read) = match (answer, operation.act) {
                (Answer::Read(version), _) => (version, true),
                (Answer::Written, Act::Write(version)) => (version, false),
                (Answer::Failed(Failure::Behind), _) => panic!("what is committed is not lost"),
                _ => continue,
            };
            if read {
                assert!(places[&version] <= known, "seed {seed}");
            } else {
                assert!(places[&version] == known && known > knew, "seed {seed}");
            }
            assert!(!tokens || known >= knew, "seed {seed}: it went back");
            well += usize::from(knew > 0);
        }
        let here = net.violations(Some);
        assert!(!tokens || sum(here) == 0, "seed {seed}: {here:?}");
        broken += sum(here);
        let since = net.now - 1_000 * MS;
        let reads = |end: &&(u64, usize, Operation, u64, Option<Answer>)| {
            end.3 >= since && matches!(end.4, Some(Answer::Read(_)))
        };
        let reads = net.ended.iter().filter(reads).count();
        assert!(reads > 0, "seed {seed}: no reads at the end");
    }
    (broken, well)
}

#[test]
fn with_tokens_no_session_goes_back_whatever_happens() {
    for (reads, seeds) in
        [(Reads::Follower, 500), (Reads::Leader, 120), (Reads::ReadIndex, 50), (Reads::Lease, 50)]
    {
        let (broken, well) = lives(seeds, reads, true);
        assert_eq!(broken, 0);
        assert!(well > 400 * seeds as usize, "{well}");
        let (fires, _) = lives(seeds / 2, reads, false);
        match reads {
            Reads::Follower => assert!(fires > seeds, "the checks fire: {fires}"),
            Reads::Leader => assert!(fires > 0, "the checks fire: {fires}"),
            _ => assert_eq!(fires, 0, "they are linearizable"),
        }
    }
}

/// Where disks forget, what a session knows may be lost: then it waits in vain, but not for ever.
#[test]
fn what_was_lost_is_not_waited_for_for_ever() {
    let mut failed = 0;
    for seed in 0..100 {
        let mut net = schedule(seed, |config, settings| {
            config.disk = [Mode::Never, Mode::Every(100 * MS)][seed as usize / 2 % 2];
            config.reads = [Reads::Follower, Reads::Leader][seed as usize % 2];
            settings.sessions = TOKENS;
        });
        let at_end = |end: &&(u64, _, _, u64, Option<Answer>)| {
            end.3 + 1_000 * MS > net.now && end.4 == Some(NO_LEADER)
        };
        failed += net.ended.iter().filter(at_end).count();
        net.busy = false;
        net.run(net.now + 2_500 * MS);
        for at in 0..net.settings.replicas {
            assert_eq!(net.replica(at).behind(), 0, "seed {seed}, {at}");
        }
    }
    assert!(failed > 50, "there is always a leader by then: {failed}");
}
