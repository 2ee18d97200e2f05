//! Messages are sent, also under the faults of the network: cut, delayed, lost, doubled.
//!
//! **Invariant.** A message counts as sent on its link whatever becomes of it.

use crate::{
    engine::{
        agenda::Agenda,
        law::{Tables, to_nanos},
        random::Stream,
    },
    model::{
        event,
        fault::{Effect, FaultSpec, ReplicaSpec, SideName},
        ids::Slot,
        names::Names,
        network::{
            disturbed::{Blow, Channel, Disturbance, Side},
            links::{Message, Network},
        },
    },
};

/// What becomes of a message that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is on its way.
    Sent,
    /// It is lost.
    Lost,
    /// It is lost and the network says so to who calls.
    Refused,
    /// It is on its way and so is a copy, which takes so many ns longer than its link says.
    Twice(u64),
}

impl Names {
    /// The faults of the network, by fault; `None` for those of another kind.
    pub fn disturbances(&self, tables: &dyn Tables, seed: u64) -> Vec<Option<Disturbance>> {
        let one = |(fault, spec): (usize, &FaultSpec)| {
            let path = spec.effect().path()?;
            let stream = Stream::new(seed, &format!("fault/{}", spec.id.0), "messages");
            let blow = match spec.effect() {
                Effect::Latency(path) => {
                    let law = path.add.as_ref().expect("it was checked");
                    Blow::Delay(law.compile(tables).expect("the law was checked"), stream)
                }
                Effect::Loss(path) => {
                    let fraction = path.fraction.map_or(1.0, |f| f.0);
                    let burst = path.burst.map(|n| n.0);
                    Blow::Lose(Channel { fraction, burst, bad: [false; 2] }, stream)
                }
                Effect::Duplicate(path) => Blow::Double(path.fraction.map_or(1.0, |f| f.0), stream),
                Effect::Bandwidth(path) => {
                    Blow::Throttle(path.rate.expect("it was checked").0 / 1e9, [0; 2])
                }
                _ => Blow::Cut { reject: path.reject == Some(true) },
            };
            let (from, to, one_way) = path.sides();
            let (from, to) = (self.side(&from), self.side(&to));
            Some(Disturbance { fault, strength: 1.0, from, to, one_way, blow })
        };
        self.faults().enumerate().map(one).collect()
    }

    /// Who is on a side of a path: an empty list stands for everything, a name that is none for nothing.
    pub fn side(&self, list: &[&SideName]) -> Side {
        let mut side = Side { everything: list.is_empty(), ..Side::default() };
        for SideName { name, zone, replica } in list {
            let Some(id) = self.entity_of(&name.0) else {
                side.zones.extend(self.zones_of(&name.0).unwrap_or_default());
                continue;
            };
            let facts = (usize::from(id) < self.nodes().len()).then(|| self.kind(id).facts());
            let (each, all) = facts.map_or((1, 0), |facts| {
                (facts.replicas.map_or(1, |r| r.each as u16).max(1), facts.serving() as u16)
            });
            if let Some(zone) = zone {
                let zones = self.zones_of(&zone.0).unwrap_or_default();
                let places = self.places_of_entity(id);
                let inside = places.iter().enumerate().filter(|(_, zone)| zones.contains(zone));
                side.hosts.extend(inside.map(|(inst, _)| (id, inst as u16)));
                continue;
            }
            match replica {
                None => drop(side.entities.insert(id)),
                Some(ReplicaSpec::Leader) => side.roles.push((id, all, true)),
                Some(ReplicaSpec::Followers) => side.roles.push((id, all, false)),
                Some(ReplicaSpec::These(these)) => {
                    let is_one = |inst: &u16| these.iter().any(|r| r.0 == u64::from(inst % each));
                    side.hosts.extend((0..all).filter(is_one).map(|inst| (id, inst)));
                }
            }
        }
        side
    }
}

