//! What can be wrong with a client that sends around faults, and what it comes to.
//!
//! **Invariant.** As in `model/check.rs`.

use crate::{
    model::{
        client::{ActiveSpec, Arrivals, ClientSpec},
        fault::FaultSpec,
        names::Names,
    },
    problem::Problems,
};

impl ActiveSpec {
    /// Share of the run in which it sends, about: what is known before faults are drawn.
    pub fn expected_share<'f>(
        &self,
        faults: impl Iterator<Item = &'f FaultSpec>,
        duration: u64,
    ) -> f64 {
        let span = duration as f64;
        let each = faults.map(|fault| {
            let mean = |law: &Option<crate::engine::law::DurationLaw>| {
                law.as_ref().and_then(crate::engine::law::Law::mean)
            };
            let lasts = fault.for_.map(|d| d.0 as f64).or(mean(&fault.mttr)).unwrap_or(span);
            let period = fault.every.map(|d| d.0 as f64).or(mean(&fault.mtbf)).unwrap_or(span);
            let times = (span / period.max(1.0)).max(1.0);
            times * (self.before.0 as f64 + lasts.min(span) + self.after.0 as f64)
        });
        let control = self.control.0 as f64 * self.window.0 as f64;
        ((each.sum::<f64>() + control) / span).min(1.0)
    }

    /// Reports what is wrong with it.
    pub fn check(&self, client: &ClientSpec, path: &str, names: &Names, problems: &mut Problems) {
        let at = |key: &str| format!("{path}.active.{key}");
        if names.order.is_empty() {
            let help = "leave `active` out: without faults there is nothing to send around";
            problems.error_help("E-CONFLICT", format!("{path}.active"), "no faults here", help);
        }
        if names.faults().any(|fault| fault.after.is_some()) {
            let message = "when a fault comes `after` an alert is not known beforehand";
            problems.error("E-CONFLICT", format!("{path}.active"), message);
        }
        if matches!(
            client.arrivals,
            Arrivals::Closed { .. } | Arrivals::Trace(_) | Arrivals::Schedule(_)
        ) {
            let message = "closed users, traces and schedules cannot be sampled in time";
            let help = "arrivals at a rate: `poisson`, `constant`, `renewal`, `mmpp`";
            problems.error_help("E-CONFLICT", format!("{path}.active"), message, help);
        }
        if !client.session.is_empty() {
            let message = "a session would go on after its window";
            problems.error("E-CONFLICT", format!("{path}.active"), message);
        }
        if !names.marks.is_empty() {
            let message = "`mark` steps are not supported yet beside `active`";
            problems.error("E-UNSUPPORTED", format!("{path}.active"), message);
        }
        if self.control.0 == 0 || self.control.0 > 100_000 {
            problems.error("E-RANGE", at("control"), "must be between 1 and 100k");
        }
        if self.settle() >= self.window.0 {
            let message = "nothing of a window is counted";
            let help = "`window` longer than `settle`";
            problems.error_help("E-CONFLICT", at("window"), message, help);
        }
        if self.window.0 > names.design.duration {
            problems.error("E-RANGE", at("window"), "longer than the run");
        }
    }
}
