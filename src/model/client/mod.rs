//! Clients: arrivals, load profiles, operations, keys, attributes, sessions.

pub mod active;
mod active_check;
pub mod alone;
pub mod build;
mod carried;
pub mod check;
pub mod curve;
pub mod load;
mod load_text;
pub mod operations;
pub mod run;
pub mod schedule;
mod sessions;
pub mod source;

mod text;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::{DurationLaw, NumberLaw, Selection, SizeFormula, Table},
    model::{
        consistency::spec::GuaranteeSpec,
        network::ZonesSpec,
        queue::consumes::PublishSpec,
        replication::{AnswerSpec, LevelSpec},
        resilience::{
            DeadlineSpec, FallbackSpec, RetrySpec,
            breaker::BreakerSpec,
            rate_limit::RateLimitsSpec,
            specs::{BulkheadSpec, HedgeSpec, PoolSpec},
            throttle::ThrottleSpec,
        },
        service::StepSpec,
    },
    units::{Count, Fraction, Name, Number, Rate, SimDuration},
};
use curve::CurveSpec;
use schedule::Schedule;

/// A population of clients: when its requests come, where they go, what they carry.
///
/// ```yaml
/// shoppers: {arrivals: poisson(1200/s), to: edge, keys: zipf(n=1M s=0.99), timeout: 1s}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientSpec {
    /// When requests (or sessions) start: `poisson(100/s)`, `poisson(20/s batch=4)`,
    /// `constant(100/s)`, `renewal(erlang(k=3 mean=10ms))`, `mmpp(0.2/s for 100s; 1.6/s for 50s)`,
    /// `closed(users=50 think=exp(mean=1s))`, which sends no more than `requests=80` of all users together where that is said,
    /// `schedule(every=24h at=2h batch=50k over=10m)`, `requirements(peak)` or `requirements(average)`,
    /// `trace(file=f.csv.gz column=t unit=s speed=2 at_end=repeat)`.
    ///
    /// Of a schedule: in every period, the first included, `batch` requests (1 when absent) come from `at` on (0s), evenly
    /// over `over`, or all at once without it. Nothing of that is drawn.
    ///
    /// Of `requirements`: a Poisson process at the rate that the scenario's [`requirements`](#requirements) say; a client with
    /// operations sends those actions that are called like them, in their shares, one without sends all.
    ///
    /// Of a trace:
    ///
    /// - `unit` is `s` (when absent), `ms`, `us`, `ns`, or `datetime` for `2024-05-01 10:00:00.250`,
    ///   `2024-05-01T10:00:00Z`, `..+01:00` (UTC without a zone) and `01/May/2024:10:00:00 +0000`.
    /// - The start of the run is the earliest row of all traces of the scenario, so that several logs
    ///   keep their common clock; `start=2024-05-01T10:00:00Z` (or a number in the trace's unit) is
    ///   another one, and rows before it are left out; `start=first` is the file's own first row.
    ///   A fault at a logged time stands `at:` its distance from there.
    /// - `sort=true` puts rows in order of time, with all their columns; logs are written when
    ///   requests end.
    /// - Rows that share a stamp are spread at random over the stamp's resolution, in their order and
    ///   anew in each replication, where all stamps are multiples of a unit (1us to 1s, 1m) and many
    ///   repeat; a warning says so. `spread=1s` chooses the span, `spread=none` lets them come at once.
    /// - `unit=filetime` has 100 ns since 1601, as Windows counts. `count=column` says how many requests a row stands for.
    /// - Cells are parted by commas; `separator=;`, `separator=tab` or `separator=blank` (runs of blanks and tabs; what is in
    ///   quotes is one cell) says otherwise. With `header=none` columns are numbers from 1 (`3` or `#3`). `decimal=comma` reads
    ///   `12,5`.
    /// - `format=jsonl` has a JSON object in each line; columns are its names, and those of inner objects behind dots
    ///   (`data.tags.method`).
    /// - `where="metric_name == http_reqs and status < 500"` reads such rows only; conditions are `==`, `!=`, `<`, `<=`, `>`, `>=`,
    ///   numbers are compared as numbers. All laws that read a file know it; of a trace the client's `where:` says the same.
    /// - What cannot be read is an error at its line; `bad=skip` leaves out lines that are no rows, and rows whose time or number
    ///   cannot be read, and a warning says how many and where the first is.
    /// - `format=combined` reads logs of nginx and Apache: the times are its column (`column=` and
    ///   `unit=` may be absent), and `column(..)`, `keys` and `empirical(..)` find `host`, `user`,
    ///   `time`, `request`, `method`, `path`, `status`, `bytes`, `referer`, `agent`, and as
    ///   `request_time` the last number of a line (nginx `$request_time`, Apache `%T` or `%D`).
    /// - `format=alb` reads access logs of AWS application load balancers by the names that AWS gives their fields (`time`,
    ///   `target_processing_time`, `elb_status_code`, .. up to `request_creation_time`), and `method` and `url` of the request.
    pub arrivals: Arrivals,
    /// Rows of the trace that are requests, by conditions on its columns: `metric_name == http_reqs`, `status < 500 and method ==
    /// GET`; all when absent. The others are left out with all their columns, keys included.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub where_: Option<Selection>,
    /// Multiplies the rate: a number, a list of steps, recurring steps, or what a file says.
    ///
    /// `curve(file=rps.csv column=rps unit=/s time=t)` follows a file. With a `unit` its numbers are rates (`/s`, `/min`, `/h`) or
    /// `count`, how many came until the next row, and beside `poisson(1/s)` so many requests come; without one they are plain
    /// factors.
    ///
    /// - When they are says a column of times, `time=t` with `time_unit=` as a trace's `unit` (`s` when absent), or `every=1m`.
    ///   The first row is the start of the run, or `start=2024-05-01T10:00:00Z`.
    /// - A value lasts until the next row; `shape=linear` goes straight from one to the next. The last one lasts as long as the one
    ///   before; then nothing comes, or `at_end=hold` keeps it, or `at_end=repeat` begins anew.
    /// - `columns=1..1440` has the values side by side, in columns that are called by these numbers, and rows are added up:
    ///   `curve(file=invocations.csv columns=1..1440 unit=count every=1m where="Trigger == http")`.
    /// - `scale=2` is twice as much. Files are read as those of traces are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<LoadSpec>,
    /// Sends only around faults and in windows between them, for runs of years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<ActiveSpec>,
    /// Which operation each row of the trace is: `column(op)` where its texts are names of the operations, `column(method GET=read
    /// POST=write other=skip)` where they are called otherwise. A value that is none of them is an error that says how often it
    /// comes; `other=skip` leaves such rows out, `other=read` takes them for that operation, `DELETE=skip` leaves out those with
    /// one value. Takes the place of shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<RowOperations>,
    /// Kinds of request and their shares; with one target `to:` alone makes the operation `default`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub operations: BTreeMap<Name, OperationSpec>,
    /// What each arrival does instead of one request: `do`, `wait`, `repeat`, `choose` steps over
    /// the operations. Arrivals and users then count sessions; keys stay fixed within one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub session: Vec<StepSpec>,
    /// Key of each request: one law, or several named spaces of which the first (in the order of
    /// the file) is the request's own. Laws: `zipf(n=1M s=0.99)`, `uniform(n=1M)`,
    /// `hot(n=1M hot=1% share=80%)`, `sequential(n=1M)`, `trace(file=keys.csv.gz column=key)`. Keys of
    /// a file may be texts; with the file of a client's trace each request has its row's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeysSpec>,
    /// What requests carry besides: constants and laws of plain numbers (`7`, `uniform(1 100)`), choices
    /// (`choice(gold=20% free=80%)`), coins (`10%`: true for a tenth of the requests, as `when: member` asks),
    /// columns of the trace (`column(ContextTokens)`). A column may
    /// hold texts where `when:` compares its attribute with a name (`op == get`) or limits and locks go by it (`per=tenant`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<Name, AttributeSpec>,
    /// Where the clients stand; outside all zones (`internet`) when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<ZonesSpec>,
    /// The one operation's target and policies, or the defaults of all operations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Name>,
    /// Read the request's key straight from a store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<ReadFromSpec>,
    /// Write the request's key straight to a store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<WriteToSpec>,
    /// Delete the request's key straight from a store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<Name>,
    /// Compare-and-set the request's key straight in a store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cas: Option<Name>,
    /// Increment the request's key straight in a store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub increment: Option<Name>,
    /// Puts a message in a queue or topic: its name, or `{to, key, size, delay, ack}`; `publish: x` is the same as `to: x`. A
    /// request is answered when the message is accepted; with `ack: none` it is over (`ok`) as soon as it is sent, whatever
    /// becomes of it, and no policy applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<PublishSpec>,
    /// Longest wait for one attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<SimDuration>,
    /// Longest wait for the whole request, from its intended send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<DeadlineSpec>,
    /// Further attempts after a failed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetrySpec>,
    /// Refuses requests while too many of them fail; one for each operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerSpec>,
    /// Refuses requests itself while too few are accepted, as in `dependencies`; apart for each operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<ThrottleSpec>,
    /// So many requests in so much time, as in `dependencies`; one limit for each operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimitsSpec>,
    /// So many requests at once, as in `dependencies`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bulkhead: Option<BulkheadSpec>,
    /// So many connections, as in `dependencies`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolSpec>,
    /// A second copy of a request that takes long, as in `dependencies`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hedge: Option<HedgeSpec>,
    /// What takes the place of an answer, as in `dependencies`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackSpec>,
    /// A request given up is called off by a message; without it the work goes on to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<bool>,
    /// What its sessions may count on, whatever replica or cache answers: `read_your_writes`, `monotonic_reads`,
    /// `monotonic_writes`, `writes_follow_reads`. Requests take along what a session has seen; who is
    /// behind that is passed over. Nothing when absent: what is broken is counted only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guarantees: Option<Vec<GuaranteeSpec>>,
    /// All attempts, hedges and copies of a request are one: writes carry a key, and who has done one already answers as it did
    /// then instead of doing it again. The key goes along through services. Without it a retry is a write of its own that may
    /// come after newer ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// 1 is most urgent; 100 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Count>,
    /// Size of a request, for links with bandwidth and formulas; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<SizeFormula>,
}

