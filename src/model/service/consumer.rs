//! Services that work messages off: their instances ask for some, and each is a visit that nobody waits for.
//!
//! **Invariant.** Of a batch one message at a time is worked on, by the worker that the batch holds.

use super::server::Server;
use crate::{
    cause::Cause,
    engine::random::{descend, mix},
    model::{
        frame::{BRANCH, CALLEE_DONE, CALLER_DONE, Extra, FINISHED, Frame, HAS_WORKER, NOBODY},
        ids::{NONE, Slot},
        queue::{
            consumers::Source,
            host::post,
            post::{Ask, Batch, Handle, Post, Record},
        },
        replication::letters::Cargo,
        span::Span,
        topic::letters::Word,
        world::{World, pack},
    },
    outcome::Outcome,
};

/// Asks of a function that are out at once for each queue, in each zone.
const POLLERS: u64 = 5;

impl Server {
    /// An instance begins to ask, or its broker to hand out: as the simulation begins, or anew after a crash.
    pub(super) fn begin_consuming(&mut self, inst: u16, world: &mut World) {
        if let Some(consumers) = &mut self.consumers {
            consumers.withdraw(inst, false);
            self.begin_membership(inst, world);
            self.ask_for_more(inst, world);
        }
        self.hand_out(world);
        self.begin_log(inst, world);
        self.begin_relays(inst, world);
        self.begin_feeding(inst, world);
    }

    /// An instance asks for messages from now on, or takes nothing new and goes.
    pub(super) fn consumer_joins(&mut self, inst: u16, there: bool, world: &mut World) {
        if let Some(consumers) = &mut self.consumers {
            consumers.withdraw(inst, !there);
        }
        if !there {
            self.leaves_groups(inst, world);
        }
    }

    /// The process of an instance is gone with these frames.
    pub(super) fn crash_messages(&mut self, inst: u16, lost: &[Slot], world: &mut World) {
        self.crash_consumer(inst, lost, world);
        self.crash_broker(world);
        self.crash_log(inst, world);
        self.crash_relays(inst);
        self.crash_feeding(inst);
    }

    /// An instance asks for as many batches as it has free workers.
    #[inline(never)]
    pub(super) fn ask_for_more(&mut self, inst: u16, world: &mut World) {
        let host = (self.node, inst);
        let Some(consumers) = &mut self.consumers else { return };
        let at = usize::from(inst);
        if consumers.leaving[at] || world.hosts.disturbed && world.hosts.is_down(host) {
            return;
        }
        let workers = self.instances[at].workers.as_deref();
        let mut logs = Vec::new();
        let mut spare = self.environments.as_ref().map(|own| {
            let out = consumers.places[at].iter().map(|place| place.asks.len() as u64).sum();
            own.pools[at].spare(world.now()).saturating_sub(out)
        });
        let free = workers.map(|w| w.capacity.saturating_sub(w.busy.count() + w.room.waiting()));
        for source in 0..consumers.sources.len() {
            let place = &consumers.places[at][source];
            let free = match &mut spare {
                Some(spare) => {
                    let asks = place.asks.len() as u64;
                    let more = POLLERS.saturating_sub(asks).min(*spare);
                    *spare -= more;
                    asks + more
                }
                None => free.unwrap_or(1u64.saturating_sub(place.batches)),
            };
            let Source { queue, batch, linger, .. } = consumers.sources[source];
            if consumers.sources[source].log.is_some() {
                logs.extend((free > 0).then_some(source));
                continue;
            }
            for number in
                place.number + 1..=place.number + free.saturating_sub(place.asks.len() as u64)
            {
                let entry = self.program.own[consumers.first + source] + 1;
                let (source, broker, group) = (source as u16, 0, 0);
                let ask = Ask { from: host, queue, broker, group, source, number, batch, linger };
                consumers.ask(ask, entry, Post::Ask(ask), world);
            }
            let wait =
                self.environments.as_ref().and_then(|own| own.pools[at].until_token(world.now()));
            if let Some(wait) = wait {
                let entry = self.program.own[consumers.first + source] + 1;
                let (source, broker, group, number) = (source as u16, 0, 0, 0);
                let ask = Ask { from: host, queue, broker, group, source, number, batch, linger };
                consumers.sleep(ask, entry, wait, world);
            }
        }
        for source in logs {
            self.ask_brokers((inst, source), world);
        }
    }

