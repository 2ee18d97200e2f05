//! Each rule by hand.

use super::{MS, RULES, SECOND, agree, ask, counted, dots, quiet, read, siblings, three, write};
use crate::replication::multi_leader::{Config, Conflict, Entry, Message};
use crate::replication::{Act, Answer, Dots, Failure, Note, Work, message};

#[test]
fn sizes() {
    assert!(size_of::<message::Message>() <= 56, "{}", size_of::<message::Message>());
    assert!(size_of::<Message>() <= 40, "{}", size_of::<Message>());
    assert!(size_of::<Entry>() <= 64, "{}", size_of::<Entry>());
}

#[test]
fn a_write_is_read_where_it_was_written_at_once_and_elsewhere_later() {
    for conflict in RULES {
        let config = Config { has_lag: true, ..three(conflict) };
        let mut net = quiet(config);
        write(&mut net, 0, 0, Act::Write(7));
        let here = read(&mut net, 0, 0);
        assert_ne!(here, 0);
        assert_eq!(read(&mut net, 0, 1), 0, "it has not left");
        net.run(net.now + 20 * MS);
        assert_eq!(read(&mut net, 0, 1), here, "{conflict:?}");
        assert_eq!(read(&mut net, 0, 2), here, "{conflict:?}");
        assert_eq!(net.sent["replicate"], 2);
        assert_eq!(net.sent["replicated"], 2);
        assert_eq!(counted(&net, "resend"), 0);
        let times = |of: &dyn Fn(&Note) -> bool| {
            net.notes.iter().filter(|(.., note)| of(note)).map(|(at, ..)| *at).collect::<Vec<_>>()
        };
        let committed = times(&|note| *note == Note::Committed { order: 1 });
        let took = times(&|note| *note == Note::Took { from: 0, order: 1 });
        // A lag of 10 ms, a trip of 1 ms, and 0.1 ms of work.
        assert_eq!(took, vec![committed[0] + 11 * MS + MS / 10; 2]);
        assert_eq!(net.replica(0).pending(), (0, 0, (0, 0)));
    }
}

#[test]
fn the_higher_stamp_stays_wherever_it_comes_first() {
    let mut net = quiet(three(Conflict::Lww));
    net.clock(1, 50 * MS, 1.0);
    net.run(10 * MS);
    write(&mut net, 0, 1, Act::Write(8)); // its clock is fast
    net.run(net.now + 10 * MS);
    write(&mut net, 0, 2, Act::Write(9)); // later, and acknowledged
    net.run(net.now + 10 * MS);
    for at in 0..3 {
        assert_eq!(read(&mut net, 0, at), 8, "the later write is lost");
    }
    let follows = |version, older| {
        let wanted = Note::Follows { key: 0, fresh: true, version, older };
        net.notes.iter().filter(|(.., note)| *note == wanted).count()
    };
    assert_eq!(follows(8, 9), 0, "who wrote 8 did not know of 9");
    let accepted = |(.., note): &(u64, u16, Note)| matches!(note, Note::Accepted { .. });
    assert_eq!(net.notes.iter().filter(|note| accepted(note)).count(), 2);
    // Who has read it writes after it, whatever the clock says.
    net.clients[0].session.since = true;
    write(&mut net, 0, 2, Act::Write(10));
    net.run(net.now + 10 * MS);
    for at in 0..3 {
        assert_eq!(siblings(&net, at), [10]);
    }
}

#[test]
fn an_answer_to_a_write_that_lost_names_what_is_held() {
    let mut net = quiet(three(Conflict::Lww));
    net.clock(1, 50 * MS, 1.0);
    write(&mut net, 0, 1, Act::Write(8));
    net.run(net.now + 10 * MS);
    write(&mut net, 1, 2, Act::Write(9));
    assert_eq!(net.known[0].1, net.known[1].1);
}

