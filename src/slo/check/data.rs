//! What clients saw of the data, as expressions name it.
//!
//! **Invariant.** As in `check.rs`; a store that is not followed has no figure.

use super::{
    super::{
        names::{Doubts, Names},
        objective::{Figure, OF_SIDES, Slo},
        parse::Metric,
        shape::{any_consistency, dimension, in_shape},
    },
    Checked, Checker, Dimension, Fault, Selection, Selectors, fault, not_yet,
};
use crate::problem::{Problems, near};

/// A figure of requests that is none may be a misspelt one of the data.
pub(super) fn meant_data(fault: Fault, path: &[String]) -> Fault {
    let known = any_consistency();
    let names = known.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    match path.first().and_then(|name| near(name, names)) {
        Some(meant) => Fault { help: Some(format!("did you mean `{meant}`?")), ..fault },
        None => fault,
    }
}

/// What is said of data and the design cannot keep: no error, for variants inherit objectives in order to miss them.
pub(super) fn claims(place: &str, slo: &Slo, names: &Names, problems: &mut Problems) {
    let (store, path) = match &slo.figure {
        Figure::Consistency(path) | Figure::CostOf(_, path) => (None, path),
        Figure::Node(name, path) if path.first().is_some_and(|own| own == "consistency") => {
            (Some(name), path)
        }
        _ => return,
    };
    let claim: fn(&Doubts) -> _ = match path.last().map(String::as_str) {
        Some("linearizable") if slo.limit > 0.0 => |doubts| doubts.order,
        Some("stale_reads" | "stale_read_fraction") if slo.limit <= 0.0 => |doubts| doubts.fresh,
        Some("lost_acked_writes" | "rpo") if slo.limit <= 0.0 => |doubts| doubts.kept,
        _ => return,
    };
    let mut stores = names.doubts.iter().filter(|(name, _)| store.is_none_or(|own| own == *name));
    let found = stores.find_map(|(name, doubts)| Some((name, claim(doubts)?)));
    if let Some((store, (why, help))) = found {
        problems.warn("W-CLAIM", place, format!("`{store}` cannot keep this: {why}"), help);
    }
}

impl Checker<'_> {
    /// Whether a path is about what clients saw of the data.
    pub(super) fn is_of_data(path: &[&str]) -> bool {
        let known = any_consistency();
        let other = ["consistency", "reads", "writes"];
        path.first().is_some_and(|first| other.contains(first) || known.get(first).is_some())
    }

    /// `stale_read_fraction`, `consistency.operations.read`, `p99(staleness_age)`,
    /// `nodes.db.consistency.linearizable`.
    pub(super) fn data(
        &self,
        metric: &Metric,
        path: &[&str],
        selectors: &Selectors,
    ) -> Checked<(Figure, Dimension)> {
        if let [field] = path
            && let Some(field) = OF_SIDES.into_iter().find(|own| own == field)
            && let (None, Selection { client: None, operation: None, around, side, .. }) =
                (&selectors.node, &selectors.selection)
            && let (Some((cut, 1)), Some(side)) = (around, side)
            && metric.stat.is_none()
            && (&selectors.outcome, &selectors.to, selectors.window) == (&None, &None, None)
            && !self.names.followed.is_empty()
        {
            let figure = Figure::FromSide(cut.clone(), side.clone(), field);
            return Ok((figure, dimension(&[field.to_owned()])));
        }
        if selectors.selection != Selection::default() {
            return Err(not_yet("a selector of what clients saw of the data"));
        }
        if selectors.outcome.is_some() || selectors.to.is_some() || selectors.window.is_some() {
            let message = "what clients saw of the data is one figure of a run".to_owned();
            let help = "for example `stale_read_fraction <= 1%`, `staleness_age.p99 <= 1s`, \
                        `linearizable == true`";
            return Err(fault("E-SLO", message, Some(help.to_owned())));
        }
        let followed = match &selectors.node {
            Some(node) => self.names.followed.contains(node),
            None => !self.names.followed.is_empty(),
        };
        if !followed {
            let of = selectors.node.as_ref().map_or_else(
                || "no store of this scenario".to_owned(),
                |node| format!("`{node}` is no store that"),
            );
            let message = format!("{of} is followed, so there is nothing to be seen of its data");
            let help = "a store is followed when somebody writes there (`write`, `delete`, ..) and `history` is not \
                        `none`";
            return Err(fault("E-SLO", message, Some(help.to_owned())).absent());
        }
        let own = path.iter().skip(usize::from(path.first() == Some(&"consistency")));
        let mut own: Vec<String> = own.map(|part| (*part).to_owned()).collect();
        if let ["reads" | "writes"] = own.iter().map(String::as_str).collect::<Vec<_>>().as_slice()
        {
            own[0].pop();
            own.insert(0, "operations".to_owned());
        }
        own.extend(metric.stat.as_ref().map(|stat| stat.text.clone()));
        let dimension = in_shape(&any_consistency(), &own)?;
        let Some(node) = &selectors.node else {
            return Ok((Figure::Consistency(own), dimension));
        };
        let path = [vec!["consistency".to_owned()], own].concat();
        Ok((Figure::Node(node.clone(), path), dimension))
    }
}