    /// Something about messages has come to an instance.
    pub(super) fn consumer_hears(&mut self, slot: Slot, world: &mut World) {
        let inst = world.frames[slot].inst;
        let came = world.take_post(slot);
        world.release(slot);
        let Some(consumers) = &mut self.consumers else { return };
        match came {
            Some(Post::Handed(ask, messages)) => {
                if consumers.sources[usize::from(ask.source)].log.is_some() {
                    return self.begin_part(inst, ask, messages, world);
                }
                consumers.end_ask(inst, ask, world);
                if messages.is_empty() {
                    self.ask_for_more(inst, world);
                } else {
                    let batch = Batch { source: ask.source, messages, ..Batch::default() };
                    let slot = self.begin_batch(inst, batch, world);
                    self.enter_batch(slot, world);
                    if self.environments.is_some() {
                        // Whoever started for it leaves room for more.
                        self.ask_for_more(inst, world);
                    }
                }
            }
            Some(Post::Moved(ask, partition, to)) => {
                self.goes_on_from(inst, ask, (partition, to), world);
            }
            Some(Post::Told(told)) => self.is_told(inst, &told, world),
            Some(Post::Settled(settled)) => self.are_buried(inst, &settled, world),
            Some(Post::Refused(ask)) => {
                consumers.ask_later(inst, (ask.source, ask.number), world);
                world.believes_no_more((self.node, inst), (ask.queue, ask.broker));
            }
            Some(Post::NotLed(not_led)) => self.finds_leader(inst, not_led, world),
            _ => {}
        }
    }

    /// The timer of a frame that has to do with messages fires.
    pub(super) fn consumer_timed(&mut self, slot: Slot, world: &mut World) {
        let inst = world.frames[slot].inst;
        match world.post_of(slot) {
            Some(&Post::Asks(ask)) => {
                match &mut self.consumers {
                    Some(consumers) if ask.number == 0 => consumers.wakes(inst, ask, slot, world),
                    Some(consumers) => drop(consumers.end_ask(inst, ask, world)),
                    None => {}
                }
                world.believes_no_more((self.node, inst), (ask.queue, ask.broker));
                self.ask_for_more(inst, world);
            }
            Some(Post::Batch(_)) => self.next_message(slot, world),
            Some(&Post::Beats(source)) => self.member_timed(slot, (source, Word::Here), world),
            Some(&Post::Commits(source)) => {
                self.member_timed(slot, (source, Word::Commits), world);
            }
            _ => {}
        }
    }

    /// Messages were handed to an instance.
    pub(super) fn begin_batch(&mut self, inst: u16, batch: Batch, world: &mut World) -> Slot {
        let consumers = self.consumers.as_mut().expect("who is handed messages consumes");
        let (source, host) = (usize::from(batch.source), (self.node, inst));
        consumers.places[usize::from(inst)][source].batches += 1;
        let id = consumers.next_id(inst);
        let entry = self.program.own[consumers.first + source] + 1;
        let first = &batch.messages[0].1;
        let (key, op) = (first.key, first.op);
        let slot = world.own_frame(host, (id, key), Cargo::None);
        dress(slot, first, world);
        world.put_post(slot, Post::Batch(batch));
        world.begin_own(slot, entry);
        let f = &mut world.frames[slot];
        (f.parent, f.op) = (NONE, op);
        slot
    }

    /// They take a worker, or wait for one.
    pub(super) fn enter_batch(&mut self, slot: Slot, world: &mut World) {
        let inst = world.frames[slot].inst;
        if self.environments.is_some() {
            return self.comes_into_environment(slot, world);
        }
        if let Some(workers) = &mut self.instances[usize::from(inst)].workers {
            let now = world.now();
            if workers.busy.count() >= workers.capacity {
                // Before any request: it has come as somebody had a worker for it.
                return workers.room.enter(slot, 0, world);
            }
            workers.busy.enter(now);
            world.frames[slot].flags |= HAS_WORKER;
        }
        self.next_message(slot, world);
    }

