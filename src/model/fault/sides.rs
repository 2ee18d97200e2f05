//! The sides of cuts: on which of them requests are asked for, and what is seen from there.
//!
//! A request is on the side on which the place of its client is, whatever serves it. Who names no side that any client
//! stands on cuts all of them off alike, and has none.
//!
//! **Invariant.** A place is on one side of a cut, the same in all replications; a design without cuts pays a comparison.

use std::collections::BTreeMap;

use super::Effect;
use crate::history::NOBODY;
use crate::model::{
    frame::CALLER_DONE,
    ids::{NONE, NodeId, Slot},
    names::Names,
    network::disturbed,
    probe::{CutMeasured, Side, SideMeasured, SideWindow},
    record::Recorder,
    world::World,
};

/// The side of those who are on none that is named.
const REST: &str = "rest";
/// Stretches of time around a fault.
const STRETCHES: usize = Side::ALL.len();

/// A fault that cuts, as those see it who ask.
#[derive(Clone, Debug)]
struct Cut {
    /// Its index, in order of ids.
    fault: usize,
    /// First of its places in what is counted around faults: three for each side.
    place: usize,
    /// Sides on which anybody asks.
    sides: Vec<SideMeasured>,
    /// The side of each place of each client.
    of: Vec<Vec<usize>>,
}

/// All that cut.
#[derive(Clone, Debug, Default)]
pub struct Cuts {
    all: Vec<Cut>,
    /// The client of each row of the record.
    clients: Vec<usize>,
    /// By client and place: as which of these those who ask there are told apart.
    classes: Vec<Vec<u8>>,
    /// The side of each cut on which they are.
    class_sides: Vec<Vec<usize>>,
    /// By phase: the cuts that what is sent then lies around, and where.
    pub(in crate::model) phases: Vec<Vec<(usize, Side)>>,
}

/// Who asked for what a frame does.
#[derive(Clone, Copy, Debug)]
struct Asker {
    client: usize,
    place: u16,
    intended: u64,
}

/// A list of a cut: what is on it, what it is called, and what it names.
type List = (disturbed::Side, String, Vec<String>);

impl Cuts {
    /// Those of a design; their places in what is counted around faults begin with `place`, and there are so many windows
    /// of time.
    pub fn new(names: &Names, mut place: usize, windows: usize) -> Self {
        let mut cuts = Self::default();
        for (fault, spec) in names.faults().enumerate() {
            // Names are asked for before what is wrong has been refused.
            let Some(&Effect::Partition(path)) = spec.effects().first() else { continue };
            let (one, other, _) = path.sides();
            let named = [one, other].into_iter().filter(|list| !list.is_empty());
            let lists: Vec<List> = named
                .map(|list| {
                    let called: Vec<String> = list.iter().map(ToString::to_string).collect();
                    (names.side(&list), called[0].clone(), called)
                })
                .collect();
            let cut = Cut::new(names, fault, &lists, (place, windows));
            if let Some(cut) = cut {
                place += cut.sides.len() * STRETCHES;
                cuts.all.push(cut);
            }
        }
        if !cuts.all.is_empty() {
            let clients = names.design.clients.values().enumerate();
            let rows =
                clients.flat_map(|(i, client)| client.operations().into_iter().map(move |_| i));
            cuts.clients = rows.collect();
        }
        cuts.classify();
        cuts
    }

    /// Tells those who ask apart by the sides on which they are.
    fn classify(&mut self) {
        let places: Vec<usize> =
            self.all.first().map_or_else(Vec::new, |cut| cut.of.iter().map(Vec::len).collect());
        for (client, places) in places.into_iter().enumerate() {
            let sides = |place: usize| -> Vec<usize> {
                self.all.iter().map(|cut| cut.side(client, place as u16)).collect()
            };
            let sides: Vec<Vec<usize>> = (0..places).map(sides).collect();
            let mut classes = Vec::new();
            for sides in sides {
                let known = self.class_sides.iter().position(|other| *other == sides);
                let class = known.unwrap_or_else(|| {
                    self.class_sides.push(sides);
                    self.class_sides.len() - 1
                });
                // Beyond so many nobody is told apart.
                classes.push(u8::try_from(class).unwrap_or(NOBODY));
            }
            self.classes.push(classes);
        }
    }

    /// What those who ask from a place of a client are told apart by.
    fn class(&self, client: usize, place: u16) -> u8 {
        self.classes[client].get(usize::from(place)).copied().unwrap_or(NOBODY)
    }

    /// Whether those who are told apart by that are on this side of the cut of a fault.
    pub fn are_on(&self, class: u8, fault: usize, side: usize) -> bool {
        let cut = self.all.iter().position(|cut| cut.fault == fault);
        let sides = self.class_sides.get(usize::from(class)).filter(|_| class != NOBODY);
        cut.zip(sides).is_some_and(|(cut, sides)| sides[cut] == side)
    }

    /// Nothing cuts those who ask apart.
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Places in what is counted around faults.
    pub fn places(&self) -> usize {
        self.all.iter().map(|cut| cut.sides.len() * STRETCHES).sum()
    }

    /// The id of each fault, and its sides.
    pub fn named(&self, names: &Names) -> BTreeMap<String, Vec<String>> {
        let sides = |cut: &Cut| cut.sides.iter().map(|side| side.name.clone()).collect();
        self.all.iter().map(|cut| (names.fault(cut.fault).id.0.clone(), sides(cut))).collect()
    }

