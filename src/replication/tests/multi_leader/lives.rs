//! Leaders that have lost something.

use super::super::net::{MS, Net};
use super::spy::Spy;
use super::{RULES, SECOND, agree, ask, dots, quiet, read, siblings, three, write};
use crate::replication::disk::Mode;
use crate::replication::multi_leader::{
    Chunk, Config, Conflict, Entry, Message as Said, MultiLeader,
};
use crate::replication::{
    APPLIED, Act, Answer, Context, Dots, Effect, Failure, Law, Laws, Message, Note, Protocol, Start,
};

/// Above the numbers of the first life.
const SECOND_LIFE: u32 = 1 << 20;

const NO_LEADER: Answer = Answer::Failed(Failure::NoLeader);

/// The numbers that the first leader gave.
fn numbers(net: &Net<Spy>) -> Vec<u32> {
    let given = net.notes.iter().filter_map(|(_, _, note)| match *note {
        Note::Dotted { leader: 0, number, .. } => Some(number),
        _ => None,
    });
    given.collect()
}

#[test]
fn one_that_lost_all_is_told_all_and_goes_on_with_its_numbers() {
    for conflict in RULES {
        let config = three(conflict);
        let mut net = quiet(config);
        for version in 1..=3 {
            write(&mut net, 0, 0, Act::Write(version));
        }
        for key in 1..3_000 {
            ask(&mut net, 0, 1, (Act::Write(1_000 + key), key));
        }
        net.crash(0);
        net.restart(0, Start::Empty);
        assert_eq!(ask(&mut net, 0, 0, (Act::Read, 0)), NO_LEADER, "nobody told it all yet");
        net.run(net.now + SECOND);
        write(&mut net, 0, 0, Act::Write(4));
        net.run(net.now + 2 * SECOND);
        agree(&net, &config).unwrap();
        assert_eq!(net.replica(0).held().len(), 3_000);
        assert_ne!(net.replica(0).is_whole().0, 1);
        let committed = net.notes.iter().filter_map(|(_, at, note)| match *note {
            Note::Committed { order } if *at == 0 => Some(order),
            _ => None,
        });
        assert_eq!(committed.collect::<Vec<_>>(), [1, 2, 3, 4], "places rise over lives");
        assert!(
            net.notes
                .iter()
                .any(|(_, at, note)| { *at == 1 && *note == Note::Took { from: 0, order: 4 } })
        );
        if conflict == Conflict::Lww {
            assert_eq!(read(&mut net, 0, 2), 4);
        } else {
            assert_eq!(numbers(&net), [1, 2, 3, SECOND_LIFE + 1]);
            assert_eq!(dots(&net.replica(2).state(0)), [SECOND_LIFE + 1, 0, 0]);
        }
    }
}

#[test]
fn it_reads_when_one_has_told_it_all_and_writes_when_all_have() {
    let config = three(Conflict::Counter);
    let mut net = quiet(config);
    write(&mut net, 0, 0, Act::Write(1));
    net.run(net.now + SECOND);
    let before = read(&mut net, 0, 0);
    net.crash(0);
    net.crash(2);
    net.restart(0, Start::Empty);
    net.run(net.now + SECOND);
    assert_eq!(read(&mut net, 0, 0), before);
    assert_eq!(ask(&mut net, 0, 0, (Act::Write(2), 0)), NO_LEADER);
    net.restart(2, Start::Again);
    net.run(net.now + 3 * SECOND);
    write(&mut net, 0, 0, Act::Write(2));
    assert_eq!(numbers(&net), [1, SECOND_LIFE + 1]);
}

#[test]
fn what_only_one_other_had_heard_is_not_forgotten() {
    let config = three(Conflict::Vectors);
    let mut net = quiet(config);
    net.part(&[0], &[1]);
    write(&mut net, 0, 0, Act::Write(7)); // the third has it, the second has not
    net.run(net.now + SECOND);
    net.crash(0);
    net.heal();
    net.restart(0, Start::Empty);
    net.run(net.now + 3 * SECOND);
    write(&mut net, 0, 0, Act::Write(8));
    net.run(net.now + 3 * SECOND);
    for at in 0..3 {
        assert_eq!(siblings(&net, at), [7, 8], "{at}");
    }
}

