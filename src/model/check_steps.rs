//! Checks of steps: one verb each, names that exist, parts that go together.
//!
//! **Invariant.** As in `check.rs`.

use super::{
    check::{attribute_known, closest, formula, positive},
    client::KeyLaw,
    frame::MAX_LOOPS,
    kinds::NodeSpec,
    service::{
        AnySpec, BranchSpec, Condition, Literal, StepSpec, WriteMode, check_outbox, check_sagas,
    },
};
use crate::{
    model::{names::Names, service::steps::Spread},
    problem::Problems,
    units::{Count, Name},
};

/// Programs are addressed by 16 bits, and a step or branch takes up to three instructions.
pub(super) fn many_steps(count: usize, path: &str, problems: &mut Problems) {
    if count > 20_000 {
        problems.error("E-LIMIT", path, format!("{count} steps and branches; the limit is 20000"));
    }
}

/// Instructions of a program, which are numbered in 16 bits.
const MAX_INSTRUCTIONS: usize = 65_000;

/// Refuses a service whose steps, in all versions of it together, are more than a program holds.
pub(super) fn long_programs(versions: &[&NodeSpec], path: &str, problems: &mut Problems) {
    let service = |spec: &&NodeSpec| {
        spec.steps().map_or(0, |service| {
            let steps: usize = service.lists().map(|list| 9 + instructions(list)).sum();
            steps + service.calls.len() + 5
        })
    };
    let all: usize = versions.iter().map(service).sum();
    if all > MAX_INSTRUCTIONS {
        let message = match versions.len() {
            1 => "too many steps and branches for one service".to_owned(),
            n => format!("too many steps and branches in {n} versions of one service"),
        };
        problems.error("E-LIMIT", path, message);
    }
}

/// No list of steps compiles to more.
fn instructions(list: &[StepSpec]) -> usize {
    let one = |step: &StepSpec| {
        let tiers = step.caching().map_or(0, |(tiers, _)| tiers.0.len());
        let spread = if step.spread().is_some() { 4 } else { 0 };
        let inner: usize = step.inner().iter().map(|(_, list)| 3 + instructions(list)).sum();
        let block = match (&step.lock, &step.saga, &step.transaction) {
            (Some(lock), ..) if lock.in_.is_some() => 32,
            (_, Some(saga), _) if saga.log.is_some() => 30 + 16 * saga.parts.len(),
            (_, Some(_), _) | (.., Some(_)) => 8,
            _ => 0,
        };
        4 + 3 * tiers + spread + block + inner
    };
    list.iter().map(one).sum()
}

/// Checks a list of steps; `depth` counts loops around it, `count` all steps and branches.
pub(super) fn steps(
    list: &[StepSpec],
    path: &str,
    (depth, count): (usize, &mut usize),
    names: &Names,
    problems: &mut Problems,
) {
    for (i, one) in list.iter().enumerate() {
        *count += 1;
        let path = format!("{path}[{i}]");
        step(one, &path, names, problems);
        let inner_depth = depth + usize::from(one.repeat.is_some());
        if inner_depth > MAX_LOOPS {
            problems.error("E-DEPTH", &path, format!("more than {MAX_LOOPS} nested `repeat`"));
            continue;
        }
        for (inner, list) in one.inner() {
            *count += 1;
            steps(list, &format!("{path}{inner}"), (inner_depth, count), names, problems);
        }
    }
}

