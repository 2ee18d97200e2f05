//! The way from a path to requirements, of a file with a design or without one.
//!
//! **Invariant.** Requirements are handed out only if they are sound, and the design with them, if there is one.

use serde::Deserialize;

use super::{
    de,
    load::{Files, Loader, Overrides, Rejected},
    places,
    places::locate,
    problems::Found,
    requirements::RequirementsSpec,
    spec::{LanguageVersion, ScenarioSpec},
    tree::Node,
};
use crate::{
    problem::{Problem, Problems},
    units::Name,
};

/// What a design is to serve, and the design if the file has one.
#[derive(Debug)]
pub struct Required {
    /// Users, what they do, what is kept of it.
    pub requirements: RequirementsSpec,
    /// The design; none in a file that has only requirements.
    pub design: Option<ScenarioSpec>,
    /// Clients whose arrivals follow the requirements.
    pub following: Vec<String>,
}

/// A file that has no design yet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OnlyRequired {
    #[serde(rename = "windtunnel")]
    _version: LanguageVersion,
    #[serde(rename = "name")]
    _name: Option<Name>,
    #[serde(rename = "description")]
    _description: Option<String>,
    requirements: RequirementsSpec,
}

/// Reads the requirements of the file at `path`, which need not have a design.
pub fn requirements(
    path: &str,
    files: &dyn Files,
    overrides: &Overrides,
) -> Result<Required, Rejected> {
    let mut loader = Loader::new(files, path);
    let result = loader.required(path, overrides);
    let Loader { sources, mut found, .. } = loader;
    found.sort_by_key(|f| (!f.is_error(), f.span));
    match result {
        Some(required) if found.iter().all(|f| !f.is_error()) => Ok(required),
        _ => Err(Rejected { sources, found, rest: None }),
    }
}

/// Whether there is anything that could be run.
pub(super) fn has_design(tree: &Node) -> bool {
    tree.get("clients").is_some() || tree.get("nodes").is_some()
}

/// Problems of a tree.
pub(super) fn found_in(tree: &Node, problems: Problems) -> Vec<Found> {
    let place = |p: &Problem| Some(locate(tree, &p.path, p.at_key));
    let all = problems.into_vec().into_iter();
    all.map(|p| Found { span: place(&p), problem: p, also: None }).collect()
}

impl Loader<'_> {
    fn required(&mut self, path: &str, overrides: &Overrides) -> Option<Required> {
        let mut tree = self.file(path, None, &mut vec![path.to_owned()])?;
        if tree.get("requirements").is_none() && overrides.sets.is_empty() {
            let help = "requirements: {users: 5M, actions: {browse: 40/day}, peak: 3}";
            let found = Found::error("E-MISSING", places::head(&tree), "`requirements` is missing");
            self.found.push(found.help(help));
            return None;
        }
        if has_design(&tree) {
            let (spec, tree, _) = Self::load(self, path, overrides)?;
            let follows = |name: &str| {
                let own = tree.get("clients").and_then(|all| all.get(name)?.get("arrivals"));
                own.and_then(Node::text).is_some_and(|text| text.starts_with("requirements("))
            };
            let names = spec.clients.keys().map(|name| name.0.clone());
            let following = names.filter(|name| follows(name)).collect();
            let requirements = spec.requirements.clone()?;
            return Some(Required { requirements, design: Some(spec), following });
        }
        for text in &overrides.sets {
            self.set(&mut tree, text);
        }
        if let Some(name) = &overrides.variant {
            let found = Found::nowhere("E-REF", format!("there is no variant `{name}`"));
            self.found.push(found);
        }
        let mut found = Vec::new();
        let read = de::read::<OnlyRequired>(&tree, &mut found);
        self.found.extend(found);
        let requirements = read.ok()?.requirements;
        let mut problems = Problems::default();
        requirements.check(&mut problems);
        self.found.extend(found_in(&tree, problems));
        Some(Required { requirements, design: None, following: Vec::new() })
    }
}
