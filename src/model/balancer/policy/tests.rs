//! What balancers choose, request by request.

use super::*;
use crate::engine::random::Stream;

#[test]
fn the_tree_finds_what_a_scan_finds() {
    let stream = Stream::new(5, "tree", "test");
    for n in [1usize, 8, 9, 33, 64, 100, 500, 5000] {
        let mut counts = vec![0u32; n];
        let mut tree = MinTree::new(n);
        for step in 0..2000u64 {
            let mut draw = stream.draw(step + 10_000 * n as u64);
            let i = draw.below(n as u64) as usize;
            counts[i] = draw.below(5) as u32;
            tree.set(i, counts[i]);
            let least = *counts.iter().min().unwrap();
            let start = step as usize * 7 % n;
            let next = (start..start + n).find(|&i| counts[i % n] == least).unwrap() % n;
            assert_eq!(tree.least_from(start), next);
        }
    }
}

#[test]
fn power_of_d_draws_distinct_instances_uniformly() {
    let stream = Stream::new(6, "pod", "test");
    let mut chooser = Chooser::new(Policy::PowerOfD { d: 3, replace: false }, &[5], 0);
    // Instances 0 and 1 are loaded; with d = 3 of 5 distinct, one of 2, 3, 4 is always seen.
    chooser.outstanding = vec![9, 9, 0, 0, 0];
    let mut seen = [0u32; 5];
    for i in 0..30_000 {
        let index = chooser.choose((0, 0), 0, &mut stream.draw(i)).unwrap();
        chooser.done(index, 0, 0);
        seen[index] += 1;
    }
    assert_eq!((seen[0], seen[1]), (0, 0));
    for &n in &seen[2..] {
        assert!((9_500..10_500).contains(&n), "ties go round: {seen:?}");
    }
    // With replacement one of three of the loaded and the idle instance is idle but for 1/27 of the
    // draws of (0, 1, 2) and so on: here (2/5)^3 of all see none of the three idle ones.
    chooser.policy = Policy::PowerOfD { d: 3, replace: true };
    let mut loaded = 0;
    for i in 0..30_000 {
        let index = chooser.choose((0, 0), 0, &mut stream.draw(i)).unwrap();
        chooser.done(index, 0, 0);
        loaded += u32::from(index < 2);
    }
    assert!((1_780..2_060).contains(&loaded), "{loaded} of 30000 x 0.064 = 1920");
}

#[test]
fn peak_ewma_compares_two_different_ones() {
    // Of two, both are compared each time: the dear one is never chosen. Drawn each of all, it would be
    // compared with itself in a quarter of the draws.
    let stream = Stream::new(8, "ewma", "test");
    let mut chooser = Chooser::new(Policy::PeakEwma, &[3], 0);
    let cost = |cost| Ewma { cost, ..Ewma::default() };
    chooser.ewma = vec![cost(900.0), cost(100.0), cost(400.0)];
    let count = |chooser: &mut Chooser, most: u64| {
        let mut seen = [0u32; 3];
        for i in 0..most {
            let index = chooser.choose((0, 0), 0, &mut stream.draw(i)).unwrap();
            chooser.called_back(index);
            seen[index] += 1;
        }
        seen
    };
    // Of three pairs the cheapest wins two, the second one: 20,000 and 10,000 of 30,000, give or take
    // four deviations of 82.
    let seen = count(&mut chooser, 30_000);
    assert_eq!(seen[0], 0, "{seen:?}");
    assert!((19_670..=20_330).contains(&seen[1]), "{seen:?}");
    // Where one is out there is one pair.
    chooser.restrict(|all| Some(all.filter(|&i| i != 1).collect()));
    assert_eq!(count(&mut chooser, 1000), [0, 0, 1000]);
    // The price counts once for each that is outstanding, and one more: 3 x 400 against 900.
    chooser.outstanding[2] = 2;
    assert_eq!(count(&mut chooser, 1000), [1000, 0, 0]);
}

