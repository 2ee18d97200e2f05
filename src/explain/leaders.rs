//! Who leads the shards of stores, as events: who led until when, how long nobody did, who leads then, two at once.
//!
//! **Invariant.** Read from one replication: no two elect at the same instants. Whoever leads from the start to the end is
//! no event.

use super::{events::event, words};
use crate::{
    node_kind::NodeKind,
    results::{EventKind, LeaderResults, Results, TimelineEvent},
};

/// Events told of one store.
const MOST: usize = 12;

/// Somebody begins to lead, or leads no more.
#[derive(Clone, Copy, Debug)]
struct Change<'r> {
    at: f64,
    begins: bool,
    who: &'r LeaderResults,
}

/// The events of all stores.
pub(super) fn leaders(results: &Results) -> Vec<TimelineEvent> {
    let mut all = Vec::new();
    for (name, node) in &results.nodes {
        let leaders = node.replicas.iter().flat_map(|replicas| &replicas.leaders);
        let leaders: Vec<&LeaderResults> = leaders.collect();
        let shards = node.shards.len();
        let part = if node.kind == NodeKind::Topic { "partition" } else { "shard" };
        let last = leaders.iter().map(|leader| leader.shard).max();
        let mut events: Vec<TimelineEvent> = (0..=last.unwrap_or(0))
            .flat_map(|shard| of_shard((name, shard, (shards > 1).then_some(part)), &leaders))
            .collect();
        events.sort_by(|a, b| a.at.total_cmp(&b.at));
        let more = events.len().saturating_sub(MOST);
        events.truncate(MOST);
        if let Some(last) = events.last_mut().filter(|_| more > 0) {
            last.text += &format!("; and {more} changes of leader more");
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

fn of_shard(
    (store, shard, part): (&str, u64, Option<&str>),
    leaders: &[&LeaderResults],
) -> Vec<TimelineEvent> {
    let mut changes: Vec<Change<'_>> = Vec::new();
    for &who in leaders.iter().filter(|leader| leader.shard == shard) {
        changes.push(Change { at: who.from, begins: true, who });
        changes.extend(who.to.map(|at| Change { at, begins: false, who }));
    }
    // Who hands over ends as the next begins.
    changes.sort_by(|a, b| a.at.total_cmp(&b.at).then(a.begins.cmp(&b.begins)));
    let subject = part.map_or(store.to_owned(), |part| format!("{store}, {part} {shard}"));
    let mut leading: Vec<Change<'_>> = Vec::new();
    let (mut vacant, mut split): (Option<f64>, Option<f64>) = (None, None);
    let mut events = Vec::new();
    for change in changes {
        let who = words::replica(change.who.replica, &change.who.zone);
        let (kind, value, text) = if change.begins {
            let other = leading.last().map(|other| (other.who.replica, &other.who.zone));
            leading.push(change);
            match (other, vacant.take()) {
                (Some((replica, zone)), _) => {
                    split.get_or_insert(change.at);
                    let other = words::replica(replica, zone);
                    (EventKind::TwoLeaders, None, words::leads_too(&subject, &who, &other))
                }
                // The first of all.
                (None, None) => continue,
                (None, Some(since)) => {
                    let nobody = change.at - since;
                    (EventKind::LeaderElected, Some(nobody), words::leads(&subject, &who, nobody))
                }
            }
        } else {
            let Some(place) = leading.iter().position(|one| std::ptr::eq(one.who, change.who))
            else {
                continue;
            };
            let led = change.at - leading.remove(place).at;
            match (leading.len(), split) {
                (0, _) => {
                    vacant = Some(change.at);
                    (EventKind::LeaderLost, Some(led), words::leads_no_more(&subject, &who, led))
                }
                (1, Some(since)) => {
                    split = None;
                    let two = change.at - since;
                    (EventKind::OneLeader, Some(two), words::one_leads(&subject, &who, two))
                }
                _ => continue,
            }
        };
        events.push(TimelineEvent { value, of: who, ..event(kind, store, change.at, text) });
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{NodeResults, ReplicasResults};

    fn led(replica: u64, from: f64, to: Option<f64>) -> LeaderResults {
        let zone = ["a", "b", "c"][replica as usize].to_owned();
        LeaderResults { shard: 0, replica, zone, from, to }
    }

    fn told(leaders: Vec<LeaderResults>) -> Vec<(EventKind, String)> {
        let mut results = Results::default();
        let replicas = Some(Box::new(ReplicasResults { leaders, ..ReplicasResults::default() }));
        let node = NodeResults { replicas, ..NodeResults::default() };
        results.nodes.insert("db".into(), node);
        super::leaders(&results).into_iter().map(|e| (e.kind, e.text)).collect()
    }

    #[test]
    fn an_election_says_how_long_nobody_led() {
        let all = told(vec![led(0, 0.0, Some(40.0)), led(1, 41.5, None)]);
        let expected = [
            (EventKind::LeaderLost, "db: replica 0 (in a) leads no more, after 40 s"),
            (EventKind::LeaderElected, "db: replica 1 (in b) leads; for 1.50 s nobody did"),
        ];
        assert_eq!(all.len(), 2);
        for ((kind, text), wanted) in all.iter().zip(expected) {
            assert_eq!((*kind, text.as_str()), wanted);
        }
        assert!(told(vec![led(0, 0.0, None)]).is_empty(), "nothing happened");
    }

    #[test]
    fn two_at_once_are_told_and_until_when() {
        let all = told(vec![led(0, 0.0, Some(70.0)), led(1, 44.0, None)]);
        assert_eq!(
            all,
            [
                (EventKind::TwoLeaders, "db: replica 1 (in b) leads while replica 0 (in a) goes on: two leaders at once".to_owned()),
                (EventKind::OneLeader, "db: replica 0 (in a) leads no more; two led for 26 s".to_owned()),
            ]
        );
        // Who hands over in an instant leaves no gap of any length.
        let all = told(vec![led(0, 0.0, Some(5.0)), led(2, 5.0, None)]);
        assert!(all[1].1.ends_with("for 0 s nobody did"), "{all:?}");
    }

    #[test]
    fn of_many_changes_the_first_are_told() {
        let span = |i: u64| led(i % 3, 2.0 * i as f64, Some(2.0 * i as f64 + 1.0));
        let all = told((0..20).map(span).collect());
        assert_eq!(all.len(), MOST);
        assert!(all[MOST - 1].1.ends_with("; and 27 changes of leader more"), "{all:?}");
    }
}
