//! A search for the cheapest setting, or for the largest load, as text and for machines.
//!
//! **Invariant.** Every step that is told was simulated.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{
    explain::thing,
    gate::{gated, verdict},
    table::slo_quantity,
    text::{Quantity, clean, count, estimate, plural, value},
};
use crate::{
    results::Bottleneck,
    size::{Contradiction, Doubled, Loads, Sized, Step},
    slo::{Gated, Verdict},
};

/// `nodes.api.service.instances` is `api.instances` to people.
fn short(path: &str) -> String {
    let parts: Vec<&str> = path.trim().split('.').collect();
    let kept = match parts.as_slice() {
        ["nodes", name, _, rest @ ..] if !rest.is_empty() => [&[*name], rest].concat(),
        ["clients", rest @ ..] if !rest.is_empty() => rest.to_vec(),
        all => all.to_vec(),
    };
    clean(&kept.join("."))
}

fn knob(name: &str) -> String {
    name.split(" + ").map(short).collect::<Vec<_>>().join(" + ")
}

fn setting(sized: &Sized, step: &Step) -> String {
    let each = sized.knobs.iter().zip(&step.setting);
    let each: Vec<String> =
        each.map(|(of, value)| format!("{} {}", knob(&of.name), clean(value))).collect();
    each.join(", ")
}

fn cost(sized: &Sized, step: &Step) -> Option<String> {
    let (text, quantity) = sized.minimise.as_ref()?;
    let shown = step.cost.map_or_else(|| "-".to_owned(), |cost| value(*quantity, cost));
    Some(match text.as_str() {
        "cost.per_month" => format!("{shown} a month"),
        "cost.per_hour" => format!("{shown} an hour"),
        text => format!("{} {shown}", clean(text)),
    })
}

/// An objective and what was measured of it.
fn measured(one: &Gated) -> String {
    let known = one.estimate.value.is_some_and(f64::is_finite);
    let shown =
        if known { estimate(slo_quantity(&one.expression), &one.estimate) } else { gated(one) };
    format!("{}: {shown}", clean(&one.expression))
}

/// A verdict, and why where it is not a pass.
fn judged(step: &Step) -> String {
    let word = verdict(step.verdict).0;
    step.why().map_or_else(|| word.to_owned(), |why| format!("{word}, {}", measured(why)))
}

/// What is searched: a line.
#[must_use]
pub fn size_head(name: &str, sized: &Sized) -> String {
    let settings = plural(sized.search.grid().len() as u64, "setting");
    let of: Vec<String> = sized
        .knobs
        .iter()
        .map(|of| {
            let ends = [of.values.first(), of.values.last()].map(|end| end.map(|end| clean(end)));
            let [first, last] = ends.map(Option::unwrap_or_default);
            format!("{} {first} to {last}", knob(&of.name))
        })
        .collect();
    let least = sized.minimise.as_ref().map_or("places in the ranges", |(text, _)| text);
    let mut text = format!("{}: {settings} of {}; ", clean(name), of.join(", "));
    write!(text, "the least by {} that meets the objectives", clean(least)).expect("a text grows");
    if sized.doubted > 0 {
        let doubted = plural(sized.doubted as u64, "setting");
        write!(text, "\n  {doubted} offered more work than there are cores or workers for: last")
            .expect("a text grows");
    }
    if sized.search.is_exhaustive() {
        text += "\n  what that is only a simulation knows: no setting is left out for its cost";
    }
    text + "\n"
}

/// One step: a line.
#[must_use]
pub fn size_step(sized: &Sized, step: &Step) -> String {
    let cost = cost(sized, step).map_or(String::new(), |cost| format!(", {cost}"));
    let replications = plural(step.replications as u64, "replication");
    format!("{}: {}{cost}, {replications}\n", setting(sized, step), judged(step))
}

/// That the steps speak against what was taken for granted: a line.
#[must_use]
pub fn size_contradiction(sized: &Sized) -> Option<String> {
    let named = |of: usize| {
        let step = sized.step(of).expect("it was simulated");
        (setting(sized, step), step)
    };
    let line = match sized.search.contradiction()? {
        Contradiction::Larger(small, large) => format!(
            "({}) passes, and ({}) fails, which has no less of anything: no setting is ruled out by another from here on",
            named(small).0,
            named(large).0
        ),
        Contradiction::Costs(cheap, dear) => {
            let [cheap, dear] = [cheap, dear].map(named);
            format!(
                "({}) costs more than ({}) once simulated: no setting is left out for its cost from here on",
                cheap.0, dear.0
            )
        }
    };
    Some(line + "\n")
}

