//! Instances come and go: what is due at a stop, what the autoscalers read there, and what they decide.
//!
//! **Invariant.** Whoever chooses among instances hears of one that comes or goes at once; only crashes need health
//! checks.

use std::sync::Arc;

use super::{
    door::Door,
    places::{Due, Places, State},
    scaler::{Reading, Sums, There},
    scaling::Scaling,
};
use crate::{
    engine::random::{descend, hash_str, mix},
    model::{
        books::{InstanceBooks, PurchaseMeasured, Scaled, ScalingMeasured},
        event,
        fault::hosts::Harm,
        ids::{Host, NodeId},
        names::Names,
        route::Route,
        sim::Simulation,
        tick::Tick,
    },
};

impl Simulation {
    /// The places that are free at first are.
    pub(in crate::model) fn begin_scaling(&mut self) {
        for (node, scaling) in std::mem::take(&mut self.scalings) {
            if scaling.places.vacant().is_some() {
                let (tick, hold) = (self.world.ticks.len() as u32, scaling.scaler.hold());
                let (index, name) = (u32::MAX, self.plan.names.name(node));
                self.world.ticks.push(Tick { armed: 0, node, index, identity: hash_str(4, name) });
                self.world.hosts.has_vacancy(Door::new(node, tick, hold));
            }
            let all = scaling.places.all.iter().enumerate();
            let free = all.filter(|(_, place)| place.state == State::Off);
            for place in free.map(|(number, _)| number as u16) {
                let within = self.world.network.ground.within.guests((node, place));
                let guests = scaling.places.guests().iter().map(|&guest| (guest, place));
                // Nothing is inside yet.
                for host in std::iter::once((node, place)).chain(guests).chain(within) {
                    self.world.hosts.harm(host, Harm::Off, true, 0);
                }
                self.tell((node, place), false);
            }
            self.plan_stops(&scaling);
            self.scalings.insert(node, scaling);
        }
    }

    /// The samples of nodes start anew with the measured span; autoscalers go on.
    pub(in crate::model) fn keep_samples(&mut self) {
        for (node, scaling) in &mut self.scalings {
            let response = &self.world.record.nodes[usize::from(*node)].response;
            scaling.forgotten.0 += response.count();
            scaling.forgotten.1 += response.sum();
            let now = self.world.agenda.now();
            scaling.places.classes.iter_mut().for_each(|classes| classes.begin_span(now));
        }
    }

    /// What is due at an instant happens, and the autoscalers whose time it is look.
    #[cold]
    pub(in crate::model) fn scale(&mut self, now: u64) {
        if self.scalings.values().all(|scaling| scaling.next() > now) {
            return;
        }
        let plan = Arc::clone(&self.plan);
        for (node, mut scaling) in std::mem::take(&mut self.scalings) {
            self.go_on(&mut scaling, &plan.names, now);
            let (reads, looks) = (scaling.scaler.reads(now), scaling.scaler.looks(now));
            if (reads || looks) && self.is_run(&scaling, &plan.names) {
                if reads {
                    let reading = self.read_places(&scaling, &plan.names, now);
                    scaling.scaler.keep(reading);
                }
                if looks {
                    self.decide(&mut scaling, &plan.names, now);
                }
            }
            self.comes_if_awaited(&mut scaling, &plan.names, now);
            self.plan_stops(&scaling);
            self.scalings.insert(node, scaling);
        }
    }

    /// What the autoscaler of a node decided from an instant on.
    pub(in crate::model) fn scaling_measured(
        &self,
        node: NodeId,
        from: u64,
    ) -> Option<ScalingMeasured> {
        let scaling = self.scalings.get(&node).filter(|scaling| scaling.scales)?;
        Some(scaling.measured(from))
    }

    /// Autoscalers go by what the design says from now on.
    pub(in crate::model) fn change_scaling(&mut self, version: usize, names: &Names, now: u64) {
        for (node, mut scaling) in std::mem::take(&mut self.scalings) {
            // A node that no change concerns has one version.
            let all = names.versions(node);
            let spec = all.get(version).unwrap_or(&all[0]).kind().autoscale();
            scaling.scaler.change(spec.map(|(spec, _)| spec), now);
            if let Some(door) = self.world.hosts.door_mut(node) {
                door.most = scaling.scaler.hold();
            }
            self.plan_stops(&scaling);
            self.scalings.insert(node, scaling);
        }
    }

