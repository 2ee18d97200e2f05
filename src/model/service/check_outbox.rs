//! What can be wrong with what a write leaves to be published.
//!
//! **Invariant.** As in `model/check.rs`.

use super::{StepSpec, outbox::OutboxFields};
use crate::{
    model::{
        check::{closest, positive},
        kinds::NodeSpec,
        names::Names,
    },
    problem::Problems,
    units::{Name, SimDuration},
};

/// Checks the outbox of a step, if it has one; `path` is that of the step.
pub fn outbox(step: &StepSpec, path: &str, names: &Names, problems: &mut Problems) {
    let Some((store, outbox)) = step.outbox() else { return };
    let verb = step.target().and_then(|target| target.1).map_or(String::new(), |op| op.0);
    let at = format!("{path}.{verb}.outbox");
    positive(outbox.batch, 10_000, &format!("{at}.batch"), problems);
    if outbox.every == Some(SimDuration(0)) {
        problems.error("E-RANGE", format!("{at}.every"), "must be above 0");
    }
    let to = if outbox.every.is_none() && outbox.batch.is_none() {
        at.clone()
    } else {
        format!("{at}.to")
    };
    match names.node(&outbox.to.0).map(|id| names.kind(id)) {
        None => {
            let help = closest(&outbox.to.0, names.nodes());
            problems.error_help("E-REF", to, format!("unknown node `{}`", outbox.to.0), help);
        }
        Some(kind) if !kind.is_broker() => {
            let kind = kind.facts().kind;
            let message = format!("`{}` is a {kind} that keeps no messages", outbox.to.0);
            problems.error_help("E-REF", to, message, "a queue, or a topic without `to`");
        }
        Some(_) => {}
    }
    keeps(store, outbox, &at, (names, problems));
    if step.caching().is_some() {
        let message = "a write through a cache leaves nothing in a table beside the data";
        problems.error_help(
            "E-CONFLICT",
            &at,
            message,
            "write to the store, and `invalidate` the cache by a step of its own",
        );
    }
}

/// Whether a store keeps a table of messages like that.
fn keeps(
    store: &Name,
    outbox: &OutboxFields,
    at: &str,
    (names, problems): (&Names, &mut Problems),
) {
    match names.node(&store.0).map(|id| (id, names.spec(id))) {
        Some((id, NodeSpec::Store(own))) => {
            if own.shards.as_ref().is_some_and(|s| s.move_.is_some()) {
                let message =
                    format!("a store whose keys move such as `{}` has no outbox yet", store.0);
                problems.error("E-UNSUPPORTED", at, message);
            }
            let replicas = names.kind(id).facts().replicas;
            if replicas.is_some_and(|replicas| !replicas.led) {
                let message = format!(
                    "no replica of `{}` leads, so that none could publish the rows of a shard in order",
                    store.0
                );
                let help = "`leader_follower` or `raft`, or one copy";
                problems.error_help("E-CONFLICT", at, message, help);
            }
            let others = names.outboxes(id);
            let other = others.get(outbox.to.0.as_str());
            if other
                .is_some_and(|o| (o.period(), o.at_once()) != (outbox.period(), outbox.at_once()))
            {
                let message = format!(
                    "a store has one relay for `{}`: `every` and `batch` differ from another step's",
                    outbox.to.0
                );
                problems.error("E-CONFLICT", at, message);
            }
        }
        Some((_, other)) => {
            let kind = other.kind().facts().kind;
            let message = format!("`{}` is a {kind}, which keeps no table of messages", store.0);
            problems.error_help(
                "E-CONFLICT",
                at,
                message,
                "an outbox belongs to a write to a store",
            );
        }
        None => {}
    }
}
