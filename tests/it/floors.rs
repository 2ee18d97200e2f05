//! The floors of the house: which file imports which, and that no circle of imports is large.
//!
//! **Invariant.** A file imports from its own floor and those below.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use petgraph::{algo::tarjan_scc, graphmap::DiGraphMap};
use syn::{
    Item, UseTree,
    visit::{Visit, visit_item, visit_path},
};

/// Files in one circle of imports, at most.
const MOST_IN_A_CIRCLE: usize = 6;

/// The floors of the model from the ground, with the files on each (`*`: whatever there is).
const FLOORS: &[(&str, &[&str])] = &[
    // What everything is called, and sums of what happened.
    (
        "leaves",
        &[
            "by_slot",
            "ids",
            "span",
            "attributes",
            "books",
            "bounded",
            "autoscale/door",
            "budget/counts",
            "event",
            "ring",
            "balancer/tree",
            "frame",
            "lasted",
            "cache/books",
            "fault/uptime",
            "queue/counts",
            "queue/line",
            "queue/post",
            "topic/letters",
            "replication/tally",
            "resilience/flight",
            "connection/books",
            "network/books",
        ],
    ),
    // What a file says.
    (
        "language",
        &[
            "kind",
            "kinds",
            "design",
            "names",
            "versions",
            "traces",
            "traces/operations",
            "alert",
            "autoscale",
            "budget",
            "*/text",
            "balancer",
            "*/facts",
            "replication",
            "replication/callers",
            "replication/claims",
            "replication/promise",
            "replication/whom",
            "cache",
            "cache/asked",
            "cache/eviction*",
            "cache/inside",
            "cache/spaces",
            "client",
            "clock",
            "consistency",
            "consistency/calls",
            "consistency/followed",
            "consistency/spec",
            "client/carried",
            "client/curve",
            "consistency/viewed",
            "client/load",
            "client/load_text",
            "client/operations",
            "client/schedule",
            "dns",
            "external",
            "fault",
            "fault/deploy",
            "function",
            "connection",
            "network",
            "network/ground",
            "network/places",
            "purchase",
            "queue",
            "queue/consumes",
            "service/outbox",
            "resilience",
            "resilience/adaptive",
            "resilience/breaker",
            "resilience/budget",
            "resilience/concurrency",
            "resilience/limits_text",
            "resilience/rate_limit",
            "resilience/specs",
            "resilience/throttle",
            "service",
            "service/limits",
            "service/parts",
            "service/quota",
            "service/steps",
            "service/walk",
            "store",
            "store/backup",
            "store/kept",
            "store/view",
            "topic",
            "topic/copies",
        ],
    ),
    // What can be wrong with it.
    ("checks", &["check", "check_*", "*/check", "*/check_*", "*/*_check", "fault/unheard"]),
    // What all replications share, and what each draws before it begins.
    (
        "plan",
        &[
            "plan",
            "prices",
            "probe",
            "probe/consistency",
            "probe/cut",
            "probe/view",
            "autoscale/scaler",
            "balancer/policy",
            "client/active",
            "client/source",
            "fault/occurrence",
            "fault/rollout",
            "fault/timeline",
        ],
    ),
    // What messages, hosts and requests are at an instant.
    (
        "world",
        &[
            "world",
            "tick",
            "node",
            "demand",
            "record",
            "record/snapshot",
            "route",
            "autoscale/classes",
            "autoscale/hold",
            "autoscale/places",
            "clock/run",
            "connection/far",
            "connection/kept",
            "connection/rides",
            "connection/near",
            "connection/registry",
            "consistency/backed_up",
            "consistency/fates",
            "consistency/held",
            "consistency/leases",
            "consistency/logged",
            "consistency/reigns",
            "consistency/stays",
            "consistency/observer",
            "consistency/operation",
            "consistency/sessions",
            "consistency/outages",
            "consistency/repeated",
            "consistency/tokens",
            "consistency/torn",
            "consistency/views",
            "consistency/watched",
            "dns/resolve*",
            "fault/death",
            "resilience/charge",
            "resilience/elsewhere",
            "resilience/tried",
            "fault/harmed",
            "fault/hosts",
            "fault/sides",
            "network/disturbed",
            "network/line",
            "network/links",
            "network/send",
            "queue/mail",
            "replication/bounced",
            "replication/letters",
            "replication/reach",
        ],
    ),
    // What each kind of node does.
    (
        "nodes",
        &[
            "build",
            "any_node",
            "cache/contents",
            "cache/leases",
            "cache/lives",
            "*/build",
            "*/run",
            "balancer/health",
            "balancer/passing",
            "balancer/proxy",
            "cache/prefill",
            "client/alone",
            "client/sessions",
            "function/environments",
            "function/pool",
            "queue/broker*",
            "queue/consumers",
            "queue/host",
            "queue/oldest",
            "queue/ready",
            "store/relays",
            "topic/coordinator",
            "topic/groups",
            "topic/host",
            "topic/log",
            "topic/member",
            "topic/reader",
            "topic/replicated",
            "resilience/caller",
            "resilience/guard",
            "resilience/guard/copies",
            "resilience/guard/wires",
            "resilience/hedge",
            "resilience/permits",
            "resilience/policy",
            "replication/group",
            "replication/healing",
            "service/*",
            "store/backups",
            "store/committed",
            "store/copies",
            "store/feed",
            "store/handing",
            "store/intake",
            "store/leader",
            "store/shown",
            "store/moving",
            "store/promises",
            "store/records",
            "store/sender",
        ],
    ),
    // A replication from its beginning to its end.
    ("replication", &["*"]),
];

