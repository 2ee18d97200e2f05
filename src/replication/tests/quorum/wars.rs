//! Probabilistically bounded staleness (Bailis et al., PVLDB 5(8), 2012): how old what partial quorums return is,
//! against answers computed elsewhere.

use super::wire::Wire;
use crate::engine::random::Draw;
use crate::replication::quorum::{Config, Contact, Message};
use crate::replication::{Act, Answer};

/// Writes one after the other, each followed by a read: the shares of reads at least so many versions behind.
fn behind<const K: usize>((n, r, w): (u16, u16, u16), behind: [u64; K], writes: u64) -> [f64; K] {
    let config = Config {
        replicas: n,
        read: r,
        write: w,
        contact_read: Contact::Quorum,
        contact_write: Contact::Quorum,
        read_repair: 0.0,
        ..Config::default()
    };
    let mut wire = Wire::new(config, 1, |_, _| 0, 1);
    let mut counts = [0u64; K];
    for version in 1..=writes {
        for act in [Act::Write(version), Act::Read] {
            wire.ask(1, n, version, (act, 7));
            wire.run(u64::MAX);
            let (_, ticket, answer) = wire.answers.pop().expect("somebody answers");
            assert_eq!(ticket.id, version);
            if let Answer::Read(found) = answer {
                for (count, least) in counts.iter_mut().zip(behind) {
                    *count += u64::from(version - found >= least);
                }
            }
        }
    }
    assert_eq!(wire.sent, writes * 2 * u64::from(r + w), "only so many are asked");
    counts.map(|count| count as f64 / writes as f64)
}

fn assert_close(found: f64, expected: f64, tolerance: f64) {
    let off = (found - expected).abs();
    assert!(off <= tolerance, "{found} for {expected} (off by {off}, at most {tolerance})");
}

#[test]
fn partial_quorums_are_as_many_versions_behind_as_drawing_replicas_says() {
    // pbs-k-311-1, -3, -10, 321-1, 312-2, 522-1 of the oracles.
    let [one, three, ten] = behind((3, 1, 1), [1, 3, 10], 1_000_000);
    assert_close(one, 0.666_666_666_7, 0.02 * one);
    assert_close(three, 0.296_296_296_3, 0.02 * three);
    assert_close(ten, 0.017_341_529_92, 0.02 * ten);
    let [one] = behind((3, 2, 1), [1], 200_000);
    assert_close(one, 0.333_333_333_3, 0.02 * one);
    let [two] = behind((3, 1, 2), [2], 200_000);
    assert_close(two, 0.111_111_111_1, 0.02 * two);
    let [one] = behind((5, 2, 2), [1], 200_000);
    assert_close(one, 0.3, 0.02 * one);
}

#[test]
fn quorums_that_overlap_are_never_behind() {
    // pbs-k-322-1 and quorum-strict.
    for sizes in [(3, 2, 2), (3, 1, 3), (3, 3, 1), (5, 3, 3), (1, 1, 1)] {
        assert_eq!(behind(sizes, [1], 20_000), [0.0]);
    }
}

/// In ns: so much of a Pareto law, the rest exponential with this rate per ms.
fn mixed(draw: &mut Draw, (share, scale, shape): (f64, f64, f64), rate: f64) -> u64 {
    let pareto = draw.unit() < share;
    let log = -libm_log(1.0 - draw.unit());
    let ms = if pareto { scale * libm_exp(log / shape) } else { log / rate };
    (ms * 1e6) as u64
}

#[expect(clippy::disallowed_methods, reason = "a test may differ in the last bit elsewhere")]
fn libm_log(x: f64) -> f64 {
    x.ln()
}

#[expect(clippy::disallowed_methods, reason = "a test may differ in the last bit elsewhere")]
fn libm_exp(x: f64) -> f64 {
    x.exp()
}

fn ssd(_: &Message, draw: &mut Draw) -> u64 {
    mixed(draw, (0.9122, 0.235, 10.0), 1.66)
}

fn disk(message: &Message, draw: &mut Draw) -> u64 {
    match message {
        Message::Put { .. } => mixed(draw, (0.38, 1.05, 1.51), 0.183),
        _ => ssd(message, draw),
    }
}

const TRIALS: u64 = 250_000;

/// What trials found.
struct Found {
    /// Of reads and of writes the 99.9 % latency, ms.
    latencies: [f64; 2],
    /// Share of reads that were fresh, by when they began.
    fresh: Vec<f64>,
}

