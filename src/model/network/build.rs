//! Where everything stands and how the links between zones behave.

use std::collections::BTreeMap;

use super::{
    LinkSpec, NetworkSpec, ZonesSpec,
    links::{Carriage, Link, More, Network, SPREAD},
};
use crate::{
    engine::{
        law::{DurationLaw, Law, to_nanos},
        table::Table,
    },
    model::{
        build::Assembly,
        client::ClientSpec,
        ids::{End, INTERNET, LOCAL, NodeId, Zone},
        names::Names,
        plan::Prepared,
    },
    units::Name,
};

/// Whoever stands in a zone and has no link of its own.
const SOMEBODY: NodeId = NodeId::MAX;

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

    /// The zones a node or client stands in.
    pub fn stands_in(&self, id: NodeId) -> Vec<Zone> {
        let mut zones = match usize::from(id).checked_sub(self.nodes().len()) {
            None => self.places(id),
            Some(client) => {
                let mut clients = self.design.clients.values();
                self.origins(clients.nth(client).and_then(ClientSpec::zones))
            }
        };
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

    /// The zone of each of `n` instances placed by `zones`.
    pub fn spread(&self, zones: &ZonesSpec, n: u64) -> Vec<Zone> {
        let of = |name: &str| self.zones_of(name).unwrap_or_default();
        match zones {
            ZonesSpec::One(name) => in_turn(&of(&name.0), n),
            ZonesSpec::List(names) => {
                let all: Vec<Zone> = names.iter().flat_map(|z| of(&z.0)).collect();
                in_turn(&all, n)
            }
            ZonesSpec::Counts(counts) => {
                counts.iter().flat_map(|(z, c)| in_turn(&of(&z.0), c.0)).collect()
            }
        }
    }

    /// The zones a client's requests come from in turn.
    pub fn origins(&self, zones: Option<&ZonesSpec>) -> Vec<Zone> {
        match zones {
            None => vec![INTERNET],
            Some(ZonesSpec::One(name)) => self.zones_of(&name.0).unwrap_or_default(),
            Some(ZonesSpec::List(names)) => {
                names.iter().flat_map(|z| self.zones_of(&z.0).unwrap_or_default()).collect()
            }
            Some(counts @ ZonesSpec::Counts(_)) => self.spread(counts, 1),
        }
    }

    /// The zone of each instance of a node.
    pub fn places(&self, node: u16) -> Vec<Zone> {
        let facts = self.kind(node).facts();
        match facts.zones {
            Some(zones) => self.spread(zones, facts.instances),
            None if facts.floats || self.zones.is_empty() => vec![LOCAL; facts.instances as usize],
            // Single-homed kinds and lone instances stand in the first zone by the same rule.
            None => in_turn(&self.all_zones(), facts.instances),
        }
    }

    /// How far a zone is from another: mean latency of a message (ns; infinite when only a file knows),
    /// and 0 within a zone, 1 within a region, 2 beyond.
    pub fn distance(&self, from: Zone, to: Zone, prepared: &Prepared) -> (f64, f64) {
        let (a, b) = ((SOMEBODY, from), (SOMEBODY, to));
        let mut special =
            self.design.network.links.iter().rev().filter(|link| self.joins(link, a, b));
        let special = special.find_map(|l| l.latency.clone()).map(Latency::Law);
        let mean = match special.unwrap_or_else(|| class_latency(from, to, self, prepared)) {
            Latency::Constant(x) => x,
            Latency::Law(law) => law.mean().unwrap_or(f64::INFINITY),
        };
        let class = match self.class(from, to) {
            Class::SameZone => 0.0,
            Class::SameRegion => 1.0,
            Class::Internet if from == to || from == LOCAL || to == LOCAL => 0.0,
            Class::Internet | Class::CrossRegion => 2.0,
        };
        (mean, class)
    }

    fn class(&self, from: Zone, to: Zone) -> Class {
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

    fn law(&self, class: Class) -> Option<&DurationLaw> {
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

    /// Region of a zone.
    fn region(&self, zone: Zone) -> Option<&str> {
        self.regions.iter().find(|r| r.1.contains(&zone)).map(|r| r.0.as_str())
    }

    /// All zones of the topology, in name order.
    fn all_zones(&self) -> Vec<Zone> {
        self.zones.values().copied().collect()
    }
}

fn in_turn(zones: &[Zone], n: u64) -> Vec<Zone> {
    if zones.is_empty() {
        return vec![LOCAL; n as usize];
    }
    (0..n).map(|i| zones[(i % zones.len() as u64) as usize]).collect()
}

/// The network of a replication.
pub fn network(assembly: &mut Assembly<'_>) -> Network {
    let names = assembly.names;
    let mut net = Network {
        zones: names.zones.len() + 2,
        links: Table::default(),
        between: BTreeMap::new(),
        homes: Table::default(),
        zones_of_instances: Vec::new(),
        disturbances: Vec::new(),
        hosts: Vec::new(),
        inside: link(Latency::Constant(0.0), "link/inside", assembly),
        probes: 0,
        special: false,
    };
    for id in 0..names.nodes().len() {
        net.place(&names.places(id as u16));
        net.hosts.push(names.host(id as u16));
    }
    net.hosts.resize(net.hosts.len() + names.clients().len(), None);
    for client in names.design.clients.values() {
        net.place(&names.origins(client.zones()));
    }
    let n = net.zones as Zone;
    for from in 0..n {
        for to in 0..n {
            let link = class_link(from, to, assembly);
            net.links.push(link);
        }
    }
    let specs = names.design.network.links.clone();
    for (i, spec) in specs.iter().enumerate() {
        special_links(spec, i, &mut net, assembly);
    }
    net.look_closer();
    net
}

impl Network {
    fn place(&mut self, zones: &[Zone]) {
        if zones.iter().all(|z| *z == zones[0]) {
            self.homes.push(u32::from(zones[0]));
        } else {
            self.homes.push(self.zones_of_instances.len() as u32 | SPREAD);
            self.zones_of_instances.extend_from_slice(zones);
        }
    }
}

/// The link of a class of distance.
fn class_link(from: Zone, to: Zone, assembly: &mut Assembly<'_>) -> Link {
    let names = assembly.names;
    let name = format!("link/{}/{}", zone_name(from, names), zone_name(to, names));
    link(class_latency(from, to, names, assembly.prepared), &name, assembly)
}

fn class_latency(from: Zone, to: Zone, names: &Names, prepared: &Prepared) -> Latency {
    let (a, b) = (names.region(from), names.region(to));
    let row = || prepared.matrix.iter().find(|m| Some(&*m.0) == a && Some(&*m.1) == b);
    match (names.class(from, to), row()) {
        (Class::CrossRegion, Some(row)) => Latency::Constant(row.2),
        (class, _) => names.law(class).cloned().map_or(Latency::Constant(0.0), Latency::Law),
    }
}

/// How far two zones are from one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Internet,
    SameZone,
    SameRegion,
    CrossRegion,
}

enum Latency {
    Constant(f64),
    Law(DurationLaw),
}

fn link(latency: Latency, name: &str, assembly: &mut Assembly<'_>) -> Link {
    let constant = match &latency {
        Latency::Constant(x) => Some(*x),
        Latency::Law(law) => law.constant(),
    };
    let (carriage, lane) = match constant.map(to_nanos) {
        Some(0) => (Carriage::Now, 0),
        Some(ns) => match assembly.agenda.lane(ns) {
            Some(lane) => (Carriage::Lane(lane), ns),
            None => (Carriage::Full, 0),
        },
        None => (Carriage::Full, 0),
    };
    let latency = match latency {
        Latency::Constant(x) => crate::engine::law::constant(x),
        Latency::Law(law) => assembly.sampler(&law),
    };
    let more = More {
        latency,
        latency_stream: assembly.stream(name, "latency"),
        bandwidth: 0.0,
        loss: 0.0,
        loss_stream: assembly.stream(name, "loss"),
        ordered: false,
        busy_until: 0,
        last_delivery: 0,
        lost: 0,
        lane,
        travel: 0,
        bytes: 0,
    };
    Link { carriage, sent: 0, more: Box::new(more) }
}

fn special_links(spec: &LinkSpec, index: usize, net: &mut Network, assembly: &mut Assembly<'_>) {
    let names = assembly.names;
    let mut pairs = vec![(&spec.from, &spec.to)];
    if spec.one_way != Some(true) {
        pairs.push((&spec.to, &spec.from));
    }
    let n = net.zones;
    for (from, to) in pairs {
        if let (Some(from), Some(to)) = (names.place(&from.0), names.place(&to.0)) {
            for (a, b) in each_of(&from, &to) {
                let name = format!("link/{index}/{}/{}", zone_name(a, names), zone_name(b, names));
                let link = &mut net.links[usize::from(a) * n + usize::from(b)];
                if let Some(law) = &spec.latency {
                    *link = self::link(Latency::Law(law.clone()), &name, assembly);
                }
                restrict(spec, link);
            }
            continue;
        }
        for (a, b) in each_of(&names.ends_at(&from.0), &names.ends_at(&to.0)) {
            let of = |end: End| format!("{}@{}", names.entity(end.0), zone_name(end.1, names));
            let name = format!("link/{index}/{}/{}", of(a), of(b));
            let latency = match &spec.latency {
                Some(law) => Latency::Law(law.clone()),
                None => class_latency(a.1, b.1, names, assembly.prepared),
            };
            let mut link = self::link(latency, &name, assembly);
            restrict(spec, &mut link);
            let at = *net.between.entry((a, b)).or_insert(net.links.len());
            if at == net.links.len() {
                net.links.push(link);
            } else {
                net.links[at] = link;
            }
        }
    }
}

fn each_of<T: Copy>(from: &[T], to: &[T]) -> Vec<(T, T)> {
    from.iter().flat_map(|a| to.iter().map(|b| (*a, *b))).collect()
}

/// What is said of a link beyond its latency.
fn restrict(spec: &LinkSpec, link: &mut Link) {
    let more = &mut link.more;
    more.bandwidth = spec.bandwidth.map_or(0.0, |b| b.0 / 1e9);
    more.loss = spec.loss.map_or(0.0, |f| f.0);
    more.ordered = spec.ordered == Some(true);
    if more.bandwidth > 0.0 || more.loss > 0.0 || more.ordered {
        link.carry_in_full();
    }
}

/// Name of a zone.
pub fn zone_name(zone: Zone, names: &Names) -> String {
    match zone {
        INTERNET => "internet".to_owned(),
        LOCAL => "local".to_owned(),
        _ => names.zones.iter().find(|z| *z.1 == zone).map_or_else(String::new, |z| z.0.clone()),
    }
}
