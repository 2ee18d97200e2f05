//! What can be wrong with what is followed.
//!
//! **Invariant.** As in `model/check.rs`.

use super::spec::HistorySpec;
use crate::{model::names::Names, problem::Problems};

/// Most writes that are kept in mind: 64 B each.
const MOST: u64 = 1 << 26;

/// What a file says of the history.
pub fn history(names: &Names, problems: &mut Problems) {
    let Some(HistorySpec(spec)) = names.design.history else { return };
    if spec.keys.is_some_and(|share| !(share.0 > 0.0 && share.0 <= 1.0)) {
        let help = "`history: none` follows nothing";
        let message = "must be above 0 % and at most 100 %";
        problems.error_help("E-RANGE", "history.keys", message, help);
    }
    if spec.limit.is_some_and(|limit| limit.0 == 0 || limit.0 > MOST) {
        let message = "must be from 1 to 67,108,864 writes (4 GB)";
        problems.error("E-RANGE", "history.limit", message);
    }
}
