//! How often intervals and gates are right: small worlds with a known truth, 1,000 experiments on each.
//!
//! ```sh
//! cargo run --release --example coverage            # all; writes into `docs/VALIDATION.md`
//! cargo run --release --example coverage -- 100     # so many experiments; writes nothing
//! ```
//!
//! Exits with 1 when something is right less often than it must be, beyond what chance explains. The worlds are
//! simulated here and not by the engine: what is tested is the statistics, in more runs than the engine has time for.
//!
//! **Invariant.** An experiment's draws depend on its world, purpose and number only: the same bytes every time.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::{array::from_fn, fs, path::Path, process::ExitCode};

use windtunnel::stats::{
    Bounds, Histogram, Method, Outline, QuantileSpread, controlled, holm, looks, mean_interval,
    paired, quantile_values, ratio_interval,
};

#[path = "coverage/worlds.rs"]
mod worlds;

use worlds::{Draws, LESS, Truth, World, worlds};

/// Experiments on each world.
const EXPERIMENTS: usize = 1_000;
/// No result depends on it.
const THREADS: usize = 2;
/// Two-sided confidence of intervals, one-sided error of bounds and gates.
const CONFIDENCE: f64 = 0.95;
const ERROR: f64 = 0.05;
/// Replications of intervals, and of bounds.
const SIZES: [usize; 4] = [5, 10, 20, 50];
const BOUND_SIZES: [usize; 4] = [20, 50, 100, 800];
/// Replications at the last look of a gate.
const CAP: u64 = 320;
/// A fault that struck less often cannot be passed (`src/slo/gate.rs`).
const STRIKES: u64 = 10;
/// What there are intervals of; Δ: of the second design less the first; the last two: of the mean, with a control.
const FIGURES: [&str; 8] =
    ["mean", "p50", "p99", "availability", "Δ mean", "Δ p99", "by work", "by load"];
type Figures<T> = [T; FIGURES.len()];
/// As many of them are told as intervals.
const LIMITED: usize = 6;

