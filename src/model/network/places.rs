//! Where everything stands.

use crate::{
    engine::law::{DurationLaw, Law},
    model::{
        client::ClientSpec,
        ids::{End, INTERNET, LOCAL, NodeId, Zone},
        kind::{Facts, Replicas},
        names::Names,
        network::{LinkSpec, NetworkSpec, ZonesSpec},
    },
    units::Name,
};

/// Whoever stands in a zone and has no link of its own.
pub const SOMEBODY: NodeId = NodeId::MAX;

impl NetworkSpec {
    /// All its latency laws.
    pub fn laws(&self) -> Vec<&DurationLaw> {
        let classes = [&self.same_zone, &self.same_region, &self.cross_region, &self.internet];
        let links = self.links.iter().map(|l| &l.latency);
        classes.into_iter().chain(links).flatten().collect()
    }
}

impl Names {
    /// The zones a zone or region name stands for.
    pub fn zones_of(&self, name: &str) -> Option<Vec<Zone>> {
        if name == "internet" {
            return Some(vec![INTERNET]);
        }
        self.zones.get(name).map(|&z| vec![z]).or_else(|| self.regions.get(name).cloned())
    }

    /// The zones of a name that is no node's and no client's.
    pub fn place(&self, name: &str) -> Option<Vec<Zone>> {
        self.zones_of(name).filter(|_| self.entity_of(name).is_none())
    }

    /// The entity of a name: a node or a client.
    pub fn entity_of(&self, name: &str) -> Option<NodeId> {
        let client = || self.client(name).map(|i| self.client_id(i));
        self.node(name).or_else(client)
    }

    /// Name of a node or client; empty for what is neither.
    pub fn entity(&self, id: NodeId) -> &str {
        let id = usize::from(id);
        self.nodes().chain(self.clients()).nth(id).unwrap_or_default()
    }

    /// The zone of each instance of a node, or of each place of a client.
    pub fn places_of_entity(&self, id: NodeId) -> Vec<Zone> {
        match usize::from(id).checked_sub(self.nodes().len()) {
            None => self.places(id),
            Some(client) => {
                let mut clients = self.design.clients.values();
                self.origins(clients.nth(client).and_then(ClientSpec::zones))
            }
        }
    }

    /// The zones a node or client stands in.
    pub fn stands_in(&self, id: NodeId) -> Vec<Zone> {
        let mut zones = self.places_of_entity(id);
        zones.sort_unstable();
        zones.dedup();
        zones
    }

    /// Everybody a name stands for: a node or client, or all that stand in a place.
    pub fn ends_at(&self, name: &str) -> Vec<End> {
        let of = |id: NodeId| self.stands_in(id).into_iter().map(move |zone| (id, zone));
        if let Some(id) = self.entity_of(name) {
            return of(id).collect();
        }
        let zones = self.zones_of(name).unwrap_or_default();
        let all = 0..(self.nodes().len() + self.clients().len()) as NodeId;
        all.flat_map(of).filter(|end| zones.contains(&end.1)).collect()
    }

    /// The places that zones stand for, in order: as many as instances where the file counts them.
    fn listed(&self, zones: &ZonesSpec) -> Vec<Zone> {
        let of = |name: &Name| self.zones_of(&name.0).unwrap_or_default();
        match zones {
            ZonesSpec::One(name) => of(name),
            ZonesSpec::List(names) => names.iter().flat_map(of).collect(),
            ZonesSpec::Counts(counts) => {
                counts.iter().flat_map(|(zone, n)| in_turn(&of(zone), n.0)).collect()
            }
        }
    }

    /// The zone of each of `n` instances placed by `zones`.
    pub fn spread(&self, zones: &ZonesSpec, n: u64) -> Vec<Zone> {
        match zones {
            ZonesSpec::Counts(_) => self.listed(zones),
            _ => in_turn(&self.listed(zones), n),
        }
    }

    /// The zones a client's requests come from in turn.
    pub fn origins(&self, zones: Option<&ZonesSpec>) -> Vec<Zone> {
        zones.map_or_else(|| vec![INTERNET], |zones| self.listed(zones))
    }

    /// The zone of each instance of a node.
    pub fn places(&self, node: u16) -> Vec<Zone> {
        let facts = self.kind(node).facts();
        if let Some(replicas) = facts.replicas {
            return self.places_of_replicas(&facts, replicas);
        }
        match facts.zones {
            Some(zones) => self.spread(zones, facts.instances),
            None if facts.floats || self.zones.is_empty() => vec![LOCAL; facts.instances as usize],
            // Single-homed kinds and lone instances stand in the first zone by the same rule.
            None => in_turn(&self.all_zones(), facts.instances),
        }
    }

    /// The name of the zone of each instance of a node; nothing in a design without zones.
    pub fn zones_of_instances(&self, node: NodeId) -> Vec<String> {
        let named = |zone: Zone| match zone {
            LOCAL => String::new(),
            _ => zone_name(zone, self),
        };
        self.places(node).into_iter().map(named).collect()
    }