/// The caches of a read or write.
fn caching(s: &StepSpec, path: &str, names: &Names, problems: &mut Problems) {
    let Some((tiers, mode)) = s.caching() else { return };
    let verb = data_verb(s);
    let at = |key: &str| format!("{path}.{verb}.{key}");
    if tiers.0.is_empty() {
        problems.error("E-RANGE", at("cache"), "the list of tiers is empty");
    }
    for (i, tier) in tiers.0.iter().enumerate() {
        let Some(node) = names.node(&tier.0) else { continue };
        if !matches!(names.spec(node), NodeSpec::Cache(_)) {
            let kind = names.kind(node).facts().kind;
            let message = format!("`{}` is a {kind}, not a cache", tier.0);
            problems.error("E-REF", at("cache"), message);
        }
        if tiers.0[..i].contains(tier) {
            problems.error("E-DUP-NAME", at("cache"), format!("`{}` is listed twice", tier.0));
        }
    }
    let Some(WriteMode::Through | WriteMode::Behind) = mode else { return };
    let Some((store, ..)) = s.target() else { return };
    let writes_to = |cache: &Name| {
        let node = names.node(&cache.0).map(|n| names.spec(n));
        matches!(node, Some(NodeSpec::Cache(c)) if c.from.as_ref().is_some_and(|f| f.0 == store))
    };
    if s.write.is_none() {
        let message = "only a `write` goes through a cache";
        problems.error("E-CONFLICT", at("mode"), message);
    } else if tiers.0.len() != 1 || !tiers.0.iter().all(writes_to) {
        problems.error_help(
            "E-CONFLICT",
            at("mode"),
            format!("the cache does not write to `{store}`"),
            format!("one cache, with `from: {store}`"),
        );
    }
}

/// What a read or write is done for in parallel: `count`, `shards`, `need`.
fn spread(s: &StepSpec, path: &str, names: &Names, problems: &mut Problems) {
    let Some((target, _, key, _)) = s.target() else { return };
    let verb = data_verb(s);
    let at = |word: &str| format!("{path}.{verb}.{word}");
    let conflict = |word: &str, message: &str, problems: &mut Problems| {
        problems.error("E-CONFLICT", at(word), message);
    };
    if let Some(read) = &s.read {
        let read = &read.0;
        if read.need.is_some_and(|need| need.0 <= 0.0 || need.0 > 1.0) {
            problems.error("E-RANGE", at("need"), "must be above 0 and at most 100%");
        }
        if read.need.is_some() && s.spread().is_none() {
            conflict("need", "is a part of the keys of `count` or of all `shards`", problems);
        }
        if read.shards.is_some() {
            for (word, given) in [
                ("key", read.key.is_some()),
                ("count", read.count.is_some()),
                ("cache", read.cache.is_some()),
            ] {
                if given {
                    conflict(word, "a read of all shards is not of certain keys", problems);
                }
            }
            if let Some(node) = names.node(&target)
                && !matches!(names.spec(node), NodeSpec::Store(_))
            {
                let message = format!("`{target}` is not a store, so it has no shards");
                problems.error("E-REF", at("shards"), message);
            }
            return;
        }
    }
    let Some(Spread::Keys(count)) = s.spread() else { return };
    positive(Some(Count(count)), 10_000, &at("count"), problems);
    if key.is_some_and(|k| k.0 == "instance" || k.0 == "session") {
        conflict("count", "there is only one such key", problems);
    }
    let laws = names.design.clients.values().filter_map(|c| c.keys.as_ref()?.law(key));
    for law in laws {
        if matches!(law, KeyLaw::Sequential { .. } | KeyLaw::Trace { .. }) {
            let message = format!("further keys cannot be drawn from `{law}`");
            conflict("count", &message, problems);
        }
    }
}

/// The word of a step that reads or writes.
pub(super) fn data_verb(s: &StepSpec) -> &'static str {
    let verbs = [&s.write, &s.delete, &s.cas, &s.increment];
    match verbs.iter().position(|verb| verb.is_some()) {
        Some(at) => ["write", "delete", "cas", "increment"][at],
        None => "read",
    }
}

