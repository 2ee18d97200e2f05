//! What can be wrong with replicas beyond types.
//!
//! **Invariant.** As in `model/check.rs`.

use super::{
    AckSpec, CandidatesSpec, ConflictSpec, CrdtSpec, FailoverSpec, LeaderFollowerSpec, LevelSpec,
    MultiLeaderSpec, QuorumSpec, RaftSpec,
};
use crate::{
    engine::law::{DurationFormula, Formula, Law},
    model::{
        check::{MAX_INSTANCES, closest, law, positive},
        design::Limits,
        ids::{NodeId, Zone},
        kind::{Kind, Verb},
        names::Names,
        network::{ZonesSpec, places::zone_name},
        replication::ReplicationSpec,
        store::StoreSpec,
    },
    problem::Problems,
    replication::MOST_LEADERS,
    units::SimDuration,
};

/// A node with replicas and where it stands.
#[derive(Clone, Copy)]
struct Placed<'p> {
    kind: &'p dyn Kind,
    id: NodeId,
    names: &'p Names,
}

/// The replicas of a store, and what makes no sense without them.
pub fn replicas(store: &StoreSpec, path: &str, names: &Names, problems: &mut Problems) {
    let at = format!("{path}.replication");
    let Some(spec) = &store.replication else { return without(store, path, problems) };
    let protocols = [
        spec.leader_follower.is_some(),
        spec.quorum.is_some(),
        spec.raft.is_some(),
        spec.multi_leader.is_some(),
    ];
    if protocols.iter().filter(|given| **given).count() != 1 {
        let help = "`leader_follower`, `quorum`, `raft` or `multi_leader`, exactly one";
        return problems.error_help("E-REPL", at, "how do the copies follow one another?", help);
    }
    for (key, one) in spec.laws() {
        law(one, &format!("{at}.{key}"), problems);
    }
    paced(spec, store, (&at, path), problems);
    let facts = spec.facts();
    let all = store.shard_count().saturating_mul(facts.each).saturating_add(facts.observers);
    if all > MAX_INSTANCES {
        let message = format!("{all} replicas and observers; the limit is {MAX_INSTANCES}");
        return problems.error("E-BUDGET", at, message);
    }
    // Names of nodes have no dots.
    let Some(id) = path.split('.').nth(1).and_then(|name| names.node(name)) else { return };
    let callers = names.coordinators(id).len() as u64;
    if all <= MAX_INSTANCES && all + callers > MAX_INSTANCES {
        let message = format!(
            "{all} replicas and {callers} callers that coordinate; the limit is {MAX_INSTANCES}"
        );
        problems.error("E-BUDGET", format!("{at}.quorum.coordinator"), message);
    }
    let placed = Placed { kind: store, id, names };
    if let Some(spec) = &spec.leader_follower {
        leader_follower(spec, placed, &at, problems);
    }
    if let Some(spec) = &spec.quorum {
        quorum(spec, store.shard_count(), &at, problems);
    }
    if let Some(spec) = &spec.raft {
        raft((spec, store), placed, &at, problems);
    }
    if let Some(spec) = &spec.multi_leader {
        multi_leader((spec, store), placed, (&at, path), problems);
    }
    work(store, path, problems);
    spread(placed, path, problems);
}

/// What only replicas need.
fn without(store: &StoreSpec, path: &str, problems: &mut Problems) {
    let fed = store.lag_of_view().is_some();
    let given = [
        ("apply", store.apply.is_some() && !fed),
        ("apply_cores", store.apply_cores.is_some() && !fed),
        ("durability", store.durability.is_some()),
    ];
    if fed {
        let written = ("write", store.write.as_ref().filter(|_| store.apply.is_none()));
        let read =
            ("read", Some(&store.read).filter(|_| written.1.is_none() && store.apply.is_none()));
        attributes(&[("apply", store.apply.as_ref()), written, read], path, problems);
        positive(store.apply_cores, 64, &format!("{path}.apply_cores"), problems);
    }
    for (key, _) in given.iter().filter(|given| given.1) {
        let help = "such as `replication: {raft: {replicas: 3}}`";
        let message = "means nothing to a store without `replication`";
        problems.error_help("E-CONFLICT", format!("{path}.{key}"), message, help);
    }
}

/// Keys that are copied one by one, at most: each is two messages.
const MOST_COPIED: u64 = 10_000_000;

