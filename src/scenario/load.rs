//! The way from a path to a typed scenario: files, `extends`, `variants`, `--set`, all problems.
//!
//! **Invariant.** A scenario is handed out only if it is sound by itself and with each of its
//! variants, as far as types go; what the model finds later is shown in the same texts.

use std::collections::BTreeMap;

use super::{
    advice, de,
    overrides::{merge, set},
    paths::{folder, inside},
    places::{self, locate},
    print,
    problems::{Found, shown},
    render::{self, Source},
    required::{found_in, has_design},
    rest::Rest,
    spec::{ScenarioSpec, Seed, WarmUp},
    tree::{self, Kind, Node, Span},
    variants::{Setting, without},
};
use crate::{
    problem::{Problem, Problems, Severity},
    units::{Fraction, Name, SimDuration},
};

/// Deepest chain of `extends`.
const MAX_EXTENDS: usize = 8;
/// Largest file that may be extended.
const MAX_EXTENDED: usize = 1 << 20;
/// What a file says of itself and of the designs it makes.
pub(super) const OF_FILE: [&str; 3] = ["variants", "expect", "sweep"];
/// Most nodes of all variants together: each is checked as a whole scenario.
pub(super) const MAX_VARIANT_NODES: usize = 4_000_000;

/// Where files come from.
pub trait Files {
    /// The whole file; the error is one sentence's end without the path: `does not exist`.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// Its length in bytes, where that is known without reading it.
    fn size(&self, path: &str) -> Option<u64> {
        let _ = path;
        None
    }

    /// What else is to be said of data that was not found in this folder (empty: where the scenario is): the rest of a
    /// sentence. Whoever has no folders says nothing.
    fn advice(&self, folder: &str) -> String {
        let _ = folder;
        String::new()
    }
}

/// What takes the place of something in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Name of a variant.
    pub variant: Option<String>,
    /// `path=value`, applied in order after the variant.
    pub sets: Vec<String>,
    /// The folder where the files of data it names are, instead of beside it.
    pub data: Option<String>,
    /// It is one design of several that the file makes, and the file itself is known to be sound: what it says of itself
    /// (`expect`) and of others (`variants`, `sweep`) is left out.
    pub cell: bool,
}

impl Overrides {
    /// The same, with this warm-up, ns.
    #[must_use]
    pub fn with_warm_up(&self, span: u64) -> Self {
        let mut sets = self.sets.clone();
        sets.push(format!("warm_up={}", SimDuration(span)));
        Self { sets, ..self.clone() }
    }

    /// Where the data of a scenario is; it ends with a slash or is empty.
    pub(crate) fn data_folder(&self, scenario: &str) -> String {
        self.data.as_ref().map_or_else(
            || folder(scenario),
            |data| format!("{}/", data.strip_suffix('/').unwrap_or(data)),
        )
    }
}

/// A sound scenario.
#[derive(Debug)]
pub struct Loaded {
    /// The scenario.
    pub spec: ScenarioSpec,
    /// What is run, as YAML: everything merged and overridden; of the variants the name of the one taken.
    pub resolved: String,
    /// The texts it was read from; the first is the scenario's file.
    pub sources: Vec<Source>,
    /// Problems that do not keep it from running.
    pub warnings: Vec<Problem>,
    pub(super) tree: Node,
    /// What its variants are made of: the file, and what is set besides. None if one is taken.
    pub(super) base: Option<(Node, Vec<Setting>)>,
}

/// Why a scenario cannot be run.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// The texts it was read from.
    pub sources: Vec<Source>,
    /// What is wrong, in the order of the files.
    pub found: Vec<Found>,
    /// What could be read all the same.
    pub rest: Option<Rest>,
}

impl Rejected {
    /// The problems with frames around their places.
    pub fn render(&self, colour: bool) -> String {
        render::human(&self.sources, &self.found, colour)
    }

    /// The problems without their places.
    pub fn problems(&self) -> Vec<Problem> {
        self.found.iter().map(|f| f.problem.clone()).collect()
    }
}

impl Loaded {
    /// Problems found later (by the model, by SLOs), with frames around their places.
    pub fn render(&self, problems: &[Problem], colour: bool) -> String {
        render::human(&self.sources, &self.found(problems), colour)
    }

    /// Problems with their places.
    pub fn found(&self, problems: &[Problem]) -> Vec<Found> {
        let place = |p: &Problem| Some(locate(&self.tree, &p.path, p.at_key));
        problems.iter().map(|p| Found { problem: p.clone(), span: place(p), also: None }).collect()
    }

