//! What can be wrong with a dependency beyond types.
//!
//! **Invariant.** As in `model/check.rs`.

use crate::{
    model::{
        check::{Checked, formula},
        external::ExternalSpec,
        names::Names,
    },
    problem::Problems,
};

impl Checked for ExternalSpec {
    fn check(&self, path: &str, names: &Names, problems: &mut Problems) {
        formula(&self.latency, &format!("{path}.latency"), names, problems);
        if let Some(size) = &self.reply {
            formula(size, &format!("{path}.reply"), names, problems);
        }
    }
}
