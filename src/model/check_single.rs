//! Single points of failure: what every request of an operation needs and of which there is one.
//!
//! A node is needed where no way leads round it: a step that is neither optional nor under a condition, a call without
//! a fallback, the only target of a balancer. What a hit in a cache saves is not needed.
//!
//! **Invariant.** What is named is needed by every request; what only some of them need is not.

use std::collections::BTreeMap;

use super::check_flow::callees_first;
use crate::{
    model::{
        cache::CacheSpec,
        kind::{Facts, Op, Outgoing, Reach, Verb},
        kinds::NodeSpec,
        names::Names,
        resilience::EdgeSpec,
        service::{ServiceSpec, StepSpec, WriteMode, parts::AUTH, steps::Spread},
    },
    node_kind::NodeKind,
    problem::Problems,
};

/// Fallbacks of fallbacks that are followed.
const MOST_FALLBACKS: usize = 64;

/// How there can be more than one.
const INSTANCE: &str = "another instance, or a `fallback` where it is called";

/// Nodes that are needed: a bit each.
#[derive(Clone, Debug, Default, PartialEq)]
struct Needed(Vec<u64>);

impl Needed {
    fn add(&mut self, node: usize) {
        self.0.resize(self.0.len().max(node / 64 + 1), 0);
        self.0[node / 64] |= 1 << (node % 64);
    }

    fn has(&self, node: usize) -> bool {
        self.0.get(node / 64).is_some_and(|word| word & (1 << (node % 64)) != 0)
    }

    /// What is needed beside.
    fn and(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    /// What is needed where `need` of these must do.
    fn of_several(each: &[Self], need: usize) -> Self {
        let mut needed = Self::default();
        let words = each.iter().map(|one| one.0.len()).max().unwrap_or(0);
        for node in 0..words * 64 {
            let without = each.iter().filter(|one| !one.has(node)).count();
            if without < need {
                needed.add(node);
            }
        }
        needed
    }
}

/// Warns of what every request of some operation needs and of which there is one. `asked` are the operations with an
/// objective: those of one client, of one name, or all.
pub fn single_points(
    names: &Names,
    asked: &[(Option<String>, Option<String>)],
    problems: &mut Problems,
) {
    let judged = |client: &str, operation: &str| {
        asked.iter().any(|(of, named)| {
            of.as_ref().is_none_or(|of| of == client)
                && named.as_ref().is_none_or(|named| named == operation)
        })
    };
    let ways = Ways::of(names);
    // Each with what it needs, and whether it is judged.
    let mut all: Vec<(&str, String, Needed, bool)> = Vec::new();
    for (client, spec) in &names.design.clients {
        for (operation, effective) in spec.operations() {
            let Some((target, verb)) = effective.target() else { continue };
            let op = (operation.clone(), verb);
            let needed = ways.of_call(&target.0, &op, Some(&effective.edge()), |_| None);
            let is_judged = judged(&client.0, &operation);
            all.push((&client.0, operation, needed, is_judged));
        }
    }
    for (node, spec) in names.specs().enumerate() {
        let facts = spec.kind().facts();
        if !is_single(&facts, spec.kind().wanted()) {
            continue;
        }
        let needing: Vec<_> = all.iter().filter(|one| one.2.has(node)).collect();
        if !needing.iter().any(|one| one.3) {
            continue;
        }
        let mut who: Vec<String> = needing
            .iter()
            .filter(|one| one.3)
            .map(|(client, operation, ..)| match operation.as_str() {
                "default" => format!("request of `{client}`"),
                _ => format!("`{operation}`"),
            })
            .collect();
        who.sort_unstable();
        who.dedup();
        let some = needing.len() < all.len();
        warn((names.name(node), spec), some.then_some(who.as_slice()), problems);
    }
}

/// Its loss is that of all there is of it, or of what keys are for. What stands behind an external is unknown, a name is
/// answered from memory, a cache inside a service is lost with that, and environments of a function come anew.
fn is_single(facts: &Facts<'_>, wanted: u64) -> bool {
    let spare = facts.replicas.is_some_and(|r| r.each > r.need && (!r.led || r.takes_over));
    let one = facts.instances.min(wanted) == 1 || facts.shards && !spare;
    let known = !matches!(facts.kind, NodeKind::External | NodeKind::Dns | NodeKind::Function);
    one && known && facts.reach != Reach::Inside
}

/// Several names in a sentence; of many a few.
fn listed(names: &[String], and: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first, second, third, _, ..] => {
            format!("{first}, {second}, {third} {and} {} more", names.len() - 3)
        }
        [before @ .., last] => format!("{} {and} {last}", before.join(", ")),
    }
}

