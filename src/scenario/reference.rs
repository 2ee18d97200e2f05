//! The reference of the language, `docs/REFERENCE.md`, from the same types the reader uses.
//!
//! **Invariant.** Every key and kind the schema knows is in the reference; a test compares the file
//! in `docs/` with what is generated.

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::{Map, Value};

use super::{schema, values};

const HEAD: &str = "\
# Reference of the scenario language

Generated from the types that read a scenario (`UPDATE_DOCS=1 cargo test reference` writes it
again). Each section is a map; `required` keys must be given, the others say what holds without
them. `none` as a value switches a key off or deletes what an extended file said.
";

/// What an expression of `slos` is made of.
const TARGETS: &str = "
## Objectives

A target of `slos` compares a figure of the results with a limit: `figure <= limit`.

```yaml
slos:
  - availability >= 99.5%                                    # ok or degraded, of all decided
  - availability(client=gold operation=buy) >= 99%           # of one client, of one operation
  - p99(latency) <= 400ms                                    # what failed is slower than any limit
  - p99.99(latency client=gold) <= 2s                        # any percentile from the half on
  - fraction(latency <= 300ms) >= 95%                        # failures count as slower; all selectors
  - mean(latency outcome=ok) <= 40ms                         # of those that succeeded
  - p95(latency to=first_token) <= 1.5s                      # up to a `mark` step
  - min(availability window=1m) >= 95%                       # in the worst minute
  - fraction(availability >= 95% window=1m) >= 99%           # so many of the minutes are so good
  - requests.timeout <= 1% of requests.issued                # one count as a part of another
  - max(nodes.api.utilisation window=5s) <= 80%              # of one node
  - nodes.api.resources.workers.utilisation <= 80%            # also cores, pool:db, lock:seat, memory, ..
  - p99(waiting_time node=api) <= 50ms in 90% of runs        # in so many of the replications
  - availability(during=az-loss) >= 90%                      # of requests intended while a fault held
  - p99(latency operation=browse after=az-loss) <= 400ms     # or `before=` it
  - availability(during=cut side=a) >= 90%                   # from one side of a `partition`
  - time_to_recover(az-loss) <= 30s                          # from its end on
  - back_after(az-loss client=gold) <= 60s                   # from its start on, of one client
  - cold_share(node=resize) <= 1%                            # of a function; also cold_starts, environments.max
  - cost.per_month <= $900                                   # where something has a price; per_million_ok
  - stale_read_fraction <= 0.1%                              # of stores that are written; also staleness_age.p99,
  - linearizable == true                                     # lost_acked_writes, read_your_writes_violations, ..
  - alerts.bad.fired <= 4m                                   # when it first did; `resolved`, and `count`
  - p99(latency) <= baseline + 5%                            # that of another design, and 5 % of it
  - availability >= baseline - 0.1%                          # of shares: points; of money: `baseline + $50`
```

Figures are the names in `results.json`. `run` judges the point estimate, and says `inconclusive` where the limit lies
inside the interval around it; `check` runs as many replications as it takes. Counts, extremes, `==` and `in .. of runs`
are of the runs that were seen, and one replication has no interval: they are judged as they are.
A target without any observation is `undecided`, and so is
one that is met or missed depending on whether requests in flight at the end count as bad: those that wait for what
was lost, and those older than any that was decided (of a time: than the limit).

`baseline` is the same figure of another design in the same replications: `windtunnel check shop.yaml --baseline
main.yaml` simulates both, or reads what `--update-baseline` wrote of one. What is compared is the mean over replications,
so extremes, `of runs` and `==` do not go with it. To `run` such a target is `undecided`.
";

/// The whole reference as Markdown.
pub fn reference() -> String {
    let schema = schema::schema();
    let mut text = HEAD.to_owned();
    let mut queue = vec![("Scenario".to_owned(), schema.clone())];
    let mut seen = BTreeSet::new();
    // Types in the order a reader meets them from the root.
    while !queue.is_empty() {
        let (name, object) = queue.remove(0);
        section(&name, &object, &mut text);
        for next in references(&object) {
            if seen.insert(next.clone()) {
                queue.push((next.clone(), schema["$defs"][&next].clone()));
            }
        }
    }
    text.push_str(TARGETS);
    text.push_str(&values::sections());
    text
}

/// Names of the types an object refers to, in the order of its text.
fn references(value: &Value) -> Vec<String> {
    let mut names = Vec::new();
    collect(value, &mut names);
    names
}

fn collect(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if let Some(name) = object.get("$ref").and_then(Value::as_str) {
                names.extend(name.strip_prefix("#/$defs/").map(str::to_owned));
            }
            let parts = object.iter().filter(|(key, _)| *key != "$defs");
            parts.for_each(|(_, part)| collect(part, names));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        _ => {}
    }
}

