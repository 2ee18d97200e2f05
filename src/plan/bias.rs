//! What a design in small gets wrong, as far as Erlang's formula knows: fewer that share a line wait longer.

use super::waits;
use crate::model::Offered;

/// The mean wait at a node in full and in small.
#[derive(Clone, Debug, PartialEq)]
pub struct Bias {
    /// The node.
    pub node: String,
    /// How many work off one line, and how long one waits there on average, s: in full and in small.
    pub lines: [(u64, f64); 2],
    /// A balancer chooses among instances: it is taken to have one line for all, which is the best it can do.
    pub balanced: bool,
}

/// What is known of the nodes of a design, in full and in small; `balanced` are those that a balancer chooses among.
#[must_use]
pub fn biases(full: &[Offered], small: &[Offered], balanced: &[String]) -> Vec<Bias> {
    let line = |of: &Offered, together: bool| {
        let lines = if together { 1.0 } else { of.instances as f64 };
        let c = of.each * of.instances as f64 / lines;
        let offered = of.busy / lines;
        let c = c.round() as u64;
        (c > 0 && offered < c as f64).then(|| (c, waits::mean_wait(c, offered, of.busy / of.rate)))
    };
    let one = |of: &Offered| {
        let less = small.iter().find(|less| less.node == of.node)?;
        let balanced = balanced.contains(&of.node);
        let lines = [line(of, balanced)?, line(less, balanced)?];
        Some(Bias { node: of.node.clone(), lines, balanced })
    };
    full.iter().filter_map(one).collect()
}