    /// Whether somebody is there who measures and decides, and can speak to some instance.
    fn is_run(&self, scaling: &Scaling, names: &Names) -> bool {
        let Some(by) = scaling.scaler.by().and_then(|by| names.node(&by.0)) else { return true };
        let hosts = &self.world.hosts;
        let runs = |host: Host| !hosts.is_down(host) && !hosts.is_paused(host);
        let all = |node: NodeId| 0..names.kind(node).facts().instances as u16;
        let here = scaling.places.node;
        let there: Vec<Host> =
            scaling.places.there().map(|place| (here, place)).filter(|at| runs(*at)).collect();
        let mut own = all(by).map(|inst| (by, inst)).filter(|at| runs(*at));
        let nobody = scaling.places.there().next().is_none();
        own.any(|at| nobody || there.iter().any(|other| !self.world.network.parts(at, *other)))
    }

    pub(super) fn plan_stops(&mut self, scaling: &Scaling) {
        let next = scaling.next();
        if next > self.world.agenda.now() && next < self.world.record.end {
            self.progress.stops.insert(next);
        }
    }

    // ---- lives -----------------------------------------------------------------------------

    /// Something befalls whoever is at a place, or is over, and what is inside it.
    fn befalls(&mut self, places: &Places, place: u16, harm: Harm, begins: bool) {
        for node in std::iter::once(places.node).chain(places.guests().iter().copied()) {
            self.harm((node, place), harm, begins);
        }
    }

    /// Whoever chooses among instances hears that one has come, or goes.
    pub(super) fn tell(&mut self, host: (NodeId, u16), there: bool) {
        let world = &mut self.world;
        self.nodes.iter_mut().for_each(|node| node.joins(host, there, world));
        if let Route::Members(members) = &mut self.world.routes[usize::from(host.0)] {
            let vacant = self.world.hosts.vacant(host.0);
            members.retain(|member| *member != host.1 && Some(*member) != vacant);
            if there {
                members.push(host.1);
                members.sort_unstable();
            }
            if members.is_empty() {
                members.extend(vacant);
            }
        }
    }

    /// A life goes on.
    fn note_life(&mut self, places: &Places, place: u16, names: &Names) {
        let life = mix(places.all[usize::from(place)].life);
        let name = hash_str(3, names.name(places.node));
        let identity = descend(name ^ mix(u64::from(place)), life);
        let now = self.world.now();
        self.world.record.event(now, event::FATE, identity);
    }

    fn booting(&mut self, places: &Places, begins: bool, now: u64) {
        let guests = places.guests().iter().copied();
        std::iter::once(places.node)
            .chain(guests)
            .for_each(|node| self.world.hosts.boots(node, begins, now));
    }

    /// What is due happens.
    pub(super) fn go_on(&mut self, scaling: &mut Scaling, names: &Names, now: u64) {
        loop {
            while let Some(due) = scaling.places.take_due(now) {
                self.comes_due(scaling, due, names, now);
            }
            self.fill_up(scaling, names, now);
            if !scaling.rolls.is_empty() && self.roll_on(scaling, names, now) {
                self.change_version(names);
            }
            // Who boots in no time is ready at once.
            if scaling.places.next().is_none_or(|next| next > now) {
                break;
            }
        }
        if self.is_awaited(scaling.places.node) {
            self.world.opens_door(scaling.places.node);
        }
    }

    /// Whether somebody waits at the door.
    fn is_awaited(&self, node: NodeId) -> bool {
        self.world.hosts.door(node).is_some_and(|door| !door.line.is_empty())
    }

    /// A call has come to the door of a node without an instance.
    #[cold]
    pub(in crate::model) fn wakes(&mut self, node: NodeId) {
        let (now, plan) = (self.world.now(), Arc::clone(&self.plan));
        let Some(mut scaling) = self.scalings.remove(&node) else { return };
        if self.comes_if_awaited(&mut scaling, &plan.names, now) {
            self.plan_stops(&scaling);
            // The next stop may be sooner than the one that events run to.
            self.stop_running();
        }
        self.scalings.insert(node, scaling);
    }

    /// Somebody waits at the door of a node without an instance: one begins to boot, if none does yet.
    fn comes_if_awaited(&mut self, scaling: &mut Scaling, names: &Names, now: u64) -> bool {
        if !self.is_awaited(scaling.places.node) {
            return false;
        }
        let all = scaling.places.count() + scaling.places.to_come();
        let comes = all == 0 && self.is_run(scaling, names) && scaling.scaler.wakes(now);
        if comes {
            self.one_more(scaling, names, now);
            self.note_change(scaling, (now, 0), Some(now));
            self.go_on(scaling, names, now);
        }
        comes
    }