impl Network {
    /// Sends a message between two places.
    #[inline(always)]
    pub fn send(
        &mut self,
        agenda: &mut Agenda,
        (from, to): ((u16, u16), (u16, u16)),
        (slot, kind): (Slot, u8),
        message: impl FnOnce() -> Message,
    ) -> Fate {
        if self.special {
            return self.send_special(agenda, (from, to), (slot, kind), message());
        }
        if self.link(from, to).send(agenda, (slot, kind), message) {
            Fate::Sent
        } else {
            Fate::Lost
        }
    }

    /// A fault of the network begins, or goes on with another share of its full size.
    pub fn disturb(&mut self, disturbance: Option<Disturbance>, strength: f64) {
        self.disturbances.extend(disturbance.map(|d| Disturbance { strength, ..d }));
        self.look_closer();
    }

    /// Whether messages between two instances are cut off, in either direction.
    pub fn parts(&self, a: (u16, u16), b: (u16, u16)) -> bool {
        let zone = |host: (u16, u16)| self.zone_of(host.0, host.1);
        self.disturbances.iter().any(|d| {
            let holds = |from, to| d.from.holds(from, zone(from)) && d.to.holds(to, zone(to));
            matches!(d.blow, Blow::Cut { .. }) && (holds(a, b) || holds(b, a))
        })
    }

    /// It ends.
    pub fn calm(&mut self, fault: usize) {
        self.disturbances.retain(|d| d.fault != fault);
        self.look_closer();
    }

    fn send_special(
        &mut self,
        agenda: &mut Agenda,
        (from, to): ((u16, u16), (u16, u16)),
        (slot, kind): (Slot, u8),
        message: Message,
    ) -> Fate {
        let host = |node: u16| self.ground.hosts[usize::from(node)];
        let (caller, callee) = (from, to);
        let (from, to) = (self.ground.within.whose(from), self.ground.within.whose(to));
        let within = from == to && caller != callee;
        if within || host(from.0) == Some(to.0) || host(to.0) == Some(from.0) {
            self.inside.send(agenda, (slot, kind), || message);
            return Fate::Sent;
        }
        let calls = kind == event::DELIVER || kind == event::LETTER;
        let (here, there) = (self.zone_of(from.0, from.1), self.zone_of(to.0, to.1));
        let (mut kept, mut refused, mut twice, mut later) = (true, false, false, 0u64);
        for d in &mut self.disturbances {
            let forth = d.from.holds(from, here) && d.to.holds(to, there);
            let back = d.from.holds(to, there) && d.to.holds(from, here) && !d.one_way;
            if !forth && !back {
                continue;
            }
            match &mut d.blow {
                Blow::Cut { reject: true } if calls => refused = true,
                Blow::Cut { .. } => kept = false,
                Blow::Lose(channel, stream) => {
                    let u = stream.draw_mixed(message.id).unit();
                    kept &= !channel.loses(u, forth, d.strength);
                }
                Blow::Double(p, stream) => {
                    twice |= calls && stream.draw_mixed(message.id).unit() < *p;
                }
                Blow::Delay(law, stream) => {
                    let whole = law.sample(&mut stream.draw_mixed(message.id));
                    later += to_nanos(whole * d.strength);
                }
                Blow::Throttle(rate, busy) => {
                    let busy = &mut busy[usize::from(!forth)];
                    let takes = to_nanos(message.size as f64 / *rate);
                    *busy = (*busy).max(agenda.now()).saturating_add(takes);
                    later += *busy - agenda.now();
                }
            }
        }
        let link = self.link_between(from, to);
        if !kept || refused {
            link.sent += 1;
            link.more.lost += 1;
            // What is refused was never let out.
            link.more.bytes += if kept { 0 } else { message.size };
            // Where something swallows the call, nobody hears of the refusal either.
            return if kept { Fate::Refused } else { Fate::Lost };
        }
        match (link.send_later(agenda, (slot, kind), message, later), twice) {
            (true, true) => Fate::Twice(later),
            (true, false) => Fate::Sent,
            (false, _) => Fate::Lost,
        }
    }
}
