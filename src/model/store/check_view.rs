//! What can be wrong with views.
//!
//! **Invariant.** As in `model/check.rs`.

use std::collections::BTreeSet;

use super::{ShardBy, StoreSpec};
use crate::{
    model::{
        check::{closest, law},
        consistency::calls::{Caller, data_calls},
        ids::NodeId,
        kind::Verb,
        names::Names,
    },
    problem::Problems,
};

/// A view, and where the file says whose.
struct View<'n> {
    name: &'n str,
    spec: &'n StoreSpec,
    at: String,
    names: &'n Names,
}

/// Checks whose data a store shows, if it is a view.
pub(super) fn view(spec: &StoreSpec, path: &str, names: &Names, problems: &mut Problems) {
    let Some(view) = &spec.view_of else { return };
    let at = format!("{path}.view_of");
    let name = path.split('.').nth(1).unwrap_or_default();
    let to = if view.0.lag.is_some() { format!("{at}.store") } else { at.clone() };
    if let Some(lag) = &view.0.lag {
        law(lag, &format!("{at}.lag"), problems);
    }
    let source = &view.0.store.0;
    let Some(id) = names.node(source) else {
        let help = closest(source, names.nodes());
        return problems.error_help("E-REF", to, format!("unknown store `{source}`"), help);
    };
    let Some(own) = names.store(id) else {
        let kind = names.kind(id).facts().kind;
        let message = format!("`{source}` is a {kind}, whose data nobody can show");
        return problems.error_help("E-REF", to, message, "a store");
    };
    let Some(root) = names.node(name).and_then(|id| names.views().get(&id).copied()) else {
        let message = format!("`{name}` would show its own data, by way of `{source}`");
        return problems.error_help("E-CYCLE", to, message, "some store has to be the source");
    };
    let this = View { name, spec, at, names };
    let before = problems.any_error();
    this.copies(path, (source, own), problems);
    this.writes(root, problems);
    if problems.any_error() != before {
        return;
    }
    if !names.tracked.followed.contains(&root) {
        let message = format!("nobody writes `{}`, so there is nothing to show", names.name(root));
        problems.warn("W-UNUSED", to, message, "somebody has to write the source");
    } else if spec.lag_of_view().is_none() && this.is_unfed() {
        let message = format!("nothing writes `{name}`: it stays as `{source}` was at the start");
        let help = format!(
            "`view_of: {{store: {source}, lag: 50ms}}`, or a service that writes it behind a message"
        );
        problems.warn("W-UNFED", to, message, help);
    }
}

impl View<'_> {
    /// What of its own and of its source's copies goes with a view.
    fn copies(&self, path: &str, (source, own): (&str, &StoreSpec), problems: &mut Problems) {
        let Self { spec, at, .. } = self;
        if let Some(replication) = &spec.replication {
            let path = format!("{path}.replication");
            if replication.multi_leader.is_some() {
                let message =
                    "each leader of a view would write by itself what another store has ordered";
                problems.error_help("E-CONFLICT", path, message, "leave out one of them");
            } else if replication.quorum.is_some() && spec.lag_of_view().is_some() {
                let message = "a log that feeds a view, and replicas of that of which none leads, do not go together yet";
                let help = "`view_of: name`, written by consumers";
                problems.error_help("E-UNSUPPORTED", path, message, help);
            }
        }
        let led = own
            .replication
            .as_ref()
            .map(|spec| (spec.multi_leader.is_some(), spec.quorum.is_some()));
        if let Some((true, _)) = led {
            let message = format!(
                "`{source}` has several leaders, so that no order says which version is the newest"
            );
            let help = "a source with one copy, `leader_follower`, `raft` or `quorum`";
            return problems.error_help("E-CONFLICT", at, message, help);
        }
        if spec.lag_of_view().is_none() {
            return;
        }
        let lag = format!("{at}.lag");
        if let Some((_, true)) = led {
            let message =
                format!("no replica of `{source}` leads, so that there is no log to feed a view");
            let help = "`view_of: name`, written by consumers";
            problems.error_help("E-CONFLICT", &lag, message, help);
        }
        if spec.shards.as_ref().and_then(|shards| shards.by.as_ref()) == Some(&ShardBy::Directory) {
            let message = "a directory has a key only once somebody has asked for it";
            let help = "`by: hash`, `consistent_hash` or `range`";
            problems.error_help("E-CONFLICT", &lag, message, help);
        }
        if spec.shards.as_ref().is_some_and(|shards| shards.move_.is_some()) {
            let message = format!(
                "a log that feeds a view, and keys of `{}` that move, do not go together yet",
                self.name
            );
            problems.error("E-UNSUPPORTED", &lag, message);
        }
    }

    /// Whether nobody writes it.
    fn is_unfed(&self) -> bool {
        let id = self.names.node(self.name);
        !data_calls(self.names).iter().any(|call| call.store == id && call.verb != Verb::Read)
    }

    /// Whether all who write it know what.
    fn writes(&self, root: NodeId, problems: &mut Problems) {
        let Self { name, names, .. } = self;
        let Some(id) = names.node(name) else { return };
        let source = names.name(root);
        let knows = knowing(id, root, names);
        for call in data_calls(names) {
            let (Some(path), true) = (call.path, call.store == Some(id)) else { continue };
            let by_hand = "behind a `write` or `read` of the source, or for a message that was published behind one";
            let (message, help) = match (&call.caller, call.verb) {
                (Caller::Cache, _) | (_, Verb::Read) => continue,
                _ if call.of_transaction => (
                    format!("`{name}` is a view, which cannot promise anything to a transaction"),
                    "a step behind it",
                ),
                (Caller::Record, _) => (
                    format!("`{name}` is a view of `{source}`, which keeps no records"),
                    "the source",
                ),
                (_, Verb::Cas | Verb::Increment | Verb::WriteBehind) => {
                    let verb = call.verb.name();
                    (
                        format!(
                            "`{name}` shows versions of `{source}`, of which `{verb}` makes none"
                        ),
                        "`write`",
                    )
                }
                (Caller::Request, _) => (
                    format!("a client knows no version of `{source}` that `{name}` could show"),
                    "let a service write it",
                ),
                (Caller::Visit(number, _), _)
                    if *number < names.nodes().len() && !knows.contains(number) =>
                {
                    (
                        format!("whoever writes `{name}` here knows no version of `{source}`"),
                        by_hand,
                    )
                }
                _ => continue,
            };
            problems.error_help("E-CONFLICT", path, message, help);
        }
    }
}

/// The nodes that may know a version of the source of a view, or of another one that shows its data: those that read or
/// write it, and whoever they call or send messages to.
fn knowing(view: NodeId, root: NodeId, names: &Names) -> BTreeSet<usize> {
    let calls = names.calls();
    let views = names.views();
    let shows =
        |store: NodeId| store != view && (store == root || views.get(&store) == Some(&root));
    let touches = |node: &usize| {
        calls[*node].iter().any(|call| {
            call.operation.as_ref().is_some_and(|operation| operation.1.is_some())
                && names.store_behind(&call.target).is_some_and(shows)
        })
    };
    let first = (0..calls.len()).filter(touches).collect();
    names.reached_from(first, &calls, |_| true).into_iter().collect()
}