/// `who`: not all.
fn warn((name, spec): (&str, &NodeSpec), who: Option<&[String]>, problems: &mut Problems) {
    let whose = who.map_or("request".to_owned(), |who| listed(who, "and"));
    let nobody = who.map_or("nobody".to_owned(), |who| format!("no {}", listed(who, "or")));
    let facts = spec.kind().facts();
    let shards = spec.kind().routed();
    let several = facts.replicas.filter(|replicas| replicas.each > 1);
    let (copies, lost) = match (several, shards) {
        (Some(replicas), _) => (
            if replicas.led && !replicas.takes_over {
                "each shard has a leader that nobody takes over for".to_owned()
            } else {
                "each shard needs all its replicas".to_owned()
            },
            format!("without one {nobody} that writes there is served"),
        ),
        (None, 1) => ("there is one".to_owned(), format!("without it {nobody} is served")),
        (None, n) => (
            format!("each of {n} shards is one copy"),
            format!("without one of them {nobody} that needs its keys is served"),
        ),
    };
    let (key, remedy) = match spec {
        NodeSpec::LoadBalancer(_) => {
            ("", "another balancer beside it, behind a `dns` node with health checks")
        }
        NodeSpec::Store(store) => (
            if store.shards.is_some() { ".store.shards" } else { "" },
            "a `fallback` where it is called, if there is anything to answer without it",
        ),
        NodeSpec::Service(service) if service.instances.is_some() => {
            (".service.instances", INSTANCE)
        }
        NodeSpec::Cache(cache) if cache.instances.is_some() => (".cache.instances", INSTANCE),
        _ => ("", INSTANCE),
    };
    problems.warn(
        "W-SPOF",
        format!("nodes.{name}{key}"),
        format!("every {whose} needs `{name}`, of which {copies}: {lost}"),
        format!("{remedy}; `compare FILE --lose each` tells what its loss costs"),
    );
}

/// What calls need, by node and operation.
struct Ways<'n> {
    names: &'n Names,
    needed: Vec<BTreeMap<u8, Needed>>,
}

impl<'n> Ways<'n> {
    fn of(names: &'n Names) -> Self {
        let caused = |calls: Vec<Outgoing>| calls.into_iter().filter(|c| !c.by_itself).collect();
        let calls: Vec<Vec<Outgoing>> = names.calls().into_iter().map(caused).collect();
        let mut ways = Self { names, needed: vec![BTreeMap::new(); calls.len()] };
        for node in callees_first(names, &calls) {
            for &op in &names.arriving[node] {
                let needed = ways.of_visit(node, &names.ops[usize::from(op)]);
                ways.needed[node].insert(op, needed);
            }
        }
        ways
    }

    fn of_visit(&self, node: usize, op: &Op) -> Needed {
        let mut needed = match self.names.spec(node) {
            NodeSpec::Function(function) => self.of_service(function.body(), op),
            NodeSpec::Service(service) => self.of_service(service, op),
            NodeSpec::Cache(cache) => self.of_cache(cache, op),
            other => {
                let targets = other.kind().passes_on();
                let each: Vec<_> = targets.iter().map(|name| self.plain(&name.0, op)).collect();
                Needed::of_several(&each, 1)
            }
        };
        needed.add(node);
        needed
    }

    /// A cache that fetches by itself hands every write on before it answers.
    fn of_cache(&self, cache: &CacheSpec, op: &Op) -> Needed {
        match (&cache.from, op.1) {
            (Some(from), Some(Verb::Write)) => self.plain(&from.0, op),
            _ => Needed::default(),
        }
    }

    fn of_service(&self, service: &ServiceSpec, op: &Op) -> Needed {
        let default = || service.endpoints.iter().find(|(name, _)| name.0 == "default");
        let own = service.endpoints.iter().find(|(name, _)| name.0 == op.0);
        let steps = own.or_else(default).map_or(&[][..], |(_, steps)| steps.as_slice());
        let mut needed = self.of_steps(service, steps, op);
        for target in &service.calls {
            needed.and(&self.of_edge(service, &target.0, op));
        }
        if let Some(auth) = service.inbound.as_ref().and_then(|inbound| inbound.auth.as_ref()) {
            needed.and(&self.of_edge(service, &auth.0, &(AUTH.to_owned(), None)));
        }
        needed
    }