/// How fast data are copied key by key.
fn paced(
    spec: &ReplicationSpec,
    store: &StoreSpec,
    (at, path): (&str, &str),
    problems: &mut Problems,
) {
    let failover = spec.leader_follower.as_ref().and_then(|leader| leader.failover.as_ref());
    let rate = failover.and_then(|failover| failover.rebuild.as_ref()?.keys());
    let Some(rate) = rate else { return };
    if rate.0 > 1e6 {
        let at = format!("{at}.leader_follower.failover.rebuild");
        problems.error_help(
            "E-RANGE",
            at,
            "no replica copies keys so fast",
            "at most 1M/s: `500/s`",
        );
    }
    if store.keys.is_some_and(|keys| keys.0 > MOST_COPIED) {
        let message = format!("at most {MOST_COPIED} keys can be copied one by one");
        let help = "fewer `keys`, each of which stands for several; or a time: `rebuild: 30m`";
        problems.error_help("E-BUDGET", format!("{path}.keys"), message, help);
    }
}

/// What is done for messages between stores: they carry no attributes of requests.
fn attributes(formulas: &[(&str, Option<&DurationFormula>)], path: &str, problems: &mut Problems) {
    for &(key, formula) in formulas {
        let others = formula.into_iter().flat_map(Formula::attributes);
        for (_, attribute) in others.filter(|(_, name)| *name != "key") {
            let message = format!("messages between replicas carry no `{attribute}`");
            let help = "a law, or one with `key` in it";
            problems.error_help("E-CONFLICT", format!("{path}.{key}"), message, help);
        }
    }
}

/// The work of replicas: messages between them carry no attributes of requests.
fn work(store: &StoreSpec, path: &str, problems: &mut Problems) {
    let formulas = [
        ("read", Some(&store.read)),
        ("write", store.write.as_ref()),
        ("apply", store.apply.as_ref()),
    ];
    attributes(&formulas, path, problems);
    positive(store.apply_cores, 64, &format!("{path}.apply_cores"), problems);
    let quorum = store.replication.as_ref().is_some_and(|spec| spec.quorum.is_some());
    for (key, given) in
        [("apply", store.apply.is_some()), ("apply_cores", store.apply_cores.is_some())]
    {
        if given && quorum {
            let message = "a quorum has no log that is applied: each `put` is a write";
            problems.error("E-CONFLICT", format!("{path}.{key}"), message);
        }
    }
    if let Some(fsync) = store.durability.as_ref().and_then(|durability| durability.fsync.as_ref())
    {
        law(fsync, &format!("{path}.durability.fsync"), problems);
    }
}

/// The copies of the partitions of a log.
pub fn copies(
    (kind, spec): (&dyn Kind, &RaftSpec),
    path: &str,
    names: &Names,
    problems: &mut Problems,
) {
    let Some(id) = path.split('.').nth(1).and_then(|name| names.node(name)) else { return };
    let placed = Placed { kind, id, names };
    let at = format!("{path}.replicas");
    let all = kind.facts().instances;
    if all > MAX_INSTANCES {
        let message = format!("{all} copies of partitions; the limit is {MAX_INSTANCES}");
        return problems.error("E-BUDGET", at, message);
    }
    if is_group(spec.replicas(), &at, problems) {
        elects(spec, placed, (&at, "`zones` nearer to one another"), problems);
        budget((spec.heartbeat(), spec.replicas()), placed, &at, problems);
        spread(placed, path, problems);
    }
}

/// Where replicas stand.
fn spread(Placed { kind, id, names }: Placed<'_>, path: &str, problems: &mut Problems) {
    let facts = kind.facts();
    let (Some(replicas), Some(spec)) = (facts.replicas, kind.replication()) else { return };
    if let Some(ZonesSpec::Counts(counts)) = facts.zones {
        let total = counts.values().fold(0u64, |n, c| n.saturating_add(c.0));
        if total != replicas.each {
            let message = format!("{total} places for {} replicas of each shard", replicas.each);
            let help = "a map says how many replicas of each shard stand in each zone";
            return problems.error_help("E-REPL", format!("{path}.zones"), message, help);
        }
    }
    let first: Vec<Zone> = names.places(id).into_iter().take(replicas.each as usize).collect();
    let in_one = |zone: &Zone| first.iter().filter(|other| *other == zone).count() as u64;
    let most = first.iter().max_by_key(|zone| in_one(zone)).copied();
    // Leaders that write beside one another need no majority.
    if let Some(zone) = most.filter(|_| names.zones.len() > 1 && replicas.stand_in.is_none())
        && in_one(&zone) > 1
        && replicas.each - in_one(&zone) < replicas.each / 2 + 1
    {
        let message = format!(
            "{} of {} replicas of a shard stand in `{}`: its loss leaves no majority",
            in_one(&zone),
            replicas.each,
            zone_name(zone, names)
        );
        problems.warn("W-SPREAD", format!("{path}.zones"), message, "as many zones as replicas");
    }
    for (key, name) in spec.places() {
        let at = format!("{path}.replication.{key}");
        let Some(inside) = names.zones_of(&name.0) else {
            let known = names.zones.keys().chain(names.regions.keys()).map(String::as_str);
            let message = format!("unknown zone `{}`", name.0);
            problems.error_help("E-REF", at, message, closest(&name.0, known));
            continue;
        };
        if !first.iter().any(|zone| inside.contains(zone)) {
            let message = format!("no replica stands in `{}`", name.0);
            problems.error_help("E-REPL", at, message, "see `zones`");
        }
    }
}

