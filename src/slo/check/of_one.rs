//! Figures of one fault, one alert or one link.
//!
//! **Invariant.** The fault, alert, client and link named are in the scenario.

use super::{
    super::{
        objective::{AlertField, Figure},
        parse::{Metric, Selector},
        shape::dimension,
    },
    Checked, Checker, Dimension, fault, in_shape, known, shape,
};
use crate::results::{LinkResults, WayResults};

impl Checker<'_> {
    /// `time_to_recover(az-loss)`, `back_after(az-loss client=web)`, `metastable(blip)`.
    pub(super) fn of_one_fault(&self, metric: &Metric, name: &str) -> Checked<(Figure, Dimension)> {
        let (id, client) = match (metric.selectors.as_slice(), &metric.stat) {
            ([Selector { name: None, value }], None) => (value, None),
            (
                [Selector { name: None, value }, Selector { name: Some(by), value: client }],
                None,
            ) if name == "back_after" && by.text == "client" => (value, Some(client)),
            _ => {
                let message = format!("`{name}` is of one fault");
                let help = match name {
                    "metastable" => "for example `metastable(blip) == false`",
                    "back_after" => {
                        "for example `back_after(az-loss) <= 60s`, or `back_after(az-loss client=web) <= 60s`"
                    }
                    _ => "for example `time_to_recover(az-loss) <= 30s`",
                };
                return Err(fault("E-SLO", message, Some(help.to_owned())));
            }
        };
        known("fault", &id.text, self.names.faults.iter())?;
        if let Some(client) = client {
            known("client", &client.text, self.names.clients.keys())?;
        }
        let id = id.text.clone();
        Ok(match name {
            "metastable" => (Figure::Metastable(id), Dimension::Truth),
            "back_after" => (Figure::Back(id, client.map(|c| c.text.clone())), Dimension::Seconds),
            _ => (Figure::Recovery(id), Dimension::Seconds),
        })
    }

    /// `convergence_time(cut)`, `rpo(cut)`, `rto.write(cut)`, `lost_acked_writes(cut)`; without a fault they are of the
    /// whole run.
    pub(super) fn cost_of_fault(
        &self,
        metric: &Metric,
        path: &[&str],
    ) -> Checked<Option<(Figure, Dimension)>> {
        let dimension = match path {
            ["convergence_time" | "rpo"] | ["rto", "read" | "write"] => Dimension::Seconds,
            ["lost_acked_writes"] => Dimension::Count,
            ["rto"] if matches!(metric.selectors.as_slice(), [Selector { name: None, .. }]) => {
                let message = "`rto` is a group of figures".to_owned();
                return Err(fault("E-SLO", message, Some("say which: read, write".to_owned())));
            }
            _ => return Ok(None),
        };
        let [Selector { name: None, value: id }] = metric.selectors.as_slice() else {
            return Ok(None);
        };
        known("fault", &id.text, self.names.faults.iter())?;
        if metric.stat.is_some() {
            let message = format!("`{}` of a fault is one figure", path.join("."));
            return Err(fault("E-SLO", message, None));
        }
        if self.names.followed.is_empty() && path[0] != "convergence_time" {
            let message = "no store of this scenario is followed, so that nobody knows what a fault costs its data";
            let help = "a store is followed when somebody writes there (`write`, `delete`, ..) and `history` is not \
                        `none`";
            return Err(fault("E-SLO", message.to_owned(), Some(help.to_owned())).absent());
        }
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        Ok(Some((Figure::CostOf(id.text.clone(), path), dimension)))
    }

    /// `alerts.bad.fired`
    pub(super) fn of_alert(
        &self,
        metric: &Metric,
        alert: &str,
        field: &str,
    ) -> Checked<(Figure, Dimension)> {
        known("alert", alert, self.names.alerts.iter())?;
        known("figure of an alert", field, ["count", "fired", "resolved"].iter())?;
        if metric.stat.is_some() || !metric.selectors.is_empty() {
            let message = "an alert has neither statistics nor selectors".to_owned();
            return Err(fault("E-SLO", message, None));
        }
        let (field, dimension) = match field {
            "count" => (AlertField::Count, Dimension::Number),
            "fired" => (AlertField::Fired, Dimension::Seconds),
            _ => (AlertField::Resolved, Dimension::Seconds),
        };
        Ok((Figure::Alert(alert.to_owned(), field), dimension))
    }

    /// `links.uplink.forth.utilisation`, `p99(links.uplink.back.transfer_time)`.
    pub(super) fn of_link(
        &self,
        metric: &Metric,
        segments: &[&str],
    ) -> Checked<(Figure, Dimension)> {
        let whole = metric.selectors.is_empty() && metric.within.is_none();
        let ["links", link, path @ ..] = segments else {
            let help = "for example `links.uplink.forth.utilisation <= 80%`".to_owned();
            return Err(fault("E-SLO", "which link?".to_owned(), Some(help)));
        };
        if !whole {
            let message = "a link is measured over the whole run, without selectors".to_owned();
            return Err(fault("E-SLO", message, None));
        }
        known("link with a bandwidth", link, self.names.links.keys())?;
        let way = Some(WayResults::default());
        let back = way.clone().filter(|_| self.names.links[*link]);
        let stat = metric.stat.iter().map(|stat| stat.text.clone());
        let path: Vec<String> = path.iter().map(|s| (*s).to_owned()).chain(stat).collect();
        in_shape(&shape(&LinkResults { forth: way, back }), &path)?;
        let dimension = dimension(&path[1..]);
        Ok((Figure::Link((*link).to_owned(), path), dimension))
    }
}
