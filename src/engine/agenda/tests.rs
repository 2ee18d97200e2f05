//! The agenda against a sorted reference.

use super::*;
use crate::engine::random::Stream;
use std::{cmp::Reverse, collections::BinaryHeap};

/// Runs the agenda against std's heap over random schedulings with many ties.
fn against_std(population: u64, rounds: u64, seed: u64) {
    let stream = Stream::new(seed, "agenda", "test");
    let mut agenda = Agenda::new();
    let lanes = [agenda.lane(250).expect("room"), agenda.lane(1000).expect("room")];
    let seats = [agenda.seat().expect("room"), agenda.seat().expect("room")];
    let mut reference = BinaryHeap::new();
    let mut due_now = std::collections::VecDeque::new();
    let push = |agenda: &mut Agenda,
                reference: &mut BinaryHeap<_>,
                due_now: &mut std::collections::VecDeque<_>,
                i: u64| {
        let mut draw = stream.draw(i);
        let slot = draw.below(1000) as u32;
        let (delay, sequence) = match draw.below(8) {
            0 => (0, agenda.push_now(slot, 3)),
            1 => (250, agenda.push_lane(lanes[0], slot, 3)),
            2 => (1000, agenda.push_lane(lanes[1], slot, 3)),
            3 => (250, agenda.push(250, slot, 3)),
            4 if agenda.is_free(seats[(i % 2) as usize]) => {
                let delay = draw.below(1000);
                let at = agenda.now() + delay;
                (delay, agenda.push_seat(seats[(i % 2) as usize], at, slot, 3))
            }
            _ => {
                let delay = 1 + draw.below(5000);
                (delay, agenda.push(delay, slot, 3))
            }
        };
        if delay == 0 {
            due_now.push_back((sequence, slot));
        } else {
            reference.push(Reverse((agenda.now() + delay, sequence, slot)));
        }
    };
    let mut i = 0;
    while i < population {
        push(&mut agenda, &mut reference, &mut due_now, i);
        i += 1;
    }
    for _ in 0..rounds {
        let got = agenda.pop(u64::MAX - 1);
        let want = due_now
            .pop_front()
            .map(|(q, s)| (agenda.now(), q, s))
            .or_else(|| reference.pop().map(|Reverse(x)| x));
        assert_eq!(got.map(|p| (agenda.now(), p.sequence, p.slot)), want);
        let births =
            if agenda.len() as u64 > population * 2 { 0 } else { stream.draw(!i).below(3) };
        for _ in 0..births {
            push(&mut agenda, &mut reference, &mut due_now, i);
            i += 1;
        }
        i += 1;
    }
}

#[test]
fn order_is_that_of_a_sorted_reference() {
    for (population, rounds) in [(1, 200), (10, 2000), (1000, 20_000)] {
        for seed in 0..4 {
            against_std(population, rounds, seed);
        }
    }
}

#[test]
fn order_holds_with_the_radix_heap_behind() {
    against_std(200_000, 600_000, 7);
}

#[test]
fn retain_drops_only_the_dead() {
    let mut agenda = Agenda::new();
    for i in 0..100_000u32 {
        agenda.push(u64::from(1 + i * 7919 % 100_003), i, 1);
    }
    agenda.retain(|p| p.slot % 2 == 0);
    let mut seen = 0;
    let mut last = 0;
    while let Some(p) = agenda.pop(u64::MAX - 1) {
        assert!(p.slot % 2 == 0 && agenda.now() >= last);
        last = agenda.now();
        seen += 1;
    }
    assert_eq!(seen, 50_000);
}

#[test]
fn events_after_the_end_stay() {
    let mut agenda = Agenda::new();
    agenda.push(10, 1, 0);
    assert_eq!(agenda.pop(9), None);
    assert_eq!(agenda.now(), 0);
    assert!(agenda.pop(10).is_some());
}
