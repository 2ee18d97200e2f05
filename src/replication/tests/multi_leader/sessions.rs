//! Sessions: a client that moves between leaders.

use super::super::net::Net;
use super::random::{Hurt, net, run};
use super::spy::Spy;
use super::{RULES, three};
use crate::replication::multi_leader::{Config, Conflict};
use crate::replication::{Answer, Start};

/// Reads that did not know what the same client had been answered before about the key, and reads.
fn back(net: &Net<Spy>) -> (usize, usize) {
    let (mut back, mut reads) = (0, 0);
    for ((.., answer), (knew, known)) in net.ended.iter().zip(&net.known) {
        if matches!(answer, Some(Answer::Read(_))) {
            reads += 1;
            back += usize::from(!knew.is_within(known));
        }
    }
    (back, reads)
}

fn sessions(conflict: Conflict, seeds: u64, since: bool) -> (usize, usize) {
    let (mut back_, mut reads) = (0, 0);
    for seed in 0..seeds {
        let config = Config { has_lag: true, apply_lanes: 2, ..three(conflict) };
        let hurt = Hurt::All(Start::Again);
        let mut net = net(config, hurt, seed);
        for client in &mut net.clients {
            (client.session.since, client.session.roams) = (since, true);
        }
        let net = run(net, config, hurt, seed);
        let (more, of) = back(&net);
        (back_, reads) = (back_ + more, reads + of);
    }
    (back_, reads)
}

#[test]
fn no_read_goes_back_that_names_what_it_has_to_find() {
    for conflict in RULES {
        let (back, reads) = sessions(conflict, 125, true);
        assert_eq!(back, 0, "{conflict:?}");
        assert!(reads > 125 * 50, "{conflict:?}: {reads}");
        let (back, _) = sessions(conflict, 10, false);
        assert!(back > 50, "{conflict:?}: {back}");
    }
}