#[test]
fn writes_that_did_not_know_of_one_another_stand_side_by_side_until_one_has_read_them() {
    let mut net = quiet(three(Conflict::Vectors));
    for client in 0..3 {
        net.clients[client].session.context = true;
    }
    write(&mut net, 0, 0, Act::Write(7));
    write(&mut net, 1, 1, Act::Write(8));
    net.run(net.now + 10 * MS);
    for at in 0..3 {
        assert_eq!(siblings(&net, at), [7, 8]);
        assert_eq!(dots(&net.replica(at).state(0)), [1, 1, 0]);
    }
    assert_eq!(counted(&net, "conflict"), 3, "each leader saw it once");
    let both = read(&mut net, 2, 2);
    assert!(![0, 7, 8].contains(&both));
    // One that has read only its own writes over that, and leaves the other.
    write(&mut net, 0, 0, Act::Write(9));
    net.run(net.now + 10 * MS);
    assert_eq!(siblings(&net, 2), [9, 8]);
    // What the third has read is gone here, but for the second's.
    write(&mut net, 2, 1, Act::Write(10));
    net.run(net.now + 10 * MS);
    assert_eq!(siblings(&net, 0), [9, 10]);
    assert_eq!(counted(&net, "merge"), 0, "it wrote over one of two");
    read(&mut net, 2, 0);
    write(&mut net, 2, 0, Act::Write(11));
    write(&mut net, 2, 0, Act::Write(12)); // without reading: the answer said what it had written
    net.run(net.now + 10 * MS);
    for at in 0..3 {
        assert_eq!(read(&mut net, 0, at), 12);
    }
    assert_eq!(counted(&net, "merge"), 1);
    agree(&net, &three(Conflict::Vectors)).unwrap();
}

#[test]
fn without_a_context_all_writes_stand() {
    let mut net = quiet(three(Conflict::Vectors));
    for version in 1..=4 {
        write(&mut net, 0, 0, Act::Write(version));
    }
    net.run(net.now + 10 * MS);
    assert_eq!(siblings(&net, 0), [1, 2, 3, 4]);
    assert_eq!(counted(&net, "conflict"), 9, "three, at each of three leaders");
    let before = read(&mut net, 0, 0);
    write(&mut net, 0, 0, Act::Write(4)); // again: it is another write of the same version
    assert_eq!(siblings(&net, 0), [1, 2, 3, 4, 4]);
    assert_ne!(read(&mut net, 0, 0), before);
}

#[test]
fn a_tombstone_is_a_version_like_any_other() {
    let mut net = quiet(three(Conflict::Vectors));
    net.clients[0].session.context = true;
    write(&mut net, 0, 0, Act::Write(7));
    write(&mut net, 0, 0, Act::Delete(8));
    net.run(net.now + 10 * MS);
    assert_eq!(read(&mut net, 1, 1), 8);
}

#[test]
fn a_write_that_knows_more_than_its_leader_makes_that_know_it_too() {
    let mut net = quiet(three(Conflict::Vectors));
    net.clients[0].session.context = true;
    net.part(&[0], &[1, 2]);
    write(&mut net, 0, 0, Act::Write(7));
    write(&mut net, 0, 1, Act::Write(8)); // over what the second leader has never seen
    net.heal();
    net.run(net.now + SECOND);
    for at in 0..3 {
        assert_eq!(siblings(&net, at), [8], "what is written over does not come after");
        assert_eq!(dots(&net.replica(at).state(0)), [1, 1, 0]);
    }
}

#[test]
fn every_increment_counts() {
    let mut net = quiet(three(Conflict::Counter));
    for round in 0..10 {
        write(&mut net, 0, round % 3, Act::Write(100 + u64::from(round)));
    }
    net.run(net.now + 10 * MS);
    let first = read(&mut net, 0, 0);
    for at in 0..3 {
        assert_eq!(dots(&net.replica(at).state(0)), [4, 3, 3]);
        assert_eq!(read(&mut net, 0, at), first);
    }
    let dotted = |(.., note): &(u64, u16, Note)| matches!(note, Note::Dotted { .. });
    assert_eq!(net.notes.iter().filter(|note| dotted(note)).count(), 10);
}

