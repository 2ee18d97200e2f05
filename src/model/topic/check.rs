//! What can be wrong with a topic beyond types.
//!
//! **Invariant.** As in `model/check.rs`.

use super::TopicSpec;
use crate::{
    model::{
        check::{Checked, boot, closest, formula, positive, zones},
        consistency,
        names::Names,
        resilience::check::edge,
    },
    problem::Problems,
};

/// Nodes a topic can tell.
const MOST: usize = 1000;

impl Checked for TopicSpec {
    fn check(&self, path: &str, names: &Names, problems: &mut Problems) {
        let at = |key: &str| format!("{path}.{key}");
        positive(self.cores, 1 << 20, &at("cores"), problems);
        zones(self.zones.as_ref(), &at("zones"), names, problems);
        boot(self.boot.as_ref(), path, problems);
        if let Some(law) = &self.publish {
            formula(law, &at("publish"), names, problems);
        }
        if self.to.is_empty() {
            problems.error("E-RANGE", at("to"), "nobody is told");
        } else if self.to.len() > MOST {
            problems.error("E-LIMIT", at("to"), format!("more than {MOST} nodes"));
        }
        for (i, to) in self.to.iter().enumerate() {
            if self.to[..i].contains(to) {
                let message = format!("`{}` is told twice", to.0);
                problems.error("E-DUP-NAME", format!("{path}.to[{i}]"), message);
            }
        }
        for (name, spec) in &self.dependencies {
            let path = format!("{path}.dependencies.{}", name.0);
            if !self.to.contains(name) {
                let help = closest(&name.0, self.to.iter().map(|to| to.0.as_str()));
                problems.error_help("E-REF", &path, format!("`{}` is not told", name.0), help);
            }
            edge(spec, &path, names, problems);
            consistency::check::edge(spec, &name.0, &path, names, problems);
            if spec.fallback.is_some() {
                let message =
                    "nobody waits for an answer that something else could take the place of";
                problems.error("E-CONFLICT", format!("{path}.fallback"), message);
            }
        }
    }
}
