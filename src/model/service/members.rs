//! Services that read a log: their instances are members of a group, ask for messages of the partitions they hold, and try
//! what fails again in its place.
//!
//! **Invariant.** What is not held is neither worked off nor put down.

use std::collections::BTreeMap;

use super::server::Server;
use crate::{
    engine::random::mix,
    model::{
        ids::Slot,
        queue::{
            broker::is_last,
            consumers::AGAIN,
            host::post,
            post::{Ask, Batch, Handle, Post, Record},
        },
        replication::letters::Cargo,
        span::Span,
        topic::{
            letters::{NotLed, Told, Word},
            member::Holding,
        },
        world::World,
    },
};

/// An instance and which of what it consumes.
type Reads = (u16, usize);

impl Server {
    // ---- membership --------------------------------------------------------------------------

    /// An instance begins: as a member of its groups from the start, or it joins them.
    pub(super) fn begin_membership(&mut self, inst: u16, world: &mut World) {
        let host = (self.node, inst);
        if world.hosts.disturbed && world.hosts.is_down(host) {
            return;
        }
        for source in self.logs_read() {
            let Some(consumers) = &mut self.consumers else { return };
            let entry = self.program.own[consumers.first + source] + 1;
            let Some(terms) = consumers.sources[source].log.clone() else { continue };
            let begins = world.now() > 0;
            if begins {
                consumers.places[usize::from(inst)][source].member.begins_anew();
            }
            let clocks = [
                (Some(terms.heartbeat), Post::Beats(source as u16)),
                (terms.commit, Post::Commits(source as u16)),
            ];
            for (every, what) in clocks {
                let Some(every) = every else { continue };
                let id = consumers.next_id(inst);
                let slot = world.own_frame(host, (id, 0), Cargo::None);
                world.put_post(slot, what);
                world.begin_own(slot, entry);
                // Not all at the same time.
                let phase = ((u128::from(mix(id)) * u128::from(every)) >> 64) as u64;
                world.arm(slot, Span::of(phase + 1));
            }
            if begins {
                self.say(Word::Joins, (inst, source), world);
            }
        }
    }

    fn logs_read(&self) -> Vec<usize> {
        let Some(consumers) = &self.consumers else { return Vec::new() };
        let sources = consumers.sources.iter().enumerate();
        sources.filter(|(_, source)| source.log.is_some()).map(|(i, _)| i).collect()
    }

    /// A member says something to the coordinator of its group.
    fn say(&mut self, word: Word, (inst, source): Reads, world: &mut World) {
        let host = (self.node, inst);
        let Some(consumers) = &mut self.consumers else { return };
        let of = &consumers.sources[source];
        let (topic, Some(terms)) = (of.queue, &of.log) else { return };
        let (group, at_once) = (terms.group, terms.commit.is_none());
        let member = &mut consumers.places[usize::from(inst)][source].member;
        let all = at_once || matches!(word, Word::Commits | Word::Leaves);
        let beat = member.says(word, (host, source as u16, group), all);
        member.unheard = true;
        let id = (consumers.next_id(inst), 0);
        let coordinator = world.believed(host, (topic, 0));
        post((host, (topic, coordinator)), id, Post::Beat(beat), world);
    }

    /// A member asked, or said something to, a copy of a partition that does not lead: he goes to who does.
    pub(super) fn finds_leader(&mut self, inst: u16, told: NotLed, world: &mut World) {
        let (host, reads) = ((self.node, inst), (inst, usize::from(told.source)));
        let (node, asked) = told.asked;
        let Some(consumers) = &mut self.consumers else { return };
        let place = &mut consumers.places[usize::from(inst)][reads.1];
        if told.number == 0 {
            place.member.unheard = false;
        }
        let Some(leader) = told.leader else {
            world.believes_no_more(host, (node, asked));
            return consumers.ask_later(inst, (told.source, told.number), world);
        };
        world.believes(host, (node, leader));
        if told.number == 0 {
            let word = if place.member.joins { Word::Joins } else { Word::Here };
            return self.say(word, reads, world);
        }
        if consumers.end_ask_of(inst, (told.source, told.number), world) {
            self.ask_for_more(inst, world);
        }
    }