#[test]
fn turns_and_ties_go_on_after_the_one_chosen_last() {
    let mut draw = Stream::new(1, "x", "y").draw(0);
    let policies = [
        Policy::RoundRobin(false),
        Policy::LeastRequests,
        Policy::PowerOfD { d: 16, replace: false },
    ];
    for policy in policies {
        let mut chooser = Chooser::new(policy.clone(), &[4], 6);
        let mut choose = |chooser: &mut Chooser| {
            let index = chooser.choose((0, 0), 0, &mut draw).unwrap();
            chooser.done(index, 0, 5);
            index
        };
        let mut take = |n| (0..n).map(|_| choose(&mut chooser)).collect::<Vec<_>>();
        assert_eq!(take(5), [2, 3, 0, 1, 2], "{policy}");
        // Whoever is out is passed over, whoever is back is the next when it is his turn.
        chooser.restrict(|all| Some(all.filter(|&i| i != 3).collect()));
        let mut take = |n| (0..n).map(|_| choose(&mut chooser)).collect::<Vec<_>>();
        assert_eq!(take(4), [0, 1, 2, 0], "{policy}");
        chooser.restrict(|_| None);
        let mut take = |n| (0..n).map(|_| choose(&mut chooser)).collect::<Vec<_>>();
        assert_eq!(take(4), [1, 2, 3, 0], "{policy}");
    }
    let mut lr = Chooser::new(Policy::LeastRequests, &[3], 0);
    (0..3).for_each(|i| assert_eq!(lr.choose((0, 0), 0, &mut draw), Some(i)));
    lr.done(1, 0, 5);
    assert_eq!(lr.choose((0, 0), 5, &mut draw), Some(1));
}

#[test]
fn smooth_weights_are_spread_evenly() {
    // nginx's own example: 5, 1, 1.
    let mut chooser = Chooser::new(Policy::RoundRobin(true), &[1, 1, 1], 0);
    let sums = [5.0 / 7.0, 6.0 / 7.0, 1.0];
    let turns: Vec<usize> = (0..7).map(|_| chooser.smooth(&sums, |_, _| true).unwrap()).collect();
    assert_eq!(turns, [0, 0, 1, 0, 2, 0, 0]);
    // Without the first, in turn.
    let turns: Vec<usize> = (0..4).map(|_| chooser.smooth(&sums, |_, g| g != 0).unwrap()).collect();
    assert_eq!(turns, [1, 2, 1, 2]);
}

#[test]
fn keys_stay_where_they_are_and_bounded_loads_are_bounded() {
    let mut draw = Stream::new(1, "x", "y").draw(0);
    for policy in
        [Policy::ConsistentHash(100), Policy::Rendezvous, Policy::BoundedHash(100, 1000.0)]
    {
        let mut chooser = Chooser::new(policy.clone(), &[5, 6], 0);
        let mut moved = 0;
        for key in 0..5000 {
            let was = chooser.choose((0, key), 0, &mut draw).unwrap();
            assert_eq!(chooser.choose((0, key), 0, &mut draw), Some(was), "{policy}");
            let larger = chooser.choose((1, key), 0, &mut draw).unwrap();
            (0..2).for_each(|_| chooser.called_back(was));
            chooser.called_back(larger);
            moved += u32::from(policy != Policy::Rendezvous && larger - 5 != was);
            // Without it, its keys go elsewhere and nobody else's move.
            chooser.restrict(|all| Some(all.filter(|&i| i != 2).collect()));
            let now = chooser.choose((0, key), 0, &mut draw).unwrap();
            assert!(if was == 2 { now != 2 } else { now == was }, "{policy} {key}");
            chooser.called_back(now);
            chooser.restrict(|_| None);
        }
        assert!(moved < 1200, "{policy}: {moved} of 5000 keys move to a sixth instance");
    }
    let mut chooser = Chooser::new(Policy::BoundedHash(100, 1.25), &[4], 0);
    for n in 1..=1000u32 {
        chooser.choose((0, 7), 0, &mut draw);
        let most = *chooser.outstanding.iter().max().unwrap();
        assert!(f64::from(most) <= (1.25 * f64::from(n) / 4.0).ceil(), "{n}: {most}");
    }
}

#[test]
fn the_tree_answers_as_a_scan_does_whoever_may_be_chosen() {
    let stream = Stream::new(7, "least", "test");
    let mut tree = Chooser::new(Policy::LeastRequests, &[40, 20], 3);
    let mut scan = Chooser { trees: Vec::new(), ..tree.clone() };
    let mut open: Vec<usize> = Vec::new();
    for step in 0..20_000 {
        let mut draw = stream.draw(step);
        match draw.below(40) {
            0 => {
                let all = draw.below(3) == 0;
                let out: Vec<u32> = (0..60).filter(|_| draw.below(4) == 0).collect();
                let live = |group: std::ops::Range<u32>| {
                    let live: Vec<u32> = group.filter(|i| !out.contains(i)).collect();
                    (!all).then_some(live)
                };
                tree.restrict(live);
                scan.restrict(live);
            }
            1..20 if !open.is_empty() => {
                let index = open.swap_remove(draw.below(open.len() as u64) as usize);
                tree.done(index, 0, 0);
                scan.done(index, 0, 0);
            }
            _ => {
                let group = draw.below(2) as usize;
                let chosen = tree.choose((group, 0), 0, &mut draw.clone());
                assert_eq!(chosen, scan.choose((group, 0), 0, &mut draw), "step {step}");
                open.extend(chosen);
            }
        }
    }
}