/// One kind of request. What it does not say is its client's.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationSpec {
    /// Fraction of the client's requests; the shares sum to 100 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Fraction>,
    /// Node it goes to: the endpoint with the operation's name, else `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Name>,
    /// Read the request's key straight from a store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<ReadFromSpec>,
    /// Write the request's key straight to a store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<WriteToSpec>,
    /// Delete the request's key straight from a store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<Name>,
    /// Compare-and-set the request's key straight in a store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cas: Option<Name>,
    /// Increment the request's key straight in a store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub increment: Option<Name>,
    /// Puts a message in a queue or topic: its name, or `{to, key, size, delay, ack}`, as a client does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<PublishSpec>,
    /// Key space it draws from; the client's first when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Name>,
    /// 1 is most urgent; the client's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Count>,
    /// Longest wait for one attempt; the client's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<SimDuration>,
    /// Longest wait for the whole request; the client's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<DeadlineSpec>,
    /// Further attempts after a failed one; the client's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetrySpec>,
    /// Refuses its requests while too many of them fail; like the client's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerSpec>,
    /// Refuses its requests itself while too few are accepted; the client's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<ThrottleSpec>,
    /// So many of its requests in so much time; the client's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimitsSpec>,
    /// So many of its requests at once; the client's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bulkhead: Option<BulkheadSpec>,
    /// So many connections for its requests; the client's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolSpec>,
    /// A second copy of a request that takes long; the client's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hedge: Option<HedgeSpec>,
    /// What takes the place of an answer; the client's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackSpec>,
    /// Whether a request given up is called off; the client's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<bool>,
    /// What sessions may count on in its requests; the client's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guarantees: Option<Vec<GuaranteeSpec>>,
    /// Whether all attempts of a request are one; as the client says when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// Size of a request; the client's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<SizeFormula>,
}