#[test]
fn an_element_stays_if_its_delete_did_not_know_of_it() {
    let config = three(Conflict::Set);
    let mut net = quiet(config);
    write(&mut net, 0, 0, Act::Write(7));
    net.run(net.now + 10 * MS);
    let one = read(&mut net, 0, 1);
    net.part(&[1], &[0, 2]);
    write(&mut net, 0, 0, Act::Write(8));
    write(&mut net, 1, 1, Act::Delete(9)); // of the first only
    net.heal();
    net.run(net.now + SECOND);
    agree(&net, &config).unwrap();
    let crate::replication::multi_leader::State::Set(held) = net.replica(2).state(0) else {
        panic!("a set");
    };
    assert_eq!(held.0.0[..3], [2, 1, 0], "all is known");
    assert_eq!(held.1.0[..3], [1, 0, 0], "the first element is removed, the second is not");
    assert_ne!(read(&mut net, 0, 2), one);
}

#[test]
fn retries_are_writes_of_their_own() {
    let mut net = quiet(three(Conflict::Counter));
    write(&mut net, 0, 0, Act::Write(7));
    write(&mut net, 0, 1, Act::Write(7));
    net.run(net.now + 10 * MS);
    assert_eq!(dots(&net.replica(2).state(0)), [1, 1, 0]);
}

#[test]
fn who_is_behind_sends_elsewhere() {
    for conflict in RULES {
        let mut net = quiet(three(conflict));
        net.clients[0].session.since = true;
        net.part(&[2], &[0, 1]);
        write(&mut net, 0, 2, Act::Write(7));
        net.run(net.now + 10 * MS);
        let there = read(&mut net, 0, 2);
        // The first does not have it: it sends to whose write it is, or on to the next until that is found.
        assert_eq!(read(&mut net, 0, 0), there, "{conflict:?}");
        assert_eq!(net.clients[0].asks, 2);
        let at = net.ended.last().unwrap();
        let hops = if conflict == Conflict::Lww { 3 } else { 2 };
        assert_eq!((at.0 - at.3) / MS, 2 * hops, "{conflict:?}");
        write(&mut net, 0, 0, Act::Write(8));
        let (two, three) = (net.replica(2).state(0), net.replica(0).state(0));
        assert_ne!(two, three, "the write went to who had the first one");
    }
    let alone = Config { leaders: 1, ..Config::DEFAULT };
    let mut net = quiet(alone);
    net.clients[0].session.since = true;
    write(&mut net, 0, 0, Act::Write(7));
    net.crash(0);
    net.restart(0, crate::replication::Start::Empty);
    assert_eq!(ask(&mut net, 0, 0, (Act::Read, 0)), Answer::Failed(Failure::Behind));
    assert_eq!(read(&mut net, 1, 0), 0);
}

#[test]
fn what_messages_are() {
    let entry = Entry { key: 5, version: 6, number: 1, context: Dots::default(), delete: false };
    let sent = Message::Replicate { life: 1, prev: 0, entries: vec![entry, entry].into() };
    let mut state = super::State::none(Conflict::Vectors);
    for number in 1..=3 {
        state.take(0, &Entry { number, ..entry }, 0);
    }
    let state = Message::State(Box::new((5, state)));
    for (message, name, keys, work) in [
        (sent, "replicate", 2, Work::None),
        (state, "replicate", 3, Work::Write(5)),
        (Message::Hello { life: 2, over: 0 }, "hello", 0, Work::None),
    ] {
        let message = message::Message::MultiLeader(message);
        let mut count = 0;
        message.keys(&mut |key| count += u32::from(key == 5));
        assert_eq!((message.name(), message.work(), count), (name, work, keys));
    }
}

#[test]
fn whoever_hears_of_a_delete_knows_of_what_it_removed() {
    let mut net = quiet(three(Conflict::Set));
    net.part(&[0], &[2]);
    write(&mut net, 0, 0, Act::Write(7));
    net.run(net.now + 10 * MS);
    write(&mut net, 0, 1, Act::Delete(8));
    net.run(net.now + 10 * MS);
    assert_eq!(dots(&net.replica(2).state(0)), [1, 1, 0]);
}