fn leader_follower(
    spec: &LeaderFollowerSpec,
    placed: Placed<'_>,
    at: &str,
    problems: &mut Problems,
) {
    let at = format!("{at}.leader_follower");
    if let Some(AckSpec::SemiSync { acks, timeout }) = spec.ack {
        let path = format!("{at}.ack");
        if acks.0 == 0 || acks.0 > spec.followers.0 {
            let message = format!("{acks} acks, and there are {} followers", spec.followers);
            let help = format!("from 1 to {}", spec.followers);
            problems.error_help("E-REPL", &path, message, help);
        }
        if timeout.0 == 0 {
            problems.error_help(
                "E-RANGE",
                &path,
                "`timeout` must be above 0",
                "`async` waits for nobody",
            );
        }
        short_patience(placed, timeout, &path, problems);
    }
    if spec.followers.0 == 0 && spec.failover.is_some() {
        let message = "there is no follower that could take over";
        problems.error("E-REPL", format!("{at}.failover"), message);
    }
    if spec.followers.0 == 0 && spec.max_lag.is_some() {
        problems.error("E-REPL", format!("{at}.max_lag"), "there is no follower");
    }
    let Some(failover) = spec.failover.as_ref().filter(|_| spec.followers.0 > 0) else { return };
    let at = format!("{at}.failover");
    observed(failover, (spec, &at), placed, problems);
}

/// What observers need: somebody who observes, and time to hear of a leader.
fn observed(
    failover: &FailoverSpec,
    (spec, at): (&LeaderFollowerSpec, &str),
    placed: Placed<'_>,
    problems: &mut Problems,
) {
    if failover.observers.as_ref().is_some_and(Vec::is_empty) {
        problems.error("E-REPL", format!("{at}.observers"), "the list of zones is empty");
    }
    if let Some(CandidatesSpec::These(these)) = &failover.candidates
        && these.is_empty()
    {
        problems.error("E-REPL", format!("{at}.candidates"), "the list is empty");
    }
    let n = spec.observers();
    if n < 3 {
        let message = format!("{n} observers: the loss of one leaves no majority of them");
        problems.warn("W-NOHA", format!("{at}.observers"), message, "three or more");
    }
    let trip = round_trip(placed, n / 2);
    if (failover.detect.0 as f64) < 2.0 * trip {
        let message = format!(
            "less than two round trips of the observers ({})",
            SimDuration((2.0 * trip) as u64)
        );
        problems.error_help("E-TIMING", format!("{at}.detect"), message, "a longer one");
    }
}

/// A client that waits less than a semi-synchronous leader never hears from it while its followers are away.
fn short_patience(
    Placed { id, names, .. }: Placed<'_>,
    timeout: SimDuration,
    path: &str,
    problems: &mut Problems,
) {
    let name = names.name(id);
    for client in names.design.clients.values() {
        for (_, operation) in client.operations() {
            let asks = operation.targets().iter().any(|(target, _)| target.0 == name);
            let patience = operation.edge().timeout;
            if let Some(patience) = patience.filter(|patience| asks && patience.0 <= timeout.0) {
                let message = format!(
                    "a client gives up after {patience}, before a write is answered without followers"
                );
                problems.error_help("E-TIMING", path, message, "a shorter `timeout` here");
                return;
            }
        }
    }
}

