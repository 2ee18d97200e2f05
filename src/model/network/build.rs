//! Where everything stands and how the links between zones behave.

use super::{
    LinkSpec, NetworkSpec, ZonesSpec,
    links::{Carriage, INTERNET, LOCAL, Link, More, Network, SPREAD, Zone},
};
use crate::{
    engine::{
        law::{DurationLaw, to_nanos},
        table::Table,
    },
    model::build::{Assembly, Names, Prepared},
    units::Name,
};

impl NetworkSpec {
    /// All its latency laws.
    pub fn laws(&self) -> Vec<&DurationLaw> {
        let classes = [&self.same_zone, &self.same_region, &self.cross_region, &self.internet];
        let links = self.links.iter().map(|l| &l.latency);
        classes.into_iter().chain(links).flatten().collect()
    }
}

impl Names<'_> {
    /// The zones a zone or region name stands for.
    pub fn zones_of(&self, name: &str) -> Option<Vec<Zone>> {
        if name == "internet" {
            return Some(vec![INTERNET]);
        }
        self.zones.get(name).map(|&z| vec![z]).or_else(|| self.regions.get(name).cloned())
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
        let is = |name: &Name, zone| self.zones_of(&name.0).is_some_and(|all| all.contains(&zone));
        let joins = |l: &&LinkSpec| {
            is(&l.from, from) && is(&l.to, to)
                || l.one_way != Some(true) && is(&l.from, to) && is(&l.to, from)
        };
        let mut special = self.design.network.links.iter().rev().filter(joins);
        let special = special.find_map(|l| l.latency.clone()).map(Latency::Law);
        let mean = match special.unwrap_or_else(|| class_latency(from, to, self, prepared)) {
            Latency::Constant(x) => x,
            Latency::Law(law) => law.mean().unwrap_or(f64::INFINITY),
        };
        let class = if from == to || from == LOCAL || to == LOCAL {
            0.0
        } else if from != INTERNET && self.region(from) == self.region(to) {
            1.0
        } else {
            2.0
        };
        (mean, class)
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
        homes: Table::default(),
        zones_of_instances: Vec::new(),
        disturbances: Vec::new(),
        hosts: Vec::new(),
        inside: link(Latency::Constant(0.0), "link/inside", assembly),
        special: false,
    };
    for id in 0..names.nodes.len() {
        net.place(&names.places(id as u16));
        net.hosts.push(names.host(id as u16));
    }
    net.hosts.resize(net.hosts.len() + names.clients.len(), None);
    net.special = net.hosts.iter().any(Option::is_some);
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

fn class_latency(from: Zone, to: Zone, names: &Names<'_>, prepared: &Prepared) -> Latency {
    let spec = &names.design.network;
    let law = if from == INTERNET || to == INTERNET {
        spec.internet.clone()
    } else if from == to || from == LOCAL || to == LOCAL {
        spec.same_zone.clone()
    } else {
        let (a, b) = (names.region(from), names.region(to));
        if a == b {
            spec.same_region.clone()
        } else {
            let row =
                prepared.matrix.iter().find(|m| Some(m.0.as_str()) == a && Some(m.1.as_str()) == b);
            if let Some(row) = row {
                return Latency::Constant(row.2);
            }
            spec.cross_region.clone()
        }
    };
    law.map_or(Latency::Constant(0.0), Latency::Law)
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
    let carriage = match constant.map(to_nanos) {
        Some(0) => Carriage::Now,
        Some(ns) => assembly.agenda.lane(ns).map_or(Carriage::Full, Carriage::Lane),
        None => Carriage::Full,
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
        bytes: 0,
    };
    Link { carriage, sent: 0, more: Box::new(more) }
}

fn special_links(spec: &LinkSpec, index: usize, net: &mut Network, assembly: &mut Assembly<'_>) {
    let names = assembly.names;
    let ends = |name: &str| names.zones_of(name).expect("zones were checked");
    let mut pairs: Vec<(Zone, Zone)> = Vec::new();
    for &from in &ends(&spec.from.0) {
        for &to in &ends(&spec.to.0) {
            pairs.push((from, to));
            if spec.one_way != Some(true) {
                pairs.push((to, from));
            }
        }
    }
    for (from, to) in pairs {
        let at = usize::from(from) * net.zones + usize::from(to);
        if let Some(law) = &spec.latency {
            let name = format!("link/{index}/{}/{}", zone_name(from, names), zone_name(to, names));
            net.links[at] = link(Latency::Law(law.clone()), &name, assembly);
        }
        let link = &mut net.links[at];
        let l = &mut link.more;
        l.bandwidth = spec.bandwidth.map_or(0.0, |b| b.0 / 1e9);
        l.loss = spec.loss.map_or(0.0, |f| f.0);
        l.ordered = spec.ordered == Some(true);
        if l.bandwidth > 0.0 || l.loss > 0.0 || l.ordered {
            link.carriage = Carriage::Full;
        }
    }
}

/// Name of a zone.
pub fn zone_name(zone: Zone, names: &Names<'_>) -> String {
    match zone {
        INTERNET => "internet".to_owned(),
        LOCAL => "local".to_owned(),
        _ => names.zones.iter().find(|z| *z.1 == zone).map_or_else(String::new, |z| z.0.clone()),
    }
}