#[test]
fn a_number_is_not_given_again_though_nobody_else_has_heard_of_it() {
    let config = Config { has_lag: true, ..three(Conflict::Vectors) };
    let mut net = quiet(config);
    write(&mut net, 0, 0, Act::Write(7));
    net.run(net.now + SECOND);
    write(&mut net, 0, 0, Act::Write(8)); // it has not left
    net.crash(0);
    net.restart(0, Start::Empty);
    net.run(net.now + 3 * SECOND);
    write(&mut net, 0, 0, Act::Write(9));
    net.run(net.now + 3 * SECOND);
    assert_eq!(numbers(&net), [1, 2, SECOND_LIFE + 1]);
    let skipped = Note::Skipped { key: 0, leader: 0, after: 1, upto: SECOND_LIFE };
    assert!(net.notes.iter().any(|(_, _, note)| *note == skipped), "the second is lost");
    for at in 0..3 {
        assert_eq!(siblings(&net, at), [7, 9]);
    }
    // Another life, of which the one before had told nobody.
    net.crash(0);
    net.restart(0, Start::Empty);
    net.run(net.now + 3 * SECOND);
    write(&mut net, 0, 0, Act::Write(10));
    assert_eq!(numbers(&net).last(), Some(&(2 * SECOND_LIFE + 1)));
}

#[test]
fn two_that_lost_all_at_once_are_told_by_the_third_and_all_three_begin_again() {
    let config = three(Conflict::Set);
    let mut net = quiet(config);
    for at in 0..3 {
        write(&mut net, 0, at, Act::Write(7 + u64::from(at)));
    }
    net.run(net.now + SECOND);
    let before = read(&mut net, 0, 2);
    net.crash(0);
    net.crash(1);
    net.restart(0, Start::Empty);
    net.restart(1, Start::Empty);
    net.run(net.now + 3 * SECOND);
    assert_eq!([read(&mut net, 0, 0), read(&mut net, 0, 1)], [before; 2]);
    for at in 0..3 {
        net.crash(at);
    }
    for at in 0..3 {
        net.restart(at, Start::Empty);
    }
    net.run(net.now + 3 * SECOND);
    assert_eq!(read(&mut net, 0, 1), 0, "nobody had anything");
    write(&mut net, 0, 1, Act::Write(20));
    net.run(net.now + SECOND);
    assert_eq!(dots(&net.replica(0).state(0))[1] % SECOND_LIFE, 1);
    agree(&net, &config).unwrap();
}

#[test]
fn what_was_certain_is_left_and_goes_on_being_shipped() {
    for conflict in RULES {
        let config = Config { has_lag: true, ..three(conflict) };
        let mut net = quiet(config);
        for version in 1..=5 {
            write(&mut net, 0, 0, Act::Write(version));
        }
        net.crash(0); // the last have not left
        net.run(net.now + SECOND);
        net.restart(0, Start::Again);
        net.run(net.now + SECOND);
        agree(&net, &config).unwrap();
        assert_eq!(net.replica(0).is_whole(), (1, true));
        assert_eq!(net.replica(0).pending(), (0, 0, (0, 0)));
        assert_ne!(read(&mut net, 0, 2), 0);
        if conflict == Conflict::Counter {
            assert_eq!(dots(&net.replica(2).state(0)), [5, 0, 0]);
        }
    }
}

#[test]
fn what_is_read_is_certain() {
    let mut net = quiet(three(Conflict::Lww));
    net.settings.work = (0, 0, 0);
    let slow = |law, _: &mut _| if law == crate::replication::Law::Fsync { 50 * MS } else { 0 };
    let settings = super::Settings { laws: slow, ..net.settings };
    let mut net = super::net_of(three(Conflict::Lww), &settings);
    net.busy = false;
    net.ask(0, 0, Act::Write(7), 0);
    net.run(5 * MS);
    net.ask(1, 0, Act::Read, 0);
    net.run(20 * MS);
    assert!(net.ended.is_empty(), "neither is told of what may be lost");
    net.run(80 * MS);
    let answers: Vec<_> = net.ended.iter().map(|ended| ended.4).collect();
    assert_eq!(answers, [Some(Answer::Written), Some(Answer::Read(7))]);
}

