//! The groups that read a topic, by the services that consume it.
//!
//! **Invariant.** Groups are in the order of their names, members in that of their nodes and places.

use std::collections::BTreeMap;

use super::coordinator::assign;
use crate::model::{
    client::ClientSpec,
    ids::{Host, NodeId},
    kind::Outgoing,
    names::Names,
    queue::consumes::ConsumeFields,
};

/// A service that reads a topic.
#[derive(Clone, Copy, Debug)]
pub struct Readership<'n> {
    /// It.
    pub node: NodeId,
    /// Which of what it consumes the topic is.
    pub source: u16,
    /// What the file says of it.
    pub consumes: &'n ConsumeFields,
    /// Its instances as the simulation begins.
    pub instances: u64,
}

impl Names {
    /// Whether requests with keys come to a node, or calls with keys of their own.
    pub fn has_keys(&self, node: NodeId) -> bool {
        let calls = self.calls();
        let keyed = |client: &&ClientSpec| client.keys.is_some();
        let reaches = |client: &ClientSpec| {
            self.reached_by(client, &calls, |_| true).contains(&usize::from(node))
        };
        let own = |call: &Outgoing| call.keyed && call.target == self.name(node);
        calls.iter().flatten().any(own) || self.design.clients.values().filter(keyed).any(reaches)
    }

    /// Whether anybody calls a node, so that it has more to do than to work messages off.
    pub fn is_called(&self, node: &str) -> bool {
        let by_nodes =
            self.calls().into_iter().flatten().any(|call| !call.by_message && call.target == node);
        let aims = |client: &ClientSpec| {
            let operations = client.operations();
            operations.iter().flat_map(|(_, of)| of.targets()).any(|(target, _)| target.0 == node)
        };
        by_nodes || self.design.clients.values().any(aims)
    }

    /// Who reads a topic, group by group.
    pub fn groups(&self, topic: NodeId) -> BTreeMap<&str, Vec<Readership<'_>>> {
        let mut all: BTreeMap<&str, Vec<Readership<'_>>> = BTreeMap::new();
        for (id, spec) in self.specs().enumerate() {
            let Some(service) = spec.steps() else { continue };
            let node = id as NodeId;
            for (source, consumes) in service.consumed().enumerate() {
                if consumes.from.0 == self.name(topic) {
                    let group = consumes.group.as_ref().map_or(self.name(node), |name| &name.0);
                    let there = spec.kind().comes_and_goes();
                    let instances = there.unwrap_or(spec.kind().facts().instances);
                    let source = source as u16;
                    all.entry(group).or_default().push(Readership {
                        node,
                        source,
                        consumes,
                        instances,
                    });
                }
            }
        }
        all
    }
}

impl Names {
    /// Which partitions of a topic the instances of a service hold as the simulation begins, through that of what it
    /// consumes.
    pub fn held_at_first(
        &self,
        topic: NodeId,
        (node, source): (NodeId, u16),
    ) -> BTreeMap<u16, Vec<u32>> {
        let mut held: BTreeMap<u16, Vec<u32>> = BTreeMap::new();
        let partitions = self.kind(topic).partitions().map_or(0, |of| of.0);
        for of in self.groups(topic).values() {
            if of.iter().any(|reader| (reader.node, reader.source) == (node, source)) {
                let hosts: Vec<Host> = members(of).into_iter().map(|member| member.0).collect();
                let owners = assign(&hosts, &vec![None; partitions as usize]);
                for (partition, owner) in owners.into_iter().enumerate() {
                    if let Some((_, inst)) = owner.filter(|owner| owner.0 == node) {
                        held.entry(inst).or_default().push(partition as u32);
                    }
                }
            }
        }
        held
    }
}

/// The members of a group as the simulation begins, and through which of what they consume each reads.
pub fn members(of: &[Readership<'_>]) -> Vec<(Host, u16)> {
    let one = |reader: &Readership<'_>| {
        let (node, source) = (reader.node, reader.source);
        (0..reader.instances as u16).map(move |inst| ((node, inst), source))
    };
    of.iter().flat_map(one).collect()
}
