//! Where everything stands and how the links between zones behave.

use std::collections::BTreeMap;

use super::{
    LinkSpec,
    line::{Line, LineOf},
    links::{Carriage, Link, More, Network},
};
use crate::{
    engine::{
        law::{DurationLaw, to_nanos},
        table::Table,
    },
    model::{
        build::Assembly,
        ids::{End, LOCAL, Zone},
        names::Names,
        network::places::{Class, SOMEBODY, zone_name},
        plan::Prepared,
    },
    units::Bandwidth,
};

impl Names {
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
}

/// The network of a replication.
pub fn network(assembly: &mut Assembly<'_>) -> Network {
    let names = assembly.names;
    let mut net = Network {
        zones: names.zones.len() + 2,
        links: Table::default(),
        between: BTreeMap::new(),
        ground: assembly.prepared.ground.clone(),
        disturbances: Vec::new(),
        inside: link(Latency::Constant(0.0), "link/inside", assembly),
        paid: Vec::new(),
        probes: 0,
        special: false,
    };
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
    for (index, link) in net.links.iter_mut().enumerate() {
        if let Some(line) = &mut link.more.line {
            line.index = index as u32;
        }
    }
    net.look_closer();
    // Without any size there is nothing to count.
    if names.is_priced() && names.carries {
        net.count_bytes(names);
    }
    net
}

impl Network {
    /// Bytes are counted on every link whose class can have a price: those look at each message.
    fn count_bytes(&mut self, names: &Names) {
        let n = self.zones;
        let zones = (0..n * n).map(|at| (at, (at / n) as Zone, (at % n) as Zone));
        let between = self.between.iter().map(|((a, b), at)| (*at, a.1, b.1));
        let class = |(at, a, b): (usize, Zone, Zone)| Some((at, names.paid_class(a, b)?));
        self.paid = zones.chain(between).filter_map(class).collect();
        for (at, _) in &self.paid {
            self.links[*at].carry_in_full();
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
        line: None,
        loss: 0.0,
        loss_stream: assembly.stream(name, "loss"),
        ordered: false,
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
    if spec.one_way != Some(true) && spec.from != spec.to {
        pairs.push((&spec.to, &spec.from));
    }
    let n = net.zones;
    for (back, (from, to)) in pairs.into_iter().enumerate() {
        let of = (index, back > 0);
        if let (Some(from), Some(to)) = (names.place(&from.0), names.place(&to.0)) {
            for (a, b) in each_of(&from, &to) {
                let name = format!("link/{index}/{}/{}", zone_name(a, names), zone_name(b, names));
                let link = &mut net.links[usize::from(a) * n + usize::from(b)];
                if let Some(law) = &spec.latency {
                    *link = self::link(Latency::Law(law.clone()), &name, assembly);
                }
                restrict(spec, of, link);
            }
            continue;
        }
        for (a, b) in each_of(&names.ends_at(&from.0), &names.ends_at(&to.0)) {
            let at = |end: End| format!("{}@{}", names.entity(end.0), zone_name(end.1, names));
            let name = format!("link/{index}/{}/{}", at(a), at(b));
            let latency = match &spec.latency {
                Some(law) => Latency::Law(law.clone()),
                None => class_latency(a.1, b.1, names, assembly.prepared),
            };
            let mut link = self::link(latency, &name, assembly);
            restrict(spec, of, &mut link);
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
fn restrict(spec: &LinkSpec, of: LineOf, link: &mut Link) {
    let more = &mut link.more;
    let per_ns = |bandwidth: Bandwidth| bandwidth.0 / 1e9;
    more.line = spec.bandwidth.map(|all| {
        let each = spec.per_flow.map_or(f64::INFINITY, per_ns);
        Box::new(Line::new(of, (per_ns(all), each), spec.discipline()))
    });
    more.loss = spec.loss.map_or(0.0, |f| f.0);
    more.ordered = spec.ordered == Some(true);
    if more.line.is_some() || more.loss > 0.0 || more.ordered {
        link.carry_in_full();
    }
}