/// Writes of fresh keys, each read so long (ms) after its acknowledgement.
fn trials((r, w): (u16, u16), trip: super::wire::Trip, after: &[f64]) -> Found {
    let config = Config { read: r, write: w, read_repair: 0.0, ..Config::default() };
    let mut wire = Wire::new(config, 1, trip, 3);
    let mut latencies = [Vec::new(), Vec::new()];
    let mut fresh = vec![0u64; after.len()];
    for version in 1..=TRIALS {
        let asked = wire.now;
        wire.ask(0, 3, 0, (Act::Write(version), version));
        wire.run(u64::MAX);
        let (at, _, _) = wire.answers.pop().expect("it is written");
        latencies[1].push(at - asked);
        for (id, ms) in (0..).zip(after) {
            wire.ask((ms * 1e6) as u64, 3, id, (Act::Read, version));
        }
        for _ in after {
            wire.run(u64::MAX);
            let (now, ticket, answer) = wire.answers.pop().expect("it is read");
            latencies[0].push(now - at - (after[ticket.id as usize] * 1e6) as u64);
            fresh[ticket.id as usize] += u64::from(answer == Answer::Read(version));
        }
    }
    Found {
        latencies: latencies.map(|mut all| {
            all.sort_unstable();
            all[(all.len() as f64 * 0.999) as usize] as f64 / 1e6
        }),
        fresh: fresh.into_iter().map(|count| count as f64 / TRIALS as f64).collect(),
    }
}

/// Compares with a line of the oracles: latencies of reads and writes, when 99.9 % are fresh, and shares of fresh reads
/// by time.
fn compare(
    sizes: (u16, u16),
    trip: super::wire::Trip,
    (reads, writes, visible): (f64, f64, f64),
    shares: &[(f64, f64)],
) {
    let mut after: Vec<f64> = shares.iter().map(|(ms, _)| *ms).collect();
    after.push(visible);
    let found = trials(sizes, trip, &after);
    assert_close(found.latencies[0], reads, 0.03 * reads);
    assert_close(found.latencies[1], writes, 0.03 * writes);
    for ((_, share), fresh) in shares.iter().zip(&found.fresh) {
        assert_close(*fresh, *share, 0.003);
    }
    if visible > 0.0 {
        // Five standard deviations of a share of 0.001.
        assert_close(found.fresh[shares.len()], 0.999, 0.000_32);
    }
}

#[test]
fn what_reads_see_by_time_is_that_of_wars_with_fast_disks() {
    let shares = [(0.0, 0.973_674_333_3), (1.0, 0.995_031), (5.0, 0.999_989_666_7)];
    compare((1, 1), ssd, (0.654_259_202_2, 0.656_572_078_6, 1.964_234_703), &shares);
    let shares = [(0.0, 0.978_396_333_3), (1.0, 0.995_919_333_3)];
    compare((1, 2), ssd, (0.654_259_202_2, 1.631_620_921, 1.858_122_491), &shares);
    let shares = [(0.0, 0.999_395_333_3), (1.0, 0.999_977_333_3)];
    compare((2, 1), ssd, (1.626_588_353, 0.656_572_078_6, 0.0), &shares);
}

#[test]
fn what_reads_see_by_time_is_that_of_wars_with_slow_disks() {
    let shares = [(0.0, 0.436_536_666_7), (1.0, 0.583_043), (5.0, 0.818_192), (10.0, 0.926_254)];
    compare((1, 1), disk, (0.654_259_202_2, 10.948_089_56, 52.444_068_34), &shares);
    let shares = [(0.0, 0.712_79), (1.0, 0.772_308), (5.0, 0.894_251), (10.0, 0.956_238_666_7)];
    compare((1, 2), disk, (0.654_259_202_2, 20.912_127_42, 48.400_000_82), &shares);
    let shares = [(0.0, 0.762_875_333_3), (1.0, 0.869_544_666_7), (5.0, 0.975_004_333_3)];
    compare((2, 1), disk, (1.626_588_353, 10.948_089_56, 14.030_641_39), &shares);
}

#[test]
fn overlapping_quorums_are_fresh_however_slow_messages_are() {
    let found = trials((2, 2), disk, &[0.0]);
    assert_eq!(found.fresh, [1.0]);
}