    /// Where a path stands: its value, or the nearest part of it that the file has.
    pub fn locate(&self, path: &str) -> Span {
        locate(&self.tree, path, false)
    }

    /// The same of its key.
    pub(super) fn locate_key(&self, path: &str) -> Span {
        locate(&self.tree, path, true)
    }
}

/// Reads the scenario at `path`.
pub fn load(path: &str, files: &dyn Files, overrides: &Overrides) -> Result<Loaded, Rejected> {
    let mut loader = Loader::new(files, path);
    let result = loader.load(path, overrides);
    let Loader { sources, mut found, rest, .. } = loader;
    found.sort_by_key(|f| (!f.is_error(), f.span));
    match result {
        Some((spec, tree, base)) if found.iter().all(|f| !f.is_error()) => {
            let resolved = resolved(&spec, overrides.variant.as_deref());
            let warnings = found.into_iter().map(|f| f.problem).collect();
            Ok(Loaded { spec, resolved, sources, warnings, tree, base })
        }
        _ => Err(Rejected { sources, found, rest }),
    }
}

/// The scenario as it is run, as text. The variant that was taken stays, by its name: asked for again,
/// it changes nothing more.
fn resolved(spec: &ScenarioSpec, variant: Option<&str>) -> String {
    let mut spec = spec.clone();
    spec.variants =
        variant.map(|name| (Name(name.to_owned()), BTreeMap::new())).into_iter().collect();
    spec.sweep = None;
    spec.warm_up.get_or_insert(WarmUp::For(SimDuration(0)));
    spec.confidence.get_or_insert(Fraction(0.95));
    spec.seed.get_or_insert(Seed(1));
    let value = serde_yaml::to_value(&spec).expect("a scenario is made of maps, lists and scalars");
    print::print(&value)
}

pub(super) struct Loader<'f> {
    pub(super) files: &'f dyn Files,
    /// Folder of the scenario; what it refers to must be inside.
    pub(super) root: String,
    pub(super) sources: Vec<Source>,
    pub(super) found: Vec<Found>,
    rest: Option<Rest>,
}

/// A scenario, the tree it was typed from, and what its variants are made of.
pub(super) type Read = (ScenarioSpec, Node, Option<(Node, Vec<Setting>)>);

impl<'f> Loader<'f> {
    pub(super) fn new(files: &'f dyn Files, path: &str) -> Self {
        let (sources, found) = (Vec::new(), Vec::new());
        Self { files, root: folder(path), sources, found, rest: None }
    }
}