/// One type: its meaning, its example, its keys.
fn section(name: &str, object: &Value, text: &mut String) {
    write!(text, "\n## {}\n", title(name)).expect("a text grows");
    if let Some(description) = object["description"].as_str() {
        write!(text, "\n{}\n", description.trim()).expect("a text grows");
    }
    let examples = list(&object["examples"]);
    if !examples.is_empty() {
        write!(text, "\nFor example {examples}.\n").expect("a text grows");
    }
    if let Some(variants) = object["oneOf"].as_array() {
        text.push('\n');
        for variant in variants {
            one_of(variant, text);
        }
    }
    // What can be written in several ways, of which each is a form; the root's `anyOf` is none.
    if let (Some(forms), None) = (object["anyOf"].as_array(), object.get("properties")) {
        text.push_str("\nOne of:\n\n");
        for form in forms.iter().filter(|form| form["type"] != "null") {
            let meaning = cell(form["description"].as_str().unwrap_or(""));
            let meaning = if meaning.is_empty() { meaning } else { format!(": {meaning}") };
            writeln!(text, "- {}{meaning}", kind(form)).expect("a text grows");
        }
    }
    if let Some(properties) = object["properties"].as_object() {
        let required = required(object);
        text.push_str("\n| key | value | meaning |\n|---|---|---|\n");
        // What must be given comes first.
        for wanted in [true, false] {
            for (key, property) in properties {
                if required.contains(&key.as_str()) == wanted {
                    row(key, property, wanted, text);
                }
            }
        }
    }
}

fn row(key: &str, property: &Value, required: bool, text: &mut String) {
    let must = if required { " (required)" } else { "" };
    let meaning = property["description"].as_str().unwrap_or("");
    let (kind, meaning) = (kind(property), cell(meaning));
    writeln!(text, "| `{key}`{must} | {kind} | {meaning} |").expect("a text grows");
}

/// A choice of an enum: a word, or a key with its content.
fn one_of(variant: &Value, text: &mut String) {
    let meaning = cell(variant["description"].as_str().unwrap_or(""));
    if let Some(word) = variant["const"].as_str() {
        writeln!(text, "- `{word}`: {meaning}").expect("a text grows");
    }
    for (key, content) in variant["properties"].as_object().unwrap_or(&Map::new()) {
        writeln!(text, "- `{key}:` {}: {meaning}", kind(content)).expect("a text grows");
    }
    for word in variant["enum"].as_array().into_iter().flatten() {
        writeln!(text, "- `{}`", word.as_str().unwrap_or("")).expect("a text grows");
    }
}

fn required(object: &Value) -> Vec<&str> {
    let direct = object["required"].as_array();
    let extended = object["anyOf"].as_array().and_then(|all| all.last()?["required"].as_array());
    direct.or(extended).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What a value looks like, in a few words with links.
fn kind(property: &Value) -> String {
    if let Some(name) = property["$ref"].as_str() {
        let name = title(name.trim_start_matches("#/$defs/"));
        return format!("[{name}](#{})", name.to_lowercase().replace(' ', "-"));
    }
    let examples = list(&property["examples"]);
    if !examples.is_empty() {
        return examples;
    }
    for choices in ["anyOf", "oneOf"] {
        if let Some(choices) = property[choices].as_array() {
            let kinds: Vec<String> = choices
                .iter()
                .filter(|choice| choice["const"] != "none" && choice["type"] != "null")
                .map(kind)
                .collect();
            return kinds.join(" or ");
        }
    }
    if let Some(word) = property["const"].as_str() {
        return format!("`{word}`");
    }
    let is = |word: &str| match &property["type"] {
        Value::String(kind) => kind == word,
        Value::Array(kinds) => kinds.iter().any(|kind| kind == word),
        _ => false,
    };
    if is("array") {
        format!("list of {}", kind(&property["items"]))
    } else if is("object") {
        // A map whose keys are names says so by a pattern.
        let named = property["patternProperties"].as_object().and_then(|p| p.values().next());
        match named.unwrap_or(&property["additionalProperties"]) {
            content @ Value::Object(_) => format!("map of names to {}", kind(content)),
            _ => "map".to_owned(),
        }
    } else if is("boolean") {
        "`true` or `false`".to_owned()
    } else if is("string") {
        "text".to_owned()
    } else {
        "any value".to_owned()
    }
}

fn list(examples: &Value) -> String {
    let words = examples.as_array().into_iter().flatten().map(|example| match example {
        Value::String(text) => format!("`{}`", cell(text)),
        other => format!("`{other}`"),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `LoadBalancerSpec` -> `Load balancer`.
pub(super) fn title(name: &str) -> String {
    let mut words = String::new();
    for c in name.trim_end_matches("Spec").chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push(' ');
            words.extend(c.to_lowercase());
        } else {
            words.push(c);
        }
    }
    words
}