    /// It is time that a member says that it is there, or how far it is.
    pub(super) fn member_timed(
        &mut self,
        slot: Slot,
        (source, word): (u16, Word),
        world: &mut World,
    ) {
        let (inst, source) = (world.frames[slot].inst, usize::from(source));
        let Some(consumers) = &self.consumers else { return };
        let Some(terms) = &consumers.sources[source].log else { return };
        let topic = consumers.sources[source].queue;
        let member = &consumers.places[usize::from(inst)][source].member;
        if member.unheard && word == Word::Here {
            let host = (self.node, inst);
            let coordinator = world.believed(host, (topic, 0));
            world.believes_no_more(host, (topic, coordinator));
        }
        let every =
            if word == Word::Commits { terms.commit.unwrap_or_default() } else { terms.heartbeat };
        let word = if member.joins { Word::Joins } else { word };
        world.arm(slot, Span::of(every));
        if member.has_left() {
            return;
        }
        self.say(word, (inst, source), world);
    }

    /// A coordinator has told a member something.
    pub(super) fn is_told(&mut self, inst: u16, told: &Told, world: &mut World) {
        let reads = (inst, usize::from(told.source));
        let Some(consumers) = &mut self.consumers else { return };
        let member = &mut consumers.places[usize::from(inst)][reads.1].member;
        member.unheard = false;
        if member.life != told.life || member.has_left() {
            return;
        }
        if !told.known {
            member.begins_anew();
            self.drop_asks(reads, world);
            return self.say(Word::Joins, reads, world);
        }
        member.is_confirmed(&told.confirmed);
        if !member.hears(told) {
            return;
        }
        let loses = member.is_letting_go() || member.holds.is_empty();
        self.drop_asks(reads, world);
        if loses {
            self.say(Word::Here, reads, world);
        }
        self.ask_for_more(inst, world);
    }

    /// An instance takes nothing new, as it goes: it leaves its groups as soon as it works on nothing of them.
    pub(super) fn leaves_groups(&mut self, inst: u16, world: &mut World) {
        for source in self.logs_read() {
            let Some(consumers) = &mut self.consumers else { return };
            consumers.places[usize::from(inst)][source].member.is_to_leave();
            self.drop_asks((inst, source), world);
            self.let_go((inst, source), world);
        }
    }

    /// A member that works on nothing any more of what it is to let go says so.
    fn let_go(&mut self, (inst, source): Reads, world: &mut World) {
        let Some(consumers) = &mut self.consumers else { return };
        let member = &mut consumers.places[usize::from(inst)][source].member;
        if member.leaves && member.holds.iter().all(|holding| holding.busy.is_none()) {
            self.say(Word::Leaves, (inst, source), world);
        } else if member.is_letting_go() {
            self.say(Word::Here, (inst, source), world);
        }
    }

    // ---- messages ----------------------------------------------------------------------------

    /// What a member has asked for is not waited for any more.
    fn drop_asks(&mut self, (inst, source): Reads, world: &mut World) {
        let Some(consumers) = &mut self.consumers else { return };
        let place = &mut consumers.places[usize::from(inst)][source];
        for (_, slot) in place.asks.drain(..) {
            world.disarm(slot);
            world.release(slot);
        }
        place.member.holds.iter_mut().for_each(|holding| holding.asked = 0);
    }

