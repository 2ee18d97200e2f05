//! What faults, alerts and error budgets came to.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{Estimate, RtoResults};

/// How it went on after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aftermath {
    /// Most of what there was is back.
    Recovered,
    /// Down, but what has piled up shrinks.
    Draining,
    /// Down, and the cause is still there: what was deployed, or another fault.
    CauseRemains,
    /// Down although the cause is gone, and nothing shows that this ends.
    Metastable,
}

impl Aftermath {
    /// All of them, the best first.
    pub(crate) const FROM_BEST: [Self; 4] =
        [Self::Recovered, Self::Draining, Self::CauseRemains, Self::Metastable];
}

impl fmt::Display for Aftermath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertResults {
    /// Its name.
    pub id: String,
    /// Times it fired, mean over replications.
    pub count: Estimate,
    /// When it first fired, s; mean over the replications in which it did.
    pub fired: Estimate,
    /// When it was last over, s; mean over the replications in which it was not firing to the end.
    pub resolved: Estimate,
}

/// One error budget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BudgetResults {
    /// What must hold, as in the file.
    pub objective: String,
    /// How long the budget has to last, s.
    pub window: f64,
    /// Share of a whole window's budget that was spent in the measured time (of a run that is longer: in a window,
    /// mean).
    pub spent: Estimate,
    /// Its alerts, in their order.
    pub alerts: Vec<BurnResults>,
}

/// One alert of an error budget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BurnResults {
    /// It fires when the budget is spent so many times as fast as it may be.
    pub burn: f64,
    /// Over how long, s.
    pub long: f64,
    /// Over how long before the look, s.
    pub short: f64,
    /// Why it was not judged: all figures are null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inconclusive: Option<String>,
    /// Times it fired, mean over replications.
    pub fired: Estimate,
    /// From the start of a fault to its first page, s; mean over the replications in which there was one.
    pub detect: Estimate,
    /// From the end of such a fault until the alert was over, s; mean over those in which it was.
    pub reset: Estimate,
    /// Spent from the start of such a fault to its page, as a share of a whole window's budget.
    pub spent_at_page: Estimate,
    /// Pages while no fault was at work in what it looked at, in a month (730 h) of such time; null: there was none.
    pub false_pages_per_month: Estimate,
    /// Faults a run that spent more than it is made for and that no page told of; null: there was no fault.
    pub missed: Estimate,
}

