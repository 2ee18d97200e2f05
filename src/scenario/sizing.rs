//! `size`: what may be more or less of, and what is to be least.
//!
//! **Invariant.** A setting is what `--set` of each of its paths makes of the file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{axis::AxisSpec, sweep::paths};
use crate::problem::{Problem, Problems};

/// Most settings of all knobs together: of each is known what it costs before anything is simulated.
pub const MOST_SETTINGS: usize = 10_000;

/// What `windtunnel size` may change to meet the objectives, and what is to be least then.
///
/// ```yaml
/// size:
///   knobs:
///     nodes.api.service.instances: 2..40
///     nodes.db.store.cores: [2, 4, 8, 16]
///   minimise: cost.per_month
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SizeSpec {
    /// Paths of numbers, and the values each may take: a range (`2..40`, `4..10 step 2`, `4..64 x2`, `log(1..1000 n=7)`;
    /// units stay) or a list, from the least to the most. Paths that change together are joined by ` + `.
    pub knobs: BTreeMap<String, AxisSpec>,
    /// The figure that is to be least, as objectives name it: `cost.per_month` when absent in a design that has prices;
    /// without any the sum of the places of all values in their ranges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimise: Option<String>,
}

/// Something there may be more or less of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knob {
    /// As the file names it.
    pub name: String,
    /// What it changes.
    pub paths: Vec<String>,
    /// What it may be, each as it would stand in a scenario.
    pub values: Vec<String>,
}

impl SizeSpec {
    /// Its knobs, in the order of their names.
    ///
    /// # Errors
    ///
    /// The first knob that has no values, and why; or all of them, if they are none or have too many settings.
    pub fn knobs(&self) -> Result<Vec<Knob>, Problem> {
        let mut problems = Problems::default();
        let mut knobs = Vec::new();
        let mut settings = 1usize;
        for (name, axis) in &self.knobs {
            match axis.values() {
                Ok(values) => {
                    settings = settings.saturating_mul(values.len());
                    let paths = paths(name).map(str::to_owned).collect();
                    knobs.push(Knob { name: name.clone(), paths, values });
                }
                Err(error) => {
                    problems.error_help(
                        error.code,
                        at(name),
                        error.message,
                        error.help.unwrap_or_default(),
                    );
                }
            }
        }
        if self.knobs.is_empty() {
            let help = "such as `nodes.api.service.instances: 2..40`";
            problems.error_help("E-RANGE", "size.knobs", "there is no knob", help);
        }
        if settings > MOST_SETTINGS {
            let message = format!("{settings} settings; the limit is {MOST_SETTINGS}");
            let help = "shorter ranges, or longer steps such as `2..40 step 2`";
            problems.error_help("E-RANGE", "size.knobs", message, help);
        }
        problems.into_vec().into_iter().next().map_or(Ok(knobs), Err)
    }
}

/// Where a knob stands.
pub(super) fn at(name: &str) -> String {
    format!("size.knobs.\"{name}\"")
}
