//! `client=gold window=1m during=cut`: which requests, node and windows a metric is of.
//!
//! **Invariant.** What a selector names is there, and none is given twice.

use super::{
    super::{
        parse::{Metric, Word},
        words::{Checked, Fault, choice, fault, not_yet, parsed},
    },
    Checker, known,
};
use crate::{
    outcome::Outcome,
    results::{SIDES, Selection},
    units::SimDuration,
};

/// Selectors whose parts of the model do not exist yet.
const SELECTORS_NOT_YET: [&str; 5] = ["key", "size", "session", "zone", "instance"];

const SELECTORS: [&str; 11] = [
    "client",
    "operation",
    "node",
    "group",
    "outcome",
    "to",
    "window",
    "before",
    "during",
    "after",
    "side",
];

/// The selectors of one metric.
#[derive(Default)]
pub(super) struct Selectors {
    pub(super) selection: Selection,
    pub(super) node: Option<String>,
    pub(super) group: Option<String>,
    pub(super) outcome: Option<String>,
    pub(super) to: Option<String>,
    pub(super) window: Option<u64>,
}

impl Checker<'_> {
    /// `nodes.api.x` is `x` of `node=api`, `clients.a.operations.b.x` that of these selectors.
    pub(super) fn path_into_selectors(
        &self,
        path: &mut Vec<&str>,
        into: &mut Selectors,
    ) -> Checked<()> {
        let place = |slot: &mut Option<String>, name: &str| match slot {
            Some(other) if other != name => {
                let message = format!("both `{other}` and `{name}` are named");
                Err(fault("E-SLO", message, None))
            }
            _ => {
                *slot = Some(name.to_owned());
                Ok(())
            }
        };
        if path.len() > 1 && path[0] == "nodes" {
            known("node", path[1], self.names.nodes.iter())?;
            place(&mut into.node, path[1])?;
            path.drain(..2);
        } else if path.len() > 1 && path[0] == "clients" {
            known("client", path[1], self.names.clients.keys())?;
            place(&mut into.selection.client, path[1])?;
            path.drain(..2);
            if path.len() > 1 && path[0] == "operations" {
                place(&mut into.selection.operation, path[1])?;
                self.operation(&into.selection)?;
                path.drain(..2);
            }
        }
        Ok(())
    }

    pub(super) fn selectors(&self, metric: &Metric) -> Checked<Selectors> {
        let mut found = Selectors::default();
        for selector in &metric.selectors {
            let value = &selector.value;
            let Some(name) = &selector.name else {
                let message = format!("`{}` selects nothing by itself", value.text);
                let help = "a selector is written `name=value`, for example `client=gold`";
                return Err(fault("E-SLO", message, Some(help.to_owned())));
            };
            let slot = match name.text.as_str() {
                "client" => {
                    known("client", &value.text, self.names.clients.keys())?;
                    &mut found.selection.client
                }
                "operation" => &mut found.selection.operation,
                "side" => &mut found.selection.side,
                "node" => {
                    known("node", &value.text, self.names.nodes.iter())?;
                    &mut found.node
                }
                "group" => &mut found.group,
                "outcome" => {
                    known("outcome", &value.text, Outcome::NAMES.iter())?;
                    &mut found.outcome
                }
                "to" => {
                    known("mark", &value.text, self.names.marks.iter())?;
                    &mut found.to
                }
                "window" => {
                    found.window = Some(self.window(value)?);
                    continue;
                }
                other => {
                    let side = SIDES.iter().position(|side| *side == other);
                    let side = side.ok_or_else(|| self.unknown_selector(other))?;
                    known("fault", &value.text, self.names.faults.iter())?;
                    let around = (value.text.clone(), side);
                    if found.selection.around.replace(around).is_some() {
                        let message = "only one of `before=`, `during=`, `after=`".to_owned();
                        return Err(fault("E-SLO", message, None));
                    }
                    continue;
                }
            };
            if slot.replace(value.text.clone()).is_some() {
                let message = format!("`{}=` is given twice", name.text);
                return Err(fault("E-SLO", message, None));
            }
        }
        self.operation(&found.selection)?;
        self.side(&found.selection)?;
        Ok(found)
    }

    fn unknown_selector(&self, name: &str) -> Fault {
        if SELECTORS_NOT_YET.contains(&name) || self.names.attributes.contains(name) {
            return not_yet(&format!("{name}="));
        }
        let message = format!("there is no selector `{name}=`");
        fault("E-SLO", message, Some(choice(name, SELECTORS.iter())))
    }

    /// A side is one of a fault that cuts those who ask apart.
    fn side(&self, selection: &Selection) -> Checked<()> {
        let Some(side) = &selection.side else { return Ok(()) };
        let cut = selection.around.as_ref().map(|(fault, _)| fault);
        let Some(sides) = cut.and_then(|cut| self.names.sides.get(cut)) else {
            let message = "`side=` is a side of a `partition` that clients stand on".to_owned();
            let help = "for example `availability(during=cut side=a) >= 99%`";
            return Err(fault("E-SLO", message, Some(help.to_owned())));
        };
        known("side", side, sides.iter())
    }

    fn operation(&self, selection: &Selection) -> Checked<()> {
        let Some(operation) = &selection.operation else { return Ok(()) };
        let of = |(name, _): &(&String, &Vec<String>)| {
            selection.client.as_ref().is_none_or(|client| client == *name)
        };
        let all = self.names.clients.iter().filter(of).flat_map(|(_, operations)| operations);
        known("operation", operation, all)
    }

    /// A window of the series, or several of them.
    fn window(&self, word: &Word) -> Checked<u64> {
        let window = parsed::<SimDuration>(word, "a duration such as `1m`")?.0;
        let base = self.names.window.max(1);
        if window > 0 && window % base == 0 && window <= self.names.span {
            return Ok(window);
        }
        let most = SimDuration(self.names.span / base * base);
        let first: Vec<String> = [1, 2, 3, 5, 10]
            .map(|n| SimDuration(base.saturating_mul(n)))
            .iter()
            .filter(|d| **d <= most)
            .map(|d| format!("`{d}`"))
            .collect();
        let message = format!("`window={}` does not fit the windows that are measured", word.text);
        let help = format!(
            "multiples of `{}` up to `{most}` are possible, such as {}",
            SimDuration(base),
            first.join(", ")
        );
        Err(fault("E-SLO", message, Some(help)))
    }
}