fn main() -> ExitCode {
    let fewer = std::env::args().nth(1);
    let of = fewer.as_ref().map_or(Some(EXPERIMENTS), |n| n.parse().ok().filter(|&n| n > 0));
    let Some(of) = of else {
        eprintln!("how many experiments? a whole number");
        return ExitCode::from(2);
    };
    let worlds = worlds().map(|world| Studied::new(world, of));
    let limits = limits(&worlds);
    let section = section(&worlds, &limits);
    print!("{section}");
    if fewer.is_none()
        && let Err(error) = keep(&section)
    {
        eprintln!("cannot write docs/VALIDATION.md: {error}");
        return ExitCode::FAILURE;
    }
    let broken: Vec<_> = limits.iter().filter(|limit| limit.is_broken()).collect();
    for limit in &broken {
        eprintln!("broken: {}", limit.told());
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Puts the section between its markers, or at the end, where `validate` leaves it alone.
fn keep(section: &str) -> std::io::Result<()> {
    const MARKERS: [&str; 2] = ["<!-- coverage -->", "<!-- /coverage -->"];
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/VALIDATION.md");
    let old = fs::read_to_string(&path)?;
    let (before, after) = match MARKERS.map(|marker| old.find(marker)) {
        [Some(begin), Some(end)] => (old[..begin].to_owned(), &old[end + MARKERS[1].len()..]),
        _ => (format!("{}\n\n", old.trim_end()), "\n"),
    };
    fs::write(&path, format!("{before}{}\n{section}{}{after}", MARKERS[0], MARKERS[1]))
}

/// What experiments say, in their order.
fn each<T: Send>(experiments: usize, one: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let share = |from| (from..experiments).step_by(THREADS).map(|i| one(i as u64)).collect();
    let mut shares: Vec<_> = std::thread::scope(|scope| {
        let share = &share;
        let start = |from| scope.spawn(move || -> Vec<T> { share(from) });
        let all: Vec<_> = (0..THREADS).map(start).collect();
        all.into_iter().map(|one| one.join().expect("no panic").into_iter()).collect()
    });
    (0..experiments).map(|i| shares[i % THREADS].next().expect("its share")).collect()
}

/// Replications of two designs with the same draws, as far as they have come.
#[derive(Default)]
struct Replications {
    merged: [Histogram; 2],
    outlines: [Vec<Outline>; 2],
    means: [Vec<f64>; 2],
    spread: QuantileSpread,
    good: Vec<(f64, f64)>,
    work: Vec<f64>,
    load: Vec<f64>,
}

impl Replications {
    fn push(&mut self, world: &World, draws: &mut Draws) {
        let mut times = [Histogram::new(), Histogram::new()];
        let mut good = 0.0;
        let drawn = world.replicate(draws, [1.0, LESS], |design, time| {
            times[design].record((time * 1e9) as u64);
            good += f64::from(u8::from(design == 0 && time <= world.patience));
        });
        for (i, times) in times.iter().enumerate() {
            self.merged[i].merge(times);
            self.outlines[i].push(Outline::from(times));
            self.means[i].push(times.mean().expect("requests") / 1e9);
        }
        self.spread.push(&times[0]);
        self.good.push((good, times[0].count() as f64 + drawn.lost));
        self.work.push(drawn.work);
        self.load.push(drawn.load);
    }

    /// As `src/results/estimate.rs` and `compare` find them.
    fn intervals(&self, world: &World) -> Option<Figures<(f64, f64)>> {
        let [base, less] = &self.means;
        let quantile = |q: f64| {
            let (low, high) = self.spread.interval(&self.merged[0], q, CONFIDENCE)?;
            // The largest time stands for an end that none reaches.
            let high = if high.is_finite() { high } else { self.merged[0].max()? as f64 };
            Some((low / 1e9, high / 1e9))
        };
        let p99 = |i: usize| {
            let values = quantile_values(&self.merged[i], 0.99, &self.outlines[i])?;
            Some(values.into_iter().map(|ns| ns / 1e9).collect::<Vec<_>>())
        };
        let with = |control: &[f64], known: f64| {
            controlled(base, control, known, CONFIDENCE).map(|(_, low, high)| (low, high))
        };
        Some([
            mean_interval(base, CONFIDENCE)?,
            quantile(0.5)?,
            quantile(0.99)?,
            share(&self.good)?,
            paired(base, less, CONFIDENCE)?.difference_interval,
            paired(&p99(0)?, &p99(1)?, CONFIDENCE)?.difference_interval,
            with(&self.work, world.work)?,
            with(&self.load, 0.0)?,
        ])
    }
}

/// Of a share of requests (`src/results/estimate.rs::Estimate::share_of`); an end that is not known holds anything.
fn share(pairs: &[(f64, f64)]) -> Option<(f64, f64)> {
    let (bounds, each_side) = (Bounds::of_ratio(pairs)?, f64::midpoint(1.0, -CONFIDENCE));
    Some((bounds.lower(each_side), bounds.upper(each_side)))
}

/// What a gate says (`src/slo/gated.rs`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Pass,
    Inconclusive,
    Fail,
}

/// An objective whose limit is the truth.
struct Objective {
    name: &'static str,
    limit: f64,
    at_least: bool,
}

/// Gates of a world: its first objective, the second, both in a file, and the first without the rule of strikes.
const GATES: [(&[usize], bool); 4] = [(&[0], true), (&[1], true), (&[0, 1], true), (&[0], false)];
/// How each gate ended, and after how many replications.
type Ended = [(Verdict, u64); GATES.len()];

impl Objective {
    /// Those of a world; p99 is judged as a share of 99 % within its limit.
    fn of(world: &World) -> [Self; 2] {
        let first = match world.outages {
            Some(_) => Self { name: "availability", limit: 1.0 - world.down(), at_least: true },
            None => Self { name: "mean", limit: world.mean(1.0), at_least: false },
        };
        [first, Self { name: "p99", limit: 0.99, at_least: true }]
    }

    /// The errors of saying that it passes and that it fails (`src/slo/gate.rs`); nothing is in flight here.
    fn shown(&self, pairs: &[(f64, f64)]) -> [f64; 2] {
        let Some(bounds) = Bounds::of_ratio(pairs) else { return [1.0, 1.0] };
        let [least, most] = if bounds.method() == Method::Identical {
            let (value, limit) = (bounds.value(), self.limit);
            [value >= limit, value <= limit].map(|met| f64::from(u8::from(!met)))
        } else {
            [bounds.error_at_least(self.limit), bounds.error_at_most(self.limit)]
        };
        if self.at_least { [least, most] } else { [most, least] }
    }
}

/// The verdict on a file at a look that may err so often (`src/slo/gate.rs`, `src/study/gate.rs`).
fn judged(shown: &[[f64; 2]], error: f64, hardly: bool) -> Verdict {
    let wrong = holm(&shown.iter().map(|shown| shown[1]).collect::<Vec<_>>());
    let each = shown.iter().zip(wrong).map(|(shown, wrong)| match () {
        () if wrong <= error => Verdict::Fail,
        () if shown[0] <= error && !hardly => Verdict::Pass,
        () => Verdict::Inconclusive,
    });
    each.max().unwrap_or(Verdict::Inconclusive)
}

/// Replications until each gate has decided, or the last look is over.
fn gated(world: &World, late: f64, experiment: u64) -> Ended {
    let mut draws = Draws::of(world, 2, experiment);
    let (mut pairs, mut strikes) = ([Vec::new(), Vec::new()], 0);
    let mut ended = [(Verdict::Inconclusive, 0); GATES.len()];
    for look in looks(CAP) {
        if ended.iter().all(|one| one.0 != Verdict::Inconclusive) {
            break;
        }
        while (pairs[0].len() as u64) < look.n {
            let (mut sum, mut answers, mut within) = (0.0, 0.0, 0.0);
            let drawn = world.replicate(&mut draws, [1.0], |_, time| {
                (sum, answers) = (sum + time, answers + 1.0);
                within += f64::from(u8::from(time <= late));
            });
            strikes += drawn.strikes;
            let all = answers + drawn.lost;
            let of_mean = world.outages.is_none();
            pairs[0].push(if of_mean { (sum / answers, 1.0) } else { (answers, all) });
            pairs[1].push((within, all));
        }
        let objectives = Objective::of(world);
        let shown: [_; 2] = from_fn(|i| objectives[i].shown(&pairs[i]));
        let hardly = world.outages.is_some() && strikes < STRIKES;
        let open = ended.iter_mut().zip(GATES).filter(|(end, _)| end.0 == Verdict::Inconclusive);
        for (end, (of, rule)) in open {
            let of: Vec<_> = of.iter().map(|&i| shown[i]).collect();
            *end = (judged(&of, ERROR * look.spends, hardly && rule), look.n);
        }
    }
    ended
}

/// Of the share that is lost: whether its upper bound is right, and the lower one, and the upper one by Student's t;
/// whether as many strikes were seen as a gate asks for.
type Bounded = [bool; 4];

/// By number of replications; without the queue, which plays no part in it.
fn bounded(world: &World, experiment: u64) -> [Bounded; BOUND_SIZES.len()] {
    let mut draws = Draws::of(world, 3, experiment);
    let (mut pairs, mut strikes) = (Vec::new(), 0);
    BOUND_SIZES.map(|size| {
        while pairs.len() < size {
            let timeline = world.timeline(&mut draws);
            let answers = timeline.up / world.gap;
            let answers = (answers + answers.sqrt() * draws.normal()).round().max(0.0);
            let lost = world.lost(&timeline, &mut draws);
            pairs.push((lost, lost + answers));
            strikes += timeline.strikes;
        }
        let bounds = Bounds::of_ratio(&pairs).expect("replications");
        let (_, student) = ratio_interval(&pairs, 1.0 - 2.0 * ERROR).expect("replications");
        let (low, high, truth) = (bounds.lower(ERROR), bounds.upper(ERROR), world.down());
        [high >= truth, low <= truth, student >= truth, strikes >= STRIKES]
    })
}

/// A world and what experiments say of it, each by number of replications.
struct Studied {
    world: World,
    intervals: Vec<[Figures<(bool, f64)>; SIZES.len()]>,
    gates: Vec<Ended>,
    bounds: Vec<[Bounded; BOUND_SIZES.len()]>,
}

impl Studied {
    fn new(world: World, of: usize) -> Self {
        let Truth { mean, p50, p99, available, means, p99s, late } = Truth::of(&world);
        let truth = [mean, p50, p99, available, means, p99s, mean, mean];
        let intervals = each(of, |i| {
            let mut draws = Draws::of(&world, 1, i);
            let mut all = Replications::default();
            SIZES.map(|size| {
                while all.good.len() < size {
                    all.push(&world, &mut draws);
                }
                let intervals = all.intervals(&world).expect("replications");
                // Whether it holds the truth, and half of its width.
                from_fn(|i| {
                    let ((low, high), truth) = (intervals[i], truth[i]);
                    (low <= truth && truth <= high, (high - low) / 2.0)
                })
            })
        });
        let gates = each(of, |i| gated(&world, late, i));
        let bounds = if world.outages.is_some() { of } else { 0 };
        let bounds = each(bounds, |i| bounded(&world, i));
        Self { world, intervals, gates, bounds }
    }

    fn right(&self, size: usize, figure: usize) -> Share {
        Share::of(&self.intervals, |one| one[size][figure].0)
    }

    /// Root mean square of the half widths.
    fn half(&self, size: usize, figure: usize) -> f64 {
        let squares = self.intervals.iter().map(|one| one[size][figure].1 * one[size][figure].1);
        (squares.sum::<f64>() / self.intervals.len() as f64).sqrt()
    }

    fn said(&self, gate: usize, verdict: Verdict) -> Share {
        Share::of(&self.gates, |ended| ended[gate].0 == verdict)
    }

    /// Gates that differ here, and what they judge.
    fn gates(&self) -> Vec<(usize, String)> {
        let [first, second] = Objective::of(&self.world).map(|one| one.name);
        let mut all = vec![(0, first.to_owned()), (1, second.to_owned())];
        all.push((2, format!("{first} and {second}")));
        if self.world.outages.is_some() {
            all.push((3, format!("{first}, however few strikes")));
        }
        all
    }
}

/// A share of experiments.
#[derive(Clone, Copy)]
struct Share {
    value: f64,
    /// Two standard errors, two experiments more counted on either side (Agresti and Coull 1998): none of a thousand
    /// is not none at all.
    error: f64,
}

impl Share {
    fn of<T>(all: &[T], hit: impl Fn(&T) -> bool) -> Self {
        let (hits, of) = (all.iter().filter(|one| hit(one)).count() as f64, all.len() as f64);
        let middle = (hits + 2.0) / (of + 4.0);
        let error = 2.0 * (middle * (1.0 - middle) / (of + 4.0)).sqrt();
        Self { value: if of > 0.0 { hits / of } else { f64::NAN }, error }
    }

    fn told(self) -> String {
        if self.value.is_nan() {
            return "-".to_owned();
        }
        format!("{:.1} ± {:.1}", 100.0 * self.value, 100.0 * self.error)
    }
}

/// How often something must be right, or may be wrong.
struct Limit {
    what: String,
    share: Share,
    range: (f64, f64),
}

impl Limit {
    fn is_missed(&self) -> bool {
        self.share.value < self.range.0 || self.share.value > self.range.1
    }

    /// Beyond what chance explains.
    fn is_broken(&self) -> bool {
        let Share { value, error } = self.share;
        value + error < self.range.0 || value - error > self.range.1
    }

    fn told(&self) -> String {
        let (low, high) = (100.0 * self.range.0, 100.0 * self.range.1);
        format!("{} {} % ({low:.0} to {high:.0})", self.what, self.share.told())
    }
}

fn limits(worlds: &[Studied]) -> Vec<Limit> {
    let mut limits = Vec::new();
    for one in worlds {
        let mut add = |what: String, share: Share, range: (f64, f64)| {
            limits.push(Limit { what: format!("{}: {what}", one.world.name), share, range });
        };
        for i in [0, 1, 2, 4, 5] {
            let least = if FIGURES[i] == "p99" { 0.92 } else { 0.93 };
            add(format!("{} at 50", FIGURES[i]), one.right(3, i), (least, 0.97));
        }
        for (gate, what) in one.gates().into_iter().filter(|one| GATES[one.0].1) {
            add(format!("false PASS of {what}"), one.said(gate, Verdict::Pass), (0.0, 0.07));
            add(format!("false FAIL of {what}"), one.said(gate, Verdict::Fail), (0.0, 0.07));
        }
        if one.world.name == "outages" {
            for (size, least) in [(1, 0.91), (3, 0.94)] {
                let share = Share::of(&one.bounds, |bounds| bounds[size][0]);
                add(format!("upper bound at {}", BOUND_SIZES[size]), share, (least, 1.0));
            }
        }
    }
    limits
}

fn section(worlds: &[Studied], limits: &[Limit]) -> String {
    let mut text = format!(
        "## How often the intervals are right\n\n\
         Written by `cargo run --release --example coverage`: {} experiments on each of four small \
         worlds, simulated apart from the engine, whose truth is known; about six minutes of one \
         core, and the same bytes every time. What is given is how many of 100 experiments were \
         right, ± two standard errors of that share.\n\n{WORLDS}\n\
         Times are those of M/M/1 and M/G/1 (Pollaczek and Khinchine): means and availabilities by \
         formula, quantiles solved numerically to 1 in 100,000, which is nothing against the widths \
         they are compared with. Δ: the second design less the first. The second design has 5 % less work \
         with the same draws.\n",
        worlds[0].gates.len()
    );
    text += &intervals_told(worlds);
    text += &bounds_told(worlds);
    text += &gates_told(worlds);
    text += &controls_told(worlds);
    text += &verdict(worlds, limits);
    text
}

const WORLDS: &str = "\
- *M/M/1*: at 80 %; 3,600 requests a replication; available: answered within 2.65 s, 5.3 times the mean.
- *Heavy tail*: M/G/1 at 50 % with lognormal work whose p99 is 20 times its median; 3,600 requests a replication; \
available: answered within 6 times the mean.
- *Outages*: M/M/1 at 50 %, a request a second, for an hour. Every 2 h it fails, for 30 s in the median and beyond \
5 min in 1 of 100 cases (lognormal). What arrives meanwhile is lost, what waits stands still: 39 % of the replications see \
an outage.
- *Rare failure*: the same, but it fails every 20 h: 5 % of the replications see it.
";

/// A table in Markdown.
fn table(title: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let heads: Vec<_> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rule = |i: usize| if i == 0 { "---" } else { "---:" }.to_owned();
    let rules: Vec<_> = (0..head.len()).map(rule).collect();
    let rows: String = rows.iter().map(|row| line(row)).collect();
    format!("\n### {title}\n\n{}{}{rows}", line(&heads), line(&rules))
}

fn intervals_told(worlds: &[Studied]) -> String {
    let row = |one: &Studied, size: usize| {
        let names = [one.world.name.to_owned(), SIZES[size].to_string()];
        let cells = (0..LIMITED).map(|figure| one.right(size, figure).told());
        names.into_iter().chain(cells).collect()
    };
    let rows = worlds.iter().flat_map(|one| (0..SIZES.len()).map(move |size| row(one, size)));
    let head = [&["world", "replications"], &FIGURES[..LIMITED]].concat();
    table("Two-sided intervals at 95 %", &head, &rows.collect::<Vec<_>>())
}

fn bounds_told(worlds: &[Studied]) -> String {
    let row = |one: &Studied, size: usize| {
        let of = |i: usize| Share::of(&one.bounds, |bounds| bounds[size][i]).told();
        let known: Vec<_> = one.bounds.iter().filter(|bounds| bounds[size][3]).collect();
        let known = Share::of(&known, |bounds| bounds[size][0]).told();
        let names = [one.world.name.to_owned(), BOUND_SIZES[size].to_string()];
        names.into_iter().chain([of(0), of(1), of(2), of(3), known]).collect()
    };
    let failing = worlds.iter().filter(|one| one.world.outages.is_some());
    let rows = failing.flat_map(|one| (0..BOUND_SIZES.len()).map(move |size| row(one, size)));
    let head = [
        "world",
        "replications",
        "upper, bootstrap-t",
        "lower, bootstrap-t",
        "upper, Student's t",
        "10 strikes and more",
        "upper, bootstrap-t, of those",
    ];
    let title = "One-sided bounds, at 95 %, of the share of requests that is lost";
    table(title, &head, &rows.collect::<Vec<_>>())
}

fn gates_told(worlds: &[Studied]) -> String {
    let row = |one: &Studied, gate: usize, what: String| {
        let replications: u64 = one.gates.iter().map(|ended| ended[gate].1).sum();
        let said = |verdict| one.said(gate, verdict).told();
        let mut cells = vec![one.world.name.to_owned(), what];
        cells.extend([Verdict::Pass, Verdict::Fail, Verdict::Inconclusive].map(said));
        cells.push(format!("{:.0}", replications as f64 / one.gates.len() as f64));
        cells
    };
    let rows = worlds
        .iter()
        .flat_map(|one| one.gates().into_iter().map(move |(gate, what)| row(one, gate, what)));
    let head =
        ["world", "objectives", "false PASS", "false FAIL", "inconclusive", "replications used"];
    let title = "Gates whose limit is exactly the truth, looks at 20, 40, 80, 160, 320, error 5 %";
    table(title, &head, &rows.collect::<Vec<_>>())
}

fn controls_told(worlds: &[Studied]) -> String {
    let row = |one: &Studied, size: usize| {
        let mut cells = vec![one.world.name.to_owned(), SIZES[size].to_string()];
        cells.push(one.right(size, 0).told());
        for control in [6, 7] {
            let saved = one.half(size, 0) / one.half(size, control);
            cells.push(one.right(size, control).told());
            cells.push(format!("{:.2}", saved * saved));
        }
        cells
    };
    let queues = worlds.iter().filter(|one| one.world.outages.is_none());
    let rows = queues.flat_map(|one| [2, 3].map(|size| row(one, size)));
    let head = [
        "world",
        "replications",
        "mean alone",
        "with the mean work drawn",
        "times less variance",
        "with the load drawn",
        "times less variance",
    ];
    table("The mean with a control, two-sided at 95 %", &head, &rows.collect::<Vec<_>>())
}

fn verdict(worlds: &[Studied], limits: &[Limit]) -> String {
    let told = |of: &dyn Fn(&&Limit) -> bool| {
        let told: Vec<_> = limits.iter().filter(of).map(Limit::told).collect();
        if told.is_empty() { "none".to_owned() } else { told.join("; ") }
    };
    let [queue, tail, outages, rare] = worlds else { unreachable!("there are four worlds") };
    let availability = |one: &Studied| {
        [0, 1, 2, 3].map(|size| format!("{:.0}", 100.0 * one.right(size, 3).value)).join(", ")
    };
    let worst = |figure: usize, size: usize| {
        let each = worlds.iter().map(|one| (one.right(size, figure), one.world.name));
        let worst = each.min_by(|a, b| a.0.value.total_cmp(&b.0.value));
        worst.map(|(share, name)| format!("{} ({name})", share.told())).unwrap_or_default()
    };
    let worsts: String = (0..LIMITED)
        .map(|i| format!("- {}: {} at 5, {} at 50.\n", FIGURES[i], worst(i, 0), worst(i, 3)))
        .collect();
    let bound = Share::of(&rare.bounds, |bounds| bounds[0][0]).told();
    let [with, without] = [0, 3].map(|gate| rare.said(gate, Verdict::Pass).told());
    format!(
        "\n### What is worst, and where not to trust it\n\nThe worst world of each figure:\n\n{worsts}\n\
         Not to be trusted:\n\n\
         - Availability where little fails: two-sided intervals are right in {} of 100 cases at 5, 10, \
         20 and 50 replications of the rare failure, and in {} of the outages. Below 20 they are \
         Student's; and where no replication saw a failure, all say 100 %, which is told as it is. \
         `check` passes nothing on either.\n\
         - An upper bound of what struck once in 20 replications is right in {bound} %. That is why \
         `check` passes nothing before ten strikes: without this rule {without} % of the gates of \
         the rare failure would pass, with it {with} %.\n\
         - A mean of heavy-tailed work: {} % at 20, {} at 50 replications, and {} % false PASS where \
         p99 has {}. A control makes it worse: {} at 50.\n\
         - Differences of p99 at few replications: {} % at 5, {} at 20 (M/M/1).\n\n\
         ### Limits\n\n\
         At 50 replications mean, p50 and both differences are to be right in 93 to 97 % of the \
         experiments, p99 in 92 to 97; upper bounds of outages in at least 91 at 50 and 94 at 800; \
         false PASS and false FAIL at most 7 each. One is broken when it is missed by more than two \
         standard errors.\n\n\
         Of {} limits, missed within two standard errors: {}. Broken: {}.\n",
        availability(rare),
        availability(outages),
        tail.right(2, 0).told(),
        tail.right(3, 0).told(),
        tail.said(0, Verdict::Pass).told(),
        tail.said(1, Verdict::Pass).told(),
        tail.right(3, 6).told(),
        queue.right(0, 5).told(),
        queue.right(2, 5).told(),
        limits.len(),
        told(&|limit| limit.is_missed() && !limit.is_broken()),
        told(&|limit| limit.is_broken()),
    )
}
