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
        check::{closest, law},
        client::Arrivals,
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

pub(super) struct Check<'a> {
    pub(super) spec: &'a FaultSpec,
    pub(super) path: String,
    pub(super) names: &'a Names,
}

impl Check<'_> {
    pub(super) fn at(&self, key: &str) -> String {
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
        let promises = self.names.tracked.transactions.contains(&node)
            && spec.kind().facts().replicas.is_some();
        if matches!(effect, Effect::Corrupt(_)) && promises {
            let message = format!(
                "damage to copies of `{}` and transactions that write it do not go together yet",
                name.0
            );
            let help = "leave out `replication`, the transactions, or the fault";
            return problems.error_help("E-UNSUPPORTED", format!("{at}.node"), message, help);
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
