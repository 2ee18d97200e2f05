//! Sessions that go from coordinator to coordinator and say which stamp of a key they know.

use super::basics::{One, answers, got, held, item, number, sent, ticket};
use super::random::{CONFIG, Hurt, run_with};
use super::{MS, ask, quiet};
use crate::history::Place;
use crate::replication::data::Item;
use crate::replication::quorum::{Config, Contact, Handoff, Message, Quorum, Stamp, What};
use crate::replication::tests::net::Net;
use crate::replication::tests::sessions::{Sessions, sum};
use crate::replication::{Act, Answer, Effect, Failure, Known, Note, disk};

const BEHIND: Answer = Answer::Failed(Failure::Behind);

#[test]
fn a_read_waits_for_a_replica_that_has_what_its_session_knows() {
    let mut one = One::new(Config { read: 1, write: 1, ..Config::DEFAULT }, 3);
    let n = number(&sent(&one.ask_since(1, Act::Read, 50))[0].1);
    assert_eq!(one.hear(0, got(0, n, item(4, 49))), Vec::new());
    assert_eq!(one.hear(0, got(0, n, item(4, 49))), Vec::new(), "a copy counts once");
    let effects = one.hear(2, got(2, n, item(5, 50)));
    assert_eq!(
        effects,
        [Effect::Answer(ticket(1), Answer::Read(5), Known::of(Item { version: 5, order: 50 }))]
    );
    // Who knows nothing is answered by the first.
    let n = number(&sent(&one.ask(2, Act::Read))[0].1);
    let effects = one.hear(0, got(0, n, item(4, 49)));
    assert_eq!(
        effects,
        [Effect::Answer(ticket(2), Answer::Read(4), Known::of(Item { version: 4, order: 49 }))]
    );
}

#[test]
fn a_read_that_nobody_can_answer_is_behind() {
    let mut one = One::new(Config::DEFAULT, 3);
    let n = number(&sent(&one.ask_since(1, Act::Read, 50))[0].1);
    assert_eq!(one.hear(0, got(0, n, item(4, 49))), Vec::new());
    assert_eq!(one.hear(1, got(1, n, item(4, 49))), Vec::new());
    let effects = one.hear(2, got(2, n, item(3, 40)));
    assert_eq!(answers(&effects), [(1, BEHIND)]);
    assert_eq!(effects[0], Effect::Answer(ticket(1), BEHIND, Known::default()));
    let repaired: Vec<_> = sent(&effects).iter().map(|(to, _)| *to).collect();
    assert_eq!(repaired, [2], "it is a read all the same");
    // One does not run: nobody is left to ask. While one may answer, it waits: until it is out of time.
    let get = |number| Message::Get { owner: 2, what: What::Value, number, key: 7 };
    let n = number(&sent(&one.ask_since(2, Act::Read, 50))[0].1);
    one.hear(0, got(0, n, item(4, 49)));
    one.hear(1, got(1, n, item(4, 49)));
    assert_eq!(answers(&one.refused(2, get(n))), [(2, BEHIND)]);
    let n = number(&sent(&one.ask_since(3, Act::Read, 50))[0].1);
    assert_eq!(one.refused(2, get(n)), Vec::new());
    one.hear(0, got(0, n, item(4, 49)));
    assert_eq!(answers(&one.hear(1, got(1, n, item(4, 49)))), [(3, BEHIND)]);
    let n = number(&sent(&one.ask_since(4, Act::Read, 50))[0].1);
    one.hear(0, got(0, n, item(4, 49)));
    one.hear(1, got(1, n, item(4, 49)));
    one.now += 2_000 * MS;
    assert_eq!(answers(&one.timer(0)), [(4, Answer::Failed(Failure::QuorumTimeout))]);
    // Too few to answer anybody are too few.
    let n = number(&sent(&one.ask_since(5, Act::Read, 50))[0].1);
    one.refused(2, get(n));
    assert_eq!(answers(&one.refused(1, get(n))), []);
    let get = Message::Get { owner: 1, what: What::Value, number: n, key: 7 };
    assert_eq!(answers(&one.refused(1, get)), [(5, Answer::Failed(Failure::TooFew))]);
}