    fn of_steps(&self, service: &ServiceSpec, steps: &[StepSpec], op: &Op) -> Needed {
        let mut needed = Needed::default();
        // After a reply nobody waits any more.
        for step in steps.iter().take_while(|step| step.reply.is_none()) {
            if step.when.is_some() || step.optional == Some(true) {
                continue;
            }
            if let Some((target, asked)) = self.certain(step, op) {
                needed.and(&self.of_edge(service, &target, &asked));
            }
            let inner = step.inner();
            let each: Vec<_> =
                inner.iter().map(|(_, steps)| self.of_steps(service, steps, op)).collect();
            let need = match (&step.any, &step.race, &step.choose) {
                (Some(any), ..) => any.need.0 as usize,
                (_, Some(_), _) | (.., Some(_)) => 1,
                _ => each.len(),
            };
            needed.and(&Needed::of_several(&each, need));
        }
        needed
    }

    /// The call that a step makes whatever a cache holds, and cannot do without.
    fn certain(&self, step: &StepSpec, op: &Op) -> Option<(String, Op)> {
        let (target, asked, ..) = step.target()?;
        let asked = asked.unwrap_or_else(|| op.clone());
        let shards = || {
            let store = self.names.node(&target);
            store.map_or(1, |store| self.names.kind(store).routed())
        };
        if matches!(step.spread(), Some(Spread::Keys(_) | Spread::Shards))
            && step.need() < 1.0
            && shards() > 1
        {
            return None;
        }
        match step.caching() {
            None
            | Some((_, Some(WriteMode::Invalidate | WriteMode::Update | WriteMode::Around))) => {
                Some((target, asked))
            }
            Some((tiers, Some(WriteMode::Through))) => Some((tiers.0.first()?.0.clone(), asked)),
            Some((tiers, Some(WriteMode::Behind))) => {
                let behind = (Verb::WriteBehind.name().to_owned(), Some(Verb::WriteBehind));
                Some((tiers.0.first()?.0.clone(), behind))
            }
            Some((_, None)) => None,
        }
    }

    fn of_edge(&self, service: &ServiceSpec, target: &str, op: &Op) -> Needed {
        self.of_call(target, op, service.edge(target), |name| service.edge(name))
    }

    /// What a call needs by the policies of its edge; those of what it falls back on are `further`.
    fn of_call<'e>(
        &self,
        target: &str,
        op: &Op,
        edge: Option<&'e EdgeSpec>,
        further: impl Fn(&str) -> Option<&'e EdgeSpec>,
    ) -> Needed {
        let mut each = vec![self.plain(target, op)];
        let mut edge = edge;
        while let Some(fallback) = edge.and_then(|edge| edge.fallback.as_ref()) {
            let Some(other) = fallback.call.as_ref().filter(|_| each.len() < MOST_FALLBACKS) else {
                return Needed::default();
            };
            each.push(self.plain(&other.0, op));
            edge = further(&other.0);
        }
        Needed::of_several(&each, 1)
    }

    fn plain(&self, target: &str, op: &Op) -> Needed {
        let Some(node) = self.names.node(target).map(usize::from) else { return Needed::default() };
        let known = self.names.op(op).and_then(|op| self.needed[node].get(&op)).cloned();
        known.unwrap_or_else(|| {
            let mut alone = Needed::default();
            alone.add(node);
            alone
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needed(nodes: &[usize]) -> Needed {
        let mut all = Needed::default();
        for &node in nodes {
            all.add(node);
        }
        all
    }

    #[test]
    fn where_some_may_fail_only_what_too_many_need_is_needed() {
        let each = [needed(&[1, 2, 70]), needed(&[1, 3, 70]), needed(&[1, 3])];
        for (need, nodes) in [(1, &[1][..]), (2, &[1, 3, 70]), (3, &[1, 2, 3, 70]), (0, &[])] {
            let found = Needed::of_several(&each, need);
            let all: Vec<usize> = (0..128).filter(|node| found.has(*node)).collect();
            assert_eq!(all, nodes, "{need}");
        }
        assert_eq!(Needed::of_several(&[], 0), Needed::default());
        let mut both = needed(&[1]);
        both.and(&needed(&[130]));
        assert!(both.has(1) && both.has(130) && !both.has(2) && !both.has(1000));
    }

    #[test]
    fn of_many_a_few_are_named() {
        let names = ["a", "b", "c", "d", "e"].map(str::to_owned);
        for (n, text) in [(1, "a"), (2, "a and b"), (3, "a, b and c"), (5, "a, b, c and 2 more")] {
            assert_eq!(listed(&names[..n], "and"), text);
        }
    }
}
