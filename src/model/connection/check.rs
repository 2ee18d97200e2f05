//! What can be wrong with pools of connections, and with the nodes at which these end.
//!
//! **Invariant.** As in `model/check.rs`.

use crate::{
    model::{
        check::{law, positive},
        names::Names,
        resilience::{check::MAX_PERMITS, specs::PoolFields},
    },
    problem::Problems,
};

/// A pool whose connections lead to these nodes.
pub fn pool(
    spec: &PoolFields,
    (path, targets): (&str, &[&str]),
    names: &Names,
    problems: &mut Problems,
) {
    let at = |key: &str| format!("{path}.{key}");
    positive(Some(spec.size), MAX_PERMITS, path, problems);
    positive(spec.streams, MAX_PERMITS, &at("streams"), problems);
    positive(spec.ports, MAX_PERMITS, &at("ports"), problems);
    let setup = spec.setup.as_ref().map(|setup| &setup.0);
    positive(setup.and_then(|s| s.round_trips), 100, &at("setup.round_trips"), problems);
    if let Some(time) = setup.and_then(|setup| setup.time.as_ref()) {
        law(time, &at("setup"), problems);
    }
    if let Some(work) = setup.and_then(|setup| setup.work.as_ref()) {
        law(work, &at("setup.work"), problems);
    }
    if let Some(age) = &spec.max_age {
        law(age, &at("max_age"), problems);
    }
    let wired = targets.iter().any(|target| names.is_wired(spec, target));
    if spec.idle.is_some() && spec.setup.is_none() && !wired {
        let message = "closing a connection costs nothing, as opening one takes no time";
        problems.error_help("E-CONFLICT", at("idle"), message, "give it a `setup`");
    }
    if spec.linger.is_some() && spec.ports.is_none() {
        let message = "a port that lingers is nothing to anybody who has no end of ports";
        problems.error_help("E-CONFLICT", at("linger"), message, "give it `ports: 28k`");
    }
    if spec.keep.is_some_and(|keep| keep.0 > spec.size.0) {
        let message = format!("there are never more than {} connections", spec.size.0);
        problems.error_help("E-CONFLICT", at("keep"), message, "at most `size`");
    }
    for target in targets.iter().filter(|target| names.is_wired(spec, target)) {
        ends(target, path, names, problems);
    }
}

/// Connections can end at a node, or at all to which it passes them on.
fn ends(target: &str, path: &str, names: &Names, problems: &mut Problems) {
    let Some(kind) = names.node(target).map(|id| names.kind(id)) else { return };
    let far = kind.far_end();
    if !far.takes {
        let message = format!("`{target}` has no instances that know of connections");
        let help = "services, stores without replicas, externals and balancers have";
        return problems.error_help("E-CONFLICT", path, message, help);
    }
    for next in kind.passes_on().iter().filter(|_| far.passes_on) {
        let kind = names.node(&next.0).map(|id| names.kind(id));
        if kind.is_some_and(|kind| !kind.far_end().takes || kind.far_end().passes_on) {
            let message =
                format!("`{target}` passes connections on to `{}`, where none can end", next.0);
            let help = "name services, stores without replicas or externals in its `to`";
            problems.error_help("E-CONFLICT", path, message, help);
        }
    }
}
