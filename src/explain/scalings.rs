//! Instances that come and go, as events: when that is decided, and how long more were needed before they came.
//!
//! **Invariant.** Read from one replication: no two change at the same instants.

use super::{events::event, words};
use crate::results::{EventKind, Results, ScaledResults, TimelineEvent};

/// Changes told of one service.
const MOST: usize = 8;

/// The events of all services whose instances come and go.
pub(super) fn scalings(results: &Results) -> Vec<TimelineEvent> {
    let mut all = Vec::new();
    for (name, node) in &results.nodes {
        let Some(scaling) = &node.scaling else { continue };
        let more = scaling.changes.len().saturating_sub(MOST);
        let changes = scaling.changes.iter().take(MOST);
        let mut events: Vec<TimelineEvent> = changes.flat_map(|one| told(name, one)).collect();
        if let Some(last) = events.last_mut().filter(|_| more > 0) {
            last.text += &format!("; and {more} changes more");
        }
        for event in &mut events {
            if results.replications.len() > 1 {
                event.text += " (in the first replication)";
            }
        }
        all.extend(events);
    }
    all
}

/// A change, and when the first of those that came were ready.
fn told(name: &str, change: &ScaledResults) -> Vec<TimelineEvent> {
    let ScaledResults { at, from, to, ready, waited } = *change;
    let kind = if to > from { EventKind::ScaledOut } else { EventKind::ScaledIn };
    let figures =
        |event| TimelineEvent { value: Some(to as f64), baseline: Some(from as f64), ..event };
    let mut all = vec![figures(event(kind, name, at, words::scaled(name, (from, to))))];
    if let (Some(ready), Some(waited)) = (ready, waited) {
        let text = words::came(name, (from, to), waited);
        let came = event(EventKind::InstancesCame, name, ready, text);
        all.push(TimelineEvent { value: Some(waited), ..came });
    }
    all
}