/// What was found; `complete`: nothing interrupted the search.
#[must_use]
pub fn size_text(sized: &Sized, complete: bool) -> String {
    let steps = format!(
        "{} of {} simulated",
        count(sized.steps.len() as u64),
        plural(sized.search.grid().len() as u64, "setting")
    );
    let mut out = String::new();
    let Some(best) = sized.best() else {
        if complete {
            nothing(sized, &steps, &mut out);
        } else {
            writeln!(out, "Nothing passed before it was stopped; {steps}").expect("a text grows");
        }
        return out;
    };
    let cost = cost(sized, best).map_or(String::new(), |cost| format!(", {cost}"));
    let so_far = if complete { "" } else { " so far" };
    writeln!(out, "\nThe least{so_far}: {}{cost}; {steps}", setting(sized, best))
        .expect("a text grows");
    for (of, step) in sized.breaks() {
        let at = sized.knobs.iter().position(|other| other.name == of.name).unwrap_or(0);
        let said = match step.verdict {
            Verdict::Pass => "is met too, and costs no less".to_owned(),
            Verdict::Fail => {
                format!("breaks {}", step.why().map_or(String::new(), measured))
            }
            Verdict::Inconclusive => {
                format!("leaves open {}", step.why().map_or(String::new(), measured))
            }
        };
        writeln!(out, "  {} {}: {said}", knob(&of.name), clean(&step.setting[at]))
            .expect("a text grows");
    }
    let undecided = sized.search.undecided();
    if !undecided.is_empty() {
        let each = plural(undecided.len() as u64, "cheaper setting");
        let word = if undecided.len() == 1 { "is" } else { "are" };
        writeln!(
            out,
            "  {each} {word} not decided: more replications may pass them (--max-replications)"
        )
        .expect("a text grows");
    }
    out
}

/// Nothing passes: what is missed where there is most of everything, and what that waits for.
fn nothing(sized: &Sized, steps: &str, out: &mut String) {
    let undecided = !sized.search.undecided().is_empty();
    let word = if undecided { "No setting is shown to meet" } else { "No setting meets" };
    writeln!(out, "\n{word} the objectives; {steps}").expect("a text grows");
    let Some(step) = sized.largest() else { return };
    writeln!(out, "  with {}:", setting(sized, step)).expect("a text grows");
    for one in step.objectives.iter().filter(|one| one.verdict != Verdict::Pass) {
        writeln!(out, "  {}, {}", verdict(one.verdict).0, measured(one)).expect("a text grows");
    }
    let Some(full) = &step.bottleneck else { return };
    let what = if full.is_of_link() { "network.links" } else { "nodes" };
    let own = format!("{what}.{}.", full.node);
    let of: Vec<String> = sized
        .knobs
        .iter()
        .filter(|of| of.paths.iter().any(|path| path.starts_with(&own)))
        .map(|of| knob(&of.name))
        .collect();
    let would = if of.is_empty() {
        format!("no knob is of {}", clean(&full.node))
    } else {
        format!("a longer range of {} may do", of.join(", "))
    };
    writeln!(out, "  nearest to its limit: {}; {would}", narrow(full)).expect("a text grows");
}

/// `cores of api, 97 % in use, full in 40 % of all windows`.
fn narrow(full: &Bottleneck) -> String {
    let share = |share| value(Quantity::Share, share);
    let used = full.utilisation.map(|used| format!(", {} in use", share(used)));
    let long =
        full.saturated_at.map(|_| format!(", full in {} of all windows", share(full.saturated)));
    let [used, long] = [used, long].map(Option::unwrap_or_default);
    format!("{} of {}{used}{long}", thing(&full.resource), clean(&full.node))
}