#[test]
fn without_a_disk_one_alone_begins_with_nothing() {
    let config = Config { leaders: 1, disk: Mode::Never, ..three(Conflict::Counter) };
    let mut net = quiet(config);
    write(&mut net, 0, 0, Act::Write(7));
    net.crash(0);
    net.restart(0, Start::Again);
    assert_eq!(read(&mut net, 0, 0), 0);
    write(&mut net, 0, 0, Act::Write(8));
    assert_eq!(numbers(&net), [1, 1]);
}

/// Tells a leader something by hand: what it does about it.
fn told(leader: &mut MultiLeader, from: u16, message: Said) -> Vec<Said> {
    let (mut effects, mut laws) = (Vec::new(), Zero);
    let cx = &mut Context::alone(0, &mut laws, &mut effects);
    leader.message(from, Message::MultiLeader(message), cx);
    let sent = effects.into_iter().filter_map(|effect| match effect {
        Effect::Send(_, Message::MultiLeader(message)) => Some(message),
        Effect::Apply { .. } => Some(Said::Hello { life: 0, over: 0 }),
        _ => None,
    });
    sent.collect()
}

struct Zero;

impl Laws for Zero {
    fn draw(&mut self, _law: Law) -> u64 {
        0
    }
    fn below(&mut self, _n: u64) -> u64 {
        0
    }
}

#[test]
fn what_comes_late_from_a_life_that_is_over_is_nothing() {
    let mut leader = MultiLeader::new(Config { leaders: 2, ..Config::DEFAULT }, 0);
    let (mut effects, mut laws) = (Vec::new(), Zero);
    let cx = &mut Context::alone(0, &mut laws, &mut effects);
    leader.start(Start::First, cx);
    let entry = Entry { key: 0, version: 7, number: 1, context: Dots::default(), delete: false };
    let log = |life| Said::Replicate { life, prev: 0, entries: vec![entry].into() };
    let hello = told(&mut leader, 1, Said::Hello { life: 5, over: 0 });
    assert!(matches!(&hello[..], [Said::Chunk(chunk)] if chunk.to == 5), "{hello:?}");
    let no_place = Said::Replicated { life: 5, upto: None };
    let no_place = std::slice::from_ref(&no_place);
    assert_eq!(told(&mut leader, 1, log(1)), no_place, "that life is over");
    assert_eq!(told(&mut leader, 1, log(5)), no_place, "it has not said what came before");
    assert!(told(&mut leader, 1, Said::Hello { life: 1, over: 0 }).is_empty(), "it comes late");
    let chunk = |life, last| Chunk {
        life,
        to: 1,
        number: 9,
        last,
        yours: 0,
        over: (0, 0),
        items: Vec::new(),
    };
    let copied = Said::Copied { number: 9 };
    assert_eq!(told(&mut leader, 1, Said::Chunk(Box::new(chunk(1, Some(3))))), no_place);
    assert_eq!(
        told(&mut leader, 1, Said::Chunk(Box::new(chunk(5, None)))),
        *std::slice::from_ref(&copied)
    );
    assert_eq!(told(&mut leader, 1, log(5)), no_place, "it has not said all");
    assert_eq!(told(&mut leader, 1, Said::Chunk(Box::new(chunk(5, Some(0))))), [copied]);
    assert_eq!(told(&mut leader, 1, log(5)).len(), 1, "that is applied");
    // A hello that comes late is of a life like any other to who has not heard of it: the one that lives says so.
    leader.timer(APPLIED, &mut Context::alone(0, &mut Zero, &mut effects));
    assert_eq!(told(&mut leader, 1, Said::Hello { life: 4, over: 0 }).len(), 1, "all is sent");
    let wrong = [Said::Replicated { life: 4, upto: None }];
    assert_eq!(told(&mut leader, 1, log(5)), wrong);
    assert!(told(&mut leader, 1, Said::Hello { life: 5, over: 0 }).is_empty());
    assert_eq!(told(&mut leader, 1, Said::Hello { life: 5, over: 4 }).len(), 1, "all is sent");
    assert_eq!(told(&mut leader, 1, log(5)), no_place);
    let wrong = told(&mut leader, 1, Said::Replicated { life: 9, upto: Some(1) });
    assert_eq!(wrong, [Said::Hello { life: 1, over: 9 }]);
}
