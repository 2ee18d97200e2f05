//! Rows of traces on the clock of the run: where it starts, in which order, spread over coarse stamps.
//!
//! **Invariant.** All rows of a trace are replayed; each that is left out is counted, and a warning says why and where the first
//! of them is. So does whatever else sets them apart from the file.

pub mod operations;

use std::{collections::BTreeMap, sync::Arc};

use super::client::{
    Arrivals, Spread, TraceSpec, TraceStart, TraceUnit,
    curve::{Curve, CurveSpec},
};
use crate::{
    engine::{
        law::{Table, Tables, to_nanos},
        random::Stream,
    },
    model::{design::Design, network::MatrixSpec},
    problem::Problems,
    units::SimDuration,
};

/// Files a design refers to.
pub trait Data: Tables {
    /// A column of times, non-decreasing unless it is to be sorted.
    fn times(
        &self,
        table: &Table,
        column: &str,
        reading: (TraceUnit, bool),
    ) -> Result<Stamps, String>;
    /// A column of numbers, and perhaps of texts, each as the number it stands for. Where bad rows are skipped what is no number
    /// is not one here either: NaN.
    fn numbers(
        &self,
        table: &Table,
        column: &str,
        word: Option<&dyn Fn(&str) -> f64>,
    ) -> Result<Vec<f64>, String>;
    /// A column of texts, one after the other.
    fn texts(&self, table: &Table, column: &str, take: &mut dyn FnMut(&str)) -> Result<(), String>;
    /// The line of a row (from 0) of those that are read.
    fn line(&self, table: &Table, column: &str, row: u32) -> Option<u64>;
    /// What became of the lines of the column of numbers or keys that was read last.
    fn left_out(&self) -> Tally;
    /// A load over time.
    fn curve(&self, spec: &CurveSpec) -> Result<(Curve, Tally), String>;
    /// The keys of a file, in order; a text is the key of that text.
    fn keys(&self, table: &Table, column: Option<&str>) -> Result<Vec<u64>, String>;
    /// One-way latencies (from, to, ns) of a matrix of regions.
    fn matrix(&self, spec: &MatrixSpec) -> Result<Vec<(String, String, f64)>, String>;
}

/// What became of the lines of a file as it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows that were read.
    pub rows: u64,
    /// Rows that `where` leaves out.
    pub filtered: u64,
    /// Lines that cannot be read.
    pub unreadable: u64,
    /// The first of these.
    pub first: Option<u64>,
}

impl Tally {
    /// A line cannot be read; of the first it is asked which it is.
    pub fn misses(&mut self, line: impl FnOnce() -> u64) {
        self.unreadable += 1;
        self.first.get_or_insert_with(line);
    }

    /// Both together.
    pub fn add(&mut self, other: Self) {
        let first = [self.first, other.first].into_iter().flatten().min();
        self.unreadable += other.unreadable;
        (self.first, self.rows) = (first, self.rows - other.unreadable);
    }

    /// Warns of what was left out of a file, by its name.
    pub(super) fn warn(&self, file: &str, path: &str, problems: &mut Problems) {
        let Self { rows, filtered, unreadable, first } = *self;
        let all = rows + filtered + unreadable;
        if unreadable > 0 {
            let line = first.map_or(String::new(), |line| format!(": the first is line {line}"));
            let message = format!(
                "{unreadable} of {all} rows of `{file}` cannot be read and are left out{line}"
            );
            problems.warn(
                "W-ROWS",
                path,
                message,
                "without `bad=skip` the first is an error that says why",
            );
        }
        if filtered > 0 && rows * NEXT_TO_NOTHING < all {
            let message = format!("`where` keeps {rows} of {all} rows of `{file}`");
            problems.warn(
                "W-TRACE",
                path,
                message,
                "is it meant so? capitals count: `GET` is not `get`",
            );
        }
    }
}

/// Requests that the rows of one trace stand for, at most.
const MOST_REQUESTS: f64 = 2e8;
/// Less than one row of so many is next to nothing.
const NEXT_TO_NOTHING: u64 = 100;

/// Stands for the time of a row that has none.
pub const UNKNOWN: i64 = i64::MIN;

/// Instants of a file, in nanoseconds: its first row, and each row's distance from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    /// The first row, from the origin of the file's own clock (1970 for dates).
    pub first: i128,
    /// Each row since the first one; [`UNKNOWN`] of those that are left out.
    pub since: Vec<i64>,
    /// What became of the lines.
    pub tally: Tally,
}