impl Loader<'_> {
    pub(super) fn load(&mut self, path: &str, overrides: &Overrides) -> Option<Read> {
        let mut tree = self.file(path, None, &mut vec![path.to_owned()])?;
        if tree.get("requirements").is_some() && !has_design(&tree) {
            let found = Found::error(
                "E-MISSING",
                places::head(&tree),
                "there is no design: neither `clients` nor `nodes`",
            );
            self.found
                .push(found.help("`windtunnel plan` works out what requirements alone ask for"));
            return None;
        }
        templates(&tree, &mut String::new(), &mut self.found);
        self.import(&mut tree);
        let base = self.typed(&tree, None);
        if self.found.iter().any(Found::is_error) {
            return None;
        }
        if !overrides.cell {
            self.variants(&tree);
            if let Some(sweep) = base.as_ref().and_then(|spec| spec.sweep.as_ref()) {
                self.swept(&tree, sweep);
            }
        }
        let mut kept = None;
        if let Some(name) = &overrides.variant {
            tree = self.chosen(&tree, name)?;
        } else if overrides.cell {
            tree = without(&tree, &OF_FILE);
        } else if tree.get("variants").is_some() {
            kept = Some((tree.clone(), Vec::new()));
        }
        let mut spec = base?;
        if overrides.variant.is_some() || overrides.cell || !overrides.sets.is_empty() {
            for text in &overrides.sets {
                let Some(setting) = self.set(&mut tree, text) else { continue };
                if let Some((_, sets)) = &mut kept {
                    sets.push(setting);
                }
            }
            if self.found.iter().any(Found::is_error) {
                return None;
            }
            spec = self.typed(&tree, None)?;
        }
        self.changes(&mut spec, &tree);
        Some((spec, tree, kept))
    }

    /// Types a tree; problems are told apart by what they come with.
    pub(super) fn typed(&mut self, tree: &Node, with: Option<&str>) -> Option<ScenarioSpec> {
        let mut found = Vec::new();
        let mut spec = de::read::<ScenarioSpec>(tree, &mut found);
        if let Ok(spec) = &mut spec {
            let mut problems = Problems::default();
            spec.follow_requirements(&mut problems);
            if let Some(sweep) = &spec.sweep {
                sweep.check("sweep", &mut problems);
            }
            found.extend(found_in(tree, problems));
        }
        if let Err(mended) = &spec
            && with.is_none()
        {
            self.rest = Rest::read(mended.clone(), &mut found);
        }
        for mut found in found {
            if let Some(with) = with {
                found.problem.message = format!("{} ({with})", found.problem.message);
            }
            self.found.push(found);
        }
        spec.ok()
    }

    /// Reads a file and those it extends.
    pub(super) fn file(
        &mut self,
        path: &str,
        from: Option<Span>,
        chain: &mut Vec<String>,
    ) -> Option<Node> {
        let number = self.sources.len() as u16;
        // Before it takes memory; what has no size beforehand is measured once it is read.
        if let Some(size) = self.files.size(path).filter(|size| *size > tree::MAX_BYTES as u64) {
            let mut found = tree::too_long(size);
            found.span = from.or(found.span);
            if from.is_none() {
                self.sources.push(Source { name: path.to_owned(), text: String::new() });
            }
            self.found.push(found);
            return None;
        }
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(why) => {
                let code = if from.is_some() { "E-INCLUDE" } else { "E-IO" };
                let mut found = Found::nowhere(code, format!("`{}` {why}", shown(path)));
                found.span = from;
                if from.is_none() {
                    self.sources.push(Source { name: path.to_owned(), text: String::new() });
                }
                self.found.push(found);
                return None;
            }
        };
        if let Some(span) = from.filter(|_| bytes.len() > MAX_EXTENDED) {
            let message = format!("`{}` is larger than {MAX_EXTENDED} bytes", shown(path));
            self.found.push(Found::error("E-INCLUDE", span, message));
            return None;
        }
        let text = match tree::decode(&bytes) {
            Ok(text) => text.to_owned(),
            Err(mut found) => {
                if let Some(span) = &mut found.span {
                    span.source = number;
                }
                let text = String::from_utf8_lossy(&bytes[..bytes.len().min(1 << 16)]).into_owned();
                self.sources.push(Source { name: path.to_owned(), text });
                self.found.push(found);
                return None;
            }
        };
        let (tree, found) = tree::parse(&text, number, 0);
        self.sources.push(Source { name: path.to_owned(), text });
        self.found.extend(found);
        let tree = tree?;
        if !matches!(tree.kind, Kind::Map(_)) {
            let message = format!("a scenario is a map of keys, found {}", tree.describe());
            self.found.push(Found::error("E-TYPE", places::head(&tree), message));
            return None;
        }
        if from.is_none()
            && let Some(other) = advice::other_file(&tree)
        {
            self.found.push(other);
            return None;
        }
        self.extended(path, tree, chain)
    }

    /// Lays a file over the one it extends.
    fn extended(&mut self, path: &str, mut tree: Node, chain: &mut Vec<String>) -> Option<Node> {
        let Kind::Map(entries) = &mut tree.kind else { return Some(tree) };
        let Some(at) = entries.iter().position(|e| e.key == "extends") else { return Some(tree) };
        let value = entries.remove(at).value;
        if value.is_none() {
            return Some(tree);
        }
        let refuse = |why: String| Found::error("E-INCLUDE", value.span, why).path("extends");
        let target = match value.text() {
            Some(text) => inside(&self.root, &folder(path), text).map_err(refuse),
            None => Err(refuse(format!("expected the path of a file, found {}", value.describe()))),
        };
        let target = target.and_then(|target| {
            if chain.contains(&target) {
                let mut names: Vec<String> = chain.iter().map(|c| shown(c)).collect();
                names.push(shown(&target));
                return Err(refuse(format!("files extend one another: {}", names.join(" -> "))));
            }
            if chain.len() > MAX_EXTENDS {
                return Err(refuse(format!("more than {MAX_EXTENDS} files extend one another")));
            }
            Ok(target)
        });
        match target {
            Err(found) => {
                self.found.push(found);
                None
            }
            Ok(target) => {
                chain.push(target.clone());
                let mut base = self.file(&target, Some(value.span), chain)?;
                merge(&mut base, tree);
                Some(base)
            }
        }
    }

    /// A source that is not a file: what was typed.
    pub(super) fn typed_in(&mut self, name: &str, text: &str) -> Span {
        let span = Span { source: self.sources.len() as u16, start: 0, end: text.len() as u32 };
        self.sources.push(Source { name: name.to_owned(), text: text.to_owned() });
        span
    }

    /// One `--set path=value`; what it puts where.
    pub(super) fn set(&mut self, tree: &mut Node, text: &str) -> Option<Setting> {
        let name: String = text.split('=').next().unwrap_or(text).chars().take(80).collect();
        let span = self.typed_in(&format!("--set {name}"), text);
        let hidden = text.chars().any(|c| tree::is_hidden(c) && !matches!(c, '\n' | '\t'));
        let Some((path, value)) = text.split_once('=').filter(|_| !hidden) else {
            let found = Found::error("E-TYPE", span, "expected `path=value`");
            self.found.push(found.help("such as `--set nodes.api.service.instances=8`"));
            return None;
        };
        let at = Span { end: path.len() as u32, ..span };
        let base = path.len() + 1;
        let (value, found) = tree::parse(value, span.source, base);
        self.found.extend(found.into_iter().map(|mut f| {
            if f.problem.code == "E-EMPTY" {
                f.problem.message = "there is no value after `=`".to_owned();
                f.problem.help = Some("`none` deletes".to_owned());
            }
            f
        }));
        let value = value?;
        if let Err(found) = set(tree, path, at, value.clone()) {
            self.found.push(found);
        }
        Some((path.to_owned(), at, value))
    }
}

