//! What a service has besides its endpoints: its door, locks, and what its instances do by themselves.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::{DurationFormula, DurationLaw},
    model::{
        resilience::{
            concurrency::ConcurrencySpec,
            rate_limit::{MeterSpec, RateLimitsSpec},
        },
        service::StepSpec,
    },
    units::{Count, Fraction, Name, SimDuration},
};

/// Operation that calls ask for where they name none.
pub const OPERATION: &str = "background";

/// Steps that each instance runs by itself, whether requests come or not: renewals of a lease, gossip,
/// scheduled jobs.
///
/// The next run begins `every` after the last one began, or when that one has ended if it took longer.
/// Instances begin at times of their own; one that has crashed begins anew as soon as it is back, so that
/// those that come back together run together. A run holds no worker, its `work` takes a core; a call that
/// names no operation asks for `background`, and every run has a key of its own. What fails ends the run,
/// and is tried again when the next one is due.
///
/// With `at` runs begin by the clock, those of all instances at the same instant, after a crash as before it; a time at
/// which the last run has not ended yet passes. With `scope: shared` one of them runs for all, like a job of a scheduler.
///
/// ```yaml
/// background: [{every: uniform(50s 70s), lease: 3m, do: [{call: metadata}]}]
/// background: [{every: 24h, at: 3h, scope: shared, do: [{read: orders}, {work: 20m}]}]
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackgroundSpec {
    /// From the beginning of one run to the next; a law such as `uniform(9s 11s)` keeps instances apart.
    pub every: DurationLaw,
    /// When in each period, the first included; `every` must then be a fixed time. When absent each instance begins at a
    /// time of its own, somewhere in the first period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<SimDuration>,
    /// `instance` (default): each of them runs. `shared`: only the lowest that is ready at that instant, neither down, paused
    /// nor about to leave; nobody, if none is or that one has not ended its last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// An instance none of whose runs has succeeded for so long refuses requests (`unavailable`) and fails
    /// health checks until one does. It has its lease when the simulation begins, but not after a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<SimDuration>,
    /// The steps.
    #[serde(rename = "do")]
    pub do_: Vec<StepSpec>,
}

impl BackgroundSpec {
    /// Mean time from one run to the next, ns.
    pub fn period(&self) -> f64 {
        self.every.mean().unwrap_or(f64::INFINITY)
    }

    /// One instance runs for all.
    pub fn is_shared(&self) -> bool {
        self.scope == Some(Scope::Shared)
    }

    /// Runs per second of so many instances.
    pub fn rate(&self, instances: u64) -> f64 {
        let who = if self.is_shared() { 1 } else { instances };
        who as f64 * 1e9 / self.period().max(1.0)
    }
}

/// What is done to requests that arrive, before they wait for anything.
///
/// ```yaml
/// inbound: {rate_limit: {gold: token_bucket(rate=50/s burst=100 per=key), default: token_bucket(rate=5/s burst=20 per=key)}, shed: {queue: 200}}
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InboundSpec {
    /// So many requests in so much time, the others are `rate_limited` or wait at the door for their turn:
    /// `leaky_bucket(rate=20/s queue=10)` lets one in every 50 ms and ten wait (nginx's `limit_req` with
    /// `burst=10`; with `nodelay` it is `token_bucket(rate=20/s burst=11)`), `token_bucket(rate=20/s burst=5
    /// wait=1s)` makes them wait so long for a token. Who waits is inside the node and holds no worker; it
    /// leaves when its `patience` or propagated deadline is over, and its turn passes unused. One limit for
    /// all, or a map from clients or values of an attribute to limits, with `default` for the others; each may be a list,
    /// `[10/s, 100/min]`, as in `dependencies`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<LimitsSpec>,
    /// Requests that are refused (`shed`) while there is too much to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shed: Option<ShedSpec>,
    /// So many requests at once, the others are `shed`. `10 per=client` is ten of each client at each instance (nginx's
    /// `limit_conn`), whatever the others do: `per` is `key`, `client` or an attribute, one limit for all when absent; with
    /// `scope=shared` all instances count together. A request counts from the door, waiting included, until it is answered, called
    /// off or lost in a crash; who gave it up without calling it off does not end it. Or the limit finds its value from how
    /// requests fare: `aimd(latency=100ms)`, `gradient(tolerance=1.5)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<ConcurrencySpec>,
    /// Work before anything else a request does: parsing, signatures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate: Option<DurationFormula>,
    /// A node that is asked (for the operation `auth`) whether the request may go on; if it does not say so,
    /// the request is `rejected` (`unauthorized`). `dependencies` says how long to wait for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Name>,
}