fn step(s: &StepSpec, path: &str, names: &Names, problems: &mut Problems) {
    macro_rules! verbs {
        ($($verb:ident)*) => { [$((stringify!($verb), s.$verb.is_some())),*, ("do", s.do_.is_some())] };
    }
    let verbs = verbs!(work wait call read write delete cas increment all any race choose repeat lock hold
        saga transaction publish fail mark reply);
    let given: Vec<&str> = verbs.iter().filter(|verb| verb.1).map(|verb| verb.0).collect();
    match given.as_slice() {
        [_] => {}
        [first, second, ..] => {
            let message = format!("a step has one verb only, not `{first}` and `{second}`");
            problems.error_help("E-STEP", path, message, "make it two steps, each with a dash");
        }
        [] => {
            let known: Vec<&str> = verbs.iter().map(|verb| verb.0).filter(|v| *v != "do").collect();
            let help = format!("one of {}", known.join(", "));
            problems.error_help("E-STEP", path, "a step needs a verb", help);
        }
    }
    if let Some(condition) = &s.when {
        when(condition, &format!("{path}.when"), names, problems);
    }
    for (formula_, key) in [(&s.work, "work"), (&s.wait, "wait")] {
        if let Some(f) = formula_ {
            formula(f, &format!("{path}.{key}"), names, problems);
        }
    }
    if let Some(reply) = &s.reply {
        formula(reply, &format!("{path}.reply"), names, problems);
    }
    if let Some((_, _, key, size)) = s.target() {
        if let Some(size) = size {
            formula(size, path, names, problems);
        }
        if let Some(key) = key {
            key_space(key, path, names, problems);
        }
    }
    if let Some(publish) = &s.publish {
        publish.0.check((&format!("{path}.publish"), "call"), names, problems);
    }
    check_outbox::outbox(s, path, names, problems);
    caching(s, path, names, problems);
    spread(s, path, names, problems);
    parallel(s, path, problems);
    if let Some(choices) = &s.choose {
        let total: f64 = choices.iter().map(|c| c.share.0).sum();
        shares(total, &format!("{path}.choose"), problems);
    }
    check_sagas::saga(s, path, names, problems);
    if let Some(repeat) = &s.repeat {
        positive(Some(repeat.times), 1_000_000, &format!("{path}.repeat.times"), problems);
    }
}

fn parallel(s: &StepSpec, path: &str, problems: &mut Problems) {
    let mut branches = |list: &[BranchSpec], key: &str| {
        if list.is_empty() {
            problems.error("E-STEP", format!("{path}.{key}"), "needs at least one branch");
        } else if list.len() > 10_000 {
            problems.error("E-LIMIT", format!("{path}.{key}"), "more than 10000 branches");
        }
    };
    for (list, key) in [(&s.all, "all"), (&s.race, "race")] {
        if let Some(list) = list {
            branches(list, key);
        }
    }
    if let Some(AnySpec { need, of }) = &s.any {
        branches(of, "any.of");
        if need.0 == 0 || need.0 > of.len() as u64 {
            let message = format!("must be in 1..={}, the number of branches", of.len());
            problems.error("E-RANGE", format!("{path}.any.need"), message);
        }
    }
}

/// Shares must sum to 100 % within 1e-6.
pub(super) fn shares(total: f64, path: &str, problems: &mut Problems) {
    if (total - 1.0).abs() > 1e-6 {
        let message = format!("the shares sum to {} %, not to 100 %", (total * 1e8).round() / 1e6);
        problems.error("E-SHARE", path, message);
    }
}

/// A key space named by a step or operation.
pub(super) fn key_space(key: &Name, path: &str, names: &Names, problems: &mut Problems) {
    let known = names.key_spaces.iter().map(String::as_str).chain(["instance", "session"]);
    if !known.clone().any(|k| k == key.0) {
        let help = closest(&key.0, known);
        problems.error_help("E-REF", path, format!("no client has a key space `{}`", key.0), help);
    }
}

fn when(condition: &Condition, path: &str, names: &Names, problems: &mut Problems) {
    for c in &condition.0 {
        attribute_known(&c.attribute, path, names, problems);
        if let Literal::Name(name) = &c.value
            && names.literal(&c.attribute, name).is_none()
        {
            let message = format!("`{}` is never `{name}`", c.attribute);
            let help = closest(name, names.literals.keys().map(String::as_str));
            problems.error_help("E-REF", path, message, help);
        }
    }
}
