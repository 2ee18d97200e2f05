//! A scenario with some of its values put otherwise, for who looks at many of them.
//!
//! **Invariant.** Problems stand where the file names the knob.

use super::{
    load::{Files, Loaded, Loader},
    overrides::set,
    places::locate,
    problems::{Found, shown},
    sizing::{Knob, at},
    spec::ScenarioSpec,
    tree::{self, Kind, Node, Span},
};
use crate::problem::Problem;

/// Nothing is read twice.
struct Nothing;

impl Files for Nothing {
    fn read(&self, _path: &str) -> Result<Vec<u8>, String> {
        Err("is not read".to_owned())
    }
}

impl Loaded {
    /// The scenario with these knobs at these values.
    ///
    /// # Errors
    ///
    /// What is wrong with it as far as types and `check` go, at the knobs.
    pub fn with(
        &self,
        setting: &[(&Knob, &str)],
        check: &dyn Fn(&ScenarioSpec) -> Vec<Problem>,
    ) -> Result<ScenarioSpec, Vec<Found>> {
        let mut tree = self.tree.clone();
        let mut loader = Loader::new(&Nothing, "");
        for (knob, value) in setting {
            let span = self.locate(&at(&knob.name));
            let Some(mut value) = tree::parse(value, 0, 0).0 else { continue };
            stands_at(&mut value, span);
            for path in &knob.paths {
                if let Err(found) =
                    set(&mut tree, path, self.locate_key(&at(&knob.name)), value.clone())
                {
                    return Err(vec![found]);
                }
            }
        }
        let spec = loader.typed(&tree, None);
        let mut found = std::mem::take(&mut loader.found);
        if let Some(mut spec) = spec {
            loader.changes(&mut spec, &tree);
            found.append(&mut loader.found);
            found.extend(check(&spec).into_iter().map(|problem| {
                let span = Some(locate(&tree, &problem.path, problem.at_key));
                Found { problem, span, also: None }
            }));
            if !found.iter().any(Found::is_error) {
                return Ok(spec);
            }
        }
        found.retain(Found::is_error);
        let with: Vec<String> = setting
            .iter()
            .map(|(knob, value)| format!("`{}: {}`", shown(&knob.name), shown(value)))
            .collect();
        for one in &mut found {
            one.problem.message = format!("{} (with {})", one.problem.message, with.join(", "));
        }
        Err(found)
    }

    /// What is wrong with `size`: knobs that nothing has, and ends that do not fit.
    pub fn sized(&self, check: &dyn Fn(&ScenarioSpec) -> Vec<Problem>) -> Vec<Found> {
        let Some(size) = &self.spec.size else { return Vec::new() };
        let knobs = match size.knobs() {
            Ok(knobs) => knobs,
            Err(problem) => return self.found(&[problem]),
        };
        let mut found = Vec::new();
        for knob in &knobs {
            let mut ends = vec![&knob.values[0]];
            ends.extend(knob.values.last().filter(|last| *last != &knob.values[0]));
            for value in ends {
                let mut wrong = self.with(&[(knob, value)], check).err().unwrap_or_default();
                // What is wrong with the file itself is told of that.
                wrong.truncate(1);
                found.append(&mut wrong);
            }
        }
        found.dedup_by(|a, b| a.span == b.span && a.problem.code == b.problem.code);
        found
    }
}

/// Its parts stand where it does.
fn stands_at(node: &mut Node, span: Span) {
    node.span = span;
    match &mut node.kind {
        Kind::Scalar { .. } => {}
        Kind::List(items) => items.iter_mut().for_each(|item| stands_at(item, span)),
        Kind::Map(entries) => entries.iter_mut().for_each(|entry| {
            entry.key_span = span;
            stands_at(&mut entry.value, span);
        }),
    }
}