/// Operation an `auth` node is asked for.
pub const AUTH: &str = "auth";

/// Rate limits by client or value of an attribute.
pub type Limits = BTreeMap<Name, RateLimitsSpec>;

/// One rate limit for all requests, or several.
#[derive(Clone, Debug)]
pub struct LimitsSpec(pub Limits);

/// When requests are refused. Each key is a reason of its own.
///
/// ```yaml
/// shed: {queue: 200, wait: 100ms, reserve: 20%, keep: 1}
/// ```
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShedSpec {
    /// So many wait already (for a worker, or for their first core where there are no workers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Count>,
    /// Some wait, and the one answered last had waited so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<SimDuration>,
    /// All workers but this share are busy: the rest is for requests that are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve: Option<Fraction>,
    /// Requests of a `priority` up to this are never shed here. None when absent; 1, the most urgent, for
    /// `reserve`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Count>,
}

impl InboundSpec {
    /// Whether anything asks for what frames carry.
    pub fn carries(&self) -> bool {
        self.rate_limit.is_some()
            || self.per().is_some()
            || self.validate.as_ref().is_some_and(|work| work.attributes().next().is_some())
            || self.shed.is_some_and(|s| s.keep.or(s.reserve.map(|_| Count(1))).is_some())
    }

    /// The attribute whose values may each be inside so many times at once.
    pub fn per(&self) -> Option<&String> {
        self.concurrency.as_ref().and_then(ConcurrencySpec::per)
    }

    /// Whether requests may have to wait at the door.
    pub fn delays(&self) -> bool {
        let limits = self.rate_limit.iter().flat_map(|limits| limits.0.values());
        limits.flat_map(|limits| &limits.0).map(|limit| limit.meter).any(MeterSpec::delays)
    }
}

/// Steps that one request at a time runs, in order of arrival: a mutex, a table lock, a single writer.
///
/// It is held through the calls inside and given back when the steps are done, fail or are called off, and
/// when the process dies. Waiting for it is waiting, like for a core; the `work` inside takes a core like any
/// other. Steps of the same name share a lock.
///
/// With `in` it is a lease, kept in a store by `cas`, for all services that lock the same name there. Who wants it
/// reads its record; if nobody holds it, or the record has been the same for `ttl`, he writes that he does, and again
/// each third of `ttl` while his steps run. He who is refused asks again after `poll`. Nobody interrupts the steps of
/// a holder whose lease has run out, because his process stood still or did not reach the store: then there are two
/// (`consistency.lock_overlaps`). That is what `fencing` is for. How long a lease has lasted everybody measures by his
/// own clock. A process that dies gives nothing back; others wait until its lease has run out.
///
/// ```yaml
/// lock: {name: account, per: key, do: [{read: accounts}, {work: 2ms}, {write: accounts}]}
/// lock: {name: report, in: etcd, ttl: 10s, do: [{read: totals}, {work: 200ms}, {write: totals}]}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockSpec {
    /// Its name.
    pub name: Name,
    /// A lock for each value: of the request's `key` (a row lock), or of an attribute; one for all when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Name>,
    /// `instance` (default): each instance has its own; `shared`: there is one for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The store that keeps it; none when absent: then it is one of the process, or of the node.
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    pub in_: Option<Name>,
    /// Of a lock in a store: how long a lease lasts that is not renewed; 10 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<SimDuration>,
    /// Of a lock in a store: how long who is refused waits before he asks again, from half to one and a half times as
    /// long; a tenth of `ttl` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll: Option<SimDuration>,
    /// Of a lock in a store: what is written by the steps, directly or by whom they call, carries the number of its holder,
    /// and no store lets it take the place of a value that a later holder wrote. True when absent; without it what a holder
    /// sends too late is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fencing: Option<bool>,
    /// The steps.
    #[serde(rename = "do")]
    pub do_: Vec<StepSpec>,
}

