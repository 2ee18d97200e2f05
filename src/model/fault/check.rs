//! What can be wrong with faults beyond types.
//!
//! **Invariant.** As in `model/check.rs`: everything is reported, nothing is changed.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Effect, FaultSpec, InstancesSpec, PathSpec, ReplicaSpec, SideName, SurgeSpec, TargetSpec,
    amounts_check::{amounts, required},
    environments_check::environments,
};
use crate::{
    model::{
        alert::{Source, check::alert_named},
        check::{closest, law},
        client::Arrivals,
        fault::MAX_OCCURRENCES,
        kind::{Facts, NOTHING_ON_THE_SPOT},
        kinds::NodeSpec,
        names::Names,
        versions::node_and_key,
    },
    problem::Problems,
    units::{Fraction, Name},
};

/// Faults of a design.
const MAX_FAULTS: usize = 1000;

/// Checks all faults.
pub fn faults(names: &Names, problems: &mut Problems) {
    let list = &names.design.faults;
    if list.len() > MAX_FAULTS {
        let message = format!("{} faults; the limit is {MAX_FAULTS}", list.len());
        return problems.error("E-BUDGET", "faults", message);
    }
    let mut seen: BTreeMap<&Name, usize> = BTreeMap::new();
    for (i, spec) in list.iter().enumerate() {
        let check = Check { spec, path: format!("faults[{i}]"), names };
        if let Some(first) = seen.insert(&spec.id, i) {
            let message = format!("faults[{first}] is called `{}` too", spec.id.0);
            problems.error_help("E-DUP-NAME", check.at("id"), message, "ids tell faults apart");
        }
        check.run(problems);
    }
}

struct Check<'a> {
    spec: &'a FaultSpec,
    path: String,
    names: &'a Names,
}