/// Rows of a client's trace.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Instants from the start of the run, non-decreasing, ns.
    pub times: Arc<[u64]>,
    /// Place in the file of each, where that is not its own number.
    order: Option<Vec<u32>>,
    /// Rows that share a stamp come within so many ns after it.
    spread: u64,
    /// Where the file is and what is left out of it.
    pub table: Table,
    /// What became of the lines.
    pub tally: Tally,
    /// They are on a clock of our days, as far as one can see.
    sane: bool,
}

/// Units that stamps are rounded to, ns.
const RESOLUTIONS: [u64; 8] =
    [60_000_000_000, 1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1000];
/// Later than any run ends, and still far from the end of the clock.
const NEVER: u64 = u64::MAX / 4;

/// The rows of all clients that replay a trace, by the client's name.
pub(super) fn rows(
    design: &Design,
    data: &dyn Data,
    problems: &mut Problems,
) -> BTreeMap<String, Rows> {
    let mut read = Vec::new();
    for (name, client) in &design.clients {
        let Arrivals::Trace(trace) = &client.arrivals else { continue };
        let path = format!("clients.{}.arrivals", name.0);
        let table = client.trace_table().expect("it is a trace");
        match data.times(&table, &trace.column, (trace.unit, trace.sort)) {
            Ok(stamps) if stamps.known().next().is_none() => {
                problems.error("E-TRACE", path, stamps.nothing(&table.file));
            }
            Ok(stamps) => read.push((&name.0, path, (trace, table), stamps)),
            Err(message) => problems.error("E-TRACE", path, message),
        }
    }
    let shared = read.iter().filter(|(_, _, (trace, _), _)| trace.start != TraceStart::First);
    let earliest = shared.map(|(.., stamps)| stamps.earliest()).min().unwrap_or_default();
    let mut all = BTreeMap::new();
    for (name, path, (trace, table), stamps) in read {
        let origin = match &trace.start {
            TraceStart::Earliest => earliest,
            TraceStart::First => stamps.earliest(),
            TraceStart::At { nanos, .. } => *nanos,
        };
        if let Some((unit, years)) = stamps.finer_unit(trace.unit) {
            let (file, read) = (&table.file, trace.unit);
            let message = format!("read as {read}, `{file}` begins {years} years after 1970");
            problems.warn("W-TRACE", &path, message, format!("should it be `unit={unit}`?"));
        }
        let sane = stamps.finer_unit(trace.unit).is_none();
        let place = Place { data, path: &path, trace, table };
        if let Some(rows) = Rows::new(place, &stamps, origin, problems) {
            all.insert(name.clone(), Rows { sane, ..rows });
        }
    }
    all
}

/// A trace, and where what is said of it belongs.
struct Place<'a> {
    data: &'a dyn Data,
    path: &'a str,
    trace: &'a TraceSpec,
    table: Table,
}

impl Stamps {
    /// Rows that have a time, by number.
    fn known(&self) -> impl Iterator<Item = (u32, i64)> {
        let all = self.since.iter().enumerate().map(|(row, &since)| (row as u32, since));
        all.filter(|(_, since)| *since != UNKNOWN)
    }

    fn earliest(&self) -> i128 {
        self.first + i128::from(self.known().map(|row| row.1).min().unwrap_or_default())
    }

    /// Why there is no row.
    fn nothing(&self, file: &str) -> String {
        let Tally { filtered, unreadable, .. } = self.tally;
        match (filtered, unreadable + self.since.len() as u64) {
            (0, 0) => format!("`{file}` has no rows"),
            (0, unreadable) => format!("none of the {unreadable} rows of `{file}` can be read"),
            (filtered, 0) => format!("`where` keeps none of the {filtered} rows of `{file}`"),
            (filtered, unreadable) => format!(
                "of `{file}` `where` leaves out {filtered} rows, and none of the {unreadable} others can be read"
            ),
        }
    }

    /// The unit in which these numbers would be times of our days, if in theirs they are not by far,
    /// and the years since 1970 they are read as.
    fn finer_unit(&self, unit: TraceUnit) -> Option<(TraceUnit, i128)> {
        const YEAR: i128 = 31_557_600_000_000_000;
        let TraceUnit::Nanoseconds(nanos) = unit else { return None };
        // Numbers from elsewhere: no unit makes them times since 1970.
        let years = self.first / YEAR;
        let ours = |finer: &u64| {
            let first = self.first / i128::from(nanos) * i128::from(*finer);
            (20..200).contains(&(first / YEAR))
        };
        let finer = [1_000_000, 1000, 1].into_iter().filter(|finer| *finer < nanos).find(ours);
        finer.filter(|_| years >= 1000).map(|finer| (TraceUnit::Nanoseconds(finer), years))
    }

