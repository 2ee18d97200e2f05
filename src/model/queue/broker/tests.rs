//! Random histories of a broker beside what must hold after each step.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::model::{queue::FullQueueSpec, service::Discipline};

const SECOND: u64 = 1_000_000_000;

fn rules() -> Rules {
    Rules {
        room: (u64::MAX, u64::MAX),
        full: FullQueueSpec::Reject,
        once: false,
        visibility: 5 * SECOND,
        max_receives: u16::MAX,
        buries: false,
        at_once: true,
        backoff: None,
        retention: 0,
        delay: 0,
        in_order: false,
        dedupe: 0,
        durable: true,
        aged: true,
        from: 0,
    }
}

fn broker(rules: Rules, discipline: &Discipline) -> Broker {
    Broker::new(rules, Ready::new(discipline, Stream::new(1, "queue", "ready")))
}

fn message(identity: u64, key: u64) -> Record {
    Record {
        identity,
        key,
        accepted: 0,
        order: 0,
        size: 10,
        sender: None,
        op: 0,
        priority: (identity % 3) as u8,
        shows: None,
    }
}

fn ask(number: u64, batch: u32, linger: u64) -> Ask {
    Ask {
        from: (1, (number % 3) as u16),
        queue: 0,
        broker: 0,
        group: 0,
        source: 0,
        number,
        batch,
        linger,
    }
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    Offer(u64, u64),
    Ask(u32, u64),
    Ack,
    Nack,
    Reset(u16),
    Wait(u64),
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0u64..40, 0u64..4).prop_map(|(identity, key)| Step::Offer(identity, key)),
        4 => (1u32..4, prop_oneof![Just(0u64), Just(SECOND)]).prop_map(|(n, l)| Step::Ask(n, l)),
        4 => Just(Step::Ack),
        2 => Just(Step::Nack),
        1 => (0u16..3).prop_map(Step::Reset),
        3 => (1u64..8).prop_map(Step::Wait),
        1 => Just(Step::Crash),
    ];
    proptest::collection::vec(step, 1..120)
}

fn variants() -> impl Strategy<Value = (Rules, Discipline)> {
    let full = prop_oneof![
        Just(FullQueueSpec::Reject),
        Just(FullQueueSpec::Drop),
        Just(FullQueueSpec::DropOldest)
    ];
    let discipline = prop_oneof![
        Just(Discipline::Fifo),
        Just(Discipline::Lifo),
        Just(Discipline::Priority),
        Just(Discipline::Random)
    ];
    let bits = (any::<[bool; 8]>(), full, discipline);
    bits.prop_map(|([bounded, once, dies, buries, at_once, ages, in_order, known], full, order)| {
        let rules = Rules {
            room: (if bounded { 6 } else { u64::MAX }, u64::MAX),
            full,
            once,
            max_receives: if dies { 3 } else { u16::MAX },
            buries,
            at_once,
            retention: if ages { 9 * SECOND } else { 0 },
            delay: if known { SECOND } else { 0 },
            in_order,
            dedupe: if known { 4 * SECOND } else { 0 },
            durable: bounded,
            ..rules()
        };
        (rules, order)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_message_is_somewhere_and_none_is_handed_out_twice_at_once(
        (rules, discipline) in variants(),
        steps in steps(),
    ) {
        let (once, in_order) = (rules.once, rules.in_order);
        let mut broker = broker(rules, &discipline);
        let mut now = 0;
        // Hand-outs that nobody has settled, by place.
        let mut open: BTreeMap<u32, (Handle, Record)> = BTreeMap::new();
        let mut asked = 0;
        for step in steps {
            match step {
                Step::Offer(identity, key) => {
                    broker.offer(message(identity, key), None, now);
                }
                Step::Ask(batch, linger) => {
                    asked += 1;
                    broker.ask(ask(asked, batch, linger), now);
                }
                Step::Ack | Step::Nack => {
                    if let Some((_, (handle, _))) = open.pop_first() {
                        let well = matches!(step, Step::Ack);
                        broker.settle(handle, well, now);
                        // Who says it again is not heard.
                        let before = broker.counts();
                        broker.settle(handle, well, now);
                        prop_assert_eq!(before, broker.counts());
                    }
                }
                Step::Reset(inst) => broker.reset((1, inst), now),
                Step::Wait(seconds) => {
                    now += seconds * SECOND;
                    broker.tick(now);
                }
                Step::Crash => drop(broker.crash(now)),
            }
            while let Some((_, messages)) = broker.next(now) {
                broker.sent(messages.iter().map(|(handle, _)| *handle), now);
                for (handle, record) in messages {
                    prop_assert!(handle.receives >= 1);
                    open.insert(handle.place, (handle, record));
                }
            }
            let dying = std::mem::take(&mut broker.dying);
            for (handle, _) in dying {
                broker.settle(handle, true, now);
            }
            prop_assert!(broker.is_sound(), "{:?}", broker.counts());
            prop_assert!(broker.due().is_none_or(|due| due > now), "what is due has happened");
            // What is out still, as the broker sees it: one of a key at a time.
            open.retain(|_, (handle, _)| broker.is_out(*handle));
            let keys: BTreeSet<u64> = open.values().map(|(_, record)| record.key).collect();
            if in_order && !once {
                prop_assert_eq!(keys.len(), open.len());
            }
        }
    }
}

#[test]
fn each_order_hands_out_in_its_order() {
    let order = |discipline: &Discipline| -> Vec<u64> {
        let mut broker = broker(rules(), discipline);
        for identity in 0..6 {
            broker.offer(message(identity, 0), None, 0);
        }
        broker.ask(ask(1, 6, 0), 0);
        broker.next(0).unwrap().1.into_iter().map(|(_, record)| record.identity).collect()
    };
    assert_eq!(order(&Discipline::Fifo), [0, 1, 2, 3, 4, 5]);
    assert_eq!(order(&Discipline::Lifo), [5, 4, 3, 2, 1, 0]);
    // Priorities are 0, 1, 2, 0, 1, 2.
    assert_eq!(order(&Discipline::Priority), [0, 3, 1, 4, 2, 5]);
    let mut random = order(&Discipline::Random);
    assert_ne!(random, [0, 1, 2, 3, 4, 5]);
    random.sort_unstable();
    assert_eq!(random, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_message_that_is_ready_again_keeps_its_place() {
    let mut broker = broker(rules(), &Discipline::Fifo);
    for identity in 0..4 {
        broker.offer(message(identity, 0), None, 0);
    }
    broker.ask(ask(1, 2, 0), 0);
    let (_, messages) = broker.next(0).unwrap();
    broker.sent(messages.iter().map(|(handle, _)| *handle), 0);
    broker.settle(messages[0].0, false, 1);
    broker.ask(ask(2, 4, 0), 1);
    let again: Vec<u64> = broker.next(1).unwrap().1.iter().map(|(_, r)| r.identity).collect();
    assert_eq!(again, [0, 2, 3]);
}

#[test]
fn a_message_takes_less_than_a_hundred_bytes() {
    // Its place, and four bytes in the line of those that are ready.
    assert!(size_of::<Held>() <= 80, "{}", size_of::<Held>());
}
