//! What can be wrong with a fault that hits some environments of a function.
//!
//! **Invariant.** As in `model/check.rs`.

use super::{Effect, InstancesSpec, TargetSpec};
use crate::{
    model::{kinds::NodeSpec, service::ServiceSpec},
    problem::Problems,
};

/// Those that are there can crash, `again` or once; nothing else hits some of them.
pub fn environments(
    (effect, again): (Effect<'_>, bool),
    (t, spec): (&TargetSpec, &NodeSpec),
    at: &str,
    problems: &mut Problems,
) {
    let Some(some) = &t.instances else { return };
    let none = match some {
        InstancesSpec::Count(n) => n.0 == 0,
        InstancesSpec::Share(share) => share.0 == 0.0,
        InstancesSpec::These(_) => false,
    };
    let many = "how many, or which share: `30%`";
    let (message, help) = match effect {
        _ if matches!(some, InstancesSpec::These(_)) => {
            ("environments come and go: none has a number", many)
        }
        _ if none => ("nobody is hit", many),
        Effect::Crash(_) if t.process.is_some() || t.lose_data.is_some() => (
            "of environments nothing is left, and who waits for them is told",
            "leave out `process` and `lose_data`",
        ),
        Effect::Crash(_) if again => {
            ("environments do not live that long", "`every` has it come again")
        }
        Effect::Crash(_) if spec.steps().is_some_and(ServiceSpec::has_blocks) => (
            "sagas, transactions and locks of some environments are not supported here yet",
            "hit the whole node",
        ),
        Effect::Crash(_) => return,
        _ => ("it hits all environments of a zone", "leave it out"),
    };
    problems.error_help("E-FAULT-TARGET", format!("{at}.instances"), message, help);
}