/// One fault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultResults {
    /// Its id.
    pub id: String,
    /// What the file calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its effect, as in the file.
    pub effect: String,
    /// What it hits, in words.
    #[serde(default)]
    pub target: String,
    /// Spans in which it was at work somewhere, mean over replications.
    pub occurrences: Estimate,
    /// When it first began, s; mean over the replications in which it did.
    pub started: Estimate,
    /// When it last ended (or the run), s.
    pub ended: Estimate,
    /// When an alert had a deployment rolled back, s; mean over the replications in which one did.
    #[serde(default)]
    pub rolled_back: Estimate,
    /// Availability of requests sent from the warm-up until it began.
    pub availability_before: Estimate,
    /// Of those sent while it was at work.
    pub availability_during: Estimate,
    /// Of those sent after it ended, until the next fault or the end.
    pub availability_after: Estimate,
    /// When it was at work, s, if that was the same in all replications in which it came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<(f64, f64)>,
    /// It is over as soon as it has begun (`clear_cache`, `corrupt`, environments that crash): what follows, to the end, counts as its
    /// time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_once: bool,
    /// When it came, s, if it is over at once and came at the same times in all replications in which it came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub struck: Vec<f64>,
    /// From its end until availability, window by window, is at 99 % of what it was before for as long as the fault
    /// lasted, or to the end of what was watched, s; null when that was not seen in every replication, or when it
    /// came more than once.
    pub time_to_recover: Estimate,
    /// The same from its start: until availability is back for the rest of the fault and for at least as long as it
    /// was gone, or else after the end of the fault, s; 0: it was never gone.
    #[serde(default)]
    pub back_after: Estimate,
    /// The same for each client, if there are several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub back_by_client: BTreeMap<String, Estimate>,
    /// For how long it was watched after its end, if it came once: to the next fault, change of load or the end, s.
    #[serde(default)]
    pub watched: Estimate,
    /// What most replications say of the second half of the time from its end to the next fault (or change of load, if all
    /// was well by then) or the end: `recovered`; or, where availability was below 90 % of what it was before, and goodput
    /// too if more was asked,
    /// `cause_remains` (what it deployed, or another fault, is still there), `draining` (what has piled up shrinks over the
    /// last third of that time, and nobody is asked for more than is served), else `metastable`. Null when that time was
    /// shorter than the fault, or when it came more than once.
    #[serde(default)]
    pub aftermath: Option<Aftermath>,
    /// When what has piled up is gone at the pace at which it shrinks, s after the end of what was watched; of `draining`
    /// only.
    #[serde(default)]
    pub empty_in: Estimate,
    /// Whether the design stays down after it by itself: `aftermath` is `metastable`; null where that is null or
    /// `cause_remains`.
    #[serde(default)]
    pub metastable: Option<bool>,
    /// The clients whose requests can reach what it hits, if not all can: recovery, aftermath and goodput are theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub concerns: Vec<String>,
    /// Good answers per second to requests sent before it began, while no other fault was at work.
    #[serde(default)]
    pub goodput_before: Estimate,
    /// Share of them that has returned from `returned_within` after its end on, until the next fault or the
    /// end: goodput then / goodput before, and of clients whose arrivals do not wait for answers, each times
    /// requests issued before / then. Null when it came more than once.
    #[serde(default)]
    pub goodput_returned: Estimate,
    /// The same for each client, if there are several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub returned_by_client: BTreeMap<String, Estimate>,
    /// That time, s: half of what was watched after its end.
    #[serde(default)]
    pub returned_within: Estimate,
    /// Acknowledged writes that were lost by it: while it was at work or after it, until the next fault began; absent where
    /// no store is followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_acked_writes: Option<Estimate>,
    /// From the first acknowledgement of those to its beginning, or to the last one if that is later, s; 0 if none is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo: Option<Estimate>,
    /// For how long reads and writes were not answered, where one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto: Option<RtoResults>,
    /// If it parted replicas of a store or hit some: from its end until each that was alive held, of every key, the newest
    /// version that any of them held then, or a newer one, s; null when that was not seen in every replication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convergence_time: Option<Estimate>,
    /// Of a `partition` that names a side on which some client stands: each side from which requests are sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sides: Vec<SideResults>,
}

/// Requests from one side of a cut, by the place of their client at the intended send.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SideResults {
    /// The first name of its list in the file; `rest`: those who are on none.
    pub side: String,
    /// All names of that list.
    #[serde(default)]
    pub names: Vec<String>,
    /// Availability of requests sent from there before the cut, as for the fault.
    pub availability_before: Estimate,
    /// Of those sent during it.
    pub availability_during: Estimate,
    /// Of those sent after it.
    pub availability_after: Estimate,
    /// The same of requests that may write data of a store that is followed, by themselves or through what they call
    /// (`write`), and of those that only read it (`read`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub operations: BTreeMap<String, SideOperations>,
    /// Stale reads / reads that were answered, of requests sent during the cut; absent where no store is followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_read_fraction: Option<Estimate>,
    /// Acknowledged writes asked for from there that were lost, as of the fault; absent likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_acked_writes: Option<Estimate>,
}

/// Reads or writes from one side of a cut.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SideOperations {
    /// Availability of those sent before the cut.
    pub availability_before: Estimate,
    /// Of those sent during it.
    pub availability_during: Estimate,
    /// Of those sent after it.
    pub availability_after: Estimate,
}

/// Requests that nobody will ever decide: they wait, without any timer, for the answer to a call that was lost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hanging {
    /// Who called: a client or a node.
    pub from: String,
    /// The node called.
    pub to: String,
    /// The fault that lost the calls, if one did.
    pub fault: Option<String>,
    /// How many they are, over all replications.
    pub requests: u64,
    /// When the first of them was sent, s.
    pub since: f64,
}

impl FaultResults {
    /// When it was at work, s, as it is drawn and told: mere instants of what is over at once; the means, where it came once, at
    /// other times in other replications.
    pub fn shown(&self) -> Vec<(f64, f64)> {
        let once = self.occurrences.value == Some(1.0) && self.spans.is_empty();
        let mean = self.started.value.zip(self.ended.value).filter(|_| once);
        match (self.at_once, self.struck.as_slice()) {
            (true, []) => mean.into_iter().map(|(from, _)| (from, from)).collect(),
            (true, struck) => struck.iter().map(|&at| (at, at)).collect(),
            (false, _) => self.spans.iter().copied().chain(mean).collect(),
        }
    }
}
