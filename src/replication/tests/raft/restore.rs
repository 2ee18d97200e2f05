//! Groups that lost all and are restored.

use super::*;
use crate::replication::Saved;

/// Three replicas of a group with backups, which lose all 200 ms after what is kept was taken, with a saved state.
fn lost(seed: u64) -> (Net<Raft>, Saved) {
    let replica = |me| {
        let mut replica = Raft::new(config(3), me);
        replica.backed_up();
        replica
    };
    let laws: fn(Law, &mut Draw) -> u64 = |law, draw| match law {
        Law::Election => 150 * MS + draw.below(150 * MS),
        _ => 2 * MS,
    };
    let settings = Settings { seed, keys: 50, laws, replicas: 3, ..Settings::default() };
    let mut net = Net::new(settings, (0..3).map(replica).collect());
    net.run(1_000 * MS);
    net.crash(0);
    net.run(2_000 * MS);
    net.restart(0, Start::Again);
    net.run(3_000 * MS);
    let leads = leader(&net, 3).expect("there is a leader");
    assert_eq!(net.replica((leads + 1) % 3).save(), None, "only who leads knows what is committed");
    let saved = net.replica(leads).save().expect("it leads");
    assert!(!saved.held.is_empty());
    net.run(3_200 * MS);
    net.busy = false;
    (0..3).for_each(|at| net.crash(at));
    net.run(4_000 * MS);
    (net, saved)
}

/// The last place that was given.
fn last_place(net: &Net<Raft>) -> u64 {
    let placed = net.notes.iter().filter_map(|(.., note)| match note {
        Note::Accepted { order, .. } => Some(*order),
        _ => None,
    });
    placed.max().unwrap()
}

#[test]
fn it_begins_with_what_was_kept_and_goes_on_in_later_places() {
    for seed in 1..20 {
        let (mut net, saved) = lost(seed);
        let terms = net.notes.iter().filter_map(|(.., note)| match note {
            Note::Stands { term } | Note::Leads { term, .. } => Some(*term),
            _ => None,
        });
        let last = terms.max().unwrap();
        let newest = last_place(&net);
        assert!(newest > saved.upto, "something was written since");
        // Those with nothing are there first, and would elect one another.
        for at in [1, 2] {
            net.restart(at, Start::Empty);
        }
        net.run(8_000 * MS);
        assert_eq!(leader(&net, 3), None);
        net.begin(0, |replica, cx| replica.restored(&saved, last, cx));
        net.run(10_000 * MS);
        assert_eq!(leader(&net, 3), Some(0));
        for at in 0..3 {
            assert_eq!(net.replica(at).data().all(), saved.held, "{at}");
            assert!(net.replica(at).has_lost(newest) && !net.replica(at).has_lost(saved.upto));
        }
        // What is written now is in later places than all that is lost, and any of them may lead next.
        net.ask(0, 0, Act::Write(77_777), 1);
        net.run(11_000 * MS);
        let order = last_place(&net);
        assert!(order > newest);
        net.crash(0);
        net.run(13_000 * MS);
        let next = leader(&net, 3).expect("there is a leader");
        assert!(next != 0 && net.replica(next).data().get(1).version == 77_777);
        // It is kept again, with where the group began anew.
        let again = net.replica(next).save().expect("it leads");
        assert_eq!(again.begins.len(), 1);
        assert!(again.upto >= order);
    }
}