impl Check<'_> {
    fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    fn run(&self, problems: &mut Problems) {
        let effects = self.spec.effects();
        let &[effect] = effects.as_slice() else {
            let what = match effects.as_slice() {
                [] => "a fault needs an effect".to_owned(),
                [a, b, ..] => format!("a fault has one effect, not {} and {}", a.name(), b.name()),
                [_] => unreachable!("taken above"),
            };
            let help = "one of crash, pause, slow, errors, clock, clear_cache, reclaim, corrupt, partition, latency, loss, \
                        duplicate, bandwidth, load, set, deploy";
            return problems.error_help("E-FAULT", &self.path, what, help);
        };
        for (key, found) in [("mtbf", &self.spec.mtbf), ("mttr", &self.spec.mttr)] {
            if let Some(found) = found {
                law(found, &self.at(key), problems);
            }
        }
        self.times(effect, problems);
        let at = self.at(effect.name());
        match effect {
            Effect::Load(surge) => self.surge(surge, &at, problems),
            Effect::Set(values) => self.values(values, &at, problems),
            Effect::Deploy(deploy) => deploy.check(&at, self.names, problems),
            _ => {
                let target = effect.target().map(|t| self.target(effect, t, &at, problems));
                let path = effect.path().map(|p| self.messages(effect, p, &at, problems));
                debug_assert!(target.or(path).is_some(), "an effect hits hosts or messages");
            }
        }
    }

    // ---- when --------------------------------------------------------------------------------

    fn times(&self, effect: Effect<'_>, problems: &mut Problems) {
        let spec = self.spec;
        self.after(effect, problems);
        let again = spec.mtbf.is_some() || spec.mttr.is_some();
        let once = spec.at.is_some() || spec.for_.is_some() || spec.every.is_some();
        let duration = self.names.design.duration;
        if again && once {
            let help = "`at` and `for` say once, `mtbf` and `mttr` again and again";
            problems.error_help("E-FAULT-TIME", &self.path, "comes once or again and again", help);
        } else if spec.mtbf.is_some() != spec.mttr.is_some() {
            let help = "`mtbf` is the time from a repair to the next failure, `mttr` to the repair";
            problems.error_help("E-FAULT-TIME", &self.path, "`mtbf` needs `mttr`", help);
        } else if !again && spec.at.is_none() && spec.every.is_none() && spec.after.is_none() {
            let help =
                "such as `at: 3m, for: 40s`, `every: 24h`, `mtbf` and `mttr`, or `after` an alert";
            problems.error_help("E-FAULT-TIME", &self.path, "when does it start?", help);
        }
        if let Some(at) = spec.at
            && at.0 >= duration
        {
            let help = "it must start before `duration`";
            let message = "starts when the run is over";
            problems.error_help("E-FAULT-TIME", self.at("at"), message, help);
        }
        self.every(effect, problems);
        if spec.for_.is_some_and(|d| d.0 == 0) {
            problems.error("E-FAULT-TIME", self.at("for"), "must be above 0");
        }
        if spec.for_.is_some() && self.is_at_once(effect) {
            let message = match effect {
                Effect::ClearCache(_) => "a cache is emptied at once",
                Effect::Corrupt(_) => "copies are damaged at once",
                _ => "environments are gone at once, and others start when they are needed",
            };
            problems.error_help("E-FAULT-TIME", self.at("for"), message, "leave out `for`");
        }
        if matches!(effect, Effect::Set(_) | Effect::Deploy(_))
            && (again || spec.probability.is_some())
        {
            let help = "give it `at` or `after`, and `for` if it is taken back";
            let message = "a planned change comes once and for sure";
            problems.error_help("E-FAULT-TIME", &self.path, message, help);
        }
        if again && matches!(effect, Effect::Reclaim(_)) {
            let help = "`reclaim` of `purchase.spot` says how often each is; this takes several, at a time: `at` or `every`";
            let message = "single instances are taken all the time";
            problems.error_help("E-FAULT-TIME", &self.path, message, help);
        }
        if again && matches!(effect, Effect::Load(_)) {
            let help = "give it `at` and `for`, or the client a `load` with `every`";
            problems.error_help("E-FAULT-TIME", &self.path, "a `load` fault comes once", help);
        }
        if spec.group.is_some() && !again {
            let help = "only faults with `mtbf` are drawn together";
            problems.error_help("E-FAULT", self.at("group"), "there is nothing to group", help);
        }
        self.crews(effect, problems);
        self.over(effect, problems);
        self.stagger(effect, problems);
        let mean = |law: &Option<crate::engine::law::DurationLaw>| law.as_ref()?.mean();
        if let Some(cycle) = mean(&spec.mtbf).map(|up| up + mean(&spec.mttr).unwrap_or(0.0)) {
            let occurrences = duration as f64 / cycle.max(1.0);
            if occurrences > MAX_OCCURRENCES as f64 / 2.0 {
                problems.error_help(
                    "E-BUDGET",
                    self.at("mtbf"),
                    format!("about {occurrences:.1e} failures of each target in a run"),
                    format!("the limit is {MAX_OCCURRENCES}; a longer `mtbf`"),
                );
            }
        }
    }

    /// Whether an alert can bring it.
    fn after(&self, effect: Effect<'_>, problems: &mut Problems) {
        let spec = self.spec;
        let Some(name) = &spec.after else {
            if spec.delay.is_some() {
                let help = "`after` names the alert; a dated fault has `at`";
                problems.error_help("E-FAULT-TIME", self.at("delay"), "after what?", help);
            }
            return;
        };
        let alert = alert_named(name, &self.at("after"), self.names, problems);
        if alert.is_some_and(|alert| alert.when.of == Source::Deploy(spec.id.clone())) {
            let message = format!("`{name}` looks at what this deployment brought");
            let help = "it would wait for itself; `rollback` ends it after the alert";
            problems.error_help("E-CYCLE", self.at("after"), message, help);
        }
        if spec.at.is_some() || spec.every.is_some() || spec.mtbf.is_some() {
            let message = "comes after an alert or when its time is come";
            let help = "`after` and `delay`, or `at`, `every` or `mtbf`";
            problems.error_help("E-FAULT-TIME", &self.path, message, help);
        }
        if spec.delay.is_some_and(|delay| delay.0 >= self.names.design.duration) {
            let message = "the run is over by then";
            problems.error("E-FAULT-TIME", self.at("delay"), message);
        }
        let told = self.names.specs().any(|spec| spec.kind().is_told());
        let (message, help) = match effect {
            Effect::Load(_) => {
                ("a client's rate is known from the start", "give it `at`, or change what serves")
            }
            Effect::Crash(_) if told => {
                ("`detect` knows of crashes beforehand", "give the balancer an `interval`")
            }
            _ => return,
        };
        problems.error_help("E-FAULT-TIME", self.at("after"), message, help);
    }

    /// Whether anybody would ever wait for a crew.
    fn crews(&self, effect: Effect<'_>, problems: &mut Problems) {
        let Some(crews) = self.spec.crews else { return };
        let apart = effect.target().is_some_and(|target| target.node.is_some());
        let (message, help) = if crews.0 == 0 {
            ("nothing would ever be repaired", "at least 1; without `crews` nobody waits")
        } else if self.spec.mtbf.is_none() {
            ("there is nothing to repair", "only what fails by `mtbf` is repaired")
        } else if self.spec.group.is_some() || !apart {
            ("what fails as one is repaired as one", "crews choose among the instances of a `node`")
        } else {
            return;
        };
        problems.error_help("E-FAULT", self.at("crews"), message, help);
    }

    /// Whether it can grow, and has the time for it.
    fn over(&self, effect: Effect<'_>, problems: &mut Problems) {
        let Some(over) = self.spec.over else { return };
        let at = self.at("over");
        let has_size = matches!(
            effect,
            Effect::Slow(_) | Effect::Errors(_) | Effect::Latency(_) | Effect::Loss(_)
        );
        if over.0 == 0 {
            problems.error("E-RANGE", at, "must be above 0");
        } else if !has_size && !matches!(effect, Effect::Load(_)) {
            let message = format!("`{}` has no size that could grow", effect.name());
            let help = "slow, errors, latency, loss and load have";
            problems.error_help("E-FAULT", at, message, help);
        } else if self.spec.for_.is_some_and(|for_| for_ < over) {
            let help = "at most as long as `for`";
            problems.error_help("E-RANGE", at, "it is over before it has grown", help);
        }
    }

    /// Whether it begins and is over.
    fn is_at_once(&self, effect: Effect<'_>) -> bool {
        let node = |t: &TargetSpec| t.node.as_ref().and_then(|name| self.names.node(&name.0));
        match effect {
            Effect::ClearCache(_) | Effect::Corrupt(_) => true,
            Effect::Crash(t) if t.instances.is_some() => {
                node(t).is_some_and(|node| self.names.kind(node).has_environments())
            }
            _ => false,
        }
    }

    /// Whether there are instances that can recover one by one.
    fn stagger(&self, effect: Effect<'_>, problems: &mut Problems) {
        let spec = self.spec;
        let Some(stagger) = spec.stagger else { return };
        let apart = spec.mtbf.is_some()
            && spec.group.is_none()
            && effect.target().is_some_and(|target| target.node.is_some());
        let (message, help) = if stagger.0 == 0 {
            ("must be above 0", "leave it out: all recover at once")
        } else if effect.target().is_none()
            || self.is_at_once(effect)
            || matches!(effect, Effect::Reclaim(_))
        {
            ("it hits no instances that could recover one by one", "several faults end apart")
        } else if apart {
            ("each instance fails and is repaired by itself", "a `group` fails as one")
        } else if spec.for_.is_none() && spec.mtbf.is_none() {
            ("it never ends", "give it `for`")
        } else {
            return;
        };
        problems.error_help("E-FAULT", self.at("stagger"), message, help);
    }

    /// Whether what comes again after each period is over by then.
    fn every(&self, effect: Effect<'_>, problems: &mut Problems) {
        let Some(every) = self.spec.every else { return };
        let at = self.at("every");
        let duration = self.names.design.duration;
        if every.0 == 0 {
            return problems.error("E-FAULT-TIME", at, "must be above 0");
        }
        if self.spec.at.is_none() && every.0 >= duration {
            let help = "it comes for the first time after one period, unless `at` says when";
            return problems.error_help("E-FAULT-TIME", at, "starts when the run is over", help);
        }
        if matches!(effect, Effect::Set(_) | Effect::Load(_) | Effect::Deploy(_)) {
            let message = format!("`{}` comes once", effect.name());
            let help = "several faults, or the client's `load` with `every`";
            return problems.error_help("E-FAULT-TIME", at, message, help);
        }
        let spread = self.spec.stagger.map_or(0, |stagger| stagger.0);
        match self.spec.for_ {
            Some(for_) if for_.0.saturating_add(spread) >= every.0 => {
                let message = "it comes again before it is over";
                problems.error_help("E-FAULT-TIME", at, message, "a longer period than `for`");
            }
            None if !self.is_at_once(effect) => {
                let message = "it never ends, so it cannot come again";
                problems.error_help("E-FAULT-TIME", at, message, "give it `for`");
            }
            _ => {}
        }
        if duration / every.0 > MAX_OCCURRENCES as u64 {
            let message = format!("it would come more than {MAX_OCCURRENCES} times");
            problems.error_help("E-BUDGET", self.at("every"), message, "a longer period");
        }
    }

    // ---- planned changes ---------------------------------------------------------------------

    fn values(
        &self,
        values: &BTreeMap<String, serde_json::Value>,
        at: &str,
        problems: &mut Problems,
    ) {
        if values.is_empty() {
            let help = "such as `nodes.api.service.work: 7ms`";
            return problems.error_help("E-FAULT", at, "changes nothing", help);
        }
        for path in values.keys() {
            let at = format!("{at}.\"{path}\"");
            let Some((name, _, key)) = node_and_key(path) else {
                let help = "such as `nodes.api.service.work`; more load is a `load` fault";
                problems.error_help("E-FAULT-TARGET", at, "does not lead into a node", help);
                continue;
            };
            // What is not there was told when the value was put there.
            let Some(node) = self.names.node(name) else { continue };
            let kind = self.names.kind(node);
            let keys = kind.changeable();
            if !keys.contains(&key) {
                let message = format!("`{key}` cannot change while the design runs");
                let help = match keys {
                    [] => format!("nothing of a {} can", kind.facts().kind),
                    _ => format!("of a {} these can: {}", kind.facts().kind, keys.join(", ")),
                };
                problems.error_help("E-FAULT-TARGET", at, message, help);
            } else if let (NodeSpec::Store(store), "shards") = (self.names.spec(node), key) {
                store.check_shards((node, path), &at, self.names, problems);
            }
        }
    }

    // ---- hosts -------------------------------------------------------------------------------

    fn target(&self, effect: Effect<'_>, t: &TargetSpec, at: &str, problems: &mut Problems) {
        let named = [t.node.is_some(), t.zone.is_some(), t.region.is_some()];
        if named.iter().filter(|n| **n).count() != 1 {
            let help = "`node`, `zone` or `region`, exactly one";
            return problems.error_help("E-FAULT-TARGET", at, "whom does it hit?", help);
        }
        amounts(effect, t, at, self.names, problems);
        if let Some(place) = t.zone.as_ref().or(t.region.as_ref()) {
            return self.place(effect, (t, place), at, problems);
        }
        let name = t.node.as_ref().expect("one is named");
        let Some(node) = self.names.node(&name.0) else {
            let help = closest(&name.0, self.names.nodes());
            let message = format!("unknown node `{}`", name.0);
            return problems.error_help("E-REF", format!("{at}.node"), message, help);
        };
        let spec = self.names.spec(node);
        let kind = spec.kind().facts().kind;
        if let Some(host) = self.names.host(node).map(|host| self.names.name(host))
            && !matches!(effect, Effect::ClearCache(_) | Effect::Errors(_))
        {
            let message = format!("`{}` is inside `{host}` and shares its fate", name.0);
            let help = format!("hit `{host}`, or give it `clear_cache`");
            return problems.error_help("E-FAULT-TARGET", format!("{at}.node"), message, help);
        }
        if matches!(effect, Effect::Reclaim(_)) && !self.has_spot(node) {
            let message = format!("`{}` has no spot instances", name.0);
            let help = NOTHING_ON_THE_SPOT;
            return problems.error_help("E-FAULT-TARGET", format!("{at}.node"), message, help);
        }
        let holds_cache = || self.names.guests(node).next().is_some();
        if let Some(help) = spec.kind().spares(effect)
            && !(matches!(effect, Effect::Clock(_))
                && (holds_cache() || self.names.coordinates(node)))
        {
            let message =
                format!("`{}` does not fit `{}`, which is: {kind}", effect.name(), name.0);
            return problems.error_help("E-FAULT-TARGET", format!("{at}.node"), message, help);
        }
        if spec.kind().has_environments() {
            let again = self.spec.mtbf.is_some();
            return environments((effect, again), (t, spec), at, problems);
        }
        if matches!(effect, Effect::Corrupt(_)) && !self.names.tracked.followed.contains(&node) {
            let message = format!("what `{}` holds has no versions", name.0);
            let help = "somebody has to write it, and `history: none` to be left out; `errors` has requests fail";
            return problems.error_help("E-FAULT-TARGET", format!("{at}.node"), message, help);
        }
        self.instances(t, &spec.kind().facts(), at, problems);
        let told = self.names.specs().any(|spec| spec.kind().is_told());
        let comes_and_goes = t.instances.is_some() && spec.kind().comes_and_goes().is_some();
        if told && comes_and_goes && matches!(effect, Effect::Crash(_)) {
            let message = "`detect` knows of crashes beforehand, and nobody who will be there then";
            let help = "give the balancer an `interval`, or hit the whole node";
            problems.error_help("E-FAULT-TARGET", format!("{at}.instances"), message, help);
        }
    }

    /// Whether some instances of a node can be taken away.
    fn has_spot(&self, node: u16) -> bool {
        self.names.kind(node).purchase().is_some_and(|(spec, _)| spec.spot.is_some())
    }

    fn instances(&self, t: &TargetSpec, facts: &Facts<'_>, at: &str, problems: &mut Problems) {
        let n = facts.serving();
        let shards = n / facts.replicas.map_or(1, |replicas| replicas.each.max(1));
        let mut bounds = |key: &str, found: u64, least: u64, most: u64| {
            if found < least || found > most {
                let message = format!("{found} is not in {least}..={most}");
                let help = match key {
                    "shard" => format!("the node has {shards} shards"),
                    _ => format!("the node has {n} instances or shards"),
                };
                problems.error_help("E-FAULT-TARGET", format!("{at}.{key}"), message, help);
            }
        };
        match &t.instances {
            Some(InstancesSpec::Count(count)) => bounds("instances", count.0, 1, n),
            Some(InstancesSpec::These(these)) => {
                for i in these {
                    bounds("instances", i.0, 0, n - 1);
                }
            }
            Some(InstancesSpec::Share(_)) | None => {}
        }
        if let Some(shard) = t.shard {
            bounds("shard", shard.0, 0, shards.saturating_sub(1));
        }
        if let Some(replica) = &t.replica {
            self.replica(replica, facts, &format!("{at}.replica"), problems);
            if t.instances.is_some() {
                let help = "`instances` counts all replicas of all shards";
                let at = format!("{at}.instances");
                problems.error_help("E-FAULT-TARGET", at, "`replica` says which", help);
            }
        }
        let at = |key: &str| format!("{at}.{key}");
        if t.shard.is_some() && (!facts.shards || t.instances.is_some()) {
            let help = "`instances` says which of other nodes";
            problems.error_help("E-FAULT-TARGET", at("shard"), "only a store has shards", help);
        }
        let nobody = match &t.instances {
            Some(InstancesSpec::These(these)) if these.is_empty() => "the list is empty",
            Some(InstancesSpec::Share(share)) if share.0 == 0.0 => "nobody is hit",
            _ => return,
        };
        problems.error("E-FAULT-TARGET", at("instances"), nobody);
    }

    /// Some replicas of a store.
    fn replica(&self, replica: &ReplicaSpec, facts: &Facts<'_>, at: &str, problems: &mut Problems) {
        let Some(replicas) = facts.replicas else {
            let message = format!("a {} without `replication` has no replicas", facts.kind);
            let help = "`instances` or `shard` says which of its instances";
            return problems.error_help("E-FAULT-TARGET", at, message, help);
        };
        match replica {
            ReplicaSpec::Leader | ReplicaSpec::Followers if !replicas.led => {
                let help = "a number from 0, or a list of numbers";
                problems.error_help("E-FAULT-TARGET", at, "nobody leads in a quorum", help);
            }
            ReplicaSpec::These(these) => {
                if these.is_empty() {
                    problems.error("E-FAULT-TARGET", at, "the list is empty");
                }
                if let Some(one) = these.iter().find(|one| one.0 >= replicas.each) {
                    let message =
                        format!("{one} is not in 0..={}", replicas.each.saturating_sub(1));
                    let help = format!("each shard has {} replicas", replicas.each);
                    problems.error_help("E-FAULT-TARGET", at, message, help);
                }
            }
            _ => {}
        }
    }

    /// What stands in a zone or region.
    fn place(
        &self,
        effect: Effect<'_>,
        (t, place): (&TargetSpec, &Name),
        at: &str,
        problems: &mut Problems,
    ) {
        let key = if t.zone.is_some() { "zone" } else { "region" };
        let (zones, regions) = (&self.names.zones, &self.names.regions);
        let known: Vec<&String> =
            if t.zone.is_some() { zones.keys().collect() } else { regions.keys().collect() };
        if !known.contains(&&place.0) {
            let help = closest(&place.0, known.into_iter().map(String::as_str));
            let message = format!("unknown {key} `{}`", place.0);
            return problems.error_help("E-REF", format!("{at}.{key}"), message, help);
        }
        let nameless = match effect {
            Effect::ClearCache(_) => Some(("which cache?", "name the cache by `node`")),
            Effect::Corrupt(_) => Some(("which store?", "name the store by `node`")),
            _ => None,
        };
        if let Some((message, help)) = nameless {
            problems.error_help("E-FAULT-TARGET", at, message, help);
        }
        if t.instances.is_some() || t.shard.is_some() || t.replica.is_some() {
            let help = "`instances`, `shard` and `replica` choose among those of a `node`";
            problems.error_help("E-FAULT-TARGET", at, "a place is hit as a whole", help);
        }
        let inside = self.names.zones_of(&place.0).unwrap_or_default();
        let stands = |node: u16| self.names.places(node).iter().any(|zone| inside.contains(zone));
        let mut there =
            (0..self.names.nodes().len() as u16).filter(|node| stands(*node)).peekable();
        if there.peek().is_none() {
            let message = format!("nothing stands in `{}`", place.0);
            problems.error_help("E-FAULT-TARGET", format!("{at}.{key}"), message, "see `zones`");
        } else if matches!(effect, Effect::Reclaim(_)) && !there.any(|node| self.has_spot(node)) {
            let message = format!("no service with spot instances stands in `{}`", place.0);
            let at = format!("{at}.{key}");
            problems.error_help("E-FAULT-TARGET", at, message, NOTHING_ON_THE_SPOT);
        }
    }

    // ---- messages ----------------------------------------------------------------------------

    /// What a name on a side stands for, and what of it.
    fn part_of_side(&self, side: &SideName, at: &str, problems: &mut Problems) {
        let (name, node) = (&side.name, self.names.node(&side.name.0));
        let is_place = self.names.zones_of(&name.0).is_some();
        let is_host = node.is_some() || self.names.client(&name.0).is_some();
        if is_host && is_place {
            let message =
                format!("`{name}` is a place, and a node or client: here it is the latter");
            problems.warn("W-NAME", at, message, "give them names apart");
        }
        if !is_host && !is_place {
            let names = self.names;
            let places = names.zones.keys().chain(names.regions.keys()).map(String::as_str);
            let all = names.nodes().chain(names.clients()).chain(places);
            let message = format!("no node, client, zone or region `{}`", name.0);
            problems.error_help("E-REF", at, message, closest(&name.0, all));
        }
        if let Some(zone) = &side.zone {
            let inside = self.names.zones_of(&zone.0).unwrap_or_default();
            let stands = self.names.entity_of(&side.name.0).map(|id| self.names.stands_in(id));
            if !stands.unwrap_or_default().iter().any(|zone| inside.contains(zone)) {
                let message = format!("nothing of `{}` stands in `{zone}`", side.name);
                let help = "`db@zone-a`, `db@leader`, `db@followers` or `db@2`";
                problems.error_help("E-REF", at, message, help);
            }
        }
        if let Some(replica) = &side.replica {
            match node {
                Some(node) => self.replica(replica, &self.names.kind(node).facts(), at, problems),
                None => {
                    let message = format!("`{}` has no replicas", side.name);
                    problems.error_help("E-REF", at, message, "only a store with `replication`");
                }
            }
        }
    }

    fn messages(&self, effect: Effect<'_>, p: &PathSpec, at: &str, problems: &mut Problems) {
        let ways = [
            p.between.is_some(),
            p.link.is_some(),
            p.node.is_some(),
            p.from.is_some() || p.to.is_some(),
        ];
        let pair = |n: Option<usize>| n.is_none_or(|n| n == 2);
        let two = pair(p.between.as_ref().map(Vec::len)) && pair(p.link.as_ref().map(Vec::len));
        let both = p.from.is_some() == p.to.is_some();
        let (a, b, _) = p.sides();
        let empty = a.is_empty() || b.is_empty() && p.node.is_none();
        if ways.iter().filter(|w| **w).count() != 1 || !two || !both || empty {
            let help = "`between: [[a, b], [c]]`, `link: [a, b]`, `from: [a]` with `to: [b]`, or `node: a`";
            return problems.error_help("E-PARTITION", at, "needs two sides", help);
        }
        let sides: [BTreeSet<&SideName>; 2] = [a.into_iter().collect(), b.into_iter().collect()];
        if let Some(name) = sides[0].intersection(&sides[1]).next() {
            let message = format!("`{name}` is on both sides");
            problems.error_help("E-PARTITION", at, message, "each name stands on one side");
        }
        for side in sides.iter().flatten() {
            self.part_of_side(side, at, problems);
        }
        let found = [
            ("add", p.add.is_some(), matches!(effect, Effect::Latency(_))),
            (
                "fraction",
                p.fraction.is_some(),
                matches!(effect, Effect::Loss(_) | Effect::Duplicate(_)),
            ),
            ("rate", p.rate.is_some(), matches!(effect, Effect::Bandwidth(_))),
        ];
        for (key, given, wanted) in found {
            required((key, given, wanted), effect, at, problems);
        }
        if let Some(add) = &p.add {
            law(add, &format!("{at}.add"), problems);
        }
        let found = [
            ("burst", p.burst.is_some(), matches!(effect, Effect::Loss(_))),
            ("reject", p.reject.is_some(), matches!(effect, Effect::Partition(_))),
        ];
        for (key, given, fits) in found {
            if given && !fits {
                let message = format!("`{key}` means nothing to `{}`", effect.name());
                problems.error("E-FAULT", format!("{at}.{key}"), message);
            }
        }
        if let (Some(burst), Some(Fraction(p))) = (p.burst, p.fraction)
            && (burst.0 < 1.0 || burst.0 * (1.0 - p) < p)
        {
            // A burst is a message long at least, and so is the time between two.
            let least = (p / (1.0 - p)).max(1.0);
            let message = format!("bursts that lose {} are longer", Fraction(p));
            let help = format!("at least {least:.3}");
            problems.error_help("E-RANGE", format!("{at}.burst"), message, help);
        }
    }

    // ---- clients -----------------------------------------------------------------------------

    fn surge(&self, surge: &SurgeSpec, at: &str, problems: &mut Problems) {
        let client = &surge.client;
        if surge.factor.0 > 1000.0 {
            problems.error("E-RANGE", format!("{at}.factor"), "must be in 0..=1000");
        }
        let Some(spec) = self.names.design.clients.get(client) else {
            let help = closest(&client.0, self.names.clients());
            let message = format!("unknown client `{}`", client.0);
            return problems.error_help("E-REF", format!("{at}.client"), message, help);
        };
        if matches!(
            spec.arrivals,
            Arrivals::Closed { .. } | Arrivals::Trace(_) | Arrivals::Schedule(_)
        ) {
            let message = format!("`{}` has no rate that could be multiplied", client.0);
            let help = "closed users, traces and schedules send when they send";
            problems.error_help("E-FAULT-TARGET", format!("{at}.client"), message, help);
        }
    }
}