    /// The faults, in order.
    pub fn faults(&self) -> impl Iterator<Item = usize> {
        self.all.iter().map(|cut| cut.fault)
    }

    /// The places in which a request counts that is sent in a phase from a place of the client of a row.
    pub fn counted(&self, phase: usize, row: usize, place: u16) -> impl Iterator<Item = usize> {
        let client = self.clients.get(row).copied().unwrap_or_default();
        let around = self.phases.get(phase).into_iter().flatten();
        around.map(move |&(cut, stretch)| {
            let cut = &self.all[cut];
            cut.place + cut.side(client, place) * STRETCHES + stretch as usize
        })
    }

    /// A request is decided that was sent in a window of time.
    pub fn decided(&mut self, (row, place): (usize, u16), window: usize, good: u64) {
        let client = self.clients[row];
        for cut in &mut self.all {
            let side = cut.side(client, place);
            let window = &mut cut.sides[side].windows[window];
            window.decided += 1;
            window.good += good;
        }
    }

    /// A read was answered whose request was sent in a phase and a window of time.
    fn read(&mut self, asker: Asker, (phase, window): (usize, usize), stale: bool) {
        for cut in &mut self.all {
            let side = cut.side(asker.client, asker.place);
            let window = &mut cut.sides[side].windows[window];
            window.reads += 1;
            window.stale += u64::from(stale);
        }
        for &(cut, stretch) in &self.phases[phase] {
            let cut = &mut self.all[cut];
            let side = cut.side(asker.client, asker.place);
            let (behind, reads) = &mut cut.sides[side].reads[stretch as usize];
            *behind += u64::from(stale);
            *reads += 1;
        }
    }

    /// What was seen of a fault's sides; the window `second` of time is the second part of the one before.
    pub fn measured(&self, fault: usize, second: Option<usize>) -> Option<CutMeasured> {
        let cut = self.all.iter().find(|cut| cut.fault == fault)?;
        let mut sides = cut.sides.clone();
        if let Some(second) = second {
            for side in &mut sides {
                let part = side.windows.remove(second);
                side.windows[second - 1].add(&part);
            }
        }
        Some(CutMeasured { place: cut.place, sides })
    }
}

impl Cut {
    /// None where nobody who asks stands on a side that is named.
    fn new(
        names: &Names,
        fault: usize,
        lists: &[List],
        (place, windows): (usize, usize),
    ) -> Option<Self> {
        let on = |client: usize| -> Vec<usize> {
            let id = names.client_id(client);
            let places = names.places_of_entity(id).into_iter().enumerate();
            let side = |(inst, zone)| {
                let holds = |list: &List| list.0.holds((id, inst as u16), zone);
                lists.iter().position(holds).unwrap_or(lists.len())
            };
            places.map(side).collect()
        };
        let on: Vec<Vec<usize>> = (0..names.clients().len()).map(on).collect();
        let stands = |side: &usize| on.iter().flatten().any(|other| other == side);
        let there: Vec<usize> = (0..=lists.len()).filter(stands).collect();
        if there.iter().all(|side| *side == lists.len()) {
            return None;
        }
        let seen = |side: &usize| {
            let list = lists.get(*side);
            SideMeasured {
                name: list.map_or(REST, |list| &list.1).to_owned(),
                names: list.map_or_else(Vec::new, |list| list.2.clone()),
                windows: vec![SideWindow::default(); windows],
                ..SideMeasured::default()
            }
        };
        let among = |side: &usize| there.iter().position(|other| other == side).unwrap_or_default();
        let of = on.iter().map(|places| places.iter().map(among).collect()).collect();
        Some(Self { fault, place, sides: there.iter().map(seen).collect(), of })
    }

    fn side(&self, client: usize, place: u16) -> usize {
        self.of[client].get(usize::from(place)).copied().unwrap_or_default()
    }
}

impl World {
    /// What a frame was at with data ended well; of a read it is noted from which side of each cut it was asked for.
    pub fn data_done(&mut self, slot: Slot) {
        let now = self.now();
        let cuts = &self.record.cuts;
        let asker = if cuts.is_empty() { None } else { self.asker(slot) };
        let by = asker.map_or(NOBODY, |asker| cuts.class(asker.client, asker.place));
        let Some(data) = &mut self.data else { return };
        let read = data.done(slot, by, now);
        if let (Some(stale), Some(asker)) = (read, asker) {
            self.record.read(asker, stale);
        }
    }

    /// Who waits for a frame: nobody does if somebody on the way has given up.
    fn asker(&self, slot: Slot) -> Option<Asker> {
        let mut at = slot;
        loop {
            let f = &self.frames[at];
            if let Some(client) = NodeId::checked_sub(f.node, self.first_client) {
                let (client, place) = (usize::from(client), f.inst);
                return Some(Asker { client, place, intended: f.arrived });
            }
            if f.flags & CALLER_DONE != 0 || f.parent == NONE {
                return None;
            }
            at = f.parent;
        }
    }
}

impl Recorder {
    /// A read was answered that somebody asked for.
    fn read(&mut self, asker: Asker, stale: bool) {
        if asker.intended >= self.measured_from && !self.sides.is_empty() {
            let at = (self.phase_of(asker.intended), self.window_at(asker.intended));
            self.cuts.read(asker, at, stale);
        }
    }
}