    /// The next message of a batch is worked off; or what is to be done after all of them.
    pub(super) fn next_message(&mut self, slot: Slot, world: &mut World) {
        let Some(Post::Batch(batch)) = world.post_of(slot) else { return };
        let done = batch.fared.len();
        let source = usize::from(batch.source);
        if batch.waits > 0 || !batch.unburied.is_empty() {
            return self.holds_on(slot, world);
        }
        if let Some(message) = batch.messages.get(done).cloned() {
            return self.visit_for(slot, (source, &message), world);
        }
        let well = batch.fared.iter().all(|&well| well);
        let of = self.consumers.as_ref().map(|consumers| &consumers.sources[source]);
        let partial = of.is_some_and(|of| of.partial);
        if of.is_some_and(|of| of.log.is_some()) {
            if batch.fared.iter().all(|well| !well) {
                return self.finish(slot, Outcome::Ok, world);
            }
        } else if !well && !partial {
            return self.finish(slot, Outcome::Error, world);
        }
        if let Some(Post::Batch(mut batch)) = world.take_post(slot) {
            batch.closing = true;
            world.put_post(slot, Post::Batch(batch));
        }
        world.frames[slot].pc += 1;
        self.run(slot, world);
    }

    /// A batch waits before it goes on, or until its dead messages have come where such messages go.
    fn holds_on(&mut self, slot: Slot, world: &mut World) {
        let Some(Post::Batch(mut batch)) = world.take_post(slot) else { return };
        match std::mem::take(&mut batch.waits) {
            0 => self.bury(slot, &batch, world),
            waits => world.arm(slot, Span::of(waits)),
        }
        world.put_post(slot, Post::Batch(batch));
    }

    /// A visit for a message begins.
    fn visit_for(
        &mut self,
        batch: Slot,
        (source, (handle, record)): (usize, &(Handle, Record)),
        world: &mut World,
    ) {
        let Some(consumers) = &self.consumers else { return };
        let (node, inst) = (self.node, world.frames[batch].inst);
        // The batch is in an environment already.
        let door = u16::from(self.environments.is_some());
        let identity = descend(record.identity, consumers.sources[source].salt);
        let id = mix(identity.wrapping_add(u64::from(handle.receives)));
        let slot = world.begin_inside(Frame {
            id,
            key: record.key,
            parent: pack(node, inst),
            node,
            inst,
            next: NONE,
            op: record.op,
            pc: self.entry_of(inst, record.op) + 1 + door,
            flags: CALLER_DONE,
            ..Frame::EMPTY
        });
        dress(slot, record, world);
        world.put_post(slot, Post::Visit(batch));
        if let Some(data) = &mut world.data {
            data.repeated.begin((slot, id), identity);
        }
        world.arrive(slot);
        self.instances[usize::from(inst)].arrivals += 1;
        if world.hosts.failing() && world.fails_at_once(slot) {
            return self.finish(slot, Outcome::Error, world);
        }
        self.run(slot, world);
    }

    /// The environment in which a batch is worked off is gone: with the message that is at work, and all after it.
    pub(super) fn stops_message(&mut self, batch: Slot, world: &mut World) {
        let all = world.inside((self.node, world.frames[batch].inst));
        let is_its = |slot: &Slot| world.post_of(*slot) == Some(&Post::Visit(batch));
        if let Some(visit) = all.into_iter().find(is_its) {
            self.stop_what_it_does(visit, world);
            self.finish(visit, Outcome::Error, world);
        }
        world.disarm(batch);
    }

    /// Where a visit of an instance for an operation begins.
    fn entry_of(&self, inst: u16, op: u8) -> u16 {
        let entries = match &self.mixed {
            Some(mixed) => &self.versions[mixed[usize::from(inst)]].entries,
            None => &self.program.entries,
        };
        entries[usize::from(op)].expect("every operation that can arrive has an endpoint")
    }

    /// A visit ends: whether it was for a message. Nobody waits for it but its batch.
    pub(super) fn message_ended(&mut self, slot: Slot, how: Outcome, world: &mut World) -> bool {
        let Some(&Post::Visit(batch)) = world.post_of(slot) else { return false };
        let now = world.now();
        self.instances[usize::from(world.frames[slot].inst)].departures += 1;
        world.depart(slot, how);
        let f = &mut world.frames[slot];
        f.armed = FINISHED;
        f.flags |= CALLEE_DONE;
        world.release_if_done(slot);
        let Some(Post::Batch(mut all)) = world.take_post(batch) else { return true };
        let of = self.consumers.as_ref().map(|c| &c.sources[usize::from(all.source)]);
        if let (Some(mail), Some(of)) = (&mut world.mail, of) {
            let read = (of.queue, of.log.as_ref().map_or(0, |terms| terms.group));
            mail.ended(read, &all.messages[all.fared.len()], how.is_success(), now);
        }
        if how.is_success() || of.is_none_or(|of| of.log.is_none()) {
            all.fared.push(how.is_success());
        } else {
            let partly = of.is_some_and(|of| of.partial);
            self.fails_in_place(&mut all, partly, world);
        }
        world.put_post(batch, Post::Batch(all));
        // By an event of its own: messages without work would recurse here.
        world.arm(batch, Span::ZERO);
        true
    }

