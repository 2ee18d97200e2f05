//! The agenda alone, against std's heap: the hold model (take the earliest event, schedule it again
//! an exponential time later) at several populations. `cargo bench`.

use std::{cmp::Reverse, collections::BinaryHeap};

use divan::{Bencher, counter::ItemsCount};
use windtunnel::engine::{agenda::Agenda, law, random::Stream};

/// Holds per iteration.
const HOLDS: u64 = 200_000;
/// Mean delay, ns.
const MEAN: f64 = 1e9;

fn main() {
    divan::main();
}

#[divan::bench(args = [10, 1_000, 100_000, 1_000_000], sample_count = 7, sample_size = 1)]
fn agenda(bencher: Bencher<'_, '_>, population: u32) {
    let (stream, exp) = (Stream::new(1, "bench", "hold"), law::exponential(1.0));
    let delay = |i: u64| 1 + law::to_nanos(exp.sample(&mut stream.draw(i)) * MEAN);
    let mut agenda = Agenda::new();
    for i in 0..population {
        agenda.push(delay(u64::from(i)), i, 0);
    }
    let mut n = u64::from(population);
    let mut hold = |holds: u64| {
        for _ in 0..holds {
            let event = agenda.pop(u64::MAX - 1).expect("the population is constant");
            agenda.push(delay(n), event.slot, 0);
            n += 1;
        }
    };
    hold(u64::from(population) * 5);
    bencher.counter(ItemsCount::new(HOLDS)).bench_local(|| hold(HOLDS));
}

#[divan::bench(args = [10, 1_000, 100_000, 1_000_000], sample_count = 7, sample_size = 1)]
fn std_heap(bencher: Bencher<'_, '_>, population: u32) {
    let (stream, exp) = (Stream::new(1, "bench", "hold"), law::exponential(1.0));
    let delay = |i: u64| 1 + law::to_nanos(exp.sample(&mut stream.draw(i)) * MEAN);
    let mut heap = BinaryHeap::new();
    let key = |time: u64, n: u64, slot: u32| {
        Reverse(u128::from(time) << 64 | u128::from(n << 28 | u64::from(slot)))
    };
    for i in 0..population {
        heap.push(key(delay(u64::from(i)), u64::from(i), i));
    }
    let mut n = u64::from(population);
    let mut hold = |holds: u64| {
        for _ in 0..holds {
            let Reverse(event) = heap.pop().expect("the population is constant");
            let (time, slot) = ((event >> 64) as u64, event as u32 & 0xff_ffff);
            heap.push(key(time + delay(n), n, slot));
            n += 1;
        }
    };
    hold(u64::from(population) * 5);
    bencher.counter(ItemsCount::new(HOLDS)).bench_local(|| hold(HOLDS));
}