/// The files of the library by the names of their modules.
fn modules() -> BTreeMap<Vec<String>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut open, mut found) = (vec![root.clone()], BTreeMap::new());
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let place = path.strip_prefix(&root).unwrap().with_extension("");
        let mut name: Vec<String> =
            place.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        name.pop_if(|last| last == "mod");
        if path.extension().is_some_and(|e| e == "rs") && name != ["main"] {
            let name = if name == ["lib"] { Vec::new() } else { name };
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    found
}

/// The paths that a file names, tests left out.
#[derive(Default)]
struct Paths {
    found: Vec<Vec<String>>,
}

impl Paths {
    fn tree(&mut self, tree: &UseTree, mut path: Vec<String>) {
        match tree {
            UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.tree(&part.tree, path);
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.tree(tree, path.clone()));
            }
            UseTree::Name(name) => self.found.push([path, vec![name.ident.to_string()]].concat()),
            UseTree::Rename(name) => self.found.push([path, vec![name.ident.to_string()]].concat()),
            UseTree::Glob(_) => self.found.push(path),
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Mod(module) if module.attrs.iter().any(|a| a.path().is_ident("cfg")) => {}
            Item::Use(one) => self.tree(&one.tree, Vec::new()),
            _ => visit_item(self, item),
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts = path.segments.iter().map(|part| part.ident.to_string());
        self.found.push(parts.collect());
        visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

/// The module that a path named in another leads into.
fn module<'m>(
    path: &[String],
    from: &[String],
    all: &'m BTreeMap<Vec<String>, String>,
) -> Option<&'m Vec<String>> {
    let mut base = from.to_vec();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => {
            base.clear();
            rest = &path[1..];
        }
        "self" => rest = &path[1..],
        "super" => {
            while let Some(("super", more)) = rest.split_first().map(|(f, more)| (f.as_str(), more))
            {
                base.pop();
                rest = more;
            }
        }
        child if path.len() > 1 && all.contains_key(&[from, &[child.to_owned()]].concat()) => {}
        _ => return None,
    }
    for part in rest {
        let deeper = [base.as_slice(), std::slice::from_ref(part)].concat();
        if !all.contains_key(&deeper) {
            break;
        }
        base = deeper;
    }
    all.get_key_value(&base).map(|(name, _)| name)
}

/// Who imports whom.
fn imports(all: &BTreeMap<Vec<String>, String>) -> BTreeSet<(String, String)> {
    let mut edges = BTreeSet::new();
    for (from, text) in all {
        let mut paths = Paths::default();
        paths.visit_file(&syn::parse_file(text).unwrap());
        let to = paths.found.iter().filter_map(|path| module(path, from, all));
        edges.extend(to.filter(|to| *to != from).map(|to| (from.join("/"), to.join("/"))));
    }
    edges
}

/// The floor of a file of the model.
fn floor(name: &str) -> usize {
    FLOORS.iter().position(|floor| floor.1.iter().any(|pattern| fits(pattern, name))).unwrap()
}

/// Whether a name is as a pattern says, `*` being whatever there is.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return name == pattern };
    let Some(name) = name.strip_prefix(start) else { return false };
    (0..=name.len()).any(|at| name.is_char_boundary(at) && fits(rest, &name[at..]))
}

#[test]
fn each_pattern_fits_a_file() {
    let all = modules();
    let names: Vec<String> = all
        .keys()
        .filter(|path| path.first().is_some_and(|first| first == "model"))
        .map(|path| path[1..].join("/"))
        .collect();
    for pattern in FLOORS.iter().flat_map(|floor| floor.1) {
        assert!(names.iter().any(|name| fits(pattern, name)), "{pattern} fits nothing");
    }
    assert!(fits("*/check_*", "service/check_parts") && !fits("*/check_*", "check_parts"));
}

#[test]
fn circles_of_imports_are_small() {
    let all = modules();
    let edges = imports(&all);
    let mut graph: DiGraphMap<&str, ()> = DiGraphMap::new();
    for (from, to) in &edges {
        graph.add_edge(from, to, ());
    }
    assert!(edges.len() > 1000, "{} imports were read", edges.len());
    let circles = tarjan_scc(&graph).into_iter();
    let large: Vec<_> = circles.filter(|circle| circle.len() > MOST_IN_A_CIRCLE).collect();
    assert!(large.is_empty(), "{large:#?}");
}

#[test]
fn files_of_the_model_import_from_their_floor_and_below() {
    let mut broken = Vec::new();
    for (from, to) in imports(&modules()) {
        let (Some(a), Some(b)) = (from.strip_prefix("model/"), to.strip_prefix("model/")) else {
            continue;
        };
        let (here, there) = (floor(a), floor(b));
        if there > here {
            let (here, there) = (FLOORS[here].0, FLOORS[there].0);
            broken.push(format!("{a} ({here}) imports {b} ({there})"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