    /// A member with a free worker asks the brokers of the partitions that nobody works on, and that it has not asked for.
    pub(super) fn ask_brokers(&mut self, (inst, source): Reads, world: &mut World) {
        let Some(consumers) = &mut self.consumers else { return };
        let of = &consumers.sources[source];
        let Some(terms) = &of.log else { return };
        let (brokers, copied) = (u32::from(terms.brokers), terms.copied);
        let (group, topic, batch, linger) = (terms.group, of.queue, of.batch, of.linger);
        let (host, entry) = ((self.node, inst), self.program.own[consumers.first + source] + 1);
        let place = &mut consumers.places[usize::from(inst)][source];
        let idle = |holding: &&mut Holding| {
            holding.busy.is_none() && !holding.given_up && holding.asked == 0
        };
        let mut at: BTreeMap<u16, Vec<(u32, u64)>> = BTreeMap::new();
        for holding in place.member.holds.iter_mut().filter(idle) {
            let partition = holding.partition;
            let broker = if copied {
                world.believed(host, (topic, partition as u16))
            } else {
                (partition % brokers) as u16
            };
            at.entry(broker).or_default().push((partition, holding.next));
        }
        for (broker, wants) in at {
            let place = &mut consumers.places[usize::from(inst)][source];
            let number = place.number + 1;
            for &(partition, _) in &wants {
                if let Some(holding) = place.member.of(partition) {
                    holding.asked = number;
                }
            }
            let source = source as u16;
            let ask =
                Ask { from: host, queue: topic, broker, group, source, number, batch, linger };
            consumers.ask(ask, entry, Post::Fetch(ask, wants), world);
        }
    }

    /// Messages of a partition were handed to a member.
    pub(super) fn begin_part(
        &mut self,
        inst: u16,
        ask: Ask,
        messages: Vec<(Handle, Record)>,
        world: &mut World,
    ) {
        let Some(consumers) = &mut self.consumers else { return };
        if !consumers.end_ask(inst, ask, world) {
            // It has asked anew since.
            return;
        }
        let member = &mut consumers.places[usize::from(inst)][usize::from(ask.source)].member;
        let first = messages.first().map(|(handle, record)| (handle.place, record.order));
        let mine = first.and_then(|(partition, offset)| {
            let holding = member.of(partition)?;
            (holding.busy.is_none() && !holding.given_up && holding.next == offset)
                .then_some(holding)
        });
        if let Some(holding) = mine {
            holding.next += messages.len() as u64;
            self.take_part(inst, Batch { source: ask.source, messages, ..Batch::default() }, world);
        }
        self.ask_for_more(inst, world);
    }

    /// A batch of a partition begins, perhaps anew.
    fn take_part(&mut self, inst: u16, batch: Batch, world: &mut World) {
        let (source, partition) = (usize::from(batch.source), batch.messages[0].0.place);
        let slot = self.begin_batch(inst, batch, world);
        let Some(consumers) = &mut self.consumers else { return };
        if let Some(holding) = consumers.places[usize::from(inst)][source].member.of(partition) {
            holding.busy = Some(slot);
        }
        self.enter_batch(slot, world);
    }

    /// What a member asked for is not kept any more.
    pub(super) fn goes_on_from(
        &mut self,
        inst: u16,
        ask: Ask,
        (partition, to): (u32, u64),
        world: &mut World,
    ) {
        let reads = (inst, usize::from(ask.source));
        let Some(consumers) = &mut self.consumers else { return };
        if !consumers.end_ask(inst, ask, world) {
            return;
        }
        let member = &mut consumers.places[usize::from(inst)][reads.1].member;
        if let Some(holding) = member.of(partition).filter(|holding| holding.busy.is_none()) {
            (holding.next, holding.done) = (to, to);
            self.say(Word::Commits, reads, world);
        }
        self.ask_for_more(inst, world);
    }