/// Warns of `${NAME}`, which some programs would replace and this one does not.
fn templates(node: &Node, path: &mut String, found: &mut Vec<Found>) {
    match &node.kind {
        Kind::Scalar { text, .. } if text.contains("${") && found.len() < 100 => {
            let message = format!("`{}` is taken as it stands", shown(text));
            let warning = Found::warning("W-TEMPLATE", node.span, message);
            found.push(warning.path(path.as_str()).help("variables are not replaced in scenarios"));
        }
        Kind::Scalar { .. } => {}
        Kind::List(items) => {
            let length = path.len();
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                templates(item, path, found);
                path.truncate(length);
            }
        }
        Kind::Map(entries) => {
            let length = path.len();
            for entry in entries {
                if length > 0 {
                    path.push('.');
                }
                path.push_str(&places::quoted(&entry.key));
                templates(&entry.value, path, found);
                path.truncate(length);
            }
        }
    }
}

/// Whether any of some problems keeps a scenario from running.
pub fn fatal(problems: &[Problem]) -> bool {
    problems.iter().any(|p| p.severity == Severity::Error)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const MM1: &str = "windtunnel: 1\nname: mm1\nduration: 20000s\nwarm_up: 1000s\n\
        clients: {load: {arrivals: poisson(9/s), to: server}}\n\
        nodes: {server: {service: {cores: 1, work: exp(mean=100ms)}}}\n";

    struct Map(BTreeMap<&'static str, &'static str>);

    impl Files for Map {
        fn read(&self, path: &str) -> Result<Vec<u8>, String> {
            let text = self.0.get(path).ok_or("does not exist")?;
            Ok(text.as_bytes().to_vec())
        }
    }

    fn run(
        files: &[(&'static str, &'static str)],
        variant: Option<&str>,
        sets: &[&str],
    ) -> Result<Loaded, Rejected> {
        let overrides = Overrides {
            variant: variant.map(str::to_owned),
            sets: sets.iter().map(|s| (*s).to_owned()).collect(),
            ..Overrides::default()
        };
        load("dir/a.yaml", &Map(files.iter().copied().collect()), &overrides)
    }

    fn first(result: Result<Loaded, Rejected>) -> String {
        let rejected = result.expect_err("it is wrong");
        render::lines(&rejected.sources, &rejected.found)
    }

    #[test]
    fn a_sound_file_is_read_and_prints_to_itself() {
        let loaded = run(&[("dir/a.yaml", MM1)], None, &[])
            .unwrap_or_else(|r| panic!("{}", r.render(false)));
        assert_eq!(loaded.spec.duration.0, 20_000_000_000_000);
        assert!(loaded.resolved.contains("seed: 1\n"), "{}", loaded.resolved);
        let text: &'static str = loaded.resolved.clone().leak();
        let again = run(&[("dir/a.yaml", text)], None, &[]).unwrap();
        assert_eq!(again.resolved, loaded.resolved);
        let span = loaded.locate("nodes.server.service.work.nothing");
        assert_eq!(&MM1[span.start as usize..span.end as usize], "exp(mean=100ms)");
    }

    #[test]
    fn sets_replace_delete_and_are_shown_where_they_were_typed() {
        let sets = ["nodes.server.service.cores=2", "warm_up=none", "slos=[p99(latency) <= 1s]"];
        let loaded = run(&[("dir/a.yaml", MM1)], None, &sets).unwrap();
        assert!(loaded.resolved.contains("cores: 2\n") && loaded.resolved.contains("warm_up: 0"));
        assert_eq!(loaded.spec.slos, ["p99(latency) <= 1s"]);
        for (text, line) in [
            (
                "nodes.server.service.cores=many",
                "--set nodes.server.service.cores:1:28: error[E-TYPE]",
            ),
            (
                "nodes.server.service.coers=2",
                "--set nodes.server.service.coers:1:1: error[E-UNKNOWN-KEY]",
            ),
            ("nodes.serve.service.cores=2", "--set nodes.serve.service.cores:1:1: error[E-REF]"),
            ("nodes", "--set nodes:1:1: error[E-TYPE]"),
            ("warm_up=", "--set warm_up:1:9: error[E-EMPTY]"),
        ] {
            let said = first(run(&[("dir/a.yaml", MM1)], None, &[text]));
            assert!(said.starts_with(line), "{said}");
        }
    }

    #[test]
    fn files_extend_others_inside_the_folder() {
        let child = "extends: lib/base.yaml\nname: child\nwarm_up: none\n\
            nodes: {server: {external: {latency: 5ms}}}\n";
        let files = [("dir/a.yaml", child), ("dir/lib/base.yaml", MM1)];
        let loaded = run(&files, None, &[]).unwrap_or_else(|r| panic!("{}", r.render(false)));
        assert_eq!(loaded.spec.name.0, "child");
        assert!(loaded.spec.warm_up.is_none() && loaded.resolved.contains("external:"));
        for (path, phrase) in [
            ("../base.yaml", "leaves the folder"),
            ("lib/../../base.yaml", "leaves the folder"),
            ("/etc/passwd", "absolute"),
            ("https://example.org/a.yaml", "URL"),
            ("C:\\\\a.yaml", "absolute"),
            ("a.yaml", "extend one another"),
            ("b.yaml", "does not exist"),
        ] {
            let text: &'static str = format!("extends: {path}\nname: x\n").leak();
            let said = first(run(&[("dir/a.yaml", text)], None, &[]));
            assert!(
                said.starts_with("dir/a.yaml:1:10: error[E-INCLUDE]") && said.contains(phrase),
                "{said}"
            );
        }
        let base: &'static str = MM1.replace("cores: 1", "coers: 1").leak();
        let said =
            first(run(&[("dir/a.yaml", "extends: b.yaml\n"), ("dir/b.yaml", base)], None, &[]));
        assert!(said.starts_with("dir/b.yaml:6:28: error[E-UNKNOWN-KEY]"), "{said}");
    }

    #[test]
    fn every_variant_is_checked_and_one_can_be_run() {
        let good: &'static str =
            format!("{MM1}variants:\n  big: {{nodes.server.service.cores: 4}}\n  none-left: {{warm_up: none}}\n").leak();
        let loaded = run(&[("dir/a.yaml", good)], None, &[])
            .unwrap_or_else(|r| panic!("{}", r.render(false)));
        assert_eq!(loaded.spec.variants.len(), 2);
        assert_eq!(loaded.spec.variants.values().map(BTreeMap::len).sum::<usize>(), 2);
        let big = run(&[("dir/a.yaml", good)], Some("big"), &[]).unwrap();
        assert!(big.resolved.contains("cores: 4\n"));
        assert!(big.resolved.ends_with("variants:\n  big: {}\n"), "{}", big.resolved);
        let said = first(run(&[("dir/a.yaml", good)], Some("bigg"), &[]));
        assert!(said.starts_with("--variant:1:11: error[E-REF]"), "{said}");
        let bad: &'static str =
            format!("{MM1}variants:\n  a: {{nodes.server.service.cores: x}}\n  b: {{nodes.sever.service.cores: 1}}\n").leak();
        let said = first(run(&[("dir/a.yaml", bad)], None, &[]));
        assert!(
            said.contains("dir/a.yaml:8:35: error[E-TYPE]") && said.contains("variant `a`"),
            "{said}"
        );
        assert!(said.contains("dir/a.yaml:9:7: error[E-REF]"), "{said}");
    }
}
