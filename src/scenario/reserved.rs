//! Words of the language that are not built yet: refused as such at their line, never ignored and
//! never called unknown.
//!
//! **Invariant.** The table is asked only about words the spec types do not have, so a word that
//! gets built leaves it by itself.

/// Reserved words of each type: its Rust name and the words.
const RESERVED: &[(&str, &[&str])] = &[
    ("ScenarioSpec", &["tracing"]),
    ("ClientSpec", &["bandwidth", "connect", "count", "price"]),
    ("OperationSpec", &["count"]),
    ("NodeSpec", &["cdn", "gateway", "object_store", "search_index"]),
    ("FunctionSpec", &["discipline", "limits"]),
    ("ServiceSpec", &["compress"]),
    ("LoadBalancerSpec", &["inbound", "cores", "discipline", "instances", "dependencies"]),
    ("StoreSpec", &["inbound", "compaction", "indexes", "locks", "profile", "throughput"]),
    ("StepSpec", &["push"]),
    ("CacheSpec", &["admission", "discipline", "inbound"]),
    ("EdgeSpec", &["batch", "linger"]),
    ("InboundSpec", &["block", "inspect"]),
    ("AlertSpec", &["by"]),
];

/// Whether a word is reserved in a type.
pub(super) fn is_reserved(owner: &str, word: &str) -> bool {
    // `consistent_hash(vnodes=100)` is asked about by its name.
    let name = word.split('(').next().unwrap_or(word);
    RESERVED.iter().any(|(o, words)| *o == owner && words.contains(&name))
}

/// The type a list of fields belongs to, for types that are read through another one (a call may
/// be a name or a map) and whose name serde does not tell.
pub(super) fn owner(fields: &[&str]) -> &'static str {
    match fields {
        ["from", "key", ..] => "ReadFields",
        ["to", "key", ..] => "WriteFields",
        ["id", "when", "optional", ..] => "StepSpec",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_known_by_their_owner() {
        assert!(is_reserved("NodeSpec", "cdn"));
        assert!(is_reserved("StepSpec", "push"));
        assert!(!is_reserved("ServiceSpec", "cache"));
        assert!(!is_reserved("", "cache"));
    }
}
