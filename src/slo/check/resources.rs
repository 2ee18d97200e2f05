//! What nodes have only so much of, as expressions name it.
//!
//! **Invariant.** As in `check.rs`; whether the node has it is known after the run.

use super::{Checked, Checker, fault};

impl Checker<'_> {
    /// An error unless something of a node can be called so and is measured.
    pub(super) fn resource(&self, node: &str, name: &str) -> Checked<()> {
        const THINGS: [&str; 7] =
            ["cores", "workers", "quota", "in_flight", "memory", "threads", "descriptors"];
        const OF: [&str; 3] = ["pool", "bulkhead", "lock"];
        let part = name.split_once(':').map(|(kind, of)| OF.contains(&kind) && !of.is_empty());
        if !part.unwrap_or_else(|| THINGS.contains(&name)) {
            let help = "there are `cores`, `workers`, `pool:db`, `bulkhead:db`, `lock:seat`, `quota`, `in_flight`, `memory`, `threads`, `descriptors`";
            return Err(fault(
                "E-REF",
                format!("there is no resource `{name}`"),
                Some(help.to_owned()),
            ));
        }
        let lock = name.strip_prefix("lock:").unwrap_or_default();
        if self.names.key_locks.contains(&(node.to_owned(), lock.to_owned())) {
            let message =
                format!("of the lock `{lock}` there are as many as keys: its use is not measured");
            let help = "a lock without `per` is measured; of this one the latency tells";
            return Err(fault("E-SLO", message, Some(help.to_owned())));
        }
        Ok(())
    }
}