    /// There were so many; and since when there were to be more.
    fn note_change(&mut self, scaling: &mut Scaling, (now, from): (u64, u64), above: Option<u64>) {
        let to = scaling.places.count() + scaling.places.to_come();
        if to != from {
            scaling.scaler.note(now, to);
            let above = above.filter(|_| to > from);
            scaling.scaled.push(Scaled { at: now, from, to, above, ready: None });
        }
    }

    fn comes_due(
        &mut self,
        scaling: &mut Scaling,
        (place, due): (u16, Due),
        names: &Names,
        now: u64,
    ) {
        let places = &mut scaling.places;
        match due {
            Due::Ready => {
                self.booting(places, false, now);
                places.is_ready(place, now);
                self.befalls(places, place, Harm::Off, false);
                if let (true, Some((_, factor))) =
                    (places.all[usize::from(place)].fresh, places.warm())
                {
                    self.befalls(places, place, Harm::Slow(factor), true);
                }
                self.tell((places.node, place), true);
                let asked = places.all[usize::from(place)].asked;
                if let Some(change) = scaling.scaled.get_mut(asked) {
                    change.ready.get_or_insert(now);
                }
            }
            Due::Warm => self.settles(places, place),
            Due::Notice => return self.notice(scaling, place, names, now),
            Due::Gone => {
                places.call_off(place);
                self.settles(places, place);
                // A host that is taken says nothing to those who wait for what is inside.
                let silent = places.all[usize::from(place)].taken;
                if silent {
                    self.befalls(places, place, Harm::Down { silent }, true);
                }
                self.befalls(places, place, Harm::Off, true);
                if silent {
                    self.befalls(places, place, Harm::Down { silent }, false);
                }
                let sums = self.sums(places.node, now)[usize::from(place)];
                places.all[usize::from(place)].is_gone(sums, now);
                places.frees(place, now);
                self.note_life(places, place, names);
                if std::mem::take(&mut places.all[usize::from(place)].owed) {
                    self.begins(places, (Some(place), usize::MAX), names, now);
                }
                return;
            }
        }
        self.note_life(&scaling.places, place, names);
    }

    /// Somebody at a place is told to go.
    fn notice(&mut self, scaling: &mut Scaling, place: u16, names: &Names, now: u64) {
        let places = &mut scaling.places;
        let sums = self.sums(places.node, now)[usize::from(place)];
        places.notices(place, sums, (now, places.gone(place, now)));
        self.tell((places.node, place), false);
        self.note_life(places, place, names);
    }

    /// Those who are asked for in place of others begin, as far as there are places.
    fn fill_up(&mut self, scaling: &mut Scaling, names: &Names, now: u64) {
        while scaling.places.classes.as_mut().is_some_and(|classes| classes.due(now) > 0) {
            // It is no more one of those who are to come.
            scaling.places.classes.iter_mut().for_each(|classes| classes.filled());
            if !self.begins(&mut scaling.places, (None, usize::MAX), names, now) {
                return;
            }
        }
    }

    /// Spot instances are told to go together, and none comes to these places; or some may come again. The design does not
    /// change.
    #[cold]
    pub(in crate::model) fn reclaim(
        &mut self,
        hosts: &[Host],
        begins: bool,
        names: &Names,
    ) -> bool {
        let now = self.world.agenda.now();
        for (node, mut scaling) in std::mem::take(&mut self.scalings) {
            let spot: Vec<u16> = scaling.places.on_spot().collect();
            for &(_, place) in hosts.iter().filter(|host| host.0 == node) {
                scaling.places.classes.iter_mut().for_each(|classes| classes.bar(place, begins));
                if begins && spot.contains(&place) {
                    self.notice(&mut scaling, place, names, now);
                }
            }
            // Before the run has begun nobody starts.
            if now > 0 {
                self.go_on(&mut scaling, names, now);
            }
            self.plan_stops(&scaling);
            self.scalings.insert(node, scaling);
        }
        false
    }

    /// How long instances of each class of a node were there, where the file says how they are bought.
    pub(in crate::model) fn purchase_measured(
        &self,
        node: NodeId,
        names: &Names,
        (from, to): (u64, u64),
    ) -> Option<Box<PurchaseMeasured>> {
        let bought = self.scalings.get(&node).and_then(|scaling| scaling.places.classes.as_ref());
        if let Some(classes) = bought {
            return Some(Box::new(classes.measured(to)));
        }
        let (spec, all) = names.kind(node).purchase()?;
        let time = spec.of(all).map(|there| u128::from(there) * u128::from(to - from));
        Some(Box::new(PurchaseMeasured { time, reclaims: 0 }))
    }