/// What is read straight from a store: its name, or `{from, reads, quorum}`.
#[derive(Clone, Debug)]
pub struct ReadFromSpec(pub ReadFromFields);

/// The long form of what is read.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadFromFields {
    /// Store read from.
    pub from: Name,
    /// Who answers, where it is not as the store says: `leader`, `followers`, `nearest`, `any`; of a `raft` store `leader`, `lease`,
    /// `read_index`, `follower`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<AnswerSpec>,
    /// How many replicas must answer, where it is not as the store says: a number, `majority`, `all`; of stores with `quorum`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<LevelSpec>,
}

/// What is written straight to a store: its name, or `{to, quorum}`.
#[derive(Clone, Debug)]
pub struct WriteToSpec(pub WriteToFields);

/// The long form of what is written.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteToFields {
    /// Store written to.
    pub to: Name,
    /// How many replicas must answer, where it is not as the store says: a number, `majority`, `all`; of stores with `quorum`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<LevelSpec>,
}

/// When requests (or sessions) start.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// Poisson at this rate; each point brings `batch` requests at once.
    Poisson {
        /// Rate of points.
        rate: Rate,
        /// Requests per point.
        batch: u64,
    },
    /// The k-th request comes at `round(k / rate)`, k = 1, 2, ...
    Constant(Rate),
    /// Independent gaps from a law.
    Renewal(DurationLaw),
    /// A Poisson process whose rate follows a chain of states visited in turn, each for an
    /// exponential time with this mean.
    Mmpp(Vec<(Rate, SimDuration)>),
    /// So many users, each thinking between two requests.
    Closed {
        /// Number of users.
        users: u64,
        /// Think time.
        think: DurationLaw,
        /// So many requests of all together, then they are done.
        requests: Option<u64>,
    },
    /// Times (and attributes) replayed from a file.
    Trace(Box<TraceSpec>),
    /// So many at the same time of every period.
    Schedule(Schedule),
    /// As many as the file's `requirements` say; a scenario that was read has the rate of it instead.
    Requirements(Moment),
}