#[test]
fn who_was_not_asked_is_asked_when_those_who_were_lack_it() {
    let config = Config { contact_read: Contact::Quorum, read: 1, ..Config::DEFAULT };
    let mut one = One::new(config, 3);
    let asked = sent(&one.ask_since(1, Act::Read, 50));
    assert_eq!(asked.len(), 1);
    let (first, n) = (asked[0].0, number(&asked[0].1));
    let others: Vec<_> = (0..3).filter(|peer| *peer != first).collect();
    let asked = sent(&one.hear(first, got(first, n, item(4, 49))));
    assert_eq!(asked.iter().map(|(to, _)| *to).collect::<Vec<_>>(), others);
    assert!(asked.iter().all(|(_, get)| number(get) == n));
    assert_eq!(one.hear(others[0], got(others[0], n, item(4, 49))), Vec::new());
    let effects = one.hear(others[1], got(others[1], n, item(6, 70)));
    assert_eq!(answers(&effects), [(1, Answer::Read(6))]);
    // What it has is enough: nobody else is asked.
    let asked = sent(&one.ask_since(2, Act::Read, 50));
    let (first, n) = (asked[0].0, number(&asked[0].1));
    let effects = one.hear(first, got(first, n, item(6, 70)));
    assert_eq!((answers(&effects), sent(&effects)), (vec![(2, Answer::Read(6))], vec![]));
}

#[test]
fn what_is_found_is_written_back_all_the_same() {
    let mut one = One::new(Config { write_back: true, ..Config::DEFAULT }, 3);
    let n = number(&sent(&one.ask_since(1, Act::Read, 50))[0].1);
    one.hear(0, got(0, n, item(4, 49)));
    assert_eq!(one.hear(1, got(1, n, item(4, 49))), Vec::new());
    let effects = one.hear(2, got(2, n, item(5, 50)));
    assert_eq!(answers(&effects), []);
    let puts: Vec<_> = sent(&effects).iter().map(|(to, _)| *to).collect();
    assert_eq!(puts, [0, 1]);
    let effects = one.hear(0, Message::Stored { owner: 0, number: n });
    assert_eq!(
        effects[0],
        Effect::Answer(ticket(1), Answer::Read(5), Known::of(Item { version: 5, order: 50 }))
    );
}

#[test]
fn a_write_is_above_all_that_its_session_knows() {
    let order = |effects: &[Effect]| {
        let order = effects.iter().find_map(|effect| match effect {
            Effect::Note(Note::Accepted { order, .. }) => Some(*order),
            _ => None,
        });
        order.expect("it gets a place")
    };
    let mut one = One::new(Config { write: 1, ..Config::DEFAULT }, 3);
    let effects = one.ask_since(1, Act::Write(11), 5_000);
    assert_eq!(order(&effects), 5_001, "its clock is slow");
    let n = number(&sent(&effects)[0].1);
    let effects = one.hear(0, Message::Stored { owner: 0, number: n });
    assert_eq!(
        effects[0],
        Effect::Answer(ticket(1), Answer::Written, Known::of(Item { version: 11, order: 5_001 }))
    );
    assert_eq!(order(&one.ask_since(2, Act::Write(12), 400)), 5_002);
    one.now = 9_000;
    assert_eq!(order(&one.ask_since(3, Act::Delete(13), 5_001)), 9_000);
    // By query: above what is found and what is known.
    let mut one = One::new(Config { stamp: Stamp::Query, ..Config::DEFAULT }, 3);
    let mut stamp = |id, since, found| {
        let n = number(&sent(&one.ask_since(id, Act::Write(id), since))[0].1);
        let told = |owner| Message::Got {
            owner,
            stamp_only: true,

            firm: true,
            number: n,
            key: 7,
            held: held(5, found),
        };
        one.hear(0, told(0));
        order(&one.hear(1, told(1)))
    };
    assert_eq!(stamp(1, 60, 40), 61);
    assert_eq!(stamp(2, 60, 90), 91);
}

#[test]
fn who_knows_of_a_delete_that_was_forgotten_reads_nothing_until_they_write() {
    let config = Config { tombstones: Some(500 * MS), read: 1, ..Config::DEFAULT };
    let mut net = quiet(config, &|_| Vec::new());
    net.settings.sessions = Some(Sessions { tokens: true, by_key: true });
    assert_eq!(ask(&mut net, 0, Act::Write(7), 1), Answer::Written);
    assert_eq!(ask(&mut net, 1, Act::Delete(8), 1), Answer::Written);
    assert_eq!(ask(&mut net, 2, Act::Read, 1), Answer::Read(8));
    net.run(net.now + 1_000 * MS);
    assert_eq!(ask(&mut net, 2, Act::Read, 1), BEHIND);
    assert_eq!(ask(&mut net, 2, Act::Read, 2), Answer::Read(0), "of another key it knows nothing");
    assert_eq!(ask(&mut net, 0, Act::Write(9), 1), Answer::Written);
    assert_eq!(ask(&mut net, 1, Act::Read, 1), Answer::Read(9));
}

