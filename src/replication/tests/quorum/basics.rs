//! By hand: one replica or coordinator is told things, and says what is to be done.

use crate::replication::data::Item;
use crate::replication::quorum::{
    Config, Contact, Held, Message, NOBODY, Quorum, Stamp, What, Why,
};
use crate::replication::{
    Act, Answer, Context, Effect, Failure, Known, Law, Laws, Note, Operation, Peer, Phase,
    Protocol, Start, Ticket, Work, disk,
};

pub(super) const MS: u64 = 1_000_000;

/// Draws that are as low as can be; the disk takes 2 ms.
struct Low(u64);

impl Laws for Low {
    fn draw(&mut self, law: Law) -> u64 {
        if law == Law::Fsync { self.0 } else { 0 }
    }
    fn below(&mut self, _n: u64) -> u64 {
        0
    }
}

/// One process.
pub(super) struct One {
    pub(super) replica: Quorum,
    pub(super) now: u64,
    pub(super) fsync: u64,
}

impl One {
    /// Process 3 of three replicas and a coordinator, or one of the replicas.
    pub(super) fn new(config: Config, me: Peer) -> Self {
        let holds = me < config.replicas * config.shards;
        let mut one = Self { replica: Quorum::new(config, me, holds), now: 1_000, fsync: 0 };
        one.tell(|replica, cx| replica.start(Start::First, cx));
        one
    }

