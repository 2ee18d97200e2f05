//! Instances that come and go, as events: when that is decided, and how long more were needed before they came.
//!
//! **Invariant.** Read from one replication: no two change at the same instants.

use super::{events::event, words};
use crate::{
    results::{EventKind, Results, ScaledResults, TimelineEvent},
    units::show::plural,
};

/// Changes told of one service.
const MOST: usize = 8;

/// The events of all services whose instances come and go.
pub(super) fn scalings(results: &Results) -> Vec<TimelineEvent> {
    let scaled =
        results.nodes.iter().filter_map(|(name, node)| Some((name, node.scaling.as_ref()?)));
    let mut all: Vec<TimelineEvent> =
        scaled.flat_map(|(name, scaling)| of_one(name, &scaling.changes)).collect();
    for event in &mut all {
        if results.replications.len() > 1 {
            event.text += " (in the first replication)";
        }
    }
    all
}

/// The first changes of a service.
fn of_one(name: &str, changes: &[ScaledResults]) -> Vec<TimelineEvent> {
    let mut events: Vec<TimelineEvent> =
        changes.iter().take(MOST).flat_map(|one| told(name, one)).collect();
    let more = changes.len().saturating_sub(MOST) as u64;
    if let Some(last) = events.last_mut().filter(|_| more > 0) {
        last.text += &format!("; and {} more", plural(more, "change"));
    }
    events
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_changes_are_told_and_how_many_more_there_are() {
        let one = |i| ScaledResults { at: i as f64, from: i, to: i + 1, ready: None, waited: None };
        let told = |n: u64| {
            let all = of_one("api", &(0..n).map(one).collect::<Vec<_>>());
            (all.len(), all.last().unwrap().text.clone())
        };
        assert!(told(8).0 == 8 && !told(8).1.contains("more"), "{:?}", told(8));
        assert!(told(9).0 == 8 && told(9).1.ends_with("; and 1 change more"), "{:?}", told(9));
        assert!(told(20).0 == 8 && told(20).1.ends_with("; and 12 changes more"), "{:?}", told(20));
    }

    #[test]
    fn who_comes_and_goes_is_told_with_what_it_was_and_is() {
        let change = ScaledResults { at: 5.0, from: 4, to: 2, ready: None, waited: None };
        let events = told("api", &change);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].kind, EventKind::ScaledIn);
        assert_eq!(
            (events[0].at, events[0].value, events[0].baseline),
            (5.0, Some(2.0), Some(4.0))
        );
        let change =
            ScaledResults { from: 2, to: 4, ready: Some(65.0), waited: Some(90.0), ..change };
        let events = told("api", &change);
        assert_eq!(
            [events[0].kind, events[1].kind],
            [EventKind::ScaledOut, EventKind::InstancesCame]
        );
        assert_eq!((events[1].at, events[1].value), (65.0, Some(90.0)));
    }
}