    /// A frame of the server's own ends: whether it was a batch, whose broker then hears how its messages fared.
    pub(super) fn batch_ended(&mut self, slot: Slot, how: Outcome, world: &mut World) -> bool {
        let Some(Post::Batch(_)) = world.post_of(slot) else { return false };
        let Some(Post::Batch(batch)) = world.take_post(slot) else { return false };
        let inst = world.frames[slot].inst;
        self.leaves_environment(slot, world);
        world.release(slot);
        let Some(consumers) = &mut self.consumers else { return true };
        let at = usize::from(batch.source);
        let Source { queue, forgets, partial, .. } = consumers.sources[at];
        consumers.places[usize::from(inst)][at].batches -= 1;
        if consumers.sources[at].log.is_some() {
            self.part_ended((slot, inst), batch, how.is_success(), world);
            if self.instances[usize::from(inst)].workers.is_none() {
                self.ask_for_more(inst, world);
            }
            return true;
        }
        // What is done after all of them stands and falls for all of them.
        let undone = batch.closing && !how.is_success();
        let all = batch.fared.len() == batch.messages.len() && batch.fared.iter().all(|&well| well);
        let well = |i: usize| !undone && (partial || all) && batch.fared.get(i) == Some(&true);
        let ended = batch.messages.iter().enumerate().map(|(i, (handle, _))| (*handle, well(i)));
        if !forgets {
            let (ended, id) = (ended.collect(), (consumers.next_id(inst), 0));
            post(((self.node, inst), (queue, 0)), id, Post::Settled(ended), world);
        }
        if self.instances[usize::from(inst)].workers.is_none() {
            self.ask_for_more(inst, world);
        }
        true
    }

    /// The process of an instance is gone with these frames; if its host is not, brokers hear of it.
    fn crash_consumer(&mut self, inst: u16, lost: &[Slot], world: &mut World) {
        let Some(consumers) = &mut self.consumers else { return };
        let (now, from) = (world.now(), world.record.measured_from);
        for &slot in lost {
            if !matches!(world.post_of(slot), Some(Post::Visit(_))) {
                continue;
            }
            let arrived = world.frames[slot].arrived;
            world.record.node(self.node).depart(now, arrived, from, Err(Cause::Crashed));
            // There is no caller to be told.
            world.frames[slot].flags |= BRANCH;
        }
        consumers.places[usize::from(inst)].iter_mut().for_each(|place| {
            place.asks.clear();
            place.batches = 0;
            place.sleeps = false;
            // Whoever it is when it is back, he joins.
            place.member.holds.clear();
        });
        let host = (self.node, inst);
        if world.hosts.state(host).silent > 0 {
            return;
        }
        for source in 0..consumers.sources.len() {
            let of = &consumers.sources[source];
            let (queue, brokers) = (of.queue, of.log.as_ref().map_or(1, |terms| terms.brokers));
            for broker in 0..brokers {
                let id = (consumers.next_id(inst), 0);
                post((host, (queue, broker)), id, Post::Reset(host), world);
            }
        }
    }
}

/// A frame knows of the request in which a message was published.
fn dress(slot: Slot, record: &Record, world: &mut World) {
    let views = world.data.as_mut().and_then(|data| data.views.as_mut());
    if let (Some(views), Some(shows)) = (views, &record.shows) {
        views.learns(slot, &shows.0);
    }
    if !world.carries {
        return;
    }
    let mut extra = Extra { client: NOBODY, ..Extra::EMPTY };
    (extra.size, extra.priority) = (record.size, record.priority);
    if let Some(sender) = &record.sender {
        (extra.intended, extra.session) = (sender.intended, sender.session);
        (extra.client, extra.request_op) = (sender.client, sender.operation);
        if let Some(values) = &sender.attributes {
            extra.attributes = world.attributes.row();
            world.attributes.values_mut(extra.attributes).copy_from_slice(values);
        }
    }
    *world.frames.extra_mut(slot) = extra;
}