/// Whether so many of `n` replicas can answer.
pub(super) fn in_reach(level: LevelSpec, n: u64, at: String, problems: &mut Problems) {
    let k = level.of(n);
    if k == 0 || k > n {
        let message = format!("waits for {k} of {n} replicas");
        problems.error_help("E-QUORUM", at, message, format!("from 1 to {n}"));
    }
}

fn quorum(spec: &QuorumSpec, shards: u64, at: &str, problems: &mut Problems) {
    let at = format!("{at}.quorum");
    let n = spec.replicas.0;
    if n == 0 || n > 64 {
        let message = format!("{n} replicas: from 1 to 64 can be");
        return problems.error("E-QUORUM", format!("{at}.replicas"), message);
    }
    for (key, level) in [("read", spec.read), ("write", spec.write)] {
        if let Some(level) = level {
            in_reach(level, n, format!("{at}.{key}"), problems);
        }
    }
    if spec.hinted_handoff.is_some() && spec.sloppy != Some(true) {
        let message = "nobody stands in for others without `sloppy: true`";
        problems.error("E-CONFLICT", format!("{at}.hinted_handoff"), message);
    }
    if spec.sloppy == Some(true) && shards == 1 {
        let message = "there is one shard, so nobody can stand in for its replicas";
        problems.warn("W-QUORUM", format!("{at}.sloppy"), message, "`shards: {count: 8}`");
    }
    let times = [
        ("hinted_handoff.after", spec.hinted_handoff.and_then(|own| own.after)),
        ("hinted_handoff.keep", spec.hinted_handoff.and_then(|own| own.keep)),
        ("anti_entropy.every", spec.anti_entropy.and_then(|own| own.every)),
        ("tombstones", spec.tombstones),
    ];
    for (key, _) in times.iter().filter(|(_, time)| time.is_some_and(|time| time.0 == 0)) {
        problems.error("E-RANGE", format!("{at}.{key}"), "must be above 0");
    }
    if let Some(timeout) = spec.timeout.filter(|timeout| timeout.0 == 0) {
        let message = format!("{timeout} leaves no time for an answer");
        problems.error("E-RANGE", format!("{at}.timeout"), message);
    }
    if spec.read_repair.is_some_and(|share| !(0.0..=1.0).contains(&share.0)) {
        problems.error("E-RANGE", format!("{at}.read_repair"), "must be from 0 % to 100 %");
    }
}

/// Whether so many can agree on a log.
fn is_group(n: u64, at: &str, problems: &mut Problems) -> bool {
    if n == 0 || n > 63 {
        let message = format!("{n} replicas: from 1 to 63 can be");
        problems.error("E-QUORUM", at, message);
        return false;
    }
    if n < 3 {
        let message = format!("a group of {n} does not survive the loss of one");
        problems.warn("W-NOHA", at, message, "3 survive one, 5 two");
    } else if n.is_multiple_of(2) {
        let message = format!("{n} survive the loss of {} like {}", n / 2 - 1, n - 1);
        problems.warn("W-EVEN", at, message, "an odd number");
    }
    true
}

/// Whether a majority hears of who stands in time.
fn elects(spec: &RaftSpec, placed: Placed<'_>, (at, help): (&str, &str), problems: &mut Problems) {
    let trip = round_trip(placed, spec.replicas() / 2);
    if Law::min_value(&spec.election()) < trip {
        let message = format!(
            "a majority is {} away and back: nobody would be elected in time",
            SimDuration(trip as u64)
        );
        problems.error_help("E-TIMING", at, message, help);
    }
}

fn raft(
    (spec, store): (&RaftSpec, &StoreSpec),
    placed: Placed<'_>,
    at: &str,
    problems: &mut Problems,
) {
    let at = format!("{at}.raft");
    let n = spec.replicas();
    if !is_group(n, &format!("{at}.replicas"), problems) {
        return;
    }
    let own = store.durability.as_ref().and_then(|durability| durability.fsync.as_ref());
    if spec.fsync.is_some() && own.is_some() {
        let help = "leave one of them out";
        let message = "`durability` says it too";
        problems.error_help("E-CONFLICT", format!("{at}.fsync"), message, help);
    }
    let election = spec.election();
    let least = Law::min_value(&election);
    let heartbeat = spec.heartbeat();
    let key =
        format!("{at}.{}", if spec.heartbeat.is_some() { "heartbeat" } else { "election_timeout" });
    if heartbeat == 0 || least <= heartbeat as f64 {
        let message = format!(
            "followers wait {} to hear of a leader that speaks every {}",
            SimDuration(least as u64),
            SimDuration(heartbeat)
        );
        problems.error_help("E-TIMING", key, message, "several heartbeats in an election time-out");
    }
    elects(spec, placed, (&format!("{at}.election_timeout"), "a longer one"), problems);
    if spec.max_drift.is_some_and(|drift| !(0.0..0.5).contains(&drift.0)) {
        problems.error("E-RANGE", format!("{at}.max_drift"), "must be from 0 % to below 50 %");
    }
    budget((heartbeat, n), placed, &at, problems);
}