    /// It is not fresh any more, if it was.
    fn settles(&mut self, places: &mut Places, place: u16) {
        let fresh = std::mem::take(&mut places.all[usize::from(place)].fresh);
        if let (true, Some((_, factor))) = (fresh, places.warm()) {
            self.befalls(places, place, Harm::Slow(factor), false);
        }
    }

    // ---- looks -----------------------------------------------------------------------------

    /// The books of all places as they are.
    pub(super) fn sums(&self, node: NodeId, now: u64) -> Vec<Sums> {
        let mut all = Vec::new();
        self.books(usize::from(node), now, &mut all);
        let one = |books: &InstanceBooks| Sums {
            busy: books.busy,
            in_queue: books.in_queue,
            arrivals: books.arrivals,
            out: books.down,
        };
        all.iter().map(one).collect()
    }

    /// What can be known of a node now: who drains is left out.
    fn read_places(&self, scaling: &Scaling, names: &Names, now: u64) -> Reading {
        let Scaling { places, forgotten: (count, time), .. } = scaling;
        let record = &self.world.record.nodes[usize::from(places.node)];
        let sums = places.all.iter().zip(self.sums(places.node, now)).take(places.taken());
        Reading {
            at: now,
            places: sums.map(|(place, sums)| place.counted(sums, now)).collect(),
            in_system: record.inside.until(now),
            depth: scaling.scaler.backlog().map_or(0, |(from, what)| {
                let node = names.node(&from.0).and_then(|id| self.nodes.get(usize::from(id)));
                node.map_or(0, |node| node.backlog(&what, now))
            }),
            ended: (record.response.count() + count, record.response.sum() + time),
        }
    }

    /// An autoscaler looks, and has instances come or go.
    fn decide(&mut self, scaling: &mut Scaling, names: &Names, now: u64) {
        let Scaling { places, scaler, .. } = &mut *scaling;
        let all = places.count() + places.to_come();
        let (mut old, mut seen) = (0, None);
        if let Some((from, to)) = scaler.window(now) {
            let out = |reading: &Reading, place: u16| reading.place(usize::from(place)).out;
            old = places.ready().filter(|&place| out(&from, place) == out(&to, place)).count();
            seen = scaler.figure(&from, &to, all).map(|figure| (figure, from.at));
        }
        let mut wanted = scaler.decide(now, There { all, old: old as u64 }, seen);
        // Who was asked for comes.
        if wanted == 0 && all > 0 && self.is_awaited(scaling.places.node) {
            wanted = 1;
        }
        for _ in all..wanted {
            self.one_more(scaling, names, now);
        }
        for _ in wanted..all {
            self.one_less(scaling, names, now);
        }
        let above = scaling.scaler.above();
        self.note_change(scaling, (now, all), above);
        // What takes no time.
        self.go_on(scaling, names, now);
    }

    fn one_more(&mut self, scaling: &mut Scaling, names: &Names, now: u64) {
        // There is no place as long as enough of them drain.
        let asked = scaling.scaled.len();
        self.begins(&mut scaling.places, (None, asked), names, now);
    }

    /// A life begins, if there is a place for it.
    fn begins(
        &mut self,
        places: &mut Places,
        (here, asked): (Option<u16>, usize),
        names: &Names,
        now: u64,
    ) -> bool {
        let place = places.begin(here, now, asked);
        if let Some(place) = place {
            self.booting(places, true, now);
            self.note_life(places, place, names);
            self.begins_with_versions(places, place, names);
        } else if let Some(classes) = &mut places.classes {
            classes.owes();
        }
        place.is_some()
    }

    fn one_less(&mut self, scaling: &mut Scaling, names: &Names, now: u64) {
        let places = &mut scaling.places;
        if places.calls_off_next() {
            return;
        }
        let Some(place) = places.newest() else { return };
        if places.all[usize::from(place)].state == State::Booting {
            places.call_off(place);
            places.all[usize::from(place)].state = State::Off;
            places.frees(place, now);
            self.booting(places, false, now);
        } else {
            let sums = self.sums(places.node, now)[usize::from(place)];
            places.goes(place, sums, (now, scaling.scaler.drain()));
            self.tell((places.node, place), false);
        }
        self.note_life(&scaling.places, place, names);
    }
}