/// Steps through which one connection of a pool is kept: a transaction of the database that is open while another service
/// is asked.
///
/// The connection is taken first, waited for like by a call (`wait` of the pool), and all calls inside to that node go by it,
/// one after the other, asking the pool for nothing. It is given back when the steps are done, fail or are called off; after
/// a call by it that was not answered in time it is closed. Inside one `hold` another one takes another connection, of the
/// same pool too: visits that each hold some and want more may all wait for one another, until the `wait` of one ends
/// (`rejected`, cause `pool_exhausted`).
///
/// ```yaml
/// hold: {pool: db, do: [{read: db}, {call: payments}, {write: db}]}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldSpec {
    /// The node its connection leads to: one with a `pool` in `dependencies`.
    pub pool: Name,
    /// The steps.
    #[serde(rename = "do")]
    pub do_: Vec<StepSpec>,
}

impl LockSpec {
    /// Whether each instance has its own.
    pub fn is_of_instance(&self) -> bool {
        self.in_.is_none() && self.scope.is_none_or(|scope| scope == Scope::Instance)
    }

    /// Of a lock in a store: how long a lease lasts, and how long who is refused waits, ns.
    pub fn times(&self) -> (u64, u64) {
        let ttl = self.ttl.map_or(10_000_000_000, |ttl| ttl.0);
        (ttl, self.poll.map_or((ttl / 10).max(1), |poll| poll.0))
    }
}

/// A saga: its parts in sequence, and perhaps a store that knows how far it is.
///
/// `saga: [{do, undo}, ..]` is one that only its process knows of: when that dies, the saga ends, and what was done stays
/// (`sagas.unfinished`). With a log the instance writes to a store what it would otherwise forget: that the saga begins, each
/// part that is done, that one failed before anything is undone, and each that is undone. Each is a call like others (its
/// time-outs and retries are those of `dependencies`), under a key of the saga's own, and the saga goes on when the store has
/// acknowledged it; until then it is tried again after about a second. If the store turns the first one away, the saga fails
/// and nothing was done; if it did not answer, it ends as one that failed.
///
/// When the process has died and its instance is back, it reads the record of each saga it left behind and goes on from
/// there: with the part after the last one that is known to be done, or with undoing. What was being done is done again, so
/// steps should not mind being run twice (`idempotent: true` of what they call). Nobody waits for it any more, and the steps
/// around it are not run. If the store has lost the record, the saga stays as it is (`unfinished`), and so does one whose
/// instance never comes back.
///
/// ```yaml
/// saga: {log: progress, steps: [{do: [{call: hotel}], undo: [{call: {to: hotel, operation: cancel}}]}, {do: [{call: payment}]}]}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SagaFields {
    /// The store that knows how far it is.
    pub log: Name,
    /// Its parts.
    pub steps: Vec<SagaPartSpec>,
}

/// A saga: a list of parts, or one with a log.
#[derive(Clone, Debug)]
pub struct SagaSpec {
    /// The store that knows how far it is; none: only its process does.
    pub log: Option<Name>,
    /// Its parts.
    pub parts: Vec<SagaPartSpec>,
}