/// Leaders in each of some places.
fn multi_leader(
    (spec, store): (&MultiLeaderSpec, &StoreSpec),
    Placed { id, names, .. }: Placed<'_>,
    (at, path): (&str, &str),
    problems: &mut Problems,
) {
    let at = format!("{at}.multi_leader");
    let n = spec.leaders.len();
    if !(2..=MOST_LEADERS).contains(&n) {
        let message = format!("{n} leaders: from 2 to {MOST_LEADERS} can be");
        problems.error("E-REPL", format!("{at}.leaders"), message);
    }
    for (i, place) in spec.leaders.iter().enumerate() {
        if spec.leaders[..i].contains(place) {
            let message = format!("`{}` stands there twice", place.0);
            let help = "one leader of each shard in each place";
            problems.error_help("E-REPL", format!("{at}.leaders[{i}]"), message, help);
        }
    }
    if store.zones.is_some() {
        let help = "leave `zones` out";
        let message = "`leaders` says where they stand";
        problems.error_help("E-CONFLICT", format!("{path}.zones"), message, help);
    }
    if spec.goes_by_stamps() && names.design.clocks.is_none() {
        let message = "the later stamp wins, and nothing says how right clocks are";
        let help =
            "such as `clocks: {offset: exp(mean=2ms)}`; `clocks: {offset: 0ms}` for exact ones";
        problems.error_help("E-CLOCK", format!("{at}.conflict"), message, help);
    }
    let times = [
        ("anti_entropy.every", spec.anti_entropy.and_then(|own| own.every)),
        ("tombstones", spec.tombstones),
    ];
    for (key, _) in times.iter().filter(|(_, time)| time.is_some_and(|time| time.0 == 0)) {
        problems.error("E-RANGE", format!("{at}.{key}"), "must be above 0");
    }
    let counts = spec.conflict == Some(ConflictSpec::Crdt(CrdtSpec::Counter));
    let merges = matches!(spec.conflict, Some(ConflictSpec::Crdt(_)));
    for (place, verb) in names.data_verbs(id) {
        let wrong = match verb {
            Verb::Cas if merges => "what merges with other writes is compared with nothing",
            Verb::Delete if counts => "a counter is not deleted",
            _ => continue,
        };
        problems.error("E-CONFLICT", place, wrong);
    }
}

/// Heartbeats cost events, whether anybody asks for anything or not.
fn budget(
    (heartbeat, n): (u64, u64),
    Placed { kind, names, .. }: Placed<'_>,
    at: &str,
    problems: &mut Problems,
) {
    let rounds = names.design.duration.checked_div(heartbeat).unwrap_or(0);
    // A heartbeat, its answer, and the timer of each.
    let events = rounds
        .saturating_mul(n.saturating_sub(1) * 4)
        .saturating_mul(kind.facts().serving() / n.max(1));
    if events > Limits::default().events {
        let message = format!(
            "its heartbeats alone are {:.1e} events; the limit of a run is {:.1e}",
            events as f64,
            Limits::default().events as f64
        );
        let help = "a longer `heartbeat` and `election_timeout`, or a shorter run";
        problems.error_help("E-BUDGET", at, message, help);
    }
}

/// The mean way from the first replica of the first shard to its so many nearest others and back, ns.
fn round_trip(Placed { kind, id, names }: Placed<'_>, others: u64) -> f64 {
    let Some(replicas) = kind.facts().replicas else { return 0.0 };
    let places = names.places(id);
    let there =
        |zone: &Zone| names.mean_latency(places[0], *zone) + names.mean_latency(*zone, places[0]);
    let others_at = places.iter().take(replicas.each as usize).skip(1);
    let mut trips: Vec<f64> = others_at.map(there).collect();
    trips.sort_by(f64::total_cmp);
    others.checked_sub(1).and_then(|nth| trips.get(nth as usize)).copied().unwrap_or(0.0)
}
