//! Messages under the faults of the network: cut, delayed, lost.
//!
//! **Invariant.** A message counts as sent on its link whatever becomes of it.

use std::collections::BTreeSet;

use super::links::{Message, Network, Zone};
use crate::{
    engine::{
        agenda::Agenda,
        law::{Sampler, Tables, to_nanos},
        random::Stream,
    },
    model::{
        build::Names,
        fault::{Effect, FaultSpec},
        frame::Slot,
        node::NodeId,
    },
    units::Name,
};

/// One side of a disturbed path.
#[derive(Clone, Debug, Default)]
pub struct Side {
    entities: BTreeSet<NodeId>,
    zones: BTreeSet<Zone>,
    everything: bool,
}

/// What a fault does to messages.
#[derive(Clone, Debug)]
pub enum Blow {
    /// None arrives.
    Cut,
    /// They take longer.
    Delay(Sampler, Stream),
    /// Some are lost.
    Lose(f64, Stream),
    /// Those each way wait for one another: bytes per ns, and when the last has left, forth and back.
    Throttle(f64, [u64; 2]),
}

/// A fault of the network.
#[derive(Clone, Debug)]
pub struct Disturbance {
    /// Its index, in order of ids.
    pub fault: usize,
    from: Side,
    to: Side,
    one_way: bool,
    blow: Blow,
}

impl Names<'_> {
    /// The faults of the network, by fault; `None` for those of another kind.
    pub fn disturbances(&self, tables: &dyn Tables, seed: u64) -> Vec<Option<Disturbance>> {
        let one = |(fault, spec): (usize, &&FaultSpec)| {
            let path = spec.effect().path()?;
            let stream = Stream::new(seed, &format!("fault/{}", spec.id.0), "messages");
            let blow = match spec.effect() {
                Effect::Latency(path) => {
                    let law = path.add.as_ref().expect("it was checked");
                    Blow::Delay(law.compile(tables).expect("the law was checked"), stream)
                }
                Effect::Loss(path) => Blow::Lose(path.fraction.map_or(1.0, |f| f.0), stream),
                Effect::Bandwidth(path) => {
                    Blow::Throttle(path.rate.expect("it was checked").0 / 1e9, [0; 2])
                }
                _ => Blow::Cut,
            };
            let (from, to, one_way) = path.sides();
            Some(Disturbance { fault, from: self.side(&from), to: self.side(&to), one_way, blow })
        };
        self.faults.iter().enumerate().map(one).collect()
    }

    fn side(&self, list: &[&Name]) -> Side {
        let mut side = Side { everything: list.is_empty(), ..Side::default() };
        for name in list {
            if let Some(node) = self.node(&name.0) {
                side.entities.insert(node);
            } else if let Ok(client) = self.clients.binary_search(&name.0.as_str()) {
                side.entities.insert(self.client_id(client));
            } else {
                side.zones.extend(self.zones_of(&name.0).expect("the name was checked"));
            }
        }
        side
    }
}

impl Side {
    fn holds(&self, entity: NodeId, zone: Zone) -> bool {
        self.everything || self.entities.contains(&entity) || self.zones.contains(&zone)
    }
}

impl Network {
    /// Sends a message between two places; false: it is lost.
    #[inline(always)]
    pub fn send(
        &mut self,
        agenda: &mut Agenda,
        (from, to): ((u16, u16), (u16, u16)),
        (slot, kind): (Slot, u8),
        message: impl FnOnce() -> Message,
    ) -> bool {
        if self.special {
            return self.send_special(agenda, (from, to), (slot, kind), message());
        }
        self.link(from, to).send(agenda, (slot, kind), message)
    }

    /// A fault of the network begins.
    pub fn disturb(&mut self, disturbance: Option<Disturbance>) {
        self.disturbances.extend(disturbance);
        self.special = true;
    }

    /// It ends.
    pub fn calm(&mut self, fault: usize) {
        self.disturbances.retain(|d| d.fault != fault);
        let inside = self.hosts.iter().any(Option::is_some);
        self.special = inside || !self.disturbances.is_empty();
    }

    fn send_special(
        &mut self,
        agenda: &mut Agenda,
        (from, to): ((u16, u16), (u16, u16)),
        (slot, kind): (Slot, u8),
        message: Message,
    ) -> bool {
        let host = |node: u16| self.hosts[usize::from(node)];
        if host(from.0) == Some(to.0) || host(to.0) == Some(from.0) {
            return self.inside.send(agenda, (slot, kind), || message);
        }
        let (here, there) = (self.zone_of(from.0, from.1), self.zone_of(to.0, to.1));
        let (mut kept, mut later) = (true, 0u64);
        for d in &mut self.disturbances {
            let forth = d.from.holds(from.0, here) && d.to.holds(to.0, there);
            let back = d.from.holds(to.0, there) && d.to.holds(from.0, here) && !d.one_way;
            if !forth && !back {
                continue;
            }
            match &mut d.blow {
                Blow::Cut => kept = false,
                Blow::Lose(p, stream) => {
                    kept &= stream.draw_mixed(message.id).unit() >= *p;
                }
                Blow::Delay(law, stream) => {
                    later += to_nanos(law.sample(&mut stream.draw_mixed(message.id)));
                }
                Blow::Throttle(rate, busy) => {
                    let busy = &mut busy[usize::from(!forth)];
                    let takes = to_nanos(message.size as f64 / *rate);
                    *busy = (*busy).max(agenda.now()).saturating_add(takes);
                    later += *busy - agenda.now();
                }
            }
        }
        let link = self.link(from, to);
        if !kept {
            link.sent += 1;
            link.more.lost += 1;
            return false;
        }
        if later == 0 {
            return link.send(agenda, (slot, kind), || message);
        }
        link.sent += 1;
        link.more.send(agenda, (slot, kind), message, later)
    }
}
