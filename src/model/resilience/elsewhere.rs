//! Where the attempts of a call have been, for those whose next one goes elsewhere.
//!
//! Who calls an instance itself knows where it went; a balancer that is asked puts down whom it chose (`tried.rs`).
//!
//! **Invariant.** What is kept of a call is of that call: another one of the same frame begins anew.

use std::collections::BTreeMap;

use crate::model::{
    ids::{Host, NodeId, Slot},
    names::Names,
};

/// A call: the identity of the visit that makes it, when it began, and its number there.
pub(super) type Call = (u64, u64, u16);

/// What is known of calls whose attempts go elsewhere.
#[derive(Debug)]
pub struct Elsewhere {
    /// By the frame that calls: instances, in the order in which they were asked.
    pub(super) been: BTreeMap<Slot, (Call, Vec<Host>)>,
    /// By the visit of a balancer: its identity, and whose call it passes on.
    pub(super) passed: BTreeMap<Slot, Passed>,
    /// By node: it chooses among others.
    pub(super) chooses: Vec<bool>,
    /// The message that is being sent is to go elsewhere, and where not.
    pub(super) avoids: bool,
    /// Instances.
    pub(super) avoided: Vec<Host>,
}

/// A message of a call that goes through a balancer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    /// Identity of the visit.
    pub(super) id: u64,
    /// The frame that calls, and the call.
    pub(super) of: (Slot, Call),
    /// It is to go elsewhere.
    pub(super) avoids: bool,
}

impl Elsewhere {
    /// What a design needs of it.
    pub fn of(names: &Names) -> Option<Self> {
        let chooses = names.specs().map(|spec| !spec.kind().passes_on().is_empty()).collect();
        names.goes_elsewhere.then(|| Self {
            been: BTreeMap::new(),
            passed: BTreeMap::new(),
            chooses,
            avoids: false,
            avoided: Vec::new(),
        })
    }
}

/// Some of these that are in none of the places, or but for the last of them; all if that leaves nobody.
pub fn others(of: &[u16], node: NodeId, been: &[Host]) -> Vec<u16> {
    let but = |these: &[Host]| -> Vec<u16> {
        of.iter().copied().filter(|inst| !these.contains(&(node, *inst))).collect()
    };
    let last = been.last().map_or(&[][..], std::slice::from_ref);
    [but(been), but(last)].into_iter().find(|some| !some.is_empty()).unwrap_or_else(|| of.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_those_not_asked_yet_then_all_but_the_last() {
        let all = [0, 1, 2];
        assert_eq!(others(&all, 7, &[]), [0, 1, 2]);
        assert_eq!(others(&all, 7, &[(7, 1)]), [0, 2]);
        // Those of another node do not count.
        assert_eq!(others(&all, 7, &[(6, 1), (7, 0)]), [1, 2]);
        assert_eq!(others(&all, 7, &[(7, 1), (7, 0), (7, 2)]), [0, 1]);
        assert_eq!(others(&[4], 7, &[(7, 4)]), [4]);
    }
}
