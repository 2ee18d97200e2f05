//! What can be wrong with transactions.
//!
//! **Invariant.** As in `model/check.rs`.

use crate::{
    model::{
        check_steps::data_verb,
        kind::Verb,
        kinds::NodeSpec,
        names::Names,
        service::{ServiceSpec, StepSpec, parts::TransactionSpec},
        store::StoreSpec,
    },
    problem::Problems,
};

/// Who can promise something.
const ONE_LEADS: &str = "a store of one copy, or with `raft` or `leader_follower`";

impl ServiceSpec {
    /// Checks its transactions.
    pub fn check_transactions(&self, path: &str, names: &Names, problems: &mut Problems) {
        for (name, list) in &self.endpoints {
            outside(list, &format!("{path}.endpoints.{}", name.0), names, problems);
        }
        for (i, task) in self.background.iter().enumerate() {
            outside(&task.do_, &format!("{path}.background[{i}].do"), names, problems);
        }
    }
}

/// Looks for transactions in a list of steps.
fn outside(list: &[StepSpec], path: &str, names: &Names, problems: &mut Problems) {
    for (i, step) in list.iter().enumerate() {
        let path = format!("{path}[{i}]");
        if let Some(one) = &step.transaction {
            transaction(one, &format!("{path}.transaction"), names, problems);
            continue;
        }
        for (inner, list) in step.inner() {
            outside(list, &format!("{path}{inner}"), names, problems);
        }
    }
}

fn transaction(one: &TransactionSpec, path: &str, names: &Names, problems: &mut Problems) {
    let at = format!("{path}.do");
    if one.timeout.is_some_and(|timeout| timeout.0 == 0) {
        problems.error("E-RANGE", format!("{path}.timeout"), "must be above 0");
    }
    if one.do_.is_empty() {
        return problems.error("E-STEP", at, "needs at least one step");
    }
    let before = problems.any_error();
    let writes = inside(&one.do_, &at, names, problems);
    if !writes && problems.any_error() == before {
        let help =
            "a `write`, `delete`, `cas` or `increment` of a store; else leave the transaction out";
        problems.error_help(
            "E-STEP",
            at,
            "nothing is written, so there is nothing to decide",
            help,
        );
    }
}

/// Checks the steps of a transaction; whether one of them writes.
fn inside(list: &[StepSpec], path: &str, names: &Names, problems: &mut Problems) -> bool {
    let mut writes = false;
    for (i, step) in list.iter().enumerate() {
        let path = format!("{path}[{i}]");
        let out = [
            (
                "transaction",
                step.transaction.is_some(),
                "a transaction within a transaction would be decided by itself",
                "put its steps in this one",
            ),
            (
                "saga",
                step.saga.is_some(),
                "what is gathered has not been done yet, so there is nothing to undo",
                "a transaction may be a part of a saga",
            ),
            (
                "lock",
                step.lock.is_some(),
                "writes are sent when all steps are done, and the lock is given back before",
                "put the transaction into the `do` of the lock",
            ),
            (
                "reply",
                step.reply.is_some(),
                "nothing is decided yet that could be answered",
                "put it behind the transaction",
            ),
        ];
        for (verb, _, message, help) in out.into_iter().filter(|one| one.1) {
            problems.error_help("E-CONFLICT", format!("{path}.{verb}"), message, help);
        }
        if step.transaction.is_some() {
            continue;
        }
        let written = step.target().filter(|(_, op, ..)| {
            op.as_ref().and_then(|op| op.1).is_some_and(|verb| verb != Verb::Read)
        });
        if let Some((target, ..)) = written {
            writes = true;
            write(step, (&target, &path), names, problems);
        }
        for (inner, list) in step.inner() {
            writes |= inside(list, &format!("{path}{inner}"), names, problems);
        }
    }
    writes
}

/// Checks a write of a transaction.
fn write(step: &StepSpec, (target, path): (&str, &str), names: &Names, problems: &mut Problems) {
    let verb = data_verb(step);
    let at = |key: &str| format!("{path}.{verb}{key}");
    if step.optional == Some(true) {
        let message = "of a transaction all is written, or nothing";
        problems.error_help("E-CONFLICT", format!("{path}.optional"), message, "leave it out");
    }
    if step.outbox().is_some() {
        let message = "a transaction leaves nothing in an outbox yet";
        return problems.error("E-UNSUPPORTED", at(".outbox"), message);
    }
    if step.caching().is_some() {
        let message = "a cache cannot promise anything to a transaction";
        let help = "leave `cache` out; read through caches outside, or let what is cached expire";
        return problems.error_help("E-CONFLICT", at(".cache"), message, help);
    }
    let Some(id) = names.node(target) else { return };
    let (message, help) = match names.spec(id) {
        NodeSpec::Store(StoreSpec { replication: Some(spec), .. })
            if spec.multi_leader.is_some() =>
        {
            let message = format!(
                "each leader of `{target}` writes by itself, so that none could lock a key"
            );
            (message, ONE_LEADS)
        }
        NodeSpec::Store(StoreSpec { replication: Some(spec), .. }) if spec.quorum.is_some() => {
            let message = format!(
                "no replica of `{target}` leads and orders what is written to a key, so that none could lock one"
            );
            (message, ONE_LEADS)
        }
        NodeSpec::Store(_) => return,
        _ => {
            let kind = names.kind(id).facts().kind;
            let message =
                format!("`{target}` is a {kind}, which cannot promise anything to a transaction");
            (message, "the store itself")
        }
    };
    problems.error_help("E-CONFLICT", at(""), message, help);
}
