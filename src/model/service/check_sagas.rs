//! What can be wrong with a saga.
//!
//! **Invariant.** As in `model/check.rs`.

use super::StepSpec;
use crate::{
    model::{kinds::NodeSpec, names::Names},
    problem::Problems,
};

/// Checks the saga of a step, if it is one; `path` is that of the step.
pub fn saga(step: &StepSpec, path: &str, names: &Names, problems: &mut Problems) {
    let Some(saga) = &step.saga else { return };
    if saga.parts.is_empty() {
        let at = if saga.log.is_some() { "saga.steps" } else { "saga" };
        problems.error("E-STEP", format!("{path}.{at}"), "needs at least one part");
    }
    let Some(log) = &saga.log else { return };
    for (inner, list) in step.inner() {
        within(list, &format!("{path}{inner}"), problems);
    }
    let Some(id) = names.node(&log.0) else { return };
    let at = format!("{path}.saga.log");
    if !matches!(names.spec(id), NodeSpec::Store(_)) {
        let kind = names.kind(id).facts().kind;
        let message = format!("`{}` is a {kind}, not a store", log.0);
        problems.error("E-REF", at, message);
    } else if !names.tracked.followed.contains(&id) {
        let message = format!(
            "whoever calls `{}` chooses among stores, so that nobody knows which one has a key",
            log.0
        );
        problems.error_help("E-CONFLICT", at, message, "a store of its own");
    }
}

/// A saga within one that has a log would begin anew with its part.
fn within(list: &[StepSpec], path: &str, problems: &mut Problems) {
    for (i, step) in list.iter().enumerate() {
        let path = format!("{path}[{i}]");
        if step.saga.is_some() {
            let message = "a part that is done again after a crash would begin this saga anew, beside what is left of it";
            let help = "make its parts parts of the one around it, or leave that one's `log` out";
            problems.error_help("E-CONFLICT", format!("{path}.saga"), message, help);
            continue;
        }
        for (inner, list) in step.inner() {
            within(list, &format!("{path}{inner}"), problems);
        }
    }
}