    pub(super) fn tell(&mut self, told: impl FnOnce(&mut Quorum, &mut Context<'_>)) -> Vec<Effect> {
        let mut effects = Vec::new();
        let laws = &mut Low(self.fsync);
        told(&mut self.replica, &mut Context::alone(self.now, laws, &mut effects));
        effects
    }

    pub(super) fn ask(&mut self, id: u64, act: Act) -> Vec<Effect> {
        self.ask_since(id, act, 0)
    }

    /// By somebody who knows of a stamp.
    pub(super) fn ask_since(&mut self, id: u64, act: Act, since: u64) -> Vec<Effect> {
        let since = Known::upto(since);
        let operation = Operation { since, ..Operation::new(ticket(id), act, 7, 0) };
        self.tell(|replica, cx| replica.operation(&operation, Phase::Arrived, cx))
    }

    pub(super) fn hear(&mut self, from: Peer, message: Message) -> Vec<Effect> {
        let message = crate::replication::Message::Quorum(message);
        self.tell(|replica, cx| replica.message(from, message, cx))
    }

    pub(super) fn refused(&mut self, from: Peer, message: Message) -> Vec<Effect> {
        let message = crate::replication::Message::Quorum(message);
        let message = crate::replication::Message::Refused(Box::new(message));
        self.tell(|replica, cx| replica.message(from, message, cx))
    }

    pub(super) fn timer(&mut self, timer: u8) -> Vec<Effect> {
        self.tell(|replica, cx| replica.timer(timer, cx))
    }
}

pub(super) fn ticket(id: u64) -> Ticket {
    Ticket { slot: 0, id }
}

/// The messages among effects, by receiver.
pub(super) fn sent(effects: &[Effect]) -> Vec<(Peer, Message)> {
    let sent = effects.iter().filter_map(|effect| match effect {
        Effect::Send(to, crate::replication::Message::Quorum(message)) => {
            Some((*to, message.clone()))
        }
        _ => None,
    });
    sent.collect()
}

/// The answers among effects.
pub(super) fn answers(effects: &[Effect]) -> Vec<(u64, Answer)> {
    let answers = effects.iter().filter_map(|effect| match effect {
        Effect::Answer(ticket, answer, _) => Some((ticket.id, *answer)),
        _ => None,
    });
    answers.collect()
}

pub(super) fn number(message: &Message) -> u64 {
    match *message {
        Message::Get { number, .. } | Message::Put { number, .. } => number,
        _ => panic!("{message:?} asks for nothing"),
    }
}

pub(super) fn item(version: u64, order: u64) -> Item {
    Item { version, order }
}

pub(super) fn held(version: u64, order: u64) -> Held {
    Held { item: item(version, order), left: 0 }
}

pub(super) fn got(owner: Peer, number: u64, item: Item) -> Message {
    let held = Held { item, left: 0 };
    Message::Got { owner, stamp_only: false, firm: true, number, key: 7, held }
}

#[test]
fn a_write_is_stamped_by_the_clock_and_acknowledged_by_as_many_as_it_needs() {
    let mut one = One::new(Config::DEFAULT, 3);
    let effects = one.ask(1, Act::Write(11));
    assert!(effects.contains(&Effect::Note(Note::Accepted { key: 7, version: 11, order: 1_000 })));
    let puts = sent(&effects);
    assert_eq!(puts.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(puts[0].1.work(), Work::Write(7));
    let number = number(&puts[0].1);
    let stored = |owner| Message::Stored { owner, number };
    assert_eq!(one.hear(1, stored(1)), Vec::new());
    assert_eq!(one.hear(1, stored(1)), Vec::new(), "a copy counts once");
    assert_eq!(answers(&one.hear(0, stored(0))), [(1, Answer::Written)]);
    assert_eq!(one.hear(2, stored(2)), Vec::new(), "it is forgotten");
    // The next one at the same time, and one after the clock has gone back.
    let order = |effects: Vec<Effect>| match effects[0] {
        Effect::Note(Note::Accepted { order, .. }) => order,
        _ => panic!("{effects:?}"),
    };
    assert_eq!(order(one.ask(2, Act::Write(12))), 1_001);
    one.now = 10;
    assert_eq!(order(one.ask(3, Act::Write(13))), 1_002);
}

#[test]
fn a_stamp_by_query_is_above_what_a_read_quorum_has_and_what_was_given() {
    let mut one = One::new(Config { stamp: Stamp::Query, ..Config::DEFAULT }, 3);
    let gets = sent(&one.ask(1, Act::Write(11)));
    assert!(gets.iter().all(|(_, get)| matches!(get, Message::Get { what: What::Stamp, .. })));
    let mut carried = 0;
    let n = number(&gets[0].1);
    let told = |owner, order| Message::Got {
        owner,
        stamp_only: true,

        firm: true,
        number: n,
        key: 7,
        held: held(5, order),
    };
    told(0, 5).keys(&mut |_| carried += 1);
    assert_eq!(carried, 0, "no value is sent");
    assert_eq!(one.hear(0, told(0, 40)), Vec::new());
    let effects = one.hear(2, told(2, 90));
    assert_eq!(effects[0], Effect::Note(Note::Accepted { key: 7, version: 11, order: 91 }));
    assert_eq!(sent(&effects).len(), 3);
    assert_eq!(one.hear(1, told(1, 400)), Vec::new(), "too late for the stamp");
    let n = number(&sent(&one.ask(2, Act::Write(12)))[0].1);
    let told = |owner| got(owner, n, item(5, 3));
    one.hear(0, told(0));
    let effects = one.hear(1, told(1));
    assert_eq!(effects[0], Effect::Note(Note::Accepted { key: 7, version: 12, order: 92 }));
}

#[test]
fn the_highest_stamp_wins_and_the_others_are_repaired_when_all_have_answered() {
    let mut one = One::new(Config::DEFAULT, 3);
    let gets = sent(&one.ask(1, Act::Read));
    assert_eq!(gets[2].1.work(), Work::Read(7));
    let n = number(&gets[0].1);
    assert_eq!(one.hear(0, got(0, n, item(5, 50))), Vec::new());
    let effects = one.hear(2, got(2, n, item(4, 60)));
    assert_eq!(
        effects,
        [Effect::Answer(ticket(1), Answer::Read(4), Known::of(Item { version: 4, order: 60 }))]
    );
    let effects = one.hear(1, got(1, n, item(9, 60)));
    let put = |owner| {
        (owner, Message::Put { owner, why: Why::Repair, number: NOBODY, key: 7, held: held(9, 60) })
    };
    assert_eq!(sent(&effects), [put(0), put(2)], "of two with a stamp the larger version wins");
    let repairs = effects.iter().filter(|e| **e == Effect::Note(Note::Counted("repair")));
    assert_eq!(repairs.count(), 2);
}

#[test]
fn late_answers_repair_until_the_time_out_and_then_nothing_is_known() {
    let mut one = One::new(Config::DEFAULT, 3);
    let n = number(&sent(&one.ask(1, Act::Read))[0].1);
    one.hear(0, got(0, n, item(5, 50)));
    one.hear(2, got(2, n, item(4, 40)));
    one.now += Config::DEFAULT.timeout;
    assert_eq!(sent(&one.timer(0)).iter().map(|(to, _)| *to).collect::<Vec<_>>(), [2]);
    assert_eq!(one.hear(1, got(1, n, item(1, 10))), Vec::new());
    assert_eq!(one.replica.pending(), (0, 0));
}

#[test]
fn what_takes_too_long_fails_in_the_order_in_which_it_came() {
    let mut one = One::new(Config::DEFAULT, 3);
    one.ask(1, Act::Read);
    one.now += 5 * MS;
    one.ask(2, Act::Write(3));
    let n = number(&sent(&one.ask(3, Act::Write(4)))[0].1);
    one.hear(0, Message::Stored { owner: 0, number: n });
    one.hear(1, Message::Stored { owner: 1, number: n });
    one.now = 1_000 + Config::DEFAULT.timeout;
    let failed = |id| (id, Answer::Failed(Failure::QuorumTimeout));
    let effects = one.timer(0);
    assert_eq!(answers(&effects), [failed(1)]);
    assert_eq!(effects.last(), Some(&Effect::Arm(0, 5 * MS)));
    one.now += 5 * MS;
    let effects = one.timer(0);
    assert_eq!(effects, [Effect::Answer(ticket(2), failed(2).1, Known::default())]);
    assert_eq!(one.replica.pending(), (0, 0));
}

#[test]
fn refusals_fail_what_they_make_impossible() {
    let mut one = One::new(Config::DEFAULT, 3);
    let gets = sent(&one.ask(1, Act::Read));
    assert_eq!(one.refused(0, gets[0].1.clone()), Vec::new());
    let effects = one.refused(2, gets[2].1.clone());
    assert_eq!(answers(&effects), [(1, Answer::Failed(Failure::TooFew))]);
    // Where only as many are asked as must answer one is too many.
    let mut one = One::new(Config { contact_write: Contact::Quorum, ..Config::DEFAULT }, 3);
    let puts = sent(&one.ask(1, Act::Write(2)));
    assert_eq!(puts.len(), 2);
    let effects = one.refused(puts[0].0, puts[0].1.clone());
    assert_eq!(answers(&effects), [(1, Answer::Failed(Failure::TooFew))]);
}

#[test]
fn a_read_that_writes_back_waits_until_enough_hold_what_it_found_for_good() {
    let mut one = One::new(Config { write_back: true, ..Config::DEFAULT }, 3);
    let n = number(&sent(&one.ask(1, Act::Read))[0].1);
    one.hear(0, got(0, n, item(5, 50)));
    let effects = one.hear(2, got(2, n, item(4, 40)));
    let puts = sent(&effects);
    assert_eq!(puts.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [1, 2], "0 has it");
    let effects = one.hear(2, Message::Stored { owner: 2, number: n });
    assert_eq!(answers(&effects), [(1, Answer::Read(5))]);
    // Those that have it are enough.
    let n = number(&sent(&one.ask(2, Act::Read))[0].1);
    one.hear(0, got(0, n, item(5, 50)));
    let effects = one.hear(1, got(1, n, item(5, 50)));
    assert_eq!(answers(&effects), [(2, Answer::Read(5))]);
    // One that may yet lose it is not one of them.
    let n = number(&sent(&one.ask(3, Act::Read))[0].1);
    one.hear(0, got(0, n, item(5, 50)));
    let key = 7;
    let effects = one.hear(
        1,
        Message::Got {
            owner: 1,
            stamp_only: false,

            firm: false,
            number: n,
            key,
            held: held(5, 50),
        },
    );
    assert_eq!(sent(&effects).iter().map(|(to, _)| *to).collect::<Vec<_>>(), [1, 2]);
    let effects = one.hear(2, got(2, n, item(6, 60)));
    assert_eq!(answers(&effects), [(3, Answer::Read(5))], "it holds something newer");
}

fn put(number: u64, version: u64, order: u64) -> Message {
    Message::Put { owner: 0, why: Why::Repair, number, key: 7, held: held(version, order) }
}

#[test]
fn stored_leaves_when_the_disk_is_certain_and_what_was_not_is_lost_in_a_crash() {
    let mut one = One::new(Config::DEFAULT, 0);
    one.fsync = 2 * MS;
    assert_eq!(one.hear(3, put(1, 5, 50)), [Effect::Arm(1, 2 * MS)]);
    assert!(
        sent(&one.hear(3, put(2, 4, 40))).is_empty(),
        "older, but what it holds is not certain"
    );
    assert!(sent(&one.hear(3, put(3, 6, 60))).is_empty());
    let get = Message::Get { owner: 0, what: What::Value, number: 9, key: 7 };
    let firm = |effects: Vec<Effect>| match sent(&effects)[..] {
        [(3, Message::Got { held: Held { item: Item { version, .. }, .. }, firm, .. })] => {
            (version, firm)
        }
        _ => panic!("{effects:?}"),
    };
    assert_eq!(firm(one.hear(3, get.clone())), (6, false));
    let stored = |number| (3, Message::Stored { owner: 0, number });
    assert_eq!(sent(&one.timer(1)), [stored(1), stored(2)]);
    assert_eq!(sent(&one.hear(3, put(4, 4, 40))), Vec::new(), "6 is held, and not certain");
    one.tell(|replica, cx| replica.start(Start::Again, cx));
    assert_eq!(one.replica.data().get(7), item(5, 50));
    assert_eq!(firm(one.hear(3, get.clone())), (5, true));
    assert_eq!(sent(&one.hear(3, put(5, 4, 40))), [stored(5)]);
    one.tell(|replica, cx| replica.start(Start::Empty, cx));
    assert!(one.replica.data().is_empty());
    // A disk that never is certain is no disk.
    let mut one = One::new(Config { disk: disk::Mode::Never, ..Config::DEFAULT }, 0);
    assert_eq!(sent(&one.hear(3, put(1, 5, 50))), [stored(1)]);
    assert_eq!(firm(one.hear(3, get)), (5, true));
    one.tell(|replica, cx| replica.start(Start::Again, cx));
    assert!(one.replica.data().is_empty());
}

#[test]
fn without_write_back_two_reads_may_see_a_write_come_and_go() {
    let mut one = One::new(Config::DEFAULT, 3);
    let mut read = |id, answers_: [(Peer, Item); 2]| {
        let n = number(&sent(&one.ask(id, Act::Read))[0].1);
        let [first, second] = answers_.map(|(owner, item)| one.hear(owner, got(owner, n, item)));
        assert_eq!(first, Vec::new());
        answers(&second)
    };
    // The write of version 2 has come to replica 0, and is under way to the others.
    let seen = read(1, [(0, item(2, 20)), (1, item(1, 10))]);
    assert_eq!(seen, [(1, Answer::Read(2))]);
    let seen = read(2, [(1, item(1, 10)), (2, item(1, 10))]);
    assert_eq!(seen, [(2, Answer::Read(1))]);
}

#[test]
fn messages_are_small() {
    assert!(size_of::<Message>() <= 48, "{}", size_of::<Message>());
}