    /// The zone of each instance of a store whose shards have replicas: those of the next shard begin one place later, so
    /// that leaders are spread, unless they have a place of their own.
    fn places_of_replicas(&self, facts: &Facts<'_>, replicas: Replicas<'_>) -> Vec<Zone> {
        let each = replicas.each.max(1);
        let all = facts.zones.map_or_else(|| self.all_zones(), |zones| self.listed(zones));
        let led_from = replicas.leader.and_then(|name| self.zones_of(&name.0)).and_then(|zones| {
            all.iter().position(|zone| zones.contains(zone)).map(|place| place as u64)
        });
        let place = |i: u64| {
            let (shard, replica) = (i / each, i % each);
            if let Some(places) = replicas.stand_in {
                let inside = self.zones_of(&places[replica as usize].0).unwrap_or_default();
                let zone = shard as usize % inside.len().max(1);
                return inside.get(zone).copied().unwrap_or(LOCAL);
            }
            let place = led_from.unwrap_or(shard) + replica;
            all.get((place % (all.len() as u64).max(1)) as usize).copied().unwrap_or(LOCAL)
        };
        let observer = |i: u64| match replicas.observe_in {
            None => place(i),
            Some(zones) => {
                let zone = zones.get(i as usize).and_then(|name| self.zones_of(&name.0));
                zone.and_then(|zones| zones.first().copied()).unwrap_or(LOCAL)
            }
        };
        let observers = (0..replicas.observers).map(observer);
        (0..facts.serving()).map(place).chain(observers).collect()
    }

    /// How far two zones are from one another.
    pub fn class(&self, from: Zone, to: Zone) -> Class {
        if from == INTERNET || to == INTERNET {
            Class::Internet
        } else if from == to || from == LOCAL || to == LOCAL {
            Class::SameZone
        } else if self.region(from) == self.region(to) {
            Class::SameRegion
        } else {
            Class::CrossRegion
        }
    }

    /// The place in [`PAID`] of what a message from one zone to another is paid as, if it is.
    pub fn paid_class(&self, from: Zone, to: Zone) -> Option<usize> {
        match self.class(from, to) {
            Class::Internet if to == INTERNET && from != INTERNET => Some(0),
            Class::SameRegion => Some(1),
            Class::CrossRegion => Some(2),
            Class::Internet | Class::SameZone => None,
        }
    }

    /// The law of latencies between them.
    pub fn law(&self, class: Class) -> Option<&DurationLaw> {
        let spec = &self.design.network;
        match class {
            Class::Internet => spec.internet.as_ref(),
            Class::SameZone => spec.same_zone.as_ref(),
            Class::SameRegion => spec.same_region.as_ref(),
            Class::CrossRegion => spec.cross_region.as_ref(),
        }
    }

    /// Whether a name stands for an end.
    fn is_at(&self, name: &Name, end: End) -> bool {
        match self.entity_of(&name.0) {
            Some(id) => id == end.0,
            None => self.zones_of(&name.0).is_some_and(|zones| zones.contains(&end.1)),
        }
    }

    /// Whether a link is described that leads from one end to another.
    pub fn joins(&self, link: &LinkSpec, a: End, b: End) -> bool {
        let leads = |from: &Name, to: &Name| self.is_at(from, a) && self.is_at(to, b);
        leads(&link.from, &link.to) || link.one_way != Some(true) && leads(&link.to, &link.from)
    }

    /// The mean latency of a message from a zone to another, ns; 0 where only a file knows it.
    pub fn mean_latency(&self, from: Zone, to: Zone) -> f64 {
        let (a, b) = ((SOMEBODY, from), (SOMEBODY, to));
        let links = self.design.network.links.iter().rev();
        let special = links.filter(|link| self.joins(link, a, b)).find_map(|l| l.latency.as_ref());
        let law = special.or_else(|| self.law(self.class(from, to)));
        law.and_then(Law::mean).unwrap_or(0.0)
    }

    /// No message from one node or client to another takes less, ns.
    pub fn least_hop(&self, from: NodeId, to: NodeId) -> f64 {
        let inside = |one: NodeId, other: NodeId| {
            usize::from(one) < self.nodes().len() && self.host(one) == Some(other)
        };
        if inside(from, to) || inside(to, from) {
            return 0.0;
        }
        let ends = |id: NodeId| self.stands_in(id).into_iter().map(move |zone| (id, zone));
        let least = |a: End, b: End| {
            let class = self.class(a.1, b.1);
            let unknown = class == Class::CrossRegion && self.design.network.regions.is_some();
            let class = self.law(class).filter(|_| !unknown).map_or(0.0, Law::min_value);
            // Which of several counts does not matter: the quickest is a bound.
            let links = self.design.network.links.iter().filter(|link| self.joins(link, a, b));
            let links = links.map(|link| link.latency.as_ref().map_or(class, Law::min_value));
            links.reduce(f64::min).unwrap_or(class)
        };
        let all = ends(from).flat_map(|a| ends(to).map(move |b| (a, b)));
        all.map(|(a, b)| least(a, b)).reduce(f64::min).unwrap_or(0.0)
    }

    /// The region of a zone.
    pub fn region(&self, zone: Zone) -> Option<&str> {
        self.regions.iter().find(|r| r.1.contains(&zone)).map(|r| r.0.as_str())
    }

    /// All zones of the topology, in name order.
    fn all_zones(&self) -> Vec<Zone> {
        self.zones.values().copied().collect()
    }
}

/// How far two zones are from one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// To or from clients outside all zones.
    Internet,
    /// Within a zone.
    SameZone,
    /// Between zones of a region.
    SameRegion,
    /// Between regions.
    CrossRegion,
}

fn in_turn(zones: &[Zone], n: u64) -> Vec<Zone> {
    if zones.is_empty() {
        return vec![LOCAL; n as usize];
    }
    (0..n).map(|i| zones[(i % zones.len() as u64) as usize]).collect()
}

/// Name of a zone.
pub fn zone_name(zone: Zone, names: &Names) -> String {
    match zone {
        INTERNET => "internet".to_owned(),
        LOCAL => "local".to_owned(),
        _ => names.zones.iter().find(|z| *z.1 == zone).map_or_else(String::new, |z| z.0.clone()),
    }
}