/// A part of a saga: steps, and those that undo them.
///
/// When a part fails, those before it are undone, the last one first; and the part itself, if something of it may have been
/// done: something it called was answered, or failed in a way that leaves it open (a time-out, an error), so that `undo` may
/// have to do with what was never done. It has not been done if nothing was called before a `fail`, or the only attempt of
/// its first call was turned away (full queue, shed, rate limit, open breaker). Undoing knows no deadline: its calls are
/// tried again as their edge says, and if they fail for good, all of the part's `undo` again after about a second, until it
/// succeeds. The request waits for that. If its caller gives it up meanwhile, undoing goes on with nobody waiting; if the
/// process dies, it ends, and what was done stays (`sagas.unfinished`), unless the saga has a `log`. Steps of an `undo` may be run several times, so they
/// should not mind.
///
/// ```yaml
/// saga: [{do: [{call: hotel}], undo: [{call: {to: hotel, operation: cancel}}]}, {do: [{call: payment}]}]
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SagaPartSpec {
    /// The steps.
    #[serde(rename = "do")]
    pub do_: Vec<StepSpec>,
    /// The steps that undo them; nothing when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<StepSpec>,
}

/// Steps whose writes take effect all or none: two-phase commit, with presumed abort (Mohan, Lindsay and Obermarck,
/// "Transaction Management in the R* Distributed Database Management System", TODS 1986).
///
/// The steps run as they stand; reads see what is there, and lock nothing, so that two transactions may each write over what
/// the other one read (write skew). `write`, `delete`, `cas` and `increment` on stores are gathered and sent when the steps
/// are done, for each key one message, `prepare`, to its shard. That waits until no other transaction has the key, locks it,
/// does the work of a write, and votes; it votes against if a `cas` finds another version than its visit saw. When all have
/// voted for it, the instance that runs the steps writes down that it is decided, which a crash does not take away, and sends
/// each a `commit`, again each second until it is acknowledged. When all have, the step is over, so that whoever reads from
/// then on sees what was written. If one votes against, cannot be reached, or `timeout` is over first, nothing is written
/// and the step fails (`error`, cause `conflict`, `aborted`, or `fenced` under a lock that a later holder has written under).
///
/// From its vote until it hears how it was decided, a shard keeps the key locked (`in_doubt` of the store): other
/// transactions and writes of it wait, as long as their callers do; reads see the version before. It asks each second. A
/// coordinator that died before it decided says when it is back that nothing was; one that had decided sends its `commit` again.
///
/// Of a store with `raft` or `leader_follower` whoever leads the shard of a key takes part. Its promise is an entry of the log, and it
/// votes when that is as safe as a write is before it is answered: a majority has it, or those that `ack` asks for. What was
/// decided is another entry, which is acknowledged as late. Whoever leads next finds promises in its log, keeps the keys locked
/// and asks at once. A replica that does not lead says who does, and that is asked; one that does not run, or has not voted
/// after a quarter of `timeout`, sends its coordinator to the next. With `ack: async` a promise may be lost with its leader, which tears the
/// transaction (`torn_transactions`, `torn_by_cause.failover`). Replicas of which none leads (`quorum`), or several do
/// (`multi_leader`), cannot lock a key: they are refused.
///
/// All its messages travel on the network. A `prepare` is a visit of the store that ends with the vote. No policy of
/// `dependencies` applies to any of them. What a service that is called within writes is not part of the transaction.
///
/// ```yaml
/// transaction: {timeout: 500ms, do: [{read: {from: db, key: payer}}, {cas: {to: db, key: payer}}, {increment: {to: db, key: payee}}]}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransactionSpec {
    /// How all come to the same end; `two_phase` when absent, and there is no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<CommitProtocol>,
    /// From the first `prepare` until all must have voted; 1 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<SimDuration>,
    /// The steps.
    #[serde(rename = "do")]
    pub do_: Vec<StepSpec>,
}

impl TransactionSpec {
    /// How long all have to vote, ns.
    pub fn time(&self) -> u64 {
        self.timeout.map_or(1_000_000_000, |timeout| timeout.0)
    }
}

/// How all who take part in a transaction come to the same end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommitProtocol {
    /// All vote, then one decides.
    TwoPhase,
}

/// Who shares a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The requests of an instance.
    Instance,
    /// Those of all instances.
    Shared,
}