/// What is answered is of the stamp it says; with tokens nothing is answered that is older than its session knows, and
/// what is written is newer. How many reads were behind.
fn judge(net: &Net<Quorum>, tokens: bool, seed: u64) -> usize {
    let places = net.places();
    let mut behind = 0;
    for (_, operation, answer, knew, known) in net.answers() {
        match (answer, operation.act) {
            (Answer::Read(version), _) => {
                assert_eq!(places[&version], known, "seed {seed}");
                assert!(!tokens || known >= knew, "seed {seed}: an old read");
            }
            (Answer::Written, Act::Write(version)) => {
                assert_eq!(places[&version], known, "seed {seed}");
                assert!(!tokens || known > knew, "seed {seed}: a write before what is known");
            }
            (BEHIND, _) => {
                assert!(knew > 0, "seed {seed}: who knows nothing is behind nothing");
                behind += 1;
            }
            _ => {}
        }
    }
    behind
}

/// What random lives came to.
#[derive(Debug, Default)]
struct Lives {
    /// What sessions broke, by stamps.
    broken: u64,
    /// What they broke besides: of two versions with one stamp the larger is newer.
    ties: u64,
    /// Operations that were well.
    well: usize,
    /// Reads that were behind.
    behind: usize,
}

fn lives(config: Config, hurt: Hurt, tokens: bool, seeds: u64) -> Lives {
    let mut lives = Lives::default();
    for seed in 0..seeds {
        let sessions = Sessions { tokens, by_key: true };
        let mut net = run_with(config, hurt, seed, Some(sessions));
        lives.behind += judge(&net, tokens, seed);
        let broken = sum(net.violations(|place| Some(Place { version: 0, ..place })));
        assert!(!tokens || broken == 0, "seed {seed}");
        lives.broken += broken;
        lives.ties += sum(net.violations(Some)) - broken;
        let well = |answer| matches!(answer, Answer::Read(_) | Answer::Written);
        lives.well += net.answers().filter(|(_, _, answer, ..)| well(*answer)).count();
        net.run(net.now + 400 * MS);
        for at in (0..config.replicas).filter(|at| net.up(*at)) {
            assert_eq!(net.replica(at).pending(), (0, 0), "seed {seed}, {at}");
        }
    }
    lives
}

/// The smallest quorums: nothing but tokens keeps a session from going back.
const ONE: Config = Config { read: 1, write: 1, write_back: false, stamp: Stamp::Clock, ..CONFIG };

#[test]
fn with_tokens_no_session_goes_back_whatever_happens() {
    let wide = Config { replicas: 5, read: 2, write: 2, ..ONE };
    let few = Config { contact_read: Contact::Quorum, contact_write: Contact::Quorum, ..ONE };
    let loses = Config { disk: disk::Mode::Never, ..ONE };
    let back = Config { write_back: true, read_repair: 0.5, ..ONE };
    let handoff = Handoff { after: 20 * MS, keep: 3_600_000 * MS, rate: 1_000 };
    let sloppy = Config { shards: 2, sloppy: Some(handoff), ..ONE };
    let more = [wide, few, loses, back, sloppy].map(|config| (config, 60));
    for (config, seeds) in [(ONE, 500)].into_iter().chain(more) {
        let with = lives(config, Hurt::All, true, seeds);
        assert!(with.well > 100 * seeds as usize, "{with:?}");
        assert!(with.behind > 0 || config != loses, "what disks forget may be lost for all");
        assert!(with.ties < 3, "clocks are exact to the ns, so few stamps are equal: {with:?}");
        let without = lives(config, Hurt::All, false, seeds / 5);
        assert!(without.broken > seeds / 2, "the checks fire: {without:?}");
    }
}

/// Two writes may have one stamp, of which the larger version is newer: a token names that too.
#[test]
fn of_two_writes_with_one_stamp_a_session_never_sees_the_older_later() {
    let query = Config { stamp: Stamp::Query, ..ONE };
    let (with, without) = (lives(query, Hurt::All, true, 60), lives(query, Hurt::All, false, 60));
    assert_eq!((with.broken, with.ties), (0, 0));
    assert!(without.ties > 0 && without.broken > 1_000, "the checks fire: {without:?}");
}

#[test]
fn clocks_that_are_apart_put_no_write_before_what_its_session_knows() {
    let apart = Hurt::Clocks(20 * MS);
    let (with, without) = (lives(ONE, apart, true, 15), lives(ONE, apart, false, 5));
    assert_eq!((with.broken, with.ties), (0, 0));
    assert!(without.broken > 1_000, "the checks fire: {without:?}");
}