/// When.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// In the busiest second.
    Peak,
    /// On average.
    Average,
}

/// A trace: each row of a file is an arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSpec {
    /// The file and how it is read.
    pub table: Table,
    /// Column of the times.
    pub column: String,
    /// Unit of the times.
    pub unit: TraceUnit,
    /// Column that says how many requests a row stands for; one each when absent.
    pub count: Option<String>,
    /// Replays faster (above 1) or slower.
    pub speed: f64,
    /// Start again when the file ends.
    pub repeat: bool,
    /// What time of the file is the start of the run.
    pub start: TraceStart,
    /// Whether rows are put in order of time first.
    pub sort: bool,
    /// What becomes of rows that share a stamp.
    pub spread: Spread,
}

/// What time of a trace is the start of the run.
#[derive(Clone, Debug, PartialEq)]
pub enum TraceStart {
    /// The earliest row of all traces of the scenario.
    Earliest,
    /// This trace's own earliest row.
    First,
    /// This time.
    At {
        /// As it was written.
        text: String,
        /// On the file's clock, ns.
        nanos: i128,
    },
}

/// What becomes of rows that share a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// They are spread over the resolution of the stamps, where one shows.
    Auto,
    /// They are spread over so many ns; 0: they come at once.
    Over(u64),
}

/// Unit of the times of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceUnit {
    /// Numbers, each so many nanoseconds.
    Nanoseconds(u64),
    /// Date and time, `2023-11-16 18:15:46.6805900` or ISO 8601.
    Datetime,
    /// Numbers of 100 ns since 1601, as Windows has them.
    Filetime,
}