    /// Messages of a batch failed: they are tried again in their place, or were tried often enough.
    pub(super) fn fails_in_place(&mut self, batch: &mut Batch, partly: bool, world: &mut World) {
        let Some(consumers) = &self.consumers else { return };
        let of = &consumers.sources[usize::from(batch.source)];
        let (topic, Some(terms)) = (of.queue, &of.log) else { return };
        let failed =
            if partly { batch.fared.len()..batch.fared.len() + 1 } else { 0..batch.messages.len() };
        let tries = batch.messages[failed.start].0.receives;
        batch.fared.truncate(failed.start);
        batch.closing = false;
        if is_last(tries, terms.max_receives) {
            batch.fared.resize(failed.end, false);
            let dead = &batch.messages[failed];
            batch.dead.extend(dead.iter().map(|(_, record)| record.order));
            if terms.grave.is_some() {
                // Whoever says that it has come names it by its place in which log.
                let which = u32::from(batch.source) << 28;
                let named = |(handle, record): &(Handle, Record)| {
                    let handle = Handle { handout: record.order as u32 ^ which, ..*handle };
                    (handle, record.clone())
                };
                batch.unburied.extend(dead.iter().map(named));
            }
            return;
        }
        for (handle, record) in &mut batch.messages[failed] {
            handle.receives = handle.receives.saturating_add(1);
            if let Some(mail) = &mut world.mail {
                mail.tried_again((topic, terms.group), record);
            }
        }
        if let Some((retry, stream)) = &terms.backoff {
            let identity = batch.messages[batch.fared.len()].1.identity;
            let mut draw = stream.draw_mixed(mix(identity ^ u64::from(tries)));
            batch.waits = retry.wait(tries, 0, &mut draw);
        }
    }

    /// Dead messages are sent where such messages go, again each time nobody says that they have come.
    pub(super) fn bury(&mut self, slot: Slot, batch: &Batch, world: &mut World) {
        let host = (self.node, world.frames[slot].inst);
        let Some(consumers) = &mut self.consumers else { return };
        let terms = consumers.sources[usize::from(batch.source)].log.as_ref();
        let Some(grave) = terms.and_then(|terms| terms.grave) else { return };
        for (handle, record) in &batch.unburied {
            let id = (consumers.next_id(host.1), record.size);
            post((host, (grave, 0)), id, Post::Put(*handle, record.clone()), world);
        }
        world.arm(slot, Span::of(AGAIN));
    }

    /// Where dead messages go somebody says which have come.
    pub(super) fn are_buried(&mut self, inst: u16, settled: &[(Handle, bool)], world: &mut World) {
        let come = |handle: &Handle| settled.iter().any(|(other, taken)| *taken && other == handle);
        let Some(consumers) = &self.consumers else { return };
        let holds =
            consumers.places[usize::from(inst)].iter().flat_map(|place| &place.member.holds);
        let of = |holding: &&Holding| {
            settled.iter().any(|(handle, _)| handle.place == holding.partition)
        };
        let slots: Vec<Slot> = holds.filter(of).filter_map(|holding| holding.busy).collect();
        for slot in slots {
            let Some(Post::Batch(mut batch)) = world.take_post(slot) else { continue };
            let before = batch.unburied.len();
            batch.unburied.retain(|(handle, _)| !come(handle));
            let over = before > 0 && batch.unburied.is_empty();
            world.put_post(slot, Post::Batch(batch));
            if over {
                world.disarm(slot);
                world.arm(slot, Span::ZERO);
            }
        }
    }

    /// A batch of a partition has ended.
    pub(super) fn part_ended(
        &mut self,
        (slot, inst): (Slot, u16),
        mut batch: Batch,
        well: bool,
        world: &mut World,
    ) {
        let reads = (inst, usize::from(batch.source));
        let Some((handle, last)) = batch.messages.last() else { return };
        let (partition, done) = (handle.place, last.order + 1);
        let Some(consumers) = &mut self.consumers else { return };
        let at_once =
            consumers.sources[reads.1].log.as_ref().is_some_and(|terms| terms.commit.is_none());
        let member = &mut consumers.places[usize::from(inst)][reads.1].member;
        let holds = &mut member.holds;
        let Some(at) = holds.iter().position(|h| h.partition == partition && h.busy == Some(slot))
        else {
            return;
        };
        if !well {
            // What is done after all of them failed.
            self.fails_in_place(&mut batch, false, world);
            return self.take_part(inst, batch, world);
        }
        let mut holding = holds.remove(at);
        (holding.busy, holding.done) = (None, done);
        holding.dead.append(&mut batch.dead);
        let given_up = holding.given_up;
        holds.push(holding);
        if given_up {
            self.let_go(reads, world);
        } else if at_once {
            self.say(Word::Commits, reads, world);
        }
    }
}