    /// The largest unit all stamps are whole multiples of, if rows crowd on nearly every one.
    fn resolution(&self, sorted: &[u64]) -> Option<u64> {
        let whole = |unit: u64| {
            self.known().all(|(_, since)| {
                (self.first + i128::from(since)).rem_euclid(i128::from(unit)) == 0
            })
        };
        let steps = || sorted.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 0);
        let distinct = 1 + steps().count();
        // Stamps far apart that are shared are batches, not seconds cut off.
        let dense =
            |unit: u64| 2 * steps().filter(|step| *step <= 2 * unit).count() >= distinct - 1;
        let crowded = distinct > 1 && (sorted.len() - distinct) * 10 >= sorted.len();
        if !crowded {
            return None;
        }
        RESOLUTIONS.into_iter().find(|unit| whole(*unit)).filter(|unit| dense(*unit))
    }
}

impl Rows {
    fn new(
        Place { data, path, trace, table }: Place<'_>,
        stamps: &Stamps,
        origin: i128,
        problems: &mut Problems,
    ) -> Option<Self> {
        let (file, total) = (table.file.clone(), stamps.known().count());
        let comes = |since: i64| stamps.first + i128::from(since) >= origin;
        let mut kept: Vec<u32> =
            stamps.known().filter(|row| comes(row.1)).map(|row| row.0).collect();
        let before = total - kept.len();
        if kept.is_empty() {
            let message = format!("all rows of `{file}` are before `start`");
            problems.error_help("E-TRACE", path, message, "an earlier `start`");
            return None;
        }
        if before > 0 {
            let first = stamps.known().find(|row| !comes(row.1)).map_or(0, |row| row.0);
            let line = data.line(&table, &trace.column, first).unwrap_or_default();
            let message = format!(
                "{before} of {total} rows are before `start` and are left out: the first is line {line}"
            );
            problems.warn("W-ROWS", path, message, "an earlier `start` keeps them");
        }
        if trace.sort {
            kept.sort_by_key(|&row| stamps.since[row as usize]);
        }
        let time = |&row: &u32| {
            let time = stamps.first + i128::from(stamps.since[row as usize]) - origin;
            u64::try_from(time).map_or(NEVER, |time| time.min(NEVER))
        };
        let times: Vec<u64> = kept.iter().map(time).collect();
        let spread = match trace.spread {
            Spread::Over(nanos) => nanos,
            Spread::Auto => stamps
                .resolution(&times)
                .inspect(|unit| {
                    let unit = SimDuration(*unit);
                    let message = format!(
                        "all times of `{file}` are multiples of {unit} and many rows share theirs: \
                     they are spread at random over the {unit} after it, in their order"
                    );
                    let help =
                        format!("`spread={unit}` says so, `spread=none` lets them come at once");
                    problems.warn("W-TRACE", path, message, help);
                })
                .unwrap_or(0),
        };
        let in_order = kept.iter().enumerate().all(|(i, &row)| i == row as usize);
        let mut tally = stamps.tally;
        let lost = stamps.since.iter().position(|since| *since == UNKNOWN);
        let line = lost.and_then(|row| data.line(&table, &trace.column, row as u32));
        let unreadable = (stamps.since.len() - total) as u64;
        tally.add(Tally { unreadable, first: line, ..Tally::default() });
        Some(Self {
            times: times.into(),
            order: (!in_order).then_some(kept),
            spread,
            table,
            tally,
            sane: true,
        })
    }

    /// Leaves out rows that cannot be read, which are told, and others, which were, by their places in the file.
    pub(super) fn skip(
        &mut self,
        bad: &dyn Fn(usize) -> bool,
        others: &dyn Fn(usize) -> bool,
        (data, column): (&dyn Data, &str),
    ) {
        let all = || (0..self.times.len()).map(|i| self.row(i));
        let unreadable = all().filter(|&row| bad(row as usize)).count() as u64;
        let first = all().filter(|&row| bad(row as usize)).min();
        let first = first.and_then(|row| data.line(&self.table, column, row));
        let good = |&(row, _): &(u32, u64)| !bad(row as usize) && !others(row as usize);
        let kept: Vec<(u32, u64)> = all().zip(self.times.iter().copied()).filter(good).collect();
        self.tally.add(Tally { unreadable, first, ..Tally::default() });
        if kept.len() < self.times.len() {
            self.order = Some(kept.iter().map(|row| row.0).collect());
            self.times = kept.iter().map(|row| row.1).collect();
        }
    }

