//! Figures of one fault or of one alert.
//!
//! **Invariant.** The fault, alert and client named are in the scenario.

use super::{
    super::{
        objective::{AlertField, Figure},
        parse::{Metric, Selector},
    },
    Checked, Checker, Dimension, fault, known,
};

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
            return Err(fault("E-SLO", message.to_owned(), Some(help.to_owned())));
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
}
