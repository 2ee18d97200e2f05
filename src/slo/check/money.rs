//! What a design or a node costs, as expressions name it.
//!
//! **Invariant.** As in `check.rs`; what nothing is paid for has no figure.

use super::{
    super::{
        objective::Figure,
        parse::Metric,
        shape::{any_cost, any_node, in_shape, shape},
    },
    Checked, Checker, Dimension, Selection, Selectors, fault,
};

impl Checker<'_> {
    /// `cost.per_month`, `cost.traffic.cross_zone.per_month`, `nodes.api.cost.per_month`.
    pub(super) fn cost(
        &self,
        metric: &Metric,
        path: &[&str],
        selectors: &Selectors,
    ) -> Checked<(Figure, Dimension)> {
        let parted = selectors.selection != Selection::default()
            || selectors.outcome.is_some()
            || selectors.to.is_some();
        if parted || selectors.window.is_some() || metric.stat.is_some() {
            let message = "money has neither statistics nor selectors".to_owned();
            let help = "for example `cost.per_month <= $900`, `nodes.api.cost.per_month <= $300`";
            return Err(fault("E-SLO", message, Some(help.to_owned())));
        }
        let priced = match &selectors.node {
            Some(node) => self.names.priced_nodes.contains(node),
            None => self.names.priced,
        };
        if !priced {
            let of = selectors.node.as_ref().map_or_else(
                || "nothing in this scenario".to_owned(),
                |node| format!("nothing of `{node}`"),
            );
            let message = format!("{of} has a `price`, so it has no cost");
            let help =
                "give prices: `price: $0.17/h` of a node, `network: {prices: {..}}` of traffic";
            return Err(fault("E-SLO", message, Some(help.to_owned())).absent());
        }
        let owned = |path: &[&str]| path.iter().map(|part| (*part).to_owned()).collect();
        if let Some(node) = &selectors.node {
            let path: Vec<String> = owned(path);
            in_shape(&shape(&any_node()), &path)?;
            return Ok((Figure::Node(node.clone(), path), Dimension::Money));
        }
        let path: Vec<String> = owned(&path[1..]);
        if path.is_empty() {
            let message = "`cost` is a group of figures".to_owned();
            let help = "say which: per_hour, per_month, per_million_ok".to_owned();
            return Err(fault("E-SLO", message, Some(help)));
        }
        in_shape(&any_cost(), &path)?;
        Ok((Figure::Cost(path), Dimension::Money))
    }
}