/// Factors on the rate: a number, one step, or a list of steps.
#[derive(Clone, Debug, PartialEq)]
pub enum LoadSpec {
    /// Always this factor.
    Factor(Number),
    /// Changes of the factor; `{every: ..}` ones repeat.
    Steps(Vec<LoadStep>),
    /// Factors of a file.
    Curve(Box<CurveSpec>),
}

/// Which operation each row of a trace is of: `column(op GET=read SET=write other=skip)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowOperations {
    /// The column.
    pub column: String,
    /// Values that are called otherwise than their operation; `None`: their rows are left out.
    pub named: Vec<(String, Option<Name>)>,
    /// What becomes of values that are no operations.
    pub other: OtherRows,
}

/// What becomes of rows whose value is no operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtherRows {
    /// The scenario is refused.
    Refused,
    /// They are left out.
    Skipped,
    /// They are of this operation.
    Of(Name),
}

impl OtherRows {
    /// The operation they are taken for.
    pub fn operation(&self) -> Option<&Name> {
        if let Self::Of(name) = self { Some(name) } else { None }
    }
}

/// A change of the load's factor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadStep {
    /// Repeats with this period; the steps of one period form a cycle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<SimDuration>,
    /// When the change begins, from the start of the run (or of the period).
    pub at: SimDuration,
    /// The factor it leads to; 0 stops arrivals.
    pub factor: Number,
    /// Ramps linearly over this time; at once when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<SimDuration>,
}

/// One key space, or several named ones in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub enum KeysSpec {
    /// One unnamed space.
    One(KeyLaw),
    /// Named spaces; equal names in two clients mean the same keys.
    Named(Vec<(Name, KeyLaw)>),
}

/// How keys are drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyLaw {
    /// P(rank k) proportional to k^-s, k in 1..=n.
    Zipf {
        /// Number of keys, up to 10^12.
        n: u64,
        /// Exponent.
        s: f64,
    },
    /// Every key alike.
    Uniform {
        /// Number of keys.
        n: u64,
    },
    /// A fraction `hot` of the keys gets a fraction `share` of the requests.
    Hot {
        /// Number of keys.
        n: u64,
        /// Fraction of the keys that is hot.
        hot: Fraction,
        /// Fraction of requests that go to hot keys.
        share: Fraction,
    },
    /// 1, 2, ..., n, 1, ...
    Sequential {
        /// Number of keys.
        n: u64,
    },
    /// The keys of a file in turn, from the start again after the last one.
    Trace {
        /// File: a table with a column, a log, one key per line, a `.lis` file of blocks, or
        /// libCacheSim's `.oracleGeneral`; plain or packed.
        table: Table,
        /// Column of a table.
        column: Option<String>,
    },
}

/// A value every request carries.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeSpec {
    /// A law over plain numbers (a constant included).
    Law(NumberLaw),
    /// `choice(gold=20% free=80%)`: one of several names.
    Choice(Vec<(Name, Fraction)>),
    /// `0.01%`: true with this probability (1), else false (0).
    Coin(Fraction),
    /// `column(ContextTokens)`: the number in this column of the trace's row.
    Column(String),
}

/// Requests are sent only around faults, and in windows at random instants of the time between them,
/// which stand for all of it: availability, rates and latencies weigh both by their shares of time. For
/// runs of months and years; counts of requests stay what was sent.
///
/// ```yaml
/// active: {before: 1m, after: 10m, control: 100, window: 1m, settle: 10s}
/// ```
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActiveSpec {
    /// How long before a fault begins.
    pub before: SimDuration,
    /// How long after it is over, start and warm-up of instances included.
    pub after: SimDuration,
    /// How many windows between faults.
    pub control: Count,
    /// How long each is.
    pub window: SimDuration,
    /// So much at the beginning of each, and of each stretch around faults, is not counted: queues, caches
    /// and pools begin empty there. 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle: Option<SimDuration>,
}