/// A value of a knob for machines.
fn plain(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn paths(sized: &Sized, values: &[String]) -> Value {
    let each = sized.knobs.iter().zip(values);
    let each =
        each.flat_map(|(of, value)| of.paths.iter().map(|path| (path.clone(), plain(value))));
    Value::Object(each.collect::<Map<_, _>>())
}

/// A step for machines, whatever its setting is.
fn step_json(step: &Step) -> Value {
    json!({
        "verdict": step.verdict,
        "replications": step.replications,
        "objective": step.why().map(|one| one.expression.clone()),
        "value": step.why().and_then(|one| one.estimate.value),
    })
}

/// For machines: the setting found, what breaks with one step less of each knob, all steps.
#[must_use]
pub fn size_json(sized: &Sized, exit: u8) -> Value {
    let step = |step: &Step| {
        let mut told = step_json(step);
        told["settings"] = paths(sized, &step.setting);
        told["cost"] = json!(step.cost);
        told
    };
    let best = sized.best();
    let breaks = sized.breaks().into_iter().map(|(of, less)| {
        let mut told = step(less);
        told["knob"] = json!(of.name);
        told
    });
    let verdict = match best {
        Some(best) => best.verdict,
        None if sized.search.undecided().is_empty() => Verdict::Fail,
        None => Verdict::Inconclusive,
    };
    let contradiction = size_contradiction(sized);
    json!({
        "settings": best.map(|best| paths(sized, &best.setting)),
        "verdict": verdict,
        "exit": exit,
        "minimise": sized.minimise.as_ref().map(|(text, _)| text),
        "cost": best.and_then(|best| best.cost),
        "of": sized.search.grid().len(),
        "breaks": breaks.collect::<Vec<_>>(),
        "undecided": sized.search.undecided().len(),
        "contradiction": contradiction.map(|line| line.trim_end().to_owned()),
        "steps": sized.steps.iter().map(step).collect::<Vec<_>>(),
    })
}

/// What is searched: a line.
#[must_use]
pub fn load_head(name: &str, loads: &Loads) -> String {
    let clients: Vec<String> = loads.clients.iter().map(|client| clean(client)).collect();
    let clients = clients.join(", ");
    format!("{}: the largest load of {clients} that meets the objectives\n", clean(name))
}

/// One step: a line.
#[must_use]
pub fn load_step(step: &Step) -> String {
    let replications = plural(step.replications as u64, "replication");
    format!("load {}: {}{}, {replications}\n", step.setting[0], judged(step), rate(step))
}

fn rate(step: &Step) -> String {
    let rate = step.throughput.map(|rate| value(Quantity::Rate, rate));
    rate.map_or(String::new(), |rate| format!(", {rate} served"))
}

/// What was found; `complete`: nothing interrupted the search.
#[must_use]
pub fn load_text(loads: &Loads, complete: bool) -> String {
    let mut out = String::new();
    match (loads.met, loads.met()) {
        (Some((factor, _)), Some(met)) => {
            let so_far = if complete { "" } else { " so far" };
            write!(out, "\nThe largest load{so_far}: {factor} times{}", rate(met))
        }
        _ if complete => write!(out, "\nNo load meets the objectives"),
        _ => write!(out, "\nNo load passed before it was stopped"),
    }
    .expect("a text grows");
    let Some(((factor, _), missed)) = loads.missed.zip(loads.missed()) else {
        return out + "; more was not asked for\n";
    };
    writeln!(out, "; at {factor}: {}", judged(missed)).expect("a text grows");
    if let Some(full) = loads.full().filter(|_| complete) {
        let word = if full.saturated_at.is_some() { "full first" } else { "nearest to its limit" };
        writeln!(out, "  {word}: {}", narrow(full)).expect("a text grows");
    }
    out
}

/// That it goes on with twice of something: a line.
#[must_use]
pub fn load_doubled(doubled: Option<&Doubled>) -> String {
    doubled.map_or_else(
        || "  it cannot be doubled: the file does not say how much there is of it\n".to_owned(),
        |doubled| format!("\nWith {} instead of {}:\n", clean(&doubled.set()), doubled.from),
    )
}

/// For machines: the load, what is full first, the load with twice of that, all steps.
#[must_use]
pub fn load_json(loads: &Loads, doubled: Option<(&Doubled, &Loads)>, exit: u8) -> Value {
    let step = |step: &Step| {
        let mut told = step_json(step);
        told["load"] = plain(&step.setting[0]);
        told["throughput"] = json!(step.throughput);
        told
    };
    let resource = |loads: &Loads| {
        loads.full().map(|full| {
            json!({"node": full.node, "resource": full.resource, "utilisation": full.utilisation,
                   "saturated_at": full.saturated_at, "instance": full.instance})
        })
    };
    let at = |end: Option<(f64, usize)>| end.map(|(factor, _)| factor);
    let steps = |loads: &Loads| loads.steps.iter().map(step).collect::<Vec<_>>();
    let doubled = doubled.map(|(of, loads)| {
        json!({"path": of.path, "from": plain(&of.from), "to": plain(&of.to), "load": at(loads.met),
               "missed": at(loads.missed), "resource": resource(loads), "steps": steps(loads)})
    });
    json!({
        "clients": loads.clients,
        "load": at(loads.met),
        "missed": at(loads.missed),
        "exit": exit,
        "resource": resource(loads),
        "doubled": doubled,
        "steps": steps(loads),
    })
}
