//! What can be wrong with a dns node beyond types.
//!
//! **Invariant.** As in `model/check.rs`.

use crate::{
    model::{
        balancer::{
            TargetsSpec,
            check::{health_check, targets},
        },
        check::{Checked, positive, zones},
        dns::{DnsPolicy, DnsSpec},
        names::Names,
    },
    problem::Problems,
};

impl Checked for DnsSpec {
    fn check(&self, path: &str, names: &Names, problems: &mut Problems) {
        let at = |key: &str| format!("{path}.{key}");
        zones(self.zones.as_ref(), &at("zones"), names, problems);
        targets(&self.to, path, names, problems);
        if let Some(check) = &self.health_check {
            health_check(check, path, problems);
        }
        positive(self.resolvers, 1_000_000, &at("resolvers"), problems);
        if matches!(self.to, TargetsSpec::Weighted(_)) && self.policy() != DnsPolicy::Weighted {
            problems.error_help(
                "E-CONFLICT",
                at("policy"),
                format!(
                    "`{}` does not choose by weights, but `to` gives some",
                    self.policy().name()
                ),
                "a list of nodes, the preferred first",
            );
        }
        if self.policy() == DnsPolicy::Nearest && !names.zones.is_empty() {
            for call in self.to.calls(path) {
                let Some(node) = names.node(&call.target) else { continue };
                let facts = names.kind(node).facts();
                if facts.floats && facts.zones.is_none() {
                    problems.warn(
                        "W-POLICY",
                        call.path,
                        format!(
                            "`{}` stands wherever its caller stands: nothing is nearer",
                            call.target
                        ),
                        "give it `zones`",
                    );
                }
            }
        }
    }
}