    /// Each row stands for so many requests, by its place in the file.
    pub(super) fn repeat(&mut self, counts: &[f64]) -> Result<(), String> {
        let file = &self.table.file;
        let (mut order, mut times) = (Vec::new(), Vec::new());
        for (i, &time) in self.times.iter().enumerate() {
            let row = self.row(i);
            let count = counts[row as usize];
            if count < 0.0 || count.fract() != 0.0 {
                return Err(format!("`{file}`: {count} is no number of requests"));
            }
            if order.len() as f64 + count > MOST_REQUESTS {
                return Err(format!(
                    "the rows of `{file}` stand for more than {MOST_REQUESTS} requests"
                ));
            }
            order.extend(std::iter::repeat_n(row, count as usize));
            times.extend(std::iter::repeat_n(time, count as usize));
        }
        (self.times, self.order) = (times.into(), Some(order));
        Ok(())
    }

    /// Place in the file of the `i`-th row.
    fn row(&self, i: usize) -> u32 {
        self.order.as_ref().map_or(i as u32, |order| order[i])
    }

    /// Warns of what a run makes of them that its author may not expect.
    pub(super) fn compare(
        &self,
        (trace, duration): (&TraceSpec, u64),
        (data, path): (&dyn Data, &str),
        problems: &mut Problems,
    ) {
        let file = &self.table.file;
        self.tally.warn(file, path, problems);
        // In another unit all of what follows would be otherwise.
        if !self.sane {
            return;
        }
        let (first, last) = (self.times[0], self.times[self.times.len() - 1]);
        let scale = |time: u64| scaled(time, trace.speed);
        let beyond = self.times.iter().rev().take_while(|&&time| scale(time) >= duration).count();
        let total = self.times.len();
        let (end, last) = (SimDuration(duration), SimDuration(scale(last)));
        let line = || data.line(&self.table, &trace.column, self.row(total - beyond));
        if beyond == total {
            let message = format!(
                "no row of `{file}` is sent: the first comes {} after the start, the run ends at {end}",
                SimDuration(scale(first))
            );
            let help = "rows keep their time from the earliest row of all traces; `start=first` \
                        counts from the file's own";
            problems.warn("W-TRACE", path, message, help);
        } else if beyond > 0 {
            let line =
                line().map_or(String::new(), |line| format!(", the first of them is line {line}"));
            let message = format!(
                "{beyond} of {total} rows of `{file}` come after the end of the run ({end}) and \
                 are not sent: the last one is at {last}{line}"
            );
            let code = if beyond * 10 > total { "W-TRACE" } else { "W-ROWS" };
            problems.warn(code, path, message, "a longer `duration`, or `start=`");
        } else if !trace.repeat && last.0 < duration - duration / 10 {
            let message =
                format!("the last row of `{file}` is at {last}, the run goes on until {end}");
            problems.warn("W-TRACE", path, message, "`at_end=repeat`, or a shorter `duration`");
        }
    }

    /// The values of a column of the same file, as its rows come.
    pub(super) fn arranged<T: Copy>(&self, column: Vec<T>) -> Vec<T> {
        match &self.order {
            None => column,
            Some(order) => order.iter().map(|&row| column[row as usize]).collect(),
        }
    }

    /// The instants of a replication and the length of one pass, at a speed.
    pub fn replay(&self, speed: f64, stream: Stream) -> (Arc<[u64]>, u64) {
        let (first, last) = (self.times[0], self.times[self.times.len() - 1]);
        // A pass ends one mean gap after its last row, and not within that one's stamp.
        let length = scaled(last, speed) - scaled(first, speed);
        let gap = length / (self.times.len() as u64 - 1).max(1);
        let period = length + gap.max(1).max(scaled(self.spread, speed));
        if self.spread > 0 {
            let times = self.spread_out(stream);
            return (times.into_iter().map(|time| scaled(time, speed)).collect(), period);
        }
        let times = if speed.to_bits() == 1f64.to_bits() {
            Arc::clone(&self.times)
        } else {
            self.times.iter().map(|&time| scaled(time, speed)).collect()
        };
        (times, period)
    }

    /// Rows that share a stamp at random instants of the time it stands for, in their order.
    fn spread_out(&self, stream: Stream) -> Vec<u64> {
        let mut times = Vec::with_capacity(self.times.len());
        for group in self.times.chunk_by(|a, b| a == b) {
            let from = times.len();
            let alone = group.len() == 1;
            times.extend(group.iter().enumerate().map(|(i, &stamp)| {
                let place = stream.draw((from + i) as u64).unit();
                // One row by itself keeps its stamp: nothing is known that moved it.
                if alone { stamp } else { stamp + to_nanos(place * (self.spread - 1) as f64) }
            }));
            times[from..].sort_unstable();
        }
        times
    }
}

/// A time at a speed.
fn scaled(time: u64, speed: f64) -> u64 {
    if speed.to_bits() == 1f64.to_bits() {
        return time;
    }
    to_nanos((time as f64 / speed).min(NEVER as f64))
}
